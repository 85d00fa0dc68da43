/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The links that hold the program on its interfaces: made, adopted, looked at, replaced, removed. All
 * of an instance run one program. A link belongs to an interface, not to its name, and ends with it;
 * what is somebody else's is never touched.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "bpf/limiter.skel.h"
#include "datapath/internal.h"
#include "datapath/pins.h"

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

static int own_program(const struct datapath *d)
{
	return bpf_program__fd(d->program.skeleton->progs.weir_ingress);
}

/* Name what is attached to an interface, for people. */
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

/* The program on an interface of our network namespace, and how it is attached; 0 = none. */
static uint32_t program_on(uint32_t ifindex, unsigned int *ret_mode)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)ifindex, 0, &query) || query.attach_mode == XDP_ATTACHED_NONE)
		return 0;
	*ret_mode = query.attach_mode;
	return query.prog_id ?: query.drv_prog_id ?: query.skb_prog_id ?: query.hw_prog_id;
}

/* Nothing of others is attached to @iface. */
static int check_free(const char *iface, uint32_t ifindex, struct fault *reterr)
{
	unsigned int mode;
	uint32_t id = program_on(ifindex, &mode);
	char name[64];

	if (!id)
		return 0;
	describe_program(id, name, sizeof(name));
	return fault(
		reterr, -EBUSY, "datapath.foreign",
		"%s already runs the XDP %s, which is not ours: it is left alone. Detach it, or "
		"give weir another interface",
		iface, name);
}

static int link_info(int fd, struct bpf_link_info *ret)
{
	uint32_t length = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return bpf_obj_get_info_by_fd(fd, ret, &length);
}

/* The links that are pinned in a directory. */
struct pinned {
	int fd;
	char name[NAME_MAX + 1];
	struct bpf_link_info info; /* xdp.ifindex 0: it will never work again */
	bool here; /* the interface is in our network namespace; if not, its index may be another's here */
};

struct pinned_links {
	struct pinned links[DATAPATH_LINKS_MAX + 1]; /* and one of before ABI 4 */
	size_t count;
};

static void pinned_links_free(struct pinned_links *p)
{
	for (size_t i = 0; i < p->count; i++)
		close_fdp(&p->links[i].fd);
	free(p);
}
DEFINE_CLEANUP(struct pinned_links *, pinned_links_free)

static int open_pinned(const char *base_dir, const char *name, struct pinned *ret,
		       struct fault *reterr)
{
	char path[PATH_MAX];
	unsigned int mode;
	int r = pin_path(base_dir, name, path);

	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "%s is too long a path", base_dir);
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->fd = bpf_obj_get(path);
	if (ret->fd < 0)
		return fault(reterr, -errno, "datapath.bpffs", "cannot open %s: %s", path,
			     strerror(errno));
	r = link_info(ret->fd, &ret->info);
	if (r < 0 || ret->info.type != BPF_LINK_TYPE_XDP) {
		close_fdp(&ret->fd);
		return fault(reterr, r < 0 ? r : -EPROTO, "datapath.attach", "cannot read %s: %s",
			     path, strerror(r < 0 ? -r : EPROTO));
	}
	ret->here = ret->info.xdp.ifindex &&
		    program_on(ret->info.xdp.ifindex, &mode) == ret->info.prog_id;
	return 0;
}

static int read_pinned(const char *base_dir, struct pinned_links **ret, struct fault *reterr)
{
	_cleanup_(pinned_links_freep) struct pinned_links *p = calloc(1, sizeof(*p));
	_cleanup_closedir_ DIR *dir = opendir(base_dir);
	const struct dirent *entry;

	if (!p)
		return fault(reterr, -ENOMEM, "datapath.load", "out of memory");
	if (!dir)
		return fault(reterr, -errno, "datapath.bpffs", "cannot open %s: %s", base_dir,
			     strerror(errno));
	while ((entry = readdir(dir))) {
		int r;

		if (!pins_is_link(entry->d_name))
			continue;
		if (p->count == ARRAY_SIZE(p->links))
			return fault(reterr, -E2BIG, "datapath.bpffs", "%s has too many links",
				     base_dir);
		r = open_pinned(base_dir, entry->d_name, &p->links[p->count], reterr);
		if (r < 0)
			return r;
		p->count++;
	}
	*ret = take_ptr(p);
	return 0;
}

