/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/note.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/evp.h>

#include "audit/base64.h"

#define TYPE_ED25519 1
#define DASH	     "\xe2\x80\x94 " /* U+2014 and a blank begin the line of a signature */
#define RAW_MAX	     8192 /* bytes of a signature with its id; post-quantum ones are long */

/* U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F and U+3000 are blanks, too. */
static bool begins_with_blank(const uint8_t *at, size_t left)
{
	if (left >= 2 && at[0] == 0xc2 && (at[1] == 0x85 || at[1] == 0xa0))
		return true;
	if (left < 3)
		return false;
	if (at[0] == 0xe2 && at[1] == 0x80)
		return at[2] <= 0x8a || at[2] == 0xa8 || at[2] == 0xa9 || at[2] == 0xaf;
	return (at[0] == 0xe1 && at[1] == 0x9a && at[2] == 0x80) ||
	       (at[0] == 0xe2 && at[1] == 0x81 && at[2] == 0x9f) ||
	       (at[0] == 0xe3 && at[1] == 0x80 && at[2] == 0x80);
}

static bool is_name(const char *name, size_t length)
{
	if (!length || length > NOTE_NAME_MAX || !utf8_valid(name, length))
		return false;
	for (size_t i = 0; i < length; i++) {
		uint8_t c = (uint8_t)name[i];

		if (c <= ' ' || c == 0x7f || c == '+' ||
		    begins_with_blank((const uint8_t *)name + i, length - i))
			return false;
	}
	return true;
}

static int key_id(const char *name, const uint8_t key[static NOTE_KEY_SIZE], uint32_t *ret)
{
	static const uint8_t infix[] = {'\n', TYPE_ED25519};
	_cleanup_(hasher_done) struct hasher h = {0};
	uint8_t hash[AUDIT_HASH_SIZE];
	uint32_t id_be;
	int r = hasher_init(&h);

	if (r < 0)
		return r;
	hash_begin(&h);
	hash_add(&h, name, strlen(name));
	hash_add(&h, infix, sizeof(infix));
	hash_add(&h, key, NOTE_KEY_SIZE);
	hash_end(&h, hash);
	memcpy(&id_be, hash, sizeof(id_be));
	*ret = be32toh(id_be);
	return 0;
}

int note_verifier_init(struct note_verifier *v, const char *name,
		       const uint8_t key[static NOTE_KEY_SIZE])
{
	size_t length = strlen(name);

	if (!is_name(name, length))
		return -EINVAL;
	memcpy(v->name, name, length + 1);
	memcpy(v->key, key, NOTE_KEY_SIZE);
	return key_id(name, key, &v->id);
}

int note_verifier_parse(const char *text, struct note_verifier *ret, struct fault *reterr)
{
	const char *id = strchr(text, '+'), *key = id ? strchr(id + 1, '+') : NULL;
	uint8_t raw[1 + NOTE_KEY_SIZE], stated[4];
	char name[NOTE_NAME_MAX + 1];
	struct note_verifier v;
	size_t length;
	uint32_t id_be;

	if (!key || key - id != 9 || (size_t)(id - text) > NOTE_NAME_MAX ||
	    hex_parse(id + 1, sizeof(stated), stated) < 0)
		return fault(reterr, -EINVAL, "note.key",
			     "a verifier key is NAME+8 lower hex digits+base64");
	if (base64_parse(key + 1, strlen(key + 1), raw, sizeof(raw), &length) < 0 ||
	    length != sizeof(raw) || raw[0] != TYPE_ED25519)
		return fault(reterr, -EINVAL, "note.key", "the verifier key is no Ed25519 key");
	memcpy(name, text, (size_t)(id - text));
	name[id - text] = '\0';
	if (note_verifier_init(&v, name, raw + 1) < 0)
		return fault(reterr, -EINVAL, "note.key",
			     "the name of the verifier key is empty, or has blanks in it");
	memcpy(&id_be, stated, sizeof(id_be));
	if (be32toh(id_be) != v.id)
		return fault(reterr, -EINVAL, "note.key",
			     "the verifier key has the id %08" PRIx32
			     ", name and key make %08" PRIx32,
			     be32toh(id_be), v.id);
	*ret = v;
	return 0;
}

