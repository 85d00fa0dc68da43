/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "trace/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "audit/base64.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/words.h"
#include "trace/filter.h"

/* RFC 3339 with nanoseconds. */
static void put_time(struct text *t, uint64_t real_ns)
{
	time_t seconds = (time_t)(real_ns / NSEC_PER_SEC);
	struct tm tm;
	char buffer[32];

	if (!gmtime_r(&seconds, &tm) || !strftime(buffer, sizeof(buffer), "%Y-%m-%dT%H:%M:%S", &tm))
		buffer[0] = '\0';
	text_printf(t, "\"%s.%09" PRIu64 "Z\"", buffer, (uint64_t)(real_ns % NSEC_PER_SEC));
}

static void put_string(struct text *t, const char *key, const char *value)
{
	text_printf(t, ",\"%s\":", key);
	if (value)
		text_put_json(t, value);
	else
		text_puts(t, "null");
}

static void put_address(struct text *t, const char *key, const struct weir_trace_event *event,
			const __u64 words[2], bool hide)
{
	char buffer[PREFIX_TEXT_SIZE];
	struct prefix p = {.bits = 128};

	if (!(event->flags & WEIR_TRACE_IP))
		return put_string(t, key, NULL);
	memcpy(p.address, words, sizeof(p.address));
	if (hide) {
		p.bits = address_is_ipv4(p.address) ? 96 + TRACE_HIDDEN_IP4_BITS
						    : TRACE_HIDDEN_IP6_BITS;
		address_mask(p.address, p.bits);
	}
	prefix_format(&p, buffer);
	put_string(t, key, buffer);
}

static void put_port(struct text *t, const char *key, const struct weir_trace_event *event,
		     uint16_t port)
{
	if (event->flags & WEIR_TRACE_PORTS)
		text_printf(t, ",\"%s\":%u", key, port);
	else
		text_printf(t, ",\"%s\":null", key);
}

static void put_protocol(struct text *t, const struct weir_trace_event *event)
{
	const char *name = trace_protocol_to_str(event->protocol);
	char number[8];

	snprintf(number, sizeof(number), "%u", event->protocol);
	put_string(t, "protocol", event->flags & WEIR_TRACE_IP ? name ?: number : NULL);
}

void trace_event_put(struct text *t, const struct weir_trace_event *event,
		     const struct trace_meaning *meaning, bool hide)
{
	text_puts(t, "{\"type\":\"packet\",\"timestamp\":");
	put_time(t, meaning->time_real_ns);
	put_string(t, "interface", meaning->interface);
	put_string(t, "verdict", verdict_to_str(event->verdict));
	put_string(t, "reason", reason_to_str(event->reason));
	put_string(t, "rule", meaning->rule);
	put_string(t, "tenant", meaning->tenant);
	text_printf(t, ",\"generation\":%u", event->generation);
	put_protocol(t, event);
	put_address(t, "source", event, event->source, hide);
	put_port(t, "source_port", event, event->source_port);
	put_address(t, "destination", event, event->destination, hide);
	put_port(t, "destination_port", event, event->destination_port);
	text_printf(t, ",\"length\":%u", event->length);
	if (event->snapped && !hide) {
		text_puts(t, ",\"packet\":\"");
		base64_put(t, event + 1, event->snapped);
		text_puts(t, "\"");
	}
	text_puts(t, "}");
}

void trace_count_put(struct text *t, const struct weir_trace_count *count)
{
	text_printf(t,
		    "\"seen\":%llu,\"not_sampled\":%llu,\"not_matching\":%llu,\"matched\":%llu,"
		    "\"over_budget\":%llu,\"lost\":%llu",
		    count->seen, count->seen - count->looked_at, count->looked_at - count->matched,
		    count->matched, count->over_budget, count->lost);
}
