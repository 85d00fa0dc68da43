/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What fail2ban, ipset, CrowdSec and xdp-filter print or keep: entries with their time and reason, and what is left out. */
#include <sqlite3.h>
#include <time.h>
#include <unistd.h>

#include "lists/feed.h"
#include "test_import.h"

#define ENTRY(cidr, reason) "      - {cidr: " cidr ", reason: \"" reason "\"}\n"

static void what_ipset_saves_becomes_entries_with_what_is_left(void **state)
{
	struct fixture *x = *state;

	import(x, IPSET,
	       "create b hash:ip family inet hashsize 1024 maxelem 65536 timeout 600 comment\n"
	       "add b 192.0.2.1 timeout 599 packets 0 bytes 0 comment \"port scan\"\n"
	       "add b 192.0.2.2 timeout 0\r\n"
	       "create n6 hash:net family inet6\n"
	       "add n6 2001:db8::/32\n"
	       "create m hash:ip netmask 24\n"
	       "add m 198.51.100.0\n"
	       "add m 203.0.113.4-203.0.113.5\n"
	       "COMMIT\n");
	assert_has(x->policy,
		   "      - {cidr: 192.0.2.1, ttl: 599s, reason: \"ipset: b: port scan\"}\n" ENTRY(
			   "192.0.2.2", "ipset: b") ENTRY("198.51.100.0/24", "ipset: m")
			   ENTRY("203.0.113.4/31", "ipset: m")
				   ENTRY("\"2001:db8::/32\"", "ipset: n6"));
	assert_has(x->policy, "# A ttl counts from when the policy is loaded");
	assert_notes(x, 0, 0);
}

static void sets_of_more_than_addresses_are_named_once(void **state)
{
	struct fixture *x = *state;

	import(x, IPSET,
	       "create p hash:ip,port family inet\n"
	       "add p 192.0.2.1,tcp:80\nadd p 192.0.2.2,tcp:80\n"
	       "create b hash:ip\nadd b 192.0.2.3\n"
	       "add gone 192.0.2.4\nadd b\nadd b example\nflush b\nadd b 0.0.0.0/0\n"
	       "add b 192.0.2.5 timeout soon\n");
	assert_has(x->policy, "entries:\n" ENTRY("192.0.2.3", "ipset: b"));
	assert_notes(x, 8, 0);
	assert_skips(x, "line 11", "its timeout is none");
	assert_skips(x, "line 1", "not what a hash:ip,port holds");
	assert_skips(x, "p", "the set is not translated");
	assert_skips(x, "line 6", "no line before it makes a set of that name");
	assert_skips(x, "line 7", "adds nothing");
	assert_skips(x, "line 8", "no address");
	assert_skips(x, "line 9", "only create and add");
	assert_skips(x, "line 10", "every address");
}

static void exceptions_of_a_set_pass(void **state)
{
	struct fixture *x = *state;
	static const char text[] =
		"create n hash:net\nadd n 10.0.0.0/8\nadd n 10.1.0.0/16 nomatch\n";

	import(x, IPSET, text);
	assert_has(x->policy, "  allow:\n    entries:\n" ENTRY("10.1.0.0/16", "ipset: n"));
	assert_has(x->policy, "  block:\n    entries:\n" ENTRY("10.0.0.0/8", "ipset: n"));
	assert_differs(x, "line 3", "it passes limits, too");
	import_as(x, IMPORT_IPSET, LIST_ALLOW, text);
	assert_has(x->policy, "  allow:\n    entries:\n" ENTRY("10.0.0.0/8", "ipset: n"));
	assert_lacks(x->policy, "block:");
	assert_skips(x, "line 3", "an exception from the allow list");
}

static void what_another_entry_says_as_well_is_left_out(void **state)
{
	struct fixture *x = *state;

	import(x, IPSET,
	       "create a hash:net timeout 5\n"
	       "add a 10.0.0.0/8\nadd a 10.1.1.1 timeout 9\nadd a 10.0.0.0/8 timeout 7\n"
	       "create b hash:net timeout 5\n"
	       "add b 192.0.2.0/24 timeout 9\nadd b 192.0.2.1 timeout 9\nadd b 192.0.2.2 timeout 10\n");
	assert_has(x->policy, "entries:\n"
			      "      - {cidr: 10.0.0.0/8, reason: \"ipset: a\"}\n"
			      "      - {cidr: 192.0.2.0/24, ttl: 9s, reason: \"ipset: b\"}\n"
			      "      - {cidr: 192.0.2.2, ttl: 10s, reason: \"ipset: b\"}\n");
	assert_int_equal(x->import->covered, 3);
}

