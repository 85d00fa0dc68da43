/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long it takes to find the records about an address among many, with indexes, and how fast indexes are made. The
 * log is generated in a directory of its own, is as short as records can be, and goes away in the end; its segments
 * and indexes are in the page cache, as they are on a host that searches more than once. JSON lines.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/index.h"
#include "audit/search.h"
#include "audit/stats.h"
#include "base/clock.h"

#define RECORDS	     5000000U
#define SOURCES	     1000000U
#define BYTES_EACH   480 /* of disk, the index included */
#define BATCH	     8192
#define ROUNDS	     31
#define PAGE	     100
#define GOLDEN_RATIO 2654435769U

static char directory[4096];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void clean_up(void)
{
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void die(const char *words)
{
	fprintf(stderr, "audit_search: %s\n", words);
	exit(1);
}

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

/* The source of record @i: any of so many, each about as often. */
static void source_of(uint32_t i, char ret[static 16])
{
	uint32_t n = i * GOLDEN_RATIO % SOURCES;

	snprintf(ret, 16, "10.%u.%u.%u", n >> 16, n >> 8 & 255, n & 255);
}

static void make_log(uint32_t records)
{
	const struct chain_options options = {.datasync = no_sync};
	struct chain *chain = NULL;
	struct fault f = {0};

	if (chain_open(directory, &options, &chain, &f) < 0)
		die(f.text);
	for (uint32_t i = 0; i < records; i++) {
		char source[16];
		const struct audit_record record = {
			.event = AUDIT_EVENT_RATELIMIT_DROPPED,
			.resource = {"source", source},
			.time_ns = 1790000000ULL * NSEC_PER_SEC + i * NSEC_PER_MSEC,
		};

		source_of(i, source);
		if (chain_append(chain, &record) < 0)
			die("a batch is full");
		if (i % BATCH == BATCH - 1 && chain_commit(chain, &f) < 0)
			die(f.text);
	}
	if (chain_commit(chain, &f) < 0)
		die(f.text);
	chain_close(chain);
}

static int count(const struct reader_record *record, void *userdata)
{
	(void)record;
	++*(unsigned int *)userdata;
	return 0;
}

/* One search, in ms. */
static double search(enum query_criterion criterion, const char *words, bool scan,
		     unsigned int *ret_found)
{
	const struct audit_search_options options = {
		.from = SEARCH_BEGIN, .limit = PAGE, .scan = scan};
	struct audit_search_result result;
	uint64_t began = clock_monotonic_ns();
	struct audit_query q;
	struct fault f = {0};

	*ret_found = 0;
	audit_query_init(&q);
	if (audit_query_set(&q, criterion, words, &f) < 0 ||
	    audit_search(directory, &q, &options, count, ret_found, &result, &f) < 0)
		die(f.text);
	return (double)(clock_monotonic_ns() - began) / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *name, double value, const char *unit, const char *more)
{
	printf("{\"bench\":\"audit/%s\",\"value\":%.2f,\"unit\":\"%s\"%s}\n", name, value, unit,
	       more);
	fflush(stdout);
}

/* The median, and the worst, of searches for addresses that all differ. */
static void measure_addresses(uint32_t records)
{
	double times[ROUNDS];
	char more[96];

	for (uint32_t i = 0; i < ROUNDS; i++) {
		unsigned int found;
		char source[16];

		source_of(i * 7919, source);
		times[i] = search(QUERY_ADDRESS, source, false, &found);
		if (!found)
			die("an address that is there was not found");
	}
	qsort(times, ROUNDS, sizeof(times[0]), by_value);
	snprintf(more, sizeof(more), ",\"worst\":%.2f,\"records\":%u", times[ROUNDS - 1], records);
	report("search_5m_address_ms", times[ROUNDS / 2], "ms", more);
}

static void measure_index(void)
{
	struct index_report index;
	uint64_t began = clock_monotonic_ns();
	struct fault f = {0};
	double seconds;
	char more[64];

	if (audit_index_rebuild(directory, &index, &f) < 0)
		die(f.text);
	seconds = (double)(clock_monotonic_ns() - began) / 1e9;
	snprintf(more, sizeof(more), ",\"bytes_per_record\":%.1f",
		 (double)index.bytes / (double)index.covered);
	report("index_rate", (double)index.covered / seconds / 1e3, "k records/s", more);
}

static void measure_stats(void)
{
	const struct audit_stats_options all = {.until_ns = UINT64_MAX};
	uint64_t began = clock_monotonic_ns();
	struct audit_stats stats;
	struct fault f = {0};

	if (audit_stats(directory, &all, &stats, &f) < 0)
		die(f.text);
	report("stats_5m_ms", (double)(clock_monotonic_ns() - began) / 1e6, "ms", "");
	audit_stats_done(&stats);
}

int main(int argc, char **argv)
{
	const char *parent = getenv("TMPDIR") ?: "/var/tmp";
	uint64_t records = RECORDS;
	struct statvfs disk;
	unsigned int found;

	if (argc > 1 && parse_u64(argv[1], 1000, RECORDS, &records) < 0)
		die("usage: audit_search [RECORDS]");
	if (statvfs(parent, &disk) < 0 ||
	    (uint64_t)disk.f_bavail * disk.f_frsize < 2 * records * BYTES_EACH) {
		printf("{\"bench\":\"audit/search_5m_address_ms\",\"skipped\":\"%s has no room for "
		       "the log\"}\n",
		       parent);
		return 0;
	}
	snprintf(directory, sizeof(directory), "%s/weir-bench-XXXXXX", parent);
	if (!mkdtemp(directory))
		die("cannot make a directory");
	atexit(clean_up);
	make_log((uint32_t)records);
	measure_index();
	measure_addresses((uint32_t)records);
	report("search_5m_prefix_ms", search(QUERY_ADDRESS, "10.1.2.0/24", false, &found), "ms",
	       "");
	measure_stats();
	report("scan_address_s", search(QUERY_ADDRESS, "10.1.2.3", true, &found) / 1e3, "s", "");
	return 0;
}
