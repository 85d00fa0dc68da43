/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The real program on an interface, fed with packets from a wire: that it attaches natively, decides,
 * goes on when its daemon is gone, is taken over without a gap, and ends with the interface.
 *
 * The wire is a veth pair in a network namespace that belongs to this process and goes with it. What
 * must arrive, and what must not, is read from packet sockets, which see IPv4 packets after XDP; the
 * interfaces have no IPv4 address, so there are no others.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "../lib/packets.h"
#include "../lib/runner.h"
#include "base/cleanup.h"
#include "tests/lib/reference.skel.h"

#define HOST	   "host"
#define CLIENT	   "client"
#define ARRIVAL_MS 10000 /* emulated machines are slow; only a failure waits that long */

static struct runner runner;
static int client_fd = -1, host_fd = -1;

static void bring_up(const char *interface)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_flags = IFF_UP};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

/* A message with its attributes, and the kernel's answer to it: 0 or -errno. */
struct message {
	struct nlmsghdr header;
	struct ifinfomsg link;
	char attributes[128];
};

/* Returns the attribute, so that it can be closed around others. */
static struct rtattr *put(struct message *m, unsigned short type, const char *text)
{
	struct rtattr *a = (void *)((char *)m + NLMSG_ALIGN(m->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(strlen(text));
	memcpy(RTA_DATA(a), text, strlen(text));
	m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void put_end(const struct message *m, struct rtattr *a)
{
	a->rta_len = (unsigned short)((const char *)m + m->header.nlmsg_len - (const char *)a);
}

static int ask(const struct message *m)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[512];
	} answer;

	assert_int_equal(send(fd, m, m->header.nlmsg_len, 0), m->header.nlmsg_len);
	assert_true(recv(fd, &answer, sizeof(answer), 0) >=
		    (ssize_t)NLMSG_LENGTH(sizeof(answer.error)));
	assert_int_equal(answer.header.nlmsg_type, NLMSG_ERROR);
	return answer.error.error;
}

static int make_pair(void)
{
	struct message m = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(m.link)),
			   .nlmsg_type = RTM_NEWLINK,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
	};
	struct rtattr *info, *data, *peer;

	put(&m, IFLA_IFNAME, HOST);
	info = put(&m, IFLA_LINKINFO, "");
	put(&m, IFLA_INFO_KIND, "veth");
	data = put(&m, IFLA_INFO_DATA, "");
	peer = put(&m, 1 /* VETH_INFO_PEER */, "");
	m.header.nlmsg_len += (unsigned int)sizeof(struct ifinfomsg);
	put(&m, IFLA_IFNAME, CLIENT);
	put_end(&m, peer);
	put_end(&m, data);
	put_end(&m, info);
	return ask(&m);
}

static void remove_pair(void)
{
	struct message m = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(m.link)),
			   .nlmsg_type = RTM_DELLINK,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
	};

	put(&m, IFLA_IFNAME, HOST);
	assert_int_equal(ask(&m), 0);
}

static int open_packet_socket(const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (void *)&address, sizeof(address)), 0);
	return fd;
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(make_pair(), 0);
	bring_up(HOST);
	bring_up(CLIENT);
	client_fd = open_packet_socket(CLIENT);
	host_fd = open_packet_socket(HOST);
	runner_open(&runner);
	runner_policy(&runner, RUNNER_UNLIMITED);
	runner_list(&runner, LIST_BLOCK, "192.0.2.0/24", WEIR_FOREVER);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	runner_close(&runner);
	close(take_fd(&client_fd));
	close(take_fd(&host_fd));
	if (if_nametoindex(HOST))
		remove_pair();
	return 0;
}

static void transmit(const char *from)
{
	struct packets_frame frame;

	packets_build((const struct packets_layer[]){IP4(.from = from), UDP(), DATA(20), {0}},
		      &frame);
	assert_int_equal(send(client_fd, frame.data, frame.length, 0), frame.length);
}

/* The next IPv4 packet that got through to the host came from @from. */
static void arrives(const char *from)
{
	struct pollfd wait = {.fd = host_fd, .events = POLLIN};
	uint8_t frame[256], source[4];
	char text[INET_ADDRSTRLEN];

	assert_int_equal(inet_pton(AF_INET, from, source), 1);
	if (poll(&wait, 1, ARRIVAL_MS) != 1)
		fail_msg("nothing arrived from %s", from);
	assert_true(recv(host_fd, frame, sizeof(frame), 0) >= ETH_HLEN + 20);
	if (memcmp(frame + ETH_HLEN + 12, source, sizeof(source)) != 0)
		fail_msg("want a packet from %s, got one from %s", from,
			 inet_ntop(AF_INET, frame + ETH_HLEN + 12, text, sizeof(text)));
}

