/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asks the kernel about interfaces by ioctl and rtnetlink, not through /sys: that one shows the
 * namespace it was mounted in, whatever namespace the reader is in.
 *
 * Where a redirected frame is counted (drivers/net/veth.c, Linux 6.18): veth_xdp_xmit() adds to
 * xdp_xmit the frames it could put into the ring of the peer's queue, and to xdp_xmit_errors those
 * that found the ring full; `ethtool -S` shows both at the sender, as tx_queue_N_*. Nothing in
 * the ring is lost any more: the peer's NAPI takes every frame to the XDP program and counts it
 * as xdp_packets, which the sender shows as its tx_packets. Hence redirected is what was handed
 * over, and processed lags behind it by what the ring holds. Frames that never got to
 * veth_xdp_xmit() (interface down, longer than the MTU, peer without NAPI) are in none of these.
 */
#include "netdev.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/cleanup.h"

#define STATISTICS_MAX 1024 /* strings of `ethtool -S`: 128 queues of veth */

struct request {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct ndmsg neighbour;
	};
	char attributes[64];
};

struct answer {
	_Alignas(struct nlmsghdr) char data[16384];
};

/* Append an attribute; requests here have one at most. */
static void request_put(struct request *r, uint16_t type, const void *data, size_t length)
{
	struct rtattr *a = (void *)((char *)r + NLMSG_ALIGN(r->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(length);
	memcpy(RTA_DATA(a), data, length);
	r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

/* One question, one answer of one message. An error of the kernel is returned as it is. */
static int rtnetlink_ask(const struct request *r, struct answer *ret)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const struct nlmsghdr *h = (const void *)ret->data;
	ssize_t n;

	if (fd < 0 || send(fd, r, r->header.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, ret->data, sizeof(ret->data), 0);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(h, (size_t)n))
		return -EPROTO;
	if (h->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(h))->error ?: -EPROTO;
	return 0;
}

/* The attribute's payload behind a fixed header of @fixed bytes, if it is @length bytes or more. */
static const void *answer_find(const struct answer *a, size_t fixed, uint16_t type, size_t length)
{
	const struct nlmsghdr *h = (const void *)a->data;
	const struct rtattr *attribute = (const void *)(a->data + NLMSG_SPACE(fixed));
	size_t left = h->nlmsg_len - NLMSG_SPACE(fixed);

	if (h->nlmsg_len < NLMSG_SPACE(fixed))
		return NULL;
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
		if (attribute->rta_type == type && RTA_PAYLOAD(attribute) >= length)
			return RTA_DATA(attribute);
	return NULL;
}

static int interface_ioctl(const char *iface, unsigned long request, struct ifreq *ifr,
			   struct fault *reterr)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (strlen(iface) >= IFNAMSIZ)
		return fault(reterr, -ENODEV, "netdev.name", "'%s' is too long for an interface",
			     iface);
	memcpy(ifr->ifr_name, iface, strlen(iface) + 1);
	if (fd < 0 || ioctl(fd, request, ifr) < 0)
		return fault(reterr, -errno, "netdev.ioctl", "interface '%s': %s", iface,
			     strerror(errno));
	return 0;
}

int netdev_mac(const char *iface, uint8_t ret[static 6], struct fault *reterr)
{
	struct ifreq ifr = {};
	int r = interface_ioctl(iface, SIOCGIFHWADDR, &ifr, reterr);

	if (r < 0)
		return r;
	memcpy(ret, ifr.ifr_hwaddr.sa_data, 6);
	return 0;
}

int netdev_neighbour(const char *iface, const uint8_t address[static 16], uint8_t ret[static 6],
		     struct fault *reterr)
{
	bool ipv4 = address_is_ipv4(address);
	struct request r = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(r.neighbour)),
			   .nlmsg_type = RTM_GETNEIGH,
			   .nlmsg_flags = NLM_F_REQUEST},
		.neighbour = {.ndm_family = ipv4 ? AF_INET : AF_INET6,
			      .ndm_ifindex = (int)if_nametoindex(iface)},
	};
	char text[ADDRESS_TEXT_SIZE];
	const void *mac;
	struct answer answer;
	int error;

	request_put(&r, NDA_DST, address + (ipv4 ? 12 : 0), ipv4 ? 4 : 16);
	error = rtnetlink_ask(&r, &answer);
	mac = error < 0 ? NULL : answer_find(&answer, sizeof(r.neighbour), NDA_LLADDR, 6);
	if (!mac) {
		address_format(address, text);
		return fault(reterr, -ENOENT, "netdev.neighbour",
			     "'%s' has no neighbour %s; name its address with --dst-mac", iface,
			     text);
	}
	memcpy(ret, mac, 6);
	return 0;
}

