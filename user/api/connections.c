/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP connections: listed, added up by service, ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/job.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/ladder.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX     1000
#define KILL_SHOWN   100 /* of those that were found */

/* What is said of a filter, from arguments or a body; NULL = nothing. */
struct words {
	const char *address, *port, *state, *older;
};

static int read_filter(struct call *c, const struct words *w, struct connection_filter *ret)
{
	uint32_t port = 0;

	*ret = (struct connection_filter){.by_address = w->address};
	if (w->address && prefix_parse(w->address, &ret->address) < 0) {
		reply_problem(c, 422, "connections.address", "'%.60s' is no address and no prefix",
			      w->address);
		return -EINVAL;
	}
	if (w->port && parse_u32(w->port, 1, UINT16_MAX, &port) < 0) {
		reply_problem(c, 422, "connections.port", "'%.20s' is no port", w->port);
		return -EINVAL;
	}
	ret->port = (uint16_t)port;
	if (w->state && connection_state_from_str(w->state, &ret->state) < 0) {
		reply_problem(c, 422, "connections.state",
			      "there is no state '%.20s': established, time-wait, ...", w->state);
		return -EINVAL;
	}
	if (w->older && parse_duration_ns(w->older, &ret->older_ns) < 0) {
		reply_problem(c, 422, "connections.older", "'%.20s' is no time such as 10m",
			      w->older);
		return -EINVAL;
	}
	return 0;
}

static json_t *json_positive(uint64_t value)
{
	return value ? json_integer((json_int_t)value) : json_null();
}

static json_t *json_word(const char *word)
{
	return *word ? json_string(word) : json_null();
}

/* How long between two times of the clock that nobody sets; null: the first or second was not yet. */
static json_t *json_between(uint64_t from_ns, uint64_t to_ns)
{
	return from_ns && to_ns >= from_ns ? json_integer((json_int_t)((to_ns - from_ns) / 1000))
					   : json_null();
}

static json_t *json_connection(const struct weir_socket_row *row, uint64_t now_ns)
{
	const struct weir_socket_life *life = &row->life;
	char local[ADDRESS_TEXT_SIZE], remote[ADDRESS_TEXT_SIZE];

	address_format(row->local, local);
	address_format(row->remote, remote);
	return json_pack(
		"{s:I, s:s, s:o, s:s, s:i, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I}",
		"id", (json_int_t)row->cookie, "state", connection_state_to_str(row->state),
		"direction", json_word(connection_direction_to_str(life->direction)), "local",
		local, "local_port", (int)row->local_port, "remote", remote, "remote_port",
		(int)row->remote_port, "age_us", json_between(life->established_ns, now_ns),
		"first_byte_us",
		json_between(life->first_byte_ns ? life->established_ns : 0, life->first_byte_ns),
		"rtt_us", json_positive(row->srtt_us), "rtt_var_us", json_positive(row->rttvar_us),
		"min_rtt_us",
		row->min_rtt_us == UINT32_MAX ? json_null() : json_positive(row->min_rtt_us),
		"bytes_received", (json_int_t)row->bytes_received, "bytes_acked",
		(json_int_t)row->bytes_acked, "retransmits", (json_int_t)row->retransmits,
		"congestion_window", (json_int_t)row->congestion_window);
}

static json_t *json_connections(const struct weir_socket_row *rows, size_t count)
{
	uint64_t now_ns = clock_monotonic_ns();
	json_t *items = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(items, json_connection(&rows[i], now_ns));
	return items;
}

/* A walk over all sockets of the host: 100,000 of them take a tenth of a second. */
struct list_job {
	struct job job;
	const struct engine *engine;
	struct connection_filter filter;
	struct connection_page page;
	struct fault fault; /* err 0: it has an answer */
};

static void run_list(struct job *job)
{
	struct list_job *l = (struct list_job *)job;

	engine_connections(l->engine, &l->filter, &l->page, &l->fault);
}

static void finish_list(struct call *c, struct job *job)
{
	struct list_job *l = (struct list_job *)job;
	const struct connection_page *page = &l->page;

	if (l->fault.err)
		return reply_fault(c, &l->fault);
	reply_json(
		c, 200,
		json_pack("{s:o, s:o, s:I}", "items", json_connections(page->rows, page->count),
			  "next",
			  page->more
				  ? json_sprintf(
					    "%llu",
					    (unsigned long long)page->rows[page->count - 1].cookie)
				  : json_null(),
			  "count", (json_int_t)page->matched));
}

static void free_list(struct job *job)
{
	struct list_job *l = (struct list_job *)job;

	free(l->page.rows);
	free(l);
}

/* Fill in @l, which is zeroed. Answers itself if that cannot be. */
static int read_list(struct call *c, struct list_job *l)
{
	const struct words words = {
		http_argument(c->request, "address"), http_argument(c->request, "port"),
		http_argument(c->request, "state"), http_argument(c->request, "older")};
	const char *cursor = http_argument(c->request, "cursor");
	uint32_t limit;

	if (read_limit_argument(c, PAGE_DEFAULT, PAGE_MAX, &limit) < 0 ||
	    read_filter(c, &words, &l->filter) < 0)
		return -EINVAL;
	if (cursor && parse_u64(cursor, 0, INT64_MAX, &l->page.after) < 0) {
		reply_problem(c, 400, "request.cursor", "'%.40s' is no cursor", cursor);
		return -EINVAL;
	}
	l->engine = c->engine;
	l->page.max = limit;
	l->page.rows = calloc(2 * l->page.max, sizeof(*l->page.rows));
	if (l->page.rows)
		return 0;
	reply_problem(c, 500, "connections.read", "out of memory");
	return -ENOMEM;
}

