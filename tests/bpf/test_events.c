/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the datapath tells of drops, against what it counted: the sum in include/weir/event.h holds to
 * the packet for few sources and for 200,000, with nobody listening, with a ring that overflows, and
 * with two CPUs dropping while userspace harvests.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../lib/packets.h"
#include "../lib/runner.h"
#include "base/address.h"
#include "base/clock.h"
#include "events/events.h"

#define SOURCE_AT 26 /* in an IPv4 frame without tags */

static struct runner runner;
static struct events *events;

static int set_up(void **state)
{
	struct events_source source;
	struct fault f = {0};

	(void)state;
	runner_open(&runner);
	runner_policy(&runner, RUNNER_UNLIMITED);
	runner_list(&runner, LIST_BLOCK, "0.0.0.0/0", WEIR_FOREVER);
	source = (struct events_source){
		.live = datapath_live(runner.datapath),
		.meta = datapath_meta(runner.datapath),
		.cpu = datapath_cpu(runner.datapath),
		.cpus = datapath_cpus(runner.datapath),
		.ring_fd = datapath_ring_fd(runner.datapath),
	};
	runner_count_from_here(&runner);
	return events_open(&source, &events, &f);
}

static int tear_down(void **state)
{
	(void)state;
	events_close(take_ptr(events));
	runner_close(&runner);
	return 0;
}

static void drop_from(uint32_t source)
{
	static const struct packets_layer layers[] = {IP4(), UDP(), {0}};
	static struct packets_frame frame;

	if (!frame.length)
		packets_build(layers, &frame);
	source = __builtin_bswap32(source);
	memcpy(frame.data + SOURCE_AT, &source, sizeof(source));
	assert_int_equal(runner_run(&runner, frame.data, frame.length, 0), XDP_DROP);
}

/* Spread over all of IPv4, each number once. */
static uint32_t scattered(uint32_t i)
{
	return i * 2654435761U;
}

static void add_window(const struct events_window *window, void *userdata)
{
	uint64_t *packets = userdata;

	*packets += window->packets;
}

/* Every drop since the set-up is in a window or counted as not told. Returns how many are in windows. */
static uint64_t assert_all_accounted(struct weir_event_count *ret)
{
	uint64_t dropped = runner_count(&runner, WEIR_VERDICT_DROP, WEIR_REASON_MAX);
	uint64_t told = 0;

	assert_true(events_drain(events) >= 0);
	events_harvest_all(events);
	datapath_read_event_counts(runner.datapath, ret);
	events_close_windows(events, add_window, &told);
	assert_int_equal(dropped, told + ret->lost_packets + ret->suppressed_packets);
	assert_int_equal(ret->offered,
			 datapath_meta(runner.datapath)->events_delivered + ret->lost);
	return told;
}

static void a_drop_is_told_at_once(void **state)
{
	struct events_window window;
	uint8_t source[16];

	(void)state;
	drop_from(0xc0000201);
	assert_int_equal(events_drain(events), 1);
	assert_int_equal(address_parse("192.0.2.1", source), 0);
	assert_int_equal(events_of_source(events, source, &window, 1), 1);
	assert_int_equal(window.packets, 0); /* the count is still in the kernel */
	assert_int_equal(window.reason, WEIR_REASON_BLOCKED);
	assert_int_equal(window.verdict, WEIR_VERDICT_DROP);
	assert_int_equal(window.limit, WEIR_NO_LIMIT);
	assert_int_equal(window.generation, datapath_generation(runner.datapath));
	drop_from(0xc0000201);
	assert_int_equal(events_drain(events), 0); /* and once */
}

static void few_sources_are_told_apart_to_the_packet(void **state)
{
	struct weir_event_count count;
	uint64_t now_ns;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		for (uint32_t sent = 0; sent < 10 * (i + 1); sent++)
			drop_from(0xc0000201 + i);
	now_ns = clock_monotonic_ns();
	assert_true(events_drain(events) >= 3);
	events_harvest_all(events);
	for (uint32_t i = 0; i < 3; i++) {
		struct events_window window;
		uint8_t source[16];
		char text[20];

		snprintf(text, sizeof(text), "192.0.2.%u", 1 + i);
		assert_int_equal(address_parse(text, source), 0);
		assert_int_equal(events_of_source(events, source, &window, 1), 1);
		assert_int_equal(window.packets, 10 * (i + 1));
		assert_int_equal(window.bytes, 10 * (i + 1) * (14 + 20 + 8));
		assert_true(window.first_ns && window.first_ns <= window.last_ns);
		assert_true(window.last_ns <= now_ns);
	}
	assert_int_equal(assert_all_accounted(&count), 60);
	assert_int_equal(count.suppressed_packets, 0);
}

