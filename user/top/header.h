/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The lines above the tabs: what weir is, how much traffic there is, what somebody should do something about. */
#ifndef TOP_HEADER_H
#define TOP_HEADER_H

#include "cli/cli.h"
#include "top/screen.h"
#include "top/view.h"

struct header {
	struct view_spark packets, dropped;
	double packets_per_s, dropped_per_s, would_drop_per_s; /* below 0: not known yet */
};

/** Take in what changed from @before (NULL: nothing to compare with), @seconds ago, to @status. */
void header_add(struct header *h, const json_t *status, const json_t *before, double seconds);

/**
 * Make the lines of @status, the last that came; NULL: none ever did. @trouble: with asking, "" = none.
 */
void header_format(const struct header *h, const struct cli *cli, const json_t *status,
		   const char *trouble, bool utf8, size_t columns,
		   struct screen_line ret[static SCREEN_HEADER_LINES]);

#endif
