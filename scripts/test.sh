#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Runs the tests and adds them up: cmocka programs (plain and with sanitizers), BPF tests, failures at every step, a short run
# of the fuzz targets, and the end-to-end scripts, which print TAP. `test.sh [lint|unit|bpf|fault|fuzz|e2e]`.
# The last line is "N passed, N failed", with ", N skipped" if a kernel feature or a privilege was missing.

set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck source=scripts/tap.sh
. scripts/tap.sh
readonly ONLY=${1:-all}
logs=$(mktemp -d)
log=$logs/log
trap 'rm -rf "$logs"' EXIT

name_of() { # PROGRAM
	local name=${1#*/tests/}

	[[ $1 != build/san/* ]] || name+=' (sanitizers)'
	echo "$name"
}

run() { # NAME COMMAND...
	local name=$1 status began=$SECONDS

	shift
	CMOCKA_MESSAGE_OUTPUT=tap "$@" >"$log" 2>&1
	status=$?
	count_tap "$name" "$status" "$log" $((SECONDS - began))
}

# Those that share nothing but the machine: one on each CPU, told in their order.
run_beside() { # PROGRAM...
	local n status seconds all

	# shellcheck disable=SC2016 # for the shell that it starts
	printf '%s\n' "$@" | cat -n | CMOCKA_MESSAGE_OUTPUT=tap xargs -P "$(nproc)" -L 1 bash -c '
		"$2" >"$0/$1.log" 2>&1
		echo "$? $SECONDS" >"$0/$1.new" && mv "$0/$1.new" "$0/$1.end"' "$logs" &
	all=$!
	for ((n = 1; n <= $#; n++)); do
		until [[ -e $logs/$n.end ]] || ! kill -0 $all; do
			sleep 0.05
		done
		touch "$logs/$n.log" "$logs/$n.end"
		read -r status seconds <"$logs/$n.end"
		count_tap "$(name_of "${!n}")" "${status:-1}" "$logs/$n.log" "${seconds:-0}"
	done
}

wanted() {
	[[ $ONLY == all || $ONLY == "$1" ]]
}

# The checker's findings, as one test.
lint() {
	if scripts/check.sh; then
		echo 'ok 1 - the tree keeps its own rules'
	else
		echo 'not ok 1 - the tree keeps its own rules'
		return 1
	fi
}

if wanted lint; then
	run lint lint
fi
if wanted unit; then
	programs=()
	for program in build/tests/unit/test_*; do
		[[ -x $program && ! $program == *.* ]] || continue
		programs+=("$program" "build/san/tests/unit/${program##*/}")
	done
	run_beside "${programs[@]}"
fi
if [[ $ONLY == all ]]; then
	run 'agree (two verifiers of damaged logs)' tests/tools/agree.py build/tests/tools/mutate_log --count 500
fi
if wanted bpf; then
	for program in build/tests/bpf/test_*; do
		[[ -x $program && ! $program == *.* ]] || continue
		run "$(name_of "$program")" "$program"
	done
fi
if wanted fault; then
	for program in build/faults*/tests/fault/test_*; do
		[[ -x $program && ! $program == *.* ]] || continue
		run "$(name_of "$program")" "$program"
	done
fi
if wanted fuzz; then
	run fuzz scripts/fuzz.sh --short
fi
if wanted e2e; then
	for program in tests/e2e/[0-9]*.sh; do
		[[ -e $program ]] || continue
		run "e2e/${program##*/}" "$program"
	done
fi

tap_summary "$passed" "$failed" "$skipped" | tee build/test-summary
[[ $failed == 0 ]]
