/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What operators may ask of flags: checked, taken into effect, kept, recorded. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/flags_internal.h"
#include "engine/internal.h"

/* A flag in words, for records. */
struct words {
	bool enabled;
	char rollout[POLICY_ROLLOUT_SIZE];
	struct text sources, tenants;
};

static void words_done(struct words *w)
{
	text_done(&w->sources);
	text_done(&w->tenants);
}

static void put_sources(struct text *t, const struct prefix *sources, size_t count)
{
	char cidr[PREFIX_TEXT_SIZE];

	text_init_growing(t);
	for (size_t i = 0; i < count; i++) {
		prefix_format(&sources[i], cidr);
		text_printf(t, "%s%s", i ? " " : "", cidr);
	}
}

static void put_tenants(struct text *t, const struct flag_setting *s)
{
	text_init_growing(t);
	for (size_t i = 0; i < s->tenant_count; i++)
		text_printf(t, "%s%s", i ? " " : "", s->tenants[i]);
}

/* What a flag with @setting is; either may be NULL: nothing was set, it is not the policy's. */
static void words_of(const struct policy *policy, const struct policy_flag *flag,
		     const struct flag_setting *s, struct words *ret)
{
	unsigned int permille = s && s->has_rollout ? s->permille : flag ? flag->permille : 0;

	ret->enabled = s && s->has_enabled ? s->enabled : flag && flag->enabled;
	policy_rollout_format(permille, ret->rollout);
	if (s && s->has_sources)
		put_sources(&ret->sources, s->sources, s->source_count);
	else
		put_sources(&ret->sources, flag ? flag->sources : NULL,
			    flag ? flag->source_count : 0);
	if (s && s->has_tenants) {
		put_tenants(&ret->tenants, s);
		return;
	}
	text_init_growing(&ret->tenants);
	for (size_t i = 0; flag && i < flag->tenant_count; i++)
		text_printf(&ret->tenants, "%s%s", i ? " " : "",
			    policy->tenants[flag->tenants[i] - 1].name);
}

static const char *string_of(const struct text *t)
{
	return t->data ?: "";
}

/* What a record says of a change. */
struct story {
	enum audit_event event;
	const struct policy *policy;
	const char *name, *reason;
	const struct flag_setting *before, *after; /* NULL: as the policy says */
	bool persisted;
};

static void record_change(struct engine *e, const struct story *s, const struct engine_actor *actor)
{
	const struct policy_flag *flag = policy_flag_find(s->policy, s->name);
	_cleanup_(words_done) struct words now = {0}, was = {0};
	struct audit_details details = {0};
	struct audit_record record = {
		.event = s->event,
		.resource = {"flag", s->name},
		.details = &details,
	};
	char until[CLOCK_RFC3339_SIZE];

	words_of(s->policy, flag, s->after, &now);
	words_of(s->policy, flag, s->before, &was);
	audit_details_bool(&details, "enabled", now.enabled);
	audit_details_string(&details, "rollout", now.rollout);
	audit_details_string(&details, "sources", string_of(&now.sources));
	audit_details_string(&details, "tenants", string_of(&now.tenants));
	audit_details_bool(&details, "was_enabled", was.enabled);
	audit_details_string(&details, "was_rollout", was.rollout);
	audit_details_string(&details, "was_sources", string_of(&was.sources));
	audit_details_string(&details, "was_tenants", string_of(&was.tenants));
	audit_details_string(&details, "was_set_by", s->before ? s->before->set_by : "policy");
	audit_details_string(&details, "reason", s->reason ?: "");
	audit_details_bool(&details, "orphaned", !flag);
	audit_details_bool(&details, "persisted", s->persisted);
	if (s->after && s->after->until_ns != STORE_FOREVER) {
		clock_format_rfc3339(s->after->until_ns, until);
		audit_details_string(&details, "until", until);
	}
	engine_record(e, &record, actor);
}

