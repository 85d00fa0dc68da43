/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a policy: asked for, checked, written down, put in force, confirmed or undone, gone back to.
 *
 * The order of an apply: the text is staged beside the policy file; history and store say that generation
 * N is begun; the datapath flips to N; the staged file takes the policy file's place; history and store
 * say that N is in force. Who starts after a death in between finds N begun, and the datapath's generation
 * tells whether it came into force; if so the file is brought up to date, else N is forgotten. While a
 * policy waits to be confirmed, the file keeps the text before it.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/change_internal.h"

#define RETRY_NS (5 * NSEC_PER_SEC) /* between attempts to undo a policy */

static void put_reason(struct audit_details *details, const struct change *c)
{
	if (c->reason && *c->reason)
		audit_details_string(details, "reason", c->reason);
	if (c->base)
		audit_details_u64(details, "base", c->base);
	if (c->confirm_ns)
		audit_details_u64(details, "confirm_seconds", c->confirm_ns / NSEC_PER_SEC);
	if (c->force)
		audit_details_bool(details, "force", true);
	if (c->source)
		audit_details_u64(details, "text_of", c->source);
}

static void put_policy(struct audit_details *details, const struct policy *policy)
{
	audit_details_string(details, "sha256", policy->sha256);
	if (policy->profile)
		audit_details_string(details, "profile", policy->profile);
	if (policy->metadata.name)
		audit_details_string(details, "name", policy->metadata.name);
	if (policy->metadata.change)
		audit_details_string(details, "change", policy->metadata.change);
	audit_details_u64(details, "limits", policy->limit_count);
	audit_details_u64(details, "list_entries", policy->allow.count + policy->block.count);
}

/* @policy may be NULL; @generation 0: none came into force. */
static void record_change(struct engine *e, enum audit_event event, const struct change *c,
			  const struct policy *policy, uint32_t generation, const struct fault *f)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = event,
		.outcome = f ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = {"policy", e->options.policy_path},
		.details = &details,
	};
	const struct history_item *item = history_find(&e->history, generation);

	audit_details_string(&details, "how", history_how_str(c->how));
	put_reason(&details, c);
	if (policy)
		put_policy(&details, policy);
	if (generation) {
		audit_details_u64(&details, "generation", generation);
		audit_details_u64(&details, "limits_not_in_force", control_waiting(e));
		audit_details_bool(&details, "persisted", item && item->persisted);
		if (*e->set_aside)
			audit_details_string(&details, "set_aside", e->set_aside);
	}
	if (f) {
		audit_details_string(&details, "code", f->code);
		audit_details_string(&details, "error", f->text);
	}
	engine_record(e, &record, c->actor);
}

static enum audit_event outcome_of(const struct change *c)
{
	if (c->how == HISTORY_ROLLBACK)
		return AUDIT_EVENT_POLICY_ROLLBACK;
	return c->how == HISTORY_AUTOMATIC ? AUDIT_EVENT_POLICY_UNDONE : AUDIT_EVENT_POLICY_APPLY;
}

/* As the history counts: the datapath may be ahead, for what is no change of the policy's text. */
static uint32_t generation_in_force(const struct engine *e)
{
	const struct history_item *current = history_current(&e->history);

	return current ? current->generation : 0;
}

static void describe(const struct engine *e, const struct policy *policy, const struct change *c,
		     struct history_item *ret)
{
	*ret = (struct history_item){
		.generation = datapath_next_generation(e->datapath),
		.parent = generation_in_force(e),
		.length = policy->length,
		.uid = c->actor->uid,
		.applied_ns = clock_real_ns(),
		.how = c->how,
	};
	memcpy(ret->sha256, policy->sha256, sizeof(ret->sha256));
	snprintf(ret->username, sizeof(ret->username), "%s", c->actor->username);
	snprintf(ret->reason, sizeof(ret->reason), "%s", c->reason ?: "");
	snprintf(ret->profile, sizeof(ret->profile), "%s", policy->profile ?: "");
	snprintf(ret->daemon_profile, sizeof(ret->daemon_profile), "%s", e->options.profile ?: "");
	ret->profile_known = true;
}

