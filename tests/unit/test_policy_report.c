/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All that is to be said of a policy at once: errors behind errors, warnings, places and carets. */
#include "test_policy.h"

#include "base/clock.h"
#include "policy/load.h"

#define TICK_NS (4 * NSEC_PER_MSEC)

/* All diagnostics of a text, as "line:column code" each on a line. */
static void judge(const char *text, struct text *ret, struct policy_report *report)
{
	const struct policy_options options = {.report = report};
	_cleanup_(policy_freep) struct policy *p = NULL;
	struct fault f = {0};
	int r = policy_parse_with("p", text, strlen(text), &options, &p, &f);

	assert_int_equal(r<0, report->error_count> 0);
	assert_int_equal(r < 0, f.text[0] != '\0');
	if (p)
		policy_collect(p);
	policy_report_sort(report);
	for (size_t i = 0; i < report->count; i++)
		text_printf(ret, "%u:%u %s\n", report->items[i].line, report->items[i].column,
			    report->items[i].code);
}

static void assert_said(const char *text, const char *words)
{
	_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
	_cleanup_(text_done) struct text said = {.growing = true};

	judge(text, &said, report);
	assert_string_equal(said.data ?: "", words);
}

static void what_is_wrong_is_said_all_at_once(void **state)
{
	(void)state;
	assert_said("apiVersion: weir/v1\n"
		    "mode: enforced\n"
		    "colour: red\n"
		    "lists:\n"
		    "  block:\n"
		    "    entries: [198.51.100.7/24, foo, {cidr: 10.0.0.1, tll: 3h}, [a]]\n"
		    "    feeds: [{name: X, file: a}, {file: /a}]\n"
		    "services:\n"
		    "  web: {proto: [tpc, quic], dport: [http, 9-1]}\n"
		    "  icmp: {proto: icmp, dport: 5}\n"
		    "tenants: {A: {dst: 10.0.0.0/8}, b: {}, c: {dst: [1, 2]}}\n"
		    "limits:\n"
		    "  - {name: a, scope: source, servcie: web, rate: 2k}\n"
		    "  - {name: b, scope: sorce, service: wbe, rate: 2k/s}\n"
		    "  - {name: b, scope: source, rate: 2k/s, rollout: {tenants: [b, x, y]}}\n"
		    "  - {scope: source}\n"
		    "packets: {malformed: x, other: [y]}\n",
		    "2:7 policy.word.unknown\n"
		    "3:1 policy.key.unknown\n"
		    "6:15 policy.cidr.host\n"
		    "6:32 policy.cidr.syntax\n"
		    "6:54 policy.key.unknown\n"
		    "6:64 policy.value.kind\n"
		    "7:20 policy.name\n"
		    "7:29 policy.feed.file\n"
		    "7:33 policy.key.missing\n"
		    "9:17 policy.word.unknown\n"
		    "9:22 policy.word.unknown\n"
		    "9:37 policy.port\n"
		    "9:43 policy.port\n"
		    "10:3 policy.service.ports\n"
		    "11:11 policy.name\n"
		    "11:33 policy.tenant.empty\n"
		    "11:50 policy.cidr.syntax\n"
		    "11:53 policy.cidr.syntax\n"
		    "13:30 policy.key.unknown\n"
		    "13:50 policy.unit.missing\n"
		    "14:22 policy.word.unknown\n"
		    "14:38 policy.word.unknown\n"
		    "15:12 policy.name.duplicate\n"
		    "15:65 policy.word.unknown\n"
		    "15:68 policy.word.unknown\n"
		    "16:5 policy.key.missing\n"
		    "17:22 policy.word.unknown\n"
		    "17:32 policy.value.kind\n");
}

static void a_service_that_is_wrong_is_still_known_to_limits(void **state)
{
	(void)state;
	assert_said(HEAD "services: {web: {proto: tpc}, dns: 5}\n"
			 "limits:\n"
			 "  - {name: a, scope: source, service: web, rate: 1k/s}\n"
			 "  - {name: b, scope: source, service: dns, rate: 1k/s}\n",
		    "3:25 policy.word.unknown\n3:36 policy.value.kind\n");
}

