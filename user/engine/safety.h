/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What keeps an operator from harm: the panic switch, the watchdog, and the questions that a change has
 * to answer before it may cut somebody off. Decides nothing about packets: those bytes are in the kernel.
 */
#ifndef ENGINE_SAFETY_H
#define ENGINE_SAFETY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/panic.h>
#include <weir/vocabulary.h>
#include <weir/watchdog.h>

#include "base/fault.h"
#include "detect/peers.h"
#include "policy/policy.h"

struct engine;
struct engine_actor;
struct outlook;

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

#define SAFETY_PROTECTED_MAX 24
#define SAFETY_FINDINGS_MAX  32
#define SAFETY_RATE_MIN	     10 /* packets per second; a limit of less may keep a session from working */
#define SAFETY_CONNECTIONS_MIN                                                                     \
	1 /* new ones a minute; with less, who lost his session waits too long for the next */

/* Who must not be cut off by mistake. */
struct safety_protected {
	uint8_t address[16];
	char why[96];
	uint8_t to[16]; /* of ours that he talks to; all zero = not known */
	uint16_t port;	/* of ours, TCP; 0 = not known */
};

/* What a change would do to one of them. */
struct safety_finding {
	const char *code; /* "safety.lockout", "safety.shortest_prefix", "safety.max_blocked" */
	char text[384];
};

struct prefix;

struct safety_findings {
	struct safety_finding items[SAFETY_FINDINGS_MAX];
	size_t count; /* those beyond the maximum are left out */
};

/** Where @actor comes from, and the default gateways of the interface. Returns how many. */
size_t engine_protected(struct engine *e, const struct engine_actor *actor,
			struct safety_protected ret[static SAFETY_PROTECTED_MAX]);

/**
 * What putting @policy, whose outlook @o is, in force would do that it takes somebody to insist on: block, or
 * limit to less than SAFETY_RATE_MIN or SAFETY_CONNECTIONS_MIN, who must not be cut off; block more than its own caps
 * allow. What the policy in force does already is none. Changes nothing.
 */
void engine_policy_findings(struct engine *e, const struct policy *policy, const struct outlook *o,
			    const struct engine_actor *actor, struct safety_findings *ret);
/**
 * Refuse (-EPERM, the code of the first finding) what engine_policy_findings() finds, unless @actor
 * insists, which is recorded. All of it is in @ret_findings (may be NULL), also on failure.
 */
int engine_check_safety(struct engine *e, const struct policy *policy, const struct outlook *o,
			const struct engine_actor *actor, struct safety_findings *ret_findings,
			struct fault *reterr);

/** Likewise, of putting @prefix on the block list. Changes nothing. */
void engine_block_findings(struct engine *e, const struct prefix *prefix,
			   const struct engine_actor *actor, struct safety_findings *ret);

/* All that stands against a policy that was refused. To be zeroed before, ended with engine_refusal_done(). */
struct engine_refusal {
	struct safety_findings findings;
	struct policy_report *report; /* of its text; NULL = nothing is wrong with that */
};

void engine_refusal_done(struct engine_refusal *r);

/* For the files of the engine. */

/** The same for an entry to be added to the block list. A refusal is recorded. */
int lockout_check_block(struct engine *e, const struct prefix *prefix,
			const struct engine_actor *actor, struct fault *reterr);
/** For an entry to be taken off the allow list. */
int lockout_check_unallow(struct engine *e, const struct prefix *prefix,
			  const struct engine_actor *actor, struct fault *reterr);
/** For what a feed adds to the block list. Nobody can insist: the policy's caps and the allow list decide. */
int lockout_check_feed(struct engine *e, const struct prefix *adds, size_t count, const char *file,
		       struct fault *reterr);

/* Notes in pinned memory that become audit records, each once. */
struct safety_log {
	__u64 *recorded;	     /* durable, by all daemons; in pinned memory */
	uint64_t submitted, barrier; /* barrier 0 = none is under way */
};

struct safety {
	struct safety_log panic, watchdog;
	struct policy_safety caps; /* of the policy in force, or the one that is about to be */
	struct peers_gateways gateways;
	uint64_t gateways_ns;	/* CLOCK_MONOTONIC: when they were read; 0 = never */
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
/* The policy in force stays. */
void safety_abort(struct engine *e);
/* @policy is in force, and so is its watchdog from now on. */
void safety_commit(struct engine *e, const struct policy *policy);

#endif
