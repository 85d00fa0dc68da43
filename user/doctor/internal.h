/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the checks share. */
#ifndef DOCTOR_INTERNAL_H
#define DOCTOR_INTERNAL_H

#include <limits.h>

#include "doctor/doctor.h"

/* A check at work: the row of the table it is, and where its lines go. */
struct visit {
	const struct doctor_options *options;
	struct doctor_report *report;
	const char *check;
};

void say_ok(const struct visit *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_warn(const struct visit *v, const char *fix, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void say_fail(const struct visit *v, const char *fix, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void say_skip(const struct visit *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The first line of a small file below the root, without its newline. -errno. */
int read_line(const struct visit *v, const char *path, char *ret, size_t size);
/** One number. -errno; -EINVAL: something else stands there ("max"). */
int read_number(const struct visit *v, const char *path, uint64_t *ret);

/* kernel.c */
void check_kernel_version(const struct visit *v);
void check_kernel_btf(const struct visit *v);
void check_kernel_features(const struct visit *v);
void check_kernel_jit(const struct visit *v);
void check_clock_source(const struct visit *v);
void check_clock_sync(const struct visit *v);
void check_memory_lock(const struct visit *v);
void check_memory_cgroup(const struct visit *v);

/* interface.c */
void check_interface_state(const struct visit *v);
void check_interface_xdp(const struct visit *v);
void check_interface_mtu(const struct visit *v);
void check_interface_queues(const struct visit *v);
void check_interface_offloads(const struct visit *v);

/* files.c */
void check_bpffs(const struct visit *v);
void check_pins(const struct visit *v);
void check_state_directory(const struct visit *v);
void check_state_space(const struct visit *v);
void check_state_database(const struct visit *v);
void check_policy_file(const struct visit *v);
void check_audit_log(const struct visit *v);

/* caller.c */
void check_capabilities(const struct visit *v);
void check_socket(const struct visit *v);

#endif
