#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Runs the fuzz targets of tests/fuzz, which `make fuzz` has built.
#
#	fuzz.sh --seconds N [TARGET...]   each for N seconds, going on from what earlier runs found
#	fuzz.sh --short                   the same few thousand inputs each time, as TAP: part of the tests
#
# Inputs that are worth keeping gather in build/fuzz/corpus/TARGET. What breaks something is written to
# build/fuzz/crashes, with the output that it came with; exit 1 then.

set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
readonly BUILD=build/fuzz
readonly CRASHES=$BUILD/crashes
readonly RSS_MB=512        # of a target's process
readonly INPUT_SECONDS=25  # an input that takes longer is a finding
readonly SHORT_SECONDS=30  # on a machine so slow that a short run takes longer, it ends there
readonly CANNOT_RUN=77     # exit status of parse_kernel

# Target, longest input, inputs of a short run, and what it promises. parse_kernel replays the corpus of
# parse, so it comes later.
readonly TARGETS='
	parse 2200 100000 the parser stays within any frame, and its two ways agree
	parse_kernel - 60000 the kernel judges random frames as the parser on the host does
	policy 16384 4000 any text is a policy or refused in words
	http 8192 1500 any request is answered, and changes only what it may
	backup 8192 8000 a backup that somebody made is refused in words, or has tame names and the sizes it says
	audit 144 600 a damaged log is never taken for a whole one
	note 4096 20000 a note, key or checkpoint means the same when written and read again, or is refused in words
	proof 8192 3000 no proof but the true one is believed, and tiles that were changed make none
	tlogproof 16384 20000 a file that proves a record is believed only for what was signed, and is written in one way
	archive 4096 1500 whatever lies where an archive belongs, a right one lies there afterwards
	index 4096 400 whatever an index says, what is found is in the log and was asked for
	record 8192 6000 a record is read back whatever it quotes
	import 8192 4000 what another tool prints becomes a policy that is one, or is refused in words
	trace 1024 20000 any words are a filter that some packet could meet, or are refused in words
	text 512 15000 numbers, addresses and list entries are the same when written and read again
'

# The address sanitizer would keep 256 MiB of freed memory, and say nothing about a NULL from malloc().
export ASAN_OPTIONS=quarantine_size_mb=16:malloc_context_size=10:abort_on_error=0
export UBSAN_OPTIONS=print_stacktrace=1

die() {
	echo "fuzz: $*" >&2
	exit 2
}

row() { # TARGET
	awk -v t="$1" '$1 == t' <<<"$TARGETS"
}

# The seeds of a target: files, and what the seeds program writes.
seed_directories() { # TARGET
	[[ -d $BUILD/seeds/$1 ]] && echo "$BUILD/seeds/$1"
	[[ -d tests/fuzz/seeds/$1 ]] && echo "tests/fuzz/seeds/$1"
}

# One libFuzzer target; its output goes to $log.
run_target() { # TARGET CORPUS OPTION...
	local target=$1 corpus=$2 options seeds longest

	shift 2
	read -r _ longest _ <<<"$(row "$target")"
	mapfile -t seeds < <(seed_directories "$target")
	options=(-max_len="$longest" -rss_limit_mb="$RSS_MB" -timeout="$INPUT_SECONDS"
		-artifact_prefix="$CRASHES/$target-" -print_final_stats=1)
	[[ -e tests/fuzz/dict/$target ]] && options+=(-dict="tests/fuzz/dict/$target")
	"${fixed[@]}" "$BUILD/tests/fuzz/fuzz_$target" "${options[@]}" "$@" "$corpus" "${seeds[@]}" \
		>"$log" 2>&1
}

run_kernel() { # OPTION... [DIRECTORY]
	local seeds

	mapfile -t seeds < <(seed_directories parse)
	build/tests/fuzz/parse_kernel --out "$CRASHES" "${seeds[@]}" "$@" >"$log" 2>&1
}

