#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# How weir is asked and told: each command, as text and as JSON, with its exit codes; the routes
# behind them and what they refuse; who may do what; what an answer promises about the record of a
# change.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly GROUP_ID=54321 METRICS=127.0.0.1:9477

write_policy() { # [ENTRIES]
	policy <<-YAML
		apiVersion: weir/v1
		metadata: {name: control}
		mode: enforce
		lists:
		  block:
		    entries:
		$(for n in $(seq "${1:-1}"); do echo "      - 198.18.66.$n"; done)
		services:
		  web: {proto: tcp, dport: 80}
		tenants: {acme: {src: 198.18.77.0/24, quota: {packets: {day: 10M}}}}
		flags: {trial: {rollout: 0%}}
		limits:
		  - {name: web, scope: source, service: web, rate: 2k/s, burst: 4k}
		  - {name: all, scope: source, rate: 10/s, burst: 10}
		  - {name: host, scope: global, rate: 1M/s, adaptive: {target: {posted: 100}, min: 10%}}
	YAML
}

# The group `weir` exists for the daemon alone: its /etc/group is one of its own.
daemon_with_group() {
	{
		grep -v '^weir:' /etc/group
		echo "weir:x:$GROUP_ID:"
	} >"$LAB_DIR/group"
	# shellcheck disable=SC2016,SC2034 # of the inner shell; for lib.sh
	WEIR_INSIDE=(unshare --mount --propagation private sh -c
		'mount --bind "$0" /etc/group && exec "$@"' "$LAB_DIR/group")
}

as_stranger() {
	setpriv --reuid nobody --regid nogroup --clear-groups -- "$@"
}

as_member() {
	setpriv --reuid nobody --regid nogroup --groups "$GROUP_ID" -- "$@"
}

api() { # METHOD PATH [CURL_OPTION...] - the body goes to answer, the headers to headers
	curl -gsS --max-time 20 --unix-socket "$WEIR_SOCKET" -X "$1" -o "$LAB_DIR/answer" \
		-D "$LAB_DIR/headers" "${@:3}" "http://weir$2"
}

# problem WORDS STATUS CODE METHOD PATH [CURL_OPTION...] - refused as RFC 9457 has it
problem() {
	: >"$LAB_DIR/answer"
	api "${@:4}" || true
	# shellcheck disable=SC2016 # jq has variables, too
	check "$1: $2 $3" jq -e --argjson status "$2" --arg code "$3" \
		'.status == $status and .code == $code and (.title | length) > 0 and
		 (.detail | length) > 0 and .type == "about:blank"' "$LAB_DIR/answer"
	grep -qi '^content-type: application/problem+json' "$LAB_DIR/headers" &&
		grep -q "^HTTP/1.1 $2" "$LAB_DIR/headers" && return
	check "$1: as application/problem+json, status $2" refuse cat "$LAB_DIR/headers"
}

# says PATTERN COMMAND... - what it prints on either stream matches
says() {
	"${@:2}" >"$LAB_DIR/said" 2>&1 || true
	cat "$LAB_DIR/said"
	grep -qE -e "$1" "$LAB_DIR/said"
}

is_json() { # COMMAND... - nothing but JSON values on standard output, and success
	"$@" >"$LAB_DIR/json" && jq -es 'length > 0' "$LAB_DIR/json"
}

# both WEIR_ARGUMENT... - as text and as JSON; the same for whoever reads
both() {
	check "weir $* prints something" says . weir "$@"
	check "weir $* -o json prints JSON" is_json weir "$@" -o json
	tried+=("$*")
}

key_id() { # of the key that was made last and is good
	weir keys list -o json | jq -r '[.items[] | select(.state == "good")] | max_by(.made_at).id'
}

