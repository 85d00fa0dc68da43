/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* nft's rulesets: what each form of rule becomes, what is not translated, and why; order matters. */
#include "test_import.h"

/* A ruleset of one chain of hook input, of which the rules' expressions are given. */
#define HEAD                                                                                       \
	"{\"nftables\":[{\"metainfo\":{\"version\":\"1.0.6\"}},"                                   \
	"{\"table\":{\"family\":\"inet\",\"name\":\"t\",\"handle\":1}},"
#define SETS                                                                                        \
	"{\"set\":{\"family\":\"inet\",\"name\":\"bad\",\"table\":\"t\",\"type\":\"ipv4_addr\","    \
	"\"handle\":2,\"elem\":[\"192.0.2.1\",{\"prefix\":{\"addr\":\"198.51.100.0\",\"len\":24}}," \
	"{\"range\":[\"203.0.113.4\",\"203.0.113.6\"]},"                                            \
	"{\"elem\":{\"val\":\"192.0.2.9\",\"timeout\":3600,\"expires\":90,\"comment\":\"x\"}}]}},"  \
	"{\"set\":{\"family\":\"inet\",\"name\":\"few\",\"table\":\"t\",\"type\":\"ipv4_addr\","    \
	"\"handle\":3,\"elem\":[\"10.0.0.0\"]}},"
#define CHAIN_(hook, policy)                                                                       \
	"{\"chain\":{\"family\":\"inet\",\"table\":\"t\",\"name\":\"c\",\"handle\":9,"             \
	"\"type\":\"filter\",\"hook\":\"" hook "\",\"prio\":0,\"policy\":\"" policy "\"}}"
#define CHAIN CHAIN_("input", "accept")
#define RULE_OF(chain, handle, expr)                                                               \
	",{\"rule\":{\"family\":\"inet\",\"table\":\"t\",\"chain\":\"" chain                       \
	"\",\"handle\":" #handle ",\"expr\":[" expr "]}}"
#define RULE(handle, expr) RULE_OF("c", handle, expr)
#define END		   "]}"

#define MATCH(left, right) "{\"match\":{\"op\":\"==\",\"left\":" left ",\"right\":" right "}}"
#define PAYLOAD(protocol, field)                                                                   \
	"{\"payload\":{\"protocol\":\"" protocol "\",\"field\":\"" field "\"}}"
#define SADDR(right)	MATCH(PAYLOAD("ip", "saddr"), right)
#define DADDR(right)	MATCH(PAYLOAD("ip", "daddr"), right)
#define DPORT(p, right) MATCH(PAYLOAD(p, "dport"), right)
#define STATE(right)                                                                               \
	"{\"match\":{\"op\":\"in\",\"left\":{\"ct\":{\"key\":\"state\"}},\"right\":" right "}}"
#define ESTABLISHED STATE("[\"established\",\"related\"]")
#define RATE(rate, per)                                                                            \
	"{\"limit\":{\"rate\":" #rate ",\"burst\":7,\"per\":\"" per "\",\"inv\":true}}"
#define WITHIN "{\"limit\":{\"rate\":10,\"burst\":7,\"per\":\"second\"}}"
#define UPDATE(elem, statement)                                                                    \
	"{\"set\":{\"op\":\"update\",\"elem\":" elem ",\"set\":\"@few\",\"stmt\":[" statement "]}}"
#define DROP	     "{\"drop\":null}"
#define ACCEPT	     "{\"accept\":null}"
#define JUMP(target) "{\"jump\":{\"target\":\"" target "\"}}"

