#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A lab: two network namespaces, client and host, joined by a veth pair that takes native XDP. Source
# it for lab_up, lab_client, lab_host and lab_down, or run it (`lab.sh help`). Nothing ever touches
# the root namespace, and no packet moves that nobody sent: no ARP, ND, MLD or router solicitation,
# so a test may count packets exactly. A lab belongs to a process; once that is gone, the next
# lab_up sweeps the lab away.
#
# The host is 198.18.0.1 and 2001:db8::1. Every other address of 198.18.0.0/15 and 2001:db8::/32 is
# the client, which answers to all of them and may send from any of them (curl --interface ...).

readonly LAB_RUN=/run/weir-lab
readonly LAB_NET4=198.18.0.0/15 LAB_NET6=2001:db8::/32
readonly LAB_HOST4=198.18.0.1 LAB_HOST6=2001:db8::1
readonly LAB_CLIENT4=198.18.0.2 LAB_CLIENT6=2001:db8::2
LAB_IF_CLIENT=client0 LAB_IF_HOST=host0
# Locally administered, easy to tell apart in a dump.
readonly LAB_MAC_CLIENT=02:00:00:00:00:0c LAB_MAC_HOST=02:00:00:00:00:0a

# lab_use SUFFIX - name a lab: sets LAB, LAB_CLIENT and LAB_HOST (namespaces), LAB_DIR (for files) and
# LAB_BPFFS (for pins: make it; lab_down removes it).
lab_use() {
	LAB=$1
	LAB_CLIENT=weir-$LAB-client
	LAB_HOST=weir-$LAB-host
	LAB_DIR=$LAB_RUN/$LAB
	LAB_BPFFS=/sys/fs/bpf/weir-lab-$LAB
}

