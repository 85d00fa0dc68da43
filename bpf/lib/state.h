/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where limits have their state: a word per key, in cells. This is all that knows of the table; who wants to
 * try another one gives lib/limits.h the same three: state_find(), state_charge() and state_refund()
 * (tests/bench does so with an LRU hash).
 */
#ifndef LIB_STATE_H
#define LIB_STATE_H

#include <weir/cells.h>
#include <weir/key.h>

#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/settings.h"
#include "lib/timing.h"
#include "lib/weigh.h"

/* Attempts at one word before the strict side wins. Each failure means another CPU succeeded. */
#define STATE_ATTEMPTS	   8
#define STATE_AGAIN	   (-2) /* another CPU was faster */
/* Two CPUs may note a moment at once, and the earlier one remain; nor is it noted each time: 1 s. */
#define STATE_COARSE_SLACK (1000000000ULL << WEIR_TIME_SHIFT)
#define STATE_NO_ROOM	   (-3)

/* set -> cells: the words of all limits; the datapath, by compare-and-swap; 64 bytes a set */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WEIR_CELL_FIXED + WEIR_CELL_SETS_MIN);
	__type(key, __u32);
	__type(value, struct weir_cell_set);
} weir_cells SEC(".maps");

/* the same while that table is replaced by one of another size: the old one; otherwise a single set */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_cell_set);
} weir_cells_was SEC(".maps");

static __always_inline struct weir_cell_set *state_set(const struct weir_charge *charge)
{
	__u32 index = charge->set;

	return bpf_map_lookup_elem(&weir_cells, &index);
}

static __always_inline struct weir_limit_count *state_count(struct weir_cpu *cpu,
							    const struct weir_limit *limit)
{
	return &cpu->limits[limit->slot & (WEIR_LIMIT_SLOTS - 1)];
}

static __always_inline struct weir_key_parts state_key_parts(const struct packet *packet)
{
	return (struct weir_key_parts){
		.source = packet->source_words,
		.destination = packet->destination_words,
		.tenant = packet->tenant,
		.is_ip6 = packet->is_ip6,
	};
}

/* A quota is found by the slot that stays its tenant's, and not by the number of one policy. */
static __always_inline __u32 state_slot(const struct weir_limit *limit, const struct packet *packet)
{
	const struct weir_tenants *tenants;
	__u32 zero = 0;

	tenants = bpf_map_lookup_elem(&weir_tenants, &zero);
	return tenants ? tenants->slots[limit->tenant_copy & 1]
				       [packet->tenant & (WEIR_TENANTS_MAX - 1)]
		       : 0;
}

static __always_inline void state_locate(const struct weir_limit *limit,
					 const struct packet *packet, struct weir_charge *ret)
{
	struct weir_key_parts parts = state_key_parts(packet);

	if (settings_has(WEIR_FEATURE_QUOTA) && limit->algorithm == WEIR_ALGORITHM_QUOTA)
		parts.tenant = state_slot(limit, packet);
	ret->tag = weir_key_tag(limit, &parts, weir_seed);
	ret->set = weir_key_set(limit, parts.tenant, ret->tag, weir_cell_mask);
}

/* The cell that a source shares with its neighbours when its own set is full. */
static __always_inline void state_locate_coarse(const struct weir_limit *limit,
						const struct packet *packet,
						struct weir_charge *ret)
{
	struct weir_key_parts parts = state_key_parts(packet);

	ret->tag = weir_key_coarse_tag(limit, &parts, weir_seed);
	ret->set = weir_cell_set_index(ret->tag, weir_cell_mask);
}

/* Until when cells that sources share may say something under @limit; see WEIR_CELL_COARSE. */
static __always_inline __u64 *state_coarse_until(const struct weir_limit *limit)
{
	__u32 index = WEIR_CELL_COARSE + (limit->slot & (WEIR_LIMIT_SLOTS - 1));
	struct weir_cell_set *set = bpf_map_lookup_elem(&weir_cells, &index);

	return set ? &set->cells[0].word : NULL;
}

/* A cell is shared from now on, at the longest until it is idle again. */
static __always_inline void state_note_coarse(const struct weir_limit *limit,
					      const struct packet *packet)
{
	__u64 *until = state_coarse_until(limit);
	__u64 longest =
		limit->algorithm == WEIR_ALGORITHM_BUCKET ? limit->burst : 3 * limit->interval;

	/* Only now and then: all CPUs write it. */
	if (until &&
	    (__s64)(cells_read(until) - (packet->time + longest)) < (__s64)STATE_COARSE_SLACK)
		*(volatile __u64 *)until = packet->time + longest + 2 * STATE_COARSE_SLACK;
}

