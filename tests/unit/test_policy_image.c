/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the compiler makes of algorithms, costs, scopes, actions and adaptive limits: the numbers
 * that the datapath reads. */
#include "test_policy_image.h"

#include <arpa/inet.h>
#include <endian.h>

#include <weir/algorithm.h>

#define HEAD "apiVersion: weir/v1\nmode: enforce\npackets: {fragments: pass}\n"
#ifdef __SANITIZE_ADDRESS__
#define CHANGE_STEP 11
#else
#define CHANGE_STEP 3
#endif
#define SECOND 256000000000ULL /* in 1/256 ns */

/* The one limit of a policy, with @keys. */
static struct weir_limit limit_of(const char *keys)
{
	_cleanup_(both_done) struct both b = {0};
	char text[400];

	snprintf(text, sizeof(text), HEAD "limits: [{name: a, %s}]\n", keys);
	b = compiled(text);
	assert_int_equal(b.image->policy.limit_count, 1);
	return b.image->policy.limits[0];
}

static void a_leaky_bucket_has_no_burst(void **state)
{
	struct weir_limit l = limit_of("scope: source, algorithm: leaky_bucket, rate: 1k/s");

	(void)state;
	assert_int_equal(l.algorithm, WEIR_ALGORITHM_BUCKET);
	assert_int_equal(l.interval, SECOND / 1000);
	assert_int_equal(l.burst, 0);
	assert_true(l.precise);
}

