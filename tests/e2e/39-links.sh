#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The life of interfaces: down and up, renamed, moved, deleted and made again, taken by somebody else. An
# interface that exists is protected within a second, how long it was not is measured and recorded, and
# nothing of others is touched. Several interfaces share one policy, all or none of them; and pins or
# links that somebody removes are noticed and restored.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root

readonly BLOCKED=198.18.66.6

write_policy() {
	policy <<-YAML
		apiVersion: weir/v1
		mode: enforce
		lists:
		  block: {entries: [$BLOCKED]}
		limits:
		  - {name: all, scope: source, rate: 100/s, burst: 1000}
	YAML
}

# link_is NAME FILTER - of an interface, as the status has it.
link_is() {
	weir status -o json | jq -e --arg n "$1" ".interfaces[] | select(.name == \$n) | $2"
}

metric() { # NAME IFACE
	weir metrics | awk -v s="$1{iface=\"$2\"}" '$1 == s { print $2 }'
}

runs_ours() { # IFACE
	[[ $(lab_host ip -j link show "$1" | jq -r '.[0].xdp.prog.name') == weir_ingress ]]
}

enforcing() {
	(($(echoes_from "$BLOCKED") == 0 && $(echoes_from "198.18.9.$((RANDOM % 250))") == 10))
}

index_of() { # IFACE
	lab_host ip -j link show "$1" | jq '.[0].ifindex'
}

# last_record EVENT FILTER
last_record() {
	records ".event_type == \"$1\"" | tail -n 1 | jq -e "$2"
}

recorded() { # EVENT FILTER
	wait_for 5 last_record "$1" "$2" >/dev/null
}

adopted() { # INTERFACE...
	local last

	last=$(records '.event_type == "system.adopt"' 20 | tail -n "$#" | jq -r .resource.id)
	[[ $(sort <<<"$last") == $(printf '%s\n' "$@" | sort) ]]
}

# ms_until COMMAND... - how long it takes to become true, in ms: MS.
ms_until() {
	local began

	began=$(date +%s%N)
	wait_for 5 "$@" >/dev/null || return 1
	MS=$((($(date +%s%N) - began) / 1000000))
}

within_a_second() {
	echo "it took $MS ms"
	((MS < 1000))
}

# readdress - addresses, routes and neighbours once more, after what an interface lost.
readdress() {
	ip -n "$LAB_CLIENT" addr flush dev "$LAB_IF_CLIENT"
	ip -n "$LAB_CLIENT" neigh flush nud permanent dev "$LAB_IF_CLIENT"
	ip -n "$LAB_CLIENT" route del local "$LAB_NET4" dev lo table local
	ip -n "$LAB_CLIENT" route del local "$LAB_NET6" dev lo table local
	ip -n "$LAB_CLIENT" route flush table local dev "$LAB_IF_CLIENT"
	ip -n "$LAB_CLIENT" -6 route flush table local dev "$LAB_IF_CLIENT"
	ip -n "$LAB_HOST" addr flush dev "$LAB_IF_HOST"
	ip -n "$LAB_HOST" neigh flush nud permanent dev "$LAB_IF_HOST"
	ip -n "$LAB_HOST" route flush dev "$LAB_IF_HOST"
	ip -n "$LAB_HOST" -6 route flush dev "$LAB_IF_HOST"
	lab_addresses
}

down_and_up() {
	lab_host ip link set "$LAB_IF_HOST" down
	lab_host ip link set "$LAB_IF_HOST" up
	readdress
	check 'an interface that went down and up is protected as before' enforcing
	check 'and was not lost' link_is "$LAB_IF_HOST" '.state == "attached" and .losses == 0'
}

renamed() {
	lab_host ip link set "$LAB_IF_HOST" down
	lab_host ip link set "$LAB_IF_HOST" name wan.7
	lab_host ip link set wan.7 up
	check 'a renamed interface is followed' wait_for 1 link_is wan.7 '.state == "attached"'
	check 'the status says what it was asked for by' link_is wan.7 ".asked == \"$LAB_IF_HOST\""
	check 'the record says both names' recorded system.link_renamed \
		".resource.id == \"$LAB_IF_HOST\" and .details.now == \"wan.7\""
	check 'it has the program' runs_ours wan.7
	lab_host ip link set wan.7 down
	lab_host ip link set wan.7 name "$LAB_IF_HOST"
	lab_host ip link set "$LAB_IF_HOST" up
	check 'and back' wait_for 1 link_is "$LAB_IF_HOST" '.state == "attached"'
	check 'and was never lost' link_is "$LAB_IF_HOST" '.losses == 0 and .gap_seconds == 0'
	readdress
	check 'it enforces all the while' enforcing
}

