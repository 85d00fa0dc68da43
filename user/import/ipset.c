/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `ipset save` writes, or is given to `ipset restore`: sets of addresses and networks. A set has no meaning of its own,
 * so its entries go on the list that the operator names. What also looks at ports, interfaces or MAC addresses is not
 * translated, once per set.
 */
#include <errno.h>
#include <string.h>

#include "import/internal.h"

#define SET_NAME_MAX 31
#define SETS_MAX     4096

struct set {
	char name[SET_NAME_MAX + 1];
	unsigned int line;
	unsigned int netmask; /* of each element; 0 = none */
	bool taken;	      /* its elements are translated */
	size_t left_out;
};

struct reader {
	struct import *import;
	struct set *sets; /* in the order of the text */
	size_t count, size;
	size_t last; /* that an element was added to: the next one is of the same */
	size_t understood;
};

static struct set *find_set(struct reader *r, const char *name, size_t length)
{
	if (r->last < r->count && word_is(name, length, r->sets[r->last].name))
		return &r->sets[r->last];
	for (size_t i = r->count; i--;) {
		if (!word_is(name, length, r->sets[i].name))
			continue;
		r->last = i;
		return &r->sets[i];
	}
	return NULL;
}

static bool is_address_type(const char *type, size_t length)
{
	return word_is(type, length, "hash:ip") || word_is(type, length, "hash:net") ||
	       word_is(type, length, "bitmap:ip") || word_is(type, length, "iphash") ||
	       word_is(type, length, "nethash") || word_is(type, length, "ipmap");
}

static void read_options(const char *at, const char *end, struct set *s)
{
	const char *word, *value;
	size_t length, value_length;

	while (words_next(&at, end, &word, &length)) {
		char number[4];

		if (!word_is(word, length, "netmask") ||
		    !words_next(&at, end, &value, &value_length) || value_length >= sizeof(number))
			continue;
		memcpy(number, value, value_length);
		number[value_length] = '\0';
		if (parse_u32(number, 1, 128, &s->netmask) < 0)
			s->netmask = 0;
	}
}

static void create(struct reader *r, const struct place_in *place, const char *line, size_t all,
		   const char *at)
{
	const char *end = line + all, *name, *type;
	size_t name_length, type_length;
	struct set *s;

	if (!words_next(&at, end, &name, &name_length) ||
	    !words_next(&at, end, &type, &type_length) || name_length > SET_NAME_MAX ||
	    r->count == SETS_MAX) {
		import_note(r->import, IMPORT_SKIPPED, place, line, all,
			    "it makes no set that ipset could make");
		return;
	}
	if (r->count == r->size) {
		size_t size = r->size ? 2 * r->size : 16;
		struct set *grown = reallocarray(r->sets, size, sizeof(*grown));

		if (!grown) {
			r->import->error = -ENOMEM;
			return;
		}
		r->sets = grown;
		r->size = size;
	}
	s = &r->sets[r->count++];
	*s = (struct set){.line = place->line, .taken = is_address_type(type, type_length)};
	memcpy(s->name, name, name_length);
	read_options(at, end, s);
	r->understood++;
	if (!s->taken)
		import_note(r->import, IMPORT_SKIPPED, place, line, all,
			    "weir's lists hold addresses and prefixes, not what a %.*s holds",
			    (int)type_length, type);
}

struct options {
	uint64_t seconds;
	bool is_bad; /* the timeout is none */
	bool nomatch;
	char comment[POLICY_STRING_MAX];
};

/* A comment stands in quotes, and holds none. */
static void read_comment(const char **at, const char *end, char *ret, size_t size)
{
	const char *open = memchr(*at, '"', (size_t)(end - *at)), *close;
	size_t length;

	if (!open)
		return;
	close = memchr(open + 1, '"', (size_t)(end - open - 1)) ?: end;
	length = (size_t)(close - open - 1);
	if (length >= size)
		length = size - 1;
	memcpy(ret, open + 1, length);
	ret[length] = '\0';
	*at = close < end ? close + 1 : end;
}