static void a_set_that_is_dropped_becomes_block_entries(void **state)
{
	struct fixture *x = *state;

	import(x, NFT, HEAD SETS CHAIN RULE(4, SADDR("\"@bad\"") "," DROP) END);
	assert_has(x->policy,
		   "  block:\n    entries:\n"
		   "      - {cidr: 192.0.2.1, reason: \"nft: inet t c handle 4\"}\n"
		   "      - {cidr: 192.0.2.9, ttl: 90s, reason: \"nft: inet t c handle 4: x\"}\n"
		   "      - {cidr: 198.51.100.0/24, reason: \"nft: inet t c handle 4\"}\n"
		   "      - {cidr: 203.0.113.4/31, reason: \"nft: inet t c handle 4\"}\n"
		   "      - {cidr: 203.0.113.6, reason: \"nft: inet t c handle 4\"}\n");
	assert_lacks(x->policy, "allow:");
	assert_notes(x, 1, 0);
	assert_skips(x, "inet t few", "no rule that is translated looks at it");
}

static void addresses_in_a_rule_are_entries_and_counters_are_no_hindrance(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN RULE(
		       4,
		       SADDR("\"192.0.2.1\"") ",{\"counter\":{\"packets\":1,\"bytes\":60}}," DROP)
		       RULE(5,
			    MATCH(PAYLOAD("ip6", "saddr"),
				  "{\"set\":[{\"prefix\":{\"addr\":\"2001:db8::\",\"len\":32}}]}") ","
												   "{\"log\":{\"prefix\":\"x\"}}," DROP)
			       RULE(6, SADDR("\"192.0.2.7\"") "," ACCEPT) RULE(
				       7,
				       SADDR("\"192.0.2.8\"") ",{\"reject\":{\"type\":\"tcp reset\"}}")
				       END);
	assert_has(x->policy, "{cidr: 192.0.2.1, ");
	assert_has(x->policy, "{cidr: \"2001:db8::/32\", ");
	assert_has(x->policy, "  allow:\n    entries:\n      - {cidr: 192.0.2.7, ");
	assert_has(x->policy, "{cidr: 192.0.2.8, ");
	assert_notes(x, 0, 1);
	assert_differs(x, "handle 7", "without an answer");
}

static void who_is_dropped_first_does_not_get_on_the_allow_list(void **state)
{
	struct fixture *x = *state;

	/* Dropped, and accepted later: never accepted. */
	import(x, NFT,
	       HEAD CHAIN RULE(4,
			       SADDR("{\"prefix\":{\"addr\":\"192.0.2.0\",\"len\":24}}") "," DROP)
		       RULE(5, SADDR("\"192.0.2.7\"") "," ACCEPT) END);
	assert_lacks(x->policy, "allow:");
	assert_skips(x, "handle 5", "allow list would win");
	/* A prefix of which a part was dropped before. */
	import(x, NFT,
	       HEAD CHAIN RULE(4, SADDR("\"192.0.2.7\"") "," DROP)
		       RULE(5, SADDR("{\"prefix\":{\"addr\":\"192.0.2.0\",\"len\":24}}") "," ACCEPT)
			       END);
	assert_lacks(x->policy, "allow:");
	assert_has(x->policy, "{cidr: 192.0.2.7, ");
	/* The other way round it is an exception. */
	import(x, NFT,
	       HEAD CHAIN RULE(4, SADDR("\"192.0.2.7\"") "," ACCEPT)
		       RULE(5, SADDR("{\"prefix\":{\"addr\":\"192.0.2.0\",\"len\":24}}") "," DROP)
			       END);
	assert_has(x->policy, "allow:\n    entries:\n      - {cidr: 192.0.2.7, ");
	assert_notes(x, 0, 0);
}

static void an_accept_ends_its_own_chain_only(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN RULE(
		       4,
		       SADDR("\"192.0.2.7\"") "," ACCEPT) ",{\"chain\":{\"family\":\"inet\",\"table\":\"t\",\"name\":\"later\",\"handle\":8,"
							  "\"type\":\"filter\",\"hook\":\"input\",\"prio\":10,\"policy\":\"accept\"}}" RULE_OF(
								  "later", 5,
								  SADDR("\"192.0.2.7\"") "," DROP)
								  END);
	assert_lacks(x->policy, "allow:");
	assert_has(x->policy, "block:");
	assert_skips(x, "handle 4", "allow list would win");
}

