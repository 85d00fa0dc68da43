/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How risky what is recorded is: `details.risk` of records, and what they make of their sources. On the recorder's
 * thread; the formulas are user/risk's.
 */
#ifndef ENGINE_RISK_H
#define ENGINE_RISK_H

#include "audit/record.h"
#include "base/fault.h"
#include "events/events.h"
#include "policy/policy.h"
#include "risk/sources.h"

#define ENGINE_RISK_TEXT_SIZE	     384
#define ENGINE_RISK_RESTORED_MAX     10000 /* records that are looked at when the daemon starts */
#define ENGINE_RISK_EVENT_CONFIDENCE 80	   /* in what the daemon concludes from its own counters */

_Static_assert(RISK_ASSET_MIN == POLICY_ASSET_MIN && RISK_ASSET_NEUTRAL == POLICY_ASSET_NEUTRAL &&
		       RISK_ASSET_MAX == POLICY_ASSET_MAX,
	       "a weight that a policy may give is one that a score takes");

/**
 * Add the risk of a window to the record's details, kept in @text: of the drop itself and, unless it is one of
 * other sources, what it makes of the source, which goes to @ret_change (else zeroed). @limit is "" if none is
 * concerned, @asset the weight of what it is about.
 */
void engine_risk_of_window(struct risk_sources *sources, const struct events_window *w,
			   const char *limit, unsigned int asset, struct audit_record *record,
			   struct audit_details *details, char text[static ENGINE_RISK_TEXT_SIZE],
			   struct risk_change *ret_change);
/** Add that of an event of the category security, which has no source. */
void engine_risk_of_event(const struct audit_record *record, struct audit_details *details,
			  char text[static ENGINE_RISK_TEXT_SIZE]);
/**
 * Take back from the last records of the log in @chain_dir what they say of their sources. What cannot be read is
 * left out, and so is a source that is sealed and that @opener (may be NULL) does not open: it then begins anew.
 */
void engine_risk_restore(struct risk_sources *sources, const char *chain_dir,
			 const struct personal_opener *opener);

#endif
