/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel is told of the lists. Random histories from fixed seeds are held against a model that
 * knows nothing of order or covering: it looks at every entry and every bit.
 */
#include "test_lists.h"

#define SEEDS	80
#define ROUNDS	30
#define PROBES	25
#define KERNEL	1024
#define ENTRIES 600

/* The kernel's table, as the steps leave it. */
struct kernel {
	struct list_image_entry entries[KERNEL];
	size_t count;
};

static size_t kernel_seek(const struct kernel *k, const struct prefix *p)
{
	size_t i = 0;

	while (i < k->count && prefix_compare(&k->entries[i].prefix, p) < 0)
		i++;
	return i;
}

/* The kernel rounds deadlines up. */
static void kernel_upsert(struct kernel *k, const struct list_image_entry *e)
{
	size_t i = kernel_seek(k, &e->prefix);

	if (i == k->count || prefix_compare(&k->entries[i].prefix, &e->prefix) != 0) {
		assert_true(k->count < KERNEL);
		memmove(&k->entries[i + 1], &k->entries[i], (k->count - i) * sizeof(k->entries[0]));
		k->count++;
	}
	k->entries[i] = *e;
	k->entries[i].value.allow_until_ns = list_until_round(e->value.allow_until_ns);
	k->entries[i].value.block_until_ns = list_until_round(e->value.block_until_ns);
}

static void kernel_delete(struct kernel *k, const struct prefix *p)
{
	size_t i = kernel_seek(k, p);

	assert_true(i < k->count && prefix_compare(&k->entries[i].prefix, p) == 0);
	k->count--;
	memmove(&k->entries[i], &k->entries[i + 1], (k->count - i) * sizeof(k->entries[0]));
}

static struct list_value kernel_value(const struct kernel *k, const uint8_t address[16])
{
	struct list_image image = {.entries = (struct list_image_entry *)(uintptr_t)k->entries,
				   .count = k->count};
	const struct list_value *v = list_image_lookup(&image, address);

	return v ? *v : (struct list_value){0};
}

/* As the datapath decides. */
static int verdict(struct list_value v, uint64_t now_ns)
{
	return v.allow_until_ns > now_ns ? 1 : v.block_until_ns > now_ns ? 2 : 0;
}

/* All that is listed, in no order. */
struct model {
	struct list_entry entries[ENTRIES];
	size_t count;
};

static void model_drop(struct model *m, bool (*drop)(const struct list_entry *e, const void *what),
		       const void *what)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++)
		if (!drop(&m->entries[i], what))
			m->entries[kept++] = m->entries[i];
	m->count = kept;
}

static bool same_key(const struct list_entry *e, const void *what)
{
	const struct list_key *key = what;

	return e->key.kind == key->kind && e->key.origin == key->origin &&
	       e->key.feed == key->feed && prefix_compare(&e->key.prefix, &key->prefix) == 0;
}

static bool same_feed(const struct list_entry *e, const void *what)
{
	return e->key.origin == LIST_FEED && e->key.feed == *(const unsigned int *)what;
}

static bool of_policy(const struct list_entry *e, const void *what)
{
	(void)what;
	return e->key.origin == LIST_POLICY;
}

static bool expired(const struct list_entry *e, const void *what)
{
	return e->key.origin != LIST_FEED && e->until_monotonic_ns <= *(const uint64_t *)what;
}

static void model_add(struct model *m, const struct list_entry *e)
{
	model_drop(m, same_key, &e->key);
	assert_true(m->count < ENTRIES);
	m->entries[m->count++] = *e;
}

/* The deadlines that hold for @address: what any lookup has to come to, to the kernel's unit. */
static struct list_value model_value(const struct model *m, const uint8_t address[16],
				     uint64_t now_ns)
{
	struct list_value v = {0};

	for (size_t i = 0; i < m->count; i++) {
		const struct list_entry *e = &m->entries[i];
		uint64_t *until_ns =
			e->key.kind == LIST_ALLOW ? &v.allow_until_ns : &v.block_until_ns;
		uint64_t rounded_ns = list_until_round(e->until_monotonic_ns);

		if (list_entry_active(e, now_ns) && model_covers(&e->key.prefix, address) &&
		    rounded_ns > *until_ns)
			*until_ns = rounded_ns;
	}
	return v;
}

