/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The watchdog (include/weir/watchdog.h has what it decides and how): a timer looks once a second at what
 * the CPUs counted, so packets pay nothing for it. weir_wd_start is run once by userspace; from then on
 * the pinned map keeps the timer, and the timer this program.
 */
#include <weir/watchdog.h>

#include "lib/kernel.h"
#include "lib/maps.h"

#define CLOCK_MONOTONIC 1
#define CPUS_MAX	8192

/* 0 -> the watchdog's orders and its state; userspace and this program; one page */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_watchdog);
} weir_watchdog SEC(".maps");

struct timer {
	struct bpf_timer timer;
};

/* 0 -> the timer, which a map that is mapped cannot have; this program */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct timer);
} weir_wd_timer SEC(".maps");

struct sums {
	struct weir_watchdog_look look;
	const struct weir_policy *policy;
};

/*
 * What came as far as the limits: all but what the block list and the parser refused. An attack by
 * sources that are blocked, or by malformed packets, says nothing of the limits.
 */
static __always_inline __u64 count_examined(const struct weir_cpu *cpu)
{
	__u64 packets = 0;

	for (__u32 i = 0; i < WEIR_COUNTS; i++) {
		__u32 reason = i % WEIR_REASON_MAX;

		if (reason < WEIR_REASON_VLAN_TRUNCATED && reason != WEIR_REASON_BLOCKED)
			packets += cpu->counts[i].packets;
	}
	return packets;
}

/* What limits refused, or would in mode monitor, leaving out those that are not there to drop. */
static __always_inline __u64 count_refused(const struct weir_cpu *cpu,
					   const struct weir_policy *policy)
{
	__u64 packets = 0;

	for (__u32 i = 0; i < WEIR_LIMITS_MAX; i++) {
		const struct weir_limit *limit = &policy->limits[i];
		const struct weir_limit_count *count;

		if (i >= policy->limit_count)
			break;
		if (limit->action != WEIR_ACTION_DROP || policy->shadow_limits >> i & 1)
			continue;
		count = &cpu->limits[limit->slot & (WEIR_LIMIT_SLOTS - 1)];
		packets += count->dropped + count->would_drop + count->replied;
	}
	return packets;
}

static long look_at_cpu(__u32 index, void *context)
{
	struct sums *sums = context;
	const struct weir_cpu *cpu = bpf_map_lookup_elem(&weir_cpu, &index);
	const struct weir_policy *policy = &weir_config.policies[sums->look.generation & 1];

	if (!cpu)
		return 1;
	sums->look.examined += count_examined(cpu);
	sums->look.refused += count_refused(cpu, policy);
	return 0;
}

static __always_inline void look(struct weir_watchdog *w, __u64 now_ns)
{
	const struct weir_policy *policy = policy_now();
	struct sums sums = {.look.now_ns = now_ns};

	if (!policy)
		return;
	sums.look.generation = policy->generation;
	sums.look.idle = policy->mode != WEIR_MODE_ENFORCE || weir_config.live.panic;
	bpf_loop(CPUS_MAX, look_at_cpu, &sums, 0);
	if (policy_now() != policy || policy->generation != sums.look.generation)
		return; /* it changed under us: next time */
	weir_watchdog_step(w, &sums.look);
	weir_config.live.watchdog = w->tripped ? WEIR_OVERRIDE(WEIR_MODE_MONITOR) : 0;
}

static int on_timer(void *map __attribute__((unused)), __u32 *key, struct timer *timer)
{
	struct weir_watchdog *w = bpf_map_lookup_elem(&weir_watchdog, key);

	if (!w || !w->enabled)
		return 0; /* whoever switches it on starts the timer again */
	look(w, bpf_ktime_get_ns());
	if (!*(volatile __u32 *)&w->enabled) { /* while we looked: nobody would come to undo it */
		w->tripped = 0;
		weir_config.live.watchdog = 0;
		return 0;
	}
	bpf_timer_start(&timer->timer, WEIR_WATCHDOG_PERIOD_NS, 0);
	return 0;
}

/** Start the timer, which from then on runs this program, whichever it ran before. Returns -errno. */
SEC("syscall")
int weir_wd_start(void *ctx __attribute__((unused)))
{
	__u32 zero = 0;
	struct timer *timer = bpf_map_lookup_elem(&weir_wd_timer, &zero);

	if (!timer)
		return -1;
	bpf_timer_init(&timer->timer, &weir_wd_timer, CLOCK_MONOTONIC); /* -EBUSY: it was */
	if (bpf_timer_set_callback(&timer->timer, on_timer))
		return -2;
	return (int)bpf_timer_start(&timer->timer, WEIR_WATCHDOG_PERIOD_NS, 0);
}

struct look_args {
	__u64 now_ns;
};

/** One look at the time that the caller says: for tests, whose timer is not started. */
SEC("syscall")
int weir_wd_look(struct look_args *args)
{
	__u32 zero = 0;
	struct weir_watchdog *w = bpf_map_lookup_elem(&weir_watchdog, &zero);

	if (w)
		look(w, args->now_ns);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
