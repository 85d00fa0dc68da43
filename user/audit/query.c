/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/query.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define TYPE_SIZE 64

static const char *const names[] = {
	[QUERY_SINCE] = "since",       [QUERY_UNTIL] = "until",	      [QUERY_TYPE] = "type",
	[QUERY_CATEGORY] = "category", [QUERY_SEVERITY] = "severity", [QUERY_ACTOR] = "actor",
	[QUERY_ADDRESS] = "address",   [QUERY_RULE] = "rule",	      [QUERY_RESOURCE] = "resource",
	[QUERY_OUTCOME] = "outcome",   [QUERY_TEXT] = "text",
};

void audit_query_init(struct audit_query *q)
{
	*q = (struct audit_query){.until_ns = UINT64_MAX, .outcome = -1};
}

const char *audit_criterion_to_str(enum query_criterion criterion)
{
	return names[criterion];
}

/* "2026-11-20T23:37:00.5Z": the decimals are cut out for the parser of whole seconds. */
static int parse_time(const char *words, uint64_t *ret_ns)
{
	char whole[CLOCK_RFC3339_SIZE];
	const char *dot = strchr(words, '.'), *p;
	uint64_t unit = NSEC_PER_SEC, fraction = 0, ns;
	int64_t seconds;
	int r;

	if (parse_duration_ns(words, &ns) == 0) {
		uint64_t now = clock_real_ns();

		*ret_ns = now > ns ? now - ns : 0;
		return 0;
	}
	if (strlen(words) == strlen("2026-11-20"))
		snprintf(whole, sizeof(whole), "%sT00:00:00Z", words);
	else if (strlen(words) < sizeof(whole))
		snprintf(whole, sizeof(whole), "%.*s%s", dot ? (int)(dot - words) : 64, words,
			 dot ? "Z" : "");
	else
		return -EINVAL;
	for (p = dot ? dot + 1 : ""; *p >= '0' && *p <= '9'; p++) {
		unit /= 10;
		fraction += unit * (uint64_t)(*p - '0');
	}
	if (dot && (p == dot + 1 || strcmp(p, "Z") != 0))
		return -EINVAL;
	r = clock_parse_rfc3339(whole, &seconds);
	if (r < 0)
		return r;
	*ret_ns = (uint64_t)seconds * NSEC_PER_SEC + fraction;
	return 0;
}

/* As the string stands in records, without the quotes. */
static void escape(char *ret, size_t size, const char *words)
{
	struct text t;

	text_init(&t, ret, size);
	text_put_json(&t, words);
	ret[t.length - 1] = '\0';
	memmove(ret, ret + 1, t.length - 1);
}

static void set_resource(struct audit_query *q, const char *words)
{
	const char *slash = strchr(words, '/');
	char type[QUERY_WORD_MAX + 1];
	int r;

	snprintf(type, sizeof(type), "%.*s", (int)strcspn(words, "/"), words);
	escape(q->resource_type, sizeof(q->resource_type), type);
	q->resource_id[0] = '\0';
	if (!slash)
		return;
	escape(q->resource_id, sizeof(q->resource_id), slash + 1);
	r = prefix_parse(slash + 1, &q->resource_address);
	q->resource_is_address = r == 0 || r == -EDOM;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

static int bad(const char *name, const char *words, const char *why, struct fault *reterr)
{
	return fault(reterr, -EINVAL, "audit.query", "%s '%s': %s", name, words, why);
}

static int set_glob(const char *words, struct fault *reterr)
{
	unsigned int stars = 0;

	for (const char *p = words; *p; p++)
		stars += *p == '*';
	if (stars > QUERY_STARS_MAX)
		return bad("type", words, "it has too many stars", reterr);
	if (strpbrk(words, "[]\\") || strlen(words) >= TYPE_SIZE)
		return bad("type", words, "an event's name, in which * and ? stand for any others",
			   reterr);
	if (!strpbrk(words, "*?") && audit_event_from_str(words, strlen(words)) < 0)
		return bad("type", words, "there is no such event; try a pattern such as 'list.*'",
			   reterr);
	return 0;
}

static int outcome_from_str(const char *words)
{
	for (enum audit_outcome o = 0; o < AUDIT_OUTCOME_MAX; o++)
		if (strcmp(audit_outcome_to_str(o), words) == 0)
			return (int)o;
	return -EINVAL;
}

static int set_categories(struct audit_query *q, const char *words, struct fault *reterr)
{
	char copy[QUERY_WORD_MAX + 1], *rest = copy, *word;
	uint32_t categories = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, ","))) {
		int category = audit_category_from_str(word);

		if (category < 0)
			return fault(reterr, -EINVAL, "audit.query",
				     "category '%.40s' is none of %s", word,
				     audit_category_names());
		categories |= 1U << category;
	}
	q->categories = categories;
	return 0;
}

