/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The counter of what the kernel drops after XDP (bpf/drops.bpf.c): loaded, attached and read. It has nothing to do
 * with the limiter and shares nothing with it; it lives as long as whoever opened it.
 */
#ifndef DATAPATH_DROPS_H
#define DATAPATH_DROPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/drop.h>

#include "base/cleanup.h"
#include "base/fault.h"

/* Of the end of a handshake for which a listener has no room. */
#define DROPS_NO_ROOM "TCP_LISTEN_OVERFLOW"

struct drops;

struct drops_count {
	struct weir_drop_key key;
	struct weir_drop_count count; /* of all CPUs */
};

struct drops_flow {
	struct weir_drop_flow_key key;
	struct weir_drop_flow flow;
};

/** How far the numbers can be trusted. */
struct drops_stats {
	struct weir_drop_stats cpus; /* added up */
	uint64_t missed; /* drops in the middle of another one, which the kernel does not show */
};

/**
 * Count from now on, of the network namespace that the caller is in. Faults: drops.load, drops.attach, both with what a
 * kernel has to have for it.
 */
int drops_open(struct drops **ret, struct fault *reterr);
void drops_close(struct drops *d);
DEFINE_CLEANUP(struct drops *, drops_close)

/** What was counted, in no order; *@ret is the caller's to free(). -ENOMEM. */
int drops_read(const struct drops *d, struct drops_count **ret, size_t *ret_count);
/** The flows that were noted, likewise. */
int drops_read_flows(const struct drops *d, struct drops_flow **ret, size_t *ret_count);
void drops_read_stats(const struct drops *d, struct drops_stats *ret);

/**
 * What the running kernel calls a reason: "NETFILTER_DROP"; "" if it has no name. Of packets (enum skb_drop_reason,
 * those of subsystems, too) and of resets (enum sk_rst_reason).
 */
const char *drops_reason(const struct drops *d, enum weir_drop_kind kind, uint32_t reason);
/** Whether all of these have that reason (Linux 6.15); before, the kernel gives none. */
bool drops_tells_no_room(const struct drops *d);

#endif
