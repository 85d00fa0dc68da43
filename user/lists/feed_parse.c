/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The text of a feed, line by line. Each format has a function that takes one line and says what it is:
 * nothing, an entry, or bad. Which format it is, if nobody said, the first line that says something decides.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "lists/feed.h"
#include "lists/set.h"

struct slice {
	const char *data;
	size_t length;
};

struct parser {
	const struct feed_source *source;
	struct feed_report *report;
	struct list_content *content;
	size_t size, texts_room; /* of the content's arrays */
	struct slice last_reason;
	uint32_t last_reason_at;
	uint32_t line;
	unsigned int column; /* csv, counted from 1; 0 = not known yet */
	char separator;	     /* csv; 0 = not known yet */
	bool failed;	     /* for lack of memory */
	bool full;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct slice trim(struct slice s)
{
	while (s.length && is_blank(s.data[0])) {
		s.data++;
		s.length--;
	}
	while (s.length && is_blank(s.data[s.length - 1]))
		s.length--;
	return s;
}

/* Up to the first of @ends. */
static struct slice cut(struct slice s, const char *ends)
{
	size_t length = 0;

	while (length < s.length && (!s.data[length] || !strchr(ends, s.data[length])))
		length++;
	return (struct slice){s.data, length};
}

static struct slice after(struct slice s, size_t length)
{
	return (struct slice){s.data + length, s.length - length};
}

static bool is_word(struct slice s, const char *word)
{
	return s.length == strlen(word) && memcmp(s.data, word, s.length) == 0;
}

static void count_bad(struct parser *p, struct slice word, const char *why)
{
	size_t n = p->report->bad++;
	char shown[40];
	size_t length = word.length < sizeof(shown) ? word.length : sizeof(shown) - 1;

	if (n >= FEED_EXAMPLES)
		return;
	for (size_t i = 0; i < length; i++)
		shown[i] = word.data[i] < ' ' || word.data[i] > '~' ? '?' : word.data[i];
	shown[length] = '\0';
	snprintf(p->report->examples[n], sizeof(p->report->examples[n]), "line %u: '%s' %s",
		 p->line, shown, why);
}

/* Where the reason is among the content's texts. Neighbours often have the same one. */
static uint32_t keep_reason(struct parser *p, struct slice reason)
{
	struct list_content *c = p->content;
	uint32_t at = (uint32_t)c->texts_size;

	if (!reason.length || reason.length > LIST_REASON_MAX ||
	    memchr(reason.data, '\0', reason.length) || !utf8_valid(reason.data, reason.length))
		return 0;
	if (p->last_reason.length == reason.length &&
	    memcmp(p->last_reason.data, reason.data, reason.length) == 0)
		return p->last_reason_at;
	if (c->texts_size + reason.length + 1 > p->texts_room) {
		size_t room = 2 * p->texts_room + LIST_REASON_MAX + 1;
		char *texts = realloc(c->texts, room);

		if (!texts) {
			p->failed = true;
			return 0;
		}
		c->texts = texts;
		p->texts_room = room;
	}
	memcpy(c->texts + at, reason.data, reason.length);
	c->texts[at + reason.length] = '\0';
	c->texts_size += reason.length + 1;
	p->last_reason = reason;
	p->last_reason_at = at;
	return at;
}

static bool make_room(struct parser *p)
{
	struct list_content *c = p->content;
	struct list_content_entry *bigger;

	if (c->count < p->size)
		return true;
	/* Prefixes that repeat are dropped later, so there may be more than lists hold for a while. */
	if (p->size > 2 * WEIR_LIST_ENTRIES_MAX) {
		p->full = true;
		return false;
	}
	p->size = p->size ? 2 * p->size : 1024;
	bigger = reallocarray(c->entries, p->size, sizeof(*bigger));
	p->failed |= !bigger;
	if (bigger)
		c->entries = bigger;
	return bigger;
}

/* A line that says something: what it lists, and why. */
static void take(struct parser *p, struct slice word, struct slice reason)
{
	struct prefix prefixes[FEED_PREFIXES_MAX];
	uint32_t reason_at;
	size_t count;

	switch (feed_word_parse(word.data, word.length, prefixes, &count)) {
	case FEED_WORD_BAD:
		return count_bad(p, word, "is no address, prefix or range");
	case FEED_WORD_ALL:
		return count_bad(p, word, "would list every address");
	case FEED_WORD_MASKED:
		p->report->masked++;
		break;
	case FEED_WORD_OK:
		break;
	}
	reason_at = keep_reason(p, reason);
	for (size_t i = 0; i < count && make_room(p); i++)
		p->content->entries[p->content->count++] =
			(struct list_content_entry){prefixes[i], p->line, reason_at};
}

static void plain_line(struct parser *p, struct slice line)
{
	line = trim(cut(line, "#;"));
	if (!line.length)
		return;
	p->report->lines++;
	take(p, line, (struct slice){0});
}

static bool next_word(struct slice *rest, struct slice *ret)
{
	*rest = trim(*rest);
	*ret = cut(*rest, " \t");
	*rest = after(*rest, ret->length);
	return ret->length;
}

static void netset_line(struct parser *p, struct slice line)
{
	struct slice rest = line, verb, set, word;

	if (!next_word(&rest, &verb))
		return;
	if (is_word(verb, "create") || is_word(verb, "flush") || is_word(verb, "COMMIT"))
		return;
	if (!is_word(verb, "add"))
		return plain_line(p, line);
	p->report->lines++;
	if (!next_word(&rest, &set) || !next_word(&rest, &word))
		return count_bad(p, line, "names no address");
	take(p, word, (struct slice){0});
}

static void drop_object(struct parser *p, struct slice line)
{
	json_t *object = json_loadb(line.data, line.length, JSON_REJECT_DUPLICATES, NULL);
	const char *cidr = json_string_value(json_object_get(object, "cidr"));
	const char *id = json_string_value(json_object_get(object, "sblid"));

	/* The last line tells of the file. */
	if (json_object_get(object, "type") && !cidr) {
		json_decref(object);
		return;
	}
	p->report->lines++;
	if (cidr)
		take(p, (struct slice){cidr, strlen(cidr)},
		     (struct slice){id ?: "", id ? strlen(id) : 0});
	else
		count_bad(p, line, "is no object with a cidr");
	/* What take() remembers of the reason goes with the object. */
	p->last_reason = (struct slice){0};
	json_decref(object);
}

static void drop_line(struct parser *p, struct slice line)
{
	struct slice word, reason;

	line = trim(line);
	if (line.length && line.data[0] == '{')
		return drop_object(p, line);
	line = cut(line, "#");
	word = trim(cut(line, ";"));
	if (!word.length)
		return;
	p->report->lines++;
	reason = after(line, cut(line, ";").length);
	if (reason.length)
		reason = after(reason, 1);
	take(p, word, trim(reason));
}

/* The next field of a row; quotes are taken off, doubled quotes in it left as they are. */
static bool next_field(char separator, struct slice *rest, struct slice *ret)
{
	size_t length = 0;
	bool quoted = false;

	if (!rest->data)
		return false;
	while (length < rest->length && (quoted || rest->data[length] != separator))
		quoted ^= rest->data[length++] == '"';
	*ret = trim((struct slice){rest->data, length});
	if (ret->length >= 2 && ret->data[0] == '"' && ret->data[ret->length - 1] == '"')
		*ret = trim((struct slice){ret->data + 1, ret->length - 2});
	if (length == rest->length)
		rest->data = NULL;
	else
		*rest = after(*rest, length + 1);
	return true;
}

static bool lists_something(struct slice word)
{
	struct prefix prefixes[FEED_PREFIXES_MAX];
	size_t count;

	return feed_word_parse(word.data, word.length, prefixes, &count) != FEED_WORD_BAD;
}

/* The number of the field with that name, or, without one, of the first that holds an address. */
static unsigned int find_field(const struct parser *p, struct slice row, const char *name)
{
	struct slice field;

	for (unsigned int i = 1; next_field(p->separator, &row, &field); i++)
		if (i <= FEED_COLUMN_MAX && (name ? is_word(field, name) : lists_something(field)))
			return i;
	return 0;
}

static char find_separator(struct slice row)
{
	if (memchr(row.data, ',', row.length))
		return ',';
	if (memchr(row.data, ';', row.length))
		return ';';
	return memchr(row.data, '\t', row.length) ? '\t' : ',';
}

/* The first row. Whether it is a header: it has the column's name, or no address in any field. */
static bool is_header(struct parser *p, struct slice row)
{
	p->separator = find_separator(row);
	if (p->source->column_name && !p->column) {
		p->column = find_field(p, row, p->source->column_name);
		return p->column;
	}
	return !find_field(p, row, NULL);
}

/* Some put the header into a comment. */
static void csv_comment(struct parser *p, struct slice row)
{
	if (p->column || !p->source->column_name)
		return;
	p->separator = find_separator(row);
	p->column = find_field(p, row, p->source->column_name);
	p->separator = 0;
}

static void csv_line(struct parser *p, struct slice line)
{
	struct slice row = trim(line), field = {0};

	if (!row.length)
		return;
	if (row.data[0] == '#')
		return csv_comment(p, trim(after(row, 1)));
	if (!p->separator && is_header(p, row))
		return;
	p->report->lines++;
	if (!p->column && !p->source->column_name)
		p->column = find_field(p, row, NULL);
	if (!p->column)
		return count_bad(p, line, "has no column of that name, or none with addresses");
	for (unsigned int i = 0; i < p->column; i++)
		if (!next_field(p->separator, &row, &field))
			return count_bad(p, line, "has too few columns");
	take(p, field, (struct slice){0});
}

/* By the first line that says something. */
static enum feed_format guess_format(struct slice text)
{
	while (text.length) {
		struct slice whole = cut(text, "\n"), line = trim(whole), word;

		text = after(text, whole.length + (whole.length < text.length));
		if (!line.length || line.data[0] == '#' || line.data[0] == ';')
			continue;
		word = cut(line, " \t");
		if (line.data[0] == '{')
			return FEED_DROP;
		if (is_word(word, "create") || is_word(word, "add"))
			return FEED_NETSET;
		word = trim(cut(line, ";"));
		if (lists_something(word))
			return word.length < line.length ? FEED_DROP : FEED_PLAIN;
		return memchr(line.data, ',', line.length) ||
				       memchr(line.data, '\t', line.length) || line.data[0] == '"'
			       ? FEED_CSV
			       : FEED_PLAIN;
	}
	return FEED_PLAIN;
}

static void parse_lines(struct parser *p, struct slice text)
{
	static void (*const parsers[])(struct parser *, struct slice) = {
		[FEED_PLAIN] = plain_line,
		[FEED_NETSET] = netset_line,
		[FEED_DROP] = drop_line,
		[FEED_CSV] = csv_line,
	};

	while (text.length && !p->failed && !p->full) {
		const char *end = memchr(text.data, '\n', text.length);
		struct slice line = {text.data, end ? (size_t)(end - text.data) : text.length};

		text = after(text, line.length + (end != NULL));
		p->line++;
		if (line.length <= FEED_LINE_MAX) {
			parsers[p->report->format](p, line);
		} else {
			p->report->lines++;
			count_bad(p, line, "is part of a line that is too long");
		}
	}
}

/* Whether what was read is worth more than what is in force. */
static int check_content(const struct parser *p, struct fault *reterr)
{
	const struct feed_report *report = p->report;
	const char *path = p->source->path;

	if (p->failed)
		return fault(reterr, -ENOMEM, "feed.memory", "%.200s: out of memory", path);
	if (p->full)
		return fault(reterr, -E2BIG, "feed.full", "%.200s: more than %u prefixes", path,
			     WEIR_LIST_ENTRIES_MAX);
	if (report->bad * 100 > report->lines * FEED_BAD_PERCENT_MAX)
		return fault(reterr, -EINVAL, "feed.bad",
			     "%.200s: %zu of %zu lines make no sense as %s, at most %u %% may; %s",
			     path, report->bad, report->lines, feed_format_to_str(report->format),
			     FEED_BAD_PERCENT_MAX, report->examples[0]);
	if (!p->content->count)
		return fault(reterr, -EINVAL, "feed.empty", "%.200s: nothing is listed in it",
			     path);
	return 0;
}

int feed_parse(const struct feed_source *source, const char *text, size_t length,
	       struct list_content **ret, struct feed_report *report, struct fault *reterr)
{
	_cleanup_(list_content_freep) struct list_content *c = calloc(1, sizeof(*c));
	struct slice whole = {text, length};
	struct parser p = {
		.source = source,
		.report = report,
		.content = c,
		.texts_room = 256,
		.column = source->column,
	};
	int r;

	if (c)
		c->texts = calloc(1, p.texts_room);
	if (!c || !c->texts)
		return fault(reterr, -ENOMEM, "feed.memory", "out of memory");
	c->texts_size = 1;
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		whole = after(whole, 3);
	report->format = source->format == FEED_AUTO ? guess_format(whole) : source->format;
	parse_lines(&p, whole);
	r = check_content(&p, reterr);
	if (r < 0)
		return r;
	report->duplicates = list_content_sort(c);
	if (c->count > WEIR_LIST_ENTRIES_MAX) {
		p.full = true;
		return check_content(&p, reterr);
	}
	*ret = take_ptr(c);
	return 0;
}
