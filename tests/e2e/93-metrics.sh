#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The metrics as Prometheus has them: both formats, the file for node_exporter, how many series there are at most,
# and the rules of scripts/prometheus against a real Prometheus that scrapes this daemon.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/e2e/prometheus.sh
. tests/e2e/prometheus.sh

readonly OPENMETRICS='Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5'
readonly SERIES_MAX=4000

# All limits, tenants with all quotas, feeds and flags that one policy may have. A packet meets 8 limits at most.
policy_at_its_limits() {
	local i

	echo 'apiVersion: weir/v1'
	echo 'mode: enforce'
	echo 'flags:'
	for i in {1..64}; do
		echo "  flag-$i: {enabled: true}"
	done
	echo 'services:'
	for i in {1..57}; do
		echo "  service-$i: {proto: tcp, dport: $((1000 + i))}"
	done
	echo 'limits:'
	for i in {1..57}; do
		echo "  - {name: limit-$i, scope: source, service: service-$i, rate: 1k/s, flag: flag-$i, adaptive: {target: {posted: 10}, min: 10%, max: 100%, increase: 5%, decrease: 50%, interval: 1s}}"
	done
	echo 'tiers:'
	echo '  all: {quota: {packets: {day: 1G, month: 9G}, bytes: {day: 1GB, month: 9GB}, connections: {day: 1G, month: 9G}}}'
	echo 'tenants:'
	for i in {0..499}; do
		echo "  tenant-$i: {dst: 10.0.$((i / 256)).$((i % 256)), tier: all}"
	done
	echo 'lists:'
	echo '  block:'
	echo '    feeds:'
	for i in {1..64}; do
		echo "      - {name: feed-$i, file: $LAB_DIR/feed.txt}"
	done
}

# Not at once: of what comes within a quarter of a second the sample has the last packets only.
traffic() {
	flood --to "$LAB_HOST4:80" --base 198.18.4.0 --sources 100 --packets 20000 --rate 10000 >/dev/null
	flood --to "$LAB_HOST4:80" --base 198.18.5.0 --sources 10 --packets 1000 --rate 2000 >/dev/null
	weir status >/dev/null
}

scrape() { # [HEADER]
	curl -fsS --unix-socket "$WEIR_SOCKET" ${1:+-H "$1"} http://weir/v1/metrics
}

# They are found anew every ten seconds.
has_busiest() {
	weir metrics | grep '^weir_top_source_packets_per_second{network="198.18.4.0/24"} [1-9]'
}

formats() {
	weir metrics >"$LAB_DIR/text"
	curl -sS --unix-socket "$WEIR_SOCKET" -o /dev/null \
		-H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' \
		http://weir/v1/nothing
	scrape "$OPENMETRICS" >"$LAB_DIR/openmetrics"
	check 'who prefers OpenMetrics gets it' test "$(tail -n 1 "$LAB_DIR/openmetrics")" = '# EOF'
	check 'others get text' refuse grep -q '# EOF' "$LAB_DIR/text"
	check 'a refused request is an exemplar with its trace' grep -q \
		'code="404"} 1 # {request_id=.*trace_id="0af7651916cd43dd8448eb211c80319c"}' "$LAB_DIR/openmetrics"
	check 'no label holds an address, but for networks where the policy asks for them' refuse \
		grep -vE '^weir_top_source|^#' <(grep -E '[0-9]+(\.[0-9]+){3}' "$LAB_DIR/openmetrics")
	check 'quotas are told with what is used' grep -q \
		'^weir_tenant_quota_used{tenant="acme",unit="packets",period="day"} [1-9]' "$LAB_DIR/text"
	check 'so are the networks that send most' wait_for 20 has_busiest
	check 'and what the stages of the program take' test "$(
		sed -n 's/^weir_packet_stage_duration_seconds_count{stage="network"} //p' "$LAB_DIR/text"
	)" -gt 1000
	check 'in weir status -o wide, too' grep -qE '^limits +[0-9]+ +[1-9]' <(weir status -o wide)
	check 'who asks for both in words that say nothing gets text' refuse \
		grep -q '# EOF' <(scrape 'Accept: application/openmetrics-text;q=0, ;;;')
}

