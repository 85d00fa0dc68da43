/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf/sockets.bpf.c on real connections over the loopback of a network namespace of this process: each end is listed,
 * with its age; what became of them is added up by service; those that are meant are ended, and no others.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "../lib/runner.h"
#include "../lib/sockets.h"
#include "base/clock.h"
#include "datapath/sock_destroy.h"
#include "datapath/sockets.h"

#define ENDS_MAX 16
#define PAIRS	 3

struct ends {
	struct weir_socket_row rows[ENDS_MAX];
	size_t count;
};

static struct sockets *sockets;
static int listener = -1;
static unsigned int port;

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
	struct fault f = {0};

	(void)state;
	if (sockets_open(&sockets, &f) == 0)
		return 0;
	print_message("connections cannot be watched here: %s\n", f.text);
	return -1;
}

static int end(void **state)
{
	(void)state;
	sockets_close(sockets);
	sockets = NULL;
	return 0;
}

static void open_pair(const char *source, int pair[2])
{
	char byte = 'x';

	pair[0] = sockets_connect(source, 0, port);
	assert_true(pair[0] >= 0);
	pair[1] = accept(listener, NULL, NULL);
	assert_true(pair[1] >= 0);
	assert_int_equal(send(pair[0], &byte, 1, 0), 1);
	assert_int_equal(recv(pair[1], &byte, 1, 0), 1);
}

