/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All incarnations of a log, one after another: each is verified by verify.c as the log of its own that it is. What they
 * have in common is the keys, and the rotations in the records of the others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/verify_internal.h"
#include "base/cleanup.h"

static int verify_incarnation(const char *path, const struct audit_verify_options *options,
			      struct rotation_list *rotations, const struct rotation_list *all,
			      uint32_t number, bool given_here, struct audit_verdict *ret,
			      uint32_t *ret_next, struct fault *reterr)
{
	size_t earlier = rotations->count;
	bool again = false;
	int r;

	for (unsigned int tries = 0; tries == 0 || (again && tries < 2); tries++) {
		_cleanup_free_ struct verification *memory = calloc(1, sizeof(*memory));
		_cleanup_(verification_donep) struct verification *v = memory;

		if (!v)
			return fault(reterr, -ENOMEM, "audit.read",
				     "no memory to verify the audit log");
		v->path = path;
		v->options = options;
		v->incarnation = number;
		v->given_here = given_here;
		v->rotations = rotations;
		v->earlier_rotations = earlier;
		v->all = all;
		v->dir = v->tree_dir = -1;
		v->own_segments.next = SEGMENT_NONE;
		r = verify_once(v, &again, ret_next, reterr);
		if (r < 0)
			return r;
		*ret = v->verdict;
	}
	return 0;
}

/* Which incarnation the checkpoint that was given is of; 0 if the log has none of that number. */
static uint32_t incarnation_of(const char *path, const struct audit_verify_options *o)
{
	_cleanup_free_ struct note *note = malloc(sizeof(*note));
	_cleanup_(hasher_done) struct hasher hasher = {0};
	_cleanup_close_ int dir = -1;
	struct checkpoint c;
	struct state state;
	uint32_t number;

	if (!o->checkpoint || !note ||
	    note_parse(o->checkpoint, o->checkpoint_length, note, NULL) < 0 ||
	    checkpoint_parse(note, &c, NULL) < 0)
		return 0;
	number = incarnation_of_origin(c.origin);
	if (!number || directory_open_readonly(path, &dir, NULL) < 0 || hasher_init(&hasher) < 0 ||
	    state_load(dir, &hasher, &state) < 0)
		return 0;
	return number <= state.tip.incarnation ? number : 0;
}

int audit_verify_with(const char *path, const struct audit_verify_options *options,
		      struct audit_verdict *ret, struct fault *reterr)
{
	static const struct audit_verify_options none;
	const struct audit_verify_options *o = options ?: &none;
	_cleanup_(rotation_list_done) struct rotation_list rotations = {0}, all = {0};
	uint32_t given = incarnation_of(path, o), number = 0, next = 0;
	struct audit_verdict first = {0};
	struct fault f = {0};

	/* What cannot be read is told by who verifies it. */
	if (o->key && rotation_list_read(path, &all, &f) < 0)
		all = (struct rotation_list){0};
	do {
		struct audit_verdict v;
		int r = verify_incarnation(path, o, &rotations, &all, next, next == given, &v,
					   &next, reterr);

		if (r < 0)
			return r;
		if (o->incarnation)
			o->incarnation(&v, o->userdata);
		number = v.incarnation;
		if (number == given)
			first.given = v.given;
		if (first.status == AUDIT_OK && (!number || v.status != AUDIT_OK)) {
			struct audit_covered kept = first.given;

			first = v;
			first.given = kept;
		}
	} while (next > number);
	*ret = first;
	return 0;
}

int audit_verify(const char *path, struct audit_verdict *ret, struct fault *reterr)
{
	return audit_verify_with(path, NULL, ret, reterr);
}
