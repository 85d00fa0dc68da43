/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/busiest.h"

#include "base/clock.h"
#include "engine/internal.h"
#include "engine/talkers.h"

static struct busiest_network *find(struct busiest *b, const struct prefix *p)
{
	for (size_t i = 0; i < b->count; i++)
		if (prefix_compare(&b->networks[i].prefix, p) == 0)
			return &b->networks[i];
	return NULL;
}

/* Those go whose time is over, and when fewer are wanted, the last. */
static void let_go(struct busiest *b, size_t wanted, uint64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->count && kept < wanted; i++)
		if (now_ns - b->networks[i].since_ns < BUSIEST_STAYS_S * NSEC_PER_SEC)
			b->networks[kept++] = b->networks[i];
	b->count = kept;
	for (size_t i = 0; i < b->count; i++)
		b->networks[i].packets_per_second = 0;
}

void busiest_find(struct busiest *b, const struct traffic *t, size_t wanted, uint64_t seed,
		  uint64_t now_ns)
{
	/* Who is in and not among the first thousand any more sends next to nothing. */
	const struct talkers_question q = {.by = TALKERS_PREFIX,
					   .order = TALKERS_PACKETS,
					   .seconds = BUSIEST_LOOKS_BACK_S,
					   .limit = TALKERS_MAX};
	struct talkers talkers = {0};

	if (talkers_ask(t, &q, now_ns, seed, &talkers) < 0)
		return;
	let_go(b, wanted, now_ns);
	for (size_t i = 0; i < talkers.count; i++) {
		struct busiest_network *n = find(b, &talkers.items[i].prefix);

		if (!n && b->count < wanted) {
			n = &b->networks[b->count++];
			*n = (struct busiest_network){.prefix = talkers.items[i].prefix,
						      .since_ns = now_ns};
		}
		if (n && talkers.seconds > 0)
			n->packets_per_second = (double)talkers.items[i].packets / talkers.seconds;
	}
	talkers_done(&talkers);
	b->found_ns = now_ns;
}

const struct busiest *engine_busiest(struct engine *e)
{
	size_t wanted = e->policy->metrics.top_sources;
	uint64_t now_ns = clock_monotonic_ns();

	if (!wanted)
		e->busiest = (struct busiest){0};
	else if (e->traffic && (!e->busiest.found_ns || e->busiest.count > wanted ||
				now_ns - e->busiest.found_ns >= BUSIEST_EVERY_S * NSEC_PER_SEC))
		busiest_find(&e->busiest, e->traffic, wanted, datapath_meta(e->datapath)->hash_seed,
			     now_ns);
	return &e->busiest;
}
