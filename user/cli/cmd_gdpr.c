/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is kept about people, and what they may ask for. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "audit/field.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/render.h"

#define REQUESTS "/v1/governance/requests"
#define POLL_NS	 (100 * NSEC_PER_MSEC)
#define WAIT_MAX 36000 /* polls: an hour */

/* Where else something about people is kept; the log's own fields are in user/audit/field.def. */
static const struct {
	const char *where, *field_class, *why, *how_long, *erased;
} stores[] = {
	{"weir.db: list entries", "personal", "who is let through or refused",
	 "until their ttl or removal", "by 'gdpr erase', unless keep-lists"},
	{"weir.db: flags", "personal", "for which sources a flag is on", "until unset",
	 "by 'flags unset'"},
	{"weir.db: policies", "personal", "lists in policies, who applied them",
	 "the last 100 generations", "by another policy"},
	{"weir.db: holds", "personal", "whose records are held", "until the hold is removed",
	 "by 'retention hold remove'"},
	{"weir.db: usage", "operational",
	 "what tenants used by day, which bills are made of; nothing of sources",
	 "760 days, or as audit.retention.usage says", "by itself"},
	{"weir.db: requests", "audit",
	 "what data subjects asked for; who they are only while they are being erased", "for ever",
	 "never"},
	{"vault.db", "personal", "what records name, encrypted", "until erased", "by 'gdpr erase'"},
	{"audit/*.seg", "audit", "commitments to what is in the vault", "as 'retention list' says",
	 "with the vault's row; what is clear, by 'gdpr erase', record by record"},
	{"audit/archive", "audit", "segments before records expired", "until you remove it",
	 "as audit/*.seg"},
	{"audit/evidence", "personal", "events one by one, in the clear, if the policy says so",
	 "until you remove it", "by 'gdpr erase', file by file"},
	{"kernel: limits", "personal", "the rate of each source", "until it is quiet or pushed out",
	 "by itself"},
	{"metrics", "operational",
	 "counts, by limit and reason; by network if metrics.top_sources says so", "in memory",
	 "not about people"},
	{"receivers", "personal",
	 "what targets of audit.export get of records, and a receiver of otlp of connections: "
	 "networks, or addresses if audit.personal.traffic is clear",
	 "as they keep it", "there: nothing here reaches it"},
	{"backups", "personal", "a copy of the state; with the vault's key if --with-keys said so",
	 "as you keep them",
	 "when they are put back; those made before are not reached: remove them"},
};

int cmd_gdpr_inventory(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	json_t *fields = json_array(), *places = json_array();
	const struct audit_field *f;

	for (size_t i = 0; (f = audit_field(i)); i++)
		json_array_append_new(
			fields, json_pack("{s:s, s:s, s:s, s:s}", "field", f->path, "class",
					  audit_field_class_to_str(f->field_class), "kind",
					  audit_field_kind_to_str(f->kind), "what", f->words));
	for (size_t i = 0; i < ARRAY_SIZE(stores); i++)
		json_array_append_new(places,
				      json_pack("{s:s, s:s, s:s, s:s, s:s}", "where",
						stores[i].where, "class", stores[i].field_class,
						"why", stores[i].why, "how_long",
						stores[i].how_long, "erased", stores[i].erased));
	answer = json_pack("{s:o, s:o}", "places", places, "record_fields", fields);
	if (cli->json)
		return render_json(cli, answer);
	for (size_t i = 0; i < ARRAY_SIZE(stores); i++)
		cli_say(cli, "%-24s %-12s %s; kept %s; erased %s", stores[i].where,
			stores[i].field_class, stores[i].why, stores[i].how_long, stores[i].erased);
	for (size_t i = 0; (f = audit_field(i)); i++)
		if (f->field_class == AUDIT_FIELD_PERSONAL ||
		    f->field_class == AUDIT_FIELD_SENSITIVE)
			cli_say(cli, "%-32s %-12s %s", f->path,
				audit_field_class_to_str(f->field_class), f->words);
	return CLI_OK;
}

