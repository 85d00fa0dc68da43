/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The set of lists: what it takes, what it refuses, in what order it shows it, when it ends. What the kernel
 * is told of it is the business of test_lists_image.c.
 */
#include "test_lists.h"

#define SEEDS 60

static bool next_of_both(const struct list_set *s, const struct list_key *after,
			 struct list_entry *ret)
{
	enum list_kind kind = after ? after->kind : LIST_ALLOW;

	if (list_set_next(s, kind, after, ret))
		return true;
	return kind == LIST_ALLOW && list_set_next(s, LIST_BLOCK, NULL, ret);
}

static struct list_entry random_entry(uint64_t *state)
{
	struct list_entry e = {.reason = "random", .until_ns = WEIR_FOREVER};
	uint64_t r = random_u64(state);

	e.key.prefix = random_prefix(state);
	e.key.kind = (r >> 8) & 1 ? LIST_ALLOW : LIST_BLOCK;
	e.key.origin = (r >> 9) & 1 ? LIST_POLICY : LIST_OPERATOR;
	if ((r >> 10) & 3)
		e.until_ns = now.real_ns - 5 + (r >> 12) % 10;
	return e;
}

static struct list_set *random_set(uint64_t *state)
{
	struct list_set *s = set_new();
	uint64_t count = random_u64(state) % 40;

	for (uint64_t i = 0; i < count; i++) {
		struct list_entry e = random_entry(state);

		assert_int_equal(list_set_add(s, &e, &now, NULL), 0);
	}
	return s;
}

static void covering_finds_what_the_model_finds(void **unused)
{
	struct list_entry covering[LIST_COVERING_MAX], e;

	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t state = seed;
		_cleanup_(list_set_freep) struct list_set *s = random_set(&state);

		for (int i = 0; i < 50; i++) {
			uint8_t address[16];
			size_t count, met = 0;

			random_address(&state, address);
			count = list_set_covering(s, address, now.monotonic_ns, covering);
			for (bool more = next_of_both(s, NULL, &e); more;
			     more = next_of_both(s, &e.key, &e)) {
				if (!list_entry_active(&e, now.monotonic_ns) ||
				    !model_covers(&e.key.prefix, address))
					continue;
				assert_true(met < count);
				assert_memory_equal(&covering[met++], &e, sizeof(e));
			}
			assert_int_equal(met, count);
		}
	}
}

static void a_wall_clock_step_moves_no_deadline(void **unused)
{
	const struct list_now stepped = {now.real_ns + 3600000000000ULL, now.monotonic_ns + 7};
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry e = entry_of(LIST_BLOCK, "198.18.0.1", in(60));

	(void)unused;
	assert_int_equal(list_set_add(s, &e, &now, NULL), 0);
	assert_int_equal(found(s, &e.key).until_monotonic_ns, monotonic_in(60));
	assert_int_equal(list_set_add(s, &e, &stepped, NULL), 0);
	assert_int_equal(found(s, &e.key).until_monotonic_ns, monotonic_in(60));
	assert_int_equal(list_set_replace_origin(s, LIST_OPERATOR, &e, 1, &stepped, NULL), 0);
	assert_int_equal(found(s, &e.key).until_monotonic_ns, monotonic_in(60));

	/* Another deadline is a new one, by the clock as it is now. */
	e.until_ns = stepped.real_ns + 60;
	assert_int_equal(list_set_add(s, &e, &stepped, NULL), 0);
	assert_int_equal(found(s, &e.key).until_monotonic_ns, stepped.monotonic_ns + 60);
}

