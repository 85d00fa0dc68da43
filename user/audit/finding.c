/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/finding.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"

static const char *const statuses[] = {
	[AUDIT_OK] = "ok",
	[AUDIT_TAMPERED] = "tampered",
	[AUDIT_INCOMPLETE] = "incomplete",
};
static_assert(ARRAY_SIZE(statuses) == AUDIT_STATUS_MAX, "each status has a name");

static const struct {
	const char *name;
	enum audit_status status;
	const char *words;
} findings[] = {
#define AUDIT_F(constant, name, status, words)                                                     \
	[AUDIT_FINDING_##constant] = {(name), AUDIT_##status, (words)},
#include "audit/finding.def"
#undef AUDIT_F
};

const char *audit_status_to_str(enum audit_status status)
{
	assert(status < AUDIT_STATUS_MAX);
	return statuses[status];
}

const char *audit_finding_to_str(enum audit_finding finding)
{
	assert(finding < AUDIT_FINDING_MAX);
	return findings[finding].name;
}

const char *audit_finding_words(enum audit_finding finding)
{
	assert(finding < AUDIT_FINDING_MAX);
	return findings[finding].words;
}

enum audit_status audit_finding_status(enum audit_finding finding)
{
	assert(finding < AUDIT_FINDING_MAX);
	return findings[finding].status;
}

int audit_problem(struct audit_problem *p, enum audit_finding finding, uint64_t index,
		  uint64_t offset, const char *format, ...)
{
	va_list ap;

	p->finding = finding;
	p->index = index;
	p->offset = offset;
	va_start(ap, format);
	vsnprintf(p->words, sizeof(p->words), format, ap);
	va_end(ap);
	return -EBADMSG;
}
