/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The steps that the ABIs of tests take (user/datapath/migrate.c). 1001 is laid out as the ABI that is in
 * use, in 1002 each of the large structs has 64 bytes more, at its end, in its middle or in front; there is
 * a way from either to the other and from the ABI in use to both.
 */
#ifndef TESTS_ABI_STEPS_H
#define TESTS_ABI_STEPS_H

#define PLAIN  1001
#define PADDED 1002
#define PAD    64

/* The sizes without the padding, and what lies where with it. @then, @now: the padding, PAD or 0. */
#define SIZE(type, pads) (sizeof(type) - (pads)*WEIR_TEST_PADDING)
#define CHANGE(name, type, pads, then, now, ...)                                                   \
	{                                                                                          \
		name, SIZE(type, pads) + (pads) * (then), SIZE(type, pads) + (pads) * (now),       \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

#define CHANGES(then, now)                                                                         \
	{                                                                                          \
		CHANGE("weir_meta", struct weir_meta, 1, then, now,                                \
		       {0, 0, SIZE(struct weir_meta, 1)}),                                         \
			CHANGE("weir_config", struct weir_config, 1, then, now, {0, 0, 64},        \
			       {64 + (then), 64 + (now), SIZE(struct weir_config, 1) - 64}),       \
			CHANGE("weir_entries", struct weir_entry_set, 2, then, now, {0, 0, 32},    \
			       {32 + (then), 32 + (now), 32}),                                     \
			CHANGE("weir_cells", struct weir_cell_set, 1, then, now,                   \
			       {then, now, SIZE(struct weir_cell_set, 1)}),                        \
			CHANGE("weir_cpu", struct weir_cpu, 1, then, now,                          \
			       {then, now, SIZE(struct weir_cpu, 1)}),                             \
	}

#if WEIR_ABI == PLAIN
static const struct change changes[] = CHANGES(PAD, 0);
static const struct step steps[] = {
	{WEIR_ABI_IN_USE, NULL, 0},
	{PADDED, changes, ARRAY_SIZE(changes)},
};
#else
static const struct change changes[] = CHANGES(0, PAD);
static const struct step steps[] = {
	{WEIR_ABI_IN_USE, changes, ARRAY_SIZE(changes)},
	{PLAIN, changes, ARRAY_SIZE(changes)},
};
#endif

#endif
