#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Who dropped it: of a known number of packets, lost in every way there is, each is in exactly one row of the ladder
# that is counted, and those that arrived are in none. Packets of other network namespaces are nobody's here.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly BLOCKED=100 OVER=90 BURST=10 FILTERED=60 FULL=400 CORRUPT=20 ARRIVED=50 REFUSED=3
readonly SYNS=7 ENDS=4 # that a full listener refuses: beginnings and ends of handshakes

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	lists: {block: {entries: [198.18.4.1]}}
	services: {discard: {proto: udp, dport: 9}}
	limits:
	  - {name: per-source, scope: source, service: discard, rate: 1/h, burst: $BURST}
YAML

# Three sockets in the host, which nobody reads until "read" comes; then how many datagrams each had.
cat >"$LAB_DIR/sockets.py" <<'PYTHON'
import socket, sys

def bind(port, room=None):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if room:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    s.bind((sys.argv[1], port))
    s.setblocking(False)
    return s

def drain(s):
    count = 0
    try:
        while s.recv(2048):
            count += 1
    except BlockingIOError:
        return count

listener = socket.create_server((sys.argv[1], 8002), backlog=2)
merged = socket.create_server((sys.argv[1], 8006))
sockets = [bind(7002, 8192), bind(7003), bind(7004)]
print("ready", flush=True)
sys.stdin.readline()
print(*[drain(s) for s in sockets], flush=True)
sys.stdin.readline()
PYTHON

# Datagrams whose checksum is wrong: short ones, which the kernel checks at once, and long ones, which it checks when they are read.
cat >"$LAB_DIR/corrupt.py" <<'PYTHON'
import socket, struct, sys

iface, to, count = sys.argv[1], socket.inet_aton(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((iface, 0))
for i in range(count):
    payload = b"x" * (20 if i % 2 else 800)
    udp = struct.pack("!HHHH", 4000, 7003, 8 + len(payload), 0xdead) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), i, 0, 64, 17, 0, socket.inet_aton("198.18.9.1"), to)
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xffff) + (total >> 16)
    total = ~((total & 0xffff) + (total >> 16)) & 0xffff
    ip = ip[:10] + struct.pack("!H", total) + ip[12:]
    s.send(bytes.fromhex("02000000000a02000000000c0800") + ip + udp)
PYTHON

# Handshakes with a listener that has room for three, two of them half-open; others get a cookie. Cookies fill it, and then two of
# the half-open ones, two with cookies and some that only begin find no room. The client's own stack knows nothing of it.
cat >"$LAB_DIR/handshakes.py" <<'PYTHON'
import socket, struct, sys

