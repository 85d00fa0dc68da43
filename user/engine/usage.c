/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/usage.h"

#include <errno.h>
#include <string.h>

#include "base/calendar.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/internal.h"

#define DAY_S	  86400
#define KEEP_NS	  (60 * NSEC_PER_SEC) /* between two writes, if there is something to write */
#define RETRY_NS  (5 * NSEC_PER_SEC)
#define PROMPT_NS (2 * NSEC_PER_SEC) /* what is read so soon after midnight is of the day before */
#define READ_KEY  "usage.read"	     /* when, CLOCK_REALTIME in seconds */
#define NEVER	  INT64_MIN

_Static_assert(offsetof(struct weir_usage_count, _pad) == STORE_USAGE_COUNTS * sizeof(uint64_t),
	       "the store has other counts");

/* What is in the store of a tenant's counters. */
struct meter {
	char name[POLICY_NAME_MAX + 1];
	uint64_t owner; /* hash of the name */
	uint64_t epoch;
	uint64_t counts[STORE_USAGE_COUNTS];
	int64_t day; /* of the last row, as far as this daemon knows */
	struct {
		bool changed;
		uint64_t epoch, counts[STORE_USAGE_COUNTS];
		int64_t day;
	} next; /* once the transaction is done */
};

struct usage {
	struct meter *meters; /* sorted by owner */
	size_t count;
	int64_t read_day;	 /* of the last time that all was kept; NEVER */
	uint64_t looked_real_ns; /* CLOCK_REALTIME of the last tick */
	uint64_t due_ns;	 /* CLOCK_MONOTONIC */
	int64_t pruned_day;
	bool failing;
};

/* The day that counters which grew since the last time are booked on. */
struct booking {
	int64_t day, since;
};

static int64_t day_of(uint64_t real_ns)
{
	return calendar_day((int64_t)(real_ns / NSEC_PER_SEC)).number;
}

int64_t engine_usage_today(void)
{
	return day_of(clock_real_ns());
}

void usage_free(struct usage *u)
{
	if (u)
		free(u->meters);
	free(u);
}

