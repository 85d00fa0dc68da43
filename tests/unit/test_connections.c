/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers of connections in one set (bpf/lib/connections.h): a model, limits, and threads that race. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <weir/hash.h>

#include "base/cleanup.h"
#include "lib/connections.h"

#define TAGS	10 /* more than a set has room for */
#define STEPS	200000
#define THREADS 4

static uint64_t tag_of(unsigned int i)
{
	return weir_conn_tag(weir_hash(0, i, 7, 0x5eed));
}

/* xorshift64 (Marsaglia 2003) */
static uint64_t next_random(uint64_t *random, uint64_t below)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random % below;
}

static bool is_empty(const struct weir_conn_set *set)
{
	static const struct weir_conn_set empty;

	return memcmp(set, &empty, sizeof(empty)) == 0;
}

static void numbers_are_those_of_a_model(void **state)
{
	struct weir_conn_set set = {};
	uint32_t model[TAGS] = {};
	unsigned int used = 0;
	uint64_t random = 1;

	(void)state;
	for (unsigned int step = 0; step < STEPS; step++) {
		unsigned int i = (unsigned int)next_random(&random, TAGS);
		bool add = next_random(&random, 8) < (step / 1000 % 2 ? 3 : 5);

		if (add) {
			bool room = model[i] || used < WEIR_CONN_WAYS;

			assert_int_equal(connections_try_add(&set, tag_of(i)),
					 room ? CONNECTIONS_DONE : CONNECTIONS_FULL);
			used += room && !model[i];
			model[i] += room;
		} else if (model[i]) {
			assert_int_equal(connections_try_remove(&set, tag_of(i)), CONNECTIONS_DONE);
			used -= model[i]-- == 1;
		}
		assert_int_equal(connections_sum(&set, tag_of(i)), model[i]);
	}
	for (unsigned int i = 0; i < TAGS; i++)
		while (model[i]--)
			assert_int_equal(connections_try_remove(&set, tag_of(i)), CONNECTIONS_DONE);
	assert_true(is_empty(&set));
}

static void a_number_ends_at_its_greatest(void **state)
{
	struct weir_conn_set set = {.words = {tag_of(1) | (WEIR_CONN_COUNT_MAX - 1)}};

	(void)state;
	assert_int_equal(connections_try_add(&set, tag_of(1)), CONNECTIONS_DONE);
	assert_int_equal(connections_try_add(&set, tag_of(1)), CONNECTIONS_FULL);
	assert_int_equal(connections_sum(&set, tag_of(1)), WEIR_CONN_COUNT_MAX);
	assert_int_equal(connections_try_remove(&set, tag_of(1)), CONNECTIONS_DONE);
	assert_int_equal(connections_sum(&set, tag_of(1)), WEIR_CONN_COUNT_MAX - 1);
}

static void what_is_not_there_is_not_taken(void **state)
{
	struct weir_conn_set set = {};

	(void)state;
	assert_int_equal(connections_try_remove(&set, tag_of(1)), CONNECTIONS_AGAIN);
	assert_int_equal(connections_try_add(&set, tag_of(2)), CONNECTIONS_DONE);
	assert_int_equal(connections_try_remove(&set, tag_of(1)), CONNECTIONS_AGAIN);
	assert_int_equal(connections_sum(&set, tag_of(2)), 1);
}

static void no_tag_is_zero(void **state)
{
	(void)state;
	for (uint64_t hash = 0; hash < 4; hash++) {
		assert_true(weir_conn_tag(hash));
		assert_int_equal(weir_conn_tag(hash) & WEIR_CONN_COUNT_MAX, 0);
	}
	assert_int_equal(weir_conn_index(UINT64_MAX, 0), 0);
	assert_int_equal(weir_conn_index(UINT64_MAX, WEIR_CONN_SETS_MAX - 1),
			 WEIR_CONN_SETS_MAX - 1);
}

struct racer {
	struct weir_conn_set *set;
	uint64_t random;
	uint32_t model[TAGS];
	bool failed;
};

/* Attempts are repeated as in connections.bpf.c, but without end: a failure must be a full set. */
static void *race(void *data)
{
	struct racer *r = data;

	for (unsigned int step = 0; step < STEPS; step++) {
		unsigned int i = (unsigned int)next_random(&r->random, TAGS);
		int outcome = CONNECTIONS_AGAIN;

		if (next_random(&r->random, 2)) {
			while (outcome == CONNECTIONS_AGAIN)
				outcome = connections_try_add(r->set, tag_of(i));
			r->model[i] += outcome == CONNECTIONS_DONE;
		} else if (r->model[i]) {
			while (outcome == CONNECTIONS_AGAIN)
				outcome = connections_try_remove(r->set, tag_of(i));
			r->failed |= outcome != CONNECTIONS_DONE;
			r->model[i]--;
		}
	}
	return NULL;
}

static void racing_threads_lose_no_count(void **state)
{
	struct weir_conn_set set = {};
	struct racer racers[THREADS] = {};
	pthread_t threads[THREADS];

	(void)state;
	for (unsigned int t = 0; t < THREADS; t++) {
		racers[t] = (struct racer){.set = &set, .random = t + 1};
		assert_int_equal(pthread_create(&threads[t], NULL, race, &racers[t]), 0);
	}
	for (unsigned int t = 0; t < THREADS; t++) {
		pthread_join(threads[t], NULL);
		assert_false(racers[t].failed);
	}
	for (unsigned int i = 0; i < TAGS; i++) {
		uint32_t want = 0;

		for (unsigned int t = 0; t < THREADS; t++)
			want += racers[t].model[i];
		assert_int_equal(connections_sum(&set, tag_of(i)), want);
		while (want--)
			assert_int_equal(connections_try_remove(&set, tag_of(i)), CONNECTIONS_DONE);
	}
	assert_true(is_empty(&set));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_those_of_a_model),
		cmocka_unit_test(a_number_ends_at_its_greatest),
		cmocka_unit_test(what_is_not_there_is_not_taken),
		cmocka_unit_test(no_tag_is_zero),
		cmocka_unit_test(racing_threads_lose_no_count),
	};

	return cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
