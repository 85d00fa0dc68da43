#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The signed checkpoint of the audit log, checked by those who do not trust weir: the signature by openssl from the
# verifier key alone, the root by sha256sum from the records. Rotation, a kill, and a log that was put back to what it
# was an hour ago.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

checkpoint_size() {
	weir audit checkpoint | sed -n 2p
}

# All durable records are covered.
covered() {
	[[ $(status '.audit.checkpoint.state') == sealing ]] &&
		[[ $(checkpoint_size) == $(status .audit.records) ]]
}

is_in_state() { # STATE
	[[ $(status .audit.checkpoint.state) == "$1" ]]
}

signing_key() { # NUMBER - of those that sign, the newest is 1
	weir audit keys -o json | jq -r ".keys | reverse | .[$1 - 1].key"
}

# The base64 of a verifier key, which may have '+' in it, as a public key that openssl reads.
to_pem() { # BASE64
	echo '-----BEGIN PUBLIC KEY-----'
	{
		printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00'
		base64 -d <<<"$1" | tail -c 32
	} | base64
	echo '-----END PUBLIC KEY-----'
}

# openssl finds that VERIFIER-KEY signed the note in FILE.
signed_by() { # FILE VERIFIER-KEY
	local name=${2%%+*} rest=${2#*+} id line

	id=${rest%%+*}
	to_pem "${rest#*+}" >"$LAB_DIR/key.pem"
	sed '/^$/Q' "$1" >"$LAB_DIR/text"
	while read -r _ who line; do
		[[ $who == "$name" ]] || continue
		base64 -d <<<"$line" >"$LAB_DIR/raw"
		[[ $(od -An -tx1 -N4 "$LAB_DIR/raw" | tr -d ' \n') == "$id" ]] || continue
		tail -c 64 "$LAB_DIR/raw" >"$LAB_DIR/signature"
		openssl pkeyutl -verify -rawin -pubin -inkey "$LAB_DIR/key.pem" -in "$LAB_DIR/text" \
			-sigfile "$LAB_DIR/signature"
		return
	done < <(grep '^— ' "$1")
	return 1
}

# The bytes that hexadecimal digits are.
bytes() { # HEX
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$(fold -w 2 <<<"$1" | sed 's/^/\\x/' | tr -d '\n')"
}

node() { # LEFT RIGHT
	bytes "01$1$2" | sha256sum | cut -d' ' -f1
}

# The root of the leaf hashes on stdin, by the definition of RFC 6962: pair them off, level by level.
root() {
	local -a level next

	mapfile -t level
	while ((${#level[@]} > 1)); do
		next=()
		for ((i = 0; i + 1 < ${#level[@]}; i += 2)); do
			next+=("$(node "${level[i]}" "${level[i + 1]}")")
		done
		((${#level[@]} % 2)) && next+=("${level[-1]}")
		level=("${next[@]}")
	done
	bytes "${level[0]}" | base64
}

# The root in the note is that of the records.
root_is_true() { # FILE
	local size

	size=$(sed -n 2p "$1")
	[[ $(records true | head -n "$size" | jq -r .hash | root) == "$(sed -n 3p "$1")" ]]
}

add_records() { # COUNT
	local i

	for ((i = 0; i < $1; i++)); do
		weir block "198.51.100.$i" >/dev/null
		weir unblock "198.51.100.$i" >/dev/null
	done
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
YAML
start_weir
add_records 5
check 'a checkpoint covers all records soon' wait_for 10 covered
weir audit checkpoint >"$LAB_DIR/first"
FIRST_KEY=$(signing_key 1)
check 'the key is one for this log' grep -qE '^[^+ ]+/weir/[0-9a-f]{8}\+[0-9a-f]{8}\+' <<<"$FIRST_KEY"
check 'the checkpoint is of the log that the key names' test "$(head -n 1 "$LAB_DIR/first")" = "${FIRST_KEY%%+*}"
check 'openssl finds its signature good' signed_by "$LAB_DIR/first" "$FIRST_KEY"
check 'its root is that of the records, by sha256sum' root_is_true "$LAB_DIR/first"
check 'the record of the key is in the log' has_record \
	".event_type == \"audit.key_created\" and .details.key == \"$FIRST_KEY\""
check 'the private key is for nobody else' test "$(stat -c %a "$STATE/keys/audit.pem")" = 400
check 'the files say the same without the daemon' cmp "$LAB_DIR/first" \
	<(weir audit checkpoint --dir "$STATE/audit")
check 'the metrics say that nothing is behind' grep -q '^weir_audit_checkpoint_records 0' <(weir metrics)

check 'a key can be rotated' weir audit keys rotate --reason 'once a year'
SECOND_KEY=$(signing_key 1)
check 'another key signs' test "$SECOND_KEY" != "$FIRST_KEY"
check 'until the overlap ends both do' wait_for 10 covered
weir audit checkpoint >"$LAB_DIR/second"
check 'the new key signed' signed_by "$LAB_DIR/second" "$SECOND_KEY"
check 'the old key signed along' signed_by "$LAB_DIR/second" "$FIRST_KEY"
records '.event_type == "audit.key_rotated"' | jq -r .details.note >"$LAB_DIR/note"
check 'the record of it is signed by the old key' signed_by "$LAB_DIR/note" "$FIRST_KEY"
check 'and by the new one' signed_by "$LAB_DIR/note" "$SECOND_KEY"
check 'it says who and why' has_record '.event_type == "audit.key_rotated" and .actor.user_id == "0"
	and .details.reason == "once a year" and .severity == 3'

# Full tiles: more than 256 records, from a flood of sources.
flood --to "$LAB_HOST4:9" --base 198.18.4.1 --packets 100 >/dev/null
add_records 130
check 'a full tile is written' wait_for 10 test -s "$STATE/audit/tile/0/000"
check 'and has 256 hashes' test "$(stat -c %s "$STATE/audit/tile/0/000")" = 8192
check 'of which the first is that of record 0' test \
	"$(od -An -tx1 -N32 "$STATE/audit/tile/0/000" | tr -d ' \n')" = \
	"$(records '.index == 0' | jq -r .hash)"

kill -KILL "$WEIR_PID"
wait_for 10 refuse is_alive "$WEIR_PID"
weir audit checkpoint --dir "$STATE/audit" >"$LAB_DIR/killed"
rm "$STATE/audit/tile/0/000"
start_weir
check 'after a kill and the loss of a tile it goes on' wait_for 10 covered
check 'the tile was computed again' test -s "$STATE/audit/tile/0/000"
weir audit checkpoint >"$LAB_DIR/third"
check 'and the root is that of the records' root_is_true "$LAB_DIR/third"
check 'under the same name' test "$(head -n 1 "$LAB_DIR/third")" = "$(head -n 1 "$LAB_DIR/first")"
stop_weir
check 'the end of a daemon is covered, too' test \
	"$(sed -n 2p "$STATE/audit/checkpoint")" = "$(weir audit verify "$STATE/audit" -o json | jq .records)"

# Somebody puts the log back to what it was: the chain by itself is in order.
cp -a "$STATE/audit" "$LAB_DIR/earlier"
start_weir
add_records 3
wait_for 10 covered
stop_weir
cp -a "$LAB_DIR/earlier/state" "$LAB_DIR"/earlier/*.seg "$STATE/audit"
check 'a log that was put back is behind its checkpoint' test \
	"$(weir audit verify "$STATE/audit" -o json | jq -r .finding)" = log.rolled_back
cp "$STATE/audit/checkpoint" "$LAB_DIR/signed"
start_weir
check 'but not against what was signed' wait_for 10 is_in_state halted
check 'which is a record' has_record '.event_type == "audit.violation" and (.details.reason | test("records were signed"))'
add_records 20
check 'nothing more is signed' cmp "$LAB_DIR/signed" "$STATE/audit/checkpoint"
check 'the status says so' grep -q 'AUDIT NOT SIGNED' <(weir status)
check 'and a metric' grep -q '^weir_audit_checkpoint_halted 1' <(weir metrics)
check 'an operator acknowledges it' weir audit checkpoint acknowledge --reason 'restored on purpose'
check 'it is signed again' wait_for 10 covered
weir audit checkpoint >"$LAB_DIR/fourth"
check 'under another name' test "$(head -n 1 "$LAB_DIR/fourth")" != "$(head -n 1 "$LAB_DIR/first")"
check 'by its key' signed_by "$LAB_DIR/fourth" "$(signing_key 1)"
check 'what was signed before is kept' cmp "$LAB_DIR/signed" "$STATE"/audit/checkpoint.contradicted-*
check 'there is nothing to acknowledge twice' exits 5 weir audit checkpoint acknowledge
check 'which is a record, too' has_record '.event_type == "audit.acknowledged" and .outcome == "failure"'
stop_weir
finish