static struct pinned *find_pinned(struct pinned_links *p, uint32_t ifindex)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->links[i].fd >= 0 && p->links[i].here &&
		    p->links[i].info.xdp.ifindex == ifindex)
			return &p->links[i];
	return NULL;
}

static int no_interface(const char *iface, struct fault *reterr)
{
	return fault(reterr, -ENODEV, "datapath.interface", "there is no interface '%s'", iface);
}

static bool is_named(const char *const ifaces[], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (ifaces[i] && strcmp(ifaces[i], name) == 0)
			return true;
	return false;
}

/* No link of ours is where nobody asked for one. One in another namespace may come back. */
static int check_others(const struct datapath *d, const struct pinned_links *pinned,
			const char *const ifaces[], size_t count, bool may_miss,
			struct fault *reterr)
{
	for (size_t i = 0; i < pinned->count; i++) {
		uint32_t ifindex = pinned->links[i].info.xdp.ifindex;
		char name[IF_NAMESIZE];
		bool here = pinned->links[i].here && if_indextoname(ifindex, name);

		if (!here && may_miss)
			continue;
		if (ifindex && (!here || !is_named(ifaces, count, name)))
			return fault(reterr, -EBUSY, "datapath.other_interface",
				     "%s/%s is attached to %s, not to %s: name it, too, use "
				     "another --bpffs, or 'weir detach' first",
				     d->base_dir, pinned->links[i].name,
				     here ? name : "an interface of another network namespace",
				     ifaces[0]);
	}
	return 0;
}

int datapath_check_interfaces(const struct datapath *d, const char *const ifaces[], size_t count,
			      bool may_miss, struct fault *reterr)
{
	_cleanup_(pinned_links_freep) struct pinned_links *pinned = NULL;
	int r = read_pinned(d->base_dir, &pinned, reterr);

	for (size_t i = 0; i < count && r == 0; i++) {
		uint32_t ifindex = if_nametoindex(ifaces[i]);

		if (!ifindex && !may_miss)
			r = no_interface(ifaces[i], reterr);
		else if (ifindex && !find_pinned(pinned, ifindex))
			r = check_free(ifaces[i], ifindex, reterr);
	}
	return r ?: check_others(d, pinned, ifaces, count, may_miss, reterr);
}

int datapath_check_interface(const struct datapath *d, const char *iface, struct fault *reterr)
{
	return datapath_check_interfaces(d, &iface, 1, false, reterr);
}

/* Attaching. Links in the making, so that all or none of them come to be. */
struct attempt {
	struct link link;
	bool adopted;
	int before_fd; /* the program that an adopted link had; -1 = not swapped */
};

static void undo(const struct datapath *d, struct attempt *attempts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct attempt *a = &attempts[i];
		char path[PATH_MAX];

		if (a->adopted && a->before_fd >= 0)
			bpf_link_update(a->link.fd, a->before_fd, NULL);
		if (!a->adopted && a->link.fd >= 0 && pin_path(d->base_dir, a->link.pin, path) == 0)
			unlink(path);
		close_fdp(&a->link.fd);
	}
}

static int create_link(const struct datapath *d, bool allow_generic, struct link *l,
		       struct fault *reterr)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	int r = check_free(l->name, l->ifindex, reterr);

	if (r < 0)
		return r;
	l->fd = bpf_link_create(own_program(d), (int)l->ifindex, BPF_XDP, &options);
	if (l->fd == -EOPNOTSUPP || l->fd == -EINVAL) {
		if (!allow_generic)
			return fault(
				reterr, l->fd, "datapath.native",
				"the driver of %s refuses native XDP: %s. --generic accepts the "
				"slow generic mode",
				l->name, strerror(-l->fd));
		options.flags = XDP_FLAGS_SKB_MODE;
		l->fd = bpf_link_create(own_program(d), (int)l->ifindex, BPF_XDP, &options);
	}
	if (l->fd < 0)
		return fault(reterr, l->fd, "datapath.attach", "cannot attach to %s: %s", l->name,
			     strerror(-l->fd));
	return pin(l->fd, d->base_dir, l->pin, reterr);
}

