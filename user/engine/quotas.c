/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/quotas.h"

#include <errno.h>
#include <string.h>

#include "base/calendar.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/internal.h"

/* The kernel's clock and that on the wall differ by a constant, but for how it was measured, until somebody sets
 * the latter. */
#define STEP_NS (100 * (int64_t)NSEC_PER_MSEC)

static const unsigned int thresholds[] = {80, 100}; /* percent; told in this order */

struct quotas {
	const struct policy *policy;
	int64_t offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC, as the kernel was told */
	struct calendar_period periods[POLICY_PERIOD_MAX]; /* likewise */
	size_t count;
	struct {
		const struct policy_limit *rule; /* NULL: is no quota */
		enum weir_unit unit;
		bool told; /* all of it */
	} limits[WEIR_LIMITS_MAX];
	/* How many of the thresholds have been told, by tenant, in these periods. */
	uint8_t levels[WEIR_TENANTS_MAX][WEIR_UNIT_OPEN][POLICY_PERIOD_MAX];
	bool keeping; /* a transaction has begun */
};

void quotas_free(struct quotas *q)
{
	free(q);
}

static int64_t clock_offset(void)
{
	uint64_t before = clock_monotonic_ns(), real = clock_real_ns();

	return (int64_t)(real - before / 2 - clock_monotonic_ns() / 2);
}

static struct calendar_period period_at(enum policy_period period, int64_t unix_time)
{
	return period == POLICY_DAY ? calendar_day(unix_time) : calendar_month(unix_time);
}

static int64_t unix_now(const struct quotas *q)
{
	return ((int64_t)clock_monotonic_ns() + q->offset_ns) / (int64_t)NSEC_PER_SEC;
}

/* When @unix_time is, on the kernel's clock. */
static uint64_t kernel_period(const struct quotas *q, int64_t unix_time, int64_t number)
{
	return WEIR_PERIOD(unix_time * (int64_t)NSEC_PER_SEC - q->offset_ns, (uint64_t)number);
}

/* What was told of a tenant goes on, whatever its number is now. */
static void keep_levels(const struct quotas *before, struct quotas *q)
{
	const struct policy *was = before->policy, *is = q->policy;

	for (size_t i = 0, j = 0; i < is->tenant_count && j < was->tenant_count;) {
		int order = strcmp(is->tenants[i].name, was->tenants[j].name);

		if (order == 0)
			memcpy(q->levels[i + 1], before->levels[j + 1], sizeof(q->levels[0]));
		i += order <= 0;
		j += order >= 0;
	}
}

/* What was told in these periods, by an earlier daemon or before the tenant was gone for a while. */
static int take_told(const struct store_threshold_row *row, void *userdata)
{
	struct quotas *q = userdata;
	const struct policy *p = q->policy;

	if (row->unit >= WEIR_UNIT_OPEN || row->period >= POLICY_PERIOD_MAX ||
	    row->number != q->periods[row->period].number)
		return 0;
	for (size_t i = 0; i < p->tenant_count; i++) {
		uint8_t *level = &q->levels[i + 1][row->unit][row->period];

		if (strcmp(p->tenants[i].name, row->tenant) == 0 && row->level > *level)
			*level = row->level < ARRAY_SIZE(thresholds) ? (uint8_t)row->level
								     : ARRAY_SIZE(thresholds);
	}
	return 0;
}

void quotas_recall(struct engine *e, struct quotas *q)
{
	struct fault f = {0};

	if (e->store && store_threshold_each(e->store, take_told, q, &f) < 0)
		log_error("thresholds of quotas may be told again: what was told cannot be read",
			  "error", f.text);
}

int quotas_prepare(const struct quotas *before, const struct policy *policy,
		   struct policy_image *image, struct quotas **ret)
{
	struct quotas *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->policy = policy;
	q->offset_ns = clock_offset();
	q->count = image->policy.limit_count;
	for (unsigned int p = 0; p < POLICY_PERIOD_MAX; p++)
		q->periods[p] = period_at(p, unix_now(q));
	for (size_t i = 0; i < q->count; i++) {
		struct weir_limit *limit = &image->policy.limits[i];
		const struct calendar_period *p;

		if (limit->algorithm != WEIR_ALGORITHM_QUOTA)
			continue;
		q->limits[i].rule = &policy->limits[image->limits[i].rule];
		q->limits[i].unit = image->limits[i].unit;
		q->limits[i].told = true;
		p = &q->periods[q->limits[i].rule->period];
		limit->interval = kernel_period(q, p->end, p->number);
		limit->next = kernel_period(q, p->next_end, p->number + 1);
	}
	if (before)
		keep_levels(before, q);
	*ret = q;
	return 0;
}

static void say_period(struct engine *e, const struct quotas *q, enum policy_period period)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_QUOTA_PERIOD,
		.resource = {"quota", policy_period_str(period)},
		.details = &details,
	};
	char since[CLOCK_RFC3339_SIZE], until[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339((uint64_t)q->periods[period].begin * NSEC_PER_SEC, since);
	clock_format_rfc3339((uint64_t)q->periods[period].end * NSEC_PER_SEC, until);
	audit_details_string(&details, "since", since);
	audit_details_string(&details, "until", until);
	engine_record(e, &record, &ENGINE_SYSTEM);
	log_info("quotas begin anew", "period", policy_period_str(period), "until", until);
}

