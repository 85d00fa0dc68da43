/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/http.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/peer.h"
#include "api/places.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define STREAM_BYTES (64U << 10) /* of a streamed answer that are made at a time */
#define SAY_AGAIN_NS (60 * NSEC_PER_SEC)
#define ACCEPT_MAX                                                                                 \
	16 /* connections in one turn of the loop, so that requests have their turn, too */
#define PAUSE_MSEC 100 /* of accepting, when there are no descriptors left */

struct http_server {
	struct http_options options;
	struct MHD_Daemon *mhd;
	uv_poll_t poll, listening;
	uv_timer_t timer, pause;
	struct client *arriving; /* handed to the library, and not taken yet */
	unsigned int open_handles;
	struct places places;
	unsigned int turned_away; /* since that was said last */
	uint64_t turned_away_before;
	uint64_t said_ns;
	struct peer_groups groups;
};

/* Who is at the other end of a connection. */
struct client {
	struct client *next; /* of those that arrive */
	int fd;
	struct http_peer peer;
	enum places_class class;
};

/* One request and its answer. */
struct exchange {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct text body;
	bool too_long, ambiguous, answered, held;
	struct http_response response;
};

void http_response_header(struct http_response *response, const char *name, const char *format, ...)
{
	va_list ap;

	assert(response->header_count < HTTP_RESPONSE_HEADERS_MAX);
	response->headers[response->header_count].name = name;
	va_start(ap, format);
	vsnprintf(response->headers[response->header_count].value,
		  sizeof(response->headers[0].value), format, ap);
	va_end(ap);
	response->header_count++;
}

const char *http_argument(const struct http_request *request, const char *name)
{
	struct exchange *x = request->exchange;
	const char *value = NULL;

	if (MHD_lookup_connection_value_n(x->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
					  &value, NULL) != MHD_YES)
		return NULL;
	return value ?: ""; /* "?name", without a value */
}

struct each {
	void (*fn)(const char *name, const char *value, void *userdata);
	void *userdata;
};

static enum MHD_Result on_argument(void *userdata, enum MHD_ValueKind kind, const char *name,
				   const char *value)
{
	const struct each *e = userdata;

	(void)kind;
	e->fn(name, value ?: "", e->userdata);
	return MHD_YES;
}

void http_each_argument(const struct http_request *request,
			void (*fn)(const char *name, const char *value, void *userdata),
			void *userdata)
{
	const struct exchange *x = request->exchange;
	struct each e = {fn, userdata};

	MHD_get_connection_values(x->connection, MHD_GET_ARGUMENT_KIND, on_argument, &e);
}

const char *http_header(const struct http_request *request, const char *name)
{
	struct exchange *x = request->exchange;

	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static enum places_class class_of(const struct http_peer *peer)
{
	if (peer->uid == (uid_t)-1)
		return PLACES_REMOTE;
	if (peer->is_owner)
		return PLACES_OWNER;
	return peer->groups ? PLACES_USER : PLACES_STRANGER;
}

/* There is no place: say so, in what the socket takes at once. A request is not waited for, since it may never come. */
static void turn_away(struct http_server *s, int fd, const struct http_peer *peer)
{
	static const char answer[] =
		"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
		"Content-Type: application/problem+json\r\nContent-Length: 136\r\n\r\n"
		"{\"type\":\"about:blank\",\"title\":\"Unavailable\",\"status\":503,"
		"\"code\":\"http.connections\",\"detail\":\"too many connections of yours, or of all\"}\n";
	char count[16], uid[16];
	ssize_t sent = send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)sent;
	s->turned_away++;
	if (s->said_ns && clock_monotonic_ns() - s->said_ns < SAY_AGAIN_NS)
		return;
	snprintf(count, sizeof(count), "%u", s->turned_away);
	snprintf(uid, sizeof(uid), "%u", peer->uid);
	log_warn("connections were refused: there are too many", "count", count, "last_uid", uid);
	s->said_ns = clock_monotonic_ns();
	s->turned_away_before += s->turned_away;
	s->turned_away = 0;
}

static void client_leave(struct http_server *s, struct client *client)
{
	if (client)
		places_leave(&s->places, client->peer.uid, client->class);
	free(client);
}

/* The one that arrived as @fd, which does not arrive any more; or NULL. */
static struct client *client_take(struct http_server *s, int fd)
{
	struct client **at = &s->arriving, *client;

	while (*at && (*at)->fd != fd)
		at = &(*at)->next;
	client = *at;
	if (client)
		*at = client->next;
	return client;
}

