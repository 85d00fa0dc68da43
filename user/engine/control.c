/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/control.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "detect/adaptive.h"
#include "detect/exhaustion.h"
#include "detect/sensors.h"
#include "engine/internal.h"
#include "engine/quotas.h"

#define LOOK_NS	  (500 * NSEC_PER_MSEC)	 /* at counters and at the clock on the wall */
#define FORGET_NS (86400 * NSEC_PER_SEC) /* between looks for stale cells */
#define RECHECK_S (27 * (int64_t)86400)	 /* policy_active() looks a month ahead */

struct control_limit {
	struct policy_image_limit meaning; /* its pointers are the policy's */
	struct weir_limit compiled;	   /* unscaled */
	const struct policy_limit *rule;
	struct policy_limit cookies; /* the rule of a limit that the policy spells as syn_cookies */
	int64_t changes_at;
	struct adaptive adaptive; /* rule NULL: is not */
	struct sensors_sample *sample;
	bool has_posted;
	uint64_t posted;
	uid_t posted_by;
	struct exhaustion exhaustion;
	uint64_t exhausted_since_ns; /* CLOCK_REALTIME */
};

struct control {
	const struct policy *policy;
	struct control_limit limits[WEIR_LIMITS_MAX];
	size_t count;
	uint64_t scheduled;	      /* limits that schedules have in force */
	uint64_t flags_off;	      /* limits whose flag has them switched off */
	int64_t looked_at, change_at; /* seconds since 1970 */
	uint64_t look_ns, forget_ns;  /* CLOCK_MONOTONIC: when next */
	struct sensors *sensors;
	struct quotas *quotas;
};

void control_free(struct control *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		free(c->limits[i].sample);
	sensors_free(c->sensors);
	quotas_free(c->quotas);
	free(c);
}

static uint64_t in_force(const struct control *c)
{
	return c->scheduled & ~c->flags_off;
}

/* Which limits their schedules have in force now, and when to ask again. */
static void look_at_schedules(struct control *c)
{
	int64_t now = (int64_t)(clock_real_ns() / NSEC_PER_SEC);

	c->scheduled = 0;
	c->looked_at = now;
	c->change_at = now + RECHECK_S;
	for (size_t i = 0; i < c->count; i++) {
		struct control_limit *l = &c->limits[i];

		if (policy_active(&l->meaning, 1, now, &l->changes_at))
			c->scheduled |= 1ULL << i;
		if (l->changes_at < c->change_at)
			c->change_at = l->changes_at;
	}
}

/* The limit of the same meaning in the policy before. */
static const struct control_limit *same_meaning(const struct control *c, uint64_t key)
{
	for (size_t i = 0; c && i < c->count; i++)
		if (c->limits[i].compiled.key == key)
			return &c->limits[i];
	return NULL;
}

/* The factor that is at work in the kernel; the maximum if there is none. */
static unsigned int factor_before(const struct engine *e, const struct policy_adaptive *rule,
				  const struct weir_limit *compiled)
{
	const struct control_limit *before = same_meaning(e->control, compiled->key);
	bool bucket = compiled->algorithm == WEIR_ALGORITHM_BUCKET;
	const struct weir_limit *adopted;
	size_t count;

	if (before && before->adaptive.rule)
		return before->adaptive.factor;
	if (before)
		return 1000;
	if (e->control)
		return rule->max;
	adopted = datapath_limits(e->datapath, &count);
	for (size_t i = 0; i < count; i++)
		if (adopted[i].key == compiled->key)
			return adaptive_factor_of(rule, compiled,
						  bucket ? adopted[i].interval : adopted[i].burst)
				       ?: rule->max;
	return rule->max;
}

/* A number that was posted is its limit's, whatever else a new policy says of it. */
static void keep_posted(const struct control *c, struct control_limit *l)
{
	for (size_t i = 0; c && i < c->count; i++) {
		const struct control_limit *was = &c->limits[i];

		if (was->has_posted && strcmp(was->meaning.name, l->meaning.name) == 0) {
			l->has_posted = true;
			l->posted = was->posted;
			l->posted_by = was->posted_by;
		}
	}
}

/* A limit that stays as it was keeps its pace, too: policies that come faster than its interval do not
 * keep it from stepping. */
