/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Start and end, the refused. */
#include "engine/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/internal.h"
#include "engine/trace.h"

#define TICK_MSEC_MAX	500
#define TRAFFIC_READ_NS (250 * NSEC_PER_MSEC)

const struct engine_actor ENGINE_SYSTEM = {.uid = 0, .username = "weir", .role = "system"};

int engine_proceed(const struct engine_actor *actor, struct fault *reterr, const char *format, ...)
{
	char words[200];
	va_list ap;

	if (!actor->dry_run)
		return 0;
	va_start(ap, format);
	vsnprintf(words, sizeof(words), format, ap);
	va_end(ap);
	utf8_repair(words);
	return fault(reterr, -EINPROGRESS, ENGINE_DRY_RUN, "%s", words);
}

/* What a record belongs to. */
static void put_request(struct audit_details *details, const char *key, const char *value)
{
	if (value && *value && details->count < AUDIT_DETAILS_MAX)
		audit_details_string(details, key, value);
}

void engine_record(struct engine *e, struct audit_record *record, const struct engine_actor *actor)
{
	struct audit_details details = {0};
	const struct audit_details *given = record->details;
	char uid[16];

	/* It did not happen, nor was it refused: the record of the request says what it was. */
	if (actor->dry_run)
		return;
	snprintf(uid, sizeof(uid), "%u", actor->uid);
	record->actor = (struct audit_actor){
		.user_id = uid,
		.username = actor->username,
		.role = actor->role,
	};
	if (actor->request_id) {
		if (given)
			details = *given;
		put_request(&details, "request_id", actor->request_id);
		put_request(&details, "trace_id", actor->trace_id);
		record->details = &details;
	}
	if (recorder_submit(e->recorder, record) < 0)
		log_error("an audit record was lost", "event", audit_event_to_str(record->event));
	record->details = given;
}

static int event_counts(struct weir_event_count *ret, void *userdata)
{
	struct engine *e = userdata;

	datapath_read_event_counts(e->datapath, ret);
	return 0;
}

static unsigned int limit_name(uint16_t slot, char ret[static WEIR_NAME_BYTES + 1], void *userdata)
{
	struct engine *e = userdata;
	unsigned int weight = POLICY_ASSET_NEUTRAL;

	pthread_mutex_lock(&e->names);
	snprintf(ret, WEIR_NAME_BYTES + 1, "%s", datapath_slot_name(e->datapath, slot));
	for (size_t i = 0; i < e->weight_count; i++)
		if (strcmp(e->weights[i].limit, ret) == 0)
			weight = e->weights[i].weight;
	pthread_mutex_unlock(&e->names);
	return weight;
}

static void wake(void *userdata)
{
	struct engine *e = userdata;

	e->options.wake(e->options.userdata);
}

static int start_recorder(struct engine *e, struct fault *reterr)
{
	const struct recorder_options options = {
		.events =
			{
				.live = datapath_live(e->datapath),
				.meta = datapath_meta(e->datapath),
				.cpu = datapath_cpu(e->datapath),
				.cpus = datapath_cpus(e->datapath),
				.ring_fd = datapath_ring_fd(e->datapath),
			},
		.chain_dir = e->audit_dir,
		.keeper = vault_keeper(e->vault),
		.opener = vault_opener(e->vault),
		.event_counts = event_counts,
		.limit_name = limit_name,
		.wake = wake,
		.userdata = e,
	};
	struct fault f = {0};
	int r = recorder_start(&options, &e->recorder, reterr);

	if (r < 0)
		return r;
	if (*recorder_origin_words(e->recorder))
		log_warn("audit chain", "found", recorder_origin_words(e->recorder));
	seal_start(e);
	if (indexer_start(e->audit_dir, &e->indexer, &f) < 0)
		log_warn("the audit log is not indexed; searching it is slow", "error", f.text);
	export_start(e);
	telemetry_start(e);
	return 0;
}

