#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The language of policies as others see it: the JSON Schema in the hands of ajv, on every good policy
# that the unit tests know; and files that a running daemon reads: includes, profiles, one text of all.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly MODULES=$PWD/build/npm
readonly PACKAGES='ajv@8 ajv-formats@3 yaml@2'

# install_modules - once; what is missing without a network is said.
install_modules() {
	[[ -d $MODULES/node_modules/ajv && -d $MODULES/node_modules/yaml ]] && return
	mkdir -p "$MODULES"
	echo '{"private": true}' >"$MODULES/package.json"
	# shellcheck disable=SC2086 # one word each
	(cd "$MODULES" && timeout 120 npm install --no-audit --no-fund --silent $PACKAGES) \
		>"$LAB_DIR/npm" 2>&1
}

# collect_policies - as files in $LAB_DIR/policies.
collect_policies() {
	local program

	mkdir "$LAB_DIR/policies"
	cp tests/data/policies/*.yaml "$LAB_DIR/policies/"
	for program in build/tests/unit/test_policy_*; do
		[[ -x $program && ! $program == *.* ]] || continue
		WEIR_POLICIES=$LAB_DIR/policies timeout 120 "$program" >/dev/null 2>&1 || return
	done
}

# judge_schema - runs schema.js and passes its results on as tests of this script.
judge_schema() {
	local line

	"$WEIR" policy schema >"$LAB_DIR/schema.json"
	NODE_PATH=$MODULES/node_modules timeout 300 node tests/e2e/schema.js "$WEIR" \
		"$LAB_DIR/schema.json" "$LAB_DIR"/policies/*.yaml >"$LAB_DIR/schema.tap" 2>&1 || true
	while read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			tests=$((tests + 1))
			[[ $line == ok* ]] || failures=$((failures + 1))
			echo "${line%% - *} - ${line#* - }" | sed -E "s/[0-9]+ -/$tests -/"
			;;
		'#'*) echo "$line" ;;
		esac
	done <"$LAB_DIR/schema.tap"
	check 'the schema was judged to its end' grep -q '^1\.\.' "$LAB_DIR/schema.tap"
}

if ! command -v node npm >/dev/null; then
	skip 'the schema says what the checker says' 'needs node and npm'
elif ! install_modules; then
	skip 'the schema says what the checker says' 'npm cannot install ajv'
elif check 'good policies are collected' collect_policies; then
	judge_schema
fi

# A daemon on a policy of several files, with a profile.
write() { # FILE <<YAML
	(umask 022 && mkdir -p "$LAB_DIR/conf.d" && cat >"$LAB_DIR/$1")
}

mode_is() {
	[[ $(status .mode) == "$1" ]]
}

says_both_places() {
	{ weir policy apply 2>&1 || true; } | grep "30-more.yaml:1:1: error: 'mode' is given in .*policy.yaml:2:1"
}

policy <<-YAML
	apiVersion: weir/v1
	mode: monitor
	include: [conf.d/*.yaml]
	profiles:
	  production: {mode: enforce}
	  broken-one: {mode: monitor}
YAML
write conf.d/10-lists.yaml <<-YAML
	lists: {block: {entries: [198.18.70.1]}} # somebody
YAML
write conf.d/20-limits.yaml <<-YAML
	services: {echo: {proto: icmp}}
	limits: [{name: ping, scope: source, service: echo, rate: 1/m, burst: 5}]
YAML
check 'the files are a good policy' weir policy check --strict --profile production "$LAB_DIR/policy.yaml"
start_weir --profile production
check 'the profile holds' mode_is enforce
check 'what an included file blocks is blocked' test "$(echoes_from 198.18.70.1)" = 0
check 'what an included file limits is limited' test "$(echoes_from 198.18.70.2)" = 5

weir policy show >"$LAB_DIR/one.yaml"
chmod 600 "$LAB_DIR/one.yaml"
check 'the policy in force is shown as one text of all files' \
	weir policy check --profile production "$LAB_DIR/one.yaml"
check 'which keeps the comments' grep -q '# somebody' "$LAB_DIR/one.yaml"

write conf.d/30-more.yaml <<-YAML
	lists: {block: {entries: [198.18.70.3]}}
YAML
check 'a new file is part of the policy when it is applied again' weir policy apply
check 'and blocks' test "$(echoes_from 198.18.70.3)" = 0

write conf.d/30-more.yaml <<-YAML
	mode: off
YAML
check 'a file that contradicts is refused' exits 1 weir policy apply
check 'with both places' says_both_places
check 'and nothing changes' test "$(echoes_from 198.18.70.3)" = 0

rm "$LAB_DIR/conf.d/30-more.yaml"
check 'the files are sent as one text' weir policy apply "$LAB_DIR/policy.yaml"
check 'under which the profile holds' mode_is enforce
check 'and what was blocked in a file that is gone is not' test "$(echoes_from 198.18.70.3)" -gt 0
check 'a text that includes is refused' exits 22 \
	curl -sf --unix-socket "$WEIR_SOCKET" -X PUT -H 'Content-Type: application/yaml' \
	--data-binary $'apiVersion: weir/v1\nmode: off\ninclude: /etc/passwd\n' \
	http://localhost/v1/policy
stop_weir
check 'an unknown profile keeps the daemon from starting' fail_to_start --profile productoin
check 'with a suggestion' grep -q "did you mean 'production'" "$LAB_DIR/refusal"
finish
