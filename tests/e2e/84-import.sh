#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Imports: a ruleset of nft and an ipset that the kernel enforces, told by what gets through; then weir with what it imported of
# them, without them, and the same sources get the same through. Entries that go to the daemon; what is refused.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly FREE=198.18.70.1 BLOCKED=198.18.66.6 EXCEPTION=198.18.66.7 FOE=198.18.80.1 BANNED=198.18.81.1
readonly BURST=5 # of 10

for tool in nft ipset iptables-legacy sqlite3; do
	if ! command -v "$tool" >/dev/null; then
		skip 'what nft and ipset do, weir does with what it imports' "needs $tool"
		finish
	fi
done

firewall() { # on|off
	if [[ $1 == off ]]; then
		lab_host nft flush ruleset
		lab_host iptables-legacy -F INPUT
		lab_host ipset destroy
		return
	fi
	lab_host nft -f - <<-NFT || return
		table inet filter {
			set bad {
				type ipv4_addr
				flags interval
				elements = { 198.18.66.0/24 }
			}
			set seen {
				type ipv4_addr
				flags dynamic
				size 65535
			}
			chain input {
				type filter hook input priority filter; policy accept;
				iif lo accept
				ip saddr $EXCEPTION accept
				ip saddr @bad counter drop
				ip protocol icmp update @seen { ip saddr limit rate over 1/hour burst $BURST packets } drop
				tcp dport 2323 drop
			}
		}
	NFT
	lab_host ipset create foes hash:ip timeout 3600 comment &&
		lab_host ipset add foes "$FOE" timeout 1800 comment 'port scan' &&
		lab_host iptables-legacy -A INPUT -m set --match-set foes src -j DROP
}

# What each of the sources gets through, of ten.
picture() {
	echo "$(echoes_from "$FREE") $(echoes_from "$BLOCKED") $(echoes_from "$EXCEPTION") $(echoes_from "$FOE")"
}

if ! firewall on >"$LAB_DIR/output" 2>&1; then
	skip 'what nft and ipset do, weir does with what it imports' "this kernel refuses: $(head -c 200 "$LAB_DIR/output" | tr '\n' ' ')"
	finish
fi
before=$(picture)
check 'nft and ipset block and limit' test "$before" = "$BURST 0 10 0"
lab_host nft -j list ruleset >"$LAB_DIR/nft.json"
lab_host ipset save >"$LAB_DIR/ipset.save"
firewall off
check 'without them all of it gets through' test "$(picture)" = '10 10 10 10'

mkdir "$LAB_DIR/conf.d"
import() { # TOOL FILE [OPTION...]
	"$WEIR" import "$@"
}
check 'a ruleset becomes a fragment of a policy' \
	import nft "$LAB_DIR/nft.json" --format fragment --file "$LAB_DIR/conf.d/10-nft.yaml"
cp "$LAB_DIR/output" "$LAB_DIR/said"
check 'what it could not translate is named with its place' \
	grep -q "not translated: inet filter input handle [0-9]*: 'tcp dport 2323 drop': " "$LAB_DIR/said"
import ipset "$LAB_DIR/ipset.save" >"$LAB_DIR/whole.yaml"
chmod 600 "$LAB_DIR/whole.yaml"
check 'an ipset becomes a policy' weir policy check --strict "$LAB_DIR/whole.yaml"
check 'which is written as all are' weir policy fmt --check "$LAB_DIR/whole.yaml"
check 'by a pipe, as a fragment' \
	import ipset --format fragment --file "$LAB_DIR/conf.d/20-ipset.yaml" <"$LAB_DIR/ipset.save"
check 'with --strict what is not translated is a failure' exits 1 import nft "$LAB_DIR/nft.json" --strict
check 'what no tool prints is a failure' exits 1 import nft "$LAB_DIR/ipset.save"
check 'a tool that nobody knows is a usage error' exits 2 import pf "$LAB_DIR/ipset.save"
check 'a summary for programs' eval "import nft '$LAB_DIR/nft.json' -o json 2>/dev/null |
	jq -e '.tool == \"nft\" and .translated.limits == 1 and (.skipped | length) == .skipped_count and
		all(.skipped[]; .why and .place)'"

write_policy() { # MODE
	policy <<-YAML
		apiVersion: weir/v1
		mode: $1
		include: [conf.d/*.yaml]
	YAML
}

write_policy monitor
start_weir
check 'in mode monitor all of it gets through' test "$(picture)" = '10 10 10 10'
check 'and is counted as what would be dropped' test "$(count would_drop blocked)" = 20
stop_weir
weir detach --state-dir "$STATE" --bpffs "$LAB_BPFFS" >/dev/null 2>&1 || true
write_policy enforce
start_weir
check 'weir treats the sources as nft and ipset did' test "$(picture)" = "$before"
why() {
	weir source "$FOE" | tee /dev/stderr | grep -q 'ipset: foes: port scan'
}
check 'an entry says where it is from' why

# Entries that the daemon takes, as an operator's.
sqlite3 "$LAB_DIR/fail2ban.sqlite3" "CREATE TABLE bips(ip TEXT, jail TEXT, timeofban INTEGER, bantime INTEGER);
	INSERT INTO bips VALUES('$BANNED', 'sshd', $(date +%s), 3600), ('198.18.81.2', 'sshd', 1000000000, 600)"
import fail2ban - <"$LAB_DIR/fail2ban.sqlite3" >"$LAB_DIR/said" 2>&1 || true
check 'a database on a pipe is refused in words' grep -q 'has to be a file' "$LAB_DIR/said"
check 'what --apply would do can be asked' test 'would apply 1 entries' = \
	"$(import fail2ban "$LAB_DIR/fail2ban.sqlite3" --apply --dry-run 2>/dev/null)"
check 'what stands against it is refused, with the reason' exits 5 \
	env SSH_CONNECTION="$BANNED 50022 $LAB_HOST4 22" "$WEIR" import fail2ban "$LAB_DIR/fail2ban.sqlite3" --apply --dry-run
check 'and nothing is changed by that' test "$(echoes_from "$BANNED")" -gt 0
check 'bans of fail2ban are applied' import fail2ban "$LAB_DIR/fail2ban.sqlite3" --apply
check 'and hold' test "$(echoes_from "$BANNED")" = 0
# shellcheck disable=SC2016 # jq's own variables
listed() {
	weir lists block -o json | jq -e --arg a "$BANNED" \
		'.items[] | select(.cidr == $a) | .reason == "fail2ban: sshd" and .left_seconds > 3000'
}
check 'with their time and their reason' listed
check 'and are in the audit log' has_record '.event_type == "list.add"'
check 'without a daemon, --apply says so' exits 6 \
	weir import fail2ban "$LAB_DIR/fail2ban.sqlite3" --apply --socket "$LAB_DIR/none.sock"
stop_weir
check 'the chain verifies' verify
finish
