/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* List entries as the API gives them, for people. */
#ifndef CLI_ENTRIES_H
#define CLI_ENTRIES_H

#include "cli/render.h"

#define ENTRY_TEXT_SIZE 512

/* "198.51.100.0/24, by alice, 9m 58s left: scanner". */
void entry_format(const json_t *entry, char ret[static ENTRY_TEXT_SIZE]);
/** Print a table of entries; @kind is their list, or NULL if each names its own. enum cli_exit. */
int entries_print(const struct cli *cli, const json_t *entries, const char *kind);

#endif
