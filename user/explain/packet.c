/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words that a packet is asked about in. */
#include "explain/packet.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <weir/policy.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/text.h"

#define CODE	   "explain.packet"
#define WORDS	   32
#define DNS_PORT   53
#define ECHO4	   8 /* types of echo requests */
#define ECHO6	   128
#define SYN	   0x02
#define ACK	   0x10
#define PORTS_HINT "write 203.0.113.7:4242 or [2001:db8::7]:4242"

static const struct {
	const char *word;
	uint8_t number;
} protocols[] = {
	{"tcp", IPPROTO_TCP},	   {"udp", IPPROTO_UDP},   {"icmp", IPPROTO_ICMP},
	{"icmp6", IPPROTO_ICMPV6}, {"sctp", IPPROTO_SCTP},
};

static const struct {
	const char *word;
	uint8_t flag;
} flags[] = {
	{"fin", 0x01}, {"syn", SYN}, {"rst", 0x04}, {"psh", 0x08}, {"ack", ACK}, {"urg", 0x20},
};

/* The words, and how far reading has come. */
struct reading {
	char buffer[EXPLAIN_WORDS_MAX + 1];
	char *words[WORDS];
	size_t count, at;
	struct explain_packet packet;
	bool has_protocol, has_flags, has_type;
	struct fault *reterr;
};

static int split(struct reading *r, const char *words)
{
	char *rest = r->buffer, *word;

	if (strlen(words) >= sizeof(r->buffer))
		return fault(r->reterr, -EINVAL, CODE, "that is more than %d bytes",
			     EXPLAIN_WORDS_MAX);
	memcpy(r->buffer, words, strlen(words) + 1);
	while ((word = strsep(&rest, " \t"))) {
		if (!*word)
			continue;
		if (r->count == WORDS)
			return fault(r->reterr, -EINVAL, CODE, "that is more than %d words", WORDS);
		r->words[r->count++] = word;
	}
	return 0;
}

static const char *next(struct reading *r)
{
	return r->at < r->count ? r->words[r->at++] : NULL;
}

static int read_number(struct reading *r, const char *of, uint32_t max, uint32_t *ret)
{
	const char *word = next(r);

	if (!word || parse_u32(word, 0, max, ret) < 0)
		return fault(r->reterr, -EINVAL, CODE,
			     "behind '%s' there must be a number up to %u, not '%.40s'", of, max,
			     word ?: "");
	return 0;
}

/* tcp, udp, proto 47: if the words begin so. */
static int read_protocol(struct reading *r)
{
	uint32_t number;

	if (r->at >= r->count)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (strcmp(r->words[r->at], protocols[i].word) == 0) {
			r->packet.protocol = protocols[i].number;
			r->has_protocol = true;
			r->at++;
			return 0;
		}
	if (strcmp(r->words[r->at], "proto") != 0)
		return 0;
	r->at++;
	if (read_number(r, "proto", 255, &number) < 0)
		return -EINVAL;
	r->packet.protocol = (uint8_t)number;
	r->has_protocol = true;
	return 0;
}

/* Cut the port off @word, if it has one; an IPv6 address with one stands in brackets. */
static int read_port(struct reading *r, char *word, char **ret_address, uint16_t *ret_port,
		     bool *ret_has_port)
{
	char *colon = strrchr(word, ':'), *bracket = strchr(word, ']');
	uint32_t port;

	*ret_address = word;
	*ret_has_port = false;
	if (*word == '[') {
		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return fault(r->reterr, -EINVAL, CODE, "'%.60s' is no address: " PORTS_HINT,
				     word);
		*ret_address = word + 1;
		colon = bracket[1] ? bracket + 1 : NULL;
		*bracket = '\0';
	} else if (colon && strchr(word, ':') != colon) {
		colon = NULL; /* a bare IPv6 address */
	}
	if (!colon)
		return 0;
	*colon = '\0';
	if (parse_u32(colon + 1, 0, 65535, &port) < 0)
		return fault(r->reterr, -EINVAL, CODE, "'%.20s' is no port", colon + 1);
	*ret_port = (uint16_t)port;
	*ret_has_port = true;
	return 0;
}

static int read_endpoint(struct reading *r, uint8_t ret[static 16], uint16_t *ret_port,
			 bool *ret_has_port)
{
	char *word = r->at < r->count ? r->words[r->at++] : NULL, *address;

	if (!word)
		return fault(r->reterr, -EINVAL, CODE, "an address is missing: " PORTS_HINT);
	if (read_port(r, word, &address, ret_port, ret_has_port) < 0)
		return -EINVAL;
	if (address_parse(address, ret) < 0)
		return fault(r->reterr, -EINVAL, CODE, "'%.60s' is no address: " PORTS_HINT,
			     address);
	return 0;
}

static int read_endpoints(struct reading *r)
{
	struct explain_packet *p = &r->packet;
	bool source_port, port = false;

	if (read_endpoint(r, p->source, &p->source_port, &source_port) < 0)
		return -EINVAL;
	if (!source_port)
		p->source_port = EXPLAIN_PORT;
	if (r->at < r->count && strcmp(r->words[r->at], ">") == 0) {
		r->at++;
		if (read_endpoint(r, p->destination, &p->destination_port, &port) < 0)
			return -EINVAL;
		if (address_is_ipv4(p->source) != address_is_ipv4(p->destination))
			return fault(r->reterr, -EINVAL, CODE,
				     "one address is IPv4, the other IPv6");
	} else {
		p->assumed |= EXPLAIN_DESTINATION;
	}
	if (!port)
		p->assumed |= EXPLAIN_PORT_TO;
	if (!r->has_protocol) {
		p->protocol = IPPROTO_TCP;
		p->assumed |= EXPLAIN_PROTOCOL;
	}
	return 0;
}

