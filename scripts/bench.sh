#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Measures weir beside what else there is: one JSON object per line on stdout, a table on stderr.
# `bench.sh [NAME...]`: testrun (ns per packet of the program and its variants), veth (packets per
# second, made and received on one CPU), load (seconds for lists), audit (records and events per second), api (requests per
# second, and how long an answer takes), scrape (of metrics), or
# single benches such as veth/limit_64k; all by default. Candidates take turns and medians are reported; on a machine that does
# other things too, trust the ratios.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lab.sh
. scripts/lab.sh
# shellcheck source=tests/bench/peers.sh
. tests/bench/peers.sh

readonly BUILD=${BUILD:-build}
# Many short turns rather than few long ones: neighbours in time meet the same disturbances.
readonly ROUNDS=${ROUNDS:-15} SECONDS_EACH=${SECONDS_EACH:-0.2}
readonly REFERENCE=$BUILD/tests/lib/reference.bpf.o
readonly FLOOR=bare_drop WARM_UP_MAX=4194304

# What is measured on veth: the name of the bench; who judges the packets, by a judge_X of this file
# or of peers.sh, and its argument; the traffic: first source, number of sources, how many of their
# leading bits differ, port; and the benches whose ratios this one is set against. Rows with the
# same judge and argument share a lab.
readonly VETH='
	bare_drop       reference    -       10.0.0.0    4096     32 1000 -
	bare_drop_16m   reference    -       10.0.0.0    16777216 32 1000 -
	parse_only      parser          -       10.0.0.0    4096     32 1000 -
	block           weir         -       198.18.16.0 4096     32 1000 nft_set_4k,nft_set_1m,xdp_filter
	block_prefix    weir         -       198.18.32.0 4096     32 1000 -
	xdp_filter      xdp_filter   4096    10.0.0.0    4096     32 1000 -
	nft_set_4k      nft_set      4096    10.0.0.0    4096     32 1000 -
	nft_set_1m      nft_set      1048576 10.0.0.0    1048576  32 1000 -
	nft_interval_1m nft_interval 1048576 10.0.0.0    1048576  30 1000 -
	ipset_1m        ipset        1048576 10.0.0.0    1048576  32 1000 -
	limit_4k        weir         -       10.0.0.0    4096     32 1002 nft_limit_4k
	trace_full      traced       -       10.0.0.0    4096     32 1002 limit_4k
	nft_limit_4k    nft_limit    4096    10.0.0.0    4096     32 1000 -
	limit_64k       variant full/262144  10.0.0.0    65536    32 1002 nft_limit_64k,hashlimit_64k,lru_64k
	lru_64k         variant lru/262144   10.0.0.0    65536    32 1002 -
	nft_limit_64k   nft_limit    65536   10.0.0.0    65536    32 1000 -
	hashlimit_64k   hashlimit    65536   10.0.0.0    65536    32 1000 -
	limit_1m        variant full/1048576 10.0.0.0    1048576  32 1002 nft_limit_1m,lru_1m
	lru_1m          variant lru/1048576  10.0.0.0    1048576  32 1002 -
	nft_limit_1m    nft_limit    1048576 10.0.0.0    1048576  32 1000 -
	limit_16m       variant full/1048576/16m 10.0.0.0 16777216 32 1002 lru_16m
	lru_16m         variant lru/1048576/16m  10.0.0.0 16777216 32 1002 -
'

WANTED=()
# By judge and argument: the lab; why there is none; packets sent so far, and got by the host's stack.
declare -A labs=() skipped=() sent=() delivered=()
# The row of VETH in hand, and what its latest run came to.
name='' judge='' argument='' first='' sources=0 bits=0 port=0 against=''
pps=0 many=0 lost=0 passed=0
work=''

cleanup() {
	local lab

	for lab in "${labs[@]}"; do
		lab_down "$lab"
	done
	[[ -z $work ]] || rm -r "$work"
}

die() {
	echo "bench: $*" >&2
	exit 1
}

