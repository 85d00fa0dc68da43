#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the audit log says is not kept for longer than operators want: records of a category that is past its time are
# archived and taken out, held ones stay, and the chain still verifies, by weir and by those who look for changes.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

AUDIT=$LAB_DIR/state/audit
FIRST=$AUDIT/00000000000000000000.seg

# Have the daemon begin another segment: the one that a crash tore is left as it is.
next_segment() {
	stop_weir
	printf x >>"$(find "$AUDIT" -maxdepth 1 -name '*.seg' | sort | tail -n 1)"
	start_weir
}

# figure JQ - of what verification says of the log.
figure() {
	weir audit verify "$AUDIT" -o json | jq -r "$1"
}

apply() {
	weir retention apply -o json
}

says() { # WORDS COMMAND... - the command fails and its answer has the words
	local words=$1

	shift
	grep -q -- "$words" <<<"$("$@" 2>&1 || true)"
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	lists:
	  block: {entries: [198.18.66.6]}
	limits:
	  - {name: all, scope: source, rate: 10/s, burst: 10}
YAML
start_weir
flood --to "$LAB_HOST4:9" --base 198.18.4.0 --sources 8 --packets 20000 >/dev/null
has_record '.event_type == "ratelimit.dropped"'
weir block 198.18.5.1 >/dev/null
weir block 198.18.5.2 >/dev/null
next_segment

check 'records are kept for ever unless somebody says otherwise' test \
	"$(weir retention list -o json | jq -c '[.items[].keep_seconds] | unique')" = '[null]'
check 'applying that takes out nothing' test "$(apply | jq .expired)" = 0
before=$(figure .records)
check 'the log is as it was: no segment was archived' refuse test -e "$AUDIT/archive"
check 'records that explain what is gone cannot expire' says 'kept for ever' \
	weir retention set privacy 1d
check 'an age without a unit is refused' exits 1 weir retention set traffic 30
check 'a category that is none is refused' exits 1 weir retention set trafic 30d
check 'refusals are on record, too' has_record \
	'.event_type == "retention.set" and .outcome == "denied" and .resource.id == "trafic"'

weir retention set traffic 1s --reason 'nobody needs them' >/dev/null
weir retention set lists 1s >/dev/null
hold=$(weir retention hold add category=lists subject=198.18.5.1 --reason 'case 7' -o json | jq -r .id)
check 'a hold is listed' grep -qE "^$hold +lists +198.18.5.1 " <<<"$(weir retention hold list)"
check 'the record of it does not say whom it is about' test \
	"$(records '.event_type == "hold.placed"' | grep -c 198.18.5.1)" = 0
sleep 1.5
cp "$FIRST" "$LAB_DIR/first"
cp -a "$AUDIT" "$LAB_DIR/past"
run=$(apply)
check 'records past their time are taken out' jq -e '.expired > 8 and .rewritten == 1 and .error == null' \
	<<<"$run"
check 'the chain verifies' verify
check 'verification says how many expired' test "$(figure .expired)" = "$(jq .expired <<<"$run")"
check 'no record is missing from the count' test "$(figure .records)" -gt "$before"
check 'no window of a source is left in the log' test "$(records '.event_type == "ratelimit.dropped"')" = ''
check 'nor in any segment' refuse grep -qa '198\.18\.4\.[0-9]' "$AUDIT"/*.seg
check 'what is held is left' has_record '.event_type == "list.add" and (.resource.id | startswith("198.18.5.1"))'
check 'what else was of its category is not' test \
	"$(records '.event_type == "list.add" and (.resource.id | startswith("198.18.5.2"))')" = ''
check 'starts and stops are left' has_record '.event_type == "system.start"'
archive=$(find "$AUDIT/archive" -name '*.gz')
check 'the archive holds the segment as it was' cmp "$LAB_DIR/first" <(zcat "$archive")
check 'and its manifest says so' test "$(jq -r .sha256 "$archive.json")" = \
	"$(sha256sum <"$LAB_DIR/first" | cut -d' ' -f1)"
check 'the record of it names the file that is there now' test \
	"$(records '.event_type == "retention.archived"' | jq -r .details.sha256_after)" = \
	"$(sha256sum <"$FIRST" | cut -d' ' -f1)"
check 'the segment is smaller' test "$(stat -c %s "$FIRST")" -lt "$(stat -c %s "$LAB_DIR/first")"

# A segment that was written anew gets an index again, and what is left is found by it.
check 'what is left is indexed again' wait_for 10 test -e "$AUDIT/index/00000000000000000000.idx"
until=$(records . | jq -rs '.[-1].timestamp')
check 'a search with the index finds what one without does' test \
	"$(weir audit search --limit 500 --until "$until" -o json | jq -c '[.events[].index]')" = \
	"$(weir audit search --limit 500 --until "$until" --scan -o json | jq -c '[.events[].index]')"
check 'search goes over what is gone' test \
	"$(weir audit search --type list.add -o json | jq '.events | length')" = 1
check 'nothing more expires' test "$(apply | jq .expired)" = 0
check 'a hold that is none cannot be removed' exits 3 weir retention hold remove 0123
weir retention hold remove "$hold" --reason 'settled' >/dev/null
check 'what is no longer held expires' jq -e '.expired >= 1' <<<"$(apply)"
check 'it is gone' test "$(records '.event_type == "list.add" and (.resource.id | startswith("198.18.5.1"))')" = ''
check 'the chain verifies after a second time' verify

# Somebody takes records out of the log of before, which does not say so.
cp "$FIRST" "$LAB_DIR/past/"
check 'taken out without a record of it, they are missed' test \
	"$(weir audit verify "$LAB_DIR/past" -o json | jq -r '.status + " " + .finding')" = \
	'incomplete record.stubbed'

stop_weir
check 'a verifier that shares nothing with weir says so, too' python3 tests/audit/oracle.py log "$AUDIT"
start_weir
next_segment
check 'rules outlive the daemon' test \
	"$(weir retention list -o json | jq '.items[] | select(.category == "traffic").keep_seconds')" = 1
check 'the log that expired goes on' verify
# The same by the policy: one file says it all.
policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	audit:
	  retention: {lists: 1s, system: forever, archive: 1s}
	limits:
	  - {name: all, scope: source, rate: 10/s, burst: 10}
YAML
check 'a policy that says how long records are kept comes into force' weir policy apply "$LAB_DIR/policy.yaml"
check 'what it rules is listed with its line' test \
	"$(weir retention list -o json | jq -c '.items[] | select(.category == "lists") | [.keep_seconds, .policy_line]')" = '[1,4]'
check 'what it leaves open is as it was said at run time' test \
	"$(weir retention list -o json | jq -c '.items[] | select(.category == "traffic") | [.keep_seconds, .policy_line]')" = '[1,null]'
check 'what it rules cannot be said otherwise' says 'line 4: change it there' weir retention set lists 30d
check 'that somebody tried is on record' has_record \
	'.event_type == "retention.set" and .outcome == "denied" and .details.code == "retention.policy"'
weir block 198.18.5.3 >/dev/null
next_segment
hold=$(weir retention hold add category=traffic --reason 'case 8' -o json | jq -r .id)
sleep 1.5
check 'records expire as the policy says' jq -e '.expired >= 1 and .error == null' <<<"$(apply)"
check 'while something is held no archive is removed' test "$(find "$AUDIT/archive" -name '*.gz' | wc -l)" -ge 3
weir retention hold remove "$hold" >/dev/null
sleep 1.1
check 'archives past their time are removed' jq -e '.archives_removed >= 3 and .error == null' <<<"$(apply)"
check 'nothing of them is left' test "$(find "$AUDIT/archive" -type f | wc -l)" = 0
check 'it was recorded before' test "$(records '.event_type == "retention.removing"' | wc -l)" -ge 3
check 'and after' test "$(records '.event_type == "retention.removed"' | jq -s 'map(.details.archive) | unique | length')" -ge 3
policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	audit: {retention: {lists: 1s, archive: none}}
	limits:
	  - {name: all, scope: source, rate: 10/s, burst: 10}
YAML
weir policy apply "$LAB_DIR/policy.yaml" >/dev/null
weir block 198.18.5.4 >/dev/null
next_segment
sleep 1.5
check 'without archives records expire, too' jq -e '.expired >= 1 and .error == null' <<<"$(apply)"
check 'and none is made' test "$(find "$AUDIT/archive" -type f | wc -l)" = 0
check 'the chain verifies without archives' verify

weir backup create "$LAB_DIR/backup" >/dev/null
check 'it can be backed up' weir backup verify "$LAB_DIR/backup"
check 'the socket serves rules to members' curl -sf --unix-socket "$WEIR_SOCKET" \
	http://weir/v1/governance/retention-policies

finish
