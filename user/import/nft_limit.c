/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules that count. nft and weir fill the same bucket: of packets it holds `burst`, of bytes what one period brings and `burst`
 * on top (nft_limit.c of the kernel), and what finds it empty is over.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "import/nft.h"

#define BURST_DEFAULT 5 /* packets; the kernel's */

static const struct {
	const char *name;
	uint64_t value;
} periods[] =
	{
		{"second", NSEC_PER_SEC},
		{"minute", 60 * NSEC_PER_SEC},
		{"hour", 3600 * NSEC_PER_SEC},
		{"day", 86400 * NSEC_PER_SEC},
},
  sizes[] = {{"packets", 0}, {"bytes", 1}, {"kbytes", 1 << 10}, {"mbytes", 1 << 20}};

static uint64_t number(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

static bool read_size(const char *name, uint64_t *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (*name && strcmp(sizes[i].name, name) != 0)
			continue;
		*ret = sizes[i].value;
		return true;
	}
	return false;
}

static void read_rate(const json_t *limit, struct nft_match *m)
{
	uint64_t burst_unit = 0;
	struct nft_rate *r = &m->rate;

	*r = (struct nft_rate){
		.rate = number(limit, "rate"),
		.burst = number(limit, "burst"),
		.over = json_is_true(json_object_get(limit, "inv")),
	};
	if (m->has_rate)
		m->why = "it has two rates";
	m->has_rate = true;
	for (size_t i = 0; i < ARRAY_SIZE(periods); i++)
		if (strcmp(periods[i].name, nft_word(limit, "per")) == 0)
			r->per_ns = periods[i].value;
	if (!r->per_ns)
		m->why = "weir's rates are per second, minute, hour or day";
	if (!r->rate || r->rate > POLICY_BYTE_RATE_MAX_BPS || r->burst > POLICY_BYTE_BURST_MAX ||
	    !read_size(nft_word(limit, "rate_unit"), &r->unit) ||
	    !read_size(nft_word(limit, "burst_unit"), &burst_unit))
		m->why = "weir has no such rate";
	else if (r->unit)
		r->burst *= burst_unit ?: 1;
	else if (!r->burst)
		r->burst = BURST_DEFAULT;
}

/* How many bits of an address @mask keeps; -1: they are not the first ones. */
static int mask_bits(const json_t *mask)
{
	uint8_t address[16], whole[16];
	int bits = 0;

	if (address_parse(json_string_value(mask) ?: "", address) < 0)
		return -1;
	memcpy(whole, address, sizeof(whole));
	if (address_is_ipv4(address))
		bits = 96;
	while (bits < 128 && address[bits / 8] & (0x80 >> bits % 8))
		bits++;
	address_mask(whole, (unsigned int)bits);
	if (memcmp(address, whole, sizeof(whole)) != 0)
		return -1;
	return address_is_ipv4(address) ? bits - 96 : bits;
}

/* What a set or meter counts by. */
static void read_key(const json_t *key, struct nft_match *m)
{
	const json_t *inner = json_object_get(json_object_get(key, "elem"), "val") ?: key,
		     *mask = json_array_get(json_object_get(inner, "&"), 1),
		     *payload = json_object_get(
			     json_array_get(json_object_get(inner, "&"), 0) ?: inner, "payload");
	const char *protocol = nft_word(payload, "protocol"), *field = nft_word(payload, "field");
	bool ip4 = strcmp(protocol, "ip") == 0, ip6 = strcmp(protocol, "ip6") == 0;
	int bits = mask ? mask_bits(mask) : ip4 ? 32 : 128;

	if ((!ip4 && !ip6) || bits < 0 ||
	    (strcmp(field, "saddr") != 0 && strcmp(field, "daddr") != 0)) {
		m->why = "weir keeps budgets by source, prefix of sources or destination";
		return;
	}
	if (m->family != NFT_BOTH && m->family != (ip4 ? NFT_IP4 : NFT_IP6))
		m->why = "it wants IPv4 and IPv6 at the same time";
	m->family = ip4 ? NFT_IP4 : NFT_IP6;
	m->key = strcmp(field, "saddr") == 0 ? NFT_KEY_SOURCE : NFT_KEY_DESTINATION;
	m->key_bits = (unsigned int)bits;
}

