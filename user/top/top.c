/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the keys do, and what is shown then. What a command of weir says of an address, or does with it, is that
 * command, run with its output on this screen.
 */
#include "top/top.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "top/fetch.h"
#include "top/header.h"
#include "top/once.h"
#include "top/screen.h"
#include "top/view.h"

#define PERIOD_MS	 1000
#define PERIOD_EVENTS_MS 5000 /* each look at the log is a record there */
#define TTL_DEFAULT	 "10m"
#define REASON_DEFAULT	 "blocked in weir top"
#define ENTRY_SIZE	 128
#define HINTS                                                                                      \
	"q quit  ? help  / filter  s sort  r reverse  space pause  enter details  b block  e explain"

enum entry {
	ENTRY_NONE,
	ENTRY_FILTER,
	ENTRY_TTL,
	ENTRY_REASON,
};

struct top {
	const struct cli *cli;
	struct fetch *fetch;
	struct header header;
	struct fetch_answers last, before; /* before: the one that rates are reckoned from */
	struct screen_frame frame;
	struct view view;

	char key[VIEW_CELL_SIZE]; /* of the selected row: it stays selected where it moves to */
	char within[PREFIX_TEXT_SIZE]; /* sources of this prefix only; "" = all */
	char filter[VIEW_FILTER_SIZE];
	bool paused, quits, stale; /* stale: the last question got no answer */

	enum entry entry; /* what is being typed */
	char typed[ENTRY_SIZE];
	char target[VIEW_CELL_SIZE], ttl[ENTRY_SIZE]; /* that are to be blocked, so long */

	char *text; /* shown instead of the table, until escape */
	char title[2 * VIEW_CELL_SIZE];
	char about[VIEW_CELL_SIZE]; /* the address that @text is about and follows; "" = none */
	const char *command;	    /* that says it: source or explain */
};

static const char help_text[] =
	"1-6, left, right, tab   sources, prefixes, rules, services, tenants, events\n"
	"up, down, j, k          select a row; page up and down, home, end\n"
	"enter                   of a prefix its sources, of a source all that is known, else the row\n"
	"escape                  back, and no filter\n"
	"s, r                    sort by the next column, or the other way round\n"
	"/                       show rows that hold a word\n"
	"space                   pause\n"
	"b                       block the source or prefix, for as long as you say\n"
	"e                       explain why the source passes or not\n"
	"q                       quit\n"
	"\n"
	"Sources, prefixes and services are estimates from a sample of the last five seconds; limits,\n"
	"tenants and the two lines above are counters. A row stands out where more than half of its\n"
	"packets are dropped, a limit drops, a quota is used up, or an event is severe.\n";

static bool is_of_sources(const struct top *x)
{
	return x->frame.options.tab == VIEW_SOURCES || x->frame.options.tab == VIEW_PREFIXES;
}

static const struct view_row *selected_row(const struct top *x)
{
	return x->frame.selected < x->view.count ? &x->view.rows[x->frame.selected] : NULL;
}

/* The selected row stays on the screen. */
static void scroll(struct top *x)
{
	struct screen_frame *f = &x->frame;
	size_t rows = screen_rows();

	if (f->selected >= x->view.count)
		f->selected = x->view.count ? x->view.count - 1 : 0;
	if (f->selected < f->first)
		f->first = f->selected;
	if (rows && f->selected >= f->first + rows)
		f->first = f->selected - rows + 1;
	snprintf(x->key, sizeof(x->key), "%s",
		 selected_row(x) ? selected_row(x)->cells[0].text : "");
}

static void find_selected(struct top *x)
{
	/* Whoever looks at the top wants to see who is there now. */
	if (x->frame.selected)
		for (size_t i = 0; i < x->view.count; i++)
			if (strcmp(x->view.rows[i].cells[0].text, x->key) == 0)
				x->frame.selected = i;
	scroll(x);
}

