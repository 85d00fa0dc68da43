/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/view.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/render.h"

#define TALKERS_PATH(by) "/v1/top?limit=200&seconds=5&by=" by
_Static_assert(VIEW_WINDOW_S == 5, "the paths say so");

/* What a row is made of besides its item. */
struct making {
	const json_t *before; /* the item of the same name then; NULL: there was none */
	double seconds;	      /* since then; of talkers, that were looked at */
};

#define TALKER_COLUMNS(title)                                                                      \
	{                                                                                          \
		{title, false}, {"PKT/S", true}, {"BIT/S", true}, {"DROP/S", true},                \
			{"DROP%", true}, {"WOULD/S", true}, {"REASON", false},                     \
	}

static void make_talker(struct view_row *row, const struct making *m);
static void make_rule(struct view_row *row, const struct making *m);
static void make_tenant(struct view_row *row, const struct making *m);
static void make_event(struct view_row *row, const struct making *m);

static const struct {
	const char *title, *path;
	struct view_column columns[VIEW_COLUMNS_MAX + 1];
	void (*make)(struct view_row *row, const struct making *m);
} tabs[] = {
	[VIEW_SOURCES] = {"Sources", TALKERS_PATH("source"), TALKER_COLUMNS("SOURCE"), make_talker},
	[VIEW_PREFIXES] = {"Prefixes", TALKERS_PATH("prefix"), TALKER_COLUMNS("PREFIX"),
			   make_talker},
	[VIEW_RULES] = {"Rules",
			"/v1/limits",
			{{"RULE", false},
			 {"UNIT", false},
			 {"RATE", false},
			 {"PASS/S", true},
			 {"DROP/S", true},
			 {"WOULD/S", true},
			 {"STATE", false}},
			make_rule},
	[VIEW_SERVICES] = {"Services", TALKERS_PATH("service"), TALKER_COLUMNS("SERVICE"),
			   make_talker},
	[VIEW_TENANTS] = {"Tenants",
			  "/v1/tenants",
			  {{"TENANT", false},
			   {"TIER", false},
			   {"QUOTA", false},
			   {"USED", true},
			   {"OF", true},
			   {"USED%", true},
			   {"UNTIL", false}},
			  make_tenant},
	[VIEW_EVENTS] = {"Events",
			 "/v1/audit/events?limit=100",
			 {{"TIME", false},
			  {"SEVERITY", false},
			  {"TYPE", false},
			  {"ACTOR", false},
			  {"RESOURCE", false},
			  {"OUTCOME", false}},
			 make_event},
};
_Static_assert(ARRAY_SIZE(tabs) == VIEW_TAB_MAX, "a tab is missing");

const char *view_title(enum view_tab tab)
{
	return tabs[tab].title;
}

const char *view_path(enum view_tab tab)
{
	return tabs[tab].path;
}

const struct view_column *view_columns(enum view_tab tab, size_t *ret_count)
{
	size_t count = 0;

	while (tabs[tab].columns[count].title)
		count++;
	*ret_count = count;
	return tabs[tab].columns;
}

size_t view_first_sort(enum view_tab tab)
{
	static const size_t first[VIEW_TAB_MAX] = {
		[VIEW_SOURCES] = 1,  [VIEW_PREFIXES] = 1, [VIEW_RULES] = 4,
		[VIEW_SERVICES] = 1, [VIEW_TENANTS] = 5,  [VIEW_EVENTS] = 0,
	};

	return first[tab];
}

void view_format_rate(double rate, char *ret, size_t size)
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;

	if (rate < 0 || isnan(rate)) {
		snprintf(ret, size, "-");
		return;
	}
	/* 999.95 would be printed as 1000.0. */
	while (rate >= 999.95 && units[unit + 1]) {
		rate /= 1000;
		unit++;
	}
	if (unit)
		snprintf(ret, size, rate < 99.95 ? "%.1f%c" : "%.0f%c", rate, units[unit]);
	else
		snprintf(ret, size, rate < 9.95 && rate != floor(rate) ? "%.1f" : "%.0f", rate);
}

__attribute__((format(printf, 2, 3))) static void put_text(struct view_cell *cell,
							   const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(cell->text, sizeof(cell->text), format, ap);
	va_end(ap);
	utf8_repair(cell->text); /* it may have been cut */
	render_defuse(cell->text);
}

static void put_rate(struct view_cell *cell, double rate)
{
	cell->number = rate;
	view_format_rate(rate, cell->text, sizeof(cell->text));
}

static void put_percent(struct view_cell *cell, double part, double whole)
{
	cell->number = whole > 0 ? 100 * part / whole : 0;
	snprintf(cell->text, sizeof(cell->text), "%.0f", cell->number);
}

