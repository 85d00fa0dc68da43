/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A ruleset as it is listed: rules by chain in their order, sets by name. */
#include "import/nft_rules.h"

#include <errno.h>
#include <string.h>

#define RULES_MAX  200000
#define CHAINS_MAX 60000 /* numbers of 16 bits */

void nft_key_of(const json_t *object, const char *name, char ret[static NFT_NAME_SIZE])
{
	snprintf(ret, NFT_NAME_SIZE, "%s %s %s", nft_word(object, "family"),
		 nft_word(object, "table"), nft_word(object, name));
}

static bool make_room(struct nft *n, void **items, size_t count, size_t *size, size_t item)
{
	size_t wanted = *size ? 2 * *size : 64;
	void *grown;

	if (count < *size)
		return true;
	grown = reallocarray(*items, wanted, item);
	if (!grown) {
		n->import->error = -ENOMEM;
		return false;
	}
	*items = grown;
	*size = wanted;
	return true;
}

/* The chain of that name, which a rule may name before it is there. NULL: no room. */
static struct chain *chain_of(struct nft *n, const char *key)
{
	const json_t *number = json_object_get(n->chain_numbers, key);

	if (number)
		return &n->chains[json_integer_value(number)];
	if (n->chain_count == CHAINS_MAX ||
	    !make_room(n, (void **)&n->chains, n->chain_count, &n->chain_size, sizeof(*n->chains)))
		return NULL;
	if (json_object_set_new(n->chain_numbers, key, json_integer((json_int_t)n->chain_count)) <
	    0) {
		n->import->error = -ENOMEM;
		return NULL;
	}
	n->chains[n->chain_count] = (struct chain){0};
	return &n->chains[n->chain_count++];
}

static void add_rule(struct nft *n, const json_t *json)
{
	char key[NFT_NAME_SIZE];
	struct chain *chain;

	nft_key_of(json, "chain", key);
	chain = chain_of(n, key);
	if (!chain || n->rule_count == RULES_MAX) {
		import_note(n->import, IMPORT_SKIPPED, &(struct place_in){.name = key}, "", 0,
			    "there are more rules or chains than are read");
		return;
	}
	if (!make_room(n, (void **)&n->rules, n->rule_count, &n->rule_size, sizeof(*n->rules)))
		return;
	n->rules[n->rule_count++] = (struct rule){.json = json};
	if (chain->last)
		n->rules[chain->last - 1].next = n->rule_count;
	else
		chain->first = n->rule_count;
	chain->last = n->rule_count;
}

void nft_add_object(struct nft *n, const char *type, json_t *json)
{
	char key[NFT_NAME_SIZE];
	struct chain *chain;

	nft_key_of(json, "name", key);
	if (strcmp(type, "rule") == 0) {
		add_rule(n, json);
	} else if (strcmp(type, "chain") == 0) {
		chain = chain_of(n, key);
		if (chain)
			chain->json = json;
	} else if (strcmp(type, "set") == 0) {
		if (json_object_set(n->sets, key, json) < 0)
			n->import->error = -ENOMEM;
	} else if (strcmp(type, "metainfo") != 0 && strcmp(type, "table") != 0) {
		import_note(n->import, IMPORT_SKIPPED, &(struct place_in){.name = key}, type,
			    strlen(type), "weir has nothing like it");
	}
}

void nft_use_set(struct nft *n, const char *key)
{
	if (json_object_set_new(n->used_sets, key, json_true()) < 0)
		n->import->error = -ENOMEM;
}

const json_t *nft_resolve(struct nft *n, const json_t *rule, const json_t *value)
{
	const char *name = json_string_value(value);
	const json_t *set;
	char key[NFT_NAME_SIZE];

	if (!name || *name != '@')
		return value;
	snprintf(key, sizeof(key), "%s %s %s", nft_word(rule, "family"), nft_word(rule, "table"),
		 name + 1);
	set = json_object_get(n->sets, key);
	if (!set || !nft_set_is_addresses(set))
		return NULL;
	nft_use_set(n, key);
	return json_object_get(set, "elem") ?: n->nothing;
}

void nft_init(struct nft *n, struct import *i)
{
	*n = (struct nft){
		.import = i,
		.chain_numbers = json_object(),
		.sets = json_object(),
		.used_sets = json_object(),
		.nothing = json_array(),
	};
	if (!n->chain_numbers || !n->sets || !n->used_sets || !n->nothing)
		i->error = -ENOMEM;
}

void nft_done(struct nft *n)
{
	free(n->rules);
	free(n->chains);
	json_decref(n->chain_numbers);
	json_decref(n->sets);
	json_decref(n->used_sets);
	json_decref(n->nothing);
}
