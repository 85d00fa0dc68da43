/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one door to the kernel's and libbpf's headers. XDP programs see the kernel through its stable
 * UAPI only, so no generated vmlinux.h is needed; kernel-internal types that a tracing program
 * reads belong here, cut down to the fields it uses and marked preserve_access_index (CO-RE).
 */
#ifndef LIB_KERNEL_H
#define LIB_KERNEL_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#endif
