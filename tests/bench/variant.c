/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "variant.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/btf.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "datapath/internal.h"
#include "lists/image.h"
#include "policy/policy.h"
#include "tests/bench/variants.skel.h"
#include "tests/bench/variants_lru.skel.h"
#include "tests/bench/variants_untraced.skel.h"
#include "trace/filter.h"

#define PREFIX_EVERY 10

/* Lines of the example, and what stands in their place. */
static const struct {
	const char *line, *instead;
} changes[] = {
	{"services:\n", "services:\n"
			"  narrow: {proto: udp, dport: 1002}\n"
			"  wide: {proto: udp, dport: 1001}\n"
			"  quiet: {proto: udp, dport: 1003}\n"},
	{"  - {name: host, scope: global, rate: 2M/s, burst: 200k}\n",
	 "  - {name: host, scope: global, rate: 2M/s, burst: 100M}\n"},
	{"  - {name: per-source, scope: source, rate: 20k/s, burst: 40k}\n",
	 "  - {name: narrow, scope: source, service: narrow, rate: 1/d, burst: 1}\n"
	 "  - {name: wide, scope: source, service: wide, rate: 20k/s, burst: 100M}\n"
	 "  - {name: quiet, scope: source, service: quiet, rate: 100M/s, burst: 100M}\n"},
};

uint32_t variant_listed(uint32_t index)
{
	return VARIANT_LISTED_BASE + (index * VARIANT_LISTED_STEP & VARIANT_LISTED_SPREAD);
}

struct prefix variant_entry(uint32_t index)
{
	uint32_t address = __builtin_bswap32(variant_listed(index));
	struct prefix p = {.address = {[10] = 0xff, [11] = 0xff}, .bits = 128};

	memcpy(p.address + 12, &address, sizeof(address));
	if (index % PREFIX_EVERY == PREFIX_EVERY - 1) {
		p.bits = (uint8_t)(96 + 16 + index / PREFIX_EVERY % 16);
		address_mask(p.address, p.bits);
	}
	return p;
}

/* The example with @changes made and @sources remembered. */
static int write_policy(const char *example, uint32_t sources, struct text *t, struct fault *reterr)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const char *at = strstr(example, changes[i].line);

		if (!at)
			return fault(reterr, -ENOENT, "bench.example",
				     "%s: there is no line '%.*s'", VARIANT_EXAMPLE,
				     (int)strcspn(changes[i].line, "\n"), changes[i].line);
		text_printf(t, "%.*s%s", (int)(at - example), example, changes[i].instead);
		example = at + strlen(changes[i].line);
	}
	text_printf(t, "%s\nstate: {sources: %u}\n", example, sources);
	return 0;
}

static int parse_policy(uint32_t sources, struct policy **ret, struct fault *reterr)
{
	_cleanup_(policy_freep) struct policy *example = NULL;
	_cleanup_free_ char *yaml = NULL;
	struct text t;
	int r;

	r = policy_load(VARIANT_EXAMPLE, &example, reterr);
	if (r < 0)
		return r;
	text_init_growing(&t);
	r = write_policy(example->text, sources, &t, reterr);
	yaml = text_take(&t);
	if (r < 0)
		return r;
	if (!yaml)
		return fault(reterr, -ENOMEM, "bench.memory", "out of memory");
	return policy_parse("bench", yaml, strlen(yaml), ret, reterr);
}

int variant_apply_policy(struct datapath *d, uint32_t sources, struct fault *reterr)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	uint32_t generation;
	int r;

	r = parse_policy(sources, &policy, reterr);
	r = r ?: policy_compile(policy, clock_coarse_tick_ns(), &image, reterr);
	return r ?: datapath_apply_policy(d, image, &generation, reterr);
}

static int add_policy_list(struct list_set *s, enum list_kind kind, const struct policy_list *list,
			   const struct list_now *now, struct fault *reterr)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->count; i++) {
		struct list_entry e = {
			.key = {kind, list->entries[i].prefix, LIST_OPERATOR, 0},
			.until_ns = list->entries[i].ttl_ns ? now->real_ns + list->entries[i].ttl_ns
							    : WEIR_FOREVER,
		};

		r = list_set_add(s, &e, now, reterr);
	}
	return r;
}

