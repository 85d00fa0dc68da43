/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames that nobody wrote down: rows of packets.def with layers put in, taken out and made to lie,
 * or layers at random; then bytes bent and the end cut off or padded. The same *@random (any number
 * but 0; it moves on) gives the same frame everywhere.
 */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "../lib/packets.h"

/* Sources that frames come from and destinations they go to, besides the usual ones; the lists and
 * services of parse_kernel.c have some of them. */
#define FRAMES_ADDRESSES4 "192.0.2.1", "192.0.2.2", "198.51.100.7", "203.0.113.129", "198.18.1.255"
#define FRAMES_ADDRESSES6                                                                          \
	"2001:db8::1", "2001:db8::2", "2001:db8:10::7", "2001:db8:2:1::9", "2001:db8:2::ffff"

uint64_t frames_random(uint64_t *random, uint64_t below);

/** A new frame. */
void frames_generate(uint64_t *random, struct packets_frame *ret);

/** Change one thing about @size bytes of a frame at @data, which has room for @max. The new size. */
size_t frames_bend(uint64_t *random, uint8_t *data, size_t size, size_t max);

#endif
