/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the master key of a vault is kept. In a file: one line of 64 lower hex digits, ours, that nobody else may
 * read. In the kernel: a key of type "user" with the same content, or its 32 bytes.
 *
 * The first of these that is there: what was asked for, a file or "keyring:NAME"; weir.vault in
 * $CREDENTIALS_DIRECTORY (systemd's LoadCredential); the file beside the state; "weir:vault" in a keyring of ours.
 */
#ifndef VAULT_KEY_H
#define VAULT_KEY_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "vault/crypto.h"

#define KEY_RING_PREFIX "keyring:"
#define KEY_RING_NAME	"weir:vault"
#define KEY_CREDENTIAL	"weir.vault"

enum key_place { KEY_FILE, KEY_CREDENTIALS, KEY_KEYRING };

struct key {
	uint8_t bytes[CRYPTO_KEY];
	enum key_place place;
	char source[PATH_MAX]; /* the file, or "keyring:NAME" */
};

/**
 * Find the key: what @asked says, or if that is NULL as above; @beside is the file beside the state. Faults:
 * vault.key_missing (-ENOENT: @ret->source says where one would be made), vault.key (it is there, and cannot
 * be read or trusted).
 */
int key_find(const char *asked, const char *beside, struct key *ret, struct fault *reterr);
/** Read the key of a file. Faults as above. */
int key_read_file(const char *path, struct key *ret, struct fault *reterr);

/** Make a new key at @key->source, which is a file and not there yet, durably. Faults: vault.key. */
int key_create(struct key *key, struct fault *reterr);

/*
 * Another key in the place of one, in three steps, so that whenever it is cut short the vault opens with the key
 * that is there, or with the one beside it.
 */
/** A new random key, kept durably where it can be found again. -EPERM "vault.key_fixed": its place is not ours to
 * write to. */
int key_stage(const struct key *key, struct key *ret_next, struct fault *reterr);
/** It takes the former one's place. */
int key_commit(const struct key *next, struct fault *reterr);
/** The one that was staged beside @key, if a change of keys was cut short. -ENOENT. */
int key_find_staged(const struct key *key, struct key *ret);
void key_abort(const struct key *next);

#endif
