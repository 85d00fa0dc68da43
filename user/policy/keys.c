/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the language is made of: the types of values, and the table of keys. Nothing here reads
 * anything; schema.c does, and schema_json.c and explain.c tell.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "policy/schema.h"

static const char *const object_names[] = {
#define OBJECT_NAMED(object, name, id) [OBJECT_##object] = name,
#include "policy/object.def"
#undef OBJECT_NAMED
};

static int read_inner(struct reader *r, const struct node *n, void *into)
{
	return schema_object(r, r->field->type->inner, n, into);
}

#define SCALAR_OR_LIST (NODE_SCALAR | NODE_SEQUENCE)
#define SCALAR_OR_MAP  (NODE_SCALAR | NODE_MAPPING)

#define TYPE(name, ...) static const struct type name = {__VA_ARGS__}
/* A single value, or (LISTED) one or a list of them. */
#define SCALAR(name, reader, text, ...)                                                            \
	TYPE(name, NODE_SCALAR, FORM_SCALAR, reader, text, __VA_ARGS__)
#define LISTED(name, reader, text, ...)                                                            \
	TYPE(name, SCALAR_OR_LIST, FORM_SCALAR, reader, text, __VA_ARGS__)
#define OBJECT(name, reader, text, object)                                                         \
	TYPE(name, NODE_MAPPING, FORM_OBJECT, reader, text, .inner = object)
#define NUMBER(low, high) .is_number = true, .is_digits = true, .min = low, .max = high
#define DIGITS		  .is_digits = true

/* clang-format off */
SCALAR(version, value_version, "'" SCHEMA_API_VERSION "'", .word = word_version);
SCALAR(string, value_string, "a text", .max = POLICY_STRING_MAX, DIGITS);
SCALAR(mode, value_mode, NULL, .word = word_mode);
SCALAR(boolean, value_bool, "true or false", .word = word_bool);
LISTED(include, value_include, "patterns such as conf.d/*.yaml", .max = POLICY_FILE_MAX);
TYPE(profiles, NODE_MAPPING, FORM_NAMES, value_profiles, "a mapping of profiles",
     .inner = OBJECT_PROFILE, .most = POLICY_PROFILES_MAX);
OBJECT(metadata, read_inner, "a mapping", OBJECT_METADATA);
OBJECT(lists, read_inner, "a mapping", OBJECT_LISTS);
OBJECT(list, value_list, "a mapping with entries or feeds", OBJECT_LIST);
SCALAR(cidr, value_cidr, "an address or prefix", .pattern = pattern_cidr);
TYPE(entries, NODE_SEQUENCE, FORM_LIST, value_entries, "a list of prefixes",
     .inner = OBJECT_ENTRY, .element = &cidr, .most = POLICY_ENTRIES_MAX);
TYPE(feeds, NODE_SEQUENCE, FORM_LIST, value_feeds, "a list of feeds",
     .inner = OBJECT_FEED, .most = POLICY_FEEDS_MAX);
SCALAR(feed_name, value_feed_name, "a name", .pattern = pattern_name, DIGITS);
SCALAR(feed_file, value_feed_file, "a path", .pattern = pattern_file);
SCALAR(feed_format, value_feed_format, NULL, .word = word_feed_format);
SCALAR(feed_column, value_feed_column, "a number, or a name in the header",
       .max = POLICY_NAME_MAX, DIGITS);
SCALAR(ttl, value_ttl, "a duration such as 24h", .pattern = pattern_duration);
TYPE(services, NODE_MAPPING, FORM_NAMES, value_services, "a mapping of services",
     .inner = OBJECT_SERVICE, .most = POLICY_SERVICES_MAX);
LISTED(dsts, value_dsts, "addresses or prefixes", .pattern = pattern_cidr,
       .most = POLICY_PREFIXES_MAX);
LISTED(protos, value_protos, "protocols", .word = word_protocol, NUMBER(0, WEIR_PROTOCOLS - 1));
LISTED(ports, value_ports, "ports or ranges", .pattern = pattern_port, DIGITS,
       .max = WEIR_PORTS - 1, .most = POLICY_PORTS_MAX);
