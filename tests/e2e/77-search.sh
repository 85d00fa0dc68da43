#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Searching the audit log of a real flood: by whom, by address, by rule, with the daemon and from its files, with
# an index and without; an index that hides something; and that searching is itself recorded.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

find_online() {
	weir audit search -o ndjson --limit 10000 "$@"
}

find_offline() {
	weir audit search -o ndjson --limit 10000 --dir "$STATE/audit" "$@"
}

# The daemon, the files and a scan of them find so many; the records of who asked are not counted.
# All but what these questions make themselves.
readonly ASKED='select(.event_type | test("^(audit.searched|api\\.)") | not)'

found() { # COUNT OPTION...
	local want=$1 n

	shift
	n=$(find_online "$@" | jq -c "$ASKED" | wc -l)
	echo "the daemon finds $n"
	((n == want)) || return 1
	n=$(find_offline "$@" | jq -c "$ASKED" | wc -l)
	echo "the files have $n"
	((n == want)) || return 1
	n=$(find_offline --scan "$@" | jq -c "$ASKED" | wc -l)
	echo "a scan finds $n"
	((n == want))
}

count_records() { # JQ_FILTER
	records "$1" | wc -l
}

# The hash that is shown is the record's.
hashes_hold() {
	local line

	while IFS= read -r line; do
		[[ $({ printf '\0' && jq -jcS 'del(.hash)' <<<"$line"; } | sha256sum) == \
			"$(jq -r .hash <<<"$line")  -" ]] || { echo "of $line"; return 1; }
	done
}

one_record_each() {
	(($(grep -cx 200 "$LAB_DIR/codes") == $(count_records '.details.text // "" | test("-nothing$")')))
}

get() { # PATH
	curl -gsS --unix-socket "$WEIR_SOCKET" "http://weir$1"
}

code() { # PATH
	get "$1" | jq -r .code
}

# All pages of three records, by the cursors in the headers.
walk() { # QUERY
	local cursor=''

	while :; do
		curl -gsS --unix-socket "$WEIR_SOCKET" -D "$LAB_DIR/head" \
			"http://weir/v1/audit/events?limit=3&$1$cursor" || return 1
		grep -qi '^X-Weir-Page: end' "$LAB_DIR/head" && return 0
		cursor="&cursor=$(tr -d '\r' <"$LAB_DIR/head" | awk 'tolower($1) == "x-weir-cursor:" { print $2 }')"
	done
}

