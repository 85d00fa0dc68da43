/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every death that a process may die: its work on files is watched call by call (disk.h), and then what the disk holds
 * after each of these calls is laid out again and looked at: as a kill leaves it, and as power cuts do, with any part of
 * what was not synced.
 */
#ifndef TESTS_LIB_CRASH_H
#define TESTS_LIB_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk.h"

struct crash; /* one of them */

struct crash_plan {
	const char
		*root; /* a directory of the test's own; empty at first, and again for each crash */
	/* In a process of its own; counts in @acked what it was promised. Ends with 0. */
	int (*work)(volatile uint64_t *acked, void *userdata);
	/* What a crash left, by when so much was promised. Ends the test by crash_broken() or as cmocka does. */
	void (*look)(const struct crash *x, uint64_t acked, void *userdata);
	void *userdata;	   /* of both; what @work leaves for @look has to be in shared memory */
	size_t all;	   /* up to so many unsynced calls, each part of them is lost; */
	unsigned int some; /* of more, so many parts at random */
};

/** Run it. Skips the test where no process can be watched, fails it if nothing was promised. */
void crash_run(const struct crash_plan *plan);

/** Fail, with the words for it and which crash that was. */
_Noreturn void crash_broken(const struct crash *x, const char *what, const char *words);

/* WEIR_TORTURE=full */
bool crash_full(void);

/* Zeroed memory that a process shares with its children, until it ends. */
void *crash_shared(size_t size);

/* A sum of all files below @root, with their names: whether anything changed. */
uint64_t crash_checksum(const char *root);
/* Empty the directory @root. */
void crash_clear(const char *root);
/** Some file below @root has these bytes. */
bool crash_has_bytes(const char *root, const void *bytes, size_t length);

#endif
