#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The API is what its description says: the file is linted, compared with the routes, its examples executed, every
# operation asked for as each role in each version; requests made from its schemas, REQUESTS of them from SEED, break nothing.
# WEIR may be a daemon with sanitizers.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly MODULES=$PWD/build/npm # as in 15-language.sh
# The newest of openapi-core that the registry can install with all it needs.
readonly PACKAGES='ajv@8 ajv-formats@3 yaml@2 @redocly/openapi-core@1.34.0'
readonly SEED=${SEED:-$RANDOM} REQUESTS=${REQUESTS:-2000}

install_modules() {
	[[ -d $MODULES/node_modules/@redocly/openapi-core && -d $MODULES/node_modules/ajv-formats ]] && return
	mkdir -p "$MODULES"
	echo '{"private": true}' >"$MODULES/package.json"
	# shellcheck disable=SC2086 # one word each
	(cd "$MODULES" && timeout 120 npm install --no-audit --no-fund --silent $PACKAGES) >"$LAB_DIR/npm" 2>&1
}

# A group for each role, known to the daemon alone, as in 85-roles.sh.
daemon_with_groups() {
	{
		grep -v '^weir' /etc/group
		printf '%s\n' weir:x:61200: weir-operator:x:61201: weir-auditor:x:61202: weir-viewer:x:61203:
	} >"$LAB_DIR/group"
	export ROLES='{"admin": 61200, "operator": 61201, "auditor": 61202, "viewer": 61203}'
	# shellcheck disable=SC2016,SC2034 # of the inner shell; for lib.sh
	WEIR_INSIDE=(unshare --mount --propagation private sh -c
		'mount --bind "$0" /etc/group && exec "$@"' "$LAB_DIR/group")
}

# run SECONDS SCRIPT [ARGUMENT...] - its tests as tests of this script.
run() {
	local line

	NODE_PATH=$MODULES/node_modules timeout "$1" node "tests/api/$2" "${@:3}" >"$LAB_DIR/tap" 2>&1 || true
	while IFS= read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			tests=$((tests + 1))
			[[ $line == ok* ]] || failures=$((failures + 1))
			echo "${line%% [0-9]*} $tests - ${line#* - }"
			;;
		1..*) ;;
		*) echo "# ${line#\# }" ;;
		esac
	done <"$LAB_DIR/tap"
	check "$2 ran to its end" grep -q '^1\.\.' "$LAB_DIR/tap"
}

lints() {
	local version

	for version in v1 v2; do
		curl -gsS --unix-socket "$WEIR_SOCKET" "http://weir/$version/openapi.json" >"$LAB_DIR/$version.json"
	done
	NODE_PATH=$MODULES/node_modules timeout 60 node tests/api/lint.mjs "$LAB_DIR"/v[12].json
}

# What was added up while the daemon ran is recorded when it ends.
refusals_recorded() {
	weir audit search --type api.read --outcome denied --limit 10000 -o json |
		jq --slurpfile asked "$LAB_DIR/denied" '
			reduce .events[] as $e ({}; .[$e.resource.id] += $e.details.requests) as $recorded |
			[$asked[0] | to_entries | group_by(.key | split(" ")[1])[] |
			 {operation: (.[0].key | split(" ")[1]), asked: (map(.value) | add)} |
			 select(.asked > ($recorded[.operation] // 0)) | . + {recorded: $recorded[.operation]}]' >"$LAB_DIR/missing"
	cat "$LAB_DIR/missing"
	jq -e 'length == 0' "$LAB_DIR/missing" && jq -e 'length > 50' "$LAB_DIR/denied"
}

if ! command -v node npm >/dev/null; then
	skip 'the API is what its description says' 'needs node and npm'
	finish
elif ! install_modules; then
	skip 'the API is what its description says' 'npm cannot install ajv and redocly'
	finish
fi

policy <<-YAML
	apiVersion: weir/v1
	metadata: {name: contract}
	mode: enforce
	flags: {trial: {rollout: 0%}}
	lists: {block: {entries: [198.18.66.1]}}
	tenants: {acme: {src: 198.51.100.0/24, quota: {packets: {day: 10M}}}}
	services:
	  web: {proto: tcp, dport: 80}
	limits:
	  - {name: web, scope: source, service: web, rate: 2k/s, burst: 4k}
	  - {name: host, scope: global, rate: 1M/s, adaptive: {target: {posted: 100}, min: 10%}}
YAML
daemon_with_groups
start_weir
:
check 'anybody may read it' setpriv --reuid nobody --regid nogroup --clear-groups -- \
	curl -fgsS --unix-socket "$WEIR_SOCKET" http://weir/openapi.json -o /dev/null
:
stop_weir
start_weir
:
export SEED REQUESTS
run $((300 + REQUESTS / 20)) fuzz.mjs
check 'the daemon is the same one' is_alive "$WEIR_PID"
check 'the daemon ends without a fault, or memory that leaked' stop_weir
finish