/* Send a request with @extra (may be NULL), whose reference is taken. *@ret is what became of it. */
static int request(const struct cli *cli, const char *kind, json_t *extra, json_t **ret)
{
	const char *reason = cli_value(cli, CLI_OPTION_REASON, NULL);
	_cleanup_(json_decrefp) json_t *body =
		json_pack("{s:s, s:s}", "kind", kind, "subject", cli_operand(cli, 0, ""));
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_free_ char *text = NULL;
	struct client_request question = {
		.method = "POST",
		.path = REQUESTS,
		.type = "application/json",
	};
	int exit;

	if (extra)
		json_object_update(body, extra);
	json_decref(extra);
	if (reason)
		json_object_set_new(body, "reason", json_string(reason));
	text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	if (!text)
		return cli_usage(cli, "what was given is not valid UTF-8");
	question.body = text;
	question.length = strlen(text);
	exit = ask(cli, &question, &response);
	return exit == CLI_OK ? ask_decode(cli, &response, ret) : exit;
}

static int get_request(const struct cli *cli, const char *id, json_t **ret)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(text_done) struct text path = {.growing = true};
	int exit;

	text_puts(&path, REQUESTS "/");
	client_put_escaped(&path, id);
	exit = ask_get(cli, path.data, &response);
	return exit == CLI_OK ? ask_decode(cli, &response, ret) : exit;
}

/* Until the daemon is done with it. *@r is replaced by what it is then. */
static int wait_over(const struct cli *cli, json_t **r)
{
	const struct timespec pause = {.tv_nsec = (long)POLL_NS};
	int exit = CLI_OK;

	for (unsigned int i = 0; exit == CLI_OK && i < WAIT_MAX; i++) {
		const char *state = member_text(*r, "state");
		json_t *now = NULL;

		if (strcmp(state, "erasing") != 0 && strcmp(state, "finding") != 0)
			break;
		nanosleep(&pause, NULL);
		exit = get_request(cli, member_text(*r, "id"), &now);
		if (exit != CLI_OK)
			break;
		json_decref(*r);
		*r = now;
	}
	return exit;
}

/* All pages of records about the subject. */
static int get_records(const struct cli *cli, const char *id, json_t *into)
{
	uint64_t from = 0;

	for (;;) {
		_cleanup_(client_response_done) struct client_response response = {0};
		_cleanup_(json_decrefp) json_t *page = NULL;
		_cleanup_(text_done) struct text path = {.growing = true};
		int exit;

		text_printf(&path, REQUESTS "/%s/records?from=%" PRIu64 "&subject=", id, from);
		client_put_escaped(&path, cli_operand(cli, 0, ""));
		exit = ask_get(cli, path.data, &response);
		if (exit == CLI_OK)
			exit = ask_decode(cli, &response, &page);
		if (exit != CLI_OK)
			return exit;
		json_array_extend(into, json_object_get(page, "items"));
		if (!json_is_integer(json_object_get(page, "next")))
			return CLI_OK;
		from = member_u64(page, "next");
	}
}

/* What is known of an address besides: limits, lists, windows. NULL: it is none. */
static json_t *get_source(const struct cli *cli)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(text_done) struct text path = {.growing = true};
	uint8_t address[16];
	json_t *source = NULL;

	if (address_parse(cli_operand(cli, 0, ""), address) < 0)
		return NULL;
	text_puts(&path, "/v1/source/");
	client_put_escaped(&path, cli_operand(cli, 0, ""));
	if (ask_get(cli, path.data, &response) == CLI_OK)
		ask_decode(cli, &response, &source);
	return source;
}

