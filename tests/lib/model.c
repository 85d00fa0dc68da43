/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Slow and plain on purpose: each function says one sentence of model.h. */
#include "model.h"

typedef unsigned __int128 wide;

static wide divide_up(wide a, wide b)
{
	return a / b + (a % b != 0);
}

void model_init(struct model *m, const struct weir_limit *limit)
{
	*m = (struct model){.limit = limit};
}

static model_time level_at(const struct model *m, model_time now)
{
	model_time level = m->used ? m->level - (now - m->at) : 0;

	return level > 0 ? level : 0;
}

static model_time cost_of(const struct model *m, uint64_t units)
{
	return (model_time)divide_up((wide)units * m->limit->interval, (wide)1 << m->limit->shift);
}

static bool charge_bucket(struct model *m, model_time now, uint64_t units)
{
	model_time cost = cost_of(m, units), before = level_at(m, now);
	bool conforms =
		m->limit->burst ? before + cost <= (model_time)m->limit->burst : before == 0;

	m->used = true;
	m->at = now;
	m->level = before + cost;
	/* The one word that means "never used" is never the time at which a bucket is empty. */
	if ((uint64_t)(m->at + m->level) == 0)
		m->level++;
	return conforms;
}

/* The end of a window that begins @now: words keep time in steps of 2^count_bits. */
static model_time window_end(const struct weir_limit *limit, model_time now)
{
	wide step = (wide)1 << limit->count_bits;

	return (model_time)(divide_up((wide)now + limit->interval, step) * step);
}

static uint64_t steps_of(const struct model *m, uint64_t units)
{
	return (uint64_t)divide_up(units, (wide)1 << m->limit->shift);
}

static bool charge_fixed(struct model *m, model_time now, uint64_t units)
{
	bool over = !m->used || now >= m->end;

	m->current = steps_of(m, units) + (over ? 0 : m->current);
	if (over)
		m->end = window_end(m->limit, now);
	m->used = true;
	return m->current <= m->limit->burst;
}

/* Let time pass until @now: a window that is over becomes the previous one of that which
 * follows. */
static struct model slid(const struct model *m, model_time now)
{
	struct model s = *m;

	if (!s.used || now >= s.end + (model_time)s.limit->interval) {
		s.end = window_end(s.limit, now);
		s.current = s.previous = 0;
	} else if (now >= s.end) {
		s.end += s.limit->interval;
		s.previous = s.current;
		s.current = 0;
	}
	return s;
}

/* The previous window as the word remembers it: in steps of 2^previous_shift, rounded up. */
static uint64_t remembered(const struct model *m)
{
	return (uint64_t)divide_up(m->previous, (wide)1 << m->limit->previous_shift);
}

static bool charge_sliding(struct model *m, model_time now, uint64_t units)
{
	const struct weir_limit *l = m->limit;
	struct model s = slid(m, now);
	/* Of the time that the previous window still counts, every step that has begun. */
	wide left = ((wide)(s.end - now) >> l->elapsed_shift) + 1;
	wide overlap =
		divide_up((wide)remembered(&s) * left * l->weight, (wide)1 << l->weight_shift);

	s.current += steps_of(m, units);
	s.used = true;
	*m = s;
	return s.current + overlap <= l->burst;
}

/* Whether it conformed. */
static bool charge(struct model *m, model_time now, uint64_t units)
{
	if (m->limit->algorithm == WEIR_ALGORITHM_FIXED)
		return charge_fixed(m, now, units);
	if (m->limit->algorithm == WEIR_ALGORITHM_SLIDING)
		return charge_sliding(m, now, units);
	return charge_bucket(m, now, units);
}

bool model_conforms(const struct model *m, model_time now, uint64_t units)
{
	struct model copy = *m;

	return charge(&copy, now, units);
}

void model_charge(struct model *m, model_time now, uint64_t units)
{
	charge(m, now, units);
}

bool model_offer(struct model *m, model_time now, uint64_t units)
{
	struct model charged = *m;

	if (!charge(&charged, now, units))
		return false;
	*m = charged;
	return true;
}

void model_refund(struct model *m, model_time now, uint64_t units)
{
	model_time ahead = level_at(m, now), cost = cost_of(m, units);

	if (m->limit->algorithm == WEIR_ALGORITHM_BUCKET)
		m->level -= ahead < cost ? ahead : cost;
	else
		m->current -= steps_of(m, units);
}

model_time model_changes_at(const struct model *m)
{
	return m->limit->algorithm == WEIR_ALGORITHM_BUCKET ? m->at + m->level : m->end;
}

uint64_t model_word(const struct model *m)
{
	const struct weir_limit *l = m->limit;

	if (l->algorithm == WEIR_ALGORITHM_FIXED)
		return (uint64_t)m->end + m->current;
	if (l->algorithm == WEIR_ALGORITHM_SLIDING)
		return (uint64_t)m->end + l->interval +
		       (remembered(m) << (l->count_bits - l->previous_bits)) + m->current;
	return (uint64_t)(m->at + m->level);
}

model_time model_rests_at(const struct model *m)
{
	if (m->limit->algorithm == WEIR_ALGORITHM_FIXED)
		return m->end;
	if (m->limit->algorithm == WEIR_ALGORITHM_SLIDING)
		return m->end + (model_time)m->limit->interval;
	return m->at + m->level;
}

wide model_sliding_parts(const struct model *m, model_time now, uint64_t *ret_parts)
{
	struct model s = slid(m, now);

	*ret_parts = m->limit->interval;
	return (wide)s.current * m->limit->interval + (wide)s.previous * (wide)(s.end - now);
}
