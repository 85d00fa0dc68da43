/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A receiver of HTTP on a port of the loopback interface, on a thread of its own: it gives the same answer to everybody, keeps the last request, and
 * counts a word in those that it took.
 */
#ifndef TESTS_RECEIVER_H
#define TESTS_RECEIVER_H

#include <pthread.h>
#include <stdint.h>

#define RECEIVER_ANSWER(status, headers, body)                                                     \
	"HTTP/1.1 " status "\r\nConnection: close\r\n" headers "\r\n" body
#define RECEIVER_TAKES RECEIVER_ANSWER("200 OK", "", "{}")

struct receiver {
	int fd;
	pthread_t thread;
	char endpoint[64]; /* "http://127.0.0.1:4318/" */
	pthread_mutex_t lock;
	const char *word;
	const char *answer; /* NULL = it hangs up */
	char *request;	    /* the last one, headers included */
	unsigned int requests;
	uint64_t taken; /* words in those that were answered 200 */
};

/* Begin to answer, with all of an answer or with nothing. */
void receiver_start(struct receiver *r, const char *word, const char *answer);
/* From now on with this. */
void receiver_answer(struct receiver *r, const char *answer);
/* So many until now. */
uint64_t receiver_taken(struct receiver *r);
void receiver_stop(struct receiver *r);

#endif
