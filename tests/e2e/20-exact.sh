#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Exact limits, on real packets: what one source gets through, counted where the host's stack receives
# it, while senders on all CPUs overload the limit.
#
#   admitted <= burst + rate * t, t from before the first packet until all are processed
#   admitted >= rate * t - 2,     t from the first packet made to the last
#
# The lower bound needs a source that always has a packet waiting, as far as the burst can tell: where
# the machine stops the generator for longer than the burst lasts, the limit was not overloaded, and
# the run says nothing about it. So a run that stays under it is repeated, twice at most; a limit that
# really refuses too much does so every time. The upper bound holds in every run.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

# exact RATE BURST SECONDS [FLOOD OPTION...] - runs against fresh sources
exact() {
	local verdict try

	for try in 1 2 3; do
		run_once "$@"
		! jq -e .under <<<"$verdict" >/dev/null || [[ $try == 3 ]] || continue
		check "$1/s, burst $2: at least rate * t - 2" jq -e '.under | not' <<<"$verdict"
		return 0
	done
}

# run_once RATE BURST SECONDS [FLOOD OPTION...] - sets verdict
run_once() {
	local rate=$1 burst=$2 seconds=$3 before result admitted counted

	source_number=$((source_number + 1))
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		limits:
		  - {name: exact, scope: source, rate: $rate/s, burst: $burst}
	YAML
	weir policy apply >/dev/null
	before=$(stack_packets)
	counted=$(count pass within_limit)
	result=$(flood --to "$LAB_HOST4:9" --base "198.18.40.$source_number" --threads "$(nproc)" \
		--seconds "$seconds" --json "${@:4}")
	admitted=$(($(stack_packets) - before))
	counted=$(($(count pass within_limit) - counted))
	verdict=$(jq -n --argjson f "$result" --argjson a "$admitted" --argjson r "$rate" \
		--argjson b "$burst" '
		(($f.end_ns - $f.start_ns) / 1e9) as $outer | (($f.last_ns - $f.first_ns) / 1e9) as $inner |
		{admitted: $a, at_most: ($b + $r * $outer), at_least: ($r * $inner - 2), sent: $f.sent,
		 over: ($a > $b + $r * $outer), under: ($a < $r * $inner - 2)}')
	echo "# $rate/s, burst $burst: $(jq -c . <<<"$verdict")"
	check "$rate/s, burst $burst: the limit was overloaded" \
		jq -e '.sent > 1.5 * .at_most' <<<"$verdict"
	check "$rate/s, burst $burst: never more than burst + rate * t" \
		jq -e '.over | not' <<<"$verdict"
	check "$rate/s, burst $burst: the counter is what the stack received" \
		test "$counted" = "$admitted"
}

source_number=0
policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
YAML
start_weir

exact 10 10 4 --rate 1000
exact 10 1 3 --rate 1000
exact 1000 1000 4 --rate 8000
exact 1000 100 3 --rate 8000
exact 100000 10000 4
exact 100000 100000 4

finish
