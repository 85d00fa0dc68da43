/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The networks (/24, /48) that send most, as talkers.h has them. For metrics, where each that ever
 * appears is a series: so who is in stays in for BUSIEST_STAYS_S, also when others send more.
 */
#ifndef ENGINE_BUSIEST_H
#define ENGINE_BUSIEST_H

#include "engine/engine.h"
#include "engine/traffic.h"

#define BUSIEST_LOOKS_BACK_S 60
#define BUSIEST_STAYS_S	     300
#define BUSIEST_EVERY_S	     10 /* at most so often are they found anew */

struct busiest_network {
	struct prefix prefix;
	double packets_per_second;
	uint64_t since_ns; /* CLOCK_MONOTONIC: it is in */
};

struct busiest {
	struct busiest_network networks[POLICY_TOP_SOURCES_MAX];
	size_t count;
	uint64_t found_ns; /* CLOCK_MONOTONIC; 0 = never */
};

/** Find those of the last minute. @wanted: how many. Without memory they stay as they are. */
void busiest_find(struct busiest *b, const struct traffic *t, size_t wanted, uint64_t seed,
		  uint64_t now_ns);

/** As many as the policy asks for. Valid until the next call. */
const struct busiest *engine_busiest(struct engine *e);

#endif