/* The link of before ABI 4 gets the name that links have now. */
static int rename_pin(const struct datapath *d, const char *from, const char *to,
		      struct fault *reterr)
{
	char old[PATH_MAX], new[PATH_MAX];
	int r = pin_path(d->base_dir, from, old) ?: pin_path(d->base_dir, to, new);

	if (r == 0 && strcmp(from, to) != 0 && rename(old, new) < 0)
		r = -errno;
	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "cannot rename %s/%s: %s", d->base_dir,
			     from, strerror(-r));
	return 0;
}

/* Find or make the link on @iface; an adopted one is not swapped yet. */
static int prepare_attempt(const struct datapath *d, struct pinned_links *pinned, const char *iface,
			   bool allow_generic, struct attempt *a, struct fault *reterr)
{
	struct pinned *p;

	a->link.ifindex = if_nametoindex(iface);
	if (!a->link.ifindex || strlen(iface) >= sizeof(a->link.name))
		return no_interface(iface, reterr);
	memcpy(a->link.name, iface, strlen(iface) + 1);
	snprintf(a->link.pin, sizeof(a->link.pin), "link_%u", a->link.ifindex);
	p = find_pinned(pinned, a->link.ifindex);
	if (!p)
		return create_link(d, allow_generic, &a->link, reterr);
	a->adopted = true;
	a->link.fd = take_fd(&p->fd);
	return rename_pin(d, p->name, a->link.pin, reterr);
}

static int swap_adopted(const struct datapath *d, struct attempt *a, struct fault *reterr)
{
	struct bpf_link_info info;
	int r;

	if (!a->adopted)
		return 0;
	if (link_info(a->link.fd, &info) == 0)
		a->before_fd = bpf_prog_get_fd_by_id(info.prog_id);
	r = bpf_link_update(a->link.fd, own_program(d), NULL);
	if (r < 0)
		return fault(reterr, r, "datapath.attach", "cannot swap the program on %s: %s",
			     a->link.name, strerror(-r));
	return 0;
}

/* What is pinned and will never work again. */
static void sweep_dead(const struct datapath *d, const struct pinned_links *pinned)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < pinned->count; i++)
		if (pinned->links[i].fd >= 0 && !pinned->links[i].info.xdp.ifindex &&
		    pin_path(d->base_dir, pinned->links[i].name, path) == 0)
			unlink(path);
}

static int attach_attempts(struct datapath *d, const char *const ifaces[], size_t count,
			   bool allow_generic, struct attempt *attempts, struct fault *reterr)
{
	_cleanup_(pinned_links_freep) struct pinned_links *pinned = NULL;
	int r = read_pinned(d->base_dir, &pinned, reterr);

	if (r == 0)
		sweep_dead(d, pinned);
	for (size_t i = 0; i < count && r == 0; i++)
		if (ifaces[i])
			r = prepare_attempt(d, pinned, ifaces[i], allow_generic, &attempts[i],
					    reterr);
	for (size_t i = 0; i < count && r == 0; i++)
		r = swap_adopted(d, &attempts[i], reterr);
	return r ?: pin(own_program(d), d->pin_dir, "program", reterr);
}

int datapath_attach_all(struct datapath *d, const char *const ifaces[], size_t count,
			bool allow_generic, bool ret_adopted[], struct fault *reterr)
{
	struct attempt attempts[DATAPATH_LINKS_MAX];
	int r;

	if (count > DATAPATH_LINKS_MAX)
		return fault(reterr, -E2BIG, "datapath.interface",
			     "one instance attaches to %u interfaces at most", DATAPATH_LINKS_MAX);
	for (size_t i = 0; i < count; i++)
		attempts[i] = (struct attempt){.link.fd = -1, .before_fd = -1};
	r = datapath_need_program(d, reterr);
	r = r ?: attach_attempts(d, ifaces, count, allow_generic, attempts, reterr);
	if (r < 0)
		undo(d, attempts, count);
	for (size_t i = 0; i < count; i++) {
		close_fdp(&attempts[i].before_fd);
		if (r < 0 || !ifaces[i])
			continue;
		close_fdp(&d->links[i].fd);
		d->links[i] = attempts[i].link;
		ret_adopted[i] = attempts[i].adopted;
	}
	return r;
}

