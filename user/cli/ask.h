/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's API as commands use it: a question, and either an answer that succeeded or a failure
 * that has been reported. All functions return enum cli_exit.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/cli.h"
#include "cli/client.h"

/** Ask; any answer but a success is reported. End @ret with client_response_done(). */
int ask(const struct cli *cli, const struct client_request *request, struct client_response *ret);
/** As client_call(), with what the command line shows to the daemon: a key, a one-time password. Reports nothing. */
int ask_call(const struct cli *cli, const struct client_request *request,
	     struct client_response *ret, struct fault *reterr);
/** The request only asks what it would do: --dry-run, of whatever is no GET. ask_call() says so to the daemon. */
bool ask_is_dry(const struct cli *cli, const char *method);
/** Print what a change would do, if the answer says that. CLI_DRY; CLI_OK: it says something else. */
int ask_dry_answer(const struct cli *cli, const struct client_response *response);
/** GET @path. */
int ask_get(const struct cli *cli, const char *path, struct client_response *ret);
/** Ask for JSON. With -o json the answer has then been printed and *@ret is NULL. */
int ask_json(const struct cli *cli, const struct client_request *request, json_t **ret);
int ask_get_json(const struct cli *cli, const char *path, json_t **ret);
/** POST @body, whose reference is taken; NULL: what it was to be made of is no UTF-8. */
int ask_post_json(const struct cli *cli, const char *path, json_t *body, json_t **ret);

/** The body as JSON; *@ret is the caller's to json_decref(). */
int ask_decode(const struct cli *cli, const struct client_response *response, json_t **ret);
/* Print the body as it is, ended by a newline. */
void ask_print(const struct cli *cli, const struct client_response *response);
/* Report that client_call() failed. */
int ask_unreachable(const struct cli *cli, const struct fault *f);
/* Report an answer that is no success. */
int ask_refused(const struct cli *cli, const struct client_response *response);

#endif