static int set_address(struct audit_query *q, const char *words, struct fault *reterr)
{
	switch (prefix_parse(words, &q->address)) {
	case 0:
		return 0;
	case -EDOM:
		return bad("address", words, "bits are set beyond the length of the prefix",
			   reterr);
	default:
		return bad("address", words, "it is no address or prefix", reterr);
	}
}

/* What is made of the words that are kept. */
static int set(struct audit_query *q, enum query_criterion criterion, const char *words,
	       struct fault *reterr)
{
	switch (criterion) {
	case QUERY_SINCE:
	case QUERY_UNTIL:
		if (parse_time(words, criterion == QUERY_SINCE ? &q->since_ns : &q->until_ns) < 0)
			return bad(names[criterion], words,
				   "write 2h, 2026-11-20 or 2026-11-20T23:37:00Z", reterr);
		return 0;
	case QUERY_TYPE:
		return set_glob(words, reterr);
	case QUERY_CATEGORY:
		return set_categories(q, words, reterr);
	case QUERY_SEVERITY:
		return parse_u32(words, 1, 5, &q->severity) < 0
			       ? bad("severity", words, "it is no number from 1 to 5", reterr)
			       : 0;
	case QUERY_ADDRESS:
		return set_address(q, words, reterr);
	case QUERY_OUTCOME:
		q->outcome = outcome_from_str(words);
		return q->outcome < 0
			       ? bad("outcome", words, "it is success, failure or denied", reterr)
			       : 0;
	case QUERY_ACTOR:
		escape(q->actor, sizeof(q->actor), words);
		return 0;
	case QUERY_RULE:
		escape(q->rule, sizeof(q->rule), words);
		return 0;
	case QUERY_RESOURCE:
		set_resource(q, words);
		return 0;
	default:
		escape(q->text, sizeof(q->text), words);
		for (char *p = q->text; *p; p++)
			*p = lower(*p);
		return 0;
	}
}

int audit_query_set(struct audit_query *q, enum query_criterion criterion, const char *words,
		    struct fault *reterr)
{
	size_t length = strlen(words);
	int r;

	if (!length)
		return fault(reterr, -EINVAL, "audit.query", "%s is empty", names[criterion]);
	if (length > QUERY_WORD_MAX)
		return fault(reterr, -ERANGE, "audit.query", "%s has more than %d bytes",
			     names[criterion], QUERY_WORD_MAX);
	if (!utf8_valid(words, length))
		return fault(reterr, -EINVAL, "audit.query", "%s is not UTF-8", names[criterion]);
	r = set(q, criterion, words, reterr);
	if (r == 0)
		memcpy(q->words[criterion], words, length + 1);
	return r;
}

static bool contains(const struct record_slice *where, const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i + length <= where->length; i++) {
		size_t n = 0;

		while (n < length && lower(where->data[i + n]) == text[n])
			n++;
		if (n == length)
			return true;
	}
	return false;
}

/* Likewise in @part of a record, as it stands there or with what is sealed in it opened. */
static bool part_contains(const struct record_view *view, const struct record_slice *part,
			  const char *text)
{
	_cleanup_(text_done) struct text opened = {.growing = true};
	struct record_slice whole;

	if (contains(part, text))
		return true;
	if (!view->opener || !view->sealed_count)
		return false;
	record_put_part(&opened, part, view);
	whole = (struct record_slice){opened.data, opened.length};
	return !opened.truncated && contains(&whole, text);
}

/* Which criteria some field of the record has met. */
struct match {
	const struct audit_query *q;
	bool actor, address, rule, resource_type, resource_id;
};