static void read_counted(const json_t *statement, struct nft_match *m)
{
	const json_t *limit = json_object_get(statement, "limit"),
		     *count = json_object_get(statement, "ct count");

	if (limit)
		read_rate(limit, m);
	if (!count)
		return;
	m->open_connections = number(count, "val");
	if (!json_is_true(json_object_get(count, "inv")) || !m->open_connections)
		m->why =
			"weir limits how many connections are open, and does nothing else by their number";
}

void nft_count_read(const json_t *statement, const char *name, struct nft_match *m)
{
	const json_t *list = json_object_get(statement, "stmt"), *item;
	bool is_meter = strcmp(name, "meter") == 0;
	size_t i;

	if (strcmp(name, "limit") == 0) {
		read_rate(statement, m);
		return;
	}
	if (strcmp(name, "ct count") == 0) {
		m->why = "weir counts the open connections of each source, not those of all";
		return;
	}
	if (m->key != NFT_KEY_NONE)
		m->why = "it keeps two budgets";
	read_key(json_object_get(statement, is_meter ? "key" : "elem"), m);
	m->dynamic_set = nft_word(statement, is_meter ? "name" : "set");
	if (json_is_object(list))
		read_counted(list, m);
	json_array_foreach (list, i, item) {
		read_counted(item, m);
	}
	if (!m->has_rate && !m->open_connections)
		m->why = "a set that rules fill: weir's lists are filled by operators and feeds";
	else if (strcmp(nft_word(statement, "op"), "delete") == 0)
		m->why = "it takes elements out of a set";
}

/* Names hold lower-case letters, digits and dashes. */
static void make_name(char name[static POLICY_NAME_MAX + 1], const char *from)
{
	size_t length = 0;

	for (; *from && length < POLICY_NAME_MAX - 4; from++) {
		char c = *from >= 'A' && *from <= 'Z' ? (char)(*from - 'A' + 'a') : *from;

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			name[length++] = c;
		else if (length && name[length - 1] != '-')
			name[length++] = '-';
	}
	while (length && name[length - 1] == '-')
		length--;
	name[length] = '\0';
	if (!length)
		snprintf(name, POLICY_NAME_MAX + 1, "all");
}

/* Add a number to a name that is taken: the same for services and limits, whose names come first in them. */
static void make_unique(char name[static POLICY_NAME_MAX + 1], const void *items, size_t count,
			size_t item)
{
	size_t length = strlen(name);

	for (unsigned int n = 2;; n++) {
		bool taken = false;

		for (size_t i = 0; i < count && !taken; i++)
			taken = strcmp((const char *)items + i * item, name) == 0;
		if (!taken)
			return;
		snprintf(name + length, POLICY_NAME_MAX + 1 - length, "-%u", n);
	}
}

static void name_service(struct import_service *s)
{
	char text[256];
	struct text t;

	text_init(&t, text, sizeof(text));
	for (unsigned int i = 0; i < 256; i++)
		if (s->protocols[i])
			text_printf(&t, "%s ", import_protocol(i) ?: "other");
	for (size_t i = 0; i < s->port_count; i++)
		text_printf(&t, "%u ", s->ports[i].first);
	for (size_t i = 0; i < s->dst_count && !t.truncated; i++) {
		char prefix[PREFIX_TEXT_SIZE];

		prefix_format(&s->dsts[i], prefix);
		text_printf(&t, "to %s ", prefix);
	}
	make_name(s->name, text);
}

static bool same_service(const struct import_service *a, const struct import_service *b)
{
	bool same = a->port_count == b->port_count && a->dst_count == b->dst_count &&
		    memcmp(a->protocols, b->protocols, sizeof(a->protocols)) == 0;

	for (size_t i = 0; same && i < a->port_count; i++)
		same = a->ports[i].first == b->ports[i].first &&
		       a->ports[i].last == b->ports[i].last;
	for (size_t i = 0; same && i < a->dst_count; i++)
		same = prefix_compare(&a->dsts[i], &b->dsts[i]) == 0;
	return same;
}

/* Fill in the service of @m; *@ret says whether it is any at all. NULL: done, otherwise why not. */
static const char *fill_service(const struct nft_match *m, const struct nft_place *place,
				struct import_service *s, bool *ret)
{
	int n;

