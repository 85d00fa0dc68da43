/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The windows of sources that there is no room to keep apart: by prefix, with how many they were and some of them. */
#ifndef EVENTS_CROWD_H
#define EVENTS_CROWD_H

#include <stddef.h>

#include "events/events.h"

struct crowds;

/** NULL: no memory. */
struct crowds *crowds_new(void);
void crowds_free(struct crowds *c);

/** The window of the prefix that @t's source is in, which is noted as one of its crowd. NULL: there is no room. */
struct events_window *crowds_window(struct crowds *c, const struct weir_tally *t);
/* Hand out those with packets, and begin anew. */
void crowds_close(struct crowds *c, void (*fn)(const struct events_window *window, void *userdata),
		  void *userdata);

#endif
