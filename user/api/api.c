/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sockets, and what answers on them. */
#include <errno.h>
#include <unistd.h>

#include "api/internal.h"
#include "api/job.h"
#include "api/trace.h"

static void api_free(struct api *a)
{
	close_fdp(&a->control_fd);
	close_fdp(&a->metrics_fd);
	jobs_free(a->jobs);
	tracing_free(a->tracing);
	idempotency_free(a->in_flight);
	free(a);
}
DEFINE_CLEANUP(struct api *, api_free)

int api_open(const struct api_options *options, struct api **ret, struct fault *reterr)
{
	_cleanup_(api_freep) struct api *a = calloc(1, sizeof(*a));
	int r = 0;

	if (!a)
		return fault(reterr, -ENOMEM, "http.start", "out of memory");
	a->options = *options;
	a->control_fd = a->metrics_fd = -1;
	meter_init(&a->meter);
	if (options->metrics_address)
		r = http_listen_tcp(options->metrics_address, &a->metrics_fd, reterr);
	if (r == 0)
		r = http_listen_unix(options->socket_path, &a->control_fd, reterr);
	if (r < 0)
		return r;
	*ret = take_ptr(a);
	return 0;
}

/* Start a server at *@fd, which is its own from then on. */
static int serve(struct http_options *http, int *fd, struct http_server **ret, struct fault *reterr)
{
	int r;

	http->listen_fd = *fd;
	r = http_start(http, ret, reterr);
	if (r == 0)
		*fd = -1;
	return r;
}

int api_serve(struct api *a, struct engine *engine, struct fault *reterr)
{
	struct http_options http = {
		.loop = a->options.loop,
		.handle = entry_control,
		.hold = entry_hold,
		.released = entry_released,
		.completed = entry_completed,
		.userdata = a,
	};
	int r;

	_Static_assert(IDENTITY_ROLE_MAX <= HTTP_GROUPS_MAX, "http_peer.groups is a set of roles");
	for (enum identity_role i = 0; i < IDENTITY_ROLE_MAX; i++)
		http.groups[i] = identity_role_group(i);
	a->engine = engine;
	r = jobs_new(a, &a->jobs, reterr);
	if (r == 0)
		r = tracing_new(a, &a->tracing, reterr);
	if (r < 0)
		return r;
	r = serve(&http, &a->control_fd, &a->control, reterr);
	if (r < 0 || a->metrics_fd < 0)
		return r;
	http.handle = entry_metrics;
	http.completed = NULL;
	return serve(&http, &a->metrics_fd, &a->metrics, reterr);
}

void api_quiesce(struct api *a)
{
	if (!a)
		return;
	jobs_stop(a->jobs);
	tracing_stop(a->tracing);
}

void api_stop(struct api *a)
{
	if (!a)
		return;
	unlink(a->options.socket_path);
	http_stop(a->control);
	http_stop(a->metrics);
	api_free(a);
}
