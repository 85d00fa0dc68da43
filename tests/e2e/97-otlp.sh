#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Spans, metrics and records reach a receiver of OpenTelemetry that holds each request to the schema of OTLP in JSON. It answers 503, goes away and
# comes back: what there was room for arrives, the rest is counted, and nobody waits for it.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly PACKAGE=@opentelemetry/otlp-transformer@0.203.0
readonly PROTO=$PWD/build/npm/otlp
readonly ROOT_JS=$PROTO/package/build/src/generated/root.js
readonly PORT=4318
readonly TRACE=4bf92f3577b34da6a3ce929d0e0e4736 PARENT=00f067aa0ba902b7
readonly GOT=$LAB_DIR/got
RECEIVER=

# The package alone: what it depends on is for those who run it.
fetch_schema() {
	[[ -s $ROOT_JS ]] && return
	mkdir -p "$PROTO"
	(cd "$PROTO" && timeout 120 npm pack --silent "$PACKAGE" && tar -xzf opentelemetry-otlp-transformer-*.tgz) \
		>"$LAB_DIR/npm" 2>&1
}

receive() {
	lab_spawn host node tests/e2e/otlp.js "$PORT" "$ROOT_JS" "$GOT" >"$LAB_DIR/receiver.log" 2>&1
	RECEIVER=$LAB_PID
}

# config CONNECTIONS [KEY...] - a policy that sends everything.
config() {
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		limits: [{name: per-source, scope: source, rate: 100/s, burst: 100}]
		audit:
		  ${2:-evidence: summary}
		  export: [{name: otel, format: otlp, to: "http://127.0.0.1:$PORT", headers_file: $LAB_DIR/headers}]
		otlp:
		  endpoint: "http://127.0.0.1:$PORT/"
		  headers_file: $LAB_DIR/headers
		  spans: [requests, applies]
		  connections: $1
		  metrics: 1s
	YAML
}

# ask [CURL-OPTION...] PATH
ask() {
	curl -s --unix-socket "$WEIR_SOCKET" "${@:1:$#-1}" "http://weir${*: -1}"
}

