/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tells whoever traces of the packet in hand, behind its verdict: include/weir/trace.h. In the program only while
 * somebody does. A packet that is not looked at pays for a decrement; what the others take is bounded by a budget.
 */
#ifndef LIB_TRACE_H
#define LIB_TRACE_H

#include <weir/trace.h>

#include "lib/clock.h"
#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/settings.h"
#include "lib/tally.h"

#define TRACE_LOOK_AGAIN 1024 /* packets, while nobody traces */

static __always_inline int trace_is_due(const struct weir_cpu *cpu)
{
	return settings_has(WEIR_FEATURE_TRACE) && cpu->trace_left <= 1;
}

static __always_inline int trace_prefix_matches(const struct weir_trace_prefix *prefix,
						const __u64 address[2])
{
	return (address[1] & prefix->mask[1]) == prefix->value[1] &&
	       (address[0] & prefix->mask[0]) == prefix->value[0];
}

static __always_inline int trace_port_matches(const struct weir_trace_ports *ports, __u32 port)
{
	return port >= ports->first && port <= ports->last;
}

static __always_inline int trace_ports_are_any(const struct weir_trace_ports *ports)
{
	return !ports->first && ports->last == 0xffff;
}

static __always_inline int trace_ports_match(const struct weir_trace_filter *filter,
					     const struct packet *packet)
{
	if (!packet->has_port)
		return trace_ports_are_any(&filter->source_ports) &&
		       trace_ports_are_any(&filter->destination_ports) &&
		       trace_ports_are_any(&filter->either_ports);
	return trace_port_matches(&filter->source_ports, packet->source_port) &&
	       trace_port_matches(&filter->destination_ports, packet->destination_port) &&
	       (trace_port_matches(&filter->either_ports, packet->source_port) ||
		trace_port_matches(&filter->either_ports, packet->destination_port));
}

/* What is looked for of what was decided. @what: see tally_what(). */
static __always_inline int trace_what_matches(const struct weir_trace_filter *filter, __u64 what)
{
	__u32 slot = (__u32)(what >> 32) & 0xffff;

	if (!(filter->reasons >> (what >> 48 & 63) & 1) ||
	    !(filter->verdicts >> (what >> 56 & 31) & 1))
		return 0;
	return filter->any_limit ||
	       (slot < WEIR_LIMIT_SLOTS && filter->limits[slot >> 6 & 1] >> (slot & 63) & 1);
}

/* Parsing came as far as the addresses. */
static __always_inline int trace_is_ip(const struct packet *packet)
{
	return packet->is_ip6 || packet->source_words[1];
}

static __always_inline int trace_matches(const struct weir_trace_filter *filter,
					 const struct packet *packet, __u64 what)
{
	if (!trace_what_matches(filter, what))
		return 0;
	if (filter->ifindex && filter->ifindex != packet->ifindex)
		return 0;
	if (!filter->any_protocol &&
	    (!trace_is_ip(packet) ||
	     !(filter->protocols[packet->protocol >> 6] >> (packet->protocol & 63) & 1)))
		return 0;
	if (!trace_prefix_matches(&filter->source, packet->source_words) ||
	    !trace_prefix_matches(&filter->destination, packet->destination_words))
		return 0;
	if (!trace_prefix_matches(&filter->either, packet->source_words) &&
	    !trace_prefix_matches(&filter->either, packet->destination_words))
		return 0;
	if (filter->tenant &&
	    (filter->tenant != packet->tenant || filter->generation != (__u32)what))
		return 0;
	return trace_ports_match(filter, packet);
}

/* Copy the packet's first bytes, as many as are wanted. */
static __always_inline __u32 trace_snap(struct xdp_md *ctx, const struct weir_trace *trace,
					struct weir_trace_cpu *own, __u32 length)
{
	__u32 bytes = trace->snap < length ? trace->snap : length;

	if (!bytes)
		return 0;
	if (bytes > WEIR_TRACE_SNAP_MAX)
		bytes = WEIR_TRACE_SNAP_MAX;
	/* 1 to so many, in a form that says so to verifiers which learn nothing from "is not 0", such as 6.1's. */
	bytes = (bytes - 1) & (WEIR_TRACE_SNAP_MAX - 1);
	__asm__ volatile("" : "+r"(bytes));
	bytes++;
	return bpf_xdp_load_bytes(ctx, 0, own->bytes, bytes) ? 0 : bytes;
}

static __always_inline struct weir_trace *trace_orders(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&weir_trace, &zero);
}

static __always_inline struct weir_trace_cpu *trace_own(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&weir_trace_cpu, &cpu);
}

/* An answer is about to change the packet: keep what a trace wants of it. Global for the verifier's sake. */
__noinline int trace_keep(struct xdp_md *ctx, __u32 length)
{
	const struct weir_trace *trace;
	struct weir_trace_cpu *own;

	if (!settings_has(WEIR_FEATURE_TRACE))
		return 0;
	trace = trace_orders();
	own = trace_own();
	if (trace && own)
		own->kept = trace_snap(ctx, trace, own, length);
	return 0;
}

