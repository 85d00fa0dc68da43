/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The authoritative set of allow and block entries, each with who put it there and why. The policy, an
 * operator and any number of feeds may list the same prefix; then all these entries exist and the latest
 * deadline holds.
 *
 * Deadlines and clocks: an entry's deadline is given in wall-clock time, because that is what people
 * write and what survives a reboot. It is converted to CLOCK_MONOTONIC, the clock of the datapath,
 * once, when the entry enters the set, and everything in here then goes by that. So a step of the
 * wall clock neither shortens nor lengthens a ban while the daemon runs, and building the same image
 * twice gives the same bytes. An entry that is added again with the same key and the same wall-clock
 * deadline (a policy reload) keeps its conversion. To show what is left, subtract the monotonic time
 * from until_monotonic_ns. A new start of the daemon converts anew.
 *
 * Made for a million entries: what is asked for often takes the time of a search, whatever the size, and an
 * entry takes some 130 bytes with all that belongs to it. So entries are kept in a compact form, and what is
 * handed out is a copy, whose strings are valid until the set changes.
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
#include "lists/content.h"

#define LIST_REASON_MAX	     200 /* bytes of UTF-8, the NUL not counted */
#define LIST_ADDED_BY_MAX    64
#define LIST_FEEDS_MAX	     128  /* two policies' worth: one may take the other's place */
#define LIST_FEED_MAX	     32	  /* bytes of a feed's name */
#define LIST_FILE_MAX	     4095 /* bytes of its path */
/* Entries of all origins together; distinct prefixes are limited by what the kernel holds. */
#define LIST_SET_ENTRIES_MAX (2 * WEIR_LIST_ENTRIES_MAX)

/* The numbers of kinds are kept in the store: append only. */
enum list_kind {
	LIST_ALLOW,
	LIST_BLOCK,
	LIST_KIND_MAX,
};

enum list_origin {
	LIST_POLICY,   /* a line of the policy file: comes and goes with it */
	LIST_OPERATOR, /* added at run time: kept in the store */
	LIST_FEED,     /* a line of a feed's file */
	LIST_KEPT,     /* found in the kernel at the start, while a feed could not be read */
	LIST_RECOVERED, /* the same, when the store was lost: operators made it, who and why is not known */
	LIST_ORIGIN_MAX,
};

const char *list_kind_to_str(enum list_kind kind);	 /* "allow", "block" */
const char *list_origin_to_str(enum list_origin origin); /* "policy", "feed", "recovered" */
/** -EINVAL: no such kind. */
int list_kind_from_str(const char *name, enum list_kind *ret);

/* What identifies an entry. Adding an equal key replaces the entry. */
struct list_key {
	enum list_kind kind;
	struct prefix prefix; /* bits beyond the length are zero */
	enum list_origin origin;
	unsigned int feed; /* which one, if the origin is LIST_FEED; otherwise 0 */
};

