/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The language. One table says which keys an object has and what type of value each takes;
 * everything about unknown, repeated, missing and mistyped keys follows from it. The first thing
 * that is wrong ends it.
 */
#include "policy/schema.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define SCALAR_OR_LIST (NODE_SCALAR | NODE_SEQUENCE)
#define SCALAR_OR_MAP  (NODE_SCALAR | NODE_MAPPING)
#define NONE	       OBJECT_NONE

static const char *const object_names[] = {
	[OBJECT_NONE] = "nothing",	  [OBJECT_POLICY] = "the policy",
	[OBJECT_METADATA] = "metadata",	  [OBJECT_LISTS] = "lists",
	[OBJECT_LIST] = "a list",	  [OBJECT_ENTRY] = "a list entry",
	[OBJECT_FEED] = "a feed",	  [OBJECT_SERVICE] = "a service",
	[OBJECT_TENANT] = "a tenant",	  [OBJECT_FLAG] = "a flag",
	[OBJECT_STATE] = "state",	  [OBJECT_LIMIT] = "a limit",
	[OBJECT_PREFIX] = "prefix",	  [OBJECT_COST] = "cost",
	[OBJECT_ROLLOUT] = "rollout",	  [OBJECT_SCHEDULE] = "schedule",
	[OBJECT_ADAPTIVE] = "adaptive",	  [OBJECT_TARGET] = "target",
	[OBJECT_ACTION] = "action",	  [OBJECT_PACKETS] = "packets",
	[OBJECT_FRAGMENTS] = "fragments", [OBJECT_SAFETY] = "safety",
	[OBJECT_WATCHDOG] = "watchdog",	  [OBJECT_SHORTEST] = "shortest_prefix",
};
_Static_assert(ARRAY_SIZE(object_names) == OBJECT_MAX, "an object has no name");

static int read_inner(struct reader *r, const struct node *n, void *into)
{
	return schema_object(r, r->field->type->inner, n, into);
}

#define TYPE(name, kinds, reader, wanted, inner)                                                   \
	static const struct type name = {kinds, reader, wanted, inner}