static void an_accept_behind_limits_does_not_lift_them(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN RULE(4, DPORT("udp", "53") "," RATE(10, "second") "," DROP)
		       RULE(5, SADDR("\"192.0.2.7\"") "," ACCEPT) END);
	assert_lacks(x->policy, "lists:");
	assert_skips(x, "handle 5", "rules before it limit them");
}

static void a_rate_over_which_is_dropped_becomes_a_limit(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN RULE(4, DPORT("udp", "53") "," RATE(300, "minute") "," DROP)
		       RULE(5, RATE(2000, "second") "," DROP) END);
	assert_has(x->policy, "services:\n  udp-53: {proto: [udp], dport: [53]}\n");
	assert_has(x->policy, "  - name: udp-53\n    scope: service\n    service: udp-53\n"
			      "    rate: 300/m\n    burst: 7\n");
	assert_has(x->policy, "  - name: all\n    scope: global\n    rate: 2k/s\n    burst: 7\n");
	assert_has(x->policy,
		   "  # inet t c handle 4: udp dport 53 limit rate over 300/minute burst 7 "
		   "packets drop\n");
	assert_notes(x, 0, 0);
}

static void a_rate_that_is_accepted_and_the_rest_dropped_is_the_same(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN RULE(4, DPORT("udp", "53") "," WITHIN "," ACCEPT)
		       RULE(5, DPORT("udp", "53") "," DROP) END);
	assert_has(x->policy, "    service: udp-53\n    rate: 10/s\n    burst: 7\n");
	assert_notes(x, 0, 0);
	/* What is over goes on to other rules. */
	import(x, NFT,
	       HEAD CHAIN RULE(4, DPORT("udp", "53") "," WITHIN "," ACCEPT)
		       RULE(5, DPORT("udp", "54") "," DROP) END);
	assert_lacks(x->policy, "limits:");
	assert_notes(x, 2, 0);
	/* Drops what is within. */
	import(x, NFT, HEAD CHAIN RULE(4, DPORT("udp", "53") "," WITHIN "," DROP) END);
	assert_lacks(x->policy, "limits:");
	assert_skips(x, "handle 4", "it drops what is within the rate");
}

static void budgets_of_sources_and_destinations_keep_their_keys(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD SETS CHAIN RULE(4, UPDATE(PAYLOAD("ip", "saddr"), RATE(10, "second")) "," DROP)
		       RULE(5, UPDATE("{\"&\":[" PAYLOAD("ip", "saddr") ",\"255.255.255.0\"]}",
				      RATE(11, "second")) "," DROP)
			       RULE(6, UPDATE(PAYLOAD("ip6", "saddr"), RATE(12, "second")) "," DROP)
				       RULE(7, UPDATE(PAYLOAD("ip", "daddr"),
						      RATE(13, "second")) "," DROP) END);
	assert_has(x->policy, "  - name: few\n    scope: source\n    rate: 10/s\n    burst: 7\n"
			      "    rollout: {sources: [0.0.0.0/0]}\n");
	assert_has(x->policy,
		   "  - name: few-2\n    scope: source_prefix\n    prefix: {ip4: 24, ip6: 64}\n"
		   "    rate: 11/s\n");
	assert_has(x->policy,
		   "  - name: few-3\n    scope: source\n    prefix: {ip4: 32, ip6: 128}\n"
		   "    rate: 12/s\n    burst: 7\n    rollout: {sources: [\"::/0\"]}\n");
	assert_has(x->policy, "  - name: few-4\n    scope: destination\n    rate: 13/s\n");
}

static void a_meter_of_the_old_form_is_read_too(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN RULE(
		       4,
		       DPORT("udp", "53") ",{\"meter\":{\"key\":" PAYLOAD("ip", "saddr") ",\"stmt\":" RATE(
			       30, "second") ",\"size\":65535,\"name\":\"old\"}}," DROP) END);
	assert_has(x->policy,
		   "  - name: old\n    scope: source\n    service: udp-53\n    rate: 30/s\n");
	assert_notes(x, 0, 0);
}

