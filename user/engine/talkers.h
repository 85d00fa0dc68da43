/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who sends most, by the sample of the traffic (engine/traffic.h): sources, prefixes, destinations or services
 * of the last seconds. All numbers are estimates, a sample counting for the packets it stands for; what
 * has one sample only may be off by as much as that.
 */
#ifndef ENGINE_TALKERS_H
#define ENGINE_TALKERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "engine/traffic.h"

#define TALKERS_MAX	    1000
#define TALKERS_SECONDS_MAX TRAFFIC_SECONDS_MAX

enum talkers_by {
	TALKERS_SOURCE,
	TALKERS_PREFIX, /* of sources: /24 and /48 */
	TALKERS_DESTINATION,
	TALKERS_SERVICE, /* protocol and destination port */
	TALKERS_BY_MAX
};

enum talkers_order { TALKERS_PACKETS, TALKERS_BYTES, TALKERS_DROPPED, TALKERS_ORDER_MAX };

/** "source", "prefix", ...; "packets", ... NULL for a number that has no word; -EINVAL for a word that is none. */
const char *talkers_by_str(enum talkers_by by);
int talkers_by_from_str(const char *word);
const char *talkers_order_str(enum talkers_order order);
int talkers_order_from_str(const char *word);

struct talkers_question {
	enum talkers_by by;
	enum talkers_order order;
	uint32_t seconds;     /* of the past, 1..TALKERS_SECONDS_MAX */
	struct prefix within; /* of sources that are asked for; ::/0 is all of them */
	size_t limit;	      /* at most so many, 1..TALKERS_MAX */
};

struct talker {
	struct prefix prefix; /* of a service: zero */
	uint16_t port;	      /* of a service; 0 = it has none */
	uint8_t protocol;     /* IPPROTO_*, of a service */
	uint8_t reason;	      /* why most of what was dropped, or would be, was: enum weir_reason */
	uint64_t packets, bytes;
	uint64_t dropped;    /* packets of them, answered ones (RST, SYN cookie) too */
	uint64_t would_drop; /* likewise, in mode monitor or by a shadow */
	uint64_t samples;    /* how many that is known from */
};

struct talkers {
	struct talker *items; /* the first of them in their order */
	size_t count;
	size_t found;	/* how many there are */
	double seconds; /* that were looked at: fewer, if the sample does not reach back so far */
	uint64_t samples, packets, bytes, dropped; /* of all */
};

/**
 * Answer @q from @t by the clock @now_ns (CLOCK_MONOTONIC). @seed: of a hash that senders must not foresee.
 * End @ret with talkers_done(). -ENOMEM.
 */
int talkers_ask(const struct traffic *t, const struct talkers_question *q, uint64_t now_ns,
		uint64_t seed, struct talkers *ret);
struct engine;
/** The same of the engine's traffic, now. */
int engine_talkers(struct engine *e, const struct talkers_question *q, struct talkers *ret);
/* Accepts a zeroed one. */
void talkers_done(struct talkers *t);

#endif
