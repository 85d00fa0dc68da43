#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What every end-to-end script stands on: a lab of its own that goes away however the script ends,
# the daemon in it, and TAP. Source it, call need_root, and end with finish. README.md shows how.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/lab.sh
. scripts/lab.sh

readonly WEIR=${WEIR:-$PWD/build/weir} # may be set, to test another one
readonly FLOOD=$PWD/build/tests/tools/flood
tests=0 failures=0 finished=
WEIR_PID=
WEIR_INSIDE=() # a command that the daemon is started by, such as nsenter
STATE=         # the state directory, as this script sees it

# need_root - skip the script without root; otherwise make the lab, for as long as the script runs.
need_root() {
	if ((EUID != 0)); then
		echo '1..0 # SKIP needs root for network namespaces and BPF'
		exit 0
	fi
	exec {TAP}>&1 # a signal may come while a test's output goes elsewhere
	trap end EXIT
	trap 'exit 130' INT TERM HUP PIPE
	lab_up
	chmod 711 "$LAB_DIR" # others may connect to the socket in it
	export WEIR_SOCKET=$LAB_DIR/weir.sock
	STATE=$LAB_DIR/state
}

# Whatever ends the script: a plan that cannot be mistaken for success if it did not get to its end.
end() {
	local status=$?

	exec >&"$TAP"
	set +e
	trap - EXIT
	trap '' INT TERM HUP PIPE
	if [[ ! $finished ]]; then
		tests=$((tests + 1)) failures=$((failures + 1))
		echo "not ok $tests - the script reached its end (status $status)"
		show_log
		echo "1..$tests"
		status=1
	fi
	lab_down
	exit "$status"
}

# finish - the last line of a script.
finish() {
	echo "1..$tests"
	finished=yes
	((failures == 0)) || exit 1
	exit 0
}

# check WORDS COMMAND... - one test: passed if the command succeeds. It runs in this shell.
check() {
	local words=$1

	shift
	tests=$((tests + 1))
	if "$@" >"$LAB_DIR/output" 2>&1; then
		echo "ok $tests - $words"
	else
		failures=$((failures + 1))
		echo "not ok $tests - $words"
		echo "#   $*"
		head -c 4000 "$LAB_DIR/output" | sed 's/^/# /'
	fi
}

# skip WORDS REASON
skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

# For check: the command must fail; must exit with a status.
refuse() {
	! "$@"
}

exits() { # STATUS COMMAND...
	local status=0

	"${@:2}" || status=$?
	echo "exit status $status, not $1" >&2
	((status == $1))
}

# subtests NAME COMMAND... - its TAP, as tests of this script.
subtests() {
	local line

	"${@:2}" >"$LAB_DIR/tap" 2>&1 || true
	while IFS= read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			tests=$((tests + 1))
			[[ $line == ok* ]] || failures=$((failures + 1))
			echo "${line%% [0-9]*} $tests - ${line#* - }"
			;;
		1..*) ;;
		*) echo "# ${line#\# }" ;;
		esac
	done <"$LAB_DIR/tap"
	check "$1 ran to its end" grep -q '^1\.\.' "$LAB_DIR/tap"
}

# wait_for SECONDS COMMAND... - until it succeeds; fails after so long.
wait_for() {
	local deadline=$((SECONDS + $1 + 1))

	until "${@:2}"; do
		((SECONDS < deadline)) || return 1
		sleep 0.05
	done
}

show_log() {
	[[ ! -s $LAB_DIR/daemon.log ]] || tail -n 20 "$LAB_DIR/daemon.log" | sed 's/^/# /'
}

# policy <<YAML - write the policy file. What runs does not know of it until told.
policy() {
	(umask 077 && cat >"$LAB_DIR/policy.yaml")
}

# ifaces [OPTION...] - sets IFACES: the interface of the lab, unless the options name others.
ifaces() {
	IFACES=(--iface "$LAB_IF_HOST")
	[[ " $* " != *' --iface '* ]] || IFACES=()
}

# spawn_weir [OPTION...] - start the daemon; sets WEIR_PID. Later options win.
spawn_weir() {
	ifaces "$@"
	lab_spawn host "${WEIR_INSIDE[@]}" "$WEIR" daemon "${IFACES[@]}" \
		--policy "$LAB_DIR/policy.yaml" --socket "$WEIR_SOCKET" \
		--state-dir "$LAB_DIR/state" --bpffs "$LAB_BPFFS" "$@" \
		>>"$LAB_DIR/daemon.log" 2>&1
	WEIR_PID=$LAB_PID
}

is_alive() { # PID
	[[ -e /proc/$1 && $(awk '/^State/ {print $2}' "/proc/$1/status" 2>/dev/null) != Z ]]
}

