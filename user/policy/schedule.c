/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Schedules: days and hours as a policy spells them, and whether and until when they say yes. All
 * of it by the clock on the wall, so what a change to summer time skips or repeats there is skipped
 * or repeated here.
 */
#include <errno.h>
#include <string.h>

#include "base/zone.h"
#include "policy/schema.h"

#define DAY	     86400
#define DAY_MINUTES  1440
#define HORIZON_DAYS 31 /* four weeks, and three days in which a change of the clock eats a range */
#define CHANGES_MAX  ((2 * POLICY_RANGES_MAX + 1) * (HORIZON_DAYS + 1) + 16)

static const char *const day_names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

static int refuse_day(struct reader *r, const struct node *n)
{
	return refuse(r, n, "policy.schedule.day",
		      "'%.64s' is no day (mon to sun) and no range such as mon-fri", n->text);
}

/* The days of "mon" or "fri-mon", one bit each. 0: no such thing. */
static uint8_t days_parse(const char *text)
{
	size_t first = 0, last;
	uint8_t days = 0;

	while (first < 7 && strncmp(text, day_names[first], 3) != 0)
		first++;
	if (first == 7)
		return 0;
	last = first;
	if (text[3] == '-')
		for (last = 0; last < 7 && strcmp(text + 4, day_names[last]) != 0;)
			last++;
	else if (text[3])
		last = 7;
	if (last == 7)
		return 0;
	for (size_t day = first; !(days >> last & 1); day = (day + 1) % 7)
		days |= (uint8_t)(1 << day);
	return days;
}

void pattern_days(struct text *t)
{
	text_puts(t, "^(");
	for (size_t i = 0; i < 14; i++)
		text_printf(t, "%s%s", i == 7 ? ")(-(" : i ? "|" : "", day_names[i % 7]);
	text_puts(t, "))?$");
}

int value_days(struct reader *r, const struct node *n, void *into)
{
	struct policy_schedule *s = into;
	const struct node *e;
	size_t count;
	int err = schema_elements(r, n, &e, &count);

	if (err < 0)
		return err;
	for (; count--; e = e->next) {
		uint8_t days = days_parse(e->text);

		if (!days)
			return refuse_day(r, e);
		s->days |= days;
	}
	return 0;
}

/* "08:00" at @text, five characters. */
static bool minute_parse(const char *text, uint16_t *ret)
{
	unsigned int hours, minutes;

	for (size_t i = 0; i < 5; i++)
		if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
			return false;
	hours = (unsigned int)(text[0] - '0') * 10 + (unsigned int)(text[1] - '0');
	minutes = (unsigned int)(text[3] - '0') * 10 + (unsigned int)(text[4] - '0');
	*ret = (uint16_t)(hours * 60 + minutes);
	return minutes < 60 && *ret <= DAY_MINUTES;
}

void pattern_hours(struct text *t)
{
	text_puts(t, "^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$");
}

int value_hours(struct reader *r, const struct node *n, void *into)
{
	struct policy_schedule *s = into;
	const struct node *e;
	size_t count;
	int err = schema_elements(r, n, &e, &count);

	if (err < 0)
		return err;
	if (count > POLICY_RANGES_MAX)
		return refuse_number(r, n, POLICY_RANGES_MAX, "ranges of hours");
	for (; count--; e = e->next) {
		uint16_t from, to;

		if (strlen(e->text) != 11 || e->text[5] != '-' || !minute_parse(e->text, &from) ||
		    !minute_parse(e->text + 6, &to) || from == DAY_MINUTES || from == to)
			return refuse(r, e, "policy.schedule.hours",
				      "'%.64s' are no hours such as \"08:00-18:00\" or "
				      "\"22:00-06:00\"",
				      e->text);
		s->hours[s->hours_count].from = from;
		s->hours[s->hours_count++].to = to;
	}
	return 0;
}

/* What base/zone.h takes for a name. */
void pattern_zone(struct text *t)
{
	text_puts(t, "^[A-Za-z0-9_+/-]+$");
}

int value_time_zone(struct reader *r, const struct node *n, void *into)
{
	struct policy_schedule *s = into;
	struct fault why;

	if (zone_open(ZONE_DIRECTORY, n->text, &s->zone, &why) < 0)
		return refuse(r, n, "policy.schedule.zone", "%s", why.text);
	return 0;
}

int value_schedule(struct reader *r, const struct node *n, void *into)
{
	struct policy_schedule *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	*(struct policy_schedule **)into = s; /* the limit's to free, whatever happens */
	err = schema_object(r, OBJECT_SCHEDULE, n, s);
	if (err < 0)
		return err;
	if (!s->days && !s->hours_count)
		return refuse(r, n, "policy.schedule.empty",
			      "a schedule has days or hours; this one is always");
	if (!s->days)
		s->days = 0x7f;
	if (!s->hours_count) {
		s->hours[0].to = DAY_MINUTES;
		s->hours_count = 1;
	}
	return 0;
}

void schedule_free(struct policy_schedule *s)
{
	if (!s)
		return;
	zone_free(s->zone);
	free(s);
}

static int64_t day_of(int64_t local)
{
	return local / DAY - (local % DAY < 0);
}

static bool has_day(const struct policy_schedule *s, int64_t day)
{
	return s->days >> (((day + 3) % 7 + 7) % 7) & 1; /* 1 January 1970 was a Thursday */
}

bool policy_schedule_active(const struct policy_schedule *s, int64_t unix_time)
{
	int64_t local = unix_time + zone_offset(s->zone, unix_time);
	int64_t day = day_of(local), minute = (local - day * DAY) / 60;

	for (size_t i = 0; i < s->hours_count; i++) {
		int64_t from = s->hours[i].from, to = s->hours[i].to;

		if (from < to ? has_day(s, day) && minute >= from && minute < to
			      : (has_day(s, day) && minute >= from) ||
					(has_day(s, day - 1) && minute < to))
			return true;
	}
	return false;
}

/* The first moment after @unix_time when the clock on the wall shows a limit of a range or
 * midnight, or is changed. */
static int64_t next_candidate(const struct policy_schedule *s, int64_t unix_time)
{
	int64_t local = unix_time + zone_offset(s->zone, unix_time);
	int64_t day = day_of(local), second = local - day * DAY, nearest = DAY;
	int64_t change = zone_change(s->zone, unix_time);

	for (size_t i = 0; i < s->hours_count; i++) {
		int64_t from = 60 * (int64_t)s->hours[i].from, to = 60 * (int64_t)s->hours[i].to;

		if (from > second && from < nearest)
			nearest = from;
		if (to > second && to < nearest)
			nearest = to;
	}
	unix_time += nearest - second;
	return unix_time < change ? unix_time : change;
}

int64_t policy_schedule_change(const struct policy_schedule *s, int64_t unix_time)
{
	bool now = policy_schedule_active(s, unix_time);
	int64_t at = unix_time;

	for (int i = 0; i < CHANGES_MAX && at - unix_time < (int64_t)HORIZON_DAYS * DAY; i++) {
		at = next_candidate(s, at);
		if (policy_schedule_active(s, at) != now)
			return at;
	}
	return INT64_MAX;
}
