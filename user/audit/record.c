/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records as canonical JSON, written and read without a JSON library: thousands are written a
 * second, and what is read back must be exactly what is written here, nothing more liberal.
 */
#include "audit/record.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/hash.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define UUID_TEXT_SIZE	37
#define AUDIT_PATH_SIZE 96

static bool is_key(const char *key)
{
	const char *c = key;

	while ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_')
		c++;
	return c > key && *c == '\0';
}

static struct audit_detail *details_add(struct audit_details *d, const char *key)
{
	assert(d->count < AUDIT_DETAILS_MAX && is_key(key));
	d->members[d->count] = (struct audit_detail){.key = key};
	return &d->members[d->count++];
}

void audit_details_string(struct audit_details *d, const char *key, const char *value)
{
	struct audit_detail *m = details_add(d, key);

	assert(value);
	m->kind = AUDIT_DETAIL_STRING;
	m->string = value;
}

void audit_details_u64(struct audit_details *d, const char *key, uint64_t value)
{
	struct audit_detail *m = details_add(d, key);

	m->kind = AUDIT_DETAIL_U64;
	m->number = value;
}

void audit_details_bool(struct audit_details *d, const char *key, bool value)
{
	struct audit_detail *m = details_add(d, key);

	m->kind = AUDIT_DETAIL_BOOL;
	m->number = value;
}

void audit_details_json(struct audit_details *d, const char *key, const char *canonical)
{
	struct audit_detail *m = details_add(d, key);

	assert(*canonical == '{' || *canonical == '[');
	m->kind = AUDIT_DETAIL_JSON;
	m->string = canonical;
}

static void put_u64(struct text *t, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	text_put(t, digits + at, sizeof(digits) - at);
}

static void put_json_u64(struct text *t, uint64_t value)
{
	if (value > AUDIT_INTEGER_MAX)
		text_put(t, "\"", 1);
	put_u64(t, value);
	if (value > AUDIT_INTEGER_MAX)
		text_put(t, "\"", 1);
}

/* @before is everything up to the value: `,"role":`. */
static void put_member(struct text *t, const char *before, const char *value)
{
	text_puts(t, before);
	text_put_json(t, value ? value : "");
}

static void put_hash(struct text *t, const char *before, const uint8_t *hash)
{
	char hex[AUDIT_HASH_TEXT];

	hex_format(hash, AUDIT_HASH_SIZE, hex);
	text_puts(t, before);
	text_put(t, hex, AUDIT_HASH_TEXT - 1);
	text_put(t, "\"", 1);
}

/* UUIDs group their 16 bytes as 4-2-2-2-6. */
static const struct {
	uint8_t text, byte, bytes;
} uuid_groups[] = {{0, 0, 4}, {9, 4, 2}, {14, 6, 2}, {19, 8, 2}, {24, 10, 6}};

static void uuid_format(const uint8_t id[static AUDIT_ID_SIZE], char ret[static UUID_TEXT_SIZE])
{
	for (unsigned int i = 0; i < ARRAY_SIZE(uuid_groups); i++) {
		hex_format(id + uuid_groups[i].byte, uuid_groups[i].bytes,
			   ret + uuid_groups[i].text);
		if (i + 1 < ARRAY_SIZE(uuid_groups))
			ret[uuid_groups[i + 1].text - 1] = '-';
	}
}

/* All digits at once, which hex_parse() is fastest at; lengths that the compiler knows are copied without a call. */
static int uuid_parse(const struct record_slice *text, uint8_t ret[static AUDIT_ID_SIZE])
{
	const char *c = text->data;
	char digits[2 * AUDIT_ID_SIZE];

	if (text->length != UUID_TEXT_SIZE - 1 || c[8] != '-' || c[13] != '-' || c[18] != '-' ||
	    c[23] != '-')
		return -EINVAL;
	memcpy(digits, c, 8);
	memcpy(digits + 8, c + 9, 4);
	memcpy(digits + 12, c + 14, 4);
	memcpy(digits + 16, c + 19, 4);
	memcpy(digits + 20, c + 24, 12);
	return hex_parse(digits, AUDIT_ID_SIZE, ret);
}

