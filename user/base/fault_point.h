/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Places where a test can make weir fail or die: each stands in front of a system call or a write that
 * changes something outside the process. Compiled in with -DWEIR_FAULTS only (make FAULTS=1); otherwise
 * nothing is left of them.
 */
#ifndef BASE_FAULT_POINT_H
#define BASE_FAULT_POINT_H

#include "base/fault.h"

#ifdef WEIR_FAULTS

/** 0; or if a test wants a failure here, -EIO and "fault.injected". Returns never if it wants death. */
int fault_point(struct fault *reterr, const char *name);

/**
 * Fail, or die, at the @count-th place from now on that is called @name ("*": at any); 0 = at none.
 * Only places that the calling thread passes count: others work at their own pace.
 * Without such a call the environment says so, for all threads: WEIR_FAULT=name:count, or name:count:die.
 */
void fault_arm(const char *name, unsigned int count, int die);
/** How many places were passed since, and the name of the one that failed last; "" = none did. */
unsigned int fault_passed(void);
const char *fault_failed(void);

#else

static inline int fault_point(struct fault *reterr, const char *name)
{
	(void)reterr;
	(void)name;
	return 0;
}

#endif

#endif
