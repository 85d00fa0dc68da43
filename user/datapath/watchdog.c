/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "datapath/watchdog.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/limiter.skel.h"
#include "bpf/watchdog.skel.h"
#include "datapath/internal.h"

struct watchdog {
	struct watchdog_bpf *skeleton;
	struct weir_watchdog *state;
};

/* What it has to itself. */
static bool is_own(const char *name)
{
	return strcmp(name, "weir_watchdog") == 0 || strcmp(name, "weir_wd_timer") == 0;
}

/* What it reads of the limiter's. */
static bool is_shared(const char *name)
{
	return strcmp(name, "weir_cpu") == 0;
}

static void watchdog_free(struct watchdog *w)
{
	if (!w)
		return;
	if (w->state)
		munmap(w->state, sizeof(*w->state));
	watchdog_bpf__destroy(w->skeleton);
	free(w);
}
DEFINE_CLEANUP(struct watchdog *, watchdog_free)

static int load(struct datapath *d, struct watchdog *w)
{
	void *memory;
	int r;

	w->skeleton = watchdog_bpf__open();
	if (!w->skeleton)
		return -errno;
	r = program_share_maps(d, w->skeleton->obj, w->skeleton->maps.bss, is_own, is_shared);
	r = r ?: watchdog_bpf__load(w->skeleton);
	if (r < 0)
		return r;
	memory = mmap(NULL, sizeof(*w->state), PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(w->skeleton->maps.weir_watchdog), 0);
	if (memory == MAP_FAILED)
		return -errno;
	w->state = memory;
	return 0;
}

int watchdog_prepare(struct datapath *d, bool wanted, struct fault *reterr)
{
	_cleanup_(watchdog_freep) struct watchdog *w = NULL;
	char path[PATH_MAX];
	int r = pin_path(d->pin_dir, "weir_watchdog", path);

	if (r < 0)
		return fault(reterr, r, "datapath.watchdog", "%s is too long a path", d->pin_dir);
	if (d->watchdog || (!wanted && access(path, F_OK) < 0))
		return 0;
	w = calloc(1, sizeof(*w));
	r = w ? load(d, w) : -ENOMEM;
	if (r < 0)
		return fault(reterr, r, "datapath.watchdog",
			     "the kernel refused the watchdog (safety.watchdog): %s", strerror(-r));
	d->watchdog = take_ptr(w);
	return 0;
}

static int run(const struct bpf_program *program, void *context, uint32_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = context, .ctx_size_in = size);

	if (bpf_prog_test_run_opts(bpf_program__fd(program), &options) < 0)
		return -errno;
	return (int)options.retval;
}

int watchdog_set(struct datapath *d, const struct watchdog_rule *rule, struct fault *reterr)
{
	struct weir_watchdog *state = watchdog_state(d);
	struct weir_live *live = &d->program.config->live;
	bool starts;
	int r;

	if (!state) {
		if (!rule)
			__atomic_store_n(&live->watchdog, 0, __ATOMIC_SEQ_CST);
		return 0;
	}
	if (!rule) {
		__atomic_store_n(&state->enabled, 0, __ATOMIC_SEQ_CST);
		state->looked_ns = state->since_ns = 0;
		state->tripped = 0;
		__atomic_store_n(&live->watchdog, 0, __ATOMIC_SEQ_CST);
		return 0;
	}
	starts = !state->enabled;
	state->drop_permille = rule->drop_permille;
	state->hold_ns = rule->hold_ns;
	state->recover_ns = rule->recover_ns;
	state->minimum = rule->minimum;
	__atomic_store_n(&state->enabled, 1, __ATOMIC_SEQ_CST);
	if (!starts && d->watchdog_started)
		return 0;
	/* Also where the timer of an earlier daemon runs: from now on it runs our program. */
	r = run(d->watchdog->skeleton->progs.weir_wd_start, NULL, 0);
	if (r != 0)
		return fault(reterr, r < 0 ? r : -EIO, "datapath.watchdog",
			     "cannot start the watchdog's timer: %s", strerror(r < 0 ? -r : EIO));
	d->watchdog_started = true;
	return 0;
}

int watchdog_look(struct datapath *d, uint64_t now_ns)
{
	return run(d->watchdog->skeleton->progs.weir_wd_look, &now_ns, sizeof(now_ns));
}

void watchdog_close(struct datapath *d)
{
	watchdog_free(take_ptr(d->watchdog));
}

struct weir_watchdog *watchdog_state(const struct datapath *d)
{
	return d->watchdog ? d->watchdog->state : NULL;
}
