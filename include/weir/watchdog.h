/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The watchdog: once a second it asks what share of the packets that came as far as the limits they refused.
 * If that stays above the policy's cap for as long as the policy says, the mode falls to monitor, so that
 * a limit with a typing error cannot cut a host off; it comes back when the share has been below the cap
 * for long enough. It runs in the kernel, by a timer that the pinned map keeps alive, with a daemon or
 * without one. Here is the arithmetic, which tests run on clocks of their own.
 */
#ifndef WEIR_WATCHDOG_H
#define WEIR_WATCHDOG_H

#include <weir/types.h>

#define WEIR_WATCHDOG_PERIOD_NS WEIR_NSEC_PER_SEC
#define WEIR_WATCHDOG_NOTES	16 /* kept until a daemon records them; a power of two */

enum weir_watchdog_event {
	WEIR_WATCHDOG_NONE,
	WEIR_WATCHDOG_TRIPPED,
	WEIR_WATCHDOG_RECOVERED,
};

/* What happened, for the daemon to record. */
struct weir_watchdog_note {
	__u64 at_ns;	/* CLOCK_MONOTONIC */
	__u64 examined; /* packets in the last interval, and those refused of them */
	__u64 refused;
	__u32 event;	  /* enum weir_watchdog_event */
	__u32 generation; /* of the policy in force */
};
WEIR_LAYOUT(struct weir_watchdog_note, 32);

struct weir_watchdog {
	/* By userspace. One look may see some of it new and some of it old. */
	__u32 enabled;
	__u32 drop_permille; /* of the packets examined: refused as many or more is too many */
	__u64 hold_ns;	     /* for so long, and the watchdog trips */
	__u64 recover_ns;    /* not for so long, and it recovers */
	__u64 minimum;	     /* packets per second; fewer than these tell nothing */
	__u64 recorded;	     /* of `noted`, those that have an audit record */

	/* By the watchdog. */
	__u64 looked_ns; /* CLOCK_MONOTONIC; 0 = not yet */
	__u64 examined;	 /* sums, as of then */
	__u64 refused;
	__u64 since_ns; /* what would change the state holds since then; 0 = does not hold */
	__u32 generation;
	__u32 tripped;
	__u64 last_examined; /* in the last interval that was judged */
	__u64 last_refused;
	__u64 noted; /* number n is in notes[n % WEIR_WATCHDOG_NOTES] */
	__u64 _pad;
	struct weir_watchdog_note notes[WEIR_WATCHDOG_NOTES];
};
WEIR_LAYOUT(struct weir_watchdog, 112 + 32 * WEIR_WATCHDOG_NOTES);

/* What a look found: sums since ever, of the policy in force. */
struct weir_watchdog_look {
	__u64 now_ns; /* CLOCK_MONOTONIC */
	__u64 examined;
	__u64 refused;
	__u32 generation;
	__u32 idle; /* nothing is enforced: the policy says so, or an operator */
};

static inline void weir_watchdog_note(struct weir_watchdog *w,
				      const struct weir_watchdog_look *look, __u32 event)
{
	struct weir_watchdog_note *note = &w->notes[w->noted & (WEIR_WATCHDOG_NOTES - 1)];

	note->at_ns = look->now_ns;
	note->examined = w->last_examined;
	note->refused = w->last_refused;
	note->event = event;
	note->generation = look->generation;
	*(volatile __u64 *)&w->noted = w->noted + 1; /* the note before its number */
}

/** Judge the time since the last look. Returns what happened. */
static inline __u32 weir_watchdog_step(struct weir_watchdog *w,
				       const struct weir_watchdog_look *look)
{
	__u64 began_ns = w->looked_ns, examined = look->examined - w->examined;
	__u64 refused = look->refused - w->refused;
	/* Sums of another policy's limits cannot be compared. */
	int comparable = began_ns && w->generation == look->generation && look->now_ns > began_ns &&
			 look->examined >= w->examined && look->refused >= w->refused;
	__u64 wait_ns;
	int over;

	w->looked_ns = look->now_ns;
	w->examined = look->examined;
	w->refused = look->refused;
	w->generation = look->generation;
	if (look->idle) {
		w->since_ns = 0;
		return WEIR_WATCHDOG_NONE;
	}
	if (!comparable)
		return WEIR_WATCHDOG_NONE;
	w->last_examined = examined;
	w->last_refused = refused;
	over = refused && refused * 1000 >= examined * w->drop_permille &&
	       examined * WEIR_NSEC_PER_SEC >= w->minimum * (look->now_ns - began_ns);
	if (over == !!w->tripped) {
		w->since_ns = 0;
		return WEIR_WATCHDOG_NONE;
	}
	if (!w->since_ns)
		w->since_ns = began_ns;
	wait_ns = w->tripped ? w->recover_ns : w->hold_ns;
	if (look->now_ns - w->since_ns < wait_ns)
		return WEIR_WATCHDOG_NONE;
	w->since_ns = 0;
	w->tripped = !w->tripped;
	weir_watchdog_note(w, look, w->tripped ? WEIR_WATCHDOG_TRIPPED : WEIR_WATCHDOG_RECOVERED);
	return w->tripped ? WEIR_WATCHDOG_TRIPPED : WEIR_WATCHDOG_RECOVERED;
}

#endif
