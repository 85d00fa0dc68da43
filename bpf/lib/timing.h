/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a packet costs (weir/timing.h). Global functions, which the verifier walks once each, called by a word in memory and
 * not by what it could follow: so a packet that is timed and one that is not are one path to it.
 */
#ifndef LIB_TIMING_H
#define LIB_TIMING_H

#include <weir/timing.h>

#include "lib/bits.h"
#include "lib/clock.h"
#include "lib/maps.h"
#include "lib/settings.h"

/* 0 -> struct weir_timing; the datapath on that CPU; 2 KiB per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_timing);
} weir_timing SEC(".maps");

static __always_inline struct weir_timing *timing_own(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&weir_timing, &zero);
}

/* 0 for 0 and 1, otherwise how many bits it takes to count up to below @ns. */
static __always_inline __u32 timing_bucket(__u64 ns)
{
	__u64 bits = ns > 1 ? ns - 1 : 0;

	if (ns < 2)
		return 0;
	bits |= bits >> 1;
	bits |= bits >> 2;
	bits |= bits >> 4;
	bits |= bits >> 8;
	bits |= bits >> 16;
	if (bits >> 31)
		return WEIR_TIMING_BUCKETS - 1;
	return bits_lowest(bits + 1) & (WEIR_TIMING_BUCKETS - 1);
}

static __always_inline void timing_add(struct weir_timing *t, __u32 stage, __u64 ns)
{
	if (stage >= WEIR_STAGE_MAX)
		return;
	t->counts[stage][timing_bucket(ns)]++;
	t->sums[stage] += ns;
}

/* The stage has ended. */
__noinline int timing_stamp(__u32 stage)
{
	struct weir_timing *t = timing_own();

	if (t && stage < WEIR_STAGE_MAX)
		t->ends[stage] = bpf_ktime_get_ns();
	return 0;
}

/* Choose the next packet to be timed, and begin with this one. The distance is random, as that of samples (lib/sample.h). */
__noinline int timing_start(__u32 period)
{
	struct weir_timing *t = timing_own();
	struct weir_cpu *cpu = cpu_own();

	if (!t || !cpu || !period)
		return 0;
	cpu->timing_left = 1 + bpf_get_prandom_u32() % (2 * period - 1);
	cpu->timed = 1;
	for (int i = 0; i < WEIR_STAGE_MAX; i++)
		t->ends[i] = 0;
	t->ends[WEIR_STAGE_BEGIN] = bpf_ktime_get_ns();
	t->ends[WEIR_STAGE_CLOCK] = bpf_ktime_get_ns();
	return 0;
}

/* Count what the stages took. */
__noinline int timing_finish(void)
{
	struct weir_timing *t = timing_own();
	__u64 before;

	if (!t)
		return 0;
	t->ends[WEIR_STAGE_EXIT] = bpf_ktime_get_ns();
	before = t->ends[WEIR_STAGE_BEGIN];
	timing_add(t, WEIR_STAGE_BEGIN, t->ends[WEIR_STAGE_EXIT] - before);
	for (__u32 i = WEIR_STAGE_CLOCK; i < WEIR_STAGE_MAX; i++) {
		if (!t->ends[i])
			continue;
		timing_add(t, i, t->ends[i] - before);
		before = t->ends[i];
	}
	return 0;
}

static __always_inline void timing_begin(struct weir_cpu *cpu, const struct weir_policy *policy)
{
	if (!settings_has(WEIR_FEATURE_TIMING))
		return;
	cpu->timed = 0;
	if (cpu->timing_left-- <= 1)
		timing_start((__u32)policy->timing);
}

static __always_inline int timing_is_on(const struct weir_cpu *cpu)
{
	return settings_has(WEIR_FEATURE_TIMING) && *(volatile const __u8 *)&cpu->timed;
}

static __always_inline void timing_stage(const struct weir_cpu *cpu, __u32 stage)
{
	if (timing_is_on(cpu))
		timing_stamp(stage);
}

static __always_inline void timing_end(const struct weir_cpu *cpu)
{
	if (timing_is_on(cpu))
		timing_finish();
}

/* A charge has to be tried once more. */
static __always_inline void timing_retry(void)
{
	struct weir_timing *t;

	if (!settings_has(WEIR_FEATURE_TIMING))
		return;
	t = timing_own();
	if (t)
		t->retries++;
}

#endif
