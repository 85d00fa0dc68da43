/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What keeps an operator from harm: the panic switch, the watchdog, and the questions that a change has
 * to answer before it may cut somebody off. Decides nothing about packets: those bytes are in the kernel.
 */
#ifndef ENGINE_SAFETY_H
#define ENGINE_SAFETY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/panic.h>
#include <weir/vocabulary.h>
#include <weir/watchdog.h>

#include "base/fault.h"

struct engine;
struct engine_actor;
struct policy;

#define ENGINE_PANIC_REASON_MAX (WEIR_PANIC_REASON_SIZE - 1) /* bytes */

struct engine_panic {
	bool set;
	enum weir_mode mode;
	uint64_t since_ns; /* CLOCK_REALTIME; 0 = nobody noted it */
	char username[WEIR_PANIC_NAME_SIZE];
	char reason[WEIR_PANIC_REASON_SIZE];
};

/** The panic switch as it is. */
void engine_panic(const struct engine *e, struct engine_panic *ret);
/**
 * Set it to @mode (enum weir_mode), or clear it (PANIC_NONE of datapath/panic.h), from the next packet
 * on. Faults: panic.reason (-EINVAL: too long, or no UTF-8).
 */
int engine_panic_set(struct engine *e, int mode, const char *reason,
		     const struct engine_actor *actor, struct fault *reterr);

/** What packets are judged by: the panic switch, else the watchdog, else the policy. */
enum weir_mode engine_mode(const struct engine *e);
/** NULL: the policy in force has none. */
const struct weir_watchdog *engine_watchdog(const struct engine *e);

/* For the files of the engine. */

/* Notes in pinned memory that become audit records, each once. */
struct safety_log {
	__u64 *recorded;	     /* durable, by all daemons; in pinned memory */
	uint64_t submitted, barrier; /* barrier 0 = none is under way */
};

struct safety {
	struct safety_log panic, watchdog;
	uint64_t note_waits_ns; /* CLOCK_MONOTONIC: since when a note is incomplete */
};

/** With the datapath and the recorder: record what was noted while there was no daemon. */
void safety_start(struct engine *e);
/* Twice a second: record what was noted. */
void safety_tick(struct engine *e);
/* The recorder has stopped, and all that it was given is durable. */
void safety_stopped(struct engine *e);
/** Before @policy is put in force: see to it that the kernel takes its watchdog. Faults: datapath.watchdog. */
int safety_prepare(struct engine *e, const struct policy *policy, struct fault *reterr);
/* @policy is in force, and so is its watchdog from now on. */
void safety_commit(struct engine *e, const struct policy *policy);

#endif
