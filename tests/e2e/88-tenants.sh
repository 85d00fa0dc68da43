#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Tenants and their quotas: what passes is the quota and no packet more, restarts and other tenants give nobody a new
# one, thresholds are recorded, and a day that ends gives a new quota at midnight, whether a daemon runs or not. The
# daemon's clock on the wall is set by the test (faketime).

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly PORT=9 QUOTA=1000

write_policy() { # QUOTA ANOTHER_TENANT
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		tenants:
		  $2: {dst: 203.0.113.1}
		  acme: {dst: $LAB_HOST4, quota: {packets: {day: $1}, bytes: {month: 500GB}}}
	YAML
}

# With the wall's clock at TIME, UTC; it goes on from there.
start_at() { # TIME
	# shellcheck disable=SC2034 # for lib.sh
	WEIR_INSIDE=(env TZ=UTC DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_FAKE_MONOTONIC=1 "FAKETIME=@$1"
		"LD_PRELOAD=$LIBFAKETIME")
	start_weir
}

# One quota and a half; what the stack had of it, at a port where nobody listens.
offered_pass() { # WANTED
	local before got

	before=$(host_counter Udp NoPorts)
	flood --to "$LAB_HOST4:$PORT" --base 198.18.4.1 --packets $((QUOTA * 3 / 2)) >/dev/null
	got=$(($(host_counter Udp NoPorts) - before))
	echo "of $((QUOTA * 3 / 2)) passed $got, wanted $1"
	[[ $got == "$1" ]]
}

quota() { # UNIT JQ_FILTER
	weir tenants show acme -o json | jq -r --arg unit "$1" ".quotas[] | select(.unit == \$unit) | $2"
}

used_is() { # WANTED
	[[ $(quota packets .used) == "$1" ]]
}

recorded() { # PERCENT - for packets of acme
	has_record '.event_type == "tenant.threshold" and .resource.id == "acme" and
		.details.unit == "packets" and .details.percent == '"$1"
}

exact_and_kept() {
	check 'what passes is the quota and no packet more' offered_pass "$QUOTA"
	check 'which the daemon sees' used_is "$QUOTA"
	check 'what is over it has a reason of its own' \
		test "$(count drop over_quota)" = $((QUOTA / 2))
	check 'that 80 percent are used is recorded' wait_for 5 recorded 80
	check 'and that all is' wait_for 5 recorded 100
	check 'another unit has a quota of its own' test "$(quota bytes '.used > 0 and .used < .quota')" = true
	stop_weir KILL || true
	check 'without a daemon there is no more' offered_pass 0
	start_at '2028-02-28 23:00:00'
	check 'nor from a daemon that starts' offered_pass 0
	check 'which knows what was used' used_is "$QUOTA"
	write_policy $((QUOTA + 100)) abc # before acme, whose number is another one then
	weir policy apply "$LAB_DIR/policy.yaml" --force >/dev/null
	check 'a larger quota gives what it is larger by, whatever other tenants come' offered_pass 100
}

midnight() {
	stop_weir
	start_at '2028-02-28 23:59:50'
	check 'before midnight there is nothing left' offered_pass 0
	check 'the day ends at midnight, UTC' \
		test "$(quota packets '.until | startswith("2028-02-29T00:00:00")')" = true
	stop_weir KILL || true
	sleep 12
	check 'a new day gives a new quota, with no daemon' offered_pass $((QUOTA + 100))
	start_at '2028-02-29 00:00:30'
	check 'and the daemon finds the new day as it is' offered_pass 0
	check 'until the first of March' \
		test "$(quota bytes '.until | startswith("2028-03-01T00:00:00")')" = true
	stop_weir
	start_at '2028-02-29 23:59:55'
	check 'while a daemon runs, too' has_record \
		'.event_type == "quota.period" and .resource.id == "month"'
	check 'the next day has its quota' offered_pass $((QUOTA + 100))
	check 'the log verifies' verify
}

# Not the program of that name, which would stay in front of the daemon.
LIBFAKETIME=$(compgen -G '/usr/lib/*/faketime/libfaketime.so.1' | head -n 1)
if [[ ! $LIBFAKETIME ]]; then
	skip 'quotas and the calendar' 'libfaketime is not installed'
	finish
fi
write_policy "$QUOTA" zzz
start_at '2028-02-28 22:00:00'
exact_and_kept
midnight
stop_weir
finish
