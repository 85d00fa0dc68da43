#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What changes about limits while a policy is in force: schedules begin and end, adaptive limits follow
# their target, limits in the shadow count, and a limit that runs out of room for its sources says so in
# status, metrics and the audit chain, and says when that is over.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

# The minute at which the schedules change: the next one, if there is time enough before it.
now=$(date +%s)
change=$(((now / 60 + 1) * 60))
((change - now >= 12)) || change=$((change + 60))
readonly change

clock() { # MINUTES - from the change on, as schedules spell it
	date -u -d "@$((change + $1 * 60))" +%H:%M
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	state: {sources: 1024}
	services:
	  early: {proto: udp, dport: 9001}
	  late: {proto: udp, dport: 9002}
	  steered: {proto: udp, dport: 9003}
	  tried: {proto: udp, dport: 9004}
	  crowded: {proto: udp, dport: 9005}
	  fixed: {proto: udp, dport: 9006}
	  sliding: {proto: udp, dport: 9007}
	  leaky: {proto: udp, dport: 9008}
	  marked: {proto: udp, dport: 9009}
	  answered: {proto: udp, dport: 9010}
	  greeted: {proto: tcp, dport: 80, syn_cookies: auto, syn_rate: 6k/m}
	limits:
	  - name: early
	    scope: source
	    service: early
	    rate: 1/m
	    burst: 1
	    schedule: {hours: ["$(clock -2)-$(clock 0)"], time_zone: UTC}
	  - name: late
	    scope: source
	    service: late
	    rate: 1/m
	    burst: 1
	    schedule: {hours: ["$(clock 0)-$(clock 2)"], time_zone: UTC}
	  - name: steered
	    scope: service
	    service: steered
	    rate: 1k/s
	    burst: 100
	    adaptive: {target: {posted: 100}, min: 25%, max: 100%, increase: 25%, decrease: 50%, interval: 1s}
	  - {name: cpu, scope: service, service: steered, rate: 10M/s, adaptive: {target: {softirq: 99%}, min: 50%, interval: 200ms}}
	  - {name: nic, scope: service, service: steered, rate: 10M/s, adaptive: {target: {nic_drops: 1M/s}, min: 50%, interval: 200ms}}
	  - {name: tried, scope: source, service: tried, rate: 10/m, burst: 10, shadow: true}
	  - {name: nobody, scope: source, service: tried, rate: 1/m, burst: 1, rollout: {percent: 0}}
	  - {name: crowded, scope: source, service: crowded, rate: 6/m, burst: 1, on_full: drop}
	  - {name: fixed, scope: source, service: fixed, algorithm: fixed_window, rate: 100/d}
	  - {name: sliding, scope: source, service: sliding, algorithm: sliding_window, rate: 100/h}
	  - {name: marked, scope: source, service: marked, rate: 1/m, burst: 1, action: {mark: af11}}
	  - {name: answered, scope: source, service: answered, rate: 1/m, burst: 1, reject: 1/10}
	  - {name: leaky, scope: source, service: leaky, algorithm: leaky_bucket, rate: 100/m}
YAML

# limit NAME JQ_FILTER - of what is said about it
limit() {
	weir limits -o json | jq -r --arg name "$1" ".items[] | select(.name == \$name) | $2"
}

limit_is() { # NAME JQ_FILTER WANTED
	[[ $(limit "$1" "$2") == "$3" ]]
}

metric() { # SERIES - its value
	weir metrics | awk -v series="$1" '$1 == series { print $2 }'
}

# reached PORT SOURCE PACKETS - how many of them the host's stack sees
reached() {
	local before

	before=$(stack_packets)
	flood --to "$LAB_HOST4:$1" --base "$2" --packets "$3" >/dev/null
	echo $(($(stack_packets) - before))
}

says() { # PATTERN COMMAND...
	"${@:2}" | tee /dev/stderr | grep -qE -e "$1"
}

before_the_change() {
	check 'a limit is in force within its hours' limit_is early .in_force true
	check 'outside of them it is not' limit_is late .in_force false
	check 'and it is said when it will be' limit_is late .changes_at \
		"$(date -u -d "@$change" +%Y-%m-%dT%H:%M:%S.000000000Z)"
	check 'in words, too' says "late +packets.* not now, from $(date -u -d "@$change" +%FT%H:%M)" \
		weir limits
	check 'a limit in force limits' test "$(reached 9001 198.18.4.1 100)" = 1
	check 'one that is not lets everything pass' test "$(reached 9002 198.18.4.1 100)" = 100
	check 'and counts nothing' limit_is late '.passed + .dropped' 0
	check 'a limit that is rolled out to nobody is off' limit_is nobody '[.off, .in_force] | @csv' \
		true,false
}

# With more offered than the limit lets pass: packets that pass are at most the burst and the rate times
# the time, always; and not much less, unless the machine paused while they were sent.
admits() { # PER_SECOND BURST
	local before sent passed span_us

	for _ in 1 2 3; do
		before=$(limit steered .passed)
		sent=$(flood --to "$LAB_HOST4:9003" --base 198.18.5.1 --rate 12000 --seconds 2)
		passed=$(($(limit steered .passed) - before))
		span_us=$(jq '(.end_ns - .start_ns) / 1000 | floor' <<<"$sent")
		echo "$passed passed in $span_us us, at $1/s and a burst of $2"
		((passed <= $2 + $1 * span_us / 1000000 + 1)) || return 1
		((passed < $1 * 3 / 2)) || return 0
	done
	return 1
}

adaptive() {
	check 'an adaptive limit begins at its maximum' limit_is steered .adaptive.factor_permille 1000
	check 'and limits to its rate' admits 1000 100
	check 'a number is posted' weir limits post steered 200
	check 'above the target it loses its decrease of the rate in an interval' \
		wait_for 3 limit_is steered .adaptive.factor_permille 500
	check 'and again, down to its min' wait_for 3 limit_is steered .adaptive.factor_permille 250
	check 'which is what it limits to' admits 250 25
	check 'the status says so' says 'adaptive +steered.*at 25.0 % .*posted 200, target 100' \
		weir status
	check 'so do the metrics' test "$(metric \
		'weir_adaptive_factor{limit="steered",unit="packets"}'):$(metric \
		'weir_adaptive_measured{limit="steered",unit="packets",target="posted"}')" = 0.25:200
	weir policy apply >/dev/null
	check 'a reload keeps the factor' limit_is steered .adaptive.factor_permille 250
	stop_weir
	start_weir
	check 'so does a restart, from the word in the kernel' \
		limit_is steered .adaptive.factor_permille 250
	check 'at which it goes on limiting' admits 250 25
	weir limits post steered 200 >/dev/null
	weir limits post steered 99 >/dev/null
	weir limits post steered 98 >/dev/null
	check 'below the target it recovers step by step' \
		wait_for 6 limit_is steered .adaptive.factor_permille 1000
	check 'to its full rate' admits 1000 100
	check 'leaving the maximum is one record' test \
		"$(records '.event_type == "limit.tightened" and .resource.id == "steered"' | wc -l)" = 1
	check 'reaching it again, too' has_record '.event_type == "limit.relaxed" and
		.resource.id == "steered" and .details.factor_permille == 1000'
	check 'each crossing of the target by a posted number is a record, with who posted' test \
		"$(records '.event_type == "limit.posted" and .actor.username == "root"' |
			jq -r .details.value | paste -sd,)" = 200,200,99
	check 'limits that follow the CPU and the NIC measure both' test \
		"$(limit cpu '.adaptive | (.measured | type), .error'):$(limit nic \
			'.adaptive | (.measured | type), .error')" = $'number\nnull:number\nnull'
	check 'a limit that follows no number takes none' exits 5 weir limits post cpu 1
	check 'nor one that is not there' exits 3 weir limits post nowhere 1
}

