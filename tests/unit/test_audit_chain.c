/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The writer and the reader of the log, and a disk that refuses to write: nothing that was appended
 * is lost as long as it fits into memory, and what does not fit is accounted for.
 */
#include "test_audit.h"

#include <signal.h>
#include <sys/resource.h>

static void new_log(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);
	struct stat st;

	assert_int_equal(chain_origin(c), CHAIN_CREATED);
	assert_string_equal(chain_origin_words(c), "");
	assert_int_equal(stat(l->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	commit(c);
	assert_int_equal(chain_length(c), 0);
	assert_int_equal(verdict(l).status, AUDIT_OK);
}

static void read_back(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);
	_cleanup_(reader_closep) struct reader *r = NULL;
	uint8_t previous[AUDIT_HASH_SIZE] = {0}, last[AUDIT_HASH_SIZE];
	struct reader_record record;

	add(c, 3);
	commit(c);
	add(c, 2);
	assert_int_equal(chain_pending(c), 2);
	assert_int_equal(chain_length(c), 3);
	assert_int_equal(reader_open(l->path, &r, NULL), 0);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(reader_next(r, &record, NULL), 1);
		assert_int_equal(record.view.index, i);
		assert_memory_equal(record.view.previous_hash, previous, sizeof(previous));
		memcpy(previous, record.hash, sizeof(previous));
	}
	assert_int_equal(reader_next(r, &record, NULL), 0);
	chain_last_hash(c, last);
	assert_memory_equal(last, previous, sizeof(last));
	/* The reader sees what is committed while it stands at the end. */
	commit(c);
	assert_int_equal(reader_next(r, &record, NULL), 1);
	assert_int_equal(record.view.index, 3);
	assert_in_order(l, 5);
}

static void reopen(void **state)
{
	const struct log *l = *state;

	for (unsigned int i = 0; i < 3; i++) {
		_cleanup_(chain_closep) struct chain *c = log_open(l, 0);

		assert_int_equal(chain_origin(c), i ? CHAIN_CONTINUED : CHAIN_CREATED);
		assert_int_equal(chain_length(c), 2 * i);
		add(c, 2);
		commit(c);
	}
	assert_in_order(l, 6);
	assert_int_equal(verdict(l).segments, 1);
}

static void rotation(void **state)
{
	const struct log *l = *state;
	_cleanup_(reader_closep) struct reader *r = NULL;
	struct reader_record record;

	log_make(l, 8000, 30, 3);
	log_make(l, 8000, 30, 3);
	assert_in_order(l, 180);
	assert_true(verdict(l).segments > 20);
	assert_int_equal(reader_open(l->path, &r, NULL), 0);
	for (uint64_t i = 0; i < 180; i++) {
		assert_int_equal(reader_next(r, &record, NULL), 1);
		assert_int_equal(record.view.index, i);
	}
	assert_int_equal(reader_next(r, &record, NULL), 0);
	for (uint64_t i = 0; i <= 181; i += 7) {
		assert_int_equal(reader_seek(r, i, NULL), 0);
		assert_int_equal(reader_next(r, &record, NULL), i < 180);
		assert_true(i >= 180 || record.view.index == i);
		assert_int_equal(reader_seek_tail(r, i, NULL), 0);
		assert_int_equal(reader_next(r, &record, NULL), i > 0);
		assert_true(i == 0 || record.view.index == (i < 180 ? 180 - i : 0));
	}
}

static void one_writer(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);
	struct chain *second = NULL;
	struct fault f = {0};

	assert_int_equal(chain_open(l->path, NULL, &second, &f), -EBUSY);
	assert_string_equal(f.code, "audit.locked");
	assert_non_null(strstr(f.text, l->path));
}

static void not_ours(void **state)
{
	const struct log *l = *state;
	char elsewhere[80], missing[80];
	struct chain *c = NULL;
	struct fault f = {0};

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", l->root);
	snprintf(missing, sizeof(missing), "%s/none/log", l->root);
	assert_int_equal(chain_open(missing, NULL, &c, &f), -ENOENT);
	assert_int_equal(mkdir(elsewhere, 0700), 0);
	assert_int_equal(symlink(elsewhere, l->path), 0);
	assert_int_equal(chain_open(l->path, NULL, &c, &f), -ENOTDIR);
	assert_string_equal(f.code, "audit.open");
	assert_int_equal(chmod(elsewhere, 0720), 0);
	assert_int_equal(chain_open(elsewhere, NULL, &c, &f), -EPERM);
	assert_string_equal(f.code, "audit.owner");
	if (geteuid() == 0) {
		assert_int_equal(chmod(elsewhere, 0700), 0);
		assert_int_equal(chown(elsewhere, 65534, 65534), 0);
		assert_int_equal(chain_open(elsewhere, NULL, &c, &f), -EPERM);
	}
}

