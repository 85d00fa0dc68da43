/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of this folder share: the engine itself. */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include <limits.h>
#include <pthread.h>

#include "audit/indexer.h"
#include "engine/access.h"
#include "engine/busiest.h"
#include "engine/calls.h"
#include "engine/control.h"
#include "engine/credentials.h"
#include "engine/engine.h"
#include "engine/export.h"
#include "engine/feeds.h"
#include "engine/flags.h"
#include "engine/governance.h"
#include "engine/ladder.h"
#include "engine/privacy.h"
#include "engine/safety.h"
#include "engine/seal.h"
#include "engine/telemetry.h"
#include "engine/traffic.h"
#include "engine/usage.h"

#define ENGINE_CAUSE_FORCED "the program was detached by somebody else"

/* An interface that is to be protected. Times without "real" are CLOCK_MONOTONIC. */
struct link_watch {
	struct engine_link view;
	uint64_t lost_ns, lost_real_ns;
	uint64_t back_ns; /* the interface is there and unprotected since then; 0 = it is not so */
	uint64_t retry_ns, backoff_ns;
	char cause[64];
	bool adopted;
};

struct engine {
	struct engine_options options;
	struct link_watch links[DATAPATH_LINKS_MAX]; /* by number, as the datapath has them */
	uint64_t links_due_ns, pins_due_ns;	     /* CLOCK_MONOTONIC */
	struct fault pins_fault; /* pins are missing and cannot be restored; err 0 = no */
	char audit_dir[PATH_MAX];
	char store_path[PATH_MAX];

	struct policy *policy;
	uint64_t policy_loaded_ns, started_ns;
	struct history history;
	char set_aside
		[PATH_MAX]; /* of the last change, the policy file it replaced; "" = in the history */
	bool undo_failed;   /* a record says so */
	uint64_t undo_due_ns; /* CLOCK_MONOTONIC: not to be tried before */
	struct datapath *datapath;
	pthread_mutex_t
		names; /* guards the datapath's slot names and the weights against the recorder's thread */
	struct {
		char limit[WEIR_NAME_BYTES + 1];
		uint8_t weight;
	} weights[WEIR_LIMITS_MAX]; /* of limits that are about an asset */
	size_t weight_count;
	struct store *store; /* NULL: does not work; lists then live in memory and kernel only */
	struct engine_store store_state;
	unsigned int
		recover; /* kinds (a bit each) of which the kernel's entries are to be taken back */
	struct list_set *lists;
	struct list_image
		held; /* what an earlier daemon left in the kernel, until the first policy applies */
	uint64_t
		policy_began_ns; /* CLOCK_REALTIME: lifetimes in the policy last taken count from then */
	bool lists_unknown;	 /* what the kernel holds has to be read before the next change */
	struct feeds feeds;
	struct flags flags;
	struct governance *governance;	 /* never NULL once the store was opened */
	struct credentials *credentials; /* NULL: there is no memory for it */
	struct control *control;	 /* never NULL once a policy is in force */
	struct usage *usage;		 /* NULL: there is no memory for it, or it cannot be read */
	struct vault *vault;
	uint64_t vault_due_ns;	/* CLOCK_MONOTONIC: not to be tried again before */
	uint64_t vault_refused; /* what was refused before it could be used */
	bool vault_told;	/* that it cannot be used, or could not once: there is a record */
	struct recorder *recorder;
	struct sealer *sealer;	 /* NULL: nothing is sealed */
	struct indexer *indexer; /* NULL: could not be started; searches are slow then */
	struct access access;
	struct calls calls;
	struct shipper *shipper; /* NULL: nothing is sent on */
	struct telemetry telemetry;
	struct engine_trace *trace; /* NULL: nobody traces */
	struct traffic *traffic;    /* NULL: there is no memory for it */
	uint64_t traffic_due_ns;    /* CLOCK_MONOTONIC */
	struct busiest busiest;	    /* of it, for metrics */
	struct safety safety;
	struct ladder *ladder;	 /* NULL: there is no memory for it */
	struct sockets *sockets; /* NULL: see sockets_trouble */
	struct fault sockets_trouble;
	bool detached;
	uint64_t lists_due_ns; /* CLOCK_MONOTONIC */

