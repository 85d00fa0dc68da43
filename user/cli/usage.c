/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/usage.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "export/escape.h"

#define CSV_HEAD                                                                                   \
	"tenant,tier,day,since,passed_packets,passed_bytes,passed_connections,refused_packets,"    \
	"refused_bytes,refused_connections,cost,currency\r\n"

static const char *const counts[] = {"packets", "bytes", "connections"};

static void put_row(struct table *t, const char *day, const json_t *row, const char *currency)
{
	const json_t *passed = json_object_get(row, "passed");
	const json_t *refused = json_object_get(row, "refused");
	const char *cost = member_text(row, "cost");

	table_cell(t, "%s", day);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		table_cell(t, "%" PRIu64, member_u64(passed, counts[i]));
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		table_cell(t, "%" PRIu64, member_u64(refused, counts[i]));
	table_cell(t, "%s%s%s", *cost ? cost : "-", *cost ? " " : "", *cost ? currency : "");
}

void usage_put_table(struct table *t, const json_t *usage)
{
	const char *currency = member_text(json_object_get(usage, "price"), "currency");
	const json_t *day;
	size_t i;

	table_init(t, "DAY", TABLE_RIGHT "PACKETS", TABLE_RIGHT "BYTES", TABLE_RIGHT "CONNECTIONS",
		   TABLE_RIGHT "REFUSED", TABLE_WIDE TABLE_RIGHT "REFUSED BYTES",
		   TABLE_WIDE TABLE_RIGHT "REFUSED CONNECTIONS", TABLE_RIGHT "COST", NULL);
	json_array_foreach (json_object_get(usage, "items"), i, day) {
		const char *name = member_text(day, "day"), *since = member_text(day, "since");
		char words[64];

		snprintf(words, sizeof(words), "%s%s%s%s", name,
			 strcmp(name, since) != 0 ? " (since " : "",
			 strcmp(name, since) != 0 ? since : "",
			 strcmp(name, since) != 0 ? ")" : "");
		put_row(t, words, day, currency);
	}
	put_row(t, "total", json_object_get(usage, "total"), currency);
}

static void put_text(struct text *t, const char *value, const char *behind)
{
	escape_put(t, value, ESCAPE_CSV);
	text_puts(t, behind);
}

void usage_put_csv(struct text *t, const json_t *usage)
{
	const char *currency = member_text(json_object_get(usage, "price"), "currency");
	const json_t *day;
	size_t i;

	text_puts(t, CSV_HEAD);
	json_array_foreach (json_object_get(usage, "items"), i, day) {
		const json_t *passed = json_object_get(day, "passed");
		const json_t *refused = json_object_get(day, "refused");

		put_text(t, member_text(usage, "tenant"), ",");
		put_text(t, member_text(usage, "tier"), ",");
		put_text(t, member_text(day, "day"), ",");
		put_text(t, member_text(day, "since"), ",");
		for (size_t n = 0; n < ARRAY_SIZE(counts); n++)
			text_printf(t, "%" PRIu64 ",", member_u64(passed, counts[n]));
		for (size_t n = 0; n < ARRAY_SIZE(counts); n++)
			text_printf(t, "%" PRIu64 ",", member_u64(refused, counts[n]));
		put_text(t, member_text(day, "cost"), ",");
		put_text(t, currency, "\r\n");
	}
}