/* What is to be confirmed of the change to @generation; false: nothing is. */
static bool make_pending(const struct engine *e, const struct change *c, uint32_t generation,
			 struct history_pending *ret)
{
	if (c->pending) {
		*ret = *c->pending;
		ret->generation = generation;
		return true;
	}
	if (!c->confirm_ns)
		return false;
	*ret = (struct history_pending){
		.is = true,
		.generation = generation,
		.asked = generation,
		.former = generation_in_force(e),
		.until_boot_ns = clock_boot_ns() + c->confirm_ns,
		.since_real_ns = clock_real_ns(),
		.until_real_ns = clock_real_ns() + c->confirm_ns,
	};
	return true;
}

/* The files may say that already, because somebody edited them in place: until it is confirmed, the policy file
 * goes beside, and what is in force is what the next daemon reads. */
static int spare_file(struct engine *e, const struct policy *policy, bool *ret_spared,
		      struct fault *reterr)
{
	int r;

	if (strcmp(policy->sha256, e->policy->sha256) == 0 || !files_say(e, policy))
		return 0;
	r = files_put(e, e->policy, true, reterr);
	*ret_spared = r == 0;
	return r;
}

/* The policy was refused after all: the file is what its editor left. */
static void put_spared_back(struct engine *e, const struct policy *policy)
{
	struct fault f = {0};

	if (files_put(e, policy, false, &f) < 0)
		log_error("the policy file lacks what was edited, which is beside it", "error",
			  f.text);
}

/* The file has the last word on what the next daemon enforces: without it nothing has changed. */
static int put_file(struct engine *e, struct files_change *file, struct policy **former,
		    struct fault *reterr)
{
	struct fault f = {0};
	int r = files_commit(e, file, reterr);

	if (r < 0 && *former && policy_enforce(e, former, NULL, false, &f) < 0)
		log_error("the former policy cannot be put in force again", "error", f.text);
	return r;
}

int change_carry_out(struct engine *e, const struct change *c, struct policy **policy,
		     struct policy_image *image, struct fault *reterr)
{
	enum history_state before = c->how == HISTORY_AUTOMATIC ? HISTORY_UNDONE : HISTORY_FORMER;
	struct history_pending pending;
	struct files_change file;
	struct history_item item;
	bool spared = false;
	int r = 0;

	*e->set_aside = '\0';
	apply_step(e, "policy.stage");
	if (c->confirm_ns)
		r = spare_file(e, *policy, &spared, reterr);
	if (r == 0 && c->to_file)
		r = files_stage(e, *policy, false, &file, reterr);
	if (r < 0)
		return r;
	fault_point(NULL, "change.staged"); /* to die at, like those below */
	describe(e, *policy, c, &item);
	apply_step(e, "policy.begin");
	history_begin(&e->history, &item, (*policy)->text,
		      make_pending(e, c, item.generation, &pending) ? &pending : NULL);
	fault_point(NULL, "change.begun");
	r = policy_enforce(e, policy, image, c->how != HISTORY_AUTOMATIC, reterr);
	fault_point(NULL, "change.enforced");
	if (r == 0)
		apply_step(e, "policy.keep");
	if (r < 0 && c->to_file)
		files_abort(&file);
	else if (c->to_file)
		r = put_file(e, &file, policy, reterr);
	if (r < 0) {
		history_abort(&e->history, item.generation);
		if (spared)
			put_spared_back(e, *policy);
		return r;
	}
	fault_point(NULL, "change.filed");
	history_commit(&e->history, item.generation, before);
	fault_point(NULL, "change.committed");
	record_change(e, outcome_of(c), c, e->policy, item.generation, NULL);
	return 0;
}

