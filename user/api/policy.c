/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The policy: read, reload, replace, confirm, go back; and the end of enforcement. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/text.h"

void handle_policy_get(struct call *c)
{
	const struct policy *policy = engine_policy(c->engine);
	struct text body;

	http_response_header(c->response, "ETag", "\"g%u\"",
			     datapath_generation(engine_datapath(c->engine)));
	http_response_header(c->response, "X-Weir-Generation", "%u",
			     datapath_generation(engine_datapath(c->engine)));
	http_response_header(c->response, "X-Weir-Sha256", "%s", policy->sha256);
	if (policy->profile)
		http_response_header(c->response, "X-Weir-Profile", "%s", policy->profile);
	text_init_growing(&body);
	text_put(&body, policy->text, policy->length);
	reply_text(c, "application/yaml", &body);
}

/* Begun seconds count: 0 is too late. */
static uint64_t pending_seconds(const struct history *h)
{
	return (history_pending_left_ns(h) + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
}

json_t *json_pending(const struct engine *e)
{
	const struct history *h = engine_history(e);
	const struct history_pending *p = &h->pending;
	const struct history_item *item = history_find(h, p->asked);

	if (!p->is)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:o, s:s, s:b}", "generation",
			 (json_int_t)p->generation, "asked", (json_int_t)p->asked, "former",
			 (json_int_t)p->former, "left_seconds", (json_int_t)pending_seconds(h),
			 "until", json_time(p->until_real_ns), "by", item ? item->username : "",
			 "persisted", p->persisted);
}

void put_pending(struct metrics *m, const struct engine *e)
{
	const struct history *h = engine_history(e);

	metrics_single(m, METRIC_POLICY_PENDING, h->pending.is);
	metrics_single(m, METRIC_POLICY_PENDING_SECONDS, h->pending.is ? pending_seconds(h) : 0);
}

/* If-Match: "g7", or * for whichever is in force. Answers itself if it is neither. */
static int read_base(struct call *c, uint32_t *ret)
{
	const char *text = http_header(c->request, "If-Match");
	size_t length = text ? strlen(text) : 0;
	char number[16] = "";

	*ret = 0;
	if (!text || strcmp(text, "*") == 0)
		return 0;
	if (length >= 4 && length < sizeof(number) + 3 && strncmp(text, "\"g", 2) == 0 &&
	    text[length - 1] == '"')
		snprintf(number, sizeof(number), "%.*s", (int)(length - 3), text + 2);
	if (parse_u32(number, 1, UINT32_MAX, ret) == 0)
		return 0;
	reply_problem(c, 400, "request.if_match",
		      "If-Match must be the ETag that a policy was sent with, as in \"g7\"");
	return -EINVAL;
}

/* ?confirm=60s */
static int read_confirm(struct call *c, uint64_t *ret_ns)
{
	const char *text = http_argument(c->request, "confirm");

	*ret_ns = 0;
	if (!text || (parse_duration_ns(text, ret_ns) == 0 && *ret_ns))
		return 0;
	reply_problem(c, 422, "policy.confirm_time",
		      "'%.40s' is no time to confirm: a number above 0 and one of ms s m h d w",
		      text);
	return -EINVAL;
}

static void reply_policy(struct call *c, const char *before)
{
	const struct policy *policy = engine_policy(c->engine);
	uint32_t generation = datapath_generation(engine_datapath(c->engine));
	const struct history_item *item = history_find(engine_history(c->engine), generation);
	char set_aside[PATH_MAX];

	snprintf(set_aside, sizeof(set_aside), "%s", engine_set_aside(c->engine));
	utf8_repair(set_aside);
	http_response_header(c->response, "ETag", "\"g%u\"", generation);
	reply_changed(c, 200,
		      json_pack("{s:I, s:s, s:s?, s:s, s:s?, s:b, s:b, s:o}", "generation",
				(json_int_t)generation, "sha256", policy->sha256, "profile",
				policy->profile, "mode", policy_mode_str(policy->mode), "set_aside",
				*set_aside ? set_aside : NULL, "changed",
				strcmp(before, policy->sha256) != 0, "persisted",
				item && item->persisted, "pending", json_pending(c->engine)));
}

