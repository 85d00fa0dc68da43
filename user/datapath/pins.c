/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where things are pinned, and that they stay there. The directory that the operator names has
 *
 *   weir_meta    a map that says which ABI is current: struct weir_head, laid out for ever
 *   v<ABI>/      maps and program of that ABI
 *   link_<N>     the link on the interface with that index
 *
 * Up to ABI 3 all of it lay in one directory, with struct weir_meta as weir_meta and the link as
 * "link". Nothing here knows what is in the maps.
 */
#include "datapath/pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "bpf/connections.skel.h"
#include "bpf/limiter.skel.h"

#define HEAD_BYTES_MAX 512 /* more than any ABI's weir_meta has */
#define FLAT_ABI_MAX   3   /* the last one with everything in one directory */
#define FLAT_VERSION   88  /* where struct weir_meta had the version then */

int pin_path(const char *pin_dir, const char *name, char ret[static PATH_MAX])
{
	int length = snprintf(ret, PATH_MAX, "%s/%s", pin_dir, name);

	return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int pin(int fd, const char *pin_dir, const char *name, struct fault *reterr)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	char next[64];
	int r;

	snprintf(next, sizeof(next), "weir_next_%s", name);
	r = pin_path(pin_dir, name, path) ?: pin_path(pin_dir, next, fresh);
	if (r == 0 && unlink(fresh) < 0 && errno != ENOENT)
		r = -errno;
	r = r ?: fault_point(NULL, "program.pin");
	if (r == 0)
		r = bpf_obj_pin(fd, fresh);
	if (r == 0 && fault_point(NULL, "program.rename_pin") < 0) {
		r = -EIO;
		unlink(fresh);
	}
	if (r == 0 && rename(fresh, path) < 0) {
		r = -errno;
		unlink(fresh);
	}
	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "cannot pin %s/%s: %s", pin_dir, name,
			     strerror(-r));
	return 0;
}

/* The directory is a bpffs directory that only we can change: whoever can replace a pin decides what
 * is enforced. */
int pins_prepare(const char *base_dir, struct fault *reterr)
{
	struct statfs fs;
	struct stat st;
	_cleanup_close_ int fd = -1;

	if (mkdir(base_dir, 0700) < 0 && errno != EEXIST)
		return fault(reterr, -errno, "datapath.bpffs",
			     "cannot create %s: %s; is a bpffs mounted there? (mount -t bpf bpf "
			     "/sys/fs/bpf)",
			     base_dir, strerror(errno));
	fd = open(base_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return fault(reterr, -errno, "datapath.bpffs", "cannot open %s: %s", base_dir,
			     strerror(errno));
	if ((unsigned long)fs.f_type != BPF_FS_MAGIC) {
		if (rmdir(base_dir) < 0 && errno != ENOTEMPTY)
			return -errno;
		return fault(
			reterr, -EINVAL, "datapath.bpffs",
			"%s is not in a bpffs: mount one (mount -t bpf bpf /sys/fs/bpf) or choose "
			"another --bpffs",
			base_dir);
	}
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return fault(reterr, -EPERM, "datapath.owner",
			     "%s belongs to uid %u with mode %04o: it must be ours and writable by "
			     "nobody else",
			     base_dir, st.st_uid, st.st_mode & 07777);
	return 0;
}

/* Two daemons on the same maps would undo each other's changes and share out the drops. */
int pins_lock(const char *base_dir, int *ret_fd, struct fault *reterr)
{
	_cleanup_close_ int fd = open(base_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*ret_fd = take_fd(&fd);
		return 0;
	}
	if (fd >= 0 && errno == EWOULDBLOCK)
		return fault(reterr, -EBUSY, "datapath.locked",
			     "the pins in %s are in use by another daemon: choose another --bpffs "
			     "or stop it",
			     base_dir);
	return fault(reterr, -errno, "datapath.bpffs", "cannot lock %s: %s", base_dir,
		     strerror(errno));
}

int pins_abi_dir(const char *base_dir, uint32_t abi, char ret[static PATH_MAX])
{
	char name[16];

	if (abi <= FLAT_ABI_MAX)
		return snprintf(ret, PATH_MAX, "%s", base_dir) < PATH_MAX ? 0 : -ENAMETOOLONG;
	snprintf(name, sizeof(name), "v%u", abi);
	return pin_path(base_dir, name, ret);
}

/* The first words of @dir/weir_meta, whose size is that of whoever made it. -ENOENT: there is none. */
static int read_head(const char *dir, struct weir_head *ret, struct fault *reterr)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info), zero = 0;
	_Alignas(8) char value[HEAD_BYTES_MAX] = {0};
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r = pin_path(dir, "weir_meta", path);

	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "%s is too long a path", dir);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT
				       : fault(reterr, -errno, "datapath.bpffs",
					       "cannot open %s: %s", path, strerror(errno));
	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0 || info.value_size > sizeof(value) ||
	    info.value_size < sizeof(*ret) || bpf_map_lookup_elem(fd, &zero, value) < 0)
		return fault(reterr, -EPROTO, "datapath.abi", "%s is not weir's: cannot read it",
			     path);
	memcpy(ret, value, sizeof(*ret));
	if (ret->abi && ret->abi <= FLAT_ABI_MAX) {
		memcpy(ret->version, value + FLAT_VERSION, sizeof(ret->version));
		ret->from = 0;
	}
	ret->version[sizeof(ret->version) - 1] = '\0';
	return 0;
}