TYPE(version, NODE_SCALAR, value_version, "'" SCHEMA_API_VERSION "'", NONE);
TYPE(string, NODE_SCALAR, value_string, "a text", NONE);
TYPE(mode, NODE_SCALAR, value_mode, "off, monitor or enforce", NONE);
TYPE(boolean, NODE_SCALAR, value_bool, "true or false", NONE);
TYPE(metadata, NODE_MAPPING, read_inner, "a mapping", OBJECT_METADATA);
TYPE(lists, NODE_MAPPING, read_inner, "a mapping", OBJECT_LISTS);
TYPE(list, NODE_MAPPING, value_list, "a mapping with entries or feeds", OBJECT_LIST);
TYPE(entries, NODE_SEQUENCE, value_entries, "a list of prefixes", NONE);
TYPE(feeds, NODE_SEQUENCE, value_feeds, "a list of feeds", NONE);
TYPE(feed_name, NODE_SCALAR, value_feed_name, "a name", NONE);
TYPE(feed_file, NODE_SCALAR, value_feed_file, "a path", NONE);
TYPE(feed_format, NODE_SCALAR, value_feed_format, "auto, plain, netset, drop or csv", NONE);
TYPE(feed_column, NODE_SCALAR, value_feed_column, "a number, or a name in the header", NONE);
TYPE(cidr, NODE_SCALAR, value_cidr, "an address or prefix", NONE);
TYPE(ttl, NODE_SCALAR, value_ttl, "a duration such as 24h", NONE);
TYPE(services, NODE_MAPPING, value_services, "a mapping of services", NONE);
TYPE(dsts, SCALAR_OR_LIST, value_dsts, "addresses or prefixes", NONE);
TYPE(protos, SCALAR_OR_LIST, value_protos, "protocols", NONE);
TYPE(ports, SCALAR_OR_LIST, value_ports, "ports or ranges", NONE);
TYPE(syn_cookies, NODE_SCALAR, value_syn_cookies, "off, auto or always", NONE);
TYPE(syn_mss, NODE_SCALAR, value_syn_mss, "bytes such as 1460B", NONE);
TYPE(tenants, NODE_MAPPING, value_tenants, "a mapping of tenants", NONE);
TYPE(tenant_dsts, SCALAR_OR_LIST, value_tenant_dsts, "addresses or prefixes", NONE);
TYPE(tenant_srcs, SCALAR_OR_LIST, value_tenant_srcs, "addresses or prefixes", NONE);
TYPE(flags, NODE_MAPPING, value_flags, "a mapping of flags", NONE);
TYPE(flag_rollout, NODE_SCALAR, value_flag_rollout, "a share of the sources such as 25%", NONE);
TYPE(flag_sources, SCALAR_OR_LIST, value_flag_sources, "addresses or prefixes", NONE);
TYPE(flag_tenants, SCALAR_OR_LIST, value_flag_tenants, "names of tenants", NONE);
TYPE(flag_expires, NODE_SCALAR, value_flag_expires, "a time such as 2026-12-31T00:00:00Z", NONE);
TYPE(flag_name, NODE_SCALAR, value_flag_name, "the name of a flag, or '!name'", NONE);
TYPE(state, NODE_MAPPING, read_inner, "a mapping", OBJECT_STATE);
TYPE(sources, NODE_SCALAR, value_sources, "a count such as 1M", NONE);
TYPE(limits, NODE_SEQUENCE, value_limits, "a list of limits", NONE);
TYPE(limit_name, NODE_SCALAR, value_limit_name, "a name", NONE);
TYPE(scope, NODE_SCALAR, value_scope, "a scope such as source", NONE);
TYPE(prefix, NODE_MAPPING, read_inner, "a mapping such as {ip4: 24, ip6: 48}", OBJECT_PREFIX);
TYPE(prefix4, NODE_SCALAR, value_prefix4, "bits of an IPv4 address", NONE);
TYPE(prefix6, NODE_SCALAR, value_prefix6, "bits of an IPv6 address", NONE);
TYPE(service, NODE_SCALAR, value_service_name, "the name of a service", NONE);
TYPE(algorithm, NODE_SCALAR, value_algorithm, "an algorithm such as token_bucket", NONE);
TYPE(rate, NODE_SCALAR, value_rate, "a rate such as 2k/s", NONE);
TYPE(burst, NODE_SCALAR, value_count, "a count such as 4k", NONE);
TYPE(byte_rate, NODE_SCALAR, value_byte_rate, "a rate such as 10MiB/s", NONE);
TYPE(byte_burst, NODE_SCALAR, value_byte_burst, "a size such as 1MiB", NONE);
TYPE(window, NODE_SCALAR, value_window, "a duration such as 10s", NONE);
TYPE(costs, NODE_MAPPING, read_inner, "a mapping such as {syn: 5}", OBJECT_COST);
TYPE(cost, NODE_SCALAR, value_cost, "a number from 1 to 255", NONE);
TYPE(per_bytes, NODE_SCALAR, value_bytes_per_unit, "a size such as 512B", NONE);
TYPE(rollout, NODE_MAPPING, read_inner, "a mapping such as {percent: 10}", OBJECT_ROLLOUT);
TYPE(percent, NODE_SCALAR, value_percent, "a number from 0 to 100", NONE);
TYPE(rollout_sources, SCALAR_OR_LIST, value_rollout_sources, "addresses or prefixes", NONE);
TYPE(rollout_tenants, SCALAR_OR_LIST, value_rollout_tenants, "names of tenants", NONE);
TYPE(schedule, NODE_MAPPING, value_schedule, "a mapping of days, hours and time_zone",
     OBJECT_SCHEDULE);
