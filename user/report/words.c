/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a report is asked for by, in the words of the command line and the API. */
#include <errno.h>
#include <string.h>

#include "audit/query.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "report/report.h"

#define DAYS_DEFAULT "30"
#define DAYS_MAX     36500

static const struct {
	const char *name, *type;
	void (*put)(struct text *t, const json_t *report);
} formats[REPORT_FORMAT_MAX] = {
	[REPORT_FORMAT_HTML] = {"html", "text/html; charset=utf-8", report_put_html},
	[REPORT_FORMAT_JSON] = {"json", "application/json", report_put_json},
	[REPORT_FORMAT_CSV] = {"csv", "text/csv; charset=utf-8", report_put_csv},
};

const char *report_format_to_str(enum report_format format)
{
	return formats[format].name;
}

const char *report_format_type(enum report_format format)
{
	return formats[format].type;
}

void report_put(struct text *t, enum report_format format, const json_t *report)
{
	formats[format].put(t, report);
}

static int read_range(const struct report_words *w, uint64_t now_ns, struct report_options *ret,
		      struct fault *reterr)
{
	struct audit_query query;
	uint32_t days;

	audit_query_init(&query);
	if ((w->since && audit_query_set(&query, QUERY_SINCE, w->since, reterr) < 0) ||
	    (w->until && audit_query_set(&query, QUERY_UNTIL, w->until, reterr) < 0))
		return -EINVAL;
	if (w->since && w->days)
		return fault(reterr, -EINVAL, "report.range",
			     "since and days say the same: give one of them");
	if (parse_u32(w->days ?: DAYS_DEFAULT, 1, DAYS_MAX, &days) < 0)
		return fault(reterr, -EINVAL, "report.range",
			     "days: '%.40s' is no number from 1 to %d", w->days, DAYS_MAX);
	ret->until_ns =
		w->until ? query.until_ns : now_ns / NSEC_PER_SEC * NSEC_PER_SEC + NSEC_PER_SEC;
	ret->since_ns = days * 86400 * NSEC_PER_SEC;
	ret->since_ns = ret->until_ns > ret->since_ns ? ret->until_ns - ret->since_ns : 0;
	if (w->since)
		ret->since_ns = query.since_ns;
	if (ret->since_ns >= ret->until_ns)
		return fault(reterr, -EINVAL, "report.range",
			     "the range of the report is empty: it ends before it begins");
	return 0;
}

static int read_framework(const struct report_words *w, struct report_options *ret,
			  struct fault *reterr)
{
	_cleanup_(text_done) struct text known = {.growing = true};
	int number = w->framework ? report_framework_from_str(w->framework) : REPORT_FRAMEWORK_NONE;

	if (number >= 0) {
		ret->framework = (enum report_framework)number;
		return 0;
	}
	for (int i = REPORT_FRAMEWORK_NONE + 1; i < REPORT_FRAMEWORK_MAX; i++)
		text_printf(&known, "%s%s", i > 1 ? ", " : "",
			    report_framework_to_str((enum report_framework)i));
	return fault(reterr, -EINVAL, "report.framework", "framework '%.40s' is none of %s",
		     w->framework, known.data ?: "");
}

static int read_format(const struct report_words *w, enum report_format *ret, struct fault *reterr)
{
	for (unsigned int i = 0; i < REPORT_FORMAT_MAX; i++)
		if (strcmp(formats[i].name, w->format ?: "html") == 0) {
			*ret = (enum report_format)i;
			return 0;
		}
	return fault(reterr, -EINVAL, "report.format", "format '%.40s' is none of html, json, csv",
		     w->format);
}

int report_read(const struct report_words *words, struct report_options *ret,
		enum report_format *ret_format, struct fault *reterr)
{
	int r = read_range(words, clock_real_ns(), ret, reterr);

	if (r == 0)
		r = read_framework(words, ret, reterr);
	if (r == 0)
		r = read_format(words, ret_format, reterr);
	if (r == 0 && words->key) {
		r = note_verifier_parse(words->key, &ret->key, reterr);
		ret->has_key = r == 0;
	}
	if (r == 0 && words->key && !words->checkpoint)
		r = fault(reterr, -EINVAL, "report.key",
			  "a key says who must have signed a checkpoint, and none is given");
	ret->checkpoint = words->checkpoint;
	ret->checkpoint_length = words->checkpoint ? words->checkpoint_length : 0;
	return r;
}
