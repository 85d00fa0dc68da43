/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A file of zeros beside the segments that is there to be removed: when the disk is full, its room is what
 * the records about that are written to. It holds no data; whoever finds it missing loses nothing.
 */
#ifndef AUDIT_RESERVE_H
#define AUDIT_RESERVE_H

#include <stdbool.h>

#define RESERVE_NAME  "reserve"
#define RESERVE_BYTES (512U << 10)

/** Have it in @dir, unless it would take more than half of what is free. Returns whether it is there. */
bool reserve_make(int dir);
/** Give its room back. Returns whether there was any. */
bool reserve_free(int dir);

#endif
