#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What is wrong with a host is found, named, and mended by the very command that is printed; and what is in order is
# not complained about.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

PINS=$LAB_BPFFS

# doctor [OPTION...] - as an operator in the host's network namespace; its exit status.
doctor() {
	lab_host "${INSIDE[@]}" "$WEIR" doctor --socket "$WEIR_SOCKET" --state-dir "$STATE" \
		--policy "$LAB_DIR/policy.yaml" --bpffs "$PINS" --iface "$LAB_IF_HOST" "$@"
}
INSIDE=()

# shellcheck disable=SC2016 # jq's own variables
lines() { # CHECK - its status and what was found
	doctor -o json | jq -r --arg c "$1" '.checks[] | select(.check == $c) | "\(.status) \(.found)"'
}

# shellcheck disable=SC2016 # jq's own variables
fix() { # CHECK - the command of the first line that has one
	doctor -o json | jq -r --arg c "$1" \
		'[.checks[] | select(.check == $c and .fix != null) | .fix][0] // ""'
}

# says CHECK STATUS WORDS
says() {
	local got

	got=$(lines "$1")
	echo "$got"
	grep -qE "^$2 .*$3" <<<"$got"
}

all_of_it_works() {
	local output status=0

	output=$(doctor) || status=$?
	echo "$output"
	! grep -qE '^fail ' <<<"$output" && ((status == 0))
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
YAML

without_a_daemon() {
	check 'a host before the first start: nothing fails' all_of_it_works
	check 'the interface is free' says interface.xdp ok 'nothing is attached'
	check 'no daemon is a warning' says daemon warn 'no daemon'
	check 'the kernel can do what it takes' says kernel.features ok 'XDP links'
	check 'an interface that is not there' exits 1 doctor --iface nowhere0
	chmod 666 "$LAB_DIR/policy.yaml"
	check 'a policy that others may write to' says policy.file fail 'others may write'
	eval "$(fix policy.file)"
	check 'is mended by the command named' says policy.file ok 'is correct'
}

foreign() {
	lab_host ip link set dev "$LAB_IF_HOST" xdpgeneric obj build/tests/lib/counting.bpf.o \
		sec xdp 2>/dev/null ||
		return 1
	check 'a program of others is named' says interface.xdp fail 'not weir'
	check 'and fails the whole' exits 1 doctor
	lab_host sh -c "$(fix interface.xdp)"
	check 'the command named removes it' says interface.xdp ok 'nothing is attached'
}

with_a_daemon() {
	start_weir
	check 'a host that is protected: nothing fails' all_of_it_works
	check 'in native mode' says interface.xdp ok 'native mode'
	check 'asked from another network namespace, the daemon looks' \
		grep -q 'weir in native mode' <<<"$("$WEIR" doctor --socket "$WEIR_SOCKET")"
	check 'the log is in order' says audit.log ok 'in order'
	check 'and being written' says audit.writing ok 'none lost'
	check 'the API says the same' jq -e '.daemon.state_dir and (.checks | length > 10)' \
		<<<"$(curl -s --unix-socket "$WEIR_SOCKET" http://weir/v1/doctor)"
	check 'who is no member is told less' exits 0 setpriv --reuid 65534 --clear-groups \
		"$WEIR" doctor --socket "$WEIR_SOCKET"
	lab_host ip link set "$LAB_IF_HOST" down
	check 'an interface that is down' says interface.state warn 'is down'
	lab_host sh -c "$(fix interface.state)"
	check 'the command named brings it up' wait_for 5 says interface.state ok 'is up'
	if lab_host ethtool -K "$LAB_IF_HOST" rxvlan on 2>/dev/null; then
		check 'an offload that hides VLAN tags' says interface.offloads warn 'VLAN tags'
		lab_host sh -c "$(fix interface.offloads)"
		check 'is switched off by the command named' says interface.offloads ok 'hides'
	else
		skip 'an offload that hides VLAN tags' 'ethtool cannot switch it here'
	fi
	chmod 770 "$STATE"
	check 'a state directory that others may write to' says state.directory fail 'mode 0770'
	eval "$(fix state.directory)"
	check 'is closed by the command named' says state.directory ok 'ours alone'
	stop_weir
}

generic() {
	weir detach --bpffs "$LAB_BPFFS" --state-dir "$STATE" --socket "$WEIR_SOCKET" >/dev/null
	start_weir --iface lo --generic
	check 'generic mode is a warning that says why' says interface.xdp warn \
		'slow generic mode: the driver .*has no native XDP'
	check 'and no failure' exits 0 doctor
	stop_weir
	weir detach --bpffs "$LAB_BPFFS" --state-dir "$STATE" --socket "$WEIR_SOCKET" >/dev/null
}

damaged() {
	printf 'X' | dd of="$STATE/audit/00000000000000000000.seg" bs=1 seek=4300 conv=notrunc \
		status=none
	check 'a damaged audit log' says audit.log fail damaged
	check 'the command named says what is wrong' refuse eval "${WEIR%weir}$(fix audit.log)"
	head -c 4096 /dev/urandom | dd of="$STATE/weir.db" conv=notrunc status=none
	check 'a damaged database' says state.database fail 'database'
	check 'whoever set one aside is reminded of it' eval \
		"touch '$STATE/weir.db.damaged-1' && says state.database warn 'set aside'"
	rm "$STATE/weir.db.damaged-1"
}

# Without a bpffs, and on a full disk, in a mount namespace of its own.
elsewhere() {
	mkdir -p "$LAB_DIR/disk"
	# shellcheck disable=SC2016 # of the inner shell
	lab_spawn host unshare --mount --propagation private sh -c \
		'mount -t tmpfs -o size=8m,mode=700 tmpfs "$0" && mount -t tmpfs tmpfs /sys/fs/bpf &&
		exec sleep infinity' "$LAB_DIR/disk"
	INSIDE=(nsenter "--mount=/proc/$LAB_PID/ns/mnt" --)
	wait_for 5 grep -q ' /sys/fs/bpf tmpfs ' "/proc/$LAB_PID/mounts"
	PINS=/sys/fs/bpf/weir STATE=$LAB_DIR/disk/state
	check 'no bpffs' says bpffs fail 'not in a bpffs'
	lab_host "${INSIDE[@]}" sh -c "$(fix bpffs)"
	check 'the command named mounts one' says bpffs ok 'in a bpffs'
	check 'a full disk' says state.space fail 'are left'
	INSIDE=()
}

without_a_daemon
foreign || skip 'a program of others is named' 'iproute2 cannot load one'
with_a_daemon
generic
damaged
elsewhere
finish
