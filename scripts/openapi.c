/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes C of the description of the API, when weir is built: `openapi FILE V1 V2 ...` reads the YAML and writes one string of JSON
 * for each version, openapi_V1 and so on. A version is the one before with the values of x-versions put where
 * their JSON pointers say; null takes away. Anchors, aliases and merge keys ("<<") are resolved. Not part of weir.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <yaml.h>

#define DEPTH_MAX 64

static const char *file;

__attribute__((noreturn, format(printf, 2, 3))) static void die(const yaml_node_t *node,
								const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%zu: ", file, node ? node->start_mark.line + 1 : 0);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* What a plain scalar is in the JSON schema of YAML 1.2; everything else is a string. */
static json_t *scalar(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;
	char *end;
	long long number;
	double real;

	if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return json_string(text);
	if (!*text || strcmp(text, "null") == 0)
		return json_null();
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return json_boolean(*text == 't');
	if (!isdigit((unsigned char)text[strspn(text, "-")]))
		return json_string(text);
	errno = 0;
	number = strtoll(text, &end, 10);
	if (!*end && !errno)
		return json_integer(number);
	real = strtod(text, &end);
	return *end ? json_string(text) : json_real(real);
}

static json_t *convert(yaml_document_t *yaml, int index, unsigned int depth);

static bool is_merge(yaml_document_t *yaml, const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = yaml_document_get_node(yaml, pair->key);

	return key->type == YAML_SCALAR_NODE &&
	       strcmp((const char *)key->data.scalar.value, "<<") == 0;
}

static void put_pair(yaml_document_t *yaml, const yaml_node_pair_t *pair, json_t *object,
		     unsigned int depth)
{
	const yaml_node_t *key = yaml_document_get_node(yaml, pair->key);
	json_t *value = convert(yaml, pair->value, depth);
	const char *name;

	if (key->type != YAML_SCALAR_NODE)
		die(key, "a key is a word");
	name = (const char *)key->data.scalar.value;
	if (is_merge(yaml, pair)) {
		if (!json_is_object(value))
			die(key, "only a mapping can be merged");
		json_object_update_missing(object, value);
		json_decref(value);
		return;
	}
	if (json_object_get(object, name))
		die(key, "%s is there twice", name);
	json_object_set_new(object, name, value);
}

static json_t *convert(yaml_document_t *yaml, int index, unsigned int depth)
{
	const yaml_node_t *node = yaml_document_get_node(yaml, index);
	json_t *value;

	if (depth > DEPTH_MAX)
		die(node, "deeper than %d", DEPTH_MAX);
	if (node->type == YAML_SCALAR_NODE)
		return scalar(node);
	if (node->type == YAML_SEQUENCE_NODE) {
		value = json_array();
		for (yaml_node_item_t *i = node->data.sequence.items.start;
		     i < node->data.sequence.items.top; i++)
			json_array_append_new(value, convert(yaml, *i, depth + 1));
		return value;
	}
	value = json_object();
	/* What is merged comes last: the mapping's own keys win. */
	for (int merged = 0; merged <= 1; merged++)
		for (yaml_node_pair_t *i = node->data.mapping.pairs.start;
		     i < node->data.mapping.pairs.top; i++)
			if (is_merge(yaml, i) == merged)
				put_pair(yaml, i, value, depth + 1);
	return value;
}

static json_t *read_file(void)
{
	FILE *stream = fopen(file, "r");
	yaml_document_t yaml;
	yaml_parser_t parser;
	json_t *document;

	if (!stream || !yaml_parser_initialize(&parser))
		die(NULL, "cannot read it");
	yaml_parser_set_input_file(&parser, stream);
	if (!yaml_parser_load(&parser, &yaml) || !yaml_document_get_root_node(&yaml))
		die(NULL, "line %zu: %s", parser.problem_mark.line + 1, parser.problem ?: "empty");
	document = convert(&yaml, 1, 0);
	yaml_document_delete(&yaml);
	yaml_parser_delete(&parser);
	fclose(stream);
	return document;
}

/* One step of a JSON pointer (RFC 6901), undone of ~1 and ~0. Returns where the next one begins. */
static const char *step(const char *pointer, char ret[static 128])
{
	size_t length = 0;

	while (*++pointer && *pointer != '/') {
		char c = *pointer;

		if (c == '~')
			c = *++pointer == '1' ? '/' : '~';
		if (length < 127)
			ret[length++] = c;
	}
	ret[length] = '\0';
	return pointer;
}

static void put_at(json_t *document, const char *pointer, json_t *value)
{
	char name[128];
	const char *rest = step(pointer, name);

	while (*rest) {
		document = json_is_array(document)
				   ? json_array_get(document, (size_t)strtoul(name, NULL, 10))
				   : json_object_get(document, name);
		rest = step(rest, name);
	}
	if (!json_is_object(document))
		die(NULL, "x-versions: there is nothing at %s", pointer);
	if (json_is_null(value))
		json_object_del(document, name);
	else
		json_object_set(document, name, value);
}

static void print_literal(const char *text)
{
	for (size_t i = 0; text[i]; i++) {
		if (i % 90 == 0)
			fputs(i ? "\"\n\t\"" : "\t\"", stdout);
		if (text[i] == '"' || text[i] == '\\')
			putchar('\\');
		putchar(text[i]);
	}
	puts("\";");
}

int main(int argc, char **argv)
{
	json_t *document, *versions;

	if (argc < 3)
		return fprintf(stderr, "usage: openapi FILE VERSION...\n"), 2;
	file = argv[1];
	document = read_file();
	versions = json_incref(json_object_get(document, "x-versions"));
	for (const char *const *name =
		     (const char *const[]){"x-versions", "x-headers", "x-refusals", "x-json", NULL};
	     *name; name++)
		json_object_del(document, *name);
	for (int i = 2; i < argc; i++) {
		char word[16];
		const char *pointer;
		json_t *value;
		char *text;

		snprintf(word, sizeof(word), "%s", argv[i]);
		*word = (char)tolower((unsigned char)*word);
		json_object_foreach (json_object_get(versions, word), pointer, value)
			put_at(document, pointer, value);
		/* ASCII only, so that a literal of C needs nothing but '"' and '\' escaped. */
		text = json_dumps(document, JSON_COMPACT | JSON_ENSURE_ASCII);
		printf("static const char openapi_%s[] =\n", argv[i]);
		print_literal(text);
		free(text);
	}
	json_decref(versions);
	json_decref(document);
	return 0;
}
