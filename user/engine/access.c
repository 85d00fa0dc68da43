/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/access.h"

#include <errno.h>
#include <string.h>

#include <openssl/sha.h>

#include "base/clock.h"
#include "base/text.h"
#include "engine/internal.h"

/* The question, or the place of the one that was asked longest ago. */
static struct access_question *find(struct access *a, const uint8_t *digest)
{
	struct access_question *oldest = &a->recent[0];

	for (size_t i = 0; i < ACCESS_RECENT_MAX; i++) {
		struct access_question *q = &a->recent[i];

		if (q->recorded_ns && memcmp(q->digest, digest, sizeof(q->digest)) == 0)
			return q;
		if (q->asked_ns < oldest->asked_ns)
			oldest = q;
	}
	oldest->recorded_ns = 0;
	return oldest;
}

enum access_verdict access_ask(struct access *a, const uint8_t digest[static 32], uint64_t now_ns)
{
	struct access_question *q = find(a, digest);

	if (q->recorded_ns && now_ns - q->asked_ns < ACCESS_PAUSE_NS &&
	    now_ns - q->recorded_ns < ACCESS_AGAIN_NS) {
		q->asked_ns = now_ns;
		return ACCESS_KNOWN;
	}
	if (a->budget_ns < now_ns)
		a->budget_ns = now_ns;
	if (a->budget_ns - now_ns > (ACCESS_QUESTIONS_BURST - 1) * ACCESS_QUESTION_EVERY_NS)
		return ACCESS_REFUSED;
	a->budget_ns += ACCESS_QUESTION_EVERY_NS;
	memcpy(q->digest, digest, sizeof(q->digest));
	q->asked_ns = q->recorded_ns = now_ns;
	return ACCESS_NEW;
}

static int digest_of(const struct engine_actor *actor, const char *what,
		     const struct audit_details *criteria, uint8_t ret[static 32])
{
	struct text t = {.growing = true};
	int r = 0;

	text_printf(&t, "%u %s", actor->uid, what);
	for (unsigned int i = 0; i < criteria->count; i++) {
		text_printf(&t, " %s=", criteria->members[i].key);
		text_put_json(&t, criteria->members[i].string ?: "");
	}
	if (t.truncated)
		r = -ENOMEM;
	else
		SHA256((const unsigned char *)t.data, t.length, ret);
	text_done(&t);
	return r;
}

int engine_audit_read(struct engine *e, const struct engine_actor *actor, const char *what,
		      const struct audit_details *criteria, struct fault *reterr)
{
	struct audit_record record = {
		.event = AUDIT_EVENT_AUDIT_SEARCHED,
		.resource = {"audit", what},
		.details = criteria,
	};
	uint8_t digest[SHA256_DIGEST_LENGTH];

	if (digest_of(actor, what, criteria, digest) < 0)
		return fault(reterr, -ENOMEM, "engine.memory", "out of memory");
	switch (access_ask(&e->access, digest, clock_monotonic_ns())) {
	case ACCESS_KNOWN:
		return 0;
	case ACCESS_REFUSED:
		return fault(
			reterr, -EAGAIN, "audit.rate",
			"too many different questions about the audit log at once; each of them "
			"is recorded: ask again in a second");
	default:
		engine_record(e, &record, actor);
		return 0;
	}
}

void engine_index_stats(const struct engine *e, struct indexer_stats *ret)
{
	static const struct indexer_stats none = {.trouble = "the indexer could not be started"};

	*ret = none;
	if (e->indexer)
		indexer_get_stats(e->indexer, ret);
}
