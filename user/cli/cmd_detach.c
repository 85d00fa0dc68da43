/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * End enforcement. The daemon does it if there is one; if there is none, its pins are removed from
 * here and its audit log is continued, so that this leaves a record, too. A daemon that runs but
 * does not answer is never worked around.
 */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/chain.h"
#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "cli/vault.h"
#include "datapath/datapath.h"
#include "datapath/panic.h"
#include "policy/units.h"

/* Open the log of the daemon that is gone; *@ret is NULL if it has none. */
static int open_log(const struct cli *cli, struct vault **ret_vault, struct chain **ret,
		    struct fault *reterr)
{
	struct chain_options options = {0};
	const char *state_dir = cli_value(cli, CLI_OPTION_STATE_DIR, CLI_STATE_DIR);
	char path[PATH_MAX];
	struct stat st;

	*ret = NULL;
	if (snprintf(path, sizeof(path), "%s/audit", state_dir) >= (int)sizeof(path))
		return fault(reterr, -ENAMETOOLONG, "audit.open", "%.100s...: the path is too long",
			     state_dir);
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : fault(reterr, -errno, "audit.open", "%.300s: %s", path,
					       strerror(errno));
	if (cli_vault_open(cli, state_dir, false, ret_vault) == CLI_OK)
		options.keeper = vault_keeper(*ret_vault);
	return chain_open(path, &options, ret, reterr);
}

/* What somebody did with the panic switch while no daemon ran: nobody else will be able to tell. */
static void record_panic(struct chain *chain, const char *pin_dir)
{
	struct weir_panic_note notes[WEIR_PANIC_NOTES];
	size_t count = panic_unrecorded_pinned(pin_dir, notes);

	for (size_t i = 0; i < count; i++) {
		const struct weir_panic_note *note = &notes[i];
		struct audit_details details = {0};
		char uid[16];
		const struct audit_record record = {
			.event = note->panic ? AUDIT_EVENT_PANIC_SET : AUDIT_EVENT_PANIC_CLEARED,
			.actor = {.user_id = uid, .username = note->username, .role = "admin"},
			.resource = {"interface", ""},
			.details = &details,
			.time_ns = note->at_ns,
		};

		snprintf(uid, sizeof(uid), "%u", note->uid);
		audit_details_string(
			&details, "mode",
			note->panic
				? policy_mode_str((enum weir_mode)WEIR_OVERRIDE_MODE(note->panic))
				: "none");
		audit_details_string(&details, "reason", note->reason);
		audit_details_bool(&details, "daemon", false);
		chain_append(chain, &record); /* what it refuses, it says with the next */
	}
}

static int record_detach(struct chain *chain, const char *iface, const char *pin_dir,
			 struct fault *reterr)
{
	const struct passwd *user = getpwuid(getuid());
	struct audit_details details = {0};
	char uid[16];
	struct audit_record record = {
		.event = AUDIT_EVENT_SYSTEM_DETACH,
		.actor = {.user_id = uid, .username = user ? user->pw_name : uid, .role = "admin"},
		.resource = {"interface", iface},
		.details = &details,
	};
	int r;

	snprintf(uid, sizeof(uid), "%u", getuid());
	audit_details_bool(&details, "daemon", false);
	audit_details_string(&details, "bpffs", pin_dir);
	r = chain_append(chain, &record);
	if (r < 0)
		return fault(reterr, r, "audit.write", "the record was refused: %s", strerror(-r));
	return chain_commit(chain, reterr);
}

static int report(const struct cli *cli, const char *iface, bool recorded)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;

	if (!cli->json) {
		cli_say(cli, "detached %s; no daemon was running%s",
			*iface ? iface : "(the interface is gone)",
			recorded ? ", so the record of it was written from here" : "");
		return CLI_OK;
	}
	answer = json_pack("{s:s, s:b, s:b}", "detached", iface, "daemon", 0, "recorded", recorded);
	return render_json(cli, answer);
}

