/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf/connections.bpf.c on real connections over the loopback of a network namespace of this process:
 * each is counted once, under the limits of its port, until it is closed, in whatever way; and at the
 * end nothing is left.
 */
#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <weir/key.h>

#include "../lib/counter.h"
#include "../lib/runner.h"
#include "../lib/sockets.h"
#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/lib/counting.skel.h"

#define THREADS	    2
#define PER_THREAD  3000
#define HELD_MAX    40
#define PATIENCE_NS (5 * NSEC_PER_SEC)

/* Bits of the port mask, and the keys of their limits. */
enum { BY_HOST, BY_NETWORK, WHOLE_IP6, NEW_ONES, LIMITS };
#define KEY(limit) (0x1000 + 2 * (limit))
#define ALL_LIMITS ((1U << LIMITS) - 1)

struct pair {
	int client, server;
};

static struct counter counter;
static int listener = -1;
static unsigned int port;
static char pin[64]; /* of a link, as long as there is one */

static const struct weir_limit limits[] = {
	[BY_HOST] = {.source_mask4 = ~0U, .source_mask6 = ~0ULL},
	[BY_NETWORK] = {.source_mask4 = 0x00ffffff, .source_mask6 = 0xffffffff}, /* /24 and /32 */
	[WHOLE_IP6] = {.source_mask4 = ~0U, .source_mask6 = ~0ULL, .whole_ip6 = 1},
	[NEW_ONES] = {.algorithm = WEIR_ALGORITHM_BUCKET}, /* no business of ours */
};
static_assert(ARRAY_SIZE(limits) == LIMITS, "every limit has its masks");

static void configure(const struct counter *c)
{
	for (unsigned int i = 0; i < LIMITS; i++) {
		struct weir_limit *limit = &c->policy->limits[i];

		*limit = limits[i];
		limit->key = KEY(i);
		limit->key_parts = WEIR_KEY_SOURCE;
		if (i != NEW_ONES)
			limit->algorithm = WEIR_ALGORITHM_OPEN;
	}
	c->policy->active = c->policy->connection_limits = ALL_LIMITS;
	c->policy->any_destination = c->policy->any_source = ~0ULL;
	c->ports[port].tcp = ALL_LIMITS;
}

static int set_up(void **state)
{
	(void)state;
	if (sockets_leave() < 0)
		return -1;
	listener = sockets_listen(&port);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(listener);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	counter_load(&counter, NULL, COUNTER_SETS, 0);
	configure(&counter);
	counter_attach(&counter);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (pin[0])
		unlink(pin);
	pin[0] = '\0';
	counter_close(&counter);
	return 0;
}

/* What a connection of @source counts as under a limit. */
static uint64_t tag_of(const char *source, unsigned int limit)
{
	uint64_t words[2];
	uint8_t address[16];
	struct weir_limit own = limits[limit];
	struct weir_key_parts parts = {.source = (const __u64 *)words};

	assert_int_equal(address_parse(source, address), 0);
	memcpy(words, address, sizeof(words));
	parts.is_ip6 = !address_is_ipv4(address);
	own.key = KEY(limit);
	own.key_parts = WEIR_KEY_SOURCE;
	return weir_key_tag(&own, &parts, COUNTER_SEED);
}

static uint32_t count_in(const struct counter *c, const char *source, unsigned int limit)
{
	return counter_count(c, tag_of(source, limit));
}

/* The last ACK of a connection that is being closed takes its way. */
static void expect_count(const char *source, unsigned int limit, uint32_t want)
{
	uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_NS;
	uint32_t count;

	while ((count = count_in(&counter, source, limit)) != want &&
	       clock_monotonic_ns() < deadline_ns)
		usleep(1000);
	if (count != want)
		fail_msg("%s has %u connections under limit %u, not %u", source, count, limit,
			 want);
}

static void expect_nothing_left(const struct counter *c)
{
	uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_NS;

	while (!counter_is_empty(c) && clock_monotonic_ns() < deadline_ns)
		usleep(1000);
	assert_true(counter_is_empty(c));
}

static struct pair open_pair(const char *source)
{
	struct pair p = {.client = sockets_connect(source, 0, port)};

	assert_true(p.client >= 0);
	p.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(p.server >= 0);
	return p;
}

static void close_pair(struct pair p)
{
	close(p.client);
	close(p.server);
}

/* Close without a word of farewell: a RST goes out. */
static void reset(int fd)
{
	struct linger none = {.l_onoff = 1};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	close(fd);
}

