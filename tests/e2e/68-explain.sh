#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Why a packet is dropped: real packets are, and explaining them names the stage, the rule with its file and line, the
# entry, the person and the record behind, and the command that ends it. Nothing that is explained is counted.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly LISTED=198.18.5.1 FED=198.18.6.1 GREEDY=198.18.7.1 POLICED=198.18.8.2 VIP=198.18.9.1 INNOCENT=198.18.10.1

asked() { # PACKET FILTER
	weir explain "$1" -o json | jq -e "$2"
}

line_of() { # FILE PATTERN
	grep -n "$2" "$1" | cut -d: -f1
}

listens() { # PORT
	[[ $(lab_host ss -Hltn "sport = :$1") ]]
}

counted() {
	weir status -o json | jq -c '[.packets, .reasons]'
	weir lists block -o json | jq -c '[.items[] | [.cidr, .hits]]'
	weir limits -o json | jq -c '[.items[] | [.name, .passed, .dropped, .would_drop]]'
}

mkdir "$LAB_DIR/conf.d"
(umask 077 && cat >"$LAB_DIR/conf.d/dns.yaml") <<-YAML
	services: {dns: {proto: udp, dport: 53}}

	limits:
	  - {name: dns, scope: source, service: dns, rate: 1/m, burst: 3}
YAML
printf '# scanners\n%s\n' "$FED" >"$LAB_DIR/feed.txt"
policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	include: [conf.d/dns.yaml]
	lists:
	  allow: {entries: [$VIP]}
	  block:
	    entries:
	      - {cidr: $POLICED/31, reason: 'as agreed'}
	    feeds: [{name: scanners, file: $LAB_DIR/feed.txt, format: plain}]
	services: {web: {proto: tcp, dport: 80}, shop: {proto: tcp, dport: 8080, syn_cookies: always}}
	limits:
	  - {name: web, scope: source, service: web, algorithm: fixed_window, rate: 5/h}
	  - {name: watched, scope: source, service: web, rate: 1/m, burst: 2, shadow: true}
	packets: {malformed: drop}
YAML
start_weir
weir block "$LISTED" --ttl 10m --reason 'port scan' >/dev/null
wait_for 10 asked "$FED" '.verdict == "drop"' >/dev/null
for source in "$LISTED" "$FED" "$POLICED"; do
	flood --to "$LAB_HOST4:80" --base "$source" --packets 3 >/dev/null
done
flood --to "$LAB_HOST4:80" --proto syn --base "$GREEDY" --packets 8 >/dev/null
flood --to "$LAB_HOST4:53" --base "$GREEDY" --packets 5 >/dev/null
before=$(counted)

check 'what an operator blocked: who, why, until when, and the command that ends it' asked "$LISTED" \
	".verdict == \"drop\" and .reason == \"blocked\" and .stages[2] == {stage: \"lists\", passage: \"decided\"} and
	.lists[0].reason == \"port scan\" and .lists[0].added_by == \"root\" and .lists[0].left_seconds > 500 and
	.undo == \"weir unblock $LISTED\""
check 'and the record of that' asked "$LISTED" \
	".cause.event_type == \"list.add\" and .cause.resource.id == \"$LISTED\" and (.cause.event_id | length) > 0"
check 'what a feed lists: its file and line' asked "$FED" \
	".reason == \"blocked\" and .lists[0].feed == \"scanners\" and .lists[0].file == \"$LAB_DIR/feed.txt\" and
	.lists[0].line == 2 and .cause.event_type == \"feed.updated\""
check 'what the policy lists: its file and line, and who applied it' asked "$POLICED" \
	".reason == \"blocked\" and .matched == \"$POLICED/31\" and .lists[0].file == \"$LAB_DIR/policy.yaml\" and
	.lists[0].line == $(line_of "$LAB_DIR/policy.yaml" as.agreed) and .cause.event_type == \"policy.apply\""
