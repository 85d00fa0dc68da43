/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of keys as text for people: one key, or all of them. */
#include <errno.h>
#include <string.h>

#include "policy/describe.h"
#include "policy/schema.h"

#define COLUMNS	    90
#define PATH_BYTES  128
#define MATCHES_MAX 16

/* Called for each key with its path, from the top down. */
typedef void visit_fn(const struct field *f, const char *path, unsigned int depth, void *userdata);

/* Goes as deep as the table does. What a profile has is said once, of the policy. */
static void walk(enum object object, const char *above, unsigned int depth, visit_fn *visit,
		 void *userdata)
{
	for (size_t i = schema_next(object, 0); i != SIZE_MAX; i = schema_next(object, i + 1)) {
		const struct field *f = &schema_fields[i];
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "%s%s%s", above, *above ? "." : "", f->key);
		visit(f, path, depth, userdata);
		if (f->type->inner && f->type->inner != OBJECT_PROFILE)
			walk(f->type->inner, path, depth + 1, visit, userdata);
	}
}

struct search {
	const char *word;
	const struct field *found;
	char path[PATH_BYTES];
	struct text *others;
	size_t count;
};

static void match(const struct field *f, const char *path, unsigned int depth, void *userdata)
{
	struct search *s = userdata;

	(void)depth;
	if (strcmp(f->key, s->word) != 0)
		return;
	if (!s->count++) {
		s->found = f;
		snprintf(s->path, sizeof(s->path), "%s", path);
	}
	if (s->count <= MATCHES_MAX)
		text_printf(s->others, "%s%s", s->count > 1 ? ", " : "", path);
}

static int refuse_key(const char *path, const char *word, enum object object, struct fault *reterr)
{
	char hint[SCHEMA_SUGGESTION_SIZE];
	const char *known[SCHEMA_KEYS_MAX];
	size_t count = 0;

	for (size_t i = schema_next(object, 0); i != SIZE_MAX; i = schema_next(object, i + 1))
		known[count++] = schema_fields[i].key;
	schema_suggest(word, known, count, hint);
	return fault(reterr, -ENOENT, "policy.explain.key",
		     "'%.64s': there is no key '%.64s' in %s%s", path, word,
		     schema_object_str(object), hint);
}

/* No key at all is called so. */
static int refuse_word(const char *word, struct fault *reterr)
{
	char hint[SCHEMA_SUGGESTION_SIZE];
	const char *known[SCHEMA_KEYS_MAX];

	for (size_t i = 0; i < schema_field_count; i++)
		known[i] = schema_fields[i].key;
	schema_suggest(word, known, schema_field_count, hint);
	if (!strstr(hint, "did you mean"))
		return refuse_key(word, word, OBJECT_POLICY, reterr);
	return fault(reterr, -ENOENT, "policy.explain.key", "there is no key '%.64s'%s", word,
		     hint);
}

/* One word that is no key of the policy itself, but of something in it. */
static int find_word(const char *word, const struct field **ret, char ret_path[static PATH_BYTES],
		     struct fault *reterr)
{
	_cleanup_(text_done) struct text others = {.growing = true};
	struct search s = {.word = word, .others = &others};

	walk(OBJECT_POLICY, "", 0, match, &s);
	if (!s.count)
		return refuse_word(word, reterr);
	if (s.count > 1)
		return fault(reterr, -ENOENT, "policy.explain.key", "'%.64s' could be %.400s", word,
			     others.data ?: "");
	*ret = s.found;
	memcpy(ret_path, s.path, PATH_BYTES);
	return 0;
}

/* "limits.rate", "limits[0].rate", "services.web.dport". */
static int find(const char *path, const struct field **ret, char ret_path[static PATH_BYTES],
		struct fault *reterr)
{
	enum object object = OBJECT_POLICY;
	const struct field *f = NULL;
	const char *rest = path;
	struct text t;

	if (!strchr(path, '.') && !schema_find(OBJECT_POLICY, path))
		return find_word(path, ret, ret_path, reterr);
	text_init(&t, ret_path, PATH_BYTES);
	while (*rest) {
		size_t length = strcspn(rest, ".");
		const struct field *next;
		char word[64];

		snprintf(word, sizeof(word), "%.*s", (int)strcspn(rest, ".["), rest);
		rest += length + (rest[length] == '.');
		next = schema_find(object, word);
		if (!next && f && f->type->form == FORM_NAMES && *rest) {
			object = f->type->inner; /* a name that somebody chose */
			f = NULL;
			continue;
		}
		if (!next)
			return refuse_key(path, word, object, reterr);
		f = next;
		object = f->type->inner;
		text_printf(&t, "%s%s", t.length ? "." : "", f->key);
	}
	if (!f)
		return refuse_key(path, path, OBJECT_POLICY, reterr);
	*ret = f;
	return 0;
}

static void put_wrapped(struct text *t, const char *words, unsigned int indent)
{
	size_t column = indent;

	text_printf(t, "%*s", (int)indent, "");
	while (*words) {
		size_t length = strcspn(words, " ");

		if (column > indent && column + 1 + length > COLUMNS) {
			text_printf(t, "\n%*s", (int)indent, "");
			column = indent;
		}
		text_printf(t, "%s%.*s", column > indent ? " " : "", (int)length, words);
		column += length + (column > indent);
		words += length + (words[length] == ' ');
	}
	text_puts(t, "\n");
}

