/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "vault/key.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/cleanup.h"
#include "base/fault_point.h"
#include "base/fs.h"

#define KEY_TEXT (2 * CRYPTO_KEY)
#define STAGED	 ".new"

static int bad(const char *source, const char *why, struct fault *reterr)
{
	return fault(reterr, -EINVAL, "vault.key", "the key of the vault in %s %s", source, why);
}

/* 64 hex digits, with or without a newline. */
static int parse_text(const char *text, size_t length, const char *source, uint8_t *ret,
		      struct fault *reterr)
{
	if (length && text[length - 1] == '\n')
		length--;
	if (length != KEY_TEXT || hex_parse(text, CRYPTO_KEY, ret) < 0)
		return bad(source, "is not one line of 64 lower hex digits", reterr);
	return 0;
}

static int check_file(const char *path, int fd, struct fault *reterr)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault(reterr, -errno, "vault.key", "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return bad(path, "is no regular file", reterr);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return bad(path, "belongs to another user", reterr);
	if (st.st_mode & 077)
		return bad(path, "can be read by others: chmod 400", reterr);
	return 0;
}

int key_read_file(const char *path, struct key *ret, struct fault *reterr)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	char text[KEY_TEXT + 2];
	ssize_t n;
	int r;

	ret->place = KEY_FILE;
	snprintf(ret->source, sizeof(ret->source), "%s", path);
	if (fd < 0)
		return fault(reterr, -errno, errno == ENOENT ? "vault.key_missing" : "vault.key",
			     "the key of the vault, %s: %s", path, strerror(errno));
	r = check_file(path, fd, reterr);
	if (r < 0)
		return r;
	n = read(fd, text, sizeof(text));
	r = n < 0 ? bad(path, "cannot be read", reterr)
		  : parse_text(text, (size_t)n, path, ret->bytes, reterr);
	OPENSSL_cleanse(text, sizeof(text));
	return r;
}

/* The kernel's number of the key @name; in the keyrings of this process, its session and its user. */
static long ring_search(const char *name)
{
	return syscall(SYS_request_key, "user", name, NULL, 0);
}

static int read_ring(const char *name, struct key *ret, struct fault *reterr)
{
	char content[KEY_TEXT + 2];
	long id = ring_search(name), n;
	int r;

	ret->place = KEY_KEYRING;
	snprintf(ret->source, sizeof(ret->source), KEY_RING_PREFIX "%s", name);
	if (id < 0)
		return fault(reterr, errno == ENOKEY ? -ENOENT : -errno, "vault.key_missing",
			     "the key of the vault, %s: %s", ret->source, strerror(errno));
	n = syscall(SYS_keyctl, KEYCTL_READ, id, content, sizeof(content));
	if (n < 0 || n > (long)sizeof(content))
		return bad(ret->source, "cannot be read, or is too long", reterr);
	if (n == CRYPTO_KEY) {
		memcpy(ret->bytes, content, CRYPTO_KEY);
		r = 0;
	} else {
		r = parse_text(content, (size_t)n, ret->source, ret->bytes, reterr);
	}
	OPENSSL_cleanse(content, sizeof(content));
	return r;
}

static int read_credential(struct key *ret, struct fault *reterr)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];
	int r;

	if (!dir || snprintf(path, sizeof(path), "%s/" KEY_CREDENTIAL, dir) >= (int)sizeof(path))
		return -ENOENT;
	r = key_read_file(path, ret, reterr);
	ret->place = KEY_CREDENTIALS;
	return r;
}

int key_find(const char *asked, const char *beside, struct key *ret, struct fault *reterr)
{
	size_t prefix = strlen(KEY_RING_PREFIX);
	int r;

	if (asked && strncmp(asked, KEY_RING_PREFIX, prefix) == 0)
		return read_ring(asked + prefix, ret, reterr);
	if (asked)
		return key_read_file(asked, ret, reterr);
	r = read_credential(ret, reterr);
	if (r != -ENOENT)
		return r;
	r = key_read_file(beside, ret, reterr);
	if (r != -ENOENT || read_ring(KEY_RING_NAME, ret, NULL) == 0)
		return r == -ENOENT ? 0 : r;
	ret->place = KEY_FILE; /* where one is to be made */
	snprintf(ret->source, sizeof(ret->source), "%s", beside);
	return r;
}

