/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keys that sign the checkpoints of one log, and the name they sign as. Private halves are files in a directory
 * of their own:
 *
 *   audit.pem         signs
 *   audit.former.pem  signed before the last rotation, and signs along for KEYRING_OVERLAP_NS after it
 *   audit.next.pem    is to sign, once the record of the rotation is on disk
 *
 * Public halves, all that ever signed, stand in the log's directory in the file "keys": one line each, a verifier
 * key, a blank and the time since when, oldest first; the last one signs. The name in it is made once from host and
 * chain, so that it stays when the host is renamed. The list proves nothing: whoever checks brings the key along.
 */
#ifndef AUDIT_KEYRING_H
#define AUDIT_KEYRING_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "audit/key.h"
#include "base/clock.h"

#define KEYRING_OVERLAP_NS (30 * 86400 * NSEC_PER_SEC)
#define KEYRING_KEYS_MAX   1000 /* rotations of one log */

struct keyring_key {
	struct note_verifier verifier;
	char since[CLOCK_RFC3339_SIZE];
};

struct keyring_list {
	struct keyring_key *keys; /* oldest first */
	size_t count;
};

/** Read the list of the log in @audit_dir. -ENOENT "audit.keys": there is none; -EINVAL: it is none; -errno. */
int keyring_list_read(const char *audit_dir, struct keyring_list *ret, struct fault *reterr);
void keyring_list_done(struct keyring_list *l);
/** Until when key @index of the list signs, CLOCK_REALTIME; UINT64_MAX: it is the current one. 0: it does not any more,
 * as its name was given up. */
uint64_t keyring_list_until(const struct keyring_list *l, size_t index);

struct keyring {
	char directory[PATH_MAX], audit_dir[PATH_MAX];
	struct keyring_list list;
	struct note_signer current, former, next; /* key NULL: there is none */
	uint64_t former_until_ns;		  /* CLOCK_REALTIME */
	bool added; /* by keyring_open(): the current key was not the last of the list */
};

/**
 * Open the keys in @directory, which is made if need be, for the log in @audit_dir; make a key if there is none.
 * @chain_id is that of the log, for its name. Errors of key_load(), keyring_list_read() and fs. End with
 * keyring_done(), which accepts a zeroed one.
 */
int keyring_open(const char *directory, const char *audit_dir,
		 const uint8_t chain_id[static AUDIT_ID_SIZE], struct keyring *ret,
		 struct fault *reterr);
void keyring_done(struct keyring *k);

/* The name of the log, which is the origin of its first incarnation. */
const char *keyring_name(const struct keyring *k);

/**
 * Make the key that is to sign next and keep it. @ret is a note signed by both, from malloc(): "weir key rotation",
 * the old and the new verifier key. -EBUSY "audit.rotation": one is under way. -ENOSPC: KEYRING_KEYS_MAX.
 */
int keyring_prepare(struct keyring *k, char **ret, struct fault *reterr);
/** The note for the rotation that is under way, again. -ENOENT: none is. */
int keyring_rotation_note(const struct keyring *k, char **ret);
/** The next key is the current one from now on, and that the former. */
int keyring_activate(struct keyring *k, struct fault *reterr);
/** Forget the next key. */
void keyring_abandon(struct keyring *k);
/** From now on sign under another name, name-2, name-3...: the tree that follows is none that was signed before. */
int keyring_rename(struct keyring *k, struct fault *reterr);

/** Who signs at @now_ns (CLOCK_REALTIME): 1 or 2, borrowed. Removes a former key whose time is over. */
size_t keyring_signers(struct keyring *k, uint64_t now_ns, struct note_signer ret[static 2]);
/** @note has a good signature by a key of the list, under the current name. 0, or the error of the last key. */
int keyring_verify(const struct keyring *k, const struct note *note, struct fault *reterr);

#endif