static void make_talker(struct view_row *row, const struct making *m)
{
	double packets = (double)member_u64(row->item, "packets");
	double dropped = (double)member_u64(row->item, "dropped");
	double would = (double)member_u64(row->item, "would_drop");
	double seconds = m->seconds > 0 ? m->seconds : 1;

	put_text(&row->cells[0], "%s", member_text(row->item, "name"));
	put_rate(&row->cells[1], packets / seconds);
	put_rate(&row->cells[2], 8 * (double)member_u64(row->item, "bytes") / seconds);
	put_rate(&row->cells[3], dropped / seconds);
	put_percent(&row->cells[4], dropped, packets);
	put_rate(&row->cells[5], would / seconds);
	put_text(&row->cells[6], "%s", member_text(row->item, "reason"));
	row->alarming = dropped > packets / 2;
}

/* How much @key grew per second; below 0: it is not known. */
static double growth(const struct view_row *row, const struct making *m, const char *key)
{
	uint64_t now = member_u64(row->item, key), then = member_u64(m->before, key);

	return m->before && m->seconds > 0 && now >= then ? (double)(now - then) / m->seconds : -1;
}

static void put_rule_state(struct view_row *row)
{
	const json_t *state = json_object_get(row->item, "state");
	const json_t *adaptive = json_object_get(row->item, "adaptive");
	const char *level = member_text(state, "level");

	if (!member_bool(row->item, "in_force"))
		return put_text(&row->cells[6],
				member_bool(row->item, "flag_off") ? "flag off" : "not now");
	if (json_is_string(json_object_get(state, "since")))
		return put_text(&row->cells[6], "sources: %s", level);
	if (json_is_object(adaptive))
		return put_text(&row->cells[6], "at %.1f %%",
				(double)member_u64(adaptive, "factor_permille") / 10);
	if (member_bool(row->item, "shadow"))
		return put_text(&row->cells[6], "shadow");
	put_text(&row->cells[6], "%s", "");
}

static void make_rule(struct view_row *row, const struct making *m)
{
	double dropped = growth(row, m, "dropped");

	put_text(&row->cells[0], "%s", member_text(row->item, "name"));
	put_text(&row->cells[1], "%s", member_text(row->item, "unit"));
	put_text(&row->cells[2], "%s", member_text(row->item, "rate"));
	put_rate(&row->cells[3], growth(row, m, "passed"));
	put_rate(&row->cells[4], dropped);
	put_rate(&row->cells[5], growth(row, m, "would_drop"));
	put_rule_state(row);
	row->alarming = dropped > 0;
}

/* A row is a quota; who has none is one without. */
static void make_tenant(struct view_row *row, const struct making *m)
{
	const json_t *quota = json_object_get(row->item, "quota");
	double used = (double)member_u64(quota, "used"), most = (double)member_u64(quota, "quota");
	char until[RENDER_TIME_SIZE];

	(void)m;
	put_text(&row->cells[0], "%s", member_text(row->item, "name"));
	put_text(&row->cells[1], "%s", member_text(row->item, "tier"));
	if (!quota)
		return;
	put_text(&row->cells[2], "%s/%s", member_text(quota, "unit"), member_text(quota, "period"));
	put_rate(&row->cells[3], used);
	put_rate(&row->cells[4], most);
	put_percent(&row->cells[5], used, most);
	render_time(member_text(quota, "until"), until);
	put_text(&row->cells[6], "%s", until);
	row->alarming = used >= most;
}

static void make_event(struct view_row *row, const struct making *m)
{
	const json_t *actor = json_object_get(row->item, "actor");
	const json_t *resource = json_object_get(row->item, "resource");
	const char *severity = member_text(row->item, "severity");
	char at[RENDER_TIME_SIZE];

	(void)m;
	render_time(member_text(row->item, "timestamp"), at);
	put_text(&row->cells[0], "%s", at);
	row->cells[0].number = (double)member_u64(row->item, "index");
	put_text(&row->cells[1], "%s", severity);
	put_text(&row->cells[2], "%s", member_text(row->item, "event_type"));
	put_text(&row->cells[3], "%s", member_text(actor, "username"));
	put_text(&row->cells[4], "%s", member_text(resource, "id"));
	put_text(&row->cells[5], "%s", member_text(row->item, "outcome"));
	row->alarming = strcmp(severity, "critical") == 0 || strcmp(severity, "high") == 0;
}

/* The screen itself asks, and that is in the log: not what it is looked at for. */
static bool is_read(const json_t *item)
{
	const char *type = member_text(item, "event_type");

	return strcmp(type, "api.read") == 0 || strcmp(type, "audit.searched") == 0;
}

static bool is_shown(const struct view_row *row, const char *filter)
{
	if (!*filter)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(row->cells); i++)
		if (strcasestr(row->cells[i].text, filter))
			return true;
	return false;
}

