/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The last records of the audit log, from the daemon or from the files. */
#include <inttypes.h>
#include <string.h>

#include "audit/reader.h"
#include "audit/rectified.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/audit.h"
#include "cli/render.h"
#include "cli/vault.h"

#define TAIL_DEFAULT  "20"
#define TAIL_MAX      10000
#define DETAILS_SHOWN 12 /* of a record, on its line; all are in the JSON */

/* A value, or why it is not known: it is sealed in the log. */
static const char *value_text(const json_t *value)
{
	const char *state = member_text(value, "state");

	if (!json_is_object(value))
		return json_string_value(value) ?: "";
	if (strcmp(state, "erased") == 0)
		return "(erased)";
	if (strcmp(state, "altered") == 0)
		return "(altered)";
	return "(sealed)";
}

static void put_detail(struct text *t, const char *key, const json_t *value)
{
	const char *string = json_is_object(value) ? value_text(value) : json_string_value(value);

	if (string)
		text_printf(t, strpbrk(string, " =") || !*string ? " %s='%s'" : " %s=%s", key,
			    string);
	else if (json_is_integer(value))
		text_printf(t, " %s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
	else if (json_is_boolean(value))
		text_printf(t, " %s=%s", key, json_is_true(value) ? "yes" : "no");
	else if (json_object_get(value, "sealed"))
		text_printf(t, " %s=%s", key, value_text(value));
}

/* One record for people: time, event, who, on what, and then the details. */
static void say_record(const struct cli *cli, const json_t *record)
{
	_cleanup_(text_done) struct text details = {.growing = true};
	const json_t *actor = json_object_get(record, "actor");
	const json_t *resource = json_object_get(record, "resource");
	const char *user = value_text(json_object_get(actor, "username")),
		   *outcome = member_text(record, "outcome");
	bool success = strcmp(outcome, audit_outcome_to_str(AUDIT_SUCCESS)) == 0;
	char time[RENDER_TIME_SIZE];
	unsigned int shown = 0;
	const char *key;
	json_t *value;

	render_time(member_text(record, "timestamp"), time);
	json_object_foreach (json_object_get(record, "details"), key, value) {
		if (++shown > DETAILS_SHOWN) {
			text_puts(&details, " ...");
			break;
		}
		put_detail(&details, key, value);
	}
	cli_say(cli, "%s %-20s %-8s %s %s%s%s%s", time, member_text(record, "event_type"),
		*user ? user : value_text(json_object_get(actor, "user_id")),
		member_text(resource, "type"), value_text(json_object_get(resource, "id")),
		success ? "" : " ", success ? "" : outcome, details.data ?: "");
}

int audit_print_record(const struct cli *cli, const char *line, size_t length)
{
	_cleanup_(json_decrefp) json_t *record = NULL;

	if (cli->json) {
		fwrite(line, 1, length, cli->out);
		fputc('\n', cli->out);
		return CLI_OK;
	}
	record = json_loadb(line, length, 0, NULL);
	if (!json_is_object(record))
		return cli_fail(cli, CLI_FAILED, "cli.answer", "a record is no JSON object", NULL);
	say_record(cli, record);
	return CLI_OK;
}

int audit_print_lines(const struct cli *cli, const struct text *lines, bool backward)
{
	size_t from = 0, to = lines->length;
	int exit = CLI_OK;

	while (exit == CLI_OK && from < to) {
		size_t start = from, end = to;

		if (backward) {
			end -= lines->data[end - 1] == '\n';
			for (start = end; start > from && lines->data[start - 1] != '\n';)
				start--;
			to = start;
		} else {
			end = (size_t)(strchrnul(lines->data + from, '\n') - lines->data);
			from = end + 1;
		}
		if (end > start)
			exit = audit_print_record(cli, lines->data + start, end - start);
	}
	return exit;
}

static int tail_online(const struct cli *cli, uint32_t count)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	char path[64];
	int exit;

	snprintf(path, sizeof(path), "/v1/audit/events?limit=%" PRIu32 "%s", count,
		 cli->values[CLI_OPTION_SEALED] ? "&sealed=true" : "");
	exit = ask_get(cli, path, &response);
	return exit == CLI_OK ? audit_print_lines(cli, &response.body, true) : exit;
}

static int tail_offline(const struct cli *cli, const char *dir, uint32_t count)
{
	_cleanup_(vault_closep) struct vault *vault = NULL;
	_cleanup_(rectified_freep) struct rectified *rectified = NULL;
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;
	struct fault f = {0};
	int exit = CLI_OK;
	int r = reader_open(dir, &reader, &f);

	if (r == 0 && !cli->values[CLI_OPTION_SEALED]) {
		exit = cli_vault_of_log(cli, dir, &vault);
		if (exit != CLI_OK)
			return exit;
		reader_set_opener(reader, vault_opener(vault));
	}
	if (r == 0)
		r = rectified_load(dir, NULL, NULL, &rectified, &f);
	if (r == 0) {
		reader_set_rectified(reader, rectified);
		r = reader_seek_tail(reader, count, &f);
	}
	for (; r >= 0 && exit == CLI_OK && count > 0; count--) {
		_cleanup_(text_done) struct text line = {.growing = true};

		r = reader_next(reader, &record, &f);
		if (r <= 0)
			break;
		record_put_view(&line, record.data, record.length, &record.view, record.hash);
		if (line.truncated)
			exit = cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
		else
			exit = audit_print_record(cli, line.data, line.length);
	}
	return r < 0 ? cli_fault(cli, &f) : exit;
}

int cmd_audit_tail(struct cli *cli)
{
	const char *dir = cli_value(cli, CLI_OPTION_DIR, NULL);
	const char *lines = cli_value(cli, CLI_OPTION_LINES, TAIL_DEFAULT);
	uint32_t count;

	if (parse_u32(lines, 1, TAIL_MAX, &count) < 0)
		return cli_usage(cli, "--lines '%s' is no number from 1 to %d", lines, TAIL_MAX);
	return dir ? tail_offline(cli, dir, count) : tail_online(cli, count);
}
