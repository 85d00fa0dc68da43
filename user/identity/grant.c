/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "identity/grant.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define BIT(permission) (1ULL << (permission))
_Static_assert(PERMISSION_MAX <= 64, "permissions of a grant are bits of a word");

static uint64_t permissions_of(enum identity_role role)
{
	uint64_t permissions = 0;

	for (enum identity_permission i = 0; i < PERMISSION_MAX; i++)
		if (identity_may(1U << role, i))
			permissions |= BIT(i);
	return permissions;
}

/* What anybody may belongs to every set of permissions. */
static uint64_t of_anybody(void)
{
	uint64_t permissions = 0;

	for (enum identity_permission i = 0; i < PERMISSION_MAX; i++)
		if (identity_may(0, i))
			permissions |= BIT(i);
	return permissions;
}

/* Those that change nothing, or nothing but what can be told to be inside prefixes. */
static bool keeps_inside(enum identity_permission permission)
{
	const char *word = identity_permission_to_str(permission), *verb = strrchr(word, '.');

	return (verb && strcmp(verb, ".read") == 0) || permission == PERMISSION_LISTS_WRITE ||
	       permission == PERMISSION_SELF_MANAGE || permission == PERMISSION_POLICY_PLAN ||
	       permission == PERMISSION_AUDIT_EXPORT || permission == PERMISSION_AUDIT_ANCHOR;
}

/* With prefixes a key has no permission to change what is not inside them. */
static int leave_inside(bool said, struct grant *g, struct fault *reterr)
{
	for (enum identity_permission i = 0; g->prefix_count && i < PERMISSION_MAX; i++) {
		if (keeps_inside(i) || !(g->permissions & BIT(i)))
			continue;
		if (said)
			return fault(reterr, -EINVAL, "grant.permissions",
				     "%s cannot be kept inside prefixes",
				     identity_permission_to_str(i));
		g->permissions &= ~BIT(i);
	}
	return 0;
}

int grant_limit(struct grant *g, uint64_t permissions, struct fault *reterr)
{
	uint64_t of_role = permissions_of(g->role), more = permissions & ~of_role;

	if (more)
		return fault(reterr, -EINVAL, "grant.permissions",
			     "the role %s has not the permission %s", identity_role_to_str(g->role),
			     identity_permission_to_str(
				     (enum identity_permission)__builtin_ctzll(more)));
	g->permissions = permissions ? permissions | of_anybody() : of_role;
	return leave_inside(permissions, g, reterr);
}

static int read_permissions(const json_t *words, uint64_t *ret, struct fault *reterr)
{
	const json_t *word;
	size_t i;

	if (!words)
		return 0;
	if (!json_array_size(words))
		return fault(reterr, -EINVAL, "grant.permissions",
			     "'permissions' is no list of permissions such as lists.write");
	json_array_foreach (words, i, word) {
		const char *text = json_string_value(word) ?: "";
		int permission = identity_permission_from_str(text);

		if (permission < 0)
			return fault(reterr, -EINVAL, "grant.permissions",
				     "'%.40s' is no permission: 'weir roles' has them", text);
		*ret |= BIT(permission);
	}
	return 0;
}

static int read_prefixes(const json_t *words, struct grant *g, struct fault *reterr)
{
	const json_t *word;
	size_t i;

	if (!words)
		return 0;
	if (!json_array_size(words) || json_array_size(words) > GRANT_PREFIXES_MAX)
		return fault(reterr, -EINVAL, "grant.prefixes",
			     "'prefixes' is no list of 1 to %d prefixes such as 198.18.0.0/16",
			     GRANT_PREFIXES_MAX);
	json_array_foreach (words, i, word) {
		const char *text = json_string_value(word) ?: "";

		if (prefix_parse(text, &g->prefixes[g->prefix_count++]) < 0)
			return fault(reterr, -EINVAL, "grant.prefixes",
				     "'%.60s' is no address and no CIDR prefix", text);
	}
	return 0;
}