/* Prefixes that the kernel has to have: no more, no fewer. */
static size_t model_prefixes(const struct model *m, uint64_t now_ns)
{
	const struct prefix ip4 = prefix_of("0.0.0.0/0");
	bool guarded = false, has_ip4 = false;
	size_t count = 0;

	for (size_t i = 0; i < m->count; i++) {
		const struct prefix *p = &m->entries[i].key.prefix;
		bool again = false;

		if (!list_entry_active(&m->entries[i], now_ns))
			continue;
		for (size_t j = 0; j < i; j++)
			again |= list_entry_active(&m->entries[j], now_ns) &&
				 prefix_compare(&m->entries[j].key.prefix, p) == 0;
		count += !again;
		has_ip4 |= prefix_compare(p, &ip4) == 0;
		guarded |= p->bits < 96 && prefix_covers(p, &ip4);
	}
	return count + (guarded && !has_ip4);
}

struct history {
	uint64_t state;
	struct list_set *s;
	struct model model;
	struct kernel kernel;
	uint64_t now_ns;
	unsigned int feeds[2];
};

static uint64_t random_until(struct history *h)
{
	uint64_t r = random_u64(&h->state);

	return r & 1 ? WEIR_FOREVER
		     : h->now_ns - now.monotonic_ns + in(0) + (r >> 8) % (20ULL << 30);
}

static struct list_entry random_entry(struct history *h)
{
	struct list_entry e = {.until_ns = random_until(h), .reason = "random"};
	uint64_t r = random_u64(&h->state);

	e.key.prefix = random_prefix(&h->state);
	e.key.kind = r & 1 ? LIST_ALLOW : LIST_BLOCK;
	e.key.origin = r & 2 ? LIST_POLICY : LIST_OPERATOR;
	e.until_monotonic_ns = e.until_ns == WEIR_FOREVER
				       ? WEIR_FOREVER
				       : now.monotonic_ns + (e.until_ns - now.real_ns);
	return e;
}

static void change_feed(struct history *h, unsigned int feed)
{
	struct list_entry e = {.key = {LIST_BLOCK, {{0}, 0}, LIST_FEED, feed}};
	struct prefix prefixes[40];
	size_t count = random_u64(&h->state) % ARRAY_SIZE(prefixes);

	e.key.kind = feed == h->feeds[0] ? LIST_BLOCK : LIST_ALLOW;
	e.until_ns = random_until(h);
	e.until_monotonic_ns = e.until_ns == WEIR_FOREVER
				       ? WEIR_FOREVER
				       : now.monotonic_ns + (e.until_ns - now.real_ns);
	model_drop(&h->model, same_feed, &feed);
	for (size_t i = 0; i < count; i++) {
		prefixes[i] = random_prefix(&h->state);
		e.key.prefix = prefixes[i];
		model_add(&h->model, &e);
	}
	assert_int_equal(feed_update(h->s, feed, prefixes, count, e.until_ns, NULL), 0);
}

static void change_policy(struct history *h)
{
	struct list_entry entries[20];
	size_t count = random_u64(&h->state) % ARRAY_SIZE(entries);

	model_drop(&h->model, of_policy, NULL);
	for (size_t i = 0; i < count; i++) {
		entries[i] = random_entry(h);
		entries[i].key.origin = LIST_POLICY;
		entries[i].until_ns = entries[i].until_monotonic_ns = WEIR_FOREVER;
		model_add(&h->model, &entries[i]);
	}
	assert_int_equal(list_set_replace_origin(h->s, LIST_POLICY, entries, count, &now, NULL), 0);
}

static void change(struct history *h)
{
	uint64_t what = random_u64(&h->state) % 16;

	if (what < 8) {
		struct list_entry e = random_entry(h);

		model_add(&h->model, &e);
		assert_int_equal(list_set_add(h->s, &e, &now, NULL), 0);
	} else if (what < 12 && h->model.count) {
		size_t i = random_u64(&h->state) % h->model.count;
		struct list_key key = h->model.entries[i].key;

		if (key.origin == LIST_FEED)
			return;
		model_drop(&h->model, same_key, &key);
		assert_int_equal(list_set_remove(h->s, &key), 0);
	} else if (what == 12) {
		change_policy(h);
	} else if (what == 13) {
		h->now_ns += random_u64(&h->state) % (5ULL << 30);
		list_set_remove_expired(h->s, h->now_ns, NULL, NULL);
		model_drop(&h->model, expired, &h->now_ns);
	} else {
		change_feed(h, h->feeds[what & 1]);
	}
}

