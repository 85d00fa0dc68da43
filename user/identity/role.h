/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Roles and permissions: who may do what is two tables, role.def and permission.def, and one question. Pure: where
 * somebody's roles come from is the caller's.
 */
#ifndef IDENTITY_ROLE_H
#define IDENTITY_ROLE_H

#include <stdbool.h>
#include <stdint.h>

enum identity_role {
#define ROLE(constant, word, group, words) IDENTITY_##constant,
#include "identity/role.def"
#undef ROLE
	IDENTITY_ROLE_MAX
};

enum identity_permission {
#define PERMISSION(constant, word, roles, words) PERMISSION_##constant,
#include "identity/permission.def"
#undef PERMISSION
	PERMISSION_MAX
};

/* A set of roles, one bit each. */
#define IDENTITY_BIT(role) (1U << IDENTITY_##role)
#define IDENTITY_ANYBODY   (1U << IDENTITY_ROLE_MAX) /* in a permission: no role is needed */

const char *identity_role_to_str(enum identity_role role);
/** The role that @word names; -1 if there is none. */
int identity_role_from_str(const char *word);
/** The system's group whose members have @role. */
const char *identity_role_group(enum identity_role role);
const char *identity_role_words(enum identity_role role);

const char *identity_permission_to_str(enum identity_permission permission);
/** The permission that @word names; -1 if there is none. */
int identity_permission_from_str(const char *word);
const char *identity_permission_words(enum identity_permission permission);
/** Who has it: a set of roles, perhaps with IDENTITY_ANYBODY. */
uint32_t identity_permission_roles(enum identity_permission permission);

/** Whether somebody with @roles (a set) has @permission. */
bool identity_may(uint32_t roles, enum identity_permission permission);
/** The word for somebody with @roles: the strongest of them, "public" for none. */
const char *identity_strongest(uint32_t roles);

#endif
