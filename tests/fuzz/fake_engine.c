/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "fake_engine.h"

#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "base/words.h"
#include "datapath/panic.h"
#include "datapath/twin.h"
#include "engine/answers.h"
#include "engine/flags.h"
#include "engine/ladder.h"
#include "engine/privacy.h"
#include "engine/safety.h"
#include "engine/seal.h"
#include "engine/telemetry.h"
#include "engine/usage.h"
#include "fuzz.h"

#define POLICY "apiVersion: weir/v1\nmode: enforce\nlimits: [{name: a, scope: source, rate: 1/s}]\n"

const struct engine_actor ENGINE_SYSTEM = {.username = "weir", .role = "system"};

static const struct list_now now = {.real_ns = 1000, .monotonic_ns = 10};

static int add(struct engine *e, enum list_kind kind, const char *prefix, enum list_origin origin)
{
	struct list_entry entry = {
		.key = {.kind = kind, .origin = origin},
		.until_ns = WEIR_FOREVER,
		.reason = "from the start",
	};
	int r = prefix_parse(prefix, &entry.key.prefix);

	return r < 0 ? r : list_set_add(e->lists, &entry, &now, NULL);
}

void fake_engine_init(struct engine *e, const char *audit_dir)
{
	*e = (struct engine){
		.options = {.iface = "eth0"}, .audit_dir = audit_dir, .panic = PANIC_NONE};
	REQUIRE(list_set_new(&e->lists) == 0, "no memory");
	REQUIRE(add(e, LIST_ALLOW, "192.0.2.0/24", LIST_POLICY) == 0 &&
			add(e, LIST_BLOCK, "198.51.100.7", LIST_OPERATOR) == 0 &&
			add(e, LIST_BLOCK, "2001:db8::/32", LIST_POLICY) == 0,
		"cannot fill the lists");
	REQUIRE(policy_parse("base", POLICY, strlen(POLICY), &e->policy, NULL) == 0, "no policy");
}

void fake_engine_done(struct engine *e)
{
	list_set_free(e->lists);
	policy_free(e->policy);
}

/* The record that the engine would submit, with what came from outside in it. */
static void record(enum audit_event event, const struct engine_actor *actor, const char *type,
		   const char *id, const char *reason)
{
	static const uint8_t zeros[AUDIT_HASH_SIZE];
	const struct audit_position at = {.event_id = zeros, .previous_hash = zeros};
	struct audit_details details = {0};
	struct audit_record r = {
		.event = event,
		.actor = {.username = actor->username, .role = actor->role},
		.resource = {type, id},
		.details = &details,
	};
	struct record_view view;
	struct text out;

	audit_details_string(&details, "reason", reason ?: "");
	text_init_growing(&out);
	record_write(&r, &at, &out);
	REQUIRE(out.length > AUDIT_RECORD_MAX || record_parse(out.data, out.length, &view) == 0,
		"a record that weir cannot read: %s", out.data);
	text_done(&out);
}

int engine_audit_read(struct engine *e, const struct engine_actor *actor, const char *what,
		      const struct audit_details *criteria, struct fault *reterr)
{
	(void)reterr;
	(void)criteria;
	e->questions++;
	record(AUDIT_EVENT_AUDIT_SEARCHED, actor, "audit", what, NULL);
	return 0;
}

/* Nothing is ever asked again. */
int engine_answer_find(struct engine *e, uid_t uid, const char *key, struct store_answer_found *ret,
		       struct fault *reterr)
{
	(void)e;
	(void)uid;
	(void)key;
	(void)ret;
	return fault(reterr, -ENOENT, "store.absent", "there is none");
}

int engine_answer_keep(struct engine *e, struct store_answer answer, struct fault *reterr)
{
	(void)e;
	(void)reterr;
	REQUIRE(*answer.key && strlen(answer.request) == 64 && answer.status < 300 && answer.body,
		"an answer that cannot be given again");
	return 0;
}

void engine_block_findings(struct engine *e, const struct prefix *prefix,
			   const struct engine_actor *actor, struct safety_findings *ret)
{
	(void)e;
	(void)prefix;
	(void)actor;
	*ret = (struct safety_findings){0};
}

