/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/complete.h"

#include <net/if.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/render.h"

/* What stands for what in operands and behind options: words, or names that the daemon has. */
static const struct source {
	const char *place;
	const char *command; /* only of this one; NULL = of all */
	const char *words;   /* separated by blanks; ":files", ":interfaces"; NULL = ask */
	const char *path, *member;
} sources[] = {
	{"CIDR", "unblock", NULL, "/v1/lists/block?limit=100", "cidr"},
	{"CIDR", "unallow", NULL, "/v1/lists/allow?limit=100", "cidr"},
	{"LIST", NULL, "allow block", NULL, NULL},
	{"FLAG", NULL, NULL, "/v1/flags", "name"},
	{"LIMIT", NULL, NULL, "/v1/limits", "name"},
	{"GENERATION", NULL, NULL, "/v1/policy/history?limit=20", "generation"},
	{"ID", "gdpr show", NULL, "/v1/governance/requests", "id"},
	{"CATEGORY", NULL, "traffic security lists policy access system audit privacy", NULL, NULL},
	{"MODE", NULL, "off monitor enforce clear", NULL, NULL},
	{"TOOL", NULL, "nft ipset fail2ban crowdsec xdp-filter", NULL, NULL},
	{"SHELL", NULL, "bash zsh fish", NULL, NULL},
	{"FILE", NULL, ":files", NULL, NULL},
	{"DIR", NULL, ":files", NULL, NULL},
	{"PATH", NULL, ":files", NULL, NULL},
	{"OUTPUT", NULL, ":files", NULL, NULL},
	{"--output", NULL, "table wide json ndjson yaml tsv", NULL, NULL},
	{"--format", "import", "policy fragment list", NULL, NULL},
	{"--format", "audit report", "html json csv", NULL, NULL},
	{"--format", NULL, "json ndjson csv cef leef ocsf ecs otlp syslog", NULL, NULL},
	{"--framework", NULL, "soc2 iso27001 gdpr hipaa pci sox", NULL, NULL},
	{"--category", NULL, "traffic security lists policy access system audit privacy", NULL,
	 NULL},
	{"--outcome", NULL, "success failure denied", NULL, NULL},
	{"--iface", NULL, ":interfaces", NULL, NULL},
	{"--rule", NULL, NULL, "/v1/limits", "name"},
	{"--as", NULL, "block allow", NULL, NULL},
};

struct completion {
	struct cli *cli;
	const char *typed;  /* what a word must begin with */
	const char *before; /* stands before it in the same word: "--output=" */
	size_t before_length;
	char last[128]; /* that was printed */
};

static void offer(struct completion *c, const char *word, size_t length, const char *help)
{
	char text[128];

	snprintf(text, sizeof(text), "%.*s", (int)(length < 127 ? length : 127), word);
	render_defuse(text);
	if (!*text || strncmp(text, c->typed, strlen(c->typed)) != 0 || strcmp(text, c->last) == 0)
		return;
	fprintf(c->cli->out, "%.*s%s%s%s\n", (int)c->before_length, c->before, text,
		help ? "\t" : "", help ?: "");
	memcpy(c->last, text, sizeof(text));
}

static void offer_words(struct completion *c, const char *words, const char *separators)
{
	for (size_t length; *words; words += length, words += strspn(words, separators)) {
		length = strcspn(words, separators);
		offer(c, words, length, NULL);
	}
}

static void offer_interfaces(struct completion *c)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *i = all; i && i->if_index; i++)
		offer(c, i->if_name, strlen(i->if_name), NULL);
	if (all)
		if_freenameindex(all);
}

static void offer_names(struct completion *c, const struct source *source)
{
	const struct client_request request = {.method = "GET", .path = source->path};
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct fault f = {0};
	const json_t *item;
	size_t i;

	if (client_call(c->cli->socket, COMPLETE_TIMEOUT_MS, &request, &response, &f) < 0 ||
	    response.status != 200)
		return;
	answer = json_loadb(response.body.data, response.body.length, 0, NULL);
	json_array_foreach (json_object_get(answer, "items"), i, item) {
		const char *name = member_text(item, source->member);
		char number[24];

		if (!*name && member_u64(item, source->member)) {
			snprintf(number, sizeof(number), "%llu",
				 (unsigned long long)member_u64(item, source->member));
			name = number;
		}
		offer(c, name, strlen(name), NULL);
	}
}

/* What stands at @place; false if nothing is known of it. */
static bool offer_place(struct completion *c, const struct command *command, const char *place)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		const struct source *s = &sources[i];

		if (strcmp(s->place, place) != 0 ||
		    (s->command && strcmp(s->command, command->name) != 0))
			continue;
		if (!s->words)
			offer_names(c, s);
		else if (strcmp(s->words, ":files") == 0)
			fputs(":files\n", c->cli->out);
		else if (strcmp(s->words, ":interfaces") == 0)
			offer_interfaces(c);
		else
			offer_words(c, s->words, " ");
		return true;
	}
	return false;
}

static void offer_value(struct completion *c, const struct command *command, enum cli_option option)
{
	char name[32];

	snprintf(name, sizeof(name), "--%s", options_row(option)->name);
	if (!offer_place(c, command, name))
		offer_place(c, command, options_row(option)->arg);
}

