/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The limits stage of the datapath alone, one step of a list with each run: the step brings the packet, the
 * two clocks, and whatever another CPU does in the middle of it. So one test run with as many
 * repetitions goes through the whole list, and every decision and word is known beforehand.
 */
#include "steps.h"
#include "lib/kernel.h"
#include "lib/packet.h"
#include "lib/state.h"

/* Where the list is: written by userspace before the runs, counted up by each. */
volatile __u32 steps_next = 0;

/* number -> step; userspace, memory-mapped, and the program its answers */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, STEPS_MAX);
	__type(key, __u32);
	__type(value, struct steps_step);
} steps SEC(".maps");

static __always_inline struct steps_step *steps_at(__u32 number)
{
	return bpf_map_lookup_elem(&steps, &number);
}

/* Another CPU, whose clock is exact, charges the cell that is about to be charged. */
__noinline int steps_rival(const struct weir_limit *limit, const struct weir_charge *charge)
{
	struct steps_step *step = steps_at(steps_next);
	struct weir_charge own = {0};
	struct weir_cell_set *set;
	__u64 next, word, time;
	__u32 way;

	if (!limit || !charge || !step)
		return 0;
	time = step->exact_ns << WEIR_TIME_SHIFT;
	own.set = charge->set;
	set = state_set(&own);
	if (!set)
		return 0;
	way = cells_find(set, charge->tag);
	word = way < CELLS_NONE ? cells_read(&set->cells[way & (WEIR_CELL_WAYS - 1)].word) : 0;
	if (!algorithm_next(limit, word, time, step->rival_units, &next))
		return 0;
	if (way < CELLS_NONE)
		cells_swap(&set->cells[way & (WEIR_CELL_WAYS - 1)].word, word, next);
	else
		cells_claim(set, charge->tag, next, time, CELLS_MARK_CPUS - 2);
	return 0;
}

/* state_charge(), with a rival before the one that the step says. */
static __always_inline int steps_charge(const struct weir_limit *limit, struct packet *packet,
					struct weir_charge *charge, __u64 tick)
{
	struct steps_step *step = steps_at(steps_next);

	if (step && step->rival != STEPS_NO_RIVAL && step->rival == charge->limit)
		steps_rival(limit, charge);
	return state_charge(limit, packet, charge, tick);
}

#define state_charge steps_charge
#include "lib/limits.h"

/* The cell of the packet's key under limit @number; NULL: there is none. */
static __always_inline struct weir_cell *steps_cell(const struct weir_policy *policy,
						    const struct packet *packet, __u32 number)
{
	struct weir_charge charge = {0};
	struct weir_cell_set *set;
	__u32 way;

	state_locate(limits_at(policy, number), packet, &charge);
	set = state_set(&charge);
	if (!set)
		return NULL;
	way = cells_find(set, charge.tag);
	return way < CELLS_NONE ? &set->cells[way & (WEIR_CELL_WAYS - 1)] : NULL;
}

__noinline int steps_forget(const struct weir_policy *policy, const struct packet *packet,
			    __u64 time)
{
	if (!policy || !packet)
		return 0;
	for (__u32 i = 0; i < WEIR_LIMITS_PER_PACKET && i < policy->limit_count; i++) {
		struct weir_cell *cell = steps_cell(policy, packet, i);

		if (cell && algorithm_is_idle(cell->word, time))
			cell->tag = cell->word = 0;
	}
	return 0;
}

__noinline int steps_tell_words(const struct weir_policy *policy, const struct packet *packet)
{
	struct steps_step *step = steps_at(steps_next);

	if (!policy || !packet || !step)
		return 0;
	for (__u32 i = 0; i < WEIR_LIMITS_PER_PACKET && i < policy->limit_count; i++) {
		struct weir_cell *cell = steps_cell(policy, packet, i);

		step->words[i] = cell ? cell->word : 0;
	}
	return 0;
}

/* Not an XDP program: for repeated runs of those, the kernel patches itself and waits, each time. */
SEC("tc")
int steps_run(__attribute__((unused)) struct __sk_buff *ctx)
{
	struct packet packet = {.limit = PACKET_NO_LIMIT, .protocol = 6};
	struct steps_step *step = steps_at(steps_next);
	struct weir_cpu *cpu = cpu_own();
	const struct weir_policy *policy = &weir_config.policies[0];

	if (!step || !cpu)
		return -1;
	packet.source_words[0] = step->source[0];
	packet.source_words[1] = step->source[1];
	packet.is_ip6 = step->is_ip6;
	packet.class = step->class;
	packet.length = step->length;
	weir_test_coarse_ns = step->coarse_ns;
	weir_test_exact_ns = step->exact_ns;
	if (step->kind == STEPS_BEGIN)
		cpu->clock = (struct weir_clock){0};
	else if (step->kind == STEPS_FORGET)
		steps_forget(policy, &packet, step->exact_ns << WEIR_TIME_SHIFT);
	else
		step->reason = limits_check(policy, cpu, &packet);
	step->limit = packet.limit;
	steps_tell_words(policy, &packet);
	steps_next++;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