static void what_fail2ban_prints_of_bans_is_read_in_each_form(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	tzset();
	import(x, FAIL2BAN,
	       "[{'sshd': ['192.0.2.1', '2001:db8::5']}, {'proftpd': []}, {\"recidive\": ['203.0.113.9']}]\n"
	       "Status for the jail: nginx\n"
	       "|- Filter\n"
	       "|  `- File list:\t/var/log/nginx/error.log\n"
	       "`- Actions\n"
	       "   |- Currently banned:\t1\n"
	       "   `- Banned IP list:\t192.0.2.7 192.0.2.8\n");
	assert_has(x->policy,
		   ENTRY("192.0.2.1", "fail2ban: sshd") ENTRY("192.0.2.7", "fail2ban: nginx")
			   ENTRY("192.0.2.8", "fail2ban: nginx")
				   ENTRY("203.0.113.9", "fail2ban: recidive")
					   ENTRY("\"2001:db8::5\"", "fail2ban: sshd"));
	assert_notes(x, 0, 1);
	assert_differs(x, "all jails", "weir blocks all that comes from there");
	import(x, FAIL2BAN,
	       "192.0.2.1 \t2026-11-21 13:05:00 + 600 = 2026-11-21 13:15:00\n"
	       "192.0.2.2 \t2026-11-21 13:05:00 + -1 = 9999-12-31 23:59:59\n"
	       "192.0.2.3 \t2026-11-21 13:05:00 + 60 = 2026-11-21 13:06:00\n"
	       "192.0.2.4 \t2026-11-21 13:05:00 + 60 = 4026-11-21 13:06:00\n");
	assert_has(x->policy, "      - {cidr: 192.0.2.1, ttl: 300s, reason: fail2ban}\n"
			      "      - {cidr: 192.0.2.2, reason: fail2ban}\n"
			      "      - {cidr: 192.0.2.4, reason: fail2ban}\n");
	assert_lacks(x->policy, "192.0.2.3");
	assert_skips(x, "line 3", "it has expired");
}

static void times_of_fail2ban_are_those_of_the_clock_on_the_wall(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(setenv("TZ", "XXX-2", 1), 0);
	tzset();
	import(x, FAIL2BAN, "192.0.2.1 \t2026-11-21 15:05:00 + 600 = 2026-11-21 15:15:00\n");
	assert_has(x->policy, "{cidr: 192.0.2.1, ttl: 300s, ");
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	tzset();
}

static void what_jails_count_has_no_counterpart(void **state)
{
	struct fixture *x = *state;

	import(x, FAIL2BAN,
	       "['set', 'sshd', 'maxretry', 5]\n['set', 'sshd', 'addignoreip', '198.18.0.1']\n"
	       "['add', 'sshd', 'polling']\n['set', 'loglevel', 'INFO']\nhello\n");
	assert_lacks(x->policy, "lists:");
	assert_skips(x, "line 1", "has no lockouts");
	assert_skips(x, "line 2", "never banned");
	assert_skips(x, "all jails", "filters, log files and actions");
	assert_skips(x, "line 5", "nothing that fail2ban-client prints");
	import(x, FAIL2BAN, "hello\n");
	assert_string_equal(x->fault.code, "import.empty");
}

