/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A policy tried on samples: what it would have dropped is what its limits and lists say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <weir/vocabulary.h>

#include "base/clock.h"
#include "detect/peers.h"
#include "engine/traffic_internal.h"

#define HEAD "apiVersion: weir/v1\nmode: enforce\npackets: {fragments: pass}\n"

struct fixture {
	struct traffic *traffic;
	struct list_set *lists;
	struct traffic_trial trial;
	uint64_t start_ns;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->traffic = traffic_new();
	assert_non_null(x->traffic);
	assert_int_equal(list_set_new(&x->lists), 0);
	x->start_ns = clock_monotonic_ns() - 100 * NSEC_PER_SEC;
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	_cleanup_free_ struct fixture *x = *state;

	traffic_free(x->traffic);
	list_set_free(x->lists);
	return 0;
}

/* @count samples of @source, UDP to @port, of @weight packets each, evenly over @seconds. */
static void traffic_of(struct fixture *x, const char *source, uint16_t port, unsigned int count,
		       uint32_t weight, unsigned int seconds)
{
	for (unsigned int i = 0; i < count; i++) {
		struct weir_sample s = {
			.time_ns = x->start_ns + i * (seconds * NSEC_PER_SEC) / count,
			.length = 100,
			.weight = weight,
			.destination_port = port,
			.protocol = 17,
			.class = port == 53 ? WEIR_CLASS_DNS : WEIR_CLASS_OTHER,
			.reason = WEIR_REASON_UNLIMITED,
			.verdict = WEIR_VERDICT_PASS,
			.flags = WEIR_SAMPLE_PORT,
		};

		assert_int_equal(address_parse(source, (uint8_t *)s.source), 0);
		assert_int_equal(address_parse("203.0.113.1", (uint8_t *)s.destination), 0);
		x->traffic->samples[x->traffic->count++] = s;
	}
}

static const struct traffic_trial *try(struct fixture *x, const char *text)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	_cleanup_(outlook_freep) struct outlook *outlook = NULL;
	struct traffic_policy p = {.seed = 7};
	struct fault f = {0};
	int64_t unused;

	if (policy_parse("test", text, strlen(text), &policy, &f) < 0 ||
	    policy_compile(policy, clock_coarse_tick_ns(), &image, &f) < 0 ||
	    outlook_new(x->lists, policy, &outlook, &f) < 0)
		fail_msg("%s", f.text);
	image->policy.active = policy_active(image->limits, image->policy.limit_count, 0, &unused);
	p.image = image;
	p.outlook = outlook;
	if (traffic_try(x->traffic, &p, &x->trial, &f) < 0)
		fail_msg("%s", f.text);
	return &x->trial;
}

static void what_is_within_a_limit_passes(void **state)
{
	traffic_of(*state, "198.51.100.1", 80, 100, 1, 10);
	assert_int_equal(
		try(*state, HEAD "limits: [{name: a, scope: source, rate: 11/s, burst: 5}]\n")
			->dropped_now,
		0);
}

static void what_is_above_a_limit_is_dropped_but_for_rate_and_burst(void **state)
{
	const struct traffic_trial *trial;

	traffic_of(*state, "198.51.100.1", 80, 1000, 1, 10);
	trial = try(*state, HEAD "limits: [{name: a, scope: source, rate: 10/s, burst: 20}]\n");
	assert_int_equal(trial->packets, 1000);
	assert_in_range(trial->dropped_now, 1000 - 121, 1000 - 118);
	assert_string_equal(trial->rules[0].name, "limit a (packets)");
	assert_string_equal(trial->sources[0].name, "198.51.100.1");
	assert_string_equal(trial->confidence, "fair");
}

static void a_sample_stands_for_its_weight(void **state)
{
	traffic_of(*state, "198.51.100.1", 80, 100, 10, 10);
	assert_in_range(
		try(*state, HEAD "limits: [{name: a, scope: source, rate: 10/s, burst: 20}]\n")
			->dropped_now,
		1000 - 121, 1000 - 115);
}