int datapath_attach(struct datapath *d, const char *iface, bool allow_generic, bool *ret_adopted,
		    struct fault *reterr)
{
	return datapath_attach_all(d, &iface, 1, allow_generic, ret_adopted, reterr);
}

int datapath_attach_one(struct datapath *d, size_t number, const char *iface, bool allow_generic,
			struct fault *reterr)
{
	const char *ifaces[DATAPATH_LINKS_MAX] = {0};
	bool adopted[DATAPATH_LINKS_MAX];

	ifaces[number] = iface;
	datapath_let_go(d, number);
	return datapath_attach_all(d, ifaces, number + 1, allow_generic, adopted, reterr);
}

/* Looking */

void datapath_link(const struct datapath *d, size_t number, struct datapath_link *ret)
{
	const struct link *l = &d->links[number];
	struct datapath_link link = {.state = DATAPATH_LINK_NONE};
	struct bpf_link_info info;
	unsigned int mode;

	memcpy(link.name, l->name, sizeof(link.name));
	if (l->fd >= 0 && link_info(l->fd, &info) == 0) {
		link.state = DATAPATH_LINK_DEAD;
		link.ifindex = info.xdp.ifindex;
	}
	if (link.ifindex) {
		char name[IF_NAMESIZE];

		/* The index may be another interface's here, if ours was moved. */
		link.state = DATAPATH_LINK_AWAY;
		if (program_on(link.ifindex, &mode) == info.prog_id &&
		    if_indextoname(link.ifindex, name)) {
			link.state = DATAPATH_LINK_ATTACHED;
			memcpy(link.name, name, sizeof(link.name));
			link.mode = mode == XDP_ATTACHED_SKB ? DATAPATH_GENERIC : DATAPATH_NATIVE;
		}
	}
	*ret = link;
}

void datapath_link_renamed(struct datapath *d, size_t number, const char *name)
{
	snprintf(d->links[number].name, sizeof(d->links[number].name), "%s", name);
}

enum datapath_mode datapath_mode(const struct datapath *d, uint32_t *ret_ifindex)
{
	struct datapath_link link;

	datapath_link(d, 0, &link);
	if (ret_ifindex)
		*ret_ifindex = link.state == DATAPATH_LINK_ATTACHED ? link.ifindex : 0;
	return link.mode;
}

bool datapath_is_attached(const struct datapath *d)
{
	for (size_t i = 0; i < DATAPATH_LINKS_MAX; i++)
		if (d->links[i].fd >= 0)
			return true;
	return false;
}

void datapath_let_go(struct datapath *d, size_t number)
{
	struct link *l = &d->links[number];
	char path[PATH_MAX];

	if (l->fd < 0)
		return;
	if (pin_path(d->base_dir, l->pin, path) == 0)
		unlink(path);
	close_fdp(&l->fd);
	l->fd = -1;
}

int datapath_detach(struct datapath *d, size_t number, struct fault *reterr)
{
	int r = d->links[number].fd < 0 ? 0 : bpf_link_detach(d->links[number].fd);

	if (r < 0)
		return fault(reterr, r, "datapath.attach", "cannot detach from %s: %s",
			     d->links[number].name, strerror(-r));
	datapath_let_go(d, number);
	return 0;
}

