/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rules: checked, kept, recorded. They are JSON from the store to the API, as nothing but a run needs more. */
#include "engine/governance_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "audit/hash.h"
#include "audit/personal.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/internal.h"
#include "engine/retention.h"

#define ARCHIVES     AUDIT_CATEGORY_MAX	      /* counted as a category behind the last */
#define FIRST_RUN_NS (15 * 60 * NSEC_PER_SEC) /* after the start */
#define RUN_NS	     (24 * 3600 * NSEC_PER_SEC)

static int take_document(const struct store_document *document, void *userdata)
{
	struct governance *g = userdata;
	json_t *body = json_loads(document->body, 0, NULL);
	json_t *into = strcmp(document->kind, RULE) == 0      ? g->rules
		       : strcmp(document->kind, HOLD) == 0    ? g->holds
		       : strcmp(document->kind, REQUEST) == 0 ? g->requests
							      : NULL;

	if (into && json_is_object(body))
		json_object_set(into, document->id, body);
	json_decref(body);
	return 0;
}

void governance_start(struct engine *e)
{
	struct governance *g = calloc(1, sizeof(*g));
	struct fault f = {0};

	e->governance = g;
	if (!g)
		return;
	g->rules = json_object();
	g->holds = json_object();
	g->requests = json_object();
	g->due_ns = clock_monotonic_ns() + FIRST_RUN_NS;
	pthread_mutex_init(&g->rewriting, NULL);
	if (retention_new(e, &g->retention) < 0 || errand_new(e, &REQUEST_CALLS, &g->errand) < 0 ||
	    (e->store && store_document_each(e->store, take_document, g, &f) < 0)) {
		log_error("no record expires: the rules cannot be read", "error", f.text);
		json_object_clear(g->rules); /* a hold may be missing */
	}
}

void governance_stop(struct governance *g)
{
	if (!g || !g->retention || !g->errand)
		return;
	errand_stop(g->errand);
	retention_stop(g->retention);
	errand_join(g->errand);
	retention_join(g->retention);
}

void governance_free(struct governance *g)
{
	if (!g)
		return;
	json_decref(g->rules);
	json_decref(g->holds);
	json_decref(g->requests);
	retention_free(g->retention);
	errand_free(g->errand);
	pthread_mutex_destroy(&g->rewriting);
	free(g);
}

int governance_usable(const struct engine *e, struct fault *reterr)
{
	if (!e->governance || !e->governance->retention || !e->governance->errand)
		return fault(reterr, -ENOMEM, "store.none", "there is no memory for the rules");
	if (!e->store)
		return fault(reterr, -EIO, "store.none",
			     "the database cannot be used, and rules are kept nowhere else");
	return 0;
}

int governance_check_text(const char *text, size_t max, const char *code, const char *what,
			  struct fault *reterr)
{
	if (text && (strlen(text) > max || !utf8_valid(text, strlen(text))))
		return fault(reterr, -EINVAL, code, "the %s is longer than %zu bytes or no UTF-8",
			     what, max);
	return 0;
}

int governance_put(struct engine *e, const char *kind, const char *id, json_t *into, json_t *body,
		   struct fault *reterr)
{
	_cleanup_free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	const struct store_document document = {kind, id, text};
	int r = text ? store_document_put(e->store, &document, reterr)
		     : fault(reterr, -ENOMEM, "store.none", "out of memory");

	if (r == 0)
		json_object_set(into, id, body);
	return r;
}

void governance_record(struct engine *e, struct audit_record *record, struct audit_details *details,
		       const struct fault *f, const struct engine_actor *actor)
{
	if (f->err) {
		record->outcome = AUDIT_DENIED;
		audit_details_string(details, "code", f->code);
		audit_details_string(details, "error", f->text);
	}
	record->details = details;
	engine_record(e, record, actor);
}

