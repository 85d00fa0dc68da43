/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Traces: what is looked for is shown, by a model of filters too; each packet is counted once; and they end by themselves.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/words.h"
#include "datapath/internal.h"
#include "trace/filter.h"

#define BLOCKED "198.51.100.1"
#define POLICY                                                                                     \
	RUNNER_UNLIMITED "services: {dns: {proto: udp, dport: 53}}\n"                              \
			 "limits: [{name: narrow, scope: source, service: dns, rate: 1/d, "        \
			 "burst: 1}]\n"
#define SHOWN_MAX 64

/* What was shown since forget(). */
static struct {
	size_t count;
	struct weir_trace_event events[SHOWN_MAX];
	uint8_t bytes[SHOWN_MAX][WEIR_TRACE_SNAP_MAX];
} shown;

static int set_up(void **state)
{
	(void)state;
	runner_renew(&runner);
	runner_policy(&runner, POLICY);
	runner_list(&runner, LIST_BLOCK, BLOCKED, WEIR_FOREVER);
	return 0;
}

static int end_trace(void **state)
{
	(void)state;
	assert_int_equal(datapath_trace_end(runner.datapath, NULL), 0);
	return 0;
}

static int find_limit(const char *name, uint64_t ret_slots[static 2], void *userdata)
{
	uint16_t slot = runner_limit(&runner, "narrow", WEIR_UNIT_PACKETS)->slot;

	(void)userdata;
	if (strcmp(name, "narrow") != 0)
		return -ENOENT;
	ret_slots[slot >> 6] |= 1ULL << (slot & 63);
	return 0;
}

static int find_nothing16(const char *name, uint16_t *ret, void *userdata)
{
	(void)name;
	(void)ret;
	(void)userdata;
	return -ENOENT;
}

static int find_nothing32(const char *name, uint32_t *ret, void *userdata)
{
	(void)name;
	(void)ret;
	(void)userdata;
	return -ENOENT;
}

static struct weir_trace_filter filter_of(const char *text)
{
	const struct trace_names names = {find_limit, find_nothing16, find_nothing32, 0, NULL};
	struct weir_trace_filter filter;
	struct fault f = {0};

	if (trace_filter_parse(text, &names, &filter, &f) < 0)
		fail_msg("%s: %s", text, f.text);
	return filter;
}

static void begin(const char *filter, uint32_t period, uint32_t snap, uint32_t budget)
{
	const struct datapath_trace_options options = {
		.filter = filter_of(filter), .period = period, .snap = snap, .budget = budget};

	assert_int_equal(datapath_trace_begin(runner.datapath, &options, NULL), 0);
	datapath_trace_renew(runner.datapath);
}

static bool note(const struct weir_trace_event *event, void *userdata)
{
	(void)userdata;
	assert_true(shown.count < SHOWN_MAX);
	shown.events[shown.count] = *event;
	memcpy(shown.bytes[shown.count], event + 1, event->snapped);
	shown.count++;
	return true;
}

static size_t read_all(void)
{
	shown.count = 0;
	return datapath_trace_read(runner.datapath, note, NULL);
}

static bool skip_it(const struct weir_trace_event *event, void *userdata)
{
	(void)event;
	(void)userdata;
	return true;
}

static struct weir_trace_count counted(void)
{
	struct weir_trace_count count;

	datapath_trace_read_count(runner.datapath, &count);
	assert_true(count.seen >= count.looked_at && count.looked_at >= count.matched);
	assert_int_equal(count.matched, count.delivered + count.over_budget + count.lost);
	return count;
}

static struct packets_frame udp(const char *from, unsigned int port)
{
	struct packets_frame frame;

	packets_build((const struct packets_layer[]){IP4(.from = from), UDP(.port = port), {0}},
		      &frame);
	return frame;
}

static void pass(const struct packets_frame *frame, unsigned int count)
{
	while (count--)
		runner_run(&runner, frame->data, frame->length, 0);
}

