/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of every request, whatever it asks for: who asks, what it belongs to, whether it may be asked so often,
 * and afterwards its place in the audit log.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/fields.h"
#include "api/internal.h"
#include "audit/hash.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/recorder.h"
#include "engine/telemetry.h"

/* A page in somebody's browser must not be able to use their rights: no browser sends these requests
 * without saying where they come from. */
static bool from_browser(const struct http_request *request)
{
	return http_header(request, "Origin") || http_header(request, "Referer");
}

/* Root and the daemon's own user are admin; everybody else is what the system's groups say. */
static uint32_t roles_of(const struct http_peer *peer)
{
	return peer->is_owner ? IDENTITY_BIT(ADMIN) | peer->groups : peer->groups;
}

/* Requests per second and at once. The first keeps a program that has run wild from the loop, the second everybody else's. */
static const struct allowance_class WITH_ROLE = {1, "role", 50000, 50000, 1},
				    WITHOUT_ROLE = {2, "anybody", 50, 100, 1};

/* A header that says less than the one before takes its place. */
static void set_header(struct http_response *r, const char *name, const char *value)
{
	for (unsigned int i = 0; i < r->header_count; i++)
		if (strcmp(r->headers[i].name, name) == 0) {
			snprintf(r->headers[i].value, sizeof(r->headers[i].value), "%s", value);
			return;
		}
	http_response_header(r, name, "%s", value);
}

/* The headers of draft-ietf-httpapi-ratelimit-headers-10: how many more. */
static void put_allowance(struct call *c, const struct allowance_class *class,
			  const struct allowance_answer *answer)
{
	char policy[96], left[96];

	snprintf(policy, sizeof(policy), "\"%s\";q=%u;w=%u", class->name, class->burst,
		 (uint32_t)((uint64_t) class->burst * class->period_s / class->rate));
	snprintf(left, sizeof(left), "\"%s\";r=%u;t=%u", class->name, answer->left,
		 (answer->refill_ms + 999) / 1000);
	set_header(c->response, "RateLimit-Policy", policy);
	set_header(c->response, "RateLimit", left);
	if (!answer->granted)
		http_response_header(c->response, "Retry-After", "%u",
				     (answer->wait_ms + 999) / 1000);
}

/* May the user ask now? */
static bool allowed(struct call *c)
{
	const struct allowance_class *class = c->roles ? &WITH_ROLE : &WITHOUT_ROLE;

	c->allowed = allowance_ask(&c->api->allowance, class, c->actor.uid, clock_monotonic_ns());
	put_allowance(c, class, &c->allowed);
	if (!c->allowed.granted)
		reply_problem(c, 429, "request.rate",
			      "user %s may make %u requests at once and %u per second",
			      c->actor.username, class->burst, class->rate);
	return c->allowed.granted;
}

/* And with this key? A session counts for the key that opened it. The headers are about what binds first. */
static bool key_allowed(struct call *c)
{
	const struct grant *g = &c->credential.grant;
	const struct allowance_class class = {3, "key", g->rate, g->rate, g->period_s};
	const char *id = *c->credential.key ? c->credential.key : c->credential.id;
	struct allowance_answer answer;
	uint8_t bytes[CREDENTIAL_ID / 2];
	uint32_t number;

	if (!c->credential.kind || !g->rate || hex_parse(id, sizeof(bytes), bytes) < 0)
		return true;
	memcpy(&number, bytes, sizeof(number));
	answer = allowance_ask(&c->api->allowance, &class, number, clock_monotonic_ns());
	if (!answer.granted || answer.left < c->allowed.left)
		put_allowance(c, &class, &answer);
	if (!answer.granted)
		reply_problem(c, 429, "request.rate",
			      "the key %s may make %u requests at once and in %u s", id, g->rate,
			      g->period_s);
	return answer.granted;
}

