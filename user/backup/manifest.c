/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "backup/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "audit/hash.h"
#include "audit/segment.h"
#include "base/cleanup.h"

#define SEGMENT_BYTES_MAX  (256ULL << 20)
#define DATABASE_BYTES_MAX (4ULL << 30)
#define POLICY_BYTES_MAX   (16ULL << 20)
#define KEY_BYTES_MAX	   (64ULL << 10)

const char *const backup_secrets[BACKUP_SECRETS] = {"keys/vault.key", "keys/audit.pem",
						    "keys/audit.next.pem", "keys/audit.former.pem"};

void backup_manifest_done(struct backup_manifest *m)
{
	free(m->members);
	*m = (struct backup_manifest){0};
}

int backup_manifest_add(struct backup_manifest *m, const char *name, struct backup_member **ret)
{
	struct backup_member *larger;

	if (m->count == BACKUP_MEMBERS_MAX)
		return -E2BIG;
	if (strlen(name) > BACKUP_NAME_MAX)
		return -ENAMETOOLONG;
	/* A power of two when it is full. */
	if (!(m->count & (m->count - 1))) {
		larger = reallocarray(m->members, m->count ? 2 * m->count : 1, sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		m->members = larger;
	}
	*ret = &m->members[m->count++];
	**ret = (struct backup_member){0};
	memcpy((*ret)->name, name, strlen(name) + 1);
	return 0;
}

const struct backup_member *backup_manifest_find(const struct backup_manifest *m, const char *name)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->members[i].name, name) == 0)
			return &m->members[i];
	return NULL;
}

uint64_t backup_manifest_bytes(const struct backup_manifest *m)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < m->count; i++)
		bytes += m->members[i].size;
	return bytes;
}

static json_t *members_to_json(const struct backup_manifest *m)
{
	json_t *members = json_array();

	for (size_t i = 0; i < m->count; i++)
		json_array_append_new(members,
				      json_pack("{s:s, s:I, s:s}", "name", m->members[i].name,
						"size", (json_int_t)m->members[i].size, "sha256",
						m->members[i].sha256));
	return members;
}

char *backup_manifest_format(const struct backup_manifest *m)
{
	json_t *audit = m->has_audit
				? json_pack("{s:s, s:I, s:I, s:I, s:s}", "chain_id", m->chain_id,
					    "incarnation", (json_int_t)m->incarnation, "records",
					    (json_int_t)m->records, "last_index",
					    (json_int_t)m->records - 1, "last_hash", m->last_hash)
				: json_null();
	json_t *database =
		m->has_database ? json_pack("{s:I}", "schema", (json_int_t)m->schema) : json_null();
	json_t *root = json_pack("{s:i, s:s, s:s, s:s, s:o, s:o, s:s, s:o}", "weir_backup",
				 BACKUP_FORMAT, "created", m->created, "host", m->host, "version",
				 m->version, "audit", audit, "database", database, "policy_path",
				 m->policy_path, "members", members_to_json(m));
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;

	json_decref(root);
	return text;
}

static int refuse(struct fault *reterr, const char *words)
{
	return fault(reterr, -EBADMSG, "backup.manifest", "the manifest of the backup is wrong: %s",
		     words);
}