static void connections_count_while_they_are_open(void **state)
{
	struct pair pairs[20];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(pairs); i++) {
		pairs[i] = open_pair(i % 2 ? "127.0.0.2" : "127.0.1.3");
		expect_count("127.0.1.3", BY_HOST, i / 2 + 1);
		expect_count("127.0.0.2", BY_HOST, (i + 1) / 2);
	}
	assert_int_equal(count_in(&counter, "127.0.0.1", BY_HOST), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(pairs); i++) {
		close_pair(pairs[i]);
		expect_count("127.0.1.3", BY_HOST, 10 - (i / 2 + 1));
		expect_count("127.0.0.2", BY_HOST, 10 - (i + 1) / 2);
	}
	expect_nothing_left(&counter);
}

static void each_way_of_closing_ends_a_connection(void **state)
{
	struct pair p;

	(void)state;
	p = open_pair("127.0.0.2"); /* the client first, and the server much later */
	close(p.client);
	usleep(20000);
	expect_count("127.0.0.2", BY_HOST, 1);
	close(p.server);
	expect_count("127.0.0.2", BY_HOST, 0);

	p = open_pair("127.0.0.2"); /* the server first: TIME_WAIT is no open connection */
	close(p.server);
	close(p.client);
	expect_count("127.0.0.2", BY_HOST, 0);

	p = open_pair("127.0.0.2");
	reset(p.client);
	expect_count("127.0.0.2", BY_HOST, 0);
	close(p.server);

	p = open_pair("127.0.0.2");
	reset(p.server);
	expect_count("127.0.0.2", BY_HOST, 0);
	close(p.client);

	p = open_pair("127.0.0.2");
	shutdown(p.client, SHUT_RDWR);
	shutdown(p.server, SHUT_RDWR);
	expect_count("127.0.0.2", BY_HOST, 0);
	close_pair(p);
	expect_nothing_left(&counter);
}

static void connections_by_cookie_count_as_well(void **state)
{
	struct pair p;

	(void)state;
	sockets_set_cookies("2");
	p = open_pair("127.0.0.2");
	sockets_set_cookies("1");
	expect_count("127.0.0.2", BY_HOST, 1);
	close_pair(p);
	expect_nothing_left(&counter);
}

static void nobody_has_to_accept_a_connection_for_it_to_count(void **state)
{
	int client = sockets_connect("127.0.0.2", 0, port);

	(void)state;
	assert_true(client >= 0);
	expect_count("127.0.0.2", BY_HOST, 1);
	close(client);
	close(accept(listener, NULL, NULL));
	expect_nothing_left(&counter);
}

