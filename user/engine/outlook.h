/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the lists will say if a policy comes into force: its own entries, the files of the feeds that only it
 * has, and what is on the lists now and stays there. So that a plan, its trial and the questions of safety
 * have one answer. Changes nothing.
 */
#ifndef ENGINE_OUTLOOK_H
#define ENGINE_OUTLOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "lists/feed.h"
#include "lists/set.h"
#include "policy/policy.h"

#define OUTLOOK_EXAMPLES 5

/* A feed that the policy has and the one in force does not. */
struct outlook_feed {
	const char *name, *file; /* the policy's */
	enum list_kind kind;
	struct list_content *content; /* NULL: refused */
	struct feed_report report;
	struct fault fault; /* why it is refused; err 0 = it is not */
	bool lengths[129];  /* its prefixes have */

	/* What outlook_count() found. */
	size_t hosts;
	uint8_t examples[OUTLOOK_EXAMPLES][16];
};

struct outlook;

/** @lists and @policy are to outlive it. -ENOMEM, and the faults of list_set_replace_origin(). */
int outlook_new(const struct list_set *lists, const struct policy *policy, struct outlook **ret,
		struct fault *reterr);
void outlook_free(struct outlook *o);
DEFINE_CLEANUP(struct outlook *, outlook_free)

/* Add a copy of @feed, one of the policy's, whose content becomes the outlook's. */
void outlook_add_feed(struct outlook *o, const struct outlook_feed *feed);
/* What the feed @id of the lists has there goes with it. */
void outlook_drop_feed(struct outlook *o, unsigned int id);
bool outlook_drops(const struct outlook *o, unsigned int id);

/** The fault of the first feed that is refused; 0: none is. */
int outlook_refused(const struct outlook *o, struct fault *reterr);
/** By number, counted from 0; NULL: there are no more. */
const struct outlook_feed *outlook_feed(const struct outlook *o, size_t index);

/* Which lists @address will be on. */
void outlook_ask(const struct outlook *o, const uint8_t address[static 16],
		 bool ret_listed[static LIST_KIND_MAX]);
/* Count @address among those that the new feeds list. Each address once. */
void outlook_count(struct outlook *o, const uint8_t address[static 16]);

#endif
