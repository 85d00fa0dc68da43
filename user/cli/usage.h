/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a tenant used, as GET /tenants/{tenant}/usage has it: a table for people, CSV for bills. */
#ifndef CLI_USAGE_H
#define CLI_USAGE_H

#include "cli/render.h"

/* A row per day, and one of all. */
void usage_put_table(struct table *t, const json_t *usage);
/** A head, then a row per day, the latest first; RFC 4180, and nothing that a spreadsheet takes for a formula. */
void usage_put_csv(struct text *t, const json_t *usage);

#endif
