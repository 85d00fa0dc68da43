/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The file of a proof (c2sp.org/tlog-proof), as anybody may hand it to `weir audit prove --check`. An input is such a file, or
 * if it does not begin like one: the number of a record and changes (kind, place in 2 bytes, a byte) to the right file that
 * proves it. What is refused has a code and words. What is read is written in one way only; what is believed is a record
 * that was signed, in its place, by a path that plain arithmetic agrees with.
 */
#include <inttypes.h>
#include <string.h>

#include "audit/base64.h"
#include "audit/key.h"
#include "audit/merkle.h"
#include "audit/proof.h"
#include "fuzz.h"

#define RECORDS	   11
#define SIZE_MOST  (16U << 10)
#define FIRST_LINE "c2sp.org/tlog-proof@v1\n"

static struct note_signer signer;
static struct hasher hasher;
static struct text records[RECORDS], proofs[RECORDS];
static uint8_t leaves[RECORDS][AUDIT_HASH_SIZE], root[AUDIT_HASH_SIZE];

/* Not merkle.c's: what is tested is not what tests. */
static void node(const uint8_t *left, const uint8_t *right, uint8_t *ret)
{
	uint8_t data[1 + 2 * AUDIT_HASH_SIZE] = {1};

	memcpy(data + 1, left, AUDIT_HASH_SIZE);
	memcpy(data + 1 + AUDIT_HASH_SIZE, right, AUDIT_HASH_SIZE);
	hash_bytes(&hasher, data, sizeof(data), ret);
}

/* RFC 6962, 2.1, word for word: the root of leaves @from to @to, and the path of @leaf in it. */
static void plain_tree(size_t from, size_t to, size_t leaf, uint8_t *ret, struct text *path)
{
	uint8_t left[AUDIT_HASH_SIZE], right[AUDIT_HASH_SIZE];
	size_t half = 1;

	if (to - from == 1) {
		memcpy(ret, leaves[from], AUDIT_HASH_SIZE);
		return;
	}
	while (half * 2 < to - from)
		half *= 2;
	plain_tree(from, from + half, leaf, left, leaf < from + half ? path : NULL);
	plain_tree(from + half, to, leaf, right, leaf < from + half ? NULL : path);
	if (path) {
		base64_put(path, leaf < from + half ? right : left, AUDIT_HASH_SIZE);
		text_puts(path, "\n");
	}
	node(left, right, ret);
}

static void make_record(unsigned int n)
{
	static const uint8_t zeros[AUDIT_HASH_SIZE];
	const struct audit_position at = {
		.index = n, .event_id = zeros, .previous_hash = n ? leaves[n - 1] : zeros};
	struct audit_details details = {0};
	const struct audit_record record = {
		.event = AUDIT_EVENT_LIST_BLOCKED,
		.resource = {"source", "198.51.100.7"},
		.details = &details,
		.time_ns = n + 1,
	};

	audit_details_u64(&details, "packets", n);
	text_init_growing(&records[n]);
	record_write(&record, &at, &records[n]);
	hash_leaf(&hasher, records[n].data, records[n].length, leaves[n]);
}

static void make_proof(unsigned int n)
{
	struct checkpoint c = {.origin = "fuzz.example/log", .size = RECORDS};
	_cleanup_free_ char *words = NULL, *note = NULL;
	struct text *t = &proofs[n];

	text_init_growing(t);
	text_puts(t, FIRST_LINE "extra ");
	base64_put(t, records[n].data, records[n].length);
	text_printf(t, "\nindex %u\n", n);
	plain_tree(0, RECORDS, n, root, t);
	memcpy(c.root, root, sizeof(root));
	words = checkpoint_format(&c);
	REQUIRE(words && note_make(words, &signer, 1, &note) == 0, "no note");
	text_printf(t, "\n%s", note);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	REQUIRE(hasher_init(&hasher) == 0 && key_generate("fuzz.example/log", &signer, NULL) == 0,
		"no key");
	for (unsigned int n = 0; n < RECORDS; n++)
		make_record(n);
	for (unsigned int n = 0; n < RECORDS; n++)
		make_proof(n);
	return 0;
}

static void check_fault(int r, const struct fault *f)
{
	REQUIRE(r == f->err && f->code && *f->code && *f->text, "%d is refused without words", r);
}

