/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage: allow and block lists by source address; include/weir/list.h has the tables. Expiry is decided
 * here, by time, so a daemon that is gone blackholes nobody. */
#ifndef LIB_LISTS_H
#define LIB_LISTS_H

#include "lib/bits.h"
#include "lib/clock.h"
#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/settings.h"
#include "lib/wire.h"

#define LISTS_NONE (-1)

static __always_inline struct weir_entry *lists_entry(__u32 number)
{
	__u32 index = number / WEIR_ENTRY_WAYS;
	struct weir_entry_set *set = bpf_map_lookup_elem(&weir_entries, &index);

	if (!set)
		return NULL;
	/* The verifier wants the sum behind the question. */
	__asm__ volatile("" : "+r"(set));
	return &set->entries[number & (WEIR_ENTRY_WAYS - 1)];
}

static __always_inline int lists_is(const struct weir_entry *entry, __u64 high, __u64 low,
				    __u32 bits)
{
	return entry->address[1] == low && entry->address[0] == high &&
	       *(const volatile __u64 *)&entry->state >> WEIR_ENTRY_LENGTH_SHIFT == bits + 1;
}

/* The number of the entry {@high @low, @bits}, which are masked; LISTS_NONE. Global for the verifier's
 * sake, as the next one, see lib/limits.h. */
__noinline int lists_find(__u64 high, __u64 low, __u32 bits)
{
	__u64 address[2] = {high, low};
	__u32 index = weir_entry_set_index(address, bits, weir_seed, weir_entry_mask);

	for (int i = 0; i < WEIR_ENTRY_SPILL_MAX; i++) {
		const struct weir_entry_set *set = bpf_map_lookup_elem(&weir_entries, &index);

		if (!set)
			break;
		if (lists_is(&set->entries[0], high, low, bits))
			return (int)(index * WEIR_ENTRY_WAYS);
		if (lists_is(&set->entries[1], high, low, bits))
			return (int)(index * WEIR_ENTRY_WAYS + 1);
		if (!(set->entries[1].state & WEIR_ENTRY_SPILLED))
			break;
		index = (index + 1) & weir_entry_mask;
	}
	return LISTS_NONE;
}

/*
 * The entry of an IPv4 address by itself: nearly all that is listed. In the set, which of the two it is depends
 * on nothing that a processor could guess, so that is no branch. *@number: LISTS_NONE if it is not in its
 * own set, and *@elsewhere whether it may be in another one.
 */
static __always_inline struct weir_entry *lists_find_address(__u64 low, int *number, int *elsewhere)
{
	__u64 address[2] = {0, low}, second;
	__u32 index = weir_entry_set_index(address, 128, weir_seed, weir_entry_mask);
	struct weir_entry_set *set = bpf_map_lookup_elem(&weir_entries, &index);
	struct weir_entry *entry;

	*number = LISTS_NONE;
	*elsewhere = 0;
	if (!set)
		return NULL;
	second = weir_equal(set->entries[1].address[1], low);
	entry = &set->entries[second & 1];
	if (lists_is(entry, 0, low, 128)) {
		*number = (int)(index * WEIR_ENTRY_WAYS + second);
		return entry;
	}
	/* A shorter prefix may have the same address, and what did not fit is in the next set. */
	*elsewhere = second || set->entries[1].state & WEIR_ENTRY_SPILLED;
	return NULL;
}

/* The first @bits of a word in network order, as a mask. */
static __always_inline __u64 lists_mask(__u32 bits)
{
	return bits ? __builtin_bswap64(~0ULL << (64 - bits)) : 0;
}

/* The longest entry among the lengths in @lengths, of which the lowest bit stands for @longest bits, the
 * next for one less and so on. */
__noinline int lists_find_longest(__u64 high, __u64 low, __u64 lengths, __u32 longest)
{
	for (int i = 0; i < 64 && lengths; i++) {
		__u32 bits = longest - bits_lowest(lengths);
		int number;

		lengths &= lengths - 1;
		if (bits > 128)
			break;
		if (bits >= 64)
			low &= lists_mask(bits - 64);
		else
			low = 0;
		if (bits < 64)
			high &= lists_mask(bits);
		number = lists_find(high, low, bits);
		if (number != LISTS_NONE)
			return number;
	}
	return LISTS_NONE;
}

/* What the index says of an IPv4 address: a byte as the one of a /24 is. */
static __always_inline __u32 lists_ip4_code(__u32 address)
{
	__u32 half = address >> 16, code;

	/* Older verifiers do not know what a byte swap leaves, and clang sees no need for the mask. */
	__asm__ volatile("" : "+r"(half));
	code = *(volatile __u8 *)&weir_config.index16[half & 0xffff];
	if (code & WEIR_INDEX_DESCEND)
		code = *(volatile __u8 *)&weir_config.index24[address >> 8];
	return code;
}

