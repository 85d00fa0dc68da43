/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The recorder: one thread that owns the event ring and the audit chain. It drains, aggregates and
 * chains, so that an fsync never delays control and a slow disk never delays draining by more than
 * one commit. Others hand it records; it never hands anything back but counts and the news that a
 * record is durable.
 *
 * Accounting: each dropped packet is in exactly one durable record (a window, or an audit.loss that
 * says how many were lost, suppressed, or died with a crashed daemon), or still on its way there.
 */
#ifndef ENGINE_RECORDER_H
#define ENGINE_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/policy.h>

#include "audit/chain.h"
#include "audit/record.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "events/events.h"
#include "metrics/histogram.h"
#include "risk/sources.h"

#define RECORDER_QUEUE_MAX	    4096 /* records and barriers that wait */
#define RECORDER_DRAIN_MSEC	    50
#define RECORDER_GATHER_MSEC	    5 /* that a record nobody waits for does */
#define RECORDER_GATHER_MAX	    512
#define RECORDER_HARVEST_MSEC	    500
#define RECORDER_WINDOW_MSEC	    5000
#define RECORDER_SOURCE_WINDOWS_MAX 64

struct recorder;

struct recorder_options {
	struct events_source events;
	const char *chain_dir;
	const struct personal_keeper *keeper; /* called on the recorder's thread */
	const struct personal_opener
		*opener; /* for what the log says of sources; by recorder_start() */
	/* What the datapath lost and suppressed so far. Called on the recorder's thread; so is the next. */
	int (*event_counts)(struct weir_event_count *ret, void *userdata);
	/* The name of a limit's slot, copied to @ret; returns how much matters what it is about. */
	unsigned int (*limit_name)(uint16_t slot, char ret[static WEIR_NAME_BYTES + 1],
				   void *userdata);
	/* Something completed: call recorder_completions() on the thread that owns the recorder. */
	void (*wake)(void *userdata);
	void *userdata;
};

struct recorder_stats {
	uint64_t records;		  /* length of the chain */
	uint64_t commits;		  /* by this daemon */
	struct histogram commit_duration; /* microseconds, of failed attempts, too */
	uint64_t lost;			  /* records refused because the disk was */
	uint64_t pending;		  /* appended, not durable */
	bool degraded;			  /* it is not, or only at the cost of the reserve */
	uint64_t windows;		  /* open */
	uint64_t pending_packets;	  /* in open windows */
	char last_hash[AUDIT_HASH_TEXT];
	char degraded_because[256];
};

/**
 * Open the chain, record what it was found to be, and start the thread. Errors are those of
 * chain_open() and events_open().
 */
int recorder_start(const struct recorder_options *options, struct recorder **ret,
		   struct fault *reterr);
/** Drain and record everything, commit, end the thread. 0: all is durable. Frees @r. */
int recorder_stop(struct recorder *r);

/* How the chain was found, one sentence; "" if there is nothing to say. */
const char *recorder_origin_words(const struct recorder *r);
/* There was none: nobody recorded anything here before. */
bool recorder_is_first(const struct recorder *r);

/**
 * Queue a copy of @record. -ENOBUFS: RECORDER_QUEUE_MAX are waiting; it is lost, and counted.
 * The time of the record is the time of this call unless it states one.
 */
int recorder_submit(struct recorder *r, const struct audit_record *record);

/**
 * Call @fn once everything submitted before is durable, or at once with @durable false if the disk
 * refuses; by recorder_completions(), on the owner's thread.
 */
int recorder_when_durable(struct recorder *r, void (*fn)(bool durable, void *userdata),
			  void *userdata);
void recorder_completions(struct recorder *r);

/** Keep each event, too, or no longer (user/audit/evidence.h). Takes effect with the next window. */
void recorder_keep_events(struct recorder *r, bool keep);

/* What is recorded from now on, or a little before, stands in a new segment; with the next record. Any thread. */
void recorder_rotate(struct recorder *r);

void recorder_get_stats(struct recorder *r, struct recorder_stats *ret);
/** What was dropped of @source lately, this window and the one before. Returns how many. */
size_t recorder_of_source(struct recorder *r, const uint8_t source[static 16],
			  struct events_window ret[static RECORDER_SOURCE_WINDOWS_MAX]);
/* What risk_sources_list(), _get() and _count() say at this moment. */
size_t recorder_risk_list(struct recorder *r, enum risk_level level, struct risk_source *ret,
			  size_t size);
bool recorder_risk_of(struct recorder *r, const uint8_t source[static 16], struct risk_source *ret);
void recorder_risk_count(struct recorder *r, uint64_t ret[static RISK_LEVEL_MAX]);

#endif
