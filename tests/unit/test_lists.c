/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The list set and its kernel image. Random sets from fixed seeds are held against a model that knows
 * nothing of order or covering: it looks at every entry and every bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lists/image.h"
#include "lists/set.h"

#define SEEDS  60
#define PROBES 300

static const struct list_now now = {.real_ns = 1700000000ULL << 30, .monotonic_ns = 5ULL << 40};

static uint64_t in(uint64_t seconds)
{
	return now.real_ns + seconds * 1000000000;
}

static uint64_t monotonic_in(uint64_t seconds)
{
	return now.monotonic_ns + seconds * 1000000000;
}

static struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static struct list_entry entry_of(enum list_kind kind, const char *prefix, uint64_t until_ns)
{
	return (struct list_entry){.key = {kind, prefix_of(prefix), LIST_OPERATOR},
				   .until_ns = until_ns,
				   .reason = "test"};
}

static struct list_set *set_new(void)
{
	struct list_set *s;

	assert_int_equal(list_set_new(&s), 0);
	return s;
}

static int add(struct list_set *s, enum list_kind kind, const char *prefix, uint64_t until_ns)
{
	struct list_entry e = entry_of(kind, prefix, until_ns);

	return list_set_add(s, &e, &now, NULL);
}

static size_t total(const struct list_set *s)
{
	struct list_count allow = list_set_count(s, LIST_ALLOW);
	struct list_count block = list_set_count(s, LIST_BLOCK);

	return allow.addresses + allow.prefixes + block.addresses + block.prefixes;
}

