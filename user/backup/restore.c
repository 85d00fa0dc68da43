/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unpack and check beside the state, then rename. While that goes on the lock of the audit log that is there is held,
 * so no daemon starts in between. Whatever is in the way gets another name; nothing is overwritten or removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/chain.h"
#include "audit/hash.h"
#include "backup/restore_internal.h"
#include "base/clock.h"
#include "base/fs.h"
#include "store/store.h"
#include "vault/vault.h"

static const char *const outcome_names[] = {
	[BACKUP_AUDIT_NONE] = "none",	  [BACKUP_AUDIT_INSTALLED] = "installed",
	[BACKUP_AUDIT_KEPT] = "kept",	  [BACKUP_AUDIT_BESIDE] = "beside",
	[BACKUP_AUDIT_FORCED] = "forced",
};
_Static_assert(ARRAY_SIZE(outcome_names) == BACKUP_AUDIT_OUTCOME_MAX, "an outcome has no name");

const char *backup_audit_outcome_to_str(enum backup_audit_outcome outcome)
{
	return outcome_names[outcome];
}

void backup_restored_done(struct backup_restored *r)
{
	backup_report_done(&r->report);
}

static void restoration_done(struct restoration *x)
{
	chain_close(x->chain);
	vault_close(x->vault);
	free(x->erased);
	free(x->lists_kept);
	unpacked_done(&x->unpacked);
}

int restore_move(const char *from, const char *to, struct fault *reterr)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	return fault(reterr, -errno, "backup.write", "cannot rename '%s' to '%s': %s", from, to,
		     strerror(errno));
}

/* The names in it survive a loss of power. */
static int sync_directory(const char *path, struct fault *reterr)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && fsync(fd) == 0)
		return 0;
	return fault(reterr, -errno, "backup.write", "cannot sync '%s': %s", path, strerror(errno));
}

bool restore_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

int restore_join(char ret[static PATH_MAX], const char *a, const char *b, struct fault *reterr)
{
	if (snprintf(ret, PATH_MAX, "%s/%s", a, b) < PATH_MAX)
		return 0;
	return fault(reterr, -ENAMETOOLONG, "backup.write", "%.200s... is too long a path", a);
}

int restore_other_name(const struct restoration *x, const char *path, const char *why,
		       char ret[static PATH_MAX], struct fault *reterr)
{
	if (snprintf(ret, PATH_MAX, "%s.%s-%s", path, why, x->stamp) < PATH_MAX)
		return 0;
	return fault(reterr, -ENAMETOOLONG, "backup.write", "%.200s... is too long a path", path);
}

/* Continue the log; who restored is sealed in it, if the vault of this host can be used. */
static int open_log(struct restoration *x, const char *missing, struct fault *reterr)
{
	const struct vault_options vault = {.state_dir = x->options->state_dir};
	struct chain_options options = {.missing = missing};
	int r = x->vault ? 0 : vault_open(&vault, &x->vault, reterr);

	if (r < 0)
		return r;
	options.keeper = vault_keeper(x->vault);
	return chain_open(x->log, &options, &x->chain, reterr);
}

/* Take the lock of the log that is there. What opening finds out about it is only written if it stays. */
static int lock_log(struct restoration *x, struct fault *reterr)
{
	int r = restore_join(x->log, x->options->state_dir, "audit", reterr);

	if (r < 0 || !restore_exists(x->log))
		return r;
	r = open_log(x, NULL, reterr);
	if (r == -EBUSY)
		return fault(reterr, r, "backup.running",
			     "a daemon uses the state in '%s': stop it first; what it enforces "
			     "stays in force",
			     x->options->state_dir);
	return r;
}

/* Opening the log makes one. */
static int note_vault(struct restoration *x, struct fault *reterr)
{
	char path[PATH_MAX];
	int r = restore_join(path, x->options->state_dir, VAULT_FILE, reterr);

	x->had_vault = r == 0 && restore_exists(path);
	return r;
}

static int compare_logs(struct restoration *x, struct fault *reterr)
{
	char theirs[PATH_MAX];
	int r = restore_join(theirs, x->unpacked.path, "audit", reterr);

	if (r < 0 || !x->unpacked.report.manifest.has_audit)
		return r;
	return audit_compare(x->log, theirs, &x->relation, &x->before, reterr);
}

static int check_sound(const struct restoration *x, struct fault *reterr)
{
	const struct backup_report *report = &x->unpacked.report;
	const char *hint = "; --force puts it back nevertheless";

	if (backup_report_ok(report) || x->options->force)
		return 0;
	if (report->database.err)
		return fault(reterr, -EBADMSG, "backup.unsound",
			     "the database in the backup is not sound: %.300s%s",
			     report->database.text, hint);
	if (report->audit_differs)
		return fault(reterr, -EBADMSG, "backup.unsound",
			     "the audit log in the backup is not the one its manifest speaks of%s",
			     hint);
	return fault(reterr, -EBADMSG, "backup.unsound",
		     "the audit log in the backup is %s: %.250s%s",
		     audit_status_to_str(report->audit.status), report->audit.words, hint);
}