static int read_tenants(const json_t *words, struct grant *g, struct fault *reterr)
{
	const json_t *word;
	size_t i;

	if (!words)
		return 0;
	if (!json_array_size(words) || json_array_size(words) > GRANT_TENANTS_MAX)
		return fault(reterr, -EINVAL, "grant.tenants",
			     "'tenants' is no list of 1 to %d names of tenants", GRANT_TENANTS_MAX);
	json_array_foreach (words, i, word) {
		const char *text = json_string_value(word) ?: "";

		if (!*text || strlen(text) >= GRANT_TENANT_SIZE)
			return fault(reterr, -EINVAL, "grant.tenants",
				     "'%.60s' is no name of a tenant", text);
		snprintf(g->tenants[g->tenant_count++], GRANT_TENANT_SIZE, "%s", text);
	}
	return 0;
}

/* "8-18", "22-6": from the first hour to before the second. */
static int read_hours(const json_t *hours, struct grant *g, struct fault *reterr)
{
	const char *text = json_string_value(hours) ?: "", *dash = strchr(text, '-');
	char first[3] = "";
	uint32_t from, until;

	if (!hours)
		return 0;
	if (dash && dash - text < (ssize_t)sizeof(first))
		snprintf(first, sizeof(first), "%.*s", (int)(dash - text), text);
	if (parse_u32(first, 0, 23, &from) < 0 || parse_u32(dash + 1, 0, 24, &until) < 0 ||
	    from == until)
		return fault(reterr, -EINVAL, "grant.hours",
			     "'%.20s' are no hours of a day, in UTC, such as 8-18 or 22-6", text);
	g->from_hour = (uint8_t)from;
	g->until_hour = (uint8_t)until;
	return 0;
}

static const struct {
	const char *word;
	uint32_t seconds;
} periods[] = {{"s", 1}, {"m", 60}, {"h", 3600}};

/* "10/s", "600/m", "100/h" */
static int read_rate(const json_t *rate, struct grant *g, struct fault *reterr)
{
	const char *text = json_string_value(rate) ?: "", *slash = strchr(text, '/');
	char number[8] = "";

	if (!rate)
		return 0;
	if (slash && slash - text < (ssize_t)sizeof(number))
		snprintf(number, sizeof(number), "%.*s", (int)(slash - text), text);
	for (size_t i = 0; slash && i < sizeof(periods) / sizeof(*periods); i++)
		if (strcmp(slash + 1, periods[i].word) == 0)
			g->period_s = periods[i].seconds;
	if (!g->period_s || parse_u32(number, 1, GRANT_RATE_MAX, &g->rate) < 0)
		return fault(reterr, -EINVAL, "grant.rate",
			     "'%.20s' is no rate of requests such as 10/s, 600/m or 100/h, of 1 to "
			     "%d",
			     text, GRANT_RATE_MAX);
	return 0;
}

int grant_parse(const json_t *object, struct grant *ret, struct fault *reterr)
{
	const char *word = json_string_value(json_object_get(object, "role")) ?: "";
	int role = identity_role_from_str(word), r;
	struct grant g = {0};
	uint64_t permissions = 0;

	if (role < 0)
		return fault(reterr, -EINVAL, "grant.role",
			     "'%.40s' is no role: admin, operator, auditor or viewer", word);
	g.role = (enum identity_role)role;
	r = read_permissions(json_object_get(object, "permissions"), &permissions, reterr);
	if (r == 0)
		r = read_prefixes(json_object_get(object, "prefixes"), &g, reterr);
	if (r == 0)
		r = grant_limit(&g, permissions, reterr);
	if (r == 0)
		r = read_tenants(json_object_get(object, "tenants"), &g, reterr);
	if (r == 0)
		r = read_hours(json_object_get(object, "hours"), &g, reterr);
	if (r == 0)
		r = read_rate(json_object_get(object, "rate"), &g, reterr);
	if (r == 0)
		*ret = g;
	return r;
}

