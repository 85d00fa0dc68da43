/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/http.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "api/places.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define STREAM_BYTES   (64U << 10) /* of a streamed answer that are made at a time */
#define SAY_AGAIN_NS   (60 * NSEC_PER_SEC)
#define GROUPS_KEPT_NS NSEC_PER_SEC
#define GROUPS_MAX     1024 /* of a peer that are looked at */

struct http_server {
	struct http_options options;
	struct MHD_Daemon *mhd;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int open_handles;
	struct places places;
	unsigned int turned_away; /* since that was said last */
	uint64_t said_ns;
	gid_t groups[HTTP_GROUPS_MAX]; /* of options.groups */
	bool group_known[HTTP_GROUPS_MAX];
	uint64_t groups_read_ns;
};

/* Who is at the other end of a connection. */
struct client {
	struct http_peer peer;
	enum places_class class;
	bool has_place;
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

/* The groups that the peer had when it connected, not what /etc/group says of its user now. */
static size_t groups_of(int fd, gid_t primary, gid_t *ret, size_t max)
{
	socklen_t size = (socklen_t)((max - 1) * sizeof(*ret));

	ret[0] = primary;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, ret + 1, &size) < 0)
		return 1;
	return 1 + size / sizeof(*ret);
}

/* The IDs of the groups that matter, as the system has them now or had them a moment ago. */
static void read_groups(struct http_server *s)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (s->groups_read_ns && now_ns - s->groups_read_ns < GROUPS_KEPT_NS)
		return;
	s->groups_read_ns = now_ns;
	for (size_t i = 0; i < HTTP_GROUPS_MAX && s->options.groups[i]; i++) {
		struct group group, *entry = NULL;
		char buffer[4096];

		if (getgrnam_r(s->options.groups[i], &group, buffer, sizeof(buffer), &entry) != 0)
			entry = NULL;
		s->group_known[i] = entry != NULL;
		s->groups[i] = entry ? entry->gr_gid : 0;
	}
}

/* Which of the groups that matter are among those of the peer. */
static uint32_t find_groups(struct http_server *s, const gid_t *groups, size_t count)
{
	uint32_t found = 0;

	read_groups(s);
	for (size_t i = 0; i < HTTP_GROUPS_MAX; i++)
		for (size_t k = 0; s->group_known[i] && k < count; k++)
			if (groups[k] == s->groups[i])
				found |= 1U << i;
	return found;
}

static void read_name(struct http_peer *peer)
{
	struct passwd user, *found = NULL;
	char buffer[4096];

	if (getpwuid_r(peer->uid, &user, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(peer->username, sizeof(peer->username), "%s", found->pw_name);
	else
		snprintf(peer->username, sizeof(peer->username), "%u", peer->uid);
}

static void identify(struct http_server *s, int fd, struct http_peer *ret)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	gid_t groups[GROUPS_MAX];

	*ret = (struct http_peer){.uid = (uid_t)-1, .gid = (gid_t)-1, .username = "unknown"};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0 ||
	    credentials.uid == (uid_t)-1)
		return;
	ret->uid = credentials.uid;
	ret->gid = credentials.gid;
	ret->pid = credentials.pid;
	ret->is_owner = ret->uid == 0 || ret->uid == geteuid();
	ret->groups = find_groups(s, groups, groups_of(fd, ret->gid, groups, GROUPS_MAX));
}

static enum places_class class_of(const struct http_peer *peer)
{
	if (peer->uid == (uid_t)-1)
		return PLACES_REMOTE;
	if (peer->is_owner)
		return PLACES_OWNER;
	return peer->groups ? PLACES_USER : PLACES_STRANGER;
}

/*
 * There is no place: say so, in what the socket takes at once, and be done. The library sees the end of it, and closes. A
 * request is not waited for, since it may never come.
 */
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
	shutdown(fd, SHUT_RDWR);
	s->turned_away++;
	if (s->said_ns && clock_monotonic_ns() - s->said_ns < SAY_AGAIN_NS)
		return;
	snprintf(count, sizeof(count), "%u", s->turned_away);
	snprintf(uid, sizeof(uid), "%u", peer->uid);
	log_warn("connections were refused: there are too many", "count", count, "last_uid", uid);
	s->said_ns = clock_monotonic_ns();
	s->turned_away = 0;
}

/* Who is at the other end of a connection does not change while it lasts. */
static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info;
	struct http_server *s = userdata;
	struct client *client = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (client && client->has_place)
			places_leave(&s->places, client->peer.uid, client->class);
		free(client);
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	client = info ? malloc(sizeof(*client)) : NULL;
	*context = client;
	if (!client)
		return;
	identify(s, info->connect_fd, &client->peer);
	client->class = class_of(&client->peer);
	client->has_place = places_take(&s->places, client->peer.uid, client->class);
	if (!client->has_place)
		turn_away(s, info->connect_fd, &client->peer);
	else if (client->class != PLACES_REMOTE)
		read_name(&client->peer);
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
	if (!client || !client->has_place)
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

int http_start(const struct http_options *options, struct http_server **ret, struct fault *reterr)
{
	_cleanup_free_ struct http_server *s = calloc(1, sizeof(*s));
	const union MHD_DaemonInfo *info;

	if (!s)
		return fault(reterr, -ENOMEM, "http.start", "out of memory");
	s->options = *options;
	s->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL,
				  NULL, on_access, s, MHD_OPTION_LISTEN_SOCKET, options->listen_fd,
				  MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
				  MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
				  MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS_MAX,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEADER_BYTES_MAX,
				  MHD_OPTION_CONNECTION_TIMEOUT, HTTP_IDLE_SECONDS_MAX,
				  MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!s->mhd)
		return fault(reterr, -EIO, "http.start", "cannot start the HTTP server");
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(options->loop, &s->poll, info->epoll_fd);
	uv_timer_init(options->loop, &s->timer);
	s->poll.data = s->timer.data = s;
	s->open_handles = 2;
	uv_poll_start(&s->poll, UV_READABLE, on_poll);
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
	free(s);
}

void http_stop(struct http_server *s)
{
	if (!s)
		return;
	s->options.completed = NULL;
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->timer, on_closed);
}
