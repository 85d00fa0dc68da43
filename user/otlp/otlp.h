/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Spans and metrics on their way to a receiver of OTLP/HTTP. A thread sends them, in batches, and tries again as long as the receiver may
 * come back; nobody who hands something over ever waits. Memory is bounded: when the receiver is away for long, new spans are refused
 * and counted, and of metrics only the latest are kept, as sums go on.
 */
#ifndef OTLP_OTLP_H
#define OTLP_OTLP_H

#include "otlp/post.h"
#include "otlp/span.h"

#define OTLP_ENDPOINT_SIZE  256
#define OTLP_QUEUE_SPANS    2048
#define OTLP_QUEUE_BYTES    (4U << 20)
#define OTLP_BATCH_SPANS    512
#define OTLP_BATCH_BYTES    (1U << 20)
#define OTLP_BATCH_MS	    1000 /* a span waits so long for others */
#define OTLP_BACKOFF_MS	    500	 /* the first time, then twice as long */
#define OTLP_BACKOFF_MAX_MS 30000
#define OTLP_LAST_MS	    1000 /* when it ends, for what is left */

struct otlp_options {
	const char *endpoint, *headers_file; /* NULL = no headers */
	struct otlp_resource resource;
	/* The receiver failed, or takes things again. On the thread that sends; has to copy. */
	void (*changed)(bool failing, const char *endpoint, const char *words, void *userdata);
	void *userdata;
};

struct otlp_stats {
	char endpoint[OTLP_ENDPOINT_SIZE];
	bool failing;
	char because[200];
	uint64_t errors;       /* requests that failed */
	uint64_t spans_queued; /* those on their way included */
	uint64_t spans_sent, spans_dropped, spans_rejected;
	uint64_t metrics_sent, metrics_dropped; /* requests, with all metrics in each */
	uint64_t points_rejected;
};

struct otlp;

/** Faults: otlp.endpoint, otlp.memory, otlp.start. */
int otlp_open(const struct otlp_options *options, struct otlp **ret, struct fault *reterr);
/* Unless the receiver fails, what is left is sent in OTLP_LAST_MS. Accepts NULL. */
void otlp_close(struct otlp *o);
DEFINE_CLEANUP(struct otlp *, otlp_close)

/* Hand over: copied, or counted as dropped. Any thread. */
void otlp_send_span(struct otlp *o, const struct otlp_span *s);
/* Hand over @points, what goes between head and tail, whose memory is taken: any thread. */
void otlp_send_metrics(struct otlp *o, struct text *points);
void otlp_get_stats(struct otlp *o, struct otlp_stats *ret);

#endif
