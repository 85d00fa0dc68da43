/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Backups: made and read from the files. A daemon that runs is asked where its files are and what policy is in force;
 * the archive is the same without it.
 */
#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "backup/backup.h"
#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "policy/policy.h"

/* What the daemon says of itself, if there is one that answers us. */
struct daemon {
	json_t *doctor;
	struct client_response policy;
	bool answers;
};

static void daemon_done(struct daemon *d)
{
	json_decref(d->doctor);
	client_response_done(&d->policy);
}

static int get(const struct cli *cli, const char *path, struct client_response *ret)
{
	const struct client_request request = {.method = "GET", .path = path};
	struct client_response response = {0};
	struct fault f = {0};

	if (ask_call(cli, &request, &response, &f) < 0)
		return -1;
	if (response.status != 200) {
		client_response_done(&response);
		return -1;
	}
	*ret = response;
	return 0;
}

static void ask_daemon(const struct cli *cli, struct daemon *ret)
{
	_cleanup_(client_response_done) struct client_response response = {0};

	if (get(cli, "/v1/doctor", &response) < 0)
		return;
	ret->doctor = json_loadb(response.body.data, response.body.length, 0, NULL);
	ret->answers = get(cli, "/v1/policy", &ret->policy) == 0;
}

static const char *path_of(const struct daemon *d, const char *key)
{
	const char *path = member_text(json_object_get(d->doctor, "daemon"), key);

	return *path ? path : NULL;
}

/* Whole percents are shown, so a call that does not complete one prints nothing. */
static void show_progress(uint64_t done, uint64_t before, uint64_t total, void *userdata)
{
	const struct cli *cli = userdata;
	unsigned int percent = total ? (unsigned int)(done * 100 / total) : 100;

	if (!total || (before && percent == before * 100 / total))
		return;
	fprintf(cli->err, "\r%3u %%", percent);
	if (done >= total)
		fputs("\r     \r", cli->err);
	fflush(cli->err);
}

static struct archive_progress progress(struct cli *cli)
{
	bool wanted = cli->err == stderr && isatty(STDERR_FILENO);

	return (struct archive_progress){.fn = wanted ? show_progress : NULL, .userdata = cli};
}

static json_t *manifest_json(const struct backup_manifest *m)
{
	json_t *audit = m->has_audit
				? json_pack("{s:s, s:I, s:I, s:s}", "chain_id", m->chain_id,
					    "records", (json_int_t)m->records, "last_index",
					    (json_int_t)m->records - 1, "last_hash", m->last_hash)
				: json_null();
	json_t *database =
		m->has_database ? json_pack("{s:I}", "schema", (json_int_t)m->schema) : json_null();

	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:b, s:b, s:b}", "created",
			 m->created, "host", m->host, "version", m->version, "files",
			 (json_int_t)m->count, "bytes", (json_int_t)backup_manifest_bytes(m),
			 "database", database, "audit", audit, "policy",
			 backup_manifest_find(m, BACKUP_POLICY) ||
				 backup_manifest_find(m, BACKUP_IN_FORCE),
			 "vault", !!backup_manifest_find(m, BACKUP_VAULT), "keys",
			 !!backup_manifest_find(m, backup_secrets[0]));
}

static void say_manifest(const struct cli *cli, const struct backup_manifest *m)
{
	char created[RENDER_TIME_SIZE];

	render_time(m->created, created);
	cli_say(cli, "made %s on %s by weir %s: %zu files, %" PRIu64 " bytes", created,
		*m->host ? m->host : "an unnamed host", m->version, m->count,
		backup_manifest_bytes(m));
	if (m->has_database)
		cli_say(cli, "database: schema %" PRIu64, m->schema);
	else
		cli_say(cli, "database: none");
	if (m->has_audit)
		cli_say(cli, "audit log: %" PRIu64 " records, last hash %s", m->records,
			m->last_hash);
	else
		cli_say(cli, "audit log: none");
	if (backup_manifest_find(m, BACKUP_VAULT))
		cli_say(cli, "vault: %s the key to it",
			backup_manifest_find(m, backup_secrets[0]) ? "with" : "without");
	cli_say(cli, "policy: %s%s",
		backup_manifest_find(m, BACKUP_POLICY) ? m->policy_path : "no file",
		backup_manifest_find(m, BACKUP_IN_FORCE) ? ", and the text in force" : "");
}