static void record_start(struct engine *e)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_SYSTEM_START,
		.resource = {"interface", e->options.iface},
		.details = &details,
	};

	audit_details_string(&details, "version", WEIR_VERSION);
	audit_details_u64(&details, "pid", (uint64_t)getpid());
	engine_record(e, &record, &ENGINE_SYSTEM);
}

static void record_upgrade(struct engine *e)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_SYSTEM_UPGRADE,
		.resource = {"interface", e->options.iface},
		.details = &details,
	};
	const char *version;
	uint64_t ms;
	uint32_t abi;

	if (!datapath_upgraded_from(e->datapath, &abi, &version, &ms))
		return;
	log_info("what another version had pinned was carried over", "version", version);
	audit_details_string(&details, "version", version);
	audit_details_u64(&details, "abi", abi);
	audit_details_u64(&details, "abi_now", WEIR_ABI);
	audit_details_u64(&details, "ms", ms);
	engine_record(e, &record, &ENGINE_SYSTEM);
}

static int make_paths(struct engine *e, struct fault *reterr)
{
	int a = snprintf(e->audit_dir, sizeof(e->audit_dir), "%s/audit", e->options.state_dir);
	int s = snprintf(e->store_path, sizeof(e->store_path), "%s/weir.db", e->options.state_dir);

	if (a >= (int)sizeof(e->audit_dir) || s >= (int)sizeof(e->store_path))
		return fault(reterr, -ENAMETOOLONG, "fs.open", "%s is too long a path",
			     e->options.state_dir);
	return fs_own_directory(e->options.state_dir, 0700, reterr);
}

/* With the datapath open: everything up to enforcing @policy. */
static int take_over(struct engine *e, struct policy **policy, struct fault *reterr)
{
	int r = datapath_check_interfaces(e->datapath, e->options.ifaces, e->options.iface_count,
					  e->options.wait_for_iface, reterr);
	bool enforced;

	if (r == 0)
		r = start_recorder(e, reterr);
	if (r < 0)
		return r;
	privacy_record(e);
	safety_start(e);
	store_start(e);
	governance_start(e);
	credentials_start(e);
	flags_load(e, *policy);
	usage_start(e);
	/* A program that serves what is in force must be there before that changes: the one of the daemon
	 * before may lack what the new policy needs, and would judge packets by half of it. */
	enforced = datapath_generation(e->datapath) != 0;
	r = lists_load(e, reterr);
	if (r == 0 && enforced)
		r = links_attach(e, reterr);
	if (r == 0)
		r = change_start(e, policy, reterr);
	if (r == 0 && !enforced)
		r = links_attach(e, reterr);
	if (r < 0)
		return r;
	record_start(e);
	record_upgrade(e);
	links_record(e);
	ladder_start(e);
	return 0;
}

int engine_open(const struct engine_options *options, struct engine **ret, struct fault *reterr)
{
	_cleanup_(engine_closep) struct engine *e = calloc(1, sizeof(*e));
	const struct policy_options profile = {.profile = options->profile};
	_cleanup_(policy_freep) struct policy *policy = NULL;
	int r;

	if (!e)
		return fault(reterr, -ENOMEM, "engine.memory", "out of memory");
	e->options = *options;
	e->started_ns = clock_real_ns();
	e->traffic = traffic_new();
	pthread_mutex_init(&e->names, NULL);
	r = policy_load_with(options->policy_path, &profile, &policy, reterr);
	if (r == 0)
		r = make_paths(e, reterr);
	if (r == 0)
		r = privacy_open(e, reterr);
	if (r == 0)
		privacy_take_policy(e, policy);
	if (r == 0)
		r = datapath_open(options->pin_dir, &e->datapath, reterr);
	if (r < 0)
		return r;
	r = take_over(e, &policy, reterr);
	if (r < 0) {
		datapath_abandon(e->datapath);
		return r;
	}
	*ret = take_ptr(e);
	return 0;
}