/* Where many sources fell on few tallies, they would drive each other out into the ring. */
static void sources_of_one_network_find_room(void **state)
{
	struct weir_event_count count;

	(void)state;
	for (uint32_t i = 0; i < 256; i++) {
		drop_from(0xc6336400 + i);
		drop_from(0xc6120001 + (i << 8));
		drop_from(0x0a000001 + (i << 16));
	}
	events_harvest_all(events);
	assert_in_range(events_pending_packets(events), 3 * 256 - 100, 3 * 256);
	assert_all_accounted(&count);
}

static void a_drop_names_the_limit_that_refused(void **state)
{
	uint32_t generation = runner_policy(
		&runner, RUNNER_POLICY "limits:\n"
				       "  - {name: wide, scope: source, rate: 1/h, burst: 100}\n"
				       "  - {name: narrow, scope: source, rate: 1/h, burst: 1}\n");
	struct packets_frame frame;
	struct events_window window;

	(void)state;
	runner_unlist_all(&runner);
	packets_build((const struct packets_layer[]){IP6(), UDP(), {0}}, &frame);
	for (unsigned int i = 0; i < 5; i++)
		runner_run(&runner, frame.data, frame.length, 0);
	events_harvest_all(events);
	assert_int_equal(events_windows(events, &window, 1), 1);
	assert_int_equal(window.packets, 4);
	assert_int_equal(window.reason, WEIR_REASON_OVER_PACKETS);
	assert_int_equal(window.limit, runner_limit(&runner, "narrow", WEIR_UNIT_PACKETS)->slot);
	assert_int_equal(window.generation, generation);
}

static void a_drop_names_its_interface(void **state)
{
	const struct weir_tally *t;
	unsigned int found = 0;

	(void)state;
	drop_from(1);
	for (size_t i = 0; (t = runner_tally(&runner, i)); i++) {
		if (!t->packets)
			continue;
		assert_int_equal(t->ifindex, 1); /* test runs arrive on lo */
		found++;
	}
	assert_int_equal(found, 1);
}

static void five_thousand_sources_are_accounted_for(void **state)
{
	struct weir_event_count count;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		for (unsigned int sent = 0; sent <= i % 3; sent++)
			drop_from(scattered(i));
	assert_all_accounted(&count);
}

static struct {
	uint64_t sources, prefixes, in_prefixes, others;
	uint32_t most;
} crowd;

static void count_crowd(const struct events_window *w, void *userdata)
{
	(void)userdata;
	if (w->others) {
		crowd.others += w->packets;
	} else if (!w->crowd) {
		crowd.sources++;
		assert_int_equal(w->bits, 0);
	} else {
		struct prefix p = {.bits = w->bits}, one = {.bits = 128};

		memcpy(p.address, w->source, 16);
		memcpy(one.address, w->crowd->exemplars[0], 16);
		assert_int_equal(w->bits, 96 + 24);
		assert_true(prefix_covers(&p, &one) && w->crowd->exact);
		crowd.prefixes++;
		crowd.in_prefixes += w->crowd->sources;
		if (w->crowd->sources > crowd.most)
			crowd.most = w->crowd->sources;
	}
}

/* 16 networks of 256 fill the room that there is for single sources; the rest are told by network. */
static void too_many_sources_are_told_by_their_networks(void **state)
{
	const uint32_t many = EVENTS_WINDOWS_MAX + 10 * 256 + 7;

	(void)state;
	memset(&crowd, 0, sizeof(crowd));
	for (uint32_t i = 0; i < 2 * many; i++) {
		drop_from(0x0a000000 + i % many);
		if (i % 512 == 0) {
			events_drain(events);
			events_harvest(events);
		}
	}
	events_drain(events);
	events_harvest_all(events);
	events_drain(events);
	events_close_windows(events, count_crowd, NULL);
	assert_int_equal(crowd.sources, EVENTS_WINDOWS_MAX);
	assert_int_equal(crowd.in_prefixes, many - EVENTS_WINDOWS_MAX);
	assert_in_range(crowd.prefixes, 11, 27);
	assert_in_range(crowd.most, 1, 256);
	assert_int_equal(crowd.others, 0);
}

static void a_flood_that_nobody_listens_to_is_accounted_for(void **state)
{
	struct weir_event_count count;
	uint64_t began_ns = clock_monotonic_ns(), budget;

	(void)state;
	for (uint32_t i = 0; i < 200000; i++)
		drop_from(scattered(i));
	budget = datapath_cpus(runner.datapath) *
		 (WEIR_EVENTS_BURST +
		  (clock_monotonic_ns() - began_ns) * WEIR_EVENTS_PER_SEC / NSEC_PER_SEC + 1);
	assert_all_accounted(&count);
	assert_true(count.suppressed_packets > 0);
	assert_in_range(count.offered, 1, budget);
}

