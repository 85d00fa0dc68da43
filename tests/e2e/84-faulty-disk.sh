#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Disks that fail, and not only by being full: a real ext4 on a loop device whose store runs out, that finds an error in
# itself, that is shut down; and calls of the daemon that fail once, for long, or half. Packets are judged as before, changes are
# refused, and the log says between which records something is missing.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/e2e/disk.sh
. "$(dirname "${BASH_SOURCE[0]}")/disk.sh"
need_root

readonly EXT4_IOC_SHUTDOWN=0x8004587d # _IOR('X', 125, __u32); not in an uapi header before 6.x

inside() {
	nsenter "--mount=/proc/$HOLDER/ns/mnt" -- "$@"
}

# An ext4 of 64 MB whose blocks take room in a tmpfs of 24 MB when they are first written. A journal that cannot be written ends
# an ext4 for good, so the one that is to recover has none.
thin_disk() {
	mkdir -p "$LAB_DIR/store"
	# shellcheck disable=SC2016 # of the inner shell
	private_mounts "mount -t tmpfs -o size=24m tmpfs '$LAB_DIR/store' &&
		truncate -s 64m '$LAB_DIR/store/image' &&
		mkfs.ext4 -q -O ^has_journal -E nodiscard,lazy_itable_init=1 '$LAB_DIR/store/image' &&
		mount -o loop,errors=remount-ro,nodiscard '$LAB_DIR/store/image' \"\$0\"" >&2
}

# The same disk again, with a journal, and nothing on it. With the daemon stopped.
journaled_disk() {
	# shellcheck disable=SC2016 # of the inner shell
	inside sh -c 'umount "$0" && rm -f "$2" && mkfs.ext4 -q -F -E nodiscard "$1" &&
		mount -o loop,errors=remount-ro,nodiscard "$1" "$0"' "$LAB_DIR/disk" "$LAB_DIR/store/image" \
		"$LAB_DIR/store/ballast"
}

store_size() { # SIZE
	inside mount -o "remount,size=$1" "$LAB_DIR/store"
}

# The store has no room any more; the ext4 in it does not know.
use_up_the_store() {
	# shellcheck disable=SC2016 # of the inner shell
	inside sh -c 'cat /dev/zero >"$0" 2>/dev/null' "$LAB_DIR/store/ballast" || true
	[[ $(inside stat -f -c %a "$LAB_DIR/store") == 0 ]]
}

device() {
	awk -v at="$LAB_DIR/disk" '$2 == at { sub("/dev/", "", $1); print $1 }' "/proc/$HOLDER/mounts"
}

ro_by_an_error() {
	echo 'a test of weir' >"/sys/fs/ext4/$(device)/trigger_fs_error"
	wait_for 5 refuse touch "$DISK/probe"
}

shut_down() {
	python3 - "$DISK" "$EXT4_IOC_SHUTDOWN" <<-'PYTHON'
		import fcntl, os, struct, sys
		fd = os.open(sys.argv[1], os.O_RDONLY)
		fcntl.ioctl(fd, int(sys.argv[2], 16), struct.pack("I", 2))  # neither log nor data are flushed
	PYTHON
	refuse touch "$DISK/probe"
}

# Unmount, check, mount again: what an operator does, with the daemon stopped.
repair_disk() {
	# shellcheck disable=SC2016 # of the inner shell
	inside sh -c 'umount "$0" && { e2fsck -fy "$1" >/dev/null || [ $? -lt 4 ]; } &&
		mount -o loop,errors=remount-ro,nodiscard "$1" "$0"' "$LAB_DIR/disk" "$LAB_DIR/store/image"
}

records_now() {
	weir audit verify "$STATE/audit" -o json | jq .records
}

still_has() { # RECORDS
	verify && (($(records_now) >= $1))
}

# Refusals of a change while the log cannot be written: by the answer, not by a crash.
refuses() {
	block_until_refused && is_alive "$WEIR_PID"
}

# fail_calls EXPRESSION... - of the daemon, all threads, until let_go.
fail_calls() {
	local inject=()

	for expression in "$@"; do
		inject+=(-e "inject=$expression")
	done
	strace -f -p "$WEIR_PID" -o "$LAB_DIR/strace" -e trace=fdatasync,fsync,pwrite64 "${inject[@]}" \
		2>"$LAB_DIR/strace.words" &
	TRACER=$!
	wait_for 10 grep -q attached "$LAB_DIR/strace.words"
}

let_go() {
	kill -INT "$TRACER" 2>/dev/null || true
	wait "$TRACER" 2>/dev/null || true
}

can_trace() {
	command -v strace >/dev/null && strace -o /dev/null -e inject=fdatasync:error=EIO true 2>/dev/null
}