/* Make the table of what came last. */
static void make_view(struct top *x)
{
	bool comparable = strcmp(x->before.path, x->last.path) == 0;
	double seconds = (double)(x->last.at_ns - x->before.at_ns) / NSEC_PER_SEC;

	view_done(&x->view);
	x->frame.options.filter = x->filter;
	if (!x->last.body || view_make(&x->frame.options, x->last.body,
				       comparable ? x->before.body : NULL, seconds, &x->view) < 0)
		x->view = (struct view){0};
	find_selected(x);
}

static void path_of(const struct top *x, char *ret, size_t size)
{
	_cleanup_(text_done) struct text within = {.growing = true};

	client_put_escaped(&within, x->within);
	snprintf(ret, size, "%s%s%s", view_path(x->frame.options.tab), *x->within ? "&within=" : "",
		 *x->within ? within.data : "");
}

static void ask_anew(struct top *x)
{
	char path[FETCH_PATH_SIZE];

	path_of(x, path, sizeof(path));
	fetch_path(x->fetch, path,
		   x->frame.options.tab == VIEW_EVENTS ? PERIOD_EVENTS_MS : PERIOD_MS);
}

static void open_tab(struct top *x, enum view_tab tab, const char *within)
{
	x->frame.options =
		(struct view_options){.tab = tab, .sort = view_first_sort(tab), .filter = ""};
	x->frame.selected = x->frame.first = 0;
	*x->filter = *x->key = '\0';
	snprintf(x->within, sizeof(x->within), "%s", within);
	/* What came last is of another tab. */
	fetch_answers_done(&x->before);
	json_decref(x->last.body);
	x->last.body = NULL;
	make_view(x);
	ask_anew(x);
}

/* Run a command of weir's and have what it says; NULL: no memory. */
static char *run(const struct top *x, int *ret_exit, const char *const *words)
{
	static const enum cli_option kept[] = {CLI_OPTION_SOCKET, CLI_OPTION_TIMEOUT,
					       CLI_OPTION_KEY_FILE, CLI_OPTION_TOTP};
	static const char *const names[] = {"--socket", "--timeout", "--key-file", "--totp"};
	struct cli cli = {.commands = x->cli->commands, .command_count = x->cli->command_count};
	char *argv[32], *said = NULL;
	size_t length = 0;
	int argc = 0;

	argv[argc++] = (char *)(uintptr_t) "weir";
	for (; *words; words++)
		argv[argc++] = (char *)(uintptr_t)*words;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (x->cli->values[kept[i]]) {
			argv[argc++] = (char *)(uintptr_t)names[i];
			argv[argc++] = (char *)(uintptr_t)x->cli->values[kept[i]];
		}
	argv[argc] = NULL;
	cli.out = cli.err = open_memstream(&said, &length);
	if (!cli.out)
		return NULL;
	*ret_exit = cli_run(&cli, argc, argv);
	fclose(cli.out);
	return said;
}

static void show_text(struct top *x, char *text, const char *title)
{
	free(x->text);
	x->text = text;
	snprintf(x->title, sizeof(x->title), "%s", title);
	render_defuse(x->title);
	x->frame.skipped = 0;
}

static void end_text(struct top *x)
{
	free(x->text);
	x->text = NULL;
	*x->about = '\0';
}

/* What @command says of an address, and from now on, until escape. */
static void show_address(struct top *x, const char *command, const char *address)
{
	const char *const words[] = {command, address, NULL};
	size_t skipped = x->text ? x->frame.skipped : 0;
	char title[2 * VIEW_CELL_SIZE], *said;
	int exit;

	said = run(x, &exit, words);
	snprintf(title, sizeof(title), "weir %s %s", command, address);
	show_text(x, said, title);
	x->frame.skipped = skipped;
	x->command = command;
	if (address != x->about)
		snprintf(x->about, sizeof(x->about), "%s", address);
}

/* A row as it came. */
static void show_row(struct top *x, const struct view_row *row)
{
	char title[2 * VIEW_CELL_SIZE];

	snprintf(title, sizeof(title), "%s: %s", view_title(x->frame.options.tab),
		 row->cells[0].text);
	show_text(x, json_dumps(row->item, JSON_INDENT(2) | JSON_ENSURE_ASCII), title);
}