static __always_inline void trace_fill(struct weir_trace_event *event, const struct packet *packet,
				       __u64 what)
{
	event->source[0] = packet->source_words[0];
	event->source[1] = packet->source_words[1];
	event->destination[0] = packet->destination_words[0];
	event->destination[1] = packet->destination_words[1];
	event->what = what;
	event->length = packet->length;
	event->ifindex = packet->ifindex;
	event->source_port = packet->source_port;
	event->destination_port = packet->destination_port;
	event->tenant = packet->tenant;
	event->protocol = packet->protocol;
	event->flags = (trace_is_ip(packet) ? WEIR_TRACE_IP : 0) |
		       (packet->is_ip6 ? WEIR_TRACE_IP6 : 0) |
		       (packet->has_port ? WEIR_TRACE_PORTS : 0) |
		       (packet->is_later_fragment ? WEIR_TRACE_LATER_FRAGMENT : 0);
}

static __always_inline void trace_emit(struct weir_trace_cpu *own, const struct packet *packet,
				       __u64 what, __u32 bytes, __u64 time_ns)
{
	struct weir_trace_event *event = &own->event;

	trace_fill(event, packet, what);
	event->time_ns = time_ns;
	event->snapped = (__u16)bytes;
	__asm__ volatile("" : "+r"(bytes));
	if (bytes > WEIR_TRACE_SNAP_MAX)
		return; /* cannot be, but the verifier does not know */
	if (bpf_ringbuf_output(&weir_traces, event, sizeof(*event) + bytes, BPF_RB_NO_WAKEUP))
		own->count.lost++;
	else
		own->count.delivered++;
}

/* There is budget left. By the coarse clock, as nearly all packets of a flood come here for nothing. */
static __always_inline int trace_has_budget(const struct weir_trace_cpu *own, __u64 now_ns)
{
	return own->budget_tat_ns <= now_ns + WEIR_TRACE_BURST_NS;
}

static __always_inline void trace_pay(const struct weir_trace *trace, struct weir_trace_cpu *own,
				      __u64 now_ns, __u64 cost_ns)
{
	__u64 tat_ns = own->budget_tat_ns > now_ns ? own->budget_tat_ns : now_ns;

	own->count.cost_ns += cost_ns;
	own->budget_tat_ns = tat_ns + (cost_ns + WEIR_TRACE_READING_NS) * trace->factor;
}

/* Say when to look again. */
static __always_inline void trace_draw(const struct weir_trace *trace, struct weir_cpu *cpu,
				       struct weir_trace_cpu *own, int wanted)
{
	__u32 period = trace->period;

	own->count.seen += own->distance ?: (__u32)wanted;
	own->distance = 0;
	if (!wanted) {
		cpu->trace_left = TRACE_LOOK_AGAIN;
		return;
	}
	own->distance = period > 1 ? 1 + bpf_get_prandom_u32() % (2 * period - 1) : 1;
	cpu->trace_left = own->distance;
}

/* A packet whose turn it is. @what: see tally_what(); @kept: trace_keep() was called. Global for the verifier's
 * sake, see lib/limits.h. */
__noinline int trace_take(struct xdp_md *ctx, struct packet *packet, __u64 what, __u32 kept)
{
	const struct weir_trace *trace;
	struct weir_trace_cpu *own;
	struct weir_cpu *cpu;
	__u64 now_ns, begin_ns;
	__u32 bytes;
	int wanted;

	if (!settings_has(WEIR_FEATURE_TRACE) || !packet)
		return 0;
	cpu = cpu_own();
	trace = trace_orders();
	own = trace_own();
	if (!cpu || !trace || !own)
		return 0;
	now_ns = clock_now_ns(cpu, packet);
	wanted = *(volatile const __u64 *)&trace->until_ns > now_ns;
	trace_draw(trace, cpu, own, wanted);
	if (!wanted)
		return 0;
	own->count.looked_at++;
	if (!trace_matches(&trace->filters[trace->selected & 1], packet, what))
		return 0;
	own->count.matched++;
	if (!trace_has_budget(own, now_ns)) {
		own->count.over_budget++;
		return 0;
	}
	begin_ns = clock_exact_ns();
	bytes = kept ? own->kept : trace_snap(ctx, trace, own, packet->length);
	trace_emit(own, packet, what, bytes, begin_ns);
	trace_pay(trace, own, now_ns, clock_exact_ns() - begin_ns);
	return 0;
}

/* The slot of the limit that refused the packet. Asked here again: to keep it until then would have the verifier walk
 * more, also where nobody traces. */
static __always_inline __u64 trace_slot(const struct weir_policy *policy,
					const struct packet *packet, int reason)
{
	if (!policy || packet->limit == PACKET_NO_LIMIT || reason < WEIR_REASON_NOT_IP)
		return WEIR_NO_LIMIT;
	return policy->limits[packet->limit & (WEIR_LIMITS_MAX - 1)].slot;
}

/** @policy may be NULL. */
static __always_inline void trace_packet(struct xdp_md *ctx, struct weir_cpu *cpu,
					 const struct weir_policy *policy, struct packet *packet,
					 int reason, int verdict, __u32 kept)
{
	if (!settings_has(WEIR_FEATURE_TRACE) || cpu->trace_left-- > 1)
		return;
	trace_take(ctx, packet,
		   (policy ? policy->generation : 0) | trace_slot(policy, packet, reason) << 32 |
			   (__u64)(__u8)reason << 48 | (__u64)(__u8)verdict << 56,
		   kept);
}

#endif
