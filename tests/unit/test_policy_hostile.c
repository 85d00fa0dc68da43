/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Texts and files made to hurt: each ends in one clear error with a place, in little memory. */
#include "test_policy.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "policy/fmt.h"

#define MEMORY_MAX_KIB (192 << 10) /* of a process that reads the largest text there may be */

/* How a text is made: the beginning, then a part again and again up to a length, then the end. */
struct hostile {
	const char *promise;
	const char *begin, *part, *end;
	size_t length; /* 0 = the part once; otherwise up to about so many bytes */
	int err;
	const char *code;
};

#define FULL (POLICY_TEXT_MAX - 4096)

static const struct hostile hostile[] = {
	{"8 MiB of brackets", "", "[", "", FULL, -E2BIG, "policy.text.depth"},
	{"8 MiB of braces", "", "{a: ", "", FULL, -E2BIG, "policy.text.depth"},
	{"8 MiB of dashes", "", "- ", "", FULL, -E2BIG, "policy.text.depth"},
	{"8 MiB of question marks", "", "? ", "", FULL, -EINVAL, "policy.yaml.key"},
	{"8 MiB of colons", "", ": ", "", FULL, -EINVAL, "policy.yaml."},
	{"8 MiB of quotes", "", "\"", "", FULL, -EINVAL, "policy.yaml.syntax"},
	{"8 MiB of an unended text", "a: \"", "x", "", FULL, -EINVAL, "policy.yaml.syntax"},
	{"8 MiB of exclamation marks", "a: ", "!", " b\n", FULL, -EINVAL, "policy.yaml."},
	{"8 MiB of ampersands", "a: ", "&", " b\n", FULL, -EINVAL, "policy.yaml."},
	{"8 MiB of directives", "", "%A b\n", "", FULL, -EINVAL, "policy.yaml."},
	{"8 MiB of documents", "", "---\n", "", FULL, -EINVAL, "policy.yaml.documents"},
	{"8 MiB of comments", "", "# nothing\n", "", FULL, -EINVAL, "policy.text.empty"},
	{"8 MiB of blanks", "", " ", "", FULL, -EINVAL, "policy.text.empty"},
	{"8 MiB of empty lines", "", "\n", "", FULL, -EINVAL, "policy.text.empty"},
	{"8 MiB of tabs", "", "\t", "", FULL, -EINVAL, "policy."},
	{"a text of 8 MiB as a mode", "apiVersion: weir/v1\nmode: ", "x", "\n", FULL, -EINVAL,
	 "policy.word.unknown"},
	{"a text of 8 MiB as a name", HEAD "limits: [{scope: source, rate: 1/s, name: \"", "x",
	 "\"}]\n", FULL, -EINVAL, "policy.name"},
	{"a number of 8 MiB", HEAD "limits: [{name: a, scope: source, rate: ", "9", "/s}]\n", FULL,
	 -EINVAL, "policy.number.range"},
	{"an address of 8 MiB", HEAD "lists: {block: {entries: [\"", ":", "\"]}}\n", FULL, -EINVAL,
	 "policy.cidr.syntax"},
	{"a time zone of 8 MiB",
	 HEAD "limits: [{name: a, scope: source, rate: 1/s, schedule: {time_zone: ", "x/", "x}}]\n",
	 FULL, -EINVAL, "policy.schedule.zone"},
	{"a key of 8 MiB", HEAD, "x", ": 1\n", FULL, -EINVAL, "policy.yaml."},
	{"a reason of 8 MiB", HEAD "lists: {block: {entries: [{cidr: 10.0.0.1, reason: ", "x",
	 "}]}}\n", FULL, -EINVAL, "policy.string.long"},
	{"a million keys", HEAD, "a: 1\n", "", FULL, -E2BIG, "policy.text.nodes"},
	{"thousands of unknown keys", HEAD, "a: 1\n", "", 1000000, -EINVAL, "policy.key.unknown"},
	{"thousands of the same key", HEAD, "mode: off\n", "", 1000000, -EINVAL,
	 "policy.key.duplicate"},
	{"thousands of services", HEAD "services:\n", "  a: {}\n", "", 1000000, -E2BIG,
	 "policy.count"},
	{"thousands of limits", HEAD "limits:\n", "  - {}\n", "", 1000000, -E2BIG, "policy.count"},
	{"thousands of profiles", HEAD "profiles:\n", "  a: {}\n", "", 1000000, -E2BIG,
	 "policy.count"},
	{"thousands of wrong entries", HEAD "lists: {block: {entries: [", "x, ", "]}}\n", 150000,
	 -EINVAL, "policy.cidr.syntax"},
	{"an alias bomb", "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "", "", 0, -EINVAL,
	 "policy.yaml.anchor"},
	{"a byte order mark alone", "\xef\xbb\xbf", "", "", 0, -EINVAL, "policy.text.empty"},
	{"a byte order mark in the middle", HEAD "a\xef\xbb\xbf: 1\n", "", "", 0, -EINVAL,
	 "policy."},
	{"UTF-16",
	 "\xff\xfe"
	 "a",
	 "", "", 0, -EINVAL, "policy.text.utf8"},
	{"half a character", HEAD "# \xc3\n", "", "", 0, -EINVAL, "policy.text.utf8"},
	{"an overlong character", HEAD "# \xc0\xaf\n", "", "", 0, -EINVAL, "policy.text.utf8"},
	{"half of a surrogate pair", HEAD "# \xed\xa0\x80\n", "", "", 0, -EINVAL,
	 "policy.text.utf8"},
	{"a carriage return alone", "apiVersion: weir/v1\rmode: off\r", "", "", 0, -EINVAL,
	 "policy.text.control"},
	{"a line separator of Unicode", HEAD "# \xe2\x80\xa8 a: 1\n", "", "", 0, -EINVAL,
	 "policy.text.control"},
	{"a tab as indentation", HEAD "lists:\n\tblock: {}\n", "", "", 0, -EINVAL,
	 "policy.yaml.syntax"},
};

