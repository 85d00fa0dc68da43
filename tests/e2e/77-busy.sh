#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The daemon reads its log for others, a long one, and goes on answering meanwhile: by the order of the answers, whatever
# time they take. Who leaves ends what was done for them.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly RECORDS=300000
ASKED=()

get() { # PATH OPTION...
	curl -gsS --unix-socket "$WEIR_SOCKET" "http://weir$1" "${@:2}"
}

# ask NAME PATH - in the background; $LAB_DIR/NAME.status has its status once it is answered.
ask() {
	curl -gsS --unix-socket "$WEIR_SOCKET" -o /dev/null -w '%{http_code}' "http://weir$2" \
		>"$LAB_DIR/$1.status" 2>/dev/null &
	ASKED+=($!)
}

# answered NAME - the statuses of all that were asked for under this name.
answered() {
	cat "$LAB_DIR/$1"*.status
}

# threads - how many the daemon has now.
threads() {
	local all=(/proc/"$WEIR_PID"/task/*)

	echo "${#all[@]}"
}

has_threads() { # COUNT
	(($(threads) == $1))
}

more_than() { # COUNT
	(($(threads) > $1))
}

# leave - all who asked go away.
leave() {
	kill "${ASKED[@]}" 2>/dev/null || true
	wait "${ASKED[@]}" 2>/dev/null || true
	ASKED=()
}

# answers_during NAME PATH COUNT - ask for it so often at once; the status comes before the last of these.
answers_during() {
	local i idle

	idle=$(threads)
	for ((i = 0; i < $3; i++)); do
		ask "$1$i" "$2"
	done
	wait_for 20 more_than "$idle" || return 1
	[[ $(get /v1/status -w '%{http_code}' -o /dev/null) == 200 ]] || return 1
	echo "answered: '$(answered "$1")'"
	[[ $(answered "$1" | wc -c) -lt $((3 * $3)) && ! $(answered "$1") =~ [45] ]]
}

# reader NAME - begin an export that takes its head and then nothing.
reader() {
	mkfifo "$LAB_DIR/$1.pipe"
	curl -gsS --unix-socket "$WEIR_SOCKET" -o "$LAB_DIR/$1.pipe" 'http://weir/v1/audit/export?format=json' &
	ASKED+=($!)
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits:
	  - {name: all, scope: source, rate: 10/s, burst: 10}
YAML
mkdir -p "$LAB_DIR/state"
chmod 700 "$LAB_DIR/state"
build/tests/tools/records "$LAB_DIR/state/audit" "$(date +%s)" "$RECORDS"
start_weir
id=$(weir gdpr access 203.0.113.9 -o json | jq -r .request.id)
IDLE=$(threads)

check 'the status is answered while searches read the whole log' answers_during search \
	'/v1/audit/events?scan=true&text=there-is-none' 18
leave
check 'who leaves ends their search' wait_for 20 has_threads "$IDLE"
check 'the status is answered while records about somebody are looked for' answers_during subject \
	"/v1/governance/requests/$id/records?subject=nobody-of-this-name" 18
leave
check 'who leaves ends that, too' wait_for 20 has_threads "$IDLE"

for name in a b c d; do
	reader "$name"
	exec {fd}<"$LAB_DIR/$name.pipe"
	head -c 1 <&"$fd" >/dev/null
done
check 'the status is answered while exports are under way' test "$(get /v1/status -w '%{http_code}' -o /dev/null)" = 200
check 'one export more than there may be is told to come again' test \
	"$(get '/v1/audit/export?format=json' | jq -r .code)" = api.busy
leave
check 'who leaves ends their export' wait_for 20 has_threads "$IDLE"
check 'and an export is whole' test "$(get /v1/audit/export | wc -l)" -ge "$RECORDS"
finish
