/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/personal.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "audit/hash.h"
#include "base/address.h"
#include "base/cleanup.h"

#define SEALED_BEGIN  "{\"sealed\":\""
#define SUBJECT_BEGIN "\",\"subject\":\""
#define SEALED_LENGTH                                                                              \
	(sizeof(SEALED_BEGIN) - 1 + PERSONAL_SEALED_TEXT + sizeof(SUBJECT_BEGIN) - 1 +             \
	 PERSONAL_SUBJECT_TEXT + 2)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const char *personal_mode_to_str(enum personal_mode mode)
{
	static const char *const names[] = {
		[PERSONAL_SEALED] = "sealed",
		[PERSONAL_TRUNCATED] = "truncated",
		[PERSONAL_CLEAR] = "clear",
	};
	_Static_assert(ARRAY_SIZE(names) == PERSONAL_MODE_MAX, "a mode has no name");

	return names[mode];
}

void personal_set_mode(struct personal_keeper *k, enum audit_category category,
		       enum personal_mode mode)
{
	__atomic_store_n(&k->modes[category], (uint8_t)mode, __ATOMIC_RELAXED);
}

enum personal_mode personal_mode(const struct personal_keeper *k, enum audit_category category)
{
	return (enum personal_mode)__atomic_load_n(&k->modes[category], __ATOMIC_RELAXED);
}

/* RFC 4648, section 5, without padding. */
static void base64url_format(const uint8_t *data, size_t length, char *ret)
{
	uint32_t bits = 0;
	unsigned int have = 0;

	for (size_t i = 0; i < length; i++) {
		bits = bits << 8 | data[i];
		for (have += 8; have >= 6; have -= 6)
			*ret++ = alphabet[bits >> (have - 6) & 63];
	}
	if (have)
		*ret++ = alphabet[bits << (6 - have) & 63];
	*ret = '\0';
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -EINVAL;
}