/* The directory that @path is in; ours alone if it has to be made. */
static int parent_of(const char *path, char ret[static PATH_MAX])
{
	char *slash;

	snprintf(ret, PATH_MAX, "%s", path);
	slash = strrchr(ret, '/');
	if (!slash)
		snprintf(ret, PATH_MAX, ".");
	else
		slash[slash == ret] = '\0';
	return mkdir(ret, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

static int sync_directory(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Whole and durable under this name, or not there: half a key in its place would lock us out for good. */
static int write_key(const char *path, const uint8_t bytes[static CRYPTO_KEY], struct fault *reterr)
{
	char text[KEY_TEXT + 2], parent[PATH_MAX];
	struct fault why = {0};
	int r = fault_point(reterr, "vault.key");

	hex_format(bytes, CRYPTO_KEY, text);
	text[KEY_TEXT] = '\n';
	if (r == 0)
		r = parent_of(path, parent);
	if (r == 0)
		r = fs_replace_file(path, text, KEY_TEXT + 1, 0400, &why);
	OPENSSL_cleanse(text, sizeof(text));
	return r < 0 ? fault(reterr, r, "vault.key", "cannot write the key of the vault to %s: %s",
			     path, strerror(-r))
		     : 0;
}

int key_create(struct key *key, struct fault *reterr)
{
	int r = crypto_random(key->bytes, CRYPTO_KEY);

	if (r < 0)
		return fault(reterr, r, "vault.key", "the kernel has no random bytes");
	return write_key(key->source, key->bytes, reterr);
}

static int staged_name(const struct key *key, char ret[static PATH_MAX])
{
	bool ring = key->place == KEY_KEYRING;

	if (snprintf(ret, PATH_MAX, "%s" STAGED,
		     key->source + (ring ? strlen(KEY_RING_PREFIX) : 0)) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

static int add_to_ring(const char *name, const uint8_t bytes[static CRYPTO_KEY],
		       struct fault *reterr)
{
	char text[KEY_TEXT + 1];
	long id;

	hex_format(bytes, CRYPTO_KEY, text);
	id = syscall(SYS_add_key, "user", name, text, (size_t)KEY_TEXT, KEY_SPEC_USER_KEYRING);
	OPENSSL_cleanse(text, sizeof(text));
	if (id < 0)
		return fault(reterr, -errno, "vault.key",
			     "cannot put the key of the vault into " KEY_RING_PREFIX "%s: %s", name,
			     strerror(errno));
	return 0;
}

int key_stage(const struct key *key, struct key *ret_next, struct fault *reterr)
{
	char name[PATH_MAX];
	int r;

	if (key->place == KEY_CREDENTIALS)
		return fault(reterr, -EPERM, "vault.key_fixed",
			     "the key is a credential of systemd, which only systemd can change: "
			     "start the daemon once with --vault-key FILE, rotate, and make a "
			     "credential of the new file");
	*ret_next = *key;
	r = staged_name(key, name);
	if (r == 0)
		r = crypto_random(ret_next->bytes, CRYPTO_KEY);
	if (r < 0)
		return fault(reterr, r, "vault.key", "cannot make a key: %s", strerror(-r));
	if (key->place == KEY_KEYRING)
		return add_to_ring(name, ret_next->bytes, reterr);
	if (unlink(name) < 0 && errno != ENOENT) /* of a change that was cut short */
		return fault(reterr, -errno, "vault.key", "%s: %s", name, strerror(errno));
	return write_key(name, ret_next->bytes, reterr);
}

void key_abort(const struct key *next)
{
	char name[PATH_MAX];

	if (staged_name(next, name) == 0 && next->place == KEY_FILE)
		unlink(name);
}

int key_commit(const struct key *next, struct fault *reterr)
{
	char name[PATH_MAX], parent[PATH_MAX];
	int r = staged_name(next, name);

	if (r == 0 && next->place == KEY_KEYRING) {
		r = add_to_ring(next->source + strlen(KEY_RING_PREFIX), next->bytes, reterr);
		if (r == 0)
			syscall(SYS_keyctl, KEYCTL_UNLINK, ring_search(name),
				KEY_SPEC_USER_KEYRING);
		return r;
	}
	if (r == 0)
		r = parent_of(next->source, parent);
	if (r == 0 && rename(name, next->source) < 0)
		r = -errno;
	if (r == 0)
		r = sync_directory(parent);
	return r < 0 ? fault(reterr, r, "vault.key",
			     "cannot put the new key in the place of %s: %s", next->source,
			     strerror(-r))
		     : 0;
}

int key_find_staged(const struct key *key, struct key *ret)
{
	char name[PATH_MAX];
	int r = staged_name(key, name);

	if (r == 0)
		r = key->place == KEY_KEYRING ? read_ring(name, ret, NULL)
					      : key_read_file(name, ret, NULL);
	if (r == 0)
		memcpy(ret->source, key->source, sizeof(ret->source));
	return r;
}
