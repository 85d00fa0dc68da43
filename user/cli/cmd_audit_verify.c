/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What verification found, for people and for scripts. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "audit/hash.h"
#include "audit/query.h"
#include "audit/verify.h"
#include "base/clock.h"
#include "base/fs.h"
#include "cli/render.h"

#define BAR_WIDTH 40

static json_t *json_time_ns(uint64_t ns)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(ns, text);
	return ns ? json_string(text) : json_null();
}

static json_t *json_covered(const struct audit_covered *c)
{
	if (!c->there)
		return json_null();
	return json_pack(
		"{s:b, s:s, s:I, s:s, s:s?, s:o?}", "covers", c->covers, "origin", c->origin,
		"records", (json_int_t)c->size, "signature", audit_signature_to_str(c->signature),
		"signer", *c->signer ? c->signer : NULL, "rotation",
		c->signature == AUDIT_SIGNATURE_FOLLOWED ? json_integer((json_int_t)c->rotation)
							 : NULL);
}

static uint64_t after_anchor(const struct audit_verdict *v)
{
	uint64_t length = v->length - v->base;

	return length > v->anchor_size ? length - v->anchor_size : 0;
}

static json_t *json_anchor(const struct audit_verdict *v)
{
	if (!v->anchored)
		return json_null();
	return json_pack("{s:I, s:I, s:o, s:I}", "index", (json_int_t)v->anchor_index, "records",
			 (json_int_t)v->anchor_size, "time", json_time_ns(v->anchor_ns),
			 "records_after", (json_int_t)after_anchor(v));
}

static json_t *json_verdict(const struct audit_verdict *v)
{
	json_t *verdict;
	char id[2 * AUDIT_ID_SIZE + 1], hash[AUDIT_HASH_TEXT];

	hex_format(v->chain_id, AUDIT_ID_SIZE, id);
	hex_format(v->last_hash, AUDIT_HASH_SIZE, hash);
	verdict = json_pack(
		"{s:b, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:s, s:s}", "ok",
		v->status == AUDIT_OK, "status", audit_status_to_str(v->status), "finding",
		audit_finding_to_str(v->finding), "words", v->words, "first", (json_int_t)v->first,
		"records", (json_int_t)v->records, "length", (json_int_t)v->length, "batches",
		(json_int_t)v->batches, "segments", (json_int_t)v->segments, "heartbeats",
		(json_int_t)v->heartbeats, "tail_bytes", (json_int_t)v->tail_bytes, "last_commit",
		json_time_ns(v->last_commit_ns), "chain_id", id, "last_hash", hash);
	json_object_set_new(verdict, "checkpoint", json_covered(&v->own));
	json_object_set_new(verdict, "checkpoint_given", json_covered(&v->given));
	json_object_set_new(verdict, "tiles",
			    json_pack("{s:I, s:I}", "equal", (json_int_t)v->tiles_equal, "missing",
				      (json_int_t)v->tiles_missing));
	json_object_set_new(verdict, "expired", json_integer((json_int_t)v->expired));
	json_object_set_new(verdict, "indexed", json_integer((json_int_t)v->indexed));
	json_object_set_new(verdict, "evidence", json_integer((json_int_t)v->evidence));
	json_object_set_new(verdict, "evidence_gone", json_integer((json_int_t)v->evidence_gone));
	json_object_set_new(verdict, "anchor", json_anchor(v));
	if (v->key_announced)
		json_object_set_new(verdict, "key_announced_at",
				    json_integer((json_int_t)v->key_announced_at));
	if (verdict && v->status != AUDIT_OK) {
		json_object_set_new(verdict, "index", json_integer((json_int_t)v->index));
		json_object_set_new(verdict, "segment", json_string(v->segment));
		json_object_set_new(verdict, "offset", json_integer((json_int_t)v->offset));
	}
	json_object_set_new(verdict, "incarnation", json_integer(v->incarnation));
	return verdict;
}

static void say_covered(const struct cli *cli, const char *what, const struct audit_verdict *v,
			const struct audit_covered *c)
{
	uint64_t length = v->length - v->base, after = length > c->size ? length - c->size : 0;

	if (!c->there)
		return;
	if (!c->covers)
		cli_say(cli, "%s of %" PRIu64 " records could not be compared with what was read",
			what, c->size);
	else
		cli_say(cli, "%s covers %" PRIu64 " records, %" PRIu64 " after it are not covered",
			what, c->size, after);
	if (c->signature == AUDIT_SIGNATURE_GIVEN)
		cli_say(cli, "  signed by the key given, %s", c->signer);
	else if (c->signature == AUDIT_SIGNATURE_FOLLOWED)
		cli_say(cli,
			"  signed by %s, to which the key given leads: the last rotation between them is "
			"record %" PRIu64,
			c->signer, c->rotation);
	else if (c->signature == AUDIT_SIGNATURE_OWN)
		cli_say(cli,
			"  signed by %s, which only the log itself says is its key: give the one "
			"you know by --key",
			c->signer);
	else
		cli_say(cli, "  its signature is none that counts, or there is no key to check it");
}