check 'who is allowed: all his packets pass' asked "udp $VIP > $LAB_HOST4:53" '.verdict == "pass" and .reason == "allowed"'
check 'a limit: rule, file and line, nothing left, and when the next packet passes' \
	asked "tcp $GREEDY:4242 > $LAB_HOST4:80 syn" \
	".verdict == \"drop\" and .reason == \"over_packets\" and .refused_by == \"web\" and .stages[4].passage == \"decided\" and
	(.limits[] | select(.name == \"web\") | .finding == \"refused\" and .algorithm == \"fixed_window\" and
		.file == \"$LAB_DIR/policy.yaml\" and .line == $(line_of "$LAB_DIR/policy.yaml" 'name: web,') and
		.bucket.available == 0 and .bucket.burst == 5) and
	.passes_in_ns > 0 and .undo == \"weir allow $GREEDY --ttl 1h\""
check 'a limit of an included file is named with that file' asked "udp $GREEDY > $LAB_HOST4:53" \
	".refused_by == \"dns\" and (.limits[] | select(.name == \"dns\") | .file == \"$LAB_DIR/conf.d/dns.yaml\" and
	.line == 4)"
check 'what the source was refused lately comes along' asked "udp $GREEDY > $LAB_HOST4:53" \
	'.recent | length > 0 and all(.reason == "over_packets")'
check 'a limit in the shadow says what it would do' asked "tcp $GREEDY > $LAB_HOST4:80 ack" \
	'.limits | any(.name == "watched")'
check 'who is new has all the room' asked "tcp $INNOCENT:1 > $LAB_HOST4:80 syn" \
	'.verdict == "pass" and .reason == "within_limit" and .passes_in_ns == 0 and .undo == null and
	(.limits[] | select(.name == "web") | .bucket.known == false and .bucket.available == 5)'
check 'what is not said is assumed, and said to be' asked "$INNOCENT" \
	".assumed == [\"protocol\", \"destination\", \"port\"] and (.packet | contains(\"> $LAB_HOST4:0 syn\"))"
check 'a frame is explained as it is' asked 'frame 02000000000202000000000108004600' \
	'.reason == "ip4_truncated" and .stages[1].passage == "decided" and .stages[2].passage == "not_reached"'
check 'an interface without protection is named' asked "tcp $LISTED > $LAB_HOST4:80 on lo" \
	'.interfaces == [{name: "lo", state: "unprotected"}]'
check 'people get tables, and the command to paste' grep -qx "to let it through: weir unblock $LISTED" \
	<<<"$(weir explain "$LISTED")"
check 'the rule stands there with its line' grep -q "refused .*policy.yaml:$(line_of "$LAB_DIR/policy.yaml" 'name: web,')" \
	<<<"$(weir explain "tcp $GREEDY > $LAB_HOST4:80")"
check 'what is no packet is refused, and the word named' grep -q "'sin' is none of syn" \
	<<<"$(weir explain "tcp $GREEDY > $LAB_HOST4:80 sin" 2>&1)"
check 'a SYN that nobody listens for gets no cookie' asked "tcp $INNOCENT > $LAB_HOST4:8080 syn" \
	'.verdict == "pass" and .reason == "syn_cookie" and .cookie == "no_listener"'
lab_spawn host python3 -c "import signal, socket
s = socket.create_server(('$LAB_HOST4', 8080))
signal.pause()"
wait_for 10 listens 8080
check 'one whose listener has room does not either, and is told so' \
	grep -q 'no SYN cookie: the listener has room' <<<"$(weir explain "tcp $INNOCENT > $LAB_HOST4:8080 syn")"
lab_host sysctl -qw net.ipv4.tcp_syncookies=2
check 'one whose listener wants it is answered with one' asked "tcp $INNOCENT > $LAB_HOST4:8080 syn" \
	'.verdict == "reply" and .cookie == "answered" and .refused_by == "shop/cookies"'
kill "$LAB_PID"
weir panic monitor --reason 'exercise' >/dev/null
check 'the panic switch is named' asked "$LISTED" \
	'.verdict == "would_drop" and .mode.because == "panic" and .mode.panic.reason == "exercise"'
weir panic clear >/dev/null
check 'nothing of all this was counted anywhere' test "$(counted)" = "$before"
flood --to "$LAB_HOST4:80" --proto syn --base "$INNOCENT" --packets 6 >/dev/null
check 'what was foretold is what happens' test "$(weir limits -o json | jq '.items[] | select(.name == "web").dropped')" = \
	"$(($(jq -n "$(sed -n 3p <<<"$before") | .[] | select(.[0] == \"web\")[2]") + 1))"
finish
