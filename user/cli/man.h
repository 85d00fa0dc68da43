/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef CLI_MAN_H
#define CLI_MAN_H

#include "cli/cli.h"

/** Print weir(8), made from the tables of commands, options and exit codes, as roff. enum cli_exit. */
int man_print(const struct cli *cli);

#endif
