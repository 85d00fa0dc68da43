/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "runner.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>
#include <weir/head.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/words.h"
#include "datapath/internal.h"
#include "lists/image.h"
#include "policy/policy.h"

#define BPFFS "/sys/fs/bpf"

const char *runner_obstacle(void)
{
	struct statfs fs;

	if (geteuid() != 0)
		return "loading BPF programs takes root";
	if (statfs(BPFFS, &fs) < 0 || (unsigned long)fs.f_type != BPF_FS_MAGIC)
		return "no bpffs is mounted at " BPFFS;
	return NULL;
}

static void cannot_run_here(void **state)
{
	print_message("skipped: %s\n", (const char *)*state);
	skip();
}

int runner_skip_group(const char *name, const char *reason)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(cannot_run_here, (void *)(uintptr_t)reason),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

unsigned int runner_cpu(unsigned int n)
{
	static cpu_set_t allowed; /* before anything was held to one of them */
	unsigned int cpu = 0;

	if (!CPU_COUNT(&allowed))
		assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	n %= (unsigned int)CPU_COUNT(&allowed);
	for (;; cpu++)
		if (CPU_ISSET(cpu, &allowed) && !n--)
			return cpu;
}

void runner_stay_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void close_datapath(struct runner *r)
{
	datapath_close(take_ptr(r->datapath));
	list_set_free(take_ptr(r->lists));
}

static void open_datapath(struct runner *r)
{
	struct fault f = {0};

	if (datapath_open(r->pin_dir, &r->datapath, &f) < 0) {
		runner_close(r); /* no tear-down follows a set-up that failed */
		fail_msg("%s: %s", f.code, f.text);
	}
	assert_int_equal(list_set_new(&r->lists), 0);
}

/* Remove what a test left behind that crashed: the process its directory is named after is gone. */
static void sweep(void)
{
	_cleanup_closedir_ DIR *dir = opendir(BPFFS);
	struct dirent *entry;
	char path[sizeof(BPFFS) + sizeof(entry->d_name) + 1];
	int pid;

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "weir-test-%d-", &pid) != 1 || kill(pid, 0) == 0 ||
		    errno != ESRCH)
			continue;
		snprintf(path, sizeof(path), BPFFS "/%s", entry->d_name);
		if (datapath_remove(path, NULL, NULL) < 0)
			rmdir(path);
	}
}

void runner_open(struct runner *r)
{
	static unsigned int opened;

	if (!opened)
		sweep();
	runner_stay_on(runner_cpu(0));
	*r = (struct runner){0};
	snprintf(r->pin_dir, sizeof(r->pin_dir), BPFFS "/weir-test-%d-%u", (int)getpid(), ++opened);
	open_datapath(r);
}

void runner_reopen(struct runner *r)
{
	close_datapath(r);
	open_datapath(r);
}

/* Nobody sends packets meanwhile. What is left of prefixes belongs to policies, and goes with them. */
void runner_renew(struct runner *r)
{
	struct datapath *d = r->datapath;
	struct program *p;

	if (!d) {
		runner_open(r);
		return;
	}
	runner_stay_on(runner_cpu(0));
	runner_unlist_all(r);
	p = &d->program;
	assert_int_equal(p->shape.cell_sets_was, 0);
	memset(&p->config->live, 0, sizeof(p->config->live));
	memset(p->config->policies, 0, sizeof(p->config->policies));
	memset(p->config->ports, 0, sizeof(p->config->ports));
	memset(p->cells, 0, (WEIR_CELL_FIXED + (size_t)p->shape.cell_sets) * sizeof(*p->cells));
	memset(p->cpu, 0, p->cpus * sizeof(*p->cpu));
	memset(p->usage, 0, p->cpus * sizeof(*p->usage));
	memset(p->usage_slots, 0, sizeof(*p->usage_slots));
	memset(&d->policy, 0, sizeof(d->policy));
	memset(d->slot_names, 0, sizeof(d->slot_names));
	d->next_slot = 0;
	d->last_generation = 0;
	memset(r->counts, 0, sizeof(r->counts));
}

