/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/sidecar.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/sha.h>

#include "audit/crc32c.h"
#include "audit/directory.h"
#include "base/clock.h"

#define MAGIC	    "WEIRIDX1"
#define FORMAT	    1
#define VALUE_MAX   (SIDECAR_KEY_SIZE - 2)
#define LONG	    0xff
#define LONG_PREFIX 6

static void put32(uint8_t *at, uint32_t value)
{
	for (unsigned int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void put64(uint8_t *at, uint64_t value)
{
	put32(at, (uint32_t)value);
	put32(at + 4, (uint32_t)(value >> 32));
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static uint64_t get64(const uint8_t *at)
{
	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

void sidecar_key_text(struct sidecar_key *ret, enum sidecar_kind kind, const char *text,
		      size_t length)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	*ret = (struct sidecar_key){.bytes = {(uint8_t)kind}};
	if (length <= VALUE_MAX) {
		memcpy(ret->bytes + 1, text, length);
		ret->bytes[SIDECAR_KEY_SIZE - 1] = (uint8_t)length;
		return;
	}
	SHA256((const unsigned char *)text, length, hash);
	memcpy(ret->bytes + 1, text, LONG_PREFIX);
	memcpy(ret->bytes + 1 + LONG_PREFIX, hash, VALUE_MAX - LONG_PREFIX);
	ret->bytes[SIDECAR_KEY_SIZE - 1] = LONG;
}

void sidecar_key_address(struct sidecar_key *ret, const struct prefix *prefix)
{
	*ret = (struct sidecar_key){.bytes = {SIDECAR_ADDRESS}};
	memcpy(ret->bytes + 1, prefix->address, sizeof(prefix->address));
	ret->bytes[1 + sizeof(prefix->address)] = prefix->bits;
}

bool sidecar_key_is_long(const struct sidecar_key *key)
{
	return key->bytes[0] != SIDECAR_ADDRESS && key->bytes[SIDECAR_KEY_SIZE - 1] == LONG;
}

void sidecar_head_encode(const struct sidecar_head *h, uint8_t ret[static SIDECAR_HEADER_SIZE])
{
	memset(ret, 0, SIDECAR_HEADER_SIZE);
	memcpy(ret, MAGIC, 8);
	put32(ret + 8, FORMAT);
	put32(ret + 12, h->records);
	put64(ret + 16, h->first_index);
	put64(ret + 24, h->end);
	put32(ret + 32, h->terms);
	put64(ret + 40, h->min_seconds);
	put64(ret + 48, h->max_seconds);
	memcpy(ret + 56, h->segment, AUDIT_HASH_SIZE);
	memcpy(ret + 88, h->lengths, sizeof(h->lengths));
	put32(ret + SIDECAR_HEADER_SIZE - 4, crc32c(0, ret, SIDECAR_HEADER_SIZE - 4));
}

int sidecar_head_decode(const uint8_t data[static SIDECAR_HEADER_SIZE], struct sidecar_head *ret)
{
	if (memcmp(data, MAGIC, 8) != 0 || get32(data + 8) != FORMAT ||
	    get32(data + SIDECAR_HEADER_SIZE - 4) != crc32c(0, data, SIDECAR_HEADER_SIZE - 4))
		return -EBADMSG;
	*ret = (struct sidecar_head){
		.records = get32(data + 12),
		.first_index = get64(data + 16),
		.end = get64(data + 24),
		.terms = get32(data + 32),
		.min_seconds = get64(data + 40),
		.max_seconds = get64(data + 48),
	};
	memcpy(ret->segment, data + 56, AUDIT_HASH_SIZE);
	memcpy(ret->lengths, data + 88, sizeof(ret->lengths));
	if (!ret->records || ret->records > SIDECAR_RECORDS_MAX || ret->terms > SIDECAR_TERMS_MAX ||
	    ret->first_index > AUDIT_INDEX_MAX || ret->end % 8 || ret->end < SEGMENT_HEADER_SIZE ||
	    ret->end > (uint64_t)UINT32_MAX * 8 || ret->min_seconds > ret->max_seconds ||
	    ret->max_seconds > UINT64_MAX / NSEC_PER_SEC)
		return -EBADMSG;
	return 0;
}

void sidecar_name(uint64_t first_index, char ret[static SIDECAR_NAME_SIZE])
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(first_index, name);
	memcpy(ret, name, 20);
	memcpy(ret + 20, ".idx", sizeof(".idx"));
}

static uint64_t terms_at(const struct sidecar_head *h)
{
	return SIDECAR_HEADER_SIZE + 8ULL * h->records;
}

static uint64_t postings_at(const struct sidecar_head *h)
{
	return terms_at(h) + (uint64_t)SIDECAR_TERM_SIZE * h->terms;
}

static int open_file(int dir, uint64_t first_index, int *ret_fd, uint64_t *ret_size)
{
	char path[sizeof(SIDECAR_DIR "/") + SIDECAR_NAME_SIZE] = SIDECAR_DIR "/";
	_cleanup_close_ int fd = -1;
	struct stat st;

	sidecar_name(first_index, path + strlen(path));
	fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? -EBADMSG : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < SIDECAR_HEADER_SIZE)
		return -EBADMSG;
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int open_sections(struct sidecar *s, uint64_t first_index, const uint8_t *seal)
{
	uint8_t header[SIDECAR_HEADER_SIZE];
	ssize_t n = file_read(s->fd, header, sizeof(header), 0);

	if (n < 0)
		return (int)n;
	if ((size_t)n < sizeof(header) || sidecar_head_decode(header, &s->head) < 0 ||
	    s->head.first_index != first_index || s->size < postings_at(&s->head) ||
	    memcmp(s->head.segment, seal, AUDIT_HASH_SIZE) != 0)
		return -EBADMSG;
	window_init(&s->offsets, s->fd);
	window_init(&s->seconds, s->fd);
	window_init(&s->terms, s->fd);
	window_init(&s->postings, s->fd);
	return 0;
}

int sidecar_take(int fd, uint64_t size, uint64_t first_index,
		 const uint8_t seal[static AUDIT_HASH_SIZE], struct sidecar *ret)
{
	struct sidecar s = {.fd = fd, .size = size};
	int r = open_sections(&s, first_index, seal);

	if (r < 0) {
		sidecar_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

int sidecar_open(int dir, uint64_t first_index, const uint8_t seal[static AUDIT_HASH_SIZE],
		 struct sidecar *ret)
{
	uint64_t size = 0;
	int fd = -1, r = open_file(dir, first_index, &fd, &size);

	return r < 0 ? r : sidecar_take(fd, size, first_index, seal, ret);
}

void sidecar_done(struct sidecar *s)
{
	window_done(&s->offsets);
	window_done(&s->seconds);
	window_done(&s->terms);
	window_done(&s->postings);
	close_fdp(&s->fd);
	*s = (struct sidecar){.fd = -1};
}

/* What was cut off since it was opened is as bad as what was never there. */
static int get(struct window *w, uint64_t at, size_t length, const uint8_t **ret)
{
	int r = window_get(w, at, length, ret);

	return r == -ENODATA ? -EBADMSG : r;
}

int sidecar_offset(struct sidecar *s, uint32_t record, uint64_t *ret)
{
	const uint8_t *p;
	int r;

	assert(record < s->head.records);
	r = get(&s->offsets, SIDECAR_HEADER_SIZE + 4ULL * record, 4, &p);
	if (r < 0)
		return r;
	*ret = 8ULL * get32(p);
	return *ret < SEGMENT_HEADER_SIZE || *ret >= s->head.end ? -EBADMSG : 0;
}

int sidecar_second(struct sidecar *s, uint32_t record, uint64_t *ret)
{
	const uint8_t *p;
	int r;

	assert(record < s->head.records);
	r = get(&s->seconds, SIDECAR_HEADER_SIZE + 4ULL * s->head.records + 4ULL * record, 4, &p);
	if (r < 0)
		return r;
	*ret = s->head.min_seconds + get32(p);
	return 0;
}

/* A number in groups of seven bits, the lowest first. -EBADMSG: it is longer than five bytes. */
static int take_varint(struct sidecar *s, uint64_t *at, uint32_t *ret)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 35; shift += 7) {
		const uint8_t *p;
		int r;

		if (*at >= s->size)
			return -EBADMSG;
		r = get(&s->postings, *at, 1, &p);
		if (r < 0)
			return r;
		(*at)++;
		value |= (uint64_t)(*p & 0x7f) << shift;
		if (*p & 0x80)
			continue;
		*ret = (uint32_t)value;
		return value > UINT32_MAX ? -EBADMSG : 0;
	}
	return -EBADMSG;
}

/* The value of a term that is text, which before its postings stands if it is long. */
static int take_text(struct sidecar *s, struct sidecar_term *t)
{
	const uint8_t *p;
	uint32_t length;
	int r;

	if (t->key.bytes[0] == SIDECAR_ADDRESS)
		return 0;
	if (!sidecar_key_is_long(&t->key)) {
		t->length = t->key.bytes[SIDECAR_KEY_SIZE - 1];
		if (t->length > VALUE_MAX)
			return -EBADMSG;
		memcpy(t->text, t->key.bytes + 1, t->length);
		return 0;
	}
	r = take_varint(s, &t->at, &length);
	if (r < 0)
		return r;
	if (length > s->size - t->at)
		return -EBADMSG;
	t->length = length < sizeof(t->text) - 1 ? length : sizeof(t->text) - 1;
	r = get(&s->postings, t->at, t->length, &p);
	if (r < 0)
		return r;
	memcpy(t->text, p, t->length);
	t->at += length;
	return 0;
}

int sidecar_term(struct sidecar *s, uint32_t number, struct sidecar_term *ret)
{
	const uint8_t *p;
	int r;

	assert(number < s->head.terms);
	r = get(&s->terms, terms_at(&s->head) + (uint64_t)SIDECAR_TERM_SIZE * number,
		SIDECAR_TERM_SIZE, &p);
	if (r < 0)
		return r;
	memcpy(ret->key.bytes, p, SIDECAR_KEY_SIZE);
	ret->at = postings_at(&s->head) + get32(p + SIDECAR_KEY_SIZE);
	ret->count = get32(p + SIDECAR_KEY_SIZE + 4);
	ret->length = 0;
	ret->text[0] = '\0';
	if (ret->at >= s->size || !ret->count || ret->count > s->head.records)
		return -EBADMSG;
	r = take_text(s, ret);
	ret->text[ret->length] = '\0';
	return r;
}

int sidecar_find(struct sidecar *s, const struct sidecar_key *key, uint32_t *ret)
{
	uint32_t low = 0, high = s->head.terms;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const uint8_t *p;
		int r = get(&s->terms, terms_at(&s->head) + (uint64_t)SIDECAR_TERM_SIZE * middle,
			    SIDECAR_TERM_SIZE, &p);

		if (r < 0)
			return r;
		if (memcmp(p, key->bytes, SIDECAR_KEY_SIZE) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return 0;
}

int sidecar_postings(struct sidecar *s, const struct sidecar_term *term, uint64_t *budget,
		     int (*fn)(uint32_t record, void *userdata), void *userdata)
{
	uint64_t at = term->at, next = 0;

	for (uint32_t i = 0; i < term->count; i++) {
		uint64_t before = at;
		uint32_t step;
		int r = take_varint(s, &at, &step);

		if (r < 0)
			return r;
		if (at - before > *budget)
			return -EBADMSG;
		*budget -= at - before;
		next += step; /* the first is a number, the others how much further, less one */
		if (next >= s->head.records)
			return -EBADMSG;
		r = fn((uint32_t)next++, userdata);
		if (r)
			return r;
	}
	return 0;
}
