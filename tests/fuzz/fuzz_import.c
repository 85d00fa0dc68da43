/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any text as what another tool prints; its first byte says which, and a second one which list is meant. What is refused is
 * refused in words; what is accepted becomes a policy that is one, in mode monitor and written as all are, and a feed that can
 * be read. What could not be translated is said in words that steer no terminal.
 */
#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "import/import.h"
#include "lists/feed.h"
#include "policy/fmt.h"

#define NOW 1795266600

static void check_words(const char *words)
{
	REQUIRE(utf8_valid(words, strlen(words)), "words that are not UTF-8: '%s'", words);
	for (const char *c = words; *c; c++)
		REQUIRE(!iscntrl((unsigned char)*c), "a control character in '%s'", words);
}

static void check_notes(const struct import *i)
{
	_cleanup_(json_decrefp) json_t *summary = import_summary(i);

	REQUIRE(summary, "no summary");
	for (size_t n = 0; n < i->note_count; n++) {
		REQUIRE(*i->notes[n].why, "a note without a reason");
		REQUIRE(i->notes[n].line || i->notes[n].place, "a note without a place");
		check_words(i->notes[n].place ?: "");
		check_words(i->notes[n].text);
		check_words(i->notes[n].why);
	}
}

static void check_policy(struct import *i)
{
	_cleanup_free_ char *text = NULL, *again = NULL;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	size_t length = 0, again_length = 0;
	struct fault f = {0};
	int r = import_policy(i, false, &text, &length, &f);

	REQUIRE(r == 0, "%s", f.text);
	REQUIRE(policy_parse("p", text, length, &policy, &f) == 0, "%s in:\n%s", f.text, text);
	REQUIRE(policy_compile(policy, 4000000, &image, &f) == 0, "%s in:\n%s", f.text, text);
	REQUIRE(policy->mode == WEIR_MODE_MONITOR, "another mode in:\n%s", text);
	REQUIRE(policy->allow.count == import_count(i, LIST_ALLOW) &&
			policy->block.count == import_count(i, LIST_BLOCK) &&
			policy->limit_count == i->limit_count,
		"not what was found in:\n%s", text);
	REQUIRE(policy_fmt("p", text, length, &again, &again_length, &f) == 0, "%s", f.text);
	REQUIRE(length == again_length && memcmp(text, again, length) == 0,
		"not as all are written:\n%s", text);
}

static void check_list(struct import *i)
{
	const struct feed_source source = {.path = "f", .format = FEED_PLAIN};
	_cleanup_(list_content_freep) struct list_content *content = NULL;
	struct feed_report report = {0};
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	struct fault f = {0};

	REQUIRE(import_list(i, &text, &length, &f) == 0, "%s", f.text);
	if (!import_count(i, i->kind))
		return;
	REQUIRE(feed_parse(&source, text, length, &content, &report, &f) == 0, "%s in:\n%s", f.text,
		text);
	REQUIRE(report.bad == 0 && report.masked == 0 && report.lines == import_count(i, i->kind),
		"%zu lines, %zu bad, in:\n%s", report.lines, report.bad, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char letters[] = {[IMPORT_FAIL2BAN] = 'f',
				       [IMPORT_NFT] = 'n',
				       [IMPORT_IPSET] = 'i',
				       [IMPORT_CROWDSEC] = 'c',
				       [IMPORT_XDP_FILTER] = 'x'};
	_cleanup_free_ char *text = NULL;
	_cleanup_(import_freep) struct import *i = NULL;
	const char *letter;
	struct fault f = {0};
	int r;

	letter = size >= 2 ? memchr(letters, data[0], sizeof(letters)) : NULL;
	if (!letter)
		return 0;
	text = fuzz_string(data + 2, size - 2);
	REQUIRE(import_new((enum import_tool)(letter - letters),
			   data[1] == 'a' ? LIST_ALLOW : LIST_BLOCK, NOW, &i) == 0,
		"no memory");
	r = import_text(i, text, size - 2, &f);
	if (r < 0) {
		REQUIRE(f.err == r && f.code && strncmp(f.code, "import.", 7) == 0 && *f.text,
			"%d without words", r);
		check_words(f.text);
		return 0;
	}
	check_policy(i);
	check_list(i);
	check_notes(i);
	return 0;
}
