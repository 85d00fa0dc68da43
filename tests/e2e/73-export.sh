#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Records leave: in files that others can read, and to a collector that is killed and comes back. None is missing there.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly MODULES=$PWD/build/npm # as in 15-language.sh
readonly PORT=6514
COLLECTOR=

install_modules() {
	[[ -d $MODULES/node_modules/ajv-formats ]] && return
	mkdir -p "$MODULES"
	echo '{"private": true}' >"$MODULES/package.json"
	(cd "$MODULES" && timeout 120 npm install --no-audit --no-fund --silent ajv@8 ajv-formats@3 yaml@2) \
		>"$LAB_DIR/npm" 2>&1
}

# collect - start the collector in the host of the lab; it appends to $LAB_DIR/indexes.
collect() {
	lab_spawn host node tests/e2e/collector.js tcp "$PORT" "$LAB_DIR/indexes" >/dev/null 2>&1
	COLLECTOR=$LAB_PID
}

# config MODE - a policy that sends on, in syslog by TCP and in CEF to a file.
config() {
	policy <<-YAML
		apiVersion: weir/v1
		mode: $1
		limits: [{name: per-source, scope: source, rate: 10/s, burst: 10}]
		audit:
		  export:
		    - {name: siem, format: syslog, to: "tcp://127.0.0.1:$PORT"}
		    - {name: file, format: cef, to: "file:$LAB_DIR/audit.cef", categories: [lists, policy]}
	YAML
}

records() {
	status .audit.records
}

export_is() { # NAME JQ-CONDITION
	status ".audit.exports[] | select(.name == \"$1\") | $2" | grep -qx true
}

# The collector has every record from the first to the last that there is now.
complete() {
	local last

	last=$(($(records) - 1))
	seq 0 "$last" | diff - <(sort -nu "$LAB_DIR/indexes" | head -n $((last + 1))) &&
		! grep bad "$LAB_DIR/indexes"
}

make_records() { # COUNT
	local i

	for ((i = 0; i < $1; i++)); do
		weir block 203.0.113.7 --reason "a reason | with = all \\ ] \" of it $i" >/dev/null
		weir unblock 203.0.113.7 >/dev/null
	done
}

lines() {
	zcat -f "$1" | wc -l
}

if ! command -v node npm >/dev/null; then
	skip 'records leave' 'the collector needs node and npm'
	finish
fi
config enforce
collect
start_weir
make_records 5
# An export has the checkpoint that there is.
wait_for 10 weir audit checkpoint >/dev/null 2>&1

export_whole() { # FORMAT
	local out=$LAB_DIR/out.$1

	weir audit export "$out" --format "$1" --gzip >/dev/null
	[[ $(sha256sum <"$out" | cut -d' ' -f1) == $(jq -r .sha256 "$out.manifest.json") ]] &&
		zcat "$out" >/dev/null && jq -e '.first.index == 0 and .records > 10 and
			.who.username == "root" and (.checkpoint | test("audit|/"))' "$out.manifest.json"
}

for format in json ndjson csv cef leef ocsf ecs otlp syslog; do
	check "$format: a whole file, and a manifest that fits it" export_whole "$format"
done
check 'an array of JSON has as many records as its manifest says' test \
	"$(zcat "$LAB_DIR/out.json" | jq length)" == "$(jq .records "$LAB_DIR/out.json.manifest.json")"
check 'an existing file is not overwritten' exits 1 weir audit export "$LAB_DIR/out.json"
check 'an export is a record' grep -q audit.exported <<<"$(weir audit tail -o json)"
check 'a filter holds' test "$(weir audit export --type 'list.*' | jq -r .event_type | sort -u | xargs)" \
	== 'list.add list.remove'
check 'filters are those of a search' test "$(weir audit export --type 'list.*' --text 203.0.113 --actor "$(id -un)" | jq -c .index | xargs)" = \
	"$(weir audit search --oldest --limit 1000 --type 'list.*' --text 203.0.113 --actor "$(id -un)" -o json | jq -c '.events[].index' | xargs)"
check 'and find what is sealed' test "$(weir audit export --address 203.0.113.7 | wc -l)" -ge 2
# Not in all categories: the search is itself a record that has the address.
check 'of the files, too' test "$(weir audit export --dir "$STATE/audit" --category lists --address 203.0.113.0/24 | wc -l)" = \
	"$(weir audit search --limit 1000 --category lists --address 203.0.113.0/24 -o json | jq '.events | length')"