/* Where the meter of @owner is, or belongs. */
static size_t place_of(const struct usage *u, uint64_t owner)
{
	size_t low = 0, high = u->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (u->meters[middle].owner < owner)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct meter *find(const struct usage *u, uint64_t owner)
{
	size_t at = place_of(u, owner);

	return at < u->count && u->meters[at].owner == owner ? &u->meters[at] : NULL;
}

/* The meter of a tenant; a new one has counted nothing. NULL: there is no memory. */
static struct meter *meter_of(struct usage *u, const char *name)
{
	uint64_t owner = policy_tenant_hash(name);
	size_t at = place_of(u, owner);
	struct meter *more;

	if (!owner || (at < u->count && u->meters[at].owner == owner))
		return owner ? &u->meters[at] : NULL;
	more = reallocarray(u->meters, u->count + 1, sizeof(*more));
	if (!more)
		return NULL;
	u->meters = more;
	memmove(&more[at + 1], &more[at], (u->count - at) * sizeof(*more));
	u->count++;
	more[at] = (struct meter){.owner = owner, .day = NEVER};
	snprintf(more[at].name, sizeof(more[at].name), "%s", name);
	return &more[at];
}

static int take_meter(const struct store_meter_row *row, void *userdata)
{
	struct meter *m = meter_of(userdata, row->tenant);

	if (!m)
		return -ENOMEM;
	m->epoch = row->epoch;
	memcpy(m->counts, row->counts, sizeof(m->counts));
	return 0;
}

void usage_start(struct engine *e)
{
	struct usage *u = calloc(1, sizeof(*u));
	struct fault f = {0};
	char text[24];
	uint64_t seconds;

	if (!u)
		return;
	u->read_day = u->pruned_day = NEVER;
	if (!e->store) {
		e->usage = u;
		return;
	}
	if (store_meter_each(e->store, take_meter, u, &f) < 0) {
		/* Without these all would be counted again. */
		log_error("what tenants use is not kept: how far it is cannot be read", "error",
			  f.text);
		usage_free(u);
		return;
	}
	if (store_meta_get(e->store, READ_KEY, text, sizeof(text), NULL) == 0 &&
	    parse_u64(text, 0, INT64_MAX / NSEC_PER_SEC, &seconds) == 0)
		u->read_day = day_of(seconds * NSEC_PER_SEC);
	e->usage = u;
}

void usage_take_policy(struct engine *e)
{
	for (size_t i = 0; e->usage && i < e->policy->tenant_count; i++)
		if (!meter_of(e->usage, e->policy->tenants[i].name))
			log_error("what a tenant uses is not kept: out of memory");
	if (!e->usage)
		return;
	e->usage->due_ns = 0; /* each has a row for this day, if only of nothing */
	e->usage->pruned_day = NEVER;
}

static struct booking book(const struct usage *u, uint64_t now_ns)
{
	int64_t today = day_of(now_ns);
	uint64_t midnight_ns = (uint64_t)today * DAY_S * NSEC_PER_SEC;

	if (u->read_day == NEVER)
		return (struct booking){today, NEVER}; /* since it is counted */
	if (u->read_day >= today)
		return (struct booking){today, today};
	if (u->read_day == today - 1 && now_ns - midnight_ns < PROMPT_NS &&
	    u->looked_real_ns + PROMPT_NS >= midnight_ns)
		return (struct booking){u->read_day, u->read_day};
	return (struct booking){today, u->read_day};
}

/* What the counters of @m grew by. */
static void grown(const struct meter *m, const struct datapath_usage *now,
		  uint64_t ret[static STORE_USAGE_COUNTS])
{
	const uint64_t *counts = (const uint64_t *)&now->count;

	for (size_t i = 0; i < STORE_USAGE_COUNTS; i++) {
		uint64_t before = m->epoch == now->epoch ? m->counts[i] : 0;

		ret[i] = counts[i] > before ? counts[i] - before : 0;
	}
}

static bool is_nothing(const uint64_t counts[static STORE_USAGE_COUNTS])
{
	for (size_t i = 0; i < STORE_USAGE_COUNTS; i++)
		if (counts[i])
			return false;
	return true;
}

/* Since when a slot's counters may have counted what is booked. */
static int64_t since_of(const struct booking *b, const struct datapath_usage *now)
{
	int64_t began = day_of(now->epoch), since = b->since > began ? b->since : began;

	return since < b->day ? since : b->day;
}

/* 0; 1: there is nothing to keep; -errno. */
static int keep_meter(struct engine *e, struct meter *m, const struct datapath_usage *now,
		      const struct booking *b, struct fault *reterr)
{
	struct store_usage_row row = {m->name, b->day, since_of(b, now), {0}};
	struct store_meter_row meter = {.tenant = m->name, .epoch = now->epoch};
	int r;

	grown(m, now, row.counts);
	if (is_nothing(row.counts) && (!now->live || m->day == b->day))
		return 1;
	memcpy(meter.counts, &now->count, sizeof(meter.counts));
	r = store_usage_add(e->store, &row, reterr);
	r = r ?: store_meter_put(e->store, &meter, reterr);
	m->next.changed = r == 0;
	m->next.epoch = now->epoch;
	m->next.day = b->day;
	memcpy(m->next.counts, meter.counts, sizeof(m->next.counts));
	return r;
}

/* All meters within the transaction. How many there were, or -errno. */
static int keep_meters(struct engine *e, const struct booking *b, struct fault *reterr)
{
	struct datapath_usage now;
	uint32_t slot = 0;
	int kept = 0;

	while (datapath_read_usage(e->datapath, &slot, &now)) {
		struct meter *m = find(e->usage, now.owner);
		int r;

		if (!m) /* of a policy whose daemon could not keep the name */
			continue;
		r = keep_meter(e, m, &now, b, reterr);
		if (r < 0)
			return r;
		kept += !r;
	}
	return kept;
}

static int keep(struct engine *e, uint64_t now_ns, struct fault *reterr)
{
	struct usage *u = e->usage;
	struct booking b = book(u, now_ns);
	char text[24];
	int r = store_begin(e->store, reterr), kept;

	if (r < 0)
		return r;
	for (size_t i = 0; i < u->count; i++)
		u->meters[i].next.changed = false;
	kept = r = keep_meters(e, &b, reterr);
	if (kept > 0) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)(now_ns / NSEC_PER_SEC));
		r = store_meta_put(e->store, READ_KEY, text, reterr);
	}
	if (r < 0 || !kept) {
		store_rollback(e->store);
		return r;
	}
	r = store_commit(e->store, reterr);
	for (size_t i = 0; i < u->count && r == 0; i++) {
		struct meter *m = &u->meters[i];

		if (!m->next.changed)
			continue;
		m->epoch = m->next.epoch;
		m->day = m->next.day;
		memcpy(m->counts, m->next.counts, sizeof(m->counts));
	}
	return r;
}

void usage_keep(struct engine *e)
{
	struct usage *u = e->usage;
	uint64_t now_ns = clock_real_ns();
	struct fault f = {0};

	if (!u || !e->store)
		return;
	if (keep(e, now_ns, &f) < 0) {
		if (!u->failing)
			log_error("what tenants used cannot be kept yet", "error", f.text);
		u->failing = true;
		u->due_ns = clock_monotonic_ns() + RETRY_NS;
		return;
	}
	u->failing = false;
	u->read_day = day_of(now_ns);
	u->due_ns = clock_monotonic_ns() + KEEP_NS;
}

static void record_pruned(struct engine *e, int64_t before, uint64_t rows)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_RETENTION_USAGE,
		.resource = {"category", "usage"},
		.details = &details,
	};
	char until[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339((uint64_t)before * DAY_S * NSEC_PER_SEC, until);
	audit_details_u64(&details, "removed", rows);
	audit_details_string(&details, "until", until);
	engine_record(e, &record, &ENGINE_SYSTEM);
}