/* What the policy in force says of @category, or of archives; NULL: nothing. */
static const struct policy_keep *policy_says(const struct engine *e, int category)
{
	const struct policy *p = e->policy;

	if (!p || category < 0)
		return NULL;
	const struct policy_keep *keep[] = {
		[AUDIT_CATEGORY_TRAFFIC] = &p->audit.retention.traffic,
		[AUDIT_CATEGORY_SECURITY] = &p->audit.retention.security,
		[AUDIT_CATEGORY_LISTS] = &p->audit.retention.lists,
		[AUDIT_CATEGORY_POLICY] = &p->audit.retention.policy,
		[AUDIT_CATEGORY_ACCESS] = &p->audit.retention.access,
		[AUDIT_CATEGORY_SYSTEM] = &p->audit.retention.system,
		[ARCHIVES] = &p->audit.retention.archive,
	};

	return keep[category] && keep[category]->line ? keep[category] : NULL;
}

/* How long records of @category, or archives, are kept: the policy goes before what operators said. 0 = for ever. */
static uint64_t keep_of(const struct engine *e, int category)
{
	const struct policy_keep *said = policy_says(e, category);
	const json_t *rule =
		category == ARCHIVES
			? NULL
			: json_object_get(e->governance->rules,
					  audit_category_to_str((enum audit_category)category));

	return said ? said->s : (uint64_t)json_integer_value(json_object_get(rule, "keep_seconds"));
}

static bool is_archived(const struct engine *e)
{
	const struct policy_keep *said = policy_says(e, ARCHIVES);

	return !said || !said->none;
}

void governance_take_policy(struct engine *e)
{
	struct governance *g = e->governance;

	for (int i = 0; g && i <= AUDIT_CATEGORY_MAX; i++) {
		const struct policy_keep *said = policy_says(e, i);
		uint64_t keep_s = !said ? UINT64_MAX : said->none ? UINT64_MAX - 1 : said->s;

		/* What runs still follows the former rule. */
		if (keep_s != g->keep_s[i] && g->retention)
			retention_stop(g->retention);
		g->keep_s[i] = keep_s;
	}
}

/* What explains what is gone, and who was asked to forget, has to stay. */
static bool never_expires(int category)
{
	return category == AUDIT_CATEGORY_AUDIT || category == AUDIT_CATEGORY_PRIVACY;
}

static int set_rule(struct engine *e, const char *category, uint64_t keep_s, const char *reason,
		    const struct engine_actor *actor, struct fault *reterr)
{
	int number = audit_category_from_str(category), r = governance_usable(e, reterr);
	char now[CLOCK_RFC3339_SIZE];
	json_t *body;

	if (r < 0)
		return r;
	if (number < 0)
		return fault(reterr, -EINVAL, "retention.category",
			     "category '%.40s' is none of %s", category, audit_category_names());
	if (keep_s && never_expires(number))
		return fault(reterr, -EINVAL, "retention.category",
			     "records of category %s are kept for ever: they explain what is gone",
			     category);
	if (policy_says(e, number))
		return fault(reterr, -EBUSY, "retention.policy",
			     "the policy rules how long records of category %s are kept, in line "
			     "%u: change it there",
			     category, policy_says(e, number)->line);
	if (keep_s > GOVERNANCE_KEEP_MAX_S)
		return fault(reterr, -EINVAL, "retention.keep", "no more than 100 years");
	r = governance_check_text(reason, GOVERNANCE_REASON_MAX, "retention.reason", "reason",
				  reterr);
	if (r < 0)
		return r;
	r = engine_proceed(actor, reterr, "keep records of category %s %s", category,
			   keep_s ? "so long as was said" : "for ever");
	if (r < 0)
		return r;
	clock_format_rfc3339(clock_real_ns(), now);
	body = json_pack("{s:s, s:I, s:s, s:s, s:s}", "category", category, "keep_seconds",
			 (json_int_t)keep_s, "reason", reason ?: "", "set_at", now, "set_by",
			 actor->username);
	r = governance_put(e, RULE, category, e->governance->rules, body, reterr);
	json_decref(body);
	/* What runs still follows the former rule. */
	if (r == 0)
		retention_stop(e->governance->retention);
	return r;
}

