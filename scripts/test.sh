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
log=$(mktemp)
trap 'rm -f "$log"' EXIT

run() { # NAME COMMAND...
	local name=$1 status

	shift
	CMOCKA_MESSAGE_OUTPUT=tap "$@" >"$log" 2>&1
	status=$?
	count_tap "$name" "$status" "$log"
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
if [[ $ONLY == all ]]; then
	run 'agree (two verifiers of damaged logs)' tests/tools/agree.py build/tests/tools/mutate_log --count 500
fi
if wanted bpf; then
	for program in build/tests/bpf/test_*; do
		[[ -x $program && ! $program == *.* ]] || continue
		run "${program#build/tests/}" "$program"
	done
fi
if wanted fault; then
	for program in build/faults*/tests/fault/test_*; do
		[[ -x $program && ! $program == *.* ]] || continue
		run "fault/${program##*/}" "$program"
	done
fi
if wanted fuzz; then
	run fuzz scripts/fuzz.sh --short
fi
if wanted e2e; then
	for program in tests/e2e/[0-9]*.sh; do
		[[ -e $program ]] || continue
		run "${program#tests/}" "$program"
	done
fi

tap_summary "$passed" "$failed" "$skipped" | tee build/test-summary
[[ $failed == 0 ]]
