#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Answers from the driver, as real clients see them: a refused connection fails at once and says why,
# and a web server under a SYN flood from sources that never answer goes on serving those that do.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly FLOOD_PPS=20000
# Nobody answers for these: a SYN-ACK to them comes to nothing, as it does for spoofed sources.
readonly SILENT4=198.19.0.0 SILENT6=2001:db8:5000::
FLOOD_PID=
asked=0 served=0

attach() { # PROGRAM
	lab_host bpftool net attach xdpdrv pinned "$LAB_BPFFS/$1" dev "$LAB_IF_HOST"
}

detach() {
	lab_host bpftool net detach xdpdrv dev "$LAB_IF_HOST"
}

# load_programs - what answers, and what the client's end needs to hear of it: veth wakes the receiver of
# an XDP_TX only if that has a program, too.
load_programs() {
	mkdir "$LAB_BPFFS"
	bpftool prog loadall build/tests/lib/replies.bpf.o "$LAB_BPFFS"
	mkdir "$LAB_BPFFS/client"
	bpftool prog loadall build/tests/lib/reference.bpf.o "$LAB_BPFFS/client"
	lab_client bpftool net attach xdpdrv pinned "$LAB_BPFFS/client/count_pass" \
		dev "$LAB_IF_CLIENT"
}

fetch() { # FROM [URL] [SECONDS]
	lab_client curl -gsS --interface "$1" --max-time "${3:-3}" "${2:-http://$LAB_HOST4/}"
}

cookies() { # 0|1|2
	lab_host sysctl -qw "net.ipv4.tcp_syncookies=$1"
}

# netstat_counter NAME - of those in /proc/net/netstat, which host_counter does not read
netstat_counter() {
	# shellcheck disable=SC2016 # awk's own fields
	lab_host awk -v name="$1" '
		$1 == "TcpExt:" && !field {
			for (i = 2; i <= NF; i++)
				if ($i == name)
					field = i
			next
		}
		$1 == "TcpExt:" { print $field }' /proc/net/netstat
}

# start_flood HOST BASE PREFIX_BITS - SYNs from 65,536 sources, until stop_flood
start_flood() {
	lab_spawn client "$FLOOD" --iface "$LAB_IF_CLIENT" --json --proto syn --to "$1:80" \
		--base "$2" --source-prefix "$3" --sources 65536 --rate "$FLOOD_PPS" --seconds 300 \
		>"$LAB_DIR/flood.json"
	FLOOD_PID=$LAB_PID
	wait_for 5 queue_is_full "$1"
}

stop_flood() {
	kill -INT "$FLOOD_PID"
	wait "$FLOOD_PID" || true
	cat "$LAB_DIR/flood.json"
}

# queue_is_full HOST - its listener has all the half-open connections that its backlog (busybox: 9) allows
queue_is_full() {
	(($(lab_host ss -Htn state syn-recv src "$1" | wc -l) >= 9))
}

# serve SECONDS FROM [URL] - one request after the other; sets asked and served
serve() {
	local deadline=$((SECONDS + $1 + 1))

	asked=0 served=0
	while ((SECONDS < deadline)); do
		asked=$((asked + 1))
		! fetch "$2" "${3:-}" 2>/dev/null | grep -q served || served=$((served + 1))
	done
}

# under_flood NAME HOST BASE PREFIX_BITS FROM
under_flood() {
	local taken reached sent

	taken=$(netstat_counter SyncookiesRecv)
	start_flood "$2" "$3" "$4"
	reached=$(host_counter Tcp InSegs)
	serve 2 "$5" "http://$2/"
	taken=$(($(netstat_counter SyncookiesRecv) - taken))
	stop_flood
	reached=$(($(host_counter Tcp InSegs) - reached))
	sent=$(jq .sent "$LAB_DIR/flood.json")
	echo "# $1: $sent SYNs; $served of $asked requests served, $taken by cookies;" \
		"$reached segments reached the stack"
	check "$1: under a SYN flood every client is served" test "$served" = "$asked"
	check "$1: by cookies, but for those that found room in the queue" \
		test $((taken * 10)) -ge $((served * 9))
	# a connection takes five or six, and the listener's queue frees some places each second
	check "$1: the flood does not reach the stack" \
		test "$reached" -lt $((sent / 20 + asked * 8))
}

mkdir "$LAB_DIR/www"
echo served >"$LAB_DIR/www/index.html"
load_programs
ip -n "$LAB_CLIENT" route add blackhole "$SILENT4/16" table local
ip -n "$LAB_CLIENT" route add blackhole "$SILENT6/36" table local
lab_spawn host busybox httpd -f -p "$LAB_HOST4:80" -h "$LAB_DIR/www"
lab_spawn host busybox httpd -f -p "[$LAB_HOST6]:80" -h "$LAB_DIR/www"
wait_for 5 fetch 198.18.0.2 >/dev/null
wait_for 5 fetch 2001:db8::2 "http://[$LAB_HOST6]/" >/dev/null

# curl ends with 7 if it is refused, 28 if it waits in vain
attach reject
check 'a refused client is told at once' exits 7 fetch 198.18.0.2
check 'a refused IPv6 client is told at once' exits 7 fetch 2001:db8::2 "http://[$LAB_HOST6]/"
check 'ping is told that it is prohibited' grep -q 'Packet filtered' \
	<(lab_client ping -c 1 -W 2 "$LAB_HOST4")
check 'ping over IPv6 is told that it is prohibited' grep -q 'Administratively prohibited' \
	<(lab_client ping -c 1 -W 2 "$LAB_HOST6")
detach

cookies 0
start_flood "$LAB_HOST4" "$SILENT4" 32
check 'without cookies a SYN flood shuts a client out' exits 28 fetch 198.18.0.3
stop_flood

attach cookie
check 'where the kernel has cookies switched off, a client is served as ever' fetch 2001:db8::2 \
	"http://[$LAB_HOST6]/"
cookies 1
check 'while there is no flood, a client is served as ever' fetch 2001:db8::2 \
	"http://[$LAB_HOST6]/"
under_flood IPv4 "$LAB_HOST4" "$SILENT4" 32 198.18.0.3
under_flood IPv6 "[$LAB_HOST6]" "$SILENT6" 64 2001:db8::3
cookies 2
serve 1 198.18.0.2
check 'cookies for every connection serve all clients' test "$served" = "$asked"
serve 1 2001:db8::2 "http://[$LAB_HOST6]/"
check 'and all IPv6 clients' test "$served" = "$asked"

finish
