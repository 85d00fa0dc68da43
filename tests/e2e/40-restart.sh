#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Enforcement outlives the daemon. However it ends (killed under load, asked to, told to let go),
# what was enforced stays enforced unless somebody said otherwise, the next daemon takes over what
# it finds, and the audit chain says what happened in between.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

# A bucket that a restart refilled would show at once: the burst is worth 100 seconds of the rate.
readonly RATE=10 BURST=1000 SOURCES=4
readonly BLOCKED=198.18.66.6

write_policy() { # RATE
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists:
		  block: {entries: [$BLOCKED]}
		limits:
		  - {name: all, scope: source, rate: $1/s, burst: $BURST}
	YAML
}

flood_on_all_cpus() { # SECONDS
	lab_spawn client "$FLOOD" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:9" \
		--base 198.18.4.0 --sources "$SOURCES" --threads "$(nproc)" --seconds "$1" \
		>/dev/null
	FLOOD_PID=$LAB_PID
}

# A source that nobody used yet, so that its bucket is full.
welcome() {
	fresh=$((fresh + 1))
	echoes_from "198.18.9.$fresh"
}

# The daemon holds drops that are in no record yet.
window_is_open() { # SOURCE
	weir source "$1" -o json | jq -e 'any(.recent[]; .packets > 10000)' >/dev/null
}

reload_is_done() { # RATE
	[[ $(weir limits -o json | jq -r '.items[0].rate') == "$1" ]]
}

# What the stack had of the flood, to a port where nobody listens, at what time.
mark() {
	marked_ns=$(date +%s%N)
	marked=$(host_counter Udp NoPorts)
}

# Since the mark, the flood got through at its rate: no burst, no blackout.
at_rate_since_mark() {
	local got most

	got=$(($(host_counter Udp NoPorts) - marked))
	most=$((($(date +%s%N) - marked_ns) * RATE * SOURCES / 1000000000 + 2 * SOURCES))
	echo "the stack received $got, the rate allows $most"
	((got > 0 && got <= most))
}

attached() {
	lab_host ip -j link show "$LAB_IF_HOST" | jq -e '.[0].xdp' >/dev/null
}

entry_until() { # CIDR
	weir lists block -o json | jq -r --arg c "$1" '.items[] | select(.cidr == $c) | .until'
}

no_less_than() { # STATUS_BEFORE STATUS_NOW
	# shellcheck disable=SC2016 # jq's own variables
	jq -en --argjson before "$1" --argjson now "$2" '
		$now.packets.seen > $before.packets.seen and
		all($before.reasons[]; . as $b |
			any($now.reasons[]; .reason == $b.reason and .verdict == $b.verdict and
				.packets >= $b.packets))'
}

dropped_by_limit() { # NAME
	weir limits -o json | jq --arg n "$1" '.items[] | select(.name == $n) | .dropped'
}

killed_under_load() {
	local before until

	flood_on_all_cpus 5
	wait_for 10 window_is_open 198.18.4.0
	weir block 198.18.67.7 --ttl 10m --reason 'from before the crash' >/dev/null
	until=$(entry_until 198.18.67.7)
	before=$(weir status -o json)
	stop_weir KILL || true

	mark
	sleep 1 # the time without a daemon that is measured
	check 'with the daemon killed under load, limits hold' at_rate_since_mark
	check 'and a blocked source stays blocked' test "$(echoes_from "$BLOCKED")" = 0
	check 'and so does one that was blocked at run time' \
		test "$(echoes_from 198.18.67.7)" = 0
	check 'and a welcome one still gets through' test "$(welcome)" = 10
	start_weir
	check 'the next daemon starts under the same load and refills no bucket' at_rate_since_mark
	check 'it adopts the program that runs' has_record '.event_type == "system.adopt"'
	check 'no counter went back' no_less_than "$before" "$(weir status -o json)"
	check 'generations go on counting' \
		test "$(status .policy.generation)" -gt "$(jq .policy.generation <<<"$before")"
	check 'an entry with a lifetime ends when it was to end' \
		test "$(entry_until 198.18.67.7)" = "$until"
	wait "$FLOOD_PID"
	check 'the chain verifies' verify
	check 'the chain tells of both starts' has_records 2 '.event_type == "system.start"'
	check 'and of the packets that the killed daemon had not recorded' has_record \
		'.event_type == "audit.loss" and (.details.packets | tonumber) > 0 and
		 .details.cause == "the daemon did not end in order"'
	check 'with that, each dropped packet is in the chain once' wait_for 15 all_in_chain
}

