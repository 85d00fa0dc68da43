/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which command is meant, help made from the table of commands, and how failures are told. What the
 * commands do is in cmd_*.c, their options in options.c.
 */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/man.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/render.h"

/* Length of the first word of a command's name. */
static size_t first_word(const struct command *command)
{
	return strcspn(command->name, " ");
}

static bool first_word_is(const struct command *command, const char *word)
{
	return strlen(word) == first_word(command) &&
	       strncmp(command->name, word, strlen(word)) == 0;
}

/* The second word of a command's name, or NULL. */
static const char *second_word(const struct command *command)
{
	const char *space = strchr(command->name, ' ');

	return space ? space + 1 : NULL;
}

/* Find the command that the first of @words name, and how many of them do. NULL = none. */
static const struct command *find(const struct cli *cli, char **words, size_t count,
				  size_t *ret_used)
{
	for (size_t i = 0; i < cli->command_count; i++) {
		const struct command *command = &cli->commands[i];
		const char *second = second_word(command);

		if (!count || !first_word_is(command, words[0]))
			continue;
		if (second && (count < 2 || strcmp(second, words[1]) != 0))
			continue;
		*ret_used = second ? 2 : 1;
		return command;
	}
	return NULL;
}

static bool is_group(const struct cli *cli, const char *word)
{
	for (size_t i = 0; i < cli->command_count; i++)
		if (second_word(&cli->commands[i]) && first_word_is(&cli->commands[i], word))
			return true;
	return false;
}

static int unknown(const struct cli *cli, char **words, size_t count)
{
	bool group = is_group(cli, words[0]);
	const char *typed = group && count > 1 ? words[1] : words[0];
	const struct command *meant = NULL;
	unsigned int best = 3; /* more than two typing errors are another word */

	if (group && count < 2)
		return cli_usage(cli, "'weir %s' needs a second word: see 'weir help %s'", words[0],
				 words[0]);
	for (size_t i = 0; i < cli->command_count; i++) {
		const struct command *command = &cli->commands[i];
		char first[32];
		unsigned int distance;

		if (group && !first_word_is(command, words[0]))
			continue;
		snprintf(first, sizeof(first), "%.*s", (int)first_word(command), command->name);
		distance = text_distance(typed, group ? second_word(command) : first);
		if (distance < best) {
			best = distance;
			meant = command;
		}
	}
	if (!meant && group)
		return cli_usage(cli, "there is no command '%s %s': see 'weir help %s'", words[0],
				 words[1], words[0]);
	if (!meant)
		return cli_usage(cli, "there is no command '%s'", words[0]);
	return cli_usage(cli, "there is no command '%s%s%s'; did you mean '%.*s'?", words[0],
			 group ? " " : "", group ? words[1] : "",
			 (int)(group ? strlen(meant->name) : first_word(meant)), meant->name);
}

/* The list of commands; of those that begin with @word, if it is not NULL. */
static int help_commands(const struct cli *cli, const char *word)
{
	_cleanup_(table_done) struct table t = {0};

	table_init(&t, "", "", NULL);
	for (size_t i = 0; i < cli->command_count; i++) {
		const struct command *command = &cli->commands[i];

		if (word && !first_word_is(command, word))
			continue;
		table_cell(&t, "  %s%s%s", command->name, *command->operands ? " " : "",
			   command->operands);
		table_cell(&t, "%s", command->help);
	}
	return table_print(&t, cli);
}

static int help_all(const struct cli *cli)
{
	fputs("weir limits and blocks traffic in XDP, before the network stack sees it.\n\n"
	      "usage: weir COMMAND [ARGUMENTS] [OPTIONS]\n\n",
	      cli->out);
	help_commands(cli, NULL);
	fputs("\n'weir COMMAND --help' shows a command's options; all print JSON with -o json.\n"
	      "Exit codes:\n",
	      cli->out);
#define X(name, number, words) fprintf(cli->out, "  %2d  %s\n", number, words);
	CLI_EXITS(X)
#undef X
	return CLI_OK;
}

static int help_command(const struct cli *cli, const struct command *command)
{
	if (command->main) {
		char name[] = "daemon", option[] = "--help";
		char *argv[] = {name, option, NULL};

		return command->main(2, argv);
	}
	cli_say(cli, "usage: weir %s%s%s [OPTIONS]", command->name, *command->operands ? " " : "",
		command->operands);
	fputc('\n', cli->out);
	cli_say(cli, "%s", command->help);
	fputc('\n', cli->out);
	options_help(cli, command);
	return CLI_OK;
}

/* Help on what the words name: a command, a group of commands, everything. */
static int help(const struct cli *cli, char **words, size_t count)
{
	const struct command *command;
	size_t used;

	if (!count)
		return help_all(cli);
	command = find(cli, words, count, &used);
	if (command)
		return help_command(cli, command);
	if (is_group(cli, words[0]) && count == 1)
		return help_commands(cli, words[0]);
	return unknown(cli, words, count);
}

int cmd_help(struct cli *cli)
{
	if (cli->values[CLI_OPTION_MAN])
		return man_print(cli);
	return help(cli, cli->operands, cli->operand_count);
}

/* Compare the number of operands with what the table says. */
static int check_operands(const struct cli *cli)
{
	const char *s = cli->command->operands;
	size_t required = 0, allowed = 0;

	for (; *s; s += strcspn(s, " "), s += strspn(s, " ")) {
		if (strstr(s, "...]")) /* the last one, any number of times */
			return CLI_OK;
		allowed++;
		required += *s != '[';
	}
	if (cli->operand_count < required)
		return cli_usage(cli, "'weir %s' needs %s", cli->command->name,
				 cli->command->operands);
	if (cli->operand_count > allowed)
		return cli_usage(cli, "'weir %s' does not know what to do with '%s'",
				 cli->command->name, cli->operands[allowed]);
	return CLI_OK;
}

