#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Heartbeats: what was dropped by the datapath's own counters is in the records between them, packet by
# packet, also after a kill. Silence is evidence.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

beats() { # FILTER
	records '.event_type == "audit.heartbeat"' | jq -s "$1"
}

has_beats() { # NUMBER
	(($(beats length) >= $1))
}

drop_some() {
	flood --to "$LAB_HOST4:9" --base 198.18.4.0 --sources 40 --packets 20000 >/dev/null
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits:
	  - {name: all, scope: source, rate: 10/s, burst: 10}
YAML
start_weir
check 'new counters begin with a record' has_record '.event_type == "audit.counters_reset"'
check 'a run begins with a heartbeat' has_beats 1
drop_some
check 'the next comes after ten seconds' wait_for 12 has_beats 2
check 'what it says was dropped is settled: it is in records before it' \
	jq -e '.[1].details | .settled >= 19000 and .recorded + .unseen >= .settled' <<<"$(beats .)"
check 'by reason, too' jq -e '.[1].details | .recorded_by_reason | test("over_packets=[0-9]+")' \
	<<<"$(beats .)"
check 'it has what each CPU offered and lost' jq -e \
	'.[1].details.cpus | test("^([0-9]+(/[0-9]+){3} ?)+$")' <<<"$(beats .)"
check 'the records add up' verify
drop_some
sleep 1 # the daemon has taken some of it from the kernel
stop_weir KILL || true
check 'they do when the daemon was killed' verify
start_weir
check 'and when the next one goes on' wait_for 5 has_beats 3
check 'with the same counters' jq -e \
	'.[2].details.epoch == .[1].details.epoch and .[2].details.run != .[1].details.run' \
	<<<"$(beats .)"
check 'what died with the daemon is a loss that is named' \
	has_record '.event_type == "audit.loss" and .details.cause == "the daemon did not end in order"'
drop_some
stop_weir
check 'a run ends with a heartbeat, which settles all that was dropped' jq -e \
	'.[-1].details | .settled == .dropped and .recorded + .unseen == .dropped' <<<"$(beats .)"
check 'all of it adds up, over both runs' verify
check 'verification says over how many heartbeats' test \
	"$("$WEIR" audit verify "$STATE/audit" -o json | jq .heartbeats)" = "$(beats length)"
finish
