/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What other tools block and limit, as a policy of weir: import_text() or import_database() reads what such
 * a tool prints or stores, import_policy() and import_list() write it the way weir reads it. What weir
 * cannot say, or says otherwise, is a note each, with its place and why; nothing is translated to
 * something wider without one.
 *
 * The input is hostile until proven otherwise: it has a size, and a number of entries, values and notes at most.
 */
#ifndef IMPORT_IMPORT_H
#define IMPORT_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/text.h"
#include "lists/set.h"
#include "policy/policy.h"

#define IMPORT_INPUT_MAX   (64U << 20) /* bytes of text */
#define IMPORT_ENTRIES_MAX 1000000
#define IMPORT_VALUES_MAX  10000000 /* of JSON */
#define IMPORT_LINE_MAX	   4096	    /* bytes; a longer line is not translated */
#define IMPORT_NOTES_MAX   10000    /* that are kept; more are counted */
#define IMPORT_QUOTE_MAX   200	    /* bytes of the input in a note */
#define IMPORT_PORTS_MAX   POLICY_PORTS_MAX
#define IMPORT_DSTS_MAX	   POLICY_PREFIXES_MAX
#define IMPORT_FOREVER	   UINT64_MAX

enum import_tool {
	IMPORT_FAIL2BAN,
	IMPORT_NFT,
	IMPORT_IPSET,
	IMPORT_CROWDSEC,
	IMPORT_XDP_FILTER,
	IMPORT_TOOL_MAX,
};

const char *import_tool_to_str(enum import_tool tool); /* "xdp-filter" */
/** -EINVAL: no such tool. */
int import_tool_from_str(const char *name, enum import_tool *ret);

struct import_entry {
	struct prefix prefix;
	uint8_t kind;	  /* enum list_kind */
	uint16_t chain;	  /* nft: the base chain whose rule it is; 0 = no rule's */
	uint32_t order;	  /* in which entries came */
	uint32_t reason;  /* where it begins in the texts */
	uint64_t seconds; /* that it holds from now on; IMPORT_FOREVER */
};

/* Kinds of packets that limits name. Two that are equal are one. */
struct import_service {
	char name[POLICY_NAME_MAX + 1];
	bool protocols[256]; /* none = any */
	struct policy_port_range ports[IMPORT_PORTS_MAX];
	size_t port_count; /* none = any */
	struct prefix dsts[IMPORT_DSTS_MAX];
	size_t dst_count; /* none = any */
};

struct import_limit {
	char name[POLICY_NAME_MAX + 1];
	char *place, *text; /* where it is from, and what stands there; ours */
	int service;	    /* of the import's; -1 = every packet */
	enum policy_scope scope;
	uint8_t prefix4, prefix6; /* of sources; 0 = as weir has it: an address, a /64 */
	struct policy_rate rate, connections; /* per_ns 0 = not given */
	uint64_t burst;			      /* of that one */
	uint64_t byte_rate, byte_burst;	      /* 0 = not given */
	uint64_t open_connections;	      /* 0 = not given */
	struct prefix *sources;		      /* only these; ours */
	size_t source_count;
};

enum import_note_kind {
	IMPORT_SKIPPED, /* is not translated */
	IMPORT_DIFFERS, /* is translated, but weir does not do quite the same */
	IMPORT_NOTE_KIND_MAX,
};

struct import_note {
	enum import_note_kind kind;
	unsigned int line; /* of the input; 0 = lines mean nothing in it */
	char *place;	   /* "inet filter input handle 7"; NULL = the line is enough */
	char *text;	   /* what stands there, shortened; without control characters */
	char *why;
};

struct import {
	enum import_tool tool;
	enum list_kind kind; /* of entries for which the tool does not say */
	int64_t now;	     /* seconds since 1970: what is left of a ban */
	int error;	     /* sticky: -ENOMEM, -E2BIG */

	struct import_entry *entries;
	size_t count, size;
	struct text texts; /* reasons, each followed by a NUL; "" at 0 */
	uint32_t last_reason;
	size_t covered; /* entries left out, because another one says as much */
	struct import_service *services;
	size_t service_count;
	struct import_limit *limits;
	size_t limit_count;
	struct import_note *notes;
	size_t note_count, note_size;
	size_t counts[IMPORT_NOTE_KIND_MAX]; /* of notes, those that are not kept included */
};

/** @now in seconds since 1970; @kind is that of entries for which @tool does not say. -ENOMEM. */
int import_new(enum import_tool tool, enum list_kind kind, int64_t now, struct import **ret);
void import_free(struct import *i);
DEFINE_CLEANUP(struct import *, import_free)

/**
 * Read @length bytes, which a NUL follows, and make of them what can be made. Once per import. Faults: import.size
 * (-EFBIG), import.syntax (-EINVAL: not what the tool prints; with line and column), import.values, import.full (-E2BIG),
 * import.empty (-ENODATA: nothing in it that the tool prints), import.memory.
 */
int import_text(struct import *i, const char *text, size_t length, struct fault *reterr);

/** The text begins as an SQLite database does. */
bool import_is_database(const char *text, size_t length);
/** The same for the database of fail2ban at @path, which is only read. Further faults: import.database (-EINVAL, -EIO). */
int import_database(struct import *i, const char *path, struct fault *reterr);

/** Entries of @kind. */
size_t import_count(const struct import *i, enum list_kind kind);
const char *import_reason(const struct import *i, const struct import_entry *e);

/**
 * A policy as policy_fmt() writes it, in mode monitor; as a @fragment for `include`, without the mode. It is one that
 * policy_parse() and policy_compile() accept: limits that are too many for a packet or a policy become notes. Fault: import.policy
 * (-E2BIG: more entries than a policy takes).
 */
int import_policy(struct import *i, bool fragment, char **ret, size_t *ret_length,
		  struct fault *reterr);
/** The entries of the import's kind as a plain feed, a prefix and its reason per line. What a feed cannot say becomes notes. */
int import_list(struct import *i, char **ret, size_t *ret_length, struct fault *reterr);

/** {"tool", "translated": {...}, "skipped": [{line, place, text, why}], "differs": [...]}; NULL: no memory. */
json_t *import_summary(const struct import *i);

#endif
