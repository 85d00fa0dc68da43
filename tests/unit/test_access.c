/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who reads the audit log is recorded, and cannot fill it by that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/access.h"

static void each_question_has_its_record_or_no_answer(void **state)
{
	static struct access a;
	uint64_t now = 5 * ACCESS_AGAIN_NS;
	uint8_t digest[32] = {0};
	unsigned int fresh = 0;

	(void)state;
	assert_int_equal(access_ask(&a, digest, now), ACCESS_NEW);
	for (uint64_t end = now + ACCESS_AGAIN_NS - NSEC_PER_SEC; now < end; now += NSEC_PER_SEC)
		assert_int_equal(access_ask(&a, digest, now), ACCESS_KNOWN);
	assert_int_equal(access_ask(&a, digest, now + NSEC_PER_SEC), ACCESS_NEW);
	now += 2 * ACCESS_PAUSE_NS;
	assert_int_equal(access_ask(&a, digest, now), ACCESS_NEW);
	for (unsigned int i = 1; i < 1000; i++) {
		enum access_verdict v;

		digest[0] = (uint8_t)i;
		digest[1] = (uint8_t)(i >> 8);
		v = access_ask(&a, digest, now);
		assert_true(v != ACCESS_KNOWN);
		fresh += v == ACCESS_NEW;
	}
	assert_int_equal(fresh, ACCESS_QUESTIONS_BURST - 1);
	assert_int_equal(access_ask(&a, digest, now + ACCESS_QUESTION_EVERY_NS), ACCESS_NEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_question_has_its_record_or_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
