/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What fail2ban-client prints: `banned`, `status JAIL`, `get JAIL banip` with or without --with-time, and of `-d` what jails count.
 * Only the lines with times say when a ban ends; the database does so, too. Each line is known by its form, so several answers may
 * stand in one file.
 */
#include "import/fail2ban.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct reader {
	struct import *import;
	char jail[FAIL2BAN_JAIL_MAX]; /* of the status that is being read; "" = none */
	size_t understood;
	size_t settings; /* of jails, without a counterpart */
};

void fail2ban_add(struct import *i, const char *word, size_t length, const char *jail,
		  int64_t until, const struct place_in *place)
{
	char reason[POLICY_STRING_MAX + 1];
	uint64_t seconds = 0;

	if (until == INT64_MAX)
		seconds = IMPORT_FOREVER;
	else if (until > i->now)
		seconds = (uint64_t)(until - i->now);
	snprintf(reason, sizeof(reason), "fail2ban%s%s", jail && *jail ? ": " : "", jail ?: "");
	import_add(i,
		   &(struct found){
			   .kind = LIST_BLOCK,
			   .word = word,
			   .length = length,
			   .seconds = seconds,
			   .reason = reason,
		   },
		   place);
}

void fail2ban_say_reach(struct import *i)
{
	const struct place_in place = {.name = "all jails"};

	if (import_count(i, LIST_BLOCK))
		import_note(
			i, IMPORT_DIFFERS, &place, "bans", strlen("bans"),
			"fail2ban's actions mostly ban from the jail's ports; weir blocks all that comes "
			"from there");
}

/* A string of Python, in quotes of either kind; returns what is behind it, NULL: there is none. */
static const char *python_string(const char *at, const char *end, const char **ret,
				 size_t *ret_length)
{
	const char *close;

	if (at >= end || (*at != '\'' && *at != '"'))
		return NULL;
	close = memchr(at + 1, *at, (size_t)(end - at - 1));
	if (!close)
		return NULL;
	*ret = at + 1;
	*ret_length = (size_t)(close - at - 1);
	return close + 1;
}

static const char *skip(const char *at, const char *end, const char *characters)
{
	while (at < end && strchr(characters, *at) && *at)
		at++;
	return at;
}

/* [{'sshd': ['192.0.2.1', '2001:db8::5']}, {'recidive': []}] */
static bool read_banned(struct reader *r, const struct place_in *place, const char *line,
			size_t length)
{
	const char *at = line, *end = line + length, *word;
	size_t word_length;

	for (;;) {
		const char *next;

		at = skip(at, end, "[]{}, \t");
		if (at == end)
			return true;
		next = python_string(at, end, &word, &word_length);
		if (!next)
			return false;
		at = skip(next, end, " ");
		if (at < end && *at == ':') {
			snprintf(r->jail, sizeof(r->jail), "%.*s",
				 (int)(word_length < FAIL2BAN_JAIL_MAX ? word_length
								       : FAIL2BAN_JAIL_MAX),
				 word);
			at++;
			r->understood++;
			continue;
		}
		fail2ban_add(r->import, word, word_length, r->jail, INT64_MAX, place);
	}
}

/* ['set', 'sshd', 'maxretry', 5]: what a jail counts, where weir has limits of its own. */
static bool read_setting(struct reader *r, const struct place_in *place, const char *line,
			 size_t length)
{
	static const struct {
		const char *name, *why;
	} known[] = {
		{"maxretry", "weir reads no logs and has no lockouts: let fail2ban go on counting"},
		{"findtime", "weir reads no logs and has no lockouts: let fail2ban go on counting"},
		{"bantime", "weir reads no logs and has no lockouts: let fail2ban go on counting"},
		{"addignoreip",
		 "it is never banned; weir's allow list would also take it out of limits"},
	};
	const char *at = skip(line, line + length, "["), *end = line + length;
	struct {
		const char *text;
		size_t length;
	} words[3];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		at = python_string(skip(at, end, ", "), end, &words[i].text, &words[i].length);
		if (!at)
			return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!word_is(words[2].text, words[2].length, known[i].name))
			continue;
		import_note(r->import, IMPORT_SKIPPED, place, line, length, "%s", known[i].why);
		return true;
	}
	return false;
}

/* Seconds since 1970 of a time on the wall here, which is what fail2ban prints; its zone does not stand there. */
static int64_t local_time(struct tm *tm)
{
	time_t guess = timegm(tm), result = guess;
	struct tm there;

	for (int i = 0; i < 2; i++)
		if (localtime_r(&result, &there))
			result = guess - there.tm_gmtoff;
	return result;
}

