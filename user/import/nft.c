/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `nft -j list ruleset`. Chains that hook input, prerouting or ingress are gone through rule by rule, and the chains that they jump
 * to; what a rule becomes depends on those before it: weir asks its allow list, then its block list, then limits, and passes
 * the rest. What no such walk comes to is named as not translated.
 */
#include <errno.h>
#include <string.h>

#include "import/nft.h"
#include "import/nft_rules.h"

#define JUMPS_MAX 16 /* nft's own limit */

/* How a walk from a hook goes. */
struct walk {
	struct nft *nft;
	uint16_t number;  /* of the base chain, from 1 */
	bool established; /* packets of connections that exist have passed */
	char softener
		[96]; /* the first rule that lets others pass and is not translated; "" = none */
	bool softened_blocks; /* and that was said */
	bool softened_limits;
	bool has_limits;
	bool ended; /* no packet comes further */
};

/* What a rule says and where it stands. */
struct reading {
	const json_t *rule;
	struct nft_match match;
	char name[NFT_NAME_SIZE];
	char text[IMPORT_QUOTE_MAX + 100];
	struct place_in place;
};

static enum nft_family family_of(const json_t *object)
{
	const char *family = nft_word(object, "family");

	if (strcmp(family, "ip") == 0)
		return NFT_IP4;
	return strcmp(family, "ip6") == 0 ? NFT_IP6 : NFT_BOTH;
}

static void read_rule(const json_t *rule, struct reading *ret)
{
	struct text t;
	json_t *expr = json_object_get(rule, "expr");

	ret->rule = rule;
	snprintf(ret->name, sizeof(ret->name), "%s %s %s handle %lld", nft_word(rule, "family"),
		 nft_word(rule, "table"), nft_word(rule, "chain"),
		 (long long)json_integer_value(json_object_get(rule, "handle")));
	ret->place = (struct place_in){.name = ret->name};
	text_init(&t, ret->text, sizeof(ret->text));
	nft_text(expr, &t);
	nft_match_read(expr, family_of(rule), &ret->match);
}

static void skip(struct walk *w, const struct reading *r, const char *why)
{
	import_note(w->nft->import, IMPORT_SKIPPED, &r->place, r->text, strlen(r->text), "%s", why);
}

static void differs(struct walk *w, const struct reading *r, const char *why)
{
	import_note(w->nft->import, IMPORT_DIFFERS, &r->place, r->text, strlen(r->text), "%s", why);
}

/* The rule lets packets pass that weir does not let pass: what later ones block or limit is more in weir. */
static void soften(struct walk *w, const struct reading *r)
{
	if (!*w->softener)
		snprintf(w->softener, sizeof(w->softener), "%.*s", (int)sizeof(w->softener) - 1,
			 r->name);
}

static void say_softened(struct walk *w, const struct reading *r, bool *said, const char *what)
{
	if (*said || (!*w->softener && (!w->established || said == &w->softened_limits)))
		return;
	*said = true;
	import_note(
		w->nft->import, IMPORT_DIFFERS, &r->place, r->text, strlen(r->text),
		"an earlier rule (%s) lets some packets pass, which weir %s, too: this and the rest of the "
		"chain",
		*w->softener ? w->softener : "of connections that exist", what);
}

static void walk_chain(struct walk *w, const char *key, int depth);

/* The rule looks at sources and nothing else, the interface and the family excepted. */
static bool only_sources(const struct nft_match *m)
{
	return m->sources && m->conditions == 1 && !m->has_rate && !m->open_connections &&
	       m->key == NFT_KEY_NONE;
}

static bool is_unconditional(const struct reading *r)
{
	const struct nft_match *m = &r->match;

	return !m->conditions && !m->interface && !m->has_rate && !m->open_connections &&
	       m->key == NFT_KEY_NONE && m->family == family_of(r->rule);
}

