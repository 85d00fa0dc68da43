/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What would become of a packet, and why: the program's own word on it, with the names, files and people behind. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "api/explain.h"
#include "api/internal.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/words.h"
#include "datapath/twin.h"
#include "engine/safety.h"
#include "explain/packet.h"
#include "explain/path.h"

/* What is asked about. */
struct asked {
	struct explain_packet packet; /* meaningful unless is_frame */
	bool is_frame;
	uint8_t frame[EXPLAIN_LENGTH_MAX];
	struct twin_question question;
	struct twin_verdict verdict;
};

/* Where a packet goes to if nobody says: an address of the first interface, or one that nobody has. */
static void assume_destination(const struct engine *e, bool ip4, uint8_t ret[static 16])
{
	const struct engine_link *link = engine_link(e, 0);
	struct ifaddrs *all = NULL;

	address_parse(ip4 ? "192.0.2.1" : "2001:db8::1", ret);
	if (!link || getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (!a->ifa_addr || strcmp(a->ifa_name, link->name) != 0)
			continue;
		if (ip4 && a->ifa_addr->sa_family == AF_INET) {
			memcpy(ret + 12, &((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr, 4);
			break;
		}
		if (!ip4 && a->ifa_addr->sa_family == AF_INET6) {
			memcpy(ret, &((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr, 16);
			break;
		}
	}
	freeifaddrs(all);
}

static int read_packet(struct call *c, const char *words, struct asked *ret, struct fault *f)
{
	struct explain_packet *p = &ret->packet;
	int r = explain_parse(words, p, f);

	if (r < 0)
		return r;
	if (p->assumed & EXPLAIN_DESTINATION)
		assume_destination(c->engine, address_is_ipv4(p->source), p->destination);
	ret->question.class = explain_class(p);
	return explain_build(p, ret->frame, &ret->question.length, f);
}

static int read_question(struct call *c, struct asked *ret, struct fault *f)
{
	const char *words = http_argument(c->request, "packet");
	struct twin_question *q = &ret->question;
	int r;

	if (!words)
		return fault(f, -EINVAL, "explain.packet", "say which packet is to be explained");
	ret->is_frame = strncmp(words, EXPLAIN_FRAME, strlen(EXPLAIN_FRAME)) == 0;
	if (ret->is_frame)
		r = explain_frame_parse(words + strlen(EXPLAIN_FRAME), ret->frame, &q->length, f);
	else
		r = read_packet(c, words, ret, f);
	if (r < 0)
		return r;
	if (q->length < TWIN_FRAME_MIN)
		return fault(f, -EINVAL, "explain.frame", "a frame has at least %d bytes",
			     TWIN_FRAME_MIN);
	q->frame = ret->frame;
	q->is_ip6 = explain_frame_addresses(q->frame, q->length, q->source, q->destination);
	return 0;
}

static json_t *json_assumed(const struct asked *a)
{
	json_t *items = json_array();

	if (a->packet.assumed & EXPLAIN_PROTOCOL)
		json_array_append_new(items, json_string("protocol"));
	if (a->packet.assumed & EXPLAIN_DESTINATION)
		json_array_append_new(items, json_string("destination"));
	if (a->packet.assumed & EXPLAIN_PORT_TO)
		json_array_append_new(items, json_string("port"));
	return items;
}

static json_t *json_packet(const struct asked *a)
{
	char text[EXPLAIN_TEXT_SIZE];

	if (a->is_frame)
		return json_null();
	explain_format(&a->packet, text);
	return json_string(text);
}

/* Whether the program is where the packet arrives. */
static json_t *json_interface(const struct engine *e, const char *name)
{
	const struct engine_link *link;
	json_t *items = json_array();

	for (size_t i = 0; (link = engine_link(e, i)); i++)
		if (!*name || strcmp(link->name, name) == 0)
			json_array_append_new(items,
					      json_pack("{s:s, s:s}", "name", link->name, "state",
							engine_link_state_to_str(link->state)));
	if (*name && !json_array_size(items))
		json_array_append_new(
			items, json_pack("{s:s, s:s}", "name", name, "state", "unprotected"));
	return items;
}

static json_t *json_stages(const struct twin_verdict *v)
{
	json_t *items = json_array();

	for (enum explain_stage stage = 0; stage < EXPLAIN_STAGE_MAX; stage++)
		json_array_append_new(
			items,
			json_pack("{s:s, s:s}", "stage", explain_stage_to_str(stage), "passage",
				  explain_passage_to_str(explain_passage_at(v, stage))));
	return items;
}

static json_t *json_wait(uint64_t ns)
{
	return ns == TWIN_NEVER ? json_null() : json_integer((json_int_t)ns);
}

static json_t *json_bucket(const struct twin_limit *limit)
{
	if (!limit->has_bucket)
		return json_null();
	return json_pack("{s:b, s:I, s:I, s:o}", "known", limit->bucket.known, "available",
			 (json_int_t)limit->bucket.available, "burst",
			 (json_int_t)limit->bucket.burst, "wait_ns",
			 json_wait(limit->bucket.wait_ns));
}

/* Where in which file a rule stands. */
static void put_place(json_t *item, const struct place *place)
{
	bool known = place->file && place->line;

	json_object_set_new(item, "file", known ? json_string(place->file->name) : json_null());
	json_object_set_new(item, "line", known ? json_integer(place->line) : json_null());
}

/* A rule of a tier that is built in stands nowhere: what gives it to the packet's tenant is the tenant's line. */
static const struct place *place_of_rule(const struct policy *policy, uint32_t tenant,
					 const struct policy_limit *rule)
{
	const struct policy_tenant *t =
		tenant && tenant <= policy->tenant_count ? &policy->tenants[tenant - 1] : NULL;
	const struct policy_tier *tier = t && t->tier ? &policy->tiers[t->tier - 1] : NULL;
	size_t length = tier ? strlen(tier->name) : 0;

	if (tier && !tier->line && strncmp(rule->name, tier->name, length) == 0 &&
	    rule->name[length] == '/')
		return &t->place;
	return &rule->place;
}

static json_t *json_limit(const struct engine *e, const struct weir_limit *limit,
			  const struct engine_limit *l, const struct twin_verdict *v,
			  const struct twin_limit *found)
{
	json_t *item = json_pack(
		"{s:s, s:s, s:s, s:s, s:s?, s:b, s:s, s:b, s:b, s:o}", "name",
		datapath_slot_name(engine_datapath(e), limit->slot), "unit",
		policy_unit_str(limit->unit), "scope", policy_scope_str(l->rule->scope),
		"algorithm",
		limit->unit == WEIR_UNIT_OPEN	     ? "open"
		: l->rule->algorithm == POLICY_QUOTA ? "quota"
						     : policy_algorithm_str(l->rule->algorithm),
		"service", l->rule->service ? l->rule->service->name : NULL, "shadow",
		l->rule->shadow, "finding", twin_finding_to_str(found->finding), "shares_cell",
		found->shares_cell, "no_room", found->no_room, "bucket", json_bucket(found));

	put_place(item, place_of_rule(engine_policy(e), v->tenant, l->rule));
	return item;
}

/* Those that apply, in the order in which they are asked. */
static json_t *json_limits(const struct engine *e, const struct twin_verdict *v)
{
	json_t *items = json_array();
	struct engine_limit l;
	size_t count;
	const struct weir_limit *limits = datapath_limits(engine_datapath(e), &count);

	for (size_t i = 0; i < count && engine_limit(e, i, &l); i++)
		if (v->limits[i].finding != TWIN_NOT_MEANT)
			json_array_append_new(items,
					      json_limit(e, &limits[i], &l, v, &v->limits[i]));
	return items;
}

/* The line of an entry of the policy, in the file that says it. */
static const struct place *place_of(const struct policy *policy, const struct list_entry *entry)
{
	const struct policy_list *list =
		entry->key.kind == LIST_ALLOW ? &policy->allow : &policy->block;

	for (size_t i = 0; entry->key.origin == LIST_POLICY && i < list->count; i++)
		if (prefix_compare(&list->entries[i].prefix, &entry->key.prefix) == 0)
			return &list->entries[i].place;
	return NULL;
}

static json_t *json_entries(const struct engine *e, const uint8_t source[static 16])
{
	struct list_entry entries[LIST_COVERING_MAX];
	size_t count = list_set_covering(engine_lists(e), source, clock_monotonic_ns(), entries);
	json_t *items = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct place *place = place_of(engine_policy(e), &entries[i]);
		json_t *item = json_list_entry(e, &entries[i]);

		if (place && place->file)
			put_place(item, place);
		json_array_append_new(items, item);
	}
	return items;
}

/* What was written as text, as a value. */
static json_t *json_written(struct text *t)
{
	json_t *value = t->truncated ? NULL : json_loadb(t->data, t->length, JSON_DECODE_ANY, NULL);

	text_done(t);
	return value ?: json_null();
}

static json_t *json_recent(struct call *c, const uint8_t source[static 16])
{
	struct text t = {.growing = true};
	bool dropped;

	text_puts(&t, "[");
	source_put_recent(&t, c, source, &dropped);
	text_puts(&t, "]");
	return json_written(&t);
}

static json_t *json_risk(struct call *c, const uint8_t source[static 16])
{
	struct risk_source risk;

	if (!recorder_risk_of(engine_recorder(c->engine), source, &risk))
		return json_null();
	return json_pack("{s:I, s:s}", "points", (json_int_t)risk.points / 1000, "level",
			 risk_level_to_str(risk.level));
}

/* What the mode is, and who says so. */
static json_t *json_mode(const struct engine *e)
{
	const struct weir_watchdog *watchdog = engine_watchdog(e);
	enum weir_mode mode = engine_policy(e)->mode, now = engine_mode(e);
	struct engine_panic panic;

	engine_panic(e, &panic);
	return json_pack("{s:s, s:s, s:s, s:o}", "in_force", policy_mode_str(now), "policy",
			 policy_mode_str(mode), "because",
			 panic.set					? "panic"
			 : watchdog && watchdog->tripped && now != mode ? "watchdog"
									: "policy",
			 "panic", json_panic(e));
}

static json_t *json_refused(const struct engine *e, const struct twin_verdict *v)
{
	size_t count;
	const struct weir_limit *limits = datapath_limits(engine_datapath(e), &count);

	if (v->refused >= count)
		return json_null();
	return json_string(datapath_slot_name(engine_datapath(e), limits[v->refused].slot));
}

static json_t *json_tenant(const struct engine *e, const struct twin_verdict *v)
{
	const struct policy *policy = engine_policy(e);

	if (!v->tenant || v->tenant > policy->tenant_count)
		return json_null();
	return json_string(policy->tenants[v->tenant - 1].name);
}

static json_t *json_matched(const struct twin_verdict *v)
{
	char cidr[PREFIX_TEXT_SIZE];

	if (!v->listed)
		return json_null();
	prefix_format(&v->entry, cidr);
	return json_string(cidr);
}

/* What stands behind the verdict: an entry of its kind, an operator's if there is one, or else the policy. */
static void find_cause(const struct engine *e, const struct asked *a, struct explain_cause *ret)
{
	enum explain_stage stage = explain_stage_of(a->verdict.reason);

	*ret = (struct explain_cause){0};
	if (stage == EXPLAIN_LISTS)
		source_verdict(e, a->question.source, false, false, &ret->entry, &ret->listed);
	ret->listed &= ret->entry.key.origin != LIST_POLICY;
	if (!ret->listed && (stage == EXPLAIN_LISTS || a->verdict.verdict != WEIR_VERDICT_PASS))
		ret->generation = a->verdict.generation;
}

/* The command that lets such packets through; null where none is needed, or the policy has to say otherwise. */
static json_t *json_way_out(const struct asked *a, const char *source,
			    const struct explain_cause *cause)
{
	enum explain_stage stage = explain_stage_of(a->verdict.reason);
	struct text t = {.growing = true};

	if (a->verdict.verdict == WEIR_VERDICT_PASS ||
	    (stage != EXPLAIN_LISTS && stage != EXPLAIN_LIMITS))
		return json_null();
	source_put_undo(&t, cause->listed ? &cause->entry : NULL, source, "dropped");
	return json_written(&t);
}

static json_t *json_answer(struct call *c, const struct asked *a)
{
	const struct engine *e = c->engine;
	const struct twin_verdict *v = &a->verdict;
	const uint8_t *source = a->question.source;
	char text[ADDRESS_TEXT_SIZE];
	size_t count;
	const struct weir_limit *limits = datapath_limits(engine_datapath(e), &count);

	address_format(source, text);
	return json_pack(
		"{s:o, s:o, s:s, s:s, s:s, s:s, s:b, s:s?, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
		"s:o, s:o, s:o, s:o}",
		"packet", json_packet(a), "assumed", json_assumed(a), "source", text, "verdict",
		verdict_to_str(v->verdict), "reason", reason_to_str(v->reason), "words",
		explain_reason_words(v->reason), "asks_cookie", v->asks_cookie, "cookie",
		v->asks_cookie ? listener_cookie_to_str(v->cookie) : NULL, "generation",
		(json_int_t)v->generation, "mode", json_mode(e), "interfaces",
		json_interface(e, a->packet.iface), "stages", json_stages(v), "matched",
		json_matched(v), "lists", json_entries(e, source), "tenant", json_tenant(e, v),
		"limits", json_limits(e, v), "refused_by", json_refused(e, v), "risk",
		json_risk(c, source), "recent", json_recent(c, source), "passes_in_ns",
		json_wait(explain_wait_ns(v, limits)));
}

void handle_explain(struct call *c)
{
	struct asked a = {0};
	struct explain_cause cause;
	char text[ADDRESS_TEXT_SIZE];
	struct fault f = {0};
	json_t *answer;

	if (read_question(c, &a, &f) < 0 ||
	    datapath_judge(engine_datapath(c->engine), &a.question, &a.verdict, &f) < 0)
		return reply_fault(c, &f);
	address_format(a.question.source, text);
	find_cause(c->engine, &a, &cause);
	answer = json_answer(c, &a);
	if (!answer)
		return reply_json(c, 200, NULL);
	json_object_set_new(answer, "undo", json_way_out(&a, text, &cause));
	explain_reply(c, answer, text, &cause);
}