static void deadlines_at_the_ends_of_time_convert_without_wrapping(void **unused)
{
	const struct {
		uint64_t until_ns, want;
	} cases[] = {
		{WEIR_FOREVER, WEIR_FOREVER},
		{WEIR_FOREVER - 1, now.monotonic_ns + (WEIR_FOREVER - 1 - now.real_ns)},
		{now.real_ns + 1, now.monotonic_ns + 1},
		{now.real_ns, now.monotonic_ns},
		{now.real_ns - 1, now.monotonic_ns - 1},
		{1, 0},
		{0, 0},
	};
	const struct list_now at_boot = {.real_ns = 5, .monotonic_ns = 10};
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry e = entry_of(LIST_BLOCK, "198.18.0.1", 0);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		e.until_ns = cases[i].until_ns;
		assert_int_equal(list_set_add(s, &e, &now, NULL), 0);
		assert_int_equal(found(s, &e.key).until_monotonic_ns, cases[i].want);
	}
	e.until_ns = WEIR_FOREVER - 2;
	assert_int_equal(list_set_add(s, &e, &at_boot, NULL), 0);
	assert_int_equal(found(s, &e.key).until_monotonic_ns, WEIR_FOREVER - 1);
}

static void policy_operator_and_feeds_may_list_the_same_prefix(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry policy = entry_of(LIST_BLOCK, "198.18.0.0/24", in(50));
	struct list_entry manual = entry_of(LIST_BLOCK, "198.18.0.0/24", in(90)), e;
	struct list_entry covering[LIST_COVERING_MAX];
	unsigned int a = feed_new(s, LIST_BLOCK, "a"), b = feed_new(s, LIST_BLOCK, "b");
	struct list_key key = {LIST_BLOCK, policy.key.prefix, LIST_FEED, b};

	(void)unused;
	policy.key.origin = LIST_POLICY;
	assert_int_equal(list_set_add(s, &policy, &now, NULL), 0);
	assert_int_equal(list_set_add(s, &manual, &now, NULL), 0);
	assert_int_equal(feed_update(s, a, &key.prefix, 1, in(70), NULL), 0);
	assert_int_equal(feed_update(s, b, &key.prefix, 1, WEIR_FOREVER, NULL), 0);
	assert_int_equal(total(s), 4);
	assert_int_equal(
		list_set_covering(s, prefix_of("198.18.0.9").address, now.monotonic_ns, covering),
		4);
	assert_int_equal(covering[0].key.origin, LIST_POLICY);
	assert_int_equal(covering[1].key.origin, LIST_OPERATOR);
	assert_string_equal(covering[2].feed, "a");
	assert_int_equal(covering[2].until_monotonic_ns, monotonic_in(70));
	e = found(s, &key);
	assert_string_equal(e.feed, "b");
	assert_string_equal(e.file, "/etc/weir/feed");
	assert_string_equal(e.reason, "listed");
	assert_int_equal(e.line, 1);
	assert_int_equal(list_set_count_of(s, LIST_BLOCK, LIST_FEED, b).prefixes, 1);

	assert_int_equal(list_set_remove(s, &manual.key), 0);
	assert_int_equal(list_set_remove(s, &manual.key), -ENOENT);
	list_set_remove_feed(s, b);
	assert_int_equal(list_set_find(s, &key, NULL), -ENOENT);
	assert_int_equal(total(s), 2);
}

static void an_update_of_a_feed_keeps_since_when_what_stays_is_listed(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	_cleanup_(list_content_freep) struct list_content *c = NULL;
	_cleanup_(list_delta_done) struct list_delta delta = {0};
	const struct list_now later = {now.real_ns + 5, now.monotonic_ns + 5};
	struct prefix first[] = {prefix_of("198.18.0.2"), prefix_of("198.18.0.1")};
	struct prefix second[] = {prefix_of("198.18.0.3"), prefix_of("198.18.0.2")};
	unsigned int feed = feed_new(s, LIST_BLOCK, "a");
	struct list_key key = {LIST_BLOCK, first[0], LIST_FEED, feed};

	(void)unused;
	assert_int_equal(feed_update(s, feed, first, 2, WEIR_FOREVER, NULL), 0);
	assert_int_equal(found(s, &key).line, 1);
	c = content_of(second, 2);
	assert_int_equal(list_content_diff(list_set_feed_content(s, feed), c, &delta), 0);
	assert_int_equal(delta.add_count, 1);
	assert_int_equal(delta.remove_count, 1);
	assert_int_equal(list_set_update_feed(s, feed, &c, &delta, WEIR_FOREVER, &later, NULL), 0);
	assert_int_equal(found(s, &key).line, 2);
	assert_int_equal(found(s, &key).added_ns, now.real_ns);
	key.prefix = second[0];
	assert_int_equal(found(s, &key).added_ns, later.real_ns);
	key.prefix = first[1];
	assert_int_equal(list_set_find(s, &key, NULL), -ENOENT);
}