static void bytes_have_the_bucket_that_the_kernel_gives_them(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN RULE(4,
			       "{\"limit\":{\"rate\":1,\"burst\":2,\"per\":\"second\",\"inv\":true,"
			       "\"rate_unit\":\"mbytes\",\"burst_unit\":\"mbytes\"}}," DROP) END);
	assert_has(x->policy, "    byte_rate: 1MiB/s\n    byte_burst: 3MiB\n");
	assert_differs(x, "handle 4", "whole frames");
}

static void new_connections_are_counted_as_such_and_of_tcp_only(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN RULE(
		       4, DPORT("tcp", "22") "," STATE("\"new\"") "," RATE(10, "minute") "," DROP)
		       RULE(5,
			    DPORT("udp", "53") "," STATE("\"new\"") "," RATE(10, "minute") "," DROP)
			       RULE(6,
				    MATCH("{\"&\":[" PAYLOAD("tcp", "flags") ",[\"syn\",\"ack\"]]}",
					  "\"syn\"") "," RATE(9, "second") "," DROP) END);
	assert_has(x->policy,
		   "    service: tcp-22\n    connections: 10/m\n    connection_burst: 7\n");
	assert_has(x->policy, "    scope: global\n    connections: 9/s\n");
	assert_notes(x, 1, 0);
	assert_skips(x, "handle 5", "of TCP only");
}

static void behind_a_rule_that_lets_connections_pass_only_new_ones_are_counted(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN RULE(3, ESTABLISHED "," ACCEPT)
		       RULE(4, DPORT("tcp", "443") "," RATE(10, "second") "," DROP)
			       RULE(5, DPORT("udp", "53") "," RATE(10, "second") "," DROP)
				       RULE(6, SADDR("\"192.0.2.1\"") "," DROP) END);
	assert_has(x->policy, "    service: tcp-443\n    connections: 10/s\n");
	assert_lacks(x->policy, "udp");
	assert_skips(x, "handle 3", "which connections exist");
	assert_skips(x, "handle 5", "lets connections that exist pass");
	assert_differs(x, "handle 6", "which weir blocks, too");
	/* A map of verdicts says the same. */
	import(x, NFT,
	       HEAD CHAIN RULE(3,
			       "{\"vmap\":{\"key\":{\"ct\":{\"key\":\"state\"}},\"data\":{\"set\":["
			       "[\"established\"," ACCEPT "],[\"invalid\"," DROP "]]}}}")
		       RULE(4, DPORT("tcp", "443") "," RATE(10, "second") "," DROP) END);
	assert_has(x->policy, "    connections: 10/s\n");
	assert_notes(x, 1, 0);
}

static void an_earlier_exception_is_said_of_what_comes_after_it(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN RULE(3, DPORT("tcp", "22") "," ACCEPT)
		       RULE(4, SADDR("\"192.0.2.1\"") "," DROP)
			       RULE(5, SADDR("\"192.0.2.3\"") "," DROP)
				       RULE(6, RATE(10, "second") "," DROP) END);
	assert_skips(x, "handle 3", "looks at the source only");
	assert_differs(
		x, "handle 4",
		"an earlier rule (inet t c handle 3) lets some packets pass, which weir blocks");
	assert_differs(x, "handle 6", "which weir limits");
	assert_notes(x, 1, 2);
}

static void open_connections_are_limited_by_source(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD SETS CHAIN RULE(4, UPDATE(PAYLOAD("ip", "saddr"),
					      "{\"ct count\":{\"val\":20,\"inv\":true}}") "," DROP)
		       RULE(5, "{\"ct count\":{\"val\":20,\"inv\":true}}," DROP) END);
	assert_has(x->policy, "    scope: source\n    open_connections: 20\n");
	assert_differs(x, "handle 4", "to the whole host");
	assert_skips(x, "handle 5", "of each source");
}

