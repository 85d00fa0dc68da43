/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/stretch.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "audit/event.h"
#include "audit/evidence.h"
#include "base/clock.h"

#define THREADS_MAX 64
#define AHEAD	    2 /* stretches per thread that may wait to be joined */

struct worker {
	struct crew *crew;
	pthread_t thread;
	struct hasher hasher;
	struct scan scan;
	struct tile tile; /* of leaves, being filled */
};

struct crew {
	struct stretch_job *job;
	unsigned int count;
	struct worker workers[THREADS_MAX];
	unsigned int running; /* threads; none: work is done by who waits for it */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop, no_memory;
	size_t next;   /* to be begun */
	size_t joined; /* given out */
	struct stretch *done[AHEAD * THREADS_MAX];
};

void stretch_free(struct stretch *s)
{
	if (!s)
		return;
	scan_done(&s->scan);
	text_done(&s->archived);
	text_done(&s->rotated);
	free(s->tree.hashes);
	free(s);
}

static int keep_hash(struct stretch_tree *t, const uint8_t hash[static AUDIT_HASH_SIZE])
{
	if (t->count == t->size) {
		size_t size = t->size ? 2 * t->size : 256;
		void *larger = reallocarray(t->hashes, size, sizeof(*t->hashes));

		if (!larger)
			return -ENOMEM;
		t->hashes = larger;
		t->size = size;
	}
	memcpy(t->hashes[t->count++], hash, AUDIT_HASH_SIZE);
	return 0;
}

/* The root of the tree is needed within this tile: who joins takes its leaves one by one. */
static bool keep_tile(struct stretch_tree *t, const struct stretch_job *job, uint64_t number,
		      const struct tile *tile)
{
	for (size_t i = 0; i < job->point_count; i++) {
		if (!(job->points[i] % TILE_WIDTH) || job->points[i] / TILE_WIDTH != number)
			continue;
		t->kept[t->kept_count++] = (struct stretch_kept){number, *tile};
		return true;
	}
	return false;
}

/* The worker's tile is full, and all its leaves are of this stretch. */
static int take_tile(struct worker *w, struct stretch_tree *t, uint64_t number)
{
	const struct stretch_job *job = w->crew->job;
	uint8_t hash[AUDIT_HASH_SIZE];

	if (!t->count)
		t->first = number;
	if (!keep_tile(t, job, number, &w->tile))
		coverage_compare(&t->tiles, job->tree_dir, 0, number, &w->tile);
	tile_hash(&w->hasher, &w->tile, hash);
	return keep_hash(t, hash);
}

static int take_leaf(struct worker *w, struct stretch_tree *t, uint64_t first, uint64_t leaf,
		     const uint8_t hash[static AUDIT_HASH_SIZE])
{
	uint64_t from = leaf - leaf % TILE_WIDTH;

	if (from < first) {
		memcpy(t->head.hashes[t->head_count++], hash, AUDIT_HASH_SIZE);
		return 0;
	}
	memcpy(w->tile.hashes[leaf % TILE_WIDTH], hash, AUDIT_HASH_SIZE);
	t->tail_count = (leaf + 1) % TILE_WIDTH;
	return t->tail_count ? 0 : take_tile(w, t, leaf / TILE_WIDTH);
}

static bool is_event(const struct record_slice *type, enum audit_event event)
{
	return audit_event_is(event, type->data, type->length);
}

/* What an anchor's record says it handed out. */
static void take_anchor(struct stretch *s, uint64_t index, uint64_t real_ns,
			const struct record_slice *details)
{
	static const char key[] = "\"size\":";
	const char *at = memmem(details->data, details->length, key, strlen(key));
	uint64_t size = 0;

	if (!at)
		return;
	for (at += strlen(key); *at >= '0' && *at <= '9' && size <= AUDIT_INDEX_MAX; at++)
		size = 10 * size + (uint64_t)(*at - '0');
	s->anchor.there = true;
	s->anchor.index = index;
	s->anchor.size = size;
	s->anchor.real_ns = real_ns;
}