TYPE(days, SCALAR_OR_LIST, value_days, "days such as mon-fri", NONE);
TYPE(hours, SCALAR_OR_LIST, value_hours, "hours such as \"08:00-18:00\"", NONE);
TYPE(time_zone, NODE_SCALAR, value_time_zone, "a time zone such as Europe/Berlin", NONE);
TYPE(adaptive, NODE_MAPPING, value_adaptive, "a mapping with a target", OBJECT_ADAPTIVE);
TYPE(target, NODE_MAPPING, value_target, "a mapping such as {softirq: 50%}", OBJECT_TARGET);
TYPE(softirq, NODE_SCALAR, value_softirq, "a share such as 50%", NONE);
TYPE(nic_drops, NODE_SCALAR, value_nic_drops, "a rate such as 0/s", NONE);
TYPE(posted, NODE_SCALAR, value_posted, "a number", NONE);
TYPE(share, NODE_SCALAR, value_share, "a share such as 10%", NONE);
TYPE(interval, NODE_SCALAR, value_interval, "a duration such as 1s", NONE);
TYPE(action, SCALAR_OR_MAP, value_action, "drop, monitor or {mark: DSCP}", OBJECT_ACTION);
TYPE(mark, NODE_SCALAR, value_mark, "a DSCP such as af11, or 0 to 63", NONE);
TYPE(reject, NODE_SCALAR, value_reject, "a share such as 1/100", NONE);
TYPE(on_full, NODE_SCALAR, value_on_full, "pass or drop", NONE);
TYPE(packets, NODE_MAPPING, read_inner, "a mapping", OBJECT_PACKETS);
TYPE(packet_action, NODE_SCALAR, value_packet_action, "drop or pass", NONE);
TYPE(fragments, SCALAR_OR_MAP, value_fragments, "drop, pass or a mapping", NONE);
TYPE(safety, NODE_MAPPING, read_inner, "a mapping", OBJECT_SAFETY);
TYPE(watchdog, NODE_MAPPING, value_watchdog, "a mapping with a drop_ratio", OBJECT_WATCHDOG);
TYPE(drop_ratio, NODE_SCALAR, value_drop_ratio, "a share such as 95%", NONE);
TYPE(watchdog_time, NODE_SCALAR, value_watchdog_time, "a duration such as 10s", NONE);
TYPE(watchdog_minimum, NODE_SCALAR, value_watchdog_minimum, "a rate such as 1k/s", NONE);
TYPE(max_blocked, NODE_SCALAR, value_max_blocked, "a share such as 50%", NONE);
TYPE(shortest, NODE_MAPPING, read_inner, "a mapping such as {ip4: 8, ip6: 19}", OBJECT_SHORTEST);
TYPE(shortest4, NODE_SCALAR, value_shortest4, "bits of an IPv4 address", NONE);
TYPE(shortest6, NODE_SCALAR, value_shortest6, "bits of an IPv6 address", NONE);

#define REQUIRED	    true
#define OPTIONAL	    false
#define WHOLE		    0 /* the reader is handed the whole object */
#define IN_POLICY(member)   offsetof(struct policy, member)
#define IN_ENTRY(member)    offsetof(struct policy_entry, member)
#define IN_FEED(member)	    offsetof(struct policy_feed, member)
#define IN_SERVICE(member)  offsetof(struct policy_service, member)
#define IN_FLAG(member)	    offsetof(struct policy_flag, member)
#define IN_LIMIT(member)    offsetof(struct policy_limit, member)
#define IN_ADAPTIVE(member) offsetof(struct policy_adaptive, member)
#define COST_OF(class)	    (offsetof(struct policy_limit, costs) + (WEIR_CLASS_##class))

/* The keys of an object are read in this order, whatever the order of the text: services and
 * tenants come before the flags and limits that name them. */
