#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Every request has its place in the audit log: what may change something a record of its own, the rest
# added up. Request IDs and traces are taken in, given back and written down; who asks too often is told
# when to ask again, and nobody else pays for it.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly TRACE=4bf92f3577b34da6a3ce929d0e0e4736

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits:
	  - {name: all, scope: source, rate: 10/s, burst: 10}
YAML

api() { # METHOD PATH [CURL_OPTION...] - the body goes to answer, the headers to headers
	curl -gsS --max-time 20 --unix-socket "$WEIR_SOCKET" -X "$1" -o "$LAB_DIR/answer" \
		-D "$LAB_DIR/headers" "${@:3}" "http://weir$2"
	tr -d '\r' <"$LAB_DIR/headers" >"$LAB_DIR/clean"
}

as_nobody() {
	setpriv --reuid nobody --regid nogroup --clear-groups -- "$@"
}

header() { # NAME PATTERN - the last answer has it
	grep -qiE "^$1: $2\$" "$LAB_DIR/clean" || {
		cat "$LAB_DIR/clean"
		return 1
	}
}

correlation() {
	api POST /v1/lists/block -d '{"cidr": "198.18.70.1"}' -H 'X-Request-ID: job-7.retry_2' \
		-H "traceparent: 00-$TRACE-00f067aa0ba902b7-01"
	check 'a request ID comes back' header X-Request-ID job-7.retry_2
	check 'a trace comes back, with a span that is not the caller'\''s' \
		header traceparent "00-$TRACE-[0-9a-f]{16}-01"
	check 'and not with the same' refuse header traceparent "00-$TRACE-00f067aa0ba902b7-01"
	check 'a change has a record of the request: who, what, status, how long, ID and trace' \
		has_record '.event_type == "api.request" and .actor.username == "root" and
			.actor.role == "admin" and .resource.id == "addListEntry" and
			.details.status == 201 and .details.duration_us > 0 and
			.details.request_id == "job-7.retry_2" and .details.trace_id == "'$TRACE'"'
	check 'so has the record of what was changed: the entry of the list' \
		has_record '.event_type == "list.add" and .details.request_id == "job-7.retry_2" and
			.details.trace_id == "'$TRACE'"'
	api PUT /v1/panic -d '{"mode": "monitor", "reason": "a try"}' -H 'X-Request-ID: job-8' \
		-H "traceparent: 00-$TRACE-00f067aa0ba902b7-01"
	check 'what the daemon logs of a request has both' grep -q "msg=\"PANIC: .* request_id=job-8 trace_id=$TRACE\$" \
		"$LAB_DIR/daemon.log"
	check 'and the record' has_record '.event_type == "panic.set" and .details.request_id == "job-8"'
	api DELETE /v1/panic
	check 'and no other line' refuse grep -q 'msg="the panic switch is cleared".*request_id=job-8' "$LAB_DIR/daemon.log"
	api GET /v1/absent
	check 'an ID is made where there is none' header X-Request-ID '[0-9a-f]{32}'
	# shellcheck disable=SC2016 # jq has variables, too
	check 'and is in the problem' jq -e --arg id \
		"$(sed -n 's/^X-Request-ID: //ip' "$LAB_DIR/clean")" '.request_id == $id' "$LAB_DIR/answer"
	api GET /v1/status -H "X-Request-ID: $(printf 'x%.0s' {1..65})" -H 'traceparent: 00-zz'
	check 'an ID that is too long is replaced' header X-Request-ID '[0-9a-f]{32}'
	check 'a malformed trace is ignored' refuse grep -qi ^traceparent "$LAB_DIR/clean"
}

