/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the lists will say under a policy, and what share of the hosts that were seen a change blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "engine/outlook.h"
#include "engine/seen.h"

#define HEAD "apiVersion: weir/v1\nmode: enforce\nlists:\n"

struct fixture {
	struct list_set *lists;
	struct policy *policy;
	struct outlook *outlook;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	assert_int_equal(list_set_new(&x->lists), 0);
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	_cleanup_free_ struct fixture *x = *state;

	outlook_free(x->outlook);
	policy_free(x->policy);
	list_set_free(x->lists);
	return 0;
}

static struct list_now now(void)
{
	return (struct list_now){clock_real_ns(), clock_monotonic_ns()};
}

static void put_on_list(struct fixture *x, enum list_kind kind, enum list_origin origin,
			const char *prefix)
{
	struct list_entry entry = {.key = {.kind = kind, .origin = origin},
				   .until_ns = WEIR_FOREVER};
	struct list_now at = now();

	assert_int_equal(prefix_parse(prefix, &entry.key.prefix), 0);
	assert_int_equal(list_set_add(x->lists, &entry, &at, NULL), 0);
}

static void look(struct fixture *x, const char *text)
{
	struct fault f = {0};

	if (policy_parse("test", text, strlen(text), &x->policy, &f) < 0 ||
	    outlook_new(x->lists, x->policy, &x->outlook, &f) < 0)
		fail_msg("%s", f.text);
}

/* A feed of the policy, as its file would have it. */
static struct list_content *content_of(const char *text)
{
	const struct feed_source source = {.path = "test", .format = FEED_PLAIN};
	struct list_content *content = NULL;
	struct feed_report report = {0};
	struct fault f = {0};

	if (feed_parse(&source, text, strlen(text), &content, &report, &f) < 0)
		fail_msg("%s", f.text);
	return content;
}

static const char *says(const struct fixture *x, const char *text)
{
	static const char *const words[] = {"open", "allow", "block", "both"};
	bool listed[LIST_KIND_MAX];
	uint8_t address[16];

	assert_int_equal(address_parse(text, address), 0);
	outlook_ask(x->outlook, address, listed);
	return words[listed[LIST_ALLOW] + 2 * listed[LIST_BLOCK]];
}

static void a_policy_brings_its_own_entries_and_takes_those_of_the_former(void **state)
{
	struct fixture *x = *state;

	put_on_list(x, LIST_BLOCK, LIST_POLICY, "10.1.0.0/16");
	put_on_list(x, LIST_BLOCK, LIST_OPERATOR, "10.2.0.0/16");
	look(x, HEAD "  allow: {entries: [10.3.0.1]}\n  block: {entries: [10.3.0.0/16]}\n");
	assert_string_equal(says(x, "10.1.0.1"), "open");
	assert_string_equal(says(x, "10.2.0.1"), "block");
	assert_string_equal(says(x, "10.3.0.1"), "both");
	assert_string_equal(says(x, "10.3.0.2"), "block");
}

static void feeds_come_and_go_with_their_policy(void **state)
{
	struct list_feed former = {LIST_ALLOW, "former", "/former", NULL};
	struct outlook_feed feed = {.name = "new", .file = "/new", .kind = LIST_BLOCK};
	_cleanup_(list_content_freep) struct list_content *content = content_of("10.1.0.0/16\n");
	struct list_delta delta;
	struct fixture *x = *state;
	struct list_now at = now();
	unsigned int id;

	assert_int_equal(list_set_add_feed(x->lists, &former, &id, NULL), 0);
	assert_int_equal(list_content_diff(NULL, content, &delta), 0);
	assert_int_equal(
		list_set_update_feed(x->lists, id, &content, &delta, WEIR_FOREVER, &at, NULL), 0);
	list_delta_done(&delta);
	look(x, HEAD "  block: {feeds: [{name: new, file: /new}]}\n");
	assert_string_equal(says(x, "10.1.0.1"), "allow");
	outlook_drop_feed(x->outlook, id);
	assert_true(outlook_drops(x->outlook, id));
	assert_string_equal(says(x, "10.1.0.1"), "open");
	feed.content = content_of("10.1.0.0/24\n2001:db8::/32\n10.1.0.1\n");
	outlook_add_feed(x->outlook, &feed);
	assert_string_equal(says(x, "10.1.0.1"), "block");
	assert_string_equal(says(x, "10.1.1.1"), "open");
	assert_string_equal(says(x, "2001:db8:ffff::1"), "block");
	assert_int_equal(outlook_refused(x->outlook, NULL), 0);
}

