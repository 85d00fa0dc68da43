#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# weir top, on a terminal of 80 columns and 24 lines, under a flood: what it shows, and what its keys do.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly FLOOD_FROM=198.18.64.0 LOUD=198.18.70.7

screen() {
	tmux -S "$LAB_DIR/tmux" capture-pane -p
}

keys() { # KEY...
	tmux -S "$LAB_DIR/tmux" send-keys "$@"
}

# shows PATTERN - it stands on the screen within 15 s
shows() {
	wait_for 15 eval "screen | grep -qE -- '$1'" || {
		screen
		return 1
	}
}

shows_not() {
	wait_for 15 eval "! screen | grep -qE -- '$1'" || {
		screen
		return 1
	}
}

# The row of PATTERN is the first one of the table.
is_first() {
	wait_for 15 eval "screen | sed -n 6p | grep -qE -- '$1'" || {
		screen
		return 1
	}
}

start_top() {
	tmux -S "$LAB_DIR/tmux" -f /dev/null new-session -d -x 80 -y 24 \
		"env LC_ALL=C.UTF-8 TERM=screen-256color WEIR_SOCKET=$WEIR_SOCKET $WEIR top; echo ended \$?; sleep 600"
}

stop_top() {
	! [[ -S $LAB_DIR/tmux ]] || tmux -S "$LAB_DIR/tmux" kill-server 2>/dev/null || true
}

blocked_for_90s() {
	weir lists block -o json | jq -e --arg loud "$LOUD" '
		.items | length == 1 and (.[0] | .cidr == $loud and .left_seconds <= 90)' || {
		weir lists block -o json
		return 1
	}
}

if ! command -v tmux >/dev/null; then
	skip 'weir top' 'tmux is not installed'
	finish
fi
trap 'stop_top; end' EXIT

check 'without a terminal it says what to do' exits 2 weir top </dev/null
check 'without a daemon it says where one was looked for' exits 6 weir top --once

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	services:
	  game: {proto: udp, dport: 9}
	tenants: {acme: {dst: 198.19.0.0/24, tier: free}}
	limits:
	  - {name: players, scope: source, service: game, rate: 10/s, burst: 10}
YAML
start_weir
lab_spawn client "$FLOOD" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:9" --base "$FLOOD_FROM" --sources 64 \
	--rate 2000 --seconds 120 >/dev/null
lab_spawn client "$FLOOD" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:53" --base "$LOUD" --rate 1000 \
	--seconds 120 >/dev/null

start_top
check 'it says what it protects, and how' shows "^weir .* $LAB_IF_HOST \(native\)  enforce  generation 1"
check 'whoever sends most stands first' is_first "^$LOUD "
check 'how much comes, and how much of that is dropped' shows '^packets +[0-9.]+k/s .*dropped +[0-9.]+k/s'
fits() {
	screen >"$LAB_DIR/screen"
	(($(LC_ALL=C.UTF-8 wc -L <"$LAB_DIR/screen") <= 80 && $(wc -l <"$LAB_DIR/screen") <= 24))
}
check 'nothing is wider or longer than the terminal' fits
keys 2
check 'prefixes: the flood is one' is_first '^198\.18\.64\.0/24 .*over_packets'
keys Enter
check 'and these are its sources' shows '^198\.18\.64\.[0-9]+ '
check 'and nobody else' shows_not "^$LOUD "
keys Escape 3
check 'rules: what a limit drops in a second' shows '^players +packets +10/s +[0-9.]+ +[0-9.]+k'
keys 4
check 'services' shows '^udp/9 '
keys 5
check 'tenants and their quotas' shows '^acme +free '
keys 6
check 'events' shows 'policy\.'
keys 1 /
keys -l 70.7
check 'a filter leaves what it says' shows_not '^198\.18\.64\.'
keys Enter
check 'the row of the loud one' is_first "^$LOUD "
keys Enter
check 'all that is known of a source' shows 'is on no list and within every limit'
keys b
check 'it asks how long' shows "block $LOUD for how long .*10m"
keys C-u
keys -l 90s
keys Enter
check 'and why' shows "block $LOUD for 90s, why"
keys Enter
check 'the source is blocked, and so long' wait_for 10 blocked_for_90s
check 'what is known of it says so' shows 'is on the block list: all its packets are dropped'
keys e
check 'and stage by stage why' shows 'weir explain '"$LOUD"
check 'with the entry that decides' shows 'blocked'
keys Escape Escape b
check 'who thinks better of it' shows 'for how long'
keys Escape
check 'blocks nobody' shows_not 'for how long'
check 'one entry is on the list' jq -e '.lists.block.addresses == 1' <<<"$(weir status -o json)"
keys Space
check 'it stands still' shows PAUSED
keys Space s
check 'it is sorted by the next column' shows 'BIT/Sv'
keys '?'
check 'help' shows 'page up and down, home, end'
keys q
tmux -S "$LAB_DIR/tmux" resize-window -x 120 -y 40
check 'a larger terminal is used' shows 'b block  e explain$'
tmux -S "$LAB_DIR/tmux" resize-window -x 30 -y 10
check 'one that is too small is told so' shows 'at least 40x8'
tmux -S "$LAB_DIR/tmux" resize-window -x 80 -y 24
check 'and has everything back' is_first '^198\.18\.'
stop_weir
check 'a daemon that is gone is said to be, and what was seen stays' shows 'cannot reach the daemon'
start_weir
check 'until it is back' shows '^protected: '
keys q
check 'it ends well, and gives the terminal back' shows '^ended 0'

once=$(weir top --once -o json)
check 'once, for scripts: all of it as JSON' jq -e '
	(.status.packets.seen > 0) and (.prefixes | map(.name) | index("198.18.64.0/24") != null) and
	(.sources | length > 10) and (.rules | map(.name) | index("players") != null) and (.events | length > 0)' <<<"$once"
check 'and as text' grep -qE '^198\.18\.64\.0/24 ' <(weir top --once)
check 'most by name' jq -e '.items[0].name == "udp/9" and .items[0].reason == "over_packets" and .found >= 2' \
	<<<"$(curl -s --unix-socket "$WEIR_SOCKET" 'http://weir/v1/top?by=service&sort=dropped&seconds=3&limit=1')"
check 'of some sources only' jq -e '[.items[].name] == ["udp/9"]' \
	<<<"$(curl -s --unix-socket "$WEIR_SOCKET" 'http://weir/v1/top?by=service&within=198.18.64.0/24')"
check 'a question that makes no sense is refused' jq -e '.code == "request.by" and .status == 400' \
	<<<"$(curl -s --unix-socket "$WEIR_SOCKET" 'http://weir/v1/top?by=moon')"

finish