/* Few, and often nearly in order: by insertion. */
static void sort_details(const struct audit_details *d,
			 const struct audit_detail *ret[static AUDIT_DETAILS_MAX])
{
	for (unsigned int i = 0; i < d->count; i++) {
		unsigned int at = i;

		for (; at && strcmp(ret[at - 1]->key, d->members[i].key) > 0; at--)
			ret[at] = ret[at - 1];
		assert(!at || strcmp(ret[at - 1]->key, d->members[i].key) != 0);
		ret[at] = &d->members[i];
	}
}

/* What decides how values about people are written, for one record. */
struct privacy {
	const struct personal_keeper *keeper;
	enum personal_mode mode;
	bool system; /* the daemon did it */
	const uint8_t *event_id;
};

static void put_value(struct text *t, const struct privacy *p, const struct audit_field *field,
		      const char *path, const char *value)
{
	const struct personal_place place = {p->event_id, path};

	personal_put(t, p->keeper, p->mode, field, p->system, value ? value : "", &place);
}

/* @before is everything up to the value. */
static void put_personal(struct text *t, const struct privacy *p, const char *before,
			 const char *path, const char *value)
{
	text_puts(t, before);
	if (!p->keeper || !value || !*value)
		return text_put_json(t, value ? value : "");
	put_value(t, p, audit_field_find(path), path, value);
}

static void put_detail(struct text *t, const struct privacy *p, const struct audit_detail *m)
{
	char path[AUDIT_PATH_SIZE];

	if (!p->keeper)
		return text_put_json(t, m->string);
	snprintf(path, sizeof(path), "details.%s", m->key);
	put_value(t, p, audit_field_find(path), path, m->string);
}

static void put_resource(struct text *t, const struct privacy *p,
			 const struct audit_resource *resource)
{
	text_puts(t, ",\"resource\":{\"id\":");
	if (!p->keeper)
		text_put_json(t, resource->id ? resource->id : "");
	else
		put_value(t, p, audit_field_of_resource(resource->type ? resource->type : ""),
			  "resource.id", resource->id);
	put_member(t, ",\"type\":", resource->type);
	text_put(t, "}", 1);
}

static void put_details(struct text *t, const struct privacy *p, const struct audit_details *d)
{
	const struct audit_detail *sorted[AUDIT_DETAILS_MAX];
	unsigned int count = d ? d->count : 0;

	if (d)
		sort_details(d, sorted);
	text_put(t, "{", 1);
	for (unsigned int i = 0; i < count; i++) {
		const struct audit_detail *m = sorted[i];

		text_puts(t, i ? ",\"" : "\"");
		text_puts(t, m->key);
		text_put(t, "\":", 2);
		if (m->kind == AUDIT_DETAIL_STRING)
			put_detail(t, p, m);
		else if (m->kind == AUDIT_DETAIL_JSON)
			text_puts(t, m->string);
		else if (m->kind == AUDIT_DETAIL_U64)
			put_json_u64(t, m->number);
		else
			text_puts(t, m->number ? "true" : "false");
	}
	text_put(t, "}", 1);
}

