/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of list entries and the index of IPv4 (include/weir/list.h), while packets are looking at
 * them. Every step is one store, in an order in which each packet finds what was there or what shall
 * be: an entry stands before the index leads to it, and the index leads elsewhere before an entry goes.
 * A packet that followed the index to an entry that is gone asks once more.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "bpf/limiter.skel.h"
#include "datapath/internal.h"

#define IP4_BITS 96 /* that an IPv4 prefix has in front */

/* A prefix as the table has it. */
struct key {
	__u64 address[2];
	uint32_t bits;
};

static struct key key_of(const struct prefix *prefix)
{
	struct key key = {.bits = prefix->bits};

	memcpy(key.address, prefix->address, sizeof(key.address));
	return key;
}

static bool is_ip4(const struct key *key)
{
	return key->bits >= IP4_BITS && !key->address[0] &&
	       (uint32_t)key->address[1] == 0xffff0000; /* as it stands in memory */
}

static uint32_t ip4_of(const struct key *key)
{
	return __builtin_bswap32((uint32_t)(key->address[1] >> 32));
}

static uint32_t length_of(const struct weir_entry *entry) /* + 1; 0 = free */
{
	return (uint32_t)(__atomic_load_n(&entry->state, __ATOMIC_RELAXED) >>
			  WEIR_ENTRY_LENGTH_SHIFT);
}

static bool is_spilled(const struct weir_entry_set *set)
{
	return __atomic_load_n(&set->entries[WEIR_ENTRY_WAYS - 1].state, __ATOMIC_RELAXED) &
	       WEIR_ENTRY_SPILLED;
}

static uint32_t first_set(const struct program *p, const struct key *key)
{
	return weir_entry_set_index(key->address, key->bits, p->seed, p->shape.entry_sets - 1);
}

static struct weir_entry *find(const struct program *p, const struct key *key)
{
	uint32_t index = first_set(p, key);

	for (unsigned int i = 0; i < WEIR_ENTRY_SPILL_MAX; i++) {
		struct weir_entry_set *set = &p->entries[index];

		for (unsigned int way = 0; way < WEIR_ENTRY_WAYS; way++) {
			struct weir_entry *entry = &set->entries[way];

			if (length_of(entry) == key->bits + 1 &&
			    memcmp(entry->address, key->address, sizeof(key->address)) == 0)
				return entry;
		}
		if (!is_spilled(set))
			break;
		index = (index + 1) & (p->shape.entry_sets - 1);
	}
	return NULL;
}

/* A free entry where @key may be. NULL: the table is too full there. */
static struct weir_entry *find_room(const struct program *p, const struct key *key)
{
	uint32_t index = first_set(p, key);

	for (unsigned int i = 0; i < WEIR_ENTRY_SPILL_MAX; i++) {
		struct weir_entry_set *set = &p->entries[index];

		for (unsigned int way = 0; way < WEIR_ENTRY_WAYS; way++)
			if (!length_of(&set->entries[way]))
				return &set->entries[way];
		if (!is_spilled(set))
			__atomic_fetch_or(&set->entries[WEIR_ENTRY_WAYS - 1].state,
					  WEIR_ENTRY_SPILLED, __ATOMIC_RELEASE);
		index = (index + 1) & (p->shape.entry_sets - 1);
	}
	return NULL;
}

static void write_entry(struct weir_entry *entry, const struct key *key, uint64_t until,
			uint64_t hits)
{
	uint64_t spilled = __atomic_load_n(&entry->state, __ATOMIC_RELAXED) & WEIR_ENTRY_SPILLED;

	entry->address[0] = key->address[0];
	entry->address[1] = key->address[1];
	entry->until_word = until;
	__atomic_store_n(&entry->state,
			 (key->bits + 1ULL) << WEIR_ENTRY_LENGTH_SHIFT | spilled | hits,
			 __ATOMIC_RELEASE);
}

static void clear_entry(struct weir_entry *entry)
{
	__atomic_fetch_and(&entry->state, WEIR_ENTRY_SPILLED, __ATOMIC_RELEASE);
}

/* The index */

