/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policies into the maps. The live copy of a policy is never written to, but for two kinds of words that
 * packets may see change at any time: what schedules and flags have switched on, and adaptive rates. */
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include <weir/cells.h>
#include <weir/key.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "bpf/limiter.skel.h"
#include "datapath/internal.h"

uint32_t datapath_generation(const struct datapath *d)
{
	return d->program.config->live.generation;
}

void datapath_continue_generations(struct datapath *d, uint32_t last)
{
	d->last_generation = last;
}

uint32_t datapath_next_generation(const struct datapath *d)
{
	uint32_t live = d->program.config->live.generation;
	uint32_t last = live > d->last_generation ? live : d->last_generation;
	uint32_t next = last + 1;

	/* Its last bit says which copy it is in: not in the live one. */
	if (live && !((next ^ live) & 1))
		next++;
	/* 0 means none. After four billion policies numbers come again. */
	if (next <= last)
		next = live & 1 ? 2 : 1;
	return next;
}

/* What @policy asks of the program. */
static uint32_t features_of(const struct weir_policy *policy)
{
	uint32_t features = 0;

	if (policy->flags & WEIR_POLICY_BY_DESTINATION)
		features |= WEIR_FEATURE_DESTINATIONS;
	if (policy->flags & WEIR_POLICY_BY_SOURCE)
		features |= WEIR_FEATURE_SOURCES;
	if (policy->flags & WEIR_POLICY_BY_TENANT)
		features |= WEIR_FEATURE_USAGE;
	if (policy->shadow_limits)
		features |= WEIR_FEATURE_SHADOW;
	if (policy->timing)
		features |= WEIR_FEATURE_TIMING;
	if (policy->flagged_limits)
		features |= WEIR_FEATURE_FLAGS;
	for (uint32_t i = 0; i < policy->limit_count; i++) {
		const struct weir_limit *limit = &policy->limits[i];

		if (limit->algorithm == WEIR_ALGORITHM_FIXED ||
		    limit->algorithm == WEIR_ALGORITHM_SLIDING)
			features |= WEIR_FEATURE_WINDOWS;
		if (limit->algorithm == WEIR_ALGORITHM_QUOTA)
			features |= WEIR_FEATURE_QUOTA;
		if (limit->algorithm == WEIR_ALGORITHM_OPEN)
			features |= WEIR_FEATURE_OPEN;
		if (limit->rollout)
			features |= WEIR_FEATURE_ROLLOUT;
		if (limit->action == WEIR_ACTION_MARK)
			features |= WEIR_FEATURE_MARK;
		if (limit->action == WEIR_ACTION_COOKIE)
			features |= WEIR_FEATURE_COOKIES;
		else if (limit->reject_share)
			features |= WEIR_FEATURE_REJECT;
		if (limit->size_step)
			features |= WEIR_FEATURE_COSTS;
		for (unsigned int class = 0; class < WEIR_CLASS_MAX; class ++)
			if (limit->unit != WEIR_UNIT_BYTES && limit->costs[class] != 1)
				features |= WEIR_FEATURE_COSTS;
	}
	return features;
}

void tables_adopt(struct datapath *d)
{
	uint32_t copy = d->program.config->live.generation & 1;

	if (!d->program.config->live.generation)
		return;
	d->policy = d->program.config->policies[copy];
	for (uint32_t i = 0; i < d->policy.limit_count && i < WEIR_LIMITS_MAX; i++)
		if (d->policy.limits[i].slot < WEIR_LIMIT_SLOTS)
			memcpy(d->slot_names[d->policy.limits[i].slot], d->policy.limits[i].name,
			       WEIR_NAME_BYTES);
	if (d->program.shape.maps_only)
		d->program.shape.features |= features_of(&d->policy);
}

/* No packet uses it: neither policy has it, and those before are over. */
static void clear_slot(struct datapath *d, uint32_t slot)
{
	for (unsigned int i = 0; i < d->program.cpus; i++)
		memset(&d->program.cpu[i].limits[slot], 0, sizeof(d->program.cpu[i].limits[slot]));
	d->program.cells[WEIR_CELL_COARSE + slot] = (struct weir_cell_set){0};
}

static bool same_limit(const struct weir_limit *a, const struct weir_limit *b)
{
	return a->unit == b->unit && memcmp(a->name, b->name, sizeof(a->name)) == 0;
}

static bool slot_in_use(const struct weir_policy *policy, uint16_t slot)
{
	for (uint32_t i = 0; i < policy->limit_count; i++)
		if (policy->limits[i].slot == slot)
			return true;
	return false;
}

/* A limit keeps its counters from policy to policy; a new one gets a slot that neither the live nor
 * the coming policy uses. There are enough: two policies' worth. */
