/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The panic switch and the watchdog: set, switched on, and what they did recorded, also what was done while
 * there was no daemon. */
#include "engine/safety.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "datapath/panic.h"
#include "datapath/watchdog.h"
#include "engine/internal.h"

#define NOTE_WAITS_NS                                                                              \
	(2 * NSEC_PER_SEC) /* for who takes a number and is gone before he fills it in */

static void log_durable(struct safety_log *log, bool durable)
{
	/* What the disk refuses, the chain counts as lost; until it takes something again, the next daemon
	 * would tell of it once more. */
	if (durable)
		__atomic_store_n(log->recorded, log->barrier, __ATOMIC_RELEASE);
	log->barrier = 0;
}

static void panic_durable(bool durable, void *userdata)
{
	log_durable(&((struct engine *)userdata)->safety.panic, durable);
}

static void watchdog_durable(bool durable, void *userdata)
{
	log_durable(&((struct engine *)userdata)->safety.watchdog, durable);
}

/* What was submitted counts as recorded once it is on disk. */
static void log_submitted(struct engine *e, struct safety_log *log,
			  void (*durable)(bool durable, void *userdata))
{
	if (log->barrier || log->submitted == *log->recorded)
		return;
	log->barrier = log->submitted;
	if (recorder_when_durable(e->recorder, durable, e) < 0)
		log->barrier = 0;
}

static const char *override_str(uint8_t byte)
{
	return byte ? policy_mode_str((enum weir_mode)WEIR_OVERRIDE_MODE(byte)) : "none";
}

/* @asker: whose request it is that a daemon did, NULL: nobody's. */
static void record_panic(struct engine *e, const struct weir_panic_note *note, uint64_t missing,
			 const struct engine_actor *asker)
{
	const struct engine_actor actor = {
		.uid = note->uid,
		.username = note->username,
		.role = "admin",
		.request_id = asker && note->by_daemon ? asker->request_id : NULL,
		.trace_id = asker && note->by_daemon ? asker->trace_id : NULL,
	};
	struct audit_details details = {0};
	struct audit_record record = {
		.event = note->panic ? AUDIT_EVENT_PANIC_SET : AUDIT_EVENT_PANIC_CLEARED,
		.resource = {"interface", e->options.iface},
		.details = &details,
		.time_ns = note->at_ns,
	};

	audit_details_string(&details, "mode", override_str(note->panic));
	audit_details_string(&details, "reason", note->reason);
	audit_details_bool(&details, "daemon", note->by_daemon);
	if (missing)
		audit_details_u64(&details, "unrecorded_before", missing);
	engine_record(e, &record, &actor);
	if (note->panic)
		log_warn("PANIC: the mode is not the policy's until it is cleared", "mode",
			 override_str(note->panic), "by", note->username, "reason", note->reason);
	else
		log_info("the panic switch is cleared", "by", note->username, "reason",
			 note->reason);
}

/* Whoever took number @n has not filled it in yet: wait for him, but not for ever. */
static bool note_may_come(struct engine *e, uint64_t n)
{
	const struct weir_panic *notes = panic_notes(e->datapath);
	uint64_t now_ns = clock_monotonic_ns();

	if (notes->taken - n >= WEIR_PANIC_NOTES || notes->notes[n % WEIR_PANIC_NOTES].number > n)
		return false;
	if (!e->safety.note_waits_ns)
		e->safety.note_waits_ns = now_ns;
	return now_ns - e->safety.note_waits_ns < NOTE_WAITS_NS;
}

static void collect_panic(struct engine *e, const struct engine_actor *asker)
{
	const struct weir_panic *notes = panic_notes(e->datapath);
	struct safety_log *log = &e->safety.panic;
	struct weir_panic_note note;
	uint64_t missing = 0;

	while (log->submitted < __atomic_load_n(&notes->taken, __ATOMIC_ACQUIRE)) {
		if (panic_note(e->datapath, log->submitted + 1, &note)) {
			record_panic(e, &note, missing, asker);
			missing = 0;
		} else if (note_may_come(e, log->submitted + 1)) {
			break;
		} else {
			missing++;
		}
		e->safety.note_waits_ns = 0;
		log->submitted++;
	}
	if (missing)
		log_error("the panic switch was used, and nobody noted by whom");
	log_submitted(e, log, panic_durable);
}

static void record_watchdog(struct engine *e, const struct weir_watchdog *w,
			    const struct weir_watchdog_note *note, const char *cause)
{
	bool tripped = note->event == WEIR_WATCHDOG_TRIPPED;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = tripped ? AUDIT_EVENT_WATCHDOG_TRIPPED : AUDIT_EVENT_WATCHDOG_RECOVERED,
		.resource = {"interface", e->options.iface},
		.details = &details,
		.time_ns = clock_real_ns() - (clock_monotonic_ns() - note->at_ns),
	};

	audit_details_string(&details, "mode", tripped ? "monitor" : "enforce");
	audit_details_u64(&details, "packets_per_second", note->examined);
	audit_details_u64(&details, "refused_per_second", note->refused);
	audit_details_u64(&details, "drop_ratio_permille", w->drop_permille);
	audit_details_u64(&details, "policy_generation", note->generation);
	if (cause)
		audit_details_string(&details, "cause", cause);
	engine_record(e, &record, &ENGINE_SYSTEM);
	if (tripped)
		log_error("WATCHDOG: the limits refuse nearly all there is; the mode is monitor "
			  "until they do not");
	else
		log_warn("the watchdog is at ease: the policy is enforced again", "cause",
			 cause ?: "the limits refuse less");
}

