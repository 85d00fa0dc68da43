/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who drops packets besides weir, and the TCP connections: what the daemon watches while it runs, and what it ends on
 * order. Enforcement does not depend on any of it: where a kernel cannot, the daemon goes on without.
 */
#ifndef ENGINE_LADDER_H
#define ENGINE_LADDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "datapath/sockets.h"
#include "ladder/connection.h"

#define ENGINE_CONNECTIONS_KILL_MAX   WEIR_SOCKET_DOOMED
#define ENGINE_CONNECTIONS_REASON_MAX 256 /* bytes */

struct engine;
struct engine_actor;
struct ladder;

/** NULL: there was no memory for it. */
const struct ladder *engine_ladder(const struct engine *e);

/** Why connections cannot be listed; err 0: they can. */
const struct fault *engine_connections_trouble(const struct engine *e);
/** Ended by a program (true) or through netlink; false also while there is trouble. */
bool engine_connections_by_program(const struct engine *e);

/**
 * Those that @f means, a page of them. Faults: connections.unavailable (-ECANCELED), connections.read.
 */
int engine_connections(const struct engine *e, const struct connection_filter *f,
		       struct connection_page *page, struct fault *reterr);
/** As sockets_services(). Faults: connections.unavailable, connections.read. */
int engine_services(const struct engine *e, struct sockets_service **ret, size_t *ret_count,
		    struct fault *reterr);

struct engine_connections_kill {
	struct connection_filter filter;
	const char *reason; /* NULL = none */
	bool dry_run;	    /* find them, end none */
};

struct engine_connections_killed {
	struct weir_socket_row *rows; /* what was found; the caller's to free() */
	size_t count;
	size_t ended; /* of these; others had ended before */
	bool more;    /* than can be ended at once */
};

/**
 * End the connections that the filter means, which has to say something; one record with all that was asked for, how
 * many there were and the first peers, also of what was refused. Faults: connections.filter (-EINVAL), connections.reason (-EINVAL), safety.lockout
 * (-EPERM: the session of whoever asks is among them, and @actor does not insist), connections.unavailable, connections.read,
 * sockets.kill.
 */
int engine_connections_kill(struct engine *e, const struct engine_connections_kill *kill,
			    const struct engine_actor *actor, struct engine_connections_killed *ret,
			    struct fault *reterr);

/* For the files of the engine. */

/** Watch from now on. What cannot be watched is said in the log, and is no failure. */
void ladder_start(struct engine *e);
/** Another policy is in force. Whether drops of the kernel are counted is switched by beginning anew. */
void ladder_take_policy(struct engine *e);
void ladder_stop(struct engine *e);

#endif