start() {
	start_weir --state-dir "$LAB_DIR/disk/state"
}

test_store_runs_out() {
	check 'with a store that runs out behind the filesystem, changes are refused' refuses
	check 'limits and lists hold' still_judges 1
	check 'the log is as whole as it was acknowledged' verify
	store_size 60m
	check 'with room again the log goes on by itself' wait_for 20 degraded false
	check 'it says that it could not be written' has_record '.event_type == "audit.storage_error"'
	check 'changes are made again' wait_for 5 weir block 198.18.71.9 --reason 'disk test'
	check 'each dropped packet is in the chain once' wait_for 15 all_in_chain
	check 'the chain verifies' verify
}

# test_dead_filesystem NUMBER WORDS COMMAND
test_dead_filesystem() {
	local before

	weir block "198.18.72.$1" --reason 'the last one before' >/dev/null
	before=$(records_now)
	check "$2 is there" "$3"
	check "$2: changes are refused" refuses
	check "$2: limits and lists hold" still_judges "$1"
	check "$2: the status says why" jq -e '.audit.degraded and (.audit.degraded_because | test("cannot write"))' \
		<<<"$(weir status -o json)"
	check "$2: the daemon can be stopped" refuse_to_hang stop_weir
	check "$2: the disk can be repaired" repair_disk
	check "$2: what was acknowledged is there" still_has "$before"
	start
	check "$2: the next daemon goes on" wait_for 10 degraded false
	check "$2: what was blocked before is" has_block "198.18.72.$1"
	check "$2: the log says that it has a hole there, and how many packets are in it" has_record \
		".event_type == \"audit.loss\" and .index >= $before and (.details.packets | tonumber) > 18000"
	check "$2: the chain verifies" verify
}

has_block() {
	weir lists block -o json | jq -e --arg a "$1" '.items[] | select(.cidr | startswith($a))'
}

refuse_to_hang() {
	local status=0

	"$@" || status=$?
	((status < 128)) # it ended by itself
}

test_calls() {
	if ! can_trace; then
		skip 'calls that fail once and for long' 'needs strace with fault injection'
		return
	fi
	fail_calls fdatasync:error=EIO:when=1 fsync:error=EIO:when=1
	check 'one fdatasync that fails costs no record' weir block 198.18.73.1 --reason 'disk test'
	check 'and the log says so' wait_for 15 tells '.event_type == "audit.storage_error" and (.details.error | test("Input/output"))'
	let_go
	fail_calls fdatasync:error=EIO fsync:error=EIO
	check 'while each fdatasync fails, changes are refused' refuses
	check 'limits and lists hold' still_judges 30
	check 'the log is as whole as it was acknowledged' verify
	let_go
	check 'when they work again the log goes on by itself' wait_for 20 degraded false
	check 'each dropped packet is in the chain once' wait_for 15 all_in_chain
	check 'the chain verifies' verify
	fail_calls pwrite64:error=EROFS
	check 'while nothing can be written, changes are refused' refuses
	let_go
	check 'when it can be again the log goes on by itself' wait_for 20 degraded false
	check 'the chain verifies again' verify
}

# Files may not grow past some bytes more than they have: the last write before that is a short one.
test_short_writes() {
	local newest size

	newest=$(find "$STATE/audit" -maxdepth 1 -name '*.seg' | sort | tail -n 1)
	size=$(stat -c %s "$newest")
	prlimit --pid "$WEIR_PID" --fsize=$((size + 1001)):unlimited
	check 'writes that are cut short are no success' refuses
	check 'limits and lists hold then' still_judges 40
	prlimit --pid "$WEIR_PID" --fsize=unlimited:unlimited
	check 'and leave no damage' wait_for 20 degraded false
	check 'the chain verifies after them' verify
}

write_policy refuse
if ! thin_disk; then
	skip 'a disk that fails' "needs mkfs.ext4 and a loop device: $(head -c 200 "$LAB_DIR/output" 2>/dev/null | tr '\n' ' ')"
	finish
fi
start
check 'the log is on an ext4' grep -q " $LAB_DIR/disk ext4 " "/proc/$HOLDER/mounts"
use_up_the_store
test_store_runs_out
test_short_writes
test_calls
stop_weir
check 'the chain verifies after the daemon' verify
store_size 80m
journaled_disk
start
if [[ -w /sys/fs/ext4/$(device)/trigger_fs_error ]]; then
	test_dead_filesystem 50 'an error that makes the filesystem read-only' ro_by_an_error
else
	skip 'a filesystem that becomes read-only' 'no trigger_fs_error in /sys/fs/ext4'
fi
test_dead_filesystem 55 'a filesystem that is shut down' shut_down
stop_weir
check 'the chain verifies after the daemon' verify
finish
