/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of keys as a JSON Schema (draft 2020-12). It says what a schema can say: which keys there
 * are, what kind of value each takes and how it is written; what several keys mean together is the
 * checker's to say. YAML makes numbers and truth values of some texts, so both are taken.
 */
#include <string.h>

#include "policy/describe.h"
#include "policy/schema.h"
#include "policy/tree.h"

#define DRAFT "https://json-schema.org/draft/2020-12/schema"

static const char *const object_ids[] = {
#define OBJECT_NAMED(object, name, id) [OBJECT_##object] = id,
#include "policy/object.def"
#undef OBJECT_NAMED
};

static bool is_whole_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s) && strlen(s) < 16 && (*s != '0' || !s[1]);
}

json_t *describe_value(const struct node *n)
{
	json_t *value;
	uint64_t number;

	if (n->kind == NODE_SCALAR && n->plain && is_whole_number(n->text) &&
	    parse_u64(n->text, 0, INT64_MAX, &number) == 0)
		return json_integer((json_int_t)number);
	if (n->kind == NODE_SCALAR && n->plain && strcmp(n->text, "true") == 0)
		return json_true();
	if (n->kind == NODE_SCALAR && n->plain && strcmp(n->text, "false") == 0)
		return json_false();
	if (n->kind == NODE_SCALAR)
		return json_string(n->text);
	value = n->kind == NODE_SEQUENCE ? json_array() : json_object();
	for (const struct node *e = n->children; e; e = e->next) {
		if (n->kind == NODE_SEQUENCE) {
			json_array_append_new(value, describe_value(e));
			continue;
		}
		json_object_set_new(value, e->text, describe_value(e->next));
		e = e->next;
	}
	return value;
}

json_t *describe_examples(const struct field *f)
{
	json_t *examples = json_array();
	const char *line = f->examples;

	while (*line) {
		_cleanup_(tree_freep) struct tree *tree = NULL;
		size_t length = strcspn(line, "\n");
		_cleanup_free_ char *text = strndup(line, length);
		const struct policy_file file = {(char[]){"example"}, text, length};

		if (text && tree_parse(&file, NULL, &tree, NULL) == 0)
			json_array_append_new(examples, describe_value(tree->root));
		line += length + (line[length] == '\n');
	}
	return examples;
}

static json_t *pattern_json(void (*pattern)(struct text *t))
{
	char text[256];
	struct text t;

	text_init(&t, text, sizeof(text));
	pattern(&t);
	return json_string(t.truncated ? "" : text);
}

static json_t *words_json(const struct type *type)
{
	json_t *words = json_array();

	for (unsigned int i = 0; type->word(i); i++)
		json_array_append_new(words, json_string(type->word(i)));
	if (type->word == word_bool) {
		json_array_append_new(words, json_false());
		json_array_append_new(words, json_true());
	}
	return words;
}

/* One single value. */
static json_t *scalar_json(const struct type *type)
{
	json_t *number = NULL, *text, *types;

	if (type->is_number)
		number = json_pack("{s:[s,s], s:I, s:I, s:s}", "type", "integer", "string",
				   "minimum", (json_int_t)type->min, "maximum",
				   (json_int_t)type->max, "pattern", "^[0-9]+$");
	if (number && !type->word)
		return number;
	if (type->word)
		text = json_pack("{s:o}", "enum", words_json(type));
	else
		text = json_object();
	if (number)
		return json_pack("{s:[o,o]}", "anyOf", text, number);
	if (type->word)
		return text;
	types = json_pack("[s]", "string");
	if (type->is_digits)
		json_array_append_new(
			types,
			json_string(type->pattern && !type->is_decimal ? "integer" : "number"));
	if (type->is_digits && !type->pattern)
		json_array_append_new(types, json_string("boolean"));
	json_object_set_new(text, "type", types);
	if (type->pattern)
		json_object_set_new(text, "pattern", pattern_json(type->pattern));
	else if (type->max)
		json_object_set_new(text, "maxLength", json_integer((json_int_t)type->max));
	if (type->pattern && type->max) {
		json_object_set_new(text, "minimum", json_integer(0));
		json_object_set_new(text, "maximum", json_integer((json_int_t)type->max));
	}
	return text;
}

/* In a profile only what is different needs to be given, except where a value takes another's place. */
static bool is_partial(enum object object)
{
	return object != OBJECT_ENTRY && object != OBJECT_FEED && object != OBJECT_TARGET;
}