/* A database at a path of its own, made by @sql. */
static void make_database(char path[static 40], const char *sql)
{
	sqlite3 *db = NULL;
	int fd;

	strcpy(path, "/tmp/weir-import-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static int import_made(struct fixture *x, const char *sql)
{
	char path[40];
	int r;

	make_database(path, sql);
	forget(x);
	assert_int_equal(import_new(IMPORT_FAIL2BAN, LIST_BLOCK, NOW, &x->import), 0);
	r = import_database(x->import, path, &x->fault);
	if (r == 0)
		make_policy(x);
	unlink(path);
	return r;
}

#define BIPS                                                                                       \
	"CREATE TABLE bips(ip TEXT NOT NULL, jail TEXT NOT NULL, timeofban INTEGER NOT NULL, "     \
	"bantime INTEGER NOT NULL, bancount INTEGER NOT NULL default 1, data JSON, "               \
	"PRIMARY KEY(ip, jail));"
#define BAN(ip, jail, from, time)                                                                  \
	"INSERT INTO bips(ip, jail, timeofban, bantime) VALUES(" ip ", " jail ", " from ", " time  \
	");"

static void bans_in_force_are_read_from_the_database(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(import_made(x, BIPS BAN("'192.0.2.1'", "'sshd'", "1795266500", "600") BAN(
						"'192.0.2.2'", "'recidive'", "1795266500", "-1")
						BAN("'192.0.2.3'", "'sshd'", "1795266000", "600")),
			 0);
	assert_has(x->policy,
		   "      - {cidr: 192.0.2.1, ttl: 500s, reason: \"fail2ban: sshd\"}\n" ENTRY(
			   "192.0.2.2", "fail2ban: recidive"));
	assert_lacks(x->policy, "192.0.2.3");
	assert_notes(x, 0, 1);
}

static void a_database_without_current_bans_has_them_in_its_history(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(
		import_made(x,
			    "CREATE TABLE bans(jail, ip, timeofban, bantime, data);"
			    "INSERT INTO bans VALUES('sshd', '192.0.2.1', 1795266500, 600, '');"),
		0);
	assert_has(x->policy, "{cidr: 192.0.2.1, ttl: 500s, ");
	assert_int_equal(import_made(x, "CREATE TABLE bans(jail, ip, timeofban, data);"), -EINVAL);
	assert_has(x->fault.text, "no table of bans with their duration");
}

static void a_hostile_database_is_refused_or_noted(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(
		import_made(x, "CREATE TABLE bips(ip, jail, timeofban, bantime);" BAN(
				       "7", "'a'", "1", "1") BAN("'x'", "NULL", "1795266500", "600")
				       BAN("'192.0.2.1'", "'a'", "'now'", "1")
					       BAN("'192.0.2.9'", "char(8232) || 'b' || char(10)",
						   "9223372036854775807", "9223372036854775807")),
		0);
	assert_notes(x, 3, 1);
	assert_skips(x, "row 1", "no ban as fail2ban keeps one");
	assert_skips(x, "row 2", "no address");
	assert_has(x->policy, ENTRY("192.0.2.9", "fail2ban: \?\?\?b?"));
	/* A view that never ends. */
	assert_int_equal(
		import_made(x, "CREATE VIEW bips AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
			       "SELECT i + 1 FROM n) SELECT '192.0.2.1' AS ip, 'a' AS jail, 1 AS "
			       "timeofban, 1 AS bantime, i AS rowid FROM n WHERE i < 0;"),
		-EINVAL);
	assert_string_equal(x->fault.code, "import.database");
	forget(x);
	assert_int_equal(import_new(IMPORT_FAIL2BAN, LIST_BLOCK, NOW, &x->import), 0);
	assert_int_equal(import_database(x->import, "/nonexistent", &x->fault), -EIO);
	assert_true(import_is_database("SQLite format 3", 16));
	assert_false(import_is_database("SQLite format 3", 15));
}

static void decisions_of_crowdsec_are_bans_for_as_long_as_they_last(void **state)
{
	struct fixture *x = *state;

	import_file(x, IMPORT_CROWDSEC, "tests/data/import/crowdsec.json");
	assert_has(
		x->policy,
		"      - {cidr: 198.51.100.9, ttl: 14399s, reason: \"crowdsec: crowdsecurity/ssh-bf "
		"(crowdsec)\"}\n"
		"      - {cidr: 203.0.113.0/24, ttl: 3600s, reason: \"crowdsec: firehol (lists)\"}\n");
	assert_notes(x, 3, 0);
	assert_skips(x, "decision 16", "expired");
	assert_skips(x, "decision 18", "addresses and ranges only");
	assert_skips(x, "decision 19", "no such remediation");
	/* As the local API answers, and odd durations. */
	import(x, CROWDSEC,
	       "[{\"duration\":\"400ms\",\"scope\":\"ip\",\"type\":\"ban\",\"value\":\"192.0.2.1\"},"
	       "{\"duration\":\"soon\",\"scope\":\"Ip\",\"type\":\"ban\",\"value\":\"192.0.2.2\"},"
	       "{\"duration\":\"99999999999999h\",\"scope\":\"Ip\",\"type\":\"ban\",\"value\":\"192.0.2.3\"},"
	       "{\"duration\":\"1h\",\"simulated\":true,\"scope\":\"Ip\",\"type\":\"ban\",\"value\":\"192.0.2.4\"},7]");
	assert_has(x->policy, "{cidr: 192.0.2.1, ttl: 1s, ");
	assert_skips(x, "decision at 2", "its duration is none");
	assert_has(x->policy, "{cidr: 192.0.2.3, reason");
	assert_skips(x, "decision at 4", "simulated");
	assert_skips(x, "decision at 5", "no such remediation");
	import(x, CROWDSEC, "null");
	assert_lacks(x->policy, "lists:");
	import(x, CROWDSEC, "{}");
	assert_string_equal(x->fault.code, "import.empty");
}

static void addresses_of_xdp_filter_are_blocked_as_sources_only(void **state)
{
	struct fixture *x = *state;

	import_file(x, IMPORT_XDP_FILTER, "tests/data/import/xdp-filter.txt");
	assert_has(x->policy, "entries:\n      - {cidr: 198.51.100.7, reason: xdp-filter}\n"
			      "      - {cidr: \"2001:db8::7\", reason: xdp-filter}\n");
	assert_lacks(x->policy, "198.51.100.8");
	assert_notes(x, 5, 0);
	assert_skips(x, "line 15", "does not close it");
	assert_skips(x, "line 21", "lists are of sources");
	assert_skips(x, "line 26", "MAC");
	import(x, XDP_FILTER,
	       "Loaded on interfaces:\nxdpfilt_dny_all\n  eth0 (native mode)    tcp,ipv4,deny\n"
	       "Filtered IP addresses:\n  192.0.2.1    src    0\n");
	assert_has(x->policy,
		   "  allow:\n    entries:\n      - {cidr: 192.0.2.1, reason: xdp-filter}\n");
	assert_skips(x, "line 3", "weir passes what nothing blocks");
	import(x, XDP_FILTER, "nothing\n");
	assert_string_equal(x->fault.code, "import.empty");
}

static void a_list_is_a_feed_and_says_what_it_lacks(void **state)
{
	const struct feed_source source = {.path = "list", .format = FEED_PLAIN};
	_cleanup_(list_content_freep) struct list_content *content = NULL;
	struct feed_report report = {0};
	struct fixture *x = *state;
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	struct fault f = {0};

	import(x, IPSET,
	       "create n hash:net timeout 0\nadd n 10.0.0.0/8 timeout 60\nadd n 2001:db8::1\n"
	       "add n 10.1.0.0/16 nomatch\n");
	assert_int_equal(import_list(x->import, &text, &length, &f), 0);
	assert_string_equal(
		text,
		"# Made by weir import: ipset\n10.0.0.0/8 # ipset: n\n2001:db8::1 # ipset: n\n");
	assert_int_equal(feed_parse(&source, text, length, &content, &report, &f), 0);
	assert_int_equal(report.bad, 0);
	assert_skips(x, "--format list", "--as allow writes those");
	assert_differs(x, "--format list", "the longest that is left is 60s");
}

static void more_than_a_policy_holds_is_a_list(void **state)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	_cleanup_free_ char *text = NULL;
	struct fixture *x = *state;
	size_t length = 0;

	text_puts(&t, "create n hash:ip\n");
	for (unsigned int i = 0; i <= POLICY_ENTRIES_MAX; i++)
		text_printf(&t, "add n 10.%u.%u.%u\n", i >> 15, i >> 7 & 255, 2 * (i & 127));
	assert_int_equal(import_new(IMPORT_IPSET, LIST_BLOCK, NOW, &x->import), 0);
	assert_int_equal(import_text(x->import, t.data, t.length, &x->fault), 0);
	assert_int_equal(import_policy(x->import, false, &text, &length, &x->fault), -E2BIG);
	assert_string_equal(x->fault.code, "import.policy");
	assert_has(x->fault.text, "--format list");
	assert_int_equal(import_list(x->import, &text, &length, &x->fault), 0);
	assert_int_equal(import_count(x->import, LIST_BLOCK), POLICY_ENTRIES_MAX + 1);
}

static void a_million_entries_are_taken_and_one_more_is_not(void **state)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	struct fixture *x = *state;

	text_puts(&t, "create n hash:ip\n");
	for (unsigned int i = 0; i < IMPORT_ENTRIES_MAX; i++)
		text_printf(&t, "add n 10.%u.%u.%u\n", i >> 16, i >> 8 & 255, i & 255);
	assert_int_equal(import_new(IMPORT_IPSET, LIST_BLOCK, NOW, &x->import), 0);
	assert_int_equal(import_text(x->import, t.data, t.length, &x->fault), 0);
	assert_int_equal(x->import->count, IMPORT_ENTRIES_MAX);
	text_puts(&t, "add n 192.0.2.1\n");
	forget(x);
	assert_int_equal(import_new(IMPORT_IPSET, LIST_BLOCK, NOW, &x->import), 0);
	assert_int_equal(import_text(x->import, t.data, t.length, &x->fault), -E2BIG);
	assert_string_equal(x->fault.code, "import.full");
}