/* Read the cell that @charge says into it; 0 = it is there and being taken over, look again. */
static __always_inline int state_read(struct weir_charge *charge, const struct packet *packet)
{
	struct weir_cell_set *set = state_set(charge);

	charge->word = 0;
	charge->way = CELLS_NONE;
	if (!set)
		return 1;
	charge->way = (__u8)cells_find(set, charge->tag);
	if (charge->way < CELLS_NONE)
		charge->word = cells_read(&set->cells[charge->way & (WEIR_CELL_WAYS - 1)].word);
	return !cells_is_marked(charge->word, packet->time);
}

/*
 * What the source may have used up already, when it is to get a cell of its own: while it had none, it was
 * charged to the one that it shared. 0: nothing.
 */
__noinline __u64 state_shared_word(const struct weir_limit *limit, struct packet *packet)
{
	struct weir_charge coarse;
	__u64 *until;

	if (!limit || !packet || !(limit->key_parts & WEIR_KEY_SOURCE))
		return 0;
	until = state_coarse_until(limit);
	if (!until || algorithm_is_idle(*(volatile __u64 *)until, packet->time))
		return 0;
	state_locate_coarse(limit, packet, &coarse);
	state_read(&coarse, packet);
	return algorithm_is_idle(coarse.word, packet->time) ? 0 : coarse.word;
}

/* The set of @charge has a cell that is idle at the packet's time, or is by the exact one. @tick: of the
 * coarse clock. */
static __always_inline int state_has_room(const struct weir_charge *charge, struct packet *packet,
					  __u64 tick)
{
	const struct weir_cell_set *set = state_set(charge);

	/* In a full set that is all. */
	if (!set || !cells_has_idle(set, packet->time + tick))
		return 0;
	if (cells_has_idle(set, packet->time))
		return 1;
	/* What is idle by now may not be by the coarse clock. */
	if (packet->time_is_exact)
		return 0;
	weigh_make_time_exact(packet);
	return cells_has_idle(set, packet->time);
}

/* Read the cell that sources share into @charge, or find that there is room for one. 0: neither. */
static __always_inline int state_find_coarse(const struct weir_limit *limit, struct packet *packet,
					     struct weir_charge *charge)
{
	const struct weir_cell_set *set;

	state_locate_coarse(limit, packet, charge);
	set = state_set(charge);
	charge->word = 0;
	charge->way = CELLS_NONE;
	if (!set)
		return 0;
	/* Where few sets have room, its place is anybody's guess, and a processor's would be wrong. */
	charge->way = (__u8)cells_search(set, charge->tag);
	if (charge->way >= CELLS_NONE)
		return cells_has_idle(set, packet->time);
	charge->word = cells_read(&set->cells[charge->way & (WEIR_CELL_WAYS - 1)].word);
	return 1;
}

/* The table of cells is being replaced by one of another size: bring the cell along, if it is still in
 * the old one. STATE_AGAIN: it is being brought by somebody else, look again. STATE_NO_ROOM: it stays
 * there, and says what it says. */
__noinline int state_bring(struct packet *packet, struct weir_charge *charge)
{
	struct weir_cell_set *from, *to;
	__u64 word = 0;
	__u32 index;
	int way;

	if (!packet || !charge)
		return WEIR_NEXT;
	index = charge->set < WEIR_CELL_FIXED
			? charge->set
			: weir_cell_set_index(charge->tag, weir_cell_was_mask);
	from = bpf_map_lookup_elem(&weir_cells_was, &index);
	to = state_set(charge);
	if (!from || !to)
		return WEIR_NEXT;
	way = cells_move(from, to, charge->tag, packet->time, bpf_get_smp_processor_id(), &word);
	if (way >= 0 && way < (int)CELLS_NONE) {
		charge->way = (__u8)way;
		charge->word = word;
	}
	if (way == CELLS_FULL)
		return STATE_NO_ROOM;
	return way == CELLS_LOST ? STATE_AGAIN : WEIR_NEXT;
}

/*
 * Find the cell of a key that is not in its place, or is about to be: @charge is its own cell if there
 * is room for it, otherwise the coarse one. @tick: of the coarse clock. 0: found; 1: no room for that
 * either.
 */
__noinline int state_find_room(const struct weir_limit *limit, struct packet *packet,
			       struct weir_charge *charge, __u64 tick)
{
	struct weir_limit_count *count;
	struct weir_cpu *cpu = cpu_own();

	if (!limit || !packet || !charge || !cpu)
		return 1;
	if (state_has_room(charge, packet, tick))
		return 0;
	count = state_count(cpu, limit);
	if (limit->key_parts & WEIR_KEY_SOURCE && state_find_coarse(limit, packet, charge)) {
		count->coarse++;
		state_note_coarse(limit, packet);
		return 0;
	}
	count->full++;
	return 1;
}