int pins_find(const char *base_dir, struct pins *ret, struct fault *reterr)
{
	struct pins pins = {0};
	int r = read_head(base_dir, &pins.head, reterr);

	if (r == -ENOENT) { /* somebody may have removed it, and left what it leads to */
		r = pins_abi_dir(base_dir, WEIR_ABI, pins.dir)
			    ?: read_head(pins.dir, &pins.head, reterr);
		pins.head.from = 0; /* of struct weir_meta, that is another word */
		if (r == 0 && pins.head.abi == WEIR_ABI)
			pins.headless = true;
		else if (r == 0)
			r = -ENOENT; /* a beginning that somebody died over */
	}
	pins.fresh = r == -ENOENT || (r == 0 && !pins.head.abi);
	if (r < 0 && r != -ENOENT)
		return r;
	if (pins.fresh)
		pins.head.abi = WEIR_ABI;
	r = pins_abi_dir(base_dir, pins.head.abi, pins.dir);
	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "%s is too long a path", base_dir);
	*ret = pins;
	return 0;
}

int pins_write_head(const char *base_dir, uint32_t from, struct fault *reterr)
{
	struct weir_head head = {.abi = WEIR_ABI, .from = from, .created_ns = clock_real_ns()};
	uint32_t zero = 0;
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "weir_meta", sizeof(zero),
						sizeof(head), 1, NULL);

	snprintf(head.version, sizeof(head.version), "%s", WEIR_VERSION);
	if (fd < 0 || bpf_map_update_elem(fd, &zero, &head, BPF_ANY) < 0)
		return fault(reterr, -errno, "datapath.load", "cannot make weir_meta: %s",
			     strerror(errno));
	return pin(fd, base_dir, "weir_meta", reterr);
}

bool pins_is_link(const char *name)
{
	return strcmp(name, "link") == 0 || strncmp(name, "link_", 5) == 0;
}

static bool is_pin(const char *name)
{
	return strncmp(name, "weir_", 5) == 0 || strcmp(name, "program") == 0;
}

static bool is_abi_dir(const char *name)
{
	return name[0] == 'v' && name[1] && strspn(name + 1, "0123456789") == strlen(name + 1);
}

/* Remove the pins in @dir_fd, but for links; *@found: there were any. */
static int clear(int dir_fd, bool *found)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (!is_pin(entry->d_name))
			continue;
		*found = true;
		if (unlinkat(dir_fd, entry->d_name, 0) < 0)
			return -errno;
	}
	return 0;
}