void note_verifier_format(const struct note_verifier *v, char ret[static NOTE_VERIFIER_SIZE])
{
	uint8_t raw[1 + NOTE_KEY_SIZE] = {TYPE_ED25519};
	struct text t;

	memcpy(raw + 1, v->key, NOTE_KEY_SIZE);
	text_init(&t, ret, NOTE_VERIFIER_SIZE);
	text_printf(&t, "%s+%08" PRIx32 "+", v->name, v->id);
	base64_put(&t, raw, sizeof(raw));
}

static int parse_signature(const char *line, size_t length, struct note_signature *ret)
{
	_cleanup_free_ uint8_t *raw = NULL;
	const char *name = line + strlen(DASH), *blank, *end = line + length;
	size_t raw_length;
	uint32_t id_be;
	int r;

	if (length < strlen(DASH) || memcmp(line, DASH, strlen(DASH)) != 0)
		return -EINVAL;
	blank = memchr(name, ' ', (size_t)(end - name));
	if (!blank || !is_name(name, (size_t)(blank - name)))
		return -EINVAL;
	raw = malloc(RAW_MAX);
	if (!raw)
		return -ENOMEM;
	r = base64_parse(blank + 1, (size_t)(end - blank - 1), raw, RAW_MAX, &raw_length);
	if (r < 0 || raw_length <= sizeof(id_be))
		return r == -ENOMEM ? r : -EINVAL;
	memcpy(&id_be, raw, sizeof(id_be));
	*ret = (struct note_signature){
		.name = name,
		.name_length = (size_t)(blank - name),
		.id = be32toh(id_be),
		.length = raw_length - sizeof(id_be),
	};
	if (ret->length == NOTE_SIGNATURE_SIZE)
		memcpy(ret->ed25519, raw + sizeof(id_be), NOTE_SIGNATURE_SIZE);
	return 0;
}

static int not_a_note(struct fault *reterr, const char *why)
{
	return fault(reterr, -EINVAL, "note.format", "not a signed note: %s", why);
}

/* The last empty line parts text and signatures. Returns where the signatures begin, or NULL. */
static const char *find_signatures(const char *data, size_t length)
{
	for (size_t i = length; i >= 2; i--)
		if (data[i - 1] == '\n' && data[i - 2] == '\n')
			return data + i;
	return NULL;
}

int note_parse(const char *data, size_t length, struct note *ret, struct fault *reterr)
{
	const char *line, *end = data + length;

	if (length > NOTE_SIZE_MAX)
		return not_a_note(reterr, "larger than 64 KiB");
	if (!length || data[length - 1] != '\n' || !utf8_valid(data, length))
		return not_a_note(reterr, "no text that ends with a newline");
	for (size_t i = 0; i < length; i++)
		if ((uint8_t)data[i] < ' ' && data[i] != '\n')
			return not_a_note(reterr, "it has control characters");
	line = find_signatures(data, length);
	if (!line || line == end)
		return not_a_note(reterr, "no signatures follow an empty line");
	ret->text = data;
	ret->text_length = (size_t)(line - data) - 1;
	ret->count = 0;
	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		int r;

		if (ret->count == NOTE_SIGNATURES_MAX)
			return not_a_note(reterr, "more than 64 signatures");
		r = parse_signature(line, (size_t)(newline - line), &ret->signatures[ret->count]);
		if (r == -ENOMEM)
			return fault(reterr, r, "note.memory", "no memory to read a note");
		if (r < 0)
			return not_a_note(reterr, "a line of the signatures is none");
		ret->count++;
		line = newline + 1;
	}
	return 0;
}

static bool is_by(const struct note_signature *s, const struct note_verifier *v)
{
	return s->id == v->id && s->name_length == strlen(v->name) &&
	       memcmp(s->name, v->name, s->name_length) == 0;
}

static bool is_good(const struct note *note, const struct note_signature *s,
		    const struct note_verifier *v)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, v->key, sizeof(v->key));
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = s->length == NOTE_SIGNATURE_SIZE && key && context &&
		    EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestVerify(context, s->ed25519, sizeof(s->ed25519),
				     (const unsigned char *)note->text, note->text_length) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return good;
}