static void make(const struct hostile *h, struct text *t)
{
	text_puts(t, h->begin);
	do
		text_puts(t, h->part);
	while (t->length < h->length);
	text_puts(t, h->end);
	assert_false(t->truncated);
}

/* In a process of its own, to see what it takes. */
static void judge(const char *text, size_t length, int err, const char *code)
{
	_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
	const struct policy_options options = {.report = report};
	_cleanup_free_ char *formatted = NULL;
	struct policy *p = NULL;
	struct fault f = {0};
	size_t ignored;
	int r = policy_parse("p", text, length, &p, &f);

	if (r != err || p || f.err != err || strncmp(f.code, code, strlen(code)) != 0 ||
	    strncmp(f.text, "p:", 2) != 0 || strlen(f.text) > 500 ||
	    !utf8_valid(f.text, strlen(f.text)))
		fail_msg("%d [%s] %s", r, f.code, f.text);
	assert_true(policy_parse_with("p", text, length, &options, &p, NULL) < 0);
	assert_true(report->error_count && report->count <= POLICY_DIAGNOSTICS_MAX);
	for (size_t i = 0; i < report->count; i++)
		assert_true(!report->items[i].source || strlen(report->items[i].source) < 1000);
	policy_fmt("p", text, length, &formatted, &ignored, NULL);
}

static void ends_in_one_clear_error(void **state)
{
	const struct hostile *h = *state;
	_cleanup_(text_done) struct text t = {.growing = true};

	make(h, &t);
	judge(t.data, t.length, h->err, h->code);
}

/* The sanitizers' own memory is not what is measured. */
static bool is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__)
	return true;
#else
	return false;
#endif
}

static void no_text_takes_more_than_192_mib(void **state)
{
	(void)state;
	if (is_sanitized()) {
		print_message("sanitizers take memory of their own\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct rusage usage;
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			struct policy *p = NULL;
			struct text t = {.growing = true};

			make(&hostile[i], &t);
			_exit(policy_parse("p", t.data, t.length, &p, NULL) < 0 ? 0 : 1);
		}
		assert_int_equal(wait4(pid, &status, 0, &usage), pid);
		assert_int_equal(status, 0);
		if (usage.ru_maxrss > MEMORY_MAX_KIB)
			fail_msg("%s: %ld KiB", hostile[i].promise, usage.ru_maxrss);
	}
}

static void bytes_of_zero_are_refused_where_they_are(void **state)
{
	static const char text[] = HEAD "# a\0b\nlimits: []\n";
	struct policy *p = NULL;
	struct fault f = {0};

	(void)state;
	assert_int_equal(policy_parse("p", text, sizeof(text) - 1, &p, &f), -EINVAL);
	assert_string_equal(f.text, "p:3:4: control character U+0000 is not allowed");
}

