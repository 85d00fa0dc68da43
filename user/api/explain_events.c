/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the audit log says of a source that is being explained: its last records, and the one behind the verdict, which is that
 * of the entry, of the feed's file, or of the policy. By a job, as it reads files; for those who may read the log.
 */
#include <stdlib.h>
#include <string.h>

#include "api/explain.h"
#include "api/job.h"
#include "audit/rectified.h"
#include "audit/search.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/privacy.h"
#include "vault/query.h"

#define EVENTS_MAX	 5
#define CAUSES_MAX	 20 /* records that are looked at for the one behind it */
#define SEARCH_TIME_NSEC (NSEC_PER_SEC / 2)

struct events_job {
	struct job job;
	const char *dir;
	struct vault *vault;
	const struct personal_opener *opener;
	struct audit_query events, causes;
	bool has_cause;
	uint32_t generation; /* that the cause must have; 0 = any will do */
	json_t *found_events, *found_causes;
	json_t *answer;
};

static int on_record(const struct reader_record *record, void *userdata)
{
	_cleanup_(text_done) struct text line = {.growing = true};
	json_t *items = userdata;

	record_put_view(&line, record->data, record->length, &record->view, record->hash);
	json_array_append_new(items, json_loadb(line.data, line.length, 0, NULL) ?: json_null());
	return 0;
}

/* What cannot be read is left out: the answer is of use without. */
static void search(struct events_job *e, struct audit_query *query, uint32_t limit, json_t *items)
{
	_cleanup_(vault_meant_done) struct vault_meant meant = {0};
	const struct audit_search_options options = {
		.from = SEARCH_BEGIN,
		.limit = limit,
		.opener = e->opener,
		.deadline_ns = clock_monotonic_ns() + SEARCH_TIME_NSEC,
		.is_cancelled = job_is_cancelled,
		.userdata = &e->job,
	};
	struct audit_search_result result;
	struct fault f = {0};

	if (vault_mean(e->vault, query, &meant, &f) == 0)
		audit_search(e->dir, query, &options, on_record, items, &result, &f);
}

static void run_events(struct job *job)
{
	struct events_job *e = (struct events_job *)job;

	search(e, &e->events, EVENTS_MAX, e->found_events);
	if (e->has_cause)
		search(e, &e->causes, CAUSES_MAX, e->found_causes);
}

static const char *type_of(const json_t *record)
{
	return json_string_value(json_object_get(record, "event_type")) ?: "";
}

/* An attempt at a policy has its generation, too; what put it in force is behind it. */
static bool is_cause(const struct events_job *e, const json_t *record)
{
	static const char *const types[] = {"policy.apply", "policy.rollback", "policy.undone"};
	const json_t *details = json_object_get(record, "details");

	if (!e->generation)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(type_of(record), types[i]) == 0 &&
		    json_integer_value(json_object_get(details, "generation")) == e->generation)
			return true;
	return false;
}

static json_t *find_cause(const struct events_job *e)
{
	json_t *record;
	size_t i;

	json_array_foreach (e->found_causes, i, record) {
		if (is_cause(e, record))
			return json_incref(record);
	}
	return json_null();
}

static void finish_events(struct call *c, struct job *job)
{
	struct events_job *e = (struct events_job *)job;

	json_object_set(e->answer, "events", e->found_events);
	json_object_set_new(e->answer, "cause", find_cause(e));
	reply_json(c, 200, json_incref(e->answer));
}

static void free_events(struct job *job)
{
	struct events_job *e = (struct events_job *)job;

	json_decref(e->found_events);
	json_decref(e->found_causes);
	json_decref(e->answer);
	free(e);
}

/* Where the record is that is behind what @cause says. 0; -EINVAL: there is none to look for. */
static int find_query(struct events_job *e, const struct explain_cause *cause)
{
	char resource[QUERY_WORD_MAX + 1], cidr[PREFIX_TEXT_SIZE];
	int r;

	e->generation = cause->generation;
	if (cause->generation)
		return audit_query_set(&e->causes, QUERY_TYPE, "policy.*", NULL);
	if (!cause->listed)
		return -EINVAL;
	if (cause->entry.key.origin == LIST_FEED) {
		r = audit_query_set(&e->causes, QUERY_TYPE, "feed.updated", NULL);
		return r ?: audit_query_set(&e->causes, QUERY_RULE, cause->entry.feed, NULL);
	}
	prefix_format(&cause->entry.key.prefix, cidr);
	snprintf(resource, sizeof(resource), "%s/%s", list_kind_to_str(cause->entry.key.kind),
		 cidr);
	r = audit_query_set(&e->causes, QUERY_TYPE, "list.add", NULL);
	return r ?: audit_query_set(&e->causes, QUERY_RESOURCE, resource, NULL);
}

/* Without the log: nobody may, can, or wants to read it. */
static void reply_without(struct call *c, json_t *answer)
{
	json_object_set_new(answer, "events", json_null());
	json_object_set_new(answer, "cause", json_null());
	reply_json(c, 200, answer);
}

void explain_reply(struct call *c, json_t *answer, const char *source,
		   const struct explain_cause *cause)
{
	struct audit_details asked = {0};
	struct events_job *e = NULL;
	struct fault f = {0};

	audit_details_string(&asked, "address", source);
	if (!call_may(c, PERMISSION_AUDIT_READ) ||
	    engine_audit_read(c->engine, &c->actor, "events", &asked, &f) < 0 ||
	    !(e = calloc(1, sizeof(*e))))
		return reply_without(c, answer);
	e->job = (struct job){
		.kind = JOB_READ, .run = run_events, .finish = finish_events, .free = free_events};
	e->dir = engine_audit_dir(c->engine);
	e->vault = engine_vault(c->engine);
	e->opener = engine_audit_opener(c->engine);
	e->found_events = json_array();
	e->found_causes = json_array();
	e->answer = answer;
	audit_query_init(&e->events);
	audit_query_init(&e->causes);
	audit_query_set(&e->events, QUERY_ADDRESS, source, NULL);
	/* Not that somebody asked for it. */
	audit_query_set(&e->events, QUERY_CATEGORY, "traffic,security,lists,policy", NULL);
	e->has_cause = find_query(e, cause) == 0;
	job_start(c, &e->job);
}
