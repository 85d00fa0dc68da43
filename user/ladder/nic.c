/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ladder/nic.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

struct answer {
	struct nlmsghdr header;
	struct if_stats_msg stats;
	char attributes[2048];
};

static int ask_stats(int fd, uint32_t ifindex, struct answer *ret)
{
	const struct timeval patience = {.tv_usec = 200000};
	const struct {
		struct nlmsghdr header;
		struct if_stats_msg stats;
	} request = {
		.header.nlmsg_len = sizeof(request),
		.header.nlmsg_type = RTM_GETSTATS,
		.header.nlmsg_flags = NLM_F_REQUEST,
		.stats.ifindex = ifindex,
		.stats.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64),
	};
	ssize_t n;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	n = recv(fd, ret, sizeof(*ret), MSG_TRUNC);
	if (n < 0)
		return -errno;
	if ((size_t)n > sizeof(*ret) || (size_t)n < sizeof(ret->header) + sizeof(ret->stats) ||
	    ret->header.nlmsg_type != RTM_NEWSTATS || ret->header.nlmsg_len > (size_t)n)
		return -EBADMSG;
	return 0;
}

static int read_link(uint32_t ifindex, struct rtnl_link_stats64 *ret)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct answer answer;
	struct rtattr attribute;
	size_t length;
	int r = fd < 0 ? -errno : ask_stats(fd, ifindex, &answer);

	if (r < 0)
		return r;
	if (answer.header.nlmsg_len <
	    offsetof(struct answer, attributes) + RTA_LENGTH(0)) /* no such interface */
		return -ENODATA;
	memcpy(&attribute, answer.attributes, sizeof(attribute));
	if (attribute.rta_type != IFLA_STATS_LINK_64 || attribute.rta_len < RTA_LENGTH(0) ||
	    attribute.rta_len > sizeof(answer.attributes))
		return -EBADMSG;
	length = attribute.rta_len - RTA_LENGTH(0);
	memset(ret, 0, sizeof(*ret));
	/* Newer kernels have more behind what we know, older ones less. */
	memcpy(ret, answer.attributes + RTA_LENGTH(0),
	       length < sizeof(*ret) ? length : sizeof(*ret));
	return 0;
}

static void add(struct nic_counter *ret, size_t *count, const char *name, uint64_t packets,
		bool first)
{
	struct nic_counter *c = &ret[*count];

	if (*count == NIC_COUNTERS_MAX)
		return;
	snprintf(c->name, sizeof(c->name), "%.39s", name);
	c->packets = packets;
	c->first = first;
	++*count;
}

/* To rx_dropped the kernel adds what it frees with a reason of its own, so it cannot be part of a sum. */
static void add_standard(uint32_t ifindex, struct nic_counter *ret, size_t *count)
{
	struct rtnl_link_stats64 stats;

	if (read_link(ifindex, &stats) < 0)
		return;
	add(ret, count, "rx_errors", stats.rx_errors, true);
	add(ret, count, "rx_missed_errors", stats.rx_missed_errors, true);
	add(ret, count, "rx_dropped", stats.rx_dropped, false);
	add(ret, count, "tx_errors", stats.tx_errors, false);
	add(ret, count, "tx_dropped", stats.tx_dropped, false);
}

bool nic_is_loss(const char *name)
{
	static const char *const about[] = {"drop",    "discard", "miss", "no_buf", "nobuf",
					    "overrun", "fifo",	  "crc",  "err"};

	for (size_t i = 0; i < ARRAY_SIZE(about); i++)
		if (strcasestr(name, about[i]))
			return true;
	return false;
}

static uint32_t count_own(int fd, const char *name)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq request = {.ifr_data = (void *)&driver};

	memcpy(request.ifr_name, name, strlen(name) + 1);
	return ioctl(fd, SIOCETHTOOL, &request) < 0 || driver.n_stats > NIC_STATS_MAX
		       ? 0
		       : driver.n_stats;
}

/* Between the questions the driver may have got more of them: then it is not believed. */
static void add_own(const char *name, struct nic_counter *ret, size_t *count)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	_cleanup_free_ struct ethtool_gstrings *names = NULL;
	_cleanup_free_ struct ethtool_stats *stats = NULL;
	struct ifreq request = {0};
	uint32_t own;

	if (fd < 0 || strlen(name) >= sizeof(request.ifr_name))
		return;
	memcpy(request.ifr_name, name, strlen(name) + 1);
	own = count_own(fd, name);
	if (!own)
		return;
	/* Room for as many again. */
	names = calloc(1, sizeof(*names) + 2UL * own * ETH_GSTRING_LEN);
	stats = calloc(1, sizeof(*stats) + 2UL * own * sizeof(uint64_t));
	if (!names || !stats)
		return;
	*names = (struct ethtool_gstrings){
		.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS, .len = own};
	*stats = (struct ethtool_stats){.cmd = ETHTOOL_GSTATS, .n_stats = own};
	request.ifr_data = (void *)names;
	if (ioctl(fd, SIOCETHTOOL, &request) < 0 || names->len != own)
		return;
	request.ifr_data = (void *)stats;
	if (ioctl(fd, SIOCETHTOOL, &request) < 0 || stats->n_stats != own)
		return;
	for (uint32_t i = 0; i < own; i++) {
		char text[ETH_GSTRING_LEN + 1] = "";

		memcpy(text, names->data + (size_t)i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
		if (stats->data[i] && nic_is_loss(text))
			add(ret, count, text, stats->data[i], false);
	}
}

size_t nic_losses(uint32_t ifindex, const char *name,
		  struct nic_counter ret[static NIC_COUNTERS_MAX])
{
	size_t count = 0;

	add_standard(ifindex, ret, &count);
	add_own(name, ret, &count);
	return count;
}
