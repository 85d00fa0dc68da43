/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/stubs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "audit/hash.h"
#include "base/cleanup.h"

void stub_list_done(struct stub_list *list)
{
	free(list->items);
	*list = (struct stub_list){0};
}

int stub_list_add(struct stub_list *list, const struct stub_segment *segment)
{
	struct stub_segment *larger =
		reallocarray(list->items, list->count + 1, sizeof(*list->items));

	if (!larger)
		return -ENOMEM;
	list->items = larger;
	list->items[list->count++] = *segment;
	return 0;
}

static void explain(struct stub_list *list, const json_t *details)
{
	const json_t *segment = json_object_get(details, "segment");
	const char *hash = json_string_value(json_object_get(details, "sha256_after"));
	uint8_t file_hash[AUDIT_HASH_SIZE];

	if (!json_is_integer(segment) || !hash || strlen(hash) != AUDIT_HASH_TEXT - 1 ||
	    hex_parse(hash, AUDIT_HASH_SIZE, file_hash) < 0)
		return;
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].segment == (uint64_t)json_integer_value(segment) &&
		    memcmp(list->items[i].file_hash, file_hash, sizeof(file_hash)) == 0)
			list->items[i].explained = true;
}

bool stub_is_explained_by(const struct record_slice *event_type)
{
	static const enum audit_event events[] = {AUDIT_EVENT_RETENTION_ARCHIVED,
						  AUDIT_EVENT_REQUEST_REMOVED};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (audit_event_is(events[i], event_type->data, event_type->length))
			return true;
	return false;
}

void stub_list_record(struct stub_list *list, const char *data, size_t length)
{
	struct record_view view;
	json_t *details;

	if (!list->count || record_parse(data, length, &view) < 0 ||
	    !stub_is_explained_by(&view.event_type))
		return;
	details = json_loadb(view.details.data, view.details.length, 0, NULL);
	explain(list, details);
	json_decref(details);
}

const struct stub_segment *stub_list_unexplained(const struct stub_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (!list->items[i].explained)
			return &list->items[i];
	return NULL;
}