deleted_and_made_again() {
	local index

	index=$(index_of "$LAB_IF_HOST")
	lab_client ip link del "$LAB_IF_CLIENT"
	check 'a deleted interface is missed' wait_for 1 link_is "$LAB_IF_HOST" '.state == "absent"'
	check 'the record says so' recorded system.link_lost \
		".resource.id == \"$LAB_IF_HOST\" and (.details.cause | test(\"deleted\"))"
	check 'so does the metric' test "$(metric weir_link_attached "$LAB_IF_HOST")" = 0
	check 'so does weir status' grep -q "INTERFACE $LAB_IF_HOST is gone" <<<"$(weir status)"
	# Another NIC gets its index, which is all that it has of it.
	lab_host ip link add other0 index "$index" type veth peer name other1
	sleep 0.6
	check 'another interface with the same index is left alone' refuse runs_ours other0
	check 'and does not pass for it' link_is "$LAB_IF_HOST" '.state == "absent"'
	lab_host ip link del other0

	lab_link
	ms_until runs_ours "$LAB_IF_HOST"
	check 'made again, it is protected within a second' within_a_second
	check 'the record says when it was gone, back and protected, and how long it was not' recorded \
		system.link_restored '(.details.gap_ms | tonumber) < 1000 and
			.details.lost_at <= .details.back_at and
			.details.back_at <= .details.attached_at'
	check 'the status says how often it was lost' link_is "$LAB_IF_HOST" \
		'.state == "attached" and .losses == 1 and .gap_seconds < 1'
	check 'the metrics say so' test "$(metric weir_link_attached "$LAB_IF_HOST"):$(
		metric weir_link_losses_total "$LAB_IF_HOST")" = 1:1
	readdress
	check 'it enforces' enforcing
}

# With what is enforced while it exists: no packet gets through an interface that is protected.
made_again_under_fire() {
	local before sent

	lab_client ip link del "$LAB_IF_CLIENT"
	lab_link
	ms_until runs_ours "$LAB_IF_HOST"
	readdress
	before=$(stack_packets)
	sent=$(flood --to "$LAB_HOST4:9" --base "$BLOCKED" --packets 100000 | jq .sent)
	check "of $sent packets that a blocked source sends then, none reaches the stack" \
		test "$sent:$(($(stack_packets) - before))" = 100000:0
}

moved() {
	local index

	ip netns add "weir-$LAB-else"
	lab_host ip link set "$LAB_IF_HOST" netns "weir-$LAB-else"
	check 'an interface that moves to another namespace is missed' wait_for 1 link_is \
		"$LAB_IF_HOST" '.state == "away"'
	check 'the record says where it went' recorded system.link_lost \
		'.details.cause | test("moved")'
	check 'it is protected where it is' test "$(ip -n "weir-$LAB-else" -j link show \
		"$LAB_IF_HOST" | jq -r '.[0].xdp.prog.name')" = weir_ingress
	ip -n "weir-$LAB-else" link set "$LAB_IF_HOST" netns "$LAB_HOST"
	check 'back again, it is as it was' wait_for 1 link_is "$LAB_IF_HOST" \
		'.state == "attached" and .gap_seconds < 1'

	index=$(index_of "$LAB_IF_HOST")
	lab_host ip link set "$LAB_IF_HOST" netns "weir-$LAB-else"
	stop_weir KILL || true
	lab_host ip link add "$LAB_IF_HOST" index "$index" type veth peer name other1
	check 'a link elsewhere does not pass for one on the interface with its name and index here' \
		fail_to_start
	check 'it is named' grep -q 'another network namespace' "$LAB_DIR/refusal"
	lab_host ip link del "$LAB_IF_HOST"
	start_weir --wait-for-iface
	ip -n "weir-$LAB-else" link set "$LAB_IF_HOST" netns "$LAB_HOST"
	check 'a daemon that waits takes it over when it is back' wait_for 1 link_is \
		"$LAB_IF_HOST" '.state == "attached"'
	ip netns del "weir-$LAB-else"
	lab_end "$LAB_HOST" "$LAB_IF_HOST"
	readdress
	check 'and enforces' enforcing
}

