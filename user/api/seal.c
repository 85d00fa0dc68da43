/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The signed side of the audit log: its checkpoint, and the keys that sign it. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "audit/sealing.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/seal.h"

/* Durable records that no checkpoint covers. */
static uint64_t records_behind(const struct engine *e, const struct sealer_stats *seal)
{
	struct recorder_stats stats;

	recorder_get_stats(engine_recorder(e), &stats);
	return stats.records > seal->first + seal->size ? stats.records - seal->first - seal->size
							: 0;
}

json_t *json_checkpoint(const struct engine *e)
{
	struct sealer_stats s;

	if (!engine_seal_stats(e, &s))
		return json_null();
	return json_pack(
		"{s:s, s:s?, s:s?, s:I, s:I, s:o, s:I, s:f, s:I}", "state",
		sealer_state_to_str(s.state), "because", *s.because ? s.because : NULL, "origin",
		*s.origin ? s.origin : NULL, "first", (json_int_t)s.first, "records",
		(json_int_t)s.size, "signed_at", s.signed_ns ? json_time(s.signed_ns) : json_null(),
		"behind_records", (json_int_t)records_behind(e, &s), "behind_seconds",
		(double)s.behind_ns / NSEC_PER_SEC, "tiles_rebuilt", (json_int_t)s.tiles_rebuilt);
}

void put_checkpoint(struct metrics *m, struct call *c)
{
	struct sealer_stats s;

	if (!engine_seal_stats(c->engine, &s))
		return;
	metrics_single(m, METRIC_AUDIT_CHECKPOINT_RECORDS, records_behind(c->engine, &s));
	metrics_family(m, METRIC_AUDIT_CHECKPOINT_SECONDS);
	metrics_sample_double(m, (double)s.behind_ns / NSEC_PER_SEC, NULL);
	metrics_single(m, METRIC_AUDIT_CHECKPOINT_TIME_SECONDS, s.signed_ns / NSEC_PER_SEC);
	metrics_single(m, METRIC_AUDIT_CHECKPOINT_HALTED, s.state == SEALER_HALTED);
	metrics_single(m, METRIC_AUDIT_CHECKPOINT_FAILING, s.state == SEALER_FAILING);
	metrics_single(m, METRIC_AUDIT_CHECKPOINTS_TOTAL, s.checkpoints);
}

void handle_audit_checkpoint(struct call *c)
{
	_cleanup_free_ char *note = NULL;
	struct fault f = {0};
	struct text body;
	size_t length;

	if (sealing_read_latest(engine_audit_dir(c->engine), &note, &length, &f) < 0)
		return reply_fault(c, &f);
	text_init_growing(&body);
	text_put(&body, note, length);
	reply_text(c, "text/plain; charset=utf-8", &body);
}

void handle_audit_keys(struct call *c)
{
	_cleanup_(keyring_list_done) struct keyring_list list = {0};
	json_t *keys = json_array();
	struct fault f = {0};

	if (keyring_list_read(engine_audit_dir(c->engine), &list, &f) < 0) {
		json_decref(keys);
		return reply_fault(c, &f);
	}
	for (size_t i = 0; i < list.count; i++) {
		uint64_t until_ns = keyring_list_until(&list, i);
		char key[NOTE_VERIFIER_SIZE];

		note_verifier_format(&list.keys[i].verifier, key);
		json_array_append_new(keys, json_pack("{s:s, s:s, s:b, s:o}", "key", key, "since",
						      list.keys[i].since, "signs",
						      until_ns > clock_real_ns(), "until",
						      until_ns && until_ns != UINT64_MAX
							      ? json_time(until_ns)
							      : json_null()));
	}
	reply_json(c, 200, json_pack("{s:o}", "keys", keys));
}

/* {"reason": "..."}, or nothing at all. Answers itself if it is something else. The body is the caller's. */
static int read_reason(struct call *c, json_t **ret_body, const char **ret)
{
	json_error_t where;
	json_t *body = c->request->length ? json_loadb(c->request->body, c->request->length,
						       JSON_REJECT_DUPLICATES, &where)
					  : json_object();
	const json_t *reason = json_object_get(body, "reason");

	*ret_body = body;
	*ret = json_string_value(reason);
	if (!json_is_object(body))
		reply_problem(c, 400, "request.json", "the body is no JSON object: %s",
			      body ? "it is something else" : where.text);
	else if (json_object_size(body) != !!reason || (reason && !*ret))
		reply_problem(c, 422, "request.member",
			      "the body may be left out, and may have 'reason', a string");
	else
		return 0;
	return -EINVAL;
}

static void rotate(struct call *c, const char *reason)
{
	char keys[2][NOTE_VERIFIER_SIZE];
	struct fault f = {0};

	if (engine_seal_rotate(c->engine, reason, &c->actor, keys, &f) < 0)
		return reply_fault(c, &f);
	reply_changed(c, 200,
		      json_pack("{s:s, s:s, s:o}", "former_key", keys[0], "key", keys[1],
				"former_signs_until",
				json_time(clock_real_ns() + KEYRING_OVERLAP_NS)));
}

static void acknowledge(struct call *c, const char *reason)
{
	char name[NOTE_NAME_MAX + 1];
	struct fault f = {0};

	if (engine_seal_acknowledge(c->engine, reason, &c->actor, name, &f) < 0)
		return reply_fault(c, &f);
	reply_changed(c, 200, json_pack("{s:s}", "name", name));
}

static void with_reason(struct call *c, void (*change)(struct call *c, const char *reason))
{
	const char *reason;
	json_t *body;

	if (read_reason(c, &body, &reason) == 0)
		change(c, reason);
	json_decref(body);
}

void handle_audit_rotate(struct call *c)
{
	with_reason(c, rotate);
}

void handle_audit_acknowledge(struct call *c)
{
	with_reason(c, acknowledge);
}