static void offer_options(struct completion *c, const struct command *command)
{
	for (unsigned int i = 0; i < CLI_OPTION_MAX; i++) {
		char name[32];

		if (!options_takes(command, i))
			continue;
		snprintf(name, sizeof(name), "--%s", options_row(i)->name);
		offer(c, name, strlen(name), options_row(i)->help);
	}
}

/* The operand at @index, by its place in the synopsis: "[FILE]", "on|off". */
static void offer_operand(struct completion *c, const struct command *command, size_t index)
{
	const char *s = command->operands;
	char place[64];

	for (; index-- && *s; s += strspn(s, " "))
		s += strcspn(s, " ");
	s += *s == '[';
	snprintf(place, sizeof(place), "%.*s", (int)strcspn(s, " ]"), s);
	if (strchr(place, '|'))
		offer_words(c, place, "|");
	else
		offer_place(c, command, place);
}

/* Is the command at @index the first whose name begins with these @length bytes as a word? */
static bool is_first(const struct cli *cli, size_t index, size_t length)
{
	for (size_t i = 0; i < index; i++)
		if (strcspn(cli->commands[i].name, " ") == length &&
		    strncmp(cli->commands[i].name, cli->commands[index].name, length) == 0)
			return false;
	return true;
}

/* The words of commands that begin with @first; without it, their first words. */
static void offer_commands(struct completion *c, const char *first)
{
	for (size_t i = 0; i < c->cli->command_count; i++) {
		const struct command *command = &c->cli->commands[i];
		size_t length = strcspn(command->name, " ");
		bool group = command->name[length];

		if (!first && is_first(c->cli, i, length))
			offer(c, command->name, length, group ? NULL : command->help);
		else if (first && group && strlen(first) == length &&
			 strncmp(command->name, first, length) == 0)
			offer(c, command->name + length + 1, strlen(command->name + length + 1),
			      command->help);
	}
}

static const struct command *find(const struct cli *cli, char *const *words, size_t count,
				  size_t *ret_used)
{
	const struct command *found = NULL;

	for (size_t i = 0; i < cli->command_count; i++) {
		const struct command *command = &cli->commands[i];
		const char *second = strchr(command->name, ' ');
		size_t length = strcspn(command->name, " ");

		if (!count || strlen(words[0]) != length ||
		    strncmp(command->name, words[0], length) != 0)
			continue;
		if (second && (count < 2 || strcmp(second + 1, words[1]) != 0))
			continue;
		if (!found || second) {
			found = command;
			*ret_used = second ? 2 : 1;
		}
	}
	return found;
}

/* Take the options out of the words before the last. Returns how many are left, and the option that waits for its value. */
static size_t take_options(struct cli *cli, char *const *words, size_t count, char **ret_left,
			   enum cli_option *ret_waits)
{
	size_t left = 0;

	*ret_waits = CLI_OPTION_MAX;
	for (size_t i = 0; i < count; i++) {
		const char *value = NULL;
		enum cli_option option;

		if (words[i][0] != '-' || !words[i][1]) {
			ret_left[left++] = words[i];
			continue;
		}
		option = options_find(words[i], &value);
		if (option == CLI_OPTION_MAX || !options_row(option)->arg)
			continue;
		if (!value && i + 1 == count)
			*ret_waits = option;
		else if (!value)
			value = words[++i];
		if (option == CLI_OPTION_SOCKET && value)
			cli->socket = value;
	}
	return left;
}

static void offer_all(struct completion *c, char *const *left, size_t count, enum cli_option waits)
{
	size_t used = 0;
	const struct command *command = find(c->cli, left, count, &used);
	const char *value = NULL;

	if (!command || command->main)
		return count < 2 && !command ? offer_commands(c, count ? left[0] : NULL) : (void)0;
	if (waits == CLI_OPTION_MAX && strncmp(c->typed, "--", 2) == 0) {
		waits = options_find(c->typed, &value);
		if (waits == CLI_OPTION_MAX || !value || !options_row(waits)->arg)
			return offer_options(c, command);
		c->before = c->typed;
		c->before_length = (size_t)(value - c->typed);
		c->typed = value;
	}
	if (waits != CLI_OPTION_MAX)
		return offer_value(c, command, waits);
	if (*c->typed == '-')
		return offer_options(c, command);
	if (strcmp(command->name, "help") == 0)
		return offer_commands(c, count > 1 ? left[1] : NULL);
	if (count == 1)
		offer_commands(c, left[0]); /* "limits" is a command, "limits post" another */
	offer_operand(c, command, count - used);
}

int complete_print(struct cli *cli, char *const *words, size_t count)
{
	_cleanup_free_ char **left = calloc(count + 1, sizeof(*left));
	struct completion c = {.cli = cli, .typed = count ? words[count - 1] : "", .before = ""};
	enum cli_option waits;
	size_t n;

	if (!left)
		return CLI_FAILED;
	n = take_options(cli, words, count ? count - 1 : 0, left, &waits);
	offer_all(&c, left, n, waits);
	return CLI_OK;
}
