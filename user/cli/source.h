/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef CLI_SOURCE_H
#define CLI_SOURCE_H

#include "cli/cli.h"

/** What was dropped of a source lately, as the daemon says it; nothing if nothing was. Returns enum cli_exit. */
int source_print_recent(const struct cli *cli, const json_t *recent);

#endif
