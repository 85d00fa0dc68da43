/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many requests somebody may make: a token bucket per user and per key (GCRA, the datapath's own include/weir/algorithm.h), in a
 * table of fixed size. A user whose bucket is full again is forgotten, which says the same; when all are busy, who
 * is new shares one bucket with everybody else who is.
 */
#ifndef IDENTITY_ALLOWANCE_H
#define IDENTITY_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

#define ALLOWANCE_USERS_MAX 256

struct allowance_class {
	uint8_t id;	  /* buckets of one class are not those of another */
	const char *name; /* for the headers */
	uint32_t rate;	  /* requests per period */
	uint32_t burst;	  /* requests at once */
	uint32_t period_s;
};

/* Zeroed to begin with. */
struct allowance {
	struct allowance_user {
		uint64_t key; /* 0 = free */
		uint64_t word;
	} users[ALLOWANCE_USERS_MAX];
	uint64_t others;
};

struct allowance_answer {
	bool granted;
	uint32_t left;	    /* requests that would be granted now */
	uint32_t refill_ms; /* until the bucket is full */
	uint32_t wait_ms;   /* until the next request is granted; 0 if granted */
};

/** @who, a user or a key by its number, makes a request, at @now_ns of CLOCK_MONOTONIC. */
struct allowance_answer allowance_ask(struct allowance *a, const struct allowance_class *class,
				      uint32_t who, uint64_t now_ns);

#endif