static void sources_are_told_apart_as_their_limit_says(void **state)
{
	static const char *const sources[] = {"127.0.0.2",     "127.0.0.3",	"127.0.1.2",
					      "2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1"};
	struct pair pairs[ARRAY_SIZE(sources)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		pairs[i] = open_pair(sources[i]);
	expect_count("127.0.0.2", BY_HOST, 1);
	expect_count("127.0.0.3", BY_HOST, 1);
	expect_count("127.0.0.0", BY_NETWORK, 2);
	expect_count("127.0.1.0", BY_NETWORK, 1);
	expect_count("2001:db8:1::", BY_HOST, 2);
	expect_count("2001:db8:2::", BY_HOST, 1);
	expect_count("2001:db8::", BY_NETWORK, 3);
	expect_count("2001:db8:1::1", WHOLE_IP6, 1);
	expect_count("2001:db8:1::2", WHOLE_IP6, 1);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		close_pair(pairs[i]);
	expect_nothing_left(&counter);
}

static void a_limit_may_name_destinations(void **state)
{
	struct weir_prefix_key key = {.prefix_bits = 32 + 128};
	struct weir_prefix_value value = {.limits = ALL_LIMITS};
	struct pair p, q;

	(void)state;
	assert_int_equal(address_parse("127.0.0.1", key.address), 0);
	assert_int_equal(bpf_map__update_elem(counter.bpf->maps.weir_dests, &key, sizeof(key),
					      &value, sizeof(value), BPF_ANY),
			 0);
	counter.policy->flags = WEIR_POLICY_BY_DESTINATION;
	counter.policy->any_destination = 1U << BY_HOST;
	p = open_pair("127.0.0.2");
	q = open_pair("2001:db8:1::1");
	expect_count("127.0.0.2", BY_HOST, 1);
	expect_count("127.0.0.2", BY_NETWORK, 1);
	expect_count("2001:db8:1::1", BY_HOST, 1);
	expect_count("2001:db8:1::1", BY_NETWORK, 0);
	close_pair(p);
	close_pair(q);
	expect_nothing_left(&counter);
}

static void without_a_policy_nothing_counts(void **state)
{
	struct pair p;

	(void)state;
	counter.policy->generation = 0; /* is being written */
	p = open_pair("127.0.0.2");
	assert_true(counter_is_empty(&counter));
	close_pair(p);
}

static void other_ports_do_not_count(void **state)
{
	unsigned int other_port;
	int other = sockets_listen(&other_port);
	int client = sockets_connect("127.0.0.2", 0, other_port);
	int server = accept(other, NULL, NULL);

	(void)state;
	assert_true(client >= 0 && server >= 0);
	assert_true(counter_is_empty(&counter));
	close_pair((struct pair){client, server});
	close(other);
}

static void connections_of_our_own_do_not_count(void **state)
{
	unsigned int other_port;
	int other = sockets_listen(&other_port), client, server;

	(void)state;
	counter.ports[other_port ^ 1].tcp = ALL_LIMITS; /* where the client is */
	client = sockets_connect("127.0.0.2", other_port ^ 1, other_port);
	server = accept(other, NULL, NULL);
	assert_true(client >= 0 && server >= 0);
	assert_true(counter_is_empty(&counter));
	close_pair((struct pair){client, server});
	close(other);
}

static void other_network_namespaces_do_not_count(void **state)
{
	struct pair p;

	(void)state;
	counter_close(&counter);
	counter_load(&counter, NULL, COUNTER_SETS, 1);
	configure(&counter);
	counter_attach(&counter);
	p = open_pair("127.0.0.2");
	assert_true(counter_is_empty(&counter));
	close_pair(p);
	usleep(20000);
	assert_true(counter_is_empty(&counter));
	assert_int_equal(counter_stats(&counter).closed, 0);
}

static void what_was_open_before_is_never_subtracted(void **state)
{
	struct counter late;
	struct pair before = open_pair("127.0.0.2"), after;

	(void)state;
	counter_close(&counter);
	counter_load(&late, NULL, COUNTER_SETS, 0);
	counter = late;
	configure(&counter);
	counter_attach(&counter);
	after = open_pair("127.0.0.2");
	expect_count("127.0.0.2", BY_HOST, 1);
	close_pair(before);
	usleep(20000);
	expect_count("127.0.0.2", BY_HOST, 1);
	close_pair(after);
	expect_nothing_left(&counter);
	assert_int_equal(counter_stats(&counter).closed, 1);
}

static void a_limit_that_is_gone_is_still_taken_back(void **state)
{
	struct pair p = open_pair("127.0.0.2");

	(void)state;
	counter.ports[port].tcp = 0;
	memset(counter.policy->limits, 0, sizeof(counter.policy->limits));
	close_pair(p);
	expect_nothing_left(&counter);
}

static void a_full_set_is_told_and_counts_nobody_wrong(void **state)
{
	struct pair pairs[WEIR_CONN_WAYS + 2];
	uint32_t counted = 0;

	(void)state;
	counter_close(&counter);
	counter_load(&counter, NULL, 1, 0);
	configure(&counter);
	counter.ports[port].tcp = 1U << BY_HOST;
	counter_attach(&counter);
	for (unsigned int i = 0; i < ARRAY_SIZE(pairs); i++) {
		char source[16];

		snprintf(source, sizeof(source), "127.0.2.%u", i);
		pairs[i] = open_pair(source);
		counted += count_in(&counter, source, BY_HOST);
	}
	assert_int_equal(counted, WEIR_CONN_WAYS);
	assert_int_equal(counter_stats(&counter).full, 2);
	for (unsigned int i = 0; i < ARRAY_SIZE(pairs); i++)
		close_pair(pairs[ARRAY_SIZE(pairs) - 1 - i]);
	expect_nothing_left(&counter);
	assert_int_equal(counter_stats(&counter).lost, 0);
}

static void a_second_copy_takes_over_without_counting_twice(void **state)
{
	struct counter first = counter;
	struct pair p = open_pair("127.0.0.2"), q, r;

	(void)state;
	counter_load(&counter, &first, COUNTER_SETS, 0);
	counter_attach(&counter);
	q = open_pair("127.0.0.2");
	r = open_pair("127.0.0.2");
	expect_count("127.0.0.2", BY_HOST, 3);
	close_pair(r);
	expect_count("127.0.0.2", BY_HOST, 2);
	counter_close(&first);
	r = open_pair("127.0.0.2");
	expect_count("127.0.0.2", BY_HOST, 3);
	close_pair(p);
	close_pair(q);
	expect_count("127.0.0.2", BY_HOST, 1);
	close_pair(r);
	expect_nothing_left(&counter);
	assert_int_equal(counter_stats(&counter).lost, 0);
}

/* As when the daemon dies: all that is left is the pin of the link. */
static void counting_goes_on_without_the_daemon(void **state)
{
	struct pair p = open_pair("127.0.0.2"), q;
	struct counter left = counter;

	(void)state;
	snprintf(pin, sizeof(pin), "/sys/fs/bpf/weir-test-%d-link", (int)getpid());
	assert_int_equal(bpf_link__pin(counter.link, pin), 0);
	counter_close(&counter); /* the mappings are left to read from */
	counter = left;
	q = open_pair("127.0.0.2");
	expect_count("127.0.0.2", BY_HOST, 2);
	close_pair(p);
	close_pair(q);
	expect_nothing_left(&counter);
	counter = (struct counter){};
}

static void the_datapath_reads_the_same_numbers(void **state)
{
	struct counting_bpf *asking = counting_bpf__open();
	struct pair pairs[3];
	uint64_t frame[8] = {tag_of("127.0.0.2", BY_HOST)};

	(void)state;
	assert_non_null(asking);
	assert_int_equal(bpf_map__reuse_fd(asking->maps.weir_conns,
					   bpf_map__fd(counter.bpf->maps.weir_conns)),
			 0);
	assert_int_equal(bpf_map__set_max_entries(asking->maps.weir_conns, COUNTER_SETS), 0);
	asking->rodata->weir_conn_mask = COUNTER_SETS - 1;
	assert_int_equal(counting_bpf__load(asking), 0);
	for (unsigned int i = 0; i <= ARRAY_SIZE(pairs); i++) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame,
			    .data_size_in = sizeof(frame), .repeat = 1);

		assert_int_equal(
			bpf_prog_test_run_opts(bpf_program__fd(asking->progs.ask), &options), 0);
		assert_int_equal(options.retval, i);
		if (i < ARRAY_SIZE(pairs))
			pairs[i] = open_pair("127.0.0.2");
	}
	counting_bpf__destroy(asking);
	for (unsigned int i = 0; i < ARRAY_SIZE(pairs); i++)
		close_pair(pairs[i]);
	expect_nothing_left(&counter);
}