each_command() {
	local name

	tried=(daemon detach) # the daemon runs, detach comes last
	both status
	both roles
	both api GET /v1/status
	check 'weir api sends a body and a header' says '"rollout":{"value":1' \
		weir api PUT /v2/flags/trial --data '{"rollout": {"value": 1, "unit": "%"}}' --header 'If-Match: *'
	echo '{"cidr": "198.18.70.9"}' >"$LAB_DIR/body"
	check 'weir api takes the body from a file' says '"cidr":"198.18.70.9"' \
		weir api POST /v1/lists/block --data "@$LAB_DIR/body"
	check 'weir api says the status, and that it is no success' exits 1 weir api GET /v1/flags/none
	check 'weir api of what one may not: 4' exits 4 as_stranger "$WEIR" api GET /v1/limits
	check 'weir api of what is no request: 2' exits 2 weir api GET v1/status
	check 'weir api of a header that would split the request: 2' \
		exits 2 weir api GET /v1/status --header $'X-A: b\r\nX-C: d'
	both block 198.18.70.1 --ttl 10m --reason 'because'
	both allow 198.18.70.2
	both lists
	both lists block
	both lists allow
	both feeds
	both limits
	both limits post host 42
	both tenants list
	both tenants show acme
	both tenants usage acme
	both flags list
	both flags set trial on
	both flags rollout trial 0.5%
	both flags target trial --sources 198.18.90.1
	check 'weir flags unset prints something' says . weir flags unset trial
	check 'weir flags unset of what is not set: 3' exits 3 weir flags unset trial
	tried+=('flags unset')
	both source 198.18.66.1
	both explain 198.18.66.1
	both policy check "$LAB_DIR/policy.yaml"
	both policy schema
	both policy explain limits.rate
	both policy explain
	check 'weir policy fmt prints something' says apiVersion weir policy fmt "$LAB_DIR/policy.yaml"
	tried+=('policy fmt')
	echo 'create n hash:ip' >"$LAB_DIR/n.save"
	both import ipset "$LAB_DIR/n.save"
	both policy apply
	both policy plan
	check 'weir policy apply --confirm -o json prints JSON' \
		is_json weir policy apply "$LAB_DIR/policy.yaml" --confirm 1h -o json
	check 'weir policy confirm -o json prints JSON' is_json weir policy confirm -o json
	both policy rollback "$(status .policy.generation)"
	both policy show
	both policy show "$(status .policy.generation)"
	both policy history
	both policy history -n 1
	check 'weir policy diff -o json prints JSON' \
		is_json weir policy diff "$(status .policy.generation)" -o json
	tried+=('policy diff' 'policy confirm')
	both panic
	both panic monitor --reason 'a drill'
	both panic clear
	both audit tail
	both audit tail -n 3
	both audit search --limit 2
	both audit stats
	both audit index check "$LAB_DIR/state/audit"
	both audit index rebuild "$LAB_DIR/state/audit"
	both audit verify "$LAB_DIR/state/audit"
	wait_for 10 test -s "$LAB_DIR/state/audit/checkpoint"
	both audit checkpoint
	both audit keys
	both audit report --days 1
	check 'weir audit export prints something' says event_id weir audit export
	check 'weir audit prove prints a proof' says tlog-proof weir audit prove 0 --dir "$LAB_DIR/state/audit"
	check 'weir audit consistency prints a proof' \
		says . weir audit consistency 1 2 --dir "$LAB_DIR/state/audit"
	check 'weir audit tlog writes a tree' says . weir audit tlog "$LAB_DIR/tlog" --dir "$LAB_DIR/state/audit"
	check 'weir audit anchor hands it out' says 'handed out' weir audit anchor --file "$LAB_DIR/kept"
	tried+=('audit export' 'audit prove' 'audit consistency' 'audit tlog' 'audit anchor')
	both retention list
	both retention set access 30d
	both retention apply
	both retention hold add category=lists
	both gdpr inventory
	both gdpr access 198.18.70.2
	both gdpr export 198.18.70.2
	both gdpr list
	check 'weir gdpr show of what is not there: 3' exits 3 weir gdpr show 0123456789abcdef
	both gdpr rectify 198.18.70.2 "$(records true 1 | jq -r .event_id)" 'it was a test'
	check 'weir gdpr erase of what is held: 5' exits 5 weir gdpr erase 198.18.70.2
	tried+=('gdpr show' 'gdpr erase')
	both drops
	both connections
	both connections services
	both connections kill 198.18.99.99 --dry-run
	check 'weir connections kill of everything is refused: 2' exits 2 weir connections kill
	while flood --to "$LAB_HOST4:9" --base 198.18.66.9 --packets 5 >/dev/null; do
		sleep 0.1
	done &
	both trace --count 2 src 198.18.66.9
	kill %%
	wait %% 2>/dev/null || true
	check 'weir trace of what is no filter: 1' exits 1 weir trace src nowhere
	check 'weir trace with a sample that is none: 2' exits 2 weir trace --sample 0
	tried+=(trace)
	both risk list
	check 'weir risk show of what is not known: 3' exits 3 weir risk show 198.18.99.99
	tried+=('risk show')
	both backup create "$LAB_DIR/weir.tar.gz"
	both backup verify "$LAB_DIR/weir.tar.gz"
	both backup restore "$LAB_DIR/weir.tar.gz" --state-dir "$LAB_DIR/restored"
	both vault status
	both vault rotate
	both keys list
	both sessions list
	check 'weir keys create prints a key' says weir_ weir keys create tried --role viewer
	check 'weir keys rotate prints another' says weir_ weir keys rotate "$(key_id)" --ttl 1h
	check 'weir keys revoke -o json prints JSON' is_json weir keys revoke "$(key_id)" -o json
	check 'weir sessions end of what is not there: 3' exits 3 weir sessions end 00000000
	check 'weir totp enroll prints a URI' says otpauth:// weir totp enroll
	check 'weir totp remove without a password: 4' exits 4 weir totp remove
	tried+=('keys create' 'keys rotate' 'keys revoke' 'sessions end' 'totp enroll' 'totp remove')
	check 'weir totp remove of somebody who lost theirs' as_member "$WEIR" totp remove 0
	both doctor
	both metrics
	both top --once
	both version
	check 'weir help prints something' says . weir help
	check 'weir help policy check names its operand' says FILE weir help policy check
	check 'weir completion bash prints a script' says 'complete -F' weir completion bash
	tried+=(help completion)
	weir unblock 198.18.70.1 >/dev/null
	check 'weir unblock of what is not blocked: 3' exits 3 weir unblock 198.18.70.1
	check 'weir unallow -o json prints JSON' is_json weir unallow 198.18.70.2 -o json
	check 'weir unallow of what is not allowed: 3' exits 3 weir unallow 198.18.70.2
	tried+=(unblock unallow)
	# Two spaces or more end the synopsis; capitals and options begin its operands.
	while read -r name; do
		grep -qE "^$name( |$)" <<<"$(printf '%s\n' "${tried[@]}")" ||
			check "weir help: '$name' is tested here" false
	done < <(weir help | sed -nE 's/^  (([a-z]+ ?)+).*/\1/p' | sed -E 's/ +$//')
}

