#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Runs the BPF tests on other kernels: `kernels.sh [VERSION...]`, 6.1 and 6.12 unless told otherwise.
# Each kernel comes out of a Debian package, is kept under build/kernels/VERSION, and is booted in
# emulation by QEMU, with an initramfs that holds nothing but tests/kernels/init.c, the programs of
# build/tests/bpf and the libraries they need. Nothing is installed and nothing of the host changes.
#
# The kernels run side by side, and there are as many machines as the host has CPUs, at least one of each kernel:
# more would only wait for each other. Each takes the next program when it is done with one. With ALL=1 what
# is SLOW runs, too. Console and report of each stay in build/kernels/VERSION. A kernel that cannot be
# had is a skip. Needs no root.

set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck source=scripts/tap.sh
. scripts/tap.sh

readonly STORE=build/kernels
readonly INIT=build/tests/kernels/init
readonly PROGRAMS=build/tests/bpf

# Test programs that make no sense in an emulated machine: name and reason, one per line.
readonly EXCLUDED=''

# What takes the longest there: only with ALL=1.
readonly SLOW='test_events test_limits test_state test_twin test_watchdog'
readonly ALL=${ALL:-}

readonly FIRST='test_exact test_lists test_adoption' # of the others: nobody is to wait for them at the end
readonly MODULES='veth inet_diag tcp_diag' # that tests use and Debian does not build in; loaded by name
readonly MACHINES_MAX=4	 # per kernel
readonly SECONDS_MAX=600 # for one machine, from power on to power off; it takes 80 s of a CPU
readonly MEMORY=2G	 # at most; what the guest leaves alone costs the host nothing

# One kernel message of this kind is a failure. Stalls and lock-ups only tell that the host is busy.
readonly COMPLAINTS='Kernel panic|BUG:|WARNING:|Oops|general protection|Unable to mount|Out of memory'
readonly COMMAND_LINE='console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off tsc=reliable'\
' nosoftlockup rcupdate.rcu_cpu_stall_suppress=1 cryptomgr.notests'

work=''
machines=()
declare -A machines_of=() # by version
declare -A began=()

# A machine is a process group.
cleanup() {
	[[ ${#machines[@]} == 0 ]] || kill -- "${machines[@]/#/-}" 2>/dev/null
	[[ -z $work ]] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() {
	echo "kernels: $*" >&2
}

# What keeps any kernel from being booted here.
obstacle() {
	local command

	if [[ $(uname -m) != x86_64 ]]; then
		echo "the emulated machine is an x86-64, and this one is not"
		return 0
	fi
	for command in qemu-system-x86_64 busybox; do
		command -v "$command" >/dev/null && continue
		echo "there is no $command (scripts/setup.sh installs it)"
		return 0
	done
	return 1
}

# newest_package VERSION - the newest of Debian's small kernels for virtual machines
newest_package() {
	apt-cache search --names-only "^linux-image-${1//./\\.}\\.[0-9a-z.+-]*-cloud-amd64\$" |
		awk '{ print $1 }' | sort -V | tail -1
}

# download VERSION - the package into the current directory
download() {
	local package

	package=$(newest_package "$1")
	[[ -n $package ]] && apt-get download -qq -o APT::Sandbox::User=root "$package"
}

# unpack PACKAGE DIRECTORY - the kernel and the modules that tests need
unpack() {
	local module file

	dpkg-deb -x "$1" "$work/package" && mkdir -p "$2/modules" &&
		cp "$work"/package/boot/vmlinuz-* "$2/vmlinuz" || return 1
	for module in $MODULES; do
		file=$(find "$work/package" -name "$module.ko*")
		case $file in
		*.ko) cp "$file" "$2/modules/" ;;
		*.ko.xz) xz -dc "$file" >"$2/modules/$module.ko" ;;
		*) say "$1 has no module '$module' in a form known here" ;;
		esac || return 1
	done
	rm -rf "$work/package"
}

# has_all DIRECTORY - the kernel is there, and the modules that tests need now
has_all() {
	local module

	[[ -e $1/vmlinuz ]] || return 1
	for module in $MODULES; do
		[[ -e $1/modules/$module.ko ]] || return 1
	done
}

# fetch VERSION - fill $STORE/VERSION, once. On failure prints why.
fetch() {
	local version=$1 directory=$STORE/$1

	! has_all "$directory" || return 0
	if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
		echo "kernels come from Debian packages, and there is no apt-get here"
		return 1
	fi
	say "fetching Linux $version"
	mkdir -p "$work/download" "$work/unpacked"
	(
		cd "$work/download" || exit 1
		# The lists may be old, or not there at all. Only root can renew them.
		download "$version" || { apt-get update -qq && download "$version"; }
	) 2>"$work/error"
	if ! compgen -G "$work/download/*.deb" >/dev/null; then
		[[ -s $work/error ]] || echo "apt knows no package of it" >"$work/error"
		tail -1 "$work/error"
		return 1
	fi
	unpack "$work"/download/*.deb "$work/unpacked" 2>"$work/error" || {
		echo "its package cannot be unpacked: $(tail -1 "$work/error")"
		return 1
	}
	rm -rf "$directory" "$work/download"
	mv "$work/unpacked" "$directory" # at once: what is there is complete
}

# Test programs, without what is excluded, in the order in which they begin.
list_programs() {
	local program name left_out

	left_out=" $(awk '{ print $1 }' <<<"$EXCLUDED") "
	[[ -n $ALL ]] || left_out+="$SLOW "
	for program in $SLOW $FIRST "$PROGRAMS"/test_*; do
		name=${program##*/}
		[[ -x $PROGRAMS/$name && ! $name == *.* ]] || continue
		[[ $left_out == *[[:space:]]"$name"[[:space:]]* ]] && continue
		left_out+="$name "
		echo "$name"
	done
}