	uint64_t denied_ns; /* CLOCK_MONOTONIC of the last record of a refusal */
	uint64_t denied_since;
	uint64_t unwritable_ns; /* likewise, of changes that were refused for want of a log */
	uint64_t unwritable_since;
};

/* Start from what an actor is; the caller fills in the rest. */
void engine_record(struct engine *e, struct audit_record *record, const struct engine_actor *actor);

/* links.c */
/** Attach to all interfaces, or to none; those that are waited for may be missing. */
int links_attach(struct engine *e, struct fault *reterr);
/** Record what came of it. */
void links_record(struct engine *e);
/** Look at interfaces and pins if it is time to. Returns when the next time is, CLOCK_MONOTONIC. */
uint64_t links_tick(struct engine *e);

/* store.c */
/* Never fails: what is wrong is recorded, and the daemon goes on without. */
void store_start(struct engine *e);
/**
 * Take back what @image, which the kernel holds, has of @kinds and neither policy nor feeds explain. Before the
 * kernel is brought in line with the set.
 */
void store_recover(struct engine *e, const struct list_image *image, unsigned int kinds);

/* policy.c */
/** @text, or what the policy file holds if that is NULL, with a profile; NULL and "" are none. */
int policy_read(const struct engine *e, const char *text, size_t length, const char *profile,
		struct policy **ret, struct fault *reterr);
/**
 * Make *@policy the one in force: lists, feeds, datapath; on failure nothing is changed. On success it
 * belongs to the engine, and *@policy is the one before, or NULL. @must: each new feed's file can be
 * read. @image: what the policy comes to with the flags as they are now; NULL: that is to be compiled. Keeps no
 * history.
 */
int policy_enforce(struct engine *e, struct policy **policy, struct policy_image *image, bool must,
		   struct fault *reterr);

/* files.c */
#define FILES_REPLACED	  ".replaced-"	 /* behind the policy file's name; time and hash follow */
#define FILES_UNCONFIRMED ".unconfirmed" /* likewise */
#define FILES_BYTES_MAX	  (16U << 20)

/* The policy file is about to say something else. */
struct files_change {
	bool none;	       /* it does so already: it is not touched */
	char staged[PATH_MAX]; /* what takes its place, on disk */
	char from[PATH_MAX];   /* where that was; "" = it is made of the policy's text */
	char aside
		[PATH_MAX]; /* a copy of what is there, which would be lost otherwise; "" = would not */
};

/** The policy file, with what it includes, says what @policy does. */
bool files_say(const struct engine *e, const struct policy *policy);
/**
 * Have it ready, durably, that the policy file says what @policy does. What is there is kept beside if it
 * includes others, or is not the text of a generation that the store has; as FILE.unconfirmed, whatever it is, if
 * @unconfirmed. Ends with files_commit() or files_abort(). Faults: fs.read, fs.write.
 */
int files_stage(const struct engine *e, const struct policy *policy, bool unconfirmed,
		struct files_change *ret, struct fault *reterr);
int files_commit(struct engine *e, struct files_change *c, struct fault *reterr);
void files_abort(const struct files_change *c);
/** Both at once. */
int files_put(struct engine *e, const struct policy *policy, bool unconfirmed,
	      struct fault *reterr);

/* change.c */
/**
 * With the store, the lists and the datapath open: put in force what is to be, which is *@policy, what the
 * policy file holds, unless another one waits to be confirmed.
 */
int change_start(struct engine *e, struct policy **policy, struct fault *reterr);
/* Undo what was not confirmed. Whenever change_due_ns() says (CLOCK_MONOTONIC). */
void change_tick(struct engine *e);
uint64_t change_due_ns(const struct engine *e);

/* lists.c */
int lists_load(struct engine *e, struct fault *reterr);
int lists_take_policy(struct engine *e, const struct policy *policy, struct fault *reterr);
/** It came into force: keep since when its lifetimes count. */
void lists_commit(struct engine *e, const struct policy *policy);
int lists_synchronise(struct engine *e, struct fault *reterr);
void lists_expire(struct engine *e);

#endif
