#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the audit log says about people: nothing of it stands in the state directory in clear, readers with the key see
# it, readers without one do not, and neither a missing key nor another one keeps the daemon from protecting.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly KEY=$LAB_DIR/state/keys/vault.key
readonly SOURCE=198.18.4.77

sealed_records() {
	weir audit tail --dir "$STATE/audit" -n 10000 -o json --sealed | jq -c "select($1)"
}

in_clear() { # WORD... - in any file of the log or of the vault
	grep -rlaFe "$1" "$STATE"/audit "$STATE"/vault.db*
}

mode() {
	stat -c %a "$1"
}

dropped() {
	flood --to "$LAB_HOST4:9" --base "$SOURCE" --packets 5000 >/dev/null
	has_record "$1"
}

write_policy() { # AUDIT
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		limits:
		- {name: all, scope: source, rate: 10/s, burst: 10}
		$1
	YAML
}

write_policy ''
start_weir
check 'the first start makes a key, which only root can read' test "$(mode "$KEY")" = 400
check 'and says that it should lie elsewhere' grep -q 'move it elsewhere' "$LAB_DIR/daemon.log"
check 'traffic of a source is recorded, and readers see its address' \
	dropped ".event_type == \"ratelimit.dropped\" and .resource.id == \"$SOURCE\""
weir block 198.18.66.6 --reason 'asked for by Erika Mustermann' >/dev/null
check 'so does the API' grep -q '"id":"198.18.66.6"' \
	<<<"$(curl -s --unix-socket "$WEIR_SOCKET" 'http://weir/v1/audit/events?limit=5')"
check 'and the text for people' grep -q 'root.*block 198.18.66.6.*Erika' <<<"$(weir audit tail -n 5)"
check 'who blocked, what and why is sealed in the log' test "$(sealed_records \
	'.event_type == "list.add" and .resource.id.sealed and .actor.username.sealed and .details.reason.sealed')"
check 'what the daemon did by itself names no person: nothing of it is sealed' test "$(sealed_records \
	'.event_type == "system.start" and .actor.username == "weir"')"
for word in "$SOURCE" 198.18.66.6 Mustermann '"username":"root"'; do
	check "in no file stands $word" refuse in_clear "$word"
done
check 'the log verifies' verify
check 'the status of the vault counts its subjects' \
	jq -e '.state == "works" and .subjects >= 4 and .refused == 0 and .personal.traffic == "sealed"' \
	<<<"$(weir vault status -o json)"
check 'weir vault status is a table for people' grep -q '^sealed in *traffic' <<<"$(weir vault status)"
check 'the doctor finds it in order' \
	jq -e 'any(.checks[]; .check == "vault" and .status == "ok")' <<<"$(weir doctor -o json || true)"

# Whoever copies the log has it without anybody in it.
cp -a "$STATE/audit" "$LAB_DIR/audit"
without_vault() {
	weir audit tail --dir "$LAB_DIR/audit" -o json | jq -c "select($1)" | grep .
}
check 'a copy of the log without the vault says that there is no key' \
	without_vault '.event_type == "list.add" and .resource.id.state == "no_key"'

cp -p "$KEY" "$LAB_DIR/former"
check 'weir vault rotate: another key' weir vault rotate
check 'the key is another one' refuse cmp -s "$KEY" "$LAB_DIR/former"
check 'with a record' has_record '.event_type == "vault.rotated" and .actor.username == "root" and .outcome == "success"'
check 'and what was sealed before is read with it' has_record '.resource.id == "198.18.66.6"'
check 'the former key opens nothing' test -z "$(weir audit tail --dir "$STATE/audit" -n 10000 -o json \
	--vault-key "$LAB_DIR/former" | jq -c 'select(.resource.id == "198.18.66.6")')"

write_policy 'audit: {personal: {traffic: truncated, lists: clear}}'
weir policy apply >/dev/null
check 'a policy may have traffic truncated to its network' \
	dropped '.event_type == "ratelimit.dropped" and .resource.id == "198.18.4.0/24"'
weir block 198.18.66.7 >/dev/null
check 'and lists in clear' in_clear 198.18.66.7

stop_weir
mv "$KEY" "$LAB_DIR/moved"
write_policy ''
start_weir
check 'without its key the daemon starts, and makes no other one' test ! -e "$KEY"
has_record '.event_type == "vault.unavailable"'
check 'one record says so' test "$(records '.event_type == "vault.unavailable" and .outcome == "failure"' | wc -l)" = 1
check 'so does the status' grep -q 'VAULT LOCKED (no_key)' <<<"$(weir status)"
check 'and the doctor' jq -e 'any(.checks[]; .check == "vault" and .status == "fail")' \
	<<<"$(weir doctor -o json || true)"
check 'it protects' dropped '.event_type == "ratelimit.dropped" and .resource.id == "198.18.4.0/24"'
weir block 198.18.67.7 --reason 'from 198.18.67.9' >/dev/null
check 'what is recorded meanwhile has networks and no names' has_record '.event_type == "list.add" and
	.resource.id == "198.18.67.0/24" and .actor.username == "" and .details.reason == "from 198.18.67.0/24"'
check 'what was sealed before is told from what is erased' has_record '.resource.id.state? == "no_key"'
check 'a key cannot be changed that is not there' exits 1 weir vault rotate
check 'which is recorded, too' has_record '.event_type == "vault.rotated" and .outcome == "failure"'
cp -p "$LAB_DIR/moved" "$KEY"
check 'as soon as the key is back it is used' has_record '.event_type == "vault.recovered"'
rm "$KEY"
stop_weir
start_weir --vault-key "$LAB_DIR/moved"
check 'with the key from elsewhere all is as before' test \
	"$(weir audit tail -n 10000 -o json | jq -c 'select(.resource.id == "198.18.66.6")')"
check 'the log verifies' verify
stop_weir

weir detach --state-dir "$STATE" --bpffs "$LAB_BPFFS" --vault-key "$LAB_DIR/moved" >/dev/null
check 'detach without a daemon seals who did it' \
	test "$(sealed_records '.event_type == "system.detach" and .actor.username.sealed')"

finish