static void services_have_destinations_ranges_and_several_protocols(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN RULE(
		       4,
		       DADDR("\"198.18.0.1\"") "," DPORT(
			       "th",
			       "{\"set\":[443,{\"range\":[8000,8100]},80,8050]}") "," RATE(10,
											   "second") "," DROP)
		       RULE(5,
			    MATCH("{\"meta\":{\"key\":\"l4proto\"}}",
				  "{\"set\":[\"icmp\",\"ipv6-icmp\",47]}") "," RATE(10,
										    "second") "," DROP)
			       END);
	assert_has(x->policy,
		   "{dst: [198.18.0.1], proto: [tcp, udp], dport: [80, 443, 8000-8100]}\n");
	assert_has(x->policy, ": {proto: [icmp, 47, icmp6]}\n");
}

static void limits_for_some_sources_only_are_limits_on_trial_for_them(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD SETS CHAIN RULE(4, SADDR("\"@few\"") "," RATE(10, "second") "," DROP)
		       RULE(5, SADDR("\"@bad\"") "," RATE(10, "second") "," DROP) END);
	assert_has(x->policy, "    rate: 10/s\n    burst: 7\n    rollout: {sources: [10.0.0.0]}\n");
	assert_skips(x, "handle 5", "no end of their own");
}

static void a_jump_without_a_condition_is_followed(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD CHAIN
	       ",{\"chain\":{\"family\":\"inet\",\"table\":\"t\",\"name\":\"d\",\"handle\":8}}" RULE(
		       4, JUMP("d")) RULE_OF("d", 5, SADDR("\"192.0.2.1\"") "," DROP)
		       RULE_OF("d", 6, "{\"return\":null}")
			       RULE_OF("d", 7, SADDR("\"192.0.2.2\"") "," DROP)
				       RULE(8, SADDR("\"192.0.2.3\"") "," DROP)
					       RULE(9, DPORT("tcp", "22") "," JUMP("d")) END);
	assert_has(x->policy, "{cidr: 192.0.2.1, ");
	assert_has(x->policy, "{cidr: 192.0.2.3, ");
	assert_lacks(x->policy, "192.0.2.2");
	assert_skips(x, "handle 7", "no packet comes to it without a condition");
	assert_skips(x, "handle 9", "weir has no chains");
	/* A chain that jumps to itself ends. */
	import(x, NFT, HEAD CHAIN RULE(4, JUMP("c")) END);
	assert_notes(x, 0, 0);
}

