/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/evidence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/account.h"
#include "audit/directory.h"
#include "audit/merkle.h"
#include "base/cleanup.h"
#include "base/fs.h"

#define PATH_SIZE (sizeof(EVIDENCE_DIR) + AUDIT_HASH_TEXT + 8)

int evidence_open(struct evidence *e, const char *log_path)
{
	*e = (struct evidence){.dir = open(log_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (e->dir < 0)
		return -errno;
	e->events = malloc((size_t)EVIDENCE_EVENTS_MAX * EVIDENCE_EVENT_SIZE);
	if (!e->events || hasher_init(&e->hasher) < 0) {
		evidence_done(e);
		return -ENOMEM;
	}
	return 0;
}

void evidence_done(struct evidence *e)
{
	close_fdp(&e->dir);
	hasher_done(&e->hasher);
	free(e->events);
	*e = (struct evidence){.dir = -1};
}

void evidence_add(struct evidence *e, const uint8_t event[static EVIDENCE_EVENT_SIZE],
		  uint64_t packets)
{
	if (e->count == EVIDENCE_EVENTS_MAX) {
		e->left_out++;
		return;
	}
	memcpy(e->events + e->count++ * EVIDENCE_EVENT_SIZE, event, EVIDENCE_EVENT_SIZE);
	e->packets += packets;
}

void evidence_root(struct hasher *h, const uint8_t *events, size_t count,
		   uint8_t ret[static AUDIT_HASH_SIZE])
{
	struct merkle tree = {0};
	uint8_t leaf[AUDIT_HASH_SIZE];

	for (size_t i = 0; i < count; i++) {
		hash_leaf(h, events + i * EVIDENCE_EVENT_SIZE, EVIDENCE_EVENT_SIZE, leaf);
		merkle_append(&tree, h, leaf);
	}
	merkle_root(&tree, h, ret);
}

static void format_path(const char *hash, const char *suffix, char ret[static PATH_SIZE])
{
	snprintf(ret, PATH_SIZE, EVIDENCE_DIR "/%.64s%s", hash, suffix);
}

/* Written beside its place, synced, renamed: a file of this name is whole. */
static int write_file(struct evidence *e, const char *hash)
{
	char path[PATH_SIZE], staged[PATH_SIZE];
	_cleanup_close_ int fd = -1, dir = -1;
	int r;

	if (mkdirat(e->dir, EVIDENCE_DIR, 0700) < 0 && errno != EEXIST)
		return -errno;
	format_path(hash, "", path);
	format_path("new", "", staged);
	dir = openat(e->dir, EVIDENCE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	if (!e->named) { /* also one that was made by somebody who died before this */
		r = fs_sync_name(dir);
		if (r < 0)
			return r;
		e->named = true;
	}
	fd = openat(e->dir, staged, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = file_write(fd, e->events, e->count * EVIDENCE_EVENT_SIZE, 0);
	if (r == 0 &&
	    (fdatasync(fd) < 0 || renameat(e->dir, staged, e->dir, path) < 0 || fsync(dir) < 0))
		r = -errno;
	if (r < 0)
		unlinkat(e->dir, staged, 0);
	return r;
}

void evidence_close(struct evidence *e, struct chain *chain)
{
	uint8_t hash[AUDIT_HASH_SIZE], root[AUDIT_HASH_SIZE];
	char hash_text[AUDIT_HASH_TEXT], root_text[AUDIT_HASH_TEXT];
	struct audit_details d = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_TRAFFIC_EVIDENCE,
		.resource = {"evidence", hash_text},
		.details = &d,
	};
	int r;

	if (!e->count)
		return;
	hash_bytes(&e->hasher, e->events, e->count * EVIDENCE_EVENT_SIZE, hash);
	evidence_root(&e->hasher, e->events, e->count, root);
	hex_format(hash, sizeof(hash), hash_text);
	hex_format(root, sizeof(root), root_text);
	r = write_file(e, hash_text);
	audit_details_u64(&d, "events", e->count);
	audit_details_u64(&d, "event_bytes", EVIDENCE_EVENT_SIZE);
	audit_details_u64(&d, "left_out", e->left_out);
	audit_details_u64(&d, "packets", e->packets);
	audit_details_string(&d, "root", root_text);
	audit_details_string(&d, "sha256", hash_text);
	if (r < 0) {
		record.outcome = AUDIT_FAILURE;
		audit_details_string(&d, "error", strerror(-r));
	}
	chain_append(chain, &record);
	e->count = 0;
	e->packets = e->left_out = 0;
}

static int changed(uint64_t index, struct audit_problem *p, const char *words)
{
	return audit_problem(p, AUDIT_FINDING_EVIDENCE, index, 0, "the events of record %llu %s",
			     (unsigned long long)index, words);
}

/* What the record says of the file that holds @events. */
static int compare(struct hasher *h, uint64_t index, const struct record_slice *details,
		   const uint8_t *events, size_t size, struct audit_problem *p)
{
	struct record_slice hash = account_string(details, "sha256");
	struct record_slice root = account_string(details, "root");
	uint8_t is[AUDIT_HASH_SIZE], said[AUDIT_HASH_SIZE];
	uint64_t count = account_u64(details, "events");

	if (account_u64(details, "event_bytes") != EVIDENCE_EVENT_SIZE)
		return changed(index, p, "are of another size than weir's");
	if (size != count * EVIDENCE_EVENT_SIZE || hex_parse(hash.data, sizeof(said), said) < 0)
		return changed(index, p, "are more or fewer than it says");
	hash_bytes(h, events, size, is);
	if (memcmp(is, said, sizeof(is)) != 0)
		return changed(index, p, "were changed");
	if (root.length != AUDIT_HASH_TEXT - 1 || hex_parse(root.data, sizeof(said), said) < 0)
		return changed(index, p, "have no root");
	evidence_root(h, events, count, is);
	if (memcmp(is, said, sizeof(is)) != 0)
		return changed(index, p, "have another root than it says");
	return 1;
}

int evidence_check(int dir, struct hasher *h, uint64_t index, const struct record_slice *details,
		   struct audit_problem *ret_problem)
{
	struct record_slice hash = account_string(details, "sha256");
	uint64_t count = account_u64(details, "events");
	_cleanup_free_ uint8_t *events = NULL;
	_cleanup_close_ int fd = -1;
	char path[PATH_SIZE], name[AUDIT_HASH_TEXT];
	size_t size = (size_t)EVIDENCE_EVENTS_MAX * EVIDENCE_EVENT_SIZE + 1;
	ssize_t n;

	if (hash.length != AUDIT_HASH_TEXT - 1 || count > EVIDENCE_EVENTS_MAX)
		return changed(index, ret_problem, "are not named as weir names them");
	memcpy(name, hash.data, hash.length);
	name[hash.length] = '\0';
	if (strspn(name, "0123456789abcdef") != hash.length)
		return changed(index, ret_problem, "are not named as weir names them");
	format_path(name, "", path);
	fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	events = malloc(size);
	if (!events)
		return -ENOMEM;
	n = file_read(fd, events, size, 0);
	if (n < 0)
		return (int)n;
	return compare(h, index, details, events, (size_t)n, ret_problem);
}

/* 1: some event of the file is of such a source. The source is what an event begins with. */
static int has_source(int dir, const char *name, uint8_t *buffer,
		      bool (*is)(const uint8_t source[static 16], const void *userdata),
		      const void *subject)
{
	const size_t size = (size_t)EVIDENCE_EVENTS_MAX * EVIDENCE_EVENT_SIZE;
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	for (uint64_t at = 0; (n = file_read(fd, buffer, size, at)) > 0; at += (uint64_t)n)
		for (ssize_t i = 0; i + 16 <= n; i += EVIDENCE_EVENT_SIZE)
			if (is(buffer + i, subject))
				return 1;
	return (int)n;
}

int evidence_remove(int dir, bool (*is)(const uint8_t source[static 16], const void *userdata),
		    const void *subject,
		    int (*fn)(const char *name, void *userdata, struct fault *reterr),
		    void *userdata, struct fault *reterr)
{
	_cleanup_free_ uint8_t *buffer = malloc((size_t)EVIDENCE_EVENTS_MAX * EVIDENCE_EVENT_SIZE);
	_cleanup_closedir_ DIR *stream = NULL;
	const struct dirent *entry;
	int r = 0, fd;

	fd = openat(dir, EVIDENCE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (!buffer || fd < 0 || !(stream = fdopendir(fd))) {
		r = fault(reterr, buffer ? -errno : -ENOMEM, "audit.evidence",
			  "the files of events cannot be listed");
		close_fdp(&fd);
		return r;
	}
	while (r >= 0 && (entry = readdir(stream))) {
		if (entry->d_name[0] == '.')
			continue;
		r = has_source(fd, entry->d_name, buffer, is, subject);
		if (r == 1)
			r = fn(entry->d_name, userdata, reterr);
		if (r == 1 && unlinkat(fd, entry->d_name, 0) < 0 && errno != ENOENT)
			r = -errno;
		if (r < 0 && !reterr->err)
			fault(reterr, r, "audit.evidence", "evidence/%.80s: %s", entry->d_name,
			      strerror(-r));
	}
	if (r >= 0 && fsync(fd) < 0)
		r = fault(reterr, -errno, "audit.evidence", "evidence: %s", strerror(errno));
	return r < 0 ? r : 0;
}
