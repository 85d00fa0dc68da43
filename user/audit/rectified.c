/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/rectified.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "audit/hash.h"
#include "audit/search.h"

struct statement {
	uint8_t about[AUDIT_ID_SIZE];
	uint8_t hash[AUDIT_HASH_SIZE];
	char *data;
	size_t length;
	struct record_view view; /* points into data */
};

struct rectified {
	struct statement *list; /* by the record that they are about, then by their own index */
	size_t count;
};

void rectified_free(struct rectified *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++)
		free(r->list[i].data);
	free(r->list);
	free(r);
}

bool rectified_is_empty(const struct rectified *r)
{
	return !r || !r->count;
}

/* The event_id in `details`. -EINVAL: there is none. */
static int read_about(const struct record_view *view, uint8_t ret[static AUDIT_ID_SIZE])
{
	json_t *details = json_loadb(view->details.data, view->details.length, 0, NULL);
	const char *event = json_string_value(json_object_get(details, "event"));
	char digits[2 * AUDIT_ID_SIZE + 1];
	size_t length = 0;
	int error = -EINVAL;

	for (; event && *event && length < sizeof(digits) - 1; event++)
		if (*event != '-')
			digits[length++] = *event;
	digits[length] = '\0';
	if (length == sizeof(digits) - 1)
		error = hex_parse(digits, AUDIT_ID_SIZE, ret);
	json_decref(details);
	return error;
}

static int take(const struct reader_record *record, void *userdata)
{
	struct rectified *r = userdata;
	struct statement s = {.length = record->length}, *larger;

	if (read_about(&record->view, s.about) < 0)
		return 0;
	larger = reallocarray(r->list, r->count + 1, sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	r->list = larger;
	s.data = malloc(record->length);
	if (!s.data)
		return -ENOMEM;
	memcpy(s.data, record->data, record->length);
	memcpy(s.hash, record->hash, sizeof(s.hash));
	if (record_parse(s.data, s.length, &s.view) < 0) {
		free(s.data);
		return -EBADMSG;
	}
	r->list[r->count++] = s;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct statement *x = a, *y = b;
	int order = memcmp(x->about, y->about, sizeof(x->about));

	return order ?: (x->view.index > y->view.index) - (x->view.index < y->view.index);
}

int rectified_load(const char *path, bool (*is_cancelled)(void *userdata), void *userdata,
		   struct rectified **ret, struct fault *reterr)
{
	const struct audit_search_options options = {
		.from = SEARCH_BEGIN,
		.limit = RECTIFIED_MAX,
		.is_cancelled = is_cancelled,
		.userdata = userdata,
	};
	_cleanup_(rectified_freep) struct rectified *r = calloc(1, sizeof(*r));
	struct audit_search_result result;
	struct audit_query query;
	int error;

	if (!r)
		return fault(reterr, -ENOMEM, "audit.read", "out of memory");
	audit_query_init(&query);
	error = audit_query_set(&query, QUERY_TYPE,
				audit_event_to_str(AUDIT_EVENT_REQUEST_RECTIFIED), reterr);
	if (error == 0)
		error = audit_search(path, &query, &options, take, r, &result, reterr);
	if (error < 0)
		return error;
	if (r->count)
		qsort(r->list, r->count, sizeof(*r->list), compare);
	*ret = take_ptr(r);
	return 0;
}

/* The first statement about @event_id; the end of the list: there is none. */
static size_t find(const struct rectified *r, const uint8_t *event_id)
{
	size_t from = 0, to = rectified_is_empty(r) ? 0 : r->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (memcmp(r->list[middle].about, event_id, AUDIT_ID_SIZE) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool is_about(const struct rectified *r, size_t i, const uint8_t *event_id)
{
	return r && i < r->count && memcmp(r->list[i].about, event_id, AUDIT_ID_SIZE) == 0;
}

/* What is shown of it; NULL: out of memory. */
static json_t *show(const struct statement *s, const struct personal_opener *opener)
{
	_cleanup_(text_done) struct text text = {.growing = true};
	struct record_view view = s->view;
	json_t *record, *shown;

	view.opener = opener;
	record_put_view(&text, s->data, s->length, &view, s->hash);
	record = text.truncated ? NULL : json_loadb(text.data, text.length, 0, NULL);
	shown = json_pack("{s:O?, s:O?, s:O?}", "at", json_object_get(record, "timestamp"),
			  "request", json_object_get(json_object_get(record, "resource"), "id"),
			  "statement",
			  json_object_get(json_object_get(record, "details"), "statement"));
	json_decref(record);
	return shown;
}

void rectified_put(const struct rectified *r, const struct record_view *view, struct text *t)
{
	size_t i = find(r, view->event_id);
	_cleanup_free_ char *words = NULL;
	json_t *array;

	if (!is_about(r, i, view->event_id))
		return;
	array = json_array();
	for (; is_about(r, i, view->event_id); i++)
		if (json_array_append_new(array, show(&r->list[i], view->opener)) < 0)
			t->truncated = true;
	words = json_dumps(array, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(array);
	text_puts(t, ",\"rectified\":");
	text_puts(t, words ?: "[]");
	t->truncated |= !words;
}

int rectified_each(const struct rectified *r, const uint8_t *event_id,
		   int (*fn)(const struct record_view *statement, void *userdata), void *userdata)
{
	int error = 0;

	for (size_t i = find(r, event_id); error >= 0 && is_about(r, i, event_id); i++)
		error = fn(&r->list[i].view, userdata);
	return error < 0 ? error : 0;
}
