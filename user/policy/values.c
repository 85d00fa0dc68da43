/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Readers of a policy's values that are of use in more than one place: words, quantities
 * and prefixes. Each checks one value to the end and fills in what is its own.
 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "policy/schema.h"

int value_version(struct reader *r, const struct node *n, void *into)
{
	static const char *const known[] = {SCHEMA_API_VERSION};
	unsigned int word;

	(void)into;
	return schema_word(r, n, "apiVersion", known, 1, &word);
}

int value_string(struct reader *r, const struct node *n, void *into)
{
	char **string = into;

	if (strlen(n->text) > POLICY_STRING_MAX)
		return refuse(r, n, "policy.string.long", "'%s' is longer than %u bytes",
			      r->field->key, POLICY_STRING_MAX);
	*string = strdup(n->text);
	return *string ? 0 : -ENOMEM;
}

int value_mode(struct reader *r, const struct node *n, void *into)
{
	const char *known[WEIR_MODE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		known[i] = policy_mode_str((enum weir_mode)i);
	if (policy_mode_from_str(n->text, into) < 0)
		return schema_refuse_word(r, n, "mode", known, ARRAY_SIZE(known));
	return 0;
}

int value_packet_action(struct reader *r, const struct node *n, void *into)
{
	static const char *const known[] = {[POLICY_PASS] = "pass", [POLICY_DROP] = "drop"};
	unsigned int word;
	int err = schema_word(r, n, "action", known, ARRAY_SIZE(known), &word);

	if (err == 0)
		*(enum policy_action *)into = (enum policy_action)word;
	return err;
}

int value_bool(struct reader *r, const struct node *n, void *into)
{
	static const char *const known[] = {"false", "true"};
	unsigned int word;
	int err = schema_word(r, n, r->field->key, known, ARRAY_SIZE(known), &word);

	if (err == 0)
		*(bool *)into = word;
	return err;
}

int value_cidr(struct reader *r, const struct node *n, void *into)
{
	char masked[PREFIX_TEXT_SIZE];
	struct prefix *prefix = into;

	switch (prefix_parse(n->text, prefix)) {
	case 0:
		return 0;
	case -EDOM:
		prefix_format(prefix, masked);
		return refuse(r, n, "policy.cidr.host",
			      "'%.64s' has bits set beyond its length; did you mean '%s'?", n->text,
			      masked);
	case -ERANGE:
		return refuse(r, n, "policy.cidr.length",
			      "'%.64s' has a prefix longer than an address", n->text);
	default:
		return refuse(r, n, "policy.cidr.syntax",
			      "'%.64s' is no address and no prefix such as 192.0.2.0/24", n->text);
	}
}

int value_ttl(struct reader *r, const struct node *n, void *into)
{
	uint64_t *ttl_ns = into;
	int err = parse_duration_ns(n->text, ttl_ns);

	if (err == -EINVAL && *n->text && strspn(n->text, "0123456789") == strlen(n->text))
		return refuse(r, n, "policy.unit.missing", "'%.64s' has no unit: write %.64ss",
			      n->text, n->text);
	if (err == -ERANGE || (err == 0 && !*ttl_ns))
		return refuse(r, n, "policy.number.range", "'%.64s' is not within 1ms to 100 years",
			      n->text);
	if (err < 0)
		return refuse(r, n, "policy.number.syntax",
			      "'%.64s' is not a duration such as 90s, 10m or 7d", n->text);
	return 0;
}

int value_rate(struct reader *r, const struct node *n, void *into)
{
	struct fault why;

	return policy_rate_parse(n->text, into, &why) < 0 ? schema_refuse_value(r, n, &why) : 0;
}

int value_count(struct reader *r, const struct node *n, void *into)
{
	struct fault why;

	return policy_count_parse(n->text, into, &why) < 0 ? schema_refuse_value(r, n, &why) : 0;
}

int value_byte_rate(struct reader *r, const struct node *n, void *into)
{
	struct fault why;

	return policy_byte_rate_parse(n->text, into, &why) < 0 ? schema_refuse_value(r, n, &why)
							       : 0;
}

int value_byte_burst(struct reader *r, const struct node *n, void *into)
{
	struct fault why;

	return policy_bytes_parse(n->text, into, &why) < 0 ? schema_refuse_value(r, n, &why) : 0;
}

int value_sources(struct reader *r, const struct node *n, void *into)
{
	struct fault why;
	uint64_t count;

	if (policy_count_parse(n->text, &count, &why) < 0)
		return schema_refuse_value(r, n, &why);
	if (count < WEIR_CELL_SETS_MIN || count > WEIR_CELL_SETS_MAX)
		return refuse(r, n, "policy.number.range", "'%.64s' is not within %u to %u",
			      n->text, WEIR_CELL_SETS_MIN, WEIR_CELL_SETS_MAX);
	*(uint32_t *)into = (uint32_t)count;
	return 0;
}