# wanted NAME - was this bench asked for, by name or by group?
wanted() {
	local want

	((${#WANTED[@]})) || return 0
	for want in "${WANTED[@]}"; do
		[[ $want != "$1" && $want != "${1%%/*}" ]] || return 0
	done
	return 1
}

# names - of all benches on veth.
names() {
	awk 'NF { print "veth/" $1 }' <<<"$VETH"
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
		  - {name: narrow, scope: source, service: narrow, rate: 1/d, burst: 1}
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

judge_reference() {
	bpftool prog loadall "$REFERENCE" "$LAB_BPFFS" &&
		lab_host ip link set dev "$LAB_IF_HOST" xdpdrv pinned "$LAB_BPFFS/bare_drop"
}

# The daemon, and enforcement under the policy above.
judge_weir() {
	policy >"$LAB_DIR/policy.yaml"
	start_daemon "$LAB_DIR"
}

# The same, while somebody traces every packet.
judge_traced() {
	local i

	judge_weir || return 1
	lab_spawn host "$BUILD/weir" trace -o ndjson --socket "$LAB_DIR/weir.sock" >/dev/null 2>"$LAB_DIR/trace.log"
	for ((i = 0; i < 200; i++)); do
		grep -qa trace.begun "$LAB_DIR"/state/audit/*.seg 2>/dev/null && return 0
		sleep 0.05
	done
	echo "nobody traces: $(tail -n 1 "$LAB_DIR/trace.log")" >&2
	return 1
}

dropped_traced() {
	dropped_weir
}

# start_daemon DIRECTORY - with the policy.yaml that is there, and its state there, too.
start_daemon() {
	local i

	lab_spawn host "$BUILD/weir" daemon --iface "$LAB_IF_HOST" --policy "$1/policy.yaml" \
		--socket "$LAB_DIR/weir.sock" --state-dir "$1/state" --bpffs "$LAB_BPFFS" \
		--foreground >"$LAB_DIR/log" 2>&1
	for ((i = 0; i < 200; i++)); do
		"$BUILD/weir" status --socket "$LAB_DIR/weir.sock" >/dev/null 2>&1 && return 0
		kill -0 "$LAB_PID" 2>/dev/null || break
		sleep 0.05
	done
	echo "the daemon did not start: $(tail -n 1 "$LAB_DIR/log")" >&2
	return 1
}

# The parser, then a drop: it decides nothing and counts nothing.
judge_parser() {
	judge_variant parse/4096
}

# A variant of the program: full, lru or parse, room for so many sources, and what sets labs apart.
judge_variant() {
	local kind sources rest

	IFS=/ read -r kind sources rest <<<"$1"
	mkdir "$LAB_BPFFS"
	"$BUILD/tests/bench/judge" load "$LAB_BPFFS/weir" "$LAB_BPFFS/judge" "$kind" "$sources" &&
		lab_host ip link set dev "$LAB_IF_HOST" xdpdrv pinned "$LAB_BPFFS/judge"
}

# It drops whatever it has decided.
dropped_variant() {
	"$BUILD/tests/bench/judge" count "$LAB_BPFFS/weir"
}

dropped_weir() {
	"$BUILD/weir" metrics --socket "$LAB_DIR/weir.sock" |
		awk '/^weir_packets_total\{.*verdict="drop"/ { sum += $NF } END { printf "%.0f", sum }'
}

# use_judge JUDGE ARGUMENT - lab_use the lab where it judges, made at first use. 1: it cannot be had,
# and skipped[] says why; but weir and the reference must be, or there is nothing to compare.
use_judge() {
	local key="$1 $2"

	[[ -z ${skipped[$key]:-} ]] || return 1
	if [[ -n ${labs[$key]:-} ]]; then
		lab_use "${labs[$key]}"
		return 0
	fi
	lab_up || die "there is no lab"
	labs[$key]=$LAB
	sent[$key]=0
	delivered[$key]=0
	"judge_$1" "$2" >"$LAB_DIR/why" 2>&1 && return 0
	skipped[$key]=$(grep . "$LAB_DIR/why" | tail -n 1)
	case $1 in
	reference | weir | variant) die "$1: ${skipped[$key]}" ;;
	esac
	return 1
}

# emit - a line of the result: printed at once, and kept for the table at the end.
emit() {
	tee -a "$work/results"
}

bench_testrun() {
	local names=() want

	for want in "${WANTED[@]}"; do
		[[ $want != testrun/* ]] || names+=("${want#*/}")
	done
	! wanted testrun || names=()
	"$BUILD/tests/bench/testrun" "${names[@]}" | emit
}

# first_packet_policy RATE ENTRY - the example policy with a limit on the stream of first_packet.c, which other
# limits let through, and a feed. One entry of the block list is ENTRY.
first_packet_policy() {
	sed -e "s|^limits:|&\n  - {name: stream, scope: source, service: stream, byte_rate: $1}|" \
		-e 's|^services:|&\n  stream: {proto: udp, dport: 4000}|' \
		-e "s|^  block:\$|&\n    feeds: [{name: many, file: $work/many.txt}]|" \
		-e 's|rate: 20k/s, burst: 40k|rate: 200k/s, burst: 400k|' \
		-e "s|- 198.51.100.7 |- $2 |" tests/data/policies/example.yaml
}

# From a request to the first packet: of one changed rate, and of a rate and an entry of a list. Files
# are where mktemp makes them, and not in the lab's directory, as a disk is part of it.
bench_first_packet() {
	local row

	lab_up || die "there is no lab"
	labs[first_packet]=$LAB
	awk 'BEGIN { for (i = 0; i < 100000; i++)
		printf "10.%d.%d.%d\n", i / 32768, i / 128 % 256, i % 128 * 2 }' >"$work/many.txt"
	first_packet_policy 1KiB/s 198.51.100.7 >"$work/low.yaml"
	first_packet_policy 1GB/s 198.51.100.7 >"$work/high.yaml"
	first_packet_policy 1GB/s 198.51.100.8 >"$work/high_lists.yaml"
	install -m 600 "$work/low.yaml" "$work/policy.yaml"
	start_daemon "$work" || die "$(tail -n 1 "$LAB_DIR/log")"
	until [[ $("$BUILD/weir" metrics --socket "$LAB_DIR/weir.sock" |
		awk '/^weir_list_entries\{.*block/ { sum += $NF } END { print sum + 0 }') -gt 100000 ]]; do
		sleep 0.1
	done
	for row in '' _lists; do
		lab_client "$BUILD/tests/bench/first_packet" "load/apply_first_packet$row" \
			"$LAB_DIR/weir.sock" "/run/netns/$LAB_HOST" "$LAB_HOST4" \
			"$work/low.yaml" "$work/high$row.yaml" 60
	done
}

bench_load() {
	{
		"$BUILD/tests/bench/apply"
		if wanted load/apply_first_packet || wanted load/apply_first_packet_lists; then
			bench_first_packet
		fi
		"$BUILD/tests/bench/lists"
	} | while read -r line; do
		! wanted "$(jq -r .bench <<<"$line")" || echo "$line"
	done | emit
}

bench_audit() {
	local names=() want

	for want in "${WANTED[@]}"; do
		[[ $want != audit/* ]] || names+=("${want#*/}")
	done
	! wanted audit || names=()
	{
		"$BUILD/tests/bench/audit" "${names[@]}"
		"$BUILD/tests/bench/audit_search"
	} | while read -r line; do
		! wanted "$(jq -r .bench <<<"$line")" || echo "$line"
	done | emit
}

# A daemon with the example policy, and clients of it. Its files are where mktemp makes them, as in bench_first_packet.
bench_api() {
	lab_up || die "there is no lab"
	labs[api]=$LAB
	mkdir "$work/api"
	install -m 600 tests/data/policies/example.yaml "$work/api/policy.yaml"
	start_daemon "$work/api" || die "$(tail -n 1 "$LAB_DIR/log")"
	chmod 711 "$LAB_DIR" # for clients that are nobody
	{
		! wanted api/source ||
			"$BUILD/tests/bench/api" reads "$LAB_DIR/weir.sock" source 5 0
		! wanted api/source_20k ||
			"$BUILD/tests/bench/api" reads "$LAB_DIR/weir.sock" source_20k 5 20000
		! wanted api/list_change ||
			"$BUILD/tests/bench/api" changes "$LAB_DIR/weir.sock" "$work/api/bare" 1000
		! wanted api/answer_under_abuse || bench_abuse
	} | emit
}

# How long others wait for an answer while each of the abuses goes on, which are another process.
bench_abuse() {
	local name

	if ! command -v node >/dev/null || ! ulimit -n 20000 2>/dev/null; then
		jq -cn '{bench: "api/answer_under_abuse", skipped: "needs node and 20,000 open files"}'
		return 0
	fi
	for name in slowloris idle bodies smuggling dying; do
		WEIR_SOCKET=$LAB_DIR/weir.sock "$BUILD/tests/bench/api" answers "$LAB_DIR/weir.sock" \
			"$name" node tests/api/abuse.mjs "$name" 2>/dev/null || die "abuse $name failed"
	done | jq -sc '{bench: "api/answer_under_abuse", value: (map(.worst_ms) | max), unit: "ms at worst",
		p99_ms: (map(.p99_ms) | max), answers: (map(.answers) | add),
		worst_ms: (map({key: (.bench | ltrimstr("api/")), value: .worst_ms}) | from_entries)}'
}

# take ROW - use the row's judge; the variables named like the columns are its from here on.
take() {
	read -r name judge argument first sources bits port against <<<"$1"
	use_judge "$judge" "$argument"
}

# run OPTION... - send the traffic of the row in hand. Sets pps and, in packets: many, which the other
# end took; lost, which found its ring full; passed, which got to the host's stack.
run() {
	local key="$judge $argument" result now

	result=$(lab_client "$BUILD/tests/tools/flood" --iface "$LAB_IF_CLIENT" \
		--to "$LAB_HOST4:$port" --base "$first" --sources "$sources" \
		--source-prefix "$bits" "$@" --json) || die "veth/$name: the generator failed"
	read -r pps many lost < <(jq -r '"\(.pps) \(.sent) \(.tx_errors)"' <<<"$result")
	# shellcheck disable=SC2016 # awk's own
	now=$(lab_host awk '$1 == "Ip:" && $2 != "Forwarding" { print $10 }' /proc/self/net/snmp)
	passed=$((now - delivered[$key]))
	delivered[$key]=$now
	sent[$key]=$((sent[$key] + many))
}

# run_timed - a turn's worth. A busy machine may leave the generator no time at all to measure in.
run_timed() {
	local try

	for ((try = 0; try < 5; try++)); do
		run --random --seconds "$SECONDS_EACH"
		((pps == 0)) || return 0
	done
	die "veth/$name: nothing was sent in $try times $SECONDS_EACH s; is the machine busy?"
}

# warm_up ROW - every source once, unmeasured: what has to be remembered of it is, when it counts.
warm_up() {
	take "$1" || return 1
	run --round-robin --packets $((sources < WARM_UP_MAX ? sources : WARM_UP_MAX))
}

# turn ROW FLOOR_ROW - one measurement, right after one of the floor, as a line of the file of runs.
turn() {
	local floor

	take "$2"
	run_timed
	floor=$pps
	if [[ $1 != "$2" ]]; then
		take "$1"
		run_timed
	fi
	echo "$name $pps $floor $many $passed $lost" >>"$work/runs"
}

# account ROW - what was sent and did not get through must be what the judge says it dropped.
account() {
	local said should

	take "$1" && [[ $(type -t "dropped_$judge") == function ]] || return 0
	should=$((sent["$judge $argument"] - delivered["$judge $argument"]))
	said=$("dropped_$judge")
	[[ $said == "$should" ]] ||
		skipped["$judge $argument"]="dropped by its own account: ${said:-?}; in fact: $should"
}

# The row in hand as a line. Numbers are medians of the rounds; a ratio is one of neighbours in time,
# and so are the two ratios that one in "against" comes from.
report() {
	jq -Rnc --arg name "$name" --arg against "$against" --arg floor "$FLOOR" '
		def median: sort | .[length / 2 | floor];
		def round2: . * 100 | round / 100;
		def share(f): (map(f) | add) / (map(.sent) | add) * 1e4 | round / 1e4;
		[inputs | split(" ") | {name: .[0], ratio: ((.[1] | tonumber) / (.[2] | tonumber)),
			pps: .[1] | tonumber, sent: .[3] | tonumber, passed: .[4] | tonumber,
			lost: .[5] | tonumber}] |
		group_by(.name) | map({key: .[0].name, value: .}) | from_entries as $runs |
		$runs[$name] as $mine |
		{bench: "veth/\($name)", value: ($mine | map(.pps) | median / 1e6 | round2),
		 unit: "Mpps", ratio_to: "veth/\($floor)", ratio: ($mine | map(.ratio) | median | round2),
		 passed: ($mine | share(.passed)), lost: ($mine | share(.lost))} +
		([$against | split(",")[] | select($runs[.]) | {key: "veth/\(.)", value:
			([$mine, $runs[.]] | transpose | map(.[0].ratio / .[1].ratio) | median | round2)}] |
		 if length > 0 then {against: from_entries} else {} end)' "$work/runs"
}

bench_veth() {
	local rows=() all=() floor='' row round why

	mapfile -t all < <(awk 'NF { $1 = $1; print }' <<<"$VETH")
	for row in "${all[@]}"; do
		[[ ${row%% *} != "$FLOOR" ]] || floor=$row
		! wanted "veth/${row%% *}" || rows+=("$row")
	done
	((${#rows[@]})) || return 0
	warm_up "$floor"
	for row in "${rows[@]}"; do
		[[ $row == "$floor" ]] || warm_up "$row" || true
	done
	for ((round = 0; round < ROUNDS; round++)); do
		for row in "${rows[@]}"; do
			! take "$row" || turn "$row" "$floor"
		done
	done
	for row in "${rows[@]}"; do
		account "$row"
		why=${skipped["$judge $argument"]:-}
		if [[ -n $why ]]; then
			jq -cn --arg bench "veth/$name" --arg why "$why" '{bench: $bench, skipped: $why}'
		else
			report
		fi | emit
	done
}

table() {
	jq -r 'def times: "p50 \(.p50_ms // "-") p99 \(.p99_ms) ms" +
			(if .fdatasync_p99_ms then ", bare fdatasync p50 \(.fdatasync_p50_ms) p99 \(.fdatasync_p99_ms)" else "" end);
		if .skipped then [.bench, "-", "-", "-", "-", "-", "skipped: " + .skipped] else
		[.bench, .value, .unit, .ratio // "-", if .ratio_to then "of " + .ratio_to else "-" end,
		 if .over then "over: \(.over)" elif .p99_ms then times else "-" end, (.against // {} | to_entries | map("\(.value) x \(.key)") | join(", "))] end | @tsv' |
	column -t -s $'\t'
}

# check_names NAME... - those of groups and of benches on veth; the programs know their own.
check_names() {
	local name

	for name in "$@"; do
		case $name in
		testrun | veth | load | audit | api | scrape | testrun/* | load/* | audit/* | api/* | scrape/*) ;;
		*)
			grep -qx -- "$name" <(names) ||
				die "there is no '$name': testrun, veth, load, audit, api, scrape, or one of" \
					"$(names | xargs)"
			;;
		esac
	done
}

main() {
	((EUID == 0)) || die "needs root: it makes network namespaces and loads programs"
	check_names "$@"
	WANTED=("$@")
	trap cleanup EXIT
	work=$(mktemp -d)
	if ((!$#)) || [[ " $*" == *' testrun'* ]]; then
		bench_testrun
	fi
	bench_veth
	if ((!$#)) || [[ " $*" == *' load'* ]]; then
		bench_load
	fi
	if ((!$#)) || [[ " $*" == *' audit'* ]]; then
		bench_audit
	fi
	if ((!$#)) || [[ " $*" == *' api'* ]]; then
		bench_api
	fi
	if wanted scrape/1m; then
		tests/bench/scrape.sh | emit
	fi
	table <"$work/results" >&2
}

main "$@"
