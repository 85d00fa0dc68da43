/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a policy: read a file that only its owner can write, take the text, hash it, check
 * it, free it. What the text means is schema.c's business.
 */
#include "policy/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/schema.h"
#include "policy/tree.h"

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
};
_Static_assert(ARRAY_SIZE(algorithm_names) == POLICY_ALGORITHM_MAX, "an algorithm has no name");

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

static int text_hash(const char *text, size_t length, char ret[static POLICY_SHA256_HEX_SIZE])
{
	unsigned char digest[32];

	if (!EVP_Digest(text, length, digest, NULL, EVP_sha256(), NULL))
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

int policy_parse(const char *name, const char *text, size_t length, struct policy **ret,
		 struct fault *reterr)
{
	_cleanup_(tree_freep) struct tree *tree = NULL;
	_cleanup_(policy_freep) struct policy *p = NULL;
	int r;

	r = tree_parse(name, text, length, &tree, reterr);
	if (r == 0)
		p = calloc(1, sizeof(*p));
	if (p) {
		p->name = strdup(name);
		p->text = malloc(length + 1);
		p->length = length;
	}
	if (r == 0 && (!p || !p->name || !p->text))
		r = -ENOMEM;
	if (r == 0) {
		memcpy(p->text, text, length);
		p->text[length] = '\0';
		r = text_hash(text, length, p->sha256);
	}
	if (r == 0)
		r = schema_read(tree, p, reterr);
	if (r == -ENOMEM)
		return fault(reterr, r, "policy.memory", "%.200s: out of memory", name);
	if (r < 0)
		return r;
	*ret = take_ptr(p);
	return 0;
}

static int file_fault(struct fault *reterr, const char *path, int err)
{
	return fault(reterr, err, "policy.file.read", "%.300s: %s", path, strerror(-err));
}

/* Read what is there, at most one byte more than a policy may have. */
static int file_read(int fd, char **ret, size_t *ret_length)
{
	_cleanup_free_ char *text = malloc(POLICY_TEXT_MAX + 1);
	size_t length = 0;

	if (!text)
		return -ENOMEM;
	while (length <= POLICY_TEXT_MAX) {
		ssize_t n = read(fd, text + length, POLICY_TEXT_MAX + 1 - length);

		if (n == 0)
			break;
		if (n > 0)
			length += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	*ret = take_ptr(text);
	*ret_length = length;
	return 0;
}

int policy_load(const char *path, struct policy **ret, struct fault *reterr)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	size_t length = 0;
	int r;

	/* O_NONBLOCK: the open of a fifo must not wait for somebody to write to it. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return file_fault(reterr, path, -errno);
	if (S_ISDIR(st.st_mode))
		return file_fault(reterr, path, -EISDIR);
	if (!S_ISREG(st.st_mode))
		return fault(reterr, -EINVAL, "policy.file.type", "%.300s: not a regular file",
			     path);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return fault(reterr, -EPERM, "policy.file.writable",
			     "%.200s: others can write to it, and a policy is as powerful as root: "
			     "chmod go-w %.200s",
			     path, path);
	r = file_read(fd, &text, &length);
	if (r < 0)
		return file_fault(reterr, path, r);
	return policy_parse(path, text, length, ret, reterr);
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	policy_list_done(&policy->allow);
	policy_list_done(&policy->block);
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
	free(policy->limits);
	free(policy->metadata.name);
	free(policy->metadata.owner);
	free(policy->metadata.change);
	free(policy->name);
	free(policy->text);
	free(policy);
}
