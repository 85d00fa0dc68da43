#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The audit chain of a real flood, checked by those who do not trust weir: whatever is changed in a
# copy of it, `weir audit verify` says so and where; and the links between records hold by sha256sum
# and jq alone.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

# damage WORDS FINDING FUNCTION - change a fresh copy of the chain; verification must fail, and say
# what it found and at which record.
damage() {
	rm -rf "$LAB_DIR/copy"
	cp -a "$LAB_DIR/state/audit" "$LAB_DIR/copy"
	(cd "$LAB_DIR/copy" && "$3")
	check "$1: found" exits 1 weir audit verify "$LAB_DIR/copy"
	# shellcheck disable=SC2016 # jq has variables, too
	check "$1: named as $2, at a record" jq -e --arg finding "$2" \
		'.ok == false and .finding == $finding and (.index | type) == "number"' \
		<<<"$(weir audit verify "$LAB_DIR/copy" -o json || true)"
}

# flip FILE OFFSET - invert the lowest bit of a byte.
flip() {
	local byte

	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %02x $((byte ^ 1)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

size() {
	stat -c %s "$1"
}

# The offset of the first place in a file that a pattern matches.
place() { # FILE PATTERN
	grep -abo -m 1 -e "$2" "$1" | head -n 1 | cut -d: -f1
}

flip_a_record() {
	flip "$FIRST" "$(place "$FIRST" ratelimit.dropped)"
}

flip_a_hash() {
	flip "$FIRST" $(($(place "$FIRST" previous_hash) + 20))
}

flip_the_header() {
	flip "$LAST" 8
}

flip_the_rest_of_the_header() {
	flip "$FIRST" 4000
}

flip_the_last_commit() {
	flip "$LAST" $(($(size "$LAST") - 40))
}

# Cut out the frame of one record: 20 bytes, the record, padding to a multiple of eight.
remove_a_record() {
	local at length

	at=$(($(place "$FIRST" '{"action":"[^"]*","actor":{[^}]*},"details":{"bytes"') - 20))
	tail -c +$((at + 21)) "$FIRST" >rest
	length=$(head -z -n 1 rest | grep -abo '}' | tail -n 1 | cut -d: -f1)
	length=$(((20 + length + 1 + 7) / 8 * 8))
	{
		head -c "$at" "$FIRST"
		tail -c +$((at + length + 1)) "$FIRST"
	} >shorter
	mv shorter "$FIRST"
	rm rest
}

truncate_to_the_header() {
	truncate -s 4096 "$LAST"
}

truncate_by_one_byte() {
	truncate -s -1 "$LAST"
}

# To the end of an earlier commit, so that what is left is in order by itself.
truncate_to_an_earlier_commit() {
	truncate -s "$SIZE_BEFORE" "$LAST"
}

append_a_byte() {
	printf x >>"$FIRST"
}

delete_a_segment() {
	rm "$FIRST"
}

delete_the_last_segment() {
	rm "$LAST"
}

delete_the_state() {
	rm state
}

delete_everything_but_the_state() {
	rm ./*.seg
}

change_a_source() {
	sed -i 's/"id":{"sealed":"...../"id":{"sealed":"AAAAA/' "$FIRST"
}

# Follow the links with nothing but jq and sha256sum: user/audit/README.md says how.
links_hold() { # RECORDS
	local line record hash previous='' n=0

	while IFS= read -r line; do
		hash=$(jq -r .hash <<<"$line")
		record=$(jq -cS 'del(.hash)' <<<"$line")
		if [[ $({ printf '\0'; printf %s "$record"; } | sha256sum) != "$hash  -" ]]; then
			echo "the hash of this record is not $hash: $record"
			return 1
		fi
		if [[ $previous && $(jq -r .previous_hash <<<"$line") != "$previous" ]]; then
			echo "the record before this one does not have its previous_hash: $record"
			return 1
		fi
		previous=$hash
		n=$((n + 1))
	done
	echo "followed $n records"
	((n == $1))
}

# As they were hashed, nothing opened.
sealed_records() {
	weir audit tail --dir "$STATE/audit" -n 10000 -o json --sealed
}

# Of the last record or, while windows close, of the one before.
names_last_hash() {
	local hash

	hash=$(status .audit.last_hash)
	records true 3 | jq -e --arg hash "$hash" 'select(.hash == $hash)'
}

forged() { # a changed record in the middle of what was exported
	jq -cS 'if .details.packets then .details.packets += 1 else . end'
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
flood --to "$LAB_HOST4:9" --base 198.18.4.0 --sources 8 --packets 100000 >/dev/null
flood --to "$LAB_HOST4:9" --base 198.18.66.6 --packets 10000 >/dev/null
has_record '.event_type == "ratelimit.dropped"'
weir block 198.18.4.1 --reason 'the first of them' >/dev/null
for i in $(seq 10); do
	weir block "198.18.5.$i" >/dev/null
done
check 'the chain verifies while the daemon writes it' verify
online=$(weir audit tail -n 30 -o json --sealed)
check 'the last 30 records: each hash and each link holds by sha256sum alone' \
	links_hold 30 <<<"$online"
check 'a forged record fails that' refuse links_hold 30 <<<"$(forged <<<"$online")"
check 'the status names the last hash' names_last_hash
stop_weir
check 'it verifies after the daemon' verify
check 'the files say what the daemon said' test "$(sealed_records | grep -cFf <(echo "$online"))" = 30
check 'all records: each hash and each link holds' \
	links_hold "$(weir audit verify "$LAB_DIR/state/audit" -o json | jq .records)" \
	<<<"$(sealed_records)"

# What a power cut leaves of a batch is no tampering: it is set aside and recorded, and the chain
# goes on in a second segment.
printf 'half a batch' >>"$LAB_DIR"/state/audit/*.seg
check 'a torn batch at the end is told, and is no tampering' \
	grep -q '12 bytes follow the last commit' <<<"$(verify)"
start_weir
check 'the next daemon records that it found one' has_record '.event_type == "audit.recovery"'
SIZE_BEFORE=$(stat -c %s "$LAB_DIR"/state/audit/*.seg | tail -n 1)
weir unblock 198.18.4.1 >/dev/null
stop_weir
check 'and the chain verifies with it' verify
mapfile -t segments < <(cd "$LAB_DIR/state/audit" && ls ./*.seg)
check 'it consists of two segments' test "${#segments[@]}" = 2
FIRST=${segments[0]} LAST=${segments[-1]}

damage 'a bit of a record is flipped' frame.damaged flip_a_record
check 'a bit of a record is flipped: the record is named by its index' test \
	"$(weir audit verify "$LAB_DIR/copy" -o json | jq .index)" = \
	"$(($(records true | grep -n -m 1 ratelimit.dropped | cut -d: -f1) - 1))"
damage 'a bit of a hash is flipped' frame.damaged flip_a_hash
damage "a bit of a segment's header is flipped" segment.header flip_the_header
damage "a bit of a header's unused rest is flipped" segment.header flip_the_rest_of_the_header
damage 'a bit of the last commit is flipped' frame.damaged flip_the_last_commit
damage 'a record is cut out' record.order remove_a_record
damage 'a source in a record is exchanged' frame.damaged change_a_source
damage 'all records are cut off' log.truncated truncate_to_the_header
damage 'the last byte is cut off' log.truncated truncate_by_one_byte
damage 'the log is cut off behind an earlier commit' log.truncated truncate_to_an_earlier_commit
damage 'a byte is appended to an earlier segment' segment.tail append_a_byte
damage 'the first segment is deleted' segment.missing delete_a_segment
damage 'the last segment is deleted' log.truncated delete_the_last_segment
damage 'the state file is deleted' state.missing delete_the_state
damage 'all segments are deleted' log.truncated delete_everything_but_the_state

finish
