#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Who is erased is gone from what was recorded in the clear, too: from segments, their archives and indexes and from the
# files of events, while the chain verifies. What operators have configured stays, and they are told where.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

AUDIT=$STATE/audit
WHO=198.18.4.1
OTHER=198.18.4.2

# in_files ADDRESS - files of the log that have an address, as text or as its four bytes.
in_files() {
	files_with "$1" "$AUDIT"
	find "$AUDIT" -name '*.gz' -exec sh -c 'zcat "$1" | grep -qaF "$2" && echo "$1"' sh {} "$1" \;
	true
}

# all_indexed - each segment that another one follows has an index.
all_indexed() {
	local segment

	while read -r segment; do
		[[ -e $AUDIT/index/$(basename "$segment" .seg).idx ]] || return 1
	done < <(find "$AUDIT" -maxdepth 1 -name '*.seg' | sort | head -n -1)
}

# found [--scan] - the records of somebody who is not erased.
found() {
	weir audit search --address 198.18.4.3 --type "ratelimit.*" --limit 500 "$@" -o json | jq -c "[.events[].index]"
}

figure() { # JQ
	weir audit verify "$AUDIT" -o json | jq -r "$1"
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	lists:
	  block: {entries: [198.18.4.7, 198.18.4.6]}
	limits:
	  - {name: all, scope: source, rate: 10/s, burst: 10, flag: beta}
	flags:
	  beta: {enabled: true}
	audit:
	  evidence: full
	  personal: {traffic: clear, security: clear, lists: clear, policy: clear, access: clear, system: clear, audit: clear, privacy: clear}
YAML
start_weir
sleep 6 # events are kept from the first full window on
flood --to "$LAB_HOST4:9" --base 198.18.4.0 --sources 4 --packets 20000 >/dev/null
weir block "$WHO" --reason "rude, like $OTHER" >/dev/null
weir block 198.18.9.9 --reason 'somebody else' >/dev/null
has_record '.event_type == "ratelimit.dropped"'
has_record '.event_type == "traffic.evidence"'

# An archive that has them, too: lists are rewritten, traffic is left.
weir retention set lists 1s >/dev/null
sleep 1.2
stop_weir
printf x >>"$(find "$AUDIT" -maxdepth 1 -name '*.seg' | sort | tail -n 1)"
start_weir
weir retention apply >/dev/null
wait_for 15 test -n "$(find "$AUDIT/archive" -name '*.gz' 2>/dev/null)"
weir retention set lists forever >/dev/null
check 'segments, an archive and events have the address in the clear' test \
	"$(in_files "$WHO" | sed 's/.*\.//; s/.*evidence.*/evidence/' | sort -u | wc -l)" -ge 3

hold=$(weir retention hold add category=traffic --reason 'case 8' -o json | jq -r .id)
check 'a hold stops it' refuse weir gdpr erase "$WHO"
check 'and nothing was taken out' test "$(named_in_records "$WHO")" -gt 0
weir retention hold remove "$hold" >/dev/null

event=$(weir gdpr access "$WHO" -o json | jq -r '.records[0].event_id')
weir gdpr rectify "$WHO" "$event" 'that was my neighbour' >/dev/null
check 'a statement stands beside the record it is about' grep -q '"rectified":\[{[^]]*neighbour' \
	<<<"$(weir audit tail -n 10000 -o json)"
before=$(figure .records)
others=$(named_in_records 198.18.4.3)
request=$(weir gdpr erase "$WHO" --reason 'letter of today' -o json)
check 'somebody whose records are clear is erased' jq -e \
	'.state == "done" and .removed >= 2 and .archives == 1 and .evidence_files >= 1 and .left == null' <<<"$request"
check 'no file of the log has the address' test "$(in_files "$WHO")" = ''
check 'nor a statement about one of theirs' refuse grep -rqa neighbour "$AUDIT"
check 'no record names them' test "$(named_in_records "$WHO")" = 0
check 'the records of others are all there' test "$(named_in_records 198.18.4.3)" -ge "$others"
check 'the chain verifies' verify
check 'no record is missing from the count' test "$(figure .records)" -ge "$before"
check 'segments that were written anew are indexed again' wait_for 20 all_indexed
check 'without the address' test "$(in_files "$WHO")" = ''
check 'and what is left is found by the indexes as without' test "$(found)" = "$(found --scan)"
id=$(jq -r .id <<<"$request")
check 'what was taken out is on record, and why' has_record \
	".event_type == \"request.removed\" and .resource.id == \"$id\" and (.details.indexes? // \"\" | length) > 0"
check 'the archive that was made anew says which one it replaces' grep -q '"replaces":' "$AUDIT"/archive/*.json
check 'and can be unpacked' gzip -t "$AUDIT"/archive/*.gz
weir backup create "$LAB_DIR/backup" >/dev/null
check 'a backup made from then on does not have it' refuse grep -qaF "$WHO" <(zcat -f "$LAB_DIR/backup")

weir flags target beta --sources "$OTHER" >/dev/null
check 'access says where the policy names somebody' grep -q 'configured: policy.yaml line 4' \
	<<<"$(weir gdpr access 198.18.4.7)"
check 'and of which flags they are a target' grep -q 'flag beta' <<<"$(weir gdpr access "$OTHER")"
request=$(weir gdpr erase 198.18.4.7 -o json)
check 'so does erasing, which leaves it' jq -e '.state == "done" and (.configured | length) == 1' <<<"$request"
check 'the ledger keeps the places, not the name' test \
	"$(weir gdpr list -o json | grep -c '198\.18\.4\.7')" = 0

check 'a statement about a record that is none is refused' refuse weir gdpr rectify "$OTHER" \
	00000000-0000-8000-8000-000000000000 'not me'
check 'with the reason' has_record '.event_type == "request.refused" and .details.code == "request.event"'

# A daemon that dies when it has just begun: the next one goes on.
id=$(curl -s --unix-socket "$WEIR_SOCKET" -H 'Content-Type: application/json' \
	-d '{"kind": "erase", "subject": "198.18.4.3"}' http://weir/v1/governance/requests | jq -r .id)
kill -9 "$WEIR_PID"
wait "$WEIR_PID" 2>/dev/null || true
start_weir
is_done() {
	[[ $(weir gdpr show "$id" -o json | jq -r .state) == "done" ]]
}
check 'what a daemon that died had begun is done by the next' wait_for 20 is_done
check 'and nothing names them any more' test "$(in_files 198.18.4.3)" = ''
check 'the chain verifies in the end' verify

finish