static void no_more_than_100_are_kept(void **state)
{
	_cleanup_(policy_report_freep) struct policy_report *report = NULL;

	(void)state;
	for (unsigned int count = 100; count <= 101; count++) {
		_cleanup_(text_done) struct text t = {.growing = true}, said = {.growing = true};

		policy_report_free(report);
		report = policy_report_new();
		text_puts(&t, HEAD "lists: {block: {entries: [");
		for (unsigned int i = 0; i < count; i++)
			text_printf(&t, "x%u, ", i);
		text_puts(&t, "]}}\n");
		judge(t.data, &said, report);
		assert_int_equal(report->count, 100);
		assert_int_equal(report->full, count > 100);
	}
}

static void a_caret_stands_under_what_is_meant(void **state)
{
	_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
	_cleanup_(text_done) struct text said = {.growing = true}, t = {.growing = true};

	(void)state;
	judge("apiVersion: weir/v1\r\nmode: enforced # \xc3\xbc\r\n", &said, report);
	assert_int_equal(report->count, 1);
	policy_diagnostic_format(&report->items[0], &t);
	assert_string_equal(t.data,
			    "p:2:7: error: unknown mode 'enforced'; did you mean 'enforce'? "
			    "[policy.word.unknown]\n"
			    "  mode: enforced # \xc3\xbc\n"
			    "        ^~~~~~~~\n");
	assert_string_equal(report->items[0].suggestion, "enforce");
	assert_int_equal(report->items[0].width, 8);
}

static void a_long_line_is_cut_around_what_is_meant(void **state)
{
	_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
	_cleanup_(text_done) struct text said = {.growing = true}, t = {.growing = true};
	_cleanup_(text_done) struct text shown = {.growing = true};
	const char *line, *caret;

	(void)state;
	text_puts(&t, HEAD "lists: {block: {entries: [");
	for (unsigned int i = 0; i < 1000; i++)
		text_printf(&t, "\"2001:db8::%u\", ", i);
	text_puts(&t, "wrong, ");
	for (unsigned int i = 1000; i < 2000; i++)
		text_printf(&t, "\"2001:db8::%u\", ", i);
	text_puts(&t, "]}}\n");
	judge(t.data, &said, report);
	policy_diagnostic_format(&report->items[0], &shown);
	line = strchr(shown.data, '\n') + 1;
	caret = strchr(line, '\n') + 1;
	assert_true(caret - line < 200);
	assert_int_equal(strncmp(line + strcspn(caret, "^"), "wrong", 5), 0);
}

static void a_text_that_is_no_yaml_is_one_error(void **state)
{
	(void)state;
	assert_said(HEAD "limits: [{name: a\n", "4:1 policy.yaml.syntax\n");
	assert_said(HEAD "# \x01\n", "3:3 policy.text.control\n");
	assert_said("", "1:1 policy.text.empty\n");
}

/* Warnings: a policy and all that is said of it. */
struct odd {
	const char *promise, *text, *words;
};

#define LISTS(allow, block)                                                                        \
	HEAD "lists: {allow: {entries: [" allow "]}, block: {entries: [" block "]}}\n"
#define BLOCK(block) HEAD "lists: {block: {entries: [" block "]}}\n"
#define LIMITS(...)                                                                                \
	HEAD "services: {web: {proto: tcp, dport: 80}}\nlimits:\n" __VA_ARGS__                     \
	     "  - {name: web, scope: service, service: web, rate: 1M/s}\n"

