/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "otlp/post.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/target.h"

#define ANSWER_MAX 16384 /* bytes of an answer that are read */
#define WAIT_MS	   1000	 /* libcurl looks at its own clocks at least so often */

struct otlp_poster {
	char *endpoint, *headers_file;
	CURL *curl;
	CURLM *multi;
	struct text body; /* of the answer */
	char error[CURL_ERROR_SIZE];
};

DEFINE_CLEANUP(struct curl_slist *, curl_slist_free_all)

static size_t take(char *data, size_t size, size_t count, void *userdata)
{
	struct text *body = userdata;

	if (body->length + size * count <= ANSWER_MAX)
		text_put(body, data, size * count);
	return size * count; /* the rest of a long answer is not for us */
}

int otlp_poster_new(const char *endpoint, const char *headers_file, struct otlp_poster **ret,
		    struct fault *reterr)
{
	_cleanup_(otlp_poster_freep) struct otlp_poster *p = NULL;
	size_t length = strlen(endpoint);
	struct target target;

	if (target_parse(endpoint, &target) < 0 || target.kind < TARGET_HTTP)
		return fault(reterr, -EINVAL, "otlp.endpoint", "'%.255s' is no endpoint", endpoint);
	while (length && endpoint[length - 1] == '/')
		length--;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	p = calloc(1, sizeof(*p));
	if (p) {
		p->body.growing = true;
		p->endpoint = strndup(endpoint, length);
		p->headers_file = headers_file ? strdup(headers_file) : NULL;
		p->curl = curl_easy_init();
		p->multi = curl_multi_init();
	}
	if (!p || !p->endpoint || (headers_file && !p->headers_file) || !p->curl || !p->multi)
		return fault(reterr, -ENOMEM, "otlp.memory", "out of memory");
	curl_easy_setopt(p->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(p->curl, CURLOPT_QUICK_EXIT,
			 1L); /* not for a name that nobody answers for */
	curl_easy_setopt(p->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	/* The policy says where it goes, and nothing else does. */
	curl_easy_setopt(p->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(p->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(p->curl, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
	curl_easy_setopt(p->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(p->curl, CURLOPT_WRITEDATA, &p->body);
	curl_easy_setopt(p->curl, CURLOPT_ERRORBUFFER, p->error);
	*ret = take_ptr(p);
	return 0;
}

void otlp_poster_free(struct otlp_poster *p)
{
	if (!p)
		return;
	if (p->curl)
		curl_easy_cleanup(p->curl);
	if (p->multi)
		curl_multi_cleanup(p->multi);
	text_done(&p->body);
	free(p->endpoint);
	free(p->headers_file);
	free(p);
}

static bool is_header(const char *line)
{
	size_t name = strspn(line, "!#$%&'*+-.^_`|~0123456789"
				   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	if (!name || line[name] != ':')
		return false;
	for (const char *p = line + name; *p; p++)
		if (iscntrl((unsigned char)*p) && *p != '\t')
			return false;
	return true;
}

static int add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer ? 0 : -ENOMEM;
}

/* What it says may be a secret: a message about it names the line only. */
static int read_headers(const char *path, struct curl_slist **list, struct fault *reterr)
{
	_cleanup_free_ char *text = NULL;
	unsigned int number = 0, count = 0;
	char *line, *rest;
	struct stat st;
	size_t length;
	int r;

	if (stat(path, &st) == 0 && (st.st_mode & 0027))
		return fault(reterr, -EPERM, "otlp.headers",
			     "%.100s: chmod 600, others must not read what may be a secret", path);
	r = fs_read_file(path, OTLP_HEADERS_BYTES, &text, &length, reterr);
	if (r < 0)
		return r;
	for (rest = text; (line = strsep(&rest, "\n"));) {
		number++;
		line[strcspn(line, "\r")] = '\0';
		if (!*line || *line == '#')
			continue;
		if (!is_header(line) || ++count > OTLP_HEADERS_MAX)
			return fault(reterr, -EINVAL, "otlp.headers",
				     "%.100s:%u: not 'Name: value', or more than %d of them", path,
				     number, OTLP_HEADERS_MAX);
		r = add_header(list, line);
		if (r < 0)
			return fault(reterr, r, "otlp.memory", "out of memory");
	}
	return 0;
}

/* {"partialSuccess":{"rejectedSpans":"2","errorMessage":"..."}} of any signal. */
static void read_answer(const struct text *body, struct otlp_answer *ret)
{
	static const char *const names[] = {"rejectedSpans", "rejectedDataPoints",
					    "rejectedLogRecords"};
	json_t *o = body->length ? json_loadb(body->data, body->length, 0, NULL) : NULL;
	const json_t *partial = json_object_get(o, "partialSuccess");
	const char *words = json_string_value(
		json_object_get(partial ?: o, partial ? "errorMessage" : "message"));

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const json_t *n = json_object_get(partial, names[i]);
		uint64_t number = 0;

		if (json_is_integer(n) && json_integer_value(n) > 0)
			number = (uint64_t)json_integer_value(n);
		else if (json_is_string(n))
			parse_u64(json_string_value(n), 0, INT64_MAX, &number);
		ret->rejected += number;
	}
	if (words && *words && ret->status >= 200 && ret->status < 300)
		snprintf(ret->words, sizeof(ret->words), "%.150s", words);
	else if (words && *words)
		snprintf(ret->words, sizeof(ret->words), "HTTP %ld: %.150s", ret->status, words);
	json_decref(o);
}

static void judge(struct otlp_poster *p, struct otlp_answer *ret)
{
	curl_off_t after_s = 0;

	curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &ret->status);
	curl_easy_getinfo(p->curl, CURLINFO_RETRY_AFTER, &after_s);
	ret->outcome = OTLP_REFUSED;
	if (ret->status >= 200 && ret->status < 300) {
		ret->outcome = OTLP_SENT;
	} else {
		snprintf(ret->words, sizeof(ret->words), "HTTP %ld", ret->status);
		if (ret->status == 429 || ret->status == 502 || ret->status == 503 ||
		    ret->status == 504)
			ret->outcome = OTLP_RETRY;
	}
	if (ret->outcome == OTLP_RETRY && after_s > 0)
		ret->retry_after_ns =
			NSEC_PER_SEC *
			(uint64_t)(after_s < OTLP_RETRY_AFTER_MAX ? after_s : OTLP_RETRY_AFTER_MAX);
	read_answer(&p->body, ret);
	utf8_repair(ret->words);
}

/* Until it is over, or @stop_fd says so. */
static bool perform(struct otlp_poster *p, int stop_fd, CURLcode *ret)
{
	struct curl_waitfd stop = {.fd = stop_fd, .events = CURL_WAIT_POLLIN};
	int running = 1, left;

	*ret = CURLE_OUT_OF_MEMORY;
	while (running) {
		if (curl_multi_perform(p->multi, &running) != CURLM_OK)
			return true;
		if (!running)
			break;
		stop.revents = 0;
		if (curl_multi_poll(p->multi, &stop, stop_fd >= 0, WAIT_MS, NULL) != CURLM_OK)
			return true;
		if (stop.revents)
			return false;
	}
	for (const CURLMsg *m; (m = curl_multi_info_read(p->multi, &left));)
		if (m->msg == CURLMSG_DONE)
			*ret = m->data.result;
	return true;
}

void otlp_post(struct otlp_poster *p, enum otlp_signal signal, const char *body, size_t length,
	       int stop_fd, unsigned int timeout_ms, struct otlp_answer *ret)
{
	_cleanup_(curl_slist_free_allp) struct curl_slist *headers = NULL;
	char url[TARGET_URL_MAX + 16];
	struct fault f = {0};
	CURLcode code;
	bool whole;

	*ret = (struct otlp_answer){.outcome = OTLP_RETRY};
	p->body.length = 0;
	p->error[0] = '\0';
	snprintf(url, sizeof(url), "%s/v1/%s", p->endpoint, otlp_signal_to_str(signal));
	if (add_header(&headers, "Content-Type: application/json") < 0 ||
	    add_header(&headers, "Expect:") < 0)
		fault(&f, -ENOMEM, "otlp.memory", "out of memory");
	if (!f.err && p->headers_file)
		read_headers(p->headers_file, &headers, &f);
	if (f.err) {
		snprintf(ret->words, sizeof(ret->words), "%.190s", f.text);
		utf8_repair(ret->words);
		return;
	}
	curl_easy_setopt(p->curl, CURLOPT_URL, url);
	curl_easy_setopt(p->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(p->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(p->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(p->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
	curl_multi_add_handle(p->multi, p->curl);
	whole = perform(p, stop_fd, &code);
	if (!whole) {
		ret->outcome = OTLP_STOPPED;
	} else if (code == CURLE_OK) {
		judge(p, ret);
	} else {
		snprintf(ret->words, sizeof(ret->words), "%.190s",
			 *p->error ? p->error : curl_easy_strerror(code));
		utf8_repair(ret->words);
	}
	curl_multi_remove_handle(p->multi, p->curl);
	curl_easy_setopt(p->curl, CURLOPT_HTTPHEADER, NULL);
}