static int detach_offline(const struct cli *cli)
{
	_cleanup_(vault_closep) struct vault *vault = NULL;
	_cleanup_(chain_closep) struct chain *chain = NULL;
	const char *pin_dir = cli_value(cli, CLI_OPTION_BPFFS, CLI_BPFFS);
	const char *only = cli_value(cli, CLI_OPTION_IFACE, NULL);
	struct fault log_fault = {0}, f = {0};
	char iface[DATAPATH_NAMES_SIZE] = "";
	int r;

	/* The log first: its lock tells whether a daemon is running after all. */
	if (open_log(cli, &vault, &chain, &log_fault) == -EBUSY)
		return cli_fail(
			cli, CLI_UNREACHABLE, "detach.daemon",
			"a daemon is running, but not on this socket: it holds the audit log",
			"name its socket with --socket or WEIR_SOCKET");
	if (chain)
		record_panic(chain, pin_dir);
	r = only ? datapath_remove_link(pin_dir, only, &f) : datapath_remove(pin_dir, iface, &f);
	if (only)
		snprintf(iface, sizeof(iface), "%s", only);
	if (r == -ENOENT && !only)
		return cli_fail(cli, CLI_FAILED, "detach.nothing",
				"there is nothing to detach: no daemon is running, and nothing is "
				"pinned",
				"if the daemon had a --bpffs of its own, name it");
	if (r < 0)
		return cli_fault(cli, &f);
	if (chain)
		record_detach(chain, iface, pin_dir, &log_fault);
	if (log_fault.err)
		cli_talk(cli, "the audit log has no record of this: %s", log_fault.text);
	return report(cli, iface, chain && !log_fault.err);
}

/* Of all interfaces, or of the one that an option names. */
static int ask_daemon(const struct cli *cli, struct client_response *ret, struct fault *reterr)
{
	struct client_request request = {.method = "POST", .path = "/v1/detach", .body = ""};
	const char *only = cli_value(cli, CLI_OPTION_IFACE, NULL);
	_cleanup_(json_decrefp) json_t *asked = only ? json_pack("{s:s}", "iface", only) : NULL;
	_cleanup_free_ char *body = asked ? json_dumps(asked, JSON_COMPACT) : NULL;

	if (only && !body)
		return fault(reterr, -EINVAL, "detach.interface",
			     "that is no name of an interface");
	if (body) {
		request.type = "application/json";
		request.body = body;
		request.length = strlen(body);
	}
	return ask_call(cli, &request, ret, reterr);
}

int cmd_detach(struct cli *cli)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct fault f = {0};
	int r, exit = cli_confirm(cli, "end enforcement: nothing is dropped any more");

	if (exit != CLI_OK)
		return exit;
	r = ask_daemon(cli, &response, &f);
	if ((r == -ENOENT || r == -ECONNREFUSED) && !ask_is_dry(cli, "POST")) {
		/* With a socket of its own goes a directory of its own: do not guess. */
		if (strcmp(cli->socket, CLI_SOCKET) != 0 && !cli->values[CLI_OPTION_BPFFS])
			return cli_fail(cli, CLI_UNREACHABLE, f.code, f.text,
					"to detach without it, say what it used: --bpffs and "
					"--state-dir");
		return detach_offline(cli);
	}
	if (r < 0)
		return ask_unreachable(cli, &f);
	if (response.status != 200)
		return ask_refused(cli, &response);
	if (ask_dry_answer(cli, &response) == CLI_DRY)
		return CLI_DRY;
	if (cli->json) {
		ask_print(cli, &response);
		return CLI_OK;
	}
	exit = ask_decode(cli, &response, &answer);
	if (exit == CLI_OK)
		cli_say(cli, "detached %s; the daemon %s", member_text(answer, "detached"),
			member_bool(answer, "ends") ? "ends" : "goes on with the others");
	return exit;
}