static void say_anchor(const struct cli *cli, const struct audit_verdict *v)
{
	char seconds[RENDER_DURATION_SIZE];

	if (!v->anchored) {
		cli_say(cli, "no checkpoint is known to have been handed out (weir audit anchor)");
		return;
	}
	render_seconds(v->last_commit_ns > v->anchor_ns
			       ? (v->last_commit_ns - v->anchor_ns) / NSEC_PER_SEC
			       : 0,
		       seconds);
	cli_say(cli,
		"the last anchor is of %" PRIu64 " records; %" PRIu64 " records and %s after it",
		v->anchor_size, after_anchor(v), seconds);
}

static void say_part(const struct cli *cli, const struct audit_verdict *v)
{
	uint64_t end = v->first + v->records;

	if (v->first > v->base)
		cli_say(cli,
			"not looked at: records %" PRIu64 " to %" PRIu64
			"; what precedes the first one is believed unless a checkpoint covers it",
			v->base, v->first - 1);
	if (v->status == AUDIT_OK && end < v->length)
		cli_say(cli, "not looked at: records %" PRIu64 " to %" PRIu64, end, v->length - 1);
}

/* What is signed of it, and what is with the log. */
static void say_more(const struct cli *cli, const struct audit_verdict *v)
{
	say_covered(cli, "the log's checkpoint", v, &v->own);
	say_covered(cli, "the checkpoint given", v, &v->given);
	if (v->key_announced)
		cli_say(cli,
			"the key given signs since record %" PRIu64
			", which announced it: of what is before it says what the log had then",
			v->key_announced_at);
	if (!v->own.there)
		cli_say(cli, "the log has no checkpoint: nothing of it is signed");
	if (v->tiles_missing)
		cli_say(cli, "%" PRIu64 " tiles are missing; weir makes them again when it starts",
			v->tiles_missing);
	if (v->indexed)
		cli_say(cli, "the indexes of %" PRIu64 " records hide none of them from searches",
			v->indexed);
	if (v->evidence || v->evidence_gone)
		cli_say(cli,
			"events one by one: %" PRIu64 " files in order, %" PRIu64
			" not there any more",
			v->evidence, v->evidence_gone);
	say_anchor(cli, v);
}

static void say_good(const struct cli *cli, const char *dir, const struct audit_verdict *v)
{
	char commit[CLOCK_RFC3339_SIZE], time[RENDER_TIME_SIZE];

	clock_format_rfc3339(v->last_commit_ns, commit);
	render_time(v->last_commit_ns ? commit : "", time);
	cli_say(cli, "%s: ok: %" PRIu64 " records in %" PRIu64 " segments, last commit %s", dir,
		v->records, v->segments, time);
	say_part(cli, v);
	say_more(cli, v);
}

static void say_verdict(const struct cli *cli, const char *dir, const struct audit_verdict *v)
{
	char hash[AUDIT_HASH_TEXT];

	hex_format(v->last_hash, AUDIT_HASH_SIZE, hash);
	if (v->status == AUDIT_OK) {
		say_good(cli, dir, v);
	} else {
		cli_say(cli, "%s: %s: %s at record %" PRIu64 ": %s", dir,
			audit_status_to_str(v->status), audit_finding_to_str(v->finding), v->index,
			v->words);
		if (*v->segment)
			cli_say(cli, "in %s at byte %" PRIu64, v->segment, v->offset);
		cli_say(cli, "%" PRIu64 " records before that are in order", v->records);
		say_part(cli, v);
	}
	if (v->expired)
		cli_say(cli, "%" PRIu64 " of the records expired; their hashes are there",
			v->expired);
	cli_say(cli, "last hash %s", hash);
	if (v->status == AUDIT_OK && v->tail_bytes)
		cli_say(cli,
			"%" PRIu64
			" bytes follow the last commit: being written, or cut by a crash",
			v->tail_bytes);
}

/* Of a log of several incarnations: what was found in each, and how much of it is signed. */
static void say_incarnation(const struct cli *cli, const struct audit_verdict *v)
{
	cli_say(cli,
		"incarnation %" PRIu32 ", from record %" PRIu64 " on: %s%s%s, %" PRIu64
		" records are in order",
		v->incarnation, v->base, audit_status_to_str(v->status),
		v->status == AUDIT_OK ? "" : ": ",
		v->status == AUDIT_OK ? "" : audit_finding_to_str(v->finding), v->records);
	if (v->status != AUDIT_OK)
		cli_say(cli, "  at record %" PRIu64 ": %s", v->index, v->words);
	say_part(cli, v);
	say_more(cli, v);
}

struct bar {
	FILE *err;
	unsigned int shown; /* per mille; what is as before is not drawn again */
	bool drawn;
};

/* What is shown while a log is verified, and what was found in each of its incarnations. */
struct progress {
	struct bar bar;
	struct audit_verdict *verdicts;
	size_t count;
	bool no_memory;
};

