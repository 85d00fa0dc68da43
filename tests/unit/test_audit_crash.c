/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every way in which a process or a machine can die under the writer: what was acknowledged is
 * there afterwards, what was not is set aside and recorded. And what no crash can do is told apart
 * from that.
 */
#include "test_audit.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"

/* Two batches acknowledged; a third of two records written, with the state file from before it. */
static void make_crash(const struct log *l, struct bytes *ret_segment, struct bytes *ret_state,
		       size_t *ret_good)
{
	struct bytes before;

	log_make(l, 0, 2, 2);
	before = file_get(l, FIRST_SEGMENT);
	*ret_good = before.length;
	bytes_done(&before);
	*ret_state = file_get(l, "state");
	log_make(l, 0, 1, 2);
	*ret_segment = file_get(l, FIRST_SEGMENT);
}

static void put_crash(const struct log *l, const struct bytes *segment, size_t length,
		      const struct bytes *at_crash)
{
	log_clear(l);
	assert_int_equal(mkdir(l->path, 0700), 0);
	file_put(l, FIRST_SEGMENT, segment->data, length);
	file_put(l, "state", at_crash->data, at_crash->length);
}

static void torn_batch(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes segment = {0}, at_crash = {0};
	size_t good;

	make_crash(l, &segment, &at_crash, &good);
	for (size_t length = good; length <= segment.length; length++) {
		bool torn = length > good && length < segment.length;
		uint64_t records = length == segment.length ? 6 : 4;
		struct chain *c;

		put_crash(l, &segment, length, &at_crash);
		assert_in_order(l, records); /* also before anything is recovered */
		assert_int_equal(verdict(l).tail_bytes, torn ? length - good : 0);
		c = log_open(l, 0);
		assert_int_equal(chain_origin(c), torn ? CHAIN_RECOVERED : CHAIN_CONTINUED);
		assert_int_equal(chain_length(c), records);
		add(c, 1);
		commit(c);
		chain_close(c);
		assert_in_order(l, records + 1 + torn);
		if (torn)
			assert_last(l, 2, "audit.recovery", "{\"offset\":");
	}
}

static void unacknowledged_batch(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes segment = {0}, at_crash = {0}, caught_up = {0};
	_cleanup_(chain_closep) struct chain *c = NULL;
	size_t good;

	make_crash(l, &segment, &at_crash, &good);
	put_crash(l, &segment, segment.length, &at_crash);
	c = log_open(l, 0);
	commit(c); /* of nothing: acknowledges what was found */
	caught_up = file_get(l, "state");
	assert_memory_not_equal(caught_up.data, at_crash.data, at_crash.length);
	add(c, 1);
	commit(c);
	chain_close(take_ptr(c));
	file_put(l, "state", caught_up.data, caught_up.length);
	c = log_open(l, 0);
	assert_int_equal(chain_origin(c), CHAIN_CONTINUED);
	assert_int_equal(chain_length(c), 7);
}

static void scrambled_batch(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes segment = {0}, at_crash = {0};
	size_t good;

	/* A power cut may leave the last of the pages and not the first. */
	make_crash(l, &segment, &at_crash, &good);
	memset(segment.data + good, 0, 300);
	put_crash(l, &segment, segment.length, &at_crash);
	assert_int_equal(verdict(l).finding, AUDIT_FINDING_SEGMENT_TAIL);
	assert_int_equal(verdict(l).index, 4);
	log_make(l, 0, 1, 1);
	assert_in_order(l, 6);
	assert_last(l, 2, "audit.recovery", "{\"offset\":");
}

/* Nothing was acknowledged yet, and so much of the first segment was written. */
static void put_first(const struct log *l, const struct bytes *segment, size_t length)
{
	struct state s = {.tip.segment = SEGMENT_NONE};
	struct hasher h;
	int dir;

	log_clear(l);
	assert_int_equal(mkdir(l->path, 0700), 0);
	dir = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(hasher_init(&h), 0);
	assert_int_equal(state_create(dir, &h, &s), 0);
	hasher_done(&h);
	close(dir);
	file_put(l, FIRST_SEGMENT, segment->data, length);
}

