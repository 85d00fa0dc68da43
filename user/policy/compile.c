/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the checked model to the image of map entries: every rule becomes one limit for each unit
 * that it counts and each service that it counts separately, every limit owns one bit, and the
 * tables say which bits accept a port, a protocol, a prefix or a tenant. What is decided here is
 * not decided again per packet.
 */
#include "policy/compile.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

_Static_assert(POLICY_NAME_MAX == WEIR_NAME_BYTES, "a name must fit into its limit");

int refuse_rule(struct compiler *c, const struct policy_limit *rule, int err, const char *code,
		const char *format, ...)
{
	struct place top = {c->policy->files[0], 1, 1, 0};
	va_list ap;

	va_start(ap, format);
	diagnose_va(c->report, c->reterr, rule->line ? &rule->place : &top, err, code, format, ap);
	va_end(ap);
	return err;
}

static void describe_service(struct text *t, const struct policy_service *s)
{
	char prefix[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < s->dst_count; i++) {
		prefix_format(&s->dsts[i], prefix);
		text_printf(t, " dst %s", prefix);
	}
	for (unsigned int i = 0; i < WEIR_PROTOCOLS && !s->any_protocol; i++)
		if (s->protocols[i])
			text_printf(t, " proto %u", i);
	for (size_t i = 0; i < s->port_count; i++)
		text_printf(t, " dport %u-%u", s->ports[i].first, s->ports[i].last);
}

/* What makes a word in a cell mean what it means. */
static void describe_limit(struct text *t, const struct draft *d, const struct weir_limit *l)
{
	text_printf(t,
		    "scope %s unit %s algorithm %u interval %llu burst %llu shift %u bits %u/%u/%u",
		    policy_scope_str(d->rule->scope), policy_unit_str(d->unit), l->algorithm,
		    (unsigned long long)l->interval, (unsigned long long)l->burst, l->shift,
		    l->count_bits, l->previous_bits, l->previous_shift);
	text_printf(t, " prefix %u/%u step %u", d->rule->prefix4, d->rule->prefix6, l->size_step);
	for (size_t i = 0; i < WEIR_CLASS_MAX; i++)
		text_printf(t, " cost %u", l->costs[i]);
	if (d->service)
		describe_service(t, d->service);
	if (d->index == DRAFT_FRAGMENTS)
		text_puts(t, " fragments");
	if (d->index == DRAFT_COOKIES)
		text_puts(t, " cookies");
}

static bool key_taken(const struct weir_policy *p, uint64_t key)
{
	for (uint32_t i = 0; i < p->limit_count; i++)
		if ((uint32_t)p->limits[i].key == (uint32_t)key)
			return true;
	return (uint32_t)key == 0;
}

/*
 * State in the kernel is found by this key, so it stands for what a limit means and not for where
 * it stands: a limit that a new policy leaves as it was keeps its state. Its name, action, shadow,
 * schedule, rollout, flag and what happens when cells run out are not part of it: enforcing what was in
 * shadow starts with the cells as they are. A tenant's cell is its number, so there the names
 * count; but not of quotas, whose cells are by slot (struct weir_tenants). Their amount does not
 * count either: who gets another tier keeps what was used.
 */
static int limit_key(const struct compiler *c, const struct draft *d,
		     const struct weir_limit *limit, __u64 *ret)
{
	_cleanup_(text_done) struct text t = {0};
	unsigned char digest[32];
	__u64 key;

	text_init_growing(&t);
	if (d->rule->algorithm == POLICY_QUOTA)
		text_printf(&t, "quota of %s per %s", policy_unit_str(d->unit),
			    policy_period_str(d->rule->period));
	else
		describe_limit(&t, d, limit);
	if (d->rule->scope == POLICY_SCOPE_TENANT && d->rule->algorithm != POLICY_QUOTA)
		for (size_t i = 0; i < c->policy->tenant_count; i++)
			text_printf(&t, " tenant %s", c->policy->tenants[i].name);
	if (t.truncated || !EVP_Digest(t.data, t.length, digest, NULL, EVP_sha256(), NULL))
		return -ENOMEM;
	memcpy(&key, digest, sizeof(key));
	key &= ~1ULL; /* the odd one next to it is that of the coarser cells (weir/key.h) */
	while (d->rule->algorithm != POLICY_QUOTA && key_taken(&c->image->policy, key))
		key += 2;
	*ret = key;
	return 0;
}

