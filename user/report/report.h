/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the audit log shows of a time, for people who were not there: figures from one pass over its records, as a
 * JSON document, and that document as a page or as a table. The log is read as it is on disk, whoever writes it.
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include <stdint.h>

#include <jansson.h>

#include "audit/personal.h"
#include "base/fault.h"
#include "base/text.h"

#define REPORT_SOURCES_MAX 65536 /* told apart; the rest is counted together */
#define REPORT_TOP	   20	 /* sources and actors that are shown */
#define REPORT_LINES_MAX   500	 /* of each list: the newest; how many are left out is said */
#define REPORT_BUCKETS	   60	 /* of the time line */

enum report_framework {
	REPORT_FRAMEWORK_NONE,
#define REPORT_FRAMEWORK(constant, name, words) REPORT_FRAMEWORK_##constant,
#define REPORT_CONTROL(framework, id, records, title, shows, cannot)
#include "report/control.def"
#undef REPORT_CONTROL
#undef REPORT_FRAMEWORK
	REPORT_FRAMEWORK_MAX
};

/** "soc2"; -EINVAL. */
int report_framework_from_str(const char *name);
const char *report_framework_to_str(enum report_framework framework);
const char *report_framework_words(enum report_framework framework);

struct report_options {
	const char *dir;		      /* of the log */
	const struct personal_opener *opener; /* of what is sealed in it; NULL: it stays so */
	const char *host;		      /* whose it is, for the cover */
	const char *made_by;		      /* likewise */
	uint64_t since_ns,
		until_ns; /* CLOCK_REALTIME: records from @since_ns on and before @until_ns */
	enum report_framework framework;
	/* Called now and then with the number of records that were read; may be NULL. */
	void (*progress)(uint64_t records, void *userdata);
	void *userdata;
};

/**
 * Verify the log and read its records: *@ret is the caller's. A log that is damaged gets a report that says so, of
 * what can be read. Faults: audit.read, report.memory.
 */
int report_make(const struct report_options *options, json_t **ret, struct fault *reterr);

/* The document as a page that needs nothing else, as path and value, and as it is. @t->truncated: no memory. */
void report_put_html(struct text *t, const json_t *report);
void report_put_csv(struct text *t, const json_t *report);
void report_put_json(struct text *t, const json_t *report);

#endif