static void a_packet_is_shown_with_what_became_of_it(void **state)
{
	struct packets_frame blocked = udp(BLOCKED, 443), over = udp("198.51.100.2", 53);
	const struct weir_trace_event *e = shown.events;
	uint8_t source[16];

	(void)state;
	pass(&over, 1);
	begin("", 1, 0, 100);
	pass(&blocked, 1);
	pass(&over, 1);
	assert_int_equal(read_all(), 2);
	address_parse(BLOCKED, source);
	assert_memory_equal(e[0].source, source, 16);
	assert_int_equal(e[0].verdict, WEIR_VERDICT_DROP);
	assert_int_equal(e[0].reason, WEIR_REASON_BLOCKED);
	assert_int_equal(e[0].limit, WEIR_NO_LIMIT);
	assert_int_equal(e[0].destination_port, 443); /* which the list did not need to know */
	assert_int_equal(e[0].protocol, 17);
	assert_int_equal(e[0].length, blocked.length);
	assert_int_equal(e[0].flags, WEIR_TRACE_IP | WEIR_TRACE_PORTS);
	assert_int_equal(e[1].reason, WEIR_REASON_OVER_PACKETS);
	assert_int_equal(e[1].limit, runner_limit(&runner, "narrow", WEIR_UNIT_PACKETS)->slot);
	assert_int_equal(e[1].generation, datapath_generation(runner.datapath));
	assert_true(e[1].time_ns >= e[0].time_ns && e[0].time_ns);
	assert_int_equal(counted().seen, 2);
}

static void its_first_bytes_are_those_that_came_in(void **state)
{
	struct packets_frame frame = udp(BLOCKED, 443), syn;

	(void)state;
	packets_build(
		(const struct packets_layer[]){IP4(.from = "198.51.100.3"), TCP(.port = 80), {0}},
		&syn);
	runner_policy(&runner,
		      RUNNER_UNLIMITED "services: {web: {proto: tcp, dport: 80}}\n"
				       "limits: [{name: narrow, scope: source, service: web, "
				       "rate: 1/d, burst: 1, reject: 1/1}]\n");
	pass(&syn, 1);
	begin("", 1, 40, 100);
	pass(&frame, 1);
	pass(&syn, 1); /* and what was answered is not the answer */
	assert_int_equal(read_all(), 2);
	assert_int_equal(shown.events[0].snapped, 40);
	assert_memory_equal(shown.bytes[0], frame.data, 40);
	assert_int_equal(shown.events[1].verdict, WEIR_VERDICT_REPLY);
	assert_memory_equal(shown.bytes[1], syn.data, 40);
	end_trace(NULL);
	begin("", 1, WEIR_TRACE_SNAP_MAX, 100);
	pass(&frame, 1);
	assert_int_equal(read_all(), 1);
	assert_int_equal(shown.events[0].snapped, frame.length);
	assert_memory_equal(shown.bytes[0], frame.data, frame.length);
}

/* What the table is about: each filter shows those of these frames whose letter it names. */
static const struct {
	char letter;
	struct packets_layer layers[4];
} frames[] = {
	{'a', {IP4(.from = "203.0.113.9", .to = "198.18.1.1"), UDP(.port = 443), {0}}},
	{'b', {IP4(.from = BLOCKED, .to = "198.18.1.1"), UDP(.port = 443), {0}}},
	{'c', {IP4(.from = "203.0.113.9", .to = "198.18.2.1"), TCP(.port = 80), {0}}},
	{'d', {IP4(.from = "203.0.113.200", .to = "198.18.1.1"), UDP(.port = 53), {0}}},
	{'e', {IP6(.from = "2001:db8::1"), TCP(.port = 443), {0}}},
	{'f', {IP4(.from = "203.0.113.9"), ICMP(0), {0}}},
	{'g',
	 {IP4(.from = "203.0.113.9", .fragment = FRAGMENT4(64, 0)), DATA(32, .number = 17), {0}}},
	{'h', {DATA(50, .number = 0x88cc), {0}}},
	{'i', {IP4(.from = "203.0.113.9", .header_lie = -2), UDP(), {0}}},
};

static const struct {
	const char *filter, *letters;
} filters[] = {
	{"", "abcdefghi"},
	{"src 203.0.113.9", "acfg"},
	{"src 203.0.113.0/24", "acdfg"},
	{"src 2001:db8::/32", "e"},
	{"dst 198.18.2.0/24", "c"},
	{"host 198.18.2.1", "c"},
	{"host 203.0.113.200", "d"},
	{"proto udp", "abdg"},
	{"proto tcp,icmp", "cef"},
	{"proto 17 dport 443", "ab"},
	{"dport 443", "abe"},
	{"dport 53-80", "cd"},
	{"port 80", "c"},
	{"sport 80", ""},
	{"verdict pass", "acefgh"},
	{"verdict drop", "bdi"},
	{"verdict drop reason blocked", "b"},
	{"reason blocked,over_packets", "bd"},
	{"reason not_ip", "h"},
	{"rule narrow", "d"},
	{"rule narrow verdict pass", ""},
	{"src 203.0.113.0/24 dst 198.18.1.1 proto udp dport 443 verdict pass", "a"},
};

