#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A trace: each packet with what became of it and why, what is looked for and nothing else, what was lost to the last
# packet, and a capture that others can read; and that nothing of it stays, whoever dies.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly BLOCKED=198.18.5.1 GREEDY=198.18.6.1 MODEST=198.18.7.1
readonly LINES=$LAB_DIR/lines

# trace [OPTION...] - in the background, into $LINES and $LINES.err; waits until it traces. Sets TRACE_PID.
trace() {
	"$WEIR" trace "$@" >"$LINES" 2>"$LINES.err" &
	TRACE_PID=$!
	wait_for 15 is_traced || cat "$LINES.err" >&2
}

# What is attached is the program that traces: it alone uses the large ring.
is_traced() {
	local id

	id=$(lab_host ip -j -d link show "$LAB_IF_HOST" | jq '.[0].xdp.prog.id // empty')
	[[ $id ]] && bpftool -j prog show id "$id" | jq -r '.map_ids[]?' |
		xargs -I{} bpftool -j map show id {} 2>/dev/null |
		jq -se 'any(.type == "ringbuf" and .name == "weir_traces" and .max_entries > 65536)' >/dev/null
}

is_not_traced() {
	! is_traced
}

# end_trace [SIGNAL] - its exit status.
end_trace() {
	kill "-${1:-INT}" "$TRACE_PID" && wait "$TRACE_PID"
}

# shown JQ_CONDITION - how many packets of the trace are so; all of them must be JSON.
shown() {
	jq -se "map(select(.type == \"packet\" and ($1))) | length" "$LINES"
}

is_shown() { # COUNT JQ_CONDITION
	(($(shown "$2") == $1))
}

# The last line: what there was is what was shown and what was not.
adds_up() {
	jq -se '.[-1] | .type == "end" and .seen == .not_sampled + .not_matching + .matched and
		.matched == .packets + .unread + .over_budget + .lost' "$LINES"
}

end_says() { # JQ_CONDITION
	jq -se ".[-1] | $1" "$LINES" || { cat "$LINES" >&2 && return 1; }
}

send() { # SOURCE COUNT [PORT]
	flood --to "$LAB_HOST4:${3:-9}" --base "$1" --packets "$2" >/dev/null
}

# refuses_capture STATUS FILE [OPTION...] - and whatever was in the file before still is.
refuses_capture() {
	local before

	before=$(cat "$2" 2>&1 || true)
	exits "$1" weir trace --pcap "$2" "${@:3}" && [[ $(cat "$2" 2>&1 || true) == "$before" ]]
}

echo 'of yesterday' >"$LAB_DIR/old.pcapng"
check 'a capture that nobody answers leaves no file' refuses_capture 6 "$LAB_DIR/new.pcapng"
check 'and keeps one that is there' refuses_capture 6 "$LAB_DIR/old.pcapng"

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	lists: {block: {entries: [$BLOCKED]}}
	tenants: {acme: {dst: $LAB_HOST4}}
	limits:
	  - {name: per-source, scope: source, rate: 1/m, burst: 10}
	  - {name: per-tenant, scope: tenant, rate: 100k/s}
YAML
start_weir
check 'nobody pays while nobody traces' is_not_traced

check 'nor does one whose filter is refused' refuses_capture 1 "$LAB_DIR/new.pcapng" src nonsense
check 'one that cannot be written says so, and ends its trace' \
	grep -q "cannot open '/nonexistent/new.pcapng'" <(weir trace --pcap /nonexistent/new.pcapng 2>&1)
check 'which is on record' has_record '.event_type == "trace.ended" and .details.cause == "gone"'
check 'and nobody pays for it' wait_for 10 is_not_traced

trace -o ndjson src 198.18.0.0/16
send $BLOCKED 20
send $GREEDY 30
send $MODEST 5
check 'every packet is shown' wait_for 10 is_shown 55 true
check '^C ends a trace in order' end_trace
check 'a blocked packet says so, and has its port' is_shown 20 \
	".source == \"$BLOCKED\" and .verdict == \"drop\" and .reason == \"blocked\" and .destination_port == 9"
check 'one over its limit says which' is_shown 20 \
	".source == \"$GREEDY\" and .reason == \"over_packets\" and .rule == \"per-source\" and .tenant == \"acme\""
