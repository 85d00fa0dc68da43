/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What adaptive limits follow, as the kernel counts it: time in softirq per CPU, packets that the
 * interface lost. Counters only grow, so a measurement is the difference between two samples, and
 * every limit keeps a sample of its own. Reading is bounded and never blocks on anything but the kernel.
 */
#ifndef DETECT_SENSORS_H
#define DETECT_SENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "policy/policy.h"

#define SENSORS_CPUS_MAX 1024	     /* those beyond are not looked at */
#define SENSORS_STAT_MAX (256 << 10) /* bytes of /proc/stat; the CPUs come first */

struct sensors_cpu {
	uint64_t softirq, total; /* ticks; total 0 = not online */
};

/* One reading. */
struct sensors_sample {
	uint64_t taken_ns; /* CLOCK_MONOTONIC; 0 = none */
	uint64_t lost;	   /* packets, by the interface */
	uint32_t cpu_count;
	struct sensors_cpu cpus[]; /* of POLICY_TARGET_SOFTIRQ: SENSORS_CPUS_MAX */
};

struct sensors;

/** For @ifaces (names with commas between), of the network namespace that the calling thread is in.
 * -ENOMEM. */
int sensors_new(const char *ifaces, struct sensors **ret);
void sensors_free(struct sensors *s);
DEFINE_CLEANUP(struct sensors *, sensors_free)

/** A sample without content, with room for what @target needs; free() ends it. NULL: no memory. */
struct sensors_sample *sensors_sample_new(enum policy_target target);

/**
 * Read the kernel's counters into @sample; *@ret is what changed since it was read before, in the unit
 * of struct policy_adaptive.threshold. -ENODATA: it was not, or the counters began anew since. Other
 * errors are those of reading, and leave the sample as it was. Not for POLICY_TARGET_POSTED.
 */
int sensors_measure(struct sensors *s, enum policy_target target, struct sensors_sample *sample,
		    uint64_t now_ns, uint64_t *ret);

/* The parts that need no kernel. */

/** The lines of single CPUs of /proc/stat. -EBADMSG: there is none. */
int sensors_parse_stat(const char *text, struct sensors_sample *ret);
/** Per mille of the busiest CPU's time between two samples. -ENODATA: no CPU has both. */
int sensors_softirq_share(const struct sensors_sample *before, const struct sensors_sample *after,
			  uint64_t *ret);
/** Packets lost, from the answer to RTM_GETLINK. -errno of an error message; -EBADMSG. */
int sensors_parse_link(const void *message, size_t length, uint64_t *ret);

#endif
