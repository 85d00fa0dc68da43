/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* News of interfaces of our network namespace, from the kernel (rtnetlink). */
#ifndef DAEMON_WATCH_H
#define DAEMON_WATCH_H

#include <uv.h>

struct watch {
	uv_poll_t poll;
	int fd; /* -1 = none */
	void (*changed)(void *userdata);
	void *userdata;
};

/**
 * Call @changed on @loop whenever interfaces came, went or changed; once for many at a time. What did has to
 * be asked of the kernel: messages may be lost. -errno: there is no such news, ask by the clock.
 */
int watch_start(struct watch *w, uv_loop_t *loop, void (*changed)(void *userdata), void *userdata);
void watch_stop(struct watch *w);

#endif
