/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/query.h"

#include "cli/client.h"

static const enum cli_option criteria[QUERY_CRITERION_MAX] = {
	[QUERY_SINCE] = CLI_OPTION_SINCE,	[QUERY_UNTIL] = CLI_OPTION_UNTIL,
	[QUERY_TYPE] = CLI_OPTION_TYPE,		[QUERY_CATEGORY] = CLI_OPTION_CATEGORY,
	[QUERY_SEVERITY] = CLI_OPTION_SEVERITY, [QUERY_ACTOR] = CLI_OPTION_ACTOR,
	[QUERY_ADDRESS] = CLI_OPTION_ADDRESS,	[QUERY_RULE] = CLI_OPTION_RULE,
	[QUERY_RESOURCE] = CLI_OPTION_RESOURCE, [QUERY_OUTCOME] = CLI_OPTION_OUTCOME,
	[QUERY_TEXT] = CLI_OPTION_TEXT,
};

int query_parse(const struct cli *cli, struct audit_query *ret)
{
	struct fault f = {0};

	audit_query_init(ret);
	for (enum query_criterion i = 0; i < QUERY_CRITERION_MAX; i++) {
		const char *words = cli_value(cli, criteria[i], NULL);

		if (words && audit_query_set(ret, i, words, &f) < 0)
			return cli_usage(cli, "%s", f.text);
	}
	return CLI_OK;
}

void query_put_argument(struct text *path, const char *name, const char *value)
{
	text_printf(path, "&%s=", name);
	client_put_escaped(path, value);
}

void query_put(const struct cli *cli, struct text *path)
{
	for (enum query_criterion i = 0; i < QUERY_CRITERION_MAX; i++)
		if (cli_value(cli, criteria[i], NULL))
			query_put_argument(path, audit_criterion_to_str(i),
					   cli_value(cli, criteria[i], ""));
}
