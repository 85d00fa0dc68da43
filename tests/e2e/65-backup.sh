#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Backups of a daemon that runs, put back where it never ran and where it did; and a database that is damaged, unreadable
# or of a later weir, while the kernel still holds what was in it.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly ARCHIVE=$LAB_DIR/weir.tar.gz
readonly BLOCKED=198.18.66.1 BANNED=198.18.66.2 BRIEFLY=198.18.66.3 LISTED=198.18.66.4
export TMPDIR=$LAB_DIR

write_policy() {
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists:
		  block:
		    entries: [$BLOCKED]
		    feeds:
		      - {name: abuse, file: $LAB_DIR/feed.txt, format: plain, ttl: 1d}
	YAML
}

# Where an entry comes from: "policy", "recovered".
# shellcheck disable=SC2016 # jq's own variables
origin() { # CIDR
	weir lists block -o json | jq -r --arg c "$1" '[.items[] | select(.cidr == $c) | .origin] | join(",")'
}

# shellcheck disable=SC2016 # jq's own variables
reason() { # CIDR
	weir lists block -o json | jq -r --arg c "$1" '.items[] | select(.cidr == $c) | .reason'
}

# shellcheck disable=SC2016 # jq's own variables
left() { # CIDR
	weir lists block -o json | jq -r --arg c "$1" '.items[] | select(.cidr == $c) | .left_seconds'
}

is() { # GOT WANTED
	echo "got '$1', wanted '$2'"
	[[ $1 == "$2" ]]
}

is_recovered() {
	is "$(origin $BANNED)" recovered
}

all_blocked() {
	local source

	for source in "$BLOCKED" "$BANNED" "$BRIEFLY" "$LISTED"; do
		is "$(echoes_from "$source")" 0 || return 1
	done
}

is_empty_of() { # PATTERN
	! compgen -G "$1"
}

backups() {
	local before

	start_weir
	weir block $BANNED --reason 'port scan' >/dev/null
	weir block $BRIEFLY --ttl 1h >/dev/null
	flood --proto udp --to "$LAB_HOST4" --base $BLOCKED --packets 1000 >/dev/null
	check 'a backup is made while the daemon runs' weir backup create "$ARCHIVE" --with-keys
	check 'it is for its owner alone' is "$(stat -c %a "$ARCHIVE")" 600
	check 'and sound' weir backup verify "$ARCHIVE"
	check 'tar lists it' tar -tzf "$ARCHIVE"
	mkdir "$LAB_DIR/extracted"
	tar -xzf "$ARCHIVE" -C "$LAB_DIR/extracted"
	check 'its audit log verifies from what tar extracts' \
		weir audit verify "$LAB_DIR/extracted/weir-backup/audit"
	check 'it has the policy file, and what is in force' \
		cmp "$LAB_DIR/extracted/weir-backup/policy.yaml" \
		"$LAB_DIR/extracted/weir-backup/policy.in-force.yaml"
	check 'a daemon that runs is in the way of a restore' \
		refuse weir backup restore "$ARCHIVE" --state-dir "$STATE"
	check 'which says so' grep -q 'a daemon uses the state' \
		<<<"$(weir backup restore "$ARCHIVE" --state-dir "$STATE" 2>&1)"
	check 'and still enforces' all_blocked

	stop_weir
	weir detach --bpffs "$LAB_BPFFS" --state-dir "$STATE" --socket "$WEIR_SOCKET" >/dev/null
	mv "$STATE" "$LAB_DIR/lost"
	rm "$LAB_DIR/policy.yaml"
	check 'a host that lost everything is restored' weir backup restore "$ARCHIVE" \
		--state-dir "$STATE" --policy "$LAB_DIR/policy.yaml"
	check 'its audit log verifies' verify
	check 'and has the record' has_record '.event_type == "system.restore" and
		.details.audit == "installed" and .actor.username == "root"'
	check 'a daemon starts from it' start_weir
	check 'and blocks what was blocked' all_blocked
	check 'with reason' is "$(reason $BANNED)" 'port scan'
	check 'no longer than it was' test "$(left $BRIEFLY)" -lt 3600
	stop_weir

	before=$(weir audit verify "$STATE/audit" -o json | jq .records)
	check 'restored once more, over what is there' weir backup restore "$ARCHIVE" \
		--state-dir "$STATE"
	check 'the longer log stays' test "$(weir audit verify "$STATE/audit" -o json | jq .records)" \
		-gt "$before"
	check 'the database that was there is set aside' compgen -G "$STATE/weir.db.replaced-*"
	check 'the policy lies beside' compgen -G "$STATE/policy.from-backup-*/policy.yaml"
	check 'nothing else is left' is_empty_of "$STATE/.weir*"
	printf 'XXXX' | dd of="$ARCHIVE" bs=1 seek=2000 conv=notrunc status=none
	check 'an archive that was changed is refused' refuse weir backup verify "$ARCHIVE"
}