static void add_entries(struct walk *w, const struct reading *r, enum list_kind kind)
{
	const json_t *list = nft_resolve(w->nft, r->rule, r->match.sources);
	const char *comment = nft_word(r->rule, "comment");
	char reason[NFT_NAME_SIZE + POLICY_STRING_MAX];

	if (!list) {
		skip(w, r, "there is no such set of addresses");
		return;
	}
	snprintf(reason, sizeof(reason), "nft: %s", *comment ? comment : r->name);
	nft_set_add(w->nft->import, list,
		    &(struct found){.kind = kind,
				    .seconds = IMPORT_FOREVER,
				    .reason = reason,
				    .chain = w->number},
		    &r->place);
}

static void block(struct walk *w, const struct reading *r)
{
	add_entries(w, r, LIST_BLOCK);
	say_softened(w, r, &w->softened_blocks, "blocks");
	if (r->match.interface)
		differs(w, r, "it holds on all interfaces that weir is attached to");
	if (r->match.rejects)
		differs(w, r, "weir drops without an answer");
}

static void limit(struct walk *w, const struct reading *r)
{
	const struct nft_match *m = &r->match;
	struct nft_place place = {
		.name = r->name,
		.text = r->text,
		.sources = m->sources ? nft_resolve(w->nft, r->rule, m->sources) : NULL,
		.destinations =
			m->destinations ? nft_resolve(w->nft, r->rule, m->destinations) : NULL,
		.only_new = w->established,
	};
	char key[NFT_NAME_SIZE];
	const char *why;

	if (m->established)
		why = "weir does not know which connections exist";
	else if ((m->sources && !place.sources) || (m->destinations && !place.destinations))
		why = "there is no such set of addresses";
	else
		why = nft_limit_add(w->nft->import, m, &place);
	if (m->dynamic_set && *m->dynamic_set == '@') {
		snprintf(key, sizeof(key), "%s %s %s", nft_word(r->rule, "family"),
			 nft_word(r->rule, "table"), m->dynamic_set + 1);
		nft_use_set(w->nft, key);
	}
	if (why) {
		skip(w, r, why);
		return;
	}
	w->has_limits = true;
	say_softened(w, r, &w->softened_limits, "limits");
}

static void drop(struct walk *w, const struct reading *r)
{
	const struct nft_match *m = &r->match;

	if (m->loopback)
		skip(w, r, "weir is not attached to lo");
	else if (m->has_rate && !m->rate.over)
		skip(w, r, "it drops what is within the rate, and lets the rest go on");
	else if (m->has_rate || m->open_connections)
		limit(w, r);
	else if (only_sources(m))
		block(w, r);
	else if (is_unconditional(r))
		skip(w, r,
		     "weir passes what nothing blocks: dropping the rest stays with the firewall");
	else
		skip(w, r, "weir's block list looks at the source only");
	w->ended |= is_unconditional(r);
}

static void accept(struct walk *w, const struct reading *r)
{
	const struct nft_match *m = &r->match;

	if (is_unconditional(r)) {
		w->ended = true;
		return;
	}
	if (only_sources(m) && !m->interface && !w->has_limits) {
		add_entries(w, r, LIST_ALLOW);
		return;
	}
	if (m->established && m->conditions == 1 && !m->interface)
		w->established = true;
	else if (!m->loopback) /* which weir does not see */
		soften(w, r);
	if (m->loopback)
		skip(w, r, "weir is not attached to lo");
	else if (m->established)
		skip(w, r, "weir does not know which connections exist");
	else if (m->has_rate || m->open_connections)
		skip(w, r,
		     "what is over goes on to other rules, and what is not is exempt from them");
	else if (only_sources(m) && w->has_limits)
		skip(w, r,
		     "rules before it limit them, and weir's allow list is asked before its limits");
	else
		skip(w, r, "weir's allow list looks at the source only");
}

static bool is_same_limit(const struct reading *a, const struct reading *b);