static const struct field fields[] = {
	{OBJECT_POLICY, "apiVersion", &version, WHOLE, REQUIRED},
	{OBJECT_POLICY, "metadata", &metadata, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "mode", &mode, IN_POLICY(mode), REQUIRED},
	{OBJECT_POLICY, "lists", &lists, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "services", &services, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "tenants", &tenants, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "flags", &flags, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "state", &state, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "limits", &limits, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "packets", &packets, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "safety", &safety, WHOLE, OPTIONAL},

	{OBJECT_METADATA, "name", &string, IN_POLICY(metadata.name), OPTIONAL},
	{OBJECT_METADATA, "owner", &string, IN_POLICY(metadata.owner), OPTIONAL},
	{OBJECT_METADATA, "change", &string, IN_POLICY(metadata.change), OPTIONAL},

	{OBJECT_LISTS, "allow", &list, IN_POLICY(allow), OPTIONAL},
	{OBJECT_LISTS, "block", &list, IN_POLICY(block), OPTIONAL},
	{OBJECT_LIST, "entries", &entries, WHOLE, OPTIONAL},
	{OBJECT_LIST, "feeds", &feeds, WHOLE, OPTIONAL},

	{OBJECT_ENTRY, "cidr", &cidr, IN_ENTRY(prefix), REQUIRED},
	{OBJECT_ENTRY, "ttl", &ttl, IN_ENTRY(ttl_ns), OPTIONAL},
	{OBJECT_ENTRY, "reason", &string, IN_ENTRY(reason), OPTIONAL},

	{OBJECT_FEED, "name", &feed_name, IN_FEED(name), REQUIRED},
	{OBJECT_FEED, "file", &feed_file, IN_FEED(file), REQUIRED},
	{OBJECT_FEED, "format", &feed_format, IN_FEED(format), OPTIONAL},
	{OBJECT_FEED, "column", &feed_column, WHOLE, OPTIONAL},
	{OBJECT_FEED, "ttl", &ttl, IN_FEED(ttl_ns), OPTIONAL},
	{OBJECT_FEED, "reason", &string, IN_FEED(reason), OPTIONAL},

	{OBJECT_SERVICE, "dst", &dsts, WHOLE, OPTIONAL},
	{OBJECT_SERVICE, "proto", &protos, WHOLE, OPTIONAL},
	{OBJECT_SERVICE, "dport", &ports, WHOLE, OPTIONAL},
	{OBJECT_SERVICE, "syn_cookies", &syn_cookies, IN_SERVICE(syn_cookies), OPTIONAL},
	{OBJECT_SERVICE, "syn_rate", &rate, IN_SERVICE(syn_rate), OPTIONAL},
	{OBJECT_SERVICE, "syn_mss", &syn_mss, IN_SERVICE(syn_mss), OPTIONAL},

	{OBJECT_TENANT, "dst", &tenant_dsts, WHOLE, OPTIONAL},
	{OBJECT_TENANT, "src", &tenant_srcs, WHOLE, OPTIONAL},

	{OBJECT_FLAG, "description", &string, IN_FLAG(description), OPTIONAL},
	{OBJECT_FLAG, "enabled", &boolean, IN_FLAG(enabled), OPTIONAL},
	{OBJECT_FLAG, "rollout", &flag_rollout, WHOLE, OPTIONAL},
	{OBJECT_FLAG, "sources", &flag_sources, WHOLE, OPTIONAL},
	{OBJECT_FLAG, "tenants", &flag_tenants, WHOLE, OPTIONAL},
	{OBJECT_FLAG, "expires", &flag_expires, IN_FLAG(expires), OPTIONAL},

	{OBJECT_STATE, "sources", &sources, IN_POLICY(sources), OPTIONAL},

	{OBJECT_LIMIT, "name", &limit_name, IN_LIMIT(name), REQUIRED},
	{OBJECT_LIMIT, "scope", &scope, IN_LIMIT(scope), REQUIRED},
	{OBJECT_LIMIT, "prefix", &prefix, WHOLE, OPTIONAL},
	{OBJECT_LIMIT, "service", &service, IN_LIMIT(service), OPTIONAL},
	{OBJECT_LIMIT, "algorithm", &algorithm, IN_LIMIT(algorithm), OPTIONAL},
	{OBJECT_LIMIT, "rate", &rate, IN_LIMIT(rate), OPTIONAL},
	{OBJECT_LIMIT, "burst", &burst, IN_LIMIT(burst), OPTIONAL},
	{OBJECT_LIMIT, "byte_rate", &byte_rate, IN_LIMIT(byte_rate), OPTIONAL},
	{OBJECT_LIMIT, "byte_burst", &byte_burst, IN_LIMIT(byte_burst), OPTIONAL},
	{OBJECT_LIMIT, "connections", &rate, IN_LIMIT(connections), OPTIONAL},
	{OBJECT_LIMIT, "connection_burst", &burst, IN_LIMIT(connection_burst), OPTIONAL},
	{OBJECT_LIMIT, "open_connections", &burst, IN_LIMIT(open_connections), OPTIONAL},
	{OBJECT_LIMIT, "window", &window, IN_LIMIT(window_ns), OPTIONAL},
	{OBJECT_LIMIT, "cost", &costs, WHOLE, OPTIONAL},
	{OBJECT_LIMIT, "rollout", &rollout, WHOLE, OPTIONAL},
	{OBJECT_LIMIT, "flag", &flag_name, WHOLE, OPTIONAL},
	{OBJECT_LIMIT, "schedule", &schedule, IN_LIMIT(schedule), OPTIONAL},
	{OBJECT_LIMIT, "adaptive", &adaptive, WHOLE, OPTIONAL},
	{OBJECT_LIMIT, "shadow", &boolean, IN_LIMIT(shadow), OPTIONAL},
	{OBJECT_LIMIT, "action", &action, WHOLE, OPTIONAL},
	{OBJECT_LIMIT, "reject", &reject, IN_LIMIT(reject_share), OPTIONAL},
	{OBJECT_LIMIT, "on_full", &on_full, WHOLE, OPTIONAL},

	{OBJECT_PREFIX, "ip4", &prefix4, IN_LIMIT(prefix4), REQUIRED},
	{OBJECT_PREFIX, "ip6", &prefix6, IN_LIMIT(prefix6), REQUIRED},

	{OBJECT_COST, "syn", &cost, COST_OF(SYN), OPTIONAL},
	{OBJECT_COST, "dns", &cost, COST_OF(DNS), OPTIONAL},
	{OBJECT_COST, "fragment", &cost, COST_OF(FRAGMENT), OPTIONAL},
	{OBJECT_COST, "icmp", &cost, COST_OF(ICMP), OPTIONAL},
	{OBJECT_COST, "other", &cost, COST_OF(OTHER), OPTIONAL},
	{OBJECT_COST, "per_bytes", &per_bytes, IN_LIMIT(bytes_per_unit), OPTIONAL},

	{OBJECT_ROLLOUT, "percent", &percent, IN_LIMIT(rollout.percent), OPTIONAL},
	{OBJECT_ROLLOUT, "sources", &rollout_sources, WHOLE, OPTIONAL},
	{OBJECT_ROLLOUT, "tenants", &rollout_tenants, WHOLE, OPTIONAL},

	{OBJECT_SCHEDULE, "days", &days, WHOLE, OPTIONAL},
	{OBJECT_SCHEDULE, "hours", &hours, WHOLE, OPTIONAL},
	{OBJECT_SCHEDULE, "time_zone", &time_zone, WHOLE, REQUIRED},

	{OBJECT_ADAPTIVE, "target", &target, WHOLE, REQUIRED},
	{OBJECT_ADAPTIVE, "min", &share, IN_ADAPTIVE(min), REQUIRED},
	{OBJECT_ADAPTIVE, "max", &share, IN_ADAPTIVE(max), OPTIONAL},
	{OBJECT_ADAPTIVE, "increase", &share, IN_ADAPTIVE(increase), OPTIONAL},
	{OBJECT_ADAPTIVE, "decrease", &share, IN_ADAPTIVE(decrease), OPTIONAL},
	{OBJECT_ADAPTIVE, "interval", &interval, IN_ADAPTIVE(interval_ns), OPTIONAL},

	{OBJECT_TARGET, "softirq", &softirq, WHOLE, OPTIONAL},
	{OBJECT_TARGET, "nic_drops", &nic_drops, WHOLE, OPTIONAL},
	{OBJECT_TARGET, "posted", &posted, WHOLE, OPTIONAL},

	{OBJECT_ACTION, "mark", &mark, WHOLE, REQUIRED},

	{OBJECT_PACKETS, "malformed", &packet_action, IN_POLICY(malformed), OPTIONAL},
	{OBJECT_PACKETS, "other", &packet_action, IN_POLICY(other), OPTIONAL},
	{OBJECT_PACKETS, "fragments", &fragments, WHOLE, OPTIONAL},

	{OBJECT_FRAGMENTS, "rate", &rate, IN_LIMIT(rate), REQUIRED},
	{OBJECT_FRAGMENTS, "burst", &burst, IN_LIMIT(burst), OPTIONAL},

	{OBJECT_SAFETY, "watchdog", &watchdog, WHOLE, OPTIONAL},
	{OBJECT_SAFETY, "max_blocked", &max_blocked, IN_POLICY(safety.max_blocked), OPTIONAL},
	{OBJECT_SAFETY, "shortest_prefix", &shortest, WHOLE, OPTIONAL},

	{OBJECT_WATCHDOG, "drop_ratio", &drop_ratio, IN_POLICY(safety.drop_ratio), REQUIRED},
	{OBJECT_WATCHDOG, "hold", &watchdog_time, IN_POLICY(safety.hold_ns), OPTIONAL},
	{OBJECT_WATCHDOG, "recover", &watchdog_time, IN_POLICY(safety.recover_ns), OPTIONAL},
	{OBJECT_WATCHDOG, "minimum", &watchdog_minimum, IN_POLICY(safety.minimum), OPTIONAL},

	{OBJECT_SHORTEST, "ip4", &shortest4, IN_POLICY(safety.shortest4), OPTIONAL},
	{OBJECT_SHORTEST, "ip6", &shortest6, IN_POLICY(safety.shortest6), OPTIONAL},
};

