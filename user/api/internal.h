/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the handlers share. */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include <jansson.h>

#include "api/api.h"
#include "api/correlate.h"
#include "api/http.h"
#include "api/idempotency.h"
#include "api/meter.h"
#include "api/version.h"
#include "engine/credentials.h"
#include "engine/safety.h"
#include "identity/allowance.h"
#include "identity/role.h"
#include "lists/set.h"
#include "metrics/metrics.h"

struct api {
	struct api_options options;
	struct engine *engine;
	int control_fd, metrics_fd; /* -1 = none, or handed to its server */
	struct http_server *control, *metrics;
	struct allowance allowance;
	struct jobs *jobs;
	struct tracing *tracing;
	struct in_flight *in_flight;
	struct meter meter;
	bool detach_when_sent;
};

/* A request on its way through its handler. */
struct call {
	struct api *api;
	struct engine *engine;
	const struct http_request *request;
	struct http_response *response;
	uint64_t began_real_ns; /* CLOCK_REALTIME */
	struct engine_actor actor;
	uint32_t roles;			     /* of whoever asks, a set: identity/role.h */
	struct allowance_answer allowed;     /* how many requests the user has left */
	struct engine_credential credential; /* the key or session that narrows them */
	struct correlation correlation;
	enum api_version version;
	const char *path;      /* behind the version */
	const char *operation; /* of route.def; NULL: none was found */
	const char *route;     /* likewise, its path */
	const char *step_up;   /* of the route, in words */
	bool may_change;       /* it was let through to one that may change something */
	const char *fields;    /* ?fields=, checked; NULL: all of the answer */
	unsigned int headers;  /* of the answer, how many are not its handler's */
	struct idempotency idempotency;
	const char *rest; /* of the path, from the route's first parameter on; "" = it has none */
};

/* entry.c: for http_options. */
void entry_control(const struct http_request *request, struct http_response *response, void *api);
void entry_metrics(const struct http_request *request, struct http_response *response, void *api);
void entry_hold(void (*release)(bool durable, void *token), void *token, void *api);
void entry_released(struct http_response *response, bool durable, void *api);
void entry_completed(const struct http_response *response, void *api);
/* routes.c: find the handler and whether it may be asked. */
void dispatch(struct call *c);

/* authorize.c. These answer themselves and return -errno if the answer is no. */
/** Read what the request shows: a key, a token, or nothing. */
int authenticate(struct call *c);
/** May it be asked? @tenant: that it is about, or NULL. */
int authorize(struct call *c, enum identity_permission permission, const char *tenant);
/** The same, once it is known which @prefix of a list it is about. */
int authorize_prefix(struct call *c, enum identity_permission permission,
		     const struct prefix *prefix);
/** Take the one-time password, if the user is enrolled. */
int step_up(struct call *c);
/* Whether something may be seen besides; answers nothing. */
bool call_may(const struct call *c, enum identity_permission permission);
/* As reply_fault(), with 401, 403 and 429 for what is about keys and sessions. */
void reply_credential_fault(struct call *c, const struct fault *f);

/* body.c: the body, an object with members of these @names only; an empty body is one without. Answers itself and returns NULL if
 * it is anything else. */
json_t *body_read(struct call *c, const char *const *names, size_t count);

