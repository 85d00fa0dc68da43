/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Continuous export: a thread per target reads the log behind the writer and sends on what the target is to have. The log itself is the queue: where a target is stands
 * in a file of its own (its cursor), so that a slow or absent one loses nothing and holds nobody up.
 *
 * A record is sent at least once. The cursor moves on when records arrived (see sink.h), of sockets SHIP_SETTLE_NS later: what a peer had in its buffers when it
 * died is sent again. A receiver tells doubles by the index and the event id.
 */
#ifndef EXPORT_SHIP_H
#define EXPORT_SHIP_H

#include "audit/record.h"
#include "base/clock.h"
#include "export/format.h"

#define SHIP_TARGETS_MAX    8
#define SHIP_NAME_MAX	    32
#define SHIP_SETTLE_NS	    (2 * NSEC_PER_SEC)
#define SHIP_BACKOFF_MAX_NS (30 * NSEC_PER_SEC)

struct ship_target {
	const char *name;	   /* of [a-z0-9_-]; also that of its cursor */
	enum export_format format; /* a line per record: not EXPORT_JSON */
	const char *to;		   /* see base/target.h; of HTTP(S) only EXPORT_OTLP */
	uint32_t categories;	   /* as in a query */
	unsigned int min_severity;
	const char *headers_file; /* of HTTP(S), see otlp/post.h; NULL = none */
};

struct shipper;

struct shipper_options {
	const char *audit_dir, *cursor_dir;
	const struct personal_opener *opener; /* outlives it; NULL: what is sealed stays so */
	/* A target failed, or takes records again. Called on its thread; has to copy. */
	void (*record)(const struct audit_record *record, void *userdata);
	void *userdata;
	const struct otlp_resource *resource; /* who sends by OTLP; copied */
};

struct ship_stats {
	char name[SHIP_NAME_MAX + 1], to[128];
	const char *format;
	bool failing;
	char because[256];
	uint64_t next;	    /* index of the record that is sent next */
	uint64_t confirmed; /* all before it arrived */
	uint64_t sent;	    /* records, by this process, doubles included */
	uint64_t errors;
	uint64_t shortened; /* records too long for a datagram, sent without their details */
	uint64_t rejected;  /* records that the target took and said it will not keep */
};

/** -ENOMEM; fs.* if the directory of the cursors cannot be made. */
int shipper_new(const struct shipper_options *options, struct shipper **ret, struct fault *reterr);
/**
 * Send to these from now on, and to no others. Those that stay as they are go on undisturbed. -EAGAIN "export.start": some could not be started.
 */
int shipper_configure(struct shipper *s, const struct ship_target *targets, size_t count,
		      struct fault *reterr);
/* End the threads, keep the cursors. Accepts NULL. */
void shipper_free(struct shipper *s);
/** How many targets there are; what of each is in @ret. */
size_t shipper_get_stats(struct shipper *s, struct ship_stats ret[static SHIP_TARGETS_MAX]);

#endif
