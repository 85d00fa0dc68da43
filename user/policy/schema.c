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
	[OBJECT_NONE] = "nothing",	[OBJECT_POLICY] = "the policy",
	[OBJECT_METADATA] = "metadata", [OBJECT_LISTS] = "lists",
	[OBJECT_LIST] = "a list",	[OBJECT_ENTRY] = "a list entry",
	[OBJECT_SERVICE] = "a service", [OBJECT_LIMIT] = "a limit",
	[OBJECT_PACKETS] = "packets",	[OBJECT_FRAGMENTS] = "fragments",
};
_Static_assert(ARRAY_SIZE(object_names) == OBJECT_MAX, "an object has no name");

static int read_inner(struct reader *r, const struct node *n, void *into)
{
	return schema_object(r, r->field->type->inner, n, into);
}

static const struct type version = {NODE_SCALAR, value_version, "'" SCHEMA_API_VERSION "'", NONE};
static const struct type string = {NODE_SCALAR, value_string, "a text", NONE};
static const struct type mode = {NODE_SCALAR, value_mode, "off, monitor or enforce", NONE};
static const struct type metadata = {NODE_MAPPING, read_inner, "a mapping", OBJECT_METADATA};
static const struct type lists = {NODE_MAPPING, read_inner, "a mapping", OBJECT_LISTS};
static const struct type list = {NODE_MAPPING, read_inner, "a mapping with entries", OBJECT_LIST};
static const struct type entries = {NODE_SEQUENCE, value_entries, "a list of prefixes", NONE};
static const struct type cidr = {NODE_SCALAR, value_cidr, "an address or prefix", NONE};
static const struct type ttl = {NODE_SCALAR, value_ttl, "a duration such as 24h", NONE};
static const struct type services = {NODE_MAPPING, value_services, "a mapping of services", NONE};
static const struct type dsts = {SCALAR_OR_LIST, value_dsts, "addresses or prefixes", NONE};
static const struct type protos = {SCALAR_OR_LIST, value_protos, "protocols", NONE};
static const struct type ports = {SCALAR_OR_LIST, value_ports, "ports or ranges", NONE};
static const struct type limits = {NODE_SEQUENCE, value_limits, "a list of limits", NONE};
static const struct type limit_name = {NODE_SCALAR, value_limit_name, "a name", NONE};
static const struct type scope = {NODE_SCALAR, value_scope, "'source'", NONE};
static const struct type service = {NODE_SCALAR, value_service_name, "the name of a service", NONE};
static const struct type rate = {NODE_SCALAR, value_rate, "a rate such as 2k/s", NONE};
static const struct type burst = {NODE_SCALAR, value_burst, "a count such as 4k", NONE};
static const struct type byte_rate = {NODE_SCALAR, value_byte_rate, "a rate such as 10MiB/s", NONE};
static const struct type byte_burst = {NODE_SCALAR, value_byte_burst, "a size such as 1MiB", NONE};
static const struct type packets = {NODE_MAPPING, read_inner, "a mapping", OBJECT_PACKETS};
static const struct type action = {NODE_SCALAR, value_action, "drop or pass", NONE};
static const struct type fragments = {SCALAR_OR_MAP, value_fragments, "drop, pass or a mapping",
				      NONE};

#define REQUIRED	  true
#define OPTIONAL	  false
#define WHOLE		  0 /* the reader is handed the whole object */
#define IN_POLICY(member) offsetof(struct policy, member)
#define IN_ENTRY(member)  offsetof(struct policy_entry, member)
#define IN_LIMIT(member)  offsetof(struct policy_limit, member)

/* The keys of an object are read in this order, whatever the order of the text: services come
 * before the limits that name them. */
static const struct field fields[] = {
	{OBJECT_POLICY, "apiVersion", &version, WHOLE, REQUIRED},
	{OBJECT_POLICY, "metadata", &metadata, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "mode", &mode, IN_POLICY(mode), REQUIRED},
	{OBJECT_POLICY, "lists", &lists, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "services", &services, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "limits", &limits, WHOLE, OPTIONAL},
	{OBJECT_POLICY, "packets", &packets, WHOLE, OPTIONAL},

	{OBJECT_METADATA, "name", &string, IN_POLICY(metadata.name), OPTIONAL},
	{OBJECT_METADATA, "owner", &string, IN_POLICY(metadata.owner), OPTIONAL},
	{OBJECT_METADATA, "change", &string, IN_POLICY(metadata.change), OPTIONAL},

	{OBJECT_LISTS, "allow", &list, IN_POLICY(allow), OPTIONAL},
	{OBJECT_LISTS, "block", &list, IN_POLICY(block), OPTIONAL},
	{OBJECT_LIST, "entries", &entries, WHOLE, REQUIRED},

	{OBJECT_ENTRY, "cidr", &cidr, IN_ENTRY(prefix), REQUIRED},
	{OBJECT_ENTRY, "ttl", &ttl, IN_ENTRY(ttl_ns), OPTIONAL},
	{OBJECT_ENTRY, "reason", &string, IN_ENTRY(reason), OPTIONAL},

	{OBJECT_SERVICE, "dst", &dsts, WHOLE, OPTIONAL},
	{OBJECT_SERVICE, "proto", &protos, WHOLE, OPTIONAL},
	{OBJECT_SERVICE, "dport", &ports, WHOLE, OPTIONAL},

	{OBJECT_LIMIT, "name", &limit_name, IN_LIMIT(name), REQUIRED},
	{OBJECT_LIMIT, "scope", &scope, IN_LIMIT(scope), REQUIRED},
	{OBJECT_LIMIT, "service", &service, IN_LIMIT(service), OPTIONAL},
	{OBJECT_LIMIT, "rate", &rate, IN_LIMIT(rate), OPTIONAL},
	{OBJECT_LIMIT, "burst", &burst, IN_LIMIT(burst), OPTIONAL},
	{OBJECT_LIMIT, "byte_rate", &byte_rate, IN_LIMIT(byte_rate), OPTIONAL},
	{OBJECT_LIMIT, "byte_burst", &byte_burst, IN_LIMIT(byte_burst), OPTIONAL},

	{OBJECT_PACKETS, "malformed", &action, IN_POLICY(malformed), OPTIONAL},
	{OBJECT_PACKETS, "other", &action, IN_POLICY(other), OPTIONAL},
	{OBJECT_PACKETS, "fragments", &fragments, WHOLE, OPTIONAL},

	{OBJECT_FRAGMENTS, "rate", &rate, IN_LIMIT(rate), REQUIRED},
	{OBJECT_FRAGMENTS, "burst", &burst, IN_LIMIT(burst), OPTIONAL},
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
	policy->fragment_limit = (struct policy_limit){
		.name = POLICY_FRAGMENTS,
		.has_packets = true,
		.rate = {1000, NSEC_PER_SEC},
		.burst = 1000,
	};
	if (tree->root->kind != NODE_MAPPING)
		return refuse(&r, tree->root, "policy.value.kind", "a policy is a mapping of keys");
	return schema_object(&r, OBJECT_POLICY, tree->root, policy);
}
