/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flags: what they are set to, and how that takes effect. What operators may ask is in flags_set.c. */
#include "engine/flags.h"

#include <errno.h>
#include <string.h>

#include <weir/hash.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/flags_internal.h"
#include "engine/internal.h"

#define LOOK_NS (500 * NSEC_PER_MSEC) /* at the clock on the wall */

static int64_t unix_now(void)
{
	return (int64_t)(clock_real_ns() / NSEC_PER_SEC);
}

struct flag_setting *flags_find(const struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->flags.count; i++)
		if (strcmp(e->flags.settings[i]->name, name) == 0)
			return e->flags.settings[i];
	return NULL;
}

/* Numbers of the tenants that @policy still has. */
static size_t resolve_tenants(const struct policy *policy, const struct flag_setting *s,
			      uint16_t ret[static FLAG_TENANTS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < s->tenant_count; i++)
		for (size_t n = 0; n < policy->tenant_count; n++)
			if (strcmp(policy->tenants[n].name, s->tenants[i]) == 0)
				ret[count++] = (uint16_t)(n + 1);
	return count;
}

void flags_resolve(const struct engine *e, const struct policy *policy, struct flag_values *ret)
{
	int64_t now = unix_now();

	ret->expired = 0;
	for (size_t i = 0; i < policy->flag_count; i++) {
		const struct policy_flag *flag = &policy->flags[i];
		const struct flag_setting *s = flags_find(e, flag->name);
		struct policy_flag_value *value = &ret->values[i];

		*value = policy_flag_value(flag);
		if (s && s->has_enabled)
			value->on = s->enabled;
		if (s && s->has_rollout)
			value->permille = s->permille;
		if (s && s->has_sources) {
			value->sources = s->sources;
			value->source_count = s->source_count;
		}
		if (s && s->has_tenants) {
			value->tenants = ret->tenants[i];
			value->tenant_count = resolve_tenants(policy, s, ret->tenants[i]);
		}
		if (now >= flag->expires) {
			value->on = false;
			ret->expired |= 1ULL << i;
		}
	}
}

int flags_compile(const struct engine *e, const struct policy *policy, struct policy_image **ret,
		  struct fault *reterr)
{
	struct flag_values values;

	flags_resolve(e, policy, &values);
	return policy_compile_flags(policy, values.values, clock_coarse_tick_ns(), ret, reterr);
}

void flags_commit(struct engine *e, const struct policy *policy)
{
	struct flag_values values;

	flags_resolve(e, policy, &values);
	e->flags.expired = values.expired;
	for (size_t i = 0; i < e->flags.count; i++)
		if (!policy_flag_find(policy, e->flags.settings[i]->name))
			log_info("a flag was set that the policy does not have; it is kept, not in "
				 "force",
				 "flag", e->flags.settings[i]->name);
}

/* On for the same sources, whenever it is on. */
static bool same_share(const struct policy_flag_value *a, const struct policy_flag_value *b)
{
	if (a->permille != b->permille || a->source_count != b->source_count ||
	    a->tenant_count != b->tenant_count)
		return false;
	for (size_t i = 0; i < a->source_count; i++)
		if (prefix_compare(&a->sources[i], &b->sources[i]) != 0)
			return false;
	for (size_t i = 0; i < a->tenant_count; i++)
		if (a->tenants[i] != b->tenants[i])
			return false;
	return true;
}

/* The policy in force, compiled anew; its lists stay as they are. */
static int recompile(struct engine *e, struct fault *reterr)
{
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	_cleanup_(control_freep) struct control *control = NULL;
	uint32_t generation;
	int r = flags_compile(e, e->policy, &image, reterr);

	if (r == 0)
		r = control_prepare(e, image, e->policy, &control, reterr);
	if (r < 0)
		return r;
	pthread_mutex_lock(&e->names);
	r = datapath_apply_policy(e->datapath, image, &generation, reterr);
	pthread_mutex_unlock(&e->names);
	if (r == 0)
		control_commit(e, &control);
	return r;
}

int flags_take_effect(struct engine *e, const struct flag_values *before, struct fault *reterr)
{
	bool switched = false;
	struct flag_values now;

	flags_resolve(e, e->policy, &now);
	for (size_t i = 0; i < e->policy->flag_count; i++) {
		const struct policy_flag_value *a = &before->values[i], *b = &now.values[i];
		bool other = a->on != b->on;

		if (!same_share(a, b) ||
		    (other && policy_flag_is_inverted(e->policy, &e->policy->flags[i])))
			return recompile(e, reterr);
		switched |= other;
	}
	if (switched)
		control_set_flags(e, now.values);
	return 0;
}

