/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * weir: one binary, the daemon and everything that asks it. This table is all that it can be told
 * to do; usage and help are made from it.
 */
#include "base/cleanup.h"
#include "cli/cli.h"
#include "daemon/daemon.h"
#include "top/top.h"

#define ENTRY_OPTIONS                                                                              \
	CLI_ONLINE, CLI_TAKES(TTL), CLI_TAKES(REASON), CLI_TAKES(FORCE), CLI_TAKES(DRY_RUN)
#define APPLY_OPTIONS                                                                              \
	CLI_ONLINE, CLI_TAKES(REASON), CLI_TAKES(BASE), CLI_TAKES(CONFIRM), CLI_TAKES(FORCE),      \
		CLI_TAKES(PROFILE), CLI_TAKES(DRY_RUN)
#define CHANGE_OPTIONS	 CLI_ONLINE, CLI_TAKES(DRY_RUN)
#define ROLLBACK_OPTIONS CHANGE_OPTIONS, CLI_TAKES(REASON), CLI_TAKES(BASE)
#define FLAG_OPTIONS	 CHANGE_OPTIONS, CLI_TAKES(TTL), CLI_TAKES(REASON)
#define VERIFY_OPTIONS                                                                             \
	CLI_OFFLINE, CLI_TAKES(SINCE), CLI_TAKES(UNTIL), CLI_TAKES(CHECKPOINT), CLI_TAKES(KEY),    \
		CLI_TAKES(NO_PROGRESS)
#define ANCHOR_OPTIONS CLI_ONLINE, CLI_TAKES(EXEC), CLI_TAKES(FILE), CLI_TAKES(URL)
#define SEAL_OPTIONS   CHANGE_OPTIONS, CLI_TAKES(DIR), CLI_TAKES(REASON)
#define TAIL_OPTIONS                                                                               \
	CLI_ONLINE, CLI_TAKES(LINES), CLI_TAKES(DIR), CLI_TAKES(SEALED), CLI_TAKES(VAULT_KEY)
#define QUERY_OPTIONS /* of user/cli/query.c, of the log or of the files in a directory */         \
	CLI_ONLINE, CLI_TAKES(DIR), CLI_TAKES(SINCE), CLI_TAKES(UNTIL), CLI_TAKES(TYPE),           \
		CLI_TAKES(CATEGORY), CLI_TAKES(SEVERITY), CLI_TAKES(ACTOR), CLI_TAKES(ADDRESS),    \
		CLI_TAKES(RULE), CLI_TAKES(RESOURCE), CLI_TAKES(OUTCOME), CLI_TAKES(TEXT),         \
		CLI_TAKES(SEALED), CLI_TAKES(VAULT_KEY)
#define SEARCH_OPTIONS                                                                             \
	QUERY_OPTIONS, CLI_TAKES(LIMIT), CLI_TAKES(CURSOR), CLI_TAKES(OLDEST), CLI_TAKES(FOLLOW),  \
		CLI_TAKES(SCAN)
#define STATS_OPTIONS                                                                              \
	CLI_ONLINE, CLI_TAKES(DIR), CLI_TAKES(SINCE), CLI_TAKES(UNTIL), CLI_TAKES(SCAN),           \
		CLI_TAKES(VAULT_KEY)
#define EXPORT_OPTIONS QUERY_OPTIONS, CLI_TAKES(FORMAT), CLI_TAKES(GZIP)
#define DETACH_OPTIONS                                                                             \
	CHANGE_OPTIONS, CLI_TAKES(STATE_DIR), CLI_TAKES(BPFFS), CLI_TAKES(IFACE),                  \
		CLI_TAKES(VAULT_KEY), CLI_TAKES(YES)
#define PANIC_OPTIONS CHANGE_OPTIONS, CLI_TAKES(REASON), CLI_TAKES(BPFFS)
#define CHECK_OPTIONS CLI_OFFLINE, CLI_TAKES(PROFILE), CLI_TAKES(STRICT)
#define FMT_OPTIONS   CLI_OFFLINE, CLI_TAKES(WRITE), CLI_TAKES(CHECK), CLI_TAKES(PROFILE)
#define REPORT_OPTIONS                                                                             \
	CLI_ONLINE, CLI_TAKES(SINCE), CLI_TAKES(UNTIL), CLI_TAKES(DAYS), CLI_TAKES(FRAMEWORK),     \
		CLI_TAKES(FORMAT), CLI_TAKES(FILE), CLI_TAKES(DIR), CLI_TAKES(CHECKPOINT),         \
		CLI_TAKES(KEY), CLI_TAKES(VAULT_KEY)