static int limit_name(struct compiler *c, const struct draft *d,
		      char ret[static POLICY_NAME_MAX + 1])
{
	const char *name = d->rule->name;
	struct text t;

	if (d->service == d->rule->service) {
		memcpy(ret, name, POLICY_NAME_MAX + 1);
		return 0;
	}
	if (strlen(name) + 1 + strlen(d->service->name) > POLICY_NAME_MAX)
		return refuse_rule(
			c, d->rule, -EINVAL, "policy.name",
			"limit '%s' has one part for each service, and '%s/%s' is longer "
			"than %u bytes",
			name, name, d->service->name, POLICY_NAME_MAX);
	text_init(&t, ret, POLICY_NAME_MAX + 1);
	text_printf(&t, "%s/%s", name, d->service->name);
	return 0;
}

static uint32_t fixed_sets(const struct compiler *c, const struct draft *d)
{
	if (d->rule->algorithm == POLICY_QUOTA)
		return WEIR_TENANT_SLOTS;
	if (d->rule->scope == POLICY_SCOPE_TENANT)
		return (uint32_t)c->policy->tenant_count;
	return d->rule->scope >= POLICY_SCOPE_SERVICE;
}

static int limit_add(struct compiler *c, const struct draft *d)
{
	struct weir_policy *p = &c->image->policy;
	const struct policy_limit *rule = d->rule;
	struct policy_image_limit *meaning = &c->image->limits[p->limit_count];
	struct weir_limit limit = {0};
	int r;

	if (p->limit_count == WEIR_LIMITS_MAX)
		return refuse_rule(c, rule, -E2BIG, "policy.limits.many",
				   "more than %u limits; each unit and each of several services "
				   "counts as one, one on fragments is built in",
				   WEIR_LIMITS_MAX);
	r = compile_limit(c, d, &limit);
	if (r == 0)
		r = limit_key(c, d, &limit, &limit.key);
	if (r == 0)
		r = limit_name(c, d, meaning->name);
	if (r < 0)
		return r;
	memcpy(limit.name, meaning->name, WEIR_NAME_BYTES);
	meaning->unit = d->unit;
	meaning->line = rule->line;
	meaning->rule = d->index;
	meaning->fixed_sets = fixed_sets(c, d);
	meaning->off = rule->rollout.percent == 0;
	meaning->schedule = rule->schedule;
	meaning->adaptive = rule->is_adaptive ? &rule->adaptive : NULL;
	c->drafts[p->limit_count] = *d;
	p->limits[p->limit_count++] = limit;
	return 0;
}

/* A rule's limits on one service. */
static int units_add(struct compiler *c, const struct policy_limit *rule,
		     const struct policy_service *service, int index)
{
	const bool given[WEIR_UNIT_MAX] = {
		[WEIR_UNIT_PACKETS] = rule->has_packets,
		[WEIR_UNIT_BYTES] = rule->has_bytes,
		[WEIR_UNIT_CONNECTIONS] = rule->has_connections,
		[WEIR_UNIT_OPEN] = rule->has_open,
	};
	bool tcp = !service || service->any_protocol || service->protocols[POLICY_TCP];
	int r = 0;

	for (unsigned int unit = 0; unit < WEIR_UNIT_MAX && r == 0; unit++) {
		struct draft d = {rule, service, (enum weir_unit)unit, index};

		if (given[unit] && (tcp || unit == WEIR_UNIT_PACKETS || unit == WEIR_UNIT_BYTES))
			r = limit_add(c, &d);
	}
	return r;
}

static int rule_add(struct compiler *c, const struct policy_limit *rule, int index)
{
	uint32_t before = c->image->policy.limit_count;
	const struct policy *p = c->policy;
	int r = 0;

	if (rule->scope != POLICY_SCOPE_SOURCE_PER_SERVICE || rule->service)
		return units_add(c, rule, rule->service, index);
	for (size_t i = 0; i < p->service_count && r == 0; i++)
		r = units_add(c, rule, &p->services[i], index);
	if (r == 0 && c->image->policy.limit_count == before)
		return refuse_rule(c, rule, -EINVAL, "policy.limit.service",
				   "limit '%s' counts connections, and no service has tcp",
				   rule->name);
	return r;
}

/*
 * A service's SYN are answered with cookies while there are more than so many: a limit on new connections
 * to the service, tried when all others have room. `always` is one that never has any.
 */
