/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "datapath/sock_destroy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/cleanup.h"

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 socket;
};

static void put_address(__be32 to[4], const uint8_t address[static 16], bool is_ip4)
{
	if (is_ip4)
		memcpy(to, address + 12, 4);
	else
		memcpy(to, address, 16);
}

/* A mapped address may be that of an IPv4 socket or of an IPv6 one that took an IPv4 connection: the kernel finds both
 * by the addresses as IPv4. */
static void describe(const struct weir_socket_row *row, uint32_t sequence, struct request *ret)
{
	bool is_ip4 = address_is_ipv4(row->remote);

	*ret = (struct request){
		.header.nlmsg_len = sizeof(*ret),
		.header.nlmsg_type = SOCK_DESTROY,
		.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		.header.nlmsg_seq = sequence,
		.socket.sdiag_family = is_ip4 ? AF_INET : AF_INET6,
		.socket.sdiag_protocol = IPPROTO_TCP,
		.socket.idiag_states = ~0U,
		.socket.id.idiag_sport = htons(row->local_port),
		.socket.id.idiag_dport = htons(row->remote_port),
		.socket.id.idiag_cookie = {(uint32_t)row->cookie, (uint32_t)(row->cookie >> 32)},
	};
	put_address(ret->socket.id.idiag_src, row->local, is_ip4);
	put_address(ret->socket.id.idiag_dst, row->remote, is_ip4);
}

static int ask(int fd, const struct request *request)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[512];
	} answer;
	ssize_t n;

	if (send(fd, request, sizeof(*request), 0) < 0)
		return -errno;
	do {
		n = recv(fd, &answer, sizeof(answer), 0);
		if (n < 0)
			return -errno;
		if ((size_t)n < sizeof(answer.header) + sizeof(int))
			return -EBADMSG;
	} while (answer.header.nlmsg_seq != request->header.nlmsg_seq);
	return answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EBADMSG;
}

int sock_destroy(const struct weir_socket_row *rows, size_t count, size_t *ret_ended)
{
	const struct timeval patience = {.tv_sec = 1};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	size_t ended = 0;
	int failed = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	for (size_t i = 0; i < count; i++) {
		struct request request;
		int r;

		describe(&rows[i], (uint32_t)i + 1, &request);
		r = ask(fd, &request);
		if (r == 0)
			ended++;
		else if (r != -ENOENT)
			failed = r;
		if (r == -EOPNOTSUPP || r == -EPERM)
			break; /* so it would be with all of them */
	}
	*ret_ended = ended;
	return ended ? 0 : failed;
}
