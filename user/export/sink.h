/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a stream of records goes: a file, a datagram socket, a stream, or a receiver of OTLP. What is written is known to have arrived when the
 * file is on disk, when the peer's kernel acknowledged it, of datagrams when nothing came back, and of requests when the receiver said so.
 */
#ifndef EXPORT_SINK_H
#define EXPORT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/fault.h"

#define SINK_DATAGRAM_MAX 8192	/* bytes of a record by UDP or a datagram socket */
#define SINK_TIMEOUT_MS	  10000 /* in which something has to move */

struct sink;

/**
 * Open @to, see base/target.h; @headers_file is of a receiver of OTLP, NULL = none. Waits for a connection until @stop_fd is readable.
 * Faults: "export.target".
 */
int sink_open(const char *to, const char *headers_file, int stop_fd, struct sink **ret,
	      struct fault *reterr);
void sink_close(struct sink *s);
DEFINE_CLEANUP(struct sink *, sink_close)

bool sink_is_datagram(const struct sink *s);
bool sink_is_stream(const struct sink *s);
/* What is written at once is the body of a request. */
bool sink_is_receiver(const struct sink *s);
/* A file that is empty, or was just begun anew. */
bool sink_is_new(struct sink *s);
/** Write it all, or fail: then a file is as it was before. -ECANCELED: @stop_fd became readable. */
int sink_write(struct sink *s, const char *data, size_t length, struct fault *reterr);
/** Make durable what a file got; for others, see whether the peer is still there. */
int sink_sync(struct sink *s, struct fault *reterr);
/* Bytes written since it was opened, and how many of them arrived. */
uint64_t sink_written(const struct sink *s);
uint64_t sink_arrived(const struct sink *s);
/* Of @sent records that were written last, how many the receiver will not keep. */
uint64_t sink_rejected(const struct sink *s, uint64_t sent);
/* After a failure: how long the receiver wants to be left alone; 0 = it did not say. */
uint64_t sink_retry_after_ns(const struct sink *s);

#endif
