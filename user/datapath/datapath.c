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
#include "datapath/listener.h"
#include "datapath/migrate.h"
#include "datapath/pins.h"

int datapath_read_meta(const struct datapath *d, struct weir_meta *ret, struct fault *reterr)
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
	if (d->traces)
		datapath_trace_end(d, NULL); /* or what goes on would trace for nobody */
	connections_release(d);
	watchdog_close(d);
	panic_close(d);
	twin_free(d->twin);
	listener_close(d->listener);
	program_done(&d->program);
	grace_close(d->grace);
	entries_done(&d->entries);
	for (size_t i = 0; i < DATAPATH_LINKS_MAX; i++)
		close_fdp(&d->links[i].fd);
	close_fdp(&d->lock_fd);
	free(d);
}

/* Load the maps alone: which policy is in force, and so what the program has to know, only they tell. */
static int load(struct datapath *d, const struct weir_meta *theirs, struct fault *reterr)
{
	uint64_t seed = theirs->hash_seed;
	struct shape shape;
	int r = program_pinned_shape(d->pin_dir, &shape, reterr);

	shape.hits_slot = theirs->hits_slot;
	shape.features = shape.cell_sets_was ? WEIR_FEATURE_MOVING : 0;
	shape.maps_only = true;
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
	return 0;
}

/* What the maps hold, whoever filled them. */
static int adopt(struct datapath *d, struct fault *reterr)
{
	int r;

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
	/* An earlier daemon may have changed something just now. */
	d->flipped = grace_begin(d->grace);
	freed_reset(&d->entries.freed, d->flipped);
	return 0;
}

static int check_abi(const char *base_dir, const struct pins *pins, struct fault *reterr)
{
	if (pins->head.abi == WEIR_ABI)
		return 0;
	if (!migrate_is_possible(pins->head.abi))
		return refuse_abi(base_dir, &pins->head, reterr);
	if (pins->head.from)
		return fault(
			reterr, -EPROTONOSUPPORT, "datapath.abi",
			"an upgrade of the pins in %s to weir %.23s (ABI %u) was not finished: "
			"start that version once more",
			base_dir, pins->head.version, pins->head.abi);
	return 0;
}

static int upgrade(struct datapath *d, const struct pins *pins, struct fault *reterr)
{
	uint64_t began_ns = clock_monotonic_ns();
	int r = migrate(d, pins, reterr);

	if (r < 0)
		return r;
	d->upgraded.abi = pins->head.from ?: pins->head.abi;
	d->upgraded.ms = (clock_monotonic_ns() - began_ns) / NSEC_PER_MSEC;
	memcpy(d->upgraded.version, pins->head.version, sizeof(d->upgraded.version));
	return 0;
}

bool datapath_upgraded_from(const struct datapath *d, uint32_t *ret_abi, const char **ret_version,
			    uint64_t *ret_ms)
{
	*ret_abi = d->upgraded.abi;
	*ret_version = d->upgraded.version;
	*ret_ms = d->upgraded.ms;
	return d->upgraded.abi;
}

/* Load the program on what is pinned, which is ours from here on. */
static int take_pins(struct datapath *d, const struct pins *pins, struct fault *reterr)
{
	struct weir_meta theirs = {0};
	int r;

	d->fresh = pins->fresh;
	r = pins_abi_dir(d->base_dir, WEIR_ABI, d->pin_dir);
	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "%s is too long a path", d->base_dir);
	if (pins->head.abi != WEIR_ABI || pins->head.from)
		return upgrade(d, pins, reterr);
	r = pins_sweep(d->base_dir, pins->fresh ? 0 : WEIR_ABI, reterr);
	r = r ?: pins_prepare(d->pin_dir, reterr);
	r = r ?: datapath_read_meta(d, &theirs, reterr);
	r = r ?: load(d, &theirs, reterr);
	if (r == 0 && (pins->fresh || pins->headless))
		r = pins_write_head(d->base_dir, 0, reterr);
	return r;
}

static int open_pins(struct datapath *d, struct fault *reterr)
{
	struct pins pins;
	int r = pins_prepare(d->base_dir, reterr);

	r = r ?: pins_find(d->base_dir, &pins, reterr);
	r = r ?: check_abi(d->base_dir, &pins, reterr);
	r = r ?: pins_lock(d->base_dir, &d->lock_fd, reterr);
	/* Once more: they may have changed hands before. */
	r = r ?: pins_find(d->base_dir, &pins, reterr);
	r = r ?: check_abi(d->base_dir, &pins, reterr);
	r = r ?: start_grace(d, reterr);
	r = r ?: take_pins(d, &pins, reterr);
	return r ?: adopt(d, reterr);
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
