/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Disks that are full or fail: nothing is lost that is not counted, and records stand at both ends of the hole. */
#include "test_audit.h"

#include "audit/reserve.h"

static int sync_error;		   /* 0 = works */
static unsigned int syncs_to_fail; /* UINT_MAX = all */

static int faulty_sync(int fd)
{
	(void)fd;
	if (!syncs_to_fail)
		return 0;
	if (syncs_to_fail != UINT_MAX)
		syncs_to_fail--;
	errno = sync_error;
	return -1;
}

static struct chain *open_faulty(const struct log *l)
{
	const struct chain_options options = {.datasync = faulty_sync,
					      .batch_bytes = CHAIN_BATCH_BYTES_MIN};
	struct chain *c = NULL;

	syncs_to_fail = 0;
	assert_int_equal(chain_open(l->path, &options, &c, NULL), 0);
	add(c, 1);
	commit(c);
	return c;
}

static bool has_reserve(const struct log *l)
{
	char path[160];

	file_path(l, RESERVE_NAME, path);
	return access(path, F_OK) == 0;
}

static void a_full_disk_is_told_from_the_room_of_the_reserve(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = open_faulty(l);

	assert_true(has_reserve(l));
	add(c, 2);
	sync_error = ENOSPC;
	syncs_to_fail = 1;
	commit(c);
	/* In memory there is room for another one at once. */
	assert_false(chain_is_full(c));
	assert_true(has_reserve(l));
	assert_false(chain_is_degraded(c));
	assert_last(l, 2, "audit.storage_full", "{\"error\":\"No space left on device\"");
	assert_last(l, 1, "audit.storage_restored", "{\"since\":");
	assert_in_order(l, 5);
}

static void a_disk_that_stays_full_is_no_success(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = open_faulty(l);

	add(c, 2);
	sync_error = ENOSPC;
	syncs_to_fail = UINT_MAX;
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(chain_commit(c, NULL), -ENOSPC);
		assert_true(chain_is_full(c) && chain_is_degraded(c));
		assert_false(has_reserve(l));
	}
	assert_in_order(l, 1);
	syncs_to_fail = 0;
	commit(c);
	assert_false(chain_is_full(c) || chain_is_degraded(c));
	assert_last(l, 3, "audit.storage_full", "{");
	assert_last(l, 2, "audit.storage_error", "{\"error\":\"No space left on device\",");
	assert_last(l, 1, "audit.storage_restored", "{");
	assert_in_order(l, 6);
	assert_true(has_reserve(l));
}

/* EIO and EROFS for ever: what does not fit into memory is counted, to the record. */
static void a_disk_that_fails_for_long_leaves_a_hole_with_two_ends(void **state)
{
	static const int errors[] = {EIO, EROFS};
	const struct log *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct chain *c = open_faulty(l);
		uint64_t lost = 0, kept = 0;
		char expected[64];

		sync_error = errors[i];
		syncs_to_fail = UINT_MAX;
		while (lost < 10) {
			const struct audit_record r = {.event = AUDIT_EVENT_LIST_ADD};

			if (chain_append(c, &r) == 0)
				kept++;
			else
				lost++;
			if ((kept + lost) % 100 == 0)
				assert_int_equal(chain_commit(c, NULL), -errors[i]);
		}
		assert_int_equal(chain_commit(c, NULL), -errors[i]);
		assert_true(chain_is_degraded(c));
		assert_int_equal(chain_lost(c), lost);
		assert_in_order(l, 1);
		syncs_to_fail = 0;
		commit(c);
		assert_in_order(l, 1 + kept + 2);
		assert_last(l, 2, "audit.storage_error", "{");
		snprintf(expected, sizeof(expected), "{\"records_lost\":%llu,",
			 (unsigned long long)lost);
		assert_last(l, 1, "audit.loss", expected);
		chain_close(c);
		log_clear(l);
	}
}

static void a_reserve_is_no_part_of_the_log(void **state)
{
	const struct log *l = *state;
	struct chain *c = open_faulty(l);

	chain_close(c);
	file_put(l, RESERVE_NAME, (const uint8_t *)"x", 1);
	assert_in_order(l, 1);
	file_remove(l, RESERVE_NAME);
	assert_in_order(l, 1);
	c = open_faulty(l);
	chain_close(c);
	assert_true(has_reserve(l));
	assert_in_order(l, 2);
}

int main(void)
{
#define TEST(words, name)                                                                          \
	{                                                                                          \
		words, name, log_set_up, log_tear_down, NULL                                       \
	}
	static const struct CMUnitTest tests[] = {
		TEST("a full disk is told from the room of the reserve",
		     a_full_disk_is_told_from_the_room_of_the_reserve),
		TEST("a disk that stays full is no success", a_disk_that_stays_full_is_no_success),
		TEST("a disk that fails for long leaves a hole with two ends",
		     a_disk_that_fails_for_long_leaves_a_hole_with_two_ends),
		TEST("a reserve is no part of the log", a_reserve_is_no_part_of_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
