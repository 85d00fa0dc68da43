/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the API says of flags, in words for people. */
#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H

#include "cli/render.h"

#define FLAG_WORDS_SIZE 700

/* "on, 25% and 10.0.0.0/8, set by root at 2026-11-21T04:29:53Z, until ...: try it out". */
void flag_words(const json_t *flag, char ret[static FLAG_WORDS_SIZE]);

#endif
