/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A collection of the good policies that tests use, for what must hold for every policy. */
#ifndef TEST_POLICY_COLLECT_H
#define TEST_POLICY_COLLECT_H

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "policy/policy.h"

/* With WEIR_POLICIES=DIR, good policies go there as files: tests/e2e/15-language.sh collects them. */
static inline void policy_collect(const struct policy *p)
{
	const char *dir = getenv("WEIR_POLICIES");
	_cleanup_fclose_ FILE *f = NULL;
	char path[256];

	if (!dir || p->length > 65536)
		return;
	snprintf(path, sizeof(path), "%s/%.16s.yaml", dir, p->sha256);
	f = fopen(path, "we");
	if (f)
		fwrite(p->text, 1, p->length, f);
}

#endif
