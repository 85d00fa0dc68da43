#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# audit.evidence: full keeps each event in files that the log vouches for, and summary does not.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

write_policy() { # EVIDENCE
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		limits:
		  - {name: all, scope: source, rate: 10/s, burst: 10}
		audit: {evidence: $1}
	YAML
}

drop_some() {
	flood --to "$LAB_HOST4:9" --base 198.18.4.0 --sources 40 --packets 20000 >/dev/null
}

evidence() { # JQ_FILTER over all records of events
	records '.event_type == "traffic.evidence"' | jq -s "$1"
}

# names_its_file - the record of events has the hash of a file that is there, by sha256sum.
names_its_file() {
	local name

	name=$(evidence ".[0].details.sha256" | tr -d \")
	(cd "$STATE/audit/evidence" && sha256sum -c <<<"$name  $name")
}

write_policy full
start_weir
sleep 6 # events are kept from the first full window on
drop_some
check 'events have a record' has_record \
	'.event_type == "traffic.evidence"'
check 'with the hash of their file' names_its_file
check 'of 64 bytes each' test \
	"$(evidence '.[0].details | .events * .event_bytes')" = \
	"$(stat -c %s "$STATE/audit/evidence/$(evidence '.[0].details.sha256' | tr -d '"')")"
write_policy summary
weir policy apply "$LAB_DIR/policy.yaml" >/dev/null
sleep 6
before=$(evidence length)
drop_some
check 'without it there are windows' wait_for 15 all_in_chain
check 'and no events' test "$(evidence length)" = "$before"
stop_weir
check 'the log verifies, with the files' test \
	"$("$WEIR" audit verify "$STATE/audit" -o json | jq -c '[.ok, .evidence]')" = "[true,$before]"
rm "$STATE"/audit/evidence/*
check 'and without them, and says so' test "$("$WEIR" audit verify "$STATE/audit" -o json |
	jq -c '[.ok, .evidence, .evidence_gone]')" = "[true,0,$before]"
finish