textfile() {
	check 'weir metrics --textfile writes a file' weir metrics --textfile "$LAB_DIR/weir.prom"
	check 'that anybody may read' test "$(stat -c %a "$LAB_DIR/weir.prom")" = 644
	check 'it has the metrics' grep -q '^weir_build_info' "$LAB_DIR/weir.prom"
	check 'and leaves nothing beside it' test "$(find "$LAB_DIR" -name 'weir.prom?*' | wc -l)" = 0
	check 'a name that node_exporter does not read is refused: 2' \
		exits 2 weir metrics --textfile "$LAB_DIR/weir.txt"
	check 'a directory that is not there: 1' exits 1 weir metrics --textfile "$LAB_DIR/none/weir.prom"
}

# Names of metrics in the expressions of the rules, that are no rules themselves.
named_in_rules() {
	jq -r '.data.groups[].rules[].query' <"$LAB_DIR/rules.json" |
		grep -oE '[a-z_:0-9]*weir_[a-z0-9_:]+' | grep -v : | sed 's/_bucket$//' | sort -u
}

exists() { # NAME...
	local name missing=''

	for name; do
		grep -q "^# TYPE $name " "$LAB_DIR/text" || missing+=" $name"
	done
	echo "missing:$missing"
	[[ ! $missing ]]
}

all_healthy() {
	lab_host curl -fsS "http://$PROMETHEUS/api/v1/rules" >"$LAB_DIR/rules.json" &&
		jq -e '[.data.groups[].rules[] | select(.health != "ok")] == []' <"$LAB_DIR/rules.json"
}

recorded() {
	jq -r '.data.groups[].rules[] | select(.type == "recording") | .name' <"$LAB_DIR/rules.json"
}

rules_with_data() {
	local name

	start_prometheus
	traffic
	check 'Prometheus scrapes the daemon' wait_for 20 has_data 'up{job="weir"} == 1'
	traffic
	check 'and keeps what OpenMetrics says' wait_for 5 has_data weir_audit_commit_duration_seconds_created
	weir panic monitor --reason test >/dev/null
	check 'the panic switch is an alert within seconds' wait_for 10 has_data \
		'ALERTS{alertname="WeirPanic", alertstate="firing"}'
	weir panic clear >/dev/null
	check 'all rules can be evaluated' wait_for 10 all_healthy
	# shellcheck disable=SC2046 # a word each
	check 'all metrics that rules ask for are there' exists $(named_in_rules)
	for name in $(recorded); do
		check "$name has data" wait_for 10 has_data "$name"
	done
	check 'of a healthy daemon, no alert but that of the panic switch' test \
		"$(ask 'ALERTS{alertname!="WeirPanic", alertstate="firing"}')" = 0
}

rules() {
	local alert missing=''

	while read -r alert; do
		grep -qx "### $alert" "$RULES/README.md" || missing+=" $alert"
	done < <(sed -n 's/.*alert: //p' "$RULES/alerts.rules.yml")
	check 'each alert has a runbook' test -z "$missing"
	if ! command -v promtool >/dev/null || ! command -v prometheus >/dev/null; then
		skip 'the rules, in Prometheus' 'prometheus is not installed'
		return
	fi
	check 'promtool has nothing to say about the metrics' promtool check metrics <"$LAB_DIR/text"
	check 'nor about the rules' promtool check rules "$RULES"/*.rules.yml
	check 'nor about the configuration' promtool check config --syntax-only "$RULES/prometheus.yml"
	check 'each alert fires when it should, and none where all is well' \
		promtool test rules "$RULES/rules.test.yml"
	rules_with_data
}

bounded() {
	local series

	policy_at_its_limits | policy
	check 'a policy at all its limits is applied' weir policy apply
	weir metrics >"$LAB_DIR/text"
	series=$(grep -vc '^#' "$LAB_DIR/text")
	echo "# $series series of a policy at its limits"
	check "it has less than $SERIES_MAX series" test "$series" -lt "$SERIES_MAX"
	check 'of quotas, 500' test "$(grep -c '^weir_tenant_quota{' "$LAB_DIR/text")" = 500
	check 'and says how many there are' grep -qx 'weir_tenant_quotas 3000' "$LAB_DIR/text"
	check 'weir_metrics_series counts them' test \
		"$(sed -n 's/^weir_metrics_series //p' "$LAB_DIR/text")" = $((series - 2))
}

need_root
policy_of_everything '{name: per-source, scope: source, rate: 100/s, burst: 100, flag: strict}'
start_weir --metrics-listen "$LISTEN"
traffic
formats
textfile
rules
bounded
finish
