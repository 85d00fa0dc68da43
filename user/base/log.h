/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Structured log lines on stderr: logfmt, or JSON lines with log_set_json(). The message is a
 * constant; everything variable is a field. Who decides, logs: only the daemon, request handlers and
 * timers call this, once per failure; lower tiers return a struct fault.
 *
 *   log_warn("policy refused", "path", path, "error", f.text);
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVEL_MAX };

void log_set_json(bool json);
void log_set_level(enum log_level lowest);

/**
 * Write one line. The arguments after @message are key, value pairs of C strings and end with NULL;
 * a NULL value is written as empty. Values are escaped, so no input can forge a field or a line. Errno
 * is kept. Safe from any thread; a line is one write(2).
 */
void log_write(enum log_level level, const char *message, ...) __attribute__((sentinel));

/**
 * Whose request this thread works on from now on: each of its lines ends with request_id and trace_id, those of them that
 * are not "". Both are borrowed. NULL, NULL: nobody's.
 */
void log_set_request(const char *request_id, const char *trace_id);

/* The macros count the arguments into pairs and add the sentinel. */
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__, NULL)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__, NULL)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__, NULL)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__, NULL)

#endif