static int add_entries(struct list_set *s, uint32_t count, const struct list_now *now,
		       struct fault *reterr)
{
	_cleanup_free_ struct list_entry *entries = calloc(count + 1, sizeof(*entries));

	if (!entries)
		return fault(reterr, -ENOMEM, "bench.memory", "out of memory");
	for (uint32_t i = 0; i < count; i++)
		entries[i] = (struct list_entry){
			.key = {LIST_BLOCK, variant_entry(i), LIST_POLICY, 0},
			.until_ns = WEIR_FOREVER,
		};
	return list_set_replace_origin(s, LIST_POLICY, entries, count, now, reterr);
}

int variant_apply_lists(struct datapath *d, uint32_t entries, struct fault *reterr)
{
	const struct list_now now = {clock_real_ns(), clock_monotonic_ns()};
	_cleanup_(list_diff_done) struct list_diff diff = {0};
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(list_set_freep) struct list_set *s = NULL;
	int r;

	if (list_set_new(&s) < 0)
		return fault(reterr, -ENOMEM, "bench.memory", "out of memory");
	r = policy_load(VARIANT_EXAMPLE, &policy, reterr);
	r = r ?: add_policy_list(s, LIST_ALLOW, &policy->allow, &now, reterr);
	r = r ?: add_policy_list(s, LIST_BLOCK, &policy->block, &now, reterr);
	r = r ?: add_entries(s, entries, &now, reterr);
	if (r < 0)
		return r;
	if (list_image_update(s, now.monotonic_ns, &diff) < 0)
		return fault(reterr, -ENOMEM, "bench.memory", "out of memory");
	return datapath_apply_lists(d, &diff, reterr);
}

/* Where constant @name is in the object's .rodata, at least @size bytes; NULL: it has none. */
static void *constant(struct bpf_object *o, const char *name, size_t size)
{
	const struct btf *btf = bpf_object__btf(o);
	const struct btf_type *section;
	const struct btf_var_secinfo *v;
	struct bpf_map *map;
	char *memory = NULL;
	size_t length = 0;
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);

	bpf_object__for_each_map(map, o)
	{
		if (bpf_map__is_internal(map) && strstr(bpf_map__name(map), ".rodata"))
			memory = (char *)(uintptr_t)bpf_map__initial_value(map, &length);
	}
	if (id < 0 || !memory)
		return NULL;
	section = btf__type_by_id(btf, (uint32_t)id);
	v = btf_var_secinfos(section);
	for (unsigned int i = 0; i < btf_vlen(section); i++) {
		const struct btf_type *variable = btf__type_by_id(btf, v[i].type);

		if (strcmp(btf__name_by_offset(btf, variable->name_off), name) == 0)
			return v[i].size == size && v[i].offset + size <= length
				       ? memory + v[i].offset
				       : NULL;
	}
	return NULL;
}

static int set_constant(struct bpf_object *o, const char *name, const void *value, size_t size)
{
	void *at = constant(o, name, size);

	if (!at)
		return -ENOENT;
	memcpy(at, value, size);
	return 0;
}

static int set_number(struct bpf_object *o, const char *name, uint32_t value)
{
	return set_constant(o, name, &value, sizeof(value));
}

/* The loaded program's constants, and where sources come from. */
static int set_constants(struct bpf_object *o, const struct datapath *d,
			 const struct variant_spec *spec)
{
	const struct shape *shape = &d->program.shape;
	int r = set_constant(o, "weir_seed", &d->program.seed, sizeof(d->program.seed));
	__u8 features[WEIR_FEATURES];

	weir_features_unpack(shape->features | (spec->trace ? WEIR_FEATURE_TRACE : 0), features);
	r = r ?: set_constant(o, "weir_features", features, sizeof(features));
	r = r ?: set_number(o, "weir_hits_slot", shape->hits_slot);
	r = r ?: set_number(o, "weir_entry_mask", shape->entry_sets - 1);
	r = r ?: set_number(o, "weir_cell_mask", shape->cell_sets - 1);
	r = r ?: set_number(o, "bench_sources", spec->sources);
	r = r
		    ?: set_number(o, "bench_base",
				  spec->listed ? VARIANT_LISTED_BASE : VARIANT_UNLISTED_BASE);
	r = r ?: set_number(o, "bench_step", spec->listed ? VARIANT_LISTED_STEP : 1);
	return r ?: set_number(o, "bench_spread", VARIANT_LISTED_SPREAD);
}

