/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a POST that is sent again under its key is done once, and
 * answered as the first time. Only what was done is kept: one that was refused did nothing, and is tried again.
 */
#ifndef API_IDEMPOTENCY_H
#define API_IDEMPOTENCY_H

#include <stdbool.h>
#include <stddef.h>

#define IDEMPOTENCY_KEY_MAX   64
#define IDEMPOTENCY_HASH_SIZE 65

struct call;
struct http_response;

/* Of a call, from before its handler on. */
struct idempotency {
	char key[IDEMPOTENCY_KEY_MAX + 1];   /* "" = it has none */
	char request[IDEMPOTENCY_HASH_SIZE]; /* what is asked, hashed */
	bool replayed;
};

/* Keys of answers that wait for their record; of one api. */
struct in_flight;

/** The key in a header, with or without its quotes. -EINVAL: 1 to IDEMPOTENCY_KEY_MAX token characters (RFC 9110). */
int idempotency_parse(const char *header, char ret[static IDEMPOTENCY_KEY_MAX + 1]);

/* Before the handler of a POST that changes something. True: it was answered, the key is known or is none. */
bool idempotency_answers(struct call *c);
/* The answer of a handler, as it will be sent. */
void idempotency_keep(struct call *c);
/* An answer is on its way. */
void idempotency_completed(struct in_flight **list, const struct http_response *response);
void idempotency_free(struct in_flight *list);

#endif
