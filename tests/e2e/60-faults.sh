#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What goes wrong around weir: a disk that fills up, files and programs of others in its place, a
# database that is broken. Enforcement goes on; nothing of others is touched; and whatever is
# refused is named, with what to do about it.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly BLOCKED=198.18.66.6

write_policy() { # RATE
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists:
		  block: {entries: [$BLOCKED]}
		limits:
		  - {name: all, scope: source, rate: $1/s, burst: 100}
		audit: {on_full: allow}
	YAML
}

# refused WORDS PATTERN [DAEMON OPTION...] - the daemon does not start, and says why in words that
# match.
refused() {
	check "$1: refused" fail_to_start "${@:3}"
	check "$1: named" grep -qE -e "$2" "$LAB_DIR/refusal"
}

enforcing() {
	(($(echoes_from "$BLOCKED") == 0))
}

# A disk of two megabytes in a mount namespace of its own: it is gone when the lab is.
small_disk() {
	mkdir "$LAB_DIR/disk"
	# shellcheck disable=SC2016 # of the inner shell
	lab_spawn host unshare --mount --propagation private sh -c \
		'mount -t tmpfs -o size=2m,mode=700 tmpfs "$0" && exec sleep infinity' \
		"$LAB_DIR/disk"
	HOLDER=$LAB_PID
	DISK=/proc/$HOLDER/root$LAB_DIR/disk
	wait_for 5 eval "grep -q ' $LAB_DIR/disk tmpfs ' /proc/$HOLDER/mounts"
	WEIR_INSIDE=(nsenter "--mount=/proc/$HOLDER/ns/mnt" --)
	STATE=$DISK/state
}

# To the last byte: the reserve is gone already (79-disk.sh has it).
fill_the_disk() {
	rm -f "$STATE/audit/reserve"
	cat /dev/zero >"$DISK/ballast" 2>/dev/null || true
	[[ $(stat -f -c %a "$DISK") == 0 ]]
}

degraded() { # true|false
	[[ $(status .audit.degraded) == "$1" ]]
}

# The answers given while the disk was full, against what is there after a restart.
kept_what_was_promised() {
	local cidr persisted

	while read -r cidr persisted; do
		[[ $persisted == false ]] ||
			jq -e --arg c "$cidr" 'any(.items[]; .cidr == $c)' \
				<<<"$(weir lists block -o json)" ||
			return 1
	done <"$LAB_DIR/promises"
}

