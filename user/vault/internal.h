/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of this folder share: the vault itself. */
#ifndef VAULT_INTERNAL_H
#define VAULT_INTERNAL_H

#include <pthread.h>

#include "vault/cache.h"
#include "vault/key.h"
#include "vault/vault.h"

#define OPENED_MAX 4096 /* subjects that are remembered open */

/* A connection and the keys, for one thread at a time. */
struct side {
	pthread_mutex_t lock;
	struct db db;
	struct crypto crypto;
};

/* A subject that was opened lately. */
struct opened {
	uint64_t id; /* 0 = none */
	uint8_t key[CRYPTO_KEY];
	char *value;
	size_t length;
};

struct vault {
	enum vault_state state; /* read without a lock; changes with both held */
	bool owner, read_only;
	char state_dir[512];
	char *key_asked; /* NULL = look for it */
	struct key key;
	struct personal_keeper keeper;
	struct personal_opener opener;

	/* Sealing and changes. Its lock comes before the other one. */
	struct side writing;
	struct cache cache;

	/* Questions, which do not wait for the disk. */
	struct side reading;
	struct opened *opened; /* OPENED_MAX, by number */

	pthread_mutex_t status_lock; /* guards status; the last to be taken */
	struct vault_status status;
};

/** -ENOKEY "vault.key" or -EROFS "vault.read_only", unless the vault can be read, or @changed. */
int vault_check(struct vault *v, bool change, struct fault *reterr);
/* Remember the last thing that failed. */
void vault_note(struct vault *v, const struct fault *f);

/* What seal() does, with the lock held; make durable what it did, likewise. */
int vault_sync_locked(struct vault *v, struct fault *reterr);
int vault_seal(enum field_kind kind, const char *value, const struct personal_place *place,
	       struct personal_sealed *ret, void *userdata);
int vault_sync(struct fault *reterr, void *userdata);
int vault_open_value(const struct personal_sealed *sealed, const struct personal_place *place,
		     struct text *ret, void *userdata);
/* Nothing that was opened is remembered any more; the lock of reading is held. */
void vault_forget_opened(struct vault *v);

/* The token of a value; of the @bits of an address that are a prefix. */
int vault_token(struct crypto *c, enum field_kind kind, const char *value, size_t length,
		uint8_t ret[static CRYPTO_TOKEN]);
int vault_prefix_token(struct crypto *c, const uint8_t address[static 16], unsigned int bits,
		       uint8_t ret[static CRYPTO_TOKEN]);
/** Bits of the two prefixes that a row is found by. */
unsigned int vault_narrow_bits(const uint8_t address[static 16]);
unsigned int vault_wide_bits(const uint8_t address[static 16]);

#endif
