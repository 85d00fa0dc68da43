#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What programs that use the API rely on: nobody overwrites by mistake what somebody else changed meanwhile, a request
# that is sent twice is done once, an answer has no more than was asked for.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	flags:
	  strict: {enabled: false}
	limits:
	  - {name: all, scope: source, rate: 10/s, burst: 10}
YAML

api() { # METHOD PATH [CURL_OPTION...] - the body goes to answer, the headers to headers
	: >"$LAB_DIR/answer"
	curl -gsS --max-time 20 --unix-socket "$WEIR_SOCKET" -X "$1" -o "$LAB_DIR/answer" \
		-D "$LAB_DIR/headers" "${@:3}" "http://weir$2"
	tr -d '\r' <"$LAB_DIR/headers" >"$LAB_DIR/clean"
}

answers() { # STATUS [CODE] - the last request; a problem has this code
	cat "$LAB_DIR/clean" "$LAB_DIR/answer"
	grep -q "^HTTP/1.1 $1 " "$LAB_DIR/clean" || return 1
	# shellcheck disable=SC2016 # jq has variables, too
	(($# == 1)) || jq -e --arg code "$2" '.code == $code' "$LAB_DIR/answer"
}

header() { # NAME - of the last answer
	sed -n "s/^$1: //Ip" "$LAB_DIR/clean"
}

conditions() {
	local former tag

	api GET /v1/flags/strict
	former=$(header ETag)
	check 'a flag has an ETag' grep -qE '^"[0-9a-f]{32}"$' <<<"$former"
	api GET /v1/flags/strict -H "If-None-Match: \"x\", W/$former"
	check 'who has it already is told so' answers 304
	check 'and gets nothing else' test ! -s "$LAB_DIR/answer"
	api PUT /v1/flags/strict -d '{"enabled": true}' -H "If-Match: $former"
	check 'a change of what it was read as is made' answers 200
	api PUT /v1/flags/strict -d '{"enabled": false}' -H "If-Match: $former"
	check 'one of what it is no more is refused' answers 412 request.stale
	check 'has a record all the same' has_record '.event_type == "api.request" and
		.resource.id == "setFlag" and .details.status == 412 and .outcome == "failure"'
	api GET /v1/flags/strict -H "If-None-Match: $former"
	check 'and did nothing' jq -e .enabled "$LAB_DIR/answer"
	api DELETE /v1/flags/strict -H "If-Match: $former"
	check 'so is taking it back' answers 412 request.stale
	api DELETE /v1/flags/strict -H 'If-Match: strict'
	check 'an If-Match that is none is refused, too' answers 400 request.etag
	api DELETE /v1/flags/strict -H 'If-Match: *'
	check '* is for whatever is there' answers 200
	api GET /v1/flags/strict
	check 'the same state has the same ETag' test "$(header ETag)" = "$former"

	api POST /v1/lists/block -d '{"cidr": "198.18.7.0/24", "ttl": "1h"}'
	api GET /v1/lists/block/198.18.7.0/24
	tag=$(header ETag)
	check 'an entry of a list can be read alone' jq -e '.cidr == "198.18.7.0/24"' "$LAB_DIR/answer"
	sleep 1.1
	api GET /v1/lists/block/198.18.7.0/24
	check 'time that passes does not make another one of it' test "$(header ETag)" = "$tag"
	api POST /v1/lists/block -d '{"cidr": "198.18.7.0/24", "ttl": "2h"}'
	api DELETE /v1/lists/block/198.18.7.0/24 -H "If-Match: $tag"
	check 'somebody else'\''s change does' answers 412 request.stale
	api DELETE /v2/lists/block/198.18.7.0/24
	check 'v2 demands If-Match' answers 428 request.precondition
	api GET /v2/lists/block/198.18.7.0/24
	check 'its ETags are its own' test "$(header ETag)" != "$tag"
	api DELETE /v2/lists/block/198.18.7.0/24 -H "If-Match: $(header ETag)"
	check 'and takes them' answers 200
	api GET /v1/lists/block/198.18.7.0/24
	check 'an entry that is gone is 404' answers 404 lists.absent

	api PUT /v2/policy
	check 'v2 demands it of a policy' answers 428 request.precondition
	api GET /v1/policy
	tag=$(header ETag)
	api GET /v1/policy -H "If-None-Match: $tag"
	check 'which has 304, too' answers 304
	api GET /v1/governance/retention-policies
	tag=$(header ETag)
	api POST /v1/governance/retention-policies -H "If-Match: $tag" \
		-d '{"category": "traffic", "keep": "30d"}'
	check 'how long records are kept is changed as it was read' answers 200
	api POST /v1/governance/retention-policies -H "If-Match: $tag" \
		-d '{"category": "traffic", "keep": "31d"}'
	check 'but not as it was before' answers 412 request.stale
}

fields() {
	api GET '/v1/flags?fields=name,policy.enabled'
	check 'fields= keeps of each item what it names' jq -e \
		'.items == [{"name": "strict", "policy": {"enabled": false}}]' "$LAB_DIR/answer"
	api GET '/v2/limits?fields=rate.unit'
	check 'by the names of the version' jq -e \
		'.items[0] == {"rate": {"unit": "packets/s"}} and has("next")' "$LAB_DIR/answer"
	api GET '/v1/audit/stats?fields=range'
	check 'also of answers that take a while' jq -e 'keys == ["range"]' "$LAB_DIR/answer"
	api GET '/v1/status?fields=mode,nonsense'
	check 'one that there is not is refused' answers 400 request.fields
	check 'and the others named' jq -e '.detail | contains("mode, ")' "$LAB_DIR/answer"
	api GET '/v1/metrics?fields=mode'
	check 'text has no fields' answers 400 request.fields
	api GET '/v1/audit/export?fields=index'
	check 'nor has a stream' answers 400 request.fields
	api GET '/v1/status?fields=a,,b'
	check 'names are names' answers 400 request.fields
	api PUT '/v1/flags/strict?fields=name' -d '{}'
	check 'and of GET alone' answers 400 request.fields
}

again() {
	local add=(POST /v1/lists/block -d '{"cidr": "198.18.8.1", "reason": "once"}')

	api "${add[@]}" -H 'Idempotency-Key: "job-8.1"'
	check 'a POST takes a key' answers 201
	cp "$LAB_DIR/answer" "$LAB_DIR/first"
	api DELETE /v1/lists/block/198.18.8.1
	api "${add[@]}" -H 'Idempotency-Key: job-8.1'
	check 'sent again it gets the first answer' cmp "$LAB_DIR/answer" "$LAB_DIR/first"
	check 'which says that it is' test "$(header Idempotency-Replayed)" = true
	api GET /v1/lists/block/198.18.8.1
	check 'and does nothing' answers 404
	api "${add[@]:0:2}" -d '{"cidr": "198.18.8.2"}' -H 'Idempotency-Key: job-8.1'
	check 'its key is for no other request' answers 422 request.idempotency
	api POST '/v1/lists/block?force' "${add[@]:2}" -H 'Idempotency-Key: job-8.1'
	check 'nor for one with other arguments' answers 422 request.idempotency
	api "${add[@]}" -H 'Idempotency-Key: two words'
	check 'a key is a token' answers 400 request.idempotency_key
	api POST /v1/lists/block -d '{"cidr": "nonsense"}' -H 'Idempotency-Key: job-8.3'
	api POST /v1/lists/block -d '{"cidr": "198.18.8.3"}' -H 'Idempotency-Key: job-8.3'
	check 'what was refused may be sent right under its key' answers 201
	stop_weir KILL || true
	start_weir
	api "${add[@]}" -H 'Idempotency-Key: job-8.1'
	check 'keys outlive the daemon' cmp "$LAB_DIR/answer" "$LAB_DIR/first"
	check 'one record says that it was added' test "$(weir audit search --type list.add -o ndjson |
		grep -c '198\.18\.8\.1')" = 1
}

# listen FILE QUERY [CURL_OPTION...] - a client of GET /events; sets CLIENT.
listen() {
	curl -gsSN --unix-socket "$WEIR_SOCKET" "${@:3}" "http://weir/v1/events$2" >"$1" 2>/dev/null &
	CLIENT=$!
}

leave() { # PID
	kill "$1" 2>/dev/null || true
	wait "$1" || true
}

# slow_client GO FILE - a client that takes nothing until GO is there, and then all. HTTP/1.0: no chunks.
slow_client() {
	exec python3 -c '
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"GET /v1/events HTTP/1.0\r\n\r\n")
s.settimeout(20)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.1)
with open(sys.argv[3], "wb") as f:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += s.recv(1)
    while data := s.recv(1 << 16):
        f.write(data)
        f.flush()