static void torn_first_batch(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes segment = {0};

	/* The first segment of all, from an empty file up to all of its first batch. */
	log_make(l, 0, 1, 2);
	segment = file_get(l, FIRST_SEGMENT);
	put_first(l, &segment, segment.length);
	assert_in_order(l, 2);
	for (size_t length = 0; length < 5000; length += length < 4090 ? 511 : 77) {
		put_first(l, &segment, length);
		assert_in_order(l, 0); /* also before anything is recovered */
		log_make(l, 0, 1, 1);
		assert_in_order(l, 2);
		assert_last(l, 2, "audit.recovery", "{\"quarantined_bytes\":");
	}
}

static void crash_in_rotation(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes last = {0}, at_crash = {0};

	/* A file for each batch: 0, 2, 4. The crash comes while the last one is created. */
	log_make(l, 4096, 2, 2);
	at_crash = file_get(l, "state");
	log_make(l, 4096, 1, 2);
	last = file_get(l, "00000000000000000004.seg");
	for (size_t length = 0; length < last.length; length += 97) {
		log_clear(l);
		log_make(l, 4096, 2, 2);
		file_put(l, "00000000000000000004.seg", last.data, length);
		log_make(l, 4096, 1, 1);
		assert_in_order(l, 6);
		assert_last(l, 2, "audit.recovery", "{\"quarantined_bytes\":");
	}
}

static void acknowledged_records_cut(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes segment = {0}, at_crash = {0}, after = {0};
	_cleanup_(chain_closep) struct chain *c = NULL;
	struct audit_verdict v;
	size_t good;

	make_crash(l, &segment, &at_crash, &good);
	file_put(l, FIRST_SEGMENT, segment.data, good + 10); /* the state says 6 */
	v = verdict(l);
	assert_int_equal(v.status, AUDIT_INCOMPLETE);
	assert_int_equal(v.index, 4);

	c = log_open(l, 0);
	assert_int_equal(chain_origin(c), CHAIN_VIOLATED);
	assert_non_null(strstr(chain_origin_words(c), "6 acknowledged, 4 in order"));
	add(c, 1);
	commit(c);
	assert_int_equal(chain_length(c), 8); /* no index is used twice */
	assert_last(l, 2, "audit.violation", "{\"acknowledged_records\":6,\"good_records\":4,");
	after = file_get(l, FIRST_SEGMENT);
	assert_int_equal(after.length, good + 10);

	/* Later starts go on; the verdict stays. */
	chain_close(take_ptr(c));
	c = log_open(l, 0);
	assert_int_equal(chain_origin(c), CHAIN_CONTINUED);
	v = verdict(l);
	assert_int_equal(v.status, AUDIT_TAMPERED);
	assert_int_equal(v.finding, AUDIT_FINDING_VIOLATION);
	assert_int_equal(v.index, 4);
}

static void violations(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes segment = {0}, at_crash = {0}, damaged = {0};
	size_t good;

	/* Each of these makes a new incarnation, never silence, and never a crash. */
	for (unsigned int i = 0; i < 6; i++) {
		_cleanup_(chain_closep) struct chain *c = NULL;

		log_clear(l);
		bytes_done(&segment);
		bytes_done(&at_crash);
		bytes_done(&damaged);
		make_crash(l, &segment, &at_crash, &good);
		damaged = file_get(l, FIRST_SEGMENT);
		damaged.data[SEGMENT_HEADER_SIZE + 60] ^= 1;
		if (i == 0 || i == 5)
			file_remove(l, "state");
		if (i == 1)
			file_put(l, "state", (const uint8_t *)"?", 1);
		else if (i == 2)
			file_remove(l, FIRST_SEGMENT);
		if (i == 5) /* a file in the way of all that follow */
			file_put(l, "00000000000000000100.seg", segment.data, segment.length);
		else if (i == 3)
			file_put(l, FIRST_SEGMENT, segment.data, 100);
		else
			file_put(l, FIRST_SEGMENT, damaged.data, damaged.length);
		c = log_open(l, 0);
		assert_int_equal(chain_origin(c), CHAIN_VIOLATED);
		commit(c);
		assert_last(l, 1, "audit.violation", "{");
		assert_int_not_equal(verdict(l).status, AUDIT_OK);
		chain_close(take_ptr(c));
		c = log_open(l, 0);
		assert_int_equal(chain_origin(c), CHAIN_CONTINUED);
	}
}

