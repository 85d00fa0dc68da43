/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests, one after the other, through the table of routes and the handlers behind it, as the HTTP
 * server would hand them over. Whatever is asked, the answer is whole and well-formed, an error says
 * what is wrong, and nothing changes unless somebody who may asked for it by the right method.
 *
 * The input reads like HTTP, so that seeds can be written by hand: "METHOD /path?name=value", headers,
 * an empty line, the body; a line "%%" begins another request. The headers "X-Public" and "X-Long"
 * stand for a client without rights and for a body over the maximum; "X-Tcp" asks the metrics port.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "api/api.h"
#include "api/internal.h"
#include "audit/chain.h"
#include "base/text.h"
#include "fake_engine.h"
#include "fuzz.h"
#include "scratch.h"

#define INPUT_MAX    (64U << 10)
#define REQUESTS_MAX 8

static struct api *api;
static struct engine engine;
static char audit_dir[96];

static void on_detached(void *userdata)
{
	(void)userdata;
}

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static void make_log(void)
{
	const struct chain_options options = {.datasync = no_sync};
	const struct audit_record record = {.event = AUDIT_EVENT_SYSTEM_START};
	_cleanup_(chain_closep) struct chain *chain = NULL;
	struct fault f = {0};

	snprintf(audit_dir, sizeof(audit_dir), "%s/log", scratch_directory());
	REQUIRE(chain_open(audit_dir, &options, &chain, &f) == 0, "%s", f.text);
	for (unsigned int i = 0; i < 3; i++)
		REQUIRE(chain_append(chain, &record) == 0, "no record");
	REQUIRE(chain_commit(chain, &f) == 0, "%s", f.text);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct api_options options = {
		.socket_path = "", .metrics_address = "", .detached = on_detached};

	(void)argc;
	(void)argv;
	make_log();
	REQUIRE(api_open(&options, &api, NULL) == 0 && api_serve(api, &engine, NULL) == 0,
		"no API");
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return -1;
}

