/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Readers of what packets are matched by: services, tenants, and whom a limit is rolled out to.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "policy/schema.h"

static int compare_prefixes(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

int value_prefixes(struct reader *r, const struct node *n, size_t *total, const char *what,
		   struct prefix **ret, size_t *ret_count)
{
	const struct node *e;
	size_t count, kept = 0;
	struct prefix *p;
	int err, first = 0;

	err = schema_elements(r, n, &e, &count);
	if (err < 0)
		return err;
	if (count > POLICY_PREFIXES_MAX)
		return refuse_as(r, n, -E2BIG, "policy.count", "more than %u prefixes in one '%s'",
				 POLICY_PREFIXES_MAX, r->field->key);
	*total += count;
	if (*total > POLICY_PREFIXES_TOTAL)
		return refuse_as(r, n, -E2BIG, "policy.count", "more than %u %s in all",
				 POLICY_PREFIXES_TOTAL, what);
	p = *ret = calloc(count, sizeof(*p));
	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++, e = e->next)
		if (!schema_go_on(r, value_cidr(r, e, &p[i]), &first))
			break;
	if (first < 0)
		return first;
	qsort(p, count, sizeof(*p), compare_prefixes);
	for (size_t i = 1; i < count; i++)
		if (prefix_compare(&p[kept], &p[i]) != 0)
			p[++kept] = p[i];
	*ret_count = kept + 1;
	return 0;
}

int value_dsts(struct reader *r, const struct node *n, void *into)
{
	struct policy_service *s = into;

	return value_prefixes(r, n, &r->dst_total, "destinations", &s->dsts, &s->dst_count);
}

static const char *const protocol_names[] = {"tcp", "udp", "icmp", "icmp6", "sctp"};
static const uint8_t protocol_numbers[] = {6, 17, 1, 58, 132};

const char *word_protocol(unsigned int i)
{
	return i < ARRAY_SIZE(protocol_names) ? protocol_names[i] : NULL;
}

static int read_protocol(struct reader *r, const struct node *n, struct policy_service *s)
{
	uint32_t number = 0;
	size_t i = 0;

	while (i < ARRAY_SIZE(protocol_names) && strcmp(n->text, protocol_names[i]) != 0)
		i++;
	if (i < ARRAY_SIZE(protocol_names))
		number = protocol_numbers[i];
	else if (parse_u32(n->text, 0, WEIR_PROTOCOLS - 1, &number) < 0)
		return schema_refuse_vocabulary(r, n, "protocol");
	s->protocols[number] = true;
	return 0;
}

int value_protos(struct reader *r, const struct node *n, void *into)
{
	struct policy_service *s = into;
	const struct node *e;
	size_t count;
	int err, first = 0;

	err = schema_elements(r, n, &e, &count);
	if (err < 0)
		return err;
	s->any_protocol = false;
	for (; count--; e = e->next)
		if (!schema_go_on(r, read_protocol(r, e, s), &first))
			break;
	return first;
}

