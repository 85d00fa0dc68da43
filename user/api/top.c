/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who sends most, by the sample of the traffic. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <weir/vocabulary.h>

#include "api/internal.h"
#include "base/text.h"
#include "base/words.h"
#include "engine/talkers.h"

#define SECONDS_DEFAULT 10
#define ITEMS_DEFAULT	20

/* "udp/53", "icmp", "47". */
static void format_service(const struct talker *t, char ret[static PREFIX_TEXT_SIZE])
{
	static const struct {
		uint8_t protocol;
		const char *word;
	} words[] = {
		{IPPROTO_TCP, "tcp"},	{IPPROTO_UDP, "udp"},	      {IPPROTO_ICMP, "icmp"},
		{IPPROTO_GRE, "gre"},	{IPPROTO_ESP, "esp"},	      {IPPROTO_ICMPV6, "icmpv6"},
		{IPPROTO_SCTP, "sctp"}, {IPPROTO_UDPLITE, "udplite"},
	};
	struct text out;

	text_init(&out, ret, PREFIX_TEXT_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].protocol == t->protocol)
			text_puts(&out, words[i].word);
	if (!out.length)
		text_printf(&out, "%u", t->protocol);
	if (t->port)
		text_printf(&out, "/%u", t->port);
}

static json_t *json_talker(const struct talker *t, enum talkers_by by)
{
	char name[PREFIX_TEXT_SIZE];

	if (by == TALKERS_SERVICE)
		format_service(t, name);
	else
		prefix_format(&t->prefix, name);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s?, s:I}", "name", name, "packets",
			 (json_int_t)t->packets, "bytes", (json_int_t)t->bytes, "dropped",
			 (json_int_t)t->dropped, "would_drop", (json_int_t)t->would_drop, "reason",
			 t->dropped + t->would_drop ? reason_to_str(t->reason) : NULL, "samples",
			 (json_int_t)t->samples);
}

/* ?@name=, one of the words that @from_str knows, which @words lists. Answers itself. */
static int read_word(struct call *c, const char *name, int (*from_str)(const char *word),
		     const char *words, int *ret)
{
	const char *word = http_argument(c->request, name);
	char code[32];
	int value;

	if (!word)
		return 0;
	value = from_str(word);
	if (value < 0) {
		snprintf(code, sizeof(code), "request.%s", name);
		reply_problem(c, 400, code, "%s must be %s", name, words);
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

static int read_question(struct call *c, struct talkers_question *ret)
{
	const char *seconds = http_argument(c->request, "seconds");
	const char *within = http_argument(c->request, "within");
	int by = TALKERS_SOURCE, order = TALKERS_PACKETS;
	uint32_t limit;

	*ret = (struct talkers_question){.seconds = SECONDS_DEFAULT};
	if (read_word(c, "by", talkers_by_from_str, "source, prefix, destination or service", &by) <
		    0 ||
	    read_word(c, "sort", talkers_order_from_str, "packets, bytes or dropped", &order) < 0 ||
	    read_limit_argument(c, ITEMS_DEFAULT, TALKERS_MAX, &limit) < 0)
		return -EINVAL;
	if (seconds && parse_u32(seconds, 1, TALKERS_SECONDS_MAX, &ret->seconds) < 0) {
		reply_problem(c, 400, "request.seconds", "seconds must be 1 to %d",
			      TALKERS_SECONDS_MAX);
		return -EINVAL;
	}
	if (within && prefix_parse(within, &ret->within) < 0) {
		reply_problem(c, 400, "request.within", "within must be an address or a prefix");
		return -EINVAL;
	}
	ret->by = (enum talkers_by)by;
	ret->order = (enum talkers_order)order;
	ret->limit = limit;
	return 0;
}

void handle_top(struct call *c)
{
	_cleanup_(talkers_done) struct talkers found = {0};
	struct talkers_question q;
	json_t *items;

	if (read_question(c, &q) < 0)
		return;
	if (engine_talkers(c->engine, &q, &found) < 0)
		return reply_json(c, 200, NULL);
	items = json_array();
	for (size_t i = 0; i < found.count; i++)
		json_array_append_new(items, json_talker(&found.items[i], q.by));
	reply_json(c, 200,
		   json_pack("{s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:o}", "by",
			     talkers_by_str(q.by), "sort", talkers_order_str(q.order), "seconds",
			     found.seconds, "samples", (json_int_t)found.samples, "packets",
			     (json_int_t)found.packets, "bytes", (json_int_t)found.bytes, "dropped",
			     (json_int_t)found.dropped, "found", (json_int_t)found.found, "items",
			     items));
}
