/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Allow and block lists: read, add, remove. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/text.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX     10000

json_t *json_list_entry(const struct list_entry *entry)
{
	char cidr[PREFIX_TEXT_SIZE];
	uint64_t now_ns = clock_monotonic_ns();
	json_t *left = json_null();

	prefix_format(&entry->key.prefix, cidr);
	if (entry->until_monotonic_ns != WEIR_FOREVER)
		left = json_integer(
			entry->until_monotonic_ns > now_ns
				? (json_int_t)((entry->until_monotonic_ns - now_ns) / NSEC_PER_SEC)
				: 0);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "list",
			 list_kind_to_str(entry->key.kind), "cidr", cidr, "origin",
			 list_origin_to_str(entry->key.origin), "reason", entry->reason, "added_by",
			 entry->added_by, "added_at", json_time(entry->added_ns), "until",
			 json_time(entry->until_ns), "left_seconds", left, "line",
			 entry->line ? json_integer(entry->line) : json_null());
}

json_t *json_covering(const struct engine *e, const uint8_t address[static 16], int kind)
{
	const struct list_entry *entries[LIST_COVERING_MAX];
	size_t count = list_set_covering(engine_lists(e), address, clock_monotonic_ns(), entries);
	json_t *items = json_array();

	for (size_t i = 0; i < count; i++)
		if (kind < 0 || (int)entries[i]->key.kind == kind)
			json_array_append_new(items, json_list_entry(entries[i]));
	return items;
}

void handle_lists(struct call *c)
{
	reply_json(c, 200,
		   json_pack("{s:o, s:o}", "allow", json_list_count(c->engine, LIST_ALLOW), "block",
			     json_list_count(c->engine, LIST_BLOCK)));
}

/* The list that the path names, and what follows it. Answers itself if there is no such list. */
static int read_kind(struct call *c, enum list_kind *ret, const char **ret_rest)
{
	char name[16];
	size_t length = strcspn(c->rest, "/");

	snprintf(name, sizeof(name), "%.*s", length < sizeof(name) ? (int)length : 0, c->rest);
	if (list_kind_from_str(name, ret) < 0) {
		reply_problem(c, 404, "lists.kind",
			      "there is no list of that name: allow or block");
		return -ENOENT;
	}
	*ret_rest = c->rest[length] ? c->rest + length + 1 : "";
	return 0;
}

static int read_prefix(struct call *c, const char *text, struct prefix *ret)
{
	char meant[PREFIX_TEXT_SIZE];
	int r = prefix_parse(text, ret);

	if (r == -EDOM) {
		prefix_format(ret, meant);
		reply_problem(c, 422, "lists.cidr",
			      "'%s' has bits set beyond its length: did you mean %s?", text, meant);
	} else if (r < 0) {
		reply_problem(c, 422, "lists.cidr", "'%.60s' is no address and no CIDR prefix",
			      text);
	}
	return r;
}

/* A cursor is the key of the last entry of the page before, "cidr,origin": it stays good when entries
 * come and go. */
static int read_cursor(struct call *c, enum list_kind kind, struct list_key *ret,
		       const struct list_key **ret_after)
{
	const char *text = http_argument(c->request, "cursor");
	const char *comma = text ? strchr(text, ',') : NULL;
	char cidr[PREFIX_TEXT_SIZE];

	*ret_after = NULL;
	if (!text)
		return 0;
	ret->kind = kind;
	if (comma && (size_t)(comma - text) < sizeof(cidr)) {
		memcpy(cidr, text, (size_t)(comma - text));
		cidr[comma - text] = '\0';
		for (enum list_origin o = 0; o < LIST_ORIGIN_MAX; o++)
			if (strcmp(comma + 1, list_origin_to_str(o)) == 0 &&
			    prefix_parse(cidr, &ret->prefix) == 0) {
				ret->origin = o;
				*ret_after = ret;
				return 0;
			}
	}
	reply_problem(c, 400, "request.cursor", "the cursor is not one that a list gave");
	return -EINVAL;
}

/* The entry after @after, or the first, of @kind. */
static const struct list_entry *next_of_kind(const struct list_set *set, enum list_kind kind,
					     const struct list_key *after)
{
	const struct list_entry *entry = list_set_next(set, after);

	while (entry && entry->key.kind < kind)
		entry = list_set_next(set, &entry->key);
	return entry && entry->key.kind == kind ? entry : NULL;
}

