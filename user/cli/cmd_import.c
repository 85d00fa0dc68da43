/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What other tools block and limit, as a policy or a list; with --apply, its entries as those of an operator. stdout has what was
 * made, stderr what could not be, each with its place.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "import/import.h"

#define APPLY_MAX  1000 /* entries: each is a request and a record */
#define CHUNK_SIZE (1U << 20)
#define FILE_MODE  0600

/* Of a file, a pipe or standard input, a byte more than is taken at most, and a NUL. */
static int read_input(const char *path, struct text *ret, struct fault *reterr)
{
	bool is_file = strcmp(path, "-") != 0;
	_cleanup_fclose_ FILE *file = is_file ? fopen(path, "re") : NULL;
	FILE *stream = is_file ? file : stdin;
	_cleanup_free_ char *chunk = malloc(CHUNK_SIZE);
	size_t n = 1;

	if (!stream)
		return fault(reterr, -errno, "import.read", "%.300s: %s", path, strerror(errno));
	if (!chunk)
		return fault(reterr, -ENOMEM, "import.memory", "out of memory");
	while (n && ret->length <= IMPORT_INPUT_MAX) {
		n = fread(chunk, 1, CHUNK_SIZE, stream);
		text_put(ret, chunk, n);
	}
	if (ferror(stream))
		return fault(reterr, -errno, "import.read", "%.300s: %s", path, strerror(errno));
	if (ret->truncated)
		return fault(reterr, -ENOMEM, "import.memory", "out of memory");
	return 0;
}

static int read_import(const char *path, struct import *i, struct fault *reterr)
{
	_cleanup_(text_done) struct text input = {.growing = true};
	int r = read_input(path, &input, reterr);

	if (r < 0)
		return r;
	if (i->tool != IMPORT_FAIL2BAN || !import_is_database(input.data, input.length))
		return import_text(i, input.data ?: "", input.length, reterr);
	if (strcmp(path, "-") == 0)
		return fault(reterr, -EINVAL, "import.database",
			     "a database has to be a file: weir import fail2ban FILE");
	return import_database(i, path, reterr);
}

static void print_notes(const struct cli *cli, const struct import *i)
{
	static const char *const heads[] = {
		[IMPORT_SKIPPED] = "not translated", [IMPORT_DIFFERS] = "different in weir"};
	size_t all = i->counts[IMPORT_SKIPPED] + i->counts[IMPORT_DIFFERS];

	for (size_t n = 0; n < i->note_count; n++) {
		const struct import_note *note = &i->notes[n];
		char line[32] = "";

		if (note->line)
			snprintf(line, sizeof(line), ": line %u", note->line);
		cli_talk(cli, "%s%s%s%s: '%s': %s", heads[note->kind], line,
			 note->place ? ": " : "", note->place ?: "", note->text, note->why);
	}
	if (all > i->note_count)
		cli_talk(cli, "and %zu more", all - i->note_count);
	cli_talk(
		cli,
		"%s: %zu to allow, %zu to block, %zu limits; %zu not translated, %zu different in weir",
		import_tool_to_str(i->tool), import_count(i, LIST_ALLOW),
		import_count(i, LIST_BLOCK), i->limit_count, i->counts[IMPORT_SKIPPED],
		i->counts[IMPORT_DIFFERS]);
}

/* The summary with one member more, which becomes its. */
static int print_summary(const struct cli *cli, const struct import *i, const char *key,
			 json_t *value)
{
	_cleanup_(json_decrefp) json_t *summary = import_summary(i);

	if (!summary || (value && json_object_set_new(summary, key, value) < 0))
		return cli_fail(cli, CLI_FAILED, "import.memory", "out of memory", NULL);
	return render_json(cli, summary);
}

/* What came of an entry that the daemon was only asked about: of one that it would refuse, why. */
static int count_refused(const struct cli *cli, const struct client_response *response,
			 size_t *refused)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const json_t *item;
	size_t i;
	int exit = ask_decode(cli, response, &answer);

	if (exit != CLI_OK || !member_bool(answer, "refused"))
		return exit;
	(*refused)++;
	json_array_foreach (json_object_get(answer, "safety"), i, item) {
		cli_talk(cli, "would be refused: %s: %s [%s]", member_text(answer, "cidr"),
			 member_text(item, "detail"), member_text(item, "code"));
	}
	return CLI_OK;
}

static int apply_entry(const struct cli *cli, const struct import *i, const struct import_entry *e,
		       size_t *refused)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *body = NULL;
	int exit;
	_cleanup_free_ char *text = NULL;
	char cidr[PREFIX_TEXT_SIZE], ttl[32], path[64];
	struct client_request request = {
		.method = "POST", .path = path, .type = "application/json"};

	prefix_format(&e->prefix, cidr);
	snprintf(ttl, sizeof(ttl), "%llus", (unsigned long long)e->seconds);
	snprintf(path, sizeof(path), "/v1/lists/%s%s", list_kind_to_str(e->kind),
		 cli_value(cli, CLI_OPTION_FORCE, NULL) ? "?force=true" : "");
	body = json_pack("{s:s, s:s*, s:s}", "cidr", cidr, "ttl",
			 e->seconds == IMPORT_FOREVER ? NULL : ttl, "reason", import_reason(i, e));
	text = json_dumps(body, JSON_COMPACT);
	if (!text)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	request.body = text;
	request.length = strlen(text);
	exit = ask(cli, &request, &response);
	if (exit == CLI_OK && ask_is_dry(cli, request.method))
		return count_refused(cli, &response, refused);
	return exit;
}

