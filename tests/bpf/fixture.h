/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tests of the whole program share: the runner of the test that runs, how it begins and ends, and what is expected of a frame. */
#ifndef TESTS_BPF_FIXTURE_H
#define TESTS_BPF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/packets.h"
#include "../lib/runner.h"

static struct runner runner;

static inline int open_runner(void **state)
{
	(void)state;
	runner_open(&runner);
	return 0;
}

/* Opened, or as it was when it was: see runner_renew(). */
static inline int renew_runner(void **state)
{
	(void)state;
	runner_renew(&runner);
	return 0;
}

static inline int close_runner(void **state)
{
	(void)state;
	runner_close(&runner);
	return 0;
}

static inline void expect(const char *promise, const struct packets_layer *layers,
			  unsigned int verdict, unsigned int reason)
{
	struct packets_frame frame;

	packets_build(layers, &frame);
	runner_expect(&runner, promise, &frame, verdict, reason);
}

/* The verdict and the reason, by their names, of a frame of these layers. */
#define EXPECT(verdict, reason, promise, ...)                                                      \
	expect(promise, LAYERS(__VA_ARGS__), WEIR_VERDICT_##verdict, WEIR_REASON_##reason)

#endif