/* xorshift64 (Marsaglia 2003) */
static uint64_t random_u64(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Few distinct bits, so that random prefixes nest, meet and repeat. */
static void random_address(uint64_t *state, uint8_t ret[static 16])
{
	uint64_t r = random_u64(state);

	memset(ret, 0, 16);
	if (r & 1)
		ret[10] = ret[11] = 0xff;
	else
		ret[0] = (uint8_t)((r >> 1) & 0x40);
	ret[12] = (uint8_t)((r >> 8) & 0x81);
	ret[13] = (uint8_t)((r >> 16) & 0x11);
	ret[15] = (uint8_t)((r >> 24) & 0x83);
}

static struct list_entry random_entry(uint64_t *state)
{
	static const uint8_t lengths[] = {0,   1,   2,	 80,  95,  96,	97,
					  104, 111, 112, 120, 126, 128, 128};
	struct list_entry e = {.reason = "random", .until_ns = WEIR_FOREVER};
	uint64_t r = random_u64(state);

	random_address(state, e.key.prefix.address);
	e.key.prefix.bits = lengths[r % ARRAY_SIZE(lengths)];
	address_mask(e.key.prefix.address, e.key.prefix.bits);
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

static bool model_covers(const struct prefix *p, const uint8_t address[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (p->bits < 96 && memcmp(address, mapped, sizeof(mapped)) == 0)
		return false;
	for (unsigned int i = 0; i < p->bits; i++)
		if ((p->address[i / 8] ^ address[i / 8]) & (0x80 >> i % 8))
			return false;
	return true;
}

/* The deadlines that hold for @address: what any lookup has to come to. */
static struct weir_list_value model_value(const struct list_set *s, const uint8_t address[16])
{
	struct weir_list_value v = {0};

	for (const struct list_entry *e = list_set_next(s, NULL); e;
	     e = list_set_next(s, &e->key)) {
		__u64 *until_ns = e->key.kind == LIST_ALLOW ? &v.allow_until_ns : &v.block_until_ns;

		if (list_entry_active(e, now.monotonic_ns) &&
		    model_covers(&e->key.prefix, address) && e->until_monotonic_ns > *until_ns)
			*until_ns = e->until_monotonic_ns;
	}
	return v;
}

/* As bpf/lib/lists.h decides. */
static int verdict(const struct weir_list_value *v)
{
	if (!v)
		return 0;
	return v->allow_until_ns > now.monotonic_ns   ? 1
	       : v->block_until_ns > now.monotonic_ns ? 2
						      : 0;
}

static struct list_image image_of(const struct list_set *s)
{
	struct list_image image;

	assert_int_equal(list_image_build(s, now.monotonic_ns, &image), 0);
	for (size_t i = 1; i < image.count; i++)
		assert_true(prefix_compare(&image.entries[i - 1].prefix, &image.entries[i].prefix) <
			    0);
	return image;
}

static void longest_prefix_lookup_equals_all_covering_entries(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t state = seed;
		_cleanup_(list_set_freep) struct list_set *s = random_set(&state);
		_cleanup_(list_image_done) struct list_image image = image_of(s);

		for (int i = 0; i < PROBES; i++) {
			const struct weir_list_value *got;
			struct weir_list_value want;
			uint8_t address[16];

			random_address(&state, address);
			want = model_value(s, address);
			got = list_image_lookup(&image, address);
			assert_int_equal(got ? got->allow_until_ns : 0, want.allow_until_ns);
			assert_int_equal(got ? got->block_until_ns : 0, want.block_until_ns);
		}
	}
}

static void covering_finds_what_the_model_finds(void **unused)
{
	const struct list_entry *covering[LIST_COVERING_MAX];

	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t state = seed;
		_cleanup_(list_set_freep) struct list_set *s = random_set(&state);

		for (int i = 0; i < 50; i++) {
			uint8_t address[16];
			size_t count, found = 0;

			random_address(&state, address);
			count = list_set_covering(s, address, now.monotonic_ns, covering);
			for (const struct list_entry *e = list_set_next(s, NULL); e;
			     e = list_set_next(s, &e->key)) {
				if (!list_entry_active(e, now.monotonic_ns) ||
				    !model_covers(&e->key.prefix, address))
					continue;
				assert_true(found < count);
				assert_ptr_equal(covering[found++], e);
			}
			assert_int_equal(found, count);
		}
	}
}

static void an_expired_long_prefix_does_not_hide_a_short_one(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_image image;
	struct prefix source = prefix_of("198.18.1.1");

	(void)unused;
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.0/15", WEIR_FOREVER), 0);
	assert_int_equal(add(s, LIST_ALLOW, "198.18.1.1", in(10)), 0);
	image = image_of(s);
	assert_int_equal(image.count, 2);
	assert_int_equal(list_image_lookup(&image, source.address)->allow_until_ns,
			 monotonic_in(10));
	assert_int_equal(list_image_lookup(&image, source.address)->block_until_ns, WEIR_FOREVER);
	list_image_done(&image);

	assert_int_equal(list_image_build(s, monotonic_in(10), &image), 0);
	assert_int_equal(image.count, 1);
	assert_int_equal(list_image_lookup(&image, source.address)->allow_until_ns, 0);
	list_image_done(&image);
}

static void blocking_all_of_ipv6_leaves_ipv4_alone(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	_cleanup_(list_image_done) struct list_image image = {0};
	struct prefix v4 = prefix_of("198.18.0.1"), v6 = prefix_of("2001:db8::1");
	struct prefix blocked = prefix_of("198.18.0.2");

	(void)unused;
	assert_int_equal(add(s, LIST_BLOCK, "::/0", WEIR_FOREVER), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.2", WEIR_FOREVER), 0);
	image = image_of(s);
	assert_int_equal(verdict(list_image_lookup(&image, v4.address)), 0);
	assert_int_equal(verdict(list_image_lookup(&image, v6.address)), 2);
	assert_int_equal(verdict(list_image_lookup(&image, blocked.address)), 2);
}

static void blocking_all_of_ipv4_leaves_ipv6_alone(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	_cleanup_(list_image_done) struct list_image image = {0};
	struct prefix v4 = prefix_of("198.18.0.1"), v6 = prefix_of("2001:db8::1");

	(void)unused;
	assert_int_equal(add(s, LIST_BLOCK, "0.0.0.0/0", WEIR_FOREVER), 0);
	image = image_of(s);
	assert_int_equal(image.count, 1);
	assert_int_equal(verdict(list_image_lookup(&image, v4.address)), 2);
	assert_int_equal(verdict(list_image_lookup(&image, v6.address)), 0);
}

static void an_image_of_an_empty_set_is_empty(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	_cleanup_(list_image_done) struct list_image image = image_of(s);
	struct prefix v4 = prefix_of("198.18.0.1");
	struct list_diff diff;

	(void)unused;
	assert_int_equal(image.count, 0);
	assert_null(list_image_lookup(&image, v4.address));
	assert_int_equal(list_image_diff(&image, &image, &diff), 0);
	assert_int_equal(diff.upsert_count + diff.delete_count, 0);
	list_diff_done(&diff);
	assert_null(list_set_next(s, NULL));
	assert_int_equal(list_set_next_deadline(s), WEIR_FOREVER);
}

/* The kernel's maps while a diff is applied. */
struct kernel {
	struct list_image image;
};

static size_t kernel_seek(const struct kernel *k, const struct prefix *p)
{
	size_t i = 0;

	while (i < k->image.count && prefix_compare(&k->image.entries[i].prefix, p) < 0)
		i++;
	return i;
}

static void kernel_upsert(struct kernel *k, const struct list_image_entry *e)
{
	size_t i = kernel_seek(k, &e->prefix);
	struct list_image_entry *at = &k->image.entries[i];

	if (i == k->image.count || prefix_compare(&at->prefix, &e->prefix) != 0) {
		memmove(at + 1, at, (k->image.count - i) * sizeof(*at));
		k->image.count++;
	}
	*at = *e;
}

static void kernel_delete(struct kernel *k, const struct prefix *p)
{
	size_t i = kernel_seek(k, p);
	struct list_image_entry *at = &k->image.entries[i];

	assert_true(i < k->image.count && prefix_compare(&at->prefix, p) == 0);
	k->image.count--;
	memmove(at, at + 1, (k->image.count - i) * sizeof(*at));
}

static void verdicts_are_old_or_new(const struct kernel *k, const struct list_image *from,
				    const struct list_image *to, uint64_t *state)
{
	for (int i = 0; i < 40; i++) {
		uint8_t address[16];
		int got;

		random_address(state, address);
		got = verdict(list_image_lookup(&k->image, address));
		if (got != verdict(list_image_lookup(from, address)))
			assert_int_equal(got, verdict(list_image_lookup(to, address)));
	}
}

static void a_diff_leads_there_and_no_step_shows_a_third_verdict(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t state = seed * 7919;
		_cleanup_(list_set_freep) struct list_set *a = random_set(&state);
		_cleanup_(list_set_freep) struct list_set *b = random_set(&state);
		_cleanup_(list_image_done) struct list_image from = image_of(a);
		_cleanup_(list_image_done) struct list_image to = image_of(b);
		_cleanup_(list_diff_done) struct list_diff diff = {0};
		struct list_image_entry room[128];
		struct kernel k = {.image = {room, from.count}};

		assert_true(from.count + to.count <= ARRAY_SIZE(room));
		if (from.count)
			memcpy(room, from.entries, from.count * sizeof(room[0]));
		assert_int_equal(list_image_diff(&from, &to, &diff), 0);
		for (size_t i = 0; i < diff.upsert_count; i++) {
			kernel_upsert(&k, &diff.upserts[i]);
			verdicts_are_old_or_new(&k, &from, &to, &state);
		}
		for (size_t i = 0; i < diff.delete_count; i++) {
			kernel_delete(&k, &diff.deletes[i]);
			verdicts_are_old_or_new(&k, &from, &to, &state);
		}
		assert_int_equal(k.image.count, to.count);
		for (size_t i = 0; i < to.count; i++) {
			assert_int_equal(prefix_compare(&room[i].prefix, &to.entries[i].prefix), 0);
			assert_memory_equal(&room[i].value, &to.entries[i].value,
					    sizeof(room[i].value));
		}
	}
}

static void a_diff_holds_only_what_changed(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	_cleanup_(list_image_done) struct list_image before = {0}, after = {0};
	_cleanup_(list_diff_done) struct list_diff diff = {0};
	struct prefix added = prefix_of("198.18.0.2"), gone = prefix_of("198.18.0.3");
	struct list_key key = {LIST_BLOCK, gone, LIST_OPERATOR};

	(void)unused;
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.1", in(60)), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.3", in(60)), 0);
	before = image_of(s);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.2", in(60)), 0);
	assert_int_equal(list_set_remove(s, &key), 0);
	after = image_of(s);
	assert_int_equal(list_image_diff(&before, &after, &diff), 0);
	assert_int_equal(diff.upsert_count, 1);
	assert_int_equal(prefix_compare(&diff.upserts[0].prefix, &added), 0);
	assert_int_equal(diff.delete_count, 1);
	assert_int_equal(prefix_compare(&diff.deletes[0], &gone), 0);
}

