/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An Ed25519 key in a file: PKCS#8 in PEM, as `openssl pkey` reads it, mode 0400, ours. What the key is for and
 * when another takes its place is keyring's.
 */
#ifndef AUDIT_KEY_H
#define AUDIT_KEY_H

#include <stdbool.h>

#include "audit/note.h"
#include "base/fault.h"

/** A new key that signs as @name. -EIO "audit.key". End with note_signer_done(). */
int key_generate(const char *name, struct note_signer *ret, struct fault *reterr);
/**
 * Load the key in @path. -ENOENT "audit.key": there is none; -EPERM: others may read it, or it is not ours;
 * -EINVAL: no Ed25519 key in PEM; -errno.
 */
int key_load(const char *path, const char *name, struct note_signer *ret, struct fault *reterr);
/** Write @signer's key to @path, durably. What is there is replaced. -errno "audit.key". */
int key_store(const char *path, const struct note_signer *signer, struct fault *reterr);

/* Accepts a zeroed one. */
void note_signer_done(struct note_signer *s);

#endif
