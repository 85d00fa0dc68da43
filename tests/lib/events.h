/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the maker of events and who drives it have in common. */
#ifndef TESTS_EVENTS_H
#define TESTS_EVENTS_H

#include <weir/types.h>

#define EVENTS_RING_BYTES (64U << 20) /* a second's worth: an fsync may take long on a busy disk */
#define EVENTS_PER_RUN	  1000
#define EVENTS_BASE	  0x0a000000
#define EVENTS_SOURCES	  20000 /* more than windows are kept apart */
#define EVENTS_PACKETS	  3	/* that each stands for */
#define EVENTS_REASON	  17	/* WEIR_REASON_OVER_PACKETS */
#define EVENTS_VERDICT	  1	/* WEIR_VERDICT_DROP */

struct events_made {
	__u64 offered, lost, lost_packets;
};

#endif