void flags_record_end(struct engine *e, const struct policy *policy,
		      const struct flag_setting *setting, bool persisted)
{
	const struct story story = {
		.event = AUDIT_EVENT_FLAG_EXPIRED,
		.policy = policy,
		.name = setting->name,
		.reason = setting->reason,
		.before = setting,
		.persisted = persisted,
	};

	record_change(e, &story, &ENGINE_SYSTEM);
	log_info("what a flag was set to is over; it is as the policy says again", "flag",
		 setting->name);
}

void flags_record_expired(struct engine *e, const struct policy_flag *flag, bool expired)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = expired ? AUDIT_EVENT_FLAG_EXPIRED : AUDIT_EVENT_FLAG_SET,
		.resource = {"flag", flag->name},
		.details = &details,
	};
	char expires[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339((uint64_t)flag->expires * NSEC_PER_SEC, expires);
	audit_details_string(&details, "expires", expires);
	audit_details_bool(&details, "expired", expired);
	audit_details_string(&details, "reason",
			     expired ? "as the policy says"
				     : "the clock was set back to before it expires");
	engine_record(e, &record, &ENGINE_SYSTEM);
	log_info(expired ? "a flag has expired, as the policy says"
			 : "the clock was set back: a flag has not expired yet",
		 "flag", flag->name);
}

static void record_refused(struct engine *e, enum audit_event event, const char *name,
			   const struct engine_flag_change *change,
			   const struct engine_actor *actor, const struct fault *f)
{
	struct audit_details details = {0};
	char flag[POLICY_NAME_MAX + 1], rollout[16], reason[FLAG_REASON_MAX + 1];
	struct audit_record record = {
		.event = event,
		.outcome = AUDIT_FAILURE,
		.severity = 3,
		.resource = {"flag", flag},
		.details = &details,
	};

	snprintf(flag, sizeof(flag), "%s", name);
	snprintf(rollout, sizeof(rollout), "%s", change && change->rollout ? change->rollout : "");
	snprintf(reason, sizeof(reason), "%s", change && change->reason ? change->reason : "");
	audit_details_string(&details, "error", f->text);
	audit_details_string(&details, "reason", reason);
	if (change && change->has_enabled)
		audit_details_bool(&details, "enabled", change->enabled);
	if (change && change->rollout)
		audit_details_string(&details, "rollout", rollout);
	engine_record(e, &record, actor);
}

static int change_sources(const struct engine *e, const struct engine_flag_change *change,
			  struct flag_setting *s, struct fault *reterr)
{
	size_t total = change->source_count;
	char meant[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < e->flags.count; i++)
		if (strcmp(e->flags.settings[i]->name, s->name) != 0)
			total += e->flags.settings[i]->source_count;
	if (change->source_count > FLAG_SOURCES_MAX || total > WEIR_TARGETS_MAX)
		return fault(
			reterr, -E2BIG, "flags.many",
			"a flag takes %u prefixes at run time, all of them %u: write more into "
			"the policy",
			FLAG_SOURCES_MAX, WEIR_TARGETS_MAX);
	s->has_sources = true;
	s->source_count = 0;
	for (size_t i = 0; i < change->source_count; i++) {
		struct prefix *prefix = &s->sources[s->source_count++];
		int r = prefix_parse(change->sources[i], prefix);

		if (r == -EDOM) {
			prefix_format(prefix, meant);
			return fault(reterr, -EINVAL, "flags.source",
				     "'%.60s' has bits set beyond its length: did you mean %s?",
				     change->sources[i], meant);
		}
		if (r < 0)
			return fault(reterr, -EINVAL, "flags.source",
				     "'%.60s' is no address and no CIDR prefix",
				     change->sources[i]);
	}
	return 0;
}

static bool has_tenant(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->tenant_count; i++)
		if (strcmp(policy->tenants[i].name, name) == 0)
			return true;
	return false;
}