static json_t *reference_json(enum object object, bool partial)
{
	char path[64];
	struct text t;

	text_init(&t, path, sizeof(path));
	text_printf(&t, "#/$defs/%s%s", object_ids[object],
		    partial && is_partial(object) ? "_in_profile" : "");
	return json_pack("{s:s}", "$ref", path);
}

static json_t *any_of(json_t *variants)
{
	json_t *only;

	if (json_array_size(variants) != 1)
		return json_pack("{s:o}", "anyOf", variants);
	only = json_incref(json_array_get(variants, 0));
	json_decref(variants);
	return only;
}

static json_t *array_json(const struct type *type, json_t *items, int min)
{
	json_t *array = json_pack("{s:s, s:o}", "type", "array", "items", items);

	if (min)
		json_object_set_new(array, "minItems", json_integer(min));
	if (type->most)
		json_object_set_new(array, "maxItems", json_integer(type->most));
	return array;
}

static json_t *value_json(const struct type *type, bool partial)
{
	json_t *variants = json_array(), *names;

	switch (type->form) {
	case FORM_OBJECT:
		json_array_append_new(variants, reference_json(type->inner, partial));
		break;
	case FORM_NAMES:
		names = json_pack("{s:s, s:{s:o}, s:o, s:I}", "type", "object", "propertyNames",
				  "pattern", pattern_json(pattern_name), "additionalProperties",
				  reference_json(type->inner, partial), "maxProperties",
				  (json_int_t)type->most);
		json_array_append_new(variants, names);
		break;
	case FORM_LIST:
		if (type->element)
			json_array_append_new(variants, scalar_json(type->element));
		json_array_append_new(variants, reference_json(type->inner, partial));
		return array_json(type, any_of(variants), 0);
	case FORM_SCALAR:
		json_array_append_new(variants, scalar_json(type));
		if (type->kinds & NODE_SEQUENCE)
			json_array_append_new(variants, array_json(type, scalar_json(type), 1));
		if (type->kinds & NODE_MAPPING)
			json_array_append_new(variants, reference_json(type->inner, partial));
		break;
	}
	return any_of(variants);
}

static json_t *field_json(const struct field *f, bool partial)
{
	_cleanup_(text_done) struct text help = {.growing = true};
	json_t *value = value_json(f->type, partial);

	text_puts(&help, f->help);
	if (*f->fallback)
		text_printf(&help, " Default: %s.", f->fallback);
	if (*f->unit)
		text_printf(&help, " Unit: %s.", f->unit);
	json_object_set_new(value, "description", json_string(help.data ?: ""));
	json_object_set_new(value, "examples", describe_examples(f));
	return value;
}

static json_t *object_json(enum object object, bool partial)
{
	json_t *properties = json_object(), *required = json_array(), *value;

	for (size_t i = schema_next(object, 0); i != SIZE_MAX; i = schema_next(object, i + 1)) {
		const struct field *f = &schema_fields[i];

		json_object_set_new(properties, f->key, field_json(f, partial));
		/* A profile finds a limit by its name. */
		if (f->required &&
		    (!partial || (object == OBJECT_LIMIT && strcmp(f->key, "name") == 0)))
			json_array_append_new(required, json_string(f->key));
	}
	value = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
			  "additionalProperties", 0);
	if (json_array_size(required))
		json_object_set(value, "required", required);
	json_decref(required);
	return value;
}

json_t *policy_schema(void)
{
	json_t *schema =
		json_pack("{s:s, s:s, s:s}", "$schema", DRAFT, "$id",
			  "urn:weir:policy:" SCHEMA_API_VERSION, "title", "a policy of weir");
	json_t *definitions = json_object();
	char name[64];

	json_object_update_new(schema, object_json(OBJECT_POLICY, false));
	for (unsigned int i = OBJECT_POLICY + 1; i < OBJECT_MAX; i++) {
		json_object_set_new(definitions, object_ids[i],
				    object_json((enum object)i, i == OBJECT_PROFILE));
		if (i == OBJECT_PROFILE || !is_partial((enum object)i))
			continue;
		snprintf(name, sizeof(name), "%s_in_profile", object_ids[i]);
		json_object_set_new(definitions, name, object_json((enum object)i, true));
	}
	json_object_set_new(schema, "$defs", definitions);
	return schema;
}