static const struct odd odd[] = {
	{"a blocked entry that is allowed is odd", LISTS("10.0.0.0/8", "10.1.0.0/16"),
	 "3:59 policy.list.allowed\n"},
	{"an exception from a blocked prefix is not odd", LISTS("10.1.0.0/16", "10.0.0.0/8"), ""},
	{"an allowed entry that ends does not make a blocked one odd",
	 LISTS("{cidr: 10.0.0.0/8, ttl: 1h}", "10.1.0.0/16"), ""},
	{"an allowed entry that outlasts a blocked one makes it odd",
	 LISTS("{cidr: 10.0.0.0/8, ttl: 1h}", "{cidr: 10.1.0.0/16, ttl: 1h}"),
	 "3:76 policy.list.allowed\n"},
	{"an entry that is there twice is odd", BLOCK("10.0.0.1, 10.0.0.2, 10.0.0.1"),
	 "3:47 policy.list.twice\n"},
	{"an entry that a wider one covers is odd", BLOCK("10.0.0.1, 10.0.0.0/8"),
	 "3:27 policy.list.covered\n"},
	{"an entry that outlasts the wider one is not odd",
	 BLOCK("10.0.0.1, {cidr: 10.0.0.0/8, ttl: 1h}"), ""},
	{"entries side by side are not odd", BLOCK("10.0.0.0/9, 10.128.0.0/9, \"2001:db8::/32\""),
	 ""},
	{"all of IPv6 says nothing of IPv4", BLOCK("\"::/0\", 10.0.0.1"), ""},
	{"an allow list of everything is odd", LISTS("0.0.0.0/0", ""),
	 "3:27 policy.list.everything\n"},

	{"a service that no limit names is odd", HEAD "services: {web: {proto: tcp}}\n",
	 "3:12 policy.service.unused\n"},
	{"a service with cookies is not odd",
	 HEAD "services: {web: {proto: tcp, dport: 80, syn_cookies: auto}}\n", ""},
	{"a limit per service names all services",
	 HEAD "services: {web: {proto: tcp}}\n"
	      "limits: [{name: a, scope: source_per_service, rate: 1k/s}]\n",
	 ""},
	{"a service of ICMPv6 at IPv4 is dead, and so is its limit",
	 HEAD "services: {a: {proto: icmp6, dst: 10.0.0.0/8}}\n"
	      "limits: [{name: a, scope: service, service: a, rate: 1k/s}]\n",
	 "3:12 policy.service.dead\n4:10 policy.limit.dead\n"},
	{"a service of both families is not dead",
	 HEAD "services: {a: {proto: [icmp, icmp6], dst: 10.0.0.0/8}}\n"
	      "limits: [{name: a, scope: service, service: a, rate: 1k/s}]\n",
	 ""},
	{"a tenant whose addresses are all those of others is dead",
	 HEAD "tenants: {a: {dst: 10.0.0.0/24}, b: {dst: [10.0.0.0/25, 10.0.0.128/25]}}\n"
	      "limits: [{name: a, scope: global, rate: 1k/s, rollout: {tenants: a}}]\n",
	 "3:11 policy.tenant.dead\n4:10 policy.limit.dead\n"},
	{"a tenant with an address of its own is not dead",
	 HEAD "tenants: {a: {dst: 10.0.0.0/24}, b: {dst: [10.0.0.0/25, 10.0.0.128/26]}}\n", ""},
	{"a limit on sources that are all on a list is dead",
	 HEAD "lists: {allow: {entries: [10.0.0.0/25]}, block: {entries: [10.0.0.128/25]}}\n"
	      "limits: [{name: a, scope: source, rate: 1k/s, rollout: {sources: 10.0.0.0/24}}]\n",
	 "4:10 policy.limit.dead\n"},
	{"a limit on sources of which one is free is not dead",
	 HEAD "lists: {allow: {entries: [10.0.0.0/25]}, block: {entries: [10.0.0.128/26]}}\n"
	      "limits: [{name: a, scope: source, rate: 1k/s, rollout: {sources: 10.0.0.0/24}}]\n",
	 ""},

	{"a limit behind a stricter one of all packets is shadowed",
	 LIMITS("  - {name: a, scope: source, rate: 1k/s}\n"
		"  - {name: b, scope: source, service: web, rate: 2k/s}\n"),
	 "6:5 policy.limit.shadowed\n"},
	{"of two limits that are the same the second is shadowed",
	 LIMITS("  - {name: a, scope: source, rate: 1k/s}\n"
		"  - {name: b, scope: source, rate: 1k/s}\n"),
	 "6:5 policy.limit.shadowed\n"},
	{"a limit with a larger rate and a smaller burst is not shadowed",
	 LIMITS("  - {name: a, scope: source, rate: 1k/s, burst: 5k}\n"
		"  - {name: b, scope: source, service: web, rate: 2k/s}\n"),
	 ""},
	{"a limit with another unit is not shadowed",
	 LIMITS("  - {name: a, scope: source, rate: 1k/s}\n"
		"  - {name: b, scope: source, rate: 2k/s, connections: 10/s}\n"),
	 ""},
	{"a limit that only counts shadows none",
	 LIMITS("  - {name: a, scope: source, rate: 1k/s, action: monitor}\n"
		"  - {name: b, scope: source, rate: 2k/s}\n"),
	 ""},
	{"a limit that sleeps shadows none",
	 LIMITS("  - {name: a, scope: source, rate: 1k/s, schedule: {days: mon, time_zone: UTC}}\n"
		"  - {name: b, scope: source, rate: 2k/s}\n"),
	 ""},
	{"a limit of a part of the sources shadows none",
	 LIMITS("  - {name: a, scope: source, rate: 1k/s, rollout: {percent: 50}}\n"
		"  - {name: b, scope: source, rate: 2k/s}\n"),
	 ""},
	{"a limit whose packets cost less shadows none",
	 LIMITS("  - {name: a, scope: source, rate: 1k/s}\n"
		"  - {name: b, scope: source, rate: 2k/s, cost: {syn: 9}}\n"),
	 ""},
	{"a window is shadowed by a smaller one of the same length",
	 LIMITS("  - {name: a, scope: source, algorithm: fixed_window, rate: 10/s}\n"
		"  - {name: b, scope: source, algorithm: fixed_window, rate: 20/s}\n"),
	 "6:5 policy.limit.shadowed\n"},
	{"a window is not shadowed by one of another length",
	 LIMITS("  - {name: a, scope: source, algorithm: fixed_window, rate: 10/s}\n"
		"  - {name: b, scope: source, algorithm: fixed_window, rate: 20/s, window: 10s}\n"),
	 ""},
	{"bytes that the packets can never fill are odd",
	 LIMITS("  - {name: a, scope: source, rate: 1k/s, byte_rate: 1Gbit/s}\n"),
	 "5:5 policy.limit.never\n"},
	{"bytes that large packets fill are not odd",
	 LIMITS("  - {name: a, scope: source, rate: 20k/s, byte_rate: 1Gbit/s}\n"), ""},
	{"connections that the packets can never reach are odd",
	 LIMITS("  - {name: a, scope: source, rate: 1k/s, connections: 1k/s}\n"),
	 "5:5 policy.limit.never\n"},
};

