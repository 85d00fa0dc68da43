/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The part of a report that says whether the log is what was recorded. */
#ifndef REPORT_INTEGRITY_H
#define REPORT_INTEGRITY_H

#include <jansson.h>

#include "audit/verify.h"
#include "base/fault.h"
#include "base/text.h"

/* As part of the document; @damage, unless its err is 0: why records could not be read. */
json_t *integrity_json(const struct audit_verdict *v, const struct fault *damage);
/* On the page. */
void integrity_put(struct text *t, const json_t *integrity);

#endif
