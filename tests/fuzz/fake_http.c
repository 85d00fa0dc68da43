/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/http.h"
#include "api/job.h"
#include "api/trace.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "fake_engine.h"
#include "fuzz.h"

struct http_options fake_servers[2];

/* The server: keeps what it is told, and looks arguments and headers up. */
int http_start(const struct http_options *options, struct http_server **ret, struct fault *reterr)
{
	(void)reterr;
	fake_servers[fake_servers[0].handle ? 1 : 0] = *options;
	*ret = NULL;
	return 0;
}

void http_stop(struct http_server *s)
{
	(void)s;
}

int http_listen_unix(const char *path, int *ret_fd, struct fault *reterr)
{
	(void)path;
	(void)reterr;
	*ret_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 0;
}

int http_listen_tcp(const char *address, int *ret_fd, struct fault *reterr)
{
	return http_listen_unix(address, ret_fd, reterr);
}

int http_client_fd(const struct http_request *request)
{
	(void)request;
	return -1;
}

/* Jobs: done at once, so that an answer is there when its handler returns. */
int jobs_new(struct api *a, struct jobs **ret, struct fault *reterr)
{
	(void)a;
	(void)reterr;
	*ret = NULL;
	return 0;
}

void jobs_stop(struct jobs *jobs)
{
	(void)jobs;
}

void jobs_free(struct jobs *jobs)
{
	(void)jobs;
}

int tracing_new(struct api *a, struct tracing **ret, struct fault *reterr)
{
	(void)a;
	(void)reterr;
	*ret = NULL;
	return 0;
}

void tracing_stop(struct tracing *tracing)
{
	(void)tracing;
}

void tracing_free(struct tracing *tracing)
{
	(void)tracing;
}

bool job_is_cancelled(void *job)
{
	(void)job;
	return false;
}

void job_start(struct call *c, struct job *j)
{
	j->run(j);
	j->finish(c, j);
	j->free(j);
}

static const char *find(const struct fake_pair *pairs, unsigned int count, const char *name)
{
	for (unsigned int i = 0; i < count; i++)
		if (strcasecmp(pairs[i].name, name) == 0)
			return pairs[i].value;
	return NULL;
}

const char *http_argument(const struct http_request *request, const char *name)
{
	const struct fake_exchange *x = request->exchange;

	return find(x->arguments, x->argument_count, name);
}

void http_each_argument(const struct http_request *request,
			void (*fn)(const char *name, const char *value, void *userdata),
			void *userdata)
{
	const struct fake_exchange *x = request->exchange;

	for (unsigned int i = 0; i < x->argument_count; i++)
		fn(x->arguments[i].name, x->arguments[i].value ?: "", userdata);
}

const char *http_header(const struct http_request *request, const char *name)
{
	const struct fake_exchange *x = request->exchange;

	return find(x->headers, x->header_count, name);
}

void http_response_header(struct http_response *response, const char *name, const char *format, ...)
{
	va_list ap;
	int length;

	REQUIRE(response->header_count < HTTP_RESPONSE_HEADERS_MAX, "too many headers");
	response->headers[response->header_count].name = name;
	va_start(ap, format);
	length = vsnprintf(response->headers[response->header_count].value,
			   sizeof(response->headers[0].value), format, ap);
	va_end(ap);
	REQUIRE(length >= 0 && (size_t)length < sizeof(response->headers[0].value),
		"header %s is cut off", name);
	response->header_count++;
}