static void warns(void **state)
{
	const struct odd *o = *state;

	assert_said(o->text, o->words);
}

static void rates_beyond_any_nic_and_hours_that_never_come_are_odd(void **state)
{
	static const char text[] =
		HEAD "limits:\n  - {name: a, scope: global, rate: 1k/s, byte_rate: 1MB/s,"
		     " schedule: {days: mon, time_zone: UTC}}\n";
	_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
	_cleanup_(policy_freep) struct policy *p = NULL;
	struct policy_limit *l;

	(void)state;
	assert_int_equal(policy_parse("p", text, strlen(text), &p, NULL), 0);
	l = p->limits;
	assert_int_equal(policy_lint(p, 0, report), 0);
	assert_int_equal(report->count, 0);
	/* What the language cannot say today: it may, one day. */
	l->rate.count = 2000000001;
	l->byte_rate = 125000000001;
	l->byte_burst = 0;
	assert_int_equal(policy_lint(p, 0, report), 0);
	assert_int_equal(report->count, 1); /* both are said at one place with one code */
	assert_string_equal(report->items[0].code, "policy.limit.never");
	l->schedule->days = 0;
	assert_int_equal(policy_lint(p, 0, report), 0);
	assert_int_equal(report->count, 2);
	assert_string_equal(report->items[1].code, "policy.limit.dead");
}