static void keep_measurement(const struct control *c, struct control_limit *l)
{
	const struct control_limit *was = same_meaning(c, l->compiled.key);
	struct adaptive *a = &l->adaptive;

	if (!was || !was->adaptive.rule || was->adaptive.rule->target != a->rule->target)
		return;
	a->measured_yet = was->adaptive.measured_yet;
	a->measured = was->adaptive.measured;
	a->error = was->adaptive.error;
	if (was->adaptive.next_ns < a->next_ns)
		a->next_ns = was->adaptive.next_ns;
}

static int prepare_adaptive(struct engine *e, struct control *c, struct control_limit *l,
			    struct weir_limit *limit, struct fault *reterr)
{
	const struct policy_adaptive *rule = l->meaning.adaptive;
	uint64_t now_ns = clock_monotonic_ns(), word, unused;
	int r;

	adaptive_init(&l->adaptive, rule, factor_before(e, rule, &l->compiled), now_ns);
	r = policy_scale(&l->compiled, l->adaptive.factor, &word);
	if (r < 0)
		return fault(reterr, r, "policy.adaptive.range",
			     "limit '%s' cannot count %u%% of its rate", l->meaning.name,
			     l->adaptive.factor / 10);
	if (l->compiled.algorithm == WEIR_ALGORITHM_BUCKET)
		limit->interval = word;
	else
		limit->burst = word;
	if (rule->target == POLICY_TARGET_POSTED) {
		keep_posted(e->control, l);
		keep_measurement(e->control, l);
		return 0;
	}
	l->sample = sensors_sample_new(rule->target);
	if (!l->sample || (!c->sensors && sensors_new(e->options.iface, &c->sensors) < 0))
		return fault(reterr, -ENOMEM, "engine.memory", "out of memory");
	/* To have something to compare with at the first step, which tells if it fails. */
	sensors_measure(c->sensors, rule->target, l->sample, now_ns, &unused);
	keep_measurement(e->control, l);
	return 0;
}

/* The SYN rate of a service, above which it answers with cookies, as the limit that it is. */
static void describe_cookies(const struct policy *policy, struct control_limit *l)
{
	struct policy_limit *rule = &l->cookies;
	size_t length = strcspn(l->meaning.name, "/");

	*rule = (struct policy_limit){
		.line = l->meaning.line,
		.scope = POLICY_SCOPE_SERVICE,
		.has_connections = true,
		.connections = {0, NSEC_PER_SEC},
		.rollout.percent = 100,
		.action = WEIR_ACTION_COOKIE,
	};
	memcpy(rule->name, l->meaning.name, sizeof(rule->name));
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct policy_service *s = &policy->services[i];

		if (strlen(s->name) != length || memcmp(s->name, rule->name, length) != 0)
			continue;
		rule->service = s;
		if (s->syn_cookies != POLICY_COOKIES_AUTO)
			continue;
		rule->connections = s->syn_rate;
		rule->connection_burst =
			(s->syn_rate.count * NSEC_PER_SEC + s->syn_rate.per_ns - 1) /
			s->syn_rate.per_ns; /* a second's worth */
	}
}

/* What the policy says of the limit, in its words. */
static const struct policy_limit *rule_of(const struct policy *policy, struct control_limit *l)
{
	if (l->meaning.rule >= 0)
		return &policy->limits[l->meaning.rule];
	if (l->compiled.action != WEIR_ACTION_COOKIE)
		return &policy->fragment_limit;
	describe_cookies(policy, l);
	return &l->cookies;
}

int control_prepare(struct engine *e, struct policy_image *image, const struct policy *policy,
		    struct control **ret, struct fault *reterr)
{
	_cleanup_(control_freep) struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return fault(reterr, -ENOMEM, "engine.memory", "out of memory");
	c->policy = policy;
	c->count = image->policy.limit_count;
	for (size_t i = 0; i < c->count; i++) {
		struct control_limit *l = &c->limits[i];
		int r = 0;

		l->meaning = image->limits[i];
		l->compiled = image->policy.limits[i];
		l->rule = rule_of(policy, l);
		if (l->meaning.flag_off)
			c->flags_off |= 1ULL << i;
		if (l->meaning.adaptive)
			r = prepare_adaptive(e, c, l, &image->policy.limits[i], reterr);
		if (r < 0)
			return r;
	}
	if (quotas_prepare(e->control ? e->control->quotas : NULL, policy, image, &c->quotas) < 0)
		return fault(reterr, -ENOMEM, "engine.memory", "out of memory");
	quotas_recall(e, c->quotas);
	look_at_schedules(c);
	image->policy.active = in_force(c);
	*ret = take_ptr(c);
	return 0;
}

