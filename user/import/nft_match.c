/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What one rule says: on which packets, how many of them, and then what. */
#include <string.h>

#include "import/nft.h"

#define ICMP  1
#define ICMP6 58
#define SCTP  132

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {
	{"tcp", POLICY_TCP}, {"udp", POLICY_UDP}, {"icmp", ICMP},	{"icmpv6", ICMP6},
	{"sctp", SCTP},	     {"gre", 47},	  {"ipv6-icmp", ICMP6},
};

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* Keep only @these of the protocols; a rule may name them twice. */
static void only_protocols(struct nft_match *m, const bool these[static 256])
{
	for (size_t i = 0; i < 256; i++)
		m->protocols[i] = these[i] && (m->any_protocol || m->protocols[i]);
	m->any_protocol = false;
}

static bool read_protocol(const json_t *value, bool ret[static 256])
{
	const char *name = json_string_value(value) ?: "";

	if (json_is_integer(value) && json_integer_value(value) >= 0 &&
	    json_integer_value(value) < 256) {
		ret[json_integer_value(value)] = true;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (!is(protocols[i].name, name))
			continue;
		ret[protocols[i].number] = true;
		return true;
	}
	return false;
}

static void read_protocols(const json_t *right, struct nft_match *m)
{
	const json_t *list = json_object_get(right, "set"), *item;
	bool these[256] = {false};
	size_t i;

	if (!list && !read_protocol(right, these))
		m->why = "weir does not know the protocol by that name";
	json_array_foreach (list, i, item) {
		if (!read_protocol(item, these))
			m->why = "weir does not know the protocol by that name";
	}
	only_protocols(m, these);
	m->conditions++;
}

static void read_family(const char *name, struct nft_match *m)
{
	enum nft_family family = NFT_BOTH;

	if (is(name, "ipv4") || is(name, "ip"))
		family = NFT_IP4;
	else if (is(name, "ipv6") || is(name, "ip6"))
		family = NFT_IP6;
	if (family == NFT_BOTH || (m->family != NFT_BOTH && m->family != family))
		m->why = "weir knows IPv4 and IPv6 only";
	else
		m->family = family;
}

/* A state is one word, a list of them, or a set; of a vmap it is a key. */
static bool has_state(const json_t *right, const char *state)
{
	const json_t *list = json_object_get(right, "set") ?: right, *item;
	size_t i;

	if (is(json_string_value(list) ?: "", state))
		return true;
	json_array_foreach (list, i, item) {
		if (is(json_string_value(item) ?: "", state))
			return true;
	}
	return false;
}

static size_t count_states(const json_t *right)
{
	const json_t *list = json_object_get(right, "set") ?: right;

	return json_is_array(list) ? json_array_size(list) : 1;
}

static void read_state(const json_t *right, struct nft_match *m)
{
	if (has_state(right, "established"))
		m->established = true;
	else if (has_state(right, "new") && count_states(right) == 1)
		m->new_connections = true;
	else
		m->why = "weir does not know the state of connections";
	m->conditions++;
}

/* SYN without ACK begins a connection; plain "syn" also answers one. */
static void read_flags(const json_t *left, const json_t *right, struct nft_match *m)
{
	const json_t *mask = json_array_get(json_object_get(left, "&"), 1);
	bool these[256] = {[POLICY_TCP] = true};

	if (!is(json_string_value(right) ?: "", "syn") ||
	    (mask && (!has_state(mask, "syn") || !has_state(mask, "ack"))))
		m->why = "of the flags of TCP weir knows only SYN without ACK";
	only_protocols(m, these);
	m->new_connections = true;
	m->conditions++;
}

static void read_ports(const char *protocol, const json_t *right, struct nft_match *m)
{
	bool these[256] = {false};

	these[POLICY_TCP] = is(protocol, "tcp") || is(protocol, "th");
	these[POLICY_UDP] = is(protocol, "udp") || is(protocol, "th");
	if (!these[POLICY_TCP] && !these[POLICY_UDP])
		m->why = "of ports weir knows those of TCP and UDP";
	if (m->ports)
		m->why = "it names ports twice";
	only_protocols(m, these);
	m->ports = right;
	m->conditions++;
}

static void read_address(const char *field, const json_t *right, struct nft_match *m)
{
	const json_t **side = is(field, "saddr") ? &m->sources : &m->destinations;

	if (*side)
		m->why = "it names addresses twice";
	*side = right;
	m->conditions++;
}

static void read_payload(const json_t *left, const json_t *payload, const json_t *right,
			 struct nft_match *m)
{
	const char *protocol = nft_word(payload, "protocol"), *field = nft_word(payload, "field");

