/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A writer and a sealer are watched, call by call (tests/lib/crash.h), and then die after every one of these calls: killed, and by
 * power cuts that leave any part of what was not synced. What was promised by then is there, what was signed too,
 * the log verifies, goes on being signed, and looking a second time changes nothing.
 *
 * WEIR_TORTURE=full looks at many more power cuts.
 */
#include "test_audit.h"

#include "../lib/crash.h"
#include "audit/sealing.h"

#define PROMISES_MAX   64
#define WRITER_SEGMENT 9000

/* What a commit returned with. */
struct promise {
	uint64_t length;
	uint64_t signed_size; /* by the last checkpoint */
	uint8_t hash[AUDIT_HASH_SIZE];
};

struct plan {
	const struct log *log;
	struct promise *promises; /* shared with the process that is watched */
	int (*steps)(struct plan *p, volatile uint64_t *acked);
	bool sealed;
	uint64_t signed_size;
};

static void put(struct chain *c, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct audit_record r = {.event = AUDIT_EVENT_LIST_BLOCKED};

		chain_append(c, &r);
	}
}

static int promise(struct plan *p, struct chain *c, volatile uint64_t *acked)
{
	struct promise *next = &p->promises[*acked];

	if (c && chain_commit(c, NULL) < 0)
		return -EIO;
	if (c) {
		next->length = chain_length(c);
		chain_last_hash(c, next->hash);
	} else {
		*next = next[-1];
	}
	next->signed_size = p->signed_size;
	(*acked)++;
	return 0;
}

static int open_log(const struct plan *p, struct chain **ret)
{
	const struct chain_options options = {.segment_bytes = WRITER_SEGMENT};

	return chain_open(p->log->path, &options, ret, NULL);
}

static int write_batches(struct plan *p, volatile uint64_t *acked)
{
	struct chain *c = NULL;
	int r = open_log(p, &c);

	for (unsigned int i = 0; r == 0 && i < 6; i++) {
		put(c, 1 + i % 3);
		r = promise(p, c, acked);
	}
	chain_close(c);
	return r;
}

/* Bytes that an earlier crash left behind the log. */
static int leave(const struct plan *p, const char *name, int flags, size_t length)
{
	static const uint8_t torn[3000] = {200, 1, 0, 0, 1, 2, 3, 4, 1};
	_cleanup_close_ int fd = -1;
	char path[160];
	struct stat st;

	file_path(p->log, name, path);
	fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (pwrite(fd, torn, length, st.st_size) != (ssize_t)length)
		return -EIO;
	return fsync(fd) < 0 ? -errno : 0;
}

/* A torn batch, then a torn segment: each is recovered from, and the log goes on. */
static int recover_twice(struct plan *p, volatile uint64_t *acked)
{
	struct chain *c = NULL;
	int r = write_batches(p, acked);
	char name[SEGMENT_NAME_SIZE];

	for (unsigned int i = 0; r == 0 && i < 2; i++) {
		uint64_t *list = NULL;
		size_t count = 0;
		int dir = open(p->log->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = directory_segments(dir, &list, &count);
		close(dir);
		if (r < 0)
			return r;
		segment_name(i ? p->promises[*acked - 1].length : list[count - 1], name);
		free(list);
		r = leave(p, name, i ? O_CREAT : 0, i ? 3000 : 300);
		r = r ?: open_log(p, &c);
		if (r < 0)
			return r;
		put(c, 2);
		r = promise(p, c, acked);
		chain_close(c);
		c = NULL;
	}
	return r;
}

struct seal {
	char keys[80];
	pthread_mutex_t lock;
	struct keyring keyring;
	struct sealing sealing;
};

static int seal_open(struct seal *s, const struct log *l, struct fault *reterr)
{
	struct tip tip;
	int r;

	*s = (struct seal){.lock = PTHREAD_MUTEX_INITIALIZER};
	snprintf(s->keys, sizeof(s->keys), "%s/keys", l->root);
	r = sealing_init(&s->sealing, l->path, &s->keyring, &s->lock, reterr);
	r = r ?: sealing_tip(&s->sealing, &tip, reterr);
	return r ?: keyring_open(s->keys, l->path, tip.chain_id, &s->keyring, reterr);
}

static void seal_close(struct seal *s)
{
	sealing_done(&s->sealing);
	keyring_done(&s->keyring);
}

static int seal_turn(struct seal *s, struct fault *reterr)
{
	struct tip tip;
	int r = sealing_tip(&s->sealing, &tip, reterr);

	return r ?: sealing_turn(&s->sealing, &tip, reterr);
}

/* A log that fills a tile, signed after each batch, by another key in the end. */
static int write_and_seal(struct plan *p, volatile uint64_t *acked)
{
	static const unsigned int batches[] = {2, 255, 3, 1};
	const struct chain_options options = {.segment_bytes = 200000};
	_cleanup_free_ char *note = NULL;
	struct chain *c = NULL;
	struct seal s;
	int r = chain_open(p->log->path, &options, &c, NULL);

	put(c, 1);
	r = r ?: promise(p, c, acked);
	r = r ?: seal_open(&s, p->log, NULL);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(batches); i++) {
		put(c, batches[i]);
		r = promise(p, c, acked);
		if (i == 2)
			r = r ?: keyring_prepare(&s.keyring, &note, NULL);
		if (i == 3)
			r = r ?: keyring_activate(&s.keyring, NULL);
		r = r ?: seal_turn(&s, NULL);
		p->signed_size = s.sealing.signed_last.size;
		r = r ?: promise(p, NULL, acked);
	}
	seal_close(&s);
	chain_close(c);
	return r;
}

