/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Life of the datapath: open, adopt, close. */
#include "datapath/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/text.h"
#include "bpf/limiter.skel.h"
#include "datapath/internal.h"
#include "datapath/pins.h"

/* What the maps themselves say, where there are any: where keys are in them. */
static int read_meta(const struct datapath *d, struct weir_meta *ret, struct fault *reterr)
{
	struct weir_meta meta = {0};
	char path[PATH_MAX];
	uint32_t zero = 0;
	_cleanup_close_ int fd = -1;
	int r = pin_path(d->pin_dir, "weir_meta", path);

	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "%s is too long a path", d->pin_dir);
	fd = d->fresh ? -1 : bpf_obj_get(path);
	if (!d->fresh && (fd < 0 || bpf_map_lookup_elem(fd, &zero, &meta) < 0))
		return fault(reterr, -errno, "datapath.bpffs", "cannot read %s: %s", path,
			     strerror(errno));
	if (!meta.abi &&
	    getrandom(&meta.hash_seed, sizeof(meta.hash_seed), 0) != sizeof(meta.hash_seed))
		return fault(reterr, -EIO, "datapath.load", "no random numbers");
	*ret = meta;
	return 0;
}

static int refuse_abi(const char *base_dir, const struct weir_head *theirs, struct fault *reterr)
{
	if (theirs->abi > WEIR_ABI)
		return fault(
			reterr, -EPROTONOSUPPORT, "datapath.abi",
			"the pins in %s were made by a newer weir, %.23s (ABI %u), this is ABI "
			"%u: run that version, or its 'weir detach' first",
			base_dir, theirs->version, theirs->abi, WEIR_ABI);
	return fault(reterr, -EPROTONOSUPPORT, "datapath.abi",
		     "the pins in %s were made by weir %.23s (ABI %u), from which there is no way "
		     "to ABI %u: run that version's 'weir detach' first",
		     base_dir, theirs->version, theirs->abi, WEIR_ABI);
}

void datapath_close(struct datapath *d)
{
	if (!d)
		return;
	connections_release(d);
	watchdog_close(d);
	panic_close(d);
	program_done(&d->program);
	grace_close(d->grace);
	entries_done(&d->entries);
	for (size_t i = 0; i < DATAPATH_LINKS_MAX; i++)
		close_fdp(&d->links[i].fd);
	close_fdp(&d->lock_fd);
	free(d);
}

/* Load what serves any policy: which one is in force, we know only from the maps. */
static int load(struct datapath *d, const struct weir_meta *theirs, struct fault *reterr)
{
	uint64_t seed = theirs->hash_seed;
	struct shape shape;
	int r = program_pinned_shape(d->pin_dir, &shape, reterr);

	shape.hits_slot = theirs->hits_slot;
	shape.features = d->fresh ? 0 : WEIR_FEATURE_ALL;
	shape.features |= shape.cell_sets_was ? WEIR_FEATURE_MOVING : 0;
	r = r ?: program_load(d->pin_dir, NULL, &shape, seed, &d->program, reterr);
	if (r < 0)
		return r;
	if (!d->program.meta->abi) {
		struct weir_meta *meta = d->program.meta;

		meta->cpus = d->program.cpus;
		meta->created_ns = clock_real_ns();
		meta->hash_seed = seed;
		snprintf(meta->version, sizeof(meta->version), "%s", WEIR_VERSION);
		__atomic_store_n(&meta->abi, WEIR_ABI, __ATOMIC_RELEASE);
	}
	tables_adopt(d);
	r = entries_adopt(d, reterr);
	/* A daemon may have died while it replaced the table of cells; its program still moves them, one
	 * by one. */
	return r ?: cells_finish_moving(d, reterr);
}

static int start_grace(struct datapath *d, struct fault *reterr)
{
	int r = grace_open(&d->grace);

	if (r < 0)
		return fault(reterr, r, "datapath.load", "cannot start a thread: %s", strerror(-r));
	grace_begin(d->grace); /* an earlier daemon may have changed something just now */
	return 0;
}

/* The pins are ours and of our ABI from here on. */
static int take_pins(struct datapath *d, struct pins *pins, struct fault *reterr)
{
	int r = pins_find(d->base_dir, pins, reterr);

	if (r == 0 && pins->head.abi != WEIR_ABI)
		return refuse_abi(d->base_dir, &pins->head, reterr);
	d->fresh = pins->fresh;
	memcpy(d->pin_dir, pins->dir, sizeof(d->pin_dir));
	r = r ?: pins_sweep(d->base_dir, pins->fresh ? 0 : WEIR_ABI, reterr);
	return r ?: pins_prepare(d->pin_dir, reterr);
}

static int open_pins(struct datapath *d, struct fault *reterr)
{
	struct weir_meta theirs = {0};
	struct pins pins;
	int r = pins_prepare(d->base_dir, reterr);

	r = r ?: pins_find(d->base_dir, &pins, reterr);
	if (r == 0 && pins.head.abi != WEIR_ABI)
		r = refuse_abi(d->base_dir, &pins.head, reterr);
	r = r ?: pins_lock(d->base_dir, &d->lock_fd, reterr);
	r = r ?: take_pins(d, &pins, reterr);
	r = r ?: read_meta(d, &theirs, reterr);
	r = r ?: start_grace(d, reterr);
	r = r ?: load(d, &theirs, reterr);
	if (r == 0 && (pins.fresh || pins.headless))
		r = pins_write_head(d->base_dir, reterr);
	return r;
}

int datapath_open(const char *pin_dir, struct datapath **ret, struct fault *reterr)
{
	_cleanup_(datapath_closep) struct datapath *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return fault(reterr, -ENOMEM, "datapath.load", "out of memory");
	d->lock_fd = -1;
	for (size_t i = 0; i < DATAPATH_LINKS_MAX; i++)
		d->links[i].fd = -1;
	if (strlen(pin_dir) >= sizeof(d->base_dir))
		return fault(reterr, -ENAMETOOLONG, "datapath.bpffs", "%s is too long a path",
			     pin_dir);
	memcpy(d->base_dir, pin_dir, strlen(pin_dir) + 1);
	r = open_pins(d, reterr);
	r = r ?: panic_open(d, reterr);
	if (r < 0) {
		datapath_abandon(d);
		return r;
	}
	*ret = take_ptr(d);
	return 0;
}

void datapath_abandon(struct datapath *d)
{
	if (d->fresh && !datapath_is_attached(d))
		datapath_remove(d->base_dir, NULL, NULL);
}

struct weir_live *datapath_live(const struct datapath *d)
{
	return &d->program.config->live;
}

struct weir_meta *datapath_meta(const struct datapath *d)
{
	return d->program.meta;
}

struct weir_cpu *datapath_cpu(const struct datapath *d)
{
	return d->program.cpu;
}

unsigned int datapath_cpus(const struct datapath *d)
{
	return d->program.cpus;
}

int datapath_ring_fd(const struct datapath *d)
{
	return bpf_map__fd(d->program.skeleton->maps.weir_events);
}

int datapath_program_fd(const struct datapath *d)
{
	return bpf_program__fd(d->program.skeleton->progs.weir_ingress);
}
