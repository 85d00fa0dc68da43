/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What was found so far: entries, services, limits and notes; and what all readers need. */
#include "import/import.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "import/internal.h"
#include "lists/feed.h"

#define SECONDS_MAX (100ULL * 365 * 86400) /* that a ttl can have: what is longer is for ever */

static const struct {
	const char *name;
	int (*read)(struct import *i, const char *text, size_t length, struct fault *reterr);
} tools[] = {
	[IMPORT_FAIL2BAN] = {"fail2ban", import_fail2ban},
	[IMPORT_NFT] = {"nft", import_nft},
	[IMPORT_IPSET] = {"ipset", import_ipset},
	[IMPORT_CROWDSEC] = {"crowdsec", import_crowdsec},
	[IMPORT_XDP_FILTER] = {"xdp-filter", import_xdp_filter},
};

static_assert(ARRAY_SIZE(tools) == IMPORT_TOOL_MAX, "each tool has a reader");

const char *import_tool_to_str(enum import_tool tool)
{
	return tools[tool].name;
}

int import_tool_from_str(const char *name, enum import_tool *ret)
{
	for (unsigned int i = 0; i < IMPORT_TOOL_MAX; i++) {
		if (strcmp(tools[i].name, name) != 0)
			continue;
		*ret = i;
		return 0;
	}
	return -EINVAL;
}

int import_new(enum import_tool tool, enum list_kind kind, int64_t now, struct import **ret)
{
	struct import *i = calloc(1, sizeof(*i));

	if (!i)
		return -ENOMEM;
	i->tool = tool;
	i->kind = kind;
	i->now = now;
	text_init_growing(&i->texts);
	text_put(&i->texts, "", 1);
	*ret = i;
	return 0;
}

void import_free(struct import *i)
{
	if (!i)
		return;
	for (size_t n = 0; n < i->limit_count; n++) {
		free(i->limits[n].place);
		free(i->limits[n].text);
		free(i->limits[n].sources);
	}
	for (size_t n = 0; n < i->note_count; n++) {
		free(i->notes[n].place);
		free(i->notes[n].text);
		free(i->notes[n].why);
	}
	text_done(&i->texts);
	free(i->entries);
	free(i->services);
	free(i->limits);
	free(i->notes);
	free(i);
}

size_t import_count(const struct import *i, enum list_kind kind)
{
	size_t count = 0;

	for (size_t n = 0; n < i->count; n++)
		count += i->entries[n].kind == kind;
	return count;
}

const char *import_reason(const struct import *i, const struct import_entry *e)
{
	return i->texts.data + e->reason;
}

const char *import_protocol(unsigned int number)
{
	static const struct {
		unsigned int number;
		const char *name;
	} names[] = {{6, "tcp"}, {17, "udp"}, {1, "icmp"}, {58, "icmp6"}, {132, "sctp"}};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].number == number)
			return names[i].name;
	return NULL;
}

void import_cut(char *string, size_t max)
{
	size_t length = strlen(string);

	if (length <= max)
		return;
	while (max && ((unsigned char)string[max] & 0xc0) == 0x80)
		max--;
	string[max] = '\0';
}

/* Three bytes that YAML takes for the end of a line, or not at all: U+2028, U+2029, U+FEFF, U+FFFE, U+FFFF. */
static bool is_no_text(const unsigned char *c)
{
	return (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9)) ||
	       (c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf) ||
	       (c[0] == 0xef && c[1] == 0xbf && (c[2] == 0xbe || c[2] == 0xbf));
}

void import_clean(char *string)
{
	utf8_repair(string);
	for (unsigned char *c = (unsigned char *)string; *c; c++) {
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] < 0xa0)
			c[0] = c[1] = '?';
		else if (*c >= 0xe0 && is_no_text(c))
			c[0] = c[1] = c[2] = '?';
	}
}

/* Columns of a table are one blank apart. */
static void join_blanks(char *string)
{
	char *to = string;

	for (const char *from = string; *from; from++)
		if ((*from != ' ' && *from != '\t') || (to > string && to[-1] != ' '))
			*to++ = *from == '\t' ? ' ' : *from;
	while (to > string && to[-1] == ' ')
		to--;
	*to = '\0';
}

/* @length bytes as a string of their own of at most @max bytes, clean; NULL: no memory. */
static char *quote(const char *text, size_t length, size_t max)
{
	char *copy = strndup(text, length < max + 4 ? length : max + 4);

	if (!copy)
		return NULL;
	join_blanks(copy);
	if (strlen(copy) > max) {
		import_cut(copy, max - 3);
		memcpy(copy + strlen(copy), "...", 4);
	}
	import_clean(copy);
	return copy;
}

static bool grow(struct import *i, void **items, size_t *size, size_t item)
{
	size_t wanted = *size ? 2 * *size : 64;
	void *grown = reallocarray(*items, wanted, item);

	if (!grown) {
		i->error = -ENOMEM;
		return false;
	}
	*items = grown;
	*size = wanted;
	return true;
}

