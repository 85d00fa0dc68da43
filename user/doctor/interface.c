/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The interfaces that are, or are to be, protected. */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "datapath/probe.h"
#include "doctor/ethtool.h"
#include "doctor/internal.h"

#define FRAME_BYTES                                                                                \
	3498 /* the largest MTU that fits one page with XDP's head room, on most drivers */

/* Call @fn for each interface that is there; false: there was nothing to look at. */
static bool each(const struct visit *v,
		 void (*fn)(const struct visit *v, const char *name, const struct nic *nic))
{
	bool any = false;

	for (size_t i = 0; i < v->options->iface_count; i++) {
		struct nic nic;

		if (nic_read(v->options->ifaces[i], &nic) == 0) {
			fn(v, v->options->ifaces[i], &nic);
			any = true;
		}
	}
	return any;
}

void check_interface_state(const struct visit *v)
{
	if (!v->options->iface_count)
		return say_skip(v, "no interface is named: use --iface");
	for (size_t i = 0; i < v->options->iface_count; i++) {
		const char *name = v->options->ifaces[i];
		struct nic nic;
		char fix[64];
		int r = nic_read(name, &nic);

		snprintf(fix, sizeof(fix), "ip link set %.16s up", name);
		if (r == -ENODEV)
			say_fail(v, "ip link", "there is no interface '%.16s' here", name);
		else if (r < 0)
			say_skip(v, "%.16s: %s", name, strerror(-r));
		else if (!nic.up)
			say_warn(v, fix, "%.16s is down", name);
		else if (!nic.running)
			say_warn(v, "check the cable, or the other side", "%.16s has no carrier",
				 name);
		else
			say_ok(v, "%.16s is up, driver %s", name,
			       *nic.driver ? nic.driver : "unknown");
	}
}

static void say_generic(const struct visit *v, const char *name, const struct nic *nic)
{
	char fix[128];

	if (nic->lro) {
		snprintf(fix, sizeof(fix), "ethtool -K %.16s lro off; weir detach; start it again",
			 name);
		return say_warn(v, fix,
				"%.16s: the slow generic mode; LRO is on, which native XDP "
				"does not go with",
				name);
	}
	if (*nic->driver && nic->mtu > FRAME_BYTES) {
		snprintf(fix, sizeof(fix),
			 "ip link set %.16s mtu 1500; weir detach; start it again", name);
		return say_warn(v, fix,
				"%.16s: the slow generic mode; with an MTU of %u the driver "
				"%s may have no native XDP",
				name, nic->mtu, nic->driver);
	}
	say_warn(
		v, "use a NIC whose driver has native XDP",
		"%.16s: the slow generic mode: the driver %s has no native XDP, or had none when it "
		"was attached",
		name, *nic->driver ? nic->driver : "(unknown)");
}

static void look_at_xdp(const struct visit *v, const char *name, const struct nic *nic)
{
	struct datapath_attached on;
	char fix[64];
	int r = datapath_query(nic->ifindex, &on);

	/* "xdp off" alone means the mode that the driver prefers, which may be the other one. */
	if (r == 0)
		snprintf(fix, sizeof(fix), "ip link set dev %.16s %s off", name,
			 on.mode == DATAPATH_GENERIC ? "xdpgeneric" : "xdpdrv");
	if (r < 0)
		say_skip(v, "%.16s: cannot tell: %s", name, strerror(-r));
	else if (on.mode == DATAPATH_DETACHED && v->options->daemon_runs)
		say_fail(v, "start the daemon again; its log says why it is not attached",
			 "%.16s: nothing is attached: nothing is limited or blocked", name);
	else if (on.mode == DATAPATH_DETACHED)
		say_ok(v, "%.16s: nothing is attached", name);
	else if (!on.ours)
		say_fail(v, fix, "%.16s runs the XDP program %s (id %u), which is not weir's", name,
			 *on.name ? on.name : "(unnamed)", on.id);
	else if (on.mode == DATAPATH_GENERIC)
		say_generic(v, name, nic);
	else
		say_ok(v, "%.16s: weir in native mode, program id %u", name, on.id);
}

void check_interface_xdp(const struct visit *v)
{
	if (!each(v, look_at_xdp))
		say_skip(v, "no interface to look at");
}

static void look_at_mtu(const struct visit *v, const char *name, const struct nic *nic)
{
	if (nic->mtu > FRAME_BYTES)
		say_ok(v,
		       "%.16s: MTU %u: packets in several pieces, which the program takes "
		       "(xdp.frags); the driver must, too",
		       name, nic->mtu);
	else
		say_ok(v, "%.16s: MTU %u", name, nic->mtu);
}

void check_interface_mtu(const struct visit *v)
{
	if (!each(v, look_at_mtu))
		say_skip(v, "no interface to look at");
}

static void look_at_queues(const struct visit *v, const char *name, const struct nic *nic)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char fix[64];
	uint32_t want = cpus > 0 ? (uint32_t)cpus : 1;

	if (!nic->queues)
		return say_skip(v, "%.16s does not say how many queues it has", name);
	if (nic->queues >= want)
		return say_ok(v, "%.16s: %u queues for %u CPUs", name, nic->queues, want);
	if (nic->queues_max <= nic->queues)
		return say_ok(v, "%.16s: %u queues, which is all it has, for %u CPUs", name,
			      nic->queues, want);
	if (want > nic->queues_max)
		want = nic->queues_max;
	snprintf(fix, sizeof(fix), "ethtool -L %.16s %s %u", name,
		 strcmp(nic->driver, "veth") == 0 ? "rx" : "combined", want);
	say_warn(v, fix, "%.16s: %u queues for %ld CPUs: the others do not help under a flood",
		 name, nic->queues, cpus);
}

void check_interface_queues(const struct visit *v)
{
	if (!each(v, look_at_queues))
		say_skip(v, "no interface to look at");
}

static void look_at_offloads(const struct visit *v, const char *name, const struct nic *nic)
{
	char fix[64];

	if (nic->rx_vlan) {
		snprintf(fix, sizeof(fix), "ethtool -K %.16s rxvlan off", name);
		say_warn(
			v, fix,
			"%.16s takes VLAN tags off before the program sees a packet "
			"(rx-vlan-offload): in a VLAN, what the program answers by itself (reject, "
			"SYN cookies) leaves without its tag",
			name);
	}
	if (nic->lro) {
		snprintf(fix, sizeof(fix), "ethtool -K %.16s lro off", name);
		say_warn(v, fix, "%.16s merges packets before they are counted (LRO)", name);
	}
	if (!nic->rx_vlan && !nic->lro)
		say_ok(v, "%.16s: no offload hides anything%s", name,
		       nic->gro ? "; GRO comes after the program in native mode" : "");
}

void check_interface_offloads(const struct visit *v)
{
	if (!each(v, look_at_offloads))
		say_skip(v, "no interface to look at");
}
