/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two passes: the first copies the database, notes how far the audit log was acknowledged and hashes everything for
 * the manifest, which comes first in the archive; the second writes, and hashes again: what changed in between, though
 * it never should, is not passed off as what was hashed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/hash.h"
#include "backup/backup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "policy/policy.h"
#include "store/store.h"
#include "vault/vault.h"

#define CHUNK		 65536
#define POLICY_BYTES_MAX (16U << 20)
#define SMALL_BYTES_MAX	 (64U << 10) /* of a key or a checkpoint */

/* Where a member comes from: a file, or memory. */
struct source {
	int fd; /* -1 = data */
	char *data;
};

struct creation {
	const struct backup_create_options *options;
	struct backup_manifest manifest;
	struct source *sources; /* one for each member */
	size_t source_count;
	struct audit_snapshot log;
	struct hasher hasher;
	char copy[PATH_MAX]; /* of the database */
	char vault_copy[PATH_MAX];
	char target[PATH_MAX];
	struct archive_progress progress;
};

static void creation_done(struct creation *c)
{
	for (size_t i = 0; i < c->source_count; i++) {
		close_fdp(&c->sources[i].fd);
		free(c->sources[i].data);
	}
	free(c->sources);
	backup_manifest_done(&c->manifest);
	audit_snapshot_done(&c->log);
	hasher_done(&c->hasher);
	if (*c->copy)
		unlink(c->copy);
	if (*c->vault_copy)
		unlink(c->vault_copy);
	if (*c->target)
		unlink(c->target);
}

static int out_of_memory(struct fault *reterr)
{
	return fault(reterr, -ENOMEM, "backup.write", "out of memory");
}

/* Hand @bytes of @source, piece by piece, to the hash and to @writer, which may be NULL. */
static int pass_on(struct creation *c, const struct source *source, uint64_t bytes,
		   struct archive_writer *writer, uint8_t ret_hash[static AUDIT_HASH_SIZE])
{
	uint8_t buffer[CHUNK];
	int r = 0;

	hash_begin(&c->hasher);
	for (uint64_t at = 0; r >= 0 && at < bytes;) {
		size_t want = bytes - at < CHUNK ? (size_t)(bytes - at) : CHUNK;
		ssize_t n = (ssize_t)want;

		if (source->fd >= 0)
			n = pread(source->fd, buffer, want, (off_t)at);
		else
			memcpy(buffer, source->data + at, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		hash_add(&c->hasher, buffer, (size_t)n);
		if (writer)
			r = archive_put(writer, buffer, (size_t)n);
		at += (uint64_t)n;
		archive_progress(&c->progress, (size_t)n);
	}
	hash_end(&c->hasher, ret_hash);
	return r;
}

/* Takes over what @source has. */
static int add(struct creation *c, const char *name, struct source *source, uint64_t bytes,
	       struct fault *reterr)
{
	struct source *larger = reallocarray(c->sources, c->source_count + 1, sizeof(*c->sources));
	uint8_t hash[AUDIT_HASH_SIZE];
	struct backup_member *member;
	int r;

	if (!larger)
		return out_of_memory(reterr);
	c->sources = larger;
	r = backup_manifest_add(&c->manifest, name, &member);
	if (r < 0)
		return fault(reterr, r, "backup.write", "'%s' cannot be part of a backup: %s", name,
			     strerror(-r));
	c->sources[c->source_count++] = *source;
	*source = (struct source){.fd = -1};
	member->size = bytes;
	r = pass_on(c, &c->sources[c->source_count - 1], bytes, NULL, hash);
	if (r < 0)
		return fault(reterr, r, "backup.read", "cannot read '%s': %s", name, strerror(-r));
	hex_format(hash, sizeof(hash), member->sha256);
	return 0;
}

static void source_donep(struct source *s)
{
	close_fdp(&s->fd);
	free(s->data);
}

static int add_file(struct creation *c, const char *name, const char *path, uint64_t max,
		    struct fault *reterr)
{
	_cleanup_(source_donep) struct source source = {
		.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
	struct stat st;

	if (source.fd < 0 || fstat(source.fd, &st) < 0)
		return fault(reterr, -errno, "backup.read", "cannot read '%s': %s", path,
			     strerror(errno));
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > max)
		return fault(reterr, -EINVAL, "backup.read",
			     "'%s' is no regular file, or larger than %llu bytes", path,
			     (unsigned long long)max);
	return add(c, name, &source, (uint64_t)st.st_size, reterr);
}

static int add_text(struct creation *c, const char *name, const void *data, size_t length,
		    struct fault *reterr)
{
	_cleanup_(source_donep) struct source source = {.fd = -1, .data = malloc(length + 1)};

