/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading feeds: what each format's lines mean, what is refused, and which files are not even read. */
#include "test_lists.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "lists/feed.h"

#define LISTED_SIZE 2048

/* All of a content as "prefix:line[=reason] ...". */
static void describe(const struct list_content *c, char ret[static LISTED_SIZE])
{
	struct text t;

	text_init(&t, ret, LISTED_SIZE);
	for (size_t i = 0; i < c->count; i++) {
		const struct list_content_entry *e = &c->entries[i];
		char prefix[PREFIX_TEXT_SIZE];

		prefix_format(&e->prefix, prefix);
		text_printf(&t, "%s%s:%u%s%s", i ? " " : "", prefix, e->line, e->reason ? "=" : "",
			    list_content_reason(c, e));
	}
}

struct row {
	const char *promise;
	struct feed_source source;
	const char *text;
	const char *want; /* described; or the code of the fault */
	int r;
	size_t lines, bad, masked, duplicates;
};

static const struct row rows[] = {
	{"an address, a prefix and IPv6",
	 {.format = FEED_PLAIN},
	 "198.51.100.7\n203.0.113.0/24\n2001:db8::1\n2001:db8:1::/48\n",
	 "198.51.100.7:1 203.0.113.0/24:2 2001:db8::1:3 2001:db8:1::/48:4",
	 0,
	 4,
	 0,
	 0,
	 0},
	{"comments, blank lines, CRLF, tabs and no newline at the end",
	 {.format = FEED_PLAIN},
	 "# c\r\n; c\r\n\r\n  198.51.100.7 # why\r\n\t198.51.100.8; because\r\n198.51.100.9",
	 "198.51.100.7:4 198.51.100.8:5 198.51.100.9:6",
	 0,
	 3,
	 0,
	 0,
	 0},
	{"a byte order mark is no part of the first line",
	 {.format = FEED_PLAIN},
	 "\xef\xbb\xbf"
	 "198.51.100.7\n",
	 "198.51.100.7:1",
	 0,
	 1,
	 0,
	 0,
	 0},
	{"a range becomes the fewest prefixes",
	 {.format = FEED_PLAIN},
	 "198.51.100.3-198.51.100.9\n203.0.113.0 - 203.0.113.255\n",
	 "198.51.100.3:1 198.51.100.4/30:1 198.51.100.8/31:1 203.0.113.0/24:2",
	 0,
	 2,
	 0,
	 0,
	 0},
	{"a range of IPv6",
	 {.format = FEED_PLAIN},
	 "2001:db8::-2001:db8:0:1:ffff:ffff:ffff:ffff\n",
	 "2001:db8::/63:1",
	 0,
	 1,
	 0,
	 0,
	 0},
	{"a range of one address",
	 {.format = FEED_PLAIN},
	 "198.51.100.3-198.51.100.3\n",
	 "198.51.100.3:1",
	 0,
	 1,
	 0,
	 0,
	 0},
	{"a range up to the last address there is",
	 {.format = FEED_PLAIN},
	 "255.255.255.254-255.255.255.255\nffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe-"
	 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n",
	 "255.255.255.254/31:1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127:2",
	 0,
	 2,
	 0,
	 0,
	 0},
	{"host bits are cleared and counted",
	 {.format = FEED_PLAIN},
	 "198.51.100.7/24\n2001:db8::1/64\n",
	 "198.51.100.0/24:1 2001:db8::/64:2",
	 0,
	 2,
	 0,
	 2,
	 0},
	{"the first of equal lines counts",
	 {.format = FEED_PLAIN},
	 "198.51.100.9\n198.51.100.7\n198.51.100.9\n198.51.100.9/32\n",
	 "198.51.100.7:2 198.51.100.9:1",
	 0,
	 4,
	 0,
	 0,
	 2},
	{"one bad line in ten is left out",
	 {.format = FEED_PLAIN},
	 "192.0.2.1\n192.0.2.2\n192.0.2.3\n192.0.2.4\n192.0.2.5\nnonsense\n192.0.2.6\n192.0.2.7\n"
	 "192.0.2.8\n192.0.2.9\n",
	 "192.0.2.1:1 192.0.2.2:2 192.0.2.3:3 192.0.2.4:4 192.0.2.5:5 192.0.2.6:7 192.0.2.7:8 "
	 "192.0.2.8:9 192.0.2.9:10",
	 0,
	 10,
	 1,
	 0,
	 0},
	{"more than that and all is refused",
	 {.format = FEED_PLAIN},
	 "192.0.2.1\n192.0.2.2\n192.0.2.3\n192.0.2.4\n192.0.2.5\nnonsense\n192.0.2.6\n192.0.2.7\n"
	 "192.0.2.8\n",
	 "feed.bad",
	 -EINVAL,
	 9,
	 1,
	 0,
	 0},
	{"nothing in it", {.format = FEED_PLAIN}, "# only\n\n", "feed.empty", -EINVAL, 0, 0, 0, 0},
	{"no bytes at all", {.format = FEED_AUTO}, "", "feed.empty", -EINVAL, 0, 0, 0, 0},
	{"an error page is no feed",
	 {.format = FEED_AUTO},
	 "<html>\n<head><title>404</title></head>\n</html>\n",
	 "feed.bad",
	 -EINVAL,
	 3,
	 3,
	 0,
	 0},
	{"all of IPv4 is a mistake",
	 {.format = FEED_PLAIN},
	 "0.0.0.0/0\n",
	 "feed.bad",
	 -EINVAL,
	 1,
	 1,
	 0,
	 0},
	{"and so is all of IPv6, also as a range",
	 {.format = FEED_PLAIN},
	 "::/0\n0.0.0.0-255.255.255.255\n",
	 "feed.bad",
	 -EINVAL,
	 2,
	 2,
	 0,
	 0},
	{"words behind an address mean something that is not known",
	 {.format = FEED_PLAIN},
	 "198.51.100.0 198.51.100.255 24\n",
	 "feed.bad",
	 -EINVAL,
	 1,
	 1,
	 0,
	 0},
	{"what is nearly an address",
	 {.format = FEED_PLAIN},
	 "256.1.1.1\n1.2.3\n1.2.3.4.5\n01.2.3.4\n1.2.3.4/33\n1.2.3.4/\n1.2.3.4-1.2.3.3\n"
	 "1.2.3.4-2001:db8::1\n-\n1.2.3.4-\n2001:db8::/129\n",
	 "feed.bad",
	 -EINVAL,
	 11,
	 11,
	 0,
	 0},

	{"netset: prefixes and comments",
	 {.format = FEED_NETSET},
	 "#\n# firehol\n198.51.100.7\n203.0.113.0/24\n",
	 "198.51.100.7:3 203.0.113.0/24:4",
	 0,
	 2,
	 0,
	 0,
	 0},
	{"netset: what ipset saves",
	 {.format = FEED_AUTO},
	 "create bad hash:net family inet hashsize 1024 maxelem 65536\n"
	 "add bad 198.51.100.7 timeout 300\nadd bad 203.0.113.0/24\n",
	 "198.51.100.7:2 203.0.113.0/24:3",
	 0,
	 2,
	 0,
	 0,
	 0},

	{"drop: the SBL number is the reason",
	 {.format = FEED_DROP},
	 "; Spamhaus DROP List 2026/11/20\n; Expires: x\n192.0.2.0/24 ; SBL123\n"
	 "198.51.100.0/24 ; SBL124\n203.0.113.0/24 ; SBL124\n",
	 "192.0.2.0/24:3=SBL123 198.51.100.0/24:4=SBL124 203.0.113.0/24:5=SBL124",
	 0,
	 3,
	 0,
	 0,
	 0},
	{"drop: is recognised",
	 {.format = FEED_AUTO},
	 "; Spamhaus\n192.0.2.0/24 ; SBL123\n",
	 "192.0.2.0/24:2=SBL123",
	 0,
	 1,
	 0,
	 0,
	 0},
	{"drop: objects of JSON",
	 {.format = FEED_AUTO},
	 "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL1\",\"rir\":\"apnic\"}\n"
	 "{\"cidr\":\"2001:db8::/32\",\"sblid\":\"SBL2\"}\n"
	 "{\"type\":\"metadata\",\"records\":2}\n",
	 "192.0.2.0/24:1=SBL1 2001:db8::/32:2=SBL2",
	 0,
	 2,
	 0,
	 0,
	 0},
	{"drop: JSON that is none",
	 {.format = FEED_DROP},
	 "{\"cidr\":\n{}\n",
	 "feed.bad",
	 -EINVAL,
	 2,
	 2,
	 0,
	 0},

	{"csv: a column by its number",
	 {.format = FEED_CSV, .column = 2},
	 "a,198.51.100.7\nb,203.0.113.0/24\n",
	 "198.51.100.7:1 203.0.113.0/24:2",
	 0,
	 2,
	 0,
	 0,
	 0},
	{"csv: the header is skipped",
	 {.format = FEED_CSV, .column = 2},
	 "name,ip\na,198.51.100.7\n",
	 "198.51.100.7:2",
	 0,
	 1,
	 0,
	 0,
	 0},
	{"csv: a column by its name",
	 {.format = FEED_CSV, .column_name = "dst"},
	 "src,dst\n192.0.2.1,198.51.100.7\n",
	 "198.51.100.7:2",
	 0,
	 1,
	 0,
	 0,
	 0},
	{"csv: a name that is in a comment",
	 {.format = FEED_CSV, .column_name = "dst"},
	 "# list\n# \"seen\",\"dst\"\n\"2026-01-01 00:00:00\",\"198.51.100.7\"\n",
	 "198.51.100.7:3",
	 0,
	 1,
	 0,
	 0,
	 0},
	{"csv: a name that nothing has",
	 {.format = FEED_CSV, .column_name = "dst"},
	 "a,b\n192.0.2.1,198.51.100.7\n",
	 "feed.bad",
	 -EINVAL,
	 2,
	 2,
	 0,
	 0},
	{"csv: the first column with addresses",
	 {.format = FEED_AUTO},
	 "seen,host,ip\n2026-01-01,a,198.51.100.7\n2026-01-02,b,198.51.100.8\n",
	 "198.51.100.7:2 198.51.100.8:3",
	 0,
	 2,
	 0,
	 0,
	 0},
	{"csv: quotes hold separators",
	 {.format = FEED_CSV, .column = 2},
	 "\"a, b\",\"198.51.100.7\"\n\"say \"\"no, no\"\"\",198.51.100.8\n",
	 "198.51.100.7:1 198.51.100.8:2",
	 0,
	 2,
	 0,
	 0,
	 0},
	{"csv: semicolons and tabs",
	 {.format = FEED_CSV, .column = 2},
	 "a;198.51.100.7\nb;198.51.100.8\n",
	 "198.51.100.7:1 198.51.100.8:2",
	 0,
	 2,
	 0,
	 0,
	 0},
	{"csv: a row that is too short is bad",
	 {.format = FEED_CSV, .column = 2},
	 "a,198.51.100.7\nb\n",
	 "feed.bad",
	 -EINVAL,
	 2,
	 1,
	 0,
	 0},
};

