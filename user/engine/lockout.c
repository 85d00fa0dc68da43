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
#include "engine/seen.h"

#define GATEWAYS_NS    NSEC_PER_SEC /* believed for so long: tables of routes can be long */
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

/* What lists say of an address; @without: as if nobody had put that on the allow list at run time. */
static void ask_lists(const struct engine *e, const uint8_t address[static 16],
		      const struct prefix *without, bool ret_listed[static LIST_KIND_MAX])
{
	struct list_entry entries[LIST_COVERING_MAX];
	size_t count = list_set_covering(e->lists, address, clock_monotonic_ns(), entries);

	ret_listed[LIST_ALLOW] = ret_listed[LIST_BLOCK] = false;
	for (size_t i = 0; i < count; i++) {
		const struct list_key *key = &entries[i].key;

		if (without && key->kind == LIST_ALLOW &&
		    (key->origin == LIST_OPERATOR || key->origin == LIST_RECOVERED) &&
		    prefix_compare(&key->prefix, without) == 0)
			continue;
		ret_listed[key->kind] = true;
	}
}

/* Neither allowed nor blocked yet: a new entry decides. */
static bool is_open_to_change(const struct engine *e, const uint8_t address[static 16])
{
	bool listed[LIST_KIND_MAX];

	ask_lists(e, address, NULL, listed);
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

static void find_many(struct safety_findings *findings, const struct policy_safety *caps,
		      const struct seen *seen, const bool *hit)
{
	char words[SEEN_WORDS_SIZE];

	if (seen_is_above(seen, hit, caps->max_blocked, words))
		find(findings, "safety.max_blocked",
		     "it would block %s, and safety.max_blocked is %u%%", words,
		     caps->max_blocked / 10);
}

static void hit_by_prefix(const struct engine *e, const struct prefix *prefix,
			  const struct seen *seen, bool *hit)
{
	size_t count, first = peers_covered(&seen->hosts, prefix, &count);

	for (size_t i = first; i < first + count; i++)
		if (!hit[i] && is_under(prefix, seen->hosts.addresses[i]))
			hit[i] = is_open_to_change(e, seen->hosts.addresses[i]);
}

static bool has_many(const struct prefix *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (prefixes[i].bits < 128)
			return true;
	return count > 1;
}

/* How many of the hosts that were seen lately these prefixes would block. */
static void find_many_under(struct engine *e, struct safety_findings *findings,
			    const struct policy_safety *caps, const struct prefix *prefixes,
			    size_t count)
{
	_cleanup_(seen_done) struct seen seen = {0};
	_cleanup_free_ bool *hit = NULL;

	if (caps->max_blocked == 1000 || !has_many(prefixes, count))
		return;
	if (seen_read(e, &seen) < 0)
		return log_warn("safety.max_blocked is not looked at: out of memory");
	hit = calloc(seen.hosts.count + 1, sizeof(*hit));
	for (size_t i = 0; hit && i < count; i++)
		hit_by_prefix(e, &prefixes[i], &seen, hit);
	if (hit)
		find_many(findings, caps, &seen, hit);
}

#define FORCE_WAY_OUT "--force (?force=true) does it all the same"
#define FEED_WAY_OUT  "the policy's allow list and its safety section decide what %.200s may do"

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
		  const char *way_out, struct fault *reterr)
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
	return refuse(findings, way_out, reterr);
}

void engine_block_findings(struct engine *e, const struct prefix *prefix,
			   const struct engine_actor *actor, struct safety_findings *ret)
{
	const struct policy_safety *caps = &e->policy->safety;
	struct safety_protected who[SAFETY_PROTECTED_MAX];
	size_t count = engine_protected(e, actor, who);
	char text[PREFIX_TEXT_SIZE];

	*ret = (struct safety_findings){0};
	prefix_format(prefix, text);
	for (size_t i = 0; i < count; i++)
		if (is_under(prefix, who[i].address) && is_open_to_change(e, who[i].address))
			find_blocked(ret, &who[i], text);
	find_short(ret, caps, prefix, "");
	find_many_under(e, ret, caps, prefix, 1);
}

int lockout_check_block(struct engine *e, const struct prefix *prefix,
			const struct engine_actor *actor, struct fault *reterr)
{
	struct safety_findings findings;
	char text[PREFIX_TEXT_SIZE];

	engine_block_findings(e, prefix, actor, &findings);
	prefix_format(prefix, text);
	return decide(e, &(struct audit_resource){"block", text}, &findings, actor, FORCE_WAY_OUT,
		      reterr);
}

