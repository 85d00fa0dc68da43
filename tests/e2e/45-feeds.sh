#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Feeds: a list of 100,000 entries from a file, read at the start and again when it changes, without a
# packet of a listed source getting through meanwhile; files that are gone or make no sense change
# nothing; and of each entry it is known where it comes from.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly SIZE=100000
readonly LISTED=198.18.66.6 LATER=198.18.66.7 NEVER=198.18.66.8
readonly FEED=$LAB_DIR/big.txt

write_policy() { # [FEED...] - as flow mappings, on the block list
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists:
		  block:
		    entries: [198.18.77.7]
		    feeds:
		$(for feed in "$@"; do echo "      - {$feed}"; done)
	YAML
}

# write_feed FIRST [ADDRESS...] - in place of the old one in one step: SIZE addresses of 10/8 from the
# number FIRST on, in front of them the given ones.
write_feed() {
	local first=$1

	shift
	{
		echo '# a feed'
		((!$#)) || printf '%s # by name\n' "$@"
		awk -v first="$first" -v size="$SIZE" 'BEGIN {
			for (i = first; i < first + size; i++)
				printf "10.%d.%d.%d\n", i / 65536, i / 256 % 256, i % 256
		}'
	} >"$FEED.new"
	mv "$FEED.new" "$FEED"
}

feed() { # JQ_FILTER - of the feed named big
	weir feeds -o json | jq -r ".items[] | select(.name == \"big\") | $1"
}

feed_is() { # JQ_FILTER
	[[ $(feed "$1") == true ]]
}

digest_is_in_force() {
	[[ $(feed .sha256) == "$(sha256sum <"$FEED" | cut -d' ' -f1)" ]]
}

passes() { # SOURCE
	[[ $(echoes_from "$1") == 10 ]]
}

is_blocked() { # SOURCE
	[[ $(echoes_from "$1") == 0 ]]
}

# The only entry of a source, as the API tells it.
entry_is() { # SOURCE JQ_FILTER
	weir source "$1" -o json | jq -e ".lists | length == 1 and (.[0] | $2)"
}

# Traffic of the listed source, to a port where nobody listens, for so long.
start_flood() { # SECONDS
	before=$(host_counter Udp NoPorts)
	dropped=$(count drop blocked)
	lab_spawn client "$FLOOD" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:9" --base "$LISTED" \
		--rate 20000 --seconds "$1" >/dev/null
	FLOOD_PID=$LAB_PID
}

nothing_got_through() {
	local got

	wait "$FLOOD_PID"
	got=$(($(host_counter Udp NoPorts) - before))
	echo "$got packets got through, $(($(count drop blocked) - dropped)) were dropped"
	((got == 0 && $(count drop blocked) - dropped > 10000))
}

# refused WORDS CODE - the file as it is now is refused, and what it listed before stays
refused() {
	check "$1: is refused" wait_for 10 feed_is ".error.code == \"$2\""
	check "$1: what was listed stays listed" is_blocked "$LISTED"
}

write_feed 0 "$LISTED"
write_policy "name: big, file: $FEED, reason: seen scanning"
start_weir
check 'a feed is read at the start' test "$(feed .entries)" = $((SIZE + 1))
check 'what it lists is blocked' is_blocked "$LISTED"
check 'and nothing else is' passes "$LATER"
check 'an entry tells feed, file, line, reason and what it stopped' entry_is "$LISTED" \
	".feed == \"big\" and .file == \"$FEED\" and .line == 2 and .hits == 10 and
	 .reason == \"seen scanning\" and .origin == \"feed\" and .added_at != null"
check 'status counts entries by feed' test \
	"$(status .lists.block.from.feeds.big)" = $((SIZE + 1))
check 'the record of it has the digest of the file' has_record \
	".event_type == \"feed.updated\" and .details.added == $((SIZE + 1)) and
	 .details.sha256 == \"$(sha256sum <"$FEED" | cut -d' ' -f1)\""
check 'a listing has all of it' test \
	"$(weir lists block -o json | jq '.items | length')" = $((SIZE + 2))
check 'an operator is told who lists an entry' exits 5 weir unblock "$LISTED"

# Each time 10,000 lines go, 10,000 come, and all others move.
start_flood 8
write_feed 10000 "$NEVER.0/32" "$LISTED" # one line is bad
check 'a file that changed is read again' wait_for 10 digest_is_in_force
write_feed 20000 "$LATER" 198.18.88.0/24 "$LISTED"
check 'and again' wait_for 10 digest_is_in_force
check 'meanwhile not a packet of a listed source gets through' nothing_got_through
check 'what came is blocked' is_blocked "$LATER"
check 'so is what lies under a prefix that came' is_blocked 198.18.88.9
check 'what did not come is not' passes "$NEVER"
check 'the entry has moved in the file and is as old as it was' entry_is "$LISTED" \
	'.line == 4 and .hits > 10000'
check 'the record tells what came and went' has_record \
	'.event_type == "feed.updated" and .details.added == 10002 and .details.removed == 10000'
check 'a bad line is counted' has_record \
	'.event_type == "feed.updated" and .details.bad_lines == 1'

echo '<html><body>404</body></html>' >"$FEED.new"
mv "$FEED.new" "$FEED"
refused 'a file that makes no sense' feed.bad
check 'status says so' test "$(status '.lists.feeds_failing | join(" ")')" = big
check 'and a metric' grep -q '^weir_feed_failing{feed="big"} 1' <(weir metrics)
check 'and so does a record' has_record '.event_type == "feed.refused" and .details.code == "feed.bad"'
: >"$FEED"
refused 'an empty file' feed.empty
write_feed 0 "$LISTED"
chmod g+w "$FEED"
refused 'a file that others can write' feed.writable
rm "$FEED"
refused 'a file that is gone' feed.read
write_feed 0 "$LISTED"
check 'a good file is taken again' wait_for 10 feed_is '.error == null'
check 'and what it does not list any more passes' passes "$LATER"
check 'status has nothing to complain' test "$(status '.lists.feeds_failing | length')" = 0

# The next daemon finds no file: it has nothing but what the kernel holds.
start_flood 12
stop_weir KILL || true
mv "$FEED" "$FEED.away"
start_weir
check 'a daemon starts without the file' feed_is '.error.code == "feed.read" and .read_at == null'
check 'what the kernel had is kept' entry_is "$LISTED" '.origin == "kept"'
check 'an operator cannot remove it by mistake' exits 5 weir unblock "$LISTED"
mv "$FEED.away" "$FEED"
check 'the file is read once it is there' wait_for 10 feed_is '.error == null'
check 'what was kept belongs to the feed again' entry_is "$LISTED" '.origin == "feed"'
check 'nothing else is kept' test "$(status .lists.block.from.kept)" = 0
check 'all this time not a packet of a listed source gets through' nothing_got_through

write_policy "name: big, file: $FEED" "name: other, file: $LAB_DIR/missing"
check 'a policy with a file that cannot be read is refused' exits 3 weir policy apply
check 'and changes nothing' is_blocked "$LISTED"
printf 'ip;why\n%s;scans\n' "$NEVER" >"$LAB_DIR/table.csv"
touch -d '2 hours ago' "$LAB_DIR/table.csv"
write_policy "name: table, file: $LAB_DIR/table.csv, format: csv, column: ip, ttl: 1h"
check 'a file that is older than its ttl is refused' exits 5 weir policy apply
touch "$LAB_DIR/table.csv"
check 'a feed takes the place of another' weir policy apply
check 'what the old one listed passes' passes "$LISTED"
check 'what the new one lists is blocked' is_blocked "$NEVER"
check 'until its ttl is over' entry_is "$NEVER" '.left_seconds > 3500 and .left_seconds <= 3600'
check 'entries of the policy itself are not touched by any of this' is_blocked 198.18.77.7
check 'the chain verifies' verify
finish
