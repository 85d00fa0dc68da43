/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The questions that a change has to answer before it is made: does it cut off whoever makes it, or the
 * default gateway; does it block more than anybody can mean. What is so already is no question, and
 * whoever insists gets his way, with a record.
 */
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "detect/operator.h"
#include "engine/internal.h"

#define GATEWAYS_NS    NSEC_PER_SEC /* believed for so long: tables of routes can be long */
#define PEERS_MIN      10	    /* a share of fewer hosts than these tells nothing */
#define SHORTEST_FRAME 64	    /* bytes */

static void find(struct safety_findings *findings, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void find(struct safety_findings *findings, const char *code, const char *format, ...)
{
	struct safety_finding *f = &findings->items[findings->count];
	va_list ap;

	if (findings->count == SAFETY_FINDINGS_MAX)
		return;
	findings->count++;
	f->code = code;
	va_start(ap, format);
	vsnprintf(f->text, sizeof(f->text), format, ap);
	va_end(ap);
}

/* As lists have it: what is shorter than all of IPv4 covers IPv6 only. */
static bool is_under(const struct prefix *prefix, const uint8_t address[static 16])
{
	struct prefix one = {.bits = 128};

	memcpy(one.address, address, sizeof(one.address));
	return prefix_covers(prefix, &one) && (prefix->bits >= 96 || !address_is_ipv4(address));
}

static bool is_under_any(const struct policy_list *list, const uint8_t address[static 16])
{
	for (size_t i = 0; i < list->count; i++)
		if (is_under(&list->entries[i].prefix, address))
			return true;
	return false;
}

/* What lists say of an address; @without_policy: as if the policy had no entries. */
static void ask_lists(const struct engine *e, const uint8_t address[static 16], bool without_policy,
		      const struct prefix *without_allow, bool ret_listed[static LIST_KIND_MAX])
{
	struct list_entry entries[LIST_COVERING_MAX];
	size_t count = list_set_covering(e->lists, address, clock_monotonic_ns(), entries);

	ret_listed[LIST_ALLOW] = ret_listed[LIST_BLOCK] = false;
	for (size_t i = 0; i < count; i++) {
		const struct list_key *key = &entries[i].key;

		if (without_policy && key->origin == LIST_POLICY)
			continue;
		if (without_allow && key->kind == LIST_ALLOW && key->origin == LIST_OPERATOR &&
		    prefix_compare(&key->prefix, without_allow) == 0)
			continue;
		ret_listed[key->kind] = true;
	}
}

/* Neither allowed nor blocked yet: a new entry decides. */
static bool is_open_to_change(const struct engine *e, const uint8_t address[static 16])
{
	bool listed[LIST_KIND_MAX];

	ask_lists(e, address, false, NULL, listed);
	return !listed[LIST_ALLOW] && !listed[LIST_BLOCK];
}

static void read_gateways(struct engine *e)
{
	struct safety *s = &e->safety;
	uint64_t now_ns = clock_monotonic_ns();
	struct peers_gateways found = {0};
	bool failed = false;

	if (s->gateways_ns && now_ns - s->gateways_ns < GATEWAYS_NS)
		return;
	/* Better those of before than none. */
	for (size_t i = 0; i < e->options.iface_count; i++)
		if (peers_gateways(if_nametoindex(e->options.ifaces[i]), &found) < 0)
			failed = true;
	if (!failed)
		s->gateways = found;
	s->gateways_ns = now_ns;
}

size_t engine_protected(struct engine *e, const struct engine_actor *actor,
			struct safety_protected ret[static SAFETY_PROTECTED_MAX])
{
	struct operator_origin origins[OPERATOR_ORIGINS_MAX];
	size_t count = actor->pid ? operator_origins("/proc", actor->pid, origins) : 0, n = 0;

	for (size_t i = 0; i < count; i++, n++) {
		ret[n] = (struct safety_protected){.port = origins[i].port};
		memcpy(ret[n].address, origins[i].address, sizeof(ret[n].address));
		memcpy(ret[n].to, origins[i].to, sizeof(ret[n].to));
		snprintf(ret[n].why, sizeof(ret[n].why), "%.32s is logged in from there",
			 actor->username);
	}
	read_gateways(e);
	for (size_t i = 0; i < e->safety.gateways.count; i++, n++) {
		ret[n] = (struct safety_protected){0};
		memcpy(ret[n].address, e->safety.gateways.addresses[i], sizeof(ret[n].address));
		snprintf(ret[n].why, sizeof(ret[n].why), "it is a default gateway of %.16s",
			 e->options.iface);
	}
	return n;
}
_Static_assert(SAFETY_PROTECTED_MAX >= OPERATOR_ORIGINS_MAX + PEERS_GATEWAYS_MAX, "no room");

static void find_blocked(struct safety_findings *findings, const struct safety_protected *who,
			 const char *what)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(who->address, text);
	find(findings, "safety.lockout", "%s would block %s: %s", what, text, who->why);
}