static void assign_slots(struct datapath *d, struct weir_policy *next)
{
	for (uint32_t i = 0; i < next->limit_count; i++) {
		next->limits[i].slot = WEIR_NO_LIMIT;
		for (uint32_t j = 0; j < d->policy.limit_count; j++)
			if (same_limit(&next->limits[i], &d->policy.limits[j]))
				next->limits[i].slot = d->policy.limits[j].slot;
	}
	for (uint32_t i = 0; i < next->limit_count; i++) {
		uint16_t slot = d->next_slot;

		if (next->limits[i].slot != WEIR_NO_LIMIT)
			continue;
		while (slot_in_use(&d->policy, slot) || slot_in_use(next, slot))
			slot = (slot + 1) % WEIR_LIMIT_SLOTS;
		clear_slot(d, slot);
		next->limits[i].slot = slot;
		memcpy(d->slot_names[slot], next->limits[i].name, WEIR_NAME_BYTES);
		d->next_slot = (slot + 1) % WEIR_LIMIT_SLOTS;
	}
}

static bool overlaps(uint32_t first, uint32_t count, const struct weir_policy *policy)
{
	for (uint32_t i = 0; i < policy->limit_count; i++) {
		const struct weir_limit *limit = &policy->limits[i];

		if (limit->fixed_set && first < limit->fixed_set + limit->fixed_sets &&
		    limit->fixed_set < first + count)
			return true;
	}
	return false;
}

/*
 * Cells that belong to one limit alone. A limit whose meaning stays keeps them, and so its state; others
 * get some that the live policy does not use, as packets are still charging those. Number 0 means
 * none and is never given.
 */
static int assign_fixed_sets(const struct datapath *d, const struct policy_image *image,
			     struct weir_policy *next)
{
	for (uint32_t i = 0; i < next->limit_count; i++) {
		struct weir_limit *limit = &next->limits[i];

		limit->fixed_set = 0;
		limit->fixed_sets = (uint16_t)image->limits[i].fixed_sets;
		for (uint32_t j = 0; j < d->policy.limit_count; j++)
			if (limit->key == d->policy.limits[j].key &&
			    limit->fixed_sets == d->policy.limits[j].fixed_sets)
				limit->fixed_set = d->policy.limits[j].fixed_set;
	}
	for (uint32_t i = 0; i < next->limit_count; i++) {
		struct weir_limit *limit = &next->limits[i];
		uint32_t first = 1;

		for (uint32_t j = 0; j < i; j++) /* quotas of one meaning, but of other amounts */
			if (limit->key == next->limits[j].key)
				limit->fixed_set = next->limits[j].fixed_set;
		if (!limit->fixed_sets || limit->fixed_set)
			continue;
		while (first + limit->fixed_sets <= WEIR_CELL_COARSE &&
		       (overlaps(first, limit->fixed_sets, &d->policy) ||
			overlaps(first, limit->fixed_sets, next)))
			first++;
		if (first + limit->fixed_sets > WEIR_CELL_COARSE)
			return -ENOSPC;
		limit->fixed_set = (uint16_t)first;
	}
	return 0;
}

static bool owner_is_in(const uint64_t owner, const uint64_t *names)
{
	for (size_t i = 0; i < WEIR_TENANTS_MAX; i++)
		if (names[i] == owner)
			return true;
	return false;
}

/* Forget what the slot's last tenant used; no packet of a live policy is his. */
static void clear_tenant(struct datapath *d, const struct weir_policy *policy, uint32_t slot)
{
	for (uint32_t i = 0; i < policy->limit_count; i++)
		if (policy->limits[i].algorithm == WEIR_ALGORITHM_QUOTA &&
		    policy->limits[i].fixed_set)
			d->program.cells[policy->limits[i].fixed_set + slot - 1] =
				(struct weir_cell_set){0};
}

static bool slot_is_live(const struct weir_tenants *t, uint32_t copy, uint32_t slot)
{
	for (size_t i = 0; i < WEIR_TENANTS_MAX; i++)
		if (t->slots[copy][i] == slot)
			return true;
	return false;
}

/* A slot for a tenant that has none: a free one, or that of somebody who neither this policy nor the next has. */
static uint32_t find_slot(const struct weir_tenants *t, const uint64_t *names, uint32_t live)
{
	for (uint32_t slot = 1; slot <= WEIR_TENANT_SLOTS; slot++)
		if (!t->owners[slot - 1])
			return slot;
	for (uint32_t slot = 1; slot <= WEIR_TENANT_SLOTS; slot++)
		if (!owner_is_in(t->owners[slot - 1], names) && !slot_is_live(t, live, slot))
			return slot;
	return 0;
}

