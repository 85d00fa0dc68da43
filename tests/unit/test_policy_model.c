/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a good policy means, once parsed; how much of everything one may have, at the maximum and
 * one beyond; texts made to hurt a parser; and which files are read at all.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "policy/policy.h"
#include "policy/tree.h"
#include "test_policy_collect.h"

#define HEAD "apiVersion: weir/v1\nmode: enforce\n"

static const char full[] =
	"apiVersion: weir/v1\n"
	"metadata: {name: edge-web, owner: netops, change: CHG-4711}\n"
	"limits:\n"
	"  - {name: all, scope: source, rate: 2k/s, burst: 4k}\n"
	"  - {name: web, scope: source, service: web, rate: 30/m, byte_rate: 10MiB/s, byte_burst: "
	"1MiB}\n"
	"  - {name: slow, scope: source, service: dns, byte_rate: 9kbit/s}\n"
	"services:\n"
	"  web: {dst: [203.0.113.0/24, \"2001:db8:1::/64\", 203.0.113.0/24], proto: tcp, dport: "
	"[443, 80, 8000-8100, 8050-8200, 8201]}\n"
	"  dns: {proto: udp, dport: 53}\n"
	"  ping: {proto: [icmp, icmp6, 47]}\n"
	"lists:\n"
	"  allow:\n"
	"    entries: [192.0.2.10, \"2001:db8:10::/48\"]\n"
	"  block:\n"
	"    entries:\n"
	"      - 198.51.100.7\n"
	"      - {cidr: 198.51.100.0/24, ttl: 24h, reason: \"abuse: no\"}\n"
	"packets:\n"
	"  malformed: pass\n"
	"  other: drop\n"
	"  fragments: {rate: 10/s}\n"
	"mode: monitor\n";

static struct policy *parse(const char *text, size_t length)
{
	struct policy *p = NULL;
	struct fault f = {0};

	if (policy_parse("p", text, length, &p, &f) < 0)
		print_error("%s\n", f.text);
	assert_non_null(p);
	policy_collect(p);
	return p;
}

static void refuse(const char *text, size_t length, int err, const char *code, const char *words)
{
	struct policy *p = NULL;
	struct fault f = {0};

	assert_int_equal(policy_parse("p", text, length, &p, &f), err);
	assert_null(p);
	assert_string_equal(f.text, words);
	assert_string_equal(f.code, code);
}

static void assert_prefix(const struct prefix *p, const char *text)
{
	char is[PREFIX_TEXT_SIZE];

	prefix_format(p, is);
	assert_string_equal(is, text);
}

static void lists_and_metadata_are_read(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse(full, strlen(full));

	(void)state;
	assert_string_equal(p->metadata.name, "edge-web");
	assert_string_equal(p->metadata.owner, "netops");
	assert_string_equal(p->metadata.change, "CHG-4711");
	assert_int_equal(p->mode, WEIR_MODE_MONITOR);
	assert_int_equal(p->allow.count, 2);
	assert_prefix(&p->allow.entries[1].prefix, "2001:db8:10::/48");
	assert_int_equal(p->block.count, 2);
	assert_prefix(&p->block.entries[0].prefix, "198.51.100.7");
	assert_int_equal(p->block.entries[0].ttl_ns, 0);
	assert_null(p->block.entries[0].reason);
	assert_int_equal(p->block.entries[0].line, 16);
	assert_prefix(&p->block.entries[1].prefix, "198.51.100.0/24");
	assert_int_equal(p->block.entries[1].ttl_ns, 86400 * NSEC_PER_SEC);
	assert_string_equal(p->block.entries[1].reason, "abuse: no");
	assert_int_equal(p->malformed, POLICY_PASS);
	assert_int_equal(p->other, POLICY_DROP);
}

static void services_are_sorted_and_merged(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse(full, strlen(full));
	const struct policy_service *web = &p->services[0], *ping = &p->services[2];

	(void)state;
	assert_int_equal(p->service_count, 3);
	assert_string_equal(web->name, "web");
	assert_int_equal(web->dst_count, 2);
	assert_prefix(&web->dsts[0], "203.0.113.0/24");
	assert_prefix(&web->dsts[1], "2001:db8:1::/64");
	assert_false(web->any_protocol);
	assert_true(web->protocols[6]);
	assert_false(web->protocols[17]);
	assert_int_equal(web->port_count, 3);
	assert_int_equal(web->ports[0].first, 80);
	assert_int_equal(web->ports[0].last, 80);
	assert_int_equal(web->ports[1].first, 443);
	assert_int_equal(web->ports[2].first, 8000);
	assert_int_equal(web->ports[2].last, 8201);
	assert_true(ping->protocols[1] && ping->protocols[58] && ping->protocols[47]);
	assert_int_equal(ping->port_count, 0);
}

