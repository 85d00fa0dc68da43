/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way of a packet through the program, stage by stage, as far as it got: told from what the program said of it. */
#ifndef EXPLAIN_PATH_H
#define EXPLAIN_PATH_H

#include <stddef.h>

#include "datapath/twin.h"

enum explain_stage {
	EXPLAIN_MODE,	 /* is there a policy, and does anything look at packets? */
	EXPLAIN_NETWORK, /* link and IP headers */
	EXPLAIN_LISTS,
	EXPLAIN_TRANSPORT, /* TCP, UDP and ICMP headers */
	EXPLAIN_LIMITS,
	EXPLAIN_STAGE_MAX,
};

enum explain_passage {
	EXPLAIN_PASSED,	     /* the stage had no objection */
	EXPLAIN_DECIDED,     /* here it was decided */
	EXPLAIN_NOT_REACHED, /* it was decided before */
	EXPLAIN_PASSAGE_MAX,
};

const char *explain_stage_to_str(enum explain_stage stage);	  /* "lists" */
const char *explain_passage_to_str(enum explain_passage passage); /* "not_reached" */

/** Which stage a reason is given by. */
enum explain_stage explain_stage_of(unsigned int reason);
/** What became of the packet at @stage. */
enum explain_passage explain_passage_at(const struct twin_verdict *verdict,
					enum explain_stage stage);
/** The reason in words: those of weir/tbl/reason.def. */
const char *explain_reason_words(unsigned int reason);
/**
 * Until the packet would pass, as far as limits decide: the longest wait among those that apply to it and drop. 0: now;
 * TWIN_NEVER: not by waiting.
 */
uint64_t explain_wait_ns(const struct twin_verdict *verdict, const struct weir_limit *limits);

#endif