/* Which periods it is, by the clock as it is now, is not what the kernel was told. */
static void look_at_calendar(struct engine *e, struct quotas *q)
{
	int64_t offset_ns = clock_offset(), step_ns = offset_ns - q->offset_ns;
	bool set = step_ns > STEP_NS || step_ns < -STEP_NS, used[POLICY_PERIOD_MAX] = {false};

	if (set)
		q->offset_ns = offset_ns;
	for (size_t i = 0; i < q->count; i++)
		if (q->limits[i].rule)
			used[q->limits[i].rule->period] = true;
	for (unsigned int period = 0; period < POLICY_PERIOD_MAX; period++) {
		struct calendar_period now = period_at(period, unix_now(q));
		bool turned = now.number != q->periods[period].number;

		if (!used[period] || (!turned && !set))
			continue;
		q->periods[period] = now;
		for (size_t i = 0; i < q->count; i++)
			if (q->limits[i].rule && q->limits[i].rule->period == period)
				q->limits[i].told = false;
		if (!turned)
			continue;
		for (size_t n = 0; n < WEIR_TENANTS_MAX; n++)
			for (unsigned int unit = 0; unit < WEIR_UNIT_OPEN; unit++)
				q->levels[n][unit][period] = 0;
		say_period(e, q, period);
	}
}

/* So that the next daemon does not tell it again. All of one look are one step. */
static void keep_told(struct engine *e, struct quotas *q, const struct store_threshold_row *row)
{
	struct fault f = {0};

	if (!e->store)
		return;
	if (!q->keeping)
		q->keeping = store_begin(e->store, &f) == 0;
	if (!q->keeping || store_threshold_put(e->store, row, &f) < 0)
		log_error("the next daemon will tell a threshold again", "error", f.text);
}

/* @level: of the threshold, from 1. */
static void say_threshold(struct engine *e, struct quotas *q, size_t limit, size_t tenant,
			  uint8_t level, uint64_t used)
{
	const struct policy_tenant *t = &q->policy->tenants[tenant - 1];
	const struct policy_limit *rule = q->limits[limit].rule;
	enum weir_unit unit = q->limits[limit].unit;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_TENANT_THRESHOLD,
		.resource = {"tenant", t->name},
		.details = &details,
	};
	char until[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339((uint64_t)q->periods[rule->period].end * NSEC_PER_SEC, until);
	audit_details_string(&details, "unit", policy_unit_str(unit));
	audit_details_string(&details, "period", policy_period_str(rule->period));
	audit_details_u64(&details, "percent", thresholds[level - 1]);
	audit_details_u64(&details, "used", used);
	audit_details_u64(&details, "quota", policy_quota_of(q->policy, t, unit, rule->period));
	audit_details_string(&details, "until", until);
	engine_record(e, &record, &ENGINE_SYSTEM);
	keep_told(e, q,
		  &(struct store_threshold_row){t->name, unit, rule->period,
						q->periods[rule->period].number, level});
	log_warn("a tenant has used much of its quota, or all", "tenant", t->name, "unit",
		 policy_unit_str(unit), "period", policy_period_str(rule->period));
}

/* Bytes are used up when the next frame does not fit: within a frame of the quota is 100 %. */
static bool is_reached(const struct quotas *q, size_t limit, uint64_t quota, uint64_t used,
		       unsigned int percent)
{
	uint64_t frame =
		q->limits[limit].unit == WEIR_UNIT_BYTES && percent == 100 ? POLICY_JUMBO_BYTES : 0;

	return (unsigned __int128)(used + (used ? frame : 0)) * 100 >=
	       (unsigned __int128)quota * percent;
}

static void look_at_use(struct engine *e, struct quotas *q, size_t limit)
{
	const struct policy_limit *rule = q->limits[limit].rule;
	enum weir_unit unit = q->limits[limit].unit;

	for (size_t i = 0; i < rule->rollout.tenant_count; i++) {
		size_t tenant = rule->rollout.tenants[i];
		uint8_t *level = &q->levels[tenant][unit][rule->period];
		uint64_t quota = policy_quota_of(q->policy, &q->policy->tenants[tenant - 1], unit,
						 rule->period);
		uint64_t used = datapath_quota_used(e->datapath, (uint32_t)limit, (uint32_t)tenant);

		while (*level < ARRAY_SIZE(thresholds) &&
		       is_reached(q, limit, quota, used, thresholds[*level]))
			say_threshold(e, q, limit, tenant, ++*level, used);
	}
}

void quotas_tick(struct engine *e, struct quotas *q)
{
	look_at_calendar(e, q);
	for (size_t i = 0; i < q->count; i++) {
		const struct calendar_period *p;

		if (!q->limits[i].rule)
			continue;
		p = &q->periods[q->limits[i].rule->period];
		if (!q->limits[i].told)
			q->limits[i].told = datapath_set_periods(
				e->datapath, (uint32_t)i, kernel_period(q, p->end, p->number),
				kernel_period(q, p->next_end, p->number + 1));
		look_at_use(e, q, i);
	}
	if (q->keeping)
		store_commit(e->store, NULL); /* what is lost is told again, no more */
	q->keeping = false;
}
