/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Readers of `audit`: what the log keeps, for how long, and what holds while it cannot be written. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "policy/lint.h"
#include "policy/schema.h"

const char *word_audit_evidence(unsigned int i)
{
	static const char *const words[] = {[POLICY_SUMMARY] = "summary", [POLICY_FULL] = "full"};

	return i < ARRAY_SIZE(words) ? words[i] : NULL;
}

int value_audit_evidence(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;
	int err = schema_word(r, n, r->field->key, &word);

	if (err == 0)
		*(enum policy_evidence *)into = (enum policy_evidence)word;
	r->policy->audit.evidence_place = (struct place){n->file, n->line, n->column, n->width};
	return err;
}

const char *word_audit_on_full(unsigned int i)
{
	static const char *const words[] = {[POLICY_REFUSE] = "refuse", [POLICY_ALLOW] = "allow"};

	return i < ARRAY_SIZE(words) ? words[i] : NULL;
}

int value_audit_on_full(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;
	int err = schema_word(r, n, r->field->key, &word);

	if (err == 0)
		*(enum policy_on_full *)into = (enum policy_on_full)word;
	return err;
}

const char *word_personal(unsigned int i)
{
	static const char *const words[] = {
		[POLICY_SEALED] = "sealed",
		[POLICY_TRUNCATED] = "truncated",
		[POLICY_CLEAR] = "clear",
	};
	_Static_assert(ARRAY_SIZE(words) == POLICY_PERSONAL_MAX, "a mode has no word");

	return i < ARRAY_SIZE(words) ? words[i] : NULL;
}

int value_personal(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;
	int err = schema_word(r, n, r->field->key, &word);

	if (err == 0)
		*(enum policy_personal *)into = (enum policy_personal)word;
	return err;
}

int value_anchor_every(struct reader *r, const struct node *n, void *into)
{
	uint64_t *ns = into;
	int err = value_ttl(r, n, into);

	if (err == 0 && (*ns < POLICY_ANCHOR_MIN_NS || *ns > POLICY_ANCHOR_MAX_NS))
		return refuse(r, n, "policy.number.range", "'%.64s' is not within 10s to 7d",
			      n->text);
	return err;
}

int value_anchor_exec(struct reader *r, const struct node *n, void *into)
{
	int err = schema_name(r, n);

	if (err == 0)
		memcpy(into, n->text, strlen(n->text) + 1);
	return err;
}

/*
 * Evidence has addresses as they are, and nothing is erased from it but by removing whole files: what `personal`
 * promises of records about traffic does not hold for it.
 */
void lint_audit(const struct policy *policy, struct policy_report *report)
{
	enum policy_personal traffic = policy->audit.personal.traffic;

	if (policy->audit.evidence != POLICY_FULL || traffic == POLICY_CLEAR)
		return;
	diagnose_warning(
		report, &policy->audit.evidence_place, "policy.audit.evidence",
		"records about traffic are %s (audit.personal.traffic), but evidence: full keeps the "
		"address of each event as it is: who is erased takes the whole file along",
		word_personal(traffic));
}

void pattern_keep(struct text *t)
{
	text_puts(t, "^([0-9]+(s|m|h|d|w)|forever)$");
}

int value_keep(struct reader *r, const struct node *n, void *into)
{
	struct policy_keep *keep = into;
	uint64_t ns = 0;
	int err = strcmp(n->text, "forever") == 0 ? 0 : value_ttl(r, n, &ns);

	if (err == 0 && ns % NSEC_PER_SEC)
		return refuse(r, n, "policy.number.range", "'%.64s' is less than 1s", n->text);
	if (err == 0)
		*keep = (struct policy_keep){.line = n->line, .s = ns / NSEC_PER_SEC};
	return err;
}

void pattern_keep_archive(struct text *t)
{
	text_puts(t, "^([0-9]+(s|m|h|d|w)|forever|none)$");
}

int value_keep_archive(struct reader *r, const struct node *n, void *into)
{
	if (strcmp(n->text, "none") != 0)
		return value_keep(r, n, into);
	*(struct policy_keep *)into = (struct policy_keep){.line = n->line, .none = true};
	return 0;
}
