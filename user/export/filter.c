/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/filter.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "export/event.h"

#define CATEGORIES_MAX 128 /* bytes of a list of them */

static int parse_time(const char *value, uint64_t *ret)
{
	uint64_t ago_ns, now_ns = clock_real_ns();

	if (export_time_parse(value, ret) == 0)
		return 0;
	if (parse_duration_ns(value, &ago_ns) < 0)
		return -EINVAL;
	*ret = ago_ns < now_ns ? now_ns - ago_ns : 1;
	return 0;
}

static int set_since(struct export_filter *f, const char *value)
{
	return parse_time(value, &f->since_ns);
}

static int set_until(struct export_filter *f, const char *value)
{
	return parse_time(value, &f->until_ns);
}

static int set_category(struct export_filter *f, const char *value)
{
	char copy[CATEGORIES_MAX + 1], *rest = copy, *word;

	if (strlen(value) > CATEGORIES_MAX)
		return -EINVAL;
	memcpy(copy, value, strlen(value) + 1);
	while ((word = strsep(&rest, ","))) {
		int category = audit_category_from_str(word);

		if (category < 0)
			return -EINVAL;
		f->categories |= 1U << category;
	}
	return 0;
}

static int set_severity(struct export_filter *f, const char *value)
{
	uint32_t severity;

	if (parse_u32(value, 1, 5, &severity) < 0)
		return -EINVAL;
	f->min_severity = severity;
	return 0;
}

static int set_type(struct export_filter *f, const char *value)
{
	size_t length = strlen(value),
	       letters = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_.");

	if (!length || length > EXPORT_TYPE_MAX ||
	    (letters != length && strcmp(value + letters, "*") != 0))
		return -EINVAL;
	memcpy(f->type, value, length + 1);
	return 0;
}

static const struct {
	const char *name, *wanted;
	int (*set)(struct export_filter *f, const char *value);
} names[] = {
	{"since", "a time such as 2026-11-20T00:00:00Z, or how long ago: 2h", set_since},
	{"until", "a time such as 2026-11-20T00:00:00Z, or how long ago: 2h", set_until},
	{"category", "categories such as lists,policy", set_category},
	{"severity", "the least severity, 1 to 5", set_severity},
	{"type", "an event such as list.add, or list.*", set_type},
};

const char *export_filter_name(unsigned int i)
{
	return i < sizeof(names) / sizeof(*names) ? names[i].name : NULL;
}

int export_filter_set(struct export_filter *f, const char *name, const char *value,
		      struct fault *reterr)
{
	for (unsigned int i = 0; export_filter_name(i); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].set(f, value) == 0 ? 0
							   : fault(reterr, -EINVAL, "export.filter",
								   "%s '%.64s': wanted is %s", name,
								   value, names[i].wanted);
	return fault(reterr, -EINVAL, "export.filter", "there is no filter '%.64s'", name);
}

static bool type_matches(const char *pattern, const struct record_slice *type)
{
	size_t length = strcspn(pattern, "*");

	if (pattern[length] ? type->length < length : type->length != length)
		return false;
	return memcmp(pattern, type->data, length) == 0;
}

static bool time_matches(const struct export_filter *f, const struct record_slice *time)
{
	char text[CLOCK_RFC3339_SIZE];
	uint64_t ns;

	if (!f->since_ns && !f->until_ns)
		return true;
	if (time->length >= sizeof(text))
		return false;
	memcpy(text, time->data, time->length);
	text[time->length] = '\0';
	return export_time_parse(text, &ns) == 0 && ns >= f->since_ns &&
	       (!f->until_ns || ns < f->until_ns);
}

bool export_filter_match(const struct export_filter *f, const struct record_view *record)
{
	int event;

	if (record->severity < f->min_severity || !time_matches(f, &record->timestamp) ||
	    (*f->type && !type_matches(f->type, &record->event_type)))
		return false;
	if (!f->categories)
		return true;
	event = audit_event_from_str(record->event_type.data, record->event_type.length);
	return f->categories >> (event < 0 ? AUDIT_CATEGORY_SYSTEM
					   : audit_event_category((enum audit_event)event)) &
	       1;
}

json_t *export_filter_json(const struct export_filter *f)
{
	char time[CLOCK_RFC3339_SIZE];
	json_t *o = json_object(), *categories = json_array();

	if (f->since_ns) {
		clock_format_rfc3339(f->since_ns, time);
		json_object_set_new(o, "since", json_string(time));
	}
	if (f->until_ns) {
		clock_format_rfc3339(f->until_ns, time);
		json_object_set_new(o, "until", json_string(time));
	}
	for (unsigned int i = 0; i < AUDIT_CATEGORY_MAX; i++)
		if (f->categories >> i & 1)
			json_array_append_new(categories, json_string(audit_category_to_str(
								  (enum audit_category)i)));
	if (f->categories)
		json_object_set(o, "categories", categories);
	json_decref(categories);
	if (f->min_severity)
		json_object_set_new(o, "min_severity", json_integer(f->min_severity));
	if (*f->type)
		json_object_set_new(o, "type", json_string(f->type));
	return o;
}