static bool use_colour(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	int fd = fileno(out);

	return fd >= 0 && isatty(fd) && !(no_color && *no_color) &&
	       !(term && strcmp(term, "dumb") == 0);
}

/* With its output turned into what -o asks for. */
static int run_command(struct cli *cli)
{
	FILE *out = cli->out;
	int exit;

	if (!cli->lines)
		return cli->command->fn(cli);
	cli->out = output_open(out, cli->yaml, cli->command->rows ?: "items");
	if (!cli->out) {
		cli->out = out;
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	}
	exit = cli->command->fn(cli);
	if (fclose(cli->out) == EOF)
		exit = exit ?: CLI_FAILED;
	cli->out = out;
	return exit;
}

static int run(struct cli *cli, int argc, char **argv)
{
	char version[] = "version";
	size_t words = 0, used = 0;
	int exit;

	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		argv[1] = version;
	cli->command = argc > 1 ? find(cli, argv + 1, 1, &used) : NULL;
	if (cli->command && cli->command->main)
		return cli->command->main(argc - 1, argv + 1);
	cli->command = NULL;
	/* Who closed the pipe (`weir ... | head`) has seen enough: end in silence. */
	signal(SIGPIPE, SIG_DFL);
	exit = options_split(cli, argc - 1, argv + 1, &words);
	if (exit != CLI_OK)
		return exit;
	if (cli->values[CLI_OPTION_HELP])
		return help(cli, argv + 1, words);
	if (!words)
		return cli_usage(cli, "what shall it do?");
	cli->command = find(cli, argv + 1, words, &used);
	if (!cli->command)
		return unknown(cli, argv + 1, words);
	if (cli->command->main)
		return cli_usage(cli, "the options of 'weir %s' stand after it",
				 cli->command->name);
	cli->operands = argv + 1 + used;
	cli->operand_count = words - used;
	exit = options_check(cli);
	if (exit == CLI_OK)
		exit = check_operands(cli);
	return exit == CLI_OK ? run_command(cli) : exit;
}

int cli_run(struct cli *cli, int argc, char **argv)
{
	int exit;

	cli->colour = use_colour(cli->out);
	exit = run(cli, argc, argv);
	if (exit == CLI_DRY)
		exit = CLI_OK;
	if (fflush(cli->out) == EOF || ferror(cli->out)) {
		cli_talk(cli, "cannot write the output");
		return exit == CLI_OK ? CLI_FAILED : exit;
	}
	return exit;
}

const char *cli_operand(const struct cli *cli, size_t index, const char *fallback)
{
	return index < cli->operand_count ? cli->operands[index] : fallback;
}

const char *cli_value(const struct cli *cli, enum cli_option option, const char *fallback)
{
	return cli->values[option] ?: fallback;
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
	_cleanup_free_ char *words = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&words, format, ap) < 0)
		words = NULL;
	va_end(ap);
	cli_talk(cli, "%s", words ?: "the command line is wrong");
	if (cli->command)
		cli_talk(cli, "see 'weir %s --help'", cli->command->name);
	else
		cli_talk(cli, "see 'weir help'");
	return CLI_USAGE;
}

int cli_fail(const struct cli *cli, int exit, const char *code, const char *detail,
	     const char *hint)
{
	_cleanup_(json_decrefp) json_t *problem = NULL;

	cli_talk(cli, "%s [%s]", detail, code);
	if (hint)
		cli_talk(cli, "%s", hint);
	if (!cli->json)
		return exit;
	problem = json_pack("{s:s, s:s, s:s*}", "code", code, "detail", detail, "hint", hint);
	if (problem) {
		json_dumpf(problem, cli->out, JSON_COMPACT);
		fputc('\n', cli->out);
	}
	return exit;
}

int cli_fault(const struct cli *cli, const struct fault *f)
{
	bool denied = f->err == -EACCES || f->err == -EPERM;

	return cli_fail(cli, denied ? CLI_DENIED : CLI_FAILED, f->code, f->text,
			f->err == -EACCES ? "try it as root" : NULL);
}

int cli_confirm(const struct cli *cli, const char *what)
{
	char answer[16] = "";

	if (cli->values[CLI_OPTION_YES] || cli->values[CLI_OPTION_DRY_RUN] ||
	    !isatty(STDIN_FILENO) || !isatty(fileno(cli->err)))
		return CLI_OK;
	fprintf(cli->err, "weir: %s? [y/N] ", what);
	fflush(cli->err);
	if (fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y'))
		return CLI_OK;
	return cli_fail(cli, CLI_FAILED, "cli.declined", "nothing was done",
			"answer y, or give --yes to be asked nothing");
}

int cli_prefix(const struct cli *cli, size_t index, struct prefix *ret)
{
	const char *operand = cli_operand(cli, index, "");
	char suggestion[PREFIX_TEXT_SIZE];

	switch (prefix_parse(operand, ret)) {
	case 0:
		return CLI_OK;
	case -EDOM:
		prefix_format(ret, suggestion);
		return cli_usage(
			cli, "%s has bits set beyond its length; did you mean %s, or %.*s alone?",
			operand, suggestion, (int)strcspn(operand, "/"), operand);
	case -ERANGE:
		return cli_usage(cli, "'%s': the prefix is longer than the address", operand);
	default:
		return cli_usage(cli,
				 "'%s' is no address or prefix; write 198.51.100.7, "
				 "198.51.100.0/24 or 2001:db8::/32",
				 operand);
	}
}