static void move_pins(const char *from_dir, const char *prefix, const char *to_dir,
		      const char *to_name)
{
	_cleanup_closedir_ DIR *dir = opendir(from_dir);
	const struct dirent *entry;
	char from[PATH_MAX], to[PATH_MAX];

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(from, sizeof(from), "%s/%s", from_dir, entry->d_name);
		snprintf(to, sizeof(to), "%s/%s", to_dir, to_name ?: entry->d_name);
		assert_int_equal(rename(from, to), 0);
	}
}

void runner_say_abi(const struct runner *r, uint32_t abi)
{
	_cleanup_close_ int fd = -1;
	struct weir_head head;
	uint32_t zero = 0;
	char path[96];

	snprintf(path, sizeof(path), "%s/weir_meta", r->pin_dir);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &head), 0);
	head.abi = abi;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &head, BPF_ANY), 0);
}

void runner_lay_out_as_abi_3(struct runner *r)
{
	char ours[96];

	datapath_meta(r->datapath)->abi = 3;
	close_datapath(r);
	snprintf(ours, sizeof(ours), "%s/v%u", r->pin_dir, WEIR_ABI);
	move_pins(ours, "", r->pin_dir, NULL);
	move_pins(r->pin_dir, "link_", r->pin_dir, "link");
	assert_int_equal(rmdir(ours), 0);
}

void runner_close(struct runner *r)
{
	close_datapath(r);
	if (r->pin_dir[0] && datapath_remove(r->pin_dir, NULL, NULL) < 0)
		rmdir(r->pin_dir); /* opening may have failed before anything was pinned */
	r->pin_dir[0] = '\0';
}

uint32_t runner_policy(struct runner *r, const char *yaml)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	struct fault f = {0};
	uint32_t generation = 0;

	if (policy_parse("test", yaml, strlen(yaml), &policy, &f) < 0 ||
	    policy_compile(policy, clock_coarse_tick_ns(), &image, &f) < 0 ||
	    datapath_apply_policy(r->datapath, image, &generation, &f) < 0)
		fail_msg("%s: %s", f.code, f.text);
	return generation;
}

void runner_apply_lists(struct runner *r, uint64_t now_monotonic_ns)
{
	_cleanup_(list_diff_done) struct list_diff diff = {0};
	_cleanup_(list_image_done) struct list_image held = {0};
	struct fault f = {0};

	assert_int_equal(datapath_read_lists(r->datapath, &held, &f), 0);
	assert_int_equal(list_image_adopt(r->lists, &held), 0);
	assert_int_equal(list_image_update(r->lists, now_monotonic_ns, &diff), 0);
	if (datapath_apply_lists(r->datapath, &diff, &f) < 0)
		fail_msg("%s: %s", f.code, f.text);
}

/* At the moment 0, so that what has expired gets into the kernel as well: the kernel is what these
 * tests ask. */
static void apply_lists(struct runner *r)
{
	runner_apply_lists(r, 0);
}

void runner_list(struct runner *r, enum list_kind kind, const char *prefix, uint64_t until_ns)
{
	struct list_entry entry = {
		.key = {.kind = kind, .origin = LIST_OPERATOR},
		.until_ns = until_ns,
	};
	/* Both clocks agree, so a deadline stays what it is. */
	uint64_t now_ns = clock_monotonic_ns();
	struct list_now now = {.real_ns = now_ns, .monotonic_ns = now_ns};

	assert_int_equal(prefix_parse(prefix, &entry.key.prefix), 0);
	assert_int_equal(list_set_add(r->lists, &entry, &now, NULL), 0);
	apply_lists(r);
}

void runner_unlist_all(struct runner *r)
{
	list_set_free(take_ptr(r->lists));
	assert_int_equal(list_set_new(&r->lists), 0);
	apply_lists(r);
}

