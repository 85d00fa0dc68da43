/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "otlp/span.h"

#include <sys/random.h>

/* Bits of Span.flags: W3C's, and whether the parent is elsewhere. */
#define FLAG_SAMPLED   0x001u
#define FLAG_IS_KNOWN  0x100u
#define FLAG_IS_REMOTE 0x200u

#define STATUS_ERROR 2

void otlp_random(char *to, unsigned int digits)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t random[16] = {0};

	/* Without randomness, before there is any: a name that is used once too often. */
	if (getrandom(random, sizeof(random), GRND_NONBLOCK) < 0)
		random[0] = 1;
	random[0] |= random[0] ? 0 : 1;
	for (unsigned int i = 0; i < digits; i++)
		to[i] = hex[random[i / 2] >> (i % 2 ? 0 : 4) & 15];
	to[digits] = '\0';
}

void otlp_put_span(struct text *t, const struct otlp_span *s)
{
	unsigned int flags = FLAG_SAMPLED | FLAG_IS_KNOWN | (s->remote ? FLAG_IS_REMOTE : 0);

	otlp_put_comma(t);
	text_puts(t, "{");
	otlp_put_hex(t, "traceId", s->trace_id);
	otlp_put_hex(t, "spanId", s->id);
	if (*s->parent)
		otlp_put_hex(t, "parentSpanId", s->parent);
	text_printf(t, ",\"flags\":%u,\"name\":", flags);
	text_put_json(t, s->name);
	text_printf(t, ",\"kind\":%d", (int)s->kind);
	otlp_put_u64(t, "startTimeUnixNano", s->start_ns);
	otlp_put_u64(t, "endTimeUnixNano", s->end_ns > s->start_ns ? s->end_ns : s->start_ns);
	text_printf(t, ",\"attributes\":[%s]", s->attributes);
	if (s->error) {
		text_printf(t, ",\"status\":{\"code\":%d,\"message\":", STATUS_ERROR);
		text_put_json(t, s->error);
		text_puts(t, "}");
	}
	text_puts(t, "}");
}
