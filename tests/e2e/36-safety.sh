#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What keeps an operator from harm, under traffic: the panic switch, with a daemon, without one and with
# one that hangs; the watchdog that takes a mistake back; and the changes that are refused because
# they would cut somebody off.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly BLOCKED=198.18.66.1 GREEDY=198.18.77.1
flood_pid=''

write_policy() { # MODE [SAFETY]
	policy <<-YAML
		apiVersion: weir/v1
		mode: $1
		lists:
		  block: {entries: [198.18.66.0/24]}
		limits:
		  - {name: each, scope: source, rate: 10/s, burst: 20}
		${2:+safety: {$2\}}
	YAML
}

# Ten packets a millisecond from $1, until stop_flood.
start_flood() {
	lab_spawn client "$FLOOD" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:9" --base "$1" \
		--rate 10000 --packets 100000000 >/dev/null
	flood_pid=$LAB_PID
}

stop_flood() {
	kill "$flood_pid"
	wait "$flood_pid" 2>/dev/null || true
}

# In the host's namespace: run the command and print how many ms after its start the packets that the stack
# gets began ($1 = begin) or ceased ($1 = end, nothing for 50 ms).
# shellcheck disable=SC2016 # of the inner shell
readonly WATCH='
	received() {
		local word
		while read -r -a word; do
			[[ ${word[0]} == Ip: && ${word[3]} != [A-Z]* ]] && packets=${word[3]}
		done </proc/net/snmp
	}
	what=$1
	shift
	received
	before=$packets
	start=${EPOCHREALTIME/./} last=$start
	"$@" >"$OUT" 2>&1 &
	while :; do
		now=${EPOCHREALTIME/./}
		received
		if ((packets != before)); then
			last=$now before=$packets
			[[ $what == end ]] || break
		fi
		[[ $what == begin ]] || ((now - last < 50000)) || break
		((now - start < 5000000)) || break
	done
	((now - start < 5000000)) || last=$now
	wait $! || exit
	echo $(((last - start + 999) / 1000))'

ms_until() { # begin|end COMMAND...
	OUT=$LAB_DIR/said lab_host bash -c "$WATCH" watch "$@"
}

# within MS begin|end COMMAND... - in one of three attempts: a busy machine may leave us no time at all.
within() {
	local ms attempt

	for attempt in 1 2 3; do
		if ((attempt > 1)); then
			panic "$([[ $2 == begin ]] && echo enforce || echo off)" || return 1
			sleep 1
		fi
		ms=$(ms_until "${@:2}") || { cat "$LAB_DIR/said"; return 1; }
		echo "# $ms ms: ${*:3}" |
			sed "s|$WEIR|weir|; s|$LAB_BPFFS|DIR|; s|$LAB_DIR|DIR|" >&"$TAP"
		((ms >= $1)) || return 0
	done
	return 1
}

panic() {
	weir panic "$@" --bpffs "$LAB_BPFFS"
}

in_force() {
	[[ $(status .mode_in_force) == "$1" ]]
}

drops_all_of() { # SOURCE
	[[ $(echoes_from "$1") == 0 ]]
}

passes_all_of() {
	[[ $(echoes_from "$1") == 10 ]]
}

# What is to be dropped is, while the switch goes from the policy's mode to the same and back.
nothing_leaks() {
	local before

	before=$(stack_packets)
	for _ in {1..20}; do
		weir panic enforce >/dev/null
		panic clear >/dev/null
	done
	echo "$(($(stack_packets) - before)) packets got through"
	(($(stack_packets) == before))
}