static void open_row(struct top *x)
{
	const struct view_row *row = selected_row(x);

	if (!row)
		return;
	if (x->frame.options.tab == VIEW_PREFIXES)
		open_tab(x, VIEW_SOURCES, row->cells[0].text);
	else if (x->frame.options.tab == VIEW_SOURCES)
		show_address(x, "source", row->cells[0].text);
	else
		show_row(x, row);
}

static void say(struct top *x, bool alarming, const char *words)
{
	snprintf(x->frame.footer.text, sizeof(x->frame.footer.text), "%s", words);
	render_defuse(x->frame.footer.text);
	x->frame.footer.alarming = alarming;
}

static void block(struct top *x, const char *reason)
{
	const char *const words[] = {"block", x->target, "--ttl", x->ttl, "--reason", reason, NULL};
	_cleanup_free_ char *said = NULL;
	int exit = CLI_FAILED;

	said = run(x, &exit, words);
	if (!said)
		return say(x, true, "out of memory");
	said[strcspn(said, "\n")] = '\0';
	say(x, exit != CLI_OK, said);
}

static void begin_entry(struct top *x, enum entry entry, const char *typed)
{
	x->entry = entry;
	snprintf(x->typed, sizeof(x->typed), "%s", typed);
}

static void begin_block(struct top *x)
{
	const struct view_row *row = selected_row(x);

	if (*x->about)
		snprintf(x->target, sizeof(x->target), "%s", x->about);
	else if (row && is_of_sources(x))
		snprintf(x->target, sizeof(x->target), "%s", row->cells[0].text);
	else
		return say(x, false, "select a source or a prefix to block it");
	begin_entry(x, ENTRY_TTL, TTL_DEFAULT);
}

static void end_entry(struct top *x)
{
	enum entry entry = x->entry;

	x->entry = ENTRY_NONE;
	if (entry == ENTRY_TTL) {
		snprintf(x->ttl, sizeof(x->ttl), "%s", x->typed);
		begin_entry(x, ENTRY_REASON, REASON_DEFAULT);
	} else if (entry == ENTRY_REASON) {
		block(x, x->typed);
	}
}

/* The filter shows what it does while it is typed. */
static void typed_changed(struct top *x)
{
	if (x->entry != ENTRY_FILTER)
		return;
	snprintf(x->filter, sizeof(x->filter), "%s", x->typed);
	x->frame.selected = 0;
	make_view(x);
}

static void entry_key(struct top *x, int key)
{
	size_t length = strlen(x->typed);

	if (key == SCREEN_ENTER)
		return end_entry(x);
	if (key == SCREEN_ESCAPE) {
		x->entry = ENTRY_NONE;
		return;
	}
	if (key == SCREEN_BACKSPACE) {
		while (length && ((unsigned char)x->typed[length - 1] & 0xc0) == 0x80)
			length--;
		x->typed[length ? length - 1 : 0] = '\0';
	} else if (key == 'U' - '@') { /* ^U */
		*x->typed = '\0';
	} else if (key >= ' ' && key < 0x100 && length + 1 < sizeof(x->typed)) {
		x->typed[length] = (char)key;
		x->typed[length + 1] = '\0';
	}
	typed_changed(x);
}

static void move_by(struct top *x, long rows)
{
	struct screen_frame *f = &x->frame;
	size_t *at = x->text ? &f->skipped : &f->selected;

	if (rows < 0)
		*at = *at > (size_t)-rows ? *at - (size_t)-rows : 0;
	else
		*at += (size_t)rows;
	if (!x->text)
		return scroll(x);
	rows = 0;
	for (const char *s = x->text; (s = strchr(s, '\n')); s++)
		rows++;
	if (*at >= (size_t)rows)
		*at = rows ? (size_t)rows - 1 : 0;
}

