/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Readers of `safety`: when enforcement is taken back, and which list changes are asked about first. */
#include <errno.h>

#include "base/text.h"
#include "policy/schema.h"

void safety_begin(struct policy_safety *s)
{
	*s = (struct policy_safety){
		.max_blocked = 500,
		.shortest4 = 8,
		.shortest6 = 19,
		.hold_ns = 10 * NSEC_PER_SEC,
		.recover_ns = 60 * NSEC_PER_SEC,
		.minimum = 1000,
	};
}

int value_watchdog(struct reader *r, const struct node *n, void *into)
{
	r->policy->safety.has_watchdog = true;
	return schema_object(r, OBJECT_WATCHDOG, n, into);
}

static int read_percent(struct reader *r, const struct node *n, uint32_t min, uint16_t *ret)
{
	struct fault why;

	return policy_percent_parse(n->text, min, 100, ret, &why) < 0
		       ? schema_refuse_value(r, n, &why)
		       : 0;
}

int value_drop_ratio(struct reader *r, const struct node *n, void *into)
{
	return read_percent(r, n, 1, into);
}

int value_max_blocked(struct reader *r, const struct node *n, void *into)
{
	return read_percent(r, n, 0, into);
}

int value_watchdog_time(struct reader *r, const struct node *n, void *into)
{
	uint64_t *ns = into;
	int err = value_ttl(r, n, into);

	if (err == 0 && (*ns < NSEC_PER_SEC || *ns > POLICY_HOLD_MAX_NS))
		return refuse(r, n, "policy.number.range", "'%.64s' is not within 1s to 1h",
			      n->text);
	return err;
}

int value_watchdog_minimum(struct reader *r, const struct node *n, void *into)
{
	struct policy_rate rate;
	struct fault why;

	if (policy_rate_parse(n->text, &rate, &why) < 0)
		return schema_refuse_value(r, n, &why);
	if (rate.per_ns != NSEC_PER_SEC)
		return refuse(r, n, "policy.number.syntax", "'%.64s' is not per second: write /s",
			      n->text);
	*(uint64_t *)into = rate.count;
	return 0;
}

static int read_bits(struct reader *r, const struct node *n, uint32_t max, uint8_t *ret)
{
	uint32_t bits;

	if (parse_u32(n->text, 0, max, &bits) < 0)
		return refuse(r, n, "policy.number.range", "'%.64s' is not a number from 0 to %u",
			      n->text, max);
	*ret = (uint8_t)bits;
	return 0;
}

int value_shortest4(struct reader *r, const struct node *n, void *into)
{
	return read_bits(r, n, 32, into);
}

int value_shortest6(struct reader *r, const struct node *n, void *into)
{
	return read_bits(r, n, 128, into);
}
