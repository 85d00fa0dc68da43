/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Readers of a policy's values that are of use in more than one place: words, quantities
 * and prefixes. Each checks one value to the end and fills in what is its own.
 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "policy/schema.h"

const char *word_version(unsigned int i)
{
	return i == 0 ? SCHEMA_API_VERSION : NULL;
}

int value_version(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;

	(void)into;
	return schema_word(r, n, "apiVersion", &word);
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

const char *word_mode(unsigned int i)
{
	return policy_mode_str((enum weir_mode)i);
}

int value_path(struct reader *r, const struct node *n, const char *code, char **ret)
{
	if (n->text[0] != '/')
		return refuse(
			r, n, code,
			"'%.64s' does not begin with '/': where a relative path leads depends "
			"on who asks",
			n->text);
	if (strlen(n->text) > POLICY_FILE_MAX)
		return refuse(r, n, "policy.string.long", "'%s' is longer than %u bytes",
			      r->field->key, POLICY_FILE_MAX);
	*ret = strdup(n->text);
	return *ret ? 0 : -ENOMEM;
}

int value_mode(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;
	int err = schema_word(r, n, "mode", &word);

	if (err == 0)
		*(enum weir_mode *)into = (enum weir_mode)word;
	return err;
}

const char *word_packet_action(unsigned int i)
{
	static const char *const words[] = {[POLICY_PASS] = "pass", [POLICY_DROP] = "drop"};

	return i < ARRAY_SIZE(words) ? words[i] : NULL;
}

int value_packet_action(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;
	int err = schema_word(r, n, "action", &word);

	if (err == 0)
		*(enum policy_action *)into = (enum policy_action)word;
	return err;
}

const char *word_bool(unsigned int i)
{
	static const char *const words[] = {"false", "true"};

	return i < ARRAY_SIZE(words) ? words[i] : NULL;
}

int value_bool(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;
	int err = schema_word(r, n, r->field->key, &word);

	if (err == 0)
		*(bool *)into = word;
	return err;
}

int value_number(struct reader *r, const struct node *n, void *into)
{
	uint32_t min = (uint32_t)r->field->type->min, max = (uint32_t)r->field->type->max, number;

	if (parse_u32(n->text, min, max, &number) < 0)
		return refuse(r, n, "policy.number.range", "'%.64s' is no number from %u to %u",
			      n->text, min, max);
	*(uint8_t *)into = (uint8_t)number;
	return 0;
}

/* Only what tells an address from a word: base/address.h decides. */
void pattern_cidr(struct text *t)
{
	text_puts(t, "^[0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]*(/[0-9]{1,3})?$");
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

/* The units of parse_duration_ns(). */
void pattern_duration(struct text *t)
{
	text_puts(t, "^[0-9]+(ms|s|m|h|d|w)$");
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

int value_include(struct reader *r, const struct node *n, void *into)
{
	(void)into;
	return refuse(r, n, "policy.include.text",
		      "this text has no place to look for files: include works in files, and "
		      "'weir policy apply FILE' sends what they include along");
}

/* What a profile says is checked when it has been laid over the rest (overlay.c). */
int value_profiles(struct reader *r, const struct node *n, void *into)
{
	int first = 0;

	(void)into;
	if (n->count / 2 > POLICY_PROFILES_MAX)
		return refuse_number(r, n, POLICY_PROFILES_MAX, "profiles");
	for (const struct node *key = n->children; key; key = key->next->next) {
		int err = schema_name(r, key);

		if (err == 0 && tree_key(n, key->text) != key)
			err = refuse(r, key, "policy.name.duplicate",
				     "profile '%s' is already defined in line %u", key->text,
				     tree_key(n, key->text)->line);
		if (err == 0 && key->next->kind != NODE_MAPPING)
			err = refuse(r, key->next, "policy.value.kind",
				     "profile '%s' takes a mapping of what is different in it",
				     key->text);
		if (!schema_go_on(r, err, &first))
			break;
	}
	return first;
}