int cmd_backup_create(struct cli *cli)
{
	const char *target = cli_operand(cli, 0, NULL);
	_cleanup_(daemon_done) struct daemon daemon = {0};
	_cleanup_(backup_manifest_done) struct backup_manifest manifest = {0};
	struct backup_create_options options = {.with_keys = cli->values[CLI_OPTION_WITH_KEYS],
						.progress = progress(cli)};
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct fault f = {0};

	/* With a directory of its own given, a daemon on the usual socket may be another one. */
	if (!cli->values[CLI_OPTION_STATE_DIR])
		ask_daemon(cli, &daemon);
	options.state_dir = cli_value(cli, CLI_OPTION_STATE_DIR,
				      path_of(&daemon, "state_dir") ?: CLI_STATE_DIR);
	options.policy_path = cli_value(cli, CLI_OPTION_POLICY, path_of(&daemon, "policy"));
	if (daemon.answers) {
		options.in_force = daemon.policy.body.data;
		options.in_force_length = daemon.policy.body.length;
	}
	if (backup_create(target, &options, &manifest, &f) < 0)
		return cli_fault(cli, &f);
	if (options.policy_path && policy_files(options.policy_path, &policy, &f) < 0)
		cli_talk(cli, "the files that the policy includes are not in the backup: %s",
			 f.text);
	if (!options.policy_path)
		cli_talk(cli, "the backup has no policy file: no daemon says where it is; name it "
			      "with --policy");
	if (cli->json) {
		answer = manifest_json(&manifest);
		return render_json(cli, answer);
	}
	cli_say(cli, "%s", target);
	say_manifest(cli, &manifest);
	return CLI_OK;
}

static json_t *report_json(const struct backup_report *r)
{
	return json_pack("{s:b, s:s, s:o, s:s?, s:s?, s:s, s:b}", "ok", backup_report_ok(r),
			 "sha256", r->sha256, "backup", manifest_json(&r->manifest),
			 "database_error", r->database.err ? r->database.text : NULL,
			 "audit_status",
			 r->manifest.has_audit ? audit_status_to_str(r->audit.status) : NULL,
			 "audit_finding", audit_finding_to_str(r->audit.finding), "audit_differs",
			 r->audit_differs);
}

static void say_report(const struct cli *cli, const struct backup_report *r)
{
	say_manifest(cli, &r->manifest);
	cli_say(cli, "sha256 %s", r->sha256);
	if (r->database.err)
		cli_say(cli, "DATABASE NOT SOUND: %s", r->database.text);
	if (r->manifest.has_audit && r->audit.status != AUDIT_OK)
		cli_say(cli, "AUDIT LOG %s: %s at record %" PRIu64 ": %s",
			audit_status_to_str(r->audit.status),
			audit_finding_to_str(r->audit.finding), r->audit.index, r->audit.words);
	if (r->audit_differs)
		cli_say(cli, "AUDIT LOG DIFFERS: it is in order, but not the one that the manifest "
			     "speaks of");
}

int cmd_backup_verify(struct cli *cli)
{
	const char *path = cli_operand(cli, 0, NULL);
	_cleanup_(backup_report_done) struct backup_report report = {0};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct fault f = {0};
	bool ok;

	if (backup_verify(path, NULL, progress(cli), &report, &f) < 0)
		return cli_fault(cli, &f);
	ok = backup_report_ok(&report);
	if (cli->json) {
		answer = report_json(&report);
		render_json(cli, answer);
	} else {
		cli_say(cli, "%s: %s", path, ok ? "ok" : "complete, but not sound");
		say_report(cli, &report);
	}
	return ok ? CLI_OK : CLI_FAILED;
}

static const char *const audit_words[BACKUP_AUDIT_OUTCOME_MAX] = {
	[BACKUP_AUDIT_NONE] = "the backup has none; what was there stays",
	[BACKUP_AUDIT_INSTALLED] = "put back; it goes on with the record of this",
	[BACKUP_AUDIT_KEPT] = "the one that is here has all of its records, and stays",
	[BACKUP_AUDIT_BESIDE] = "the one that is here has other records, and stays",
	[BACKUP_AUDIT_FORCED] = "put in place of another one, as a new incarnation: verification "
				"will always say so",
};