static void there_are_so_many_feeds_and_no_more(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	const struct list_feed one_more = {LIST_BLOCK, "one more", "/", NULL};
	struct fault f;
	unsigned int id;

	(void)unused;
	for (int i = 0; i < LIST_FEEDS_MAX; i++)
		id = feed_new(s, LIST_BLOCK, "feed");
	assert_int_equal(list_set_add_feed(s, &one_more, &id, &f), -ENOSPC);
	assert_string_equal(f.code, "list.feeds");
	list_set_remove_feed(s, 7);
	assert_int_equal(list_set_add_feed(s, &one_more, &id, &f), 0);
	assert_int_equal(id, 7);
}

static void replacing_the_policy_keeps_what_operators_added(void **unused)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t state = seed * 31;
		_cleanup_(list_set_freep) struct list_set *s = random_set(&state);
		_cleanup_(list_set_freep) struct list_set *want = set_new();
		struct list_entry fresh[30];
		struct list_entry a, b;
		bool more_a, more_b;

		for (size_t i = 0; i < ARRAY_SIZE(fresh); i++) {
			fresh[i] = random_entry(&state);
			fresh[i].until_ns = in(seed); /* so that equal keys are equal */
			fresh[i].key.origin = LIST_POLICY;
			assert_int_equal(list_set_add(want, &fresh[i], &now, NULL), 0);
		}
		for (more_a = next_of_both(s, NULL, &a); more_a;
		     more_a = next_of_both(s, &a.key, &a))
			if (a.key.origin == LIST_OPERATOR)
				assert_int_equal(list_set_add(want, &a, &now, NULL), 0);
		assert_int_equal(list_set_replace_origin(s, LIST_POLICY, fresh, ARRAY_SIZE(fresh),
							 &now, NULL),
				 0);
		assert_int_equal(total(s), total(want));
		more_a = next_of_both(s, NULL, &a);
		more_b = next_of_both(want, NULL, &b);
		while (more_a && more_b) {
			assert_int_equal(a.key.kind, b.key.kind);
			assert_int_equal(prefix_compare(&a.key.prefix, &b.key.prefix), 0);
			assert_int_equal(a.key.origin, b.key.origin);
			assert_int_equal(a.until_ns, b.until_ns);
			more_a = next_of_both(s, &a.key, &a);
			more_b = next_of_both(want, &b.key, &b);
		}
		assert_true(!more_a && !more_b);
	}
	(void)unused;
}

static void of_equal_keys_in_one_load_the_later_deadline_counts(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry entries[] = {
		entry_of(LIST_BLOCK, "198.18.0.1", in(10)),
		entry_of(LIST_BLOCK, "198.18.0.1", in(30)),
		entry_of(LIST_BLOCK, "198.18.0.1", in(20)),
	};

	(void)unused;
	assert_int_equal(list_set_replace_origin(s, LIST_OPERATOR, entries, 3, &now, NULL), 0);
	assert_int_equal(total(s), 1);
	assert_int_equal(found(s, &entries[0].key).until_ns, in(30));
}

