/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TCP connections: listed, by service, ended. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "ladder/connection.h"

#define PAGE	      1000
#define DURATION_SIZE 32

/* What the operands say, as members of a request. */
struct filter {
	char address[PREFIX_TEXT_SIZE], port[8], state[16], older[24]; /* "" = nothing */
};

static int set(const struct cli *cli, char *to, size_t size, const char *word)
{
	if (*to)
		return cli_usage(cli, "'%s' and '%s' exclude each other", to, word);
	snprintf(to, size, "%s", word);
	return CLI_OK;
}

/* An address, a prefix, ":443", a state, or "older=10m". */
static int read_word(const struct cli *cli, const char *word, struct filter *ret)
{
	char text[PREFIX_TEXT_SIZE];
	struct prefix p;
	uint32_t port;
	uint64_t ns;
	uint8_t state;

	if (word[0] == ':' && parse_u32(word + 1, 1, UINT16_MAX, &port) == 0)
		return set(cli, ret->port, sizeof(ret->port), word + 1);
	if (strncmp(word, "older=", 6) == 0 && parse_duration_ns(word + 6, &ns) == 0)
		return set(cli, ret->older, sizeof(ret->older), word + 6);
	if (connection_state_from_str(word, &state) == 0)
		return set(cli, ret->state, sizeof(ret->state), word);
	if (prefix_parse(word, &p) == 0) {
		prefix_format(&p, text);
		return set(cli, ret->address, sizeof(ret->address), text);
	}
	return cli_usage(cli,
			 "'%s' is no address, no :PORT, no state such as established, no older=10m",
			 word);
}

static int read_filter(const struct cli *cli, struct filter *ret)
{
	int exit = CLI_OK;

	*ret = (struct filter){0};
	for (size_t i = 0; exit == CLI_OK && i < cli->operand_count; i++)
		exit = read_word(cli, cli->operands[i], ret);
	return exit;
}

static void format_us(const json_t *object, const char *key, char ret[static DURATION_SIZE])
{
	const json_t *value = json_object_get(object, key);
	uint64_t us = member_u64(object, key);

	if (!json_is_integer(value))
		snprintf(ret, DURATION_SIZE, "-");
	else if (us < 1000)
		snprintf(ret, DURATION_SIZE, "%" PRIu64 "us", us);
	else if (us < 10000000)
		snprintf(ret, DURATION_SIZE, "%.1fms", (double)us / 1000);
	else
		format_duration(us / 1000000 * NSEC_PER_SEC, ret, DURATION_SIZE);
}

static void cell_us(struct table *t, const json_t *object, const char *key)
{
	char text[DURATION_SIZE];

	format_us(object, key, text);
	table_cell(t, "%s", text);
}

static void begin(struct table *t)
{
	table_init(t, "STATE", "DIR", "LOCAL", TABLE_RIGHT "PORT", "PEER", TABLE_RIGHT "PORT",
		   TABLE_RIGHT "AGE", TABLE_RIGHT "RTT", TABLE_WIDE TABLE_RIGHT "MIN RTT",
		   TABLE_WIDE TABLE_RIGHT "FIRST BYTE", TABLE_RIGHT "RECEIVED", TABLE_RIGHT "SENT",
		   TABLE_RIGHT "RETRANS", NULL);
}

static void put_connections(struct table *t, const json_t *items)
{
	const json_t *c;
	size_t i;

	json_array_foreach (items, i, c) {
		const char *direction = member_text(c, "direction");

		table_cell(t, "%s", member_text(c, "state"));
		table_cell(t, "%s", *direction ? direction : "-");
		table_cell(t, "%s", member_text(c, "local"));
		table_cell(t, "%" PRIu64, member_u64(c, "local_port"));
		table_cell(t, "%s", member_text(c, "remote"));
		table_cell(t, "%" PRIu64, member_u64(c, "remote_port"));
		cell_us(t, c, "age_us");
		cell_us(t, c, "rtt_us");
		cell_us(t, c, "min_rtt_us");
		cell_us(t, c, "first_byte_us");
		table_cell(t, "%" PRIu64, member_u64(c, "bytes_received"));
		table_cell(t, "%" PRIu64, member_u64(c, "bytes_acked"));
		table_cell(t, "%" PRIu64, member_u64(c, "retransmits"));
	}
}

static int print_connections(const struct cli *cli, const json_t *items)
{
	_cleanup_(table_done) struct table t = {0};

	begin(&t);
	put_connections(&t, items);
	return table_print(&t, cli);
}

/* All pages in one answer, which says how many there are. */
static int ask_all(const struct cli *cli, const struct filter *f, json_t **ret)
{
	_cleanup_(json_decrefp) json_t *all = json_array();
	char path[256], cursor[24] = "0";

	for (;;) {
		_cleanup_(client_response_done) struct client_response response = {0};
		_cleanup_(json_decrefp) json_t *page = NULL;
		int exit;

		snprintf(path, sizeof(path), "/v1/connections?limit=%d&cursor=%s%s%s%s%s%s%s%s%s",
			 PAGE, cursor, *f->address ? "&address=" : "", f->address,
			 *f->port ? "&port=" : "", f->port, *f->state ? "&state=" : "", f->state,
			 *f->older ? "&older=" : "", f->older);
		exit = ask_get(cli, path, &response);
		if (exit == CLI_OK)
			exit = ask_decode(cli, &response, &page);
		if (exit != CLI_OK)
			return exit;
		json_array_extend(all, json_object_get(page, "items"));
		if (!*member_text(page, "next"))
			break;
		snprintf(cursor, sizeof(cursor), "%s", member_text(page, "next"));
	}
	*ret = json_pack("{s:O, s:I}", "items", all, "count", (json_int_t)json_array_size(all));
	return CLI_OK;
}