static void each_rule_that_is_not_translated_says_why(void **state)
{
	static const struct {
		const char *rule, *why;
	} rows[] = {
		{HEAD CHAIN RULE(4, DROP) END, "dropping the rest stays with the firewall"},
		{HEAD CHAIN RULE(4, DPORT("tcp", "23") "," DROP) END, "looks at the source only"},
		{HEAD CHAIN RULE(4, SADDR("\"192.0.2.1\"") "," DPORT("tcp", "22") "," DROP) END,
		 "looks at the source only"},
		{HEAD CHAIN RULE(4, SADDR("\"192.0.2.1\"") "," DPORT("tcp", "22") "," ACCEPT) END,
		 "looks at the source only"},
		{HEAD CHAIN RULE(4, "{\"match\":{\"op\":\"!=\",\"left\":" PAYLOAD(
					    "ip", "saddr") ",\"right\":\"192.0.2.1\"}}," DROP) END,
		 "not what they do not"},
		{HEAD CHAIN RULE(4, MATCH("{\"meta\":{\"key\":\"iif\"}}", "\"lo\"") "," ACCEPT) END,
		 "not attached to lo"},
		{HEAD CHAIN RULE(4, MATCH("{\"meta\":{\"key\":\"mark\"}}", "1") "," DROP) END,
		 "protocol, destination and destination port only"},
		{HEAD CHAIN RULE(4, "{\"quota\":{\"val\":1}}," DROP) END, "nothing like it"},
		{HEAD CHAIN RULE(4, "{\"xt\":{\"type\":\"match\",\"name\":\"recent\"}}," DROP) END,
		 "nothing like it"},
		{HEAD SETS CHAIN RULE(4, UPDATE("{\"concat\":[" PAYLOAD("ip", "saddr") "," PAYLOAD(
							"tcp", "dport") "]}",
						RATE(1, "second")) "," DROP) END,
		 "by source, prefix of sources or destination"},
		{HEAD SETS CHAIN RULE(4, UPDATE(PAYLOAD("ip", "saddr"), RATE(1, "second"))) END,
		 "does nothing with what is over"},
		{HEAD CHAIN RULE(4, ESTABLISHED
				 "," DPORT("tcp", "22") "," RATE(1, "second") "," DROP) END,
		 "does not know which connections exist"},
		{HEAD CHAIN RULE(4, WITHIN "," ACCEPT) END, "what is over goes on to other rules"},
		{HEAD CHAIN RULE(4, RATE(1, "week") "," DROP) END,
		 "per second, minute, hour or day"},
		{HEAD CHAIN RULE(4, DPORT("tcp", "\"imaps\"") "," RATE(1, "second") "," DROP) END,
		 "by number"},
		{HEAD CHAIN RULE(4, DPORT("tcp", "1") "," DPORT("udp", "2") "," RATE(
					    1, "second") "," DROP) END,
		 "ports twice"},
		{HEAD CHAIN RULE(4, SADDR("\"@none\"") "," DROP) END, "no such set"},
		{HEAD CHAIN RULE(4, SADDR("\"hosts.example\"") "," DROP) END, "no address"},
		{HEAD CHAIN RULE(4, SADDR("{\"prefix\":{\"addr\":\"0.0.0.0\",\"len\":0}}") "," DROP)
			 END,
		 "every address there is"},
		{HEAD CHAIN_("forward", "accept") RULE(4, SADDR("\"192.0.2.1\"") "," DROP) END,
		 "not about what comes in"},
		{HEAD CHAIN RULE_OF("lone", 4, SADDR("\"192.0.2.1\"") "," DROP) END,
		 "no packet comes to it without a condition"},
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		import(x, NFT, rows[i].rule);
		if (!x->policy)
			fail_msg("row %zu: %s", i, x->fault.text);
		assert_lacks(x->policy, "lists:");
		assert_lacks(x->policy, "limits:");
		if (!says(x, IMPORT_SKIPPED, "handle 4", rows[i].why))
			fail_msg("row %zu does not say '%s'", i, rows[i].why);
	}
}

static void a_policy_of_drop_stays_with_the_firewall(void **state)
{
	struct fixture *x = *state;

	import(x, NFT, HEAD CHAIN_("input", "drop") END);
	assert_skips(x, "inet t c", "dropping the rest stays with the firewall");
}

static void sets_alone_are_what_the_operator_says(void **state)
{
	struct fixture *x = *state;

	import(x, NFT, HEAD SETS "{\"table\":{}}" END);
	assert_has(x->policy, "block:");
	assert_has(x->policy, "{cidr: 10.0.0.0, reason: \"nft: few\"}");
	import_as(x, IMPORT_NFT, LIST_ALLOW, HEAD SETS "{\"table\":{}}" END);
	assert_has(x->policy, "allow:");
	assert_lacks(x->policy, "block:");
}

static void more_limits_than_a_packet_may_meet_are_left_out_by_name(void **state)
{
	struct fixture *x = *state;
	_cleanup_(text_done) struct text t = {.growing = true};

	text_puts(&t, HEAD CHAIN);
	for (int i = 1; i <= 70; i++)
		text_printf(
			&t,
			",{\"rule\":{\"family\":\"inet\",\"table\":\"t\",\"chain\":\"c\",\"handle\":%d,"
			"\"expr\":[{\"limit\":{\"rate\":%d,\"burst\":7,\"per\":\"second\",\"inv\":true}},"
			"{\"drop\":null}]}}",
			100 + i, 10 * i);
	text_puts(&t, END);
	import(x, NFT, t.data);
	/* 8 for a packet; one of them is weir's own, on fragments. */
	assert_int_equal(x->import->limit_count, 7);
	assert_notes(x, 63, 0);
	assert_skips(x, "handle 170", "at most 64 limits");
	assert_skips(x, "handle 108", "a policy cannot have it beside the limits above");
}

