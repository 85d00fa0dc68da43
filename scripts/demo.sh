#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The main job, live, in a private lab: a web server keeps serving a legitimate client while 1,000
# sources flood it and a blocked source tries to get in. Prints what happens, then what weir knows.
# Exits 0 only if every expectation held; leaves nothing behind.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lab.sh
. scripts/lab.sh

readonly WEIR=build/weir FLOOD=build/tests/tools/flood
readonly FLOOD_SECONDS=6 SOURCES=1000
readonly LEGITIMATE=198.18.0.2 BLOCKED=198.18.66.6 FLOOD_BASE=198.18.128.0
failures=0

say() {
	printf '\n== %s\n' "$*"
}

expect() { # WORDS COMMAND... - a line of the verdict
	local words=$1

	shift
	if "$@"; then
		printf '  ok      %s\n' "$words"
	else
		printf '  FAILED  %s\n' "$words"
		failures=$((failures + 1))
	fi
}

cleanup() {
	touch "$LAB_DIR/stop" 2>/dev/null || true
	lab_down
}

weir() {
	"$WEIR" "$@" --socket "$LAB_DIR/weir.sock"
}

status() { # FILTER - a figure out of the daemon's status
	weir status -o json | jq -r "$1"
}

by_reason() { # "reason=packets ..." of everything seen so far
	status '[.reasons[] | "\(.reason)=\(.packets)"] | join(" ")'
}

write_policy() {
	cat >"$LAB_DIR/policy.yaml" <<YAML
apiVersion: weir/v1
metadata: {name: demo}
mode: enforce
lists:
  block:
    entries:
      - {cidr: $BLOCKED, reason: "known attacker"}
services:
  web: {proto: tcp, dport: 80}
  udp: {proto: udp}
limits:
  - {name: web, scope: source, service: web, rate: 2k/s, burst: 4k}
  - {name: udp, scope: source, service: udp, rate: 10/s, burst: 10}
YAML
	chmod 600 "$LAB_DIR/policy.yaml"
}

start_daemon() {
	lab_spawn host "$WEIR" daemon --iface "$LAB_IF_HOST" --policy "$LAB_DIR/policy.yaml" \
		--socket "$LAB_DIR/weir.sock" --state-dir "$LAB_DIR/state" --bpffs "$LAB_BPFFS" \
		--foreground >"$LAB_DIR/daemon.log" 2>&1
	for _ in $(seq 50); do
		! weir status >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	cat "$LAB_DIR/daemon.log" >&2
	return 1
}

start_web_server() {
	mkdir "$LAB_DIR/www"
	echo 'served' >"$LAB_DIR/www/index.html"
	lab_spawn host busybox httpd -f -p "$LAB_HOST4:80" -h "$LAB_DIR/www"
}

# One request after the other until told to stop; a line each: ok or failed.
browse() {
	while [[ ! -e $LAB_DIR/stop ]]; do
		if lab_client curl -s --interface "$LEGITIMATE" --max-time 3 "http://$LAB_HOST4/" |
			grep -q served; then
			echo ok
		else
			echo failed
		fi
		sleep 0.05
	done >"$LAB_DIR/browse" 2>/dev/null
}

# What happened in each second, by reason, while the flood goes on.
watch_rates() {
	local before after

	before=$(status '.reasons | map({(.reason): .packets}) | add // {}')
	for second in $(seq "$FLOOD_SECONDS"); do
		sleep 1
		after=$(status '.reasons | map({(.reason): .packets}) | add // {}')
		jq -rn --argjson a "$before" --argjson b "$after" --arg s "$second" \
			--arg web "$(grep -c ok "$LAB_DIR/browse")" \
			'"  \($s)s  " + ([$b | keys[] | . as $k | "\($k) \($b[$k] - ($a[$k] // 0))/s"] |
			 join("  ")) + "  | pages served \($web)"'
		before=$after
	done
}

main() {
	local flood_source=$FLOOD_BASE seen sum browser generator rx

	say "a private lab: $LAB_CLIENT and $LAB_HOST, joined by veth"
	write_policy
	start_daemon
	start_web_server
	sed 's/^/  /' "$LAB_DIR/daemon.log"

	say 'a legitimate client browses; a blocked source tries; then 1,000 sources flood'
	browse &
	browser=$!
	sleep 1
	lab_client curl -s --interface "$BLOCKED" --max-time 1 "http://$LAB_HOST4/" \
		>"$LAB_DIR/blocked" 2>/dev/null || true
	lab_client "$FLOOD" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:80" --sources "$SOURCES" \
		--base "$FLOOD_BASE" --random --rate 400000 --seconds "$FLOOD_SECONDS" --json \
		>"$LAB_DIR/flood" &
	generator=$!
	watch_rates
	wait "$generator"
	touch "$LAB_DIR/stop"
	wait "$browser" || true
	sleep 6 # a window of drops is recorded when it closes

	say 'status'
	weir status
	say 'metrics (those that moved)'
	weir metrics | grep -E '^weir_(packets_total|limit_packets_total|audit_records|list)' |
		grep -v ' 0$'
	say "what is known of one dropped source"
	weir source "$flood_source"
	say 'the end of the audit chain'
	weir audit tail -n 5
	say 'the audit chain, verified offline'
	"$WEIR" audit verify "$LAB_DIR/state/audit" && verified=0 || verified=$?

	say 'expectations'
	seen=$(status .packets.seen)
	sum=$(status '[.reasons[].packets] | add')
	rx=$(lab_host cat "/sys/class/net/$LAB_IF_HOST/statistics/rx_packets" 2>/dev/null ||
		lab_host ip -j -s link show "$LAB_IF_HOST" | jq '.[0].stats64.rx.packets')
	expect "every page was served: $(grep -c ok "$LAB_DIR/browse") of $(wc -l <"$LAB_DIR/browse")" \
		test "$(grep -c failed "$LAB_DIR/browse"):$(($(grep -c ok "$LAB_DIR/browse") > 50))" = 0:1
	expect 'the blocked source got nothing' test ! -s "$LAB_DIR/blocked"
	expect "its packets were dropped as blocked: $(by_reason)" \
		test "$(status '[.reasons[] | select(.reason == "blocked") | .packets] | add // 0')" -gt 0
	expect "the flood was stopped: $(status .packets.dropped) of $(jq .sent "$LAB_DIR/flood") dropped" \
		test "$(status .packets.dropped)" -gt $(($(jq .sent "$LAB_DIR/flood") * 9 / 10))
	expect "packets seen ($seen) are the sum over reasons ($sum)" test "$seen" = "$sum"
	expect "no packet that the interface received was missed ($rx)" test "$rx" -le "$(status .packets.seen)"
	expect 'the audit chain verifies' test "$verified" = 0
	expect 'it tells of the flood' \
		grep -q ratelimit.dropped <<<"$(weir audit tail -n 3000 -o json)"
	expect 'one dropped source can be explained' \
		test "$(weir source "$flood_source" -o json | jq '.limits | length')" -gt 0
	expect 'enforcement ends on request' weir detach

	return "$failures"
}

[[ $EUID == 0 ]] || {
	echo 'demo: needs root for namespaces and BPF: sudo make demo' >&2
	exit 1
}
trap cleanup EXIT
trap 'exit 130' INT TERM
lab_up
main || {
	printf '\ndemo: %s expectation(s) failed\n' "$failures"
	exit 1
}
printf '\ndemo: every expectation held\n'
