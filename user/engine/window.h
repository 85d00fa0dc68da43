/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A window of drops as a record. */
#ifndef ENGINE_WINDOW_H
#define ENGINE_WINDOW_H

#include "audit/chain.h"
#include "events/events.h"
#include "risk/sources.h"

/**
 * Append the record of @w, with its risk, and one more if that lifts its source to a higher level. @limit is the name of the
 * one that refused, NULL if none did; @asset how much matters what it is about. Errors of chain_append().
 */
int window_append(const struct events_window *w, const char *limit, unsigned int asset,
		  struct risk_sources *risk, struct chain *chain);

#endif
