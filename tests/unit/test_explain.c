/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets that are asked about: words, frames, and which stage a reason belongs to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <weir/policy.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/words.h"
#include "datapath/listener.h"
#include "explain/packet.h"
#include "explain/path.h"

static void expect(const char *words, const char *all)
{
	struct explain_packet packet;
	char text[EXPLAIN_TEXT_SIZE];
	struct fault f = {0};

	if (explain_parse(words, &packet, &f) < 0)
		fail_msg("%s: %s", words, f.text);
	explain_format(&packet, text);
	assert_string_equal(text, all);
	/* What it says is read as the same. */
	assert_int_equal(explain_parse(text, &packet, &f), 0);
	explain_format(&packet, text);
	assert_string_equal(text, all);
}

static void a_packet_is_said_in_words(void **state)
{
	(void)state;
	expect("tcp 203.0.113.7:4242 > 198.18.0.2:443 syn",
	       "tcp 203.0.113.7:4242 > 198.18.0.2:443 syn");
	expect("203.0.113.7 > 198.18.0.2:443", "tcp 203.0.113.7:40000 > 198.18.0.2:443 syn");
	expect("tcp 203.0.113.7 > 198.18.0.2:443 ack psh",
	       "tcp 203.0.113.7:40000 > 198.18.0.2:443 psh,ack");
	expect("tcp 203.0.113.7 > 198.18.0.2:443 syn,ack",
	       "tcp 203.0.113.7:40000 > 198.18.0.2:443 syn,ack");
	expect("udp [2001:db8::7]:53 > 2001:db8:1::1 length 900 on eth0",
	       "udp [2001:db8::7]:53 > [2001:db8:1::1]:0 length 900 on eth0");
	expect("icmp 203.0.113.7 > 198.18.0.2", "icmp 203.0.113.7 > 198.18.0.2 type 8 code 0");
	expect("icmp 2001:db8::7 > 2001:db8::1 type 1 code 4",
	       "icmp6 2001:db8::7 > 2001:db8::1 type 1 code 4");
	expect("udp 203.0.113.7 > 198.18.0.2 fragment",
	       "udp 203.0.113.7:40000 > 198.18.0.2:0 fragment");
	expect("  proto 47   203.0.113.7 >\t198.18.0.2 ", "proto 47 203.0.113.7 > 198.18.0.2");
	expect("sctp 203.0.113.7:1 > 198.18.0.2:65535", "sctp 203.0.113.7:1 > 198.18.0.2:65535");
}

static void what_is_not_said_is_assumed_and_told(void **state)
{
	struct explain_packet packet;

	(void)state;
	assert_int_equal(explain_parse("203.0.113.7", &packet, NULL), 0);
	assert_int_equal(packet.assumed, EXPLAIN_PROTOCOL | EXPLAIN_DESTINATION | EXPLAIN_PORT_TO);
	assert_int_equal(packet.protocol, 6);
	assert_int_equal(packet.tcp_flags, 2);
	assert_int_equal(explain_parse("udp 203.0.113.7 > 198.18.0.1:53", &packet, NULL), 0);
	assert_int_equal(packet.assumed, 0);
}

