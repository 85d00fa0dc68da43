#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A newcomer's session: what they type and all that weir answers, word for word as in
# tests/data/newcomer.txt. Addresses of the lab, times, numbers of policies and hashes are masked.
# NEWCOMER_WRITE=1 writes the transcript anew: read what changed before you commit it.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly TRANSCRIPT=tests/data/newcomer.txt

# What is another in each run.
mask() {
	sed -E -e "s#$LAB_DIR#DIR#g" \
		-e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/TIME/g' \
		-e 's/[0-9a-f]{64}/SHA256/g' -e 's/generation [0-9]+/generation N/g' \
		-e 's/--base [0-9]+/--base N/g' -e 's/[0-9]+ (packets|samples)/N \1/g' \
		-e 's/last [0-9]+ s/last N s/g' -e '/^\$/!s/3[23]m( [0-9]+s)?/LEFT/g' \
		-e 's/[0-9]+ -> [0-9]+ KiB/N -> N KiB/g' \
		-e 's/LEFT +/LEFT  /g' -e 's/SINCE +/SINCE  /g' -e 's/ +$//'
}

# type_line WORD... - a line of the session, its answer on both streams, and its exit code if it is not 0
type_line() {
	local status=0 word line='$ weir'

	for word in "$@"; do
		[[ $word != *' '* ]] || word="'$word'"
		line+=" $word"
	done
	echo "$line"
	(cd "$LAB_DIR" && "$WEIR" "$@") 2>&1 || status=$?
	((!status)) || echo "(exit $status)"
	echo
}

session() {
	type_line help block
	type_line stauts
	type_line policy chekc first.yaml
	type_line policy check wrong.yaml
	type_line policy check first.yaml
	type_line policy apply first.yaml --dry-run
	type_line policy apply first.yaml --reason 'my first policy'
	type_line block 198.51.100.0/24 --dry-run
	type_line block 198.51.100.7/24
	type_line block 198.51.100.0/24 --ttl 33m --reason 'a scanner'
	type_line source 198.51.100.7
	type_line unblock 198.51.100.7
	type_line unblock 198.51.100.0/24
	type_line source 198.51.100.7
	type_line policy rollback
	type_line status -o xml
}

policy <<-YAML
	apiVersion: weir/v1
	mode: monitor
	limits:
	  - {name: all, scope: source, rate: 100/s}
YAML
cat >"$LAB_DIR/first.yaml" <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits:
	  - {name: all, scope: source, rate: 1k/s, burst: 2k}
YAML
chmod 600 "$LAB_DIR/first.yaml"
sed 's/1k/fast/; s/burst/brust/' "$LAB_DIR/first.yaml" >"$LAB_DIR/wrong.yaml"
chmod 600 "$LAB_DIR/wrong.yaml"
start_weir
session | mask >"$LAB_DIR/transcript"
[[ ! ${NEWCOMER_WRITE:-} ]] || cp "$LAB_DIR/transcript" "$TRANSCRIPT"
check 'a first session goes as the transcript has it' diff -u "$TRANSCRIPT" "$LAB_DIR/transcript"
check 'it is in the audit log, what was refused included' has_record '.event_type == "list.add" and
	.resource.id == "198.51.100.0/24" and .details.reason == "a scanner"'
check 'and what was only tried is not' test 1 = "$(records '.event_type == "list.add"' | wc -l)"
finish