	if (is(protocol, "ip") || is(protocol, "ip6"))
		read_family(protocol, m);
	if (is(field, "saddr") || is(field, "daddr"))
		read_address(field, right, m);
	else if (is(field, "protocol") || is(field, "nexthdr"))
		read_protocols(right, m);
	else if (is(field, "dport"))
		read_ports(protocol, right, m);
	else if (is(protocol, "tcp") && is(field, "flags"))
		read_flags(left, right, m);
	else
		m->why = "weir's services look at protocol, destination and destination port only";
	if ((is(field, "saddr") || is(field, "daddr")) && !is(protocol, "ip") &&
	    !is(protocol, "ip6"))
		m->why = "weir looks at IP addresses only";
}

static void read_meta(const char *key, const json_t *right, struct nft_match *m)
{
	if (is(key, "l4proto")) {
		read_protocols(right, m);
	} else if (is(key, "nfproto") || is(key, "protocol")) {
		read_family(json_string_value(right) ?: "", m);
	} else if (is(key, "iif") || is(key, "iifname")) {
		m->interface = json_string_value(right);
		m->loopback = m->interface && is(m->interface, "lo");
		if (!m->interface || strchr(m->interface, '*'))
			m->why = "weir holds on all interfaces that it is attached to";
	} else {
		m->why = "weir's services look at protocol, destination and destination port only";
	}
}

static void read_condition(const json_t *match, struct nft_match *m)
{
	const json_t *left = json_object_get(match, "left"),
		     *right = json_object_get(match, "right"),
		     *masked = json_array_get(json_object_get(left, "&"), 0),
		     *payload = json_object_get(masked ?: left, "payload");
	const char *op = nft_word(match, "op");
	bool flags = is(nft_word(payload, "field"), "flags");

	if (!is(op, "==") && !(is(op, "in") && (flags || json_object_get(left, "ct"))))
		m->why = "weir's lists and services say what they hold, not what they do not";
	else if (masked && !flags)
		m->why = "weir looks at whole values and at prefixes";
	else if (payload)
		read_payload(left, payload, right, m);
	else if (json_object_get(left, "meta"))
		read_meta(nft_word(json_object_get(left, "meta"), "key"), right, m);
	else if (is(nft_word(json_object_get(left, "ct"), "key"), "state"))
		read_state(right, m);
	else
		m->why = "weir's services look at protocol, destination and destination port only";
}

/* "ct state vmap { established : accept, ... }": the usual way to let connections that exist pass. */
static void read_vmap(const json_t *vmap, struct nft_match *m)
{
	const json_t *key = json_object_get(json_object_get(vmap, "key"), "ct"),
		     *pairs = json_object_get(json_object_get(vmap, "data"), "set"), *pair;
	bool of_states = is(nft_word(key, "key"), "state");
	size_t i;

	m->why = "weir has no maps of verdicts";
	m->passes |= !json_is_array(pairs); /* it has a name */
	json_array_foreach (pairs, i, pair) {
		const json_t *state = json_array_get(pair, 0), *verdict = json_array_get(pair, 1);

		if (of_states && json_object_get(verdict, "accept") &&
		    (has_state(state, "established") || has_state(state, "related")))
			m->established_accept |= has_state(state, "established");
		else if (!json_object_get(verdict, "drop"))
			m->passes = true;
	}
}

static void read_verdict(const char *name, const json_t *value, enum nft_verdict verdict,
			 struct nft_match *m)
{
	m->verdict = verdict;
	m->rejects = is(name, "reject");
	m->target = nft_word(value, "target");
}

static void read_statement(const char *name, const json_t *value, struct nft_match *m)
{
	static const struct {
		const char *name;
		enum nft_verdict verdict;
	} verdicts[] = {
		{"accept", NFT_ACCEPT}, {"drop", NFT_DROP}, {"reject", NFT_DROP},
		{"return", NFT_RETURN}, {"jump", NFT_JUMP}, {"goto", NFT_GOTO},
	};

	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		if (!is(verdicts[i].name, name))
			continue;
		read_verdict(name, value, verdicts[i].verdict, m);
		return;
	}
	if (is(name, "match"))
		read_condition(value, m);
	else if (is(name, "vmap"))
		read_vmap(value, m);
	else if (is(name, "limit") || is(name, "set") || is(name, "meter") || is(name, "ct count"))
		nft_count_read(value, name, m);
	else if (!is(name, "counter") && !is(name, "log") && !is(name, "comment"))
		m->why = "weir has nothing like it";
}

void nft_match_read(const json_t *expr, enum nft_family family, struct nft_match *ret)
{
	json_t *statement, *value;
	const char *name;
	size_t i;

	*ret = (struct nft_match){.family = family, .any_protocol = true};
	json_array_foreach (expr, i, statement) {
		if (json_object_size(statement) != 1)
			ret->why = "weir has nothing like it";
		json_object_foreach (statement, name, value) {
			read_statement(name, value, ret);
		}
	}
}