/* A host that is restored has what somebody confirmed, and nothing in force that ends by itself. The daemon
 * takes a generation that is unconfirmed while nothing waits for one that was undone. */
static void drop_passing(struct restoration *x, const char *path)
{
	_cleanup_(store_closep) struct store *store = NULL;
	struct store_pending_row row;

	/* One that is not sound is put back as it is, by force. */
	if (x->unpacked.report.database.err || store_open(path, &store, NULL) < 0)
		return;
	if (store_pending_get(store, &row, NULL) == 0 && store_pending_delete(store, NULL) == 0)
		x->result->unconfirmed = row.asked;
	/* What was answered then is not what would be answered now, and may name who was erased since. */
	if (store_answers_clear(store, NULL) == 0)
		store_scrub(store, NULL);
}

static int restore_database(struct restoration *x, struct fault *reterr)
{
	char path[PATH_MAX], from[PATH_MAX], suffix[64];
	int r;

	if (!x->unpacked.report.manifest.has_database)
		return 0;
	r = restore_join(path, x->options->state_dir, "weir.db", reterr);
	if (r == 0)
		r = restore_join(from, x->unpacked.path, BACKUP_DATABASE, reterr);
	if (r == 0)
		drop_passing(x, from);
	if (r == 0 && restore_exists(path)) {
		snprintf(suffix, sizeof(suffix), "replaced-%s", x->stamp);
		r = store_set_aside(path, suffix, x->result->database_aside,
				    sizeof(x->result->database_aside), reterr);
	}
	return r < 0 ? r : restore_move(from, path, reterr);
}

/* The log that is there gets out of the way. Its lock moves with it. */
static int set_log_aside(struct restoration *x, struct fault *reterr)
{
	int r;

	if (!restore_exists(x->log))
		return 0;
	r = restore_other_name(x, x->log, "replaced", x->result->audit_aside, reterr);
	return r < 0 ? r : restore_move(x->log, x->result->audit_aside, reterr);
}

static int install_log(struct restoration *x, const char *missing, struct fault *reterr)
{
	char from[PATH_MAX];
	int r = restore_join(from, x->unpacked.path, "audit", reterr);

	if (r == 0)
		r = restore_checkpoint(x, reterr);
	if (r == 0)
		r = sync_directory(from, reterr);
	if (r == 0)
		r = set_log_aside(x, reterr);
	if (r == 0)
		r = restore_move(from, x->log, reterr);
	if (r < 0)
		return r;
	chain_close(x->chain);
	x->chain = NULL;
	r = restore_vault(x, reterr);
	return r < 0 ? r : open_log(x, missing, reterr);
}

static int put_log_beside(struct restoration *x, struct fault *reterr)
{
	char from[PATH_MAX];
	int r = restore_join(from, x->unpacked.path, "audit", reterr);

	if (r == 0)
		r = restore_other_name(x, x->log, "from-backup", x->result->audit_beside, reterr);
	return r < 0 ? r : restore_move(from, x->result->audit_beside, reterr);
}

/* The log stays and has lost its vault; what opening it made takes its place for nothing. */
static int restore_lost_vault(struct restoration *x, struct fault *reterr)
{
	int r;

	chain_close(x->chain);
	x->chain = NULL;
	r = restore_vault(x, reterr);
	return r < 0 ? r : open_log(x, NULL, reterr);
}

/* README.md has this as a table. */
static int restore_log(struct restoration *x, struct fault *reterr)
{
	enum backup_audit_outcome *outcome = &x->result->audit;

	if (!x->unpacked.report.manifest.has_audit) {
		*outcome = BACKUP_AUDIT_NONE;
		return 0;
	}
	switch (x->relation) {
	case AUDIT_RELATION_EMPTY:
	case AUDIT_RELATION_CONTAINED:
		*outcome = BACKUP_AUDIT_INSTALLED;
		return install_log(x, NULL, reterr);
	case AUDIT_RELATION_CONTAINS:
		*outcome = BACKUP_AUDIT_KEPT;
		return x->had_vault ? 0 : restore_lost_vault(x, reterr);
	case AUDIT_RELATION_DIFFERENT:
		break;
	}
	if (!x->options->force) {
		*outcome = BACKUP_AUDIT_BESIDE;
		return put_log_beside(x, reterr);
	}
	*outcome = BACKUP_AUDIT_FORCED;
	return install_log(
		x, "this log, from a backup, took by force the place of one that has other records",
		reterr);
}