exit_codes() {
	check 'success: 0' exits 0 weir status
	check 'what is not there: 3' exits 3 weir unblock 198.18.1.1
	check 'a conflict: 5' exits 5 weir unblock 198.18.66.1
	check 'a policy with a mistake: 1' exits 1 weir policy check /dev/null
	check 'a chain that is not there: 1' exits 1 weir audit verify "$LAB_DIR/nowhere"
	check 'an unknown command: 2' exits 2 weir statsu
	check 'no command: 2' exits 2 weir
	check 'a number that is none: 2' exits 2 weir limits post host many
	check 'a limit that is not there: 3' exits 3 weir limits post nowhere 1
	check 'an unknown option: 2' exits 2 weir status --colour
	check 'a missing operand: 2' exits 2 weir block
	check 'an operand too many: 2' exits 2 weir unblock 198.18.1.1 198.18.1.2
	check 'a CIDR that is none: 2 or 1' refuse weir block 300.1.1.1
	check 'no daemon: 6' exits 6 weir status --socket "$LAB_DIR/nowhere.sock"
	check 'a failure with -o json is JSON, too' jq -e '.code' \
		<<<"$(weir unblock 198.18.1.1 -o json 2>/dev/null || true)"
	check "'statsu' is taken for 'status'" says "did you mean.*status" weir statsu
	check "'policy aply' is taken for 'policy apply'" \
		says "did you mean.*apply" weir policy aply
	check "'--reson' is taken for '--reason'" says "did you mean.*--reason" \
		weir block 198.18.1.1 --reson x
	check "a prefix with bits beyond its length is taken for what it means" \
		says 'did you mean 198.18.0.0/16' weir block 198.18.3.4/16
}

