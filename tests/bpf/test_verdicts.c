/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What policy and lists make of well-formed and other packets, asked of the real program: modes,
 * settings under `packets`, allow and block lists with their deadlines, and which service a packet
 * belongs to.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "lists/image.h"

static void without_a_policy_everything_passes_unexamined(void **state)
{
	(void)state;
	assert_int_equal(datapath_generation(runner.datapath), 0);
	EXPECT(PASS, UNCONFIGURED, "a good packet", IP4(), UDP());
	EXPECT(PASS, UNCONFIGURED, "a malformed packet", IP4(.header_lie = -1));
	EXPECT(PASS, UNCONFIGURED, "what is not IP", DATA(46, .number = 0x88cc));
}

static void mode_off_passes_everything_unexamined(void **state)
{
	(void)state;
	runner_policy(&runner, "apiVersion: weir/v1\nmode: off\n");
	runner_list(&runner, LIST_BLOCK, PACKETS_FROM4, WEIR_FOREVER);
	EXPECT(PASS, OFF, "a blocked source", IP4(), UDP());
	EXPECT(PASS, OFF, "a malformed packet", IP4(.header_lie = -1));
}

static void mode_monitor_counts_what_enforce_would_drop(void **state)
{
	(void)state;
	runner_policy(&runner, "apiVersion: weir/v1\nmode: monitor\n"
			       "packets: {other: drop, fragments: drop}\n"
			       "limits: [{name: a, scope: source, rate: 1/d, burst: 1}]\n");
	runner_list(&runner, LIST_BLOCK, "192.0.2.1", WEIR_FOREVER);
	EXPECT(WOULD_DROP, BLOCKED, "a blocked source", IP4(.from = "192.0.2.1"), UDP());
	EXPECT(WOULD_DROP, IP4_HEADER, "a malformed packet", IP4(.header_lie = -1));
	EXPECT(WOULD_DROP, NOT_IP, "what is not IP", DATA(46, .number = 0x88cc));
	EXPECT(WOULD_DROP, FRAGMENT, "a later fragment", IP4(.fragment = FRAGMENT4(8, 0)), UDP());
	EXPECT(PASS, WITHIN_LIMIT, "what has room", IP4(), UDP());
	EXPECT(WOULD_DROP, OVER_PACKETS, "what has none", IP4(), UDP());
	EXPECT(PASS, NEIGHBOUR, "ARP", DATA(28, .number = 0x0806));
}

static void malformed_packets_pass_if_the_policy_says_so(void **state)
{
	struct packets_frame frame;

	(void)state;
	runner_policy(&runner, RUNNER_POLICY "packets: {malformed: pass, fragments: pass}\n");
	for (size_t i = 0; i < packets_case_count; i++) {
		packets_build(packets_cases[i].layers, &frame);
		runner_expect(&runner, packets_cases[i].promise, &frame, WEIR_VERDICT_PASS,
			      packets_cases[i].reason);
	}
}

static void what_is_not_ip_is_dropped_if_the_policy_says_so(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_POLICY "packets: {other: drop}\n");
	EXPECT(DROP, NOT_IP, "another ethertype", DATA(46, .number = 0x88cc));
	EXPECT(DROP, NOT_IP, "LLC", VLAN(), DATA(46, .number = 46));
	EXPECT(PASS, NEIGHBOUR, "ARP passes all the same", DATA(28, .number = 0x0806));
	EXPECT(PASS, UNLIMITED, "and IP", IP6(), UDP());
}

#define LATER4 IP4(.fragment = FRAGMENT4(1480, 1)), DATA(100, .number = 17)
#define LATER6 IP6(), EXTENSION(44, .fragment = FRAGMENT6(1480, 0)), DATA(100, .number = 17)
#define FIRST4 IP4(.fragment = FRAGMENT4(0, 1)), UDP(.lie = 900), DATA(100)

static void later_fragments_are_dropped_passed_or_limited(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_POLICY "packets: {fragments: drop}\n");
	EXPECT(DROP, FRAGMENT, "a later IPv4 fragment", LATER4);
	EXPECT(DROP, FRAGMENT, "a later IPv6 fragment", LATER6);
	EXPECT(PASS, UNLIMITED, "a first fragment is no later one", FIRST4);
	EXPECT(PASS, UNLIMITED, "an atomic one isn't, either", IP6(), EXTENSION(44), UDP());

	runner_policy(&runner, RUNNER_POLICY "packets: {fragments: pass}\n");
	EXPECT(PASS, UNLIMITED, "a later IPv4 fragment", LATER4);

	runner_policy(&runner, RUNNER_POLICY "packets: {fragments: {rate: 1/d, burst: 2}}\n");
	EXPECT(PASS, WITHIN_LIMIT, "the first later fragment", LATER4);
	EXPECT(PASS, UNLIMITED, "first fragments are none of it", FIRST4);
	EXPECT(PASS, WITHIN_LIMIT, "the second", LATER4);
	EXPECT(DROP, OVER_PACKETS, "the third", LATER4);
	EXPECT(PASS, WITHIN_LIMIT, "another source has its own", LATER6);
}

