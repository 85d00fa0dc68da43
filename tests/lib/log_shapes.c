/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "log_shapes.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/evidence.h"
#include "audit/rewrite.h"
#include "audit/sealing.h"
#include "base/cleanup.h"

#define SEGMENT_BYTES 7000

struct maker {
	const char *path, *keys;
	uint64_t segment_bytes;
	const char *missing;	 /* as chain_options has it: a new incarnation begins */
	uint64_t packets, beats; /* so far, of the log that is being made */
};

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "log_shapes: %s: %s\n", what, strerror(errno));
	_exit(2);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void begin(struct maker *m, uint64_t segment_bytes)
{
	nftw(m->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	nftw(m->keys, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	m->segment_bytes = segment_bytes;
	m->packets = m->beats = 0;
}

static struct chain *open_chain(const struct maker *m)
{
	const struct chain_options options = {.segment_bytes = m->segment_bytes,
					      .missing = m->missing};
	struct chain *c = NULL;

	need(chain_open(m->path, &options, &c, NULL) == 0, m->path);
	return c;
}

static void append(struct chain *c, enum audit_event event, const struct audit_details *details)
{
	const struct audit_record record = {
		.event = event,
		.resource = {"source", "198.51.100.7"},
		.details = details,
	};

	need(chain_append(c, &record) == 0, "append");
}

static void window(struct maker *m, struct chain *c)
{
	struct audit_details d = {0};

	audit_details_u64(&d, "packets", 3 + m->packets % 5);
	audit_details_string(&d, "reason", "over_packets");
	append(c, AUDIT_EVENT_RATELIMIT_DROPPED, &d);
	m->packets += 3 + m->packets % 5;
}

static void heartbeat(struct maker *m, struct chain *c)
{
	struct audit_details d = {0};
	char reasons[40];

	snprintf(reasons, sizeof(reasons), "over_packets=%llu", (unsigned long long)m->packets);
	audit_details_u64(&d, "beat", m->beats);
	audit_details_u64(&d, "dropped", m->packets);
	audit_details_u64(&d, "epoch", 7);
	audit_details_u64(&d, "monotonic_ns", (100 + 10 * m->beats++) * NSEC_PER_SEC);
	audit_details_u64(&d, "recorded", m->packets);
	audit_details_string(&d, "recorded_by_reason", m->packets ? reasons : "");
	audit_details_u64(&d, "run", 1);
	audit_details_u64(&d, "settled", m->packets);
	audit_details_u64(&d, "unseen", 0);
	append(c, AUDIT_EVENT_AUDIT_HEARTBEAT, &d);
}

static void evidence(struct maker *m, struct chain *c, uint8_t seed)
{
	uint8_t event[EVIDENCE_EVENT_SIZE];
	struct evidence e;

	need(evidence_open(&e, m->path) == 0, "evidence");
	for (uint8_t i = 0; i < 5; i++) {
		memset(event, seed + i, sizeof(event));
		evidence_add(&e, event, 1);
	}
	evidence_close(&e, c);
	evidence_done(&e);
}

/* Batches of @records windows, with a heartbeat in every other and the events of one in every third. */
static void batches(struct maker *m, unsigned int count, unsigned int records)
{
	_cleanup_(chain_closep) struct chain *c = open_chain(m);

	for (unsigned int i = 0; i < count; i++) {
		for (unsigned int n = 0; n < records; n++)
			window(m, c);
		if (i % 2 == 0)
			heartbeat(m, c);
		if (i % 3 == 1)
			evidence(m, c, (uint8_t)(10 * i + m->beats));
		need(chain_commit(c, NULL) == 0, "commit");
	}
}

static void plain(struct maker *m, unsigned int count, unsigned int records)
{
	_cleanup_(chain_closep) struct chain *c = open_chain(m);

	for (unsigned int i = 0; i < count; i++) {
		for (unsigned int n = 0; n < records; n++)
			append(c, AUDIT_EVENT_LIST_ADD, NULL);
		need(chain_commit(c, NULL) == 0, "commit");
	}
}

/* Sign what is there, after a rotation if @rotate. Returns the checkpoint. */
static char *sign(const struct maker *m, bool rotate, char ret_key[static NOTE_VERIFIER_SIZE])
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	_cleanup_free_ char *rotation = NULL;
	_cleanup_free_ struct sealing *s = calloc(1, sizeof(*s));
	struct fault f = {0};
	char *note;
	struct keyring keys;
	struct tip tip;
	size_t length;

	need(s && sealing_init(s, m->path, &keys, &lock, &f) == 0, f.text);
	need(sealing_tip(s, &tip, &f) == 0, f.text);
	need(keyring_open(m->keys, m->path, tip.chain_id, &keys, &f) == 0, f.text);
	if (rotate)
		need(keyring_prepare(&keys, &rotation, &f) == 0 && keyring_activate(&keys, &f) == 0,
		     f.text);
	need(sealing_turn(s, &tip, &f) == 0, f.text);
	note_verifier_format(&keys.current.verifier, ret_key);
	sealing_done(s);
	keyring_done(&keys);
	need(sealing_read_note(m->path, &note, &length, &f) == 0, f.text);
	return note;
}

static bool each_other(const char *data, const struct record_view *view, void *userdata)
{
	(void)data;
	(void)userdata;
	return view->index % 2 == 1 || view->index == 2;
}

/* So most batches expire whole, next to each other or not, and some but for a record. */
static bool most(const char *data, const struct record_view *view, void *userdata)
{
	(void)data;
	(void)userdata;
	return view->index % 11 != 9;
}

/* Records of the first two segments expire, and records of the type @why say so. */
static void expire(struct maker *m, enum audit_event why,
		   bool (*expired)(const char *data, const struct record_view *view,
				   void *userdata))
{
	_cleanup_close_ int dir = open(m->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ uint64_t *list = NULL;
	size_t count;

	need(dir >= 0 && rewrite_candidates(dir, &list, &count, NULL) == 0 && count >= 2,
	     "segments to expire from");
	for (size_t i = 0; i < 2; i++) {
		_cleanup_(chain_closep) struct chain *c = open_chain(m);
		struct audit_details d = {0};
		char hash[AUDIT_HASH_TEXT];
		struct rewrite w;

		need(rewrite_stage(dir, list[i], expired, NULL, NULL, &w, NULL) == 1, "expire");
		hex_format(w.hash_after, AUDIT_HASH_SIZE, hash);
		audit_details_u64(&d, "segment", w.segment);
		audit_details_string(&d, "sha256_after", hash);
		append(c, why, &d);
		need(chain_commit(c, NULL) == 0, "commit");
		need(rewrite_commit(dir, &w, NULL) == 0, "replace");
	}
}

static void make_plain(struct maker *m, struct log_shape *ret)
{
	plain(m, 3, 2);
	log_files_read(&ret->older, m->path);
	plain(m, 1, 1);
}

/* A batch that a crash cut, and that was set aside. */
static void make_set_aside(struct maker *m, struct log_shape *ret)
{
	struct log_files files = {0};

	(void)ret;
	plain(m, 3, 2);
	log_files_read(&files, m->path);
	for (size_t i = files.count; i-- > 0;)
		if (log_file_is_segment(&files.list[i])) {
			log_file_splice(&files.list[i], files.list[i].length, 0,
					(const uint8_t *)"\1\2\3\4\5\6\7\10\11", 10);
			break;
		}
	log_files_write(&files, NULL, m->path);
	log_files_done(&files);
	plain(m, 1, 1);
}

static void make_one_batch(struct maker *m, struct log_shape *ret)
{
	(void)ret;
	plain(m, 1, 5);
}

static void make_heartbeats(struct maker *m, struct log_shape *ret)
{
	batches(m, 4, 2);
	log_files_read(&ret->older, m->path);
	batches(m, 4, 3);
}

static void make_signed(struct maker *m, struct log_shape *ret)
{
	batches(m, 3, 2);
	ret->early = sign(m, false, ret->key);
	log_files_read(&ret->older, m->path);
	batches(m, 3, 3);
	ret->late = sign(m, true, ret->key);
	batches(m, 2, 1);
}

static void make_tiles(struct maker *m, struct log_shape *ret)
{
	plain(m, 3, 100);
	ret->early = sign(m, false, ret->key);
	log_files_read(&ret->older, m->path);
	plain(m, 5, 56);
	ret->late = sign(m, false, ret->key);
	plain(m, 1, 7);
}

static void make_expired(struct maker *m, struct log_shape *ret)
{
	batches(m, 4, 2);
	ret->early = sign(m, false, ret->key);
	log_files_read(&ret->unexpired, m->path);
	expire(m, AUDIT_EVENT_RETENTION_ARCHIVED, each_other);
	batches(m, 2, 2);
	ret->late = sign(m, false, ret->key);
}

/* As expired ones, of batches that are gone as a whole; what was gone when somebody was erased is, too. */
static void make_gone(struct maker *m, struct log_shape *ret)
{
	batches(m, 9, 2);
	ret->early = sign(m, false, ret->key);
	log_files_read(&ret->unexpired, m->path);
	expire(m, AUDIT_EVENT_RETENTION_ARCHIVED, each_other);
	expire(m, AUDIT_EVENT_REQUEST_REMOVED, most);
	batches(m, 2, 2);
	ret->late = sign(m, false, ret->key);
}

static void make_violated(struct maker *m, struct log_shape *ret)
{
	make_signed(m, ret);
	m->missing = "the test says so";
	plain(m, 2, 2);
	m->missing = NULL;
	plain(m, 1, 1);
}

static const struct {
	const char *name;
	uint64_t segment_bytes;
	void (*make)(struct maker *m, struct log_shape *ret);
} shapes[] = {
	{"plain", SEGMENT_BYTES, make_plain},
	{"another", SEGMENT_BYTES, make_plain},
	{"set-aside", SEGMENT_BYTES, make_set_aside},
	{"one-batch", SEGMENT_BYTES, make_one_batch},
	{"heartbeats", SEGMENT_BYTES, make_heartbeats},
	{"signed", SEGMENT_BYTES, make_signed},
	{"tiles", 60000, make_tiles},
	{"expired", SEGMENT_BYTES, make_expired},
	{"gone", 10000, make_gone},
	{"violated", SEGMENT_BYTES, make_violated},
};
static_assert(ARRAY_SIZE(shapes) == LOG_SHAPES, "as the header says");

void log_shapes_make(struct log_shape ret[static LOG_SHAPES], const char *path, const char *keys)
{
	struct maker m = {.path = path, .keys = keys};

	memset(ret, 0, LOG_SHAPES * sizeof(*ret));
	for (size_t i = 0; i < LOG_SHAPES; i++) {
		begin(&m, shapes[i].segment_bytes);
		ret[i].name = shapes[i].name;
		shapes[i].make(&m, &ret[i]);
		log_files_read(&ret[i].files, path);
	}
	begin(&m, 0);
}

void log_shapes_done(struct log_shape list[static LOG_SHAPES])
{
	for (size_t i = 0; i < LOG_SHAPES; i++) {
		log_files_done(&list[i].files);
		log_files_done(&list[i].older);
		log_files_done(&list[i].unexpired);
		free(list[i].early);
		free(list[i].late);
	}
}
