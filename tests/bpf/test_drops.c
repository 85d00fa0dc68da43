/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf/drops.bpf.c over the loopback of a network namespace of this process: what the kernel drops is counted once, by
 * the kernel's own reason, with whose packet it was; and nothing of other namespaces is.
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
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "../lib/runner.h"
#include "../lib/sockets.h"
#include "base/clock.h"
#include "datapath/drops.h"

#define NOBODY	    9 /* a port */
#define PATIENCE_NS (5 * NSEC_PER_SEC)

static struct drops *drops;

static int set_up(void **state)
{
	(void)state;
	return sockets_leave();
}

static int begin(void **state)
{
	struct fault f = {0};

	(void)state;
	if (drops_open(&drops, &f) == 0)
		return 0;
	print_message("drops cannot be counted here: %s\n", f.text);
	return -1;
}

static int end(void **state)
{
	(void)state;
	drops_close(drops);
	drops = NULL;
	return 0;
}

static int udp_socket(struct sockaddr_in *ret_address, uint16_t port)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*ret_address = (struct sockaddr_in){.sin_family = AF_INET,
					    .sin_port = htons(port),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_true(fd >= 0);
	return fd;
}

static void send_to(uint16_t port, unsigned int count)
{
	struct sockaddr_in to;
	int fd = udp_socket(&to, port);

	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	close(fd);
}

/* Packets that were dropped for @reason, or resets; NULL: for any. */
static uint64_t counted(enum weir_drop_kind kind, const char *reason, uint8_t protocol)
{
	struct drops_count *counts;
	uint64_t packets = 0;
	size_t count;

	assert_int_equal(drops_read(drops, &counts, &count), 0);
	for (size_t i = 0; i < count; i++)
		if (counts[i].key.kind == kind && counts[i].key.protocol == protocol &&
		    (!reason ||
		     strcmp(drops_reason(drops, kind, counts[i].key.reason), reason) == 0))
			packets += counts[i].count.packets;
	free(counts);
	return packets;
}

/* What is sent over loopback may be received a moment later, by another thread of the kernel. */
static void wait_for(enum weir_drop_kind kind, const char *reason, uint8_t protocol,
		     uint64_t packets)
{
	uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_NS;

	while (counted(kind, reason, protocol) < packets && clock_monotonic_ns() < deadline_ns)
		usleep(1000);
	assert_int_equal(counted(kind, reason, protocol), packets);
}

static void a_datagram_for_nobody_is_counted_once_by_its_reason(void **state)
{
	(void)state;
	send_to(NOBODY, 7);
	wait_for(WEIR_DROP_PACKET, "NO_SOCKET", IPPROTO_UDP, 7);
	assert_int_equal(counted(WEIR_DROP_PACKET, NULL, IPPROTO_UDP), 7);
}

static void whose_it_was_is_known(void **state)
{
	static const uint8_t loopback[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
	struct drops_flow *flows;
	size_t count, found = 0;

	(void)state;
	send_to(NOBODY, 3);
	wait_for(WEIR_DROP_PACKET, "NO_SOCKET", IPPROTO_UDP, 3);
	assert_int_equal(drops_read_flows(drops, &flows, &count), 0);
	for (size_t i = 0; i < count; i++) {
		if (flows[i].key.key.protocol != IPPROTO_UDP)
			continue;
		found++;
		assert_memory_equal(flows[i].key.source, loopback, 16);
		assert_memory_equal(flows[i].key.destination, loopback, 16);
		assert_int_equal(flows[i].key.destination_port, NOBODY);
		assert_int_equal(flows[i].flow.packets, 3);
		assert_true(flows[i].key.key.ifindex != 0);
		assert_int_equal(flows[i].key.key.outgoing, 0);
	}
	assert_int_equal(found, 1);
	free(flows);
}

static void what_a_full_socket_has_no_room_for_is_counted(void **state)
{
	struct sockaddr_in at;
	socklen_t length = sizeof(at);
	int fd = udp_socket(&at, 0), room = 4096;
	unsigned int got = 0;
	char byte;

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
	send_to(ntohs(at.sin_port), 200);
	for (uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_NS;
	     got + counted(WEIR_DROP_PACKET, NULL, IPPROTO_UDP) < 200 &&
	     clock_monotonic_ns() < deadline_ns;)
		if (counted(WEIR_DROP_PACKET, NULL,
			    IPPROTO_UDP)) /* it was full: now it may be read */
			while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1)
				got++;
	close(fd);
	assert_in_range(got, 1, 199);
	assert_int_equal(counted(WEIR_DROP_PACKET, NULL, IPPROTO_UDP), 200 - got);
}

static void what_another_namespace_drops_is_not_counted(void **state)
{
	struct drops_stats stats;
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		if (sockets_leave() < 0)
			_exit(1);
		send_to(NOBODY, 5);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_NS;
	     drops_read_stats(drops, &stats), stats.cpus.elsewhere < 5;) {
		assert_true(clock_monotonic_ns() < deadline_ns);
		usleep(1000);
	}
	assert_int_equal(counted(WEIR_DROP_PACKET, NULL, IPPROTO_UDP), 0);
}

static void resets_are_counted_at_both_ends(void **state)
{
	struct sockaddr_in to;
	int fd = udp_socket(&to, NOBODY);

	(void)state;
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	wait_for(WEIR_DROP_RESET_RECEIVED, NULL, IPPROTO_TCP, 1);
	/* Before 6.10, which gives reasons, a reset that no socket sends is not told. */
	wait_for(WEIR_DROP_RESET_SENT, NULL, IPPROTO_TCP,
		 *drops_reason(drops, WEIR_DROP_RESET_SENT, 0) ? 1 : 0);
}

static void cannot_run_here(void **state)
{
	(void)state;
	print_message("skipped: %s\n", runner_obstacle());
	skip();
}

int main(void)
{
	const struct CMUnitTest obstacle[] = {cmocka_unit_test(cannot_run_here)};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_datagram_for_nobody_is_counted_once_by_its_reason,
						begin, end),
		cmocka_unit_test_setup_teardown(whose_it_was_is_known, begin, end),
		cmocka_unit_test_setup_teardown(what_a_full_socket_has_no_room_for_is_counted,
						begin, end),
		cmocka_unit_test_setup_teardown(what_another_namespace_drops_is_not_counted, begin,
						end),
		cmocka_unit_test_setup_teardown(resets_are_counted_at_both_ends, begin, end),
	};

	if (runner_obstacle())
		return cmocka_run_group_tests_name("drops", obstacle, NULL, NULL);
	return cmocka_run_group_tests_name("drops", tests, set_up, NULL);
}
