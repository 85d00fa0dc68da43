/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "trace/filter.h"

#include <errno.h>
#include <string.h>

#include <weir/vocabulary.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "base/words.h"

#define WORD_SIZE 256
#define ANY_PORT                                                                                   \
	(struct weir_trace_ports)                                                                  \
	{                                                                                          \
		0, 0xffff                                                                          \
	}

/* Where reading is. */
struct reading {
	const char *text, *at;
	char key[WORD_SIZE], word[WORD_SIZE]; /* the last one of each */
	size_t column;			      /* of that word, from 1 */
	const struct trace_names *names;
	struct weir_trace_filter *filter;
	struct fault *reterr;
};

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {{"tcp", 6}, {"udp", 17}, {"icmp", 1}, {"icmp6", 58}, {"sctp", 132}};

const char *trace_protocol_to_str(unsigned int protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return NULL;
}

static int refuse(struct reading *r, const char *what)
{
	return fault(r->reterr, -EINVAL, "trace.filter", "column %zu: %s '%.64s': %s", r->column,
		     *r->key ? r->key : "the filter", r->word, what);
}

/* The next word; false: there is none. */
static int next_word(struct reading *r, char ret[static WORD_SIZE])
{
	size_t length;

	r->at += strspn(r->at, " \t\n");
	r->column = (size_t)(r->at - r->text) + 1;
	length = strcspn(r->at, " \t\n");
	if (length >= WORD_SIZE)
		return fault(r->reterr, -EINVAL, "trace.filter",
			     "column %zu: a word of more than %d characters", r->column,
			     WORD_SIZE - 1);
	memcpy(ret, r->at, length);
	ret[length] = '\0';
	r->at += length;
	return length > 0;
}

static int read_prefix(struct reading *r, struct weir_trace_prefix *ret)
{
	uint8_t mask[16];
	struct prefix p;
	int e = prefix_parse(r->word, &p);

	if (e == -EDOM)
		return refuse(r, "bits are set beyond the length");
	if (e < 0)
		return refuse(r, "no address or prefix");
	memset(mask, 0xff, sizeof(mask));
	address_mask(mask, p.bits);
	memcpy(ret->value, p.address, sizeof(ret->value));
	memcpy(ret->mask, mask, sizeof(ret->mask));
	return 0;
}

static int read_source(struct reading *r)
{
	return read_prefix(r, &r->filter->source);
}

static int read_destination(struct reading *r)
{
	return read_prefix(r, &r->filter->destination);
}

static int read_either(struct reading *r)
{
	return read_prefix(r, &r->filter->either);
}

static int read_ports(struct reading *r, struct weir_trace_ports *ret)
{
	char *dash = strchr(r->word, '-');
	uint32_t first, last;
	int e;

	if (dash)
		*dash = '\0';
	e = parse_u32(r->word, 0, 0xffff, &first);
	e = e ?: parse_u32(dash ? dash + 1 : r->word, 0, 0xffff, &last);
	if (dash)
		*dash = '-';
	if (e < 0 || last < first)
		return refuse(r, "no port and no range of them (80, 8000-8100)");
	/* All of them is not the same as any packet: it has to have one. */
	if (!first && last == 0xffff)
		return refuse(r, "every packet with ports: say 'proto tcp,udp'");
	*ret = (struct weir_trace_ports){(uint16_t)first, (uint16_t)last};
	return 0;
}

static int read_source_port(struct reading *r)
{
	return read_ports(r, &r->filter->source_ports);
}

static int read_destination_port(struct reading *r)
{
	return read_ports(r, &r->filter->destination_ports);
}

static int read_either_port(struct reading *r)
{
	return read_ports(r, &r->filter->either_ports);
}

static int read_protocol(struct reading *r, const char *name)
{
	uint32_t number;

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (strcmp(protocols[i].name, name) == 0) {
			r->filter->protocols[protocols[i].number >> 6] |=
				1ULL << (protocols[i].number & 63);
			return 0;
		}
	if (parse_u32(name, 0, 255, &number) < 0)
		return refuse(r, "no protocol: tcp, udp, icmp, icmp6, sctp or a number to 255");
	r->filter->protocols[number >> 6] |= 1ULL << (number & 63);
	return 0;
}

static int read_verdict(struct reading *r, const char *name)
{
	for (unsigned int i = 0; i < WEIR_VERDICT_MAX; i++)
		if (strcmp(verdict_to_str(i), name) == 0) {
			r->filter->verdicts |= 1U << i;
			return 0;
		}
	return refuse(r, "no verdict: pass, drop, would_drop, mark, reply");
}