/* Charge a cell that was there when it was weighed, unless its word or owner changed since. */
static __always_inline int state_swap(struct weir_charge *charge, __u64 next)
{
	struct weir_cell_set *set = state_set(charge);
	struct weir_cell *cell;

	if (!set || charge->way >= CELLS_NONE)
		return 0;
	cell = &set->cells[charge->way & (WEIR_CELL_WAYS - 1)];
	if (!cells_swap(&cell->word, charge->word, next))
		return 0;
	charge->word = next;
	/* Read the tag, then the word, while another key came between: that key was charged, once. */
	return cells_read(&cell->tag) == charge->tag;
}

/* One attempt of state_charge_slowly(), which has the words. */
__noinline int state_try_to_charge(const struct weir_limit *limit, struct packet *packet,
				   struct weir_charge *charge, __u64 tick)
{
	struct weir_cell_set *set;
	__u64 next;
	int way;

	if (!limit || !packet || !charge)
		return WEIR_REASON_CONTENDED;
	if (!state_read(charge, packet))
		return STATE_AGAIN;
	if (settings_has(WEIR_FEATURE_MOVING) && charge->way >= CELLS_NONE) {
		int brought = state_bring(packet, charge);

		if (brought != WEIR_NEXT)
			return brought;
	}
	if (charge->way >= CELLS_NONE && !charge->word)
		charge->word = state_shared_word(limit, packet);
	if (weigh_wants_exact_time(limit, packet, charge->word, tick))
		weigh_make_time_exact(packet);
	if (!weigh(limit, packet, charge->word, tick))
		return weigh_over(limit);
	weigh_next(limit, packet, charge->word, &next);
	if (charge->way < CELLS_NONE)
		return state_swap(charge, next) ? WEIR_NEXT : STATE_AGAIN;
	set = state_set(charge);
	if (!set)
		return WEIR_REASON_CONTENDED;
	way = cells_claim(set, charge->tag, next, packet->time, bpf_get_smp_processor_id());
	if (way >= 0) {
		charge->way = (__u8)way;
		charge->word = next;
		return WEIR_NEXT;
	}
	return way == CELLS_FULL ? STATE_NO_ROOM : STATE_AGAIN;
}

/*
 * Charge what state_swap() does not do for: a key without a cell, or a word that changed. @tick: of the
 * coarse clock. WEIR_NEXT: charged. Otherwise the reason to refuse.
 */
__noinline int state_charge_slowly(const struct weir_limit *limit, struct packet *packet,
				   struct weir_charge *charge, __u64 tick)
{
	for (int i = 0; i < STATE_ATTEMPTS; i++) {
		int reason = state_try_to_charge(limit, packet, charge, tick);

		/* The last idle cell went to somebody else. */
		if (reason == STATE_NO_ROOM && state_find_room(limit, packet, charge, tick))
			break;
		if (reason != STATE_AGAIN && reason != STATE_NO_ROOM)
			return reason;
		timing_retry();
	}
	return WEIR_REASON_CONTENDED;
}

/** Find the state of the packet's key under @limit. 0: not there, or not now; ask state_find_room(). */
static __always_inline int state_find(const struct weir_limit *limit, const struct packet *packet,
				      struct weir_charge *ret)
{
	state_locate(limit, packet, ret);
	return state_read(ret, packet) && ret->way < CELLS_NONE;
}

/** Make the charge that was weighed. WEIR_NEXT or the reason to refuse, as another CPU was faster. */
static __always_inline int state_charge(const struct weir_limit *limit, struct packet *packet,
					struct weir_charge *charge, __u64 tick)
{
	__u64 next;

	if (charge->way >= CELLS_NONE)
		return state_charge_slowly(limit, packet, charge, tick);
	if (weigh_wants_exact_time(limit, packet, charge->word, tick))
		weigh_make_time_exact(packet);
	/* The time may be a later one than when it was weighed: it conforms all the more. */
	weigh_next(limit, packet, charge->word, &next);
	if (state_swap(charge, next))
		return WEIR_NEXT;
	return state_charge_slowly(limit, packet, charge, tick);
}

/** Give back what was charged. */
__noinline int state_refund(const struct weir_limit *limit, struct packet *packet,
			    struct weir_charge *charge)
{
	struct weir_cell_set *set;
	struct weir_cell *cell;

	if (!limit || !packet || !charge)
		return 0;
	set = state_set(charge);
	if (!set || charge->way >= CELLS_NONE)
		return 0;
	cell = &set->cells[charge->way & (WEIR_CELL_WAYS - 1)];
	for (int i = 0; i < STATE_ATTEMPTS; i++) {
		__u64 seen = cells_read(&cell->word);
		__u64 back = algorithm_refund(limit, charge->word, seen,
					      clock_exact_ns() << WEIR_TIME_SHIFT,
					      weigh_units(limit, packet));

		if (!back || cells_read(&cell->tag) != charge->tag ||
		    cells_swap(&cell->word, seen, seen - back))
			break;
	}
	return 0;
}

#endif