/* Whether the key moves in what is shown. */
static bool moving_key(struct top *x, int key)
{
	const long page = (long)screen_rows(), all = LONG_MAX / 4;
	const struct {
		int key;
		long rows;
	} keys[] = {
		{SCREEN_UP, -1},
		{SCREEN_DOWN, 1},
		{'k', -1},
		{'j', 1},
		{SCREEN_PAGE_UP, -page},
		{SCREEN_PAGE_DOWN, page},
		{SCREEN_HOME, -all},
		{SCREEN_END, all},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].key == key) {
			move_by(x, keys[i].rows);
			return true;
		}
	return false;
}

static void sort_by_next(struct top *x)
{
	size_t count;

	view_columns(x->frame.options.tab, &count);
	x->frame.options.sort = (x->frame.options.sort + 1) % count;
	x->frame.options.reverse = false;
	x->frame.selected = 0;
	make_view(x);
}

static void go_back(struct top *x)
{
	if (x->text)
		return end_text(x);
	if (*x->filter) {
		*x->filter = '\0';
		return make_view(x);
	}
	if (*x->within)
		open_tab(x, VIEW_PREFIXES, "");
}

static void step_tab(struct top *x, int by)
{
	end_text(x);
	open_tab(x, (enum view_tab)((x->frame.options.tab + VIEW_TAB_MAX + by) % VIEW_TAB_MAX), "");
}

static void explain(struct top *x)
{
	const struct view_row *row = selected_row(x);

	if (*x->about)
		show_address(x, "explain", x->about);
	else if (row && x->frame.options.tab == VIEW_SOURCES && !x->text)
		show_address(x, "explain", row->cells[0].text);
	else
		say(x, false, "select a source to have it explained");
}

static void table_key(struct top *x, int key)
{
	switch (key) {
	case SCREEN_ENTER:
		if (!x->text)
			open_row(x);
		return;
	case 's':
		return sort_by_next(x);
	case 'r':
		x->frame.options.reverse = !x->frame.options.reverse;
		return make_view(x);
	case '/':
		end_text(x);
		return begin_entry(x, ENTRY_FILTER, x->filter);
	case ' ':
		x->paused = !x->paused;
		return;
	case 'e':
		return explain(x);
	case '?':
	case 'h':
		end_text(x);
		return show_text(x, strdup(help_text), "Help");
	}
}

static void pressed(struct top *x, int key)
{
	if (x->entry != ENTRY_NONE)
		return entry_key(x, key);
	say(x, false, "");
	if (key >= '1' && key < '1' + VIEW_TAB_MAX) {
		end_text(x);
		open_tab(x, (enum view_tab)(key - '1'), "");
	} else if (key == SCREEN_LEFT || key == SCREEN_RIGHT || key == '\t') {
		step_tab(x, key == SCREEN_LEFT ? -1 : 1);
	} else if (key == SCREEN_ESCAPE || (key == 'q' && x->text)) {
		go_back(x);
	} else if (key == 'q') {
		x->quits = true;
	} else if (key == 'b') {
		begin_block(x);
	} else if (!moving_key(x, key)) {
		table_key(x, key);
	}
}

/* Take what came, unless what is shown is to stay. */
static void take(struct top *x)
{
	struct fetch_answers answers = {0};
	char path[FETCH_PATH_SIZE];

	path_of(x, path, sizeof(path));
	if (!fetch_take(x->fetch, &answers))
		return;
	/* The answer to what was asked before another tab was opened is none to this one. */
	if (x->paused || strcmp(answers.path, path) != 0)
		return fetch_answers_done(&answers);
	if (answers.status)
		header_add(&x->header, answers.status, x->last.status,
			   (double)(answers.at_ns - x->last.at_ns) / NSEC_PER_SEC);
	fetch_answers_done(&x->before);
	x->before = x->last;
	x->last = answers;
	x->stale = !answers.status;
	if (!answers.status) /* what is known stays on the screen */
		x->last.status = json_incref(x->before.status);
	if (!answers.status && !answers.body)
		x->last.body = json_incref(x->before.body);
	make_view(x);
	if (*x->about && answers.status)
		show_address(x, x->command, x->about);
}