static void windows_and_bytes_are_limits_too(void **state)
{
	traffic_of(*state, "198.51.100.1", 80, 1000, 1, 10);
	assert_in_range(try(*state, HEAD "limits: [{name: a, scope: source, rate: 10/s, "
					 "algorithm: fixed_window}]\n")
				->dropped_now,
			1000 - 115, 1000 - 95);
	assert_in_range(try(*state, HEAD "limits: [{name: a, scope: source, byte_rate: 1KiB/s, "
					 "byte_burst: 16KiB}]\n")
				->dropped_now,
			1000 - 270, 1000 - 240);
}

static void sources_have_budgets_of_their_own_and_services_are_told_apart(void **state)
{
	const char *const text = HEAD "services: {dns: {proto: udp, dport: 53}}\n"
				      "limits: [{name: d, scope: source, service: dns, rate: 1/h, "
				      "burst: 10}]\n";

	traffic_of(*state, "198.51.100.1", 53, 10, 1, 1);
	traffic_of(*state, "198.51.100.2", 53, 10, 1, 1);
	traffic_of(*state, "198.51.100.2", 80, 100, 1, 1);
	assert_int_equal(try(*state, text)->dropped_now, 0);
	traffic_of(*state, "198.51.100.1", 53, 5, 1, 1);
	assert_int_equal(try(*state, text)->dropped_now, 5);
}

static void lists_decide_first(void **state)
{
	struct fixture *x = *state;
	struct list_entry entry = {.key = {.kind = LIST_BLOCK, .origin = LIST_OPERATOR},
				   .until_ns = WEIR_FOREVER,
				   .added_by = "root",
				   .reason = ""};
	const struct list_now now = {1, 1};
	const struct traffic_trial *trial;

	traffic_of(x, "198.51.100.1", 80, 50, 1, 1);
	traffic_of(x, "198.51.100.2", 80, 50, 1, 1);
	traffic_of(x, "198.51.100.3", 80, 50, 1, 1);
	assert_int_equal(prefix_parse("198.51.100.3", &entry.key.prefix), 0);
	assert_int_equal(list_set_add(x->lists, &entry, &now, NULL), 0);
	trial = try(x, HEAD "lists: {allow: {entries: [198.51.100.2]}, "
			    "block: {entries: [198.51.100.0/30]}}\n");
	assert_int_equal(trial->dropped_now, 100);
	assert_string_equal(trial->rules[0].name, "block list");
	/* An operator's entry holds whatever the policy says. */
	assert_int_equal(try(x, HEAD)->dropped_now, 50);
}

static void limits_that_refuse_nothing_drop_nothing(void **state)
{
	traffic_of(*state, "198.51.100.1", 80, 100, 1, 1);
	assert_int_equal(try(*state,
			     HEAD "limits:\n"
				  "  - {name: a, scope: source, rate: 1/h, shadow: true}\n"
				  "  - {name: b, scope: source, rate: 1/h, action: monitor}\n")
				 ->dropped_now,
			 0);
}

static void what_a_sample_does_not_tell_is_said(void **state)
{
	struct fixture *x = *state;
	const struct traffic_trial *trial;

	traffic_of(x, "198.51.100.1", 80, 100, 1, 1);
	for (size_t i = 0; i < 40; i++)
		x->traffic->samples[i].reason = WEIR_REASON_BLOCKED;
	trial = try(x, HEAD "limits: [{name: a, scope: source, rate: 1/h, burst: 100}]\n");
	assert_int_equal(trial->unjudged, 40);
	assert_int_equal(trial->dropped_now, 0);
}

static void few_samples_are_told_as_such(void **state)
{
	traffic_of(*state, "198.51.100.1", 80, TRAFFIC_MIN_SAMPLES - 1, 1, 1);
	assert_string_equal(try(*state, HEAD)->confidence, "none");
}

