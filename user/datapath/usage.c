/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tenants use: which slot is whose, and what was counted in it. */
#include <string.h>

#include "base/clock.h"
#include "datapath/internal.h"

/* Which of @slots may not be given away: those of @copy. Slot 0 is nobody's. */
static void mark_used(const struct weir_usage_slots *s, uint32_t copy,
		      bool used[static WEIR_USAGE_SLOTS])
{
	used[0] = true;
	for (size_t n = 0; n < WEIR_TENANTS_MAX; n++)
		used[s->slots[copy][n] & (WEIR_USAGE_SLOTS - 1)] = true;
}

static uint32_t find_owner(const struct weir_usage_slots *s, uint64_t owner)
{
	uint32_t slot = 1;

	while (slot < WEIR_USAGE_SLOTS && s->owners[slot] != owner)
		slot++;
	return slot < WEIR_USAGE_SLOTS ? slot : 0;
}

/* One that was never given, or that of the tenant who has been gone for longest, as far as epochs tell. */
static uint32_t find_free(const struct weir_usage_slots *s,
			  const bool used[static WEIR_USAGE_SLOTS])
{
	uint32_t best = 0;

	for (uint32_t slot = 1; slot < WEIR_USAGE_SLOTS; slot++) {
		if (used[slot])
			continue;
		if (!s->owners[slot])
			return slot;
		if (!best || s->epochs[slot] < s->epochs[best])
			best = slot;
	}
	return best;
}

static void give(struct datapath *d, uint32_t slot, uint64_t owner, uint64_t epoch)
{
	struct weir_usage_slots *s = d->program.usage_slots;

	/* Who dies in between leaves a slot that is nobody's. */
	__atomic_store_n(&s->owners[slot], 0, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < d->program.cpus; i++)
		memset(&d->program.usage[i].counts[slot], 0, sizeof(struct weir_usage_count));
	__atomic_store_n(&s->epochs[slot], epoch, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->owners[slot], owner, __ATOMIC_SEQ_CST);
}

void usage_assign(struct datapath *d, const struct policy_image *image, uint32_t copy)
{
	struct weir_usage_slots *s = d->program.usage_slots;
	bool used[WEIR_USAGE_SLOTS] = {false};
	uint64_t epoch = clock_real_ns();

	mark_used(s, !copy, used);
	for (size_t n = 0; n < WEIR_TENANTS_MAX; n++) {
		s->slots[copy][n] = image->names[n] ? (__u16)find_owner(s, image->names[n]) : 0;
		used[s->slots[copy][n]] = true;
	}
	for (size_t n = 0; n < WEIR_TENANTS_MAX; n++) {
		uint32_t slot;

		if (!image->names[n] || s->slots[copy][n])
			continue;
		slot = find_free(s, used); /* there is one: two policies have fewer tenants */
		give(d, slot, image->names[n], epoch);
		used[slot] = true;
		s->slots[copy][n] = (__u16)slot;
	}
}

static bool is_live(const struct datapath *d, uint32_t slot)
{
	uint32_t copy = d->program.config->live.generation & 1;

	for (size_t n = 0; n < WEIR_TENANTS_MAX; n++)
		if (d->program.usage_slots->slots[copy][n] == slot)
			return true;
	return false;
}

bool datapath_read_usage(const struct datapath *d, uint32_t *slot, struct datapath_usage *ret)
{
	const struct weir_usage_slots *s = d->program.usage_slots;

	for (uint32_t at = *slot + 1; at < WEIR_USAGE_SLOTS; at++) {
		uint64_t *sums = (uint64_t *)&ret->count;

		if (!s->owners[at])
			continue;
		*slot = at;
		*ret = (struct datapath_usage){
			.owner = s->owners[at],
			.epoch = s->epochs[at],
			.live = is_live(d, at),
		};
		for (unsigned int i = 0; i < d->program.cpus; i++) {
			const __u64 *counted = (const __u64 *)&d->program.usage[i].counts[at];

			for (size_t word = 0; word < sizeof(ret->count) / sizeof(*sums); word++)
				sums[word] += __atomic_load_n(&counted[word], __ATOMIC_RELAXED);
		}
		return true;
	}
	return false;
}
