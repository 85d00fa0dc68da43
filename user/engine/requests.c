/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What data subjects ask for. The ledger and the records name a request by its id and never say whom it is about:
 * while somebody is being erased, the ledger has the numbers that stand for them in the vault, and from these a daemon
 * that comes after a death goes on. The order: ledger, list entries (whose removal is recorded, and sealed), and once
 * those records are durable the vault, last, as it alone can tell whom the numbers are.
 */
#include <errno.h>
#include <string.h>

#include "audit/hash.h"
#include "audit/personal.h"
#include "audit/reader.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/governance_internal.h"
#include "engine/internal.h"

#define REQUESTS_MAX  10000
#define DUE_NS	      (30ULL * 86400 * NSEC_PER_SEC)
#define NUMBERS_MAX   1000		   /* of one subject */
#define READ_NS	      (50 * NSEC_PER_MSEC) /* of the loop's time, for one page of records */
#define STATEMENT_MAX 2048

static const char *const kinds[] = {"access", "export", "erase", "rectify"};

/* A subject, and what stands for it in records. */
struct subject {
	char canonical[GOVERNANCE_SUBJECT_MAX + 1];
	uint64_t numbers[NUMBERS_MAX];
	size_t count;
	bool many;
};

static bool is_word_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '-' || (unsigned char)c >= 0x80;
}

/* @word stands in @text by itself: 10.0.0.1 does not in 110.0.0.1 or in 10.0.0.12 or 10.0.0.1.5. */
static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at++) {
		const char *end = at + length;
		bool starts =
			at == text || (!is_word_byte(at[-1]) && at[-1] != '.' && at[-1] != ':');
		bool ends = !is_word_byte(*end) &&
			    !((*end == '.' || *end == ':') && is_word_byte(end[1]));

		if (starts && ends)
			return true;
	}
	return false;
}

static int take_subject(const struct vault_subject *v, void *userdata)
{
	struct subject *s = userdata;

	if (!has_word(v->value, s->canonical))
		return 0;
	if (s->count == NUMBERS_MAX)
		s->many = true;
	else
		s->numbers[s->count++] = v->id;
	return 0;
}

/* All values of the vault that are the subject, or words that name it. */
static int find_subject(struct engine *e, const char *name, struct subject *ret,
			struct fault *reterr)
{
	char address[ADDRESS_TEXT_SIZE];
	int r;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->canonical, sizeof(ret->canonical), "%s", governance_canonical(name, address));
	r = vault_each(e->vault, take_subject, ret, reterr);
	if (r == 0 && ret->many)
		return fault(reterr, -E2BIG, "request.subject",
			     "more than %d values name the subject: say it more exactly",
			     NUMBERS_MAX);
	return r;
}

static bool is_about(const struct subject *s, const char *data, size_t length)
{
	char needle[6 * GOVERNANCE_SUBJECT_MAX + 3], id[PERSONAL_SUBJECT_TEXT + 1];
	struct text t;

	text_init(&t, needle, sizeof(needle));
	text_put_json(&t, s->canonical);
	if (memmem(data, length, t.data, t.length))
		return true;
	for (size_t i = 0; i < s->count; i++) {
		personal_subject_format(s->numbers[i], id);
		if (memmem(data, length, id, PERSONAL_SUBJECT_TEXT))
			return true;
	}
	return false;
}

static json_t *request_of(const struct engine *e, const char *id)
{
	return e->governance ? json_object_get(e->governance->requests, id) : NULL;
}

static const char *text_of(const json_t *request, const char *key)
{
	return json_string_value(json_object_get(request, key)) ?: "";
}

