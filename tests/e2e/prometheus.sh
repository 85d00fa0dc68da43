#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A real Prometheus in the lab, with the rules of scripts/prometheus, that scrapes the daemon once a second. Source it behind
# lib.sh, and start the daemon with --metrics-listen "$LISTEN".

readonly LISTEN=127.0.0.1:9477 PROMETHEUS=127.0.0.1:9490 RULES=scripts/prometheus

start_prometheus() {
	mkdir "$LAB_DIR/prometheus"
	cp "$RULES"/*.rules.yml "$LAB_DIR/prometheus"
	sed -e 's/15s/1s/' -e "s/127.0.0.1:9477/$LISTEN/" "$RULES/prometheus.yml" >"$LAB_DIR/prometheus/prometheus.yml"
	lab_spawn host prometheus --config.file="$LAB_DIR/prometheus/prometheus.yml" \
		--storage.tsdb.path="$LAB_DIR/prometheus/data" --web.listen-address="$PROMETHEUS" \
		--enable-feature=exemplar-storage >"$LAB_DIR/prometheus/log" 2>&1
}

# ask EXPRESSION - what Prometheus says to it: how many series.
ask() {
	lab_host curl -fsS "http://$PROMETHEUS/api/v1/query" --data-urlencode "query=$1" |
		jq '.data.result | length'
}

# has_data EXPRESSION - it knows something that it is true of.
has_data() {
	(($(ask "$1") > 0))
}
