/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a tenant used, by day, and what that costs by the prices of its tier. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "api/internal.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "engine/usage.h"

#define DAYS_DEFAULT 30
#define DAY_S	     86400
#define DAY_SIZE     sizeof("2026-11-21")

/* What is asked for, and what the tenant is now. */
struct question {
	char tenant[POLICY_NAME_MAX + 1];
	const struct policy_tier *tier; /* NULL: has none */
	int64_t first, last, before;	/* days; the page has those before the last one */
	uint32_t limit;
};

static const char *day_text(int64_t day, char ret[static DAY_SIZE])
{
	time_t seconds = day * DAY_S;
	struct tm tm = {0};

	gmtime_r(&seconds, &tm);
	strftime(ret, DAY_SIZE, "%Y-%m-%d", &tm);
	return ret;
}

static int parse_day(const char *text, int64_t *ret)
{
	struct tm tm = {0};
	char again[DAY_SIZE];
	const char *end = strptime(text, "%Y-%m-%d", &tm);

	if (!end || *end)
		return -EINVAL;
	*ret = (int64_t)timegm(&tm) / DAY_S;
	return strcmp(day_text(*ret, again), text) == 0 ? 0 : -EINVAL;
}

/* An exact amount: nobody's floating point. */
static json_t *json_money(int64_t micro)
{
	return json_sprintf("%" PRId64 ".%06" PRId64, micro / POLICY_MICRO, micro % POLICY_MICRO);
}

static json_t *json_price(const struct policy_price *p)
{
	if (!*p->currency)
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "currency", p->currency, "month",
			 json_money((int64_t)p->month), "million_packets",
			 json_money((int64_t)p->million_packets), "gigabyte",
			 json_money((int64_t)p->gigabyte), "million_connections",
			 json_money((int64_t)p->million_connections));
}

static bool has_price(const struct question *q)
{
	return q->tier && *q->tier->price.currency;
}

static int64_t cost_of(const struct question *q, const struct engine_usage *u)
{
	const struct policy_passed passed = {
		.packets = u->count.passed_packets,
		.bytes = u->count.passed_bytes,
		.connections = u->count.passed_connections,
	};

	return policy_cost(&q->tier->price, &passed, u->day);
}

static json_t *json_counts(uint64_t packets, uint64_t bytes, uint64_t connections)
{
	return json_pack("{s:I, s:I, s:I}", "packets", (json_int_t)packets, "bytes",
			 (json_int_t)bytes, "connections", (json_int_t)connections);
}

/* @object gets what was counted, and what it costs. */
static void put_counts(json_t *object, const struct weir_usage_count *c, const struct question *q,
		       int64_t cost)
{
	json_object_set_new(object, "passed",
			    json_counts(c->passed_packets, c->passed_bytes, c->passed_connections));
	json_object_set_new(
		object, "refused",
		json_counts(c->refused_packets, c->refused_bytes, c->refused_connections));
	json_object_set_new(object, "cost", has_price(q) ? json_money(cost) : json_null());
}

static json_t *json_day(const struct engine_usage *u, const struct question *q)
{
	char day[DAY_SIZE], since[DAY_SIZE];
	json_t *object = json_pack("{s:s, s:s}", "day", day_text(u->day, day), "since",
				   day_text(u->since, since));

	put_counts(object, &u->count, q, has_price(q) ? cost_of(q, u) : 0);
	return object;
}

/* Of all days that were asked for, whatever the page is. */
static json_t *json_total(const struct engine_usage *days, size_t count, const struct question *q)
{
	struct weir_usage_count sum = {0};
	json_t *object = json_object();
	int64_t cost = 0;

	for (size_t i = 0; i < count; i++) {
		const __u64 *from = (const __u64 *)&days[i].count;
		__u64 *to = (__u64 *)&sum;

		for (size_t word = 0; word < sizeof(sum) / sizeof(*to); word++)
			to[word] += from[word];
		if (has_price(q) && __builtin_add_overflow(cost, cost_of(q, &days[i]), &cost))
			cost = INT64_MAX;
	}
	put_counts(object, &sum, q, cost);
	return object;
}

static int read_question(struct call *c, struct question *q)
{
	const struct policy *policy = engine_policy(c->engine);
	const char *days = http_argument(c->request, "days");
	const char *cursor = http_argument(c->request, "cursor");
	size_t length = strcspn(c->rest, "/");
	uint32_t number = DAYS_DEFAULT;

	*q = (struct question){.last = engine_usage_today(), .before = INT64_MAX};
	if (length < sizeof(q->tenant)) /* a longer one is nobody's name */
		snprintf(q->tenant, sizeof(q->tenant), "%.*s", (int)length, c->rest);
	for (size_t i = 0; i < policy->tenant_count; i++)
		if (strcmp(policy->tenants[i].name, q->tenant) == 0 && policy->tenants[i].tier)
			q->tier = &policy->tiers[policy->tenants[i].tier - 1];
	if (days && parse_u32(days, 1, USAGE_DAYS_MAX, &number) < 0) {
		reply_problem(c, 400, "request.days", "days must be a number from 1 to %u",
			      USAGE_DAYS_MAX);
		return -EINVAL;
	}
	q->first = q->last - number + 1;
	if (cursor && parse_day(cursor, &q->before) < 0) {
		reply_problem(c, 400, "request.cursor", "the cursor is not one that a page gave");
		return -EINVAL;
	}
	return read_limit_argument(c, USAGE_DAYS_MAX, USAGE_DAYS_MAX, &q->limit);
}

/* The latest first. A cursor is the day that the page before ended with. */
void handle_tenant_usage(struct call *c)
{
	_cleanup_free_ struct engine_usage *days = NULL;
	char since[DAY_SIZE], until[DAY_SIZE], last[DAY_SIZE];
	struct fault f = {0};
	struct question q;
	size_t count = 0, i = 0;
	json_t *items;

	if (read_question(c, &q) < 0)
		return;
	if (engine_usage_read(c->engine, q.tenant, q.first, q.last, &days, &count, &f) < 0)
		return reply_fault(c, &f);
	items = json_array();
	while (i < count && days[i].day >= q.before)
		i++;
	for (; i < count && json_array_size(items) < q.limit; i++)
		json_array_append_new(items, json_day(&days[i], &q));
	reply_json(c, 200,
		   json_pack("{s:s, s:s?, s:s, s:s, s:o, s:o, s:o, s:o}", "tenant", q.tenant,
			     "tier", q.tier ? q.tier->name : NULL, "since",
			     day_text(q.first, since), "until", day_text(q.last, until), "price",
			     q.tier ? json_price(&q.tier->price) : json_null(), "total",
			     json_total(days, count, &q), "items", items, "next_cursor",
			     i < count && i ? json_string(day_text(days[i - 1].day, last))
					    : json_null()));
}
