/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "policy/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_BEFORE 80 /* characters of a long line that are shown before what is meant */
#define SOURCE_AFTER  100

struct policy_report *policy_report_new(void)
{
	return calloc(1, sizeof(struct policy_report));
}

void policy_report_free(struct policy_report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->count; i++) {
		free(report->items[i].file);
		free(report->items[i].text);
		free(report->items[i].source);
		free(report->items[i].suggestion);
	}
	free(report);
}

static bool begins_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

/* The line that @place is in, cut around it if it is long. */
static void source_take(const struct place *place, struct policy_diagnostic *d)
{
	const char *text = place->file->text, *line = text, *end, *from;
	unsigned int number = 1, column = 1;

	if (!text)
		return;
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		line += 3; /* a byte order mark is no part of the line */
	while (number < place->line && (line = strchr(line, '\n'))) {
		line++;
		number++;
	}
	if (!line)
		return;
	end = line + strcspn(line, "\n");
	if (end > line && end[-1] == '\r')
		end--;
	from = line;
	for (const char *p = line; p < end && column < place->column; column++) {
		p++;
		while (p < end && !begins_character(*p))
			p++;
		if (column + SOURCE_BEFORE == place->column)
			from = p;
	}
	d->at = from == line ? column - 1 : SOURCE_BEFORE - 1;
	column = 0;
	for (const char *p = from; p < end; p++)
		if (begins_character(*p) && ++column > d->at + SOURCE_AFTER)
			end = p;
	d->source = strndup(from, (size_t)(end - from));
	if (!d->source)
		return;
	utf8_repair(d->source);
	for (char *p = d->source; *p; p++)
		if ((unsigned char)*p < 0x20 && *p != '\t')
			*p = '?';
}

/* The words that a text suggests. */
static char *suggestion_take(const char *text)
{
	const char ask[] = "did you mean '";
	const char *from = strstr(text, ask);

	if (!from)
		return NULL;
	from += sizeof(ask) - 1;
	return strndup(from, strcspn(from, "'"));
}

static bool said_already(const struct policy_report *report, const struct place *place,
			 const char *code)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct policy_diagnostic *d = &report->items[i];

		if (d->line == place->line && d->column == place->column &&
		    strcmp(d->code, code) == 0 && d->file &&
		    strcmp(d->file, place->file->name) == 0)
			return true;
	}
	return false;
}

static void report_add(struct policy_report *report, const struct place *place, int err,
		       const char *code, const char *words)
{
	struct policy_diagnostic *d = &report->items[report->count];

	if (said_already(report, place, code))
		return;
	if (report->count == POLICY_DIAGNOSTICS_MAX) {
		report->full = true;
		return;
	}
	report->count++;
	report->error_count += err < 0;
	report->warning_count += err >= 0;
	*d = (struct policy_diagnostic){
		.is_warning = err >= 0,
		.err = err,
		.code = code,
		.file = strdup(place->file->name),
		.line = place->line,
		.column = place->column,
		.width = place->width,
		.text = strdup(words),
		.suggestion = suggestion_take(words),
	};
	source_take(place, d);
}

void report_fault(struct policy_report *report, const char *path, const struct fault *f)
{
	if (report->count == POLICY_DIAGNOSTICS_MAX)
		return;
	report->items[report->count++] = (struct policy_diagnostic){
		.err = f->err,
		.code = f->code,
		.file = strdup(path),
		.text = strdup(f->text),
	};
	report->error_count++;
}

/* Words that always fit into a fault, behind a place. */
static void words_format(const struct policy_report *report, char *ret, size_t size,
			 const char *format, va_list ap)
{
	int length = vsnprintf(ret, size, format, ap);

	utf8_repair(ret);
	if (length >= 0 && (size_t)length < size && report && report->profile)
		snprintf(ret + length, size - (size_t)length, " (in profile '%s')",
			 report->profile);
}

int diagnose_va(struct policy_report *report, struct fault *reterr, const struct place *place,
		int err, const char *code, const char *format, va_list ap)
{
	char words[sizeof((struct fault){0}.text)];

	words_format(report, words, sizeof(words), format, ap);
	if (report)
		report_add(report, place, err, code, words);
	/* A path of any length must not push out what is wrong. */
	if (err < 0)
		fault(reterr, err, code, "%.200s:%u:%u: %s", place->file->name, place->line,
		      place->column, words);
	return err;
}

int diagnose(struct policy_report *report, struct fault *reterr, const struct place *place, int err,
	     const char *code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	diagnose_va(report, reterr, place, err, code, format, ap);
	va_end(ap);
	return err;
}

void diagnose_warning(struct policy_report *report, const struct place *place, const char *code,
		      const char *format, ...)
{
	va_list ap;

	if (!report)
		return;
	va_start(ap, format);
	diagnose_va(report, NULL, place, 0, code, format, ap);
	va_end(ap);
}

static int compare(const void *a, const void *b)
{
	const struct policy_diagnostic *x = a, *y = b;
	int order = strcmp(x->file ?: "", y->file ?: "");

	if (order)
		return order;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->column < y->column ? -1 : x->column > y->column;
}

void policy_report_sort(struct policy_report *report)
{
	qsort(report->items, report->count, sizeof(report->items[0]), compare);
}

void policy_diagnostic_format(const struct policy_diagnostic *d, struct text *t)
{
	unsigned int width = d->width ? d->width : 1, column = 0;

	if (!d->line) {
		text_printf(t, "error: %s [%s]\n", d->text ?: "", d->code);
		return;
	}
	text_printf(t, "%s:%u:%u: %s: %s [%s]\n", d->file ?: "", d->line, d->column,
		    d->is_warning ? "warning" : "error", d->text ?: "", d->code);
	if (!d->source)
		return;
	text_printf(t, "  %s\n  ", d->source);
	for (const char *p = d->source; column < d->at; column++) {
		text_puts(t, *p == '\t' ? "\t" : " ");
		while (*p && !begins_character(*++p))
			;
	}
	text_puts(t, "^");
	for (unsigned int i = 1; i < width && i < SOURCE_AFTER; i++)
		text_puts(t, "~");
	text_puts(t, "\n");
}
