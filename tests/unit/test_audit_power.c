/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A writer and a sealer are watched, call by call (tests/lib/disk.h), and then die after every one of these calls: killed, and by
 * power cuts that leave any part of what was not synced. What was promised by then is there, what was signed too,
 * the log verifies, goes on being signed, and looking a second time changes nothing.
 *
 * WEIR_TORTURE=full looks at many more power cuts.
 */
#include "test_audit.h"

#include <sys/mman.h>

#include "../lib/disk.h"
#include "audit/sealing.h"

#define PROMISES_MAX   64
#define UNSYNCED_MAX   512
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
	uint64_t signed_size;
};

static unsigned int seed = 1;

static unsigned int number(void)
{
	seed = seed * 1103515245 + 12345;
	return seed >> 16;
}

static bool full(void)
{
	const char *torture = getenv("WEIR_TORTURE");

	return torture && strcmp(torture, "full") == 0;
}

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

/* One crash: the words for it, if it finds anything. */
struct crash {
	const struct disk_trace *trace;
	size_t end;
	const bool *lost;
};

static void broken(const struct crash *c, const char *what, const char *words)
{
	const struct disk_op *op = &c->trace->ops[c->end - 1];

	fprintf(stderr, "after call %u (%d %s %s), without:\n", op->number, (int)op->call, op->path,
		op->to);
	for (size_t i = 0; c->lost && i < c->end; i++)
		if (c->lost[i])
			fprintf(stderr, "  call %u (%d %s %s) %llu+%zu\n", c->trace->ops[i].number,
				(int)c->trace->ops[i].call, c->trace->ops[i].path,
				c->trace->ops[i].to, (unsigned long long)c->trace->ops[i].offset,
				c->trace->ops[i].length);
	fail_msg("%s: %s", what, words);
}

static uint64_t sum; /* of the bytes of all files */

static int add_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	uint8_t data[4096];
	FILE *f = type == FTW_F ? fopen(path, "re") : NULL;

	(void)st;
	(void)ftw;
	for (const char *c = path; *c; c++)
		sum = sum * 31 + (uint8_t)*c;
	for (size_t n; f && (n = fread(data, 1, sizeof(data), f)) > 0;)
		sum += (uint64_t)crc32c(0, data, n) << 20;
	if (f)
		fclose(f);
	return 0;
}

static uint64_t checksum(const struct log *l)
{
	sum = 0;
	nftw(l->root, add_file, 8, FTW_PHYS);
	return sum;
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
		broken(x, "opening", f.text);
	if (chain_origin(c) == CHAIN_VIOLATED)
		broken(x, "called a violation", chain_origin_words(c));
	if (chain_commit(c, &f) < 0)
		broken(x, "commit", f.text);
	length = chain_length(c);
	chain_close(c);
	if (promise && length < promise->length)
		broken(x, "promised records", "are gone");
	v = verdict(l);
	if (v.status != AUDIT_OK)
		broken(x, audit_finding_to_str(v.finding), v.words);
	if (promise && promise->length) {
		assert_int_equal(reader_open(l->path, &r, NULL), 0);
		assert_int_equal(reader_seek(r, promise->length - 1, NULL), 0);
		assert_int_equal(reader_next(r, &record, NULL), 1);
		if (memcmp(record.hash, promise->hash, AUDIT_HASH_SIZE) != 0)
			broken(x, "promised records", "are others");
	}
	before = checksum(l);
	c = NULL;
	assert_int_equal(chain_open(l->path, &options, &c, NULL), 0);
	if (chain_origin(c) == CHAIN_VIOLATED || chain_origin(c) == CHAIN_RECOVERED)
		broken(x, "recovered a second time", chain_origin_words(c));
	commit(c);
	assert_int_equal(chain_length(c), length);
	chain_close(c);
	if (checksum(l) != before)
		broken(x, "a second recovery", "changed files");
}

static void look_at_tree(const struct crash *x, const struct log *l, const struct promise *promise)
{
	struct fault f = {0};
	struct tip tip;
	struct seal s;

	if (seal_open(&s, l, &f) < 0)
		broken(x, "keys", f.text);
	assert_int_equal(sealing_tip(&s.sealing, &tip, NULL), 0);
	if (tip.next_index && seal_turn(&s, &f) < 0)
		broken(x, "sealing", f.text);
	if (promise && s.sealing.signed_last.size < promise->signed_size)
		broken(x, "what was signed", "is signed no more");
	seal_close(&s);
}

