/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/mention.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "audit/field.h"
#include "audit/personal.h"
#include "base/cleanup.h"
#include "base/text.h"

#define PATH_SIZE 128

int mention_init(struct mention *m, const char *subject)
{
	uint8_t address[16];

	if (!*subject || strlen(subject) > MENTION_MAX || !utf8_valid(subject, strlen(subject)))
		return -EINVAL;
	*m = (struct mention){0};
	if (address_parse(subject, address) == 0)
		address_format(address, m->word);
	else
		snprintf(m->word, sizeof(m->word), "%s", subject);
	m->is_prefix = prefix_parse(m->word, &m->prefix) == 0;
	return 0;
}

static bool is_word_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '-' || (unsigned char)c >= 0x80;
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);
	bool colons =
		strchr(word, ':'); /* else one that follows begins a port, or something else */

	for (const char *at = text; (at = strstr(at, word)); at++) {
		const char *end = at + length;
		bool starts =
			at == text || (!is_word_byte(at[-1]) && at[-1] != '.' && at[-1] != ':');
		bool ends = !is_word_byte(*end) &&
			    !((*end == '.' || (colons && *end == ':')) && is_word_byte(end[1]));

		if (starts && ends)
			return true;
	}
	return false;
}

static bool is_same(const struct prefix *found, void *userdata)
{
	const struct mention *m = userdata;

	return prefix_compare(found, &m->prefix) == 0;
}

bool mention_in_text(const struct mention *m, const char *text)
{
	struct mention copy = *m;

	if (has_word(text, m->word))
		return true;
	/* IPv4 can be written in another way only with this in it. */
	if (!m->is_prefix || (address_is_ipv4(m->prefix.address) && !strstr(text, "::")))
		return false;
	return personal_any_address(text, is_same, &copy);
}

bool mention_is_source(const struct mention *m, const uint8_t source[static 16])
{
	struct prefix p = {.bits = 128};

	memcpy(p.address, source, sizeof(p.address));
	return m->is_prefix && prefix_covers(&m->prefix, &p);
}

/* All strings below @value, which is what stands at @path. */
static bool in_value(const struct mention *m, const json_t *value, const char *path,
		     unsigned int depth)
{
	const char *text = json_string_value(value);
	const json_t *child;
	const char *key;
	size_t i;

	if (text)
		return audit_field_find(path)->kind != AUDIT_FIELD_OTHER &&
		       mention_in_text(m, text);
	if (depth == AUDIT_DEPTH_MAX || json_object_get(value, "sealed"))
		return false;
	json_array_foreach (value, i, child) {
		if (in_value(m, child, path, depth + 1))
			return true;
	}
	json_object_foreach ((json_t *)(uintptr_t)value, key, child) {
		char below[PATH_SIZE];

		snprintf(below, sizeof(below), "%s.%s", path, key);
		if (in_value(m, child, below, depth + 1))
			return true;
	}
	return false;
}

static bool in_resource(const struct mention *m, const json_t *resource)
{
	const char *type = json_string_value(json_object_get(resource, "type")) ?: "";
	const char *id = json_string_value(json_object_get(resource, "id"));

	return id && audit_field_of_resource(type)->kind != AUDIT_FIELD_OTHER &&
	       mention_in_text(m, id);
}

/* The daemon itself is nobody who could be meant. */
static bool in_actor(const struct mention *m, const json_t *actor)
{
	const char *role = json_string_value(json_object_get(actor, "role")) ?: "";

	return strcmp(role, "system") != 0 && in_value(m, actor, "actor", 0);
}

/*
 * Most records name somebody else, and reading JSON takes twenty times as long as looking for bytes. What is not
 * found is not there: text stands in a record as text_put_json() escapes it; an IPv4 address can be written in
 * another way only with "::" before it, and of IPv6 nothing can be said.
 */
static bool may_have(const struct mention *m, const char *data, size_t length)
{
	_cleanup_(text_done) struct text needle = {.growing = true};

	if (m->is_prefix && (!address_is_ipv4(m->prefix.address) || memmem(data, length, "::", 2)))
		return true;
	text_put_json(&needle, m->word);
	return needle.truncated || memmem(data, length, needle.data + 1, needle.length - 2);
}

static json_t *load(const struct record_slice *slice)
{
	return json_loadb(slice->data, slice->length, 0, NULL);
}

bool mention_in_record(const struct mention *m, const char *data, const struct record_view *view)
{
	size_t length = (size_t)(view->timestamp.data + view->timestamp.length - data);
	json_t *actor, *resource, *details;
	bool found;

	if (!may_have(m, data, length))
		return false;
	actor = load(&view->actor);
	resource = load(&view->resource);
	details = load(&view->details);
	found = in_actor(m, actor) || in_resource(m, resource) ||
		in_value(m, details, "details", 0);
	json_decref(actor);
	json_decref(resource);
	json_decref(details);
	return found;
}