void grant_put(const struct grant *g, json_t *object)
{
	json_t *items;

	json_object_set_new(object, "role", json_string(identity_role_to_str(g->role)));
	if (g->permissions != permissions_of(g->role)) {
		items = json_array();
		for (enum identity_permission i = 0; i < PERMISSION_MAX; i++)
			if (g->permissions & BIT(i))
				json_array_append_new(items,
						      json_string(identity_permission_to_str(i)));
		json_object_set_new(object, "permissions", items);
	}
	if (g->prefix_count) {
		items = json_array();
		for (unsigned int i = 0; i < g->prefix_count; i++) {
			char cidr[PREFIX_TEXT_SIZE];

			prefix_format(&g->prefixes[i], cidr);
			json_array_append_new(items, json_string(cidr));
		}
		json_object_set_new(object, "prefixes", items);
	}
	if (g->tenant_count) {
		items = json_array();
		for (unsigned int i = 0; i < g->tenant_count; i++)
			json_array_append_new(items, json_string(g->tenants[i]));
		json_object_set_new(object, "tenants", items);
	}
	if (g->from_hour != g->until_hour)
		json_object_set_new(object, "hours",
				    json_sprintf("%u-%u", g->from_hour, g->until_hour));
	for (size_t i = 0; g->rate && i < sizeof(periods) / sizeof(*periods); i++)
		if (periods[i].seconds == g->period_s)
			json_object_set_new(object, "rate",
					    json_sprintf("%u/%s", g->rate, periods[i].word));
}

static bool has_hour(const struct grant *g, unsigned int hour)
{
	if (g->from_hour == g->until_hour)
		return true;
	if (g->from_hour < g->until_hour)
		return hour >= g->from_hour && hour < g->until_hour;
	return hour >= g->from_hour || hour < g->until_hour;
}

static bool has_prefix(const struct grant *g, const struct prefix *prefix)
{
	for (unsigned int i = 0; i < g->prefix_count; i++)
		if (prefix_covers(&g->prefixes[i], prefix))
			return true;
	return !g->prefix_count;
}

static bool has_tenant(const struct grant *g, const char *tenant)
{
	for (unsigned int i = 0; i < g->tenant_count; i++)
		if (tenant && strcmp(g->tenants[i], tenant) == 0)
			return true;
	return !g->tenant_count;
}

enum grant_answer grant_ask(uint32_t roles, const struct grant *g, const struct grant_question *q)
{
	if (!identity_may(roles, q->permission))
		return GRANT_NO_ROLE;
	if (!g || identity_may(0, q->permission))
		return GRANT_YES;
	if (!(g->permissions & BIT(q->permission)))
		return GRANT_NO_SCOPE;
	if (!has_hour(g, q->hour))
		return GRANT_NO_HOUR;
	/* A session that is opened has the same rules. */
	if (q->permission == PERMISSION_SELF_MANAGE)
		return GRANT_YES;
	if (!has_tenant(g, q->tenant))
		return GRANT_NO_TENANT;
	if (q->prefix && !has_prefix(g, q->prefix))
		return GRANT_NO_PREFIX;
	return GRANT_YES;
}

/* Neither more at once nor more in the long run. */
static bool rate_within(const struct grant *inner, const struct grant *outer)
{
	return !outer->rate ||
	       (inner->rate && inner->rate <= outer->rate &&
		(uint64_t)inner->rate * outer->period_s <= (uint64_t)outer->rate * inner->period_s);
}

bool grant_within(const struct grant *inner, const struct grant *outer)
{
	bool within = !(inner->permissions & ~outer->permissions) &&
		      (inner->prefix_count || !outer->prefix_count) &&
		      (inner->tenant_count || !outer->tenant_count) && rate_within(inner, outer);

	for (unsigned int i = 0; i < inner->prefix_count; i++)
		within &= has_prefix(outer, &inner->prefixes[i]);
	for (unsigned int i = 0; i < inner->tenant_count; i++)
		within &= has_tenant(outer, inner->tenants[i]);
	for (unsigned int hour = 0; hour < 24; hour++)
		within &= !has_hour(inner, hour) || has_hour(outer, hour);
	return within;
}