#define INDEX24_PER_16 256U

static uint8_t *index16_byte(const struct program *p, uint32_t half)
{
	return &p->config->index16[half];
}

static void store_byte(uint8_t *byte, uint8_t value)
{
	__atomic_store_n(byte, value, __ATOMIC_RELEASE);
}

/* From now on the /16 is told apart by its /24s. */
static void descend(const struct program *p, uint32_t half)
{
	uint8_t *byte = index16_byte(p, half);

	if (*byte & WEIR_INDEX_DESCEND)
		return;
	for (unsigned int i = 0; i < INDEX24_PER_16; i++)
		store_byte(&p->config->index24[half << 8 | i], *byte);
	store_byte(byte, *byte | WEIR_INDEX_DESCEND);
}

/* Replace the cover @from (any shorter one if @shorter) by @to in one byte. */
static void cover_byte(uint8_t *byte, uint8_t from, bool shorter, uint8_t to)
{
	uint8_t cover = *byte & WEIR_INDEX_COVER;

	if (cover == from || (shorter && cover < from))
		store_byte(byte, (*byte & ~WEIR_INDEX_COVER) | to);
}

/* Likewise in all bytes under an IPv4 prefix of @bits4 <= 24. */
static void cover_all(const struct program *p, uint32_t address, uint32_t bits4, uint8_t from,
		      bool shorter, uint8_t to)
{
	uint32_t first = address >> 16, count = bits4 < 16 ? 1U << (16 - bits4) : 1;

	for (uint32_t half = first; half < first + count; half++) {
		uint8_t *byte = index16_byte(p, half);
		uint32_t low = bits4 > 16 ? address >> 8 & 0xff : 0;
		uint32_t wide = bits4 > 16 ? 1U << (24 - bits4) : INDEX24_PER_16;

		if (bits4 > 16)
			descend(p, half);
		else
			cover_byte(byte, from, shorter, to);
		if (*byte & WEIR_INDEX_DESCEND)
			for (uint32_t i = low; i < low + wide; i++)
				cover_byte(&p->config->index24[half << 8 | i], from, shorter, to);
	}
}

static void index_insert_ip4(struct datapath *d, const struct key *key)
{
	const struct program *p = &d->program;
	uint32_t address = ip4_of(key), bits4 = key->bits - IP4_BITS, half = address >> 16;
	uint8_t *byte, flag = WEIR_INDEX_EXACT;

	d->entries.by_length4[bits4]++;
	if (bits4 > 16)
		d->entries.deep[half]++;
	if (bits4 <= 24) {
		cover_all(p, address, bits4, (uint8_t)(bits4 + 1), true, (uint8_t)(bits4 + 1));
		return;
	}
	d->entries.longer[address >> 8]++;
	if (bits4 < 32)
		flag = bits4 < 28 ? WEIR_INDEX_LONG : WEIR_INDEX_LONGEST;
	if (bits4 < 32)
		__atomic_fetch_or(&p->config->live.long_ip4_lengths, 1U << (32 - bits4),
				  __ATOMIC_RELEASE);
	descend(p, half);
	byte = &p->config->index24[address >> 8];
	if (!(*byte & flag))
		store_byte(byte, *byte | flag);
}

/* The cover that is left over the IPv4 prefix @key once it is gone: length + 1, 0 = none. */
static uint8_t next_cover(const struct program *p, const struct key *key)
{
	struct key shorter = *key;

	while (shorter.bits-- > IP4_BITS) {
		uint8_t address[16];

		memcpy(address, shorter.address, sizeof(address));
		address_mask(address, shorter.bits);
		memcpy(shorter.address, address, sizeof(address));
		if (find(p, &shorter))
			return (uint8_t)(shorter.bits - IP4_BITS + 1);
	}
	return 0;
}

