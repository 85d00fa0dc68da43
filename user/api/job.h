/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Work for a client that reads files, or much of the kernel, on a thread of its own: the loop goes on with other requests meanwhile. A few at a
 * time, the next ones wait in line, and who comes to a line that is full is told to come again. A client that goes away,
 * or a daemon that stops, cancels. The answer is sent when the job is done, or, of a job that streams, while it is made.
 *
 * A job that reads the audit log finds there what was recorded before it was asked for, that somebody asks included: it begins when all
 * of that is on disk, which is an instant. Only where the disk does not take it a job begins without.
 */
#ifndef API_JOB_H
#define API_JOB_H

#include <pthread.h>
#include <stdbool.h>

#include "api/correlate.h"
#include "api/fields.h"
#include "api/flow.h"
#include "api/version.h"
#include "base/fault.h"

struct api;
struct call;
struct job_records;

enum job_kind {
	JOB_READ,    /* a page of records, counts: seconds */
	JOB_SOCKETS, /* reads no log, but all sockets of the host: a moment */
	JOB_REPORT,  /* minutes */
	JOB_EXPORT,  /* it streams, for as long as the client takes */
	JOB_TAIL,    /* it streams, until the client goes away */
	JOB_KIND_MAX
};

/* So many run at a time, and so many wait for them. */
#define JOB_READS_MAX	    2
#define JOB_READS_WAITING   16
#define JOB_SOCKETS_MAX	    1
#define JOB_SOCKETS_WAITING 16
#define JOB_REPORTS_MAX	    1
#define JOB_REPORTS_WAITING 0
#define JOB_EXPORTS_MAX	    4
#define JOB_EXPORTS_WAITING 0
#define JOB_TAILS_MAX	    8
#define JOB_TAILS_WAITING   0

/* The first member of what a job works on. The owner sets what is above the line; the rest is zero to begin with. */
struct job {
	enum job_kind kind;
	void (*run)(struct job *j); /* on the thread; not if it is cancelled before */
	/* On the loop, after run(), or after job_stream(): replies as a handler does, with a call that has no request. */
	void (*finish)(struct call *c, struct job *j);
	void (*free)(struct job *j); /* on the loop, at the end */
	bool broken; /* run() says so: what it streamed is not all that there should be */

	struct jobs *jobs;
	struct job *next;
	void *exchange;
	int fd; /* the client's */
	uid_t uid;
	struct flow flow;
	struct job_records *records; /* of before; NULL: nobody says when they are on disk */
	bool open, over;   /* the thread's: it streams; it is done. Guarded by the lock of jobs */
	bool ran;	   /* it was not cancelled before */
	bool answered;	   /* finish() was called, or it never will be */
	bool sent, joined; /* a response has its stream; its thread ended */
	pthread_t thread;
	struct correlation correlation; /* of the call, as is what follows */
	enum api_version version;
	char path[64], fields[FIELDS_SIZE]; /* fields: "" = all */
};

struct jobs;

int jobs_new(struct api *a, struct jobs **ret, struct fault *reterr);
/* End all jobs and answer their clients, while the engine is still there. Accepts NULL. */
void jobs_stop(struct jobs *jobs);
/* After that. Finishes when the loop runs next. Accepts NULL. */
void jobs_free(struct jobs *jobs);

/** Run @j, which is taken over, and answer @c when it is done; or answer at once that there are too many. */
void job_start(struct call *c, struct job *j);
/** Nobody waits for it any more. From its thread; @job is a struct job, for use as a callback. */
bool job_is_cancelled(void *job);

/* Of a job that streams, from its thread. */

/**
 * Answer now: finish() sets status and content type, or a problem, and what is put comes after. -ECANCELED: nobody
 * waits; -ENOMEM.
 */
int job_stream(struct job *j);
/** Send @data, as the client takes it: it waits while that is slow. -ECANCELED. */
int job_put(struct job *j, const char *data, size_t length);
/** Do nothing for at most @msec. -ECANCELED. */
int job_sleep(struct job *j, unsigned int msec);

/** How many of a kind there are, of all users and of @uid. */
unsigned int jobs_count(const struct jobs *jobs, enum job_kind kind);
unsigned int jobs_count_of(const struct jobs *jobs, enum job_kind kind, uid_t uid);

#endif
