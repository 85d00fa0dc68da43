/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The vault: what is sealed can be opened with its key, found, erased for good, and by nobody else. */
#include "test_audit.h"

#include <endian.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>

#include "audit/personal.h"
#include "base/fs.h"
#include "vault/vault.h"

static const uint8_t id[AUDIT_ID_SIZE] = {1, 2, 3};
static const struct personal_place place = {id, "resource.id"};

static struct vault *open_with(const struct log *l, const char *key, bool read_only)
{
	const struct vault_options options = {
		.state_dir = l->root, .key = key, .owner = true, .read_only = read_only};
	struct vault *v = NULL;

	assert_int_equal(vault_open(&options, &v, NULL), 0);
	return v;
}

static struct vault *open_vault(const struct log *l)
{
	struct vault *v = open_with(l, NULL, false);

	if (vault_state(v) != VAULT_WORKS) {
		struct vault_status status;

		vault_get_status(v, &status);
		fail_msg("%s", status.trouble.text);
	}
	return v;
}

static int seal(struct vault *v, enum field_kind kind, const char *value,
		struct personal_sealed *ret)
{
	struct personal_keeper *k = vault_keeper(v);

	return k->seal(kind, value, &place, ret, k->userdata);
}

static void sync_vault(struct vault *v)
{
	struct personal_keeper *k = vault_keeper(v);
	struct fault f = {0};

	if (k->sync(&f, k->userdata) < 0)
		fail_msg("%s", f.text);
}

static int opened(struct vault *v, const struct personal_sealed *sealed, const char *expected)
{
	_cleanup_(text_done) struct text value = {.growing = true};
	const struct personal_opener *o = vault_opener(v);
	int r = o->open(sealed, &place, &value, o->userdata);

	if (r == 0)
		assert_string_equal(value.data, expected);
	return r;
}

static void path_in(const struct log *l, const char *name, char ret[static 128])
{
	snprintf(ret, 128, "%s/%s", l->root, name);
}