	*ret = !m->any_protocol || m->ports || place->destinations;
	if (!m->any_protocol)
		memcpy(s->protocols, m->protocols, sizeof(s->protocols));
	if (!m->any_protocol && !memchr(m->protocols, 1, sizeof(m->protocols)))
		return "no packet is of two protocols";
	if (m->ports) {
		n = nft_ports(m->ports, s->ports);
		if (n < 0)
			return "weir takes its ports by number, at most 128 ports and ranges";
		s->port_count = (size_t)n;
		for (size_t i = 0; i < 256; i++)
			if (s->protocols[i] && i != POLICY_TCP && i != POLICY_UDP)
				return "of ports weir knows those of TCP and UDP";
	}
	if (place->destinations) {
		n = nft_set_prefixes(place->destinations, s->dsts, IMPORT_DSTS_MAX);
		if (n <= 0)
			return "a service has at most 256 destinations, which have no end of their own";
		s->dst_count = (size_t)n;
	}
	return NULL;
}

/* The number of the service, which may be there already. -1: no memory, or no room. */
static int add_service(struct import *i, struct import_service *s)
{
	struct import_service *grown;

	for (size_t n = 0; n < i->service_count; n++)
		if (same_service(&i->services[n], s))
			return (int)n;
	if (i->service_count == POLICY_SERVICES_MAX)
		return -1;
	grown = reallocarray(i->services, i->service_count + 1, sizeof(*grown));
	if (!grown) {
		i->error = -ENOMEM;
		return -1;
	}
	i->services = grown;
	name_service(s);
	make_unique(s->name, i->services, i->service_count, sizeof(*s));
	i->services[i->service_count] = *s;
	return (int)i->service_count++;
}

static const char *fill_rate(const struct nft_match *m, bool connections, struct import_limit *l)
{
	const struct nft_rate *r = &m->rate;
	struct policy_rate rate = {.count = r->rate, .per_ns = r->per_ns};
	uint64_t seconds = r->per_ns / NSEC_PER_SEC;

	if (!r->unit) {
		if (rate.count > POLICY_RATE_MAX_PPS * seconds || r->burst > POLICY_BURST_MAX)
			return "the rate is faster than weir's fastest";
		if (connections)
			l->connections = rate;
		else
			l->rate = rate;
		l->burst = r->burst;
		return NULL;
	}
	if (connections)
		return "weir counts new connections, not their bytes";
	l->byte_rate = r->rate * r->unit / seconds;
	l->byte_burst = r->rate * r->unit + r->burst;
	if (l->byte_burst < POLICY_BYTE_BURST_MIN)
		l->byte_burst = POLICY_BYTE_BURST_MIN;
	if (l->byte_rate < POLICY_BYTE_RATE_MIN_BPS || l->byte_rate > POLICY_BYTE_RATE_MAX_BPS ||
	    l->byte_burst > POLICY_BYTE_BURST_MAX)
		return "weir's byte rates are between 1KiB/s and 100Gbit/s";
	return NULL;
}

static const char *fill_scope(const struct nft_match *m, bool has_service, struct import_limit *l)
{
	unsigned int all = m->family == NFT_IP4 ? 32 : 128;

	l->scope = has_service ? POLICY_SCOPE_SERVICE : POLICY_SCOPE_GLOBAL;
	if (m->key == NFT_KEY_DESTINATION) {
		l->scope = POLICY_SCOPE_DESTINATION;
		return m->key_bits == all
			       ? NULL
			       : "weir keeps budgets of destinations, not of their prefixes";
	}
	if (m->key == NFT_KEY_NONE)
		return NULL;
	l->scope = m->key_bits == all ? POLICY_SCOPE_SOURCE : POLICY_SCOPE_SOURCE_PREFIX;
	if (!m->key_bits || (m->family == NFT_IP6 && m->key_bits > 64 && m->key_bits < 128))
		return "weir's prefixes of sources have 1 to 32 bits, of IPv6 1 to 64 or 128";
	if (m->open_connections)
		return l->scope == POLICY_SCOPE_SOURCE
			       ? NULL
			       : "weir counts open connections by source only";
	/* The other family is not looked at, but has to be given. */
	l->prefix4 = m->family == NFT_IP4 ? (uint8_t)m->key_bits : 32;
	l->prefix6 = m->family == NFT_IP6 ? (uint8_t)m->key_bits : 64;
	if (m->family == NFT_IP4 && m->key_bits == 32)
		l->prefix4 = l->prefix6 = 0;
	return NULL;
}

/* Whom the limit is about: those that the rule names, or one family. */
static const char *fill_sources(const struct nft_match *m, const struct nft_place *place,
				struct import_limit *l)
{
	struct prefix all = {.bits = m->family == NFT_IP4 ? 96 : 0};
	int n = 1;