SCALAR(syn_cookies, value_syn_cookies, NULL, .word = word_syn_cookies);
SCALAR(syn_mss, value_syn_mss, "bytes such as 1460B", .pattern = policy_size_pattern);
TYPE(tiers, NODE_MAPPING, FORM_NAMES, value_tiers, "a mapping of tiers",
     .inner = OBJECT_TIER, .most = POLICY_TIERS_MAX);
SCALAR(tier_name, value_tier_name, "the name of a tier", .pattern = pattern_name, DIGITS);
OBJECT(quota, read_inner, "a mapping such as {packets: {day: 10M}}", OBJECT_QUOTA);
OBJECT(packet_quota, read_inner, "a mapping such as {day: 10M}", OBJECT_PACKET_QUOTA);
OBJECT(byte_quota, read_inner, "a mapping such as {month: 500GB}", OBJECT_BYTE_QUOTA);
OBJECT(connection_quota, read_inner, "a mapping such as {day: 1M}", OBJECT_CONNECTION_QUOTA);
SCALAR(quota_count, value_quota_count, "a count such as 10M", .pattern = policy_total_pattern, DIGITS);
SCALAR(quota_bytes, value_quota_bytes, "a size such as 500GB", .pattern = policy_size_pattern);
OBJECT(price, value_price, "a mapping such as {currency: EUR, gigabyte: 0.02}", OBJECT_PRICE);
SCALAR(currency, value_currency, "a currency such as EUR", .pattern = pattern_currency);
SCALAR(money, value_money, "an amount such as 0.02", .pattern = pattern_money, DIGITS, .is_decimal = true);
TYPE(tenants, NODE_MAPPING, FORM_NAMES, value_tenants, "a mapping of tenants",
     .inner = OBJECT_TENANT, .most = POLICY_TENANTS_MAX);
LISTED(tenant_dsts, value_tenant_dsts, "addresses or prefixes", .pattern = pattern_cidr,
       .most = POLICY_PREFIXES_MAX);
LISTED(tenant_srcs, value_tenant_srcs, "addresses or prefixes", .pattern = pattern_cidr,
       .most = POLICY_PREFIXES_MAX);
TYPE(flags, NODE_MAPPING, FORM_NAMES, value_flags, "a mapping of flags",
     .inner = OBJECT_FLAG, .most = POLICY_FLAGS_MAX);
SCALAR(flag_rollout, value_flag_rollout, "a share of the sources such as 25%",
       .pattern = pattern_flag_share);
LISTED(flag_sources, value_flag_sources, "addresses or prefixes", .pattern = pattern_cidr,
       .most = POLICY_PREFIXES_MAX);
LISTED(flag_tenants, value_flag_tenants, "names of tenants", .pattern = pattern_name, DIGITS,
       .most = POLICY_TENANTS_MAX);
SCALAR(flag_expires, value_flag_expires, "a time such as 2026-12-31T00:00:00Z",
       .pattern = pattern_flag_time);
SCALAR(flag_name, value_flag_name, "the name of a flag, or '!name'", .pattern = pattern_flag_name,
       DIGITS);
OBJECT(state, read_inner, "a mapping", OBJECT_STATE);
SCALAR(sources, value_sources, "a count such as 1M", .pattern = policy_count_pattern, DIGITS);
TYPE(limits, NODE_SEQUENCE, FORM_LIST, value_limits, "a list of limits",
     .inner = OBJECT_LIMIT, .most = WEIR_LIMITS_MAX);
