/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long an apply takes, from the text to the answer, with the real engine and the real program, on lo of a
 * network namespace of its own: check, file, database, datapath, history. The audit record's way to the disk
 * is not waited for; the answer to an operator is. JSON lines, the median of each figure.
 */
#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/runner.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine.h"

#define ROUNDS	    31
#define BIG_LIMITS  60
#define BIG_ENTRIES 880 /* with limits and services: 1,000 rules */

static char directory[] = "/tmp/weir-bench-XXXXXX", policy_path[64], state[64], pins[64];
static struct engine *engine;

static void wake(void *userdata)
{
	(void)userdata;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void clean_up(void)
{
	engine_close(engine);
	datapath_remove(pins, NULL, NULL);
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void die(const char *words)
{
	fprintf(stderr, "apply: %s\n", words);
	exit(1);
}

static char *small_policy(unsigned int rate)
{
	struct text t;

	text_init_growing(&t);
	text_printf(&t,
		    "apiVersion: weir/v1\nmode: enforce\nlimits:\n"
		    "  - {name: all, scope: source, rate: %u/s}\n",
		    rate);
	return text_take(&t);
}

static char *big_policy(unsigned int rate)
{
	struct text t;

	text_init_growing(&t);
	text_puts(&t, "apiVersion: weir/v1\nmode: enforce\nlists: {block: {entries: [");
	for (unsigned int i = 0; i < BIG_ENTRIES; i++)
		text_printf(&t, "10.%u.%u.%u, ", rate & 255, i >> 8, i & 255);
	text_puts(&t, "]}}\nservices:\n");
	for (unsigned int i = 1; i <= BIG_LIMITS; i++)
		text_printf(&t, "  s%u: {proto: tcp, dport: %u}\n", i, i);
	text_puts(&t, "limits:\n");
	for (unsigned int i = 1; i <= BIG_LIMITS; i++)
		text_printf(&t, "  - {name: l%u, scope: source, service: s%u, rate: %u/s}\n", i, i,
			    rate);
	return text_take(&t);
}

static uint64_t apply(char *text)
{
	const struct engine_policy_change change = {.text = text, .length = strlen(text)};
	uint64_t start_ns = clock_monotonic_ns();
	struct fault f = {0};

	if (engine_change_policy(engine, &change, &ENGINE_SYSTEM, &f) < 0)
		die(f.text);
	return clock_monotonic_ns() - start_ns;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void measure(const char *name, char *(*make)(unsigned int rate))
{
	uint64_t ns[ROUNDS];

	for (unsigned int i = 0; i < ROUNDS + 2; i++) {
		char *text = make(10 + i);
		uint64_t taken = apply(text);

		if (i >= 2) /* the first ones change the program's shape */
			ns[i - 2] = taken;
		free(text);
		usleep(50000); /* what goes on behind an apply is over */
	}
	qsort(ns, ROUNDS, sizeof(*ns), by_size);
	printf("{\"bench\":\"%s\",\"value\":%.4g,\"unit\":\"ms\"}\n", name,
	       (double)ns[ROUNDS / 2] / 1e6);
}

int main(void)
{
	const struct engine_options options = {
		.iface = "lo",
		.policy_path = policy_path,
		.state_dir = state,
		.pin_dir = pins,
		.allow_generic = true,
		.wake = wake,
	};
	struct fault f = {0};
	char *text = small_policy(1);
	FILE *file;

	if (runner_obstacle())
		die(runner_obstacle());
	if (unshare(CLONE_NEWNET) < 0 || !mkdtemp(directory))
		die(strerror(errno));
	snprintf(policy_path, sizeof(policy_path), "%s/policy.yaml", directory);
	snprintf(state, sizeof(state), "%s/state", directory);
	snprintf(pins, sizeof(pins), "/sys/fs/bpf/weir-test-%d-0", (int)getpid());
	file = fopen(policy_path, "we");
	if (!file || fputs(text, file) < 0 || fclose(file) < 0 || chmod(policy_path, 0600) < 0)
		die(strerror(errno));
	free(text);
	log_set_level(LOG_LEVEL_MAX);
	if (engine_open(&options, &engine, &f) < 0)
		die(f.text);
	atexit(clean_up);
	measure("load/apply_rate", small_policy);
	measure("load/apply_1k_rules", big_policy);
	return 0;
}
