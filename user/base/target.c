/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/un.h>

#include "base/text.h"

static const char *const prefixes[TARGET_KIND_MAX] = {"file:",	"unix:",   "udp://",
						      "tcp://", "http://", "https://"};

/* "192.0.2.1:514" or "[2001:db8::1]:514" */
static int parse_address(const char *text, struct target *ret)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&ret->address;
	struct sockaddr_in *four = (struct sockaddr_in *)&ret->address;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN];
	bool is_six = *text == '[';
	size_t length = colon ? (size_t)(colon - text) : 0;
	uint32_t port;

	if (!colon || parse_u32(colon + 1, 1, UINT16_MAX, &port) < 0)
		return -EINVAL;
	if (is_six && (length < 3 || text[length - 1] != ']'))
		return -EINVAL;
	text += is_six;
	length -= is_six ? 2 : 0;
	if (!length || length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	ret->address.ss_family = is_six ? AF_INET6 : AF_INET;
	ret->size = is_six ? sizeof(*six) : sizeof(*four);
	if (is_six)
		six->sin6_port = htons((uint16_t)port);
	else
		four->sin_port = htons((uint16_t)port);
	return inet_pton(ret->address.ss_family, host,
			 is_six ? (void *)&six->sin6_addr : (void *)&four->sin_addr) == 1
		       ? 0
		       : -EINVAL;
}

/* ":4318", before a path or the end. -1: it is none. */
static int port_length(const char *text)
{
	size_t length = strcspn(text + 1, "/");
	char port[6];
	uint32_t number;

	if (length >= sizeof(port))
		return -1;
	memcpy(port, text + 1, length);
	port[length] = '\0';
	return parse_u32(port, 1, UINT16_MAX, &number) < 0 ? -1 : (int)length + 1;
}

/* What follows "http://". */
static int check_url(const char *text)
{
	static const char name[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
	size_t length = strspn(text, name);
	int port;

	if (strlen(text) > TARGET_URL_MAX - strlen("https://"))
		return -EINVAL;
	if (*text == '[') {
		length = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
		if (length == 1 || text[length++] != ']')
			return -EINVAL;
	}
	if (!length)
		return -EINVAL;
	text += length;
	if (*text == ':') {
		port = port_length(text);
		if (port < 0)
			return -EINVAL;
		text += port;
	}
	if (*text && *text != '/')
		return -EINVAL;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~' || strchr("?#\"\\<>`{}|^@", *text))
			return -EINVAL;
	return 0;
}

int target_parse(const char *text, struct target *ret)
{
	struct sockaddr_un *local = (struct sockaddr_un *)&ret->address;
	const char *rest = NULL;

	*ret = (struct target){0};
	for (int i = 0; i < TARGET_KIND_MAX && !rest; i++)
		if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0) {
			ret->kind = (enum target_kind)i;
			rest = text + strlen(prefixes[i]);
		}
	if (!rest)
		return -EINVAL;
	if (ret->kind == TARGET_UDP || ret->kind == TARGET_TCP)
		return parse_address(rest, ret);
	if (ret->kind == TARGET_HTTP || ret->kind == TARGET_HTTPS)
		return check_url(rest);
	if (*rest != '/' || strlen(rest) > TARGET_PATH_MAX ||
	    (ret->kind == TARGET_UNIX && strlen(rest) >= sizeof(local->sun_path)))
		return -EINVAL;
	ret->path = rest;
	if (ret->kind == TARGET_UNIX) {
		local->sun_family = AF_UNIX;
		memcpy(local->sun_path, rest, strlen(rest) + 1);
		ret->size = sizeof(*local);
	}
	return 0;
}