static void crash(const struct crash *x, const struct plan *p, bool sealed)
{
	uint64_t acked = x->trace->ops[x->end - 1].acked;
	const struct promise *promise = acked ? &p->promises[acked - 1] : NULL;
	_cleanup_free_ char *note = NULL;
	int r;

	nftw(p->log->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(p->log->root, 0700), 0);
	r = disk_replay(x->trace, x->end, x->lost, p->log->root);
	if (r < 0)
		broken(x, "replay", strerror(-r));
	look_at_log(x, p->log, promise);
	if (!sealed)
		return;
	if (promise && promise->signed_size) {
		struct checkpoint c;
		struct note parsed;
		size_t length;

		if (sealing_read_note(p->log->path, &note, &length, NULL) < 0 ||
		    note_parse(note, length, &parsed, NULL) < 0 ||
		    checkpoint_parse(&parsed, &c, NULL) < 0 || c.size < promise->signed_size)
			broken(x, "the checkpoint", "is an older one, or none");
	}
	look_at_tree(x, p->log, promise);
}

static bool is_name(const struct disk_op *op)
{
	return op->call != DISK_WRITE && op->call != DISK_RESIZE && op->call != DISK_MODE;
}

/* Filesystems keep changes of names in their order: after the first that is lost all are that were not synced. */
static void keep_order(const struct disk_trace *t, const size_t *unsynced, size_t count, bool *lost)
{
	bool gone = false;

	for (size_t n = 0; n < count; n++) {
		if (!is_name(&t->ops[unsynced[n]]))
			continue;
		gone = gone || lost[unsynced[n]];
		lost[unsynced[n]] = gone;
	}
}

/* Power cuts after @end calls: every part of what was not synced, or if there are too many some of them. */
static unsigned int cut_power(const struct disk_trace *t, size_t end, const struct plan *p,
			      bool sealed)
{
	static bool lost[DISK_OPS_MAX];
	const struct crash x = {t, end, lost};
	size_t unsynced[UNSYNCED_MAX];
	size_t count = disk_unsynced(t, end, unsynced, UNSYNCED_MAX);
	size_t all = !full() ? 4 : sealed ? 5 : 7; /* a log that fills a tile takes its time */
	unsigned int some = !full() ? 12 : sealed ? 30 : 120;
	unsigned int cases = count <= all ? 1U << count : some;

	for (unsigned int i = 0; i < cases; i++) {
		/* Now most of it is lost, now little. */
		unsigned int odds = 1 + number() % 9;

		memset(lost, 0, sizeof(lost));
		for (size_t n = 0; n < count; n++)
			lost[unsynced[n]] = count <= all ? i >> n & 1
					    : i == 0	 ? true
							 : number() % 10 < odds;
		keep_order(t, unsynced, count, lost);
		crash(&x, p, sealed);
	}
	return cases;
}

static void run(const struct log *l, int (*steps)(struct plan *p, volatile uint64_t *acked),
		bool sealed)
{
	static struct disk_trace trace;
	struct plan p = {.log = l, .steps = steps};
	unsigned int kills = 0, cuts = 0;
	int r;

	p.promises = mmap(NULL, PROMISES_MAX * sizeof(*p.promises), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(p.promises != MAP_FAILED);
	r = disk_watch(l->root, work, &p, &trace);
	if (r == -EPERM || r == -ENOSYS) {
		print_message("# no process can be watched here (ptrace)\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_true(trace.acked && trace.count > 20);
	for (size_t end = 1; end <= trace.count; end++) {
		const struct crash x = {&trace, end, NULL};

		if (end < trace.count && trace.ops[end].number == trace.ops[end - 1].number)
			continue;
		crash(&x, &p, sealed);
		kills++;
		cuts += cut_power(&trace, end, &p, sealed);
	}
	print_message("# %u calls, %u kills, %u power cuts, %llu promises\n", trace.calls, kills,
		      cuts, (unsigned long long)trace.acked);
	disk_done(&trace);
	munmap(p.promises, PROMISES_MAX * sizeof(*p.promises));
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
