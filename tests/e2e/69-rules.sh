#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Each algorithm, scope and unit of a limit, each kind of entry and what there is besides, in one table: real packets use a rule
# up, explain names the stage, the rule and its line, and the next real packet is refused by that rule and no other. What only
# a frame that no stack sends can show, each malformed one, is in tests/bpf/test_twin.c.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

# The rule, which is also the name of its service; what it says; packets that it has room for; protocol; reason.
readonly RULES='
	token       |scope: source, rate: 1/d, burst: 3                                      |3|udp|over_packets
	leaky       |scope: source, algorithm: leaky_bucket, rate: 1/d                       |1|udp|over_packets
	fixed       |scope: source, algorithm: fixed_window, rate: 3/d                       |3|udp|over_packets
	sliding     |scope: source, algorithm: sliding_window, rate: 3/d                     |3|udp|over_packets
	bytes       |scope: source, byte_rate: 1KiB/s, byte_burst: 16KiB                     |40|long|over_bytes
	handshakes  |scope: source, connections: 1/d, connection_burst: 3                    |3|syn|over_connections
	cost        |scope: source, rate: 1/d, burst: 9, cost: {syn: 3}                      |3|syn|over_packets
	each-service|scope: source_per_service, rate: 1/d, burst: 3                          |3|udp|over_packets
	network     |scope: source_prefix, prefix: {ip4: 24, ip6: 48}, rate: 1/d, burst: 3   |3|udp|over_packets
	target      |scope: destination, rate: 1/d, burst: 3                                 |3|udp|over_packets
	whole       |scope: service, rate: 1/d, burst: 3                                     |3|udp|over_packets
	customer    |scope: tenant, rate: 1/d, burst: 3                                      |3|udp|over_packets
	answered    |scope: source, rate: 1/d, burst: 3, reject: 1/1                         |3|udp|over_packets
	marked      |scope: source, rate: 1/d, burst: 3, action: {mark: af11}                |3|udp|over_packets
	watched     |scope: source, rate: 1/d, burst: 3, action: monitor                     |3|udp|over_packets
'

# for_each FUNCTION - with the columns of each rule, its port and its source.
for_each() {
	local name says room proto reason number=0

	while IFS='|' read -r name says room proto reason; do
		name=${name//[[:space:]]/}
		[[ $name ]] || continue
		number=$((number + 1))
		"$1" "$name" "$says" "$room" "$proto" "$reason" $((5000 + number)) "198.18.$((20 + number)).1"
	done <<<"$RULES"
}

put_service() {
	echo "  $1: {proto: $([[ $4 == syn ]] && echo tcp || echo udp), dport: $6}"
}

put_limit() {
	echo "  - {name: $1, service: $1, $2}" | tr -s ' ' | sed 's/^ /  /; s/ }$/}/'
}

send() { # PROTO PORT SOURCE PACKETS
	local options=(--proto "$1")

	case $1 in
	long) options=(--payload 1400) ;;
	fragment) options=(--fragment) ;;
	esac
	flood "${options[@]}" --to "$LAB_HOST4:$2" --base "$3" --packets "$4" >/dev/null
}

use_up() {
	send "$4" "$6" "$7" "$3"
}

send_one() {
	send "$4" "$6" "$7" 1
}

words_of() { # PROTO PORT SOURCE
	case $1 in
	syn) echo "tcp $3:4242 > $LAB_HOST4:$2 syn" ;;
	long) echo "udp $3:4242 > $LAB_HOST4:$2 length 9216" ;;
	*) echo "udp $3:4242 > $LAB_HOST4:$2" ;;
	esac
}

line_of() { # RULE
	grep -n "name: $1," "$LAB_DIR/policy.yaml" | cut -d: -f1
}

verdict_of() { # RULE
	case $1 in
	answered) echo reply ;;
	marked) echo mark ;;
	watched) echo would_drop ;;
	*) echo drop ;;
	esac
}

explained() { # the columns
	weir explain "$(words_of "$4" "$6" "$7")" -o json | jq -e --arg name "$1" --arg reason "$5" \
		--arg verdict "$(verdict_of "$1")" --arg file "$LAB_DIR/policy.yaml" --argjson line "$(line_of "$1")" \
		'.verdict == $verdict and .reason == $reason and .refused_by == $name and
		.stages[4] == {stage: "limits", passage: "decided"} and
		(.limits[] | select(.name == $name) | .finding == "refused" and .file == $file and .line == $line)'
}

check_explained() {
	check "$1: explain names the stage, the rule and its line" explained "$@"
}

# refusals - of each rule, as its counters have them.
refusals() {
	weir limits -o json | jq -c '[.items[] | {key: .name, value: (.dropped + .would_drop + .marked)}] | from_entries'
}

# Every rule has refused one packet, and none of another one's; that of bytes, which fills up meanwhile, some.
each_refused_one() {
	refusals
	refusals | jq -e 'length == 17 and .bytes > 1 and (del(.bytes) | all(. == 1))'
}

# asked WORDS FILTER
asked() {
	weir explain "$1" -o json | jq -e "$2"
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	services:
	$(for_each put_service)
	tenants:
	  acme: {src: 198.18.32.0/24}
	  metered: {src: 198.18.90.0/24, quota: {packets: {day: 3}}}
	lists:
	  block: {entries: [198.18.91.1]}
	packets: {other: drop, fragments: {rate: 1/d, burst: 3}}
	limits:
	$(for_each put_limit)
YAML
start_weir
for_each use_up
send fragment 9 198.18.92.1 3
send udp 9 198.18.90.1 3
for_each check_explained
check 'fragments: explain names their rule' asked "udp 198.18.92.1 > $LAB_HOST4 fragment" \
	'.verdict == "drop" and .reason == "over_packets" and .refused_by == "fragments"'
check 'a quota: explain names the tenant and its rule' asked "udp 198.18.90.1 > $LAB_HOST4:9" \
	'.verdict == "drop" and .reason == "over_quota" and .refused_by == "metered/day" and .tenant == "metered"'
check 'a listed source: the stage is that of lists, whatever rules there are' asked "udp 198.18.91.1 > $LAB_HOST4:5001" \
	'.reason == "blocked" and .stages[2].passage == "decided" and .refused_by == null'
check 'what is not IP: no rule is asked' asked 'frame ffffffffffff02000000000c88cc0204' \
	'.verdict == "drop" and .reason == "not_ip" and .refused_by == null'
for_each send_one
send fragment 9 198.18.92.1 1
send udp 9 198.18.90.1 1
check 'then each rule refuses one real packet, its own' each_refused_one

# Those that are about all packets have no service, so one at a time.
for scope in interface global; do
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		limits:
		  - {name: all-$scope, scope: $scope, rate: 1/d, burst: 3}
	YAML
	weir policy apply >/dev/null
	send udp 9 198.18.93.1 3
	check_explained "all-$scope" - 3 udp over_packets 9 198.18.94.1
	send udp 9 198.18.95.1 1
	check "all-$scope: then it refuses a real packet" test "$(refusals | jq ".\"all-$scope\"")" = 1
done
finish
