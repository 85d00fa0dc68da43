/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ladder/ladder.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/config.h>

#include "base/clock.h"
#include "base/words.h"
#include "ladder/nic.h"
#include "ladder/stack.h"

#define ETHERTYPE_ARP 0x0806

static const char *const layers[] = {
	[LADDER_NIC] = "nic",	    [LADDER_XDP] = "xdp",     [LADDER_KERNEL] = "kernel",
	[LADDER_SOCKET] = "socket", [LADDER_RESET] = "reset", [LADDER_COPY] = "copy",
};
static_assert(ARRAY_SIZE(layers) == LADDER_LAYER_MAX, "every layer has a name");

static const struct {
	const char *reason;
	enum ladder_layer layer;
	const char *words;
} vocabulary[] = {
#define LADDER_W(reason, layer, words) {reason, LADDER_##layer, words},
#include "ladder/words.def"
#undef LADDER_W
};

/* A counter of an interface when we began. */
struct begun {
	uint32_t ifindex;
	struct nic_counter counter;
};

struct ladder {
	const struct datapath *datapath;
	struct drops *drops; /* NULL: see trouble */
	struct fault trouble;
	uint64_t since_ns;
	char (*ifaces)[IF_NAMESIZE];
	size_t iface_count;

	/* When we began: what is counted since is the difference. */
	struct weir_count xdp[WEIR_COUNTS];
	struct stack_counts stack;
	struct begun *nics;
	size_t nic_count;
};

const char *ladder_layer_to_str(enum ladder_layer layer)
{
	return layers[layer];
}

const char *ladder_protocol(uint16_t ethertype, uint8_t protocol, char buffer[static 16])
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = {{IPPROTO_TCP, "tcp"},   {IPPROTO_UDP, "udp"},	{IPPROTO_ICMP, "icmp"},
		     {IPPROTO_SCTP, "sctp"}, {IPPROTO_GRE, "gre"},	{IPPROTO_ESP, "esp"},
		     {IPPROTO_IGMP, "igmp"}, {IPPROTO_ICMPV6, "icmpv6"}};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].number == protocol)
			return names[i].name;
	if (ethertype == ETHERTYPE_ARP)
		return "arp";
	buffer[0] = '\0';
	if (protocol)
		snprintf(buffer, 16, "ip-%u", protocol);
	else if (ethertype)
		snprintf(buffer, 16, "0x%04x", ethertype);
	return buffer;
}

static size_t find_words(const char *reason)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(vocabulary) && strcmp(vocabulary[i].reason, reason) != 0)
		i++;
	return i;
}

static enum ladder_layer layer_of(const char *reason)
{
	size_t i = find_words(reason);

	return i < ARRAY_SIZE(vocabulary) ? vocabulary[i].layer : LADDER_KERNEL;
}

int ladder_open(const struct datapath *d, const char *const *ifaces, size_t iface_count,
		bool kernel, struct ladder **ret)
{
	_cleanup_(ladder_closep) struct ladder *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->ifaces = calloc(iface_count, sizeof(*l->ifaces));
	l->nics = calloc(iface_count * NIC_COUNTERS_MAX, sizeof(*l->nics));
	if (!l->ifaces || !l->nics)
		return -ENOMEM;
	l->datapath = d;
	l->iface_count = iface_count;
	for (size_t i = 0; i < iface_count; i++) {
		struct nic_counter counters[NIC_COUNTERS_MAX];
		uint32_t ifindex = if_nametoindex(ifaces[i]);
		size_t count = ifindex ? nic_losses(ifindex, ifaces[i], counters) : 0;

		snprintf(l->ifaces[i], sizeof(l->ifaces[i]), "%s", ifaces[i]);
		for (size_t n = 0; n < count; n++)
			l->nics[l->nic_count++] = (struct begun){ifindex, counters[n]};
	}
	stack_read(&l->stack);
	if (kernel)
		drops_open(&l->drops, &l->trouble);
	else
		fault(&l->trouble, -ECANCELED, "drops.off",
		      "the policy says so (metrics.kernel_drops: false)");
	datapath_read_counts(d, l->xdp);
	l->since_ns = clock_real_ns();
	*ret = take_ptr(l);
	return 0;
}

