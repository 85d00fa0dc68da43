/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one limit is made of: its algorithm's constants, as include/weir/algorithm.h wants them, its
 * costs, masks and actions. All arithmetic here has 128 bits and rounds so that never more than the
 * rate is admitted.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <weir/algorithm.h>

#include "policy/compile.h"
#include "policy/schema.h"

#define BYTES_SHIFT	 12 /* 100 Gbit/s is 0.08 ns per byte; this keeps it exact to 1/80,000 */
#define BURST_MAX	 (1ULL << 61) /* further ahead, weir/cells.h has its marks */
#define FRAME_MAX	 65535	      /* bytes; longer ones do not reach XDP */
#define WINDOW_SHIFT_MAX 7	      /* a window counts bytes in steps of up to 128 */
#define FIXED_FINENESS	 1024 /* a window is longer than asked for by less than 1/1024 ... */
#define SLIDING_FINENESS 64   /* ... or 1/64: its word has less room for time */
#define PREVIOUS_BITS	 12   /* to how many the window before is remembered, if they fit, */
#define PREVIOUS_LEAST	 8    /* and at least */
#define PRECISE_FIXED	 2    /* ticks: a shorter window would end between two of them, */
#define PRECISE_SLIDING	 64   /* or weigh the one before by more than 1/64 too much */

#define QUOTA_MOST (1ULL << (QUOTA_COUNT_BITS - 1)) /* there is room for a packet more */

typedef unsigned __int128 wide;

static wide divide_up(wide a, wide b)
{
	return (a + b - 1) / b;
}

static unsigned int bit_length(uint64_t value)
{
	return value ? 64 - (unsigned int)__builtin_clzll(value) : 0;
}

/* What the rule gives for one unit. A leaky bucket has a burst of 0, open connections a period of
 * 0. */
struct amount {
	const char *burst_key;
	uint64_t count, per_ns, burst;
};

static struct amount amount_of(const struct draft *d)
{
	const struct policy_limit *l = d->rule;

	switch (d->unit) {
	case WEIR_UNIT_BYTES:
		return (struct amount){"byte_burst", l->byte_rate, NSEC_PER_SEC, l->byte_burst};
	case WEIR_UNIT_CONNECTIONS:
		return (struct amount){"connection_burst", l->connections.count,
				       l->connections.per_ns, l->connection_burst};
	case WEIR_UNIT_OPEN:
		return (struct amount){"open_connections", 1, 0, l->open_connections};
	default:
		return (struct amount){"burst", l->rate.count, l->rate.per_ns, l->burst};
	}
}

static unsigned int factor_min(const struct policy_limit *l)
{
	return l->is_adaptive && l->adaptive.min < 1000 ? l->adaptive.min : 1000;
}

static unsigned int factor_max(const struct policy_limit *l)
{
	return l->is_adaptive && l->adaptive.max > 1000 ? l->adaptive.max : 1000;
}

int policy_scale(const struct weir_limit *limit, unsigned int factor, uint64_t *ret_word)
{
	wide word;

	if (!factor)
		return -ERANGE;
	word = limit->algorithm == WEIR_ALGORITHM_BUCKET
		       ? divide_up((wide)limit->interval * 1000, factor)
		       : (wide)limit->burst * factor / 1000;
	if (word >= BURST_MAX)
		return -ERANGE;
	*ret_word = (uint64_t)word;
	return 0;
}

/* At its lowest, too, a packet must be able to pass. */
static int check_lowest(struct compiler *c, const struct draft *d, const struct weir_limit *limit)
{
	const struct policy_limit *rule = d->rule;
	uint64_t cost = limit_largest_cost(rule, d->unit), word = 0;
	bool bucket = limit->algorithm == WEIR_ALGORITHM_BUCKET;

	if (!rule->is_adaptive || (bucket && !limit->burst))
		return 0;
	if (policy_scale(limit, factor_min(rule), &word) == 0 &&
	    (bucket ? divide_up((wide)word * cost, 1ULL << limit->shift) <= limit->burst
		    : divide_up(cost, 1ULL << limit->shift) <= word))
		return 0;
	return refuse_rule(
		c, rule, -EINVAL, "policy.adaptive.min",
		"limit '%s': a packet may cost %llu, and at %u%% the %s has less room: it "
		"could never pass",
		rule->name, (unsigned long long)cost, factor_min(rule) / 10,
		bucket ? amount_of(d).burst_key : "window");
}

