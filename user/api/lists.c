/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Allow and block lists: read, add, remove. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/safety.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX     10000

/* Packets that the kernel's entry for this prefix decided; null if it has none, as for one that expired. */
static json_t *json_hits(const struct engine *e, const struct prefix *prefix)
{
	uint64_t hits;

	if (datapath_entry_hits(engine_datapath(e), prefix, &hits) < 0)
		return json_null();
	return json_integer((json_int_t)hits);
}

/* Texts of a feed's file are its author's: NULL if they are no UTF-8. */
static json_t *json_text(const char *text)
{
	return text ? json_string(text) ?: json_string("?") : json_null();
}

json_t *json_list_entry(const struct engine *e, const struct list_entry *entry)
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
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "list",
			 list_kind_to_str(entry->key.kind), "cidr", cidr, "origin",
			 list_origin_to_str(entry->key.origin), "reason", json_text(entry->reason),
			 "added_by", entry->added_by, "added_at", json_time(entry->added_ns),
			 "until", json_time(entry->until_ns), "left_seconds", left, "line",
			 entry->line ? json_integer(entry->line) : json_null(), "feed",
			 json_text(entry->feed), "file", json_text(entry->file), "hits",
			 json_hits(e, &entry->key.prefix));
}

json_t *json_covering(const struct engine *e, const uint8_t address[static 16], int kind)
{
	struct list_entry entries[LIST_COVERING_MAX];
	size_t count = list_set_covering(engine_lists(e), address, clock_monotonic_ns(), entries);
	json_t *items = json_array();

	for (size_t i = 0; i < count; i++)
		if (kind < 0 || (int)entries[i].key.kind == kind)
			json_array_append_new(items, json_list_entry(e, &entries[i]));
	return items;
}

void handle_lists(struct call *c)
{
	json_t *answer = json_object();

	for (enum list_kind kind = 0; kind < LIST_KIND_MAX; kind++)
		json_object_set_new(answer, list_kind_to_str(kind),
				    json_list_count(c->engine, kind));
	reply_json(c, 200, answer);
}

/* Of all entries of a feed; one that other entries of the same prefix share counts for each. */
static uint64_t feed_hits(const struct engine *e, const struct engine_feed *feed)
{
	const struct list_content *content = list_set_feed_content(engine_lists(e), feed->id);
	uint64_t sum = 0, hits;

	for (size_t i = 0; content && i < content->count; i++)
		if (datapath_entry_hits(engine_datapath(e), &content->entries[i].prefix, &hits) ==
		    0)
			sum += hits;
	return sum;
}

static json_t *json_feed_error(const struct engine_feed *feed)
{
	if (!feed->error.err)
		return json_null();
	return json_pack("{s:s, s:o, s:o}", "code", feed->error.code, "detail",
			 json_text(feed->error.text), "at", json_time(feed->error_ns));
}

static json_t *json_feed(const struct engine *e, const struct engine_feed *feed)
{
	const struct feed_report *report = &feed->report;
	json_t *bad = json_array();

	for (size_t i = 0; i < FEED_EXAMPLES && *report->examples[i]; i++)
		json_array_append_new(bad, json_text(report->examples[i]));
	return json_pack("{s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:s, s:I, s:I, "
			 "s:I, s:I, s:o, s:o}",
			 "name", feed->name, "list", list_kind_to_str(feed->kind), "file",
			 json_text(feed->file), "format", feed_format_to_str(report->format),
			 "entries", (json_int_t)feed->entries, "added", (json_int_t)feed->added,
			 "removed", (json_int_t)feed->removed, "hits",
			 (json_int_t)feed_hits(e, feed), "read_at",
			 feed->read ? json_time(feed->read_ns) : json_null(), "written_at",
			 feed->read ? json_time(report->signature.modified_ns) : json_null(),
			 "until", json_time(feed->until_ns), "sha256", report->sha256, "lines",
			 (json_int_t)report->lines, "bad_lines", (json_int_t)report->bad, "masked",
			 (json_int_t)report->masked, "duplicates", (json_int_t)report->duplicates,
			 "bad_examples", bad, "error", json_feed_error(feed));
}