static int check_base(const struct engine *e, uint32_t base, struct fault *reterr)
{
	uint32_t current = datapath_generation(e->datapath);
	const struct history_item *item = history_current(&e->history);
	char when[CLOCK_RFC3339_SIZE] = "";

	/* A flag that is set takes a generation of its own and leaves the policy what it was. */
	if (!base || base == current || (item && base >= item->generation && base < current))
		return 0;
	if (item)
		clock_format_rfc3339(item->applied_ns, when);
	return fault(reterr, -ESTALE, "policy.stale",
		     "generation %u is no longer in force: generation %u is%s%s%s%.19s; see what "
		     "changed with 'weir policy diff %u %u', then try again on top of it",
		     base, current, item ? ", by " : "", item ? item->username : "",
		     item ? " at " : "", when, base, current);
}

static int check_pending(const struct engine *e, struct fault *reterr)
{
	const struct history_pending *p = &e->history.pending;

	if (!p->is)
		return 0;
	return fault(reterr, -EBUSY, "policy.pending",
		     "generation %u still waits to be confirmed, for %llu s: 'weir policy confirm' "
		     "or 'weir policy rollback' first",
		     p->generation,
		     (unsigned long long)(history_pending_left_ns(&e->history) / NSEC_PER_SEC));
}

static int check_words(const struct change *c, struct fault *reterr)
{
	const char *reason = c->reason ?: "";

	if (strlen(reason) > HISTORY_REASON_MAX || !utf8_valid(reason, strlen(reason)))
		return fault(reterr, -EINVAL, "policy.reason",
			     "a reason is UTF-8 text of at most %u bytes", HISTORY_REASON_MAX);
	if (c->confirm_ns &&
	    (c->confirm_ns < ENGINE_CONFIRM_MIN_NS || c->confirm_ns > ENGINE_CONFIRM_MAX_NS))
		return fault(reterr, -ERANGE, "policy.confirm_time",
			     "the time to confirm is at least 1s and at most 24h");
	return 0;
}

/* What has to hold before a change is even tried. */
static int check_change(const struct engine *e, const struct change *c, struct fault *reterr)
{
	int r = check_words(c, reterr);

	if (r == 0 && c->how != HISTORY_ROLLBACK)
		r = check_pending(e, reterr);
	return r == 0 ? check_base(e, c->base, reterr) : r;
}

/* What a new start falls back to must be good, too. */
static int check_own_profile(struct engine *e, const struct change *c, const char *text,
			     size_t length, struct fault *reterr)
{
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	const char *own = e->options.profile ?: "";
	struct fault f = {0};
	int r;

	if (strcmp(c->profile ?: "", own) == 0)
		return 0;
	r = policy_read(e, text, length, own, &policy, &f);
	if (r == 0)
		r = flags_compile(e, policy, &image, &f);
	if (r == 0)
		return 0;
	return fault(reterr, r, f.code, "%.400s (with the daemon's own profile%s%s)", f.text,
		     *own ? " " : ", which is none", own);
}

/* Read it once more, for all that is wrong with it. */
static void collect_faults(struct engine *e, const struct change *c, const char *text,
			   size_t length)
{
	const struct policy_options options = {
		.profile = c->profile && *c->profile ? c->profile : NULL,
		.report = c->refusal->report = policy_report_new(),
	};
	_cleanup_(policy_freep) struct policy *policy = NULL;

	if (!options.report)
		return;
	if (text)
		policy_parse_with("request", text, length, &options, &policy, NULL);
	else
		policy_load_with(e->options.policy_path, &options, &policy, NULL);
	policy_report_sort(options.report);
}

int change_read(struct engine *e, const struct change *c, const char *text, size_t length,
		struct policy **ret, struct fault *reterr)
{
	int r = policy_read(e, text, length, c->profile, ret, reterr);

	if (r < 0 && c->refusal)
		collect_faults(e, c, text, length);
	return r < 0 ? r : check_own_profile(e, c, text, length, reterr);
}

