/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Listening sockets, and the checks that a path is ours to listen on. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "api/http.h"
#include "base/fs.h"
#include "base/text.h"

#define LISTEN_BACKLOG 4096 /* somebody's many connections must not keep others from the queue */

static int own_parent(const char *path, struct fault *reterr)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return 0;
	snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	return fs_own_directory(parent, 0755, reterr);
}

/* Whether somebody answers at @address. */
static bool is_alive(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

static int remove_stale(const struct sockaddr_un *address, struct fault *reterr)
{
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT
			       ? 0
			       : fault(reterr, -errno, "http.socket", "cannot look at %s: %s",
				       address->sun_path, strerror(errno));
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return fault(reterr, -EEXIST, "http.socket",
			     "%s exists and is not a socket of ours: it is left alone",
			     address->sun_path);
	if (is_alive(address))
		return fault(reterr, -EADDRINUSE, "http.socket",
			     "another daemon answers at %s: choose another --socket or stop it",
			     address->sun_path);
	if (unlink(address->sun_path) < 0)
		return fault(reterr, -errno, "http.socket", "cannot remove the stale %s: %s",
			     address->sun_path, strerror(errno));
	return 0;
}

int http_listen_unix(const char *path, int *ret_fd, struct fault *reterr)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int r;

	if (fd < 0)
		return fault(reterr, -errno, "http.socket", "no socket: %s", strerror(errno));
	if (strlen(path) >= sizeof(address.sun_path))
		return fault(reterr, -ENAMETOOLONG, "http.socket",
			     "%s is longer than the %zu bytes of a socket's path", path,
			     sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	r = own_parent(path, reterr);
	if (r == 0)
		r = remove_stale(&address, reterr);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0666) < 0 ||
	    listen(fd, LISTEN_BACKLOG) < 0)
		return fault(reterr, -errno, "http.socket", "cannot listen at %s: %s", path,
			     strerror(errno));
	*ret_fd = take_fd(&fd);
	return 0;
}

static int parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_size)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN];
	uint32_t port;
	size_t length;

	if (!colon || parse_u32(colon + 1, 1, 65535, &port) < 0)
		return -EINVAL;
	length = (size_t)(colon - text);
	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	}
	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		*ret_size = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		return -EINVAL;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)port);
	*ret_size = sizeof(*v6);
	return 0;
}

int http_listen_tcp(const char *text, int *ret_fd, struct fault *reterr)
{
	struct sockaddr_storage address;
	socklen_t size;
	const int one = 1;
	_cleanup_close_ int fd = -1;
	int r = parse_address(text, &address, &size);

	if (r < 0)
		return fault(reterr, r, "http.listen",
			     "'%s' is no ADDRESS:PORT, such as 127.0.0.1:9477 or [::1]:9477", text);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		return fault(reterr, -errno, "http.listen", "cannot listen at %s: %s", text,
			     strerror(errno));
	*ret_fd = take_fd(&fd);
	return 0;
}
