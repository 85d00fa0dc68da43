/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A sample of all packets, passed ones too, so that a policy can be tried on the traffic that there was.
 * Each CPU takes one of so many and keeps the last of them; userspace reads them several times a second
 * and says how many packets one is to stand for.
 */
#ifndef WEIR_SAMPLE_H
#define WEIR_SAMPLE_H

#include <weir/types.h>

#define WEIR_SAMPLES 512 /* that a CPU keeps; a power of two */

enum weir_sample_flag {
	WEIR_SAMPLE_IP6 = 1 << 0,
	WEIR_SAMPLE_PORT = 1 << 1, /* destination_port is one */
	WEIR_SAMPLE_LATER_FRAGMENT = 1 << 2,
};

struct weir_sample {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 source
		[2]; /* as in the packet, IPv4 as ::ffff:a.b.c.d; zero if parsing did not get there */
	__u64 destination[2]; /* likewise */
	__u32 length;	      /* of the frame */
	__u32 weight;	      /* packets that it stands for */
	__u16 destination_port;
	__u8 protocol;
	__u8 class;   /* enum weir_class */
	__u8 reason;  /* enum weir_reason */
	__u8 verdict; /* enum weir_verdict */
	__u8 flags;   /* enum weir_sample_flag */
	__u8 _pad;
};
WEIR_LAYOUT(struct weir_sample, 56);

/* How far a CPU's sampling has come. Written by the datapath on that CPU only. */
struct weir_sampling {
	__u32 left;  /* packets until the next one is taken */
	__u32 taken; /* so far, wrapping; the next one goes to this number modulo WEIR_SAMPLES */
};
WEIR_LAYOUT(struct weir_sampling, 8);

#endif
