#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The life of a policy: who put which in force when, what changed, going back; a change on top of
# what somebody else changed is refused; one that was not confirmed is undone, whatever happens to the
# session that made it or to the daemon.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

write_policy() { # FILE RATE [BLOCKED]
	cat >"$1" <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists:
		  block: {entries: [198.18.66.6${3:+, $3}]}
		limits:
		  - {name: all, scope: source, rate: $2/s, burst: 1000}
	YAML
	chmod 600 "$1"
}

generation() {
	status .policy.generation
}

sha() { # FILE
	sha256sum <"$1" | cut -d' ' -f1
}

in_force() { # FILE
	[[ $(status .policy.sha256) == "$(sha "$1")" ]]
}

file_is() { # FILE
	cmp "$1" "$LAB_DIR/policy.yaml"
}

api() { # METHOD PATH [CURL_OPTION...] - the body goes to answer; prints the status
	curl -gsS --max-time 20 --unix-socket "$WEIR_SOCKET" -X "$1" -o "$LAB_DIR/answer" \
		-w '%{http_code}' "${@:3}" "http://weir$2"
}

answers() { # STATUS CODE METHOD PATH [CURL_OPTION...]
	local got

	got=$(api "${@:3}")
	echo "$got, not $1"
	cat "$LAB_DIR/answer"
	[[ $got == "$1" && $(jq -r .code "$LAB_DIR/answer") == "$2" ]]
}

item() { # GENERATION JQ_FILTER - of the history
	weir policy history -n 100 -o json |
		jq -r --argjson g "$1" ".items[] | select(.generation == \$g) | $2"
}

is_pending() {
	[[ $(status '.policy.pending != null') == true ]]
}

history() {
	local first second

	first=$(generation)
	check 'a policy is applied with a reason' \
		weir policy apply "$LAB_DIR/b.yaml" --reason 'näher am Bedarf'
	second=$(generation)
	check 'the history says by whom and why' test \
		"$(item "$second" '.author.name + ": " + .reason')" = 'root: näher am Bedarf'
	check 'how, and what it followed' test "$(item "$second" '.how, .parent, .state')" = \
		$'apply\n'"$first"$'\nin_force'
	check 'the one before is a former one' test "$(item "$first" .state)" = former
	check 'its text is there, byte for byte' cmp "$LAB_DIR/a.yaml" <(weir policy show "$first")
	check 'the text shows what changed' grep -q '^-  - {name: all, scope: source, rate: 10/s' \
		<(weir policy diff "$first" "$second")
	check 'and the one in force is compared with if none is named' \
		cmp <(weir policy diff "$first" "$second") <(weir policy diff "$first")
	check 'as JSON it names the keys that changed' jq -e '.changes == [{"change": "changed",
		"path": "limits.all.rate", "before": "10/s", "after": "20/s"}]' \
		<<<"$(weir policy diff "$first" -o json)"
	check 'what differs is exit code 10' exits 10 weir policy diff "$first"
	check 'and what does not is 0' exits 0 weir policy diff "$second"
	check 'weir policy diff of a generation and itself prints nothing' \
		test -z "$(weir policy diff "$first" "$first")"
	check 'a generation that never was is refused' exits 3 weir policy show 4000000000
	check 'attempt and outcome are records' test "$(records '.event_type | test("^policy")' 3 |
		jq -r '.event_type + " " + (.details.reason // "")' | tr '\n' ,)" = \
		'policy.intent näher am Bedarf,policy.apply näher am Bedarf,'
	check 'weir policy rollback goes back one' weir policy rollback --reason 'too tight'
	check 'the text before is in force' in_force "$LAB_DIR/a.yaml"
	check 'and is the policy file' file_is "$LAB_DIR/a.yaml"
	check 'as a new generation' test "$(generation)" -gt "$second"
	check 'and says whose text it is' has_record '.event_type == "policy.rollback" and
		.details.reason == "too tight" and (.details.text_of | tostring) == "'"$first"'"'
	check 'weir policy rollback N goes where it is told' weir policy rollback "$second"
	check 'which is in force then' in_force "$LAB_DIR/b.yaml"
	check 'a rollback to what never was is refused' exits 3 weir policy rollback 4000000000
	check 'and recorded' has_record '.event_type == "policy.refused" and
		.details.code == "policy.generation"'
	check 'the text of a refused policy is named by its hash' exits 1 \
		weir policy apply "$LAB_DIR/nowhere.yaml"
	check 'a reason of a novel is refused' exits 1 \
		weir policy apply "$LAB_DIR/b.yaml" --reason "$(printf '%0300d' 1)"
}

