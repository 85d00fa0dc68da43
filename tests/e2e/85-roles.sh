#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Who may do what: every role asks for every route of a running daemon. What the table gives a role
# is done or refused for another reason; everything else is 403 and stands in the audit log. Roles come
# from the system's groups.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly ROLES='admin operator auditor viewer nobody' FIRST_GROUP=61200
declare -A group_ids=()

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	flags: {trial: {rollout: 0%}}
	limits:
	  - {name: host, scope: global, rate: 1M/s, adaptive: {target: {posted: 100}, min: 10%}}
YAML

# A group for each role, known to the daemon alone: its /etc/group is one of its own.
daemon_with_groups() {
	local role id=$FIRST_GROUP

	grep -v '^weir' /etc/group >"$LAB_DIR/group"
	for role in $ROLES; do
		group_ids[$role]=$id
		case $role in
		nobody) ;;
		admin) echo "weir:x:$id:" >>"$LAB_DIR/group" ;;
		*) echo "weir-$role:x:$id:" >>"$LAB_DIR/group" ;;
		esac
		id=$((id + 1))
	done
	# shellcheck disable=SC2016,SC2034 # of the inner shell; for lib.sh
	WEIR_INSIDE=(unshare --mount --propagation private sh -c
		'mount --bind "$0" /etc/group && exec "$@"' "$LAB_DIR/group")
}

