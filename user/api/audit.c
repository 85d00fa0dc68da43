/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The audit log: records that meet a query, page by page as NDJSON, and counts. Files are read by jobs, not by the
 * loop. Each has a slice of time, so that others have their turn; what is not done by then is a page that ends early
 * and says where to go on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/job.h"
#include "audit/rectified.h"
#include "audit/search.h"
#include "audit/stats.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/privacy.h"
#include "vault/query.h"

#define RECORDS_DEFAULT	  100
#define RECORDS_MAX	  10000
#define PAGE_BYTES_MAX	  (8U << 20) /* a page is full with the record that goes beyond */
#define SEARCH_TIME_NSEC  NSEC_PER_SEC
#define STATS_TIME_NSEC	  (5 * NSEC_PER_SEC) /* there is no next page of counts */
#define STATS_NAMES_SHOWN 100

int read_switch(struct call *c, const char *name, bool *ret)
{
	const char *word = http_argument(c->request, name);

	*ret = word && (!*word || strcmp(word, "true") == 0);
	if (!word || *ret || strcmp(word, "false") == 0)
		return 0;
	reply_problem(c, 400, "request.switch", "%s must be true or false", name);
	return -EINVAL;
}

static int read_criterion(struct call *c, struct audit_query *q, enum query_criterion criterion,
			  struct audit_details *ret_asked)
{
	const char *name = audit_criterion_to_str(criterion);
	const char *words = http_argument(c->request, name);
	struct fault f = {0};

	if (!words)
		return 0;
	if (audit_query_set(q, criterion, words, &f) < 0) {
		reply_problem(c, 400, f.code, "%s", f.text);
		return -EINVAL;
	}
	audit_details_string(ret_asked, name, q->words[criterion]);
	return 0;
}

int read_query(struct call *c, struct audit_query *q, struct audit_details *ret_asked)
{
	audit_query_init(q);
	for (enum query_criterion i = 0; i < QUERY_CRITERION_MAX; i++)
		if (read_criterion(c, q, i, ret_asked) < 0)
			return -EINVAL;
	return 0;
}

static int read_order(struct call *c, struct audit_search_options *options)
{
	const char *order = http_argument(c->request, "order");
	const char *cursor = http_argument(c->request, "cursor");
	struct fault f = {0};

	options->from = SEARCH_BEGIN;
	options->oldest = order && strcmp(order, "oldest") == 0;
	if (order && !options->oldest && strcmp(order, "newest") != 0) {
		reply_problem(c, 400, "request.order", "order must be newest or oldest");
		return -EINVAL;
	}
	if (!cursor || audit_cursor_parse(cursor, options->oldest, &options->from, &f) == 0)
		return 0;
	reply_problem(c, 400, f.code, "%s", f.text);
	return -EINVAL;
}

struct search_job {
	struct job job;
	const char *dir;
	struct vault *vault;
	struct audit_query query;
	struct audit_search_options options;
	struct audit_search_result result;
	struct rectified *rectified;
	struct text body;
	struct fault fault; /* err 0: it has an answer */
};

static int on_record(const struct reader_record *record, void *userdata)
{
	struct text *body = userdata;

	record_put_view(body, record->data, record->length, &record->view, record->hash);
	text_puts(body, "\n");
	return body->truncated ? -ENOMEM : body->length > PAGE_BYTES_MAX;
}

static void run_search(struct job *job)
{
	struct search_job *s = (struct search_job *)job;
	_cleanup_(vault_meant_done) struct vault_meant meant = {0};

	if (vault_mean(s->vault, &s->query, &meant, &s->fault) < 0)
		return;
	if (rectified_load(s->dir, job_is_cancelled, job, &s->rectified, &s->fault) < 0)
		return;
	s->options.rectified = s->rectified;
	s->options.deadline_ns = clock_monotonic_ns() + SEARCH_TIME_NSEC;
	s->options.is_cancelled = job_is_cancelled;
	s->options.userdata = job;
	audit_search(s->dir, &s->query, &s->options, on_record, &s->body, &s->result, &s->fault);
}