static void first_start(void **state)
{
	const struct log *l = *state;
	struct vault_status status;
	char path[128];
	struct stat st;
	_cleanup_(vault_closep) struct vault *v = open_vault(l);

	vault_get_status(v, &status);
	assert_true(status.made && status.key_made && status.created_ns);
	path_in(l, VAULT_KEY_FILE, path);
	assert_string_equal(status.key_source, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	path_in(l, VAULT_KEY_DIRECTORY, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	path_in(l, VAULT_FILE, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void sealed_and_opened(void **state)
{
	const struct log *l = *state;
	struct personal_sealed a, again, b;
	struct vault *v = open_vault(l), *other;

	assert_int_equal(seal(v, AUDIT_FIELD_ADDRESS, "198.51.100.7", &a), 0);
	assert_int_equal(seal(v, AUDIT_FIELD_ADDRESS, "198.51.100.7", &again), 0);
	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "198.51.100.7", &b), 0);
	assert_true(a.subject == again.subject && a.subject != b.subject);
	assert_memory_equal(a.commitment, again.commitment, sizeof(a.commitment));
	sync_vault(v);
	assert_int_equal(opened(v, &a, "198.51.100.7"), 0);
	/* In another process, while this one runs, and after it. */
	other = open_with(l, NULL, true);
	assert_int_equal(opened(other, &a, "198.51.100.7"), 0);
	assert_int_equal(seal(other, AUDIT_FIELD_NAME, "root", &b), -EROFS);
	vault_close(other);
	vault_close(v);
	v = open_vault(l);
	assert_int_equal(opened(v, &a, "198.51.100.7"), 0);
	assert_int_equal(seal(v, AUDIT_FIELD_ADDRESS, "198.51.100.7", &again), 0);
	assert_true(a.subject == again.subject);
	vault_close(v);
}

static void commitments(void **state)
{
	const struct log *l = *state;
	_cleanup_(vault_closep) struct vault *v = open_vault(l);
	static const uint8_t other_id[AUDIT_ID_SIZE] = {9};
	const struct personal_place elsewhere[] = {{id, "actor.username"},
						   {other_id, "resource.id"}};
	struct personal_keeper *k = vault_keeper(v);
	struct personal_sealed a, b;

	assert_int_equal(seal(v, AUDIT_FIELD_ADDRESS, "198.51.100.7", &a), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(k->seal(AUDIT_FIELD_ADDRESS, "198.51.100.7", &elsewhere[i], &b, v),
				 0);
		assert_true(a.subject == b.subject);
		assert_memory_not_equal(a.commitment, b.commitment, sizeof(a.commitment));
	}
	sync_vault(v);
	/* What stands in another place was not committed to there. */
	assert_int_equal(opened(v, &b, ""), -EBADMSG);
	a.commitment[5] ^= 1;
	assert_int_equal(opened(v, &a, ""), -EBADMSG);
}

static bool file_has(const struct log *l, const char *name, const void *bytes, size_t length)
{
	_cleanup_free_ char *data = NULL;
	char path[128];
	size_t size;

	path_in(l, name, path);
	return fs_read_file(path, 1 << 24, &data, &size, NULL) == 0 &&
	       memmem(data, size, bytes, length);
}

static void nothing_in_clear(void **state)
{
	static const char name[] = "a.name.that.nobody.else.has", address[] = "203.0.113.77";
	const struct log *l = *state;
	struct vault *v = open_vault(l);
	struct personal_sealed a, b;
	uint64_t row;

	assert_int_equal(seal(v, AUDIT_FIELD_NAME, name, &a), 0);
	assert_int_equal(seal(v, AUDIT_FIELD_ADDRESS, address, &b), 0);
	sync_vault(v);
	row = htobe64(a.subject);
	assert_true(file_has(l, VAULT_FILE "-wal", &row, sizeof(row)));
	for (int closed = 0; closed < 2; closed++) {
		assert_false(file_has(l, VAULT_FILE, name, strlen(name)));
		assert_false(file_has(l, VAULT_FILE "-wal", name, strlen(name)));
		assert_false(file_has(l, VAULT_FILE, address, strlen(address)));
		assert_false(file_has(l, VAULT_FILE "-wal", address, strlen(address)));
		if (!closed)
			vault_close(v);
	}
}

/* The number of a subject as SQLite keeps it. */
static bool row_left(const struct log *l, uint64_t subject)
{
	uint64_t be = htobe64(subject);

	return file_has(l, VAULT_FILE, &be, sizeof(be)) ||
	       file_has(l, VAULT_FILE "-wal", &be, sizeof(be));
}

static void erased(void **state)
{
	const struct log *l = *state;
	_cleanup_(vault_closep) struct vault *v = open_vault(l);
	struct personal_sealed a, b, again;
	struct vault_status status;
	size_t count = 9;

	assert_int_equal(seal(v, AUDIT_FIELD_ADDRESS, "198.51.100.7", &a), 0);
	assert_int_equal(seal(v, AUDIT_FIELD_ADDRESS, "198.51.100.8", &b), 0);
	sync_vault(v);
	assert_true(row_left(l, a.subject));
	assert_int_equal(opened(v, &a, "198.51.100.7"), 0);
	assert_int_equal(vault_erase(v, &a.subject, 1, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(opened(v, &a, ""), -ENOENT);
	assert_int_equal(opened(v, &b, "198.51.100.8"), 0);
	assert_false(row_left(l, a.subject));
	assert_true(row_left(l, b.subject));
	assert_int_equal(vault_find(v, AUDIT_FIELD_ADDRESS, "198.51.100.7", &again.subject, NULL),
			 -ENOENT);
	/* What comes later is of somebody new. */
	assert_int_equal(seal(v, AUDIT_FIELD_ADDRESS, "198.51.100.7", &again), 0);
	assert_true(again.subject != a.subject);
	assert_int_equal(vault_erase(v, &a.subject, 1, &count, NULL), 0);
	assert_int_equal(count, 0);
	vault_get_status(v, &status);
	assert_int_equal(status.subjects, 2);
}

static void copy_file(const struct log *l, const char *from, const char *to)
{
	_cleanup_free_ char *data = NULL;
	char path[128];
	size_t length;

	path_in(l, from, path);
	assert_int_equal(fs_read_file(path, 1 << 24, &data, &length, NULL), 0);
	path_in(l, to, path);
	unlink(path);
	assert_int_equal(fs_replace_file(path, data, length, 0400, NULL), 0);
}

static void move_file(const struct log *l, const char *from, const char *to)
{
	char a[128], b[128];

	path_in(l, from, a);
	path_in(l, to, b);
	assert_int_equal(rename(a, b), 0);
}

static void expect_state(const struct log *l, const char *key, enum vault_state expected)
{
	_cleanup_(vault_closep) struct vault *v = open_with(l, key, false);
	struct personal_sealed sealed = {.subject = 1};
	struct vault_status status;

	vault_get_status(v, &status);
	assert_string_equal(vault_state_to_str(status.state), vault_state_to_str(expected));
	if (expected == VAULT_WORKS)
		return;
	assert_true(status.trouble.err && *status.trouble.text);
	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "root", &sealed), -ENOKEY);
	assert_int_equal(opened(v, &sealed, ""), -ENOKEY);
	sync_vault(v); /* nothing: the log goes on */
	vault_get_status(v, &status);
	assert_int_equal(status.refused, 1);
}

static void without_its_key(void **state)
{
	const struct log *l = *state;
	char elsewhere[128];
	struct personal_sealed a;
	struct vault *v = open_vault(l);
	struct stat st;

	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "root", &a), 0);
	sync_vault(v);
	vault_close(v);
	move_file(l, VAULT_KEY_FILE, "moved");
	expect_state(l, NULL, VAULT_NO_KEY);
	path_in(l, VAULT_KEY_FILE, elsewhere);
	assert_true(stat(elsewhere, &st) < 0); /* no other one is made */
	path_in(l, "moved", elsewhere);
	expect_state(l, elsewhere, VAULT_WORKS);
	/* Whoever may read the file has the key: then it is none. */
	chmod(elsewhere, 0444);
	expect_state(l, elsewhere, VAULT_NO_KEY);
	chmod(elsewhere, 0600);
	assert_int_equal(truncate(elsewhere, 63), 0);
	expect_state(l, elsewhere, VAULT_NO_KEY);
	assert_int_equal(
		fs_replace_file(elsewhere,
				"0000000000000000000000000000000000000000000000000000000000000000",
				64, 0400, NULL),
		0);
	expect_state(l, elsewhere, VAULT_WRONG_KEY);
	expect_state(l, "keyring:weir:there is no such key", VAULT_NO_KEY);
}