void record_write(const struct audit_record *r, const struct audit_position *at, struct text *t)
{
	static const struct audit_actor daemon = {.username = "weir", .role = "system"};
	const struct audit_actor *actor = &r->actor;
	const char *event = audit_event_to_str(r->event);
	unsigned int severity = r->severity ? r->severity : audit_event_severity(r->event);
	char id[UUID_TEXT_SIZE], time[CLOCK_RFC3339_SIZE];
	struct privacy privacy = {
		.keeper = at->keeper,
		.mode = at->keeper ? personal_mode(at->keeper, audit_event_category(r->event))
				   : PERSONAL_CLEAR,
		.event_id = at->event_id,
	};

	assert(severity >= 1 && severity <= 5 && at->index <= AUDIT_INDEX_MAX);
	if (!actor->user_id && !actor->username && !actor->role && !actor->ip_address)
		actor = &daemon;
	privacy.system = strcmp(actor->role ? actor->role : "", daemon.role) == 0;
	uuid_format(at->event_id, id);
	clock_format_rfc3339(r->time_ns ? r->time_ns : clock_real_ns(), time);

	put_member(t, "{\"action\":", r->action ? r->action : strchr(event, '.') + 1);
	put_personal(t, &privacy, ",\"actor\":{\"ip_address\":", "actor.ip_address",
		     actor->ip_address);
	put_member(t, ",\"role\":", actor->role);
	put_personal(t, &privacy, ",\"user_id\":", "actor.user_id", actor->user_id);
	put_personal(t, &privacy, ",\"username\":", "actor.username", actor->username);
	text_puts(t, "},\"details\":");
	put_details(t, &privacy, r->details);
	put_member(t, ",\"event_id\":", id);
	put_member(t, ",\"event_type\":", event);
	text_puts(t, ",\"index\":");
	put_u64(t, at->index);
	put_member(t, ",\"outcome\":", audit_outcome_to_str(r->outcome));
	put_hash(t, ",\"previous_hash\":\"", at->previous_hash);
	put_resource(t, &privacy, &r->resource);
	text_puts(t, ",\"severity\":");
	put_u64(t, severity);
	put_member(t, ",\"timestamp\":", time);
	text_put(t, "}", 1);
}

/* It stays in registers as long as nobody takes its address: so all on the way of a usual record is inlined. */
struct scanner {
	const char *at, *end, *start;
};

#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t load_64(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* memcmp() of a length that the compiler knows, for which it would make a call. Words may overlap. */
INLINE bool is_same(const char *at, const char *literal, size_t length)
{
	uint64_t differ = 0;

	if (length < sizeof(differ))
		return memcmp(at, literal, length) == 0;
	for (size_t i = 0; i + sizeof(differ) < length; i += sizeof(differ))
		differ |= load_64(at + i) ^ load_64(literal + i);
	at += length - sizeof(differ);
	literal += length - sizeof(differ);
	return !(differ | (load_64(at) ^ load_64(literal)));
}

INLINE bool take(struct scanner *s, const char *literal)
{
	size_t length = strlen(literal); /* known to the compiler */

	/* Nearly always there: what comes behind it is no rare path to be made small. */
	if (__builtin_expect((size_t)(s->end - s->at) < length, 0) ||
	    __builtin_expect(!is_same(s->at, literal, length), 0))
		return false;
	s->at += length;
	return true;
}

