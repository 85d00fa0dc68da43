/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where things are pinned; for this folder only. See pins.c for the layout. */
#ifndef DATAPATH_PINS_H
#define DATAPATH_PINS_H

#include <weir/head.h>

#include "datapath/internal.h"

/* What is pinned in an instance's directory. */
struct pins {
	struct weir_head head; /* abi: ours if there is nothing */
	char dir[PATH_MAX];    /* of the maps */
	bool fresh;    /* nothing is pinned there, or only what somebody died over at once */
	bool headless; /* weir_meta has been removed */
};

/** Make @base_dir, or check that it is ours. Faults: datapath.bpffs, datapath.owner. */
int pins_prepare(const char *base_dir, struct fault *reterr);
/** *@ret_fd: locked as long as it is open. Faults: datapath.locked, datapath.bpffs. */
int pins_lock(const char *base_dir, int *ret_fd, struct fault *reterr);
int pins_find(const char *base_dir, struct pins *ret, struct fault *reterr);
/** The directory of the maps of @abi below @base_dir. -ENAMETOOLONG. */
int pins_abi_dir(const char *base_dir, uint32_t abi, char ret[static PATH_MAX]);
/** From now on our ABI is the current one in @base_dir: one rename. @from: see struct weir_head. */
int pins_write_head(const char *base_dir, uint32_t from, struct fault *reterr);
/** Remove what is pinned of other ABIs than @keep. Links stay. */
int pins_sweep(const char *base_dir, uint32_t keep, struct fault *reterr);
/** The same, while @keep may be one that has no directory of its own. */
int pins_sweep_other(const char *base_dir, uint32_t keep, struct fault *reterr);
/** Remove all pins and @base_dir. -ENOENT: there were none. */
int pins_remove_all(const char *base_dir, struct fault *reterr);
/** Have all links pinned in @base_dir run @program, or none. */
int links_swap_pinned(const char *base_dir, int program, struct fault *reterr);
bool pins_is_link(const char *name);

#endif
