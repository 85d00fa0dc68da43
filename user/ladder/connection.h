/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which of the TCP connections somebody means, and the words for them. Needs no kernel. */
#ifndef LADDER_CONNECTION_H
#define LADDER_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/socket.h>

#include "base/address.h"

#define CONNECTION_STATES 13 /* of TCP, by number; 0 is none */

/* What is asked for: all that is said has to hold. Zeroed: everything. */
struct connection_filter {
	bool by_address;
	struct prefix address; /* of the peer */
	uint16_t port;	       /* ours or the peer's; 0 = any */
	uint8_t state;	       /* 0 = any */
	uint64_t older_ns;     /* established so long ago, or longer; 0 = any */
};

bool connection_filter_is_empty(const struct connection_filter *f);
/** @now_ns: CLOCK_MONOTONIC. */
bool connection_matches(const struct connection_filter *f, const struct weir_socket_row *row,
			uint64_t now_ns);

/** As ss(8) calls it: "established", "time-wait". */
const char *connection_state_to_str(unsigned int state);
/** -EINVAL: there is no such state. */
int connection_state_from_str(const char *word, uint8_t *ret);
const char *connection_direction_to_str(unsigned int direction);

/* The rows with the smallest cookies beyond one: a page of a list that comes in no order. */
struct connection_page {
	struct weir_socket_row *rows; /* room for twice @max */
	size_t max, count;
	uint64_t after;	  /* only cookies beyond this one */
	uint64_t matched; /* how many rows were there, whatever their cookies */
	bool more;	  /* there are some after the last one */
};

void connection_page_add(struct connection_page *p, const struct weir_socket_row *row);
/* After the last one: put them in order, and leave no more than @max. */
void connection_page_end(struct connection_page *p);

#endif
