#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What shells complete, names that the daemon knows included, and the manual page: both are made from the
# table of commands.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

PATH=$LAB_DIR/bin:$PATH
mkdir "$LAB_DIR/bin"
ln -s "$WEIR" "$LAB_DIR/bin/weir"

# in_bash LINE - what bash has for the end of the line, as it would put it there: with readline's own words
in_bash() {
	# shellcheck disable=SC2016 # of the inner shell
	bash --norc -c '
		. <(weir completion bash)
		COMP_LINE=$1 COMP_POINT=${#1}
		read -ra COMP_WORDS <<<"${1//[:=]/ & }"
		[[ $1 != *[[:space:]] ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		[[ $(complete -p weir) == *"-F _weir"* ]] || exit 1
		_weir
		printf "%s\n" "${COMPREPLY[@]}"' bash "$1"
}

completes() { # LINE WORD...
	local line=$1

	shift
	in_bash "$line" >"$LAB_DIR/found"
	cat "$LAB_DIR/found"
	cmp <(printf '%s\n' "$@" | sort) <(sort "$LAB_DIR/found")
}

# The program says the same to each shell; what the shell makes of it takes a terminal.
syntax() { # SHELL
	if command -v "$1" >/dev/null; then
		weir completion "$1" >"$LAB_DIR/script"
		check "the script for $1 is one" "$1" -n "$LAB_DIR/script"
	else
		skip "the script for $1 is one" "$1 is not installed"
	fi
}

installed() {
	local file

	for file in sbin/weir share/man/man8/weir.8 share/bash-completion/completions/weir \
		share/zsh/site-functions/_weir share/fish/vendor_completions.d/weir.fish; do
		[[ -s $LAB_DIR/root/usr/$file ]] || return 1
	done
}

check 'the first word' completes 'weir pol' policy
check 'each first word once' test "$(in_bash 'weir ' | sort | uniq -d | wc -l)" = 0
check 'the second' completes 'weir policy p' plan
check 'an option' completes 'weir block 192.0.2.1 --dr' --dry-run
check 'only options that the command takes' completes 'weir status --f' ''
check 'the value of an option' completes 'weir status -o nd' ndjson
check 'behind an equals sign' completes 'weir status --output=nd' ndjson
check 'words that an operand may be' completes 'weir flags set x o' on off
check 'files' completes "weir policy check $LAB_DIR/bi" "$LAB_DIR/bin"
check 'without a daemon there are no names, and nothing is said' completes 'weir limits post ' ''

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	flags: {trial: {rollout: 0%}, other: {rollout: 1%}}
	lists: {block: {entries: [2001:db8:7::/48]}}
	limits:
	  - {name: web, scope: source, rate: 10/s, burst: 10}
	  - {name: host, scope: global, rate: 1M/s}
YAML
start_weir
check 'limits' completes 'weir limits post w' web
check 'flags' completes 'weir flags set t' trial
check 'entries of a list, of which bash has cut off a part' completes 'weir unblock 2001:db8:7:' :/48
check 'generations' completes 'weir policy diff ' "$(status .policy.generation)"
check 'of the socket that the line names' completes 'weir limits post --socket /nowhere w' ''

syntax bash
syntax zsh
syntax fish
if command -v fish >/dev/null; then
	check 'fish completes' test "$(HOME=$LAB_DIR fish --no-config -c \
		'weir completion fish | source; complete -C "weir flags set t"')" = trial
fi

weir help --man >"$LAB_DIR/weir.8"
if command -v mandoc >/dev/null; then
	check 'mandoc has nothing to say about the manual page' mandoc -Tlint -W warning "$LAB_DIR/weir.8"
	check 'it has every command' test "$(mandoc -T ascii -O width=200 "$LAB_DIR/weir.8" | col -b |
		grep -cE "^       ($(weir help | sed -nE 's/^  (([a-z]+ ?)+).*/\1/p' | sed -E 's/ +$//' |
			paste -sd '|'))")" -ge "$(weir help | grep -c '^  [a-z]')"
else
	skip 'mandoc has nothing to say about the manual page' 'mandoc is not installed'
fi
check 'make install puts all of it where it is looked for' \
	make -s install DESTDIR="$LAB_DIR/root" PREFIX=/usr
check 'the page and the scripts of three shells' installed
finish
