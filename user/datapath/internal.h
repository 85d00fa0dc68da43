/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of this folder share: the open datapath itself. */
#ifndef DATAPATH_INTERNAL_H
#define DATAPATH_INTERNAL_H

#include <limits.h>
#include <net/if.h>

#include <weir/cell.h>
#include <weir/config.h>
#include <weir/cpu.h>
#include <weir/list.h>
#include <weir/settings.h>
#include <weir/trace.h>
#include <weir/usage.h>

#include "datapath/datapath.h"
#include "datapath/freed.h"
#include "datapath/grace.h"
#include "datapath/panic.h"
#include "datapath/watchdog.h"

struct bpf_link;
struct bpf_map;
struct bpf_object;
struct connections_bpf;
struct limiter_bpf;
struct listener;
struct ring_buffer;
struct twin;

/* What is fixed when the program is loaded. */
struct shape {
	uint32_t entry_sets;	/* of list entries; a power of two */
	uint32_t cell_sets;	/* of cells found by hash; likewise */
	uint32_t cell_sets_was; /* of the table that is being replaced; 0 = none is */
	uint32_t hits_slot;	/* struct weir_meta.hits_slot */
	uint32_t features;	/* enum weir_feature */
	bool test_clock;	/* the one that a test brings, see bpf/lib/settings.h */
	bool maps_only;		/* no policy and no interface has asked for the program yet */
};

/* A loaded program and the memory it shares with us. */
struct program {
	struct limiter_bpf *skeleton; /* NULL: none */
	struct shape shape;
	uint64_t seed;
	unsigned int cpus;

	struct weir_config *config;
	struct weir_meta *meta;
	struct weir_tenants *tenants;
	struct weir_usage *usage; /* of each CPU */
	struct weir_usage_slots *usage_slots;
	struct weir_entry_set *entries;
	struct weir_cell_set *cells;	 /* WEIR_CELL_FIXED, then shape.cell_sets */
	struct weir_cell_set *cells_was; /* likewise */
	struct weir_cpu *cpu;		 /* of each */
	struct weir_trace *trace;
	struct weir_trace_cpu *trace_cpu; /* of each */
};

/*
 * What is in the table of list entries, as far as the table does not say it itself. Counts are of
 * entries.
 */
struct entries {
	uint32_t count;
	uint32_t deep[1 << 16]; /* per /16: IPv4 entries of more than 16 bits */
	uint16_t
		*longer; /* per /24: those of more than 24 bits; memory is taken as it is touched */
	uint32_t by_length[129]; /* IPv6, and IPv4 of more than 120 bits */
	uint32_t by_length4[33]; /* IPv4 */
	struct freed freed;
};

/* What holds the program on an interface. */
struct link {
	int fd;			/* -1 = none of ours yet */
	uint32_t ifindex;	/* when it was attached */
	char name[IF_NAMESIZE]; /* as it was last seen */
	char pin[16];		/* in base_dir */
};

struct datapath {
	struct program program;
	struct twin *twin;	   /* of this program; NULL: nobody has asked */
	struct listener *listener; /* likewise */
	struct grace *grace;
	char base_dir[PATH_MAX]; /* what the operator named; links are pinned there */
	char pin_dir[PATH_MAX];	 /* below it: of maps and program */
	struct {
		uint32_t abi; /* 0 = there was nothing to carry over */
		uint64_t ms;
		char version[24];
	} upgraded;
	bool fresh;  /* the pins are ours: no daemon was here before */
	int lock_fd; /* base_dir: locked as long as it is open */
	struct link links[DATAPATH_LINKS_MAX];

	struct ring_buffer *traces;		    /* NULL: nobody traces */
	struct datapath_trace_reader *trace_reader; /* while it reads */

	struct weir_panic *panic;	     /* mapped */
	struct watchdog *watchdog;	     /* NULL: no policy has asked for it */
	bool watchdog_started;		     /* by us */
	struct connections_bpf *connections; /* NULL: the policy does not ask for it */
	struct bpf_link *connections_link;

	struct entries entries;
	struct weir_policy policy; /* the live copy */
	uint64_t flipped;	   /* the idle one may still judge packets of this grace_begin() */
	uint32_t last_generation;  /* of earlier pins, as the caller knows; 0 = none */
	char slot_names[WEIR_LIMIT_SLOTS][WEIR_NAME_BYTES + 1];
	uint16_t next_slot; /* where to look for a free slot: the longest unused ones come first */
};

