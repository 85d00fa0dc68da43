/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/target.h"
#include "otlp/post.h"

struct sink {
	enum target_kind kind;
	bool stream;
	int fd, stop_fd;
	char *to;
	const char *path; /* of file and unix, in to */
	uint64_t written;
	bool unsynced;
	struct otlp_poster *poster; /* of a receiver; NULL = it is none */
	struct otlp_answer answer;  /* the last one */
};

static int failed(const struct sink *s, int err, struct fault *reterr)
{
	return fault(reterr, err, "export.target", "%s: %s", s->to, strerror(-err));
}

void sink_close(struct sink *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	otlp_poster_free(s->poster);
	free(s->to);
	free(s);
}

/* Until the socket can do @events. */
static int wait_for(const struct sink *s, short events)
{
	struct pollfd fds[] = {{s->fd, events, 0}, {s->stop_fd, POLLIN, 0}};
	int n;

	do
		n = poll(fds, 2, SINK_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (fds[1].revents)
		return -ECANCELED;
	return n ? 0 : -ETIMEDOUT;
}

static int connect_as(struct sink *s, const struct target *d, int type)
{
	int err = 0;
	socklen_t size = sizeof(err);

	if (s->fd >= 0)
		close(s->fd);
	s->stream = type == SOCK_STREAM;
	s->fd = socket(d->address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	if (connect(s->fd, (const struct sockaddr *)&d->address, d->size) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	err = -wait_for(s, POLLOUT);
	if (!err && getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
		err = errno;
	return -err;
}

/* A last line without its end is what a death in the midst of writing left: its records come again, whole. */
static int cut_half_line(int fd, off_t size)
{
	char part[4096];

	for (off_t end = size; end > 0;) {
		off_t at = end > (off_t)sizeof(part) ? end - (off_t)sizeof(part) : 0;
		const char *newline;

		if (pread(fd, part, (size_t)(end - at), at) != end - at)
			return -EIO;
		newline = memrchr(part, '\n', (size_t)(end - at));
		end = newline ? at + (newline - part) + 1 : at;
		if (newline || !end)
			return end == size || ftruncate(fd, end) == 0 ? 0 : -errno;
	}
	return 0;
}

static int open_file(struct sink *s)
{
	struct stat st;

	if (s->fd >= 0)
		close(s->fd);
	s->fd = open(s->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		     0600);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? cut_half_line(s->fd, st.st_size) : -EBADFD;
}

int sink_open(const char *to, const char *headers_file, int stop_fd, struct sink **ret,
	      struct fault *reterr)
{
	_cleanup_(sink_closep) struct sink *s = calloc(1, sizeof(*s));
	struct target d;
	int r;

	if (!s)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	s->fd = -1;
	s->stop_fd = stop_fd;
	s->to = strdup(to);
	if (!s->to)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	r = target_parse(s->to, &d);
	if (r < 0)
		return failed(s, r, reterr);
	s->kind = d.kind;
	s->path = d.path;
	if (s->kind == TARGET_HTTP || s->kind == TARGET_HTTPS)
		r = otlp_poster_new(s->to, headers_file, &s->poster, reterr);
	else if (s->kind == TARGET_FILE)
		r = open_file(s);
	else
		r = connect_as(s, &d, s->kind == TARGET_TCP ? SOCK_STREAM : SOCK_DGRAM);
	if (s->kind == TARGET_UNIX && r == -EPROTOTYPE)
		r = connect_as(s, &d, SOCK_STREAM);
	if (r < 0)
		return failed(s, r, reterr);
	*ret = take_ptr(s);
	return 0;
}

bool sink_is_datagram(const struct sink *s)
{
	return s->kind != TARGET_FILE && !s->stream && !s->poster;
}

bool sink_is_receiver(const struct sink *s)
{
	return s->poster;
}

bool sink_is_stream(const struct sink *s)
{
	return s->stream;
}

/* Rotated away: the path leads to another file than ours, or to none. */
static bool is_rotated(const struct sink *s)
{
	struct stat ours, theirs;

	return fstat(s->fd, &ours) == 0 &&
	       (lstat(s->path, &theirs) < 0 || ours.st_dev != theirs.st_dev ||
		ours.st_ino != theirs.st_ino);
}

bool sink_is_new(struct sink *s)
{
	struct stat st;

	if (s->kind != TARGET_FILE || (is_rotated(s) && open_file(s) < 0))
		return false;
	return fstat(s->fd, &st) == 0 && st.st_size == 0;
}

static int write_file(struct sink *s, const char *data, size_t length)
{
	struct stat st;
	int r = is_rotated(s) ? open_file(s) : 0;

	if (r < 0 || fstat(s->fd, &st) < 0)
		return r ?: -errno;
	for (size_t done = 0; done < length;) {
		ssize_t n = write(s->fd, data + done, length - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
			/* No half of a line stays. */
			return ftruncate(s->fd, st.st_size) < 0 ? -EIO : r;
		}
		done += (size_t)n;
	}
	s->unsynced = true;
	return 0;
}

static int write_socket(struct sink *s, const char *data, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = send(s->fd, data + done, length - done, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_for(s, POLLOUT);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What nobody could send as it is goes by, and is counted; else a receiver that was set up wrongly loses nothing until it is set right. */
static bool is_hopeless(const struct otlp_answer *a)
{
	return a->outcome == OTLP_REFUSED &&
	       (a->status == 400 || a->status == 413 || a->status == 422);
}

static int write_request(struct sink *s, const char *data, size_t length, struct fault *reterr)
{
	otlp_post(s->poster, OTLP_LOGS, data, length, s->stop_fd, SINK_TIMEOUT_MS, &s->answer);
	if (s->answer.outcome == OTLP_STOPPED)
		return -ECANCELED;
	if (s->answer.outcome == OTLP_SENT || is_hopeless(&s->answer))
		return 0;
	return fault(reterr, -EREMOTEIO, "export.target", "%s: %s", s->to, s->answer.words);
}

uint64_t sink_rejected(const struct sink *s, uint64_t sent)
{
	if (is_hopeless(&s->answer) || s->answer.rejected > sent)
		return sent;
	return s->answer.rejected;
}

uint64_t sink_retry_after_ns(const struct sink *s)
{
	return s->answer.retry_after_ns;
}

int sink_write(struct sink *s, const char *data, size_t length, struct fault *reterr)
{
	int r;

	if (s->poster) {
		r = write_request(s, data, length, reterr);
		s->written += r < 0 ? 0 : length;
		return r;
	}
	r = s->kind == TARGET_FILE ? write_file(s, data, length) : write_socket(s, data, length);
	if (r < 0)
		return failed(s, r, reterr);
	s->written += length;
	return 0;
}

int sink_sync(struct sink *s, struct fault *reterr)
{
	char byte[256];
	ssize_t n;

	if (s->poster)
		return 0;
	if (s->kind == TARGET_FILE) {
		if (s->unsynced && fdatasync(s->fd) < 0)
			return failed(s, -errno, reterr);
		s->unsynced = false;
		return 0;
	}
	/* What a peer says is not for us; that it is gone shows here. */
	do
		n = recv(s->fd, byte, sizeof(byte), MSG_DONTWAIT);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n == 0 && s->stream)
		return failed(s, -ECONNRESET, reterr);
	if (n < 0 && errno != EAGAIN && errno != EINVAL && errno != ENOTCONN)
		return failed(s, -errno, reterr);
	return 0;
}

uint64_t sink_written(const struct sink *s)
{
	return s->written;
}

uint64_t sink_arrived(const struct sink *s)
{
	int waiting = 0;

	if (s->poster)
		return s->written;
	if (s->kind == TARGET_FILE)
		return s->unsynced ? 0 : s->written;
	if (s->stream && ioctl(s->fd, SIOCOUTQ, &waiting) < 0)
		return 0;
	return s->written - (uint64_t)waiting;
}
