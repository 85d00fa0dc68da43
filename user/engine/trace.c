/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/internal.h"
#include "trace/filter.h"

struct engine_trace {
	char filter[TRACE_FILTER_MAX + 1];
	uint32_t generation; /* whose names the datapath was told */
	uint64_t began_ns;   /* CLOCK_MONOTONIC */
	uid_t uid;
	char username[64];
	const char *role; /* lives for ever */
};

static int name_limit(const char *name, uint64_t ret_slots[static 2], void *userdata)
{
	const struct engine *e = userdata;
	size_t count;
	const struct weir_limit *limits = datapath_limits(e->datapath, &count);
	int r = -ENOENT;

	for (size_t i = 0; i < count; i++)
		if (strncmp(limits[i].name, name, WEIR_NAME_BYTES) == 0) {
			ret_slots[limits[i].slot >> 6 & 1] |= 1ULL << (limits[i].slot & 63);
			r = 0;
		}
	return r;
}

static int name_tenant(const char *name, uint16_t *ret, void *userdata)
{
	const struct engine *e = userdata;

	for (size_t i = 0; i < e->policy->tenant_count; i++)
		if (strcmp(e->policy->tenants[i].name, name) == 0) {
			*ret = (uint16_t)(i + 1);
			return 0;
		}
	return -ENOENT;
}

static int name_interface(const char *name, uint32_t *ret_ifindex, void *userdata)
{
	const struct engine_link *link;

	for (size_t i = 0; (link = engine_link(userdata, i)); i++)
		if (link->ifindex && strcmp(link->name, name) == 0) {
			*ret_ifindex = link->ifindex;
			return 0;
		}
	return -ENOENT;
}

static int parse_filter(struct engine *e, const char *text, struct weir_trace_filter *ret,
			struct fault *reterr)
{
	const struct trace_names names = {
		.limit = name_limit,
		.tenant = name_tenant,
		.interface = name_interface,
		.generation = datapath_generation(e->datapath),
		.userdata = e,
	};

	return trace_filter_parse(text, &names, ret, reterr);
}

static int may_begin(const struct engine *e, struct fault *reterr)
{
	struct recorder_stats stats;

	if (e->trace)
		return fault(
			reterr, -EBUSY, "trace.busy",
			"%s has traced for %" PRIu64 " s: there is one trace at a time",
			e->trace->username,
			(uint64_t)((clock_monotonic_ns() - e->trace->began_ns) / NSEC_PER_SEC));
	recorder_get_stats(e->recorder, &stats);
	if (stats.degraded)
		return fault(reterr, -EBUSY, "audit.refused",
			     "that somebody traces cannot be recorded: %s", stats.degraded_because);
	return 0;
}

static void record_begin(struct engine *e, const struct engine_actor *actor,
			 const struct engine_trace_options *options)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_TRACE_BEGUN,
		.resource = {"interface", e->options.iface},
		.details = &details,
	};

	audit_details_string(&details, "filter", options->filter);
	audit_details_u64(&details, "sample", options->sample);
	audit_details_u64(&details, "snap", options->snap);
	audit_details_u64(&details, "budget_percent", options->budget);
	audit_details_bool(&details, "hide_addresses", options->hide_addresses);
	engine_record(e, &record, actor);
}

int engine_trace_begin(struct engine *e, const struct engine_actor *actor,
		       const struct engine_trace_options *options, struct fault *reterr)
{
	struct datapath_trace_options o = {
		.period = options->sample,
		.snap = options->snap,
		.budget = options->budget,
	};
	struct engine_trace *t;
	int r = parse_filter(e, options->filter, &o.filter, reterr);

	r = r ?: may_begin(e, reterr);
	if (r < 0)
		return r;
	t = calloc(1, sizeof(*t));
	if (!t)
		return fault(reterr, -ENOMEM, "engine.memory", "out of memory");
	r = datapath_trace_begin(e->datapath, &o, reterr);
	if (r < 0) {
		free(t);
		return r;
	}
	snprintf(t->filter, sizeof(t->filter), "%s", options->filter);
	snprintf(t->username, sizeof(t->username), "%s", actor->username);
	t->uid = actor->uid;
	t->role = actor->role;
	t->generation = datapath_generation(e->datapath);
	t->began_ns = clock_monotonic_ns();
	e->trace = t;
	record_begin(e, actor, options);
	datapath_trace_renew(e->datapath);
	return 0;
}

