/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Equal bytes are the common case. If they are not equal, the first record that the index hides from a search
 * for one of its terms is looked for: that is what somebody who edits an index is after.
 */
#include "audit/index_compare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "audit/candidates.h"
#include "audit/directory.h"

static int equal_bytes(const struct sidecar *s, const uint8_t *data, size_t length)
{
	_cleanup_free_ uint8_t *file = NULL;
	ssize_t n;

	if (s->size != length)
		return 0;
	file = malloc(length);
	if (!file)
		return -ENOMEM;
	n = file_read(s->fd, file, length, 0);
	if (n < 0)
		return (int)n;
	return (size_t)n == length && memcmp(file, data, length) == 0;
}

/* What it should be, to be read in the same way. */
static int open_right_one(const struct sidecar *s, const uint8_t *data, size_t length,
			  struct sidecar *ret)
{
	int fd = memfd_create("weir-index", MFD_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = file_write(fd, data, length, 0);
	if (r < 0) {
		close(fd);
		return r;
	}
	return sidecar_take(fd, length, s->head.first_index, s->head.segment, ret);
}

struct hunt {
	struct bitset has; /* records that the index admits to have the term */
	int64_t hidden;	   /* the first other one that does; -1 */
};

static int admit(uint32_t record, void *userdata)
{
	struct hunt *h = userdata;

	h->has.words[record / 64] |= 1ULL << record % 64;
	return 0;
}

static int expect(uint32_t record, void *userdata)
{
	struct hunt *h = userdata;

	if (bitset_has(&h->has, record))
		return 0;
	h->hidden = record;
	return 1;
}

/* The first record that has @term and is not found by it. */
static int hunt_term(struct sidecar *s, struct sidecar *right, const struct sidecar_term *term,
		     struct hunt *h)
{
	uint64_t budget = s->size;
	struct sidecar_term same;
	uint32_t at;
	int r = sidecar_find(s, &term->key, &at);

	memset(h->has.words, 0, ((size_t)h->has.size / 64 + 1) * sizeof(*h->has.words));
	h->hidden = -1;
	if (r == 0 && at < s->head.terms)
		r = sidecar_term(s, at, &same);
	if (r == 0 && at < s->head.terms && memcmp(&same.key, &term->key, sizeof(same.key)) == 0)
		r = sidecar_postings(s, &same, &budget, admit, h);
	if (r < 0 && r != -EBADMSG)
		return r;
	budget = right->size;
	r = sidecar_postings(right, term, &budget, expect, h);
	return r < 0 ? r : 0;
}

static void describe(const struct sidecar_term *term, char ret[static 64])
{
	struct prefix p;

	if (term->key.bytes[0] == SIDECAR_ADDRESS) {
		memcpy(p.address, term->key.bytes + 1, sizeof(p.address));
		p.bits = term->key.bytes[1 + sizeof(p.address)];
		prefix_format(&p, ret);
	} else {
		snprintf(ret, 64, "%.60s", term->text);
	}
}

static int hunt_all(struct sidecar *s, struct sidecar *right, struct index_finding *ret)
{
	struct hunt h = {.hidden = -1};
	int64_t best = -1;
	int r = bitset_init(&h.has, right->head.records);

	for (uint32_t i = 0; i < right->head.terms && r == 0; i++) {
		struct sidecar_term term;
		char words[64];

		r = sidecar_term(right, i, &term);
		if (r == 0)
			r = hunt_term(s, right, &term, &h);
		if (r < 0 || h.hidden < 0 || (best >= 0 && h.hidden >= best))
			continue;
		best = h.hidden;
		describe(&term, words);
		snprintf(ret->words, sizeof(ret->words),
			 "it hides record %llu from searches for %s",
			 (unsigned long long)(right->head.first_index + (uint64_t)best), words);
		ret->record = right->head.first_index + (uint64_t)best;
	}
	bitset_done(&h.has);
	return r;
}

int index_compare(struct sidecar *s, const uint8_t *data, size_t length, struct index_finding *ret)
{
	_cleanup_(sidecar_done) struct sidecar right = {.fd = -1};
	int r = equal_bytes(s, data, length);

	if (r)
		return r < 0 ? r : 0;
	snprintf(ret->words, sizeof(ret->words), "it is not what its records say");
	r = open_right_one(s, data, length, &right);
	if (r == 0 && right.head.records == s->head.records)
		r = hunt_all(s, &right, ret);
	return r < 0 ? r : 1;
}

int index_is_there(int dir, uint64_t first, struct index_finding *ret)
{
	char name[SIDECAR_NAME_SIZE], path[sizeof(SIDECAR_DIR "/") + SIDECAR_NAME_SIZE];
	struct stat st;

	sidecar_name(first, name);
	snprintf(path, sizeof(path), SIDECAR_DIR "/%s", name);
	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	snprintf(ret->words, sizeof(ret->words), "it cannot be read as one");
	return 1;
}
