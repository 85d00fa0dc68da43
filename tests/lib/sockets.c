/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define BACKLOG 4096

int sockets_leave(void)
{
	static const char *const addresses[] = {"2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1"};
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	_cleanup_close_ int fd = -1;

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &up), 0);
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct {
			struct in6_addr address;
			uint32_t prefix_bits;
			int ifindex;
		} request = {.prefix_bits = 128, .ifindex = (int)if_nametoindex("lo")};

		assert_int_equal(inet_pton(AF_INET6, addresses[i], &request.address), 1);
		assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
	}
	return 0;
}

void sockets_set_cookies(const char *value)
{
	_cleanup_close_ int fd = open("/proc/sys/net/ipv4/tcp_syncookies", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
}

int sockets_listen(unsigned int *ret_port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6};
	socklen_t size = sizeof(any);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(fd, BACKLOG), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &size), 0);
	*ret_port = ntohs(any.sin6_port);
	return fd;
}

/* A socket address of either version. */
static socklen_t fill_address(const char *text, unsigned int number, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)number);
		return sizeof(*in);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)number);
	return sizeof(*in6);
}

int sockets_connect(const char *source, unsigned int from_port, unsigned int to_port)
{
	struct sockaddr_storage from, to;
	socklen_t size = fill_address(source, from_port, &from);
	int fd = socket(from.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fill_address(from.ss_family == AF_INET ? "127.0.0.1" : "::1", to_port, &to);
	if (fd >= 0 && (bind(fd, (struct sockaddr *)&from, size) < 0 ||
			connect(fd, (struct sockaddr *)&to, size) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}