pages() {
	local cursor='' page

	while :; do
		page=$(curl -gsS --unix-socket "$WEIR_SOCKET" \
			"http://weir/v1/policy/history?limit=$1${cursor:+&cursor=$cursor}")
		jq -r '.items[].generation' <<<"$page"
		cursor=$(jq -r '.next_cursor // ""' <<<"$page")
		[[ $cursor ]] || return 0
	done
}

long_history() {
	local n

	for n in $(seq 105); do
		write_policy "$LAB_DIR/n.yaml" "$((n % 7 + 30))"
		weir policy apply "$LAB_DIR/n.yaml" >/dev/null
	done
	check 'the last 100 generations are kept' test "$(pages 100 | wc -l)" = 100
	check 'pages of 7 hold the same' cmp <(pages 100) <(pages 7)
	check 'the newest comes first' test "$(pages 1 | head -1)" = "$(generation)"
	check 'a cursor that no page gave is refused' \
		answers 400 request.cursor GET '/v1/policy/history?cursor=x'
	stop_weir
	for n in 1 2 3; do
		start_weir
		stop_weir
	done
	start_weir
	check 'restarts with the same policy do not push others out' \
		test "$(weir policy history -n 100 -o json |
			jq '[.items[] | select(.how == "start")] | length')" -le 2
	check 'the history survives them' test "$(pages 100 | wc -l)" = 100
}

concurrency() {
	local base

	weir policy apply "$LAB_DIR/a.yaml" >/dev/null
	base=$(generation)
	check 'on top of the generation in force a policy is applied' \
		weir policy apply "$LAB_DIR/b.yaml" --base "$base"
	check 'on top of one that is no longer, it is refused' \
		exits 5 weir policy apply "$LAB_DIR/a.yaml" --base "$base"
	check 'nothing is lost by that' in_force "$LAB_DIR/b.yaml"
	check 'the API says 412 to a stale ETag' answers 412 policy.stale PUT /v1/policy \
		-H "If-Match: \"g$base\"" --data-binary "@$LAB_DIR/a.yaml"
	# shellcheck disable=SC2016 # jq has variables, too
	check 'and names who was faster, and how to see what he did' jq -e --arg g "$(generation)" \
		'.detail | contains("generation " + $g) and contains("by root") and
			contains("weir policy diff")' "$LAB_DIR/answer"
	check 'a stale base is a record' has_record '.event_type == "policy.refused" and
		.details.code == "policy.stale" and (.details.base | tostring) == "'"$base"'"'
	check 'the ETag of GET is good for PUT' test "$(api PUT /v1/policy \
		-H "If-Match: $(curl -gsS -D - -o /dev/null --unix-socket "$WEIR_SOCKET" \
			http://weir/v1/policy | tr -d '\r' | sed -n 's/^ETag: //Ip')" \
		--data-binary "@$LAB_DIR/a.yaml")" = 200
	check 'an ETag that is none is refused' answers 400 request.if_match PUT /v1/policy \
		-H 'If-Match: "7"' --data-binary "@$LAB_DIR/a.yaml"
	check 'so is a rollback on top of another' exits 5 weir policy rollback --base "$base"
}

metric_is() { # NAME CONDITION
	weir metrics | awk -v name="$1" '$1 == name {print; found = $2 '"$2"'} END {exit !found}'
}

