/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet generator: frames made by a BPF program and redirected out of an interface of the
 * caller's network namespace, at millions per second from one CPU. Needs root and an interface that
 * takes redirected frames, such as veth; README.md says what that means.
 */
#ifndef TESTS_GENERATOR_H
#define TESTS_GENERATOR_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "frame.h"

#define GENERATOR_THREADS_MAX 64
#define GENERATOR_PACKETS_MAX 100000000000ULL
#define GENERATOR_RATE_MAX    1000000000U

struct generator_options {
	const char *iface;
	struct frame_spec frame;
	uint8_t base[16];	  /* the first source; the same IP version as frame.to */
	uint32_t sources;	  /* how many, at least 1 */
	unsigned int source_bits; /* they differ in this many leading bits: 32, 64, 128, ... */
	const struct flood_source *listed; /* @sources of them instead of base, or NULL */
	bool random;			   /* draw sources instead of taking turns */
	uint32_t rate;			   /* packets per second of all threads; 0: flat out */
	uint64_t packets;		   /* to be handed over; 0: until duration or stop */
	uint64_t duration_ns;		   /* 0: until packets or stop */
	unsigned int threads;		   /* the n-th runs on the n-th CPU */
	const volatile sig_atomic_t *stop; /* end early once this is not 0; or NULL */
};

/* Times are CLOCK_MONOTONIC. */
struct generator_result {
	uint64_t sent;	   /* frames the peer took and processes */
	uint64_t lost;	   /* frames the peer did not take; not part of sent */
	uint64_t start_ns; /* before anything was sent */
	uint64_t first_ns; /* the first packet was made; flat out, one in 16 is stamped */
	uint64_t last_ns;  /* the last packet was made */
	uint64_t end_ns;   /* the peer had processed everything */
};

/** Send. -EPERM, -ENODEV, -EINVAL, -ENETUNREACH: the peer takes nothing; all with words. */
int generator_run(const struct generator_options *options, struct generator_result *ret,
		  struct fault *reterr);

#endif