bool flags_remove(struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->flags.count; i++) {
		if (strcmp(e->flags.settings[i]->name, name) != 0)
			continue;
		e->flags.count--;
		memmove(&e->flags.settings[i], &e->flags.settings[i + 1],
			(e->flags.count - i) * sizeof(e->flags.settings[0]));
		return true;
	}
	return false;
}

void flags_insert(struct engine *e, struct flag_setting *setting)
{
	size_t i = e->flags.count++;

	for (; i && strcmp(e->flags.settings[i - 1]->name, setting->name) > 0; i--)
		e->flags.settings[i] = e->flags.settings[i - 1];
	e->flags.settings[i] = setting;
}

/* @setting, which is over and no longer holds. */
static void forget(struct engine *e, const struct policy *policy, struct flag_setting *setting)
{
	struct fault f = {0};
	bool persisted = e->store && store_flag_delete(e->store, setting->name, &f) == 0;

	if (!persisted)
		log_warn("a flag's setting that is over stays in the store", "flag", setting->name,
			 "error", f.text);
	flags_record_end(e, policy, setting, persisted);
	free(setting);
}

/* The time of @setting is over: back to what the policy says. */
static bool end_setting(struct engine *e, struct flag_setting *setting)
{
	struct flag_values before;
	struct fault f = {0};

	flags_resolve(e, e->policy, &before);
	flags_remove(e, setting->name);
	if (flags_take_effect(e, &before, &f) < 0) {
		flags_insert(e, setting);
		log_error("a flag's time is over, and it cannot be set back; trying again", "flag",
			  setting->name, "error", f.text);
		return false;
	}
	forget(e, e->policy, setting);
	return true;
}

/* What the policy itself says is over. A clock that was set back makes it begin again. */
static void tick_expires(struct engine *e)
{
	uint64_t was = e->flags.expired;
	struct flag_values now, before;
	struct fault f = {0};

	flags_resolve(e, e->policy, &now);
	if (now.expired == was)
		return;
	before = now;
	for (size_t i = 0; i < e->policy->flag_count; i++) {
		const struct flag_setting *s = flags_find(e, e->policy->flags[i].name);

		if ((now.expired ^ was) >> i & 1)
			before.values[i].on =
				!(was >> i & 1) &&
				(s && s->has_enabled ? s->enabled : e->policy->flags[i].enabled);
	}
	if (flags_take_effect(e, &before, &f) < 0) {
		log_error("a flag has expired, and cannot be switched off; trying again", "error",
			  f.text);
		return;
	}
	e->flags.expired = now.expired;
	for (size_t i = 0; i < e->policy->flag_count; i++)
		if ((now.expired ^ was) >> i & 1)
			flags_record_expired(e, &e->policy->flags[i], now.expired >> i & 1);
}

void flags_tick(struct engine *e)
{
	uint64_t now_ns = clock_monotonic_ns(), real_ns = clock_real_ns();

	if (now_ns < e->flags.due_ns)
		return;
	e->flags.due_ns = now_ns + LOOK_NS;
	for (size_t i = 0; i < e->flags.count;) {
		if (e->flags.settings[i]->until_ns > real_ns ||
		    !end_setting(e, e->flags.settings[i]))
			i++;
	}
	if (e->policy->flag_count)
		tick_expires(e);
}

/* Words as flags_words() in flags_set.c put them together. */
static int read_words(const char *words, struct flag_setting *s, bool sources)
{
	char word[PREFIX_TEXT_SIZE];

	while (*words) {
		size_t length = strcspn(words, " ");

		if (!length || length >= sizeof(word) ||
		    (sources ? s->source_count == FLAG_SOURCES_MAX
			     : s->tenant_count == FLAG_TENANTS_MAX || length > POLICY_NAME_MAX))
			return -EINVAL;
		memcpy(word, words, length);
		word[length] = '\0';
		if (!sources)
			memcpy(s->tenants[s->tenant_count++], word, length + 1);
		else if (prefix_parse(word, &s->sources[s->source_count++]) < 0)
			return -EINVAL;
		words += length + (words[length] == ' ');
	}
	return 0;
}

