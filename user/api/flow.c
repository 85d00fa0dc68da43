/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void flow_init(struct flow *f, void (*wake)(void *userdata), void *userdata)
{
	pthread_condattr_t attributes;

	*f = (struct flow){.wake = wake, .userdata = userdata};
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&f->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

void flow_done(struct flow *f)
{
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f->ring);
}

int flow_open(struct flow *f)
{
	char *ring = malloc(FLOW_BYTES);

	if (!ring)
		return -ENOMEM;
	pthread_mutex_lock(&f->lock);
	f->ring = ring;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* What fits of @data; how much that was. */
static size_t fill(struct flow *f, const char *data, size_t length)
{
	size_t at = (f->first + f->length) % FLOW_BYTES;
	size_t n = least(length, FLOW_BYTES - f->length), before_end = least(n, FLOW_BYTES - at);

	memcpy(f->ring + at, data, before_end);
	memcpy(f->ring, data + before_end, n - before_end);
	f->length += n;
	return n;
}

/* With the lock. */
static void tell(struct flow *f)
{
	if (f->waits)
		f->wake(f->userdata);
}

int flow_put(struct flow *f, const char *data, size_t length)
{
	int r;

	pthread_mutex_lock(&f->lock);
	for (size_t done = 0; !f->closed;) {
		done += fill(f, data + done, length - done);
		tell(f);
		if (done == length)
			break;
		pthread_cond_wait(&f->changed, &f->lock);
	}
	r = f->closed ? -ECANCELED : 0;
	pthread_mutex_unlock(&f->lock);
	return r;
}

int flow_sleep(struct flow *f, unsigned int msec)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += msec / 1000;
	until.tv_nsec += (long)(msec % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&f->lock);
	while (r == 0 && !f->closed)
		r = pthread_cond_timedwait(&f->changed, &f->lock, &until);
	r = f->closed ? -ECANCELED : 0;
	pthread_mutex_unlock(&f->lock);
	return r;
}

void flow_end(struct flow *f, bool broken)
{
	pthread_mutex_lock(&f->lock);
	f->ended = true;
	f->broken = broken;
	tell(f);
	pthread_mutex_unlock(&f->lock);
}

ssize_t flow_take(struct flow *f, char *buffer, size_t size)
{
	size_t n, before_end;
	ssize_t r;

	pthread_mutex_lock(&f->lock);
	n = least(size, f->length);
	before_end = least(n, FLOW_BYTES - f->first);
	if (n) {
		memcpy(buffer, f->ring + f->first, before_end);
		memcpy(buffer + before_end, f->ring, n - before_end);
		f->first = (f->first + n) % FLOW_BYTES;
		f->length -= n;
		pthread_cond_signal(&f->changed);
		r = (ssize_t)n;
	} else if (f->ended) {
		r = f->broken ? -EPIPE : -ENODATA;
	} else {
		f->waits = true;
		r = -EAGAIN;
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

bool flow_is_due(struct flow *f)
{
	bool due;

	pthread_mutex_lock(&f->lock);
	due = f->waits && (f->length || f->ended);
	f->waits &= !due;
	pthread_mutex_unlock(&f->lock);
	return due;
}

void flow_close(struct flow *f)
{
	pthread_mutex_lock(&f->lock);
	f->closed = true;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
}
