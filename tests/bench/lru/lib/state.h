/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * In place of bpf/lib/state.h: a word per {limit, source} in an LRU hash of the kernel's, which is how one
 * would do it without a table of one's own. A source that is refused costs one lookup, a new one that and
 * one insertion. What limits keep for all packets together is in an array, as with the product. Knows the
 * scopes of the policy that is measured: source and global.
 */
#ifndef LIB_STATE_H
#define LIB_STATE_H

#include <weir/cells.h>
#include <weir/key.h>

#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/settings.h"
#include "lib/weigh.h"

#define STATE_ATTEMPTS 8
#define STATE_IS_LRU   /* there are no cells */

struct bench_key {
	__u64 limit;
	__u64 source[2];
};

/* key -> word; the datapath; userspace sizes it by the policy before loading */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, WEIR_SOURCES_DEFAULT);
	__type(key, struct bench_key);
	__type(value, __u64);
} bench_lru SEC(".maps");

/* number of the limit's own -> word; the datapath */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_CELL_FIXED);
	__type(key, __u32);
	__type(value, __u64);
} bench_fixed SEC(".maps");

static __always_inline struct weir_limit_count *state_count(struct weir_cpu *cpu,
							    const struct weir_limit *limit)
{
	return &cpu->limits[limit->slot & (WEIR_LIMIT_SLOTS - 1)];
}

/* For open connections only, which are counted elsewhere. */
static __always_inline void state_locate(const struct weir_limit *limit,
					 const struct packet *packet, struct weir_charge *ret)
{
	struct weir_key_parts parts = {
		.source = packet->source_words,
		.destination = packet->destination_words,
		.tenant = packet->tenant,
		.is_ip6 = packet->is_ip6,
	};

	ret->tag = weir_key_tag(limit, &parts, weir_seed);
}

static __always_inline struct bench_key state_key(const struct weir_limit *limit,
						  const struct packet *packet)
{
	__u64 low = packet->source_words[1] & (__u64)limit->source_mask4 << 32;

	if (packet->is_ip6)
		low = limit->whole_ip6 ? packet->source_words[1] : 0;
	return (struct bench_key){
		.limit = limit->key,
		.source = {packet->source_words[0] & limit->source_mask6, low},
	};
}

static __always_inline __u64 *state_word(const struct weir_limit *limit,
					 const struct packet *packet)
{
	__u32 fixed = limit->fixed_set;
	struct bench_key key;

	if (fixed)
		return bpf_map_lookup_elem(&bench_fixed, &fixed);
	key = state_key(limit, packet);
	return bpf_map_lookup_elem(&bench_lru, &key);
}

/* The key's first word. */
static __always_inline int state_insert(const struct weir_limit *limit, const struct packet *packet,
					struct weir_charge *charge)
{
	struct bench_key key = state_key(limit, packet);
	__u64 next;

	weigh_next(limit, packet, 0, &next);
	if (bpf_map_update_elem(&bench_lru, &key, &next, BPF_NOEXIST))
		return 0;
	charge->way = 0;
	charge->word = next;
	return 1;
}

static __always_inline int state_swap(const struct weir_limit *limit, const struct packet *packet,
				      struct weir_charge *charge, __u64 *word)
{
	__u64 next;

	weigh_next(limit, packet, charge->word, &next);
	if (!cells_swap(word, charge->word, next))
		return 0;
	charge->word = next;
	return 1;
}

static __always_inline int state_find(const struct weir_limit *limit, const struct packet *packet,
				      struct weir_charge *ret)
{
	__u64 *word = state_word(limit, packet);

	ret->tag = 1; /* there is something to charge */
	ret->way = CELLS_NONE;
	ret->word = 0;
	if (!word)
		return 0;
	ret->way = 0;
	ret->word = cells_read(word);
	return 1;
}

/* There is always room: whoever was quiet longest gives way. */
static __always_inline int state_find_room(__attribute__((unused)) const struct weir_limit *limit,
					   __attribute__((unused)) struct packet *packet,
					   __attribute__((unused)) struct weir_charge *charge,
					   __attribute__((unused)) __u64 tick)
{
	return 0;
}

static __always_inline int state_bring(__attribute__((unused)) struct packet *packet,
				       __attribute__((unused)) struct weir_charge *charge)
{
	return WEIR_NEXT;
}

/* Global for the verifier's sake, see lib/limits.h. */
__noinline int state_charge_slowly(const struct weir_limit *limit, struct packet *packet,
				   struct weir_charge *charge, __u64 tick)
{
	if (!limit || !packet || !charge)
		return WEIR_REASON_CONTENDED;
	for (int i = 0; i < STATE_ATTEMPTS; i++) {
		__u64 *word = state_word(limit, packet);

		charge->word = word ? cells_read(word) : 0;
		if (!weigh(limit, packet, charge->word, tick))
			return weigh_over(limit);
		if (word ? state_swap(limit, packet, charge, word)
			 : state_insert(limit, packet, charge))
			return WEIR_NEXT;
	}
	return WEIR_REASON_CONTENDED;
}

/* The word is looked up once more where the packet was let pass: its address may not be kept. */
static __always_inline int state_charge(const struct weir_limit *limit, struct packet *packet,
					struct weir_charge *charge, __u64 tick)
{
	__u64 *word;

	if (charge->way >= CELLS_NONE) {
		if (state_insert(limit, packet, charge))
			return WEIR_NEXT;
		return state_charge_slowly(limit, packet, charge, tick);
	}
	word = state_word(limit, packet);
	if (word && state_swap(limit, packet, charge, word))
		return WEIR_NEXT;
	return state_charge_slowly(limit, packet, charge, tick);
}

__noinline int state_refund(const struct weir_limit *limit, struct packet *packet,
			    struct weir_charge *charge)
{
	__u64 *word;

	if (!limit || !packet || !charge)
		return 0;
	word = state_word(limit, packet);
	for (int i = 0; word && i < STATE_ATTEMPTS; i++) {
		__u64 seen = cells_read(word);
		__u64 back = algorithm_refund(limit, charge->word, seen,
					      clock_exact_ns() << WEIR_TIME_SHIFT,
					      weigh_units(limit, packet));

		if (!back || cells_swap(word, seen, seen - back))
			break;
	}
	return 0;
}

#endif
