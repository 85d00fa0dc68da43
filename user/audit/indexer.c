/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/indexer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "audit/directory.h"
#include "audit/index.h"
#include "base/clock.h"

#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE	   (3 << 13) /* IOPRIO_CLASS_IDLE, for which libc has no header */

struct indexer {
	pthread_t thread;
	pthread_mutex_t lock; /* guards stop, again, stats */
	pthread_cond_t changed;
	bool stop, again;
	struct indexer_stats stats;

	/* The thread's own. */
	int dir;
	struct hasher hasher;
	uint64_t done; /* segments that begin before this record have their index */
};

static void note(struct indexer *i, uint64_t first, int error)
{
	pthread_mutex_lock(&i->lock);
	if (error < 0) {
		i->stats.failed++;
		snprintf(i->stats.trouble, sizeof(i->stats.trouble),
			 "the segment from record %llu on: %s", (unsigned long long)first,
			 strerror(-error));
	} else {
		i->stats.built++;
		i->stats.trouble[0] = '\0';
	}
	pthread_mutex_unlock(&i->lock);
}

/* Records were taken out of the segment meanwhile: nothing of them may be left in an index. */
static void drop_if_replaced(struct indexer *i, uint64_t first, int fd)
{
	char path[sizeof("index/") + SIDECAR_NAME_SIZE] = "index/";
	_cleanup_close_ int now = -1;
	struct stat was, is;

	if (directory_open_segment(i->dir, first, O_RDONLY, &now) == 0 && fstat(fd, &was) == 0 &&
	    fstat(now, &is) == 0 && was.st_ino == is.st_ino)
		return;
	sidecar_name(first, path + strlen("index/"));
	unlinkat(i->dir, path, 0);
}

static int build(struct indexer *i, uint64_t first, uint64_t successor)
{
	_cleanup_(records_done) struct records r = {.fd = -1, .sidecar.fd = -1};
	_cleanup_free_ uint8_t *data = NULL;
	size_t length;
	int error = records_open(i->dir, first, successor, false, &i->hasher, &r);

	if (error < 0 || !r.count)
		return error;
	error = index_make(&r, r.count, r.end, &i->stop, &data, &length);
	if (error == 0)
		error = index_write(i->dir, first, data, length);
	if (error == 0)
		drop_if_replaced(i, first, r.fd);
	if (error != -ECANCELED)
		note(i, first, error);
	return error;
}

/* Is there enough that its index does not cover? How many records are not covered at all? */
static int is_behind(struct indexer *i, uint64_t first, uint64_t successor, bool *ret,
		     uint64_t *ret_records)
{
	_cleanup_(records_done) struct records r = {.fd = -1, .sidecar.fd = -1};
	int error = records_open(i->dir, first, successor, true, &i->hasher, &r);
	uint64_t covered, behind;

	*ret_records = r.count - r.indexed;
	*ret = error == -ESTALE;
	if (error < 0)
		return error == -ESTALE ? 0 : error;
	covered = r.indexed ? r.sidecar.head.end : SEGMENT_HEADER_SIZE;
	behind = r.end - covered;
	*ret = successor != SEGMENT_NONE ? r.walked_count > 0
					 : behind > INDEXER_BEHIND_BYTES && behind > covered / 4;
	return 0;
}

/* Go through the segments that may lack an index. */
static void turn(struct indexer *i)
{
	_cleanup_free_ uint64_t *segments = NULL;
	uint64_t behind_records = 0;
	size_t count;

	pthread_mutex_lock(&i->lock);
	if (i->again)
		i->done = 0;
	i->again = false;
	pthread_mutex_unlock(&i->lock);
	if (directory_segments(i->dir, &segments, &count) < 0)
		return;
	index_tidy(i->dir, segments, count);
	for (size_t n = 0; n < count && !__atomic_load_n(&i->stop, __ATOMIC_RELAXED); n++) {
		uint64_t successor = n + 1 < count ? segments[n + 1] : SEGMENT_NONE, records;
		bool behind;
		int error;

		if (segments[n] < i->done)
			continue;
		error = is_behind(i, segments[n], successor, &behind, &records);
		if (error == 0 && behind) {
			error = build(i, segments[n], successor);
			records = error == 0 ? 0 : records;
		}
		behind_records += records;
		/* A damaged segment gets none, and is not tried again and again. */
		if (successor != SEGMENT_NONE &&
		    (error == 0 || error == -EBADMSG || error == -E2BIG))
			i->done = successor;
	}
	pthread_mutex_lock(&i->lock);
	i->stats.behind = behind_records;
	pthread_mutex_unlock(&i->lock);
}

static bool wait_for_turn(struct indexer *i)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += INDEXER_PERIOD_MSEC / 1000;
	pthread_mutex_lock(&i->lock);
	while (!i->stop && pthread_cond_timedwait(&i->changed, &i->lock, &until) != ETIMEDOUT)
		;
	stop = i->stop;
	pthread_mutex_unlock(&i->lock);
	return !stop;
}

static void *run(void *userdata)
{
	const struct sched_param idle = {0};
	struct indexer *i = userdata;

	pthread_setname_np(pthread_self(), "indexer");
	pthread_setschedparam(pthread_self(), SCHED_IDLE, &idle);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
	do
		turn(i);
	while (wait_for_turn(i));
	return NULL;
}

static void indexer_free(struct indexer *i)
{
	close_fdp(&i->dir);
	hasher_done(&i->hasher);
	pthread_cond_destroy(&i->changed);
	pthread_mutex_destroy(&i->lock);
	free(i);
}
DEFINE_CLEANUP(struct indexer *, indexer_free)

int indexer_start(const char *path, struct indexer **ret, struct fault *reterr)
{
	_cleanup_(indexer_freep) struct indexer *i = calloc(1, sizeof(*i));
	pthread_condattr_t attributes;
	int r;

	if (!i)
		return fault(reterr, -ENOMEM, "audit.indexer", "out of memory");
	i->dir = -1;
	pthread_mutex_init(&i->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&i->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	r = hasher_init(&i->hasher);
	if (r < 0)
		return fault(reterr, r, "audit.indexer", "out of memory");
	r = directory_open_readonly(path, &i->dir, reterr);
	if (r < 0)
		return r;
	r = -pthread_create(&i->thread, NULL, run, i);
	if (r < 0)
		return fault(reterr, r, "audit.indexer", "cannot start a thread: %s", strerror(-r));
	*ret = take_ptr(i);
	return 0;
}

void indexer_look_again(struct indexer *i)
{
	pthread_mutex_lock(&i->lock);
	i->again = true;
	pthread_mutex_unlock(&i->lock);
}

void indexer_stop(struct indexer *i)
{
	if (!i)
		return;
	pthread_mutex_lock(&i->lock);
	__atomic_store_n(&i->stop, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&i->changed);
	pthread_mutex_unlock(&i->lock);
	pthread_join(i->thread, NULL);
	indexer_free(i);
}

void indexer_get_stats(struct indexer *i, struct indexer_stats *ret)
{
	pthread_mutex_lock(&i->lock);
	*ret = i->stats;
	pthread_mutex_unlock(&i->lock);
}
