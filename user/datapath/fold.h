/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is fixed when a program is loaded (bpf/lib/settings.h) comes to it as constants in a map that nobody can write any
 * more. The verifier knows them and drops what they rule out, but it leaves the loads in place: two instructions for
 * each question of a setting. Here they are taken out before, so that a feature which is off leaves nothing behind.
 */
#ifndef DATAPATH_FOLD_H
#define DATAPATH_FOLD_H

#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

/* The @size bytes, at most 8, at @offset of the value of the map @fd: 0, or that it is no constant: -ENOENT. */
typedef int (*fold_constant_t)(int fd, uint32_t offset, uint32_t size, uint64_t *ret,
			       void *userdata);

/**
 * Replace loads of constants in a program of @count instructions, with all that libbpf relocates in place. None is
 * moved. Returns how many were replaced, or -ENOMEM with @insns as they were.
 */
int fold_loads(struct bpf_insn *insns, size_t count, fold_constant_t constant, void *userdata);

/** Have that done with each XDP program that this process loads by libbpf. May be called often, from any thread. */
void fold_register(void);

#endif
