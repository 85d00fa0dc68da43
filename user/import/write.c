/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was found, as weir reads it. The text of a policy is made in one pass, then formatted by the one that formats all
 * policies and judged by the one that judges them, so that nothing is handed out that would be refused.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "import/internal.h"
#include "policy/fmt.h"

#define NAME "import"

/* A comment on a line of its own. Comments are ASCII: what else ends a line in YAML cannot stand there. */
static void put_comment(struct text *t, const char *indent, const char *place, const char *words)
{
	size_t from = t->length;

	text_printf(t, "%s# %s%s%s", indent, place, *words ? ": " : "", words);
	for (size_t i = from; i < t->length; i++)
		if (t->data[i] < ' ' || t->data[i] > '~')
			t->data[i] = '?';
	text_puts(t, "\n");
}

static void put_prefix(struct text *t, const struct prefix *p)
{
	char text[PREFIX_TEXT_SIZE];

	prefix_format(p, text);
	text_printf(t, strchr(text, ':') ? "\"%s\"" : "%s", text);
}

static void put_prefixes(struct text *t, const char *key, const struct prefix *p, size_t count)
{
	text_printf(t, "%s: [", key);
	for (size_t i = 0; i < count; i++) {
		text_puts(t, i ? ", " : "");
		put_prefix(t, &p[i]);
	}
	text_puts(t, "]");
}

static void put_entries(const struct import *i, enum list_kind kind, struct text *t)
{
	if (!import_count(i, kind))
		return;
	text_printf(t, "  %s:\n    entries:\n", list_kind_to_str(kind));
	for (size_t n = 0; n < i->count; n++) {
		const struct import_entry *e = &i->entries[n];

		if (e->kind != kind)
			continue;
		text_puts(t, "      - {cidr: ");
		put_prefix(t, &e->prefix);
		if (e->seconds != IMPORT_FOREVER)
			text_printf(t, ", ttl: %llus", (unsigned long long)e->seconds);
		if (*import_reason(i, e)) {
			text_puts(t, ", reason: ");
			text_put_json(t, import_reason(i, e));
		}
		text_puts(t, "}\n");
	}
}

static void put_protocols(const struct import_service *s, struct text *t)
{
	const char *between = "";

	text_puts(t, "proto: [");
	for (unsigned int i = 0; i < 256; i++) {
		if (!s->protocols[i])
			continue;
		if (import_protocol(i))
			text_printf(t, "%s%s", between, import_protocol(i));
		else
			text_printf(t, "%s%u", between, i);
		between = ", ";
	}
	text_puts(t, "]");
}

static void put_service(const struct import_service *s, struct text *t)
{
	bool has_protocols = memchr(s->protocols, 1, sizeof(s->protocols));

	text_printf(t, "  %s: {", s->name);
	if (s->dst_count)
		put_prefixes(t, "dst", s->dsts, s->dst_count);
	if (s->dst_count && has_protocols)
		text_puts(t, ", ");
	if (has_protocols)
		put_protocols(s, t);
	for (size_t i = 0; i < s->port_count; i++) {
		const struct policy_port_range *p = &s->ports[i];

		text_printf(t, "%s%u", i ? ", " : ", dport: [", p->first);
		if (p->last != p->first)
			text_printf(t, "-%u", p->last);
	}
	text_puts(t, s->port_count ? "]}\n" : "}\n");
}

static void put_rate(struct text *t, const char *key, const char *burst_key,
		     const struct policy_rate *rate, uint64_t burst)
{
	char text[POLICY_UNITS_TEXT_SIZE];

	if (!rate->per_ns)
		return;
	policy_rate_format(rate, text);
	text_printf(t, "    %s: %s\n", key, text);
	policy_count_format(burst, text);
	text_printf(t, "    %s: %s\n", burst_key, text);
}

