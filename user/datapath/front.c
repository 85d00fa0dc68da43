/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The front of the exact IPv4 addresses (struct weir_front_bucket), while packets are looking at it.
 * Each step is one store of one word, in an order in which a search finds what was there or what
 * shall be.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "bpf/limiter.skel.h"
#include "datapath/internal.h"

static uint64_t cell_of(uint32_t address, const struct weir_list_value *value)
{
	uint64_t what = WEIR_FRONT_ELSEWHERE;

	if (value->allow_until_ns == WEIR_FOREVER)
		what = WEIR_FRONT_ALLOW;
	else if (!value->allow_until_ns && value->block_until_ns == WEIR_FOREVER)
		what = WEIR_FRONT_BLOCK;
	return what << 32 | address;
}

static void store(__u64 *cell, uint64_t value)
{
	__atomic_store_n(cell, value, __ATOMIC_RELEASE);
}

static struct weir_front_bucket *bucket_of(struct datapath *d, uint32_t address)
{
	return &d->front[weir_front_index(address)];
}

static bool holds_address(uint64_t cell)
{
	return cell && cell >> 32 < WEIR_FRONT_REMOVED;
}

static __u64 *find(struct weir_front_bucket *bucket, uint32_t address)
{
	for (unsigned int i = 0; i < WEIR_FRONT_CELLS; i++)
		if (holds_address(bucket->cells[i]) && (uint32_t)bucket->cells[i] == address)
			return &bucket->cells[i];
	return NULL;
}

/* A cell for a new address: the first that is empty or was removed. */
static __u64 *find_room(struct weir_front_bucket *bucket)
{
	for (unsigned int i = 0; i < WEIR_FRONT_CELLS; i++)
		if (!bucket->cells[i] || bucket->cells[i] >> 32 == WEIR_FRONT_REMOVED)
			return &bucket->cells[i];
	return NULL;
}

void front_put(struct datapath *d, uint32_t address, const struct weir_list_value *value)
{
	struct weir_front_bucket *bucket = bucket_of(d, address);
	__u64 *cell = find(bucket, address) ?: find_room(bucket);

	if (cell)
		store(cell, cell_of(address, value));
	else
		/* Whoever had the last cell is looked up in the hash from now on, like all who have none. */
		store(&bucket->cells[WEIR_FRONT_CELLS - 1], (uint64_t)WEIR_FRONT_FULL << 32);
}

/* Leaves a mark instead of moving another cell here: a search under way might miss what moves. */
void front_remove(struct datapath *d, uint32_t address)
{
	__u64 *cell = find(bucket_of(d, address), address);

	if (cell)
		store(cell, (uint64_t)WEIR_FRONT_REMOVED << 32);
}

int front_rebuild(struct datapath *d)
{
	int fd = bpf_map__fd(d->skeleton->maps.weir_ip4);
	struct weir_list_value value;
	uint32_t address, previous;
	bool first = true;

	/* Every address of the hash in, then out with what is not in the hash: nobody who is listed is
	 * missing at any moment. */
	while (bpf_map_get_next_key(fd, first ? NULL : &previous, &address) == 0) {
		if (bpf_map_lookup_elem(fd, &address, &value) == 0)
			front_put(d, address, &value);
		previous = address;
		first = false;
	}
	if (errno != ENOENT)
		return -errno;
	for (uint32_t b = 0; b < 1U << WEIR_FRONT_BITS; b++)
		for (unsigned int i = 0; i < WEIR_FRONT_CELLS; i++) {
			address = (uint32_t)d->front[b].cells[i];
			if (holds_address(d->front[b].cells[i]) &&
			    bpf_map_lookup_elem(fd, &address, &value) < 0)
				front_remove(d, address);
		}
	return 0;
}