static void say_aside(const struct cli *cli, const char *what, const char *where)
{
	if (*where)
		cli_say(cli, "%s: %s", what, where);
}

static void say_restored(const struct cli *cli, const struct backup_restored *r)
{
	cli_say(cli, "restored what was backed up %s on %s", r->report.manifest.created,
		r->report.manifest.host);
	say_aside(cli, "the database that was here", r->database_aside);
	cli_say(cli, "audit log: %s", audit_words[r->audit]);
	say_aside(cli, "the log that was here", r->audit_aside);
	say_aside(cli, "the log of the backup", r->audit_beside);
	say_aside(cli, "policy", r->policy);
	if (r->policy_is_one_text)
		cli_say(cli, "policy: as one text; its files, which lie beside it, would not say "
			     "the same here");
	say_aside(cli, "the policy that was here", r->policy_aside);
	say_aside(cli, "included files that were here", r->includes_aside);
	say_aside(cli, "the vault that was here", r->vault_aside);
	if (r->vault_locked)
		cli_talk(cli,
			 "the key of the vault is not here: put it to where 'weir daemon' looks "
			 "for it, or records name nobody");
	if (r->forgotten)
		cli_say(cli, "erased since, and not put back: %zu values in the vault",
			r->forgotten);
	if (r->erased_unknown)
		cli_talk(cli, "some who were erased since may be back: the log or the key that "
			      "tells who they are cannot be read; see 'weir gdpr list'");
	if (r->unconfirmed)
		cli_say(cli,
			"generation %u waited to be confirmed when this was backed up: it does not "
			"come back",
			r->unconfirmed);
	if (r->record.err)
		cli_talk(cli, "the audit log has no record of this: %s", r->record.text);
}

static json_t *restored_json(const struct backup_restored *r)
{
	json_t *unconfirmed = r->unconfirmed ? json_integer(r->unconfirmed) : json_null();

	return json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:b, s:s, s:I, s:b}",
			 "backup", report_json(&r->report), "audit",
			 backup_audit_outcome_to_str(r->audit), "audit_set_aside", r->audit_aside,
			 "audit_beside", r->audit_beside, "database_set_aside", r->database_aside,
			 "policy", r->policy, "policy_set_aside", r->policy_aside,
			 "includes_set_aside", r->includes_aside, "policy_is_one_text",
			 r->policy_is_one_text, "no_longer_unconfirmed", unconfirmed, "recorded",
			 !r->record.err, "vault_set_aside", r->vault_aside, "forgotten",
			 (json_int_t)r->forgotten, "erased_unknown", r->erased_unknown);
}

static void backup_restored_freep(struct backup_restored **r)
{
	if (*r)
		backup_restored_done(*r);
	free(*r);
}

int cmd_backup_restore(struct cli *cli)
{
	const struct passwd *user = getpwuid(getuid());
	_cleanup_(backup_restored_freep) struct backup_restored *restored =
		calloc(1, sizeof(*restored));
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct fault f = {0};
	char uid[16];
	const struct backup_restore_options options = {
		.state_dir = cli_value(cli, CLI_OPTION_STATE_DIR, CLI_STATE_DIR),
		.policy_path = cli_value(cli, CLI_OPTION_POLICY, NULL),
		.force = cli->values[CLI_OPTION_FORCE],
		.user_id = uid,
		.username = user ? user->pw_name : uid,
		.progress = progress(cli),
	};

	if (!restored)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	snprintf(uid, sizeof(uid), "%u", getuid());
	if (options.force &&
	    cli_confirm(cli, "put the backup in the place of what is there") != CLI_OK)
		return CLI_FAILED;
	if (backup_restore(cli_operand(cli, 0, NULL), &options, restored, &f) < 0)
		return cli_fault(cli, &f);
	if (cli->json) {
		answer = restored_json(restored);
		return render_json(cli, answer);
	}
	say_restored(cli, restored);
	return CLI_OK;
}
