/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this kernel can do for the datapath, and what is attached and pinned now. Changes nothing, and needs no open
 * datapath: for who asks why something does not work. */
#ifndef DATAPATH_PROBE_H
#define DATAPATH_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "datapath/datapath.h"

enum datapath_feature {
	DATAPATH_FEATURE_XDP,	    /* programs of that type */
	DATAPATH_FEATURE_LINK,	    /* links for them, which outlive a daemon */
	DATAPATH_FEATURE_RINGBUF,   /* for events */
	DATAPATH_FEATURE_TP_BTF,    /* tracepoints with types, for limits on open connections */
	DATAPATH_FEATURE_SYNCOOKIE, /* for services that answer with SYN cookies */
	DATAPATH_FEATURE_MAX,
};

/** 1: there; 0: not there; -EPERM: it takes privileges to tell; other -errno: cannot tell. */
int datapath_probe(enum datapath_feature feature);

struct datapath_attached {
	enum datapath_mode mode; /* DATAPATH_DETACHED: nothing is attached */
	uint32_t id;
	char name[17]; /* of the program; "" if that cannot be told */
	bool ours;     /* by its name */
};

/** -errno: cannot be told. */
int datapath_query(uint32_t ifindex, struct datapath_attached *ret);

struct datapath_pins {
	unsigned int maps, programs, links;
	uint64_t bytes;	  /* of memory that the kernel charged for the maps */
	uint32_t abi;	  /* the highest that is pinned; 0 = none */
	char version[24]; /* of the weir that made these */
	uid_t foreign;	  /* owner of one that is not ours */
	bool has_foreign;
};

/** Everything below @pin_dir. -ENOENT: no such directory; -EACCES, -EPERM: may not look. */
int datapath_survey(const char *pin_dir, struct datapath_pins *ret);

#endif