static void index_remove_ip4(struct datapath *d, const struct key *key)
{
	const struct program *p = &d->program;
	uint32_t address = ip4_of(key), bits4 = key->bits - IP4_BITS, half = address >> 16;
	uint8_t *byte;

	d->entries.by_length4[bits4]--;
	if (bits4 <= 24) {
		cover_all(p, address, bits4, (uint8_t)(bits4 + 1), false, next_cover(p, key));
	} else {
		byte = &p->config->index24[address >> 8];
		if (!--d->entries.longer[address >> 8])
			store_byte(byte, *byte & WEIR_INDEX_COVER);
		if (bits4 < 32 && !d->entries.by_length4[bits4])
			__atomic_fetch_and(&p->config->live.long_ip4_lengths, ~(1U << (32 - bits4)),
					   __ATOMIC_RELEASE);
	}
	/* Nothing longer than 16 bits is left: all bytes of the /16 say the same. */
	if (bits4 > 16 && !--d->entries.deep[half])
		store_byte(index16_byte(p, half), p->config->index24[half << 8] & WEIR_INDEX_COVER);
}

static __u64 *length_word(const struct program *p, uint32_t bits)
{
	return &p->config->live.ip6_lengths[WEIR_LENGTH_WORD(bits)];
}

static void index_insert(struct datapath *d, const struct key *key)
{
	d->entries.count++;
	if (is_ip4(key))
		index_insert_ip4(d, key);
	else if (!d->entries.by_length[key->bits]++)
		__atomic_fetch_or(length_word(&d->program, key->bits), WEIR_LENGTH_BIT(key->bits),
				  __ATOMIC_RELEASE);
}

static void index_remove(struct datapath *d, const struct key *key)
{
	d->entries.count--;
	if (is_ip4(key))
		index_remove_ip4(d, key);
	else if (!--d->entries.by_length[key->bits])
		__atomic_fetch_and(length_word(&d->program, key->bits), ~WEIR_LENGTH_BIT(key->bits),
				   __ATOMIC_RELEASE);
}

/* Deadlines */

static uint32_t until_of(uint64_t ns)
{
	uint64_t until;

	if (ns == WEIR_FOREVER)
		return WEIR_UNTIL_FOREVER;
	until = ns ? (ns - 1) / (1ULL << WEIR_UNTIL_SHIFT) + 1 : 0;
	return until < WEIR_UNTIL_FOREVER ? (uint32_t)until : WEIR_UNTIL_FOREVER - 1;
}

static uint64_t until_ns(uint32_t until)
{
	return until == WEIR_UNTIL_FOREVER ? WEIR_FOREVER : (uint64_t)until << WEIR_UNTIL_SHIFT;
}

static uint64_t until_word(const struct list_value *value)
{
	struct weir_entry entry = {
		.until = {until_of(value->allow_until_ns), until_of(value->block_until_ns)}};

	return entry.until_word;
}

/* Growing */

/* Hits of entry @number that the CPUs have not added to it yet. */
static uint32_t hits_pending(const struct program *p, uint32_t number)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < p->cpus; i++) {
		const struct weir_hits *hits = &p->cpu[i].hits[p->shape.hits_slot];

		sum += hits->entry == number ? hits->packets : 0;
	}
	return sum;
}

/* Write every entry of @from into @to, without its hits. */
static int copy_entries(const struct program *from, const struct program *to)
{
	for (uint32_t i = 0; i < from->shape.entry_sets * WEIR_ENTRY_WAYS; i++) {
		const struct weir_entry *entry =
			&from->entries[i / WEIR_ENTRY_WAYS].entries[i % WEIR_ENTRY_WAYS];
		struct weir_entry *room;
		struct key key = {.bits = length_of(entry) - 1};

		if (!length_of(entry))
			continue;
		memcpy(key.address, entry->address, sizeof(key.address));
		room = find_room(to, &key);
		if (!room)
			return -ENOSPC;
		write_entry(room, &key, entry->until_word, 0);
	}
	return 0;
}

