/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Readers of a policy's values, one per type of the schema, in its order. Each checks one value (or
 * list, or named set) to the end and fills in the part of the model that is its own.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "policy/schema.h"

#define refuse_number(r, n, max, what)                                                             \
	refuse_as(r, n, -E2BIG, "policy.count", "more than %u %s", (unsigned int)(max), what)

static int refuse_word(struct reader *r, const struct node *n, const char *what,
		       const char *const *known, size_t count)
{
	char hint[SCHEMA_SUGGESTION_SIZE];

	schema_suggest(n->text, known, count, hint);
	return refuse(r, n, "policy.word.unknown", "unknown %s '%.64s'%s", what, n->text, hint);
}

/* A fault of a lower module learns where it happened. */
static int refuse_value(struct reader *r, const struct node *n, const struct fault *f)
{
	return refuse(r, n, f->code, "%s", f->text);
}

static int check_name(struct reader *r, const struct node *n)
{
	size_t length = strspn(n->text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (!length || n->text[length] || length > POLICY_NAME_MAX || n->text[0] == '-')
		return refuse(r, n, "policy.name",
			      "'%.64s' is no name: 1 to %u of a-z, 0-9 and '-', not '-' first",
			      n->text, POLICY_NAME_MAX);
	return 0;
}

/* A value that may be one scalar or a list of them: the first, and how many. */
static int elements_of(struct reader *r, const struct node *n, const struct node **ret_first,
		       size_t *ret_count)
{
	*ret_first = n->kind == NODE_SEQUENCE ? n->children : n;
	*ret_count = n->kind == NODE_SEQUENCE ? n->count : 1;
	if (!*ret_count)
		return refuse(r, n, "policy.value.missing", "'%s' is an empty list", r->field->key);
	if (n->kind == NODE_SEQUENCE)
		for (const struct node *e = n->children; e; e = e->next)
			if (e->kind != NODE_SCALAR)
				return refuse(r, e, "policy.value.kind",
					      "'%s' takes %s, nothing nested", r->field->key,
					      r->field->type->wanted);
	return 0;
}

int value_version(struct reader *r, const struct node *n, void *into)
{
	static const char *const known[] = {SCHEMA_API_VERSION};

	(void)into;
	return strcmp(n->text, SCHEMA_API_VERSION) == 0 ? 0
							: refuse_word(r, n, "apiVersion", known, 1);
}

int value_string(struct reader *r, const struct node *n, void *into)
{
	char **string = into;

	if (strlen(n->text) > POLICY_STRING_MAX)
		return refuse(r, n, "policy.string.long", "'%s' is longer than %u bytes",
			      r->field->key, POLICY_STRING_MAX);
	*string = strdup(n->text);
	return *string ? 0 : -ENOMEM;
}

int value_mode(struct reader *r, const struct node *n, void *into)
{
	const char *known[WEIR_MODE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		known[i] = policy_mode_str((enum weir_mode)i);
	if (policy_mode_from_str(n->text, into) < 0)
		return refuse_word(r, n, "mode", known, ARRAY_SIZE(known));
	return 0;
}

int value_scope(struct reader *r, const struct node *n, void *into)
{
	const char *known[POLICY_SCOPE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		known[i] = policy_scope_str((enum policy_scope)i);
		if (strcmp(n->text, known[i]) == 0) {
			*(enum policy_scope *)into = (enum policy_scope)i;
			return 0;
		}
	}
	return refuse_word(r, n, "scope", known, ARRAY_SIZE(known));
}

int value_action(struct reader *r, const struct node *n, void *into)
{
	static const char *const known[] = {[POLICY_PASS] = "pass", [POLICY_DROP] = "drop"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(n->text, known[i]) == 0) {
			*(enum policy_action *)into = (enum policy_action)i;
			return 0;
		}
	}
	return refuse_word(r, n, "action", known, ARRAY_SIZE(known));
}

int value_cidr(struct reader *r, const struct node *n, void *into)
{
	char masked[PREFIX_TEXT_SIZE];
	struct prefix *prefix = into;

	switch (prefix_parse(n->text, prefix)) {
	case 0:
		return 0;
	case -EDOM:
		prefix_format(prefix, masked);
		return refuse(r, n, "policy.cidr.host",
			      "'%.64s' has bits set beyond its length; did you mean '%s'?", n->text,
			      masked);
	case -ERANGE:
		return refuse(r, n, "policy.cidr.length",
			      "'%.64s' has a prefix longer than an address", n->text);
	default:
		return refuse(r, n, "policy.cidr.syntax",
			      "'%.64s' is no address and no prefix such as 192.0.2.0/24", n->text);
	}
}

int value_ttl(struct reader *r, const struct node *n, void *into)
{
	uint64_t *ttl_ns = into;
	int err = parse_duration_ns(n->text, ttl_ns);

	if (err == -EINVAL && *n->text && strspn(n->text, "0123456789") == strlen(n->text))
		return refuse(r, n, "policy.unit.missing", "'%.64s' has no unit: write %.64ss",
			      n->text, n->text);
	if (err == -ERANGE || (err == 0 && !*ttl_ns))
		return refuse(r, n, "policy.number.range", "'%.64s' is not within 1ms to 100 years",
			      n->text);
	if (err < 0)
		return refuse(r, n, "policy.number.syntax",
			      "'%.64s' is not a duration such as 90s, 10m or 7d", n->text);
	return 0;
}

int value_entries(struct reader *r, const struct node *n, void *into)
{
	struct policy_list *list = into;

	if (n->count > WEIR_LIST_ENTRIES_MAX - r->policy->allow.count)
		return refuse_number(r, n, WEIR_LIST_ENTRIES_MAX, "list entries");
	list->entries = calloc(n->count + 1, sizeof(*list->entries));
	if (!list->entries)
		return -ENOMEM;
	for (const struct node *e = n->children; e; e = e->next) {
		struct policy_entry *entry = &list->entries[list->count++];
		int err;

		entry->line = e->line;
		if (e->kind == NODE_SEQUENCE)
			return refuse(r, e, "policy.value.kind",
				      "a list entry is a prefix or a mapping, not a list");
		err = e->kind == NODE_MAPPING ? schema_object(r, OBJECT_ENTRY, e, entry)
					      : value_cidr(r, e, &entry->prefix);
		if (err < 0)
			return err;
	}
	return 0;
}

static int compare_prefixes(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

int value_dsts(struct reader *r, const struct node *n, void *into)
{
	struct policy_service *s = into;
	const struct node *e;
	size_t count, kept = 0;
	int err;

	err = elements_of(r, n, &e, &count);
	if (err < 0)
		return err;
	if (count > POLICY_DSTS_MAX)
		return refuse_number(r, n, POLICY_DSTS_MAX, "destinations of a service");
	r->dst_total += count;
	if (r->dst_total > POLICY_DSTS_TOTAL_MAX)
		return refuse_number(r, n, POLICY_DSTS_TOTAL_MAX, "destinations of all services");
	s->dsts = calloc(count, sizeof(*s->dsts));
	if (!s->dsts)
		return -ENOMEM;
	for (; s->dst_count < count; e = e->next) {
		err = value_cidr(r, e, &s->dsts[s->dst_count++]);
		if (err < 0)
			return err;
	}
	qsort(s->dsts, count, sizeof(*s->dsts), compare_prefixes);
	for (size_t i = 1; i < count; i++)
		if (prefix_compare(&s->dsts[kept], &s->dsts[i]) != 0)
			s->dsts[++kept] = s->dsts[i];
	s->dst_count = kept + 1;
	return 0;
}

static const char *const protocol_names[] = {"tcp", "udp", "icmp", "icmp6", "sctp"};
static const uint8_t protocol_numbers[] = {6, 17, 1, 58, 132};

int value_protos(struct reader *r, const struct node *n, void *into)
{
	struct policy_service *s = into;
	const struct node *e;
	size_t count;
	int err;

	err = elements_of(r, n, &e, &count);
	if (err < 0)
		return err;
	s->any_protocol = false;
	for (; count--; e = e->next) {
		size_t i = 0;
		uint32_t number;

		while (i < ARRAY_SIZE(protocol_names) && strcmp(e->text, protocol_names[i]) != 0)
			i++;
		if (i < ARRAY_SIZE(protocol_names))
			number = protocol_numbers[i];
		else if (parse_u32(e->text, 0, WEIR_PROTOCOLS - 1, &number) < 0)
			return refuse_word(r, e, "protocol", protocol_names,
					   ARRAY_SIZE(protocol_names));
		s->protocols[number] = true;
	}
	return 0;
}

static int read_port_range(struct reader *r, const struct node *n, struct policy_port_range *ret)
{
	const char *dash = strchrnul(n->text, '-');
	size_t length = (size_t)(dash - n->text);
	uint32_t first, last;
	char low[6];

	if (length >= sizeof(low))
		length = 0; /* refused below */
	memcpy(low, n->text, length);
	low[length] = '\0';
	if (parse_u32(low, 0, WEIR_PORTS - 1, &first) < 0 ||
	    parse_u32(*dash ? dash + 1 : low, 0, WEIR_PORTS - 1, &last) < 0)
		return refuse(r, n, "policy.port",
			      "'%.64s' is no port (0 to 65535) and no range such as 8000-8100",
			      n->text);
	if (first > last)
		return refuse(r, n, "policy.port", "'%s' runs backwards; did you mean '%u-%u'?",
			      n->text, last, first);
	*ret = (struct policy_port_range){(uint16_t)first, (uint16_t)last};
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct policy_port_range *x = a, *y = b;

	return (int)x->first - (int)y->first;
}

int value_ports(struct reader *r, const struct node *n, void *into)
{
	struct policy_service *s = into;
	const struct node *e;
	size_t count, kept = 0;
	int err;

	err = elements_of(r, n, &e, &count);
	if (err < 0)
		return err;
	if (count > POLICY_PORTS_MAX)
		return refuse_number(r, n, POLICY_PORTS_MAX, "ports and ranges of a service");
	s->ports = calloc(count, sizeof(*s->ports));
	if (!s->ports)
		return -ENOMEM;
	for (; s->port_count < count; e = e->next) {
		err = read_port_range(r, e, &s->ports[s->port_count++]);
		if (err < 0)
			return err;
	}
	qsort(s->ports, count, sizeof(*s->ports), compare_ranges);
	for (size_t i = 1; i < count; i++) {
		if (s->ports[i].first > s->ports[kept].last + 1)
			s->ports[++kept] = s->ports[i];
		else if (s->ports[i].last > s->ports[kept].last)
			s->ports[kept].last = s->ports[i].last;
	}
	s->port_count = kept + 1;
	return 0;
}

/* Ports mean something only if every protocol the service accepts has them in one place. */
static int check_service(struct reader *r, const struct node *n, const struct policy_service *s)
{
	if (!s->dst_count && !s->port_count && s->any_protocol)
		return refuse(r, n, "policy.service.empty",
			      "service '%s' names no dst, proto or dport: it would be every packet",
			      s->name);
	if (!s->port_count)
		return 0;
	for (unsigned int i = 0; i < WEIR_PROTOCOLS; i++)
		if (s->any_protocol || (s->protocols[i] && i != 6 && i != 17))
			return refuse(r, n, "policy.service.ports",
				      "service '%s' has a dport, so its proto must be tcp or udp",
				      s->name);
	return 0;
}

int value_services(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;

	if (n->count / 2 > POLICY_SERVICES_MAX)
		return refuse_number(r, n, POLICY_SERVICES_MAX, "services");
	p->services = calloc(n->count / 2 + 1, sizeof(*p->services));
	if (!p->services)
		return -ENOMEM;
	for (const struct node *key = n->children; key; key = key->next->next) {
		struct policy_service *s = &p->services[p->service_count];
		int err = check_name(r, key);

		if (err < 0)
			return err;
		for (size_t i = 0; i < p->service_count; i++)
			if (strcmp(p->services[i].name, key->text) == 0)
				return refuse(r, key, "policy.name.duplicate",
					      "service '%s' is already defined in line %u",
					      key->text, p->services[i].line);
		if (key->next->kind != NODE_MAPPING)
			return refuse(r, key->next, "policy.value.kind",
				      "service '%s' takes a mapping of dst, proto and dport",
				      key->text);
		memcpy(s->name, key->text, strlen(key->text) + 1);
		s->line = key->line;
		s->any_protocol = true;
		p->service_count++;
		err = schema_object(r, OBJECT_SERVICE, key->next, s);
		if (err == 0)
			err = check_service(r, key, s);
		if (err < 0)
			return err;
	}
	return 0;
}

int value_limit_name(struct reader *r, const struct node *n, void *into)
{
	const struct policy *p = r->policy;
	int err = check_name(r, n);

	if (err < 0)
		return err;
	if (strcmp(n->text, POLICY_FRAGMENTS) == 0)
		return refuse(r, n, "policy.name.reserved",
			      "'%s' is the built-in limit; set it under 'packets'", n->text);
	for (size_t i = 0; i + 1 < p->limit_count; i++)
		if (strcmp(p->limits[i].name, n->text) == 0)
			return refuse(r, n, "policy.name.duplicate",
				      "limit '%s' is already defined in line %u", n->text,
				      p->limits[i].line);
	memcpy(into, n->text, strlen(n->text) + 1);
	return 0;
}

int value_service_name(struct reader *r, const struct node *n, void *into)
{
	const char *known[POLICY_SERVICES_MAX];
	const struct policy *p = r->policy;

	for (size_t i = 0; i < p->service_count; i++) {
		known[i] = p->services[i].name;
		if (strcmp(n->text, known[i]) == 0) {
			*(const struct policy_service **)into = &p->services[i];
			return 0;
		}
	}
	return refuse_word(r, n, "service", known, p->service_count);
}

int value_rate(struct reader *r, const struct node *n, void *into)
{
	struct fault why;

	return policy_rate_parse(n->text, into, &why) < 0 ? refuse_value(r, n, &why) : 0;
}

int value_burst(struct reader *r, const struct node *n, void *into)
{
	struct fault why;

	return policy_count_parse(n->text, into, &why) < 0 ? refuse_value(r, n, &why) : 0;
}

int value_byte_rate(struct reader *r, const struct node *n, void *into)
{
	struct fault why;

	return policy_byte_rate_parse(n->text, into, &why) < 0 ? refuse_value(r, n, &why) : 0;
}

int value_byte_burst(struct reader *r, const struct node *n, void *into)
{
	struct fault why;

	return policy_bytes_parse(n->text, into, &why) < 0 ? refuse_value(r, n, &why) : 0;
}

/* What one key alone cannot tell: which go together, and what holds when one is not given. */
static int finish_limit(struct reader *r, const struct node *n, struct policy_limit *l)
{
	const uint64_t smallest_byte_burst = 64 << 10;

	l->line = n->line;
	l->column = n->column;
	l->has_packets = l->rate.count;
	l->has_bytes = l->byte_rate;
	if (!l->has_packets && !l->has_bytes)
		return refuse(r, n, "policy.limit.empty", "limit '%s' has no rate and no byte_rate",
			      l->name);
	if ((l->burst && !l->has_packets) || (l->byte_burst && !l->has_bytes))
		return refuse(r, n, "policy.limit.burst", "limit '%s' has a %s without a %s",
			      l->name, l->has_packets ? "byte_burst" : "burst",
			      l->has_packets ? "byte_rate" : "rate");
	if (l->has_packets && !l->burst)
		l->burst = (uint64_t)((unsigned __int128)l->rate.count * NSEC_PER_SEC /
				      l->rate.per_ns);
	if (l->has_packets && !l->burst)
		l->burst = 1;
	if (l->has_bytes && !l->byte_burst)
		l->byte_burst = l->byte_rate / 10 > smallest_byte_burst ? l->byte_rate / 10
									: smallest_byte_burst;
	return 0;
}

int value_limits(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;

	if (n->count > WEIR_LIMITS_MAX)
		return refuse_number(r, n, WEIR_LIMITS_MAX, "limits");
	p->limits = calloc(n->count + 1, sizeof(*p->limits));
	if (!p->limits)
		return -ENOMEM;
	for (const struct node *e = n->children; e; e = e->next) {
		struct policy_limit *l = &p->limits[p->limit_count++];
		int err;

		if (e->kind != NODE_MAPPING)
			return refuse(r, e, "policy.value.kind", "a limit is a mapping");
		err = schema_object(r, OBJECT_LIMIT, e, l);
		if (err == 0)
			err = finish_limit(r, e, l);
		if (err < 0)
			return err;
	}
	return 0;
}

int value_fragments(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;
	struct policy_limit *l = &p->fragment_limit;
	int err;

	if (n->kind == NODE_SCALAR)
		return value_action(r, n, &p->fragments);
	*l = (struct policy_limit){.name = POLICY_FRAGMENTS};
	err = schema_object(r, OBJECT_FRAGMENTS, n, l);
	return err < 0 ? err : finish_limit(r, n, l);
}
