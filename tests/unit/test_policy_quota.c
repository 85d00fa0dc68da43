/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tiers and quotas in the language, the limits that they come to, and when days and months are. */
#include "test_policy_image.h"

#include <weir/algorithm.h>

#include "base/calendar.h"

#define HEAD "apiVersion: weir/v1\nmode: enforce\npackets: {fragments: pass}\n"
#define GOLD(...)                                                                                  \
	HEAD "tiers: {gold: {" __VA_ARGS__ "}}\ntenants: {a: {dst: 192.0.2.1, tier: gold}}\n"

struct bad {
	const char *promise, *text, *code, *words;
};

static const struct bad bad[] = {
	{"a tier that is not there gets a suggestion",
	 HEAD "tenants: {a: {dst: 192.0.2.1, tier: starte}}\n", "policy.word.unknown",
	 "unknown tier 'starte'; did you mean 'starter'?"},
	{"an amount without end is refused", GOLD("quota: {packets: {day: 9T}}"),
	 "policy.number.range", "'9T' is not within 1 to 8T"},
	{"a quota of nothing is refused", GOLD("quota: {packets: {day: 0}}"), "policy.number.range",
	 "'0' is not within 1 to 8T"},
	{"a huge amount is refused", GOLD("quota: {packets: {day: 99999999999999999999}}"),
	 "policy.number.range", "is not within 1 to 8T"},
	{"an amount has no fraction", GOLD("quota: {packets: {day: 1.5M}}"), "policy.number.syntax",
	 "'1.5M' is not a count such as 10M or 2G"},
	{"a frame must be able to pass", GOLD("quota: {bytes: {day: 1kB}}"), "policy.number.range",
	 "1kB"},
	{"an hour is no period", GOLD("quota: {packets: {hour: 1}}"), "policy.key.unknown",
	 "unknown key 'hour'"},
	{"open connections have no quota", GOLD("quota: {open_connections: {day: 1}}"),
	 "policy.key.unknown", "unknown key"},
	{"a burst needs a rate", GOLD("burst: 10"), "policy.limit.burst",
	 "tier 'gold' has a burst without a rate"},
	{"names of limits stay different",
	 HEAD "tiers: {a: {quota: {packets: {day: 1}}}}\n"
	      "tenants: {a: {dst: 192.0.2.1, tier: a, quota: {bytes: {day: 1MB}}}}\n",
	 "policy.name.duplicate", "tenant 'a' has a quota and the name of a tier"},
	{"rates of tenants and tiers have names of their own",
	 HEAD "tiers: {a: {rate: 1/s}}\n"
	      "tenants: {a: {dst: 192.0.2.1, tier: a, rate: 2/s}}\n",
	 "policy.name.duplicate", "tenant 'a' has a rate and the name of a tier"},
	{"a tenant's burst is not its tier's",
	 HEAD "tiers: {t: {rate: 1/s}}\n"
	      "tenants: {a: {dst: 192.0.2.1, tier: t, burst: 2}}\n",
	 "policy.limit.burst", "tenant 'a' has a burst without a rate"},
	{"a price has a currency", GOLD("price: {month: 1}"), "policy.key.missing", "currency"},
	{"a price of nothing is none", GOLD("price: {currency: EUR}"), "policy.price.empty",
	 "none of month"},
	{"a currency is letters", GOLD("price: {currency: \"=EUR\", month: 1}"),
	 "policy.price.currency", "'=EUR' is no currency"},
	{"a currency is short", GOLD("price: {currency: ABCDEFGHI, month: 1}"),
	 "policy.price.currency", "no currency of one to 8 letters"},
	{"an amount has six decimals", GOLD("price: {currency: EUR, month: 0.0000001}"),
	 "policy.price.syntax", "with up to 6 decimals"},
	{"an amount is not negative", GOLD("price: {currency: EUR, month: -1}"),
	 "policy.price.syntax", "'-1' is no amount"},
	{"an amount has a fraction or no point", GOLD("price: {currency: EUR, month: \"1.\"}"),
	 "policy.price.syntax", "'1.' is no amount"},
	{"an amount has an end", GOLD("price: {currency: EUR, month: 1000000000.000001}"),
	 "policy.price.range", "is over 1000000000"},
	{"a name leaves room for its limits",
	 HEAD "tenants: {a0123456789012345678901234567: {dst: 192.0.2.1, quota: {bytes: {month: "
	      "1MB}}}}\n",
	 "policy.name", "longer than 32 bytes"},
};