/* Printable ASCII of a size; it is shown to people. */
static int copy_word(const json_t *object, const char *key, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (!text || strlen(text) >= size)
		return -EBADMSG;
	for (const char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			return -EBADMSG;
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int copy_hex(const json_t *object, const char *key, size_t bytes, char *ret)
{
	const char *text = json_string_value(json_object_get(object, key));
	uint8_t binary[AUDIT_HASH_SIZE];

	if (!text || strlen(text) != 2 * bytes || hex_parse(text, bytes, binary) < 0)
		return -EBADMSG;
	memcpy(ret, text, 2 * bytes + 1);
	return 0;
}

static int copy_number(const json_t *object, const char *key, uint64_t max, uint64_t *ret)
{
	const json_t *number = json_object_get(object, key);

	if (!json_is_integer(number) || json_integer_value(number) < 0 ||
	    (uint64_t)json_integer_value(number) > max)
		return -EBADMSG;
	*ret = (uint64_t)json_integer_value(number);
	return 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length > end_length && strcmp(text + length - end_length, end) == 0;
}

/* Relative, of plain characters, with no part that begins with a dot. */
static bool is_tame(const char *path)
{
	if (strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+@") !=
		    strlen(path) ||
	    ends_with(path, "/"))
		return false;
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += part != path;
		if (*part == '.' || *part == '/' || !*part)
			return false;
	}
	return true;
}

/* How many bytes a file of this name may have; 0: no backup has one. */
static uint64_t size_max(const char *name)
{
	uint64_t first;

	if (strcmp(name, BACKUP_DATABASE) == 0 || strcmp(name, BACKUP_VAULT) == 0)
		return DATABASE_BYTES_MAX;
	if (strcmp(name, BACKUP_POLICY) == 0 || strcmp(name, BACKUP_IN_FORCE) == 0)
		return POLICY_BYTES_MAX;
	if (strcmp(name, BACKUP_AUDIT_STATE) == 0)
		return STATE_SLOTS * STATE_SLOT_SIZE;
	if (strcmp(name, BACKUP_CHECKPOINT) == 0 || strcmp(name, BACKUP_KEY_LIST) == 0)
		return KEY_BYTES_MAX;
	for (size_t i = 0; i < BACKUP_SECRETS; i++)
		if (strcmp(name, backup_secrets[i]) == 0)
			return KEY_BYTES_MAX;
	if (strncmp(name, "audit/", 6) == 0)
		return segment_name_parse(name + 6, &first) == 0 ? SEGMENT_BYTES_MAX : 0;
	if (strncmp(name, BACKUP_INCLUDE, strlen(BACKUP_INCLUDE)) == 0)
		return is_tame(name + strlen(BACKUP_INCLUDE)) ? POLICY_BYTES_MAX : 0;
	return 0;
}

bool backup_manifest_is_name(const char *name)
{
	return size_max(name);
}

static int parse_member(const json_t *from, struct backup_manifest *m, struct fault *reterr)
{
	struct backup_member member, *to;
	int r;

	if (copy_word(from, "name", member.name, sizeof(member.name)) < 0)
		return refuse(reterr, "the name of a file is missing, too long or not printable");
	if (!size_max(member.name))
		return fault(reterr, -EBADMSG, "backup.name",
			     "the manifest names '%s', which no backup holds", member.name);
	if (copy_number(from, "size", size_max(member.name), &member.size) < 0)
		return fault(reterr, -EBADMSG, "backup.size",
			     "the manifest says no size of '%s', or one over %" PRIu64 " bytes",
			     member.name, size_max(member.name));
	if (copy_hex(from, "sha256", AUDIT_HASH_SIZE, member.sha256) < 0)
		return refuse(reterr, "a file has no SHA-256");
	r = backup_manifest_add(m, member.name, &to);
	if (r < 0)
		return refuse(reterr, r == -E2BIG ? "too many files" : "out of memory");
	*to = member;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static int check_unique(const struct backup_manifest *m, struct fault *reterr)
{
	_cleanup_free_ const char **names = calloc(m->count ? m->count : 1, sizeof(*names));

	if (!names)
		return refuse(reterr, "out of memory");
	for (size_t i = 0; i < m->count; i++)
		names[i] = m->members[i].name;
	qsort(names, m->count, sizeof(*names), compare_names);
	for (size_t i = 1; i < m->count; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			return refuse(reterr, "it names a file twice");
	return 0;
}

/* What it says it has must be among its files, and the other way round. */
static int check_parts(const struct backup_manifest *m, struct fault *reterr)
{
	if (m->has_database != !!backup_manifest_find(m, BACKUP_DATABASE) ||
	    m->has_audit != !!backup_manifest_find(m, BACKUP_AUDIT_STATE))
		return refuse(reterr, "what it says of its parts contradicts its files");
	return check_unique(m, reterr);
}

static int parse_parts(const json_t *root, struct backup_manifest *m, struct fault *reterr)
{
	const json_t *audit = json_object_get(root, "audit");
	const json_t *database = json_object_get(root, "database");

	if (copy_word(root, "created", m->created, sizeof(m->created)) < 0 ||
	    copy_word(root, "host", m->host, sizeof(m->host)) < 0 ||
	    copy_word(root, "version", m->version, sizeof(m->version)) < 0 ||
	    copy_word(root, "policy_path", m->policy_path, sizeof(m->policy_path)) < 0)
		return refuse(reterr, "created, host, version or policy_path is missing");
	m->has_database = json_is_object(database);
	if (m->has_database && copy_number(database, "schema", UINT32_MAX, &m->schema) < 0)
		return refuse(reterr, "the database has no schema");
	m->has_audit = json_is_object(audit);
	if (m->has_audit &&
	    (copy_hex(audit, "chain_id", AUDIT_ID_SIZE, m->chain_id) < 0 ||
	     copy_hex(audit, "last_hash", AUDIT_HASH_SIZE, m->last_hash) < 0 ||
	     copy_number(audit, "incarnation", UINT32_MAX, &m->incarnation) < 0 ||
	     copy_number(audit, "records", AUDIT_INDEX_MAX, &m->records) < 0 || !m->records))
		return refuse(reterr, "what it says of the audit log is incomplete");
	return 0;
}

static int parse(const json_t *root, struct backup_manifest *m, struct fault *reterr)
{
	const json_t *members = json_object_get(root, "members"), *member;
	uint64_t format;
	size_t i;
	int r;

	if (copy_number(root, "weir_backup", UINT32_MAX, &format) < 0 || !format)
		return refuse(reterr, "it is not that of a backup of weir");
	if (format > BACKUP_FORMAT)
		return fault(reterr, -EPROTONOSUPPORT, "backup.newer",
			     "the backup has format %" PRIu64 "; this weir knows up to %d", format,
			     BACKUP_FORMAT);
	r = parse_parts(root, m, reterr);
	if (r < 0)
		return r;
	if (!json_is_array(members) || json_array_size(members) > BACKUP_MEMBERS_MAX)
		return refuse(reterr, "there is no list of files, or it is too long");
	json_array_foreach (members, i, member) {
		r = parse_member(member, m, reterr);
		if (r < 0)
			return r;
	}
	return check_parts(m, reterr);
}

int backup_manifest_parse(const char *text, size_t length, struct backup_manifest *ret,
			  struct fault *reterr)
{
	struct backup_manifest m = {0};
	json_error_t error;
	json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	int r;

	r = root ? parse(root, &m, reterr) : refuse(reterr, error.text);
	json_decref(root);
	if (r < 0) {
		backup_manifest_done(&m);
		return r;
	}
	*ret = m;
	return 0;
}