confirmation() {
	local before

	before=$(generation)
	check 'a policy is applied until confirmed' \
		weir policy apply "$LAB_DIR/b.yaml" --confirm 1m --reason 'let us see'
	check 'it is in force at once' in_force "$LAB_DIR/b.yaml"
	check 'the policy file has the text before' file_is "$LAB_DIR/a.yaml"
	check 'the status counts down' jq -e '.policy.pending.left_seconds |
		. > 50 and . <= 60' <<<"$(weir status -o json)"
	check 'and says so to people' grep -q '^UNCONFIRMED: ' <(weir status)
	check 'the metric says that one waits' metric_is weir_policy_pending '== 1'
	check 'and for how long still' metric_is weir_policy_pending_seconds '> 50'
	check 'the history has it as unconfirmed' test "$(item "$(generation)" .state)" = unconfirmed
	check 'another apply is refused meanwhile' \
		answers 409 policy.pending PUT /v1/policy --data-binary "@$LAB_DIR/a.yaml"
	check 'and so is a reload' exits 5 weir policy apply
	check 'confirming another generation is refused' \
		answers 412 policy.stale POST /v1/policy/confirm -d "{\"generation\": $before}"
	check 'confirming without saying which, too' \
		answers 422 request.member POST /v1/policy/confirm -d '{}'
	check 'weir policy confirm confirms it' weir policy confirm
	check 'the policy file has it then' file_is "$LAB_DIR/b.yaml"
	check 'nothing is pending' refuse is_pending
	check 'nor do the metrics say so' metric_is weir_policy_pending '== 0'
	check 'and no time is left' metric_is weir_policy_pending_seconds '== 0'
	check 'the history says that it was confirmed' \
		test "$(item "$(generation)" '.how + " " + .state')" = 'confirm in_force'
	check 'and the audit log' has_record '.event_type == "policy.confirm" and
		.actor.username == "root"'
	check 'there is nothing left to confirm' exits 5 weir policy confirm

	weir policy apply "$LAB_DIR/a.yaml" --confirm 1h >/dev/null
	check 'a rollback ends the waiting' weir policy rollback
	check 'with the text before' in_force "$LAB_DIR/b.yaml"
	check 'and nothing is pending' refuse is_pending
	check 'who forces one is told in the audit log' \
		weir policy apply "$LAB_DIR/b.yaml" --force
	check 'with the attempt and with the outcome' test "$(records '.event_type |
		test("^policy")' 3 | jq -c .details.force | tr '\n' ,)" = true,true,
	check 'a time to confirm of nothing is refused' exits 1 \
		weir policy apply "$LAB_DIR/a.yaml" --confirm 0s
	check 'and one of a week' exits 1 weir policy apply "$LAB_DIR/a.yaml" --confirm 1w

	write_policy "$LAB_DIR/policy.yaml" 17
	cp "$LAB_DIR/policy.yaml" "$LAB_DIR/edited.yaml"
	check 'the policy file itself, edited, is applied until confirmed' \
		weir policy apply "$LAB_DIR/policy.yaml" --confirm 1h
	check 'it has the text before until then' file_is "$LAB_DIR/b.yaml"
	check 'and the edited one is beside it' \
		cmp "$LAB_DIR/edited.yaml" "$LAB_DIR/policy.yaml.unconfirmed"
	weir policy confirm >/dev/null
	check 'which takes its place when confirmed' file_is "$LAB_DIR/edited.yaml"
	check 'and leaves nothing behind' test ! -e "$LAB_DIR/policy.yaml.unconfirmed"
}

plan() {
	local before figures

	cat >"$LAB_DIR/plan.yaml" <<-YAML
		apiVersion: weir/v1
		mode: enforce
		state: {sources: 64k}
		lists:
		  block: {entries: [198.18.66.6, 198.18.9.1]}
		services: {web: {proto: tcp, dport: 80}}
		limits:
		  - {name: all, scope: source, rate: 10/s, burst: 10}
		  - {name: web, scope: source, service: web, rate: 10/s}
	YAML
	chmod 600 "$LAB_DIR/plan.yaml"
	write_policy "$LAB_DIR/wide.yaml" 100000
	weir policy apply "$LAB_DIR/wide.yaml" >/dev/null
	before=$(generation)
	sleep 1 # a period of one takes a moment to be seen
	flood --to "$LAB_HOST4:9" --base 198.18.30.1 --sources 1 --rate 200 --seconds 3 >/dev/null
	flood --to "$LAB_HOST4:9" --base 198.18.9.1 --sources 1 --rate 100 --seconds 2 >/dev/null
	check 'a plan is made, and says by its exit code that something would change' \
		eval "exits 10 weir policy plan '$LAB_DIR/plan.yaml' -o json >'$LAB_DIR/plan'"
	check 'it names what would be added, changed and removed' jq -e '
		[.changes[] | select(.path == "limits.all.rate") | .before, .after] == ["100000/s", "10/s"]
		and any(.changes[]; .change == "added" and .path == "services")
		and any(.changes[]; .change == "added" and .path == "lists.block.entries.198.18.9.1")
		' "$LAB_DIR/plan"
	check 'which limits begin anew' jq -e 		'any(.limits[]; .limit == "web" and .state == "anew")' "$LAB_DIR/plan"
	check 'and what memory it takes' jq -e '.memory.after.sources == 65536 and
		.memory.before.sources_bytes > 0' "$LAB_DIR/plan"
	figures=$(jq -r '.traffic.dropped_now' "$LAB_DIR/plan")
	# 600 packets within 3 s: 10 + 30 pass; 200 of the blocked source do not.
	check "it would have dropped about 560 + 200 packets ($figures)" 		test "$figures" -gt 600 -a "$figures" -lt 900
	check 'of which none was dropped then' jq -e '.traffic.dropped_then < 20' "$LAB_DIR/plan"
	check 'most of one source, by one limit' jq -e '
		.traffic.sources[0].source == "198.18.30.1" and
		.traffic.rules[0].rule == "limit all (packets)" and
		any(.traffic.rules[]; .rule == "block list" and .packets > 100)' "$LAB_DIR/plan"
	check 'and how sure that is' jq -e '.traffic.confidence == "fair" or
		.traffic.confidence == "good"' "$LAB_DIR/plan"
	check 'people can read it' grep -q '^~ limits.all.rate: 100000/s -> 10/s' \
		<(weir policy plan "$LAB_DIR/plan.yaml" 2>/dev/null)
	check 'and nothing was changed by it' test "$(generation)" = "$before"
	check 'a policy of limits that stay keeps their state' jq -e \
		'.changed == false and all(.limits[]; .state == "kept")' \
		<<<"$(weir policy plan "$LAB_DIR/wide.yaml" -o json)"
	check 'a policy with a mistake has no plan' answers 422 policy.key.unknown \
		POST /v1/policy/plan -d 'limit: []'
}