static void each_step_shows_the_old_or_the_new_verdict(struct history *h, const struct kernel *from)
{
	for (int i = 0; i < PROBES; i++) {
		uint8_t address[16];
		int got;

		random_address(&h->state, address);
		got = verdict(kernel_value(&h->kernel, address), h->now_ns);
		if (got != verdict(kernel_value(from, address), h->now_ns))
			assert_int_equal(got, verdict(model_value(&h->model, address, h->now_ns),
						      h->now_ns));
	}
}

static void follow(struct history *h)
{
	_cleanup_(list_diff_done) struct list_diff diff = {0};
	_cleanup_free_ struct kernel *from = malloc(sizeof(*from));

	assert_non_null(from);
	*from = h->kernel;
	assert_int_equal(list_image_update(h->s, h->now_ns, &diff), 0);
	for (size_t i = 0; i < diff.upsert_count; i++) {
		kernel_upsert(&h->kernel, &diff.upserts[i]);
		each_step_shows_the_old_or_the_new_verdict(h, from);
	}
	for (size_t i = 0; i < diff.delete_count; i++) {
		kernel_delete(&h->kernel, &diff.deletes[i]);
		each_step_shows_the_old_or_the_new_verdict(h, from);
	}
}

static void the_kernel_has_what_the_model_says(struct history *h)
{
	_cleanup_(list_image_done) struct list_image copy = {0};

	for (int i = 0; i < 4 * PROBES; i++) {
		struct list_value got, want;
		uint8_t address[16];

		random_address(&h->state, address);
		got = kernel_value(&h->kernel, address);
		want = model_value(&h->model, address, h->now_ns);
		if (got.allow_until_ns > h->now_ns || want.allow_until_ns)
			assert_int_equal(got.allow_until_ns, want.allow_until_ns);
		if (got.block_until_ns > h->now_ns || want.block_until_ns)
			assert_int_equal(got.block_until_ns, want.block_until_ns);
	}
	assert_int_equal(list_image_copy(h->s, &copy), 0);
	assert_int_equal(copy.count, h->kernel.count);
	for (size_t i = 0; i < copy.count; i++)
		assert_int_equal(
			prefix_compare(&copy.entries[i].prefix, &h->kernel.entries[i].prefix), 0);
}

static struct history *history_new(uint64_t seed)
{
	struct history *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	h->state = seed * 7919;
	h->s = set_new();
	h->now_ns = now.monotonic_ns;
	h->feeds[0] = feed_new(h->s, LIST_BLOCK, "a");
	h->feeds[1] = feed_new(h->s, LIST_ALLOW, "b");
	return h;
}

static void history_free(struct history *h)
{
	list_set_free(h->s);
	free(h);
}

static void every_update_leads_there_and_no_step_shows_a_third_verdict(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct history *h = history_new(seed);

		for (int round = 0; round < ROUNDS; round++) {
			for (uint64_t n = random_u64(&h->state) % 8; n > 0; n--)
				change(h);
			follow(h);
			the_kernel_has_what_the_model_says(h);
		}
		/* What is expired is out of the kernel only once something asks for it. */
		list_set_remove_expired(h->s, h->now_ns, NULL, NULL);
		model_drop(&h->model, expired, &h->now_ns);
		follow(h);
		history_free(h);
	}
}

static void what_the_kernel_holds_is_no_more_than_what_is_in_force(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct history *h = history_new(seed * 31);
		const struct list_image nothing = {0};

		for (int i = 0; i < 60; i++)
			change(h);
		/* From nothing, so that all of it is looked at. */
		assert_int_equal(list_image_adopt(h->s, &nothing), 0);
		follow(h);
		assert_int_equal(h->kernel.count, model_prefixes(&h->model, h->now_ns));
		history_free(h);
	}
}