static void whom_a_feed_lists_is_counted(void **state)
{
	struct outlook_feed feed = {.name = "new", .file = "/new", .kind = LIST_BLOCK};
	struct fixture *x = *state;
	uint8_t address[16];

	look(x, HEAD "  block: {feeds: [{name: new, file: /new}]}\n");
	feed.content = content_of("10.1.0.0/24\n");
	outlook_add_feed(x->outlook, &feed);
	assert_int_equal(address_parse("10.1.0.0", address), 0);
	for (unsigned int i = 0; i < 10; i++) {
		address[15] = (uint8_t)i;
		outlook_count(x->outlook, address);
	}
	assert_int_equal(address_parse("10.1.1.0", address), 0);
	outlook_count(x->outlook, address);
	assert_int_equal(outlook_feed(x->outlook, 0)->hosts, 10);
	assert_int_equal(outlook_feed(x->outlook, 0)->examples[4][15], 4);
	assert_null(outlook_feed(x->outlook, 1));
}

static void a_bad_feed_lists_nothing_and_is_told(void **state)
{
	struct outlook_feed feed = {.name = "bad", .file = "/bad", .kind = LIST_BLOCK};
	struct fixture *x = *state;
	struct fault f = {0};

	look(x, HEAD "  block: {feeds: [{name: bad, file: /bad}]}\n");
	fault(&feed.fault, -ENOENT, "feed.read", "/bad: it is not there");
	outlook_add_feed(x->outlook, &feed);
	assert_string_equal(says(x, "10.1.0.1"), "open");
	assert_int_equal(outlook_refused(x->outlook, &f), -ENOENT);
	assert_string_equal(f.code, "feed.read");
}

#define HOSTS 100

/* A hundred hosts, of which the first @connected have a connection and those of @hits are hit. */
static bool above(size_t count, size_t connected, size_t from, size_t hits, unsigned int permille,
		  char words[static SEEN_WORDS_SIZE])
{
	bool is_connected[HOSTS] = {0}, hit[HOSTS] = {0};
	struct seen s = {.hosts.count = count,
			 .connected = is_connected,
			 .connected_count = connected,
			 .seconds = 42};

	memset(is_connected, true, connected);
	memset(hit + from, true, hits);
	return seen_is_above(&s, hit, permille, words);
}

static void a_share_of_the_hosts_seen_is_what_counts(void **state)
{
	char words[SEEN_WORDS_SIZE];

	(void)state;
	assert_false(above(100, 0, 0, 50, 500, words));
	assert_true(above(100, 0, 0, 51, 500, words));
	assert_non_null(strstr(words, "51 of the 100 hosts"));
	assert_non_null(strstr(words, "the last 42 s"));
	assert_false(above(9, 0, 0, 9, 500, words)); /* too few to tell */
	assert_true(above(10, 0, 0, 6, 500, words));
	assert_false(above(10, 0, 0, 1, 0, words)); /* a single one never is */
	assert_true(above(10, 0, 0, 2, 0, words));
	assert_false(above(100, 0, 0, 100, 1000, words));
}

static void hosts_that_are_connected_count_on_their_own_too(void **state)
{
	char words[SEEN_WORDS_SIZE];

	(void)state;
	assert_true(above(100, 20, 0, 11, 500, words));
	assert_non_null(strstr(words, "11 of the 20 hosts that have a connection"));
	assert_false(above(100, 20, 20, 11, 500, words));
	assert_false(above(100, 9, 0, 9, 500, words));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_policy_brings_its_own_entries_and_takes_those_of_the_former),
		TEST(feeds_come_and_go_with_their_policy),
		TEST(whom_a_feed_lists_is_counted),
		TEST(a_bad_feed_lists_nothing_and_is_told),
		cmocka_unit_test(a_share_of_the_hosts_seen_is_what_counts),
		cmocka_unit_test(hosts_that_are_connected_count_on_their_own_too),
	};

	return cmocka_run_group_tests_name("outlook", tests, NULL, NULL);
}
