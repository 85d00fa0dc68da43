/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/ladder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/internal.h"
#include "ladder/ladder.h"

#define EXAMPLES_MAX 16 /* peers in a record */

static void begin(struct engine *e)
{
	if (ladder_open(e->datapath, e->options.ifaces, e->options.iface_count,
			e->policy->metrics.kernel_drops, &e->ladder) < 0)
		log_warn("no memory to watch who drops packets");
	else if (ladder_trouble(e->ladder)->err && !ladder_is_off(e->ladder))
		log_warn("what the kernel drops is not counted", "error",
			 ladder_trouble(e->ladder)->text);
}

void ladder_take_policy(struct engine *e)
{
	if (!e->ladder || ladder_is_off(e->ladder) != e->policy->metrics.kernel_drops)
		return;
	ladder_close(take_ptr(e->ladder));
	begin(e);
}

void ladder_start(struct engine *e)
{
	begin(e);
	if (sockets_open(&e->sockets, &e->sockets_trouble) < 0)
		log_warn("connections are not watched", "error", e->sockets_trouble.text);
}

void ladder_stop(struct engine *e)
{
	ladder_close(take_ptr(e->ladder));
	sockets_close(take_ptr(e->sockets));
}

const struct ladder *engine_ladder(const struct engine *e)
{
	return e->ladder;
}

const struct fault *engine_connections_trouble(const struct engine *e)
{
	return &e->sockets_trouble;
}

bool engine_connections_by_program(const struct engine *e)
{
	return e->sockets && sockets_by_program(e->sockets);
}

static int check_available(const struct engine *e, struct fault *reterr)
{
	if (e->sockets)
		return 0;
	return fault(reterr, -ECANCELED, "connections.unavailable",
		     "connections are not watched: %.300s", e->sockets_trouble.text);
}

struct walk {
	const struct connection_filter *filter;
	struct connection_page *page;
	uint64_t now_ns;
};

static int look(const struct weir_socket_row *row, void *userdata)
{
	struct walk *w = userdata;

	if (connection_matches(w->filter, row, w->now_ns))
		connection_page_add(w->page, row);
	return 0;
}

int engine_connections(const struct engine *e, const struct connection_filter *f,
		       struct connection_page *page, struct fault *reterr)
{
	struct walk walk = {.filter = f, .page = page, .now_ns = clock_monotonic_ns()};
	int r = check_available(e, reterr);

	if (r < 0)
		return r;
	r = sockets_each(e->sockets, look, &walk);
	if (r < 0)
		return fault(reterr, r, "connections.read", "connections cannot be read: %s",
			     strerror(-r));
	connection_page_end(page);
	return 0;
}

int engine_services(const struct engine *e, struct sockets_service **ret, size_t *ret_count,
		    struct fault *reterr)
{
	int r = check_available(e, reterr);

	if (r < 0)
		return r;
	r = sockets_services(e->sockets, ret, ret_count);
	if (r < 0)
		return fault(reterr, r, "connections.read", "services cannot be read: %s",
			     strerror(-r));
	return 0;
}

static int check_request(const struct engine_connections_kill *kill, struct fault *reterr)
{
	if (connection_filter_is_empty(&kill->filter))
		return fault(reterr, -EINVAL, "connections.filter",
			     "say which connections: by address, port, state or age");
	if (kill->reason && strlen(kill->reason) > ENGINE_CONNECTIONS_REASON_MAX)
		return fault(reterr, -EINVAL, "connections.reason", "a reason has at most %d bytes",
			     ENGINE_CONNECTIONS_REASON_MAX);
	if (kill->reason && !utf8_valid(kill->reason, strlen(kill->reason)))
		return fault(reterr, -EINVAL, "connections.reason",
			     "the reason is not valid UTF-8");
	return 0;
}

/* The session of whoever asks; a session's address may be known without its port. */
static int check_own(struct engine *e, const struct engine_connections_killed *found,
		     const struct engine_actor *actor, struct fault *reterr)
{
	struct safety_protected who[SAFETY_PROTECTED_MAX];
	size_t count = engine_protected(e, actor, who);

	for (size_t i = 0; i < found->count && !actor->force; i++)
		for (size_t n = 0; n < count; n++) {
			const struct weir_socket_row *row = &found->rows[i];
			char address[ADDRESS_TEXT_SIZE];

			if (memcmp(row->remote, who[n].address, sizeof(row->remote)) != 0 ||
			    (who[n].port && who[n].port != row->local_port))
				continue;
			address_format(row->remote, address);
			return fault(reterr, -EPERM, "safety.lockout",
				     "a connection with %s is among them: %s; insist with --force",
				     address, who[n].why);
		}
	return 0;
}