static void finish_search(struct call *c, struct job *job)
{
	struct search_job *s = (struct search_job *)job;
	char cursor[SEARCH_CURSOR_SIZE];

	if (s->fault.err)
		return reply_fault(c, &s->fault);
	audit_cursor_format(s->result.next, s->options.oldest, cursor);
	http_response_header(c->response, "X-Weir-Page", "%s", audit_page_to_str(s->result.page));
	http_response_header(c->response, "X-Weir-Cursor", "%s", cursor);
	http_response_header(c->response, "X-Weir-Tip", "%llu", (unsigned long long)s->result.tip);
	reply_text(c, "application/x-ndjson", &s->body);
}

static void free_search(struct job *job)
{
	struct search_job *s = (struct search_job *)job;

	rectified_free(s->rectified);
	text_done(&s->body);
	free(s);
}

/* Fill in @s, which is zeroed, and have it recorded that somebody asks. Answers itself if that cannot be. */
static int read_search(struct call *c, struct search_job *s)
{
	struct audit_details asked = {0};
	struct fault f = {0};

	if (read_limit_argument(c, RECORDS_DEFAULT, RECORDS_MAX, &s->options.limit) < 0 ||
	    read_switch(c, "scan", &s->options.scan) < 0 ||
	    read_switch(c, "sealed", &s->options.sealed) < 0 || read_order(c, &s->options) < 0 ||
	    read_query(c, &s->query, &asked) < 0)
		return -EINVAL;
	if (engine_audit_read(c->engine, &c->actor, "events", &asked, &f) < 0) {
		reply_fault(c, &f);
		return f.err;
	}
	s->options.opener = engine_audit_opener(c->engine);
	s->dir = engine_audit_dir(c->engine);
	s->vault = engine_vault(c->engine);
	text_init_growing(&s->body);
	text_puts(&s->body, "");
	return 0;
}

void handle_audit_events(struct call *c)
{
	struct search_job *s = calloc(1, sizeof(*s));

	if (!s)
		return reply_problem(c, 500, "api.memory", "out of memory");
	s->job = (struct job){
		.kind = JOB_READ, .run = run_search, .finish = finish_search, .free = free_search};
	if (read_search(c, s) < 0)
		free_search(&s->job);
	else
		job_start(c, &s->job);
}

struct stats_job {
	struct job job;
	const char *dir;
	struct vault *vault;
	struct audit_stats_options options;
	struct audit_stats stats;
	struct fault fault; /* err 0: it has an answer */
};

static void run_stats(struct job *job)
{
	struct stats_job *s = (struct stats_job *)job;

	s->options.deadline_ns = clock_monotonic_ns() + STATS_TIME_NSEC;
	s->options.is_cancelled = job_is_cancelled;
	s->options.userdata = job;
	if (audit_stats(s->dir, &s->options, &s->stats, &s->fault) == 0)
		vault_name_actors(s->vault, &s->stats);
}

static void finish_stats(struct call *c, struct job *job)
{
	struct stats_job *s = (struct stats_job *)job;

	if (s->fault.err)
		return reply_fault(c, &s->fault);
	reply_json(c, 200, audit_stats_json(&s->stats, STATS_NAMES_SHOWN));
}

static void free_stats(struct job *job)
{
	struct stats_job *s = (struct stats_job *)job;

	audit_stats_done(&s->stats);
	free(s);
}

/* As read_search(). */
static int read_stats(struct call *c, struct stats_job *s)
{
	struct audit_details asked = {0};
	struct audit_query query;
	struct fault f = {0};

	if (read_switch(c, "scan", &s->options.scan) < 0)
		return -EINVAL;
	audit_query_init(&query);
	if (read_criterion(c, &query, QUERY_SINCE, &asked) < 0 ||
	    read_criterion(c, &query, QUERY_UNTIL, &asked) < 0)
		return -EINVAL;
	if (engine_audit_read(c->engine, &c->actor, "stats", &asked, &f) < 0) {
		reply_fault(c, &f);
		return f.err;
	}
	s->options.since_ns = query.since_ns;
	s->options.until_ns = query.until_ns;
	s->dir = engine_audit_dir(c->engine);
	s->vault = engine_vault(c->engine);
	return 0;
}

void handle_audit_stats(struct call *c)
{
	struct stats_job *s = calloc(1, sizeof(*s));

	if (!s)
		return reply_problem(c, 500, "api.memory", "out of memory");
	s->job = (struct job){
		.kind = JOB_READ, .run = run_stats, .finish = finish_stats, .free = free_stats};
	if (read_stats(c, s) < 0)
		free_stats(&s->job);
	else
		job_start(c, &s->job);
}
