/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one way to write a policy: what becomes of order, quotes, brackets and comments; and that it
 * means the same and stays as it is, for every policy at hand and for any order of its keys. */
#include "test_policy.h"

#include <dirent.h>

#include "policy/fmt.h"
#include "policy/tree.h"

static char *format(const char *text)
{
	char *ret = NULL;
	struct fault f = {0};
	size_t length = 0;

	if (policy_fmt("p", text, strlen(text), &ret, &length, &f) < 0)
		print_error("%s in:\n%s\n", f.text, text);
	assert_non_null(ret);
	assert_int_equal(length, strlen(ret));
	return ret;
}

struct row {
	const char *promise, *text, *want;
};

static const struct row rows[] = {
	{"keys come in the order of the table",
	 "mode: off\nmetadata: {owner: b, name: a}\napiVersion: weir/v1\n",
	 "apiVersion: weir/v1\nmetadata: {name: a, owner: b}\nmode: off\n"},
	{"keys of limits do, too", "limits:\n- rate: 1/s\n  scope: source\n  name: a\n",
	 "limits:\n  - name: a\n    scope: source\n    rate: 1/s\n"},
	{"names keep their order",
	 "services:\n    web: {dport: 80, proto: tcp}\n    dns: {proto: udp}\n",
	 "services:\n  web: {proto: tcp, dport: 80}\n  dns: {proto: udp}\n"},
	{"unknown keys come last, in their order", "zebra: 1\nmode: off\nant: 2\n",
	 "mode: off\nzebra: 1\nant: 2\n"},
	{"a profile is ordered as a policy is", "profiles:\n  a:\n    limits: []\n    mode: off\n",
	 "profiles:\n  a:\n    mode: off\n    limits: []\n"},
	{"quotes that no reader needs go",
	 "mode: 'off'\n\"metadata\": {name: \"edge\", owner: 'it''s'}\n",
	 "metadata: {name: edge, owner: it's}\nmode: off\n"},
	{"quotes that a reader needs stay or change",
	 "metadata: {name: 'a: b', owner: \"a, b\", change: 'x #y'}\n",
	 "metadata: {name: \"a: b\", owner: \"a, b\", change: \"x #y\"}\n"},
	{"text in quotes does not become a number",
	 "metadata:\n  name: \"12\"\n  owner: 'true'\n  change: '~'\n",
	 "metadata:\n  name: \"12\"\n  owner: \"true\"\n  change: \"~\"\n"},
	{"an empty text keeps its quotes", "metadata: {name: ''}\n", "metadata: {name: \"\"}\n"},
	{"a quote and a backslash are escaped", "metadata:\n  name: '\"a\\b: \"'\n",
	 "metadata:\n  name: \"\\\"a\\\\b: \\\"\"\n"},
	{"an address of IPv6 has quotes in brackets only",
	 "lists:\n  block:\n    entries:\n      - \"2001:db8::/32\"\n  allow: {entries: [\"2001:db8::/32\"]}\n",
	 "lists:\n  allow: {entries: [\"2001:db8::/32\"]}\n  block:\n    entries:\n      - 2001:db8::/32\n"},
	{"a text in a block becomes one of a line",
	 "metadata:\n  name: |-\n    edge\n  owner: >-\n    two\n    words\n",
	 "metadata:\n  name: edge\n  owner: two words\n"},
	{"brackets that fit on a line stay", "lists: {block: {entries: [10.0.0.1,   10.0.0.2]}}\n",
	 "lists: {block: {entries: [10.0.0.1, 10.0.0.2]}}\n"},
	{"brackets over several lines are joined if they fit",
	 "services:\n  web: {proto: tcp,\n    dport: [80,\n   443]}\n",
	 "services:\n  web: {proto: tcp, dport: [80, 443]}\n"},
	{"brackets that do not fit become lines",
	 "lists: {block: {entries: [198.51.100.101, 198.51.100.102, 198.51.100.103, 198.51.100.104, 198.51.100.105, 198.51.100.106]}}\n",
	 "lists:\n  block:\n    entries:\n      - 198.51.100.101\n      - 198.51.100.102\n"
	 "      - 198.51.100.103\n      - 198.51.100.104\n      - 198.51.100.105\n"
	 "      - 198.51.100.106\n"},
	{"what is empty stays in brackets", "lists: {}\nlimits: []\n", "lists: {}\nlimits: []\n"},
	{"a key without a value keeps none", "limits:\nmode: off\n", "mode: off\nlimits:\n"},
	{"carriage returns and a byte order mark go", "\xef\xbb\xbfmode: off\r\nlimits: []\r\n",
	 "mode: off\nlimits: []\n"},
	{"the mark of a document goes", "---\nmode: off\n...\n", "mode: off\n"},

	{"a comment stays with what it stands above",
	 "# two\nmode: off\n# one\napiVersion: weir/v1\n",
	 "# one\napiVersion: weir/v1\n# two\nmode: off\n"},
	{"a comment stays with what it stands beside",
	 "mode: off # two\napiVersion: weir/v1   # one\n",
	 "apiVersion: weir/v1  # one\nmode: off            # two\n"},
	{"what heads the file stays there",
	 "# a licence\n\n# two\nmode: off\napiVersion: weir/v1\n",
	 "# a licence\n\napiVersion: weir/v1\n\n# two\nmode: off\n"},
	{"a comment at the end of a block stays in it",
	 "limits:\n  - {name: a}\n  # last\nmode: off\n",
	 "mode: off\nlimits:\n  - {name: a}\n  # last\n"},
	{"a comment at the end of the file stays there", "mode: off\n\n# the end\n",
	 "mode: off\n\n# the end\n"},
	{"a comment in brackets opens them",
	 "lists: {block: {entries: [10.0.0.1, # one\n  10.0.0.2]}}\n",
	 "lists:\n  block:\n    entries:\n      - 10.0.0.1  # one\n      - 10.0.0.2\n"},
	{"a comment before the end of brackets opens them",
	 "limits: [\n  {name: a},\n  # none\n]\n", "limits:\n  - {name: a}\n  # none\n"},
	{"a comment behind brackets does not", "limits: [\n  a]  # few\n", "limits: [a]  # few\n"},
	{"a comment behind a dash stands above it", "limits:\n  - # first\n    name: a\n",
	 "limits:\n  # first\n  - name: a\n"},
	{"a comment above the second key that becomes the first stands above the dash",
	 "limits:\n  - scope: source\n    # its name\n    name: a\n",
	 "limits:\n  # its name\n  - name: a\n    scope: source\n"},
	{"a comment at the head of a text in a block stays",
	 "metadata:\n  name: |- # why\n    edge\n", "metadata:\n  name: edge  # why\n"},
	{"a '#' in a text is no comment", "metadata: {name: 'a # b', owner: a#b}\n",
	 "metadata: {name: \"a # b\", owner: a#b}\n"},
	{"comments at the ends of neighbouring lines are aligned",
	 "packets:\n  malformed: drop # a\n  other: pass # b\n  fragments: drop\n",
	 "packets:\n  malformed: drop  # a\n  other: pass      # b\n  fragments: drop\n"},
	{"one empty line stays one, more become one",
	 "apiVersion: weir/v1\n\nmode: off\n\n\n# c\n\nlimits: []\n",
	 "apiVersion: weir/v1\n\nmode: off\n\n# c\n\nlimits: []\n"},
};