void handle_policy_put(struct call *c)
{
	struct engine_refusal refusal = {0};
	struct engine_policy_change change = {
		.text = c->request->length ? c->request->body : NULL,
		.length = c->request->length,
		.reason = http_argument(c->request, "reason"),
		.force = c->actor.force,
		.profile = http_argument(c->request, "profile"),
		.refusal = &refusal,
	};
	char before[POLICY_SHA256_HEX_SIZE];
	struct fault f = {0};

	if (read_base(c, &change.base) < 0 || read_confirm(c, &change.confirm_ns) < 0)
		return;
	snprintf(before, sizeof(before), "%s", engine_policy(c->engine)->sha256);
	if (engine_change_policy(c->engine, &change, &c->actor, &f) < 0)
		return reply_refusal(c, &f, &refusal);
	reply_policy(c, before);
}

/* The members "generation" and "reason" of the body, which may be empty; *@ret_body owns the reason. */
static int read_generation(struct call *c, bool required, json_t **ret_body, uint32_t *ret,
			   const char **ret_reason)
{
	json_t *body = c->request->length ? json_loadb(c->request->body, c->request->length,
						       JSON_REJECT_DUPLICATES, NULL)
					  : json_object();
	json_t *number, *reason;
	const char *key;
	json_t *value;

	*ret_body = body;
	*ret = 0;
	if (!json_is_object(body)) {
		reply_problem(c, 400, "request.json", "the body is no JSON object");
		return -EINVAL;
	}
	json_object_foreach (body, key, value)
		if (strcmp(key, "generation") != 0 && (required || strcmp(key, "reason") != 0)) {
			reply_problem(c, 422, "request.member", "unknown member '%.40s'", key);
			return -EINVAL;
		}
	number = json_object_get(body, "generation");
	reason = json_object_get(body, "reason");
	if ((number || required) && (!json_is_integer(number) || json_integer_value(number) < 1 ||
				     json_integer_value(number) > UINT32_MAX)) {
		reply_problem(c, 422, "request.member",
			      "'generation' must be a number from 1 to %u", UINT32_MAX);
		return -EINVAL;
	}
	if (reason && !json_is_string(reason)) {
		reply_problem(c, 422, "request.member", "'reason' must be a string");
		return -EINVAL;
	}
	*ret = number ? (uint32_t)json_integer_value(number) : 0;
	*ret_reason = json_string_value(reason);
	return 0;
}

void handle_policy_confirm(struct call *c)
{
	char before[POLICY_SHA256_HEX_SIZE];
	struct fault f = {0};
	const char *reason;
	uint32_t generation;
	json_t *body;

	snprintf(before, sizeof(before), "%s", engine_policy(c->engine)->sha256);
	if (read_generation(c, true, &body, &generation, &reason) == 0) {
		if (engine_confirm(c->engine, generation, &c->actor, &f) < 0)
			reply_fault(c, &f);
		else
			reply_policy(c, before);
	}
	json_decref(body);
}

void handle_policy_rollback(struct call *c)
{
	char before[POLICY_SHA256_HEX_SIZE];
	struct fault f = {0};
	const char *reason;
	uint32_t generation, base;
	json_t *body = NULL;

	snprintf(before, sizeof(before), "%s", engine_policy(c->engine)->sha256);
	if (read_base(c, &base) == 0 &&
	    read_generation(c, false, &body, &generation, &reason) == 0) {
		if (engine_rollback(c->engine, generation, reason, base, &c->actor, &f) < 0)
			reply_fault(c, &f);
		else
			reply_policy(c, before);
	}
	json_decref(body);
}

/* The interface that a body names; NULL with *@ret_bad: it is none that names one. */
static const char *read_iface(struct call *c, json_t **body, bool *ret_bad)
{
	const char *iface;

	*ret_bad = false;
	if (!c->request->length)
		return NULL;
	*body = json_loadb(c->request->body, c->request->length, JSON_REJECT_DUPLICATES, NULL);
	iface = json_string_value(json_object_get(*body, "iface"));
	*ret_bad = !iface || json_object_size(*body) != 1;
	return iface;
}

void handle_detach(struct call *c)
{
	json_t *body = NULL;
	struct fault f = {0};
	bool bad;
	const char *iface = read_iface(c, &body, &bad);
	int r = 0;

	if (bad)
		reply_problem(c, 400, "request.body",
			      "the body is empty, or a JSON object with one member, iface");
	else if (iface)
		r = engine_detach_link(c->engine, iface, &c->actor, &f);
	else
		r = engine_detach(c->engine, &c->actor, &f);
	if (r < 0)
		reply_fault(c, &f);
	if (!bad && r == 0) {
		c->api->detach_when_sent = engine_is_detached(c->engine);
		reply_changed(c, 200,
			      json_pack("{s:s, s:b}", "detached",
					iface ?: engine_options(c->engine)->iface, "ends",
					engine_is_detached(c->engine)));
	}
	json_decref(body);
}