/* Packets stay in order, so the second one's arrival tells that the first one was dropped. */
static void blocked_packets_are_dropped_and_others_arrive(void)
{
	transmit("192.0.2.1");
	transmit("198.51.100.1");
	arrives("198.51.100.1");
}

static bool attach(const char *interface, bool allow_generic)
{
	struct fault f = {0};
	bool adopted;

	if (datapath_attach(runner.datapath, interface, allow_generic, &adopted, &f) < 0)
		fail_msg("%s: %s", f.code, f.text);
	return adopted;
}

/* What decides on the interface is the program that was loaded last, not the one before. */
static void assert_own_program_is_attached(void)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info), attached;

	assert_int_equal(bpf_obj_get_info_by_fd(datapath_program_fd(runner.datapath), &info, &size),
			 0);
	assert_int_equal(bpf_xdp_query_id((int)if_nametoindex(HOST), 0, &attached), 0);
	assert_int_equal(attached, info.id);
}

static void refuse_to_attach(const char *interface, const char *code)
{
	struct fault f = {0};
	bool adopted;

	assert_true(datapath_attach(runner.datapath, interface, false, &adopted, &f) < 0);
	assert_string_equal(f.code, code);
	assert_int_equal(datapath_mode(runner.datapath, NULL), DATAPATH_DETACHED);
}

static void an_attached_program_decides_what_arrives(void **state)
{
	uint32_t ifindex;

	(void)state;
	transmit("192.0.2.1");
	arrives("192.0.2.1"); /* nothing is attached yet */
	assert_false(attach(HOST, false));
	assert_int_equal(datapath_mode(runner.datapath, &ifindex), DATAPATH_NATIVE);
	assert_int_equal(ifindex, if_nametoindex(HOST));
	assert_own_program_is_attached();

	runner_count_from_here(&runner);
	for (unsigned int i = 0; i < 5; i++)
		blocked_packets_are_dropped_and_others_arrive();
	assert_int_equal(runner_count(&runner, WEIR_VERDICT_DROP, WEIR_REASON_BLOCKED), 5);
	assert_int_equal(runner_count(&runner, WEIR_VERDICT_PASS, WEIR_REASON_UNLIMITED), 5);
}

static void enforcement_outlives_the_daemon_and_ends_with_its_pins(void **state)
{
	(void)state;
	attach(HOST, false);
	runner_count_from_here(&runner);
	datapath_close(take_ptr(runner.datapath));
	blocked_packets_are_dropped_and_others_arrive();

	runner_reopen(&runner);
	blocked_packets_are_dropped_and_others_arrive(); /* loaded, not attached yet */
	assert_true(attach(HOST, false));
	assert_own_program_is_attached();
	blocked_packets_are_dropped_and_others_arrive();
	assert_int_equal(runner_count(&runner, WEIR_VERDICT_DROP, WEIR_REASON_BLOCKED), 3);

	assert_int_equal(datapath_remove(runner.pin_dir, NULL, NULL), 0);
	assert_int_equal(datapath_mode(runner.datapath, NULL), DATAPATH_DETACHED);
	transmit("192.0.2.1");
	arrives("192.0.2.1");
}

static void somebody_elses_program_is_left_alone(void **state)
{
	struct reference_bpf *reference = reference_bpf__open_and_load();
	int ifindex = (int)if_nametoindex(HOST);

	(void)state;
	assert_non_null(reference);
	assert_int_equal(
		bpf_xdp_attach(ifindex, bpf_program__fd(reference->progs.count_pass), 0, NULL), 0);
	refuse_to_attach(HOST, "datapath.foreign");
	transmit("192.0.2.1");
	arrives("192.0.2.1");
	assert_int_equal(bpf_xdp_detach(ifindex, 0, NULL), 0);
	reference_bpf__destroy(reference);
}

static void the_slow_generic_mode_has_to_be_allowed(void **state)
{
	(void)state;
	refuse_to_attach("lo", "datapath.native");
	assert_false(attach("lo", true));
	assert_int_equal(datapath_mode(runner.datapath, NULL), DATAPATH_GENERIC);
}

