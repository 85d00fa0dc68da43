/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Policies that were in force, newest last: who put them there, when, why and how, and their texts; and
 * the one that still has to be confirmed. Kept in the store; what the store does not take is kept in
 * memory, and says so (struct history_item.persisted). Decides nothing about policies.
 *
 * A policy is written down before it is put in force, as HISTORY_BEGUN, so that whoever starts after a
 * crash can tell from the datapath's generation whether it was. One that is unconfirmed while nothing waits to
 * be confirmed, as after a backup was restored, counts as undone.
 */
#ifndef ENGINE_HISTORY_H
#define ENGINE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "policy/policy.h"
#include "store/store.h"

#define HISTORY_MAX	   100		 /* generations */
#define HISTORY_BYTES_MAX  (64ULL << 20) /* of texts; the policy in force and the one before stay */
#define HISTORY_REASON_MAX 256		 /* bytes */

enum history_how {
	HISTORY_START,	   /* the daemon started */
	HISTORY_RELOAD,	   /* the policy file was read again */
	HISTORY_APPLY,	   /* a text was given */
	HISTORY_CONFIRM,   /* likewise, and confirmed in time */
	HISTORY_ROLLBACK,  /* an operator went back to a former one */
	HISTORY_AUTOMATIC, /* nobody confirmed the one before */
	HISTORY_HOW_MAX,
};

enum history_state {
	HISTORY_BEGUN, /* being put in force */
	HISTORY_UNCONFIRMED,
	HISTORY_IN_FORCE,
	HISTORY_FORMER,
	HISTORY_UNDONE, /* nobody confirmed it */
	HISTORY_STATE_MAX,
};

const char *history_how_str(enum history_how how);	 /* "automatic_rollback" */
const char *history_state_str(enum history_state state); /* "in_force" */

struct history_item {
	uint32_t generation, parent; /* parent 0 = none */
	char sha256[POLICY_SHA256_HEX_SIZE];
	size_t length;
	uid_t uid;
	char username[33];
	char reason[HISTORY_REASON_MAX + 1];
	uint64_t applied_ns; /* CLOCK_REALTIME */
	/* That the text was read with, and what a new start of that daemon would have taken; "" = none. */
	char profile[POLICY_NAME_MAX + 1], daemon_profile[POLICY_NAME_MAX + 1];
	bool profile_known; /* false: made by a weir that kept neither */
	enum history_how how;
	enum history_state state;
	bool persisted;
	char *text; /* NULL = the store has it */
};

/* The policy in force is undone at until_boot_ns unless it is confirmed before. */
struct history_pending {
	bool is;		/* there is one */
	uint32_t generation;	/* in force */
	uint32_t asked;		/* what the operator was told; a restart gives another one */
	uint32_t former;	/* to go back to */
	uint64_t until_boot_ns; /* CLOCK_BOOTTIME */
	uint64_t since_real_ns, until_real_ns;
	bool persisted;
};

struct history {
	struct history_item items[HISTORY_MAX + 1]; /* by generation, ascending */
	size_t count;
	struct history_pending pending;
	struct store *store; /* NULL: does not work */
};

/** Read what @store (may be NULL) has. On failure the history is empty, and kept in memory only. */
int history_open(struct history *h, struct store *store, struct fault *reterr);
void history_done(struct history *h);

/** NULL: is not known, or not any more. Valid until the next change. */
const struct history_item *history_find(const struct history *h, uint32_t generation);
/** What was in force last, not counting what is being put in force; NULL: nothing. */
const struct history_item *history_current(const struct history *h);
uint32_t history_last_generation(const struct history *h); /* 0 = none */
/** What was in force before the current one, with another text or profile; NULL: nothing is known. */
const struct history_item *history_former(const struct history *h);
/** The text and a NUL, the caller's to free. -ENOENT "policy.generation"; store.io. */
int history_text(const struct history *h, uint32_t generation, char **ret, size_t *ret_length,
		 struct fault *reterr);

/**
 * @item (without its text) is about to be put in force; @pending, if it has to be confirmed: a copy is
 * kept. Never fails: what cannot be kept in the store is kept in memory.
 */
void history_begin(struct history *h, const struct history_item *item, const char *text,
		   const struct history_pending *pending);
/* It could not be. */
void history_abort(struct history *h, uint32_t generation);
/* It is. What was in force becomes @before: former or undone. Old ones are forgotten. */
void history_commit(struct history *h, uint32_t generation, enum history_state before);
/* The pending one was confirmed. */
void history_confirm(struct history *h);
/** Both are of the same text, and of the same profile as far as is known. */
bool history_is_same(const struct history_item *a, const struct history_item *b);
/** How long the pending one still has; 0 = no longer. */
uint64_t history_pending_left_ns(const struct history *h);

#endif
