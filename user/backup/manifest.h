/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a backup says of itself: its first file, JSON. Each other file is named in it, with size and SHA-256, in the
 * order in which it follows; a file that is not, or under a name that no backup uses, is refused.
 */
#ifndef BACKUP_MANIFEST_H
#define BACKUP_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/record.h"
#include "base/fault.h"

#define BACKUP_FORMAT	   1
#define BACKUP_PREFIX	   "weir-backup/"
#define BACKUP_MANIFEST	   BACKUP_PREFIX "manifest.json"
#define BACKUP_DATABASE	   "weir.db" /* below the prefix, as the other names */
#define BACKUP_POLICY	   "policy.yaml"
#define BACKUP_IN_FORCE	   "policy.in-force.yaml"
#define BACKUP_VAULT	   "vault.db"
#define BACKUP_AUDIT_STATE "audit/state"
#define BACKUP_CHECKPOINT  "audit/checkpoint"
#define BACKUP_KEY_LIST	   "audit/keys"
#define BACKUP_INCLUDE                                                                             \
	"include/"	       /* files that the policy includes, as they lie below its directory */
#define BACKUP_NAME_MAX	    87 /* what is left of a name in ustar */
#define BACKUP_MEMBERS_MAX  16384
#define BACKUP_MANIFEST_MAX (4U << 20)	    /* bytes */
#define BACKUP_SHA256_SIZE  AUDIT_HASH_TEXT /* lower hex and the NUL */

struct backup_member {
	char name[BACKUP_NAME_MAX + 1];
	uint64_t size;
	char sha256[BACKUP_SHA256_SIZE];
};

struct backup_manifest {
	char created[32];	     /* RFC 3339 */
	char host[256], version[32]; /* of weir */
	char policy_path[1024];	     /* where the policy was; "" = there is none in the backup */

	bool has_database;
	uint64_t schema;

	bool has_audit;
	char chain_id[2 * AUDIT_ID_SIZE + 1];
	uint64_t incarnation, records;
	char last_hash[AUDIT_HASH_TEXT];

	struct backup_member *members; /* the manifest itself not counted */
	size_t count;
};

/* The only member that a caller adds to; *@ret is valid until the next call. -ENOMEM, -E2BIG, -ENAMETOOLONG. */
int backup_manifest_add(struct backup_manifest *m, const char *name, struct backup_member **ret);
/** As text, from malloc(). NULL: no memory. */
char *backup_manifest_format(const struct backup_manifest *m);
/** Faults: backup.manifest (-EBADMSG), backup.newer (-EPROTONOSUPPORT: of a later format). */
int backup_manifest_parse(const char *text, size_t length, struct backup_manifest *ret,
			  struct fault *reterr);
void backup_manifest_done(struct backup_manifest *m);

/* Private keys, which a backup has only if it is told to. */
#define BACKUP_SECRETS 4
extern const char *const backup_secrets[BACKUP_SECRETS];

/** A file of this name may be in a backup. */
bool backup_manifest_is_name(const char *name);
/** NULL: not in the backup. */
const struct backup_member *backup_manifest_find(const struct backup_manifest *m, const char *name);
/** Sum of the members' sizes. */
uint64_t backup_manifest_bytes(const struct backup_manifest *m);

#endif