static void formats(void **state)
{
	const struct row *row = *state;
	_cleanup_free_ char *once = format(row->text), *twice = format(once);

	assert_string_equal(once, row->want);
	assert_string_equal(twice, once);
}

static void what_is_no_yaml_is_refused_with_its_place(void **state)
{
	char *ret = NULL;
	struct fault f = {0};
	size_t length;

	(void)state;
	assert_int_equal(policy_fmt("p", "a: [", 4, &ret, &length, &f), -EINVAL);
	assert_null(ret);
	assert_string_equal(f.code, "policy.yaml.syntax");
	assert_int_equal(strncmp(f.text, "p:2:1: YAML:", 12), 0);
	assert_int_equal(policy_fmt("p", "a: &x b\n", 8, &ret, &length, &f), -EINVAL);
	assert_string_equal(f.code, "policy.yaml.anchor");
}

static char *read_file(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	assert_non_null(f);
	assert_true(getdelim(&text, &size, EOF, f) > 0);
	return text;
}

static bool same_list(const struct policy_list *a, const struct policy_list *b)
{
	if (a->count != b->count || a->feed_count != b->feed_count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (prefix_compare(&a->entries[i].prefix, &b->entries[i].prefix) != 0 ||
		    a->entries[i].ttl_ns != b->entries[i].ttl_ns ||
		    strcmp(a->entries[i].reason ?: "", b->entries[i].reason ?: "") != 0)
			return false;
	for (size_t i = 0; i < a->feed_count; i++)
		if (strcmp(a->feeds[i].name, b->feeds[i].name) != 0 ||
		    strcmp(a->feeds[i].file, b->feeds[i].file) != 0 ||
		    a->feeds[i].format != b->feeds[i].format)
			return false;
	return true;
}

/* The images of two policies are the same byte by byte, but for the lines that rules stand in. */
static void assert_same_meaning(const struct policy *a, const struct policy *b)
{
	_cleanup_(policy_image_freep) struct policy_image *x = NULL, *y = NULL;

	assert_true(same_list(&a->allow, &b->allow) && same_list(&a->block, &b->block));
	assert_string_equal(a->metadata.name ?: "", b->metadata.name ?: "");
	assert_int_equal(policy_compile(a, 4000000, &x, NULL), 0);
	assert_int_equal(policy_compile(b, 4000000, &y, NULL), 0);
	assert_memory_equal(&x->policy, &y->policy, sizeof(x->policy));
	assert_memory_equal(x->ports, y->ports, sizeof(x->ports));
	assert_int_equal(x->destination_count, y->destination_count);
	assert_int_equal(x->source_count, y->source_count);
	assert_int_equal(x->cell_sets, y->cell_sets);
	for (size_t i = 0; i < x->destination_count; i++)
		assert_memory_equal(&x->destinations[i], &y->destinations[i],
				    sizeof(x->destinations[i]));
}

static size_t comments_count(const char *text)
{
	size_t count = 0;

	for (const char *p = text; (p = strchr(p, '#')); p++)
		count++;
	return count;
}

static void assert_stays(const char *text)
{
	_cleanup_free_ char *once = format(text), *twice = format(once);
	_cleanup_(policy_freep) struct policy *before = NULL, *after = NULL;

	assert_string_equal(twice, once);
	assert_int_equal(comments_count(once), comments_count(text));
	if (policy_parse("p", text, strlen(text), &before, NULL) < 0)
		return;
	assert_int_equal(policy_parse("p", once, strlen(once), &after, NULL), 0);
	assert_same_meaning(before, after);
}

static void every_policy_at_hand_keeps_its_meaning_and_its_comments(void **state)
{
	static const char *const dirs[] = {"tests/data/policies", "tests/fuzz/seeds/policy"};
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_cleanup_closedir_ DIR *dir = opendir(dirs[i]);
		const struct dirent *e;

		assert_non_null(dir);
		while ((e = readdir(dir))) {
			_cleanup_free_ char *text = NULL, *none = NULL;
			char path[512];
			size_t length;

			if (!strstr(e->d_name, ".yaml"))
				continue;
			snprintf(path, sizeof(path), "%s/%s", dirs[i], e->d_name);
			text = read_file(path);
			if (policy_fmt("p", text, strlen(text), &none, &length, NULL) < 0)
				continue; /* some seeds are no YAML at all */
			assert_stays(text);
			count++;
		}
	}
	assert_true(count >= 3);
}