	if (!source.data)
		return out_of_memory(reterr);
	memcpy(source.data, data, length);
	return add(c, name, &source, length, reterr);
}

static int add_database(struct creation *c, struct fault *reterr)
{
	char path[PATH_MAX];
	struct stat st;
	int r;

	if (snprintf(path, sizeof(path), "%s/weir.db", c->options->state_dir) >= (int)sizeof(path))
		return fault(reterr, -ENAMETOOLONG, "backup.read", "the path is too long");
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : fault(reterr, -errno, "backup.read",
					       "cannot read '%s': %s", path, strerror(errno));
	r = store_snapshot(path, c->copy, reterr);
	if (r == 0)
		r = store_check(c->copy, &c->manifest.schema, reterr);
	if (r == 0)
		r = add_file(c, BACKUP_DATABASE, c->copy, USTAR_SIZE_MAX, reterr);
	c->manifest.has_database = r == 0;
	return r;
}

static int add_log(struct creation *c, struct fault *reterr)
{
	struct backup_manifest *m = &c->manifest;
	char path[PATH_MAX], name[sizeof("audit/") + SEGMENT_NAME_SIZE] = "audit/";
	int r;

	if (snprintf(path, sizeof(path), "%s/audit", c->options->state_dir) >= (int)sizeof(path))
		return fault(reterr, -ENAMETOOLONG, "backup.read", "the path is too long");
	r = audit_snapshot_take(path, &c->log, reterr);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < c->log.count; i++) {
		_cleanup_(source_donep) struct source source = {.fd = -1};

		segment_name(c->log.extents[i].first_index, name + strlen("audit/"));
		r = audit_snapshot_open(&c->log, i, &source.fd);
		if (r < 0)
			return fault(reterr, r, "backup.read", "cannot read '%s': %s", name,
				     strerror(-r));
		r = add(c, name, &source, c->log.extents[i].bytes, reterr);
		if (r < 0)
			return r;
	}
	m->has_audit = true;
	m->incarnation = c->log.tip.incarnation;
	m->records = c->log.tip.next_index;
	hex_format(c->log.tip.chain_id, AUDIT_ID_SIZE, m->chain_id);
	hex_format(c->log.tip.last_hash, AUDIT_HASH_SIZE, m->last_hash);
	return add_text(c, BACKUP_AUDIT_STATE, c->log.state, sizeof(c->log.state), reterr);
}

/* What the file @index is called in a backup; false: it lies where none can put it back. */
static bool include_name(const struct policy *p, size_t index, char ret[static BACKUP_NAME_MAX + 1])
{
	const char *below = policy_file_below(p, index);

	return below &&
	       snprintf(ret, BACKUP_NAME_MAX + 1, BACKUP_INCLUDE "%s", below) <= BACKUP_NAME_MAX &&
	       backup_manifest_is_name(ret);
}

/* As files, or as one text if they do not all lie below the policy's directory. */
static int add_policy_files(struct creation *c, const struct policy *p, struct fault *reterr)
{
	char name[BACKUP_NAME_MAX + 1];
	bool whole = true;
	int r;

	for (size_t i = 1; i < p->file_count; i++)
		whole &= include_name(p, i, name);
	if (!whole)
		return add_text(c, BACKUP_POLICY, p->text, p->length, reterr);
	r = add_text(c, BACKUP_POLICY, p->files[0]->text, p->files[0]->length, reterr);
	for (size_t i = 1; r == 0 && i < p->file_count; i++) {
		include_name(p, i, name);
		r = add_text(c, name, p->files[i]->text, p->files[i]->length, reterr);
	}
	return r;
}

