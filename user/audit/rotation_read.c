/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rotations that a log tells of, found by its indexes: these are not trusted, and the notes need not be. */
#include <errno.h>
#include <stdlib.h>

#include "audit/event.h"
#include "audit/rotation.h"
#include "audit/search.h"

static int take(const struct reader_record *record, void *userdata)
{
	return rotation_list_record(userdata, record->data, record->length);
}

int rotation_list_read(const char *audit_dir, struct rotation_list *ret, struct fault *reterr)
{
	/* The newest first: a segment that is damaged ends it, and those after a violation are not behind that. */
	const struct audit_search_options options = {.from = SEARCH_BEGIN, .limit = ROTATIONS_MAX};
	struct audit_search_result result;
	struct audit_query query;
	int r;

	audit_query_init(&query);
	r = audit_query_set(&query, QUERY_TYPE, audit_event_to_str(AUDIT_EVENT_AUDIT_KEY_ROTATED),
			    reterr);
	if (r < 0)
		return r;
	r = audit_search(audit_dir, &query, &options, take, ret, &result, reterr);
	if (r < 0 && r != -EBADMSG) {
		rotation_list_done(ret);
		return r;
	}
	for (size_t i = 0; i < ret->count / 2; i++) {
		struct rotation kept = ret->items[i];

		ret->items[i] = ret->items[ret->count - 1 - i];
		ret->items[ret->count - 1 - i] = kept;
	}
	return 0;
}

int rotation_signer(const struct rotation_list *l, const struct note_verifier *key,
		    const struct note *note, uint64_t end, bool back, struct note_verifier *ret,
		    bool *ret_followed, struct fault *reterr)
{
	const struct note_verifier *signer;
	const struct rotation *rotation;
	struct fault f = {0};
	int r = note_verify(note, key, &f);

	*ret = *key;
	*ret_followed = false;
	if (r == -ENOKEY) {
		r = rotation_follow(l, key, note, end, back, &rotation, &signer);
		*ret_followed = r == 0;
		if (r == 0)
			*ret = *signer;
	}
	return r < 0 ? fault(reterr, r, f.code, "%s", f.text) : 0;
}
