/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTTP/1.1 on the loop: libmicrohttpd behind one file. It receives whole requests within limits,
 * says who sent them, and sends whole answers; an answer may be held back until the audit record
 * of what was done is durable. What the requests mean is none of its business.
 */
#ifndef API_HTTP_H
#define API_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "api/places.h"
#include "base/cleanup.h"
#include "base/fault.h"

#define HTTP_CONNECTIONS_MAX                                                                       \
	(PLACES_MAX + 16) /* those with a place, and some that are being closed */
#define HTTP_HEADER_BYTES_MAX	     (32U << 10) /* request line and headers of one connection */
#define HTTP_BODY_BYTES_MAX	     (8U << 20)	 /* a policy; see POLICY_TEXT_MAX */
#define HTTP_STRANGER_BODY_BYTES_MAX (64U << 10)
#define HTTP_IDLE_SECONDS_MAX	     30
#define HTTP_RESPONSE_HEADERS_MAX    16
#define HTTP_GROUPS_MAX		     8

struct http_server;

struct http_peer {
	uid_t uid; /* of a Unix socket's client; (uid_t)-1 on TCP */
	gid_t gid;
	pid_t pid;     /* for the record only: it may have been recycled */
	bool is_owner; /* root, or the daemon's own user */
	uint32_t
		groups; /* of http_options.groups, those it was in when it connected, one bit each */
	char username[33];
};

struct http_request {
	const char *method;
	const char *path; /* decoded */
	const char *body; /* NUL-terminated */
	size_t length;
	bool too_long; /* the body exceeded HTTP_BODY_BYTES_MAX and was not kept */
	bool ambiguous; /* its headers may be read in two ways; the connection ends with the answer */
	struct http_peer peer;
	void *exchange; /* for http_argument() and http_header() */
};

/** The value of ?@name=..., or of a header; NULL if absent. Valid during the request. */
const char *http_argument(const struct http_request *request, const char *name);
const char *http_header(const struct http_request *request, const char *name);

/** Call @fn with each ?name=value; "" where there is no value. */
void http_each_argument(const struct http_request *request,
			void (*fn)(const char *name, const char *value, void *userdata),
			void *userdata);

struct http_response {
	unsigned int status;
	const char *content_type;
	char *body; /* from malloc; the server frees it */
	size_t length;
	struct {
		const char *name;
		char value[96];
	} headers[HTTP_RESPONSE_HEADERS_MAX];
	unsigned int header_count;
	bool later;	   /* whoever handles it makes it later, and calls http_answer() then */
	bool when_durable; /* hold back until http_options.hold says so */
	bool as_is;	   /* and do not say in it whether it is */
	/*
	 * Instead of body: up to @size bytes of it at a time. -EAGAIN: none until http_wake(); -ENODATA: that was all;
	 * other -errno: break off, so that the client sees that it is not whole. Has to be quick. stream_end is called
	 * once, whatever happens.
	 */
	ssize_t (*stream)(void *stream_data, char *buffer, size_t size);
	void (*stream_end)(void *stream_data);
	void *stream_data;
	void *note; /* the caller's own, from malloc; the server frees it */
};

void http_response_header(struct http_response *response, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** Of a request that is answered later: what to fill in; then send it. On the loop. */
struct http_response *http_later(void *exchange);
void http_answer(void *exchange);
/** Of a stream that returned -EAGAIN: ask it again. On the loop. */
void http_wake(void *exchange);
/** The descriptor of the client's connection, to see that it went away; -1: there is none. */
int http_client_fd(const struct http_request *request);

struct http_options {
	uv_loop_t *loop;
	int listen_fd;			     /* taken over */
	const char *groups[HTTP_GROUPS_MAX]; /* that http_peer.groups is about; NULL: no more */
	void (*handle)(const struct http_request *request, struct http_response *response,
		       void *userdata);
	/* Call @release(@token) once what the response tells is durable, or cannot be. */
	void (*hold)(void (*release)(bool durable, void *token), void *token, void *userdata);
	/* A held answer is about to go out. */
	void (*released)(struct http_response *response, bool durable, void *userdata);
	/* An answer is on its way, or nobody is there to take it; not called any more after http_stop(). */
	void (*completed)(const struct http_response *response, void *userdata);
	void *userdata;
};

int http_start(const struct http_options *options, struct http_server **ret, struct fault *reterr);
struct http_stats {
	unsigned int connections; /* that have a place */
	uint64_t turned_away;	  /* so far */
};

/** Add what @s has to *ret. Accepts NULL. */
void http_add_stats(const struct http_server *s, struct http_stats *ret);

/* All held answers must have been released. Finishes when the loop runs next. Accepts NULL. */
void http_stop(struct http_server *s);

/**
 * Listen on a Unix socket at @path, mode 0666: who may do what is decided by credentials. A stale socket
 * of ours is replaced; a live one, another file or a foreign directory is refused. Faults: http.socket.
 */
int http_listen_unix(const char *path, int *ret_fd, struct fault *reterr);
/** Listen on "127.0.0.1:9477" or "[::1]:9477". Faults: http.listen. */
int http_listen_tcp(const char *address, int *ret_fd, struct fault *reterr);

#endif
