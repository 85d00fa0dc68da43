/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The networks that send most: who is in, by how much, and that few come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "engine/busiest.h"
#include "engine/traffic_internal.h"

#define S NSEC_PER_SEC

static void send(struct traffic *t, uint64_t time_ns, const char *source, uint32_t packets)
{
	struct weir_sample *s = &t->samples[t->count++ % TRAFFIC_SAMPLES_MAX];
	uint8_t address[16];

	assert_int_equal(address_parse(source, address), 0);
	*s = (struct weir_sample){.time_ns = time_ns, .weight = packets};
	memcpy(s->source, address, sizeof(address));
}

static void is_in(const struct busiest *b, size_t at, const char *network, double rate)
{
	char text[PREFIX_TEXT_SIZE];

	assert_true(at < b->count);
	prefix_format(&b->networks[at].prefix, text);
	assert_string_equal(text, network);
	assert_true(b->networks[at].packets_per_second == rate);
}

static void networks_are_added_up_and_the_largest_come_first(void **unused)
{
	struct traffic *t = traffic_new();
	struct busiest b = {0};

	(void)unused;
	send(t, 10 * S, "198.51.100.1", 999999); /* more than a minute ago */
	send(t, 100 * S, "203.0.113.1", 600);
	send(t, 101 * S, "203.0.113.200", 600);
	send(t, 101 * S, "192.0.2.1", 900);
	send(t, 102 * S, "2001:db8:7:1::1", 6000);
	send(t, 102 * S, "2001:db8:7:2::1", 6000);
	send(t, 102 * S, "192.0.3.1", 60);
	busiest_find(&b, t, 3, 42, 110 * S);
	assert_int_equal(b.count, 3);
	is_in(&b, 0, "2001:db8:7::/48", 200);
	is_in(&b, 1, "203.0.113.0/24", 20);
	is_in(&b, 2, "192.0.2.0/24", 15);
	traffic_free(t);
}

static void who_is_in_stays_for_five_minutes(void **unused)
{
	struct traffic *t = traffic_new();
	struct busiest b = {0};

	(void)unused;
	send(t, 100 * S, "192.0.2.1", 600);
	busiest_find(&b, t, 1, 42, 110 * S);
	is_in(&b, 0, "192.0.2.0/24", 10);
	send(t, 400 * S, "203.0.113.1", 6000);
	busiest_find(&b, t, 1, 42, 409 * S);
	assert_int_equal(b.count, 1);
	is_in(&b, 0, "192.0.2.0/24", 0);
	busiest_find(&b, t, 1, 42, 410 * S);
	assert_int_equal(b.count, 1);
	is_in(&b, 0, "203.0.113.0/24", 100);
	busiest_find(&b, t, 0, 42, 411 * S);
	assert_int_equal(b.count, 0);
	traffic_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_are_added_up_and_the_largest_come_first),
		cmocka_unit_test(who_is_in_stays_for_five_minutes),
	};

	return cmocka_run_group_tests_name("busiest", tests, NULL, NULL);
}
