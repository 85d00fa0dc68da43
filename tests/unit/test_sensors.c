/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is made of the kernel's own words: /proc/stat, and the answer of rtnetlink. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "detect/sensors.h"

/* user nice system idle iowait irq softirq steal guest guest_nice */
#define STAT_BEFORE                                                                                \
	"cpu  3000 0 300 9000 0 0 300 0 0 0\n"                                                     \
	"cpu0 1000 0 100 3000 0 0 100 0 500 0\n"                                                   \
	"cpu1 1000 0 100 3000 0 0 100 0 0 0\n"                                                     \
	"cpu3 1000 0 100 3000 0 0 100 0 0 0\n"                                                     \
	"intr 123456 0 0 17\nctxt 99\nsoftirq 5 1 2 3\n"

static struct sensors_sample *parse(const char *text)
{
	struct sensors_sample *sample = sensors_sample_new(POLICY_TARGET_SOFTIRQ);

	assert_non_null(sample);
	assert_int_equal(sensors_parse_stat(text, sample), 0);
	return sample;
}

static int share(const char *before, const char *after, uint64_t *ret)
{
	_cleanup_free_ struct sensors_sample *was = parse(before), *is = parse(after);

	return sensors_softirq_share(was, is, ret);
}

static void the_busiest_cpu_counts(void **unused)
{
	uint64_t permille = 0;

	(void)unused;
	assert_int_equal(share(STAT_BEFORE,
			       "cpu  1 2 3 4 5 6 7 8 9 10\n"
			       "cpu0 1000 0 100 3090 0 0 110 0 500 0\n"	 /* 10 of 100 */
			       "cpu1 1010 0 110 3000 5 2 173 0 0 0\n"	 /* 73 of 100 */
			       "cpu3 1000 0 100 3100 0 0 100 0 900 0\n", /* 0 of 100 */
			       &permille),
			 0);
	assert_int_equal(permille, 730);
}

static void a_cpu_that_was_off_or_whose_time_went_back_is_left_out(void **unused)
{
	uint64_t permille = 7;

	(void)unused;
	assert_int_equal(share(STAT_BEFORE,
			       "cpu0 1000 0 100 3090 0 0 110 0 0 0\n"
			       "cpu1 1000 0 100 2000 0 0 900 0 0 0\n" /* idle went back */
			       "cpu2 0 0 0 0 0 0 900 0 0 0\n"	      /* was not there */
			       "cpu7 1 1 1 1 1 1 1 1 0 0\n",
			       &permille),
			 0);
	assert_int_equal(permille, 100);
	assert_int_equal(share(STAT_BEFORE, STAT_BEFORE, &permille), -ENODATA);
	assert_int_equal(permille, 100);
}

static void what_is_no_stat_is_refused(void **unused)
{
	static const char *const bad[] = {
		"",
		"cpu  1 2 3 4 5 6 7 8 9 10\n",
		"intr 1\n",
		"cpu0 1 2 3 4 5 6 7\n",
		"cpu0 1 2 3 4 5 6 -7 8\n",
		"cpu0 1 2 3 4 5 6 99999999999999999999999 8\n",
		"cpu0 1 2 x 4 5 6 7 8\n",
		"cpu99999999999999999999999 1 2 3 4 5 6 7 8\n",
	};
	_cleanup_free_ struct sensors_sample *sample = sensors_sample_new(POLICY_TARGET_SOFTIRQ);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(sensors_parse_stat(bad[i], sample) < 0);
	/* The last CPU that is looked at, and the first that is not. */
	assert_int_equal(sensors_parse_stat("cpu1023 1 2 3 4 5 6 7 8", sample), 0);
	assert_int_equal(sample->cpus[1023].softirq, 7);
	assert_int_equal(sample->cpus[1023].total, 36);
	assert_int_equal(sensors_parse_stat("cpu1024 1 2 3 4 5 6 7 8", sample), -EBADMSG);
}

/* An answer to RTM_GETLINK: some other attribute, then the counters. */
struct link_answer {
	struct nlmsghdr header;
	struct ifinfomsg link;
	struct rtattr other;
	char name[8]; /* 5 of them are used, the rest is padding */
	struct rtattr attribute;
	struct rtnl_link_stats64 stats;
} __attribute__((packed, aligned(4)));

static struct link_answer make_answer(void)
{
	struct link_answer m = {
		.header = {.nlmsg_len = sizeof(m), .nlmsg_type = RTM_NEWLINK},
		.other = {.rta_len = RTA_LENGTH(5), .rta_type = IFLA_IFNAME},
		.name = "eth0",
		.attribute = {.rta_len = (unsigned short)RTA_LENGTH(sizeof(m.stats)),
			      .rta_type = IFLA_STATS64},
	};

