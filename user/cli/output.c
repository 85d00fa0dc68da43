/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/output.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "base/text.h"

#define DEPTH_MAX 64 /* levels of a value; deeper ones are printed as they are */

struct output {
	FILE *to;
	const char *rows; /* the member that has them */
	bool yaml;
	bool unfinished; /* a value goes on after its first line: it ends with the stream */
	bool raw;	 /* it is no JSON */
	size_t documents;
	struct text text; /* of the value that has begun */
};

/* What YAML would not read as a text without quotes. */
static bool is_plain(const char *s)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on",
					    "off",  "null",  "y",   "n"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(s, words[i]) == 0)
			return false;
	return isalpha((unsigned char)*s);
}

static int emit_scalar(yaml_emitter_t *e, const char *text, size_t length, bool plain)
{
	yaml_event_t event;

	return yaml_scalar_event_initialize(
		       &event, NULL, NULL, (const yaml_char_t *)text, (int)length, 1, 1,
		       plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE) &&
	       yaml_emitter_emit(e, &event);
}

static int emit_simple(yaml_emitter_t *e, const json_t *value)
{
	char text[64];

	switch (json_typeof(value)) {
	case JSON_STRING:
		return emit_scalar(e, json_string_value(value), json_string_length(value),
				   is_plain(json_string_value(value)));
	case JSON_INTEGER:
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		snprintf(text, sizeof(text), "%.17g", json_real_value(value));
		break;
	case JSON_TRUE:
		snprintf(text, sizeof(text), "true");
		break;
	case JSON_FALSE:
		snprintf(text, sizeof(text), "false");
		break;
	default:
		snprintf(text, sizeof(text), "null");
	}
	return emit_scalar(e, text, strlen(text), true);
}

static int emit(yaml_emitter_t *e, const json_t *value, unsigned int depth);

static int emit_object(yaml_emitter_t *e, const json_t *object, unsigned int depth)
{
	yaml_event_t event;
	const char *key;
	json_t *value;

	if (!yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_ANY_MAPPING_STYLE) ||
	    !yaml_emitter_emit(e, &event))
		return 0;
	/* The macro asks for an object that is not const, and changes nothing. */
	for (void *i = json_object_iter((json_t *)(uintptr_t)object); i;
	     i = json_object_iter_next((json_t *)(uintptr_t)object, i)) {
		key = json_object_iter_key(i);
		value = json_object_iter_value(i);
		if (!emit_scalar(e, key, strlen(key), is_plain(key)) || !emit(e, value, depth))
			return 0;
	}
	return yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(e, &event);
}

static int emit_array(yaml_emitter_t *e, const json_t *array, unsigned int depth)
{
	yaml_event_t event;

	if (!yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_ANY_SEQUENCE_STYLE) ||
	    !yaml_emitter_emit(e, &event))
		return 0;
	for (size_t i = 0; i < json_array_size(array); i++)
		if (!emit(e, json_array_get(array, i), depth))
			return 0;
	return yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(e, &event);
}

/* 0 = too deep, or out of memory. */
static int emit(yaml_emitter_t *e, const json_t *value, unsigned int depth)
{
	if (depth == DEPTH_MAX)
		return 0;
	if (json_is_object(value))
		return emit_object(e, value, depth + 1);
	if (json_is_array(value))
		return emit_array(e, value, depth + 1);
	return emit_simple(e, value);
}

static int append(void *userdata, unsigned char *data, size_t size)
{
	struct text *t = userdata;

	text_put(t, (const char *)data, size);
	return !t->truncated;
}

static int emit_document(const json_t *value, struct text *ret)
{
	yaml_emitter_t e;
	yaml_event_t event;
	int done;

	if (!yaml_emitter_initialize(&e))
		return 0;
	yaml_emitter_set_output(&e, append, ret);
	yaml_emitter_set_unicode(&e, 1);
	yaml_emitter_set_width(&e, -1);
	done = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
	       yaml_emitter_emit(&e, &event) &&
	       yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
	       yaml_emitter_emit(&e, &event) && emit(&e, value, 0) &&
	       yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(&e, &event) &&
	       yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(&e, &event);
	yaml_emitter_delete(&e);
	return done;
}

static int put_yaml(struct output *o, const json_t *value)
{
	_cleanup_(text_done) struct text document = {.growing = true};

	if (!emit_document(value, &document))
		return -ENOMEM;
	if (o->documents++)
		fputs("---\n", o->to);
	fwrite(document.data, 1, document.length, o->to);
	return 0;
}

static int put_items(struct output *o, const json_t *value)
{
	const json_t *items = json_object_get(value, o->rows), *item;
	size_t i;

	if (!json_is_array(items))
		return -ENOENT;
	json_array_foreach (items, i, item) {
		json_dumpf(item, o->to, JSON_COMPACT | JSON_ENCODE_ANY);
		fputc('\n', o->to);
	}
	return 0;
}

/* May it have rows? Records come by the million: they are not read, only to be written again. */
static bool has_rows(const struct output *o)
{
	return memmem(o->text.data, o->text.length, o->rows, strlen(o->rows));
}

/* Put what was gathered: a whole value, if it is one. */
static void put(struct output *o, bool last)
{
	_cleanup_(json_decrefp) json_t *value = NULL;
	json_error_t why;

	if (!o->text.length)
		return;
	if (!o->raw && (o->yaml || has_rows(o)))
		value = json_loadb(o->text.data, o->text.length, JSON_DECODE_ANY, &why);
	if (!value && !last && o->yaml && !o->raw &&
	    json_error_code(&why) == json_error_premature_end_of_input) {
		o->unfinished = true;
		return;
	}
	if (!value || (o->yaml ? put_yaml(o, value) : put_items(o, value)) < 0)
		fwrite(o->text.data, 1, o->text.length, o->to);
	o->raw = o->raw || (o->yaml && !value);
	text_done(&o->text);
	o->text = (struct text){.growing = true};
}

static ssize_t output_write(void *cookie, const char *data, size_t size)
{
	struct output *o = cookie;
	size_t done = 0;

	while (done < size) {
		const char *end = o->unfinished ? NULL : memchr(data + done, '\n', size - done);
		size_t length = end ? (size_t)(end - data) + 1 - done : size - done;

		text_put(&o->text, data + done, length);
		done += length;
		if (o->text.truncated)
			return 0;
		if (end)
			put(o, false);
	}
	return fflush(o->to) == EOF ? 0 : (ssize_t)size;
}

static int output_close(void *cookie)
{
	struct output *o = cookie;
	int r;

	put(o, true);
	r = fflush(o->to);
	text_done(&o->text);
	free(o);
	return r;
}

FILE *output_open(FILE *to, bool yaml, const char *rows)
{
	const cookie_io_functions_t functions = {.write = output_write, .close = output_close};
	struct output *o = calloc(1, sizeof(*o));
	FILE *f;

	if (!o)
		return NULL;
	*o = (struct output){.to = to, .rows = rows, .yaml = yaml, .text = {.growing = true}};
	f = fopencookie(o, "w", functions);
	if (!f)
		free(o);
	return f;
}
