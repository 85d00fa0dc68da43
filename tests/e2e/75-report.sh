#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Reports of the audit log: of a daemon's, recorded and only for those who may; of a log full of names that mean harm,
# opened in a real browser, on a screen and on paper.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly RECORDS=$PWD/build/tests/tools/records
readonly FRAMEWORKS='soc2 iso27001 gdpr hipaa pci sox'

# browse FILE OPTION... - open a page in a browser that has no network, no profile and no desktop. What the page's
# console says goes to $LAB_DIR/console.
browse() {
	local profile

	profile=$(mktemp -d "$LAB_DIR/browser.XXXXXX")
	# shellcheck disable=SC2312 # what it prints is looked at
	lab_client env -u DBUS_SESSION_BUS_ADDRESS HOME="$profile" timeout -k 2 40 chromium \
		--headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
		--disable-background-networking --disable-component-update --disable-sync \
		--disable-dev-shm-usage --enable-logging=stderr --user-data-dir="$profile" \
		"${@:2}" "file://$1" 2>"$LAB_DIR/browser.log"
	grep -a CONSOLE "$LAB_DIR/browser.log" >"$LAB_DIR/console" || true
	rm -rf "$profile"
}

console_is_silent() {
	cat "$LAB_DIR/console"
	[[ ! -s $LAB_DIR/console ]]
}

dom_has() { # TEXT...
	local text

	for text in "$@"; do
		grep -qF -- "$text" "$LAB_DIR/dom" || {
			echo "the page lacks: $text"
			return 1
		}
	done
}

same_figures() {
	local key

	for key in records packets_dropped bytes_dropped changes; do
		[[ $(jq ".figures.$key" "$LAB_DIR/report.json") == \
			"$(sed -n "s/^\"figures\.$key\",\([0-9]*\)\r$/\1/p" "$LAB_DIR/report.csv")" ]] ||
			return 1
	done
	grep -qF "<b>$(jq -r .figures.packets_dropped "$LAB_DIR/report.json" |
		sed ':a; s/\B[0-9]\{3\}\>/,&/; ta')</b>packets dropped" "$LAB_DIR/report.html"
}

claims_nothing() {
	local framework

	for framework in $FRAMEWORKS; do
		weir audit report --dir "$LAB_DIR/hostile" --framework "$framework" >"$LAB_DIR/page"
		grep -q 'Evidence relevant to controls' "$LAB_DIR/page" || return 1
		! grep -ioE 'complian[a-z]*|certif[a-z]*|tamper-proof|immutable' "$LAB_DIR/page" || return 1
	done
}

needs_nothing_from_outside() {
	! grep -oE '(src|href|url|@import|<script|<link|<iframe|<object)[^>]{0,40}' \
		<(sed 's/<meta http-equiv[^>]*>//; s/<bdi>[^<]*//g' "$LAB_DIR/report.html")
}

