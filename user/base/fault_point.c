/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/fault_point.h"

#ifdef WEIR_FAULTS

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

static struct {
	int known; /* somebody said what is wanted */
	char name[96];
	unsigned int count, passed;
	int die;
	pid_t thread; /* that arms it, and whose places count; 0 = of all threads */
	const char *failed;
} wanted;

void fault_arm(const char *name, unsigned int count, int die)
{
	wanted.known = 1;
	wanted.thread = gettid();
	snprintf(wanted.name, sizeof(wanted.name), "%s", name);
	wanted.count = count;
	wanted.die = die;
	wanted.passed = 0;
	wanted.failed = "";
}

/* WEIR_FAULT=name:count[:die] */
static void read_environment(void)
{
	const char *text = getenv("WEIR_FAULT");
	char copy[96], *count, *die = NULL;
	uint32_t number = 0;

	snprintf(copy, sizeof(copy), "%s", text ? text : "");
	count = strchr(copy, ':');
	if (count) {
		*count++ = '\0';
		die = strchr(count, ':');
		if (die)
			*die++ = '\0';
		if (parse_u32(count, 0, UINT32_MAX, &number) < 0)
			number = 0;
	}
	fault_arm(copy, number, die && strcmp(die, "die") == 0);
	wanted.thread = 0;
}

int fault_point(struct fault *reterr, const char *name)
{
	if (!wanted.known)
		read_environment();
	if (wanted.thread && wanted.thread != gettid())
		return 0;
	if (strcmp(wanted.name, "*") != 0 && strcmp(wanted.name, name) != 0)
		return 0;
	if (++wanted.passed != wanted.count)
		return 0;
	wanted.failed = name;
	if (wanted.die)
		kill(getpid(), SIGKILL);
	return fault(reterr, -EIO, "fault.injected", "a failure was injected at %s", name);
}

unsigned int fault_passed(void)
{
	return wanted.passed;
}

const char *fault_failed(void)
{
	return wanted.failed ? wanted.failed : "";
}

#endif