static void a_fixed_window_counts_below_its_end(void **state)
{
	static const struct {
		const char *keys;
		uint64_t interval, burst;
		unsigned int bits, shift;
		bool precise;
	} cases[] = {
		{"rate: 2k/s", SECOND, 2000, 11, 0, false},
		{"rate: 2047/s", SECOND, 2047, 11, 0, false},
		{"rate: 2048/s", SECOND, 2048, 12, 0, false},
		{"rate: 10/h", 3600 * SECOND, 10, 4, 0, false},
		{"rate: 2k/s, window: 10s", 10 * SECOND, 20000, 15, 0, false},
		{"rate: 1k/s, window: 7ms", 7 * SECOND / 1000, 7, 3, 0, true},
		{"rate: 1k/s, window: 8ms", 8 * SECOND / 1000, 8, 4, 0, false},
		{"rate: 100M/s", SECOND, 100000000, 27, 0, false},
		{"connections: 5/m", 60 * SECOND, 5, 3, 0, false},
		{"byte_rate: 10MiB/s", SECOND, 10 << 20, 24, 0, false},
		/* 1 Gbit/s: 125 MB take 27 bits, 1/1024 of a second has 27.9. */
		{"byte_rate: 1Gbit/s", SECOND, 125000000, 27, 0, false},
		{"byte_rate: 10Gbit/s", SECOND, 1250000000 >> 4, 27, 4, false},
		{"byte_rate: 100Gbit/s", SECOND, 12500000000 >> 7, 27, 7, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char keys[200];
		struct weir_limit l;

		snprintf(keys, sizeof(keys), "scope: source, algorithm: fixed_window, %s",
			 cases[i].keys);
		l = limit_of(keys);
		assert_int_equal(l.algorithm, WEIR_ALGORITHM_FIXED);
		assert_int_equal(l.interval, cases[i].interval);
		assert_int_equal(l.burst, cases[i].burst);
		assert_int_equal(l.count_bits, cases[i].bits);
		assert_int_equal(l.shift, cases[i].shift);
		assert_int_equal(l.precise, cases[i].precise);
		assert_int_equal(l.previous_bits, 0);
	}
}

static void a_sliding_window_counts_two_windows(void **state)
{
	struct weir_limit few = limit_of("scope: source, algorithm: sliding_window, rate: 100/m");
	struct weir_limit many = limit_of("scope: source, algorithm: sliding_window, rate: 1M/s");
	struct weir_limit bytes =
		limit_of("scope: source, algorithm: sliding_window, byte_rate: 1Gbit/s");

	(void)state;
	assert_int_equal(few.algorithm, WEIR_ALGORITHM_SLIDING);
	assert_int_equal(few.burst, 100);
	assert_int_equal(few.previous_shift, 0);
	assert_int_equal(few.previous_bits, 7); /* 101 */
	assert_int_equal(few.count_bits, 14);
	assert_int_equal(few.interval, 60 * SECOND); /* a multiple of 2^14 as it is */
	assert_int_equal(few.elapsed_shift, 28);     /* 15.36e12 >> 28 = 57,220 */
	assert_int_equal(few.weight_shift, 48);
	assert_int_equal(few.weight, ((1ULL << 48) + 57219) / 57220);
	assert_false(few.precise);

	/* 20 bits for a million; 1/64 of a second has 31.9, so 11 are left for the one before. */
	assert_int_equal(many.burst, 1000000);
	assert_int_equal(many.previous_shift, 9);
	assert_int_equal(many.previous_bits, 11); /* 1,000,000 >> 9 = 1953 */
	assert_int_equal(many.count_bits, 31);
	assert_int_equal(many.interval % (1ULL << 31), 0);
	assert_in_range(many.interval, SECOND, SECOND + (1ULL << 31));

	/* Steps of 8 bytes leave room for 8 bits of the one before. */
	assert_int_equal(bytes.burst, 125000000 >> bytes.shift);
	assert_true(bytes.shift <= 7);
	assert_true(bytes.count_bits <= 31);
}

static void costs_and_sizes_are_per_class(void **state)
{
	struct weir_limit l = limit_of("scope: source, rate: 1k/s, cost: {syn: 5, dns: 3, "
				       "fragment: 4, icmp: 2, per_bytes: 512B}");
	struct weir_limit third = limit_of("scope: source, rate: 1k/s, cost: {per_bytes: 1500B}");
	struct weir_limit bytes = limit_of("scope: source, byte_rate: 1MB/s");

	(void)state;
	assert_int_equal(l.costs[WEIR_CLASS_OTHER], 1);
	assert_int_equal(l.costs[WEIR_CLASS_SYN], 5);
	assert_int_equal(l.costs[WEIR_CLASS_DNS], 3);
	assert_int_equal(l.costs[WEIR_CLASS_FRAGMENT], 4);
	assert_int_equal(l.costs[WEIR_CLASS_ICMP], 2);
	assert_int_equal(l.size_step, 1 << 23);
	assert_int_equal(third.size_step, 2863312); /* 2,863,311.53 */
	assert_int_equal(bytes.size_step, 0);
	/* The burst that is not given has room for the dearest packet. */
	l = limit_of("scope: source, rate: 1/s, cost: {syn: 5}");
	assert_int_equal(l.burst, 5 * SECOND);
}

static void a_scope_says_whose_cell_it_is(void **state)
{
	static const struct {
		const char *keys;
		unsigned int parts;
		uint32_t mask4, coarse4; /* host order */
		uint64_t mask6, coarse6;
		bool whole;
	} cases[] = {
		{"scope: source", WEIR_KEY_SOURCE, 0xffffffff, 0xffffff00, UINT64_MAX,
		 0xffffffffffff0000, false},
		{"scope: source, prefix: {ip4: 32, ip6: 128}", WEIR_KEY_SOURCE, 0xffffffff,
		 0xffffff00, UINT64_MAX, UINT64_MAX, true},
		{"scope: source_prefix, prefix: {ip4: 24, ip6: 48}", WEIR_KEY_SOURCE, 0xffffff00,
		 0xffff0000, 0xffffffffffff0000, 0xffffffff00000000, false},
		{"scope: source_prefix, prefix: {ip4: 1, ip6: 1}", WEIR_KEY_SOURCE, 0x80000000, 0,
		 1ULL << 63, 0, false},
		{"scope: destination", WEIR_KEY_DESTINATION, 0, 0, 0, 0, false},
		{"scope: interface", 0, 0, 0, 0, 0, false},
		{"scope: global", 0, 0, 0, 0, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char keys[100];
		struct weir_limit l;

		snprintf(keys, sizeof(keys), "%s, rate: 1/s", cases[i].keys);
		l = limit_of(keys);
		assert_int_equal(l.key_parts, cases[i].parts);
		assert_int_equal(l.source_mask4, htonl(cases[i].mask4));
		assert_int_equal(l.coarse_mask4, htonl(cases[i].coarse4));
		assert_true(l.source_mask6 == htobe64(cases[i].mask6));
		assert_true(l.coarse_mask6 == htobe64(cases[i].coarse6));
		assert_int_equal(l.whole_ip6, cases[i].whole);
	}
}

static void actions_are_carried_over(void **state)
{
	struct weir_limit drop = limit_of("scope: source, rate: 1/s, reject: 1/100, on_full: drop");
	struct weir_limit mark = limit_of("scope: source, rate: 1/s, action: {mark: ef}");
	struct weir_limit number = limit_of("scope: source, rate: 1/s, action: {mark: 63}");
	struct weir_limit monitor = limit_of("scope: source, rate: 1/s, action: monitor");
	struct weir_limit open = limit_of("scope: source, open_connections: 200");

	(void)state;
	assert_int_equal(drop.action, WEIR_ACTION_DROP);
	assert_int_equal(drop.reject_share, 100);
	assert_int_equal(drop.on_full, WEIR_ON_FULL_DROP);
	assert_int_equal(mark.action, WEIR_ACTION_MARK);
	assert_int_equal(mark.dscp, 46);
	assert_int_equal(mark.on_full, WEIR_ON_FULL_PASS);
	assert_int_equal(number.dscp, 63);
	assert_int_equal(monitor.action, WEIR_ACTION_MONITOR);
	assert_int_equal(open.algorithm, WEIR_ALGORITHM_OPEN);
	assert_int_equal(open.unit, WEIR_UNIT_OPEN);
	assert_int_equal(open.burst, 200);
}

static void an_adaptive_limit_scales_one_word(void **state)
{
#define POSTED "adaptive: {target: {posted: 5}, min: 10%, max: 200%}"
	struct weir_limit bucket = limit_of("scope: source, rate: 1k/s, burst: 100, " POSTED);
	struct weir_limit window =
		limit_of("scope: source, algorithm: fixed_window, rate: 999/s, " POSTED);
	struct weir_limit open = limit_of("scope: source, open_connections: 15, " POSTED);
	uint64_t word = 0;

	(void)state;
	assert_int_equal(policy_scale(&bucket, 1000, &word), 0);
	assert_int_equal(word, bucket.interval);
	assert_int_equal(policy_scale(&bucket, 100, &word), 0);
	assert_int_equal(word, 10 * bucket.interval);
	assert_int_equal(policy_scale(&bucket, 333, &word), 0);
	assert_int_equal(word, 768768769); /* 768,768,768.77 */
	assert_int_equal(policy_scale(&bucket, 2000, &word), 0);
	assert_int_equal(word, bucket.interval / 2);
	assert_int_equal(window.count_bits, 11); /* for 1998 */
	assert_int_equal(policy_scale(&window, 100, &word), 0);
	assert_int_equal(word, 99);
	assert_int_equal(policy_scale(&window, 2000, &word), 0);
	assert_int_equal(word, 1998);
	assert_int_equal(policy_scale(&open, 100, &word), 0);
	assert_int_equal(word, 1);
	assert_int_equal(policy_scale(&bucket, 0, &word), -ERANGE);
}

static void aimd_falls_fast_and_rises_slowly(void **state)
{
	_cleanup_(both_done) struct both b = compiled(
		HEAD "limits: [{name: a, scope: source, rate: 1k/s, adaptive: {target: {nic_drops: "
		     "0/s}, min: 20%, increase: 10%, decrease: 30%, interval: 2s}}]\n");
	const struct policy_adaptive *a = b.image->limits[0].adaptive;
	static const unsigned int falling[] = {700, 490, 343, 240, 200, 200};
	unsigned int factor = 1000;

	(void)state;
	assert_non_null(a);
	assert_int_equal(a->target, POLICY_TARGET_NIC_DROPS);
	assert_int_equal(a->interval_ns, 2 * NSEC_PER_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(falling); i++) {
		factor = policy_adaptive_step(a, factor, 1);
		assert_int_equal(factor, falling[i]);
	}
	for (unsigned int i = 1; i <= 10; i++) {
		factor = policy_adaptive_step(a, factor, 0);
		assert_int_equal(factor, i < 8 ? 200 + 100 * i : 1000);
	}
}

static void cookies_are_limits_that_are_tried_last(void **state)
{
	_cleanup_(both_done) struct both b =
		compiled(HEAD "state: {sources: 1M}\nservices:\n"
			      "  a: {proto: tcp, dport: [80, 443], syn_cookies: auto}\n"
			      "  b: {proto: tcp, dport: 22, syn_cookies: always, syn_mss: 1400B}\n"
			      "  c: {proto: tcp, dport: 25, syn_cookies: off}\n"
			      "  d: {proto: tcp, dport: 26, syn_cookies: auto, syn_rate: 90/m}\n"
			      "limits: [{name: a, scope: global, rate: 1/s}]\n");
	_cleanup_(both_done) struct both plain = compiled(HEAD);
	const struct weir_policy *p = &b.image->policy;
	const struct weir_limit *limits = p->limits;
	uint32_t last = p->limit_count - 1;
	__u64 next;

	(void)state;
	assert_true(p->cookie_limits == 7ULL << (last - 2));
	assert_string_equal(b.image->limits[last - 2].name, "a/cookies");
	assert_string_equal(b.image->limits[last].name, "d/cookies");
	assert_int_equal(limits[last - 2].action, WEIR_ACTION_COOKIE);
	assert_int_equal(limits[last - 2].mss, 1460);
	assert_int_equal(limits[last - 1].mss, 1400);
	assert_true(b.image->ports[443].tcp & 1ULL << (last - 2));
	assert_false(b.image->ports[443].tcp & 1ULL << last);
	assert_true(p->connection_limits & p->cookie_limits);
	/* 10,000 at once, two, none. */
	assert_true(algorithm_next(&limits[last - 2], 0, 5000, 10000, &next));
	assert_false(algorithm_next(&limits[last - 2], 0, 5000, 10001, &next));
	assert_false(algorithm_next(&limits[last - 1], 0, 5000, 1, &next));
	assert_true(algorithm_next(&limits[last], 0, 5000, 2, &next));
	assert_false(algorithm_next(&limits[last], 0, 5000, 3, &next));
	assert_int_equal(b.image->cell_sets, 1 << 20);
	assert_int_equal(plain.image->cell_sets, WEIR_SOURCES_DEFAULT);
	assert_int_equal(plain.image->policy.cookie_limits, 0);
}

/* The policy that shows everything. */
static size_t read_everything(char *text, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen("tests/data/policies/everything.yaml", "re");
	size_t length;

	assert_non_null(f); /* tests run at the top of the tree */
	length = fread(text, 1, size - 1, f);
	assert_true(feof(f));
	text[length] = '\0';
	return length;
}

static void the_policy_that_shows_everything_compiles(void **state)
{
	_cleanup_(both_done) struct both b = {0};
	char text[16384];

	(void)state;
	read_everything(text, sizeof(text));
	b = compiled(text);
	assert_int_equal(b.policy->limit_count, 13); /* with those of quotas */
	assert_int_equal(b.image->policy.limit_count, 18);
	/* All words of these vocabularies are in it. */
	for (unsigned int i = 0; i < POLICY_SCOPE_MAX; i++)
		assert_non_null(strstr(text, policy_scope_str((enum policy_scope)i)));
	for (unsigned int i = 0; i < POLICY_ALGORITHM_MAX; i++)
		assert_non_null(strstr(text, policy_algorithm_str((enum policy_algorithm)i)));
	for (unsigned int i = 0; i < POLICY_TARGET_MAX; i++)
		assert_non_null(strstr(text, policy_target_str((enum policy_target)i)));
}

/* One character after the other is replaced by one that means something to somebody. */
static void any_change_to_it_is_answered(void **state)
{
	static const char changes[] = "0:9-}a]{[%/,\" \n#";
	char text[16384];
	size_t length = read_everything(text, sizeof(text)), compiled_ones = 0;

	(void)state;
	for (size_t i = 0; i < length; i += CHANGE_STEP) {
		_cleanup_(both_done) struct both b = {0};
		char was = text[i];
		struct fault f = {0};
		int r;

		text[i] = changes[i % (sizeof(changes) - 1)];
		r = policy_parse("p", text, length, &b.policy, &f);
		assert_true((r == 0) == (b.policy != NULL));
		if (r == 0)
			r = policy_compile(b.policy, TICK_NS, &b.image, &f);
		assert_true((r == 0) == (b.image != NULL));
		assert_true(r == 0 || strncmp(f.text, "p:", 2) == 0);
		compiled_ones += r == 0;
		text[i] = was;
	}
	assert_in_range(compiled_ones, 1, length);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leaky_bucket_has_no_burst),
		cmocka_unit_test(a_fixed_window_counts_below_its_end),
		cmocka_unit_test(a_sliding_window_counts_two_windows),
		cmocka_unit_test(costs_and_sizes_are_per_class),
		cmocka_unit_test(a_scope_says_whose_cell_it_is),
		cmocka_unit_test(actions_are_carried_over),
		cmocka_unit_test(an_adaptive_limit_scales_one_word),
		cmocka_unit_test(aimd_falls_fast_and_rises_slowly),
		cmocka_unit_test(cookies_are_limits_that_are_tried_last),
		cmocka_unit_test(the_policy_that_shows_everything_compiles),
		cmocka_unit_test(any_change_to_it_is_answered),
	};

	return cmocka_run_group_tests_name("policy_image", tests, NULL, NULL);
}