static void what_is_wrong_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(policy_freep) struct policy *p = NULL;
		struct fault f = {0};

		if (policy_parse("p", bad[i].text, strlen(bad[i].text), &p, &f) == 0)
			fail_msg("%s: was accepted", bad[i].promise);
		if (strcmp(f.code, bad[i].code) != 0 || !strstr(f.text, bad[i].words))
			fail_msg("%s: %s: %s", bad[i].promise, f.code, f.text);
	}
}

static void a_tenants_own_quota_goes_before_its_tiers(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse(
		HEAD "tiers: {gold: {quota: {packets: {day: 10M, month: 200M}}}}\n"
		     "tenants:\n"
		     "  a: {dst: 192.0.2.1, tier: gold}\n"
		     "  b: {dst: 192.0.2.2, tier: gold, quota: {packets: {day: 2G}, bytes: {month: "
		     "1GB}}}\n"
		     "  c: {dst: 192.0.2.3}\n");
	_cleanup_(policy_image_freep) struct policy_image *image = compile(p);
	const struct weir_policy *w = &image->policy;

	(void)state;
	assert_int_equal(policy_quota_of(p, &p->tenants[0], WEIR_UNIT_PACKETS, POLICY_DAY),
			 10000000);
	assert_int_equal(policy_quota_of(p, &p->tenants[1], WEIR_UNIT_PACKETS, POLICY_DAY),
			 2000000000);
	assert_int_equal(policy_quota_of(p, &p->tenants[1], WEIR_UNIT_PACKETS, POLICY_MONTH),
			 200000000);
	assert_int_equal(policy_quota_of(p, &p->tenants[2], WEIR_UNIT_PACKETS, POLICY_DAY), 0);
	/* Packets per day of gold, of b; per month of both; bytes of b. */
	assert_int_equal(w->limit_count, 4);
	assert_int_equal(w->tenant_limits[1], 0x5);
	assert_int_equal(w->tenant_limits[2], 0xe);
	assert_int_equal(w->tenant_limits[3], 0);
	assert_true(image->tenants[1] && image->tenants[2] && !image->tenants[3]);
	/* Amounts may differ, the cells are the same. */
	assert_true(w->limits[0].key == w->limits[1].key);
	assert_true(w->limits[0].key != w->limits[2].key);
	assert_true(w->limits[2].key != w->limits[3].key);
}

static void a_tenants_own_rates_go_before_its_tiers_one_by_one(void **state)
{
	_cleanup_(policy_freep) struct policy *p =
		parse(HEAD "tiers: {gold: {rate: 10/s, connections: 1/s, connection_burst: 3}}\n"
			   "tenants:\n"
			   "  a: {dst: 192.0.2.1, tier: gold}\n"
			   "  b: {dst: 192.0.2.2, tier: gold, rate: 20/s, burst: 30}\n"
			   "  c: {dst: 192.0.2.3, byte_rate: 1MB/s}\n");
	_cleanup_(policy_image_freep) struct policy_image *image = compile(p);
	const struct weir_policy *w = &image->policy;

	(void)state;
	/* gold/rate twice, b/rate twice, c/rate. */
	assert_int_equal(w->limit_count, 5);
	assert_string_equal(image->limits[2].name, "b/rate");
	assert_int_equal(w->tenant_limits[1], 0x3);
	assert_int_equal(w->tenant_limits[2], 0xc);
	assert_int_equal(w->tenant_limits[3], 0x10);
	assert_int_equal(p->limits[1].rate.count, 20);
	assert_int_equal(p->limits[1].burst, 30);
	assert_int_equal(p->limits[1].connections.count, 1);
	assert_int_equal(p->limits[1].connection_burst, 3);
}

static void a_tier_that_all_its_tenants_leave_takes_no_limit(void **state)
{
	_cleanup_(policy_freep) struct policy *p =
		parse(HEAD "tiers: {gold: {rate: 10/s}}\n"
			   "tenants: {a: {dst: 192.0.2.1, tier: gold, rate: 1/s}}\n");

	(void)state;
	assert_int_equal(p->limit_count, 1);
	assert_string_equal(p->limits[0].name, "a/rate");
}

