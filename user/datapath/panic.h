/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The panic switch: a mode that goes before the policy's, from the next packet on, until it is cleared. It
 * is a byte in memory that is pinned, so it takes neither a daemon nor loading anything to set it, and
 * it outlives daemons and policies. Who did it is noted beside it (weir/panic.h).
 */
#ifndef DATAPATH_PANIC_H
#define DATAPATH_PANIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/panic.h>

#include "base/fault.h"

struct datapath;

#define PANIC_NONE (-1)

struct panic_request {
	int mode; /* enum weir_mode, or PANIC_NONE to clear it */
	uid_t uid;
	const char *username;
	const char *reason; /* NULL = none; at most WEIR_PANIC_REASON_SIZE - 1 bytes */
	bool by_daemon;
};

/** Map or make the notes. Of datapath_open(). Faults: datapath.panic. */
int panic_open(struct datapath *d, struct fault *reterr);
void panic_close(struct datapath *d);

/** The mode that is set, or PANIC_NONE. */
int panic_mode(const struct datapath *d);
void panic_set(struct datapath *d, const struct panic_request *request);
/** Note @number (from 1); false: it is not complete yet, or its place was taken by a later one. */
bool panic_note(const struct datapath *d, uint64_t number, struct weir_panic_note *ret);
/** The notes, whose `recorded` is the daemon's to write. */
struct weir_panic *panic_notes(const struct datapath *d);

/**
 * The same without a daemon, through the maps that are pinned in @pin_dir. *@ret_was: the mode until
 * now, or PANIC_NONE. If it is the one that is asked for nothing is done, and nothing noted. Faults:
 * datapath.bpffs (-ENOENT: nothing is pinned there), datapath.abi, datapath.panic.
 */
int panic_set_pinned(const char *pin_dir, const struct panic_request *request, int *ret_was,
		     struct fault *reterr);
/** Only ask. *@ret_note: the last note; its number is 0 if there is none. */
int panic_read_pinned(const char *pin_dir, int *ret_mode, struct weir_panic_note *ret_note,
		      struct fault *reterr);
/** What nobody has recorded yet, the oldest first: for whoever is about to remove the pins. Returns how many. */
size_t panic_unrecorded_pinned(const char *pin_dir,
			       struct weir_panic_note ret[static WEIR_PANIC_NOTES]);

#endif
