#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# No gap: while a flood of which nothing may pass goes on, and beside it a stream of which nothing may be
# lost, policies are applied, daemons are restarted and killed. Counted is what the host's stack
# receives of the one, and what a receiver gets of the other. The suite runs a short form;
# `make test-gap` sets the numbers below to those that the product promises.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly APPLIES=${GAP_APPLIES:-20} RESTARTS=${GAP_RESTARTS:-3} KILLS=${GAP_KILLS:-3}
readonly ROLLBACKS=${GAP_ROLLBACKS:-5} PANICS=${GAP_PANICS:-5}
readonly BASE=198.18.66.0 SOURCES=512 LIMITED=256 # of which the first half is listed
readonly FLOOD_RATE=100000 STREAM_RATE=2000	  # packets per second: at least, and exactly
readonly PORT=9000

leaked=0 lost=-1

# write_policy NUMBER - whose numbers are others each time, but not what they mean for this traffic: a
# limit whose meaning stays, one that changes, one that comes and goes, entries likewise.
write_policy() {
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists:
		  block: {entries: [198.18.66.0/24, 10.0.$(($1 / 200)).$(($1 % 200))]}
		services:
		  flooded: {proto: udp, dport: 9}
		  served: {proto: udp, dport: $PORT}
		limits:
		  - {name: spent, scope: source, service: flooded, rate: 1/d, burst: 1, rollout: {sources: [198.18.67.0/24]}}
		  - {name: wide, scope: source, service: served, rate: $((1000000 + $1))/s, burst: 1M}
		$( (($1 % 2)) && echo '  - {name: now-and-then, scope: global, rate: 100M/s, burst: 100M}')
	YAML
}

# As fast as one CPU can, without a pause that a gap could fall into; to a port where nobody listens, so
# the stack counts each packet that gets there.
start_flood() {
	lab_spawn client "$FLOOD" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:9" --base "$BASE" \
		--sources "$SOURCES" --seconds 3600 >/dev/null
	FLOOD_PID=$LAB_PID
}

start_stream() {
	lab_spawn host "$PWD/build/tests/tools/sink" --listen "$LAB_HOST4" --port "$PORT" \
		--seconds 3600 >"$LAB_DIR/sink" 2>"$LAB_DIR/sink.log"
	SINK_PID=$LAB_PID
	wait_for 5 grep -q listening "$LAB_DIR/sink.log"
	lab_spawn client "$PWD/build/tests/tools/stream" --to "$LAB_HOST4" --port "$PORT" \
		--rate "$STREAM_RATE" --seconds 3600 >"$LAB_DIR/stream"
	STREAM_PID=$LAB_PID
}

mark() {
	marked=$(host_counter Udp NoPorts)
}

# Since the mark, and what was tried meanwhile.
nothing_leaked() {
	local got=$(($(host_counter Udp NoPorts) - marked))

	leaked=$((leaked + got))
	echo "$got packets reached the stack"
	((got == 0))
}

applies() {
	local i

	mark
	for ((i = 1; i <= APPLIES; i++)); do
		write_policy "$i"
		weir policy apply >/dev/null || return 1
	done
	nothing_leaked
}

rollbacks() {
	local i

	mark
	for ((i = 1; i <= ROLLBACKS; i++)); do
		write_policy $((1000 + i))
		weir policy apply >/dev/null && weir policy rollback >/dev/null || return 1
	done
	nothing_leaked
}

panics() {
	local i

	mark
	for ((i = 1; i <= PANICS; i++)); do
		weir panic enforce >/dev/null && weir panic clear >/dev/null || return 1
	done
	nothing_leaked
}

restarts() { # TIMES SIGNAL
	local i

	mark
	for ((i = 1; i <= $1; i++)); do
		stop_weir "$2" || [[ $2 == KILL ]] || return 1
		start_weir || return 1
	done
	nothing_leaked
}

# Frames of the stream's: veth counts them together with those of the flood, which it counts apart, too.
ring_was_full() {
	local flooded

	flooded=$(lab_client ethtool -S "$LAB_IF_CLIENT" |
		awk '/tx_queue_[0-9]+_xdp_xmit_errors/ { n += $2 } END { print n + 0 }')
	ip -n "$LAB_CLIENT" -s -j link show "$LAB_IF_CLIENT" |
		jq --argjson f "$flooded" '.[0].stats64.tx.dropped - $f'
}

end_of_traffic() {
	kill "$FLOOD_PID" "$STREAM_PID"
	wait "$FLOOD_PID" "$STREAM_PID" || true
	sleep 0.5 # what is on its way to the receiver
	kill "$SINK_PID"
	wait "$SINK_PID" || true
	# What finds the ring between the two ends full is not lost by the host, which never saw it.
	lost=$(($(jq .sent "$LAB_DIR/stream") - $(jq .received "$LAB_DIR/sink") - $(ring_was_full)))
}

nothing_was_lost() {
	echo "$lost of $(jq .sent "$LAB_DIR/stream") packets were lost"
	(($(jq .sent "$LAB_DIR/stream") > 100 && lost == 0))
}

flood_was_dense() {
	local rate=$(((flooded - flooded_before) * 1000 / (ended_ms - began_ms)))

	echo "$rate packets per second were dropped, at least $FLOOD_RATE wanted"
	((rate >= FLOOD_RATE))
}

write_policy 0
start_weir
start_stream
start_flood
limited_once() { # each source's first packet is within its limit
	(($(host_counter Udp NoPorts) == LIMITED))
}
check 'of each limited source the first packet passes' wait_for 10 limited_once

flooded_before=$(status .packets.dropped)
began_ms=$(date +%s%3N)

check "$APPLIES policies applied: nothing leaks" applies
check "$ROLLBACKS rollbacks: nothing leaks" rollbacks
check "$PANICS times panic, to enforce: nothing leaks" panics
check "$RESTARTS restarts: nothing leaks" restarts "$RESTARTS" TERM
check "$KILLS kills: nothing leaks" restarts "$KILLS" KILL

flooded=$(status .packets.dropped)
ended_ms=$(date +%s%3N)
check 'the flood was as dense as it was to be' flood_was_dense
end_of_traffic
check 'of the stream beside it nothing was lost' nothing_was_lost
check 'the chain verifies after all of that' verify
echo "# leaked: $leaked of $((flooded - flooded_before)); lost: $lost of $(jq .sent "$LAB_DIR/stream") legitimate packets"

finish