/* Go on with what the limit that counts in the same slot has come to. */
static void keep_exhaustion(const struct engine *e, struct control_limit *l, uint16_t slot)
{
	const struct control *before = e->control;
	struct weir_limit_count count = {0};

	for (size_t i = 0; before && i < before->count; i++) {
		const struct control_limit *was = &before->limits[i];

		if (was->meaning.unit == l->meaning.unit &&
		    strcmp(was->meaning.name, l->meaning.name) == 0) {
			l->exhaustion = was->exhaustion;
			l->exhausted_since_ns = was->exhausted_since_ns;
			return;
		}
	}
	datapath_read_limit_count(e->datapath, slot, &count);
	exhaustion_init(&l->exhaustion, count.coarse, count.full);
}

void control_commit(struct engine *e, struct control **next)
{
	size_t count;
	const struct weir_limit *limits = datapath_limits(e->datapath, &count);

	for (size_t i = 0; i < (*next)->count && i < count; i++)
		keep_exhaustion(e, &(*next)->limits[i], limits[i].slot);
	if (e->control)
		(*next)->forget_ns = e->control->forget_ns;
	control_free(e->control);
	e->control = take_ptr(*next);
}

static void record_limit(struct engine *e, enum audit_event event, const struct control_limit *l,
			 struct audit_details *details, const struct engine_actor *actor)
{
	struct audit_record record = {
		.event = event,
		.resource = {"limit", l->meaning.name},
		.details = details,
	};

	audit_details_string(details, "unit", policy_unit_str(l->meaning.unit));
	engine_record(e, &record, actor);
}

static void say_schedule(struct engine *e, const struct control_limit *l, bool in_force)
{
	struct audit_details details = {0};
	char until[CLOCK_RFC3339_SIZE];

	if (l->changes_at != INT64_MAX) {
		clock_format_rfc3339((uint64_t)l->changes_at * NSEC_PER_SEC, until);
		audit_details_string(&details, "until", until);
	}
	record_limit(e, in_force ? AUDIT_EVENT_LIMIT_BEGIN : AUDIT_EVENT_LIMIT_END, l, &details,
		     &ENGINE_SYSTEM);
	log_info(in_force ? "a limit is in force, as its schedule says"
			  : "a limit is no longer in force, as its schedule says",
		 "limit", l->meaning.name, "unit", policy_unit_str(l->meaning.unit));
}

static void tick_schedules(struct engine *e)
{
	struct control *c = e->control;
	int64_t now = (int64_t)(clock_real_ns() / NSEC_PER_SEC);
	uint64_t before = c->scheduled, changed;

	/* A clock that was set back makes what we know of the future worthless. */
	if (now >= c->looked_at && now < c->change_at)
		return;
	look_at_schedules(c);
	changed = (before ^ c->scheduled) & ~c->flags_off;
	if (changed)
		datapath_set_active(e->datapath, in_force(c));
	for (size_t i = 0; i < c->count; i++)
		if (changed >> i & 1)
			say_schedule(e, &c->limits[i], c->scheduled >> i & 1);
}

void control_set_flags(struct engine *e, const struct policy_flag_value *values)
{
	struct control *c = e->control;

	c->flags_off = 0;
	for (size_t i = 0; i < c->count; i++) {
		const struct policy_limit *rule = c->limits[i].rule;

		if (rule->flag && !rule->flag_inverted &&
		    policy_flag_is_off(&values[rule->flag - c->policy->flags]))
			c->flags_off |= 1ULL << i;
	}
	datapath_set_active(e->datapath, in_force(c));
}

