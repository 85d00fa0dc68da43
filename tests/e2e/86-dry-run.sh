#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Every change can be asked for dry: it is checked as the change would be, says what it would do, changes nothing and has one
# record, that of the request. No route that changes something is left out.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	flags: {trial: {rollout: 0%}, second: {rollout: 0%}}
	limits:
	  - {name: host, scope: global, rate: 1M/s, adaptive: {target: {posted: 100}, min: 10%}}
YAML

get() { # PATH
	curl -gsS --max-time 20 --unix-socket "$WEIR_SOCKET" "http://weir/v1$1"
}

ask() { # METHOD PATH [BODY] - the answer, and its status in a line behind it
	curl -gsS --max-time 20 --unix-socket "$WEIR_SOCKET" -X "$1" -d "${3:-}" -w '\n%{http_code}' "http://weir/v1$2"
}

# All that a change of any kind would show in.
state() {
	local path

	for path in lists/block lists/allow flags policy/history panic keys sessions audit/keys \
		governance/holds governance/requests governance/retention-policies; do
		echo "$path"
		get "/$path" | jq -S 'del(.. | .left_seconds?, .hits?, .due_in?)'
	done
	get /policy
	get /vault | jq -S '[.key, .rotated_at]'
	get /status | jq -S '[.mode, .mode_in_force, .attached, .policy.generation, .policy.pending]'
	get /limits | jq -S '[.items[] | [.name, .rate, .adaptive.posted?]]'
}

prepare() {
	weir block 198.51.100.7 --reason x >/dev/null
	weir flags set second on >/dev/null
	KEY=$(weir keys create robot --role viewer 2>/dev/null | cut -c6-13)
	weir keys create other --role viewer >/dev/null 2>&1
	HOLD=$(weir retention hold add category=traffic -o json | jq -r .id)
	SESSION=$(ask POST /sessions '{}' | head -1 | jq -r .id)
	sed 's/1M/2M/' "$LAB_DIR/policy.yaml" >"$LAB_DIR/next.yaml"
	weir policy apply "$LAB_DIR/next.yaml" --confirm 1h >/dev/null
	weir policy confirm >/dev/null
}

# operation METHOD PATH STATUS [BODY], a row for each route of route.def that changes something; 200 unless it cannot be now.
requests() {
	cat <<-EOF
		postLimitTarget PUT /limits/host/target 200 {"value":7}
		removeListEntry DELETE /lists/block/198.51.100.7 200
		addListEntry POST /lists/block 200 {"cidr":"198.51.100.9"}
		putPolicy PUT /policy 200 $(jq -Rrs 'gsub("\n"; "\u0001")' <"$LAB_DIR/next.yaml")
		confirmPolicy POST /policy/confirm 409 {"generation":1}
		rollbackPolicy POST /policy/rollback 200 {}
		setFlag PUT /flags/trial 200 {"enabled":true}
		unsetFlag DELETE /flags/second 200
		setPanic PUT /panic 200 {"mode":"off"}
		clearPanic DELETE /panic 200
		detach POST /detach 200
		recordAuditAnchor POST /audit/anchors 422 {"anchor":"exec"}
		acknowledgeAuditCheckpoint POST /audit/checkpoint/acknowledge 409
		rotateAuditKey POST /audit/keys/rotate 200
		rotateVaultKey POST /vault/rotate 200
		setRetentionPolicy POST /governance/retention-policies 200 {"category":"traffic","keep":"30d"}
		applyRetentionPolicies POST /governance/retention-policies/apply 200
		addHold POST /governance/holds 200 {"category":"lists"}
		removeHold DELETE /governance/holds/$HOLD 200
		makeSubjectRequest POST /governance/requests 409 {"kind":"erase","subject":"198.51.100.7"}
		makeSubjectRequest POST /governance/requests 200 {"kind":"access","subject":"198.51.100.7"}
		createKey POST /keys 200 {"name":"third","role":"viewer"}
		createKey POST /keys 422 {"name":"third","role":"king"}
		rotateKey POST /keys/$KEY/rotate 200
		revokeKey DELETE /keys/$KEY 200
		revokeKey DELETE /keys/00000000 404
		openSession POST /sessions 200 {}
		endSession DELETE /sessions/$SESSION 200
		refreshSession POST /sessions/refresh 400 {"refresh_token":"x"}
		enrollTotp POST /totp 200 {"algorithm":"sha1"}
		removeTotp DELETE /totp 404
		removeTotpOf DELETE /totp/1 404
		killConnections POST /connections/kill 200 {"address":"198.51.100.7"}
		endTrace DELETE /trace 404
	EOF
}