/* A generator of numbers that gives the same ones each time. */
static unsigned int next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(*seed >> 33);
}

static void put_string(struct text *t, const struct node *n)
{
	text_puts(t, "'");
	for (const char *p = n->text; *p; p++)
		text_printf(t, *p == '\'' ? "''" : "%c", *p);
	text_puts(t, "'");
}

/* Write a tree with its keys in another order, and here and there a comment, in one of two styles. */
static void shuffle(struct text *t, const struct node *n, unsigned int indent, bool flow,
		    uint64_t *seed)
{
	const struct node *keys[256];
	size_t count = 0;

	if (n->kind == NODE_SCALAR) {
		if (!*n->text || next_random(seed) % 2 || strpbrk(n->text, ":{}[],#&*!|>'\"%@`"))
			put_string(t, n);
		else
			text_puts(t, n->text);
		return;
	}
	flow |= !n->children || next_random(seed) % 4 == 0;
	for (const struct node *e = n->children; e; e = e->next) {
		assert_true(count < ARRAY_SIZE(keys));
		keys[count++] = e;
		if (n->kind == NODE_MAPPING)
			e = e->next;
	}
	for (size_t i = count; n->kind == NODE_MAPPING && i > 1; i--) {
		size_t j = next_random(seed) % i;
		const struct node *other = keys[j];

		keys[j] = keys[i - 1];
		keys[i - 1] = other;
	}
	if (flow)
		text_puts(t, n->kind == NODE_MAPPING ? "{" : "[");
	for (size_t i = 0; i < count; i++) {
		const struct node *value = n->kind == NODE_MAPPING ? keys[i]->next : keys[i];

		if (flow)
			text_puts(t, i ? ",\n      " : "");
		else if (next_random(seed) % 8 == 0)
			text_printf(t, "\n%s%*s# %u", next_random(seed) % 2 ? "\n" : "",
				    (int)(next_random(seed) % 3 ? indent : next_random(seed) % 9),
				    "", next_random(seed));
		if (!flow)
			text_printf(t, "\n%*s", (int)indent, "");
		if (n->kind == NODE_MAPPING)
			text_printf(t, "%s: ", keys[i]->text);
		else if (!flow)
			text_puts(t, "- ");
		shuffle(t, value, indent + 1 + next_random(seed) % 3, flow, seed);
		if (next_random(seed) % 8 == 0)
			text_printf(t, " # %u\n   ", next_random(seed));
	}
	if (flow)
		text_puts(t, n->kind == NODE_MAPPING ? "}" : "]");
}

