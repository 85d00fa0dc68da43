/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ladder/stack.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

#define FILE_MAX 16384 /* bytes; both are under 5 KiB */

static const struct {
	const char *group, *name, *full, *words;
} table[] = {
#define X(constant, group, name, words) [STACK_##constant] = {group, name, group name, words},
	STACK_COUNTERS(X)
#undef X
};

/* The next word of a line, and *@line behind it. */
static size_t next_word(const char **line, const char **ret)
{
	size_t length;

	*line += strspn(*line, " ");
	*ret = *line;
	length = strcspn(*line, " \n");
	*line += length;
	return length;
}

static void take(const char *group, size_t group_length, const char *name, size_t length,
		 const char *value, size_t digits, struct stack_counts *ret)
{
	char number[24];
	uint64_t count;

	if (!digits || digits >= sizeof(number))
		return;
	memcpy(number, value, digits);
	number[digits] = '\0';
	for (size_t i = 0; i < STACK_COUNTER_MAX; i++)
		if (strlen(table[i].group) == group_length &&
		    memcmp(table[i].group, group, group_length) == 0 &&
		    strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0 &&
		    parse_u64(number, 0, UINT64_MAX, &count) == 0)
			ret->counts[i] += count;
}

/* Lines come in pairs: "Udp: NoPorts InErrors" and "Udp: 3 0". */
void stack_parse(const char *text, struct stack_counts *ret)
{
	while (*text) {
		const char *names = text, *values = text + strcspn(text, "\n");
		const char *group, *name, *value;
		size_t group_length, length, digits;

		if (!*values)
			return;
		values++;
		text = values + strcspn(values, "\n");
		text += *text == '\n';
		group_length = next_word(&names, &group);
		next_word(&values, &value);
		if (group_length < 2 || group[group_length - 1] != ':')
			continue;
		for (;;) {
			length = next_word(&names, &name);
			digits = next_word(&values, &value);
			if (!length || !digits)
				break;
			take(group, group_length - 1, name, length, value, digits, ret);
		}
	}
}

static void read_one(const char *path, struct stack_counts *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[FILE_MAX];
	size_t length = 0;
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && length < sizeof(text) - 1) {
		n = read(fd, text + length, sizeof(text) - 1 - length);
		length += n > 0 ? (size_t)n : 0;
	}
	text[length] = '\0';
	stack_parse(text, ret);
}

void stack_read(struct stack_counts *ret)
{
	memset(ret, 0, sizeof(*ret));
	read_one("/proc/thread-self/net/snmp", ret);
	read_one("/proc/thread-self/net/netstat", ret);
}

const char *stack_name(enum stack_counter counter)
{
	return table[counter].full;
}

const char *stack_words(enum stack_counter counter)
{
	return table[counter].words;
}