static void hostile_words_stay_words(void **state)
{
	struct fixture *x = *state;

	import(x, NFT,
	       HEAD
	       "{\"chain\":{\"family\":\"inet\",\"table\":\"t\",\"name\":\"c\\u2028mode: enforce\\n\",\"handle\":9,"
	       "\"type\":\"filter\",\"hook\":\"input\",\"prio\":0,\"policy\":\"accept\"}}" RULE_OF(
		       "c\\u2028mode: enforce\\n", 4, RATE(1, "second") "," DROP)
		       RULE_OF("c\\u2028mode: enforce\\n", 5, SADDR("\"192.0.2.1\"") "," DROP) END);
	assert_has(x->policy, "limits:");
	assert_has(x->policy, "mode: monitor\n");
	assert_lacks(x->policy, "\nmode: enforce");
}

static void what_is_no_ruleset_is_refused_with_its_place(void **state)
{
	struct fixture *x = *state;

	import(x, NFT, "{\"nftables\": [\n{]}");
	assert_int_equal(x->fault.err, -EINVAL);
	assert_string_equal(x->fault.code, "import.syntax");
	assert_has(x->fault.text, "line 2, column 2: ");
	import(x, NFT, "[]");
	assert_string_equal(x->fault.code, "import.empty");
	import(x, NFT, "{\"nftables\":{}}");
	assert_string_equal(x->fault.code, "import.empty");
	/* Values of other types than nft's. */
	import(x, NFT,
	       "{\"nftables\":[1,null,{\"rule\":1},{\"rule\":{\"expr\":{}}},{\"set\":[]},{\"chain\":\"x\"},"
	       "{\"rule\":{\"expr\":[1,{\"match\":2},{\"limit\":[]},{\"set\":{}},{}]}}]}");
	assert_non_null(x->policy);
}

static void a_real_ruleset_is_read(void **state)
{
	struct fixture *x = *state;

	import_file(x, IMPORT_NFT, "tests/data/import/nft.json");
	assert_int_equal(import_count(x->import, LIST_ALLOW), 1);
	assert_int_equal(import_count(x->import, LIST_BLOCK), 10);
	assert_int_equal(x->import->limit_count, 5);
	assert_notes(x, 23, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_set_that_is_dropped_becomes_block_entries),
		TEST(addresses_in_a_rule_are_entries_and_counters_are_no_hindrance),
		TEST(who_is_dropped_first_does_not_get_on_the_allow_list),
		TEST(an_accept_ends_its_own_chain_only),
		TEST(an_accept_behind_limits_does_not_lift_them),
		TEST(a_rate_over_which_is_dropped_becomes_a_limit),
		TEST(a_rate_that_is_accepted_and_the_rest_dropped_is_the_same),
		TEST(budgets_of_sources_and_destinations_keep_their_keys),
		TEST(a_meter_of_the_old_form_is_read_too),
		TEST(bytes_have_the_bucket_that_the_kernel_gives_them),
		TEST(new_connections_are_counted_as_such_and_of_tcp_only),
		TEST(behind_a_rule_that_lets_connections_pass_only_new_ones_are_counted),
		TEST(an_earlier_exception_is_said_of_what_comes_after_it),
		TEST(open_connections_are_limited_by_source),
		TEST(services_have_destinations_ranges_and_several_protocols),
		TEST(limits_for_some_sources_only_are_limits_on_trial_for_them),
		TEST(a_jump_without_a_condition_is_followed),
		TEST(each_rule_that_is_not_translated_says_why),
		TEST(a_policy_of_drop_stays_with_the_firewall),
		TEST(sets_alone_are_what_the_operator_says),
		TEST(more_limits_than_a_packet_may_meet_are_left_out_by_name),
		TEST(hostile_words_stay_words),
		TEST(what_is_no_ruleset_is_refused_with_its_place),
		TEST(a_real_ruleset_is_read),
	};

	return cmocka_run_group_tests_name("import: nft", tests, NULL, NULL);
}
