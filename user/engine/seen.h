/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hosts that this one has to do with: those whose packets got through lately, as far as the sample of the
 * traffic tells, and those that have a TCP connection now. What share of them a change would block.
 */
#ifndef ENGINE_SEEN_H
#define ENGINE_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "detect/peers.h"

#define SEEN_MIN 10 /* a share of fewer hosts than these tells nothing */

struct engine;

struct seen {
	struct peers hosts; /* all of them */
	bool *connected;    /* host by host */
	size_t connected_count;
	uint64_t seconds; /* that the sample reaches back; 0 = it has nobody */
};

/** -ENOMEM. If the kernel does not tell who is connected, that is logged, and the sample is all there is. */
int seen_read(struct engine *e, struct seen *ret);
void seen_done(struct seen *s);

#define SEEN_WORDS_SIZE 160

/**
 * Whether those in @hit (host by host, as in @s) are more than @permille of all hosts, or of those that are
 * connected. Then @ret says how many of how many.
 */
bool seen_is_above(const struct seen *s, const bool *hit, unsigned int permille,
		   char ret[static SEEN_WORDS_SIZE]);

#endif