static int bucket_fill(struct compiler *c, const struct draft *d, struct weir_limit *limit)
{
	const struct policy_limit *rule = d->rule;
	struct amount a = amount_of(d);
	uint64_t units = limit_largest_cost(rule, d->unit);
	wide interval, burst, slowest, cost;

	if (d->unit == WEIR_UNIT_BYTES) {
		limit->shift = BYTES_SHIFT;
		units = FRAME_MAX;
	} else if (rule->bytes_per_unit && d->unit == WEIR_UNIT_PACKETS) {
		units += FRAME_MAX / rule->bytes_per_unit;
	}
	limit->algorithm = WEIR_ALGORITHM_BUCKET;
	interval = divide_up((wide)a.per_ns << (WEIR_TIME_SHIFT + limit->shift), a.count);
	burst = divide_up(interval * a.burst, 1ULL << limit->shift);
	slowest = divide_up(interval * 1000, factor_min(rule));
	cost = slowest * units; /* of the most expensive packet; the datapath has 64 bits for it */
	if (burst >= BURST_MAX || cost >> limit->shift >= BURST_MAX || cost > INT64_MAX)
		return refuse_rule(c, rule, -ERANGE, "policy.burst.long",
				   "limit '%s': %s lasts longer at this rate than a bucket can "
				   "count (104 days)",
				   rule->name, burst >= BURST_MAX ? a.burst_key : "a packet");
	limit->interval = (uint64_t)interval;
	limit->burst = (uint64_t)burst;
	limit->precise = limit->burst < c->image->policy.tick;
	return 0;
}

/* Whether a word has room for @limit's window beside the units of the largest @burst it may have.
 * Sets what follows from it. */
static bool fixed_fits(struct weir_limit *limit, uint64_t window, uint64_t burst)
{
	limit->count_bits = (uint8_t)bit_length(burst);
	limit->interval = window;
	return limit->count_bits < 63 && 1ULL << limit->count_bits <= window / FIXED_FINENESS;
}

static bool sliding_fits(struct weir_limit *limit, uint64_t window, uint64_t burst,
			 unsigned int previous)
{
	unsigned int current = bit_length(burst);
	unsigned int forgotten = current > previous ? current - previous : 0;
	unsigned int elapsed = 0;
	uint64_t steps;

	limit->previous_shift = (uint8_t)forgotten;
	limit->previous_bits = (uint8_t)bit_length((burst >> forgotten) + 1);
	limit->count_bits = (uint8_t)(current + limit->previous_bits);
	if (limit->count_bits >= 57 || 1ULL << limit->count_bits > window / SLIDING_FINENESS)
		return false;
	limit->interval = (uint64_t)divide_up(window, 1ULL << limit->count_bits)
			  << limit->count_bits;
	while (limit->interval >> elapsed >= 1ULL << 16)
		elapsed++;
	steps = limit->interval >> elapsed;
	limit->elapsed_shift = (uint8_t)elapsed;
	limit->weight_shift = (uint8_t)(48 - forgotten);
	limit->weight = (uint64_t)divide_up((wide)1 << 48, steps);
	/* Four windows' worth of time left, should a clock run back, and still within 64 bits. */
	return (wide)((burst >> forgotten) + 1) * (4 * steps + 2) * limit->weight < (wide)1 << 64;
}

static bool window_fits(struct weir_limit *limit, uint64_t window, uint64_t burst)
{
	if (limit->algorithm == WEIR_ALGORITHM_FIXED)
		return fixed_fits(limit, window, burst);
	for (unsigned int previous = PREVIOUS_BITS; previous >= PREVIOUS_LEAST; previous--)
		if (sliding_fits(limit, window, burst, previous))
			return true;
	return false;
}

static int window_fill(struct compiler *c, const struct draft *d, struct weir_limit *limit)
{
	const struct policy_limit *rule = d->rule;
	uint64_t window = limit_window_ns(rule, d->unit) << WEIR_TIME_SHIFT;
	unsigned int shift_max = d->unit == WEIR_UNIT_BYTES ? WINDOW_SHIFT_MAX : 0;
	bool fixed = rule->algorithm == POLICY_FIXED_WINDOW;
	struct amount a = amount_of(d);

	limit->algorithm = fixed ? WEIR_ALGORITHM_FIXED : WEIR_ALGORITHM_SLIDING;
	for (limit->shift = 0; limit->shift <= shift_max; limit->shift++) {
		wide most = (wide)(a.burst >> limit->shift) * factor_max(rule) / 1000;

		limit->burst = a.burst >> limit->shift;
		if (most >= BURST_MAX || !window_fits(limit, window, (uint64_t)most))
			continue;
		limit->precise = limit->interval <
				 (fixed ? PRECISE_FIXED : PRECISE_SLIDING) * c->image->policy.tick;
		return 0;
	}
	return refuse_rule(c, rule, -ERANGE, "policy.window.count",
			   "limit '%s': a %s cannot count %llu %s in a window of this length: take "
			   "a token_bucket",
			   rule->name, policy_algorithm_str(rule->algorithm),
			   (unsigned long long)((wide)a.burst * factor_max(rule) / 1000),
			   policy_unit_str(d->unit));
}