static void record(struct engine *e, enum audit_event event, const json_t *request,
		   const struct fault *f, const struct engine_actor *actor)
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
	if (event == AUDIT_EVENT_REQUEST_DONE) {
		audit_details_bool(&details, "keep_lists",
				   json_is_true(json_object_get(request, "keep_lists")));
		audit_details_u64(&details, "subjects",
				  (uint64_t)json_integer_value(json_object_get(request, "erased")));
		audit_details_u64(
			&details, "list_entries",
			(uint64_t)json_integer_value(json_object_get(request, "list_entries")));
	}
	if (*text_of(request, "hold"))
		audit_details_string(&details, "hold", text_of(request, "hold"));
	governance_record(e, &record, &details, f ?: &none, actor);
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
	struct fault why = {0};

	json_object_del(request, "numbers");
	json_object_set_new(request, "state", json_string(state));
	set_now(request, "decided_at", 0);
	if (f)
		json_object_set_new(request, "decision", json_string(f->text));
	if (keep(e, request, &why) < 0)
		log_error("a request cannot be written down", "error", why.text);
	record(e, f ? AUDIT_EVENT_REQUEST_REFUSED : AUDIT_EVENT_REQUEST_DONE, request, f, actor);
}

/* A hold that may be about the subject: one about it, or one about nobody in particular. */
static const char *hold_against(const struct engine *e, const char *canonical)
{
	const char *key;
	json_t *hold;

	json_object_foreach (e->governance->holds, key, hold) {
		const char *subject = json_string_value(json_object_get(hold, "subject"));

		if (!subject || has_word(subject, canonical) || has_word(canonical, subject))
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

/* The records of all that was done before are durable: nothing will be sealed for the subject any more. */
static void erase_now(struct engine *e, json_t *request)
{
	const json_t *numbers = json_object_get(request, "numbers"), *number;
	uint64_t ids[NUMBERS_MAX];
	struct fault f = {0};
	size_t i, count = 0, erased = 0;
	int r;

	json_array_foreach (numbers, i, number) {
		const char *text = json_string_value(number) ?: "";

		if (count < NUMBERS_MAX &&
		    personal_subject_parse(text, strlen(text), &ids[count]) == 0)
			count++;
	}
	r = count ? vault_erase(e->vault, ids, count, &erased, &f) : 0;
	if (r == 0)
		r = store_scrub(e->store, &f);
	if (r < 0) {
		/* It stays "erasing": the next start tries again. */
		log_error("a subject cannot be erased now", "error", f.text);
		json_object_set_new(request, "trouble", json_string(f.text));
		return;
	}
	json_object_del(request, "trouble");
	json_object_set_new(request, "erased", json_integer((json_int_t)erased));
	finish(e, request, "done", NULL, &ENGINE_SYSTEM);
}

static void erase_durable(bool durable, void *userdata)
{
	struct engine *e = userdata;
	const char *key;
	json_t *request;
	void *next;

	if (!durable || !e->governance || !e->store)
		return;
	json_object_foreach_safe(e->governance->requests, next, key, request)
	{
		if (strcmp(text_of(request, "state"), "erasing") == 0)
			erase_now(e, request);
	}
}

/* Lists first; then the vault, when that is on record. */
static int erase_later(struct engine *e)
{
	return recorder_when_durable(e->recorder, erase_durable, e);
}

static int begin_erase(struct engine *e, json_t *request, const struct subject *s,
		       struct fault *reterr)
{
	json_t *numbers = json_array();
	char id[PERSONAL_SUBJECT_TEXT + 1];
	int r;

	for (size_t i = 0; i < s->count; i++) {
		personal_subject_format(s->numbers[i], id);
		json_array_append_new(numbers, json_string(id));
	}
	json_object_set_new(request, "numbers", numbers);
	json_object_set_new(request, "state", json_string("erasing"));
	r = keep(e, request, reterr);
	if (r < 0)
		return r;
	remove_entries(e, request, s->canonical);
	r = erase_later(e);
	return r < 0 ? fault(reterr, r, "request.record", "the audit log takes no records now") : 0;
}

/* With the lists loaded and a policy in force, what was begun is begun again. */
void requests_tick(struct engine *e)
{
	const char *key;
	json_t *request;
	bool any = false;
	void *next;

	if (e->governance->resumed)
		return;
	e->governance->resumed = true;
	json_object_foreach_safe(e->governance->requests, next, key, request)
	{
		const json_t *number;
		size_t i;

		if (strcmp(text_of(request, "state"), "erasing") != 0)
			continue;
		any = true;
		log_info("somebody who was being erased is erased", "request", key);
		json_array_foreach (json_object_get(request, "numbers"), i, number) {
			const char *text = json_string_value(number) ?: "";
			_cleanup_(text_done) struct text value = {.growing = true};
			uint64_t id;

			if (personal_subject_parse(text, strlen(text), &id) == 0 &&
			    vault_value(e->vault, id, &value, NULL) == 0)
				remove_entries(e, request, value.data);
		}
	}
	if (any)
		erase_later(e);
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
		     : governance_check_text(q->statement, STATEMENT_MAX, "request.statement",
					     "statement", reterr);
}

static void record_statement(struct engine *e, const json_t *request,
			     const struct governance_request *q, const struct engine_actor *actor)
{
	static const struct fault none;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_REQUEST_RECTIFIED,
		.resource = {"subject_request", text_of(request, "id")},
	};

	audit_details_string(&details, "event", q->event);
	audit_details_string(&details, "statement", q->statement);
	governance_record(e, &record, &details, &none, actor);
}

static int process(struct engine *e, json_t *request, const struct governance_request *q,
		   const struct engine_actor *actor, struct fault *reterr)
{
	_cleanup_free_ struct subject *s = NULL;
	const char *hold;
	int r;

	if (strcmp(q->kind, "rectify") == 0)
		record_statement(e, request, q, actor);
	if (strcmp(q->kind, "erase") != 0) {
		finish(e, request, "done", NULL, actor);
		return 0;
	}
	s = calloc(1, sizeof(*s));
	r = s ? find_subject(e, q->subject, s, reterr)
	      : fault(reterr, -ENOMEM, "request.subject", "out of memory");
	if (r < 0)
		return r;
	hold = hold_against(e, s->canonical);
	if (hold) {
		json_object_set_new(request, "hold", json_string(hold));
		return fault(reterr, -EPERM, "request.held", "the hold %s stands against it", hold);
	}
	return begin_erase(e, request, s, reterr);
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

json_t *engine_request_json(const struct engine *e, const char *id)
{
	return json_incref(request_of(e, id));
}

json_t *engine_requests_json(const struct engine *e)
{
	json_t *items = json_array(), *request;
	const char *key;

	if (e->governance) {
		json_object_foreach (e->governance->requests, key, request) {
			json_array_append(items, request);
		}
	}
	return json_pack("{s:o}", "items", items);
}

static int read_records(struct engine *e, const struct subject *s, uint64_t from, json_t *items,
			json_t **ret_next, struct fault *reterr)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	uint64_t until_ns = clock_monotonic_ns() + READ_NS;
	struct reader_record record;
	int r = reader_open(e->audit_dir, &reader, reterr);

	if (r == 0)
		r = reader_seek(reader, from, reterr);
	if (r < 0)
		return r;
	reader_set_opener(reader, engine_audit_opener(e));
	while ((r = reader_next(reader, &record, reterr)) == 1) {
		_cleanup_(text_done) struct text view = {.growing = true};

		if (is_about(s, record.data, record.length)) {
			record_put_view(&view, record.data, record.length, &record.view,
					record.hash);
			json_array_append_new(items, json_loadb(view.data, view.length, 0, NULL));
		}
		if (clock_monotonic_ns() >= until_ns) {
			*ret_next = json_integer((json_int_t)record.view.index + 1);
			return 0;
		}
	}
	return r;
}

int engine_request_records(struct engine *e, const char *id, const char *subject, uint64_t from,
			   json_t **ret, struct fault *reterr)
{
	const char *kind = text_of(request_of(e, id), "kind");
	_cleanup_free_ struct subject *s = NULL;
	json_t *items = NULL, *next = NULL;
	int r;

	if (strcmp(kind, "access") != 0 && strcmp(kind, "export") != 0)
		return fault(reterr, -ENOENT, "request.absent",
			     "there is no request '%.40s' to access or export", id);
	s = calloc(1, sizeof(*s));
	r = s ? find_subject(e, subject, s, reterr)
	      : fault(reterr, -ENOMEM, "request.subject", "out of memory");
	if (r < 0)
		return r;
	items = json_array();
	r = read_records(e, s, from, items, &next, reterr);
	if (r < 0) {
		json_decref(items);
		return r;
	}
	*ret = json_pack("{s:o, s:o}", "items", items, "next", next ?: json_null());
	return 0;
}
