/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a policy: take its text, hash it, lay a profile over it, check it, free it. Which files
 * are read is load.c's business, what the text means schema.c's.
 */
#include "policy/policy.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "policy/compile.h"
#include "policy/fmt.h"
#include "policy/load.h"
#include "policy/schema.h"

static const char *const scope_names[] = {
	[POLICY_SCOPE_SOURCE] = "source",
	[POLICY_SCOPE_SOURCE_PER_SERVICE] = "source_per_service",
	[POLICY_SCOPE_SOURCE_PREFIX] = "source_prefix",
	[POLICY_SCOPE_DESTINATION] = "destination",
	[POLICY_SCOPE_SERVICE] = "service",
	[POLICY_SCOPE_TENANT] = "tenant",
	[POLICY_SCOPE_INTERFACE] = "interface",
	[POLICY_SCOPE_GLOBAL] = "global",
};
_Static_assert(ARRAY_SIZE(scope_names) == POLICY_SCOPE_MAX, "a scope has no name");

static const char *const algorithm_names[] = {
	[POLICY_TOKEN_BUCKET] = "token_bucket",
	[POLICY_LEAKY_BUCKET] = "leaky_bucket",
	[POLICY_FIXED_WINDOW] = "fixed_window",
	[POLICY_SLIDING_WINDOW] = "sliding_window",
	[POLICY_QUOTA] = "quota",
};
_Static_assert(ARRAY_SIZE(algorithm_names) == POLICY_ALGORITHM_MAX + 1, "an algorithm has no name");

static const char *const target_names[] = {
	[POLICY_TARGET_SOFTIRQ] = "softirq",
	[POLICY_TARGET_NIC_DROPS] = "nic_drops",
	[POLICY_TARGET_POSTED] = "posted",
};
_Static_assert(ARRAY_SIZE(target_names) == POLICY_TARGET_MAX, "a target has no name");

const char *policy_scope_str(enum policy_scope scope)
{
	return (size_t)scope < ARRAY_SIZE(scope_names) ? scope_names[scope] : NULL;
}

const char *policy_algorithm_str(enum policy_algorithm algorithm)
{
	return (size_t)algorithm < ARRAY_SIZE(algorithm_names) ? algorithm_names[algorithm] : NULL;
}

const char *policy_target_str(enum policy_target target)
{
	return (size_t)target < ARRAY_SIZE(target_names) ? target_names[target] : NULL;
}

const struct policy_limit *policy_rule_of(const struct policy *policy,
					  const char name[static WEIR_NAME_BYTES])
{
	size_t length = strnlen(name, WEIR_NAME_BYTES);
	const char *slash = memchr(name, '/', length);

	if (slash)
		length = (size_t)(slash - name);
	for (size_t i = 0; i < policy->limit_count; i++)
		if (strlen(policy->limits[i].name) == length &&
		    memcmp(policy->limits[i].name, name, length) == 0)
			return &policy->limits[i];
	if (policy->fragments == POLICY_LIMIT && length == strlen(POLICY_FRAGMENTS) &&
	    memcmp(name, POLICY_FRAGMENTS, length) == 0)
		return &policy->fragment_limit;
	return NULL;
}

unsigned int policy_adaptive_step(const struct policy_adaptive *a, unsigned int factor,
				  uint64_t measured)
{
	if (measured > a->threshold)
		factor = factor * (1000 - a->decrease) / 1000;
	else
		factor += a->increase;
	if (factor < a->min)
		return a->min;
	return factor > a->max ? a->max : factor;
}

