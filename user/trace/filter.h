/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a trace looks for, as words:
 *
 *	src 203.0.113.0/24 proto tcp dport 443-445 verdict drop,would_drop rule per-source
 *
 * All of it has to be so. A key may come once; where it takes a list, commas separate, and one of it has to be so.
 * Nothing at all is every packet.
 */
#ifndef TRACE_FILTER_H
#define TRACE_FILTER_H

#include <stdint.h>

#include <weir/trace.h>

#include "base/fault.h"

#define TRACE_FILTER_MAX 512 /* characters */

/* What names mean at the moment: each function returns 0, or -ENOENT if there is no such. */
struct trace_names {
	int (*limit)(const char *name, uint64_t ret_slots[static 2],
		     void *userdata); /* adds the slots of all limits of that name */
	int (*tenant)(const char *name, uint16_t *ret, void *userdata);
	int (*interface)(const char *name, uint32_t *ret_ifindex, void *userdata);
	uint32_t generation; /* of the policy whose tenants these are */
	void *userdata;
};

/** Compile @text. Faults: trace.filter, with the word and its column; trace.name (-ENOENT: there is no such limit, ...). */
int trace_filter_parse(const char *text, const struct trace_names *names,
		       struct weir_trace_filter *ret, struct fault *reterr);
/** One that no packet meets. */
void trace_filter_none(struct weir_trace_filter *ret);

/** "tcp", "udp", ...; NULL: a number without a name. */
const char *trace_protocol_to_str(unsigned int protocol);

#endif