/* Make @text the policy, or what the policy file holds if it is NULL. */
static int change_policy(struct engine *e, const struct change *c, const char *text, size_t length,
			 struct fault *reterr)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	_cleanup_(outlook_freep) struct outlook *outlook = NULL;
	struct fault f = {0};
	int r;

	apply_begin(e, c->actor);
	apply_step(e, "policy.check");
	r = check_change(e, c, &f);
	if (r == 0)
		r = change_read(e, c, text, length, &policy, &f);
	if (r == 0) {
		apply_step(e, "policy.compile");
		r = flags_compile(e, policy, &image, &f);
	}
	if (r == 0) {
		apply_step(e, "policy.outlook");
		r = feeds_outlook(e, policy, &outlook, &f);
	}
	if (r == 0)
		r = outlook_refused(outlook, &f);
	/* What is undone by itself may cut off whoever asks: that is what it is for. */
	if (r == 0 && !c->confirm_ns) {
		apply_step(e, "policy.safety");
		r = engine_check_safety(e, policy, outlook, c->actor,
					c->refusal ? &c->refusal->findings : NULL, &f);
	}
	if (r == 0)
		r = engine_proceed(c->actor, &f,
				   "put the policy of SHA-256 %.12s in force, as generation %u%s",
				   policy->sha256, datapath_next_generation(e->datapath),
				   c->confirm_ns ? ", until it is confirmed" : "");
	record_change(e, AUDIT_EVENT_POLICY_INTENT, c, policy, 0, NULL);
	if (r == 0)
		r = change_carry_out(e, c, &policy, image, &f);
	if (r < 0) {
		record_change(e, AUDIT_EVENT_POLICY_REFUSED, c, policy, 0, &f);
		if (reterr)
			*reterr = f;
	}
	apply_end(e, history_how_str(c->how), c->actor, &f);
	return r;
}

int engine_reload(struct engine *e, const struct engine_actor *actor, struct fault *reterr)
{
	const struct change c = {
		.how = HISTORY_RELOAD, .actor = actor, .profile = e->options.profile};

	return engine_may_change(e, actor, "reload", reterr)
		       ?: change_policy(e, &c, NULL, 0, reterr);
}

int engine_change_policy(struct engine *e, const struct engine_policy_change *change,
			 const struct engine_actor *actor, struct fault *reterr)
{
	const struct change c = {
		.how = change->text ? HISTORY_APPLY : HISTORY_RELOAD,
		.actor = actor,
		.reason = change->reason,
		.base = change->base,
		.confirm_ns = change->confirm_ns,
		.force = change->force,
		.profile = change->profile ?: e->options.profile,
		.to_file = change->text && !change->confirm_ns,
		.refusal = change->refusal,
	};

	return change_policy(e, &c, change->text, change->length, reterr);
}

const char *change_profile_of(const struct engine *e, uint32_t generation,
			      char ret[static POLICY_NAME_MAX + 1])
{
	const struct history_item *item = history_find(&e->history, generation);

	if (!item || !item->profile_known)
		return e->options.profile;
	snprintf(ret, POLICY_NAME_MAX + 1, "%s", item->profile);
	return ret;
}

int engine_rollback(struct engine *e, uint32_t generation, const char *reason, uint32_t base,
		    const struct engine_actor *actor, struct fault *reterr)
{
	char profile[POLICY_NAME_MAX + 1];
	const struct history_item *former = history_former(&e->history);
	struct change c = {
		.how = HISTORY_ROLLBACK,
		.actor = actor,
		.reason = reason,
		.base = base,
		.to_file = true,
	};
	_cleanup_free_ char *text = NULL;
	struct fault f = {0};
	size_t length;
	int r;

	c.source = generation;
	if (!generation && former)
		c.source = former->generation;
	c.profile = change_profile_of(e, c.source, profile);
	if (c.source)
		r = history_text(&e->history, c.source, &text, &length, &f);
	else
		r = fault(&f, -ENOENT, "policy.generation",
			  "there is no former policy in the history");
	if (r == 0)
		return change_policy(e, &c, text, length, reterr);
	record_change(e, AUDIT_EVENT_POLICY_REFUSED, &c, NULL, 0, &f);
	if (reterr)
		*reterr = f;
	return r;
}

