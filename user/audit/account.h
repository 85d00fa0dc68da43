/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Do the records add up? Heartbeats (audit.heartbeat) carry counters that never go back as long as the
 * datapath's maps live; the records between two of them must account for the difference, packet by
 * packet, also across a restart or a crash of the daemon. A heartbeat that is missing, counters that
 * began anew and a clock that jumped must have a record that says so. README.md has the equations.
 *
 * Reads records that are known to be whole, in their order. The accounts of two stretches of a log,
 * taken separately, can be joined: nothing is lost by that.
 */
#ifndef AUDIT_ACCOUNT_H
#define AUDIT_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/finding.h"
#include "audit/record.h"

#define ACCOUNT_REASONS_MAX    64
#define ACCOUNT_REASON_SIZE    32
#define ACCOUNT_SILENCE_MAX_NS 30000000000ULL /* three times the interval of heartbeats */
#define ACCOUNT_CLOCK_SLACK_NS 500000000ULL   /* more than slewing does between two commits */
#define ACCOUNT_RACE_PACKETS   4096	      /* counted while the counters were being read */

/* What a loss of events (weir/event.h) is called in audit.loss; every other cause is of packets that were taken. */
#define ACCOUNT_CAUSE_UNSEEN "over the event budget"

/* Packets by reason, as records have it. */
struct account_reasons {
	unsigned int count;
	struct {
		char name[ACCOUNT_REASON_SIZE];
		uint64_t packets;
	} of[ACCOUNT_REASONS_MAX];
};

struct account_beat {
	uint64_t index, beat, run, epoch, monotonic_ns;
	uint64_t dropped, settled, recorded, unseen;
	struct account_reasons reasons; /* recorded in this run */
	bool late;
};

/* What stands between two heartbeats. */
struct account_sums {
	uint64_t recorded, unseen; /* packets; of a reset, since then */
	struct account_reasons reasons;
	bool reset;    /* the counters began anew */
	bool replaced; /* the log was put back from a backup, records expired, or the counters carried over: they need not fit */
	bool hole;     /* the log could not be written, or records were refused */
};

struct account_commit {
	int64_t offset_ns; /* CLOCK_REALTIME - CLOCK_BOOTTIME */
	uint64_t index;
	bool excused; /* a record of it says that the clock was set, or that the daemon began */
};

struct account {
	uint64_t beats;
	struct account_beat first, last;   /* if beats > 0 */
	struct account_sums before, after; /* the first; the last */
	uint64_t commits;
	struct account_commit head[2],
		tail[2]; /* the first two; the last two, the very last first */
	bool excused;	 /* so far in the batch that is being read */
	int event; /* of the last record, as many in a row are of one kind; negative: none we know */
};

/* A member of `details` as weir writes them: a number, which may stand in a string, 0 if it is not there; */
uint64_t account_u64(const struct record_slice *details, const char *name);
/* a string that has nothing to unescape, empty if it is not there. */
struct record_slice account_string(const struct record_slice *details, const char *name);

void account_init(struct account *a);

/** Take the next record. -EBADMSG: it does not fit those before, as @ret_problem says. */
int account_record(struct account *a, uint64_t index, const struct record_slice *event_type,
		   const struct record_slice *details, struct audit_problem *ret_problem);
/* The next record expired: what it said cannot be told, so neither whether it adds up. */
void account_stub(struct account *a);
/** The batch ends here, with the clocks of its commit. @first: its first record. -EBADMSG as above. */
int account_commit(struct account *a, uint64_t first, uint64_t real_ns, uint64_t boot_ns,
		   struct audit_problem *ret_problem);
/** @right continues @left, which becomes the account of both. -EBADMSG: they do not fit. */
int account_join(struct account *left, const struct account *right,
		 struct audit_problem *ret_problem);

#endif
