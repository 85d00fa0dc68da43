/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bytes on their way from a thread that makes them to the loop that sends them. There is room for FLOW_BYTES: a client
 * that takes them slowly holds up the thread, and nobody else.
 */
#ifndef API_FLOW_H
#define API_FLOW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FLOW_BYTES (256U << 10)

struct flow {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	char *ring; /* FLOW_BYTES; NULL: flow_open() was not called */
	size_t first, length;
	bool ended, broken; /* the thread put all of it, or what it could */
	bool closed;	    /* nobody takes any more */
	bool waits;	    /* the loop, for flow_is_due() */

	void (*wake)(
		void *userdata); /* there is something for the loop that waits; on the thread */
	void *userdata;
};

void flow_init(struct flow *f, void (*wake)(void *userdata), void *userdata);
void flow_done(struct flow *f);

/* Of the thread. */

/** Make room. -ENOMEM. */
int flow_open(struct flow *f);
/** Put all of @data, as room becomes free. -ECANCELED: it is closed. */
int flow_put(struct flow *f, const char *data, size_t length);
/** Wait for at most @msec. -ECANCELED: it is closed. */
int flow_sleep(struct flow *f, unsigned int msec);
/** That was all, or @broken: there should be more. */
void flow_end(struct flow *f, bool broken);

/* Of the loop. */

/** As http_response.stream: up to @size bytes; -EAGAIN: none yet; -ENODATA: that was all; -EPIPE: it is broken. */
ssize_t flow_take(struct flow *f, char *buffer, size_t size);
/** Once, if flow_take() had none and now has an answer. */
bool flow_is_due(struct flow *f);
/* The thread puts no more, and wakes up. */
void flow_close(struct flow *f);

#endif