int engine_retention_set(struct engine *e, const char *category, uint64_t keep_s,
			 const char *reason, const struct engine_actor *actor, struct fault *reterr)
{
	int number = audit_category_from_str(category);
	uint64_t before = e->governance && number >= 0 ? keep_of(e, number) : 0;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_RETENTION_SET,
		.resource = {"category", category},
	};
	struct fault f = {0};
	int r = set_rule(e, category, keep_s, reason, actor, &f);

	audit_details_u64(&details, "keep_seconds", keep_s);
	audit_details_u64(&details, "was_keep_seconds", before);
	audit_details_string(&details, "reason", r == 0 && reason ? reason : "");
	governance_record(e, &record, &details, &f, actor);
	return r < 0 ? fault(reterr, r, f.code, "%s", f.text) : 0;
}

static int check_hold(const struct governance *g, const struct governance_hold *hold,
		      struct fault *reterr)
{
	int r;

	if (hold->category && audit_category_from_str(hold->category) < 0)
		return fault(reterr, -EINVAL, "hold.category", "category '%.40s' is none of %s",
			     hold->category, audit_category_names());
	if (hold->since < 0 || hold->until < 0 || (hold->until && hold->until <= hold->since))
		return fault(reterr, -EINVAL, "hold.time", "'until' is not after 'since'");
	if (hold->subject && !*hold->subject)
		return fault(reterr, -EINVAL, "hold.subject", "the subject is empty");
	if (json_object_size(g->holds) >= GOVERNANCE_HOLDS_MAX)
		return fault(reterr, -E2BIG, "hold.many", "there are %d holds already",
			     GOVERNANCE_HOLDS_MAX);
	r = governance_check_text(hold->subject, GOVERNANCE_SUBJECT_MAX, "hold.subject", "subject",
				  reterr);
	return r < 0 ? r
		     : governance_check_text(hold->reason, GOVERNANCE_REASON_MAX, "hold.reason",
					     "reason", reterr);
}

static json_t *time_or_null(int64_t seconds)
{
	char text[CLOCK_RFC3339_SIZE];

	if (!seconds)
		return json_null();
	clock_format_rfc3339((uint64_t)seconds * NSEC_PER_SEC, text);
	return json_string(text);
}

int governance_new_id(char ret[static GOVERNANCE_ID_SIZE])
{
	uint8_t random[GOVERNANCE_ID_SIZE / 2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	hex_format(random, sizeof(random), ret);
	return 0;
}

/* An address in the one way that records have it. */
const char *governance_canonical(const char *subject, char ret[static ADDRESS_TEXT_SIZE])
{
	uint8_t address[16];

	if (address_parse(subject, address) < 0)
		return subject;
	address_format(address, ret);
	return ret;
}

static int add_hold(struct engine *e, const struct governance_hold *hold,
		    const struct engine_actor *actor, char id[static GOVERNANCE_ID_SIZE],
		    struct fault *reterr)
{
	char now[CLOCK_RFC3339_SIZE], address[ADDRESS_TEXT_SIZE];
	int r = governance_usable(e, reterr);
	json_t *body;

	if (r == 0)
		r = check_hold(e->governance, hold, reterr);
	if (r == 0 && governance_new_id(id) < 0)
		r = fault(reterr, -EIO, "hold.id", "there is no randomness for an id");
	if (r == 0)
		r = engine_proceed(actor, reterr, "hold records of %s",
				   hold->category ? hold->category : "all categories");
	if (r < 0)
		return r;
	clock_format_rfc3339(clock_real_ns(), now);
	body = json_pack(
		"{s:s, s:s?, s:o, s:o, s:s?, s:s, s:s, s:s}", "id", id, "category", hold->category,
		"since", time_or_null(hold->since), "until", time_or_null(hold->until), "subject",
		hold->subject ? governance_canonical(hold->subject, address) : NULL, "reason",
		hold->reason ?: "", "placed_at", now, "placed_by", actor->username);
	r = governance_put(e, HOLD, id, e->governance->holds, body, reterr);
	json_decref(body);
	if (r < 0)
		return r;
	retention_stop(e->governance->retention);
	e->governance->again = true;
	requests_recheck(e);
	return 0;
}

int engine_hold_add(struct engine *e, const struct governance_hold *hold,
		    const struct engine_actor *actor, const char **ret_id, struct fault *reterr)
{
	char id[GOVERNANCE_ID_SIZE] = "";
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_HOLD_PLACED,
		.resource = {"hold", id},
	};
	struct fault f = {0};
	int r = add_hold(e, hold, actor, id, &f);

	/* Whom it is about is not said: the hold is named by its id. */
	audit_details_bool(&details, "of_subject", hold->subject);
	audit_details_string(&details, "category", r == 0 && hold->category ? hold->category : "");
	audit_details_string(&details, "reason", r == 0 && hold->reason ? hold->reason : "");
	governance_record(e, &record, &details, &f, actor);
	if (r < 0)
		return fault(reterr, r, f.code, "%s", f.text);
	*ret_id =
		json_string_value(json_object_get(json_object_get(e->governance->holds, id), "id"));
	return 0;
}