panic_with_a_daemon() {
	start_flood "$BLOCKED"
	check 'panic enforce, set and cleared 20 times, lets nothing through' nothing_leaks
	check 'panic off lets packets through in less than 100 ms' \
		within 100 begin "$WEIR" panic off --reason 'nobody gets in'
	check 'panic enforce ends that in less than 100 ms' \
		within 100 end "$WEIR" panic enforce
	check 'panic monitor: counted, and let through' \
		within 100 begin "$WEIR" panic monitor
	stop_flood
	check 'the status says which mode is in force' in_force monitor
	check 'and that somebody set it, and why' grep -q 'PANIC: mode monitor.*by root' <<<"$(weir status)"
	check 'the policy keeps its own' test "$(status .mode)" = enforce
	check 'the metric says so' grep -q '^weir_panic_mode{mode="monitor"} 1' <<<"$(weir metrics)"
	write_policy enforce
	weir policy apply >/dev/null
	check 'a new policy does not end it' in_force monitor
	check 'nor is what is blocked dropped' passes_all_of "$BLOCKED"
	stop_weir
	start_weir
	check 'nor does a new daemon' in_force monitor
	check 'weir panic clear does' weir panic clear --reason 'all clear'
	check 'and the policy holds again' drops_all_of "$BLOCKED"
	check 'each has a record: who' has_record \
		'.event_type == "panic.set" and .details.mode == "off" and .details.reason == "nobody gets in" and
		 .actor.username == "root" and .severity == 5 and .details.daemon'
	check 'so has each of the others, in order' test \
		"$(records '.event_type | startswith("panic.")' | jq -r .details.mode | tail -4 | xargs)" = \
		'off enforce monitor none'
	check 'a word that is none is refused: 2' exits 2 weir panic on
	check 'a reason that is too long is refused: 2' exits 2 weir panic off \
		--reason "$(printf 'x%.0s' {1..250})"
	check 'who is nobody may not' exits 4 setpriv --reuid nobody --regid nogroup \
		--clear-groups -- "$WEIR" panic off
	check 'and has a record' has_record '.event_type == "auth.denied" and .resource.id == "/v1/panic"'
	check 'nothing changed' in_force enforce
}

panic_without_a_daemon() {
	stop_weir KILL || true
	start_flood "$BLOCKED"
	check 'with the daemon killed: panic off in less than 100 ms' \
		within 100 begin "$WEIR" panic off --reason 'it is dead' --bpffs "$LAB_BPFFS"
	check 'and panic clear' within 100 end "$WEIR" panic clear --bpffs "$LAB_BPFFS"
	check 'and panic monitor' within 100 begin "$WEIR" panic monitor --bpffs "$LAB_BPFFS"
	stop_flood
	check 'weir panic shows it' grep -q 'mode monitor is in force' <<<"$(panic 2>/dev/null)"
	check 'without --bpffs it does not guess: 6' exits 6 weir panic off
	check 'where nothing is pinned: 6' exits 6 weir panic off --bpffs "$LAB_BPFFS-none"
	check 'with -o json it is JSON' jq -e '.panic.mode == "monitor" and .daemon == false' \
		<<<"$(panic -o json 2>/dev/null)"
	start_weir
	check 'the next daemon finds it' in_force monitor
	check 'and makes records of what was done' \
		has_records 3 '(.event_type | startswith("panic.")) and .details.daemon == false'
	check 'in the order of its doing' test "$(
		records '(.event_type | startswith("panic.")) and .details.daemon == false' |
			jq -r '"\(.details.mode):\(.details.reason)"' | xargs)" = \
		'off:it is dead none: monitor:'
	stop_weir
	start_weir
	check 'each of them once' has_records 3 '(.event_type | startswith("panic.")) and .details.daemon == false'
	weir panic clear >/dev/null
}

panic_with_a_daemon_that_hangs() {
	kill -STOP "$WEIR_PID"
	start_flood "$BLOCKED"
	check 'a daemon that hangs is not waited for longer than half a second' \
		within 1000 begin "$WEIR" panic off --bpffs "$LAB_BPFFS"
	stop_flood
	kill -CONT "$WEIR_PID"
	check 'it records that when it comes to itself' has_record \
		'.event_type == "panic.set" and .details.mode == "off" and .details.daemon == false and
		 .details.reason == ""'
	check 'and clears it' weir panic clear
	check 'the policy holds' drops_all_of "$BLOCKED"
}

is_tripped() {
	[[ $(status .watchdog.tripped) == "$1" ]]
}

