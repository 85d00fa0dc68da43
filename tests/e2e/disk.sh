#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the scripts about disks share. Source it after lib.sh.

# write_policy ON_FULL - with a block list and a limit, so that there is something to judge by.
write_policy() {
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists:
		  block: {entries: [198.18.66.6]}
		limits:
		  - {name: all, scope: source, rate: 10/s, burst: 100}
		audit: {on_full: $1}
	YAML
}

# private_mounts COMMAND - a mount namespace that is gone when the lab is, in which the shell COMMAND has run: it mounts
# something on $LAB_DIR/disk, which is its $0. Sets HOLDER, DISK and STATE (as this script sees it), and puts the daemon there.
private_mounts() {
	mkdir -p "$LAB_DIR/disk"
	lab_spawn host unshare --mount --propagation private sh -c "$1 && exec sleep infinity" \
		"$LAB_DIR/disk"
	HOLDER=$LAB_PID
	# shellcheck disable=SC2034 # for the scripts and for lib.sh
	DISK=/proc/$HOLDER/root$LAB_DIR/disk STATE=/proc/$HOLDER/root$LAB_DIR/disk/state
	# shellcheck disable=SC2034
	WEIR_INSIDE=(nsenter "--mount=/proc/$HOLDER/ns/mnt" --)
	wait_for 10 holder_sleeps && grep -q " $LAB_DIR/disk " "/proc/$HOLDER/mounts"
}

holder_sleeps() {
	! is_alive "$HOLDER" || [[ $(cat "/proc/$HOLDER/comm" 2>/dev/null) == sleep ]]
}

degraded() { # true|false
	[[ $(status .audit.degraded) == "$1" ]]
}

# block_until_refused - at most twenty changes; what is said to the first that is refused.
block_until_refused() {
	local n

	for n in $(seq 20); do
		weir block "198.18.70.$n" --reason 'disk test' >"$LAB_DIR/answer" 2>&1 || break
	done
	cat "$LAB_DIR/answer"
	grep -q 'nothing can be changed while the audit log cannot be written' "$LAB_DIR/answer"
}

cannot_write() {
	[[ $(status .audit.degraded_because) == *'cannot write'* ]]
}

# tells FILTER - a record, as the daemon reads it: its vault is on a disk that only it can see.
tells() {
	[[ $(weir audit tail -n 1000 -o json | jq -c "select($1)") ]]
}

# still_judges NUMBER - traffic is limited and blocked as the policy says, whatever the log can do. NUMBER: sources of
# their own, 1 to 60.
still_judges() {
	local before

	before=$(count drop over_packets)
	flood --to "$LAB_HOST4:9" --base "198.18.$((100 + $1)).0" --sources 8 --packets 20000 >/dev/null
	(($(count drop over_packets) - before > 18000)) && [[ $(echoes_from 198.18.66.6) == 0 ]]
}
