/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What can be wrong with a log, and where: the vocabulary of scanning, recovery and verification.
 */
#ifndef AUDIT_FINDING_H
#define AUDIT_FINDING_H

#include <stdint.h>

enum audit_status {
	AUDIT_OK,
	AUDIT_TAMPERED,
	AUDIT_INCOMPLETE,
	AUDIT_STATUS_MAX,
};

enum audit_finding {
#define AUDIT_F(constant, name, status, words) AUDIT_FINDING_##constant,
#include "audit/finding.def"
#undef AUDIT_F
	AUDIT_FINDING_MAX
};

const char *audit_status_to_str(enum audit_status status);    /* "tampered" */
const char *audit_finding_to_str(enum audit_finding finding); /* "record.changed" */
const char *audit_finding_words(enum audit_finding finding);  /* what that means */
enum audit_status audit_finding_status(enum audit_finding finding);

struct audit_problem {
	enum audit_finding finding;
	uint64_t index;	  /* of the first record that is bad or missing */
	uint64_t segment; /* its first index; SEGMENT_NONE */
	uint64_t offset;  /* in the segment */
	char words[256];  /* a sentence for people */
};

/** Fill @p (not its segment) and return -EBADMSG. */
int audit_problem(struct audit_problem *p, enum audit_finding finding, uint64_t index,
		  uint64_t offset, const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
