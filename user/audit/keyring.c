/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Each step leaves files from which keyring_open() can go on: the next key is on disk before anybody hears of it, the
 * list is written last.
 */
#include "audit/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fault_point.h"
#include "base/fs.h"

#define LIST_SIZE_MAX ((size_t)KEYRING_KEYS_MAX * (NOTE_VERIFIER_SIZE + CLOCK_RFC3339_SIZE))
#define HOST_MAX      64

static int join(char *ret, const char *directory, const char *name)
{
	return snprintf(ret, PATH_MAX, "%s/%s", directory, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

void keyring_list_done(struct keyring_list *l)
{
	free(l->keys);
	*l = (struct keyring_list){0};
}

static uint64_t overlap_end(const struct keyring_key *next)
{
	char whole[CLOCK_RFC3339_SIZE];
	int64_t since = 0;

	/* Whole seconds are near enough. */
	snprintf(whole, sizeof(whole), "%.19sZ", next->since);
	clock_parse_rfc3339(whole, &since);
	return (uint64_t)since * NSEC_PER_SEC + KEYRING_OVERLAP_NS;
}

uint64_t keyring_list_until(const struct keyring_list *l, size_t index)
{
	if (index + 1 == l->count)
		return UINT64_MAX;
	if (index + 2 < l->count ||
	    strcmp(l->keys[index].verifier.name, l->keys[index + 1].verifier.name) != 0)
		return 0;
	return overlap_end(&l->keys[index + 1]);
}

static int list_add(struct keyring_list *l, const struct note_verifier *v, const char *since)
{
	struct keyring_key *larger;

	if (l->count == KEYRING_KEYS_MAX)
		return -ENOSPC;
	larger = reallocarray(l->keys, l->count + 1, sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	l->keys = larger;
	larger[l->count].verifier = *v;
	snprintf(larger[l->count++].since, CLOCK_RFC3339_SIZE, "%s", since);
	return 0;
}

/* One line, without its newline, cut into pieces. */
static int parse_line(char *line, struct keyring_list *l)
{
	struct note_verifier v;
	char *blank = strchr(line, ' ');

	if (!blank || strlen(blank + 1) != CLOCK_RFC3339_SIZE - 1)
		return -EINVAL;
	*blank = '\0';
	if (note_verifier_parse(line, &v, NULL) < 0)
		return -EINVAL;
	return list_add(l, &v, blank + 1);
}

int keyring_list_read(const char *audit_dir, struct keyring_list *ret, struct fault *reterr)
{
	_cleanup_(keyring_list_done) struct keyring_list l = {0};
	_cleanup_free_ char *data = NULL;
	char path[PATH_MAX];
	size_t length;
	int r = join(path, audit_dir, "keys");

	if (r == 0)
		r = fs_read_file(path, LIST_SIZE_MAX, &data, &length, NULL);
	if (r < 0)
		return fault(reterr, r, "audit.keys", "cannot read the keys of the log, %s: %s",
			     path, strerror(-r));
	for (char *line = data, *end; r == 0 && *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			r = -EINVAL;
		else
			*end = '\0';
		r = r ?: parse_line(line, &l);
		if (!end)
			break;
	}
	if (r == 0 && !l.count)
		r = -EINVAL;
	if (r < 0)
		return fault(reterr, r, "audit.keys", "%s is no list of verifier keys", path);
	*ret = l;
	l = (struct keyring_list){0};
	return 0;
}

static int list_write(const struct keyring *k, struct fault *reterr)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	char path[PATH_MAX], key[NOTE_VERIFIER_SIZE];
	int r = join(path, k->audit_dir, "keys");

	for (size_t i = 0; i < k->list.count; i++) {
		note_verifier_format(&k->list.keys[i].verifier, key);
		text_printf(&t, "%s %s\n", key, k->list.keys[i].since);
	}
	if (r == 0 && t.truncated)
		r = -ENOMEM;
	if (r < 0)
		return fault(reterr, r, "audit.keys", "cannot write %s: %s", path, strerror(-r));
	return fs_replace_file(path, t.data, t.length, 0600, reterr);
}

/* Add @v to the list, on disk first of all. */
static int list_extend(struct keyring *k, const struct note_verifier *v, struct fault *reterr)
{
	char since[CLOCK_RFC3339_SIZE];
	int r;

	clock_format_rfc3339(clock_real_ns(), since);
	r = list_add(&k->list, v, since);
	if (r < 0)
		return fault(reterr, r, "audit.keys", "the log cannot have more keys: %s",
			     strerror(-r));
	r = list_write(k, reterr);
	if (r < 0)
		k->list.count--;
	return r;
}

static const struct keyring_key *last_key(const struct keyring *k)
{
	return k->list.count ? &k->list.keys[k->list.count - 1] : NULL;
}

const char *keyring_name(const struct keyring *k)
{
	return last_key(k)->verifier.name;
}

/* "<host>/weir/<first 8 digits of the chain id>" */
static void make_name(const uint8_t chain_id[static AUDIT_ID_SIZE],
		      char ret[static NOTE_NAME_MAX + 1])
{
	char host[HOST_MAX + 1] = "", id[9];

	gethostname(host, HOST_MAX);
	for (char *c = host; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		      (*c >= '0' && *c <= '9') || *c == '.' || *c == '_'))
			*c = '-';
	hex_format(chain_id, 4, id);
	snprintf(ret, NOTE_NAME_MAX + 1, "%s/weir/%s", *host ? host : "localhost", id);
}

/* A key file; that there is none is no error. */
static int load_optional(const struct keyring *k, const char *file, const char *name,
			 struct note_signer *ret, struct fault *reterr)
{
	struct fault why = {0};
	char path[PATH_MAX];
	int r;

	if (join(path, k->directory, file) < 0)
		return fault(reterr, -ENAMETOOLONG, "audit.key", "%s is too long a path",
			     k->directory);
	r = key_load(path, name, ret, &why);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? fault(reterr, r, "audit.key", "%s", why.text) : 0;
}

static int rename_key(const struct keyring *k, const char *from, const char *to,
		      struct fault *reterr)
{
	_cleanup_close_ int dir = open(k->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fault_point(NULL, "keyring.rename");

	if (r == 0 && (dir < 0 || renameat(dir, from, dir, to) < 0 || fsync(dir) < 0))
		r = -errno;
	return r < 0 ? fault(reterr, r, "audit.key", "cannot rename %s to %s in %s: %s", from, to,
			     k->directory, strerror(-r))
		     : 0;
}

static void remove_key(const struct keyring *k, const char *file)
{
	char path[PATH_MAX];

	if (join(path, k->directory, file) == 0)
		unlink(path);
}

static int load_keys(struct keyring *k, const char *name, struct fault *reterr)
{
	char path[PATH_MAX];
	int r = load_optional(k, "audit.pem", name, &k->current, reterr);

	r = r ?: load_optional(k, "audit.next.pem", name, &k->next, reterr);
	r = r ?: load_optional(k, "audit.former.pem", name, &k->former, reterr);
	if (r < 0 || k->current.key)
		return r;
	if (k->next.key) { /* died between two renames */
		r = rename_key(k, "audit.next.pem", "audit.pem", reterr);
		k->current = k->next;
		k->next = (struct note_signer){0};
		return r;
	}
	r = key_generate(name, &k->current, reterr);
	r = r ?: join(path, k->directory, "audit.pem");
	return r ?: key_store(path, &k->current, reterr);
}

int keyring_open(const char *directory, const char *audit_dir,
		 const uint8_t chain_id[static AUDIT_ID_SIZE], struct keyring *ret,
		 struct fault *reterr)
{
	_cleanup_(keyring_done) struct keyring k = {0};
	struct fault why = {0};
	char name[NOTE_NAME_MAX + 1];
	int r = fs_own_directory(directory, 0700, reterr);

	if (r < 0)
		return r;
	if (snprintf(k.directory, PATH_MAX, "%s", directory) >= PATH_MAX ||
	    snprintf(k.audit_dir, PATH_MAX, "%s", audit_dir) >= PATH_MAX)
		return fault(reterr, -ENAMETOOLONG, "audit.key", "%s is too long a path",
			     directory);
	r = keyring_list_read(audit_dir, &k.list, &why);
	if (r < 0 && r != -ENOENT)
		return fault(reterr, r, why.code, "%s", why.text);
	if (k.list.count)
		snprintf(name, sizeof(name), "%s", keyring_name(&k));
	else
		make_name(chain_id, name);
	r = load_keys(&k, name, reterr);
	if (r < 0)
		return r;
	k.added = !k.list.count ||
		  memcmp(last_key(&k)->verifier.key, k.current.verifier.key, NOTE_KEY_SIZE) != 0;
	if (k.added)
		r = list_extend(&k, &k.current.verifier, reterr);
	if (r < 0)
		return r;
	k.former_until_ns = overlap_end(last_key(&k));
	*ret = k;
	k = (struct keyring){0};
	return 0;
}

void keyring_done(struct keyring *k)
{
	note_signer_done(&k->current);
	note_signer_done(&k->former);
	note_signer_done(&k->next);
	keyring_list_done(&k->list);
}

int keyring_rotation_note(const struct keyring *k, char **ret)
{
	const struct note_signer both[] = {k->current, k->next};
	char text[2 * NOTE_VERIFIER_SIZE + 32], before[NOTE_VERIFIER_SIZE],
		after[NOTE_VERIFIER_SIZE];

	if (!k->next.key)
		return -ENOENT;
	note_verifier_format(&k->current.verifier, before);
	note_verifier_format(&k->next.verifier, after);
	/* The second line of a checkpoint is a number: no checkpoint is signed by this. */
	snprintf(text, sizeof(text), "weir key rotation\n%s\n%s\n", before, after);
	return note_make(text, both, ARRAY_SIZE(both), ret);
}

int keyring_prepare(struct keyring *k, char **ret, struct fault *reterr)
{
	char path[PATH_MAX];
	int r;

	if (k->next.key)
		return fault(reterr, -EBUSY, "audit.rotation", "a rotation is under way");
	if (k->list.count == KEYRING_KEYS_MAX)
		return fault(reterr, -ENOSPC, "audit.rotation", "a log has at most %d keys",
			     KEYRING_KEYS_MAX);
	r = key_generate(keyring_name(k), &k->next, reterr);
	r = r ?: join(path, k->directory, "audit.next.pem");
	r = r ?: key_store(path, &k->next, reterr);
	if (r == 0) {
		r = keyring_rotation_note(k, ret);
		if (r < 0)
			fault(reterr, r, "audit.rotation", "cannot sign: %s", strerror(-r));
	}
	if (r < 0)
		keyring_abandon(k);
	return r;
}

int keyring_activate(struct keyring *k, struct fault *reterr)
{
	int r;

	if (!k->next.key)
		return fault(reterr, -ENOENT, "audit.rotation", "no rotation is under way");
	r = rename_key(k, "audit.pem", "audit.former.pem", reterr);
	r = r ?: rename_key(k, "audit.next.pem", "audit.pem", reterr);
	if (r < 0)
		return r;
	note_signer_done(&k->former);
	k->former = k->current;
	k->current = k->next;
	k->next = (struct note_signer){0};
	r = list_extend(k, &k->current.verifier, reterr);
	k->former_until_ns = overlap_end(last_key(k));
	return r;
}

void keyring_abandon(struct keyring *k)
{
	remove_key(k, "audit.next.pem");
	note_signer_done(&k->next);
}

int keyring_rename(struct keyring *k, struct fault *reterr)
{
	char name[NOTE_NAME_MAX + 16], number[16];
	struct note_verifier v;
	const char *last = keyring_name(k), *dash = strrchr(last, '-');
	size_t length = dash && !strchr(dash, '/') ? (size_t)(dash - last) : strlen(last);
	int r;

	snprintf(number, sizeof(number), "%zu", k->list.count + 1);
	snprintf(name, sizeof(name), "%.*s-%s", (int)length, last, number);
	r = note_verifier_init(&v, name, k->current.verifier.key);
	if (r < 0)
		return fault(reterr, r, "audit.keys", "'%s' is no name for a log", name);
	r = list_extend(k, &v, reterr);
	if (r < 0)
		return r;
	k->current.verifier = v;
	/* What signed along did so for the name before. */
	remove_key(k, "audit.former.pem");
	note_signer_done(&k->former);
	return 0;
}

size_t keyring_signers(struct keyring *k, uint64_t now_ns, struct note_signer ret[static 2])
{
	if (k->former.key && now_ns >= k->former_until_ns) {
		remove_key(k, "audit.former.pem");
		note_signer_done(&k->former);
	}
	ret[0] = k->current;
	ret[1] = k->former;
	return k->former.key ? 2 : 1;
}

int keyring_verify(const struct keyring *k, const struct note *note, struct fault *reterr)
{
	int r = fault(reterr, -ENOKEY, "note.unsigned", "none of the log's keys signed it");

	for (size_t i = k->list.count; r < 0 && i-- > 0;)
		if (strcmp(k->list.keys[i].verifier.name, keyring_name(k)) == 0)
			r = note_verify(note, &k->list.keys[i].verifier, reterr);
	return r;
}
