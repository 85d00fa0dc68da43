/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What changed between two texts, line by line, as `diff -u` writes it. E. Myers, "An O(ND) Difference
 * Algorithm and Its Variations", 1986; where more than DIFF_EDITS_MAX lines differ, all lines between the
 * first and the last of them are shown as replaced.
 */
#ifndef BASE_DIFF_H
#define BASE_DIFF_H

#include "base/text.h"

#define DIFF_EDITS_MAX 2000
#define DIFF_CONTEXT   3

/**
 * Append the difference between @a and @b, named so in its head, to @out; nothing if there is none.
 * -ENOMEM.
 */
int diff_unified(const char *name_a, const char *a, const char *name_b, const char *b,
		 struct text *out);

#endif
