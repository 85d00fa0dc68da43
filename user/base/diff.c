/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/diff.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

struct line {
	const char *data;
	size_t length;
};

struct lines {
	struct line *items;
	size_t count;
};

/* A line of the result: of both texts, of the first, of the second. */
struct step {
	char mark; /* ' ', '-' or '+' */
	struct line line;
};

struct script {
	struct step *steps;
	size_t count;
};

static int split(const char *text, struct lines *ret)
{
	size_t count = 0;

	for (const char *s = text; *s; s += strcspn(s, "\n"), s += *s == '\n')
		count++;
	*ret = (struct lines){.items = calloc(count + 1, sizeof(*ret->items))};
	if (!ret->items)
		return -ENOMEM;
	for (const char *s = text; *s; s += *s == '\n') {
		size_t length = strcspn(s, "\n");

		ret->items[ret->count++] = (struct line){s, length};
		s += length;
	}
	return 0;
}

static bool same(const struct line *a, const struct line *b)
{
	return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

static void add(struct script *s, char mark, struct line line)
{
	s->steps[s->count++] = (struct step){mark, line};
}

/* As far as a path goes along equal lines. */
static int slide(const struct lines *a, const struct lines *b, int x, int k)
{
	while (x < (int)a->count && x - k < (int)b->count && same(&a->items[x], &b->items[x - k]))
		x++;
	return x;
}

/* One round of the greedy algorithm: the furthest path on each diagonal with @d edits, from those with
 * one less. True: one of them reached the end. */
static bool advance(const struct lines *a, const struct lines *b, int *v, int d)
{
	int n = (int)a->count, m = (int)b->count;

	for (int k = -d; k <= d; k += 2) {
		int x = k == -d || (k != d && v[k - 1] < v[k + 1]) ? v[k + 1] : v[k - 1] + 1;

		v[k] = slide(a, b, x, k);
		if (k == n - m && v[k] >= n)
			return true;
	}
	return false;
}

/* Walk back through the rounds, and write the steps in order. @trace[d] is what round d began with. */
static void walk_back(const struct lines *a, const struct lines *b, int *const *trace, int d,
		      struct script *out)
{
	int x = (int)a->count, y = (int)b->count;
	size_t first = out->count;

	for (; d >= 0; d--) {
		const int *v = trace[d] + d + 1;
		int k = x - y, from_x = 0, from_y = 0;

		if (d) {
			bool down = k == -d || (k != d && v[k - 1] < v[k + 1]);
			int from = down ? k + 1 : k - 1;

			from_x = v[from];
			from_y = from_x - from;
			while (x > from_x + !down && y > from_y + down) {
				add(out, ' ', a->items[--x]);
				y--;
			}
			if (down)
				add(out, '+', b->items[--y]);
			else
				add(out, '-', a->items[--x]);
		}
		while (!d && x > 0) {
			add(out, ' ', a->items[--x]);
			y--;
		}
	}
	for (size_t i = first, j = out->count; i + 1 < j; i++) {
		struct step step = out->steps[i];

		out->steps[i] = out->steps[--j];
		out->steps[j] = step;
	}
}

static void replace_all(const struct lines *a, const struct lines *b, struct script *out)
{
	for (size_t i = 0; i < a->count; i++)
		add(out, '-', a->items[i]);
	for (size_t i = 0; i < b->count; i++)
		add(out, '+', b->items[i]);
}

static int compare(const struct lines *a, const struct lines *b, struct script *out)
{
	_cleanup_free_ int **trace = calloc(DIFF_EDITS_MAX + 1, sizeof(*trace));
	_cleanup_free_ int *memory = calloc(2 * DIFF_EDITS_MAX + 5, sizeof(*memory));
	int *v, rounds = 0, r = 0;
	bool found = false;

	if (!trace || !memory)
		return -ENOMEM;
	v = memory + DIFF_EDITS_MAX + 2;
	while (r == 0 && !found && rounds <= DIFF_EDITS_MAX) {
		int d = rounds++;
		size_t width = 2 * (size_t)d + 3; /* diagonals -d-1 to d+1 */

		trace[d] = calloc(width, sizeof(**trace));
		if (!trace[d]) {
			r = -ENOMEM;
			break;
		}
		memcpy(trace[d], v - d - 1, width * sizeof(**trace));
		found = advance(a, b, v, d);
	}
	if (r == 0 && found)
		walk_back(a, b, trace, rounds - 1, out);
	else if (r == 0)
		replace_all(a, b, out);
	for (int i = 0; i < rounds; i++)
		free(trace[i]);
	return r;
}

/* The hunk that begins near step @i; returns where to go on. @line_a and @line_b count lines so far. */
static size_t put_hunk(const struct script *s, size_t i, const size_t line_a, const size_t line_b,
		       struct text *out)
{
	size_t last = i, end, count_a = 0, count_b = 0;

	for (size_t j = i; j < s->count && j <= last + 2 * DIFF_CONTEXT + 1; j++)
		if (s->steps[j].mark != ' ')
			last = j;
	end = last + DIFF_CONTEXT + 1 < s->count ? last + DIFF_CONTEXT + 1 : s->count;
	for (size_t j = i; j < end; j++) {
		count_a += s->steps[j].mark != '+';
		count_b += s->steps[j].mark != '-';
	}
	text_printf(out, "@@ -%zu,%zu +%zu,%zu @@\n", line_a + (count_a > 0), count_a,
		    line_b + (count_b > 0), count_b);
	for (size_t j = i; j < end; j++) {
		text_printf(out, "%c", s->steps[j].mark);
		text_put(out, s->steps[j].line.data, s->steps[j].line.length);
		text_puts(out, "\n");
	}
	return end;
}

static void put_script(const struct script *s, const char *name_a, const char *name_b,
		       struct text *out)
{
	size_t line_a = 0, line_b = 0, done = 0;
	bool any = false;

	for (size_t i = 0; i < s->count; i++) {
		size_t begin = i > DIFF_CONTEXT ? i - DIFF_CONTEXT : 0, end;

		if (s->steps[i].mark == ' ')
			continue;
		begin = begin > done ? begin : done;
		for (; done < begin; done++) {
			line_a += s->steps[done].mark != '+';
			line_b += s->steps[done].mark != '-';
		}
		if (!any)
			text_printf(out, "--- %s\n+++ %s\n", name_a, name_b);
		any = true;
		end = put_hunk(s, begin, line_a, line_b, out);
		for (; done < end; done++) {
			line_a += s->steps[done].mark != '+';
			line_b += s->steps[done].mark != '-';
		}
		i = end - 1;
	}
}

int diff_unified(const char *name_a, const char *a, const char *name_b, const char *b,
		 struct text *out)
{
	_cleanup_free_ struct line *items_a = NULL, *items_b = NULL;
	_cleanup_free_ struct step *steps = NULL;
	struct lines la = {0}, lb = {0}, ma, mb;
	struct script script = {0};
	size_t head = 0, tail = 0;
	int r = split(a, &la);

	items_a = la.items;
	r = r ?: split(b, &lb);
	items_b = lb.items;
	script.steps = steps = r == 0 ? calloc(la.count + lb.count + 1, sizeof(*steps)) : NULL;
	if (r < 0 || !steps)
		return -ENOMEM;
	while (head < la.count && head < lb.count && same(&la.items[head], &lb.items[head]))
		add(&script, ' ', la.items[head++]);
	while (tail < la.count - head && tail < lb.count - head &&
	       same(&la.items[la.count - tail - 1], &lb.items[lb.count - tail - 1]))
		tail++;
	ma = (struct lines){la.items + head, la.count - head - tail};
	mb = (struct lines){lb.items + head, lb.count - head - tail};
	r = compare(&ma, &mb, &script);
	if (r < 0)
		return r;
	for (size_t i = la.count - tail; i < la.count; i++)
		add(&script, ' ', la.items[i]);
	put_script(&script, name_a, name_b, out);
	return 0;
}
