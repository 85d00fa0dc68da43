/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/render.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

void render_defuse(char *string)
{
	for (unsigned char *s = (unsigned char *)string; *s; s++) {
		if (*s < 0x20 || *s == 0x7f) {
			*s = '?';
		} else if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f) { /* U+0080 to U+009F */
			s[0] = '?';
			s[1] = '?';
		}
	}
}

size_t render_width(const char *string)
{
	size_t width = 0;

	for (; *string; string++)
		width += (*string & 0xc0) != 0x80; /* continuation bytes take no column */
	return width;
}

__attribute__((format(printf, 3, 0))) static void put_line(FILE *f, const char *prefix,
							   const char *format, va_list ap)
{
	_cleanup_free_ char *line = NULL;

	if (vasprintf(&line, format, ap) < 0) {
		line = NULL;
		return;
	}
	render_defuse(line);
	fprintf(f, "%s%s\n", prefix, line);
}

void cli_say(const struct cli *cli, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	put_line(cli->tsv ? cli->err : cli->out, "", format, ap);
	va_end(ap);
}

void cli_talk(const struct cli *cli, const char *format, ...)
{
	va_list ap;

	fflush(cli->out); /* in the order in which it was said, if both go to one place */
	va_start(ap, format);
	put_line(cli->err, "weir: ", format, ap);
	va_end(ap);
}

void table_init(struct table *t, ...)
{
	const char *title;
	va_list ap;

	*t = (struct table){0};
	text_init_growing(&t->cells);
	va_start(ap, t);
	while ((title = va_arg(ap, const char *))) {
		assert(t->columns < TABLE_COLUMNS_MAX);
		t->wide[t->columns] = *title == *TABLE_WIDE;
		title += *title == *TABLE_WIDE;
		t->right[t->columns] = *title == *TABLE_RIGHT;
		title += *title == *TABLE_RIGHT;
		t->titles[t->columns] = title;
		t->width[t->columns++] = render_width(title);
	}
	va_end(ap);
	assert(t->columns > 0);
}

void table_done(struct table *t)
{
	text_done(&t->cells);
}

void table_cell(struct table *t, const char *format, ...)
{
	_cleanup_free_ char *cell = NULL;
	size_t column = t->count++ % t->columns;
	size_t width;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&cell, format, ap) < 0)
		cell = NULL;
	va_end(ap);
	if (!cell) {
		t->cells.truncated = true;
		return;
	}
	text_put(&t->cells, cell, strlen(cell) + 1);
	render_defuse(cell); /* as it will be printed, but for tsv */
	width = render_width(cell);
	if (width > t->width[column])
		t->width[column] = width;
}

static bool is_shown(const struct table *t, const struct cli *cli, size_t column)
{
	return cli->wide || cli->tsv || !t->wide[column];
}

/* A tab or a newline is the end of a cell or of a row: those of a value are written "\t" and "\n". */
static void print_tsv(FILE *f, char *cell)
{
	static const char special[] = "\t\n\r\\", names[] = "tnr\\";
	size_t length;

	for (; length = strcspn(cell, special), cell[length]; cell += length + 1) {
		char c = cell[length];

		cell[length] = '\0';
		render_defuse(cell);
		fprintf(f, "%s\\%c", cell, names[strchr(special, c) - special]);
	}
	render_defuse(cell);
	fputs(cell, f);
}

static void print_row(const struct table *t, const struct cli *cli, char *const *cells)
{
	const char *separator = "";
	int padding = 0; /* of the cell before, which is none at the end of the line */

	for (size_t i = 0; i < t->columns; i++) {
		int missing;

		if (!is_shown(t, cli, i))
			continue;
		fprintf(cli->out, "%*s%s", padding, "", separator);
		if (cli->tsv) {
			print_tsv(cli->out, cells[i]);
			separator = "\t";
			continue;
		}
		render_defuse(cells[i]);
		missing = (int)(t->width[i] - render_width(cells[i]));
		padding = t->right[i] ? 0 : missing;
		fprintf(cli->out, "%*s%s", t->right[i] ? missing : 0, "", cells[i]);
		separator = "  ";
	}
	fputc('\n', cli->out);
}

static bool has_head(const struct table *t)
{
	for (size_t i = 0; i < t->columns; i++)
		if (t->titles[i][0])
			return true;
	return false;
}

static int print_head(const struct table *t, const struct cli *cli)
{
	_cleanup_(text_done) struct text titles = {.growing = true};
	char *cells[TABLE_COLUMNS_MAX], *title;

	for (size_t i = 0; i < t->columns; i++)
		text_put(&titles, t->titles[i], strlen(t->titles[i]) + 1);
	if (titles.truncated)
		return -ENOMEM;
	title = titles.data;
	for (size_t i = 0; i < t->columns; i++, title += strlen(title) + 1)
		cells[i] = title;
	fputs(cli->colour ? BOLD : "", cli->out);
	print_row(t, cli, cells);
	fputs(cli->colour ? PLAIN : "", cli->out);
	return 0;
}

int table_print(const struct table *t, const struct cli *cli)
{
	char *cell = t->cells.data, *cells[TABLE_COLUMNS_MAX];

	if (t->cells.truncated || (has_head(t) && !t->headless && print_head(t, cli) < 0))
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	assert(t->count % t->columns == 0);
	for (size_t i = 0; i < t->count; i++, cell += strlen(cell) + 1) {
		cells[i % t->columns] = cell;
		if ((i + 1) % t->columns == 0)
			print_row(t, cli, cells);
	}
	return CLI_OK;
}

int render_json(const struct cli *cli, const json_t *value)
{
	if (!value || json_dumpf(value, cli->out, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
		return cli_fail(cli, CLI_FAILED, "cli.json", "cannot write the answer as JSON",
				NULL);
	fputc('\n', cli->out);
	return CLI_OK;
}

const char *member_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

uint64_t member_u64(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

bool member_bool(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

void render_time(const char *rfc3339, char ret[static RENDER_TIME_SIZE])
{
	if (*rfc3339)
		snprintf(ret, RENDER_TIME_SIZE, "%.19sZ", rfc3339);
	else
		snprintf(ret, RENDER_TIME_SIZE, "-");
}

void render_seconds(uint64_t seconds, char ret[static RENDER_DURATION_SIZE])
{
	if (seconds)
		format_duration(seconds * NSEC_PER_SEC, ret, RENDER_DURATION_SIZE);
	else
		snprintf(ret, RENDER_DURATION_SIZE, "0s");
}