# make_initramfs VERSION FILE PROGRAM... - libraries lie where they do on the host
make_initramfs() {
	local root=$work/root-$1 file=$2 library version=$1

	shift 2
	rm -rf "$root"
	mkdir -p "$root"/{dev,proc,sys,tmp,run,tests}
	cp "$INIT" "$root/init"
	cp -r "$STORE/$version/modules" "$root/modules"
	cp "${@/#/$PROGRAMS/}" "$root/tests/"
	cp -r tests/data "$root/tests/data" # where they look for it: they run at the top
	ldd "${@/#/$PROGRAMS/}" | grep -oE '[[:space:]]/[^ :)]+' | sort -u | while read -r library; do
		install -D -m 0755 "$library" "$root$library"
	done
	(cd "$root" && find . | busybox cpio -o -H newc) >"$file" 2>/dev/null
}

# take_program VERSION - the name of the next program that no machine of it has run
take_program() {
	local program queue=$work/queue-$1

	{
		flock 9
		read -r program <"$queue" && sed -i 1d "$queue"
	} 9>"$work/lock-$1"
	echo "$program"
}

# attend VERSION REPORT - write down what a machine says, and answer its questions on stdout
attend() {
	local line

	while IFS= read -r line; do
		[[ $line != '# next' ]] || take_program "$1"
		echo "$line" >>"$2"
	done
}

# run_machine VERSION NUMBER - one machine, until it powers off. Returns QEMU's status, or 124 after
# SECONDS_MAX. Without -no-reboot a panic would begin all over.
run_machine() {
	local directory=$STORE/$1 number=$2 answers=$work/answers-$1-$2

	mkfifo "$answers"
	# shellcheck disable=SC2094 # a FIFO: what one writes the other one reads
	timeout --foreground -k 5 "$SECONDS_MAX" qemu-system-x86_64 -accel tcg -smp 2 -m "$MEMORY" \
		-no-user-config -nodefaults -display none -no-reboot \
		-kernel "$directory/vmlinuz" -initrd "$work/initramfs-$1" -append "$COMMAND_LINE" \
		-serial "file:$directory/console-$number" -serial stdio \
		<>"$answers" 2>"$directory/qemu-$number" |
		attend "$1" "$directory/report-$number" >"$answers"
	return "${PIPESTATUS[0]}"
}

# Everything between a program's "# run" and "# end".
output_of() { # PROGRAM REPORT
	awk -v name="$1" '$1 == "#" && $2 == "end" && $3 == name { exit }
		found
		$1 == "#" && $2 == "run" && $3 == name { found = 1 }' "$2"
}

# why_unfinished VERSION NUMBER STATUS - why a program has no end on machine NUMBER
why_unfinished() {
	case $3 in
	124 | 137) echo "not ok - the machine was stopped after $SECONDS_MAX s" ;;
	*) echo "not ok - the machine ended before it did (QEMU's status $3)" ;;
	esac
	tail -qn 5 "$STORE/$1/console-$2" "$STORE/$1/qemu-$2"
}

