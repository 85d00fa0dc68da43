/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests as the metrics have them: counted once, in a bounded number of series, with a trace of those that went wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "api/meter.h"
#include "base/cleanup.h"

static struct meter meter;

static void count(const char *operation, unsigned int status, uint64_t us)
{
	meter_count(&meter, &(struct meter_request){
				    .operation = operation,
				    .status = status,
				    .duration_us = us,
				    .request_id = "an-id",
				    .trace_id = "",
			    });
}

static char *written(void)
{
	struct text out = {.growing = true};
	struct metrics m;

	metrics_init(&m, METRICS_OPENMETRICS, &out);
	meter_put(&meter, &m);
	metrics_end(&m);
	return text_take(&out);
}

static void requests_are_counted_by_operation_and_status(void **unused)
{
	_cleanup_free_ char *text = NULL;

	(void)unused;
	meter_init(&meter);
	count("getStatus", 200, 100);
	count("getStatus", 200, 20000000);
	count("getStatus", 403, 90);
	count("block", 403, 50);
	text = written();
	assert_non_null(strstr(
		text,
		"weir_api_requests_total{operation=\"getStatus\",code=\"200\"} 2\n"
		"weir_api_requests_total{operation=\"getStatus\",code=\"403\"} 1 # {request_id=\"an-id\"} 1 "));
	assert_non_null(
		strstr(text, "weir_api_request_duration_seconds_bucket{le=\"6.4e-05\"} 1 # {"));
	assert_non_null(
		strstr(text, "weir_api_request_duration_seconds_bucket{le=\"0.000128\"} 3 # {"));
	assert_non_null(
		strstr(text, "weir_api_request_duration_seconds_bucket{le=\"+Inf\"} 4 # {"));
}

static void how_long_a_stream_lasts_says_nothing(void **unused)
{
	_cleanup_free_ char *text = NULL;

	(void)unused;
	meter_init(&meter);
	meter_count(&meter, &(struct meter_request){.operation = "streamEvents",
						    .status = 200,
						    .duration_us = 1000,
						    .request_id = "r",
						    .trace_id = "",
						    .is_stream = true});
	text = written();
	assert_non_null(strstr(text, "{operation=\"streamEvents\",code=\"200\"} 1\n"));
	assert_non_null(strstr(text, "weir_api_request_duration_seconds_count 0\n"));
}

static void there_are_no_more_rows_than_there_is_room_for(void **unused)
{
	_cleanup_free_ char *text = NULL;

	(void)unused;
	meter_init(&meter);
	for (unsigned int i = 0; i < METER_ROWS_MAX + 10; i++)
		count("getStatus", 200 + i, 1);
	count("getStatus", 200, 1);
	assert_int_equal(meter.row_count, METER_ROWS_MAX);
	text = written();
	assert_non_null(strstr(text, "{operation=\"getStatus\",code=\"200\"} 2\n"));
	assert_non_null(strstr(text, "{operation=\"other\",code=\"0\"} 11 # {"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_counted_by_operation_and_status),
		cmocka_unit_test(how_long_a_stream_lasts_says_nothing),
		cmocka_unit_test(there_are_no_more_rows_than_there_is_room_for),
	};

	return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