void ladder_close(struct ladder *l)
{
	if (!l)
		return;
	drops_close(l->drops);
	free(l->ifaces);
	free(l->nics);
	free(l);
}

const struct fault *ladder_trouble(const struct ladder *l)
{
	return &l->trouble;
}

bool ladder_is_off(const struct ladder *l)
{
	return l->trouble.err == -ECANCELED;
}

uint64_t ladder_since_ns(const struct ladder *l)
{
	return l->since_ns;
}

/* Rows in the making; it has room for all there can be. */
static void add_row(struct ladder_table *t, const struct ladder_row *row)
{
	if (!row->packets)
		return;
	t->rows[t->count] = *row;
	if (row->counted)
		t->lost += row->packets;
	t->count++;
}

static uint64_t nic_before(const struct ladder *l, uint32_t ifindex, const struct nic_counter *now)
{
	for (size_t i = 0; i < l->nic_count; i++)
		if (l->nics[i].ifindex == ifindex &&
		    strcmp(l->nics[i].counter.name, now->name) == 0)
			/* Less than before: the driver began anew. */
			return l->nics[i].counter.packets <= now->packets
				       ? l->nics[i].counter.packets
				       : 0;
	return 0;
}

static void add_nics(const struct ladder *l, struct ladder_table *t)
{
	for (size_t i = 0; i < l->iface_count; i++) {
		struct nic_counter now[NIC_COUNTERS_MAX];
		uint32_t ifindex = if_nametoindex(l->ifaces[i]);
		size_t count = ifindex ? nic_losses(ifindex, l->ifaces[i], now) : 0;

		for (size_t n = 0; n < count; n++) {
			struct ladder_row row = {
				.layer = LADDER_NIC,
				.ifindex = ifindex,
				.packets = now[n].packets - nic_before(l, ifindex, &now[n]),
				.counted = now[n].first,
				.outgoing = strncmp(now[n].name, "tx", 2) == 0,
				.words = now[n].first ? "lost before XDP" : "",
			};

			snprintf(row.reason, sizeof(row.reason), "%.39s", now[n].name);
			add_row(t, &row);
		}
	}
}

/* The program counts for all its interfaces together. */
static void add_xdp(const struct ladder *l, struct ladder_table *t)
{
	struct weir_count now[WEIR_COUNTS];
	uint32_t only = l->iface_count == 1 ? if_nametoindex(l->ifaces[0]) : 0;

	datapath_read_counts(l->datapath, now);
	for (size_t i = 0; i < WEIR_COUNTS; i++) {
		enum weir_verdict verdict = (enum weir_verdict)(i / WEIR_REASON_MAX);
		struct ladder_row row = {
			.layer = LADDER_XDP,
			.ifindex = only,
			.packets = now[i].packets - l->xdp[i].packets,
			.bytes = now[i].bytes - l->xdp[i].bytes,
			.counted = true,
			.words = verdict == WEIR_VERDICT_REPLY ? "dropped and answered by weir"
							       : "dropped by weir",
		};

		if (verdict != WEIR_VERDICT_DROP && verdict != WEIR_VERDICT_REPLY)
			continue;
		snprintf(row.reason, sizeof(row.reason), "%s",
			 reason_to_str((enum weir_reason)(i % WEIR_REASON_MAX)));
		add_row(t, &row);
	}
}

static void name_reset(const struct ladder *l, const struct weir_drop_key *key,
		       struct ladder_row *row)
{
	const char *why = drops_reason(l->drops, WEIR_DROP_RESET_SENT, key->reason);

	row->layer = LADDER_RESET;
	row->counted = false;
	if (key->kind == WEIR_DROP_RESET_RECEIVED) {
		snprintf(row->reason, sizeof(row->reason), "received");
		row->words = "the peer ended the connection by a reset";
		return;
	}
	snprintf(row->reason, sizeof(row->reason), "sent %.40s", why);
	row->words = "we ended or refused the connection by a reset";
}