static int cookies_add(struct compiler *c, const struct policy_service *service)
{
	struct policy_limit *rule = &c->cookies[service - c->policy->services];
	uint32_t number = c->image->policy.limit_count;
	struct weir_limit *limit;
	int r;

	*rule = (struct policy_limit){
		.line = service->line,
		.column = service->place.column,
		.place = service->place,
		.scope = POLICY_SCOPE_SERVICE,
		.service = service,
		.has_connections = true,
		.connections = service->syn_rate.count ? service->syn_rate
						       : (struct policy_rate){1, NSEC_PER_SEC},
		.rollout.percent = 100,
		.action = WEIR_ACTION_COOKIE,
	};
	if (snprintf(rule->name, sizeof(rule->name), "%s/cookies", service->name) >=
	    (int)sizeof(rule->name))
		return refuse_rule(c, rule, -EINVAL, "policy.name",
				   "service '%s' has syn_cookies, which count as a limit of that "
				   "name and '/cookies': longer than %u bytes",
				   service->name, POLICY_NAME_MAX);
	/* a second's worth */
	rule->connection_burst =
		(uint64_t)(((unsigned __int128)rule->connections.count * NSEC_PER_SEC +
			    rule->connections.per_ns - 1) /
			   rule->connections.per_ns);
	r = units_add(c, rule, service, DRAFT_COOKIES);
	if (r < 0)
		return r;
	limit = &c->image->policy.limits[number];
	limit->mss = service->syn_mss;
	if (service->syn_cookies == POLICY_COOKIES_ALWAYS) {
		limit->interval = 2;
		limit->burst = 1;
	}
	return 0;
}

/* A quota shares its cells with those of other amounts. */
static bool has_key_of_another(const struct weir_policy *p, uint32_t number)
{
	for (uint32_t i = 0; i < number; i++)
		if (p->limits[i].key == p->limits[number].key)
			return true;
	return false;
}

uint64_t policy_tenant_hash(const char *name)
{
	unsigned char digest[32];
	uint64_t hash;

	if (!EVP_Digest(name, strlen(name), digest, NULL, EVP_sha256(), NULL))
		return 0;
	memcpy(&hash, digest, sizeof(hash));
	return hash | 1; /* 0 is nobody */
}

/* Tenants are known by name where they have cells that outlast a policy. */
static int tenants_fill(struct compiler *c)
{
	const struct policy *p = c->policy;
	size_t count = 0;

	for (size_t i = 0; i < p->tenant_count; i++) {
		const struct policy_tenant *t = &p->tenants[i];
		bool has = false;

		c->image->names[i + 1] = policy_tenant_hash(t->name);
		if (!c->image->names[i + 1])
			return -ENOMEM;
		for (unsigned int unit = 0; unit < WEIR_UNIT_OPEN; unit++)
			for (unsigned int period = 0; period < POLICY_PERIOD_MAX; period++)
				has |= policy_quota_of(p, t, unit, period);
		if (!has)
			continue;
		if (++count > WEIR_TENANT_SLOTS)
			return refuse_rule(c, &p->limits[p->limit_count - 1], -E2BIG,
					   "policy.quota.many", "more than %u tenants have quotas",
					   WEIR_TENANT_SLOTS);
		c->image->tenants[i + 1] = c->image->names[i + 1];
	}
	return 0;
}

/* The narrowest scope first, those of one scope in the order of the text. */
static int limits_add(struct compiler *c)
{
	const struct policy *p = c->policy;
	uint32_t sets = 0;
	int r = 0;

	for (unsigned int scope = 0; scope < POLICY_SCOPE_MAX && r == 0; scope++) {
		for (size_t i = 0; i < p->limit_count && r == 0; i++)
			if (p->limits[i].scope == (enum policy_scope)scope)
				r = rule_add(c, &p->limits[i], (int)i);
		if (r == 0 && scope == POLICY_SCOPE_SOURCE && p->fragments == POLICY_LIMIT)
			r = rule_add(c, &p->fragment_limit, DRAFT_FRAGMENTS);
	}
	for (size_t i = 0; i < p->service_count && r == 0; i++)
		if (p->services[i].syn_cookies != POLICY_COOKIES_OFF)
			r = cookies_add(c, &p->services[i]);
	for (uint32_t i = 0; i < c->image->policy.limit_count && r == 0; i++) {
		if (!has_key_of_another(&c->image->policy, i))
			sets += c->image->limits[i].fixed_sets;
		if (sets > POLICY_FIXED_SETS_MAX)
			return refuse_rule(c, c->drafts[i].rule, -E2BIG, "policy.tenant.many",
					   "limit '%s' makes it more than %u cells for limits on "
					   "tenants: %zu tenants count in each",
					   c->drafts[i].rule->name, POLICY_FIXED_SETS_MAX,
					   p->tenant_count);
	}
	return r;
}