as() { # ROLE[,ROLE] COMMAND...
	local ids=() role

	for role in ${1//,/ }; do
		ids+=("${group_ids[$role]}")
	done
	setpriv --reuid nobody --regid nogroup \
		--groups "$(IFS=,; echo "${ids[*]}")" -- "${@:2}"
}

# ask ROLE METHOD PATH - prints the status; the answer is in answer.
ask() {
	as "$1" curl -gsS --max-time 20 --unix-socket "$WEIR_SOCKET" -X "$2" -d '' -w '%{http_code}' \
		"http://weir/v1$3" -o - 2>/dev/null | tail -c 3
}

# The path of a route with something in place of its parameters that does no harm.
sample() {
	sed -e 's|^/events$|/events?since_index=none|' -e 's/{+cidr}/198.51.100.0%2F24/; s/{list}/block/; s/{flag}/absent/; s/{limit}/absent/' \
		-e 's/{generation}/4000000000/; s/{address}/198.51.100.7/; s/{[+a-z]*}/absent/' <<<"$1"
}

# Each role asks for each route. Nothing is in the bodies, so what takes one is refused for that; what
# takes none and does something is asked for by those who may at the end, in an order that lets the daemon live.
each_pair() {
	local role method path permission allowed status wrong='' pairs=0 denied=0

	as nobody "$WEIR" status -o json >/dev/null
	curl -gsS --unix-socket "$WEIR_SOCKET" http://weir/v1/roles >"$LAB_DIR/roles"
	while read -r role method path permission allowed; do
		[[ $allowed == false || "$method $path" != 'POST /detach' ]] || continue
		status=$(ask "$role" "$method" "$(sample "$path")")
		pairs=$((pairs + 1))
		if [[ $allowed == true ]]; then
			[[ $status =~ ^[245]..$ && $status != 403 && $status != 500 ]] ||
				wrong+="$role $method $path ($permission): $status instead of yes"$'\n'
		else
			denied=$((denied + 1))
			[[ $status == 403 ]] ||
				wrong+="$role $method $path ($permission): $status instead of 403"$'\n'
		fi
	done < <(jq -r --arg roles "$ROLES" '
		(.permissions | map({key: .permission, value: .}) | from_entries) as $p |
		.routes[] as $r | ($roles | split(" "))[] as $role |
		[$role, $r.method, $r.path, $r.permission,
		 ($p[$r.permission] | .anybody or (.roles | index([$role]) != null))] | join(" ")' "$LAB_DIR/roles")
	echo "$pairs pairs, $denied of them denied"
	printf '%s' "$wrong"
	[[ -z $wrong && $pairs -gt 200 && $denied -gt 60 ]]
}

# The record of a refusal says who, as what, and how many others there was no record of.
recorded() {
	sleep 1.1 # a refusal a second has a record
	ask viewer PUT /panic >/dev/null
	weir audit search --type auth.denied --limit 1 -o json |
		jq -e '.events[0] | .actor.username == "nobody" and .actor.role == "viewer" and
		       .resource.id == "/v1/panic" and .outcome == "denied"'
}

says_what_it_takes() {
	as viewer curl -gsS --unix-socket "$WEIR_SOCKET" -X POST -d '' http://weir/v1/lists/block |
		jq -e '.code == "auth.denied" and (.detail |
			test("lists.write is for admin \\(group weir\\) or operator \\(group weir-operator\\)"))'
}

daemon_with_groups
start_weir
check 'every role gets of every route what the table says, and everybody else 403' each_pair
check 'a refusal is in the audit log, with who asked and as what' recorded
check 'a refusal says which permission it takes, and which group gives it' says_what_it_takes
check 'several groups add up: an auditor who is operator, too, blocks and searches' \
	as auditor,operator sh -c "'$WEIR' block 198.18.70.9 && '$WEIR' audit search --limit 1"
check 'a record names a role that allowed it' jq -e '.events[0].actor.role == "operator"' \
	<<<"$(weir audit search --type list.add --limit 1 -o json)"
check 'an operator who is not auditor does not read the log' exits 4 \
	as operator "$WEIR" audit search --limit 1
check 'weir roles says what a viewer may do, and what it does not' \
	as viewer sh -c "'$WEIR' roles | grep -q 'you are nobody: viewer'"
check 'weir roles -o json has roles, permissions and routes' jq -e \
	'.you.roles == ["operator"] and (.you.permissions | index("lists.write")) and
	 (.you.permissions | index("policy.write") | not) and (.routes | length > 40)' \
	<<<"$(as operator "$WEIR" roles -o json)"

# What rules of the policy leave of a role: in which prefixes, of which tenants, when.
rules() {
	local hour

	hour=$(date -u +%-H)
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		tenants: {acme: {dst: 198.51.100.0/26}, umbrella: {dst: 198.51.100.64/26}}
		limits:
		  - {name: host, scope: global, rate: 1M/s}
		access:
		  here: {role: operator, prefixes: 198.18.0.0/16}
		  theirs: {role: viewer, user: nobody, tenants: acme}
		  later: {role: auditor, schedule: {hours: "$(printf '%02d:00-%02d:00' $(((hour + 2) % 24)) $(((hour + 3) % 24)))", time_zone: UTC}}
	YAML
	weir policy apply
}

# What a rule leaves is what it says, of each permission; root has none.
by_rule() { # ROLE EXPECTED, by words
	diff <(as "$1" "$WEIR" roles -o json | jq -r '.permissions as $all | .you.permissions - [$all[] | select(.anybody).permission] | sort | join(" ")') \
		<(printf '%s\n' "$2")
}

refused_by() { # RULE ROLE METHOD PATH [BODY]
	as "$2" curl -gsS --max-time 20 --unix-socket "$WEIR_SOCKET" -X "$3" -d "${5:-}" "http://weir/v1$4" |
		jq -e --arg rule "$1" '.status == 403 and .code == "auth.rule" and (.detail | contains("'\''" + $rule + "'\'' (line "))'
}

check 'rules of access are applied with the policy' rules
check 'a rule of prefixes leaves an operator what reads, and changes of lists' by_rule operator \
	'doctor.read flags.read lists.read lists.write panic.read policy.plan policy.read self.manage traffic.read'
check 'a rule of tenants leaves nothing that is of no tenant' by_rule viewer self.manage
check 'a rule of hours leaves nothing at another hour' by_rule auditor ''
check 'an operator blocks inside the prefixes' as operator "$WEIR" block 198.18.70.10
check 'and not outside of them: 403, by that rule' refused_by here operator POST /lists/block '{"cidr": "203.0.113.7"}'
check 'nor a prefix that covers them' refused_by here operator POST /lists/block '{"cidr": "198.0.0.0/8"}'
check 'nor sets flags' refused_by here operator PUT /flags/trial '{"enabled": true}'
check 'nor takes something off a list outside of them' refused_by here operator DELETE /lists/block/203.0.113.7
check 'a viewer sees its tenant' as viewer "$WEIR" tenants show acme
check 'and no other one' refused_by theirs viewer GET /tenants/umbrella
check 'nor the list of them' refused_by theirs viewer GET /tenants
check 'an auditor reads nothing at another hour' refused_by later auditor GET /audit/stats
check 'who has several roles may what one of them leaves' test 200 = "$(as auditor,viewer curl -gsS --unix-socket \
	"$WEIR_SOCKET" -o /dev/null -w '%{http_code}' http://weir/v1/tenants/acme)"
check 'root has no rules' weir block 203.0.113.9
check 'a key of who has a rule is narrowed by it, too' sh -c "! '$WEIR' keys create all --role admin 2>/dev/null >'$LAB_DIR/key' ||
	! setpriv --reuid nobody --regid nogroup --groups ${group_ids[operator]} -- '$WEIR' block 203.0.113.8 --key-file '$LAB_DIR/key'"
ruled() {
	sleep 1.1 # a refusal a second has a record
	ask operator POST /panic >/dev/null
	ask operator DELETE /panic >/dev/null
	weir audit search --type auth.denied --limit 1 -o json |
		jq -e '.events[0].details.access_rule == "here" and .events[0].outcome == "denied"'
}
check 'a refusal by a rule is on record, with the rule' ruled
check 'weir roles shows the rules, and which are about who asks' jq -e \
	'[.rules[] | [.name, .about_you, .in_time]] == [["here", true, true], ["later", false, false], ["theirs", false, true]]' \
	<<<"$(as operator "$WEIR" roles -o json | jq '.rules |= sort_by(.name)')"
check 'as a table, too' grep -qE '^here +yes +- +operator +7 +.*198.18.0.0/16' <<<"$(as operator "$WEIR" roles)"
check 'who is root needs no group' jq -e '.you.roles == ["admin"]' <<<"$(weir roles -o json)"
check 'a viewer does not detach' exits 4 as viewer "$WEIR" detach
check 'an admin by group does' as admin "$WEIR" detach
finish