# What a target did, as one line.
summary() { # TARGET
	if [[ $1 == parse_kernel ]]; then
		grep -a ' frames, seed ' "$log" || echo 'no summary'
		return
	fi
	awk '/number_of_executed_units/ { runs = $2 } /average_exec_per_sec/ { rate = $2 }
		/peak_rss_mb/ { rss = $2 }
		/ cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1)
			if ($i == "corp:") corpus = $(i + 1) } }
		END { printf "%d executions%s, coverage %d, corpus %s, %d MB\n",
			runs, rate ? " at " rate "/s" : "", cov, corpus, rss }' "$log"
}

# The part of the output that says what is wrong.
explain() { # TARGET
	echo "--- $1: the whole output is in $CRASHES/$1.log"
	cp "$log" "$CRASHES/$1.log"
	grep -avE '^#[0-9]+|^INFO:|# Uses: |^Dictionary|^\[' "$log" | cut -c1-400 | head -40
}

run_long() { # SECONDS TARGET
	local status started=$SECONDS findings

	if [[ $2 == parse_kernel ]]; then
		mkdir -p "$BUILD/corpus/parse"
		run_kernel --seconds "$1" --seed $((RANDOM * 32768 + RANDOM + 1)) "$BUILD/corpus/parse"
	else
		mkdir -p "$BUILD/corpus/$2"
		run_target "$2" "$BUILD/corpus/$2" -max_total_time="$1"
	fi
	status=$?
	if [[ $2 == parse_kernel && $status == "$CANNOT_RUN" ]]; then
		printf '%-13s skipped: %s\n' "$2" "$(cat "$log")"
		return 0
	fi
	findings=$((status != 0))
	printf '%-13s %3d s, %d findings, %s\n' "$2" $((SECONDS - started)) "$findings" "$(summary "$2")"
	[[ $status == 0 ]] || explain "$2"
	return $findings
}

run_short() { # NUMBER TARGET
	local runs promise status corpus=$BUILD/short

	read -r _ _ runs promise <<<"$(row "$2")"
	if [[ $2 == parse_kernel ]]; then
		run_kernel --frames "$runs"
	else
		rm -rf "$corpus"
		mkdir "$corpus"
		run_target "$2" "$corpus" -seed=1 -runs="$runs" -max_total_time="$SHORT_SECONDS"
	fi
	status=$?
	rm -rf "$corpus"
	if [[ $2 == parse_kernel && $status == "$CANNOT_RUN" ]]; then
		echo "ok $1 - $promise # SKIP $(cat "$log")"
		return 0
	fi
	if [[ $status == 0 ]]; then
		echo "ok $1 - $promise"
		summary "$2" | sed 's/^/# /'
		return 0
	fi
	echo "not ok $1 - $promise"
	explain "$2" | sed 's/^/# /'
	return 1
}

mapfile -t all < <(awk 'NF { print $1 }' <<<"$TARGETS")
mode=${1:-}
fixed=() # what to run targets by
shift
case $mode in
--seconds)
	[[ ${1:-} =~ ^[1-9][0-9]{0,5}$ ]] || die "--seconds takes a number from 1 to 999999, not '${1:-}'"
	seconds=$1
	shift
	targets=("$@")
	((${#targets[@]})) || targets=("${all[@]}")
	;;
--short)
	targets=("${all[@]}")
	# libFuzzer learns from compared words, addresses among them: without this they would differ each time.
	if setarch -R true 2>/dev/null; then
		fixed=(setarch -R)
	fi
	;;
*)
	die 'usage: fuzz.sh --seconds N [TARGET...] | --short'
	;;
esac
for target in "${targets[@]}"; do
	[[ -n $(row "$target") ]] || die "no target '$target': there are ${all[*]}"
done

log=$(mktemp)
trap 'rm -f "$log"' EXIT
mkdir -p "$CRASHES" "$BUILD/seeds"
build/tests/fuzz/seeds "$BUILD/seeds" || die 'cannot write the seeds'

failed=0 number=0
[[ $mode == --seconds ]] || echo "1..${#targets[@]}"
for target in "${targets[@]}"; do
	number=$((number + 1))
	if [[ $mode == --seconds ]]; then
		run_long "$seconds" "$target" || failed=1
	else
		run_short "$number" "$target" || failed=1
	fi
done
exit "$failed"
