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
#define WEIR_ABI 4

#define WEIR_NSEC_PER_SEC 1000000000ULL

#endif
