/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/screen.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/render.h"

#define TABS_LINE     SCREEN_HEADER_LINES
#define HEAD_LINE     (TABS_LINE + 1)
#define FIRST_LINE    (HEAD_LINE + 1)
#define FOOTER_LINE   (LINES - 1)
#define COLUMNS_LEAST 40
#define LINES_LEAST   (FIRST_LINE + 3)
#define ESCAPE_MS     25 /* that a sequence of a key may take to come whole */

enum pair {
	PAIR_ALARM = 1,
	PAIR_TAB,
};

static bool has_colour, is_utf8;
static SCREEN *terminal;

int screen_open(bool colour, struct fault *reterr)
{
	const char *term = getenv("TERM");

	setlocale(LC_CTYPE, "");
	is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return fault(reterr, -ENOTTY, "top.terminal",
			     "no terminal of the type '%.40s' is known here", term ?: "");
	set_term(terminal);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	has_colour = colour && has_colors() && start_color() == OK;
	if (has_colour) {
		use_default_colors();
		init_pair(PAIR_ALARM, COLOR_RED, -1);
		init_pair(PAIR_TAB, COLOR_CYAN, -1);
	}
	return 0;
}

void screen_close(void)
{
	if (!terminal)
		return;
	endwin();
	delscreen(terminal);
	terminal = NULL;
}

bool screen_is_utf8(void)
{
	return is_utf8;
}

size_t screen_columns(void)
{
	return COLS > 0 ? (size_t)COLS : 0;
}

size_t screen_rows(void)
{
	return LINES > FIRST_LINE + 1 ? (size_t)(LINES - FIRST_LINE - 1) : 0;
}

static attr_t alarm_attribute(void)
{
	return has_colour ? A_BOLD | (attr_t)COLOR_PAIR(PAIR_ALARM) : A_BOLD;
}

/* Bytes of the first @columns characters of @text. */
static size_t bytes_of(const char *text, size_t columns)
{
	size_t length = 0;

	while (text[length]) {
		size_t next = length + 1;

		while (((unsigned char)text[next] & 0xc0) == 0x80)
			next++;
		if (!columns--)
			break;
		length = next;
	}
	return length;
}

/* Write @text at the cursor, cut or padded to @width characters; @right: to the right. */
static void put_padded(const char *text, size_t width, bool right)
{
	size_t bytes = bytes_of(text, width), used = render_width(text);
	int pad = used < width ? (int)(width - used) : 0;

	printw("%*s", right ? pad : 0, "");
	addnstr(text, (int)bytes);
	printw("%*s", right ? 0 : pad, "");
}

static void draw_line(int y, const struct screen_line *line)
{
	move(y, 0);
	if (line->alarming)
		attron(alarm_attribute());
	put_padded(line->text, screen_columns(), false);
	attrset(A_NORMAL);
}

/* "1 Sources  2 Prefixes": the open one stands out, and is marked where nothing can. */
static void draw_tabs(enum view_tab open)
{
	move(TABS_LINE, 0);
	for (enum view_tab tab = 0; tab < VIEW_TAB_MAX; tab++) {
		if (tab == open)
			attron(A_BOLD | A_UNDERLINE |
			       (has_colour ? (attr_t)COLOR_PAIR(PAIR_TAB) : 0));
		printw("%d %s", (int)tab + 1, view_title(tab));
		attrset(A_NORMAL);
		addstr("  ");
	}
}

/* As wide as what is in them; the first one gives way where there is not room enough for all. */
static size_t measure(const struct screen_frame *f, size_t ret[static VIEW_COLUMNS_MAX])
{
	size_t count, sum = 0;
	const struct view_column *columns = view_columns(f->options.tab, &count);

	for (size_t c = 0; c < count; c++) {
		ret[c] = strlen(columns[c].title) + 1; /* and the mark of the order */
		for (size_t i = 0; i < f->view->count; i++) {
			size_t width = render_width(f->view->rows[i].cells[c].text);

			ret[c] = width > ret[c] ? width : ret[c];
		}
		/* A number that is one wider than the last does not make the table dance. */
		if (columns[c].right && ret[c] < 7)
			ret[c] = 7;
		sum += ret[c] + 2;
	}
	if (sum > screen_columns() && ret[0] > 20) {
		size_t over = sum - screen_columns();

		ret[0] = ret[0] - 20 > over ? ret[0] - over : 20;
	}
	return count;
}