static void input_beyond_its_limits_is_refused_or_named(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *text = calloc(1, IMPORT_INPUT_MAX + 2);
	char *line = text;

	assert_non_null(text);
	memset(text, '\n', IMPORT_INPUT_MAX + 1);
	assert_int_equal(import_new(IMPORT_IPSET, LIST_BLOCK, NOW, &x->import), 0);
	assert_int_equal(import_text(x->import, text, IMPORT_INPUT_MAX + 1, &x->fault), -EFBIG);
	assert_string_equal(x->fault.code, "import.size");
	/* A line that is too long. */
	line += sprintf(line, "create n hash:ip\nadd n 192.0.2.1 comment \"");
	memset(line, 'x', IMPORT_LINE_MAX);
	strcpy(line + IMPORT_LINE_MAX, "\"\nadd n 192.0.2.2\n");
	import(x, IPSET, text);
	assert_lacks(x->policy, "192.0.2.1,");
	assert_has(x->policy, "192.0.2.2,");
	assert_skips(x, "line 2", "longer than 4096 bytes");
	/* Values of JSON. */
	memset(text, ',', IMPORT_VALUES_MAX);
	text[IMPORT_VALUES_MAX] = '\0';
	import(x, CROWDSEC, text);
	assert_string_equal(x->fault.code, "import.values");
	/* Notes are kept up to a number and counted beyond it. */
	for (line = text; line < text + 3 * (IMPORT_NOTES_MAX + 5); line += 3)
		memcpy(line, "x y\n", 4);
	strcpy(line, "\ncreate n hash:ip\n");
	for (char *c = text; c < line; c++)
		*c = (c - text) % 2 ? '\n' : 'x';
	import(x, IPSET, text);
	assert_int_equal(x->import->note_count, IMPORT_NOTES_MAX);
	assert_true(x->import->counts[IMPORT_SKIPPED] > IMPORT_NOTES_MAX);
}

