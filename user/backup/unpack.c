/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The manifest comes first and says what follows: names of a closed set, each once, in this order, with sizes that
 * add up to what the disk has room for. So what an archive can make of a disk is known before the first byte of it
 * is written, whatever it is compressed from.
 */
#include "backup/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "audit/hash.h"
#include "base/fs.h"
#include "store/store.h"

#define CHUNK	      65536
#define ROOM_BYTES    (16ULL << 20) /* to leave on the disk */
#define NFTW_OPEN_MAX 16

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void unpacked_done(struct unpacked *u)
{
	if (*u->path)
		nftw(u->path, remove_entry, NFTW_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
	u->path[0] = '\0';
	backup_report_done(&u->report);
}

void backup_report_done(struct backup_report *r)
{
	backup_manifest_done(&r->manifest);
}

bool backup_report_ok(const struct backup_report *r)
{
	return !r->database.err && !r->audit_differs &&
	       (!r->manifest.has_audit || r->audit.status == AUDIT_OK);
}

static int read_manifest(struct archive_reader *reader, struct backup_manifest *ret,
			 struct fault *reterr)
{
	_cleanup_free_ char *text = NULL;
	struct ustar_entry entry;
	ssize_t n = 1;
	int r = archive_next(reader, &entry, reterr);

	if (r < 0)
		return r;
	if (r == 0 || strcmp(entry.name, BACKUP_MANIFEST) != 0)
		return fault(reterr, -EBADMSG, "backup.manifest",
			     "this is no backup of weir: its first file is not %s",
			     BACKUP_MANIFEST);
	if (entry.size > BACKUP_MANIFEST_MAX)
		return fault(reterr, -EBADMSG, "backup.size",
			     "the manifest of the backup has %" PRIu64 " bytes, more than %u",
			     entry.size, BACKUP_MANIFEST_MAX);
	text = malloc((size_t)entry.size + 1);
	if (!text)
		return fault(reterr, -ENOMEM, "backup.read", "out of memory");
	for (size_t at = 0; n > 0; at += (size_t)n)
		n = archive_get(reader, text + at, (size_t)entry.size - at, reterr);
	if (n < 0)
		return (int)n;
	return backup_manifest_parse(text, (size_t)entry.size, ret, reterr);
}

static int check_room(const struct unpacked *u, struct fault *reterr)
{
	uint64_t bytes = backup_manifest_bytes(&u->report.manifest), room;
	struct statvfs fs;

	if (statvfs(u->path, &fs) < 0)
		return fault(reterr, -errno, "backup.write", "cannot examine '%s': %s", u->path,
			     strerror(errno));
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (bytes > room || room - bytes < ROOM_BYTES)
		return fault(reterr, -ENOSPC, "backup.space",
			     "the backup takes %" PRIu64 " bytes; the file system of '%s' has room "
			     "for %" PRIu64,
			     bytes, u->path, room);
	return 0;
}

/* The directories in which @name, which is one of a closed set, lies below @dir. */
static int make_parents(int dir, const char *name)
{
	char part[BACKUP_NAME_MAX + 1];

	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - name), name);
		if (mkdirat(dir, part, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* The content of @member, into @fd. Where something is wrong with the disk, only an errno is returned. */
static int copy(struct archive_reader *reader, int fd, struct hasher *hasher,
		struct archive_progress *progress, char ret_sha256[static BACKUP_SHA256_SIZE],
		struct fault *reterr)
{
	uint8_t buffer[CHUNK], hash[AUDIT_HASH_SIZE];
	ssize_t n;

	hash_begin(hasher);
	while ((n = archive_get(reader, buffer, sizeof(buffer), reterr)) > 0) {
		int r = fs_write_all(fd, buffer, (size_t)n);

		if (r < 0)
			return fault(reterr, r, "backup.write", "cannot unpack: %s", strerror(-r));
		hash_add(hasher, buffer, (size_t)n);
		archive_progress(progress, (size_t)n);
	}
	hash_end(hasher, hash);
	hex_format(hash, sizeof(hash), ret_sha256);
	if (n == 0 && fsync(fd) < 0)
		return fault(reterr, -errno, "backup.write", "cannot unpack: %s", strerror(errno));
	return (int)n;
}

static int unpack_member(struct archive_reader *reader, int dir, const struct backup_member *member,
			 struct hasher *hasher, struct archive_progress *progress,
			 struct fault *reterr)
{
	char sha256[BACKUP_SHA256_SIZE];
	_cleanup_close_ int fd = -1;
	int r = make_parents(dir, member->name);

	if (r < 0)
		return fault(reterr, r, "backup.write", "cannot unpack '%s': %s", member->name,
			     strerror(-r));
	fd = openat(dir, member->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault(reterr, -errno, "backup.write", "cannot unpack '%s': %s", member->name,
			     strerror(errno));
	r = copy(reader, fd, hasher, progress, sha256, reterr);
	if (r < 0)
		return r;
	if (strcmp(sha256, member->sha256) != 0)
		return fault(reterr, -EBADMSG, "backup.digest",
			     "'%s' is not what it was: its SHA-256 is not the one in the manifest",
			     member->name);
	return 0;
}

/* The next file of the archive is the one that the manifest names next. */
static int expect(struct archive_reader *reader, const struct backup_member *member,
		  struct fault *reterr)
{
	struct ustar_entry entry;
	int r = archive_next(reader, &entry, reterr);

	if (r < 0)
		return r;
	if (r == 0)
		return fault(reterr, -EBADMSG, "backup.missing",
			     "'%s' is missing in the archive, and all that follows it",
			     member->name);
	if (strncmp(entry.name, BACKUP_PREFIX, strlen(BACKUP_PREFIX)) != 0 ||
	    strcmp(entry.name + strlen(BACKUP_PREFIX), member->name) != 0)
		return fault(reterr, -EBADMSG, "backup.extra",
			     "the archive holds '%s' where its manifest says '%s'", entry.name,
			     member->name);
	if (entry.size != member->size)
		return fault(reterr, -EBADMSG, "backup.size",
			     "'%s' has %" PRIu64 " bytes, the manifest says %" PRIu64, entry.name,
			     entry.size, member->size);
	return 0;
}

static int unpack_members(struct archive_reader *reader, struct unpacked *u, int dir,
			  struct hasher *hasher, struct archive_progress *progress,
			  struct fault *reterr)
{
	const struct backup_manifest *m = &u->report.manifest;
	struct ustar_entry entry;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->count; i++) {
		r = expect(reader, &m->members[i], reterr);
		if (r == 0)
			r = unpack_member(reader, dir, &m->members[i], hasher, progress, reterr);
	}
	if (r < 0)
		return r;
	r = archive_next(reader, &entry, reterr);
	if (r > 0)
		return fault(reterr, -EBADMSG, "backup.extra",
			     "the archive holds '%s', which its manifest does not name",
			     entry.name);
	return r;
}

static int make_directory(const char *scratch, struct unpacked *u, struct fault *reterr)
{
	const char *environment = getenv("TMPDIR");
	char path[sizeof(u->path)];

	if (!scratch)
		scratch = environment && *environment ? environment : "/var/tmp";
	if (snprintf(path, sizeof(path), "%s/.weir-backup-XXXXXX", scratch) >= (int)sizeof(path))
		return fault(reterr, -ENAMETOOLONG, "backup.write", "%s is too long a path",
			     scratch);
	if (!mkdtemp(path))
		return fault(reterr, -errno, "backup.write", "cannot unpack in '%s': %s", scratch,
			     strerror(errno));
	memcpy(u->path, path, sizeof(path));
	return 0;
}

/* What the archive is said to be must also make sense. */
static int check_parts(struct unpacked *u, struct fault *reterr)
{
	struct backup_report *report = &u->report;
	const struct backup_manifest *m = &report->manifest;
	char path[sizeof(u->path) + 16], id[2 * AUDIT_ID_SIZE + 1], hash[AUDIT_HASH_TEXT];
	uint64_t schema;
	int r;

	snprintf(path, sizeof(path), "%s/" BACKUP_DATABASE, u->path);
	if (m->has_database)
		store_check(path, &schema, &report->database);
	if (!m->has_audit)
		return 0;
	snprintf(path, sizeof(path), "%s/audit", u->path);
	r = audit_verify(path, &report->audit, reterr);
	if (r < 0)
		return r;
	hex_format(report->audit.chain_id, AUDIT_ID_SIZE, id);
	hex_format(report->audit.last_hash, AUDIT_HASH_SIZE, hash);
	report->audit_differs = report->audit.status == AUDIT_OK &&
				(report->audit.records != m->records ||
				 strcmp(id, m->chain_id) != 0 || strcmp(hash, m->last_hash) != 0);
	return 0;
}

static int hash_archive(const char *path, struct hasher *hasher,
			char ret[static BACKUP_SHA256_SIZE], struct fault *reterr)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	uint8_t buffer[CHUNK], hash[AUDIT_HASH_SIZE];
	ssize_t n = -1;

	hash_begin(hasher);
	while (fd >= 0 && (n = read(fd, buffer, sizeof(buffer))) > 0)
		hash_add(hasher, buffer, (size_t)n);
	if (n < 0)
		return fault(reterr, -errno, "backup.read", "cannot read '%s': %s", path,
			     strerror(errno));
	hash_end(hasher, hash);
	hex_format(hash, sizeof(hash), ret);
	return 0;
}

static void hasher_donep(struct hasher *h)
{
	hasher_done(h);
}

static int lay_out(const char *archive, const char *scratch, struct archive_progress *progress,
		   struct unpacked *u, struct fault *reterr)
{
	_cleanup_(archive_reader_closep) struct archive_reader *reader = NULL;
	_cleanup_(hasher_donep) struct hasher hasher = {0};
	_cleanup_close_ int dir = -1;
	int r = hasher_init(&hasher);

	if (r < 0)
		return fault(reterr, r, "backup.read", "out of memory");
	r = archive_reader_open(archive, &reader, reterr);
	if (r == 0)
		r = hash_archive(archive, &hasher, u->report.sha256, reterr);
	if (r == 0)
		r = read_manifest(reader, &u->report.manifest, reterr);
	if (r == 0)
		r = make_directory(scratch, u, reterr);
	if (r == 0)
		r = check_room(u, reterr);
	if (r < 0)
		return r;
	dir = open(u->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return fault(reterr, -errno, "backup.write", "cannot open '%s': %s", u->path,
			     strerror(errno));
	progress->total = backup_manifest_bytes(&u->report.manifest);
	r = unpack_members(reader, u, dir, &hasher, progress, reterr);
	return r < 0 ? r : check_parts(u, reterr);
}

int unpack(const char *archive, const char *scratch, struct archive_progress *progress,
	   struct unpacked *ret, struct fault *reterr)
{
	int r;

	*ret = (struct unpacked){0};
	r = lay_out(archive, scratch, progress, ret, reterr);
	if (r < 0)
		unpacked_done(ret);
	return r;
}

int backup_verify(const char *path, const char *scratch, struct archive_progress progress,
		  struct backup_report *ret, struct fault *reterr)
{
	_cleanup_(unpacked_done) struct unpacked u;
	int r = unpack(path, scratch, &progress, &u, reterr);

	if (r < 0)
		return r;
	*ret = u.report;
	u.report = (struct backup_report){0};
	return 0;
}
