/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `weir top --once`: all tabs after each other, for scripts and for terminals that are none. */
#ifndef TOP_ONCE_H
#define TOP_ONCE_H

#include "cli/cli.h"

/** Returns enum cli_exit. Takes a second: rates of limits are what changes meanwhile. */
int once_print(const struct cli *cli);

#endif