static void a_link_ends_with_its_interface_and_can_be_made_anew(void **state)
{
	(void)state;
	attach(HOST, false);
	remove_pair();
	assert_int_equal(datapath_mode(runner.datapath, NULL), DATAPATH_DETACHED);
	refuse_to_attach(HOST, "datapath.interface");

	close(take_fd(&client_fd));
	close(take_fd(&host_fd));
	assert_int_equal(make_pair(), 0);
	bring_up(HOST);
	bring_up(CLIENT);
	client_fd = open_packet_socket(CLIENT);
	host_fd = open_packet_socket(HOST);
	assert_false(attach(HOST, false));
	blocked_packets_are_dropped_and_others_arrive();
}

static void several_interfaces_are_attached_to_all_or_none(void **state)
{
	const char *const both[] = {HOST, CLIENT}, *const missing[] = {HOST, "nowhere"};
	struct datapath_link link;
	bool adopted[2];
	struct fault f = {0};

	(void)state;
	assert_int_equal(datapath_attach_all(runner.datapath, missing, 2, false, adopted, &f),
			 -ENODEV);
	assert_string_equal(f.code, "datapath.interface");
	assert_false(datapath_is_attached(runner.datapath));
	transmit("192.0.2.1");
	arrives("192.0.2.1");

	assert_int_equal(datapath_attach_all(runner.datapath, both, 2, false, adopted, &f), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_false(adopted[i]);
		datapath_link(runner.datapath, i, &link);
		assert_int_equal(link.state, DATAPATH_LINK_ATTACHED);
		assert_string_equal(link.name, both[i]);
	}
	/* Another shape of the program reaches both. */
	runner_policy(&runner, RUNNER_UNLIMITED
		      "limits:\n  - {name: w, scope: source, algorithm: fixed_window, "
		      "rate: 9/h}\n");
	assert_own_program_is_attached();
	datapath_link(runner.datapath, 1, &link);
	assert_int_equal(link.state, DATAPATH_LINK_ATTACHED);
	/* A second daemon finds both, and refuses to know of one only. */
	runner_reopen(&runner);
	assert_int_equal(datapath_check_interface(runner.datapath, HOST, &f), -EBUSY);
	assert_string_equal(f.code, "datapath.other_interface");
	assert_int_equal(datapath_attach_all(runner.datapath, both, 2, false, adopted, &f), 0);
	assert_true(adopted[0] && adopted[1]);
	assert_int_equal(datapath_remove_link(runner.pin_dir, CLIENT, &f), 0);
	datapath_link(runner.datapath, 1, &link);
	assert_int_equal(link.state, DATAPATH_LINK_DEAD);
	blocked_packets_are_dropped_and_others_arrive();
}

static void what_abi_3_has_attached_is_taken_over_without_a_gap(void **state)
{
	char path[128];

	(void)state;
	attach(HOST, false);
	runner_count_from_here(&runner);
	blocked_packets_are_dropped_and_others_arrive();
	runner_lay_out_as_abi_3(&runner);
	blocked_packets_are_dropped_and_others_arrive();
	runner_reopen(&runner);
	assert_own_program_is_attached(); /* before anybody has said which interfaces there are */
	blocked_packets_are_dropped_and_others_arrive();
	assert_true(attach(HOST, false));
	assert_own_program_is_attached();
	assert_int_equal(runner_count(&runner, WEIR_VERDICT_DROP, WEIR_REASON_BLOCKED), 3);
	snprintf(path, sizeof(path), "%s/link_%u", runner.pin_dir, if_nametoindex(HOST));
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/link", runner.pin_dir);
	assert_int_equal(access(path, F_OK), -1);
}

/* A namespace of our own, in which there are veth pairs. */
static const char *obstacle(void)
{
	if (runner_obstacle())
		return runner_obstacle();
	if (unshare(CLONE_NEWNET) < 0)
		return "this machine gives us no network namespace";
	if (make_pair() < 0)
		return "this kernel makes no veth pairs";
	remove_pair();
	bring_up("lo");
	return NULL;
}

#define ATTACH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const char *reason = obstacle();
	const struct CMUnitTest tests[] = {
		ATTACH_TEST(an_attached_program_decides_what_arrives),
		ATTACH_TEST(enforcement_outlives_the_daemon_and_ends_with_its_pins),
		ATTACH_TEST(somebody_elses_program_is_left_alone),
		ATTACH_TEST(the_slow_generic_mode_has_to_be_allowed),
		ATTACH_TEST(a_link_ends_with_its_interface_and_can_be_made_anew),
		ATTACH_TEST(several_interfaces_are_attached_to_all_or_none),
		ATTACH_TEST(what_abi_3_has_attached_is_taken_over_without_a_gap),
	};

	if (reason)
		return runner_skip_group("attach", reason);
	return cmocka_run_group_tests_name("attach", tests, NULL, NULL);
}