static void put_row(struct text *t, const char *title, const char *value)
{
	if (*value)
		text_printf(t, "  %-9s %s\n", title, value);
}

static void put_words(struct text *t, const struct type *type)
{
	text_printf(t, "  %-9s ", "words");
	for (unsigned int i = 0; type->word(i); i++)
		text_printf(t, "%s%s", i ? ", " : "", type->word(i));
	text_puts(t, "\n");
}

static void put_examples(struct text *t, const struct field *f)
{
	for (const char *line = f->examples; *line; line += *line == '\n') {
		size_t length = strcspn(line, "\n");

		text_printf(t, "  %-9s %s: %.*s\n", line == f->examples ? "example" : "", f->key,
			    (int)length, line);
		line += length;
	}
}

int policy_explain(const char *path, struct text *t, struct fault *reterr)
{
	char full[PATH_BYTES], wanted[128];
	const struct field *f;
	struct text words;
	int r = find(path, &f, full, reterr);

	if (r < 0)
		return r;
	text_init(&words, wanted, sizeof(wanted));
	schema_wanted(f->type, &words);
	text_printf(t, "%s\n\n", full);
	put_wrapped(t, f->help, 2);
	text_puts(t, "\n");
	put_row(t, "takes", wanted);
	if (f->type->word && f->type->wanted)
		put_words(t, f->type);
	put_row(t, "required", f->required ? "yes" : "no");
	put_row(t, "default", f->fallback);
	put_row(t, "unit", f->unit);
	put_examples(t, f);
	put_row(t, "see also", f->see);
	if (!f->type->inner || f->type->inner == OBJECT_PROFILE)
		return 0;
	text_puts(t, "\n  keys:\n");
	for (size_t i = schema_next(f->type->inner, 0); i != SIZE_MAX;
	     i = schema_next(f->type->inner, i + 1))
		text_printf(t, "    %-17s %s%.*s\n", schema_fields[i].key,
			    schema_fields[i].required ? "(required) " : "",
			    (int)strcspn(schema_fields[i].help, ".:;"), schema_fields[i].help);
	return 0;
}

static json_t *words_json(const struct type *type)
{
	json_t *words = json_array();

	for (unsigned int i = 0; type->word && type->word(i); i++)
		json_array_append_new(words, json_string(type->word(i)));
	return words;
}

static json_t *see_json(const struct field *f)
{
	json_t *see = json_array();

	for (const char *s = f->see; *s;) {
		size_t length = strcspn(s, " ");

		json_array_append_new(see, json_stringn(s, length));
		s += length + (s[length] == ' ');
	}
	return see;
}

static json_t *keys_json(const struct field *f)
{
	json_t *keys = json_array();

	if (f->type->inner && f->type->inner != OBJECT_PROFILE)
		for (size_t i = schema_next(f->type->inner, 0); i != SIZE_MAX;
		     i = schema_next(f->type->inner, i + 1))
			json_array_append_new(keys, json_string(schema_fields[i].key));
	return keys;
}

static json_t *field_json(const struct field *f, const char *path)
{
	char wanted[128], pattern[256] = "";
	struct text t;

	text_init(&t, wanted, sizeof(wanted));
	schema_wanted(f->type, &t);
	text_init(&t, pattern, sizeof(pattern));
	if (f->type->pattern)
		f->type->pattern(&t);
	return json_pack("{s:s, s:s, s:s, s:b, s:s?, s:s?, s:s?, s:o, s:o, s:o, s:o}", "path", path,
			 "description", f->help, "takes", wanted, "required", f->required,
			 "default", *f->fallback ? f->fallback : NULL, "unit",
			 *f->unit ? f->unit : NULL, "pattern", *pattern ? pattern : NULL, "words",
			 words_json(f->type), "examples", describe_examples(f), "see", see_json(f),
			 "keys", keys_json(f));
}

int policy_explain_json(const char *path, json_t **ret, struct fault *reterr)
{
	char full[PATH_BYTES];
	const struct field *f;
	int r = find(path, &f, full, reterr);

	if (r < 0)
		return r;
	*ret = field_json(f, full);
	return *ret ? 0 : fault(reterr, -ENOMEM, "policy.memory", "out of memory");
}

static void put_key(const struct field *f, const char *path, unsigned int depth, void *userdata)
{
	struct text *t = userdata;

	(void)path;
	text_printf(t, "%*s%-*s %s%.*s\n", (int)(2 * depth), "", (int)(24 - 2 * depth), f->key,
		    f->required ? "(required) " : "", (int)strcspn(f->help, ".:;"), f->help);
}

void policy_explain_all(struct text *t)
{
	walk(OBJECT_POLICY, "", 0, put_key, t);
}

static void append_key(const struct field *f, const char *path, unsigned int depth, void *userdata)
{
	(void)depth;
	json_array_append_new(userdata, field_json(f, path));
}

json_t *policy_explain_all_json(void)
{
	json_t *keys = json_array();

	if (keys)
		walk(OBJECT_POLICY, "", 0, append_key, keys);
	return keys;
}
