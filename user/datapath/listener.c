/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "datapath/listener.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/listener.skel.h"

#define FRAME_BYTES  14 /* the kernel runs no shorter one */
#define STATE_LISTEN 10

struct listener {
	struct listener_bpf *skeleton;
};

const char *listener_cookie_to_str(enum listener_cookie cookie)
{
	static const char *const words[] = {
		[LISTENER_UNKNOWN] = "unknown", [LISTENER_NONE] = "no_listener",
		[LISTENER_OFF] = "off",		[LISTENER_HAS_ROOM] = "has_room",
		[LISTENER_IS_FULL] = "no_room", [LISTENER_WANTS] = "answered",
	};

	_Static_assert(ARRAY_SIZE(words) == LISTENER_COOKIE_MAX, "an answer has no word");
	return words[cookie];
}

int listener_open(struct listener **ret)
{
	_cleanup_(listener_closep) struct listener *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->skeleton = listener_bpf__open();
	if (!l->skeleton)
		return -errno;
	r = listener_bpf__load(l->skeleton);
	if (r < 0)
		return r;
	*ret = take_ptr(l);
	return 0;
}

void listener_close(struct listener *l)
{
	if (!l)
		return;
	listener_bpf__destroy(l->skeleton);
	free(l);
}

enum listener_cookie listener_judge(const struct weir_listener *found)
{
	if (found->state != STATE_LISTEN)
		return LISTENER_NONE;
	if (!found->cookies)
		return LISTENER_OFF;
	if (found->cookies != 2) {
		if (found->half_open < found->backlog)
			return LISTENER_HAS_ROOM;
		/* Kernels differ in whether that is full; it is while one more is half-open. */
		if (found->half_open == found->backlog)
			return LISTENER_UNKNOWN;
	}
	return found->waiting > found->backlog ? LISTENER_IS_FULL : LISTENER_WANTS;
}

enum listener_cookie listener_ask(struct listener *l, const uint8_t tuple[static WEIR_TUPLE_BYTES],
				  uint32_t size)
{
	const uint8_t frame[FRAME_BYTES] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);
	struct listener_bpf *k = l->skeleton;

	memcpy(k->bss->weir_tuple, tuple, sizeof(k->bss->weir_tuple));
	k->bss->weir_tuple_size = size;
	if (bpf_prog_test_run_opts(bpf_program__fd(k->progs.weir_listen), &options) < 0)
		return LISTENER_UNKNOWN;
	return listener_judge(&k->bss->weir_found);
}
