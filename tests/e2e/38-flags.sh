#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Flags: switched, rolled out and targeted at run time, with packets flowing. Which sources a share has,
# that no packet is judged half by the old and half by the new values, what a restart keeps and what an
# end of time takes back, and who hears of it.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly SOURCES=400 PORT=9001

# write_policy EXPIRES [EXTRA_FLAG]
write_policy() {
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		services:
		  probed: {proto: udp, dport: $PORT}
		  paired: {proto: udp, dport: 9002}
		  kept: {proto: udp, dport: 9003}
		  brief: {proto: udp, dport: 9004}
		  web: {proto: tcp, dport: 80}
		  shop: {proto: tcp, dport: 81}
		tenants:
		  acme: {src: 198.18.9.0/24}
		flags:
		  probe: {description: try the probe, enabled: false, rollout: 0%}
		  pair: {rollout: 50%}
		  keep: {enabled: true}
		  brief: {enabled: true, expires: $1}
		  open: {enabled: true, rollout: 0%, sources: 198.18.40.1}
		  ${2:-}
		limits:
		  - {name: probe, scope: source, service: probed, rate: 1/d, burst: 1, flag: probe}
		  - {name: strict, scope: source, service: paired, rate: 10M/s, flag: pair}
		  - {name: strict-too, scope: service, service: paired, rate: 10M/s, flag: pair}
		  - {name: loose, scope: source, service: paired, rate: 20M/s, flag: "!pair"}
		  - {name: keep, scope: source, service: kept, rate: 1/d, burst: 5, flag: keep}
		  - {name: brief, scope: source, service: brief, rate: 1/d, burst: 1, flag: brief}
		  - {name: open, scope: source, service: web, open_connections: 1, flag: open}
		  - {name: share, scope: source, service: shop, open_connections: 1, rollout: {percent: 1}}
	YAML
}

# limit NAME JQ_FILTER - of what is said about it
limit() {
	weir limits -o json | jq -r --arg name "$1" ".items[] | select(.name == \$name) | $2"
}

limit_is() { # NAME JQ_FILTER WANTED
	[[ $(limit "$1" "$2") == "$3" ]]
}

flag() { # NAME JQ_FILTER
	weir flags list -o json | jq -r --arg name "$1" ".items[] | select(.name == \$name) | $2"
}

flag_is() { # NAME JQ_FILTER WANTED
	[[ $(flag "$1" "$2") == "$3" ]]
}

metric() { # SERIES - its value
	weir metrics | awk -v series="$1" '$1 == series { print $2 }'
}

reached() { # PORT SOURCE PACKETS - how many of them the host's stack sees
	local before

	before=$(stack_packets)
	flood --to "$LAB_HOST4:$1" --base "$2" --packets "$3" >/dev/null
	echo $(($(stack_packets) - before))
}

says() { # PATTERN COMMAND...
	"${@:2}" | tee /dev/stderr | grep -E -e "$1" >/dev/null # reads all: the command must not die of a closed pipe
}

# chosen FILE - the sources for which the flag is on: of three packets of each, not all arrive.
chosen() {
	lab_spawn host "$PWD/build/tests/tools/sink" --listen "$LAB_HOST4" --port "$PORT" --each \
		>"$LAB_DIR/sink" 2>"$LAB_DIR/sink.log"
	local sink=$LAB_PID

	wait_for 5 grep -q listening "$LAB_DIR/sink.log"
	flood --to "$LAB_HOST4:$PORT" --base 198.18.4.0 --sources "$SOURCES" \
		--packets $((3 * SOURCES)) --rate 9000 >"$LAB_DIR/sent"
	kill -TERM "$sink"
	wait "$sink" || true
	jq -r '.each | to_entries[] | select(.value == 3) | .key' "$LAB_DIR/sink" | sort >"$LAB_DIR/passed"
	for ((i = 0; i < SOURCES; i++)); do
		echo "198.18.$((4 + i / 256)).$((i % 256))"
	done | sort | comm -23 - "$LAB_DIR/passed" >"$1"
}