static void the_examples_are_not_odd(void **state)
{
	static const char *const paths[] = {"tests/data/policies/example.yaml",
					    "tests/data/policies/everything.yaml"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
		const struct policy_options options = {.report = report};
		_cleanup_(policy_freep) struct policy *p = NULL;
		_cleanup_free_ char *copy = NULL;
		struct fault f = {0};

		/* The checkout may be writable for a group: read the text, not the file. */
		_cleanup_fclose_ FILE *file = fopen(paths[i], "re");
		size_t size = 0;

		assert_non_null(file);
		assert_true(getdelim(&copy, &size, EOF, file) > 0);
		assert_int_equal(policy_parse_with(paths[i], copy, strlen(copy), &options, &p, &f),
				 0);
		assert_int_equal(report->count, 0);
	}
}

static void a_file_is_checked_with_all_its_profiles_and_compiled(void **state)
{
	_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
	const struct policy_options options = {.report = report};
	struct policy *p = NULL;
	struct fault f = {0};
	const char *path =
		put(*state, "p.yaml",
		    HEAD "limits:\n"
			 "  - {name: a, scope: source, algorithm: sliding_window, rate: 10M/s}\n"
			 "profiles:\n"
			 "  one: {mode: of}\n"
			 "  two: {limits: [{name: a, rate: 1}]}\n");

	/* The compiler refuses the window, the reader both profiles. */
	assert_int_equal(policy_check(path, &options, TICK_NS, &p, &f), -ERANGE);
	assert_null(p);
	assert_string_equal(f.code, "policy.window.count");
	assert_int_equal(report->error_count, 3);
	assert_string_equal(report->items[0].code, "policy.window.count");
	assert_int_equal(report->items[0].line, 4);
	assert_string_equal(report->items[1].code, "policy.word.unknown");
	assert_non_null(strstr(report->items[1].text, "(in profile 'one')"));
	assert_string_equal(report->items[2].code, "policy.unit.missing");
	assert_int_equal(report->items[2].line, 7);
}

static void a_file_that_cannot_be_read_is_in_the_report(void **state)
{
	_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
	_cleanup_(text_done) struct text t = {.growing = true};
	const struct policy_options options = {.report = report};
	struct policy *p = NULL;
	struct fault f = {0};

	(void)state;
	assert_int_equal(policy_check("/nonexistent/p.yaml", &options, TICK_NS, &p, &f), -ENOENT);
	assert_int_equal(report->error_count, 1);
	policy_diagnostic_format(&report->items[0], &t);
	assert_string_equal(t.data, "error: /nonexistent/p.yaml: No such file or directory "
				    "[policy.file.read]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_said_all_at_once),
		cmocka_unit_test(a_service_that_is_wrong_is_still_known_to_limits),
		cmocka_unit_test(no_more_than_100_are_kept),
		cmocka_unit_test(a_caret_stands_under_what_is_meant),
		cmocka_unit_test(a_long_line_is_cut_around_what_is_meant),
		cmocka_unit_test(a_text_that_is_no_yaml_is_one_error),
		cmocka_unit_test(rates_beyond_any_nic_and_hours_that_never_come_are_odd),
		cmocka_unit_test(the_examples_are_not_odd),
		in_directory(a_file_is_checked_with_all_its_profiles_and_compiled),
		cmocka_unit_test(a_file_that_cannot_be_read_is_in_the_report),
	};
	struct CMUnitTest all[ARRAY_SIZE(tests) + ARRAY_SIZE(odd)];

	memcpy(all, tests, sizeof(tests));
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		all[ARRAY_SIZE(tests) + i] = (struct CMUnitTest){
			.name = odd[i].promise,
			.test_func = warns,
			.initial_state = (void *)(uintptr_t)&odd[i],
		};
	return cmocka_run_group_tests_name("policy_report", all, NULL, NULL);
}
