/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Families as a receiver of OpenTelemetry gets them: numbers, times, histograms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>

#include "metrics/metrics.h"

static json_t *measure(void (*fill)(struct metrics *m))
{
	const struct metrics_times times = {3000, 2000, 1000};
	struct text t = {.growing = true};
	struct metrics m;
	json_t *o;

	text_puts(&t, "[");
	metrics_init_otlp(&m, &times, &t);
	fill(&m);
	metrics_end(&m);
	text_puts(&t, "]");
	o = json_loadb(t.data, t.length, JSON_REJECT_DUPLICATES, NULL);
	if (!o)
		fail_msg("no JSON: %s", t.data);
	text_done(&t);
	return o;
}

static json_t *points(json_t *metrics, size_t i, const char *kind)
{
	json_t *data = json_object_get(json_array_get(metrics, i), kind);

	return json_object_get(data, "dataPoints");
}

static const char *string_of(json_t *point, const char *key)
{
	return json_string_value(json_object_get(point, key));
}

static void fill_numbers(struct metrics *m)
{
	metrics_family(m, METRIC_LINK_GAP_SECONDS_TOTAL);
	metrics_family(m, METRIC_PACKETS_TOTAL);
	metrics_sample(m, INT64_MAX, "verdict", "pass", "reason", "x", NULL);
	metrics_sample(m, (uint64_t)INT64_MAX + 1, "verdict", "drop", "reason", "y", NULL);
	metrics_family(m, METRIC_WATCHDOG_DROP_RATIO);
	metrics_sample_double(m, NAN, NULL);
	metrics_family(m, METRIC_CELLS_BUSY_RATIO);
	metrics_sample_double(m, 0.1, NULL);
	metrics_single(m, METRIC_AUDIT_COMMITS_TOTAL, 7);
}

static void test_numbers_are_strings_of_64_bits_or_finite(void **unused)
{
	json_t *all = measure(fill_numbers), *sum, *p;

	(void)unused;
	/* A family without a sample is none, and what is no number is no sample. */
	assert_int_equal(json_array_size(all), 3);
	assert_string_equal(string_of(json_array_get(all, 0), "name"), "weir_packets_total");
	sum = json_object_get(json_array_get(all, 0), "sum");
	assert_true(json_is_true(json_object_get(sum, "isMonotonic")));
	assert_int_equal(json_integer_value(json_object_get(sum, "aggregationTemporality")), 2);
	p = json_array_get(points(all, 0, "sum"), 0);
	assert_string_equal(string_of(p, "asInt"), "9223372036854775807");
	/* What the kernel counts began before the daemon did. */
	assert_string_equal(string_of(p, "startTimeUnixNano"), "1000");
	assert_string_equal(string_of(p, "timeUnixNano"), "3000");
	p = json_array_get(points(all, 0, "sum"), 1);
	assert_null(json_object_get(p, "asInt"));
	assert_true(json_real_value(json_object_get(p, "asDouble")) == 9223372036854775808.0);
	assert_string_equal(string_of(json_array_get(all, 1), "unit"), "1");
	p = json_array_get(points(all, 1, "gauge"), 0);
	assert_true(json_real_value(json_object_get(p, "asDouble")) == 0.1);
	assert_null(json_object_get(p, "startTimeUnixNano"));
	p = json_array_get(points(all, 2, "sum"), 0);
	assert_string_equal(string_of(p, "startTimeUnixNano"), "2000");
	json_decref(all);
}

static void fill_histogram(struct metrics *m)
{
	static const struct metrics_exemplar exemplars[3] = {
		{.request_id = "job-7",
		 .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
		 .value = 2,
		 .time_s = 5}};
	struct histogram h = {.first = 1, .buckets = 2, .unit = 0.5, .exemplars = exemplars};

	histogram_add(&h, 1);
	histogram_add(&h, 4);
	histogram_add(&h, 100);
	metrics_family(m, METRIC_AUDIT_COMMIT_DURATION_SECONDS);
	metrics_histogram(m, &h, 2, NULL);
}

static void test_a_histogram_has_its_bounds_and_exemplars(void **unused)
{
	json_t *all = measure(fill_histogram), *p = json_array_get(points(all, 0, "histogram"), 0);
	json_t *want = json_pack("[s, s, s]", "1", "1", "1"), *bounds = json_pack("[i, i]", 1, 2);
	json_t *exemplar = json_array_get(json_object_get(p, "exemplars"), 0);

	(void)unused;
	assert_true(json_equal(json_object_get(p, "bucketCounts"), want));
	assert_true(json_equal(json_object_get(p, "explicitBounds"), bounds));
	assert_string_equal(string_of(p, "count"), "3");
	assert_true(json_number_value(json_object_get(p, "sum")) == 52.5);
	assert_string_equal(string_of(exemplar, "traceId"), "4bf92f3577b34da6a3ce929d0e0e4736");
	assert_string_equal(string_of(exemplar, "timeUnixNano"), "5000000000");
	/* It began at 2 s, which lies behind "now" here. */
	assert_string_equal(string_of(p, "startTimeUnixNano"), "3000");
	json_decref(want);
	json_decref(bounds);
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_are_strings_of_64_bits_or_finite),
		cmocka_unit_test(test_a_histogram_has_its_bounds_and_exemplars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
