/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bytes of an audit record. What begins with a brace is read: if weir takes it for a record, it
 * is JSON to others as well, and showing it with its hash and taking that out again gives the same
 * bytes. Anything else is written: strings of the input as members of a record, which must be read
 * back whatever is in them.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "audit/hash.h"
#include "audit/record.h"
#include "base/cleanup.h"
#include "fuzz.h"

#define SIZE_MOST (AUDIT_RECORD_MAX + 100)

static const uint8_t hash[AUDIT_HASH_SIZE] = {0xab, 0xcd};

static void check_slice(const struct record_slice *s, const char *data, size_t length,
			const char *what)
{
	REQUIRE(s->data >= data && s->length <= length &&
			(size_t)(s->data - data) <= length - s->length,
		"%s is not in the record", what);
}

/* A vault that knows some, and nothing of others. */
static int some_open(const struct personal_sealed *sealed, const struct personal_place *place,
		     struct text *ret, void *userdata)
{
	static const int errors[] = {0, -ENOENT, -ENOKEY, -EBADMSG};
	int r = errors[sealed->subject % ARRAY_SIZE(errors)];

	(void)userdata;
	if (r == 0)
		text_printf(ret, "\"%s\xff", place->path);
	return r;
}

static int some_seal(enum field_kind kind, const char *value, const struct personal_place *place,
		     struct personal_sealed *ret, void *userdata)
{
	(void)place;
	(void)userdata;
	*ret = (struct personal_sealed){.subject = strlen(value), .commitment = {(uint8_t)kind, 7}};
	return strlen(value) % 5 ? 0 : -ENOKEY;
}

/* What is opened is JSON, too. */
static void check_opened(const char *data, size_t length, struct record_view view)
{
	const struct personal_opener opener = {.open = some_open};
	json_error_t where;
	struct text shown;
	json_t *json;

	view.opener = &opener;
	text_init_growing(&shown);
	record_put_view(&shown, data, length, &view, hash);
	json = json_loadb(shown.data, shown.length, JSON_ALLOW_NUL, &where);
	REQUIRE(json_is_object(json) || strstr(where.text, "NUL"), "no JSON: %s in %s", where.text,
		shown.data);
	json_decref(json);
	text_done(&shown);
}

static void check_view(const char *data, size_t length, const struct record_view *view)
{
	const size_t inserted = strlen(",\"hash\":\"\"") + AUDIT_HASH_TEXT - 1;
	size_t at = view->hash_offset;
	json_error_t where;
	struct text shown;
	json_t *json;

	check_slice(&view->action, data, length, "action");
	check_slice(&view->event_type, data, length, "event_type");
	check_slice(&view->outcome, data, length, "outcome");
	check_slice(&view->timestamp, data, length, "timestamp");
	check_slice(&view->actor, data, length, "actor");
	check_slice(&view->details, data, length, "details");
	check_slice(&view->resource, data, length, "resource");
	REQUIRE(view->index <= AUDIT_INDEX_MAX, "index %llu", (unsigned long long)view->index);
	REQUIRE(view->severity >= 1 && view->severity <= 5, "severity %u", view->severity);

	text_init_growing(&shown);
	record_put_view(&shown, data, length, view, hash);
	REQUIRE(shown.length == length + inserted, "%zu bytes shown of %zu", shown.length, length);
	REQUIRE(memcmp(shown.data, data, at) == 0 &&
			memcmp(shown.data + at + inserted, data + at, length - at) == 0,
		"more than the hash was put in");
	json = json_loadb(shown.data, shown.length, JSON_ALLOW_NUL, &where);
	/* JSON allows keys with a NUL in them, jansson doesn't. */
	REQUIRE(json_is_object(json) || strstr(where.text, "NUL"), "no JSON: %s, column %d",
		where.text, where.column);
	REQUIRE(!json || json_object_get(json, "hash"), "no hash");
	json_decref(json);
	text_done(&shown);
	check_opened(data, length, *view);
}

static void check_read(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *bytes =
		malloc(size); /* of exactly this size, so that reading on is seen */
	struct record_view view;

	REQUIRE(bytes, "no memory");
	memcpy(bytes, data, size);
	if (record_parse(bytes, size, &view) == 0)
		check_view(bytes, size, &view);
}

/* The next NUL-terminated string of the input. */
static const char *take(char **at, const char *end)
{
	const char *string = *at;

	*at += strlen(string);
	if (*at < end)
		++*at;
	return string;
}

static void check_written(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_string(data, size);
	uint8_t id[AUDIT_ID_SIZE] = {1}, previous[AUDIT_HASH_SIZE] = {2};
	struct personal_keeper keeper = {.seal = some_seal};
	struct audit_position at = {.index = size, .event_id = id, .previous_hash = previous};
	struct audit_details details = {0};
	struct audit_record record = {.details = &details, .time_ns = 1};
	struct record_view view;
	struct text out;
	char *next = text, *end = text + size;

	if (size % 4) /* with a vault, in each of its modes */
		at.keeper = &keeper;
	memset(keeper.modes, (int)(size % 4 % PERSONAL_MODE_MAX), sizeof(keeper.modes));
	if (size) {
		record.event = data[0] % AUDIT_EVENT_MAX;
		record.outcome = data[0] / 32 % AUDIT_OUTCOME_MAX;
		next++;
	}
	record.resource.type = take(&next, end);
	record.resource.id = take(&next, end);
	record.actor.username = take(&next, end);
	record.actor.user_id = take(&next, end);
	record.actor.role = take(&next, end);
	record.actor.ip_address = take(&next, end);
	audit_details_string(&details, "reason", take(&next, end));
	audit_details_string(&details, "words", take(&next, end));
	audit_details_u64(&details, "packets", size << 50 | size);
	audit_details_bool(&details, "persisted", size & 1);
	text_init_growing(&out);
	record_write(&record, &at, &out);
	REQUIRE(!out.truncated, "nothing was written");
	if (out.length <= AUDIT_RECORD_MAX) {
		REQUIRE(record_parse(out.data, out.length, &view) == 0, "not read back: %s",
			out.data);
		REQUIRE(view.index == size && memcmp(view.event_id, id, sizeof(id)) == 0 &&
				memcmp(view.previous_hash, previous, sizeof(previous)) == 0,
			"another place in the chain");
		check_view(out.data, out.length, &view);
	}
	text_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > SIZE_MOST)
		return 0;
	if (size && data[0] == '{')
		check_read(data, size);
	else
		check_written(data, size);
	return 0;
}