# Give the subject of an address another last letter in the index of the first segment.
hide_in_index() { # SUBJECT
	local index at

	index=$(printf '%s\n' "$STATE"/audit/index/*.idx | head -n 1)
	at=$(LC_ALL=C grep -abo -m 1 -F -- "$1" "$index" | head -n 1 | cut -d: -f1)
	[[ $at ]] || return 1
	printf '~' | dd of="$index" bs=1 seek=$((at + 10)) conv=notrunc status=none
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
flood --to "$LAB_HOST4:9" --base 198.18.4.0 --sources 8 --packets 50000 >/dev/null
flood --to "$LAB_HOST4:9" --base 198.18.66.6 --packets 5000 >/dev/null
for i in 1 2 3 4 5; do
	weir block "198.18.5.$i" --reason "Port scan $i" >/dev/null
done
weir block 198.18.6.0/24 >/dev/null
weir unblock 198.18.5.5 >/dev/null
has_record '.event_type == "ratelimit.dropped"'
has_record '.event_type == "list.blocked"'
sleep 6 # the windows of the flood have closed

check 'by type' found 6 --type list.add
check 'by a pattern of types' found "$(count_records '.event_type | startswith("list.")')" --type 'list.*'
check 'by category' found "$(count_records '.event_type |
	test("^(ratelimit|packet)|^list.(blocked|would_block)$")')" --category traffic
check 'by severity, and worse' found "$(count_records '.severity >= 2 and
	.event_type != "audit.searched"')" --severity 2
check 'by who did it' found 7 --actor root
check 'by address' found 2 --address 198.18.5.5
check 'by address: of a prefix around it, too' found 1 --address 198.18.6.77
check 'by prefix' found 6 --address 198.18.5.0/24
check 'by the limit that dropped' found "$(count_records '.details.limit == "all"')" --rule all
check 'by the list' found "$(count_records '.resource.type == "block" or
	.event_type == "list.blocked"')" --rule block
check 'by resource' found 1 --resource block/198.18.5.4
check 'by text, whatever its case' found 6 --text 'port SCAN'
check 'by outcome' found 0 --outcome failure
check 'by all of them' found 1 --type 'list.*' --actor root --address 198.18.5.0/24 --text 'scan 3' \
	--since 1h --until 2100-01-01 --severity 1
check 'nothing is from before the beginning' found 0 --until 2020-01-01
check 'each hash that is shown holds' hashes_hold <<<"$(find_online --actor root --sealed)"
check 'the newest comes first' jq -es '[.[].index] == ([.[].index] | sort | reverse)' \
	<<<"$(find_online --type 'list.*')"
check '--oldest turns that around' jq -es '[.[].index] == ([.[].index] | sort)' \
	<<<"$(find_online --type 'list.*' --oldest)"
check 'as JSON it is one value' jq -e '(.events | length) == 2 and .page == "full" and .cursor' \
	<<<"$(weir audit search --actor root --limit 2 -o json)"
check 'page by page the same is found' test "$(walk 'actor=root' | jq -c .index | xargs)" = \
	"$(find_online --actor root | jq -c .index | xargs)"
check 'likewise from the oldest on' test "$(walk 'actor=root&order=oldest' | jq -c .index | xargs)" = \
	"$(find_online --actor root --oldest | jq -c .index | xargs)"
check 'people read lines' grep -q "list.add .*root .*block 198.18.5.4 .*reason='Port scan 4'" \
	<<<"$(weir audit search --address 198.18.5.4)"

check 'a bad address is refused' test "$(code '/v1/audit/events?address=host')" = audit.query
check 'a bad time is refused' test "$(code '/v1/audit/events?since=soon')" = audit.query
check 'a cursor of the other order is refused' test \
	"$(code '/v1/audit/events?cursor=b5&order=oldest')" = audit.cursor
check 'too many at once are refused' test "$(code '/v1/audit/events?limit=10001')" = request.limit
check 'the command line says what is wrong' exits 2 weir audit search --type list.ad

for command in 'search --dir' 'stats --dir' 'tail --dir' 'export --dir' 'report --dir' 'verify' 'index check'; do
	# shellcheck disable=SC2086 # a command and its option
	check "audit $command: the directory above a log is not taken for an empty one" \
		exits 2 weir audit $command "$STATE"
done

# Nobody waits for the record of a refusal but who asks for it.
refuses_and_tells() {
	local i

	for i in {1..20}; do
		curl -sS --unix-socket "$WEIR_SOCKET" -o /dev/null -X POST -d "{\"name\": \"n$i\", \"role\": \"king\"}" \
			http://weir/v1/keys
		weir audit search --type key.created --limit 1 -o json >"$LAB_DIR/told"
		jq -e ".events[0].details.key_name == \"n$i\"" "$LAB_DIR/told" || { cat "$LAB_DIR/told"; return 1; }
	done
}
check 'an answer has what was recorded before it was asked for' refuses_and_tells

# Who looked is in the log, once, however often the same is asked.
for i in 1 2 3; do
	weir audit search --address 198.18.200.1 >/dev/null
done
check 'searching is recorded: by whom and for what' has_record '.event_type == "audit.searched" and
	.actor.username == "root" and .details.address == "198.18.200.1"'
check 'once' test "$(count_records '.details.address == "198.18.200.1"')" = 1
curl -sS --unix-socket "$WEIR_SOCKET" -o /dev/null -w '%{http_code}\n' \
	'http://weir/v1/audit/events?text=[1-300]-nothing' >"$LAB_DIR/codes"
check 'questions beyond what can be recorded are refused' grep -qx 429 "$LAB_DIR/codes"
check 'and each of the others has its record' wait_for 5 one_record_each
sleep 1

# Following: what happens now is shown now.
timeout 10 "$WEIR" audit search --follow --type list.add --limit 1 >"$LAB_DIR/followed" 2>&1 &
follower=$!
wait_for 5 grep -qs 198.18.6.0/24 "$LAB_DIR/followed"
weir block 198.18.7.7 >/dev/null
check 'a search that follows shows what comes' wait_for 5 grep -q 198.18.7.7 "$LAB_DIR/followed"
kill "$follower" 2>/dev/null
wait "$follower" 2>/dev/null || true

stats=$(weir audit stats -o json)
check 'the statistics count every record of their range' jq -e '.records == .range.last + 1 - .range.first and
	([.severities[]] | add) == .records and ([.types.names[].count] | add) == .records' <<<"$stats"
check 'by type' jq -e '.types.names[] | select(.name == "list.add") | .count == 7' <<<"$stats"
check 'by actor' jq -e '.actors.names[] | select(.name == "root") | .count >= 8' <<<"$stats"
check 'by rule' jq -e '.rules.names[] | select(.name == "all") | .count > 0' <<<"$stats"
check 'by hour' jq -e '([.by_hour.hours[].count] | add) == .records' <<<"$stats"
check 'people read a table' grep -qE '^type +list.add +7$' <<<"$(weir audit stats)"

# A second daemon begins no second segment; the index of what there is can be made by hand.
stop_weir
check 'an index is made by hand' weir audit index rebuild "$STATE/audit"
check 'and is as it should be' weir audit index check "$STATE/audit"
check 'with it the same is found' test "$(find_offline --address 198.18.5.0/24 | wc -l)" = \
	"$(find_offline --scan --address 198.18.5.0/24 | wc -l)"
before=$(find_offline --scan --address 198.18.5.4 | wc -l)
check 'the statistics say the same with it as without' test \
	"$(weir audit stats --dir "$STATE/audit" -o json | jq -S 'del(.from_index)')" = \
	"$(weir audit stats --dir "$STATE/audit" --scan -o json | jq -S 'del(.from_index)')"
subject=$(find_offline --address 198.18.5.4 --sealed | jq -r 'select(.event_type == "list.add") | .resource.id.subject')
check 'somebody edits the index' hide_in_index "$subject"
check 'the record is hidden' test "$(find_offline --address 198.18.5.4 | wc -l)" -lt "$before"
check 'but not from a scan' test "$(find_offline --scan --address 198.18.5.4 | wc -l)" = "$before"
check 'the check finds it out' exits 1 weir audit index check "$STATE/audit"
check 'and names it' grep -q "hides record [0-9]* from searches for.*$subject" \
	<<<"$(weir audit index check "$STATE/audit" || true)"
check 'so does verification' test \
	"$(weir audit verify "$STATE/audit" -o json | jq -r .finding)" = index.changed
check 'a rebuilt index hides nothing' weir audit index rebuild "$STATE/audit"
check 'it is there again' test "$(find_offline --address 198.18.5.4 | wc -l)" = "$before"
check 'the log itself was in order all the time' verify

finish
