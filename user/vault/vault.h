/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The vault: what the audit log says about people, kept where it can be erased. The log has a commitment and the
 * number of a row (audit/personal.h), the row has the value, encrypted. A vault is one SQLite file beside the log, and
 * is no use without its master key (key.h).
 *
 * A vault that cannot be used never stops anything: vault_open() succeeds, and vault_state() says why nothing can
 * be sealed or opened. One thread seals (the recorder's); everything else may be called from any thread.
 */
#ifndef VAULT_VAULT_H
#define VAULT_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/personal.h"
#include "base/address.h"
#include "base/cleanup.h"
#include "base/fault.h"

#define VAULT_FILE	     "vault.db"	      /* in the state directory */
#define VAULT_KEY_DIRECTORY  "keys"	      /* likewise */
#define VAULT_KEY_FILE	     "keys/vault.key" /* likewise, unless an operator says otherwise */
#define VAULT_APPLICATION_ID 0x77656976	      /* "weiv" */
#define VAULT_VALUE_MAX	     (16U << 10)      /* bytes of a value; longer ones are truncated */
#define VAULT_CACHED_MAX     (64U << 10)      /* subjects that are remembered in memory */
#define VAULT_WALK_ROWS	     256	      /* are read before others may open something */
#define VAULT_KEY_ID_SIZE    17		      /* the name of a master key, and the NUL */

struct vault;

enum vault_state {
	VAULT_WORKS,
	VAULT_NO_KEY,	 /* there is no key, and the vault has one */
	VAULT_WRONG_KEY, /* it is locked with another one */
	VAULT_BROKEN,	 /* the file cannot be used */
	VAULT_STATE_MAX,
};

const char *vault_state_to_str(enum vault_state state); /* "no_key" */

struct vault_options {
	const char *state_dir;
	const char *key; /* where the master key is, as key.h says; NULL: look for it */
	bool owner; /* of the state: sets a damaged file aside. Nobody else can tell that it is not in use */
	bool read_only; /* of a daemon, perhaps a running one: nothing is made, nothing can be sealed or erased */
};

/**
 * Open the vault of @options->state_dir. The first time it is made, and a key for it unless there is one. The
 * owner sets a damaged file aside and begins anew. -ENOMEM; anything else is in vault_state().
 */
int vault_open(const struct vault_options *options, struct vault **ret, struct fault *reterr);
/** Try again to open a vault that does not work: there may be a key or room on the disk now. True: it works. */
bool vault_retry(struct vault *v);
/* What was sealed and not made durable is dropped. Accepts NULL. */
void vault_close(struct vault *v);
DEFINE_CLEANUP(struct vault *, vault_close)

struct vault_status {
	enum vault_state state;
	struct fault
		trouble; /* why it is not VAULT_WORKS, or what failed last; err 0 = nothing did */
	char path[512], key_source[512];
	char key_id[VAULT_KEY_ID_SIZE];
	bool made, key_made;		       /* by this vault_open() */
	char set_aside[512];		       /* the damaged one; "" = none */
	uint64_t created_ns, rotated_ns;       /* CLOCK_REALTIME; 0 = never */
	uint64_t subjects;		       /* durable rows */
	uint64_t sealed, opened, new_subjects; /* since vault_open() */
	uint64_t refused; /* values that could not be sealed, and were truncated */
};

enum vault_state vault_state(const struct vault *v);
void vault_get_status(struct vault *v, struct vault_status *ret);

/* What the chain and readers are given; valid until vault_close(). All modes of the keeper are PERSONAL_SEALED at
 * first. What cannot be sealed is truncated. */
struct personal_keeper *vault_keeper(struct vault *v);
const struct personal_opener *vault_opener(struct vault *v);

/* A row. */
struct vault_subject {
	uint64_t id;
	enum field_kind kind;
	const char *value; /* of @length bytes, and a NUL */
	size_t length;
	uint64_t created_ns; /* CLOCK_REALTIME: of the first record */
};

/**
 * The subject of @value. A AUDIT_FIELD_ADDRESS may be written in any way. Faults: vault.absent (-ENOENT); vault.key
 * (-ENOKEY) and vault.io as for all that follow.
 */
int vault_find(struct vault *v, enum field_kind kind, const char *value, uint64_t *ret,
	       struct fault *reterr);
/**
 * Call @fn with each subject, or with each address and prefix that @prefix covers, until it returns other than 0,
 * which is returned. Prefixes of at least 16 bits (IPv6: 48) are found by an index; otherwise all rows are read,
 * VAULT_WALK_ROWS at a time, and one that comes meanwhile may be missed. @fn must not call the vault.
 */
int vault_each(struct vault *v, int (*fn)(const struct vault_subject *s, void *userdata),
	       void *userdata, struct fault *reterr);
int vault_each_in_prefix(struct vault *v, const struct prefix *prefix,
			 int (*fn)(const struct vault_subject *s, void *userdata), void *userdata,
			 struct fault *reterr);
/** Append the value of the subject @id to @ret. Faults: vault.absent (-ENOENT: there is none, or no more). */
int vault_value(struct vault *v, uint64_t id, struct text *ret, struct fault *reterr);

/**
 * Erase subjects: their rows, and what SQLite's files have of them. *@ret_erased counts those that were there. All
 * or none, and durable. Records that name them stay, and verify, and can no longer be opened by anybody. Copies of
 * the file that were made before are not reached. -EBUSY: they are erased, but somebody who reads keeps the log of the
 * database from being cut; call it again.
 */
int vault_erase(struct vault *v, const uint64_t *ids, size_t count, size_t *ret_erased,
		struct fault *reterr);

/**
 * What needs no key. Write one consistent copy of the file @path, which may be in use, to @copy. Erase rows of a file
 * that nobody uses, as vault_erase(). Faults: vault.damaged, vault.io.
 */
int vault_file_snapshot(const char *path, const char *copy, struct fault *reterr);
int vault_file_erase(const char *path, const uint64_t *ids, size_t count, size_t *ret_erased,
		     struct fault *reterr);

/**
 * Lock the vault with a new random key, which takes the place of the former one. Rows and records stay as they are.
 * Faults: vault.key_fixed (-EPERM: the key is where we cannot write), vault.key, vault.io.
 */
int vault_rotate(struct vault *v, struct fault *reterr);

#endif