/* "X limit rate 10/second accept" and then "X drop" is "X limit rate over 10/second drop". */
static bool read_pair(struct walk *w, const struct rule *rule, struct reading *r)
{
	struct reading *next;
	bool pair;

	if (r->match.why || r->match.verdict != NFT_ACCEPT || !r->match.has_rate ||
	    r->match.rate.over || r->match.key != NFT_KEY_NONE || !rule->next)
		return false;
	next = calloc(1, sizeof(*next));
	if (!next) {
		w->nft->import->error = -ENOMEM;
		return false;
	}
	read_rule(w->nft->rules[rule->next - 1].json, next);
	pair = is_same_limit(r, next);
	if (pair) {
		r->match.rate.over = true;
		r->match.rejects = next->match.rejects;
		limit(w, r);
		soften(w, r);
		w->nft->rules[rule->next - 1].reached = true;
	}
	w->ended |= pair && is_unconditional(next);
	free(next);
	return pair;
}

/* The conditions of a rule, as they stand there. */
static json_t *conditions(const json_t *rule)
{
	json_t *all = json_array(), *statement;
	size_t i;

	json_array_foreach (json_object_get(rule, "expr"), i, statement) {
		if (json_object_get(statement, "match"))
			json_array_append(all, statement);
	}
	return all;
}

static bool is_same_limit(const struct reading *a, const struct reading *b)
{
	_cleanup_(json_decrefp) json_t *first = conditions(a->rule), *second = conditions(b->rule);

	return !b->match.why && b->match.verdict == NFT_DROP && !b->match.has_rate &&
	       !b->match.open_connections && json_equal(first, second);
}

static void jump(struct walk *w, const struct reading *r, int depth)
{
	char key[NFT_NAME_SIZE];

	if (!is_unconditional(r)) {
		skip(w, r, "weir has no chains: what comes after the condition is not translated");
		soften(w, r);
		return;
	}
	snprintf(key, sizeof(key), "%s %s %s", nft_word(r->rule, "family"),
		 nft_word(r->rule, "table"), r->match.target);
	walk_chain(w, key, depth + 1);
	w->ended |= r->match.verdict == NFT_GOTO;
}

static void walk_rule(struct walk *w, struct reading *r, int depth, bool *returned)
{
	const struct nft_match *m = &r->match;

	if (m->why) {
		skip(w, r, m->why);
		if (m->established_accept)
			w->established = true;
		if (m->passes || (m->verdict != NFT_DROP && m->verdict != NFT_NONE))
			soften(w, r);
		return;
	}
	switch (m->verdict) {
	case NFT_ACCEPT:
		accept(w, r);
		break;
	case NFT_DROP:
		drop(w, r);
		break;
	case NFT_RETURN:
		*returned = is_unconditional(r);
		if (!*returned) {
			skip(w, r, "weir has no chains to return from");
			soften(w, r);
		}
		break;
	case NFT_JUMP:
	case NFT_GOTO:
		jump(w, r, depth);
		break;
	case NFT_NONE:
		if (m->has_rate || m->open_connections)
			skip(w, r, "it counts, and does nothing with what is over");
		break;
	}
}

static void walk_chain(struct walk *w, const char *key, int depth)
{
	const json_t *number = json_object_get(w->nft->chain_numbers, key);
	struct reading *r = calloc(1, sizeof(*r));
	bool returned = false;
	size_t next = number ? w->nft->chains[json_integer_value(number)].first : 0;

	if (!r)
		w->nft->import->error = -ENOMEM;
	while (r && next && depth <= JUMPS_MAX && !returned && !w->ended &&
	       !w->nft->import->error) {
		struct rule *rule = &w->nft->rules[next - 1];

		next = rule->next;
		if (rule->reached)
			continue;
		rule->reached = true;
		read_rule(rule->json, r);
		if (!read_pair(w, rule, r))
			walk_rule(w, r, depth, &returned);
	}
	free(r);
}

