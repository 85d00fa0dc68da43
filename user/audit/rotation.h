/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From one key of a log to another: each rotation is a record with a note, "weir key rotation", the old verifier key, the
 * new one, that both keys signed. So who trusts one of them can tell that it named the other, without trusting the log.
 */
#ifndef AUDIT_ROTATION_H
#define AUDIT_ROTATION_H

#include "audit/note.h"

#define ROTATIONS_MAX 2000 /* of one log; more are not followed */

struct rotation {
	uint64_t index; /* of its record */
	struct note_verifier from, to;
};

struct rotation_list {
	struct rotation *items; /* in the order of their records */
	size_t count;
};

/* Accepts a zeroed one. */
void rotation_list_done(struct rotation_list *l);
/** Add what record @data says, if it is an audit.key_rotated whose note both keys signed; anything else is none. -ENOMEM. */
int rotation_list_record(struct rotation_list *l, const char *data, size_t length);

/**
 * Who of those that @key leads to signed @note, whose tree ends before record @end? A key leads to the one that it names as
 * the next, if the note's tree has that record; and to the one that named it, for what that one signed before. 0: @ret is the
 * rotation that has the signer, *@ret_signer that one; -ENOKEY: nobody; -EKEYREJECTED: a signature is not good.
 */
int rotation_follow(const struct rotation_list *l, const struct note_verifier *key,
		    const struct note *note, uint64_t end, const struct rotation **ret,
		    const struct note_verifier **ret_signer);
/* The rotation that announced @key; NULL: none of the list. */
const struct rotation *rotation_to(const struct rotation_list *l, const struct note_verifier *key);

#endif
