/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control side of the datapath, and the only caller of libbpf there: load, pin, attach, adopt;
 * put policies and lists into the maps; read counters and buckets. It decides nothing: what to
 * enforce comes from above as images. One thread at a time.
 *
 * Everything is pinned in one directory per instance (pins.c): a link per interface, the program, and the
 * maps under their names. They outlive the process, and so does enforcement.
 */
#ifndef DATAPATH_DATAPATH_H
#define DATAPATH_DATAPATH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/cpu.h>
#include <weir/event.h>
#include <weir/live.h>
#include <weir/policy.h>
#include <weir/trace.h>
#include <weir/usage.h>
#include <weir/vocabulary.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "lists/image.h"
#include "policy/policy.h"

struct datapath;

enum datapath_mode {
	DATAPATH_DETACHED, /* not attached, or the interface is gone */
	DATAPATH_NATIVE,
	DATAPATH_GENERIC,
	DATAPATH_MODE_MAX,
};

const char *datapath_mode_to_str(enum datapath_mode mode); /* "none", "native", "generic" */

/**
 * Load the program and create its maps below @pin_dir, or adopt the maps that are pinned there by an
 * earlier daemon: lists, buckets and counters are then as they were. Creates @pin_dir (mode 0700) in a
 * bpffs. Does not attach. What an older ABI has pinned is carried over, and the links that it has attached
 * run our program from then on (migrate.c).
 *
 * Faults: datapath.bpffs (not a bpffs), datapath.owner (the directory is not ours, or others may
 * write to it), datapath.abi (pins of a newer weir, or of
 * one too old), datapath.migrate, datapath.locked (another process has them
 * open), datapath.load (the kernel refused).
 */
int datapath_open(const char *pin_dir, struct datapath **ret, struct fault *reterr);
/* Releases descriptors and mappings. Pins, and with them enforcement, stay. Accepts NULL. */
void datapath_close(struct datapath *d);
DEFINE_CLEANUP(struct datapath *, datapath_close)

#define DATAPATH_LINKS_MAX  16U			      /* interfaces of one instance */
#define DATAPATH_NAMES_SIZE (DATAPATH_LINKS_MAX * 16) /* of their names, with commas */

/**
 * Whether datapath_attach_all() would find @ifaces (unless they @may_miss), no link of ours on others, and
 * nothing of others on them; with the faults of that. Changes nothing, so it comes before whatever does.
 */
int datapath_check_interfaces(const struct datapath *d, const char *const ifaces[], size_t count,
			      bool may_miss, struct fault *reterr);
int datapath_check_interface(const struct datapath *d, const char *iface, struct fault *reterr);
/**
 * What was pinned by another ABI when it was opened, and has been carried over. False: nothing was. @ret_version:
 * of 24 bytes; @ret_ms: how long it took.
 */
bool datapath_upgraded_from(const struct datapath *d, uint32_t *ret_abi, const char **ret_version,
			    uint64_t *ret_ms);
/* Starting failed later on: remove the pins if nobody had any before and nothing is attached by them. */
void datapath_abandon(struct datapath *d);

/**
 * Attach to all of @ifaces, or to none of them; the nth becomes link number n. NULL: that link stays as
 * it is. Where a link is pinned that is attached there already, its program is swapped for the one just
 * loaded, without a gap: @ret_adopted says of each which it was. @allow_generic permits the slow
 * generic mode where the driver has no native XDP.
 *
 * Faults: datapath.interface (no such interface), datapath.foreign (somebody else's program is
 * attached: it is named and left alone), datapath.native (no native XDP and @allow_generic is false),
 * datapath.attach.
 */
int datapath_attach_all(struct datapath *d, const char *const ifaces[], size_t count,
			bool allow_generic, bool ret_adopted[], struct fault *reterr);
/* The same for a single interface, link number 0. */
int datapath_attach(struct datapath *d, const char *iface, bool allow_generic, bool *ret_adopted,
		    struct fault *reterr);
/** Make link @number anew, which does not work any more. */
int datapath_attach_one(struct datapath *d, size_t number, const char *iface, bool allow_generic,
			struct fault *reterr);

enum datapath_link_state {
	DATAPATH_LINK_NONE, /* not attached by us */
	DATAPATH_LINK_DEAD, /* its interface was deleted, or it was detached by force */
	DATAPATH_LINK_AWAY, /* its interface is in another network namespace, and protected there */
	DATAPATH_LINK_ATTACHED, /* in force */
};

struct datapath_link {
	enum datapath_link_state state;
	enum datapath_mode mode;
	uint32_t ifindex; /* 0 = of no interface */
	char name[16];	  /* of the interface now; if it is not here, as it was last seen */
};