static void a_wall_clock_step_moves_no_deadline(void **unused)
{
	const struct list_now stepped = {now.real_ns + 3600000000000ULL, now.monotonic_ns + 7};
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry e = entry_of(LIST_BLOCK, "198.18.0.1", in(60));

	(void)unused;
	assert_int_equal(list_set_add(s, &e, &now, NULL), 0);
	assert_int_equal(list_set_find(s, &e.key)->until_monotonic_ns, monotonic_in(60));
	assert_int_equal(list_set_add(s, &e, &stepped, NULL), 0);
	assert_int_equal(list_set_find(s, &e.key)->until_monotonic_ns, monotonic_in(60));
	assert_int_equal(list_set_replace_origin(s, LIST_OPERATOR, &e, 1, &stepped, NULL), 0);
	assert_int_equal(list_set_find(s, &e.key)->until_monotonic_ns, monotonic_in(60));

	/* Another deadline is a new one, by the clock as it is now. */
	e.until_ns = stepped.real_ns + 60;
	assert_int_equal(list_set_add(s, &e, &stepped, NULL), 0);
	assert_int_equal(list_set_find(s, &e.key)->until_monotonic_ns, stepped.monotonic_ns + 60);
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
		assert_int_equal(list_set_find(s, &e.key)->until_monotonic_ns, cases[i].want);
	}
	e.until_ns = WEIR_FOREVER - 2;
	assert_int_equal(list_set_add(s, &e, &at_boot, NULL), 0);
	assert_int_equal(list_set_find(s, &e.key)->until_monotonic_ns, WEIR_FOREVER - 1);
}

