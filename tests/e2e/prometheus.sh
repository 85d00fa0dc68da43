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

# policy_of_everything LIMIT... - something of everything that has metrics of its own, and these limits.
policy_of_everything() {
	echo 198.51.100.9 >"$LAB_DIR/feed.txt"
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		metrics: {top_sources: 5, timing: 1/4}
		safety: {watchdog: {drop_ratio: 100%}}
		flags: {strict: {enabled: true}}
		lists:
		  block:
		    entries: [198.18.5.0/24]
		    feeds: [{name: feed, file: $LAB_DIR/feed.txt}]
		services:
		  echo: {proto: icmp}
		limits:
		$(printf '  - %s\n' "$@")
		  - {name: open, scope: source, open_connections: 10}
		  - {name: load, scope: source, service: echo, rate: 1k/s, adaptive: {target: {posted: 10}, min: 10%, max: 100%, increase: 5%, decrease: 50%, interval: 1s}}
		  - {name: all, scope: global, rate: 100k/s, burst: 200k}
		tenants:
		  acme: {dst: $LAB_HOST4, quota: {packets: {day: 1G}}}
		audit:
		  export: [{name: siem, format: ndjson, to: "file:$LAB_DIR/export"}]
		otlp: {endpoint: "http://127.0.0.1:4318", spans: [requests, applies], metrics: 1s}
	YAML
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
