/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who dropped it: the ladder from the NIC to the socket, and whose packets they were. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "engine/ladder.h"
#include "ladder/ladder.h"

#define FLOWS_DEFAULT 20
#define FLOWS_MAX     1000

struct question {
	uint32_t ifindex; /* 0 = all */
	bool by_address;
	struct prefix address;
	uint32_t limit;
};

static int read_question(struct call *c, struct question *ret)
{
	const char *iface = http_argument(c->request, "interface");
	const char *flow = http_argument(c->request, "flow");

	*ret = (struct question){.by_address = flow};
	if (read_limit_argument(c, FLOWS_DEFAULT, FLOWS_MAX, &ret->limit) < 0)
		return -EINVAL;
	if (iface) {
		ret->ifindex = if_nametoindex(iface);
		if (!ret->ifindex) {
			reply_problem(c, 404, "drops.interface", "there is no interface '%.40s'",
				      iface);
			return -ENOENT;
		}
	}
	if (flow && prefix_parse(flow, &ret->address) < 0) {
		reply_problem(c, 422, "drops.flow", "'%.60s' is no address and no prefix", flow);
		return -EINVAL;
	}
	return 0;
}

static json_t *json_interface(uint32_t ifindex)
{
	char name[IF_NAMESIZE];

	if (!ifindex)
		return json_null();
	return if_indextoname(ifindex, name) ? json_string(name) : json_sprintf("#%u", ifindex);
}

static json_t *json_protocol(uint16_t ethertype, uint8_t protocol)
{
	char buffer[16];
	const char *word = ladder_protocol(ethertype, protocol, buffer);

	return *word ? json_string(word) : json_null();
}

static json_t *json_row(const struct ladder_row *row)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:I, s:o, s:b, s:s}", "layer",
			 ladder_layer_to_str(row->layer), "reason", row->reason, "interface",
			 json_interface(row->ifindex), "protocol",
			 json_protocol(row->ethertype, row->protocol), "direction",
			 row->outgoing ? "out" : "in", "packets", (json_int_t)row->packets, "bytes",
			 row->bytes ? json_integer((json_int_t)row->bytes) : json_null(), "counted",
			 row->counted, "meaning", row->words);
}

static json_t *json_flow(const struct ladder_flow *f)
{
	uint64_t now_ns = clock_monotonic_ns();
	char source[ADDRESS_TEXT_SIZE], destination[ADDRESS_TEXT_SIZE];

	address_format(f->source, source);
	address_format(f->destination, destination);
	return json_pack(
		"{s:s, s:i, s:s, s:i, s:o, s:o, s:s, s:s, s:o, s:I, s:o}", "source", source,
		"source_port", (int)f->source_port, "destination", destination, "destination_port",
		(int)f->destination_port, "protocol", json_protocol(f->ethertype, f->protocol),
		"interface", json_interface(f->ifindex), "direction", f->outgoing ? "out" : "in",
		"layer", ladder_layer_to_str(f->layer), "reason",
		*f->reason ? json_string(f->reason) : json_sprintf("reason-0x%x", f->reason_number),
		"packets", (json_int_t)f->packets, "last_seen",
		json_time(clock_real_ns() - (now_ns > f->last_ns ? now_ns - f->last_ns : 0)));
}

static int add_flows(const struct ladder *l, const struct question *q, json_t *items)
{
	_cleanup_free_ struct ladder_flow *flows = NULL;
	size_t count = 0;
	int r = ladder_flows(l, q->by_address ? &q->address : NULL, q->ifindex, &flows, &count);

	for (size_t i = 0; r == 0 && i < count && i < q->limit; i++)
		json_array_append_new(items, json_flow(&flows[i]));
	return r;
}

/* Rows of no one interface are everybody's. Those of the sum are added up again, as some may be left out. */
static uint64_t add_rows(const struct ladder_table *t, uint32_t ifindex, json_t *items)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < t->count; i++) {
		const struct ladder_row *row = &t->rows[i];

		if (ifindex && row->ifindex && row->ifindex != ifindex)
			continue;
		lost += row->counted ? row->packets : 0;
		json_array_append_new(items, json_row(row));
	}
	return lost;
}

static void reply_drops(struct call *c, const struct ladder *l, const struct question *q,
			const struct ladder_table *t)
{
	const struct fault *trouble = ladder_trouble(l);
	json_t *items = json_array(), *flows = json_array();
	uint64_t lost = add_rows(t, q->ifindex, items);

	if (add_flows(l, q, flows) < 0) {
		json_decref(items);
		json_decref(flows);
		return reply_problem(c, 500, "drops.memory", "out of memory");
	}
	reply_json(c, 200,
		   json_pack("{s:o, s:I, s:o, s:o, s:o, s:{s:b, s:s?, s:I, s:I, s:I}}", "since",
			     json_time(ladder_since_ns(l)), "lost", (json_int_t)lost, "items",
			     items, "next", json_null(), "flows", flows, "kernel", "counted",
			     !trouble->err, "trouble", trouble->err ? trouble->text : NULL,
			     "elsewhere", (json_int_t)t->stats.cpus.elsewhere, "unattributed",
			     (json_int_t)t->stats.cpus.unattributed, "flows_skipped",
			     (json_int_t)t->stats.cpus.flows_skipped));
}

/* What is watched beside the limiter; why not. */
json_t *json_watching(const struct engine *e)
{
	const struct ladder *l = engine_ladder(e);
	const struct fault *drops = l ? ladder_trouble(l) : NULL;
	const struct fault *connections = engine_connections_trouble(e);

	return json_pack("{s:b, s:s?, s:b, s:s?, s:s}", "drops", drops && !drops->err,
			 "drops_trouble",
			 !drops	      ? "out of memory"
			 : drops->err ? drops->text
				      : NULL,
			 "connections", !connections->err, "connections_trouble",
			 connections->err ? connections->text : NULL, "ended_by",
			 engine_connections_by_program(e) ? "program" : "netlink");
}

void handle_drops(struct call *c)
{
	const struct ladder *l = engine_ladder(c->engine);
	_cleanup_(ladder_table_done) struct ladder_table t = {0};
	struct question q;

	if (read_question(c, &q) < 0)
		return;
	if (!l || ladder_read(l, &t) < 0)
		return reply_problem(c, 500, "drops.memory", "out of memory");
	reply_drops(c, l, &q, &t);
}
