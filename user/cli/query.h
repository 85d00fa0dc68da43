/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The options that say which records: for searches and exports, of files and by the daemon. */
#ifndef CLI_QUERY_H
#define CLI_QUERY_H

#include "audit/query.h"
#include "cli/cli.h"

/** CLI_OK, or what cli_usage() returns: it was said what is wrong. */
int query_parse(const struct cli *cli, struct audit_query *ret);
/* The same as arguments of a request: "&since=2h&type=..." */
void query_put(const struct cli *cli, struct text *path);
void query_put_argument(struct text *path, const char *name, const char *value);

#endif
