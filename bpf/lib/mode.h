/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The mode in force. Asked where a packet comes in, which may not have to be looked at, and again where
 * it would be dropped: to remember it in between takes stack that older verifiers do not grant, and
 * whoever changes it in between has a packet pass that either mode would let pass.
 */
#ifndef LIB_MODE_H
#define LIB_MODE_H

#include "lib/maps.h"

/* Where something goes before the policy's mode, which is rare: global for the verifier's sake. */
__noinline int mode_overridden(__u32 mode)
{
	return (int)weir_mode_now(&weir_config.live, mode);
}

static __always_inline __u32 mode_now(const struct weir_policy *policy)
{
	if (*(volatile const __u32 *)&weir_config.live.overrides)
		return (__u32)mode_overridden(policy->mode);
	return policy->mode;
}

#endif