static void a_refused_load_changes_nothing(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry entries[] = {
		entry_of(LIST_BLOCK, "198.18.0.1", WEIR_FOREVER),
		entry_of(LIST_BLOCK, "198.18.0.2", WEIR_FOREVER),
	};
	struct list_entry e;
	struct fault f;

	(void)unused;
	assert_int_equal(add(s, LIST_ALLOW, "198.18.0.9", WEIR_FOREVER), 0);
	entries[1].reason = "\xff";
	assert_int_equal(list_set_replace_origin(s, LIST_OPERATOR, entries, 2, &now, &f), -EINVAL);
	assert_string_equal(f.code, "list.reason");
	assert_int_equal(total(s), 1);
	assert_true(list_set_next(s, LIST_ALLOW, NULL, &e));
}

/* @count distinct addresses, of IPv4 or of IPv6. */
static struct prefix *many(size_t count, bool ip4)
{
	struct prefix *prefixes = calloc(count, sizeof(*prefixes));

	assert_non_null(prefixes);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t scattered = i * 2654435761U; /* odd, so no two are equal */

		prefixes[i] = prefix_of(ip4 ? "0.0.0.0" : "2001:db8::");
		memcpy(&prefixes[i].address[12], &scattered, sizeof(scattered));
	}
	return prefixes;
}

static void a_full_set_takes_the_last_prefix_and_refuses_one_more(void **unused)
{
	_cleanup_free_ struct prefix *ip4 = many(WEIR_LIST_IP4_MAX + 1, true);
	_cleanup_free_ struct prefix *ip6 = many(WEIR_LIST_IP6_MAX + 1, false);
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	_cleanup_(list_diff_done) struct list_diff diff = {0};
	struct list_entry e = entry_of(LIST_ALLOW, "198.18.0.1", WEIR_FOREVER);
	unsigned int a = feed_new(s, LIST_BLOCK, "a"), b = feed_new(s, LIST_BLOCK, "b");
	struct fault f;

	(void)unused;
	assert_int_equal(feed_update(s, a, ip4, WEIR_LIST_IP4_MAX + 1, WEIR_FOREVER, &f), -ENOSPC);
	assert_string_equal(f.code, "list.full");
	assert_int_equal(total(s), 0);
	assert_int_equal(feed_update(s, a, ip4, WEIR_LIST_IP4_MAX, WEIR_FOREVER, NULL), 0);
	assert_int_equal(feed_update(s, b, ip6, WEIR_LIST_IP6_MAX + 1, WEIR_FOREVER, &f), -ENOSPC);
	assert_int_equal(feed_update(s, b, ip6, WEIR_LIST_IP6_MAX, WEIR_FOREVER, NULL), 0);
	assert_int_equal(total(s), WEIR_LIST_ENTRIES_MAX);
	e.key.prefix = ip4[WEIR_LIST_IP4_MAX];
	assert_int_equal(list_set_add(s, &e, &now, &f), -ENOSPC);
	assert_string_equal(f.code, "list.full");
	e.key.prefix = ip6[WEIR_LIST_IP6_MAX];
	assert_int_equal(list_set_add(s, &e, &now, &f), -ENOSPC);
	assert_int_equal(list_image_update(s, now.monotonic_ns, &diff), 0);
	assert_int_equal(diff.upsert_count, WEIR_LIST_ENTRIES_MAX);

	/* What is there already can have another entry, and one can make place for another. */
	e.key.prefix = ip4[3];
	assert_int_equal(list_set_add(s, &e, &now, NULL), 0);
	ip4[5] = ip4[WEIR_LIST_IP4_MAX];
	assert_int_equal(feed_update(s, a, ip4, WEIR_LIST_IP4_MAX, WEIR_FOREVER, NULL), 0);
	assert_int_equal(total(s), WEIR_LIST_ENTRIES_MAX + 1);
}

