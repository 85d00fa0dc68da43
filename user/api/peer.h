/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is at the other end of a Unix socket, as the kernel has it from when they connected, and the system's names of that. */
#ifndef API_PEER_H
#define API_PEER_H

#include "api/http.h"

/* The numbers of the groups that matter, as the system had them a second ago at most. Starts zeroed. */
struct peer_groups {
	gid_t ids[HTTP_GROUPS_MAX];
	bool known[HTTP_GROUPS_MAX];
	uint64_t read_ns;
};

/** All but the name of whoever is at the other end of @fd; of nobody that can be told, uid is (uid_t)-1. @names: of the groups
 * that matter; NULL: no more. */
void peer_identify(struct peer_groups *g, const char *const names[static HTTP_GROUPS_MAX], int fd,
		   struct http_peer *ret);
/** The name of @peer's user, or the number if there is none. */
void peer_name(struct http_peer *peer);

#endif
