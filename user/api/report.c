/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Somebody is about to have a report made. The work, minutes of it for a large log, is the client's, with the rights
 * that he has to the files; here it is recorded first.
 */
#include <errno.h>
#include <string.h>

#include "api/internal.h"

static const char *word_of(const json_t *body, const char *key)
{
	const char *word = json_string_value(json_object_get(body, key));

	return word && strlen(word) <= ENGINE_REPORT_WORD_MAX ? word : NULL;
}

void handle_audit_report(struct call *c)
{
	json_t *body =
		json_loadb(c->request->body, c->request->length, JSON_REJECT_DUPLICATES, NULL);
	const struct engine_report report = {
		.since = word_of(body, "since"),
		.until = word_of(body, "until"),
		.framework = word_of(body, "framework"),
		.format = word_of(body, "format"),
	};
	struct fault f = {0};

	if (!report.since || !report.until || !report.framework || !report.format)
		reply_problem(
			c, 400, "request.body",
			"a report takes since, until, framework and format, each a text of at "
			"most %u bytes",
			ENGINE_REPORT_WORD_MAX);
	else if (engine_reported(c->engine, &report, &c->actor, &f) < 0)
		reply_fault(c, &f);
	else
		reply_changed(c, 200, json_pack("{s:s}", "directory", engine_audit_dir(c->engine)));
	json_decref(body);
}