# Somebody has his own program in the place before the daemon sees the interface.
taken() {
	bpftool prog load build/tests/lib/reference.bpf.o "$LAB_BPFFS-foreign" type xdp
	kill -STOP "$WEIR_PID"
	lab_client ip link del "$LAB_IF_CLIENT"
	lab_link
	lab_host bpftool net attach xdpdrv pinned "$LAB_BPFFS-foreign" dev "$LAB_IF_HOST"
	kill -CONT "$WEIR_PID"
	check "an interface that somebody else's program has taken is refused" wait_for 2 link_is \
		"$LAB_IF_HOST" '.state == "refused" and (.error | test("left alone"))'
	check 'the program is left alone' test "$(lab_host ip -j link show "$LAB_IF_HOST" |
		jq '.[0].xdp.prog.id')" = "$(bpftool -j prog show pinned "$LAB_BPFFS-foreign" | jq .id)"
	check 'the record says so' recorded system.link_refused \
		'.outcome == "failure" and .details.code == "datapath.foreign"'
	check 'so does weir status, loudly' grep -q "INTERFACE $LAB_IF_HOST IS NOT PROTECTED" \
		<<<"$(weir status)"
	sleep 2
	check 'it is said once, not with each attempt' test \
		"$(records '.event_type == "system.link_refused"' | wc -l)" = 1
	lab_host bpftool net detach xdpdrv dev "$LAB_IF_HOST"
	ms_until runs_ours "$LAB_IF_HOST"
	check 'once the place is free, it is protected within a second' within_a_second
	check 'and the gap is what it was' recorded system.link_restored \
		'(.details.gap_ms | tonumber) > 1500'
	rm -f "$LAB_BPFFS-foreign"
	readdress
}

detached_by_force() {
	local link

	link=("$LAB_BPFFS"/link_*)
	bpftool link detach pinned "${link[0]}"
	ms_until runs_ours "$LAB_IF_HOST"
	check 'a link that somebody detaches is made again within a second' within_a_second
	check 'the record says who was not asked' recorded system.link_restored \
		'.details.cause | test("somebody else")'
	check 'it enforces' enforcing
}

pins_are_complete() {
	local name

	for name in weir_meta v*/weir_config v*/weir_cells v*/weir_cpu v*/program link_*; do
		compgen -G "$LAB_BPFFS/$name" >/dev/null || return 1
	done
}

pins_removed() {
	rm "$LAB_BPFFS"/link_* "$LAB_BPFFS"/v*/weir_config
	ms_until pins_are_complete
	check 'pins that somebody removes are restored within a second' within_a_second
	check 'the record says so' recorded system.pins_lost '.details.missing == 2 or
		.details.missing == "2"'
	rm -r "$LAB_BPFFS"
	ms_until pins_are_complete
	check 'so is all of them' within_a_second
	stop_weir KILL || true
	check 'and then enforcement outlives the daemon as ever' enforcing
	start_weir
	check 'and the next daemon adopts' last_record system.adopt true
}

# A bpffs of its own, which can be taken away.
bpffs_trouble() {
	weir detach >/dev/null
	wait "$WEIR_PID" || true
	mkdir "$LAB_DIR/bpf"
	# shellcheck disable=SC2016 # of the inner shell
	lab_spawn host unshare --mount --propagation private sh -c \
		'mount -t bpf bpf "$0" && exec sleep infinity' "$LAB_DIR/bpf"
	HOLDER=$LAB_PID
	wait_for 5 eval "grep -q ' $LAB_DIR/bpf bpf ' /proc/$HOLDER/mounts"
	WEIR_INSIDE=(nsenter "--mount=/proc/$HOLDER/ns/mnt" --)
	"${WEIR_INSIDE[@]}" mount -o remount,ro "$LAB_DIR/bpf"
	check 'a bpffs that cannot be written to: refused' fail_to_start --bpffs "$LAB_DIR/bpf/weir"
	check 'a bpffs that cannot be written to: named' grep -q 'Read-only' "$LAB_DIR/refusal"
	"${WEIR_INSIDE[@]}" mount -o remount,rw "$LAB_DIR/bpf"
	start_weir --bpffs "$LAB_DIR/bpf/weir"
	# shellcheck disable=SC2016 # of the inner shell
	"${WEIR_INSIDE[@]}" sh -c 'rm "$0"/weir/link_* && mount -o remount,ro "$0"' "$LAB_DIR/bpf"
	check 'pins that cannot be restored are told of' wait_for 3 status_says 'PINS LOST'
	check 'and recorded as failure' recorded system.pins_lost '.outcome == "failure"'
	check 'enforcement goes on' enforcing
	"${WEIR_INSIDE[@]}" mount -o remount,rw "$LAB_DIR/bpf"
	check 'and they are restored once they can be' wait_for 3 refuse status_says 'PINS LOST'
	weir detach >/dev/null
	wait "$WEIR_PID" || true
	kill "$HOLDER"
	# shellcheck disable=SC2034 # for lib.sh
	WEIR_INSIDE=()
}

