/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The index of one segment, made from its records. The same records make the same bytes, so that an index
 * can be compared with what it should be.
 */
#ifndef AUDIT_SIDECAR_BUILD_H
#define AUDIT_SIDECAR_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "audit/record.h"
#include "base/cleanup.h"

struct sidecar_builder;

/** For the segment that begins with record @first_index and has the first seal @seal. -ENOMEM. */
int sidecar_builder_new(uint64_t first_index, const uint8_t seal[static AUDIT_HASH_SIZE],
			struct sidecar_builder **ret);
void sidecar_builder_free(struct sidecar_builder *b);
DEFINE_CLEANUP(struct sidecar_builder *, sidecar_builder_free)

/**
 * Add the next record, whose frame begins at @offset in the segment. -ENOMEM; -E2BIG: it has more records
 * than an index can have.
 */
int sidecar_builder_add(struct sidecar_builder *b, uint64_t offset, const struct record_view *view);
/** Add a record that expired: likewise. */
int sidecar_builder_add_expired(struct sidecar_builder *b, uint64_t offset);
/**
 * The file's content, from malloc(), covering the segment up to @end. -ENODATA: no records; -ENOMEM; -E2BIG.
 */
int sidecar_builder_finish(struct sidecar_builder *b, uint64_t end, uint8_t **ret,
			   size_t *ret_length);

#endif