# The mistake: ten packets a second, where a client sends ten a millisecond.
watchdog() {
	write_policy enforce 'watchdog: {drop_ratio: 90%, hold: 2s, recover: 2s, minimum: 1k/s}'
	weir policy apply >/dev/null
	check 'a policy with a watchdog is in force' is_tripped false
	start_flood "$GREEDY"
	check 'limits that refuse nearly everything: the mode falls to monitor' \
		wait_for 10 is_tripped true
	check 'and nearly everything passes' test "$(ms_until begin true)" -lt 100
	check 'the status says so' grep -q 'WATCHDOG:' <<<"$(weir status)"
	check 'and the metrics' grep -q '^weir_watchdog_tripped 1' <<<"$(weir metrics)"
	check 'the block list is not in force, either: monitor is monitor' in_force monitor
	stop_weir KILL || true
	stop_flood
	check 'without a daemon it comes back when limits refuse less' \
		wait_for 10 drops_all_of "$BLOCKED"
	start_flood "$GREEDY"
	check 'and falls again' wait_for 10 passes_all_of "$BLOCKED"
	start_weir
	check 'the next daemon leaves it as it is' is_tripped true
	check 'and makes records of all of it' has_records 3 '.event_type | startswith("watchdog.")'
	check 'in their order' test "$(
		records '.event_type | startswith("watchdog.")' | jq -r .event_type | xargs)" = \
		'watchdog.tripped watchdog.recovered watchdog.tripped'
	check 'which say how much was refused' has_record \
		'.event_type == "watchdog.tripped" and .severity == 5 and
		 .details.refused_per_second > 5000 and .details.drop_ratio_permille == 900'
	write_policy enforce
	weir policy apply >/dev/null
	check 'a policy without one switches it off, and is enforced' in_force enforce
	check 'with a record' has_record \
		'.event_type == "watchdog.recovered" and .details.cause == "the policy has no watchdog"'
	stop_flood
	write_policy enforce 'watchdog: {drop_ratio: 90%, hold: 1s, recover: 2s, minimum: 1k/s}'
	weir policy apply >/dev/null
	start_flood "$BLOCKED"
	sleep 4 # what must not happen cannot be waited for
	check 'a flood from the block list is no reason' is_tripped false
	stop_flood
}

# As if somebody who came by SSH from $1 typed it.
from() { # ADDRESS COMMAND...
	SSH_CONNECTION="$1 50022 $LAB_HOST4 22" "${@:2}"
}

refused() { # CODE COMMAND...
	local status=0

	"${@:2}" >"$LAB_DIR/said" 2>&1 || status=$?
	cat "$LAB_DIR/said"
	((status == 5)) && grep -qF "[$1]" "$LAB_DIR/said"
}

limits() { # SETTINGS
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		limits:
		  - {name: each, scope: source, $1}
	YAML
}

