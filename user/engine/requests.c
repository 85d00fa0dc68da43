/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What data subjects ask for: the ledger, and what of it is the loop's. The ledger and the records name a request by
 * its id and never say whom it is about, but while somebody is being erased: then the ledger has the name, which a
 * daemon that comes after a death needs, and loses it in the end. The order: ledger, list entries (whose removal is
 * recorded), then what is in the clear (erase_records.c), the vault, and the ledger again.
 */
#include <errno.h>
#include <string.h>

#include "audit/mention.h"
#include "audit/personal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/governance_internal.h"
#include "engine/internal.h"

#define REQUESTS_MAX 10000
#define DUE_NS	     (30ULL * 86400 * NSEC_PER_SEC)
#define AGAIN_NS     (60 * NSEC_PER_SEC) /* after an erasure that failed */

static const char *const kinds[] = {"access", "export", "erase", "rectify"};

static json_t *request_of(const struct engine *e, const char *id)
{
	return e->governance ? json_object_get(e->governance->requests, id) : NULL;
}

static const char *text_of(const json_t *request, const char *key)
{
	return json_string_value(json_object_get(request, key)) ?: "";
}

static uint64_t number_of(const json_t *request, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(request, key));
}

/* @erased: what stood for them in the vault, so that a backup with an older vault can be made to forget them, too. */
static void put_done(struct audit_details *d, const json_t *request, const char *erased)
{
	static const char *const counts[] = {"archives", "evidence_files", "kept", "list_entries",
					     "removed"};

	if (strcmp(text_of(request, "kind"), "erase") != 0)
		return;
	audit_details_bool(d, "keep_lists", json_is_true(json_object_get(request, "keep_lists")));
	audit_details_u64(d, "subjects", number_of(request, "erased"));
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		audit_details_u64(d, counts[i], number_of(request, counts[i]));
	audit_details_u64(d, "configured", json_array_size(json_object_get(request, "configured")));
	audit_details_u64(d, "left", json_array_size(json_object_get(request, "left")));
	if (*erased)
		audit_details_string(d, "erased_subjects", erased);
}

static void record_erased(struct engine *e, enum audit_event event, const json_t *request,
			  const char *erased, const struct fault *f,
			  const struct engine_actor *actor)
{
	static const struct fault none;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = event,
		.resource = {"subject_request", text_of(request, "id")},
	};

	audit_details_string(&details, "request_kind", text_of(request, "kind"));
	if (event == AUDIT_EVENT_REQUEST_RECEIVED)
		audit_details_string(&details, "due", text_of(request, "due_at"));
	if (event == AUDIT_EVENT_REQUEST_DONE)
		put_done(&details, request, erased);
	if (*text_of(request, "hold"))
		audit_details_string(&details, "hold", text_of(request, "hold"));
	governance_record(e, &record, &details, f ?: &none, actor);
}

static void record(struct engine *e, enum audit_event event, const json_t *request,
		   const struct fault *f, const struct engine_actor *actor)
{
	record_erased(e, event, request, "", f, actor);
}

static int keep(struct engine *e, json_t *request, struct fault *reterr)
{
	return governance_put(e, REQUEST, text_of(request, "id"), e->governance->requests, request,
			      reterr);
}

