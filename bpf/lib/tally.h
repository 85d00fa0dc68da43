/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Accounts for each drop towards userspace; see include/weir/event.h for the scheme and its sum. */
#ifndef LIB_TALLY_H
#define LIB_TALLY_H

#include "lib/clock.h"
#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/settings.h"

/* What a tally is for besides the source: struct weir_tally.what. */
static __always_inline __u64 tally_what(const struct weir_policy *policy, __u16 slot, __u8 reason,
					__u8 verdict)
{
	return policy->generation | (__u64)slot << 32 | (__u64)reason << 48 | (__u64)verdict << 56;
}

/* The first of the tallies that may be this one's. */
static __always_inline __u32 tally_slot(const struct packet *packet, __u64 what)
{
	__u64 mix = packet->source_words[1] ^ what;

	/* An IPv4 address has its last bytes in the word's highest, which go to the product's highest
	 * and nowhere else. */
	if (packet->source_words[0])
		mix ^= weir_hash_word(packet->source_words[0]);
	return (__u32)(((mix ^ weir_seed) * 0x9e3779b97f4a7c15ULL) >> 52) & (WEIR_TALLIES - 1) &
	       ~(WEIR_TALLY_WAYS - 1U);
}

static __always_inline int tally_is_for(const struct weir_tally *tally, const struct packet *packet,
					__u64 what)
{
	const __u64 *source = (const __u64 *)tally->source;

	return tally->what == what && source[1] == packet->source_words[1] &&
	       source[0] == packet->source_words[0] && tally->packets;
}

/* A ring record may be written now (GCRA over WEIR_EVENTS_PER_SEC; per CPU, so nobody races). */
static __always_inline int tally_has_budget(struct weir_event_count *events, __u64 now_ns)
{
	const __u64 interval_ns = WEIR_NSEC_PER_SEC / WEIR_EVENTS_PER_SEC;
	__u64 tat_ns = events->budget_tat_ns > now_ns ? events->budget_tat_ns : now_ns;

	if (tat_ns + interval_ns - now_ns > WEIR_EVENTS_BURST * interval_ns)
		return 0;
	events->budget_tat_ns = tat_ns + interval_ns;
	return 1;
}

static __always_inline void tally_emit(struct weir_event_count *events,
				       const struct weir_tally *tally)
{
	events->offered++;
	/* The daemon looks at intervals; waking it is not worth a packet's time. */
	if (!bpf_ringbuf_output(&weir_events, (void *)tally, sizeof(*tally), BPF_RB_NO_WAKEUP))
		return;
	events->lost++;
	events->lost_packets += tally->packets;
}

/* Begin a tally where there is none, or none any more. */
static __always_inline void tally_open(struct weir_tally *tally, const struct packet *packet,
				       __u64 what, __u64 now_ns)
{
	__builtin_memcpy(tally->source, packet->source, sizeof(tally->source));
	tally->what = what;
	tally->bytes = packet->length;
	tally->first_ns = tally->last_ns = now_ns;
	tally->kind = WEIR_EVENT_NONE;
	tally->ifindex = packet->ifindex;
	tally->packets = 1;
}

static __always_inline void tally_announce(struct weir_event_count *events,
					   const struct weir_tally *tally)
{
	struct weir_tally begin = *tally;

	begin.kind = WEIR_EVENT_BEGIN;
	begin.packets = begin.bytes = 0;
	tally_emit(events, &begin);
}

/* A drop found neither a tally nor budget. */
static __always_inline void tally_miss(struct weir_event_count *events, __u32 half)
{
	events->suppressed_packets++;
	if (++events->misses < WEIR_TALLY_MISSES)
		return;
	events->misses = 0;
	events->skip = WEIR_TALLY_SKIP;
	events->skip_half = half;
}

/* Drops are not told apart at this moment: count one more and be done. */
static __always_inline int tally_skips(struct weir_cpu *cpu, __u32 half)
{
	struct weir_event_count *events = &cpu->events;

	if (!events->skip || events->skip_half != half)
		return 0;
	events->skip--;
	events->suppressed_packets++;
	return 1;
}

/* Where the tally for @what may be: the first of WEIR_TALLY_WAYS. */
static __always_inline struct weir_tally *tally_at(struct weir_cpu *cpu, __u32 half,
						   const struct packet *packet, __u64 what)
{
	return &cpu->tallies[half & 1][tally_slot(packet, what)];
}

/* One more for a tally that is open, which is what nearly all drops of a flood from few sources are. A
 * packet whose time nobody has asked for brings the tally's up to date only now and then. */
static __always_inline int tally_hit(struct weir_cpu *cpu, struct packet *packet, __u32 half,
				     __u64 what)
{
	struct weir_tally *tally = tally_at(cpu, half, packet, what);

#pragma unroll
	for (int way = 0; way < WEIR_TALLY_WAYS; way++, tally++) {
		if (!tally_is_for(tally, packet, what))
			continue;
		if (packet->time || !(tally->packets & 15))
			tally->last_ns = clock_now_ns(cpu, packet);
		tally->packets++;
		tally->bytes += packet->length;
		return 1;
	}
	return 0;
}

/* Account for a drop that has no tally yet. Global for the verifier's sake, see limits.h. */
__noinline int tally_drop(struct packet *packet, __u32 half, __u64 what)
{
	struct weir_tally *tally, *free = NULL;
	struct weir_cpu *cpu = cpu_own();
	struct weir_event_count *events;
	__u64 now_ns;

	if (!packet || !cpu)
		return 0;
	events = &cpu->events;
	now_ns = clock_now_ns(cpu, packet);
	tally = tally_at(cpu, half, packet, what);
#pragma unroll
	for (int way = WEIR_TALLY_WAYS - 1; way >= 0; way--) /* the first one is found first */
		if (!tally[way].packets)
			free = &tally[way];
	if (free) {
		tally_open(free, packet, what, now_ns);
		if (tally_has_budget(events, now_ns))
			tally_announce(events, free);
	} else if (tally_has_budget(events, now_ns)) {
		tally += WEIR_TALLY_WAYS - 1;
		tally->kind = WEIR_EVENT_END;
		tally_emit(events, tally);
		tally_open(tally, packet, what, now_ns);
	} else {
		tally_miss(events, half);
	}
	return 0;
}

#endif