about() { # FILE PERCENT - so many of the sources, within 12 standard deviations of a per cent
	local count

	count=$(wc -l <"$1")
	echo "$count of $SOURCES"
	((count >= SOURCES * $2 / 100 - 50 && count <= SOURCES * $2 / 100 + 50))
}

within() { # SMALLER LARGER - all lines of the one are in the other
	[[ -s $1 && -z $(comm -23 "$1" "$2") ]]
}

shares() {
	check 'a flag is off unless the policy says so' flag_is probe '[.enabled, .rollout] | @csv' \
		'false,"0%"'
	check 'its limit is not in force' limit_is probe '[.in_force, .flag, .flag_off] | @csv' \
		'false,"probe",true'
	check 'and says why' says 'probe .*off: flag probe is off or for nobody' weir limits
	chosen "$LAB_DIR/none"
	check 'everything passes' test ! -s "$LAB_DIR/none"
	check 'on for nobody is as good as off' weir flags set probe on --reason 'CHG-1'
	chosen "$LAB_DIR/none"
	check 'still everything passes' test ! -s "$LAB_DIR/none"
	check 'a share of a quarter' weir flags rollout probe 25% --reason 'CHG-2'
	chosen "$LAB_DIR/quarter"
	check 'is about a quarter of the sources' about "$LAB_DIR/quarter" 25
	check 'of half' weir flags rollout probe 50%
	chosen "$LAB_DIR/half"
	check 'is about half of them' about "$LAB_DIR/half" 50
	check 'the quarter lies within the half' within "$LAB_DIR/quarter" "$LAB_DIR/half"
	check 'back at a quarter' weir flags rollout probe 25%
	chosen "$LAB_DIR/again"
	check 'they are the same as before' cmp "$LAB_DIR/quarter" "$LAB_DIR/again"
	check 'everything about a source tells whether the flag is on for it' agree
	check 'of all' weir flags rollout probe 100%
	chosen "$LAB_DIR/all"
	check 'it is all of them' test "$(wc -l <"$LAB_DIR/all")" = "$SOURCES"
}

# What `weir source` says of the first and of others is what the packets met.
agree() {
	local source wanted effect

	for source in 198.18.4.{0..30}; do
		wanted=none
		! grep -qx "$source" "$LAB_DIR/again" || wanted=drop
		effect=$(weir source "$source" -o json |
			jq -r '.limits[] | select(.name == "probe") | .effect')
		echo "$source: $effect, packets say $wanted"
		[[ $effect == "$wanted" ]] || return 1
	done
}

targets() {
	weir flags rollout probe 0% >/dev/null
	check 'sources are named' weir flags target probe --sources 198.18.8.0/25,198.18.8.200
	check 'one that is named is limited' test "$(reached $PORT 198.18.8.5 3)" = 1
	check 'the single one, too' test "$(reached $PORT 198.18.8.200 3)" = 1
	check 'its neighbour is not' test "$(reached $PORT 198.18.8.201 3)" = 3
	check 'a tenant is named' weir flags target probe --tenants acme
	check 'who belongs to it is limited' test "$(reached $PORT 198.18.9.9 3)" = 1
	check 'who was named before still is' test "$(reached $PORT 198.18.8.6 3)" = 1
	check 'nobody else is' test "$(reached $PORT 198.18.10.1 3)" = 3
	check 'the list shows them' says 'probe +on +0% +198.18.8.0/25 198.18.8.200 acme +probe +root' \
		weir flags list
	check 'the names are taken back' weir flags target probe --sources none --tenants none
	check 'and they are as the others' test "$(reached $PORT 198.18.8.7 3)" = 3
}