SCALAR(limit_name, value_limit_name, "a name", .pattern = pattern_name, DIGITS);
SCALAR(scope, value_scope, "a scope such as source", .word = word_scope);
OBJECT(prefix, read_inner, "a mapping such as {ip4: 24, ip6: 48}", OBJECT_PREFIX);
SCALAR(prefix4, value_number, "bits of an IPv4 address", NUMBER(1, 32));
SCALAR(prefix6, value_prefix6, "bits of an IPv6 address", NUMBER(1, 128));
SCALAR(service, value_service_name, "the name of a service", .pattern = pattern_name, DIGITS);
SCALAR(algorithm, value_algorithm, "an algorithm such as token_bucket", .word = word_algorithm);
SCALAR(rate, value_rate, "a rate such as 2k/s", .pattern = policy_rate_pattern);
SCALAR(burst, value_count, "a count such as 4k", .pattern = policy_count_pattern, DIGITS);
SCALAR(byte_rate, value_byte_rate, "a rate such as 10MiB/s", .pattern = policy_byte_rate_pattern);
SCALAR(byte_burst, value_byte_burst, "a size such as 1MiB", .pattern = policy_size_pattern);
SCALAR(window, value_window, "a duration such as 10s", .pattern = pattern_duration);
OBJECT(costs, read_inner, "a mapping such as {syn: 5}", OBJECT_COST);
SCALAR(cost, value_number, "a number from 1 to 255", NUMBER(1, UINT8_MAX));
SCALAR(per_bytes, value_bytes_per_unit, "a size such as 512B", .pattern = policy_size_pattern);
OBJECT(rollout, read_inner, "a mapping such as {percent: 10}", OBJECT_ROLLOUT);
SCALAR(percent, value_number, "a number from 0 to 100", NUMBER(0, 100));
LISTED(rollout_sources, value_rollout_sources, "addresses or prefixes", .pattern = pattern_cidr,
       .most = POLICY_PREFIXES_MAX);
LISTED(rollout_tenants, value_rollout_tenants, "names of tenants", .pattern = pattern_name, DIGITS,
       .most = POLICY_TENANTS_MAX);
OBJECT(schedule, value_schedule, "a mapping of days, hours and time_zone", OBJECT_SCHEDULE);
LISTED(days, value_days, "days such as mon-fri", .pattern = pattern_days);
LISTED(hours, value_hours, "hours such as \"08:00-18:00\"", .pattern = pattern_hours,
       .most = POLICY_RANGES_MAX);
SCALAR(time_zone, value_time_zone, "a time zone such as Europe/Berlin", .pattern = pattern_zone);
OBJECT(adaptive, value_adaptive, "a mapping with a target", OBJECT_ADAPTIVE);
OBJECT(target, value_target, "a mapping such as {softirq: 50%}", OBJECT_TARGET);
SCALAR(softirq, value_softirq, "a share such as 50%", .pattern = pattern_share);
SCALAR(nic_drops, value_nic_drops, "a rate such as 0/s", .pattern = policy_rate_pattern);
SCALAR(posted, value_posted, "a number", NUMBER(0, POLICY_POSTED_MAX));
SCALAR(share, value_share, "a share such as 10%", .pattern = pattern_share);
SCALAR(interval, value_interval, "a duration such as 1s", .pattern = pattern_duration);
TYPE(action, SCALAR_OR_MAP, FORM_SCALAR, value_action, "drop, monitor or {mark: DSCP}",
     .inner = OBJECT_ACTION, .word = word_action);
SCALAR(mark, value_mark, "a DSCP such as af11, or 0 to 63", .word = word_dscp, NUMBER(0, 63));
SCALAR(reject, value_reject, "a share such as 1/100", .pattern = pattern_reject);
SCALAR(on_full, value_on_full, NULL, .word = word_on_full);
OBJECT(packets, read_inner, "a mapping", OBJECT_PACKETS);
SCALAR(packet_action, value_packet_action, "drop or pass", .word = word_packet_action);
TYPE(fragments, SCALAR_OR_MAP, FORM_SCALAR, value_fragments, "drop, pass or a mapping",
     .inner = OBJECT_FRAGMENTS, .word = word_packet_action);
OBJECT(safety, read_inner, "a mapping", OBJECT_SAFETY);
OBJECT(watchdog, value_watchdog, "a mapping with a drop_ratio", OBJECT_WATCHDOG);
SCALAR(drop_ratio, value_drop_ratio, "a share such as 95%", .pattern = pattern_share);
SCALAR(watchdog_time, value_watchdog_time, "a duration such as 10s", .pattern = pattern_duration);
SCALAR(watchdog_minimum, value_watchdog_minimum, "a rate such as 1k/s",
       .pattern = policy_rate_pattern);
