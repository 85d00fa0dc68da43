/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tests of single policies share: a text that is a good one, read and compiled. */
#ifndef TEST_POLICY_IMAGE_H
#define TEST_POLICY_IMAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "policy/policy.h"
#include "test_policy_collect.h"

#define TICK_NS 4000000ULL

/* A policy and its image. */
struct both {
	struct policy *policy;
	struct policy_image *image;
};

static inline void both_done(struct both *b)
{
	policy_image_free(b->image);
	policy_free(b->policy);
}

static inline struct policy *parse(const char *text)
{
	struct policy *p = NULL;
	struct fault f = {0};

	if (policy_parse("p", text, strlen(text), &p, &f) < 0)
		fail_msg("%s: %s", text, f.text);
	return p;
}

static inline struct policy_image *compile(const struct policy *p)
{
	struct policy_image *image = NULL;
	struct fault f = {0};

	if (policy_compile(p, TICK_NS, &image, &f) < 0)
		fail_msg("%s: %s", p->text, f.text);
	return image;
}

static inline struct both compiled(const char *text)
{
	struct both b = {.policy = parse(text)};

	b.image = compile(b.policy);
	policy_collect(b.policy);
	return b;
}

#endif
