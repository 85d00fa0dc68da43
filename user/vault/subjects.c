/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a subject to its value, and from what is known of a value to its subject; and the end of both. */
#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#include "vault/internal.h"

/* The value of a row, with a NUL behind it, and its keys. */
static int decrypt(struct crypto *c, const struct db_row *row, struct subject_keys *ret_keys,
		   char **ret)
{
	size_t length = row->length - CRYPTO_TAG;
	_cleanup_free_ char *value = calloc(1, length + 1);
	int r = value ? crypto_subject_keys(c, row->salt, ret_keys) : -ENOMEM;

	if (r == 0)
		r = crypto_open(c, ret_keys, row->id, row->sealed, row->length, value);
	if (r == 0)
		*ret = take_ptr(value);
	return r;
}

static void opened_clear(struct opened *o)
{
	if (o->value)
		OPENSSL_cleanse(o->value, o->length);
	free(o->value);
	*o = (struct opened){0};
}

void vault_forget_opened(struct vault *v)
{
	for (size_t i = 0; i < OPENED_MAX; i++)
		opened_clear(&v->opened[i]);
}

/* The subject as it is in memory, read from the file if need be. With the lock of reading. */
static int lookup(struct vault *v, uint64_t id, struct opened **ret)
{
	struct opened *o = &v->opened[id % OPENED_MAX];
	struct subject_keys keys;
	struct fault f = {0};
	struct db_row row;
	char *value;
	int r;

	*ret = o;
	if (o->id == id && o->value)
		return 0;
	r = db_by_id(&v->reading.db, id, &row, &f);
	if (r < 0 && r != -ENOENT)
		vault_note(v, &f);
	if (r < 0)
		return r;
	r = decrypt(&v->reading.crypto, &row, &keys, &value);
	if (r == 0) {
		opened_clear(o);
		o->id = id;
		o->value = value;
		o->length = row.length - CRYPTO_TAG;
		memcpy(o->key, keys.commit, sizeof(o->key));
	}
	db_reset(&v->reading.db, DB_BY_ID);
	OPENSSL_cleanse(&keys, sizeof(keys));
	return r;
}

static int open_locked(struct vault *v, const struct personal_sealed *sealed,
		       const struct personal_place *place, struct text *ret)
{
	struct crypto *c = &v->reading.crypto;
	uint8_t salt[PERSONAL_SALT_SIZE], commitment[PERSONAL_HASH_SIZE];
	struct opened *o;
	int r = lookup(v, sealed->subject, &o);

	if (r == 0)
		r = crypto_salt(c, o->key, place, salt);
	if (r < 0)
		return r;
	personal_commit(&c->hasher, place, salt, o->value, o->length, commitment);
	if (memcmp(commitment, sealed->commitment, sizeof(commitment)) != 0)
		return -EBADMSG;
	text_put(ret, o->value, o->length);
	return 0;
}

int vault_open_value(const struct personal_sealed *sealed, const struct personal_place *place,
		     struct text *ret, void *userdata)
{
	struct vault *v = userdata;
	int r;

	if (vault_state(v) != VAULT_WORKS)
		return -ENOKEY;
	pthread_mutex_lock(&v->reading.lock);
	r = open_locked(v, sealed, place, ret);
	pthread_mutex_unlock(&v->reading.lock);
	pthread_mutex_lock(&v->status_lock);
	v->status.opened += r == 0;
	pthread_mutex_unlock(&v->status_lock);
	return r;
}

static int absent(struct fault *reterr)
{
	return fault(reterr, -ENOENT, "vault.absent", "the vault has nothing of that");
}

static int unreadable(int r, struct fault *reterr)
{
	return fault(reterr, r, "vault.io", "a row of the vault cannot be read: %s", strerror(-r));
}

/* New subjects are not in the file before a sync. */
static int settle(struct vault *v, bool change, struct fault *reterr)
{
	int r = vault_check(v, change, reterr);

	if (r < 0 || v->read_only)
		return r;
	pthread_mutex_lock(&v->writing.lock);
	r = vault_sync_locked(v, reterr);
	pthread_mutex_unlock(&v->writing.lock);
	return r;
}

int vault_find(struct vault *v, enum field_kind kind, const char *value, uint64_t *ret,
	       struct fault *reterr)
{
	char canonical[PREFIX_TEXT_SIZE];
	uint8_t token[CRYPTO_TOKEN];
	struct prefix p;
	struct db_row row;
	int r = settle(v, false, reterr);

	if (r < 0)
		return r;
	if (kind == AUDIT_FIELD_ADDRESS && prefix_parse(value, &p) == 0) {
		prefix_format(&p, canonical);
		value = canonical;
	}
	pthread_mutex_lock(&v->reading.lock);
	r = vault_token(&v->reading.crypto, kind, value, strlen(value), token);
	r = r < 0 ? unreadable(r, reterr) : db_by_token(&v->reading.db, token, &row, reterr);
	if (r == 0) {
		*ret = row.id;
		db_reset(&v->reading.db, DB_BY_TOKEN);
	}
	pthread_mutex_unlock(&v->reading.lock);
	return r == -ENOENT ? absent(reterr) : r;
}

int vault_value(struct vault *v, uint64_t id, struct text *ret, struct fault *reterr)
{
	struct opened *o;
	int r = settle(v, false, reterr);

	if (r < 0)
		return r;
	pthread_mutex_lock(&v->reading.lock);
	r = lookup(v, id, &o);
	if (r == 0)
		text_put(ret, o->value, o->length);
	pthread_mutex_unlock(&v->reading.lock);
	return r == -ENOENT ? absent(reterr) : r < 0 ? unreadable(r, reterr) : 0;
}

