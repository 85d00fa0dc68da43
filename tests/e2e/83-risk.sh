#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What sources make of themselves: a flood lifts its source level by level, each is told of, an outsider computes every
# figure again from the records alone, and a daemon that is killed forgets nothing of it.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly BLOCKED=198.18.5.1 GREEDY=198.18.6.1 MODEST=198.18.7.1

points() { # SOURCE
	weir risk show "$1" -o json | jq .points
}

has_points() { # SOURCE LEAST
	(($(points "$1") >= $2))
}

recomputed() {
	weir audit tail --dir "$STATE/audit" -n 10000 -o json | python3 tests/e2e/risk.py
}

# Windows of drops are closed every five seconds; each wave is one more of them.
waves() { # COUNT
	local i before

	for ((i = 0; i < $1; i++)); do
		before=$(records '.event_type == "ratelimit.dropped"' | wc -l)
		flood --to "$LAB_HOST4:9" --base "$BLOCKED" --packets 200 >/dev/null
		flood --to "$LAB_HOST4:9" --base "$GREEDY" --packets 200 >/dev/null
		wait_for 12 more_windows "$before"
	done
}

more_windows() { # THAN
	(($(records '.event_type == "ratelimit.dropped"' | wc -l) > $1))
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	lists: {block: {entries: [$BLOCKED]}}
	services: {shop: {dst: $LAB_HOST4, proto: udp, dport: 7}}
	limits:
	  - {name: per-source, scope: source, rate: 10/s, burst: 10}
	  - {name: shop, scope: source, service: shop, rate: 5/s, burst: 5}
	risk: {assets: [{service: shop, weight: 150}]}
YAML
start_weir
flood --to "$LAB_HOST4:9" --base "$MODEST" --packets 5 >/dev/null
waves 3
check 'a blocked source that goes on is of higher risk than one over a limit' \
	test "$(points "$BLOCKED")" -gt "$(points "$GREEDY")"
check 'who repeats himself gathers points, less each time' has_points "$GREEDY" 25
check 'a source that keeps to its limit is not listed' exits 3 weir risk show "$MODEST"
flood --to "$LAB_HOST4:7" --base 198.18.8.1 --packets 8 >/dev/null
has_record '.details.limit == "shop"'
check 'what was refused for something that matters more counts for more' has_record \
	'.details.limit == "shop" and .details.risk.asset == 150'
check 'everything else weighs 100' test "$(records '.details.risk and .details.limit != "shop" and
	.details.risk.asset != 100' | wc -l)" = 0
check 'a level that is reached is recorded, with what lifted it' has_record \
	".event_type == \"security.risk_changed\" and .resource.id == \"$BLOCKED\" and .details.because == \"list.blocked\""
check 'records alone are enough to compute every score and every point again' recomputed
check 'the list has the worst first' test "$(weir risk list -o json | jq -r '.sources[0].source')" = "$BLOCKED"
check 'people get a table' grep -q "$BLOCKED" <<<"$(weir risk list)"
check 'the metrics count the sources of each level' \
	grep -qE '^weir_risk_sources\{level="(low|medium)"\} [1-9]' <<<"$(weir metrics)"
check 'what is no address is refused' exits 2 weir risk show example
check 'a level that does not exist is refused' \
	test "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$WEIR_SOCKET" \
		'http://weir/v1/risk/sources?level=grave')" = 400
before=$(points "$BLOCKED")
stop_weir KILL || true
start_weir
check 'a daemon that is killed forgets no points' has_points "$BLOCKED" $((before - 1))
waves 1
check 'what comes then is added to what was before' recomputed
finish
