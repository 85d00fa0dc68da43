#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Upgrades to a weir with another ABI, laid out otherwise (tests/abi), while a flood of which nothing may
# pass goes on, and beside it a stream of which nothing may be lost. What was listed, counted, charged and
# dropped is carried over; nobody gets a fresh bucket; who dies in the middle leaves what the next start
# can go on from; and there is no way back to an older one.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/e2e/traffic.sh
. tests/e2e/traffic.sh
need_root

readonly UPGRADES=${GAP_UPGRADES:-5} KILLS=${GAP_KILLS:-8}
readonly OURS=$WEIR

found=

if [[ ! -x build/abi-1/weir || ! -x build/abi-2/weir ]]; then
	skip 'upgrades to another ABI' "make abi-test has not been run"
	finish
fi

# use NUMBER - the daemon from now on: 0 is the one under test.
use() {
	ABI=$1
	DAEMON=$OURS
	((ABI == 0)) || DAEMON=$PWD/build/abi-$ABI/weir
}

# The daemon that is in use, instead of the one that lib.sh knows. Its ABI is no matter of its clients.
start() {
	lab_spawn host "$DAEMON" daemon --iface "$LAB_IF_HOST" --policy "$LAB_DIR/policy.yaml" \
		--socket "$WEIR_SOCKET" --state-dir "$LAB_DIR/state" --bpffs "$LAB_BPFFS" \
		>>"$LAB_DIR/daemon.log" 2>&1
	WEIR_PID=$LAB_PID
}

start_and_wait() {
	start
	wait_for 20 answers_or_ended && is_alive "$WEIR_PID" && weir status >/dev/null
}

write_policy() {
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists:
		  block: {entries: [198.18.66.0/24]}
		services:
		  flooded: {proto: udp, dport: 9}
		  served: {proto: udp, dport: $PORT}
		limits:
		  - {name: spent, scope: source, service: flooded, rate: 1/d, burst: 1, rollout: {sources: [198.18.67.0/24]}}
		  - {name: some, scope: source, service: flooded, rate: 1/h, burst: 100, rollout: {sources: [198.18.4.0/24]}}
		  - {name: long, scope: source, service: flooded, rate: 1/m, burst: 100k, rollout: {sources: [198.18.5.0/24]}}
		  - {name: wide, scope: source, service: served, rate: 1M/s, burst: 1M}
	YAML
}

hits() { # ADDRESS
	weir lists block -o json | jq --arg c "$1" '.items[] | select(.cidr == $c) | .hits'
}

left() { # of the limit "some", for 198.18.4.1
	weir source 198.18.4.1 -o json | jq '.limits[] | select(.name == "some") | .available'
}

until_of() { # CIDR
	weir lists block -o json | jq -r --arg c "$1" '.items[] | select(.cidr == $c) | .until'
}

no_less_than() { # STATUS_BEFORE STATUS_NOW
	# shellcheck disable=SC2016 # jq's own variables
	jq -en --argjson before "$1" --argjson now "$2" '
		$now.packets.dropped >= $before.packets.dropped and
		$now.policy.generation > $before.policy.generation and
		all($before.reasons[]; . as $b |
			any($now.reasons[]; .reason == $b.reason and .verdict == $b.verdict and
				.packets >= $b.packets))'
}

upgrade() { # NUMBER_OF_THE_DAEMON
	local before hits until

	before=$(weir status -o json)
	hits=$(hits 198.18.66.0/24)
	until=$(until_of 198.18.70.7)
	mark
	stop_weir
	use "$1"
	check "upgrade to ABI test $1" start_and_wait
	check 'nothing leaks' nothing_leaked
	check 'it is recorded, with how long it took' has_record \
		'.event_type == "system.upgrade" and (.details.ms | tonumber) >= 0'
	check 'no counter went back' no_less_than "$before" "$(weir status -o json)"
	check 'nor hits of an entry' test "$(hits 198.18.66.0/24)" -ge "$hits"
	check 'an entry with a lifetime ends when it was to end' test \
		"$(until_of 198.18.70.7)" = "$until"
	check 'who has used part of his burst has what is left' test "$(left)" = 40
	check 'and nothing of the other ABI stays' test "$(compgen -G "$LAB_BPFFS/v*")" = \
		"$LAB_BPFFS/v$((1000 + $1))"
}

