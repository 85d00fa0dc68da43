/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "identity/allowance.h"

#include <stddef.h>
#include <weir/algorithm.h>

#include "base/clock.h"

static struct weir_limit bucket_of(const struct allowance_class *class)
{
	uint64_t interval = (class->period_s * NSEC_PER_SEC << WEIR_TIME_SHIFT) / class->rate;

	return (struct weir_limit){.interval = interval, .burst = interval * class->burst};
}

/* The bucket of @key; a free one, or one that is full again, becomes it. */
static uint64_t *find(struct allowance *a, uint64_t key, uint64_t time)
{
	struct allowance_user *idle = NULL;

	for (size_t i = 0; i < ALLOWANCE_USERS_MAX; i++) {
		struct allowance_user *u = &a->users[i];

		if (u->key == key)
			return &u->word;
		if (!idle && (!u->key || (int64_t)(u->word - time) <= 0))
			idle = u;
	}
	if (!idle)
		return &a->others;
	*idle = (struct allowance_user){.key = key};
	return &idle->word;
}

static uint32_t ms(uint64_t time)
{
	return (uint32_t)(((time >> WEIR_TIME_SHIFT) + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

struct allowance_answer allowance_ask(struct allowance *a, const struct allowance_class *class,
				      uint32_t who, uint64_t now_ns)
{
	uint64_t time = now_ns << WEIR_TIME_SHIFT, used;
	const struct weir_limit bucket = bucket_of(class);
	uint64_t *word = find(a, (uint64_t) class->id << 40 | ((uint64_t)who + 1), time);
	struct allowance_answer answer = {0};
	__u64 next;

	if (!*word)
		*word = time;
	answer.granted = bucket_next(&bucket, *word, time, 1, &next);
	if (answer.granted)
		*word = next;
	used = (int64_t)(*word - time) > 0 ? *word - time : 0;
	answer.left = (uint32_t)((bucket.burst - used) / bucket.interval);
	answer.refill_ms = ms(used);
	if (!answer.granted)
		answer.wait_ms = ms(used + bucket.interval - bucket.burst);
	return answer;
}
