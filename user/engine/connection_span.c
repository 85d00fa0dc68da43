/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP connections that ended as spans, one in so many. The peer is told as the policy lets records of traffic be read by anybody. */
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "engine/internal.h"

#define NETWORK_BITS_4 (96 + 24)
#define NETWORK_BITS_6 48

static bool is_ip4(const uint8_t address[static 16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

/* Its address and port, or its network: what is sealed or truncated in records does not leave by this way. */
static void put_peer(struct text *t, const struct policy *policy, const struct weir_socket_end *end)
{
	bool incoming = end->direction == WEIR_SOCKET_INCOMING;
	char text[PREFIX_TEXT_SIZE];
	struct prefix peer = {.bits = 128};

	memcpy(peer.address, end->remote, sizeof(peer.address));
	if (policy->audit.personal.traffic != POLICY_CLEAR) {
		peer.bits = is_ip4(end->remote) ? NETWORK_BITS_4 : NETWORK_BITS_6;
		address_mask(peer.address, peer.bits);
	}
	prefix_format(&peer, text);
	otlp_put_string(t, incoming ? "client.address" : "server.address", text);
	if (policy->audit.personal.traffic == POLICY_CLEAR || !incoming)
		otlp_put_int(t, incoming ? "client.port" : "server.port", end->remote_port);
}

static void put_attributes(struct text *t, const struct policy *policy,
			   const struct weir_socket_end *end)
{
	char local[ADDRESS_TEXT_SIZE];

	address_format(end->local, local);
	otlp_put_string(t, "network.transport", "tcp");
	otlp_put_string(t, "network.type", is_ip4(end->remote) ? "ipv4" : "ipv6");
	put_peer(t, policy, end);
	if (end->direction == WEIR_SOCKET_INCOMING) {
		otlp_put_string(t, "server.address", local);
		otlp_put_int(t, "server.port", end->local_port);
	}
	otlp_put_int(t, "weir.tcp.bytes_received", (int64_t)end->bytes_received);
	otlp_put_int(t, "weir.tcp.bytes_acked", (int64_t)end->bytes_acked);
	otlp_put_int(t, "weir.tcp.retransmits", end->retransmits);
	if (end->srtt_us)
		otlp_put_int(t, "weir.tcp.rtt_us", end->srtt_us);
	if (end->first_byte_ns)
		otlp_put_int(t, "weir.tcp.first_byte_us",
			     (int64_t)((end->first_byte_ns - end->established_ns) / 1000));
	otlp_put_bool(t, "weir.tcp.reset", end->reset);
}

static void put_connection(const struct weir_socket_end *end, void *userdata)
{
	struct engine *e = userdata;
	_cleanup_(text_done) struct text attributes = {.growing = true};
	uint64_t age_ns = clock_monotonic_ns() - end->closed_ns, now_ns = clock_real_ns();
	struct otlp_span span = {
		.name = "tcp.connection",
		.kind = end->direction == WEIR_SOCKET_INCOMING ? OTLP_SERVER : OTLP_CLIENT,
		.end_ns = now_ns - age_ns,
		.start_ns = now_ns - age_ns - (end->closed_ns - end->established_ns),
	};

	otlp_random(span.trace_id, sizeof(span.trace_id) - 1);
	otlp_random(span.id, sizeof(span.id) - 1);
	put_attributes(&attributes, e->policy, end);
	if (attributes.truncated)
		return;
	span.attributes = attributes.data;
	engine_put_span(e, &span);
}

void connections_sample(struct engine *e, uint32_t one_in)
{
	if (!e->sockets)
		return;
	sockets_sample(e->sockets, one_in);
	sockets_ended(e->sockets, put_connection, e);
}