int engine_list_add(struct engine *e, const struct engine_list_request *request,
		    const struct engine_actor *actor, bool *ret_persisted, struct fault *reterr)
{
	struct list_entry entry = {
		.key = {.kind = request->kind, .prefix = request->prefix, .origin = LIST_OPERATOR},
		.until_ns = request->ttl_ns ? now.real_ns + request->ttl_ns : WEIR_FOREVER,
		.reason = request->reason,
		.added_by = actor->username,
	};
	int r = list_set_add(e->lists, &entry, &now, reterr);

	if (r < 0)
		return r;
	e->changes++;
	record(AUDIT_EVENT_LIST_ADD, actor, list_kind_to_str(request->kind), "", request->reason);
	*ret_persisted = true;
	return 0;
}

int engine_list_remove(struct engine *e, enum list_kind kind, const struct prefix *prefix,
		       const struct engine_actor *actor, bool *ret_persisted, struct fault *reterr)
{
	const struct list_key key = {.kind = kind, .prefix = *prefix, .origin = LIST_OPERATOR};

	if (list_set_remove(e->lists, &key) < 0)
		return fault(reterr, -ENOENT, "lists.absent", "it is not on the %s list",
			     list_kind_to_str(kind));
	e->changes++;
	record(AUDIT_EVENT_LIST_REMOVE, actor, list_kind_to_str(kind), "", NULL);
	*ret_persisted = true;
	return 0;
}

int engine_change_policy(struct engine *e, const struct engine_policy_change *change,
			 const struct engine_actor *actor, struct fault *reterr)
{
	const char *text = change->text ?: POLICY;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	int r = policy_parse("request", text, change->text ? change->length : strlen(POLICY),
			     &policy, reterr);

	/* Compiling it is what fuzz_policy.c does; here it would only take time. */
	if (r < 0)
		return r;
	policy_free(e->policy);
	e->policy = take_ptr(policy);
	e->changes++;
	record(AUDIT_EVENT_POLICY_APPLY, actor, "policy", e->policy->metadata.name, change->reason);
	return 0;
}

const char *engine_set_aside(const struct engine *e)
{
	(void)e;
	return "";
}

void engine_refusal_done(struct engine_refusal *r)
{
	policy_report_free(r->report);
	r->report = NULL;
}

int engine_rollback(struct engine *e, uint32_t generation, const char *reason, uint32_t base,
		    const struct engine_actor *actor, struct fault *reterr)
{
	(void)base;
	if (generation > 1)
		return fault(reterr, -ENOENT, "policy.generation", "no generation %u", generation);
	e->changes++;
	record(AUDIT_EVENT_POLICY_ROLLBACK, actor, "policy", "", reason);
	return 0;
}

int engine_confirm(struct engine *e, uint32_t generation, const struct engine_actor *actor,
		   struct fault *reterr)
{
	if (generation != 1)
		return fault(reterr, -ESTALE, "policy.stale", "no generation %u", generation);
	e->changes++;
	record(AUDIT_EVENT_POLICY_CONFIRM, actor, "policy", "", NULL);
	return 0;
}

/* One generation, whose text is there. */
static const struct history history = {
	.items = {{.generation = 1, .username = "root", .reason = "because", .length = 1}},
	.count = 1,
	.pending = {.is = true, .generation = 1, .asked = 1},
};

const struct history *engine_history(const struct engine *e)
{
	(void)e;
	return &history;
}

const struct history_item *history_find(const struct history *h, uint32_t generation)
{
	return generation == 1 ? h->items : NULL;
}

int history_text(const struct history *h, uint32_t generation, char **ret, size_t *ret_length,
		 struct fault *reterr)
{
	(void)h;
	if (generation != 1)
		return fault(reterr, -ENOENT, "policy.generation", "no generation %u", generation);
	*ret = strdup("x");
	*ret_length = 1;
	return *ret ? 0 : -ENOMEM;
}

uint64_t history_pending_left_ns(const struct history *h)
{
	(void)h;
	return 1;
}