upgrades() {
	local i

	for ((i = 0; i < UPGRADES; i++)); do
		upgrade $((2 - i % 2))
	done
}

# how_far - what an upgrade left that was killed.
how_far() {
	bpftool -j map dump pinned "$LAB_BPFFS/weir_meta" | jq -r --argjson ours $((1000 + ABI)) '
		def byte: ltrimstr("0x") | explode | map(if . > 96 then . - 87 else . - 48 end) |
			.[0] * 16 + .[1];
		.[0].value | ((.[0] | byte) + 256 * (.[1] | byte) == $ours) as $began |
		if $began and ([.[4:8][] | byte] | add) > 0 then "swapping"
		elif $began then "done"
		else "nothing" end' | sed "s/nothing/$(
		[[ -e $LAB_BPFFS/v$((1000 + ABI)) ]] && echo filling || echo nothing)/"
}

# While the new maps are filled, while links are swapped, or behind it.
killed_in_the_middle() {
	local i

	mark
	for ((i = 0; i < KILLS; i++)); do
		stop_weir KILL || true
		use $((ABI % 2 + 1))
		start
		wait_for 5 test -e "$LAB_BPFFS/v$((1000 + ABI))"
		sleep "0.$(printf %03d $((RANDOM % 300)))"
		stop_weir KILL || true
		found="$found $(how_far)"
		start_and_wait || return 1
		[[ $(left) == 40 ]] || return 1
	done
	nothing_leaked
}

no_way_back() {
	stop_weir
	mark
	check 'an older weir refuses' fail_to_start
	check 'and says that the other one is newer' grep -q 'made by a newer weir' "$LAB_DIR/refusal"
	check 'nothing leaks by that' nothing_leaked
	start_and_wait
}

# Each frame of the flood is in one counter, whatever ABI it was counted in.
all_counted() {
	local sent counted

	sent=$(jq .sent "$LAB_DIR/flood")
	counted=$(status '[.reasons[] | select(.reason == "blocked" or
		.reason == "over_packets" or .reason == "within_limit") | .packets] | add')
	counted=$((counted - $(jq .sent "$LAB_DIR/stream") + $(ring_was_full) - 60))
	echo "$counted counted, $sent sent"
	((counted == sent))
}

# A burst that begins before two upgrades and ends behind them is one burst.
burst_over_upgrades() {
	local pid got

	mark
	lab_spawn client "$FLOOD" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:9" --base 198.18.5.1 \
		--sources 8 --rate 200000 --packets 1200000 >/dev/null
	pid=$LAB_PID
	stop_weir
	use $((ABI % 2 + 1))
	start_and_wait
	stop_weir
	use $((ABI % 2 + 1))
	start_and_wait
	is_alive "$pid" || echo 'the upgrades came too late'
	wait "$pid"
	got=$(($(host_counter Udp NoPorts) - marked))
	echo "$got passed"
	((got >= 800000 && got <= 800008))
}

use 0
write_policy
start_and_wait
weir block 198.18.70.7 --ttl 1h >/dev/null
flood --to "$LAB_HOST4:9" --base 198.18.4.1 --packets 60 >/dev/null
start_stream
start_flood
check 'of each limited source the first packet passes' wait_for 10 limited_once 60
upgrades
check "killed in the middle of $KILLS upgrades: nothing leaks, nothing is forgotten" \
	killed_in_the_middle
no_way_back
end_of_traffic
check 'the flood was as dense as it was to be' flood_was_dense
check 'of the stream beside it nothing was lost' nothing_was_lost
check 'each packet is in one counter' all_counted
check 'a burst that lasts longer than two upgrades is one burst' burst_over_upgrades
check 'each dropped packet is in the chain once' wait_for 15 all_in_chain
check 'the chain verifies after all of that' verify
echo "# killed upgrades had got this far:$found"
say_traffic
finish