# A session of the operator, through the interface: it must be cut by the policy that he applies, and
# come back when it is undone.
session() {
	local -i lines

	weir policy apply "$LAB_DIR/a.yaml" >/dev/null
	# shellcheck disable=SC2016 # of the inner shells
	lab_spawn host sh -c 'exec busybox nc -l -p 2222 </dev/null >"$0"' "$LAB_DIR/received"
	wait_for 5 eval 'lab_host ss -ltn | grep -q :2222'
	# shellcheck disable=SC2016
	lab_spawn client bash -c 'exec >"/dev/tcp/$0/2222"
		while sleep 0.1; do echo still here; done' "$LAB_HOST4"
	check 'a session goes through the interface' wait_for 5 test -s "$LAB_DIR/received"
	check 'a policy that cuts it is applied until confirmed' \
		weir policy apply "$LAB_DIR/cut.yaml" --confirm 4s
	sleep 0.3 # what was under way
	lines=$(wc -l <"$LAB_DIR/received")
	sleep 1.5
	check 'the session is cut' test "$(wc -l <"$LAB_DIR/received")" = "$lines"
	check 'the policy is undone though nobody can ask for it' wait_for 6 in_force "$LAB_DIR/a.yaml"
	check 'and the same session goes on' \
		wait_for 15 eval "((\$(wc -l <'$LAB_DIR/received') > $lines + 5))"
	check 'the history says how' test "$(item "$(generation)" .how)" = automatic_rollback
	check 'and the audit log, loudly' has_record '.event_type == "policy.undone" and
		.severity >= 4 and .details.how == "automatic_rollback"'
	check 'and the log' grep -q 'not confirmed in time' "$LAB_DIR/daemon.log"
	check 'what was undone is in the history as such' test \
		"$(weir policy history -o json | jq -r '.items[1].state')" = undone
}

killed_while_waiting() {
	local asked

	weir policy apply "$LAB_DIR/a.yaml" >/dev/null
	asked=$(weir policy apply "$LAB_DIR/cut.yaml" --confirm 1h -o json | jq .generation)
	stop_weir KILL || true
	check 'without a daemon the unconfirmed policy is enforced' \
		test "$(echoes_from 198.18.9.9)" = 0
	start_weir
	check 'a daemon that starts in time goes on with it' in_force "$LAB_DIR/cut.yaml"
	check 'and counts down' jq -e '.policy.pending.left_seconds | . > 3500 and . <= 3600' \
		<<<"$(weir status -o json)"
	check 'the file still has the text before' file_is "$LAB_DIR/a.yaml"
	check 'the generation that the operator was told of can be confirmed' \
		weir policy confirm "$asked"
	check 'and is in the file then' file_is "$LAB_DIR/cut.yaml"

	weir policy rollback >/dev/null
	weir policy apply "$LAB_DIR/cut.yaml" --confirm 1s >/dev/null
	stop_weir KILL || true
	sleep 1.2 # over while no daemon runs
	start_weir
	check 'a daemon that starts too late undoes it before all else' in_force "$LAB_DIR/a.yaml"
	check 'and says so' has_record '.event_type == "policy.undone" and
		(.details.reason | test("no daemon"))'
	check 'nobody is cut off any more' test "$(echoes_from 198.18.9.9)" = 10
}