/* The engine tells the periods; until it does, they are as long as they may be. */
static void quota_fill(const struct draft *d, struct weir_limit *limit)
{
	const uint64_t days = d->rule->period == POLICY_DAY ? 1 : 31;

	limit->algorithm = WEIR_ALGORITHM_QUOTA;
	limit->burst = amount_of(d).burst;
	while (limit->burst >> limit->shift >= QUOTA_MOST)
		limit->shift++;
	limit->burst >>= limit->shift;
	limit->count_bits = QUOTA_COUNT_BITS;
	limit->length = (days * 86400 * NSEC_PER_SEC) << WEIR_TIME_SHIFT;
}

static void costs_fill(const struct draft *d, struct weir_limit *limit)
{
	const struct policy_limit *rule = d->rule;

	memset(limit->costs, 1, sizeof(limit->costs));
	if (d->unit != WEIR_UNIT_PACKETS)
		return;
	memcpy(limit->costs, rule->costs, sizeof(rule->costs));
	/* Rounded up, so that an exact multiple of the step counts in full. */
	if (rule->bytes_per_unit)
		limit->size_step = (uint32_t)divide_up((wide)1 << 32, rule->bytes_per_unit);
}

static uint32_t mask4(unsigned int bits)
{
	return bits ? htobe32(UINT32_MAX << (32 - bits)) : 0;
}

static uint64_t mask6(unsigned int bits)
{
	unsigned int rest = bits < 64 ? 64 - bits : 0;

	return bits ? htobe64(UINT64_MAX << rest) : 0;
}

static void key_fill(const struct policy_limit *rule, struct weir_limit *limit)
{
	unsigned int bits4 = rule->prefix4, bits6 = rule->prefix6;

	switch (rule->scope) {
	case POLICY_SCOPE_SOURCE:
	case POLICY_SCOPE_SOURCE_PER_SERVICE:
	case POLICY_SCOPE_SOURCE_PREFIX:
		limit->key_parts = WEIR_KEY_SOURCE;
		limit->source_mask4 = mask4(bits4);
		limit->source_mask6 = mask6(bits6);
		limit->whole_ip6 = bits6 == 128;
		limit->coarse_mask4 = mask4(bits4 > 8 ? bits4 - 8 : 0);
		limit->coarse_mask6 = mask6(bits6 == 128 ? 64 : bits6 > 16 ? bits6 - 16 : 0);
		break;
	case POLICY_SCOPE_DESTINATION:
		limit->key_parts = WEIR_KEY_DESTINATION;
		break;
	case POLICY_SCOPE_TENANT:
		limit->key_parts = WEIR_KEY_TENANT;
		break;
	default:
		break;
	}
}

int compile_limit(struct compiler *c, const struct draft *d, struct weir_limit *limit)
{
	const struct policy_limit *rule = d->rule;
	int r = 0;

	limit->unit = (uint8_t)d->unit;
	if (d->unit == WEIR_UNIT_OPEN) {
		limit->algorithm = WEIR_ALGORITHM_OPEN;
		limit->burst = rule->open_connections;
	} else if (rule->algorithm == POLICY_QUOTA) {
		quota_fill(d, limit);
	} else if (rule->algorithm == POLICY_TOKEN_BUCKET ||
		   rule->algorithm == POLICY_LEAKY_BUCKET) {
		r = bucket_fill(c, d, limit);
	} else {
		r = window_fill(c, d, limit);
	}
	if (r == 0)
		r = check_lowest(c, d, limit);
	if (r < 0)
		return r;
	costs_fill(d, limit);
	key_fill(rule, limit);
	if (rule->rollout.percent < 100)
		limit->rollout = (uint32_t)(((uint64_t)rule->rollout.percent << 32) / 100);
	limit->on_full = (uint8_t)rule->on_full;
	limit->action = (uint8_t)rule->action;
	limit->dscp = rule->dscp;
	limit->reject_share = rule->reject_share;
	return 0;
}
