#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The traffic of 41-upgrade.sh and 90-gap.sh: a flood of which nothing may pass, and beside it a stream of
# which nothing may be lost. Counted is what the host's stack receives of the one, and what a receiver
# gets of the other. Source it behind lib.sh; the policy must list the flood's first half, have a
# limit of one packet a day for the other, and let UDP to $PORT pass.

readonly BASE=198.18.66.0 SOURCES=512 LIMITED=256
readonly FLOOD_RATE=100000 STREAM_RATE=2000 # packets per second: at least, and exactly
readonly PORT=9000

leaked=0 lost=-1

# As fast as one CPU can, without a pause that a gap could fall into; to a port where nobody listens, so
# the stack counts each packet that gets there.
start_flood() {
	lab_spawn client "$FLOOD" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:9" --base "$BASE" \
		--sources "$SOURCES" --seconds 3600 --json >"$LAB_DIR/flood"
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

# limited_once [OTHERS] - each limited source's first packet has passed, and so many before the flood.
limited_once() {
	(($(host_counter Udp NoPorts) == LIMITED + ${1:-0}))
}

mark() {
	marked=$(host_counter Udp NoPorts)
}

# Since the mark.
nothing_leaked() {
	local got=$(($(host_counter Udp NoPorts) - marked))

	leaked=$((leaked + got))
	echo "$got packets reached the stack"
	((got == 0))
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

flood_was_dense() {
	jq -e --argjson least "$FLOOD_RATE" '.pps, .pps >= $least' "$LAB_DIR/flood"
}

nothing_was_lost() {
	echo "$lost of $(jq .sent "$LAB_DIR/stream") packets were lost"
	(($(jq .sent "$LAB_DIR/stream") > 100 && lost == 0))
}

say_traffic() {
	echo "# leaked: $leaked of $(jq .sent "$LAB_DIR/flood");" \
		"lost: $lost of $(jq .sent "$LAB_DIR/stream") legitimate packets"
}
