/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The audit log: records that meet a query, page by page as NDJSON, and counts. All on the loop, so a request
 * gets a slice of time; what is not done by then is a page that ends early and says where to go on.
 */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "audit/search.h"
#include "audit/stats.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/privacy.h"
#include "vault/query.h"

#define RECORDS_DEFAULT	  100
#define RECORDS_MAX	  10000
#define PAGE_BYTES_MAX	  (8U << 20) /* a page is full with the record that goes beyond */
#define SEARCH_TIME_NSEC  (50 * NSEC_PER_MSEC)
#define STATS_NAMES_SHOWN 100

/* ?@name, ?@name=true, ?@name=false. */
static int read_switch(struct call *c, const char *name, bool *ret)
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

/* The arguments that are criteria, as a query and as details of a record. Answers itself if one is bad. */
static int read_query(struct call *c, struct audit_query *q, struct audit_details *ret_asked)
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

static int on_record(const struct reader_record *record, void *userdata)
{
	struct text *body = userdata;

	record_put_view(body, record->data, record->length, &record->view, record->hash);
	text_puts(body, "\n");
	return body->truncated ? -ENOMEM : body->length > PAGE_BYTES_MAX;
}

void handle_audit_events(struct call *c)
{
	struct audit_search_options options = {0};
	_cleanup_(vault_meant_done) struct vault_meant meant = {0};
	struct audit_details asked = {0};
	struct audit_search_result result;
	char cursor[SEARCH_CURSOR_SIZE];
	struct audit_query query;
	struct fault f = {0};
	struct text body;
	int r;

	if (read_limit_argument(c, RECORDS_DEFAULT, RECORDS_MAX, &options.limit) < 0 ||
	    read_switch(c, "scan", &options.scan) < 0 ||
	    read_switch(c, "sealed", &options.sealed) < 0 || read_order(c, &options) < 0 ||
	    read_query(c, &query, &asked) < 0)
		return;
	if (engine_audit_read(c->engine, &c->actor, "events", &asked, &f) < 0 ||
	    vault_mean(engine_vault(c->engine), &query, &meant, &f) < 0)
		return reply_fault(c, &f);
	options.deadline_ns = clock_monotonic_ns() + SEARCH_TIME_NSEC;
	options.opener = engine_audit_opener(c->engine);
	text_init_growing(&body);
	text_puts(&body, "");
	r = audit_search(engine_audit_dir(c->engine), &query, &options, on_record, &body, &result,
			 &f);
	if (r < 0) {
		text_done(&body);
		return reply_fault(c, &f);
	}
	audit_cursor_format(result.next, options.oldest, cursor);
	http_response_header(c->response, "X-Weir-Page", "%s", audit_page_to_str(result.page));
	http_response_header(c->response, "X-Weir-Cursor", "%s", cursor);
	http_response_header(c->response, "X-Weir-Tip", "%llu", (unsigned long long)result.tip);
	reply_text(c, "application/x-ndjson", &body);
}

void handle_audit_stats(struct call *c)
{
	struct audit_stats_options options = {0};
	struct audit_details asked = {0};
	struct audit_query query;
	struct audit_stats stats;
	struct fault f = {0};

	if (read_switch(c, "scan", &options.scan) < 0)
		return;
	audit_query_init(&query);
	if (read_criterion(c, &query, QUERY_SINCE, &asked) < 0 ||
	    read_criterion(c, &query, QUERY_UNTIL, &asked) < 0)
		return;
	if (engine_audit_read(c->engine, &c->actor, "stats", &asked, &f) < 0)
		return reply_fault(c, &f);
	options.since_ns = query.since_ns;
	options.until_ns = query.until_ns;
	options.deadline_ns = clock_monotonic_ns() + SEARCH_TIME_NSEC;
	if (audit_stats(engine_audit_dir(c->engine), &options, &stats, &f) < 0)
		return reply_fault(c, &f);
	vault_name_actors(engine_vault(c->engine), &stats);
	reply_json(c, 200, audit_stats_json(&stats, STATS_NAMES_SHOWN));
	audit_stats_done(&stats);
}
