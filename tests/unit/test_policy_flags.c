/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flags in the language, what they are compiled to, and times and shares as they are written. */
#include "test_policy_image.h"

#define HEAD	    "apiVersion: weir/v1\nmode: enforce\npackets: {fragments: pass}\n"
#define FLAGS(...)  HEAD "flags: {f: {" __VA_ARGS__ "}}\n"
#define FLAGGED(by) HEAD "flags: {strict-dns: {}}\nlimits: [{name: a, scope: source, " by "}]\n"

struct bad {
	const char *promise;
	const char *text;
	int err;
	const char *code;
	const char *words;
};

static const struct bad bad[] = {
	{"an unknown key gets a suggestion", FLAGS("rolout: 5%"), -EINVAL, "policy.key.unknown",
	 "p:4:13: unknown key 'rolout' in a flag; did you mean 'rollout'?"},
	{"a share without a unit gets the unit", FLAGS("rollout: 25"), -EINVAL,
	 "policy.unit.missing", "p:4:22: '25' has no unit: write 25%"},
	{"a share of more than everybody is refused", FLAGS("rollout: 100.1%"), -EINVAL,
	 "policy.number.range", "p:4:22: '100.1%' is not within 0% to 100%"},
	{"a huge share is refused", FLAGS("rollout: 99999999999999999999%"), -EINVAL,
	 "policy.number.range", "p:4:22: '99999999999999999999%' is not within 0% to 100%"},
	{"a share has one decimal", FLAGS("rollout: 0.25%"), -EINVAL, "policy.number.syntax",
	 "p:4:22: '0.25%' is not a share such as 25% or 0.5%"},
	{"a negative share is refused", FLAGS("rollout: -1%"), -EINVAL, "policy.number.syntax",
	 "p:4:22: '-1%' is not a share such as 25% or 0.5%"},
	{"who names sources says what everybody else gets", FLAGS("sources: 10.0.0.0/8"), -EINVAL,
	 "policy.flag.rollout",
	 "p:4:9: flag 'f' names sources, so it needs a rollout, the share of everybody else: 0% for "
	 "nobody"},
	{"a tenant must be there", FLAGS("rollout: 0%, tenants: acme"), -EINVAL,
	 "policy.word.unknown", "p:4:35: unknown tenant 'acme'; none is defined"},
	{"a time without a zone is refused", FLAGS("expires: \"2026-12-31T00:00:00\""), -EINVAL,
	 "policy.time",
	 "p:4:22: '2026-12-31T00:00:00' is no time: write it in UTC, such as 2026-12-31T00:00:00Z"},
	{"a day that is not is refused", FLAGS("expires: 2026-02-30T00:00:00Z"), -EINVAL,
	 "policy.time",
	 "p:4:22: '2026-02-30T00:00:00Z' is no time: write it in UTC, such as 2026-12-31T00:00:00Z"},
	{"a flag has a name like others", HEAD "flags: {Strict: {}}\n", -EINVAL, "policy.name",
	 "p:4:9: 'Strict' is no name: 1 to 32 of a-z, 0-9 and '-', not '-' first"},
	{"a flag is a mapping", HEAD "flags: {f: on}\n", -EINVAL, "policy.value.kind",
	 "p:4:12: flag 'f' takes a mapping of enabled, rollout, sources, tenants and expires"},
	{"a limit's flag must be there", FLAGGED("rate: 1/s, flag: strict-dsn"), -EINVAL,
	 "policy.word.unknown", "p:5:52: unknown flag 'strict-dsn'; did you mean 'strict-dns'?"},
	{"so must an inverted one", FLAGGED("rate: 1/s, flag: \"!other\""), -EINVAL,
	 "policy.word.unknown", "p:5:52: unknown flag 'other'; known: strict-dns"},
};

static void what_is_wrong_is_named_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(policy_freep) struct policy *p = NULL;
		struct fault f = {0};
		int r = policy_parse("p", bad[i].text, strlen(bad[i].text), &p, &f);

		if (r != bad[i].err)
			fail_msg("%s: %d", bad[i].promise, r);
		if (strcmp(f.code, bad[i].code) != 0 || strcmp(f.text, bad[i].words) != 0)
			fail_msg("%s: %s: %s", bad[i].promise, f.code, f.text);
	}
}

