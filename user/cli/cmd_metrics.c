/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The metrics: to stdout, or to a file that somebody else hands on. */
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "cli/ask.h"
#include "cli/render.h"

/* A collector that reads while this writes must not see half of it: beside it, then renamed. */
static int write_textfile(struct cli *cli, const char *path, const struct client_response *response)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct fault f = {0};

	if (fs_replace_file(path, response->body.data, response->body.length, 0644, &f) < 0)
		return cli_fault(cli, &f);
	if (!cli->json)
		return CLI_OK;
	answer = json_pack("{s:s, s:I}", "file", path, "bytes", (json_int_t)response->body.length);
	return render_json(cli, answer);
}

int cmd_metrics(struct cli *cli)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	const char *path = cli_value(cli, CLI_OPTION_TEXTFILE, NULL);
	_cleanup_(json_decrefp) json_t *value = NULL;
	int exit;

	if (path && (strlen(path) < 6 || strcmp(path + strlen(path) - 5, ".prom") != 0))
		return cli_usage(cli, "node_exporter reads no file but *.prom: --textfile %s",
				 path);
	exit = ask_get(cli, "/v1/metrics", &response);
	if (exit != CLI_OK)
		return exit;
	if (path)
		return write_textfile(cli, path, &response);
	if (!cli->json) {
		ask_print(cli, &response);
		return CLI_OK;
	}
	value = json_pack("{s:s}", "text", response.body.data);
	return render_json(cli, value);
}