static void collect_watchdog(struct engine *e)
{
	const struct weir_watchdog *w = watchdog_state(e->datapath);
	struct safety_log *log = &e->safety.watchdog;
	uint64_t noted;

	if (!w)
		return;
	noted = __atomic_load_n(&w->noted, __ATOMIC_ACQUIRE);
	if (noted - log->submitted > WEIR_WATCHDOG_NOTES)
		log->submitted = noted - WEIR_WATCHDOG_NOTES; /* it did so for days, without us */
	for (; log->submitted < noted; log->submitted++)
		record_watchdog(e, w, &w->notes[log->submitted % WEIR_WATCHDOG_NOTES], NULL);
	log_submitted(e, log, watchdog_durable);
}

void safety_start(struct engine *e)
{
	struct safety_log *log = &e->safety.panic;

	log->recorded = &panic_notes(e->datapath)->recorded;
	log->submitted = *log->recorded;
	collect_panic(e, NULL);
}

void safety_tick(struct engine *e)
{
	/* A timer on its way while the watchdog was switched off may have had the last word. */
	if (!e->policy->safety.has_watchdog && datapath_live(e->datapath)->watchdog)
		watchdog_set(e->datapath, NULL, NULL);
	collect_panic(e, NULL);
	collect_watchdog(e);
}

void safety_stopped(struct engine *e)
{
	struct safety_log *logs[] = {&e->safety.panic, &e->safety.watchdog};

	for (size_t i = 0; i < ARRAY_SIZE(logs); i++)
		if (logs[i]->recorded)
			*logs[i]->recorded = logs[i]->submitted;
}

int safety_prepare(struct engine *e, const struct policy *policy, struct fault *reterr)
{
	struct safety_log *log = &e->safety.watchdog;
	int r = watchdog_prepare(e->datapath, policy->safety.has_watchdog, reterr);

	if (r == 0 && !log->recorded && watchdog_state(e->datapath)) {
		log->recorded = &watchdog_state(e->datapath)->recorded;
		log->submitted = *log->recorded;
	}
	if (r == 0)
		e->safety.caps = policy->safety;
	return r;
}

void safety_abort(struct engine *e)
{
	if (e->policy)
		e->safety.caps = e->policy->safety;
}

void safety_commit(struct engine *e, const struct policy *policy)
{
	const struct policy_safety *s = &policy->safety;
	const struct weir_watchdog *w = watchdog_state(e->datapath);
	const struct watchdog_rule rule = {s->drop_ratio, s->hold_ns, s->recover_ns, s->minimum};
	struct fault f = {0};

	collect_watchdog(e);
	if (w && w->tripped && !s->has_watchdog) {
		const struct weir_watchdog_note note = {
			.at_ns = clock_monotonic_ns(),
			.event = WEIR_WATCHDOG_RECOVERED,
			.generation = datapath_generation(e->datapath),
		};

		record_watchdog(e, w, &note, "the policy has no watchdog");
	}
	if (watchdog_set(e->datapath, s->has_watchdog ? &rule : NULL, &f) < 0)
		log_error("the watchdog does not run", "error", f.text);
}

void engine_panic(const struct engine *e, struct engine_panic *ret)
{
	struct weir_panic_note note;
	int mode = panic_mode(e->datapath);

	*ret = (struct engine_panic){.set = mode != PANIC_NONE};
	if (!ret->set)
		return;
	ret->mode = (enum weir_mode)mode;
	if (!panic_note(e->datapath, panic_notes(e->datapath)->taken, &note))
		return;
	ret->since_ns = note.at_ns;
	memcpy(ret->username, note.username, sizeof(ret->username));
	memcpy(ret->reason, note.reason, sizeof(ret->reason));
}

int engine_panic_set(struct engine *e, int mode, const char *reason,
		     const struct engine_actor *actor, struct fault *reterr)
{
	const struct panic_request request = {
		.mode = mode,
		.uid = actor->uid,
		.username = actor->username,
		.reason = reason,
		.by_daemon = true,
	};

	if (reason && strlen(reason) > ENGINE_PANIC_REASON_MAX)
		return fault(reterr, -EINVAL, "panic.reason", "a reason has at most %d bytes",
			     ENGINE_PANIC_REASON_MAX);
	if (reason && !utf8_valid(reason, strlen(reason)))
		return fault(reterr, -EINVAL, "panic.reason", "the reason is not valid UTF-8");
	if (engine_proceed(actor, reterr, "%s the panic switch%s%s", mode < 0 ? "clear" : "set",
			   mode < 0 ? "" : " to ",
			   mode < 0 ? "" : policy_mode_str((enum weir_mode)mode)) < 0)
		return -EINPROGRESS;
	panic_set(e->datapath, &request);
	collect_panic(e, actor);
	return 0;
}

enum weir_mode engine_mode(const struct engine *e)
{
	return (enum weir_mode)weir_mode_now(datapath_live(e->datapath), e->policy->mode);
}

const struct weir_watchdog *engine_watchdog(const struct engine *e)
{
	return e->policy->safety.has_watchdog ? watchdog_state(e->datapath) : NULL;
}
