/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf/lib/syncookie.h in the kernel, for real listeners in a network namespace of this process: which
 * SYNs are answered, by what, and when the kernel says no. That the kernel takes the cookie back from
 * a real client is the matter of tests/e2e/80-answers.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/answers.h"
#include "../lib/runner.h"
#include "../lib/sockets.h"
#include "base/cleanup.h"
#include "tests/lib/replies.skel.h"

#define TX   3 /* enum xdp_action */
#define PASS 2

#define SEQUENCE 0xffffffff /* its successor is 0 */

static struct replies_bpf *programs;
static int program;
static int listener = -1;
static unsigned int port;

static int set_up(void **state)
{
	(void)state;
	if (sockets_leave() < 0)
		return -1;
	listener = sockets_listen(&port);
	programs = replies_bpf__open_and_load();
	if (!programs)
		return -1;
	program = bpf_program__fd(programs->progs.cookie);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	replies_bpf__destroy(programs);
	if (listener >= 0)
		close(listener);
	return 0;
}

static int want_cookies(void **state)
{
	(void)state;
	sockets_set_cookies("2");
	return 0;
}

static uint8_t *tcp_of(struct packets_frame *frame)
{
	return frame->data + answers_network(frame) + answers_header(frame);
}

/* A SYN to the listener with @options bytes of options, the first of which says MSS @mss if there is
 * room. */
static void build_syn(bool is_ip6, unsigned int tags, unsigned int options, unsigned int mss,
		      struct packets_frame *ret)
{
	struct packets_layer layers[] = {
		VLAN(), VLAN(), is_ip6 ? (struct packets_layer)IP6() : (struct packets_layer)IP4(),
		TCP(.size = options, .port = port), PACKETS_LAYER(END, )};
	uint8_t *tcp;

	packets_build(layers + 2 - tags, ret);
	tcp = tcp_of(ret);
	answers_put32(tcp + 4, SEQUENCE);
	memset(tcp + 20, 1, options); /* NOP */
	if (options >= 4)
		answers_put32(tcp + 20, 2 << 24 | 4 << 16 | mss);
}

static void expect_pass(const char *promise, const struct packets_frame *frame)
{
	struct packets_frame after;
	int action = answers_run(program, frame, 0, &after);

	if (action != PASS)
		fail_msg("%s: action %d", promise, action);
	assert_int_equal(after.length, frame->length);
	assert_memory_equal(after.data, frame->data, frame->length);
}

static uint32_t expect_cookie(const char *promise, const struct packets_frame *frame,
			      unsigned int mss)
{
	struct packets_frame answer;
	struct answers_segment got;
	int action = answers_run(program, frame, 0, &answer);

	if (action != TX)
		fail_msg("%s: action %d", promise, action);
	answers_expect_segment(promise, frame, &answer, &got);
	assert_int_equal(got.from, port);
	assert_int_equal(got.to, 40000);
	assert_int_equal(got.flags, ANSWERS_SYN | ANSWERS_ACK);
	assert_int_equal(got.acknowledgement, (uint32_t)(SEQUENCE + 1));
	assert_int_equal(got.mss, mss);
	assert_int_equal(got.payload, 0);
	assert_int_equal(got.window, 10 * (answers_is_ip6(frame) ? 1440 : 1460));
	return got.sequence;
}

static void a_syn_for_a_listener_gets_a_cookie(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2 * 3 * 10; i++) {
		bool is_ip6 = i % 2;
		unsigned int options = i / 6 * 4 + 4;
		struct packets_frame frame;

		build_syn(is_ip6, i / 2 % 3, options, 1400, &frame);
		expect_cookie("a SYN", &frame, is_ip6 ? 1440 : 1460);
	}
}

static void a_syn_without_options_gets_an_answer_without(void **state)
{
	struct packets_frame frame;

	(void)state;
	for (unsigned int i = 0; i < 2 * 3; i++) {
		build_syn(i % 2, i / 2, 0, 0, &frame);
		expect_cookie("a SYN without options", &frame, 0);
	}
}

static void padding_does_not_come_back(void **state)
{
	struct packets_frame frame;

	(void)state;
	build_syn(false, 0, 0, 0, &frame);
	memset(frame.data + frame.length, 0xda, 20);
	frame.length += 20;
	expect_cookie("a padded SYN", &frame, 0);
}

/* The kernel's cookie stands for the connection, the MSS and the minute: the same SYN gets the same
 * cookie, unless a minute has just passed, and another SYN another one. */
