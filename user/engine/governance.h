/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long records of the audit log are kept, by category, and what is held whatever its age. What is past its time is
 * archived and taken out by a thread of its own, once a day or when asked (retention.c). Without a store there are
 * no rules, and nothing expires.
 */
#ifndef ENGINE_GOVERNANCE_H
#define ENGINE_GOVERNANCE_H

#include <jansson.h>

#include "engine/engine.h"

#define GOVERNANCE_KEEP_MAX_S  (100ULL * 365 * 86400)
#define GOVERNANCE_HOLDS_MAX   256
#define GOVERNANCE_SUBJECT_MAX 256 /* bytes */
#define GOVERNANCE_REASON_MAX  256 /* bytes */

struct governance;

/* A hold: everything that matches all of it. */
struct governance_hold {
	const char *category; /* NULL = all */
	int64_t since, until; /* CLOCK_REALTIME in seconds, of the record; 0 = no bound */
	const char *subject;  /* an address or a name that the record has; NULL = whoever */
	const char *reason;
};

/** Keep records of @category for @keep_s; 0 = for ever. Recorded, refused or not. Faults: retention.category,
 * retention.keep, retention.reason (-EINVAL), store.none (-EIO), those of the store. */
int engine_retention_set(struct engine *e, const char *category, uint64_t keep_s,
			 const char *reason, const struct engine_actor *actor,
			 struct fault *reterr);
/** Begin to take out what is past its time. -EBUSY "retention.busy"; -EIO "retention.start". */
int engine_retention_apply(struct engine *e, const struct engine_actor *actor,
			   struct fault *reterr);
/** Hold records, from the moment of return. *@ret_id is valid until it is removed. Faults: hold.category, hold.time,
 * hold.subject, hold.reason (-EINVAL), hold.many (-E2BIG), as above. */
int engine_hold_add(struct engine *e, const struct governance_hold *hold,
		    const struct engine_actor *actor, const char **ret_id, struct fault *reterr);
/** -ENOENT "hold.absent". */
int engine_hold_remove(struct engine *e, const char *id, const char *reason,
		       const struct engine_actor *actor, struct fault *reterr);

/* What a data subject asks for. */
struct governance_request {
	const char *kind;      /* "access", "export", "erase", "rectify" */
	const char *subject;   /* an address or a name */
	const char *reason;    /* NULL = none */
	bool keep_lists;       /* erase: list entries stay, as enforcement needs them */
	const char *event;     /* rectify: the event_id of the record */
	const char *statement; /* rectify: what is right */
};

/**
 * Write a request down and do what it asks. *@ret_id is valid until the daemon ends. A thread does it after the return:
 * the request says what became of it in its "state": "finding" or "erasing", and in the end "done", "incomplete" (something
 * that is named in "left" could not be erased, or "kept" records name them) or "refused". "configured" are places
 * that operators have to see to. Faults: request.busy (-EBUSY), request.kind, request.subject, request.reason, request.statement, request.event
 * (-EINVAL), request.held (-EPERM), request.many (-E2BIG), those of the vault and the store.
 */
int engine_request(struct engine *e, const struct governance_request *request,
		   const struct engine_actor *actor, const char **ret_id, struct fault *reterr);
/** A request; NULL: there is none with this id. */
json_t *engine_request_json(const struct engine *e, const char *id);
json_t *engine_requests_json(const struct engine *e);
/**
 * May records about @subject be read for the request @id, to access or export? That they are is recorded (engine_audit_read()).
 * Faults: request.absent (-ENOENT), audit.rate.
 */
int engine_request_read(struct engine *e, const char *id, const char *subject,
			const struct engine_actor *actor, struct fault *reterr);

/** {"items": [...], "run": {...}} and {"items": [...]}; the caller's reference. NULL: no memory. */
json_t *engine_retention_json(struct engine *e);
json_t *engine_holds_json(const struct engine *e);

/* For the engine itself. */
void governance_start(struct engine *e);
void governance_tick(struct engine *e);
/* Another policy came into force. */
void governance_take_policy(struct engine *e);
/* End what runs; accepts NULL. The recorder has to work still; governance_free() when it was stopped. */
void governance_stop(struct governance *g);
void governance_free(struct governance *g);

#endif
