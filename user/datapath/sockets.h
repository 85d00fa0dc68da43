/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP connections as the kernel has them (bpf/sockets.bpf.c): listed, ended, and what became of those of a service. It
 * has nothing to do with the limiter and shares nothing with it; it lives as long as whoever opened it.
 */
#ifndef DATAPATH_SOCKETS_H
#define DATAPATH_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/socket.h>

#include "base/cleanup.h"
#include "base/fault.h"

struct sockets;

struct sockets_service {
	struct weir_service_key key;
	struct weir_service service;
};

/** Watch the connections of the network namespace that the caller is in. Faults: sockets.load, sockets.attach. */
int sockets_open(struct sockets **ret, struct fault *reterr);
void sockets_close(struct sockets *s);
DEFINE_CLEANUP(struct sockets *, sockets_close)

/**
 * Give each TCP socket that there is, but those that listen, to @fn; a negative return ends it and is returned. The
 * caller has to be in the network namespace that was watched. Sockets that come and go meanwhile may be missed, none is
 * given twice. -errno of the kernel.
 */
int sockets_each(const struct sockets *s,
		 int (*fn)(const struct weir_socket_row *row, void *userdata), void *userdata);

/** This kernel lets a program end sockets (6.5); otherwise they are ended through netlink. */
bool sockets_by_program(const struct sockets *s);

/**
 * End these @count sockets (at most WEIR_SOCKET_DOOMED): both sides learn it, the peer by a reset. One that has ended
 * by itself is no failure. *@ret_ended: how many were. Faults: sockets.kill.
 */
int sockets_kill(const struct sockets *s, const struct weir_socket_row *rows, size_t count,
		 size_t *ret_ended, struct fault *reterr);

/** What became of connections, by service; *@ret is the caller's to free(). -ENOMEM. */
int sockets_services(const struct sockets *s, struct sockets_service **ret, size_t *ret_count);

#define SOCKETS_ENDED_MAX 1000

/** Sample one connection of so many from now on, when it ends; 0 = none. */
void sockets_sample(struct sockets *s, uint32_t one_in);
/** Call @fn for sampled ones that ended since, SOCKETS_ENDED_MAX at most; the others come the next time. */
void sockets_ended(struct sockets *s, void (*fn)(const struct weir_socket_end *end, void *userdata),
		   void *userdata);
/** Sampled ones that ended while there was no room for them. */
uint64_t sockets_sample_lost(const struct sockets *s);

/** The smallest whole power of two of microseconds that @permille of what is in the buckets lie below; 0 = they are empty. */
uint64_t sockets_quantile_us(const __u64 buckets[static WEIR_SOCKET_BUCKETS],
			     unsigned int permille);

#endif