static void a_filter_shows_what_meets_it_and_nothing_else(void **state)
{
	struct packets_frame built[ARRAY_SIZE(frames)];

	(void)state;
	begin("", 1, 0, 100);
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		packets_build(frames[i].layers, &built[i]);
		pass(&built[i], 1);
	}
	read_all();
	for (size_t n = 0; n < ARRAY_SIZE(filters); n++) {
		struct weir_trace_filter filter = filter_of(filters[n].filter);

		datapath_trace_set_filter(runner.datapath, &filter);
		for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
			size_t want = strchr(filters[n].letters, frames[i].letter) != NULL;

			pass(&built[i], 1);
			if (read_all() != want)
				fail_msg("'%s' %s frame %c", filters[n].filter,
					 want ? "misses" : "shows", frames[i].letter);
		}
	}
}

/* The same with filters and packets at random, and filters as people would explain them. */
struct sample {
	const char *source, *destination;
	unsigned int protocol, source_port, port, verdict, reason;
};

static uint64_t state_of_random = 0x5eed;

static unsigned int draw(unsigned int below)
{
	state_of_random = state_of_random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(state_of_random >> 33) % below;
}

static const char *const sources4[] = {BLOCKED, "198.51.100.2", "203.0.113.9", "192.0.2.77"};
static const char *const sources6[] = {"2001:db8::1", "2001:db8:0:1::2"};
static const char *const prefixes[] = {"198.51.100.0/24", BLOCKED,	    "203.0.113.8/29",
				       "2001:db8::/48",	  "2001:db8::/64",  "0.0.0.0/0",
				       "198.18.0.0/16",	  "2001:db8:2::/48"};
static const unsigned int ports[] = {53, 80, 443};
static const unsigned int numbers[] = {6, 17};

static struct sample draw_packet(struct packets_frame *ret)
{
	struct sample s = {.protocol = numbers[draw(2)], .port = ports[draw(3)]};
	bool ip6 = draw(3) == 0;
	struct packets_layer layers[3] = {{0}};

	s.source = ip6 ? sources6[draw(2)] : sources4[draw(4)];
	s.destination = ip6 ? PACKETS_TO6 : PACKETS_TO4;
	layers[0] =
		(struct packets_layer){.kind = ip6 ? PACKETS_IP6 : PACKETS_IP4, .from = s.source};
	layers[1] = (struct packets_layer){.kind = s.protocol == 6 ? PACKETS_TCP : PACKETS_UDP,
					   .port = s.port};
	packets_build(layers, ret);
	s.source_port = (unsigned int)ret->data[ip6 ? 54 : 34] << 8 | ret->data[ip6 ? 55 : 35];
	s.reason = WEIR_REASON_UNLIMITED;
	if (s.protocol == 17 && s.port == 53)
		s.reason = WEIR_REASON_OVER_PACKETS;
	if (s.source == sources4[0])
		s.reason = WEIR_REASON_BLOCKED;
	s.verdict = s.reason == WEIR_REASON_UNLIMITED ? WEIR_VERDICT_PASS : WEIR_VERDICT_DROP;
	return s;
}

static bool lies_in(const char *address, const char *text)
{
	struct prefix p, a;

	assert_int_equal(prefix_parse(text, &p), 0);
	assert_int_equal(prefix_parse(address, &a), 0);
	return prefix_covers(&p, &a);
}

