/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tests/lib/steps.bpf.c does in one run, and what came of it; shared with who asks for it. */
#ifndef TESTS_STEPS_H
#define TESTS_STEPS_H

#include <weir/policy.h>

#define STEPS_MAX      4096
#define STEPS_NO_RIVAL 0xff

enum steps_kind {
	STEPS_PACKET,
	STEPS_FORGET, /* whatever of the source is idle at the exact time, as if others took it over */
	STEPS_BEGIN, /* this CPU has never read a clock */
};

struct steps_step {
	__u64 coarse_ns, exact_ns;
	__u64 source[2]; /* as in struct packet */
	__u64 rival_units;
	__u32 length;
	__u8 class;
	__u8 is_ip6;
	__u8 kind;
	/* Just before the packet's charge of this number, another CPU takes rival_units from the same
	 * cell, if they conform. */
	__u8 rival;

	/* out */
	__u64 words[WEIR_LIMITS_PER_PACKET]; /* of limit 0, 1, ...; 0: there is no cell */
	__s32 reason;			     /* enum weir_reason */
	__u32 limit;			     /* that refused */
};
WEIR_LAYOUT(struct steps_step, 120);

#endif