/* Maps that are pinned are @d's; the others are the variant's own. */
static int share_maps(struct bpf_object *o, const struct datapath *d)
{
	struct bpf_map *map;
	char path[PATH_MAX];
	int r;

	bpf_object__for_each_map(map, o)
	{
		_cleanup_close_ int fd = -1;

		const char *name = bpf_map__name(map);

		/* The area of what userspace tells the program, which libbpf names after its section. */
		if (strstr(name, ".bss"))
			name = "weir_config";
		else if (bpf_map__is_internal(map))
			continue;
		r = pin_path(d->pin_dir, name, path);
		if (r < 0)
			return r;
		fd = bpf_obj_get(path);
		if (fd < 0 && errno != ENOENT)
			return -errno;
		r = fd < 0 ? 0 : bpf_map__reuse_fd(map, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct bpf_map *trace_map(struct bpf_object *o, const char *name)
{
	return bpf_object__find_map_by_name(o, name);
}

/* Have it trace all packets, for ever, within the usual budget. */
static int start_trace(struct bpf_object *o, uint32_t period)
{
	struct weir_trace trace = {.until_ns = UINT64_MAX, .period = period, .factor = 20};
	const uint32_t zero = 0;
	int r = trace_filter_parse("", NULL, &trace.filters[0], NULL);

	trace.filters[1] = trace.filters[0];
	if (r == 0 && bpf_map_update_elem(bpf_map__fd(trace_map(o, "weir_trace")), &zero, &trace,
					  BPF_ANY) < 0)
		r = -errno;
	return r;
}

static int prepare(struct bpf_object *o, const struct datapath *d, const struct variant_spec *spec)
{
	struct bpf_map *lru = bpf_object__find_map_by_name(o, "bench_lru");
	struct bpf_program *program;
	int r = set_constants(o, d, spec);

	r = r ?: share_maps(o, d);
	r = r ?: bpf_map__set_max_entries(trace_map(o, "weir_trace_cpu"), d->program.cpus);
	r = r ?: bpf_map__set_max_entries(trace_map(o, "weir_traces"), WEIR_TRACE_RING_BYTES);
	if (lru)
		r = r ?: bpf_map__set_max_entries(lru, datapath_sources(d));
	bpf_object__for_each_program(program, o)
	{
		r = r
			    ?: bpf_program__set_autoload(program, strcmp(bpf_program__name(program),
									 spec->program) == 0);
	}
	return r;
}

int variant_load(const struct datapath *d, const struct variant_spec *spec, struct bpf_object **ret,
		 int *ret_program_fd, struct fault *reterr)
{
	size_t size;
	const void *elf = spec->lru	   ? variants_lru_bpf__elf_bytes(&size)
			  : spec->untraced ? variants_untraced_bpf__elf_bytes(&size)
					   : variants_bpf__elf_bytes(&size);
	struct bpf_object *o = bpf_object__open_mem(elf, size, NULL);
	struct bpf_program *program;
	int r = o ? prepare(o, d, spec) : -errno;

	r = r ?: bpf_object__load(o);
	if (r == 0 && spec->trace)
		r = start_trace(o, spec->trace);
	program = o ? bpf_object__find_program_by_name(o, spec->program) : NULL;
	if (r == 0 && !program)
		r = -ENOENT;
	if (r < 0) {
		bpf_object__close(o);
		return fault(reterr, r, "bench.load", "cannot load %s%s: %s", spec->program,
			     spec->lru ? " with an LRU hash" : "", strerror(-r));
	}
	*ret = o;
	*ret_program_fd = bpf_program__fd(program);
	return 0;
}