refusals() {
	problem 'nothing at this path' 404 request.path GET /v1/nothing
	problem 'a method that is not for this path' 405 request.method DELETE /v1/status
	check 'a method that is not for this path: Allow names one that is' \
		grep -qiE '^allow: GET' "$LAB_DIR/headers"
	problem 'a force that is none' 400 request.force DELETE '/v1/lists/block/198.18.1.1?force=maybe'
	problem 'a panic without a mode' 422 request.member PUT /v1/panic -d '{}'
	problem 'a panic of an unknown mode' 422 panic.mode PUT /v1/panic -d '{"mode": "on"}'
	problem 'a panic that is no JSON' 400 request.json PUT /v1/panic -d 'off'
	problem 'a panic with more to it' 422 request.member PUT /v1/panic -d '{"mode": "off", "x": 1}'
	problem 'a panic with too long a reason' 422 panic.reason PUT /v1/panic \
		-d "{\"mode\": \"off\", \"reason\": \"$(printf 'x%.0s' {1..250})\"}"
	problem 'clearing with a mode' 422 request.member DELETE /v1/panic -d '{"mode": "off"}'
	problem 'a method that none of three is' 405 request.method PATCH /v1/lists/block
	check 'a method that none of two is: Allow names both' \
		grep -qiE '^allow: GET, POST' "$LAB_DIR/headers"
	problem "a browser's request" 403 auth.browser GET /v1/status \
		-H 'Origin: http://example.com'
	problem 'a body that is no JSON' 400 request.json POST /v1/lists/block -d '{'
	problem 'a body that is no object' 400 request.json POST /v1/lists/block -d '[]'
	problem 'an unknown member' 422 request.member POST /v1/lists/block \
		-d '{"cidr": "198.18.1.1", "tll": "1m"}'
	problem 'no CIDR' 422 lists.cidr POST /v1/lists/block -d '{"cidr": "nonsense"}'
	problem 'bits beyond the prefix' 422 lists.cidr POST /v1/lists/block \
		-d '{"cidr": "198.18.3.4/16"}'
	check 'bits beyond the prefix: what was meant is suggested' \
		grep -qF '198.18.0.0/16' "$LAB_DIR/answer"
	problem 'a lifetime of nothing' 422 lists.ttl POST /v1/lists/block \
		-d '{"cidr": "198.18.1.1", "ttl": "0s"}'
	problem 'an entry of the policy' 409 lists.policy DELETE /v1/lists/block/198.18.66.1
	check 'an entry of the policy: its line is named' grep -q 'line 7' "$LAB_DIR/answer"
	problem 'an entry that is not there' 404 lists.absent DELETE /v1/lists/block/198.18.1.1
	problem 'a list that is not there' 404 lists.kind GET /v1/lists/grey
	problem 'a page of nothing' 400 request.limit GET '/v1/lists/block?limit=0'
	problem 'a cursor that no page gave' 400 request.cursor GET '/v1/lists/block?cursor=x'
	head -c $((9 << 20)) /dev/zero >"$LAB_DIR/nine"
	problem 'a number for a limit that is not there' 404 limits.absent \
		PUT /v1/limits/nowhere/target -d '{"value": 1}'
	problem 'a number for a limit that follows none' 409 limits.target \
		PUT /v1/limits/all/target -d '{"value": 1}'
	problem 'a number above the largest' 422 limits.value \
		PUT /v1/limits/host/target -d '{"value": 1000000000001}'
	problem 'a number below nothing' 422 request.member \
		PUT /v1/limits/host/target -d '{"value": -1}'
	problem 'a number that is a word' 422 request.member \
		PUT /v1/limits/host/target -d '{"value": "1"}'
	problem 'a number and something else' 422 request.member \
		PUT /v1/limits/host/target -d '{"value": 1, "ttl": 1}'
	problem 'something of a limit that is not there' 404 request.path \
		PUT /v1/limits/host/rate -d '{"value": 1}'
	problem 'a flag that is not there' 404 flags.absent GET /v1/flags/nowhere
	problem 'setting a flag that is not there' 404 flags.absent PUT /v1/flags/nowhere \
		-d '{"enabled": true}'
	problem 'a flag of which nothing is set' 404 flags.unset DELETE /v1/flags/trial
	problem 'nothing of a flag' 422 flags.empty PUT /v1/flags/trial -d '{"reason": "none"}'
	problem 'a share that is no text' 422 request.member PUT /v1/flags/trial -d '{"rollout": 25}'
	problem 'a share without a unit' 422 flags.rollout PUT /v1/flags/trial -d '{"rollout": "25"}'
	problem 'sources that are no list' 422 request.member PUT /v1/flags/trial \
		-d '{"sources": "198.18.1.1"}'
	problem 'a source that is none' 422 flags.source PUT /v1/flags/trial -d '{"sources": ["x"]}'
	problem 'a tenant that is none' 422 flags.tenant PUT /v1/flags/trial -d '{"tenants": ["x"]}'
	problem 'a flag for no time' 422 flags.ttl PUT /v1/flags/trial \
		-d '{"enabled": true, "ttl": "0s"}'
	problem 'a switch that is neither on nor off' 422 request.member PUT /v1/flags/trial \
		-d '{"enabled": 1}'
	problem 'too many sources of a flag' 422 flags.many PUT /v1/flags/trial \
		-d "{\"sources\": [$(seq -s, -f '"198.18.91.%g"' 1 33)]}"
	problem 'a reason without end' 422 flags.reason PUT /v1/flags/trial \
		-d "{\"enabled\": true, \"reason\": \"$(printf '%0257d' 0)\"}"
	problem 'nine megabytes' 413 request.too_long PUT /v1/policy --data-binary "@$LAB_DIR/nine"
	problem 'a policy with a mistake' 422 policy.key.unknown PUT /v1/policy \
		--data-binary $'apiVersion: weir/v1\nmode: enforce\nlimit: []\n'
	check 'a policy with a mistake: the place is named' grep -qE ':3:1' "$LAB_DIR/answer"
	check 'none of that stopped the daemon' weir status
}