static void make_footer(struct top *x)
{
	struct screen_frame *f = &x->frame;
	char words[SCREEN_LINE_SIZE];

	f->prompts = x->entry != ENTRY_NONE;
	switch (x->entry) {
	case ENTRY_FILTER:
		snprintf(words, sizeof(words), "filter: %s", x->typed);
		return say(x, false, words);
	case ENTRY_TTL:
		snprintf(words, sizeof(words), "block %s for how long (escape: not)? %s", x->target,
			 x->typed);
		return say(x, false, words);
	case ENTRY_REASON:
		snprintf(words, sizeof(words), "block %s for %s, why? %s", x->target, x->ttl,
			 x->typed);
		return say(x, false, words);
	default:
		if (*f->footer.text)
			return;
		snprintf(words, sizeof(words), "%s%s%s%s%s" HINTS, x->paused ? "PAUSED  " : "",
			 *x->within ? "within " : "", x->within, *x->filter ? "  filter: " : "",
			 x->filter);
		if (*x->filter || *x->within)
			snprintf(words + strlen(words) - strlen(HINTS),
				 sizeof(words) - strlen(words) + strlen(HINTS),
				 "  (escape: all)  " HINTS);
		say(x, x->paused, words);
	}
}

static void draw(struct top *x)
{
	struct screen_frame *f = &x->frame;
	bool transient = !*f->footer.text;

	header_format(&x->header, x->cli, x->last.status, x->stale ? x->last.fault.text : "",
		      screen_is_utf8(), screen_columns(), f->header);
	f->view = &x->view;
	f->text = x->text;
	f->title = x->title;
	f->empty = x->last.fault.err ? x->last.fault.text
		   : !x->last.body   ? "asking ..."
		   : x->view.hidden  ? "nothing matches the filter"
				     : "nothing to show";
	make_footer(x);
	screen_draw(f);
	if (transient || x->entry != ENTRY_NONE)
		say(x, false, "");
}

static int follow(struct top *x)
{
	struct pollfd fds[] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = fetch_fd(x->fetch), .events = POLLIN},
	};

	while (!x->quits) {
		int key;

		draw(x);
		if (poll(fds, ARRAY_SIZE(fds), PERIOD_MS) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents & (POLLHUP | POLLERR) && !(fds[0].revents & POLLIN))
			return 0; /* the terminal is gone */
		while (!x->quits && (key = screen_read_key()) != SCREEN_NONE)
			pressed(x, key);
		take(x);
	}
	return 0;
}

static int run_screen(struct cli *cli)
{
	struct top x = {.cli = cli, .header = {.packets_per_s = -1, .dropped_per_s = -1}};
	_cleanup_(fetch_freep) struct fetch *fetch = NULL;
	struct fault f = {0};
	int r = fetch_new(cli, view_path(VIEW_SOURCES), &fetch);

	if (r < 0)
		return cli_fail(cli, CLI_FAILED, "top.thread", "no thread can be started", NULL);
	if (screen_open(cli->colour, &f) < 0)
		return cli_fail(cli, CLI_FAILED, f.code, f.text, "set TERM, or use --once");
	x.fetch = fetch;
	open_tab(&x, VIEW_SOURCES, "");
	r = follow(&x);
	screen_close();
	view_done(&x.view);
	fetch_answers_done(&x.last);
	fetch_answers_done(&x.before);
	free(x.text);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

int cmd_top(struct cli *cli)
{
	struct fetch_answers first = {0};
	bool reached;

	if (cli->values[CLI_OPTION_ONCE])
		return once_print(cli);
	if (cli->json || cli->tsv)
		return cli_usage(cli, "with -o, it takes --once");
	if (!isatty(STDIN_FILENO) || !isatty(fileno(cli->out)))
		return cli_usage(cli, "this is no terminal: use --once");
	/* Whoever mistypes the socket is told so on the command line. */
	reached = fetch_now(cli, view_path(VIEW_SOURCES), &first) || first.status;
	if (!reached)
		ask_unreachable(cli, &first.fault);
	fetch_answers_done(&first);
	return reached ? run_screen(cli) : CLI_UNREACHABLE;
}
