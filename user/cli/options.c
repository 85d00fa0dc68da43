/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "cli/render.h"

#define OUTPUTS "table, wide, json, ndjson, yaml and tsv"

static const struct option options[CLI_OPTION_MAX] = {
	[CLI_OPTION_HELP] = {"help", 'h', NULL, "this text"},
	[CLI_OPTION_OUTPUT] = {"output", 'o', "FORMAT",
			       "table (the default), wide, json, ndjson, yaml or tsv"},
	[CLI_OPTION_SOCKET] = {"socket", 's', "PATH",
			       "the daemon's socket (default: $WEIR_SOCKET or " CLI_SOCKET ")"},
	[CLI_OPTION_TIMEOUT] = {"timeout", 0, "DURATION",
				"how long to wait for an answer (default: 10s; for a report 1h)"},
	[CLI_OPTION_TTL] = {"ttl", 't', "DURATION",
			    "how long it holds: 90s, 10m, 2h, 7d (default: for ever)"},
	[CLI_OPTION_REASON] = {"reason", 'r', "TEXT", "why; kept with it and in the audit log"},
	[CLI_OPTION_LINES] = {"lines", 'n', "COUNT", "how many records (default: 20)"},
	[CLI_OPTION_DIR] = {"dir", 'd', "DIR",
			    "read the log in DIR, such as " CLI_STATE_DIR
			    "/audit; needs no daemon"},
	[CLI_OPTION_STATE_DIR] = {"state-dir", 0, "DIR",
				  "of the daemon (default: " CLI_STATE_DIR ")"},
	[CLI_OPTION_BASE] = {"base", 0, "GENERATION",
			     "refuse unless this generation is in force: nobody's change is lost"},
	[CLI_OPTION_CONFIRM] = {"confirm", 0, "DURATION",
				"undo it after so long unless 'weir policy confirm' comes first"},
	[CLI_OPTION_BPFFS] = {"bpffs", 0, "DIR", "where it pinned (default: " CLI_BPFFS ")"},
	[CLI_OPTION_SOURCES] = {"sources", 0, "LIST",
				"addresses and prefixes: 10.0.0.0/8,192.0.2.1, or none"},
	[CLI_OPTION_TENANTS] = {"tenants", 0, "LIST",
				"tenants of the policy: acme,umbrella, or none"},
	[CLI_OPTION_POLICY] = {"policy", 0, "FILE", "the policy file"},
	[CLI_OPTION_WITH_KEYS] = {"with-keys", 0, NULL,
				  "the private keys, too: the archive then opens what it holds"},
	[CLI_OPTION_DRY_RUN] = {"dry-run", 0, NULL, "only say what it would do"},
	[CLI_OPTION_YES] = {"yes", 'y', NULL, "ask no question on a terminal"},
	[CLI_OPTION_ONCE] = {"once", 0, NULL, "print it once, and end"},
	[CLI_OPTION_MAN] = {"man", 0, NULL, "the manual page weir(8), as roff"},
	[CLI_OPTION_FORCE] = {"force", 0, NULL, "do it though there is a reason not to"},
	[CLI_OPTION_IFACE] = {"iface", 'i', "NAME",
			      "the interface; of one of several, only that one"},
	[CLI_OPTION_PROFILE] =
		{"profile", 'p', "NAME",
		 "lay this profile of the policy over it; plan, apply: the daemon's, or none"},
	[CLI_OPTION_STRICT] = {"strict", 0, NULL, "exit 1 if there are warnings"},
	[CLI_OPTION_WRITE] = {"write", 'w', NULL, "write FILE anew"},
	[CLI_OPTION_CHECK] = {"check", 0, NULL, "only say whether it is so; exit 1 if not"},
	[CLI_OPTION_VAULT_KEY] =
		{"vault-key", 0, "FILE",
		 "the vault's key, or keyring:NAME, if it is not beside the state"},
	[CLI_OPTION_SEALED] = {"sealed", 0, NULL,
			       "as records stand in the log, with nothing opened"},
	[CLI_OPTION_SAMPLE] = {"sample", 0, "1/N", "look at one packet in N only"},
	[CLI_OPTION_COUNT] = {"count", 0, "COUNT", "so many packets, and then no more"},
	[CLI_OPTION_SNAP] = {"snap", 0, "BYTES",
			     "the first bytes of each packet, too (default: 0; with --pcap 96)"},
	[CLI_OPTION_PCAP] = {"pcap", 0, "FILE",
			     "write them there as pcapng; -: to standard output"},
	[CLI_OPTION_BUDGET] = {"budget", 0, "PERCENT",
			       "how much of each CPU tracing may take (default: 5%)"},
	[CLI_OPTION_HIDE_ADDRESSES] = {"hide-addresses", 0, NULL,
				       "of addresses only the /24, or /48"},
	[CLI_OPTION_SINCE] = {"since", 0, "TIME",
			      "from then on: 2h (ago), 2026-11-20 or 2026-11-20T23:37:00Z"},
	[CLI_OPTION_UNTIL] = {"until", 0, "TIME", "before that"},
	[CLI_OPTION_TYPE] = {"type", 0, "PATTERN", "what happened: list.add, or list.*"},
	[CLI_OPTION_CATEGORY] =
		{"category", 0, "NAMES",
		 "of these, by commas: traffic, security, lists, policy, access, system, audit, privacy"},
	[CLI_OPTION_SEVERITY] = {"severity", 0, "NUMBER", "so severe or worse, 1 to 5"},
	[CLI_OPTION_ACTOR] = {"actor", 0, "USER", "who did it: a user's name or number"},
	[CLI_OPTION_ADDRESS] = {"address", 'a', "CIDR",
				"about this address, or what lies in or around this prefix"},
	[CLI_OPTION_RULE] = {"rule", 0, "NAME", "the limit, list, feed or flag"},
	[CLI_OPTION_RESOURCE] = {"resource", 0, "TYPE[/ID]", "on what: policy, or interface/eth0"},
	[CLI_OPTION_OUTCOME] = {"outcome", 0, "WORD", "success, failure or denied"},
	[CLI_OPTION_TEXT] = {"text", 0, "TEXT", "this anywhere in it, whatever its case"},
	[CLI_OPTION_LIMIT] = {"limit", 0, "COUNT", "how many records (default: 100)"},
	[CLI_OPTION_CURSOR] = {"cursor", 0, "PLACE", "go on where a search ended"},
	[CLI_OPTION_OLDEST] = {"oldest", 0, NULL, "the oldest first"},
	[CLI_OPTION_FOLLOW] = {"follow", 'f', NULL,
			       "the last ones, and then new ones as they come"},
	[CLI_OPTION_SCAN] = {"scan", 0, NULL, "use no index: look at every record"},
	[CLI_OPTION_FORMAT] =
		{"format", 0, "FORMAT",
		 "json, ndjson (export's default), csv, cef, leef, ocsf, ecs, otlp or syslog; "
		 "of a report: html (its default), json or csv; of usage: csv; "
		 "of import: policy (its default), fragment (to include) or list"},
	[CLI_OPTION_GZIP] = {"gzip", 0, NULL, "compress it"},
	[CLI_OPTION_DAYS] = {"days", 0, "COUNT",
			     "so many days up to --until, or now (default: 30)"},
	[CLI_OPTION_FRAMEWORK] = {"framework", 0, "NAME",
				  "whose controls to list: soc2, iso27001, gdpr, hipaa, pci, sox"},
	[CLI_OPTION_FILE] = {"file", 0, "FILE", "write it there, in one step"},
	[CLI_OPTION_CHECKPOINT] =
		{"checkpoint", 0, "FILE",
		 "a checkpoint that was kept elsewhere: is the log still that one?"},
	[CLI_OPTION_KEY] = {"key", 'k', "KEY",
			    "the verifier key that must have signed, NAME+ID+BASE64"},
	[CLI_OPTION_NO_PROGRESS] = {"no-progress", 0, NULL, "no progress bar on a terminal"},
	[CLI_OPTION_EXEC] = {"exec", 0, "COMMAND", "run it by sh; it gets the checkpoint on stdin"},
	[CLI_OPTION_URL] = {"url", 0, "URL", "POST it there: http or https"},
	[CLI_OPTION_AS] =
		{"as", 0, "LIST",
		 "what sets and lists are for that do not say so: block (the default) or allow"},
	[CLI_OPTION_APPLY] = {"apply", 0, NULL,
			      "have the daemon put the entries on its lists, at most 1000"},
	[CLI_OPTION_ROLE] = {"role", 0, "ROLE", "admin, operator, auditor or viewer"},
	[CLI_OPTION_PERMISSIONS] = {"permissions", 0, "LIST",
				    "of the role's only these: lists.read,lists.write"},
	[CLI_OPTION_RATE] = {"rate", 0, "RATE", "no more requests than that: 10/s, 600/m or 100/h"},
	[CLI_OPTION_HOURS] = {"hours", 0, "FROM-UNTIL", "only at these hours, in UTC: 8-18"},
	[CLI_OPTION_KEY_FILE] = {"key-file", 0, "FILE",
				 "show the API key or token in FILE (default: $WEIR_KEY)"},
	[CLI_OPTION_TOTP] = {"totp", 0, "CODE", "the one-time password, of who is enrolled"},
	[CLI_OPTION_DATA] = {"data", 0, "TEXT", "the body of the request; @FILE: what FILE has"},
	[CLI_OPTION_HEADER] = {"header", 0, "'KEY: VALUE'", "a header of the request"},
	[CLI_OPTION_FLOW] = {"flow", 0, "CIDR",
			     "whose packets: an address or prefix, of either end"},
	[CLI_OPTION_WATCH] = {"watch", 0, NULL, "again and again, what came since the last look"},
	[CLI_OPTION_TEXTFILE] =
		{"textfile", 0, "FILE.prom",
		 "write them there, in one step, for node_exporter's textfile collector"},
};