static void adopting_what_another_left_shows_no_third_verdict_either(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct history *a = history_new(seed * 131), *b = history_new(seed * 137);
		struct list_image held;

		for (int i = 0; i < 40; i++) {
			change(a);
			change(b);
		}
		follow(a);
		b->kernel = a->kernel;
		held = (struct list_image){b->kernel.entries, b->kernel.count};
		assert_int_equal(list_image_adopt(b->s, &held), 0);
		follow(b);
		the_kernel_has_what_the_model_says(b);
		assert_int_equal(b->kernel.count, model_prefixes(&b->model, b->now_ns));
		history_free(a);
		history_free(b);
	}
}

static void adopting_ones_own_image_changes_nothing(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct history *h = history_new(seed * 17);
		_cleanup_(list_diff_done) struct list_diff diff = {0};
		struct list_image held;

		for (int i = 0; i < 60; i++)
			change(h);
		list_set_remove_expired(h->s, h->now_ns, NULL, NULL);
		model_drop(&h->model, expired, &h->now_ns);
		follow(h);
		/* With deadlines as the kernel gives them back: rounded. */
		held = (struct list_image){h->kernel.entries, h->kernel.count};
		assert_int_equal(list_image_adopt(h->s, &held), 0);
		assert_int_equal(list_image_update(h->s, h->now_ns, &diff), 0);
		assert_int_equal(diff.upsert_count + diff.delete_count, 0);
		history_free(h);
	}
}

static struct list_image image_at(struct list_set *s, uint64_t now_ns)
{
	const struct list_image nothing = {0};
	struct list_diff diff;
	struct list_image image;

	assert_int_equal(list_image_adopt(s, &nothing), 0);
	assert_int_equal(list_image_update(s, now_ns, &diff), 0);
	assert_int_equal(diff.delete_count, 0);
	list_diff_done(&diff);
	assert_int_equal(list_image_copy(s, &image), 0);
	return image;
}

static struct list_value value_at(struct list_set *s, uint64_t now_ns, const char *address)
{
	_cleanup_(list_image_done) struct list_image image = image_at(s, now_ns);
	struct prefix p = prefix_of(address);
	const struct list_value *v = list_image_lookup(&image, p.address);

	return v ? *v : (struct list_value){0};
}

static void an_expired_long_prefix_does_not_hide_a_short_one(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_value v;

	(void)unused;
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.0/15", WEIR_FOREVER), 0);
	assert_int_equal(add(s, LIST_ALLOW, "198.18.1.1", in(10)), 0);
	v = value_at(s, now.monotonic_ns, "198.18.1.1");
	assert_int_equal(v.allow_until_ns, monotonic_in(10));
	assert_int_equal(v.block_until_ns, WEIR_FOREVER);
	v = value_at(s, monotonic_in(10), "198.18.1.1");
	assert_int_equal(v.allow_until_ns, 0);
	assert_int_equal(v.block_until_ns, WEIR_FOREVER);
}

