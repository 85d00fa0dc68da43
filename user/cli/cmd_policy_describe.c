/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The language of policies, without a daemon: as a schema, and explained. */
#include "base/cleanup.h"
#include "cli/render.h"
#include "policy/describe.h"

static int out_of_memory(const struct cli *cli)
{
	return cli_fail(cli, CLI_FAILED, "policy.memory", "out of memory", NULL);
}

int cmd_policy_schema(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *schema = policy_schema();

	if (!schema)
		return out_of_memory(cli);
	if (cli->json)
		return render_json(cli, schema);
	if (json_dumpf(schema, cli->out, JSON_INDENT(2)) < 0)
		return cli_fail(cli, CLI_FAILED, "cli.output", "cannot write", NULL);
	fputc('\n', cli->out);
	return CLI_OK;
}

int cmd_policy_explain(struct cli *cli)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	_cleanup_(json_decrefp) json_t *value = NULL;
	const char *path = cli_operand(cli, 0, NULL);
	struct fault f = {0};
	int r = 0;

	if (cli->json && path)
		r = policy_explain_json(path, &value, &f);
	else if (cli->json)
		value = policy_explain_all_json();
	else if (path)
		r = policy_explain(path, &t, &f);
	else
		policy_explain_all(&t);
	if (r < 0)
		return cli_fault(cli, &f);
	if (cli->json)
		return value ? render_json(cli, value) : out_of_memory(cli);
	if (t.truncated)
		return out_of_memory(cli);
	fputs(t.data ?: "", cli->out);
	return CLI_OK;
}