void engine_close(struct engine *e)
{
	struct audit_record record = {
		.event = AUDIT_EVENT_SYSTEM_STOP,
		.resource = {"interface", e ? e->options.iface : NULL},
	};

	if (!e)
		return;
	if (e->policy)
		usage_keep(e);
	engine_trace_end(e, &ENGINE_SYSTEM, "daemon", 0);
	governance_stop(e->governance); /* it tells the indexer what it wrote anew */
	indexer_stop(e->indexer);
	if (e->recorder) {
		calls_tick(e, true);
		engine_record(e, &record, &ENGINE_SYSTEM);
		export_stop(e);
		telemetry_stop(e);
		seal_stop(e);
		if (recorder_stop(e->recorder) < 0)
			log_error("the last audit records could not be written");
		else
			safety_stopped(e);
		seal_close(e);
	}
	ladder_stop(e);
	governance_free(e->governance);
	credentials_free(e->credentials);
	feeds_done(e);
	flags_done(e);
	calls_free(e);
	traffic_free(e->traffic);
	history_done(&e->history);
	control_free(e->control);
	usage_free(e->usage);
	list_image_done(&e->held);
	list_set_free(e->lists);
	store_close(e->store);
	vault_close(e->vault);
	policy_free(e->policy);
	datapath_close(e->datapath);
	pthread_mutex_destroy(&e->names);
	free(e);
}

int engine_detach(struct engine *e, const struct engine_actor *actor, struct fault *reterr)
{
	struct audit_record record = {
		.event = AUDIT_EVENT_SYSTEM_DETACH,
		.resource = {"interface", e->options.iface},
	};
	int r = engine_proceed(actor, reterr, "end enforcement on %s, and the daemon",
			       e->options.iface);

	if (r < 0)
		return r;
	usage_keep(e); /* the counters go with the pins; and once more, up to the last packet */
	r = datapath_remove(e->options.pin_dir, NULL, reterr);
	if (r < 0)
		return r;
	usage_keep(e);
	e->detached = true;
	engine_record(e, &record, actor);
	return 0;
}

bool engine_is_detached(const struct engine *e)
{
	return e->detached;
}

void engine_denied(struct engine *e, const struct engine_actor *actor, const char *what,
		   const char *rule)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_AUTH_DENIED,
		.outcome = AUDIT_DENIED,
		.resource = {"request", what},
		.details = &details,
	};
	uint64_t now_ns = clock_monotonic_ns();

	/* Whoever may not change anything must not be able to fill the chain either. */
	if (e->denied_ns && now_ns - e->denied_ns < NSEC_PER_SEC) {
		e->denied_since++;
		return;
	}
	audit_details_u64(&details, "unrecorded_before", e->denied_since);
	if (rule)
		audit_details_string(&details, "access_rule", rule);
	e->denied_ns = now_ns;
	e->denied_since = 0;
	engine_record(e, &record, actor);
}

int engine_may_change(struct engine *e, const struct engine_actor *actor, const char *what,
		      struct fault *reterr)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_AUDIT_CHANGE_REFUSED,
		.outcome = AUDIT_DENIED,
		.resource = {"request", what},
		.details = &details,
	};
	uint64_t now_ns = clock_monotonic_ns();
	struct recorder_stats stats;

	recorder_get_stats(e->recorder, &stats);
	if (!stats.degraded || !e->policy || e->policy->audit.on_full == POLICY_ALLOW)
		return 0;
	if (e->unwritable_ns && now_ns - e->unwritable_ns < NSEC_PER_SEC) {
		e->unwritable_since++;
	} else {
		audit_details_string(&details, "reason", stats.degraded_because);
		audit_details_u64(&details, "unrecorded_before", e->unwritable_since);
		e->unwritable_ns = now_ns;
		e->unwritable_since = 0;
		engine_record(e, &record, actor);
	}
	return fault(reterr, -ENOSPC, "audit.unwritable",
		     "nothing can be changed while the audit log cannot be written (audit.on_full: "
		     "refuse): %.250s",
		     stats.degraded_because);
}