static void cookies_stand_for_the_syn(void **state)
{
	struct packets_frame frame;
	uint32_t first = 0, second = 1, other;

	(void)state;
	build_syn(false, 0, 4, 1460, &frame);
	for (int i = 0; i < 2 && first != second; i++) {
		first = expect_cookie("a SYN", &frame, 1460);
		second = expect_cookie("the same SYN", &frame, 1460);
	}
	assert_int_equal(first, second);
	build_syn(false, 0, 4, 536, &frame);
	other = expect_cookie("a SYN with another MSS", &frame, 1460);
	assert_true(first != other);
}

static void no_other_segment_gets_one(void **state)
{
	struct packets_frame frame;

	(void)state;
	for (unsigned int flags = 0; flags < 64; flags++) {
		if ((flags & 0x17) == ANSWERS_SYN)
			continue;
		build_syn(flags % 2, 0, 4, 1460, &frame);
		tcp_of(&frame)[13] = (uint8_t)flags;
		expect_pass("flags other than SYN alone", &frame);
	}
	build_syn(false, 0, 4, 1460, &frame);
	answers_put16(frame.data + 14 + 6, FRAGMENT4(0, 1));
	expect_pass("a SYN in fragments", &frame);
	build_syn(false, 0, 4, 1460, &frame);
	frame.data[0] |= 1;
	expect_pass("a SYN to a group of stations", &frame);
	build_syn(false, 0, 4, 1460, &frame);
	frame.data[14 + 12] = 224;
	expect_pass("a SYN from a group", &frame);
	build_syn(false, 0, 40, 1460, &frame);
	frame.length -= 1;
	expect_pass("a SYN that is cut off", &frame);
	build_syn(false, 0, 4, 1460, &frame);
	tcp_of(&frame)[12] = 4 << 4;
	expect_pass("a SYN with too short a header", &frame);
}

static void where_nobody_listens_it_passes(void **state)
{
	struct packets_frame frame;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		build_syn(i, 0, 4, 1460, &frame);
		answers_put16(tcp_of(&frame) + 2, port ^ 1);
		expect_pass("a SYN to a closed port", &frame);
	}
}

static void tcp_syncookies_decides(void **state)
{
	struct packets_frame frame;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		build_syn(i, 0, 4, 1460, &frame);
		sockets_set_cookies("0");
		expect_pass("cookies are switched off", &frame);
		sockets_set_cookies("1");
		expect_pass("the listener's queue is not full", &frame);
		sockets_set_cookies("2");
		expect_cookie("cookies for every SYN", &frame, i ? 1440 : 1460);
	}
}

static void the_mss_is_the_policy_s(void **state)
{
	static const struct {
		unsigned int mss, mss4, mss6;
	} cases[] = {{0, 0, 0},		 {107, 0, 0},		{108, 108, 88}, {1240, 1240, 1220},
		     {8960, 8960, 8940}, {65495, 65495, 65475}, {65496, 0, 0}};

	(void)state;
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		unsigned int want = i % 2 ? cases[i / 2].mss6 : cases[i / 2].mss4;
		struct replies_bpf *other = replies_bpf__open();
		struct packets_frame frame, answer;
		struct answers_segment got;
		int action;

		assert_non_null(other);
		other->rodata->mss = cases[i / 2].mss;
		assert_int_equal(replies_bpf__load(other), 0);
		build_syn(i % 2, 0, 4, 1460, &frame);
		action = answers_run(bpf_program__fd(other->progs.cookie), &frame, 0, &answer);
		replies_bpf__destroy(other);
		assert_int_equal(action, want ? TX : PASS);
		if (!want)
			continue;
		answers_expect_segment("a SYN", &frame, &answer, &got);
		assert_int_equal(got.mss, want);
		assert_int_equal(got.window, want * 10 < 65535 ? want * 10 : 65535);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_syn_for_a_listener_gets_a_cookie, want_cookies),
		cmocka_unit_test_setup(a_syn_without_options_gets_an_answer_without, want_cookies),
		cmocka_unit_test_setup(padding_does_not_come_back, want_cookies),
		cmocka_unit_test_setup(cookies_stand_for_the_syn, want_cookies),
		cmocka_unit_test_setup(no_other_segment_gets_one, want_cookies),
		cmocka_unit_test_setup(where_nobody_listens_it_passes, want_cookies),
		cmocka_unit_test_setup(tcp_syncookies_decides, want_cookies),
		cmocka_unit_test_setup(the_mss_is_the_policy_s, want_cookies),
	};

	return runner_run_group("syncookies", tests, set_up, tear_down);
}
