/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Readers of `otlp`: where spans and metrics are sent to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/target.h"
#include "policy/schema.h"

static const char *const span_words[] = {"requests", "applies"};
_Static_assert(ARRAY_SIZE(span_words) == POLICY_SPANS_MAX, "a kind of spans has no word");

const char *word_otlp_spans(unsigned int i)
{
	return i < ARRAY_SIZE(span_words) ? span_words[i] : NULL;
}

void pattern_endpoint(struct text *t)
{
	text_puts(t, "^https?://");
}

int value_endpoint(struct reader *r, const struct node *n, void *into)
{
	struct target target;
	char **endpoint = into;

	if (target_parse(n->text, &target) < 0 || target.kind < TARGET_HTTP)
		return refuse(
			r, n, "policy.otlp.endpoint",
			"'%.64s' is no endpoint: write http://127.0.0.1:4318 or "
			"https://host/path, at most %u bytes; no user and no query, as others "
			"may read the policy: that is what headers_file is for",
			n->text, TARGET_URL_MAX);
	*endpoint = strdup(n->text);
	return *endpoint ? 0 : -ENOMEM;
}

int value_otlp_spans(struct reader *r, const struct node *n, void *into)
{
	uint32_t *spans = into;
	const struct node *e;
	unsigned int word;
	size_t count;
	int err = schema_elements(r, n, &e, &count), first = 0;

	for (; err == 0 && count--; e = e->next) {
		int one = schema_word(r, e, "kind of spans", &word);

		if (one == 0)
			*spans |= 1U << word;
		if (!schema_go_on(r, one, &first))
			break;
	}
	return err ?: first;
}

int value_otlp_metrics(struct reader *r, const struct node *n, void *into)
{
	uint64_t *ns = into;
	int err = value_ttl(r, n, into);

	if (err == 0 && (*ns < POLICY_OTLP_MIN_NS || *ns > POLICY_OTLP_MAX_NS))
		return refuse(r, n, "policy.number.range", "'%.64s' is not within 1s to 1h",
			      n->text);
	return err;
}

void policy_otlp_done(struct policy_otlp *o)
{
	free(o->endpoint);
	free(o->headers_file);
}
