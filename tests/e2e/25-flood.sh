#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# State that a flood cannot touch: while 16 million made-up sources send as fast as one CPU can, a source that
# keeps to its limit loses no packet, and one that does not gets its burst once, and its rate. Then
# the same with a table that is far too small: that shows, and still nobody's bucket is emptied.
#
# FLOOD_SECONDS: how long the first flood lasts, 60 if not told.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly FLOOD_FROM=16.0.0.0 FLOOD_SOURCES=16777216
readonly STEADY=198.18.25.1 STEADY_PORT=9001 GREEDY=198.18.25.2 GREEDY_PORT=9002

# metric NAME LABEL... - a counter, summed over those that have all labels, each as name="value".
metric() {
	weir metrics | awk -v name="$1" -v labels="${*:2}" '
		BEGIN { n = split(labels, wanted, " ") }
		index($1, name "{") == 1 {
			for (i = 1; i <= n && index($0, wanted[i]); i++)
				;
			if (i > n)
				sum += $NF
		}
		END { printf "%.0f\n", sum }'
}

# limited_to RATE BURST SETS - the same limit three times, as what each lets through is counted apart. All
# of them keep their state in the same table.
limited_to() {
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		state: {sources: $3}
		services:
		  flood: {proto: udp, dport: 9}
		  steady: {proto: udp, dport: $STEADY_PORT}
		  greedy: {proto: udp, dport: $GREEDY_PORT}
		limits:
		  - {name: flood, scope: source, service: flood, rate: $1/s, burst: $2, on_full: drop}
		  - {name: steady, scope: source, service: steady, rate: $1/s, burst: $2}
		  - {name: greedy, scope: source, service: greedy, rate: $1/s, burst: $2}
	YAML
}

# sink PORT - count what the host's stack receives there.
spawn_sink() {
	lab_spawn host "$PWD/build/tests/tools/sink" --listen "$LAB_HOST4" --port "$1" \
		>"$LAB_DIR/sink.$1" 2>"$LAB_DIR/sink.log.$1"
	sinks+=("$LAB_PID")
	wait_for 5 grep -q listening "$LAB_DIR/sink.log.$1"
}

# under_flood SECONDS RATE BURST - sets $verdict. The two are there before the flood, and stay until after it.
under_flood() {
	local seconds=$(($1 + 3)) senders=() sinks=() flood

	spawn_sink "$STEADY_PORT"
	spawn_sink "$GREEDY_PORT"
	flood --to "$LAB_HOST4:$STEADY_PORT" --base "$STEADY" --rate "$(($2 * 8 / 10))" \
		--seconds "$seconds" >"$LAB_DIR/steady.json" &
	senders+=("$!")
	flood --to "$LAB_HOST4:$GREEDY_PORT" --base "$GREEDY" --rate "$(($2 * 10))" \
		--seconds "$seconds" >"$LAB_DIR/greedy.json" &
	senders+=("$!")
	sleep 1
	flood=$(flood --to "$LAB_HOST4:9" --base "$FLOOD_FROM" --sources "$FLOOD_SOURCES" --random \
		--seconds "$1")
	wait "${senders[@]}"
	sleep 0.5
	kill -TERM "${sinks[@]}"
	wait "${sinks[@]}" || true
	# What a generator says it sent is what the interface took from all of them, so only the times count.
	verdict=$(jq -n --argjson rate "$2" --argjson burst "$3" --argjson flood "$flood" \
		--slurpfile steady "$LAB_DIR/sink.$STEADY_PORT" \
		--slurpfile greedy "$LAB_DIR/sink.$GREEDY_PORT" \
		--slurpfile clock "$LAB_DIR/greedy.json" '
		{steady: $steady[0].received, steady_expected: ($rate * 0.8 * $clock[0].seconds),
		 greedy: $greedy[0].received, sinks_dropped: ($steady[0].dropped + $greedy[0].dropped),
		 greedy_most: ($burst + $rate * ($clock[0].end_ns - $clock[0].start_ns) / 1e9),
		 flood: $flood.sent, flood_seconds: $flood.seconds}')
	echo "# $(jq -c . <<<"$verdict")"
}

# dropped LIMIT - packets it has refused.
dropped() {
	metric weir_limit_packets_total "limit=\"$1\"" 'result="dropped"'
}

# The flood would keep the host's stack busy once it is past the limits, and that is not what is tested.
ip -n "$LAB_HOST" rule add from "$FLOOD_FROM/8" blackhole

limited_to 100 50 1M
start_weir
under_flood "${FLOOD_SECONDS:-60}" 100 50
check 'the flood came from all over' jq -e '.flood > 100000 * .flood_seconds' <<<"$verdict"
check 'a source that keeps to its limit loses no packet' test "$(dropped steady)" = 0
check 'it was there all the time' jq -e '.steady > .steady_expected * 0.9' <<<"$verdict"
check 'a source that does not gets its burst once, and its rate' \
	jq -e '.greedy <= .greedy_most' <<<"$verdict"
check 'and that it gets' jq -e '.greedy > .greedy_most * 0.8' <<<"$verdict"
check 'it was over its limit' test "$(dropped greedy)" -gt "$(jq .greedy <<<"$verdict")"
check 'there was room for everybody' test "$(metric weir_limit_full_total)" = 0

limited_to 20 20 1024
check 'the table is made smaller' weir policy apply
under_flood 8 20 20
check 'that a table is far too small is seen: cells are shared' \
	test "$(metric weir_limit_coarse_total 'limit="flood"')" -gt 0
check 'and then there are none' test "$(metric weir_limit_full_total 'limit="flood"')" -gt 0
check 'with the reason' test "$(count drop state_full)" -gt 0
check 'who had a bucket keeps it: no fresh burst' jq -e '.greedy <= .greedy_most' <<<"$verdict"
check 'nor is it taken away' jq -e '.greedy > .greedy_most * 0.6' <<<"$verdict"

finish
