/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of backups share: a state directory with a database and a log, and archives made by hand. */
#ifndef TEST_BACKUP_H
#define TEST_BACKUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/chain.h"
#include "audit/hash.h"
#include "backup/backup.h"
#include "base/fs.h"
#include "store/store.h"

#define POLICY_TEXT "version: 1\nmode: enforce\n"

struct world {
	char root[32];
	char state[64], other[64], archive[64], policy[64];
};

static inline int world_set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	snprintf(w->root, sizeof(w->root), "/tmp/weir-backup-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	snprintf(w->state, sizeof(w->state), "%s/state", w->root);
	snprintf(w->other, sizeof(w->other), "%s/other", w->root);
	snprintf(w->archive, sizeof(w->archive), "%s/weir.tar.gz", w->root);
	snprintf(w->policy, sizeof(w->policy), "%s/policy.yaml", w->root);
	assert_int_equal(mkdir(w->state, 0700), 0);
	assert_int_equal(fs_replace_file(w->policy, POLICY_TEXT, strlen(POLICY_TEXT), 0600, NULL),
			 0);
	*state = w;
	return 0;
}

static inline int world_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int world_tear_down(void **state)
{
	struct world *w = *state;

	nftw(w->root, world_remove, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}

static inline const char *in(const char *directory, const char *name)
{
	static char paths[8][256];
	static unsigned int next;
	char *path = paths[next++ % 8], made[256];

	snprintf(made, sizeof(made), "%s/%s", directory, name);
	return memcpy(path, made, sizeof(made));
}

/* Names in @directory that begin with @prefix; the last one is copied to @ret, which may be NULL. */
static inline unsigned int names_like(const char *directory, const char *prefix, char ret[256])
{
	_cleanup_closedir_ DIR *d = opendir(directory);
	const struct dirent *e;
	unsigned int count = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		count++;
		if (ret)
			snprintf(ret, 256, "%s", e->d_name);
	}
	return count;
}

static inline void put_row(const char *directory, const char *cidr, const char *reason)
{
	_cleanup_(store_closep) struct store *s = NULL;
	struct store_list_row row = {.until_real_ns = STORE_FOREVER,
				     .added_ns = 1,
				     .reason = reason,
				     .added_by = "root"};
	struct fault f = {0};

	assert_int_equal(prefix_parse(cidr, &row.prefix), 0);
	if (store_open(in(directory, "weir.db"), &s, &f) < 0 || store_list_put(s, &row, &f) < 0)
		fail_msg("%s", f.text);
}

static inline int count_row(const struct store_list_row *row, void *userdata)
{
	(void)row;
	++*(unsigned int *)userdata;
	return 0;
}

static inline unsigned int rows(const char *database)
{
	_cleanup_(store_closep) struct store *s = NULL;
	unsigned int count = 0;
	struct fault f = {0};

	if (store_open(database, &s, &f) < 0 || store_list_each(s, count_row, &count, &f) < 0)
		fail_msg("%s", f.text);
	return count;
}

static inline struct chain *log_open_in(const char *directory)
{
	const struct chain_options options = {.segment_bytes = 8192};
	struct chain *c = NULL;
	struct fault f = {0};

	if (chain_open(in(directory, "audit"), &options, &c, &f) < 0)
		fail_msg("%s", f.text);
	return c;
}

/* @batches more commits of two records each. */
static inline void log_grow(struct chain *c, unsigned int batches)
{
	const struct audit_record record = {.event = AUDIT_EVENT_LIST_ADD,
					    .resource = {"block", "198.51.100.7"}};

	for (unsigned int i = 0; i < 2 * batches; i++) {
		assert_int_equal(chain_append(c, &record), 0);
		if (i % 2)
			assert_int_equal(chain_commit(c, NULL), 0);
	}
}

static inline void log_in(const char *directory, unsigned int batches)
{
	_cleanup_(chain_closep) struct chain *c = log_open_in(directory);

	log_grow(c, batches);
}

static inline struct audit_verdict verdict_of(const char *directory)
{
	struct audit_verdict v;
	struct fault f = {0};

	if (audit_verify(directory, &v, &f) < 0)
		fail_msg("%s", f.text);
	return v;
}

/* A host with a database of one entry, a log of several segments, and a policy; backed up. */
static inline void back_up(struct world *w)
{
	const struct backup_create_options options = {.state_dir = w->state,
						      .policy_path = w->policy,
						      .in_force = POLICY_TEXT,
						      .in_force_length = strlen(POLICY_TEXT)};
	_cleanup_(backup_manifest_done) struct backup_manifest m = {0};
	struct fault f = {0};

	if (backup_create(w->archive, &options, &m, &f) < 0)
		fail_msg("%s", f.text);
}

static inline void make_host(struct world *w)
{
	put_row(w->state, "198.51.100.7", "scan");
	log_in(w->state, 20);
	back_up(w);
}

/* Verify; the fault's code, or "" if the archive is what it says. */
static inline const char *refusal(struct world *w, bool *ret_ok)
{
	_cleanup_(backup_report_done) struct backup_report report = {0};
	static struct fault f;

	f = (struct fault){0};
	if (backup_verify(w->archive, w->root, (struct archive_progress){0}, &report, &f) < 0)
		return f.code;
	if (ret_ok)
		*ret_ok = backup_report_ok(&report);
	return "";
}

static inline int put_back(struct world *w, const char *directory, bool force,
			   struct backup_restored *ret, struct fault *reterr)
{
	const struct backup_restore_options options = {
		.state_dir = directory, .force = force, .user_id = "0", .username = "root"};

	*ret = (struct backup_restored){0};
	*reterr = (struct fault){0};
	return backup_restore(w->archive, &options, ret, reterr);
}

#endif