' "$WEIR_SOCKET" "$@"
}

third_is_refused() {
	api GET /v1/events --max-time 1 2>/dev/null || true
	answers 429 events.streams
}

# Who went away is noticed within a fifth of a second.
two_are_free() {
	api GET '/v1/events?since_index=none'
	answers 400 request.index >/dev/null
}

stream() {
	local client last slow i

	listen "$LAB_DIR/lines" '?type=list.*&since_index=0'
	client=$CLIENT
	api POST /v1/lists/block -d '{"cidr": "198.18.9.1"}'
	check 'a record comes as soon as it is in the log' \
		wait_for 3 grep -q '"event_type":"list.add".*198\.18\.9\.1' "$LAB_DIR/lines"
	api PUT /v1/flags/strict -d '{"enabled": true}'
	api POST /v1/lists/block -d '{"cidr": "198.18.9.2"}'
	wait_for 3 grep -q '198\.18\.9\.2' "$LAB_DIR/lines"
	check 'and no other than was asked for' jq -es 'all(.event_type | startswith("list."))' "$LAB_DIR/lines"
	last=$(jq -s 'last.index' "$LAB_DIR/lines")
	leave "$client"
	api POST /v1/lists/block -d '{"cidr": "198.18.9.3"}'
	listen "$LAB_DIR/events" '?type=list.*' -H 'Accept: text/event-stream' -H "Last-Event-ID: $last"
	client=$CLIENT
	check 'who comes back goes on behind the last one that it had' \
		wait_for 3 grep -q '^data: {.*198\.18\.9\.3' "$LAB_DIR/events"
	check 'which it does not get again' refuse grep -q '198\.18\.9\.2' "$LAB_DIR/events"
	check 'events say their id' grep -qE '^id: [0-9]+$' "$LAB_DIR/events"

	wait_for 5 two_are_free
	listen "$LAB_DIR/second" ''
	i=$CLIENT
	wait_for 5 test -s "$LAB_DIR/second" || true # it is there, and not the third one in its place
	check 'a user has two streams at most' wait_for 10 third_is_refused
	leave "$i"
	leave "$client"
	wait_for 5 two_are_free
	api GET '/v1/events?since_index=999999999'
	check 'there is nothing to wait for behind the end of the log' answers 400 request.index
	check 'a stream is a question, and recorded' has_record \
		'.event_type == "audit.searched" and .resource.id == "stream" and .details.type == "list.*"'

	rm -f "$LAB_DIR/go"
	slow_client "$LAB_DIR/go" "$LAB_DIR/slow" &
	slow=$!
	sleep 1.5
	curl -sS -Z --parallel-max 30 --max-time 20 --unix-socket "$WEIR_SOCKET" -o /dev/null \
		-d '{"cidr": "198.18.9.9"}' 'http://weir/v1/lists/block?n=[1-4000]' 2>/dev/null || true
	touch "$LAB_DIR/go"
	check 'a slow reader is told what it missed' wait_for 5 grep -q '"type":"lost"' "$LAB_DIR/slow"
	# shellcheck disable=SC2016 # jq has variables, too
	check 'as many as there is a gap, and not one more' jq -es '. as $all | [range(1; length)] |
		all($all[.] as $r | $all[. - 1] as $b | if $r.type == "lost"
			then $r.from_index == $b.index + 1 and $r.count == $r.next_index - $r.from_index
			else $r.index == ($b.next_index // ($b.index + 1)) end)' <(head -n -1 "$LAB_DIR/slow")
	last=$(jq -r 'select(.type == "lost") | .from_index' "$LAB_DIR/slow" | head -1)
	curl -gsSN --max-time 3 --unix-socket "$WEIR_SOCKET" "http://weir/v1/events?since_index=$last" \
		>"$LAB_DIR/again" 2>/dev/null || true
	# shellcheck disable=SC2016 # likewise
	check 'and has it by asking again' jq -es --argjson first "$last" \
		'.[0].index == $first and ([.[].index] | . == [range($first; $first + length)]) and
			length > 4096' <(head -n -1 "$LAB_DIR/again")
	leave "$slow"

	listen "$LAB_DIR/beats" '?type=panic.*'
	client=$CLIENT
	check 'a quiet stream shows that it is alive' \
		wait_for 17 grep -q '"type":"heartbeat","next_index":' "$LAB_DIR/beats"
	leave "$client"
	for ((i = 0; i < 12; i++)); do
		listen /dev/null '?since_index=0'
		sleep 0.05
		kill -KILL "$CLIENT" 2>/dev/null || true
		wait "$CLIENT" 2>/dev/null || true
	done
	sleep 0.5
	listen "$LAB_DIR/lines" '?since_index=0'
	check 'clients that die leave no stream behind' wait_for 3 grep -q '"index":0,' "$LAB_DIR/lines"
	check 'a daemon that is told to stop does not wait for streams' stop_weir
	wait "$CLIENT" || true
	start_weir
	check 'the log verifies' weir audit verify "$STATE/audit"
}

start_weir
conditions
again
fields
stream
finish
