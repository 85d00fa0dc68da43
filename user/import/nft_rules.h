/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a ruleset holds, to go through it. All JSON is borrowed from the text that was read, but for the indexes. */
#ifndef IMPORT_NFT_RULES_H
#define IMPORT_NFT_RULES_H

#include "import/nft.h"

#define NFT_NAME_SIZE 256 /* of "family table name" */

struct rule {
	const json_t *json;
	size_t next; /* of the chain, +1; 0 = last */
	bool reached;
};

struct chain {
	const json_t *json; /* NULL: only its rules are there */
	size_t first, last; /* rules, +1; 0 = none */
};

struct nft {
	struct import *import;
	struct rule *rules;
	size_t rule_count, rule_size;
	struct chain *chains;
	size_t chain_count, chain_size;
	json_t *chain_numbers; /* by "family table chain" */
	json_t *sets;	       /* by "family table set" */
	json_t *used_sets;     /* likewise, those that rules or entries were made of */
	json_t *nothing;       /* what a set without elements holds */
};

/* End with nft_done(). No memory is an error of the import. */
void nft_init(struct nft *n, struct import *i);
void nft_done(struct nft *n);
/* Take in an object of the listing, by its @type: "rule", "chain", "set". What else has a meaning is noted. */
void nft_add_object(struct nft *n, const char *type, json_t *json);

/* "inet filter bad", by the member @name of @object. */
void nft_key_of(const json_t *object, const char *name, char ret[static NFT_NAME_SIZE]);
/* Somebody looks at the set of that key. */
void nft_use_set(struct nft *n, const char *key);
/**
 * What @value, the right side of a condition in @rule, lists: itself, or what the set that it names holds. NULL: no such set, or
 * one that does not hold addresses.
 */
const json_t *nft_resolve(struct nft *n, const json_t *rule, const json_t *value);

#endif