static void read_element(const char *at, const char *end, struct options *ret)
{
	const char *word, *value;
	size_t length, value_length;

	*ret = (struct options){.seconds = IMPORT_FOREVER};
	while (words_next(&at, end, &word, &length)) {
		if (word_is(word, length, "nomatch"))
			ret->nomatch = true;
		if (word_is(word, length, "comment"))
			read_comment(&at, end, ret->comment, sizeof(ret->comment));
		if (word_is(word, length, "timeout") &&
		    words_next(&at, end, &value, &value_length)) {
			char number[12];
			uint64_t seconds;

			snprintf(number, sizeof(number), "%.*s", (int)value_length, value);
			ret->is_bad = parse_u64(number, 0, UINT32_MAX, &seconds) < 0;
			/* 0 is for ever. */
			if (!ret->is_bad && seconds)
				ret->seconds = seconds;
		}
	}
}

static void add(struct reader *r, const struct place_in *place, const char *line, size_t all,
		const char *at)
{
	const char *end = line + all, *name, *word;
	char reason[SET_NAME_MAX + POLICY_STRING_MAX + 16], masked[PREFIX_TEXT_SIZE + 8];
	size_t name_length, length;
	struct options o;
	struct found found = {.kind = r->import->kind};
	struct set *s;

	if (!words_next(&at, end, &name, &name_length) || !words_next(&at, end, &word, &length)) {
		import_note(r->import, IMPORT_SKIPPED, place, line, all, "it adds nothing");
		return;
	}
	s = find_set(r, name, name_length);
	if (s && !s->taken) {
		s->left_out++;
		return;
	}
	if (!s) {
		import_note(r->import, IMPORT_SKIPPED, place, line, all,
			    "no line before it makes a set of that name");
		return;
	}
	read_element(at, end, &o);
	if (o.is_bad) {
		import_note(r->import, IMPORT_SKIPPED, place, line, all, "its timeout is none");
		return;
	}
	snprintf(reason, sizeof(reason), "ipset: %s%s%s", s->name, *o.comment ? ": " : "",
		 o.comment);
	if (s->netmask && !memchr(word, '/', length) && !memchr(word, '-', length)) {
		length = (size_t)snprintf(
			masked, sizeof(masked), "%.*s/%u",
			(int)(length < ADDRESS_TEXT_SIZE ? length : ADDRESS_TEXT_SIZE), word,
			s->netmask);
		word = masked;
	}
	found.word = word;
	found.length = length;
	found.seconds = o.seconds;
	found.reason = reason;
	if (o.nomatch && found.kind == LIST_ALLOW) {
		import_note(r->import, IMPORT_SKIPPED, place, line, all,
			    "an exception from the allow list: block it, if nobody covers it");
		return;
	}
	if (o.nomatch) {
		found.kind = LIST_ALLOW;
		import_note(r->import, IMPORT_DIFFERS, place, line, all,
			    "an exception from the set: on the allow list, it passes limits, too");
	}
	r->understood++;
	import_add(r->import, &found, place);
}

static void read_line(struct reader *r, unsigned int number, const char *line, size_t length)
{
	const struct place_in place = {.line = number};
	const char *at = line, *word;
	size_t word_length;

	if (!words_next(&at, line + length, &word, &word_length) || *word == '#')
		return;
	if (length > IMPORT_LINE_MAX)
		import_note(r->import, IMPORT_SKIPPED, &place, line, length,
			    "the line is longer than %d bytes", IMPORT_LINE_MAX);
	else if (word_is(word, word_length, "create") || word_is(word, word_length, "-N"))
		create(r, &place, line, length, at);
	else if (word_is(word, word_length, "add") || word_is(word, word_length, "-A"))
		add(r, &place, line, length, at);
	else if (!word_is(word, word_length, "COMMIT"))
		import_note(r->import, IMPORT_SKIPPED, &place, line, length,
			    "only create and add are read");
}

int import_ipset(struct import *i, const char *text, size_t length, struct fault *reterr)
{
	struct reader r = {.import = i};
	struct lines lines = {.at = text, .end = text + length};
	const char *line;

	while (!i->error && lines_next(&lines, &line, &length))
		read_line(&r, lines.number, line, length);
	for (size_t n = 0; n < r.count; n++) {
		const struct place_in place = {.line = r.sets[n].line, .name = r.sets[n].name};
		char text_[48];

		if (!r.sets[n].left_out)
			continue;
		snprintf(text_, sizeof(text_), "%zu elements", r.sets[n].left_out);
		import_note(i, IMPORT_SKIPPED, &place, text_, strlen(text_),
			    "the set is not translated");
	}
	free(r.sets);
	if (!r.understood && !i->error)
		return fault(reterr, -ENODATA, "import.empty",
			     "there is no set in it as 'ipset save' writes one");
	return 0;
}