static int change_tenants(const struct engine *e, const struct engine_flag_change *change,
			  struct flag_setting *s, struct fault *reterr)
{
	if (change->tenant_count > FLAG_TENANTS_MAX)
		return fault(reterr, -E2BIG, "flags.many",
			     "a flag takes %u tenants at run time: write more into the policy",
			     FLAG_TENANTS_MAX);
	s->has_tenants = true;
	s->tenant_count = 0;
	for (size_t i = 0; i < change->tenant_count; i++) {
		const char *name = change->tenants[i];

		if (!has_tenant(e->policy, name))
			return fault(reterr, -EINVAL, "flags.tenant",
				     "the policy has no tenant '%.60s'", name);
		memcpy(s->tenants[s->tenant_count++], name, strlen(name) + 1);
	}
	return 0;
}

static int change_time(const struct engine_flag_change *change, struct flag_setting *s,
		       struct fault *reterr)
{
	uint64_t ttl_ns;

	if (change->for_ever)
		s->until_ns = STORE_FOREVER;
	if (!change->ttl)
		return 0;
	if (parse_duration_ns(change->ttl, &ttl_ns) < 0 || !ttl_ns)
		return fault(reterr, -EINVAL, "flags.ttl",
			     "'%.40s' is no lifetime: a number above 0 and one of ms s m h d w",
			     change->ttl);
	s->until_ns = s->set_ns + ttl_ns;
	return 0;
}

/* What is set, once @change is made. */
static int change_setting(const struct engine *e, const struct engine_flag_change *change,
			  const struct engine_actor *actor, struct flag_setting *s,
			  struct fault *reterr)
{
	const char *reason = change->reason ?: "";
	struct fault why = {0};
	int r = 0;

	s->set_ns = clock_real_ns();
	if (change->has_enabled) {
		s->has_enabled = true;
		s->enabled = change->enabled;
	}
	if (change->rollout && policy_rollout_parse(change->rollout, &s->permille, &why) < 0)
		return fault(reterr, why.err, "flags.rollout", "%s", why.text);
	s->has_rollout |= change->rollout != NULL;
	if (change->has_sources)
		r = change_sources(e, change, s, reterr);
	if (r == 0 && change->has_tenants)
		r = change_tenants(e, change, s, reterr);
	if (r == 0)
		r = change_time(change, s, reterr);
	if (r < 0)
		return r;
	if (!s->has_enabled && !s->has_rollout && !s->has_sources && !s->has_tenants)
		return fault(reterr, -EINVAL, "flags.empty",
			     "nothing of flag '%s' is set: say what, of enabled, rollout, sources "
			     "and tenants",
			     s->name);
	if (strlen(reason) > FLAG_REASON_MAX)
		return fault(reterr, -ERANGE, "flags.reason", "a reason has at most %u bytes",
			     FLAG_REASON_MAX);
	snprintf(s->reason, sizeof(s->reason), "%s", reason);
	snprintf(s->set_by, sizeof(s->set_by), "%s", actor->username);
	return 0;
}

static bool persist(struct engine *e, const struct flag_setting *s)
{
	_cleanup_(text_done) struct text sources = {0}, tenants = {0};
	struct fault f = {0};
	struct store_flag_row row = {
		.name = s->name,
		.enabled = s->has_enabled ? s->enabled : -1,
		.permille = s->has_rollout ? s->permille : -1,
		.until_real_ns = s->until_ns,
		.set_ns = s->set_ns,
		.reason = s->reason,
		.set_by = s->set_by,
	};

	if (!e->store)
		return false;
	put_sources(&sources, s->sources, s->source_count);
	put_tenants(&tenants, s);
	row.sources = s->has_sources ? string_of(&sources) : NULL;
	row.tenants = s->has_tenants ? string_of(&tenants) : NULL;
	if (store_flag_put(e->store, &row, &f) == 0)
		return true;
	log_warn("a flag is set but will not be after a restart", "flag", s->name, "error", f.text);
	return false;
}

static int absent(const char *name, struct fault *reterr)
{
	return fault(reterr, -ENOENT, "flags.absent", "the policy has no flag '%.60s'", name);
}

