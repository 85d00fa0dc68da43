/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/fields.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

struct collector {
	void (*fn)(const struct field_value *value, void *userdata);
	void *userdata;
	struct record_slice event_type, resource_type, resource_id;
	struct record_slice user_id, username; /* or the subject's id in their place */
	bool id_is_address;
};

/* A string in an object: its key, and the key under which that object or array stands. */
typedef void (*string_fn)(struct collector *c, const struct record_slice *key,
			  const struct record_slice *parent, const struct record_slice *value);

static void put(const struct collector *c, enum record_field field, const struct record_slice *text)
{
	const struct field_value value = {.field = field, .text = *text};

	if (text->length)
		c->fn(&value, c->userdata);
}

/* Addresses and prefixes, one or several with commas between. Everything else is left alone quickly. */
static bool put_addresses(const struct collector *c, const struct record_slice *text)
{
	bool separated = false, found = false;

	for (size_t i = 0; i < text->length; i++) {
		char ch = text->data[i];

		if (ch == '.' || ch == ':')
			separated = true;
		else if (!(ch >= '0' && ch <= '9') && !(ch >= 'a' && ch <= 'f') &&
			 !(ch >= 'A' && ch <= 'F') && ch != '/' && ch != ',' && ch != ' ')
			return false;
	}
	for (size_t at = 0, end; separated && at < text->length; at = end + 1) {
		struct field_value value = {.field = RECORD_ADDRESS};
		char word[PREFIX_TEXT_SIZE];
		int r;

		for (end = at; end < text->length && !strchr(", ", text->data[end]);)
			end++;
		if (end == at || end - at >= sizeof(word))
			continue;
		memcpy(word, text->data + at, end - at);
		word[end - at] = '\0';
		r = prefix_parse(word, &value.prefix);
		if (r < 0 && r != -EDOM)
			continue;
		value.text = (struct record_slice){text->data + at, end - at};
		c->fn(&value, c->userdata);
		found = true;
	}
	return found;
}

/* {"sealed":"...","subject":"..."} in the place of a string: the subject stands for it. */
static bool is_subject(const struct record_slice *key)
{
	return slice_equal(key, "subject");
}

static void on_actor(struct collector *c, const struct record_slice *key,
		     const struct record_slice *parent, const struct record_slice *value)
{
	const struct record_slice *name = key;

	if (is_subject(key)) {
		put(c, RECORD_SUBJECT, value);
		name = parent;
	}
	if (slice_equal(name, "user_id"))
		c->user_id = *value;
	else if (slice_equal(name, "username"))
		c->username = *value;
	else if (name == key)
		put_addresses(c, value);
}

static void on_resource(struct collector *c, const struct record_slice *key,
			const struct record_slice *parent, const struct record_slice *value)
{
	if (is_subject(key)) {
		put(c, RECORD_SUBJECT, value);
	} else if (slice_equal(key, "type")) {
		c->resource_type = *value;
	} else if (slice_equal(key, "id") && !parent->length) {
		c->resource_id = *value;
		c->id_is_address = put_addresses(c, value);
	}
}

static void on_details(struct collector *c, const struct record_slice *key,
		       const struct record_slice *parent, const struct record_slice *value)
{
	(void)parent;
	if (is_subject(key))
		put(c, RECORD_SUBJECT, value);
	else if (slice_equal(key, "limit") || slice_equal(key, "list") || slice_equal(key, "feed"))
		put(c, RECORD_RULE, value);
	else
		put_addresses(c, value);
}

/* The end of the string that begins behind the quote at @at. */
static const char *string_end(const char *at, const char *end)
{
	while (at < end && *at != '"')
		at += *at == '\\' ? 2 : 1;
	return at < end ? at : end;
}