/* Tenants with quotas keep their slots from policy to policy. -ENOSPC: until the policy in force has gone,
 * there are none left. */
static int assign_tenants(struct datapath *d, const struct policy_image *image,
			  struct weir_policy *next)
{
	uint32_t copy = next->generation & 1;
	struct weir_tenants *t = d->program.tenants;

	for (uint32_t i = 0; i < next->limit_count; i++)
		if (next->limits[i].algorithm == WEIR_ALGORITHM_QUOTA)
			next->limits[i].tenant_copy = (uint8_t)copy;
	for (size_t n = 0; n < WEIR_TENANTS_MAX; n++) {
		uint32_t slot = 1;

		t->slots[copy][n] = 0;
		if (!image->tenants[n])
			continue;
		while (slot <= WEIR_TENANT_SLOTS && t->owners[slot - 1] != image->tenants[n])
			slot++;
		if (slot > WEIR_TENANT_SLOTS) {
			slot = find_slot(t, image->tenants, !copy);
			if (!slot)
				return -ENOSPC;
			clear_tenant(d, &d->policy, slot);
			clear_tenant(d, next, slot);
			t->owners[slot - 1] = image->tenants[n];
		}
		t->slots[copy][n] = (uint16_t)slot;
	}
	return 0;
}

static int clear_prefixes(int fd, uint32_t copy)
{
	const size_t most = 2 * (WEIR_PREFIXES_MAX + WEIR_TARGETS_MAX + 1);
	struct weir_prefix_key *keys, key, *after = NULL;
	_cleanup_free_ void *memory = keys = calloc(most, sizeof(*keys));
	size_t count = 0;

	if (!keys)
		return -ENOMEM;
	while (bpf_map_get_next_key(fd, after, &key) == 0 && count < most) {
		keys[count] = key;
		after = &keys[count++];
	}
	for (size_t i = 0; i < count; i++)
		if (keys[i].copy == copy) {
			int r = fault_point(NULL, "tables.clear_prefix");

			if (r == 0 && bpf_map_delete_elem(fd, &keys[i]) < 0)
				r = -errno;
			if (r < 0)
				return r;
		}
	return 0;
}

