/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Charts as SVG in the page: integers, and classes for colours, so that they follow the page's. */
#include "report/page.h"
#include "report/report.h"

#define WIDTH	  720
#define HEIGHT	  180
#define COLOURS	  8 /* of the style; then they begin anew */
#define BAR_WIDTH 120

static uint64_t packets_at(const json_t *series, size_t bucket)
{
	json_int_t n =
		json_integer_value(json_array_get(json_object_get(series, "packets"), bucket));

	return n > 0 ? (uint64_t)n : 0;
}

static uint64_t sum_at(const json_t *all, size_t bucket)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < json_array_size(all); i++)
		sum += packets_at(json_array_get(all, i), bucket);
	return sum;
}

/* The next number of the form 1, 2 or 5 times a power of ten. */
static uint64_t round_up(uint64_t number)
{
	uint64_t power = 1;

	while (power < number / 10)
		power *= 10;
	return number <= power	     ? power
	       : number <= 2 * power ? 2 * power
	       : number <= 5 * power ? 5 * power
				     : 10 * power;
}

static void put_column(struct text *t, const json_t *all, size_t bucket, uint64_t top)
{
	uint64_t below = 0;

	for (size_t i = 0; i < json_array_size(all); i++) {
		uint64_t packets = packets_at(json_array_get(all, i), bucket);
		/* In tenths, and at least one: what happened can be seen. */
		uint64_t height = packets * HEIGHT * 10 / top, y;

		if (!packets)
			continue;
		if (height < 10)
			height = 10;
		y = HEIGHT * 10 > below + height ? HEIGHT * 10 - below - height : 0;
		text_printf(t,
			    "<rect class=s%zu x=%zu y=%llu.%llu width=10 height=%llu.%llu></rect>",
			    i % COLOURS, 1 + bucket * (WIDTH / REPORT_BUCKETS),
			    (unsigned long long)(y / 10), (unsigned long long)(y % 10),
			    (unsigned long long)(height / 10), (unsigned long long)(height % 10));
		below += height;
	}
}

static void put_axes(struct text *t, const json_t *range, uint64_t top)
{
	for (unsigned int i = 0; i <= 2; i++) {
		text_printf(t, "<line x1=0 x2=%d y1=%d y2=%d></line><text x=%d y=%d>", WIDTH,
			    HEIGHT - (int)i * HEIGHT / 2, HEIGHT - (int)i * HEIGHT / 2, WIDTH + 6,
			    HEIGHT - (int)i * HEIGHT / 2 + 4);
		page_number(t, top * i / 2);
		text_puts(t, "</text>");
	}
	text_printf(t, "<text x=0 y=%d>", HEIGHT + 18);
	page_time(t, json_object_get(range, "since"));
	text_printf(t, "</text><text x=%d y=%d text-anchor=end>", WIDTH, HEIGHT + 18);
	page_time(t, json_object_get(range, "until"));
	text_puts(t, "</text>");
}

static void put_legend(struct text *t, const json_t *all)
{
	text_puts(t, "<ul class=legend>");
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *series = json_array_get(all, i);
		uint64_t sum = 0;

		for (size_t b = 0; b < REPORT_BUCKETS; b++)
			sum += packets_at(series, b);
		text_printf(t,
			    "<li><svg width=10 height=10><rect class=s%zu width=10 height=10>"
			    "</rect></svg> ",
			    i % COLOURS);
		page_text(t, page_member(series, "reason"));
		text_puts(t, " <b>");
		page_number(t, sum);
		text_puts(t, "</b></li>");
	}
	text_puts(t, "</ul>");
}

void page_timeline(struct text *t, const json_t *report)
{
	const json_t *all = json_object_get(json_object_get(report, "drops"), "series");
	uint64_t most = 1;

	for (size_t b = 0; b < REPORT_BUCKETS; b++)
		if (sum_at(all, b) > most)
			most = sum_at(all, b);
	most = round_up(most);
	text_printf(
		t,
		"<svg class=chart viewBox=\"0 -10 %d %d\" role=img aria-label=\"packets dropped "
		"over time\">",
		WIDTH + 90, HEIGHT + 34);
	put_axes(t, json_object_get(report, "range"), most);
	for (size_t b = 0; b < REPORT_BUCKETS; b++)
		put_column(t, all, b, most);
	text_puts(t, "</svg>");
	put_legend(t, all);
}

void page_bar(struct text *t, uint64_t part, uint64_t whole)
{
	uint64_t width = whole ? part * BAR_WIDTH / whole : 0;

	if (part && !width)
		width = 1;
	text_printf(
		t,
		"<td class=bar><svg viewBox=\"0 0 %d 10\" preserveAspectRatio=none><rect class=s0 width=%llu height=10>"
		"</rect></svg></td>",
		BAR_WIDTH, (unsigned long long)width);
}
