/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "detect/exhaustion.h"

#include "base/cleanup.h"

static const char *const level_names[] = {
	[EXHAUSTION_NORMAL] = "normal",
	[EXHAUSTION_SHARING] = "sharing",
	[EXHAUSTION_FULL] = "full",
};
_Static_assert(ARRAY_SIZE(level_names) == EXHAUSTION_LEVEL_MAX, "a level has no name");

const char *exhaustion_level_str(enum exhaustion_level level)
{
	return level_names[level];
}

void exhaustion_init(struct exhaustion *x, uint64_t coarse, uint64_t full)
{
	*x = (struct exhaustion){.coarse_seen = coarse, .full_seen = full};
}

/* How many came since the last step. */
static uint64_t advance(uint64_t *seen, uint64_t total)
{
	uint64_t more = total >= *seen ? total - *seen : total;

	*seen = total;
	return more;
}

static enum exhaustion_level level_at(const struct exhaustion *x, uint64_t now_ns)
{
	if (x->full_ns && now_ns - x->full_ns < EXHAUSTION_QUIET_NS)
		return EXHAUSTION_FULL;
	if (x->coarse_ns && now_ns - x->coarse_ns < EXHAUSTION_QUIET_NS)
		return EXHAUSTION_SHARING;
	return EXHAUSTION_NORMAL;
}

bool exhaustion_step(struct exhaustion *x, uint64_t coarse, uint64_t full, uint64_t now_ns)
{
	uint64_t coarse_more = advance(&x->coarse_seen, coarse);
	uint64_t full_more = advance(&x->full_seen, full);
	enum exhaustion_level before = x->level;

	if (before == EXHAUSTION_NORMAL)
		x->coarse = x->full = 0; /* of an episode that was told of */
	x->coarse += coarse_more;
	x->full += full_more;
	if (coarse_more)
		x->coarse_ns = now_ns;
	if (full_more)
		x->full_ns = now_ns;
	x->level = level_at(x, now_ns);
	return x->level != before;
}
