/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state of a running weir and everything that changes it: policy, lists, attachment. Each change
 * takes one way: check, apply to the datapath, keep (store or policy file), record. What was enforced
 * before stays untouched if a step before the datapath fails; a failing disk afterwards never undoes
 * protection, it is reported.
 *
 * One thread, the daemon's loop, calls all of this; the recorder thread is inside.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "audit/indexer.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "datapath/datapath.h"
#include "detect/adaptive.h"
#include "detect/exhaustion.h"
#include "engine/history.h"
#include "engine/recorder.h"
#include "lists/feed.h"
#include "lists/set.h"
#include "policy/policy.h"
#include "store/store.h"

struct engine;
struct engine_refusal;

struct engine_options {
	const char *iface; /* all of them, for people: "eth0" or "eth0,eth1" */
	const char *const *ifaces;
	size_t iface_count;  /* 1 to DATAPATH_LINKS_MAX */
	bool wait_for_iface; /* start even if some are not there yet */
	const char *policy_path;
	const char *profile; /* of the policy, for every policy that is applied; NULL = none */
	const char *state_dir;
	const char *vault_key; /* where the vault's key is, vault/key.h; NULL = look for it */
	const char *pin_dir;
	bool allow_generic;
	/* Called on the recorder's thread: have engine_recorder_completions() called by the loop. */
	void (*wake)(void *userdata);
	/* Have the metrics put together, for engine_put_metrics(). */
	void (*measure)(void *userdata);
	void *userdata;
};

/* On whose behalf something is done. */
struct engine_actor {
	uid_t uid;
	const char *username; /* or the number, if it has no name */
	const char *role;     /* of identity/role.def, or "public", "system" */
	pid_t pid;    /* the process that asks, to tell whom a change would cut off; 0 = none */
	bool force;   /* does it though it would */
	bool dry_run; /* see engine_proceed() */
	const char *request_id, *trace_id; /* of the request, for its records; NULL or "" = none */
	const char *span_id; /* in the trace, of which what it does is a part; likewise */
	bool unsampled;	     /* the trace is one that nobody keeps */
};

/**
 * All is checked that can be without changing anything: may the change begin? 0; or of a dry run -EINPROGRESS, code ENGINE_DRY_RUN, and
 * what would be done in words: "make the key 'robot'". It unwinds as a refusal does, and nothing of it is recorded
 * but the request.
 */