#define SERVICE(text)                                                                              \
	RUNNER_UNLIMITED "services: {s: {" text "}}\nlimits:\n"                                    \
			 "  - {name: a, scope: source, service: s, rate: 1M/s}\n"

static void a_service_is_its_ports(void **state)
{
	(void)state;
	runner_policy(&runner, SERVICE("proto: [tcp, udp], dport: [0, 53, 8000-8100, 65535]"));
	EXPECT(PASS, WITHIN_LIMIT, "a port", IP4(), UDP(.port = 53));
	EXPECT(PASS, UNLIMITED, "the port before", IP4(), UDP(.port = 52));
	EXPECT(PASS, UNLIMITED, "the port after", IP6(), TCP(.port = 54));
	EXPECT(PASS, UNLIMITED, "before a range", IP4(), TCP(.port = 7999));
	EXPECT(PASS, WITHIN_LIMIT, "a range's first port", IP4(), TCP(.port = 8000));
	EXPECT(PASS, WITHIN_LIMIT, "a range's last port", IP6(), UDP(.port = 8100));
	EXPECT(PASS, UNLIMITED, "behind a range", IP6(), UDP(.port = 8101));
	EXPECT(PASS, WITHIN_LIMIT, "the highest port", IP4(), TCP(.port = 65535));
	EXPECT(PASS, WITHIN_LIMIT, "behind extension headers", IP6(), EXTENSION(0), EXTENSION(60),
	       TCP(.port = 8050));
	EXPECT(PASS, WITHIN_LIMIT, "in a first fragment", FIRST4);
	EXPECT(PASS, UNLIMITED, "a later fragment has no port", LATER4);
	EXPECT(PASS, UNLIMITED, "ICMP has no port", IP4(), ICMP());
	EXPECT(PASS, UNLIMITED, "what looks like a port in SCTP", IP4(), DATA(12, .number = 132));
}

static void a_service_is_its_protocols(void **state)
{
	(void)state;
	runner_policy(&runner, SERVICE("proto: [tcp, icmp, icmp6, 47]"));
	EXPECT(PASS, WITHIN_LIMIT, "TCP to any port", IP4(), TCP(.port = 7));
	EXPECT(PASS, UNLIMITED, "not UDP", IP4(), UDP(.port = 7));
	EXPECT(PASS, WITHIN_LIMIT, "ICMP", IP4(), ICMP());
	EXPECT(PASS, WITHIN_LIMIT, "ICMPv6", IP6(), ICMP6());
	EXPECT(PASS, WITHIN_LIMIT, "GRE", QINQ(), VLAN(), IP6(), DATA(4, .number = 47));
	EXPECT(PASS, UNLIMITED, "not SCTP", IP4(), DATA(12, .number = 132));
	EXPECT(PASS, WITHIN_LIMIT, "a later fragment of TCP", IP4(.fragment = FRAGMENT4(8, 0)),
	       DATA(64, .number = 6));
	EXPECT(PASS, UNLIMITED, "not one of UDP", LATER4);
}

static void a_service_is_its_destinations(void **state)
{
	(void)state;
	runner_policy(&runner, SERVICE("dst: [198.18.1.0/24, \"2001:db8:2::/64\", 203.0.113.7]"));
	EXPECT(PASS, WITHIN_LIMIT, "in a prefix", IP4(.to = "198.18.1.255"), UDP());
	EXPECT(PASS, UNLIMITED, "before a prefix", IP4(.to = "198.18.0.255"), UDP());
	EXPECT(PASS, UNLIMITED, "behind a prefix", IP4(.to = "198.18.2.0"), ICMP());
	EXPECT(PASS, WITHIN_LIMIT, "an address", IP4(.to = "203.0.113.7"), DATA(1));
	EXPECT(PASS, UNLIMITED, "its neighbour", IP4(.to = "203.0.113.6"), DATA(1));
	EXPECT(PASS, WITHIN_LIMIT, "an IPv6 prefix", IP6(.to = "2001:db8:2::ffff"), TCP());
	EXPECT(PASS, UNLIMITED, "another one", IP6(.to = "2001:db8:2:1::"), TCP());
	EXPECT(PASS, WITHIN_LIMIT, "a later fragment goes there, too", LATER4);
}

