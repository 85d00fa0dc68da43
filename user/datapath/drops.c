/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "datapath/drops.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault_point.h"
#include "bpf/drops.skel.h"

#define NAMES_MAX 1024 /* reasons; a kernel of 2025 has 130 */
#define NAME_SIZE 48

struct name {
	uint32_t reason;
	bool of_reset;
	char text[NAME_SIZE];
};

struct drops {
	struct drops_bpf *skeleton;
	int cpus;
	struct name *names;
	size_t name_count;
};

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* SKB_DROP_REASON_NO_SOCKET is NO_SOCKET; a subsystem's own names stay as they are. */
static void add_name(struct drops *d, const char *text, uint32_t reason, bool of_reset)
{
	static const char *const prefixes[] = {"SKB_DROP_REASON_", "SK_RST_REASON_", "SKB_"};
	struct name *name = &d->names[d->name_count];

	if (d->name_count == NAMES_MAX)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0) {
			text += strlen(prefixes[i]);
			break;
		}
	snprintf(name->text, sizeof(name->text), "%s", text);
	name->reason = reason;
	name->of_reset = of_reset;
	d->name_count++;
}

static void read_names(struct drops *d, const struct btf *btf)
{
	for (uint32_t id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const char *name = btf__name_by_offset(btf, type->name_off);
		const struct btf_enum *values;
		bool of_reset;

		if (!btf_is_enum(type) || !name)
			continue;
		of_reset = strcmp(name, "sk_rst_reason") == 0;
		if (!of_reset && !ends_with(name, "_drop_reason"))
			continue;
		values = btf_enum(type);
		for (uint32_t i = 0; i < btf_vlen(type); i++)
			add_name(d, btf__name_by_offset(btf, values[i].name_off),
				 (uint32_t)values[i].val, of_reset);
	}
}

/* How many arguments a tracepoint gives a program; 0 = there is no such tracepoint. */
static uint32_t count_arguments(const struct btf *btf, const char *tracepoint)
{
	int id = btf__find_by_name_kind(btf, tracepoint, BTF_KIND_TYPEDEF);
	const struct btf_type *type;

	if (id < 0)
		return 0;
	type = btf__type_by_id(btf, btf__type_by_id(btf, (uint32_t)id)->type);
	if (!type || !btf_is_ptr(type))
		return 0;
	type = btf__type_by_id(btf, type->type);
	return type && btf_is_func_proto(type) ? btf_vlen(type) - 1U : 0; /* the first is none */
}

static uint32_t value_of(const struct drops *d, const char *text, uint32_t fallback)
{
	for (size_t i = 0; i < d->name_count; i++)
		if (!d->names[i].of_reset && strcmp(d->names[i].text, text) == 0)
			return d->names[i].reason;
	return fallback;
}

/* The function that a line of /proc/kallsyms is about frees for XDP. Compilers add ".isra.0" and the like. */
static bool frees_for_xdp(const char *name)
{
	static const char *const places[] = {"veth_xdp_rcv_skb", "veth_xdp_rcv", "do_xdp_generic",
					     "netif_receive_generic_xdp",
					     "bpf_prog_run_generic_xdp"};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		size_t length = strlen(places[i]);

		if (strncmp(name, places[i], length) == 0 && strchr(".\n\t ", name[length]))
			return true;
	}
	return false;
}

/* Of such a line: 0 unless it is a function, or if addresses are hidden (kernel.kptr_restrict). */
static uint64_t parse_symbol(const char *line, const char **ret_name)
{
	unsigned long long address;
	int at = 0;

	if (sscanf(line, "%llx %*1[tTwW] %n", &address, &at) != 1 || !at)
		return 0;
	*ret_name = line + at;
	return address;
}

/* A function ends where the next one begins, wherever in the file that stands. */
static void find_places(struct drops_bpf *skeleton)
{
	_cleanup_(fclosep) FILE *file = fopen("/proc/kallsyms", "re");
	uint64_t begin[WEIR_DROP_XDP_PLACES] = {0}, end[WEIR_DROP_XDP_PLACES] = {0}, address;
	const char *name;
	char line[1024];
	size_t count = 0;

	while (file && fgets(line, sizeof(line), file))
		if ((address = parse_symbol(line, &name)) && frees_for_xdp(name) &&
		    count < WEIR_DROP_XDP_PLACES)
			begin[count++] = address;
	if (!count)
		return;
	rewind(file);
	while (fgets(line, sizeof(line), file)) {
		address = parse_symbol(line, &name);
		for (size_t i = 0; i < count; i++)
			if (address > begin[i] && (!end[i] || address < end[i]))
				end[i] = address;
	}
	for (size_t i = 0; i < count; i++) {
		skeleton->rodata->weir_xdp_begin[i] = begin[i];
		skeleton->rodata->weir_xdp_end[i] = end[i];
	}
}

static int configure(struct drops *d, struct fault *reterr)
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct stat netns;
	uint32_t arguments;

	if (!btf)
		return fault(reterr, -errno, "drops.load",
			     "the kernel does not describe itself (CONFIG_DEBUG_INFO_BTF): %s",
			     strerror(errno));
	read_names(d, btf);
	arguments = count_arguments(btf, "btf_trace_kfree_skb");
	d->skeleton->rodata->weir_tells_socket = arguments > 3;
	d->skeleton->rodata->weir_tells_reset =
		count_arguments(btf, "btf_trace_tcp_send_reset") > 2;
	btf__free(btf);
	if (arguments < 3)
		return fault(reterr, -EOPNOTSUPP, "drops.load",
			     "the kernel does not say why it drops packets: that takes Linux 5.17");
	d->skeleton->rodata->weir_first_reason = value_of(d, "CONSUMED", 1) + 1;
	d->skeleton->rodata->weir_no_socket = value_of(d, "NO_SOCKET", 0);
	d->skeleton->rodata->weir_no_room = value_of(d, DROPS_NO_ROOM, 0);
	if (stat("/proc/thread-self/ns/net", &netns) < 0)
		return fault(reterr, -errno, "drops.load", "cannot tell our network namespace: %s",
			     strerror(errno));
	d->skeleton->rodata->weir_netns = (uint32_t)netns.st_ino;
	find_places(d->skeleton);
	return 0;
}