# Each packet meets the strict limits or the loose one: never both, never neither, whatever is changed
# while it is judged; and both strict ones or none of them.
atomic() {
	local sent strict strict_too loose changes=0 sender

	flood --to "$LAB_HOST4:9002" --base 198.18.16.0 --sources 1000 --rate 100000 --seconds 6 \
		>"$LAB_DIR/flood" &
	sender=$!
	while is_alive "$sender"; do
		weir flags rollout pair 25% && weir flags set pair on && weir flags rollout pair 75% &&
			weir flags target pair --sources 198.18.17.0/24 && weir flags set pair off &&
			weir flags unset pair || return 1
		changes=$((changes + 6))
	done >/dev/null
	wait "$sender"
	sent=$(jq .sent "$LAB_DIR/flood")
	strict=$(limit strict .passed) strict_too=$(limit strict-too .passed)
	loose=$(limit loose .passed)
	echo "# $changes changes, $sent packets: $strict by the strict limits, $loose by the loose one"
	check 'packets flowed through many changes' test "$((changes >= 60 && strict && loose))" = 1
	check 'each met the limits of one side' test "$((strict + loose))" = "$sent"
	check 'and all limits of that side' test "$strict" = "$strict_too"
	check 'none was dropped' test "$(limit strict .dropped):$(limit loose .dropped)" = 0:0
}

state() {
	check 'a limit takes its burst' test "$(reached 9003 198.18.6.1 9)" = 5
	check 'its flag is switched off' weir flags set keep off
	check 'everything passes' test "$(reached 9003 198.18.6.1 9)" = 9
	check 'and on again' weir flags set keep on
	check 'the bucket is as empty as it was' test "$(reached 9003 198.18.6.1 9)" = 0
	weir flags rollout keep 99% >/dev/null
	weir flags target keep --sources 198.18.6.0/24 >/dev/null
	check 'also after a new generation' test "$(reached 9003 198.18.6.1 9)" = 0
	check 'unset, it is as the policy says' weir flags unset keep
	check 'nothing is set of it' flag_is keep '[.enabled, .rollout, (.set | length)] | @csv' \
		'true,"100%",0'
	check 'a second unset says so' exits 3 weir flags unset keep
}

# opened PORT SOURCE - one more connection from there, held open
opened() {
	lab_spawn client bash -c "sleep 60 | curl -s --interface $2 telnet://$LAB_HOST4:$1" >/dev/null
}

fetched() { # PORT SOURCE
	lab_client curl -gs --interface "$2" --max-time 2 "http://$LAB_HOST4:$1/"
}

any_fetched() { # PORT SOURCE...
	local source

	for source in "${@:2}"; do
		fetched "$1" "$source" && return 0
	done
	return 1
}

open_connections() {
	local port source

	mkdir "$LAB_DIR/www"
	echo served >"$LAB_DIR/www/index.html"
	for port in 80 81; do
		lab_spawn host busybox httpd -f -p "$LAB_HOST4:$port" -h "$LAB_DIR/www"
	done
	wait_for 5 fetched 80 198.18.40.9 >/dev/null
	for source in 198.18.40.{1..6}; do
		opened 80 "$source"
		opened 81 "$source"
	done
	check 'a flag holds for open connections: who is named has its one' \
		wait_for 5 refuse fetched 80 198.18.40.1
	check 'others have more' fetched 80 198.18.40.2
	check 'so does a rollout: not all of six are in the hundredth part' any_fetched 81 \
		198.18.40.{1..6}
}

