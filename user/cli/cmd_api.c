/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Any request to the daemon, as it is: for what has no command of its own. The answer's body goes to stdout. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "cli/ask.h"
#include "cli/render.h"

#define DATA_MAX (8U << 20) /* what the daemon takes: HTTP_BODY_BYTES_MAX */

static bool print_piece(const char *data, size_t length, void *userdata)
{
	const struct cli *cli = userdata;

	return fwrite(data, 1, length, cli->out) == length;
}

/* --data: the text itself, or what the file behind '@' has. *@ret_owned is the caller's to free. */
static int read_data(const struct cli *cli, struct client_request *request, char **ret_owned)
{
	const char *data = cli_value(cli, CLI_OPTION_DATA, NULL);
	struct fault f = {0};

	if (!data)
		return CLI_OK;
	request->body = data;
	request->length = strlen(data);
	if (*data != '@')
		return CLI_OK;
	if (fs_read_file(data + 1, DATA_MAX, ret_owned, &request->length, &f) < 0)
		return cli_fault(cli, &f);
	request->body = *ret_owned;
	return CLI_OK;
}

/* "K: V", printable, and none of those that say where the body ends. */
static bool is_header(const char *text)
{
	static const char *const own[] = {"Content-Length", "Transfer-Encoding", "Host",
					  "Connection", "Expect"};
	size_t name = strcspn(text, ":");

	if (!name || text[name] != ':' || strcspn(text, " \t") < name)
		return false;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (strlen(own[i]) == name && strncasecmp(own[i], text, name) == 0)
			return false;
	return true;
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

static int answered(const struct cli *cli, const struct client_response *response)
{
	const struct text *body = &response->body;

	fwrite(body->data, 1, body->length, cli->out);
	cli_talk(cli, "HTTP status %ld", response->status);
	if (response->status >= 200 && response->status < 300)
		return CLI_OK;
	return response->status == 401 || response->status == 403 ? CLI_DENIED : CLI_FAILED;
}

int cmd_api(struct cli *cli)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_free_ char *owned = NULL;
	struct client_request request = {
		.method = cli_operand(cli, 0, ""),
		.path = cli_operand(cli, 1, ""),
		.type = "application/json",
		.header = cli_value(cli, CLI_OPTION_HEADER, NULL),
		.take = print_piece,
		.userdata = cli,
	};
	struct fault f = {0};
	int exit;

	if (!*request.method ||
	    strspn(request.method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(request.method))
		return cli_usage(cli, "'%s' is no method such as GET", request.method);
	if (*request.path != '/' || !is_printable(request.path))
		return cli_usage(cli, "'%s' is no path such as /v1/status", request.path);
	if (request.header && !is_header(request.header))
		return cli_usage(cli, "'%s' is no header such as 'X-API-Version: v2'",
				 request.header);
	exit = read_data(cli, &request, &owned);
	if (exit != CLI_OK)
		return exit;
	if (ask_call(cli, &request, &response, &f) < 0)
		return ask_unreachable(cli, &f);
	return answered(cli, &response);
}
