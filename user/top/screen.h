/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The terminal: what stands on it, and keys. The only file that knows curses. */
#ifndef TOP_SCREEN_H
#define TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "top/view.h"

#define SCREEN_HEADER_LINES 3
#define SCREEN_LINE_SIZE    512

/* Keys that are no characters. */
enum screen_key {
	SCREEN_NONE = -1,
	SCREEN_UP = 0x1000,
	SCREEN_DOWN,
	SCREEN_PAGE_UP,
	SCREEN_PAGE_DOWN,
	SCREEN_HOME,
	SCREEN_END,
	SCREEN_LEFT,
	SCREEN_RIGHT,
	SCREEN_ENTER,
	SCREEN_BACKSPACE,
	SCREEN_ESCAPE,
	SCREEN_RESIZED,
};

struct screen_line {
	char text[SCREEN_LINE_SIZE];
	bool alarming;
};

/* All that stands on the screen. */
struct screen_frame {
	struct screen_line header[SCREEN_HEADER_LINES];
	struct screen_line footer; /* hints, a prompt, or what became of a command */
	bool prompts;		   /* the cursor stands at the end of the footer */

	/* Either a table ... */
	const struct view *view;
	struct view_options options;
	size_t selected, first; /* rows; the one that is highest on the screen */
	const char *empty;	/* said where there is no row */

	/* ... or text, if there is any. */
	const char *text, *title;
	size_t skipped; /* lines of it that stand above the screen */
};

/** Take the terminal over. @colour: where it has some. -errno and why. */
int screen_open(bool colour, struct fault *reterr);
/* Give it back as it was. */
void screen_close(void);
bool screen_is_utf8(void);
size_t screen_columns(void);
/** Lines that rows or text have. */
size_t screen_rows(void);
void screen_draw(const struct screen_frame *f);
/** The next key that was pressed: a byte of a character or enum screen_key; SCREEN_NONE: there is none. */
int screen_read_key(void);

#endif