damage_a_record() {
	local segment

	segment=$(echo "$LAB_DIR"/hostile/*.seg)
	printf X | dd of="$segment" bs=1 seek=6000 conv=notrunc status=none
}

policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits: [{name: per-source, scope: source, rate: 10/s, burst: 10}]
YAML
start_weir
flood --to "$LAB_HOST4:9" --base 198.18.6.1 --packets 2000 >/dev/null
weir block 198.18.6.1 --reason 'flood <b>of today</b>' >/dev/null
has_record '.event_type == "ratelimit.dropped"'
check 'a report of the running daemon is made' \
	weir audit report --days 1 --framework soc2 --file "$LAB_DIR/live.html"
check 'it was recorded before, with its range' has_record \
	'.event_type == "audit.reported" and .actor.role == "admin" and .details.framework == "soc2"'
check 'it has the drops, the change and who had it made' \
	grep -qE '198\.18\.6\.1.*list\.add.*audit\.reported' <<<"$(tr '\n' ' ' <"$LAB_DIR/live.html")"
check 'what stands in it is for its owner alone' \
	test "$(stat -c %a "$LAB_DIR/live.html")" = 600
get() { # QUERY [CURL-OPTION...]
	curl -gsS --unix-socket "$WEIR_SOCKET" -D "$LAB_DIR/head" "${@:2}" "http://weir/v1/audit/report?$1"
}

same_document() {
	[[ $(get 'days=1&format=json' | jq -c '.figures | keys') == \
		"$(weir audit report --days 1 --format json --dir "$STATE/audit" | jq -c '.figures | keys')" ]]
}

check 'the API gives the same document' same_document
check 'and says beside it whether the log is in order' grep -qi '^X-Weir-Integrity: ok' "$LAB_DIR/head"
check 'no days are refused' test "$(get 'days=0' | jq -r .code)" = report.range
check 'without one, nothing outside vouches for it' \
	grep -q 'Not covered by an external checkpoint' "$LAB_DIR/live.html"
weir audit checkpoint >"$LAB_DIR/kept"
weir block 198.18.6.9 >/dev/null
check 'a checkpoint that was kept elsewhere is compared' \
	weir audit report --checkpoint "$LAB_DIR/kept" --key "$(weir audit keys -o json | jq -r '.keys[-1].key')" \
	--file "$LAB_DIR/covered.html"
check 'and the page says what it covers and what not' grep -qE \
	'Covered by an external checkpoint.*records are those that it was signed for.*after them are not covered.*by the key that was given' \
	"$LAB_DIR/covered.html"
sed 's/^[0-9]*$/7/' "$LAB_DIR/kept" >"$LAB_DIR/forged"
check 'one that this log contradicts makes it fail' exits 1 \
	weir audit report --checkpoint "$LAB_DIR/forged" --file "$LAB_DIR/forged.html"
check 'a file that is none is refused before the log is read' test \
	"$(get 'days=1' --data-binary 'no note' -X POST | jq -r .code)" = note.format
check 'who may not read the log gets none' exits 4 \
	setpriv --reuid=65534 --regid=65534 --clear-groups "$WEIR" audit report
check 'a framework that is not known is refused' exits 2 weir audit report --framework iso9001
check 'a range that is empty is refused' exits 2 \
	weir audit report --since 2026-02-01 --until 2026-01-01
check 'a directory without a log is refused' exits 1 weir audit report --dir "$LAB_DIR/nothing"
stop_weir

"$RECORDS" "$LAB_DIR/hostile"
for format in html json csv; do
	check "a log of hostile names becomes $format" weir audit report --dir "$LAB_DIR/hostile" \
		--framework soc2 --format "$format" --file "$LAB_DIR/report.$format"
done
check 'all three have the same figures' same_figures
check 'the page needs nothing from outside, and runs nothing' needs_nothing_from_outside
check 'no page of any framework claims more than evidence' claims_nothing

if command -v chromium >/dev/null; then
	echo '<meta http-equiv=Content-Security-Policy content="default-src '"'none'"'"><script>1</script>' \
		>"$LAB_DIR/bad.html"
	browse "$LAB_DIR/bad.html" --dump-dom >/dev/null
	check 'the console of the browser is heard' refuse console_is_silent
	browse "$LAB_DIR/report.html" --dump-dom >"$LAB_DIR/dom"
	check 'a browser opens the page without a word of complaint' console_is_silent
	check 'the page says what it rests on, what is missing, and what happened' dom_has \
		'The log is in order' 'Not covered by an external checkpoint' 'Gaps and losses' \
		'120,345' '198.51.100.7' 'flood, ticket 4711' 'policy.refused' 'CC8.1'
	check 'hostile names are text' dom_has '&lt;script&gt;alert(1)&lt;/script&gt;' \
		'U+202E' '10240 bytes in all'
	browse "$LAB_DIR/report.html" --window-size=1200,2000 --screenshot="$LAB_DIR/page.png" >/dev/null
	check 'it can be looked at' test "$(stat -c %s "$LAB_DIR/page.png")" -gt 50000
	browse "$LAB_DIR/report.html" --print-to-pdf="$LAB_DIR/page.pdf" >/dev/null
	check 'it can be printed' test "$(head -c 4 "$LAB_DIR/page.pdf")" = %PDF
else
	skip 'a browser opens the page' 'there is no chromium'
fi

damage_a_record
check 'a damaged log gets a report that fails' exits 1 \
	weir audit report --dir "$LAB_DIR/hostile" --file "$LAB_DIR/damaged.html"
check 'and says so' grep -q 'The log is not in order' "$LAB_DIR/damaged.html"
finish