int lockout_check_feed(struct engine *e, const struct prefix *adds, size_t count, const char *file,
		       struct fault *reterr)
{
	const struct policy_safety *caps = &e->safety.caps;
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
	/* At the start nobody knows what an earlier daemon had blocked already. */
	if (e->policy)
		find_many_under(e, &findings, caps, adds, count);
	if (!findings.count)
		return 0;
	snprintf(way_out, sizeof(way_out), FEED_WAY_OUT, file);
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

static double per_second(const struct policy_limit *l, const struct policy_rate *rate)
{
	double factor = l->is_adaptive ? l->adaptive.min / 1000.0 : 1;

	return factor * (double)rate->count * NSEC_PER_SEC / (double)rate->per_ns;
}

/* Of a session's packets, which may cost more than one. */
static bool starves_packets(const struct policy_limit *l)
{
	const struct policy_rate bytes = {l->byte_rate, NSEC_PER_SEC};
	double cost = l->costs[WEIR_CLASS_OTHER];

	if (l->bytes_per_unit)
		cost += (double)SHORTEST_FRAME / l->bytes_per_unit;
	return (l->has_packets && per_second(l, &l->rate) < SAFETY_RATE_MIN * cost) ||
	       (l->has_bytes && per_second(l, &bytes) < SAFETY_RATE_MIN * SHORTEST_FRAME);
}

static bool starves_connections(const struct policy_limit *l)
{
	return l->has_connections && per_second(l, &l->connections) * 60 < SAFETY_CONNECTIONS_MIN;
}

/* The limit may come to drop what @who sends. Where that depends on more than is known here, it may. */
static bool limit_hits(const struct policy *policy, const struct policy_limit *l,
		       const struct safety_protected *who)
{
	bool source = !l->rollout.source_count;

	if (l->shadow || l->action != WEIR_ACTION_DROP || !l->rollout.percent ||
	    !(starves_packets(l) || starves_connections(l)))
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

/* What limits of @policy do to @who that those of @before do not. */
static void find_limits(const struct policy *policy, const struct policy *before,
			const struct safety_protected *who, struct safety_findings *findings)
{
	char text[ADDRESS_TEXT_SIZE], left[48];

	address_format(who->address, text);
	for (size_t i = 0; i < policy->limit_count; i++) {
		const struct policy_limit *l = &policy->limits[i];

		if (!limit_hits(policy, l, who) || was_hit(before, l, who))
			continue;
		if (starves_packets(l))
			snprintf(left, sizeof(left), "%d packets a second", SAFETY_RATE_MIN);
		else
			snprintf(left, sizeof(left), "%d new connection a minute",
				 SAFETY_CONNECTIONS_MIN);
		find(findings, "safety.lockout", "limit '%s' in line %u leaves %s less than %s: %s",
		     l->name, l->line, text, left, who->why);
	}
}

static bool is_blocked(const bool listed[static LIST_KIND_MAX])
{
	return listed[LIST_BLOCK] && !listed[LIST_ALLOW];
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
		ask_lists(e, who[i].address, prefix, listed);
		if (is_blocked(listed))
			find_blocked(&findings, &who[i], what);
		else if (!listed[LIST_ALLOW] && is_enforced(e->policy))
			find_limits(e->policy, NULL, &who[i], &findings);
	}
	return decide(e, &(struct audit_resource){"allow", text}, &findings, actor, FORCE_WAY_OUT,
		      reterr);
}

/* Whether @address will be blocked, and is not yet. *@ret_open: no list will have it. */
static bool becomes_blocked(const struct engine *e, const struct outlook *o,
			    const uint8_t address[static 16], bool *ret_open)
{
	bool now[LIST_KIND_MAX], then[LIST_KIND_MAX];

	ask_lists(e, address, NULL, now);
	outlook_ask(o, address, then);
	*ret_open = !then[LIST_BLOCK] && !then[LIST_ALLOW];
	return is_blocked(then) && !(is_enforced(e->policy) && is_blocked(now));
}

/* Whether @who will be blocked, and is not yet; and if not, whether a limit starves him. */
static void find_effects(struct engine *e, const struct policy *policy, const struct outlook *o,
			 const struct safety_protected *who, struct safety_findings *findings)
{
	bool is_open;

	if (becomes_blocked(e, o, who->address, &is_open))
		find_blocked(findings, who, "the policy");
	else if (is_open)
		find_limits(policy, e->policy, who, findings);
}

static bool same_entries(const struct policy_list *a, const struct policy_list *b)
{
	if (a->count != b->count || a->feed_count != b->feed_count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (prefix_compare(&a->entries[i].prefix, &b->entries[i].prefix) != 0)
			return false;
	return true;
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

/* Whom the policy blocks that was seen lately. */
static void find_many_of_policy(struct engine *e, const struct policy *policy,
				const struct outlook *o, struct safety_findings *findings)
{
	_cleanup_(seen_done) struct seen seen = {0};
	_cleanup_free_ bool *hit = NULL;
	bool is_open;

	/* As most changes do. And the kernel takes a while to list connections, however few there are. */
	if (policy->safety.max_blocked == 1000 ||
	    (is_enforced(e->policy) && !outlook_feed(o, 0) &&
	     same_entries(&policy->allow, &e->policy->allow) && !blocks_more(e, &policy->block)))
		return;
	if (seen_read(e, &seen) < 0)
		return log_warn("safety.max_blocked is not looked at: out of memory");
	hit = calloc(seen.hosts.count + 1, sizeof(*hit));
	for (size_t i = 0; hit && i < seen.hosts.count; i++)
		hit[i] = becomes_blocked(e, o, seen.hosts.addresses[i], &is_open);
	if (hit)
		find_many(findings, &policy->safety, &seen, hit);
}

static bool had_entry(const struct engine *e, const struct prefix *prefix)
{
	const struct list_key key = {.kind = LIST_BLOCK, .prefix = *prefix, .origin = LIST_POLICY};

	return list_set_find(e->lists, &key, NULL) == 0;
}

static void find_short_entries(struct engine *e, const struct policy *policy,
			       const struct outlook *o, struct safety_findings *findings)
{
	const struct policy_list *block = &policy->block;
	const struct outlook_feed *feed;
	char where[LIST_FEED_MAX + 16];
	unsigned int least;

	for (size_t i = 0; i < block->count; i++) {
		const struct policy_entry *entry = &block->entries[i];

		if (!is_short(&policy->safety, &entry->prefix, &least) ||
		    had_entry(e, &entry->prefix))
			continue;
		snprintf(where, sizeof(where), "line %u: ", entry->line);
		find_short(findings, &policy->safety, &entry->prefix, where);
	}
	for (size_t i = 0; (feed = outlook_feed(o, i)); i++) {
		if (feed->kind != LIST_BLOCK || !feed->content)
			continue;
		snprintf(where, sizeof(where), "feed '%s': ", feed->name);
		for (size_t j = 0; j < feed->content->count; j++)
			find_short(findings, &policy->safety, &feed->content->entries[j].prefix,
				   where);
	}
}

void engine_policy_findings(struct engine *e, const struct policy *policy, const struct outlook *o,
			    const struct engine_actor *actor, struct safety_findings *ret)
{
	struct safety_protected who[SAFETY_PROTECTED_MAX];
	size_t count;

	*ret = (struct safety_findings){0};
	find_short_entries(e, policy, o, ret);
	if (!is_enforced(policy))
		return;
	count = engine_protected(e, actor, who);
	for (size_t i = 0; i < count; i++)
		find_effects(e, policy, o, &who[i], ret);
	find_many_of_policy(e, policy, o, ret);
}

void engine_refusal_done(struct engine_refusal *r)
{
	policy_report_free(r->report);
	r->report = NULL;
}

int engine_check_safety(struct engine *e, const struct policy *policy, const struct outlook *o,
			const struct engine_actor *actor, struct safety_findings *ret_findings,
			struct fault *reterr)
{
	const struct audit_resource resource = {"policy", e->options.policy_path};
	struct safety_findings findings;

	engine_policy_findings(e, policy, o, actor, &findings);
	if (ret_findings)
		*ret_findings = findings;
	return decide(e, &resource, &findings, actor,
		      outlook_feed(o, 0) ? FORCE_WAY_OUT ", but for what new feeds list"
					 : FORCE_WAY_OUT,
		      reterr);
}