static void key_comes_back(void **state)
{
	const struct log *l = *state;
	struct personal_sealed a, again;
	struct vault *v = open_vault(l);

	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "root", &a), 0);
	sync_vault(v);
	vault_close(v);
	move_file(l, VAULT_KEY_FILE, "moved");
	v = open_with(l, NULL, false);
	assert_false(vault_retry(v));
	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "root", &again), -ENOKEY);
	move_file(l, "moved", VAULT_KEY_FILE);
	assert_true(vault_retry(v));
	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "root", &again), 0);
	assert_true(a.subject == again.subject);
	assert_int_equal(opened(v, &a, "root"), 0);
	vault_close(v);
}

static void from_systemd(void **state)
{
	const struct log *l = *state;
	struct personal_sealed a;
	struct vault_status status;
	struct vault *v = open_vault(l);
	struct fault f = {0};

	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "root", &a), 0);
	sync_vault(v);
	vault_close(v);
	move_file(l, VAULT_KEY_FILE, "weir.vault");
	setenv("CREDENTIALS_DIRECTORY", l->root, 1);
	v = open_vault(l);
	assert_int_equal(opened(v, &a, "root"), 0);
	assert_int_equal(vault_rotate(v, &f), -EPERM);
	assert_string_equal(f.code, "vault.key_fixed");
	vault_get_status(v, &status);
	assert_non_null(strstr(status.key_source, "/weir.vault"));
	vault_close(v);
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* Remove the key @name from the user's keyring. */
static void forget_key(const char *name)
{
	long key = syscall(SYS_request_key, "user", name, NULL, 0);

	if (key >= 0)
		syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_USER_KEYRING);
}