# A file system of a few pages, and one of eight megabytes, in a mount namespace of their own.
full_disks() {
	mkdir "$LAB_DIR/tiny" "$LAB_DIR/small"
	# shellcheck disable=SC2016 # of the inner shell
	lab_spawn host unshare --mount --propagation private sh -c \
		'mount -t tmpfs -o size=16k,mode=700 tmpfs "$0" &&
		mount -t tmpfs -o size=8m,mode=700 tmpfs "$1" && exec sleep infinity' \
		"$LAB_DIR/tiny" "$LAB_DIR/small"
	INSIDE=(nsenter "--mount=/proc/$LAB_PID/ns/mnt" --)
	wait_for 5 grep -q " $LAB_DIR/small tmpfs " "/proc/$LAB_PID/mounts"
	weir backup create "$ARCHIVE" --state-dir "$STATE" >/dev/null
	check 'a backup onto a full disk fails' exits 1 "${INSIDE[@]}" "$WEIR" backup create \
		"$LAB_DIR/tiny/x.tar.gz" --state-dir "$STATE"
	check 'and leaves nothing there' is "$("${INSIDE[@]}" ls -A "$LAB_DIR/tiny")" ''
	check 'a restore onto a disk that is too small is refused' grep -q 'backup.space' \
		<<<"$("${INSIDE[@]}" "$WEIR" backup restore "$ARCHIVE" --state-dir "$LAB_DIR/small/state" 2>&1)"
	check 'before anything is written' is "$("${INSIDE[@]}" ls -A "$LAB_DIR/small/state")" ''
}

damage() {
	head -c 4096 /dev/urandom | dd of="$STATE/weir.db" conv=notrunc status=none
}

# recovered WHAT - after the database was lost, by whatever.
recovered() {
	check "$1: the daemon starts" start_weir
	check "$1: what was blocked is blocked" all_blocked
	check "$1: by an entry that says it was recovered" is "$(origin $BANNED)" recovered
	check "$1: until when it was" test "$(left $BRIEFLY)" -gt 3000 -a "$(left $BRIEFLY)" -le 3600
	check "$1: what the policy says is the policy's" is "$(origin $BLOCKED)" policy
	check "$1: what a feed says is the feed's" is "$(origin $LISTED)" feed
	check "$1: the status says so" grep -q '^DATABASE LOST.* 2 list entries' <<<"$(weir status)"
	check "$1: and the doctor" grep -qE '^(warn|fail)  database ' <<<"$(weir doctor)"
	check "$1: and the audit log" has_record '.event_type == "store.recovered" and .details.block == 2'
}

damaged() {
	rm -rf "$STATE"
	write_policy
	start_weir
	weir block $BANNED --reason 'port scan' >/dev/null
	weir block $BRIEFLY --ttl 1h >/dev/null
	stop_weir KILL || true
	damage
	check 'a file damaged behind its write-ahead log: the daemon starts' start_weir
	check 'and has lost nothing' is "$(origin $BANNED)" operator
	stop_weir
	damage
	recovered 'a damaged database'
	check 'it was recorded' has_record '.event_type == "store.damaged" and
		(.details.set_aside | startswith("weir.db.damaged-")) and .details.code == "store.damaged"'
	stop_weir
	check 'the next daemon finds them in the new database' start_weir
	check 'as what they are' is "$(origin $BANNED)" recovered
	check 'it has nothing to complain about' is "$(status .store.error)" null
	check 'an operator can take them away' weir unblock $BANNED
	check 'and they pass' is "$(echoes_from $BANNED)" 10
	weir block $BRIEFLY --ttl 2h --reason known >/dev/null
	check 'or say who and why' is "$(origin $BRIEFLY)" operator
	weir block $BANNED >/dev/null
	weir block $BRIEFLY --ttl 1h >/dev/null
	stop_weir
}

gone() {
	rm "$STATE/weir.db"
	recovered 'a database that is gone'
	weir block $BANNED >/dev/null
	weir block $BRIEFLY --ttl 1h >/dev/null
	stop_weir
}

