/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the person behind a local process comes from: what SSH said when it started the session
 * (SSH_CONNECTION, in the process's environment or an ancestor's), and the TCP peers of the sshd that
 * is an ancestor. A shell in tmux or screen has the server as its ancestor, and who looks at that may have come by
 * another login than the one that started it: there the user's clients count as well. So a change that would cut that person off can be told before it is made. Whoever
 * claims another address in his environment only protects that one from himself.
 */
#ifndef DETECT_OPERATOR_H
#define DETECT_OPERATOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OPERATOR_ORIGINS_MAX   8
#define OPERATOR_ANCESTORS_MAX 64	   /* looked at, from the process upwards */
#define OPERATOR_PROCESSES_MAX 32768	   /* looked at for clients of tmux and screen */
#define OPERATOR_FILE_MAX      (256 << 10) /* bytes of a file in /proc; those beyond are not looked at */
#define OPERATOR_SOCKETS_MAX   32	   /* of an sshd */

struct operator_origin {
	uint8_t address[16];
	uint8_t to[16]; /* ours; all zero = not known */
	uint16_t port;	/* ours; 0 = not known */
	pid_t pid;	/* of the process that told */
};

/**
 * The origins of @pid, each address and port once; the nearest first. @proc: "/proc", or a test's.
 * Returns how many: 0 also where nothing can be read.
 */
size_t operator_origins(const char *proc, pid_t pid,
			struct operator_origin ret[static OPERATOR_ORIGINS_MAX]);

#endif