# Who types, and the gateway.
lockout() {
	local me=198.18.90.1 gateway=198.18.99.1 refusals

	lab_host ip route replace default via "$gateway" dev "$LAB_IF_HOST" onlink
	sleep 1.1 # for so long the gateways of before are believed
	write_policy enforce
	weir policy apply >/dev/null
	check 'to block oneself is refused' refused safety.lockout from "$me" weir block "$me"
	check 'which says why' grep -q "root is logged in from there" "$LAB_DIR/said"
	has_record '.event_type == "list.refused"'
	refusals=$(records '.event_type == "list.refused"' | wc -l)
	check 'a dry run says the same' refused safety.lockout from "$me" weir block "$me" --dry-run
	check 'with what would stand in its way' grep -q '^UNSAFE: .*root is logged in' "$LAB_DIR/said"
	check 'and with --force that it would be done' \
		exits 0 from "$me" weir block "$me" --dry-run --force
	check 'nothing was blocked by that, nor refused' test "$refusals $(weir lists block -o ndjson |
		jq -r .cidr | grep -cxF "$me")" = "$(records '.event_type == "list.refused"' | wc -l) 0"
	check 'so is a prefix around oneself' refused safety.lockout from "$me" weir block 198.18.90.0/24
	check 'somebody else may be blocked' from "$me" weir block 198.18.91.1
	check 'who comes from elsewhere may block it' from 198.18.92.1 weir block "$me"
	check 'and then it is no question any more' from "$me" weir block 198.18.90.0/24
	weir unblock "$me" >/dev/null
	weir unblock 198.18.90.0/24 >/dev/null
	check 'whoever insists gets his way' from "$me" weir block "$me" --force
	check 'with a record of that' has_record '.event_type == "safety.overridden" and
		.resource.id == "198.18.90.1" and .details.code == "safety.lockout"'
	weir unblock "$me" >/dev/null
	check 'each refusal has a record' has_record '.event_type == "list.refused" and
		.resource.id == "198.18.90.0/24" and .outcome == "failure"'
	# shellcheck disable=SC2016 # of the inner shell
	check 'a shell in between makes no difference' refused safety.lockout 		from "$me" sh -c 'unset SSH_CONNECTION; "$0" block "$1"; exit' "$WEIR" "$me"
	check 'to block the default gateway is refused' refused safety.lockout weir block "$gateway"
	check 'which says so' grep -q 'default gateway' "$LAB_DIR/said"
	weir allow "$me" >/dev/null
	check 'who is allowed may be blocked: it has no effect' from "$me" weir block 198.18.90.0/24
	check 'but then not be taken off the allow list' refused safety.lockout from "$me" weir unallow "$me"
	check 'unless by force' from "$me" weir unallow "$me" --force
	weir unblock 198.18.90.0/24 >/dev/null
	check 'a short prefix is refused' refused safety.shortest_prefix weir block 8.0.0.0/7
	check 'one of /8 is not' weir block 9.0.0.0/8
	check 'nor is /19 of IPv6, but /18 is' weir block 3fff::/19
	check 'as was said' refused safety.shortest_prefix weir block 3ffc::/18
	check 'all of it, by force' weir block 8.0.0.0/7 --force
	weir unblock 8.0.0.0/7 >/dev/null
}

lockout_by_policy() {
	local me=198.18.90.1

	write_policy enforce
	sed -i 's|198.18.66.0/24|198.18.66.0/24, 198.18.90.0/24|' "$LAB_DIR/policy.yaml"
	check 'a policy that blocks who applies it is refused' refused safety.lockout 		from "$me" weir policy apply
	check 'with a record' has_record '.event_type == "policy.refused" and
		(.details.error | test("root is logged in"))'
	check 'and is not in force' passes_all_of 198.18.90.5
	check 'nor for somebody who comes from elsewhere' from 198.18.92.1 weir policy apply
	write_policy enforce
	weir policy apply >/dev/null
	limits 'rate: 9/s, burst: 9'
	check 'a limit that leaves no session is refused' refused safety.lockout 		from "$me" weir policy apply
	check 'by its name and line' grep -q "limit 'each' in line 4" "$LAB_DIR/said"
	limits 'service: web, rate: 1/s'
	sed -i '/^limits:/i services: {web: {proto: tcp, dport: 80}}' "$LAB_DIR/policy.yaml"
	check 'one for another service is not' from "$me" weir policy apply
	sed -i 's|dport: 80|dport: [20-25]|' "$LAB_DIR/policy.yaml"
	check 'one for the service that the session uses is' refused safety.lockout \
		from "$me" weir policy apply
	limits 'rate: 9/s, burst: 9, shadow: true'
	check 'one in the shadow is not' from "$me" weir policy apply
	limits 'rate: 9/s, burst: 9'
	check 'by force it is' from "$me" weir policy apply --force
	check 'and then it is no question any more' from "$me" weir policy apply
	limits 'rate: 10/s, burst: 9'
	check 'ten a second are enough' from "$me" weir policy apply
	policy <<-YAML
		apiVersion: weir/v1
		mode: monitor
		lists: {block: {entries: [198.18.90.0/24, 8.0.0.0/7]}}
	YAML
	check 'a short prefix is refused whatever the mode' refused safety.shortest_prefix 		from "$me" weir policy apply
	sed -i 's|, 8.0.0.0/7||' "$LAB_DIR/policy.yaml"
	check 'mode monitor cuts nobody off' from "$me" weir policy apply
	sed -i 's|monitor|enforce|' "$LAB_DIR/policy.yaml"
	check 'to enforce it then does' refused safety.lockout from "$me" weir policy apply
	sed -i 's|^lists: {|lists: {allow: {entries: [198.18.90.1]}, |' "$LAB_DIR/policy.yaml"
	check 'unless it allows who applies it' from "$me" weir policy apply

	write_policy enforce
	weir policy apply >/dev/null
	sed -i 's|198.18.66.0/24|198.18.66.0/24, 198.18.90.0/24|' "$LAB_DIR/policy.yaml"
	check 'the plan says whom it would cut off' \
		grep -q '^UNSAFE: .*safety.lockout' <(from "$me" weir policy plan)
	check 'with a time to confirm it is applied' \
		from "$me" weir policy apply --confirm 60s
	check 'and can be taken back' weir policy rollback
}

