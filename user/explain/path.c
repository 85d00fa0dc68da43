/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "explain/path.h"

#include "base/cleanup.h"

const char *explain_stage_to_str(enum explain_stage stage)
{
	static const char *const words[] = {
		[EXPLAIN_MODE] = "mode",     [EXPLAIN_NETWORK] = "network",
		[EXPLAIN_LISTS] = "lists",   [EXPLAIN_TRANSPORT] = "transport",
		[EXPLAIN_LIMITS] = "limits",
	};

	_Static_assert(ARRAY_SIZE(words) == EXPLAIN_STAGE_MAX, "a stage has no word");
	return words[stage];
}

const char *explain_passage_to_str(enum explain_passage passage)
{
	static const char *const words[] = {
		[EXPLAIN_PASSED] = "passed",
		[EXPLAIN_DECIDED] = "decided",
		[EXPLAIN_NOT_REACHED] = "not_reached",
	};

	_Static_assert(ARRAY_SIZE(words) == EXPLAIN_PASSAGE_MAX, "a passage has no word");
	return words[passage];
}

/* As bpf/README.md has them; a reason that is new must be put somewhere. */
enum explain_stage explain_stage_of(unsigned int reason)
{
	switch ((enum weir_reason)reason) {
	case WEIR_REASON_UNCONFIGURED:
	case WEIR_REASON_OFF:
		return EXPLAIN_MODE;
	case WEIR_REASON_NEIGHBOUR:
	case WEIR_REASON_NOT_IP:
	case WEIR_REASON_VLAN_TRUNCATED:
	case WEIR_REASON_VLAN_TOO_DEEP:
	case WEIR_REASON_IP4_TRUNCATED:
	case WEIR_REASON_IP4_HEADER:
	case WEIR_REASON_IP4_LENGTH:
	case WEIR_REASON_IP6_TRUNCATED:
	case WEIR_REASON_IP6_HEADER:
	case WEIR_REASON_IP6_LENGTH:
	case WEIR_REASON_IP6_EXT_TRUNCATED:
	case WEIR_REASON_IP6_EXT_TOO_DEEP:
	case WEIR_REASON_FRAGMENT_RANGE:
		return EXPLAIN_NETWORK;
	case WEIR_REASON_ALLOWED:
	case WEIR_REASON_BLOCKED:
		return EXPLAIN_LISTS;
	case WEIR_REASON_FRAGMENT_TINY:
	case WEIR_REASON_TCP_TRUNCATED:
	case WEIR_REASON_TCP_HEADER:
	case WEIR_REASON_UDP_TRUNCATED:
	case WEIR_REASON_UDP_LENGTH:
	case WEIR_REASON_ICMP_TRUNCATED:
		return EXPLAIN_TRANSPORT;
	case WEIR_REASON_UNLIMITED:
	case WEIR_REASON_WITHIN_LIMIT:
	case WEIR_REASON_NO_STATE:
	case WEIR_REASON_OVER_PACKETS:
	case WEIR_REASON_OVER_BYTES:
	case WEIR_REASON_CONTENDED:
	case WEIR_REASON_FRAGMENT:
	case WEIR_REASON_OVER_CONNECTIONS:
	case WEIR_REASON_OVER_OPEN:
	case WEIR_REASON_STATE_FULL:
	case WEIR_REASON_SYN_COOKIE:
	case WEIR_REASON_OVER_QUOTA:
	case WEIR_REASON_MAX:
		break;
	}
	return EXPLAIN_LIMITS;
}

enum explain_passage explain_passage_at(const struct twin_verdict *verdict,
					enum explain_stage stage)
{
	enum explain_stage decided = explain_stage_of(verdict->reason);

	if (stage == decided)
		return EXPLAIN_DECIDED;
	return stage < decided ? EXPLAIN_PASSED : EXPLAIN_NOT_REACHED;
}

const char *explain_reason_words(unsigned int reason)
{
	switch (reason) {
#define WEIR_R(name, number, text, class, words)                                                   \
	case WEIR_REASON_##name:                                                                   \
		return words;
#include <weir/tbl/reason.def>
#undef WEIR_R
	default:
		return "unknown";
	}
}

uint64_t explain_wait_ns(const struct twin_verdict *verdict, const struct weir_limit *limits)
{
	uint64_t longest = 0;

	if (explain_stage_of(verdict->reason) != EXPLAIN_LIMITS ||
	    verdict->reason == WEIR_REASON_FRAGMENT)
		return verdict->verdict == WEIR_VERDICT_PASS ? 0 : TWIN_NEVER;
	for (size_t i = 0; i < verdict->limit_count; i++) {
		const struct twin_limit *limit = &verdict->limits[i];

		if (limits[i].action != WEIR_ACTION_DROP || limit->finding == TWIN_WOULD_REFUSE ||
		    (limit->finding != TWIN_REFUSED && limit->finding != TWIN_NOT_ASKED))
			continue;
		if (!limit->has_bucket && limit->finding == TWIN_REFUSED)
			return TWIN_NEVER;
		if (limit->has_bucket && limit->bucket.wait_ns > longest)
			longest = limit->bucket.wait_ns;
	}
	return longest;
}
