/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of the limiter, but for those that lib/state.h and lib/limits.h have to themselves. Each: key
 * -> value; who writes; memory. They are pinned and outlive the daemon. Userspace sizes weir_cpu and weir_usage by the CPUs,
 * weir_entries by the lists and weir_cells by the policy before loading. */
#ifndef LIB_MAPS_H
#define LIB_MAPS_H

#include <weir/cell.h>
#include <weir/config.h>
#include <weir/cpu.h>
#include <weir/event.h>
#include <weir/list.h>
#include <weir/live.h>
#include <weir/policy.h>
#include <weir/trace.h>
#include <weir/usage.h>
#include <weir/vocabulary.h>

#include "lib/kernel.h"

/* What userspace tells the datapath; 18 MiB, of which most is never touched. .bss, pinned as weir_config. */
struct weir_config weir_config;

/* The policy, by which the whole of a packet is judged; NULL: there is none. */
static __always_inline const struct weir_policy *policy_now(void)
{
	__u32 generation = *(volatile const __u32 *)&weir_config.live.generation;
	const struct weir_policy *policy = &weir_config.policies[generation & 1];

	/* One pointer, instead of the same sum in front of every load. */
	__asm__ volatile("" : "+r"(policy));
	return generation && policy->generation == generation ? policy : NULL;
}

/* 0 -> struct weir_meta; userspace, memory-mapped; one page. No program reads it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_meta);
} weir_meta SEC(".maps");

/* {copy, destination prefix} -> mask of limits, tenant; userspace; one prefix more than policies name,
 * where IPv4 has to be told from a short IPv6 prefix */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * (WEIR_PREFIXES_MAX + 1));
	__type(key, struct weir_prefix_key);
	__type(value, struct weir_prefix_value);
} weir_dests SEC(".maps");

/* {copy, source prefix} -> likewise, and what flags name; as many more as those may at run time */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * (WEIR_PREFIXES_MAX + WEIR_TARGETS_MAX + 1));
	__type(key, struct weir_prefix_key);
	__type(value, struct weir_source_value);
} weir_sources SEC(".maps");

/* 0 -> struct weir_tenants, whose slot is whose; userspace, memory-mapped; 8 KiB */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_tenants);
} weir_tenants SEC(".maps");

/* CPU -> what each tenant had, by slot; the datapath on that CPU; userspace clears a slot that it gives to another
 * tenant, through the mapping; 128 KiB per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_usage);
} weir_usage SEC(".maps");

/* 0 -> struct weir_usage_slots, which slot is whose; userspace, memory-mapped; 36 KiB */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_usage_slots);
} weir_use_slots SEC(".maps");

/* set -> list entries; userspace, memory-mapped, and the datapath their hits; 64 bytes a set */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WEIR_ENTRY_SETS_MIN);
	__type(key, __u32);
	__type(value, struct weir_entry_set);
} weir_entries SEC(".maps");

/* CPU -> see include/weir/cpu.h; the datapath on that CPU; userspace clears a limit's slot that it gives to
 * another one, and the quiet half of the tallies, through the mapping; 563 KiB per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_cpu);
} weir_cpu SEC(".maps");

/* 0 -> the program weir_answer; userspace, before the program that jumps there is put in place */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} weir_answers SEC(".maps");

/* struct weir_tally records; the datapath; 1 MiB */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WEIR_RING_BYTES);
} weir_events SEC(".maps");

/* 0 -> struct weir_trace, what is looked for; userspace, memory-mapped; a page. Of this and the next two only the
 * one with the packets is large, and only while somebody traces. They are not pinned. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_trace);
} weir_trace SEC(".maps");

/* CPU -> struct weir_trace_cpu; the datapath on that CPU; 1.3 KiB per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_trace_cpu);
} weir_trace_cpu SEC(".maps");

/* struct weir_trace_event records, with bytes of the packets; the datapath; WEIR_TRACE_RING_BYTES, or a page */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} weir_traces SEC(".maps");

#endif
