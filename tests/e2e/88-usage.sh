#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What tenants used, by day: the sum is what was sent, also when the daemon is killed in the middle; days end at midnight,
# UTC; what came while no daemon ran says so; it costs what the price says; a tenant's key sees its own; and a threshold
# is told once, however many daemons there are. The daemon's clock on the wall is set by the test (faketime).

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly PORT=9 QUOTA=1000

write_policy() { # [LINE]
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		$1
		tiers:
		  gold:
		    quota: {packets: {month: $QUOTA}}
		    price: {currency: EUR, month: 29, million_packets: 1000, gigabyte: 0.5}
		tenants:
		  acme: {dst: $LAB_HOST4, tier: gold}
		  beta: {dst: 203.0.113.1}
	YAML
}

# With the wall's clock at TIME, UTC; it goes on from there.
start_at() { # TIME
	# shellcheck disable=SC2034 # for lib.sh
	WEIR_INSIDE=(env TZ=UTC DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_FAKE_MONOTONIC=1 "FAKETIME=@$1"
		"LD_PRELOAD=$LIBFAKETIME")
	start_weir
}

offer() { # COUNT
	flood --to "$LAB_HOST4:$PORT" --base 198.18.4.1 --packets "$1" >/dev/null
}

usage() { # JQ_FILTER
	weir tenants usage acme -o json | jq -r "$1"
}

# is WANTED JQ_FILTER - for check: what there was instead is in its output.
is() {
	local got

	got=$(usage "$2")
	echo "got $got, wanted $1"
	[[ $got == "$1" ]]
}

day() { # DAY JQ_FILTER
	echo ".items[] | select(.day == \"$1\") | $2"
}

thresholds() { # WANTED
	local got

	got=$(weir audit search --type tenant.threshold -o ndjson | grep -c '"id":"acme"')
	echo "got $got, wanted $1"
	[[ $got == "$1" ]]
}

sum_is_what_was_sent() {
	offer 300
	check 'what was sent has passed' is 300 .total.passed.packets
	check 'bytes are those of frames' is 0 '.total.passed | .bytes % .packets'
	stop_weir KILL || true
	offer 200
	start_at '2028-02-28 22:10:00'
	check 'a daemon that was killed loses nothing, nor do packets without one' is 500 .total.passed.packets
	offer 700
	check 'what a quota refuses is counted apart' is '1000 200' '.total | "\(.passed.packets) \(.refused.packets)"'
	check 'both thresholds were told' wait_for 5 thresholds 2
}

restarts_add_nothing() {
	stop_weir
	start_at '2028-02-28 22:30:00'
	check 'restarts count nothing twice' is '1000 200' '.total | "\(.passed.packets) \(.refused.packets)"'
	write_policy 'packets: {malformed: drop}'
	weir policy apply "$LAB_DIR/policy.yaml" >/dev/null
	check 'nor does another policy' is 1000 .total.passed.packets
	sed -i '/beta/d' "$LAB_DIR/policy.yaml"
	weir policy apply "$LAB_DIR/policy.yaml" >/dev/null
	check 'who is gone can still be billed' test \
		"$(weir tenants usage beta -o json | jq '.items | length')" = 1
	check 'who never was cannot' exits 3 weir tenants usage nobody
}

midnight() {
	stop_weir
	start_at '2028-02-28 23:59:58'
	check 'a day ends at midnight, UTC' wait_for 10 is 2028-02-29 '.items[0].day'
	offer 50
	check 'and what comes then is of the next' is 50 "$(day 2028-02-29 .refused.packets)"
	check 'and nothing of it of the one before' is '1000 200' \
		"$(day 2028-02-28 '"\(.passed.packets) \(.refused.packets)"')"
	check 'thresholds of this month were told once, whatever daemons and policies there were' thresholds 2
	stop_weir
	offer 10
	start_at '2028-03-02 01:00:00'
	check 'what came without a daemon is of the day that one reads it' is 10 \
		"$(day 2028-03-02 '(.passed.packets + .refused.packets)')"
	check 'and says since when it may be' is 2028-02-29 "$(day 2028-03-02 .since)"
	check 'days without a daemon are missing' is 3 '.items | length'
}

# shellcheck disable=SC2016 # jq's variables
bills() {
	local csv=$LAB_DIR/usage.csv key

	# Of 29 days in February the 28th one; and 1000 packets at a thousand for a million.
	check 'a day costs its share of the month and what passed' is true \
		"$(day 2028-02-28 '(.cost | tonumber) as $c | (2 + .passed.bytes / 2e9 - $c | fabs) < 2e-6')"
	check 'the total is the sum of the days' is true \
		'([.items[].cost | tonumber] | add) as $sum | ($sum - (.total.cost | tonumber) | fabs) < 1e-9'
	weir tenants usage acme --format csv >"$csv"
	check 'CSV has a line for each day' test "$(wc -l <"$csv")" = 4
	check 'with the currency' grep -q $'^"acme","gold","2028-02-28","2028-02-28",1000,[0-9]*,0,200,[0-9]*,0,"2[.][0-9]*","EUR"\r$' "$csv"
	check 'fewer days are fewer' test "$(weir tenants usage acme --days 2 -o json | jq '.items | length')" = 1
	check 'pages follow each other' test "$(weir api GET '/tenants/acme/usage?limit=2&cursor=2028-03-02' 2>/dev/null |
		jq -c '[.items[].day]')" = '["2028-02-29","2028-02-28"]'
	check 'the table has the sum' grep -q '^total  *10[0-9]* ' <(weir tenants usage acme)
	key=$(weir keys create acme --role viewer --tenants acme 2>/dev/null)
	check 'a key of the tenant sees its own' env WEIR_KEY="$key" "$WEIR" tenants usage acme
	check 'and no other' exits 4 env WEIR_KEY="$key" "$WEIR" tenants usage beta
}

old_days_go() {
	write_policy 'audit: {retention: {usage: 48h}}'
	weir policy apply "$LAB_DIR/policy.yaml" >/dev/null
	check 'days that are past their time go' wait_for 5 is '2028-03-02 2028-02-29' '[.items[].day] | join(" ")'
	check 'and that is recorded' has_record '.event_type == "retention.usage" and .details.removed == 2'
	check 'the log verifies' verify
}

# Not the program of that name, which would stay in front of the daemon.
LIBFAKETIME=$(compgen -G '/usr/lib/*/faketime/libfaketime.so.1' | head -n 1)
if [[ ! $LIBFAKETIME ]]; then
	skip 'usage and the calendar' 'libfaketime is not installed'
	finish
fi
write_policy ''
start_at '2028-02-28 22:00:00'
sum_is_what_was_sent
restarts_add_nothing
midnight
bills
old_days_go
stop_weir
finish
