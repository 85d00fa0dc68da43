/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one door: what the command line and everybody else can ask of a running weir, as HTTP and JSON.
 * What can be asked stands in route.def, who may ask in identity/.
 */
#ifndef API_API_H
#define API_API_H

#include <uv.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "engine/engine.h"

struct api;

struct api_options {
	uv_loop_t *loop;
	const char *socket_path;
	const char *metrics_address; /* NULL = no TCP listener */
	void (*detached)(
		void *userdata); /* enforcement was ended on request: the daemon has no job */
	void *userdata;
};

/**
 * Take the sockets. That another daemon answers there shows before anything is enforced; who connects
 * has to wait until api_serve().
 */
int api_open(const struct api_options *options, struct api **ret, struct fault *reterr);
/** Answer requests about @engine. On failure only api_stop() makes sense. */
int api_serve(struct api *a, struct engine *engine, struct fault *reterr);
/* Put the metrics together for engine_put_metrics(): what is scraped, from the same figures. */
void api_measure(struct api *a);
/* End what is being done for clients on other threads, while the engine is still there; then the engine may stop.
 * Accepts NULL. */
void api_quiesce(struct api *a);
/* The engine's recorder must have stopped before. Finishes when the loop runs next. Accepts NULL. */
void api_stop(struct api *a);

#endif