/* Once a day and policy. */
static void prune(struct engine *e, int64_t today)
{
	const struct policy_keep *said = &e->policy->audit.retention.usage;
	int64_t days = said->line ? (int64_t)(said->s / DAY_S) : USAGE_KEEP_DAYS;
	struct fault f = {0};
	uint64_t rows = 0;

	e->usage->pruned_day = today;
	if (said->line && !said->s)
		return;
	if (store_usage_prune(e->store, today - days, &rows, &f) < 0)
		log_error("what tenants used long ago cannot be removed", "error", f.text);
	else if (rows)
		record_pruned(e, today - days, rows);
}

void usage_tick(struct engine *e)
{
	struct usage *u = e->usage;
	uint64_t now_ns = clock_real_ns(), monotonic_ns = clock_monotonic_ns();
	int64_t today = day_of(now_ns);
	bool turned;

	if (!u || !e->store)
		return;
	turned = u->read_day != today && u->read_day != NEVER && !u->failing;
	if (turned || monotonic_ns >= u->due_ns)
		usage_keep(e);
	if (turned) /* for the first row of the new day */
		u->due_ns = monotonic_ns;
	if (u->pruned_day != today)
		prune(e, today);
	u->looked_real_ns = now_ns;
}

uint64_t usage_due_ns(const struct engine *e)
{
	uint64_t real_ns = clock_real_ns(), monotonic_ns = clock_monotonic_ns();
	uint64_t midnight_ns = (uint64_t)(day_of(real_ns) + 1) * DAY_S * NSEC_PER_SEC;
	uint64_t turn_ns = monotonic_ns + (midnight_ns - real_ns);

	if (!e->usage || !e->store)
		return UINT64_MAX;
	return turn_ns < e->usage->due_ns ? turn_ns : e->usage->due_ns;
}

/* For questions */

struct answer {
	struct engine_usage *days;
	size_t count, room;
};

static int take_day(const struct store_usage_row *row, void *userdata)
{
	struct answer *a = userdata;
	struct engine_usage *day = &a->days[a->count];

	if (a->count == a->room)
		return -E2BIG;
	*day = (struct engine_usage){.day = row->day, .since = row->since};
	memcpy(&day->count, row->counts, sizeof(row->counts));
	a->count++;
	return 0;
}

/* What is not in the store yet, on the day that it will be booked on. */
static void add_day(struct answer *a, const struct engine_usage *more)
{
	const uint64_t *from = (const uint64_t *)&more->count;
	uint64_t *to;
	size_t at = 0;

	while (at < a->count && a->days[at].day > more->day)
		at++;
	if (at == a->count || a->days[at].day != more->day) {
		memmove(&a->days[at + 1], &a->days[at], (a->count - at) * sizeof(*a->days));
		a->days[at] = *more;
		a->count++;
		return;
	}
	to = (uint64_t *)&a->days[at].count;
	for (size_t i = 0; i < STORE_USAGE_COUNTS; i++)
		to[i] += from[i];
	if (more->since < a->days[at].since)
		a->days[at].since = more->since;
}

static void add_live(struct engine *e, const char *tenant, int64_t first, int64_t last,
		     struct answer *a)
{
	struct booking b = book(e->usage, clock_real_ns());
	const struct meter *m = find(e->usage, policy_tenant_hash(tenant));
	struct engine_usage more = {.day = b.day};
	struct datapath_usage now;
	uint32_t slot = 0;

	while (m && b.day >= first && b.day <= last &&
	       datapath_read_usage(e->datapath, &slot, &now)) {
		if (now.owner != m->owner)
			continue;
		grown(m, &now, (uint64_t *)&more.count);
		more.since = since_of(&b, &now);
		if (now.live || !is_nothing((const uint64_t *)&more.count))
			add_day(a, &more);
		return;
	}
}

static bool is_in_policy(const struct engine *e, const char *tenant)
{
	for (size_t i = 0; i < e->policy->tenant_count; i++)
		if (strcmp(e->policy->tenants[i].name, tenant) == 0)
			return true;
	return false;
}

int engine_usage_read(struct engine *e, const char *tenant, int64_t first, int64_t last,
		      struct engine_usage **ret, size_t *ret_count, struct fault *reterr)
{
	struct answer a = {.room = USAGE_DAYS_MAX};
	int r;

	if (!e->store || !e->usage)
		return fault(reterr, -EIO, "store.none",
			     "the database cannot be used, and usage is kept nowhere else");
	if (!is_in_policy(e, tenant)) {
		r = store_usage_has(e->store, tenant, reterr);
		if (r == 0)
			r = fault(reterr, -ENOENT, "tenants.absent",
				  "the policy has no tenant '%.60s', and nobody of that name has "
				  "used anything",
				  tenant);
		if (r < 0)
			return r;
	}
	a.days = calloc(USAGE_DAYS_MAX + 1, sizeof(*a.days));
	if (!a.days)
		return fault(reterr, -ENOMEM, "engine.memory", "out of memory");
	r = store_usage_each(e->store, tenant, first, last, take_day, &a, reterr);
	if (r < 0) {
		free(a.days);
		return r;
	}
	add_live(e, tenant, first, last, &a);
	*ret = a.days;
	*ret_count = a.count;
	return 0;
}
