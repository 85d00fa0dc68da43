/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The memory of the maps, as the kernel accounts for it. */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "bpf/connections.skel.h"
#include "bpf/limiter.skel.h"
#include "datapath/internal.h"

/* "memlock:\t4096". 0: the kernel does not say. */
static uint64_t memory_of(int fd)
{
	static const char key[] = "memlock:\t";
	char path[64], line[128];
	_cleanup_fclose_ FILE *f = NULL;
	uint64_t bytes = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, key, sizeof(key) - 1) == 0 &&
		    parse_u64(line + sizeof(key) - 1, 0, UINT64_MAX, &bytes) == 0)
			break;
	}
	return bytes;
}

void datapath_each_map(const struct datapath *d,
		       void (*fn)(const char *name, uint64_t bytes, void *userdata), void *userdata)
{
	const struct program *p = &d->program;
	const struct bpf_map *map;

	bpf_object__for_each_map(map, p->skeleton->obj)
	{
		if (program_is_pinned(p, map))
			fn(program_map_name(p, map), memory_of(bpf_map__fd(map)), userdata);
	}
	if (!d->connections)
		return;
	bpf_object__for_each_map(map, d->connections->obj)
	{
		if (bpf_map__pin_path(map))
			fn(bpf_map__name(map), memory_of(bpf_map__fd(map)), userdata);
	}
}
