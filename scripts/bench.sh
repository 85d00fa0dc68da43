#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Measures weir against XDP programs that do nothing: one JSON object per line on stdout, a table on
# stderr. `bench.sh [GROUP]`, where GROUP is testrun (ns per packet, one packet over and over) or veth
# (packets per second, made and received on one CPU, thousands of sources). Rounds of all candidates
# take turns and medians are reported; on a machine that does other things too, trust the ratios.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lab.sh
. scripts/lab.sh

readonly BUILD=${BUILD:-build}
readonly ROUNDS=${ROUNDS:-11} SECONDS_EACH=${SECONDS_EACH:-0.5}
readonly REFERENCE=$BUILD/tests/lib/reference.bpf.o

# Two labs side by side: the reference program on the host's interface of one, weir on the other's.
lab_reference='' lab_weir=''

cleanup() {
	[[ -z $lab_weir ]] || lab_down "$lab_weir"
	[[ -z $lab_reference ]] || lab_down "$lab_reference"
}

die() {
	echo "bench: $*" >&2
	exit 1
}

# A policy under which 198.18.16.0/20 is blocked address by address and 198.18.32.0/20 as a prefix;
# UDP port 1001 has a limit that nobody reaches and 1002 one that everybody is over.
policy() {
	local third fourth

	cat <<-END
		apiVersion: weir/v1
		metadata: {name: bench}
		mode: enforce
		services:
		  wide: {proto: udp, dport: 1001}
		  narrow: {proto: udp, dport: 1002}
		limits:
		  - {name: wide, scope: source, service: wide, rate: 100M/s, burst: 100M}
		  - {name: narrow, scope: source, service: narrow, rate: 1/m, burst: 1}
		lists:
		  block:
		    entries:
		      - 198.18.32.0/20
	END
	for third in {16..31}; do
		for fourth in {0..255}; do
			echo "      - 198.18.$third.$fourth"
		done
	done
}

start_reference() {
	lab_up
	lab_reference=$LAB
	bpftool prog loadall "$REFERENCE" "$LAB_BPFFS" 2>/dev/null || die "cannot load $REFERENCE"
	lab_host ip link set dev "$LAB_IF_HOST" xdpdrv pinned "$LAB_BPFFS/bare_drop"
}

# The daemon, and enforcement under the policy above.
start_weir() {
	local i

	lab_up
	lab_weir=$LAB
	policy >"$LAB_DIR/policy.yaml"
	lab_spawn host "$BUILD/weir" daemon --iface "$LAB_IF_HOST" --policy "$LAB_DIR/policy.yaml" \
		--socket "$LAB_DIR/weir.sock" --state-dir "$LAB_DIR/state" --bpffs "$LAB_BPFFS" \
		--foreground >"$LAB_DIR/log" 2>&1
	for ((i = 0; i < 200; i++)); do
		"$BUILD/weir" status --socket "$LAB_DIR/weir.sock" >/dev/null 2>&1 && return 0
		kill -0 "$LAB_PID" 2>/dev/null || break
		sleep 0.05
	done
	cat "$LAB_DIR/log" >&2
	die "the daemon did not start"
}

bench_testrun() {
	lab_use "$lab_weir"
	"$BUILD/tests/bench/bench" "$(find "$LAB_BPFFS" -name program -print -quit)"
}

# flood_pps LAB BASE PORT - packets per second from 4,096 sources.
flood_pps() {
	lab_use "$1"
	lab_client "$BUILD/tests/tools/flood" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:$3" \
		--base "$2" --sources 4096 --seconds "$SECONDS_EACH" --json | jq .pps
}

# median NUMBER...
median() {
	printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# Ratios are taken round by round, between runs that were neighbours in time: what else the machine
# did then met both.
bench_veth() {
	local -A pps=() ratio=()
	local name round floor now
	local names=(bare_drop block block_prefix limit)
	local base=([0]=198.18.16.0 [1]=198.18.16.0 [2]=198.18.32.0 [3]=198.18.48.0)
	local port=(1000 1000 1000 1002)

	for ((round = 0; round < ROUNDS; round++)); do
		for i in "${!names[@]}"; do
			now=$(flood_pps "$([[ $i == 0 ]] && echo "$lab_reference" || echo "$lab_weir")" \
				"${base[i]}" "${port[i]}")
			[[ $i != 0 ]] || floor=$now
			pps[${names[i]}]+=" $now"
			ratio[${names[i]}]+=" $(jq -n "$now / $floor")"
		done
	done
	for name in "${names[@]}"; do
		# shellcheck disable=SC2086 # one word per round
		jq -cn --arg name "veth/$name" --argjson pps "$(median ${pps[$name]})" \
			--argjson ratio "$(median ${ratio[$name]})" \
			'{bench: $name, value: ($pps / 1e4 | round / 100), unit: "Mpps",
			  ratio_to: "veth/bare_drop", ratio: ($ratio * 100 | round / 100)}'
	done
}

table() {
	tee >(jq -r '[.bench, .value, .unit, .ratio, "of " + .ratio_to] | @tsv' |
		column -t -s $'\t' >&2)
}

main() {
	((EUID == 0)) || die "needs root: it makes network namespaces and loads programs"
	case ${1:-all} in
	all | testrun | veth) ;;
	*) die "there is no group '$1': testrun or veth" ;;
	esac
	trap cleanup EXIT
	start_reference
	start_weir
	{
		[[ ${1:-all} == veth ]] || bench_testrun
		[[ ${1:-all} == testrun ]] || bench_veth
	} | table
}

main "$@"
