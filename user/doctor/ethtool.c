/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "doctor/ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

static int ethtool(int fd, const char *name, void *command)
{
	struct ifreq request = {.ifr_data = command};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

static void read_queues(int fd, const char *name, struct nic *ret)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	if (ethtool(fd, name, &channels) < 0)
		return;
	ret->queues = channels.combined_count + channels.rx_count;
	ret->queues_max = channels.max_combined ? channels.max_combined : channels.max_rx;
}

static void read_offloads(int fd, const char *name, struct nic *ret)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};

	if (ethtool(fd, name, &value) == 0) {
		ret->rx_vlan = value.data & ETH_FLAG_RXVLAN;
		ret->lro = value.data & ETH_FLAG_LRO;
	}
	value = (struct ethtool_value){.cmd = ETHTOOL_GGRO};
	if (ethtool(fd, name, &value) == 0)
		ret->gro = value.data;
}

int nic_read(const char *name, struct nic *ret)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct nic nic = {.ifindex = if_nametoindex(name)};
	struct ifreq request = {0};

	if (!nic.ifindex || strlen(name) >= sizeof(request.ifr_name))
		return -ENODEV;
	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, name, strlen(name) + 1);
	if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
		nic.up = request.ifr_flags & IFF_UP;
		nic.running = request.ifr_flags & IFF_RUNNING;
	}
	if (ioctl(fd, SIOCGIFMTU, &request) == 0)
		nic.mtu = (uint32_t)request.ifr_mtu;
	if (ethtool(fd, name, &driver) == 0)
		snprintf(nic.driver, sizeof(nic.driver), "%.31s", driver.driver);
	read_queues(fd, name, &nic);
	read_offloads(fd, name, &nic);
	*ret = nic;
	return 0;
}
