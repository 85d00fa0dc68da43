/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/anchor.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "audit/base64.h"
#include "base/text.h"
#include "engine/internal.h"

static bool is_text(const char *text)
{
	size_t length = text ? strlen(text) : 0;

	return length <= ENGINE_ANCHOR_TEXT_MAX && utf8_valid(text ?: "", length);
}

static bool is_root(const char *text)
{
	uint8_t root[AUDIT_HASH_SIZE];
	size_t length;

	return base64_parse(text, strlen(text), root, sizeof(root), &length) == 0 &&
	       length == sizeof(root);
}

/* Nobody can have handed out what was never signed. */
static int check(const struct engine *e, const struct engine_anchor *a, struct fault *reterr)
{
	struct sealer_stats stats;

	if (strcmp(a->kind, "exec") != 0 && strcmp(a->kind, "file") != 0 &&
	    strcmp(a->kind, "url") != 0)
		return fault(reterr, -EINVAL, "audit.anchor", "kind is exec, file or url");
	if (!is_text(a->target) || !is_text(a->receipt) || !is_text(a->error))
		return fault(reterr, -EINVAL, "audit.anchor",
			     "target, receipt and error are text of at most %d bytes",
			     ENGINE_ANCHOR_TEXT_MAX);
	if (!is_root(a->root))
		return fault(reterr, -EINVAL, "audit.anchor", "root is no SHA-256 in base64");
	if (!engine_seal_stats(e, &stats) || strcmp(a->origin, stats.origin) != 0 ||
	    a->size > stats.size)
		return fault(reterr, -EINVAL, "audit.anchor",
			     "no checkpoint of %" PRIu64 " records was signed as that", a->size);
	return 0;
}

static void put(struct audit_details *d, const char *key, const char *value)
{
	if (value && *value)
		audit_details_string(d, key, value);
}

int engine_anchor(struct engine *e, const struct engine_anchor *anchor,
		  const struct engine_actor *actor, struct fault *reterr)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_AUDIT_ANCHORED,
		.resource = {"chain", "audit"},
		.details = &details,
	};
	struct fault f = {0};
	int r = check(e, anchor, &f)
			?: engine_proceed(actor, &f, "record that the checkpoint was handed out");

	if (r < 0 || anchor->error) {
		record.event = AUDIT_EVENT_AUDIT_ANCHOR_FAILED;
		record.outcome = AUDIT_FAILURE;
	}
	if (r < 0) {
		audit_details_string(&details, "error", f.code);
		audit_details_string(&details, "words", f.text);
	} else {
		audit_details_u64(&details, "size", anchor->size);
		audit_details_string(&details, "root", anchor->root);
		audit_details_string(&details, "origin", anchor->origin);
		audit_details_string(&details, "anchor", anchor->kind);
		put(&details, "anchor_target", anchor->target);
		put(&details, "receipt", anchor->receipt);
		put(&details, "words", anchor->error);
		audit_details_bool(&details, "by_policy", anchor->by_policy);
	}
	engine_record(e, &record, actor);
	if (r < 0 && reterr)
		*reterr = f;
	return r;
}
