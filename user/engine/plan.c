/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "engine/change_internal.h"
#include "engine/seen.h"

static const char *const state_names[] = {
	[PLAN_KEPT] = "kept",
	[PLAN_ANEW] = "anew",
	[PLAN_ENDED] = "ended",
};
_Static_assert(ARRAY_SIZE(state_names) == PLAN_STATE_MAX, "a state has no name");

const char *plan_state_str(enum plan_state state)
{
	return state_names[state];
}

static void add_limit(struct plan *plan, const char *name, unsigned int unit, enum plan_state state)
{
	struct plan_limit *limit = &plan->limits[plan->limit_count++];

	snprintf(limit->name, sizeof(limit->name), "%s", name);
	limit->unit = unit;
	limit->state = state;
}

/* Equal keys mean equal meaning, and the cells stay. */
static void compare_limits(const struct engine *e, const struct policy_image *image,
			   struct plan *plan)
{
	size_t count;
	const struct weir_limit *now = datapath_limits(e->datapath, &count);

	for (size_t i = 0; i < image->policy.limit_count; i++) {
		enum plan_state state = PLAN_ANEW;

		for (size_t j = 0; j < count; j++)
			if (now[j].key == image->policy.limits[i].key)
				state = PLAN_KEPT;
		add_limit(plan, image->limits[i].name, image->limits[i].unit, state);
	}
	for (size_t j = 0; j < count; j++) {
		char name[POLICY_NAME_MAX + 1] = "";
		bool stays = false;

		memcpy(name, now[j].name, WEIR_NAME_BYTES);
		for (size_t i = 0; i < image->policy.limit_count; i++)
			stays |= strcmp(image->limits[i].name, name) == 0 &&
				 (unsigned int)image->limits[i].unit == now[j].unit;
		if (!stays)
			add_limit(plan, name, now[j].unit, PLAN_ENDED);
	}
}

static size_t entries_of(const struct policy *policy)
{
	return policy->allow.count + policy->block.count;
}

/* Of feeds: those that come, less those that go. */
static int64_t feed_entries(const struct engine *e, const struct plan *plan)
{
	const struct outlook_feed *comes;
	const struct engine_feed *feed;
	int64_t count = 0;

	for (size_t i = 0; (comes = outlook_feed(plan->outlook, i)); i++)
		count += comes->content ? (int64_t)comes->content->count : 0;
	for (size_t i = 0; (feed = engine_feed(e, i)); i++)
		if (outlook_drops(plan->outlook, feed->id))
			count -= (int64_t)feed->entries;
	return count;
}

static void measure(const struct engine *e, const struct policy_image *image, struct plan *plan)
{
	int64_t after;

	for (enum list_kind kind = 0; kind < LIST_KIND_MAX; kind++) {
		struct list_count count = list_set_count(e->lists, kind);

		plan->before.entries += count.addresses + count.prefixes;
	}
	/* Prefixes that are on a list for several reasons are counted once there, and each time here. */
	after = (int64_t)(plan->before.entries + entries_of(plan->policy)) -
		(int64_t)entries_of(e->policy) + feed_entries(e, plan);
	plan->after.entries = after > 0 ? (uint64_t)after : 0;
	plan->before.sources = datapath_sources(e->datapath);
	plan->after.sources = image->cell_sets;
	plan->before.cells_bytes = datapath_cells_bytes((uint32_t)plan->before.sources);
	plan->after.cells_bytes = datapath_cells_bytes(image->cell_sets);
	plan->before.entries_bytes = datapath_entries_bytes(plan->before.entries);
	plan->after.entries_bytes = datapath_entries_bytes(plan->after.entries);
}

/* SYN cookies that the kernel would not accept back. */
static bool cookies_are_off(void)
{
	_cleanup_close_ int fd = open("/proc/sys/net/ipv4/tcp_syncookies", O_RDONLY | O_CLOEXEC);
	char value = '0';

	return fd < 0 || read(fd, &value, 1) != 1 || value == '0';
}

static void look_for_lacks(const struct policy_image *image, struct plan *plan)
{
	bool open = false, cookies = image->policy.cookie_limits;

	for (size_t i = 0; i < image->policy.limit_count; i++)
		open |= image->policy.limits[i].algorithm == WEIR_ALGORITHM_OPEN;
	if (open && access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		plan->lacks[plan->lack_count++] =
			"limits on open_connections need a kernel with BTF "
			"(CONFIG_DEBUG_INFO_BTF): apply would refuse this policy";
	if (cookies && cookies_are_off())
		plan->lacks[plan->lack_count++] =
			"syn_cookies need net.ipv4.tcp_syncookies=1: without it no SYN is answered";
}

static int compare(const struct policy *before, const struct policy *after,
		   struct policy_changes *ret, struct fault *reterr)
{
	const struct policy_version from = {before->text, before->length, before->profile};
	const struct policy_version to = {after->text, after->length, after->profile};

	return policy_compare(&from, &to, ret, reterr);
}

static int try_traffic(struct engine *e, struct policy_image *image, struct plan *plan,
		       struct fault *reterr)
{
	const struct traffic_policy p = {
		.image = image,
		.outlook = plan->outlook,
		.seed = datapath_meta(e->datapath)->hash_seed,
	};
	int64_t unused;

	if (!e->traffic)
		return 0;
	image->policy.active = policy_active(image->limits, image->policy.limit_count,
					     (int64_t)(clock_real_ns() / NSEC_PER_SEC), &unused);
	traffic_read(e->traffic, e->datapath);
	return traffic_try(e->traffic, &p, &plan->traffic, reterr);
}

/* Whom the feeds that only this policy has would list. */
static int count_hosts(struct engine *e, struct plan *plan, struct fault *reterr)
{
	_cleanup_(seen_done) struct seen seen = {0};

	if (!outlook_feed(plan->outlook, 0))
		return 0;
	if (seen_read(e, &seen) < 0)
		return fault(reterr, -ENOMEM, "policy.memory", "out of memory");
	for (size_t i = 0; i < seen.hosts.count; i++)
		outlook_count(plan->outlook, seen.hosts.addresses[i]);
	plan->hosts = seen.hosts.count;
	plan->seconds = seen.seconds;
	return 0;
}

int engine_plan(struct engine *e, const char *text, size_t length, const char *profile,
		struct plan *ret, struct engine_refusal *refusal, struct fault *reterr)
{
	const struct change c = {.profile = profile ?: e->options.profile, .refusal = refusal};
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	struct plan plan = {.traffic.confidence = "none"};
	int r = change_read(e, &c, text, length, &plan.policy, reterr);

	if (r == 0)
		r = flags_compile(e, plan.policy, &image, reterr);
	if (r == 0)
		r = compare(e->policy, plan.policy, &plan.changes, reterr);
	if (r == 0)
		r = feeds_outlook(e, plan.policy, &plan.outlook, reterr);
	if (r == 0)
		r = count_hosts(e, &plan, reterr);
	if (r == 0) {
		compare_limits(e, image, &plan);
		measure(e, image, &plan);
		look_for_lacks(image, &plan);
		r = try_traffic(e, image, &plan, reterr);
	}
	if (r < 0) {
		plan_done(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

void plan_done(struct plan *plan)
{
	policy_free(plan->policy);
	policy_changes_done(&plan->changes);
	outlook_free(plan->outlook);
	plan->policy = NULL;
	plan->outlook = NULL;
}
