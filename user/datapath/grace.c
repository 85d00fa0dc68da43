/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "datapath/grace.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Tickets of grace_begin(): the last one, and the last whose packets are over. */
struct grace {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t begun, over;
	bool ending;
};

/* XDP programs run under RCU, and this system call is a synchronize_rcu() for all CPUs. */
void grace_wait_here(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static void *run(void *arg)
{
	struct grace *g = arg;

	pthread_mutex_lock(&g->lock);
	while (!g->ending) {
		uint64_t begun = g->begun;

		if (begun == g->over) {
			pthread_cond_wait(&g->changed, &g->lock);
			continue;
		}
		pthread_mutex_unlock(&g->lock);
		grace_wait_here();
		pthread_mutex_lock(&g->lock);
		g->over = begun;
		pthread_cond_broadcast(&g->changed);
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

int grace_open(struct grace **ret)
{
	struct grace *g = calloc(1, sizeof(*g));
	sigset_t all, before;
	int r;

	if (!g)
		return -ENOMEM;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->changed, NULL);
	/* Signals are for the threads that expect them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&g->thread, NULL, run, g);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0) {
		free(g);
		return r;
	}
	*ret = g;
	return 0;
}

void grace_close(struct grace *g)
{
	if (!g)
		return;
	pthread_mutex_lock(&g->lock);
	g->ending = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	pthread_join(g->thread, NULL);
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

uint64_t grace_begin(struct grace *g)
{
	uint64_t ticket;

	pthread_mutex_lock(&g->lock);
	ticket = ++g->begun;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	return ticket;
}

void grace_wait(struct grace *g, uint64_t ticket)
{
	pthread_mutex_lock(&g->lock);
	while (g->over < ticket)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

uint64_t grace_over(struct grace *g)
{
	uint64_t over;

	pthread_mutex_lock(&g->lock);
	over = g->over;
	pthread_mutex_unlock(&g->lock);
	return over;
}
