/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "oracle.h"

#include <weir/vocabulary.h>

#define NO_LIMIT 0xff

/* The packet's time, as it stands. */
struct moment {
	model_time now;
	bool exact;
};

void oracle_init(struct oracle *o, const struct weir_policy *policy)
{
	*o = (struct oracle){.policy = policy};
	for (uint32_t i = 0; i < policy->limit_count; i++)
		for (uint32_t key = 0; key < ORACLE_KEYS; key++)
			model_init(&o->of[i][key], &policy->limits[i]);
}

struct model *oracle_state(struct oracle *o, uint32_t limit, uint32_t key)
{
	return &o->of[limit][o->policy->limits[limit].key_parts & WEIR_KEY_SOURCE ? key : 0];
}

bool oracle_applies(const struct weir_policy *policy, uint32_t limit, uint32_t class)
{
	return policy->limits[limit].unit != WEIR_UNIT_CONNECTIONS || class == WEIR_CLASS_SYN;
}

uint64_t oracle_units(const struct weir_limit *limit, uint32_t class, uint32_t length)
{
	if (limit->unit == WEIR_UNIT_BYTES)
		return length;
	return limit->costs[class] + (uint64_t)length * limit->size_step / (1ULL << 32);
}

/* When its cell may be taken: the word has passed, in which counts stand below the time. */
static model_time idle_at(const struct model *m)
{
	model_time rests = model_rests_at(m);

	return rests + (model_time)(model_word(m) - (uint64_t)rests);
}

void oracle_forget(struct oracle *o, uint32_t key, model_time now)
{
	for (uint32_t i = 0; i < o->policy->limit_count; i++) {
		struct model *m = oracle_state(o, i, key);

		if (m->used && idle_at(m) <= now)
			model_init(m, m->limit);
	}
}

static void take_exact_time(struct oracle *o, const struct oracle_packet *packet, struct moment *t)
{
	t->now = o->latest = packet->exact;
	t->exact = o->has_latest = true;
}

static bool may_rest(const struct oracle *o, const struct model *m, const struct moment *t)
{
	return !m->used || m->limit->precise ||
	       model_changes_at(m) - t->now < (model_time)o->policy->tick;
}

static bool conforms(struct oracle *o, const struct oracle_packet *packet, const struct model *m,
		     uint64_t units, struct moment *t)
{
	if (model_conforms(m, t->now, units))
		return true;
	if (t->exact || !may_rest(o, m, t))
		return false;
	take_exact_time(o, packet, t);
	return model_conforms(m, t->now, units);
}

static int over(const struct weir_limit *limit)
{
	static const int reasons[] = {
		[WEIR_UNIT_PACKETS] = WEIR_REASON_OVER_PACKETS,
		[WEIR_UNIT_BYTES] = WEIR_REASON_OVER_BYTES,
		[WEIR_UNIT_CONNECTIONS] = WEIR_REASON_OVER_CONNECTIONS,
	};

	return reasons[limit->unit];
}

static bool rival_takes(const struct oracle_packet *packet, uint32_t limit, struct model *m)
{
	return packet->rival == limit && model_offer(m, packet->exact, packet->rival_units);
}

/* Charge what conformed when it was asked. */
static bool charge(struct oracle *o, const struct oracle_packet *packet, uint32_t limit,
		   struct moment *t, bool *raced)
{
	struct model *m = oracle_state(o, limit, packet->key), before = *m;
	uint64_t units = oracle_units(m->limit, packet->class, packet->length);
	bool changed = rival_takes(packet, limit, m);

	*raced |= changed;
	if (!t->exact && before.used && may_rest(o, &before, t))
		take_exact_time(o, packet, t);
	if (changed || !before.used) {
		if (!t->exact && may_rest(o, m, t))
			take_exact_time(o, packet, t);
		if (!conforms(o, packet, m, units, t))
			return false;
	}
	model_charge(m, t->now, units);
	o->passed[limit]++;
	return true;
}

static void give_back(struct oracle *o, const struct oracle_packet *packet, uint32_t below)
{
	for (uint32_t i = 0; i < below; i++) {
		struct model *m = oracle_state(o, i, packet->key);

		if (!oracle_applies(o->policy, i, packet->class))
			continue;
		model_refund(m, packet->exact,
			     oracle_units(m->limit, packet->class, packet->length));
		o->passed[i]--;
	}
}

void oracle_decide(struct oracle *o, const struct oracle_packet *packet, struct oracle_answer *ret)
{
	const struct weir_policy *p = o->policy;
	struct moment t = {.now = packet->coarse};

	*ret = (struct oracle_answer){.reason = WEIR_REASON_UNLIMITED, .limit = NO_LIMIT};
	if (o->has_latest && o->latest > t.now)
		t.now = o->latest;
	for (uint32_t i = 0; i < p->limit_count; i++) {
		const struct weir_limit *limit = &p->limits[i];

		if (!oracle_applies(p, i, packet->class))
			continue;
		ret->reason = WEIR_REASON_WITHIN_LIMIT;
		if (!conforms(o, packet, oracle_state(o, i, packet->key),
			      oracle_units(limit, packet->class, packet->length), &t)) {
			*ret = (struct oracle_answer){.reason = over(limit), .limit = i};
			return;
		}
	}
	for (uint32_t i = 0; i < p->limit_count; i++) {
		if (!oracle_applies(p, i, packet->class) || charge(o, packet, i, &t, &ret->raced))
			continue;
		give_back(o, packet, i);
		ret->reason = over(&p->limits[i]);
		ret->limit = i;
		return;
	}
}