struct bill {
	const char *promise;
	struct policy_price price;
	struct policy_passed passed;
	int64_t day, cost;
};

static void a_day_costs_what_the_price_says(void **state)
{
	static const struct bill bills[] = {
		{"nothing costs nothing", {"EUR", 0, 50000, 20000, 1000000}, {0, 0, 0}, 20000, 0},
		{"a million packets", {"EUR", 0, 50000, 0, 0}, {1000000, 0, 0}, 20000, 50000},
		{"a gigabyte is 10^9 bytes",
		 {"EUR", 0, 0, 20000, 0},
		 {0, 1000000000, 0},
		 20000,
		 20000},
		{"a SYN of a million", {"EUR", 0, 0, 0, 1000000}, {9, 9, 1}, 20000, 1},
		{"a half is rounded up", {"EUR", 0, 500000, 0, 0}, {1, 0, 0}, 20000, 1},
		{"less than a half is not", {"EUR", 0, 499999, 0, 0}, {1, 0, 0}, 20000, 0},
		{"each product is rounded by itself",
		 {"EUR", 0, 500000, 0, 500000},
		 {1, 0, 1},
		 20000,
		 2},
		{"what is too much to count stays the most",
		 {"EUR", 0, POLICY_MONEY_MAX, POLICY_MONEY_MAX, POLICY_MONEY_MAX},
		 {INT64_MAX, INT64_MAX, INT64_MAX},
		 20000,
		 INT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bills); i++) {
		int64_t got = policy_cost(&bills[i].price, &bills[i].passed, bills[i].day);

		if (got != bills[i].cost)
			fail_msg("%s: %lld instead of %lld", bills[i].promise, (long long)got,
				 (long long)bills[i].cost);
	}
}

static void the_days_of_a_month_add_up_to_its_price(void **state)
{
	static const uint64_t prices[] = {1, 30, 49000000, 49999999, POLICY_MONEY_MAX};
	const struct policy_passed nothing = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(prices); i++) {
		const struct policy_price price = {.currency = "EUR", .month = prices[i]};
		int64_t day = 20000;

		for (unsigned int months = 0; months < 50; months++) {
			struct calendar_period month = calendar_month(day * 86400);
			int64_t sum = 0;

			for (day = month.begin / 86400; day < month.end / 86400; day++)
				sum += policy_cost(&price, &nothing, day);
			assert_int_equal(sum, prices[i]);
		}
	}
}

static void a_price_is_read_to_the_millionth(void **state)
{
	_cleanup_(policy_freep) struct policy *p =
		parse(GOLD("price: {currency: EUR, month: 49.00, million_packets: 0.000001, "
			   "gigabyte: 12, million_connections: 1000000000}"));

	(void)state;
	assert_string_equal(p->tiers[0].price.currency, "EUR");
	assert_int_equal(p->tiers[0].price.month, 49000000);
	assert_int_equal(p->tiers[0].price.million_packets, 1);
	assert_int_equal(p->tiers[0].price.gigabyte, 12000000);
	assert_int_equal(p->tiers[0].price.million_connections, POLICY_MONEY_MAX);
}

static void built_in_tiers_leave_room_for_other_limits(void **state)
{
	static const char *const names[] = {"free", "starter", "professional", "enterprise"};
	char text[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(policy_freep) struct policy *p = NULL;
		_cleanup_(policy_image_freep) struct policy_image *image = NULL;

		snprintf(text, sizeof(text),
			 HEAD "tenants: {a: {dst: 192.0.2.1, tier: %s}}\n"
			      "limits: [{name: s, scope: source, rate: 1k/s, connections: 10/s}]\n",
			 names[i]);
		p = parse(text);
		image = compile(p);
		assert_int_equal(image->policy.limit_count, i == 3 ? 4 : 8);
	}
}