/* Hand @fd to the library, or refuse it before it costs anything: there may be thousands. */
static void admit(struct http_server *s, int fd, const struct sockaddr *address, socklen_t size)
{
	struct client client = {.fd = fd}, *kept;

	peer_identify(&s->groups, s->options.groups, fd, &client.peer);
	client.class = class_of(&client.peer);
	if (!places_take(&s->places, client.peer.uid, client.class)) {
		turn_away(s, fd, &client.peer);
		close(fd);
		return;
	}
	kept = malloc(sizeof(*kept));
	if (!kept) {
		places_leave(&s->places, client.peer.uid, client.class);
		close(fd);
		return;
	}
	if (client.class != PLACES_REMOTE)
		peer_name(&client.peer);
	*kept = client;
	kept->next = s->arriving;
	s->arriving = kept;
	if (MHD_add_connection(s->mhd, fd, address, size) != MHD_YES) /* and it is closed */
		client_leave(s, client_take(s, fd));
}

void http_add_stats(const struct http_server *s, struct http_stats *ret)
{
	if (!s)
		return;
	ret->connections += s->places.taken;
	ret->turned_away += s->turned_away_before + s->turned_away;
}

/* Who is at the other end of a connection does not change while it lasts. */
static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info;
	struct http_server *s = userdata;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		client_leave(s, *context);
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	*context = info ? client_take(s, info->connect_fd) : NULL;
}