/* *@ret_least: the shortest that may be blocked, of the prefix's family. */
static bool is_short(const struct policy_safety *caps, const struct prefix *prefix,
		     unsigned int *ret_least)
{
	bool ip4 = prefix->bits >= 96 && address_is_ipv4(prefix->address);

	*ret_least = ip4 ? caps->shortest4 : caps->shortest6;
	return (ip4 ? prefix->bits - 96U : prefix->bits) < *ret_least;
}

static void find_short(struct safety_findings *findings, const struct policy_safety *caps,
		       const struct prefix *prefix, const char *where)
{
	char text[PREFIX_TEXT_SIZE];
	unsigned int least;

	if (!is_short(caps, prefix, &least))
		return;
	prefix_format(prefix, text);
	find(findings, "safety.shortest_prefix",
	     "%s%s is shorter than /%u, the shortest prefix to be blocked (safety.shortest_prefix)",
	     where, text, least);
}

/* Prefixes to be blocked, wherever they come from. */
struct batch {
	const void *first;
	size_t count, size;		   /* of each, in bytes: the prefix is its first member */
	const struct policy_list *allowed; /* besides the lists; NULL = nothing */
};

static const struct prefix *batch_at(const struct batch *b, size_t i)
{
	return (const struct prefix *)((const char *)b->first + i * b->size);
}

static size_t count_peers(const struct engine *e, const struct batch *b, const struct peers *peers,
			  bool *hit)
{
	size_t hits = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct prefix *prefix = batch_at(b, i);
		size_t count, first = peers_covered(peers, prefix, &count);

		for (size_t j = first; j < first + count; j++) {
			const uint8_t *address = peers->addresses[j];

			if (hit[j] || !is_under(prefix, address) ||
			    !is_open_to_change(e, address) ||
			    (b->allowed && is_under_any(b->allowed, address)))
				continue;
			hit[j] = true;
			hits++;
		}
	}
	return hits;
}

static bool has_short(const struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (batch_at(b, i)->bits < 128)
			return true;
	return b->count >= PEERS_MIN;
}

/* How many of the hosts that are connected now the batch would block. */
static void find_many(struct engine *e, struct safety_findings *findings,
		      const struct policy_safety *caps, const struct batch *b)
{
	_cleanup_(peers_done) struct peers peers = {0};
	_cleanup_free_ bool *hit = NULL;
	size_t hits;
	int r;

	if (caps->max_blocked == 1000 || !has_short(b))
		return;
	r = peers_connected(&peers);
	if (r < 0) {
		log_warn("cannot tell who is connected: safety.max_blocked is not looked at",
			 "error", strerror(-r));
		return;
	}
	if (peers.count < PEERS_MIN)
		return;
	hit = calloc(peers.count, sizeof(*hit));
	if (!hit)
		return;
	hits = count_peers(e, b, &peers, hit);
	if (hits * 1000 > peers.count * caps->max_blocked)
		find(findings, "safety.max_blocked",
		     "it would block %zu of the %zu hosts that have a connection now, and "
		     "safety.max_blocked is %u%%",
		     hits, peers.count, caps->max_blocked / 10);
}