/* Answer with @body, whose reference is taken; NULL becomes a 500. */
void reply_json(struct call *c, unsigned int status, json_t *body);
/* As reply_json(), once the audit record of the change is durable; "audit" is added then. */
void reply_changed(struct call *c, unsigned int status, json_t *body);
void reply_text(struct call *c, const char *content_type, struct text *body);
/* Add a member to the object that an answer is. */
void reply_add(struct http_response *response, const char *key, const char *value);
/* Make the answer one of the call's version, with no more than its fields. */
void reply_finish(struct call *c);
void reply_problem(struct call *c, unsigned int status, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same with @members (may be NULL), which become members of the problem, too; the reference is taken. */
void reply_problem_with(struct call *c, unsigned int status, const char *code, const char *detail,
			json_t *members);
/* The problem that a fault is, or of a dry run what would be done, with the status that fits its errno. */
void reply_fault(struct call *c, const struct fault *f);
/* The same with all that stands against a policy: "findings" and "diagnostics". Ends @refusal. */
void reply_refusal(struct call *c, const struct fault *f, struct engine_refusal *refusal);
json_t *json_findings(const struct safety_findings *findings);

/* A time as RFC 3339; a deadline of WEIR_FOREVER is null. */
json_t *json_time(uint64_t real_ns);
json_t *json_list_entry(const struct engine *e, const struct list_entry *entry);
/* Entries in force that cover @address; of @kind, or of both if it is negative. */
json_t *json_covering(const struct engine *e, const uint8_t address[static 16], int kind);
json_t *json_list_count(const struct engine *e, enum list_kind kind);

/* status.c, for the metrics. Whether the interface is protected; what the datapath says of its events, and how many bytes
 * of the ring are used. */
bool is_protected(const struct engine_link *link);
void read_events(const struct engine *e, struct weir_event_count *ret, uint64_t *ret_delivered,
		 uint64_t *ret_used);

/* limits.c, for the status and the metrics. Room for sources, and limits that have run out of it; limits
 * that are not in force now; limits that follow a target. */
json_t *json_state(const struct engine *e);
json_t *json_waiting(const struct engine *e);
json_t *json_adaptive_limits(const struct engine *e);
/* flags.c, likewise: flags that are not all as the policy says; by whom and why is for members. */
json_t *json_flags_set(const struct call *c);
void put_flags(struct metrics *m, struct call *c);
void put_limits(struct metrics *m, struct call *c);
void put_limit_bounds(struct metrics *m, struct call *c);
void put_cells(struct metrics *m, struct call *c);

/* policy.c: what waits to be confirmed, and how long still; or null. */
json_t *json_pending(const struct engine *e);
void put_pending(struct metrics *m, const struct engine *e);

/* rules.c: the policy's rules of access that the caller may see. */
json_t *json_rules(const struct call *c);
/* timing.c: what packets cost; null: the policy does not ask for it. */
json_t *json_timing(const struct engine *e);
void put_timing(struct metrics *m, struct call *c);

/* tenants.c: their quotas. */
void put_tenants(struct metrics *m, struct call *c);

/* vault.c: its state, and why it cannot be used. */
json_t *json_vault(const struct engine *e);

/* panic.c: what the panic switch and the watchdog say; null: nothing. */
json_t *json_panic(const struct engine *e);
json_t *json_watchdog(const struct engine *e);
void put_safety(struct metrics *m, struct call *c);

/* export.c: the targets that records are sent on to. */
json_t *json_exports(const struct engine *e);
struct audit_query;
/* audit.c: ?@name, ?@name=true, ?@name=false; and criteria. */
int read_switch(struct call *c, const char *name, bool *ret);
/* The arguments that are criteria, as a query and as details of a record. Answers itself if one is bad. */
int read_query(struct call *c, struct audit_query *q, struct audit_details *ret_asked);

/* telemetry.c: a request as a span. What is kept of it until it is answered lives for ever; and what is sent. */
struct request_span {
	bool wanted;
	const char *method, *route, *version; /* route NULL: there is none */
	uint64_t start_ns;
};
void request_span_begin(const struct call *c, struct request_span *ret);
void request_span_end(struct api *a, const struct request_span *s,
		      const struct correlation *correlation, const struct engine_call *call);
json_t *json_otlp(const struct engine *e);
void put_otlp(struct metrics *m, struct call *c);

struct ship_stats;
/* Durable records that are still to be looked at for this target. */
uint64_t export_lag(const struct engine *e, const struct ship_stats *s);
void put_exports(struct metrics *m, struct call *c);
void put_vault(struct metrics *m, struct call *c);

/* seal.c: how far the signed checkpoint of the audit log is. */
json_t *json_checkpoint(const struct engine *e);
void put_checkpoint(struct metrics *m, struct call *c);
/* drops.c: whether drops and connections are watched, and why not. */
json_t *json_watching(const struct engine *e);
/* source.c, in JSON as text: what was dropped of @source lately, items of a list; *@ret_dropped: really, or by a policy that
 * only watches. */
void source_put_recent(struct text *t, struct call *c, const uint8_t source[static 16],
		       bool *ret_dropped);
/* What the datapath would say to this source's next packet, as far as the source alone decides; and the entry that does,
 * if one does. */
const char *source_verdict(const struct engine *e, const uint8_t source[static 16], bool over,
			   bool dropped, struct list_entry *ret_entry, bool *ret_listed);
/* The command that lets the source through; null if nothing stops it. @entry: that lists it, or NULL. */
void source_put_undo(struct text *t, const struct list_entry *entry, const char *address,
		     const char *verdict);
/* risk.c: how many sources there are of each level of risk. */
void put_risk(struct metrics *m, struct call *c);

/* tail.c: the type of stream that Accept names; NDJSON unless it is text/event-stream. */
bool wants_events(const struct call *c);
/* ?limit=, within 1 and @max; @fallback if absent. Answers itself and returns -EINVAL if it is bad. */
int read_limit_argument(struct call *c, uint32_t fallback, uint32_t max, uint32_t *ret);

void handle_status(struct call *c);
void handle_roles(struct call *c);
void handle_openapi(struct call *c);
void handle_versions(struct call *c);
void handle_version(struct call *c);
void handle_compatibility(struct call *c);
void handle_metrics(struct call *c);
void handle_limits(struct call *c);
void handle_limit_put(struct call *c);
void handle_tenants(struct call *c);
void handle_tenant_get(struct call *c);
void handle_tenant_usage(struct call *c);
void handle_source(struct call *c);
void handle_top(struct call *c);
void handle_explain(struct call *c);
void handle_trace(struct call *c);
void handle_trace_end(struct call *c);
void handle_lists(struct call *c);
void handle_feeds(struct call *c);
void handle_list_get(struct call *c);
void handle_list_entry(struct call *c);
void handle_list_add(struct call *c);
void handle_list_remove(struct call *c);
void handle_policy_get(struct call *c);
void handle_policy_put(struct call *c);
void handle_policy_plan(struct call *c);
void handle_policy_confirm(struct call *c);
void handle_policy_rollback(struct call *c);
void handle_policy_history(struct call *c);
void handle_policy_generation(struct call *c);
void handle_events(struct call *c);
void handle_audit_events(struct call *c);
void handle_audit_export(struct call *c);
void handle_audit_checkpoint(struct call *c);
void handle_audit_acknowledge(struct call *c);
void handle_audit_anchor(struct call *c);
void handle_audit_keys(struct call *c);
void handle_audit_rotate(struct call *c);
void handle_audit_stats(struct call *c);
void handle_audit_report(struct call *c);
void handle_drops(struct call *c);
void handle_connections(struct call *c);
void handle_connection_services(struct call *c);
void handle_connections_kill(struct call *c);
void handle_risk_sources(struct call *c);
void handle_risk_source(struct call *c);
void handle_detach(struct call *c);
void handle_flags(struct call *c);
void handle_flag_get(struct call *c);
void handle_flag_put(struct call *c);
void handle_flag_delete(struct call *c);
void handle_doctor(struct call *c);
void handle_panic_get(struct call *c);
void handle_panic_put(struct call *c);
void handle_panic_clear(struct call *c);
void handle_vault(struct call *c);
void handle_vault_rotate(struct call *c);
void handle_retention_get(struct call *c);
void handle_retention_set(struct call *c);
void handle_retention_apply(struct call *c);
void handle_holds_get(struct call *c);
void handle_hold_add(struct call *c);
void handle_hold_remove(struct call *c);
void handle_requests_get(struct call *c);
void handle_request_get(struct call *c);
void handle_request_post(struct call *c);
void handle_keys(struct call *c);
void handle_key_create(struct call *c);
void handle_key_rotate(struct call *c);
void handle_key_revoke(struct call *c);
void handle_sessions(struct call *c);
void handle_session_open(struct call *c);
void handle_session_refresh(struct call *c);
void handle_session_end(struct call *c);
void handle_totp_enroll(struct call *c);
void handle_totp_remove(struct call *c);
void handle_totp_remove_of(struct call *c);

#endif
