/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asks the daemon once a second, on a thread of its own: a daemon that is slow to answer, or gone, does not hold
 * up the screen.
 */
#ifndef TOP_FETCH_H
#define TOP_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "cli/cli.h"

#define FETCH_PATH_SIZE 192

/* Two answers of about the same moment. */
struct fetch_answers {
	json_t *status, *body;	    /* NULL: that was no success, see @fault */
	char path[FETCH_PATH_SIZE]; /* that @body is of */
	uint64_t at_ns;		    /* CLOCK_MONOTONIC */
	struct fault fault;	    /* why the first of them failed; err 0: none did */
};

/* Accepts a zeroed one. */
void fetch_answers_done(struct fetch_answers *a);

/** Ask for the status and @path, here and now; false: @ret->fault says why. End @ret either way. */
bool fetch_now(const struct cli *cli, const char *path, struct fetch_answers *ret);

struct fetch;

/** Begin. @cli has to outlive it, and to stay as it is. -errno. */
int fetch_new(const struct cli *cli, const char *path, struct fetch **ret);
/* Waits for the question that is being asked, at most cli->timeout_ms. Accepts NULL. */
void fetch_free(struct fetch *f);
DEFINE_CLEANUP(struct fetch *, fetch_free)

/** Ask for @path from now on, every @period_ms, and now. */
void fetch_path(struct fetch *f, const char *path, uint32_t period_ms);
/** A descriptor that is readable when there is something to take. */
int fetch_fd(const struct fetch *f);
/** Take what came last; false: nothing did since. The caller ends it. */
bool fetch_take(struct fetch *f, struct fetch_answers *ret);

#endif
