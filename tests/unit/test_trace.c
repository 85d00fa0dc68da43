/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words of filters, packets in words, and captures byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <weir/event.h>
#include <weir/vocabulary.h>

#include "audit/base64.h"
#include "base/address.h"
#include "base/cleanup.h"
#include "trace/event.h"
#include "trace/filter.h"
#include "trace/pcapng.h"

static int find_limit(const char *name, uint64_t ret_slots[static 2], void *userdata)
{
	(void)userdata;
	if (strcmp(name, "per-source") == 0)
		ret_slots[0] |= 1ULL << 3;
	else if (strcmp(name, "late") == 0)
		ret_slots[1] |= 1ULL << 63;
	else
		return -ENOENT;
	return 0;
}

static int find_tenant(const char *name, uint16_t *ret, void *userdata)
{
	(void)userdata;
	*ret = 7;
	return strcmp(name, "acme") == 0 ? 0 : -ENOENT;
}

static int find_interface(const char *name, uint32_t *ret, void *userdata)
{
	(void)userdata;
	*ret = 42;
	return strcmp(name, "eth0") == 0 ? 0 : -ENOENT;
}

static const struct trace_names names = {find_limit, find_tenant, find_interface, 11, NULL};

static void what_is_wrong_with_a_filter_is_said_with_its_place(void **state)
{
	static const struct {
		const char *text, *code, *words;
	} cases[] = {
		{"source 1.2.3.4", "trace.filter", "column 1"},
		{"src", "trace.filter", "nothing follows 'src'"},
		{"src 1.2.3", "trace.filter", "column 5"},
		{"src 198.51.100.7/24", "trace.filter", "beyond the length"},
		{"src 1.2.3.4 src 1.2.3.4", "trace.filter", "column 13: 'src' is there twice"},
		{"dport 65536", "trace.filter", "no port"},
		{"dport 80-", "trace.filter", "no port"},
		{"dport 443-80", "trace.filter", "no port"},
		{"dport -80", "trace.filter", "no port"},
		{"port 0-65535", "trace.filter", "proto tcp,udp"},
		{"proto tcq", "trace.filter", "no protocol"},
		{"proto 256", "trace.filter", "no protocol"},
		{"proto tcp,,udp", "trace.filter", "between two commas"},
		{"proto tcp,", "trace.filter", "between two commas"},
		{"verdict lost", "trace.filter", "would_drop"},
		{"reason unknown", "trace.filter", "no reason"},
		{"rule nonsuch", "trace.name", "there is no limit 'nonsuch'"},
		{"tenant nonsuch", "trace.name", "there is no tenant"},
		{"iface lo", "trace.name", "there is no protected interface"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct weir_trace_filter filter;
		struct fault f = {0};

		assert_true(trace_filter_parse(cases[i].text, &names, &filter, &f) < 0);
		if (strcmp(f.code, cases[i].code) != 0 || !strstr(f.text, cases[i].words))
			fail_msg("'%s': %s: %s", cases[i].text, f.code, f.text);
	}
}

static void a_filter_has_its_limits(void **state)
{
	char text[TRACE_FILTER_MAX + 2];
	struct weir_trace_filter filter;
	struct fault f = {0};

	(void)state;
	memset(text, ' ', sizeof(text));
	text[TRACE_FILTER_MAX] = '\0';
	assert_int_equal(trace_filter_parse(text, &names, &filter, &f), 0);
	text[TRACE_FILTER_MAX] = ' ';
	text[TRACE_FILTER_MAX + 1] = '\0';
	assert_int_equal(trace_filter_parse(text, &names, &filter, &f), -EINVAL);
	memset(text, 'x', 300);
	text[300] = '\0';
	assert_int_equal(trace_filter_parse(text, &names, &filter, &f), -EINVAL);
	assert_non_null(strstr(f.text, "a word of more than 255"));
}

static void a_filter_says_what_was_asked_for(void **state)
{
	struct weir_trace_filter filter;

	(void)state;
	assert_int_equal(
		trace_filter_parse("proto tcp,47 verdict drop,reply reason blocked "
				   "rule per-source,late tenant acme iface eth0 dport 80-90",
				   &names, &filter, NULL),
		0);
	assert_int_equal(filter.protocols[0], 1ULL << 6 | 1ULL << 47);
	assert_int_equal(filter.verdicts, 1U << WEIR_VERDICT_DROP | 1U << WEIR_VERDICT_REPLY);
	assert_int_equal(filter.reasons, 1ULL << WEIR_REASON_BLOCKED);
	assert_int_equal(filter.limits[0], 1ULL << 3);
	assert_int_equal(filter.limits[1], 1ULL << 63);
	assert_int_equal(filter.tenant, 7);
	assert_int_equal(filter.generation, 11);
	assert_int_equal(filter.ifindex, 42);
	assert_int_equal(filter.destination_ports.first, 80);
	assert_int_equal(filter.destination_ports.last, 90);
	assert_false(filter.any_limit || filter.any_protocol);
	assert_int_equal(trace_filter_parse("", &names, &filter, NULL), 0);
	assert_true(filter.any_limit && filter.any_protocol);
	assert_int_equal(filter.verdicts, ~0U);
}

static struct {
	struct weir_trace_event event;
	uint8_t bytes[8];
} packet = {
	.event = {.limit = 3,
		  .reason = WEIR_REASON_OVER_PACKETS,
		  .verdict = WEIR_VERDICT_DROP,
		  .generation = 5,
		  .length = 60,
		  .source_port = 4242,
		  .destination_port = 443,
		  .protocol = 6,
		  .flags = WEIR_TRACE_IP | WEIR_TRACE_PORTS},
};

static json_t *words_of(const struct weir_trace_event *event, const struct trace_meaning *meaning,
			bool hide)
{
	struct text t = {.growing = true};
	json_t *value;

	trace_event_put(&t, event, meaning, hide);
	value = json_loadb(t.data, t.length, JSON_REJECT_DUPLICATES, NULL);
	text_done(&t);
	assert_non_null(value);
	return value;
}

static void assert_word(const json_t *value, const char *key, const char *expected)
{
	const char *word = json_string_value(json_object_get(value, key));

	if (expected)
		assert_string_equal(word, expected);
	else
		assert_true(json_is_null(json_object_get(value, key)));
}

static void a_packet_in_words_has_all_that_is_known_of_it(void **state)
{
	const struct trace_meaning meaning = {1700000000123456789ULL, "eth0", "per-\"source\"",
					      NULL};
	json_t *value;

	(void)state;
	address_parse("198.51.100.7", (uint8_t *)packet.event.source);
	address_parse("2001:db8::1", (uint8_t *)packet.event.destination);
	value = words_of(&packet.event, &meaning, false);
	assert_word(value, "timestamp", "2023-11-14T22:13:20.123456789Z");
	assert_word(value, "interface", "eth0");
	assert_word(value, "rule", "per-\"source\"");
	assert_word(value, "tenant", NULL);
	assert_word(value, "verdict", "drop");
	assert_word(value, "reason", "over_packets");
	assert_word(value, "protocol", "tcp");
	assert_word(value, "source", "198.51.100.7");
	assert_word(value, "destination", "2001:db8::1");
	assert_int_equal(json_integer_value(json_object_get(value, "source_port")), 4242);
	assert_null(json_object_get(value, "packet"));
	json_decref(value);
}

static void hidden_addresses_are_networks_and_bytes_are_not_shown(void **state)
{
	const struct trace_meaning meaning = {.interface = "eth0"};
	json_t *value;

	(void)state;
	packet.event.snapped = sizeof(packet.bytes);
	address_parse("198.51.100.7", (uint8_t *)packet.event.source);
	address_parse("2001:db8:1:2::3", (uint8_t *)packet.event.destination);
	value = words_of(&packet.event, &meaning, true);
	assert_word(value, "source", "198.51.100.0/24");
	assert_word(value, "destination", "2001:db8:1::/48");
	assert_null(json_object_get(value, "packet"));
	json_decref(value);
	value = words_of(&packet.event, &meaning, false);
	assert_word(value, "packet", "AAAAAAAAAAA=");
	json_decref(value);
	packet.event.flags = 0; /* no IP: there is nothing to hide or show */
	value = words_of(&packet.event, &meaning, true);
	assert_word(value, "source", NULL);
	assert_word(value, "protocol", NULL);
	assert_true(json_is_null(json_object_get(value, "destination_port")));
	json_decref(value);
}

static uint32_t word_at(const struct text *t, size_t at)
{
	const uint8_t *p = (const uint8_t *)t->data + at;

	assert_true(at + 4 <= t->length);
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The place behind the block at @at, which must be of @type and whole. */
static size_t block(const struct text *t, size_t at, uint32_t type)
{
	uint32_t length = word_at(t, at + 4);

	assert_int_equal(word_at(t, at), type);
	assert_int_equal(length % 4, 0);
	assert_int_equal(word_at(t, at + length - 4), length);
	return at + length;
}

/* The value of option @code between @at and @end; NULL: there is none. */
static const uint8_t *option(const struct text *t, size_t at, size_t end, uint16_t code,
			     uint16_t *ret_length)
{
	while (at + 4 <= end) {
		uint32_t head = word_at(t, at);

		*ret_length = (uint16_t)(head >> 16);
		if ((head & 0xffff) == code)
			return (const uint8_t *)t->data + at + 4;
		if (!(head & 0xffff))
			return NULL;
		at += 4 + ((*ret_length + 3U) & ~3U);
	}
	return NULL;
}

static void a_capture_is_what_the_format_says(void **state)
{
	const struct pcapng_packet p = {.time_ns = 0x123456789abcdef0ULL,
					.interface = "eth0",
					.comment = "drop blocked",
					.data = "abcde",
					.captured = 5,
					.length = 60};
	struct pcapng capture;
	const struct text *t = &capture.out;
	const uint8_t *value;
	uint16_t length;
	size_t at, end;

	(void)state;
	pcapng_init(&capture, 96);
	pcapng_put(&capture, &p, 0);
	pcapng_put(&capture, &p, 9);
	pcapng_end(&capture, 5, 11, 9);
	assert_int_equal(word_at(t, 8), 0x1a2b3c4d);
	at = block(t, 0, 0x0a0d0d0a);
	end = block(t, at, 1);
	assert_int_equal(word_at(t, at + 8), 1);   /* Ethernet */
	assert_int_equal(word_at(t, at + 12), 96); /* bytes of each */
	value = option(t, at + 16, end, 2, &length);
	assert_memory_equal(value, "eth0", 4);
	value = option(t, at + 16, end, 9, &length);
	assert_int_equal(*value, 9); /* nanoseconds */
	at = end;
	end = block(t, at, 6);
	assert_int_equal(word_at(t, at + 8), 0);
	assert_int_equal(word_at(t, at + 12), 0x12345678);
	assert_int_equal(word_at(t, at + 16), 0x9abcdef0);
	assert_int_equal(word_at(t, at + 20), 5);
	assert_int_equal(word_at(t, at + 24), 60);
	assert_memory_equal(t->data + at + 28, "abcde\0\0\0", 8);
	value = option(t, at + 36, end, 1, &length);
	assert_int_equal(length, 12);
	assert_memory_equal(value, "drop blocked", 12);
	assert_int_equal(*option(t, at + 36, end, 2, &length), 1); /* it came in */
	assert_null(option(t, at + 36, end, 4, &length));	   /* nothing was lost yet */
	at = end;
	end = block(t, at, 6);
	assert_int_equal(*option(t, at + 36, end, 4, &length), 9);
	at = end;
	end = block(t, at, 5);
	assert_int_equal(*option(t, at + 20, end, 4, &length), 11);
	assert_int_equal(*option(t, at + 20, end, 5, &length), 9);
	assert_int_equal(end, t->length);
	pcapng_done(&capture);
}

static void more_interfaces_than_fit_are_the_last_one(void **state)
{
	struct pcapng capture;
	char name[16];

	(void)state;
	pcapng_init(&capture, 96);
	for (unsigned int i = 0; i < PCAPNG_INTERFACES_MAX + 3; i++) {
		const struct pcapng_packet p = {.interface = name, .comment = "", .data = ""};

		snprintf(name, sizeof(name), "eth%u", i);
		pcapng_put(&capture, &p, 0);
	}
	assert_int_equal(capture.interfaces, PCAPNG_INTERFACES_MAX);
	assert_int_equal(capture.interface[PCAPNG_INTERFACES_MAX - 1].packets, 4);
	assert_false(capture.out.truncated);
	pcapng_done(&capture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_with_a_filter_is_said_with_its_place),
		cmocka_unit_test(a_filter_has_its_limits),
		cmocka_unit_test(a_filter_says_what_was_asked_for),
		cmocka_unit_test(a_packet_in_words_has_all_that_is_known_of_it),
		cmocka_unit_test(hidden_addresses_are_networks_and_bytes_are_not_shown),
		cmocka_unit_test(a_capture_is_what_the_format_says),
		cmocka_unit_test(more_interfaces_than_fit_are_the_last_one),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