static void a_word_holds_the_largest_quota(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse(
		HEAD "tenants: {a: {dst: 192.0.2.1, quota: {packets: {month: 8T}, bytes: {month: "
		     "1000000GB}}}}\n");
	_cleanup_(policy_image_freep) struct policy_image *image = compile(p);
	struct weir_limit *l = image->policy.limits;
	__u64 word = 0, next = 0, time = 40ULL * 86400 * NSEC_PER_SEC << WEIR_TIME_SHIFT;

	(void)state;
	assert_int_equal(l[0].burst, 8000000000000);
	assert_int_equal(l[0].shift, 0);
	assert_int_equal(l[1].burst << l[1].shift, 1000000000000000);
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t most = l[i].burst << l[i].shift, step = most / 1000;

		l[i].interval = WEIR_PERIOD(70ULL * 86400 * NSEC_PER_SEC, 255);
		l[i].next = WEIR_PERIOD(98ULL * 86400 * NSEC_PER_SEC, 256);
		word = 0;
		for (uint64_t used = 0; used < most; used += step) {
			assert_true(algorithm_next(&l[i], word, time, step, &next));
			word = next;
		}
		assert_false(algorithm_next(&l[i], word, time, 1, &next));
		assert_false(algorithm_next(&l[i], word, time, UINT32_MAX, &next));
		/* Neither idle nor a mark, and so from its first day to its last. */
		assert_true((int64_t)(word - time) > 0 && word - time < 1ULL << 62);
	}
}

struct moment {
	const char *at, *begin, *end, *next;
};

static int64_t unix_of(const char *text)
{
	int64_t ret = 0;

	assert_int_equal(clock_parse_rfc3339(text, &ret), 0);
	return ret;
}

static void months_end_when_the_calendar_says(void **state)
{
	static const struct moment moments[] = {
		{"2026-01-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z",
		 "2026-03-01T00:00:00Z"},
		{"2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z",
		 "2028-04-01T00:00:00Z"},
		{"2100-02-28T23:59:59Z", "2100-02-01T00:00:00Z", "2100-03-01T00:00:00Z",
		 "2100-04-01T00:00:00Z"},
		{"2026-11-30T00:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z",
		 "2027-01-01T00:00:00Z"},
		{"2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z",
		 "2027-02-01T00:00:00Z"},
		{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z",
		 "1970-03-01T00:00:00Z"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(moments); i++) {
		struct calendar_period p = calendar_month(unix_of(moments[i].at));

		assert_int_equal(p.begin, unix_of(moments[i].begin));
		assert_int_equal(p.end, unix_of(moments[i].end));
		assert_int_equal(p.next_end, unix_of(moments[i].next));
	}
}

static void periods_follow_each_other_without_a_gap(void **state)
{
	int64_t at = unix_of("1999-12-15T12:34:56Z"), until = unix_of("2031-01-01T00:00:00Z");
	struct calendar_period day = calendar_day(at), month = calendar_month(at);

	(void)state;
	while (day.end < until) {
		struct calendar_period next = calendar_day(day.end);
		struct calendar_period last = calendar_month(day.end - 1);

		assert_int_equal(calendar_day(day.end - 1).number, day.number);
		assert_int_equal(next.number, day.number + 1);
		assert_int_equal(next.begin, day.end);
		assert_int_equal(next.end, day.next_end);
		assert_int_equal(last.number, month.number);
		if (last.end == day.end) {
			month = calendar_month(day.end);
			assert_int_equal(month.number, last.number + 1);
			assert_int_equal(month.begin, last.end);
			assert_int_equal(month.end, last.next_end);
		}
		day = next;
	}
	assert_int_equal(calendar_day(-1).number, -1);
	assert_int_equal(calendar_day(-86400).begin, -86400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_tenants_own_quota_goes_before_its_tiers),
		cmocka_unit_test(a_tenants_own_rates_go_before_its_tiers_one_by_one),
		cmocka_unit_test(a_tier_that_all_its_tenants_leave_takes_no_limit),
		cmocka_unit_test(a_day_costs_what_the_price_says),
		cmocka_unit_test(the_days_of_a_month_add_up_to_its_price),
		cmocka_unit_test(a_price_is_read_to_the_millionth),
		cmocka_unit_test(built_in_tiers_leave_room_for_other_limits),
		cmocka_unit_test(a_word_holds_the_largest_quota),
		cmocka_unit_test(months_end_when_the_calendar_says),
		cmocka_unit_test(periods_follow_each_other_without_a_gap),
	};

	return cmocka_run_group_tests_name("policy_quota", tests, NULL, NULL);
}
