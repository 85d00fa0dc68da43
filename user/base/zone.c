/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A zone is a sorted table of moments at which its offset changed, and a rule for the time after
 * the last of them. Offsets only: names of zones and whether it is summer are nobody's question
 * here.
 */
#include "base/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#define DAY	    86400
#define HEADER_SIZE 44
#define TYPES_MAX   256

/* When a rule changes the clock, in local time: a day of the year and seconds after its
 * midnight. */
struct day_rule {
	char kind; /* 'M': month.week.day; 'J': 1..365 without 29 February; 'N': 0..365 */
	int32_t month, week, day; /* day: of the week from Sunday = 0, or of the year */
	int32_t time;		  /* may be negative or more than a day */
};

struct zone {
	int64_t *times; /* ascending */
	uint8_t *types; /* of the time from there on */
	size_t count;
	int32_t offsets[TYPES_MAX]; /* by type; 0 holds before the first time */
	bool has_rule, has_summer;
	int32_t winter, summer;	    /* offsets of the rule */
	struct day_rule begin, end; /* of summer */
};

static uint32_t read_u32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t read_i64(const unsigned char *p)
{
	return (int64_t)((uint64_t)read_u32(p) << 32 | read_u32(p + 4));
}

static int64_t floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool is_leap_year(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1 January 1970 to 1 January of @year, in the Gregorian calendar. */
static int64_t year_begin(int64_t year)
{
	int64_t before = year - 1;

	return 365 * (year - 1970) + floor_divide(before, 4) - floor_divide(before, 100) +
	       floor_divide(before, 400) - 477;
}

static int64_t year_of(int64_t unix_time)
{
	int64_t days = floor_divide(unix_time, DAY);
	int64_t year = 1970 + floor_divide(days * 400, 146097); /* right, or off by one */

	while (year_begin(year) > days)
		year--;
	while (year_begin(year + 1) <= days)
		year++;
	return year;
}

static int month_length(int64_t year, int month)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return lengths[month - 1] + (month == 2 && is_leap_year(year));
}

/* In local time. */
static int64_t day_rule_moment(const struct day_rule *rule, int64_t year)
{
	int64_t day = year_begin(year);

	if (rule->kind == 'M') {
		int64_t weekday;

		for (int month = 1; month < rule->month; month++)
			day += month_length(year, month);
		weekday = ((day + 4) % 7 + 7) % 7; /* 1 January 1970 was a Thursday */
		weekday = (rule->day - weekday + 7) % 7 + 7 * (rule->week - 1);
		if (weekday >= month_length(year, rule->month))
			weekday -= 7; /* week 5: the last one */
		day += weekday;
	} else if (rule->kind == 'J') {
		day += rule->day - 1 + (rule->day >= 60 && is_leap_year(year));
	} else {
		day += rule->day;
	}
	return day * DAY + rule->time;
}

/* The rule's change that is the last at or before @unix_time, or else the first after it. */
static void rule_around(const struct zone *z, int64_t unix_time, int32_t *ret_offset,
			int64_t *ret_next)
{
	int64_t year = year_of(unix_time), best = INT64_MIN;

	*ret_offset = z->winter;
	*ret_next = INT64_MAX;
	/* Summer's begin and end may lie in the neighbouring years by UTC, and each other's order
	 * differs between the hemispheres. Where both fall together, it is summer all year
	 * round. */
	for (int64_t y = year - 1; z->has_summer && y <= year + 1; y++) {
		int64_t ends = day_rule_moment(&z->end, y) - z->summer;
		int64_t begins = day_rule_moment(&z->begin, y) - z->winter;

		if (ends <= unix_time && ends > best) {
			best = ends;
			*ret_offset = z->winter;
		}
		if (begins <= unix_time && begins >= best) {
			best = begins;
			*ret_offset = z->summer;
		}
		if (ends > unix_time && ends < *ret_next)
			*ret_next = ends;
		if (begins > unix_time && begins < *ret_next)
			*ret_next = begins;
	}
}