static void close_pair(int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

static int take(const struct weir_socket_row *row, void *userdata)
{
	struct ends *ends = userdata;

	if (row->state == 1 && ends->count < ENDS_MAX)
		ends->rows[ends->count++] = *row;
	return 0;
}

static void list(struct ends *ends)
{
	ends->count = 0;
	assert_int_equal(sockets_each(sockets, take, ends), 0);
}

static void both_ends_of_a_connection_are_listed_with_their_age(void **state)
{
	uint64_t began_ns = clock_monotonic_ns();
	struct ends ends;
	int pair[2];

	(void)state;
	open_pair("127.0.0.1", pair);
	list(&ends);
	assert_int_equal(ends.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct weir_socket_row *row = &ends.rows[i];
		bool incoming = row->local_port == port;

		assert_int_equal(row->life.direction,
				 incoming ? WEIR_SOCKET_INCOMING : WEIR_SOCKET_OUTGOING);
		assert_true(row->life.established_ns >= began_ns);
		assert_true(row->life.established_ns <= clock_monotonic_ns());
		assert_true(row->life.opened_ns <= row->life.established_ns);
		assert_int_equal(row->life.first_byte_ns != 0, incoming);
		assert_int_equal(incoming ? row->bytes_received : row->bytes_acked - 1, 1);
		assert_true(row->srtt_us > 0);
		assert_true(row->cookie > 0);
	}
	close_pair(pair);
}

static void ipv6_is_listed_as_such(void **state)
{
	static const uint8_t source[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 1};
	struct ends ends;
	int pair[2];

	(void)state;
	open_pair("2001:db8:1::1", pair);
	list(&ends);
	assert_int_equal(ends.count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_memory_equal(ends.rows[i].local_port == port ? ends.rows[i].remote
								    : ends.rows[i].local,
				    source, 16);
	close_pair(pair);
}

static const struct sockets_service *service_of(const struct sockets_service *services,
						size_t count, uint8_t direction)
{
	for (size_t i = 0; i < count; i++)
		if (services[i].key.port == port && services[i].key.direction == direction)
			return &services[i];
	fail_msg("the service is not there");
	return NULL;
}

static uint64_t sum(const __u64 buckets[static WEIR_SOCKET_BUCKETS])
{
	uint64_t all = 0;

	for (size_t i = 0; i < WEIR_SOCKET_BUCKETS; i++)
		all += buckets[i];
	return all;
}

static void what_became_of_them_is_added_up_by_service(void **state)
{
	struct sockets_service *services;
	const struct sockets_service *in, *out;
	size_t count;

	(void)state;
	for (unsigned int i = 0; i < PAIRS; i++) {
		int pair[2];

		open_pair("127.0.0.1", pair);
		close_pair(pair);
	}
	assert_int_equal(sockets_services(sockets, &services, &count), 0);
	in = service_of(services, count, WEIR_SOCKET_INCOMING);
	out = service_of(services, count, WEIR_SOCKET_OUTGOING);
	assert_int_equal(in->service.established, PAIRS);
	assert_int_equal(out->service.established, PAIRS);
	assert_int_equal(sum(in->service.handshake), PAIRS);
	assert_int_equal(sum(out->service.handshake), PAIRS);
	assert_int_equal(in->service.closed, PAIRS);
	assert_int_equal(sum(in->service.duration), PAIRS);
	assert_int_equal(sum(in->service.first_byte), PAIRS);
	assert_int_equal(in->service.reset, 0);
	free(services);
}

struct ended {
	struct weir_socket_end last[2]; /* by direction, incoming first */
	size_t count;
};

static void note_end(const struct weir_socket_end *e, void *userdata)
{
	struct ended *ended = userdata;

	ended->last[e->direction == WEIR_SOCKET_OUTGOING] = *e;
	ended->count++;
}

/* All that came: it is read in portions. */
static size_t read_ended(struct ended *ret)
{
	size_t before;

	*ret = (struct ended){0};
	do {
		before = ret->count;
		sockets_ended(sockets, note_end, ret);
	} while (ret->count != before);
	return ret->count;
}

static void open_and_close(const char *source, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++) {
		int pair[2];

		open_pair(source, pair);
		close_pair(pair);
	}
}

static void connections_that_end_are_told_once_if_they_are_sampled(void **state)
{
	static const uint8_t peer[16] = {[10] = 0xff, [11] = 0xff, 127, [15] = 2};
	uint64_t began_ns = clock_monotonic_ns();
	struct ended ended;

	(void)state;
	open_and_close("127.0.0.2", 1);
	assert_int_equal(read_ended(&ended), 0);
	sockets_sample(sockets, 1);
	open_and_close("127.0.0.2", 1);
	assert_int_equal(read_ended(&ended), 2);
	assert_int_equal(read_ended(&(struct ended){0}), 0);
	for (unsigned int i = 0; i < 2; i++) {
		const struct weir_socket_end *e = &ended.last[i];

		assert_int_equal(e->direction, i ? WEIR_SOCKET_OUTGOING : WEIR_SOCKET_INCOMING);
		assert_memory_equal(i ? e->local : e->remote, peer, 16);
		assert_int_equal(i ? e->remote_port : e->local_port, port);
		assert_true(i ? e->local_port : e->remote_port);
		assert_true(began_ns <= e->established_ns && e->established_ns <= e->closed_ns);
		assert_true(e->closed_ns <= clock_monotonic_ns());
		assert_int_equal(e->first_byte_ns != 0, !i);
		assert_true(i ? e->bytes_acked >= 1 : e->bytes_received >= 1);
		assert_true(e->srtt_us > 0);
		assert_int_equal(e->reset, 0);
	}
	assert_int_equal(ended.last[0].remote_port, ended.last[1].local_port);
	sockets_sample(sockets, 0);
	open_and_close("127.0.0.2", 1);
	assert_int_equal(read_ended(&ended), 0);
}

static void of_many_one_in_so_many_is_sampled(void **state)
{
	struct ended ended;
	size_t count;

	(void)state;
	sockets_sample(sockets, 10);
	open_and_close("127.0.0.1", 100);
	count = read_ended(&ended);
	/* Both ends of each are connections. */
	if (count < 5 || count > 50)
		fail_msg("%zu of 200, not about 20", count);
}

static void what_finds_no_room_is_counted(void **state)
{
	struct ended ended;

	(void)state;
	sockets_sample(sockets, 1);
	open_and_close("127.0.0.1", 400);
	assert_true(sockets_sample_lost(sockets) > 0);
	assert_int_equal(read_ended(&ended) + sockets_sample_lost(sockets), 800);
}

/* Of two connections the one with this end is ended; its peers learn it by a reset. */
static void only_it_is_ended(bool by_netlink)
{
	struct ends ends;
	const struct weir_socket_row *victim = NULL;
	int doomed[2], other[2];
	struct fault f = {0};
	size_t ended;
	char byte = 'x';

	open_pair("127.0.0.2", doomed);
	open_pair("127.0.0.3", other);
	list(&ends);
	for (size_t i = 0; i < ends.count; i++)
		if (ends.rows[i].local_port == port && ends.rows[i].remote[15] == 2)
			victim = &ends.rows[i];
	assert_non_null(victim);
	if (by_netlink)
		assert_int_equal(sock_destroy(victim, 1, &ended), 0);
	else
		assert_int_equal(sockets_kill(sockets, victim, 1, &ended, &f), 0);
	assert_int_equal(ended, 1);
	assert_int_equal(recv(doomed[0], &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(recv(doomed[1], &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNABORTED);
	assert_int_equal(send(other[0], &byte, 1, 0), 1);
	assert_int_equal(recv(other[1], &byte, 1, 0), 1);
	close_pair(doomed);
	close_pair(other);
}

static void only_what_is_meant_is_ended(void **state)
{
	(void)state;
	only_it_is_ended(false);
}

static void also_through_netlink(void **state)
{
	(void)state;
	only_it_is_ended(true);
}

static void one_that_is_gone_is_no_failure(void **state)
{
	struct weir_socket_row gone = {.cookie = ~0ULL, .local_port = 1, .remote_port = 2};
	struct fault f = {0};
	size_t ended;

	(void)state;
	assert_int_equal(sockets_kill(sockets, &gone, 1, &ended, &f), 0);
	assert_int_equal(ended, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_ends_of_a_connection_are_listed_with_their_age,
						begin, end),
		cmocka_unit_test_setup_teardown(ipv6_is_listed_as_such, begin, end),
		cmocka_unit_test_setup_teardown(what_became_of_them_is_added_up_by_service, begin,
						end),
		cmocka_unit_test_setup_teardown(
			connections_that_end_are_told_once_if_they_are_sampled, begin, end),
		cmocka_unit_test_setup_teardown(of_many_one_in_so_many_is_sampled, begin, end),
		cmocka_unit_test_setup_teardown(what_finds_no_room_is_counted, begin, end),
		cmocka_unit_test_setup_teardown(only_what_is_meant_is_ended, begin, end),
		cmocka_unit_test_setup_teardown(also_through_netlink, begin, end),
		cmocka_unit_test_setup_teardown(one_that_is_gone_is_no_failure, begin, end),
	};

	return runner_run_group("sockets", tests, set_up, tear_down);
}
