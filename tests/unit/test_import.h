/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of imports share: one import, what it writes, and what it says that it cannot. */
#ifndef TEST_IMPORT_H
#define TEST_IMPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "import/import.h"
#include "policy/fmt.h"

#define NOW 1795266600 /* 2026-11-21 13:10:00 UTC */

/* The last import. */
struct fixture {
	struct import *import;
	char *policy; /* what it makes; NULL = nothing could be read */
	struct fault fault;
};

static inline int set_up(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state ? 0 : -1;
}

static inline void forget(struct fixture *x)
{
	import_free(take_ptr(x->import));
	free(take_ptr(x->policy));
	x->fault = (struct fault){0};
}

static inline int tear_down(void **state)
{
	forget(*state);
	free(*state);
	return 0;
}

/* Whatever is made is a policy, and is written as all are. */
static inline void make_policy(struct fixture *x)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	_cleanup_free_ char *again = NULL;
	size_t length = 0, again_length = 0;
	struct fault f = {0};

	if (import_policy(x->import, false, &x->policy, &length, &f) < 0)
		fail_msg("%s", f.text);
	if (policy_parse("p", x->policy, length, &policy, &f) < 0 ||
	    policy_compile(policy, 4000000, &image, &f) < 0)
		fail_msg("%s in:\n%s", f.text, x->policy);
	assert_int_equal(policy->mode, WEIR_MODE_MONITOR);
	assert_int_equal(policy_fmt("p", x->policy, length, &again, &again_length, &f), 0);
	assert_string_equal(x->policy, again);
}

static inline void import_as(struct fixture *x, enum import_tool tool, enum list_kind kind,
			     const char *text)
{
	forget(x);
	assert_int_equal(import_new(tool, kind, NOW, &x->import), 0);
	if (import_text(x->import, text, strlen(text), &x->fault) == 0)
		make_policy(x);
}

#define import(x, tool, text) import_as(x, IMPORT_##tool, LIST_BLOCK, text)

static inline void import_file(struct fixture *x, enum import_tool tool, const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	struct fault f = {0};

	if (fs_read_file(path, IMPORT_INPUT_MAX, &text, &length, &f) < 0)
		fail_msg("%s", f.text);
	import_as(x, tool, LIST_BLOCK, text);
	if (!x->policy)
		fail_msg("%s", x->fault.text);
}

static inline void assert_has(const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

static inline void assert_lacks(const char *text, const char *part)
{
	if (!text || strstr(text, part))
		fail_msg("'%s' is in: %s", part, text);
}

static inline bool says(const struct fixture *x, enum import_note_kind kind, const char *place,
			const char *why)
{
	for (size_t i = 0; i < x->import->note_count; i++) {
		const struct import_note *n = &x->import->notes[i];
		char line[32];

		snprintf(line, sizeof(line), "line %u", n->line);
		if (n->kind == kind && strstr(n->why, why) &&
		    (strcmp(line, place) == 0 || (n->place && strstr(n->place, place))))
			return true;
	}
	for (size_t i = 0; i < x->import->note_count; i++)
		print_error("# %u %s '%s': %s\n", x->import->notes[i].line,
			    x->import->notes[i].place ?: "", x->import->notes[i].text,
			    x->import->notes[i].why);
	return false;
}

#define assert_skips(x, place, why)   assert_true(says(x, IMPORT_SKIPPED, place, why))
#define assert_differs(x, place, why) assert_true(says(x, IMPORT_DIFFERS, place, why))
#define assert_notes(x, skipped, different)                                                        \
	do {                                                                                       \
		assert_int_equal((x)->import->counts[IMPORT_SKIPPED], skipped);                    \
		assert_int_equal((x)->import->counts[IMPORT_DIFFERS], different);                  \
	} while (0)

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