static int load_row(const struct store_flag_row *row, void *userdata)
{
	struct engine *e = userdata;
	_cleanup_free_ struct flag_setting *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->has_enabled = row->enabled >= 0;
	s->enabled = row->enabled > 0;
	s->has_rollout = row->permille >= 0;
	s->permille = (uint16_t)(s->has_rollout ? row->permille : 0);
	s->has_sources = row->sources;
	s->has_tenants = row->tenants;
	s->until_ns = row->until_real_ns;
	s->set_ns = row->set_ns;
	snprintf(s->name, sizeof(s->name), "%s", row->name);
	snprintf(s->reason, sizeof(s->reason), "%s", row->reason);
	snprintf(s->set_by, sizeof(s->set_by), "%s", row->set_by);
	if (e->flags.count == FLAG_SETTINGS_MAX || read_words(row->sources ?: "", s, true) < 0 ||
	    read_words(row->tenants ?: "", s, false) < 0) {
		log_warn("what a flag was set to cannot be read, and does not hold", "flag",
			 s->name);
		return 0;
	}
	flags_insert(e, take_ptr(s));
	return 0;
}

void flags_load(struct engine *e, const struct policy *policy)
{
	struct fault f = {0};

	if (e->store && store_flag_each(e->store, load_row, e, &f) < 0)
		log_warn("what flags were set to is not known: they are as the policy says",
			 "error", f.text);
	/* What ended while no daemon ran must not hold for a moment. */
	for (size_t i = 0; i < e->flags.count;) {
		struct flag_setting *s = e->flags.settings[i];

		if (s->until_ns > clock_real_ns()) {
			i++;
			continue;
		}
		flags_remove(e, s->name);
		forget(e, policy, s);
	}
}

void flags_done(struct engine *e)
{
	for (size_t i = 0; i < e->flags.count; i++)
		free(e->flags.settings[i]);
	e->flags.count = 0;
}

bool engine_flag(const struct engine *e, size_t index, struct engine_flag *ret)
{
	const struct policy *p = e->policy;

	*ret = (struct engine_flag){0};
	if (index < p->flag_count) {
		ret->policy = &p->flags[index];
		ret->name = ret->policy->name;
		ret->setting = flags_find(e, ret->name);
		ret->expired = e->flags.expired >> index & 1;
		ret->enabled = ret->setting && ret->setting->has_enabled ? ret->setting->enabled
									 : ret->policy->enabled;
		ret->permille = ret->setting && ret->setting->has_rollout ? ret->setting->permille
									  : ret->policy->permille;
		return true;
	}
	index -= p->flag_count;
	for (size_t i = 0; i < e->flags.count; i++) {
		ret->setting = e->flags.settings[i];
		ret->name = ret->setting->name;
		if (policy_flag_find(p, ret->name) || index--)
			continue;
		ret->enabled = ret->setting->enabled;
		ret->permille = ret->setting->permille;
		return true;
	}
	return false;
}

/* The tenant that has @source, by its longest prefix; 0 = none. */
static uint16_t tenant_of_source(const struct policy *p, const struct prefix *source)
{
	uint16_t tenant = 0;
	int best = -1;

	for (size_t n = 0; n < p->tenant_count; n++)
		for (size_t i = 0; i < p->tenants[n].src_count; i++) {
			const struct prefix *mine = &p->tenants[n].srcs[i];

			if (mine->bits > best && policy_prefix_means(mine, source)) {
				best = mine->bits;
				tenant = (uint16_t)(n + 1);
			}
		}
	return tenant;
}

bool engine_flag_applies(const struct engine *e, const struct policy_limit *limit,
			 const uint8_t source[static 16])
{
	struct prefix host = {.bits = 128};
	const struct policy_flag_value *value;
	struct flag_values now;
	uint64_t words[2], key;
	bool named = false;
	uint16_t tenant;

	if (!limit->flag)
		return true;
	flags_resolve(e, e->policy, &now);
	value = &now.values[limit->flag - e->policy->flags];
	memcpy(host.address, source, sizeof(host.address));
	memcpy(words, source, sizeof(words));
	tenant = tenant_of_source(e->policy, &host);
	for (size_t i = 0; i < value->source_count; i++)
		named |= policy_prefix_means(&value->sources[i], &host);
	for (size_t i = 0; i < value->tenant_count; i++)
		named |= tenant && value->tenants[i] == tenant;
	if (policy_flag_key(limit->flag->name, &key) < 0)
		return false;
	/* As match_flags() in bpf/lib/match.h. */
	named |= (uint32_t)weir_hash(words[0], address_is_ipv4(source) ? words[1] : 0, key,
				     datapath_meta(e->datapath)->hash_seed) <
		 policy_flag_below(value->permille);
	return (value->on && named) != limit->flag_inverted;
}
