/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a packet under several limits, by two clocks: the model of a limit (model.h), and the rule
 * which clock is asked. A packet's time is the coarse clock's, or the latest exact time that this CPU has
 * read, if that is later. It becomes exact, for all limits from then on,
 *
 *   - when a limit would refuse and its state may be at rest by now: it is asked once more;
 *   - when a limit is charged whose state may be at rest by now,
 *
 * and a state may be at rest by now if there is none, if the packet's time is less than a tick from the
 * moment at which the state changes by itself, or if the limit is precise: too short for the coarse clock.
 *
 * All limits are asked first, in their order, and then charged in the same order. Who finds that another
 * CPU charged in between asks again, and if that is refused, what was charged before is given back.
 */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include "model.h"

#define ORACLE_KEYS   8
#define ORACLE_NOBODY 0xff

struct oracle {
	const struct weir_policy *policy;
	struct model of[WEIR_LIMITS_PER_PACKET][ORACLE_KEYS];
	uint64_t passed[WEIR_LIMITS_PER_PACKET];
	model_time latest; /* exact time that was read, if any was */
	bool has_latest;
};

struct oracle_packet {
	model_time coarse, exact;
	uint32_t key; /* of its source; what is not limited by source has key 0 */
	uint32_t class, length;
	/* Another CPU takes units, by the exact time, just before this limit is charged. */
	uint32_t rival;
	uint64_t rival_units;
};

struct oracle_answer {
	int reason;
	uint32_t limit; /* that refused, or PACKET_NO_LIMIT */
	bool raced;	/* the rival was admitted */
};

void oracle_init(struct oracle *o, const struct weir_policy *policy);
void oracle_decide(struct oracle *o, const struct oracle_packet *packet, struct oracle_answer *ret);
/** The state that is charged for the source @key under @limit. */
struct model *oracle_state(struct oracle *o, uint32_t limit, uint32_t key);
/** Whether packets of @class are counted by @limit, and as how many units. */
bool oracle_applies(const struct weir_policy *policy, uint32_t limit, uint32_t class);
uint64_t oracle_units(const struct weir_limit *limit, uint32_t class, uint32_t length);
/** What rests @now is forgotten, as if its cell were taken. */
void oracle_forget(struct oracle *o, uint32_t key, model_time now);

#endif
