/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All that is wrong with a policy, or odd about it, in one pass: what each is, where it stands and how
 * to show it. A report is a list of limited length; whoever finds something adds it and may go on.
 */
#ifndef POLICY_REPORT_H
#define POLICY_REPORT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/text.h"

#define POLICY_DIAGNOSTICS_MAX 100

/* A text that a policy is made of: what it is called, and what it says. */
struct policy_file {
	char *name; /* a path, or "request" */
	char *text; /* as it was given, followed by a NUL */
	size_t length;
};

/* Where something stands. Lines and columns count from 1, columns in characters. */
struct place {
	const struct policy_file *file;
	unsigned int line, column;
	unsigned int width; /* characters that are meant; 0 = not known */
};

struct policy_diagnostic {
	bool is_warning;
	int err; /* negative errno of an error */
	const char *code;
	char *file;
	unsigned int line, column, width; /* line 0: no place in it */
	char *text;			  /* what is wrong */
	char *source;	  /* the line it stands in, or a part of a long one; NULL = not known */
	unsigned int at;  /* where in source it begins, from 0, in characters */
	char *suggestion; /* to be written instead; NULL = none */
};

struct policy_report {
	struct policy_diagnostic items[POLICY_DIAGNOSTICS_MAX];
	size_t count, error_count, warning_count;
	bool full;	     /* there is more than it holds */
	const char *profile; /* that is being checked; NULL = none. Borrowed */
};

/** An empty one on the heap, NULL if there is no memory. End it with policy_report_free(). */
struct policy_report *policy_report_new(void);
void policy_report_free(struct policy_report *report);
DEFINE_CLEANUP(struct policy_report *, policy_report_free)

/* Order by file, line and column. */
void policy_report_sort(struct policy_report *report);

/* Write "file:line:col: error: text [code]", the line and a caret under what is meant. */
void policy_diagnostic_format(const struct policy_diagnostic *d, struct text *t);

/* For this module: */

/**
 * Say what is wrong at @place: into @report if there is one, and into @reterr (may be NULL) as
 * "file:line:col: words". Returns @err. The same thing at the same place is said once.
 */
int diagnose(struct policy_report *report, struct fault *reterr, const struct place *place, int err,
	     const char *code, const char *format, ...) __attribute__((format(printf, 6, 7)));
int diagnose_va(struct policy_report *report, struct fault *reterr, const struct place *place,
		int err, const char *code, const char *format, va_list ap)
	__attribute__((format(printf, 6, 0)));
/* Add what stands at no place in a text, such as a file that cannot be read. */
void report_fault(struct policy_report *report, const char *path, const struct fault *f);
/* Say what is odd; without a report nobody wants to know. */
void diagnose_warning(struct policy_report *report, const struct place *place, const char *code,
		      const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
