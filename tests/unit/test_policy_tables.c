/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which packets meet which limit: in what order, by service, tenant, source and hour; whose state a
 * limit has; and how many may meet. */
#include "test_policy_image.h"

#include "base/text.h"

#define HEAD "apiVersion: weir/v1\nmode: enforce\npackets: {fragments: pass}\n"

#define MATCHES                                                                                    \
	"services: {web: {proto: tcp, dport: 80}, dns: {proto: [tcp, udp], dport: 53}, "           \
	"ping: {proto: icmp}}\n"                                                                   \
	"tenants:\n"                                                                               \
	"  zeta: {dst: 10.1.0.0/16, src: 192.0.2.0/24}\n"                                          \
	"  acme: {dst: [10.0.0.0/8, \"::/0\"], src: 198.51.100.0/24}\n"                            \
	"limits:\n"

static void the_narrowest_scope_comes_first(void **state)
{
	_cleanup_(both_done) struct both b = compiled(
		"apiVersion: weir/v1\nmode: enforce\n" MATCHES
		"  - {name: g, scope: global, rate: 1/s}\n"
		"  - {name: i, scope: interface, rate: 1/s}\n"
		"  - {name: t, scope: tenant, rate: 1/s}\n"
		"  - {name: s, scope: service, service: web, rate: 1/s}\n"
		"  - {name: d, scope: destination, rate: 1/s}\n"
		"  - {name: p, scope: source_prefix, prefix: {ip4: 24, ip6: 48}, rate: 1/s}\n"
		"  - {name: e, scope: source_per_service, connections: 1/s}\n"
		"  - {name: b, scope: source, service: dns, rate: 1/s, byte_rate: 1MB/s}\n"
		"  - {name: a, scope: source, service: web, rate: 1/s}\n");
	static const struct {
		const char *name;
		enum weir_unit unit;
		int rule;
		uint32_t fixed_sets;
	} order[] = {
		{"b", WEIR_UNIT_PACKETS, 7, 0},		{"b", WEIR_UNIT_BYTES, 7, 0},
		{"a", WEIR_UNIT_PACKETS, 8, 0},		{"fragments", WEIR_UNIT_PACKETS, -1, 0},
		{"e/web", WEIR_UNIT_CONNECTIONS, 6, 0}, {"e/dns", WEIR_UNIT_CONNECTIONS, 6, 0},
		{"p", WEIR_UNIT_PACKETS, 5, 0},		{"d", WEIR_UNIT_PACKETS, 4, 0},
		{"s", WEIR_UNIT_PACKETS, 3, 1},		{"t", WEIR_UNIT_PACKETS, 2, 2},
		{"i", WEIR_UNIT_PACKETS, 1, 1},		{"g", WEIR_UNIT_PACKETS, 0, 1},
	};

	(void)state;
	assert_int_equal(b.image->policy.limit_count, ARRAY_SIZE(order));
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		const struct policy_image_limit *l = &b.image->limits[i];
		const struct policy_limit *rule =
			policy_rule_of(b.policy, b.image->policy.limits[i].name);

		assert_string_equal(l->name, order[i].name);
		assert_string_equal(b.image->policy.limits[i].name, order[i].name);
		assert_int_equal(l->unit, order[i].unit);
		assert_int_equal(l->rule, order[i].rule);
		assert_int_equal(l->fixed_sets, order[i].fixed_sets);
		assert_ptr_equal(rule, order[i].rule < 0 ? &b.policy->fragment_limit
							 : &b.policy->limits[order[i].rule]);
	}
}

static void new_connections_are_a_matter_of_tcp(void **state)
{
	_cleanup_(both_done) struct both b =
		compiled(HEAD MATCHES "  - {name: c, scope: source, connections: 1/s}\n"
				      "  - {name: o, scope: source, service: dns, "
				      "open_connections: 5}\n"
				      "  - {name: p, scope: source, rate: 1/s}\n");
	const struct policy_image *image = b.image;

	(void)state;
	assert_int_equal(image->policy.connection_limits, 3);
	assert_int_equal(image->ports[53].tcp, 7);
	assert_int_equal(image->ports[53].udp, 4);
	assert_int_equal(image->ports[80].tcp, 5);
	assert_int_equal(image->policy.protocol_limits[6], 4);
	assert_int_equal(image->policy.protocol_limits[1], 4);
}

