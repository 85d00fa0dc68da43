/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Conditional requests (RFC 9110, section 13): what can be edited has a strong ETag, of all that its GET says but for
 * what counts or runs by itself. Who read one state does not change another by mistake.
 */
#ifndef API_ETAG_H
#define API_ETAG_H

#include <jansson.h>
#include <stdbool.h>

#define ETAG_SIZE	35 /* a quoted half of a SHA-256, and a NUL */
#define ETAG_HEADER_MAX 1024

struct call;

/**
 * The ETag of what @body says in @version, a word; members that change without anybody's doing are taken out of @body
 * before. -ENOMEM.
 */
int etag_of(json_t *body, const char *version, char ret[static ETAG_SIZE]);
/**
 * Is @tag among those of a header, "\"a\", \"b\"", or is that "*"? With @weak, W/ does not count; otherwise a weak one
 * is none. 1, 0, or -EINVAL: it is no list of ETags of at most ETAG_HEADER_MAX bytes.
 */
int etag_is_in(const char *header, const char *tag, bool weak);

/* Before the handler: the change may not be made as things are, or not without If-Match; or ETags cannot be read. Has answered then. */
bool etag_refuses(struct call *c);
/* After it: the answer says its ETag, or with 304 that the client has it already. */
void etag_put(struct call *c);

#endif
