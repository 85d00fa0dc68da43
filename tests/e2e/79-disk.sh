#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A full disk: packets are judged as before, changes are refused, and the log says from when to when.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/e2e/disk.sh
. "$(dirname "${BASH_SOURCE[0]}")/disk.sh"
need_root

# A disk of three megabytes in a mount namespace of its own: it is gone when the lab is.
small_disk() {
	# shellcheck disable=SC2016 # of the inner shell
	private_mounts 'mount -t tmpfs -o size=3m,mode=700 tmpfs "$0"'
}

fill_the_disk() {
	cat /dev/zero >>"$DISK/ballast" 2>/dev/null || true
	[[ $(stat -f -c %a "$DISK") == 0 ]]
}

write_policy refuse
small_disk
start_weir --state-dir "$LAB_DIR/disk/state"
check 'there is a reserve' test -s "$STATE/audit/reserve"
fill_the_disk
check 'with a full disk, changes are refused' block_until_refused
check 'the log says from when on: its reserve was room enough' has_record \
	'.event_type == "audit.storage_full"'
check 'the reserve is used up' test ! -e "$STATE/audit/reserve"
check 'no change is made without a record' refuse \
	weir unblock "$(weir lists block -o json | jq -r '[.items[] | select(.cidr | startswith("198.18.70"))][0].cidr')"
check 'a refusal has a status and says what to do' \
	grep -q '^HTTP/1.1 507' <<<"$(curl -si --unix-socket "$WEIR_SOCKET" -X POST http://weir/v1/lists/block \
		-d '{"cidr":"198.18.71.1"}')"
write_policy allow
kill -HUP "$WEIR_PID"
check 'a policy is not applied either' wait_for 5 grep -q 'on_full: refuse' "$LAB_DIR/daemon.log"
check 'the panic switch works' weir panic monitor --reason 'disk test'
check 'and back' weir panic clear --reason 'disk test'
check 'the status says why' jq -e '.audit.degraded and (.audit.degraded_because | test("No space"))' \
	<<<"$(weir status -o json)"
check 'the metrics say so' grep -qx 'weir_audit_degraded 1' <<<"$(weir metrics)"
check 'the doctor says so' grep -q 'No space' <<<"$(weir doctor 2>&1 || true)"
flood --to "$LAB_HOST4:9" --base 198.18.4.0 --sources 8 --packets 100000 >/dev/null
check 'limits hold all the same' test "$(count drop over_packets)" -gt 90000
check 'and the block list' test "$(echoes_from 198.18.66.6)" = 0
fill_the_disk
check 'without a reserve nothing is written' wait_for 15 cannot_write
rm "$DISK/ballast"
check 'with space again the chain goes on by itself' wait_for 10 degraded false
check 'the log says until when' has_record '.event_type == "audit.storage_restored"'
check 'and for how long nothing was written' has_record '.event_type == "audit.storage_error"'
check 'what was refused is a record, with who wanted it' tells \
	'.event_type == "audit.change_refused" and .actor.username == "root" and .outcome == "denied"'
check 'there is a reserve again' test -s "$STATE/audit/reserve"
check 'changes are made again' jq -e '.audit == "durable"' <<<"$(weir block 198.18.71.2 -o json)"
check 'each dropped packet is in the chain once' wait_for 15 all_in_chain
check 'the chain verifies, heartbeats and all' verify
weir policy apply "$LAB_DIR/policy.yaml" >/dev/null
fill_the_disk
check 'a policy that allows it: changes are made all the same' weir block 198.18.71.3
check 'also when the log says that it is full' wait_for 10 degraded true
check 'and take effect' weir block 198.18.71.4
rm "$DISK/ballast"
check 'their records follow' wait_for 10 tells '.resource.id == "198.18.71.4"'
stop_weir
check 'the chain verifies after the daemon' verify
finish
