/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `weir top`: what happens on this host now, on a screen that follows it. */
#ifndef TOP_TOP_H
#define TOP_TOP_H

#include "cli/cli.h"

/** Returns enum cli_exit. */
int cmd_top(struct cli *cli);

#endif