/* As if a second had gone by: all CPUs have their whole budget again. */
static void renew_budget(void)
{
	static struct weir_cpu cpu;
	char path[100];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/v%u/weir_cpu", runner.pin_dir, WEIR_ABI);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	for (uint32_t i = 0; i < datapath_cpus(runner.datapath); i++) {
		assert_int_equal(bpf_map_lookup_elem(fd, &i, &cpu), 0);
		cpu.events.budget_tat_ns = 0;
		assert_int_equal(bpf_map_update_elem(fd, &i, &cpu, BPF_ANY), 0);
	}
}

static void what_a_full_ring_loses_is_counted(void **state)
{
	const uint32_t records = WEIR_RING_BYTES / sizeof(struct weir_tally);
	struct weir_event_count count;
	uint64_t used, size;

	(void)state;
	for (uint32_t i = 0; i < 3 * records; i++) {
		if (i % (WEIR_EVENTS_BURST / 2) == 0)
			renew_budget();
		drop_from(scattered(i));
	}
	events_ring_use(events, &used, &size);
	assert_true(used > size - 100);
	assert_all_accounted(&count);
	assert_true(count.lost > 0);
	assert_true(count.lost_packets > 0);
}

struct dropper {
	pthread_t thread;
	uint32_t first;
	uint64_t until_ns;
	unsigned int errors;
};

static void *drop_flat_out(void *argument)
{
	struct dropper *d = argument;
	struct packets_frame frame;

	packets_build((const struct packets_layer[]){IP4(), UDP(), {0}}, &frame);
	for (uint32_t i = d->first; clock_monotonic_ns() < d->until_ns; i++) {
		uint32_t source = scattered(i % 2 ? i : i % 64);

		memcpy(frame.data + SOURCE_AT, &source, sizeof(source));
		d->errors += runner_run(&runner, frame.data, frame.length, 0) != XDP_DROP;
	}
	return NULL;
}

static void harvesting_under_fire_loses_nothing(void **state)
{
	const struct timespec pause = {.tv_nsec = 100 * NSEC_PER_MSEC};
	uint64_t until_ns = clock_monotonic_ns() + 700 * NSEC_PER_MSEC;
	struct weir_event_count count;
	struct dropper droppers[2];

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		droppers[i] = (struct dropper){.first = i << 30, .until_ns = until_ns};
		assert_int_equal(
			pthread_create(&droppers[i].thread, NULL, drop_flat_out, &droppers[i]), 0);
	}
	while (clock_monotonic_ns() < until_ns) {
		nanosleep(&pause, NULL);
		assert_true(events_drain(events) >= 0);
		events_harvest(events);
	}
	for (unsigned int i = 0; i < 2; i++) {
		pthread_join(droppers[i].thread, NULL);
		assert_int_equal(droppers[i].errors, 0);
	}
	assert_true(assert_all_accounted(&count) > 0);
}

static void what_monitor_would_drop_is_told_as_that(void **state)
{
	struct events_window window;

	(void)state;
	runner_policy(&runner, "apiVersion: weir/v1\nmode: monitor\n");
	runner_expect(&runner, "monitor drops nothing",
		      &(struct packets_frame){.data = {[12] = 0x08}, .length = 14},
		      WEIR_VERDICT_WOULD_DROP, WEIR_REASON_IP4_TRUNCATED);
	events_harvest_all(events);
	assert_int_equal(events_windows(events, &window, 1), 1);
	assert_int_equal(window.packets, 1);
	assert_int_equal(window.verdict, WEIR_VERDICT_WOULD_DROP);
	assert_int_equal(window.reason, WEIR_REASON_IP4_TRUNCATED);
}

#define EVENT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EVENT_TEST(a_drop_is_told_at_once),
		EVENT_TEST(few_sources_are_told_apart_to_the_packet),
		EVENT_TEST(sources_of_one_network_find_room),
		EVENT_TEST(a_drop_names_the_limit_that_refused),
		EVENT_TEST(a_drop_names_its_interface),
		EVENT_TEST(five_thousand_sources_are_accounted_for),
		EVENT_TEST(too_many_sources_are_told_by_their_networks),
		EVENT_TEST(a_flood_that_nobody_listens_to_is_accounted_for),
		EVENT_TEST(what_a_full_ring_loses_is_counted),
		EVENT_TEST(harvesting_under_fire_loses_nothing),
		EVENT_TEST(what_monitor_would_drop_is_told_as_that),
	};

	return runner_run_group("bpf_events", tests, NULL, NULL);
}
