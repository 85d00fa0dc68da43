/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The content of maps whose elements have another layout: from theirs into ours; for migrate.c only. */
#ifndef DATAPATH_CARRY_H
#define DATAPATH_CARRY_H

#include "datapath/internal.h"

struct step;

#define SEGMENTS_MAX 4

/* Bytes of an element that stay together. */
struct segment {
	uint32_t from, to, bytes;
};

/* A map whose elements have another layout: their size then and now, and what of them goes where. What is
 * not named is zero. */
struct change {
	const char *map;
	uint32_t from_bytes, to_bytes;
	struct segment segments[SEGMENTS_MAX];
};

/* A map of theirs whose content has to be carried over; memory NULL: it is handed on. */
struct source {
	const struct change *change;
	char *memory;
	size_t bytes; /* of all elements */
	uint32_t count;
};

struct migration {
	struct datapath *d;
	uint32_t from;	    /* ABI */
	char dir[PATH_MAX]; /* of its maps */
	const struct step *step;
	bool resumed; /* an earlier attempt made ours complete */
	bool swapped; /* the links have our program */
	struct source meta, config, entries, cells, cells_was, cpu;
	struct weir_cell *copied; /* of each cell, what was copied last; NULL: not known */
	struct weir_cpu *cpu_then;
};

/** Their element @index as one of ours. */
void carry_translate(const struct source *s, uint32_t index, void *ret);
/** Put what theirs hold into ours, which nobody uses yet. */
void carry_fill(struct migration *m);
/** Once more for cells that packets have charged since. */
void carry_copy_cells(struct migration *m);
/**
 * What packets have counted, dropped and charged in theirs since: add it to ours, which is in use since
 * @swapped, and theirs is not any more.
 */
void carry_add_up(struct migration *m, uint64_t swapped);

#endif