# check_program VERSION PROGRAM STATUS... - count what a program said; STATUS: how the machines ended
check_program() {
	local version=$1 program=$2 log=$work/log number report status='' time=''

	shift 2
	report=$(grep -lxF "# run $program" "$STORE/$version"/report-* | head -1)
	number=${report##*-}
	number=${number:-0} # nobody got to it: the first machine's end is as good as any
	: >"$log"
	if [[ -n $report ]]; then
		output_of "$program" "$report" >"$log"
		read -r status time < <(awk -v name="$program" \
			'$1 == "#" && $2 == "end" && $3 == name { print $4, $5 }' "$report")
	fi
	[[ -n $status ]] || why_unfinished "$version" "$number" "${@:number + 1:1}" >>"$log"
	count_tap "$version $program${time:+ ($((time / 1000)) s)}" "${status:-1}" "$log"
}

# check_machine VERSION NUMBER - what the kernel and init had to say, as one more test
check_machine() {
	local log=$work/log

	{
		grep -E "$COMPLAINTS" "$STORE/$1/console-$2" | head -5
		grep '^# init:' "$STORE/$1/report-$2" | head -5
	} >"$log"
	if [[ -s $log ]]; then
		echo "not ok - nothing goes wrong in the kernel ($STORE/$1/console-$2)" >>"$log"
	else
		echo "ok - nothing goes wrong in the kernel" >"$log"
	fi
	count_tap "$1 kernel messages, machine $2" 0 "$log"
}

# start_kernel VERSION - machines side by side, which share the programs
start_kernel() {
	local version=$1 count number programs

	mapfile -t programs < <(list_programs)
	printf '%s\n' "${programs[@]}" >"$work/queue-$version"
	count=$((($(nproc) + kernels - 1) / kernels))
	((count <= MACHINES_MAX)) || count=$MACHINES_MAX
	((count <= ${#programs[@]})) || count=${#programs[@]}
	rm -f "$STORE/$version"/{console,report,qemu}-*
	make_initramfs "$version" "$work/initramfs-$version" "${programs[@]}"
	began[$version]=$SECONDS
	for ((number = 0; number < count; number++)); do
		touch "$STORE/$version"/{console,report,qemu}-"$number"
		set -m # in a process group of its own
		run_machine "$version" "$number" &
		set +m
		machines+=($!)
		machines_of[$version]+="$! "
	done
}

# judge_kernel VERSION - when its machines have ended, with a closing line of its own
judge_kernel() {
	local version=$1 before=("$passed" "$failed" "$skipped") statuses=()
	local machine number program release took

	for machine in ${machines_of[$version]}; do
		wait "$machine"
		statuses+=($?)
	done
	took=$((SECONDS - began[$version]))
	while read -r program; do
		check_program "$version" "$program" "${statuses[@]}"
	done < <(list_programs | sort)
	for number in "${!statuses[@]}"; do
		check_machine "$version" "$number"
	done
	release=$(awk '$2 == "kernel" { print $3; exit }' "$STORE/$version"/report-*)
	echo "Linux $version (${release:-did not boot}), $took s:" \
		"$(tap_summary $((passed - before[0])) $((failed - before[1])) $((skipped - before[2])))"
}

# try_kernel VERSION - start it, if there is a way
try_kernel() {
	local version=$1 reason

	[[ -z ${machines_of[$version]:-} ]] || return # named twice
	if reason=$(obstacle) || ! reason=$(fetch "$version"); then
		skipped=$((skipped + 1))
		echo "Linux $version: SKIP: $reason"
		return
	fi
	start_kernel "$version"
}

if (($# == 0)); then
	set -- 6.1 6.12
fi
mkdir -p "$STORE"
work=$(mktemp -d "$STORE/work.XXXXXX")
work=$(realpath "$work")
for version; do
	[[ $version =~ ^[0-9]{1,2}\.[0-9]{1,3}$ ]] || {
		say "'$version' is no kernel version such as 6.1"
		exit 2
	}
done
if [[ ! -x $INIT || -z $(list_programs) ]]; then
	say "there is nothing to run: make test-kernels builds it"
	exit 1
fi
kernels=$#
for version; do
	try_kernel "$version"
done
for version; do
	[[ -z ${machines_of[$version]:-} ]] || judge_kernel "$version"
	unset "machines_of[$version]"
done
machines=()
while read -r name reason; do
	[[ -z $name ]] || echo "not run: $name: $reason"
done <<<"$EXCLUDED"
[[ -n $ALL ]] || echo "not run: $SLOW: they are slow in emulation, make test-kernels ALL=1 runs them"
tap_summary "$passed" "$failed" "$skipped" | tee build/kernels-summary
[[ $failed == 0 ]]