shadow() {
	check 'what a limit in the shadow would drop passes' \
		test "$(reached 9004 198.18.6.1 1000)" = 1000
	check 'and is counted as what it would drop' test \
		"$(limit tried '[.shadow, .passed, .dropped, .would_drop] | @csv')" = true,10,0,990
	check 'in the metrics, too' test \
		"$(metric 'weir_limit_packets_total{limit="tried",unit="packets",result="would_drop"}')" = 990
}

sources() {
	local port

	for port in 9006 9007 9008; do
		reached "$port" 198.18.7.1 500 >/dev/null
	done
	check 'of a source: what is left under each kind of limit, and until when it must wait' jq -e '
		[.limits[] | select(.algorithm != "token_bucket")] | length == 3 and
		all(.known and .available == 0 and .wait_ns > 0 and .effect == "drop")' \
		<<<"$(weir source 198.18.7.1 -o json)"
	check 'and that it is over its limits' jq -e '.verdict == "over_limit"' \
		<<<"$(weir source 198.18.7.1 -o json)"
	check 'being over a limit in the shadow is not' jq -e '.verdict == "within_limits" and
		(.limits[] | select(.name == "tried") | .effect == "count" and .wait_ns > 0)' \
		<<<"$(weir source 198.18.6.1 -o json)"
	check 'limits that are not per source are not among them' \
		jq -e '[.limits[].name] | index("steered") == null' <<<"$(weir source 198.18.7.1 -o json)"
}