void handle_feeds(struct call *c)
{
	const struct engine_feed *feed;
	json_t *items = json_array();

	for (size_t i = 0; (feed = engine_feed(c->engine, i)); i++)
		json_array_append_new(items, json_feed(c->engine, feed));
	reply_json(c, 200, json_pack("{s:o}", "items", items));
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

/* A prefix as the path or the body has it. Answers itself if it is none. */
static int parse_prefix(struct call *c, const char *text, struct prefix *ret)
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

/* The prefix that somebody wants to change a list at, and may. */
static int read_prefix(struct call *c, const char *text, struct prefix *ret)
{
	int r = parse_prefix(c, text, ret);

	return r < 0 ? r : authorize_prefix(c, PERMISSION_LISTS_WRITE, ret);
}

/* What "origin" or "feed:NAME" stands for. */
static int read_origin(const struct engine *e, const char *text, struct list_key *ret)
{
	const struct engine_feed *feed;

	for (enum list_origin o = 0; o < LIST_ORIGIN_MAX; o++)
		if (o != LIST_FEED && strcmp(text, list_origin_to_str(o)) == 0) {
			ret->origin = o;
			return 0;
		}
	if (strncmp(text, "feed:", 5) != 0)
		return -EINVAL;
	ret->origin = LIST_FEED;
	/* One that is gone was among the feeds: the next one is behind the entries of all others. */
	for (size_t i = 0; (feed = engine_feed(e, i)); i++)
		if (strcmp(text + 5, feed->name) == 0)
			ret->feed = feed->id;
	return 0;
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
	*ret = (struct list_key){.kind = kind};
	if (comma && (size_t)(comma - text) < sizeof(cidr)) {
		memcpy(cidr, text, (size_t)(comma - text));
		cidr[comma - text] = '\0';
		if (prefix_parse(cidr, &ret->prefix) == 0 &&
		    read_origin(c->engine, comma + 1, ret) == 0) {
			*ret_after = ret;
			return 0;
		}
	}
	reply_problem(c, 400, "request.cursor", "the cursor is not one that a list gave");
	return -EINVAL;
}

static void format_cursor(const struct list_entry *e, char *ret, size_t size)
{
	char cidr[PREFIX_TEXT_SIZE];

	prefix_format(&e->key.prefix, cidr);
	snprintf(ret, size, "%s,%s%s%s", cidr, list_origin_to_str(e->key.origin),
		 e->feed ? ":" : "", e->feed ?: "");
}

static void reply_page(struct call *c, enum list_kind kind, const struct list_key *after,
		       uint32_t limit)
{
	const struct list_set *set = engine_lists(c->engine);
	char cursor[PREFIX_TEXT_SIZE + LIST_FEED_MAX + 16];
	json_t *items = json_array();
	struct list_entry entry;
	struct list_key last;
	bool more;

	while ((more = list_set_next(set, kind, after, &entry)) && json_array_size(items) < limit) {
		json_array_append_new(items, json_list_entry(c->engine, &entry));
		format_cursor(&entry, cursor, sizeof(cursor));
		last = entry.key;
		after = &last;
	}
	reply_json(c, 200,
		   json_pack("{s:o, s:s?}", "items", items, "next_cursor",
			     more && json_array_size(items) ? cursor : NULL));
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
	const struct list_key key = {request->kind, request->prefix, LIST_OPERATOR, 0};
	struct list_entry entry;
	struct fault f = {0};
	bool persisted;

	if (engine_list_add(c->engine, request, &c->actor, &persisted, &f) < 0)
		return reply_fault(c, &f);
	if (list_set_find(engine_lists(c->engine), &key, &entry) < 0)
		return reply_problem(c, 500, "lists.absent", "the entry is gone again");
	reply_changed(c, 201,
		      json_pack("{s:o, s:b}", "entry", json_list_entry(c->engine, &entry),
				"persisted", persisted));
}

/* What stands against it, and what lists the first address of the prefix by now. */
static void plan_entry(struct call *c, const struct engine_list_request *request)
{
	const struct list_key key = {request->kind, request->prefix, LIST_OPERATOR, 0};
	struct safety_findings findings = {0};
	char cidr[PREFIX_TEXT_SIZE];
	struct list_entry entry;

	prefix_format(&request->prefix, cidr);
	if (request->kind == LIST_BLOCK)
		engine_block_findings(c->engine, &request->prefix, &c->actor, &findings);
	reply_json(c, 200,
		   json_pack("{s:b, s:s, s:s, s:b, s:b, s:o, s:o}", "dry_run", 1, "list",
			     list_kind_to_str(request->kind), "cidr", cidr, "replaces",
			     list_set_find(engine_lists(c->engine), &key, &entry) == 0, "refused",
			     findings.count && !c->actor.force, "safety", json_findings(&findings),
			     "listed_by", json_covering(c->engine, request->prefix.address, -1)));
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
		(c->actor.dry_run ? plan_entry : add_entry)(c, &request);
	json_decref(body);
}

/* The one that DELETE would take off: what the policy and feeds list is theirs. */
void handle_list_entry(struct call *c)
{
	struct list_key key = {.origin = LIST_OPERATOR};
	struct list_entry entry;
	const char *rest;

	if (read_kind(c, &key.kind, &rest) < 0 || parse_prefix(c, rest, &key.prefix) < 0)
		return;
	if (list_set_find(engine_lists(c->engine), &key, &entry) < 0)
		return reply_problem(c, 404, "lists.absent",
				     "no operator has put '%.60s' on the %s list", rest,
				     list_kind_to_str(key.kind));
	reply_json(c, 200, json_list_entry(c->engine, &entry));
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