check 'one that passes says so' is_shown 5 ".source == \"$MODEST\" and .verdict == \"pass\" and .rule == null"
check 'what was seen, shown and lost adds up' adds_up
check 'the program that traces is gone with the trace' is_not_traced
check 'that it began and how it ended is on record' has_record \
	'.event_type == "trace.ended" and .details.packets == 55 and .details.cause == "asked"'

trace -o ndjson --count 7 rule per-source verdict drop dport 10
send $GREEDY 30 11
send $GREEDY 30 10
check 'a trace ends after so many packets' wait "$TRACE_PID"
check 'only what is looked for is shown' is_shown 7 '.rule == "per-source" and .destination_port == 10'
check 'and that adds up, too' adds_up

trace -o ndjson src 198.18.0.0/16
check 'a second one is refused, and hears who traces' exits 5 weir trace
check 'an unknown limit is refused by name' exits 1 weir trace rule nonsuch
check 'a filter that cannot be read is refused with its column' exits 1 weir trace src 198.18.0.0/16 verdict lost
policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits: [{name: per-source, scope: source, rate: 1/m, burst: 10}, {name: all, scope: global, rate: 100k/s}]
YAML
weir policy apply >/dev/null
send 198.18.8.1 5
check 'a trace goes on under another policy' wait_for 10 is_shown 5 '.source == "198.18.8.1"'
flood --to "$LAB_HOST4:9" --base 10.9.0.0 --sources 65536 --seconds 1 >"$LAB_DIR/flood.json" || true
flood --to "$LAB_HOST4:9" --base 198.18.9.1 --seconds 2 >"$LAB_DIR/flood.json"
check 'a flood loses packets of the trace' end_trace
check 'and says how many, exactly' adds_up
check 'which is most of them' end_says '.over_budget + .lost > .packets'
check 'and of what was on the wire none is missing' end_says ".matched >= $(jq .packets "$LAB_DIR/flood.json")"
check 'the stream says so meanwhile' jq -se 'any(.type == "lost")' "$LINES"

trace -o ndjson
kill -KILL "$TRACE_PID"
check 'a client that is killed ends its trace' wait_for 10 is_not_traced
check 'which is on record, too' has_records 2 '.event_type == "trace.ended" and .details.cause == "gone"'

trace -o ndjson
stop_weir KILL || true
wait "$TRACE_PID" || true
check 'a daemon that is killed leaves a program that traces' is_traced
start_weir
check 'the next one takes it out' is_not_traced
send 198.18.12.1 100
check 'and enforces what was enforced' test "$(count drop over_packets)" -ge 89

trace -o ndjson
check 'a daemon that stops takes it out itself' stop_weir
wait "$TRACE_PID" || true
check 'and leaves nothing behind' is_not_traced
start_weir

if command -v tshark >/dev/null; then
	readonly PCAP=$LAB_DIR/trace.pcapng
	weir block $BLOCKED >/dev/null
	trace --pcap "$PCAP" --count 40 src 198.18.0.0/16
	send $BLOCKED 20
	send 198.18.10.1 20
	wait "$TRACE_PID"
	check 'a capture has every packet, also those that were dropped' \
		test "$(tshark -r "$PCAP" 2>/dev/null | wc -l)" = 40
	check 'with verdict and reason in its comment' \
		test "$(tshark -r "$PCAP" -Y 'frame.comment == "drop blocked"' -T fields -e ip.src -e udp.dstport 2>/dev/null | sort -u)" \
		= "$BLOCKED"$'\t9'
	check 'and the rule' test "$(tshark -r "$PCAP" -Y 'frame.comment contains "rule per-source"' 2>/dev/null | wc -l)" = 10
	check 'and the interface' test \
		"$(tshark -r "$PCAP" -T fields -e frame.interface_name 2>/dev/null | sort -u)" = "$LAB_IF_HOST"
	capinfos -M "$PCAP" >"$LAB_DIR/capinfos" 2>&1 || true
	check 'and times in nanoseconds' grep -q 'precision.*nanoseconds' "$LAB_DIR/capinfos"
	(sleep 0.2 && wait_for 15 is_traced && send 198.18.11.1 5) &
	check 'it can be read as it comes' test \
		"$(weir trace --pcap - --count 5 src 198.18.11.1 2>/dev/null | tshark -r - 2>/dev/null | wc -l)" = 5
	wait $!
else
	skip 'a capture can be read by others' 'there is no tshark'
fi
finish
