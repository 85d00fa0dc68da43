/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef CLI_PANIC_H
#define CLI_PANIC_H

#include "cli/render.h"

/* What the status says of the panic switch and the watchdog, a line each, if there is something. */
void panic_say(const struct cli *cli, const json_t *status);

#endif
