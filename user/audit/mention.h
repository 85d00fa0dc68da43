/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether somebody is named in the clear: in a text, in a record, in an event. Somebody is an address, a prefix or
 * a name. Values that are sealed are not looked at: who may open them knows their subjects.
 */
#ifndef AUDIT_MENTION_H
#define AUDIT_MENTION_H

#include <stdbool.h>

#include "audit/record.h"
#include "base/address.h"

#define MENTION_MAX 256 /* bytes of a subject */

struct mention {
	char word[MENTION_MAX + 1]; /* an address in the one way that records have it */
	bool is_prefix;		    /* or an address */
	struct prefix prefix;
};

/** -EINVAL: @subject is empty, too long or no UTF-8. */
int mention_init(struct mention *m, const char *subject);

/**
 * The subject stands in @text as a word of its own: 10.0.0.1 does not in 110.0.0.1, 10.0.0.12 or 10.0.0.1.5. An
 * address is found in whatever way it is written.
 */
bool mention_in_text(const struct mention *m, const char *text);
/** Some value of the record that field.def says may be about people has it, in the clear. */
bool mention_in_record(const struct mention *m, const char *data, const struct record_view *view);
/** The source is the address, or within the prefix. */
bool mention_is_source(const struct mention *m, const uint8_t source[static 16]);

#endif
