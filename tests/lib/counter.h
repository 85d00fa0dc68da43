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
#include <weir/policy.h>

#include "bpf/connections.skel.h"

#define COUNTER_SETS 256
#define COUNTER_SEED 0x77656972

struct counter {
	struct connections_bpf *bpf;
	struct bpf_link *link;
	struct weir_policy *policy; /* the live one */
	struct weir_port_limits *ports;
	struct weir_conn_set *sets;
	uint32_t set_mask;
};

/**
 * Load the program, for this network namespace or for number @netns, if that is not 0, with the maps of
 * @shared or, if that is NULL, with maps of its own: @sets, no limits, no ports.
 */
void counter_load(struct counter *ret, const struct counter *shared, uint32_t sets, uint32_t netns);
void counter_attach(struct counter *c);
/** Let go of everything. The mapped maps stay readable, by a copy of @c. */
void counter_close(struct counter *c);

/** How many connections there are for a tag (weir_key_tag()). */
uint32_t counter_count(const struct counter *c, uint64_t tag);
/** Whether nobody is counted. */
bool counter_is_empty(const struct counter *c);
/** Of all CPUs. */
struct weir_conn_stats counter_stats(const struct counter *c);

#endif
