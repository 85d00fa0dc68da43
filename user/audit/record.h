/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One audit record: what a caller states, and the bytes that it becomes. A record is one line of
 * canonical JSON (RFC 8785, restricted to ASCII keys and integers) with these members:
 *
 *   action, actor {ip_address, role, user_id, username}, details {...}, event_id, event_type,
 *   index, outcome, previous_hash, resource {id, type}, severity, timestamp
 *
 * Values about people are sealed where the chain has a vault (personal.h): instead of a string stands an object.
 *
 * Its hash is the leaf hash of RFC 6962: SHA-256(0x00 || bytes), so that
 * `{ printf '\0'; cat record; } | sha256sum` recomputes it.
 */
#ifndef AUDIT_RECORD_H
#define AUDIT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/event.h"
#include "audit/personal.h"
#include "base/text.h"

#define AUDIT_RECORD_MAX  65000 /* bytes; what a C2SP entry bundle can carry, rounded down */
#define AUDIT_DEPTH_MAX	  8	/* nesting of a record that is read back */
#define AUDIT_DETAILS_MAX 32	/* members of `details` */
#define AUDIT_INTEGER_MAX ((1ULL << 53) - 1) /* larger integers are written as decimal strings */
#define AUDIT_INDEX_MAX	  AUDIT_INTEGER_MAX
#define AUDIT_HASH_SIZE	  32
#define AUDIT_HASH_TEXT	  65 /* lower hex and the NUL */
#define AUDIT_ID_SIZE	  16
#define AUDIT_SEALED_MAX  (AUDIT_DETAILS_MAX + 4) /* values of one record */

/* Who: NULL is written as "". Strings are borrowed until the record is written. */
struct audit_actor {
	const char *user_id;
	const char *username;
	const char *role; /* "system" for what the daemon does by itself */
	const char *ip_address;
};

/* On what: {"list", "block"}, {"source", "198.51.100.7"}, {"interface", "eth0"}. NULL as above. */
struct audit_resource {
	const char *type;
	const char *id;
};

/*
 * The members of `details`, in any order; sorted when written. Start zeroed. Keys are string
 * literals of [a-z0-9_], each used once (asserted); string values are borrowed until the record is
 * written, must not be NULL, and invalid UTF-8 in them becomes U+FFFD. More than AUDIT_DETAILS_MAX
 * is a programmer's error (asserted).
 */
struct audit_details {
	unsigned int count;
	struct audit_detail {
		const char *key;
		const char *string; /* NULL: the number */
		uint64_t number;
		enum {
			AUDIT_DETAIL_STRING,
			AUDIT_DETAIL_U64,
			AUDIT_DETAIL_BOOL,
			AUDIT_DETAIL_JSON
		} kind;
	} members[AUDIT_DETAILS_MAX];
};

void audit_details_string(struct audit_details *d, const char *key, const char *value);
void audit_details_u64(struct audit_details *d, const char *key, uint64_t value);
void audit_details_bool(struct audit_details *d, const char *key, bool value);
/* An object or array that is canonical already, and nothing that is about people. Borrowed as a string is. */
void audit_details_json(struct audit_details *d, const char *key, const char *canonical);

struct audit_record {
	enum audit_event event;
	enum audit_outcome outcome;
	unsigned int severity;	  /* 1..5; 0 = as event.def says */
	const char *action;	  /* NULL = the event's name after the dot: "add" */
	struct audit_actor actor; /* all NULL: the daemon, user "weir", role "system" */
	struct audit_resource resource;
	const struct audit_details *details; /* NULL = {} */
	uint64_t time_ns;		     /* CLOCK_REALTIME; 0 = now */
};

/* Where in the chain a record stands: what the chain adds to what the caller states. */
struct audit_position {
	uint64_t index;
	const uint8_t *event_id;      /* AUDIT_ID_SIZE bytes, from hash_event_id() */
	const uint8_t *previous_hash; /* AUDIT_HASH_SIZE bytes; zeros before the first record */
	const struct personal_keeper
		*keeper; /* who seals what is about people; NULL: all is clear */
};

/** Append the record's bytes, without a newline, to @t; too long shows as @t->truncated. */
void record_write(const struct audit_record *r, const struct audit_position *at, struct text *t);

/* A stretch of a record that was read; not NUL-terminated. */
struct record_slice {
	const char *data;
	size_t length;
};

/* What is read back from the bytes of a record. The slices point into those bytes. */
struct record_view {
	uint64_t index;
	unsigned int severity;
	uint8_t event_id[AUDIT_ID_SIZE];
	uint8_t previous_hash[AUDIT_HASH_SIZE];
	struct record_slice action, event_type, outcome,
		timestamp;			      /* strings, without the quotes */
	struct record_slice actor, details, resource; /* whole JSON objects */
	const char *data;
	size_t hash_offset; /* where the member "hash" belongs in canonical order */
	const struct personal_opener
		*opener; /* what record_put_view() opens what is sealed with; NULL: it does not */
	const struct rectified *rectified; /* what it shows beside (rectified.h); NULL: nothing */
	unsigned int sealed_count;
	uint16_t sealed[AUDIT_SEALED_MAX]; /* where values stand that are sealed, in their order */
};

/** Parse the bytes of a record. -EINVAL: weir did not write this; nothing else can go wrong. @ret has no opener. */
int record_parse(const char *data, size_t length, struct record_view *ret);

/**
 * Append the record as people read it: its bytes with ,"hash":"..." in the canonical place, and values that are
 * sealed as strings, if the view's opener opens them. Those that it does not get a member "state": "erased" (the
 * vault has them no more), "no_key", or "altered" (what it has is not what was recorded). What somebody says of the
 * record is a member "rectified", if the view has it. Without an opener, taking the hash and that out again gives the bytes that were hashed. @data was accepted by record_parse().
 */
void record_put_view(struct text *t, const char *data, size_t length,
		     const struct record_view *view, const uint8_t hash[static AUDIT_HASH_SIZE]);

/** Append @part of the record, one of its objects, with what is sealed in it opened, likewise. */
void record_put_part(struct text *t, const struct record_slice *part,
		     const struct record_view *view);

#endif
