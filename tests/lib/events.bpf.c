/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes events as the datapath does, as fast as it is asked to: each run puts so many records into a
 * ring of its own and counts, as the datapath counts, what it offered and what found no room.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <weir/event.h>

#include "events.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENTS_RING_BYTES);
} ring SEC(".maps");

struct events_made made;

static long make(__u32 i, void *userdata)
{
	struct weir_tally *t = userdata;
	__u32 source = __builtin_bswap32(EVENTS_BASE + made.offered % EVENTS_SOURCES);

	(void)i;
	__builtin_memcpy(t->source + 12, &source, sizeof(source));
	made.offered++;
	if (bpf_ringbuf_output(&ring, t, sizeof(*t), BPF_RB_NO_WAKEUP)) {
		made.lost++;
		made.lost_packets += t->packets;
	}
	return 0;
}

SEC("xdp")
int events(struct xdp_md *ctx)
{
	struct weir_tally t = {.packets = EVENTS_PACKETS, .bytes = 180, .kind = WEIR_EVENT_END};

	(void)ctx;
	t.source[10] = t.source[11] = 0xff;
	t.limit = 0;
	t.reason = EVENTS_REASON;
	t.verdict = EVENTS_VERDICT;
	t.first_ns = t.last_ns = bpf_ktime_get_ns();
	bpf_loop(EVENTS_PER_RUN, make, &t, 0);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
