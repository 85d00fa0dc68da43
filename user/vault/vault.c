/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A vault as a whole: found or made, unlocked, locked anew, closed. */
#include "vault/vault.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/fs.h"
#include "store/store.h"
#include "vault/internal.h"

#define META_WRAPPED "root_key"
#define META_CREATED "created_ns"
#define META_ROTATED "rotated_ns"

const char *vault_state_to_str(enum vault_state state)
{
	static const char *const names[] = {
		[VAULT_WORKS] = "works",
		[VAULT_NO_KEY] = "no_key",
		[VAULT_WRONG_KEY] = "wrong_key",
		[VAULT_BROKEN] = "broken",
	};
	_Static_assert(ARRAY_SIZE(names) == VAULT_STATE_MAX, "a state has no name");

	return names[state];
}

enum vault_state vault_state(const struct vault *v)
{
	return __atomic_load_n(&v->state, __ATOMIC_ACQUIRE);
}

void vault_note(struct vault *v, const struct fault *f)
{
	pthread_mutex_lock(&v->status_lock);
	v->status.trouble = *f;
	pthread_mutex_unlock(&v->status_lock);
}

int vault_check(struct vault *v, bool change, struct fault *reterr)
{
	if (vault_state(v) != VAULT_WORKS) {
		struct vault_status status;

		vault_get_status(v, &status);
		return fault(reterr, -ENOKEY, "vault.key", "the vault cannot be used (%s): %s",
			     vault_state_to_str(status.state), status.trouble.text);
	}
	if (change && v->read_only)
		return fault(reterr, -EROFS, "vault.read_only", "the vault is open to be read");
	return 0;
}

void vault_get_status(struct vault *v, struct vault_status *ret)
{
	pthread_mutex_lock(&v->status_lock);
	*ret = v->status;
	pthread_mutex_unlock(&v->status_lock);
}

struct personal_keeper *vault_keeper(struct vault *v)
{
	return &v->keeper;
}

const struct personal_opener *vault_opener(struct vault *v)
{
	return &v->opener;
}

/* A key for a vault that has none yet: the one that is there, or a new one. */
static int key_for_new(struct vault *v, int found, const struct fault *why, struct fault *reterr)
{
	char directory[PATH_MAX];
	char *slash;
	int r = 0;

	if (found == 0)
		return 0;
	if (found != -ENOENT || v->key.place != KEY_FILE)
		return fault(reterr, found, why->code, "%s", why->text);
	snprintf(directory, sizeof(directory), "%s", v->key.source);
	slash = strrchr(directory, '/');
	if (slash && slash != directory) {
		*slash = '\0';
		r = fs_own_directory(directory, 0700, reterr);
	}
	if (r == 0)
		r = key_create(&v->key, reterr);
	v->status.key_made = r == 0;
	return r;
}

/* The first time: a root key. */
static int begin(struct vault *v, uint8_t root[static CRYPTO_KEY], struct fault *reterr)
{
	struct db *d = &v->writing.db;
	uint8_t wrapped[CRYPTO_WRAPPED];
	uint64_t now_ns = clock_real_ns();
	int r = crypto_random(root, CRYPTO_KEY);

	if (r == 0)
		r = crypto_wrap(&v->writing.crypto, v->key.bytes, root, wrapped);
	if (r < 0)
		return fault(reterr, r, "vault.key", "cannot make keys: %s", strerror(-r));
	r = db_begin(d, reterr);
	if (r == 0)
		r = db_meta_put(d, META_WRAPPED, wrapped, sizeof(wrapped), reterr);
	if (r == 0)
		r = db_meta_put(d, META_CREATED, &now_ns, sizeof(now_ns), reterr);
	if (r == 0)
		r = db_commit(d, reterr);
	if (r < 0)
		db_rollback(d);
	v->status.made = r == 0;
	return r;
}

/* With the key, or with the one beside it if a change of keys was cut short. */
static int unlock_root(struct vault *v, struct side *s, const uint8_t *wrapped,
		       uint8_t root[static CRYPTO_KEY], struct fault *reterr)
{
	struct key staged;
	int r = crypto_unwrap(&s->crypto, v->key.bytes, wrapped, root);

	if (r != -EKEYREJECTED)
		return r;
	if (key_find_staged(&v->key, &staged) == 0 &&
	    crypto_unwrap(&s->crypto, staged.bytes, wrapped, root) == 0) {
		v->key = staged;
		OPENSSL_cleanse(&staged, sizeof(staged));
		return v->read_only ? 0 : key_commit(&v->key, reterr);
	}
	return fault(reterr, -EKEYREJECTED, "vault.wrong_key",
		     "the vault %s is locked with another key than that in %s", v->status.path,
		     v->key.source);
}