int runner_run(const struct runner *r, const uint8_t *frame, size_t length, size_t linear)
{
	struct xdp_md ctx = {.data_end = (uint32_t)linear};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = (uint32_t)length,
		    .repeat = 1);
	struct fault f = {0};

	if (datapath_need_program(r->datapath, &f) < 0)
		fail_msg("%s: %s", f.code, f.text);
	if (linear) {
		options.ctx_in = &ctx;
		options.ctx_size_in = sizeof(ctx);
	}
	if (bpf_prog_test_run_opts(datapath_program_fd(r->datapath), &options) < 0)
		return -errno;
	return (int)options.retval;
}

static void read_counts(const struct runner *r, struct weir_count ret[static RUNNER_COUNTERS])
{
	datapath_read_counts(r->datapath, ret);
}

void runner_count_from_here(struct runner *r)
{
	read_counts(r, r->counts);
}

const struct weir_tally *runner_tally(const struct runner *r, size_t number)
{
	const struct weir_cpu *cpu = datapath_cpu(r->datapath);
	size_t each = 2 * WEIR_TALLIES, n = number / each;

	if (n >= datapath_cpus(r->datapath))
		return NULL;
	return &cpu[n].tallies[number % each / WEIR_TALLIES][number % WEIR_TALLIES];
}

void runner_counted(struct runner *r, size_t bytes, unsigned int *ret_verdict,
		    unsigned int *ret_reason)
{
	struct weir_count now[RUNNER_COUNTERS];
	unsigned int found = RUNNER_COUNTERS;

	read_counts(r, now);
	for (unsigned int i = 0; i < RUNNER_COUNTERS; i++) {
		if (now[i].packets == r->counts[i].packets && now[i].bytes == r->counts[i].bytes)
			continue;
		if (found != RUNNER_COUNTERS)
			fail_msg("one packet moved two counters: %s and %s",
				 reason_to_str(found % WEIR_REASON_MAX),
				 reason_to_str(i % WEIR_REASON_MAX));
		found = i;
	}
	if (found == RUNNER_COUNTERS)
		fail_msg("a packet was not counted");
	assert_int_equal(now[found].packets - r->counts[found].packets, 1);
	assert_int_equal(now[found].bytes - r->counts[found].bytes, bytes);
	r->counts[found] = now[found];
	*ret_verdict = found / WEIR_REASON_MAX;
	*ret_reason = found % WEIR_REASON_MAX;
}

uint64_t runner_count(const struct runner *r, unsigned int verdict, unsigned int reason)
{
	struct weir_count now[RUNNER_COUNTERS];
	uint64_t packets = 0;

	read_counts(r, now);
	for (unsigned int i = 0; i < WEIR_REASON_MAX; i++)
		if (reason == WEIR_REASON_MAX || reason == i)
			packets += now[verdict * WEIR_REASON_MAX + i].packets -
				   r->counts[verdict * WEIR_REASON_MAX + i].packets;
	return packets;
}

void runner_expect(struct runner *r, const char *promise, const struct packets_frame *frame,
		   unsigned int verdict, unsigned int reason)
{
	int want = verdict == WEIR_VERDICT_DROP	   ? XDP_DROP
		   : verdict == WEIR_VERDICT_REPLY ? XDP_TX
						   : XDP_PASS;
	unsigned int counted_verdict, counted_reason;
	int action;

	runner_count_from_here(r);
	action = runner_run(r, frame->data, frame->length, 0);
	runner_counted(r, frame->length, &counted_verdict, &counted_reason);
	if (action != want || counted_verdict != verdict || counted_reason != reason)
		fail_msg("%s: want action %d, verdict %u, reason %s; got %d, %u, %s", promise, want,
			 verdict, reason_to_str(reason), action, counted_verdict,
			 reason_to_str(counted_reason));
}

const struct weir_limit *runner_limit(const struct runner *r, const char *name, unsigned int unit)
{
	const struct weir_limit *limits;
	size_t count;

	limits = datapath_limits(r->datapath, &count);
	for (size_t i = 0; i < count; i++)
		if (limits[i].unit == unit &&
		    strncmp(limits[i].name, name, sizeof(limits[i].name)) == 0)
			return &limits[i];
	fail_msg("no limit '%s'", name);
	return NULL;
}
