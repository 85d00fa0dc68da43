/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the audit log shows of a time, for people who were not there: figures from one pass over its records, as a
 * JSON document, and that document as a page or as a table. The log is read as it is on disk, whoever writes it.
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "audit/note.h"
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
	bool (*is_cancelled)(void *userdata); /* likewise asked; may be NULL */
	void *userdata;
	unsigned int threads;	/* for verification; 0: as many as there are CPUs */
	const char *checkpoint; /* a note that was kept elsewhere, not NUL-terminated; NULL */
	size_t checkpoint_length;
	bool has_key;
	struct note_verifier key; /* who must have signed it */
};

enum report_format { REPORT_FORMAT_HTML, REPORT_FORMAT_JSON, REPORT_FORMAT_CSV, REPORT_FORMAT_MAX };

/* As options and arguments have them; NULL: not given. */
struct report_words {
	const char *days, *since, *until, *framework, *format, *key;
	const char *checkpoint; /* as in the options: it is borrowed */
	size_t checkpoint_length;
};

/**
 * Set range, framework, checkpoint and key of @ret, 30 days up to now and html if nothing is said. Faults, all -EINVAL:
 * audit.query, report.range, report.framework, report.format, report.key, note.key.
 */
int report_read(const struct report_words *words, struct report_options *ret,
		enum report_format *ret_format, struct fault *reterr);
const char *report_format_to_str(enum report_format format); /* "html" */
const char *report_format_type(enum report_format format);   /* "text/html; charset=utf-8" */
void report_put(struct text *t, enum report_format format, const json_t *report);

/**
 * Verify the log and read its records: *@ret is the caller's. A log that is damaged gets a report that says so, of
 * what can be read. Faults: audit.read, note.format, checkpoint.format, audit.cancelled, report.memory.
 */
int report_make(const struct report_options *options, json_t **ret, struct fault *reterr);

/* The document as a page that needs nothing else, as path and value, and as it is. @t->truncated: no memory. */
void report_put_html(struct text *t, const json_t *report);
void report_put_csv(struct text *t, const json_t *report);
void report_put_json(struct text *t, const json_t *report);

#endif
