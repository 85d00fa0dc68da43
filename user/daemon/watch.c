/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Only that something changed is taken from the kernel's messages, so none of them is parsed, and a
 * queue that ran over is a message like any other. */
#include "daemon/watch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define READS_MAX 64 /* at a time: what is left wakes us again */

static void on_news(uv_poll_t *handle, int status, int events)
{
	struct watch *w = handle->data;
	char message[8192];

	(void)events;
	if (status < 0)
		return;
	for (int i = 0; i < READS_MAX; i++)
		if (recv(w->fd, message, sizeof(message), MSG_DONTWAIT) < 0 && errno != ENOBUFS)
			break;
	w->changed(w->userdata);
}

int watch_start(struct watch *w, uv_loop_t *loop, void (*changed)(void *userdata), void *userdata)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK,
	};
	_cleanup_close_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int r;

	w->fd = -1;
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	r = uv_poll_init(loop, &w->poll, fd);
	if (r < 0)
		return r;
	w->fd = take_fd(&fd);
	w->changed = changed;
	w->userdata = userdata;
	w->poll.data = w;
	return uv_poll_start(&w->poll, UV_READABLE, on_news);
}

void watch_stop(struct watch *w)
{
	if (w->fd < 0)
		return;
	uv_close((uv_handle_t *)&w->poll, NULL);
	close_fdp(&w->fd);
	w->fd = -1;
}