/* RFC 9745, RFC 8594: that the version is on its way out, and what comes after it. */
static void put_deprecation(struct call *c)
{
	const struct api_version_info *v = api_version(c->version);
	char sunset[CLOCK_HTTP_SIZE];

	http_response_header(c->response, "API-Version", "%s", v->word);
	if (v->status != API_DEPRECATED)
		return;
	http_response_header(c->response, "Deprecation", "@%lld", (long long)v->deprecated_at);
	http_response_header(c->response, "Link", "</versions/%s>; rel=\"deprecation\"", v->word);
	if (!v->sunset_at)
		return;
	clock_format_http(v->sunset_at, sunset);
	http_response_header(c->response, "Sunset", "%s", sunset);
}

/* Those that can be asked for. */
static json_t *versions_known(void)
{
	json_t *words = json_array();

	for (enum api_version i = 0; i < API_VERSION_MAX; i++)
		if (api_version(i)->status != API_SUNSET)
			json_array_append_new(words, json_string(api_version(i)->word));
	return words;
}

/* Which version is meant. 0, or answered. */
static int choose_version(struct call *c)
{
	struct fault f = {0};
	int r = api_version_choose(c->request->path, http_header(c->request, "X-API-Version"),
				   http_header(c->request, "Accept"), &c->version, &c->path, &f);

	switch (-r) {
	case 0:
		put_deprecation(c);
		break;
	case ENOTSUP:
		reply_problem_with(c, 406, f.code, f.text,
				   json_pack("{s:o}", "versions", versions_known()));
		break;
	case ENOENT:
		reply_problem_with(c, 404, f.code, f.text,
				   json_pack("{s:o}", "versions", versions_known()));
		break;
	default:
		reply_problem(c, r == -EINVAL ? 400 : 410, f.code, "%s", f.text);
	}
	return r;
}

/* Hand the request on as the handlers know it, and its answer back as it was asked for. */
static void answer_in_version(struct call *c)
{
	const struct http_request *request = c->request;
	_cleanup_free_ char *body = NULL;
	struct http_request migrated = *request;
	json_t *json;

	json = c->version != API_V1 && api_migrates_request(c->version, c->path)
		       ? json_loadb(request->body, request->length, JSON_REJECT_DUPLICATES, NULL)
		       : NULL;
	if (json_is_object(json)) {
		api_migrate_request(c->version, c->path, json);
		body = json_dumps(json, JSON_COMPACT);
	}
	json_decref(json);
	c->headers = c->response->header_count;
	if (body) {
		migrated.body = body;
		migrated.length = strlen(body);
		c->request = &migrated;
	}
	dispatch(c);
	if (!c->idempotency.replayed)
		reply_finish(c);
	idempotency_keep(c);
	c->request = request;
}

/* ?fields=. 0, or answered. */
static int read_fields(struct call *c)
{
	struct fault f = {0};

	c->fields = http_argument(c->request, "fields");
	if (!c->fields)
		return 0;
	if (strcmp(c->request->method, "GET") != 0)
		fault(&f, -EINVAL, "request.fields", "fields are for GET");
	if (f.err == 0 && fields_check(c->fields, &f) == 0)
		return 0;
	reply_problem(c, 400, f.code, "%s", f.text);
	return -EINVAL;
}

static void answer(struct call *c)
{
	http_response_header(c->response, "X-Request-ID", "%s", c->correlation.request_id);
	if (*c->correlation.parent)
		http_response_header(c->response, "traceparent", "%s", c->correlation.parent);
	if (!allowed(c))
		return;
	if (c->request->ambiguous)
		reply_problem(c, 400, "request.headers",
			      "where the body ends is said twice, or in no way that is known");
	else if (c->request->too_long)
		reply_problem(c, 413, "request.too_long", "a body may have %u bytes",
			      HTTP_BODY_BYTES_MAX);
	else if (from_browser(c->request))
		reply_problem(c, 403, "auth.browser", "requests of web pages are refused");
	else if (choose_version(c) == 0 && read_fields(c) == 0 && authenticate(c) == 0 &&
		 key_allowed(c))
		answer_in_version(c);
}

/* What is to be recorded of a request once its answer is on its way. */
struct note {
	struct engine_call call;
	uint64_t began_ns;
	char username[33];
	char credential[24];
	struct correlation correlation;
	struct request_span span;
};

