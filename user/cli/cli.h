/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command line client: what a command is, what it is given, and how it talks. The table of
 * commands stands in main.c; usage, help and "did you mean" are made from it. Data goes to stdout,
 * talk to stderr, and with -o json stdout holds one JSON value (audit tail: one per line), also
 * when a command fails; -o ndjson and yaml are made of that (output.c). Nothing here decides what may be done: the daemon does.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/address.h"
#include "base/fault.h"

#define CLI_SOCKET    "/run/weir/weir.sock"
#define CLI_STATE_DIR "/var/lib/weir"
#define CLI_BPFFS     "/sys/fs/bpf/weir"

#define CLI_CREDENTIAL_MAX 16384 /* bytes */

/* Scripts rely on these. Name, number, and what help and the manual say of it. */
#define CLI_EXITS(X)                                                                               \
	X(OK, 0, "ok")                                                                             \
	X(FAILED, 1, "failed")                                                                     \
	X(USAGE, 2, "usage")                                                                       \
	X(NOT_FOUND, 3, "not found")                                                               \
	X(DENIED, 4, "denied")                                                                     \
	X(CONFLICT, 5, "conflict")                                                                 \
	X(UNREACHABLE, 6, "daemon unreachable")                                                    \
	X(DIFFERENT, 10, "differences (policy plan, policy diff)")

enum cli_exit {
#define X(name, number, words) CLI_##name = number,
	CLI_EXITS(X)
#undef X
};

#define CLI_DRY (-1) /* of a command: it was a dry run, which said all; the exit code is 0 */

/* Rows of the table in options.c. */
enum cli_option {
	CLI_OPTION_HELP,
	CLI_OPTION_OUTPUT,
	CLI_OPTION_SOCKET,
	CLI_OPTION_TIMEOUT,
	CLI_OPTION_TTL,
	CLI_OPTION_REASON,
	CLI_OPTION_LINES,
	CLI_OPTION_DIR,
	CLI_OPTION_STATE_DIR,
	CLI_OPTION_BPFFS,
	CLI_OPTION_SOURCES,
	CLI_OPTION_TENANTS,
	CLI_OPTION_POLICY,
	CLI_OPTION_FORCE,
	CLI_OPTION_IFACE,
	CLI_OPTION_BASE,
	CLI_OPTION_CONFIRM,
	CLI_OPTION_PROFILE,
	CLI_OPTION_STRICT,
	CLI_OPTION_WRITE,
	CLI_OPTION_CHECK,
	CLI_OPTION_VAULT_KEY,
	CLI_OPTION_SEALED,
	CLI_OPTION_SINCE,
	CLI_OPTION_UNTIL,
	CLI_OPTION_TYPE,
	CLI_OPTION_CATEGORY,
	CLI_OPTION_SEVERITY,
	CLI_OPTION_ACTOR,
	CLI_OPTION_ADDRESS,
	CLI_OPTION_RULE,
	CLI_OPTION_RESOURCE,
	CLI_OPTION_OUTCOME,
	CLI_OPTION_TEXT,
	CLI_OPTION_LIMIT,
	CLI_OPTION_CURSOR,
	CLI_OPTION_OLDEST,
	CLI_OPTION_FOLLOW,
	CLI_OPTION_SCAN,
	CLI_OPTION_FORMAT,
	CLI_OPTION_GZIP,
	CLI_OPTION_DAYS,
	CLI_OPTION_FRAMEWORK,
	CLI_OPTION_FILE,
	CLI_OPTION_CHECKPOINT,
	CLI_OPTION_KEY,
	CLI_OPTION_NO_PROGRESS,
	CLI_OPTION_EXEC,
	CLI_OPTION_URL,
	CLI_OPTION_AS,
	CLI_OPTION_APPLY,
	CLI_OPTION_WITH_KEYS,
	CLI_OPTION_ROLE,
	CLI_OPTION_PERMISSIONS,
	CLI_OPTION_HOURS,
	CLI_OPTION_RATE,
	CLI_OPTION_KEY_FILE,
	CLI_OPTION_TOTP,
	CLI_OPTION_DRY_RUN,
	CLI_OPTION_YES,
	CLI_OPTION_MAN,
	CLI_OPTION_DATA,
	CLI_OPTION_HEADER,
	CLI_OPTION_ONCE,
	CLI_OPTION_FLOW,
	CLI_OPTION_WATCH,
	CLI_OPTION_TEXTFILE,
	CLI_OPTION_SAMPLE,
	CLI_OPTION_COUNT,
	CLI_OPTION_SNAP,
	CLI_OPTION_PCAP,
	CLI_OPTION_BUDGET,
	CLI_OPTION_HIDE_ADDRESSES,
	CLI_OPTION_MAX,
};

