# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What else a Linux host can drop packets with, set up to be as fast as it can: scripts/bench.sh
# measures it beside weir. judge_X makes X drop what arrives at the host of the current lab; where that
# cannot be had, it returns 1 and its last words on stderr are why. dropped_X prints how many packets
# X has dropped by its own account, because one that was not judged must not count.
#
# Lists hold N addresses, all of which send. Limits are one packet per source and day with room for N
# sources (nft lets pass what it has no room for), so all but the first packet of each are over. What
# a peer would spend time on without being asked for is kept away: growing tables, garbage collection.

readonly PEER_TABLE=bench

peer_needs() {
	command -v "$1" >/dev/null && return 0
	echo "$1 is not installed" >&2
	return 1
}

# peer_list N STEP FORMAT - N addresses from 10.0.0.0 on, STEP apart.
peer_list() {
	awk -v n="$1" -v step="$2" -v format="$3\n" 'BEGIN {
		for (a = 0; a < n * step; a += step)
			printf format, int(a / 65536), int(a / 256) % 256, a % 256
	}'
}

# peer_nft SET RULE - a table with one set, its elements from stdin, and one rule at the earliest hook
# there is, the ingress of the interface.
peer_nft() {
	peer_needs nft || return 1
	{
		echo "table netdev $PEER_TABLE {"
		echo "set sources { type ipv4_addr; $1; }"
		echo "chain ingress {"
		echo "type filter hook ingress device \"$LAB_IF_HOST\" priority -500;"
		echo "$2 counter drop"
		echo "}"
		echo "}"
	} | lab_host nft -f - || return 1
	{
		echo "add element netdev $PEER_TABLE sources {"
		cat
		echo "}"
	} >"$LAB_DIR/elements"
	[[ $(wc -l <"$LAB_DIR/elements") == 2 ]] || lab_host nft -f "$LAB_DIR/elements"
}

# The terse ruleset is all that nft lists without asking for every element of the set.
peer_nft_dropped() {
	lab_host nft -t -j list ruleset | jq '[.. | .counter? // empty | .packets] | add'
}

# A size makes it a hash table of fixed size, which is the quickest kind for exact addresses.
judge_nft_set() {
	peer_list "$1" 1 '10.%d.%d.%d,' | peer_nft "size $1" 'ip saddr @sources'
}

dropped_nft_set() {
	peer_nft_dropped
}

# Every fourth address begins a range of two: neighbours would be merged.
judge_nft_interval() {
	peer_list "$1" 4 '10.%d.%d.%d/31,' |
		peer_nft "flags interval; size $1" 'ip saddr @sources'
}

dropped_nft_interval() {
	peer_nft_dropped
}

judge_nft_limit() {
	peer_nft "flags dynamic, timeout; timeout 1d; gc-interval 1d; size $1" \
		'update @sources { ip saddr limit rate over 1/day burst 1 packets }' </dev/null
}

dropped_nft_limit() {
	peer_nft_dropped
}

# peer_iptables RULE... - the kernel's own tables first; nft's translation where there are none.
peer_iptables() {
	local tool

	for tool in iptables-legacy iptables-nft; do
		peer_needs "$tool" || continue
		lab_host "$tool" -t raw -A PREROUTING -i "$LAB_IF_HOST" "$@" -j DROP || continue
		echo "$tool" >"$LAB_DIR/iptables"
		return 0
	done
	return 1
}

peer_iptables_dropped() {
	lab_host "$(cat "$LAB_DIR/iptables")" -t raw -L PREROUTING -nvx 2>/dev/null |
		awk '$3 == "DROP" { print $1 }'
}

judge_hashlimit() {
	peer_iptables -m hashlimit --hashlimit-name $PEER_TABLE --hashlimit-mode srcip \
		--hashlimit-above 1/day --hashlimit-burst 1 \
		--hashlimit-htable-size "$1" --hashlimit-htable-max "$1" \
		--hashlimit-htable-expire 86400000 --hashlimit-htable-gcinterval 86400000
}

dropped_hashlimit() {
	peer_iptables_dropped
}

judge_ipset() {
	peer_needs ipset || return 1
	{
		echo "create $PEER_TABLE hash:ip hashsize $1 maxelem $1"
		peer_list "$1" 1 "add $PEER_TABLE 10.%d.%d.%d"
	} | lab_host ipset restore || return 1
	peer_iptables -m set --match-set $PEER_TABLE src
}

dropped_ipset() {
	peer_iptables_dropped
}

# xdp-filter does without libxdp's dispatcher where the kernel refuses that, and is the quicker for it.
# Its maps are pinned at a fixed place: a bpffs of its own keeps them apart from those of an xdp-filter
# that protects this machine. It takes one address per call, so what it wrote for the first is copied
# for the others.
judge_xdp_filter() {
	local map

	peer_needs xdp-filter || return 1
	# shellcheck disable=SC2016 # the inner shell's own
	unshare --mount --propagation private bash -ec '
		mount -t bpf bpf /sys/fs/bpf
		in_host=(nsenter --net="/run/netns/$1" --)
		"${in_host[@]}" xdp-filter load --mode native --policy allow --features ipv4 "$2"
		"${in_host[@]}" xdp-filter ip --mode src 10.0.0.0
	' - "$LAB_HOST" "$LAB_IF_HOST" || return 1
	map=$(peer_xdp_map filter_ipv4) && [[ -n $map ]] || return 1
	peer_list "$1" 1 "map update id $map key 10 %d %d %d value $(
		bpftool -j map dump id "$map" | jq -r '.[0].values[0].value | join(" ")'
	)" >"$LAB_DIR/addresses" && bpftool batch file "$LAB_DIR/addresses" >/dev/null
}

# peer_xdp_map NAME - its id, among those of the program on the host's interface.
peer_xdp_map() {
	local id

	id=$(ip -n "$LAB_HOST" -j link show "$LAB_IF_HOST" | jq '.[0].xdp.prog.id')
	for id in $(bpftool -j prog show id "$id" | jq '.map_ids[]'); do
		bpftool -j map show id "$id" | jq --arg name "$1" 'select(.name == $name) | .id'
	done
}

# Two 64-bit words per CPU at the verdict's number; the first is packets.
dropped_xdp_filter() {
	local sum=0 hex

	for hex in $(bpftool -j map lookup id "$(peer_xdp_map xdp_stats_map)" key 1 0 0 0 |
		jq -r '.values[].value[:8] | reverse | map(.[2:]) | join("")'); do
		((sum += 16#$hex)) || true
	done
	echo "$sum"
}
