/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "identity/role.h"

#include <string.h>

#include "base/cleanup.h"

static const struct {
	const char *word, *group, *words;
} roles_known[] = {
#define ROLE(constant, word, group, words) [IDENTITY_##constant] = {word, group, words},
#include "identity/role.def"
#undef ROLE
};

static const struct {
	const char *word;
	uint32_t roles;
	const char *words;
} permissions[] = {
#define ANYBODY					 IDENTITY_ANYBODY
#define ADMIN					 IDENTITY_BIT(ADMIN)
#define OPERATOR				 IDENTITY_BIT(OPERATOR)
#define AUDITOR					 IDENTITY_BIT(AUDITOR)
#define VIEWER					 IDENTITY_BIT(VIEWER)
#define PERMISSION(constant, word, roles, words) [PERMISSION_##constant] = {word, roles, words},
#include "identity/permission.def"
#undef PERMISSION
#undef ANYBODY
#undef ADMIN
#undef OPERATOR
#undef AUDITOR
#undef VIEWER
};

const char *identity_role_to_str(enum identity_role role)
{
	return roles_known[role].word;
}

int identity_role_from_str(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(roles_known); i++)
		if (strcmp(roles_known[i].word, word) == 0)
			return (int)i;
	return -1;
}

const char *identity_role_group(enum identity_role role)
{
	return roles_known[role].group;
}

const char *identity_role_words(enum identity_role role)
{
	return roles_known[role].words;
}

const char *identity_permission_to_str(enum identity_permission permission)
{
	return permissions[permission].word;
}

int identity_permission_from_str(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(permissions); i++)
		if (strcmp(permissions[i].word, word) == 0)
			return (int)i;
	return -1;
}

const char *identity_permission_words(enum identity_permission permission)
{
	return permissions[permission].words;
}

uint32_t identity_permission_roles(enum identity_permission permission)
{
	return permissions[permission].roles;
}

bool identity_may(uint32_t roles, enum identity_permission permission)
{
	return permissions[permission].roles & (roles | IDENTITY_ANYBODY);
}

const char *identity_strongest(uint32_t roles)
{
	for (size_t i = 0; i < ARRAY_SIZE(roles_known); i++)
		if (roles & 1U << i)
			return roles_known[i].word;
	return "public";
}