int engine_confirm(struct engine *e, uint32_t generation, const struct engine_actor *actor,
		   struct fault *reterr)
{
	const struct history_pending *p = &e->history.pending;
	const struct change c = {.how = HISTORY_CONFIRM, .actor = actor, .base = generation};
	struct fault f = {0};
	int r = 0;

	if (!actor->dry_run)
		*e->set_aside = '\0';
	if (!p->is)
		r = fault(&f, -EPERM, "policy.not_pending", "no policy waits to be confirmed");
	else if (generation != p->generation && generation != p->asked)
		r = fault(&f, -ESTALE, "policy.stale",
			  "generation %u does not wait to be confirmed: %u does", generation,
			  p->generation);
	else
		r = engine_proceed(actor, &f, "keep generation %u, which waits to be confirmed",
				   p->generation)
			    ?: files_put(e, e->policy, false, &f);
	if (r < 0) {
		record_change(e, AUDIT_EVENT_POLICY_REFUSED, &c, NULL, 0, &f);
		if (reterr)
			*reterr = f;
		return r;
	}
	fault_point(NULL, "change.confirmed"); /* to die at, like the next one */
	history_confirm(&e->history);
	fault_point(NULL, "change.kept");
	record_change(e, AUDIT_EVENT_POLICY_CONFIRM, &c, e->policy,
		      datapath_generation(e->datapath), NULL);
	return 0;
}

/* Nobody confirmed it in time. */
static void undo(struct engine *e)
{
	const struct change c = {
		.how = HISTORY_AUTOMATIC,
		.actor = &ENGINE_SYSTEM,
		.reason = "not confirmed in time",
		.source = e->history.pending.former,
	};
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_free_ char *text = NULL;
	char name[POLICY_NAME_MAX + 1];
	const char *profile = change_profile_of(e, c.source, name);
	struct fault f = {0};
	size_t length;
	int r = history_text(&e->history, c.source, &text, &length, &f);

	/* The file has the same text, as long as nobody edits it. */
	if (r == 0)
		r = policy_read(e, text, length, profile, &policy, &f);
	else
		r = policy_read(e, NULL, 0, profile, &policy, &f);
	apply_begin(e, c.actor);
	if (r == 0)
		r = change_carry_out(e, &c, &policy, NULL, &f);
	apply_end(e, history_how_str(c.how), c.actor, &f);
	if (r == 0) {
		log_warn("a policy was not confirmed in time: the one before it is in force again",
			 "sha256", e->policy->sha256);
		return;
	}
	if (!e->undo_failed)
		record_change(e, AUDIT_EVENT_POLICY_REFUSED, &c, policy, 0, &f);
	e->undo_failed = true;
	e->undo_due_ns = clock_monotonic_ns() + RETRY_NS;
	log_error("an unconfirmed policy cannot be undone yet", "error", f.text);
}

void change_tick(struct engine *e)
{
	if (!e->history.pending.is || history_pending_left_ns(&e->history) ||
	    clock_monotonic_ns() < e->undo_due_ns)
		return;
	undo(e);
	if (!e->history.pending.is) {
		e->undo_failed = false;
		e->undo_due_ns = 0;
	}
}

uint64_t change_due_ns(const struct engine *e)
{
	uint64_t due_ns;

	if (!e->history.pending.is)
		return UINT64_MAX;
	due_ns = clock_monotonic_ns() + history_pending_left_ns(&e->history);
	return due_ns > e->undo_due_ns ? due_ns : e->undo_due_ns;
}
