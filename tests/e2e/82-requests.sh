#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What data subjects may ask for: what is known of them, and to be forgotten. After that no file of the state has
# their address, as text or as bytes, no key opens what the records say, and the chain verifies.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

STATE_DIR=$LAB_DIR/state
WHO=198.18.4.1
OTHER=198.18.4.2

is_done() { # ID
	[[ $(weir gdpr show "$1" -o json | jq -r .state) == "done" ]]
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits:
	  - {name: all, scope: source, rate: 10/s, burst: 10}
YAML
start_weir
flood --to "$LAB_HOST4:9" --base 198.18.4.0 --sources 4 --packets 20000 >/dev/null
weir block "$WHO" --reason "rude, like $OTHER" >/dev/null
weir block "$OTHER" --reason 'somebody else' >/dev/null
has_record '.event_type == "ratelimit.dropped"'

check 'the inventory has the fields of records and the other places' jq -e \
	'(.record_fields | length) > 100 and (.places | map(.where) | index("vault.db"))' \
	<<<"$(weir gdpr inventory -o json)"
known=$(named_in_records "$WHO")
access=$(weir gdpr access "$WHO" --reason 'letter of today' -o json)
check 'access gives all records about an address' test "$(jq '.records | length' <<<"$access")" -ge "$known"
check 'that they were read is one more, by whom and about whom' has_record \
	".event_type == \"audit.searched\" and .resource.id == \"request\" and .actor.username == \"root\" and
	.details.text == \"$WHO\""
check 'and what is known of it now' jq -e '.source | tostring | contains("rude")' <<<"$access"
check 'nothing about others' refuse jq -e '.records[] | select(.resource.id == "198.18.4.3")' <<<"$access"
weir gdpr export "$WHO" >"$LAB_DIR/export.csv"
check 'the export has a row for each' test "$(($(wc -l <"$LAB_DIR/export.csv") - 1))" = "$(named_in_records "$WHO")"
check 'requests are in the ledger, with the day they are due' test \
	"$(weir gdpr list -o json | jq -r '[.items[] | .kind + " " + .state] | sort | join(",")')" = \
	'access done,export done'
check 'no record of a request says whose it is' refuse grep -q "$WHO" <<<"$(records '.event_type | startswith("request.")')"

event=$(jq -r '.records[0].event_id' <<<"$access")
weir gdpr rectify "$WHO" "$event" 'that was my neighbour' >/dev/null
check 'a statement is a record, with the one that it is about' has_record \
	".event_type == \"request.rectified\" and .details.event == \"$event\""
# rectified [JQ] - what stands beside the record that it is about, on standard input.
rectified() {
	jq -cs "[.[] | select(.event_id == \"$event\") | .rectified // [] | map(.statement)][0]"
}
beside='["that was my neighbour"]'
check 'it stands beside that record in a tail' test "$(weir audit tail -n 10000 -o json | rectified)" = "$beside"
check 'in a search' test "$(weir audit search --limit 10000 -o json | jq -c '.events[]' | rectified)" = "$beside"
check 'in an export' test "$(weir audit export --format ndjson | rectified)" = "$beside"
check 'in what is read from the files' test \
	"$(weir audit tail -n 10000 --dir "$STATE_DIR/audit" -o json | rectified)" = "$beside"
check 'and in what its subject is given' test \
	"$(weir gdpr access "$WHO" -o json | jq -c '.records[]' | rectified)" = "$beside"
check 'who may not open it sees what was hashed' refuse grep -q neighbour \
	<<<"$(weir audit tail -n 10000 --sealed -o json)"
check 'it is in no other' test "$(weir audit tail -n 10000 -o json | jq -s 'map(select(.rectified)) | length')" = 1

hold=$(weir retention hold add subject="$WHO" --reason 'case 7' -o json | jq -r .id)
check 'nobody is erased who is held, and the hold is named' grep -q "$hold" \
	<<<"$(weir gdpr erase "$WHO" 2>&1 || true)"
check 'the refusal is on record, with the hold' has_record \
	".event_type == \"request.refused\" and .details.hold == \"$hold\""
check 'nothing was erased' test "$(named_in_records "$WHO")" -gt 0
weir retention hold remove "$hold" >/dev/null

check 'files have the address until then' test -n "$(files_with "$WHO" "$STATE_DIR")"
weir backup create "$LAB_DIR/old" --with-keys >/dev/null
weir backup create "$LAB_DIR/plain" >/dev/null
check 'a backup has the vault, and no private key' test \
	"$(tar -tzf "$LAB_DIR/plain" | grep -c 'vault.db\|keys/')" = 1
check 'unless it is told to' test "$(tar -tzf "$LAB_DIR/old" | grep -c '/keys/.*\(key\|pem\)')" -ge 2
request=$(weir gdpr erase "$WHO" --reason 'letter of today' -o json)
check 'somebody who is not held is erased' jq -e \
	'.state == "done" and .erased >= 1 and .list_entries == 1' <<<"$request"
check 'the ledger does not say who' refuse grep -q "$WHO" <<<"$(weir gdpr list -o json)"
check 'no record names them' test "$(named_in_records "$WHO")" = 0
check 'nor is a statement of theirs left' refuse grep -q neighbour <<<"$(weir audit tail -n 10000 -o json)"
check 'what did is told to be erased' has_record '.resource.id.state? == "erased"'
check 'others are still named' test "$(named_in_records "$OTHER")" -gt 0
check 'and still blocked' weir lists block -o json
check 'no file of the state has the address' test "$(files_with "$WHO" "$STATE_DIR")" = ''
check 'the chain verifies' verify
weir backup create "$LAB_DIR/backup" >/dev/null
check 'a backup made from then on does not have it' refuse grep -qaF "$WHO" <(zcat -f "$LAB_DIR/backup")

request=$(weir gdpr erase "$OTHER" keep-lists -o json)
check 'list entries can stay, where enforcement needs them' jq -e \
	'.state == "done" and .list_entries == null' <<<"$request"
check 'words that named them are erased, too' refuse grep -q "like $OTHER" \
	<<<"$(weir audit tail -n 10000 -o json)"
check 'the entry is there still' grep -q "$OTHER" <<<"$(weir lists block)"

# A daemon that died after it wrote down whom to erase. The one that comes next does it.
index=$(weir audit tail -n 10000 -o json | jq 'select(.resource.id == "198.18.4.3").index' | tail -n 1)
number=$(weir audit tail -n 10000 -o json --sealed | jq -r "select(.index == $index).resource.id.subject")
stop_weir
sqlite3 "$STATE_DIR/weir.db" "INSERT INTO governance VALUES ('request', '00112233aabbccdd',
	'{\"id\": \"00112233aabbccdd\", \"kind\": \"erase\", \"state\": \"erasing\", \"numbers\": [\"$number\"]}')"