/* A client that opens, holds some, and closes them in turn, orderly or not. Its errors are counted, not
 * asserted: cmocka knows of no threads. */
static void *churn(void *data)
{
	uintptr_t number = (uintptr_t)data, failed = 0;
	struct pair held[HELD_MAX];
	unsigned int own_port;
	char source[16];
	int own = sockets_listen(&own_port);

	counter.ports[own_port].tcp = ALL_LIMITS;
	for (unsigned int i = 0; i < PER_THREAD + HELD_MAX; i++) {
		struct pair *p = &held[i % HELD_MAX];

		if (i >= HELD_MAX && p->client >= 0) {
			if (i % 5 == 0)
				reset(p->client);
			else
				close(p->client);
			if (i % 7 == 0)
				reset(p->server);
			else
				close(p->server);
		}
		*p = (struct pair){-1, -1};
		if (i >= PER_THREAD)
			continue;
		snprintf(source, sizeof(source), "127.0.%u.%u",
			 i % 3 ? 9 : 10 + (unsigned int)number, 1 + i % 4);
		p->client = sockets_connect(source, 0, own_port);
		p->server = p->client < 0 ? -1 : accept(own, NULL, NULL);
		failed += p->client < 0;
	}
	close(own);
	return (void *)failed;
}

static void thousands_of_connections_leave_nothing_behind(void **state)
{
	pthread_t threads[THREADS];
	struct weir_conn_stats s;
	uintptr_t failed = 0;

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		failed += (uintptr_t)result;
	}
	assert_int_equal(failed, 0);
	expect_nothing_left(&counter);
	s = counter_stats(&counter);
	assert_int_equal(s.opened, THREADS * PER_THREAD);
	assert_int_equal(s.closed, THREADS * PER_THREAD);
	assert_int_equal(s.untracked + s.full + s.lost, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(connections_count_while_they_are_open),
		TEST(each_way_of_closing_ends_a_connection),
		TEST(connections_by_cookie_count_as_well),
		TEST(nobody_has_to_accept_a_connection_for_it_to_count),
		TEST(sources_are_told_apart_as_their_limit_says),
		TEST(a_limit_may_name_destinations),
		TEST(without_a_policy_nothing_counts),
		TEST(other_ports_do_not_count),
		TEST(connections_of_our_own_do_not_count),
		TEST(other_network_namespaces_do_not_count),
		TEST(what_was_open_before_is_never_subtracted),
		TEST(a_limit_that_is_gone_is_still_taken_back),
		TEST(a_full_set_is_told_and_counts_nobody_wrong),
		TEST(a_second_copy_takes_over_without_counting_twice),
		TEST(counting_goes_on_without_the_daemon),
		TEST(the_datapath_reads_the_same_numbers),
		TEST(thousands_of_connections_leave_nothing_behind),
	};

	return runner_run_group("connections", tests, set_up, tear_down);
}