# After a reboot there are no pins, and the clock since boot means nothing.
rebooted() {
	local last

	last=$(generation)
	stop_weir
	rm -r "$LAB_BPFFS"
	lab_host ip link set "$LAB_IF_HOST" xdp off 2>/dev/null || true
	start_weir
	check 'after a reboot no generation is used twice' test "$(generation)" -gt "$last"
	last=$(generation)
	weir policy apply "$LAB_DIR/b.yaml" --confirm 1h >/dev/null
	stop_weir
	sqlite3 "$STATE/weir.db" "UPDATE policy_pending SET boot_id = 'another'"
	start_weir
	check 'after a reboot the clock on the wall tells that there is time' jq -e \
		'.policy.pending.left_seconds > 3500' <<<"$(weir status -o json)"
	stop_weir
	sqlite3 "$STATE/weir.db" "UPDATE policy_pending SET boot_id = 'another',
		until_real_ns = until_real_ns - 3600000000000"
	start_weir
	check 'or that it is over' in_force "$LAB_DIR/a.yaml"
}

# The store says what was being put in force when the daemon died; the datapath, whether it was.
died_in_between() {
	local current

	stop_weir
	current=$(sqlite3 "$STATE/weir.db" 'SELECT max(generation) FROM policy_generation')
	sqlite3 "$STATE/weir.db" "INSERT INTO policy_text VALUES ('$(sha "$LAB_DIR/b.yaml")',
			readfile('$LAB_DIR/b.yaml')) ON CONFLICT DO NOTHING;
		INSERT INTO policy_generation (generation, parent, sha256,
			uid, username, reason, applied_ns, how, state) VALUES ($((current + 1)), $current,
			'$(sha "$LAB_DIR/b.yaml")', 0, 'root', '', 1, 'apply', 'begun')"
	start_weir
	check 'a policy that had not come into force is forgotten' in_force "$LAB_DIR/a.yaml"
	stop_weir
	current=$(sqlite3 "$STATE/weir.db" 'SELECT max(generation) FROM policy_generation')
	sqlite3 "$STATE/weir.db" "INSERT INTO policy_text VALUES ('$(sha "$LAB_DIR/b.yaml")',
			readfile('$LAB_DIR/b.yaml')) ON CONFLICT DO NOTHING;
		UPDATE policy_generation SET state = 'begun', how = 'apply',
			parent = (SELECT max(generation) FROM policy_generation
				WHERE generation < $current AND
					sha256 = '$(sha "$LAB_DIR/a.yaml")'),
			sha256 = '$(sha "$LAB_DIR/b.yaml")' WHERE generation = $current"
	start_weir
	check 'one that had is completed' in_force "$LAB_DIR/b.yaml"
	check 'and is the policy file' file_is "$LAB_DIR/b.yaml"
}

without_a_store() {
	stop_weir
	rm "$STATE"/weir.db*
	mkdir "$STATE/weir.db"
	start_weir
	check 'without a store a policy is applied' weir policy apply "$LAB_DIR/a.yaml"
	check 'the history is in memory, and says so' test "$(item "$(generation)" .persisted)" = false
	check 'the text of a former one is there' cmp "$LAB_DIR/n.yaml" \
		<(weir policy show "$(item "$(generation)" .parent)")
	check 'one can go back' weir policy rollback
	check 'to what was before' in_force "$LAB_DIR/n.yaml"
	check 'and apply until confirmed' weir policy apply "$LAB_DIR/a.yaml" --confirm 1s
	check 'which is undone' wait_for 5 in_force "$LAB_DIR/n.yaml"
	stop_weir
	rmdir "$STATE/weir.db"
}

write_policy "$LAB_DIR/a.yaml" 10
write_policy "$LAB_DIR/b.yaml" 20
write_policy "$LAB_DIR/cut.yaml" 10 198.18.0.0/16
cp -p "$LAB_DIR/a.yaml" "$LAB_DIR/policy.yaml"
start_weir
history
concurrency
confirmation
plan
session
killed_while_waiting
if command -v sqlite3 >/dev/null; then
	rebooted
	died_in_between
else
	skip 'what a reboot or a death in between leaves' 'sqlite3 is not installed'
fi
weir policy apply "$LAB_DIR/b.yaml" >/dev/null
long_history
without_a_store
check 'the chain verifies after all of that' verify
finish
