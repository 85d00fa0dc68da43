/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of the limiter, but for those that lib/state.h and lib/limits.h have to themselves. Each: key
 * -> value; who writes; memory. They are pinned and outlive the daemon. Userspace sizes weir_cpu and weir_tallies by the CPUs, weir_entries by the lists and weir_cells by the
 * policy before loading. */
#ifndef LIB_MAPS_H
#define LIB_MAPS_H

#include <weir/cell.h>
#include <weir/cpu.h>
#include <weir/event.h>
#include <weir/list.h>
#include <weir/live.h>
#include <weir/policy.h>
#include <weir/vocabulary.h>

#include "lib/kernel.h"

/* 0 -> struct weir_live; userspace, memory-mapped; one page */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_live);
} weir_live SEC(".maps");

/* 0 -> struct weir_meta; userspace, memory-mapped; one page. No program reads it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_meta);
} weir_meta SEC(".maps");

/* copy -> struct weir_policy; userspace, memory-mapped: the idle copy, and single words of the live one
 * (see there); 36 KiB */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct weir_policy);
} weir_policy SEC(".maps");

/* copy * 65536 + port -> masks; userspace, memory-mapped, the idle copy only; 2 MiB */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * WEIR_PORTS);
	__type(key, __u32);
	__type(value, struct weir_port_limits);
} weir_ports SEC(".maps");

/* {copy, destination prefix} -> mask of limits, tenant; userspace; one prefix more than policies name,
 * where IPv4 has to be told from a short IPv6 prefix */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * (WEIR_PREFIXES_MAX + 1));
	__type(key, struct weir_prefix_key);
	__type(value, struct weir_prefix_value);
} weir_dests SEC(".maps");

/* {copy, source prefix} -> likewise */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * (WEIR_PREFIXES_MAX + 1));
	__type(key, struct weir_prefix_key);
	__type(value, struct weir_prefix_value);
} weir_sources SEC(".maps");

/* set -> list entries; userspace, memory-mapped, and the datapath their hits; 64 bytes a set */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WEIR_ENTRY_SETS_MIN);
	__type(key, __u32);
	__type(value, struct weir_entry_set);
} weir_entries SEC(".maps");

/* address >> 24 -> a byte for each /16; userspace, memory-mapped; 64 KiB */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 8);
	__type(key, __u32);
	__type(value, struct weir_index);
} weir_index16 SEC(".maps");

/* address >> 16 -> a byte for each /24; userspace, memory-mapped; 16 MiB */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, struct weir_index);
} weir_index24 SEC(".maps");

/* (cpu * 2 + half) * WEIR_TALLIES + slot -> tally; the datapath on its CPU; userspace clears the
 * quiet half through the mapping; 512 KiB per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * WEIR_TALLIES);
	__type(key, __u32);
	__type(value, struct weir_tally);
} weir_tallies SEC(".maps");

/* CPU -> see include/weir/cpu.h; the datapath on that CPU; userspace clears a limit's slot that it gives to
 * another one, through the mapping; 24 KiB per CPU */
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

#endif
