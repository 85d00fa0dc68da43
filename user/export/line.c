/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The formats that are lines of text: CSV, CEF, LEEF and RFC 5424. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "export/escape.h"
#include "export/format.h"

#define SEQUENCE_MAX 2147483647U /* RFC 5424, 7.3.1 */
#define FACILITY     13		 /* log audit */
#define MSGID_MAX    32
#define HOSTNAME_MAX 255
#define TIME_LENGTH  26 /* to the microsecond, more is not allowed */

static const char *words_of(const struct export_event *e)
{
	const char *words = export_event_words(e);

	return *words ? words : e->type;
}

static void put_details(struct text *t, const struct export_event *e, enum escape_style style)
{
	_cleanup_free_ char *details = json_dumps(e->details, JSON_COMPACT | JSON_SORT_KEYS);

	if (details || !e->details)
		escape_put(t, details ?: "{}", style);
	else
		t->truncated = true;
}

void line_put_csv(struct text *t, const struct export_event *e, const char *host)
{
	const char *const before[] = {e->timestamp, e->id, e->type,
				      audit_category_to_str(e->category)};
	const char *const behind[] = {e->outcome, e->action,  e->user_id,	e->username,
				      e->role,	  e->address, e->resource_type, e->resource_id};

	(void)host;
	text_printf(t, "%" PRIu64, e->index);
	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
		text_puts(t, ",");
		escape_put(t, before[i], ESCAPE_CSV);
	}
	text_printf(t, ",%u", e->severity);
	for (size_t i = 0; i < sizeof(behind) / sizeof(*behind); i++) {
		text_puts(t, ",");
		escape_put(t, behind[i], ESCAPE_CSV);
	}
	text_puts(t, ",");
	put_details(t, e, ESCAPE_CSV);
	text_puts(t, ",");
	escape_put(t, e->hash, ESCAPE_CSV);
	text_puts(t, ",");
	escape_put(t, e->previous_hash, ESCAPE_CSV);
	text_puts(t, "\r\n");
}

/* A key and its value, if there is one; @separator stands in front. */
struct pairs {
	struct text *t;
	enum escape_style style;
	const char *separator;
	bool any;
};

static void pair(struct pairs *p, const char *key, const char *value)
{
	if (!*value)
		return;
	text_printf(p->t, "%s%s=", p->any ? p->separator : "", key);
	escape_put(p->t, value, p->style);
	p->any = true;
}

static void pair_u64(struct pairs *p, const char *key, uint64_t value)
{
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64, value);
	pair(p, key, number);
}

/* CEF has other keys for IPv6 than for IPv4. */
static void pair_source(struct pairs *p, const char *source)
{
	bool is_ip6 = strchr(source, ':');

	pair(p, is_ip6 ? "c6a2" : "src", source);
	if (is_ip6)
		pair(p, "c6a2Label", "Source IPv6 Address");
}

static void pair_details(struct pairs *p, const struct export_event *e, const char *key)
{
	_cleanup_free_ char *details = json_dumps(e->details, JSON_COMPACT | JSON_SORT_KEYS);

	if (!details && e->details)
		p->t->truncated = true;
	else
		pair(p, key, details ?: "");
}

