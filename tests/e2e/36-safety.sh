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

# within MS begin|end COMMAND...
within() {
	local ms

	ms=$(ms_until "${@:2}") || { cat "$LAB_DIR/said"; return 1; }
	echo "# $ms ms: ${*:3}" | sed "s|$WEIR|weir|; s|$LAB_BPFFS|DIR|; s|$LAB_DIR|DIR|" >&"$TAP"
	((ms < $1))
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

panic_with_a_daemon() {
	start_flood "$BLOCKED"
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
	check 'four records in all' test \
		"$(records '.event_type | startswith("panic.")' | jq -r .details.mode | xargs)" = \
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
	check 'and makes records of what was done, when it was' test "$(
		records '(.event_type | startswith("panic.")) and .details.daemon == false' |
			jq -r '"\(.details.mode):\(.details.reason)"' | xargs)" = \
		'off:it is dead none: monitor:'
	stop_weir
	start_weir
	check 'each of them once' test "$(
		records '(.event_type | startswith("panic.")) and .details.daemon == false' | wc -l)" = 3
	weir panic clear >/dev/null
}

panic_with_a_daemon_that_hangs() {
	kill -STOP "$WEIR_PID"
	start_flood "$BLOCKED"
	check 'a daemon that hangs is not waited for longer than half a second' \
		within 1000 begin "$WEIR" panic off --bpffs "$LAB_BPFFS"
	stop_flood
	kill -CONT "$WEIR_PID"
	check 'it records that when it comes to itself' wait_for 5 has_record \
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
	check 'and makes records of all of it' wait_for 5 test "$(
		records '.event_type | startswith("watchdog.")' | jq -r .event_type | head -3 | xargs)" = \
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

write_policy enforce
start_weir
panic_with_a_daemon
panic_without_a_daemon
panic_with_a_daemon_that_hangs
watchdog
finish
