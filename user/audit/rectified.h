/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What somebody says of a record about them (request.rectified records), to be shown beside it: "rectified", an array of
 * {"at", "request", "statement"}, the oldest first, outside of what is hashed. The record itself stays as it is. A
 * statement is opened as the record is; one that is erased says so, and of one that was taken out nothing is left.
 */
#ifndef AUDIT_RECTIFIED_H
#define AUDIT_RECTIFIED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/fault.h"

#define RECTIFIED_MAX 16384 /* statements: the newest */

struct record_view;
struct rectified;
struct text;

/**
 * All statements that the log in @path has, found by its indexes. @is_cancelled, which may be NULL, is asked now and
 * then. Faults as of audit_search().
 */
int rectified_load(const char *path, bool (*is_cancelled)(void *userdata), void *userdata,
		   struct rectified **ret, struct fault *reterr);
void rectified_free(struct rectified *r);
DEFINE_CLEANUP(struct rectified *, rectified_free)

/* There is none at all. */
bool rectified_is_empty(const struct rectified *r);
/* Append ,"rectified":[...] if there is any of the record that @view is of. */
void rectified_put(const struct rectified *r, const struct record_view *view, struct text *t);
/**
 * Call @fn with each record that is a statement about record @event_id; a result below 0 ends it, and is what comes
 * back.
 */
int rectified_each(const struct rectified *r, const uint8_t *event_id,
		   int (*fn)(const struct record_view *statement, void *userdata), void *userdata);

#endif
