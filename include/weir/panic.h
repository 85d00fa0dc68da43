/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who set or cleared the panic switch (struct weir_live.panic), when and why. Pinned beside the other maps,
 * so that the next daemon makes an audit record of what was done while there was none. No program reads
 * it. Who writes a note takes a number first, then fills it in, then says that it is complete.
 */
#ifndef WEIR_PANIC_H
#define WEIR_PANIC_H

#include <weir/types.h>

#define WEIR_PANIC_NOTES       16  /* a power of two */
#define WEIR_PANIC_REASON_SIZE 208 /* with its NUL */
#define WEIR_PANIC_NAME_SIZE   32  /* likewise */

struct weir_panic_note {
	__u64 number; /* of this note, counted from 1; written last; 0 = it is being filled in */
	__u64 at_ns;  /* CLOCK_REALTIME */
	__u32 uid;
	__u8 panic;	/* what struct weir_live.panic became */
	__u8 by_daemon; /* 0 = without one */
	__u8 _pad[2];
	char username[WEIR_PANIC_NAME_SIZE]; /* NUL-terminated, as is the reason */
	char reason[WEIR_PANIC_REASON_SIZE];
};
WEIR_LAYOUT(struct weir_panic_note, 264);

struct weir_panic {
	__u64 taken;	/* numbers that were given */
	__u64 recorded; /* up to here there are audit records; the daemon */
	struct weir_panic_note notes[WEIR_PANIC_NOTES]; /* number n in [n % WEIR_PANIC_NOTES] */
};
WEIR_LAYOUT(struct weir_panic, 16 + 264 * WEIR_PANIC_NOTES);

#endif
