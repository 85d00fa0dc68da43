/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of this folder share: the open datapath itself. */
#ifndef DATAPATH_INTERNAL_H
#define DATAPATH_INTERNAL_H

#include <limits.h>

#include "datapath/datapath.h"

struct limiter_bpf;

struct datapath {
	struct limiter_bpf *skeleton;
	char pin_dir[PATH_MAX];
	unsigned int cpus; /* possible ones: how many values a per-CPU lookup returns */
	bool fresh;	   /* the pins are ours: no daemon was here before */
	int link_fd;	   /* -1 = not attached by us yet */
	int lock_fd;	   /* the directory of the pins: locked as long as it is open */

	struct weir_live *live;
	struct weir_meta *meta;
	struct weir_tally *tallies;
	struct weir_port_limits *ports; /* both copies */
	struct weir_front_bucket *front;

	struct weir_policy policy; /* the live copy */
	char slot_names[WEIR_LIMIT_SLOTS][WEIR_NAME_BYTES + 1];
	uint16_t next_slot; /* where to look for a free slot: the longest unused ones come first */
};

/* front.c: keep the front in step with the hash of exact IPv4 addresses. To add or change, after the
 * hash; to remove, before it: then it never says less than the hash. */
void front_put(struct datapath *d, uint32_t address, const struct weir_list_value *value);
void front_remove(struct datapath *d, uint32_t address);
/* Make it from the hash anew: a daemon may have died between the two. */
int front_rebuild(struct datapath *d);

/* Read back what the pinned maps hold of an earlier daemon's policy. */
int tables_adopt(struct datapath *d, struct fault *reterr);

#endif
