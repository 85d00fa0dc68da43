/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/fields.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

/* One member of what is asked for, and where it was looked for. */
struct field {
	const char *path;
	size_t length;
	bool found, open;  /* it is there; or there was nothing that could have it */
	json_t *elsewhere; /* an object that lacks it; borrowed */
};

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

int fields_check(const char *fields, struct fault *reterr)
{
	unsigned int count = 1, depth = 1;
	bool in_name = false;

	if (strlen(fields) >= FIELDS_SIZE)
		return fault(reterr, -EINVAL, "request.fields", "fields may have %d bytes",
			     FIELDS_SIZE - 1);
	for (const char *at = fields; *at; at++) {
		if (!is_name(*at) && (!in_name || !strchr(".,", *at)))
			return fault(reterr, -EINVAL, "request.fields",
				     "fields are names with dots and commas between, such as "
				     "name,policy.enabled");
		in_name = is_name(*at);
		count += *at == ',';
		depth = *at == ',' ? 1 : depth + (*at == '.');
		if (count > FIELDS_MAX || depth > FIELDS_DEPTH_MAX)
			return fault(reterr, -EINVAL, "request.fields",
				     "there may be %u fields, %u deep", FIELDS_MAX,
				     FIELDS_DEPTH_MAX);
	}
	if (!in_name)
		return fault(reterr, -EINVAL, "request.fields", "a field's name is missing");
	return 0;
}

/* Put into @to what @path names of @from; both are objects. As deep as FIELDS_DEPTH_MAX says. */
static int pick(const json_t *from, json_t *to, const char *path, size_t length, struct field *f)
{
	const char *dot = memchr(path, '.', length);
	size_t first = dot ? (size_t)(dot - path) : length, i;
	char name[FIELDS_SIZE];
	json_t *value, *kept, *item;
	int r = 0;

	snprintf(name, sizeof(name), "%.*s", (int)first, path);
	value = json_object_get(from, name);
	if (!value)
		return 0;
	if (!dot) {
		f->found = true;
		return json_object_set(to, name, value);
	}
	if (json_is_null(value) || (json_is_array(value) && !json_array_size(value))) {
		f->open = true;
		return json_object_set(to, name, value);
	}
	kept = json_object_get(to, name);
	if (!kept) {
		kept = json_is_array(value) ? json_array() : json_object();
		if (json_object_set_new(to, name, kept) < 0)
			return -ENOMEM;
	}
	length -= first + 1;
	if (json_is_object(value))
		r = pick(value, kept, dot + 1, length, f);
	json_array_foreach (value, i, item) {
		json_t *into = json_array_get(kept, i);

		if (!into && json_array_append_new(kept, into = json_object()) < 0)
			return -ENOMEM;
		if (json_is_object(item) && pick(item, into, dot + 1, length, f) < 0)
			return -ENOMEM;
	}
	return r;
}

static int unknown(const struct field *f, struct fault *reterr)
{
	_cleanup_(text_done) struct text known = {.growing = true};
	const char *key, *separator = "";
	json_t *value;

	json_object_foreach (f->elsewhere, key, value) {
		text_printf(&known, "%s%s", separator, key);
		separator = ", ";
	}
	return fault(reterr, -EINVAL, "request.fields", "there is no member '%.*s'; there are %s",
		     (int)(f->length < 60 ? f->length : 60), f->path, known.data ?: "none");
}

/* What all @fields name of @object, in @ret. */
static int select_of(json_t *object, struct field *fields, size_t count, json_t *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].elsewhere)
			fields[i].elsewhere = object;
		if (pick(object, ret, fields[i].path, fields[i].length, &fields[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static size_t split(const char *text, struct field ret[static FIELDS_MAX])
{
	size_t count = 0;

	while (count < FIELDS_MAX) {
		size_t length = strcspn(text, ",");

		ret[count++] = (struct field){.path = text, .length = length};
		if (!text[length])
			break;
		text += length + 1;
	}
	return count;
}

static int select_all(json_t *body, const char *list, struct field *fields, size_t count,
		      json_t *ret)
{
	json_t *items = json_object_get(body, list), *item;
	size_t i;
	int r = 0;

	if (!json_is_array(items))
		return select_of(body, fields, count, ret);
	if (json_object_update(ret, body) < 0 || json_object_set_new(ret, list, json_array()) < 0)
		return -ENOMEM;
	json_array_foreach (items, i, item) {
		json_t *kept = json_object();

		if (json_array_append_new(json_object_get(ret, list), kept) < 0)
			return -ENOMEM;
		if (json_is_object(item))
			r = r ?: select_of(item, fields, count, kept);
	}
	return r;
}

int fields_select(json_t *body, const char *list, const char *fields, struct fault *reterr)
{
	struct field all[FIELDS_MAX];
	size_t count = split(fields, all);
	json_t *kept = json_object();
	int r = kept ? select_all(body, list, all, count, kept) : -ENOMEM;

	if (r < 0)
		fault(reterr, r, "request.fields", "out of memory");
	for (size_t i = 0; i < count && r == 0; i++)
		if (!all[i].found && !all[i].open && all[i].elsewhere)
			r = unknown(&all[i], reterr);
	if (r == 0) {
		json_object_clear(body);
		r = json_object_update(body, kept);
	}
	json_decref(kept);
	return r;
}