/* Names mean something else under another policy; one that is gone is met by nothing. */
static void look_names_up(struct engine *e)
{
	struct weir_trace_filter filter;
	uint32_t generation = datapath_generation(e->datapath);

	if (generation == e->trace->generation)
		return;
	e->trace->generation = generation;
	if (parse_filter(e, e->trace->filter, &filter, NULL) < 0)
		trace_filter_none(&filter);
	datapath_trace_set_filter(e->datapath, &filter);
}

void engine_trace_keep(struct engine *e)
{
	if (!e->trace)
		return;
	look_names_up(e);
	datapath_trace_renew(e->datapath);
}

struct reading {
	struct engine *e;
	bool (*fn)(const struct engine_traced *packet, void *userdata);
	void *userdata;
	uint64_t offset_ns; /* from CLOCK_MONOTONIC to CLOCK_REALTIME */
	uint32_t ifindex;   /* of `interface` */
	const char *interface;
};

static const char *interface_name(struct reading *r, uint32_t ifindex)
{
	const struct engine_link *link;

	if (r->interface && r->ifindex == ifindex)
		return r->interface;
	for (size_t i = 0; (link = engine_link(r->e, i)); i++)
		if (link->ifindex == ifindex) {
			r->ifindex = ifindex;
			r->interface = link->name;
			return link->name;
		}
	return NULL;
}

static bool on_event(const struct weir_trace_event *event, void *userdata)
{
	struct reading *r = userdata;
	const struct policy *policy = r->e->policy;
	struct engine_traced packet = {
		.event = event,
		.meaning.time_real_ns = event->time_ns + r->offset_ns,
		.meaning.interface = interface_name(r, event->ifindex),
	};

	if (event->limit != WEIR_NO_LIMIT)
		packet.meaning.rule = datapath_slot_name(r->e->datapath, event->limit);
	/* Of a policy that is no longer in force the number says nothing. */
	if (event->tenant && event->tenant <= policy->tenant_count &&
	    event->generation == datapath_generation(r->e->datapath))
		packet.meaning.tenant = policy->tenants[event->tenant - 1].name;
	return r->fn(&packet, r->userdata);
}

size_t engine_trace_read(struct engine *e,
			 bool (*fn)(const struct engine_traced *packet, void *userdata),
			 void *userdata)
{
	struct reading r = {
		.e = e,
		.fn = fn,
		.userdata = userdata,
		.offset_ns = clock_real_ns() - clock_monotonic_ns(),
	};

	return datapath_trace_read(e->datapath, on_event, &r);
}

void engine_trace_count(const struct engine *e, struct weir_trace_count *ret)
{
	datapath_trace_read_count(e->datapath, ret);
}

void engine_trace_pause(struct engine *e)
{
	datapath_trace_pause(e->datapath);
}

static void record_end(struct engine *e, const struct engine_actor *by, const char *cause,
		       uint64_t packets, const struct weir_trace_count *count)
{
	const struct engine_trace *t = e->trace;
	const struct engine_actor who = {.uid = t->uid, .username = t->username, .role = t->role};
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_TRACE_ENDED,
		.resource = {"interface", e->options.iface},
		.details = &details,
	};

	audit_details_string(&details, "filter", t->filter);
	audit_details_string(&details, "cause", cause);
	audit_details_u64(&details, "packets", packets);
	audit_details_u64(&details, "matched_packets", count->matched);
	audit_details_u64(&details, "lost_packets", count->matched - packets);
	audit_details_u64(&details, "ms", (clock_monotonic_ns() - t->began_ns) / NSEC_PER_MSEC);
	engine_record(e, &record, by ?: &who);
}

void engine_trace_end(struct engine *e, const struct engine_actor *by, const char *cause,
		      uint64_t packets)
{
	struct weir_trace_count count;
	struct fault f = {0};

	if (!e->trace)
		return;
	engine_trace_pause(e);
	engine_trace_count(e, &count);
	record_end(e, by, cause, packets, &count);
	if (datapath_trace_end(e->datapath, &f) < 0)
		log_error("the program that traces stays, and does nothing", "error", f.text);
	free(e->trace);
	e->trace = NULL;
}

bool engine_traces(const struct engine *e)
{
	return e->trace;
}
