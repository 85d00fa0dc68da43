/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text for people: lines and tables. Everything that is printed here may hold words that somebody
 * else chose (reasons, names), so control characters, which could steer a terminal or forge a line,
 * are replaced by '?'.
 */
#ifndef CLI_RENDER_H
#define CLI_RENDER_H

#include "base/text.h"
#include "cli/cli.h"

/* Replace the control characters of C0 and C1 in @string. */
void render_defuse(char *string);
/** Columns that @string takes: its UTF-8 characters. */
size_t render_width(const char *string);

/* Write one line to stdout, or to stderr with -o tsv, where stdout is tables; the newline is added. */
void cli_say(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Write one line to stderr. */
void cli_talk(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define TABLE_COLUMNS_MAX 20
#define TABLE_RIGHT	  ">" /* begins the title of a column whose cells stand to the right */
#define TABLE_WIDE	  "+" /* before that: one that only -o wide and tsv show */

struct table {
	const char *titles[TABLE_COLUMNS_MAX];
	size_t width[TABLE_COLUMNS_MAX];
	bool right[TABLE_COLUMNS_MAX], wide[TABLE_COLUMNS_MAX];
	size_t columns;
	bool headless;	   /* print no head, though there are titles */
	size_t count;	   /* of cells */
	struct text cells; /* each followed by a NUL */
};

/* The titles end with NULL; if all are empty, no head is printed. End with table_done(). */
void table_init(struct table *t, ...) __attribute__((sentinel));
void table_done(struct table *t);
/* Add the next cell, row by row. */
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Print to stdout. Returns enum cli_exit; fails only for lack of memory. */
int table_print(const struct table *t, const struct cli *cli);

/* The answer, or a part of it, as JSON on a line. Returns enum cli_exit. */
int render_json(const struct cli *cli, const json_t *value);

/* Members of JSON objects; "", 0 or false if there is none of that type, or no object at all. */
const char *member_text(const json_t *object, const char *key);
uint64_t member_u64(const json_t *object, const char *key);
bool member_bool(const json_t *object, const char *key);

#define RENDER_TIME_SIZE 21 /* "2026-11-20T23:37:00Z" and the NUL */
/* An RFC 3339 time without its fraction of a second; "-" if @rfc3339 is empty. */
void render_time(const char *rfc3339, char ret[static RENDER_TIME_SIZE]);

#define RENDER_DURATION_SIZE 32
void render_seconds(uint64_t seconds, char ret[static RENDER_DURATION_SIZE]);

#endif
