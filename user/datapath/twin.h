/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The verdict on a packet that nobody sent. The program that is attached is loaded once more, the same object with
 * the same settings, and run on the packet: a twin. It reads the live policy, lists and prefixes where they are, and
 * has everything that the program writes to itself: limits' state as a copy of what concerns the packet, and counters, notes
 * and the ring of its own. So what it decides is what the program would decide, and nothing comes of it.
 */
#ifndef DATAPATH_TWIN_H
#define DATAPATH_TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/policy.h>
#include <weir/sample.h>
#include <weir/vocabulary.h>

#include "base/address.h"
#include "base/fault.h"
#include "datapath/datapath.h"
#include "datapath/listener.h"

#define TWIN_FRAME_MIN 14   /* bytes; the kernel runs no shorter one */
#define TWIN_FRAME_MAX 9216 /* a jumbo frame */
#define TWIN_NO_LIMIT  UINT32_MAX
#define TWIN_NEVER     UINT64_MAX

enum twin_finding {
	TWIN_NOT_MEANT,	   /* the limit does not apply to the packet */
	TWIN_NOT_ASKED,	   /* it does, but another one had refused the packet before */
	TWIN_ROLLED_OUT,   /* it does, but is tried out on other sources */
	TWIN_HAD_ROOM,	   /* and was charged, as it would have been */
	TWIN_REFUSED,	   /* it is the one that refused the packet */
	TWIN_WOULD_REFUSE, /* it only watches */
	TWIN_FINDING_MAX,
};

const char *twin_finding_to_str(enum twin_finding finding); /* "had_room" */

struct twin_limit {
	enum twin_finding finding;
	bool shares_cell; /* there was no room for the source: it shares a cell with its neighbours */
	bool no_room;	  /* not even for that: on_full decided */
	bool has_bucket;
	struct datapath_bucket
		bucket; /* wait_ns: until this packet passes; TWIN_NEVER: it is too much */
};

struct twin_verdict {
	unsigned int verdict; /* enum weir_verdict */
	unsigned int reason;  /* enum weir_reason */
	/* The kernel would be asked for a SYN cookie. It is not asked here, as the listener would take note: the verdict is the
	 * one that goes with this, or if it is not known, the one without. */
	bool asks_cookie;
	enum listener_cookie cookie;
	uint32_t generation; /* 0 = no policy */
	uint32_t refused;    /* number of the limit that did, or TWIN_NO_LIMIT */
	uint32_t tenant;     /* number; 0 = none, or it was not looked for */
	bool listed;	     /* an entry decided: */
	struct prefix entry;
	bool sampled; /* what the parser made of it; only while packets are sampled */
	struct weir_sample sample;
	size_t limit_count;
	struct twin_limit limits[WEIR_LIMITS_MAX]; /* by number, as in datapath_limits() */
};

struct twin_question {
	const uint8_t *frame;
	size_t length; /* TWIN_FRAME_MIN to TWIN_FRAME_MAX */
	/* Of it, as in struct packet; zero if it has none. */
	uint8_t source[16], destination[16];
	bool is_ip6;
	unsigned int class; /* enum weir_class */
};

/**
 * What would become of the frame. The first time, and after each change of the program, it is loaded, which takes
 * some tenths of a second; from then on it takes a millisecond or so. Faults: datapath.load, datapath.twin (-EBUSY:
 * cells are being moved; -EINVAL: the frame's addresses are not those that were named; -EPERM: the twin would share
 * what it may write).
 */
int datapath_judge(struct datapath *d, const struct twin_question *question,
		   struct twin_verdict *ret, struct fault *reterr);

#endif