killed_again_and_again() {
	local round

	flood_on_all_cpus 120 # until it is killed
	for round in 1 2 3 4 5; do
		sleep "0.$((RANDOM % 10))" # any moment will do
		stop_weir KILL || true
		check "kill $round at a random moment: the chain verifies" verify
		start_weir
		check "kill $round: and is continued" has_records $((round + 2)) '.event_type == "system.start"'
	done
	kill "$FLOOD_PID"
	wait "$FLOOD_PID" || true
	check 'after five kills no record is missing and none was changed' \
		refuse is_recorded '.event_type == "audit.violation"'
	check 'and each dropped packet is in the chain once' wait_for 15 all_in_chain
}

asked_to_end() {
	check 'SIGTERM ends the daemon with status 0' stop_weir TERM
	check 'its socket is gone' test ! -e "$WEIR_SOCKET"
	check 'enforcement goes on' test "$(echoes_from "$BLOCKED")" = 0
	check 'the stop is recorded, and nothing but a heartbeat after the last windows' \
		jq -es 'map(.event_type) | index("system.stop") and last == "audit.heartbeat"' \
		<<<"$(records true 10)"
}

told_to_reload() {
	local dropped generation

	start_weir
	dropped=$(dropped_by_limit all)
	generation=$(status .policy.generation)
	write_policy 20
	kill -HUP "$WEIR_PID"
	check 'SIGHUP applies a changed policy' wait_for 5 reload_is_done 20/s
	check 'a limit keeps its counters when its rate changes' \
		test "$(dropped_by_limit all)" -ge "$dropped" -a "$dropped" -gt 0
	check 'the generation counts one up' \
		test "$(status .policy.generation)" = $((generation + 1))

	echo 'limits: none' >>"$LAB_DIR/policy.yaml"
	kill -HUP "$WEIR_PID"
	check 'SIGHUP with a broken policy is recorded as refused, with the place' \
		has_record '.event_type == "policy.refused" and .outcome == "failure" and
			(.details.error | test("policy.yaml:[0-9]+:[0-9]+"))'
	check 'and what was in force stays in force' test \
		"$(status .policy.generation):$(echoes_from "$BLOCKED"):$(welcome)" = \
		"$((generation + 1)):0:10"
	stop_weir
	check 'no daemon starts with a broken policy' fail_to_start
	check 'it names the place' grep -qE 'policy.yaml:[0-9]+:[0-9]+' "$LAB_DIR/refusal"
	check 'and enforcement is what it was' test \
		"$(echoes_from "$BLOCKED"):$(welcome)" = 0:10
}

told_to_let_go() {
	write_policy 10
	start_weir
	check 'weir detach ends enforcement' weir detach
	check 'and the daemon, with status 0' wait "$WEIR_PID"
	check 'no program is attached' refuse attached
	check 'no pin is left' test ! -e "$LAB_BPFFS"
	check 'who was blocked gets through' test "$(echoes_from "$BLOCKED")" = 10

	start_weir
	check 'the next daemon attaches anew' test "$(echoes_from "$BLOCKED")" = 0
	stop_weir KILL || true
	check 'weir detach without a daemon asks what the daemon used' exits 6 weir detach
	check 'and leaves enforcement alone' test "$(echoes_from "$BLOCKED")" = 0
	check 'told so, it ends enforcement' \
		weir detach --bpffs "$LAB_BPFFS" --state-dir "$LAB_DIR/state"
	check 'no program is attached then' refuse attached
	check 'no pin is left then' test ! -e "$LAB_BPFFS"
	check 'the chain says that no daemon was running' has_record \
		'.event_type == "system.detach" and .details.daemon == false'
	check 'a second detach says that there is nothing to detach' exits 1 \
		weir detach --bpffs "$LAB_BPFFS" --state-dir "$LAB_DIR/state"
	check 'the chain verifies after all of that' verify
}

rebooted() {
	start_weir
	weir block 198.18.68.8 --reason 'must survive' >/dev/null
	weir allow 198.18.68.9 --ttl 1h >/dev/null
	stop_weir
	rm -r "$LAB_BPFFS"
	check 'after a reboot nothing is attached' refuse attached
	start_weir
	check 'entries of operators come back from the database' jq -e \
		'.items[0] | .cidr == "198.18.68.9" and .left_seconds > 3500' \
		<<<"$(weir lists allow -o json)"
	check 'with their reasons' jq -e \
		'any(.items[]; .cidr == "198.18.68.8" and .reason == "must survive")' \
		<<<"$(weir lists block -o json)"
	check 'and are enforced' test "$(echoes_from 198.18.68.8)" = 0
	stop_weir
}

fresh=0
write_policy "$RATE"
start_weir
killed_under_load
killed_again_and_again
asked_to_end
told_to_reload
told_to_let_go
rebooted
finish
