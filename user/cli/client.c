/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/client.h"

#include <errno.h>
#include <string.h>

#include <curl/curl.h>

#include "base/cleanup.h"

DEFINE_CLEANUP(CURL *, curl_easy_cleanup)
DEFINE_CLEANUP(struct curl_slist *, curl_slist_free_all)

struct streaming {
	CURL *curl;
	const struct client_request *request;
	struct text *body;
	bool broken;
};

static size_t receive(char *data, size_t size, size_t count, void *userdata)
{
	struct text *body = userdata;
	size_t length = size * count;

	if (length > CLIENT_RESPONSE_MAX - body->length)
		return 0; /* makes curl_easy_perform() fail with CURLE_WRITE_ERROR */
	text_put(body, data, length);
	return body->truncated ? 0 : length;
}

static size_t receive_stream(char *data, size_t size, size_t count, void *userdata)
{
	struct streaming *s = userdata;
	long status = 0;

	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299)
		return receive(data, size, count, s->body);
	s->broken = !s->request->take(data, size * count, s->request->userdata);
	return s->broken ? 0 : size * count;
}

static void get_header(CURL *curl, const char *name, char *ret, size_t size)
{
	struct curl_header *header;

	if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
		snprintf(ret, size, "%s", header->value);
}

static int refused(const char *socket, int err, struct fault *reterr)
{
	if (err == ENOENT)
		return fault(reterr, -err, "client.unreachable",
			     "cannot reach the daemon: there is no socket %s", socket);
	if (err == ECONNREFUSED)
		return fault(reterr, -err, "client.unreachable",
			     "cannot reach the daemon: nobody listens on %s", socket);
	return fault(reterr, err ? -err : -ECONNREFUSED, "client.unreachable",
		     "cannot reach the daemon on %s: %s", socket, strerror(err ?: ECONNREFUSED));
}

static int failed(CURL *curl, CURLcode code, const char *socket, const struct text *body,
		  struct fault *reterr)
{
	long err = 0;

	switch (code) {
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &err);
		return refused(socket, (int)err, reterr);
	case CURLE_OPERATION_TIMEDOUT:
		return fault(reterr, -ETIMEDOUT, "client.timeout",
			     "the daemon on %s did not answer in time", socket);
	case CURLE_OUT_OF_MEMORY:
		return fault(reterr, -ENOMEM, "client.memory", "out of memory");
	case CURLE_WRITE_ERROR:
		if (body->truncated)
			return fault(reterr, -ENOMEM, "client.memory", "out of memory");
		return fault(reterr, -EFBIG, "client.too_big", "the daemon's answer exceeds %u MiB",
			     CLIENT_RESPONSE_MAX >> 20);
	default:
		return fault(reterr, -EPROTO, "client.protocol",
			     "no proper answer from the daemon on %s: %s", socket,
			     curl_easy_strerror(code));
	}
}

static int set_headers(CURL *curl, const struct client_request *request,
		       struct curl_slist **headers)
{
	_cleanup_(text_done) struct text credential = {.growing = true}, totp = {.growing = true};
	char type[128], base[32], key[96];
	struct curl_slist *list;

	/* No "Expect: 100-continue": it costs a round trip and gains nothing here. */
	list = curl_slist_append(NULL, "Expect:");
	if (!list)
		return -ENOMEM;
	*headers = list;
	snprintf(type, sizeof(type), "Content-Type:%s%s", request->type ? " " : "",
		 request->type ?: "");
	if (!curl_slist_append(list, type))
		return -ENOMEM;
	snprintf(base, sizeof(base), "If-Match: \"g%u\"", request->base);
	if (request->base && !curl_slist_append(list, base))
		return -ENOMEM;
	if (request->header && !curl_slist_append(list, request->header))
		return -ENOMEM;
	snprintf(key, sizeof(key), "Idempotency-Key: \"%s\"", request->key ?: "");
	if (request->key && !curl_slist_append(list, key))
		return -ENOMEM;
	text_printf(&credential, "Authorization: Bearer %s", request->credential ?: "");
	text_printf(&totp, "X-Weir-TOTP: %s", request->totp ?: "");
	if (request->credential && *request->credential &&
	    (credential.truncated || !curl_slist_append(list, credential.data)))
		return -ENOMEM;
	if (request->totp && (totp.truncated || !curl_slist_append(list, totp.data)))
		return -ENOMEM;
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
	return 0;
}

void client_put_escaped(struct text *t, const char *value)
{
	for (; *value; value++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~",
			   *value))
			text_put(t, value, 1);
		else
			text_printf(t, "%%%02X", (unsigned char)*value);
}

static void set_streaming(struct streaming *s, uint32_t timeout_ms)
{
	curl_easy_setopt(s->curl, CURLOPT_TIMEOUT_MS, 0L);
	curl_easy_setopt(s->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(s->curl, CURLOPT_LOW_SPEED_TIME, (long)timeout_ms / 1000 + 1);
	curl_easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, receive_stream);
	curl_easy_setopt(s->curl, CURLOPT_WRITEDATA, s);
}

int client_call(const char *socket, uint32_t timeout_ms, const struct client_request *request,
		struct client_response *ret, struct fault *reterr)
{
	_cleanup_(curl_slist_free_allp) struct curl_slist *headers = NULL;
	_cleanup_(curl_easy_cleanupp) CURL *curl = curl_easy_init();
	_cleanup_(client_response_done) struct client_response response = {.body.growing = true};
	struct streaming streaming = {curl, request, &response.body, false};
	curl_off_t retry_after = 0;
	char url[2048], type[64] = "";
	CURLcode code;

	if (!curl || set_headers(curl, request, &headers) < 0)
		return fault(reterr, -ENOMEM, "client.memory", "out of memory");
	if (snprintf(url, sizeof(url), "http://weir%s", request->path) >= (int)sizeof(url))
		return fault(reterr, -ENAMETOOLONG, "client.path", "the request is too long");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
	if (request->body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response.body);
	if (request->take)
		set_streaming(&streaming, timeout_ms);
	code = curl_easy_perform(curl);
	if (streaming.broken)
		return fault(reterr, -ECANCELED, "client.broken", "broken off");
	if (code != CURLE_OK)
		return failed(curl, code, socket, &response.body, reterr);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
	get_header(curl, "X-Weir-Generation", response.generation, sizeof(response.generation));
	get_header(curl, "X-Weir-Sha256", response.sha256, sizeof(response.sha256));
	get_header(curl, "Content-Type", type, sizeof(type));
	response.lines = strcmp(type, "application/x-ndjson") == 0;
	get_header(curl, "X-Weir-Profile", response.profile, sizeof(response.profile));
	get_header(curl, "X-Weir-Page", response.page, sizeof(response.page));
	get_header(curl, "X-Weir-Cursor", response.cursor, sizeof(response.cursor));
	get_header(curl, "X-Weir-Tip", response.tip, sizeof(response.tip));
	get_header(curl, "X-Weir-Integrity", response.integrity, sizeof(response.integrity));
	get_header(curl, "X-Weir-Records", response.records, sizeof(response.records));
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
	response.retry_after = (long)retry_after;
	text_put(&response.body, "", 0); /* an empty body is a string, too */
	if (response.body.truncated)
		return fault(reterr, -ENOMEM, "client.memory", "out of memory");
	*ret = response;
	response.body = (struct text){0};
	return 0;
}

void client_response_done(struct client_response *response)
{
	text_done(&response->body);
}
