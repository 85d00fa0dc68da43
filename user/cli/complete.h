/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the last word of a command line may become, from the tables of commands and options, and names that
 * the daemon knows. Shells ask by `weir completion words -- WORD...`.
 */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include "cli/cli.h"

#define COMPLETE_TIMEOUT_MS 300 /* that a daemon has: somebody waits with a finger on the key */

/**
 * Print what @words[@count - 1] may become, each on a line, with a tab and a description if there is one; ":files" if it
 * names a file. A daemon that does not answer, or refuses, has no names. Returns enum cli_exit.
 */
int complete_print(struct cli *cli, char *const *words, size_t count);

#endif
