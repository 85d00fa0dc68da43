/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How the bodies of one version become those of the next: one row, and at most two functions, per changed resource. */
#include <stdlib.h>
#include <string.h>

#include "api/version.h"
#include "base/cleanup.h"
#include "policy/units.h"

static void rename_member(json_t *object, const char *from, const char *to)
{
	json_t *value = json_object_get(object, from);

	if (!value || strcmp(from, to) == 0)
		return;
	json_object_set(object, to, value);
	json_object_del(object, from);
}

/* Every list: what there is in "items", and in "next" where to go on, null at the end. */
static void list_as_items(json_t *body, const char *former)
{
	if (!json_is_object(body) ||
	    (!json_object_get(body, former) && strcmp(former, "items") != 0))
		return; /* an error, or one thing and no list */
	rename_member(body, former, "items");
	if (!json_is_array(json_object_get(body, "items")))
		return;
	rename_member(body, "next_cursor", "next");
	if (!json_object_get(body, "next"))
		json_object_set_new(body, "next", json_null());
}

static void items_of_items(json_t *body)
{
	list_as_items(body, "items");
}

static void items_of_sources(json_t *body)
{
	list_as_items(body, "sources");
}

/* "2k/s" and "packets" become {"value": 2000, "unit": "packets/s"}. */
static json_t *rate_of(const char *rate, const char *unit)
{
	static const struct {
		uint64_t per_ns;
		const char *word;
	} intervals[] = {{1000000000ULL, "s"},
			 {60 * 1000000000ULL, "min"},
			 {3600 * 1000000000ULL, "h"},
			 {86400 * 1000000000ULL, "d"}};
	struct policy_rate r;
	struct fault f = {0};
	uint64_t value;

	/* What a limit may come to, though nobody can write it. */
	if (strcmp(rate, "0/s") == 0 || strcmp(rate, "0B/s") == 0)
		return json_pack("{s:i, s:o}", "value", 0, "unit", json_sprintf("%s/s", unit));
	if (strcmp(unit, "bytes") == 0 && policy_byte_rate_parse(rate, &value, &f) == 0)
		return json_pack("{s:I, s:s}", "value", (json_int_t)value, "unit", "bytes/s");
	if (!strchr(rate, '/') && policy_count_parse(rate, &value, &f) == 0)
		return json_pack("{s:I, s:s}", "value", (json_int_t)value, "unit", unit);
	if (policy_rate_parse(rate, &r, &f) == 0)
		for (size_t i = 0; i < ARRAY_SIZE(intervals); i++)
			if (r.per_ns == intervals[i].per_ns)
				return json_pack("{s:I, s:o}", "value", (json_int_t)r.count, "unit",
						 json_sprintf("%s/%s", unit, intervals[i].word));
	return json_null();
}

static void rates_as_values(json_t *limits)
{
	json_t *limit;
	size_t i;

	json_array_foreach (limits, i, limit) {
		const char *rate = json_string_value(json_object_get(limit, "rate"));
		const char *unit = json_string_value(json_object_get(limit, "unit"));

		if (rate && unit)
			json_object_set_new(limit, "rate", rate_of(rate, unit));
	}
}

static void limits_response(json_t *body)
{
	items_of_items(body);
	rates_as_values(json_object_get(body, "items"));
}

static void source_response(json_t *body)
{
	rates_as_values(json_object_get(body, "limits"));
}

static void keys_response(json_t *body)
{
	list_as_items(body, "keys");
}

/* {"value": 10, "unit": "m"} becomes "10m", which is how v1 writes it; anything else is left to the handler. */
static void quantity_as_text(json_t *body, const char *key)
{
	json_t *quantity = json_object_get(body, key), *value;
	const char *unit = json_string_value(json_object_get(quantity, "unit"));

	value = json_object_get(quantity, "value");
	if (unit && json_is_integer(value))
		json_object_set_new(body, key,
				    json_sprintf("%" JSON_INTEGER_FORMAT "%s",
						 json_integer_value(value), unit));
	else if (unit && json_is_real(value))
		json_object_set_new(body, key,
				    json_sprintf("%.12g%s", json_real_value(value), unit));
}

/* "0.5%" becomes {"value": 0.5, "unit": "%"}. */
static void share_as_quantity(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	char *end;
	double value = text ? strtod(text, &end) : 0;

	if (text && strcmp(end, "%") == 0)
		json_object_set_new(object, key,
				    json_pack("{s:f, s:s}", "value", value, "unit", "%"));
}

static void list_request(json_t *body)
{
	quantity_as_text(body, "ttl");
}

