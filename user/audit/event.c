/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/event.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

static const struct {
	const char *name;
	size_t length; /* of the name */
	enum audit_category category;
	unsigned int severity;
	const char *words;
} events[] = {
#define AUDIT_E(constant, name, category, severity, words)                                         \
	[AUDIT_EVENT_##constant] = {(name), sizeof(name) - 1, AUDIT_CATEGORY_##category,           \
				    (severity), (words)},
#include "audit/event.def"
#undef AUDIT_E
};

static const struct {
	const char *name;
	const char *words;
} categories[] = {
#define AUDIT_C(constant, name, words) [AUDIT_CATEGORY_##constant] = {(name), (words)},
#include "audit/category.def"
#undef AUDIT_C
};

#define OUTCOME(name)                                                                              \
	{                                                                                          \
		(name), sizeof(name) - 1                                                           \
	}
static const struct {
	const char *name;
	size_t length;
} outcomes[] = {
	[AUDIT_SUCCESS] = OUTCOME("success"),
	[AUDIT_FAILURE] = OUTCOME("failure"),
	[AUDIT_DENIED] = OUTCOME("denied"),
};
static_assert(ARRAY_SIZE(outcomes) == AUDIT_OUTCOME_MAX, "each outcome has a name");

const char *audit_event_to_str(enum audit_event event)
{
	assert(event < AUDIT_EVENT_MAX);
	return events[event].name;
}

const char *audit_event_words(enum audit_event event)
{
	assert(event < AUDIT_EVENT_MAX);
	return events[event].words;
}

bool audit_event_is(enum audit_event event, const char *name, size_t length)
{
	assert(event < AUDIT_EVENT_MAX);
	return events[event].length == length && memcmp(events[event].name, name, length) == 0;
}

int audit_event_from_str(const char *name, size_t length)
{
	for (int i = 0; i < AUDIT_EVENT_MAX; i++)
		if (audit_event_is((enum audit_event)i, name, length))
			return i;
	return -EINVAL;
}

enum audit_category audit_event_category(enum audit_event event)
{
	assert(event < AUDIT_EVENT_MAX);
	return events[event].category;
}

unsigned int audit_event_severity(enum audit_event event)
{
	assert(event < AUDIT_EVENT_MAX);
	return events[event].severity;
}

const char *audit_category_to_str(enum audit_category category)
{
	assert(category < AUDIT_CATEGORY_MAX);
	return categories[category].name;
}

const char *audit_category_words(enum audit_category category)
{
	assert(category < AUDIT_CATEGORY_MAX);
	return categories[category].words;
}

const char *audit_category_names(void)
{
	static const char names[] =
#define AUDIT_C(constant, name, words) ", " name
#include "audit/category.def"
#undef AUDIT_C
		;

	return names + 2;
}

int audit_category_from_str(const char *name)
{
	for (int i = 0; i < AUDIT_CATEGORY_MAX; i++)
		if (strcmp(categories[i].name, name) == 0)
			return i;
	return -EINVAL;
}

const char *audit_outcome_to_str(enum audit_outcome outcome)
{
	assert(outcome < AUDIT_OUTCOME_MAX);
	return outcomes[outcome].name;
}

int audit_outcome_from_str(const char *name, size_t length)
{
	for (int i = 0; i < AUDIT_OUTCOME_MAX; i++)
		if (outcomes[i].length == length && memcmp(outcomes[i].name, name, length) == 0)
			return i;
	return -EINVAL;
}
