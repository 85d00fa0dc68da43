/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "crash.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "audit/crc32c.h"
#include "base/fs.h"

#define UNSYNCED_MAX 1024
#define FILE_MAX     (64U << 20)

struct crash {
	const struct disk_trace *trace;
	size_t end;
	const bool *lost; /* NULL: a kill, which loses nothing */
};

static unsigned int seed = 1;

static unsigned int number(void)
{
	seed = seed * 1103515245 + 12345;
	return seed >> 16;
}

bool crash_full(void)
{
	const char *torture = getenv("WEIR_TORTURE");

	return torture && strcmp(torture, "full") == 0;
}

void *crash_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

void crash_broken(const struct crash *x, const char *what, const char *words)
{
	const struct disk_op *op = &x->trace->ops[x->end - 1];

	fprintf(stderr, "after call %u (%d %s %s), %s:\n", op->number, (int)op->call, op->path,
		op->to, x->lost ? "without" : "killed");
	for (size_t i = 0; x->lost && i < x->end; i++)
		if (x->lost[i])
			fprintf(stderr, "  call %u (%d %s %s) %llu+%zu\n", x->trace->ops[i].number,
				(int)x->trace->ops[i].call, x->trace->ops[i].path,
				x->trace->ops[i].to, (unsigned long long)x->trace->ops[i].offset,
				x->trace->ops[i].length);
	fail_msg("%s: %s", what, words);
	abort();
}

static uint64_t sum; /* of the bytes of all files */

static int add_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	uint8_t data[4096];
	FILE *f = type == FTW_F ? fopen(path, "re") : NULL;

	(void)st;
	(void)ftw;
	for (const char *c = path; *c; c++)
		sum = sum * 31 + (uint8_t)*c;
	for (size_t n; f && (n = fread(data, 1, sizeof(data), f)) > 0;)
		sum += (uint64_t)crc32c(0, data, n) << 20;
	if (f)
		fclose(f);
	return 0;
}

uint64_t crash_checksum(const char *root)
{
	sum = 0;
	nftw(root, add_file, 8, FTW_PHYS);
	return sum;
}

static struct {
	const void *bytes;
	size_t length;
	bool found;
} wanted;

static int find_bytes(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char *data = NULL;
	size_t size;

	(void)st;
	(void)ftw;
	if (type == FTW_F && fs_read_file(path, FILE_MAX, &data, &size, NULL) == 0 &&
	    memmem(data, size, wanted.bytes, wanted.length))
		wanted.found = true;
	free(data);
	return 0;
}

bool crash_has_bytes(const char *root, const void *bytes, size_t length)
{
	wanted.bytes = bytes;
	wanted.length = length;
	wanted.found = false;
	nftw(root, find_bytes, 8, FTW_PHYS);
	return wanted.found;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void crash_clear(const char *root)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(root, 0700), 0);
}

static void crash_once(const struct crash *x, const struct crash_plan *plan)
{
	int r;

	crash_clear(plan->root);
	r = disk_replay(x->trace, x->end, x->lost, plan->root);
	if (r < 0)
		crash_broken(x, "replay", strerror(-r));
	plan->look(x, x->trace->ops[x->end - 1].acked, plan->userdata);
}

static bool is_name(const struct disk_op *op)
{
	return op->call != DISK_WRITE && op->call != DISK_RESIZE && op->call != DISK_MODE;
}

/* Filesystems keep changes of names in their order: after the first that is lost all are that were not synced. */
static void keep_order(const struct disk_trace *t, const size_t *unsynced, size_t count, bool *lost)
{
	bool gone = false;

	for (size_t n = 0; n < count; n++) {
		if (!is_name(&t->ops[unsynced[n]]))
			continue;
		gone = gone || lost[unsynced[n]];
		lost[unsynced[n]] = gone;
	}
}

/* Power cuts after @end calls: every part of what was not synced, or if there are too many some of them. */
static unsigned int cut_power(const struct disk_trace *t, size_t end, const struct crash_plan *plan)
{
	static bool lost[DISK_OPS_MAX];
	const struct crash x = {t, end, lost};
	size_t unsynced[UNSYNCED_MAX];
	size_t count = disk_unsynced(t, end, unsynced, UNSYNCED_MAX);
	unsigned int cases = count <= plan->all ? 1U << count : plan->some;

	for (unsigned int i = 0; i < cases; i++) {
		/* Now most of it is lost, now little. */
		unsigned int odds = 1 + number() % 9;

		memset(lost, 0, sizeof(lost));
		for (size_t n = 0; n < count; n++)
			lost[unsynced[n]] = count <= plan->all ? i >> n & 1
					    : i == 0	       ? true
							       : number() % 10 < odds;
		keep_order(t, unsynced, count, lost);
		crash_once(&x, plan);
	}
	return cases;
}

void crash_run(const struct crash_plan *plan)
{
	static struct disk_trace trace;
	unsigned int kills = 0, cuts = 0;
	int r = disk_watch(plan->root, plan->work, plan->userdata, &trace);

	if (r == -EPERM || r == -ENOSYS) {
		print_message("# no process can be watched here (ptrace)\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_true(trace.acked && trace.count > 20);
	for (size_t end = 1; end <= trace.count; end++) {
		const struct crash x = {&trace, end, NULL};

		if (end < trace.count && trace.ops[end].number == trace.ops[end - 1].number)
			continue;
		crash_once(&x, plan);
		kills++;
		cuts += cut_power(&trace, end, plan);
	}
	print_message("# %u calls, %u kills, %u power cuts, %llu promises\n", trace.calls, kills,
		      cuts, (unsigned long long)trace.acked);
	disk_done(&trace);
}