static const struct weir_prefix_value *longest(const struct policy_prefix *rows, size_t count,
					       const char *address)
{
	const struct policy_prefix *best = NULL;
	struct prefix host;

	assert_int_equal(prefix_parse(address, &host), 0);
	for (size_t i = 0; i < count; i++)
		if (prefix_covers(&rows[i].prefix, &host) &&
		    (!best || rows[i].prefix.bits > best->prefix.bits))
			best = &rows[i];
	return best ? &best->value : NULL;
}

static void a_packet_s_tenant_has_the_longest_prefix(void **state)
{
	_cleanup_(both_done) struct both b = compiled(
		HEAD MATCHES "  - {name: all, scope: source, rate: 1/s}\n"
			     "  - {name: t, scope: tenant, rate: 1/s}\n"
			     "  - {name: z, scope: source, rate: 1/s, rollout: {tenants: zeta}}\n");
	static const struct {
		const char *destination;
		uint32_t tenant;
	} cases[] = {
		{"10.0.0.1", 1},    {"10.1.2.3", 2}, {"10.2.0.0", 1},
		{"2001:db8::1", 1}, {"11.0.0.1", 0}, /* ::/0 does not mean IPv4 */
	};
	const struct policy_image *image = b.image;

	(void)state;
	assert_string_equal(b.policy->tenants[0].name, "acme"); /* by name: 1 */
	assert_true(image->policy.flags & WEIR_POLICY_BY_TENANT);
	assert_true(image->policy.flags & WEIR_POLICY_BY_DESTINATION);
	assert_true(image->policy.flags & WEIR_POLICY_BY_SOURCE);
	/* In the order all, z, t. */
	assert_int_equal(image->policy.tenant_limits[0], 1);
	assert_int_equal(image->policy.tenant_limits[1], 1 | 4);
	assert_int_equal(image->policy.tenant_limits[2], 1 | 2 | 4);
	assert_int_equal(image->policy.any_destination, 7);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct weir_prefix_value *v = longest(
			image->destinations, image->destination_count, cases[i].destination);

		assert_int_equal(v ? v->tenant : 0, cases[i].tenant);
		assert_int_equal(v ? v->limits : 7, 7);
	}
	assert_int_equal(longest(image->sources, image->source_count, "192.0.2.9")->tenant, 2);
	assert_int_equal(longest(image->sources, image->source_count, "198.51.100.9")->tenant, 1);
	assert_null(longest(image->sources, image->source_count, "203.0.113.9"));
}

static void tenants_that_no_limit_asks_for_are_looked_up_for_what_they_use(void **state)
{
	const uint32_t all =
		WEIR_POLICY_BY_TENANT | WEIR_POLICY_BY_SOURCE | WEIR_POLICY_BY_DESTINATION;
	_cleanup_(both_done) struct both b =
		compiled(HEAD MATCHES "  - {name: all, scope: source, rate: 1/s}\n");
	_cleanup_(both_done) struct both none =
		compiled(HEAD "limits:\n  - {name: all, scope: source, rate: 1/s}\n");

	(void)state;
	assert_int_equal(b.image->policy.flags & all, all);
	assert_true(b.image->names[1] && b.image->names[1] != b.image->names[2]);
	assert_true(b.image->names[1] == policy_tenant_hash(b.policy->tenants[0].name));
	assert_int_equal(none.image->policy.flags & all, 0);
	assert_int_equal(none.image->destination_count + none.image->source_count, 0);
	assert_int_equal(none.image->names[1], 0);
}

static void a_rollout_names_shares_and_sources(void **state)
{
	_cleanup_(both_done) struct both b = compiled(
		HEAD
		"limits:\n"
		"  - {name: all, scope: source, rate: 1/s, rollout: {percent: 100}}\n"
		"  - {name: ten, scope: source, rate: 1/s, rollout: {percent: 10}}\n"
		"  - {name: none, scope: source, rate: 1/s, rollout: {percent: 0}}\n"
		"  - {name: some, scope: source, rate: 1/s, shadow: true, rollout: {sources: "
		"[10.0.0.0/8, \"2001:db8::/32\"]}}\n"
		"  - {name: few, scope: source, rate: 1/s, rollout: {sources: 10.1.0.0/16}}\n");
	const struct policy_image *image = b.image;
	int64_t change;

	(void)state;
	assert_int_equal(image->policy.limits[0].rollout, 0);
	assert_int_equal(image->policy.limits[1].rollout, 429496729);
	assert_int_equal(image->policy.active, 1 | 2 | 8 | 16);
	assert_int_equal(image->policy.shadow_limits, 8);
	assert_int_equal(policy_active(image->limits, 5, 0, &change), 1 | 2 | 8 | 16);
	assert_true(change == INT64_MAX);
	assert_int_equal(image->policy.any_source, 1 | 2 | 4);
	assert_int_equal(image->source_count, 3);
	assert_int_equal(longest(image->sources, 3, "10.0.0.1")->limits, 1 | 2 | 4 | 8);
	assert_int_equal(longest(image->sources, 3, "10.1.0.1")->limits, 1 | 2 | 4 | 8 | 16);
	assert_int_equal(longest(image->sources, 3, "2001:db8::1")->limits, 1 | 2 | 4 | 8);
	assert_int_equal(image->policy.flags & WEIR_POLICY_BY_DESTINATION, 0);
}