static int check(const struct engine *e, const char *name, struct fault *reterr)
{
	const struct policy_flag *flag = policy_flag_find(e->policy, name);

	if (!flag)
		return absent(name, reterr);
	if (e->flags.expired >> (flag - e->policy->flags) & 1)
		return fault(reterr, -EPERM, "flags.expired",
			     "flag '%s' has expired, as line %u of the policy says: change that "
			     "first",
			     name, flag->line);
	if (e->flags.count == FLAG_SETTINGS_MAX && !flags_find(e, name))
		return fault(reterr, -E2BIG, "flags.many",
			     "%u flags are set: unset those that the policy no longer has",
			     FLAG_SETTINGS_MAX);
	return 0;
}

static int set(struct engine *e, const char *name, const struct engine_flag_change *change,
	       const struct engine_actor *actor, bool *ret_persisted, struct fault *reterr)
{
	_cleanup_free_ struct flag_setting *old = NULL, *new = calloc(1, sizeof(*new));
	struct story story = {.event = AUDIT_EVENT_FLAG_SET, .policy = e->policy, .name = name};
	struct flag_values before;
	int r = new ? check(e, name, reterr)
		    : fault(reterr, -ENOMEM, "flags.memory", "out of memory");

	if (r < 0)
		return r;
	story.before = flags_find(e, name);
	if (story.before)
		*new = *story.before;
	else
		new->until_ns = STORE_FOREVER;
	snprintf(new->name, sizeof(new->name), "%s", name);
	r = change_setting(e, change, actor, new, reterr)
		    ?: engine_proceed(actor, reterr, "set the flag '%s'", name);
	if (r < 0)
		return r;
	flags_resolve(e, e->policy, &before);
	old = flags_find(e, name);
	flags_remove(e, name);
	flags_insert(e, new);
	r = flags_take_effect(e, &before, reterr);
	if (r < 0) {
		flags_remove(e, name);
		if (old)
			flags_insert(e, take_ptr(old));
		return r;
	}
	story.after = take_ptr(new);
	story.reason = change->reason;
	story.persisted = *ret_persisted = persist(e, story.after);
	record_change(e, &story, actor);
	return 0;
}

int engine_flag_set(struct engine *e, const char *name, const struct engine_flag_change *change,
		    const struct engine_actor *actor, bool *ret_persisted, struct fault *reterr)
{
	struct fault f = {0};
	int r = set(e, name, change, actor, ret_persisted, &f);

	if (r < 0) {
		record_refused(e, AUDIT_EVENT_FLAG_SET, name, change, actor, &f);
		if (reterr)
			*reterr = f;
	}
	return r;
}

static int unset(struct engine *e, const char *name, const struct engine_actor *actor,
		 bool *ret_persisted, struct fault *reterr)
{
	_cleanup_free_ struct flag_setting *old = NULL;
	struct story story = {.event = AUDIT_EVENT_FLAG_UNSET, .policy = e->policy};
	struct flag_setting *setting = flags_find(e, name);
	struct flag_values before;
	struct fault f = {0};
	int r;

	if (!setting && !policy_flag_find(e->policy, name))
		return absent(name, reterr);
	if (!setting)
		return fault(reterr, -ENOENT, "flags.unset",
			     "nothing is set of flag '%s': it is as the policy says", name);
	r = engine_proceed(actor, reterr, "have the flag '%s' as the policy says", name);
	if (r < 0)
		return r;
	flags_resolve(e, e->policy, &before);
	flags_remove(e, name);
	r = flags_take_effect(e, &before, reterr);
	if (r < 0) {
		flags_insert(e, setting);
		return r;
	}
	old = setting;
	story.name = old->name;
	story.before = old;
	story.persisted = *ret_persisted =
		e->store && store_flag_delete(e->store, old->name, &f) == 0;
	if (!*ret_persisted)
		log_warn("a flag that was unset would be set again after a restart", "flag",
			 old->name, "error", f.text);
	record_change(e, &story, actor);
	return 0;
}

int engine_flag_unset(struct engine *e, const char *name, const struct engine_actor *actor,
		      bool *ret_persisted, struct fault *reterr)
{
	struct fault f = {0};
	int r = unset(e, name, actor, ret_persisted, &f);

	if (r < 0) {
		record_refused(e, AUDIT_EVENT_FLAG_UNSET, name, NULL, actor, &f);
		if (reterr)
			*reterr = f;
	}
	return r;
}