static int remove_abi_dir(int base_fd, const char *name, bool *found)
{
	_cleanup_close_ int fd =
		openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	*found = true;
	r = clear(fd, found);
	if (r == 0 && unlinkat(base_fd, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

/* Remove the directories of all ABIs but @keep; *@found: there were any. */
static int remove_abi_dirs(const char *base_dir, uint32_t keep, bool *found)
{
	_cleanup_closedir_ DIR *dir = opendir(base_dir);
	const struct dirent *entry;
	char kept[16];
	int r = 0;

	if (!dir)
		return -errno;
	snprintf(kept, sizeof(kept), "v%u", keep);
	while (r == 0 && (entry = readdir(dir)))
		if (is_abi_dir(entry->d_name) && strcmp(entry->d_name, kept) != 0)
			r = remove_abi_dir(dirfd(dir), entry->d_name, found);
	return r;
}

/* What lies in the base directory itself since before ABI 4. */
static int remove_flat(const char *base_dir)
{
	_cleanup_closedir_ DIR *dir = opendir(base_dir);
	const struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (is_pin(entry->d_name) && strcmp(entry->d_name, "weir_meta") != 0 &&
		    unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			return -errno;
	return 0;
}

int pins_sweep_other(const char *base_dir, uint32_t keep, struct fault *reterr)
{
	bool found;
	int r = remove_abi_dirs(base_dir, keep, &found);

	if (r < 0)
		return fault(reterr, r, "datapath.bpffs",
			     "cannot remove what is left of another attempt in %s: %s", base_dir,
			     strerror(-r));
	return 0;
}

int pins_sweep(const char *base_dir, uint32_t keep, struct fault *reterr)
{
	bool found;
	int r = remove_abi_dirs(base_dir, keep, &found);

	if (r == 0 && keep > FLAT_ABI_MAX)
		r = remove_flat(base_dir);
	if (r < 0)
		return fault(reterr, r, "datapath.bpffs",
			     "cannot remove what is left of another version in %s: %s", base_dir,
			     strerror(-r));
	return 0;
}

int pins_remove_all(const char *base_dir, struct fault *reterr)
{
	_cleanup_closedir_ DIR *dir = opendir(base_dir);
	const struct dirent *entry;
	bool found = false;
	int r;

	if (!dir)
		return fault(reterr, -errno, "datapath.bpffs", "cannot open %s: %s", base_dir,
			     strerror(errno));
	while ((entry = readdir(dir)))
		if (pins_is_link(entry->d_name)) {
			found = true;
			unlinkat(dirfd(dir), entry->d_name, 0);
		}
	r = remove_abi_dirs(base_dir, 0, &found);
	r = r ?: clear(dirfd(dir), &found);
	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "cannot remove the pins in %s: %s",
			     base_dir, strerror(-r));
	if (!found)
		return fault(reterr, -ENOENT, "datapath.bpffs", "nothing of weir is pinned in %s",
			     base_dir);
	if (rmdir(base_dir) < 0 && errno != ENOTEMPTY && errno != EBUSY)
		return fault(reterr, -errno, "datapath.bpffs", "cannot remove %s: %s", base_dir,
			     strerror(errno));
	return 0;
}

int datapath_pins_dir(const char *pin_dir, char ret[static PATH_MAX], struct fault *reterr)
{
	struct pins pins;
	int r = pins_find(pin_dir, &pins, reterr);

	if (r < 0)
		return r;
	if (pins.fresh)
		return fault(reterr, -ENOENT, "datapath.bpffs", "nothing of weir is pinned in %s",
			     pin_dir);
	if (pins.head.abi != WEIR_ABI)
		return fault(reterr, -EPROTONOSUPPORT, "datapath.abi",
			     "the pins in %s were made by weir %.23s (ABI %u), this is ABI %u",
			     pin_dir, pins.head.version, pins.head.abi, WEIR_ABI);
	if (pins.head.from)
		return fault(reterr, -EPROTONOSUPPORT, "datapath.abi",
			     "an upgrade of the pins in %s was not finished: start the daemon",
			     pin_dir);
	memcpy(ret, pins.dir, PATH_MAX);
	return 0;
}

/*
 * What has to be pinned while @d is open, a row each. A new map or link of another file is one more row.
 */
struct row {
	int fd;
	const char *dir, *name;
};

#define ROWS_MAX 64

static size_t list_rows(const struct datapath *d, struct row rows[static ROWS_MAX])
{
	const struct program *p = &d->program;
	const struct bpf_map *map;
	size_t count = 0;

	bpf_object__for_each_map(map, p->skeleton->obj) if (program_is_pinned(p, map))
		rows[count++] =
			(struct row){bpf_map__fd(map), d->pin_dir, program_map_name(p, map)};
	if (datapath_is_attached(d))
		rows[count++] = (struct row){bpf_program__fd(p->skeleton->progs.weir_ingress),
					     d->pin_dir, "program"};
	for (size_t i = 0; i < DATAPATH_LINKS_MAX; i++)
		if (d->links[i].fd >= 0)
			rows[count++] = (struct row){d->links[i].fd, d->base_dir, d->links[i].pin};
	if (d->connections)
		bpf_object__for_each_map(map, d->connections->obj) if (bpf_map__pin_path(map))
			rows[count++] =
				(struct row){bpf_map__fd(map), d->pin_dir, bpf_map__name(map)};
	if (d->connections_link)
		rows[count++] = (struct row){bpf_link__fd(d->connections_link), d->pin_dir,
					     CONNECTIONS_LINK_PIN};
	return count;
}

static bool is_there(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return pin_path(dir, name, path) == 0 && access(path, F_OK) == 0;
}

/* Somebody has removed the directories, too; a new one is not locked. */
static int make_dirs(struct datapath *d, struct fault *reterr)
{
	struct stat ours, there;
	int fd, r = pins_prepare(d->base_dir, reterr);

	if (r < 0)
		return r;
	if (fstat(d->lock_fd, &ours) < 0 || stat(d->base_dir, &there) < 0 ||
	    ours.st_ino != there.st_ino) {
		r = pins_lock(d->base_dir, &fd, reterr);
		if (r < 0)
			return r;
		close_fdp(&d->lock_fd);
		d->lock_fd = fd;
	}
	return pins_prepare(d->pin_dir, reterr);
}

int datapath_keep_pins(struct datapath *d, size_t *ret_missing, struct fault *reterr)
{
	struct row rows[ROWS_MAX];
	size_t count = list_rows(d, rows), missing = 0;
	bool head = is_there(d->base_dir, "weir_meta");
	int r = 0;

	for (size_t i = 0; i < count; i++)
		missing += !is_there(rows[i].dir, rows[i].name);
	*ret_missing = missing + !head;
	if (!*ret_missing)
		return 0;
	r = make_dirs(d, reterr);
	for (size_t i = 0; i < count && r == 0; i++)
		if (!is_there(rows[i].dir, rows[i].name))
			r = pin(rows[i].fd, rows[i].dir, rows[i].name, reterr);
	if (r == 0 && !head)
		r = pins_write_head(d->base_dir, 0, reterr);
	return r;
}
