/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections are shared: nobody can have them all, and root always gets one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/places.h"

static unsigned int take_all(struct places *p, uid_t uid, enum places_class class)
{
	unsigned int taken = 0;

	while (places_take(p, uid, class))
		taken++;
	return taken;
}

static void a_user_gets_so_many_and_no_more(void **state)
{
	struct places p = {0};

	(void)state;
	assert_int_equal(take_all(&p, 1000, PLACES_STRANGER), PLACES_PER_STRANGER);
	assert_int_equal(take_all(&p, 1001, PLACES_USER), PLACES_PER_USER);
	assert_int_equal(p.taken, PLACES_PER_STRANGER + PLACES_PER_USER);
}

static void all_without_a_role_leave_room_for_those_who_have_one(void **state)
{
	struct places p = {0};
	unsigned int strangers = 0;

	(void)state;
	for (uid_t uid = 2000; uid < 2100; uid++)
		strangers += take_all(&p, uid, PLACES_STRANGER);
	assert_int_equal(strangers, PLACES_OF_STRANGERS);
	assert_int_equal(take_all(&p, 1000, PLACES_USER), PLACES_PER_USER);
}

static void root_gets_one_when_all_others_have_what_they_get(void **state)
{
	struct places p = {0};
	unsigned int others = 0;

	(void)state;
	for (uid_t uid = 1000; uid < 1100; uid++)
		others += take_all(&p, uid, uid % 2 ? PLACES_USER : PLACES_STRANGER);
	others += take_all(&p, (uid_t)-1, PLACES_REMOTE);
	assert_int_equal(others, PLACES_MAX - PLACES_OF_OWNER);
	assert_int_equal(take_all(&p, 0, PLACES_OWNER), PLACES_OF_OWNER);
}

static void who_leaves_makes_room(void **state)
{
	struct places p = {0};

	(void)state;
	for (unsigned int round = 0; round < 1000; round++) {
		assert_int_equal(take_all(&p, round, PLACES_STRANGER), PLACES_PER_STRANGER);
		for (unsigned int i = 0; i < PLACES_PER_STRANGER; i++)
			places_leave(&p, round, PLACES_STRANGER);
		assert_int_equal(p.taken, 0);
		assert_int_equal(p.strangers, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_gets_so_many_and_no_more),
		cmocka_unit_test(all_without_a_role_leave_room_for_those_who_have_one),
		cmocka_unit_test(root_gets_one_when_all_others_have_what_they_get),
		cmocka_unit_test(who_leaves_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