/* How many of the times are at or before @unix_time. */
static size_t times_before(const struct zone *z, int64_t unix_time)
{
	size_t low = 0, high = z->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (z->times[middle] <= unix_time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int32_t zone_offset(const struct zone *z, int64_t unix_time)
{
	size_t before = times_before(z, unix_time);
	int32_t offset;
	int64_t next;

	if (before < z->count || !z->has_rule)
		return z->offsets[before ? z->types[before - 1] : 0];
	rule_around(z, unix_time, &offset, &next);
	return offset;
}

int64_t zone_change(const struct zone *z, int64_t unix_time)
{
	size_t before = times_before(z, unix_time);
	int32_t offset;
	int64_t next;

	if (before < z->count)
		return z->times[before];
	if (!z->has_rule)
		return INT64_MAX;
	rule_around(z, unix_time, &offset, &next);
	return next;
}

/*
 * The rule, a POSIX TZ string: CET-1CEST,M3.5.0,M10.5.0/3. Each reader moves *@s on and returns
 * whether it found what it looked for.
 */
static bool read_digits(const char **s, int32_t max, int32_t *ret)
{
	int32_t value = 0;

	if (**s < '0' || **s > '9')
		return false;
	for (; **s >= '0' && **s <= '9'; ++*s) {
		value = value * 10 + (**s - '0');
		if (value > max)
			return false;
	}
	*ret = value;
	return true;
}

static bool read_char(const char **s, char c)
{
	if (**s != c)
		return false;
	++*s;
	return true;
}

static bool read_zone_name(const char **s)
{
	const char *begin = *s;

	if (read_char(s, '<')) {
		while (**s && **s != '>')
			++*s;
		return read_char(s, '>');
	}
	while ((**s >= 'A' && **s <= 'Z') || (**s >= 'a' && **s <= 'z'))
		++*s;
	return *s > begin;
}

/* [+-]hours[:minutes[:seconds]] */
static bool read_clock(const char **s, int32_t *ret_seconds)
{
	int32_t hours, minutes = 0, seconds = 0, sign = 1;

	if (read_char(s, '-'))
		sign = -1;
	else
		read_char(s, '+');
	if (!read_digits(s, 167, &hours))
		return false;
	if (read_char(s, ':') && !read_digits(s, 59, &minutes))
		return false;
	if (read_char(s, ':') && !read_digits(s, 59, &seconds))
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60 + seconds);
	return true;
}

static bool read_day_rule(const char **s, struct day_rule *rule)
{
	rule->time = 2 * 3600;
	if (read_char(s, 'M')) {
		rule->kind = 'M';
		if (!read_digits(s, 12, &rule->month) || !rule->month || !read_char(s, '.') ||
		    !read_digits(s, 5, &rule->week) || !rule->week || !read_char(s, '.') ||
		    !read_digits(s, 6, &rule->day))
			return false;
	} else {
		rule->kind = read_char(s, 'J') ? 'J' : 'N';
		if (!read_digits(s, 365, &rule->day) || (rule->kind == 'J' && !rule->day))
			return false;
	}
	return !read_char(s, '/') || read_clock(s, &rule->time);
}

static bool read_rule(struct zone *z, const char *s)
{
	if (!*s)
		return true; /* nothing is known of the future: the last offset stays */
	if (!read_zone_name(&s) || !read_clock(&s, &z->winter))
		return false;
	z->winter = -z->winter; /* POSIX counts west of Greenwich */
	z->has_rule = true;
	if (!*s)
		return true;
	if (!read_zone_name(&s))
		return false;
	z->has_summer = true;
	z->summer = z->winter + 3600;
	if (*s != ',') {
		if (!read_clock(&s, &z->summer))
			return false;
		z->summer = -z->summer;
	}
	return read_char(&s, ',') && read_day_rule(&s, &z->begin) && read_char(&s, ',') &&
	       read_day_rule(&s, &z->end) && !*s;
}

/* The counts in a header, in its order. */
enum { UTC_MARKS, STANDARD_MARKS, LEAPS, TIMES, TYPES, NAMES, COUNTS };

static bool read_header(const unsigned char *data, size_t length, uint32_t counts[static COUNTS])
{
	if (length < HEADER_SIZE || memcmp(data, "TZif", 4) != 0 || data[4] < '2')
		return false;
	for (unsigned int i = 0; i < COUNTS; i++) {
		counts[i] = read_u32(data + 20 + 4 * i);
		if (counts[i] > ZONE_BYTES_MAX)
			return false;
	}
	return counts[TYPES] && counts[TYPES] <= TYPES_MAX;
}

static size_t body_length(const uint32_t counts[static COUNTS], size_t time_size)
{
	return counts[TIMES] * (time_size + 1) + counts[TYPES] * 6 + counts[NAMES] +
	       counts[LEAPS] * (time_size + 4) + counts[STANDARD_MARKS] + counts[UTC_MARKS];
}

/* The body with 64-bit times, and the rule between two line ends behind it. */
static int read_body(struct zone *z, const unsigned char *data, size_t length,
		     const uint32_t counts[static COUNTS])
{
	const unsigned char *types = data + 8 * counts[TIMES];
	const unsigned char *records = types + counts[TIMES];
	size_t body = body_length(counts, 8);
	char rule[128];

	if (counts[LEAPS])
		return -EBADMSG;
	z->times = calloc(counts[TIMES] + 1, sizeof(*z->times));
	z->types = calloc(counts[TIMES] + 1, sizeof(*z->types));
	if (!z->times || !z->types)
		return -ENOMEM;
	z->count = counts[TIMES];
	for (size_t i = 0; i < z->count; i++) {
		z->times[i] = read_i64(data + 8 * i);
		z->types[i] = types[i];
		if (types[i] >= counts[TYPES] || (i && z->times[i] <= z->times[i - 1]))
			return -EBADMSG;
	}
	for (size_t i = 0; i < counts[TYPES]; i++) {
		z->offsets[i] = (int32_t)read_u32(records + 6 * i);
		if (z->offsets[i] < -2 * DAY || z->offsets[i] > 2 * DAY)
			return -EBADMSG;
	}
	length -= body;
	if (length < 2 || length - 2 >= sizeof(rule) || data[body] != '\n' ||
	    data[body + length - 1] != '\n')
		return -EBADMSG;
	memcpy(rule, data + body + 1, length - 2);
	rule[length - 2] = '\0';
	return strlen(rule) == length - 2 && read_rule(z, rule) ? 0 : -EBADMSG;
}

int zone_parse(const unsigned char *data, size_t length, struct zone **ret)
{
	_cleanup_(zone_freep) struct zone *z = NULL;
	uint32_t counts[COUNTS];
	size_t skip;
	int r;

	if (length > ZONE_BYTES_MAX || !read_header(data, length, counts))
		return -EBADMSG;
	skip = HEADER_SIZE + body_length(counts, 4); /* the same again for readers of 32 bits */
	if (skip > length || !read_header(data + skip, length - skip, counts))
		return -EBADMSG;
	skip += HEADER_SIZE;
	if (body_length(counts, 8) > length - skip)
		return -EBADMSG;
	z = calloc(1, sizeof(*z));
	if (!z)
		return -ENOMEM;
	r = read_body(z, data + skip, length - skip, counts);
	if (r < 0)
		return r;
	*ret = take_ptr(z);
	return 0;
}

void zone_free(struct zone *z)
{
	if (!z)
		return;
	free(z->times);
	free(z->types);
	free(z);
}

static bool name_is_safe(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_+-/";
	size_t length = strspn(name, allowed);

	return length && !name[length] && length <= ZONE_NAME_MAX && name[0] != '/' &&
	       name[length - 1] != '/' && !strstr(name, "//");
}

static int read_file(int fd, unsigned char *data, size_t size, size_t *ret_length)
{
	size_t length = 0;

	while (length < size) {
		ssize_t n = read(fd, data + length, size - length);

		if (n == 0)
			break;
		if (n > 0)
			length += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	*ret_length = length;
	return 0;
}

int zone_open(const char *directory, const char *name, struct zone **ret, struct fault *reterr)
{
	_cleanup_free_ unsigned char *data = NULL;
	_cleanup_close_ int fd = -1;
	char path[512];
	size_t length = 0;
	int r;

	if (!name_is_safe(name))
		return fault(reterr, -EINVAL, "zone.name",
			     "'%.64s' is no name of a time zone such as Europe/Berlin", name);
	if (strcmp(name, "UTC") == 0) {
		*ret = calloc(1, sizeof(**ret));
		return *ret ? 0 : fault(reterr, -ENOMEM, "zone.memory", "out of memory");
	}
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
		return fault(reterr, -ENAMETOOLONG, "zone.name", "'%.64s': path too long", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return fault(reterr, -ENOENT, "zone.unknown",
			     "unknown time zone '%.64s': there is no file %.200s", name, path);
	data = malloc(ZONE_BYTES_MAX + 1);
	if (!data)
		return fault(reterr, -ENOMEM, "zone.memory", "out of memory");
	r = fd < 0 ? -errno : read_file(fd, data, ZONE_BYTES_MAX + 1, &length);
	if (r < 0)
		return fault(reterr, r, "zone.read", "cannot read the time zone %.200s: %s", path,
			     strerror(-r));
	r = zone_parse(data, length, ret);
	if (r < 0)
		return fault(reterr, r, "zone.format", "%.200s is no time zone file that fits",
			     path);
	return 0;
}