static void reply_page(struct call *c, enum list_kind kind, const struct list_key *after,
		       uint32_t limit)
{
	const struct list_set *set = engine_lists(c->engine);
	char cidr[PREFIX_TEXT_SIZE], cursor[PREFIX_TEXT_SIZE + 16];
	const struct list_entry *entry, *last = NULL;
	json_t *items = json_array();

	for (entry = next_of_kind(set, kind, after); entry && json_array_size(items) < limit;
	     entry = next_of_kind(set, kind, &entry->key)) {
		json_array_append_new(items, json_list_entry(entry));
		last = entry;
	}
	if (entry && last) {
		prefix_format(&last->key.prefix, cidr);
		snprintf(cursor, sizeof(cursor), "%s,%s", cidr,
			 list_origin_to_str(last->key.origin));
	}
	reply_json(c, 200,
		   json_pack("{s:o, s:s?}", "items", items, "next_cursor",
			     entry && last ? cursor : NULL));
}

void handle_list_get(struct call *c)
{
	const struct list_key *after;
	struct list_key key;
	enum list_kind kind;
	const char *rest;
	uint32_t limit;

	if (read_kind(c, &kind, &rest) < 0)
		return;
	if (*rest)
		return reply_problem(c, 404, "request.path", "there is nothing at this path");
	if (read_limit_argument(c, PAGE_DEFAULT, PAGE_MAX, &limit) < 0 ||
	    read_cursor(c, kind, &key, &after) < 0)
		return;
	reply_page(c, kind, after, limit);
}

/* Members that a body may have; anything else is a mistake worth telling. */
static int check_members(struct call *c, json_t *body)
{
	const char *key;
	json_t *value;

	json_object_foreach (body, key, value) {
		if (strcmp(key, "cidr") != 0 && strcmp(key, "ttl") != 0 &&
		    strcmp(key, "reason") != 0) {
			reply_problem(c, 422, "request.member",
				      "unknown member '%.40s': cidr, ttl and reason are known",
				      key);
			return -EINVAL;
		}
		if (!json_is_string(value)) {
			reply_problem(c, 422, "request.member", "'%s' must be a string", key);
			return -EINVAL;
		}
	}
	return 0;
}

static int read_entry(struct call *c, json_t *body, struct engine_list_request *ret)
{
	const char *cidr = json_string_value(json_object_get(body, "cidr"));
	const char *ttl = json_string_value(json_object_get(body, "ttl"));
	int r;

	if (!cidr) {
		reply_problem(c, 422, "request.member", "'cidr' is missing");
		return -EINVAL;
	}
	ret->reason = json_string_value(json_object_get(body, "reason"));
	r = read_prefix(c, cidr, &ret->prefix);
	if (r < 0 || !ttl)
		return r;
	r = parse_duration_ns(ttl, &ret->ttl_ns);
	if (r < 0 || !ret->ttl_ns) {
		reply_problem(c, 422, "lists.ttl",
			      "'%.40s' is no lifetime: a number above 0 and one of ms s m h d w",
			      ttl);
		return -EINVAL;
	}
	return 0;
}

static void add_entry(struct call *c, const struct engine_list_request *request)
{
	const struct list_key key = {request->kind, request->prefix, LIST_OPERATOR};
	struct fault f = {0};
	bool persisted;

	if (engine_list_add(c->engine, request, &c->actor, &persisted, &f) < 0)
		return reply_fault(c, &f);
	reply_changed(c, 201,
		      json_pack("{s:o, s:b}", "entry",
				json_list_entry(list_set_find(engine_lists(c->engine), &key)),
				"persisted", persisted));
}

void handle_list_add(struct call *c)
{
	struct engine_list_request request = {0};
	json_error_t where;
	const char *rest;
	json_t *body;

	if (read_kind(c, &request.kind, &rest) < 0)
		return;
	if (*rest)
		return reply_problem(c, 404, "request.path", "there is nothing at this path");
	body = json_loadb(c->request->body, c->request->length, JSON_REJECT_DUPLICATES, &where);
	if (!json_is_object(body))
		reply_problem(c, 400, "request.json", "the body is no JSON object: %s",
			      body ? "it is something else" : where.text);
	else if (check_members(c, body) == 0 && read_entry(c, body, &request) == 0)
		add_entry(c, &request);
	json_decref(body);
}

void handle_list_remove(struct call *c)
{
	char cidr[PREFIX_TEXT_SIZE];
	struct fault f = {0};
	struct prefix prefix;
	enum list_kind kind;
	const char *rest;
	bool persisted;

	if (read_kind(c, &kind, &rest) < 0 || read_prefix(c, rest, &prefix) < 0)
		return;
	if (engine_list_remove(c->engine, kind, &prefix, &c->actor, &persisted, &f) < 0)
		return reply_fault(c, &f);
	prefix_format(&prefix, cidr);
	/* Taking an address off a list does not mean that nothing else lists it. */
	reply_changed(c, 200,
		      json_pack("{s:s, s:s, s:b, s:o}", "list", list_kind_to_str(kind), "removed",
				cidr, "persisted", persisted, "still_listed_by",
				json_covering(c->engine, prefix.address, (int)kind)));
}