/* If the record that was accounted for last is about events, those. */
static int check_evidence(struct worker *w, struct stretch *s, uint64_t index,
			  const struct record_slice *details)
{
	int r;

	if (s->account.event != AUDIT_EVENT_TRAFFIC_EVIDENCE)
		return 0;
	r = evidence_check(w->crew->job->dir, &w->hasher, index, details, &s->unaccounted);
	s->evidence += r == 1;
	s->evidence_gone += r == 0;
	return r == -EBADMSG ? 0 : r;
}

/* Changed records do not add up, either; so that is told only if nothing else is wrong. */
static int take_batch(struct worker *w, struct stretch *s)
{
	const struct scan *scan = &w->scan;
	uint64_t first = scan->before.next_index, base = w->crew->job->base;
	struct audit_problem *p = &s->unaccounted;
	int r = 0;

	p->segment = scan->header.first_index;
	for (size_t i = 0; r == 0 && i < scan->count; i++) {
		const struct scan_record *record = &scan->records[i];
		const char *data = (const char *)scan->batch + record->at;
		struct record_slice type = {data + record->type_at, record->type_length};
		struct record_slice details = {data + record->details_at, record->details_length};

		if (record->stub && !s->stubs_seen)
			s->stubs.first = first + i;
		s->stubs_seen |= record->stub;
		if (record->stub && p->finding == AUDIT_FINDING_NONE)
			account_stub(&s->account);
		else if (p->finding == AUDIT_FINDING_NONE) {
			account_record(&s->account, first + i, &type, &details, p);
			r = check_evidence(w, s, first + i, &details);
			if (r < 0)
				return r;
		}
		if (!record->stub && is_event(&type, AUDIT_EVENT_AUDIT_ANCHORED))
			take_anchor(s, first + i, scan->last_commit_ns, &details);
		if (!record->stub && stub_is_explained_by(&type)) {
			text_put(&s->archived, data, record->length);
			text_put(&s->archived, "", 1);
		}
		if (!record->stub && is_event(&type, AUDIT_EVENT_AUDIT_KEY_ROTATED)) {
			text_put(&s->rotated, data, record->length);
			text_put(&s->rotated, "", 1);
		}
		r = take_leaf(w, &s->tree, scan->header.first_index - base, first + i - base,
			      record->hash);
	}
	if (p->finding == AUDIT_FINDING_NONE)
		account_commit(&s->account, first, scan->last_commit_ns, scan->last_commit_boot_ns,
			       p);
	return r;
}

/* How far the segment is to be read: as far as it counts, or as long as it is now. */
static int limit(struct worker *w, size_t at)
{
	const struct stretch_job *job = w->crew->job;
	struct stat st;

	if (at + 1 < job->count)
		return scan_limit(&w->scan, job->dir, job->segments[at + 1]);
	if (!job->last_is_open)
		return scan_limit(&w->scan, job->dir, job->after);
	if (fstat(w->scan.fd, &st) < 0)
		return -errno;
	w->scan.file_limit = (uint64_t)st.st_size;
	return 0;
}

/* What explains stubs names the hash that the file has with them. */
static int hash_file_of(struct worker *w, struct stretch *s)
{
	struct stat st;

	s->stubs.segment = w->scan.header.first_index;
	if (fstat(w->scan.fd, &st) < 0)
		return -errno;
	return file_hash(w->scan.fd, 0, (uint64_t)st.st_size, &w->hasher, s->stubs.file_hash);
}

static int read_batches(struct worker *w, size_t at, struct stretch *s)
{
	struct stretch_job *job = w->crew->job;
	struct scan *scan = &w->scan;
	uint64_t offset = 0;
	int r = limit(w, at);

	if (r < 0)
		return r;
	while ((r = scan_batch(scan, &s->problem)) == 1) {
		s->records += scan->count;
		s->batches++;
		r = take_batch(w, s);
		if (r < 0)
			break;
		if (scan->tip.next_index == job->acknowledged.next_index) {
			s->passed = true;
			s->met = tip_equal(&scan->tip, &job->acknowledged);
		}
		atomic_fetch_add_explicit(&job->bytes, scan->offset - offset, memory_order_relaxed);
		offset = scan->offset;
		if (__atomic_load_n(&w->crew->stop, __ATOMIC_RELAXED))
			break;
	}
	if (r >= 0 && scan->stubs)
		r = hash_file_of(w, s);
	memcpy(&s->tree.tail, &w->tile, s->tree.tail_count * AUDIT_HASH_SIZE);
	return r < 0 ? r : 0;
}

