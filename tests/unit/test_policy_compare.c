/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What changed from policy to policy, by key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "policy/compare.h"
#include "policy/policy.h"

static char *changes_with(const char *a, const char *profile_a, const char *b,
			  const char *profile_b)
{
	const struct policy_version before = {a, strlen(a), profile_a};
	const struct policy_version after = {b, strlen(b), profile_b};
	struct policy_changes changes;
	struct fault f = {0};
	struct text out;

	if (policy_compare(&before, &after, &changes, &f) < 0)
		fail_msg("%s", f.text);
	text_init_growing(&out);
	text_put(&out, "", 0);
	for (size_t i = 0; i < changes.count; i++)
		text_printf(&out, "%s %s %s -> %s\n", policy_change_kind_str(changes.items[i].kind),
			    changes.items[i].path, changes.items[i].before ?: "-",
			    changes.items[i].after ?: "-");
	policy_changes_done(&changes);
	return text_take(&out);
}

static char *changes_of(const char *a, const char *b)
{
	return changes_with(a, NULL, b, NULL);
}

static void what_a_profile_makes_of_the_same_text_is_a_change(void **state)
{
	static const char text[] = "mode: enforce\nlimits: [{name: a, rate: 1/s}]\n"
				   "profiles: {p: {mode: monitor}, q: {limits: [{name: a, rate: "
				   "9/s}]}}\n";
	_cleanup_free_ char *got = changes_with(text, "p", text, "q");
	_cleanup_free_ char *none = changes_with(text, "p", text, "p");

	(void)state;
	assert_string_equal(got, "changed limits.a.rate 1/s -> 9/s\n"
				 "changed mode monitor -> enforce\n");
	assert_string_equal(none, "");
}

static void order_and_form_are_no_change(void **state)
{
	_cleanup_free_ char *got = changes_of(
		"mode: enforce\nlimits:\n  - {name: a, rate: 1/s}\n  - name: b\n    rate: '2/s'\n",
		"limits: [{rate: 2/s, name: b}, {rate: 1/s, name: a}]\nmode: 'enforce' # quoted\n");

	(void)state;
	assert_string_equal(got, "");
}

static void limits_are_told_by_name_and_key(void **state)
{
	_cleanup_free_ char *got =
		changes_of("limits: [{name: a, rate: 1/s}, {name: b, rate: 2/s}]\n",
			   "limits: [{name: c, rate: 3/s}, {name: a, rate: 5/s, burst: 9}]\n");

	(void)state;
	assert_string_equal(got, "added limits.a.burst - -> 9\n"
				 "changed limits.a.rate 1/s -> 5/s\n"
				 "removed limits.b {name: b, rate: 2/s} -> -\n"
				 "added limits.c - -> {name: c, rate: 3/s}\n");
}

static void list_entries_are_told_by_their_prefix(void **state)
{
	_cleanup_free_ char *got = changes_of(
		"lists: {block: {entries: [10.0.0.1, {cidr: 10.0.0.2, reason: x}, 10.0.0.4]}}\n",
		"lists: {block: {entries: [{cidr: 10.0.0.2, reason: y}, 10.0.0.3, "
		"{cidr: 10.0.0.4, ttl: 1h}]}}\n");

	(void)state;
	assert_string_equal(got, "removed lists.block.entries.10.0.0.1 10.0.0.1 -> -\n"
				 "changed lists.block.entries.10.0.0.2.reason x -> y\n"
				 "added lists.block.entries.10.0.0.3 - -> 10.0.0.3\n"
				 "changed lists.block.entries.10.0.0.4 10.0.0.4 -> "
				 "{cidr: 10.0.0.4, ttl: 1h}\n");
}

static void a_section_that_comes_or_goes_is_one_change(void **state)
{
	_cleanup_free_ char *got =
		changes_of("mode: off\nservices: {web: {dport: 80}}\n", "mode: enforce\n");

	(void)state;
	assert_string_equal(got, "changed mode off -> enforce\n"
				 "removed services {web: {dport: 80}} -> -\n");
}

static void long_values_are_cut(void **state)
{
	struct text a;
	_cleanup_free_ char *text = NULL, *got = NULL;

	(void)state;
	text_init_growing(&a);
	text_puts(&a, "x: {y: [");
	for (unsigned int i = 0; i < 1000; i++)
		text_printf(&a, "%u, ", i);
	text_puts(&a, "1]}\n");
	text = text_take(&a);
	got = changes_of("z: 1\n", text);
	assert_true(strlen(got) < 2 * POLICY_VALUE_MAX);
	assert_non_null(strstr(got, "...\n"));
}

static void as_many_entries_as_a_policy_may_have_are_compared(void **state)
{
	_cleanup_free_ char *a = NULL, *b = NULL, *got = NULL;

	(void)state;
	for (int side = 0; side < 2; side++) {
		struct text t;

		text_init_growing(&t);
		text_puts(&t, "lists: {block: {entries: [");
		for (unsigned int i = 0; i < POLICY_ENTRIES_MAX; i++)
			if (side || i != 7)
				text_printf(&t, "10.%u.%u.%u, ", i >> 16, i >> 8 & 255, i & 255);
		text_puts(&t, "11.0.0.1]}}\n");
		*(side ? &b : &a) = text_take(&t);
	}
	got = changes_of(a, b);
	assert_string_equal(got, "added lists.block.entries.10.0.0.7 - -> 10.0.0.7\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_and_form_are_no_change),
		cmocka_unit_test(what_a_profile_makes_of_the_same_text_is_a_change),
		cmocka_unit_test(limits_are_told_by_name_and_key),
		cmocka_unit_test(list_entries_are_told_by_their_prefix),
		cmocka_unit_test(a_section_that_comes_or_goes_is_one_change),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(as_many_entries_as_a_policy_may_have_are_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
