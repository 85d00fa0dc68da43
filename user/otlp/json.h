/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The words of OTLP in JSON (https://opentelemetry.io/docs/specs/otlp/, 1.5.0): requests to export, attributes, who sends. 64 bits
 * are decimal strings, identifiers lower-case hex, enums numbers. What is appended after something gets its comma by itself.
 */
#ifndef OTLP_JSON_H
#define OTLP_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum otlp_signal { OTLP_TRACES, OTLP_METRICS, OTLP_LOGS, OTLP_SIGNAL_MAX };

const char *otlp_signal_to_str(enum otlp_signal signal); /* "traces", as in a path */

/* Who sends: the attributes service.instance.id and host.name, "" = it has none; service.name is weir. */
struct otlp_resource {
	char instance[37];
	char host[256];
};

/** Of this host, and of the daemon with this state directory: the same after every restart. */
void otlp_resource_init(struct otlp_resource *r, const char *state_dir);

/* A request begins and ends; what is exported goes between, otlp_put_comma() in front of each. */
void otlp_put_head(struct text *t, enum otlp_signal signal, const struct otlp_resource *r);
void otlp_put_tail(struct text *t);

/* Unless the last character opens something. */
void otlp_put_comma(struct text *t);
/* "name": as a string. */
void otlp_put_u64(struct text *t, const char *name, uint64_t value);
void otlp_put_hex(struct text *t, const char *name, const char *hex);

/* An attribute, a member of an array of them. What is no UTF-8 becomes U+FFFD. */
void otlp_put_string(struct text *t, const char *key, const char *value);
void otlp_put_int(struct text *t, const char *key, int64_t value);
void otlp_put_bool(struct text *t, const char *key, bool value);

#endif
