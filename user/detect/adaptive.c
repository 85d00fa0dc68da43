/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "detect/adaptive.h"

#include <errno.h>

static unsigned int within(const struct policy_adaptive *rule, unsigned int factor)
{
	if (factor < rule->min)
		return rule->min;
	return factor > rule->max ? rule->max : factor;
}

void adaptive_init(struct adaptive *a, const struct policy_adaptive *rule, unsigned int factor,
		   uint64_t now_ns)
{
	*a = (struct adaptive){
		.rule = rule,
		.factor = within(rule, factor),
		.error = -ENODATA,
		.next_ns = now_ns + rule->interval_ns,
	};
}

bool adaptive_is_due(const struct adaptive *a, uint64_t now_ns)
{
	return now_ns >= a->next_ns;
}

static bool is_lost(int error)
{
	return error && error != -ENODATA;
}

unsigned int adaptive_step(struct adaptive *a, uint64_t now_ns, int error, uint64_t measured)
{
	const struct policy_adaptive *rule = a->rule;
	unsigned int before = a->factor, changed = 0;

	/* Steps that were missed are not made up for: nobody measured in between. */
	a->next_ns += rule->interval_ns;
	if (a->next_ns <= now_ns)
		a->next_ns = now_ns + rule->interval_ns;
	if (is_lost(error) && !is_lost(a->error))
		changed |= ADAPTIVE_LOST;
	if (!error && is_lost(a->error))
		changed |= ADAPTIVE_FOUND;
	/* Nothing yet, after a loss, is still a loss. */
	if (error != -ENODATA || !is_lost(a->error))
		a->error = error;
	if (error)
		return changed;
	a->measured_yet = true;
	a->measured = measured;
	a->factor = policy_adaptive_step(rule, before, measured);
	if (a->factor == before)
		return changed;
	if (before == rule->max)
		changed |= ADAPTIVE_LEFT_MAX;
	if (a->factor == rule->max)
		changed |= ADAPTIVE_REACHED_MAX;
	return changed | ADAPTIVE_FACTOR;
}

unsigned int adaptive_factor_of(const struct policy_adaptive *rule, const struct weir_limit *limit,
				uint64_t word)
{
	uint64_t scaled;

	for (unsigned int factor = rule->max; factor >= rule->min; factor--)
		if (policy_scale(limit, factor, &scaled) == 0 && scaled == word)
			return factor;
	return 0;
}
