/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The vault as commands use it that work on files. */
#ifndef CLI_VAULT_H
#define CLI_VAULT_H

#include "cli/cli.h"
#include "vault/vault.h"

/**
 * Open the vault of @state_dir with the key that --vault-key names, or the one beside it: to seal, or only to read.
 * It may be locked: vault_state(). Returns enum cli_exit.
 */
int cli_vault_open(const struct cli *cli, const char *state_dir, bool read_only,
		   struct vault **ret);
/** Likewise to read the log in @audit_dir, whose vault is in the directory above. */
int cli_vault_of_log(const struct cli *cli, const char *audit_dir, struct vault **ret);

#endif
