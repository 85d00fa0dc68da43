/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For scripts/bench.sh: a variant of the program for an interface to run, without a daemon. Pins keep it
 * alive. `judge load PIN_DIR PROGRAM_PIN full|lru|parse SOURCES` makes maps and policy in PIN_DIR and pins the
 * program; `judge count PIN_DIR` prints how many packets it has decided.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "variant.h"

#define LISTED 10000

static int load(const char *pin_dir, const char *pin, const char *kind, uint32_t sources,
		struct fault *reterr)
{
	const struct variant_spec spec = {
		.program = strcmp(kind, "parse") == 0 ? "bench_parse" : "bench_full",
		.lru = strcmp(kind, "lru") == 0,
	};
	_cleanup_(datapath_closep) struct datapath *d = NULL;
	struct bpf_object *o = NULL;
	int r, fd;

	r = datapath_open(pin_dir, &d, reterr);
	r = r ?: variant_apply_policy(d, sources, reterr);
	r = r ?: variant_apply_lists(d, LISTED, reterr);
	r = r ?: variant_load(d, &spec, &o, &fd, reterr);
	if (r < 0)
		return r;
	r = bpf_obj_pin(fd, pin) < 0 ? -errno : 0;
	bpf_object__close(o);
	return r < 0 ? fault(reterr, r, "bench.pin", "cannot pin %s: %s", pin, strerror(-r)) : 0;
}

static int count(const char *pin_dir, struct fault *reterr)
{
	_cleanup_(datapath_closep) struct datapath *d = NULL;
	struct weir_count counts[WEIR_COUNTS];
	uint64_t packets = 0;
	int r = datapath_open(pin_dir, &d, reterr);

	if (r < 0)
		return r;
	datapath_read_counts(d, counts);
	for (size_t i = 0; i < WEIR_COUNTS; i++)
		packets += counts[i].packets;
	printf("%llu\n", (unsigned long long)packets);
	return 0;
}

int main(int argc, char **argv)
{
	struct fault f = {};
	int r = -EINVAL;

	if (argc == 6 && strcmp(argv[1], "load") == 0)
		r = load(argv[2], argv[3], argv[4], (uint32_t)strtoul(argv[5], NULL, 10), &f);
	else if (argc == 3 && strcmp(argv[1], "count") == 0)
		r = count(argv[2], &f);
	else
		snprintf(f.text, sizeof(f.text),
			 "usage: judge load PIN_DIR PIN full|lru|parse SOURCES | "
			 "judge count PIN_DIR");
	if (r == 0)
		return 0;
	fprintf(stderr, "judge: %s\n", f.text);
	return 1;
}
