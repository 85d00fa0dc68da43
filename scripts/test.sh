#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Runs the tests and adds them up: cmocka programs (plain and with sanitizers), BPF tests, and the
# end-to-end scripts, which print TAP. `test.sh [lint|unit|bpf|e2e]`. The last line is
# "N passed, N failed", with ", N skipped" if a kernel feature or a privilege was missing.

set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
readonly ONLY=${1:-all}
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Count the lines of a TAP stream. A program that dies, or prints a plan and stops short, has failed.
count_tap() { # NAME STATUS
	local ok not_ok skip plan

	skip=$(grep -cE '^ *ok .*# *SKIP' "$log")
	ok=$(($(grep -cE '^ *ok ' "$log") - skip))
	not_ok=$(grep -cE '^ *not ok ' "$log")
	plan=$(grep -oE '^ *1\.\.[0-9]+' "$log" | awk '{ n += substr($1, 4) } END { print n + 0 }')
	if [[ $not_ok == 0 && $2 != 0 ]] || [[ -n $plan && $plan -gt $((ok + not_ok + skip)) ]]; then
		not_ok=$((not_ok + 1))
		echo "not ok - $1 ended early, status $2" >>"$log"
	fi
	passed=$((passed + ok))
	failed=$((failed + not_ok))
	skipped=$((skipped + skip))
	printf '%-48s %4d passed' "$1" "$ok"
	[[ $not_ok == 0 ]] || printf ', %d FAILED' "$not_ok"
	[[ $skip == 0 ]] || printf ', %d skipped' "$skip"
	echo
	[[ $not_ok == 0 ]] || grep -vE '^ *ok ' "$log" | sed 's/^/    /' | tail -60
	grep -E '^ *ok .*# *SKIP' "$log" | sed 's/^/    /'
}

run() { # NAME COMMAND...
	local name=$1 status

	shift
	CMOCKA_MESSAGE_OUTPUT=tap "$@" >"$log" 2>&1
	status=$?
	count_tap "$name" "$status"
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
	for program in build/tests/unit/test_*; do
		[[ -x $program && ! $program == *.* ]] || continue
		run "${program#build/tests/}" "$program"
		run "${program#build/tests/} (sanitizers)" "build/san/tests/unit/${program##*/}"
	done
fi
if wanted bpf; then
	for program in build/tests/bpf/test_*; do
		[[ -x $program && ! $program == *.* ]] || continue
		run "${program#build/tests/}" "$program"
	done
fi
if wanted e2e; then
	for program in tests/e2e/[0-9]*.sh; do
		[[ -e $program ]] || continue
		run "${program#tests/}" "$program"
	done
fi

summary="$passed passed, $failed failed"
[[ $skipped == 0 ]] || summary+=", $skipped skipped"
echo "$summary" | tee build/test-summary
[[ $failed == 0 ]]
