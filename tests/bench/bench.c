/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Nanoseconds per packet of a loaded XDP program, by BPF_PROG_TEST_RUN: one packet over and over, so
 * with everything in the caches; what a cold cache costs shows on veth (scripts/bench.sh). The
 * program is the one that enforces, taken from its pin, with the policy that scripts/bench.sh
 * loads: the addresses and ports below are that policy's. Prints one JSON object per line.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../lib/frame.h"
#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "tests/lib/reference.skel.h"

#define ROUNDS	5
#define REPEATS 1000000
#define TO	"198.18.0.1"

/* What is measured. The first is what the others are compared with. */
static const struct bench {
	const char *name, *from;
	uint16_t port;
	bool reference;	  /* measure the reference program instead of weir */
	uint32_t verdict; /* that has to come out, or the number would mean something else */
} benches[] = {
	{"bare_drop", "198.18.1.1", 1000, true, XDP_DROP},
	{"pass", "198.18.1.1", 1000, false, XDP_PASS},
	{"conforming", "198.18.1.1", 1001, false, XDP_PASS},
	{"limited", "198.18.1.1", 1002, false, XDP_DROP},
	{"blocked", "198.18.16.1", 1000, false, XDP_DROP},
	{"blocked_prefix", "198.18.32.1", 1000, false, XDP_DROP},
};

DEFINE_CLEANUP(struct reference_bpf *, reference_bpf__destroy)

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/*
 * CPU time of one call. The kernel's own figure is in whole nanoseconds, too coarse for a program of
 * five, and wall-clock time has 25 ms of waiting for RCU in it.
 */
static int run(const struct bench *b, int program_fd, int repeats, uint64_t *ret_ns,
	       struct fault *reterr)
{
	struct frame_spec spec = {.protocol = FRAME_UDP, .port = b->port, .payload = 18};
	uint8_t frame[FRAME_SIZE], from[16];
	struct flood_config layout = {};
	size_t length;
	uint64_t start_ns;
	int r;

	address_parse(TO, spec.to);
	address_parse(b->from, from);
	frame_build(&spec, frame, &length, &layout);
	memcpy(frame + layout.source_at, from + 12, 4);

	LIBBPF_OPTS(bpf_test_run_opts, call, .data_in = frame, .data_size_in = length,
		    .repeat = repeats);
	start_ns = cpu_ns();
	r = bpf_prog_test_run_opts(program_fd, &call);
	*ret_ns = cpu_ns() - start_ns;
	if (r < 0)
		return fault(reterr, r, "bench.run", "%s: %s", b->name, strerror(-r));
	if (call.retval != b->verdict)
		return fault(reterr, -EPROTO, "bench.verdict",
			     "%s: the verdict is %u, not %u: is this the policy of bench.sh?",
			     b->name, call.retval, b->verdict);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * Measure all in turn, round after round, so that whatever disturbs the machine disturbs them all. What
 * a call costs as such is taken off: the least that a call with two packets took.
 */
static int measure(const int program_fd[static ARRAY_SIZE(benches)],
		   double ret_ns[static ARRAY_SIZE(benches)], struct fault *reterr)
{
	double rounds[ARRAY_SIZE(benches)][ROUNDS];
	uint64_t call_ns[ARRAY_SIZE(benches)];

	memset(call_ns, 0xff, sizeof(call_ns));
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(benches); i++) {
			uint64_t ns;
			int r = run(&benches[i], program_fd[i], 2, &ns, reterr);

			if (r == 0 && ns < call_ns[i])
				call_ns[i] = ns;
			r = r ?: run(&benches[i], program_fd[i], REPEATS, &ns, reterr);
			if (r < 0)
				return r;
			rounds[i][round] = ns;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(benches); i++) {
		qsort(rounds[i], ROUNDS, sizeof(rounds[i][0]), compare);
		ret_ns[i] = (rounds[i][ROUNDS / 2] - call_ns[i]) / REPEATS;
	}
	return 0;
}

static int bench(const char *pin, struct fault *reterr)
{
	_cleanup_(reference_bpf__destroyp) struct reference_bpf *reference =
		reference_bpf__open_and_load();
	_cleanup_close_ int weir_fd = bpf_obj_get(pin);
	int program_fd[ARRAY_SIZE(benches)], r;
	double ns[ARRAY_SIZE(benches)];

	if (!reference)
		return fault(reterr, -errno, "bench.load", "cannot load the reference program: %s",
			     strerror(errno));
	if (weir_fd < 0)
		return fault(reterr, weir_fd, "bench.pin", "no program is pinned at '%s': %s", pin,
			     strerror(-weir_fd));
	for (size_t i = 0; i < ARRAY_SIZE(benches); i++)
		program_fd[i] = benches[i].reference ? bpf_program__fd(reference->progs.bare_drop)
						     : weir_fd;
	r = measure(program_fd, ns, reterr);
	if (r < 0)
		return r;

	for (size_t i = 0; i < ARRAY_SIZE(benches); i++)
		printf("{\"bench\":\"testrun/%s\",\"value\":%.1f,\"unit\":\"ns\","
		       "\"ratio_to\":\"testrun/%s\",\"ratio\":%.2f}\n",
		       benches[i].name, ns[i], benches[0].name, ns[i] / ns[0]);
	return 0;
}

int main(int argc, char **argv)
{
	struct fault f = {};

	if (argc != 2) {
		fputs("usage: bench PINNED_PROGRAM\n"
		      "scripts/bench.sh runs it with the policy it expects.\n",
		      stderr);
		return 2;
	}
	if (bench(argv[1], &f) < 0) {
		fprintf(stderr, "bench: %s\n", f.text);
		return 1;
	}
	return 0;
}
