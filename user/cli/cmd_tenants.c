/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tenants and their quotas. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/render.h"
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

int cmd_tenants_show(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	const char *name = cli_operand(cli, 0, "");
	char path[sizeof("/v1/tenants/") + POLICY_NAME_MAX];
	int exit;

	if (!*name || strlen(name) > POLICY_NAME_MAX ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name))
		return cli_usage(cli, "'%s' is no name of a tenant", name);
	snprintf(path, sizeof(path), "/v1/tenants/%s", name);
	exit = ask_get_json(cli, path, &answer);
	if (exit != CLI_OK || !answer)
		return exit;
	begin(&t);
	put_tenant(&t, answer);
	return table_print(&t, cli);
}
