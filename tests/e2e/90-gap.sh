#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# No gap: while a flood of which nothing may pass goes on, and beside it a stream of which nothing may be
# lost (traffic.sh), policies are applied, daemons are restarted and killed. The suite runs a short form;
# `make test-gap` sets the numbers below to those that the product promises.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/e2e/traffic.sh
. tests/e2e/traffic.sh
need_root

readonly APPLIES=${GAP_APPLIES:-20} RESTARTS=${GAP_RESTARTS:-3} KILLS=${GAP_KILLS:-3}
readonly ROLLBACKS=${GAP_ROLLBACKS:-5} PANICS=${GAP_PANICS:-5}

# write_policy NUMBER - whose numbers are others each time, but not what they mean for this traffic: a
# limit whose meaning stays, one that changes, one that comes and goes, entries likewise. The limit that
# only watches takes a program that knows of such: any other one would have it drop the stream.
write_policy() {
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists:
		  block: {entries: [198.18.66.0/24, 10.0.$(($1 / 200)).$(($1 % 200))]}
		services:
		  flooded: {proto: udp, dport: 9}
		  served: {proto: udp, dport: $PORT}
		limits:
		  - {name: spent, scope: source, service: flooded, rate: 1/d, burst: 1, rollout: {sources: [198.18.67.0/24]}}
		  - {name: wide, scope: source, service: served, rate: $((1000000 + $1))/s, burst: 1M}
		$( (($1 % 2)) && echo '  - {name: now-and-then, scope: global, rate: 100M/s, burst: 100M}')
		$( (($1 % 2)) && echo "  - {name: watched, scope: source, service: served, rate: 1/d, burst: 1, shadow: true}")
	YAML
}

applies() {
	local i

	mark
	for ((i = 1; i <= APPLIES; i++)); do
		write_policy "$i"
		weir policy apply >/dev/null || return 1
	done
	nothing_leaked
}

rollbacks() {
	local i

	mark
	for ((i = 1; i <= ROLLBACKS; i++)); do
		write_policy $((1000 + i))
		weir policy apply >/dev/null && weir policy rollback >/dev/null || return 1
	done
	nothing_leaked
}

panics() {
	local i

	mark
	for ((i = 1; i <= PANICS; i++)); do
		weir panic enforce >/dev/null && weir panic clear >/dev/null || return 1
	done
	nothing_leaked
}

restarts() { # TIMES SIGNAL
	local i

	mark
	for ((i = 1; i <= $1; i++)); do
		write_policy "$i"
		stop_weir "$2" || [[ $2 == KILL ]] || return 1
		start_weir || return 1
	done
	nothing_leaked
}

write_policy 0
start_weir
start_stream
start_flood
check 'of each limited source the first packet passes' wait_for 10 limited_once

check "$APPLIES policies applied: nothing leaks" applies
check "$ROLLBACKS rollbacks: nothing leaks" rollbacks
check "$PANICS times panic, to enforce: nothing leaks" panics
check "$RESTARTS restarts, each with another policy: nothing leaks" restarts "$RESTARTS" TERM
check "$KILLS kills, likewise: nothing leaks" restarts "$KILLS" KILL

end_of_traffic
check 'the flood was as dense as it was to be' flood_was_dense
check 'of the stream beside it nothing was lost' nothing_was_lost
check 'the chain verifies after all of that' verify
say_traffic

finish
