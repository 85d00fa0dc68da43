/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "otlp/json.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"

#define MACHINE_ID_MAX 256

static const struct {
	const char *word, *resources, *scopes, *items;
} signals[OTLP_SIGNAL_MAX] = {
	[OTLP_TRACES] = {"traces", "resourceSpans", "scopeSpans", "spans"},
	[OTLP_METRICS] = {"metrics", "resourceMetrics", "scopeMetrics", "metrics"},
	[OTLP_LOGS] = {"logs", "resourceLogs", "scopeLogs", "logRecords"},
};

const char *otlp_signal_to_str(enum otlp_signal signal)
{
	return signals[signal].word;
}

/* A UUID of version 8 (RFC 9562, 5.8): nobody learns the host's own identifier from it. */
void otlp_resource_init(struct otlp_resource *r, const char *state_dir)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	_cleanup_free_ char *machine = NULL;
	struct text seed = {.growing = true};
	size_t length;

	if (gethostname(r->host, sizeof(r->host)) < 0)
		r->host[0] = '\0';
	r->host[sizeof(r->host) - 1] = '\0';
	utf8_repair(r->host);
	if (fs_read_file("/etc/machine-id", MACHINE_ID_MAX, &machine, &length, NULL) < 0)
		machine = NULL;
	text_printf(&seed, "weir %s %s", machine ?: r->host, state_dir);
	SHA256((const unsigned char *)(seed.data ?: ""), seed.length, hash);
	text_done(&seed);
	hash[6] = (uint8_t)(0x80 | (hash[6] & 0x0f));
	hash[8] = (uint8_t)(0x80 | (hash[8] & 0x3f));
	for (size_t i = 0, at = 0; i < 16; i++)
		at += (size_t)snprintf(r->instance + at, sizeof(r->instance) - at, "%s%02x",
				       i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", hash[i]);
}

void otlp_put_comma(struct text *t)
{
	if (t->length && !strchr("[{", t->data[t->length - 1]))
		text_puts(t, ",");
}

void otlp_put_head(struct text *t, enum otlp_signal signal, const struct otlp_resource *r)
{
	text_printf(t, "{\"%s\":[{\"resource\":{\"attributes\":[", signals[signal].resources);
	otlp_put_string(t, "service.name", "weir");
	otlp_put_string(t, "service.version", WEIR_VERSION);
	if (*r->instance)
		otlp_put_string(t, "service.instance.id", r->instance);
	if (*r->host)
		otlp_put_string(t, "host.name", r->host);
	text_printf(t,
		    "]},\"%s\":[{\"scope\":{\"name\":\"weir\",\"version\":\"" WEIR_VERSION
		    "\"},\"%s\":[",
		    signals[signal].scopes, signals[signal].items);
}

void otlp_put_tail(struct text *t)
{
	text_puts(t, "]}]}]}");
}

void otlp_put_u64(struct text *t, const char *name, uint64_t value)
{
	otlp_put_comma(t);
	text_printf(t, "\"%s\":\"%" PRIu64 "\"", name, value);
}

void otlp_put_hex(struct text *t, const char *name, const char *hex)
{
	otlp_put_comma(t);
	text_printf(t, "\"%s\":\"%s\"", name, hex);
}

static void put_key(struct text *t, const char *key)
{
	otlp_put_comma(t);
	text_puts(t, "{\"key\":");
	text_put_json(t, key);
	text_puts(t, ",\"value\":{");
}

void otlp_put_string(struct text *t, const char *key, const char *value)
{
	put_key(t, key);
	text_puts(t, "\"stringValue\":");
	text_put_json(t, value);
	text_puts(t, "}}");
}

void otlp_put_int(struct text *t, const char *key, int64_t value)
{
	put_key(t, key);
	text_printf(t, "\"intValue\":\"%" PRId64 "\"}}", value);
}

void otlp_put_bool(struct text *t, const char *key, bool value)
{
	put_key(t, key);
	text_printf(t, "\"boolValue\":%s}}", value ? "true" : "false");
}