static void samples_that_are_too_old_are_left_out(void **state)
{
	struct fixture *x = *state;

	x->start_ns = clock_monotonic_ns() - (TRAFFIC_SECONDS_MAX + 60) * NSEC_PER_SEC;
	traffic_of(x, "198.51.100.1", 80, 10, 1, 1);
	assert_int_equal(try(x, HEAD)->samples, 0);
}

static size_t sources_of(const struct fixture *x, uint64_t *ret_seconds)
{
	_cleanup_(peers_done) struct peers p = {0};

	assert_int_equal(traffic_sources(x->traffic, 7, &p, ret_seconds), 0);
	return p.count;
}

static struct weir_sample *last(struct fixture *x)
{
	return &x->traffic->samples[x->traffic->count - 1];
}

static void the_sources_that_got_through_are_told_once_each(void **state)
{
	struct fixture *x = *state;
	uint64_t seconds;

	assert_int_equal(sources_of(x, &seconds), 0);
	assert_int_equal(seconds, 0);
	traffic_of(x, "198.51.100.1", 53, 50, 1, 10);
	traffic_of(x, "198.51.100.2", 53, 1, 1000, 1);
	traffic_of(x, "2001:db8::1", 53, 2, 1, 1);
	assert_int_equal(sources_of(x, &seconds), 3);
	assert_in_range(seconds, 100, 130);
}

static void sources_that_were_refused_or_are_too_old_do_not_count(void **state)
{
	struct fixture *x = *state;
	uint64_t seconds;

	traffic_of(x, "198.51.100.1", 53, 1, 1, 1);
	last(x)->verdict = WEIR_VERDICT_DROP;
	traffic_of(x, "198.51.100.2", 53, 1, 1, 1);
	last(x)->verdict = WEIR_VERDICT_REPLY;
	traffic_of(x, "fe80::1", 0, 1, 1, 1);
	last(x)->reason = WEIR_REASON_NEIGHBOUR;
	traffic_of(x, "::", 0, 1, 1, 1);
	traffic_of(x, "198.51.100.3", 53, 1, 1, 1);
	last(x)->time_ns =
		x->start_ns + 100 * NSEC_PER_SEC - (TRAFFIC_SECONDS_MAX + 5) * NSEC_PER_SEC;
	assert_int_equal(sources_of(x, &seconds), 0);
	/* In mode monitor it gets through. */
	traffic_of(x, "198.51.100.4", 53, 1, 1, 1);
	last(x)->verdict = WEIR_VERDICT_WOULD_DROP;
	assert_int_equal(sources_of(x, &seconds), 1);
}

static void of_very_many_sources_the_last_are_told(void **state)
{
	struct fixture *x = *state;
	char text[ADDRESS_TEXT_SIZE];
	uint64_t seconds;

	for (unsigned int i = 0; i < 2 * TRAFFIC_SOURCES_MAX; i++) {
		snprintf(text, sizeof(text), "198.18.%u.%u", i / 256, i % 256);
		traffic_of(x, text, 53, 1, 1, 1);
	}
	assert_int_equal(sources_of(x, &seconds), TRAFFIC_SOURCES_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_within_a_limit_passes),
		TEST(what_is_above_a_limit_is_dropped_but_for_rate_and_burst),
		TEST(a_sample_stands_for_its_weight),
		TEST(windows_and_bytes_are_limits_too),
		TEST(sources_have_budgets_of_their_own_and_services_are_told_apart),
		TEST(lists_decide_first),
		TEST(limits_that_refuse_nothing_drop_nothing),
		TEST(what_a_sample_does_not_tell_is_said),
		TEST(few_samples_are_told_as_such),
		TEST(samples_that_are_too_old_are_left_out),
		TEST(the_sources_that_got_through_are_told_once_each),
		TEST(sources_that_were_refused_or_are_too_old_do_not_count),
		TEST(of_very_many_sources_the_last_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