static void blocking_all_of_ipv6_leaves_ipv4_alone(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();

	(void)unused;
	assert_int_equal(add(s, LIST_BLOCK, "::/0", WEIR_FOREVER), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.2", WEIR_FOREVER), 0);
	assert_int_equal(verdict(value_at(s, now.monotonic_ns, "198.18.0.1"), 1), 0);
	assert_int_equal(verdict(value_at(s, now.monotonic_ns, "198.18.0.2"), 1), 2);
	assert_int_equal(verdict(value_at(s, now.monotonic_ns, "2001:db8::1"), 1), 2);
}

static void blocking_all_of_ipv4_leaves_ipv6_alone(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();

	(void)unused;
	assert_int_equal(add(s, LIST_BLOCK, "0.0.0.0/0", WEIR_FOREVER), 0);
	assert_int_equal(verdict(value_at(s, now.monotonic_ns, "198.18.0.1"), 1), 2);
	assert_int_equal(verdict(value_at(s, now.monotonic_ns, "2001:db8::1"), 1), 0);
}

static void an_image_of_an_empty_set_is_empty(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	_cleanup_(list_image_done) struct list_image image = image_at(s, now.monotonic_ns);
	struct prefix v4 = prefix_of("198.18.0.1");
	struct list_entry e;

	(void)unused;
	assert_int_equal(image.count, 0);
	assert_null(list_image_lookup(&image, v4.address));
	assert_false(list_set_next(s, LIST_ALLOW, NULL, &e));
	assert_int_equal(list_set_next_deadline(s), WEIR_FOREVER);
}

static void an_update_holds_only_what_changed(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	_cleanup_(list_diff_done) struct list_diff first = {0}, diff = {0}, last = {0};
	struct prefix added = prefix_of("198.18.0.2"), gone = prefix_of("198.18.0.3");
	struct list_key key = {LIST_BLOCK, gone, LIST_OPERATOR, 0};

	(void)unused;
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.1", in(60)), 0);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.3", in(60)), 0);
	assert_int_equal(list_image_update(s, now.monotonic_ns, &first), 0);
	assert_int_equal(first.upsert_count, 2);
	assert_int_equal(add(s, LIST_BLOCK, "198.18.0.2", in(60)), 0);
	assert_int_equal(list_set_remove(s, &key), 0);
	assert_int_equal(list_image_update(s, now.monotonic_ns, &diff), 0);
	assert_int_equal(diff.upsert_count, 1);
	assert_int_equal(prefix_compare(&diff.upserts[0].prefix, &added), 0);
	assert_int_equal(diff.delete_count, 1);
	assert_int_equal(prefix_compare(&diff.deletes[0], &gone), 0);
	assert_int_equal(list_image_update(s, now.monotonic_ns, &last), 0);
	assert_int_equal(last.upsert_count + last.delete_count, 0);
}

static void what_the_kernel_held_stays_as_long_as_it_is_kept(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	struct list_image_entry held[] = {
		{prefix_of("198.18.0.0/24"), {.block_until_ns = WEIR_FOREVER}},
		{prefix_of("198.18.0.1"),
		 {.allow_until_ns = monotonic_in(9), .block_until_ns = WEIR_FOREVER}},
		{prefix_of("198.18.9.9"), {.block_until_ns = now.monotonic_ns}},
	};
	const struct list_image image = {held, ARRAY_SIZE(held)};
	_cleanup_(list_diff_done) struct list_diff diff = {0}, last = {0};
	struct list_entry e;

	(void)unused;
	assert_int_equal(list_image_adopt(s, &image), 0);
	assert_int_equal(list_set_keep(s, &image, 1 << LIST_BLOCK, &now, NULL), 0);
	assert_int_equal(total(s), 2);
	assert_int_equal(list_image_update(s, now.monotonic_ns, &diff), 0);
	/* Allow was not asked for, and the third had ended. */
	assert_int_equal(diff.upsert_count, 1);
	assert_int_equal(diff.upserts[0].value.allow_until_ns, 0);
	assert_int_equal(diff.upserts[0].value.block_until_ns, WEIR_FOREVER);
	assert_int_equal(diff.delete_count, 1);
	assert_true(list_set_next(s, LIST_BLOCK, NULL, &e));
	assert_int_equal(e.key.origin, LIST_KEPT);
	assert_int_equal(list_set_drop_kept(s), 2);
	assert_int_equal(list_image_update(s, now.monotonic_ns, &last), 0);
	assert_int_equal(last.delete_count, 2);
	assert_int_equal(total(s), 0);
}