void handle_connections(struct call *c)
{
	struct list_job *l = calloc(1, sizeof(*l));

	if (!l)
		return reply_problem(c, 500, "api.memory", "out of memory");
	l->job = (struct job){
		.kind = JOB_SOCKETS, .run = run_list, .finish = finish_list, .free = free_list};
	if (read_list(c, l) < 0)
		free_list(&l->job);
	else
		job_start(c, &l->job);
}

/* Microseconds; each bucket is below its bound, and not below the one before. Empty ones are left out. */
static json_t *json_histogram(const __u64 buckets[static WEIR_SOCKET_BUCKETS])
{
	json_t *filled = json_array();
	uint64_t count = 0;

	for (size_t i = 0; i < WEIR_SOCKET_BUCKETS; i++) {
		count += buckets[i];
		if (buckets[i])
			json_array_append_new(filled, json_pack("{s:I, s:I}", "below_us",
								(json_int_t)(1ULL << i), "count",
								(json_int_t)buckets[i]));
	}
	return json_pack("{s:I, s:o, s:o, s:o, s:o}", "count", (json_int_t)count, "p50_us",
			 json_positive(sockets_quantile_us(buckets, 500)), "p90_us",
			 json_positive(sockets_quantile_us(buckets, 900)), "p99_us",
			 json_positive(sockets_quantile_us(buckets, 990)), "buckets", filled);
}

static json_t *json_service(const struct sockets_service *s)
{
	const struct weir_service *v = &s->service;

	return json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "port",
			 json_positive(s->key.port), "direction",
			 connection_direction_to_str(s->key.direction), "established",
			 (json_int_t)v->established, "closed", (json_int_t)v->closed, "reset",
			 (json_int_t)v->reset, "retransmits", (json_int_t)v->retransmits,
			 "bytes_received", (json_int_t)v->bytes_received, "bytes_acked",
			 (json_int_t)v->bytes_acked, "handshake", json_histogram(v->handshake),
			 "first_byte", json_histogram(v->first_byte), "duration",
			 json_histogram(v->duration), "rtt", json_histogram(v->rtt));
}

static int compare_services(const void *a, const void *b)
{
	const struct sockets_service *x = a, *y = b;

	if (x->service.established != y->service.established)
		return x->service.established > y->service.established ? -1 : 1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

void handle_connection_services(struct call *c)
{
	_cleanup_free_ struct sockets_service *services = NULL;
	json_t *items = json_array();
	struct fault f = {0};
	size_t count = 0;

	if (engine_services(c->engine, &services, &count, &f) < 0) {
		json_decref(items);
		return reply_fault(c, &f);
	}
	if (count)
		qsort(services, count, sizeof(*services), compare_services);
	for (size_t i = 0; i < count; i++)
		if (services[i].service.established || services[i].service.closed)
			json_array_append_new(items, json_service(&services[i]));
	reply_json(c, 200, json_pack("{s:o, s:o}", "items", items, "next", json_null()));
}

/* A string; or a number, of a port. Answers itself if it is anything else. */
static int take_word(struct call *c, const json_t *body, const char *name, char buffer[static 24],
		     const char **ret)
{
	const json_t *value = json_object_get(body, name);

	*ret = NULL;
	if (!value || json_is_string(value)) {
		*ret = json_string_value(value);
		return 0;
	}
	if (json_is_integer(value) && strcmp(name, "port") == 0) {
		snprintf(buffer, 24, "%lld", (long long)json_integer_value(value));
		*ret = buffer;
		return 0;
	}
	reply_problem(c, 422, "request.member", "'%s' must be a string", name);
	return -EINVAL;
}

static int read_kill(struct call *c, const json_t *body, struct engine_connections_kill *ret)
{
	char buffer[24];
	struct words w;

	if (take_word(c, body, "address", buffer, &w.address) < 0 ||
	    take_word(c, body, "port", buffer, &w.port) < 0 ||
	    take_word(c, body, "state", buffer, &w.state) < 0 ||
	    take_word(c, body, "older", buffer, &w.older) < 0 ||
	    take_word(c, body, "reason", buffer, &ret->reason) < 0 ||
	    read_switch(c, "dry_run", &ret->dry_run) < 0)
		return -EINVAL;
	return read_filter(c, &w, &ret->filter);
}

static void kill_them(struct call *c, const json_t *body)
{
	struct engine_connections_kill kill = {0};
	struct engine_connections_killed killed = {0};
	struct fault f = {0};
	json_t *answer;

	if (read_kill(c, body, &kill) < 0)
		return;
	if (engine_connections_kill(c->engine, &kill, &c->actor, &killed, &f) < 0)
		return reply_fault(c, &f);
	answer = json_pack("{s:b, s:I, s:I, s:b, s:o}", "dry_run", kill.dry_run, "count",
			   (json_int_t)killed.count, "ended", (json_int_t)killed.ended, "more",
			   killed.more, "items",
			   json_connections(killed.rows,
					    killed.count < KILL_SHOWN ? killed.count : KILL_SHOWN));
	free(killed.rows);
	if (kill.dry_run)
		reply_json(c, 200, answer);
	else
		reply_changed(c, 200, answer);
}

void handle_connections_kill(struct call *c)
{
	static const char *const names[] = {"address", "port", "state", "older", "reason"};
	json_t *body = body_read(c, names, ARRAY_SIZE(names));

	if (!body)
		return;
	kill_them(c, body);
	json_decref(body);
}
