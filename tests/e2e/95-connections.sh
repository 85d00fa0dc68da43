#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The TCP connections of the host are those that ss sees, with the same figures; what became of them is added up by
# service; those that somebody means are ended, both ends learn it, and that is recorded.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly PORT=8000 HELD=5

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits: [{name: all, scope: source, rate: 1M/s}]
YAML

# A server that answers each request with 100 kB and keeps the connection.
cat >"$LAB_DIR/server.py" <<'PYTHON'
import socket, sys, threading

def serve(c):
    try:
        while c.recv(4096):
            c.sendall(b"y" * 100000)
    except OSError:
        pass
    finally:
        c.close()

s = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=64)
print("ready", flush=True)
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
    del c
PYTHON

# So many connections, each with one request and its answer; ended in order at "close", and says what became of those that
# still are at "look".
cat >"$LAB_DIR/client.py" <<'PYTHON'
import socket, sys

held = []
for _ in range(int(sys.argv[3])):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
    s.sendall(b"x" * 100)
    got = 0
    while got < 100000:
        got += len(s.recv(65536))
    held.append(s)
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "close":
        for s in held:
            s.close()
        print("closed", flush=True)
        break
    outcomes = []
    for s in held:
        s.settimeout(5)
        try:
            outcomes.append("ended" if s.recv(1) == b"" else "data")
        except ConnectionResetError:
            outcomes.append("reset")
    print(*outcomes, flush=True)
    held = []
PYTHON

hold() { # COUNT - sets CLIENT
	coproc CLIENT { lab_client python3 "$LAB_DIR/client.py" "$LAB_HOST4" $PORT "$1"; }
	read -r _ <&"${CLIENT[0]}"
}

# The same sockets as ss has them: rtt, min_rtt, bytes and retransmits, by the port of the peer.
agrees_with_ss() {
	weir connections ":$PORT" established -o json >"$LAB_DIR/ours"
	lab_host ss -tinH state established "sport = :$PORT" | paste - - >"$LAB_DIR/theirs"
	python3 - "$LAB_DIR/ours" "$LAB_DIR/theirs" "$1" <<-'PYTHON'
		import json, re, sys

		ours = {c["remote_port"]: c for c in json.load(open(sys.argv[1]))["items"]}
		theirs = {}
		for line in open(sys.argv[2]):
		    peer = int(line.split()[3].rsplit(":", 1)[1])
		    number = lambda name: float((re.search(r"\b%s:([0-9.]+)" % name, line) or [0, 0])[1])
		    theirs[peer] = {"rtt_us": 1000 * number("rtt"), "min_rtt_us": 1000 * number("minrtt"),
		                    "bytes_received": number("bytes_received"), "bytes_acked": number("bytes_acked"),
		                    "congestion_window": number("cwnd")}
		assert set(ours) == set(theirs) and len(ours) == int(sys.argv[3]), (ours, theirs)
		for peer, want in theirs.items():
		    for name, value in want.items():
		        got = ours[peer][name] or 0
		        print(peer, name, got, value)
		        assert abs(got - value) <= 0.05 * value, name
	PYTHON
}

service() { # FILTER
	weir connections services -o json | jq -r ".items[] | select(.port == $PORT and .direction == \"in\") | $1"
}

service_is() { # FILTER WANTED
	echo "$1: $(service "$1"), wanted $2"
	[[ $(service "$1") == "$2" ]]
}

count_is() {
	[[ $(weir connections ":$PORT" established -o json | jq .count) == "$1" ]]
}

now_us() {
	echo "${EPOCHREALTIME/[.,]/}"
}

# The age as the daemon tells it, between what this script's clock leaves possible: it was established between began and
# ready, and looked at between before and after.
age_is() {
	local age before after

	before=$(now_us)
	age=$(weir connections ":$PORT" -o json | jq '[.items[].age_us] | max')
	after=$(now_us)
	echo "age $age us, between $((before - ready)) and $((after - began))"
	((age * 100 >= (before - ready) * 95 && age * 100 <= (after - began) * 105))
}

release() { # have the client end its connections, and wait for it
	echo close >&"${CLIENT[1]}"
	read -r _ <&"${CLIENT[0]}"
	wait "$CLIENT_PID" || true
}

lab_spawn host python3 "$LAB_DIR/server.py" "$LAB_HOST4" $PORT >"$LAB_DIR/served"
wait_for 10 grep -q ready "$LAB_DIR/served"
hold 1 # before there is a daemon
start_weir
check 'a connection that was there before the daemon is listed, without an age' \
	jq -e '(.items | length) == 1 and .items[0].age_us == null and .items[0].direction == null and
		.items[0].rtt_us > 0' <(weir connections ":$PORT" -o json)
release
wait_for 5 count_is 0

began=$(now_us)
hold $HELD
ready=$(now_us)
check 'RTT, bytes and window are those that ss sees, within 5 %' agrees_with_ss $HELD
check 'the age is that of the connection, within 5 %' age_is
check 'established ones are added up by service' service_is .established $HELD
check 'with the time of their handshakes' service_is .handshake.count $HELD
release
check 'when they end, their durations and first bytes are' \
	wait_for 5 service_is '"\(.closed) \(.duration.count) \(.first_byte.count) \(.rtt.count)"' \
	"$HELD $HELD $HELD $HELD"
check 'and their bytes' service_is '"\(.bytes_received) \(.bytes_acked)"' \
	"$((HELD * (100 + 1))) $((HELD * (100000 + 1)))" # and one for each FIN

hold $HELD
check 'a dry run ends none' test "$(weir connections kill ":$PORT" established --dry-run -o json |
	jq -r '"\(.count) \(.ended)"')" = "$HELD 0"
check 'which is so' count_is $HELD
check 'nobody is ended who is not meant' test \
	"$(weir connections kill 203.0.113.0/24 --yes -o json | jq -r '"\(.count) \(.ended)"')" = '0 0'
check 'those that are meant are ended' grep -q "^$HELD of $HELD connections ended" \
	<(weir connections kill ":$PORT" "$LAB_CLIENT4" established --yes --reason 'a drill')
echo look >&"${CLIENT[1]}"
read -r outcome <&"${CLIENT[0]}"
kill "$CLIENT_PID"
check 'the peers learn it by a reset' test "$outcome" = 'reset reset reset reset reset'
check 'there are no more' count_is 0
check 'it is recorded: which, how many, whose' has_record '.event_type == "connections.killed" and
	.outcome == "success" and .details.port == '$PORT' and .details.connections == '$HELD' and
	.details.ended == '$HELD' and .details.examples == ["'"$LAB_CLIENT4"'"] and .details.reason == "a drill"'
check 'everything at once cannot be meant' exits 2 weir connections kill
check 'nor can a word that is none' exits 2 weir connections nonsense
stop_weir
finish