disk_full() {
	local before n

	small_disk
	start_weir --state-dir "$LAB_DIR/disk/state"
	before=$(weir audit tail -n 1 -o json | jq -r .event_id)
	fill_the_disk
	for n in $(seq 20); do
		weir block "198.18.69.$n" --reason "while the disk is full" -o json
	done >"$LAB_DIR/answers"
	jq -r '"\(.entry.cidr) \(.persisted)"' "$LAB_DIR/answers" >"$LAB_DIR/promises"
	check 'with a full disk, blocking works: twenty answers' test \
		"$(wc -l <"$LAB_DIR/promises")" = 20
	check 'and takes effect' test "$(echoes_from 198.18.69.20)" = 0
	check 'the answer says that its record is not on disk' jq -es \
		'.[-1].audit == "degraded"' "$LAB_DIR/answers"
	check 'and that the entry is not kept' jq -es '.[-1].persisted == false' "$LAB_DIR/answers"
	check 'the status says so, and why' jq -e \
		'.audit.degraded and (.audit.degraded_because | test("[Nn]o space"))' \
		<<<"$(weir status -o json)"
	check 'the metrics say so' grep -qx 'weir_audit_degraded 1' <<<"$(weir metrics)"
	flood --to "$LAB_HOST4:9" --base 198.18.4.0 --sources 8 --packets 500000 >/dev/null
	check 'limits hold all the same' test "$(count drop over_packets)" -gt 400000
	check 'and the block list of the policy' enforcing
	stop_weir KILL || true
	check 'a daemon starts on a full disk' start_weir --state-dir "$LAB_DIR/disk/state"
	check 'and enforces' enforcing
	weir block 198.18.69.99 >/dev/null
	rm "$DISK/ballast"
	check 'with space again the chain goes on by itself' wait_for 10 degraded false
	check 'a record says for how long it could not be written' \
		has_record '.event_type == "audit.storage_error"'
	# By the daemon: SQLite does not find the way through /proc to its disk.
	check 'a change made meanwhile is in it, and what it is about in the vault' \
		jq -es 'any(.[]; .event_type == "list.add" and .resource.id == "198.18.69.99")' \
		<<<"$(weir audit tail -n 1000 -o json)"
	check 'and so is what came before' has_record ".event_id == \"$before\""
	check 'each dropped packet is in the chain once' wait_for 15 all_in_chain
	check 'the chain verifies' verify
	check 'an answer says durable again' jq -e '.audit == "durable"' \
		<<<"$(weir block 198.18.69.98 -o json)"
	stop_weir
	check 'the chain is verified after the daemon, too' verify
	start_weir --state-dir "$LAB_DIR/disk/state"
	check 'every entry that was said to be kept is there' kept_what_was_promised
	stop_weir
	weir detach --bpffs "$LAB_BPFFS" --state-dir "$LAB_DIR/none" >/dev/null
	kill "$HOLDER"
	# shellcheck disable=SC2034 # for lib.sh
	WEIR_INSIDE=() STATE=$LAB_DIR/state
}

state_directories() {
	mkdir "$LAB_DIR/foreign" "$LAB_DIR/open" "$LAB_DIR/real"
	chown nobody "$LAB_DIR/foreign"
	chmod 777 "$LAB_DIR/open"
	chmod 700 "$LAB_DIR/real"
	ln -s real "$LAB_DIR/link"
	echo 'precious' >"$LAB_DIR/file"
	refused "a state directory of somebody else" "$LAB_DIR/foreign belongs to uid" \
		--state-dir "$LAB_DIR/foreign"
	refused 'a state directory that everybody may write to' "$LAB_DIR/open .*mode 0777" \
		--state-dir "$LAB_DIR/open"
	refused 'a state directory that is a symbolic link' "$LAB_DIR/link.*symbolic link" \
		--state-dir "$LAB_DIR/link"
	refused 'a state directory that is a file' "$LAB_DIR/file" --state-dir "$LAB_DIR/file"
	refused 'a state directory without a parent' "$LAB_DIR/none/state" \
		--state-dir "$LAB_DIR/none/state"
	check 'nothing was written to any of them' test \
		-z "$(find "$LAB_DIR/foreign" "$LAB_DIR/open" "$LAB_DIR/real" -mindepth 1)"
}

sockets() {
	refused 'a file in the place of the socket' "$LAB_DIR/file .*not a socket.*left alone" \
		--socket "$LAB_DIR/file"
	check 'a file in the place of the socket: left alone' grep -q precious "$LAB_DIR/file"
	refused "a socket in somebody else's directory" "$LAB_DIR/foreign belongs to" \
		--socket "$LAB_DIR/foreign/weir.sock"
	refused 'a socket path that is too long' 'longer than' \
		--socket "$LAB_DIR/$(printf 'x%.0s' {1..120})"
	start_weir
	refused 'the socket of a running daemon' "another daemon answers at $WEIR_SOCKET" \
		--state-dir "$LAB_DIR/real" --bpffs "$LAB_BPFFS-2"
	check 'the socket of a running daemon: refused before anything was made' test \
		! -e "$LAB_BPFFS-2" -a ! -e "$LAB_DIR/real/audit"
	check 'the running daemon answers as before' weir status
	stop_weir KILL || true
	check 'the socket of a dead one' test -S "$WEIR_SOCKET"
	check 'is replaced' start_weir
}