static bool is_subject(const struct query_subjects *subjects, const struct record_slice *id)
{
	for (size_t i = 0; i < subjects->count; i++)
		if (slice_equal(id, subjects->ids[i]))
			return true;
	return false;
}

static void on_field(const struct field_value *v, void *userdata)
{
	struct match *m = userdata;
	const struct audit_query *q = m->q;

	switch (v->field) {
	case RECORD_ACTOR:
		m->actor |= slice_equal(&v->text, q->actor);
		break;
	case RECORD_ADDRESS:
		m->address |= prefix_covers(&q->address, &v->prefix) ||
			      prefix_covers(&v->prefix, &q->address);
		m->resource_id |= q->resource_is_address &&
				  prefix_compare(&v->prefix, &q->resource_address) == 0;
		break;
	case RECORD_SUBJECT:
		m->actor |= is_subject(&q->actors, &v->text);
		m->address |= is_subject(&q->addresses, &v->text);
		m->resource_id |= is_subject(&q->resources, &v->text);
		break;
	case RECORD_RULE:
		m->rule |= slice_equal(&v->text, q->rule);
		break;
	case RECORD_RESOURCE_TYPE:
		m->resource_type |= slice_equal(&v->text, q->resource_type);
		break;
	case RECORD_RESOURCE_ID:
		m->resource_id |= slice_equal(&v->text, q->resource_id);
		break;
	default:
		break;
	}
}

static bool match_fields(const struct audit_query *q, const struct record_view *view)
{
	struct match m = {.q = q};

	m.actor = !audit_query_has(q, QUERY_ACTOR);
	m.address = !audit_query_has(q, QUERY_ADDRESS);
	m.rule = !audit_query_has(q, QUERY_RULE);
	m.resource_type = !audit_query_has(q, QUERY_RESOURCE);
	m.resource_id = !q->resource_id[0];
	if (m.actor && m.address && m.rule && m.resource_type && m.resource_id)
		return true;
	record_fields(view, on_field, &m);
	return m.actor && m.address && m.rule && m.resource_type && m.resource_id;
}

bool audit_query_match_type(const struct audit_query *q, const char *type, size_t length)
{
	char name[TYPE_SIZE];
	int event;

	if (length >= sizeof(name))
		return false;
	memcpy(name, type, length);
	name[length] = '\0';
	if (q->categories) {
		event = audit_event_from_str(name, length);
		if (event < 0 ||
		    !(q->categories >> audit_event_category((enum audit_event)event) & 1))
			return false;
	}
	return !audit_query_has(q, QUERY_TYPE) ||
	       fnmatch(q->words[QUERY_TYPE], name, FNM_NOESCAPE) == 0;
}

bool audit_query_match(const struct audit_query *q, const struct record_view *view)
{
	uint64_t time_ns;

	if (view->severity < q->severity)
		return false;
	if (q->outcome >= 0 &&
	    !slice_equal(&view->outcome, audit_outcome_to_str((enum audit_outcome)q->outcome)))
		return false;
	if ((audit_query_has(q, QUERY_TYPE) || q->categories) &&
	    !audit_query_match_type(q, view->event_type.data, view->event_type.length))
		return false;
	if (q->since_ns || q->until_ns != UINT64_MAX) {
		time_ns = record_time_ns(view);
		if (time_ns < q->since_ns || time_ns >= q->until_ns)
			return false;
	}
	if (!match_fields(q, view))
		return false;
	return !audit_query_has(q, QUERY_TEXT) || contains(&view->action, q->text) ||
	       part_contains(view, &view->actor, q->text) ||
	       part_contains(view, &view->resource, q->text) ||
	       part_contains(view, &view->details, q->text);
}

json_t *audit_query_json(const struct audit_query *q)
{
	json_t *o = json_object();

	for (enum query_criterion i = 0; i < QUERY_CRITERION_MAX; i++) {
		const char *words = q->words[i];
		char time[CLOCK_RFC3339_SIZE];

		if (!*words)
			continue;
		if (i == QUERY_SINCE || i == QUERY_UNTIL) {
			clock_format_rfc3339(i == QUERY_SINCE ? q->since_ns : q->until_ns, time);
			words = time;
		}
		json_object_set_new(o, names[i], json_string(words));
	}
	return o;
}
