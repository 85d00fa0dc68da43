/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The doctor as the daemon sees it: where its files are, the host from its own namespaces, and what it alone knows. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/cleanup.h"
#include "doctor/doctor.h"
#include "engine/export.h"
#include "engine/ladder.h"
#include "engine/privacy.h"
#include "engine/seal.h"
#include "engine/telemetry.h"
#include "ladder/ladder.h"

/* A path as others can use it. */
static json_t *json_path(const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);

	return json_string(real ?: path);
}

static json_t *json_daemon(const struct call *c)
{
	const struct engine_options *o = engine_options(c->engine);

	return json_pack("{s:s, s:i, s:s, s:o, s:o, s:o, s:o, s:b}", "version", WEIR_VERSION, "pid",
			 (int)getpid(), "iface", o->iface, "state_dir", json_path(o->state_dir),
			 "policy", json_path(o->policy_path), "bpffs", json_path(o->pin_dir),
			 "socket", json_path(c->api->options.socket_path), "generic_allowed",
			 o->allow_generic);
}

/* A log that nobody signs still records; only who has a copy of a checkpoint could tell it from another. */
static void add_seal(const struct call *c, struct doctor_report *report)
{
	struct sealer_stats stats = {.state = SEALER_FAILING,
				     .because = "no thread could be started"};

	engine_seal_stats(c->engine, &stats);
	if (stats.state == SEALER_HALTED)
		doctor_add(report, "audit.sealing", DOCTOR_FAIL,
			   "find out who changed it; then weir audit checkpoint acknowledge",
			   "the audit log contradicts what was signed: %s", stats.because);
	else if (stats.state == SEALER_FAILING)
		doctor_add(report, "audit.sealing", DOCTOR_WARN, "weir status; it is tried again",
			   "the audit log is not signed: %s", stats.because);
	else
		doctor_add(report, "audit.sealing", DOCTOR_OK, "",
			   "a signed checkpoint covers %llu records",
			   (unsigned long long)stats.size);
}

/* The log is the queue: a target that is away misses nothing, until records expire. */
static void add_exports(const struct call *c, struct doctor_report *report)
{
	struct ship_stats stats[SHIP_TARGETS_MAX];
	size_t count = engine_export_stats(c->engine, stats);

	for (size_t i = 0; i < count; i++) {
		const struct ship_stats *s = &stats[i];
		unsigned long long lag = export_lag(c->engine, s);

		if (s->failing)
			doctor_add(report, "audit.export", DOCTOR_WARN,
				   "see to the target; what it lacks is sent when it is back",
				   "export %s to %.100s is %llu records behind: %.120s", s->name,
				   s->to, lag, s->because);
		else
			doctor_add(report, "audit.export", DOCTOR_OK, "",
				   "export %s to %.100s: %llu records sent, %llu behind", s->name,
				   s->to, (unsigned long long)s->sent, lag);
	}
}

static void add_otlp(const struct call *c, struct doctor_report *report)
{
	struct otlp_stats s;

	if (!engine_telemetry_stats(c->engine, &s))
		return;
	if (s.failing || s.spans_dropped)
		doctor_add(report, "otlp", DOCTOR_WARN, "see to the receiver; it is tried again",
			   "%.100s%s: %llu spans lost, %llu waiting: %.120s", s.endpoint,
			   s.failing ? " takes nothing" : "", (unsigned long long)s.spans_dropped,
			   (unsigned long long)s.spans_queued, s.because);
	else
		doctor_add(report, "otlp", DOCTOR_OK, "",
			   "%.100s took %llu spans, and metrics %llu times", s.endpoint,
			   (unsigned long long)s.spans_sent, (unsigned long long)s.metrics_sent);
}