static void each_format_means_what_it_says(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		_cleanup_(list_content_freep) struct list_content *c = NULL;
		struct feed_source source = row->source;
		struct feed_report report = {0};
		struct fault f = {0};
		char listed[LISTED_SIZE];
		int r;

		source.path = "feed";
		r = feed_parse(&source, row->text, strlen(row->text), &c, &report, &f);
		if (r == 0)
			describe(c, listed);
		if (r != row->r || strcmp(r == 0 ? listed : f.code, row->want) != 0)
			fail_msg("%s: %d %s", row->promise, r, r == 0 ? listed : f.text);
		if (report.lines != row->lines || report.bad != row->bad ||
		    report.masked != row->masked || report.duplicates != row->duplicates)
			fail_msg("%s: %zu lines, %zu bad, %zu masked, %zu duplicates", row->promise,
				 report.lines, report.bad, report.masked, report.duplicates);
	}
}

static void bad_lines_are_shown_with_their_number_and_without_tricks(void **unused)
{
	const char text[] = "192.0.2.1\n\x1b[2Jx\n192.0.2.2\nb\nc\nd\n";
	struct feed_source source = {.path = "feed", .format = FEED_PLAIN};
	struct feed_report report = {0};
	struct list_content *c = NULL;
	struct fault f;

	(void)unused;
	assert_int_equal(feed_parse(&source, text, sizeof(text) - 1, &c, &report, &f), -EINVAL);
	assert_string_equal(report.examples[0], "line 2: '?[2Jx' is no address, prefix or range");
	assert_string_equal(report.examples[1], "line 4: 'b' is no address, prefix or range");
	assert_string_equal(report.examples[2], "line 5: 'c' is no address, prefix or range");
	assert_int_equal(report.bad, 4);
}