static void any_order_of_keys_is_formatted_to_one_meaning(void **state)
{
	_cleanup_free_ char *text = read_file("tests/data/policies/everything.yaml");
	const struct policy_file file = {(char[]){"p"}, text, strlen(text)};
	_cleanup_(tree_freep) struct tree *tree = NULL;
	_cleanup_(policy_freep) struct policy *before = NULL;
	uint64_t seed = 1;

	(void)state;
	assert_int_equal(tree_parse(&file, NULL, &tree, NULL), 0);
	assert_int_equal(policy_parse("p", text, strlen(text), &before, NULL), 0);
	for (int i = 0; i < 500; i++) {
		_cleanup_(policy_freep) struct policy *p = NULL;
		_cleanup_(text_done) struct text t = {.growing = true};
		_cleanup_free_ char *once = NULL;
		struct fault f = {0};

		shuffle(&t, tree->root, 0, false, &seed);
		text_puts(&t, "\n");
		if (policy_parse("p", t.data, t.length, &p, &f) < 0)
			fail_msg("%s in:\n%s", f.text, t.data);
		assert_stays(t.data);
		policy_free(take_ptr(p));
		once = format(t.data);
		assert_int_equal(policy_parse("p", once, strlen(once), &p, &f), 0);
		assert_same_meaning(before, p);
	}
}

static void a_long_file_is_formatted_in_a_moment(void **state)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	_cleanup_free_ char *once = NULL;

	(void)state;
	text_puts(&t, HEAD "lists:\n  block:\n    entries:\n");
	for (unsigned int i = 0; i < 65536; i++)
		text_printf(&t, "      - 10.%u.%u.0/24  # a comment on each %u\n", i >> 8, i & 255,
			    i);
	once = format(t.data);
	assert_int_equal(comments_count(once), 65536);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_yaml_is_refused_with_its_place),
		cmocka_unit_test(every_policy_at_hand_keeps_its_meaning_and_its_comments),
		cmocka_unit_test(any_order_of_keys_is_formatted_to_one_meaning),
		cmocka_unit_test(a_long_file_is_formatted_in_a_moment),
	};
	struct CMUnitTest all[ARRAY_SIZE(tests) + ARRAY_SIZE(rows)];

	memcpy(all, tests, sizeof(tests));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		all[ARRAY_SIZE(tests) + i] = (struct CMUnitTest){
			.name = rows[i].promise,
			.test_func = formats,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	return cmocka_run_group_tests_name("policy_fmt", all, NULL, NULL);
}
