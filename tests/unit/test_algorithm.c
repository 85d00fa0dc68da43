/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The datapath's arithmetic on the host, step by step against the reference model: every decision
 * and every word, for random limits of every algorithm and unit and for those at the edges.
 */
#include "test_algorithm.h"

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 20
#define STEPS 20000
#else
#define SEEDS 50
#define STEPS 100000
#endif

static void scale_at_random(struct weir_limit *limit, const struct weir_limit *compiled,
			    uint64_t *random)
{
	uint64_t word = 0;

	assert_int_equal(
		policy_scale(compiled, 200 + (unsigned int)next_random(random, 2801), &word), 0);
	if (limit->algorithm == WEIR_ALGORITHM_BUCKET)
		limit->interval = word;
	else
		limit->burst = word;
}

static void compare_with_model(const struct subject *s, uint64_t *random)
{
	struct weir_limit limit = s->limit;
	struct model m;
	model_time now = random_start(random, &limit), forgotten = now;
	uint64_t word = 0, admitted = 0;

	model_init(&m, &limit);
	for (unsigned int i = 0; i < STEPS; i++) {
		uint64_t units = random_units(random, &limit), next = 0;
		bool conforms = algorithm_next(&limit, word, (uint64_t)now, units, (__u64 *)&next);

		if (conforms != model_offer(&m, now, units))
			fail_msg("%s: step %u differs from the model", s->text, i);
		if (conforms) {
			word = next;
			admitted++;
			assert_true(word == model_word(&m));
		}
		now += random_step(random, &limit, units);
		if (now < forgotten)
			now = forgotten;
		/* Whoever needs the cell may take it; and after a long time somebody has to. Then
		 * the next packet asks for the exact time, which does not lie before this. */
		if (word && algorithm_is_idle(word, (uint64_t)now) &&
		    (next_random(random, 4) == 0 || now - model_rests_at(&m) > (model_time)1
										       << 60)) {
			word = 0;
			forgotten = now;
		}
		if (s->adaptive && i % 1024 == 1023)
			scale_at_random(&limit, &s->limit, random);
	}
	assert_true(admitted > 0 && admitted <= STEPS);
}

static void compare_kind(enum kind kind)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t random = seed * 0x9e3779b97f4a7c15ULL + kind;
		struct subject s = {0};

		random_subject(&s, kind, &random);
		compare_with_model(&s, &random);
	}
}

static void a_token_bucket_decides_as_the_model(void **state)
{
	(void)state;
	compare_kind(BUCKET);
}

static void a_leaky_bucket_decides_as_the_model(void **state)
{
	(void)state;
	compare_kind(LEAKY);
}

static void a_fixed_window_decides_as_the_model(void **state)
{
	(void)state;
	compare_kind(FIXED);
}

static void a_sliding_window_decides_as_the_model(void **state)
{
	(void)state;
	compare_kind(SLIDING);
}

static void limits_at_the_edge_decide_as_the_model(void **state)
{
	(void)state;
	each_edge(compare_with_model);
}

/* The clock's circle has one moment that is written as "never used". */
static void a_bucket_that_is_full_as_the_clock_turns_stays_full(void **state)
{
	struct subject s = {.text = "rate: 10/s, burst: 1"};
	__u64 next = 0, again;

	(void)state;
	assert_int_equal(subject_make(&s), 0);
	assert_true(algorithm_next(&s.limit, 0, -s.limit.interval, 1, &next));
	assert_int_not_equal(next, 0);
	assert_false(algorithm_next(&s.limit, next, -s.limit.interval, 1, &again));
}

static void size_costs_one_unit_per_full_step(void **state)
{
	static const unsigned int steps[] = {64, 65, 100, 512, 1000, 1500, 4096, 65535, 65536};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct subject s = {0};

		snprintf(s.text, sizeof(s.text), "rate: 1k/s, cost: {other: 3, per_bytes: %uB}",
			 steps[i]);
		assert_int_equal(subject_make(&s), 0);
		for (uint32_t length = 0; length < 65536; length++)
			assert_int_equal(algorithm_units(&s.limit, WEIR_CLASS_OTHER, length),
					 3 + length / steps[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_bucket_decides_as_the_model),
		cmocka_unit_test(a_leaky_bucket_decides_as_the_model),
		cmocka_unit_test(a_fixed_window_decides_as_the_model),
		cmocka_unit_test(a_sliding_window_decides_as_the_model),
		cmocka_unit_test(limits_at_the_edge_decide_as_the_model),
		cmocka_unit_test(a_bucket_that_is_full_as_the_clock_turns_stays_full),
		cmocka_unit_test(size_costs_one_unit_per_full_step),
	};

	return cmocka_run_group_tests_name("algorithm", tests, NULL, NULL);
}