static void draw_bar(uint64_t done, uint64_t total, void *userdata)
{
	static const char full[] = "########################################";
	static_assert(sizeof(full) == BAR_WIDTH + 1, "as wide as the bar");
	struct bar *b = &((struct progress *)userdata)->bar;
	unsigned int mille = total && done < total ? (unsigned int)(done * 1000 / total) : 1000;

	if (b->drawn && mille == b->shown)
		return;
	fprintf(b->err, "\r[%-*.*s] %3u%%  %" PRIu64 " of %" PRIu64 " MiB", BAR_WIDTH,
		(int)(mille * BAR_WIDTH / 1000), full, mille / 10, done >> 20, total >> 20);
	fflush(b->err);
	b->shown = mille;
	b->drawn = true;
}

static void keep_verdict(const struct audit_verdict *v, void *userdata)
{
	struct progress *p = userdata;
	struct audit_verdict *larger =
		reallocarray(p->verdicts, p->count + 1, sizeof(*p->verdicts));

	p->no_memory |= !larger;
	p->bar.drawn = false; /* of the next one, another bar */
	if (!larger)
		return;
	p->verdicts = larger;
	larger[p->count++] = *v;
}

static int print_verdicts(const struct cli *cli, const char *dir, const struct audit_verdict *v,
			  const struct progress *p)
{
	_cleanup_(json_decrefp) json_t *answer = json_verdict(v);
	json_t *all = json_array();

	for (size_t i = 0; i < p->count; i++)
		json_array_append_new(all, json_verdict(&p->verdicts[i]));
	json_object_set_new(answer, "incarnations", all);
	if (cli->json)
		return render_json(cli, answer);
	say_verdict(cli, dir, v);
	if (p->count < 2)
		return CLI_OK;
	cli_say(cli, "a log of %zu incarnations, which were verified one after another:", p->count);
	for (size_t i = 0; i < p->count; i++)
		say_incarnation(cli, &p->verdicts[i]);
	return CLI_OK;
}

static int read_times(const struct cli *cli, struct audit_verify_options *ret, struct fault *reterr)
{
	const char *since = cli_value(cli, CLI_OPTION_SINCE, NULL);
	const char *until = cli_value(cli, CLI_OPTION_UNTIL, NULL);
	struct audit_query times;
	int r = 0;

	audit_query_init(&times);
	if (since)
		r = audit_query_set(&times, QUERY_SINCE, since, reterr);
	if (r == 0 && until)
		r = audit_query_set(&times, QUERY_UNTIL, until, reterr);
	if (r == 0 && until && times.until_ns <= times.since_ns)
		r = fault(reterr, -EINVAL, "audit.query", "--until is not after --since");
	ret->since_ns = times.since_ns;
	ret->until_ns = until ? times.until_ns : 0;
	return r;
}

static int read_options(const struct cli *cli, struct audit_verify_options *ret, char **ret_note,
			struct note_verifier *ret_key)
{
	const char *file = cli_value(cli, CLI_OPTION_CHECKPOINT, NULL);
	const char *key = cli_value(cli, CLI_OPTION_KEY, NULL);
	struct fault f = {0};

	if (read_times(cli, ret, &f) < 0)
		return cli_usage(cli, "%s", f.text);
	if (key && note_verifier_parse(key, ret_key, &f) < 0)
		return cli_usage(cli, "--key: %s", f.text);
	ret->key = key ? ret_key : NULL;
	if (file && fs_read_file(file, NOTE_SIZE_MAX, ret_note, &ret->checkpoint_length, &f) < 0)
		return cli_fault(cli, &f);
	ret->checkpoint = *ret_note;
	return CLI_OK;
}

int cmd_audit_verify(struct cli *cli)
{
	const char *dir = cli_operand(cli, 0, CLI_STATE_DIR "/audit");
	struct progress progress = {.bar = {.err = cli->err}};
	struct audit_verify_options options = {
		.indexes = true, .incarnation = keep_verdict, .userdata = &progress};
	_cleanup_free_ char *note = NULL;
	struct note_verifier key;
	struct audit_verdict verdict;
	struct fault f = {0};
	int exit = read_options(cli, &options, &note, &key), r;

	if (exit == CLI_OK)
		exit = cli_check_log(cli, dir);
	if (exit != CLI_OK)
		return exit;
	if (isatty(fileno(cli->err)) && !cli_value(cli, CLI_OPTION_NO_PROGRESS, NULL))
		options.progress = draw_bar;
	r = audit_verify_with(dir, &options, &verdict, &f);
	if (options.progress)
		fputs("\r\033[K", cli->err);
	if (r == 0 && progress.no_memory)
		r = fault(&f, -ENOMEM, "audit.read", "no memory to verify the audit log");
	exit = r < 0 ? cli_fault(cli, &f) : print_verdicts(cli, dir, &verdict, &progress);
	free(progress.verdicts);
	return r < 0 || verdict.status == AUDIT_OK ? exit : CLI_FAILED;
}
