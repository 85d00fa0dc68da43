/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The parts that pages are made of. Whatever comes from records was chosen by others: it goes through page_text(),
 * which leaves nothing that a browser would take for markup and no character that changes how others are read.
 */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include <stdint.h>

#include <jansson.h>

#include "base/text.h"

#define PAGE_TEXT_MAX 120 /* characters of a text that are shown */
#define PAGE_WORD_MAX                                                                              \
	24 /* bytes of a word that is not broken in two in a cell; an address may have more */

/* Append @string as text: escaped; control and direction characters by their numbers; cut, and said so. */
void page_text(struct text *t, const char *string);
/* A number with a comma between thousands. */
void page_number(struct text *t, uint64_t number);
/* "2026-11-20T23:37:00Z" as "2026-11-20 23:37:00"; "-" for what is no text. */
void page_time(struct text *t, const json_t *time);
/* Seconds as "3 h 20 min". */
void page_seconds(struct text *t, uint64_t seconds);

/* 1,508,211,000 as "1.5 GB". */
void page_bytes(struct text *t, uint64_t bytes);

/* The member @key of @row as a cell of a table. */
void page_cell(struct text *t, const json_t *row, const char *key);
void page_cell_source(struct text *t, const json_t *row, const char *key);
void page_cell_number(struct text *t, const json_t *row, const char *key);
void page_cell_time(struct text *t, const json_t *row, const char *key);

/* Members of an object; "" and 0 if there are none. */
const char *page_member(const json_t *object, const char *key);
uint64_t page_count(const json_t *object, const char *key);

/* chart.c: what was dropped over time by reason, and a bar of @part in @whole for a cell. */
void page_timeline(struct text *t, const json_t *report);
void page_bar(struct text *t, uint64_t part, uint64_t whole);

extern const char page_style[]; /* style.c */

#endif
