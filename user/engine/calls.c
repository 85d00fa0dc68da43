/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/calls.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/internal.h"

static enum audit_outcome outcome_of(unsigned int status)
{
	if (status == 401 || status == 403)
		return AUDIT_DENIED;
	return status < 400 ? AUDIT_SUCCESS : AUDIT_FAILURE;
}

static void record_row(struct engine *e, const struct calls_row *row)
{
	const struct engine_actor actor = {
		.uid = row->uid, .username = row->username, .role = row->role};
	char first[CLOCK_RFC3339_SIZE], last[CLOCK_RFC3339_SIZE];
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_API_READ,
		.outcome = outcome_of(row->status),
		.resource = {"operation", row->operation},
		.details = &details,
	};

	clock_format_rfc3339(row->first_real_ns, first);
	clock_format_rfc3339(row->last_real_ns, last);
	audit_details_u64(&details, "status", row->status);
	audit_details_u64(&details, "requests", row->count);
	audit_details_string(&details, "first_seen", first);
	audit_details_string(&details, "last_seen", last);
	audit_details_u64(&details, "duration_us", row->total_us);
	audit_details_u64(&details, "duration_us_max", row->longest_us);
	if (*row->credential)
		audit_details_string(&details, "credential", row->credential);
	engine_record(e, &record, &actor);
}

static void record_change(struct engine *e, const struct engine_call *call)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_API_REQUEST,
		.outcome = outcome_of(call->status),
		.resource = {"operation", call->operation},
		.details = &details,
	};

	audit_details_u64(&details, "status", call->status);
	audit_details_u64(&details, "duration_us", call->duration_us);
	audit_details_string(&details, "request_id", call->request_id);
	if (*call->credential)
		audit_details_string(&details, "credential", call->credential);
	if (call->dry_run)
		audit_details_bool(&details, "dry_run", true);
	if (*call->trace_id)
		audit_details_string(&details, "trace_id", call->trace_id);
	engine_record(e, &record, &call->actor);
}

static bool is_row(const struct calls_row *row, const struct engine_call *call)
{
	return row->uid == call->actor.uid && row->status == call->status &&
	       strcmp(row->operation, call->operation) == 0 &&
	       strcmp(row->role, call->actor.role) == 0 &&
	       strcmp(row->credential, call->credential) == 0;
}

static struct calls_row *find(struct engine *e, const struct engine_call *call, uint64_t real_ns)
{
	struct calls *c = &e->calls;
	struct calls_row *row;

	for (size_t i = 0; i < c->count; i++)
		if (is_row(&c->rows[i], call))
			return &c->rows[i];
	if (c->count == CALLS_ROWS_MAX)
		calls_tick(e, true);
	if (!c->rows)
		c->rows = calloc(CALLS_ROWS_MAX, sizeof(*c->rows));
	if (!c->rows)
		return NULL;
	if (!c->count)
		c->began_ns = clock_monotonic_ns();
	row = &c->rows[c->count++];
	*row = (struct calls_row){
		.uid = call->actor.uid,
		.role = call->actor.role,
		.operation = call->operation,
		.status = call->status,
		.first_real_ns = real_ns,
	};
	snprintf(row->username, sizeof(row->username), "%s", call->actor.username);
	snprintf(row->credential, sizeof(row->credential), "%s", call->credential);
	return row;
}

void engine_called(struct engine *e, const struct engine_call *call)
{
	uint64_t real_ns = clock_real_ns();
	struct calls_row *row;

	if (call->may_change)
		return record_change(e, call);
	row = find(e, call, real_ns);
	if (!row)
		return record_change(e, call);
	row->count++;
	row->total_us += call->duration_us;
	if (call->duration_us > row->longest_us)
		row->longest_us = call->duration_us;
	row->last_real_ns = real_ns;
}

void calls_tick(struct engine *e, bool all)
{
	struct calls *c = &e->calls;

	if (!c->count || (!all && clock_monotonic_ns() - c->began_ns < CALLS_WINDOW_NS))
		return;
	for (size_t i = 0; i < c->count; i++)
		record_row(e, &c->rows[i]);
	c->count = 0;
}

void calls_free(struct engine *e)
{
	free(e->calls.rows);
	e->calls = (struct calls){0};
}
