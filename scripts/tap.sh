# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Adds up the results of test programs that print TAP; for scripts to source. Counts go to `passed`,
# `failed` and `skipped`.

passed=0 failed=0 skipped=0

# count_tap NAME STATUS LOG [SECONDS] - count the lines of a TAP stream and print them as one line, with what
# explains failures and skips below. A program that dies, or prints a plan and stops short, has failed.
count_tap() {
	local ok not_ok skip plan log=$3

	skip=$(grep -acE '^ *(not )?ok .*# *SKIP' "$log") # cmocka says "not ok" of these
	ok=$(grep -aE '^ *ok ' "$log" | grep -acvE '# *SKIP')
	not_ok=$(grep -aE '^ *not ok ' "$log" | grep -acvE '# *SKIP')
	plan=$(grep -aoE '^ *1\.\.[0-9]+' "$log" | awk '{ n += substr($1, 4) } END { print n + 0 }')
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
	[[ ${4:-0} == 0 ]] || printf ' in %d s' "$4"
	echo
	[[ $not_ok == 0 ]] || grep -avE '^ *ok ' "$log" | sed 's/^/    /' | tail -60
	grep -aE '^ *(not )?ok .*# *SKIP' "$log" | sed -E 's/^ *(not )?/    /'
}

# tap_summary PASSED FAILED SKIPPED - "N passed, N failed[, N skipped]"
tap_summary() {
	printf '%d passed, %d failed' "$1" "$2"
	[[ $3 == 0 ]] || printf ', %d skipped' "$3"
	echo
}