static void schedules_switch_bits(void **state)
{
	_cleanup_(both_done) struct both b = compiled(
		HEAD
		"limits:\n"
		"  - {name: a, scope: source, rate: 1/s}\n"
		"  - {name: b, scope: source, rate: 1/s, schedule: {days: thu, time_zone: UTC}}\n"
		"  - {name: c, scope: source, rate: 1/s, schedule: {hours: \"06:00-18:00\", "
		"time_zone: UTC}}\n");
	int64_t change;

	(void)state;
	assert_int_equal(b.image->policy.active, 7);
	assert_int_equal(policy_active(b.image->limits, 3, 0, &change), 1 | 2); /* a Thursday */
	assert_int_equal(change, 6 * 3600);
	assert_int_equal(policy_active(b.image->limits, 3, 86400, &change), 1);
	assert_int_equal(policy_active(b.image->limits, 3, change, &change), 1 | 4);
}

/* Every limit that a packet meets counts, wherever it is named: 4 by anyone, 3 by a tenant of the
 * destination, 2 by the source. */
static void crowds_are_told_by_source_and_tenant(void **state)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	_cleanup_(policy_freep) struct policy *p = NULL;
	struct policy_image *image = NULL;
	struct fault f = {0};

	(void)state;
	text_puts(&t,
		  HEAD "tenants: {acme: {dst: 10.0.0.0/8}, zeta: {src: 192.0.2.0/24}}\nlimits:\n");
	for (unsigned int i = 0; i < 4; i++)
		text_printf(&t, "  - {name: all%u, scope: source, rate: 1/s}\n", i);
	for (unsigned int i = 0; i < 3; i++)
		text_printf(
			&t,
			"  - {name: acme%u, scope: source, rate: 1/s, rollout: {tenants: acme}}\n",
			i);
	for (unsigned int i = 0; i < 4; i++)
		text_printf(
			&t,
			"  - {name: zeta%u, scope: source, rate: 1/s, rollout: {tenants: zeta}}\n",
			i);
	text_puts(&t,
		  "  - {name: net, scope: source, rate: 1/s, rollout: {sources: 10.9.0.0/16}}\n");
	assert_int_equal(policy_parse("p", t.data, t.length, &p, &f), 0);
	assert_int_equal(policy_compile(p, TICK_NS, &image, &f), 0);
	policy_image_free(take_ptr(image));
	policy_free(take_ptr(p));

	text_puts(&t,
		  "  - {name: last, scope: source, rate: 1/s, rollout: {sources: 10.9.0.0/16}}\n");
	assert_int_equal(policy_parse("p", t.data, t.length, &p, &f), 0);
	assert_int_equal(policy_compile(p, TICK_NS, &image, &f), -E2BIG);
	assert_string_equal(
		f.text, "p:18:5: 9 limits apply to TCP packets to port 0 of 10.0.0.0/8 from "
			"10.9.0.0/16, at most 8 may: all0 packets, all1 packets, all2 packets, "
			"all3 packets, acme0 packets, acme1 packets, acme2 packets, net packets, "
			"last packets");
}

static void a_source_s_tenant_makes_a_crowd_too(void **state)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	_cleanup_(policy_freep) struct policy *p = NULL;
	struct policy_image *image = NULL;
	struct fault f = {0};

	(void)state;
	text_puts(&t, HEAD "tenants: {zeta: {src: 192.0.2.0/24}}\nlimits:\n");
	for (unsigned int i = 0; i < 9; i++)
		text_printf(&t, "  - {name: l%u, scope: source, rate: 1/s%s}\n", i,
			    i < 4 ? ", rollout: {tenants: zeta}" : "");
	assert_int_equal(policy_parse("p", t.data, t.length, &p, &f), 0);
	assert_int_equal(policy_compile(p, TICK_NS, &image, &f), -E2BIG);
	assert_non_null(strstr(f.text, "p:14:5: 9 limits apply to TCP packets to port 0 of any "
				       "destination from 192.0.2.0/24, at most 8 may"));
}

