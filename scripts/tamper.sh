#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Everything that is done to audit logs, and everything that writers of them die of, at length: minutes instead of
# seconds. LOGS=10000 SEED=1: how many damaged logs weir and the oracle are asked about, for SEED and SEED + 1 each. The
# unit tests are part of `make test`, where they are shorter:
#
#   tamper, files   bits, bytes, frames, records and batches of segments and state
#   matrix          whole segments; the end of another log; bits of checkpoint and tiles
#   forged          an older copy, all written anew without the key, records that seem to have expired or were put back
#   search          rows hidden in an index
#   sealer          what the sealer does not sign
#   crash           batches, headers and files cut where a crash may cut them
#   power           death after every call of writer, recovery, sealer and rotation; power cuts that keep any sectors
#   kill            kill -9 at random points, with sealer and indexer at work
#   beside          the same as power for retention, archives, evidence and indexes
#   ship            kill -9 of a daemon that sends records on
#   vault_crash     the same as power and kill for the vault
#
# What stays in order: the beginning of a batch behind the last commit, which is what a crash leaves; the older slot of
# the state file under a hash that was computed anew, which counts only where the newer one is damaged; what is written
# anew behind all that a checkpoint covers, and behind the last heartbeat.

set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck source=scripts/tap.sh
. scripts/tap.sh
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export WEIR_TORTURE=full

run() { # NAME COMMAND...
	local name=$1 status began=$SECONDS

	shift
	echo "# $(date +%T) $name"
	CMOCKA_MESSAGE_OUTPUT=tap timeout 900 "$@" >"$log" 2>&1
	status=$?
	grep '^#' "$log"
	count_tap "$name" "$status" "$log"
	echo "# $(date +%T) $name took $((SECONDS - began)) s"
}

for name in audit_{tamper,files,matrix,forged,search,sealer,crash,power,kill,beside,ship} vault_crash; do
	run "test_$name" "build/tests/unit/test_$name"
done
for seed in "${SEED:-1}" "$((${SEED:-1} + 1))"; do
	run "agree, seed $seed" tests/tools/agree.py build/tests/tools/mutate_log --count "${LOGS:-10000}" --seed "$seed"
done

tap_summary "$passed" "$failed" "$skipped"
[[ $failed == 0 ]]