static void what_is_no_packet_is_refused_with_the_word(void **state)
{
	static const struct {
		const char *words, *quoted;
	} bad[] = {
		{"", "an address is missing"},
		{"tcp", "an address is missing"},
		{"quic 203.0.113.7", "'quic'"},
		{"203.0.113.7:65536", "'65536'"},
		{"203.0.113.7: > 198.18.0.1", "''"},
		{"203.0.113.7 198.18.0.1", "'198.18.0.1'"},
		{"203.0.113.7 >", "an address is missing"},
		{"203.0.113.7 > 2001:db8::1", "one address is IPv4"},
		{"[2001:db8::1", "'[2001:db8::1'"},
		{"[2001:db8::1]x", "'[2001:db8::1]x'"},
		{"tcp 203.0.113.7 sin", "'sin'"},
		{"tcp 203.0.113.7 syn,", "'syn,'"},
		{"udp 203.0.113.7 syn", "only TCP"},
		{"udp 203.0.113.7 type 3", "only ICMP"},
		{"icmp 203.0.113.7 type 256", "'256'"},
		{"tcp 203.0.113.7 length", "'length'"},
		{"tcp 203.0.113.7 length 9217", "'9217'"},
		{"tcp 203.0.113.7 on", "interface"},
		{"tcp 203.0.113.7 on interface-too-long", "interface"},
		{"proto 256 203.0.113.7", "'256'"},
	};
	char long_words[EXPLAIN_WORDS_MAX + 2];
	struct explain_packet packet;
	struct fault f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		f = (struct fault){0};
		assert_int_equal(explain_parse(bad[i].words, &packet, &f), -EINVAL);
		assert_string_equal(f.code, "explain.packet");
		if (!strstr(f.text, bad[i].quoted))
			fail_msg("'%s': %s", bad[i].words, f.text);
	}
	memset(long_words, ' ', sizeof(long_words));
	memcpy(long_words, "203.0.113.7", 11);
	long_words[EXPLAIN_WORDS_MAX] = '\0';
	assert_int_equal(explain_parse(long_words, &packet, NULL), 0);
	long_words[EXPLAIN_WORDS_MAX] = ' ';
	long_words[EXPLAIN_WORDS_MAX + 1] = '\0';
	assert_int_equal(explain_parse(long_words, &packet, NULL), -EINVAL);
}

/* RFC 1071: over a header with its checksum it is 0. */
static uint16_t sum(const uint8_t *from, size_t length, uint32_t more)
{
	uint32_t total = more;

	for (size_t i = 0; i < length; i++)
		total += i % 2 ? from[i] : (uint32_t)from[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

static void build(const char *words, uint8_t frame[static EXPLAIN_LENGTH_MAX], size_t *ret_length)
{
	struct explain_packet packet;
	struct fault f = {0};

	if (explain_parse(words, &packet, &f) < 0 ||
	    explain_build(&packet, frame, ret_length, &f) < 0)
		fail_msg("%s: %s", words, f.text);
}

static void a_frame_is_what_a_nic_would_receive(void **state)
{
	static const char *const tcp[] = {"tcp 203.0.113.7:1 > 198.18.0.2:443 ack length 777",
					  "udp 203.0.113.7:1 > 198.18.0.2:53",
					  "udp 203.0.113.7:1 > 198.18.0.2:53 length 1000"};
	uint8_t frame[EXPLAIN_LENGTH_MAX];
	size_t length;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tcp); i++) {
		build(tcp[i], frame, &length);
		assert_int_equal(frame[16] << 8 | frame[17], length - 14);
		assert_int_equal(sum(frame + 14, 20, 0), 0);
		assert_int_equal(sum(frame + 26, length - 26, (uint32_t)(length - 34) + frame[23]),
				 0);
	}
	build("icmp 203.0.113.7 > 198.18.0.2 length 98", frame, &length);
	assert_int_equal(length, 98);
	assert_int_equal(sum(frame + 34, length - 34, 0), 0);
	build("icmp 2001:db8::7 > 2001:db8::1", frame, &length);
	assert_int_equal(length, 62);
	assert_int_equal(sum(frame + 22, length - 22, (uint32_t)(length - 54) + 58), 0);
	build("tcp 203.0.113.7 > 198.18.0.2 length 9216", frame, &length);
	assert_int_equal(length, 9216);
}

static void a_frame_too_short_for_its_headers_is_refused(void **state)
{
	uint8_t frame[EXPLAIN_LENGTH_MAX];
	struct explain_packet packet;
	struct fault f = {0};
	size_t length;

	(void)state;
	assert_int_equal(explain_parse("tcp 203.0.113.7 > 198.18.0.2 length 53", &packet, NULL), 0);
	assert_int_equal(explain_build(&packet, frame, &length, &f), -EINVAL);
	assert_non_null(strstr(f.text, "54 to 9216 bytes, not 53"));
	packet.length = 54;
	assert_int_equal(explain_build(&packet, frame, &length, NULL), 0);
}

