#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Real clients on a protected host: what must work works, what must not does not. TCP by curl and
# iperf3, UDP by iperf3 and the generator, ICMP by ping; IPv4 and IPv6.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

fetch() { # FROM [URL]
	lab_client curl -gs --interface "$1" --max-time 2 "${2:-http://$LAB_HOST4/}"
}

refuse() {
	! "$@"
}

ping_from() { # FROM TO [COUNT]
	lab_client ping -q -c "${3:-2}" -i 0.05 -W 1 -I "$1" "$2"
}

two_neighbours() {
	ping_from 2001:db8:5::1 "$LAB_HOST6" 5 && ping_from 2001:db8:5::2 "$LAB_HOST6"
}

write_policy() { # MODE
	policy <<-YAML
		apiVersion: weir/v1
		mode: $1
		lists:
		  allow: {entries: [198.18.70.1, "2001:db8:70::/48"]}
		  block: {entries: [198.18.70.0/24, "2001:db8:66::/48"]}
		services:
		  web: {proto: tcp, dport: 80}
		  echo: {proto: [icmp, icmp6]}
		  other-host: {dst: [198.18.0.99], proto: udp}
		limits:
		  - {name: web, scope: source, service: web, rate: 2k/s, burst: 4k}
		  - {name: ping, scope: source, service: echo, rate: 1/m, burst: 5}
		  - {name: elsewhere, scope: source, service: other-host, rate: 1/m, burst: 1}
	YAML
}

mkdir "$LAB_DIR/www"
echo served >"$LAB_DIR/www/index.html"
lab_spawn host busybox httpd -f -p "$LAB_HOST4:80" -h "$LAB_DIR/www"
lab_spawn host busybox httpd -f -p "[$LAB_HOST6]:80" -h "$LAB_DIR/www"
lab_spawn host iperf3 -s -B "$LAB_HOST4" >/dev/null
write_policy enforce
start_weir
wait_for 5 fetch 198.18.0.2 >/dev/null

check 'a first start has nothing to complain of' refuse is_recorded '.severity >= 4'
check 'a page is served over IPv4' fetch 198.18.0.2
check 'a page is served over IPv6' fetch 2001:db8::2 "http://[$LAB_HOST6]/"
check 'ping works over IPv4' ping_from 198.18.0.2 "$LAB_HOST4"
check 'ping works over IPv6' ping_from 2001:db8::2 "$LAB_HOST6"
check 'a blocked prefix gets no page' refuse fetch 198.18.70.2
check 'a blocked IPv6 prefix gets no page' refuse fetch 2001:db8:66::1 "http://[$LAB_HOST6]/"
check 'an allowed address inside a blocked prefix gets its page' fetch 198.18.70.1
check 'iperf3 TCP runs to its end' lab_client iperf3 -c "$LAB_HOST4" -t 1 -b 20M
check 'iperf3 UDP runs to its end' lab_client iperf3 -c "$LAB_HOST4" -u -t 1 -b 5M
check 'of ten pings a limit of five passes five' \
	grep -q '10 packets transmitted, 5 received' <<<"$(ping_from 198.18.0.3 "$LAB_HOST4" 10)"
check 'and another source is not affected' ping_from 198.18.0.4 "$LAB_HOST4"
check 'an IPv6 /64 is one source: its neighbours share the bucket' \
	refuse two_neighbours
check 'a web client is not limited by the rule for another destination' fetch 198.18.0.5

weir block 198.18.0.2 --ttl 2s --reason 'for two seconds' >/dev/null
check 'a block added at run time holds' refuse fetch 198.18.0.2
check 'and ends by itself' wait_for 5 fetch 198.18.0.2
weir block 198.18.0.6 >/dev/null
check 'a block for ever holds' refuse fetch 198.18.0.6
weir unblock 198.18.0.6 >/dev/null
check 'and is undone at once' fetch 198.18.0.6

write_policy monitor
weir policy apply >/dev/null
before=$(count would_drop blocked)
check 'mode monitor drops nothing' fetch 198.18.70.2
check 'and counts what it would have dropped' test "$(count would_drop blocked)" -gt "$before"
write_policy off
weir policy apply >/dev/null
before=$(count pass off)
check 'mode off passes everything' fetch 198.18.70.2
check 'and says so' test "$(count pass off)" -gt "$before"

finish