/* All strings of an object that record_parse() has accepted. */
static void walk(const struct record_slice *object, struct collector *c, string_fn fn)
{
	struct record_slice keys[AUDIT_DEPTH_MAX + 1] = {0};
	bool is_object[AUDIT_DEPTH_MAX + 1] = {0}, key_next = false;
	const char *end = object->data + object->length;
	unsigned int depth = 0;

	for (const char *p = object->data; p < end; p++) {
		switch (*p) {
		case '{':
		case '[':
			if (depth == AUDIT_DEPTH_MAX)
				return;
			is_object[++depth] = key_next = *p == '{';
			keys[depth] = (struct record_slice){"", 0};
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			break;
		case ',':
			key_next = is_object[depth];
			break;
		case ':':
			key_next = false;
			break;
		case '"': {
			struct record_slice text = {p + 1,
						    (size_t)(string_end(p + 1, end) - p - 1)};

			p += text.length + 1;
			if (key_next)
				keys[depth] = text;
			else if (depth)
				fn(c, is_object[depth] ? &keys[depth] : &keys[depth - 1],
				   &keys[depth - 1], &text);
			break;
		}
		default:
			break;
		}
	}
}

static void put_rule_of_resource(const struct collector *c)
{
	static const char *const named[] = {"limit", "feed", "flag"};
	static const struct record_slice block = {"block", 5};

	/* A list's records are about its entries; those of drops by it do not name it. */
	if (slice_equal(&c->resource_type, "block") || slice_equal(&c->resource_type, "allow"))
		put(c, RECORD_RULE, &c->resource_type);
	if (slice_equal(&c->event_type, "list.blocked") ||
	    slice_equal(&c->event_type, "list.would_block"))
		put(c, RECORD_RULE, &block);
	for (size_t i = 0; i < ARRAY_SIZE(named); i++)
		if (slice_equal(&c->resource_type, named[i]))
			put(c, RECORD_RULE, &c->resource_id);
}

void record_fields(const struct record_view *view,
		   void (*fn)(const struct field_value *value, void *userdata), void *userdata)
{
	struct collector c = {.fn = fn, .userdata = userdata, .event_type = view->event_type};

	c.user_id = c.username = c.resource_type = c.resource_id = (struct record_slice){"", 0};
	walk(&view->actor, &c, on_actor);
	walk(&view->resource, &c, on_resource);
	walk(&view->details, &c, on_details);
	put(&c, RECORD_ACTOR, &c.user_id);
	put(&c, RECORD_ACTOR, &c.username);
	put(&c, RECORD_PRINCIPAL, c.username.length ? &c.username : &c.user_id);
	put(&c, RECORD_RESOURCE_TYPE, &c.resource_type);
	if (!c.id_is_address)
		put(&c, RECORD_RESOURCE_ID, &c.resource_id);
	put_rule_of_resource(&c);
}

/* The number that @digits characters at @text are; false if they are no digits. */
static bool number(const char *text, unsigned int digits, uint64_t *ret)
{
	*ret = 0;
	while (digits--) {
		if (*text < '0' || *text > '9')
			return false;
		*ret = *ret * 10 + (uint64_t)(*text++ - '0');
	}
	return true;
}

/* Days from 1970-01-01, proleptic Gregorian; March is the first month, so that leap days come last. */
static uint64_t days(uint64_t year, uint64_t month, uint64_t day)
{
	uint64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

uint64_t record_time_ns(const struct record_view *view)
{
	const char *t = view->timestamp.data;
	uint64_t year, month, day, hour, minute, second, nsec;

	if (view->timestamp.length != CLOCK_RFC3339_SIZE - 1 || !number(t, 4, &year) ||
	    !number(t + 5, 2, &month) || !number(t + 8, 2, &day) || !number(t + 11, 2, &hour) ||
	    !number(t + 14, 2, &minute) || !number(t + 17, 2, &second) || !number(t + 20, 9, &nsec))
		return 0;
	if (year < 1970 || year > 2553 || month < 1 || month > 12 || day < 1 || day > 31)
		return 0;
	return (days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) *
		       NSEC_PER_SEC +
	       nsec;
}