/* A command's options: CLI_LIST(CLI_ONLINE, CLI_TAKES(REASON)). */
#define CLI_TAKES(option) CLI_OPTION_##option
#define CLI_OFFLINE	  CLI_TAKES(HELP), CLI_TAKES(OUTPUT)
#define CLI_ONLINE                                                                                 \
	CLI_OFFLINE, CLI_TAKES(SOCKET), CLI_TAKES(TIMEOUT), CLI_TAKES(KEY_FILE), CLI_TAKES(TOTP)
#define CLI_LIST(...) ((const enum cli_option[]){__VA_ARGS__, CLI_OPTION_MAX})

struct cli;

struct command {
	const char *name; /* one word, or two: "policy check" */
	/* As help shows them, "[X]" is optional, "[X...]" any number: how many there may be. */
	const char *operands;
	const char *help;		/* one line */
	const enum cli_option *options; /* that it takes, from CLI_LIST() */
	int (*fn)(struct cli *cli);	/* returns enum cli_exit */
	const char *rows; /* the member of the answer that has a row each; NULL = "items" */
	int (*main)(int argc, char **argv); /* instead of fn: takes its arguments unparsed */
};

struct cli {
	/* Set by the caller. */
	const struct command *commands;
	size_t command_count;
	FILE *out, *err;

	/* Set by cli_run() for the command. */
	const struct command *command;
	char **operands;
	size_t operand_count;
	const char *values[CLI_OPTION_MAX]; /* NULL = not given; "" for one without an argument */
	const char *socket;
	uint32_t timeout_ms;
	char credential[CLI_CREDENTIAL_MAX + 1]; /* an API key or a token; "" = none */
	const char *totp;			 /* a one-time password; NULL = none */
	bool json;
	bool lines; /* with json: one value per line, where there are several */
	bool yaml;  /* with json: what is written to @out becomes YAML */
	bool wide;  /* all columns of tables */
	bool tsv;   /* tables only, with tabs */
	bool colour;
};

/** Run the command that @argv (which is reordered) names. Returns the exit code. */
int cli_run(struct cli *cli, int argc, char **argv);

/** The operand at @index, or @fallback if it was not given. */
const char *cli_operand(const struct cli *cli, size_t index, const char *fallback);
/** The option's value, or @fallback if it was not given. */
const char *cli_value(const struct cli *cli, enum cli_option option, const char *fallback);

/* Say why the command line is wrong, and where help is. Returns CLI_USAGE. */
int cli_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Report a failure, for people and for scripts; @hint may be NULL. Returns @exit. */
int cli_fail(const struct cli *cli, int exit, const char *code, const char *detail,
	     const char *hint);
/* The same for a fault of the tiers below; CLI_DENIED if the system refused access. */
int cli_fault(const struct cli *cli, const struct fault *f);

/**
 * Ask on the terminal whether to do @what, which cannot be undone. CLI_OK: yes; also without a question,
 * with --yes or where nobody could answer: stdin or stderr is no terminal. Otherwise CLI_FAILED, said.
 */
int cli_confirm(const struct cli *cli, const char *what);

/**
 * Parse the operand at @index as an address or prefix. On failure the reason is printed, with a
 * suggestion where there is one, and CLI_USAGE returned.
 */
int cli_prefix(const struct cli *cli, size_t index, struct prefix *ret);

/** A command that reads a log is given the directory above one: say so. What else may be wrong shows later. */
int cli_check_log(const struct cli *cli, const char *dir);