/* NULL: there was no memory to know it. */
static const struct client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static ssize_t on_stream(void *userdata, uint64_t position, char *buffer, size_t size)
{
	struct exchange *x = userdata;
	ssize_t n = x->response.stream(x->response.stream_data, buffer, size);

	(void)position;
	if (n >= 0)
		return n;
	if (n == -EAGAIN) {
		x->held = true;
		MHD_suspend_connection(x->connection);
		return 0;
	}
	return n == -ENODATA ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static enum MHD_Result send_response(struct exchange *x)
{
	struct http_response *r = &x->response;
	struct MHD_Response *response =
		r->stream ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BYTES,
							      on_stream, x, NULL)
			  : MHD_create_response_from_buffer(r->length, r->body,
							    MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	if (r->content_type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (x->ambiguous)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	for (unsigned int i = 0; i < r->header_count; i++)
		MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
	result = MHD_queue_response(x->connection, r->status, response);
	MHD_destroy_response(response);
	return result;
}

static void on_timer(uv_timer_t *handle);

static void resume(struct exchange *x)
{
	x->held = false;
	MHD_resume_connection(x->connection);
	/* It is served by the next MHD_run(), which nothing else would bring about. */
	uv_timer_start(&x->server->timer, on_timer, 0, 0);
}

static void release(bool durable, void *token)
{
	struct exchange *x = token;
	struct http_server *s = x->server;

	if (s->options.released)
		s->options.released(&x->response, durable, s->options.userdata);
	resume(x);
}

static enum MHD_Result answer(struct exchange *x, const char *method, const char *path)
{
	const struct client *client = client_of(x->connection);
	struct http_options *o = &x->server->options;
	struct http_request request = {
		.method = method,
		.path = path,
		.body = x->body.data ?: "",
		.length = x->too_long ? 0 : x->body.length,
		.too_long = x->too_long,
		.ambiguous = x->ambiguous,
		.exchange = x,
	};

	x->answered = true;
	if (!client)
		return MHD_NO;
	request.peer = client->peer;
	o->handle(&request, &x->response, o->userdata);
	if (!x->response.when_durable && !x->response.later)
		return send_response(x);
	x->held = true;
	MHD_suspend_connection(x->connection);
	if (!x->response.later)
		o->hold(release, x, o->userdata);
	return MHD_YES;
}

struct http_response *http_later(void *exchange)
{
	struct exchange *x = exchange;

	return &x->response;
}

void http_answer(void *exchange)
{
	struct exchange *x = exchange;
	struct http_options *o = &x->server->options;

	if (x->response.when_durable)
		o->hold(release, x, o->userdata);
	else
		resume(x);
}

void http_wake(void *exchange)
{
	resume(exchange);
}

int http_client_fd(const struct http_request *request)
{
	const struct exchange *x = request->exchange;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

/* How headers say where the body ends. */
struct framing {
	unsigned int lengths, encodings;
	bool bad;
};

static enum MHD_Result on_header(void *userdata, enum MHD_ValueKind kind, const char *key,
				 const char *value)
{
	struct framing *f = userdata;

	(void)kind;
	f->lengths += strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
	if (strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
		f->encodings++;
		f->bad |= !value || strcasecmp(value, "chunked") != 0;
	}
	f->bad |= strpbrk(key, " \t") != NULL;
	return MHD_YES;
}

/* A proxy may see another end of this request than we do, and another request behind it (RFC 9112, sections 5.1 and 6.3). */
static bool is_ambiguous(struct MHD_Connection *connection)
{
	struct framing f = {0};

	MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, &f);
	return f.bad || f.lengths + f.encodings > 1;
}

/* Nothing that somebody without a role may ask for takes a body. */
static size_t body_max(struct MHD_Connection *connection)
{
	const struct client *client = client_of(connection);

	return client && client->class <= PLACES_USER ? HTTP_BODY_BYTES_MAX
						      : HTTP_STRANGER_BODY_BYTES_MAX;
}

/* MHD calls this when the headers are in, for each piece of the body, and at the end; and once more
 * after a connection was resumed. */
static enum MHD_Result on_access(void *userdata, struct MHD_Connection *connection, const char *url,
				 const char *method, const char *version, const char *data,
				 size_t *size, void **state)
{
	struct exchange *x = *state;

	(void)version;
	if (!x) {
		x = calloc(1, sizeof(*x));
		if (!x)
			return MHD_NO;
		x->server = userdata;
		x->connection = connection;
		text_init_growing(&x->body);
		x->ambiguous = is_ambiguous(connection);
		*state = x;
		return MHD_YES;
	}
	if (*size) {
		if (x->body.length + *size > body_max(connection))
			x->too_long = true; /* read on, to be able to answer, but keep nothing */
		else
			text_put(&x->body, data, *size);
		x->too_long |= x->body.truncated;
		*size = 0;
		return MHD_YES;
	}
	return x->answered ? send_response(x) : answer(x, method, url);
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct exchange *x = *state;

	(void)userdata;
	(void)connection;
	(void)code;
	if (!x)
		return;
	assert(!x->held);
	if (x->answered && x->server->options.completed)
		x->server->options.completed(&x->response, x->server->options.userdata);
	text_done(&x->body);
	if (x->response.stream)
		x->response.stream_end(x->response.stream_data);
	free(x->response.body);
	free(x->response.note);
	free(x);
	*state = NULL;
}

static void run(struct http_server *s);

static void on_poll(uv_poll_t *handle, int status, int events)
{
	(void)status;
	(void)events;
	run(handle->data);
}

static void on_timer(uv_timer_t *handle)
{
	run(handle->data);
}

static void run(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	MHD_run(s->mhd);
	if (MHD_get_timeout(s->mhd, &timeout_ms) == MHD_YES)
		uv_timer_start(&s->timer, on_timer, timeout_ms, 0);
	else
		uv_timer_stop(&s->timer);
}

static void on_pause_over(uv_timer_t *handle);

static void on_listening(uv_poll_t *handle, int status, int events)
{
	struct http_server *s = handle->data;
	int r = 0;

	(void)status;
	(void)events;
	for (unsigned int i = 0; i < ACCEPT_MAX && r >= 0; i++) {
		struct sockaddr_storage address;
		socklen_t size = sizeof(address);

		r = accept4(s->options.listen_fd, (struct sockaddr *)&address, &size,
			    SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (r >= 0)
			admit(s, r, (struct sockaddr *)&address, size);
	}
	if (r < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
		uv_poll_stop(&s->listening);
		uv_timer_start(&s->pause, on_pause_over, PAUSE_MSEC, 0);
	}
	run(s);
	while (s->arriving) /* the library had no memory for it, and closed it */
		client_leave(s, client_take(s, s->arriving->fd));
}

static void on_pause_over(uv_timer_t *handle)
{
	struct http_server *s = handle->data;

	uv_poll_start(&s->listening, UV_READABLE, on_listening);
}

int http_start(const struct http_options *options, struct http_server **ret, struct fault *reterr)
{
	_cleanup_free_ struct http_server *s = calloc(1, sizeof(*s));
	const union MHD_DaemonInfo *info;

	if (!s)
		return fault(reterr, -ENOMEM, "http.start", "out of memory");
	s->options = *options;
	s->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, on_access, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_CONNECTION_LIMIT,
		HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTP_HEADER_BYTES_MAX, MHD_OPTION_CONNECTION_TIMEOUT, HTTP_IDLE_SECONDS_MAX,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!s->mhd)
		return fault(reterr, -EIO, "http.start", "cannot start the HTTP server");
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(options->loop, &s->poll, info->epoll_fd);
	uv_poll_init(options->loop, &s->listening, options->listen_fd);
	uv_timer_init(options->loop, &s->timer);
	uv_timer_init(options->loop, &s->pause);
	s->poll.data = s->listening.data = s->timer.data = s->pause.data = s;
	s->open_handles = 4;
	uv_poll_start(&s->poll, UV_READABLE, on_poll);
	uv_poll_start(&s->listening, UV_READABLE, on_listening);
	*ret = take_ptr(s);
	run(*ret);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct http_server *s = handle->data;

	if (--s->open_handles)
		return;
	MHD_stop_daemon(s->mhd);
	while (s->arriving)
		client_leave(s, client_take(s, s->arriving->fd));
	close(s->options.listen_fd);
	free(s);
}

void http_stop(struct http_server *s)
{
	if (!s)
		return;
	s->options.completed = NULL;
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->listening, on_closed);
	uv_close((uv_handle_t *)&s->timer, on_closed);
	uv_close((uv_handle_t *)&s->pause, on_closed);
}
