/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/peer.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define GROUPS_KEPT_NS NSEC_PER_SEC
#define GROUPS_MAX     1024 /* of a peer that are looked at */

/* The groups that the peer had when it connected, not what /etc/group says of its user now. */
static size_t groups_of(int fd, gid_t primary, gid_t *ret, size_t max)
{
	socklen_t size = (socklen_t)((max - 1) * sizeof(*ret));

	ret[0] = primary;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, ret + 1, &size) < 0)
		return 1;
	return 1 + size / sizeof(*ret);
}

/* The IDs of the groups that matter, as the system has them now or had them a moment ago. */
static void read_groups(struct peer_groups *g, const char *const names[static HTTP_GROUPS_MAX])
{
	uint64_t now_ns = clock_monotonic_ns();

	if (g->read_ns && now_ns - g->read_ns < GROUPS_KEPT_NS)
		return;
	g->read_ns = now_ns;
	for (size_t i = 0; i < HTTP_GROUPS_MAX && names[i]; i++) {
		struct group group, *entry = NULL;
		char buffer[4096];

		if (getgrnam_r(names[i], &group, buffer, sizeof(buffer), &entry) != 0)
			entry = NULL;
		g->known[i] = entry != NULL;
		g->ids[i] = entry ? entry->gr_gid : 0;
	}
}

/* Which of the groups that matter are among those of the peer. */
static uint32_t find_groups(const struct peer_groups *g, const gid_t *groups, size_t count)
{
	uint32_t found = 0;

	for (size_t i = 0; i < HTTP_GROUPS_MAX; i++)
		for (size_t k = 0; g->known[i] && k < count; k++)
			if (groups[k] == g->ids[i])
				found |= 1U << i;
	return found;
}

void peer_name(struct http_peer *peer)
{
	struct passwd user, *found = NULL;
	char buffer[4096];

	if (getpwuid_r(peer->uid, &user, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(peer->username, sizeof(peer->username), "%s", found->pw_name);
	else
		snprintf(peer->username, sizeof(peer->username), "%u", peer->uid);
}

void peer_identify(struct peer_groups *g, const char *const names[static HTTP_GROUPS_MAX], int fd,
		   struct http_peer *ret)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	gid_t groups[GROUPS_MAX];

	*ret = (struct http_peer){.uid = (uid_t)-1, .gid = (gid_t)-1, .username = "unknown"};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0 ||
	    credentials.uid == (uid_t)-1)
		return;
	ret->uid = credentials.uid;
	ret->gid = credentials.gid;
	ret->pid = credentials.pid;
	ret->is_owner = ret->uid == 0 || ret->uid == geteuid();
	read_groups(g, names);
	ret->groups = find_groups(g, groups, groups_of(fd, ret->gid, groups, GROUPS_MAX));
}