permissions() {
	local route

	check 'a stranger may read the status' as_stranger "$WEIR" status
	check 'a stranger may read the metrics' as_stranger "$WEIR" metrics
	for route in 'GET /v1/limits' 'PUT /v1/limits/host/target' 'GET /v1/source/198.18.1.1' 'GET /v1/lists' \
		'GET /v1/lists/block' 'POST /v1/lists/block' 'DELETE /v1/lists/block/198.18.1.1' \
		'GET /v1/policy' 'PUT /v1/policy' 'POST /v1/policy/confirm' 'POST /v1/policy/plan' \
		'POST /v1/policy/rollback' 'GET /v1/policy/history' 'GET /v1/policy/history/1' \
		'GET /v1/audit/events' 'GET /v1/audit/stats' 'POST /v1/detach' 'GET /v1/doctor' \
		'GET /v1/flags' 'GET /v1/flags/trial' 'PUT /v1/flags/trial' 'DELETE /v1/flags/trial'; do
		check "a stranger may not $route" test 403 = "$(as_stranger curl -gsS -o /dev/null \
			-w '%{http_code}' --unix-socket "$WEIR_SOCKET" \
			-X "${route% *}" -d '{"cidr": "198.18.1.1"}' "http://weir${route#* }")"
	done
	check 'a stranger is told so with exit code 4' exits 4 as_stranger "$WEIR" block 198.18.1.1
	check 'the refusal is in the audit log' has_record '.event_type == "auth.denied" and
		.outcome == "denied" and .actor.username == "nobody" and .severity >= 3'
	check 'nothing was blocked by that' exits 3 weir unblock 198.18.1.1
	check 'a member of the group may block' as_member "$WEIR" block 198.18.70.3
	check 'and the record says who it was' has_record '.event_type == "list.add" and
		.resource.id == "198.18.70.3" and .actor.username == "nobody"'
	check 'a member may unblock' as_member "$WEIR" unblock 198.18.70.3
}

changes() {
	local answer sha

	answer=$(weir block 198.18.70.4 --ttl 1h --reason 'for the record' -o json)
	check 'the answer to a change says that it is durable and kept' \
		jq -e '.audit == "durable" and .persisted' <<<"$answer"
	check 'and the record of it is in the chain by then' has_record \
		'.event_type == "list.add" and .resource.id == "198.18.70.4" and
		 .details.reason == "for the record" and .actor.username == "root"'
	check 'what is blocked is explained' jq -e '.verdict == "blocked" and
		.undo == "weir unblock 198.18.70.4" and .lists[0].reason == "for the record"' \
		<<<"$(weir source 198.18.70.4 -o json)"

	sed 's/name: control/name: changed/' "$LAB_DIR/policy.yaml" >"$LAB_DIR/changed.yaml"
	check 'a policy is applied by its file' weir policy apply "$LAB_DIR/changed.yaml"
	check "it is the daemon's policy file from then on" \
		cmp "$LAB_DIR/changed.yaml" "$LAB_DIR/policy.yaml"
	check 'which keeps its mode' test "$(stat -c %a "$LAB_DIR/policy.yaml")" = 600
	check 'the policy in force is that text' \
		cmp "$LAB_DIR/changed.yaml" <(weir policy show)
	sha=$(sha256sum <"$LAB_DIR/changed.yaml")
	check 'and has its SHA-256' test "$(status .policy.sha256)" = "${sha%% *}"
	sed -i 's/2k/many/' "$LAB_DIR/changed.yaml"
	check 'a policy with a mistake is refused: 1' \
		exits 1 weir policy apply "$LAB_DIR/changed.yaml"
	check 'and changes neither the file nor what is in force' test \
		"$(sha256sum <"$LAB_DIR/policy.yaml"):$(status .policy.sha256)" = "$sha:${sha%% *}"
	stop_weir
	start_weir --metrics-listen "$METRICS"
	check 'the applied policy survives a restart' test "$(status .policy.sha256)" = "${sha%% *}"
	write_policy
	weir policy apply >/dev/null
}