# A feed that cannot be read hides which entries were its own: they are sorted out when it can.
damaged_without_a_feed() {
	damage
	mv "$LAB_DIR/feed.txt" "$LAB_DIR/feed.away"
	check 'a damaged database and a feed that is gone: the daemon starts' start_weir
	check 'everything is blocked' all_blocked
	check 'as what an earlier daemon enforced' is "$(origin $BANNED)" kept
	mv "$LAB_DIR/feed.away" "$LAB_DIR/feed.txt"
	check 'the feed is back: entries of operators are sorted out' \
		wait_for 10 is_recovered
	check 'what the feed lists is of the feed' is "$(origin $LISTED)" feed
	check 'and all are blocked' all_blocked
	weir block $BANNED >/dev/null
	weir block $BRIEFLY --ttl 1h >/dev/null
	stop_weir
}

newer() {
	# Its header says at byte 60 which schema it has.
	printf '\0\0\3\350' | dd of="$STATE/weir.db" bs=1 seek=60 conv=notrunc status=none
	recovered 'a database of a later weir'
	check 'which is left as it is' test -e "$STATE/weir.db"
	check 'changes are said not to last' refuse jq -e .persisted \
		<<<"$(weir block 198.18.66.9 -o json)"
	stop_weir
}

read_only() {
	mkdir "$LAB_DIR/fixed"
	# shellcheck disable=SC2016 # of the inner shell
	lab_spawn host unshare --mount --propagation private sh -c \
		'mount -t tmpfs -o size=1m,mode=700 tmpfs "$0" && mkdir -m 700 "$0/state" &&
		mount -o remount,ro "$0" && exec sleep infinity' "$LAB_DIR/fixed"
	# shellcheck disable=SC2034 # for lib.sh
	WEIR_INSIDE=(nsenter "--mount=/proc/$LAB_PID/ns/mnt" --)
	wait_for 5 grep -q " $LAB_DIR/fixed tmpfs ro" "/proc/$LAB_PID/mounts"
	check 'a state directory that cannot be written to: the daemon does not start' \
		fail_to_start --state-dir "$LAB_DIR/fixed/state"
	check 'and says why' grep -q 'Read-only file system' "$LAB_DIR/refusal"
	check 'what is enforced stays enforced' all_blocked
	# shellcheck disable=SC2034 # for lib.sh
	WEIR_INSIDE=()
}

# A backup that is made while a policy waits to be confirmed.
unconfirmed() {
	rm -rf "$STATE"
	write_policy
	mkdir "$LAB_DIR/conf.d"
	(umask 022 && echo 'services: {web: {proto: tcp, dport: 80}}' >"$LAB_DIR/conf.d/10.yaml")
	echo 'include: conf.d/*.yaml' >>"$LAB_DIR/policy.yaml"
	start_weir
	(umask 077 && printf 'apiVersion: weir/v1\nmode: enforce\nlists: {block: {entries: [198.18.77.7]}}\n' \
		>"$LAB_DIR/trial.yaml")
	weir policy apply "$LAB_DIR/trial.yaml" --confirm 1h >/dev/null
	check 'a backup is made while a policy waits to be confirmed' weir backup create "$ARCHIVE"
	check 'with the files that the policy includes' \
		grep -q 'include/conf.d/10.yaml' <<<"$(tar -tzf "$ARCHIVE")"
	stop_weir
	rm -r "$STATE" "$LAB_DIR/conf.d" "$LAB_DIR/policy.yaml"
	check 'it is restored, and says what does not come back' grep -q 'waited to be confirmed' \
		<<<"$(weir backup restore "$ARCHIVE" --state-dir "$STATE" --policy "$LAB_DIR/policy.yaml")"
	check 'with the included files' test -s "$LAB_DIR/conf.d/10.yaml"
	start_weir
	check 'nothing waits then' is "$(status .policy.pending)" null
	check 'what was not confirmed is not in force' is "$(origin 198.18.77.7)" ''
	check 'what was before is' is "$(origin $BLOCKED)" policy
	check 'the history has it as undone' grep -q '"state":"undone"' \
		<<<"$(weir policy history -o json)"
	check 'and the record of the restore names it' has_record '.event_type == "system.restore" and
		(.details.no_longer_unconfirmed | tonumber) > 0'
	stop_weir
	rm -r "$LAB_DIR/conf.d"
	write_policy
}

seq -f '198.18.70.%g' 1 250 >"$LAB_DIR/feed.txt"
echo $LISTED >>"$LAB_DIR/feed.txt"
write_policy
backups
full_disks
unconfirmed
damaged
gone
damaged_without_a_feed
newer
read_only
finish
