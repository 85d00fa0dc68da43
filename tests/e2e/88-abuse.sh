#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Users who have no role and want to be in the way of the API: many connections, slow ones, endless bodies, requests that
# can be read in two ways, clients that die. Who has a role is answered all the while, and memory does not grow.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

daemon_with_groups() {
	{
		grep -v '^weir' /etc/group
		echo weir-viewer:x:61203:
	} >"$LAB_DIR/group"
	export ROLES='{"viewer": 61203}'
	# shellcheck disable=SC2016,SC2034 # of the inner shell; for lib.sh
	WEIR_INSIDE=(unshare --mount --propagation private sh -c
		'mount --bind "$0" /etc/group && exec "$@"' "$LAB_DIR/group")
}

resident_kib() {
	awk '/^VmHWM/ { print $2 }' "/proc/$WEIR_PID/status"
}

if ! command -v node >/dev/null; then
	skip 'nobody stands in the way of others' 'needs node'
	finish
elif ! ulimit -n 20000 2>/dev/null; then
	skip 'nobody stands in the way of others' 'needs 20,000 open files'
	finish
fi
policy <<-YAML
	apiVersion: weir/v1
	mode: enforce
	limits:
	  - {name: host, scope: global, rate: 1M/s}
YAML
daemon_with_groups
start_weir
before=$(resident_kib)
subtests abuse.mjs timeout 300 node tests/api/abuse.mjs
after=$(resident_kib)
echo "# memory at most: $before KiB before, $after KiB after"
# A build with sanitizers keeps 256 MiB of what was freed.
allowed=100000
[[ $WEIR != */san/* ]] || allowed=400000
check 'bodies of 1 GiB are not kept in memory' test $((after - before)) -lt $allowed
check 'the daemon says that it refused connections, once a minute' \
	test "$(grep -c 'connections were refused' "$LAB_DIR/daemon.log")" -le 4 -a \
	"$(grep -c 'connections were refused' "$LAB_DIR/daemon.log")" -ge 1
finish