/* Many blocks of nodes, deep nesting: what a change leaves must be what the whole would be built as. */
static void a_large_set_is_the_same_changed_bit_by_bit_or_built_at_once(void **unused)
{
	_cleanup_(list_set_freep) struct list_set *s = set_new();
	uint64_t state = 99;
	size_t feed = feed_new(s, LIST_BLOCK, "large");
	static struct prefix prefixes[20000];

	(void)unused;
	for (int round = 0; round < 12; round++) {
		_cleanup_(list_image_done) struct list_image bit_by_bit = {0}, at_once = {0};
		_cleanup_(list_diff_done) struct list_diff diff = {0};
		size_t changes = round % 3 ? 200 : ARRAY_SIZE(prefixes);
		size_t count = round == 7 ? 10 : round == 9 ? 0 : ARRAY_SIZE(prefixes);

		for (size_t i = 0; i < changes; i++) {
			uint64_t r = random_u64(&state);
			struct prefix *p = &prefixes[r % ARRAY_SIZE(prefixes)];

			*p = prefix_of("0.0.0.0");
			r = random_u64(&state);
			memcpy(p->address + 12, &r, 2 + (r >> 40) % 3);
			p->bits = (uint8_t)(r >> 48 & 1 ? 128 : 96 + (r >> 50) % 33);
			address_mask(p->address, p->bits);
		}
		assert_int_equal(
			feed_update(s, (unsigned int)feed, prefixes, count, WEIR_FOREVER, NULL), 0);
		for (int i = 0; i < 50; i++) {
			struct list_entry e = entry_of(LIST_ALLOW, "198.18.0.1", WEIR_FOREVER);

			e.key.prefix = prefixes[random_u64(&state) % ARRAY_SIZE(prefixes)];
			if (i % 2)
				list_set_remove(s, &e.key);
			else
				assert_int_equal(list_set_add(s, &e, &now, NULL), 0);
		}
		assert_int_equal(list_image_update(s, now.monotonic_ns, &diff), 0);
		assert_int_equal(list_image_copy(s, &bit_by_bit), 0);
		at_once = image_at(s, now.monotonic_ns);
		assert_int_equal(bit_by_bit.count, at_once.count);
		for (size_t i = 0; i < at_once.count; i++)
			assert_memory_equal(&bit_by_bit.entries[i], &at_once.entries[i],
					    sizeof(at_once.entries[i]));
	}
}

static void any_order_is_sorted_to_the_one_of_prefixes(void **unused)
{
	uint64_t state = 7;

	(void)unused;
	for (size_t count = 0; count < 3000; count = 2 * count + 1) {
		_cleanup_(list_image_done) struct list_image image = {
			calloc(count + 1, sizeof(*image.entries)), count};

		assert_non_null(image.entries);
		for (size_t i = 0; i < count; i++) {
			image.entries[i].prefix = random_prefix(&state);
			image.entries[i].value.allow_until_ns = i;
		}
		list_image_sort(&image);
		for (size_t i = 1; i < count; i++) {
			const struct list_image_entry *a = &image.entries[i - 1], *b = a + 1;
			int order = prefix_compare(&a->prefix, &b->prefix);

			assert_true(order <= 0);
			assert_true(order || a->value.allow_until_ns < b->value.allow_until_ns);
		}
	}
}

static void deadlines_round_up_and_for_ever_stays_so(void **unused)
{
	const uint64_t unit = 1ULL << WEIR_UNTIL_SHIFT;

	(void)unused;
	assert_int_equal(list_until_round(0), 0);
	assert_int_equal(list_until_round(1), unit);
	assert_int_equal(list_until_round(unit), unit);
	assert_int_equal(list_until_round(unit + 1), 2 * unit);
	assert_int_equal(list_until_round(WEIR_FOREVER), WEIR_FOREVER);
	assert_int_equal(list_until_round(WEIR_FOREVER - 1), WEIR_FOREVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_update_leads_there_and_no_step_shows_a_third_verdict),
		cmocka_unit_test(what_the_kernel_holds_is_no_more_than_what_is_in_force),
		cmocka_unit_test(adopting_what_another_left_shows_no_third_verdict_either),
		cmocka_unit_test(adopting_ones_own_image_changes_nothing),
		cmocka_unit_test(an_expired_long_prefix_does_not_hide_a_short_one),
		cmocka_unit_test(blocking_all_of_ipv6_leaves_ipv4_alone),
		cmocka_unit_test(blocking_all_of_ipv4_leaves_ipv6_alone),
		cmocka_unit_test(an_image_of_an_empty_set_is_empty),
		cmocka_unit_test(an_update_holds_only_what_changed),
		cmocka_unit_test(what_the_kernel_held_stays_as_long_as_it_is_kept),
		cmocka_unit_test(a_large_set_is_the_same_changed_bit_by_bit_or_built_at_once),
		cmocka_unit_test(any_order_is_sorted_to_the_one_of_prefixes),
		cmocka_unit_test(deadlines_round_up_and_for_ever_stays_so),
	};

	return cmocka_run_group_tests_name("lists/image", tests, NULL, NULL);
}
