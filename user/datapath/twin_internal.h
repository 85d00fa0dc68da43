/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The twin of the program: twin.c has its life, judge.c what it is asked. */
#ifndef DATAPATH_TWIN_INTERNAL_H
#define DATAPATH_TWIN_INTERNAL_H

#include "datapath/internal.h"
#include "datapath/twin.h"

struct twin {
	struct limiter_bpf *skeleton;
	uint32_t cell_sets; /* found by hash */
	unsigned int cpus;
	struct weir_cell_set *cells;
	struct weir_cpu *cpu;
	struct weir_limit_count *before; /* the run, WEIR_LIMIT_SLOTS for each CPU */
};

/** Have a twin of the program as it is, with @sets cells' sets found by hash, or as many as it has. */
int twin_make(struct datapath *d, uint32_t sets, struct fault *reterr);
#endif