const struct option *options_row(enum cli_option option)
{
	return &options[option];
}

enum cli_option options_find(const char *arg, const char **ret_value)
{
	bool is_long = arg[1] == '-';
	size_t length = is_long ? strcspn(arg + 2, "=") : 0;

	for (unsigned int i = 0; i < CLI_OPTION_MAX; i++) {
		const char *rest = arg + 2 + length;

		if (is_long ? strlen(options[i].name) != length ||
				      strncmp(options[i].name, arg + 2, length) != 0
			    : options[i].letter != arg[1])
			continue;
		if (is_long && *rest == '=')
			*ret_value = rest + 1;
		else
			*ret_value = *rest ? rest : NULL;
		return i;
	}
	return CLI_OPTION_MAX;
}

static int unknown(const struct cli *cli, const char *arg)
{
	unsigned int best = 3; /* more than two typing errors are another word */
	const char *meant = NULL;
	char name[32];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(arg, "="), arg);
	for (unsigned int i = 0; i < CLI_OPTION_MAX && name[1] == '-'; i++) {
		unsigned int distance = text_distance(name + 2, options[i].name);

		if (distance < best) {
			best = distance;
			meant = options[i].name;
		}
	}
	if (meant)
		return cli_usage(cli, "there is no option '%s'; did you mean '--%s'?", name, meant);
	return cli_usage(cli, "there is no option '%s'", arg);
}

