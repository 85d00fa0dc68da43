/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tenants had, on a real file: days add up, keep how far back they may reach, and go when they are old. */
#include "test_store.h"

static void add(struct fixture *x, const char *tenant, int64_t day, int64_t since, uint64_t n)
{
	const struct store_usage_row row = {tenant, day, since, {n, 100 * n, 2, n + 1, 3, 4}};
	struct fault f = {0};

	if (store_usage_add(x->store, &row, &f) < 0)
		fail_msg("%s", f.text);
}

static int note_usage(const struct store_usage_row *row, void *userdata)
{
	char *text = userdata;

	snprintf(text + strlen(text), 1024 - strlen(text), "%s %lld %lld:", row->tenant,
		 (long long)row->day, (long long)row->since);
	for (size_t i = 0; i < STORE_USAGE_COUNTS; i++)
		snprintf(text + strlen(text), 1024 - strlen(text), " %llu",
			 (unsigned long long)row->counts[i]);
	strcat(text, "\n");
	return 0;
}

static void expect(struct fixture *x, const char *tenant, int64_t first, int64_t last,
		   const char *wanted)
{
	char text[1024] = "";

	assert_int_equal(store_usage_each(x->store, tenant, first, last, note_usage, text, NULL),
			 0);
	assert_string_equal(text, wanted);
}

static void days_add_up_and_the_latest_comes_first(void **state)
{
	struct fixture *x = *state;

	add(x, "acme", 20000, 20000, 5);
	add(x, "acme", 20001, 20001, 1);
	add(x, "beta", 20001, 20001, 9);
	open_again(x);
	add(x, "acme", 20001, 19998, 2);
	add(x, "acme", 20001, 20001, 0);
	expect(x, "acme", 20000, 20001,
	       "acme 20001 19998: 3 300 6 6 9 12\nacme 20000 20000: 5 500 2 6 3 4\n");
	expect(x, "acme", 20002, 20009, "");
	expect(x, "acme", 20000, 20000, "acme 20000 20000: 5 500 2 6 3 4\n");
	expect(x, "nobody", 0, 30000, "");
	assert_int_equal(store_usage_has(x->store, "beta", NULL), 1);
	assert_int_equal(store_usage_has(x->store, "bet", NULL), 0);
}

static void old_days_go_and_no_others(void **state)
{
	struct fixture *x = *state;
	uint64_t count = 7;

	add(x, "acme", 100, 100, 1);
	add(x, "acme", 101, 101, 1);
	add(x, "beta", 99, 99, 1);
	assert_int_equal(store_usage_prune(x->store, 101, &count, NULL), 0);
	assert_int_equal(count, 2);
	expect(x, "acme", 0, 1000, "acme 101 101: 1 100 2 2 3 4\n");
	assert_int_equal(store_usage_prune(x->store, 101, &count, NULL), 0);
	assert_int_equal(count, 0);
}

static int note_meter(const struct store_meter_row *row, void *userdata)
{
	char *text = userdata;

	snprintf(text + strlen(text), 1024 - strlen(text), "%s %llu: %llu %llu\n", row->tenant,
		 (unsigned long long)row->epoch, (unsigned long long)row->counts[0],
		 (unsigned long long)row->counts[5]);
	return 0;
}

static void a_meter_and_its_day_are_one_step(void **state)
{
	struct fixture *x = *state;
	const struct store_meter_row meter = {"acme", 1795000000000000000ULL, {5, 6, 7, 8, 9, 10}};
	char text[1024] = "";

	assert_int_equal(store_begin(x->store, NULL), 0);
	add(x, "acme", 100, 100, 5);
	assert_int_equal(store_meter_put(x->store, &meter, NULL), 0);
	store_rollback(x->store);
	assert_int_equal(store_meter_each(x->store, note_meter, text, NULL), 0);
	assert_string_equal(text, "");
	expect(x, "acme", 0, 1000, "");
	assert_int_equal(store_begin(x->store, NULL), 0);
	add(x, "acme", 100, 100, 5);
	assert_int_equal(store_meter_put(x->store, &meter, NULL), 0);
	assert_int_equal(store_commit(x->store, NULL), 0);
	open_again(x);
	assert_int_equal(store_meter_each(x->store, note_meter, text, NULL), 0);
	assert_string_equal(text, "acme 1795000000000000000: 5 10\n");
}

static int note_threshold(const struct store_threshold_row *row, void *userdata)
{
	char *text = userdata;

	snprintf(text + strlen(text), 1024 - strlen(text), "%s %u %u %lld %u\n", row->tenant,
		 row->unit, row->period, (long long)row->number, row->level);
	return 0;
}

static void what_was_told_of_a_quota_is_remembered_by_period(void **state)
{
	struct fixture *x = *state;
	char text[1024] = "";

	assert_int_equal(store_threshold_put(x->store,
					     &(struct store_threshold_row){"acme", 0, 1, 700, 1},
					     NULL),
			 0);
	assert_int_equal(store_threshold_put(x->store,
					     &(struct store_threshold_row){"acme", 0, 0, 20000, 1},
					     NULL),
			 0);
	assert_int_equal(store_threshold_put(x->store,
					     &(struct store_threshold_row){"acme", 0, 0, 20000, 2},
					     NULL),
			 0);
	open_again(x);
	assert_int_equal(store_threshold_each(x->store, note_threshold, text, NULL), 0);
	assert_string_equal(text, "acme 0 0 20000 2\nacme 0 1 700 1\n");
}

static void what_cannot_be_kept_is_refused(void **state)
{
	struct fixture *x = *state;
	struct store_usage_row row = {"acme", 1, 1, {UINT64_MAX}};
	struct fault f = {0};
	char longer[STORE_TEXT_MAX + 2];

	assert_int_equal(store_usage_add(x->store, &row, &f), -ERANGE);
	assert_string_equal(f.code, "store.usage");
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	row = (struct store_usage_row){longer, 1, 1, {0}};
	assert_int_equal(store_usage_add(x->store, &row, &f), -EMSGSIZE);
	/* A sum that grew too large: SQLite says so, and the row stays as it was. */
	row = (struct store_usage_row){"acme", 1, 1, {INT64_MAX}};
	assert_int_equal(store_usage_add(x->store, &row, &f), 0);
	row.counts[0] = 1;
	assert_true(store_usage_add(x->store, &row, &f) < 0);
	expect(x, "acme", 1, 1, "acme 1 1: 9223372036854775807 0 0 0 0 0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_OPENED(days_add_up_and_the_latest_comes_first),
		TEST_OPENED(old_days_go_and_no_others),
		TEST_OPENED(a_meter_and_its_day_are_one_step),
		TEST_OPENED(what_was_told_of_a_quota_is_remembered_by_period),
		TEST_OPENED(what_cannot_be_kept_is_refused),
	};

	return cmocka_run_group_tests_name("store_usage", tests, NULL, NULL);
}
