/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/answers.h"

#include <errno.h>

#include "base/clock.h"
#include "engine/internal.h"

static uint64_t kept_since(uint64_t now_ns)
{
	return now_ns > ANSWERS_KEPT_NS ? now_ns - ANSWERS_KEPT_NS : 0;
}

int engine_answer_find(struct engine *e, uid_t uid, const char *key, struct store_answer_found *ret,
		       struct fault *reterr)
{
	if (!e->store)
		return fault(reterr, -ENOENT, "store.absent", "there is no store");
	return store_answer_get(e->store, uid, key, kept_since(clock_real_ns()), ret, reterr);
}

int engine_answer_keep(struct engine *e, struct store_answer answer, struct fault *reterr)
{
	if (!e->store)
		return fault(reterr, -ENODEV, "store.absent", "there is no store");
	answer.made_ns = clock_real_ns();
	return store_answer_put(e->store, &answer, kept_since(answer.made_ns), ANSWERS_KEPT_MAX,
				reterr);
}
