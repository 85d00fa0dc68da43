/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Content negotiation (RFC 9110, section 12.5.1), as far as two formats need it. */
#include <string.h>
#include <strings.h>

#include "metrics/metrics.h"

static const struct {
	const char *range; /* the media type without parameters */
	const char *content_type;
} formats[] = {
	[METRICS_TEXT] = {"text/plain", "text/plain; version=0.0.4; charset=utf-8"},
	[METRICS_OPENMETRICS] = {"application/openmetrics-text",
				 "application/openmetrics-text; version=1.0.0; charset=utf-8"},
};

const char *metrics_content_type(enum metrics_format format)
{
	return formats[format].content_type;
}

/* "0.75" as 750; what is no weight is none. */
static int weight_of(const char *text, size_t length)
{
	int weight = 0, digit = 100;

	if (!length || (text[0] != '0' && text[0] != '1') || (length > 1 && text[1] != '.') ||
	    length > 5)
		return 0;
	if (text[0] == '1')
		return 1000;
	for (size_t i = 2; i < length; i++, digit /= 10) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		weight += (text[i] - '0') * digit;
	}
	return weight;
}

/* The parameter @name of a media range, with its length; NULL: it has none. */
static const char *parameter(const char *range, size_t length, const char *name, size_t *ret_length)
{
	const char *end = range + length, *at = range;
	size_t name_length = strlen(name);

	while ((at = memchr(at, ';', (size_t)(end - at)))) {
		for (at++; at < end && (*at == ' ' || *at == '\t'); at++)
			;
		if ((size_t)(end - at) > name_length && strncasecmp(at, name, name_length) == 0 &&
		    at[name_length] == '=') {
			at += name_length + 1;
			*ret_length = strcspn(at, ";, \t");
			return at;
		}
	}
	return NULL;
}

/* Is it this format that @range is about? OpenMetrics there is of version 1.0.0 alone. */
static bool is_about(enum metrics_format format, const char *range, size_t length)
{
	size_t name = strcspn(range, ";, \t"), version_length = 0;
	const char *version = parameter(range, length, "version", &version_length);

	if (name != strlen(formats[format].range) ||
	    strncasecmp(range, formats[format].range, name) != 0)
		return false;
	return format != METRICS_OPENMETRICS || !version ||
	       (version_length == 5 && memcmp(version, "1.0.0", 5) == 0);
}

enum metrics_format metrics_choose(const char *accept)
{
	int weights[METRICS_FORMAT_MAX] = {0};

	while (accept && *accept) {
		size_t length, q_length = 0;
		const char *q;

		accept += strspn(accept, ", \t");
		length = strcspn(accept, ",");
		q = parameter(accept, length, "q", &q_length);
		for (enum metrics_format i = 0; i < METRICS_FORMAT_MAX; i++) {
			int weight = q ? weight_of(q, q_length) : 1000;

			if (is_about(i, accept, length) && weight > weights[i])
				weights[i] = weight;
		}
		accept += length;
	}
	return weights[METRICS_OPENMETRICS] > weights[METRICS_TEXT] ? METRICS_OPENMETRICS
								    : METRICS_TEXT;
}
