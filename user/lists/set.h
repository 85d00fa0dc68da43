/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The authoritative set of allow and block entries, each with who put it there and why. The policy
 * and an operator may list the same prefix; then both entries exist and the later deadline holds.
 *
 * Deadlines and clocks: an entry's deadline is given in wall-clock time, because that is what people
 * write and what survives a reboot. It is converted to CLOCK_MONOTONIC, the clock of the datapath,
 * once, when the entry enters the set, and everything in here then goes by that. So a step of the
 * wall clock neither shortens nor lengthens a ban while the daemon runs, and building the same image
 * twice gives the same bytes. An entry that is added again with the same key and the same wall-clock
 * deadline (a policy reload) keeps its conversion. To show what is left, subtract the monotonic time
 * from until_monotonic_ns. A new start of the daemon converts anew.
 */
#ifndef LISTS_SET_H
#define LISTS_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/list.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/fault.h"

#define LIST_REASON_MAX	  200 /* bytes of UTF-8, the NUL not counted */
#define LIST_ADDED_BY_MAX 64

/* The numbers of both are kept in the store: append only. */
enum list_kind {
	LIST_ALLOW,
	LIST_BLOCK,
	LIST_KIND_MAX,
};

enum list_origin {
	LIST_POLICY,   /* a line of the policy file: comes and goes with it */
	LIST_OPERATOR, /* added at run time: kept in the store */
	LIST_ORIGIN_MAX,
};

const char *list_kind_to_str(enum list_kind kind);	 /* "allow", "block" */
const char *list_origin_to_str(enum list_origin origin); /* "policy", "operator" */
/** -EINVAL: no such kind. */
int list_kind_from_str(const char *name, enum list_kind *ret);

/* What identifies an entry. Adding an equal key replaces the entry. */
struct list_key {
	enum list_kind kind;
	struct prefix prefix; /* bits beyond the length are zero */
	enum list_origin origin;
};

struct list_entry {
	struct list_key key;
	uint64_t until_ns;	     /* CLOCK_REALTIME; WEIR_FOREVER = for ever */
	uint64_t until_monotonic_ns; /* CLOCK_MONOTONIC; set by the set, ignored on input */
	uint64_t added_ns;	     /* CLOCK_REALTIME */
	uint32_t line;		     /* of the policy file; 0 = not from there */
	const char *reason;	     /* NULL counts as "" on input; never NULL in the set */
	const char *added_by;	     /* likewise */
};

/* One instant on both clocks: what converts a deadline. */
struct list_now {
	uint64_t real_ns;
	uint64_t monotonic_ns;
};

struct list_set;

int list_set_new(struct list_set **ret);
void list_set_free(struct list_set *s);
DEFINE_CLEANUP(struct list_set *, list_set_free)

/**
 * Add a copy of @entry, or replace the entry of the same key. A deadline in the past is accepted and
 * never takes effect. -ENOSPC: the set holds WEIR_LIST_ENTRIES_MAX entries; -EINVAL: no such kind, the
 * prefix has bits beyond its length, or reason or added_by is too long or not UTF-8; -ENOMEM. On failure the set
 * is as before.
 */
int list_set_add(struct list_set *s, const struct list_entry *entry, const struct list_now *now,
		 struct fault *reterr);

/** -ENOENT: no such entry. */
int list_set_remove(struct list_set *s, const struct list_key *key);

/**
 * Make @entries (in any order) all there is of @origin, in one step; their key.origin is ignored. Of
 * equal keys among them the later deadline counts. This is also how to load many entries: it
 * sorts once. Errors as list_set_add(); on failure the set is as before.
 */
int list_set_replace_origin(struct list_set *s, enum list_origin origin,
			    const struct list_entry *entries, size_t count,
			    const struct list_now *now, struct fault *reterr);

/* Pointers to entries are valid until the set changes. */

/** NULL: no such entry. */
const struct list_entry *list_set_find(const struct list_set *s, const struct list_key *key);

/**
 * The entry that follows @after (NULL: the first) in the order kind, prefix_compare(), origin. @after
 * need not be in the set, so a listing goes on across changes. NULL: that was all.
 */
const struct list_entry *list_set_next(const struct list_set *s, const struct list_key *after);

/** All entries of @kind in that order, NULL if there are none. */
const struct list_entry *const *list_set_entries(const struct list_set *s, enum list_kind kind,
						 size_t *ret_count);

#define LIST_COVERING_MAX (129 * LIST_KIND_MAX * LIST_ORIGIN_MAX)

/**
 * The entries in force at @now_monotonic_ns that cover @address, of both kinds, in the order of
 * list_set_next(). A prefix shorter than ::ffff:0:0/96 (::/0, say) covers IPv6 addresses only.
 * Returns how many.
 */
size_t list_set_covering(const struct list_set *s, const uint8_t address[static 16],
			 uint64_t now_monotonic_ns,
			 const struct list_entry *ret[static LIST_COVERING_MAX]);

struct list_count {
	size_t addresses; /* entries of all 128 bits */
	size_t prefixes;
};

/* Entries of @kind, those included that expired but were not removed yet. */
struct list_count list_set_count(const struct list_set *s, enum list_kind kind);

/* The earliest deadline, CLOCK_MONOTONIC; WEIR_FOREVER: nothing ever expires. */
uint64_t list_set_next_deadline(const struct list_set *s);

/**
 * Remove what expired at or before @now_monotonic_ns. @removed (may be NULL) is called with each of
 * them, in order, and must not change the set. Returns how many.
 */
size_t list_set_remove_expired(struct list_set *s, uint64_t now_monotonic_ns,
			       void (*removed)(const struct list_entry *entry, void *userdata),
			       void *userdata);

/* In force: not expired. The kernel decides by the same comparison. */
static inline bool list_entry_active(const struct list_entry *e, uint64_t now_monotonic_ns)
{
	return e->until_monotonic_ns > now_monotonic_ns;
}

#endif
