/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where something is sent to, as operators write it: file:/path, unix:/path, udp://address:port, tcp://[address]:port. */
#ifndef BASE_TARGET_H
#define BASE_TARGET_H

#include <sys/socket.h>

#define TARGET_PATH_MAX 1023

enum target_kind { TARGET_FILE, TARGET_UNIX, TARGET_UDP, TARGET_TCP, TARGET_KIND_MAX };

struct target {
	enum target_kind kind;
	const char *path;		 /* of file and unix; in the text that was parsed */
	struct sockaddr_storage address; /* of the others and unix */
	socklen_t size;
};

/** Parse all of @text. Addresses are numbers: nobody is asked for a name. -EINVAL. */
int target_parse(const char *text, struct target *ret);

#endif
