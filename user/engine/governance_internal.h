/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What governance.c and requests.c share. */
#ifndef ENGINE_GOVERNANCE_INTERNAL_H
#define ENGINE_GOVERNANCE_INTERNAL_H

#include <pthread.h>

#include "base/address.h"
#include "engine/errand.h"
#include "engine/governance.h"
#include "engine/retention.h"

#define GOVERNANCE_ID_SIZE 17 /* and the NUL */

/* Kinds of documents in the store. */
#define RULE	"retention"
#define HOLD	"hold"
#define REQUEST "request"

#define REQUEST_STATEMENT_MAX 2048 /* bytes */

/* Who asked for what the errand is about, and what they say. */
struct request_asked {
	uid_t uid;
	char username[33], role[16];
	char event[40], statement[REQUEST_STATEMENT_MAX + 1];
};

struct governance {
	json_t *rules, *holds, *requests; /* by category, by id, by id */
	struct retention *retention;
	uint64_t due_ns; /* CLOCK_MONOTONIC */
	bool again;	 /* a run was stopped for a new hold */
	struct errand *errand;
	pthread_mutex_t rewriting; /* who has it may replace files of the log */
	uint64_t resume_ns;	   /* CLOCK_MONOTONIC: not to erase before */
	struct request_asked asked;
	uint64_t keep_s[AUDIT_CATEGORY_MAX + 1]; /* as the policy in force says, archives last */
};

int governance_usable(const struct engine *e, struct fault *reterr);
int governance_check_text(const char *text, size_t max, const char *code, const char *what,
			  struct fault *reterr);
int governance_put(struct engine *e, const char *kind, const char *id, json_t *into, json_t *body,
		   struct fault *reterr);
int governance_new_id(char ret[static GOVERNANCE_ID_SIZE]);
/* An address in the one way that records have it. */
const char *governance_canonical(const char *subject, char ret[static ADDRESS_TEXT_SIZE]);
/* @f says whether it was refused. */
void governance_record(struct engine *e, struct audit_record *record, struct audit_details *details,
		       const struct fault *f, const struct engine_actor *actor);

/* Go on with what a daemon that died left half erased, and with what waits. */
void requests_tick(struct engine *e);
/* There is a new hold: who is being erased may be held now. */
void requests_recheck(struct engine *e);
extern const struct errand_calls REQUEST_CALLS;

#endif