/* What an XDP program drops as a packet and not as a frame is freed like any other: weir has counted its own. */
static void name_xdp(const struct ladder *l, struct ladder_row *row)
{
	bool ours = false;

	for (size_t i = 0; i < l->iface_count; i++)
		ours |= if_nametoindex(l->ifaces[i]) == row->ifindex;
	row->layer = LADDER_XDP;
	row->counted = !ours && !row->outgoing;
	row->words = ours ? "of what weir dropped, packets that came from a stack"
			  : "a program that is not weir's drops it: ip link, bpftool net";
	snprintf(row->reason, sizeof(row->reason), "XDP");
}

static int add_drops(const struct ladder *l, const struct drops_count *counts, size_t count,
		     struct ladder_table *t)
{
	for (size_t i = 0; i < count; i++) {
		const struct weir_drop_key *key = &counts[i].key;
		const char *reason = drops_reason(l->drops, WEIR_DROP_PACKET, key->reason);
		size_t found = find_words(reason);
		struct ladder_row row = {
			.layer = layer_of(reason),
			.ifindex = key->ifindex,
			.ethertype = key->ethertype,
			.protocol = key->protocol,
			.outgoing = key->outgoing,
			.packets = counts[i].count.packets,
			.bytes = counts[i].count.bytes,
			.words = found < ARRAY_SIZE(vocabulary) ? vocabulary[found].words : "",
		};

		row.counted = !row.outgoing && row.layer != LADDER_COPY;
		if (*reason)
			snprintf(row.reason, sizeof(row.reason), "%s", reason);
		else
			snprintf(row.reason, sizeof(row.reason), "reason-0x%x", key->reason);
		if (key->kind != WEIR_DROP_PACKET)
			name_reset(l, key, &row);
		else if (key->by_xdp || strcmp(reason, "XDP") == 0)
			name_xdp(l, &row);
		add_row(t, &row);
	}
	return 0;
}

/* What has no room, or came while the same CPU counted another drop: of these only how many is known. */
static void add_rest(const struct ladder *l, struct ladder_table *t)
{
	struct ladder_row row = {.layer = LADDER_KERNEL, .counted = true};

	drops_read_stats(l->drops, &t->stats);
	row.packets = t->stats.cpus.unnamed;
	row.words = "too many different reasons: no room to tell these apart";
	snprintf(row.reason, sizeof(row.reason), "unnamed");
	add_row(t, &row);
	row.packets = t->stats.missed;
	row.counted = false;
	row.words =
		"dropped while the same CPU was counting another drop; of any network namespace";
	snprintf(row.reason, sizeof(row.reason), "missed");
	add_row(t, &row);
}

/*
 * A listener counts the SYNs that it refuses together with the ends of handshakes that it has no room for. Only these
 * have a reason: what is left are the SYNs. They stay out of the sum where that cannot be told.
 */
static void add_refused(const struct ladder *l, const struct stack_counts *now,
			struct ladder_table *t)
{
	struct ladder_row row = {
		.layer = LADDER_SOCKET,
		.protocol = IPPROTO_TCP,
		.counted = true,
		.packets = now->counts[STACK_LISTEN_DROPS] - l->stack.counts[STACK_LISTEN_DROPS],
		.reason = LADDER_SYN_REFUSED,
		.words = "a listener had no room: its listen() backlog, net.core.somaxconn, "
			 "net.ipv4.tcp_max_syn_backlog",
	};
	uint64_t ends = 0;

	if (l->drops && !drops_tells_no_room(l->drops))
		return;
	for (size_t i = 0; i < t->count; i++)
		if (t->rows[i].counted && strcmp(t->rows[i].reason, DROPS_NO_ROOM) == 0)
			ends += t->rows[i].packets;
	/* They were read one after the other. */
	row.packets -= ends < row.packets ? ends : row.packets;
	add_row(t, &row);
}

static void add_stack(const struct ladder *l, const struct stack_counts *now,
		      struct ladder_table *t)
{
	for (enum stack_counter i = 0; i < STACK_COUNTER_MAX; i++) {
		struct ladder_row row = {
			.layer = LADDER_SOCKET,
			.packets = now->counts[i] - l->stack.counts[i],
			.words = stack_words(i),
		};

		snprintf(row.reason, sizeof(row.reason), "%s", stack_name(i));
		add_row(t, &row);
	}
}