/* Say the first finding, and what to do. */
static int refuse(const struct safety_findings *findings, const char *way_out, struct fault *reterr)
{
	const struct safety_finding *first = &findings->items[0];
	char more[32] = "";

	if (findings->count > 1)
		snprintf(more, sizeof(more), ", and %zu more", findings->count - 1);
	return fault(reterr, -EPERM, first->code, "%s%s; %s", first->text, more, way_out);
}

static void record(struct engine *e, enum audit_event event, const struct audit_resource *resource,
		   const struct safety_findings *findings, const struct engine_actor *actor)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = event,
		.outcome = event == AUDIT_EVENT_LIST_REFUSED ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = *resource,
		.details = &details,
	};

	audit_details_string(&details, "code", findings->items[0].code);
	audit_details_string(&details, "error", findings->items[0].text);
	audit_details_u64(&details, "findings", findings->count);
	engine_record(e, &record, actor);
}

/* What becomes of a change that an operator asked for. */
static int decide(struct engine *e, const struct audit_resource *resource,
		  const struct safety_findings *findings, const struct engine_actor *actor,
		  struct fault *reterr)
{
	if (!findings->count)
		return 0;
	if (actor->force) {
		record(e, AUDIT_EVENT_SAFETY_OVERRIDDEN, resource, findings, actor);
		log_warn("somebody insists on a change", "by", actor->username, "although",
			 findings->items[0].text);
		return 0;
	}
	if (strcmp(resource->type, "policy") != 0) /* that has a record of its own */
		record(e, AUDIT_EVENT_LIST_REFUSED, resource, findings, actor);
	return refuse(findings, "--force (?force=true) does it all the same", reterr);
}

int lockout_check_block(struct engine *e, const struct prefix *prefix,
			const struct engine_actor *actor, struct fault *reterr)
{
	const struct policy_safety *caps = &e->policy->safety;
	const struct batch batch = {prefix, 1, sizeof(*prefix), NULL};
	struct safety_protected who[SAFETY_PROTECTED_MAX];
	struct safety_findings findings = {0};
	size_t count = engine_protected(e, actor, who);
	char text[PREFIX_TEXT_SIZE];

	prefix_format(prefix, text);
	for (size_t i = 0; i < count; i++)
		if (is_under(prefix, who[i].address) && is_open_to_change(e, who[i].address))
			find_blocked(&findings, &who[i], text);
	find_short(&findings, caps, prefix, "");
	find_many(e, &findings, caps, &batch);
	return decide(e, &(struct audit_resource){"block", text}, &findings, actor, reterr);
}

int lockout_check_unallow(struct engine *e, const struct prefix *prefix,
			  const struct engine_actor *actor, struct fault *reterr)
{
	struct safety_protected who[SAFETY_PROTECTED_MAX];
	struct safety_findings findings = {0};
	size_t count = engine_protected(e, actor, who);
	char text[PREFIX_TEXT_SIZE], what[PREFIX_TEXT_SIZE + 32];
	bool listed[LIST_KIND_MAX];

	prefix_format(prefix, text);
	snprintf(what, sizeof(what), "no longer to allow %s", text);
	for (size_t i = 0; i < count; i++) {
		if (!is_under(prefix, who[i].address))
			continue;
		ask_lists(e, who[i].address, false, prefix, listed);
		if (listed[LIST_BLOCK] && !listed[LIST_ALLOW])
			find_blocked(&findings, &who[i], what);
	}
	return decide(e, &(struct audit_resource){"allow", text}, &findings, actor, reterr);
}

int lockout_check_feed(struct engine *e, const struct prefix *adds, size_t count, const char *file,
		       struct fault *reterr)
{
	const struct policy_safety *caps = &e->safety.caps;
	const struct batch batch = {adds, count, sizeof(*adds), NULL};
	struct safety_protected who[SAFETY_PROTECTED_MAX];
	struct safety_findings findings = {0};
	size_t people = engine_protected(e, &ENGINE_SYSTEM, who);
	char text[PREFIX_TEXT_SIZE], way_out[600];