static void set_file_limit(uint64_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void no_space(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);
	struct fault f = {0};
	int r;

	signal(SIGXFSZ, SIG_IGN);
	add(c, 3);
	commit(c);
	add(c, 100);
	set_file_limit(8192 + 1000); /* the batch is cut in the middle */
	for (unsigned int i = 0; i < 3; i++) {
		r = chain_commit(c, &f);
		assert_int_equal(r, -EFBIG);
	}
	assert_string_equal(f.code, "audit.write");
	assert_true(chain_is_degraded(c));
	assert_int_equal(chain_length(c), 3);
	assert_int_equal(chain_pending(c), 100);
	assert_in_order(l, 3);
	assert_int_equal(verdict(l).tail_bytes, 0); /* nothing is left for others to stumble over */
	set_file_limit(0);
	commit(c);
	assert_false(chain_is_degraded(c));
	assert_int_equal(chain_lost(c), 0);
	assert_in_order(l, 104);
	assert_last(l, 1, "audit.storage_error",
		    "{\"error\":\"File too large\",\"failed_commits\":3,");
}

static void no_space_for_a_segment(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = log_open(l, 4096);
	char path[160];

	signal(SIGXFSZ, SIG_IGN);
	add(c, 1);
	commit(c);
	add(c, 1);
	/* A directory in the place of the next segment; then a limit on its header. */
	file_path(l, "00000000000000000001.seg", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(chain_commit(c, NULL) < 0);
	assert_int_equal(rmdir(path), 0);
	set_file_limit(4000);
	assert_true(chain_commit(c, NULL) < 0);
	set_file_limit(0);
	commit(c);
	assert_in_order(l, 3);
}

static unsigned int syncs_until_failure;

static int failing_sync(int fd)
{
	(void)fd;
	errno = EIO;
	return syncs_until_failure && --syncs_until_failure == 0 ? -1 : 0;
}

static void failed_sync(void **state)
{
	const struct log *l = *state;
	const struct chain_options options = {.segment_bytes = 7000, .datasync = failing_sync};
	const struct chain_options whole = {.datasync = failing_sync};
	/* The 3rd sync is that of the second batch: its file is not touched again. */
	_cleanup_(chain_closep) struct chain *first = NULL;

	assert_int_equal(chain_open(l->path, &whole, &first, NULL), 0);
	syncs_until_failure = 3;
	for (unsigned int i = 0; i < 3; i++) {
		add(first, 1);
		while (chain_commit(first, NULL) < 0)
			;
	}
	assert_in_order(l, 4);
	assert_int_equal(verdict(l).segments, 2);
	chain_close(take_ptr(first));

	/* Whichever of the syncs it is: of a header, a batch or an end. */
	for (unsigned int nth = 1; nth <= 8; nth++) {
		_cleanup_(chain_closep) struct chain *c = NULL;
		uint64_t failures = 0;

		log_clear(l);
		assert_int_equal(chain_open(l->path, &options, &c, NULL), 0);
		syncs_until_failure = nth;
		for (unsigned int i = 0; i < 6; i++) {
			add(c, 2);
			while (chain_commit(c, NULL) < 0)
				failures++;
		}
		assert_int_equal(failures, 1);
		assert_in_order(l, 13);
		assert_int_equal(chain_lost(c), 0);
		chain_close(take_ptr(c));
		c = log_open(l, 0);
		assert_int_equal(chain_origin(c), CHAIN_CONTINUED);
	}
}

static void full_batch(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);
	const struct audit_record record = {.event = AUDIT_EVENT_LIST_BLOCKED};
	uint64_t room = 0;

	while (chain_append(c, &record) == 0)
		room++;
	assert_true(room > 5000 && room <= 16384);
	assert_int_equal(chain_append(c, &record), -ENOBUFS);
	assert_int_equal(chain_lost(c), 2);
	commit(c);
	assert_in_order(l, room + 1);
	assert_last(l, 1, "audit.loss", "{\"records_lost\":2,\"since\":\"20");
	commit(c); /* told once */
	assert_int_equal(chain_length(c), room + 1);
}

static void large_record(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);
	_cleanup_free_ char *value = calloc(1, AUDIT_RECORD_MAX + 1);
	struct audit_details d = {0};
	const struct audit_record record = {.event = AUDIT_EVENT_POLICY_LOAD, .details = &d};

	assert_non_null(value);
	memset(value, 'v', AUDIT_RECORD_MAX);
	audit_details_string(&d, "text", value);
	assert_int_equal(chain_append(c, &record), -EMSGSIZE);
	value[AUDIT_RECORD_MAX - 1000] = '\0';
	assert_int_equal(chain_append(c, &record), 0);
	commit(c);
	assert_in_order(l, 2);
	assert_last(l, 1, "audit.loss", "{\"records_lost\":1,");
}

int main(void)
{
#define TEST(words, function)                                                                      \
	{                                                                                          \
		(words), (function), log_set_up, log_tear_down, NULL                               \
	}
	static const struct CMUnitTest tests[] = {
		TEST("a new log is private and in order", new_log),
		TEST("committed records are read back in order, pending ones are not shown",
		     read_back),
		TEST("a log is continued after a restart", reopen),
		TEST("files of limited size are one chain, and any record is found in them",
		     rotation),
		TEST("a second writer is refused", one_writer),
		TEST("a directory that is not ours or not safe is refused", not_ours),
		TEST("a full disk loses nothing that fits into memory", no_space),
		TEST("a file that cannot be created is tried again", no_space_for_a_segment),
		TEST("after a failed fdatasync the batch goes to another file", failed_sync),
		TEST("what a full batch refuses is counted in the chain", full_batch),
		TEST("a record that is too large is refused and counted", large_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