	if (!place->sources && m->family == NFT_BOTH)
		return NULL;
	l->sources = calloc(POLICY_PREFIXES_MAX, sizeof(*l->sources));
	if (!l->sources)
		return "out of memory";
	if (m->family == NFT_IP4)
		memset(all.address + 10, 0xff, 2);
	l->sources[0] = all;
	if (place->sources)
		n = nft_set_prefixes(place->sources, l->sources, POLICY_PREFIXES_MAX);
	if (n <= 0)
		return "a limit is for at most 256 prefixes of sources, which have no end of their own";
	l->source_count = (size_t)n;
	return NULL;
}

static const char *fill(struct import *i, const struct nft_match *m, const struct nft_place *place,
			struct import_limit *l)
{
	bool new = m->new_connections || place->only_new, has_service;
	bool tcp = !m->any_protocol && m->protocols[POLICY_TCP] &&
		   !memchr(m->protocols, 1, POLICY_TCP) &&
		   !memchr(m->protocols + POLICY_TCP + 1, 1, 255 - POLICY_TCP);
	_cleanup_free_ struct import_service *s = calloc(1, sizeof(*s));
	const char *why;

	if (!s)
		return "out of memory";
	if (new && !tcp && !m->open_connections)
		return m->new_connections
			       ? "weir counts new connections of TCP only"
			       : "an earlier rule lets connections that exist pass, so it counts new ones only, "
				 "which weir does of TCP only";
	why = fill_service(m, place, s, &has_service);
	/* Connections are TCP; so a service that says nothing else says nothing. */
	if (!why && tcp && new && !s->port_count && !s->dst_count)
		has_service = false;
	if (!why)
		why = fill_scope(m, has_service, l);
	if (!why && m->has_rate)
		why = fill_rate(m, new, l);
	if (!why)
		why = fill_sources(m, place, l);
	l->open_connections = m->open_connections;
	if (why)
		return why;
	if (l->open_connections > POLICY_BURST_MAX)
		return "it counts further than weir";
	l->service = has_service ? add_service(i, s) : -1;
	if (has_service && l->service < 0)
		return "a policy has at most 64 services";
	return NULL;
}

static void limit_done(struct import_limit *l)
{
	free(l->sources);
	free(l->place);
	free(l->text);
}

static void say_differences(struct import *i, const struct nft_match *m,
			    const struct nft_place *place)
{
	const struct place_in at = {.name = place->name};
	size_t length = strlen(place->text);

	if (m->rejects)
		import_note(
			i, IMPORT_DIFFERS, &at, place->text, length,
			"weir drops without an answer; 'reject' of the limit can answer a share");
	if (m->open_connections && (m->any_protocol || m->ports))
		import_note(i, IMPORT_DIFFERS, &at, place->text, length,
			    "weir counts the TCP connections of a source to the whole host");
	if (m->open_connections && m->family == NFT_IP6)
		import_note(i, IMPORT_DIFFERS, &at, place->text, length,
			    "weir counts open connections of IPv6 by /64");
	if (m->has_rate && m->rate.unit)
		import_note(i, IMPORT_DIFFERS, &at, place->text, length,
			    "weir counts bytes of whole frames, nft those from the IP header on");
	if (m->interface)
		import_note(i, IMPORT_DIFFERS, &at, place->text, length,
			    "it holds on all interfaces that weir is attached to, not on %s alone",
			    m->interface);
}

const char *nft_limit_add(struct import *i, const struct nft_match *m,
			  const struct nft_place *place)
{
	struct import_limit l = {.service = -1}, *grown;
	const char *why = "a policy has at most 64 limits", *set = m->dynamic_set;

	if (i->limit_count < WEIR_LIMITS_MAX)
		why = fill(i, m, place, &l);
	grown = why ? NULL : reallocarray(i->limits, i->limit_count + 1, sizeof(l));
	if (!grown) {
		limit_done(&l);
		return why ?: "out of memory";
	}
	i->limits = grown;
	make_name(l.name, set		  ? set + (*set == '@')
			  : l.service < 0 ? "all"
					  : i->services[l.service].name);
	make_unique(l.name, i->limits, i->limit_count, sizeof(l));
	l.place = strdup(place->name);
	l.text = strdup(place->text);
	i->limits[i->limit_count++] = l;
	if (!l.place || !l.text)
		i->error = -ENOMEM;
	say_differences(i, m, place);
	return NULL;
}