# With a daemon that runs.
second_daemons() {
	local before

	before=$(status .policy.generation)
	lab_host ip link add spare0 type veth peer name spare1
	refused 'a second daemon with the same state directory' "audit.*(lock|another process)" \
		--socket "$LAB_DIR/second.sock" --bpffs "$LAB_BPFFS-2" --iface spare0
	check 'a second daemon with the same state directory: did not attach' refuse \
		jq -e '.[0].xdp' <<<"$(lab_host ip -j link show spare0)"
	rm -rf "$LAB_BPFFS-2"
	refused 'a second daemon with the same pins' "$LAB_BPFFS.*another daemon" \
		--socket "$LAB_DIR/second.sock" --state-dir "$LAB_DIR/real"
	check 'the first one is undisturbed' test "$(status .policy.generation)" = "$before"
	check 'and enforces' enforcing
	stop_weir
}

# With pins of a daemon that ended.
interfaces() {
	local before

	before=$(lab_host bpftool -j prog show pinned "$LAB_BPFFS"/v*/program | jq .id)
	write_policy 77
	refused 'an interface that is not there' "no interface 'nowhere0'" --iface nowhere0
	refused 'pins that belong to another interface' "attached to $LAB_IF_HOST, not to lo" \
		--iface lo
	check 'what is enforced did not change by that' test "$before" = \
		"$(lab_host bpftool -j prog show pinned "$LAB_BPFFS"/v*/program | jq .id)"
	check 'and is enforced' enforcing
	weir detach --bpffs "$LAB_BPFFS" --state-dir "$LAB_DIR/state" >/dev/null
}

foreign_program() {
	bpftool prog load build/tests/lib/reference.bpf.o "$LAB_BPFFS-foreign" type xdp
	lab_host ip link set dev "$LAB_IF_HOST" xdpdrv pinned "$LAB_BPFFS-foreign"
	refused 'an XDP program of somebody else' "already runs the XDP '[a-z_]+' .*left alone"
	check 'it is still attached' test \
		"$(lab_host ip -j link show "$LAB_IF_HOST" | jq '.[0].xdp.prog.id')" = \
		"$(bpftool -j prog show pinned "$LAB_BPFFS-foreign" | jq .id)"
	lab_host ip link set dev "$LAB_IF_HOST" xdpdrv off
	rm -rf "$LAB_BPFFS-foreign"
}

files() {
	write_policy 10
	chmod 666 "$LAB_DIR/policy.yaml"
	refused 'a policy that others may write' 'policy.yaml'
	chmod 600 "$LAB_DIR/policy.yaml"
	refused 'a policy that is not there' 'nowhere.yaml' --policy "$LAB_DIR/nowhere.yaml"
	refused 'pins outside of a bpffs' 'not in a bpffs' --bpffs "$LAB_DIR/pins"

	start_weir
	weir block 198.18.68.8 >/dev/null
	stop_weir
	head -c 4096 /dev/urandom | dd of="$LAB_DIR/state/weir.db" conv=notrunc status=none
	: >"$LAB_DIR/daemon.log"
	check 'a daemon starts with a broken database' start_weir
	check 'and says where it put it' grep -q 'weir.db.damaged-' "$LAB_DIR/daemon.log"
	check 'it is there' compgen -G "$LAB_DIR/state/weir.db.damaged-*"
	check 'what was blocked is blocked' enforcing
	check 'new entries are kept' jq -e .persisted <<<"$(weir block 198.18.68.7 -o json)"
	stop_weir
	start_weir
	check 'in a database that works' jq -e 'any(.items[]; .cidr == "198.18.68.7")' \
		<<<"$(weir lists block -o json)"
	stop_weir
	check 'the chain verifies after all of that' verify
}

write_policy 10
disk_full
state_directories
sockets
second_daemons
interfaces
foreign_program
files
finish
