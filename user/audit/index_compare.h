/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How the index of a segment differs from what it should be. */
#ifndef AUDIT_INDEX_COMPARE_H
#define AUDIT_INDEX_COMPARE_H

#include "audit/index.h"
#include "audit/sidecar.h"

/** @data is what the file of @s should hold. 1: @ret says what is wrong and at which record; 0; -errno. */
int index_compare(struct sidecar *s, const uint8_t *data, size_t length, struct index_finding *ret);
/** A file stands in the place of the index of segment @first, though it is none that can be used: as above. */
int index_is_there(int dir, uint64_t first, struct index_finding *ret);

#endif