const char *history_how_str(enum history_how how)
{
	(void)how;
	return "apply";
}

const char *history_state_str(enum history_state state)
{
	(void)state;
	return "in_force";
}

int engine_detach(struct engine *e, const struct engine_actor *actor, struct fault *reterr)
{
	(void)reterr;
	e->changes++;
	record(AUDIT_EVENT_SYSTEM_DETACH, actor, "interface", e->options.iface, NULL);
	return 0;
}

int engine_detach_link(struct engine *e, const char *iface, const struct engine_actor *actor,
		       struct fault *reterr)
{
	(void)reterr;
	e->changes++;
	record(AUDIT_EVENT_SYSTEM_DETACH, actor, "interface", iface, NULL);
	return 0;
}

bool engine_is_detached(const struct engine *e)
{
	(void)e;
	return true;
}

void engine_denied(struct engine *e, const struct engine_actor *actor, const char *what,
		   const char *rule)
{
	(void)rule;
	e->denied++;
	record(AUDIT_EVENT_AUTH_DENIED, actor, "request", what, NULL);
}

int engine_may_change(struct engine *e, const struct engine_actor *actor, const char *what,
		      struct fault *reterr)
{
	(void)e;
	(void)actor;
	(void)what;
	(void)reterr;
	return 0;
}

const struct engine_options *engine_options(const struct engine *e)
{
	return &e->options;
}

/* Nothing is ever kept: what was asked for is refused, or there is none. */
const struct list_set *engine_lists(const struct engine *e)
{
	return e->lists;
}

const struct policy *engine_policy(const struct engine *e)
{
	return e->policy;
}

const char *engine_audit_dir(const struct engine *e)
{
	return e->audit_dir;
}

/* There is no kernel: no limits, no buckets, no drops. */
struct datapath *engine_datapath(const struct engine *e)
{
	(void)e;
	return NULL;
}

int64_t engine_usage_today(void)
{
	return 20778;
}

int engine_usage_read(struct engine *e, const char *tenant, int64_t first, int64_t last,
		      struct engine_usage **ret, size_t *ret_count, struct fault *reterr)
{
	(void)e;
	REQUIRE(strlen(tenant) <= POLICY_NAME_MAX && first <= last && last - first < USAGE_DAYS_MAX,
		"days that cannot be asked for");
	if (strlen(tenant) % 2)
		return fault(reterr, -ENOENT, "tenants.absent", "nobody of that name");
	*ret = calloc(2, sizeof(**ret));
	REQUIRE(*ret, "no memory");
	(*ret)[0] = (struct engine_usage){.day = last, .since = last - 1};
	(*ret)[1] = (struct engine_usage){.day = last - 1, .since = last - 1};
	*ret_count = 2;
	return 0;
}

const struct engine_link *engine_link(const struct engine *e, size_t index)
{
	static const struct engine_link link = {.name = "eth0"};

	(void)e;
	return index ? NULL : &link;
}

const char *engine_link_state_to_str(enum engine_link_state state)
{
	(void)state;
	return "attached";
}

struct recorder *engine_recorder(const struct engine *e)
{
	(void)e;
	return NULL;
}

size_t recorder_of_source(struct recorder *r, const uint8_t source[static 16],
			  struct events_window ret[static RECORDER_SOURCE_WINDOWS_MAX])
{
	(void)r;
	(void)source;
	(void)ret;
	return 0;
}

void recorder_get_stats(struct recorder *r, struct recorder_stats *ret)
{
	(void)r;
	*ret = (struct recorder_stats){0};
}

int engine_reported(struct engine *e, const struct engine_report *report,
		    const struct engine_actor *actor, struct fault *reterr)
{
	(void)e;
	(void)reterr;
	record(AUDIT_EVENT_AUDIT_REPORTED, actor, "audit", "report", report->framework);
	return 0;
}

int recorder_when_durable(struct recorder *r, void (*fn)(bool durable, void *userdata),
			  void *userdata)
{
	(void)r;
	fn(true, userdata);
	return 0;
}

