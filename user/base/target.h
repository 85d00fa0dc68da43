/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where something is sent to, as operators write it: file:/path, unix:/path, udp://address:port, tcp://[address]:port, http://host:port/path. */
#ifndef BASE_TARGET_H
#define BASE_TARGET_H

#include <sys/socket.h>

#define TARGET_PATH_MAX 1023
#define TARGET_URL_MAX	255

enum target_kind {
	TARGET_FILE,
	TARGET_UNIX,
	TARGET_UDP,
	TARGET_TCP,
	TARGET_HTTP,
	TARGET_HTTPS,
	TARGET_KIND_MAX
};

struct target {
	enum target_kind kind;
	const char *path;		 /* of file and unix; in the text that was parsed */
	struct sockaddr_storage address; /* of unix, UDP and TCP */
	socklen_t size;
};

/**
 * Parse all of @text. Addresses are numbers, as nobody is asked for a name; but of http:// and https://, whose certificates are for
 * names. These have a host, perhaps a port and a path; no user, query or fragment, where secrets would stand. -EINVAL.
 */
int target_parse(const char *text, struct target *ret);

#endif