verdicts() {
	local dropped

	check 'packets over a limit that marks pass' test "$(reached 9009 198.18.8.1 100)" = 100
	check 'and are told apart' test "$(limit marked '[.passed, .dropped, .marked] | @csv'):$(
		status .packets.marked)" = 1,0,99:99
	check 'their source is not called dropped' jq -e '.verdict == "within_limits" and
		(.limits[] | select(.name == "marked") | .effect == "mark" and .wait_ns > 0)' \
		<<<"$(weir source 198.18.8.1 -o json)"
	dropped=$(status .packets.dropped)
	reached 9010 198.18.8.2 100 >/dev/null
	check 'packets that are answered are dropped' \
		test $(($(status .packets.dropped) - dropped)) = 99
	check 'and told apart' test "$(limit answered .replied)" = "$(status .packets.replied)"
	check 'there are some' test "$(status .packets.replied)" -gt 0
	check 'passed and dropped add up to seen' jq -e '.packets | .passed + .dropped == .seen' \
		<<<"$(weir status -o json)"
	check 'marked packets are in the audit chain' has_record \
		'.event_type == "ratelimit.marked" and .details.packets == 99'
	check 'answered ones among the dropped' has_record \
		'.event_type == "ratelimit.dropped" and .details.verdict == "reply"'
	check "a service's SYN cookies are among the limits" test "$(limit greeted/cookies \
		'[.unit, .rate, .burst, .service, .action] | @csv')" = \
		'"connections","6k/m",100,"greeted","syn_cookie"'
}

exhausted() { # LEVEL...
	[[ " $* " == *" $(limit crowded .state.level) "* ]]
}

exhaustion() {
	check 'a policy sizes the table' test "$(status .state.sources_max)" = 1024
	check 'with few sources it has room' exhausted normal
	flood --to "$LAB_HOST4:9005" --base 198.18.64.0 --sources 16384 --packets 40000 >/dev/null
	check 'a flood of spoofed sources exhausts it' wait_for 3 exhausted full
	check 'the status says so, and since when' says \
		"^STATE EXHAUSTED \(full\): limit crowded .* since $(date -u +%Y-%m-%d)" weir status
	check 'the metrics say so' test \
		"$(metric 'weir_state_exhausted{limit="crowded",unit="packets"}')" = 2
	check 'and how many packets that concerned' test \
		"$(metric 'weir_limit_coarse_total{limit="crowded",unit="packets"}')" -gt 0
	check 'cells are busy' jq -e '.state.cells_busy > 0.5' <<<"$(weir status -o json)"
	check 'the audit chain says so' has_record '.event_type == "state.exhausted" and
		.resource.id == "crowded" and .details.level == "full" and .severity == 4 and
		.details.full_packets > 0'
	check 'five quiet seconds later it is over' wait_for 9 exhausted normal
	check 'in the status' refuse says EXHAUSTED weir status
	check 'in the metrics' test \
		"$(metric 'weir_state_exhausted{limit="crowded",unit="packets"}')" = 0
	check 'and in the audit chain' has_record '.event_type == "state.recovered" and
		.resource.id == "crowded" and .details.level == "normal" and
		.details.coarse_packets > 0'
}

after_the_change() {
	check 'a limit comes into force when its hours begin' \
		wait_for $((change > $(date +%s) ? change - $(date +%s) + 2 : 2)) limit_is late .in_force true
	check 'and limits from then on' test "$(reached 9002 198.18.4.2 100)" = 1
	check 'another one ends' limit_is early .in_force false
	check 'and lets everything pass' test "$(reached 9001 198.18.4.2 100)" = 100
	check 'both are in the audit chain' has_record \
		'.event_type == "limit.begin" and .resource.id == "late"'
	check 'with the limit that ended' has_record \
		'.event_type == "limit.end" and .resource.id == "early" and .action == "end"'
	check 'and in the log' grep -q 'msg="a limit is in force, as its schedule says" limit=late' \
		"$LAB_DIR/daemon.log"
}

# An interface that goes away takes its counters along.
sensor_lost() {
	ip -n "$LAB_CLIENT" link del "$LAB_IF_CLIENT"
	check 'what cannot be measured any more is said to be' \
		wait_for 3 limit_is nic .adaptive.error 'No such device'
	check 'in words, too' says 'adaptive +nic.*CANNOT BE MEASURED: No such device' weir status
	check 'the factor stays' limit_is nic .adaptive.factor_permille 1000
	check 'the metrics know no value' test \
		"$(metric 'weir_adaptive_measured{limit="nic",unit="packets",target="nic_drops"}')" = NaN
	check 'it is logged once' test "$(grep -c 'cannot measure what an adaptive limit follows' \
		"$LAB_DIR/daemon.log")" = 1
}

start_weir
before_the_change
shadow
sources
verdicts
exhaustion
adaptive
after_the_change
sensor_lost
check 'the audit chain verifies' verify
finish
