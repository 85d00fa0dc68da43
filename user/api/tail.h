/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * GET /events: records as they come. The log itself is the queue: each client has its place in it and one buffer, so
 * that a slow one costs nothing and can go on where it was. One that fell too far behind is told how many it missed.
 */
#ifndef API_TAIL_H
#define API_TAIL_H

#include "base/clock.h"
#include "base/fault.h"

#define TAILS_MAX	  8
#define TAILS_USER_MAX	  2
#define TAIL_LAG_MAX	  4096 /* records that one who was up to date may fall behind */
#define TAIL_HEARTBEAT_NS (15 * NSEC_PER_SEC)

struct api;
struct tails;

int tails_new(struct api *a, struct tails **ret, struct fault *reterr);
/* End all streams, while the engine is still there. Accepts NULL. */
void tails_stop(struct tails *tails);
/* After that. Finishes when the loop runs next. Accepts NULL. */
void tails_free(struct tails *tails);

#endif
