/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/window.h"

#include <string.h>

#include <weir/vocabulary.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/words.h"
#include "engine/risk.h"

#define EXAMPLES_SIZE (EVENTS_EXEMPLARS * ADDRESS_TEXT_SIZE)

/* Which event a window is: its kind of reason and whether it was enforced. */
static enum audit_event window_event(const struct events_window *w)
{
	bool dropped = w->verdict == WEIR_VERDICT_DROP || w->verdict == WEIR_VERDICT_REPLY;

	if (w->verdict == WEIR_VERDICT_MARK)
		return AUDIT_EVENT_RATELIMIT_MARKED;
	switch (w->reason) {
	case WEIR_REASON_BLOCKED:
		return dropped ? AUDIT_EVENT_LIST_BLOCKED : AUDIT_EVENT_LIST_WOULD_BLOCK;
	case WEIR_REASON_OVER_PACKETS:
	case WEIR_REASON_OVER_BYTES:
	case WEIR_REASON_OVER_CONNECTIONS:
	case WEIR_REASON_OVER_OPEN:
	case WEIR_REASON_OVER_QUOTA:
	case WEIR_REASON_STATE_FULL:
	case WEIR_REASON_CONTENDED:
		return dropped ? AUDIT_EVENT_RATELIMIT_DROPPED : AUDIT_EVENT_RATELIMIT_WOULD_DROP;
	case WEIR_REASON_SYN_COOKIE:
		return AUDIT_EVENT_RATELIMIT_CHALLENGED;
	case WEIR_REASON_FRAGMENT:
		return AUDIT_EVENT_PACKET_FRAGMENT;
	default:
		return AUDIT_EVENT_PACKET_MALFORMED;
	}
}

/* Of a prefix: how many sources it stands for, and some of them. */
static void add_crowd(const struct events_crowd *crowd, struct audit_details *details,
		      char examples[static EXAMPLES_SIZE])
{
	struct text t;

	text_init(&t, examples, EXAMPLES_SIZE);
	for (uint32_t i = 0; i < crowd->sources && i < EVENTS_EXEMPLARS; i++) {
		char address[ADDRESS_TEXT_SIZE];

		address_format(crowd->exemplars[i], address);
		text_printf(&t, "%s%s", i ? " " : "", address);
	}
	audit_details_u64(details, crowd->exact ? "sources" : "sources_at_least", crowd->sources);
	audit_details_string(details, "examples", examples);
}

/* Whom the window is about, as type and id of a resource. */
static const char *name_source(const struct events_window *w, char ret[static PREFIX_TEXT_SIZE])
{
	struct prefix prefix = {.bits = w->bits};

	memcpy(prefix.address, w->source, sizeof(prefix.address));
	if (w->others)
		snprintf(ret, PREFIX_TEXT_SIZE, "other sources");
	else if (w->crowd)
		prefix_format(&prefix, ret);
	else
		address_format(w->source, ret);
	return w->crowd ? "prefix" : "source";
}

/* A source is worse than what was last told of it. */
static void append_risk_change(struct chain *chain, const char *source,
			       const struct risk_change *change, enum audit_event because)
{
	/* Of none, low, medium, high and critical. */
	static const unsigned int severities[RISK_LEVEL_MAX] = {1, 1, 2, 3, 4};
	char risk[ENGINE_RISK_TEXT_SIZE];
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_SECURITY_RISK_CHANGED,
		.severity = severities[change->level],
		.resource = {"source", source},
		.details = &details,
	};

	audit_details_string(&details, "risk_from", risk_level_to_str(change->from));
	audit_details_string(&details, "risk_to", risk_level_to_str(change->level));
	audit_details_u64(&details, "risk_points", change->after / 1000);
	audit_details_string(&details, "because", audit_event_to_str(because));
	engine_risk_of_event(&record, &details, risk);
	chain_append(chain, &record);
}

int window_append(const struct events_window *w, const char *limit, unsigned int asset,
		  struct risk_sources *risk, struct chain *chain)
{
	uint64_t offset_ns = clock_real_ns() - clock_monotonic_ns();
	char first[CLOCK_RFC3339_SIZE], last[CLOCK_RFC3339_SIZE], examples[EXAMPLES_SIZE];
	char source[PREFIX_TEXT_SIZE], scored[ENGINE_RISK_TEXT_SIZE];
	struct audit_details details = {0};
	struct risk_change change;
	struct audit_record record = {
		.event = window_event(w),
		.resource = {name_source(w, source), source},
		.details = &details,
	};
	int r;

	clock_format_rfc3339(w->first_ns + offset_ns, first);
	clock_format_rfc3339(w->last_ns + offset_ns, last);
	audit_details_u64(&details, "packets", w->packets);
	audit_details_u64(&details, "bytes", w->bytes);
	audit_details_string(&details, "first_seen", first);
	audit_details_string(&details, "last_seen", last);
	audit_details_string(&details, "reason", reason_to_str(w->reason));
	audit_details_string(&details, "verdict", verdict_to_str(w->verdict));
	audit_details_u64(&details, "policy_generation", w->generation);
	if (w->crowd)
		add_crowd(w->crowd, &details, examples);
	if (limit)
		audit_details_string(&details, "limit", limit);
	engine_risk_of_window(risk, w, limit ?: "", asset, &record, &details, scored, &change);
	r = chain_append(chain, &record);
	if (r == 0 && change.rose)
		append_risk_change(chain, source, &change, record.event);
	return r;
}