int drops_open(struct drops **ret, struct fault *reterr)
{
	_cleanup_(drops_closep) struct drops *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return fault(reterr, -ENOMEM, "drops.load", "out of memory");
	d->cpus = libbpf_num_possible_cpus();
	d->names = calloc(NAMES_MAX, sizeof(*d->names));
	d->skeleton = drops_bpf__open();
	if (!d->names || !d->skeleton || d->cpus <= 0)
		return fault(reterr, -ENOMEM, "drops.load", "cannot open the counter of drops");
	r = configure(d, reterr);
	if (r < 0)
		return r;
	r = fault_point(NULL, "drops.load");
	r = r ?: drops_bpf__load(d->skeleton);
	if (r < 0)
		return fault(reterr, r, "drops.load", "the kernel refused the counter of drops: %s",
			     strerror(-r));
	r = fault_point(NULL, "drops.attach");
	r = r ?: drops_bpf__attach(d->skeleton);
	if (r < 0)
		return fault(reterr, r, "drops.attach", "cannot attach the counter of drops: %s",
			     strerror(-r));
	*ret = take_ptr(d);
	return 0;
}

void drops_close(struct drops *d)
{
	if (!d)
		return;
	drops_bpf__destroy(d->skeleton);
	free(d->names);
	free(d);
}

int drops_read(const struct drops *d, struct drops_count **ret, size_t *ret_count)
{
	int fd = bpf_map__fd(d->skeleton->maps.weir_drops);
	_cleanup_free_ struct drops_count *counts = calloc(WEIR_DROP_KEYS, sizeof(*counts));
	_cleanup_free_ struct weir_drop_count *values = calloc((size_t)d->cpus, sizeof(*values));
	struct weir_drop_key key, *last = NULL;
	size_t count = 0;

	if (!counts || !values)
		return -ENOMEM;
	while (count < WEIR_DROP_KEYS && bpf_map_get_next_key(fd, last, &key) == 0) {
		struct drops_count *c = &counts[count];

		c->key = key;
		last = &c->key;
		if (bpf_map_lookup_elem(fd, &key, values) < 0)
			continue;
		for (int i = 0; i < d->cpus; i++) {
			c->count.packets += values[i].packets;
			c->count.bytes += values[i].bytes;
		}
		count++;
	}
	*ret = take_ptr(counts);
	*ret_count = count;
	return 0;
}

int drops_read_flows(const struct drops *d, struct drops_flow **ret, size_t *ret_count)
{
	int fd = bpf_map__fd(d->skeleton->maps.weir_drop_flows);
	_cleanup_free_ struct drops_flow *flows = calloc(WEIR_DROP_FLOWS, sizeof(*flows));
	struct weir_drop_flow_key key, last;
	bool began = false;
	size_t count = 0;

	if (!flows)
		return -ENOMEM;
	/* Where the last one gave way meanwhile, the kernel begins anew: so no more rounds than there is room. */
	for (size_t i = 0; i < 2 * WEIR_DROP_FLOWS && count < WEIR_DROP_FLOWS; i++) {
		if (bpf_map_get_next_key(fd, began ? &last : NULL, &key) < 0)
			break;
		last = flows[count].key = key;
		began = true;
		if (bpf_map_lookup_elem(fd, &key, &flows[count].flow) == 0)
			count++;
	}
	*ret = take_ptr(flows);
	*ret_count = count;
	return 0;
}

static uint64_t missed_by(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) < 0
		       ? 0
		       : info.recursion_misses;
}

void drops_read_stats(const struct drops *d, struct drops_stats *ret)
{
	_cleanup_free_ struct weir_drop_stats *cpus = calloc((size_t)d->cpus, sizeof(*cpus));
	const uint32_t zero = 0;

	*ret = (struct drops_stats){.missed = missed_by(d->skeleton->progs.weir_drop)};
	if (!cpus ||
	    bpf_map_lookup_elem(bpf_map__fd(d->skeleton->maps.weir_drop_stats), &zero, cpus) < 0)
		return;
	for (int i = 0; i < d->cpus; i++) {
		ret->cpus.unnamed += cpus[i].unnamed;
		ret->cpus.elsewhere += cpus[i].elsewhere;
		ret->cpus.unattributed += cpus[i].unattributed;
		ret->cpus.flows_skipped += cpus[i].flows_skipped;
	}
}

const char *drops_reason(const struct drops *d, enum weir_drop_kind kind, uint32_t reason)
{
	bool of_reset = kind != WEIR_DROP_PACKET;

	for (size_t i = 0; i < d->name_count; i++)
		if (d->names[i].reason == reason && d->names[i].of_reset == of_reset)
			return d->names[i].text;
	return "";
}

bool drops_tells_no_room(const struct drops *d)
{
	return d->skeleton->rodata->weir_no_room && d->skeleton->rodata->weir_tells_socket;
}