static void policy_and_operator_may_list_the_same_prefix_and_the_later_deadline_holds(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry policy = entry_of(LIST_BLOCK, "198.18.0.0/24", in(50));
	struct list_entry manual = entry_of(LIST_BLOCK, "198.18.0.0/24", in(90));
	struct list_image image;

	(void)unused;
	policy.key.origin = LIST_POLICY;
	assert_int_equal(list_set_add(s, &policy, &now, NULL), 0);
	assert_int_equal(list_set_add(s, &manual, &now, NULL), 0);
	assert_int_equal(total(s), 2);
	image = image_of(s);
	assert_int_equal(image.count, 1);
	assert_int_equal(image.entries[0].value.block_until_ns, monotonic_in(90));
	list_image_done(&image);

	assert_int_equal(list_set_remove(s, &manual.key), 0);
	assert_int_equal(list_set_remove(s, &manual.key), -ENOENT);
	image = image_of(s);
	assert_int_equal(image.entries[0].value.block_until_ns, monotonic_in(50));
	list_image_done(&image);
}

static void replacing_the_policy_keeps_what_operators_added(void **unused)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t state = seed * 31;
		_cleanup_(list_set_freep) struct list_set *s = random_set(&state);
		_cleanup_(list_set_freep) struct list_set *want = set_new();
		struct list_entry fresh[30];
		const struct list_entry *a, *b;

		for (size_t i = 0; i < ARRAY_SIZE(fresh); i++) {
			fresh[i] = random_entry(&state);
			fresh[i].until_ns = in(seed); /* so that equal keys are equal */
			fresh[i].key.origin = LIST_POLICY;
			assert_int_equal(list_set_add(want, &fresh[i], &now, NULL), 0);
		}
		for (a = list_set_next(s, NULL); a; a = list_set_next(s, &a->key))
			if (a->key.origin == LIST_OPERATOR)
				assert_int_equal(list_set_add(want, a, &now, NULL), 0);
		assert_int_equal(list_set_replace_origin(s, LIST_POLICY, fresh, ARRAY_SIZE(fresh),
							 &now, NULL),
				 0);
		assert_int_equal(total(s), total(want));
		a = list_set_next(s, NULL);
		b = list_set_next(want, NULL);
		for (; a && b; a = list_set_next(s, &a->key), b = list_set_next(want, &b->key)) {
			assert_int_equal(a->key.kind, b->key.kind);
			assert_int_equal(prefix_compare(&a->key.prefix, &b->key.prefix), 0);
			assert_int_equal(a->key.origin, b->key.origin);
			assert_int_equal(a->until_ns, b->until_ns);
		}
		assert_true(!a && !b);
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
	assert_int_equal(list_set_next(s, NULL)->until_ns, in(30));
}

static void a_refused_load_changes_nothing(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_entry entries[] = {
		entry_of(LIST_BLOCK, "198.18.0.1", WEIR_FOREVER),
		entry_of(LIST_BLOCK, "198.18.0.2", WEIR_FOREVER),
	};
	struct fault f;

	(void)unused;
	assert_int_equal(add(s, LIST_ALLOW, "198.18.0.9", WEIR_FOREVER), 0);
	entries[1].reason = "\xff";
	assert_int_equal(list_set_replace_origin(s, LIST_OPERATOR, entries, 2, &now, &f), -EINVAL);
	assert_string_equal(f.code, "list.reason");
	assert_int_equal(total(s), 1);
	assert_int_equal(list_set_next(s, NULL)->key.kind, LIST_ALLOW);
}

