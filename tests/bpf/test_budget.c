/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much work the verifier has with each program, and how large the program is then, with nothing
 * that a policy may ask for and with all of it: not more than a tenth above what
 * tests/data/verifier-budget says. Who makes a program cost more on purpose writes the new figures there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <weir/settings.h>

#include "../lib/runner.h"
#include "base/cleanup.h"
#include "bpf/connections.skel.h"
#include "bpf/limiter.skel.h"
#include "bpf/watchdog.skel.h"
#include "datapath/fold.h"

#define BUDGET "tests/data/verifier-budget"

/* A line of the file: program, what of it is switched on, instructions walked and left over. */
struct budget {
	char program[32], features[16];
	unsigned int walked, left;
};

static bool find_budget(const char *program, const char *features, struct budget *ret)
{
	_cleanup_fclose_ FILE *f = fopen(BUDGET, "re");
	char line[200];

	assert_non_null(f); /* tests run at the top of the tree */
	while (fgets(line, sizeof(line), f))
		if (line[0] != '#' &&
		    sscanf(line, "%31s %15s %u %u", ret->program, ret->features, &ret->walked,
			   &ret->left) == 4 &&
		    strcmp(ret->program, program) == 0 && strcmp(ret->features, features) == 0)
			return true;
	return false;
}

/* Verifiers before 6.12 walk ways that later ones know to be dead, so their figures are others. What counts
 * there is to stay well below what they refuse: a million instructions. */
static bool is_older(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%u.%u", &major, &minor), 2);
	return major < 6 || (major == 6 && minor < 12);
}

static void check(const struct bpf_program *program, const char *features)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	struct budget budget;
	unsigned int left;

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length), 0);
	left = info.xlated_prog_len / 8;
	print_message("%s %s %u %u\n", bpf_program__name(program), features, info.verified_insns,
		      left);
	if (!find_budget(bpf_program__name(program), features, &budget))
		fail_msg("%s has no line for it", BUDGET);
	if (is_older()) {
		assert_in_range(info.verified_insns, 1, 250000);
		return;
	}
	if (info.verified_insns > budget.walked + budget.walked / 10)
		fail_msg("the verifier walks %u instructions, the budget is %u",
			 info.verified_insns, budget.walked);
	if (left > budget.left + budget.left / 10)
		fail_msg("the program has %u instructions, the budget is %u", left, budget.left);
}

static void check_limiter(uint32_t enabled, const char *features)
{
	struct limiter_bpf *skeleton = limiter_bpf__open();

	assert_non_null(skeleton);
	fold_register();
	weir_features_unpack(enabled, (__u8 *)(uintptr_t)skeleton->rodata->weir_features);
	assert_int_equal(limiter_bpf__load(skeleton), 0);
	check(skeleton->progs.weir_ingress, features);
	check(skeleton->progs.weir_answer, features);
	limiter_bpf__destroy(skeleton);
}

static void the_limiter_keeps_its_budget(void **state)
{
	(void)state;
	check_limiter(0, "none");
	check_limiter(WEIR_FEATURE_ALL, "all");
	check_limiter(WEIR_FEATURE_ALL | WEIR_FEATURE_MOVING, "moving");
	check_limiter(WEIR_FEATURE_ALL | WEIR_FEATURE_TRACE, "trace");
}

static void the_counter_of_connections_keeps_its_budget(void **state)
{
	struct connections_bpf *skeleton = connections_bpf__open_and_load();

	(void)state;
	assert_non_null(skeleton);
	check(skeleton->progs.weir_conn_state, "all");
	connections_bpf__destroy(skeleton);
}

static void the_watchdog_keeps_its_budget(void **state)
{
	struct watchdog_bpf *skeleton = watchdog_bpf__open_and_load();

	(void)state;
	assert_non_null(skeleton);
	check(skeleton->progs.weir_wd_start, "all");
	check(skeleton->progs.weir_wd_look, "all");
	watchdog_bpf__destroy(skeleton);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limiter_keeps_its_budget),
		cmocka_unit_test(the_counter_of_connections_keeps_its_budget),
		cmocka_unit_test(the_watchdog_keeps_its_budget),
	};

	return runner_run_group("budget", tests, NULL, NULL);
}