start_weir
check 'what a daemon that died had begun is done by the next' wait_for 10 is_done 00112233aabbccdd
check 'one more is erased' test \
	"$(weir gdpr show 00112233aabbccdd -o json | jq .erased)" = 1
check 'and is not named any more' test "$(named_in_records 198.18.4.3)" = 0
check 'the chain verifies in the end' verify

# Backups that were made before: what they put back has nobody who was erased since, as the log knows it.
weir gdpr erase 198.18.4.0 >/dev/null
stop_weir
restored=$(weir backup restore "$LAB_DIR/old" --state-dir "$STATE_DIR" -o json)
check 'a backup from before is put back without whoever was erased' jq -e \
	'.audit == "kept" and .forgotten >= 2 and .erased_unknown == false' <<<"$restored"
start_weir
check 'they are in no list' refuse grep -q "$WHO" <<<"$(weir lists block)"
check 'and in no record' test "$(named_in_records "$WHO")" = 0
check 'others are in their lists' grep -q "$OTHER" <<<"$(weir lists block)"
stop_weir
check 'no file that was put back has the address' test "$(files_with "$WHO" "$STATE_DIR")" = ''

# Another host: with the keys it reads all that the backup has, without them it has all but the names.
weir backup restore "$LAB_DIR/old" --state-dir "$LAB_DIR/other" >/dev/null
check 'a backup with keys brings the vault to another host' grep -q "$WHO" \
	<<<"$("$WEIR" audit tail --dir "$LAB_DIR/other/audit" -n 10000 -o json)"
check 'and the checkpoint, which fits the log' "$WEIR" audit verify "$LAB_DIR/other/audit"
weir backup restore "$LAB_DIR/plain" --state-dir "$LAB_DIR/third" >/dev/null
check 'without keys it names nobody, and says so' grep -q '"state":"no_key"' \
	<<<"$("$WEIR" audit tail --dir "$LAB_DIR/third/audit" -n 10000 -o json)"
check 'the checkpoint lies beside then' compgen -G "$LAB_DIR/third/audit/checkpoint.from-backup-*"
check 'and the log verifies' "$WEIR" audit verify "$LAB_DIR/third/audit"

finish
