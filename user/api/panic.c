/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The panic switch and the watchdog: asked, set, cleared, measured. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "datapath/panic.h"

json_t *json_panic(const struct engine *e)
{
	struct engine_panic panic;

	engine_panic(e, &panic);
	if (!panic.set)
		return json_null();
	return json_pack("{s:s, s:o, s:s, s:s}", "mode", policy_mode_str(panic.mode), "since",
			 panic.since_ns ? json_time(panic.since_ns) : json_null(), "by",
			 panic.username, "reason", panic.reason);
}

json_t *json_watchdog(const struct engine *e)
{
	const struct weir_watchdog *w = engine_watchdog(e);

	if (!w)
		return json_null();
	return json_pack("{s:b, s:f, s:I, s:I, s:I, s:I, s:I}", "tripped", (int)w->tripped,
			 "drop_ratio", w->drop_permille / 1000.0, "hold_seconds",
			 (json_int_t)(w->hold_ns / NSEC_PER_SEC), "recover_seconds",
			 (json_int_t)(w->recover_ns / NSEC_PER_SEC), "minimum",
			 (json_int_t)w->minimum, "last_packets", (json_int_t)w->last_examined,
			 "last_refused", (json_int_t)w->last_refused);
}

static void reply_panic(struct call *c, void (*reply)(struct call *, unsigned int, json_t *))
{
	reply(c, 200,
	      json_pack("{s:o, s:s}", "panic", json_panic(c->engine), "mode_in_force",
			policy_mode_str(engine_mode(c->engine))));
}

void handle_panic_get(struct call *c)
{
	reply_panic(c, reply_json);
}

static void set(struct call *c, int mode, const char *reason)
{
	struct fault f = {0};

	if (mode == WEIR_MODE_OFF && step_up(c) < 0)
		return;
	if (engine_panic_set(c->engine, mode, reason, &c->actor, &f) < 0)
		return reply_fault(c, &f);
	reply_panic(c, reply_changed);
}

/* The body's members; @mode is NULL where none may be said. Answers itself if they are others. */
static int read_body(struct call *c, const json_t *body, enum weir_mode *ret_mode,
		     const char **ret_reason)
{
	const char *word = json_string_value(json_object_get(body, "mode"));
	const json_t *reason = json_object_get(body, "reason");

	if (json_object_size(body) != !!ret_mode + (size_t) !!reason || !word == !!ret_mode ||
	    (reason && !json_is_string(reason))) {
		reply_problem(c, 422, "request.member",
			      "the body %s, and may have 'reason', as strings and nothing else",
			      ret_mode ? "has the member 'mode'" : "may be left out");
		return -EINVAL;
	}
	*ret_reason = json_string_value(reason);
	if (!ret_mode || policy_mode_from_str(word, ret_mode) == 0)
		return 0;
	reply_problem(c, 422, "panic.mode", "there is no mode '%.40s': off, monitor or enforce",
		      word);
	return -EINVAL;
}

static void change(struct call *c, bool sets)
{
	json_error_t where;
	json_t *body = sets || c->request->length ? json_loadb(c->request->body, c->request->length,
							       JSON_REJECT_DUPLICATES, &where)
						  : json_object();
	enum weir_mode mode = WEIR_MODE_OFF;
	const char *reason;

	if (!json_is_object(body))
		reply_problem(c, 400, "request.json", "the body is no JSON object: %s",
			      body ? "it is something else" : where.text);
	else if (read_body(c, body, sets ? &mode : NULL, &reason) == 0)
		set(c, sets ? (int)mode : PANIC_NONE, reason);
	json_decref(body);
}

void handle_panic_put(struct call *c)
{
	change(c, true);
}

void handle_panic_clear(struct call *c)
{
	change(c, false);
}

void put_safety(struct metrics *m, struct call *c)
{
	const struct weir_watchdog *w = engine_watchdog(c->engine);
	struct engine_panic panic;

	engine_panic(c->engine, &panic);
	metrics_family(m, METRIC_MODE);
	for (unsigned int i = 0; i < WEIR_MODE_MAX; i++)
		metrics_sample(m, engine_mode(c->engine) == i, "mode",
			       policy_mode_str((enum weir_mode)i), NULL);
	metrics_family(m, METRIC_PANIC_MODE);
	metrics_sample(m, !panic.set, "mode", "none", NULL);
	for (unsigned int i = 0; i < WEIR_MODE_MAX; i++)
		metrics_sample(m, panic.set && panic.mode == i, "mode",
			       policy_mode_str((enum weir_mode)i), NULL);
	if (!w)
		return;
	metrics_single(m, METRIC_WATCHDOG_TRIPPED, w->tripped);
	metrics_family(m, METRIC_WATCHDOG_DROP_RATIO);
	metrics_sample_double(
		m, w->last_examined ? (double)w->last_refused / (double)w->last_examined : 0, NULL);
}