# All pages of the block list, an entry each line.
pages() { # LIMIT
	local cursor='' page

	while :; do
		page=$(curl -gsS --unix-socket "$WEIR_SOCKET" \
			"http://weir/v1/lists/block?limit=$1${cursor:+&cursor=$cursor}")
		jq -r '.items[].cidr' <<<"$page"
		cursor=$(jq -r '.next_cursor // ""' <<<"$page")
		[[ $cursor ]] || return 0
	done
}

paging() {
	write_policy 250
	weir policy apply >/dev/null
	weir block 198.18.66.100 >/dev/null # also in the policy: one entry more
	pages 37 >"$LAB_DIR/pages"
	check 'pages of 37 hold each of 250 entries of the policy, and no other twice' test \
		"$(grep -c '^198.18.66' "$LAB_DIR/pages"):$(grep '^198.18.66' "$LAB_DIR/pages" |
			sort -u | wc -l):$(grep -cx 198.18.66.100 "$LAB_DIR/pages")" = 251:250:2
	check 'pages of 10 hold the same' cmp "$LAB_DIR/pages" <(pages 10)
	check 'so does one large page' cmp "$LAB_DIR/pages" <(pages 10000)
	check 'and what the command line shows' test \
		"$(weir lists block -o json | jq '.items | length')" = "$(wc -l <"$LAB_DIR/pages")"
}

metrics() {
	flood --to "$LAB_HOST4:80" --base 198.18.4.0 --sources 100 --packets 20000 >/dev/null
	flood --to "[$LAB_HOST6]:80" --base 2001:db8:4:: --packets 1000 >/dev/null
	weir metrics >"$LAB_DIR/metrics"
	check 'metrics are served on TCP' lab_host curl -fsS "http://$METRICS/metrics"
	check 'and nothing else is' refuse lab_host curl -fsS "http://$METRICS/v1/status"
	check 'nor is anything changed there' refuse \
		lab_host curl -fsS -d '{"cidr": "198.18.1.1"}' "http://$METRICS/v1/lists/block"
	if command -v promtool >/dev/null; then
		check 'promtool has nothing to say about them' \
			promtool check metrics <"$LAB_DIR/metrics"
	else
		skip 'promtool has nothing to say about them' 'promtool is not installed'
	fi
	check 'no label holds an address' refuse \
		grep -E '[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f]{1,4}::?[0-9a-f:]+"' "$LAB_DIR/metrics"
}

second_daemon() {
	local first=$WEIR_PID socket=$WEIR_SOCKET

	lab_host ip link add spare0 type veth peer name spare1
	lab_host ip link set spare0 up
	WEIR_SOCKET=$LAB_DIR/second.sock
	check 'a second daemon with directories of its own protects another interface' \
		start_weir --iface spare0 --state-dir "$LAB_DIR/second" --bpffs "$LAB_BPFFS-second"
	weir block 198.18.71.1 >/dev/null
	check 'what it is told holds there' jq -e '.verdict == "blocked"' \
		<<<"$(weir source 198.18.71.1 -o json)"
	check 'and not for the first' jq -e '.verdict != "blocked"' \
		<<<"$(weir source 198.18.71.1 -o json --socket "$socket")"
	check 'weir detach ends it' weir detach
	wait "$WEIR_PID" || true
	WEIR_PID=$first WEIR_SOCKET=$socket
	check 'and not the first' jq -e '.attached == "native"' <<<"$(weir status -o json)"
}

daemon_with_group
write_policy
start_weir --metrics-listen "$METRICS"
each_command
exit_codes
refusals
permissions
changes
paging
metrics
second_daemon
if command -v script >/dev/null; then
	check 'on a terminal detach asks first, and no is no' \
		exits 1 script -qec "$WEIR detach" /dev/null <<<n
	check 'nothing has ended then' weir status
else
	skip 'on a terminal detach asks first, and no is no' 'script is not installed'
fi
check 'weir detach -o json prints JSON, and asks nothing without a terminal' is_json weir detach -o json
finish