/** How link @number is attached at this moment, and where. */
void datapath_link(const struct datapath *d, size_t number, struct datapath_link *ret);
void datapath_link_renamed(struct datapath *d, size_t number, const char *name);
/** Forget a link that does not work any more, or that is not ours to hold any more. */
void datapath_let_go(struct datapath *d, size_t number);
/** End enforcement on one interface. */
int datapath_detach(struct datapath *d, size_t number, struct fault *reterr);
bool datapath_is_attached(const struct datapath *d); /* by any link, however that is */
/** Of link number 0 (@ret_ifindex may be NULL; 0 = nowhere). */
enum datapath_mode datapath_mode(const struct datapath *d, uint32_t *ret_ifindex);

/**
 * Pin again whatever somebody has removed; *@ret_missing: how many pins were missing. On failure they still
 * are. Cheap as long as nothing is missing.
 */
int datapath_keep_pins(struct datapath *d, size_t *ret_missing, struct fault *reterr);

/**
 * The directory below @pin_dir in which the maps of our ABI are pinned, for whoever has to reach one
 * without a daemon. Faults: datapath.bpffs (-ENOENT: nothing is pinned), datapath.abi.
 */
int datapath_pins_dir(const char *pin_dir, char ret[static PATH_MAX], struct fault *reterr);

/**
 * Detach and remove all pins in @pin_dir; the directory too. Needs no open datapath, so it works
 * without a daemon. -ENOENT: nothing is pinned there. @ret_ifaces (of DATAPATH_NAMES_SIZE, may be NULL)
 * receives the interfaces, separated by commas; "" if they are gone.
 */
int datapath_remove(const char *pin_dir, char *ret_ifaces, struct fault *reterr);
/** The same for one of several interfaces; of the last one, all. -ENOENT: we are not attached there. */
int datapath_remove_link(const char *pin_dir, const char *iface, struct fault *reterr);

/**
 * Put @image into the idle copy and make it the live one. *@ret_generation is its number. The program is
 * swapped, without a gap, if the policy needs another one, and the table of cells is replaced by one of
 * another size if it says so; state is kept. Faults: datapath.load, datapath.connections (limits on
 * open connections, and the kernel cannot count them), datapath.policy.
 */
int datapath_apply_policy(struct datapath *d, const struct policy_image *image,
			  uint32_t *ret_generation, struct fault *reterr);
uint32_t datapath_generation(const struct datapath *d); /* 0 = no policy yet */
/** Generations up to @last were given before these pins were made: go on behind them. */
void datapath_continue_generations(struct datapath *d, uint32_t last);
/** The generation that the next policy will get. */
uint32_t datapath_next_generation(const struct datapath *d);

/** What the list maps hold now; the caller ends it with list_image_done(). */
int datapath_read_lists(const struct datapath *d, struct list_image *ret, struct fault *reterr);
/**
 * Carry out @diff: upserts, then deletes. On failure some upserts may be done and no delete is, so
 * nobody listed before slips through; the caller reads the maps and tries again or gives up.
 */
int datapath_apply_lists(struct datapath *d, const struct list_diff *diff, struct fault *reterr);

/** Packets that the entry for @prefix decided, since it was listed. -ENOENT: it is not. */
int datapath_entry_hits(const struct datapath *d, const struct prefix *prefix, uint64_t *ret);

/**
 * Tell a quota of the live policy when its period ends, and the next one (WEIR_PERIOD(), of the datapath's
 * clock). False: only the first was told, as packets may be between the two: call again a little later.
 */
bool datapath_set_periods(struct datapath *d, uint32_t limit, uint64_t period, uint64_t next);
/** What tenant number @tenant has used of a quota in its period. 0: nothing, or it has no such quota. */
uint64_t datapath_quota_used(const struct datapath *d, uint32_t limit, uint32_t tenant);

/* What one tenant had, by all CPUs, since @epoch. Whoever keeps sums compares with what he read last: counts grow,
 * until the epoch is another one and they begin at 0. */
struct datapath_usage {
	uint64_t owner; /* policy_tenant_hash() of his name */
	uint64_t epoch; /* CLOCK_REALTIME in ns */
	bool live;	/* he is in the policy in force */
	struct weir_usage_count count;
};

/** Read the next slot that is somebody's, from *@slot on, which begins at 0. false: there are no more. */
bool datapath_read_usage(const struct datapath *d, uint32_t *slot, struct datapath_usage *ret);

/** Limits of the live policy that are in force now, as their schedules and flags say. */
void datapath_set_active(struct datapath *d, uint64_t limits);
/** Give limit number @limit of the live policy the word that policy_scale() computed. */
void datapath_set_scaled_word(struct datapath *d, uint32_t limit, uint64_t word);

/* Sums over all CPUs. */
void datapath_read_counts(const struct datapath *d, struct weir_count ret[static WEIR_COUNTS]);
void datapath_read_event_counts(const struct datapath *d, struct weir_event_count *ret);
void datapath_read_limit_count(const struct datapath *d, uint16_t slot,
			       struct weir_limit_count *ret);

/* A reader's place in the samples of all CPUs (weir/sample.h). Zeroed: it has read none. */
struct datapath_samples {
	uint32_t *seen; /* by CPU; NULL: begins with what comes from now on */
};

