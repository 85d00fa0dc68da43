/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf/connections.bpf.c, loaded and attached, with its maps in reach. Everything here ends the running
 * cmocka test if it fails.
 */
#ifndef TESTS_COUNTER_H
#define TESTS_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/connection.h>

#include "bpf/connections.skel.h"

#define COUNTER_SETS 256

struct counter {
	struct connections_bpf *bpf;
	struct bpf_link *link;
	struct weir_conn_conf *conf;
	struct weir_conn_set *sets;
	uint64_t *ports;
};

/** Load the program, with the maps of @shared if there is one. Limits and ports are left to the caller. */
void counter_load(struct counter *ret, const struct counter *shared);
void counter_attach(struct counter *c);
/** Let go of everything. The mapped maps stay readable, by a copy of @c. */
void counter_close(struct counter *c);

/** How many connections there are for a hash (weir_conn_hash()). */
uint32_t counter_count(const struct counter *c, uint64_t hash);
/** Whether nobody is counted. */
bool counter_is_empty(const struct counter *c);
/** Of all CPUs. */
struct weir_conn_stats counter_stats(const struct counter *c);

#endif