static uint64_t key_of(const char *keys)
{
	_cleanup_(both_done) struct both b = {0};
	char text[600];

	snprintf(text, sizeof(text), HEAD MATCHES "  - {%s}\n", keys);
	b = compiled(text);
	assert_int_equal(b.image->policy.limits[0].key & 1, 0);
	return b.image->policy.limits[0].key;
}

#define ONE "scope: source, rate: 10/s, burst: 20"

static void state_is_kept_while_the_meaning_is(void **state)
{
	static const char *const same[] = {
		"name: b, " ONE,
		"name: a, shadow: true, " ONE,
		"name: a, action: monitor, " ONE,
		"name: a, reject: 1/10, on_full: drop, " ONE,
		"name: a, rollout: {percent: 5, sources: 10.0.0.0/8, tenants: acme}, " ONE,
		"name: a, schedule: {days: mon, time_zone: UTC}, " ONE,
		"name: a, algorithm: token_bucket, prefix: {ip4: 32, ip6: 64}, " ONE,
		"name: a, cost: {syn: 1, other: 1}, " ONE,
	};
	static const char *const other[] = {
		"name: a, scope: source, rate: 11/s, burst: 20",
		"name: a, scope: source, rate: 10/s, burst: 21",
		"name: a, scope: source, connections: 10/s, connection_burst: 20",
		"name: a, scope: source, rate: 10/s, algorithm: fixed_window",
		"name: a, scope: source, rate: 10/s, algorithm: fixed_window, window: 2s",
		"name: a, scope: source, rate: 10/s, algorithm: sliding_window",
		"name: a, scope: destination, rate: 10/s, burst: 20",
		"name: a, scope: global, rate: 10/s, burst: 20",
		"name: a, prefix: {ip4: 24, ip6: 64}, " ONE,
		"name: a, prefix: {ip4: 32, ip6: 56}, " ONE,
		"name: a, service: web, " ONE,
		"name: a, cost: {syn: 2}, " ONE,
		"name: a, cost: {per_bytes: 1000B}, " ONE,
	};
	uint64_t key = key_of("name: a, " ONE);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		assert_true(key_of(same[i]) == key);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		assert_true((uint32_t)key_of(other[i]) != (uint32_t)key);
}

static void tenants_have_as_many_cells_as_there_are(void **state)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	_cleanup_(policy_freep) struct policy *p = NULL;
	struct policy_image *image = NULL;
	struct fault f = {0};

	(void)state;
	text_puts(&t, HEAD "tenants:\n");
	for (unsigned int i = 0; i < 1023; i++)
		text_printf(&t, "  t%u: {dst: \"2001:db8:%x::/48\"}\n", i, i);
	text_puts(&t, "limits:\n");
	for (unsigned int i = 0; i < 4; i++)
		text_printf(&t, "  - {name: l%u, scope: tenant, rate: 1/s}\n", i);
	assert_int_equal(policy_parse("p", t.data, t.length, &p, &f), 0);
	assert_int_equal(policy_compile(p, TICK_NS, &image, &f), 0);
	assert_int_equal(image->limits[0].fixed_sets, 1023);
	assert_int_equal(image->destination_count, 1023);
	policy_image_free(take_ptr(image));
	policy_free(take_ptr(p));

	text_puts(&t, "  - {name: l4, scope: tenant, rate: 1/s}\n");
	assert_int_equal(policy_parse("p", t.data, t.length, &p, &f), 0);
	assert_int_equal(policy_compile(p, TICK_NS, &image, &f), -E2BIG);
	assert_string_equal(f.text, "p:1033:5: limit 'l4' makes it more than 4095 cells for limits "
				    "on tenants: 1023 tenants count in each");
	policy_free(take_ptr(p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_narrowest_scope_comes_first),
		cmocka_unit_test(new_connections_are_a_matter_of_tcp),
		cmocka_unit_test(a_packet_s_tenant_has_the_longest_prefix),
		cmocka_unit_test(tenants_that_no_limit_asks_for_are_looked_up_for_what_they_use),
		cmocka_unit_test(a_rollout_names_shares_and_sources),
		cmocka_unit_test(schedules_switch_bits),
		cmocka_unit_test(crowds_are_told_by_source_and_tenant),
		cmocka_unit_test(a_source_s_tenant_makes_a_crowd_too),
		cmocka_unit_test(state_is_kept_while_the_meaning_is),
		cmocka_unit_test(tenants_have_as_many_cells_as_there_are),
	};

	return cmocka_run_group_tests_name("policy_tables", tests, NULL, NULL);
}
