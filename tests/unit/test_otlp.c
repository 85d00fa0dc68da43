/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* OTLP in JSON to the byte, what a receiver's answers mean, and what becomes of spans while there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/receiver.h"
#include "base/clock.h"
#include "otlp/otlp.h"

#define PATIENCE_MSEC 60000
static void test_a_span_is_written_to_the_byte(void **unused)
{
	_cleanup_(text_done) struct text t = {.growing = true}, a = {.growing = true};
	struct otlp_span s = {
		.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
		.id = "00f067aa0ba902b7",
		.parent = "0000000000000001",
		.remote = true,
		.name = "PUT /v1/\"policy\"",
		.kind = OTLP_SERVER,
		.start_ns = UINT64_MAX,
		.end_ns = 1,
		.error = "500",
	};

	(void)unused;
	otlp_put_string(&a, "a", "x\xff\n");
	otlp_put_int(&a, "b", INT64_MIN);
	otlp_put_bool(&a, "c", true);
	s.attributes = a.data;
	otlp_put_span(&t, &s);
	assert_string_equal(
		t.data,
		"{\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":\"00f067aa0ba902b7\","
		"\"parentSpanId\":\"0000000000000001\",\"flags\":769,\"name\":\"PUT /v1/\\\"policy\\\"\",\"kind\":2,"
		"\"startTimeUnixNano\":\"18446744073709551615\",\"endTimeUnixNano\":\"18446744073709551615\","
		"\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":\"x\xef\xbf\xbd\\n\"}},"
		"{\"key\":\"b\",\"value\":{\"intValue\":\"-9223372036854775808\"}},"
		"{\"key\":\"c\",\"value\":{\"boolValue\":true}}],\"status\":{\"code\":2,\"message\":\"500\"}}");
}

static void test_identifiers_are_hex_and_never_all_zeros(void **unused)
{
	char id[OTLP_TRACE_ID], other[OTLP_TRACE_ID];

	(void)unused;
	for (unsigned int i = 0; i < 1000; i++) {
		otlp_random(id, 32);
		assert_int_equal(strspn(id, "0123456789abcdef"), 32);
		assert_true(strspn(id, "0") < 32);
	}
	otlp_random(other, 32);
	assert_string_not_equal(id, other);
}

static void test_a_daemon_is_the_same_after_a_restart_and_not_another_one(void **unused)
{
	struct otlp_resource a = {0}, b = {0}, c = {0};

	(void)unused;
	otlp_resource_init(&a, "/var/lib/weir");
	otlp_resource_init(&b, "/var/lib/weir");
	otlp_resource_init(&c, "/var/lib/weir2");
	assert_string_equal(a.instance, b.instance);
	assert_string_not_equal(a.instance, c.instance);
	assert_int_equal(strlen(a.instance), 36);
	assert_int_equal(a.instance[14], '8');
}

static struct otlp_answer post(struct receiver *r, const char *headers_file, int stop_fd)
{
	_cleanup_(otlp_poster_freep) struct otlp_poster *p = NULL;
	struct otlp_answer a;

	assert_int_equal(otlp_poster_new(r->endpoint, headers_file, &p, NULL), 0);
	otlp_post(p, OTLP_LOGS, "{}", 2, stop_fd, PATIENCE_MSEC, &a);
	return a;
}

