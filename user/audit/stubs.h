/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segments in which stubs stand in the place of records that expired or named somebody who was erased, and what says
 * that they may: a retention.archived or request.removed record further on, with the hash that the whole file has since. So the hashes in stubs, of
 * which nobody can recompute those that only another stub follows, cannot be exchanged either.
 */
#ifndef AUDIT_STUBS_H
#define AUDIT_STUBS_H

#include "audit/record.h"

struct stub_segment {
	uint64_t segment; /* its first index */
	uint64_t first;	  /* index of the first record that expired */
	uint8_t file_hash[AUDIT_HASH_SIZE];
	bool explained;
};

struct stub_list {
	struct stub_segment *items;
	size_t count;
};

void stub_list_done(struct stub_list *list);
/** -ENOMEM. */
int stub_list_add(struct stub_list *list, const struct stub_segment *segment);
/** Records of this type say which stubs there may be. */
bool stub_is_explained_by(const struct record_slice *event_type);
/* See whether the record @data, which follows those segments, explains one of them. */
void stub_list_record(struct stub_list *list, const char *data, size_t length);
/** The first segment that nothing explains; NULL: there is none. */
const struct stub_segment *stub_list_unexplained(const struct stub_list *list);

#endif
