/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* FILE and --profile of plan and apply. */
#ifndef CLI_POLICY_FILE_H
#define CLI_POLICY_FILE_H

#include "cli/cli.h"
#include "cli/client.h"
#include "policy/policy.h"

/**
 * Check the operand FILE, if it is given, as the daemon will read it: with --profile, or with the daemon's own.
 * What is wrong is said here, so with the names and lines of the files. *@ret (NULL without FILE) is what
 * @request then sends; free it after the request.
 */
int policy_file_take(const struct cli *cli, struct client_request *request, struct policy **ret);
/** The value of --profile, or @fallback if it is not given; NULL for the word "none". */
const char *policy_file_profile(const struct cli *cli, const char *fallback);
/** Add "profile=NAME" to @target for --profile, behind a "?" or "&". */
void policy_file_put_profile(const struct cli *cli, struct text *target);

#endif