int note_verify(const struct note *note, const struct note_verifier *v, struct fault *reterr)
{
	bool found = false;

	for (size_t i = 0; i < note->count; i++) {
		const struct note_signature *s = &note->signatures[i];

		if (!is_by(s, v))
			continue;
		if (!is_good(note, s, v))
			return fault(reterr, -EKEYREJECTED, "note.signature",
				     "the signature by %s+%08" PRIx32 " is not over this text",
				     v->name, v->id);
		found = true;
	}
	return found ? 0
		     : fault(reterr, -ENOKEY, "note.unsigned",
			     "there is no signature by %s+%08" PRIx32, v->name, v->id);
}

int note_sign(const struct note_signer *signer, const char *text, size_t text_length,
	      struct text *t)
{
	uint8_t raw[4 + NOTE_SIGNATURE_SIZE];
	size_t length = NOTE_SIGNATURE_SIZE;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint32_t id_be = htobe32(signer->verifier.id);
	bool ok = context && EVP_DigestSignInit(context, NULL, NULL, NULL, signer->key) == 1 &&
		  EVP_DigestSign(context, raw + 4, &length, (const unsigned char *)text,
				 text_length) == 1;

	EVP_MD_CTX_free(context);
	if (!ok || length != NOTE_SIGNATURE_SIZE)
		return -EIO;
	memcpy(raw, &id_be, sizeof(id_be));
	text_printf(t, DASH "%s ", signer->verifier.name);
	base64_put(t, raw, sizeof(raw));
	text_puts(t, "\n");
	return 0;
}

int note_make(const char *text, const struct note_signer *signers, size_t count, char **ret)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	char *note;

	text_puts(&t, text);
	text_puts(&t, "\n");
	for (size_t i = 0; i < count; i++) {
		int r = note_sign(&signers[i], text, strlen(text), &t);

		if (r < 0)
			return r;
	}
	note = text_take(&t);
	if (!note)
		return -ENOMEM;
	*ret = note;
	return 0;
}

/* The next line of @at, without its newline. False: there is none. */
static bool next_line(const char **at, const char *end, const char **ret, size_t *ret_length)
{
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));

	if (!newline)
		return false;
	*ret = *at;
	*ret_length = (size_t)(newline - *at);
	*at = newline + 1;
	return true;
}

static int parse_size(const char *line, size_t length, uint64_t *ret)
{
	char digits[24];

	if (length >= sizeof(digits) || !length || (length > 1 && *line == '0'))
		return -EINVAL;
	memcpy(digits, line, length);
	digits[length] = '\0';
	return parse_u64(digits, 0, AUDIT_INDEX_MAX, ret);
}

int checkpoint_parse(const struct note *note, struct checkpoint *ret, struct fault *reterr)
{
	const char *at = note->text, *end = note->text + note->text_length, *line;
	struct checkpoint c;
	size_t length, root_length;

	if (!next_line(&at, end, &line, &length) || !length || length > NOTE_NAME_MAX)
		return fault(reterr, -EINVAL, "checkpoint.format",
			     "not a checkpoint: line 1 is no origin of 1 to %d bytes",
			     NOTE_NAME_MAX);
	memcpy(c.origin, line, length);
	c.origin[length] = '\0';
	if (!next_line(&at, end, &line, &length) || parse_size(line, length, &c.size) < 0)
		return fault(reterr, -EINVAL, "checkpoint.format",
			     "not a checkpoint: line 2 is no tree size");
	if (!next_line(&at, end, &line, &length) ||
	    base64_parse(line, length, c.root, sizeof(c.root), &root_length) < 0 ||
	    root_length != sizeof(c.root))
		return fault(reterr, -EINVAL, "checkpoint.format",
			     "not a checkpoint: line 3 is no SHA-256 in base64");
	while (next_line(&at, end, &line, &length))
		if (!length)
			return fault(reterr, -EINVAL, "checkpoint.format",
				     "not a checkpoint: it has an empty line");
	*ret = c;
	return 0;
}

char *checkpoint_format(const struct checkpoint *c)
{
	_cleanup_(text_done) struct text t = {.growing = true};

	text_printf(&t, "%s\n%" PRIu64 "\n", c->origin, c->size);
	base64_put(&t, c->root, sizeof(c->root));
	text_puts(&t, "\n");
	return text_take(&t);
}