static void from_the_kernel(void **state)
{
	const struct log *l = *state;
	char name[64], asked[80];
	struct personal_sealed a;
	struct vault *v;

	/* The session has to have the user's keyring in it for its keys to be found. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
	    syscall(SYS_keyctl, KEYCTL_LINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_SESSION_KEYRING) < 0) {
		print_message("no keyrings here: %s\n", strerror(errno));
		skip();
	}
	snprintf(name, sizeof(name), "weir:test:%d", getpid());
	snprintf(asked, sizeof(asked), "keyring:%s", name);
	assert_true(syscall(SYS_add_key, "user", name,
			    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
			    (size_t)64, KEY_SPEC_USER_KEYRING) >= 0);
	v = open_with(l, asked, false);
	assert_int_equal(vault_state(v), VAULT_WORKS);
	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "root", &a), 0);
	sync_vault(v);
	assert_int_equal(vault_rotate(v, NULL), 0);
	vault_close(v);
	v = open_with(l, asked, false);
	assert_int_equal(opened(v, &a, "root"), 0);
	vault_close(v);
	forget_key(name);
	v = open_with(l, asked, false);
	assert_int_equal(vault_state(v), VAULT_NO_KEY);
	vault_close(v);
}

static void rotated(void **state)
{
	const struct log *l = *state;
	struct vault *v = open_vault(l);
	struct vault_status before, after;
	struct personal_sealed a;
	char path[128];

	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "root", &a), 0);
	sync_vault(v);
	vault_get_status(v, &before);
	copy_file(l, VAULT_KEY_FILE, "old");
	assert_int_equal(vault_rotate(v, NULL), 0);
	vault_get_status(v, &after);
	assert_string_not_equal(before.key_id, after.key_id);
	assert_true(after.rotated_ns && !before.rotated_ns);
	assert_int_equal(opened(v, &a, "root"), 0);
	vault_close(v);
	path_in(l, "old", path);
	expect_state(l, path, VAULT_WRONG_KEY);
	v = open_vault(l);
	assert_int_equal(opened(v, &a, "root"), 0);
	vault_close(v);
	/* Cut short before the new key took the old one's place. */
	move_file(l, VAULT_KEY_FILE, VAULT_KEY_FILE ".new");
	copy_file(l, "old", VAULT_KEY_FILE);
	v = open_vault(l);
	assert_int_equal(opened(v, &a, "root"), 0);
	vault_close(v);
	path_in(l, VAULT_KEY_FILE ".new", path);
	assert_true(access(path, F_OK) < 0);
	/* And before the vault was wrapped with it: what lies there is nothing. */
	copy_file(l, "old", VAULT_KEY_FILE ".new");
	v = open_vault(l);
	assert_int_equal(vault_rotate(v, NULL), 0);
	assert_int_equal(opened(v, &a, "root"), 0);
	vault_close(v);
}

struct found {
	unsigned int count;
	char values[8][64];
};

static int collect(const struct vault_subject *s, void *userdata)
{
	struct found *f = userdata;

	assert_true(f->count < 8 && s->length < 64);
	memcpy(f->values[f->count++], s->value, s->length + 1);
	return 0;
}