/* Exactly @length bytes; the bits that are left over must be zero, so that each value has one text. */
static int base64url_parse(const char *text, uint8_t *ret, size_t length)
{
	uint32_t bits = 0;
	unsigned int have = 0;

	while (length) {
		int d = digit(*text++);

		if (d < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		*ret++ = (uint8_t)(bits >> have);
		length--;
	}
	return bits & ((1U << have) - 1) ? -EINVAL : 0;
}

void personal_subject_format(uint64_t subject, char ret[static PERSONAL_SUBJECT_TEXT + 1])
{
	uint64_t be = htobe64(subject);

	base64url_format((const uint8_t *)&be, sizeof(be), ret);
}

int personal_subject_parse(const char *text, size_t length, uint64_t *ret)
{
	uint64_t be;

	if (length != PERSONAL_SUBJECT_TEXT ||
	    base64url_parse(text, (uint8_t *)&be, sizeof(be)) < 0)
		return -EINVAL;
	*ret = be64toh(be);
	return 0;
}

void personal_put_sealed(struct text *t, const struct personal_sealed *sealed, const char *state)
{
	char commitment[PERSONAL_SEALED_TEXT + 1], subject[PERSONAL_SUBJECT_TEXT + 1];

	base64url_format(sealed->commitment, sizeof(sealed->commitment), commitment);
	personal_subject_format(sealed->subject, subject);
	text_puts(t, SEALED_BEGIN);
	text_put(t, commitment, PERSONAL_SEALED_TEXT);
	if (state) {
		text_puts(t, "\",\"state\":\"");
		text_puts(t, state);
	}
	text_puts(t, SUBJECT_BEGIN);
	text_put(t, subject, PERSONAL_SUBJECT_TEXT);
	text_put(t, "\"}", 2);
}

int personal_parse_sealed(const char *data, size_t length, struct personal_sealed *ret)
{
	struct personal_sealed sealed;
	const char *at = data;

	if (length < SEALED_LENGTH || memcmp(at, SEALED_BEGIN, sizeof(SEALED_BEGIN) - 1) != 0)
		return -EINVAL;
	at += sizeof(SEALED_BEGIN) - 1;
	if (base64url_parse(at, sealed.commitment, sizeof(sealed.commitment)) < 0)
		return -EINVAL;
	at += PERSONAL_SEALED_TEXT;
	if (memcmp(at, SUBJECT_BEGIN, sizeof(SUBJECT_BEGIN) - 1) != 0)
		return -EINVAL;
	at += sizeof(SUBJECT_BEGIN) - 1;
	if (personal_subject_parse(at, PERSONAL_SUBJECT_TEXT, &sealed.subject) < 0)
		return -EINVAL;
	at += PERSONAL_SUBJECT_TEXT;
	if (memcmp(at, "\"}", 2) != 0)
		return -EINVAL;
	*ret = sealed;
	return (int)SEALED_LENGTH;
}

void personal_commit(struct hasher *h, const struct personal_place *place,
		     const uint8_t salt[static PERSONAL_SALT_SIZE], const char *value,
		     size_t length, uint8_t ret[static PERSONAL_HASH_SIZE])
{
	static const char version[] = "weir-commit-v1"; /* with its NUL */

	hash_begin(h);
	hash_add(h, version, sizeof(version));
	hash_add(h, place->event_id, AUDIT_ID_SIZE);
	hash_add(h, place->path, strlen(place->path) + 1);
	hash_add(h, salt, PERSONAL_SALT_SIZE);
	hash_add(h, value, length);
	hash_end(h, ret);
}

static bool is_of_address(char c)
{
	return isxdigit((unsigned char)c) || (c && strchr(".:/", c));
}

/* @length bytes are an address or a prefix, as people may write it: bits beyond its length do not matter. */
static bool parse_word(const char *at, size_t length, struct prefix *ret)
{
	char word[PREFIX_TEXT_SIZE];
	int r;

	memcpy(word, at, length);
	word[length] = '\0';
	r = prefix_parse(word, ret);
	return r == 0 || r == -EDOM;
}

/* The length of the longest address that begins at @at; 0: none does. A port or a full stop may follow. */
static size_t address_length(const char *at, struct prefix *ret)
{
	unsigned int colons = 0, dots = 0;
	size_t length = 0;

	while (length < PREFIX_TEXT_SIZE - 1 && is_of_address(at[length])) {
		colons += at[length] == ':';
		dots += at[length] == '.';
		length++;
	}
	if (colons < 2 && dots < 3)
		return 0;
	for (; length >= 2; length--)
		if (!isalnum((unsigned char)at[length]) && parse_word(at, length, ret))
			return length;
	return 0;
}

/* The first address in @value, which does not begin within a word; NULL: there is none. */
static const char *find_address(const char *value, size_t *ret_length, struct prefix *ret)
{
	bool within = false;

	for (const char *at = value; *at; at++) {
		*ret_length = within || !is_of_address(*at) ? 0 : address_length(at, ret);
		if (*ret_length)
			return at;
		within = isalnum((unsigned char)*at);
	}
	return NULL;
}

bool personal_any_address(const char *value, bool (*fn)(const struct prefix *found, void *userdata),
			  void *userdata)
{
	struct prefix found;
	const char *at;
	size_t length;

	while ((at = find_address(value, &length, &found))) {
		if (!fn || fn(&found, userdata))
			return true;
		value = at + length;
	}
	return false;
}

bool personal_has_address(const char *value)
{
	return personal_any_address(value, NULL, NULL);
}

static void cut(struct prefix *p)
{
	unsigned int bits = address_is_ipv4(p->address) ? 96 + PERSONAL_CUT4 : PERSONAL_CUT6;

	if (p->bits <= bits)
		return;
	p->bits = (uint8_t)bits;
	address_mask(p->address, bits);
}

void personal_put_cut(struct text *t, const char *value)
{
	struct prefix found;
	const char *at;
	size_t length;

	while ((at = find_address(value, &length, &found))) {
		char shorter[PREFIX_TEXT_SIZE];

		cut(&found);
		prefix_format(&found, shorter);
		text_put(t, value, (size_t)(at - value));
		text_puts(t, shorter);
		value = at + length;
	}
	text_puts(t, value);
}

static void put_truncated(struct text *t, enum field_kind kind, const char *value)
{
	_cleanup_(text_done) struct text shorter = {.growing = true};

	if (kind == AUDIT_FIELD_NAME)
		return text_put_json(t, "");
	personal_put_cut(&shorter, value);
	text_put_json(t, shorter.truncated ? "" : shorter.data ?: "");
}

/* Whether there is anything about people in it. */
static bool is_personal(const struct audit_field *field, bool system, const char *value)
{
	if (field->kind == AUDIT_FIELD_OTHER || !*value)
		return false;
	if (field->kind == AUDIT_FIELD_ADDRESS)
		return personal_has_address(value);
	/* The daemon has no name that needs to be kept, and speaks of people only by their addresses. */
	return !system || (field->kind == AUDIT_FIELD_TEXT && personal_has_address(value)) ||
	       (field->kind == AUDIT_FIELD_NAME && strncmp(field->path, "actor.", 6) != 0);
}

void personal_put(struct text *t, const struct personal_keeper *keeper, enum personal_mode mode,
		  const struct audit_field *field, bool system, const char *value,
		  const struct personal_place *place)
{
	struct personal_sealed sealed;

	if (!keeper || mode == PERSONAL_CLEAR || !is_personal(field, system, value))
		return text_put_json(t, value);
	if (mode == PERSONAL_TRUNCATED ||
	    keeper->seal(field->kind, value, place, &sealed, keeper->userdata) < 0)
		return put_truncated(t, field->kind, value);
	personal_put_sealed(t, &sealed, NULL);
}