int options_split(struct cli *cli, int argc, char **argv, size_t *ret_words)
{
	size_t words = 0;
	bool ended = false;

	for (int i = 0; i < argc; i++) {
		const char *value = NULL;
		enum cli_option option;

		if (ended || argv[i][0] != '-' || !argv[i][1]) {
			argv[words++] = argv[i];
			continue;
		}
		ended = strcmp(argv[i], "--") == 0;
		if (ended)
			continue;
		option = options_find(argv[i], &value);
		if (option == CLI_OPTION_MAX)
			return unknown(cli, argv[i]);
		if (!options[option].arg && value)
			return cli_usage(cli, "'--%s' takes no value", options[option].name);
		if (options[option].arg && !value) {
			if (++i == argc)
				return cli_usage(cli, "'--%s' needs a value: %s",
						 options[option].name, options[option].arg);
			value = argv[i];
		}
		if (options[option].arg && !*value)
			return cli_usage(cli, "the value of '--%s' is empty", options[option].name);
		cli->values[option] = value ?: "";
	}
	*ret_words = words;
	return CLI_OK;
}

bool options_takes(const struct command *command, enum cli_option option)
{
	const enum cli_option *o = command->options;

	while (*o != CLI_OPTION_MAX && *o != option)
		o++;
	return *o == option;
}

int cli_check_log(const struct cli *cli, const char *dir)
{
	char own[PATH_MAX], below[PATH_MAX];

	if (snprintf(own, sizeof(own), "%s/state", dir) >= (int)sizeof(own) ||
	    snprintf(below, sizeof(below), "%s/audit/state", dir) >= (int)sizeof(below) ||
	    access(own, F_OK) == 0 || access(below, F_OK) != 0)
		return CLI_OK;
	return cli_usage(cli, "%s has no audit log; did you mean %s/audit?", dir, dir);
}

