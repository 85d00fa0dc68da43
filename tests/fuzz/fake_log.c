/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is asked for around the log: its vault, retention, data subjects, anchors, risk and reports. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "engine/anchor.h"
#include "engine/governance.h"
#include "engine/privacy.h"
#include "engine/subject.h"
#include "fake_engine.h"
#include "fuzz.h"
#include "vault/query.h"

int engine_retention_set(struct engine *e, const char *category, uint64_t keep_s,
			 const char *reason, const struct engine_actor *actor, struct fault *reterr)
{
	(void)e;
	(void)keep_s;
	(void)reason;
	(void)actor;
	return fault(reterr, -EINVAL, "retention.category", "there is no category '%.40s'",
		     category);
}

int engine_retention_apply(struct engine *e, const struct engine_actor *actor, struct fault *reterr)
{
	(void)e;
	(void)actor;
	return fault(reterr, -EBUSY, "retention.busy", "records are being taken out now");
}

int engine_hold_add(struct engine *e, const struct governance_hold *hold,
		    const struct engine_actor *actor, const char **ret_id, struct fault *reterr)
{
	(void)e;
	(void)actor;
	(void)reterr;
	REQUIRE(hold->since >= 0 && hold->until >= 0, "a time before 1970");
	*ret_id = "0011223344556677";
	return 0;
}

int engine_hold_remove(struct engine *e, const char *id, const char *reason,
		       const struct engine_actor *actor, struct fault *reterr)
{
	(void)e;
	(void)reason;
	(void)actor;
	return fault(reterr, -ENOENT, "hold.absent", "there is no hold '%.40s'", id);
}

json_t *engine_retention_json(struct engine *e)
{
	(void)e;
	return json_object();
}

json_t *engine_holds_json(const struct engine *e)
{
	(void)e;
	return json_object();
}

int engine_anchor(struct engine *e, const struct engine_anchor *anchor,
		  const struct engine_actor *actor, struct fault *reterr)
{
	(void)e;
	(void)anchor;
	(void)actor;
	return fault(reterr, -EINVAL, "anchor.target", "it was handed to nobody");
}

/* It streams files, of which there are none. */
void handle_trace(struct call *c)
{
	reply_problem(c, 503, "trace.none", "there are no packets");
}

void handle_trace_end(struct call *c)
{
	reply_problem(c, 404, "trace.none", "nobody traces");
}

void handle_events(struct call *c)
{
	reply_problem(c, 503, "audit.read", "there is no log");
}

void handle_audit_export(struct call *c)
{
	reply_problem(c, 503, "audit.read", "there is no log");
}

struct vault *engine_vault(const struct engine *e)
{
	(void)e;
	return NULL;
}

int vault_mean(struct vault *v, struct audit_query *q, struct vault_meant *ret,
	       struct fault *reterr)
{
	(void)v;
	(void)q;
	(void)ret;
	(void)reterr;
	return 0;
}

void vault_meant_done(struct vault_meant *m)
{
	(void)m;
}

void vault_name_actors(struct vault *v, struct audit_stats *s)
{
	(void)v;
	(void)s;
}

int engine_request(struct engine *e, const struct governance_request *request,
		   const struct engine_actor *actor, const char **ret_id, struct fault *reterr)
{
	(void)e;
	(void)actor;
	(void)ret_id;
	return fault(reterr, -EINVAL, "request.kind", "'%.40s' is none", request->kind);
}

json_t *engine_request_json(const struct engine *e, const char *id)
{
	(void)e;
	(void)id;
	return NULL;
}

json_t *engine_requests_json(const struct engine *e)
{
	(void)e;
	return json_object();
}

int engine_request_read(struct engine *e, const char *id, const char *subject,
			const struct engine_actor *actor, struct fault *reterr)
{
	(void)e;
	(void)subject;
	(void)actor;
	return fault(reterr, -ENOENT, "request.absent", "there is no request '%.40s'", id);
}

int subject_read(const char *audit_dir, struct vault *v, const struct personal_opener *opener,
		 const char *subject, uint64_t from, const struct subject_waiter *waiter,
		 struct subject_page *ret, struct fault *reterr)
{
	(void)audit_dir;
	(void)v;
	(void)opener;
	(void)subject;
	(void)from;
	(void)waiter;
	(void)ret;
	return fault(reterr, -ENOENT, "audit.read", "there is no log");
}

static const struct risk_source risk = {.points = 60000, .level = RISK_MEDIUM, .events = 3};

size_t recorder_risk_list(struct recorder *r, enum risk_level level, struct risk_source *ret,
			  size_t size)
{
	(void)r;
	if (size && level <= risk.level)
		*ret = risk;
	return level <= risk.level;
}

bool recorder_risk_of(struct recorder *r, const uint8_t source[static 16], struct risk_source *ret)
{
	(void)r;
	*ret = risk;
	memcpy(ret->source, source, sizeof(ret->source));
	return source[15] & 1;
}

void recorder_risk_count(struct recorder *r, uint64_t ret[static RISK_LEVEL_MAX])
{
	(void)r;
	memset(ret, 0, RISK_LEVEL_MAX * sizeof(ret[0]));
	ret[risk.level] = 1;
}