static void as_many_flags_as_there_may_be(void **state)
{
	char text[4096] = HEAD "flags:\n";
	struct policy *p = NULL;
	struct fault f = {0};

	(void)state;
	for (unsigned int i = 0; i < POLICY_FLAGS_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "  f%u: {}\n", i);
	p = parse(text);
	assert_int_equal(p->flag_count, POLICY_FLAGS_MAX);
	policy_free(p);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "  more: {}\n");
	assert_int_equal(policy_parse("p", text, strlen(text), &p, &f), -E2BIG);
	assert_string_equal(f.text, "p:5:3: more than 64 flags");
}

static void a_flag_is_off_and_for_everybody_unless_told(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse(
		HEAD
		"tenants: {acme: {src: 10.0.0.0/8}}\n"
		"flags:\n"
		"  f: {}\n"
		"  g: {description: halve it, enabled: true, rollout: 12.5%, sources: [10.1.0.0/16, "
		"10.0.0.0/16], tenants: acme, expires: 2026-12-31T00:00:00Z}\n");
	const struct policy_flag *f = policy_flag_find(p, "f"), *g = policy_flag_find(p, "g");

	(void)state;
	assert_false(f->enabled);
	assert_int_equal(f->permille, 1000);
	assert_true(f->expires == POLICY_FLAG_NEVER);
	assert_true(g->enabled);
	assert_int_equal(g->permille, 125);
	assert_string_equal(g->description, "halve it");
	assert_int_equal(g->source_count, 2);
	assert_int_equal(g->sources[0].address[13], 0); /* sorted */
	assert_int_equal(g->tenants[0], 1);
	assert_int_equal(g->expires, 1798675200);
	assert_null(policy_flag_find(p, "h"));
}

#define PAIR                                                                                       \
	HEAD "flags: {f: {enabled: true, rollout: 0%, sources: 10.0.0.0/8}}\n"                     \
	     "limits:\n"                                                                           \
	     "  - {name: new, scope: source, rate: 5/s, flag: f}\n"                                \
	     "  - {name: old, scope: source, rate: 10/s, flag: '!f'}\n"

static struct policy_image *compiled_with(const struct policy *p,
					  const struct policy_flag_value *values)
{
	struct policy_image *image = NULL;
	struct fault f = {0};

	if (policy_compile_flags(p, values, TICK_NS, &image, &f) < 0)
		fail_msg("%s", f.text);
	return image;
}

static void limits_of_a_flag_agree_whom_it_is_on_for(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse(PAIR);
	struct policy_flag_value value = policy_flag_value(&p->flags[0]);
	_cleanup_(policy_image_freep) struct policy_image *on = compiled_with(p, &value);

	(void)state;
	assert_int_equal(on->policy.active, 3);
	assert_int_equal(on->policy.flagged_limits, 3);
	assert_int_equal(on->policy.inverted_limits, 2);
	assert_true(on->policy.shares[0].key == on->policy.shares[1].key);
	assert_int_equal(on->policy.shares[0].below, 0);
	assert_int_equal(on->source_count, 1);
	assert_int_equal(on->sources[0].targeted, 3);
	assert_int_equal(on->sources[0].value.limits, 3); /* who is not named may be in the share */
	assert_int_equal(on->policy.any_source, 3);
}

static void a_flag_that_is_off_leaves_the_inverted_limit_to_everybody(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse(PAIR);
	struct policy_flag_value value = policy_flag_value(&p->flags[0]);
	_cleanup_(policy_image_freep) struct policy_image *on = compiled_with(p, &value),
							  *off = NULL;

	(void)state;
	value.on = false;
	value.permille = 500;
	off = compiled_with(p, &value);
	assert_int_equal(off->policy.active, 2);
	assert_true(off->limits[0].flag_off);
	assert_int_equal(off->policy.shares[0].below, 1ULL << 31); /* ready to be switched on */
	assert_int_equal(off->policy.shares[1].below, 0);
	assert_int_equal(off->sources[0].targeted, 1);
	/* State is found by the keys. */
	assert_true(on->policy.limits[0].key == off->policy.limits[0].key);
	assert_true(on->policy.limits[1].key == off->policy.limits[1].key);
}