static int add_policy(struct creation *c, struct fault *reterr)
{
	const struct backup_create_options *o = c->options;
	_cleanup_(policy_freep) struct policy *p = NULL;
	int r = 0;

	if (o->policy_path) {
		snprintf(c->manifest.policy_path, sizeof(c->manifest.policy_path), "%s",
			 o->policy_path);
		/* One that somebody is about to mend must not keep the rest from being backed up. */
		if (policy_files(o->policy_path, &p, NULL) == 0)
			r = add_policy_files(c, p, reterr);
		else
			r = add_file(c, BACKUP_POLICY, o->policy_path, POLICY_BYTES_MAX, reterr);
	}
	if (r == 0 && o->in_force)
		r = add_text(c, BACKUP_IN_FORCE, o->in_force, o->in_force_length, reterr);
	return r;
}

static int add_if_there(struct creation *c, const char *name, struct fault *reterr)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", c->options->state_dir, name) >= (int)sizeof(path))
		return fault(reterr, -ENAMETOOLONG, "backup.read", "the path is too long");
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	return add_file(c, name, path, SMALL_BYTES_MAX, reterr);
}

/* Before the log: what is signed is in it then. */
static int add_checkpoint(struct creation *c, struct fault *reterr)
{
	int r = add_if_there(c, BACKUP_CHECKPOINT, reterr);

	return r ?: add_if_there(c, BACKUP_KEY_LIST, reterr);
}

/* Behind the log: no record is durable before what it names is in the vault, and who was erased is not in it. */
static int add_vault(struct creation *c, struct fault *reterr)
{
	char path[PATH_MAX];
	int r = 0;

	if (snprintf(path, sizeof(path), "%s/" VAULT_FILE, c->options->state_dir) >=
	    (int)sizeof(path))
		return fault(reterr, -ENAMETOOLONG, "backup.read", "the path is too long");
	if (access(path, F_OK) == 0) {
		r = vault_file_snapshot(path, c->vault_copy, reterr);
		r = r ?: add_file(c, BACKUP_VAULT, c->vault_copy, USTAR_SIZE_MAX, reterr);
	}
	for (size_t i = 0; r == 0 && c->options->with_keys && i < BACKUP_SECRETS; i++)
		r = add_if_there(c, backup_secrets[i], reterr);
	return r;
}