	for (size_t i = 0; i < people; i++) {
		bool open = is_open_to_change(e, who[i].address);

		for (size_t j = 0; open && j < count; j++) {
			if (!is_under(&adds[j], who[i].address))
				continue;
			prefix_format(&adds[j], text);
			find_blocked(&findings, &who[i], text);
			open = false;
		}
	}
	for (size_t j = 0; j < count; j++)
		find_short(&findings, caps, &adds[j], "");
	find_many(e, &findings, caps, &batch);
	if (!findings.count)
		return 0;
	snprintf(way_out, sizeof(way_out),
		 "the policy's allow list and its safety section decide what %.200s may do", file);
	return refuse(&findings, way_out, reterr);
}

static bool is_enforced(const struct policy *policy)
{
	return policy && policy->mode == WEIR_MODE_ENFORCE;
}

static bool service_hits(const struct policy_service *s, const struct safety_protected *who)
{
	static const uint8_t unknown[16];
	bool port = !s->port_count, to = !s->dst_count || memcmp(who->to, unknown, 16) == 0;

	if (!who->port || (!s->any_protocol && !s->protocols[POLICY_TCP]))
		return false;
	for (size_t i = 0; i < s->port_count; i++)
		port |= s->ports[i].first <= who->port && who->port <= s->ports[i].last;
	for (size_t i = 0; i < s->dst_count; i++)
		to |= is_under(&s->dsts[i], who->to);
	return port && to;
}

static bool some_service_hits(const struct policy *policy, const struct safety_protected *who)
{
	for (size_t i = 0; i < policy->service_count; i++)
		if (service_hits(&policy->services[i], who))
			return true;
	return false;
}

static bool some_tenant_has(const struct policy *policy, const struct safety_protected *who)
{
	for (size_t i = 0; i < policy->tenant_count; i++) {
		const struct policy_tenant *t = &policy->tenants[i];

		for (size_t j = 0; j < t->src_count; j++)
			if (is_under(&t->srcs[j], who->address))
				return true;
		for (size_t j = 0; j < t->dst_count; j++)
			if (is_under(&t->dsts[j], who->to))
				return true;
	}
	return false;
}

static bool is_tight(const struct policy_limit *l)
{
	double factor = l->is_adaptive ? l->adaptive.min / 1000.0 : 1;
	double packets = factor * (double)l->rate.count * NSEC_PER_SEC / (double)l->rate.per_ns;

	return (l->has_packets && packets < SAFETY_RATE_MIN) ||
	       (l->has_bytes && factor * (double)l->byte_rate < SAFETY_RATE_MIN * SHORTEST_FRAME);
}

/* The limit may come to drop what @who sends. Where that depends on more than is known here, it may. */
static bool limit_hits(const struct policy *policy, const struct policy_limit *l,
		       const struct safety_protected *who)
{
	bool source = !l->rollout.source_count;

	if (l->shadow || l->action != WEIR_ACTION_DROP || !l->rollout.percent || !is_tight(l))
		return false;
	for (size_t i = 0; i < l->rollout.source_count; i++)
		source |= is_under(&l->rollout.sources[i], who->address);
	if (!source || (l->service && !service_hits(l->service, who)))
		return false;
	if (l->scope == POLICY_SCOPE_SOURCE_PER_SERVICE && !l->service)
		return some_service_hits(policy, who);
	return l->scope != POLICY_SCOPE_TENANT || some_tenant_has(policy, who);
}

/* The policy in force has a limit of this name that does so already. */
static bool was_hit(const struct policy *before, const struct policy_limit *l,
		    const struct safety_protected *who)
{
	for (size_t i = 0; is_enforced(before) && i < before->limit_count; i++)
		if (strcmp(before->limits[i].name, l->name) == 0 &&
		    limit_hits(before, &before->limits[i], who))
			return true;
	return false;
}