void line_put_cef(struct text *t, const struct export_event *e, const char *host)
{
	struct pairs p = {.t = t, .style = ESCAPE_CEF, .separator = " "};
	char scratch[EXPORT_VALUE_SIZE];

	text_puts(t, "CEF:0|weir|weir|" WEIR_VERSION "|");
	escape_put(t, e->type, ESCAPE_CEF_HEADER);
	text_puts(t, "|");
	escape_put(t, words_of(e), ESCAPE_CEF_HEADER);
	text_printf(t, "|%u|", export_severity(e->severity)->cef);
	pair_u64(&p, "rt", e->time_ns / NSEC_PER_MSEC);
	pair(&p, "externalId", e->id);
	pair(&p, "dvchost", host);
	pair(&p, "cat", audit_category_to_str(e->category));
	pair(&p, "act", e->action);
	pair(&p, "outcome", e->outcome);
	pair_source(&p, e->source);
	pair(&p, "suser", e->username);
	pair(&p, "suid", e->user_id);
	pair(&p, "spriv", e->role);
	pair(&p, "cnt", export_detail(e, "packets", scratch));
	pair(&p, "in", export_detail(e, "bytes", scratch));
	pair(&p, "reason", export_detail(e, "reason", scratch));
	pair(&p, "cs1", export_detail(e, "limit", scratch));
	pair(&p, "cs1Label", "limit");
	pair(&p, "cs2", e->hash);
	pair(&p, "cs2Label", "hash");
	pair_u64(&p, "cn1", e->index);
	pair(&p, "cn1Label", "index");
	pair(&p, "cs3", e->resource_type);
	pair(&p, "cs3Label", "resource type");
	pair(&p, "cs4", e->resource_id);
	pair(&p, "cs4Label", "resource");
	pair_details(&p, e, "msg");
	text_puts(t, "\n");
}

void line_put_leef(struct text *t, const struct export_event *e, const char *host)
{
	struct pairs p = {.t = t, .style = ESCAPE_LEEF, .separator = "\t"};
	char scratch[EXPORT_VALUE_SIZE];

	text_puts(t, "LEEF:2.0|weir|weir|" WEIR_VERSION "|");
	escape_put(t, e->type, ESCAPE_LEEF_HEADER);
	text_puts(t, "|x09|");
	pair_u64(&p, "devTime", e->time_ns / NSEC_PER_MSEC);
	pair(&p, "cat", audit_category_to_str(e->category));
	pair_u64(&p, "sev", export_severity(e->severity)->cef);
	pair(&p, "src", e->source);
	pair(&p, "usrName", e->username);
	pair(&p, "role", e->role);
	pair(&p, "identHostName", host);
	pair(&p, "action", e->action);
	pair(&p, "outcome", e->outcome);
	pair(&p, "resourceType", e->resource_type);
	pair(&p, "resource", e->resource_id);
	pair(&p, "srcPackets", export_detail(e, "packets", scratch));
	pair(&p, "srcBytes", export_detail(e, "bytes", scratch));
	pair(&p, "limit", export_detail(e, "limit", scratch));
	pair(&p, "eventId", e->id);
	pair_u64(&p, "index", e->index);
	pair(&p, "hash", e->hash);
	pair_details(&p, e, "details");
	text_puts(t, "\n");
}

/*
 * The message is the record as JSON in ASCII: so it needs no byte order mark, and no receiver takes a part of it for a line of its own.
 */
void line_put_syslog(struct text *t, const struct export_event *e, const char *host)
{
	_cleanup_free_ char *json = json_dumps(e->record, JSON_COMPACT);

	text_printf(t, "<%u>1 %.*sZ ", FACILITY * 8 + export_severity(e->severity)->syslog,
		    TIME_LENGTH, e->timestamp);
	escape_put_name(t, host, HOSTNAME_MAX);
	text_puts(t, " weir - ");
	escape_put_name(t, e->type, MSGID_MAX);
	text_printf(t, " [weir@32473 index=\"%" PRIu64 "\" id=\"", e->index);
	escape_put(t, e->id, ESCAPE_PARAM);
	text_puts(t, "\" category=\"");
	escape_put(t, audit_category_to_str(e->category), ESCAPE_PARAM);
	text_puts(t, "\" outcome=\"");
	escape_put(t, e->outcome, ESCAPE_PARAM);
	text_puts(t, "\" hash=\"");
	escape_put(t, e->hash, ESCAPE_PARAM);
	text_printf(t, "\"][meta sequenceId=\"%" PRIu64 "\"] ", e->index % SEQUENCE_MAX + 1);
	if (json)
		escape_put_ascii_json(t, json);
	else
		t->truncated = true;
	text_puts(t, "\n");
}