/* Everything, as one JSON object. */
static int gather(const struct cli *cli, const char *kind, json_t **ret)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	json_t *records = json_array();
	int exit = request(cli, kind, NULL, &answer);

	if (exit == CLI_OK)
		exit = wait_over(cli, &answer);
	if (exit == CLI_OK && strcmp(member_text(answer, "state"), "done") != 0)
		exit = cli_fail(cli, CLI_FAILED, "request.refused", member_text(answer, "decision"),
				NULL);
	if (exit == CLI_OK)
		exit = get_records(cli, member_text(answer, "id"), records);
	if (exit != CLI_OK) {
		json_decref(records);
		return exit;
	}
	*ret = json_pack("{s:O, s:o, s:o*}", "request", answer, "records", records, "source",
			 get_source(cli));
	return CLI_OK;
}

static void say_records(const struct cli *cli, const json_t *records)
{
	const json_t *record;
	size_t i;

	json_array_foreach (records, i, record) {
		cli_say(cli, "%s %s %s", member_text(record, "timestamp"),
			member_text(record, "event_type"), member_text(record, "event_id"));
	}
}

static void say_configured(const struct cli *cli, const json_t *r)
{
	const json_t *place;
	size_t i;

	json_array_foreach (json_object_get(r, "configured"), i, place) {
		cli_say(cli, "configured: %s", json_string_value(place));
	}
}

int cmd_gdpr_access(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit = gather(cli, "access", &answer);
	const json_t *listed;

	if (exit != CLI_OK)
		return exit;
	if (cli->json)
		return render_json(cli, answer);
	cli_say(cli, "request %s", member_text(json_object_get(answer, "request"), "id"));
	if (!json_array_size(json_object_get(answer, "records")))
		cli_say(cli, "no record is about '%s'", cli_operand(cli, 0, ""));
	say_records(cli, json_object_get(answer, "records"));
	say_configured(cli, json_object_get(answer, "request"));
	listed = json_object_get(answer, "source");
	if (listed)
		cli_say(cli, "besides the records, 'weir source %s' says what is known now",
			cli_operand(cli, 0, ""));
	return CLI_OK;
}

/* RFC 4180: in quotes, with quotes doubled; a formula must not begin a cell. */
static void put_cell(struct text *t, const char *value, bool last)
{
	text_puts(t, "\"");
	if (*value && strchr("=+-@\t\r", *value))
		text_puts(t, "'");
	for (; *value; value++)
		text_put(t, *value == '"' ? "\"\"" : value, *value == '"' ? 2 : 1);
	text_puts(t, last ? "\"\r\n" : "\",");
}

static void put_row(struct text *t, const json_t *record)
{
	const json_t *resource = json_object_get(record, "resource");
	_cleanup_free_ char *details =
		json_dumps(json_object_get(record, "details"), JSON_COMPACT | JSON_SORT_KEYS);

	put_cell(t, member_text(record, "timestamp"), false);
	put_cell(t, member_text(record, "event_id"), false);
	put_cell(t, member_text(record, "event_type"), false);
	put_cell(t, member_text(record, "outcome"), false);
	put_cell(t, member_text(json_object_get(record, "actor"), "username"), false);
	put_cell(t, member_text(resource, "type"), false);
	put_cell(t, member_text(resource, "id"), false);
	put_cell(t, details ?: "", true);
}

int cmd_gdpr_export(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(text_done) struct text csv = {.growing = true};
	int exit = gather(cli, "export", &answer);
	const json_t *record;
	size_t i;

	if (exit != CLI_OK)
		return exit;
	if (cli->json)
		return render_json(cli, answer);
	text_puts(&csv, "timestamp,event_id,event_type,outcome,actor,resource_type,resource,"
			"details\r\n");
	json_array_foreach (json_object_get(answer, "records"), i, record) {
		put_row(&csv, record);
	}
	if (csv.truncated)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	fwrite(csv.data, 1, csv.length, cli->out);
	return CLI_OK;
}