static void find_limits(struct engine *e, const struct policy *policy,
			const struct safety_protected *who, struct safety_findings *findings)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(who->address, text);
	for (size_t i = 0; i < policy->limit_count; i++) {
		const struct policy_limit *l = &policy->limits[i];

		if (limit_hits(policy, l, who) && !was_hit(e->policy, l, who))
			find(findings, "safety.lockout",
			     "limit '%s' in line %u leaves %s less than %d packets a second: %s",
			     l->name, l->line, text, SAFETY_RATE_MIN, who->why);
	}
}

/* Whether @who will be blocked, and is not yet; and if not, whether a limit starves him. */
static void find_effects(struct engine *e, const struct policy *policy,
			 const struct safety_protected *who, struct safety_findings *findings)
{
	bool now[LIST_KIND_MAX], rest[LIST_KIND_MAX];
	bool blocked_now, allowed, blocked;

	ask_lists(e, who->address, false, NULL, now);
	ask_lists(e, who->address, true, NULL, rest);
	blocked_now = is_enforced(e->policy) && now[LIST_BLOCK] && !now[LIST_ALLOW];
	allowed = rest[LIST_ALLOW] || is_under_any(&policy->allow, who->address);
	blocked = rest[LIST_BLOCK] || is_under_any(&policy->block, who->address);
	if (allowed)
		return;
	if (!blocked)
		find_limits(e, policy, who, findings);
	else if (!blocked_now)
		find_blocked(findings, who, "the policy");
}

static bool had_entry(const struct policy *before, const struct prefix *prefix)
{
	for (size_t i = 0; before && i < before->block.count; i++)
		if (prefix_compare(&before->block.entries[i].prefix, prefix) == 0)
			return true;
	return false;
}

/* What is listed already blocks nobody more. */
static bool blocks_more(const struct engine *e, const struct policy_list *block)
{
	uint64_t now_ns = clock_monotonic_ns();

	for (size_t i = 0; i < block->count; i++) {
		const struct list_key key = {.kind = LIST_BLOCK,
					     .prefix = block->entries[i].prefix,
					     .origin = LIST_POLICY};
		struct list_entry entry;

		if (list_set_find(e->lists, &key, &entry) < 0 || !list_entry_active(&entry, now_ns))
			return true;
	}
	return false;
}

void engine_policy_findings(struct engine *e, const struct policy *policy,
			    const struct engine_actor *actor, struct safety_findings *ret)
{
	const struct policy_list *block = &policy->block;
	const struct batch batch = {block->entries, block->count, sizeof(*block->entries),
				    &policy->allow};
	struct safety_protected who[SAFETY_PROTECTED_MAX];
	char where[24];
	size_t count;

	*ret = (struct safety_findings){0};
	for (size_t i = 0; i < block->count; i++) {
		const struct policy_entry *entry = &block->entries[i];
		unsigned int least;

		if (!is_short(&policy->safety, &entry->prefix, &least) ||
		    had_entry(e->policy, &entry->prefix))
			continue;
		snprintf(where, sizeof(where), "line %u: ", entry->line);
		find_short(ret, &policy->safety, &entry->prefix, where);
	}
	if (!is_enforced(policy))
		return;
	count = engine_protected(e, actor, who);
	for (size_t i = 0; i < count; i++)
		find_effects(e, policy, &who[i], ret);
	/* The kernel takes a while to list connections, however few there are. */
	if (blocks_more(e, block))
		find_many(e, ret, &policy->safety, &batch);
}

void engine_refusal_done(struct engine_refusal *r)
{
	policy_report_free(r->report);
	r->report = NULL;
}

int engine_check_safety(struct engine *e, const struct policy *policy,
			const struct engine_actor *actor, struct safety_findings *ret_findings,
			struct fault *reterr)
{
	const struct audit_resource resource = {"policy", e->options.policy_path};
	struct safety_findings findings;

	engine_policy_findings(e, policy, actor, &findings);
	if (ret_findings)
		*ret_findings = findings;
	return decide(e, &resource, &findings, actor, reterr);
}