void import_note(struct import *i, enum import_note_kind kind, const struct place_in *place,
		 const char *text, size_t length, const char *why, ...)
{
	struct import_note *n;
	char words[512];
	va_list ap;

	i->counts[kind]++;
	if (i->error || i->note_count == IMPORT_NOTES_MAX ||
	    (i->note_count == i->note_size &&
	     !grow(i, (void **)&i->notes, &i->note_size, sizeof(*i->notes))))
		return;
	va_start(ap, why);
	vsnprintf(words, sizeof(words), why, ap);
	va_end(ap);
	n = &i->notes[i->note_count++];
	*n = (struct import_note){
		.kind = kind,
		.line = place->line,
		.place = place->name ? quote(place->name, strlen(place->name), IMPORT_QUOTE_MAX)
				     : NULL,
		.text = quote(text, length, IMPORT_QUOTE_MAX),
		.why = quote(words, strlen(words), sizeof(words)),
	};
	if (!n->text || !n->why || (place->name && !n->place))
		i->error = -ENOMEM;
}

/* Where @reason, made fit for a policy, is among the texts. Neighbours often have the same. */
static uint32_t keep_reason(struct import *i, const char *reason)
{
	char clean[POLICY_STRING_MAX + 4];

	if (!reason || !*reason)
		return 0;
	snprintf(clean, sizeof(clean), "%s", reason);
	import_cut(clean, POLICY_STRING_MAX);
	import_clean(clean);
	if (strcmp(i->texts.data + i->last_reason, clean) == 0)
		return i->last_reason;
	i->last_reason = (uint32_t)i->texts.length;
	text_put(&i->texts, clean, strlen(clean) + 1);
	if (i->texts.truncated)
		i->error = -ENOMEM;
	return i->last_reason;
}

void import_add(struct import *i, const struct found *found, const struct place_in *place)
{
	struct prefix prefixes[FEED_PREFIXES_MAX];
	size_t count = 0;
	enum feed_word word = feed_word_parse(found->word, found->length, prefixes, &count);
	uint32_t reason;

	if (i->error)
		return;
	if (word == FEED_WORD_BAD || word == FEED_WORD_ALL) {
		import_note(i, IMPORT_SKIPPED, place, found->word, found->length,
			    word == FEED_WORD_BAD ? "it is no address, prefix or range"
						  : "it covers every address there is");
		return;
	}
	if (!found->seconds) {
		import_note(i, IMPORT_SKIPPED, place, found->word, found->length, "it has expired");
		return;
	}
	reason = keep_reason(i, found->reason);
	for (size_t n = 0; n < count && !i->error; n++) {
		if (i->count == IMPORT_ENTRIES_MAX) {
			i->error = -E2BIG;
			return;
		}
		if (i->count == i->size &&
		    !grow(i, (void **)&i->entries, &i->size, sizeof(*i->entries)))
			return;
		i->entries[i->count] = (struct import_entry){
			.prefix = prefixes[n],
			.kind = (uint8_t)found->kind,
			.chain = found->chain,
			.order = (uint32_t)i->count,
			.reason = reason,
			.seconds = found->seconds > SECONDS_MAX ? IMPORT_FOREVER : found->seconds,
		};
		i->count++;
	}
}

bool lines_next(struct lines *l, const char **ret, size_t *ret_length)
{
	const char *end;

	if (l->at >= l->end)
		return false;
	end = memchr(l->at, '\n', (size_t)(l->end - l->at)) ?: l->end;
	*ret = l->at;
	*ret_length = (size_t)(end - l->at);
	if (*ret_length && end[-1] == '\r')
		--*ret_length;
	l->at = end + 1;
	l->number++;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool words_next(const char **at, const char *end, const char **ret, size_t *ret_length)
{
	while (*at < end && is_blank(**at))
		++*at;
	if (*at >= end)
		return false;
	*ret = *at;
	while (*at < end && !is_blank(**at))
		++*at;
	*ret_length = (size_t)(*at - *ret);
	return true;
}

bool word_is(const char *word, size_t length, const char *what)
{
	return strlen(what) == length && memcmp(word, what, length) == 0;
}

int import_end(const struct import *i, struct fault *reterr)
{
	if (i->error == -E2BIG)
		return fault(reterr, i->error, "import.full", "there are more than %d entries",
			     IMPORT_ENTRIES_MAX);
	if (i->error)
		return fault(reterr, i->error, "import.memory", "out of memory");
	return 0;
}

int import_text(struct import *i, const char *text, size_t length, struct fault *reterr)
{
	int r;

	if (length > IMPORT_INPUT_MAX)
		return fault(reterr, -EFBIG, "import.size", "the input is larger than %u MiB",
			     IMPORT_INPUT_MAX >> 20);
	r = tools[i->tool].read(i, text, length, reterr);
	if (r < 0)
		return r;
	import_tidy(i);
	return import_end(i, reterr);
}
