/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kinds of route.def, which says what they mean. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

enum {
	READ,
	CHANGE,
	ALWAYS,
	KIND = 3, /* mask of these */
	STEP_UP = 4,
	STEP_UP_IF = 8,
	SECRET = 16,
	ONCE = 32,
};

#endif