static int read_reason(struct reading *r, const char *name)
{
	for (unsigned int i = 0; i < WEIR_REASON_MAX; i++)
		if (reason_exists(i) && strcmp(reason_to_str(i), name) == 0) {
			r->filter->reasons |= 1ULL << i;
			return 0;
		}
	return refuse(r, "no reason; they are in 'weir metrics' and in the records");
}

static int refuse_name(struct reading *r, int e, const char *what, const char *name)
{
	if (e != -ENOENT)
		return fault(r->reterr, e, "trace.name", "cannot look for %s '%.64s': %s", what,
			     name, strerror(-e));
	return fault(r->reterr, e, "trace.name", "column %zu: there is no %s '%.64s'", r->column,
		     what, name);
}

static int read_rule(struct reading *r, const char *name)
{
	int e = r->names->limit(name, (uint64_t *)r->filter->limits, r->names->userdata);

	return e < 0 ? refuse_name(r, e, "limit", name) : 0;
}

/* Each part between commas. */
static int read_list(struct reading *r, int (*read_one)(struct reading *r, const char *name))
{
	char list[WORD_SIZE], *at = list;
	int e = 0;

	memcpy(list, r->word, sizeof(list));
	while (e == 0 && at) {
		char *part = at;

		at = strchr(at, ',');
		if (at)
			*at++ = '\0';
		e = *part ? read_one(r, part) : refuse(r, "nothing between two commas");
	}
	return e;
}

static int read_protocols(struct reading *r)
{
	r->filter->any_protocol = 0;
	return read_list(r, read_protocol);
}

static int read_verdicts(struct reading *r)
{
	r->filter->verdicts = 0;
	return read_list(r, read_verdict);
}

static int read_reasons(struct reading *r)
{
	r->filter->reasons = 0;
	return read_list(r, read_reason);
}

static int read_rules(struct reading *r)
{
	r->filter->any_limit = 0;
	return read_list(r, read_rule);
}

static int read_tenant(struct reading *r)
{
	uint16_t tenant;
	int e = r->names->tenant(r->word, &tenant, r->names->userdata);

	if (e < 0)
		return refuse_name(r, e, "tenant", r->word);
	r->filter->tenant = tenant;
	r->filter->generation = r->names->generation;
	return 0;
}

static int read_interface(struct reading *r)
{
	uint32_t ifindex;
	int e = r->names->interface(r->word, &ifindex, r->names->userdata);

	if (e < 0)
		return refuse_name(r, e, "protected interface", r->word);
	r->filter->ifindex = ifindex;
	return 0;
}

static const struct key {
	const char *name;
	int (*read)(struct reading *r);
} keys[] = {
	{"src", read_source},	     {"dst", read_destination},	       {"host", read_either},
	{"sport", read_source_port}, {"dport", read_destination_port}, {"port", read_either_port},
	{"proto", read_protocols},   {"verdict", read_verdicts},       {"reason", read_reasons},
	{"rule", read_rules},	     {"tenant", read_tenant},	       {"iface", read_interface},
};

static int read_term(struct reading *r, uint32_t *seen)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		int e;

		if (strcmp(keys[i].name, r->key) != 0)
			continue;
		if (*seen & 1U << i)
			return fault(r->reterr, -EINVAL, "trace.filter",
				     "column %zu: '%s' is there twice", r->column, r->key);
		*seen |= 1U << i;
		e = next_word(r, r->word);
		if (e == 0)
			return fault(r->reterr, -EINVAL, "trace.filter",
				     "column %zu: nothing follows '%s'", r->column, r->key);
		return e < 0 ? e : keys[i].read(r);
	}
	memcpy(r->word, r->key, sizeof(r->word));
	r->key[0] = '\0';
	return refuse(r, "not one of src, dst, host, sport, dport, port, proto, verdict, reason, "
			 "rule, tenant, iface");
}

int trace_filter_parse(const char *text, const struct trace_names *names,
		       struct weir_trace_filter *ret, struct fault *reterr)
{
	struct weir_trace_filter filter = {
		.reasons = ~0ULL,
		.verdicts = ~0U,
		.source_ports = ANY_PORT,
		.destination_ports = ANY_PORT,
		.either_ports = ANY_PORT,
		.any_limit = 1,
		.any_protocol = 1,
	};
	struct reading r = {
		.text = text, .at = text, .names = names, .filter = &filter, .reterr = reterr};
	uint32_t seen = 0;
	int e;

	if (strlen(text) > TRACE_FILTER_MAX)
		return fault(reterr, -EINVAL, "trace.filter", "more than %d characters",
			     TRACE_FILTER_MAX);
	while ((e = next_word(&r, r.key)) > 0) {
		e = read_term(&r, &seen);
		if (e < 0)
			return e;
	}
	if (e == 0)
		*ret = filter;
	return e;
}

void trace_filter_none(struct weir_trace_filter *ret)
{
	*ret = (struct weir_trace_filter){0};
}