/* The item of @before that is about the same. */
static const json_t *find_before(const json_t *before, const json_t *item)
{
	const json_t *other;
	size_t i;

	json_array_foreach (json_object_get(before, "items"), i, other) {
		if (strcmp(member_text(other, "name"), member_text(item, "name")) == 0 &&
		    strcmp(member_text(other, "unit"), member_text(item, "unit")) == 0)
			return other;
	}
	return NULL;
}

struct order {
	size_t column;
	bool by_number, reverse;
};

static int compare(const void *a, const void *b, void *userdata)
{
	const struct view_row *x = a, *y = b;
	const struct order *o = userdata;
	const struct view_cell *cx = &x->cells[o->column], *cy = &y->cells[o->column];
	int r = o->by_number && cx->number != cy->number ? (cx->number < cy->number ? 1 : -1)
							 : strverscmp(cx->text, cy->text);

	if (o->reverse)
		r = -r;
	return r ?: strverscmp(x->cells[0].text, y->cells[0].text);
}

static void add_row(struct view *v, const struct view_options *o, const json_t *item,
		    const struct making *m)
{
	struct view_row *row = &v->rows[v->count];

	*row = (struct view_row){.item = item};
	tabs[o->tab].make(row, m);
	if (is_shown(row, o->filter))
		v->count++;
	else
		v->hidden++;
}

/* Tenants have several quotas each: as many items, which the answer is to own. */
static json_t *spread_quotas(const json_t *answer)
{
	const json_t *tenant, *quota;
	json_t *items = json_array();
	size_t i, j;

	json_array_foreach (json_object_get(answer, "items"), i, tenant) {
		const json_t *quotas = json_object_get(tenant, "quotas");

		if (!json_array_size(quotas))
			json_array_append(items, (json_t *)(uintptr_t)tenant);
		json_array_foreach (quotas, j, quota) {
			json_array_append_new(
				items, json_pack("{s:s, s:s?, s:O}", "name",
						 member_text(tenant, "name"), "tier",
						 json_string_value(json_object_get(tenant, "tier")),
						 "quota", quota));
		}
	}
	return items;
}

int view_make(const struct view_options *o, const json_t *answer, const json_t *before,
	      double seconds, struct view *ret)
{
	const bool talks = tabs[o->tab].make == make_talker;
	const struct order order = {
		.column = o->sort,
		.by_number = tabs[o->tab].columns[o->sort].right || o->tab == VIEW_EVENTS,
		.reverse = o->reverse,
	};
	const json_t *items = json_object_get(answer, "items"), *item;
	struct view v = {0};
	size_t i;

	assert(o->sort < VIEW_COLUMNS_MAX && tabs[o->tab].columns[o->sort].title);
	if (o->tab == VIEW_TENANTS) {
		v.spread = spread_quotas(answer);
		items = v.spread;
	}
	v.rows = calloc(json_array_size(items) + 1, sizeof(*v.rows));
	if (!v.rows) {
		view_done(&v);
		return -ENOMEM;
	}
	json_array_foreach (items, i, item) {
		const struct making m = {
			.before = o->tab == VIEW_RULES ? find_before(before, item) : NULL,
			.seconds = talks ? json_number_value(json_object_get(answer, "seconds"))
					 : seconds,
		};

		if (o->tab != VIEW_EVENTS || !is_read(item))
			add_row(&v, o, item, &m);
	}
	qsort_r(v.rows, v.count, sizeof(*v.rows), compare, (void *)(uintptr_t)&order);
	*ret = v;
	return 0;
}

void view_done(struct view *v)
{
	free(v->rows);
	json_decref(v->spread);
	*v = (struct view){0};
}

void view_spark_add(struct view_spark *s, double value)
{
	s->values[s->count++ % VIEW_SPARK_MAX] = value;
}

void view_spark_format(const struct view_spark *s, size_t columns, bool utf8, char *ret)
{
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const ascii[] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
	const size_t kept = s->count < VIEW_SPARK_MAX ? s->count : VIEW_SPARK_MAX;
	const size_t shown = columns < kept ? columns : kept;
	double highest = 0;
	char *to = ret;

	for (size_t i = 0; i < shown; i++)
		highest = fmax(highest, s->values[(s->count - 1 - i) % VIEW_SPARK_MAX]);
	for (size_t i = 0; i < columns - shown; i++)
		*to++ = ' ';
	for (size_t i = shown; i > 0; i--) {
		double value = s->values[(s->count - i) % VIEW_SPARK_MAX];
		/* What is more than nothing is to be seen. */
		size_t level = highest > 0 && value > 0 ? (size_t)ceil(8 * value / highest) : 0;

		to = stpcpy(to, (utf8 ? blocks : ascii)[level]);
	}
	*to = '\0';
}