/* @from has no packets any more. */
static void move_hits(const struct program *from, const struct program *to)
{
	for (unsigned int i = 0; i < to->cpus; i++) {
		struct weir_hits *pending = &to->cpu[i].hits[from->shape.hits_slot];

		from->entries[pending->entry / WEIR_ENTRY_WAYS]
			.entries[pending->entry % WEIR_ENTRY_WAYS]
			.state += pending->packets;
		*pending = (struct weir_hits){0};
	}
	for (uint32_t i = 0; i < from->shape.entry_sets * WEIR_ENTRY_WAYS; i++) {
		const struct weir_entry *entry =
			&from->entries[i / WEIR_ENTRY_WAYS].entries[i % WEIR_ENTRY_WAYS];
		uint64_t hits = entry->state & WEIR_ENTRY_HITS_MASK;
		struct weir_entry *now;
		struct key key = {.bits = length_of(entry) - 1};

		if (!length_of(entry) || !hits)
			continue;
		memcpy(key.address, entry->address, sizeof(key.address));
		now = find(to, &key);
		if (now)
			__atomic_fetch_add(&now->state, hits, __ATOMIC_RELAXED);
	}
}

/* Have a table of @sets. */
static int grow(struct datapath *d, uint32_t sets, struct fault *reterr)
{
	struct shape shape = d->program.shape;
	struct program next, old;
	int r;

	shape.entry_sets = sets;
	shape.hits_slot ^= 1;
	r = program_load(d->pin_dir, &d->program, &shape, d->program.seed, &next, reterr);
	if (r < 0)
		return r;
	r = fault_point(NULL, "entries.copy") ?: copy_entries(&d->program, &next);
	if (r < 0)
		fault(reterr, r, "datapath.lists", "the lists do not fit into %u sets", sets);
	else
		r = program_swap(d, &next, &old, reterr);
	if (r < 0) {
		program_discard(&next, &d->program);
		return r;
	}
	d->program.meta->hits_slot = shape.hits_slot;
	grace_wait_here();
	fault_point(NULL, "entries.hits"); /* to die at: nothing can fail */
	move_hits(&old, &d->program);
	program_done(&old);
	freed_reset(&d->entries.freed, 0);
	return 0;
}

/* The sets for @count entries: half of the places stay free. */
static uint32_t sets_for(uint32_t count)
{
	uint32_t sets = WEIR_ENTRY_SETS_MIN;

	while (sets * WEIR_ENTRY_WAYS < count * 2)
		sets *= 2;
	return sets;
}

uint64_t datapath_entries_bytes(size_t entries)
{
	return (uint64_t)sets_for((uint32_t)entries) * sizeof(struct weir_entry_set);
}

static int make_room(struct datapath *d, size_t more, struct fault *reterr)
{
	uint32_t sets = sets_for(d->entries.count + (uint32_t)more);

	if (sets <= d->program.shape.entry_sets)
		return 0;
	return grow(d, sets, reterr);
}

/* Applying */

static uint32_t place_of(const struct program *p, const struct weir_entry *entry)
{
	return (uint32_t)(entry - p->entries->entries);
}

/*
 * Before @key comes to where @entry is. What the index says of a /24 that is covered is one length, and a packet that
 * does not find it asks once more: it must not meet the same length again, of an entry that went and came.
 */
static void wait_for_packets(struct datapath *d, const struct weir_entry *entry,
			     const struct key *key)
{
	struct freed *freed = &d->entries.freed;
	bool covers = is_ip4(key) && key->bits <= IP4_BITS + 24;

	grace_wait(d->grace, covers ? freed->last
				    : freed_ticket(freed, place_of(&d->program, entry),
						   grace_over(d->grace)));
}

static int put(struct datapath *d, const struct list_image_entry *upsert, struct fault *reterr)
{
	struct key key = key_of(&upsert->prefix);
	uint64_t until = until_word(&upsert->value);
	struct weir_entry *entry = find(&d->program, &key);
	int r;

	if (entry) {
		r = fault_point(reterr, "entries.deadline");
		if (r < 0)
			return r;
		__atomic_store_n(&entry->until_word, until, __ATOMIC_RELEASE);
		return 0;
	}
	entry = find_room(&d->program, &key);
	if (!entry) { /* chance has put too many in a row */
		r = grow(d, d->program.shape.entry_sets * 2, reterr);
		if (r < 0)
			return r;
		entry = find_room(&d->program, &key);
		if (!entry)
			return fault(reterr, -ENOSPC, "datapath.lists", "no room for an entry");
	}
	wait_for_packets(d, entry, &key);
	r = fault_point(reterr, "entries.write");
	if (r < 0)
		return r;
	write_entry(entry, &key, until, 0);
	r = fault_point(reterr, "entries.index");
	index_insert(d, &key); /* an entry that stands is in the index, whatever comes next */
	return r;
}

