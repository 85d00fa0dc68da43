/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What of user/ladder needs no kernel: counters in text, which connections are meant, pages, quantiles. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "datapath/sockets.h"
#include "ladder/connection.h"
#include "ladder/nic.h"
#include "ladder/stack.h"

static void counters_are_found_by_group_and_name_wherever_they_stand(void **state)
{
	static const char text[] = "Ip: Forwarding MemErrors\nIp: 1 7\n"
				   "Udp: InDatagrams RcvbufErrors MemErrors\nUdp: 10 20 30\n"
				   "TcpExt: ListenDrops Other ListenOverflows\nTcpExt: 4 5 6\n";
	struct stack_counts counts = {0};

	(void)state;
	stack_parse(text, &counts);
	assert_int_equal(counts.counts[STACK_UDP_RCVBUF], 20);
	assert_int_equal(counts.counts[STACK_UDP_MEMORY], 30);
	assert_int_equal(counts.counts[STACK_LISTEN_DROPS], 4);
	assert_int_equal(counts.counts[STACK_LISTEN_OVERFLOWS], 6);
	assert_int_equal(counts.counts[STACK_TCP_BACKLOG], 0);
	assert_string_equal(stack_name(STACK_UDP_RCVBUF), "UdpRcvbufErrors");
}

static void text_that_is_cut_off_or_none_counts_nothing(void **state)
{
	static const char *const texts[] = {
		"",	      "\n",
		"Udp",	      "Udp: RcvbufErrors",
		"Udp: A\nX",  "Udp: RcvbufErrors\nUdp: x\n",
		" : \n : \n", "Udp: RcvbufErrors\nUdp: 99999999999999999999999999\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct stack_counts counts = {0};

		stack_parse(texts[i], &counts);
		assert_int_equal(counts.counts[STACK_UDP_RCVBUF], 0);
	}
}

static void statistics_about_losses_are_told_by_their_names(void **state)
{
	(void)state;
	assert_true(nic_is_loss("rx_queue_0_drops"));
	assert_true(nic_is_loss("rx_missed_errors"));
	assert_true(nic_is_loss("rx_nobuf"));
	assert_false(nic_is_loss("rx_packets"));
	assert_false(nic_is_loss("tx_bytes"));
}

static struct weir_socket_row row(const char *remote, uint16_t port, uint8_t state, uint64_t age_ns)
{
	struct weir_socket_row r = {.local_port = port,
				    .remote_port = 40000,
				    .state = state,
				    .life.established_ns =
					    age_ns ? 1000 * NSEC_PER_SEC - age_ns : 0};

	assert_int_equal(address_parse(remote, r.remote), 0);
	return r;
}

static bool matches(const struct connection_filter *f, const struct weir_socket_row *r)
{
	return connection_matches(f, r, 1000 * NSEC_PER_SEC);
}

static void all_that_a_filter_says_has_to_hold(void **state)
{
	const struct weir_socket_row r = row("198.51.100.7", 443, 1, 10 * NSEC_PER_SEC);
	const struct weir_socket_row young = row("198.51.100.7", 443, 1, 9 * NSEC_PER_SEC);
	const struct weir_socket_row unknown = row("198.51.100.7", 443, 1, 0);
	struct connection_filter f = {0};

	(void)state;
	assert_true(connection_filter_is_empty(&f));
	assert_true(matches(&f, &r));
	f.by_address = true;
	assert_int_equal(prefix_parse("198.51.100.0/24", &f.address), 0);
	f.port = 443;
	f.older_ns = 10 * NSEC_PER_SEC;
	assert_int_equal(connection_state_from_str("established", &f.state), 0);
	assert_false(connection_filter_is_empty(&f));
	assert_true(matches(&f, &r));
	assert_false(matches(&f, &young));
	assert_false(matches(&f, &unknown));
	f.older_ns = 0;
	assert_true(matches(&f, &unknown));
	f.port = 40000; /* the peer's */
	assert_true(matches(&f, &r));
	f.port = 80;
	assert_false(matches(&f, &r));
	f.port = 0;
	f.state = 6;
	assert_false(matches(&f, &r));
	f.state = 0;
	assert_int_equal(prefix_parse("2001:db8::/32", &f.address), 0);
	assert_false(matches(&f, &r));
}

static void half_open_ones_are_meant_in_both_of_the_kernels_forms(void **state)
{
	const struct weir_socket_row listeners = row("198.51.100.7", 443, 12, 0);
	const struct weir_socket_row own = row("198.51.100.7", 443, 3, 0);
	struct connection_filter f = {0};

	(void)state;
	assert_int_equal(connection_state_from_str("syn-recv", &f.state), 0);
	assert_true(matches(&f, &listeners));
	assert_true(matches(&f, &own));
	assert_int_equal(connection_state_from_str("nonsense", &f.state), -EINVAL);
	assert_string_equal(connection_state_to_str(0), "");
	assert_string_equal(connection_state_to_str(200), "");
}

/* Cookies 1 to 100 in an order that is none. */
static void fill(struct connection_page *p)
{
	for (uint64_t i = 0; i < 100; i++) {
		struct weir_socket_row r = {.cookie = (i * 37) % 100 + 1};

		connection_page_add(p, &r);
	}
	connection_page_end(p);
}

static void pages_follow_each_other_without_a_gap(void **state)
{
	struct weir_socket_row rows[2 * 7];
	uint64_t expected = 1, after = 0;
	bool more = true;

	(void)state;
	while (more) {
		struct connection_page p = {.rows = rows, .max = 7, .after = after};

		fill(&p);
		assert_int_equal(p.matched, 100);
		for (size_t i = 0; i < p.count; i++)
			assert_int_equal(p.rows[i].cookie, expected++);
		more = p.more;
		after = p.rows[p.count - 1].cookie;
	}
	assert_int_equal(expected, 101);
}

static void a_quantile_is_the_bound_that_so_many_lie_below(void **state)
{
	__u64 buckets[WEIR_SOCKET_BUCKETS] = {0};

	(void)state;
	assert_int_equal(sockets_quantile_us(buckets, 500), 0);
	buckets[3] = 99;
	buckets[10] = 1;
	assert_int_equal(sockets_quantile_us(buckets, 500), 8);
	assert_int_equal(sockets_quantile_us(buckets, 990), 8);
	assert_int_equal(sockets_quantile_us(buckets, 1000), 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_are_found_by_group_and_name_wherever_they_stand),
		cmocka_unit_test(text_that_is_cut_off_or_none_counts_nothing),
		cmocka_unit_test(statistics_about_losses_are_told_by_their_names),
		cmocka_unit_test(all_that_a_filter_says_has_to_hold),
		cmocka_unit_test(half_open_ones_are_meant_in_both_of_the_kernels_forms),
		cmocka_unit_test(pages_follow_each_other_without_a_gap),
		cmocka_unit_test(a_quantile_is_the_bound_that_so_many_lie_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