static void set_now(json_t *request, const char *key, uint64_t later_ns)
{
	char time[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(clock_real_ns() + later_ns, time);
	json_object_set_new(request, key, json_string(time));
}

static void finish(struct engine *e, json_t *request, const char *state, const struct fault *f,
		   const struct engine_actor *actor)
{
	_cleanup_(text_done) struct text erased = {.growing = true};
	const json_t *number;
	struct fault why = {0};
	size_t i;

	text_puts(&erased, "");
	json_array_foreach (json_object_get(request, "numbers"), i, number) {
		text_puts(&erased, i ? "," : "");
		text_puts(&erased, json_string_value(number) ?: "");
	}
	json_object_del(request, "numbers");
	json_object_del(request, "subject");
	json_object_del(request, "trouble");
	json_object_set_new(request, "state", json_string(state));
	set_now(request, "decided_at", 0);
	if (f)
		json_object_set_new(request, "decision", json_string(f->text));
	if (keep(e, request, &why) < 0)
		log_error("a request cannot be written down", "error", why.text);
	record_erased(e, f ? AUDIT_EVENT_REQUEST_REFUSED : AUDIT_EVENT_REQUEST_DONE, request,
		      erased.truncated ? "" : erased.data, f, actor);
}

/* A hold that may be about the subject: one about it, or one about nobody in particular. */
static const char *hold_against(const struct engine *e, const char *canonical)
{
	struct mention them, held;
	const char *key;
	json_t *hold;

	if (mention_init(&them, canonical) < 0)
		return NULL;

	json_object_foreach (e->governance->holds, key, hold) {
		const char *subject = json_string_value(json_object_get(hold, "subject"));

		if (!subject || mention_in_text(&them, subject) ||
		    mention_init(&held, subject) < 0 || mention_in_text(&held, canonical))
			return key;
	}
	return NULL;
}

/* Operators' entries of exactly this address or prefix. */
static void remove_entries(struct engine *e, json_t *request, const char *value)
{
	json_int_t removed = json_integer_value(json_object_get(request, "list_entries"));
	struct fault f = {0};
	struct prefix prefix;
	bool persisted;

	if (json_is_true(json_object_get(request, "keep_lists")) ||
	    prefix_parse(value, &prefix) < 0)
		return;
	for (int kind = 0; kind < LIST_KIND_MAX; kind++)
		removed += engine_list_remove(e, (enum list_kind)kind, &prefix, &ENGINE_SYSTEM,
					      &persisted, &f) == 0;
	json_object_set_new(request, "list_entries", json_integer(removed));
}

/* What the daemon before knew stands for them; it may have erased some of it. */
static void add_numbers(struct errand_result *r, const json_t *numbers)
{
	const json_t *number;
	size_t i;

	json_array_foreach (numbers, i, number) {
		const char *text = json_string_value(number) ?: "";
		bool known = false;
		uint64_t id;

		if (r->count == SUBJECT_NUMBERS_MAX ||
		    personal_subject_parse(text, strlen(text), &id) < 0)
			continue;
		for (size_t n = 0; n < r->count; n++)
			known |= r->numbers[n] == id;
		if (!known)
			r->numbers[r->count++] = id;
	}
}

static json_t *numbers_json(const struct errand_result *r)
{
	json_t *numbers = json_array();
	char id[PERSONAL_SUBJECT_TEXT + 1];

	for (size_t i = 0; i < r->count; i++) {
		personal_subject_format(r->numbers[i], id);
		json_array_append_new(numbers, json_string(id));
	}
	return numbers;
}

static int requests_found(struct engine *e, const char *id, struct errand_result *r,
			  struct fault *reterr)
{
	json_t *request = request_of(e, id);
	int error;

	add_numbers(r, json_object_get(request, "numbers"));
	json_object_set_new(request, "numbers", numbers_json(r));
	error = keep(e, request, reterr);
	if (error == 0)
		remove_entries(e, request, text_of(request, "subject"));
	return error;
}

static void put_result(json_t *request, const struct errand_result *r)
{
	if (json_array_size(r->configured.places))
		json_object_set(request, "configured", r->configured.places);
	if (strcmp(text_of(request, "kind"), "erase") != 0)
		return;
	json_object_set_new(request, "erased", json_integer((json_int_t)r->erased));
	json_object_set_new(request, "removed", json_integer((json_int_t)r->removed));
	json_object_set_new(request, "archives", json_integer((json_int_t)r->archives));
	json_object_set_new(request, "evidence_files", json_integer((json_int_t)r->evidence));
	json_object_set_new(request, "kept", json_integer((json_int_t)r->kept));
	if (json_array_size(r->left))
		json_object_set(request, "left", r->left);
}

/* The vault was last. The name goes from the ledger before the file of the database is made anew, and it is said last. */
static void erased(struct engine *e, json_t *request, const struct errand_result *r)
{
	struct fault f = {0};
	int error;

	put_result(request, r);
	json_object_del(request, "subject");
	error = keep(e, request, &f);
	error = error ?: store_answers_clear(e->store, &f);
	error = error ?: store_scrub(e->store, &f);
	if (error < 0) {
		log_error("the database may still have rows of somebody who was erased", "error",
			  f.text);
		if (!json_object_get(request, "left"))
			json_object_set_new(request, "left", json_array());
		json_array_append_new(json_object_get(request, "left"), json_string(f.text));
	}
	finish(e, request, json_object_get(request, "left") || r->kept ? "incomplete" : "done",
	       NULL, &ENGINE_SYSTEM);
}

/* It stays "erasing", and is tried again: now and then, and by the next daemon. */
static void not_erased(struct engine *e, json_t *request, const struct fault *f)
{
	if (f->err == -ECANCELED)
		return;
	if (!json_object_get(request, "numbers"))
		return finish(e, request, "refused", f, &ENGINE_SYSTEM);
	log_error("a subject cannot be erased now", "error", f->text);
	json_object_set_new(request, "trouble", json_string(f->text));
	e->governance->resume_ns = clock_monotonic_ns() + AGAIN_NS;
}

static void record_statement(struct engine *e, const json_t *request,
			     const struct request_asked *asked, const struct engine_actor *actor)
{
	static const struct fault none;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_REQUEST_RECTIFIED,
		.resource = {"subject_request", text_of(request, "id")},
	};

	audit_details_string(&details, "event", asked->event);
	audit_details_string(&details, "statement", asked->statement);
	governance_record(e, &record, &details, &none, actor);
}