	m.stats.rx_packets = 1 << 20;
	m.stats.rx_errors = 1 << 21;
	m.stats.tx_dropped = 1 << 22;
	m.stats.rx_dropped = 1;
	m.stats.rx_missed_errors = 10;
	m.stats.rx_over_errors = 100;
	m.stats.rx_fifo_errors = 1000;
	return m;
}

static void lost_packets_are_those_for_which_there_was_no_room(void **unused)
{
	struct link_answer m = make_answer();
	uint64_t lost = 0;

	(void)unused;
	assert_int_equal(sensors_parse_link(&m, sizeof(m), &lost), 0);
	assert_int_equal(lost, 1111);
	/* An older kernel, whose counters end earlier. */
	m.attribute.rta_len =
		(unsigned short)RTA_LENGTH(offsetof(struct rtnl_link_stats64, rx_missed_errors));
	assert_int_equal(sensors_parse_link(&m, sizeof(m), &lost), 0);
	assert_int_equal(lost, 1101);
}

static void an_answer_that_is_cut_off_or_lies_is_refused(void **unused)
{
	struct link_answer m = make_answer();
	uint64_t lost = 7;

	(void)unused;
	for (size_t length = 0; length < sizeof(m); length++) {
		_cleanup_free_ unsigned char *copy = malloc(length ?: 1);
		uint32_t claimed = (uint32_t)length; /* the first member of the header */

		assert_non_null(copy);
		memcpy(copy, &m, length);
		assert_true(sensors_parse_link(copy, length, &lost) < 0);
		memcpy(copy, &claimed, length < sizeof(claimed) ? length : sizeof(claimed));
		assert_true(sensors_parse_link(copy, length, &lost) < 0);
	}
	for (unsigned int length = 0; length < sizeof(struct rtattr); length++) {
		m.other.rta_len = (unsigned short)length;
		assert_int_equal(sensors_parse_link(&m, sizeof(m), &lost), -EBADMSG);
	}
	m.other.rta_len = UINT16_MAX;
	assert_int_equal(sensors_parse_link(&m, sizeof(m), &lost), -EBADMSG);
	assert_int_equal(lost, 7);
}

static void an_interface_that_is_gone_is_an_error_of_the_kernel(void **unused)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} m = {
		.header = {.nlmsg_len = sizeof(m), .nlmsg_type = NLMSG_ERROR},
		.error = {.error = -ENODEV},
	};
	uint64_t lost;

	(void)unused;
	assert_int_equal(sensors_parse_link(&m, sizeof(m), &lost), -ENODEV);
}

static void the_kernel_of_this_machine_answers(void **unused)
{
	static const enum policy_target targets[] = {POLICY_TARGET_SOFTIRQ,
						     POLICY_TARGET_NIC_DROPS};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		_cleanup_free_ struct sensors_sample *sample = sensors_sample_new(targets[i]);
		_cleanup_(sensors_freep) struct sensors *s = NULL;
		uint64_t measured = 1;
		int r = -ENODATA;

		assert_non_null(sample);
		assert_int_equal(sensors_new("lo", &s), 0);
		/* The first has nothing to compare with; a tick of the clock later there is. */
		assert_int_equal(sensors_measure(s, targets[i], sample, NSEC_PER_SEC, &measured),
				 -ENODATA);
		for (uint64_t t = 2; t < 2000 && r == -ENODATA; t++) {
			usleep(1000);
			r = sensors_measure(s, targets[i], sample, t * NSEC_PER_SEC, &measured);
		}
		assert_int_equal(r, 0);
		assert_in_range(measured, 0, 1000);
	}
}

static void an_interface_that_is_not_there_cannot_be_measured(void **unused)
{
	_cleanup_free_ struct sensors_sample *sample = sensors_sample_new(POLICY_TARGET_NIC_DROPS);
	_cleanup_(sensors_freep) struct sensors *s = NULL;
	uint64_t measured;

	(void)unused;
	assert_int_equal(sensors_new("weir-no-such-if", &s), 0);
	assert_int_equal(sensors_measure(s, POLICY_TARGET_NIC_DROPS, sample, 1, &measured),
			 -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_busiest_cpu_counts),
		cmocka_unit_test(a_cpu_that_was_off_or_whose_time_went_back_is_left_out),
		cmocka_unit_test(what_is_no_stat_is_refused),
		cmocka_unit_test(lost_packets_are_those_for_which_there_was_no_room),
		cmocka_unit_test(an_answer_that_is_cut_off_or_lies_is_refused),
		cmocka_unit_test(an_interface_that_is_gone_is_an_error_of_the_kernel),
		cmocka_unit_test(the_kernel_of_this_machine_answers),
		cmocka_unit_test(an_interface_that_is_not_there_cannot_be_measured),
	};

	return cmocka_run_group_tests_name("sensors", tests, NULL, NULL);
}
