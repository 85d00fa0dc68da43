/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One HTTP request to the daemon's Unix socket, and its answer. Knows nothing of commands. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/text.h"

#define CLIENT_RESPONSE_MAX (64U << 20) /* bytes of a body */

struct client_request {
	const char *method;
	const char *path; /* "/v1/status" */
	const char *type; /* of the body */
	const char *body; /* NULL = none; an empty one is something else */
	size_t length;
	uint32_t base;		/* sent as If-Match; 0 = not */
	const char *credential; /* an API key or a token; NULL or "" = none */
	const char *totp;	/* a one-time password; NULL = none */
	const char *key;	/* sent as Idempotency-Key; NULL = not */
	const char *header;	/* "K: V", one more; NULL = none */
	/*
	 * Takes the body of a success piece by piece, however long it is, instead of the response; the timeout is then how long nothing may come.
	 * False: break off.
	 */
	bool (*take)(const char *data, size_t length, void *userdata);
	void *userdata;
};

/* Percent-encode @value for a query. */
void client_put_escaped(struct text *t, const char *value);

struct client_response {
	long status;
	struct text body;
	char generation[24]; /* X-Weir-Generation; "" if there is none */
	char sha256[72];     /* X-Weir-Sha256; likewise */
	bool lines;	     /* the body is NDJSON */
	char profile[64];    /* X-Weir-Profile; likewise */
	char page[16];	     /* X-Weir-Page */
	char cursor[24];     /* X-Weir-Cursor */
	char tip[24];	     /* X-Weir-Tip */
	char integrity[16];  /* X-Weir-Integrity */
	char records[24];    /* X-Weir-Records */
	long retry_after;    /* seconds; 0 = it does not say */
};

/**
 * Ask @socket, for at most @timeout_ms. 0: there is an answer, of whatever status; end it with
 * client_response_done(). Faults: "client.unreachable" (-ENOENT, -ECONNREFUSED, -EACCES and others
 * of connect(2)), "client.timeout" (-ETIMEDOUT), "client.too_big" (-EFBIG), "client.protocol"
 * (-EPROTO), "client.broken" (-ECANCELED: @request->take broke off).
 */
int client_call(const char *socket, uint32_t timeout_ms, const struct client_request *request,
		struct client_response *ret, struct fault *reterr);
/* Accepts a zeroed response. */
void client_response_done(struct client_response *response);

#endif