static void limits_are_read_and_completed(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse(full, strlen(full));
	const struct policy_limit *all = &p->limits[0], *web = &p->limits[1], *slow = &p->limits[2];

	(void)state;
	assert_int_equal(p->limit_count, 3);
	assert_string_equal(all->name, "all");
	assert_null(all->service);
	assert_int_equal(all->line, 4);
	assert_true(all->has_packets && !all->has_bytes);
	assert_int_equal(all->rate.count, 2000);
	assert_int_equal(all->rate.per_ns, NSEC_PER_SEC);
	assert_int_equal(all->burst, 4000);
	assert_ptr_equal(web->service, &p->services[0]);
	assert_true(web->has_packets && web->has_bytes);
	assert_int_equal(web->rate.per_ns, 60 * NSEC_PER_SEC);
	assert_int_equal(web->burst, 1); /* half a packet per second */
	assert_int_equal(web->byte_rate, 10 << 20);
	assert_int_equal(web->byte_burst, 1 << 20);
	assert_true(!slow->has_packets && slow->has_bytes);
	assert_int_equal(slow->byte_rate, 1125);
	assert_int_equal(slow->byte_burst, 65536);
	assert_int_equal(p->fragments, POLICY_LIMIT);
	assert_int_equal(p->fragment_limit.rate.count, 10);
	assert_int_equal(p->fragment_limit.burst, 10);
}

static void text_is_kept_and_hashed(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse("apiVersion: weir/v1\nmode: off\n", 30);

	(void)state;
	assert_int_equal(p->length, 30);
	assert_string_equal(p->text, "apiVersion: weir/v1\nmode: off\n");
	/* printf 'apiVersion: weir/v1\nmode: off\n' | sha256sum */
	assert_string_equal(p->sha256,
			    "1577987177bda6cb36912b0928208350cecaf80671454cd1f48eb0697c4a2182");
}

static void what_is_not_given_has_a_safe_default(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse(HEAD, strlen(HEAD));

	(void)state;
	assert_int_equal(p->malformed, POLICY_DROP);
	assert_int_equal(p->other, POLICY_PASS);
	assert_int_equal(p->fragments, POLICY_LIMIT);
	assert_int_equal(p->fragment_limit.rate.count, 1000);
	assert_int_equal(p->fragment_limit.rate.per_ns, NSEC_PER_SEC);
	assert_int_equal(p->fragment_limit.burst, 1000);
	assert_int_equal(p->limit_count + p->service_count + p->allow.count + p->block.count, 0);
}

static void yaml_1_1_types_hold_no_surprise(void **state)
{
	const char text[] = HEAD "metadata: {name: no, owner: 010, change: 1_000}\n";
	_cleanup_(policy_freep) struct policy *p = parse(text, strlen(text));

	(void)state;
	assert_string_equal(p->metadata.name, "no");
	assert_string_equal(p->metadata.owner, "010");
	assert_string_equal(p->metadata.change, "1_000");
}