void schema_suggest(const char *word, const char *const *known, size_t count,
		    char ret[static SCHEMA_SUGGESTION_SIZE])
{
	unsigned int best = strlen(word) > 4 ? 3 : 2; /* this far off, it is another word */
	const char *near = NULL;
	struct text t;

	text_init(&t, ret, SCHEMA_SUGGESTION_SIZE);
	for (size_t i = 0; i < count; i++) {
		unsigned int distance = text_distance(word, known[i]);

		if (distance < best) {
			best = distance;
			near = known[i];
		}
	}
	if (near) {
		text_printf(&t, "; did you mean '%s'?", near);
		return;
	}
	if (!count)
		text_puts(&t, "; none is defined");
	for (size_t i = 0; i < count; i++)
		text_printf(&t, "%s%s", i ? ", " : "; known: ", known[i]);
}

int schema_refuse_word(struct reader *r, const struct node *n, const char *what,
		       const char *const *known, size_t count)
{
	char hint[SCHEMA_SUGGESTION_SIZE];

	schema_suggest(n->text, known, count, hint);
	return refuse(r, n, "policy.word.unknown", "unknown %s '%.64s'%s", what, n->text, hint);
}

int schema_refuse_value(struct reader *r, const struct node *n, const struct fault *f)
{
	return refuse(r, n, f->code, "%s", f->text);
}