/* What is shown to the daemon: the first line of a file, or of the environment. */
static int read_credential(struct cli *cli)
{
	const char *path = cli_value(cli, CLI_OPTION_KEY_FILE, NULL), *key = getenv("WEIR_KEY");
	_cleanup_free_ char *text = NULL;
	struct fault f = {0};
	size_t length;

	if (path && fs_read_file(path, CLI_CREDENTIAL_MAX, &text, &length, &f) < 0)
		return cli_fault(cli, &f);
	key = text ?: key ?: "";
	length = strcspn(key, "\r\n");
	if (path && !length)
		return cli_usage(cli, "there is no key in %s", path);
	if (length > CLI_CREDENTIAL_MAX)
		return cli_usage(cli, "the key in WEIR_KEY is too long");
	snprintf(cli->credential, sizeof(cli->credential), "%.*s", (int)length, key);
	return CLI_OK;
}

/* "text" is what "table" was called before there were others. */
static int read_output(struct cli *cli, const char *word)
{
	cli->wide = strcmp(word, "wide") == 0;
	cli->tsv = strcmp(word, "tsv") == 0;
	cli->yaml = strcmp(word, "yaml") == 0;
	cli->lines = cli->yaml || strcmp(word, "ndjson") == 0;
	cli->json = cli->lines || strcmp(word, "json") == 0;
	return cli->json || cli->wide || cli->tsv || strcmp(word, "table") == 0 ||
			       strcmp(word, "text") == 0
		       ? 0
		       : -EINVAL;
}

int options_check(struct cli *cli)
{
	const char *output = cli_value(cli, CLI_OPTION_OUTPUT, "table");
	const char *timeout = cli_value(cli, CLI_OPTION_TIMEOUT, NULL);
	const char *environment = getenv("WEIR_SOCKET");
	uint64_t ns = CLI_TIMEOUT_DEFAULT_MS * NSEC_PER_MSEC;
	int exit = CLI_OK;

	for (unsigned int i = 0; i < CLI_OPTION_MAX; i++)
		if (cli->values[i] && !options_takes(cli->command, i))
			return cli_usage(cli, "'weir %s' has no option '--%s'", cli->command->name,
					 options[i].name);
	if (read_output(cli, output) < 0)
		return cli_usage(cli, "--output '%s': only " OUTPUTS " are known", output);
	cli->socket = cli_value(cli, CLI_OPTION_SOCKET,
				environment && *environment ? environment : CLI_SOCKET);
	if (options_takes(cli->command, CLI_OPTION_SOCKET) &&
	    strlen(cli->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return cli_usage(cli, "the path of the socket is too long: %s", cli->socket);
	if (timeout && parse_duration_ns(timeout, &ns) < 0)
		return cli_usage(cli, "--timeout '%s' is no duration; write 500ms, 10s or 1m",
				 timeout);
	if (ns < NSEC_PER_MSEC || ns > CLI_TIMEOUT_MAX_NS)
		return cli_usage(cli, "--timeout '%s' is not between 1ms and 1h", timeout);
	cli->timeout_ms = (uint32_t)(ns / NSEC_PER_MSEC);
	cli->totp = cli_value(cli, CLI_OPTION_TOTP, NULL);
	if (options_takes(cli->command, CLI_OPTION_KEY_FILE))
		exit = read_credential(cli);
	if (exit != CLI_OK)
		return exit;
	if (cli->values[CLI_OPTION_DIR])
		return cli_check_log(cli, cli->values[CLI_OPTION_DIR]);
	return CLI_OK;
}

void options_help(const struct cli *cli, const struct command *command)
{
	_cleanup_(table_done) struct table t = {0};

	table_init(&t, "", "", NULL);
	for (unsigned int i = 0; i < CLI_OPTION_MAX; i++) {
		const struct option *o = &options[i];
		char letter[] = {'-', o->letter, ',', '\0'};

		if (!options_takes(command, i))
			continue;
		table_cell(&t, "  %3s --%s%s%s", o->letter ? letter : "", o->name,
			   o->arg ? " " : "", o->arg ?: "");
		table_cell(&t, "%s", o->help);
	}
	table_print(&t, cli);
}
