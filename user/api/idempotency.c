/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/idempotency.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/log.h"
#include "engine/answers.h"

struct in_flight {
	struct in_flight *next;
	uid_t uid;
	char key[IDEMPOTENCY_KEY_MAX + 1];
	const struct http_response *response;
};

static bool is_token(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

int idempotency_parse(const char *header, char ret[static IDEMPOTENCY_KEY_MAX + 1])
{
	bool quoted = *header == '"';
	size_t length = 0;

	header += quoted;
	while (is_token(header[length]))
		length++;
	if (!length || length > IDEMPOTENCY_KEY_MAX || strcmp(header + length, quoted ? "\"" : ""))
		return -EINVAL;
	memcpy(ret, header, length);
	ret[length] = '\0';
	return 0;
}

static void put_argument(const char *name, const char *value, void *context)
{
	EVP_DigestUpdate(context, name, strlen(name) + 1);
	EVP_DigestUpdate(context, value, strlen(value) + 1);
}

/* Method, version, path, arguments and body: what makes it the same request. */
static int hash_request(const struct call *c, char ret[static IDEMPOTENCY_HASH_SIZE])
{
	const struct http_request *r = c->request;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int made = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);

	if (made) {
		put_argument(r->method, api_version(c->version)->word, context);
		put_argument(c->path, "", context);
		http_each_argument(r, put_argument, context);
		made = EVP_DigestUpdate(context, "", 1) &&
		       EVP_DigestUpdate(context, r->body, r->length) &&
		       EVP_DigestFinal_ex(context, digest, &length);
	}
	EVP_MD_CTX_free(context);
	if (!made)
		return -ENOMEM;
	for (unsigned int i = 0; i < length; i++)
		snprintf(ret + (size_t)2 * i, 3, "%02x", digest[i]);
	return 0;
}

static bool is_in_flight(const struct call *c)
{
	for (const struct in_flight *f = c->api->in_flight; f; f = f->next)
		if (f->uid == c->actor.uid && strcmp(f->key, c->idempotency.key) == 0)
			return true;
	return false;
}

static void replay(struct call *c, const struct store_answer_found *found)
{
	c->idempotency.replayed = true;
	http_response_header(c->response, "Idempotency-Replayed", "true");
	reply_changed(c, found->status, json_loads(found->body, 0, NULL));
}

static bool was_answered(struct call *c)
{
	_cleanup_free_ char *body = NULL;
	struct store_answer_found found = {0};
	struct fault f = {0};
	int r = engine_answer_find(c->engine, c->actor.uid, c->idempotency.key, &found, &f);

	body = found.body;
	if (r < 0 && r != -ENOENT) {
		reply_fault(c, &f); /* it may have been done: better not to do it again */
		return true;
	}
	if (r == 0 && strcmp(found.request, c->idempotency.request) != 0) {
		reply_problem(c, 422, "request.idempotency",
			      "this Idempotency-Key was that of another request: each one takes "
			      "a key of its own");
		return true;
	}
	if (is_in_flight(c)) {
		reply_problem(c, 409, "request.in_flight",
			      "a request with this Idempotency-Key is being answered");
		return true;
	}
	if (r == 0)
		replay(c, &found);
	return r == 0;
}

bool idempotency_answers(struct call *c)
{
	const char *header = http_header(c->request, "Idempotency-Key");

	if (!header || strcmp(c->request->method, "POST") != 0)
		return false;
	if (idempotency_parse(header, c->idempotency.key) < 0) {
		reply_problem(c, 400, "request.idempotency_key",
			      "Idempotency-Key takes 1 to %u letters, digits and !#$%%&'*+-.^_`|~",
			      IDEMPOTENCY_KEY_MAX);
		return true;
	}
	if (hash_request(c, c->idempotency.request) < 0) {
		*c->idempotency.key = '\0';
		reply_problem(c, 500, "api.memory", "out of memory");
		return true;
	}
	if (!was_answered(c))
		return false;
	*c->idempotency.key = '\0'; /* there is nothing to keep */
	return true;
}

static void remember(struct call *c)
{
	struct in_flight *f = calloc(1, sizeof(*f));

	if (!f)
		return; /* who asks again before the record is durable gets the answer then */
	f->uid = c->actor.uid;
	f->response = c->response;
	f->next = c->api->in_flight;
	memcpy(f->key, c->idempotency.key, sizeof(f->key));
	c->api->in_flight = f;
}

void idempotency_keep(struct call *c)
{
	const struct http_response *r = c->response;
	const struct store_answer answer = {
		.uid = c->actor.uid,
		.key = c->idempotency.key,
		.request = c->idempotency.request,
		.status = r->status,
		.body = r->body,
	};
	struct fault f = {0};

	if (!*c->idempotency.key || r->status >= 300 || !r->body)
		return;
	if (engine_answer_keep(c->engine, answer, &f) < 0) {
		log_warn("an answer was not kept: its request would be done again", "error",
			 f.text);
		http_response_header(c->response, "X-Weir-Idempotency", "unkept");
	}
	if (r->when_durable)
		remember(c);
}

void idempotency_completed(struct in_flight **list, const struct http_response *response)
{
	while (*list) {
		struct in_flight *f = *list;

		if (f->response == response) {
			*list = f->next;
			free(f);
		} else {
			list = &f->next;
		}
	}
}

void idempotency_free(struct in_flight *list)
{
	while (list) {
		struct in_flight *next = list->next;

		free(list);
		list = next;
	}
}
