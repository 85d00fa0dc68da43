/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Life of the datapath: load, pin, adopt, attach, detach. */
#include "datapath/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/text.h"
#include "bpf/limiter.skel.h"
#include "datapath/internal.h"

static const char *const mode_names[] = {
	[DATAPATH_DETACHED] = "none",
	[DATAPATH_NATIVE] = "native",
	[DATAPATH_GENERIC] = "generic",
};
_Static_assert(ARRAY_SIZE(mode_names) == DATAPATH_MODE_MAX, "a mode has no name");

const char *datapath_mode_to_str(enum datapath_mode mode)
{
	return mode_names[mode];
}

/* The directory is a bpffs directory that only we can change: whoever can replace a pin decides what
 * is enforced. */
static int prepare_pin_dir(const char *pin_dir, struct fault *reterr)
{
	struct statfs fs;
	struct stat st;
	_cleanup_close_ int fd = -1;

	if (mkdir(pin_dir, 0700) < 0 && errno != EEXIST)
		return fault(reterr, -errno, "datapath.bpffs",
			     "cannot create %s: %s; is a bpffs mounted there? (mount -t bpf bpf "
			     "/sys/fs/bpf)",
			     pin_dir, strerror(errno));
	fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return fault(reterr, -errno, "datapath.bpffs", "cannot open %s: %s", pin_dir,
			     strerror(errno));
	if ((unsigned long)fs.f_type != BPF_FS_MAGIC) {
		if (rmdir(pin_dir) < 0 && errno != ENOTEMPTY)
			return -errno;
		return fault(
			reterr, -EINVAL, "datapath.bpffs",
			"%s is not in a bpffs: mount one (mount -t bpf bpf /sys/fs/bpf) or choose "
			"another --bpffs",
			pin_dir);
	}
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return fault(reterr, -EPERM, "datapath.owner",
			     "%s belongs to uid %u with mode %04o: it must be ours and writable by "
			     "nobody else",
			     pin_dir, st.st_uid, st.st_mode & 07777);
	return 0;
}

/* Refuse pins that another ABI made before libbpf compares map by map and says it less clearly.
 * *@ret_fresh: there are none. *@ret_seed: theirs, or a new one. */
static int check_abi(const char *pin_dir, bool *ret_fresh, struct weir_meta *ret_theirs,
		     struct fault *reterr)
{
	char path[PATH_MAX];
	struct weir_meta meta = {0};
	uint32_t zero = 0;
	_cleanup_close_ int fd = -1;
	int r = pin_path(pin_dir, "weir_meta", path);

	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "%s is too long a path", pin_dir);
	fd = bpf_obj_get(path);
	*ret_fresh = fd < 0 && errno == ENOENT;
	if (fd < 0 && !*ret_fresh)
		return fault(reterr, -errno, "datapath.bpffs", "cannot open %s: %s", path,
			     strerror(errno));
	if (fd >= 0 && bpf_map_lookup_elem(fd, &zero, &meta) < 0)
		return fault(reterr, -errno, "datapath.abi", "cannot read %s: %s", path,
			     strerror(errno));
	if (meta.abi && meta.abi != WEIR_ABI)
		return fault(reterr, -EPROTONOSUPPORT, "datapath.abi",
			     "the pins in %s were made by weir %.23s (ABI %u), this is ABI %u: run "
			     "that version's 'weir detach' first",
			     pin_dir, meta.version, meta.abi, WEIR_ABI);
	if (!meta.abi &&
	    getrandom(&meta.hash_seed, sizeof(meta.hash_seed), 0) != sizeof(meta.hash_seed))
		return fault(reterr, -EIO, "datapath.load", "no random numbers");
	*ret_theirs = meta;
	return 0;
}