restart() {
	weir flags set probe on --reason 'kept, "for" a while' >/dev/null
	weir flags rollout probe 25% --reason 'kept, "for" a while' >/dev/null
	stop_weir KILL || true
	start_weir
	check 'a restart keeps what was set' flag_is probe '[.enabled, .rollout, .set_by, .reason] | @csv' \
		'true,"25%","root","kept, ""for"" a while"'
	chosen "$LAB_DIR/again"
	check 'for the same sources' cmp "$LAB_DIR/quarter" "$LAB_DIR/again"
	weir policy apply >/dev/null
	chosen "$LAB_DIR/again"
	check 'so does a reload' cmp "$LAB_DIR/quarter" "$LAB_DIR/again"
	check 'the status shows it' says 'flag +probe: on, 25%, set by root at .*: kept, "for" a while' \
		weir status
	check 'a stranger is told neither by whom nor why' jq -e '.flags_set | length == 1 and
		.[0].rollout == "25%" and (.[0] | has("reason") or has("set_by") | not)' \
		<<<"$(setpriv --reuid nobody --clear-groups "$WEIR" status -o json)"
	check 'so do the metrics' test \
		"$(metric 'weir_flag_enabled{flag="probe"}'):$(metric \
			'weir_flag_rollout_ratio{flag="probe"}')" = 1:0.25
}

expiry() {
	local generation

	weir flags unset probe >/dev/null
	check 'a flag is set for a while' weir flags set keep off --ttl 2s --reason trial
	check 'until then it holds' flag_is keep '[.enabled, (.until | type)] | @csv' 'false,"string"'
	check 'then it is as the policy says' wait_for 5 flag_is keep .enabled true
	check 'and limits again' test "$(reached 9003 198.18.6.1 9)" = 0
	check 'which is recorded' has_record '.event_type == "flag.expired" and .resource.id == "keep" and
		.details.was_enabled == false and .details.enabled == true and .actor.role == "system"'
	weir flags set keep off --ttl 1s >/dev/null
	weir flags target keep --sources 198.18.30.0/24 >/dev/null
	generation=$(status .policy.generation)
	stop_weir
	sleep 1.2
	check 'without a daemon nothing changes' test "$(reached 9003 198.18.6.1 9)" = 9
	start_weir
	check 'what ended meanwhile ends with the start' test \
		"$(flag keep .enabled):$(reached 9003 198.18.6.1 9)" = true:0
	sleep 0.6 # the daemon looks twice a second
	check 'it does not hold until the daemon looks: no more than the one generation' test \
		"$(status .policy.generation)" = $((generation + 1))
	check 'with a record of what holds since' has_record '.event_type == "flag.expired" and
		.details.was_sources == "198.18.30.0/24" and .details.enabled'
	check 'one for each' test "$(records '.event_type == "flag.expired" and
		.resource.id == "keep"' | wc -l)" = 2
}

policy_expiry() {
	local before after

	before=$(date -u -d '+4 seconds' +%FT%TZ)
	write_policy "$before"
	weir policy apply >/dev/null
	check 'until its expiry a flag of the policy holds' flag_is brief \
		'[.in_force, .expired] | @csv' true,false
	check 'from then on it is off' wait_for 8 flag_is brief '[.in_force, .expired] | @csv' false,true
	check 'and its limit with it' test "$(reached 9004 198.18.6.2 9)" = 9
	check 'which is recorded' has_record '.event_type == "flag.expired" and
		.resource.id == "brief"'
	check 'a flag that has expired cannot be set' exits 5 weir flags set brief on
	check 'the metrics say off' test "$(metric 'weir_flag_enabled{flag="brief"}')" = 0
	after=2261-12-31T00:00:00Z
	write_policy "$after" 'gone: {enabled: true}'
	weir policy apply >/dev/null
	check 'a policy with a later expiry has it on again' flag_is brief .in_force true
}

orphans() {
	check 'a flag without limits can be set' weir flags set gone off --reason 'before it went'
	write_policy 2261-12-31T00:00:00Z
	weir policy apply >/dev/null
	check 'what was set of a flag that the policy lost is kept, orphaned' flag_is gone \
		'[.orphaned, .in_force, .reason] | @csv' 'true,false,"before it went"'
	check 'it cannot be set' exits 3 weir flags set gone on
	write_policy 2261-12-31T00:00:00Z 'gone: {enabled: true}'
	weir policy apply >/dev/null
	check 'it holds when the flag comes back' flag_is gone '[.orphaned, .enabled] | @csv' false,false
	write_policy 2261-12-31T00:00:00Z
	weir policy apply >/dev/null
	check 'or can be forgotten' says 'flag gone is forgotten' weir flags unset gone
	check 'and is' test -z "$(flag gone .name)"
}