static void rolled_back_state(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = NULL;
	_cleanup_(bytes_done) struct bytes old = {0}, segment = {0};
	size_t good;

	/* Damage in the second of three batches, and a state file that knows only the first. */
	log_make(l, 0, 1, 2);
	old = file_get(l, "state");
	segment = file_get(l, FIRST_SEGMENT);
	good = segment.length;
	bytes_done(&segment);
	log_make(l, 0, 2, 2);
	segment = file_get(l, FIRST_SEGMENT);
	file_poke(l, FIRST_SEGMENT, good + 60, (uint8_t)~segment.data[good + 60]);
	file_put(l, "state", old.data, old.length);
	c = log_open(l, 0);
	assert_int_equal(chain_origin(c), CHAIN_VIOLATED);
	assert_non_null(strstr(chain_origin_words(c), "followed by a later commit"));
}

static void one_state_slot(void **state)
{
	const struct log *l = *state;

	log_make(l, 0, 3, 2);
	for (unsigned int slot = 0; slot < STATE_SLOTS; slot++) {
		struct chain *c;

		file_poke(l, "state", slot * STATE_SLOT_SIZE + 40, 0xee);
		assert_int_equal(verdict(l).finding, AUDIT_FINDING_STATE);
		c = log_open(l, 0);
		commit(c);
		/* Without the newer slot the log has one batch more than the older one says. */
		assert_int_equal(chain_origin(c), CHAIN_RECOVERED);
		chain_close(c);
		assert_int_equal(verdict(l).status, AUDIT_OK);
		assert_last(l, 1, "audit.recovery", "{\"state_slot_damaged\":true,");
	}
}

/* Append and commit until killed; at most a few MiB, should nobody kill us. */
static void write_on(const struct log *l)
{
	const struct chain_options options = {.segment_bytes = 200000};
	const struct audit_record record = {.event = AUDIT_EVENT_LIST_BLOCKED};
	struct chain *c = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chain_open(l->path, &options, &c, NULL) < 0)
		_exit(1);
	for (unsigned int i = 1; i < 200; i++) {
		for (unsigned int n = 0; n < i % 50 + 1; n++)
			chain_append(c, &record);
		if (chain_commit(c, NULL) < 0)
			_exit(1);
	}
	pause();
}

static void killed(void **state)
{
	const struct log *l = *state;
	uint64_t records = 0;

	log_make(l, 0, 1, 1);
	for (unsigned int round = 0; round < 10; round++) {
		uint64_t until = clock_monotonic_ns() + (3 + 2 * round) * NSEC_PER_MSEC;
		pid_t child = fork();
		struct audit_verdict v;

		if (child == 0)
			write_on(l);
		assert_true(child > 0);
		do { /* verifying is possible all the time */
			v = verdict(l);
		} while (v.status == AUDIT_OK && clock_monotonic_ns() < until);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		if (v.status != AUDIT_OK)
			fail_msg("while writing: %s", v.words);
		v = verdict(l);
		if (v.status != AUDIT_OK)
			fail_msg("after the kill: %s", v.words);
		assert_true(v.records >= records);
		records = v.records;
	}
	assert_true(records > 100);
}

int main(void)
{
#define TEST(words, function)                                                                      \
	{                                                                                          \
		(words), (function), log_set_up, log_tear_down, NULL                               \
	}
	static const struct CMUnitTest tests[] = {
		TEST("a batch cut at any byte by a crash costs only itself", torn_batch),
		TEST("a whole batch that was not acknowledged is, by the next commit",
		     unacknowledged_batch),
		TEST("a batch that a power cut left holes in costs only itself", scrambled_batch),
		TEST("a crash in the very first batch costs only itself", torn_first_batch),
		TEST("a crash while a file is created costs only itself", crash_in_rotation),
		TEST("missing acknowledged records are a violation for ever",
		     acknowledged_records_cut),
		TEST("damage that no crash can do begins a new incarnation", violations),
		TEST("a damaged batch with later commits is a violation in any case",
		     rolled_back_state),
		TEST("one damaged slot of the state file is recovered from, not ignored",
		     one_state_slot),
		TEST("kill -9 at full load never breaks the chain, nor does verifying meanwhile",
		     killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