/* All to @program; on failure those that were swapped go back to @before. */
int links_swap(const struct datapath *d, int program, int before, struct fault *reterr)
{
	for (size_t i = 0; i < DATAPATH_LINKS_MAX; i++) {
		int r = d->links[i].fd < 0 ? 0 : bpf_link_update(d->links[i].fd, program, NULL);

		/* A link whose interface was deleted has no program any more. */
		if (r == 0 || r == -ENOLINK)
			continue;
		while (i-- > 0)
			if (d->links[i].fd >= 0)
				bpf_link_update(d->links[i].fd, before, NULL);
		return fault(reterr, r, "datapath.attach", "cannot swap the program: %s",
			     strerror(-r));
	}
	return 0;
}

/* Links of a datapath that is not attached yet */

int links_swap_pinned(const char *base_dir, int program, struct fault *reterr)
{
	_cleanup_(pinned_links_freep) struct pinned_links *pinned = NULL;
	int r = read_pinned(base_dir, &pinned, reterr);

	if (r < 0)
		return r;
	for (size_t i = 0; i < pinned->count; i++) {
		r = fault_point(NULL, "links.swap")
			    ?: bpf_link_update(pinned->links[i].fd, program, NULL);
		if (r == 0 || r == -ENOLINK)
			continue;
		while (i-- > 0) {
			_cleanup_close_ int before =
				bpf_prog_get_fd_by_id(pinned->links[i].info.prog_id);

			if (before >= 0)
				bpf_link_update(pinned->links[i].fd, before, NULL);
		}
		return fault(reterr, r, "datapath.attach", "cannot swap the program: %s",
			     strerror(-r));
	}
	return 0;
}

/* Removing without a datapath */

static void add_name(char *names, uint32_t ifindex)
{
	char name[IF_NAMESIZE];
	size_t length = strlen(names);

	if (if_indextoname(ifindex, name))
		snprintf(names + length, DATAPATH_NAMES_SIZE - length, "%s%s", length ? "," : "",
			 name);
}

/* Not only unpinned: a daemon may still hold the link open. */
static int detach_pinned(const struct pinned *p, char *names, struct fault *reterr)
{
	int r;

	if (!p->info.xdp.ifindex)
		return 0;
	add_name(names, p->info.xdp.ifindex);
	r = bpf_link_detach(p->fd);
	if (r < 0 && r != -ENOLINK)
		return fault(reterr, r, "datapath.attach", "cannot detach: %s", strerror(-r));
	return 0;
}

int datapath_remove(const char *pin_dir, char *ret_ifaces, struct fault *reterr)
{
	_cleanup_(pinned_links_freep) struct pinned_links *pinned = NULL;
	char names[DATAPATH_NAMES_SIZE] = "";
	int r = read_pinned(pin_dir, &pinned, reterr);

	for (size_t i = 0; r == 0 && i < pinned->count; i++)
		r = detach_pinned(&pinned->links[i], names, reterr);
	if (ret_ifaces)
		memcpy(ret_ifaces, names, sizeof(names));
	return r ?: pins_remove_all(pin_dir, reterr);
}

int datapath_remove_link(const char *pin_dir, const char *iface, struct fault *reterr)
{
	_cleanup_(pinned_links_freep) struct pinned_links *pinned = NULL;
	char names[DATAPATH_NAMES_SIZE] = "", path[PATH_MAX];
	uint32_t ifindex = if_nametoindex(iface);
	struct pinned *p;
	size_t alive = 0;
	int r = read_pinned(pin_dir, &pinned, reterr);

	if (r < 0)
		return r;
	p = ifindex ? find_pinned(pinned, ifindex) : NULL;
	if (!p)
		return fault(reterr, -ENOENT, "datapath.interface",
			     "nothing in %s is attached to '%s'", pin_dir, iface);
	for (size_t i = 0; i < pinned->count; i++)
		alive += pinned->links[i].info.xdp.ifindex != 0;
	if (alive == 1)
		return datapath_remove(pin_dir, NULL, reterr);
	r = detach_pinned(p, names, reterr);
	if (r == 0 && pin_path(pin_dir, p->name, path) == 0 && unlink(path) < 0)
		r = fault(reterr, -errno, "datapath.bpffs", "cannot remove %s: %s", path,
			  strerror(errno));
	return r;
}