static struct stretch *read_stretch(struct worker *w, size_t at)
{
	const struct stretch_job *job = w->crew->job;
	struct stretch *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->scan.fd = -1;
	account_init(&s->account);
	text_init_growing(&s->archived);
	text_init_growing(&s->rotated);
	s->entered = scan_open(&w->scan, job->dir, job->segments[at]);
	if (s->entered < 0)
		return s;
	scan_trust_header(&w->scan);
	s->result = read_batches(w, at, s);
	s->scan = w->scan;
	s->scan.buffer = NULL;
	s->scan.records = NULL;
	s->scan.batch = NULL;
	w->scan.fd = -1;
	return s;
}

/* A file descriptor and some memory are held for each stretch that waits. */
static bool may_begin(const struct crew *c)
{
	return c->next < c->job->count && c->next < c->joined + AHEAD * c->count;
}

static void *work(void *userdata)
{
	struct worker *w = userdata;
	struct crew *c = w->crew;

	pthread_mutex_lock(&c->lock);
	while (!c->stop && !c->no_memory && c->next < c->job->count) {
		struct stretch *s;
		size_t at;

		if (!may_begin(c)) {
			pthread_cond_wait(&c->changed, &c->lock);
			continue;
		}
		at = c->next++;
		pthread_mutex_unlock(&c->lock);
		s = read_stretch(w, at);
		pthread_mutex_lock(&c->lock);
		c->no_memory |= !s;
		c->done[at % ARRAY_SIZE(c->done)] = s;
		pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static int start_workers(struct crew *c)
{
	for (unsigned int i = 0; i < c->count; i++) {
		struct worker *w = &c->workers[i];

		w->crew = c;
		w->scan.fd = -1;
		if (hasher_init(&w->hasher) < 0 || scan_init(&w->scan, &w->hasher, false) < 0)
			return -ENOMEM;
	}
	for (; c->count > 1 && c->running < c->count; c->running++) {
		int r = -pthread_create(&c->workers[c->running].thread, NULL, work,
					&c->workers[c->running]);

		if (r < 0 && !c->running)
			return r;
		if (r < 0)
			break;
	}
	return 0;
}

int crew_start(struct stretch_job *job, unsigned int threads, struct crew **ret)
{
	_cleanup_(crew_stopp) struct crew *c = NULL;
	pthread_condattr_t attributes;
	int r;

	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->job = job;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	c->count = threads < job->count ? threads : (unsigned int)job->count;
	if (!c->count)
		c->count = 1;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	r = start_workers(c);
	if (r == 0)
		*ret = take_ptr(c);
	return r;
}

/* Wait for a change, at most a fifth of a second. */
static void wait_for_change(struct crew *c)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 200 * (long)NSEC_PER_MSEC;
	if (until.tv_nsec >= (long)NSEC_PER_SEC) {
		until.tv_nsec -= (long)NSEC_PER_SEC;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&c->changed, &c->lock, &until);
}

int crew_next(struct crew *c, void (*tick)(void *userdata), void *userdata, struct stretch **ret)
{
	struct stretch **slot = &c->done[c->joined % ARRAY_SIZE(c->done)];
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (!c->running && !*slot) {
		*slot = read_stretch(&c->workers[0], c->next++);
		c->no_memory |= !*slot;
	}
	while (!*slot && !c->no_memory) {
		wait_for_change(c);
		if (!tick)
			continue;
		pthread_mutex_unlock(&c->lock);
		tick(userdata);
		pthread_mutex_lock(&c->lock);
	}
	if (*slot) {
		*ret = take_ptr(*slot);
		c->joined++;
		pthread_cond_broadcast(&c->changed);
	} else {
		r = -ENOMEM;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

void crew_stop(struct crew *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	for (unsigned int i = 0; i < c->running; i++)
		pthread_join(c->workers[i].thread, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(c->done); i++)
		stretch_free(c->done[i]);
	for (unsigned int i = 0; i < c->count; i++) {
		scan_done(&c->workers[i].scan);
		hasher_done(&c->workers[i].hasher);
	}
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
