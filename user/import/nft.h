/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * nft's rules, in steps: nft_match reads what one says, nft_set what a set holds, nft_limit makes a limit of it, and
 * nft.c walks through the chains, because what a rule means depends on those before it.
 */
#ifndef IMPORT_NFT_H
#define IMPORT_NFT_H

#include "import/internal.h"

enum nft_verdict {
	NFT_NONE,
	NFT_ACCEPT,
	NFT_DROP, /* and reject */
	NFT_RETURN,
	NFT_JUMP,
	NFT_GOTO,
};

enum nft_family { NFT_BOTH, NFT_IP4, NFT_IP6 };

/* Whose packets a limit of a set or meter counts together. */
enum nft_key {
	NFT_KEY_NONE, /* all that match */
	NFT_KEY_SOURCE,
	NFT_KEY_DESTINATION,
};

struct nft_rate {
	uint64_t rate, burst;
	uint64_t per_ns;
	uint64_t unit; /* bytes; 0 = packets */
	bool over;     /* it matches what is beyond it */
};

/* What a rule says; json is borrowed. */
struct nft_match {
	const char *why; /* weir cannot say it; NULL = all of it is here */
	enum nft_family family;
	const json_t *sources; /* NULL = any */
	const json_t *destinations;
	const char *interface;
	bool loopback;
	bool protocols[256];
	bool any_protocol;
	const json_t *ports;
	bool new_connections;	 /* only the first packet of each */
	bool established;	 /* only those that are part of one */
	bool established_accept; /* of a map of verdicts: these it accepts ... */
	bool passes;		 /* ... and others it may */
	size_t conditions;	 /* of all that must hold, interface and family excepted */
	bool has_rate;
	struct nft_rate rate;
	uint64_t open_connections; /* 0 = does not count them */
	enum nft_key key;
	unsigned int key_bits;	 /* of an address that count */
	const char *dynamic_set; /* that its limit keeps state in */
	enum nft_verdict verdict;
	const char *target; /* of a jump */
	bool rejects;
};

void nft_match_read(const json_t *expr, enum nft_family family, struct nft_match *ret);
/* For nft_match.c: a statement that counts, a key included. */
void nft_count_read(const json_t *statement, const char *name, struct nft_match *m);

/*
 * Add what @value (an address, a prefix, a range, a set, or an element with a time) lists, with the rest of @found. Those of
 * a set that nft keeps sorted are up to a million.
 */
void nft_set_add(struct import *i, const json_t *value, const struct found *found,
		 const struct place_in *place);
/** The same as prefixes, at most @max of them. -1: some are none, or there are too many. */
int nft_set_prefixes(const json_t *value, struct prefix *ret, size_t max);
/** The set holds addresses, and nothing beside them. */
bool nft_set_is_addresses(const json_t *set);
/** @ports, such as 22, "ssh" or a set of them and of ranges, sorted. Their number; -1: some are none, or there are too many. */
int nft_ports(const json_t *ports, struct policy_port_range ret[static IMPORT_PORTS_MAX]);

struct nft_place {
	const char *name;		      /* "inet filter input handle 7" */
	const char *text;		      /* the rule */
	const json_t *sources, *destinations; /* what @match names, looked up */
	bool only_new; /* packets of connections that exist do not come to the rule */
};

/** Make a limit of it. NULL: done; otherwise why there is none. */
const char *nft_limit_add(struct import *i, const struct nft_match *m,
			  const struct nft_place *place);

/* A rule's statements as nft writes them, or nearly so. */
void nft_text(const json_t *expr, struct text *t);

/** "ip", "inet". "" if there is none. */
const char *nft_word(const json_t *object, const char *key);

#endif
