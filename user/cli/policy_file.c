/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/policy_file.h"

#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/diagnostics.h"
#include "cli/render.h"

#define WITHOUT "none" /* the word for no profile */

const char *policy_file_profile(const struct cli *cli, const char *fallback)
{
	const char *profile = cli_value(cli, CLI_OPTION_PROFILE, NULL);

	if (!profile)
		return fallback;
	return strcmp(profile, WITHOUT) == 0 ? NULL : profile;
}

/* The daemon's own; "" if it has none. If it cannot be asked, the request that follows will say so. */
static void ask_profile(const struct cli *cli, char *ret, size_t size)
{
	const struct client_request request = {.method = "GET", .path = "/v1/status"};
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *status = NULL;

	*ret = '\0';
	if (ask_call(cli, &request, &response, NULL) < 0)
		return;
	status = json_loadb(response.body.data, response.body.length, 0, NULL);
	snprintf(ret, size, "%s", member_text(json_object_get(status, "policy"), "daemon_profile"));
}

int policy_file_take(const struct cli *cli, struct client_request *request, struct policy **ret)
{
	_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
	const char *path = cli_operand(cli, 0, NULL), *profile;
	char own[POLICY_NAME_MAX + 1] = "";
	int exit;

	request->body = "";
	*ret = NULL;
	if (!path)
		return CLI_OK;
	if (!report)
		return cli_fail(cli, CLI_FAILED, "policy.memory", "out of memory", NULL);
	if (!cli_value(cli, CLI_OPTION_PROFILE, NULL))
		ask_profile(cli, own, sizeof(own));
	profile = policy_file_profile(cli, *own ? own : NULL);
	exit = diagnostics_check(cli, path, profile, report, ret);
	if (exit != CLI_OK)
		return exit;
	request->body = (*ret)->text;
	request->length = (*ret)->length;
	return CLI_OK;
}

void policy_file_put_profile(const struct cli *cli, struct text *target)
{
	const char *profile = policy_file_profile(cli, NULL);

	if (!cli_value(cli, CLI_OPTION_PROFILE, NULL))
		return;
	text_printf(target, "%sprofile=", target->data && strchr(target->data, '?') ? "&" : "?");
	if (profile)
		client_put_escaped(target, profile);
}