int engine_hold_remove(struct engine *e, const char *id, const char *reason,
		       const struct engine_actor *actor, struct fault *reterr)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_HOLD_LIFTED,
		.resource = {"hold", id},
	};
	struct fault f = {0};
	int r = governance_usable(e, &f);

	if (r == 0)
		r = governance_check_text(reason, GOVERNANCE_REASON_MAX, "hold.reason", "reason",
					  &f);
	if (r == 0 && !json_object_get(e->governance->holds, id))
		r = fault(&f, -ENOENT, "hold.absent", "there is no hold '%.40s'", id);
	if (r == 0)
		r = engine_proceed(actor, &f, "end the hold %s", id)
			    ?: store_document_delete(e->store, HOLD, id, &f);
	if (r == 0)
		json_object_del(e->governance->holds, id);
	audit_details_string(&details, "reason", r == 0 && reason ? reason : "");
	governance_record(e, &record, &details, &f, actor);
	return r < 0 ? fault(reterr, r, f.code, "%s", f.text) : 0;
}

static void put_time(const json_t *body, const char *key, char ret[static CLOCK_RFC3339_SIZE])
{
	snprintf(ret, CLOCK_RFC3339_SIZE, "%s",
		 json_string_value(json_object_get(body, key)) ?: "");
}

/*
 * How @subject may stand in records: as it is, or by its numbers in the vault. If that cannot be told, everything
 * is held that else fits.
 */
static void put_subject(struct engine *e, const char *subject, struct retention_hold *ret)
{
	struct text needle;

	text_init(&needle, ret->needles[0], sizeof(ret->needles[0]));
	text_put_json(&needle, subject);
	if (needle.truncated)
		return;
	ret->needle_count = 1;
	for (int kind = AUDIT_FIELD_ADDRESS; kind <= AUDIT_FIELD_TEXT; kind++) {
		char id[PERSONAL_SUBJECT_TEXT + 1];
		uint64_t number;
		int r = vault_find(e->vault, (enum field_kind)kind, subject, &number, NULL);

		if (r == -ENOENT || r == -EINVAL)
			continue;
		if (r < 0) {
			ret->needle_count = 0;
			return;
		}
		personal_subject_format(number, id);
		snprintf(ret->needles[ret->needle_count++], sizeof(ret->needles[0]),
			 "\"subject\":\"%s\"", id);
	}
}

static void put_hold(struct engine *e, const json_t *body, struct retention_hold *ret)
{
	const char *category = json_string_value(json_object_get(body, "category"));
	const char *subject = json_string_value(json_object_get(body, "subject"));
	int number = category ? audit_category_from_str(category) : -1;

	*ret = (struct retention_hold){.all = number < 0};
	if (number >= 0)
		ret->category = (enum audit_category)number;
	put_time(body, "since", ret->since);
	put_time(body, "until", ret->until);
	if (subject)
		put_subject(e, subject, ret);
}

int engine_retention_apply(struct engine *e, const struct engine_actor *actor, struct fault *reterr)
{
	struct governance *g = e->governance;
	struct retention_order order = {.uid = actor->uid};
	int r = governance_usable(e, reterr);
	const char *key;
	json_t *body;

	r = r ?: engine_proceed(actor, reterr, "archive and take out what is past its time");
	if (r < 0)
		return r;
	snprintf(order.username, sizeof(order.username), "%s", actor->username);
	snprintf(order.role, sizeof(order.role), "%s", actor->role);
	for (int i = 0; i < AUDIT_CATEGORY_MAX; i++)
		if (!never_expires(i))
			order.keep_s[i] = keep_of(e, i);
	order.archive = is_archived(e);
	order.keep_archives_s = keep_of(e, ARCHIVES);
	order.holds = calloc(json_object_size(g->holds) + 1, sizeof(*order.holds));
	if (!order.holds)
		return fault(reterr, -ENOMEM, "retention.start", "out of memory");
	json_object_foreach (g->holds, key, body) {
		put_hold(e, body, &order.holds[order.hold_count++]);
	}
	g->again = false;
	g->due_ns = clock_monotonic_ns() + RUN_NS;
	return retention_begin(g->retention, &order, reterr);
}

