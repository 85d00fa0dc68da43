/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"

static bool as_json;
static enum log_level lowest_level = LOG_INFO;
static _Thread_local struct {
	const char *id, *trace_id;
} request;

static const char *const level_names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};
_Static_assert(ARRAY_SIZE(level_names) == LOG_LEVEL_MAX, "a level has no name");

void log_set_json(bool json)
{
	as_json = json;
}

void log_set_level(enum log_level lowest)
{
	lowest_level = lowest;
}

void log_set_request(const char *request_id, const char *trace_id)
{
	request.id = request_id;
	request.trace_id = trace_id;
}

static bool needs_quotes(const char *value)
{
	if (!*value)
		return true;
	for (; *value; value++)
		if (*value <= ' ' || *value == '"' || *value == '=' || *value == '\\' ||
		    *value > '~')
			return true;
	return false;
}

static void put_pair(struct text *line, const char *key, const char *value)
{
	if (as_json) {
		text_puts(line, ",\"");
		text_puts(line, key);
		text_puts(line, "\":");
		text_put_json(line, value);
		return;
	}
	text_puts(line, " ");
	text_puts(line, key);
	text_puts(line, "=");
	if (needs_quotes(value))
		text_put_json(line, value);
	else
		text_puts(line, value);
}

static void put_request(struct text *line)
{
	if (request.id && *request.id)
		put_pair(line, "request_id", request.id);
	if (request.trace_id && *request.trace_id)
		put_pair(line, "trace_id", request.trace_id);
}

void log_write(enum log_level level, const char *message, ...)
{
	int saved_errno = errno;
	char buffer[2048], stamp[CLOCK_RFC3339_SIZE];
	struct text line;
	const char *key;
	va_list ap;

	if (level < lowest_level)
		return;
	text_init(&line, buffer, sizeof(buffer) - 2); /* room for the end of the line */
	clock_format_rfc3339(clock_real_ns(), stamp);
	text_puts(&line, as_json ? "{\"ts\":\"" : "ts=");
	text_puts(&line, stamp);
	text_puts(&line, as_json ? "\",\"level\":\"" : " level=");
	text_puts(&line, level_names[level]);
	if (as_json)
		text_puts(&line, "\"");
	put_pair(&line, "msg", message);
	va_start(ap, message);
	while ((key = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);

		put_pair(&line, key, value ? value : "");
	}
	va_end(ap);
	put_request(&line);
	if (line.truncated)
		/* A cut line would not be JSON any more; say what happened instead. */
		line.length = (size_t)snprintf(buffer, sizeof(buffer) - 2,
					       as_json ? "{\"level\":\"%s\",\"msg\":\"%.200s\","
							 "\"truncated\":\"true\"}"
						       : "level=%s msg=\"%.200s\" truncated=true",
					       level_names[level], message) -
			      (as_json ? 1 : 0);
	if (as_json)
		buffer[line.length++] = '}';
	buffer[line.length++] = '\n';
	if (write(STDERR_FILENO, buffer, line.length) < 0)
		/* Nobody is left to tell. */
		errno = saved_errno;
	errno = saved_errno;
}
