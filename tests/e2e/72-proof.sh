#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Proofs of the audit log of a real flood: what checkpoints cover, that a record is in the log and that the log only
# ever grew, all of it checked by weir and by a verifier in Python that shares nothing with it; the same after changes
# by somebody who has not got the key.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly ORACLE=tests/audit/oracle.py

oracle() {
	python3 "$ORACLE" "$@"
}

checkpoint_size() {
	weir audit checkpoint | sed -n 2p
}

# covered_since FILE - there is a later checkpoint than that.
covered_since() {
	weir block 198.51.100.98 >/dev/null 2>&1
	(($(checkpoint_size) > $(sed -n 2p "$1")))
}

covered() {
	[[ $(checkpoint_size) == $(status .audit.records) ]]
}

# verdict [OPTION...] JQ-FILTER - of the stopped or running daemon's log.
verdict() {
	jq -e "${*: -1}" <<<"$(weir audit verify "$STATE/audit" -o json "${@:1:$#-1}" || true)"
}

# both_refuse WORDS FINDING DIR [OPTION...] - weir names the finding, and the oracle refuses, too.
both_refuse() {
	local words=$1 finding=$2 dir=$3

	shift 3
	check "$words: weir says $finding" test \
		"$(weir audit verify "$dir" -o json "$@" | jq -r .finding)" = "$finding"
	check "$words: the oracle refuses it, too" exits 1 oracle log "$dir" "$@"
}

fresh_copy() {
	rm -rf "$LAB_DIR/copy"
	cp -a "$STATE/audit" "$LAB_DIR/copy"
}

# flip FILE OFFSET - invert the lowest bit of a byte.
flip() {
	local byte

	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %02x $((byte ^ 1)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# A web server for one request; sets PORT.
serve_anchor() {
	python3 - "$LAB_DIR" <<-'PYTHON' &
		import http.server, sys
		class Handler(http.server.BaseHTTPRequestHandler):
		    def do_POST(self):
		        with open(sys.argv[1] + "/posted", "wb") as f:
		            f.write(self.rfile.read(int(self.headers["Content-Length"])))
		        self.send_response(201)
		        self.end_headers()
		        self.wfile.write(b"kept\n")
		    def log_message(self, *args):
		        pass
		server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
		server.timeout = 20
		with open(sys.argv[1] + "/port.new", "w") as f:
		    print(server.server_port, file=f)
		import os
		os.rename(sys.argv[1] + "/port.new", sys.argv[1] + "/port")
		server.handle_request()
	PYTHON
	wait_for 10 test -s "$LAB_DIR/port"
	PORT=$(<"$LAB_DIR/port")
}

if ! command -v python3 >/dev/null; then
	skip 'proofs are checked by a second verifier' 'there is no python3'
	finish
fi
policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits:
	  - {name: per-source, scope: source, rate: 5/s, burst: 5}
YAML
start_weir
KEY=$(weir audit keys -o json | jq -r '.keys[-1].key')
flood --to "$LAB_HOST4:9" --base 198.18.4.1 --sources 200 --packets 4000 >/dev/null
for ((i = 0; i < 40; i++)); do
	weir block "198.51.100.$i" >/dev/null
done
has_record '.event_type == "ratelimit.dropped"'
check 'a checkpoint covers all records soon' wait_for 10 covered
weir audit checkpoint >"$LAB_DIR/early"
EARLY=$(sed -n 2p "$LAB_DIR/early")
cp -a "$STATE/audit" "$LAB_DIR/older"

check 'verify, while weir runs, says that the checkpoint covers the log' \
	verdict '.ok and .checkpoint.covers and .checkpoint.signature == "own"'
check 'with the key it counts that signature only' \
	verdict --key "$KEY" '.ok and .checkpoint.signature == "given"'
for ((i = 0; i < 150; i++)); do
	weir unblock "198.51.100.$((i % 40))" >/dev/null 2>&1 || true
done
check 'more records are covered' wait_for 10 covered
weir audit checkpoint >"$LAB_DIR/late"
check 'a checkpoint that was kept covers its part, and what follows is told' \
	verdict --checkpoint "$LAB_DIR/early" --key "$KEY" \
	".ok and .checkpoint_given.covers and .checkpoint_given.records == $EARLY and .length > $EARLY"

check 'nobody has the checkpoint yet' verdict '.anchor == null'
check 'it is handed out to a file' weir audit anchor --file "$LAB_DIR/anchored"
check 'which covers the log from then on' verdict --checkpoint "$LAB_DIR/anchored" --key "$KEY" '.checkpoint_given.covers'
check 'and to a command' weir audit anchor --exec "cmp - $LAB_DIR/anchored >/dev/null || cat >$LAB_DIR/again; echo receipt 7"
check 'of which the receipt is recorded, and no argument' has_record '.event_type == "audit.anchored" and
	.details.receipt == "receipt 7" and .details.anchor_target == "cmp" and .details.size > 0'
check 'verify tells how much came after it' verdict ".anchor.records > $EARLY and .anchor.records_after > 0"
check 'a command that fails' exits 1 weir audit anchor --exec 'exit 3'
check 'and one that does not end' exits 1 weir audit anchor --exec 'sleep 60' --timeout 300ms
check 'are records of failures' test "$(records '.event_type == "audit.anchor_failed" and .outcome == "failure"' |
	jq -r .details.words | sort | tr '\n' '|')" = \
	'the command did not end in time|the command ended with status 3|'
serve_anchor
check 'and to a web server' weir audit anchor --url "http://me:secret@127.0.0.1:$PORT/keep?token=secret"
check 'which has it' grep -q "^$(head -n 1 "$LAB_DIR/anchored")" "$LAB_DIR/posted"
check 'no secret of the URL is recorded' has_record ".event_type == \"audit.anchored\" and
	.details.anchor_target == \"http://127.0.0.1:$PORT/keep\" and .details.receipt == \"kept\""
check 'a server that is not there' exits 1 weir audit anchor --url http://127.0.0.1:1/ --timeout 2s

ID=$(records '.event_type == "list.add"' | jq -rs '.[0].event_id')
weir audit prove "$ID" --dir "$STATE/audit" >"$LAB_DIR/one.tlog-proof"
check 'a record is proved by its event_id' grep -q '^c2sp.org/tlog-proof@v1$' "$LAB_DIR/one.tlog-proof"
check 'the file verifies alone' weir audit prove --check "$LAB_DIR/one.tlog-proof" --key "$KEY"
check 'and has the record in it' test \
	"$(weir audit prove --check "$LAB_DIR/one.tlog-proof" --key "$KEY" 2>/dev/null | jq -r .event_id)" = "$ID"
check 'so says the oracle' oracle proof "$LAB_DIR/one.tlog-proof" --key "$KEY"
check 'without a key it proves nothing' exits 1 \
	weir audit prove --check "$LAB_DIR/one.tlog-proof" --dir "$LAB_DIR/nowhere"
sed '4s/^./0/;t' "$LAB_DIR/one.tlog-proof" >"$LAB_DIR/forged"
flip "$LAB_DIR/forged" 60
check 'a changed one is refused' exits 1 weir audit prove --check "$LAB_DIR/forged" --key "$KEY"
check 'by the oracle, too' exits 1 oracle proof "$LAB_DIR/forged" --key "$KEY"
check 'a record that is not there has no proof' exits 1 weir audit prove 99999999 --dir "$STATE/audit"
check 'the later checkpoint continues the earlier' \
	weir audit consistency "$LAB_DIR/early" "$LAB_DIR/late" --dir "$STATE/audit" --key "$KEY"
check 'and not the other way round' exits 1 \
	weir audit consistency "$LAB_DIR/late" "$LAB_DIR/early" --dir "$STATE/audit" --key "$KEY"

# By itself: a policy chooses among programs that root put in a directory.
mkdir -m 755 "$LAB_DIR/anchor.d"
printf '#!/bin/sh\ncat >%s/kept\necho by itself\n' "$LAB_DIR" >"$LAB_DIR/anchor.d/keep"
chmod 777 "$LAB_DIR/anchor.d/keep"
stop_weir
policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	audit: {anchor: {every: 10s, exec: keep}}
YAML
start_weir --anchor-dir "$LAB_DIR/anchor.d"
check 'a program that others may write to is not run' wait_for 15 grep -q 'is not handed out' "$LAB_DIR/daemon.log"
chmod 755 "$LAB_DIR/anchor.d/keep"
check 'one of root is, as the policy says' has_record \
	'.event_type == "audit.anchored" and .details.by_policy == true and .details.receipt == "by itself"'
check 'with the checkpoint' grep -q "^$(head -n 1 "$LAB_DIR/early")" "$LAB_DIR/kept"
wait_for 10 covered

# Another key signs, and the former one is gone, as it is after 30 days.
weir audit keys rotate --reason test >/dev/null
wait_for 10 covered
stop_weir
rm "$STATE/keys/audit.former.pem"
start_weir
weir unblock 198.51.100.1 >/dev/null 2>&1 || true
wait_for 10 covered
NEW_KEY=$(weir audit keys -o json | jq -r '.keys[-1].key')
check 'another key signs now' test "$KEY" != "$NEW_KEY"
check 'the key that somebody kept leads to it' verdict --key "$KEY" \
	'.ok and .checkpoint.covers and .checkpoint.signature == "followed" and .checkpoint.signer == "'"$NEW_KEY"'"'
check 'so says the oracle' oracle log "$STATE/audit" --key "$KEY"
check 'with the new key, verify says since which record it signs' verdict --key "$NEW_KEY" \
	'.ok and .checkpoint.signature == "given" and .key_announced_at > 0'
check 'a checkpoint by the former key counts for its time' verdict --checkpoint "$LAB_DIR/late" --key "$NEW_KEY" \
	'.ok and .checkpoint_given.covers and .checkpoint_given.signature == "followed"'
check 'so says the oracle of it' oracle log "$STATE/audit" --checkpoint "$LAB_DIR/late" --key "$NEW_KEY"
weir audit prove "$ID" --dir "$STATE/audit" >"$LAB_DIR/rotated.tlog-proof"
weir audit checkpoint >"$LAB_DIR/rotated"
check 'a proof has the rotations in it: the former key leads to who signed' jq -e \
	'.signature == "followed" and .signer == "'"$NEW_KEY"'"' \
	<<<"$(weir audit prove --check "$LAB_DIR/rotated.tlog-proof" --key "$KEY" -o json)"
check 'so says the oracle of the proof' oracle proof "$LAB_DIR/rotated.tlog-proof" --key "$KEY"
check 'a proof from before leads to nobody who came later' exits 1 \
	weir audit prove --check "$LAB_DIR/one.tlog-proof" --key "$NEW_KEY"
for key in "$KEY" "$NEW_KEY"; do
	check "checkpoints of both keys continue each other, for who has ${key%+*}" \
		weir audit consistency "$LAB_DIR/late" "$LAB_DIR/rotated" --dir "$STATE/audit" --key "$key"
done
check 'and not for who has a key of another log' exits 1 weir audit consistency "$LAB_DIR/late" "$LAB_DIR/rotated" \
	--dir "$STATE/audit" --key "vm/weir/d76f51bd+aeb52583+AQY7ddyva888m+YWVo/GMWnLRpGRRd4Ouu4Dr2x6tC7j"
FORMER=$KEY
KEY=$NEW_KEY

weir audit tlog "$LAB_DIR/tlog" --dir "$STATE/audit" >/dev/null
check 'the tree is written for other tools' oracle tlog "$LAB_DIR/tlog" --key "$KEY"

stop_weir
check 'of the log at rest, the oracle says the same as weir' test \
	"$(oracle log "$STATE/audit" --key "$KEY" | grep -o 'last hash .*')" = \
	"$(weir audit verify "$STATE/audit" | grep -o 'last hash .*')"
check 'the older copy is in order by itself' weir audit verify "$LAB_DIR/older"
both_refuse 'the older copy, and a later checkpoint' log.rolled_back "$LAB_DIR/older" \
	--checkpoint "$LAB_DIR/late" --key "$FORMER"
fresh_copy
flip "$LAB_DIR/copy/tile/0/000" 100
both_refuse 'a changed tile' tile.changed "$LAB_DIR/copy"
fresh_copy
flip "$LAB_DIR/copy/checkpoint" $(($(stat -c %s "$LAB_DIR/copy/checkpoint") - 20))
both_refuse 'a changed signature' checkpoint.signature "$LAB_DIR/copy"
fresh_copy
rm "$LAB_DIR/copy/checkpoint"
both_refuse 'no checkpoint, to those who know the key' checkpoint.missing "$LAB_DIR/copy" --key "$KEY"

# weir finds damage when it starts, and begins anew behind it: both parts are verified, and proofs work in both.
flip "$STATE/audit/00000000000000000000.seg" 6000
rm "$STATE/audit/state"
start_weir
weir block 198.51.100.99 >/dev/null
wait_for 10 grep -q '/1$' "$STATE/audit/1/checkpoint"
weir audit checkpoint >"$LAB_DIR/second"
check 'of a log of two incarnations, the second is verified by itself' verdict --checkpoint "$LAB_DIR/second" --key "$KEY" \
	'.ok == false and (.incarnations | length) == 2 and .incarnations[1].ok and .incarnations[1].checkpoint_given.covers
	and .incarnations[1].checkpoint.signature == "given"'
check 'and people are told of each' grep -q '^incarnation 1, from record [0-9]* on: ok' \
	<(weir audit verify "$STATE/audit" || true)
check 'the second has a checkpoint soon that covers the block' wait_for 10 covered_since "$LAB_DIR/second"
ID=$(records '.event_type == "list.add"' | jq -rs '.[-1].event_id')
wait_for 10 weir audit prove "$ID" --dir "$STATE/audit" 2>/dev/null >"$LAB_DIR/two.tlog-proof"
check 'a record of it is proved' weir audit prove --check "$LAB_DIR/two.tlog-proof" --key "$KEY"
check 'and the oracle agrees' oracle proof "$LAB_DIR/two.tlog-proof" --key "$KEY"
weir audit checkpoint >"$LAB_DIR/third"
check 'it was only appended to' weir audit consistency "$LAB_DIR/second" "$LAB_DIR/third" --dir "$STATE/audit" --key "$KEY"
check 'and does not continue the first one' exits 1 \
	weir audit consistency "$LAB_DIR/late" "$LAB_DIR/third" --dir "$STATE/audit" --key "$FORMER"
weir audit tlog "$LAB_DIR/tlogs" --dir "$STATE/audit" >/dev/null 2>&1 || true
check 'it is written for other tools, in a directory of its own' oracle tlog "$LAB_DIR/tlogs/1" --key "$KEY"
finish