/* {"value": 10, "unit": "requests/min"} becomes "10/m". */
static void requests_as_text(json_t *body)
{
	const json_t *quantity = json_object_get(body, "rate");
	const json_t *value = json_object_get(quantity, "value");
	const char *unit = json_string_value(json_object_get(quantity, "unit"));

	if (json_is_integer(value) && unit && strncmp(unit, "requests/", 9) == 0)
		json_object_set_new(body, "rate",
				    json_sprintf("%" JSON_INTEGER_FORMAT "/%s",
						 json_integer_value(value),
						 strcmp(unit + 9, "min") == 0 ? "m" : unit + 9));
}

static void requests_as_value(json_t *object)
{
	const char *rate = json_string_value(json_object_get(object, "rate"));

	if (rate)
		json_object_set_new(object, "rate", rate_of(rate, "requests"));
}

/* Keys or sessions, or one of them. */
static void grants_response(json_t *body)
{
	json_t *item;
	size_t i;

	items_of_items(body);
	requests_as_value(body);
	json_array_foreach (json_object_get(body, "items"), i, item) {
		requests_as_value(item);
	}
}

static void key_request(json_t *body)
{
	requests_as_text(body);
	quantity_as_text(body, "expires");
	quantity_as_text(body, "overlap");
}

static void flag_request(json_t *body)
{
	quantity_as_text(body, "ttl");
	quantity_as_text(body, "rollout");
}

static void flag_shares(json_t *flag)
{
	share_as_quantity(flag, "rollout");
	share_as_quantity(json_object_get(flag, "policy"), "rollout");
}

static void flags_shares(json_t *flags)
{
	json_t *flag;
	size_t i;

	json_array_foreach (flags, i, flag) {
		flag_shares(flag);
	}
}

/* A flag, a list of them, or what became of one. */
static void flags_response(json_t *body)
{
	items_of_items(body);
	flag_shares(body);
	flag_shares(json_object_get(body, "flag"));
	flags_shares(json_object_get(body, "items"));
}

static void status_response(json_t *body)
{
	flags_shares(json_object_get(body, "flags_set"));
}

static const struct api_migration migrations[] = {
	{"status", API_V2, "the rollout of flags_set is {value, unit}", status_response, NULL},
	{"limits", API_V2,
	 "a rate is {\"value\": 2000, \"unit\": \"packets/s\"} instead of text; the list has next",
	 limits_response, NULL},
	{"tenants", API_V2, "the list has next; of usage next_cursor is next", items_of_items,
	 NULL},
	{"top", API_V2, "the list has next", items_of_items, NULL},
	{"source", API_V2, "the rates of its limits are {value, unit}", source_response, NULL},
	{"lists", API_V2,
	 "next_cursor is next, and always there: null at the end; ttl is {\"value\": 10, \"unit\": \"m\"}",
	 items_of_items, list_request},
	{"feeds", API_V2, "the list has next", items_of_items, NULL},
	{"flags", API_V2,
	 "rollout is {\"value\": 25, \"unit\": \"%\"}, ttl likewise; the list has next",
	 flags_response, flag_request},
	{"policy/history", API_V2, "next_cursor is next, and always there: null at the end",
	 items_of_items, NULL},
	{"risk/sources", API_V2, "sources is items", items_of_sources, NULL},
	{"audit/keys", API_V2, "keys is items", keys_response, NULL},
	{"keys", API_V2,
	 "expires and overlap are {\"value\": 90, \"unit\": \"d\"}, rate likewise; the list has next",
	 grants_response, key_request},
	{"sessions", API_V2, "rate is {\"value\": 10, \"unit\": \"requests/s\"}; the list has next",
	 grants_response, requests_as_text},
	{"governance", API_V2, "next is always there: null at the end", items_of_items, NULL},
};

const struct api_migration *api_migrations(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(migrations);
	return migrations;
}

/* The row is about @path: it begins with that resource. */
static bool is_about(const struct api_migration *m, const char *path)
{
	size_t length = strlen(m->resource);

	return strncmp(path + 1, m->resource, length) == 0 &&
	       (!path[1 + length] || path[1 + length] == '/');
}

void api_migrate_response(enum api_version version, const char *path, json_t *body)
{
	for (size_t i = 0; i < ARRAY_SIZE(migrations); i++)
		if (migrations[i].version <= version && migrations[i].response &&
		    is_about(&migrations[i], path))
			migrations[i].response(body);
}

bool api_migrates_request(enum api_version version, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(migrations); i++)
		if (migrations[i].version <= version && migrations[i].request &&
		    is_about(&migrations[i], path))
			return true;
	return false;
}

/* The newest change is taken back first. */
void api_migrate_request(enum api_version version, const char *path, json_t *body)
{
	for (size_t i = ARRAY_SIZE(migrations); i-- > 0;)
		if (migrations[i].version <= version && migrations[i].request &&
		    is_about(&migrations[i], path))
			migrations[i].request(body);
}
