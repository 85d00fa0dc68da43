/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `xdp-filter status` prints. Its addresses are those of sources, of destinations or of both, and are dropped, or with the
 * features "deny" passed while everything else is dropped. weir's lists are of sources. Ports and MAC addresses stay there.
 */
#include <errno.h>
#include <string.h>

#include "import/internal.h"

enum section { BEFORE, INTERFACES, PORTS, ADDRESSES, MACS, SECTION_MAX };

static const char *const titles[SECTION_MAX] = {
	[INTERFACES] = "Loaded on interfaces:",
	[PORTS] = "Filtered ports:",
	[ADDRESSES] = "Filtered IP addresses:",
	[MACS] = "Filtered MAC addresses:",
};

struct reader {
	struct import *import;
	enum section section;
	bool is_status;
	bool denies; /* what is listed passes, and nothing else */
};

/* A word of a list such as "dst,tcp,udp". */
static bool has_word(const char *list, size_t length, const char *word)
{
	const char *end = list + length;

	while (list < end) {
		const char *comma = memchr(list, ',', (size_t)(end - list)) ?: end;

		if (word_is(list, (size_t)(comma - list), word))
			return true;
		list = comma + 1;
	}
	return false;
}

static void read_interface(struct reader *r, const struct place_in *place, const char *line,
			   size_t length)
{
	const char *at = line, *word;
	size_t word_length;

	while (words_next(&at, line + length, &word, &word_length)) {
		if (!has_word(word, word_length, "deny") || r->denies)
			continue;
		r->denies = true;
		import_note(r->import, IMPORT_SKIPPED, place, line, length,
			    "it drops what is not listed; weir passes what nothing blocks");
	}
}

static void read_address(struct reader *r, const struct place_in *place, const char *line,
			 size_t length)
{
	const char *at = line, *word, *mode;
	size_t word_length, mode_length;

	if (!words_next(&at, line + length, &word, &word_length) ||
	    !words_next(&at, line + length, &mode, &mode_length)) {
		import_note(r->import, IMPORT_SKIPPED, place, line, length, "it has no mode");
		return;
	}
	if (has_word(mode, mode_length, "dst"))
		import_note(r->import, IMPORT_SKIPPED, place, line, length,
			    "as a destination: weir's lists are of sources");
	if (!has_word(mode, mode_length, "src"))
		return;
	import_add(r->import,
		   &(struct found){
			   .kind = r->denies ? LIST_ALLOW : LIST_BLOCK,
			   .word = word,
			   .length = word_length,
			   .seconds = IMPORT_FOREVER,
			   .reason = "xdp-filter",
		   },
		   place);
}

static bool begins(const char *line, size_t length, const char *with)
{
	return length >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

static void read_line(struct reader *r, unsigned int number, const char *line, size_t length)
{
	const struct place_in place = {.line = number};

	if (length > IMPORT_LINE_MAX) {
		import_note(r->import, IMPORT_SKIPPED, &place, line, length,
			    "the line is longer than %d bytes", IMPORT_LINE_MAX);
		return;
	}
	r->is_status |= begins(line, length, "CURRENT XDP-FILTER STATUS");
	for (unsigned int s = BEFORE + 1; s < SECTION_MAX; s++) {
		if (!begins(line, length, titles[s]))
			continue;
		r->section = s;
		r->is_status = true;
		return;
	}
	/* The head of a table stands further to the right than what is in it. */
	if (length < 3 || !begins(line, length, "  ") || line[2] == ' ')
		return;
	if (r->section == INTERFACES)
		read_interface(r, &place, line, length);
	else if (r->section == ADDRESSES)
		read_address(r, &place, line, length);
	else if (r->section == PORTS)
		import_note(r->import, IMPORT_SKIPPED, &place, line, length,
			    "weir limits what comes to a port and does not close it");
	else if (r->section == MACS)
		import_note(r->import, IMPORT_SKIPPED, &place, line, length,
			    "weir does not look at MAC addresses");
}

int import_xdp_filter(struct import *i, const char *text, size_t length, struct fault *reterr)
{
	struct reader r = {.import = i};
	struct lines lines = {.at = text, .end = text + length};
	const char *line;

	while (!i->error && lines_next(&lines, &line, &length))
		read_line(&r, lines.number, line, length);
	if (!r.is_status)
		return fault(reterr, -ENODATA, "import.empty",
			     "it is not what 'xdp-filter status' prints");
	return 0;
}
