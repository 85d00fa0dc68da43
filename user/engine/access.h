/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who read the audit log. One record for a question, however many pages the answer has and however often it is
 * asked again; and no more questions in a second than records of them do harm.
 */
#ifndef ENGINE_ACCESS_H
#define ENGINE_ACCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ACCESS_RECENT_MAX	 64
#define ACCESS_PAUSE_NS		 (60 * NSEC_PER_SEC) /* asked again after so long, it is a new question */
#define ACCESS_AGAIN_NS		 (3600 * NSEC_PER_SEC) /* and if it never paused, after so long */
#define ACCESS_QUESTIONS_BURST	 100
#define ACCESS_QUESTION_EVERY_NS (NSEC_PER_SEC / 10)

/* Zeroed to begin with. Times are CLOCK_MONOTONIC. */
struct access {
	struct access_question {
		uint8_t digest[32]; /* of who asks what */
		uint64_t asked_ns, recorded_ns;
	} recent[ACCESS_RECENT_MAX];
	uint64_t budget_ns; /* a bucket: when it is full again */
};

enum access_verdict {
	ACCESS_KNOWN,	/* it has its record */
	ACCESS_NEW,	/* make one */
	ACCESS_REFUSED, /* too many at once */
};

/** Somebody asks what @digest stands for. */
enum access_verdict access_ask(struct access *a, const uint8_t digest[static 32], uint64_t now_ns);

#endif
