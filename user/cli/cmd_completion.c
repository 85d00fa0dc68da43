/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What shells are told to make them ask us: see complete.h. */
#include <string.h>

#include "base/cleanup.h"
#include "cli/complete.h"

/* Bash cuts words at ':' and '=', too; what it has cut off is taken off the answer. */
static const char bash[] =
	"# weir(8): source this, or put it in /usr/share/bash-completion/completions/weir\n"
	"_weir() {\n"
	"	local line=${COMP_LINE:0:COMP_POINT} now=${COMP_WORDS[COMP_CWORD]} answer\n"
	"	local -a words\n"
	"\n"
	"	read -ra words <<<\"$line\"\n"
	"	[[ $line != *[[:space:]] ]] || words+=('')\n"
	"	[[ $now != [:=] ]] || now=\n"
	"	COMPREPLY=()\n"
	"	while IFS= read -r answer; do\n"
	"		if [[ $answer == :files ]]; then\n"
	"			compopt -o filenames 2>/dev/null\n"
	"			mapfile -t COMPREPLY < <(compgen -f -- \"$now\")\n"
	"		else\n"
	"			answer=${answer%%$'\\t'*}\n"
	"			COMPREPLY+=(\"${answer#\"${words[-1]%\"$now\"}\"}\")\n"
	"		fi\n"
	"	done < <(\"${words[0]}\" completion words -- \"${words[@]:1}\" 2>/dev/null)\n"
	"}\n"
	"complete -F _weir weir\n";

static const char zsh[] =
	"#compdef weir\n"
	"# weir(8): put this as _weir in a directory of $fpath\n"
	"_weir() {\n"
	"	local line\n"
	"	local -a found\n"
	"\n"
	"	for line in \"${(@f)$(${words[1]} completion words -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
	"		if [[ $line == :files ]]; then\n"
	"			_files\n"
	"		elif [[ $line == *$'\\t'* ]]; then\n"
	"			found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
	"		elif [[ -n $line ]]; then\n"
	"			found+=(\"${line//:/\\\\:}\")\n"
	"		fi\n"
	"	done\n"
	"	(( ! $#found )) || _describe weir found\n"
	"}\n"
	"if [[ $funcstack[1] == _weir ]]; then\n"
	"	_weir \"$@\"\n"
	"else\n"
	"	compdef _weir weir\n"
	"fi\n";

static const char fish[] =
	"# weir(8): put this in ~/.config/fish/completions/weir.fish\n"
	"function __weir_words\n"
	"	set -l words (commandline -opc) (commandline -ct)\n"
	"	for line in (command $words[1] completion words -- $words[2..-1] 2>/dev/null)\n"
	"		if test \"$line\" = :files\n"
	"			__fish_complete_path (commandline -ct)\n"
	"		else\n"
	"			echo $line\n"
	"		end\n"
	"	end\n"
	"end\n"
	"complete -c weir -f -a '(__weir_words)'\n";

int cmd_completion(struct cli *cli)
{
	static const struct {
		const char *name, *script;
	} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
	const char *shell = cli_operand(cli, 0, "");

	if (strcmp(shell, "words") == 0)
		return complete_print(cli, cli->operands + 1, cli->operand_count - 1);
	if (cli->operand_count > 1)
		return cli_usage(cli, "only 'weir completion words' takes words");
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (strcmp(shell, shells[i].name) == 0) {
			fputs(shells[i].script, cli->out);
			return CLI_OK;
		}
	return cli_usage(cli, "'%s' is no shell that we know: bash, zsh or fish", shell);
}
