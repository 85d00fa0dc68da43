/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the API says of limits, in words for people. */
#ifndef CLI_LIMITS_H
#define CLI_LIMITS_H

#include "cli/render.h"

#define LIMIT_WORDS_SIZE 192

/* "not now, from 2026-11-20T18:00:00Z", "off: rolled out to nobody". @from is the time, "" = unknown. */
void limit_waiting_words(const json_t *limit, const char *from, char ret[static LIMIT_WORDS_SIZE]);
/* "at 35.0 % of its rate: softirq 81.2 %, target 60.0 %". */
void limit_adaptive_words(const json_t *adaptive, char ret[static LIMIT_WORDS_SIZE]);

#endif