lockout_by_feed() {
	printf '198.18.66.0/24
' >"$LAB_DIR/feed.txt"
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists: {block: {feeds: [{name: bad, file: $LAB_DIR/feed.txt}]}}
	YAML
	check 'a feed is read' weir policy apply
	printf '198.18.66.0/24
198.18.99.0/24
' >"$LAB_DIR/feed.txt"
	check 'one that lists the default gateway is refused' has_record \
		'.event_type == "feed.refused" and .details.code == "safety.lockout"'
	check 'what it listed before is in force' drops_all_of "$BLOCKED"
	printf '198.18.66.0/24
0.0.0.0/1
' >"$LAB_DIR/feed.txt"
	check 'so is one that lists half of the Internet' has_record \
		'.event_type == "feed.refused" and .details.code == "safety.shortest_prefix"'
	printf '198.18.66.0/24
198.18.67.0/24
' >"$LAB_DIR/feed.txt"
	check 'one that mends itself is read again' wait_for 10 drops_all_of 198.18.67.1
}

connections() {
	lab_host ss -Htn state established | wc -l
}

has_connections() {
	(($(connections) >= $1))
}

# Twenty hosts have a connection: five of each of four networks.
blast_radius() {
	local net host

	write_policy enforce 'max_blocked: 40%'
	sed -i 's|rate: 10/s, burst: 20|rate: 10k/s, burst: 20k|' "$LAB_DIR/policy.yaml"
	weir policy apply >/dev/null
	mkdir "$LAB_DIR/www"
	head -c 4M /dev/zero >"$LAB_DIR/www/index.html"
	lab_spawn host busybox httpd -f -p "$LAB_HOST4:80" -h "$LAB_DIR/www"
	for net in 1 2 3 4; do
		for host in 1 2 3 4 5; do
			lab_spawn client curl -s --retry 5 --retry-connrefused --limit-rate 1k -o /dev/null 				--interface "198.18.12$net.$host" "http://$LAB_HOST4/"
		done
	done
	check 'twenty hosts are connected' wait_for 10 has_connections 20
	check 'to block a quarter of them is accepted' weir block 198.18.121.0/24
	check 'another half would be too many' refused safety.max_blocked weir block 198.18.122.0/23
	check 'which says how many' grep -q '10 of the 20 hosts' "$LAB_DIR/said"
	check 'a single host never is' weir block 198.18.122.1
	check 'by force it is done' weir block 198.18.122.0/23 --force
	weir unblock 198.18.122.0/23 >/dev/null
	sed -i 's|198.18.66.0/24|198.18.122.0/24, 198.18.123.0/24|' "$LAB_DIR/policy.yaml"
	check 'a policy that would block too many is refused' refused safety.max_blocked weir policy apply
	sed -i 's|, 198.18.123.0/24||' "$LAB_DIR/policy.yaml"
	check 'one that blocks fewer is not' weir policy apply
}

# The last thing before the pins go.
detach_without_a_daemon() {
	stop_weir KILL || true
	panic monitor --reason 'before the end' >/dev/null 2>&1
	check 'detach without a daemon' weir detach --bpffs "$LAB_BPFFS" --state-dir "$STATE"
	check 'records what was done before' has_record \
		'.event_type == "panic.set" and .details.reason == "before the end"'
	check 'the chain is whole' verify
}

write_policy enforce
start_weir
panic_with_a_daemon
panic_without_a_daemon
panic_with_a_daemon_that_hangs
watchdog
lockout
lockout_by_policy
lockout_by_feed
blast_radius
detach_without_a_daemon
finish