/* 2026-11-21 13:05:29 + 600 = 2026-11-21 13:15:29; INT64_MIN: it is something else. */
static int64_t read_end(const char *text)
{
	struct tm tm = {0};
	long long seconds;
	int used = 0;

	if (sscanf(text, " %*4d-%*2d-%*2d %*2d:%*2d:%*2d + %12lld = %n", &seconds, &used) != 1 ||
	    !used)
		return INT64_MIN;
	if (seconds < 0)
		return INT64_MAX;
	if (sscanf(text + used, "%4d-%2d-%2d %2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return INT64_MIN;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return local_time(&tm);
}

static bool is_address(const char *word, size_t length)
{
	char text[ADDRESS_TEXT_SIZE];
	uint8_t address[16];

	if (length >= sizeof(text))
		return false;
	memcpy(text, word, length);
	text[length] = '\0';
	return address_parse(text, address) == 0;
}

/* Addresses, to the end of the line. */
static void read_addresses(struct reader *r, const struct place_in *place, const char *at,
			   const char *end)
{
	const char *word;
	size_t length;

	while (words_next(&at, end, &word, &length))
		fail2ban_add(r->import, word, length, r->jail, INT64_MAX, place);
	r->understood++;
}

/* Of `status JAIL`, a tree. */
static bool read_status(struct reader *r, const struct place_in *place, const char *line,
			size_t length)
{
	static const char jail[] = "Status for the jail: ", list[] = "Banned IP list:";
	const char *found = memmem(line, length, list, strlen(list));

	if (length > strlen(jail) && memcmp(line, jail, strlen(jail)) == 0) {
		length -= strlen(jail);
		snprintf(r->jail, sizeof(r->jail), "%.*s",
			 (int)(length < FAIL2BAN_JAIL_MAX ? length : FAIL2BAN_JAIL_MAX),
			 line + strlen(jail));
		r->understood++;
		return true;
	}
	if (found)
		read_addresses(r, place, found + strlen(list), line + length);
	return found || *line == '|' || *line == '`';
}

static bool read_times(struct reader *r, const struct place_in *place, const char *line,
		       size_t length)
{
	const char *at = line, *word;
	_cleanup_free_ char *rest = NULL;
	size_t word_length;
	int64_t until;

	if (!words_next(&at, line + length, &word, &word_length) || !is_address(word, word_length))
		return false;
	rest = strndup(at, (size_t)(line + length - at));
	if (!rest) {
		r->import->error = -ENOMEM;
		return true;
	}
	until = read_end(rest);
	if (until == INT64_MIN) {
		read_addresses(r, place, line, line + length);
		return true;
	}
	fail2ban_add(r->import, word, word_length, NULL, until, place);
	r->understood++;
	return true;
}

static void read_line(struct reader *r, unsigned int number, const char *line, size_t length)
{
	const struct place_in place = {.line = number};
	const char *text = skip(line, line + length, " \t");
	size_t rest = length - (size_t)(text - line);
	bool done;

	if (!rest)
		return;
	if (*text == '[' && rest > 1 && (text[1] == '{' || text[1] == ']'))
		done = read_banned(r, &place, text, rest);
	else if (*text == '[')
		done = read_setting(r, &place, text, rest) || (r->settings++, true);
	else
		done = read_status(r, &place, text, rest) || read_times(r, &place, text, rest);
	if (*text == '[' && done)
		r->understood++;
	if (!done)
		import_note(r->import, IMPORT_SKIPPED, &place, text, rest,
			    "it is nothing that fail2ban-client prints of bans");
}

int import_fail2ban(struct import *i, const char *text, size_t length, struct fault *reterr)
{
	const struct place_in whole = {.name = "all jails"};
	struct reader r = {.import = i};
	struct lines lines = {.at = text, .end = text + length};
	const char *line;

	while (!i->error && lines_next(&lines, &line, &length))
		read_line(&r, lines.number, line, length);
	if (r.settings) {
		char settings[48];

		snprintf(settings, sizeof(settings), "%zu other settings", r.settings);
		import_note(i, IMPORT_SKIPPED, &whole, settings, strlen(settings),
			    "filters, log files and actions: weir has nothing like them");
	}
	fail2ban_say_reach(i);
	if (!r.understood && !i->error)
		return fault(reterr, -ENODATA, "import.empty",
			     "it is nothing that fail2ban-client prints of bans");
	return 0;
}