int policy_text_hash(const char *text, size_t length, char ret[static POLICY_SHA256_HEX_SIZE])
{
	unsigned char digest[32];

	if (!EVP_Digest(text, length, digest, NULL, EVP_sha256(), NULL))
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

/* One way to read a policy: what is asked for, and where what is wrong goes. */
struct build {
	struct policy *p;
	struct tree *tree;
	const struct policy_options *options;
	uint64_t tick_ns; /* 0 = do not compile */
	struct fault *reterr;
};

/* Read the tree below @root into @p, and judge it as far as is asked for. */
static int read_variant(const struct build *b, const struct node *root, struct policy *p)
{
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	struct policy_report *report = b->options->report;
	int r = schema_read(root, p, report, b->reterr);

	if (r == 0 && b->tick_ns)
		r = compile_report(p, b->tick_ns, report, &image, b->reterr);
	if (r == 0 && report)
		r = policy_lint(p, clock_real_ns() / NSEC_PER_SEC, report);
	return r;
}

/* Lay the profile @key over a copy of the policy, and read that into @p. */
static int read_profile(const struct build *b, const struct node *key, struct policy *p)
{
	_cleanup_(tree_freep) struct tree *scratch = calloc(1, sizeof(*scratch));
	struct node *root = scratch ? tree_copy(scratch, b->tree->root) : NULL;
	struct policy_report *report = b->options->report;
	int r;

	if (!root)
		return -ENOMEM;
	if (report)
		report->profile = key->text;
	r = merge_profile(scratch, root, key->next, report, b->reterr);
	if (r == 0)
		r = read_variant(b, root, p);
	if (report)
		report->profile = NULL;
	return r;
}

/* Profiles that are not in force must be correct, too: one day they are. */
static int check_profiles(const struct build *b, const struct node *profiles, const char *chosen)
{
	int first = 0;

	if (profiles->kind != NODE_MAPPING || profiles->count / 2 > POLICY_PROFILES_MAX)
		return 0; /* has been said */
	for (const struct node *key = profiles->children; key; key = key->next->next) {
		_cleanup_(policy_freep) struct policy *p = NULL;
		struct build variant = *b;
		int r;

		variant.reterr = first ? NULL : b->reterr; /* which has the first fault */
		if (key->next->kind != NODE_MAPPING || (chosen && strcmp(key->text, chosen) == 0))
			continue;
		p = calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		p->name = strdup(b->p->name);
		p->files = b->p->files; /* and no count: they are not its own */
		r = p->name ? read_profile(&variant, key, p) : -ENOMEM;
		p->files = NULL;
		first = first ? first : r;
		if (r == -ENOMEM || (r < 0 && (!b->options->report || b->options->report->full)))
			break;
	}
	return first;
}

static int refuse_profile(const struct build *b, const struct node *profiles)
{
	struct place top = {b->p->files[0], 1, 1, 0}, place = top;
	const char *known[POLICY_PROFILES_MAX];
	char hint[SCHEMA_SUGGESTION_SIZE];
	size_t count = 0;

	if (profiles)
		place = node_place(profiles);
	if (profiles && profiles->kind == NODE_MAPPING)
		for (const struct node *key = profiles->children; key && count < ARRAY_SIZE(known);
		     key = key->next->next)
			known[count++] = key->text;
	schema_suggest(b->options->profile, known, count, hint);
	return diagnose(b->options->report, b->reterr, &place, -EINVAL, "policy.profile.unknown",
			"there is no profile '%.64s'%s", b->options->profile, hint);
}

static int read_model(const struct build *b)
{
	struct node *profiles = tree_key(b->tree->root, "profiles"), *chosen = NULL;
	const char *name = b->options->profile;
	struct build others = *b;
	int r, err;

	if (name && profiles)
		chosen = tree_key(profiles->next, name);
	if (name && (!chosen || chosen->next->kind != NODE_MAPPING))
		return refuse_profile(b, profiles ? profiles->next : NULL);
	if (name) {
		b->p->profile = strdup(name);
		if (!b->p->profile)
			return -ENOMEM;
	}
	r = chosen ? read_profile(b, chosen, b->p) : read_variant(b, b->tree->root, b->p);
	if (!profiles || (r < 0 && !b->options->report))
		return r;
	if (r < 0)
		others.reterr = NULL; /* the first fault is known */
	err = check_profiles(&others, profiles->next, name);
	return r < 0 ? r : err;
}

static struct policy *policy_new(const char *name)
{
	_cleanup_(policy_freep) struct policy *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->name = strdup(name);
	return p->name ? take_ptr(p) : NULL;
}

const char *policy_file_below(const struct policy *p, size_t index)
{
	const char *slash = strrchr(p->files[0]->name, '/');
	size_t length = slash ? (size_t)(slash + 1 - p->files[0]->name) : 0;
	const char *name = p->files[index]->name;

	if (length)
		return strncmp(name, p->files[0]->name, length) == 0 ? name + length : NULL;
	return *name == '/' ? NULL : name;
}

/* The text is that of the only file, or one of all. It is the same wherever they lie, and whatever the first
 * of them is called: so that it can be told whether files say what is in force. */
static int take_text(struct policy *p, const struct tree *tree, struct fault *reterr)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	struct place top = {p->files[0], 1, 1, 0};

	if (!p->includes) {
		p->text = p->files[0]->text;
		p->length = p->files[0]->length;
		return policy_text_hash(p->text, p->length, p->sha256);
	}
	text_puts(&t, "# One text of a policy and what it includes:\n");
	for (size_t i = 1; i < p->file_count; i++)
		text_printf(&t, "#   %s\n", policy_file_below(p, i) ?: p->files[i]->name);
	text_puts(&t, "\n");
	fmt_write(tree->root, &t);
	if (t.truncated)
		return -ENOMEM;
	if (t.length > POLICY_TEXT_MAX)
		return diagnose(NULL, reterr, &top, -E2BIG, "policy.text.long",
				"one text of all files is longer than %u bytes", POLICY_TEXT_MAX);
	p->length = t.length;
	p->text = text_take(&t);
	return policy_text_hash(p->text, p->length, p->sha256);
}

