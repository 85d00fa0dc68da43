/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Filters of traces: what is refused has a code and words, and what is accepted means the same however blanks lie. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "trace/filter.h"

#define SIZE_MOST 1024

static int find_limit(const char *name, uint64_t ret_slots[static 2], void *userdata)
{
	(void)userdata;
	ret_slots[name[0] & 1] |= 1ULL << (name[0] & 63);
	return strlen(name) > 8 ? -ENOENT : 0;
}

static int find_tenant(const char *name, uint16_t *ret, void *userdata)
{
	(void)userdata;
	*ret = (uint16_t)(1 + (unsigned char)name[0]);
	return strlen(name) > 8 ? -ENOENT : 0;
}

static int find_interface(const char *name, uint32_t *ret, void *userdata)
{
	(void)userdata;
	*ret = 1 + (unsigned char)name[0];
	return strlen(name) > 8 ? -ENOENT : 0;
}

static void check_prefix(const struct weir_trace_prefix *p)
{
	for (int i = 0; i < 2; i++)
		REQUIRE(!(p->value[i] & ~p->mask[i]), "a value that no address has");
}

static void check_filter(const struct weir_trace_filter *f)
{
	check_prefix(&f->source);
	check_prefix(&f->destination);
	check_prefix(&f->either);
	REQUIRE(f->source_ports.first <= f->source_ports.last, "no source port");
	REQUIRE(f->destination_ports.first <= f->destination_ports.last, "no destination port");
	REQUIRE(f->verdicts && f->reasons, "nothing could ever meet it");
	REQUIRE(f->any_limit || f->limits[0] || f->limits[1], "no limit");
	REQUIRE(!f->tenant || f->generation == 3, "a tenant of no policy");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct trace_names names = {find_limit, find_tenant, find_interface, 3, NULL};
	char text[SIZE_MOST + 1], spaced[SIZE_MOST + 3];
	struct weir_trace_filter filter, again;
	struct fault f = {0};
	int r;

	if (size > SIZE_MOST)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	r = trace_filter_parse(text, &names, &filter, &f);
	if (r < 0) {
		REQUIRE(r == f.err && f.code && *f.code && *f.text, "%d is refused without words",
			r);
		return 0;
	}
	check_filter(&filter);
	if (strlen(text) + 2 > TRACE_FILTER_MAX)
		return 0;
	snprintf(spaced, sizeof(spaced), " %s\t", text);
	REQUIRE(trace_filter_parse(spaced, &names, &again, NULL) == 0 &&
			memcmp(&filter, &again, sizeof(filter)) == 0,
		"blanks change what it means");
	return 0;
}
