/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What recomputing the log said, and what a checkpoint that was kept elsewhere adds to that. */
#include "report/integrity.h"

#include <inttypes.h>
#include <string.h>

#include "audit/hash.h"
#include "base/clock.h"
#include "report/page.h"

static json_t *covered(const struct audit_verdict *v)
{
	const struct audit_covered *c = &v->given;

	if (!c->there)
		return json_null();
	return json_pack("{s:b, s:s, s:I, s:I, s:s, s:s}", "covers", c->covers, "origin", c->origin,
			 "records", (json_int_t)c->size, "records_after",
			 (json_int_t)(v->length > c->size ? v->length - c->size : 0), "signature",
			 audit_signature_to_str(c->signature), "signer", c->signer);
}

static json_t *time_json(uint64_t ns)
{
	char text[CLOCK_RFC3339_SIZE];

	if (!ns)
		return json_null();
	clock_format_rfc3339(ns, text);
	memcpy(text + 19, "Z", 2);
	return json_string(text);
}

json_t *integrity_json(const struct audit_verdict *v, const struct fault *damage)
{
	char id[2 * AUDIT_ID_SIZE + 1], hash[AUDIT_HASH_TEXT];

	hex_format(v->chain_id, AUDIT_ID_SIZE, id);
	hex_format(v->last_hash, AUDIT_HASH_SIZE, hash);
	return json_pack("{s:b, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:o, s:o, s:s}", "ok",
			 v->status == AUDIT_OK, "status", audit_status_to_str(v->status), "finding",
			 audit_finding_to_str(v->finding), "words", v->words, "records_verified",
			 (json_int_t)v->records, "segments", (json_int_t)v->segments, "chain_id",
			 id, "last_hash", hash, "last_commit", time_json(v->last_commit_ns),
			 "checkpoint", covered(v), "unreadable", damage->err ? damage->text : "");
}

static void put_signature(struct text *t, const json_t *c)
{
	const char *signature = page_member(c, "signature");

	if (strcmp(signature, audit_signature_to_str(AUDIT_SIGNATURE_GIVEN)) == 0)
		text_puts(t, "It is signed by the key that was given, <code>");
	else if (strcmp(signature, audit_signature_to_str(AUDIT_SIGNATURE_FOLLOWED)) == 0)
		text_puts(t, "It is signed by a key that the one given leads to, <code>");
	else if (strcmp(signature, audit_signature_to_str(AUDIT_SIGNATURE_OWN)) == 0)
		text_puts(t,
			  "It is signed by a key that only the log itself says is its own, <code>");
	else {
		text_puts(t, "Its signature was not checked.");
		return;
	}
	page_text(t, page_member(c, "signer"));
	text_puts(t, "</code>.");
}

static void put_checkpoint(struct text *t, const json_t *c)
{
	uint64_t after = page_count(c, "records_after");

	if (!json_is_object(c)) {
		text_puts(
			t,
			"<div class=\"result warn\"><b>Not covered by an external checkpoint</b>None was given. "
			"Whoever could write to the log's directory could have replaced the log as a whole by another "
			"one that is in order: compare the last hash with a copy that was kept elsewhere.</div>");
		return;
	}
	if (!json_is_true(json_object_get(c, "covers"))) {
		text_puts(
			t,
			"<div class=\"result warn\"><b>Not covered by the checkpoint that was given</b>It is of ");
		page_number(t, page_count(c, "records"));
		text_puts(t, " records, which could not be compared with what was read. ");
	} else {
		text_printf(t, "<div class=\"result%s\"><b>Covered by an external checkpoint</b>",
			    after ? " warn" : "");
		text_puts(t, "The first ");
		page_number(t, page_count(c, "records"));
		text_puts(t, " records are those that it was signed for; ");
		page_number(t, after);
		text_puts(t, " after them are not covered. ");
	}
	put_signature(t, c);
	text_puts(t, "</div>");
}

void integrity_put(struct text *t, const json_t *i)
{
	bool ok = json_is_true(json_object_get(i, "ok"));

	text_printf(t, "<div class=\"result%s\"><b>%s</b>", ok ? "" : " bad",
		    ok ? "The log is in order" : "The log is not in order");
	page_number(t, page_count(i, "records_verified"));
	text_puts(t, " records in ");
	page_number(t, page_count(i, "segments"));
	text_printf(
		t,
		" segment%s were recomputed, from the first record on and not of the range alone. ",
		page_count(i, "segments") == 1 ? "" : "s");
	if (!ok) {
		text_puts(t, "Found: ");
		page_text(t, page_member(i, "finding"));
		text_puts(t, ", ");
		page_text(t, page_member(i, "words"));
		text_puts(t, ". ");
	}
	if (*page_member(i, "unreadable")) {
		text_puts(t, "Figures are of what could be read: ");
		page_text(t, page_member(i, "unreadable"));
	}
	text_puts(t, "</div>");
	put_checkpoint(t, json_object_get(i, "checkpoint"));
	text_puts(t, "<dl><dt>Last hash</dt><dd><code>");
	page_text(t, page_member(i, "last_hash"));
	text_puts(t, "</code></dd><dt>Chain</dt><dd><code>");
	page_text(t, page_member(i, "chain_id"));
	text_puts(t, "</code></dd><dt>Last commit</dt><dd>");
	page_time(t, json_object_get(i, "last_commit"));
	text_puts(t, " UTC</dd></dl>");
}