int engine_reported(struct engine *e, const struct engine_report *report,
		    const struct engine_actor *actor, struct fault *reterr)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_AUDIT_REPORTED,
		.resource = {"audit", "report"},
		.details = &details,
	};
	struct recorder_stats stats;

	recorder_get_stats(e->recorder, &stats);
	if (stats.degraded)
		return fault(reterr, -EBUSY, "audit.refused",
			     "that a report is made cannot be recorded: %s",
			     stats.degraded_because);
	audit_details_string(&details, "since", report->since);
	audit_details_string(&details, "until", report->until);
	audit_details_string(&details, "framework", report->framework);
	audit_details_string(&details, "format", report->format);
	engine_record(e, &record, actor);
	return 0;
}

uint64_t engine_tick(struct engine *e)
{
	uint64_t now_ns = clock_monotonic_ns(), due_ns, links_due_ns, telemetry_due_ns, wait_ms;

	if (e->detached)
		return TICK_MSEC_MAX;
	if (now_ns >= e->lists_due_ns) {
		lists_expire(e);
		privacy_tick(e);
		governance_tick(e);
		calls_tick(e, false);
		feeds_tick(e);
		if (e->lists_unknown) /* a change failed half way */
			lists_synchronise(e, NULL);
		e->lists_due_ns = now_ns + NSEC_PER_SEC;
	}
	flags_tick(e);
	if (e->traffic && now_ns >= e->traffic_due_ns) {
		traffic_read(e->traffic, e->datapath);
		e->traffic_due_ns = now_ns + TRAFFIC_READ_NS;
	}
	change_tick(e);
	control_tick(e);
	usage_tick(e);
	safety_tick(e);
	links_due_ns = links_tick(e);
	telemetry_due_ns = telemetry_tick(e);
	now_ns = clock_monotonic_ns();
	due_ns = control_due_ns(e);
	if (change_due_ns(e) < due_ns)
		due_ns = change_due_ns(e);
	if (usage_due_ns(e) < due_ns)
		due_ns = usage_due_ns(e);
	if (e->traffic && e->traffic_due_ns < due_ns)
		due_ns = e->traffic_due_ns;
	if (links_due_ns < due_ns)
		due_ns = links_due_ns;
	if (telemetry_due_ns < due_ns)
		due_ns = telemetry_due_ns;
	if (e->lists_due_ns < due_ns)
		due_ns = e->lists_due_ns;
	wait_ms = due_ns > now_ns ? (due_ns - now_ns) / NSEC_PER_MSEC + 1 : 1;
	return wait_ms < TICK_MSEC_MAX ? wait_ms : TICK_MSEC_MAX;
}

void engine_recorder_completions(struct engine *e)
{
	recorder_completions(e->recorder);
	if (!e->detached)
		feeds_collect(e);
}

const struct engine_options *engine_options(const struct engine *e)
{
	return &e->options;
}

struct datapath *engine_datapath(const struct engine *e)
{
	return e->datapath;
}

const struct list_set *engine_lists(const struct engine *e)
{
	return e->lists;
}

const struct policy *engine_policy(const struct engine *e)
{
	return e->policy;
}

struct recorder *engine_recorder(const struct engine *e)
{
	return e->recorder;
}

const struct history *engine_history(const struct engine *e)
{
	return &e->history;
}

const char *engine_set_aside(const struct engine *e)
{
	return e->set_aside;
}

bool engine_store_works(const struct engine *e)
{
	return e->store;
}

const struct engine_store *engine_store_state(const struct engine *e)
{
	return &e->store_state;
}

uint64_t engine_started_ns(const struct engine *e)
{
	return e->started_ns;
}

uint64_t engine_policy_loaded_ns(const struct engine *e)
{
	return e->policy_loaded_ns;
}

const char *engine_audit_dir(const struct engine *e)
{
	return e->audit_dir;
}
