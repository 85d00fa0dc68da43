/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "cli/render.h"

/** What somebody should do something about, by GET /v1/status: a line each, or nothing. */
void status_say_trouble(const struct cli *cli, const json_t *status);

#endif
