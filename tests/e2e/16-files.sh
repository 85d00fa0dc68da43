#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The policy file that includes others, and what becomes of it: nothing is touched that says already what is applied, nothing
# is lost that does not, and it comes back when the policy does. Profiles: planned, applied, gone back to, kept by a restart.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

write() { # FILE <<YAML
	(umask 022 && mkdir -p "$LAB_DIR/conf.d" && cat >"$LAB_DIR/$1")
}

write_tree() {
	policy <<-YAML
		# kept in git
		apiVersion: weir/v1
		mode: enforce
		include: [conf.d/*.yaml]
		profiles:
		  staging: {mode: monitor}
		  production: {limits: [{name: ping, rate: 3/m, burst: 3}]}
	YAML
	write conf.d/10-lists.yaml <<<"lists: {block: {entries: [198.18.70.1]}} # somebody"
	write conf.d/20-limits.yaml <<-YAML
		services: {echo: {proto: icmp}}
		limits: [{name: ping, scope: source, service: echo, rate: 1/m, burst: 5}]
	YAML
	rm -f "$LAB_DIR"/conf.d/3*.yaml
}

# Of everything below the directory that an operator wrote: names, contents, times.
picture() {
	(cd "$LAB_DIR" && find policy.yaml conf.d -type f -exec stat -c '%n %i %Y' {} + \
		-exec sha256sum {} +)
}

is_touched() {
	[[ $(picture) != "$before" ]]
}

# By the list, as a limit would answer for it.
# shellcheck disable=SC2016 # jq's own variables
is_blocked() { # ADDRESS
	weir lists block -o json | jq -e --arg a "$1" 'any(.items[]; .cidr == $a)'
}

mode_is() {
	[[ $(status .mode) == "$1" ]]
}

profile_is() {
	[[ $(status .policy.profile) == "$1" ]]
}

asides() {
	compgen -G "$LAB_DIR/policy.yaml.replaced-*" | wc -l
}

says() { # PATTERN COMMAND...
	"${@:2}" >"$LAB_DIR/said" 2>&1 || true
	cat "$LAB_DIR/said"
	grep -qE -e "$1" "$LAB_DIR/said"
}

files() {
	local before tree

	before=$(picture)
	check 'a tree that is applied as it lies there' weir policy apply "$LAB_DIR/policy.yaml"
	check 'is not touched' refuse is_touched
	mkdir "$LAB_DIR/clone"
	cp -a "$LAB_DIR/policy.yaml" "$LAB_DIR/clone/site.yaml"
	cp -a "$LAB_DIR/conf.d" "$LAB_DIR/clone/"
	check 'nor by a clone of it, whatever its name' weir policy apply "$LAB_DIR/clone/site.yaml"
	check 'which says the same' refuse is_touched
	check 'so nothing is set aside' test "$(asides)" = 0

	tree=$(status .policy.generation)
	cat >"$LAB_DIR/other.yaml" <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists: {block: {entries: [198.18.70.9]}}
	YAML
	chmod 600 "$LAB_DIR/other.yaml"
	check 'another policy says where the tree is now' \
		says 'the policy file that it replaced is kept as' weir policy apply "$LAB_DIR/other.yaml"
	check 'it blocks' is_blocked 198.18.70.9
	check 'the policy file has it' cmp "$LAB_DIR/other.yaml" "$LAB_DIR/policy.yaml"
	check 'the file that it replaced is beside, byte for byte' \
		cmp "$LAB_DIR/clone/site.yaml" "$LAB_DIR"/policy.yaml.replaced-*
	check 'included files are where they were' test -e "$LAB_DIR/conf.d/10-lists.yaml"
	check 'and the record names it' has_record '.event_type == "policy.apply" and
		(.details.set_aside // "" | test("policy.yaml.replaced-"))'
	check 'a rollback' weir policy rollback
	check 'brings the tree back' cmp "$LAB_DIR/clone/site.yaml" "$LAB_DIR/policy.yaml"
	check 'in force' is_blocked 198.18.70.1
	check 'and by the packets' test "$(echoes_from 198.18.70.1)" = 0
	check 'with nothing left beside it' test "$(asides)" = 0
	check 'by number, too' eval "weir policy apply '$LAB_DIR/other.yaml' && weir policy rollback $tree"
	check 'is the tree' cmp "$LAB_DIR/clone/site.yaml" "$LAB_DIR/policy.yaml"

	weir policy apply "$LAB_DIR/other.yaml" >/dev/null
	stop_weir
	start_weir
	check 'a new start has the policy that was applied' is_blocked 198.18.70.9
	echo '# a thought' >>"$LAB_DIR/policy.yaml"
	cp "$LAB_DIR/policy.yaml" "$LAB_DIR/thought.yaml"
	check 'a file that was edited and never applied' weir policy rollback
	check 'is not lost' grep -q '# a thought' "$LAB_DIR"/policy.yaml.replaced-*
	check 'and the tree is back' cmp "$LAB_DIR/clone/site.yaml" "$LAB_DIR/policy.yaml"
	rm -f "$LAB_DIR"/policy.yaml.replaced-*
}

# What is edited in place is not what a start begins with until it is confirmed.
unconfirmed() {
	write conf.d/30-more.yaml <<<'lists: {block: {entries: [198.18.70.3]}}'
	check 'an edited tree is applied until confirmed' weir policy apply --confirm 1h
	check 'and in force' is_blocked 198.18.70.3
	check 'the policy file has what was before' refuse grep -q 198.18.70.3 "$LAB_DIR/policy.yaml"
	check 'as one text' grep -q 198.18.70.1 "$LAB_DIR/policy.yaml"
	check 'the tree is beside it' cmp "$LAB_DIR/clone/site.yaml" "$LAB_DIR/policy.yaml.unconfirmed"
	check 'confirmed' weir policy confirm
	check 'it has its place again' cmp "$LAB_DIR/clone/site.yaml" "$LAB_DIR/policy.yaml"
	check 'and nothing is left beside it' test ! -e "$LAB_DIR/policy.yaml.unconfirmed"

	write conf.d/31-more.yaml <<<'lists: {block: {entries: [198.18.70.4]}}'
	weir policy apply --confirm 1s >/dev/null
	check 'one that nobody confirms' wait_for 6 eval '! is_blocked 198.18.70.4'
	stop_weir
	start_weir
	check 'is not in force after a new start either' refuse is_blocked 198.18.70.4
	check 'the tree is beside the policy file' \
		cmp "$LAB_DIR/clone/site.yaml" "$LAB_DIR/policy.yaml.unconfirmed"
	mv "$LAB_DIR/policy.yaml.unconfirmed" "$LAB_DIR/policy.yaml"
	check 'from where it is put back' weir policy apply
	check 'when it is meant' is_blocked 198.18.70.4
}

tree_is_somewhere() {
	local file

	for file in "$LAB_DIR"/policy.yaml "$LAB_DIR"/policy.yaml.replaced-*; do
		[[ ! -e $file ]] || ! cmp -s "$LAB_DIR/clone/site.yaml" "$file" || return 0
	done
	return 1
}

# A daemon that dies while files change places, at whatever moment: nothing is lost, and what is there is whole.
deaths() {
	local n lost=0 broken=0

	write_tree
	cp -a "$LAB_DIR/policy.yaml" "$LAB_DIR/clone/site.yaml"
	rm -f "$LAB_DIR"/policy.yaml.*
	weir policy apply >/dev/null
	for n in $(seq 16); do
		weir policy apply "$LAB_DIR/other.yaml" >/dev/null 2>&1 &
		sleep "0.0$(printf %02d $((n * 2 % 31)))"
		stop_weir KILL || true
		wait $! || true
		tree_is_somewhere || lost=$((lost + 1))
		weir policy check "$LAB_DIR/policy.yaml" >/dev/null 2>&1 || broken=$((broken + 1))
		start_weir
		[[ $(weir policy show) == *70.9* ]] || continue
		weir policy rollback >/dev/null
		tree_is_somewhere || lost=$((lost + 1))
	done
	check 'a daemon that is killed while it applies loses no file' test "$lost" = 0
	check 'and leaves a whole policy file' test "$broken" = 0
	weir policy apply "$LAB_DIR/clone/site.yaml" >/dev/null
	check 'the tree is in its place' cmp "$LAB_DIR/clone/site.yaml" "$LAB_DIR/policy.yaml"
}

profiles() {
	local plain

	write_tree
	weir policy apply >/dev/null
	check 'the profile of the daemon holds' profile_is production
	check 'with what it says' test "$(echoes_from 198.18.70.20)" = 3
	check 'another one is planned' says '^profile: production -> staging' \
		weir policy plan --profile staging
	check 'with all that it changes' says '^~ mode: enforce -> monitor' \
		weir policy plan "$LAB_DIR/policy.yaml" --profile staging
	check 'and applied' weir policy apply "$LAB_DIR/policy.yaml" --profile staging
	check 'it holds' mode_is monitor
	check 'the history has it' says '"profile":"staging"' weir policy history -n 1 -o json
	check 'so people see it' says ' staging ' weir policy history -n 1
	check 'the record, too' has_record '.event_type == "policy.apply" and
		.details.profile == "staging"'
	check 'what it changed is shown though the text is the same' says '^\+mode: monitor' \
		weir policy diff "$(weir policy history -o json | jq '.items[1].generation')"
	stop_weir KILL || true
	start_weir --profile production
	check 'a new start of the same daemon keeps it' profile_is staging
	check 'a rollback goes back to the one before' weir policy rollback
	check 'with its profile' profile_is production
	check 'and again' weir policy rollback
	check 'to the other' profile_is staging
	check 'no profile at all is a choice' weir policy apply --profile none
	check 'it holds then' profile_is null
	plain=$(status .policy.generation)
	check 'an apply that names none takes the one of the daemon' weir policy apply
	check 'as a reload does' profile_is production
	check 'a rollback to one without is without' weir policy rollback "$plain"
	check 'as it was' profile_is null
	stop_weir
	start_weir --profile staging
	check 'a daemon that is told another one takes that' profile_is staging
	check 'an unknown one is refused' says "there is no profile 'stagin'.*staging" \
		weir policy apply --profile stagin
	check 'a policy that the next start could not read is refused' \
		says 'policy.profile.unknown' weir policy apply "$LAB_DIR/other.yaml" --profile none
	check 'while one waits to be confirmed' \
		weir policy apply --profile production --confirm 1h
	stop_weir KILL || true
	start_weir --profile staging
	check 'a new start goes on waiting, though the text is the same' \
		test "$(status '.policy.pending != null')" = true
	check 'with its profile' profile_is production
	weir policy rollback >/dev/null
	check 'until a rollback' profile_is staging
	check 'fmt writes what a profile makes of all files' says '^mode: monitor' \
		weir policy fmt "$LAB_DIR/policy.yaml" --profile staging
	check 'without profiles' refuse grep -q profiles "$LAB_DIR/said"
}

# What stands against a policy is said whole.
refusals() {
	cat >"$LAB_DIR/wide.yaml" <<-YAML
		apiVersion: weir/v1
		mode: enforce
		profiles: {staging: {}}
		lists: {block: {entries: [8.0.0.0/6, 96.0.0.0/4]}}
	YAML
	chmod 600 "$LAB_DIR/wide.yaml"
	check 'a policy that is refused for two reasons is refused' exits 5 \
		weir policy apply "$LAB_DIR/wide.yaml"
	check 'with both' test "$(weir policy apply "$LAB_DIR/wide.yaml" 2>&1 |
		grep -c 'UNSAFE: .*safety.shortest_prefix')" = 2
	check 'in JSON, too' jq -e '.findings | length == 2' \
		<<<"$(weir policy apply "$LAB_DIR/wide.yaml" -o json 2>/dev/null)"
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		limits:
		  - {name: a, scope: source, rate: 2k}
		  - {name: b, scope: source, rate: 3k}
		profiles: {staging: {}}
	YAML
	check 'all mistakes in the policy file are said' test \
		"$(weir policy apply 2>&1 | grep -c 'policy.yaml:[45]:.*has no unit.*unit.missing')" = 2
	check 'and in one that is planned' test \
		"$(weir policy plan "$LAB_DIR/policy.yaml" 2>&1 | grep -c ':[45]:.*unit.missing')" = 2
}

write_tree
start_weir
files
unconfirmed
deaths
stop_weir
write_tree
start_weir --profile production
profiles
refusals
check 'the chain verifies' verify
finish
