/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A sample of the traffic of the last minutes: the last TRAFFIC_SAMPLES_MAX samples, at most
 * TRAFFIC_SECONDS_MAX old. The share of packets that is sampled follows the traffic, so that there are some
 * hundred samples per second whatever arrives. And what a policy would have made of it: see traffic_try().
 */
#ifndef ENGINE_TRAFFIC_H
#define ENGINE_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/sample.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "datapath/datapath.h"
#include "engine/outlook.h"
#include "policy/policy.h"

#define TRAFFIC_SAMPLES_MAX 65536
#define TRAFFIC_SECONDS_MAX 600
#define TRAFFIC_WANTED_MAX  1000 /* samples per second */
#define TRAFFIC_PERIOD_MAX  (1U << 20)
#define TRAFFIC_TOP	    10 /* sources and rules that are told */
#define TRAFFIC_MIN_SAMPLES 30 /* fewer say nothing */

struct traffic;

struct traffic *traffic_new(void); /* NULL: no memory */
void traffic_free(struct traffic *t);
DEFINE_CLEANUP(struct traffic *, traffic_free)

/* Four times a second: take what the CPUs have, adapt the period. */
void traffic_read(struct traffic *t, struct datapath *d);

#define TRAFFIC_SOURCES_MAX 8192 /* that traffic_sources() tells */

struct peers;
/**
 * The sources whose packets got through, each once, in no order, those seen last first if there are more than
 * TRAFFIC_SOURCES_MAX. *@ret_seconds: since when, at least; 0 if there are none. End @ret with peers_done().
 * @seed: of a hash that senders must not foresee. -ENOMEM.
 */
int traffic_sources(const struct traffic *t, uint64_t seed, struct peers *ret,
		    uint64_t *ret_seconds);

struct traffic_top {
	char name[POLICY_NAME_MAX + 48]; /* a source; "block list", or a limit and its unit */
	uint64_t packets;		 /* that would have been dropped */
	uint32_t samples;
};

struct traffic_trial {
	uint32_t samples;
	uint64_t packets;      /* that they stand for */
	uint64_t seconds;      /* between the first and the last */
	uint64_t lost_samples; /* came faster than they were read */
	uint64_t dropped_then; /* estimates all, in packets */
	uint64_t dropped_now;
	uint32_t dropped_samples; /* that were dropped, wholly or in part, now */
	uint64_t unjudged;	  /* packets that meet a limit which a sample cannot tell of */
	struct traffic_top sources[TRAFFIC_TOP], rules[TRAFFIC_TOP]; /* packets 0 = no more */
	const char *confidence; /* "none", "low", "fair", "good" */
};

struct traffic_policy {
	const struct policy_image *image;
	const struct outlook *outlook; /* what the lists would say */
	uint64_t seed;
};

/**
 * Replay the samples against a policy with the datapath's own algorithms. A sample stands for as many packets
 * of its source as its weight, spread over the time since the one before; what a source did is known the
 * better the more samples are its own. -ENOMEM.
 */
int traffic_try(const struct traffic *t, const struct traffic_policy *p, struct traffic_trial *ret,
		struct fault *reterr);

#endif
