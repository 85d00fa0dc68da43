/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "datapath/probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"

#define DEPTH_MAX 2 /* directories below the one that was named */

static void btf_freep(struct btf **btf)
{
	btf__free(*btf);
}

static int has_type(const char *name)
{
	_cleanup_(btf_freep) struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return -errno;
	return btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT) > 0;
}

static int has_tracepoint(const char *name)
{
	int id = libbpf_find_vmlinux_btf_id(name, BPF_TRACE_RAW_TP);

	return id > 0 ? 1 : id == -ENOENT || id == -ESRCH ? 0 : id;
}

/* libbpf takes "not permitted" for "not there". */
static bool is_permitted(void)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "weir_probe", 4, 4, 1, NULL);

	return fd >= 0;
}

int datapath_probe(enum datapath_feature feature)
{
	libbpf_print_fn_t print;
	int r = -EINVAL;

	if (!is_permitted())
		return -EPERM;
	print = libbpf_set_print(NULL);
	switch (feature) {
	case DATAPATH_FEATURE_XDP:
		r = libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL);
		break;
	case DATAPATH_FEATURE_LINK:
		r = has_type("bpf_xdp_link");
		break;
	case DATAPATH_FEATURE_RINGBUF:
		r = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL);
		break;
	case DATAPATH_FEATURE_TP_BTF:
		r = has_tracepoint("inet_sock_set_state");
		break;
	case DATAPATH_FEATURE_SYNCOOKIE:
		r = libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_tcp_gen_syncookie, NULL);
		break;
	case DATAPATH_FEATURE_MAX:
		break;
	}
	libbpf_set_print(print);
	return r;
}

int datapath_query(uint32_t ifindex, struct datapath_attached *ret)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	_cleanup_close_ int fd = -1;
	int r = bpf_xdp_query((int)ifindex, 0, &query);

	if (r < 0)
		return r;
	*ret = (struct datapath_attached){0};
	if (query.attach_mode == XDP_ATTACHED_NONE)
		return 0;
	ret->mode = query.attach_mode == XDP_ATTACHED_SKB ? DATAPATH_GENERIC : DATAPATH_NATIVE;
	ret->id = query.prog_id ?: query.drv_prog_id ?: query.skb_prog_id ?: query.hw_prog_id;
	fd = bpf_prog_get_fd_by_id(ret->id);
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &length) == 0)
		snprintf(ret->name, sizeof(ret->name), "%s", info.name);
	ret->ours = strcmp(ret->name, "weir_ingress") == 0;
	return 0;
}

/* A figure from the kernel's description of a descriptor: "memlock:\t4096". 0 if it says none. */
static uint64_t descriptor_figure(int fd, const char *key)
{
	char path[64], line[256];
	uint64_t figure = 0;
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		size_t length = strlen(key);

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, key, length) == 0 && line[length] == ':')
			parse_u64(line + length + 1 + strspn(line + length + 1, " \t"), 0,
				  UINT64_MAX, &figure);
	}
	return figure;
}

/* The ABI stands first in every version of it. */
static void read_meta(int fd, uint32_t value_size, struct datapath_pins *ret)
{
	_cleanup_free_ struct weir_meta *meta = NULL;
	uint32_t zero = 0;

	if (value_size < sizeof(meta->abi) || value_size > 1 << 20)
		return;
	meta = calloc(1, value_size > sizeof(*meta) ? value_size : sizeof(*meta));
	if (!meta || bpf_map_lookup_elem(fd, &zero, meta) < 0 || meta->abi < ret->abi)
		return;
	ret->abi = meta->abi;
	if (meta->abi == WEIR_ABI)
		snprintf(ret->version, sizeof(ret->version), "%.23s", meta->version);
}

static void count_pin(const char *path, struct datapath_pins *ret)
{
	_cleanup_close_ int fd = bpf_obj_get(path);
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	char link[64], kind[64] = "";
	ssize_t n;

	if (fd < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, kind, sizeof(kind) - 1);
	kind[n > 0 ? n : 0] = '\0';
	ret->programs += strstr(kind, "bpf-prog") != NULL;
	ret->links += strstr(kind, "bpf_link") || strstr(kind, "bpf-link");
	if (!strstr(kind, "bpf-map"))
		return;
	ret->maps++;
	ret->bytes += descriptor_figure(fd, "memlock");
	if (strcmp(strrchr(path, '/') + 1, "weir_meta") == 0 &&
	    bpf_obj_get_info_by_fd(fd, &info, &length) == 0)
		read_meta(fd, info.value_size, ret);
}

static int survey(const char *path, unsigned int depth, struct datapath_pins *ret)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		char name[PATH_MAX];
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) >=
			    (int)sizeof(name) ||
		    lstat(name, &st) < 0)
			continue;
		if (st.st_uid != geteuid()) {
			ret->has_foreign = true;
			ret->foreign = st.st_uid;
		}
		if (S_ISDIR(st.st_mode) && depth)
			survey(name, depth - 1, ret);
		else if (S_ISREG(st.st_mode))
			count_pin(name, ret);
	}
	return 0;
}

int datapath_survey(const char *pin_dir, struct datapath_pins *ret)
{
	*ret = (struct datapath_pins){0};
	return survey(pin_dir, DEPTH_MAX, ret);
}