static void any_ipv6_destination_is_not_any_ipv4_destination(void **state)
{
	(void)state;
	runner_policy(&runner, SERVICE("dst: [\"::/0\"]"));
	EXPECT(PASS, WITHIN_LIMIT, "IPv6", IP6(), UDP());
	EXPECT(PASS, UNLIMITED, "IPv4", IP4(), UDP());
}

static void a_blocked_address_is_dropped_whatever_it_sends(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED);
	runner_list(&runner, LIST_BLOCK, "192.0.2.1", WEIR_FOREVER);
	runner_list(&runner, LIST_BLOCK, "2001:db8::1", WEIR_FOREVER);
	EXPECT(DROP, BLOCKED, "UDP", IP4(.from = "192.0.2.1"), UDP());
	EXPECT(DROP, BLOCKED, "a later fragment",
	       IP4(.from = "192.0.2.1", .fragment = FRAGMENT4(8, 0)), DATA(8));
	EXPECT(DROP, BLOCKED, "IPv6", VLAN(), IP6(.from = "2001:db8::1"), EXTENSION(60), TCP());
	EXPECT(PASS, UNLIMITED, "its neighbour", IP4(.from = "192.0.2.2"), UDP());
	EXPECT(PASS, UNLIMITED, "as a destination", IP4(.to = "192.0.2.1"), UDP());
	EXPECT(PASS, UNLIMITED, "the IPv6 neighbour", IP6(.from = "2001:db8::2"), UDP());
	EXPECT(PASS, NEIGHBOUR, "discovery", IP6(.from = "2001:db8::1", .hop_limit = 255),
	       ICMP6(.number = 135), DATA(24));
	EXPECT(DROP, BLOCKED, "a malformed UDP header, which nobody looks at any more",
	       IP4(.from = "192.0.2.1"), UDP(.lie = 1));
	EXPECT(DROP, IP4_LENGTH, "a malformed IP header is that before all",
	       IP4(.from = "192.0.2.1", .lie = 100), UDP());
}

static void blocked_prefixes_nest(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED);
	runner_list(&runner, LIST_BLOCK, "10.0.0.0/8", WEIR_FOREVER);
	runner_list(&runner, LIST_ALLOW, "10.1.0.0/16", WEIR_FOREVER);
	runner_list(&runner, LIST_BLOCK, "10.1.2.0/24", WEIR_FOREVER);
	runner_list(&runner, LIST_BLOCK, "172.16.5.4", WEIR_FOREVER);
	runner_list(&runner, LIST_ALLOW, "172.16.0.0/12", WEIR_FOREVER);
	runner_list(&runner, LIST_BLOCK, "2001:db8::/32", WEIR_FOREVER);
	runner_list(&runner, LIST_ALLOW, "2001:db8:1::/48", WEIR_FOREVER);
	EXPECT(DROP, BLOCKED, "in the outer prefix", IP4(.from = "10.255.255.255"), UDP());
	EXPECT(PASS, UNLIMITED, "behind it", IP4(.from = "11.0.0.0"), UDP());
	EXPECT(PASS, ALLOWED, "allowed within blocked", IP4(.from = "10.1.0.1"), UDP());
	EXPECT(PASS, ALLOWED, "allow wins over a longer block", IP4(.from = "10.1.2.3"), UDP());
	EXPECT(PASS, ALLOWED, "allow wins over a blocked address", IP4(.from = "172.16.5.4"),
	       UDP());
	EXPECT(DROP, BLOCKED, "an IPv6 prefix", IP6(.from = "2001:db8:2::1"), UDP());
	EXPECT(PASS, ALLOWED, "allowed within it", IP6(.from = "2001:db8:1::1"), UDP());
	EXPECT(PASS, UNLIMITED, "behind it", IP6(.from = "2001:db9::"), UDP());
}

static void all_of_one_family_leaves_the_other_alone(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED);
	runner_list(&runner, LIST_BLOCK, "::/0", WEIR_FOREVER);
	EXPECT(DROP, BLOCKED, "IPv6", IP6(), UDP());
	EXPECT(PASS, UNLIMITED, "IPv4", IP4(), UDP());
	runner_unlist_all(&runner);
	runner_list(&runner, LIST_BLOCK, "0.0.0.0/0", WEIR_FOREVER);
	EXPECT(DROP, BLOCKED, "IPv4", IP4(), UDP());
	EXPECT(PASS, UNLIMITED, "IPv6", IP6(), UDP());
}

