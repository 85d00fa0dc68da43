/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What traffic.c and trial.c share. */
#ifndef ENGINE_TRAFFIC_INTERNAL_H
#define ENGINE_TRAFFIC_INTERNAL_H

#include "engine/traffic.h"

struct traffic {
	struct weir_sample samples[TRAFFIC_SAMPLES_MAX]; /* a ring */
	uint64_t count;					 /* ever kept */
	uint64_t lost;
	struct datapath_samples at;
	uint32_t period;
	uint64_t began_ns, read_ns; /* the first and the last time; CLOCK_MONOTONIC */
};

#endif