static void requests_over(struct engine *e, const char *id, struct errand_result *r)
{
	json_t *request = request_of(e, id);
	const struct request_asked *asked = &e->governance->asked;
	const struct engine_actor actor = {
		.uid = asked->uid, .username = asked->username, .role = asked->role};

	if (!request)
		return;
	if (strcmp(text_of(request, "kind"), "erase") == 0)
		return r->fault.err ? not_erased(e, request, &r->fault) : erased(e, request, r);
	if (r->fault.err)
		return finish(e, request, "refused", &r->fault, &actor);
	put_result(request, r);
	if (strcmp(text_of(request, "kind"), "rectify") == 0)
		record_statement(e, request, asked, &actor);
	finish(e, request, "done", NULL, &actor);
}

const struct errand_calls REQUEST_CALLS = {.found = requests_found, .over = requests_over};

/* Whom an earlier daemon was erasing: by name, or by what the vault still has of the numbers. */
static void subject_of(struct engine *e, json_t *request)
{
	const json_t *number;
	size_t i;

	json_array_foreach (json_object_get(request, "numbers"), i, number) {
		const char *text = json_string_value(number) ?: "";
		_cleanup_(text_done) struct text value = {.growing = true};
		uint64_t id;

		if (*text_of(request, "subject"))
			return;
		if (personal_subject_parse(text, strlen(text), &id) == 0 &&
		    vault_value(e->vault, id, &value, NULL) == 0)
			json_object_set_new(request, "subject", json_string(value.data));
	}
}

static void go_on(struct engine *e, json_t *request)
{
	struct errand_order order = {.kind = ERRAND_ERASE, .id = text_of(request, "id")};
	struct errand_result nothing = {0};
	struct fault f = {0};
	const char *hold;

	subject_of(e, request);
	order.subject = text_of(request, "subject");
	if (!*order.subject)
		return erased(e, request, &nothing);
	hold = hold_against(e, order.subject);
	if (hold) {
		json_object_set_new(request, "hold", json_string(hold));
		fault(&f, -EPERM, "request.held",
		      "the hold %s stands against it; what was taken out before stays so", hold);
		return finish(e, request, "refused", &f, &ENGINE_SYSTEM);
	}
	if (errand_begin(e->governance->errand, &order, &f) < 0)
		not_erased(e, request, &f);
}