static void put_limit(const struct import *i, const struct import_limit *l, struct text *t)
{
	char text[POLICY_UNITS_TEXT_SIZE];

	put_comment(t, "  ", l->place, l->text);
	text_printf(t, "  - name: %s\n    scope: %s\n", l->name, policy_scope_str(l->scope));
	if (l->prefix4)
		text_printf(t, "    prefix: {ip4: %u, ip6: %u}\n", l->prefix4, l->prefix6);
	if (l->service >= 0)
		text_printf(t, "    service: %s\n", i->services[l->service].name);
	put_rate(t, "rate", "burst", &l->rate, l->burst);
	if (l->byte_rate) {
		policy_byte_rate_format(l->byte_rate, text);
		text_printf(t, "    byte_rate: %s\n", text);
		policy_bytes_format(l->byte_burst, text);
		text_printf(t, "    byte_burst: %s\n", text);
	}
	put_rate(t, "connections", "connection_burst", &l->connections, l->burst);
	if (l->open_connections)
		text_printf(t, "    open_connections: %llu\n",
			    (unsigned long long)l->open_connections);
	if (l->source_count) {
		put_prefixes(t, "    rollout: {sources", l->sources, l->source_count);
		text_puts(t, "}\n");
	}
}

static bool is_used(const struct import *i, size_t service)
{
	for (size_t n = 0; n < i->limit_count; n++)
		if (i->limits[n].service == (int)service)
			return true;
	return false;
}

static void put_limits(const struct import *i, struct text *t)
{
	bool any = false;

	for (size_t n = 0; n < i->service_count; n++) {
		if (!is_used(i, n))
			continue;
		text_puts(t, any ? "" : "services:\n");
		any = true;
		put_service(&i->services[n], t);
	}
	text_puts(t, i->limit_count ? "limits:\n" : "");
	for (size_t n = 0; n < i->limit_count; n++)
		put_limit(i, &i->limits[n], t);
}

static void put_head(const struct import *i, bool fragment, struct text *t)
{
	char words[200];
	bool ends = false;

	for (size_t n = 0; n < i->count && !ends; n++)
		ends = i->entries[n].seconds != IMPORT_FOREVER;
	snprintf(words, sizeof(words),
		 "%zu not translated, %zu different in weir (weir import says which)",
		 i->counts[IMPORT_SKIPPED], i->counts[IMPORT_DIFFERS]);
	put_comment(t, "", "Made by weir import", import_tool_to_str(i->tool));
	put_comment(t, "", words, "");
	if (ends)
		put_comment(t, "", "A ttl counts from when the policy is loaded: load it soon", "");
	text_puts(t, "apiVersion: weir/v1\n");
	text_puts(t, fragment ? "" : "mode: monitor\n");
}

static int no_memory(struct fault *reterr)
{
	return fault(reterr, -ENOMEM, "import.memory", "out of memory");
}

/* Whether the datapath can take these limits; the last one may have been too many. */
static int try_limits(const struct import *i, struct fault *reterr)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	int r;

	text_puts(&t, "apiVersion: weir/v1\nmode: monitor\n");
	put_limits(i, &t);
	if (t.truncated)
		return no_memory(reterr);
	r = policy_parse(NAME, t.data, t.length, &policy, reterr);
	if (r == 0)
		r = policy_compile(policy, clock_coarse_tick_ns(), &image, reterr);
	return r;
}

static void drop_last_limit(struct import *i, const char *why)
{
	struct import_limit *l = &i->limits[--i->limit_count];
	const struct place_in place = {.name = l->place};
	const char *words = strncmp(why, NAME ":", strlen(NAME) + 1) == 0 ? strchr(why, ' ') : NULL;

	import_note(i, IMPORT_SKIPPED, &place, l->text, strlen(l->text),
		    "a policy cannot have it beside the limits above: %s", words ? words + 1 : why);
	free(l->place);
	free(l->text);
	free(l->sources);
}

