/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/man.h"

#include <string.h>

#include "cli/options.h"

/* Text of roff: neither a request nor an escape, and hyphens that can be copied. */
static void put(const struct cli *cli, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", cli->out);
	for (; *text; text++)
		if (*text == '\\')
			fputs("\\e", cli->out);
		else if (*text == '-')
			fputs("\\-", cli->out);
		else
			fputc(*text, cli->out);
}

/* A term and what it means; @bold and then @plain make the term. */
static void put_term(const struct cli *cli, const char *bold, const char *plain, const char *words)
{
	fputs(".TP\n\\fB", cli->out);
	put(cli, bold);
	fputs("\\fR", cli->out);
	if (*plain) {
		fputc(' ', cli->out);
		put(cli, plain);
	}
	fputc('\n', cli->out);
	put(cli, words);
	fputc('\n', cli->out);
}

static void put_commands(const struct cli *cli)
{
	fputs(".SH COMMANDS\n", cli->out);
	for (size_t i = 0; i < cli->command_count; i++) {
		const struct command *command = &cli->commands[i];

		put_term(cli, command->name, command->operands, command->help);
		fputs(".br\n", cli->out);
		if (command->main) {
			fputs("Its options: \\fBweir daemon \\-\\-help\\fR.\n", cli->out);
			continue;
		}
		fputs("Takes", cli->out);
		for (const enum cli_option *o = command->options; *o != CLI_OPTION_MAX; o++) {
			fputs(o == command->options ? " " : ", ", cli->out);
			put(cli, "--");
			put(cli, options_row(*o)->name);
		}
		fputs(".\n", cli->out);
	}
}

static void put_options(const struct cli *cli)
{
	fputs(".SH OPTIONS\nOptions may stand anywhere behind the command; \\fB\\-\\-\\fR ends them.\n",
	      cli->out);
	for (unsigned int i = 0; i < CLI_OPTION_MAX; i++) {
		const struct option *o = options_row(i);
		char name[64];

		if (o->letter)
			snprintf(name, sizeof(name), "-%c, --%s", o->letter, o->name);
		else
			snprintf(name, sizeof(name), "--%s", o->name);
		put_term(cli, name, o->arg ?: "", o->help);
	}
}

int man_print(const struct cli *cli)
{
	fputs(".TH WEIR 8 2026-11-21 \"weir " WEIR_VERSION "\" \"System Administration\"\n"
	      ".SH NAME\n"
	      "weir \\- limit and block traffic in XDP, before the network stack sees it\n"
	      ".SH SYNOPSIS\n"
	      "\\fBweir\\fR \\fICOMMAND\\fR [\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]\n"
	      ".SH DESCRIPTION\n"
	      "\\fBweir daemon\\fR enforces a policy on interfaces of this host.\n"
	      "All other commands ask it over its Unix socket, or are answered from files.\n"
	      "Standard output is data, standard error is talk.\n",
	      cli->out);
	put_commands(cli);
	put_options(cli);
	fputs(".SH \"EXIT STATUS\"\n", cli->out);
#define X(name, number, words) put_term(cli, #number, "", words);
	CLI_EXITS(X)
#undef X
	fputs(".SH ENVIRONMENT\n", cli->out);
	put_term(cli, "WEIR_SOCKET", "", "the daemon's socket, if --socket does not name it");
	put_term(cli, "NO_COLOR", "", "if it is not empty, nothing is printed in colour");
	fputs(".SH FILES\n", cli->out);
	put_term(cli, CLI_SOCKET, "", "the daemon's socket");
	put_term(cli, CLI_STATE_DIR, "", "its state and the audit log");
	put_term(cli, CLI_BPFFS, "", "what it pinned");
	return CLI_OK;
}