/* With the file open. */
static int unlock(struct vault *v, struct side *s, struct fault *reterr)
{
	char beside[PATH_MAX];
	uint8_t wrapped[CRYPTO_WRAPPED], root[CRYPTO_KEY];
	struct fault why = {0};
	int found, r;

	snprintf(beside, sizeof(beside), "%s/" VAULT_KEY_FILE, v->state_dir);
	found = key_find(v->key_asked, beside, &v->key, &why);
	r = db_meta_get(&s->db, META_WRAPPED, wrapped, sizeof(wrapped), reterr);
	if (r == -ENOENT && !v->read_only) {
		r = key_for_new(v, found, &why, reterr);
		if (r == 0)
			r = begin(v, root, reterr);
	} else if (r == 0 && found < 0) {
		r = fault(reterr, found, why.code, "%s", why.text);
	} else if (r == 0) {
		r = unlock_root(v, s, wrapped, root, reterr);
	}
	if (r == 0)
		r = crypto_set_root(&v->writing.crypto, root)
			    ?: crypto_set_root(&v->reading.crypto, root);
	if (r == 0)
		r = crypto_key_id(&s->crypto, v->key.bytes, v->status.key_id);
	OPENSSL_cleanse(root, sizeof(root));
	return r;
}

/* Open the file; one that is damaged is set aside once, by its owner. */
static int open_file(struct vault *v, bool check, struct fault *reterr)
{
	char suffix[40];
	int r = db_open(&v->writing.db, v->status.path, false, check, reterr);

	if (r != -EUCLEAN || !v->owner)
		return r;
	db_close(&v->writing.db);
	snprintf(suffix, sizeof(suffix), "damaged-%llu",
		 (unsigned long long)(clock_real_ns() / NSEC_PER_SEC));
	r = store_set_aside(v->status.path, suffix, v->status.set_aside,
			    sizeof(v->status.set_aside), reterr);
	return r < 0 ? r : db_open(&v->writing.db, v->status.path, false, check, reterr);
}

static enum vault_state state_of(int r, const struct fault *f)
{
	if (r == 0)
		return VAULT_WORKS;
	if (r == -EKEYREJECTED)
		return VAULT_WRONG_KEY;
	return f->code && strncmp(f->code, "vault.key", 9) == 0 ? VAULT_NO_KEY : VAULT_BROKEN;
}

static void open_all(struct vault *v, bool check)
{
	struct vault_status *status = &v->status;
	struct side *first = v->read_only ? &v->reading : &v->writing;
	struct fault f = {0};
	int r = v->read_only ? 0 : open_file(v, check, &f);

	if (r == 0)
		r = db_open(&v->reading.db, status->path, true, v->read_only && check, &f);
	if (r == 0)
		r = unlock(v, first, &f);
	if (r == 0)
		r = db_count(&first->db, &status->subjects, &f);
	if (first->db.statements[DB_META_GET]) {
		db_meta_get(&first->db, META_CREATED, &status->created_ns,
			    sizeof(status->created_ns), NULL);
		db_meta_get(&first->db, META_ROTATED, &status->rotated_ns,
			    sizeof(status->rotated_ns), NULL);
	}
	if (r < 0 && !f.err)
		fault(&f, r, "vault.io", "%s: %s", status->path, strerror(-r));
	status->state = state_of(r, &f);
	status->trouble = r < 0 ? f : (struct fault){0};
	snprintf(status->key_source, sizeof(status->key_source), "%.511s", v->key.source);
	__atomic_store_n(&v->state, status->state, __ATOMIC_RELEASE);
}

bool vault_retry(struct vault *v)
{
	/* What is only locked was looked at when it was opened first. */
	bool check = vault_state(v) == VAULT_BROKEN;

	pthread_mutex_lock(&v->writing.lock);
	pthread_mutex_lock(&v->reading.lock);
	if (vault_state(v) != VAULT_WORKS) {
		pthread_mutex_lock(&v->status_lock);
		db_close(&v->reading.db);
		db_close(&v->writing.db);
		open_all(v, check);
		pthread_mutex_unlock(&v->status_lock);
	}
	pthread_mutex_unlock(&v->reading.lock);
	pthread_mutex_unlock(&v->writing.lock);
	return vault_state(v) == VAULT_WORKS;
}