# The same thing by each way to name a version, and how both differ.
versions() {
	api GET /v1/limits
	check 'an answer says its version' header API-Version v1
	cp "$LAB_DIR/answer" "$LAB_DIR/v1"
	api GET /limits
	check 'no version is the latest that is stable' cmp "$LAB_DIR/answer" "$LAB_DIR/v1"
	api GET /v2/limits
	check 'v2 has rates as value and unit, and next' jq -e '.next == null and
		.items[0].rate == {"value": 10, "unit": "packets/s"}' "$LAB_DIR/answer"
	cp "$LAB_DIR/answer" "$LAB_DIR/v2"
	api GET /limits -H 'X-API-Version: v2'
	check 'it can be asked for by X-API-Version' cmp "$LAB_DIR/answer" "$LAB_DIR/v2"
	api GET /limits -H 'Accept: application/json; version=2'
	check 'or by Accept' cmp "$LAB_DIR/answer" "$LAB_DIR/v2"
	api GET /v1/limits -H 'X-API-Version: 2'
	check 'both at once and different is 400' jq -e '.code == "version.conflict"' "$LAB_DIR/answer"
	api GET /limits -H 'X-API-Version: 9'
	check 'one that there is not is 406, with those that there are' jq -e \
		'.status == 406 and .versions == ["v1", "v2"]' "$LAB_DIR/answer"
	api GET /v1/limits -H 'X-API-Version: 9'
	check 'also where the path names another one' jq -e '.status == 406' "$LAB_DIR/answer"
	api GET /v9/limits
	check 'and 404 in a path' jq -e '.status == 404 and .code == "version.unknown" and
		.versions == ["v1", "v2"]' "$LAB_DIR/answer"
	api POST /v2/lists/block -d '{"cidr": "198.18.70.2", "ttl": {"value": 10, "unit": "m"}}'
	check 'a request of v2 does what it says' jq -e '.audit == "durable"' "$LAB_DIR/answer"
	check 'as one of v1 would' jq -e '.lists[0].until != null' \
		<<<"$(weir source 198.18.70.2 -o json)"
	api GET /versions
	check 'GET /versions lists them' jq -e '[.items[] | .version + " " + .status] ==
		["v1 stable", "v2 beta"]' "$LAB_DIR/answer"
	api GET /versions/v2
	check 'GET /versions/v2 says what changed' jq -e '[.changes[].resource] | index("limits")' \
		"$LAB_DIR/answer"
	api GET /versions/v2/compatibility/limits
	check 'and of one resource' jq -e '.compatible == false and (.changes | length) == 1' \
		"$LAB_DIR/answer"
	api GET /versions/v2/compatibility/panic
	check 'or that nothing did' jq -e .compatible "$LAB_DIR/answer"
	api GET /versions/v2/compatibility/nonsense
	check 'a resource that there is not is 404' jq -e '.status == 404' "$LAB_DIR/answer"
}

allowance() {
	local granted refused

	as_nobody curl -sS --max-time 20 --unix-socket "$WEIR_SOCKET" -i \
		'http://weir/v1/status?[1-300]' | tr -d '\r' >"$LAB_DIR/clean"
	granted=$(grep -c '^HTTP/1.1 200' "$LAB_DIR/clean" || true)
	refused=$(grep -c '^HTTP/1.1 429' "$LAB_DIR/clean" || true)
	check "who has no role and asks 300 times at once is refused in the end ($granted, $refused)" \
		test "$granted" -ge 100 -a "$refused" -ge 1
	check 'and told when to come back' header Retry-After 1
	check 'what it may: RateLimit-Policy' header RateLimit-Policy '"anybody";q=100;w=2'
	check 'and what is left of it: RateLimit' header RateLimit '"anybody";r=0;t=[123]'
	api GET /v1/status
	check 'root is not refused for it' header RateLimit '"role";r=[0-9]+;t=[01]'
}

reading() {
	local i

	for ((i = 0; i < 30; i++)); do
		weir lists >/dev/null
	done
	check 'reading makes no record each time' refuse is_recorded \
		'.event_type == "api.request" and .resource.id == "listLists"'
	stop_weir
	start_weir
	check 'it is added up: who, what, how often, how long' has_record \
		'.event_type == "api.read" and .resource.id == "listLists" and .actor.username == "root" and
		 .details.requests == 30 and .details.status == 200 and .details.duration_us >= .details.duration_us_max'
	check 'so is what was refused' has_record '.event_type == "api.read" and .outcome == "failure" and
		.details.status == 429 and .actor.username == "nobody" and .actor.role == "public"'
	check 'and what is nowhere' has_record \
		'.event_type == "api.read" and .details.status == 404 and .resource.id == "none"'
	check 'the log verifies' weir audit verify "$STATE/audit"
}

start_weir
correlation
versions
allowance
reading
finish