# "PID STARTED" of a process: the start time tells a later process with the same number apart. The
# fields are counted from behind the command, which may hold blanks and parentheses.
lab_identity() {
	local stat

	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	# shellcheck disable=SC2086 # split into fields
	set -- "$1" ${stat##*) }
	echo "$1 ${21}"
}

# lab_in NAMESPACE COMMAND... - by nsenter: `ip netns exec` would hide bpffs.
lab_in() {
	nsenter --net="/run/netns/$1" -- "${@:2}"
}

lab_client() {
	lab_in "$LAB_CLIENT" "$@"
}

lab_host() {
	lab_in "$LAB_HOST" "$@"
}

# lab_spawn client|host COMMAND... - in the background; sets LAB_PID to the command itself, which "$!"
# after `lab_host ... &` would not be.
lab_spawn() {
	nsenter --net="/run/netns/weir-$LAB-$1" -- "${@:2}" &
	# shellcheck disable=SC2034 # for the caller
	LAB_PID=$!
}

# lab_reserve OWNER_PID - sweep, then make the directory of a new lab; prints its suffix. Locked, so
# that nobody sweeps a directory that has no owner file yet. PID 0: nobody's, stays until lab_down.
lab_reserve() (
	mkdir -p "$LAB_RUN"
	exec 9>"$LAB_RUN/.lock"
	flock 9
	lab_sweep 9>&-
	dir=$(mktemp -d "$LAB_RUN/XXXXXX") || exit 1
	if (($1)); then
		lab_identity "$1" >"$dir/owner" || exit 1
	fi
	basename "$dir"
)

# lab_sweep - remove labs whose owner is dead.
lab_sweep() {
	local dir owner

	for dir in "$LAB_RUN"/*/; do
		owner=$(cat "$dir/owner" 2>/dev/null) || continue
		[[ $(lab_identity "${owner%% *}") == "$owner" ]] || (lab_down "$(basename "$dir")")
	done
}

# The two ends. arp off: no neighbour discovery and no multicast joins, hence no traffic of their own.
# GRO makes an end without an XDP program take redirected frames (ndo_xdp_xmit) all the same; veth
# tells the other end so only if it is up by then.
lab_link() {
	local queues
	queues=$(nproc)

	ip -n "$LAB_CLIENT" link add "$LAB_IF_CLIENT" address "$LAB_MAC_CLIENT" \
		numtxqueues "$queues" numrxqueues "$queues" type veth \
		peer name "$LAB_IF_HOST" address "$LAB_MAC_HOST" netns "$LAB_HOST" \
		numtxqueues "$queues" numrxqueues "$queues" &&
		lab_end "$LAB_CLIENT" "$LAB_IF_CLIENT" && lab_end "$LAB_HOST" "$LAB_IF_HOST" &&
		lab_client ethtool -K "$LAB_IF_CLIENT" gro on &&
		lab_host ethtool -K "$LAB_IF_HOST" gro on
}

# lab_end NAMESPACE INTERFACE
lab_end() {
	ip -n "$1" link set lo up &&
		ip -n "$1" link set "$2" arp off addrgenmode none &&
		lab_in "$1" sysctl -qw "net.ipv6.conf.$2.accept_ra=0" \
			net.ipv4.conf.all.rp_filter=0 "net.ipv4.conf.$2.rp_filter=0" &&
		ip -n "$1" link set "$2" up
}

# Whatever the client claims to be, the host's answer takes the one next hop; and since the client
# owns both networks but for the host's addresses, such an answer is received, not forwarded.
# /32 and /128, because a wider address would turn its first and last into broadcasts.
lab_addresses() {
	ip -n "$LAB_CLIENT" -b - <<-END || return 1
		addr add $LAB_CLIENT4/32 dev $LAB_IF_CLIENT
		addr add $LAB_CLIENT6/128 dev $LAB_IF_CLIENT nodad
		neigh add $LAB_HOST4 lladdr $LAB_MAC_HOST dev $LAB_IF_CLIENT nud permanent
		neigh add $LAB_HOST6 lladdr $LAB_MAC_HOST dev $LAB_IF_CLIENT nud permanent
		route add $LAB_HOST4/32 dev $LAB_IF_CLIENT src $LAB_CLIENT4 table local
		route add $LAB_HOST6/128 dev $LAB_IF_CLIENT src $LAB_CLIENT6 table local
		route add local $LAB_NET4 dev lo table local
		route add local $LAB_NET6 dev lo table local
	END
	lab_client sysctl -qw net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1 || return 1
	ip -n "$LAB_HOST" -b - <<-END
		addr add $LAB_HOST4/32 dev $LAB_IF_HOST
		addr add $LAB_HOST6/128 dev $LAB_IF_HOST nodad
		neigh add $LAB_CLIENT4 lladdr $LAB_MAC_CLIENT dev $LAB_IF_HOST nud permanent
		neigh add $LAB_CLIENT6 lladdr $LAB_MAC_CLIENT dev $LAB_IF_HOST nud permanent
		route add $LAB_NET4 via $LAB_CLIENT4 dev $LAB_IF_HOST onlink src $LAB_HOST4
		route add $LAB_NET6 via $LAB_CLIENT6 dev $LAB_IF_HOST onlink src $LAB_HOST6
	END
}

# lab_up [OWNER_PID] - make a lab and name it by lab_use. It is the shell's own unless said otherwise.
# On failure nothing is left.
lab_up() {
	local suffix

	if ((EUID != 0)); then
		echo "lab: needs root for network namespaces" >&2
		return 1
	fi
	suffix=$(lab_reserve "${1:-$$}") || return 1
	lab_use "$suffix"
	ip netns add "$LAB_CLIENT" && ip netns add "$LAB_HOST" && lab_link && lab_addresses && return 0
	lab_down
	return 1
}

# lab_pids - what runs inside.
lab_pids() {
	ip netns pids "$LAB_CLIENT" 2>/dev/null || true
	ip netns pids "$LAB_HOST" 2>/dev/null || true
}

# lab_kill - ask, wait up to two seconds, insist.
lab_kill() {
	local pids i

	for ((i = 0; i <= 40; i++)); do
		mapfile -t pids < <(lab_pids)
		((${#pids[@]})) || return 0
		case $i in
		0) kill "${pids[@]}" 2>/dev/null || true ;;
		40) kill -KILL "${pids[@]}" 2>/dev/null || true ;;
		esac
		sleep 0.05
	done
}

# lab_down [SUFFIX] - remove a lab and everything in it: processes, interfaces, pins, files. Harmless
# when there is none, so it may stand in a trap. The link goes first and by hand, because the
# kernel takes its time over a namespace.
lab_down() {
	[[ -z ${1:-} ]] || lab_use "$1"
	[[ -n ${LAB:-} ]] || return 0
	lab_kill
	ip -n "$LAB_CLIENT" link del "$LAB_IF_CLIENT" 2>/dev/null || true
	ip netns del "$LAB_CLIENT" 2>/dev/null || true
	ip netns del "$LAB_HOST" 2>/dev/null || true
	rm -rf "$LAB_BPFFS" "$LAB_DIR"
	LAB=
}

lab_help() {
	cat <<-END
		usage: lab.sh up [OWNER_PID]                   make a lab, print its names for eval
		       lab.sh down SUFFIX                      remove it
		       lab.sh exec SUFFIX client|host CMD...   run a command inside
		       lab.sh name SUFFIX                      print its names for eval
		       lab.sh list                             labs that exist
		       lab.sh sweep                            remove labs whose owner is dead
		A lab without an owner stays until 'down'. Host: $LAB_HOST4, $LAB_HOST6;
		client: all the rest of $LAB_NET4 and $LAB_NET6.
	END
}

lab_print_names() {
	local name

	for name in LAB LAB_CLIENT LAB_HOST LAB_IF_CLIENT LAB_IF_HOST LAB_DIR LAB_BPFFS; do
		echo "$name=${!name}"
	done
}

# lab_existing SUFFIX - lab_use, but only what is there.
lab_existing() {
	if [[ ! ${1:-} =~ ^[A-Za-z0-9]+$ || ! -d $LAB_RUN/$1 ]]; then
		echo "lab: there is no lab '${1:-}'; lab.sh list shows what there is" >&2
		return 1
	fi
	lab_use "$1"
}

lab_main() {
	case ${1:-help} in
	up) lab_up "${2:-0}" && lab_print_names ;;
	down) lab_existing "${2:-}" && lab_down ;;
	name) lab_existing "${2:-}" && lab_print_names ;;
	list) [[ ! -d $LAB_RUN ]] || ls "$LAB_RUN" ;;
	sweep) lab_sweep ;;
	exec)
		lab_existing "${2:-}" || return 1
		case ${3:-} in
		client) lab_client "${@:4}" ;;
		host) lab_host "${@:4}" ;;
		*)
			echo "lab: exec wants client or host, not '${3:-}'" >&2
			return 2
			;;
		esac
		;;
	help | -h | --help) lab_help ;;
	*)
		lab_help >&2
		return 2
		;;
	esac
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
	set -euo pipefail
	lab_main "$@"
fi