static void expect_prefix(struct vault *v, const char *text, unsigned int count, const char *one)
{
	struct found f = {0};
	struct prefix p;
	bool has = !one;

	assert_int_equal(prefix_parse(text, &p), 0);
	assert_int_equal(vault_each_in_prefix(v, &p, collect, &f, NULL), 0);
	if (f.count != count)
		fail_msg("%s: %u subjects instead of %u", text, f.count, count);
	for (unsigned int i = 0; i < f.count; i++)
		has = has || strcmp(f.values[i], one) == 0;
	assert_true(has);
}

static void found_again(void **state)
{
	static const char *const addresses[] = {
		"198.51.100.7", "198.51.100.200",  "198.51.7.1",	"198.51.100.0/28",
		"198.0.0.0/8",	"2001:db8:1:2::3", "2001:db8:1:9::/64", "not an address",
	};
	const struct log *l = *state;
	_cleanup_(vault_closep) struct vault *v = open_vault(l);
	struct personal_sealed a;
	struct found all = {0};
	uint64_t subject;

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		assert_int_equal(seal(v, AUDIT_FIELD_ADDRESS, addresses[i], &a), 0);
	assert_int_equal(vault_find(v, AUDIT_FIELD_ADDRESS, "2001:DB8:1:2:0::3", &subject, NULL),
			 0);
	assert_int_equal(vault_find(v, AUDIT_FIELD_NAME, "2001:db8:1:2::3", &subject, NULL),
			 -ENOENT);
	expect_prefix(v, "198.51.100.7", 1, "198.51.100.7");
	expect_prefix(v, "198.51.100.0/25", 2, "198.51.100.0/28");
	expect_prefix(v, "198.51.100.0/24", 3, "198.51.100.200");
	expect_prefix(v, "198.51.0.0/16", 4, "198.51.7.1");
	expect_prefix(v, "198.51.0.0/18", 1, "198.51.7.1");
	expect_prefix(v, "198.0.0.0/8", 5, "198.0.0.0/8");
	expect_prefix(v, "203.0.113.0/24", 0, NULL);
	expect_prefix(v, "2001:db8:1:2::/64", 1, "2001:db8:1:2::3");
	expect_prefix(v, "2001:db8:1::/48", 2, "2001:db8:1:9::/64");
	expect_prefix(v, "2001:db8::/32", 2, NULL);
	assert_int_equal(vault_each(v, collect, &all, NULL), 0);
	assert_int_equal(all.count, 8);
}

static void damaged(void **state)
{
	const struct log *l = *state;
	struct vault_status status;
	struct personal_sealed a;
	char path[128];
	int fd;

	vault_close(open_vault(l));
	path_in(l, VAULT_FILE, path);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0 && pwrite(fd, "no database, this, and never was one", 36, 0) == 36);
	close(fd);
	_cleanup_(vault_closep) struct vault *v = open_vault(l);
	vault_get_status(v, &status);
	assert_true(status.made && !status.key_made && *status.set_aside);
	assert_int_equal(access(status.set_aside, F_OK), 0);
	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "root", &a), 0);
	sync_vault(v);
}

static void a_crowd(void **state)
{
	const struct log *l = *state;
	_cleanup_(vault_closep) struct vault *v = open_vault(l);
	struct personal_sealed first, sealed;
	struct vault_status status;
	char name[16] = "";

	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "0", &first), 0);
	for (unsigned int i = 1; i < VAULT_CACHED_MAX + 5000; i++) {
		snprintf(name, sizeof(name), "%u", i);
		assert_int_equal(seal(v, AUDIT_FIELD_NAME, name, &sealed), 0);
		if (i % 10000 == 0)
			sync_vault(v);
	}
	sync_vault(v);
	assert_int_equal(seal(v, AUDIT_FIELD_NAME, "0", &sealed), 0);
	assert_true(sealed.subject == first.subject);
	sync_vault(v);
	vault_get_status(v, &status);
	assert_int_equal(status.subjects, VAULT_CACHED_MAX + 5000);
	assert_int_equal(opened(v, &first, "0"), 0);
}

static struct log *durable_log;
static unsigned int durable_seen;

