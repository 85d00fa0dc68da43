/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What sets hold, and what stands where a set could: addresses, ports. */
#include <string.h>

#include "import/nft.h"
#include "lists/feed.h"

const char *nft_word(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

/*
 * An address, a prefix or a range as a word, such as weir's feeds have. False: it is none. @ret holds two addresses and what is
 * between them.
 */
static bool put_word(const json_t *value, char *ret, size_t size)
{
	const json_t *prefix = json_object_get(value, "prefix"),
		     *range = json_object_get(value, "range"),
		     *length = json_object_get(prefix, "len");
	const char *first = json_string_value(json_array_get(range, 0)),
		   *last = json_string_value(json_array_get(range, 1));
	int n = -1;

	if (json_is_string(value))
		n = snprintf(ret, size, "%s", json_string_value(value));
	else if (prefix && json_is_integer(length))
		n = snprintf(ret, size, "%s/%lld", nft_word(prefix, "addr"),
			     (long long)json_integer_value(length));
	else if (first && last)
		n = snprintf(ret, size, "%s-%s", first, last);
	return n > 0 && (size_t)n < size;
}

#define WORD_SIZE (2 * ADDRESS_TEXT_SIZE + 2)

/* An element may have a comment and an end. */
static void add_element(struct import *i, const json_t *element, const struct found *found,
			const struct place_in *place)
{
	const json_t *inner = json_object_get(element, "elem"),
		     *expires = json_object_get(inner, "expires"),
		     *timeout = json_object_get(inner, "timeout");
	const char *comment = nft_word(inner, "comment");
	char word[WORD_SIZE], reason[2 * POLICY_STRING_MAX];
	struct found f = *found;

	if (!put_word(inner ? json_object_get(inner, "val") : element, word, sizeof(word))) {
		_cleanup_free_ char *text = json_dumps(element, JSON_COMPACT | JSON_ENCODE_ANY);

		import_note(i, IMPORT_SKIPPED, place, text ?: "", strlen(text ?: ""),
			    "it is no address, prefix or range");
		return;
	}
	if (expires || timeout) {
		json_int_t left = json_integer_value(expires ?: timeout);

		f.seconds = left > 0 ? (uint64_t)left : 0;
		if (!expires && !left) /* for ever, in a set whose elements have a time */
			f.seconds = IMPORT_FOREVER;
	}
	if (*comment) {
		snprintf(reason, sizeof(reason), "%s: %s", found->reason, comment);
		f.reason = reason;
	}
	f.word = word;
	f.length = strlen(word);
	import_add(i, &f, place);
}

void nft_set_add(struct import *i, const json_t *value, const struct found *found,
		 const struct place_in *place)
{
	const json_t *list = json_object_get(value, "set") ?: value, *element;
	size_t n;

	if (!json_is_array(list)) {
		add_element(i, list, found, place);
		return;
	}
	json_array_foreach (list, n, element) {
		if (i->error)
			return;
		add_element(i, element, found, place);
	}
}

int nft_set_prefixes(const json_t *value, struct prefix *ret, size_t max)
{
	const json_t *list = json_object_get(value, "set") ?: value;
	bool many = json_is_array(list);
	size_t count = 0, n = many ? json_array_size(list) : 1;

	for (size_t i = 0; i < n; i++) {
		const json_t *item = many ? json_array_get(list, i) : list;
		struct prefix prefixes[FEED_PREFIXES_MAX];
		char word[WORD_SIZE];
		size_t got = 0;

		/* One that ends by itself cannot stand where nothing ends. */
		if (json_object_get(item, "elem") || !put_word(item, word, sizeof(word)) ||
		    feed_word_parse(word, strlen(word), prefixes, &got) != FEED_WORD_OK ||
		    got > max - count)
			return -1;
		memcpy(ret + count, prefixes, got * sizeof(*ret));
		count += got;
	}
	return (int)count;
}

bool nft_set_is_addresses(const json_t *set)
{
	const char *type = nft_word(set, "type");

	return strcmp(type, "ipv4_addr") == 0 || strcmp(type, "ipv6_addr") == 0;
}

static bool read_port(const json_t *value, uint16_t *ret)
{
	static const struct {
		const char *name;
		uint16_t port;
	} names[] = {{"ssh", 22}, {"domain", 53}, {"http", 80}, {"https", 443}};

	if (json_is_integer(value) && json_integer_value(value) >= 0 &&
	    json_integer_value(value) <= UINT16_MAX) {
		*ret = (uint16_t)json_integer_value(value);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(json_string_value(value) ?: "", names[i].name) != 0)
			continue;
		*ret = names[i].port;
		return true;
	}
	return false;
}

static int compare_ports(const void *a, const void *b)
{
	const struct policy_port_range *x = a, *y = b;

	return x->first != y->first ? x->first - y->first : x->last - y->last;
}

int nft_ports(const json_t *ports, struct policy_port_range ret[static IMPORT_PORTS_MAX])
{
	const json_t *list = json_object_get(ports, "set") ?: ports;
	bool many = json_is_array(list);
	size_t n = many ? json_array_size(list) : 1, kept = 0;

	if (!n || n > IMPORT_PORTS_MAX)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const json_t *item = many ? json_array_get(list, i) : list,
			     *range = json_object_get(item, "range");

		if (!read_port(range ? json_array_get(range, 0) : item, &ret[i].first) ||
		    !read_port(range ? json_array_get(range, 1) : item, &ret[i].last) ||
		    ret[i].first > ret[i].last)
			return -1;
	}
	qsort(ret, n, sizeof(*ret), compare_ports);
	for (size_t i = 1; i < n; i++) {
		if (ret[i].first > ret[kept].last)
			ret[++kept] = ret[i];
		else if (ret[i].last > ret[kept].last)
			ret[kept].last = ret[i].last;
	}
	return (int)kept + 1;
}