INLINE bool take_char(struct scanner *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* What RFC 8785 writes after a backslash: one of "\bfnrt, or u00 and two lower hex digits. */
static bool take_escape(struct scanner *s)
{
	uint8_t code;

	if (take(s, "u00")) {
		if (s->end - s->at < 2 || hex_parse(s->at, 1, &code) < 0 || code >= 0x20 ||
		    strchr("\b\f\n\r\t", code ?: 1))
			return false;
		s->at += 2;
		return true;
	}
	if (s->at == s->end || !*s->at || !strchr("\"\\bfnrt", *s->at))
		return false;
	s->at++;
	return true;
}

/* What is behind a string that begins at @start and does not end with its first plain characters, at @at. NULL: it is none. */
static __attribute__((noinline)) const char *skip_rest(const char *start, const char *at,
						       const char *end)
{
	struct scanner s = {at, end, start};

	while (!take_char(&s, '"')) {
		if (s.at == s.end || (unsigned char)*s.at < 0x20)
			return NULL;
		if (*s.at++ == '\\' && !take_escape(&s))
			return NULL;
	}
	return utf8_valid(start, (size_t)(s.at - 1 - start)) ? s.at : NULL;
}

INLINE bool take_string(struct scanner *s, struct record_slice *ret)
{
	const char *start = s->at + 1, *rest;

	if (!take_char(s, '"'))
		return false;
	s->at += text_plain(start, (size_t)(s->end - start));
	if (!take_char(s, '"')) {
		rest = skip_rest(start, s->at, s->end);
		if (!rest)
			return false;
		s->at = rest;
	}
	*ret = (struct record_slice){start, (size_t)(s->at - 1 - start)};
	return true;
}

INLINE bool take_u64(struct scanner *s, uint64_t *ret)
{
	const char *start = s->at;
	uint64_t value = 0;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9' && value <= AUDIT_INTEGER_MAX / 10)
		value = value * 10 + (uint64_t)(*s->at++ - '0');
	*ret = value;
	return s->at > start && value <= AUDIT_INTEGER_MAX && (*start != '0' || s->at == start + 1);
}

INLINE bool take_scalar(struct scanner *s)
{
	struct record_slice string;
	uint64_t number;

	if (s->at < s->end && *s->at == '"')
		return take_string(s, &string);
	if (take(s, "true") || take(s, "false") || take(s, "null"))
		return true;
	if (take_char(s, '-') && s->at < s->end && *s->at == '0')
		return false;
	return take_u64(s, &number);
}

/* A value that is sealed; it is noted in @v. */
INLINE bool take_sealed(struct scanner *s, struct record_view *v)
{
	struct personal_sealed sealed;
	int length = personal_parse_sealed(s->at, (size_t)(s->end - s->at), &sealed);

	if (length < 0 || v->sealed_count == ARRAY_SIZE(v->sealed))
		return false;
	v->sealed[v->sealed_count++] = (uint16_t)(s->at - s->start);
	s->at += length;
	return true;
}

INLINE bool is_sealed(const struct scanner *s)
{
	static const char begin[] = "{\"sealed\":";

	return (size_t)(s->end - s->at) >= sizeof(begin) - 1 &&
	       is_same(s->at, begin, sizeof(begin) - 1);
}

/* @before, and then a string or what is sealed. */
INLINE bool take_personal(struct scanner *s, const char *before, struct record_view *v)
{
	struct record_slice string;

	if (!take(s, before))
		return false;
	return s->at < s->end && *s->at == '{' ? take_sealed(s, v) : take_string(s, &string);
}

INLINE bool take_actor(struct scanner *s, struct record_view *v)
{
	const char *start = s->at;
	struct record_slice role;

	if (!take_personal(s, "{\"ip_address\":", v) || !take(s, ",\"role\":") ||
	    !take_string(s, &role) || !take_personal(s, ",\"user_id\":", v) ||
	    !take_personal(s, ",\"username\":", v) || !take_char(s, '}'))
		return false;
	v->actor = (struct record_slice){start, (size_t)(s->at - start)};
	return true;
}

INLINE bool take_resource(struct scanner *s, struct record_view *v)
{
	const char *start = s->at;
	struct record_slice type;

	if (!take_personal(s, "{\"id\":", v) || !take(s, ",\"type\":") || !take_string(s, &type) ||
	    !take_char(s, '}'))
		return false;
	v->resource = (struct record_slice){start, (size_t)(s->at - start)};
	return true;
}

/* As RFC 8785 sorts keys: mostly the first characters decide. */
INLINE bool is_greater(const struct record_slice *a, const struct record_slice *b)
{
	size_t common = a->length < b->length ? a->length : b->length;
	int order = common ? (unsigned char)*a->data - (unsigned char)*b->data : 0;

	if (order == 0)
		order = memcmp(a->data, b->data, common);
	return order > 0 || (order == 0 && a->length > b->length);
}

/* A key that is greater than the one before it in its object: none comes twice. */
INLINE bool take_key(struct scanner *s, struct record_slice *last)
{
	struct record_slice key;

	if (!take_string(s, &key) || !take_char(s, ':') || (last->data && !is_greater(&key, last)))
		return false;
	*last = key;
	return true;
}

/* The details: an object with anything in it. The record around it is the first level of AUDIT_DEPTH_MAX. */
INLINE bool take_details(struct scanner *s, struct record_view *v)
{
	const char *start = s->at;
	char closers[AUDIT_DEPTH_MAX - 1];
	struct record_slice keys[AUDIT_DEPTH_MAX - 1]; /* the last one of each */
	unsigned int depth = 0;

	if (s->at == s->end || *s->at != '{')
		return false;
	do {
		if (depth && closers[depth - 1] == '}' && !take_key(s, &keys[depth - 1]))
			return false;
		if (depth == 1 && is_sealed(s)) {
			if (!take_sealed(s, v))
				return false;
		} else if (s->at < s->end && (*s->at == '{' || *s->at == '[')) {
			if (depth == ARRAY_SIZE(closers))
				return false;
			keys[depth].data = NULL;
			keys[depth].length = 0;
			closers[depth++] = *s->at++ == '{' ? '}' : ']';
			if (s->at < s->end && *s->at != closers[depth - 1])
				continue;
		} else if (!take_scalar(s)) {
			return false;
		}
		while (depth && take_char(s, closers[depth - 1]))
			depth--;
		if (depth && !take_char(s, ','))
			return false;
	} while (depth);
	v->details = (struct record_slice){start, (size_t)(s->at - start)};
	return true;
}

int record_parse(const char *data, size_t length, struct record_view *ret)
{
	struct scanner s = {data, data + length, data};
	struct record_view v;
	struct record_slice id, hash;
	uint64_t severity;

	if (length > AUDIT_RECORD_MAX)
		return -EINVAL;
	v.data = data;
	v.opener = NULL;
	v.rectified = NULL;
	v.sealed_count = 0;
	if (!take(&s, "{\"action\":") || !take_string(&s, &v.action) || !take(&s, ",\"actor\":") ||
	    !take_actor(&s, &v) || !take(&s, ",\"details\":") || !take_details(&s, &v) ||
	    !take(&s, ",\"event_id\":") || !take_string(&s, &id) || !take(&s, ",\"event_type\":") ||
	    !take_string(&s, &v.event_type))
		return -EINVAL;
	v.hash_offset = (size_t)(s.at - data);
	if (!take(&s, ",\"index\":") || !take_u64(&s, &v.index) || !take(&s, ",\"outcome\":") ||
	    !take_string(&s, &v.outcome) || !take(&s, ",\"previous_hash\":") ||
	    !take_string(&s, &hash) || !take(&s, ",\"resource\":") || !take_resource(&s, &v) ||
	    !take(&s, ",\"severity\":") || !take_u64(&s, &severity) ||
	    !take(&s, ",\"timestamp\":") || !take_string(&s, &v.timestamp) || !take_char(&s, '}') ||
	    s.at != s.end)
		return -EINVAL;
	if (severity < 1 || severity > 5 ||
	    audit_outcome_from_str(v.outcome.data, v.outcome.length) < 0 ||
	    v.timestamp.length != CLOCK_RFC3339_SIZE - 1 || hash.length != AUDIT_HASH_TEXT - 1 ||
	    uuid_parse(&id, v.event_id) < 0 ||
	    hex_parse(hash.data, AUDIT_HASH_SIZE, v.previous_hash) < 0)
		return -EINVAL;
	v.severity = (unsigned int)severity;
	/* Mostly nothing is sealed, and the places of that are the larger part. */
	memcpy(ret, &v, offsetof(struct record_view, sealed) + v.sealed_count * sizeof(*v.sealed));
	return 0;
}
