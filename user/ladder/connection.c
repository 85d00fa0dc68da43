/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ladder/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const states[CONNECTION_STATES] = {
	[1] = "established", [2] = "syn-sent",	[3] = "syn-recv", [4] = "fin-wait-1",
	[5] = "fin-wait-2",  [6] = "time-wait", [7] = "closed",	  [8] = "close-wait",
	[9] = "last-ack",    [10] = "listen",	[11] = "closing", [12] = "syn-recv",
};

bool connection_filter_is_empty(const struct connection_filter *f)
{
	return !f->by_address && !f->port && !f->state && !f->older_ns;
}

/* Of a half-open one there are two kinds in the kernel. */
static const char *state_of(unsigned int state)
{
	return state < CONNECTION_STATES && states[state] ? states[state] : "";
}

bool connection_matches(const struct connection_filter *f, const struct weir_socket_row *row,
			uint64_t now_ns)
{
	struct prefix peer = {.bits = 128};

	memcpy(peer.address, row->remote, sizeof(peer.address));
	if (f->by_address && !prefix_covers(&f->address, &peer))
		return false;
	if (f->port && f->port != row->local_port && f->port != row->remote_port)
		return false;
	if (f->state && strcmp(state_of(f->state), state_of(row->state)) != 0)
		return false;
	return !f->older_ns || (row->life.established_ns && now_ns >= row->life.established_ns &&
				now_ns - row->life.established_ns >= f->older_ns);
}

const char *connection_state_to_str(unsigned int state)
{
	return state_of(state);
}

int connection_state_from_str(const char *word, uint8_t *ret)
{
	for (uint8_t i = 1; i < CONNECTION_STATES; i++)
		if (strcmp(states[i], word) == 0) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

const char *connection_direction_to_str(unsigned int direction)
{
	return direction == WEIR_SOCKET_INCOMING   ? "in"
	       : direction == WEIR_SOCKET_OUTGOING ? "out"
						   : "";
}

static int compare(const void *a, const void *b)
{
	const struct weir_socket_row *x = a, *y = b;

	return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

void connection_page_end(struct connection_page *p)
{
	if (p->count)
		qsort(p->rows, p->count, sizeof(*p->rows), compare);
	if (p->count <= p->max)
		return;
	p->count = p->max;
	p->more = true;
}

/* Half of it is put out each time that it is full: so a long list costs no more than sorting it. */
void connection_page_add(struct connection_page *p, const struct weir_socket_row *row)
{
	p->matched++;
	if (row->cookie <= p->after)
		return;
	if (p->count == 2 * p->max)
		connection_page_end(p);
	p->rows[p->count++] = *row;
}