static void say_factor(struct engine *e, const struct control_limit *l, enum audit_event event)
{
	const struct adaptive *a = &l->adaptive;
	struct audit_details details = {0};

	audit_details_string(&details, "target", policy_target_str(a->rule->target));
	audit_details_u64(&details, "threshold", a->rule->threshold);
	audit_details_u64(&details, "measured", a->measured);
	audit_details_u64(&details, "factor_permille", a->factor);
	record_limit(e, event, l, &details, &ENGINE_SYSTEM);
	log_info(event == AUDIT_EVENT_LIMIT_TIGHTENED ? "an adaptive limit is tightened"
						      : "an adaptive limit is at its maximum again",
		 "limit", l->meaning.name, "target", policy_target_str(a->rule->target));
}

static void say_sensor(const struct control_limit *l, unsigned int changed)
{
	const char *target = policy_target_str(l->adaptive.rule->target);

	if (changed & ADAPTIVE_LOST)
		log_warn("cannot measure what an adaptive limit follows; its factor stays", "limit",
			 l->meaning.name, "target", target, "error", strerror(-l->adaptive.error));
	if (changed & ADAPTIVE_FOUND)
		log_info("what an adaptive limit follows is measured again", "limit",
			 l->meaning.name, "target", target);
}

static int measure(struct control *c, struct control_limit *l, uint64_t now_ns, uint64_t *ret)
{
	enum policy_target target = l->adaptive.rule->target;

	if (target != POLICY_TARGET_POSTED)
		return sensors_measure(c->sensors, target, l->sample, now_ns, ret);
	if (!l->has_posted)
		return -ENODATA;
	*ret = l->posted;
	return 0;
}

static void tick_adaptive(struct engine *e, size_t index, uint64_t now_ns)
{
	struct control_limit *l = &e->control->limits[index];
	uint64_t measured = 0, word;
	unsigned int changed;
	int error;

	if (!l->adaptive.rule || !adaptive_is_due(&l->adaptive, now_ns))
		return;
	error = measure(e->control, l, now_ns, &measured);
	changed = adaptive_step(&l->adaptive, now_ns, error, measured);
	say_sensor(l, changed);
	if (!(changed & ADAPTIVE_FACTOR))
		return;
	if (policy_scale(&l->compiled, l->adaptive.factor, &word) == 0)
		datapath_set_scaled_word(e->datapath, (uint32_t)index, word);
	if (changed & ADAPTIVE_LEFT_MAX)
		say_factor(e, l, AUDIT_EVENT_LIMIT_TIGHTENED);
	if (changed & ADAPTIVE_REACHED_MAX)
		say_factor(e, l, AUDIT_EVENT_LIMIT_RELAXED);
}

