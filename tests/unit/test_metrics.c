/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The exposition text, to the byte, in both formats; the rules that its names keep; and what Prometheus' own checker
 * says about all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "metrics/metrics.h"

#define PROMTOOL "/usr/bin/promtool"

static void samples_follow_their_help_and_type(void **unused)
{
	_cleanup_(text_done) struct text out = {.growing = true};
	struct metrics m;

	(void)unused;
	metrics_init(&m, METRICS_TEXT, &out);
	metrics_family(&m, METRIC_LIST_ENTRIES);
	metrics_sample(&m, 0, "list", "allow", "kind", "address", NULL);
	metrics_sample(&m, UINT64_MAX, "list", "block", "kind", "prefix", NULL);
	metrics_single(&m, METRIC_AUDIT_COMMITS_TOTAL, 7);
	assert_string_equal(
		out.data,
		"# HELP weir_list_entries Entries of the allow and block list, by kind: address or prefix.\n"
		"# TYPE weir_list_entries gauge\n"
		"weir_list_entries{list=\"allow\",kind=\"address\"} 0\n"
		"weir_list_entries{list=\"block\",kind=\"prefix\"} 18446744073709551615\n"
		"# HELP weir_audit_commits_total Batches of records made durable.\n"
		"# TYPE weir_audit_commits_total counter\n"
		"weir_audit_commits_total 7\n");
}

static void a_label_value_cannot_forge_a_sample(void **unused)
{
	_cleanup_(text_done) struct text out = {.growing = true};
	struct metrics m;

	(void)unused;
	metrics_init(&m, METRICS_TEXT, &out);
	metrics_family(&m, METRIC_BUILD_INFO);
	metrics_sample(&m, 1, "version", "a\\b\"} 2\nweir_x 3\n", NULL);
	metrics_sample(&m, 1, "version", "", NULL);
	assert_string_equal(strchr(strstr(out.data, "# TYPE"), '\n') + 1,
			    "weir_build_info{version=\"a\\\\b\\\"} 2\\nweir_x 3\\n\"} 1\n"
			    "weir_build_info{version=\"\"} 1\n");
}

static void real_numbers_are_written_as_prometheus_reads_them(void **unused)
{
	static const struct {
		double value;
		const char *want;
	} cases[] = {
		{0, " 0\n"},
		{0.25, " 0.25\n"},
		{1700000000.5, " 1700000000.5\n"},
		{-1e300, " -1e+300\n"},
		{INFINITY, " +Inf\n"},
		{-INFINITY, " -Inf\n"},
		{NAN, " NaN\n"},
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(text_done) struct text out = {.growing = true};
		struct metrics m;

		metrics_init(&m, METRICS_TEXT, &out);
		metrics_family(&m, METRIC_START_TIME_SECONDS);
		metrics_sample_double(&m, cases[i].value, NULL);
		assert_string_equal(strrchr(out.data, ' '), cases[i].want);
	}
}