static void classes_are_those_that_costs_are_given_for(void **state)
{
	static const struct {
		const char *words;
		unsigned int class;
	} rows[] = {
		{"tcp 203.0.113.7 > 198.18.0.2:80", WEIR_CLASS_SYN},
		{"tcp 203.0.113.7 > 198.18.0.2:80 syn,ack", WEIR_CLASS_OTHER},
		{"udp 203.0.113.7 > 198.18.0.2:53", WEIR_CLASS_DNS},
		{"udp 203.0.113.7:53 > 198.18.0.2:9", WEIR_CLASS_DNS},
		{"tcp 203.0.113.7 > 198.18.0.2:53 ack", WEIR_CLASS_OTHER},
		{"udp 203.0.113.7 > 198.18.0.2:53 fragment", WEIR_CLASS_FRAGMENT},
		{"icmp 2001:db8::7 > 2001:db8::1", WEIR_CLASS_ICMP},
	};
	struct explain_packet packet;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(explain_parse(rows[i].words, &packet, NULL), 0);
		assert_int_equal(explain_class(&packet), rows[i].class);
	}
}

static void a_captured_frame_is_read_with_its_addresses(void **state)
{
	static const char *const words[] = {"tcp 203.0.113.7:1 > 198.18.0.2:443",
					    "udp 2001:db8::7 > 2001:db8::1 fragment"};
	uint8_t frame[EXPLAIN_LENGTH_MAX], again[EXPLAIN_LENGTH_MAX], source[16], destination[16];
	char hex[3 * EXPLAIN_LENGTH_MAX + 1];
	struct explain_packet packet;
	size_t length, read;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		build(words[i], frame, &length);
		for (size_t n = 0; n < length; n++)
			snprintf(hex + 3 * n, 4, "%02X%c", frame[n], n % 8 ? ':' : ' ');
		assert_int_equal(explain_frame_parse(hex, again, &read, NULL), 0);
		assert_int_equal(read, length);
		assert_memory_equal(again, frame, length);
		assert_int_equal(explain_parse(words[i], &packet, NULL), 0);
		assert_int_equal(explain_frame_addresses(again, read, source, destination), i);
		assert_memory_equal(source, packet.source, sizeof(source));
		assert_memory_equal(destination, packet.destination, sizeof(destination));
	}
	for (size_t n = 0; n < length; n++) /* wherever it is cut off */
		explain_frame_addresses(again, n, source, destination);
	assert_int_equal(explain_frame_parse("0g", again, &read, NULL), -EINVAL);
	assert_int_equal(explain_frame_parse("0", again, &read, NULL), -EINVAL);
	assert_int_equal(explain_frame_parse("", again, &read, NULL), 0);
	assert_int_equal(read, 0);
}

static void a_frame_may_be_as_long_as_a_jumbo_one(void **state)
{
	static char hex[2 * EXPLAIN_LENGTH_MAX + 3];
	uint8_t frame[EXPLAIN_LENGTH_MAX];
	size_t length;

	(void)state;
	memset(hex, 'a', 2 * EXPLAIN_LENGTH_MAX + 2);
	assert_int_equal(explain_frame_parse(hex, frame, &length, NULL), -EINVAL);
	hex[2 * EXPLAIN_LENGTH_MAX] = '\0';
	assert_int_equal(explain_frame_parse(hex, frame, &length, NULL), 0);
	assert_int_equal(length, EXPLAIN_LENGTH_MAX);
}

static void a_reason_is_given_by_one_stage_and_the_way_ends_there(void **state)
{
	(void)state;
	for (unsigned int reason = 0; reason < WEIR_REASON_MAX; reason++) {
		const struct twin_verdict verdict = {.reason = reason};
		unsigned int decided = 0;

		if (!reason_exists(reason))
			continue;
		assert_string_not_equal(explain_reason_words(reason), "unknown");
		for (enum explain_stage stage = 0; stage < EXPLAIN_STAGE_MAX; stage++) {
			enum explain_passage passage = explain_passage_at(&verdict, stage);

			assert_int_equal(passage == EXPLAIN_NOT_REACHED, decided);
			decided += passage == EXPLAIN_DECIDED;
		}
		assert_int_equal(decided, 1);
	}
}