static void describe(const struct restoration *x, struct audit_details *d, char id[static 33],
		     char hash[static AUDIT_HASH_TEXT])
{
	const struct backup_manifest *m = &x->unpacked.report.manifest;
	const struct backup_restored *result = x->result;

	audit_details_string(d, "archive_sha256", x->unpacked.report.sha256);
	audit_details_string(d, "archive_created", m->created);
	audit_details_string(d, "archive_host", m->host);
	audit_details_bool(d, "forced", x->options->force);
	audit_details_bool(d, "database", m->has_database);
	audit_details_string(d, "database_set_aside", result->database_aside);
	audit_details_string(d, "policy", result->policy);
	audit_details_string(d, "policy_set_aside", result->policy_aside);
	audit_details_string(d, "policy_includes_set_aside", result->includes_aside);
	if (result->unconfirmed)
		audit_details_u64(d, "no_longer_unconfirmed", result->unconfirmed);
	audit_details_string(d, "audit", backup_audit_outcome_to_str(result->audit));
	if (m->has_audit) {
		audit_details_string(d, "backup_chain_id", m->chain_id);
		audit_details_u64(d, "backup_last_index", m->records - 1);
		audit_details_string(d, "backup_last_hash", m->last_hash);
	}
	audit_details_string(d, "audit_set_aside", result->audit_aside);
	audit_details_string(d, "vault_set_aside", result->vault_aside);
	audit_details_u64(d, "forgotten", result->forgotten);
	audit_details_string(d, "audit_beside", result->audit_beside);
	if (!x->before.next_index)
		return;
	hex_format(x->before.chain_id, AUDIT_ID_SIZE, id);
	hex_format(x->before.last_hash, AUDIT_HASH_SIZE, hash);
	audit_details_string(d, "found_chain_id", id);
	audit_details_u64(d, "found_last_index", x->before.next_index - 1);
	audit_details_string(d, "found_last_hash", hash);
}

/* In the log that is in place now; in a new one if there is none at all. */
static int record(struct restoration *x, struct fault *reterr)
{
	struct audit_details details = {0};
	char id[2 * AUDIT_ID_SIZE + 1], hash[AUDIT_HASH_TEXT];
	const struct audit_record record = {
		.event = AUDIT_EVENT_SYSTEM_RESTORE,
		.actor = {.user_id = x->options->user_id,
			  .username = x->options->username,
			  .role = "admin"},
		.resource = {"state", x->options->state_dir},
		.details = &details,
	};
	int r = x->chain ? 0 : open_log(x, NULL, reterr);

	if (r < 0)
		return r;
	describe(x, &details, id, hash);
	r = chain_append(x->chain, &record);
	if (r < 0)
		return fault(reterr, r, "audit.write", "the record was refused: %s", strerror(-r));
	return chain_commit(x->chain, reterr);
}

static int restore(const char *path, struct restoration *x, struct fault *reterr)
{
	struct archive_progress progress = x->options->progress;
	int r = fs_own_directory(x->options->state_dir, 0700, reterr);

	if (r == 0)
		r = note_vault(x, reterr);
	if (r == 0)
		r = lock_log(x, reterr);
	if (r == 0)
		r = restore_find_erased(x, reterr);
	if (r == 0)
		r = unpack(path, x->options->state_dir, &progress, &x->unpacked, reterr);
	if (r == 0)
		r = compare_logs(x, reterr);
	if (r == 0)
		r = check_sound(x, reterr);
	if (r == 0)
		r = restore_forget(x, reterr);
	/* The log first: where that fails, state and policy are as they were. */
	if (r == 0)
		r = restore_log(x, reterr);
	if (r == 0)
		r = restore_database(x, reterr);
	if (r == 0)
		r = sync_directory(x->options->state_dir, reterr);
	return r < 0 ? r : restore_policy(x, reterr);
}

int backup_restore(const char *path, const struct backup_restore_options *options,
		   struct backup_restored *ret, struct fault *reterr)
{
	_cleanup_free_ struct backup_restored *result = calloc(1, sizeof(*result));
	_cleanup_(restoration_done) struct restoration x = {.options = options, .result = result};
	int r;

	if (!result)
		return fault(reterr, -ENOMEM, "backup.write", "out of memory");
	clock_format_stamp(clock_real_ns(), x.stamp);
	r = restore(path, &x, reterr);
	/* One that stopped half way has moved things, and the log says so, too. */
	if (r == 0 || *result->audit_aside || *result->audit_beside || *result->database_aside)
		record(&x, &result->record);
	if (r < 0)
		return r;
	result->vault_locked = x.vault && (vault_state(x.vault) == VAULT_NO_KEY ||
					   vault_state(x.vault) == VAULT_WRONG_KEY);
	*ret = *result;
	ret->report = x.unpacked.report;
	x.unpacked.report = (struct backup_report){0};
	return 0;
}