static void test_each_answer_is_taken_for_what_it_means(void **unused)
{
	static const struct {
		const char *answer;
		enum otlp_outcome outcome;
		uint64_t after_s, rejected;
		const char *words;
	} cases[] = {
		{RECEIVER_TAKES, OTLP_SENT, 0, 0, ""},
		{RECEIVER_ANSWER("202 Accepted", "", ""), OTLP_SENT, 0, 0, ""},
		{RECEIVER_ANSWER("200 OK", "", "no JSON"), OTLP_SENT, 0, 0, ""},
		{RECEIVER_ANSWER(
			 "200 OK", "",
			 "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"why\"}}"),
		 OTLP_SENT, 0, 3, "why"},
		{RECEIVER_ANSWER("200 OK", "", "{\"partialSuccess\":{\"rejectedDataPoints\":4}}"),
		 OTLP_SENT, 0, 4, ""},
		{RECEIVER_ANSWER("200 OK", "",
				 "{\"partialSuccess\":{\"rejectedLogRecords\":\"-1\"}}"),
		 OTLP_SENT, 0, 0, ""},
		{RECEIVER_ANSWER("429 Slow", "Retry-After: 7\r\n", ""), OTLP_RETRY, 7, 0,
		 "HTTP 429"},
		{RECEIVER_ANSWER("502 Bad", "", ""), OTLP_RETRY, 0, 0, "HTTP 502"},
		{RECEIVER_ANSWER("503 No", "Retry-After: 99999\r\n", "{\"message\":\"full\"}"),
		 OTLP_RETRY, OTLP_RETRY_AFTER_MAX, 0, "HTTP 503: full"},
		{RECEIVER_ANSWER("504 Late", "Retry-After: soon\r\n", ""), OTLP_RETRY, 0, 0,
		 "HTTP 504"},
		{RECEIVER_ANSWER("400 Bad", "Retry-After: 7\r\n", ""), OTLP_REFUSED, 0, 0,
		 "HTTP 400"},
		{RECEIVER_ANSWER("401 Who", "", ""), OTLP_REFUSED, 0, 0, "HTTP 401"},
		{RECEIVER_ANSWER("500 Oh", "", ""), OTLP_REFUSED, 0, 0, "HTTP 500"},
		/* Nobody is led elsewhere. */
		{RECEIVER_ANSWER("307 There", "Location: http://127.0.0.1:1/\r\n", ""),
		 OTLP_REFUSED, 0, 0, "HTTP 307"},
	};
	struct receiver r;

	(void)unused;
	receiver_start(&r, "\"spanId\"", RECEIVER_TAKES);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct otlp_answer a;

		receiver_answer(&r, cases[i].answer);
		a = post(&r, NULL, -1);
		if (a.outcome != cases[i].outcome || a.rejected != cases[i].rejected ||
		    a.retry_after_ns != cases[i].after_s * NSEC_PER_SEC ||
		    strcmp(a.words, cases[i].words) != 0)
			fail_msg("'%.40s': %d, %llu, %llu, '%s'", cases[i].answer, (int)a.outcome,
				 (unsigned long long)a.retry_after_ns,
				 (unsigned long long)a.rejected, a.words);
	}
	assert_non_null(strstr(r.request, "POST /v1/logs HTTP/1.1\r\n"));
	assert_non_null(strstr(r.request, "Content-Type: application/json\r\n"));
	/* Silence, and then not even that. */
	receiver_answer(&r, NULL);
	assert_int_equal(post(&r, NULL, -1).outcome, OTLP_RETRY);
	receiver_stop(&r);
	assert_int_equal(post(&r, NULL, -1).outcome, OTLP_RETRY);
}

static void test_a_request_ends_when_it_is_to(void **unused)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int stop_fd = eventfd(1, EFD_CLOEXEC);
	socklen_t size = sizeof(a);
	struct receiver r = {0};

	(void)unused;
	/* Nobody accepts: the kernel does, and says nothing more. */
	r.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(r.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(r.fd, 16), 0);
	assert_int_equal(getsockname(r.fd, (struct sockaddr *)&a, &size), 0);
	snprintf(r.endpoint, sizeof(r.endpoint), "http://127.0.0.1:%u", ntohs(a.sin_port));
	assert_int_equal(post(&r, NULL, stop_fd).outcome, OTLP_STOPPED);
	close(r.fd);
	close(stop_fd);
}

