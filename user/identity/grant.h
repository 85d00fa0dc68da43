/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a key or a session gives of what its user may: a role, perhaps less than that, perhaps only in some networks, for
 * some tenants, at some hours. It narrows and never adds: whoever asks needs the right without it, too.
 * What anybody may, everybody may with whatever they show. Pure.
 */
#ifndef IDENTITY_GRANT_H
#define IDENTITY_GRANT_H

#include <jansson.h>

#include "base/address.h"
#include "base/fault.h"
#include "identity/role.h"

#define GRANT_PREFIXES_MAX 32
#define GRANT_TENANTS_MAX  16
#define GRANT_RATE_MAX	   1000000
#define GRANT_TENANT_SIZE  65 /* and the NUL */

struct grant {
	enum identity_role role;
	uint64_t permissions; /* of the role: a bit each */
	/* Changes of lists may be in these only, and no permission is left to change anything else; none: everywhere. */
	struct prefix prefixes[GRANT_PREFIXES_MAX];
	unsigned int prefix_count;
	/* Only what is about one of these may be asked for; none: whatever it is about. */
	char tenants[GRANT_TENANTS_MAX][GRANT_TENANT_SIZE];
	unsigned int tenant_count;
	uint32_t rate,
		period_s; /* requests per so many seconds, and at once; 0: no limit of its own */
	uint8_t from_hour, until_hour; /* UTC, the second not included; alike: always */
};

/**
 * Read {"role": "operator", "permissions": ["lists.write"], "prefixes": [...], "tenants": [...], "hours": "8-18", "rate": "10/s"};
 * all but the role may be left out, other members are not looked at. Faults: grant.role, grant.permissions, grant.prefixes,
 * grant.tenants, grant.hours, grant.rate (-EINVAL).
 */
int grant_parse(const json_t *object, struct grant *ret, struct fault *reterr);
/**
 * Leave of @g, whose role and rules are known, @permissions (a bit each; none: all of the role), what anybody may, and of
 * all that what can be kept inside its prefixes. Fault: grant.permissions (-EINVAL): one that is asked for cannot be given.
 */
int grant_limit(struct grant *g, uint64_t permissions, struct fault *reterr);
/** Put the members of it into @object: what was left out is left out. */
void grant_put(const struct grant *g, json_t *object);

enum grant_answer {
	GRANT_YES,
	GRANT_NO_ROLE,	 /* whoever asks may not, whatever they show */
	GRANT_NO_SCOPE,	 /* the key or session has not the permission */
	GRANT_NO_HOUR,	 /* not now */
	GRANT_NO_PREFIX, /* not there */
	GRANT_NO_TENANT, /* not of that tenant, or of none */
};

struct grant_question {
	enum identity_permission permission;
	const struct prefix *prefix; /* of a list's entry; NULL: asked again when it is known */
	const char *tenant;	     /* that it is about; NULL: about none */
	unsigned int hour;	     /* UTC, 0 to 23 */
};

/** May somebody with @roles do it who shows @g (NULL: nothing)? */
enum grant_answer grant_ask(uint32_t roles, const struct grant *g,
			    const struct grant_question *question);

/** Whether all that @inner allows @outer does, too. */
bool grant_within(const struct grant *inner, const struct grant *outer);

#endif