static void input_beyond_its_limit_is_refused_by_name(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry e = entry_of(LIST_BLOCK, "198.18.0.0/24", WEIR_FOREVER);
	char reason[LIST_REASON_MAX + 2], author[LIST_ADDED_BY_MAX + 2];
	struct fault f;

	(void)unused;
	memset(reason, 'r', sizeof(reason));
	memset(author, 'a', sizeof(author));
	reason[LIST_REASON_MAX + 1] = author[LIST_ADDED_BY_MAX + 1] = '\0';
	e.reason = reason;
	assert_int_equal(list_set_add(s, &e, &now, &f), -EINVAL);
	assert_string_equal(f.code, "list.reason");
	reason[LIST_REASON_MAX] = '\0';
	e.added_by = author;
	assert_int_equal(list_set_add(s, &e, &now, &f), -EINVAL);
	assert_string_equal(f.code, "list.added_by");
	author[LIST_ADDED_BY_MAX] = '\0';
	assert_int_equal(list_set_add(s, &e, &now, &f), 0);
	assert_string_equal(found(s, &e.key).reason, reason);
	assert_string_equal(found(s, &e.key).added_by, author);

	e.key.prefix.address[15] = 1;
	assert_int_equal(list_set_add(s, &e, &now, &f), -EINVAL);
	assert_string_equal(f.code, "list.prefix");
	e.key.prefix.bits = 129;
	assert_int_equal(list_set_add(s, &e, &now, &f), -EINVAL);
	assert_string_equal(f.code, "list.prefix");
	e.key.kind = LIST_KIND_MAX;
	assert_int_equal(list_set_add(s, &e, &now, &f), -EINVAL);
	assert_string_equal(f.code, "list.kind");
	assert_int_equal(total(s), 1);
}

static void a_listing_goes_on_after_its_last_entry_was_removed(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry e;

	(void)unused;
	assert_int_equal(add(s, LIST_ALLOW, "198.18.0.5", WEIR_FOREVER), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.1", WEIR_FOREVER), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.3", WEIR_FOREVER), 0);
	assert_true(list_set_next(s, LIST_BLOCK, NULL, &e));
	assert_int_equal(e.key.prefix.address[15], 1);
	assert_int_equal(list_set_remove(s, &e.key), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.2", WEIR_FOREVER), 0);
	assert_true(list_set_next(s, LIST_BLOCK, &e.key, &e));
	assert_int_equal(e.key.prefix.address[15], 2);
	assert_true(list_set_next(s, LIST_BLOCK, &e.key, &e));
	assert_int_equal(e.key.prefix.address[15], 3);
	assert_false(list_set_next(s, LIST_BLOCK, &e.key, &e));
	assert_true(list_set_next(s, LIST_ALLOW, NULL, &e));
	assert_false(list_set_next(s, LIST_ALLOW, &e.key, &e));
}

static void note_removed(const struct list_entry *e, void *userdata)
{
	unsigned int *mask = userdata;

	assert_string_equal(e->reason, "test");
	*mask |= 1U << e->key.prefix.address[15];
}

static void expired_entries_are_handed_out_and_removed(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	unsigned int mask = 0;

	(void)unused;
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.1", in(10)), 0);
	assert_int_equal(add(s, LIST_ALLOW, "198.18.0.2", in(20)), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.3", in(21)), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.4", WEIR_FOREVER), 0);
	assert_int_equal(list_set_next_deadline(s), monotonic_in(10));
	assert_int_equal(list_set_remove_expired(s, monotonic_in(9), note_removed, &mask), 0);
	assert_int_equal(list_set_remove_expired(s, monotonic_in(20), note_removed, &mask), 2);
	assert_int_equal(mask, 1 << 1 | 1 << 2);
	assert_int_equal(list_set_next_deadline(s), monotonic_in(21));
	assert_int_equal(list_set_remove_expired(s, WEIR_FOREVER - 1, NULL, NULL), 1);
	assert_int_equal(list_set_next_deadline(s), WEIR_FOREVER);
	assert_int_equal(total(s), 1);
}