static void lines_may_end_as_on_windows_and_a_mark_may_begin_the_text(void **state)
{
	static const char text[] = "\xef\xbb\xbf"
				   "apiVersion: weir/v1\r\nmode: enforced\r\n";
	_cleanup_(policy_freep) struct policy *p = NULL;
	struct fault f = {0};
	size_t length = sizeof(text) - 1;

	(void)state;
	assert_int_equal(policy_parse("p", text, length, &p, &f), -EINVAL);
	assert_string_equal(f.text, "p:2:7: unknown mode 'enforced'; did you mean 'enforce'?");
	assert_int_equal(policy_parse("p",
				      "\xef\xbb\xbf"
				      "apiVersio: x",
				      15, &p, &f),
			 -EINVAL);
	assert_int_equal(strncmp(f.text, "p:1:1: unknown key 'apiVersio'", 30), 0);
	assert_int_equal(policy_parse("p",
				      "\xef\xbb\xbf"
				      "apiVersion: weir/v1\r\nmode: off\r\n",
				      35, &p, &f),
			 0);
}

/* Regular files whose size says nothing of what they hold: they are never the same twice. */
static void a_file_that_is_not_what_it_says_is_refused(void **state)
{
	struct policy *p = NULL;
	struct fault f = {0};

	(void)state;
	if (access("/proc/self/status", R_OK) != 0)
		skip();
	assert_int_equal(policy_load("/proc/self/status", &p, &f), -EAGAIN);
	assert_string_equal(f.code, "policy.file.changed");
	assert_non_null(strstr(f.text, "/proc/self/status: it changes while it is read"));
}

struct writer {
	const char *path;
	volatile bool stop;
};

static const char *const versions[] = {
	HEAD "metadata: {name: one}\nlimits: [{name: a, scope: source, rate: 1/s}]\n",
	HEAD
	"metadata: {name: two}\nlimits: [{name: b, scope: global, rate: 2/s}, {name: c, scope: "
	"source, rate: 3/s}]\n",
};

/* Writes one version over the other, byte by byte, as an editor might that does not rename. */
static void *write_always(void *userdata)
{
	struct writer *w = userdata;

	for (unsigned int i = 0; !w->stop; i++) {
		const char *text = versions[i % 2];
		int fd = open(w->path, O_WRONLY | O_TRUNC | O_CLOEXEC);

		for (; fd >= 0 && *text; text++)
			if (write(fd, text, 1) != 1)
				break;
		if (fd >= 0)
			close(fd);
		usleep(5000);
	}
	return NULL;
}

/* It may be refused; what is accepted is one of the versions and never a part of one, or of two. */
static void a_file_that_changes_while_it_is_read_is_read_whole_or_not(void **state)
{
	struct writer w = {.path = put(*state, "p.yaml", versions[0])};
	size_t accepted = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, write_always, &w), 0);
	for (unsigned int i = 0; i < 2000 && (i < 200 || !accepted); i++) {
		_cleanup_(policy_freep) struct policy *p = NULL;
		struct fault f = {0};

		if (policy_load(w.path, &p, &f) < 0) {
			assert_true(f.text[0]);
			usleep(1000);
			continue;
		}
		accepted++;
		if (strcmp(p->text, versions[0]) != 0 && strcmp(p->text, versions[1]) != 0)
			/* A prefix that is a policy of its own can only be told by its time. */
			assert_true(strncmp(p->text, versions[0], p->length) == 0 ||
				    strncmp(p->text, versions[1], p->length) == 0);
	}
	w.stop = true;
	pthread_join(thread, NULL);
	assert_true(accepted > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_text_takes_more_than_192_mib),
		cmocka_unit_test(bytes_of_zero_are_refused_where_they_are),
		cmocka_unit_test(lines_may_end_as_on_windows_and_a_mark_may_begin_the_text),
		cmocka_unit_test(a_file_that_is_not_what_it_says_is_refused),
		in_directory(a_file_that_changes_while_it_is_read_is_read_whole_or_not),
	};
	struct CMUnitTest all[ARRAY_SIZE(tests) + ARRAY_SIZE(hostile)];

	memcpy(all, tests, sizeof(tests));
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		all[ARRAY_SIZE(tests) + i] = (struct CMUnitTest){
			.name = hostile[i].promise,
			.test_func = ends_in_one_clear_error,
			.initial_state = (void *)(uintptr_t)&hostile[i],
		};
	return cmocka_run_group_tests_name("policy_hostile", all, NULL, NULL);
}