static void say_exhaustion(struct engine *e, struct control_limit *l, bool worse)
{
	const struct exhaustion *x = &l->exhaustion;
	struct audit_details details = {0};
	char since[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(l->exhausted_since_ns, since);
	audit_details_string(&details, "level", exhaustion_level_str(x->level));
	audit_details_string(&details, "since", since);
	audit_details_u64(&details, "coarse_packets", x->coarse);
	audit_details_u64(&details, "full_packets", x->full);
	audit_details_u64(&details, "sources_max", datapath_sources(e->datapath));
	record_limit(e, worse ? AUDIT_EVENT_STATE_EXHAUSTED : AUDIT_EVENT_STATE_RECOVERED, l,
		     &details, &ENGINE_SYSTEM);
	if (worse)
		log_warn("a limit has no room for all its sources", "limit", l->meaning.name,
			 "level", exhaustion_level_str(x->level));
	else
		log_info("a limit has room for its sources again", "limit", l->meaning.name,
			 "level", exhaustion_level_str(x->level));
}

static void tick_exhaustion(struct engine *e, size_t index, uint64_t now_ns)
{
	struct control_limit *l = &e->control->limits[index];
	enum exhaustion_level before = l->exhaustion.level;
	struct weir_limit_count counts;
	size_t count;
	const struct weir_limit *limits = datapath_limits(e->datapath, &count);

	if (index >= count)
		return;
	datapath_read_limit_count(e->datapath, limits[index].slot, &counts);
	if (!exhaustion_step(&l->exhaustion, counts.coarse, counts.full, now_ns))
		return;
	if (before == EXHAUSTION_NORMAL)
		l->exhausted_since_ns = clock_real_ns();
	say_exhaustion(e, l, l->exhaustion.level > before);
}

void control_tick(struct engine *e)
{
	struct control *c = e->control;
	uint64_t now_ns = clock_monotonic_ns();

	for (size_t i = 0; i < c->count; i++)
		tick_adaptive(e, i, now_ns);
	if (now_ns < c->look_ns)
		return;
	c->look_ns = now_ns + LOOK_NS;
	tick_schedules(e);
	quotas_tick(e, c->quotas);
	for (size_t i = 0; i < c->count; i++)
		tick_exhaustion(e, i, now_ns);
	if (now_ns >= c->forget_ns) {
		datapath_forget_stale_cells(e->datapath);
		c->forget_ns = now_ns + FORGET_NS;
	}
}

unsigned int control_waiting(const struct engine *e)
{
	return (unsigned int)e->control->count -
	       (unsigned int)__builtin_popcountll(in_force(e->control));
}

uint64_t control_due_ns(const struct engine *e)
{
	const struct control *c = e->control;
	uint64_t due_ns = c->look_ns;

	for (size_t i = 0; i < c->count; i++)
		if (c->limits[i].adaptive.rule && c->limits[i].adaptive.next_ns < due_ns)
			due_ns = c->limits[i].adaptive.next_ns;
	return due_ns;
}

bool engine_limit(const struct engine *e, size_t index, struct engine_limit *ret)
{
	const struct control_limit *l;

	if (index >= e->control->count)
		return false;
	l = &e->control->limits[index];
	*ret = (struct engine_limit){
		.rule = l->rule,
		.in_force = in_force(e->control) >> index & 1,
		.off = l->meaning.off,
		.flag_off = e->control->flags_off >> index & 1,
		.changes_at = l->changes_at,
		.adaptive = l->adaptive.rule ? &l->adaptive : NULL,
		.exhaustion = &l->exhaustion,
		.exhausted_since_ns = l->exhausted_since_ns,
	};
	return true;
}

/* A script may post every second: what the record needs is who made the limit change direction. */
static bool is_worth_a_record(const struct control_limit *l, const struct engine_actor *actor,
			      uint64_t value)
{
	uint64_t threshold = l->adaptive.rule->threshold;

	return !l->has_posted || l->posted_by != actor->uid ||
	       (l->posted > threshold) != (value > threshold);
}

static void post(struct engine *e, struct control_limit *l, uint64_t value,
		 const struct engine_actor *actor, bool *ret_recorded)
{
	struct audit_details details = {0};

	if (is_worth_a_record(l, actor, value)) {
		audit_details_u64(&details, "value", value);
		audit_details_u64(&details, "threshold", l->adaptive.rule->threshold);
		record_limit(e, AUDIT_EVENT_LIMIT_POSTED, l, &details, actor);
		*ret_recorded = true;
	}
	l->has_posted = true;
	l->posted = value;
	l->posted_by = actor->uid;
}

int engine_post_target(struct engine *e, const char *name, uint64_t value,
		       const struct engine_actor *actor, bool *ret_recorded, struct fault *reterr)
{
	const struct policy_limit *rule = NULL;
	bool recorded = false;

	for (size_t i = 0; i < e->control->count; i++)
		if (strcmp(e->control->limits[i].rule->name, name) == 0)
			rule = e->control->limits[i].rule;
	if (!rule)
		return fault(reterr, -ENOENT, "limits.absent", "there is no limit '%.60s'", name);
	if (!rule->is_adaptive || rule->adaptive.target != POLICY_TARGET_POSTED)
		return fault(reterr, -EPERM, "limits.target",
			     "limit '%s' follows no posted number: its policy would say 'adaptive: "
			     "{target: {posted: N}, ...}'",
			     rule->name);
	if (value > POLICY_POSTED_MAX)
		return fault(reterr, -ERANGE, "limits.value", "a posted number is at most %llu",
			     POLICY_POSTED_MAX);
	if (engine_proceed(actor, reterr, "post %llu to the limit '%s'", (unsigned long long)value,
			   rule->name) < 0)
		return -EINPROGRESS;
	for (size_t i = 0; i < e->control->count; i++)
		if (e->control->limits[i].rule == rule)
			post(e, &e->control->limits[i], value, actor, &recorded);
	*ret_recorded = recorded;
	return 0;
}