# spans JQ-CONDITION - those received that it is true of, by attribute and member.
spans() {
	jq -c "select(.path == \"/v1/traces\" and .body) | .body.resourceSpans[].scopeSpans[].spans[] |
		.a = ([.attributes[] | {(.key): (.value | .stringValue // .intValue // .boolValue)}] | add // {}) |
		select($1)" "$GOT"
}

has_span() {
	[[ $(spans "$1") ]]
}

has_spans() { # COUNT JQ-CONDITION
	local count

	count=$(spans "$2" | wc -l)
	echo "$count spans"
	((count == $1))
}

otlp_is() {
	status .otlp | jq -e "$1" >/dev/null
}

# The latest of all that the receiver was sent of a metric, added up over the points that a condition is true of.
pushed() { # METRIC JQ-CONDITION
	jq -s "[.[] | select(.path == \"/v1/metrics\" and .body)] | last | [.body.resourceMetrics[].scopeMetrics[].metrics[] |
		select(.name == \"$1\") | .sum.dataPoints[] | .a = ([.attributes[] | {(.key): .value.stringValue}] | add // {}) |
		select($2) | .asInt | tonumber] | add" "$GOT"
}

names_pushed() {
	jq -rs '[.[] | select(.path == "/v1/metrics" and .body)] | last | .body.resourceMetrics[].scopeMetrics[].metrics[].name' "$GOT" |
		sort
}

same_names() {
	diff <(names_pushed) <(weir metrics | awk '/^# TYPE/ { name = $3 } /^[^#]/ && name { print name; name = "" }' | sort)
}

same_sum() {
	local scraped

	scraped=$(weir metrics | awk '/^weir_packets_total\{verdict="drop"/ { sum += $2 } END { print sum + 0 }')
	echo "$scraped scraped, $(pushed weir_packets_total '.a.verdict == "drop"') pushed"
	((scraped > 0)) && [[ $(pushed weir_packets_total '.a.verdict == "drop"') == "$scraped" ]]
}

all_records() {
	local count

	count=$(status .audit.records)
	jq -r 'select(.path == "/v1/logs" and .body) | .body.resourceLogs[].scopeLogs[].logRecords[].attributes[] |
		select(.key == "weir.record.index") | .value.intValue' "$GOT" | sort -nu | head -n "$count" | diff - <(seq 0 $((count - 1)))
}

# One span for the change, below the request's; each step below it, one after the other and within it.
is_tree() {
	spans true | jq -se --arg trace "$TRACE" '[.[] | select(.traceId == $trace)] as $all |
		($all[] | select(.name == "PUT /v1/policy")) as $request |
		($all[] | select(.name == "policy.change")) as $change |
		[$all[] | select(.parentSpanId == $change.spanId)] as $steps |
		$change.parentSpanId == $request.spanId and ($all | length) == ($steps | length) + 2 and
		([$steps[].name] | (index("policy.check") < index("policy.datapath")) and (index("policy.lists") != null) and
			(index("policy.keep") != null)) and
		all($steps[]; .startTimeUnixNano >= $change.startTimeUnixNano and .endTimeUnixNano <= $change.endTimeUnixNano) and
		$request.startTimeUnixNano <= $change.startTimeUnixNano and $change.endTimeUnixNano <= $request.endTimeUnixNano'
}

plan() { # PATH STATUS RETRY-AFTER [BODY]
	echo "{\"path\": \"$1\", \"status\": $2, \"retry_after\": $3, \"body\": ${4:-{\}}}" >"$GOT.answer.new"
	mv "$GOT.answer.new" "$GOT.answer"
}

# The first request behind the one that was answered so came no earlier than it was asked to.
waited_ms() { # STATUS MILLISECONDS
	jq -se --argjson status "$1" --argjson ms "$2" '[.[] | select(.path != "/v1/logs" and .at)] |
		(map(.answered == $status) | index(true)) as $i | .[$i + 1].at - .[$i].at >= $ms' "$GOT"
}

if ! command -v node npm >/dev/null; then
	skip 'spans and metrics are sent' 'the receiver needs node and npm'
	finish
elif ! fetch_schema; then
	skip 'spans and metrics are sent' "npm cannot fetch $PACKAGE"
	finish
fi
(umask 077 && echo 'Authorization: Bearer s3cret' >"$LAB_DIR/headers")
: >"$GOT"
config 1/1
receive
start_weir

ask -H "traceparent: 00-$TRACE-$PARENT-01" -H 'X-Request-ID: job-7' -X PUT --data-binary "@$LAB_DIR/policy.yaml" /v1/policy >/dev/null
ask -H "traceparent: 00-${TRACE/4bf/5bf}-$PARENT-00" /v1/lists >/dev/null
ask -X POST -d '{"cidr": "198.51.100.7"}' /v1/lists/block >/dev/null
ask -X DELETE /v1/lists/block/198.51.100.7 >/dev/null
check 'a request is a span of its caller'\''s trace, below the caller'\''s span' wait_for 20 has_span \
	".traceId == \"$TRACE\" and .parentSpanId == \"$PARENT\" and .kind == 2 and .flags == 769 and .name == \"PUT /v1/policy\" and
	.a[\"http.request.method\"] == \"PUT\" and .a[\"http.response.status_code\"] == \"200\" and .a[\"weir.request_id\"] == \"job-7\""
check 'a change of the policy is a tree: request, change, steps' wait_for 20 is_tree
check 'who has no trace begins one' has_span '.name == "POST /v1/lists/{list}" and (has("parentSpanId") | not) and .flags == 257'
check 'what stands in a path is not told' wait_for 20 has_span '.name == "DELETE /v1/lists/{list}/{+cidr}" and
	.a["url.path"] == "/v1/lists/REDACTED/REDACTED"'
check 'nor anywhere else in spans' refuse grep -q '198\.51\.100\.7' <<<"$(spans true)"
check 'a trace that nobody keeps is not sent' has_spans 0 ".traceId == \"${TRACE/4bf/5bf}\""
check 'the answer names the span' grep -qi '^traceparent: 00-[0-9a-f]\{32\}-[0-9a-f]\{16\}-01' <<<"$(ask -i /v1/lists)"
check 'the checker refuses other fields and forms' node tests/e2e/otlp.js --check "$ROOT_JS" traces < \
	<(jq -c 'select(.path == "/v1/traces") | .body' "$GOT" | head -1)

flood --to "$LAB_HOST4" --base 203.0.113.0 --sources 2 --packets 1000 --rate 5000 >/dev/null
check 'metrics are those of the scrape' wait_for 20 same_names
check 'and their sums are, too' wait_for 20 same_sum
check 'all records arrive' wait_for 20 all_records
check 'a record has the trace that it belongs to' grep -q "\"traceId\":\"$TRACE\"" <<<"$(jq -c 'select(.path == "/v1/logs")' "$GOT")"
check 'the headers of the file are sent' grep -q 'Bearer s3cret' "$GOT"
check 'and stand nowhere else' refuse grep -rq s3cret "$LAB_DIR/daemon.log" "$STATE/audit" <(weir status -o json)

lab_spawn host timeout 60 node -e 'require("net").createServer(s => s.end("hello")).listen(8080, "0.0.0.0")' >/dev/null
connect() {
	[[ $(lab_client timeout 5 bash -c "exec 3<>/dev/tcp/$LAB_HOST4/8080; head -1 <&3") == hello ]]
}
check 'somebody connects' wait_for 20 connect
check 'a connection is a span, its peer a network' wait_for 20 has_span ".name == \"tcp.connection\" and .kind == 2 and
	.a[\"server.port\"] == \"8080\" and .a[\"client.address\"] == \"${LAB_CLIENT4%.*}.0/24\" and .a[\"weir.tcp.bytes_acked\"] == \"6\" and
	(.a | has(\"client.port\") | not)"
config 1/1 'personal: {traffic: clear}'
weir policy apply "$LAB_DIR/policy.yaml" >/dev/null
connect
check 'or its address, where records of traffic have it' wait_for 20 has_span ".name == \"tcp.connection\" and
	.a[\"client.address\"] == \"$LAB_CLIENT4\" and (.a | has(\"client.port\"))"
config 1/1000000
weir policy apply "$LAB_DIR/policy.yaml" >/dev/null

plan /v1/traces 503 2
ask /v1/versions/v1 >/dev/null
check 'what is answered 503 comes again' wait_for 20 has_spans 1 '.a["weir.operation"] == "getVersion"'
check 'no earlier than Retry-After says' waited_ms 503 2000
check 'the last error is told' wait_for 20 otlp_is '.error == "HTTP 503" and .errors >= 1 and (.failing | not)'
plan /v1/traces 200 0 '{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "one too many"}}'
ask /v1/versions >/dev/null
check 'spans that the receiver rejects are counted' wait_for 20 otlp_is '.spans.rejected == 1 and .error == "one too many"'
plan /v1/traces 400 0
ask /v1/versions >/dev/null
check 'a refused batch is not sent again, but counted' wait_for 20 otlp_is '.spans.rejected >= 2'
check 'the receiver took nothing that is no OTLP' refuse grep -F '"bad"' "$GOT"

kill "$RECEIVER"
wait_for 10 refuse is_alive "$RECEIVER"
ask /v1/roles >/dev/null
check 'a receiver that is gone is seen' wait_for 20 otlp_is .failing
check 'and is a record' has_record '.event_type == "otlp.failed"'
check 'the status says so' grep -q "^OTLP FAILING to http://127.0.0.1:$PORT/: .* waiting" <<<"$(weir status)"
check 'so does the doctor' grep -q 'otlp .*takes nothing' <<<"$(weir doctor || true)"
ask /v1/roles >/dev/null
ask '/v1/feeds?n=[1-3300]' >/dev/null
check 'what there is no room for is counted' wait_for 20 otlp_is '.spans.dropped > 400 and .spans.queued >= 2048'
dropped=$(status .otlp.spans.dropped)
receive
check 'when it is back it gets what there was room for' wait_for 40 otlp_is '(.failing | not) and .spans.queued < 512'
check 'from the first on' has_spans 2 '.a["weir.operation"] == "listRoles"'
accounted() {
	local arrived

	arrived=$(spans '.a["weir.operation"] == "listFeeds"' | wc -l)
	echo "$arrived arrived, $dropped dropped"
	((arrived + dropped >= 3300 && arrived + dropped < 3350))
}
check 'and all are accounted for' wait_for 20 accounted
check 'that it is back is a record' has_record '.event_type == "otlp.restored"'
check 'and metrics tell what was lost' grep -q '^weir_otlp_spans_total{result="dropped"} [1-9]' <<<"$(weir metrics)"
check 'no record is missing' wait_for 40 all_records

chmod 644 "$LAB_DIR/headers"
check 'headers that others can read are not sent' wait_for 20 otlp_is '.failing and (.error | test("chmod 600"))'
chmod 600 "$LAB_DIR/headers"
check 'when they are right again it goes on' wait_for 40 otlp_is '.failing | not'

bad_endpoint() {
	sed "s,http://127.0.0.1:$PORT/,http://user:word@127.0.0.1/," "$LAB_DIR/policy.yaml" >"$LAB_DIR/bad.yaml"
	weir policy check "$LAB_DIR/bad.yaml"
}
check 'an endpoint with a password is refused' exits 1 bad_endpoint
policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits: [{name: per-source, scope: source, rate: 100/s, burst: 100}]
YAML
weir policy apply "$LAB_DIR/policy.yaml" >/dev/null
check 'without otlp nothing is sent' test "$(status .otlp)" = null
check 'and no trace is begun' refuse grep -qi ^traceparent <<<"$(ask -i /v1/lists)"
kill "$RECEIVER"
stop_weir
finish