/* The first peers, each once in a row of the same. */
static void put_examples(struct audit_details *details,
			 const struct engine_connections_killed *found)
{
	char buffer[EXAMPLES_MAX * (ADDRESS_TEXT_SIZE + 3) + 3];
	struct text t;
	size_t put = 0;

	text_init(&t, buffer, sizeof(buffer));
	text_puts(&t, "[");
	for (size_t i = 0; i < found->count && put < EXAMPLES_MAX; i++) {
		char address[ADDRESS_TEXT_SIZE];

		if (i && memcmp(found->rows[i].remote, found->rows[i - 1].remote, 16) == 0)
			continue;
		address_format(found->rows[i].remote, address);
		text_puts(&t, put++ ? "," : "");
		text_put_json(&t, address);
	}
	text_puts(&t, "]");
	audit_details_json(details, "examples", buffer);
}

static void record_kill(struct engine *e, const struct engine_connections_kill *kill,
			const struct engine_actor *actor,
			const struct engine_connections_killed *found, const struct fault *f)
{
	const struct connection_filter *filter = &kill->filter;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_CONNECTIONS_KILLED,
		.outcome = f->err == -EPERM ? AUDIT_DENIED
			   : f->err	    ? AUDIT_FAILURE
					    : AUDIT_SUCCESS,
		.resource = {"connections", "tcp"},
		.details = &details,
	};
	char prefix[PREFIX_TEXT_SIZE];

	if (filter->by_address) {
		prefix_format(&filter->address, prefix);
		audit_details_string(&details, "address", prefix);
	}
	if (f->err)
		audit_details_string(&details, "code", f->code);
	audit_details_u64(&details, "connections", found->count);
	audit_details_u64(&details, "ended", found->ended);
	if (found->count)
		put_examples(&details, found);
	audit_details_bool(&details, "force", actor->force);
	if (filter->older_ns)
		audit_details_u64(&details, "older_ms", filter->older_ns / NSEC_PER_MSEC);
	if (filter->port)
		audit_details_u64(&details, "port", filter->port);
	if (kill->reason)
		audit_details_string(&details, "reason", kill->reason);
	if (filter->state)
		audit_details_string(&details, "tcp_state", connection_state_to_str(filter->state));
	engine_record(e, &record, actor);
}

struct search {
	const struct connection_filter *filter;
	struct engine_connections_killed *found;
	uint64_t now_ns;
};

static int find(const struct weir_socket_row *row, void *userdata)
{
	struct search *s = userdata;

	if (!connection_matches(s->filter, row, s->now_ns))
		return 0;
	if (s->found->count == ENGINE_CONNECTIONS_KILL_MAX)
		s->found->more = true;
	else
		s->found->rows[s->found->count++] = *row;
	return 0;
}

static int find_all(const struct engine *e, const struct connection_filter *filter,
		    struct engine_connections_killed *ret, struct fault *reterr)
{
	struct search search = {.filter = filter, .found = ret, .now_ns = clock_monotonic_ns()};
	int r = check_available(e, reterr);

	if (r < 0)
		return r;
	/* Memory is taken as it is touched. */
	ret->rows = calloc(ENGINE_CONNECTIONS_KILL_MAX, sizeof(*ret->rows));
	if (!ret->rows)
		return fault(reterr, -ENOMEM, "connections.read", "out of memory");
	r = sockets_each(e->sockets, find, &search);
	if (r < 0)
		return fault(reterr, r, "connections.read", "connections cannot be read: %s",
			     strerror(-r));
	return 0;
}

int engine_connections_kill(struct engine *e, const struct engine_connections_kill *kill,
			    const struct engine_actor *actor, struct engine_connections_killed *ret,
			    struct fault *reterr)
{
	struct engine_connections_killed found = {0};
	struct fault f = {0};
	int r = check_request(kill, reterr);

	if (r < 0)
		return r;
	r = find_all(e, &kill->filter, &found, &f);
	r = r ?: check_own(e, &found, actor, &f);
	if (r == 0 && !kill->dry_run && found.count)
		r = sockets_kill(e->sockets, found.rows, found.count, &found.ended, &f);
	if (!kill->dry_run)
		record_kill(e, kill, actor, &found, &f);
	if (r < 0) {
		free(found.rows);
		if (reterr)
			*reterr = f;
		return r;
	}
	*ret = found;
	return 0;
}