static int take_out(struct datapath *d, const struct prefix *prefix, struct fault *reterr)
{
	struct key key = key_of(prefix);
	struct weir_entry *entry = find(&d->program, &key);
	int r;

	if (!entry)
		return 0;
	r = fault_point(reterr, "entries.unindex");
	if (r < 0)
		return r;
	index_remove(d, &key);
	r = fault_point(reterr, "entries.clear");
	clear_entry(entry);
	freed_add(&d->entries.freed, place_of(&d->program, entry));
	return r;
}

int datapath_apply_lists(struct datapath *d, const struct list_diff *diff, struct fault *reterr)
{
	int r = make_room(d, diff->upsert_count, reterr);

	for (size_t i = 0; i < diff->upsert_count && r == 0; i++)
		r = put(d, &diff->upserts[i], reterr);
	for (size_t i = 0; i < diff->delete_count && r == 0; i++)
		r = take_out(d, &diff->deletes[i], reterr);
	if (diff->delete_count)
		freed_begun(&d->entries.freed, grace_begin(d->grace));
	return r;
}

/* Reading */

int datapath_read_lists(const struct datapath *d, struct list_image *ret, struct fault *reterr)
{
	const struct program *p = &d->program;
	struct list_image_entry *entries = calloc(d->entries.count + 1, sizeof(*entries));
	size_t count = 0;

	if (!entries)
		return fault(reterr, -ENOMEM, "datapath.lists", "out of memory");
	for (uint32_t i = 0; i < p->shape.entry_sets * WEIR_ENTRY_WAYS; i++) {
		const struct weir_entry *entry =
			&p->entries[i / WEIR_ENTRY_WAYS].entries[i % WEIR_ENTRY_WAYS];
		struct list_image_entry *to = &entries[count];

		if (!length_of(entry) || count == d->entries.count)
			continue;
		to->prefix.bits = (uint8_t)(length_of(entry) - 1);
		memcpy(to->prefix.address, entry->address, sizeof(to->prefix.address));
		to->value.allow_until_ns = until_ns(entry->until.allow);
		to->value.block_until_ns = until_ns(entry->until.block);
		count++;
	}
	*ret = (struct list_image){.entries = entries, .count = count};
	list_image_sort(ret);
	return 0;
}

int datapath_entry_hits(const struct datapath *d, const struct prefix *prefix, uint64_t *ret)
{
	const struct program *p = &d->program;
	struct key key = key_of(prefix);
	const struct weir_entry *entry = find(p, &key);

	if (!entry)
		return -ENOENT;
	*ret = (__atomic_load_n(&entry->state, __ATOMIC_RELAXED) & WEIR_ENTRY_HITS_MASK) +
	       hits_pending(p, place_of(p, entry));
	return 0;
}

/* The counts, and the index once more: a daemon may have died between an entry and its index. */
int entries_adopt(struct datapath *d, struct fault *reterr)
{
	const struct program *p = &d->program;

	d->entries.longer = calloc(1 << 24, sizeof(*d->entries.longer));
	if (!d->entries.longer)
		return fault(reterr, -ENOMEM, "datapath.load", "out of memory");
	for (uint32_t i = 0; i < p->shape.entry_sets * WEIR_ENTRY_WAYS; i++) {
		const struct weir_entry *entry =
			&p->entries[i / WEIR_ENTRY_WAYS].entries[i % WEIR_ENTRY_WAYS];
		struct key key = {.bits = length_of(entry) - 1};

		if (!length_of(entry))
			continue;
		memcpy(key.address, entry->address, sizeof(key.address));
		index_insert(d, &key);
	}
	return 0;
}

void entries_done(struct entries *e)
{
	free(e->longer);
	e->longer = NULL;
}
