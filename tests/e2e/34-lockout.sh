#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Changes that would block too many of the hosts that were seen lately, on a host without a single TCP
# connection; that leave an operator or a gateway no new connection; and what a plan says of feeds
# that only its policy has. 36-safety.sh has the operator, the gateway and the connected hosts.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly FEED=$LAB_DIR/feed.txt OTHER_FEED=$LAB_DIR/other.txt

write_policy() { # MODE BLOCK-LIST [LIMIT]
	policy <<-YAML
		apiVersion: weir/v1
		mode: $1
		safety: {max_blocked: 40%}
		lists: {block: {$2}}
		limits:
		  - {name: each, scope: source, rate: 10k/s, burst: 20k}
		${3:+  - {$3\}}
	YAML
}

# Sources that send a little, thirty of each network.
visits_from() { # NETWORK...
	local net

	for net in "$@"; do
		flood --to "$LAB_HOST4:9" --base "$net.1" --sources 30 --packets 60 --rate 1000 >/dev/null
	done
}

# refused CODE COMMAND... - what it says is in $LAB_DIR/said.
refused() {
	local status=0

	"${@:2}" >"$LAB_DIR/said" 2>&1 || status=$?
	cat "$LAB_DIR/said"
	[[ $status == [15] ]] && grep -qF "[$1]" "$LAB_DIR/said"
}

said() { # REGEX
	cat "$LAB_DIR/said"
	grep -qE "$1" "$LAB_DIR/said"
}

# As if somebody who came by SSH typed it.
from() { # ADDRESS COMMAND...
	SSH_CONNECTION="$1 50022 $LAB_HOST4 22" "${@:2}"
}

# What the lab itself says (IPv6 listeners) adds a host or two.
hosts_seen() {
	visits_from 198.18.121 198.18.122
	check 'nobody is connected' test "$(lab_host ss -Htn state established | wc -l)" = 0
	check 'to block half of the sources that were seen is refused' \
		refused safety.max_blocked weir block 198.18.121.0/24
	check 'which says how many of how many, and over which time' \
		said '30 of the 6[0-9] hosts whose packets got through in the last [0-9]+ s'
	check 'with a record' has_record '.event_type == "list.refused" and
		.details.code == "safety.max_blocked"'
	check 'a quarter is not' weir block 198.18.121.0/28
	check 'nor is a single one' weir block 198.18.122.1
	check 'nor are networks that nobody was seen of' weir block 198.19.0.0/16
	check 'whoever insists gets his way' weir block 198.18.121.0/24 --force
	visits_from 198.18.121
	check 'what is blocked already is no question' weir block 198.18.121.0/25
	for net in 198.18.121.0/24 198.18.121.0/25 198.18.121.0/28 198.18.122.1 198.19.0.0/16; do
		weir unblock "$net" >/dev/null
	done
}

drops_all_of() { # SOURCE
	[[ $(echoes_from "$1") == 0 ]]
}

hosts_seen_by_a_feed() {
	echo 198.18.66.0/24 >"$FEED"
	write_policy enforce "feeds: [{name: bad, file: $FEED}]"
	check 'a feed that lists nobody who was seen is read' weir policy apply
	echo 198.18.121.0/24 >>"$FEED"
	check 'when it lists half of them it is refused' has_record '
		.event_type == "feed.refused" and .details.code == "safety.max_blocked" and
		(.details.error | test("30 of the 6[0-9] hosts"))'
	check 'they get through as before' test "$(echoes_from 198.18.121.3)" = 10
	printf '%s\n' 198.18.66.0/24 198.18.121.0/28 >"$FEED"
	check 'and blocked are those of the next file that is not too much' \
		wait_for 10 drops_all_of 198.18.121.3
}

hosts_seen_by_a_policy() {
	write_policy enforce 'entries: [198.18.66.0/24]'
	weir policy apply >/dev/null
	visits_from 198.18.121 198.18.122
	write_policy enforce 'entries: [198.18.66.0/24, 198.18.121.0/25]'
	check 'a policy that blocks half of them is refused' refused safety.max_blocked weir policy apply
	check 'which says the same' said '30 of the 6[0-9] hosts'
	printf '198.18.121.%d\n' {1..15} >"$FEED"
	printf '198.18.122.%d\n' {1..15} >"$OTHER_FEED"
	write_policy enforce "feeds: [{name: one, file: $FEED}, {name: other, file: $OTHER_FEED}]"
	check 'feeds that it brings count together' refused safety.max_blocked weir policy apply
	write_policy enforce "feeds: [{name: one, file: $FEED}]"
	check 'one of them is not too much' weir policy apply
	write_policy monitor 'entries: [198.18.121.0/25]'
	check 'mode monitor blocks nobody' weir policy apply
	write_policy enforce 'entries: [198.18.121.0/25]'
	check 'to enforce it then would' refused safety.max_blocked weir policy apply
	check 'with a time to confirm it is applied' weir policy apply --confirm 60s
	weir policy rollback >/dev/null
}

plan_is() { # JQ_FILTER
	weir policy plan "$LAB_DIR/policy.yaml" -o json >"$LAB_DIR/plan" || (($? == 10)) # there are changes
	jq .feeds "$LAB_DIR/plan"
	jq -e "$1" "$LAB_DIR/plan"
}

