/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/seen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "engine/internal.h"

/* Both are in order, and all of @some are hosts. */
static void mark_connected(struct seen *s, const struct peers *some)
{
	size_t j = 0;

	for (size_t i = 0; i < some->count; i++) {
		while (memcmp(s->hosts.addresses[j], some->addresses[i], 16) != 0)
			j++;
		s->connected[j] = true;
	}
	s->connected_count = some->count;
}

int seen_read(struct engine *e, struct seen *ret)
{
	_cleanup_(peers_done) struct peers connected = {0};
	_cleanup_(seen_done) struct seen s = {0};
	int r = peers_connected(&connected);

	if (r < 0)
		log_warn("the kernel does not tell who is connected: safety.max_blocked goes by "
			 "the sample of the traffic alone",
			 "error", strerror(-r));
	if (e->traffic) {
		traffic_read(e->traffic, e->datapath);
		r = traffic_sources(e->traffic, datapath_meta(e->datapath)->hash_seed, &s.hosts,
				    &s.seconds);
		if (r < 0)
			return r;
	}
	r = peers_join(&s.hosts, &connected);
	if (r < 0)
		return r;
	s.connected = calloc(s.hosts.count + 1, sizeof(*s.connected));
	if (!s.connected)
		return -ENOMEM;
	mark_connected(&s, &connected);
	*ret = s;
	s = (struct seen){0};
	return 0;
}

void seen_done(struct seen *s)
{
	peers_done(&s->hosts);
	free(s->connected);
	s->connected = NULL;
}

/* A single one is never too many. */
static bool is_above(size_t hits, size_t count, unsigned int permille)
{
	return count >= SEEN_MIN && hits > 1 && hits * 1000 > count * permille;
}

bool seen_is_above(const struct seen *s, const bool *hit, unsigned int permille,
		   char ret[static SEEN_WORDS_SIZE])
{
	size_t hits = 0, connected = 0;

	for (size_t i = 0; i < s->hosts.count; i++) {
		hits += hit[i];
		connected += hit[i] && s->connected[i];
	}
	/* On their own, so that a flood from many sources does not make them few. */
	if (is_above(connected, s->connected_count, permille))
		snprintf(ret, SEEN_WORDS_SIZE, "%zu of the %zu hosts that have a connection now",
			 connected, s->connected_count);
	else if (is_above(hits, s->hosts.count, permille))
		snprintf(ret, SEEN_WORDS_SIZE,
			 "%zu of the %zu hosts whose packets got through in the last %llu s or "
			 "that have a connection now",
			 hits, s->hosts.count, (unsigned long long)s->seconds);
	else
		return false;
	return true;
}