SCALAR(max_blocked, value_max_blocked, "a share such as 50%", .pattern = pattern_share);
OBJECT(shortest, read_inner, "a mapping such as {ip4: 8, ip6: 19}", OBJECT_SHORTEST);
SCALAR(shortest4, value_shortest4, "bits of an IPv4 address", NUMBER(0, 32));
SCALAR(shortest6, value_shortest6, "bits of an IPv6 address", NUMBER(0, 128));
OBJECT(audit, read_inner, "a mapping", OBJECT_AUDIT);
SCALAR(audit_evidence, value_audit_evidence, "summary or full", .word = word_audit_evidence);
SCALAR(audit_on_full, value_audit_on_full, "refuse or allow", .word = word_audit_on_full);
OBJECT(anchor, read_inner, "a mapping such as {every: 1h, exec: keep}", OBJECT_ANCHOR);
SCALAR(anchor_every, value_anchor_every, "a duration such as 1h", .pattern = pattern_duration);
SCALAR(anchor_exec, value_anchor_exec, "the name of a program", .pattern = pattern_name, DIGITS);
OBJECT(risk, read_inner, "a mapping", OBJECT_RISK);
TYPE(assets, NODE_SEQUENCE, FORM_LIST, value_assets, "a list of assets",
     .inner = OBJECT_ASSET, .most = POLICY_ASSETS_MAX);
LISTED(asset_dst, value_asset_dst, "addresses or prefixes", .pattern = pattern_cidr,
       .most = POLICY_PREFIXES_MAX);
SCALAR(asset_tenant, value_asset_tenant, "the name of a tenant", .pattern = pattern_name, DIGITS);
SCALAR(asset_weight, value_number, "a number from 50 to 150",
       NUMBER(POLICY_ASSET_MIN, POLICY_ASSET_MAX));
OBJECT(metrics, read_inner, "a mapping", OBJECT_METRICS);
SCALAR(metrics_timing, value_reject, "a share such as 1/1000", .pattern = pattern_reject);
SCALAR(metrics_top, value_number, "a number from 0 to 50", NUMBER(0, POLICY_TOP_SOURCES_MAX));
OBJECT(otlp, read_inner, "a mapping with an endpoint", OBJECT_OTLP);
SCALAR(endpoint, value_endpoint, "an endpoint such as http://127.0.0.1:4318",
       .pattern = pattern_endpoint);
SCALAR(headers_file, value_headers_file, "a path", .pattern = pattern_file);
LISTED(otlp_spans, value_otlp_spans, "kinds of spans such as requests", .word = word_otlp_spans);
SCALAR(otlp_metrics, value_otlp_metrics, "a duration such as 15s", .pattern = pattern_duration);
OBJECT(personal, read_inner, "a mapping such as {traffic: truncated}", OBJECT_PERSONAL);
SCALAR(personal_mode, value_personal, NULL, .word = word_personal);
OBJECT(retention, read_inner, "a mapping such as {traffic: 30d}", OBJECT_RETENTION);
SCALAR(keep, value_keep, "an age such as 30d, or forever", .pattern = pattern_keep);
SCALAR(keep_archive, value_keep_archive, "an age such as 365d, forever or none",
       .pattern = pattern_keep_archive);
TYPE(exports, NODE_SEQUENCE, FORM_LIST, value_exports, "a list of exports",
     .inner = OBJECT_EXPORT, .most = POLICY_EXPORTS_MAX);
SCALAR(export_name, value_export_name, "a name", .pattern = pattern_name, DIGITS);
SCALAR(export_format, value_export_format, NULL, .word = word_export_format);
SCALAR(export_target, value_export_target, "a target such as tcp://192.0.2.1:601",
       .pattern = pattern_target);
LISTED(export_categories, value_export_categories, "categories such as lists",
       .word = word_category);
