/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records of the audit log on stdout. */
#ifndef CLI_AUDIT_H
#define CLI_AUDIT_H

#include "base/text.h"
#include "cli/cli.h"

/* One record, as JSON or for people. Returns enum cli_exit, as does the other one. */
int audit_print_record(const struct cli *cli, const char *line, size_t length);
/* Records, one in a line, the last first if @backward. */
int audit_print_lines(const struct cli *cli, const struct text *lines, bool backward);

#endif
