/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What comes from outside as text: the first byte says whether it is a note, a verifier key, the file "keys", base64 or
 * a text to sign. What is accepted is the same when written and read again; what is refused has a code and words; a
 * signature is good for its text and for nothing else.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/base64.h"
#include "audit/key.h"
#include "audit/keyring.h"
#include "fuzz.h"
#include "scratch.h"

#define SIZE_MOST 4096

static struct note_signer signer, other;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	REQUIRE(key_generate("fuzz.example/log", &signer, NULL) == 0 &&
			key_generate("fuzz.example/log", &other, NULL) == 0,
		"no keys");
	return 0;
}

static void check_fault(int r, const struct fault *f)
{
	REQUIRE(r == f->err && f->code && *f->code && *f->text, "%d is refused without words", r);
}

static void check_checkpoint(const struct note *note)
{
	struct checkpoint c, again;
	struct fault f = {0};
	_cleanup_free_ char *text = NULL;
	struct note copy;
	int r = checkpoint_parse(note, &c, &f);

	if (r < 0)
		return check_fault(r, &f);
	REQUIRE(c.size <= AUDIT_INDEX_MAX && *c.origin && !strchr(c.origin, '\n'), "a checkpoint");
	text = checkpoint_format(&c);
	/* Lines behind the third are not kept. */
	REQUIRE(text && strlen(text) <= note->text_length &&
			memcmp(text, note->text, strlen(text)) == 0,
		"written as %s", text);
	copy = (struct note){.text = text, .text_length = strlen(text)};
	REQUIRE(checkpoint_parse(&copy, &again, NULL) == 0 && again.size == c.size &&
			strcmp(again.origin, c.origin) == 0 &&
			memcmp(again.root, c.root, sizeof(c.root)) == 0,
		"read back as another");
}

static void check_note(const char *text, size_t length)
{
	static struct note note;
	struct fault f = {0};
	int r = note_parse(text, length, &note, &f);

	if (r < 0)
		return check_fault(r, &f);
	REQUIRE(note.text == text && note.text_length + 2 <= length, "text outside the note");
	REQUIRE(note.count >= 1 && note.count <= NOTE_SIGNATURES_MAX, "%zu", note.count);
	for (size_t i = 0; i < note.count; i++) {
		const struct note_signature *s = &note.signatures[i];

		REQUIRE(s->name > text && s->name + s->name_length < text + length &&
				s->name_length && s->length,
			"a signature outside the note");
	}
	REQUIRE(note_verify(&note, &signer.verifier, &f) < 0, "a signature that nobody made");
	check_checkpoint(&note);
}

static void check_key(const char *text)
{
	char again[NOTE_VERIFIER_SIZE];
	struct note_verifier v;
	struct fault f = {0};
	int r = note_verifier_parse(text, &v, &f);

	if (r < 0)
		return check_fault(r, &f);
	note_verifier_format(&v, again);
	REQUIRE(strcmp(again, text) == 0, "written as %s", again);
}

static void check_list(const char *text, size_t length)
{
	struct keyring_list list = {0};
	struct fault f = {0};
	char path[256];
	FILE *file;
	int r;

	snprintf(path, sizeof(path), "%s/keys", scratch_directory());
	file = fopen(path, "we");
	REQUIRE(file && fwrite(text, 1, length, file) == length && fclose(file) == 0, "no file");
	r = keyring_list_read(scratch_directory(), &list, &f);
	if (r < 0)
		return check_fault(r, &f);
	REQUIRE(list.count >= 1 && list.count <= KEYRING_KEYS_MAX, "%zu keys", list.count);
	REQUIRE(keyring_list_until(&list, list.count - 1) == UINT64_MAX, "the last one signs");
	for (size_t i = 0; i + 1 < list.count; i++)
		REQUIRE(keyring_list_until(&list, i) != UINT64_MAX, "a former one is current");
	keyring_list_done(&list);
}

static void check_base64(const char *text, size_t length)
{
	static uint8_t bytes[SIZE_MOST];
	_cleanup_(text_done) struct text again = {.growing = true};
	size_t count;
	int r = base64_parse(text, length, bytes, sizeof(bytes), &count);

	REQUIRE(r == 0 || r == -EINVAL || r == -ENOBUFS, "%d", r);
	if (r < 0)
		return;
	base64_put(&again, bytes, count);
	REQUIRE(again.length == length && memcmp(again.data, text, length) == 0,
		"another way to write it: %s", again.data);
}

/* Any text can be signed; that it can be read again takes that it is one that notes may have. */
static void check_signing(char *text, size_t length)
{
	static struct note note;
	_cleanup_free_ char *made = NULL;

	if (strlen(text) != length || !length || text[length - 1] != '\n')
		return;
	REQUIRE(note_make(text, &signer, 1, &made) == 0, "cannot sign");
	if (note_parse(made, strlen(made), &note, NULL) < 0)
		return;
	REQUIRE(note.text_length == length && memcmp(note.text, text, length) == 0, "another text");
	REQUIRE(note_verify(&note, &signer.verifier, NULL) == 0, "not good");
	REQUIRE(note_verify(&note, &other.verifier, NULL) == -ENOKEY, "good for anybody");
	made[length / 2] ^= 1;
	if (note_parse(made, strlen(made), &note, NULL) == 0)
		REQUIRE(note_verify(&note, &signer.verifier, NULL) < 0, "good for another text");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;

	if (!size || size > SIZE_MOST)
		return 0;
	text = fuzz_string(data + 1, size - 1);
	switch (data[0]) {
	case 'k':
		check_key(text);
		break;
	case 'l':
		check_list(text, size - 1);
		break;
	case 'b':
		check_base64(text, size - 1);
		break;
	case 's':
		check_signing(text, size - 1);
		break;
	default:
		check_note(text, size - 1);
		break;
	}
	return 0;
}
