/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The real program with its real maps, in a pin directory of its own, fed with frames through
 * BPF_PROG_TEST_RUN: what tests/bpf stands on. Policies come as YAML and lists as entries, through
 * the same code as in the daemon. Everything here ends the running cmocka test if it fails.
 */
#ifndef TESTS_RUNNER_H
#define TESTS_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/live.h>
#include <weir/vocabulary.h>

#include "datapath/datapath.h"
#include "lists/set.h"
#include "packets.h"

#define RUNNER_COUNTERS (WEIR_VERDICT_MAX * WEIR_REASON_MAX)

/* Policies begin like this. The second one takes away the built-in limit on fragments, too. */
#define RUNNER_POLICY	 "apiVersion: weir/v1\nmode: enforce\n"
#define RUNNER_UNLIMITED RUNNER_POLICY "packets: {fragments: pass}\n"

struct runner {
	struct datapath *datapath;
	struct list_set *lists;
	char pin_dir[64];
	struct weir_count counts[RUNNER_COUNTERS]; /* at the last runner_counted() */
};

/** Why this machine cannot run these tests; NULL: it can. */
const char *runner_obstacle(void);
/** Run cmocka's group @name of one test that is skipped and says @reason. Returns what main() is to return. */
int runner_skip_group(const char *name, const char *reason);
/* cmocka_run_group_tests_name(), or the group skipped on a machine that cannot run it. */
#define runner_run_group(name, tests, set_up, tear_down)                                           \
	(runner_obstacle() ? runner_skip_group(name, runner_obstacle())                            \
			   : cmocka_run_group_tests_name(name, tests, set_up, tear_down))

/** The @n-th CPU, counted from 0 and round and round, of those that this process may run on. */
unsigned int runner_cpu(unsigned int n);
/** Hold the calling thread to @cpu, and what it starts from now on. */
void runner_stay_on(unsigned int cpu);

/**
 * Make the maps. No policy, empty lists; the first policy or packet loads the program. The calling thread stays
 * on one CPU from now on: another one's coarse clock may lag behind the exact time at which this one
 * started a bucket, and would refuse the rest of a burst for up to a tick.
 */
void runner_open(struct runner *r);
/**
 * Open it, or have the maps of an open one as they were at first: the program stays, and with it what its last
 * policy asked for. For tests that need neither new pins nor an empty ring of events.
 */
void runner_renew(struct runner *r);
/** Let go of the maps and take them up again, as a daemon does that starts over. Lists are forgotten. */
void runner_reopen(struct runner *r);
/** Have the pins say that another ABI is the current one. */
void runner_say_abi(const struct runner *r, uint32_t abi);
/** Let go of the maps, and lay the pins out as ABI 3 did: all in one directory, and one link. */
void runner_lay_out_as_abi_3(struct runner *r);
/** Remove the pins. Accepts a runner that was zeroed or half opened. */
void runner_close(struct runner *r);

/** Compile @yaml and make it the live policy. Returns its generation. */
uint32_t runner_policy(struct runner *r, const char *yaml);
/** List @prefix until @until_ns, CLOCK_MONOTONIC; WEIR_FOREVER: for good. */
void runner_list(struct runner *r, enum list_kind kind, const char *prefix, uint64_t until_ns);
/** Make the kernel hold what r->lists asks for at @now_monotonic_ns. */
void runner_apply_lists(struct runner *r, uint64_t now_monotonic_ns);
void runner_unlist_all(struct runner *r);

/**
 * Run the program once. The first @linear bytes lie in the first buffer (0: as much as fits there).
 * Returns the XDP action, or -EINVAL where the kernel cannot split a frame like that.
 */
int runner_run(const struct runner *r, const uint8_t *frame, size_t length, size_t linear);

/** Which counter moved since the last call. There must be one, by one packet and @bytes. */
void runner_counted(struct runner *r, size_t bytes, unsigned int *ret_verdict,
		    unsigned int *ret_reason);
/** Forget what was counted until now. */
void runner_count_from_here(struct runner *r);
/** The tallies of all CPUs, one after another; NULL behind the last. */
const struct weir_tally *runner_tally(const struct runner *r, size_t number);
/** Packets counted since runner_count_from_here(), under @reason or all (WEIR_REASON_MAX). */
uint64_t runner_count(const struct runner *r, unsigned int verdict, unsigned int reason);

/** Run @frame and require the verdict, the action that goes with it, and the reason. */
void runner_expect(struct runner *r, const char *promise, const struct packets_frame *frame,
		   unsigned int verdict, unsigned int reason);

/* The limit called @name with @unit in the live policy. */
const struct weir_limit *runner_limit(const struct runner *r, const char *name, unsigned int unit);

#endif