each_dry() {
	local operation method path wanted body answer status wrong=''

	while read -r operation method path wanted body; do
		body=${body//$'\x01'/$'\n'}
		answer=$(ask "$method" "$path?dry_run=true" "$body")
		status=${answer##*$'\n'}
		if [[ $status != "$wanted" ]]; then
			wrong+="$operation: $answer instead of $wanted"$'\n'
		elif [[ $status == 200 && ! $operation =~ ^(addListEntry|killConnections)$ ]]; then
			jq -e --arg o "$operation" '.dry_run and .operation == $o and (.would | length > 8) and (keys | length == 4)' \
				<<<"${answer%$'\n'*}" >/dev/null || wrong+="$operation: $answer"$'\n'
		fi
	done < <(requests)
	printf '%s' "$wrong"
	[[ -z $wrong ]]
}

no_route_is_missing() {
	diff <(requests | cut -d' ' -f1 | sort -u) \
		<(sed -n 's/^ROUTE("\(POST\|PUT\|DELETE\)".*/&/p' user/api/route.def >/dev/null
		tr -d '\n' <user/api/route.def | grep -oE 'ROUTE\("(POST|PUT|DELETE)"[^)]*\)' |
			grep -E ', (CHANGE|ALWAYS)' | sed 's/.*"\([A-Za-z]*\)")$/\1/' | sort)
}

start_weir
prepare
state >"$LAB_DIR/before"
tip=$(weir audit search --limit 1 -o json | jq -r '.events[0].event_id')
check 'each change can be asked for dry, and what stands against it refuses it' each_dry
check 'no route that changes something is left out' no_route_is_missing
state >"$LAB_DIR/after"
check 'and nothing is any other than before' diff "$LAB_DIR/before" "$LAB_DIR/after"
check 'a word that is none is refused' test 400 = "$(ask DELETE '/panic?dry_run=maybe' | tail -1)"
check 'in v2 it says the same' jq -e .dry_run <<<"$(curl -gsS --unix-socket "$WEIR_SOCKET" \
	-X DELETE -H 'If-Match: *' 'http://weir/v2/flags/second?dry_run=true')"

# What the log has of it: requests, each of which says that it was dry, and nothing that would have happened.
recorded() {
	weir audit search --limit 60 -o json | jq -e --arg tip "$tip" '
		[.events[]] | .[:(map(.event_id) | index($tip))] | map(select(.event_type | startswith("audit.") | not)) |
		length > 25 and all(.[]; .event_type == "api.request" and (.details.dry_run or .details.status == 400))'
}
check 'each has one record, of a request that was dry' recorded

dry() { # WORDS COMMAND... - exits with 0 and says that
	local said

	said=$("$WEIR" "${@:2}" --dry-run 2>&1) || return 1
	echo "$said"
	[[ $said == *"$1"* && $said == *'nothing was changed'* ]]
}
check 'weir takes --dry-run' dry 'would take 198.51.100.7 off the block list' unblock 198.51.100.7
check 'of keys' dry "would make a key 'new' with the role viewer" keys create new --role viewer
check 'of flags' dry "would set the flag 'trial'" flags set trial on
check 'of the panic switch' dry 'would set the panic switch to off' panic off
check 'of detaching, without a question' dry 'would end enforcement' detach
check 'of retention' dry 'would keep records of category traffic' retention set traffic 1d
check 'of erasing' exits 5 "$WEIR" gdpr erase 198.51.100.7 --dry-run
check 'of rolling back' dry 'would put the policy' policy rollback
check 'of the log'\''s key' dry 'would sign the audit log with a new key' audit keys rotate
check 'with -o json it is the answer' jq -e '.dry_run and .operation == "rotateVaultKey"' \
	<<<"$(weir vault rotate --dry-run -o json)"
check 'without a daemon it does nothing, and says so' exits 6 "$WEIR" panic off --dry-run --socket /nonexistent --bpffs "$LAB_DIR"
check 'and nothing is any other than before, still' diff "$LAB_DIR/before" <(state)
finish