/* What reads nothing of a request is left out: it would take a kernel. */
void handle_policy_plan(struct call *c)
{
	reply_json(c, 200, json_object());
}

void handle_status(struct call *c)
{
	reply_json(c, 200, json_object());
}

const struct personal_opener *engine_audit_opener(const struct engine *e)
{
	(void)e;
	return NULL;
}

void handle_vault(struct call *c)
{
	reply_json(c, 200, json_object());
}

void handle_vault_rotate(struct call *c)
{
	reply_json(c, 200, json_object());
}

void handle_drops(struct call *c)
{
	reply_json(c, 200, json_object());
}

/* One connection, which anybody may mean. */
static const struct weir_socket_row connection = {
	.cookie = 7, .state = 1, .local_port = 443, .remote_port = 4242};

int engine_connections(const struct engine *e, const struct connection_filter *f,
		       struct connection_page *page, struct fault *reterr)
{
	(void)e;
	(void)reterr;
	if (connection_matches(f, &connection, 1))
		connection_page_add(page, &connection);
	connection_page_end(page);
	return 0;
}

int engine_services(const struct engine *e, struct sockets_service **ret, size_t *ret_count,
		    struct fault *reterr)
{
	(void)e;
	(void)ret;
	(void)ret_count;
	return fault(reterr, -ECANCELED, "connections.unavailable", "there is no kernel");
}

int engine_connections_kill(struct engine *e, const struct engine_connections_kill *kill,
			    const struct engine_actor *actor, struct engine_connections_killed *ret,
			    struct fault *reterr)
{
	if (connection_filter_is_empty(&kill->filter))
		return fault(reterr, -EINVAL, "connections.filter", "say which");
	*ret = (struct engine_connections_killed){.ended = !kill->dry_run};
	if (kill->dry_run)
		return 0;
	e->changes++;
	record(AUDIT_EVENT_CONNECTIONS_KILLED, actor, "connections", "tcp", kill->reason);
	return 0;
}

void handle_doctor(struct call *c)
{
	reply_json(c, 200, json_pack("{s:b}", "fake", true));
}

void handle_top(struct call *c)
{
	reply_json(c, 200, json_pack("{s:[]}", "items"));
}

void handle_metrics(struct call *c)
{
	struct text out;

	text_init_growing(&out);
	reply_text(c, "text/plain", &out);
}

const struct engine_feed *engine_feed(const struct engine *e, size_t index)
{
	(void)e;
	(void)index;
	return NULL;
}

bool engine_limit(const struct engine *e, size_t index, struct engine_limit *ret)
{
	(void)e;
	(void)index;
	(void)ret;
	return false;
}

int engine_post_target(struct engine *e, const char *name, uint64_t value,
		       const struct engine_actor *actor, bool *ret_recorded, struct fault *reterr)
{
	(void)value;
	if (strcmp(name, "a") != 0)
		return fault(reterr, -ENOENT, "limits.absent", "there is no limit '%.64s'", name);
	record(AUDIT_EVENT_LIMIT_POSTED, actor, "limit", name, NULL);
	e->changes++;
	*ret_recorded = true;
	return 0;
}

/* One flag, of which something is set and which the policy does not have. */
static const struct flag_setting flag = {
	.name = "f", .has_enabled = true, .until_ns = WEIR_FOREVER, .reason = "a reason"};

bool engine_flag(const struct engine *e, size_t index, struct engine_flag *ret)
{
	(void)e;
	*ret = (struct engine_flag){.name = flag.name, .setting = &flag};
	return index == 0;
}

bool engine_flag_applies(const struct engine *e, const struct policy_limit *limit,
			 const uint8_t source[static 16])
{
	(void)e;
	(void)source;
	return !limit->flag;
}