static void put_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void test_headers_are_sent_if_they_are_some_and_secret(void **unused)
{
	static const struct {
		const char *text;
		mode_t mode;
	} bad[] = {
		{"A: b", 0644},
		{"A: b", 0620},
		{"no header", 0600},
		{"A b: c", 0600},
		{": c", 0600},
		{"A: b\x01", 0600},
		{"A: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\nA: 1\n",
		 0600}};
	char path[] = "/tmp/weir-headers-XXXXXX";
	struct otlp_answer a;
	struct receiver r;

	(void)unused;
	close(mkstemp(path));
	receiver_start(&r, "\"spanId\"", RECEIVER_TAKES);
	put_file(path, "# a comment\r\n\nAuthorization: Bearer abc\r\nX-Tenant: 1", 0640);
	assert_int_equal(post(&r, path, -1).outcome, OTLP_SENT);
	assert_non_null(strstr(r.request, "Authorization: Bearer abc\r\n"));
	assert_non_null(strstr(r.request, "X-Tenant: 1\r\n"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put_file(path, bad[i].text, bad[i].mode);
		a = post(&r, path, -1);
		assert_int_equal(a.outcome, OTLP_RETRY);
		assert_string_not_equal(a.words, "");
	}
	assert_int_equal(r.requests, 1);
	unlink(path);
	a = post(&r, path, -1);
	assert_int_equal(a.outcome, OTLP_RETRY);
	receiver_stop(&r);
}

static unsigned int failures, recoveries;

static void changed(bool failing, const char *endpoint, const char *words, void *userdata)
{
	(void)endpoint;
	(void)words;
	(void)userdata;
	__atomic_add_fetch(failing ? &failures : &recoveries, 1, __ATOMIC_SEQ_CST);
}

static struct otlp *open_to(const char *endpoint)
{
	const struct otlp_options options = {.endpoint = endpoint, .changed = changed};
	struct otlp *o = NULL;

	failures = recoveries = 0;
	assert_int_equal(otlp_open(&options, &o, NULL), 0);
	return o;
}

static void hand_over(struct otlp *o, unsigned int spans)
{
	struct otlp_span s = {.name = "x", .kind = OTLP_INTERNAL, .attributes = ""};

	for (unsigned int i = 0; i < spans; i++) {
		otlp_random(s.trace_id, 32);
		otlp_random(s.id, 16);
		otlp_send_span(o, &s);
	}
}

static bool all_gone(const struct otlp_stats *s)
{
	return !s->spans_queued;
}

static bool is_failing(const struct otlp_stats *s)
{
	return s->failing;
}

static struct otlp_stats wait_until(struct otlp *o, bool (*is)(const struct otlp_stats *s))
{
	struct otlp_stats s;

	for (unsigned int i = 0; i < PATIENCE_MSEC / 10; i++) {
		otlp_get_stats(o, &s);
		if (is(&s))
			return s;
		poll(NULL, 0, 10);
	}
	fail_msg("%llu spans wait, failing %d: %s", (unsigned long long)s.spans_queued, s.failing,
		 s.because);
	return s;
}

static void test_spans_that_there_is_room_for_arrive_and_the_rest_is_counted(void **unused)
{
	const unsigned int count = OTLP_QUEUE_SPANS + OTLP_BATCH_SPANS + 100;
	struct receiver r;
	struct otlp_stats s;
	struct otlp *o;

	(void)unused;
	receiver_start(&r, "\"spanId\"", RECEIVER_ANSWER("503 No", "", ""));
	o = open_to(r.endpoint);
	hand_over(o, 1);
	wait_until(o, is_failing);
	hand_over(o, count);
	otlp_get_stats(o, &s);
	assert_int_equal(s.spans_queued + s.spans_dropped, count + 1);
	/* One on its way, which was alone, and a full queue. */
	assert_int_equal(s.spans_queued, OTLP_QUEUE_SPANS + 1);
	receiver_answer(&r, RECEIVER_TAKES);
	s = wait_until(o, all_gone);
	assert_int_equal(s.spans_sent, OTLP_QUEUE_SPANS + 1);
	otlp_close(o);
	assert_int_equal(r.taken, OTLP_QUEUE_SPANS + 1);
	assert_int_equal(failures, 1);
	assert_int_equal(recoveries, 1);
	receiver_stop(&r);
}

/* It has a second for that, which a busy machine may take away now and then. */
static void test_what_is_left_is_sent_at_the_end(void **unused)
{
	struct receiver r;

	(void)unused;
	receiver_start(&r, "\"spanId\"", RECEIVER_TAKES);
	for (unsigned int i = 0; i < 10 && r.taken != 3; i++) {
		struct otlp *o = open_to(r.endpoint);

		r.taken = 0;
		hand_over(o, 3);
		otlp_close(o);
	}
	assert_int_equal(r.taken, 3);
	receiver_stop(&r);
}

static void test_the_end_does_not_wait_for_a_receiver_that_fails(void **unused)
{
	struct otlp *o = open_to("http://127.0.0.1:1");

	(void)unused;
	hand_over(o, 1);
	wait_until(o, is_failing);
	hand_over(o, 1000);
	otlp_close(o);
	assert_int_equal(failures, 1);
}

static void put_metrics(struct otlp *o, const char *points)
{
	struct text t = {.growing = true};

	text_puts(&t, points);
	otlp_send_metrics(o, &t);
	assert_null(t.data);
}

static bool three_are_told(const struct otlp_stats *s)
{
	return s->metrics_sent + s->metrics_dropped == 3;
}

static void test_of_metrics_the_latest_are_sent(void **unused)
{
	struct receiver r;
	struct otlp_stats s;
	struct otlp *o;

	(void)unused;
	receiver_start(&r, "\"spanId\"", RECEIVER_ANSWER("503 No", "", ""));
	o = open_to(r.endpoint);
	put_metrics(o, "{\"name\":\"old\"}");
	wait_until(o, is_failing);
	put_metrics(o, "{\"name\":\"older\"}");
	put_metrics(o, "{\"name\":\"new\"}");
	receiver_answer(&r, RECEIVER_TAKES);
	s = wait_until(o, three_are_told);
	otlp_close(o);
	assert_true(s.metrics_sent >= 1 && s.metrics_dropped >= 1);
	assert_non_null(strstr(r.request, "{\"name\":\"new\"}]}]}]}"));
	assert_non_null(strstr(r.request, "POST /v1/metrics "));
	receiver_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_span_is_written_to_the_byte),
		cmocka_unit_test(test_identifiers_are_hex_and_never_all_zeros),
		cmocka_unit_test(test_a_daemon_is_the_same_after_a_restart_and_not_another_one),
		cmocka_unit_test(test_each_answer_is_taken_for_what_it_means),
		cmocka_unit_test(test_a_request_ends_when_it_is_to),
		cmocka_unit_test(test_headers_are_sent_if_they_are_some_and_secret),
		cmocka_unit_test(test_spans_that_there_is_room_for_arrive_and_the_rest_is_counted),
		cmocka_unit_test(test_what_is_left_is_sent_at_the_end),
		cmocka_unit_test(test_the_end_does_not_wait_for_a_receiver_that_fails),
		cmocka_unit_test(test_of_metrics_the_latest_are_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