answers_or_ended() {
	weir status >/dev/null 2>&1 || ! is_alive "$WEIR_PID"
}

# start_weir [OPTION...] - start the daemon and wait until it answers.
start_weir() {
	spawn_weir "$@"
	wait_for 20 answers_or_ended || true
	if ! is_alive "$WEIR_PID" || ! weir status >/dev/null; then
		echo '# the daemon did not start'
		show_log
		return 1
	fi
}

# stop_weir [SIGNAL] - end the daemon and wait for it; returns its exit status.
stop_weir() {
	local pid=$WEIR_PID status=0

	WEIR_PID=
	kill "-${1:-TERM}" "$pid"
	wait "$pid" 2>/dev/null || status=$?
	return "$status"
}

# fail_to_start [OPTION...] - the daemon must end by itself with status 1. What it said is in
# $LAB_DIR/refusal.
fail_to_start() {
	local status=0

	ifaces "$@"
	lab_host "${WEIR_INSIDE[@]}" timeout -k 1 20 "$WEIR" daemon "${IFACES[@]}" \
		--policy "$LAB_DIR/policy.yaml" --socket "$WEIR_SOCKET" \
		--state-dir "$LAB_DIR/state" --bpffs "$LAB_BPFFS" "$@" \
		>"$LAB_DIR/refusal" 2>&1 || status=$?
	cat "$LAB_DIR/refusal"
	((status == 1))
}

weir() {
	"$WEIR" "$@"
}

# status JQ_FILTER - a figure out of the daemon's status.
status() {
	weir status -o json | jq -r "$1"
}

# count VERDICT REASON - packets so far.
count() {
	weir status -o json | jq --arg v "$1" --arg r "$2" \
		'[.reasons[] | select(.verdict == $v and .reason == $r) | .packets] | add // 0'
}

# flood OPTION... - send from the client; prints JSON (tests/tools/README.md).
flood() {
	lab_client "$FLOOD" --iface "$LAB_IF_CLIENT" --json "$@"
}

# host_counter PROTOCOL NAME - a counter of the host's stack, of those in /proc/net/snmp.
host_counter() {
	# shellcheck disable=SC2016 # awk's own fields
	lab_host awk -v protocol="$1:" -v name="$2" '
		$1 == protocol && !field {
			for (i = 2; i <= NF; i++)
				if ($i == name)
					field = i
			next
		}
		$1 == protocol { print $field }' /proc/net/snmp
}

# stack_packets - IPv4 packets that the host's stack has received.
stack_packets() {
	host_counter Ip InReceives
}

# echoes_from SOURCE - of ten ICMP echo requests from there, how many reach the host's stack.
echoes_from() {
	local before

	before=$(host_counter Icmp InEchos)
	flood --proto icmp --to "$LAB_HOST4" --base "$1" --packets 10 >/dev/null
	echo $(($(host_counter Icmp InEchos) - before))
}

# records FILTER [LAST] - of the last records (10,000 if not told), those that pass the filter.
records() {
	"$WEIR" audit tail --dir "$STATE/audit" -n "${2:-10000}" -o json |
		jq -c "select($1)"
}

# named_in_records ADDRESS - how many records name it.
named_in_records() {
	weir audit tail -n 10000 -o json | grep -c "\"$1[\"/]"
}

# files_with ADDRESS DIR - files in it that have an IPv4 address, as text or as its four bytes.
files_with() {
	local bytes parts

	IFS=. read -ra parts <<<"$1"
	bytes=$(printf '\\x%02x' "${parts[@]}")
	grep -rlaF -- "$1" "$2"
	LC_ALL=C grep -rlaP -- "$bytes" "$2"
	true
}

# is_recorded FILTER - by now.
is_recorded() {
	[[ $(records "$1") ]]
}

# are_recorded COUNT FILTER
are_recorded() {
	local count

	count=$(records "$2" | wc -l)
	echo "$count of $1 such records"
	[[ $count == "$1" ]]
}

# has_record FILTER - there is one, or will be. A record that no answer waited for is written within milliseconds, one
# of a window of packets when that ends.
has_record() {
	wait_for 20 is_recorded "$1"
}

# has_records COUNT FILTER
has_records() {
	wait_for 20 are_recorded "$@"
}

# dropped_in_chain - packets that the chain accounts for: of windows, and of losses.
dropped_in_chain() {
	records '.event_type | test("^(ratelimit|list.block|packet|audit.loss)")' |
		jq -s '[.[].details.packets // 0 | tonumber] | add // 0'
}

all_in_chain() {
	local dropped

	dropped=$(status .packets.dropped)
	echo "$(dropped_in_chain) of $dropped dropped packets are in the chain"
	[[ $(dropped_in_chain) == "$dropped" ]]
}

verify() {
	"$WEIR" audit verify "$STATE/audit"
}
