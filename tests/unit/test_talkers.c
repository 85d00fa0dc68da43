/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who sends most: sums of samples by source, prefix, destination and service, against sums of a plain loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/vocabulary.h>

#include "base/clock.h"
#include "engine/talkers.h"
#include "engine/traffic_internal.h"

#define NOW_NS (1000 * NSEC_PER_SEC)
#define SEED   0x1234567
static int set_up(void **state)
{
	struct traffic *t = traffic_new();

	assert_non_null(t);
	t->began_ns = NOW_NS - 600 * NSEC_PER_SEC;
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	traffic_free(*state);
	return 0;
}

struct some {
	const char *source, *destination; /* NULL = 198.18.0.1; source "": none could be read */
	uint16_t port;
	uint8_t protocol; /* 0 = UDP */
	uint32_t weight, length;
	uint8_t verdict, reason;
	double ago; /* seconds */
};

static void add(struct traffic *t, const struct some *some)
{
	struct weir_sample *s = &t->samples[t->count++ % TRAFFIC_SAMPLES_MAX];
	uint8_t address[16] = {0};

	*s = (struct weir_sample){
		.time_ns = NOW_NS - (uint64_t)(some->ago * NSEC_PER_SEC),
		.length = some->length ?: 100,
		.weight = some->weight ?: 1,
		.destination_port = some->port,
		.protocol = some->protocol ?: IPPROTO_UDP,
		.flags = some->port ? WEIR_SAMPLE_PORT : 0,
		.verdict = some->verdict ?: WEIR_VERDICT_PASS,
		.reason = some->reason,
	};
	if (!some->source || *some->source)
		assert_int_equal(address_parse(some->source ?: "198.18.0.1", address), 0);
	memcpy(s->source, address, sizeof(s->source));
	assert_int_equal(address_parse(some->destination ?: "198.18.9.9", address), 0);
	memcpy(s->destination, address, sizeof(s->destination));
}

#define ADD(t, ...) add(t, &(const struct some){__VA_ARGS__})

static struct talkers ask(const struct traffic *t, const struct talkers_question *q)
{
	struct talkers found;

	assert_int_equal(talkers_ask(t, q, NOW_NS, SEED, &found), 0);
	return found;
}

/* Of all sources, in the last ten seconds. */
static struct talkers ask_for(const struct traffic *t, enum talkers_by by, enum talkers_order order,
			      size_t limit)
{
	const struct talkers_question q = {
		.by = by,
		.order = order,
		.seconds = 10,
		.limit = limit,
	};

	return ask(t, &q);
}

static void expect_name(const struct talker *t, const char *name)
{
	char text[PREFIX_TEXT_SIZE];

	prefix_format(&t->prefix, text);
	assert_string_equal(text, name);
}

static void packets_bytes_and_drops_are_added_up_by_weight(void **state)
{
	struct traffic *t = *state;
	struct talkers found;

	ADD(t, .weight = 10, .length = 100);
	ADD(t, .weight = 20, .length = 50, .verdict = WEIR_VERDICT_DROP,
	    .reason = WEIR_REASON_OVER_PACKETS);
	ADD(t, .weight = 5, .verdict = WEIR_VERDICT_WOULD_DROP, .reason = WEIR_REASON_BLOCKED);
	ADD(t, .weight = 3, .verdict = WEIR_VERDICT_REPLY, .reason = WEIR_REASON_SYN_COOKIE);
	found = ask_for(t, TALKERS_SOURCE, TALKERS_PACKETS, 10);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.items[0].packets, 38);
	assert_int_equal(found.items[0].bytes, 10 * 100 + 20 * 50 + 8 * 100);
	assert_int_equal(found.items[0].dropped, 23);
	assert_int_equal(found.items[0].would_drop, 5);
	assert_int_equal(found.items[0].samples, 4);
	assert_int_equal(found.items[0].reason, WEIR_REASON_OVER_PACKETS);
	assert_int_equal(found.packets, 38);
	assert_int_equal(found.dropped, 23);
	talkers_done(&found);
}

static void the_order_is_by_what_is_asked_for(void **state)
{
	struct traffic *t = *state;
	struct talkers found;

	ADD(t, .source = "198.18.0.1", .weight = 9, .length = 60);
	ADD(t, .source = "198.18.0.2", .weight = 5, .length = 1500);
	ADD(t, .source = "198.18.0.3", .weight = 2, .verdict = WEIR_VERDICT_DROP);
	found = ask_for(t, TALKERS_SOURCE, TALKERS_PACKETS, 10);
	expect_name(&found.items[0], "198.18.0.1");
	talkers_done(&found);
	found = ask_for(t, TALKERS_SOURCE, TALKERS_BYTES, 10);
	expect_name(&found.items[0], "198.18.0.2");
	talkers_done(&found);
	found = ask_for(t, TALKERS_SOURCE, TALKERS_DROPPED, 1);
	expect_name(&found.items[0], "198.18.0.3");
	assert_int_equal(found.count, 1);
	assert_int_equal(found.found, 3);
	talkers_done(&found);
}

static void prefixes_are_24_and_48(void **state)
{
	struct traffic *t = *state;
	struct talkers found;

	ADD(t, .source = "198.18.7.1", .weight = 4);
	ADD(t, .source = "198.18.7.255", .weight = 4);
	ADD(t, .source = "198.18.8.0", .weight = 3);
	ADD(t, .source = "2001:db8:7:1::1");
	ADD(t, .source = "2001:db8:7:2::1");
	found = ask_for(t, TALKERS_PREFIX, TALKERS_PACKETS, 10);
	assert_int_equal(found.count, 3);
	expect_name(&found.items[0], "198.18.7.0/24");
	expect_name(&found.items[1], "198.18.8.0/24");
	expect_name(&found.items[2], "2001:db8:7::/48");
	talkers_done(&found);
}