static void settings_fill(struct compiler *c, uint64_t tick_ns)
{
	const struct policy *policy = c->policy;
	struct weir_policy *p = &c->image->policy;

	p->mode = policy->mode;
	p->tick = tick_ns << WEIR_TIME_SHIFT;
	if (policy->malformed == POLICY_DROP)
		p->flags |= WEIR_POLICY_DROP_MALFORMED;
	if (policy->other == POLICY_DROP)
		p->flags |= WEIR_POLICY_DROP_NOT_IP;
	if (policy->fragments == POLICY_DROP)
		p->flags |= WEIR_POLICY_DROP_FRAGMENTS;
	p->timing = policy->metrics.timing;
	c->image->cell_sets = WEIR_CELL_SETS_MIN;
	while (c->image->cell_sets < policy->sources)
		c->image->cell_sets *= 2;
}

uint64_t policy_active(const struct policy_image_limit *limits, size_t count, int64_t unix_time,
		       int64_t *ret_change)
{
	uint64_t active = 0;

	*ret_change = INT64_MAX;
	for (size_t i = 0; i < count; i++) {
		const struct policy_schedule *s = limits[i].schedule;
		int64_t change;

		if (limits[i].off)
			continue;
		if (!s || policy_schedule_active(s, unix_time))
			active |= 1ULL << i;
		change = s ? policy_schedule_change(s, unix_time) : INT64_MAX;
		if (change < *ret_change)
			*ret_change = change;
	}
	return active;
}

static int compile(const struct policy *policy, const struct policy_flag_value *values,
		   uint64_t tick_ns, struct policy_report *report, struct policy_image **ret,
		   struct fault *reterr)
{
	_cleanup_(policy_image_freep) struct policy_image *image = calloc(1, sizeof(*image));
	struct compiler c = {.policy = policy,
			     .flags = values,
			     .image = image,
			     .report = report,
			     .reterr = reterr};
	int r = image ? 0 : -ENOMEM;

	if (r == 0) {
		settings_fill(&c, tick_ns);
		r = limits_add(&c);
	}
	if (r == 0)
		r = tenants_fill(&c);
	if (r == 0)
		r = compile_flags(&c);
	for (uint32_t i = 0; r == 0 && i < image->policy.limit_count; i++) {
		if (!image->limits[i].off && !image->limits[i].flag_off)
			image->policy.active |= 1ULL << i;
		if (c.drafts[i].rule->shadow)
			image->policy.shadow_limits |= 1ULL << i;
		if (c.drafts[i].rule->action == WEIR_ACTION_COOKIE)
			image->policy.cookie_limits |= 1ULL << i;
	}
	if (r == 0)
		r = compile_tables(&c);
	if (r == -ENOMEM)
		return fault(reterr, r, "policy.memory", "%.200s: out of memory", policy->name);
	if (r < 0)
		return r;
	*ret = take_ptr(image);
	return 0;
}

int policy_compile_flags(const struct policy *policy, const struct policy_flag_value *values,
			 uint64_t tick_ns, struct policy_image **ret, struct fault *reterr)
{
	return compile(policy, values, tick_ns, NULL, ret, reterr);
}

int compile_report(const struct policy *policy, uint64_t tick_ns, struct policy_report *report,
		   struct policy_image **ret, struct fault *reterr)
{
	struct policy_flag_value flags[POLICY_FLAGS_MAX];

	for (size_t i = 0; i < policy->flag_count; i++)
		flags[i] = policy_flag_value(&policy->flags[i]);
	return compile(policy, flags, tick_ns, report, ret, reterr);
}

int policy_compile(const struct policy *policy, uint64_t tick_ns, struct policy_image **ret,
		   struct fault *reterr)
{
	return compile_report(policy, tick_ns, NULL, ret, reterr);
}

void policy_image_free(struct policy_image *image)
{
	if (!image)
		return;
	free(image->destinations);
	free(image->sources);
	free(image);
}
