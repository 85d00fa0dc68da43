/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `weir daemon`: composition of engine, API and loop; signals. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

/* Returns the exit status: 0 after SIGTERM, SIGINT or a detach, 1 if it could not start, 2 usage. */
int daemon_main(int argc, char **argv);

#endif