static int say_applied(const struct cli *cli, const struct import *i, size_t done, size_t refused)
{
	bool dry_run = ask_is_dry(cli, "POST");

	if (cli->json)
		return print_summary(cli, i, dry_run ? "would_apply" : "applied",
				     json_integer((json_int_t)(done - refused)));
	if (!dry_run) {
		cli_say(cli, "%zu entries are applied", done);
		return CLI_OK;
	}
	cli_say(cli, "would apply %zu entries", done - refused);
	cli_talk(cli, "nothing was changed");
	return CLI_OK;
}

/* Allow first: nobody is to be blocked for a moment who is an exception. */
static int apply(const struct cli *cli, struct import *i)
{
	size_t done = 0, refused = 0;
	int exit;

	if (i->count > APPLY_MAX)
		return cli_fail(cli, CLI_FAILED, "import.apply",
				"these are more entries than --apply takes, 1000",
				"write them as a feed: --format list --file FILE");
	for (size_t n = 0; n < i->limit_count; n++)
		cli_talk(cli, "not applied: %s: '%s': limits are the policy's", i->limits[n].place,
			 i->limits[n].text);
	for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++) {
		for (size_t n = 0; n < i->count; n++) {
			if (i->entries[n].kind != kind)
				continue;
			exit = apply_entry(cli, i, &i->entries[n], &refused);
			if (exit != CLI_OK) {
				if (ask_is_dry(cli, "POST"))
					return exit;
				cli_talk(cli, "%zu of %zu entries were applied before", done,
					 i->count);
				return exit;
			}
			done++;
		}
	}
	print_notes(cli, i);
	exit = say_applied(cli, i, done, refused);
	return exit ?: refused ? CLI_CONFLICT : CLI_OK;
}

static int hand_out(const struct cli *cli, struct import *i, const char *format)
{
	const char *path = cli_value(cli, CLI_OPTION_FILE, NULL);
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	struct fault f = {0};
	int r;

	if (strcmp(format, "list") == 0)
		r = import_list(i, &text, &length, &f);
	else
		r = import_policy(i, strcmp(format, "fragment") == 0, &text, &length, &f);
	if (r == 0 && path)
		r = fs_replace_file(path, text, length, FILE_MODE, &f);
	if (r < 0)
		return cli_fault(cli, &f);
	print_notes(cli, i);
	if (cli->json)
		return print_summary(cli, i, "text", path ? NULL : json_stringn(text, length));
	if (!path && fwrite(text, 1, length, cli->out) != length)
		return cli_fail(cli, CLI_FAILED, "cli.output", "cannot write", NULL);
	return CLI_OK;
}

static int check_options(const struct cli *cli, enum import_tool *ret_tool,
			 enum list_kind *ret_kind)
{
	const char *tool = cli_operand(cli, 0, ""), *kind = cli_value(cli, CLI_OPTION_AS, "block"),
		   *format = cli_value(cli, CLI_OPTION_FORMAT, "policy");

	if (import_tool_from_str(tool, ret_tool) < 0)
		return cli_usage(
			cli, "'%s' is not read: only fail2ban, nft, ipset, crowdsec and xdp-filter",
			tool);
	if (list_kind_from_str(kind, ret_kind) < 0)
		return cli_usage(cli, "--as '%s': only allow and block are known", kind);
	if (strcmp(format, "policy") != 0 && strcmp(format, "fragment") != 0 &&
	    strcmp(format, "list") != 0)
		return cli_usage(cli, "--format '%s': only policy, fragment and list are known",
				 format);
	if (cli_value(cli, CLI_OPTION_APPLY, NULL) &&
	    (cli_value(cli, CLI_OPTION_FORMAT, NULL) || cli_value(cli, CLI_OPTION_FILE, NULL)))
		return cli_usage(cli, "--apply writes nothing: no --format, no --file");
	if (!cli_value(cli, CLI_OPTION_APPLY, NULL) && cli_value(cli, CLI_OPTION_FORCE, NULL))
		return cli_usage(cli, "--force takes --apply");
	if (!cli_value(cli, CLI_OPTION_APPLY, NULL) && cli_value(cli, CLI_OPTION_DRY_RUN, NULL))
		return cli_usage(cli, "--dry-run takes --apply: without it nothing is changed");
	return CLI_OK;
}

int cmd_import(struct cli *cli)
{
	_cleanup_(import_freep) struct import *i = NULL;
	enum import_tool tool = IMPORT_TOOL_MAX;
	enum list_kind kind = LIST_BLOCK;
	struct fault f = {0};
	int exit = check_options(cli, &tool, &kind);

	if (exit != CLI_OK)
		return exit;
	if (import_new(tool, kind, (int64_t)(clock_real_ns() / NSEC_PER_SEC), &i) < 0)
		return cli_fail(cli, CLI_FAILED, "import.memory", "out of memory", NULL);
	if (read_import(cli_operand(cli, 1, "-"), i, &f) < 0)
		return cli_fault(cli, &f);
	if (cli_value(cli, CLI_OPTION_APPLY, NULL))
		exit = apply(cli, i);
	else
		exit = hand_out(cli, i, cli_value(cli, CLI_OPTION_FORMAT, "policy"));
	if (exit == CLI_OK && i->counts[IMPORT_SKIPPED] && cli_value(cli, CLI_OPTION_STRICT, NULL))
		return CLI_FAILED;
	return exit;
}