static void a_line_may_be_so_long_and_no_longer(void **unused)
{
	struct feed_source source = {.path = "feed", .format = FEED_PLAIN};
	char text[FEED_LINE_MAX + 3];

	(void)unused;
	for (int longer = 0; longer <= 1; longer++) {
		struct feed_report report = {0};
		struct list_content *c = NULL;
		size_t length = (size_t)(FEED_LINE_MAX + longer);
		int r;

		memset(text, ' ', sizeof(text));
		memcpy(text, "192.0.2.1", 9);
		text[length] = '\n';
		r = feed_parse(&source, text, length + 1, &c, &report, NULL);
		assert_int_equal(r, longer ? -EINVAL : 0);
		assert_int_equal(report.bad, longer);
		list_content_free(c);
	}
}

static void every_range_is_covered_exactly_by_the_fewest_prefixes(void **unused)
{
	(void)unused;
	for (uint32_t first = 0; first < 40; first++) {
		for (uint32_t last = first; last < 72; last++) {
			struct prefix p[FEED_PREFIXES_MAX];
			char word[64];
			size_t count;
			uint32_t next = first;

			snprintf(word, sizeof(word), "10.0.0.%u-10.0.0.%u", first, last);
			assert_int_equal(feed_word_parse(word, strlen(word), p, &count),
					 FEED_WORD_OK);
			for (size_t i = 0; i < count; i++) {
				assert_int_equal(p[i].address[15], next);
				next += 1U << (128 - p[i].bits);
				/* Two halves of one block would be one too many. */
				if (i && p[i].bits == p[i - 1].bits)
					assert_true(p[i - 1].address[15] >> (128 - p[i].bits) & 1);
			}
			assert_int_equal(next, last + 1);
		}
	}
}