/* What a daemon before began, or what was stopped or waits: one after the other. */
void requests_tick(struct engine *e)
{
	const char *key;
	json_t *request;
	void *next;

	if (errand_is_busy(e->governance->errand) ||
	    clock_monotonic_ns() < e->governance->resume_ns)
		return;
	json_object_foreach_safe(e->governance->requests, next, key, request)
	{
		if (strcmp(text_of(request, "state"), "erasing") != 0)
			continue;
		go_on(e, request);
		return;
	}
}

void requests_recheck(struct engine *e)
{
	const struct governance *g = e->governance;
	const char *key;
	json_t *request;

	json_object_foreach (g->requests, key, request) {
		if (strcmp(text_of(request, "state"), "erasing") == 0 &&
		    errand_is_about(g->errand, key) && hold_against(e, errand_subject(g->errand)))
			errand_stop(g->errand);
	}
}

static int check(struct engine *e, const struct governance_request *q, struct fault *reterr)
{
	bool known = false;
	int r = governance_usable(e, reterr);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		known |= strcmp(kinds[i], q->kind) == 0;
	if (!known)
		return fault(reterr, -EINVAL, "request.kind",
			     "'%.40s' is none of access, export, erase and rectify", q->kind);
	if (!*q->subject)
		return fault(reterr, -EINVAL, "request.subject", "the subject is empty");
	if (strcmp(q->kind, "rectify") == 0 && (!q->event || !q->statement))
		return fault(reterr, -EINVAL, "request.statement",
			     "'event' and 'statement' say which record, and what is right");
	if (q->event && strlen(q->event) != 36)
		return fault(reterr, -EINVAL, "request.event", "'%.40s' is no event_id", q->event);
	if (json_object_size(e->governance->requests) >= REQUESTS_MAX)
		return fault(reterr, -E2BIG, "request.many", "there are %d requests already",
			     REQUESTS_MAX);
	r = governance_check_text(q->subject, GOVERNANCE_SUBJECT_MAX, "request.subject", "subject",
				  reterr);
	if (r == 0)
		r = governance_check_text(q->reason, GOVERNANCE_REASON_MAX, "request.reason",
					  "reason", reterr);
	return r < 0 ? r
		     : governance_check_text(q->statement, REQUEST_STATEMENT_MAX,
					     "request.statement", "statement", reterr);
}

static int begin_erase(struct engine *e, json_t *request, const char *subject, struct fault *reterr)
{
	const char *hold = hold_against(e, subject);
	int r;

	if (hold) {
		json_object_set_new(request, "hold", json_string(hold));
		return fault(reterr, -EPERM, "request.held", "the hold %s stands against it", hold);
	}
	json_object_set_new(request, "subject", json_string(subject));
	json_object_set_new(request, "state", json_string("erasing"));
	r = keep(e, request, reterr);
	if (r == 0 && !errand_is_busy(e->governance->errand))
		go_on(e, request);
	return r;
}

static int process(struct engine *e, json_t *request, const struct governance_request *q,
		   const struct engine_actor *actor, struct fault *reterr)
{
	struct request_asked *asked = &e->governance->asked;
	char address[ADDRESS_TEXT_SIZE];
	struct errand_order order = {
		.kind = strcmp(q->kind, "rectify") == 0 ? ERRAND_RECTIFY : ERRAND_FIND,
		.id = text_of(request, "id"),
		.subject = governance_canonical(q->subject, address),
		.event = q->event,
	};
	int r;

	if (strcmp(q->kind, "erase") == 0)
		return begin_erase(e, request, order.subject, reterr);
	r = errand_begin(e->governance->errand, &order, reterr);
	if (r < 0)
		return r;
	/* The loop reads it when it is called, which is not before this returns. */
	asked->uid = actor->uid;
	snprintf(asked->username, sizeof(asked->username), "%s", actor->username);
	snprintf(asked->role, sizeof(asked->role), "%s", actor->role);
	snprintf(asked->event, sizeof(asked->event), "%s", q->event ?: "");
	snprintf(asked->statement, sizeof(asked->statement), "%s", q->statement ?: "");
	return 0;
}

