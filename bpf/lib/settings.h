/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is fixed when the program is loaded. Userspace writes it before, the verifier then takes it for
 * constants and drops the code that cannot be reached. To change any of it, userspace loads the
 * program once more and swaps it in with bpf_link_update(), between two packets.
 */
#ifndef LIB_SETTINGS_H
#define LIB_SETTINGS_H

#include <weir/settings.h>

#include "lib/kernel.h"

/* Where keys are in the tables: struct weir_meta.hash_seed. */
const volatile __u64 weir_seed = 0;
/* Sets of the tables, minus one. */
const volatile __u32 weir_entry_mask = WEIR_ENTRY_SETS_MIN - 1;
/* struct weir_meta.hits_slot */
const volatile __u32 weir_hits_slot = 0;
const volatile __u32 weir_cell_mask = WEIR_CELL_SETS_MIN - 1;
const volatile __u32 weir_cell_was_mask = 0; /* of the table that is being replaced */
/* enum weir_feature: what the policy needs; a byte each. */
const volatile __u8 weir_features[WEIR_FEATURES] = {0};

/* Tests bring their own clock: .rodata says so, and .data has the time. Otherwise this is no code. */
const volatile __u32 weir_test_clock = 0;
volatile __u64 weir_test_coarse_ns = 1;
volatile __u64 weir_test_exact_ns = 1;

static __always_inline int settings_has(__u32 feature)
{
	return weir_features[__builtin_ctz(feature)];
}

#endif