refusals() {
	local before generation

	generation=$(status .policy.generation)
	before=$(weir flags list -o json)
	check 'an unknown flag is refused' exits 3 weir flags set nothing on
	check 'so is a share beyond all' exits 2 weir flags rollout probe 101%
	check 'a source that is none' exits 1 weir flags target probe --sources 198.18.8.1/24
	check 'with a suggestion' says 'did you mean 198.18.8.0/24' \
		bash -c "$WEIR flags target probe --sources 198.18.8.1/24 2>&1 || true"
	check 'a tenant that is none' exits 1 weir flags target probe --tenants umbrella
	check 'more sources than a flag takes' exits 1 weir flags target probe --sources \
		"$(seq -s, -f '198.18.20.%g' 1 33)"
	check 'a lifetime of nothing' exits 1 weir flags set probe on --ttl 0s
	check 'an unknown member of a request' test "$(curl -s --unix-socket "$WEIR_SOCKET" -X PUT \
		-d '{"percent": 5}' http://weir/v1/flags/probe | jq -r .code)" = request.member
	check 'nothing has changed' test "$(weir flags list -o json):$(status .policy.generation)" = \
		"$before:$generation"
	check 'each is a record, with its reason' has_records 8 '.event_type == "flag.set" and
		.outcome == "failure" and (.details.error | length > 0)'
	check 'as many as a flag takes' weir flags target probe --sources \
		"$(seq -s, -f '198.18.20.%g' 1 32)"
	weir flags unset probe >/dev/null
}

# Something that is no database stands where the store would be.
without_store() {
	weir flags set probe on --reason 'in the store' >/dev/null
	stop_weir
	mv "$STATE/weir.db" "$STATE/weir.aside"
	mkdir "$STATE/weir.db"
	start_weir
	check 'without a store flags are as the policy says' flag_is probe \
		'[.enabled, (.set | length)] | @csv' false,0
	check 'one can be set all the same' says 'NOT KEPT' \
		bash -c "$WEIR flags target probe --sources 198.18.8.0/24 2>&1"
	weir flags set probe on -o json >"$LAB_DIR/answer"
	check 'the answer says that it is not kept' jq -e '.persisted == false and .flag.in_force' \
		"$LAB_DIR/answer"
	weir flags rollout probe 0% >/dev/null
	check 'and it holds' test "$(reached $PORT 198.18.8.9 3):$(reached $PORT 198.18.10.9 3)" = 1:3
	stop_weir
	rmdir "$STATE/weir.db"
	mv "$STATE/weir.aside" "$STATE/weir.db"
	start_weir
	check 'what was kept before holds again' flag_is probe \
		'[.enabled, .reason, (.set | length)] | @csv' 'true,"in the store",1'
	weir flags unset probe >/dev/null
}

heard_of() {
	check 'a change is a record: who, why, from what to what' has_record \
		'.event_type == "flag.set" and .resource.id == "probe" and .actor.username == "root" and
		.details.reason == "CHG-2" and .details.rollout == "25%" and .details.was_rollout == "0%" and
		.details.enabled and .details.persisted'
	check 'so is taking it back' has_record '.event_type == "flag.unset" and .resource.id == "keep" and
		.details.was_set_by == "root"'
	check 'who may not is refused' exits 4 setpriv --reuid 65534 --clear-groups \
		"$WEIR" flags set probe on
}

write_policy 2261-12-31T00:00:00Z
start_weir
shares
targets
atomic
state
open_connections
restart
expiry
policy_expiry
orphans
refusals
without_store
heard_of
check 'the audit chain verifies' verify
finish