check 'an address that was asked for is sealed in the record of it' refuse grep -q '"address":"203' \
	<<<"$(weir audit export --address 203.0.113.0/24 >/dev/null; weir audit tail -n 5 --sealed -o json)"
check 'a filter that is none is refused' exits 2 weir audit export --category nonsense
check 'the files are read without the daemon' test \
	"$(weir audit export --dir "$STATE/audit" --type system.start | wc -l)" == 1
check 'the API streams the same bytes' cmp \
	<(curl -s --unix-socket "$WEIR_SOCKET" 'http://weir/v1/audit/export?format=cef&type=list.*') \
	<(weir audit export --format cef --type 'list.*')
check 'a format that is none is a problem' grep -q export.format \
	<<<"$(curl -s --unix-socket "$WEIR_SOCKET" 'http://weir/v1/audit/export?format=x')"

interrupted() {
	(
		ulimit -f 1
		trap '' XFSZ
		! weir audit export "$LAB_DIR/cut" --format ocsf 2>/dev/null
	) && ! compgen -G "$LAB_DIR/cut*"
}
check 'an export that fails leaves nothing' interrupted

if install_modules; then
	WEIR_OCSF=$LAB_DIR/ocsf timeout 60 build/tests/unit/test_audit_export >/dev/null 2>&1 || true
	zcat "$LAB_DIR/out.ocsf" >>"$LAB_DIR/ocsf"
	NODE_PATH=$MODULES/node_modules check 'OCSF holds to the schema, whatever the event' timeout 60 \
		node tests/e2e/ocsf.js tests/data/ocsf-1.3.0.json "$LAB_DIR/ocsf"
else
	skip 'OCSF holds to the schema' 'npm cannot install ajv'
fi

check 'the collector has every record' wait_for 10 complete
check 'the file has the records of its categories' wait_for 10 test -s "$LAB_DIR/audit.cef"

kill -9 "$COLLECTOR"
make_records 10
check 'a collector that is gone is seen' wait_for 10 export_is siem .failing
check 'and is a record' wait_for 5 grep -q export.failed <<<"$(weir audit tail -n 100 -o json)"
check 'the status says how far it is behind, and why' grep -q '^EXPORT FAILING siem to tcp://127.0.0.1:6514: [1-9][0-9]* records behind: ' \
	<<<"$(weir status)"
check 'and that the other takes records' grep -q "^export file to file:.*: [0-9]* records behind$" <<<"$(weir status)"
check 'so does the doctor' grep -q 'export siem to .* is [1-9][0-9]* records behind' <<<"$(weir doctor || true)"
check 'nothing waits for it' timeout 5 "$WEIR" block 203.0.113.9
collect
check 'it comes back and misses nothing' wait_for 40 complete
check 'and that is a record' wait_for 10 export_is siem '.failing | not'

mv "$LAB_DIR/audit.cef" "$LAB_DIR/audit.cef.1"
make_records 3
check 'a file that is rotated is opened again' wait_for 10 test -s "$LAB_DIR/audit.cef"
rotated() {
	[[ $(cat "$LAB_DIR/audit.cef.1" "$LAB_DIR/audit.cef" | grep -c '|list\.') == \
		$(weir audit export --type 'list.*' | wc -l) ]]
}
check 'and no line is lost or doubled' wait_for 10 rotated

stop_weir
start_weir
make_records 2
check 'a restart goes on where it was' wait_for 10 complete
check 'in the file, too, without doubles' wait_for 10 rotated
# What the threads behind the log do can be watched.
for metric in weir_audit_index_lag_records weir_audit_index_built_total weir_audit_index_errors_total \
	weir_audit_checkpoints_total weir_audit_checkpoint_failing weir_vault_works weir_vault_subjects \
	weir_vault_sealed_total weir_vault_refused_total; do
	check "$metric is a metric" grep -q "^$metric [0-9]" <<<"$(weir metrics)"
done
check 'the lag is a metric' grep -q 'weir_audit_export_lag_records{export="siem"}' <<<"$(weir metrics)"

bad_target() {
	sed 's,tcp://127.0.0.1,tcp://siem.example,' "$LAB_DIR/policy.yaml" >"$LAB_DIR/bad.yaml"
	weir policy check "$LAB_DIR/bad.yaml"
}
check 'a target by name is refused' exits 1 bad_target

kill "$COLLECTOR"
stop_weir
finish