static void services_are_protocol_and_port(void **state)
{
	struct traffic *t = *state;
	struct talkers found;

	ADD(t, .port = 53, .weight = 6);
	ADD(t, .port = 53, .protocol = IPPROTO_TCP, .weight = 5);
	ADD(t, .protocol = IPPROTO_ICMP, .weight = 3);
	ADD(t, .source = "", .protocol = IPPROTO_ICMP, .weight = 1);
	found = ask_for(t, TALKERS_SERVICE, TALKERS_PACKETS, 10);
	assert_int_equal(found.count, 3);
	assert_int_equal(found.items[0].port, 53);
	assert_int_equal(found.items[0].protocol, IPPROTO_UDP);
	assert_int_equal(found.items[1].protocol, IPPROTO_TCP);
	assert_int_equal(found.items[2].port, 0);
	assert_int_equal(found.items[2].packets, 4); /* also who nobody could tell */
	talkers_done(&found);
	found = ask_for(t, TALKERS_SOURCE, TALKERS_PACKETS, 10);
	assert_int_equal(found.count, 1);
	talkers_done(&found);
}

static void only_sources_inside_the_prefix_are_asked_for(void **state)
{
	struct traffic *t = *state;
	struct talkers_question q = {.seconds = 10, .limit = 10, .by = TALKERS_DESTINATION};
	struct talkers found;

	ADD(t, .source = "198.18.7.1", .destination = "198.18.100.1");
	ADD(t, .source = "198.18.8.1", .destination = "198.18.100.2");
	assert_int_equal(prefix_parse("198.18.7.0/24", &q.within), 0);
	found = ask(t, &q);
	assert_int_equal(found.count, 1);
	expect_name(&found.items[0], "198.18.100.1");
	talkers_done(&found);
}

static void what_is_older_does_not_count(void **state)
{
	struct traffic *t = *state;
	struct talkers found;

	ADD(t, .source = "198.18.0.1", .ago = 11);
	ADD(t, .source = "198.18.0.2", .ago = 10.4);
	ADD(t, .source = "198.18.0.3", .ago = 9.9);
	ADD(t, .source = "198.18.0.4", .ago = 10.2); /* another CPU's, read later */
	ADD(t, .source = "198.18.0.5", .ago = 9.8);
	found = ask_for(t, TALKERS_SOURCE, TALKERS_PACKETS, 10);
	assert_int_equal(found.count, 2);
	assert_float_equal(found.seconds, 10, 0.001);
	talkers_done(&found);
}

static void it_says_how_far_back_it_could_look(void **state)
{
	struct traffic *t = *state;
	struct talkers found;

	t->began_ns = NOW_NS - 3 * NSEC_PER_SEC;
	found = ask_for(t, TALKERS_SOURCE, TALKERS_PACKETS, 10);
	assert_int_equal(found.count, 0);
	assert_float_equal(found.seconds, 3, 0.001);
	talkers_done(&found);
	for (unsigned int i = 0; i < TRAFFIC_SAMPLES_MAX + 10; i++)
		ADD(t, .ago = i < 10 ? 2.5 : 2);
	found = ask_for(t, TALKERS_SOURCE, TALKERS_PACKETS, 10);
	assert_int_equal(found.samples, TRAFFIC_SAMPLES_MAX);
	assert_float_equal(found.seconds, 2, 0.001);
	talkers_done(&found);
}

static void the_sums_are_those_of_a_plain_loop(void **state)
{
	static uint64_t sums[4096];
	struct traffic *t = *state;
	struct talkers found;
	uint64_t last = UINT64_MAX, all = 0;

	memset(sums, 0, sizeof(sums));
	srandom(7);
	for (unsigned int i = 0; i < TRAFFIC_SAMPLES_MAX; i++) {
		unsigned int number = (unsigned int)random() % 4096;
		uint32_t weight = 1 + (uint32_t)random() % 1000;
		char source[ADDRESS_TEXT_SIZE];

		snprintf(source, sizeof(source), "198.18.%u.%u", number / 256, number % 256);
		ADD(t, .source = source, .weight = weight);
		sums[number] += weight;
		all += weight;
	}
	found = ask_for(t, TALKERS_SOURCE, TALKERS_PACKETS, TALKERS_MAX);
	assert_int_equal(found.count, TALKERS_MAX);
	assert_int_equal(found.packets, all);
	for (size_t i = 0; i < found.count; i++) {
		const uint8_t *a = found.items[i].prefix.address;

		assert_int_equal(found.items[i].packets, sums[a[14] * 256 + a[15]]);
		assert_true(found.items[i].packets <= last);
		last = found.items[i].packets;
		sums[a[14] * 256 + a[15]] = 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		assert_true(sums[i] <= last); /* nobody who sent more was left out */
	talkers_done(&found);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(packets_bytes_and_drops_are_added_up_by_weight),
		TEST(the_order_is_by_what_is_asked_for),
		TEST(prefixes_are_24_and_48),
		TEST(services_are_protocol_and_port),
		TEST(only_sources_inside_the_prefix_are_asked_for),
		TEST(what_is_older_does_not_count),
		TEST(it_says_how_far_back_it_could_look),
		TEST(the_sums_are_those_of_a_plain_loop),
	};

	return cmocka_run_group_tests_name("talkers", tests, NULL, NULL);
}