int import_policy(struct import *i, bool fragment, char **ret, size_t *ret_length,
		  struct fault *reterr)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	struct fault f = {0};
	int r;

	if (i->count > POLICY_ENTRIES_MAX)
		return fault(
			reterr, -E2BIG, "import.policy",
			"%zu entries are more than a policy holds, %d: write them as a feed, with "
			"--format list",
			i->count, POLICY_ENTRIES_MAX);
	while (i->limit_count && (r = try_limits(i, &f)) < 0) {
		if (r == -ENOMEM)
			return no_memory(reterr);
		drop_last_limit(i, f.text);
	}
	put_head(i, fragment, &t);
	text_puts(&t, i->count ? "lists:\n" : "");
	put_entries(i, LIST_ALLOW, &t);
	put_entries(i, LIST_BLOCK, &t);
	put_limits(i, &t);
	if (t.truncated || i->error)
		return no_memory(reterr);
	return policy_fmt(NAME, t.data, t.length, ret, ret_length, reterr);
}

/* Limits, and entries of the other list, are nothing that a feed has. */
static void say_what_a_list_lacks(struct import *i, size_t others, uint64_t longest, size_t ending)
{
	const struct place_in place = {.name = "--format list"};
	char text[64];

	for (size_t n = 0; n < i->limit_count; n++)
		import_note(i, IMPORT_SKIPPED, &(struct place_in){.name = i->limits[n].place},
			    i->limits[n].text, strlen(i->limits[n].text), "a list has no limits");
	if (others) {
		snprintf(text, sizeof(text), "%zu entries", others);
		import_note(i, IMPORT_SKIPPED, &place, text, strlen(text),
			    "they are of the other list: --as %s writes those",
			    list_kind_to_str(i->kind == LIST_BLOCK ? LIST_ALLOW : LIST_BLOCK));
	}
	if (ending) {
		snprintf(text, sizeof(text), "%zu entries that end", ending);
		import_note(
			i, IMPORT_DIFFERS, &place, text, strlen(text),
			"lines of a feed have no end of their own: give the feed a ttl; the longest that is "
			"left is %llus",
			(unsigned long long)longest);
	}
}

int import_list(struct import *i, char **ret, size_t *ret_length, struct fault *reterr)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	size_t others = 0, ending = 0;
	uint64_t longest = 0;

	put_comment(&t, "", "Made by weir import", import_tool_to_str(i->tool));
	for (size_t n = 0; n < i->count; n++) {
		const struct import_entry *e = &i->entries[n];
		char text[PREFIX_TEXT_SIZE];

		if (e->kind != i->kind) {
			others++;
			continue;
		}
		if (e->seconds != IMPORT_FOREVER) {
			ending++;
			longest = e->seconds > longest ? e->seconds : longest;
		}
		prefix_format(&e->prefix, text);
		text_puts(&t, text);
		if (*import_reason(i, e))
			text_printf(&t, " # %s", import_reason(i, e));
		text_puts(&t, "\n");
	}
	say_what_a_list_lacks(i, others, longest, ending);
	*ret_length = t.length;
	if (i->error || t.truncated || !(*ret = text_take(&t)))
		return no_memory(reterr);
	return 0;
}

static json_t *pack_note(const struct import_note *n)
{
	json_t *line = n->line ? json_integer(n->line) : json_null();

	return json_pack("{s:o, s:s?, s:s, s:s}", "line", line, "place", n->place, "text", n->text,
			 "why", n->why);
}

json_t *import_summary(const struct import *i)
{
	json_t *lists[IMPORT_NOTE_KIND_MAX] = {json_array(), json_array()}, *summary;

	for (size_t n = 0; n < i->note_count; n++)
		json_array_append_new(lists[i->notes[n].kind], pack_note(&i->notes[n]));
	summary = json_pack("{s:s, s:{s:I, s:I, s:I, s:I, s:I}, s:o, s:I, s:o, s:I}", "tool",
			    import_tool_to_str(i->tool), "translated", "allow",
			    (json_int_t)import_count(i, LIST_ALLOW), "block",
			    (json_int_t)import_count(i, LIST_BLOCK), "covered",
			    (json_int_t)i->covered, "services", (json_int_t)i->service_count,
			    "limits", (json_int_t)i->limit_count, "skipped", lists[IMPORT_SKIPPED],
			    "skipped_count", (json_int_t)i->counts[IMPORT_SKIPPED], "differs",
			    lists[IMPORT_DIFFERS], "differs_count",
			    (json_int_t)i->counts[IMPORT_DIFFERS]);
	return summary;
}
