/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The indexes of a log as a whole: making them anew, and comparing them with what they should be. They can
 * be removed at any time; searching is slower then, and finds the same.
 */
#ifndef AUDIT_INDEX_H
#define AUDIT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/hash.h"
#include "audit/records.h"
#include "base/fault.h"

struct index_report {
	uint64_t segments, indexed; /* of the log; that have an index (now) */
	uint64_t records, covered;  /* in them; in their indexes */
	uint64_t bytes;		    /* of all indexes */
	uint64_t wrong; /* indexes that are not as they should be, in audit_index_check() */
};

/* What is wrong with the index of a segment. */
struct index_finding {
	uint64_t segment; /* its first index */
	uint64_t
		record; /* the first one that is hidden or misplaced, if that can be told: else the first */
	bool used; /* searches go by it: what it hides they do not find */
	char words[160];
};

/**
 * Make all indexes of the log in @path anew. Faults: audit.read, audit.damaged, audit.index (it cannot be written).
 */
int audit_index_rebuild(const char *path, struct index_report *ret, struct fault *reterr);

/**
 * Make all indexes anew in memory and compare: @fn is called for each that differs from its file. Segments
 * without an index are no finding. Faults: audit.read, audit.damaged.
 */
int audit_index_check(const char *path,
		      void (*fn)(const struct index_finding *finding, void *userdata),
		      void *userdata, struct index_report *ret, struct fault *reterr);
/** The same of the segments that begin with record @first to @last only. */
int audit_index_check_part(const char *path, uint64_t first, uint64_t last,
			   void (*fn)(const struct index_finding *finding, void *userdata),
			   void *userdata, struct index_report *ret, struct fault *reterr);

/* For those above and the indexer, @dir being the log's directory. */

/**
 * The index of the first @count records of @r, which end at @end and was opened without an index, from
 * malloc(). *@stop may become true meanwhile: -ECANCELED. -EBADMSG; -ENOMEM; -E2BIG.
 */
int index_make(struct records *r, uint32_t count, uint64_t end, const bool *stop, uint8_t **ret,
	       size_t *ret_length);
/** Write it as the file of segment @first, in one step. */
int index_write(int dir, uint64_t first, const uint8_t *data, size_t length);
/* Remove the indexes of segments that are not in @segments, which is ascending, and what was left half written. */
void index_tidy(int dir, const uint64_t *segments, size_t count);

#endif