plan_of_feeds() {
	local before

	write_policy enforce 'entries: [198.18.66.0/24]'
	weir policy apply >/dev/null
	visits_from 198.18.121 198.18.122
	printf '%s\n' 198.18.121.0/28 203.0.113.0/24 nonsense {1..20}.0.0.1 >"$FEED"
	write_policy enforce "feeds: [{name: new, file: $FEED}]"
	before=$(status .policy.generation)
	check 'a plan says how many entries a new feed adds, and whom of those seen it hits' plan_is '
		.feeds.new[0] | .feed == "new" and .entries == 22 and .bad_lines == 1 and .hosts == 15 and
		(.examples | length == 5) and .error == null'
	check 'out of how many, and since when' plan_is '.feeds.hosts_seen >= 60 and .feeds.seconds > 0'
	check 'their packets are in what it would have dropped' plan_is \
		'any(.traffic.rules[]; .rule == "block list" and .packets >= 15)'
	check 'and its entries in the memory' plan_is '.memory.after.entries == 22'
	check 'people can read it' grep -q '^feed new adds 22 entries to the block list (1 bad lines);' \
		<(weir policy plan 2>/dev/null)
	printf '%s\n' 198.18.121.0/24 >"$FEED"
	check 'one that lists too many shows as unsafe' plan_is \
		'any(.safety[]; .code == "safety.max_blocked")'
	printf '%s\n' 0.0.0.0/3 >"$FEED"
	check 'and so does one with a prefix that is too short' plan_is \
		'any(.safety[]; .code == "safety.shortest_prefix" and (.detail | startswith("feed ")))'
	rm "$FEED"
	check 'one that is not there shows as refused' plan_is '.feeds.new[0] | .code == "feed.read" and
		.entries == 0'
	check 'to people, too' grep -q '^REFUSED: feed new: ' <(weir policy plan 2>/dev/null)
	printf '%s\n' nonsense nonsense >"$FEED"
	check 'and so does one that makes no sense' plan_is '.feeds.new[0].code == "feed.bad"'
	check 'apply refuses it' refused feed.bad weir policy apply
	check 'and nothing was changed by any of that' test "$(status .policy.generation)" = "$before"
}

new_connections() {
	local me=198.18.90.1

	write_policy enforce 'entries: []' 'name: syn, scope: source, connections: 30/h'
	check 'a limit that leaves the operator no new connection is refused' \
		refused safety.lockout from "$me" weir policy apply
	check 'by its name and line' said "limit 'syn' in line 7 leaves $me less than 1 new connection a minute"
	check 'so is one that leaves the gateway none' refused safety.lockout weir policy apply
	check 'which says so' said 'default gateway'
	write_policy enforce 'entries: []' 'name: syn, scope: source, connections: 1/m'
	check 'one a minute is enough' from "$me" weir policy apply
	write_policy enforce 'entries: []' 'name: dear, scope: source, rate: 50/s, cost: {other: 10}'
	check 'a limit whose packets are too dear for a session is refused' \
		refused safety.lockout from "$me" weir policy apply
	write_policy enforce 'entries: []' 'name: syn, scope: source, connections: 30/h'
	check 'by force it is applied' from "$me" weir policy apply --force
	check 'and then it is no question any more' from "$me" weir policy apply
	weir allow "$me" >/dev/null
	check 'whom only the allow list keeps from a limit cannot be taken off it' \
		refused safety.lockout from "$me" weir unallow "$me"
	check 'somebody else can' from 198.18.91.1 weir unallow "$me"
}

apply_by_api() { # the policy file's text, by a process that belongs to no session
	env -i PATH="$PATH" setsid curl -s --unix-socket "$WEIR_SOCKET" -X PUT \
		--data-binary "@$LAB_DIR/policy.yaml" http://weir/v1/policy
}

who_else() {
	local me6=2001:db8::90:1 gateway6=2001:db8::99

	write_policy enforce 'entries: []'
	weir policy apply >/dev/null
	check 'an operator may come by IPv6' refused safety.lockout \
		env "SSH_CONNECTION=$me6 50022 $LAB_HOST6 22" "$WEIR" block 2001:db8::90:0/112
	check 'and a prefix beside him be blocked' \
		env "SSH_CONNECTION=$me6 50022 $LAB_HOST6 22" "$WEIR" block 2001:db8::91:0/112
	check 'an IPv4 address that IPv6 was made of is the same' refused safety.lockout \
		env "SSH_CONNECTION=::ffff:198.18.90.1 50022 ::ffff:$LAB_HOST4 22" "$WEIR" block 198.18.90.0/24
	lab_host ip route add default via 198.18.99.2 dev "$LAB_IF_HOST" onlink metric 50
	lab_host ip -6 route add default via "$gateway6" dev "$LAB_IF_HOST" onlink
	lab_host ip -4 route add default via inet6 2001:db8::98 dev "$LAB_IF_HOST" onlink metric 60
	lab_host ip route add default via 198.18.99.3 dev "$LAB_IF_HOST" onlink table 100
	sleep 1.1 # for so long the gateways of before are believed
	for gateway in 198.18.99.1 198.18.99.2 198.18.99.3 "$gateway6" 2001:db8::98; do
		check "each of several gateways may not be blocked: $gateway" \
			refused safety.lockout weir block "$gateway"
	done
	write_policy enforce 'entries: [198.18.99.0/24]'
	check 'nor by a process that belongs to no session' \
		jq -e '.status == 409 and .code == "safety.lockout"' <(apply_by_api)
	write_policy enforce 'entries: [198.18.98.0/24]'
	check 'which may apply what is safe' jq -e '.generation > 0' <(apply_by_api)
}

write_policy enforce 'entries: [198.18.66.0/24]'
start_weir
lab_host ip route replace default via 198.18.99.1 dev "$LAB_IF_HOST" onlink
sleep 1.1 # a period of one takes a moment to be seen
hosts_seen
hosts_seen_by_a_feed
hosts_seen_by_a_policy
plan_of_feeds
new_connections
who_else
check 'the chain is whole' verify
finish