static void the_wait_is_that_of_the_slowest_limit_that_drops(void **state)
{
	const struct weir_limit limits[4] = {[2] = {.action = WEIR_ACTION_MARK}};
	struct twin_verdict verdict = {
		.verdict = WEIR_VERDICT_DROP,
		.reason = WEIR_REASON_OVER_PACKETS,
		.limit_count = 4,
		.limits =
			{{.finding = TWIN_REFUSED, .has_bucket = true, .bucket = {.wait_ns = 5}},
			 {.finding = TWIN_NOT_ASKED, .has_bucket = true, .bucket = {.wait_ns = 7}},
			 {.finding = TWIN_NOT_ASKED, .has_bucket = true, .bucket = {.wait_ns = 99}},
			 {.finding = TWIN_WOULD_REFUSE,
			  .has_bucket = true,
			  .bucket = {.wait_ns = 99}}},
	};

	(void)state;
	assert_int_equal(explain_wait_ns(&verdict, limits), 7);
	verdict.limits[1].bucket.wait_ns = TWIN_NEVER;
	assert_true(explain_wait_ns(&verdict, limits) == TWIN_NEVER);
	verdict.limits[0].has_bucket = false;
	assert_true(explain_wait_ns(&verdict, limits) == TWIN_NEVER);
	verdict.reason = WEIR_REASON_BLOCKED;
	assert_true(explain_wait_ns(&verdict, limits) == TWIN_NEVER);
	verdict.verdict = WEIR_VERDICT_PASS;
	verdict.reason = WEIR_REASON_ALLOWED;
	assert_int_equal(explain_wait_ns(&verdict, limits), 0);
}

static void a_listener_wants_a_cookie_while_it_has_no_room_for_a_half_open_connection(void **state)
{
	static const struct {
		struct weir_listener found; /* state, cookies, half-open, waiting, backlog */
		enum listener_cookie cookie;
	} rows[] = {
		{{0, 0, 0, 0, 0, 0}, LISTENER_NONE},	 {{1, 2, 0, 0, 0, 0}, LISTENER_NONE},
		{{10, 0, 9, 0, 4, 0}, LISTENER_OFF},	 {{10, 1, 3, 0, 4, 0}, LISTENER_HAS_ROOM},
		{{10, 1, 4, 0, 4, 0}, LISTENER_UNKNOWN}, {{10, 1, 5, 0, 4, 0}, LISTENER_WANTS},
		{{10, 1, 5, 4, 4, 0}, LISTENER_WANTS},	 {{10, 1, 5, 5, 4, 0}, LISTENER_IS_FULL},
		{{10, 2, 0, 0, 4, 0}, LISTENER_WANTS},	 {{10, 2, 0, 5, 4, 0}, LISTENER_IS_FULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(listener_judge(&rows[i].found), rows[i].cookie);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_is_said_in_words),
		cmocka_unit_test(what_is_not_said_is_assumed_and_told),
		cmocka_unit_test(what_is_no_packet_is_refused_with_the_word),
		cmocka_unit_test(a_frame_is_what_a_nic_would_receive),
		cmocka_unit_test(a_frame_too_short_for_its_headers_is_refused),
		cmocka_unit_test(classes_are_those_that_costs_are_given_for),
		cmocka_unit_test(a_captured_frame_is_read_with_its_addresses),
		cmocka_unit_test(a_frame_may_be_as_long_as_a_jumbo_one),
		cmocka_unit_test(a_reason_is_given_by_one_stage_and_the_way_ends_there),
		cmocka_unit_test(
			a_listener_wants_a_cookie_while_it_has_no_room_for_a_half_open_connection),
		cmocka_unit_test(the_wait_is_that_of_the_slowest_limit_that_drops),
	};

	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
