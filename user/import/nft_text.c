/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A rule as a line, for people to find it again. What is rare stays JSON. */
#include <string.h>

#include "import/nft.h"

#define DEPTH_MAX 6
#define ITEMS_MAX 8 /* of a set */

static void put(json_t *value, struct text *t, int depth);

static void put_raw(const json_t *value, struct text *t)
{
	_cleanup_free_ char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	text_puts(t, text ?: "?");
}

static void put_list(const json_t *list, struct text *t, const char *between, int depth)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		text_puts(t, i ? between : "");
		if (i == ITEMS_MAX) {
			text_puts(t, "...");
			return;
		}
		put(item, t, depth + 1);
	}
}

static void put_set(json_t *set, struct text *t, int depth)
{
	if (!json_is_array(set)) {
		put(set, t, depth + 1);
		return;
	}
	text_puts(t, "{ ");
	put_list(set, t, ", ", depth);
	text_puts(t, " }");
}

static void put_object(const char *key, json_t *value, struct text *t, int depth)
{
	if (strcmp(key, "payload") == 0 && *nft_word(value, "field"))
		text_printf(t, "%s %s", nft_word(value, "protocol"), nft_word(value, "field"));
	else if (strcmp(key, "meta") == 0)
		text_printf(t, "meta %s", nft_word(value, "key"));
	else if (strcmp(key, "ct") == 0)
		text_printf(t, "ct %s", nft_word(value, "key"));
	else if (strcmp(key, "set") == 0)
		put_set(value, t, depth);
	else if (strcmp(key, "range") == 0)
		put_list(value, t, "-", depth);
	else if (strcmp(key, "concat") == 0)
		put_list(value, t, " . ", depth);
	else if (strcmp(key, "&") == 0)
		put_list(value, t, " & ", depth);
	else if (strcmp(key, "|") == 0)
		put_list(value, t, "|", depth);
	else if (strcmp(key, "elem") == 0)
		put(json_object_get(value, "val"), t, depth + 1);
	else if (strcmp(key, "prefix") == 0)
		text_printf(t, "%s/%lld", nft_word(value, "addr"),
			    (long long)json_integer_value(json_object_get(value, "len")));
	else if (strcmp(key, "jump") == 0 || strcmp(key, "goto") == 0)
		text_printf(t, "%s %s", key, nft_word(value, "target"));
	else if (json_is_null(value) || strcmp(key, "counter") == 0)
		text_puts(t, key);
	else {
		text_printf(t, "%s ", key);
		put_raw(value, t);
	}
}

static void put(json_t *value, struct text *t, int depth)
{
	json_t *inner;
	const char *key;

	if (depth > DEPTH_MAX) {
		text_puts(t, "...");
		return;
	}
	if (json_is_string(value)) {
		text_puts(t, json_string_value(value));
		return;
	}
	if (json_is_array(value)) {
		put_list(value, t, ",", depth);
		return;
	}
	if (json_object_size(value) != 1) {
		put_raw(value, t);
		return;
	}
	json_object_foreach (value, key, inner) {
		put_object(key, inner, t, depth);
	}
}

static void put_match(const json_t *match, struct text *t)
{
	const char *op = nft_word(match, "op");

	put(json_object_get(match, "left"), t, 0);
	text_puts(t, " ");
	if (strcmp(op, "==") != 0 && strcmp(op, "in") != 0)
		text_printf(t, "%s ", op);
	put(json_object_get(match, "right"), t, 0);
}

static void put_limit(const json_t *limit, struct text *t)
{
	const char *unit = nft_word(limit, "rate_unit"), *burst = nft_word(limit, "burst_unit");

	text_printf(t, "limit rate %s%lld%s%s/%s",
		    json_is_true(json_object_get(limit, "inv")) ? "over " : "",
		    (long long)json_integer_value(json_object_get(limit, "rate")), *unit ? " " : "",
		    unit, nft_word(limit, "per"));
	if (json_object_get(limit, "burst"))
		text_printf(t, " burst %lld %s",
			    (long long)json_integer_value(json_object_get(limit, "burst")),
			    *burst ? burst : "packets");
}

static void put_statement(const char *name, json_t *value, struct text *t, int depth);

static void put_statements(json_t *list, struct text *t, int depth)
{
	json_t *statement, *value;
	const char *name;
	size_t i;

	if (json_is_object(list)) { /* of a meter: only one */
		json_object_foreach (list, name, value) {
			text_puts(t, " ");
			put_statement(name, value, t, depth + 1);
		}
		return;
	}
	json_array_foreach (list, i, statement) {
		json_object_foreach (statement, name, value) {
			text_puts(t, " ");
			put_statement(name, value, t, depth + 1);
		}
	}
}

static void put_statement(const char *name, json_t *value, struct text *t, int depth)
{
	if (depth > DEPTH_MAX) {
		text_puts(t, "...");
	} else if (strcmp(name, "match") == 0) {
		put_match(value, t);
	} else if (strcmp(name, "limit") == 0) {
		put_limit(value, t);
	} else if (strcmp(name, "ct count") == 0) {
		text_printf(t, "ct count %s%lld",
			    json_is_true(json_object_get(value, "inv")) ? "over " : "",
			    (long long)json_integer_value(json_object_get(value, "val")));
	} else if (strcmp(name, "set") == 0) {
		text_printf(t, "%s %s { ", nft_word(value, "op"), nft_word(value, "set"));
		put(json_object_get(value, "elem"), t, 0);
		put_statements(json_object_get(value, "stmt"), t, depth);
		text_puts(t, " }");
	} else if (strcmp(name, "meter") == 0) {
		text_printf(t, "meter %s { ", nft_word(value, "name"));
		put(json_object_get(value, "key"), t, 0);
		put_statements(json_object_get(value, "stmt"), t, depth);
		text_puts(t, " }");
	} else {
		put_object(name, value, t, 0);
	}
}

void nft_text(const json_t *expr, struct text *t)
{
	json_t *statement, *value;
	const char *name;
	size_t i;

	json_array_foreach (expr, i, statement) {
		json_object_foreach (statement, name, value) {
			text_puts(t, t->length ? " " : "");
			put_statement(name, value, t, 0);
		}
	}
}