int schema_word(struct reader *r, const struct node *n, const char *what, const char *const *known,
		size_t count, unsigned int *ret)
{
	for (unsigned int i = 0; i < count; i++) {
		if (strcmp(n->text, known[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return schema_refuse_word(r, n, what, known, count);
}

int schema_name(struct reader *r, const struct node *n)
{
	size_t length = strspn(n->text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (!length || n->text[length] || length > POLICY_NAME_MAX || n->text[0] == '-')
		return refuse(r, n, "policy.name",
			      "'%.64s' is no name: 1 to %u of a-z, 0-9 and '-', not '-' first",
			      n->text, POLICY_NAME_MAX);
	return 0;
}

int schema_elements(struct reader *r, const struct node *n, const struct node **ret_first,
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

static int refuse_key(struct reader *r, enum object object, const struct node *key)
{
	char hint[SCHEMA_SUGGESTION_SIZE];
	const char *known[ARRAY_SIZE(fields)];
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].object == object)
			known[count++] = fields[i].key;
	schema_suggest(key->text, known, count, hint);
	return refuse(r, key, "policy.key.unknown", "unknown key '%.64s' in %s%s", key->text,
		      object_names[object], hint);
}

static int check_kind(struct reader *r, const struct field *f, const struct node *n)
{
	const char *is = n->kind == NODE_MAPPING    ? "a mapping"
			 : n->kind == NODE_SEQUENCE ? "a list"
						    : "a single value";

	if (n->kind == NODE_SCALAR && n->plain && !*n->text)
		return refuse(r, n, "policy.value.missing", "'%s' has no value: it takes %s",
			      f->key, f->type->wanted);
	if (!(n->kind & f->type->kinds))
		return refuse(r, n, "policy.value.kind", "'%s' takes %s, not %s", f->key,
			      f->type->wanted, is);
	return 0;
}

/* Readers call this for inner objects: it goes as deep as the table does, not as the text. */
int schema_object(struct reader *r, enum object object, const struct node *n, void *into)
{
	const struct node *values[ARRAY_SIZE(fields)] = {NULL};
	int err;

	for (const struct node *key = n->children; key; key = key->next->next) {
		size_t i = 0;

		while (i < ARRAY_SIZE(fields) &&
		       (fields[i].object != object || strcmp(fields[i].key, key->text) != 0))
			i++;
		if (i == ARRAY_SIZE(fields))
			return refuse_key(r, object, key);
		if (values[i])
			return refuse(r, key, "policy.key.duplicate",
				      "'%s' is given a second time in %s, first in line %u",
				      key->text, object_names[object], values[i]->line);
		err = check_kind(r, &fields[i], key->next);
		if (err < 0)
			return err;
		values[i] = key->next;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];

		if (f->object == object && f->required && !values[i])
			return refuse(r, n, "policy.key.missing",
				      "'%s' is missing from %s; it takes %s", f->key,
				      object_names[object], f->type->wanted);
		if (!values[i])
			continue;
		r->field = f;
		err = f->type->read(r, values[i], (char *)into + f->offset);
		if (err < 0)
			return err;
	}
	return 0;
}

int schema_read(const struct tree *tree, struct policy *policy, struct fault *reterr)
{
	struct reader r = {.name = tree->name, .policy = policy, .reterr = reterr};

	policy->malformed = POLICY_DROP;
	policy->other = POLICY_PASS;
	policy->fragments = POLICY_LIMIT;
	policy->sources = WEIR_SOURCES_DEFAULT;
	safety_begin(&policy->safety);
	limit_begin(&policy->fragment_limit);
	memcpy(policy->fragment_limit.name, POLICY_FRAGMENTS, sizeof(POLICY_FRAGMENTS));
	policy->fragment_limit.rate = (struct policy_rate){1000, NSEC_PER_SEC};
	limit_finish(&r, tree->root, &policy->fragment_limit);
	policy->fragment_limit.line = 0; /* built in */
	if (tree->root->kind != NODE_MAPPING)
		return refuse(&r, tree->root, "policy.value.kind", "a policy is a mapping of keys");
	return schema_object(&r, OBJECT_POLICY, tree->root, policy);
}
