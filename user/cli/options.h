/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The options of all commands: one table, their parser and their help. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/cli.h"

#define CLI_TIMEOUT_DEFAULT_MS 10000
#define CLI_TIMEOUT_MAX_NS     (3600 * NSEC_PER_SEC)

struct option {
	const char *name;
	char letter;	 /* 0 = only the long form */
	const char *arg; /* NULL = takes none */
	const char *help;
};

/* The row of @option. */
const struct option *options_row(enum cli_option option);
/** The option that @arg, which begins with "-", names; CLI_OPTION_MAX = none. *@ret_value: what follows in the same word. */
enum cli_option options_find(const char *arg, const char **ret_value);
bool options_takes(const struct command *command, enum cli_option option);

/**
 * Take the options out of @argv, wherever they stand, into cli->values; everything else is moved to
 * the front of @argv. Returns CLI_OK and the number of these words, or CLI_USAGE, said why.
 */
int options_split(struct cli *cli, int argc, char **argv, size_t *ret_words);
/** Refuse options that cli->command does not take; interpret those that all commands share. */
int options_check(struct cli *cli);
/* The list for `weir COMMAND --help`. */
void options_help(const struct cli *cli, const struct command *command);

#endif