/* There is one way to write what was read. */
static void check_written(const struct proof *p, const char *data, size_t length)
{
	_cleanup_(text_done) struct text t = {.growing = true};

	text_puts(&t, FIRST_LINE);
	if (p->record) {
		text_puts(&t, "extra ");
		for (size_t at = 0, part; at < p->extra_length; at += part) {
			part = p->extra_length - at < 6144 ? p->extra_length - at : 6144;
			base64_put(&t, p->record + at, part);
		}
		text_puts(&t, "\n");
	}
	text_printf(&t, "index %" PRIu64 "\n", p->leaf);
	for (size_t i = 0; i < p->path.count; i++) {
		base64_put(&t, p->path.hashes[i], AUDIT_HASH_SIZE);
		text_puts(&t, "\n");
	}
	text_puts(&t, "\n");
	REQUIRE(t.length < length && memcmp(t.data, data, t.length) == 0, "another way: %s",
		t.data);
	REQUIRE(p->note.text == data + t.length, "the note is elsewhere");
}

/* RFC 9162, 2.1.3.2, for what was believed: whoever signed it. */
static void check_path(const struct proof *p)
{
	uint64_t fn = p->leaf, sn = p->checkpoint.size - 1;
	uint8_t r[AUDIT_HASH_SIZE];

	REQUIRE(p->leaf < p->checkpoint.size, "a leaf behind the tree");
	hash_leaf(&hasher, p->record, p->record_length, r);
	for (size_t i = 0; i < p->path.count; i++) {
		REQUIRE(sn != 0, "a path that is too long");
		if (fn % 2 || fn == sn) {
			node(p->path.hashes[i], r, r);
			while (fn % 2 == 0 && fn) {
				fn /= 2;
				sn /= 2;
			}
		} else {
			node(r, p->path.hashes[i], r);
		}
		fn /= 2;
		sn /= 2;
	}
	REQUIRE(sn == 0 && memcmp(r, p->checkpoint.root, sizeof(r)) == 0,
		"a path that leads elsewhere");
}

static void check_signed(const struct proof *p)
{
	REQUIRE(p->checkpoint.size == RECORDS &&
			memcmp(p->checkpoint.root, root, sizeof(root)) == 0,
		"a signature for another tree");
	REQUIRE(p->leaf < RECORDS && p->record_length == records[p->leaf].length &&
			memcmp(p->record, records[p->leaf].data, p->record_length) == 0,
		"another record");
}

/* Whether it was believed. */
static bool check_text(const char *data, size_t length)
{
	static struct proof p;
	struct fault f = {0};
	int r = proof_parse(data, length, &p, &f);
	bool good;

	if (r < 0) {
		check_fault(r, &f);
		REQUIRE(!p.record, "memory is left");
		return false;
	}
	REQUIRE(p.path.count <= MERKLE_PROOF_MAX && p.record_length <= AUDIT_RECORD_MAX &&
			p.note.text + p.note.text_length <= data + length,
		"too much was read");
	check_written(&p, data, length);
	r = proof_check(&p, &f);
	if (r < 0)
		check_fault(r, &f);
	else
		check_path(&p);
	good = r == 0 && note_verify(&p.note, &signer.verifier, NULL) == 0;
	if (good)
		check_signed(&p);
	proof_done(&p);
	return good;
}

static void check_changed(const uint8_t *data, size_t size)
{
	const struct text *truth = &proofs[data[0] % RECORDS];
	_cleanup_free_ char *text = malloc(truth->length + size);
	size_t length = truth->length;

	REQUIRE(text, "no memory");
	memcpy(text, truth->data, length);
	for (size_t i = 1; i + 4 <= size; i += 4) {
		size_t at = (data[i + 1] | (size_t)data[i + 2] << 8) % (length + 1);

		if (data[i] % 4 == 0 && at < length) {
			text[at] ^= (char)data[i + 3];
		} else if (data[i] % 4 == 1) {
			memmove(text + at + 1, text + at, length - at);
			text[at] = (char)data[i + 3];
			length++;
		} else if (data[i] % 4 == 2 && at < length) {
			memmove(text + at, text + at + 1, length - at - 1);
			length--;
		} else if (data[i] % 4 == 3) {
			length = at ?: length;
		}
	}
	if (!check_text(text, length))
		REQUIRE(length != truth->length || memcmp(text, truth->data, length) != 0,
			"the right proof is refused");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;

	if (!size || size > SIZE_MOST)
		return 0;
	if (data[0] != FIRST_LINE[0]) {
		check_changed(data, size);
		return 0;
	}
	text = malloc(size); /* of exactly its size, so that reading on is seen */
	REQUIRE(text, "no memory");
	memcpy(text, data, size);
	check_text(text, size);
	return 0;
}
