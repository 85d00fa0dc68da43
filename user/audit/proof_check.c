/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading and checking a proof, from its text alone. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "audit/base64.h"
#include "audit/proof.h"

#define FIRST_LINE "c2sp.org/tlog-proof@v1"

struct lines {
	const char *at, *end;
	const char *line; /* the current one, without its newline */
	size_t length;
};

static bool next_line(struct lines *l)
{
	const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at));

	if (!newline)
		return false;
	l->line = l->at;
	l->length = (size_t)(newline - l->at);
	l->at = newline + 1;
	return true;
}

static bool is_line(const struct lines *l, const char *text)
{
	return l->length == strlen(text) && memcmp(l->line, text, l->length) == 0;
}

/* The rest of the current line, if it begins with @word and a blank. */
static const char *after(const struct lines *l, const char *word, size_t *ret_length)
{
	size_t length = strlen(word);

	if (l->length < length || memcmp(l->line, word, length) != 0)
		return NULL;
	*ret_length = l->length - length;
	return l->line + length;
}

static int bad(struct fault *reterr, const char *why)
{
	return fault(reterr, -EINVAL, "proof.format", "not a proof: %s", why);
}

/* Where the note that begins at @at ends: before the next one's first line. */
static const char *note_end(const char *at, const char *end)
{
	size_t length = strlen(ROTATION_FIRST_LINE);

	while ((at = memchr(at, '\n', (size_t)(end - at)))) {
		at++;
		if ((size_t)(end - at) > length && memcmp(at, ROTATION_FIRST_LINE, length) == 0)
			return at;
	}
	return end;
}

static int parse_notes(const char *at, const char *end, struct proof *p, struct fault *reterr)
{
	for (const char *next; at < end; at = next) {
		int r;

		next = note_end(at, end);
		r = rotation_list_note(&p->rotations, p->rotations.count, at, (size_t)(next - at));
		if (r < 0)
			return fault(reterr, r, "audit.read", "no memory to read a proof");
		if (r == 0)
			return bad(reterr, "what follows its record is no rotation of keys");
	}
	return 0;
}

/* The record or its hash, then a newline and notes. A hash may have any bytes; a record has an `action` first. */
static int parse_record(const char *text, size_t length, struct proof *p, struct fault *reterr)
{
	static const char first[] = "{\"action\":";
	const uint8_t *newline;
	size_t rest;

	p->record = malloc(PROOF_EXTRA_MAX);
	if (!p->record)
		return fault(reterr, -ENOMEM, "audit.read", "no memory to read a proof");
	if (base64_parse(text, length, p->record, PROOF_EXTRA_MAX, &p->extra_length) < 0)
		return bad(reterr, "its extra data is no record in base64");
	p->expired = p->extra_length >= AUDIT_HASH_SIZE &&
		     memcmp(p->record, first, sizeof(first) - 1) != 0;
	newline =
		p->expired ? p->record + AUDIT_HASH_SIZE : memchr(p->record, '\n', p->extra_length);
	p->record_length = p->expired ? AUDIT_HASH_SIZE
			   : newline  ? (size_t)(newline - p->record)
				      : p->extra_length;
	if (p->record_length > AUDIT_RECORD_MAX)
		return bad(reterr, "its extra data is no record in base64");
	rest = p->extra_length - p->record_length;
	if (!rest)
		return 0;
	if (*newline != '\n' || rest == 1)
		return bad(reterr, "what follows its record is no rotation of keys");
	return parse_notes((const char *)newline + 1, (const char *)newline + rest, p, reterr);
}

static int parse_leaf(const char *text, size_t length, uint64_t *ret)
{
	char digits[24];

	/* A NUL would end the digits for whoever reads them as a string. */
	if (!length || length >= sizeof(digits) || (length > 1 && *text == '0') ||
	    memchr(text, '\0', length))
		return -EINVAL;
	memcpy(digits, text, length);
	digits[length] = '\0';
	return parse_u64(digits, 0, AUDIT_INDEX_MAX, ret);
}

/* The hashes, up to the empty line. */
static int parse_path(struct lines *l, struct merkle_proof *ret, struct fault *reterr)
{
	size_t length;

	for (ret->count = 0; next_line(l); ret->count++) {
		if (!l->length)
			return 0;
		if (ret->count == MERKLE_PROOF_MAX)
			return bad(reterr, "it has too many hashes");
		if (base64_parse(l->line, l->length, ret->hashes[ret->count], AUDIT_HASH_SIZE,
				 &length) < 0 ||
		    length != AUDIT_HASH_SIZE)
			return bad(reterr, "a hash is no SHA-256 in base64");
	}
	return bad(reterr, "no empty line ends its hashes");
}

static int parse(const char *data, size_t length, struct proof *p, struct fault *reterr)
{
	struct lines l = {.at = data, .end = data + length};
	const char *text;
	size_t rest;
	int r = 0;

	if (length > PROOF_SIZE_MAX)
		return bad(reterr, "it is larger than 256 KiB");
	if (!next_line(&l) || !is_line(&l, FIRST_LINE) || !next_line(&l))
		return bad(reterr, "its first line is not " FIRST_LINE);
	text = after(&l, "extra ", &rest);
	if (text) {
		r = parse_record(text, rest, p, reterr);
		if (r == 0 && !next_line(&l))
			return bad(reterr, "it has no index");
	}
	if (r < 0)
		return r;
	text = after(&l, "index ", &rest);
	if (!text || parse_leaf(text, rest, &p->leaf) < 0)
		return bad(reterr, "it has no index");
	r = parse_path(&l, &p->path, reterr);
	r = r ?: note_parse(l.at, (size_t)(l.end - l.at), &p->note, reterr);
	return r ?: checkpoint_parse(&p->note, &p->checkpoint, reterr);
}

int proof_parse(const char *data, size_t length, struct proof *ret, struct fault *reterr)
{
	int r;

	*ret = (struct proof){0};
	r = parse(data, length, ret, reterr);
	if (r < 0)
		proof_done(ret);
	return r;
}

void proof_done(struct proof *p)
{
	free(p->record);
	p->record = NULL;
	rotation_list_done(&p->rotations);
}

static int wrong(struct fault *reterr, const char *why)
{
	return fault(reterr, -EBADMSG, "proof.wrong", "the proof is wrong: %s", why);
}

static int check_path(const struct proof *p, struct hasher *h,
		      const uint8_t leaf[static AUDIT_HASH_SIZE], struct fault *reterr)
{
	if (merkle_check_inclusion(h, leaf, p->leaf, p->checkpoint.size, &p->path,
				   p->checkpoint.root) < 0)
		return wrong(reterr, "its hashes do not lead from the record to the signed root");
	return 0;
}

int proof_check(const struct proof *p, struct fault *reterr)
{
	_cleanup_(hasher_done) struct hasher h = {0};
	uint8_t leaf[AUDIT_HASH_SIZE];
	struct record_view view;

	if (hasher_init(&h) < 0)
		return fault(reterr, -ENOMEM, "audit.read", "no memory to check a proof");
	if (!p->record)
		return wrong(reterr, "there is no record in it");
	if (p->expired)
		return check_path(p, &h, p->record, reterr);
	if (record_parse((const char *)p->record, p->record_length, &view) < 0)
		return wrong(reterr, "what it is about is no record of an audit log");
	if (view.index < p->leaf)
		return wrong(reterr, "the record says that it stands elsewhere");
	hash_leaf(&h, p->record, p->record_length, leaf);
	return check_path(p, &h, leaf, reterr);
}
