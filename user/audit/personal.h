/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Values about people in records. What a record holds of one is no string but
 *
 *	{"sealed":"<43 characters, base64url>","subject":"<11 characters, base64url>"}
 *
 * a commitment to the value, and the number of a row that a vault keeps elsewhere. Without the row the value
 * cannot be found again, not even by trying all there are, and the record and its hash stay as they are:
 *
 *	commitment = SHA-256("weir-commit-v1" || 0 || event_id, 16 bytes || path || 0 || salt, 32 bytes || value)
 *	salt       = HMAC-SHA-256(key of the subject, event_id || path)
 *
 * Which values: field.def says; not the daemon's own name, and of text only what a person wrote or what has an
 * address in it. The vault is not known here: it is called through struct personal_keeper and personal_opener.
 */
#ifndef AUDIT_PERSONAL_H
#define AUDIT_PERSONAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/event.h"
#include "audit/field.h"
#include "base/fault.h"
#include "base/text.h"

#define PERSONAL_HASH_SIZE    32
#define PERSONAL_SALT_SIZE    32
#define PERSONAL_SEALED_TEXT  43 /* characters of a commitment */
#define PERSONAL_SUBJECT_TEXT 11 /* characters of a subject's number */
#define PERSONAL_CUT4	      24 /* bits that are left of an address that is truncated */
#define PERSONAL_CUT6	      48

/* What is written of a value. */
enum personal_mode {
	PERSONAL_SEALED,    /* a commitment */
	PERSONAL_TRUNCATED, /* addresses as their /24 or /48, no names, text with its addresses cut */
	PERSONAL_CLEAR,	    /* the value */
	PERSONAL_MODE_MAX,
};

const char *personal_mode_to_str(enum personal_mode mode); /* "sealed" */

/* Where a value stands: in which record, and where in it, such as "actor.username". */
struct personal_place {
	const uint8_t *event_id; /* 16 bytes */
	const char *path;
};

struct personal_sealed {
	uint64_t subject;
	uint8_t commitment[PERSONAL_HASH_SIZE];
};

/* Who seals, called by the thread that owns the chain. */
struct personal_keeper {
	/* Not 0: it cannot; the value is truncated then. */
	int (*seal)(enum field_kind kind, const char *value, const struct personal_place *place,
		    struct personal_sealed *ret, void *userdata);
	/* Make durable all that seal() returned; before the records that hold it are. */
	int (*sync)(struct fault *reterr, void *userdata);
	void *userdata;
	uint8_t modes[AUDIT_CATEGORY_MAX]; /* enum personal_mode; read and written atomically */
};

/* Who opens. */
struct personal_opener {
	/* Append the value to @ret. -ENOENT: it is erased; -ENOKEY: there is no key to open it with; -EBADMSG: the
	 * vault holds another value than what was committed to. */
	int (*open)(const struct personal_sealed *sealed, const struct personal_place *place,
		    struct text *ret, void *userdata);
	void *userdata;
};

/** Set the mode of a category; from any thread. */
void personal_set_mode(struct personal_keeper *k, enum audit_category category,
		       enum personal_mode mode);
enum personal_mode personal_mode(const struct personal_keeper *k, enum audit_category category);

/**
 * Append what a record says of @value, JSON: as the field and @mode say. @system: the record is the daemon's own.
 * @keeper may be NULL: all is clear.
 */
void personal_put(struct text *t, const struct personal_keeper *keeper, enum personal_mode mode,
		  const struct audit_field *field, bool system, const char *value,
		  const struct personal_place *place);

/** Some word of @value is an address or a prefix. */
bool personal_has_address(const char *value);
struct prefix;
/** @fn is true of one of them; NULL: of any. */
bool personal_any_address(const char *value, bool (*fn)(const struct prefix *found, void *userdata),
			  void *userdata);
/* Append @value with each address cut to PERSONAL_CUT4 or PERSONAL_CUT6 bits. */
void personal_put_cut(struct text *t, const char *value);

/* The object that stands for a value; @state, if not NULL, says why it could not be opened. */
void personal_put_sealed(struct text *t, const struct personal_sealed *sealed, const char *state);
/** Read the object at the start of @length bytes of @data. Its length; -EINVAL: it is none. */
int personal_parse_sealed(const char *data, size_t length, struct personal_sealed *ret);

/** The text of a subject's number, and back: -EINVAL. */
void personal_subject_format(uint64_t subject, char ret[static PERSONAL_SUBJECT_TEXT + 1]);
int personal_subject_parse(const char *text, size_t length, uint64_t *ret);

struct hasher;
/** The commitment to @length bytes of @value. */
void personal_commit(struct hasher *h, const struct personal_place *place,
		     const uint8_t salt[static PERSONAL_SALT_SIZE], const char *value,
		     size_t length, uint8_t ret[static PERSONAL_HASH_SIZE]);

#endif
