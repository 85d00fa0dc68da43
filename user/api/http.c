/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/http.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"

#define STREAM_BYTES (64U << 10) /* of a streamed answer that are made at a time */
#define GROUPS_MAX   1024	 /* of a peer that are looked at */

struct http_server {
	struct http_options options;
	struct MHD_Daemon *mhd;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int open_handles;
};

/* One request and its answer. */
struct exchange {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct text body;
	bool too_long, answered, held;
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

/* Which of the @wanted groups are among those of the peer. */
static uint32_t find_groups(const char *const *wanted, const gid_t *groups, size_t count)
{
	uint32_t found = 0;

	for (size_t i = 0; i < HTTP_GROUPS_MAX && wanted[i]; i++) {
		struct group group, *entry = NULL;
		char buffer[4096];

		if (getgrnam_r(wanted[i], &group, buffer, sizeof(buffer), &entry) != 0 || !entry)
			continue;
		for (size_t k = 0; k < count; k++)
			if (groups[k] == entry->gr_gid)
				found |= 1U << i;
	}
	return found;
}

static void identify(const struct http_server *s, int fd, struct http_peer *ret)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	struct passwd user, *found = NULL;
	gid_t groups[GROUPS_MAX];
	char buffer[4096];

	*ret = (struct http_peer){.uid = (uid_t)-1, .gid = (gid_t)-1, .username = "unknown"};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0 ||
	    credentials.uid == (uid_t)-1)
		return;
	ret->uid = credentials.uid;
	ret->gid = credentials.gid;
	ret->pid = credentials.pid;
	ret->is_owner = ret->uid == 0 || ret->uid == geteuid();
	ret->groups =
		find_groups(s->options.groups, groups, groups_of(fd, ret->gid, groups, GROUPS_MAX));
	if (getpwuid_r(ret->uid, &user, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(ret->username, sizeof(ret->username), "%s", found->pw_name);
	else
		snprintf(ret->username, sizeof(ret->username), "%u", ret->uid);
}

/* Who is at the other end of a connection does not change while it lasts. */
static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		free(*context);
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	*context = info ? malloc(sizeof(struct http_peer)) : NULL;
	if (*context)
		identify(userdata, info->connect_fd, *context);
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
	const union MHD_ConnectionInfo *peer =
		MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_options *o = &x->server->options;
	struct http_request request = {
		.method = method,
		.path = path,
		.body = x->body.data ?: "",
		.length = x->too_long ? 0 : x->body.length,
		.too_long = x->too_long,
		.exchange = x,
	};

	x->answered = true;
	if (!peer || !peer->socket_context)
		return MHD_NO; /* no memory to know who it is */
	request.peer = *(const struct http_peer *)peer->socket_context;
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
		*state = x;
		return MHD_YES;
	}
	if (*size) {
		if (x->body.length + *size > HTTP_BODY_BYTES_MAX)
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
