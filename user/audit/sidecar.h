/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The index of one segment, read: which of its records have a term. An index is a hint. Nothing in it is
 * believed: what it points to is read again, and what it hides `weir audit index check` finds. Any bytes
 * may stand in such a file; reading them ends, in time that is linear in its size.
 */
#ifndef AUDIT_SIDECAR_H
#define AUDIT_SIDECAR_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/segment.h"
#include "audit/window.h"
#include "base/address.h"
#include "base/cleanup.h"

#define SIDECAR_DIR	    "index"
#define SIDECAR_NAME_SIZE   sizeof("00000000000000000000.idx")
#define SIDECAR_HEADER_SIZE 256
#define SIDECAR_KEY_SIZE    24
#define SIDECAR_TERM_SIZE   32
#define SIDECAR_RECORDS_MAX (4U << 20) /* of a segment; a larger one has no index */
#define SIDECAR_TERMS_MAX   (16U << 20)

/* What a term is about. Files hold these letters. */
enum sidecar_kind {
	SIDECAR_ADDRESS = 'a', /* 16 bytes and the length of the prefix; all others are text */
	SIDECAR_OUTCOME = 'o',
	SIDECAR_PRINCIPAL = 'p',
	SIDECAR_RULE = 'r',
	SIDECAR_RESOURCE_ID = 'i',
	SIDECAR_RESOURCE_TYPE = 'k',
	SIDECAR_SEVERITY = 'v', /* "3" */
	SIDECAR_SUBJECT = 's',
	SIDECAR_TYPE = 't',
	SIDECAR_ACTOR = 'u',
	SIDECAR_EXPIRED = 'x', /* "": nothing is left of the record, and it has no other term */
};

/* A term as it is sorted: the kind, the value, its length; of a long value its beginning and its hash. */
struct sidecar_key {
	uint8_t bytes[SIDECAR_KEY_SIZE];
};

void sidecar_key_text(struct sidecar_key *ret, enum sidecar_kind kind, const char *text,
		      size_t length);
void sidecar_key_address(struct sidecar_key *ret, const struct prefix *prefix);
/* The value does not fit into its key: it stands before the postings. */
bool sidecar_key_is_long(const struct sidecar_key *key);

/* What the file says about itself. */
struct sidecar_head {
	uint64_t first_index;
	uint32_t records;
	uint32_t terms;
	uint64_t end; /* bytes of the segment that it covers: to the end of a batch */
	uint8_t segment[AUDIT_HASH_SIZE];  /* the segment's first seal */
	uint64_t min_seconds, max_seconds; /* since 1970, of the records */
	uint8_t lengths[17];		   /* a bit for each length of a prefix that occurs */
};

void sidecar_head_encode(const struct sidecar_head *h, uint8_t ret[static SIDECAR_HEADER_SIZE]);
/** -EBADMSG. */
int sidecar_head_decode(const uint8_t data[static SIDECAR_HEADER_SIZE], struct sidecar_head *ret);

struct sidecar {
	int fd; /* -1 = not open */
	struct sidecar_head head;
	uint64_t size;
	struct window offsets, seconds, terms, postings;
};

void sidecar_name(uint64_t first_index, char ret[static SIDECAR_NAME_SIZE]);

/**
 * Open the index of the segment that begins with record @first_index and has the first seal @seal.
 * -ENOENT: there is none; -EBADMSG: it is not one, or of another segment; other -errno. @dir is the log's.
 */
int sidecar_open(int dir, uint64_t first_index, const uint8_t seal[static AUDIT_HASH_SIZE],
		 struct sidecar *ret);
/** The same with a file of @size bytes that is open; @fd is taken, also on failure. */
int sidecar_take(int fd, uint64_t size, uint64_t first_index,
		 const uint8_t seal[static AUDIT_HASH_SIZE], struct sidecar *ret);
void sidecar_done(struct sidecar *s);

/** Where record number @record (counted from 0) begins in the segment, and its second. */
int sidecar_offset(struct sidecar *s, uint32_t record, uint64_t *ret);
int sidecar_second(struct sidecar *s, uint32_t record, uint64_t *ret);

struct sidecar_term {
	struct sidecar_key key;
	uint32_t count; /* records that have it */
	uint64_t at;	/* of its postings in the file */
	char text[256]; /* of a term that is text; cut off if it is longer */
	size_t length;
};

/** Term number @number (from 0). -EBADMSG. */
int sidecar_term(struct sidecar *s, uint32_t number, struct sidecar_term *ret);
/** The number of the first term that is not below @key. */
int sidecar_find(struct sidecar *s, const struct sidecar_key *key, uint32_t *ret);

/**
 * Call @fn with each record that has the term, ascending, until it returns something else than 0, which
 * is then returned. @budget is how many bytes of postings may still be read; give the file's size for
 * terms that differ. -EBADMSG: these are no postings.
 */
int sidecar_postings(struct sidecar *s, const struct sidecar_term *term, uint64_t *budget,
		     int (*fn)(uint32_t record, void *userdata), void *userdata);

#endif