status_says() {
	weir status | grep -q "$1"
}

pair() { # IFACE
	lab_host ip link add "$1" type veth peer name "$1p"
	lab_host ip link set "$1" up
	lab_host ip link set "$1p" up
}

not_there_yet() {
	fail_to_start --iface later0 >/dev/null
	check 'an interface that is not there is refused' grep -q "no interface 'later0'" \
		"$LAB_DIR/refusal"
	start_weir --iface later0 --wait-for-iface
	check 'unless it is to be waited for' link_is later0 '.state == "absent"'
	pair later0
	ms_until runs_ours later0
	check 'it is protected within a second of being there' within_a_second
	weir detach >/dev/null
	wait "$WEIR_PID" || true
	lab_host ip link del later0
}

several() {
	local i

	pair two0
	pair three.0
	bpftool prog load build/tests/lib/reference.bpf.o "$LAB_BPFFS-foreign" type xdp
	lab_host bpftool net attach xdpdrv pinned "$LAB_BPFFS-foreign" dev three.0
	check 'if one of several interfaces cannot be attached to, none is' fail_to_start \
		--iface "$LAB_IF_HOST,two0" --iface three.0
	check 'the others are as they were' refuse runs_ours two0
	check 'and nothing is pinned' test ! -e "$LAB_BPFFS"
	lab_host bpftool net detach xdpdrv dev three.0
	rm -f "$LAB_BPFFS-foreign"
	check 'more than 16 are refused' exits 2 "$WEIR" daemon --policy "$LAB_DIR/policy.yaml" \
		--iface "$(seq -s, 17)"
	check 'and one that is given twice' exits 2 "$WEIR" daemon --policy "$LAB_DIR/policy.yaml" \
		--iface a,b --iface a

	start_weir --iface "$LAB_IF_HOST,two0" --iface three.0
	for i in "$LAB_IF_HOST" two0 three.0; do
		check "$i has the program" runs_ours "$i"
		check "$i has its own link" test -e "$LAB_BPFFS/link_$(index_of "$i")"
		check "$i has its line in the metrics" test "$(metric weir_link_attached "$i")" = 1
	done
	check 'the policy holds on them' enforcing
	stop_weir KILL || true
	start_weir --iface "$LAB_IF_HOST,two0,three.0"
	check 'the next daemon adopts each of them' wait_for 5 adopted "$LAB_IF_HOST" two0 three.0
	lab_host ip link del two0
	check 'one that is deleted is missed' wait_for 1 link_is two0 '.state == "absent"'
	check 'and the others are not' link_is three.0 '.state == "attached"'
	check 'the whole counts as unprotected' test "$(status .attached)" = none
	pair two0
	ms_until runs_ours two0
	check 'and it is back within a second' within_a_second
	check 'one of them can be detached' weir detach --iface three.0
	check 'it has no program any more' refuse runs_ours three.0
	check 'the others do' runs_ours two0
	check 'one that is not ours cannot' exits 3 weir detach --iface three.0
	stop_weir
	check 'fewer interfaces than are attached: refused' fail_to_start --iface two0
	check 'one can be detached without a daemon' lab_host "$WEIR" detach --iface two0 \
		--bpffs "$LAB_BPFFS" --state-dir "$LAB_DIR/state"
	check 'the other goes on' enforcing
	check 'and the last one, with all pins' lab_host "$WEIR" detach --iface "$LAB_IF_HOST" \
		--bpffs "$LAB_BPFFS" --state-dir "$LAB_DIR/state"
	check 'nothing is left' test ! -e "$LAB_BPFFS"
	lab_host ip link del two0
	lab_host ip link del three.0
}

MS=0
write_policy
start_weir
down_and_up
renamed
deleted_and_made_again
made_again_under_fire
moved
taken
detached_by_force
pins_removed
bpffs_trouble
not_there_yet
several
check 'the chain verifies after all of that' verify
finish