static void a_flag_for_nobody_is_as_good_as_off(void **state)
{
	struct policy_flag_value value = {.on = true};
	struct prefix any = {.bits = 0};
	uint16_t tenant = 1;

	(void)state;
	assert_true(policy_flag_is_off(&value));
	value.permille = 1;
	assert_false(policy_flag_is_off(&value));
	value.on = false;
	assert_true(policy_flag_is_off(&value));
	value = (struct policy_flag_value){.on = true, .sources = &any, .source_count = 1};
	assert_false(policy_flag_is_off(&value));
	value = (struct policy_flag_value){.on = true, .tenants = &tenant, .tenant_count = 1};
	assert_false(policy_flag_is_off(&value));
}

static void policies_without_flags_have_none_of_it(void **state)
{
	_cleanup_(policy_freep) struct policy *p =
		parse(HEAD "flags: {unused: {enabled: true, rollout: 5%, sources: 10.0.0.0/8}}\n"
			   "limits: [{name: a, scope: source, rate: 1/s}]\n");
	struct policy_flag_value value = policy_flag_value(&p->flags[0]);
	_cleanup_(policy_image_freep) struct policy_image *image = compiled_with(p, &value);

	(void)state;
	assert_int_equal(image->policy.flagged_limits, 0);
	assert_int_equal(image->source_count, 0);
}

static void shares_are_written_as_they_are_read(void **state)
{
	static const char *const texts[] = {"0%", "0.5%", "25%", "99.9%", "100%"};
	static const unsigned int permille[] = {0, 5, 250, 999, 1000};
	char text[POLICY_ROLLOUT_SIZE];
	uint16_t parsed_permille;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(policy_rollout_parse(texts[i], &parsed_permille, NULL), 0);
		assert_int_equal(parsed_permille, permille[i]);
		policy_rollout_format(permille[i], text);
		assert_string_equal(text, texts[i]);
	}
	assert_true(policy_flag_below(0) == 0);
	assert_true(policy_flag_below(1000) == 1ULL << 32);
}

static void times_are_read_as_they_are_written(void **state)
{
	static const char *const wrong[] = {
		"",
		"2026-12-31",
		"2026-12-31T00:00:00",
		"2026-12-31T00:00:00+00:00",
		"2026-12-31 00:00:00Z",
		"2026-12-31T24:00:00Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2025-02-29T00:00:00Z",
		"2262-01-01T00:00:00Z",
		"1969-12-31T23:59:59Z",
		"2026-12-31T00:00:60Z",
		"2026-12-31T0 :00:00Z",
	};
	static const struct {
		const char *text;
		int64_t seconds;
	} right[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2024-02-29T12:34:56Z", 1709210096},
		{"2261-12-31T23:59:59Z", 9214646399},
	};
	int64_t seconds;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(clock_parse_rfc3339(wrong[i], &seconds), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
		assert_int_equal(clock_parse_rfc3339(right[i].text, &seconds), 0);
		assert_true(seconds == right[i].seconds);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_named_with_its_place),
		cmocka_unit_test(as_many_flags_as_there_may_be),
		cmocka_unit_test(a_flag_is_off_and_for_everybody_unless_told),
		cmocka_unit_test(limits_of_a_flag_agree_whom_it_is_on_for),
		cmocka_unit_test(a_flag_that_is_off_leaves_the_inverted_limit_to_everybody),
		cmocka_unit_test(a_flag_for_nobody_is_as_good_as_off),
		cmocka_unit_test(policies_without_flags_have_none_of_it),
		cmocka_unit_test(shares_are_written_as_they_are_read),
		cmocka_unit_test(times_are_read_as_they_are_written),
	};

	return cmocka_run_group_tests_name("policy_flags", tests, NULL, NULL);
}