static void say_request(const struct cli *cli, const json_t *r)
{
	char received[RENDER_TIME_SIZE], due[RENDER_TIME_SIZE];
	const char *decision = member_text(r, "decision"), *reason = member_text(r, "reason");

	render_time(member_text(r, "received_at"), received);
	render_time(member_text(r, "due_at"), due);
	cli_say(cli, "%s  %-8s %-8s received %s by %s, due %s%s%s%s%s", member_text(r, "id"),
		member_text(r, "kind"), member_text(r, "state"), received, member_text(r, "by"),
		due, *reason ? "; " : "", reason, *decision ? "; refused: " : "", decision);
}

static void say_places(const struct cli *cli, const json_t *r)
{
	const json_t *place;
	size_t i;

	json_array_foreach (json_object_get(r, "configured"), i, place) {
		cli_say(cli, "still configured: %s", json_string_value(place));
	}
	json_array_foreach (json_object_get(r, "left"), i, place) {
		cli_say(cli, "not erased: %s", json_string_value(place));
	}
	if (member_u64(r, "kept"))
		cli_say(cli, "not erased: %" PRIu64 " records of the log about itself",
			member_u64(r, "kept"));
}

static int show(const struct cli *cli, const json_t *r)
{
	if (cli->json)
		return render_json(cli, r);
	say_request(cli, r);
	say_places(cli, r);
	return CLI_OK;
}

static int end(const struct cli *cli, json_t *r)
{
	int exit = wait_over(cli, &r);

	if (exit == CLI_OK) {
		exit = show(cli, r);
		if (strcmp(member_text(r, "state"), "done") != 0)
			exit = CLI_FAILED;
	}
	json_decref(r);
	return exit;
}

int cmd_gdpr_erase(struct cli *cli)
{
	const char *word = cli_operand(cli, 1, NULL);
	json_t *r = NULL;
	int exit;

	if (word && strcmp(word, "keep-lists") != 0)
		return cli_usage(cli, "'%s' is not keep-lists", word);
	exit = cli_confirm(cli, "erase what is known of them, for ever");
	if (exit != CLI_OK)
		return exit;
	exit = request(cli, "erase", json_pack("{s:s}", "keep_lists", word ? "yes" : "no"), &r);
	return exit == CLI_OK ? end(cli, r) : exit;
}

int cmd_gdpr_rectify(struct cli *cli)
{
	json_t *r = NULL;
	int exit = request(cli, "rectify",
			   json_pack("{s:s, s:s}", "event", cli_operand(cli, 1, ""), "statement",
				     cli_operand(cli, 2, "")),
			   &r);

	return exit == CLI_OK ? end(cli, r) : exit;
}

int cmd_gdpr_list(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	int exit = ask_get_json(cli, REQUESTS, &answer);
	const json_t *r;
	size_t i;

	if (exit != CLI_OK || !answer)
		return exit;
	table_init(&t, "REQUEST", "KIND", "STATE", "RECEIVED", "DUE", "BY", "REASON", "+DECISION",
		   NULL);
	json_array_foreach (json_object_get(answer, "items"), i, r) {
		char received[RENDER_TIME_SIZE], due[RENDER_TIME_SIZE];
		const char *decision = member_text(r, "decision"),
			   *reason = member_text(r, "reason");

		render_time(member_text(r, "received_at"), received);
		render_time(member_text(r, "due_at"), due);
		table_cell(&t, "%s", member_text(r, "id"));
		table_cell(&t, "%s", member_text(r, "kind"));
		table_cell(&t, "%s", member_text(r, "state"));
		table_cell(&t, "%s", received);
		table_cell(&t, "%s", due);
		table_cell(&t, "%s", member_text(r, "by"));
		table_cell(&t, "%s", *reason ? reason : "-");
		table_cell(&t, "%s", *decision ? decision : "-");
	}
	return table_print(&t, cli);
}

int cmd_gdpr_show(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *r = NULL;
	int exit = get_request(cli, cli_operand(cli, 0, ""), &r);

	return exit == CLI_OK ? show(cli, r) : exit;
}