/* program.c */

/**
 * Load the program as @shape and @seed say. Its maps are those of @from as far as the shape lets them
 * be (NULL: what is pinned in @pin_dir, or new ones that are pinned there). With @shape->maps_only the
 * maps are all that is loaded. Faults: datapath.load, datapath.bpffs.
 */
int program_load(const char *pin_dir, const struct program *from, const struct shape *shape,
		 uint64_t seed, struct program *ret, struct fault *reterr);
void program_done(struct program *p);
/** End one that did not replace @from (NULL: there was none). */
void program_discard(struct program *p, const struct program *from);
/** The shape that the pinned maps have; what is not pinned gets the smallest. */
int program_pinned_shape(const char *pin_dir, struct shape *ret, struct fault *reterr);
/**
 * Put @next, which program_load() made from the current one, in the current one's place: pins, link, and
 * then *d. *@ret_old must be ended with program_done(), once nothing is needed of it. On failure
 * nothing is changed.
 */
int program_swap(struct datapath *d, struct program *next, struct program *ret_old,
		 struct fault *reterr);
/** Both in one: go on with a program of @shape, in which nothing has to be filled first. */
int program_reshape(struct datapath *d, const struct shape *shape, struct fault *reterr);
/** The name that a map is pinned by, if it is. */
const char *program_map_name(const struct program *p, const struct bpf_map *map);
bool program_is_pinned(const struct program *p, const struct bpf_map *map);
/**
 * Choose the maps of @object, a program that runs beside the limiter and was not loaded yet: those that are its
 * own are pinned, those that are shared are the limiter's, as is weir_config in @bss, and the others, which only
 * come by way of its headers, are not made. -errno.
 */
int program_share_maps(const struct datapath *d, struct bpf_object *object, struct bpf_map *bss,
		       bool (*is_own)(const char *name), bool (*is_shared)(const char *name));

/* datapath.c */

/** What the maps themselves say, where there are any; otherwise a new seed. */
int datapath_read_meta(const struct datapath *d, struct weir_meta *ret, struct fault *reterr);

/* pins.c */

int pin_path(const char *pin_dir, const char *name, char ret[static PATH_MAX]);
/** Pin @fd, in place of what is pinned there by @name if anything is. */
int pin(int fd, const char *pin_dir, const char *name, struct fault *reterr);

/* links.c */

/** Have all links run @program, or all of them @before. */
int links_swap(const struct datapath *d, int program, int before, struct fault *reterr);

/* entries.c */

/** Take stock of a table that an earlier daemon filled. */
int entries_adopt(struct datapath *d, struct fault *reterr);
void entries_done(struct entries *e);

/* connections.c */

#define CONNECTIONS_LINK_PIN "weir_conn_link"

/** Count open connections from now on, if that is not done yet. Faults: datapath.connections. */
int connections_start(struct datapath *d, struct fault *reterr);
void connections_stop(struct datapath *d);
/** Let go of it; it goes on. */
void connections_release(struct datapath *d);

/* twin.c */

void twin_free(struct twin *t); /* accepts NULL */
/* trace.c */

/** What the program has to have because somebody traces: enum weir_feature. */
uint32_t trace_features(const struct datapath *d);
void trace_done(struct datapath *d);

/* tables.c */

/** Read back what the pinned maps hold of an earlier daemon's policy. */
void tables_adopt(struct datapath *d);

/* usage.c */

/** Give the tenants of @image, which is to be @copy of the policy, the slots that they count in. No packet may use
 * that copy. */
void usage_assign(struct datapath *d, const struct policy_image *image, uint32_t copy);

/* cells.c */

/** What the cell @tag of @set says under @limit, as it stands in the live policy. wait_ns: until @units pass;
 * UINT64_MAX: never. */
void cells_read_bucket(const struct datapath *d, const struct weir_limit *limit, uint32_t set,
		       uint64_t tag, uint64_t units, struct datapath_bucket *ret);
/** Have @sets cells' sets from now on, without losing state. */
int cells_resize(struct datapath *d, uint32_t sets, struct fault *reterr);
/** Complete what cells_resize() began, perhaps an earlier daemon's. */
int cells_finish_moving(struct datapath *d, struct fault *reterr);

#endif