static void quantities_survive_being_written(void **state)
{
	static const char *const rates[] = {"1/d", "90/m", "2k/s", "1500/h", "100M/s"};
	static const char *const sizes[] = {"10MiB", "64kB", "9217B", "1GB", "1024GiB"};
	char text[POLICY_UNITS_TEXT_SIZE], per_second[64];
	struct policy_rate rate;
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		assert_int_equal(policy_rate_parse(rates[i], &rate, NULL), 0);
		policy_rate_format(&rate, text);
		assert_string_equal(text, rates[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(policy_bytes_parse(sizes[i], &value, NULL), 0);
		policy_bytes_format(value, text);
		assert_string_equal(text, sizes[i]);
		snprintf(per_second, sizeof(per_second), "%s/s", sizes[i]);
		if (policy_byte_rate_parse(per_second, &value, NULL) < 0)
			continue;
		policy_byte_rate_format(value, text);
		assert_string_equal(text, per_second);
	}
	policy_count_format(4000, text);
	assert_string_equal(text, "4k");
	assert_string_equal(policy_unit_str(WEIR_UNIT_BYTES), "bytes");
	assert_null(policy_mode_str(WEIR_MODE_MAX));
}

/* "head", then @count times "before", the number, "after", then "tail". */
static void repeat(struct text *t, const char *before, unsigned int count, const char *after)
{
	for (unsigned int i = 0; i < count; i++)
		text_printf(t, "%s%u%s", before, i, after);
}

static void services_may_be_64_not_65(void **state)
{
	(void)state;
	for (unsigned int n = 64; n <= 65; n++) {
		_cleanup_(text_done) struct text t = {.growing = true};

		text_puts(&t, HEAD "services:\n");
		repeat(&t, "  s", n, ": {proto: tcp}\n");
		if (n == 64)
			policy_free(parse(t.data, t.length));
		else
			refuse(t.data, t.length, -E2BIG, "policy.count",
			       "p:4:3: more than 64 services");
	}
}

static void ports_of_a_service_may_be_128_not_129(void **state)
{
	(void)state;
	for (unsigned int n = 128; n <= 129; n++) {
		_cleanup_(text_done) struct text t = {.growing = true};

		text_puts(&t, HEAD "services: {a: {proto: tcp, dport: [");
		repeat(&t, "", n, ",");
		text_puts(&t, "]}}\n");
		if (n == 128)
			policy_free(parse(t.data, t.length));
		else
			refuse(t.data, t.length, -E2BIG, "policy.count",
			       "p:3:35: more than 128 ports and ranges of a service");
	}
}

static void destinations_may_be_256_per_service_and_1024_in_all(void **state)
{
	(void)state;
	for (unsigned int n = 256; n <= 257; n++) {
		_cleanup_(text_done) struct text t = {.growing = true};

		text_puts(&t, HEAD "services:\n");
		for (unsigned int s = 0; s < 1024 / 256; s++) {
			text_printf(&t, "  s%u: {dst: [", s);
			repeat(&t, "\"2001:db8::", n, "\",");
			text_puts(&t, "]}\n");
		}
		if (n == 257) {
			refuse(t.data, t.length, -E2BIG, "policy.count",
			       "p:4:13: more than 256 prefixes in one 'dst'");
			continue;
		}
		policy_free(parse(t.data, t.length));
		text_puts(&t, "  last: {dst: 10.0.0.1}\n");
		refuse(t.data, t.length, -E2BIG, "policy.count",
		       "p:8:15: more than 1024 destinations in all");
	}
}

static void feeds_are_read_and_may_be_64_in_both_lists(void **state)
{
	const char text[] = HEAD "lists:\n  block:\n    feeds:\n"
				 "      - {name: a, file: /a}\n"
				 "      - {name: b, file: /b, format: csv, column: ip, ttl: 1d,"
				 " reason: why}\n";
	_cleanup_(policy_freep) struct policy *p = NULL;
	const struct policy_feed *feed;
	struct policy *none = NULL;
	struct fault f;
	struct text t;

	(void)state;
	assert_int_equal(policy_parse("p", text, sizeof(text) - 1, &p, &f), 0);
	assert_int_equal(p->block.feed_count, 2);
	feed = &p->block.feeds[0];
	assert_string_equal(feed->name, "a");
	assert_string_equal(feed->file, "/a");
	assert_int_equal(feed->format, POLICY_FEED_AUTO);
	assert_int_equal(feed->ttl_ns, 0);
	feed = &p->block.feeds[1];
	assert_int_equal(feed->line, 7);
	assert_int_equal(feed->format, POLICY_FEED_CSV);
	assert_string_equal(feed->column_name, "ip");
	assert_int_equal(feed->column, 0);
	assert_int_equal(feed->ttl_ns, 86400 * NSEC_PER_SEC);
	assert_string_equal(feed->reason, "why");

	for (int more = 0; more <= 1; more++) {
		text_init_growing(&t);
		text_puts(&t, HEAD "lists:\n  allow:\n    feeds: [{name: x, file: /x}]\n"
				   "  block:\n    feeds:\n");
		for (int i = 1; i < POLICY_FEEDS_MAX + more; i++)
			text_printf(&t, "      - {name: f%d, file: /f}\n", i);
		assert_int_equal(policy_parse("p", t.data, t.length, &none, &f), more ? -E2BIG : 0);
		text_done(&t);
		policy_free(more ? NULL : none);
	}
	assert_string_equal(f.code, "policy.count");
}

static void list_entries_may_be_65536_in_both_lists(void **state)
{
	_cleanup_(text_done) struct text t = {.growing = true};

	(void)state;
	text_puts(&t, HEAD "lists:\n  allow:\n    entries: [10.0.0.1]\n  block:\n    entries:\n");
	for (unsigned int i = 1; i < POLICY_ENTRIES_MAX; i++)
		text_printf(&t, "      - {cidr: 10.1.%u.%u, ttl: 1h, reason: r}\n", i / 256,
			    i % 256);
	policy_free(parse(t.data, t.length));
	text_puts(&t, "      - 10.0.0.1\n");
	refuse(t.data, t.length, -E2BIG, "policy.count", "p:8:7: more than 65536 list entries");
}

static void strings_may_have_128_bytes_not_129(void **state)
{
	(void)state;
	for (int n = 128; n <= 129; n++) {
		_cleanup_(text_done) struct text t = {.growing = true};

		text_printf(&t, HEAD "metadata: {name: %0*d}\n", n, 0);
		if (n == 128)
			policy_free(parse(t.data, t.length));
		else
			refuse(t.data, t.length, -EINVAL, "policy.string.long",
			       "p:3:18: 'name' is longer than 128 bytes");
	}
}

/* @length bytes of @pattern, again and again. */
static char *filled(const char *pattern, size_t length)
{
	char *text = malloc(length);

	assert_non_null(text);
	for (size_t i = 0; i < length; i++)
		text[i] = pattern[i % strlen(pattern)];
	return text;
}

static void text_may_have_8_mib_not_a_byte_more(void **state)
{
	_cleanup_free_ char *text = filled("#", POLICY_TEXT_MAX + 1);

	(void)state;
	memcpy(text, HEAD, strlen(HEAD));
	policy_free(parse(text, POLICY_TEXT_MAX));
	refuse(text, POLICY_TEXT_MAX + 1, -E2BIG, "policy.text.long",
	       "p:1:1: the policy is longer than 8388608 bytes");
}

static void hostile_texts_end_in_one_clear_error(void **state)
{
	static const struct {
		const char *pattern;
		int err;
		const char *code;
		const char *words;
	} cases[] = {
		{"[", -E2BIG, "policy.text.depth", "p:1:17: nested deeper than 16 levels"},
		{"{", -EINVAL, "policy.yaml.key", "p:1:2: a key must be a word"},
		{"- ", -E2BIG, "policy.text.depth", "p:1:33: nested deeper than 16 levels"},
		{"? ", -EINVAL, "policy.yaml.key", "p:1:3: a key must be a word"},
		{"- a\n", -E2BIG, "policy.text.nodes",
		 "p:524288:3: the policy has more than 524288 values"},
		{"a: b\n", -E2BIG, "policy.text.nodes",
		 "p:262144:4: the policy has more than 524288 values"},
		{"a", -EINVAL, "policy.value.kind", "p:1:1: a policy is a mapping of keys"},
		{"&a ", -EINVAL, "policy.yaml.anchor", "p:1:1: anchors and tags are not allowed"},
		{"\"", -EINVAL, "policy.yaml.syntax",
		 "p:1:3: YAML: did not find expected <document start>"},
		{"a: ", -EINVAL, "policy.yaml.syntax",
		 "p:1:5: YAML: mapping values are not allowed in this context"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = filled(cases[i].pattern, POLICY_TEXT_MAX);

		refuse(text, POLICY_TEXT_MAX, cases[i].err, cases[i].code, cases[i].words);
	}
}

static void bytes_after_a_nul_cannot_hide(void **state)
{
	static const char text[] = HEAD "\0limits: []\n";

	(void)state;
	refuse(text, sizeof(text) - 1, -EINVAL, "policy.text.control",
	       "p:3:1: control character U+0000 is not allowed");
}

static void an_alias_bomb_is_refused_at_its_first_anchor(void **state)
{
	static const char text[] = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n";

	(void)state;
	refuse(text, strlen(text), -EINVAL, "policy.yaml.anchor",
	       "p:1:4: anchors and tags are not allowed");
}

static void any_cut_of_a_good_policy_is_answered(void **state)
{
	(void)state;
	for (size_t length = 0; length <= strlen(full); length++) {
		/* Of its own, so that a read beyond it is seen. */
		_cleanup_free_ char *text = malloc(length + !length);
		struct policy *p = NULL;
		struct fault f = {0};
		int r;

		assert_non_null(text);
		memcpy(text, full, length);
		r = policy_parse("p", text, length, &p, &f);
		assert_true((r == 0) == (p != NULL) && (r == 0 || f.text[0]));
		policy_free(p);
	}
}

struct directory {
	char path[32];
	char file[48];
};

static int directory_make(void **state)
{
	struct directory *d = calloc(1, sizeof(*d));

	if (!d)
		return -1;
	*state = d;
	snprintf(d->path, sizeof(d->path), "/tmp/weir-policy-XXXXXX");
	if (!mkdtemp(d->path))
		return -1;
	snprintf(d->file, sizeof(d->file), "%s/policy.yaml", d->path);
	return 0;
}

static int directory_remove(void **state)
{
	struct directory *d = *state;

	unlink(d->file);
	rmdir(d->path);
	free(d);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	_cleanup_fclose_ FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
}

static void a_file_is_loaded_and_named_in_faults(void **state)
{
	_cleanup_(policy_freep) struct policy *p = NULL;
	const struct directory *d = *state;
	struct fault f = {0};
	char words[256];

	write_file(d->file, full);
	assert_int_equal(chmod(d->file, 0644), 0);
	assert_int_equal(policy_load(d->file, &p, &f), 0);
	assert_string_equal(p->name, d->file);
	assert_string_equal(p->text, full);
	write_file(d->file, HEAD "limit: []\n");
	assert_int_equal(policy_load(d->file, &p, &f), -EINVAL);
	snprintf(words, sizeof(words),
		 "%s:3:1: unknown key 'limit' in the policy; did you mean 'limits'?", d->file);
	assert_string_equal(f.text, words);
}

static void a_file_that_others_can_write_is_refused(void **state)
{
	static const mode_t modes[] = {0664, 0646, 0666};
	const struct directory *d = *state;
	struct policy *p = NULL;
	struct fault f = {0};
	char words[300];

	write_file(d->file, full);
	snprintf(words, sizeof(words),
		 "%s: others can write to it, and a policy is as powerful as root: chmod go-w %s",
		 d->file, d->file);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(chmod(d->file, modes[i]), 0);
		assert_int_equal(policy_load(d->file, &p, &f), -EPERM);
		assert_null(p);
		assert_string_equal(f.code, "policy.file.writable");
		assert_string_equal(f.text, words);
	}
}

static void what_is_no_file_is_refused_without_waiting(void **state)
{
	const struct directory *d = *state;
	struct policy *p = NULL;
	struct fault f = {0};
	char words[128];

	assert_int_equal(policy_load(d->path, &p, &f), -EISDIR);
	snprintf(words, sizeof(words), "%s: Is a directory", d->path);
	assert_string_equal(f.text, words);
	assert_int_equal(policy_load(d->file, &p, &f), -ENOENT);
	assert_string_equal(f.code, "policy.file.read");
	assert_int_equal(mkfifo(d->file, 0600), 0);
	assert_int_equal(policy_load(d->file, &p, &f), -EINVAL);
	assert_string_equal(f.code, "policy.file.type");
	assert_null(p);
}

static void a_file_over_8_mib_is_refused(void **state)
{
	const struct directory *d = *state;
	struct policy *p = NULL;
	struct fault f = {0};

	write_file(d->file, HEAD);
	assert_int_equal(chmod(d->file, 0600), 0);
	assert_int_equal(truncate(d->file, POLICY_TEXT_MAX + 1), 0);
	assert_int_equal(policy_load(d->file, &p, &f), -E2BIG);
	assert_string_equal(f.code, "policy.text.long");
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, directory_make, directory_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_and_metadata_are_read),
		cmocka_unit_test(services_are_sorted_and_merged),
		cmocka_unit_test(limits_are_read_and_completed),
		cmocka_unit_test(text_is_kept_and_hashed),
		cmocka_unit_test(what_is_not_given_has_a_safe_default),
		cmocka_unit_test(yaml_1_1_types_hold_no_surprise),
		cmocka_unit_test(quantities_survive_being_written),
		cmocka_unit_test(services_may_be_64_not_65),
		cmocka_unit_test(ports_of_a_service_may_be_128_not_129),
		cmocka_unit_test(destinations_may_be_256_per_service_and_1024_in_all),
		cmocka_unit_test(feeds_are_read_and_may_be_64_in_both_lists),
		cmocka_unit_test(list_entries_may_be_65536_in_both_lists),
		cmocka_unit_test(strings_may_have_128_bytes_not_129),
		cmocka_unit_test(text_may_have_8_mib_not_a_byte_more),
		cmocka_unit_test(hostile_texts_end_in_one_clear_error),
		cmocka_unit_test(bytes_after_a_nul_cannot_hide),
		cmocka_unit_test(an_alias_bomb_is_refused_at_its_first_anchor),
		cmocka_unit_test(any_cut_of_a_good_policy_is_answered),
		in_directory(a_file_is_loaded_and_named_in_faults),
		in_directory(a_file_that_others_can_write_is_refused),
		in_directory(what_is_no_file_is_refused_without_waiting),
		in_directory(a_file_over_8_mib_is_refused),
	};

	return cmocka_run_group_tests_name("policy_model", tests, NULL, NULL);
}
