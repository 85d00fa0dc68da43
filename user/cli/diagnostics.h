/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is wrong with a policy, or odd, or dangerous, for people: each with its place, the line and a caret, as
 * compilers do, so that editors find it. The same whoever found it, this program or the daemon. */
#ifndef CLI_DIAGNOSTICS_H
#define CLI_DIAGNOSTICS_H

#include <jansson.h>

#include "cli/cli.h"
#include "policy/policy.h"

void diagnostics_print(const struct cli *cli, const struct policy_report *report);
/* The members "diagnostics" and "findings" of a problem. */
void diagnostics_print_problem(const struct cli *cli, const json_t *problem);
/** Say that a policy is refused: in JSON, if that is wanted; everything else was printed. Returns CLI_FAILED. */
int diagnostics_refuse(const struct cli *cli, const struct fault *f,
		       const struct policy_report *report);
/**
 * Read the policy at @path with @profile (NULL = none) as `weir policy check` does, and print all that there is to say.
 * CLI_OK, or CLI_FAILED after diagnostics_refuse().
 */
int diagnostics_check(const struct cli *cli, const char *path, const char *profile,
		      struct policy_report *report, struct policy **ret);

#endif
