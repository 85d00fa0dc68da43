/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one thing that every weir reads of every other: which ABI the pinned maps have. The map weir_meta
 * in the directory of the pins has it at index 0. This layout never changes; what ABI 3 and older
 * pinned there began with the same word.
 */
#ifndef WEIR_HEAD_H
#define WEIR_HEAD_H

#include <weir/types.h>

struct weir_head {
	__u32 abi; /* of the maps; they are in the directory v<abi> */
	__u32 from; /* not 0: some of what those of this ABI held may still have to be carried over */
	__u64 created_ns; /* CLOCK_REALTIME: when it became the current one */
	char version[24]; /* of the daemon that did it, NUL-terminated */
	__u64 _reserved[3];
};
WEIR_LAYOUT(struct weir_head, 64);

#endif