/* The longest entry that @code speaks of. */
static __always_inline int lists_find_coded(__u64 low, __u32 code)
{
	__u64 lengths = code & WEIR_INDEX_EXACT ? WEIR_LENGTH_BIT(128) : 0;
	__u32 cover = code & WEIR_INDEX_COVER;

	if (code & WEIR_INDEX_LONGEST)
		lengths |= weir_config.live.long_ip4_lengths & WEIR_LENGTHS_LONGEST;
	if (code & WEIR_INDEX_LONG)
		lengths |= weir_config.live.long_ip4_lengths & WEIR_LENGTHS_LONG;
	if (cover) /* 1 is /0 */
		lengths |= 1ULL << (33 - cover);
	return lists_find_longest(0, low, lengths, 128);
}

/* The entry of an IPv4 address that is not in its place, or none by itself. @code: what the index said;
 * @elsewhere: the address may be an entry. Global for the verifier's sake. */
__noinline int lists_find_ip4(const struct packet *packet, __u32 code, __u32 elsewhere)
{
	__u32 again;
	__u64 low;
	int number;

	if (!packet)
		return LISTS_NONE;
	low = packet->source_words[1];
	number = lists_find_coded(low, elsewhere ? code : code & ~WEIR_INDEX_EXACT);
	if (number != LISTS_NONE)
		return number;
	/* The entry that the index spoke of was removed meanwhile: the index knows what covers us now. */
	again = lists_ip4_code(wire_u32(packet->source_quads[3]));
	return again == code ? LISTS_NONE : lists_find_coded(low, again);
}

static __always_inline int lists_find_ip6(const struct packet *packet)
{
	const struct weir_live *live = &weir_config.live;
	__u64 high = packet->source_words[0], low = packet->source_words[1];
	int number = LISTS_NONE;

	if (live->ip6_lengths[0])
		number = lists_find_longest(high, low, live->ip6_lengths[0], 128);
	if (number == LISTS_NONE && live->ip6_lengths[1])
		number = lists_find_longest(high, low, live->ip6_lengths[1], 64);
	if (number == LISTS_NONE && live->ip6_lengths[2])
		number = lists_find_longest(0, 0, live->ip6_lengths[2], 0);
	return number;
}

/* Count a packet that entry @number decided. Rows of them are added in one go. */
static __always_inline void lists_hit(struct weir_cpu *cpu, int number)
{
	struct weir_hits *hits = &cpu->hits[weir_hits_slot & 1];
	struct weir_entry *entry;

	/* One pointer, instead of the same sum in front of every access. */
	__asm__ volatile("" : "+r"(hits));
	if (hits->entry == (__u32)number && hits->packets < WEIR_HITS_MAX) {
		hits->packets++;
		return;
	}
	entry = lists_entry(hits->entry);
	if (entry && hits->packets)
		__sync_fetch_and_add(&entry->state, hits->packets);
	hits->entry = (__u32)number;
	hits->packets = 1;
}

/* @until has not come yet. */
static __always_inline int lists_in_force(struct weir_cpu *cpu, __u32 until, struct packet *packet)
{
	return until == WEIR_UNTIL_FOREVER ||
	       (until && until > clock_now_ns(cpu, packet) >> WEIR_UNTIL_SHIFT);
}

/* What @entry says of the packet. */
static __always_inline int lists_decide(struct weir_cpu *cpu, struct packet *packet,
					const struct weir_entry *entry, int number)
{
	__u64 word = *(const volatile __u64 *)&entry->until_word;
	struct weir_until until = {.allow = (__u32)word, .block = word >> 32};
	int reason = WEIR_REASON_BLOCKED;

	if (lists_in_force(cpu, until.allow, packet))
		reason = WEIR_REASON_ALLOWED;
	else if (!lists_in_force(cpu, until.block, packet))
		return WEIR_NEXT;
	lists_hit(cpu, number);
	return reason;
}

static __always_inline int lists_check(struct weir_cpu *cpu, struct packet *packet)
{
	const struct weir_entry *entry = NULL;
	int number = LISTS_NONE;

	if (packet->is_ip6) {
		number = lists_find_ip6(packet);
	} else {
		__u32 code = lists_ip4_code(wire_u32(packet->source_quads[3]));
		int elsewhere = 0;

		if (!code)
			return WEIR_NEXT;
		/* Nearly always, if anything, and then a processor need not wait for the index to go on. */
		if (code & WEIR_INDEX_EXACT)
			entry = lists_find_address(packet->source_words[1], &number, &elsewhere);
		if (!entry)
			number = lists_find_ip4(packet, code, elsewhere);
	}
	if (!entry && number != LISTS_NONE)
		entry = lists_entry((__u32)number);
	return entry ? lists_decide(cpu, packet, entry, number) : WEIR_NEXT;
}

#endif