/* Words that people are shown from a manifest are printable ASCII. */
static void tame(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static int collect(struct creation *c, struct fault *reterr)
{
	struct backup_manifest *m = &c->manifest;
	int r;

	clock_format_rfc3339(clock_real_ns(), m->created);
	snprintf(m->version, sizeof(m->version), "%s", WEIR_VERSION);
	if (gethostname(m->host, sizeof(m->host) - 1) < 0)
		m->host[0] = '\0';
	/* The log last: it then has the records of all that the database holds. */
	r = add_policy(c, reterr);
	if (r == 0)
		r = add_database(c, reterr);
	if (r == 0)
		r = add_checkpoint(c, reterr);
	if (r == 0)
		r = add_log(c, reterr);
	if (r == 0)
		r = add_vault(c, reterr);
	if (r < 0)
		return r;
	tame(m->host);
	tame(m->policy_path);
	if (!m->has_database && !m->has_audit)
		return fault(reterr, -ENOENT, "backup.nothing", "there is no state of weir in '%s'",
			     c->options->state_dir);
	return 0;
}

static int put_manifest(struct creation *c, struct archive_writer *w, uint64_t mtime)
{
	_cleanup_free_ char *text = backup_manifest_format(&c->manifest);
	struct ustar_entry entry = {.name = BACKUP_MANIFEST, .mtime = mtime};
	int r;

	if (!text)
		return -ENOMEM;
	entry.size = strlen(text);
	r = archive_put_header(w, &entry);
	return r < 0 ? r : archive_put(w, text, strlen(text));
}

static int put_member(struct creation *c, struct archive_writer *w, size_t index, uint64_t mtime)
{
	const struct backup_member *member = &c->manifest.members[index];
	struct ustar_entry entry = {.size = member->size, .mtime = mtime};
	uint8_t hash[AUDIT_HASH_SIZE];
	char hex[BACKUP_SHA256_SIZE];
	int r;

	snprintf(entry.name, sizeof(entry.name), "%s%s", BACKUP_PREFIX, member->name);
	r = archive_put_header(w, &entry);
	if (r == 0)
		r = pass_on(c, &c->sources[index], member->size, w, hash);
	if (r < 0)
		return r;
	hex_format(hash, sizeof(hash), hex);
	return strcmp(hex, member->sha256) == 0 ? 0 : -ESTALE;
}

static int write_archive(struct creation *c, int fd)
{
	_cleanup_(archive_writer_freep) struct archive_writer *w = NULL;
	uint64_t mtime = clock_real_ns() / NSEC_PER_SEC;
	int r = archive_writer_new(fd, &w);

	c->progress.done = 0;
	c->progress.total = backup_manifest_bytes(&c->manifest);
	if (r == 0)
		r = put_manifest(c, w, mtime);
	for (size_t i = 0; r == 0 && i < c->manifest.count; i++)
		r = put_member(c, w, i, mtime);
	if (r == 0)
		r = archive_writer_end(w);
	return r < 0 || fsync(fd) == 0 ? r : -errno;
}

static int finish(struct creation *c, const char *path, int fd)
{
	int r = write_archive(c, fd);

	if (r == 0 && rename(c->target, path) < 0)
		r = -errno;
	if (r < 0)
		return r;
	c->target[0] = '\0'; /* it has its name */
	return fs_sync_parent(path);
}

static int make_vault_name(struct creation *c, const char *path, struct fault *reterr)
{
	char copy[PATH_MAX];
	int fd;

	if (snprintf(copy, sizeof(copy), "%s.%d.vault", path, getpid()) >= (int)sizeof(copy))
		return fault(reterr, -ENAMETOOLONG, "backup.write", "the path is too long");
	fd = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault(reterr, -errno, "backup.write", "cannot create '%s': %s", copy,
			     strerror(errno));
	close(fd);
	memcpy(c->vault_copy, copy, sizeof(copy));
	return 0;
}

/* Names beside @path that nobody else uses, of files that only we can read. */
static int make_names(struct creation *c, const char *path, int *ret_fd, struct fault *reterr)
{
	char target[PATH_MAX], copy[PATH_MAX];
	int fd, copy_fd;

	if (snprintf(target, sizeof(target), "%s.%d.new", path, getpid()) >= (int)sizeof(target) ||
	    snprintf(copy, sizeof(copy), "%s.%d.db", path, getpid()) >= (int)sizeof(copy))
		return fault(reterr, -ENAMETOOLONG, "backup.write", "the path is too long");
	fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault(reterr, -errno, "backup.write", "cannot create '%s': %s", target,
			     strerror(errno));
	*ret_fd = fd;
	memcpy(c->target, target, sizeof(target));
	copy_fd = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (copy_fd < 0)
		return fault(reterr, -errno, "backup.write", "cannot create '%s': %s", copy,
			     strerror(errno));
	close(copy_fd);
	memcpy(c->copy, copy, sizeof(copy));
	return make_vault_name(c, path, reterr);
}

int backup_create(const char *path, const struct backup_create_options *options,
		  struct backup_manifest *ret, struct fault *reterr)
{
	_cleanup_(creation_done) struct creation c = {.options = options, .log.dir = -1};
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return fault(reterr, -EEXIST, "backup.write", "'%s' is there and no regular file",
			     path);
	if (hasher_init(&c.hasher) < 0)
		return out_of_memory(reterr);
	r = make_names(&c, path, &fd, reterr);
	if (r == 0)
		r = collect(&c, reterr);
	if (r < 0)
		return r;
	c.progress.fn = options->progress.fn;
	c.progress.userdata = options->progress.userdata;
	r = finish(&c, path, fd);
	if (r < 0)
		return fault(reterr, r, "backup.write", "cannot write the backup '%s': %s", path,
			     r == -ESTALE ? "a file changed that is only ever appended to"
					  : strerror(-r));
	*ret = c.manifest;
	c.manifest = (struct backup_manifest){0};
	return 0;
}
