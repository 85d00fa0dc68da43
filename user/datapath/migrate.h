/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the pins of an older ABI to ours; for this folder only. */
#ifndef DATAPATH_MIGRATE_H
#define DATAPATH_MIGRATE_H

#include "datapath/pins.h"

/** There is a way from @abi to ours. */
bool migrate_is_possible(uint32_t abi);

/**
 * Carry over what @pins leads to into d->pin_dir, have all pinned links run our program, and make our ABI
 * the current one; or complete that, if somebody died over it. On success d->program is loaded, and what
 * was pinned before is gone; on failure it is in force as before, and the next attempt begins anew or
 * goes on. The pins are locked. Faults: datapath.migrate, datapath.load, datapath.bpffs, datapath.attach.
 */
int migrate(struct datapath *d, const struct pins *pins, struct fault *reterr);

#endif