/* Two daemons on the same maps would undo each other's changes and share out the drops. */
static int lock_pins(struct datapath *d, struct fault *reterr)
{
	d->lock_fd = open(d->pin_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->lock_fd >= 0 && flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (d->lock_fd >= 0 && errno == EWOULDBLOCK)
		return fault(reterr, -EBUSY, "datapath.locked",
			     "the pins in %s are in use by another daemon: choose another --bpffs "
			     "or stop it",
			     d->pin_dir);
	return fault(reterr, -errno, "datapath.bpffs", "cannot lock %s: %s", d->pin_dir,
		     strerror(errno));
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
	close_fdp(&d->link_fd);
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

int datapath_open(const char *pin_dir, struct datapath **ret, struct fault *reterr)
{
	_cleanup_(datapath_closep) struct datapath *d = calloc(1, sizeof(*d));
	struct weir_meta theirs;
	int r;

	if (!d)
		return fault(reterr, -ENOMEM, "datapath.load", "out of memory");
	d->link_fd = d->lock_fd = -1;
	if (strlen(pin_dir) >= sizeof(d->pin_dir))
		return fault(reterr, -ENAMETOOLONG, "datapath.bpffs", "%s is too long a path",
			     pin_dir);
	memcpy(d->pin_dir, pin_dir, strlen(pin_dir) + 1);
	r = prepare_pin_dir(pin_dir, reterr);
	if (r < 0)
		return r;
	r = check_abi(pin_dir, &d->fresh, &theirs, reterr);
	if (r < 0)
		return r;
	r = lock_pins(d, reterr);
	if (r < 0)
		return r;
	r = grace_open(&d->grace);
	if (r < 0)
		return fault(reterr, r, "datapath.load", "cannot start a thread: %s", strerror(-r));
	grace_begin(d->grace); /* an earlier daemon may have changed something just now */
	r = load(d, &theirs, reterr);
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
	if (d->fresh && d->link_fd < 0)
		datapath_remove(d->pin_dir, NULL, NULL);
}

/* Name what is attached to @ifindex, for people. */
static void describe_program(uint32_t id, char *ret, size_t size)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &length) && info.name[0])
		snprintf(ret, size, "'%s' (program id %u)", info.name, id);
	else
		snprintf(ret, size, "program id %u", id);
}

static int foreign_fault(const char *iface, uint32_t id, struct fault *reterr)
{
	char name[64];

	describe_program(id, name, sizeof(name));
	return fault(
		reterr, -EBUSY, "datapath.foreign",
		"%s already runs the XDP %s, which is not ours: it is left alone. Detach it, or "
		"give weir another interface",
		iface, name);
}

/* Nothing of others is attached to @iface. */
static int check_free(const char *iface, uint32_t ifindex, struct fault *reterr)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)ifindex, 0, &query) || query.attach_mode == XDP_ATTACHED_NONE)
		return 0;
	return foreign_fault(
		iface,
		query.prog_id ?: query.drv_prog_id ?: query.skb_prog_id ?: query.hw_prog_id,
		reterr);
}

static int attach_new(struct datapath *d, const char *iface, uint32_t ifindex, bool allow_generic,
		      struct fault *reterr)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	int program = bpf_program__fd(d->program.skeleton->progs.weir_ingress);
	int fd, r = check_free(iface, ifindex, reterr);

	if (r < 0)
		return r;
	fd = bpf_link_create(program, (int)ifindex, BPF_XDP, &options);
	if (fd == -EOPNOTSUPP || fd == -EINVAL) {
		if (!allow_generic)
			return fault(
				reterr, fd, "datapath.native",
				"the driver of %s refuses native XDP: %s. --generic accepts the "
				"slow generic mode",
				iface, strerror(-fd));
		options.flags = XDP_FLAGS_SKB_MODE;
		fd = bpf_link_create(program, (int)ifindex, BPF_XDP, &options);
	}
	if (fd < 0)
		return fault(reterr, fd, "datapath.attach", "cannot attach to %s: %s", iface,
			     strerror(-fd));
	d->link_fd = fd;
	return pin(fd, d->pin_dir, "link", reterr);
}

static int link_ifindex(int fd, uint32_t *ret)
{
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);
	int r = bpf_obj_get_info_by_fd(fd, &info, &length);

	if (r < 0)
		return r;
	*ret = info.xdp.ifindex; /* 0 once the interface is gone */
	return 0;
}

/* Open the pinned link of @iface. -ENOENT: there is none, or one that will never work again because
 * its interface was deleted. */
static int open_link(const struct datapath *d, const char *iface, uint32_t ifindex, int *ret_fd,
		     struct fault *reterr)
{
	char path[PATH_MAX], other[IF_NAMESIZE];
	uint32_t linked;
	_cleanup_close_ int fd = -1;
	int r = pin_path(d->pin_dir, "link", path);

	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "%s is too long a path", d->pin_dir);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT
				       : fault(reterr, -errno, "datapath.bpffs",
					       "cannot open %s: %s", path, strerror(errno));
	r = link_ifindex(fd, &linked);
	if (r < 0)
		return fault(reterr, r, "datapath.attach", "cannot read %s: %s", path,
			     strerror(-r));
	if (!linked)
		return -ENOENT;
	if (linked != ifindex)
		return fault(
			reterr, -EBUSY, "datapath.other_interface",
			"%s is attached to %s, not to %s: use another --bpffs, or 'weir detach' "
			"first",
			path, if_indextoname(linked, other) ?: "another interface", iface);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int attach_adopt(struct datapath *d, const char *iface, uint32_t ifindex,
			struct fault *reterr)
{
	_cleanup_close_ int fd = -1;
	int r = open_link(d, iface, ifindex, &fd, reterr);