static void a_full_set_takes_the_last_entry_and_refuses_one_more(void **unused)
{
	_cleanup_free_ struct list_entry *entries = NULL;
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	_cleanup_(list_image_done) struct list_image image = {0};
	struct fault f;

	(void)unused;
	entries = calloc(WEIR_LIST_ENTRIES_MAX + 1, sizeof(*entries));
	assert_non_null(entries);
	for (uint32_t i = 0; i <= WEIR_LIST_ENTRIES_MAX; i++) {
		uint32_t scattered = i * 2654435761U; /* odd, so no two are equal */

		entries[i] = entry_of(i & 1 ? LIST_BLOCK : LIST_ALLOW, "198.18.0.1", WEIR_FOREVER);
		memcpy(&entries[i].key.prefix.address[12], &scattered, sizeof(scattered));
	}
	assert_int_equal(list_set_replace_origin(s, LIST_POLICY, entries, WEIR_LIST_ENTRIES_MAX + 1,
						 &now, &f),
			 -ENOSPC);
	assert_string_equal(f.code, "list.full");
	assert_int_equal(total(s), 0);
	assert_int_equal(list_set_replace_origin(s, LIST_POLICY, entries, WEIR_LIST_ENTRIES_MAX - 1,
						 &now, NULL),
			 0);
	assert_int_equal(list_set_add(s, &entries[WEIR_LIST_ENTRIES_MAX - 1], &now, NULL), 0);
	assert_int_equal(list_set_add(s, &entries[WEIR_LIST_ENTRIES_MAX], &now, &f), -ENOSPC);
	assert_string_equal(f.code, "list.full");
	assert_int_equal(total(s), WEIR_LIST_ENTRIES_MAX);
	/* What is there already can still be changed. */
	assert_int_equal(list_set_add(s, &entries[WEIR_LIST_ENTRIES_MAX - 1], &now, NULL), 0);
	image = image_of(s);
	assert_int_equal(image.count, WEIR_LIST_ENTRIES_MAX);
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
	assert_string_equal(list_set_find(s, &e.key)->reason, reason);
	assert_string_equal(list_set_find(s, &e.key)->added_by, author);

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
	struct list_key last;

	(void)unused;
	assert_int_equal(add(s, LIST_ALLOW, "198.18.0.5", WEIR_FOREVER), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.1", WEIR_FOREVER), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.3", WEIR_FOREVER), 0);
	last = list_set_next(s, NULL)->key;
	assert_int_equal(last.kind, LIST_ALLOW);
	assert_int_equal(list_set_remove(s, &last), 0);
	last = list_set_next(s, &last)->key;
	assert_int_equal(last.prefix.address[15], 1);
	assert_int_equal(list_set_remove(s, &last), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.2", WEIR_FOREVER), 0);
	last = list_set_next(s, &last)->key;
	assert_int_equal(last.prefix.address[15], 2);
	last = list_set_next(s, &last)->key;
	assert_int_equal(last.prefix.address[15], 3);
	assert_null(list_set_next(s, &last));
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
		cmocka_unit_test(longest_prefix_lookup_equals_all_covering_entries),
		cmocka_unit_test(covering_finds_what_the_model_finds),
		cmocka_unit_test(an_expired_long_prefix_does_not_hide_a_short_one),
		cmocka_unit_test(blocking_all_of_ipv6_leaves_ipv4_alone),
		cmocka_unit_test(blocking_all_of_ipv4_leaves_ipv6_alone),
		cmocka_unit_test(an_image_of_an_empty_set_is_empty),
		cmocka_unit_test(a_diff_leads_there_and_no_step_shows_a_third_verdict),
		cmocka_unit_test(a_diff_holds_only_what_changed),
		cmocka_unit_test(a_wall_clock_step_moves_no_deadline),
		cmocka_unit_test(deadlines_at_the_ends_of_time_convert_without_wrapping),
		cmocka_unit_test(
			policy_and_operator_may_list_the_same_prefix_and_the_later_deadline_holds),
		cmocka_unit_test(replacing_the_policy_keeps_what_operators_added),
		cmocka_unit_test(of_equal_keys_in_one_load_the_later_deadline_counts),
		cmocka_unit_test(a_refused_load_changes_nothing),
		cmocka_unit_test(a_full_set_takes_the_last_entry_and_refuses_one_more),
		cmocka_unit_test(input_beyond_its_limit_is_refused_by_name),
		cmocka_unit_test(a_listing_goes_on_after_its_last_entry_was_removed),
		cmocka_unit_test(expired_entries_are_handed_out_and_removed),
		cmocka_unit_test(counts_tell_addresses_from_prefixes),
		cmocka_unit_test(kinds_are_known_by_name),
	};

	return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