/* Which chains are gone through, and what is said of the others. */
static const char *refuse_chain(const json_t *chain)
{
	const char *hook = nft_word(chain, "hook"), *type = nft_word(chain, "type"),
		   *family = nft_word(chain, "family");

	if (strcmp(family, "bridge") == 0 || strcmp(family, "arp") == 0)
		return "its table is not about IP packets to the host";
	if (!*hook)
		return "no packet comes to it without a condition";
	if (strcmp(type, "filter") != 0)
		return "its chain does not filter";
	if (strcmp(hook, "input") != 0 && strcmp(hook, "prerouting") != 0 &&
	    strcmp(hook, "ingress") != 0)
		return "its chain is not about what comes in to the host: weir judges that only";
	return NULL;
}

static void walk_base(struct nft *n, size_t number)
{
	const json_t *chain = n->chains[number].json;
	struct walk w = {.nft = n, .number = (uint16_t)(number + 1)};
	char key[NFT_NAME_SIZE];
	struct place_in place = {.name = key};

	nft_key_of(chain, "name", key);
	if (strcmp(nft_word(chain, "policy"), "drop") == 0)
		import_note(
			n->import, IMPORT_SKIPPED, &place, "policy drop", strlen("policy drop"),
			"weir passes what nothing blocks: dropping the rest stays with the firewall");
	walk_chain(&w, key, 0);
}

static void name_unreached(struct nft *n)
{
	struct reading *r = calloc(1, sizeof(*r));
	struct walk w = {.nft = n};

	if (!r)
		n->import->error = -ENOMEM;
	for (size_t i = 0; r && i < n->chain_count; i++) {
		const char *why = refuse_chain(n->chains[i].json);

		for (size_t next = n->chains[i].first; next; next = n->rules[next - 1].next) {
			if (n->rules[next - 1].reached)
				continue;
			read_rule(n->rules[next - 1].json, r);
			skip(&w, r, why ?: "no packet comes to it without a condition");
		}
	}
	free(r);
}

/* Sets that no rule was made of. Without any rule they are all there is, and lists as the operator says. */
static void read_sets(struct nft *n)
{
	const char *key;
	json_t *set;

	json_object_foreach (n->sets, key, set) {
		const struct place_in place = {.name = key};
		char reason[NFT_NAME_SIZE + 8];
		size_t size = json_array_size(json_object_get(set, "elem"));
		char text[48];

		if (json_object_get(n->used_sets, key))
			continue;
		snprintf(reason, sizeof(reason), "nft: %s", nft_word(set, "name"));
		snprintf(text, sizeof(text), "a set of %zu elements", size);
		if (!nft_set_is_addresses(set))
			import_note(n->import, IMPORT_SKIPPED, &place, text, strlen(text),
				    "weir's lists hold addresses and prefixes");
		else if (n->rule_count)
			import_note(n->import, IMPORT_SKIPPED, &place, text, strlen(text),
				    "no rule that is translated looks at it");
		else if (size)
			nft_set_add(n->import, json_object_get(set, "elem"),
				    &(struct found){.kind = n->import->kind,
						    .seconds = IMPORT_FOREVER,
						    .reason = reason},
				    &place);
	}
}

int import_nft(struct import *i, const char *text, size_t length, struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *root = NULL;
	_cleanup_(nft_done) struct nft n = {0};
	json_t *all, *item, *json;
	const char *type;
	size_t k;
	int r = import_json(text, length, &root, reterr);

	if (r < 0)
		return r;
	all = json_object_get(root, "nftables");
	if (!json_is_array(all))
		return fault(
			reterr, -ENODATA, "import.empty",
			"there is no list \"nftables\" in it, as 'nft -j list ruleset' prints");
	nft_init(&n, i);
	json_array_foreach (all, k, item) {
		json_object_foreach (item, type, json) {
			nft_add_object(&n, type, json);
		}
	}
	for (k = 0; k < n.chain_count && !i->error; k++)
		if (!refuse_chain(n.chains[k].json))
			walk_base(&n, k);
	name_unreached(&n);
	read_sets(&n);
	return 0;
}