#define IMPORT_OPTIONS                                                                             \
	CLI_ONLINE, CLI_TAKES(FORMAT), CLI_TAKES(FILE), CLI_TAKES(AS), CLI_TAKES(APPLY),           \
		CLI_TAKES(FORCE), CLI_TAKES(DRY_RUN), CLI_TAKES(STRICT)

#define TRACE_OPTIONS                                                                              \
	CLI_ONLINE, CLI_TAKES(SAMPLE), CLI_TAKES(COUNT), CLI_TAKES(SNAP), CLI_TAKES(PCAP),         \
		CLI_TAKES(BUDGET), CLI_TAKES(HIDE_ADDRESSES)

static const struct command commands[] = {
	{"daemon", "--iface NAME --policy FILE",
	 "enforce a policy on an interface until told to stop", .main = daemon_main},
	{"status", "", "what is enforced, and what became of the packets", CLI_LIST(CLI_ONLINE),
	 .fn = cmd_status},
	{"top", "", "who sends most, what limits do, what happens: live, on a screen",
	 CLI_LIST(CLI_ONLINE, CLI_TAKES(ONCE)), .fn = cmd_top},
	{"block", "CIDR", "put an address or prefix on the block list", CLI_LIST(ENTRY_OPTIONS),
	 .fn = cmd_block},
	{"unblock", "CIDR", "take it off the block list", CLI_LIST(CHANGE_OPTIONS),
	 .fn = cmd_unblock},
	{"allow", "CIDR", "put it on the allow list, which wins over everything",
	 CLI_LIST(ENTRY_OPTIONS), .fn = cmd_allow},
	{"unallow", "CIDR", "take it off the allow list",
	 CLI_LIST(CHANGE_OPTIONS, CLI_TAKES(FORCE)), .fn = cmd_unallow},
	{"lists", "[LIST]", "the size of the lists, or the entries of one: allow or block",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_lists},
	{"feeds", "", "the files that lists are read from, and what became of them",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_feeds},
	{"limits post", "LIMIT NUMBER", "post the number that an adaptive limit follows",
	 CLI_LIST(CHANGE_OPTIONS), .fn = cmd_limits_post},
	{"limits", "", "the limits, and what each let pass and dropped", CLI_LIST(CLI_ONLINE),
	 .fn = cmd_limits},
	{"tenants list", "", "the tenants, and how much of their quotas they have used",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_tenants_list},
	{"tenants show", "TENANT", "one of them", CLI_LIST(CLI_ONLINE), .fn = cmd_tenants_show},
	{"tenants usage", "TENANT",
	 "what one of them used, by day, and what that costs; --format csv: for bills",
	 CLI_LIST(CLI_ONLINE, CLI_TAKES(DAYS), CLI_TAKES(FORMAT)), .fn = cmd_tenants_usage},
	{"source", "ADDRESS", "all that is known of one address, and why it passes or not",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_source},
	{"drops", "", "who dropped what: NIC, weir, the kernel or a socket; and whose packets",
	 CLI_LIST(CLI_ONLINE, CLI_TAKES(IFACE), CLI_TAKES(FLOW), CLI_TAKES(LINES),
		  CLI_TAKES(WATCH)),
	 .fn = cmd_drops},
	{"connections services", "",
	 "TCP connections by port: how many, and how long handshakes, first bytes and they took",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_connections_services},
	{"connections kill", "FILTER [FILTER] [FILTER] [FILTER]",
	 "end TCP connections: by peer, :PORT, state or older=10m",
	 CLI_LIST(CLI_ONLINE, CLI_TAKES(REASON), CLI_TAKES(FORCE), CLI_TAKES(DRY_RUN),
		  CLI_TAKES(YES)),
	 .fn = cmd_connections_kill},
	{"connections", "[FILTER] [FILTER] [FILTER] [FILTER]",
	 "the TCP connections: by peer, :PORT, state or older=10m", CLI_LIST(CLI_ONLINE),
	 .fn = cmd_connections},
	{"explain", "PACKET", "what would become of a packet, stage by stage, and why",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_explain},
	{"policy check", "FILE", "say all that is wrong with a policy, or odd; needs no daemon",
	 CLI_LIST(CHECK_OPTIONS), .fn = cmd_policy_check},
	{"policy fmt", "[FILE]", "write a policy (or stdin) the one way that all are written",
	 CLI_LIST(FMT_OPTIONS), .fn = cmd_policy_fmt},
	{"policy schema", "", "the JSON Schema of policies, for editors", CLI_LIST(CLI_OFFLINE),
	 .fn = cmd_policy_schema},
	{"policy explain", "[KEY]",
	 "what a key of a policy means, such as limits.rate; or all keys", CLI_LIST(CLI_OFFLINE),
	 .fn = cmd_policy_explain},
	{"policy apply", "[FILE]", "replace the policy; without FILE, read the daemon's file again",
	 CLI_LIST(APPLY_OPTIONS), .fn = cmd_policy_apply},
	{"policy plan", "[FILE]",
	 "what a policy would change, and have dropped of the last minutes' traffic",
	 CLI_LIST(CLI_ONLINE, CLI_TAKES(PROFILE)), .fn = cmd_policy_plan},
	{"policy confirm", "[GENERATION]", "keep the policy that was applied with --confirm",
	 CLI_LIST(CHANGE_OPTIONS), .fn = cmd_policy_confirm},
	{"policy rollback", "[GENERATION]", "go back to a former policy; without GENERATION, one",
	 CLI_LIST(ROLLBACK_OPTIONS), .fn = cmd_policy_rollback},
	{"policy history", "", "the policies that were in force, by whom and why",
	 CLI_LIST(CLI_ONLINE, CLI_TAKES(LINES)), .fn = cmd_policy_history},
	{"policy diff", "GENERATION [GENERATION]",
	 "what changed since a generation, or from one to another",
	 CLI_LIST(CLI_ONLINE, CLI_TAKES(PROFILE)), .fn = cmd_policy_diff},
	{"policy show", "[GENERATION]", "the policy in force, or a former one",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_policy_show},
	{"import", "TOOL [FILE]",
	 "make a policy of what nft, ipset, fail2ban, crowdsec or xdp-filter prints; needs no daemon",
	 CLI_LIST(IMPORT_OPTIONS), .fn = cmd_import},
	{"flags list", "", "the flags: for whom they are on, since when, by whom and why",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_flags_list},
	{"flags set", "FLAG on|off", "switch a flag on or off, whatever the policy says",
	 CLI_LIST(FLAG_OPTIONS), .fn = cmd_flags_set},
	{"flags rollout", "FLAG SHARE", "have it on for a share of the sources, such as 25%",
	 CLI_LIST(FLAG_OPTIONS), .fn = cmd_flags_rollout},
	{"flags target", "FLAG", "have it on for some sources or tenants, whatever its share",
	 CLI_LIST(FLAG_OPTIONS, CLI_TAKES(SOURCES), CLI_TAKES(TENANTS)), .fn = cmd_flags_target},
	{"flags unset", "FLAG", "have it as the policy says again", CLI_LIST(CHANGE_OPTIONS),
	 .fn = cmd_flags_unset},
	{"audit tail", "", "the last records of the audit log", CLI_LIST(TAIL_OPTIONS),
	 .fn = cmd_audit_tail},
	{"audit search", "", "records of the audit log: by time, type, actor, address, ...",
	 CLI_LIST(SEARCH_OPTIONS), .fn = cmd_audit_search},
	{"audit stats", "", "how many records by type, severity, actor, rule and hour",
	 CLI_LIST(STATS_OPTIONS), .fn = cmd_audit_stats},
	{"audit index", "check|rebuild [DIR]",
	 "compare the indexes of the audit log with it, or make them anew; needs no daemon",
	 CLI_LIST(CLI_OFFLINE), .fn = cmd_audit_index},
	{"audit verify", "[DIR]", "recompute the audit log; needs no daemon",
	 CLI_LIST(VERIFY_OPTIONS), .fn = cmd_audit_verify},
	{"audit export", "[FILE]", "write records for other programs, with a manifest beside FILE",
	 CLI_LIST(EXPORT_OPTIONS), .fn = cmd_audit_export},
	{"audit prove", "RECORD",
	 "write the proof that a record, by event_id or index, is in the log; --check: RECORD is such a file",
	 CLI_LIST(CLI_OFFLINE, CLI_TAKES(DIR), CLI_TAKES(CHECK), CLI_TAKES(KEY)),
	 .fn = cmd_audit_prove},
	{"audit consistency", "OLD NEW",
	 "prove that one checkpoint continues another: files, or numbers of records",
	 CLI_LIST(CLI_OFFLINE, CLI_TAKES(DIR), CLI_TAKES(KEY)), .fn = cmd_audit_consistency},
	{"audit tlog", "OUTPUT",
	 "write the log as tools for transparency logs read it (C2SP tlog-tiles)",
	 CLI_LIST(CLI_OFFLINE, CLI_TAKES(DIR)), .fn = cmd_audit_tlog},
	{"audit anchor", "", "hand the checkpoint out, and record the receipt",
	 CLI_LIST(ANCHOR_OPTIONS), .fn = cmd_audit_anchor},
	{"audit checkpoint", "[acknowledge]",
	 "the signed checkpoint; acknowledge: sign again though the log contradicts it",
	 CLI_LIST(SEAL_OPTIONS), .fn = cmd_audit_checkpoint},
	{"audit keys", "[list|rotate]", "the keys that sign the audit log: list, or rotate",
	 CLI_LIST(SEAL_OPTIONS), .fn = cmd_audit_keys, .rows = "keys"},
	{"vault status", "", "what the log says about people, where it is kept, and how",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_vault_status},
	{"vault rotate", "", "lock the vault with a new key, which takes the former one's place",
	 CLI_LIST(CHANGE_OPTIONS), .fn = cmd_vault_rotate},
	{"retention list", "", "how long records are kept, by category, and what is held",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_retention_list},
	{"retention set", "CATEGORY AGE|forever", "keep records of a category so long, such as 30d",
	 CLI_LIST(CHANGE_OPTIONS, CLI_TAKES(REASON)), .fn = cmd_retention_set},
	{"retention apply", "", "archive and take out now what is past its time",
	 CLI_LIST(CHANGE_OPTIONS), .fn = cmd_retention_apply},
	{"retention hold", "add|list|remove [ID|KEY=VALUE] [KEY=VALUE] [KEY=VALUE] [KEY=VALUE]",
	 "keep records that would expire: category=, since=, until=, subject=",
	 CLI_LIST(CHANGE_OPTIONS, CLI_TAKES(REASON)), .fn = cmd_retention_hold},
	{"gdpr inventory", "",
	 "what is kept about people: where, why and how long; needs no daemon",
	 CLI_LIST(CLI_OFFLINE), .fn = cmd_gdpr_inventory, .rows = "places"},
	{"gdpr access", "SUBJECT", "all that is known of an address or a name",
	 CLI_LIST(CHANGE_OPTIONS, CLI_TAKES(REASON)), .fn = cmd_gdpr_access},
	{"gdpr export", "SUBJECT", "the records about them, as CSV",
	 CLI_LIST(CHANGE_OPTIONS, CLI_TAKES(REASON)), .fn = cmd_gdpr_export},
	{"gdpr erase", "SUBJECT [keep-lists]",
	 "erase them from records and lists; with keep-lists, enforcement stays",
	 CLI_LIST(CHANGE_OPTIONS, CLI_TAKES(REASON), CLI_TAKES(YES)), .fn = cmd_gdpr_erase},
	{"gdpr rectify", "SUBJECT EVENT_ID STATEMENT", "put a statement beside a record about them",
	 CLI_LIST(CHANGE_OPTIONS, CLI_TAKES(REASON)), .fn = cmd_gdpr_rectify},
	{"gdpr list", "", "what data subjects asked for, and what became of it",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_gdpr_list},
	{"gdpr show", "ID", "one of these requests", CLI_LIST(CLI_ONLINE), .fn = cmd_gdpr_show},
	{"audit report", "", "what the audit log shows of a time, on a page that prints",
	 CLI_LIST(REPORT_OPTIONS), .fn = cmd_audit_report},
	{"trace", "[FILTER...]",
	 "packets one by one: src, dst, port, proto, verdict, reason, rule, ...",
	 CLI_LIST(TRACE_OPTIONS), .fn = cmd_trace},
	{"risk list", "", "the sources that made themselves most suspicious", CLI_LIST(CLI_ONLINE),
	 .fn = cmd_risk_list, .rows = "sources"},
	{"risk show", "ADDRESS", "what one source made of itself", CLI_LIST(CLI_ONLINE),
	 .fn = cmd_risk_show},
	{"metrics", "", "the metrics as Prometheus reads them",
	 CLI_LIST(CLI_ONLINE, CLI_TAKES(TEXTFILE)), .fn = cmd_metrics},
	{"detach", "", "end enforcement, also when no daemon is running", CLI_LIST(DETACH_OPTIONS),
	 .fn = cmd_detach},
	{"backup create", "FILE", "write state, audit log and policy to one archive",
	 CLI_LIST(CLI_ONLINE, CLI_TAKES(STATE_DIR), CLI_TAKES(POLICY), CLI_TAKES(WITH_KEYS)),
	 .fn = cmd_backup_create},
	{"backup verify", "FILE", "check such an archive, and all that is in it; needs no daemon",
	 CLI_LIST(CLI_OFFLINE), .fn = cmd_backup_verify},
	{"backup restore", "FILE", "put it back; no daemon may run, and nothing is overwritten",
	 CLI_LIST(CLI_OFFLINE, CLI_TAKES(STATE_DIR), CLI_TAKES(POLICY), CLI_TAKES(FORCE),
		  CLI_TAKES(YES)),
	 .fn = cmd_backup_restore},
	{"keys create", "NAME", "make an API key: which role, and of that what, where, when",
	 CLI_LIST(CHANGE_OPTIONS, CLI_TAKES(ROLE), CLI_TAKES(PERMISSIONS), CLI_TAKES(SOURCES),
		  CLI_TAKES(TENANTS), CLI_TAKES(HOURS), CLI_TAKES(RATE), CLI_TAKES(TTL)),
	 .fn = cmd_keys_create},
	{"keys list", "", "the API keys: what they are for, by whom, and when they were used last",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_keys_list},
	{"keys rotate", "KEY", "make another one in its place; --ttl: it stays good so long",
	 CLI_LIST(CHANGE_OPTIONS, CLI_TAKES(TTL)), .fn = cmd_keys_rotate},
	{"keys revoke", "KEY", "end a key, and the sessions that it opened",
	 CLI_LIST(CHANGE_OPTIONS), .fn = cmd_keys_revoke},
	{"sessions list", "", "the sessions that are open: one's own, of an admin everybody's",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_sessions_list},
	{"sessions end", "SESSION", "end one", CLI_LIST(CHANGE_OPTIONS), .fn = cmd_sessions_end},
	{"totp enroll", "[ALGORITHM]",
	 "have what does harm take a one-time password from now on: sha1 or sha256",
	 CLI_LIST(CHANGE_OPTIONS), .fn = cmd_totp_enroll},
	{"totp remove", "[UID]", "no longer; with UID, of somebody who lost theirs",
	 CLI_LIST(CHANGE_OPTIONS), .fn = cmd_totp_remove},
	{"api", "METHOD PATH", "any request to the daemon, such as GET /openapi.json",
	 CLI_LIST(CLI_ONLINE, CLI_TAKES(DATA), CLI_TAKES(HEADER)), .fn = cmd_api},
	{"roles", "", "who may do what, and what you may", CLI_LIST(CLI_ONLINE), .fn = cmd_roles},
	{"doctor", "", "what is wrong with this host, and the command that mends it",
	 CLI_LIST(CLI_ONLINE, CLI_TAKES(STATE_DIR), CLI_TAKES(BPFFS), CLI_TAKES(POLICY),
		  CLI_TAKES(IFACE)),
	 .fn = cmd_doctor, .rows = "checks"},
	{"panic", "[MODE]",
	 "override the policy at once, also without a daemon: off, monitor, enforce or clear",
	 CLI_LIST(PANIC_OPTIONS), .fn = cmd_panic},
	{"completion", "SHELL [WORD...]",
	 "what makes a shell complete our words: bash, zsh or fish; words: what completes the last WORD",
	 CLI_LIST(CLI_ONLINE), .fn = cmd_completion},
	{"version", "", "the version", CLI_LIST(CLI_OFFLINE), .fn = cmd_version},
	{"help", "[COMMAND] [COMMAND]", "this list, or what a command takes",
	 CLI_LIST(CLI_OFFLINE, CLI_TAKES(MAN)), .fn = cmd_help},
};

int main(int argc, char **argv)
{
	struct cli cli = {
		.commands = commands,
		.command_count = ARRAY_SIZE(commands),
		.out = stdout,
		.err = stderr,
	};

	return cli_run(&cli, argc, argv);
}
