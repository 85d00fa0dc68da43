#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The dashboards of scripts/grafana: their rules, and every expression asked of a real Prometheus that scrapes a real daemon under an
# attack. With DASHBOARDS=full (make test-dashboards) also Grafana's own types, and a picture of each in build/dashboards/.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/e2e/prometheus.sh
. tests/e2e/prometheus.sh

readonly MODULES=$PWD/build/grafana PICTURES=$PWD/build/dashboards
readonly PACKAGES='@grafana/schema@11.6.16 @grafana/data@13.2.2 @grafana/ui@13.2.2 react@19 react-dom@19 rxjs@7 esbuild@0.25 typescript@5.7'

# Something of everything, and limits that the attack is over.
attacked_policy() { # BURST
	policy_of_everything "{name: per-source, scope: source, rate: 10/s, burst: $1, flag: strict}" \
		'{name: trial, scope: source, rate: 5/s, burst: 5, shadow: true}'
}

# Who takes all that OpenTelemetry sends, to the end of the lab; what is sent 97-otlp.sh looks at.
start_receiver() {
	lab_spawn host python3 -c 'if True:
		from http.server import BaseHTTPRequestHandler, HTTPServer
		class Receiver(BaseHTTPRequestHandler):
			def do_POST(self):
				self.rfile.read(int(self.headers["Content-Length"]))
				self.send_response(200)
				self.end_headers()
				self.wfile.write(b"{}")
			def log_message(self, *words):
				pass
		HTTPServer(("127.0.0.1", 4318), Receiver).serve_forever()' >"$LAB_DIR/receiver.log" 2>&1
}

start_clients() { # that keep to the limits, to the end of the lab
	lab_spawn client "$FLOOD" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:80" --base 198.18.6.0 --sources 200 --rate 800 \
		--seconds 600 --json >"$LAB_DIR/clients"
}

start_attack() { # to the end of the lab
	lab_spawn client "$FLOOD" --iface "$LAB_IF_CLIENT" --to "$LAB_HOST4:80" --base 198.18.4.0 --sources 100 --rate 5000 \
		--seconds 600 --json >"$LAB_DIR/flood"
}

# So long that rates are what they will be, and that something happened: an attack, a policy that was applied, a request.
seen() {
	local expression

	weir status >/dev/null
	for expression in 'count_over_time(up{job="weir"}[30s]) > 6' 'changes(weir_policy_generation[30s]) > 0' \
		'rate(weir_packets_total{reason="over_packets"}[5s]) > 100' 'sum(rate(weir_api_requests_total[5s])) > 0' \
		'weir_top_source_packets_per_second > 0' 'weir_audit_checkpoint_time_seconds > 0'; do
		has_data "$expression" || {
			echo "$SECONDS s: not yet: $expression"
			return 1
		}
	done
}

queries() {
	if ! command -v prometheus >/dev/null; then
		skip 'what dashboards ask has answers' 'prometheus is not installed'
		return
	fi
	attacked_policy 10
	start_receiver
	start_weir --metrics-listen "$LISTEN"
	start_prometheus
	start_clients
	check 'Prometheus scrapes the daemon' wait_for 20 has_data 'rate(weir_packets_total[5s]) > 0'
	[[ ! ${DASHBOARDS:-} ]] || wait_for 40 has_data 'count_over_time(up[60s]) > 20' # that a picture shows what was before
	start_attack
	attacked_policy 11
	check 'a policy is applied meanwhile' weir policy apply
	check 'and Prometheus sees what dashboards are to show' wait_for 20 seen
	flood --to "$LAB_HOST4:80" --base 198.18.5.0 --sources 10 --packets 1000 >/dev/null
	subtests query.js lab_host timeout 60 node tests/dashboards/query.js "http://$PROMETHEUS"
	[[ ${DASHBOARDS:-} != full ]] || full
}

# Pages of text name commands; those are to be copied, and have to exist.
named_commands() {
	local command

	while read -r command; do
		# shellcheck disable=SC2086 # a word each
		check "weir $command is a command" weir $command --help
	done < <(jq -r '.panels[] | select(.type == "text").options.content' scripts/grafana/dashboards/*.json |
		sed -nE 's/^weir ([a-z]+)( (list|search|tail))?( .*)?$/\1\2/p' | sort -u)
}

have_packages() {
	[[ -d $MODULES/node_modules/@grafana/ui && -d $MODULES/node_modules/typescript ]] && return
	mkdir -p "$MODULES"
	echo '{"private": true}' >"$MODULES/package.json"
	# shellcheck disable=SC2086 # a word each
	(cd "$MODULES" && timeout 400 npm install --no-audit --no-fund --silent $PACKAGES) >"$LAB_DIR/npm" 2>&1
}

# What only make test-dashboards does.
full() {
	if ! have_packages; then
		skip 'types and pictures' 'npm cannot install what they need'
		return
	fi
	export NODE_PATH=$MODULES/node_modules
	subtests types.js timeout 120 node tests/dashboards/types.js "$MODULES/types"
	if ! command -v chromium >/dev/null; then
		skip 'pictures' 'there is no chromium'
		return
	fi
	mkdir -p "$PICTURES"
	check 'Prometheus knows the last minute' wait_for 60 has_data 'count_over_time(up[120s]) > 60'
	subtests render.js lab_host timeout 300 node tests/dashboards/render.js "http://$PROMETHEUS" "$PICTURES"
}

need_root
if ! command -v node >/dev/null; then
	skip 'dashboards' 'needs node'
	finish
fi
subtests lint.js timeout 60 node tests/dashboards/lint.js
named_commands
queries
finish