iface, to, begin = sys.argv[1], socket.inet_aton(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
s.bind((iface, 0x0800))
s.settimeout(10)

def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff

def send(n, flags, seq, ack):
    source = socket.inet_aton("198.18.10.%d" % n)
    tcp = struct.pack("!HHIIBBHHH", 4000, 8002, seq, ack, 0x50, flags, 8192, 0, 0)
    sum = checksum(source + to + struct.pack("!HH", 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", sum) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, n, 0, 64, 6, 0, source, to)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    s.send(bytes.fromhex("02000000000a02000000000c0800") + ip + tcp)

def open_half(n):
    send(n, 2, 1000, 0)
    while True:
        frame = s.recv(2048)
        if frame[23] == 6 and frame[30:34] == socket.inet_aton("198.18.10.%d" % n) and frame[47] == 0x12:
            return struct.unpack("!I", frame[38:42])[0]

answers = {n: open_half(n) for n in range(1, 8)}
for n in (3, 4, 5, 1, 2, 6, 7):
    send(n, 0x10, 1001, answers[n] + 1)
for n in range(begin):
    send(100 + n, 2, 1000, 0)
PYTHON

# row LAYER REASON - packets of its rows.
row() {
	weir drops -o json | jq --arg l "$1" --arg r "$2" \
		'[.items[] | select(.layer == $l and .reason == $r) | .packets] | add // 0'
}

row_is() { # LAYER REASON WANTED
	echo "$2: $(row "$1" "$2"), wanted $3"
	[[ $(row "$1" "$2") == "$3" ]]
}

lost() {
	weir drops -o json | jq .lost
}

send() { # PORT SOURCE PACKETS
	flood --to "$LAB_HOST4:$1" --base "$2" --packets "$3" >/dev/null
}

sums_are_equal() {
	echo "$sent sent, $arrived arrived, $(lost) lost; $(weir drops -o json | jq -c .kernel)"
	((sent - arrived == $(lost)))
}

rows_add_up() {
	weir drops -o json | jq -e '.lost == ([.items[] | select(.counted) | .packets] | add)'
}

flow_is() { # CIDR FILTER
	weir drops --flow "$1" -o json | jq -e "(.flows | length > 0) and (.flows | all($2))"
}

lab_host nft -f - <<-NFT
	table ip filter {
		chain input { type filter hook input priority 0; udp dport 7001 drop; }
	}
NFT
start_weir
coproc SOCKETS { lab_host python3 "$LAB_DIR/sockets.py" "$LAB_HOST4"; }
read -r _ <&"${SOCKETS[0]}"
check 'at first nothing is lost' test "$(lost)" = 0

send 9 198.18.4.1 $BLOCKED
send 9 198.18.5.1 $((OVER + BURST)) # and nobody listens there
send 7001 198.18.6.1 $FILTERED
send 7002 198.18.7.1 $FULL
send 7004 198.18.8.1 $ARRIVED
lab_client python3 "$LAB_DIR/corrupt.py" "$LAB_IF_CLIENT" "$LAB_HOST4" $CORRUPT
for ((i = 0; i < REFUSED; i++)); do
	lab_client curl -s -m 5 -o "$LAB_DIR/nothing" "http://$LAB_HOST4:8001/" || true
done
lab_client nft -f - <<-NFT
	table ip quiet {
		chain output { type filter hook output priority 0; tcp flags rst drop; }
	}
NFT
lab_client python3 "$LAB_DIR/handshakes.py" "$LAB_IF_CLIENT" "$LAB_HOST4" $SYNS
echo read >&"${SOCKETS[1]}"
read -r full corrupt arrived <&"${SOCKETS[0]}"
sent=$((BLOCKED + OVER + BURST + FILTERED + FULL + CORRUPT + ARRIVED + REFUSED + SYNS + ENDS))
arrived=$((arrived + full))
tells_no_room=yes # Linux 6.15; before, SYNs that are refused are in no sum
grep -q TCP_LISTEN_OVERFLOW /sys/kernel/btf/vmlinux || tells_no_room='' sent=$((sent - SYNS))

check 'what the block list drops is on the rung of weir' row_is xdp blocked $BLOCKED
check 'and what a limit does' row_is xdp over_packets $OVER
check 'what netfilter drops is on the rung of the kernel' row_is kernel NETFILTER_DROP $FILTERED
check 'what nobody listens for is on that of sockets' row_is socket NO_SOCKET $((BURST + REFUSED))
check 'and what a full socket has no room for' row_is socket SOCKET_RCVBUFF $((FULL - full))
check 'and what is corrupt, whether found at once or when it is read' row_is socket UDP_CSUM $CORRUPT
if [[ $tells_no_room ]]; then
	check 'the end of a handshake that a full listener has no room for' row_is socket TCP_LISTEN_OVERFLOW $ENDS
	check 'and a SYN that it refuses, for which the kernel has no reason' row_is socket SYN_REFUSED $SYNS
else
	skip 'what a full listener refuses' 'the kernel does not tell it from other losses: that takes Linux 6.15'
fi
check 'corrupt datagrams do not arrive' test "$corrupt" = 0
check 'what was sent arrived or is lost, each packet once' sums_are_equal
check 'and the rows that are counted add up to what is lost' rows_add_up
check 'a reset that we sent is no loss besides' row_is reset 'sent NO_SOCKET' $REFUSED
check 'whose packets they were is known' flow_is 198.18.6.0/24 \
	'.source == "198.18.6.1" and .destination_port == 7001 and .protocol == "udp" and
		.reason == "NETFILTER_DROP" and .interface == "'"$LAB_IF_HOST"'"'
check 'corrupt datagrams that were read are of the interface they came by' flow_is 198.18.9.1 \
	'.reason == "UDP_CSUM" and .interface == "'"$LAB_IF_HOST"'"'
check 'another interface lost none of them' \
	test "$(weir drops --iface lo -o json | jq '[.items[] | select(.interface == "'"$LAB_IF_HOST"'")] | length')" = 0
check 'a table says who dropped what' grep -q 'kernel *NETFILTER_DROP' <(weir drops)
check 'and it can be watched' grep -q 'NETFILTER_DROP' \
	<(timeout 3 "$WEIR" drops --watch -o ndjson)
check 'an interface that there is not is refused' exits 3 weir drops --iface nosuch0
check 'and what is no address' exits 2 weir drops --flow nonsense

before=$(lost)
lab_client python3 - "$LAB_HOST4" <<-'PYTHON'
	import socket, sys

	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("198.18.4.1", 0))
	for _ in range(10):
	    s.sendto(b"x", (sys.argv[1], 9))
PYTHON
check 'what weir drops of a stack is freed by the kernel, and lost once' test "$(lost)" = $((before + 10))
check 'and that the kernel freed it is a row that is not counted' row_is xdp XDP 10
before=$(lost)
lab_host python3 -c "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('$LAB_CLIENT4', 9))"
check 'what another network namespace drops is not counted here' test "$(lost)" = "$before"
check 'but that it is dropped there is known' test "$(weir drops -o json | jq '.kernel.elsewhere > 0')" = true

# out_is COUNT - packets of this host's own that netfilter dropped: rows that are no part of the sum.
out_is() {
	weir drops -o json | jq -e --argjson n "$1" '[.items[] | select(.reason == "NETFILTER_DROP" and .direction == "out")] |
		all(.counted | not) and (map(.packets) | add) == $n'
}

before=$(lost)
lab_host nft add chain ip filter output '{ type filter hook output priority 0; }'
lab_host nft add rule ip filter output udp dport 7005 drop
lab_host python3 - "$LAB_CLIENT4" <<-'PYTHON'
	import socket, sys

	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	for _ in range(5):
	    try:
	        s.sendto(b"x", (sys.argv[1], 7005))
	    except PermissionError:
	        pass
PYTHON
check 'what this host sends and drops itself has a row' out_is 5
check 'and is no packet that came in' test "$(lost)" = "$before"

# is_running - the program that the kernel runs for each packet that it drops.
is_running() {
	local id

	while read -r _ id; do
		[[ $(bpftool -j prog show id "$id" | jq -r .name) != weir_drop ]] || return 0
	done < <(grep -hs '^prog_id:' "/proc/$WEIR_PID/fdinfo"/*)
	return 1
}

says_off() {
	weir drops -o json | jq -e '(.kernel.counted | not) and (.kernel.trouble | test("kernel_drops"))'
}

check 'the program that counts drops of the kernel runs unless the policy says otherwise' is_running
sed -i '$a metrics: {kernel_drops: false}' "$LAB_DIR/policy.yaml"
weir policy apply >/dev/null
check 'a policy can do without' refuse is_running
check 'which the table says' says_off
check 'to people, too' grep -q 'not counted: the policy says so' <(weir drops 2>&1)
check 'and to who watches' grep -q 'not counted: the policy says so' <(timeout 2 "$WEIR" drops --watch 2>&1)
check 'and the doctor, who finds nothing wrong in it' grep -q '^ok *drops .*kernel_drops' <(weir doctor)
send 7001 198.18.6.1 5
check 'then what the kernel drops is in no sum' test "$(lost)" = 0
sed -i '$d' "$LAB_DIR/policy.yaml"
weir policy apply >/dev/null
send 7001 198.18.6.1 7
check 'with the next one it is counted again, from then on' row_is kernel NETFILTER_DROP 7

# frames - that the client has sent.
frames() {
	lab_client ip -j -s link show "$LAB_IF_CLIENT" | jq '.[0].stats64.tx.packets'
}

# Of a connection of which nothing but the handshake comes through, two frames.
each_frame_is_lost() { # LOST_BEFORE FRAMES_BEFORE
	local after

	after=$(lost)
	echo "$(($(frames) - $2)) frames, $((after - $1)) lost"
	((after - $1 >= 10 && after - $1 == $(frames) - $2 - 2))
}

lab_host nft add rule ip filter input tcp dport 8006 meta length '>' 100 drop
before=$(lost) sent=$(frames)
lab_client python3 - "$LAB_HOST4" <<-'PYTHON'
	import socket, sys

	s = socket.create_connection((sys.argv[1], 8006), 10)
	s.setblocking(False)
	s.send(b"x" * 100000)
PYTHON
check 'a packet that GRO merged on the way in counts as the frames that it was made of' \
	wait_for 10 each_frame_is_lost "$before" "$sent"
echo end >&"${SOCKETS[1]}"

stop_weir
finish