static int write_prefixes(const struct bpf_map *map, const struct policy_prefix *prefixes,
			  size_t count, uint32_t copy)
{
	int fd = bpf_map__fd(map);
	int r = clear_prefixes(fd, copy);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		struct weir_prefix_key key = {
			.prefix_bits = 32U + prefixes[i].prefix.bits,
			.copy = copy,
		};

		/* What destinations have of it is the beginning. */
		const struct weir_source_value value = {prefixes[i].value, prefixes[i].targeted};

		memcpy(key.address, prefixes[i].prefix.address, sizeof(key.address));
		r = fault_point(NULL, "tables.prefix");
		if (r == 0 && bpf_map_update_elem(fd, &key, &value, BPF_ANY) < 0)
			r = -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

/* Have a program that knows @features, which it may be the only thing to change. */
static int change_features(struct datapath *d, uint32_t features, struct fault *reterr)
{
	struct shape shape = d->program.shape;

	if (shape.features == features && !shape.maps_only)
		return 0;
	shape.features = features;
	shape.maps_only = false;
	return program_reshape(d, &shape, reterr);
}

int datapath_need_program(struct datapath *d, struct fault *reterr)
{
	return change_features(d, d->program.shape.features, reterr);
}

static int write_policy(struct datapath *d, const struct policy_image *image,
			struct weir_policy *next)
{
	const struct limiter_bpf *skeleton = d->program.skeleton;
	uint32_t copy = next->generation & 1;
	int r;

	grace_wait(d->grace,
		   d->flipped); /* some may still be judged by the copy we are about to overwrite */
	r = fault_point(NULL, "tables.slots");
	if (r < 0)
		return r;
	assign_slots(d, next);
	r = fault_point(NULL, "tables.fixed_sets") ?: assign_fixed_sets(d, image, next);
	r = r ?: assign_tenants(d, image, next);
	if (r == 0)
		usage_assign(d, image, copy);
	r = r
		    ?: write_prefixes(skeleton->maps.weir_dests, image->destinations,
				      image->destination_count, copy);
	r = r
		    ?: write_prefixes(skeleton->maps.weir_sources, image->sources,
				      image->source_count, copy);
	r = r ?: fault_point(NULL, "tables.ports");
	if (r < 0)
		return r;
	memcpy(d->program.config->ports[copy], image->ports, sizeof(image->ports));
	r = fault_point(NULL, "tables.policy");
	if (r < 0)
		return r;
	d->program.config->policies[copy] = *next;
	r = fault_point(NULL, "tables.flip");
	if (r < 0)
		return r;
	__atomic_store_n(&d->program.config->live.generation, next->generation, __ATOMIC_RELEASE);
	d->flipped = grace_begin(d->grace);
	return 0;
}

int datapath_apply_policy(struct datapath *d, const struct policy_image *image,
			  uint32_t *ret_generation, struct fault *reterr)
{
	struct weir_policy next = image->policy;
	uint32_t features = features_of(&next) | trace_features(d), served = features;
	int r;

	next.generation = datapath_next_generation(d);
	for (uint32_t i = 0; i < next.limit_count; i++) {
		size_t length = strnlen(image->limits[i].name, WEIR_NAME_BYTES);

		memset(next.limits[i].name, 0, WEIR_NAME_BYTES);
		memcpy(next.limits[i].name, image->limits[i].name, length);
	}
	r = cells_resize(d, image->cell_sets, reterr);
	/* Until the new policy is live, the program must serve the old one, too, if there is one. */
	if (d->program.config->live.generation)
		served |= d->program.shape.features;
	r = r ?: change_features(d, served, reterr);
	if (r == 0 && features & WEIR_FEATURE_OPEN)
		r = connections_start(d, reterr);
	if (r < 0)
		return r;
	r = write_policy(d, image, &next);
	if (r < 0)
		return fault(reterr, r, "datapath.policy",
			     "cannot write the policy: %s; the one in force stays", strerror(-r));
	d->policy = next;
	if (next.generation < d->last_generation)
		d->last_generation = 0; /* they have come round */
	*ret_generation = next.generation;
	fault_point(NULL, "tables.flipped"); /* to die at: nothing can fail any more */
	if (!(features & WEIR_FEATURE_OPEN))
		connections_stop(d);
	/* If not: a program that knows more than it needs is only a little slower. */
	change_features(d, features, NULL);
	return 0;
}

const struct weir_limit *datapath_limits(const struct datapath *d, size_t *ret_count)
{
	*ret_count = d->policy.limit_count;
	return d->policy.limits;
}

const char *datapath_slot_name(const struct datapath *d, uint16_t slot)
{
	return slot < WEIR_LIMIT_SLOTS ? d->slot_names[slot] : "";
}

void datapath_set_active(struct datapath *d, uint64_t limits)
{
	struct weir_policy *live = &d->program.config->policies[d->policy.generation & 1];

	d->policy.active = limits;
	__atomic_store_n(&live->active, limits, __ATOMIC_RELEASE);
}

bool datapath_set_periods(struct datapath *d, uint32_t limit, uint64_t period, uint64_t next)
{
	struct weir_policy *live = &d->program.config->policies[d->policy.generation & 1];
	bool turned = d->policy.limits[limit].interval != period;

	assert(limit < d->policy.limit_count);
	d->policy.limits[limit].interval = period;
	__atomic_store_n(&live->limits[limit].interval, period, __ATOMIC_RELEASE);
	if (turned)
		return false;
	d->policy.limits[limit].next = next;
	__atomic_store_n(&live->limits[limit].next, next, __ATOMIC_RELEASE);
	return true;
}

uint64_t datapath_quota_used(const struct datapath *d, uint32_t limit, uint32_t tenant)
{
	const struct weir_limit *l = &d->policy.limits[limit];
	uint32_t slot =
		d->program.tenants->slots[l->tenant_copy & 1][tenant & (WEIR_TENANTS_MAX - 1)];
	const struct weir_key_parts parts = {.tenant = slot};
	const struct weir_cell_set *set;
	uint64_t time = clock_monotonic_ns() << WEIR_TIME_SHIFT, tag, word;
	uint32_t way;

	assert(limit < d->policy.limit_count);
	if (l->algorithm != WEIR_ALGORITHM_QUOTA || !slot || !l->fixed_set)
		return 0;
	tag = weir_key_tag(l, &parts, d->program.seed);
	set = &d->program.cells[l->fixed_set + slot - 1];
	way = cells_find(set, tag);
	if (way >= CELLS_NONE)
		return 0;
	word = cells_read(&set->cells[way].word);
	if (cells_is_marked(word, time))
		return 0;
	return quota_used(word, time, WEIR_PERIOD_NUMBER(quota_period(l, time))) << l->shift;
}

void datapath_set_scaled_word(struct datapath *d, uint32_t limit, uint64_t word)
{
	struct weir_policy *live = &d->program.config->policies[d->policy.generation & 1];
	bool bucket = d->policy.limits[limit].algorithm == WEIR_ALGORITHM_BUCKET;

	assert(limit < d->policy.limit_count);
	__atomic_store_n(bucket ? &live->limits[limit].interval : &live->limits[limit].burst, word,
			 __ATOMIC_RELEASE);
}
