/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All maps of the limiter. Each: key -> value; who writes; memory. They are pinned and outlive the
 * daemon. Userspace sizes weir_tallies by the CPUs before loading. */
#ifndef LIB_MAPS_H
#define LIB_MAPS_H

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

/* copy -> struct weir_policy; userspace, the idle copy only; 13 KiB */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
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

/* {copy, destination prefix} -> mask of limits; userspace; one prefix more than services name, where
 * IPv4 has to be told from a short IPv6 prefix */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * (WEIR_DESTINATIONS_MAX + 1));
	__type(key, struct weir_destination_key);
	__type(value, __u64);
} weir_dests SEC(".maps");

/* IPv4 source address -> what the lists say; userspace; about 80 bytes an entry. Apart from IPv6: a
 * quarter of the key to hash and compare. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, WEIR_LIST_MAP_ENTRIES);
	__type(key, __u32);
	__type(value, struct weir_list_value);
} weir_ip4 SEC(".maps");

/* bucket -> cells; userspace, memory-mapped; 256 KiB. See struct weir_front_bucket. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << WEIR_FRONT_BITS);
	__type(key, __u32);
	__type(value, struct weir_front_bucket);
} weir_front SEC(".maps");

/* IPv6 source address -> what the lists say; userspace; about 96 bytes an entry */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, WEIR_LIST_MAP_ENTRIES);
	__type(key, __u8[16]);
	__type(value, struct weir_list_value);
} weir_ip6 SEC(".maps");

/* source prefix -> what the lists say; userspace; about 100 bytes an entry */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, WEIR_LIST_MAP_ENTRIES);
	__type(key, struct weir_list_key);
	__type(value, struct weir_list_value);
} weir_prefixes SEC(".maps");

/* {limit, source} -> GCRA word; the datapath, by compare-and-swap; about 88 bytes an entry. LRU: when
 * it is full, the source that was quiet longest starts over with a full burst. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, WEIR_BUCKETS_DEFAULT);
	__type(key, struct weir_bucket_key);
	__type(value, __u64);
} weir_buckets SEC(".maps");

/* 0 -> the latest exact time that the CPU has read, in bucket units; the datapath; 8 bytes per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} weir_clock SEC(".maps");

/* verdict * WEIR_REASON_MAX + reason -> packets and bytes; the datapath; 3 KiB per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_VERDICT_MAX *WEIR_REASON_MAX);
	__type(key, __u32);
	__type(value, struct weir_count);
} weir_counts SEC(".maps");

/* slot -> what the limit did; the datapath; userspace clears a slot it gives to another limit; 3 KiB
 * per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_LIMIT_SLOTS);
	__type(key, __u32);
	__type(value, struct weir_limit_count);
} weir_lim_counts SEC(".maps");

/* (cpu * 2 + half) * WEIR_TALLIES + slot -> tally; the datapath on its CPU; userspace clears the
 * quiet half through the mapping; 512 KiB per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * WEIR_TALLIES);
	__type(key, __u32);
	__type(value, struct weir_tally);
} weir_tallies SEC(".maps");

/* 0 -> what became of events; the datapath; 64 bytes per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_event_count);
} weir_ev_counts SEC(".maps");

/* struct weir_tally records; the datapath; 1 MiB */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WEIR_RING_BYTES);
} weir_events SEC(".maps");

#endif
