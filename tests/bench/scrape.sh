#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# How long a scrape takes while a million sources are tracked: scrape/1m, milliseconds from the request to the last byte,
# as Prometheus asks (over TCP, OpenMetrics): the median, the best and the worst of 51. Prints a JSON line; scripts/bench.sh
# runs it.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/lab.sh
. scripts/lab.sh

readonly BUILD=${BUILD:-build} SOURCES=${SOURCES:-1000000} SCRAPES=${SCRAPES:-51} LISTEN=127.0.0.1:9477

((EUID == 0)) || {
	echo 'scrape.sh: needs root' >&2
	exit 1
}
lab_up
trap lab_down EXIT

# A budget that a source does not get back within the time of this: its cell stays busy.
(umask 077 && cat >"$LAB_DIR/policy.yaml") <<YAML
apiVersion: weir/v1
mode: enforce
state: {sources: 4M}
metrics: {top_sources: 10}
limits:
  - {name: per-source, scope: source, rate: 1/h, burst: 2}
  - {name: all, scope: global, rate: 100M/s, burst: 100M}
YAML
lab_spawn host "$BUILD/weir" daemon --iface "$LAB_IF_HOST" --policy "$LAB_DIR/policy.yaml" \
	--socket "$LAB_DIR/weir.sock" --state-dir "$LAB_DIR/state" --bpffs "$LAB_BPFFS" \
	--metrics-listen "$LISTEN" --foreground >"$LAB_DIR/log" 2>&1
for ((i = 0; i < 600; i++)); do
	! "$BUILD/weir" status --socket "$LAB_DIR/weir.sock" >/dev/null 2>&1 || break
	sleep 0.05
done
lab_client "$BUILD/tests/tools/flood" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:9" --base 10.0.0.0 \
	--sources "$SOURCES" --packets "$SOURCES" >/dev/null

scrape() {
	lab_host curl -fsS -o "$LAB_DIR/metrics" -w '%{time_total}\n' \
		-H 'Accept: application/openmetrics-text;version=1.0.0' "http://$LISTEN/metrics"
}

for ((i = 0; i < SCRAPES; i++)); do
	scrape
done | sort -n >"$LAB_DIR/times"
jq -cn --slurpfile times "$LAB_DIR/times" \
	--argjson tracked "$(awk '/^weir_cells_busy_ratio / {ratio = $2} /^weir_sources_max / {sets = $2}
		END {printf "%.0f", ratio * sets * 4}' "$LAB_DIR/metrics")" \
	--argjson series "$(sed -n 's/^weir_metrics_series //p' "$LAB_DIR/metrics")" \
	'def ms: . * 1e6 | round / 1e3;
	 {bench: "scrape/1m", value: ($times[$times | length / 2 | floor] | ms), unit: "ms",
	  best: ($times[0] | ms), worst: ($times[-1] | ms), tracked: $tracked, series: $series}'