static void note_call(const struct call *c, uint64_t began_ns)
{
	struct note *n = calloc(1, sizeof(*n));

	if (!n)
		return;
	n->began_ns = began_ns;
	n->correlation = c->correlation;
	request_span_begin(c, &n->span);
	snprintf(n->username, sizeof(n->username), "%s", c->actor.username);
	if (c->credential.kind)
		snprintf(n->credential, sizeof(n->credential), "%s %s",
			 c->credential.kind == ENGINE_KEY ? "key" : "session", c->credential.id);
	n->call = (struct engine_call){
		.actor = {.uid = c->actor.uid, .username = n->username, .role = c->actor.role},
		.credential = n->credential,
		.operation = c->operation ?: "none",
		.may_change = c->may_change,
		.dry_run = c->actor.dry_run,
		.request_id = n->correlation.request_id,
		.trace_id = n->correlation.trace_id,
	};
	c->response->note = n;
}

void entry_completed(const struct http_response *response, void *api)
{
	struct api *a = api;
	struct note *n = response->note;

	idempotency_completed(&a->in_flight, response);
	if (!n)
		return;
	n->call.status = response->status;
	n->call.duration_us = (clock_monotonic_ns() - n->began_ns) / 1000;
	log_set_request(n->correlation.request_id, n->correlation.trace_id);
	engine_called(a->engine, &n->call);
	log_set_request(NULL, NULL);
	request_span_end(a, &n->span, &n->correlation, &n->call);
	meter_count(&a->meter, &(struct meter_request){
				       .operation = n->call.operation,
				       .status = n->call.status,
				       .duration_us = n->call.duration_us,
				       .request_id = n->call.request_id,
				       .trace_id = n->call.trace_id,
				       .is_stream = response->stream != NULL,
			       });
}

void entry_control(const struct http_request *request, struct http_response *response, void *api)
{
	struct api *a = api;
	uint32_t roles = roles_of(&request->peer);
	uint64_t began_ns = clock_monotonic_ns();
	struct call c = {
		.api = a,
		.engine = a->engine,
		.request = request,
		.response = response,
		.roles = roles,
		.began_real_ns = clock_real_ns(),
		.actor = {.uid = request->peer.uid,
			  .username = request->peer.username,
			  .role = identity_strongest(roles),
			  .pid = request->peer.pid},
	};

	correlate(http_header(request, "X-Request-ID"), http_header(request, "traceparent"),
		  &c.correlation);
	if (engine_wants_requests(a->engine))
		correlate_begin(&c.correlation);
	c.actor.request_id = c.correlation.request_id;
	c.actor.trace_id = c.correlation.trace_id;
	log_set_request(c.correlation.request_id, c.correlation.trace_id);
	/* Of what is no span of its own, the caller is the parent. */
	c.actor.span_id =
		engine_wants_requests(a->engine) ? c.correlation.span_id : c.correlation.caller;
	c.actor.unsampled = c.correlation.unsampled;
	answer(&c);
	note_call(&c, began_ns);
	log_set_request(NULL, NULL);
}

void entry_metrics(const struct http_request *request, struct http_response *response, void *api)
{
	struct api *a = api;
	struct call c = {
		.api = a,
		.engine = a->engine,
		.request = request,
		.response = response,
	};

	if (strcmp(request->path, "/metrics") != 0)
		reply_problem(&c, 404, "request.path", "only /metrics is served here");
	else if (strcmp(request->method, "GET") != 0)
		reply_problem(&c, 405, "request.method", "only GET is served here");
	else
		handle_metrics(&c);
}

void entry_hold(void (*release)(bool durable, void *token), void *token, void *api)
{
	struct api *a = api;

	if (recorder_when_durable(engine_recorder(a->engine), release, token) < 0)
		release(false, token);
}

/* The answer to a change says whether its record is on disk. */
void entry_released(struct http_response *response, bool durable, void *api)
{
	struct api *a = api;

	if (!response->as_is)
		reply_add(response, "audit", durable ? "durable" : "degraded");
	if (a->detach_when_sent)
		a->options.detached(a->options.userdata);
}