static int work(volatile uint64_t *acked, void *userdata)
{
	struct plan *p = userdata;

	return p->steps(p, acked);
}

static void look_at_log(const struct crash *x, const struct log *l, const struct promise *promise)
{
	const struct chain_options options = {.segment_bytes = WRITER_SEGMENT};
	_cleanup_(reader_closep) struct reader *r = NULL;
	struct reader_record record;
	struct audit_verdict v;
	struct fault f = {0};
	struct chain *c = NULL;
	uint64_t length, before;

	if (chain_open(l->path, &options, &c, &f) < 0)
		crash_broken(x, "opening", f.text);
	if (chain_origin(c) == CHAIN_VIOLATED)
		crash_broken(x, "called a violation", chain_origin_words(c));
	if (chain_commit(c, &f) < 0)
		crash_broken(x, "commit", f.text);
	length = chain_length(c);
	chain_close(c);
	if (promise && length < promise->length)
		crash_broken(x, "promised records", "are gone");
	v = verdict(l);
	if (v.status != AUDIT_OK)
		crash_broken(x, audit_finding_to_str(v.finding), v.words);
	if (promise && promise->length) {
		assert_int_equal(reader_open(l->path, &r, NULL), 0);
		assert_int_equal(reader_seek(r, promise->length - 1, NULL), 0);
		assert_int_equal(reader_next(r, &record, NULL), 1);
		if (memcmp(record.hash, promise->hash, AUDIT_HASH_SIZE) != 0)
			crash_broken(x, "promised records", "are others");
	}
	before = crash_checksum(l->root);
	c = NULL;
	assert_int_equal(chain_open(l->path, &options, &c, NULL), 0);
	if (chain_origin(c) == CHAIN_VIOLATED || chain_origin(c) == CHAIN_RECOVERED)
		crash_broken(x, "recovered a second time", chain_origin_words(c));
	commit(c);
	assert_int_equal(chain_length(c), length);
	chain_close(c);
	if (crash_checksum(l->root) != before)
		crash_broken(x, "a second recovery", "changed files");
}

static void look_at_tree(const struct crash *x, const struct log *l, const struct promise *promise)
{
	struct fault f = {0};
	struct tip tip;
	struct seal s;

	if (seal_open(&s, l, &f) < 0)
		crash_broken(x, "keys", f.text);
	assert_int_equal(sealing_tip(&s.sealing, &tip, NULL), 0);
	if (tip.next_index && seal_turn(&s, &f) < 0)
		crash_broken(x, "sealing", f.text);
	if (promise && s.sealing.signed_last.size < promise->signed_size)
		crash_broken(x, "what was signed", "is signed no more");
	seal_close(&s);
}

static void look(const struct crash *x, uint64_t acked, void *userdata)
{
	const struct plan *p = userdata;
	const struct promise *promise = acked ? &p->promises[acked - 1] : NULL;
	_cleanup_free_ char *note = NULL;

	look_at_log(x, p->log, promise);
	if (!p->sealed)
		return;
	if (promise && promise->signed_size) {
		struct checkpoint c;
		struct note parsed;
		size_t length;

		if (sealing_read_note(p->log->path, &note, &length, NULL) < 0 ||
		    note_parse(note, length, &parsed, NULL) < 0 ||
		    checkpoint_parse(&parsed, &c, NULL) < 0 || c.size < promise->signed_size)
			crash_broken(x, "the checkpoint", "is an older one, or none");
	}
	look_at_tree(x, p->log, promise);
}

static void run(const struct log *l, int (*steps)(struct plan *p, volatile uint64_t *acked),
		bool sealed)
{
	struct plan p = {.log = l, .steps = steps, .sealed = sealed};
	const struct crash_plan plan = {
		.root = l->root,
		.work = work,
		.look = look,
		.userdata = &p,
		.all = !crash_full() ? 4
		       : sealed	     ? 5
				     : 7, /* a log that fills a tile takes its time */
		.some = !crash_full() ? 12
			: sealed      ? 30
				      : 120,
	};

	p.promises = crash_shared(PROMISES_MAX * sizeof(*p.promises));
	crash_run(&plan);
}

static void a_writer(void **state)
{
	run(*state, write_batches, false);
}

static void a_recovery(void **state)
{
	run(*state, recover_twice, false);
}

static void a_sealer(void **state)
{
	run(*state, write_and_seal, true);
}

int main(void)
{
#define TEST(words, function)                                                                      \
	{                                                                                          \
		(words), (function), log_set_up, log_tear_down, NULL                               \
	}
	static const struct CMUnitTest tests[] = {
		TEST("a writer that dies after any call, or loses power, keeps what it promised",
		     a_writer),
		TEST("so does one that dies while it recovers", a_recovery),
		TEST("a sealer that dies after any call never contradicts itself, nor forgets what "
		     "it signed",
		     a_sealer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
