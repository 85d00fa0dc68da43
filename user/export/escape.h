/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What strangers chose, written so that it stays what it is: one value of one line. In every style control characters (C0, DEL,
 * C1, U+2028, U+2029) become visible text such as \u000a, and bytes that are no UTF-8 become U+FFFD.
 */
#ifndef EXPORT_ESCAPE_H
#define EXPORT_ESCAPE_H

#include "base/text.h"

enum escape_style {
	ESCAPE_CSV, /* in quotes, "" for "; what a spreadsheet takes for a formula gets a ' in front */
	ESCAPE_CEF_HEADER,  /* \\ and \| */
	ESCAPE_CEF,	    /* \\ and \=, \n and \r for these two */
	ESCAPE_LEEF_HEADER, /* / for |, as LEEF has no escape there */
	ESCAPE_LEEF,	    /* tabs are control characters, the rest may stand */
	ESCAPE_PARAM,	    /* RFC 5424 PARAM-VALUE: \" \\ \] */
	ESCAPE_NAME,	    /* RFC 5424 header: PRINTUSASCII, others become ?; empty becomes - */
};

void escape_put(struct text *t, const char *string, enum escape_style style);
/* As ESCAPE_NAME, at most @max characters. */
void escape_put_name(struct text *t, const char *string, size_t max);
/* JSON that holds nothing but printable ASCII; @json is valid. */
void escape_put_ascii_json(struct text *t, const char *json);

#endif