#define ENGINE_DRY_RUN "dry_run"
int engine_proceed(const struct engine_actor *actor, struct fault *reterr, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

extern const struct engine_actor ENGINE_SYSTEM; /* the daemon itself */

/**
 * Start: check the policy, load or adopt the datapath, open store and chain, synchronise lists, apply
 * the policy, attach. Whatever fails leaves an earlier daemon's enforcement as it was.
 */
int engine_open(const struct engine_options *options, struct engine **ret, struct fault *reterr);
/** Record the stop, flush the recorder, let go. Enforcement stays. Accepts NULL. */
void engine_close(struct engine *e);
DEFINE_CLEANUP(struct engine *, engine_close)

#define ENGINE_CONFIRM_MIN_NS (NSEC_PER_SEC)
#define ENGINE_CONFIRM_MAX_NS (86400 * NSEC_PER_SEC)

/* What is asked for. */
struct engine_policy_change {
	const char *text; /* NULL = the policy file, read again */
	size_t length;
	const char *reason;  /* NULL = none; at most HISTORY_REASON_MAX bytes */
	uint32_t base;	     /* the generation that must be in force; 0 = whichever is */
	uint64_t confirm_ns; /* undo it after so long unless it is confirmed; 0 = it is for good */
	bool force;	     /* whatever checks of safety say; it is in the record */
	const char *profile; /* to read it with; NULL = the daemon's, "" = none */
	struct engine_refusal *refusal; /* filled if it is refused; NULL = not wanted */
};

/**
 * Check the text and put it in force as a new generation. The policy file says the same then (user/engine/files.c):
 * at once, or when it is confirmed. What is refused changes nothing. Each attempt is two audit records.
 * Faults: policy.stale (-ESTALE: another generation is in force than @base), policy.pending (-EBUSY: one
 * waits to be confirmed), policy.reason, policy.confirm_time, those of policy_parse() and
 * policy_compile(), of feeds, fs.write, and of the datapath.
 */
int engine_change_policy(struct engine *e, const struct engine_policy_change *change,
			 const struct engine_actor *actor, struct fault *reterr);
/** The same with the policy file, for good. */
int engine_reload(struct engine *e, const struct engine_actor *actor, struct fault *reterr);
/**
 * Put the text of @generation in force again with its profile, as a new generation, for good; 0 = of the one before. Also
 * while another waits to be confirmed, which that ends. Faults: policy.generation (-ENOENT: the history
 * does not have it) and those above.
 */
int engine_rollback(struct engine *e, uint32_t generation, const char *reason, uint32_t base,
		    const struct engine_actor *actor, struct fault *reterr);
/**
 * The policy in force, which is @generation, is for good, and becomes the content of the policy file.
 * Faults: policy.not_pending (-EPERM), policy.stale (-ESTALE), fs.write: it still waits then.
 */
int engine_confirm(struct engine *e, uint32_t generation, const struct engine_actor *actor,
		   struct fault *reterr);
const struct history *engine_history(const struct engine *e);
/** Where the policy file is that the last change replaced; "": it is not lost, or none was. */
const char *engine_set_aside(const struct engine *e);

struct engine_list_request {
	enum list_kind kind;
	struct prefix prefix;
	uint64_t ttl_ns;    /* 0 = for ever */
	const char *reason; /* NULL = none */
};

/**
 * Add or replace an operator's entry. *@ret_persisted: it will also survive a reboot; false if the store
 * cannot be written, which does not keep the entry from taking effect.
 */
int engine_list_add(struct engine *e, const struct engine_list_request *request,
		    const struct engine_actor *actor, bool *ret_persisted, struct fault *reterr);
/** -ENOENT "lists.absent": no such entry; -EPERM "lists.policy": only the policy file holds it. */
int engine_list_remove(struct engine *e, enum list_kind kind, const struct prefix *prefix,
		       const struct engine_actor *actor, bool *ret_persisted, struct fault *reterr);

/* A feed of the policy in force. */
struct engine_feed {
	const char *name, *file;
	enum list_kind kind;
	unsigned int id; /* as in struct list_key */
	bool read;	 /* at least once; the report and what follows are of the last time */
	uint64_t read_ns, until_ns; /* CLOCK_REALTIME */
	size_t entries, added, removed;
	struct feed_report report;
	struct fault error; /* why the file as it is now is not in force; err 0 = it is */
	uint64_t error_ns;  /* CLOCK_REALTIME */
};

/** By number, counted from 0; NULL: there are no more. Valid until the next change. */
const struct engine_feed *engine_feed(const struct engine *e, size_t index);

/* A limit of the datapath, as it is at this moment. */
struct engine_limit {
	const struct policy_limit *rule; /* the policy's words; several limits may come from one */
	bool in_force;			 /* as its schedule and its flag say */
	bool off;			 /* rolled out to nobody */
	bool flag_off;			 /* its flag is off, or on for nobody */
	int64_t changes_at; /* seconds since 1970: when in_force does; INT64_MAX = not soon */
	const struct adaptive *adaptive; /* NULL = is not */
	const struct exhaustion *exhaustion;
	uint64_t exhausted_since_ns; /* CLOCK_REALTIME; meaningful unless normal */
};

/** By its index in datapath_limits(); false: there is none. Valid until the next change. */
bool engine_limit(const struct engine *e, size_t index, struct engine_limit *ret);

/**
 * The number that limits from the rule @name are to follow from now on. *@ret_recorded: it has an audit
 * record, as the first one has, and one that lies on the other side of the target or comes from
 * somebody else. Faults: limits.absent (-ENOENT), limits.target (-EPERM: it follows something else),
 * limits.value (-ERANGE).
 */
int engine_post_target(struct engine *e, const char *name, uint64_t value,
		       const struct engine_actor *actor, bool *ret_recorded, struct fault *reterr);

enum engine_link_state {
	ENGINE_LINK_ATTACHED,
	ENGINE_LINK_ABSENT,  /* there is no such interface; it is attached to as soon as there is */
	ENGINE_LINK_REFUSED, /* it is there and cannot be attached to: tried again and again */
	ENGINE_LINK_AWAY,    /* in another network namespace, protected, out of our sight */
	ENGINE_LINK_DETACHED, /* by an operator */
	ENGINE_LINK_STATE_MAX,
};

const char *engine_link_state_to_str(enum engine_link_state state);

/* An interface that is to be protected. */
struct engine_link {
	const char *asked; /* the name at start */
	char name[16];	   /* what it is called now, or was last */
	uint32_t ifindex;  /* likewise */
	enum engine_link_state state;
	enum datapath_mode mode; /* DATAPATH_DETACHED unless attached */
	uint64_t since_ns;	 /* CLOCK_REALTIME: of the state */
	uint64_t losses;	 /* how often it was lost while this daemon runs */
	uint64_t gap_ns;	 /* gaps that have ended; see engine_link_gap_ns() */
	struct fault error;	 /* why it is refused */
};

/** By number, counted from 0; NULL: there are no more. Valid until the next change. */
const struct engine_link *engine_link(const struct engine *e, size_t index);
/** How long it was there and unprotected while this daemon ran, up to now. */
uint64_t engine_link_gap_ns(const struct engine *e, size_t index);
/** Of all interfaces the least: none if one is unprotected. */
enum datapath_mode engine_attach_mode(const struct engine *e);
/** Why pins are missing that cannot be restored; NULL: none are. */
const char *engine_pins_trouble(const struct engine *e);
/** The kernel says that some interface changed. */
void engine_links_changed(struct engine *e);
/** End enforcement on one interface; on the last one, as engine_detach(). -ENOENT "engine.interface". */
int engine_detach_link(struct engine *e, const char *iface, const struct engine_actor *actor,
		       struct fault *reterr);

/** Detach and remove all pins. After this only engine_close() makes sense. */
int engine_detach(struct engine *e, const struct engine_actor *actor, struct fault *reterr);
bool engine_is_detached(const struct engine *e);

/**
 * Record that @actor reads the audit log: @what ("events") by @criteria. Once for what somebody goes on asking, page
 * after page. -EAGAIN "audit.rate": so many different questions came at once that this one cannot be recorded; do not
 * answer it.
 */
int engine_audit_read(struct engine *e, const struct engine_actor *actor, const char *what,
		      const struct audit_details *criteria, struct fault *reterr);

/** How the indexes of the log come along; why they do not. */
void engine_index_stats(const struct engine *e, struct indexer_stats *ret);

/* A request that was answered. The strings of actor.role and operation live for ever. */
struct engine_call {
	struct engine_actor actor;
	const char *credential; /* "key 1a2b3c4d", "session ..."; "": none was shown */
	const char *operation;	/* of api/route.def; "none": there is no such route */
	unsigned int status;	/* of HTTP */
	bool may_change;	/* it was allowed something that may change something */
	bool dry_run;		/* and did not, as it only asked what it would do */
	uint64_t duration_us;	/* until the answer was on its way */
	const char *request_id, *trace_id;
};

/** Every request ends here: see engine/calls.h. */
void engine_called(struct engine *e, const struct engine_call *call);

/** Record that @actor was refused @what, by @rule of the policy or NULL. At most one record per second; the others are counted in
 * it. */
void engine_denied(struct engine *e, const struct engine_actor *actor, const char *what,
		   const char *rule);

#define ENGINE_REPORT_WORD_MAX 64 /* bytes */

/* What a report of the log is asked to be about, in the words of whoever asks. */
struct engine_report {
	const char *since, *until, *framework, *format;
};

/** Record that @actor is about to have one made. Faults: audit.refused (-EBUSY: nothing can be recorded). */
int engine_reported(struct engine *e, const struct engine_report *report,
		    const struct engine_actor *actor, struct fault *reterr);

/**
 * May something be changed now, as far as the audit log is concerned? 0; -ENOSPC "audit.unwritable": it cannot be
 * written, and the policy says to refuse changes then (audit.on_full). The refusal becomes a record of @what once
 * it can; at most one per second, the others are counted in it.
 */
int engine_may_change(struct engine *e, const struct engine_actor *actor, const char *what,
		      struct fault *reterr);

/**
 * Whatever is due: expire list entries, look at the files of feeds, at schedules, at what adaptive limits
 * follow, at limits that ran out of room. Returns in how many ms it wants to be called again: 1 to 500.
 */
uint64_t engine_tick(struct engine *e);
void engine_recorder_completions(struct engine *e);

/* For views. Pointers are valid until the next change. */
const struct engine_options *engine_options(const struct engine *e);
struct datapath *engine_datapath(const struct engine *e);
const struct list_set *engine_lists(const struct engine *e);
const struct policy *engine_policy(const struct engine *e);
struct recorder *engine_recorder(const struct engine *e);
bool engine_store_works(const struct engine *e);

/* How the database was found when the daemon started. */
struct engine_store {
	struct fault fault; /* why it was lost or cannot be used; err 0 = it was in order */
	char set_aside[64]; /* the damaged one, its name in the state directory; "" = none */
	size_t recovered;   /* list entries that were taken back from the kernel since */
};

const struct engine_store *engine_store_state(const struct engine *e);
uint64_t engine_started_ns(const struct engine *e);	  /* CLOCK_REALTIME */
uint64_t engine_policy_loaded_ns(const struct engine *e); /* CLOCK_REALTIME */
const char *engine_audit_dir(const struct engine *e);
/* What readers of the log open sealed values with: reader_set_opener(). */
const struct personal_opener *engine_audit_opener(const struct engine *e);

#endif
