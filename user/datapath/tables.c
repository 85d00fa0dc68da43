/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policies and lists into the maps. The live copy of a policy is never written to. */
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>

#include "bpf/limiter.skel.h"
#include "datapath/internal.h"

/* Wait until no packet is under way that began before: a synchronize_rcu() for userspace. */
static void wait_for_packets(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

uint32_t datapath_generation(const struct datapath *d)
{
	return d->live->generation;
}

int tables_adopt(struct datapath *d, struct fault *reterr)
{
	uint32_t copy = d->live->generation & 1;
	int r = front_rebuild(d);

	if (r < 0)
		return fault(reterr, r, "datapath.load", "cannot read the pinned lists: %s",
			     strerror(-r));
	if (!d->live->generation)
		return 0;
	if (bpf_map_lookup_elem(bpf_map__fd(d->skeleton->maps.weir_policy), &copy, &d->policy) < 0)
		return fault(reterr, -errno, "datapath.load", "cannot read the pinned policy: %s",
			     strerror(errno));
	for (uint32_t i = 0; i < d->policy.limit_count && i < WEIR_LIMITS_MAX; i++)
		if (d->policy.limits[i].slot < WEIR_LIMIT_SLOTS)
			memcpy(d->slot_names[d->policy.limits[i].slot], d->policy.limits[i].name,
			       WEIR_NAME_BYTES);
	return 0;
}

static int clear_slot(struct datapath *d, uint32_t slot)
{
	_cleanup_free_ struct weir_limit_count *zeros = calloc(d->cpus, sizeof(*zeros));

	if (!zeros)
		return -ENOMEM;
	return bpf_map_update_elem(bpf_map__fd(d->skeleton->maps.weir_lim_counts), &slot, zeros,
				   BPF_ANY);
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
static int assign_slots(struct datapath *d, struct weir_policy *next)
{
	for (uint32_t i = 0; i < next->limit_count; i++) {
		next->limits[i].slot = WEIR_NO_LIMIT;
		for (uint32_t j = 0; j < d->policy.limit_count; j++)
			if (same_limit(&next->limits[i], &d->policy.limits[j]))
				next->limits[i].slot = d->policy.limits[j].slot;
	}
	for (uint32_t i = 0; i < next->limit_count; i++) {
		uint16_t slot = d->next_slot;
		int r;

		if (next->limits[i].slot != WEIR_NO_LIMIT)
			continue;
		while (slot_in_use(&d->policy, slot) || slot_in_use(next, slot))
			slot = (slot + 1) % WEIR_LIMIT_SLOTS;
		r = clear_slot(d, slot);
		if (r < 0)
			return r;
		next->limits[i].slot = slot;
		memcpy(d->slot_names[slot], next->limits[i].name, WEIR_NAME_BYTES);
		d->next_slot = (slot + 1) % WEIR_LIMIT_SLOTS;
	}
	return 0;
}

static int clear_destinations(int fd, uint32_t copy)
{
	struct weir_destination_key *keys, key, *after = NULL;
	_cleanup_free_ void *memory = keys = calloc(2 * (WEIR_DESTINATIONS_MAX + 1), sizeof(*keys));
	size_t count = 0;

	if (!keys)
		return -ENOMEM;
	while (bpf_map_get_next_key(fd, after, &key) == 0 &&
	       count < 2 * (WEIR_DESTINATIONS_MAX + 1)) {
		keys[count] = key;
		after = &keys[count++];
	}
	for (size_t i = 0; i < count; i++)
		if (keys[i].copy == copy && bpf_map_delete_elem(fd, &keys[i]) < 0)
			return -errno;
	return 0;
}

static int write_destinations(struct datapath *d, const struct policy_image *image, uint32_t copy)
{
	int fd = bpf_map__fd(d->skeleton->maps.weir_dests);
	int r = clear_destinations(fd, copy);

	if (r < 0)
		return r;
	for (size_t i = 0; i < image->destination_count; i++) {
		const struct policy_destination *destination = &image->destinations[i];
		struct weir_destination_key key = {
			.prefix_bits = 32U + destination->prefix.bits,
			.copy = copy,
		};

		memcpy(key.address, destination->prefix.address, sizeof(key.address));
		if (bpf_map_update_elem(fd, &key, &destination->limits, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

int datapath_apply_policy(struct datapath *d, const struct policy_image *image,
			  uint32_t *ret_generation, struct fault *reterr)
{
	struct weir_policy next = image->policy;
	uint32_t copy;
	int r;

	next.generation = d->live->generation + 1;
	if (!next.generation)
		next.generation =
			2; /* 0 means none; after four billion reloads the copy stays right */
	copy = next.generation & 1;
	for (uint32_t i = 0; i < next.limit_count; i++) {
		size_t length = strnlen(image->limits[i].name, WEIR_NAME_BYTES);

		memset(next.limits[i].name, 0, WEIR_NAME_BYTES);
		memcpy(next.limits[i].name, image->limits[i].name, length);
	}

	wait_for_packets(); /* some may still be judged by the copy we are about to overwrite */
	r = assign_slots(d, &next);
	if (r == 0)
		r = write_destinations(d, image, copy);
	if (r == 0) {
		memcpy(d->ports + copy * WEIR_PORTS, image->ports, sizeof(image->ports));
		r = bpf_map_update_elem(bpf_map__fd(d->skeleton->maps.weir_policy), &copy, &next,
					BPF_ANY);
	}
	if (r < 0)
		return fault(reterr, r, "datapath.policy",
			     "cannot write the policy: %s; the one in force stays", strerror(-r));
	__atomic_store_n(&d->live->generation, next.generation, __ATOMIC_RELEASE);
	d->policy = next;
	*ret_generation = next.generation;
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

static bool is_exact_ip4(const struct prefix *prefix)
{
	return prefix->bits == 128 && address_is_ipv4(prefix->address);
}

/* As it stands in a packet. */
static uint32_t ip4_of(const struct prefix *prefix)
{
	uint32_t address;

	memcpy(&address, prefix->address + 12, sizeof(address));
	return address;
}

/* The map that @prefix belongs in, and its key there: all of @ret_key or the part that map keys by. */
static int list_map_of(const struct datapath *d, const struct prefix *prefix,
		       struct weir_list_key *ret_key, const void **ret_pointer)
{
	ret_key->prefix_bits = prefix->bits;
	memcpy(ret_key->address, prefix->address, sizeof(ret_key->address));
	if (prefix->bits < 128) {
		*ret_pointer = ret_key;
		return bpf_map__fd(d->skeleton->maps.weir_prefixes);
	}
	if (is_exact_ip4(prefix)) {
		*ret_pointer = ret_key->address + 12;
		return bpf_map__fd(d->skeleton->maps.weir_ip4);
	}
	*ret_pointer = ret_key->address;
	return bpf_map__fd(d->skeleton->maps.weir_ip6);
}

static bool map_is_empty(int fd)
{
	struct weir_list_key key;

	return bpf_map_get_next_key(fd, NULL, &key) < 0;
}

static uint32_t *list_switch_of(struct datapath *d, const struct prefix *prefix)
{
	if (prefix->bits < 128)
		return &d->live->has_prefixes;
	return is_exact_ip4(prefix) ? &d->live->has_ip4 : &d->live->has_ip6;
}

int datapath_apply_lists(struct datapath *d, const struct list_diff *diff, struct fault *reterr)
{
	struct weir_list_key key;
	const void *pointer;

	/* An upsert that finds the switch off would have no effect until it is on: on first. */
	for (size_t i = 0; i < diff->upsert_count; i++)
		__atomic_store_n(list_switch_of(d, &diff->upserts[i].prefix), 1, __ATOMIC_RELEASE);
	for (size_t i = 0; i < diff->upsert_count; i++) {
		const struct prefix *prefix = &diff->upserts[i].prefix;
		int fd = list_map_of(d, prefix, &key, &pointer);

		if (bpf_map_update_elem(fd, pointer, &diff->upserts[i].value, BPF_ANY) < 0)
			return fault(reterr, -errno, "datapath.lists",
				     "cannot write list entry %zu of %zu: %s", i + 1,
				     diff->upsert_count, strerror(errno));
		if (is_exact_ip4(prefix))
			front_put(d, ip4_of(prefix), &diff->upserts[i].value);
	}
	for (size_t i = 0; i < diff->delete_count; i++) {
		const struct prefix *prefix = &diff->deletes[i];
		int fd = list_map_of(d, prefix, &key, &pointer);

		if (is_exact_ip4(prefix))
			front_remove(d, ip4_of(prefix));
		if (bpf_map_delete_elem(fd, pointer) < 0 && errno != ENOENT)
			return fault(reterr, -errno, "datapath.lists",
				     "cannot delete list entry %zu of %zu: %s", i + 1,
				     diff->delete_count, strerror(errno));
	}
	if (map_is_empty(bpf_map__fd(d->skeleton->maps.weir_ip4)))
		__atomic_store_n(&d->live->has_ip4, 0, __ATOMIC_RELEASE);
	if (map_is_empty(bpf_map__fd(d->skeleton->maps.weir_ip6)))
		__atomic_store_n(&d->live->has_ip6, 0, __ATOMIC_RELEASE);
	if (map_is_empty(bpf_map__fd(d->skeleton->maps.weir_prefixes)))
		__atomic_store_n(&d->live->has_prefixes, 0, __ATOMIC_RELEASE);
	return 0;
}

/* Append what one list map holds. Its keys are the last bytes of a struct weir_list_key, from @skip
 * on; what they leave out is that of an exact IPv4 or IPv6 address. */
static int read_list_map(int fd, size_t skip, struct list_image_entry *entries, size_t size,
			 size_t *count)
{
	struct weir_list_key key = {.prefix_bits = 128, .address = {[10] = 0xff, [11] = 0xff}};
	struct weir_list_key previous;
	char *at = (char *)&key + skip;
	bool first = true;

	while (bpf_map_get_next_key(fd, first ? NULL : (char *)&previous + skip, at) == 0) {
		struct list_image_entry *entry = &entries[*count];

		if (*count == size)
			return -E2BIG;
		if (bpf_map_lookup_elem(fd, at, &entry->value) < 0)
			return -errno;
		entry->prefix.bits = (uint8_t)key.prefix_bits;
		memcpy(entry->prefix.address, key.address, sizeof(key.address));
		++*count;
		previous = key;
		first = false;
	}
	return errno == ENOENT ? 0 : -errno;
}

static int compare_entries(const void *a, const void *b)
{
	return prefix_compare(&((const struct list_image_entry *)a)->prefix,
			      &((const struct list_image_entry *)b)->prefix);
}

int datapath_read_lists(const struct datapath *d, struct list_image *ret, struct fault *reterr)
{
	const size_t size = 3 * WEIR_LIST_MAP_ENTRIES;
	_cleanup_free_ struct list_image_entry *entries = calloc(size, sizeof(*entries));
	size_t count = 0;
	int r;

	if (!entries)
		return fault(reterr, -ENOMEM, "datapath.lists", "out of memory");
	r = read_list_map(bpf_map__fd(d->skeleton->maps.weir_prefixes), 0, entries, size, &count);
	if (r == 0)
		r = read_list_map(bpf_map__fd(d->skeleton->maps.weir_ip6),
				  offsetof(struct weir_list_key, address), entries, size, &count);
	if (r == 0)
		r = read_list_map(bpf_map__fd(d->skeleton->maps.weir_ip4),
				  offsetof(struct weir_list_key, address) + 12, entries, size,
				  &count);
	if (r < 0)
		return fault(reterr, r, "datapath.lists", "cannot read the pinned lists: %s",
			     strerror(-r));
	qsort(entries, count, sizeof(*entries), compare_entries);
	ret->entries = take_ptr(entries);
	ret->count = count;
	return 0;
}
