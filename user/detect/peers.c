/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "detect/peers.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/address.h"

#define TCP_ESTABLISHED 1

#define BUFFER_BYTES 32768

static void set_ip4(const void *from, uint8_t ret[static 16])
{
	memset(ret, 0, 10);
	ret[10] = ret[11] = 0xff;
	memcpy(ret + 12, from, 4);
}

/* One of them, or all: *@done. */
static int take_messages(struct nlmsghdr *h, size_t length,
			 int (*take)(struct nlmsghdr *h, void *userdata), void *userdata,
			 bool *done)
{
	for (; NLMSG_OK(h, length); h = NLMSG_NEXT(h, length)) {
		int r = 0;

		*done = h->nlmsg_type == NLMSG_DONE;
		if (h->nlmsg_type == NLMSG_ERROR)
			r = ((struct nlmsgerr *)NLMSG_DATA(h))->error ?: -EPROTO;
		else if (!*done)
			r = take(h, userdata);
		if (r < 0 || *done)
			return r;
	}
	return 0;
}

/* Ask, and hand each message of the answer to @take, until that returns below 0. */
static int dump(int protocol, const void *request, size_t size,
		int (*take)(struct nlmsghdr *h, void *userdata), void *userdata)
{
	const struct timeval patience = {.tv_sec = 1};
	_Alignas(struct nlmsghdr) char buffer[BUFFER_BYTES];
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	const int one = 1;
	bool done = false;
	int r = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	/* Have the kernel leave out what is not asked for, if it can. */
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	if (send(fd, request, size, 0) < 0)
		return -errno;
	for (unsigned int i = 0; !done && r == 0 && i < PEERS_MESSAGES_MAX; i++) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		r = take_messages((struct nlmsghdr *)buffer, (size_t)n, take, userdata, &done);
	}
	return r;
}

struct gateway_search {
	uint32_t ifindex;
	struct peers_gateways *found;
};

static void add_gateway(struct gateway_search *s, int family, const void *from, size_t size)
{
	uint8_t address[16];

	if (size != (family == AF_INET ? 4 : 16) || s->found->count == PEERS_GATEWAYS_MAX)
		return;
	if (family == AF_INET)
		set_ip4(from, address);
	else
		memcpy(address, from, sizeof(address));
	for (size_t i = 0; i < s->found->count; i++)
		if (memcmp(s->found->addresses[i], address, sizeof(address)) == 0)
			return;
	memcpy(s->found->addresses[s->found->count++], address, sizeof(address));
}

/* The gateway of a route or of one of its hops; one of the other family than the route is called via. */
static void take_gateway(struct gateway_search *s, int family, struct rtattr *a)
{
	const struct rtvia *via = RTA_DATA(a);

	if (a->rta_type == RTA_GATEWAY)
		add_gateway(s, family, RTA_DATA(a), RTA_PAYLOAD(a));
	else if (a->rta_type == RTA_VIA && RTA_PAYLOAD(a) > sizeof(*via))
		add_gateway(s, via->rtvia_family, via->rtvia_addr, RTA_PAYLOAD(a) - sizeof(*via));
}

/* The gateways of a route that has several. */
static void take_hops(struct gateway_search *s, int family, struct rtattr *hops)
{
	struct rtnexthop *hop = RTA_DATA(hops);
	size_t left = RTA_PAYLOAD(hops);

	while (left >= sizeof(*hop) && RTNH_OK(hop, (int)left)) {
		struct rtattr *a = RTNH_DATA(hop);
		size_t length = hop->rtnh_len - RTNH_LENGTH(0);

		for (; RTA_OK(a, length); a = RTA_NEXT(a, length))
			if (hop->rtnh_ifindex == (int)s->ifindex)
				take_gateway(s, family, a);
		left -= NLMSG_ALIGN(hop->rtnh_len) < left ? NLMSG_ALIGN(hop->rtnh_len) : left;
		hop = RTNH_NEXT(hop);
	}
}

static int take_route(struct nlmsghdr *h, void *userdata)
{
	struct rtmsg *route = NLMSG_DATA(h);
	struct rtattr *gateway = NULL, *a = RTM_RTA(route);
	struct gateway_search *s = userdata;
	size_t length;
	uint32_t ifindex = 0;

	if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) ||
	    route->rtm_dst_len)
		return 0;
	length = RTM_PAYLOAD(h);
	for (; RTA_OK(a, length); a = RTA_NEXT(a, length)) {
		if (a->rta_type == RTA_GATEWAY || a->rta_type == RTA_VIA)
			gateway = a;
		else if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) == sizeof(ifindex))
			memcpy(&ifindex, RTA_DATA(a), sizeof(ifindex));
		else if (a->rta_type == RTA_MULTIPATH)
			take_hops(s, route->rtm_family, a);
	}
	if (gateway && ifindex == s->ifindex)
		take_gateway(s, route->rtm_family, gateway);
	return 0;
}

