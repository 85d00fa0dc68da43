/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whom records are about: the numbers that the vault has for somebody, and the records with one of these or with the
 * name in the clear. Reads vault and log, so on a thread.
 */
#ifndef ENGINE_SUBJECT_H
#define ENGINE_SUBJECT_H

#include <jansson.h>

#include "audit/mention.h"
#include "audit/reader.h"
#include "vault/vault.h"

#define SUBJECT_NUMBERS_MAX 1000
#define SUBJECT_PAGE_ITEMS  500
#define SUBJECT_PAGE_BYTES  (4U << 20)
#define SUBJECT_PAGE_NS	    (2 * NSEC_PER_SEC) /* then it ends, whatever was found */

/** Asked now and then, of whoever waits: go on? */
struct subject_waiter {
	bool (*is_cancelled)(void *userdata);
	void *userdata;
};

/**
 * All values of the vault that are the subject, or words that name it: their numbers, ascending. Faults: request.subject
 * (-E2BIG: more than SUBJECT_NUMBERS_MAX), request.stopped (-ECANCELED), those of the vault.
 */
int subject_find(struct vault *v, const struct mention *mention,
		 const struct subject_waiter *waiter, uint64_t ret[static SUBJECT_NUMBERS_MAX],
		 size_t *ret_count, struct fault *reterr);
/** Is it about them, who have these numbers? */
bool subject_is_in(const struct mention *mention, const uint64_t *numbers, size_t count,
		   const struct reader_record *record);

struct subject_page {
	json_t *items; /* as people read them; the caller's reference */
	uint64_t next; /* index to go on from; UINT64_MAX = that was all */
};

/** A page of records about @subject, from index @from on. Faults: as above, request.subject (-EINVAL), audit.read. */
int subject_read(const char *audit_dir, struct vault *v, const struct personal_opener *opener,
		 const char *subject, uint64_t from, const struct subject_waiter *waiter,
		 struct subject_page *ret, struct fault *reterr);

#endif