void pattern_port(struct text *t)
{
	text_puts(t, "^[0-9]{1,5}(-[0-9]{1,5})?$");
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
	int err, first = 0;

	err = schema_elements(r, n, &e, &count);
	if (err < 0)
		return err;
	if (count > POLICY_PORTS_MAX)
		return refuse_number(r, n, POLICY_PORTS_MAX, "ports and ranges of a service");
	s->ports = calloc(count, sizeof(*s->ports));
	if (!s->ports)
		return -ENOMEM;
	for (; s->port_count < count; e = e->next)
		if (!schema_go_on(r, read_port_range(r, e, &s->ports[s->port_count++]), &first))
			break;
	if (first < 0)
		return first;
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

const char *word_syn_cookies(unsigned int i)
{
	static const char *const words[] = {
		[POLICY_COOKIES_OFF] = "off",
		[POLICY_COOKIES_AUTO] = "auto",
		[POLICY_COOKIES_ALWAYS] = "always",
	};

	return i < ARRAY_SIZE(words) ? words[i] : NULL;
}

int value_syn_cookies(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;
	int err = schema_word(r, n, "word", &word);

	if (err == 0)
		*(enum policy_cookie_mode *)into = (enum policy_cookie_mode)word;
	return err;
}

int value_syn_mss(struct reader *r, const struct node *n, void *into)
{
	struct fault why;
	uint64_t bytes;

	if (policy_step_parse(n->text, POLICY_MSS_MIN, POLICY_MSS_MAX, &bytes, &why) < 0)
		return schema_refuse_value(r, n, &why);
	*(uint32_t *)into = (uint32_t)bytes;
	return 0;
}

static bool is_tcp_only(const struct policy_service *s)
{
	for (unsigned int i = 0; i < WEIR_PROTOCOLS; i++)
		if (s->any_protocol || s->protocols[i] != (i == POLICY_TCP))
			return false;
	return true;
}

/* A cookie is an answer in the service's name: it must be sure that this is one, and which. */
static int check_cookies(struct reader *r, const struct node *n, struct policy_service *s)
{
	if (s->syn_cookies == POLICY_COOKIES_OFF && (s->syn_rate.count || s->syn_mss))
		return refuse(r, n, "policy.service.cookies",
			      "service '%s' has a %s without syn_cookies", s->name,
			      s->syn_rate.count ? "syn_rate" : "syn_mss");
	if (s->syn_cookies == POLICY_COOKIES_OFF)
		return 0;
	if (!s->port_count || !is_tcp_only(s))
		return refuse(r, n, "policy.service.cookies",
			      "service '%s' has syn_cookies, so its proto must be tcp and it must "
			      "have a dport",
			      s->name);
	if (s->syn_cookies == POLICY_COOKIES_ALWAYS && s->syn_rate.count)
		return refuse(
			r, n, "policy.service.cookies",
			"service '%s' answers always with cookies: a syn_rate belongs to auto",
			s->name);
	if (!s->syn_rate.count)
		s->syn_rate = (struct policy_rate){POLICY_SYN_RATE_DEFAULT, NSEC_PER_SEC};
	if (!s->syn_mss)
		s->syn_mss = POLICY_MSS_DEFAULT;
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
		if (s->any_protocol || (s->protocols[i] && i != POLICY_TCP && i != POLICY_UDP))
			return refuse(r, n, "policy.service.ports",
				      "service '%s' has a dport, so its proto must be tcp or udp",
				      s->name);
	return 0;
}

static int read_service(struct reader *r, const struct node *key)
{
	struct policy *p = r->policy;
	struct policy_service *s = &p->services[p->service_count];
	int err = schema_name(r, key);

	if (err < 0)
		return err;
	for (size_t i = 0; i < p->service_count; i++)
		if (strcmp(p->services[i].name, key->text) == 0)
			return refuse(r, key, "policy.name.duplicate",
				      "service '%s' is already defined in line %u", key->text,
				      p->services[i].line);
	memcpy(s->name, key->text, strlen(key->text) + 1);
	s->place = node_place(key);
	s->line = key->line;
	s->any_protocol = true;
	p->service_count++; /* limits may name it, whatever it is */
	if (key->next->kind != NODE_MAPPING)
		return refuse(r, key->next, "policy.value.kind",
			      "service '%s' takes a mapping of dst, proto and dport", key->text);
	err = schema_object(r, OBJECT_SERVICE, key->next, s);
	if (err == 0)
		err = check_service(r, key, s);
	return err < 0 ? err : check_cookies(r, key, s);
}

int value_services(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;
	int first = 0;

	if (n->count / 2 > POLICY_SERVICES_MAX)
		return refuse_number(r, n, POLICY_SERVICES_MAX, "services");
	p->services = calloc(n->count / 2 + 1, sizeof(*p->services));
	if (!p->services)
		return -ENOMEM;
	for (const struct node *key = n->children; key; key = key->next->next)
		if (!schema_go_on(r, read_service(r, key), &first))
			break;
	return first;
}

int value_tenant_dsts(struct reader *r, const struct node *n, void *into)
{
	struct policy_tenant *t = into;

	return value_prefixes(r, n, &r->dst_total, "destinations", &t->dsts, &t->dst_count);
}

int value_tenant_srcs(struct reader *r, const struct node *n, void *into)
{
	struct policy_tenant *t = into;

	return value_prefixes(r, n, &r->src_total, "sources", &t->srcs, &t->src_count);
}

static int compare_tenants(const void *a, const void *b)
{
	const struct policy_tenant *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* One prefix belongs to one tenant. A longer one within it may belong to another: it is its own. */
static int check_owner(struct reader *r, const struct node *n, const struct policy_tenant *t,
		       bool source)
{
	const struct prefix *mine = source ? t->srcs : t->dsts;
	size_t count = source ? t->src_count : t->dst_count;
	char text[PREFIX_TEXT_SIZE];

	for (const struct policy_tenant *o = r->policy->tenants; o < t; o++) {
		const struct prefix *theirs = source ? o->srcs : o->dsts;
		size_t others = source ? o->src_count : o->dst_count;

		for (size_t i = 0, j = 0; i < count && j < others;) {
			int order = prefix_compare(&mine[i], &theirs[j]);

			if (order == 0) {
				prefix_format(&mine[i], text);
				return refuse(r, n, "policy.tenant.overlap",
					      "%s %s belongs to tenant '%s' (line %u) already",
					      source ? "src" : "dst", text, o->name, o->line);
			}
			i += order < 0;
			j += order > 0;
		}
	}
	return 0;
}

static int read_tenant(struct reader *r, const struct node *key)
{
	struct policy *p = r->policy;
	struct policy_tenant *t = &p->tenants[p->tenant_count];
	int err = schema_name(r, key);

	if (err < 0)
		return err;
	for (const struct policy_tenant *o = p->tenants; o < t; o++)
		if (strcmp(o->name, key->text) == 0)
			return refuse(r, key, "policy.name.duplicate",
				      "tenant '%s' is already defined in line %u", key->text,
				      o->line);
	memcpy(t->name, key->text, strlen(key->text) + 1);
	t->place = node_place(key);
	t->line = key->line;
	p->tenant_count++; /* limits may name it, whatever it is */
	if (key->next->kind != NODE_MAPPING)
		return refuse(r, key->next, "policy.value.kind",
			      "tenant '%s' takes a mapping of dst and src", key->text);
	err = schema_object(r, OBJECT_TENANT, key->next, t);
	if (err == 0 && !t->dst_count && !t->src_count)
		return refuse(r, key, "policy.tenant.empty", "tenant '%s' has no dst and no src",
			      t->name);
	if (err == 0)
		err = check_owner(r, key, t, false);
	return err < 0 ? err : check_owner(r, key, t, true);
}

int value_tenants(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;
	int first = 0;

	if (n->count / 2 > POLICY_TENANTS_MAX)
		return refuse_number(r, n, POLICY_TENANTS_MAX, "tenants");
	p->tenants = calloc(n->count / 2 + 1, sizeof(*p->tenants));
	if (!p->tenants)
		return -ENOMEM;
	for (const struct node *key = n->children; key; key = key->next->next)
		if (!schema_go_on(r, read_tenant(r, key), &first))
			break;
	qsort(p->tenants, p->tenant_count, sizeof(*p->tenants), compare_tenants);
	return first;
}

/* The place of the scalar @n among names that the policy defines, or refuse. */
static int find_name(struct reader *r, const struct node *n, const char *what,
		     const char *const *known, size_t count, unsigned int *ret)
{
	for (unsigned int i = 0; i < count; i++) {
		if (strcmp(n->text, known[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return schema_refuse_word(r, n, what, known, count);
}

int value_service_name(struct reader *r, const struct node *n, void *into)
{
	const char *known[POLICY_SERVICES_MAX];
	const struct policy *p = r->policy;
	unsigned int word = 0;
	int err;

	for (size_t i = 0; i < p->service_count; i++)
		known[i] = p->services[i].name;
	err = find_name(r, n, "service", known, p->service_count, &word);
	if (err == 0)
		*(const struct policy_service **)into = &p->services[word];
	return err;
}

int value_rollout_sources(struct reader *r, const struct node *n, void *into)
{
	struct policy_rollout *rollout = &((struct policy_limit *)into)->rollout;

	return value_prefixes(r, n, &r->src_total, "sources", &rollout->sources,
			      &rollout->source_count);
}

static int compare_numbers(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

int value_tenant_numbers(struct reader *r, const struct node *n, uint16_t **ret, size_t *ret_count)
{
	const char *known[POLICY_TENANTS_MAX];
	const struct policy *p = r->policy;
	const struct node *e;
	size_t count, kept = 0;
	uint16_t *numbers;
	int err, first = 0;

	for (size_t i = 0; i < p->tenant_count; i++)
		known[i] = p->tenants[i].name;
	err = schema_elements(r, n, &e, &count);
	if (err < 0)
		return err;
	if (count > POLICY_TENANTS_MAX)
		return refuse_number(r, n, POLICY_TENANTS_MAX, "tenants");
	numbers = *ret = calloc(count, sizeof(*numbers));
	if (!numbers)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++, e = e->next) {
		unsigned int word = 0;

		err = find_name(r, e, "tenant", known, p->tenant_count, &word);
		if (!schema_go_on(r, err, &first))
			return first;
		numbers[i] = err < 0 ? 0 : (uint16_t)(word + 1);
	}
	if (first < 0)
		return first;
	qsort(numbers, count, sizeof(*numbers), compare_numbers);
	for (size_t i = 1; i < count; i++)
		if (numbers[kept] != numbers[i])
			numbers[++kept] = numbers[i];
	*ret_count = kept + 1;
	return 0;
}

int value_rollout_tenants(struct reader *r, const struct node *n, void *into)
{
	struct policy_rollout *rollout = &((struct policy_limit *)into)->rollout;

	return value_tenant_numbers(r, n, &rollout->tenants, &rollout->tenant_count);
}