/* Add a condition to @text, or none; returns whether @s meets it. */
static bool draw_condition(unsigned int key, char *text, size_t size, const struct sample *s)
{
	const char *prefix = prefixes[draw(ARRAY_SIZE(prefixes))];
	unsigned int first = draw(500), last = first + draw(500),
		     end = s->source_port + draw(3) - 1;

	switch (draw(3) ? 99 : key) {
	case 0:
		snprintf(text, size, "src %s ", prefix);
		return lies_in(s->source, prefix);
	case 1:
		snprintf(text, size, "dst %s ", prefix);
		return lies_in(s->destination, prefix);
	case 2:
		snprintf(text, size, "host %s ", prefix);
		return lies_in(s->source, prefix) || lies_in(s->destination, prefix);
	case 3:
		snprintf(text, size, "dport %u-%u ", first, last);
		return s->port >= first && s->port <= last;
	case 4:
		snprintf(text, size, "sport %u ", end);
		return s->source_port == end;
	case 5:
		snprintf(text, size, "port %u-%u ", first, last);
		return (s->port >= first && s->port <= last) ||
		       (s->source_port >= first && s->source_port <= last);
	case 6:
		snprintf(text, size, "proto %s ", first & 1 ? "udp" : "tcp,icmp");
		return s->protocol == (first & 1 ? 17U : 6U);
	case 7:
		snprintf(text, size, "verdict %s ", first & 1 ? "drop,mark" : "pass");
		return s->verdict == (first & 1 ? WEIR_VERDICT_DROP : WEIR_VERDICT_PASS);
	case 8:
		snprintf(text, size, "reason %s ",
			 first & 1 ? "blocked" : "unlimited,over_packets");
		return (s->reason == WEIR_REASON_BLOCKED) == (first & 1);
	case 9:
		snprintf(text, size, "rule narrow ");
		return s->reason == WEIR_REASON_OVER_PACKETS;
	default:
		text[0] = '\0';
		return true;
	}
}

static void what_random_filters_show_is_what_a_model_says(void **state)
{
	struct packets_frame frame;
	unsigned int met = 0;

	(void)state;
	for (int i = 0; i < 300; i++) { /* every source is over its limit from then on */
		draw_packet(&frame);
		pass(&frame, 1);
	}
	begin("", 1, 0, 100);
	for (int i = 0; i < 3000; i++) {
		struct sample s = draw_packet(&frame);
		char text[TRACE_FILTER_MAX + 1] = "", part[128];
		struct weir_trace_filter filter;
		bool want = true;

		for (unsigned int key = 0; key < 10; key++) {
			want &= draw_condition(key, part, sizeof(part), &s);
			strcat(text, part);
		}
		filter = filter_of(text);
		datapath_trace_set_filter(runner.datapath, &filter);
		/* The budget is for something else. */
		memset(runner.datapath->program.trace_cpu, 0,
		       runner.datapath->program.cpus * sizeof(struct weir_trace_cpu));
		pass(&frame, 1);
		if ((read_all() == 1) != want)
			fail_msg("'%s' of a packet from %s:%u to port %u, protocol %u, %s", text,
				 s.source, s.source_port, s.port, s.protocol,
				 reason_to_str(s.reason));
		met += want;
	}
	assert_in_range(met, 100, 2900);
}

static void of_a_sample_every_packet_is_counted_all_the_same(void **state)
{
	struct packets_frame frame = udp("198.51.100.2", 443);
	struct weir_trace_count count;

	(void)state;
	begin("", 16, 0, 100);
	pass(&frame, 5000);
	datapath_trace_pause(runner.datapath);
	datapath_trace_read(runner.datapath, skip_it, NULL);
	count = counted();
	assert_int_equal(count.seen, 5000);
	assert_in_range(count.looked_at, 200, 450); /* 312, give or take six deviations */
	assert_int_equal(count.matched, count.looked_at);
	end_trace(NULL);
	begin("src 192.0.2.0/24", 1, 0, 100);
	pass(&frame, 100);
	count = counted();
	assert_int_equal(count.seen, 100);
	assert_int_equal(count.looked_at, 100);
	assert_int_equal(count.matched, 0);
}

static void what_exceeds_the_budget_is_counted(void **state)
{
	struct packets_frame frame = udp("198.51.100.2", 443);
	struct weir_trace_count count;

	(void)state;
	begin("", 1, 0, 1);
	for (int i = 0; i < 20;
	     i++) { /* at most 1 % of 200 ms and of what this takes, at 12 us each */
		pass(&frame, 500);
		datapath_trace_read(runner.datapath, skip_it, NULL);
	}
	count = counted();
	assert_int_equal(count.seen, 10000);
	assert_int_equal(count.matched, 10000);
	assert_true(count.over_budget > 0 && count.delivered > 0);
	assert_int_equal(count.lost, 0);
}

