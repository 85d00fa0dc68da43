/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The limits: list them with what they did and do, post the number that one follows. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/limits.h"
#include "policy/policy.h"

void limit_waiting_words(const json_t *limit, const char *from, char ret[static LIMIT_WORDS_SIZE])
{
	char time[RENDER_TIME_SIZE];

	render_time(from, time);
	if (member_bool(limit, "flag_off"))
		snprintf(ret, LIMIT_WORDS_SIZE, "off: flag %s is off or for nobody",
			 member_text(limit, "flag"));
	else if (member_bool(limit, "off"))
		snprintf(ret, LIMIT_WORDS_SIZE, "off: rolled out to nobody");
	else if (*from)
		snprintf(ret, LIMIT_WORDS_SIZE, "not now, from %s", time);
	else
		snprintf(ret, LIMIT_WORDS_SIZE, "not now, nor within a month");
}

/* A measured value in the unit that the policy spells it in. */
static void put_measured(struct text *t, const char *target, const json_t *value)
{
	double number = json_number_value(value);

	if (!json_is_integer(value))
		text_puts(t, "unknown");
	else if (strcmp(target, policy_target_str(POLICY_TARGET_SOFTIRQ)) == 0)
		text_printf(t, "%.1f %%", number / 10);
	else if (strcmp(target, policy_target_str(POLICY_TARGET_NIC_DROPS)) == 0)
		text_printf(t, "%.0f/s", number);
	else
		text_printf(t, "%.0f", number);
}

void limit_adaptive_words(const json_t *adaptive, char ret[static LIMIT_WORDS_SIZE])
{
	const char *target = member_text(adaptive, "target"),
		   *error = member_text(adaptive, "error");
	struct text t;

	text_init(&t, ret, LIMIT_WORDS_SIZE);
	text_printf(&t, "at %.1f %% of its rate: %s ",
		    (double)member_u64(adaptive, "factor_permille") / 10, target);
	put_measured(&t, target, json_object_get(adaptive, "measured"));
	text_puts(&t, ", target ");
	put_measured(&t, target, json_object_get(adaptive, "threshold"));
	if (*error)
		text_printf(&t, "; CANNOT BE MEASURED: %s", error);
}

/* What somebody who looks at its counters should know: "in force, shadow, at 50.0 %, sharing cells". */
static void put_state(struct table *t, const json_t *limit)
{
	const json_t *adaptive = json_object_get(limit, "adaptive");
	const char *level = member_text(json_object_get(limit, "state"), "level");
	char words[LIMIT_WORDS_SIZE], buffer[LIMIT_WORDS_SIZE + 64];
	struct text cell;

	text_init(&cell, buffer, sizeof(buffer));
	if (member_bool(limit, "in_force")) {
		text_puts(&cell, "in force");
		if (*member_text(limit, "flag"))
			text_printf(&cell, " by flag %s", member_text(limit, "flag"));
	} else {
		limit_waiting_words(limit, member_text(limit, "changes_at"), words);
		text_puts(&cell, words);
	}
	if (member_bool(limit, "shadow"))
		text_puts(&cell, ", shadow");
	if (json_is_object(adaptive))
		text_printf(&cell, ", at %.1f %%",
			    (double)member_u64(adaptive, "factor_permille") / 10);
	if (*level && strcmp(level, "normal") != 0)
		text_printf(&cell, ", %s",
			    strcmp(level, "full") == 0 ? "no cells left" : "sharing cells");
	table_cell(t, "%s", buffer);
}

int cmd_limits(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	const json_t *limit;
	size_t i;
	int exit = ask_get_json(cli, "/v1/limits", &answer);

	if (exit != CLI_OK || !answer)
		return exit;
	table_init(&t, "LIMIT", "UNIT", "ALGORITHM", ">RATE", ">BURST", "PER", "APPLIES TO",
		   ">PASSED", ">DROPPED", ">WOULD DROP", ">MARKED", "STATE", NULL);
	json_array_foreach (json_object_get(answer, "items"), i, limit) {
		const char *service = member_text(limit, "service");

		table_cell(&t, "%s", member_text(limit, "name"));
		table_cell(&t, "%s", member_text(limit, "unit"));
		table_cell(&t, "%s", member_text(limit, "algorithm"));
		table_cell(&t, "%s", member_text(limit, "rate"));
		table_cell(&t, "%" PRIu64, member_u64(limit, "burst"));
		table_cell(&t, "%s", member_text(limit, "scope"));
		table_cell(&t, "%s", *service ? service : "all packets");
		table_cell(&t, "%" PRIu64, member_u64(limit, "passed"));
		table_cell(&t, "%" PRIu64, member_u64(limit, "dropped"));
		table_cell(&t, "%" PRIu64, member_u64(limit, "would_drop"));
		table_cell(&t, "%" PRIu64, member_u64(limit, "marked"));
		put_state(&t, limit);
	}
	return table_print(&t, cli);
}

/* Names hold nothing that a path would take for something else; what does is no name. */
static bool is_name(const char *text)
{
	size_t length =
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			     "_.-");

	return length && !text[length] && length <= POLICY_NAME_MAX;
}

int cmd_limits_post(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const char *name = cli_operand(cli, 0, ""), *number = cli_operand(cli, 1, "");
	char path[POLICY_NAME_MAX + 32], body[40];
	struct client_request request = {
		.method = "PUT", .path = path, .type = "application/json", .body = body};
	uint64_t value;
	int exit;

	if (!is_name(name))
		return cli_usage(cli, "'%s' is no name of a limit", name);
	if (parse_u64(number, 0, POLICY_POSTED_MAX, &value) < 0)
		return cli_usage(cli, "'%s' is no whole number from 0 to %llu", number,
				 POLICY_POSTED_MAX);
	snprintf(path, sizeof(path), "/v1/limits/%s/target", name);
	snprintf(body, sizeof(body), "{\"value\":%" PRIu64 "}", value);
	request.length = strlen(body);
	exit = ask_json(cli, &request, &answer);
	if (exit != CLI_OK || !answer)
		return exit;
	cli_say(cli, "limit %s follows %" PRIu64 " from now on", name, value);
	return CLI_OK;
}
