#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Nothing unaccounted: after ten million packets of all kinds the interface's own counter, the sum over
# reasons, and what the generator handed over are the same number; and each dropped packet is in the
# audit chain once, in a window or in a loss that says how many.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

received() { # packets, by the interface's own counter
	lab_host ip -j -s link show "$LAB_IF_HOST" | jq '.[0].stats64.rx.packets'
}

# Packets that the chain accounts for: of windows, and of losses. All of it: the longer the floods take, the more windows.
in_chain() {
	rm -f "$LAB_DIR"/chain*
	weir audit export "$LAB_DIR/chain" --format ndjson >&2
	jq -s '[.[] | select(.event_type | test("^(ratelimit|list.(would_)?block|packet|audit.loss)")) |
	       .details.packets // 0 | tonumber] | add // 0' "$LAB_DIR/chain"
}

all_in_chain() {
	[[ $(in_chain) == "$dropped" ]]
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	lists:
	  block: {entries: [198.18.77.0/24]}
	services:
	  dns: {proto: udp, dport: 53}
	limits:
	  - {name: dns, scope: source, service: dns, rate: 100/s, burst: 100}
	  - {name: all, scope: source, rate: 5k/s, burst: 5k}
YAML
start_weir
before=$(received)

sent=0
add() {
	sent=$((sent + $(flood --json "$@" | jq .sent)))
}
add --to "$LAB_HOST4:53" --base 198.18.50.0 --sources 64 --packets 3000000 --threads "$(nproc)"
add --to "$LAB_HOST4:80" --base 198.18.77.0 --sources 256 --packets 3000000 --threads "$(nproc)"
add --to "$LAB_HOST4:443" --base 198.18.64.0 --sources 100000 --random --proto syn --packets 2000000
add --to "[$LAB_HOST6]:53" --base 2001:db8:1:: --sources 500 --source-prefix 64 --packets 1000000
add --to "$LAB_HOST4" --base 198.18.60.0 --sources 10 --proto icmp --packets 500000
add --to "$LAB_HOST4" --base 198.18.61.0 --sources 10 --fragment --packets 400000
add --to "$LAB_HOST4:53" --base 198.18.62.0 --sources 10 --vlan 7,8 --packets 200000

seen=$(status .packets.seen)
sum=$(status '[.reasons[].packets] | add')
dropped=$(status .packets.dropped)
check "at least ten million packets were sent ($sent)" test "$sent" -ge 10000000
check "rx packets ($(($(received) - before))) = sum over reasons ($sum), exactly" \
	test "$(($(received) - before))" = "$sum"
check "packets seen ($seen) are that sum" test "$seen" = "$sum"
check "and what the generator handed over ($sent)" test "$sent" = "$sum"
check 'passed and dropped add up to seen' \
	test "$(($(status .packets.passed) + dropped))" = "$seen"
check 'per reason, the metrics say what the status says' test \
	"$(weir metrics | awk '/^weir_packets_total\{/ {n += $2} END {printf "%d", n}')" = "$seen"
check 'each limit: what it dropped is what was dropped for being over a limit' test \
	"$(weir limits -o json | jq '[.items[].dropped] | add')" = \
	"$(status '[.reasons[] | select(.reason | test("^over_")) | .packets] | add')"
wait_for 15 all_in_chain || true
check "each dropped packet ($dropped) is in the audit chain once ($(in_chain))" \
	test "$(in_chain)" = "$dropped"
check 'events offered = delivered + lost' test \
	"$(status '.events.offered - .events.delivered - .events.lost')" = 0
check 'the audit chain verifies' weir audit verify "$LAB_DIR/state/audit"

finish
