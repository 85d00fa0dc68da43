/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is measured, put together: the example policy with limits that traffic can be over or within at any
 * speed, a list of any length, and programs that are variants of the loaded one and share its maps.
 */
#ifndef TESTS_BENCH_VARIANT_H
#define TESTS_BENCH_VARIANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "datapath/datapath.h"
#include "lists/set.h"

#define VARIANT_EXAMPLE "tests/data/policies/example.yaml"

/* UDP ports of the policy. On any other one, only the global limit applies. */
#define VARIANT_PORT_FREE 1000
#define VARIANT_PORT_WIDE 1001 /* a limit per source that nobody reaches: a large burst */
#define VARIANT_PORT_QUIET                                                                         \
	1003 /* likewise, a high rate: its bucket is full again for each packet */
#define VARIANT_PORT_NARROW 1002 /* one that every source is over after its first packet */

/* Where sources are: 10.0.0.0 and up are on no list, listed ones lie all over the upper half of IPv4. */
#define VARIANT_UNLISTED_BASE 0x0a000000U
#define VARIANT_LISTED_BASE   0x80000000U
#define VARIANT_LISTED_STEP   2654435769U /* odd, so that no two meet */
#define VARIANT_LISTED_SPREAD 0x7fffffffU

struct bpf_object;

/** The address of listed source @index, host order. */
uint32_t variant_listed(uint32_t index);
/** Its entry: nine in ten are the address, the others a prefix of 16 to 31 bits around it. */
struct prefix variant_entry(uint32_t index);

/** Make the policy, with room for @sources, the live one. Faults: bench.example and others'. */
int variant_apply_policy(struct datapath *d, uint32_t sources, struct fault *reterr);
/** Fill @d, whose lists are empty, with the policy's own and @entries of variant_entry(). */
int variant_apply_lists(struct datapath *d, uint32_t entries, struct fault *reterr);

struct variant_spec {
	const char *program; /* "bench_full": see variants.bpf.c */
	bool lru;	     /* state in an LRU hash, and the exact clock */
	bool untraced;	     /* without the code of traces */
	uint32_t trace;	     /* traced: one packet in so many is looked at; 0: it is not */
	uint32_t sources;    /* drawn at random; 0: the packet's own */
	bool listed;	     /* those of variant_listed(), not from VARIANT_UNLISTED_BASE on */
};

/**
 * Load a variant on @d's maps, for as long as those are not replaced. The caller ends @ret with
 * bpf_object__close(). Faults: bench.load.
 */
int variant_load(const struct datapath *d, const struct variant_spec *spec, struct bpf_object **ret,
		 int *ret_program_fd, struct fault *reterr);

#endif