static int compare_rows(const void *a, const void *b)
{
	const struct ladder_row *x = a, *y = b;

	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	if (x->counted != y->counted)
		return x->counted ? -1 : 1;
	if (x->packets != y->packets)
		return x->packets > y->packets ? -1 : 1;
	return strcmp(x->reason, y->reason);
}

int ladder_read(const struct ladder *l, struct ladder_table *ret)
{
	_cleanup_free_ struct drops_count *counts = NULL;
	struct ladder_table t = {0};
	struct stack_counts stack;
	size_t count = 0;
	int r;

	stack_read(&stack);
	r = l->drops ? drops_read(l->drops, &counts, &count) : 0;
	if (r < 0)
		return r;
	t.rows = calloc(count + l->iface_count * NIC_COUNTERS_MAX + WEIR_COUNTS +
				STACK_COUNTER_MAX + 3,
			sizeof(*t.rows));
	if (!t.rows)
		return -ENOMEM;
	add_nics(l, &t);
	add_xdp(l, &t);
	add_drops(l, counts, count, &t);
	if (l->drops)
		add_rest(l, &t);
	add_refused(l, &stack, &t);
	add_stack(l, &stack, &t);
	qsort(t.rows, t.count, sizeof(*t.rows), compare_rows);
	*ret = t;
	return 0;
}

void ladder_table_done(struct ladder_table *t)
{
	free(t->rows);
	t->rows = NULL;
}

static bool covers(const struct prefix *of, const uint8_t address[16])
{
	struct prefix p = {.bits = 128};

	memcpy(p.address, address, sizeof(p.address));
	return prefix_covers(of, &p);
}

static int compare_flows(const void *a, const void *b)
{
	const struct ladder_flow *x = a, *y = b;

	if (x->packets != y->packets)
		return x->packets > y->packets ? -1 : 1;
	return x->last_ns > y->last_ns ? -1 : x->last_ns < y->last_ns;
}

static void name_flow(const struct ladder *l, const struct drops_flow *from,
		      struct ladder_flow *ret)
{
	const struct weir_drop_flow_key *key = &from->key;

	*ret = (struct ladder_flow){
		.source_port = key->source_port,
		.destination_port = key->destination_port,
		.reason = drops_reason(l->drops, WEIR_DROP_PACKET, key->key.reason),
		.reason_number = key->key.reason,
		.ifindex = key->key.ifindex,
		.ethertype = key->key.ethertype,
		.protocol = key->key.protocol,
		.outgoing = key->key.outgoing,
		.packets = from->flow.packets,
		.last_ns = from->flow.last_ns,
	};
	memcpy(ret->source, key->source, sizeof(ret->source));
	memcpy(ret->destination, key->destination, sizeof(ret->destination));
	ret->layer = layer_of(ret->reason);
	if (key->key.by_xdp) {
		ret->reason = "XDP";
		ret->layer = LADDER_XDP;
	}
}

int ladder_flows(const struct ladder *l, const struct prefix *of, uint32_t ifindex,
		 struct ladder_flow **ret, size_t *ret_count)
{
	_cleanup_free_ struct drops_flow *noted = NULL;
	_cleanup_free_ struct ladder_flow *flows = NULL;
	size_t count = 0, kept = 0;
	int r = l->drops ? drops_read_flows(l->drops, &noted, &count) : 0;

	if (r < 0)
		return r;
	flows = calloc(count + 1, sizeof(*flows));
	if (!flows)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct weir_drop_flow_key *key = &noted[i].key;

		if (ifindex && key->key.ifindex != ifindex)
			continue;
		if (of && !covers(of, key->source) && !covers(of, key->destination))
			continue;
		name_flow(l, &noted[i], &flows[kept++]);
	}
	qsort(flows, kept, sizeof(*flows), compare_flows);
	*ret = take_ptr(flows);
	*ret_count = kept;
	return 0;
}