struct list_entry {
	struct list_key key;
	uint64_t until_ns;	     /* CLOCK_REALTIME; WEIR_FOREVER = for ever */
	uint64_t until_monotonic_ns; /* CLOCK_MONOTONIC; set by the set, ignored on input */
	uint64_t added_ns;	     /* CLOCK_REALTIME */
	uint32_t line;		     /* of the policy file or the feed's; 0 = not from there */
	const char *reason;	     /* NULL counts as "" on input; never NULL in the set */
	const char *added_by;	     /* likewise */
	const char *feed;	     /* name and file of the feed; NULL = not from one */
	const char *file;
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
 * Add a copy of @entry, of the policy, an operator or recovered, or replace the entry of the same key. A deadline in
 * the past is accepted and never takes effect. -ENOSPC "list.full": more prefixes than the kernel takes
 * (WEIR_LIST_IP4_MAX, WEIR_LIST_IP6_MAX), or LIST_SET_ENTRIES_MAX; -EINVAL: no such kind, the prefix has bits
 * beyond its length, or reason or added_by is too long or not UTF-8; -ENOMEM. On failure the set
 * is as before.
 */
int list_set_add(struct list_set *s, const struct list_entry *entry, const struct list_now *now,
		 struct fault *reterr);

/** -ENOENT: no such entry. Not for entries of feeds, which come and go with their file. */
int list_set_remove(struct list_set *s, const struct list_key *key);

/**
 * Make @entries (in any order) all there is of @origin, policy or operator, in one step; their
 * key.origin is ignored. Of equal keys among them the later deadline counts. Errors as list_set_add(); on
 * failure the set is as before.
 */
int list_set_replace_origin(struct list_set *s, enum list_origin origin,
			    const struct list_entry *entries, size_t count,
			    const struct list_now *now, struct fault *reterr);

/* What the entries of a feed have in common. */
struct list_feed {
	enum list_kind kind;
	const char *name;   /* shown */
	const char *file;   /* shown */
	const char *reason; /* of entries for which the file states none; NULL = none */
};

/** Make a feed, without entries yet. *@ret stands for it in keys. -ENOSPC: LIST_FEEDS_MAX; -ENOMEM. */
int list_set_add_feed(struct list_set *s, const struct list_feed *feed, unsigned int *ret,
		      struct fault *reterr);
/* And all its entries. */
void list_set_remove_feed(struct list_set *s, unsigned int feed);
/**
 * Make *@content, which becomes the set's, what the feed lists, until @until_ns; the former content takes its place
 * and is the caller's to free. @delta is what leads from the one to the other. -ENOSPC, -ENOMEM: as list_set_add().
 */
int list_set_update_feed(struct list_set *s, unsigned int feed, struct list_content **content,
			 const struct list_delta *delta, uint64_t until_ns,
			 const struct list_now *now, struct fault *reterr);
/** What the feed lists; NULL: nothing yet. Valid until its next update. */
const struct list_content *list_set_feed_content(const struct list_set *s, unsigned int feed);

struct list_image;

/**
 * Hold on to what the kernel enforces: for each deadline of @image of one of @kinds (a bit for each) that is
 * to come, an entry of origin LIST_KEPT. Returns 0, or as list_set_add() with some of them done.
 */
int list_set_keep(struct list_set *s, const struct list_image *image, unsigned int kinds,
		  const struct list_now *now, struct fault *reterr);
/* Let go of them. Returns how many there were. */
size_t list_set_drop_kept(struct list_set *s);

/** -ENOENT: no such entry. @ret may be NULL. */
int list_set_find(const struct list_set *s, const struct list_key *key, struct list_entry *ret);

/**
 * The entry of @kind that follows @after (NULL: the first) in the order prefix_compare(), origin, feed.
 * @after need not be in the set, so a listing goes on across changes. False: that was all.
 */
bool list_set_next(const struct list_set *s, enum list_kind kind, const struct list_key *after,
		   struct list_entry *ret);

#define LIST_COVERING_MAX 128

/**
 * The entries in force at @now_monotonic_ns that cover @address, of both kinds, in the order kind, length of
 * prefix, origin, feed; of each kind at most half of LIST_COVERING_MAX. A prefix shorter than ::ffff:0:0/96
 * (::/0, say) covers IPv6 addresses only. Returns how many.
 */
size_t list_set_covering(const struct list_set *s, const uint8_t address[static 16],
			 uint64_t now_monotonic_ns,
			 struct list_entry ret[static LIST_COVERING_MAX]);

struct list_count {
	size_t addresses; /* entries of all 128 bits */
	size_t prefixes;
};

/* Entries of @kind, those included that expired but were not removed yet. */
struct list_count list_set_count(const struct list_set *s, enum list_kind kind);
/* Of one origin; @feed as in keys. */
struct list_count list_set_count_of(const struct list_set *s, enum list_kind kind,
				    enum list_origin origin, unsigned int feed);

/* The earliest deadline of an entry that is of no feed, CLOCK_MONOTONIC; WEIR_FOREVER: there is none. */
uint64_t list_set_next_deadline(const struct list_set *s);

/**
 * Remove what expired at or before @now_monotonic_ns, entries of feeds excepted. @removed (may be NULL) is called
 * with each of them, the earliest deadline first, and must not change the set. Returns how many.
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