	if (r < 0)
		return r;
	r = bpf_link_update(fd, bpf_program__fd(d->program.skeleton->progs.weir_ingress), NULL);
	if (r < 0)
		return fault(reterr, r, "datapath.attach", "cannot swap the program on %s: %s",
			     iface, strerror(-r));
	d->link_fd = take_fd(&fd);
	return 0;
}

static int no_interface(const char *iface, struct fault *reterr)
{
	return fault(reterr, -ENODEV, "datapath.interface", "there is no interface '%s'", iface);
}

int datapath_check_interface(const struct datapath *d, const char *iface, struct fault *reterr)
{
	uint32_t ifindex = if_nametoindex(iface);
	_cleanup_close_ int fd = -1;
	int r;

	if (!ifindex)
		return no_interface(iface, reterr);
	r = open_link(d, iface, ifindex, &fd, reterr);
	return r == -ENOENT ? check_free(iface, ifindex, reterr) : r;
}

int datapath_attach(struct datapath *d, const char *iface, bool allow_generic, bool *ret_adopted,
		    struct fault *reterr)
{
	uint32_t ifindex = if_nametoindex(iface);
	bool adopted = true;
	int r;

	if (!ifindex)
		return no_interface(iface, reterr);
	r = attach_adopt(d, iface, ifindex, reterr);
	if (r == -ENOENT) {
		adopted = false;
		r = attach_new(d, iface, ifindex, allow_generic, reterr);
	}
	if (r < 0)
		return r;
	r = pin(bpf_program__fd(d->program.skeleton->progs.weir_ingress), d->pin_dir, "program",
		reterr);
	if (r < 0)
		return r;
	*ret_adopted = adopted;
	return 0;
}

enum datapath_mode datapath_mode(const struct datapath *d, uint32_t *ret_ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	uint32_t ifindex = 0;
	bool linked = d->link_fd >= 0 && link_ifindex(d->link_fd, &ifindex) == 0 && ifindex;

	if (ret_ifindex)
		*ret_ifindex = ifindex;
	if (!linked || bpf_xdp_query((int)ifindex, 0, &query))
		return DATAPATH_DETACHED;
	return query.attach_mode == XDP_ATTACHED_SKB ? DATAPATH_GENERIC : DATAPATH_NATIVE;
}

int datapath_remove(const char *pin_dir, char *ret_iface, struct fault *reterr)
{
	_cleanup_closedir_ DIR *dir = opendir(pin_dir);
	struct dirent *entry;
	char path[PATH_MAX];
	uint32_t ifindex = 0;
	bool found = false;
	int r;

	if (!dir)
		return fault(reterr, -errno, "datapath.bpffs", "cannot open %s: %s", pin_dir,
			     strerror(errno));
	if (ret_iface)
		ret_iface[0] = '\0';
	r = pin_path(pin_dir, "link", path);
	if (r == 0) {
		_cleanup_close_ int fd = bpf_obj_get(path);

		if (fd >= 0 && !link_ifindex(fd, &ifindex) && ifindex) {
			if (ret_iface && !if_indextoname(ifindex, ret_iface))
				ret_iface[0] = '\0';
			/* Not only unpinned: a daemon may still hold the link open. */
			r = bpf_link_detach(fd);
			if (r < 0)
				return fault(reterr, r, "datapath.attach", "cannot detach: %s",
					     strerror(-r));
		}
	}
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "weir_", 5) != 0 && strcmp(entry->d_name, "link") != 0 &&
		    strcmp(entry->d_name, "program") != 0)
			continue;
		found = true;
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			return fault(reterr, -errno, "datapath.bpffs", "cannot remove %s/%s: %s",
				     pin_dir, entry->d_name, strerror(errno));
	}
	if (!found)
		return fault(reterr, -ENOENT, "datapath.bpffs", "nothing of weir is pinned in %s",
			     pin_dir);
	if (rmdir(pin_dir) < 0 && errno != ENOTEMPTY && errno != EBUSY)
		return fault(reterr, -errno, "datapath.bpffs", "cannot remove %s: %s", pin_dir,
			     strerror(errno));
	return 0;
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
