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

static bool offer_to_bucket(struct model *m, model_time now, uint64_t units)
{
	model_time cost =
		(model_time)divide_up((wide)units * m->limit->interval, (wide)1 << m->limit->shift);
	model_time before = level_at(m, now);

	if (m->limit->burst ? before + cost > (model_time)m->limit->burst : before > 0)
		return false;
	m->used = true;
	m->at = now;
	m->level = before + cost;
	/* The one word that means "never used" is never the time at which a bucket is empty. */
	if ((uint64_t)(m->at + m->level) == 0)
		m->level++;
	return true;
}

/* The end of a window that begins @now: words keep time in steps of 2^count_bits. */
static model_time window_end(const struct weir_limit *limit, model_time now)
{
	wide step = (wide)1 << limit->count_bits;

	return (model_time)(divide_up((wide)now + limit->interval, step) * step);
}

static bool offer_to_fixed(struct model *m, model_time now, uint64_t units)
{
	uint64_t steps = (uint64_t)divide_up(units, (wide)1 << m->limit->shift);
	bool over = !m->used || now >= m->end;
	uint64_t used = steps + (over ? 0 : m->current);

	if (used > m->limit->burst)
		return false;
	if (over)
		m->end = window_end(m->limit, now);
	m->used = true;
	m->current = used;
	return true;
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

static bool offer_to_sliding(struct model *m, model_time now, uint64_t units)
{
	const struct weir_limit *l = m->limit;
	struct model s = slid(m, now);
	/* Of the time that the previous window still counts, every step that has begun. */
	wide left = ((wide)(s.end - now) >> l->elapsed_shift) + 1;
	wide overlap =
		divide_up((wide)remembered(&s) * left * l->weight, (wide)1 << l->weight_shift);

	s.current += (uint64_t)divide_up(units, (wide)1 << l->shift);
	if (s.current + overlap > l->burst)
		return false;
	s.used = true;
	*m = s;
	return true;
}

bool model_offer(struct model *m, model_time now, uint64_t units)
{
	if (m->limit->algorithm == WEIR_ALGORITHM_FIXED)
		return offer_to_fixed(m, now, units);
	if (m->limit->algorithm == WEIR_ALGORITHM_SLIDING)
		return offer_to_sliding(m, now, units);
	return offer_to_bucket(m, now, units);
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
