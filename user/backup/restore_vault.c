/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The vault and the keys of a backup, and who is not to come back with them: whoever was erased since, as far as the log
 * that is there knows. It names them by what stood for them in the vault (erased_subjects of request.done), so that rows
 * can be taken out of an older vault without a key; with one, list entries of theirs go from the database, too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/account.h"
#include "audit/reader.h"
#include "backup/restore_internal.h"
#include "base/text.h"
#include "lists/set.h"
#include "store/store.h"
#include "vault/vault.h"

static int take_number(struct restoration *x, const char *text, bool lists_kept)
{
	size_t count = x->erased_count + 1;
	uint64_t *ids = reallocarray(x->erased, count, sizeof(*ids));
	bool *kept;

	if (!ids)
		return -ENOMEM;
	x->erased = ids;
	kept = reallocarray(x->lists_kept, count, sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	x->lists_kept = kept;
	if (personal_subject_parse(text, PERSONAL_SUBJECT_TEXT, &ids[count - 1]) == 0) {
		kept[count - 1] = lists_kept;
		x->erased_count = count;
	}
	return 0;
}

static int take_numbers(struct restoration *x, const struct reader_record *record)
{
	static const char kept[] = "\"keep_lists\":true";
	const struct record_slice *details = &record->view.details;
	struct record_slice list = account_string(details, "erased_subjects");
	bool lists_kept = memmem(details->data, details->length, kept, sizeof(kept) - 1);
	int r = 0;

	for (size_t at = 0; r == 0 && at + PERSONAL_SUBJECT_TEXT <= list.length;
	     at += PERSONAL_SUBJECT_TEXT + 1)
		r = take_number(x, list.data + at, lists_kept);
	return r;
}

int restore_find_erased(struct restoration *x, struct fault *reterr)
{
	const char *name = audit_event_to_str(AUDIT_EVENT_REQUEST_DONE);
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;
	int r;

	if (!restore_exists(x->log))
		return 0;
	r = reader_open(x->log, &reader, reterr);
	while (r >= 0 && (r = reader_next(reader, &record, reterr)) == 1)
		if (record.view.event_type.length == strlen(name) &&
		    memcmp(record.view.event_type.data, name, strlen(name)) == 0 &&
		    take_numbers(x, &record) < 0)
			r = fault(reterr, -ENOMEM, "backup.write", "out of memory");
	/* A log that is damaged has to be replaceable by its backup. */
	if (r == -EBADMSG) {
		x->result->erased_unknown = true;
		*reterr = (struct fault){0};
		return 0;
	}
	return r;
}

/* Operators' entries of whoever was erased; the vault in the backup still tells who that is, to who has its key. */
static void forget_entries(struct restoration *x, struct store *store)
{
	char key[PATH_MAX];
	struct vault_options options = {.state_dir = x->unpacked.path, .read_only = true};
	_cleanup_(vault_closep) struct vault *v = NULL;

	if ((restore_join(key, x->unpacked.path, VAULT_KEY_FILE, NULL) == 0 &&
	     restore_exists(key)) ||
	    (restore_join(key, x->options->state_dir, VAULT_KEY_FILE, NULL) == 0 &&
	     restore_exists(key)))
		options.key = key;
	if (vault_open(&options, &v, NULL) < 0 || vault_state(v) != VAULT_WORKS) {
		x->result->erased_unknown = true;
		return;
	}
	for (size_t i = 0; i < x->erased_count; i++) {
		_cleanup_(text_done) struct text value = {.growing = true};
		struct prefix p;

		if (x->lists_kept[i] || vault_value(v, x->erased[i], &value, NULL) < 0 ||
		    prefix_parse(value.data, &p) < 0)
			continue;
		for (uint8_t kind = 0; kind < LIST_KIND_MAX; kind++)
			store_list_delete(store, kind, &p, NULL);
	}
}

int restore_forget(struct restoration *x, struct fault *reterr)
{
	const struct backup_manifest *m = &x->unpacked.report.manifest;
	_cleanup_(store_closep) struct store *store = NULL;
	char path[PATH_MAX];
	int r = restore_join(path, x->unpacked.path, BACKUP_DATABASE, reterr);

	if (r < 0 || !x->erased_count)
		return r;
	if (m->has_database && !x->unpacked.report.database.err) {
		r = store_open(path, &store, reterr);
		if (r < 0)
			return r;
		if (backup_manifest_find(m, BACKUP_VAULT))
			forget_entries(x, store);
		else
			x->result->erased_unknown = true;
		r = store_scrub(store, reterr);
	}
	if (r < 0 || !backup_manifest_find(m, BACKUP_VAULT))
		return r;
	r = restore_join(path, x->unpacked.path, BACKUP_VAULT, reterr);
	return r
		       ?: vault_file_erase(path, x->erased, x->erased_count, &x->result->forgotten,
					   reterr);
}

/* What is there gets out of the way, the database's log with it. */
static int set_aside(struct restoration *x, const char *path, char ret[static PATH_MAX],
		     struct fault *reterr)
{
	static const char *const suffixes[] = {"-wal", "-shm"};
	char from[PATH_MAX], to[PATH_MAX];
	int r;

	if (!restore_exists(path))
		return 0;
	r = restore_other_name(x, path, "replaced", ret, reterr);
	r = r ?: restore_move(path, ret, reterr);
	for (size_t i = 0; r == 0 && i < 2; i++)
		if (snprintf(from, PATH_MAX, "%s%s", path, suffixes[i]) < PATH_MAX &&
		    snprintf(to, PATH_MAX, "%s%s", ret, suffixes[i]) < PATH_MAX &&
		    restore_exists(from))
			r = restore_move(from, to, reterr);
	return r;
}

static int install(struct restoration *x, const char *name, char ret_aside[static PATH_MAX],
		   struct fault *reterr)
{
	char from[PATH_MAX], to[PATH_MAX];
	int r = restore_join(from, x->unpacked.path, name, reterr);

	r = r ?: restore_join(to, x->options->state_dir, name, reterr);
	if (r < 0 || !restore_exists(from))
		return r;
	r = set_aside(x, to, ret_aside, reterr);
	return r ?: restore_move(from, to, reterr);
}

/* A checkpoint whose key is not there would keep the daemon from signing: it lies beside, to verify against. */
int restore_checkpoint(struct restoration *x, struct fault *reterr)
{
	static const char *const names[] = {BACKUP_CHECKPOINT, BACKUP_KEY_LIST};
	int r = 0;

	if (backup_manifest_find(&x->unpacked.report.manifest, "keys/audit.pem"))
		return 0;
	for (size_t i = 0; r == 0 && i < 2; i++) {
		char from[PATH_MAX], to[PATH_MAX];

		r = restore_join(from, x->unpacked.path, names[i], reterr);
		if (r == 0 && restore_exists(from)) {
			r = restore_other_name(x, from, "from-backup", to, reterr);
			r = r ?: restore_move(from, to, reterr);
		}
	}
	return r;
}

int restore_vault(struct restoration *x, struct fault *reterr)
{
	char keys[PATH_MAX], aside[PATH_MAX];
	int r = restore_join(keys, x->options->state_dir, VAULT_KEY_DIRECTORY, reterr);

	if (r < 0 || !backup_manifest_find(&x->unpacked.report.manifest, BACKUP_VAULT))
		return r;
	vault_close(x->vault); /* that of the log before */
	x->vault = NULL;
	r = install(x, BACKUP_VAULT, x->result->vault_aside, reterr);
	if (r == 0 && mkdir(keys, 0700) < 0 && errno != EEXIST)
		r = fault(reterr, -errno, "backup.write", "cannot create '%s': %s", keys,
			  strerror(errno));
	for (size_t i = 0; r == 0 && i < BACKUP_SECRETS; i++)
		r = install(x, backup_secrets[i], aside, reterr);
	return r;
}
