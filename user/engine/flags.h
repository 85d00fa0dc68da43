/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flags at run time. What an operator sets of a flag holds instead of what the policy says of that, until
 * it is unset or its time is over; what was not set is as the policy says. It is kept in the store and
 * survives restarts and reboots. What was set of a flag that the policy no longer has is kept, too: it is
 * orphaned and not in force.
 *
 * Switching a flag on or off is one word of the live policy; what changes whom it is on for, or a flag
 * that some limit has inverted, is a new generation. Either way a packet finds all limits of a flag as
 * they were or all as they are, and limits keep their state. While no daemon runs nothing changes:
 * what ended in the meantime ends when the next one starts.
 */
#ifndef ENGINE_FLAGS_H
#define ENGINE_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "policy/flags.h"

#define FLAG_SETTINGS_MAX 128 /* orphaned ones included */
#define FLAG_SOURCES_MAX                                                                           \
	32 /* prefixes that one flag is given at run time; WEIR_TARGETS_MAX in all */
#define FLAG_TENANTS_MAX 32
#define FLAG_REASON_MAX	 256 /* bytes */

/* What an operator set of a flag. */
struct flag_setting {
	char name[POLICY_NAME_MAX + 1];
	bool has_enabled, has_rollout, has_sources, has_tenants; /* the others are the policy's */
	bool enabled;
	uint16_t permille;
	struct prefix sources[FLAG_SOURCES_MAX]; /* as they were given */
	size_t source_count;
	char tenants[FLAG_TENANTS_MAX][POLICY_NAME_MAX + 1]; /* which the policy may not have */
	size_t tenant_count;
	uint64_t until_ns; /* CLOCK_REALTIME, or STORE_FOREVER */
	uint64_t set_ns;   /* CLOCK_REALTIME */
	char reason[FLAG_REASON_MAX + 1];
	char set_by[33];
};

/* Words as they came; what is not given stays as it is. */
struct engine_flag_change {
	bool has_enabled, enabled;
	const char *rollout; /* "25%"; NULL = not given */
	bool has_sources, has_tenants;
	const char *const *sources, *const *tenants;
	size_t source_count, tenant_count;
	const char *ttl;    /* "2h"; NULL = not given */
	bool for_ever;	    /* instead of a ttl */
	const char *reason; /* NULL = none */
};

/**
 * Set the flag @name of the policy. *@ret_persisted: it will survive a restart. Faults: flags.absent
 * (-ENOENT), flags.expired (-EPERM: the policy says it is over), flags.rollout, flags.source,
 * flags.tenant, flags.ttl, flags.empty, flags.reason (-EINVAL and -ERANGE), flags.many (-E2BIG), and those of
 * policy_compile() and datapath_apply_policy(). A refused change changes nothing and is recorded.
 */
int engine_flag_set(struct engine *e, const char *name, const struct engine_flag_change *change,
		    const struct engine_actor *actor, bool *ret_persisted, struct fault *reterr);
/** Back to what the policy says. flags.absent: no such flag; flags.unset (-ENOENT): nothing was set. */
int engine_flag_unset(struct engine *e, const char *name, const struct engine_actor *actor,
		      bool *ret_persisted, struct fault *reterr);

/* A flag as it is at this moment: one of the policy, or an orphaned setting. */
struct engine_flag {
	const char *name;
	const struct policy_flag *policy;   /* NULL: orphaned */
	const struct flag_setting *setting; /* NULL: as the policy says */
	bool enabled, expired;
	uint16_t permille;
};

/** The policy's by number, from 0, then the orphaned ones; false: there are no more. Valid until the
 * next change. */
bool engine_flag(const struct engine *e, size_t index, struct engine_flag *ret);

/** Whether @limit, a rule of the policy in force, applies to packets of @source as far as its flag goes;
 * packets to a tenant's addresses are that tenant's, which the source does not tell. */
bool engine_flag_applies(const struct engine *e, const struct policy_limit *limit,
			 const uint8_t source[static 16]);

/* For the engine's files. */

struct flags {
	struct flag_setting *settings[FLAG_SETTINGS_MAX]; /* by name */
	size_t count;
	uint64_t expired; /* the policy's, by number, whose end has taken effect */
	uint64_t due_ns;  /* CLOCK_MONOTONIC: when to look again */
};

/* What was set by earlier daemons, for @policy, which is to be applied. Without a store there is nothing. */
void flags_load(struct engine *e, const struct policy *policy);
void flags_done(struct engine *e);
/** Compile @policy with its flags as they are set now. */
int flags_compile(const struct engine *e, const struct policy *policy, struct policy_image **ret,
		  struct fault *reterr);
/* @policy, compiled just now, is in force. */
void flags_commit(struct engine *e, const struct policy *policy);
/* Once in a while: end what is over. */
void flags_tick(struct engine *e);

#endif
