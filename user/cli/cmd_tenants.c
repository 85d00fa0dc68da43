/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tenants, their quotas, and what they used. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "cli/usage.h"
#include "policy/policy.h"

static void put_quota(struct table *t, const char *name, const char *tier, const json_t *quota)
{
	uint64_t used = member_u64(quota, "used"), whole = member_u64(quota, "quota");
	char until[RENDER_TIME_SIZE];

	render_time(member_text(quota, "until"), until);
	table_cell(t, "%s", name);
	table_cell(t, "%s", *tier ? tier : "-");
	table_cell(t, "%s", member_text(quota, "unit"));
	table_cell(t, "%s", member_text(quota, "period"));
	table_cell(t, "%" PRIu64, used);
	table_cell(t, "%" PRIu64, whole);
	table_cell(t, "%.1f %%", whole ? 100 * (double)used / (double)whole : 0);
	table_cell(t, "%s", until);
}

/* A row for each quota; a tenant that has none has one all the same. */
static void put_tenant(struct table *t, const json_t *tenant)
{
	const json_t *quotas = json_object_get(tenant, "quotas"), *quota;
	const char *name = member_text(tenant, "name"), *tier = member_text(tenant, "tier");
	size_t i;

	json_array_foreach (quotas, i, quota) {
		put_quota(t, name, tier, quota);
	}
	if (json_array_size(quotas))
		return;
	table_cell(t, "%s", name);
	table_cell(t, "%s", *tier ? tier : "-");
	for (i = 0; i < 6; i++)
		table_cell(t, "-");
}

static void begin(struct table *t)
{
	table_init(t, "TENANT", "TIER", "UNIT", "PERIOD", TABLE_RIGHT "USED", TABLE_RIGHT "QUOTA",
		   TABLE_RIGHT "SHARE", "UNTIL", NULL);
}

int cmd_tenants_list(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	const json_t *tenant;
	size_t i;
	int exit = ask_get_json(cli, "/v1/tenants", &answer);

	if (exit != CLI_OK || !answer)
		return exit;
	begin(&t);
	json_array_foreach (json_object_get(answer, "items"), i, tenant) {
		put_tenant(&t, tenant);
	}
	return table_print(&t, cli);
}

static bool is_name(const char *name)
{
	return *name && strlen(name) <= POLICY_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

int cmd_tenants_show(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	const char *name = cli_operand(cli, 0, "");
	char path[sizeof("/v1/tenants/") + POLICY_NAME_MAX];
	int exit;

	if (!is_name(name))
		return cli_usage(cli, "'%s' is no name of a tenant", name);
	snprintf(path, sizeof(path), "/v1/tenants/%s", name);
	exit = ask_get_json(cli, path, &answer);
	if (exit != CLI_OK || !answer)
		return exit;
	begin(&t);
	put_tenant(&t, answer);
	return table_print(&t, cli);
}

/* As usage_put_csv(), from the answer as it comes. */
static int print_csv(struct cli *cli, const char *path)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(text_done) struct text csv = {.growing = true};
	int exit = ask_get(cli, path, &response);

	if (exit == CLI_OK)
		exit = ask_decode(cli, &response, &answer);
	if (exit != CLI_OK)
		return exit;
	usage_put_csv(&csv, answer);
	if (csv.truncated)
		return CLI_FAILED;
	fwrite(csv.data, 1, csv.length, cli->out);
	return CLI_OK;
}

int cmd_tenants_usage(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	const char *name = cli_operand(cli, 0, ""),
		   *format = cli_value(cli, CLI_OPTION_FORMAT, NULL);
	const char *days = cli_value(cli, CLI_OPTION_DAYS, "30");
	char path[sizeof("/v1/tenants//usage?days=400") + POLICY_NAME_MAX];
	uint32_t number;
	int exit;

	if (!is_name(name))
		return cli_usage(cli, "'%s' is no name of a tenant", name);
	if (parse_u32(days, 1, 400, &number) < 0)
		return cli_usage(cli, "--days takes a number from 1 to 400, not '%s'", days);
	if (format && strcmp(format, "csv") != 0)
		return cli_usage(cli, "--format of usage is csv, not '%s'; for others there is -o",
				 format);
	snprintf(path, sizeof(path), "/v1/tenants/%s/usage?days=%" PRIu32, name, number);
	if (format)
		return print_csv(cli, path);
	exit = ask_get_json(cli, path, &answer);
	if (exit != CLI_OK || !answer)
		return exit;
	usage_put_table(&t, answer);
	return table_print(&t, cli);
}
