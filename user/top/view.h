/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tables made of the daemon's answers: one per tab, its rows filtered and in order. Pure: no screen, no daemon.
 * Numbers are per second where the title says "/S".
 */
#ifndef TOP_VIEW_H
#define TOP_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define VIEW_COLUMNS_MAX 7
#define VIEW_CELL_SIZE	 96
#define VIEW_FILTER_SIZE 64
#define VIEW_WINDOW_S	 5 /* seconds of traffic that sources, prefixes and services are of */

enum view_tab {
	VIEW_SOURCES,
	VIEW_PREFIXES,
	VIEW_RULES,
	VIEW_SERVICES,
	VIEW_TENANTS,
	VIEW_EVENTS,
	VIEW_TAB_MAX
};

/** "Sources", ... */
const char *view_title(enum view_tab tab);
/** What to ask the daemon for, as the path of a GET. */
const char *view_path(enum view_tab tab);

struct view_column {
	const char *title; /* NULL ends a tab's columns */
	bool right;	   /* a number, and sorted as one, the largest first */
};

/** The columns of @tab; *@ret_count of them. */
const struct view_column *view_columns(enum view_tab tab, size_t *ret_count);

/** The column that @tab is sorted by to begin with. */
size_t view_first_sort(enum view_tab tab);

struct view_cell {
	char text[VIEW_CELL_SIZE];
	double number;
};

struct view_row {
	struct view_cell cells[VIEW_COLUMNS_MAX];
	const json_t *item; /* it was made of; the answer's */
	bool alarming;
};

struct view {
	struct view_row *rows;
	size_t count;
	size_t hidden;	/* rows that the filter leaves out */
	json_t *spread; /* items that were made of others */
};

struct view_options {
	enum view_tab tab;
	size_t sort; /* a column */
	bool reverse;
	const char *filter; /* a part of any cell, whatever its case; "" = all */
};

/**
 * The rows of @answer, which has to outlive them. @before: the answer of @seconds ago, for what is counted since the
 * daemon's start; NULL: there is none, and such rates are unknown. -ENOMEM. End @ret with view_done().
 */
int view_make(const struct view_options *o, const json_t *answer, const json_t *before,
	      double seconds, struct view *ret);
/* Accepts a zeroed one. */
void view_done(struct view *v);

/** "12.3k", "950", "4.1M": at most six characters up to 999T. Below 0: "-", unknown. */
void view_format_rate(double rate, char *ret, size_t size);

#define VIEW_SPARK_MAX 60

/** Numbers as they came, the last ones kept. */
struct view_spark {
	double values[VIEW_SPARK_MAX];
	size_t count; /* ever */
};

void view_spark_add(struct view_spark *s, double value);
/**
 * Draw the last @columns of them, one character each, the highest of them full. @utf8: block elements, otherwise
 * ASCII. @ret has room for 3 * @columns + 1.
 */
void view_spark_format(const struct view_spark *s, size_t columns, bool utf8, char *ret);

#endif