static void a_deadline_that_was_changed_ends_an_entry_once(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry e = entry_of(LIST_BLOCK, "198.18.0.1", 0);

	(void)unused;
	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal(add(s, LIST_BLOCK, "198.18.0.1", in(5000 - i)), 0);
	assert_int_equal(list_set_next_deadline(s), monotonic_in(1));
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.1", in(7000)), 0);
	assert_int_equal(list_set_next_deadline(s), monotonic_in(7000));
	assert_int_equal(list_set_remove_expired(s, monotonic_in(6000), NULL, NULL), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.1", WEIR_FOREVER), 0);
	assert_int_equal(list_set_next_deadline(s), WEIR_FOREVER);
	assert_int_equal(list_set_remove_expired(s, monotonic_in(8000), NULL, NULL), 0);
	assert_int_equal(list_set_remove(s, &e.key), 0);
}

static void texts_that_many_share_stay_those_of_each(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry e = entry_of(LIST_BLOCK, "198.18.0.0", WEIR_FOREVER);
	char reason[32];

	(void)unused;
	e.reason = reason;
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 256; i++) {
			snprintf(reason, sizeof(reason), "reason %d", (i + round) / 2);
			e.key.prefix.address[15] = (uint8_t)i;
			if (i % 5 == round)
				list_set_remove(s, &e.key);
			else
				assert_int_equal(list_set_add(s, &e, &now, NULL), 0);
		}
	for (int i = 0; i < 256; i++) {
		e.key.prefix.address[15] = (uint8_t)i;
		snprintf(reason, sizeof(reason), "reason %d", (i + 2) / 2);
		if (i % 5 == 2)
			assert_int_equal(list_set_find(s, &e.key, NULL), -ENOENT);
		else
			assert_string_equal(found(s, &e.key).reason, reason);
	}
}

static void counts_tell_addresses_from_prefixes(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();

	(void)unused;
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.1", in(10)), 0);
	assert_int_equal(add(s, LIST_BLOCK, "2001:db8::1", in(10)), 0);
	assert_int_equal(add(s, LIST_BLOCK, "2001:db8::/32", in(10)), 0);
	assert_int_equal(list_set_count(s, LIST_BLOCK).addresses, 2);
	assert_int_equal(list_set_count(s, LIST_BLOCK).prefixes, 1);
	assert_int_equal(list_set_count(s, LIST_ALLOW).addresses, 0);
}

static void kinds_are_known_by_name(void **unused)
{
	enum list_kind kind;

	(void)unused;
	for (int i = 0; i < LIST_KIND_MAX; i++) {
		assert_int_equal(list_kind_from_str(list_kind_to_str((enum list_kind)i), &kind), 0);
		assert_int_equal(kind, i);
	}
	assert_int_equal(list_kind_from_str("deny", &kind), -EINVAL);
	assert_string_equal(list_origin_to_str(LIST_OPERATOR), "operator");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(covering_finds_what_the_model_finds),
		cmocka_unit_test(a_wall_clock_step_moves_no_deadline),
		cmocka_unit_test(deadlines_at_the_ends_of_time_convert_without_wrapping),
		cmocka_unit_test(policy_operator_and_feeds_may_list_the_same_prefix),
		cmocka_unit_test(an_update_of_a_feed_keeps_since_when_what_stays_is_listed),
		cmocka_unit_test(there_are_so_many_feeds_and_no_more),
		cmocka_unit_test(replacing_the_policy_keeps_what_operators_added),
		cmocka_unit_test(of_equal_keys_in_one_load_the_later_deadline_counts),
		cmocka_unit_test(a_refused_load_changes_nothing),
		cmocka_unit_test(a_full_set_takes_the_last_prefix_and_refuses_one_more),
		cmocka_unit_test(input_beyond_its_limit_is_refused_by_name),
		cmocka_unit_test(a_listing_goes_on_after_its_last_entry_was_removed),
		cmocka_unit_test(expired_entries_are_handed_out_and_removed),
		cmocka_unit_test(a_deadline_that_was_changed_ends_an_entry_once),
		cmocka_unit_test(texts_that_many_share_stay_those_of_each),
		cmocka_unit_test(counts_tell_addresses_from_prefixes),
		cmocka_unit_test(kinds_are_known_by_name),
	};

	return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
