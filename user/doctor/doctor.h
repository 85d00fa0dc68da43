/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What can be wrong with a host that is to be protected, found before or after it goes wrong. Each finding is a line:
 * ok, warn, fail or skip, what was looked at, what was found, and the command that mends it. Looks only, changes
 * nothing. Everything is read below a root that tests can choose, and on behalf of one side: what the daemon sees (its
 * network, its mounts), what lies in files, and what the caller may do.
 */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

#define DOCTOR_LINES_MAX  128
#define DOCTOR_IFACES_MAX 16

enum doctor_status {
	DOCTOR_OK,
	DOCTOR_WARN, /* works, but not as well, or not for long */
	DOCTOR_FAIL, /* does not work, or is not safe */
	DOCTOR_SKIP, /* could not be looked at: why is said */
	DOCTOR_STATUS_MAX,
};

const char *doctor_status_to_str(enum doctor_status status); /* "warn" */

struct doctor_line {
	const char *check; /* "interface.xdp": stable */
	enum doctor_status status;
	char found[320];
	char fix[256]; /* a command, or what to do; "" = nothing */
};

struct doctor_report {
	struct doctor_line lines[DOCTOR_LINES_MAX];
	size_t count;
};

/* Which of the checks; a bit each. */
enum doctor_side {
	DOCTOR_HOST = 1,   /* kernel, interfaces, pins, memory: as the daemon sees them */
	DOCTOR_FILES = 2,  /* state, policy, audit log */
	DOCTOR_CALLER = 4, /* capabilities, socket */
};

struct doctor_options {
	unsigned int sides;
	const char *root; /* before /proc and /sys; "" */
	const char *ifaces[DOCTOR_IFACES_MAX];
	size_t iface_count;
	const char *state_dir, *pin_dir, *socket;
	const char *policy_path; /* NULL = not known */
	bool daemon_runs;
};

/** Run the checks of options->sides, in the order of the table. */
void doctor_run(const struct doctor_options *options, struct doctor_report *ret);

/** Add a line, for those who know more; beyond DOCTOR_LINES_MAX it is left out. @fix may be "". */
void doctor_add(struct doctor_report *r, const char *check, enum doctor_status status,
		const char *fix, const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