/* Commands: each is one row of the table in main.c. */
int cmd_help(struct cli *cli);
int cmd_completion(struct cli *cli);
int cmd_version(struct cli *cli);
int cmd_status(struct cli *cli);
int cmd_api(struct cli *cli);
int cmd_roles(struct cli *cli);
int cmd_metrics(struct cli *cli);
int cmd_limits(struct cli *cli);
int cmd_limits_post(struct cli *cli);
int cmd_tenants_list(struct cli *cli);
int cmd_tenants_show(struct cli *cli);
int cmd_tenants_usage(struct cli *cli);
int cmd_lists(struct cli *cli);
int cmd_feeds(struct cli *cli);
int cmd_allow(struct cli *cli);
int cmd_unallow(struct cli *cli);
int cmd_block(struct cli *cli);
int cmd_unblock(struct cli *cli);
int cmd_source(struct cli *cli);
int cmd_explain(struct cli *cli);
int cmd_trace(struct cli *cli);
int cmd_import(struct cli *cli);
int cmd_policy_show(struct cli *cli);
int cmd_policy_check(struct cli *cli);
int cmd_policy_fmt(struct cli *cli);
int cmd_policy_schema(struct cli *cli);
int cmd_policy_explain(struct cli *cli);
int cmd_policy_apply(struct cli *cli);
int cmd_policy_plan(struct cli *cli);
int cmd_policy_confirm(struct cli *cli);
int cmd_policy_rollback(struct cli *cli);
int cmd_policy_history(struct cli *cli);
int cmd_policy_diff(struct cli *cli);
int cmd_audit_tail(struct cli *cli);
int cmd_audit_verify(struct cli *cli);
int cmd_audit_export(struct cli *cli);
int cmd_audit_prove(struct cli *cli);
int cmd_audit_consistency(struct cli *cli);
int cmd_audit_tlog(struct cli *cli);
int cmd_audit_anchor(struct cli *cli);
int cmd_audit_checkpoint(struct cli *cli);
int cmd_audit_keys(struct cli *cli);
int cmd_audit_search(struct cli *cli);
int cmd_audit_stats(struct cli *cli);
int cmd_audit_index(struct cli *cli);
int cmd_audit_report(struct cli *cli);
int cmd_drops(struct cli *cli);
int cmd_connections(struct cli *cli);
int cmd_connections_services(struct cli *cli);
int cmd_connections_kill(struct cli *cli);
int cmd_risk_list(struct cli *cli);
int cmd_risk_show(struct cli *cli);
int cmd_detach(struct cli *cli);
int cmd_flags_list(struct cli *cli);
int cmd_flags_set(struct cli *cli);
int cmd_flags_rollout(struct cli *cli);
int cmd_flags_target(struct cli *cli);
int cmd_flags_unset(struct cli *cli);
int cmd_backup_create(struct cli *cli);
int cmd_backup_verify(struct cli *cli);
int cmd_backup_restore(struct cli *cli);
int cmd_doctor(struct cli *cli);
int cmd_panic(struct cli *cli);
int cmd_vault_status(struct cli *cli);
int cmd_vault_rotate(struct cli *cli);
int cmd_retention_list(struct cli *cli);
int cmd_retention_set(struct cli *cli);
int cmd_retention_apply(struct cli *cli);
int cmd_retention_hold(struct cli *cli);
int cmd_gdpr_inventory(struct cli *cli);
int cmd_gdpr_access(struct cli *cli);
int cmd_gdpr_export(struct cli *cli);
int cmd_gdpr_erase(struct cli *cli);
int cmd_gdpr_rectify(struct cli *cli);
int cmd_gdpr_list(struct cli *cli);
int cmd_gdpr_show(struct cli *cli);
int cmd_keys_create(struct cli *cli);
int cmd_keys_list(struct cli *cli);
int cmd_keys_revoke(struct cli *cli);
int cmd_keys_rotate(struct cli *cli);
int cmd_sessions_list(struct cli *cli);
int cmd_sessions_end(struct cli *cli);
int cmd_totp_enroll(struct cli *cli);
int cmd_totp_remove(struct cli *cli);

#endif