static void the_summary_counts_and_names(void **state)
{
	struct fixture *x = *state;
	_cleanup_(json_decrefp) json_t *summary = NULL;
	_cleanup_free_ char *text = NULL;

	import(x, IPSET, "create n hash:net\nadd n 10.0.0.0/8\nadd n 10.0.0.1\nadd n x\n");
	summary = import_summary(x->import);
	text = json_dumps(summary, JSON_COMPACT);
	assert_string_equal(
		text,
		"{\"tool\":\"ipset\",\"translated\":{\"allow\":0,\"block\":1,\"covered\":1,"
		"\"services\":0,\"limits\":0},\"skipped\":[{\"line\":4,\"place\":null,\"text\":\"x\","
		"\"why\":\"it is no address, prefix or range\"}],\"skipped_count\":1,\"differs\":[],"
		"\"differs_count\":0}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_ipset_saves_becomes_entries_with_what_is_left),
		TEST(sets_of_more_than_addresses_are_named_once),
		TEST(exceptions_of_a_set_pass),
		TEST(what_another_entry_says_as_well_is_left_out),
		TEST(what_fail2ban_prints_of_bans_is_read_in_each_form),
		TEST(times_of_fail2ban_are_those_of_the_clock_on_the_wall),
		TEST(what_jails_count_has_no_counterpart),
		TEST(bans_in_force_are_read_from_the_database),
		TEST(a_database_without_current_bans_has_them_in_its_history),
		TEST(a_hostile_database_is_refused_or_noted),
		TEST(decisions_of_crowdsec_are_bans_for_as_long_as_they_last),
		TEST(addresses_of_xdp_filter_are_blocked_as_sources_only),
		TEST(a_list_is_a_feed_and_says_what_it_lacks),
		TEST(more_than_a_policy_holds_is_a_list),
		TEST(a_million_entries_are_taken_and_one_more_is_not),
		TEST(input_beyond_its_limits_is_refused_or_named),
		TEST(the_summary_counts_and_names),
	};

	return cmocka_run_group_tests_name("import: lists", tests, NULL, NULL);
}
