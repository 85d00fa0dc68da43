/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/rotation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "audit/event.h"

void rotation_list_done(struct rotation_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].note);
	free(l->items);
	*l = (struct rotation_list){0};
}

static bool is_key(const struct note_verifier *a, const struct note_verifier *b)
{
	return a->id == b->id && strcmp(a->name, b->name) == 0 &&
	       memcmp(a->key, b->key, NOTE_KEY_SIZE) == 0;
}

/* One line of the text, which is a verifier key. Returns what is behind it; NULL: it is none. */
static const char *take_key(const char *at, const char *end, struct note_verifier *ret)
{
	const char *newline = at ? memchr(at, '\n', (size_t)(end - at)) : NULL;
	char line[NOTE_VERIFIER_SIZE];

	if (!newline || (size_t)(newline - at) >= sizeof(line))
		return NULL;
	memcpy(line, at, (size_t)(newline - at));
	line[newline - at] = '\0';
	return note_verifier_parse(line, ret, NULL) < 0 ? NULL : newline + 1;
}

/* Both keys, if both signed it. */
static bool read_note(const char *data, size_t length, struct note *note, struct rotation *ret)
{
	const char *at, *end;

	if (note_parse(data, length, note, NULL) < 0 ||
	    note->text_length < strlen(ROTATION_FIRST_LINE) ||
	    memcmp(note->text, ROTATION_FIRST_LINE, strlen(ROTATION_FIRST_LINE)) != 0)
		return false;
	end = note->text + note->text_length;
	at = take_key(note->text + strlen(ROTATION_FIRST_LINE), end, &ret->from);
	at = take_key(at, end, &ret->to);
	return at == end && strcmp(ret->from.name, ret->to.name) == 0 &&
	       note_verify(note, &ret->from, NULL) == 0 && note_verify(note, &ret->to, NULL) == 0;
}

static int add(struct rotation_list *l, const struct rotation *r)
{
	struct rotation *larger;

	larger = reallocarray(l->items, l->count + 1, sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	l->items = larger;
	larger[l->count++] = *r;
	return 0;
}

int rotation_list_note(struct rotation_list *l, uint64_t index, const char *text, size_t length)
{
	struct note *note = malloc(sizeof(*note));
	struct rotation r = {.index = index};
	int error = note ? 0 : -ENOMEM;

	if (error == 0 && l->count < ROTATIONS_MAX && read_note(text, length, note, &r)) {
		r.note = strndup(text, length);
		error = r.note ? add(l, &r) : -ENOMEM;
		if (error < 0)
			free(r.note);
		else
			error = 1;
	}
	free(note);
	return error;
}

int rotation_list_record(struct rotation_list *l, const char *data, size_t length)
{
	const char *name = audit_event_to_str(AUDIT_EVENT_AUDIT_KEY_ROTATED);
	struct record_view view;
	json_t *details, *text;
	int error = 0;

	if (record_parse(data, length, &view) < 0 || view.event_type.length != strlen(name) ||
	    memcmp(view.event_type.data, name, strlen(name)) != 0)
		return 0;
	details = json_loadb(view.details.data, view.details.length, 0, NULL);
	if (!details)
		return -ENOMEM;
	text = json_object_get(details, "note");
	if (json_is_string(text))
		error = rotation_list_note(l, view.index, json_string_value(text),
					   json_string_length(text));
	json_decref(details);
	return error < 0 ? error : 0;
}

/* Keys that come after @key: each that one of them named. */
static int follow_forward(const struct rotation_list *l, const struct note_verifier *key,
			  const struct note *note, uint64_t end, bool *reached,
			  const struct rotation **ret)
{
	for (size_t i = 0; i < l->count && l->items[i].index < end; i++) {
		int r;

		reached[i] = is_key(&l->items[i].from, key);
		for (size_t k = 0; k < i && !reached[i]; k++)
			reached[i] = reached[k] && is_key(&l->items[i].from, &l->items[k].to);
		r = reached[i] ? note_verify(note, &l->items[i].to, NULL) : -ENOKEY;
		*ret = &l->items[i];
		if (r != -ENOKEY)
			return r;
	}
	return -ENOKEY;
}

/* And keys that come before it, for what they signed before the record in which they named the next. */
static int follow_back(const struct rotation_list *l, const struct note_verifier *key,
		       const struct note *note, uint64_t end, bool *reached,
		       const struct rotation **ret)
{
	for (size_t i = l->count; i-- > 0;) {
		int r;

		reached[i] = is_key(&l->items[i].to, key);
		for (size_t k = i + 1; k < l->count && !reached[i]; k++)
			reached[i] = reached[k] && is_key(&l->items[i].to, &l->items[k].from);
		r = reached[i] && l->items[i].index >= end
			    ? note_verify(note, &l->items[i].from, NULL)
			    : -ENOKEY;
		*ret = &l->items[i];
		if (r != -ENOKEY)
			return r;
	}
	return -ENOKEY;
}

int rotation_follow(const struct rotation_list *l, const struct note_verifier *key,
		    const struct note *note, uint64_t end, bool back, const struct rotation **ret,
		    const struct note_verifier **ret_signer)
{
	bool reached[ROTATIONS_MAX];
	const struct rotation *found;
	int r = follow_forward(l, key, note, end, reached, &found);

	if (r == 0)
		*ret_signer = &found->to;
	if (r == -ENOKEY && back) {
		r = follow_back(l, key, note, end, reached, &found);
		if (r == 0)
			*ret_signer = &found->from;
	}
	if (r == 0)
		*ret = found;
	return r;
}

const struct rotation *rotation_to(const struct rotation_list *l, const struct note_verifier *key)
{
	for (size_t i = 0; i < l->count; i++)
		if (is_key(&l->items[i].to, key))
			return &l->items[i];
	return NULL;
}