int cmd_connections(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct filter filter;
	int exit = read_filter(cli, &filter);

	if (exit == CLI_OK)
		exit = ask_all(cli, &filter, &answer);
	if (exit != CLI_OK)
		return exit;
	if (cli->json)
		return render_json(cli, answer);
	return print_connections(cli, json_object_get(answer, "items"));
}

static void put_service(struct table *t, const json_t *s)
{
	static const char *const times[] = {"handshake", "first_byte", "duration", "rtt"};

	if (member_u64(s, "port"))
		table_cell(t, "%" PRIu64, member_u64(s, "port"));
	else
		table_cell(t, "others");
	table_cell(t, "%s", member_text(s, "direction"));
	table_cell(t, "%" PRIu64, member_u64(s, "established"));
	table_cell(t, "%" PRIu64, member_u64(s, "closed"));
	table_cell(t, "%" PRIu64, member_u64(s, "reset"));
	table_cell(t, "%" PRIu64, member_u64(s, "retransmits"));
	table_cell(t, "%" PRIu64, member_u64(s, "bytes_received"));
	table_cell(t, "%" PRIu64, member_u64(s, "bytes_acked"));
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		const json_t *histogram = json_object_get(s, times[i]);
		char half[DURATION_SIZE], most[DURATION_SIZE];

		format_us(histogram, "p50_us", half);
		format_us(histogram, "p99_us", most);
		table_cell(t, "%s/%s", half, most);
	}
}

int cmd_connections_services(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	const json_t *service;
	size_t i;
	int exit = ask_get_json(cli, "/v1/connections/services", &answer);

	if (exit != CLI_OK || !answer)
		return exit;
	table_init(&t, TABLE_RIGHT "PORT", "DIR", TABLE_RIGHT "ESTABLISHED", TABLE_RIGHT "CLOSED",
		   TABLE_RIGHT "RESET", TABLE_RIGHT "RETRANS", TABLE_WIDE TABLE_RIGHT "RECEIVED",
		   TABLE_WIDE TABLE_RIGHT "SENT", TABLE_RIGHT "HANDSHAKE", TABLE_RIGHT "FIRST BYTE",
		   TABLE_RIGHT "DURATION", TABLE_RIGHT "RTT", NULL);
	json_array_foreach (json_object_get(answer, "items"), i, service) {
		put_service(&t, service);
	}
	exit = table_print(&t, cli);
	cli_talk(cli, "of times: half are below the first, 99 of 100 below the second");
	return exit;
}

static json_t *kill_body(const struct cli *cli, const struct filter *f)
{
	const struct {
		const char *key, *value;
	} members[] = {{"address", f->address},
		       {"port", f->port},
		       {"state", f->state},
		       {"older", f->older},
		       {"reason", cli_value(cli, CLI_OPTION_REASON, "")}};
	json_t *body = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (*members[i].value &&
		    json_object_set_new(body, members[i].key, json_string(members[i].value)) < 0) {
			json_decref(body);
			return NULL; /* no UTF-8 */
		}
	return body;
}

static int ask_kill(const struct cli *cli, const struct filter *f, bool dry_run, json_t **ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/connections/kill?dry_run=%s&force=%s",
		 dry_run ? "true" : "false",
		 cli_value(cli, CLI_OPTION_FORCE, NULL) ? "true" : "false");
	return ask_post_json(cli, path, kill_body(cli, f), ret);
}

/* The connections that are meant, on a terminal before the question; with --dry-run they are the answer. */
static int show_first(struct cli *cli, const struct filter *f, bool dry_run, uint64_t *ret_count)
{
	_cleanup_(json_decrefp) json_t *found = NULL;
	int exit = ask_kill(cli, f, true, &found);

	if (exit != CLI_OK || !found)
		return exit;
	*ret_count = member_u64(found, "count");
	exit = print_connections(cli, json_object_get(found, "items"));
	if (exit == CLI_OK && dry_run)
		cli_talk(cli, "%" PRIu64 " connections would be ended", *ret_count);
	return exit;
}

int cmd_connections_kill(struct cli *cli)
{
	bool dry_run = cli_value(cli, CLI_OPTION_DRY_RUN, NULL);
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct filter filter;
	uint64_t count = 0;
	char question[80];
	int exit = read_filter(cli, &filter);

	if (exit != CLI_OK)
		return exit;
	if (dry_run)
		return show_first(cli, &filter, true, &count);
	if (!cli->json && !cli_value(cli, CLI_OPTION_YES, NULL)) {
		exit = show_first(cli, &filter, false, &count);
		if (exit == CLI_OK) {
			snprintf(question, sizeof(question), "End %" PRIu64 " connections", count);
			exit = cli_confirm(cli, question);
		}
	}
	if (exit == CLI_OK)
		exit = ask_kill(cli, &filter, false, &answer);
	if (exit != CLI_OK || !answer)
		return exit;
	cli_say(cli, "%" PRIu64 " of %" PRIu64 " connections ended%s", member_u64(answer, "ended"),
		member_u64(answer, "count"),
		member_bool(answer, "more") ? "; there are more: do it again" : "");
	return CLI_OK;
}