/* Frames the peer has processed: IFLA_STATS64 of this end. */
static int processed_read(const char *iface, uint64_t *ret, struct fault *reterr)
{
	struct request r = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(r.link)),
			   .nlmsg_type = RTM_GETLINK,
			   .nlmsg_flags = NLM_F_REQUEST},
		.link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(iface)},
	};
	struct rtnl_link_stats64 stats;
	const void *found = NULL;
	struct answer answer;
	int error = rtnetlink_ask(&r, &answer);

	if (!error)
		found = answer_find(&answer, sizeof(r.link), IFLA_STATS64,
				    offsetof(struct rtnl_link_stats64, rx_nohandler));
	if (!found)
		return fault(reterr, error ?: -EPROTO, "netdev.link", "interface '%s': %s", iface,
			     strerror(error ? -error : EPROTO));
	memcpy(&stats, found, offsetof(struct rtnl_link_stats64, rx_nohandler));
	*ret = stats.tx_packets;
	return 0;
}

static bool ends_with(const char *string, const char *end)
{
	size_t length = strnlen(string, ETH_GSTRING_LEN), end_length = strlen(end);

	return length >= end_length && !memcmp(string + length - end_length, end, end_length);
}

int netdev_counters_read(const char *iface, struct netdev_counters *ret, struct fault *reterr)
{
	_cleanup_free_ struct ethtool_gstrings *names =
		calloc(1, sizeof(*names) + STATISTICS_MAX * ETH_GSTRING_LEN);
	_cleanup_free_ struct ethtool_stats *values =
		calloc(1, sizeof(*values) + STATISTICS_MAX * sizeof(uint64_t));
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct netdev_counters counters = {};
	struct ifreq ifr = {.ifr_data = (void *)&driver};
	int r = interface_ioctl(iface, SIOCETHTOOL, &ifr, reterr);

	if (r < 0 && r != -EOPNOTSUPP)
		return r;
	if (!names || !values)
		return fault(reterr, -ENOMEM, "netdev.memory", "out of memory");
	if (r < 0 || strcmp(driver.driver, "veth") != 0 || driver.n_stats > STATISTICS_MAX)
		return fault(reterr, -EOPNOTSUPP, "netdev.driver",
			     "interface '%s' is no veth: what it sends cannot be counted", iface);

	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_STATS;
	names->len = driver.n_stats;
	ifr.ifr_data = (void *)names;
	r = interface_ioctl(iface, SIOCETHTOOL, &ifr, reterr);
	if (r < 0)
		return r;
	values->cmd = ETHTOOL_GSTATS;
	values->n_stats = driver.n_stats;
	ifr.ifr_data = (void *)values;
	r = interface_ioctl(iface, SIOCETHTOOL, &ifr, reterr);
	if (r < 0)
		return r;

	for (uint32_t i = 0; i < driver.n_stats; i++) {
		const char *name = (const char *)names->data + (size_t)i * ETH_GSTRING_LEN;

		if (ends_with(name, "_xdp_xmit"))
			counters.redirected += values->data[i];
		else if (ends_with(name, "_xdp_xmit_errors"))
			counters.redirect_errors += values->data[i];
	}
	r = processed_read(iface, &counters.processed, reterr);
	if (r < 0)
		return r;
	*ret = counters;
	return 0;
}
