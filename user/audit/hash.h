/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SHA-256 as the chain uses it. One context is fetched and reused: a one-shot call costs three
 * times as much for a short record. Not thread safe; each writer, reader or verifier has its own.
 */
#ifndef AUDIT_HASH_H
#define AUDIT_HASH_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "audit/record.h"
#include "audit/sha256_pair.h"
#include "audit/sha256_wide.h"

#define HASH_MANY_MAX SHA256_WIDE

struct hasher {
	EVP_MD *md;
	EVP_MD_CTX *context;
	/* This CPU can hash two messages, or many, in less time than one by one. */
	bool pairs, wide;
};

/** -ENOMEM. End with hasher_done(), which accepts a zeroed or half-built object. */
int hasher_init(struct hasher *h);
void hasher_done(struct hasher *h);

/* Piecewise: hash_begin, hash_add..., hash_end. */
void hash_begin(struct hasher *h);
void hash_add(struct hasher *h, const void *data, size_t length);
void hash_end(struct hasher *h, uint8_t ret[static AUDIT_HASH_SIZE]);

/** SHA-256 of @length bytes. */
void hash_bytes(struct hasher *h, const void *data, size_t length,
		uint8_t ret[static AUDIT_HASH_SIZE]);
/**
 * SHA-256 of 1 to HASH_MANY_MAX messages, several at once where the CPU can. @ret may overlap with them, if no
 * hash is written over a message that comes later.
 */
void hash_many(struct hasher *h, const struct sha256_message *messages, unsigned int count,
	       uint8_t (*ret)[AUDIT_HASH_SIZE]);
/** The hash of a record: SHA-256(0x00 || record), RFC 6962 section 2.1. */
void hash_leaf(struct hasher *h, const void *record, size_t length,
	       uint8_t ret[static AUDIT_HASH_SIZE]);
/* The same of 1 to HASH_MANY_MAX records. */
void hash_leaves(struct hasher *h, const struct record_slice *records, unsigned int count,
		 uint8_t (*ret)[AUDIT_HASH_SIZE]);
/**
 * The event_id of record @index: a UUIDv8 (RFC 9562) from SHA-256(chain id || index, 8 bytes,
 * big-endian).
 */
void hash_event_id(struct hasher *h, const uint8_t chain_id[static AUDIT_ID_SIZE], uint64_t index,
		   uint8_t ret[static AUDIT_ID_SIZE]);
/* Those of 1 to HASH_MANY_MAX records, from @first on. */
void hash_event_ids(struct hasher *h, const uint8_t chain_id[static AUDIT_ID_SIZE], uint64_t first,
		    unsigned int count, uint8_t (*ret)[AUDIT_ID_SIZE]);

/* Write @length bytes as 2 * @length lower hex digits and a NUL. */
void hex_format(const uint8_t *data, size_t length, char *ret);
/** Read 2 * @length lower hex digits. -EINVAL. */
int hex_parse(const char *text, size_t length, uint8_t *ret);

#endif