int vault_open(const struct vault_options *options, struct vault **ret, struct fault *reterr)
{
	_cleanup_(vault_closep) struct vault *v = calloc(1, sizeof(*v));

	if (!v)
		return fault(reterr, -ENOMEM, "vault.memory", "no memory for the vault");
	pthread_mutex_init(&v->writing.lock, NULL);
	pthread_mutex_init(&v->reading.lock, NULL);
	pthread_mutex_init(&v->status_lock, NULL);
	v->read_only = options->read_only;
	v->owner = options->owner;
	v->state = VAULT_BROKEN;
	v->key_asked = options->key ? strdup(options->key) : NULL;
	v->keeper = (struct personal_keeper){.seal = vault_seal, .sync = vault_sync, .userdata = v};
	v->opener = (struct personal_opener){.open = vault_open_value, .userdata = v};
	v->opened = calloc(OPENED_MAX, sizeof(*v->opened));
	if (!v->opened || (options->key && !v->key_asked) || cache_init(&v->cache) < 0 ||
	    crypto_init(&v->writing.crypto) < 0 || crypto_init(&v->reading.crypto) < 0)
		return fault(reterr, -ENOMEM, "vault.memory", "no memory for the vault");
	snprintf(v->state_dir, sizeof(v->state_dir), "%s", options->state_dir);
	if (snprintf(v->status.path, sizeof(v->status.path), "%s/" VAULT_FILE,
		     options->state_dir) >= (int)sizeof(v->status.path))
		return fault(reterr, -ENAMETOOLONG, "vault.path", "%.100s...: the path is too long",
			     options->state_dir);
	open_all(v, true);
	*ret = take_ptr(v);
	return 0;
}

static void side_done(struct side *s)
{
	db_close(&s->db);
	crypto_done(&s->crypto);
	pthread_mutex_destroy(&s->lock);
}

void vault_close(struct vault *v)
{
	if (!v)
		return;
	if (v->opened)
		vault_forget_opened(v);
	free(v->opened);
	free(v->key_asked);
	cache_done(&v->cache);
	side_done(&v->reading);
	side_done(&v->writing); /* last: it tidies the log of the database */
	pthread_mutex_destroy(&v->status_lock);
	OPENSSL_cleanse(v, sizeof(*v));
	free(v);
}

/* Wrap the root key with @next, in one step. */
static int wrap(struct vault *v, const struct key *next, uint64_t now_ns, struct fault *reterr)
{
	struct crypto *c = &v->writing.crypto;
	struct db *d = &v->writing.db;
	uint8_t wrapped[CRYPTO_WRAPPED];
	int r = crypto_wrap(c, next->bytes, c->root, wrapped);

	if (r < 0)
		return fault(reterr, r, "vault.key", "cannot wrap the key: %s", strerror(-r));
	r = db_begin(d, reterr);
	if (r == 0)
		r = db_meta_put(d, META_WRAPPED, wrapped, sizeof(wrapped), reterr);
	if (r == 0)
		r = db_meta_put(d, META_ROTATED, &now_ns, sizeof(now_ns), reterr);
	if (r == 0)
		r = db_commit(d, reterr);
	if (r < 0)
		db_rollback(d);
	return r;
}

static int rotate_locked(struct vault *v, struct fault *reterr)
{
	uint64_t now_ns = clock_real_ns();
	struct key next;
	int r = vault_sync_locked(v, reterr);

	if (r == 0)
		r = key_stage(&v->key, &next, reterr);
	if (r < 0)
		return r;
	r = fault_point(reterr, "vault.rotate") ?: wrap(v, &next, now_ns, reterr);
	if (r < 0) {
		key_abort(&next);
	} else {
		/* What was wrapped before is not to stay in the log. A reader may hold that up: no harm. */
		db_forget(&v->writing.db, NULL);
		v->key = next;
		pthread_mutex_lock(&v->status_lock);
		v->status.rotated_ns = now_ns;
		crypto_key_id(&v->writing.crypto, next.bytes, v->status.key_id);
		pthread_mutex_unlock(&v->status_lock);
		r = fault_point(reterr, "vault.rotated") ?: key_commit(&next, reterr);
	}
	OPENSSL_cleanse(&next, sizeof(next));
	return r;
}

int vault_rotate(struct vault *v, struct fault *reterr)
{
	int r = vault_check(v, true, reterr);

	if (r < 0)
		return r;
	pthread_mutex_lock(&v->writing.lock);
	r = rotate_locked(v, reterr);
	pthread_mutex_unlock(&v->writing.lock);
	return r;
}