int peers_gateways(uint32_t ifindex, struct peers_gateways *ret)
{
	struct gateway_search s = {ifindex, ret};
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++) {
		const struct {
			struct nlmsghdr header;
			struct rtmsg route;
		} request = {
			.header = {.nlmsg_len = sizeof(request),
				   .nlmsg_type = RTM_GETROUTE,
				   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
			/* Of all tables: a VRF and rules for a second uplink have their own. */
			.route = {.rtm_family = families[i], .rtm_table = RT_TABLE_UNSPEC},
		};

		r = dump(NETLINK_ROUTE, &request, sizeof(request), take_route, &s);
		/* No such table: a family that this host does not speak. */
		if (r == -ENOENT || r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
			r = 0;
	}
	return r;
}

struct peer_list {
	struct peers found;
	size_t size;
};

static bool is_own(const uint8_t to[static 16], const uint8_t from[static 16])
{
	static const uint8_t loopback[16] = {[15] = 1};

	return memcmp(to, from, 16) == 0 || memcmp(to, loopback, 16) == 0 ||
	       (address_is_ipv4(to) && to[12] == 127);
}

static int take_socket(struct nlmsghdr *h, void *userdata)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	struct peer_list *list = userdata;
	uint8_t to[16], from[16];

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return 0;
	if (m->idiag_family == AF_INET) {
		set_ip4(m->id.idiag_dst, to);
		set_ip4(m->id.idiag_src, from);
	} else {
		memcpy(to, m->id.idiag_dst, sizeof(to));
		memcpy(from, m->id.idiag_src, sizeof(from));
	}
	if (is_own(to, from) || list->found.count == PEERS_MAX)
		return 0;
	if (list->found.count == list->size) {
		size_t size = list->size ? 2 * list->size : 256;
		void *more = realloc(list->found.addresses, size * sizeof(to));

		if (!more)
			return -ENOMEM;
		list->found.addresses = more;
		list->size = size;
	}
	memcpy(list->found.addresses[list->found.count++], to, sizeof(to));
	return 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

/* In order, and each once. */
static void settle(struct peers *p)
{
	size_t count = 0;

	if (p->count)
		qsort(p->addresses, p->count, 16, compare);
	for (size_t i = 0; i < p->count; i++)
		if (!count || memcmp(p->addresses[count - 1], p->addresses[i], 16) != 0)
			memmove(p->addresses[count++], p->addresses[i], 16);
	p->count = count;
}

int peers_connected(struct peers *ret)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct peer_list list = {0};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++) {
		const struct {
			struct nlmsghdr header;
			struct inet_diag_req_v2 socket;
		} request = {
			.header = {.nlmsg_len = sizeof(request),
				   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
				   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
			.socket = {.sdiag_family = families[i],
				   .sdiag_protocol = IPPROTO_TCP,
				   .idiag_states = 1U << TCP_ESTABLISHED},
		};

		r = dump(NETLINK_SOCK_DIAG, &request, sizeof(request), take_socket, &list);
	}
	if (r < 0) {
		peers_done(&list.found);
		return r;
	}
	settle(&list.found);
	*ret = list.found;
	return 0;
}

int peers_join(struct peers *p, const struct peers *more)
{
	size_t count = p->count + more->count;
	void *joined = realloc(p->addresses, (count + 1) * sizeof(*p->addresses));

	if (!joined)
		return -ENOMEM;
	p->addresses = joined;
	if (more->count)
		memcpy(p->addresses + p->count, more->addresses,
		       more->count * sizeof(*p->addresses));
	p->count = count;
	settle(p);
	return 0;
}

void peers_done(struct peers *p)
{
	free(p->addresses);
	*p = (struct peers){0};
}

size_t peers_covered(const struct peers *p, const struct prefix *prefix, size_t *ret_count)
{
	size_t first = 0, end = p->count, behind;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (memcmp(p->addresses[middle], prefix->address, 16) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	for (behind = first; behind < p->count; behind++) {
		struct prefix one = {.bits = 128};

		memcpy(one.address, p->addresses[behind], 16);
		if (!prefix_covers(prefix, &one))
			break;
	}
	*ret_count = behind - first;
	return first;
}