int engine_flag_set(struct engine *e, const char *name, const struct engine_flag_change *change,
		    const struct engine_actor *actor, bool *ret_persisted, struct fault *reterr)
{
	size_t length = change->rollout ? strlen(change->rollout) : 0;

	for (size_t i = 0; i < change->source_count; i++)
		length += strlen(change->sources[i]);
	for (size_t i = 0; i < change->tenant_count; i++)
		length += strlen(change->tenants[i]);
	REQUIRE(change->source_count <= FLAG_SOURCES_MAX + 1 &&
			change->tenant_count <= FLAG_TENANTS_MAX + 1,
		"more than the engine asked for");
	record(AUDIT_EVENT_FLAG_SET, actor, "flag", name, change->reason);
	if (strcmp(name, flag.name) != 0)
		return fault(reterr, -ENOENT, "flags.absent", "there is no flag '%.60s'", name);
	e->changes++;
	*ret_persisted = length % 2;
	return 0;
}

int engine_flag_unset(struct engine *e, const char *name, const struct engine_actor *actor,
		      bool *ret_persisted, struct fault *reterr)
{
	record(AUDIT_EVENT_FLAG_UNSET, actor, "flag", name, NULL);
	if (strcmp(name, flag.name) != 0)
		return fault(reterr, -ENOENT, "flags.absent", "there is no flag '%.60s'", name);
	e->changes++;
	*ret_persisted = true;
	return 0;
}

json_t *json_list_count(const struct engine *e, enum list_kind kind)
{
	return json_integer((json_int_t)list_set_count(e->lists, kind).addresses);
}

void engine_panic(const struct engine *e, struct engine_panic *ret)
{
	*ret = (struct engine_panic){.set = e->panic != PANIC_NONE};
	if (!ret->set)
		return;
	ret->mode = (enum weir_mode)e->panic;
	snprintf(ret->username, sizeof(ret->username), "root");
}

int engine_panic_set(struct engine *e, int mode, const char *reason,
		     const struct engine_actor *actor, struct fault *reterr)
{
	(void)reterr;
	e->panic = mode;
	e->changes++;
	record(mode == PANIC_NONE ? AUDIT_EVENT_PANIC_CLEARED : AUDIT_EVENT_PANIC_SET, actor,
	       "interface", e->options.iface, reason);
	return 0;
}

enum weir_mode engine_mode(const struct engine *e)
{
	return e->panic == PANIC_NONE ? e->policy->mode : (enum weir_mode)e->panic;
}

const struct weir_watchdog *engine_watchdog(const struct engine *e)
{
	(void)e;
	return NULL;
}

bool engine_seal_stats(const struct engine *e, struct sealer_stats *ret)
{
	(void)e;
	(void)ret;
	return false;
}

int engine_seal_rotate(struct engine *e, const char *reason, const struct engine_actor *actor,
		       char ret_keys[static 2][NOTE_VERIFIER_SIZE], struct fault *reterr)
{
	(void)reterr;
	e->changes++;
	record(AUDIT_EVENT_AUDIT_KEY_ROTATED, actor, "chain", "audit", reason);
	ret_keys[0][0] = ret_keys[1][0] = '\0';
	return 0;
}

int engine_seal_acknowledge(struct engine *e, const char *reason, const struct engine_actor *actor,
			    char ret_name[static NOTE_NAME_MAX + 1], struct fault *reterr)
{
	(void)e;
	record(AUDIT_EVENT_AUDIT_ACKNOWLEDGED, actor, "chain", "audit", reason);
	*ret_name = '\0';
	return fault(reterr, -EPERM, "audit.acknowledge", "there is nothing to acknowledge");
}

void engine_called(struct engine *e, const struct engine_call *call)
{
	(void)e;
	REQUIRE(*call->operation && *call->request_id && call->status, "a call without a name");
}

bool engine_wants_requests(const struct engine *e)
{
	(void)e;
	return true;
}

/* What a request became is JSON, whatever it was. */
void engine_put_span(struct engine *e, const struct otlp_span *s)
{
	struct text t;
	json_t *o;

	(void)e;
	text_init_growing(&t);
	otlp_put_span(&t, s);
	o = json_loadb(t.data, t.length, JSON_REJECT_DUPLICATES, NULL);
	REQUIRE(o, "a span is no JSON: %s", t.data);
	json_decref(o);
	text_done(&t);
}

bool engine_telemetry_stats(const struct engine *e, struct otlp_stats *ret)
{
	(void)e;
	(void)ret;
	return false;
}