/* What is asked for: rows found by @which, all or those that @prefix covers. */
struct walk {
	enum db_statement which;
	const struct prefix *prefix;
	int (*fn)(const struct vault_subject *s, void *userdata);
	void *userdata;
};

static int visit(struct vault *v, const struct walk *w, const struct db_row *row)
{
	struct subject_keys keys;
	struct vault_subject s = {.id = row->id, .kind = row->kind, .created_ns = row->created_ns};
	_cleanup_free_ char *value = NULL;
	struct prefix p;
	int r;

	if (w->prefix && row->kind != AUDIT_FIELD_ADDRESS)
		return 0;
	r = decrypt(&v->reading.crypto, row, &keys, &value);
	OPENSSL_cleanse(&keys, sizeof(keys));
	if (r < 0)
		return r;
	s.value = value;
	s.length = row->length - CRYPTO_TAG;
	if (w->prefix && (prefix_parse(value, &p) < 0 || !prefix_covers(w->prefix, &p)))
		return 0;
	return w->fn(&s, w->userdata);
}

/* The rows of a statement that begins. *@ret_last: the last one; *@ret_count: how many. With the lock of reading. */
static int visit_rows(struct vault *v, const struct walk *w, uint64_t *ret_last,
		      unsigned int *ret_count, struct fault *reterr)
{
	struct db_row row;
	int r = 0, stop = 0;

	*ret_count = 0;
	while (!stop && (r = db_each_next(&v->reading.db, w->which, &row, reterr)) > 0) {
		*ret_last = row.id;
		(*ret_count)++;
		stop = visit(v, w, &row);
		if (stop == -EBADMSG || stop == -ENOMEM)
			r = unreadable(stop, reterr);
	}
	db_reset(&v->reading.db, w->which);
	return r < 0 ? r : stop;
}

/* All rows, a few at a time: whoever opens a value meanwhile waits for no more than these. */
static int walk_all(struct vault *v, const struct walk *w, struct fault *reterr)
{
	uint64_t last = (uint64_t)INT64_MIN;
	unsigned int count;
	int r;

	do {
		pthread_mutex_lock(&v->reading.lock);
		r = db_each_page(&v->reading.db, (int64_t)last, VAULT_WALK_ROWS, reterr);
		r = r ?: visit_rows(v, w, &last, &count, reterr);
		pthread_mutex_unlock(&v->reading.lock);
	} while (r == 0 && count == VAULT_WALK_ROWS);
	return r;
}

int vault_each(struct vault *v, int (*fn)(const struct vault_subject *s, void *userdata),
	       void *userdata, struct fault *reterr)
{
	const struct walk w = {.which = DB_EACH, .fn = fn, .userdata = userdata};
	int r = settle(v, false, reterr);

	return r < 0 ? r : walk_all(v, &w, reterr);
}

int vault_each_in_prefix(struct vault *v, const struct prefix *prefix,
			 int (*fn)(const struct vault_subject *s, void *userdata), void *userdata,
			 struct fault *reterr)
{
	struct walk w = {.which = DB_EACH, .prefix = prefix, .fn = fn, .userdata = userdata};
	unsigned int count, bits = vault_narrow_bits(prefix->address);
	uint8_t token[CRYPTO_TOKEN];
	uint64_t last;
	int r = settle(v, false, reterr);

	if (r < 0)
		return r;
	if (prefix->bits >= bits) {
		w.which = DB_BY_NARROW;
	} else if (prefix->bits >= vault_wide_bits(prefix->address)) {
		bits = vault_wide_bits(prefix->address);
		w.which = DB_BY_WIDE;
	} else {
		return walk_all(v, &w, reterr);
	}
	pthread_mutex_lock(&v->reading.lock);
	r = vault_prefix_token(&v->reading.crypto, prefix->address, bits, token);
	r = r < 0 ? unreadable(r, reterr) : db_each_begin(&v->reading.db, w.which, token, reterr);
	r = r ?: visit_rows(v, &w, &last, &count, reterr);
	pthread_mutex_unlock(&v->reading.lock);
	return r;
}

static int erase_rows(struct db *d, const uint64_t *ids, size_t count, size_t *ret_erased,
		      struct fault *reterr)
{
	int r = db_begin(d, reterr);

	*ret_erased = 0;
	for (size_t i = 0; i < count && r == 0; i++) {
		bool found = false;

		r = db_delete(d, ids[i], &found, reterr);
		*ret_erased += found;
	}
	if (r == 0)
		r = db_commit(d, reterr);
	if (r < 0)
		db_rollback(d);
	return r;
}

int vault_erase(struct vault *v, const uint64_t *ids, size_t count, size_t *ret_erased,
		struct fault *reterr)
{
	size_t erased = 0;
	int r = vault_check(v, true, reterr);

	if (r < 0)
		return r;
	pthread_mutex_lock(&v->writing.lock);
	pthread_mutex_lock(&v->reading.lock); /* nobody reads while the log is cut */
	r = vault_sync_locked(v, reterr);
	if (r == 0)
		r = erase_rows(&v->writing.db, ids, count, &erased, reterr);
	if (r == 0) {
		cache_clear(&v->cache);
		vault_forget_opened(v);
		pthread_mutex_lock(&v->status_lock);
		v->status.subjects -= erased;
		pthread_mutex_unlock(&v->status_lock);
		r = db_forget(&v->writing.db, reterr);
	}
	pthread_mutex_unlock(&v->reading.lock);
	pthread_mutex_unlock(&v->writing.lock);
	if (r == 0)
		*ret_erased = erased;
	return r;
}
