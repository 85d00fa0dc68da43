/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* GET /trace: packets one by one, as they come, and DELETE, which ends that with a line that says what came of it. */
#ifndef API_TRACE_H
#define API_TRACE_H

#include "base/clock.h"
#include "base/fault.h"

#define TRACE_HEARTBEAT_NS (2 * NSEC_PER_SEC) /* with nothing to say */

struct api;
struct tracing;

int tracing_new(struct api *a, struct tracing **ret, struct fault *reterr);
/* End a trace, while the engine is still there. Accepts NULL. */
void tracing_stop(struct tracing *tracing);
/* After that. Finishes when the loop runs next. Accepts NULL. */
void tracing_free(struct tracing *tracing);

#endif