/* Called where the chain makes its batch durable: the vault must have the subjects by then. */
static int check_vault(int fd)
{
	struct vault *v = open_with(durable_log, NULL, true);
	uint64_t subject;

	assert_int_equal(vault_find(v, AUDIT_FIELD_ADDRESS, "198.51.100.7", &subject, NULL), 0);
	vault_close(v);
	durable_seen++;
	return fdatasync(fd);
}

static void rows_first(void **state)
{
	struct log *l = *state;
	_cleanup_(vault_closep) struct vault *v = open_vault(l);
	const struct chain_options options = {.datasync = check_vault, .keeper = vault_keeper(v)};
	struct chain *c;

	durable_log = l;
	assert_int_equal(chain_open(l->path, &options, &c, NULL), 0);
	add(c, 1);
	commit(c);
	assert_true(durable_seen > 0);
	chain_close(c);
}

static struct reader_record next_of(struct reader *r)
{
	struct reader_record record;

	assert_int_equal(reader_next(r, &record, NULL), 1);
	return record;
}

static void expect_view(const struct log *l, struct vault *v, const char *part)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	_cleanup_(reader_closep) struct reader *r = NULL;
	struct reader_record record;

	assert_int_equal(reader_open(l->path, &r, NULL), 0);
	reader_set_opener(r, v ? vault_opener(v) : NULL);
	record = next_of(r);
	record_put_view(&t, record.data, record.length, &record.view, record.hash);
	if (!strstr(t.data, part))
		fail_msg("no %s in %s", part, t.data);
}

static void views(void **state)
{
	struct log *l = *state;
	struct vault *v = open_vault(l);
	const struct chain_options options = {.keeper = vault_keeper(v)};
	uint64_t subject;
	struct chain *c;
	size_t count;

	assert_int_equal(chain_open(l->path, &options, &c, NULL), 0);
	add(c, 1);
	commit(c);
	chain_close(c);
	expect_view(l, v, "\"resource\":{\"id\":\"198.51.100.7\",\"type\":\"source\"}");
	expect_view(l, NULL, "\"resource\":{\"id\":{\"sealed\":\"");
	vault_close(v);
	move_file(l, VAULT_KEY_FILE, "moved");
	v = open_with(l, NULL, true);
	expect_view(l, v, "\",\"state\":\"no_key\",\"subject\":\"");
	vault_close(v);
	move_file(l, "moved", VAULT_KEY_FILE);
	v = open_vault(l);
	assert_int_equal(vault_find(v, AUDIT_FIELD_ADDRESS, "198.51.100.7", &subject, NULL), 0);
	assert_int_equal(vault_erase(v, &subject, 1, &count, NULL), 0);
	expect_view(l, v, "\",\"state\":\"erased\",\"subject\":\"");
	vault_close(v);
	assert_int_equal(verdict(l).status, AUDIT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(words, fn) {words, fn, log_set_up, log_tear_down, NULL}
		T("the first start makes a vault, and a key that only we can read", first_start),
		T("what is sealed is opened, by another process too; a value is one subject",
		  sealed_and_opened),
		T("a commitment holds for one place in one record", commitments),
		T("nothing of a value stands in the files", nothing_in_clear),
		T("what is erased is gone from memory and files, and the rest stays", erased),
		T("without its key nothing is sealed or opened, and no other key is made",
		  without_its_key),
		T("when the key is back all is as before", key_comes_back),
		T("the key may be a credential of systemd, which only systemd changes",
		  from_systemd),
		T("the key may be in the kernel, and is changed there", from_the_kernel),
		T("another key opens what was sealed before, also if the change was cut short",
		  rotated),
		T("a value is found in any notation, and those in a prefix", found_again),
		T("a damaged vault is set aside", damaged),
		T("more subjects than memory has room for have one row each", a_crowd),
		T("rows are durable before the records that refer to them", rows_first),
		T("a view has the value, or says why not; the log verifies either way", views),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