static void what_nobody_reads_is_lost_and_counted(void **state)
{
	struct packets_frame frame = udp("198.51.100.2", 443);
	struct weir_trace_count count;
	size_t unread;

	(void)state;
	begin("", 1, WEIR_TRACE_SNAP_MAX, 100);
	frame.length = 1500;
	memset(runner.datapath->program.trace_cpu, 0,
	       runner.datapath->program.cpus * sizeof(struct weir_trace_cpu));
	runner.datapath->program.trace->factor = 0; /* an unbounded budget */
	pass(&frame, 3000);
	count = counted();
	assert_true(count.lost > 0);
	assert_int_equal(count.matched, 3000);
	unread = datapath_trace_read(runner.datapath, skip_it, NULL);
	assert_int_equal(unread, count.delivered);
	pass(&frame, 1);
	assert_int_equal(counted().lost, count.lost);
}

static void one_that_nobody_renews_ends_by_itself(void **state)
{
	struct packets_frame frame = udp("198.51.100.2", 443);

	(void)state;
	begin("", 1, 0, 100);
	pass(&frame, 3);
	assert_int_equal(read_all(), 3);
	runner.datapath->program.trace->until_ns = 1; /* as if its time were over */
	pass(&frame, 3);
	assert_int_equal(read_all(), 0);
	pass(&frame, 5000);
	assert_int_equal(read_all(), 0);
}

static void it_goes_on_under_another_policy(void **state)
{
	struct packets_frame frame = udp("198.51.100.2", 443);

	(void)state;
	begin("", 1, 0, 100);
	pass(&frame, 1);
	runner_policy(&runner, POLICY "  # another one, of another shape\n");
	runner_policy(&runner,
		      RUNNER_UNLIMITED "services: {dns: {proto: udp, dport: 53}}\n"
				       "limits: [{name: narrow, scope: source, service: dns, "
				       "rate: 1/d, algorithm: fixed_window}]\n");
	pass(&frame, 2);
	assert_int_equal(read_all(), 3);
	assert_int_equal(counted().seen, 3);
}

static void nothing_of_it_is_in_the_program_afterwards(void **state)
{
	(void)state;
	begin("", 1, 0, 100);
	assert_true(runner.datapath->program.shape.features & WEIR_FEATURE_TRACE);
	end_trace(NULL);
	assert_false(runner.datapath->program.shape.features & WEIR_FEATURE_TRACE);
	end_trace(NULL); /* twice is once */
}

static void there_is_one_at_a_time(void **state)
{
	const struct datapath_trace_options options = {
		.filter = filter_of(""), .period = 1, .budget = 5};
	struct fault f = {0};

	(void)state;
	begin("", 1, 0, 100);
	assert_int_equal(datapath_trace_begin(runner.datapath, &options, &f), -EBUSY);
	assert_string_equal(f.code, "trace.busy");
}

static void one_that_its_daemon_left_behind_is_gone_with_the_next(void **state)
{
	struct packets_frame frame = udp(BLOCKED, 443);

	(void)state;
	begin("", 1, 0, 100);
	runner_reopen(&runner);
	runner_policy(&runner, POLICY);
	runner_list(&runner, LIST_BLOCK, BLOCKED, WEIR_FOREVER);
	assert_false(runner.datapath->program.shape.features & WEIR_FEATURE_TRACE);
	assert_int_equal(runner_run(&runner, frame.data, frame.length, 0), XDP_DROP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, end_trace)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_packet_is_shown_with_what_became_of_it),
		TEST(its_first_bytes_are_those_that_came_in),
		TEST(a_filter_shows_what_meets_it_and_nothing_else),
		TEST(what_random_filters_show_is_what_a_model_says),
		TEST(of_a_sample_every_packet_is_counted_all_the_same),
		TEST(what_exceeds_the_budget_is_counted),
		TEST(what_nobody_reads_is_lost_and_counted),
		TEST(one_that_nobody_renews_ends_by_itself),
		TEST(it_goes_on_under_another_policy),
		TEST(nothing_of_it_is_in_the_program_afterwards),
		TEST(there_is_one_at_a_time),
		TEST(one_that_its_daemon_left_behind_is_gone_with_the_next),
	};

	return runner_run_group("trace", tests, NULL, close_runner);
}