static const struct policy_options no_options;

/* Read @path, or @text if there is no path. */
static int build(const char *path, const char *name, const char *text, size_t length,
		 const struct policy_options *options, uint64_t tick_ns, struct policy **ret,
		 struct fault *reterr)
{
	_cleanup_(policy_freep) struct policy *p = policy_new(name);
	_cleanup_(tree_freep) struct tree *tree = NULL;
	struct build b = {p, NULL, options ?: &no_options, tick_ns, reterr};
	const struct policy_file *file;
	char *copy;
	int r = p ? 0 : -ENOMEM;

	if (r == 0 && path) {
		r = load_tree(p, path, b.options->report, &tree, reterr);
	} else if (r == 0) {
		copy = malloc(length + 1);
		if (copy) {
			memcpy(copy, text, length);
			copy[length] = '\0';
		}
		r = copy ? policy_add_file(p, name, copy, length, &file) : -ENOMEM;
		if (r == 0)
			r = tree_parse(file, b.options->report, &tree, reterr);
	}
	if (r == 0)
		r = take_text(p, tree, reterr);
	b.tree = tree;
	if (r == 0)
		r = read_model(&b);
	if (r == -ENOMEM)
		return fault(reterr, r, "policy.memory", "%.200s: out of memory", name);
	if (r < 0)
		return r;
	*ret = take_ptr(p);
	return 0;
}

int policy_parse_with(const char *name, const char *text, size_t length,
		      const struct policy_options *options, struct policy **ret,
		      struct fault *reterr)
{
	return build(NULL, name, text, length, options, 0, ret, reterr);
}

int policy_parse(const char *name, const char *text, size_t length, struct policy **ret,
		 struct fault *reterr)
{
	return build(NULL, name, text, length, NULL, 0, ret, reterr);
}

int policy_load_with(const char *path, const struct policy_options *options, struct policy **ret,
		     struct fault *reterr)
{
	return build(path, path, NULL, 0, options, 0, ret, reterr);
}