TYPE(rules, NODE_MAPPING, FORM_NAMES, value_access, "a mapping of rules",
     .inner = OBJECT_ACCESS, .most = POLICY_ACCESS_MAX);
SCALAR(access_role, value_access_role, NULL, .word = word_role);
SCALAR(access_user, value_access_user, "the name of a user, or a number", .pattern = pattern_user,
       DIGITS);
LISTED(access_permissions, value_access_permissions, "permissions such as lists.write",
       .word = word_permission);
LISTED(access_prefixes, value_access_prefixes, "addresses or prefixes", .pattern = pattern_cidr,
       .most = GRANT_PREFIXES_MAX);
LISTED(access_tenants, value_access_tenants, "names of tenants", .pattern = pattern_name, DIGITS,
       .most = GRANT_TENANTS_MAX);
SCALAR(export_severity, value_number, "a severity", NUMBER(1, 5));
/* clang-format on */

#define REQUIRED	    true
#define OPTIONAL	    false
#define WHOLE		    0 /* the reader is handed the whole object */
#define IN_POLICY(member)   offsetof(struct policy, member)
#define IN_ENTRY(member)    offsetof(struct policy_entry, member)
#define IN_FEED(member)	    offsetof(struct policy_feed, member)
#define IN_ASSET(member)    offsetof(struct policy_asset, member)
#define IN_EXPORT(member)   offsetof(struct policy_export, member)
#define IN_SERVICE(member)  offsetof(struct policy_service, member)
#define IN_FLAG(member)	    offsetof(struct policy_flag, member)
#define IN_LIMIT(member)    offsetof(struct policy_limit, member)
#define IN_ADAPTIVE(member) offsetof(struct policy_adaptive, member)
#define IN_TIER(member)	    offsetof(struct policy_tier, member)
#define IN_PRICE(member)    offsetof(struct policy_price, member)
#define IN_ACCESS(member)   offsetof(struct policy_access, member)
#define IN_TENANT(member)   offsetof(struct policy_tenant, member)
#define QUOTA_OF(unit, period)                                                                     \
	offsetof(struct policy_quota, amounts[WEIR_UNIT_##unit][POLICY_##period])
#define COST_OF(class) (offsetof(struct policy_limit, costs) + (WEIR_CLASS_##class))

#define STRING(x)      #x
#define WEIR_STRING(x) STRING(x)

#define KEY(object, key, type, at, required, fallback, unit, see, examples, help)                  \
	{object, key, &(type), at, required, fallback, unit, see, examples, help},

const struct field schema_fields[] = {
#include "policy/keys.def"
};
_Static_assert(ARRAY_SIZE(schema_fields) <= SCHEMA_KEYS_MAX, "more keys than readers count");
const size_t schema_field_count = ARRAY_SIZE(schema_fields);

const char *schema_object_str(enum object object)
{
	return object_names[object];
}

/* A profile has the keys of a policy but those that say what file this is. */
static bool has(enum object object, const struct field *f)
{
	if (object != OBJECT_PROFILE)
		return f->object == object;
	return f->object == OBJECT_POLICY && strcmp(f->key, "apiVersion") != 0 &&
	       strcmp(f->key, "include") != 0 && strcmp(f->key, "profiles") != 0;
}

size_t schema_next(enum object object, size_t i)
{
	while (i < ARRAY_SIZE(schema_fields) && !has(object, &schema_fields[i]))
		i++;
	return i < ARRAY_SIZE(schema_fields) ? i : SIZE_MAX;
}

const struct field *schema_find(enum object object, const char *key)
{
	for (size_t i = schema_next(object, 0); i != SIZE_MAX; i = schema_next(object, i + 1))
		if (strcmp(schema_fields[i].key, key) == 0)
			return &schema_fields[i];
	return NULL;
}

void schema_wanted(const struct type *type, struct text *t)
{
	if (type->wanted) {
		text_puts(t, type->wanted);
		return;
	}
	for (unsigned int i = 0; type->word(i); i++)
		text_printf(t, "%s%s", !i ? "" : type->word(i + 1) ? ", " : " or ", type->word(i));
}
