/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The counter of open connections (bpf/connections.bpf.c), which runs while the policy has a limit on
 * them. It shares the policy's maps and the numbers with the limiter. Its link is pinned, so it goes
 * on counting without a daemon; the next daemon's counter is attached beside it before it goes, and
 * what a socket is counted under is kept with the socket, so that nothing is counted twice or missed.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/connection.h>

#include "base/fault_point.h"
#include "bpf/connections.skel.h"
#include "bpf/limiter.skel.h"
#include "datapath/internal.h"

/* What the counter has to itself, and keeps from daemon to daemon. */
static bool is_own(const char *name)
{
	return strncmp(name, "weir_conn_", 10) == 0;
}

/* What it shares with the limiter. */
static bool is_shared(const char *name)
{
	static const char *const shared[] = {"weir_dests", "weir_sources", "weir_conns"};

	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		if (strcmp(name, shared[i]) == 0)
			return true;
	return false;
}

static int load(struct datapath *d, struct connections_bpf *skeleton, struct fault *reterr)
{
	struct stat netns;
	int r;

	if (stat("/proc/thread-self/ns/net", &netns) < 0)
		return fault(reterr, -errno, "datapath.connections",
			     "cannot tell our network namespace: %s", strerror(errno));
	r = program_share_maps(d, skeleton->obj, skeleton->maps.bss, is_own, is_shared);
	skeleton->rodata->weir_netns = (uint32_t)netns.st_ino;
	skeleton->rodata->weir_seed = d->program.seed;
	r = r ?: fault_point(NULL, "connections.load");
	r = r ?: connections_bpf__load(skeleton);
	if (r < 0)
		return fault(reterr, r, "datapath.connections",
			     "the kernel refused the counter of open connections: %s; limits on "
			     "open_connections need a kernel with BTF (CONFIG_DEBUG_INFO_BTF)",
			     strerror(-r));
	return 0;
}

int connections_start(struct datapath *d, struct fault *reterr)
{
	struct connections_bpf *skeleton;
	struct bpf_link *link;
	int r;

	if (d->connections)
		return 0;
	skeleton = connections_bpf__open();
	if (!skeleton)
		return fault(reterr, -errno, "datapath.connections",
			     "cannot open the counter of open connections: %s", strerror(errno));
	r = load(d, skeleton, reterr);
	if (r < 0) {
		connections_bpf__destroy(skeleton);
		return r;
	}
	r = fault_point(reterr, "connections.attach");
	if (r < 0) {
		connections_bpf__destroy(skeleton);
		return r;
	}
	link = bpf_program__attach(skeleton->progs.weir_conn_state);
	if (!link)
		r = fault(reterr, -errno, "datapath.connections",
			  "cannot attach the counter of open connections: %s", strerror(errno));
	/* An earlier daemon's link, if it was pinned there, goes with its pin. */
	r = r ?: pin(bpf_link__fd(link), d->pin_dir, CONNECTIONS_LINK_PIN, reterr);
	if (r < 0) {
		bpf_link__destroy(link);
		connections_bpf__destroy(skeleton);
		return r;
	}
	d->connections = skeleton;
	d->connections_link = link;
	return 0;
}

bool datapath_read_connection_stats(const struct datapath *d, struct weir_conn_stats *ret)
{
	_cleanup_free_ struct weir_conn_stats *values =
		calloc(d->program.cpus, sizeof(*values)); /* a multiple of 8 bytes each */
	uint32_t zero = 0;

	*ret = (struct weir_conn_stats){0};
	if (!d->connections || !values ||
	    bpf_map_lookup_elem(bpf_map__fd(d->connections->maps.weir_conn_stats), &zero, values) <
		    0)
		return false;
	for (unsigned int i = 0; i < d->program.cpus; i++) {
		ret->opened += values[i].opened;
		ret->closed += values[i].closed;
		ret->untracked += values[i].untracked;
		ret->full += values[i].full;
		ret->lost += values[i].lost;
	}
	return true;
}

void connections_release(struct datapath *d)
{
	bpf_link__destroy(d->connections_link); /* the pin keeps it */
	connections_bpf__destroy(d->connections);
	d->connections_link = NULL;
	d->connections = NULL;
}

void connections_stop(struct datapath *d)
{
	char path[PATH_MAX];

	fault_point(NULL, "connections.stop"); /* to die at: nothing can fail */
	if (pin_path(d->pin_dir, CONNECTIONS_LINK_PIN, path) == 0)
		unlink(path);
	connections_release(d);
}
