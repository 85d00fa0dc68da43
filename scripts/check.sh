#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the compiler does not check: the tier rule, banned calls, licence lines, top level, format and
# shell. Every finding is a line; exits 1 if there is any. `check.sh -q` only prints findings.

set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
findings=0

found() {
	printf '%s\n' "$*"
	findings=$((findings + 1))
}

# Tier of each folder of user/; a folder may include lower tiers and itself, never a sibling.
declare -A tier=(
	[base]=0 [identity]=1 [store]=1 [otlp]=1 [policy]=2 [lists]=2 [audit]=1 [metrics]=2 [risk]=2 [trace]=2 [import]=3 [vault]=3 [datapath]=3 [events]=3 [export]=4
	[detect]=4 [explain]=4 [ladder]=4 [backup]=5 [engine]=5 [doctor]=5 [report]=5 [api]=6 [daemon]=7 [cli]=7 [top]=8
)
# Exceptions that are the point of a module: lists and policies are what the datapath is given.
check_tiers() {
	local file folder line target

	while IFS=: read -r file line; do
		folder=${file#user/}
		folder=${folder%%/*}
		target=${line#*\"}
		target=${target%%/*}
		[[ $target == "$folder" || $target == bpf ]] && continue
		if [[ -z ${tier[$target]:-} ]]; then
			found "$file: includes $target/, which has no tier"
		elif [[ ${tier[$target]} -ge ${tier[$folder]:-99} ]]; then
			found "$file: tier ${tier[$folder]} ($folder) must not include tier ${tier[$target]} ($target)"
		fi
	done < <(grep -rHo --include='*.[ch]' '^#include "[a-z]*/' user/*/ | sort -u)
	while IFS=: read -r file line; do
		found "$file: bpf/ and include/weir include nothing of user/: $line"
	done < <(grep -rH --include='*.[ch]' '#include "\(base\|identity\|store\|otlp\|policy\|lists\|import\|audit\|vault\|metrics\|datapath\|events\|export\|detect\|explain\|ladder\|backup\|engine\|doctor\|report\|risk\|trace\|api\|daemon\|cli\|top\)/' bpf include)
	while IFS=: read -r file line; do
		found "$file: include/weir includes only itself and <linux/types.h>: $line"
	done < <(grep -rH '#include' include | grep -v '<weir/\|<linux/types.h>')
}

check_banned() {
	local line

	while read -r line; do
		found "banned call: $line"
	done < <(grep -rnE --include='*.[ch]' '\b(strcpy|strcat|sprintf|vsprintf|strtok|strncpy|strncat|atoi|atol|atoll|strtol|strtoul|strtoull|localtime|gmtime|rand|srand|system|popen|alloca|tmpnam|mktemp)\(' user | grep -vE '^[^:]*:[0-9]+:\s*(/?\*|//)')
}

check_files() {
	local file

	while read -r file; do
		case $file in
		LICENSE | *.md | *.json | *.png | .gitignore | .clang-format | .editorconfig) continue ;;
		tests/data/* | tests/fuzz/seeds/*) continue ;;
		esac
		head -3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause' ||
			found "$file: no licence line"
	done < <(git ls-files)
	while read -r file; do
		found "$file: does not belong at the top level"
	done < <(git ls-tree --name-only HEAD | grep -vE '^(bpf|user|include|scripts|tests|Makefile|README\.md|LICENSE|\..*)$')
	for file in user/*/ bpf/ tests/*/; do
		[[ -e ${file}README.md || $file == tests/data/ ]] || found "$file: no README.md"
	done
}

check_format() {
	local file

	while read -r file; do
		clang-format --dry-run -Werror "$file" >/dev/null 2>&1 || found "$file: not formatted (make fmt)"
	done < <(git ls-files '*.c' '*.h')
}

check_shell() {
	local file

	while read -r file; do
		shellcheck -x -e SC1091 "$file" || found "$file: shellcheck"
	done < <(git ls-files '*.sh' .ci/run)
}

check_cppcheck() {
	cppcheck -q --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
		--suppress=uninitvar --suppress=memleak --suppress=resourceLeak \
		--suppress=preprocessorErrorDirective --suppress=varFuncNullUB \
		'-DLIBBPF_OPTS(type,name,...)=struct type name = {__VA_ARGS__}' -Iuser -Iinclude user ||
		found 'cppcheck'
}

check_tiers
check_banned
check_files
check_format
check_shell
check_cppcheck
printf '%s findings\n' "$findings"
[[ $findings == 0 ]]