/* The clock that deadlines go by. On a machine that is short of time its ticks come late. */
static uint64_t coarse_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static void a_deadline_ends_in_the_kernel(void **state)
{
	uint64_t now_ns = coarse_ns(), tick_ns = clock_coarse_tick_ns(), until_ns;

	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED);
	runner_list(&runner, LIST_BLOCK, "192.0.2.1", now_ns - 10 * tick_ns);
	runner_list(&runner, LIST_BLOCK, "192.0.2.2", now_ns + 3600 * NSEC_PER_SEC);
	runner_list(&runner, LIST_ALLOW, "192.0.2.2", now_ns - 10 * tick_ns);
	runner_list(&runner, LIST_BLOCK, "198.51.100.0/24", now_ns + 3600 * NSEC_PER_SEC);
	runner_list(&runner, LIST_BLOCK, "198.51.100.7", now_ns - 10 * tick_ns);
	runner_list(&runner, LIST_BLOCK, "203.0.113.0/24", now_ns - 10 * tick_ns);
	EXPECT(PASS, UNLIMITED, "an expired block is over", IP4(.from = "192.0.2.1"), UDP());
	EXPECT(DROP, BLOCKED, "an expired allow, too", IP4(.from = "192.0.2.2"), UDP());
	EXPECT(DROP, BLOCKED, "an expired address hides no prefix", IP4(.from = "198.51.100.7"),
	       UDP());
	EXPECT(PASS, UNLIMITED, "an expired prefix is over", IP4(.from = "203.0.113.1"), UDP());

	/* And without anybody's doing, when the time has come: the next whole unit of it, by a clock that
	 * may lag by two ticks. */
	until_ns = list_until_round(clock_monotonic_ns() + 200 * NSEC_PER_MSEC);
	runner_list(&runner, LIST_BLOCK, "192.0.2.1", until_ns - NSEC_PER_MSEC);
	EXPECT(DROP, BLOCKED, "a deadline to come", IP4(.from = "192.0.2.1"), UDP());
	while (coarse_ns() <= until_ns + tick_ns)
		;
	EXPECT(PASS, UNLIMITED, "a deadline that has come", IP4(.from = "192.0.2.1"), UDP());
}

static void allowed_sources_meet_no_limit(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_POLICY "packets: {fragments: drop}\n"
					     "limits: [{name: a, scope: source, rate: 1/d}]\n");
	runner_list(&runner, LIST_ALLOW, PACKETS_FROM4, WEIR_FOREVER);
	for (unsigned int i = 0; i < 10; i++)
		EXPECT(PASS, ALLOWED, "as often as it likes", IP4(), UDP());
	EXPECT(PASS, ALLOWED, "fragments, too", LATER4);
	EXPECT(PASS, WITHIN_LIMIT, "another source", IP4(.from = "192.0.2.3"), UDP());
	EXPECT(DROP, OVER_PACKETS, "has its limit", IP4(.from = "192.0.2.3"), UDP());
}

#define VERDICT_TEST(name) cmocka_unit_test_setup(name, renew_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(without_a_policy_everything_passes_unexamined),
		VERDICT_TEST(mode_off_passes_everything_unexamined),
		VERDICT_TEST(mode_monitor_counts_what_enforce_would_drop),
		VERDICT_TEST(malformed_packets_pass_if_the_policy_says_so),
		VERDICT_TEST(what_is_not_ip_is_dropped_if_the_policy_says_so),
		VERDICT_TEST(later_fragments_are_dropped_passed_or_limited),
		VERDICT_TEST(a_service_is_its_ports),
		VERDICT_TEST(a_service_is_its_protocols),
		VERDICT_TEST(a_service_is_its_destinations),
		VERDICT_TEST(any_ipv6_destination_is_not_any_ipv4_destination),
		VERDICT_TEST(a_blocked_address_is_dropped_whatever_it_sends),
		VERDICT_TEST(blocked_prefixes_nest),
		VERDICT_TEST(all_of_one_family_leaves_the_other_alone),
		VERDICT_TEST(a_deadline_ends_in_the_kernel),
		VERDICT_TEST(allowed_sources_meet_no_limit),
	};

	return runner_run_group("verdicts", tests, NULL, close_runner);
}
