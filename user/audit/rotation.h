/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From one key of a log to another: each rotation is a record with a note, "weir key rotation", the old verifier key, the
 * new one, that both keys signed. So who trusts one of them can tell that it named the other, without trusting the log.
 */
#ifndef AUDIT_ROTATION_H
#define AUDIT_ROTATION_H

#include <stdbool.h>

#include "audit/note.h"

#define ROTATION_FIRST_LINE "weir key rotation\n" /* of a note */
#define ROTATIONS_MAX	    2000		  /* of one log; more are not followed */

struct rotation {
	uint64_t index; /* of its record */
	struct note_verifier from, to;
	char *note; /* that both signed */
};

struct rotation_list {
	struct rotation *items; /* in the order of their records */
	size_t count;
};

/* Accepts a zeroed one. */
void rotation_list_done(struct rotation_list *l);
/** All that the log in @audit_dir tells of, of all its incarnations, as far as it can be read; nothing of it is verified but the notes. Faults as of audit_search(). */
int rotation_list_read(const char *audit_dir, struct rotation_list *ret, struct fault *reterr);
/** Add what @note says, if both keys signed it: 1; 0: it is none. -ENOMEM. */
int rotation_list_note(struct rotation_list *l, uint64_t index, const char *note, size_t length);
/** Add what record @data says, if it is an audit.key_rotated whose note both keys signed; anything else is none. -ENOMEM. */
int rotation_list_record(struct rotation_list *l, const char *data, size_t length);

/**
 * Who of those that @key leads to signed @note, whose tree ends before record @end? A key leads to the one that it names as
 * the next, if the note's tree has that record; and, if @back, to the one that named it, for what that one signed before. 0: @ret is the
 * rotation that has the signer, *@ret_signer that one; -ENOKEY: nobody; -EKEYREJECTED: a signature is not good.
 */
int rotation_follow(const struct rotation_list *l, const struct note_verifier *key,
		    const struct note *note, uint64_t end, bool back, const struct rotation **ret,
		    const struct note_verifier **ret_signer);
/**
 * Who signed @note: @key, or, with rotation_follow(), one that it leads to (@ret_followed). -ENOKEY, -EKEYREJECTED: faults as of
 * note_verify().
 */
int rotation_signer(const struct rotation_list *l, const struct note_verifier *key,
		    const struct note *note, uint64_t end, bool back, struct note_verifier *ret,
		    bool *ret_followed, struct fault *reterr);
/* The rotation that announced @key; NULL: none of the list. */
const struct rotation *rotation_to(const struct rotation_list *l, const struct note_verifier *key);

#endif
