#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Installs what building, running and testing weir takes on Debian or Ubuntu; elsewhere says what is
# missing and leaves the installing to you. Also mounts bpffs, which pins live in. The Makefile calls
# this before everything else, so it is quiet and quick when there is nothing to do.

set -euo pipefail

# Tools such as bpftool live in sbin, which a Debian user's PATH leaves out.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# Debian's package name, how else its presence shows (a command, a pkg-config module after "=", or an
# option that clang can link with), and what it is for.
readonly NEEDS='
	gcc gcc compiler
	make make build
	pkg-config pkg-config build
	clang clang compiler with the BPF target
	llvm llvm-strip strips BPF objects
	libclang-rt-dev -fsanitize=fuzzer,address fuzzing
	bpftool bpftool links BPF objects, generates skeletons
	libbpf-dev =libbpf loads the datapath (1.1 or newer)
	libelf-dev =libelf reads BPF objects, for libbpf
	zlib1g-dev =zlib for libbpf
	libuv1-dev =libuv event loop
	libmicrohttpd-dev =libmicrohttpd HTTP on the control socket
	libjansson-dev =jansson JSON
	libyaml-dev =yaml-0.1 policy files
	libssl-dev =libcrypto hashes of the audit chain
	libsqlite3-dev =sqlite3 state
	libcurl4-openssl-dev =libcurl HTTP client
	libncurses-dev =ncursesw weir top
	libcmocka-dev =cmocka unit tests
	tzdata zdump time zones of schedules
	iproute2 ip lab: namespaces and links
	util-linux nsenter lab
	bsdextrautils column make help
	procps ps lab
	ethtool ethtool lab: link features
	busybox busybox test traffic: an HTTP server
	curl curl test traffic: an HTTP client
	iperf3 iperf3 test traffic: TCP throughput
	iputils-ping ping test traffic: ICMP
	faketime faketime tests: a clock of their own
	jq jq tests: reads JSON
	tmux tmux tests: a terminal for weir top
	tshark tshark tests: reads captures
	chromium chromium tests: opens reports
	prometheus promtool tests: scrapes, rules
	mandoc mandoc tests: lints the manual page
	zsh zsh tests: its completion
	fish fish tests: its completion
	sqlite3 sqlite3 tests: what a crash leaves in the store
	qemu-system-x86 qemu-system-x86_64 tests on other kernels
	xz-utils xz tests on other kernels: unpacks modules
	nftables nft bench: a peer; tests: what is imported
	iptables iptables-legacy bench: a peer; tests: what is imported
	ipset ipset bench: a peer; tests: what is imported
	xdp-tools xdp-filter bench: a peer
	clang-format clang-format lint
	shellcheck shellcheck lint
	cppcheck cppcheck lint
'

say() {
	echo "setup: $*" >&2
}

# present PROBE - does the command or the pkg-config module exist, does clang's option work?
present() {
	case $1 in
	=*) pkg-config --exists "${1#=}" 2>/dev/null ;;
	-*) clang -x c "$1" -o /dev/null - 2>/dev/null \
		<<<'int LLVMFuzzerTestOneInput(void) { return 0; }' ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

# Packages of NEEDS that are not there, as the lines of NEEDS. What dpkg does not know by this name
# may still be there, built from source or packaged otherwise.
missing() {
	local installed='' package probe purpose

	if command -v dpkg-query >/dev/null; then
		# shellcheck disable=SC2046 # one word per package
		installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' \
			$(awk '{ print $1 }' <<<"$NEEDS") 2>/dev/null || true)
	fi
	while read -r package probe purpose; do
		[[ -n $package ]] || continue
		[[ $'\n'$installed$'\n' == *$'\n'"installed $package"$'\n'* ]] && continue
		present "$probe" || echo "$package $probe $purpose"
	done <<<"$NEEDS"
}

# A distribution whose packages carry the names above?
has_debian_packages() {
	local ID='' ID_LIKE=''

	command -v apt-get >/dev/null && [[ -r /etc/os-release ]] || return 1
	# shellcheck source=/dev/null
	. /etc/os-release
	[[ " $ID $ID_LIKE " == *' debian '* || " $ID $ID_LIKE " == *' ubuntu '* ]]
}

# install PACKAGE... - without questions and without starting anything: the answer for iperf3 keeps
# its server off.
install() {
	export DEBIAN_FRONTEND=noninteractive

	say "installing $*"
	apt-get update -qq
	if [[ " $* " == *' iperf3 '* ]] && command -v debconf-set-selections >/dev/null; then
		debconf-set-selections <<<'iperf3 iperf3/start_daemon boolean false'
	fi
	apt-get install -y -qq --no-install-recommends "$@" >&2
}

install_missing() {
	local lines packages

	lines=$(missing)
	[[ -n $lines ]] || return 0
	mapfile -t packages < <(awk '{ print $1 }' <<<"$lines")

	if ! has_debian_packages; then
		say "install these with your package manager (Debian's name, how it is found, purpose):"
		echo "$lines" >&2
		return 1
	fi
	if ((EUID != 0)); then
		say "missing: ${packages[*]}"
		say "run: sudo $(realpath "$0")"
		return 1
	fi
	install "${packages[@]}"
}

# Without bpffs the daemon cannot run, but everything can be built: a refusal is only said.
mount_bpffs() {
	((EUID == 0)) && [[ -d /sys/fs/bpf ]] || return 0
	[[ $(stat -f -c %T /sys/fs/bpf) != bpf_fs ]] || return 0
	if mount -t bpf bpf /sys/fs/bpf; then
		say "mounted bpffs at /sys/fs/bpf"
	else
		say "cannot mount bpffs at /sys/fs/bpf: weir can be built here but not run"
	fi
}

install_missing
mount_bpffs