static json_t *new_request(const struct governance_request *q, const char *id,
			   const struct engine_actor *actor)
{
	json_t *request = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "kind", q->kind, "state",
				    "received", "reason", q->reason ?: "", "by", actor->username);

	if (!request)
		return NULL;
	set_now(request, "received_at", 0);
	set_now(request, "due_at", DUE_NS);
	if (strcmp(q->kind, "erase") == 0)
		json_object_set_new(request, "keep_lists", json_boolean(q->keep_lists));
	return request;
}

int engine_request(struct engine *e, const struct governance_request *q,
		   const struct engine_actor *actor, const char **ret_id, struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *request = NULL;
	char id[GOVERNANCE_ID_SIZE] = "";
	struct fault f = {0};
	int r = check(e, q, &f);

	if (r == 0 && governance_new_id(id) < 0)
		r = fault(&f, -EIO, "request.id", "there is no randomness for an id");
	if (r == 0 && actor->dry_run && strcmp(q->kind, "erase") == 0 &&
	    hold_against(e, q->subject))
		r = fault(&f, -EPERM, "request.held", "the hold %s stands against it",
			  hold_against(e, q->subject));
	r = r ?: engine_proceed(actor, &f, "write a request down, and %s", q->kind);
	request = new_request(q, id, actor);
	if (r == 0)
		r = request ? keep(e, request, &f)
			    : fault(&f, -EINVAL, "request.reason", "the reason is no UTF-8");
	if (r < 0) {
		record(e, AUDIT_EVENT_REQUEST_REFUSED, request, &f, actor);
		return fault(reterr, r, f.code, "%s", f.text);
	}
	record(e, AUDIT_EVENT_REQUEST_RECEIVED, request, NULL, actor);
	r = process(e, request, q, actor, &f);
	if (r < 0) {
		finish(e, request, "refused", &f, actor);
		return fault(reterr, r, f.code, "%s", f.text);
	}
	*ret_id = text_of(request_of(e, id), "id");
	return 0;
}

/* As the ledger has it, without whom it is about. */
static json_t *shown(const struct engine *e, const json_t *request)
{
	json_t *copy = json_copy((json_t *)(uintptr_t)request);

	json_object_del(copy, "subject");
	json_object_del(copy, "numbers");
	if (strcmp(text_of(request, "state"), "received") == 0 &&
	    errand_is_about(e->governance->errand, text_of(request, "id")))
		json_object_set_new(copy, "state", json_string("finding"));
	return copy;
}

json_t *engine_request_json(const struct engine *e, const char *id)
{
	const json_t *request = request_of(e, id);

	return request ? shown(e, request) : NULL;
}

json_t *engine_requests_json(const struct engine *e)
{
	json_t *items = json_array(), *request;
	const char *key;

	if (e->governance) {
		json_object_foreach (e->governance->requests, key, request) {
			json_array_append_new(items, shown(e, request));
		}
	}
	return json_pack("{s:o}", "items", items);
}

int engine_request_read(struct engine *e, const char *id, const char *subject,
			const struct engine_actor *actor, struct fault *reterr)
{
	const char *kind = text_of(request_of(e, id), "kind");
	struct audit_details asked = {0};

	if (strcmp(kind, "access") != 0 && strcmp(kind, "export") != 0)
		return fault(reterr, -ENOENT, "request.absent",
			     "there is no request '%.40s' to access or export", id);
	audit_details_string(&asked, "text", subject);
	return engine_audit_read(e, actor, "request", &asked, reterr);
}