/* What only the daemon knows: whether it can write, and what it had to give up. */
static void add_own(const struct call *c, struct doctor_report *report)
{
	const struct engine_store *store = engine_store_state(c->engine);
	const struct engine_feed *feed;
	struct recorder_stats stats;
	struct vault_status vault;

	recorder_get_stats(engine_recorder(c->engine), &stats);
	if (stats.degraded)
		doctor_add(report, "audit.writing", DOCTOR_FAIL,
			   "df -h the state directory; it goes on by itself",
			   "the audit log cannot be written, or only to its reserve: %s",
			   stats.degraded_because);
	else if (stats.lost)
		doctor_add(report, "audit.writing", DOCTOR_WARN, "weir audit tail",
			   "%llu records were lost since the daemon started; the log says when",
			   (unsigned long long)stats.lost);
	else
		doctor_add(report, "audit.writing", DOCTOR_OK, "",
			   "%llu records, none lost, %llu on their way",
			   (unsigned long long)stats.records, (unsigned long long)stats.pending);
	add_seal(c, report);
	add_exports(c, report);
	add_otlp(c, report);
	if (!engine_store_works(c->engine))
		doctor_add(report, "database", DOCTOR_FAIL, "mend it and restart the daemon",
			   "changes will not survive a reboot: %s", store->fault.text);
	else if (store->fault.err)
		doctor_add(report, "database", DOCTOR_WARN,
			   "weir lists block, and say who and why with weir block",
			   "it was lost: %.180s; %zu entries were recovered from the kernel",
			   store->fault.text, store->recovered);
	else
		doctor_add(report, "database", DOCTOR_OK, "", "changes are kept");
	vault_get_status(engine_vault(c->engine), &vault);
	if (vault.state != VAULT_WORKS)
		doctor_add(report, "vault", DOCTOR_FAIL,
			   "bring its key back (--vault-key) and restart the daemon",
			   "records name no addresses and no users: %.250s", vault.trouble.text);
	else if (vault.trouble.err)
		doctor_add(report, "vault", DOCTOR_WARN, "weir vault status", "it failed: %.250s",
			   vault.trouble.text);
	else
		doctor_add(report, "vault", DOCTOR_OK, "", "%llu subjects, key from %.200s",
			   (unsigned long long)vault.subjects, vault.key_source);
	for (size_t i = 0; (feed = engine_feed(c->engine, i)); i++)
		if (feed->error.err)
			doctor_add(report, "feeds", DOCTOR_WARN, "weir feeds", "feed %s: %.250s",
				   feed->name, feed->error.text);
}

/* Old kernels: it costs answers, no protection. */
static void add_watching(const struct call *c, struct doctor_report *report)
{
	const struct ladder *l = engine_ladder(c->engine);
	const struct fault *connections = engine_connections_trouble(c->engine);

	if (l && ladder_is_off(l))
		doctor_add(report, "drops", DOCTOR_OK, "",
			   "what the kernel drops is not counted: %.250s", ladder_trouble(l)->text);
	else if (!l || ladder_trouble(l)->err)
		doctor_add(report, "drops", DOCTOR_WARN, "a kernel of 5.17 or later, with BTF",
			   "weir drops lacks what the kernel drops: %.250s",
			   l ? ladder_trouble(l)->text : "out of memory");
	else
		doctor_add(report, "drops", DOCTOR_OK, "", "what the kernel drops is counted");
	if (connections->err)
		doctor_add(report, "connections", DOCTOR_WARN, "a kernel with BTF",
			   "weir connections has no answers: %.250s", connections->text);
	else
		doctor_add(report, "connections", DOCTOR_OK, "",
			   "connections are watched, and ended %s",
			   engine_connections_by_program(c->engine) ? "by a program"
								    : "through netlink");
}

static json_t *json_report(const struct doctor_report *report)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < report->count; i++) {
		const struct doctor_line *line = &report->lines[i];

		json_array_append_new(
			lines, json_pack("{s:s, s:s, s:s, s:s?}", "check", line->check, "status",
					 doctor_status_to_str(line->status), "found", line->found,
					 "fix", *line->fix ? line->fix : NULL));
	}
	return lines;
}

void handle_doctor(struct call *c)
{
	const struct engine_options *o = engine_options(c->engine);
	struct doctor_options options = {
		.sides = DOCTOR_HOST,
		.root = "",
		.state_dir = o->state_dir,
		.pin_dir = o->pin_dir,
		.policy_path = o->policy_path,
		.socket = c->api->options.socket_path,
		.daemon_runs = true,
	};
	_cleanup_free_ struct doctor_report *report = calloc(1, sizeof(*report));
	_cleanup_free_ char *names = strdup(o->iface);
	char *name, *rest = names;

	if (!report || !names)
		return reply_json(c, 200, NULL);
	/* One, or several with commas between them. */
	while ((name = strsep(&rest, ",")) && options.iface_count < DOCTOR_IFACES_MAX)
		if (*name)
			options.ifaces[options.iface_count++] = name;
	doctor_run(&options, report);
	add_own(c, report);
	add_watching(c, report);
	reply_json(
		c, 200,
		json_pack("{s:o, s:o}", "daemon", json_daemon(c), "checks", json_report(report)));
}