/** Take one packet of @period as a sample; 0 = none. At most 2^30. */
void datapath_set_sampling(struct datapath *d, uint32_t period);
/**
 * Call @fn with each sample since the last time. Returns how many there were, of which *@ret_lost came
 * faster than they were read. -ENOMEM.
 */
int64_t datapath_read_samples(const struct datapath *d, struct datapath_samples *at,
			      void (*fn)(const struct weir_sample *sample, void *userdata),
			      void *userdata, uint64_t *ret_lost);
void datapath_samples_done(struct datapath_samples *at);

struct weir_timing;
/** What packets cost, by stage (weir/timing.h). False: the policy does not ask for it. */
bool datapath_read_timing(const struct datapath *d, struct weir_timing *ret);

struct weir_conn_stats;
/** What became of connections that a limit on open ones counts. False: no policy asks for it. */
bool datapath_read_connection_stats(const struct datapath *d, struct weir_conn_stats *ret);

/** Call @fn with each map and the memory that the kernel accounts for it. Reads /proc. */
void datapath_each_map(const struct datapath *d,
		       void (*fn)(const char *name, uint64_t bytes, void *userdata),
		       void *userdata);
/* A trace (weir/trace.h): packets one by one. There is one at a time. */
struct datapath_trace_options {
	struct weir_trace_filter filter;
	uint32_t period; /* one packet of so many is looked at; 1 to WEIR_TRACE_SAMPLE_MAX */
	uint32_t snap;	 /* bytes of each; 0 to WEIR_TRACE_SNAP_MAX */
	uint32_t budget; /* percent of each CPU that it may take; 1 to 100 */
};

/**
 * Have a program that traces, until datapath_trace_end(), as if datapath_trace_renew() had been called. Faults: trace.busy
 * (-EBUSY: there is one), and those of datapath_need_program().
 */
int datapath_trace_begin(struct datapath *d, const struct datapath_trace_options *options,
			 struct fault *reterr);
/** Look for something else from now on: names mean other numbers. Not more often than once in 10 ms. */
void datapath_trace_set_filter(struct datapath *d, const struct weir_trace_filter *filter);
/** It is wanted for WEIR_TRACE_LEASE_NS more. */
void datapath_trace_renew(struct datapath *d);
/**
 * Call @fn with what there is, each followed by its bytes, until it returns false; that one was taken as well.
 * Returns how many there were.
 */
size_t datapath_trace_read(struct datapath *d,
			   bool (*fn)(const struct weir_trace_event *event, void *userdata),
			   void *userdata);
/** What all CPUs counted; the sums of weir/trace.h hold once it was paused. */
void datapath_trace_read_count(const struct datapath *d, struct weir_trace_count *ret);
/** Take no more packets in; what is in the ring may still be read. */
void datapath_trace_pause(struct datapath *d);
/** Have a program that does not trace. If that cannot be: one that could, and does nothing. Accepts that there is none. */
int datapath_trace_end(struct datapath *d, struct fault *reterr);

/** Memory that a table for @entries list entries and one for @sources take, in bytes. */
uint64_t datapath_entries_bytes(size_t entries);
uint64_t datapath_cells_bytes(uint32_t sources);

/* The live policy's limits as the kernel has them; valid until the next datapath_apply_policy(). */
const struct weir_limit *datapath_limits(const struct datapath *d, size_t *ret_count);
/* Name of the limit that counts, or lately counted, in @slot; "" if none. With a NUL. */
const char *datapath_slot_name(const struct datapath *d, uint16_t slot);

/* A source's bucket under a limit, as it is at this moment. */
struct datapath_bucket {
	bool known;	    /* the source has a bucket: it sent something lately */
	uint64_t available; /* packets or bytes that would pass at once */
	uint64_t burst;	    /* of as many at most */
	uint64_t wait_ns;   /* until one more unit passes; 0 = now */
};

/** -ENODATA: the limit is not one per source. */
int datapath_read_bucket(const struct datapath *d, const struct weir_limit *limit,
			 const uint8_t source[static 16], struct datapath_bucket *ret);
/** The share of cells that are in use, estimated from a sample; 0 to 1. */
double datapath_cells_busy(const struct datapath *d);
/** How many sources the table has room for. */
uint32_t datapath_sources(const struct datapath *d);
/** To be called once a day: idle cells are not to be kept until the clock comes round. */
void datapath_forget_stale_cells(struct datapath *d);
/* Shared memory with the datapath, valid as long as @d. */
struct weir_live *datapath_live(const struct datapath *d);
struct weir_meta *datapath_meta(const struct datapath *d);
struct weir_cpu *datapath_cpu(const struct datapath *d); /* [datapath_cpus()] */
unsigned int datapath_cpus(const struct datapath *d);
int datapath_ring_fd(const struct datapath *d);
/**
 * Load the program, unless that is done: the first policy and the first interface do it. Faults:
 * datapath.load, datapath.bpffs.
 */
int datapath_need_program(struct datapath *d, struct fault *reterr);
int datapath_program_fd(const struct datapath *d); /* for test runs; negative: not loaded yet */

#endif