static void the_longest_ranges_fit(void **unused)
{
	const char ip6[] = "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe";
	const char ip4[] = "0.0.0.1-255.255.255.254";
	struct prefix p[FEED_PREFIXES_MAX];
	size_t count;

	(void)unused;
	assert_int_equal(feed_word_parse(ip6, strlen(ip6), p, &count), FEED_WORD_OK);
	assert_int_equal(count, 254);
	assert_int_equal(feed_word_parse(ip4, strlen(ip4), p, &count), FEED_WORD_OK);
	assert_int_equal(count, 62);
}

static char path[64];

static void write_feed(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int read_feed(struct feed_report *report, struct fault *f)
{
	_cleanup_(list_content_freep) struct list_content *c = NULL;
	struct feed_source source = {.path = path};

	return feed_read(&source, &c, report, f);
}

static void a_file_is_read_whole_and_its_digest_told(void **unused)
{
	struct feed_report report, again;
	struct feed_signature now_there;

	(void)unused;
	write_feed("192.0.2.1\n", 0644);
	assert_int_equal(read_feed(&report, NULL), 0);
	assert_string_equal(report.sha256, /* printf '192.0.2.1\n' | sha256sum */
			    "d1aa74fdddc060ca4e2e10401f2f4e0ef37f94b0d8b25137e8c530d59f4aba75");
	assert_int_equal(feed_stat(path, &now_there), 0);
	assert_true(feed_same(&now_there, &report.signature));
	write_feed("192.0.2.1\n192.0.2.2\n", 0644);
	assert_int_equal(read_feed(&again, NULL), 0);
	assert_false(feed_same(&again.signature, &report.signature));
	assert_string_not_equal(again.sha256, report.sha256);
}

static void files_that_others_can_write_or_that_are_none_are_refused(void **unused)
{
	struct feed_report report;
	struct fault f;

	(void)unused;
	write_feed("192.0.2.1\n", 0664);
	assert_int_equal(read_feed(&report, &f), -EPERM);
	assert_string_equal(f.code, "feed.writable");
	write_feed("192.0.2.1\n", 0646);
	assert_int_equal(read_feed(&report, &f), -EPERM);
	unlink(path);
	assert_int_equal(read_feed(&report, &f), -ENOENT);
	assert_string_equal(f.code, "feed.read");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(read_feed(&report, &f), -EINVAL);
	assert_string_equal(f.code, "feed.type");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(read_feed(&report, &f), -EISDIR);
	rmdir(path);
}

static void a_file_beyond_the_limit_is_not_read(void **unused)
{
	struct feed_report report;
	struct fault f;

	(void)unused;
	write_feed("192.0.2.1\n", 0600);
	assert_int_equal(truncate(path, (off_t)FEED_FILE_MAX + 1), 0);
	assert_int_equal(read_feed(&report, &f), -EFBIG);
	assert_string_equal(f.code, "feed.size");
}

static void formats_are_known_by_name(void **unused)
{
	enum feed_format format;

	(void)unused;
	for (int i = 0; i < FEED_FORMAT_MAX; i++) {
		assert_int_equal(
			feed_format_from_str(feed_format_to_str((enum feed_format)i), &format), 0);
		assert_int_equal(format, i);
	}
	assert_int_equal(feed_format_from_str("hosts", &format), -EINVAL);
}

static int remove_file(void **unused)
{
	(void)unused;
	unlink(path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_format_means_what_it_says),
		cmocka_unit_test(bad_lines_are_shown_with_their_number_and_without_tricks),
		cmocka_unit_test(a_line_may_be_so_long_and_no_longer),
		cmocka_unit_test(every_range_is_covered_exactly_by_the_fewest_prefixes),
		cmocka_unit_test(the_longest_ranges_fit),
		cmocka_unit_test(a_file_is_read_whole_and_its_digest_told),
		cmocka_unit_test(files_that_others_can_write_or_that_are_none_are_refused),
		cmocka_unit_test(a_file_beyond_the_limit_is_not_read),
		cmocka_unit_test(formats_are_known_by_name),
	};

	snprintf(path, sizeof(path), "/tmp/weir-test-feed.%d", (int)getpid());
	return cmocka_run_group_tests_name("lists/feed", tests, NULL, remove_file);
}