/* syn, or syn,ack. */
static bool read_flags(struct reading *r, const char *word)
{
	char copy[32], *rest = copy, *one;
	uint8_t sum = 0;

	if (strlen(word) >= sizeof(copy))
		return false;
	memcpy(copy, word, strlen(word) + 1);
	while ((one = strsep(&rest, ","))) {
		uint8_t flag = 0;

		for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
			if (strcmp(one, flags[i].word) == 0)
				flag = flags[i].flag;
		if (!flag)
			return false;
		sum |= flag;
	}
	r->packet.tcp_flags |= sum;
	r->has_flags = true;
	return true;
}

static int read_interface(struct reading *r)
{
	const char *word = next(r);

	if (!word || strlen(word) >= sizeof(r->packet.iface))
		return fault(r->reterr, -EINVAL, CODE,
			     "behind 'on' there must be the name of an interface");
	memcpy(r->packet.iface, word, strlen(word) + 1);
	return 0;
}

static int read_word(struct reading *r)
{
	struct explain_packet *p = &r->packet;
	const char *word = next(r);
	uint32_t number = 0;
	int e = 0;

	if (strcmp(word, "fragment") == 0) {
		p->fragment = true;
	} else if (strcmp(word, "length") == 0) {
		e = read_number(r, word, EXPLAIN_LENGTH_MAX, &number);
		p->length = number;
	} else if (strcmp(word, "type") == 0) {
		e = read_number(r, word, 255, &number);
		p->icmp_type = (uint8_t)number;
		r->has_type = true;
	} else if (strcmp(word, "code") == 0) {
		e = read_number(r, word, 255, &number);
		p->icmp_code = (uint8_t)number;
	} else if (strcmp(word, "on") == 0) {
		e = read_interface(r);
	} else if (!read_flags(r, word)) {
		e = fault(r->reterr, -EINVAL, CODE,
			  "'%.40s' is none of syn, ack, fin, rst, psh, urg, type N, code N, "
			  "length N, fragment, on INTERFACE",
			  word);
	}
	return e;
}

/* What words leave open, and what they say that cannot be. */
static int complete(struct reading *r)
{
	struct explain_packet *p = &r->packet;
	bool ip4 = address_is_ipv4(p->source);

	if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6) {
		p->protocol = ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		if (!r->has_type)
			p->icmp_type = ip4 ? ECHO4 : ECHO6;
	} else if (r->has_type || p->icmp_code) {
		return fault(r->reterr, -EINVAL, CODE, "only ICMP has a type and a code");
	}
	if (p->protocol == IPPROTO_TCP && !r->has_flags)
		p->tcp_flags = SYN;
	if (p->protocol != IPPROTO_TCP && r->has_flags)
		return fault(r->reterr, -EINVAL, CODE, "only TCP has flags");
	return 0;
}

int explain_parse(const char *words, struct explain_packet *ret, struct fault *reterr)
{
	struct reading r = {.reterr = reterr};

	if (split(&r, words) < 0 || read_protocol(&r) < 0 || read_endpoints(&r) < 0)
		return -EINVAL;
	while (r.at < r.count)
		if (read_word(&r) < 0)
			return -EINVAL;
	if (complete(&r) < 0)
		return -EINVAL;
	*ret = r.packet;
	return 0;
}

static bool has_ports(const struct explain_packet *p)
{
	return p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP ||
	       p->protocol == IPPROTO_SCTP;
}

static void put_endpoint(struct text *t, const struct explain_packet *p,
			 const uint8_t address[static 16], uint16_t port)
{
	char text[ADDRESS_TEXT_SIZE];
	bool bracket = has_ports(p) && !address_is_ipv4(address);

	address_format(address, text);
	text_printf(t, "%s%s%s", bracket ? "[" : "", text, bracket ? "]" : "");
	if (has_ports(p))
		text_printf(t, ":%u", port);
}

static void put_flags(struct text *t, uint8_t set)
{
	const char *before = " ";

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (set & flags[i].flag) {
			text_printf(t, "%s%s", before, flags[i].word);
			before = ",";
		}
}

void explain_format(const struct explain_packet *p, char ret[static EXPLAIN_TEXT_SIZE])
{
	const char *protocol = NULL;
	struct text t;

	text_init(&t, ret, EXPLAIN_TEXT_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == p->protocol)
			protocol = protocols[i].word;
	if (protocol)
		text_puts(&t, protocol);
	else
		text_printf(&t, "proto %u", p->protocol);
	text_puts(&t, " ");
	put_endpoint(&t, p, p->source, p->source_port);
	text_puts(&t, " > ");
	put_endpoint(&t, p, p->destination, p->destination_port);
	if (p->protocol == IPPROTO_TCP)
		put_flags(&t, p->tcp_flags);
	if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6)
		text_printf(&t, " type %u code %u", p->icmp_type, p->icmp_code);
	if (p->length)
		text_printf(&t, " length %u", p->length);
	if (p->fragment)
		text_puts(&t, " fragment");
	if (*p->iface)
		text_printf(&t, " on %s", p->iface);
}

unsigned int explain_class(const struct explain_packet *p)
{
	if (p->fragment)
		return WEIR_CLASS_FRAGMENT;
	if (p->protocol == IPPROTO_TCP && (p->tcp_flags & (SYN | ACK)) == SYN)
		return WEIR_CLASS_SYN;
	if (p->protocol == IPPROTO_UDP &&
	    (p->source_port == DNS_PORT || p->destination_port == DNS_PORT))
		return WEIR_CLASS_DNS;
	if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6)
		return WEIR_CLASS_ICMP;
	return WEIR_CLASS_OTHER;
}