void governance_tick(struct engine *e)
{
	struct governance *g = e->governance;
	struct retention_report report;
	struct fault f = {0};
	bool any = false;

	if (!g || !g->retention || !g->errand || !e->store)
		return;
	requests_tick(e);
	if (!g->again && clock_monotonic_ns() < g->due_ns)
		return;
	retention_get_report(g->retention, &report);
	if (report.running)
		return;
	for (int i = 0; i <= AUDIT_CATEGORY_MAX; i++)
		any |= keep_of(e, i) > 0;
	/* A run that a new hold stopped goes on; one that was not running does not begin. */
	if (any && (!g->again || report.stopped)) {
		if (engine_retention_apply(e, &ENGINE_SYSTEM, &f) < 0)
			log_error("no record expires now", "error", f.text);
		return;
	}
	if (!g->again)
		g->due_ns = clock_monotonic_ns() + RUN_NS;
	g->again = false;
}

static json_t *json_run(struct engine *e)
{
	struct retention_report r = {0};

	if (e->governance && e->governance->retention)
		retention_get_report(e->governance->retention, &r);
	return json_pack("{s:b, s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:s?}", "running",
			 (int)r.running, "stopped", (int)r.stopped, "started_at",
			 time_or_null((int64_t)(r.started_ns / NSEC_PER_SEC)), "ended_at",
			 time_or_null((int64_t)(r.ended_ns / NSEC_PER_SEC)), "segments",
			 (json_int_t)r.segments, "rewritten", (json_int_t)r.rewritten, "expired",
			 (json_int_t)r.expired, "bytes_saved", (json_int_t)r.bytes_saved,
			 "archives_removed", (json_int_t)r.archives_removed, "error",
			 r.trouble.err ? r.trouble.text : NULL);
}

/* Where the policy rules it; null: it does not. */
static void put_line(json_t *item, const struct policy_keep *said)
{
	json_object_set_new(item, "policy_line", said ? json_integer(said->line) : json_null());
}

static json_t *json_archives(const struct engine *e)
{
	const struct policy_keep *said = policy_says(e, ARCHIVES);
	json_t *item = json_pack("{s:b, s:o}", "made", (int)is_archived(e), "keep_seconds",
				 said && said->s ? json_integer((json_int_t)said->s) : json_null());

	put_line(item, said);
	return item;
}

json_t *engine_retention_json(struct engine *e)
{
	json_t *items = json_array();

	for (int i = 0; i < AUDIT_CATEGORY_MAX; i++) {
		const char *name = audit_category_to_str((enum audit_category)i);
		const struct policy_keep *said = policy_says(e, i);
		json_t *rule =
			e->governance && !said ? json_object_get(e->governance->rules, name) : NULL;
		json_t *item = rule ? json_copy(rule)
				    : json_pack("{s:s, s:I}", "category", name, "keep_seconds",
						said ? (json_int_t)said->s : 0);

		if (!json_integer_value(json_object_get(item, "keep_seconds")))
			json_object_set_new(item, "keep_seconds", json_null());
		json_object_set_new(item, "fixed", json_boolean(never_expires(i)));
		put_line(item, said);
		json_array_append_new(items, item);
	}
	return json_pack("{s:o, s:o, s:o}", "items", items, "archives", json_archives(e), "run",
			 json_run(e));
}

json_t *engine_holds_json(const struct engine *e)
{
	json_t *items = json_array(), *body;
	const char *key;

	if (!e->governance)
		return json_pack("{s:o}", "items", items);
	json_object_foreach (e->governance->holds, key, body) {
		json_array_append(items, body);
	}
	return json_pack("{s:o}", "items", items);
}
