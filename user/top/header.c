/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/header.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/render.h"
#include "cli/status.h"

#define SPARK_COLUMNS_MAX 30
#define SPARK_ROOM	  52 /* of the line, that is taken by words and numbers */

/* How much one of the counters of packets grew per second; below 0: they began anew. */
static double growth(const json_t *status, const json_t *before, const char *key, double seconds)
{
	uint64_t now = member_u64(json_object_get(status, "packets"), key);
	uint64_t then = member_u64(json_object_get(before, "packets"), key);

	return before && seconds > 0 && now >= then ? (double)(now - then) / seconds : -1;
}

void header_add(struct header *h, const json_t *status, const json_t *before, double seconds)
{
	h->packets_per_s = growth(status, before, "seen", seconds);
	h->dropped_per_s = growth(status, before, "dropped", seconds);
	h->would_drop_per_s = growth(status, before, "would_drop", seconds);
	if (h->packets_per_s < 0)
		return;
	view_spark_add(&h->packets, h->packets_per_s);
	view_spark_add(&h->dropped, h->dropped_per_s);
}

static void put_identity(const json_t *status, struct text *t)
{
	const json_t *policy = json_object_get(status, "policy");
	const char *mode = member_text(status, "mode_in_force");
	char uptime[RENDER_DURATION_SIZE];

	render_seconds(member_u64(status, "uptime_seconds"), uptime);
	text_printf(t, "weir %s  %s (%s)  %s  generation %" PRIu64 "  up %s",
		    member_text(status, "version"), member_text(status, "iface"),
		    member_text(status, "attached"), mode, member_u64(policy, "generation"),
		    uptime);
}

static void put_rate(const char *name, double rate, const struct view_spark *spark, bool utf8,
		     size_t columns, struct text *t)
{
	char number[16], drawn[3 * SPARK_COLUMNS_MAX + 1];

	view_format_rate(rate, number, sizeof(number));
	view_spark_format(spark, columns, utf8, drawn);
	text_printf(t, "%s %6s/s %s  ", name, number, drawn);
}

/* The first thing that is wrong, and how many more there are. */
static bool put_trouble(const struct cli *cli, const json_t *status, struct text *t)
{
	_cleanup_free_ char *said = NULL;
	struct cli to = *cli;
	size_t length = 0, lines = 0;

	to.tsv = false;
	to.out = open_memstream(&said, &length);
	if (!to.out)
		return false;
	status_say_trouble(&to, status);
	fclose(to.out);
	for (const char *s = said; s && (s = strchr(s, '\n')); s++)
		lines++;
	if (!lines)
		return false;
	if (lines > 1)
		text_printf(t, "(1 of %zu, see 'weir status') ", lines);
	text_put(t, said, strcspn(said, "\n"));
	return true;
}

static void put_protection(const json_t *status, struct text *t)
{
	const json_t *lists = json_object_get(status, "lists");
	const json_t *block = json_object_get(lists, "block");
	const json_t *allow = json_object_get(lists, "allow");

	text_printf(t,
		    "protected: %" PRIu64 " limits, %" PRIu64 " entries block, %" PRIu64 " allow",
		    member_u64(status, "limits"),
		    member_u64(block, "addresses") + member_u64(block, "prefixes"),
		    member_u64(allow, "addresses") + member_u64(allow, "prefixes"));
}

void header_format(const struct header *h, const struct cli *cli, const json_t *status,
		   const char *trouble, bool utf8, size_t columns,
		   struct screen_line ret[static SCREEN_HEADER_LINES])
{
	size_t spark = columns > SPARK_ROOM ? (columns - SPARK_ROOM) / 2 : 0;
	char number[16];
	struct text t;

	memset(ret, 0, SCREEN_HEADER_LINES * sizeof(*ret));
	spark = spark < SPARK_COLUMNS_MAX ? spark : SPARK_COLUMNS_MAX;
	text_init(&t, ret[0].text, sizeof(ret[0].text));
	if (status)
		put_identity(status, &t);
	else
		text_puts(&t, "weir");
	text_init(&t, ret[1].text, sizeof(ret[1].text));
	put_rate("packets", h->packets_per_s, &h->packets, utf8, spark, &t);
	put_rate("dropped", h->dropped_per_s, &h->dropped, utf8, spark, &t);
	view_format_rate(h->would_drop_per_s, number, sizeof(number));
	text_printf(&t, "would %s/s", number);
	text_init(&t, ret[2].text, sizeof(ret[2].text));
	ret[2].alarming = true;
	if (*trouble)
		text_puts(&t, trouble);
	else if (status && !put_trouble(cli, status, &t)) {
		put_protection(status, &t);
		ret[2].alarming = false;
	}
	for (int i = 0; i < SCREEN_HEADER_LINES; i++) {
		utf8_repair(ret[i].text);
		render_defuse(ret[i].text);
	}
}