static bool is_word(const char *s)
{
	return islower(*s) && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void family_names_keep_the_rules(void **unused)
{
	(void)unused;
	for (int i = 0; i < METRIC_MAX; i++) {
		const struct metric_info *info = metric_info((enum metric)i);
		size_t length = strlen(info->name);
		bool total = length > 6 && strcmp(info->name + length - 6, "_total") == 0;
		_cleanup_free_ char *labels = strdup(info->labels);
		char *rest = labels, *label;

		assert_true(is_word(info->name));
		assert_memory_equal(info->name, "weir_", 5);
		assert_int_equal(total, info->type == METRIC_COUNTER);
		assert_true(strlen(info->help) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(info->name, metric_info((enum metric)j)->name);
		while (*info->labels && (label = strsep(&rest, " "))) {
			assert_true(is_word(label));
			assert_string_not_equal(label, "source"); /* never an address */
			assert_string_not_equal(label, "le");
		}
	}
}

static void openmetrics_has_units_infos_and_an_end(void **unused)
{
	_cleanup_(text_done) struct text out = {.growing = true};
	struct metrics m;

	(void)unused;
	metrics_init(&m, METRICS_OPENMETRICS, &out);
	metrics_family(&m, METRIC_LINK_GAP_SECONDS_TOTAL);
	metrics_sample_double(&m, 0.5, "iface", "eth0", NULL);
	metrics_family(&m, METRIC_BUILD_INFO);
	metrics_sample(&m, 1, "version", "1.0", NULL);
	assert_int_equal(m.series, 2);
	metrics_end(&m);
	assert_string_equal(
		out.data,
		"# HELP weir_link_gap_seconds How long the interface was there and not protected, since the daemon started.\n"
		"# TYPE weir_link_gap_seconds counter\n"
		"# UNIT weir_link_gap_seconds seconds\n"
		"weir_link_gap_seconds_total{iface=\"eth0\"} 0.5\n"
		"# HELP weir_build Always 1; says which weir runs.\n"
		"# TYPE weir_build info\n"
		"weir_build_info{version=\"1.0\"} 1\n"
		"# EOF\n");
}

static const struct metrics_exemplar exemplar = {.request_id = "r-1",
						 .trace_id = "0af7651916cd43dd8448eb211c80319c",
						 .value = 0.25,
						 .time_s = 1700000000.5};

static void exemplars_are_for_openmetrics_alone(void **unused)
{
	static const char *const want[METRICS_FORMAT_MAX] = {
		"\nweir_api_requests_total{operation=\"getStatus\",code=\"403\"} 3\n"
		"weir_api_requests_total{operation=\"getStatus\",code=\"200\"} 4\n",
		"\nweir_api_requests_total{operation=\"getStatus\",code=\"403\"} 3 # {request_id=\"r-1\","
		"trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 0.25 1700000000.500\n"
		"weir_api_requests_total{operation=\"getStatus\",code=\"200\"} 4\n# EOF\n",
	};

	(void)unused;
	for (enum metrics_format i = 0; i < METRICS_FORMAT_MAX; i++) {
		_cleanup_(text_done) struct text out = {.growing = true};
		struct metrics m;

		metrics_init(&m, i, &out);
		metrics_family(&m, METRIC_API_REQUESTS_TOTAL);
		metrics_exemplar(&m, &exemplar);
		metrics_sample(&m, 3, "operation", "getStatus", "code", "403", NULL);
		metrics_sample(&m, 4, "operation", "getStatus", "code", "200", NULL);
		metrics_end(&m);
		assert_string_equal(strstr(out.data, "\nweir_api"), want[i]);
	}
}

static void a_histogram_adds_up_its_buckets(void **unused)
{
	struct histogram h = {.first = 2, .buckets = 2, .unit = 1e-6};
	const struct metrics_exemplar exemplars[3] = {[1] = exemplar};
	_cleanup_(text_done) struct text out = {.growing = true};
	struct metrics m;

	(void)unused;
	for (uint64_t i = 0; i <= 9; i++) /* 0 to 4; 5 to 8; 9 */
		histogram_add(&h, i);
	h.exemplars = exemplars;
	metrics_init(&m, METRICS_OPENMETRICS, &out);
	metrics_family(&m, METRIC_API_REQUEST_DURATION_SECONDS);
	metrics_histogram(&m, &h, 1700000000, NULL);
	assert_string_equal(
		strstr(out.data, "weir_api_request_duration_seconds_bucket"),
		"weir_api_request_duration_seconds_bucket{le=\"4e-06\"} 5\n"
		"weir_api_request_duration_seconds_bucket{le=\"8e-06\"} 9 # {request_id=\"r-1\","
		"trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 0.25 1700000000.500\n"
		"weir_api_request_duration_seconds_bucket{le=\"+Inf\"} 10\n"
		"weir_api_request_duration_seconds_sum 4.5e-05\n"
		"weir_api_request_duration_seconds_count 10\n"
		"weir_api_request_duration_seconds_created 1700000000.000\n");
}

static void every_number_has_its_bucket(void **unused)
{
	const struct histogram h = {.first = 3, .buckets = 4, .unit = 1};
	static const struct {
		uint64_t units;
		unsigned int bucket;
	} cases[] = {{0, 0},  {1, 0},  {8, 0},	{9, 1},	 {16, 1},	 {17, 2},
		     {32, 2}, {33, 3}, {64, 3}, {65, 4}, {UINT64_MAX, 4}};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(histogram_bucket(&h, cases[i].units), cases[i].bucket);
}

static void the_format_is_the_one_that_is_accepted(void **unused)
{
	static const struct {
		const char *accept;
		enum metrics_format want;
	} cases[] = {
		{NULL, METRICS_TEXT},
		{"", METRICS_TEXT},
		{"*/*", METRICS_TEXT},
		{"text/plain", METRICS_TEXT},
		{"application/openmetrics-text", METRICS_OPENMETRICS},
		{"Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", METRICS_OPENMETRICS},
		{"application/openmetrics-text; version=0.0.1", METRICS_TEXT},
		/* Prometheus 2.42. */
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
		 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 METRICS_OPENMETRICS},
		{"application/openmetrics-text;q=0.3,text/plain;q=0.4", METRICS_TEXT},
		{"text/plain;q=0.399, application/openmetrics-text ;q=0.4", METRICS_OPENMETRICS},
		{"application/openmetrics-text;q=0", METRICS_TEXT},
		{"application/openmetrics-text;q=nonsense", METRICS_TEXT},
		{"application/openmetrics-text2", METRICS_TEXT},
		{",;,q=,;;,application/openmetrics-text;", METRICS_OPENMETRICS},
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(metrics_choose(cases[i].accept), cases[i].want);
}

static void wrong_label(struct metrics *m)
{
	metrics_family(m, METRIC_BUILD_INFO);
	metrics_sample(m, 1, "hash", "x", NULL);
}

static void histogram_as_one_sample(struct metrics *m)
{
	metrics_single(m, METRIC_API_REQUEST_DURATION_SECONDS, 1);
}

static void missing_label(struct metrics *m)
{
	metrics_family(m, METRIC_LIST_ENTRIES);
	metrics_sample(m, 1, "list", "block", NULL);
}

static void one_label_too_many(struct metrics *m)
{
	metrics_family(m, METRIC_BUILD_INFO);
	metrics_sample(m, 1, "version", "1", "more", "2", NULL);
}

static void family_twice(struct metrics *m)
{
	metrics_single(m, METRIC_AUDIT_DEGRADED, 0);
	metrics_single(m, METRIC_AUDIT_DEGRADED, 0);
}

static void no_family(struct metrics *m)
{
	metrics_sample(m, 1, NULL);
}

static void a_mistake_of_the_programmer_aborts(void **unused)
{
	static void (*const mistakes[])(struct metrics *) = {
		wrong_label,  missing_label, one_label_too_many,
		family_twice, no_family,     histogram_as_one_sample,
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0) {
			const struct rlimit no_core = {0};
			struct text out = {.growing = true};
			struct metrics m;

			setrlimit(RLIMIT_CORE, &no_core);
			signal(SIGABRT, SIG_DFL);
			if (!freopen("/dev/null", "w", stderr))
				_exit(1);
			metrics_init(&m, METRICS_TEXT, &out);
			mistakes[i](&m);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

static void the_process_reports_time_and_memory(void **unused)
{
	_cleanup_(text_done) struct text out = {.growing = true};
	struct metrics m;
	const char *resident;
	uint64_t bytes;

	(void)unused;
	metrics_init(&m, METRICS_TEXT, &out);
	metrics_process(&m);
	assert_non_null(strstr(out.data, "\nweir_process_cpu_seconds_total "));
	resident = strstr(out.data, "\nweir_process_resident_bytes ");
	assert_non_null(resident);
	resident += strlen("\nweir_process_resident_bytes ");
	out.data[resident - out.data + (ptrdiff_t)strcspn(resident, "\n")] = '\0';
	assert_int_equal(parse_u64(resident, 1 << 16, 1ULL << 40, &bytes), 0);
}

/* All families, each with a sample. */
static void write_all(struct text *out)
{
	const struct histogram h = {.first = 4, .buckets = 3, .unit = 1e-9};
	struct metrics m;

	metrics_init(&m, METRICS_TEXT, out);
	metrics_process(&m);
	for (int i = 0; i < METRIC_MAX; i++) {
		_cleanup_free_ char *labels = strdup(metric_info((enum metric)i)->labels);
		const char *label[3] = {0};
		char *rest = labels;

		if (m.written[i])
			continue;
		for (int j = 0; j < 3 && *labels; j++)
			label[j] = strsep(&rest, " ");
		assert_null(*labels ? rest : NULL);
		metrics_family(&m, (enum metric)i);
		if (metric_info((enum metric)i)->type == METRIC_HISTOGRAM)
			metrics_histogram(&m, &h, 0, label[0], "a", label[1], "2", NULL);
		else
			metrics_sample(&m, 1, label[0], "a \"b\"\\\n", label[1], "2", label[2], "3",
				       NULL);
	}
	assert_false(out->truncated);
}

static void promtool_finds_nothing_to_object_to(void **unused)
{
	char *const argv[] = {(char[]){PROMTOOL}, (char[]){"check"}, (char[]){"metrics"}, NULL};
	_cleanup_(text_done) struct text out = {.growing = true};
	_cleanup_fclose_ FILE *input = NULL;
	posix_spawn_file_actions_t actions;
	int status, r;
	pid_t pid = -1;

	(void)unused;
	if (access(PROMTOOL, X_OK) < 0) {
		print_message("skipped: no " PROMTOOL "\n");
		skip();
	}
	write_all(&out);
	input = tmpfile();
	assert_non_null(input);
	assert_int_equal(fwrite(out.data, 1, out.length, input), out.length);
	assert_int_equal(fflush(input), 0);
	rewind(input);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	r = posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO);
	if (r == 0)
		r = posix_spawn(&pid, PROMTOOL, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(r, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_follow_their_help_and_type),
		cmocka_unit_test(a_label_value_cannot_forge_a_sample),
		cmocka_unit_test(real_numbers_are_written_as_prometheus_reads_them),
		cmocka_unit_test(family_names_keep_the_rules),
		cmocka_unit_test(openmetrics_has_units_infos_and_an_end),
		cmocka_unit_test(exemplars_are_for_openmetrics_alone),
		cmocka_unit_test(a_histogram_adds_up_its_buckets),
		cmocka_unit_test(every_number_has_its_bucket),
		cmocka_unit_test(the_format_is_the_one_that_is_accepted),
		cmocka_unit_test(a_mistake_of_the_programmer_aborts),
		cmocka_unit_test(the_process_reports_time_and_memory),
		cmocka_unit_test(promtool_finds_nothing_to_object_to),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