int policy_load(const char *path, struct policy **ret, struct fault *reterr)
{
	return build(path, path, NULL, 0, NULL, 0, ret, reterr);
}

int policy_check(const char *path, const struct policy_options *options, uint64_t tick_ns,
		 struct policy **ret, struct fault *reterr)
{
	struct fault why = {0};
	int r = build(path, path, NULL, 0, options, tick_ns, ret, &why);

	if (r < 0 && !options->report->error_count)
		report_fault(options->report, path, &why);
	policy_report_sort(options->report);
	if (r < 0 && reterr)
		*reterr = why;
	return r;
}

int policy_files(const char *path, struct policy **ret, struct fault *reterr)
{
	_cleanup_(policy_freep) struct policy *p = policy_new(path);
	_cleanup_(tree_freep) struct tree *tree = NULL;
	int r = p ? load_tree(p, path, NULL, &tree, reterr) : -ENOMEM;

	if (r == 0)
		r = take_text(p, tree, reterr);
	if (r == -ENOMEM)
		return fault(reterr, r, "policy.memory", "%.200s: out of memory", path);
	if (r < 0)
		return r;
	*ret = take_ptr(p);
	return 0;
}

int policy_effective(const char *text, size_t length, const char *profile, char **ret,
		     size_t *ret_length, struct fault *reterr)
{
	const struct policy_file file = {"policy", (char *)(uintptr_t)text, length};
	_cleanup_(text_done) struct text t = {.growing = true};
	_cleanup_(tree_freep) struct tree *tree = NULL;
	struct node **link;
	int r = tree_parse(&file, NULL, &tree, reterr);

	if (r == 0)
		r = comments_attach(tree->root);
	if (r == 0)
		r = merge_chosen(tree, profile, reterr);
	if (r < 0)
		return r == -ENOMEM ? fault(reterr, r, "policy.memory", "out of memory") : r;
	for (link = &tree->root->children; *link; link = &(*link)->next->next)
		if (strcmp((*link)->text, "profiles") == 0) {
			*link = (*link)->next->next;
			tree->root->count -= 2;
			break;
		}
	fmt_write(tree->root, &t);
	if (t.truncated)
		return fault(reterr, -ENOMEM, "policy.memory", "out of memory");
	*ret_length = t.length;
	*ret = text_take(&t);
	return 0;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	policy_list_done(&policy->allow);
	policy_list_done(&policy->block);
	policy_exports_done(policy);
	policy_otlp_done(&policy->otlp);
	policy_assets_done(policy);
	policy_access_done(policy);
	for (size_t i = 0; i < policy->service_count; i++) {
		free(policy->services[i].dsts);
		free(policy->services[i].ports);
	}
	for (size_t i = 0; i < policy->tenant_count; i++) {
		free(policy->tenants[i].dsts);
		free(policy->tenants[i].srcs);
	}
	for (size_t i = 0; i < policy->limit_count; i++) {
		free(policy->limits[i].rollout.sources);
		free(policy->limits[i].rollout.tenants);
		schedule_free(policy->limits[i].schedule);
	}
	for (size_t i = 0; i < policy->flag_count; i++) {
		free(policy->flags[i].description);
		free(policy->flags[i].sources);
		free(policy->flags[i].tenants);
	}
	free(policy->flags);
	free(policy->services);
	free(policy->tenants);
	free(policy->tiers);
	free(policy->limits);
	free(policy->metadata.name);
	free(policy->metadata.owner);
	free(policy->metadata.change);
	free(policy->name);
	if (!policy->file_count || policy->text != policy->files[0]->text)
		free(policy->text);
	for (size_t i = 0; i < policy->file_count; i++) {
		free(policy->files[i]->name);
		free(policy->files[i]->text);
		free(policy->files[i]);
	}
	free(policy->files);
	free(policy->profile);
	free(policy);
}
