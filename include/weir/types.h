/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The base of the kernel/user contract: fixed-width types and the layout check. Every struct that
 * crosses the boundary is declared in this folder, once, and its size is asserted by gcc, by clang
 * and by clang -target bpf, so that a change that moves a field cannot compile on one side only.
 */
#ifndef WEIR_TYPES_H
#define WEIR_TYPES_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* Size in bytes; a multiple of 8, so that arrays of it stay aligned and no tail padding is hidden. */
#define WEIR_LAYOUT(type, size)                                                                    \
	_Static_assert(sizeof(type) == (size) && (size) % 8 == 0, #type " changed its layout")

/* Bumped when the meaning or layout of anything in this folder changes. Pinned maps that carry another
 * number are never adopted: user/datapath/migrate.c carries over what older ones hold. */
#define WEIR_ABI_IN_USE 4
#ifndef WEIR_ABI_TEST
#define WEIR_ABI WEIR_ABI_IN_USE
#else
#define WEIR_ABI (1000 + WEIR_ABI_TEST)
#endif

/* Tests have ABIs of their own to upgrade to and from (tests/abi): 1 is laid out as this one, in 2 what has
 * WEIR_TEST_PAD() has more bytes. */
#if defined(WEIR_ABI_TEST) && WEIR_ABI_TEST == 2
#define WEIR_TEST_PADDING   64
#define WEIR_TEST_PAD(name) __u64 name[WEIR_TEST_PADDING / 8];
#else
#define WEIR_TEST_PADDING 0
#define WEIR_TEST_PAD(name)
#endif

#define WEIR_NSEC_PER_SEC 1000000000ULL

#endif