/* In place, as libmicrohttpd does: what is no escape stays. */
static void decode(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '%' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
			*to++ = (char)(hex_digit(text[1]) << 4 | hex_digit(text[2]));
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* Cut *@text at the first @separator; *@text moves behind it, or becomes NULL. */
static char *cut(char **text, char separator)
{
	char *start = *text, *end = start ? strchr(start, separator) : NULL;

	*text = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	return start;
}

static void read_arguments(char *query, struct fake_exchange *x)
{
	while (query && x->argument_count < FAKE_PAIRS_MAX) {
		char *value = cut(&query, '&'), *name = cut(&value, '=');

		decode(name);
		if (value)
			decode(value);
		x->arguments[x->argument_count++] = (struct fake_pair){name, value};
	}
}

/* The request that @text begins with; its strings point there. False: there is no more. */
static bool read_request(char **text, struct http_request *request, struct fake_exchange *x)
{
	char *head, *line, *method, *path, *end;

	if (!*text)
		return false;
	head = *text;
	end = strstr(head, "\n%%\n");
	*text = end ? end + 4 : NULL;
	if (end)
		*end = '\0';
	line = cut(&head, '\n');
	method = cut(&line, ' ');
	path = cut(&line, '?');
	if (!path || path[0] != '/')
		return true; /* no request of HTTP: nothing reaches the handlers */
	read_arguments(line, x);
	decode(path);
	while ((line = cut(&head, '\n')) && *line)
		if (x->header_count < FAKE_PAIRS_MAX) {
			char *name = cut(&line, ':');

			x->headers[x->header_count++] = (struct fake_pair){name, line ?: ""};
		}
	*request = (struct http_request){
		.method = method,
		.path = path,
		.body = head ?: "",
		.length = head ? strlen(head) : 0,
		.exchange = x,
	};
	return true;
}

static void check_json(const struct http_response *r)
{
	json_error_t where;
	json_t *body = json_loadb(r->body, r->length, JSON_REJECT_DUPLICATES, &where);
	const char *code, *detail;

	REQUIRE(json_is_object(body), "no JSON: %s: %s", where.text, r->body);
	REQUIRE(r->body[r->length - 1] == '\n', "the answer does not end its line");
	if (r->status >= 400) {
		code = json_string_value(json_object_get(body, "code"));
		detail = json_string_value(json_object_get(body, "detail"));
		REQUIRE(strcmp(r->content_type, "application/problem+json") == 0, "%s",
			r->content_type);
		REQUIRE(json_integer_value(json_object_get(body, "status")) == r->status, "%s",
			r->body);
		REQUIRE(code && *code && detail && *detail, "an error without words: %s", r->body);
	}
	json_decref(body);
}

static const char *header_of(const struct http_response *r, const char *name)
{
	for (unsigned int i = 0; i < r->header_count; i++)
		if (strcmp(r->headers[i].name, name) == 0)
			return r->headers[i].value;
	return NULL;
}

static void check_response(const struct http_request *request, const struct http_response *r,
			   unsigned int changes, unsigned int questions)
{
	bool may = request->peer.groups && !request->too_long && !http_header(request, "Origin") &&
		   !http_header(request, "Referer") && !http_header(request, "X-Tcp");

	REQUIRE(r->status >= 200 && r->status < 600, "status %u", r->status);
	REQUIRE(r->status != 500, "the request broke something: %s", r->body ?: "");
	if (r->status == 304) {
		REQUIRE(!r->body && header_of(r, "ETag"), "304 with a body, or no ETag");
		return;
	}
	REQUIRE(r->body && r->content_type && strlen(r->body) == r->length, "no whole answer");
	if (strstr(r->content_type, "json") && !strstr(r->content_type, "ndjson"))
		check_json(r);
	REQUIRE(changes <= 1, "%u changes by one request", changes);
	REQUIRE((r->when_durable && !r->as_is) == (changes > 0), "held back, or not: %s", r->body);
	if (changes) {
		REQUIRE(r->status < 300, "changed, and answered %u", r->status);
		REQUIRE(may, "changed by somebody who may not");
		REQUIRE(strcmp(request->method, "GET") != 0, "changed by GET");
	}
	if (r->status == 200 && (strcmp(request->path, "/v1/audit/events") == 0 ||
				 strcmp(request->path, "/v1/audit/stats") == 0))
		REQUIRE(may && questions == 1, "%u records of a look at the audit log", questions);
	if (r->status == 405 && !http_header(request, "X-Tcp"))
		REQUIRE(header_of(r, "Allow"), "no method is allowed");
}

/* The server's release of an answer that was held back. */
static void release(bool durable, void *token)
{
	fake_servers[0].released(token, durable, fake_servers[0].userdata);
}

static uid_t inputs;

static void serve(struct http_request *request)
{
	const struct http_options *server = &fake_servers[http_header(request, "X-Tcp") ? 1 : 0];
	struct http_response response = {0};
	unsigned int changes = engine.changes, questions = engine.questions;

	/* Another user for each input: nobody is refused for how fast a fuzzer asks. */
	request->peer = (struct http_peer){.username = "somebody", .uid = inputs};
	request->peer.groups = http_header(request, "X-Public") ? 0 : 1; /* admin */
	request->too_long = http_header(request, "X-Long");
	if (request->too_long)
		request->length = 0;
	server->handle(request, &response, server->userdata);
	check_response(request, &response, engine.changes - changes, engine.questions - questions);
	if (response.when_durable) {
		server->hold(release, &response, server->userdata);
		check_response(request, &response, engine.changes - changes,
			       engine.questions - questions);
		REQUIRE(response.as_is || strstr(response.body, "\"audit\":\"durable\""), "%s",
			response.body);
	}
	if (server->completed)
		server->completed(&response, server->userdata);
	free(response.body);
	free(response.note);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;
	char *rest;

	if (size > INPUT_MAX)
		return 0;
	rest = text = fuzz_string(data, size);
	inputs++;
	fake_engine_init(&engine, audit_dir);
	for (unsigned int i = 0; i < REQUESTS_MAX; i++) {
		struct fake_exchange exchange = {0};
		struct http_request request = {0};

		if (!read_request(&rest, &request, &exchange))
			break;
		if (request.method)
			serve(&request);
	}
	fake_engine_done(&engine);
	return 0;
}