static void draw_head(const struct screen_frame *f, const size_t *widths, size_t count)
{
	const struct view_column *columns = view_columns(f->options.tab, &count);

	move(HEAD_LINE, 0);
	attron(A_REVERSE);
	for (size_t c = 0; c < count; c++) {
		char title[32];

		snprintf(title, sizeof(title), "%s%s", columns[c].title,
			 c != f->options.sort ? ""
			 : f->options.reverse ? "^"
					      : "v");
		put_padded(title, widths[c], columns[c].right);
		addstr("  ");
	}
	for (int x = getcurx(stdscr); getcury(stdscr) == HEAD_LINE && x < COLS; x++)
		mvaddch(HEAD_LINE, x, ' ');
	attrset(A_NORMAL);
}

/* What does not fit into the line is cut. */
static void draw_row(int y, const struct view_row *row, const struct view_column *columns,
		     const size_t *widths, size_t count, bool selected)
{
	size_t left = screen_columns();

	move(y, 0);
	attron((selected ? A_REVERSE : 0) | (row->alarming ? alarm_attribute() : 0));
	for (size_t c = 0; c < count && left; c++) {
		size_t width = widths[c] < left ? widths[c] : left;

		put_padded(row->cells[c].text, width, columns[c].right);
		left -= width;
		for (int gap = 0; gap < 2 && left; gap++, left--)
			addch(' ');
	}
	for (; left; left--)
		addch(' ');
	attrset(A_NORMAL);
}

static void draw_table(const struct screen_frame *f)
{
	size_t widths[VIEW_COLUMNS_MAX], count = measure(f, widths);
	const struct view_column *columns = view_columns(f->options.tab, &count);

	draw_head(f, widths, count);
	for (size_t i = 0; i < screen_rows() && f->first + i < f->view->count; i++)
		draw_row(FIRST_LINE + (int)i, &f->view->rows[f->first + i], columns, widths, count,
			 f->first + i == f->selected);
	if (!f->view->count && f->empty)
		mvaddnstr(FIRST_LINE + 1, 2, f->empty, COLS - 4);
}

static void draw_text(const struct screen_frame *f)
{
	const char *line = f->text;
	size_t skip = f->skipped;

	move(HEAD_LINE, 0);
	attron(A_REVERSE);
	put_padded(f->title, screen_columns(), false);
	attrset(A_NORMAL);
	for (; skip && *line; skip--)
		line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n');
	for (size_t i = 0; i < screen_rows() && *line; i++) {
		size_t length = strcspn(line, "\n"), shown = bytes_of(line, screen_columns());

		mvaddnstr(FIRST_LINE + (int)i, 0, line, (int)(shown < length ? shown : length));
		line += length + (line[length] == '\n');
	}
}

void screen_draw(const struct screen_frame *f)
{
	erase();
	if (COLS < COLUMNS_LEAST || LINES < LINES_LEAST) {
		mvprintw(0, 0, "a terminal of at least %dx%d, please", COLUMNS_LEAST, LINES_LEAST);
		refresh();
		return;
	}
	for (int i = 0; i < SCREEN_HEADER_LINES; i++)
		draw_line(i, &f->header[i]);
	draw_tabs(f->options.tab);
	if (f->text)
		draw_text(f);
	else if (f->view)
		draw_table(f);
	draw_line(FOOTER_LINE, &f->footer);
	curs_set(f->prompts);
	if (f->prompts)
		move(FOOTER_LINE, (int)render_width(f->footer.text));
	refresh();
}

int screen_read_key(void)
{
	static const struct {
		int key, means;
	} keys[] = {
		{KEY_UP, SCREEN_UP},	      {KEY_DOWN, SCREEN_DOWN},
		{KEY_PPAGE, SCREEN_PAGE_UP},  {KEY_NPAGE, SCREEN_PAGE_DOWN},
		{KEY_HOME, SCREEN_HOME},      {KEY_END, SCREEN_END},
		{KEY_LEFT, SCREEN_LEFT},      {KEY_RIGHT, SCREEN_RIGHT},
		{KEY_ENTER, SCREEN_ENTER},    {'\r', SCREEN_ENTER},
		{'\n', SCREEN_ENTER},	      {KEY_BACKSPACE, SCREEN_BACKSPACE},
		{KEY_DC, SCREEN_BACKSPACE},   {0x7f, SCREEN_BACKSPACE},
		{0x08, SCREEN_BACKSPACE},     {0x1b, SCREEN_ESCAPE},
		{KEY_RESIZE, SCREEN_RESIZED},
	};
	int key = getch();

	if (key == ERR)
		return SCREEN_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].key == key)
			return keys[i].means;
	return key < 0x100 ? key : SCREEN_RESIZED; /* one that nothing is bound to: draw again */
}
