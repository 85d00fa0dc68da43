/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The audit log's figures, on a log in a directory of its own: records chained, written and synced;
 * verified again by one thread; the hash alone over the same records, which is the limit of both; and a
 * million events a second through ring, windows and chain for a minute, of which none may be
 * unaccounted for. JSON lines.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../lib/events.h"
#include "audit/chain.h"
#include "audit/hash.h"
#include "audit/reader.h"
#include "audit/verify.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/recorder.h"
#include "risk/score.h"
#include "tests/lib/events.skel.h"

#define RECORDS	       600000 /* of about 500 bytes */
#define COMMIT_BYTES   (1U << 20)
#define ROUNDS	       3
#define EVENTS_PER_SEC 1000000

static char directory[] = "/tmp/weir-bench-XXXXXX", log_path[64];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void clear_log(void)
{
	nftw(log_path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void clean_up(void)
{
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "audit: %s: %s\n", what, why);
	exit(1);
}

static double seconds_since(uint64_t then_ns)
{
	return (double)(clock_monotonic_ns() - then_ns) / NSEC_PER_SEC;
}

/* A window's record, as the recorder makes it. */
static int append_window(struct chain *c, unsigned int i)
{
	char source[32], first[CLOCK_RFC3339_SIZE], last[CLOCK_RFC3339_SIZE];
	struct audit_details d = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_RATELIMIT_DROPPED,
		.resource = {"source", source},
		.details = &d,
	};
	uint64_t now_ns = clock_real_ns();

	snprintf(source, sizeof(source), "198.18.%u.%u", i >> 8 & 255, i & 255);
	clock_format_rfc3339(now_ns - 5 * NSEC_PER_SEC, first);
	clock_format_rfc3339(now_ns, last);
	audit_details_u64(&d, "packets", 1000 + i);
	audit_details_u64(&d, "bytes", 60000 + i);
	audit_details_string(&d, "first_seen", first);
	audit_details_string(&d, "last_seen", last);
	audit_details_string(&d, "reason", "over_packets");
	audit_details_string(&d, "verdict", "drop");
	audit_details_u64(&d, "policy_generation", 7);
	audit_details_string(&d, "limit", "per-source");
	return chain_append(c, &record);
}

static double chain_records(uint64_t *ret_bytes, unsigned int *ret_commits)
{
	const struct chain_options options = {.batch_bytes = COMMIT_BYTES};
	_cleanup_(chain_closep) struct chain *c = NULL;
	uint64_t began_ns;
	struct fault f = {0};

	clear_log();
	if (chain_open(log_path, &options, &c, &f) < 0)
		die("chain_open", f.text);
	*ret_commits = 0;
	began_ns = clock_monotonic_ns();
	for (unsigned int i = 0; i < RECORDS; i++) {
		if (append_window(c, i) == 0)
			continue;
		if (chain_commit(c, &f) < 0)
			die("chain_commit", f.text);
		++*ret_commits;
		i--;
	}
	if (chain_commit(c, &f) < 0)
		die("chain_commit", f.text);
	*ret_bytes = chain_bytes(c);
	return RECORDS / seconds_since(began_ns);
}

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / NSEC_PER_SEC;
}

/* By one thread, in time of its CPU: what else runs on the machine does not count. */
static double verify_records(void)
{
	const struct audit_verify_options options = {.threads = 1};
	struct audit_verdict v;
	double began = cpu_seconds(), seconds;
	struct fault f = {0};

	if (audit_verify_with(log_path, &options, &v, &f) < 0)
		die("audit_verify", f.text);
	seconds = cpu_seconds() - began;
	if (v.status != AUDIT_OK)
		die("audit_verify", v.words);
	return (double)v.records / seconds;
}

/* The leaf hash of such records, nothing else. */
static double sha256_leaf(size_t *ret_length)
{
	_cleanup_(reader_closep) struct reader *r = NULL;
	struct reader_record record;
	uint8_t hash[AUDIT_HASH_SIZE];
	struct hasher hasher;
	char copy[1024];
	double began;

	if (reader_open(log_path, &r, NULL) < 0 || reader_next(r, &record, NULL) != 1 ||
	    hasher_init(&hasher) < 0 || record.length > sizeof(copy))
		die("sha256_leaf", "there is no record to hash");
	memcpy(copy, record.data, record.length);
	*ret_length = record.length;
	began = cpu_seconds();
	for (unsigned int i = 0; i < 2 * RECORDS; i++) {
		copy[0] = (char)i;
		hash_leaf(&hasher, copy, *ret_length, hash);
	}
	hasher_done(&hasher);
	return 2 * RECORDS / (cpu_seconds() - began);
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_value);
	return values[ROUNDS / 2];
}

static void bench_chain(void)
{
	double chained[ROUNDS], verified[ROUNDS], hashed[ROUNDS];
	unsigned int commits = 0;
	uint64_t bytes = 0;
	size_t length = 0;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		chained[i] = chain_records(&bytes, &commits);
		verified[i] = verify_records();
		hashed[i] = sha256_leaf(&length);
	}
	clear_log();
	printf("{\"bench\":\"audit/sha256_leaf\",\"value\":%.0f,\"unit\":\"1/s\","
	       "\"record_bytes\":%zu}\n",
	       median(hashed), length);
	printf("{\"bench\":\"audit/chain_records\",\"value\":%.0f,\"unit\":\"1/s\",\"ratio_to\":"
	       "\"audit/sha256_leaf\",\"ratio\":%.2f,\"records\":%d,\"commits\":%u,\"bytes\":%llu}"
	       "\n",
	       median(chained), median(chained) / median(hashed), RECORDS, commits,
	       (unsigned long long)bytes);
	printf("{\"bench\":\"audit/verify_records\",\"value\":%.0f,\"unit\":\"1/s\",\"ratio_to\":"
	       "\"audit/sha256_leaf\",\"ratio\":%.2f,\"threads\":1}\n",
	       median(verified), median(verified) / median(hashed));
	fflush(stdout);
}

/* The maker of events, and what the recorder needs of a datapath. */
static struct {
	struct events_bpf *bpf;
	struct weir_live live;
	struct weir_meta meta;
	struct weir_cpu *cpu;
	atomic_bool stop;
} maker;

static int event_counts(struct weir_event_count *ret, void *userdata)
{
	(void)userdata;
	*ret = (struct weir_event_count){
		.offered = maker.bpf->bss->made.offered,
		.lost = maker.bpf->bss->made.lost,
		.lost_packets = maker.bpf->bss->made.lost_packets,
	};
	return 0;
}

static unsigned int limit_name(uint16_t slot, char ret[static WEIR_NAME_BYTES + 1], void *userdata)
{
	(void)slot;
	(void)userdata;
	snprintf(ret, WEIR_NAME_BYTES + 1, "per-source");
	return RISK_ASSET_NEUTRAL;
}

static void wake(void *userdata)
{
	(void)userdata;
}

/* EVENTS_PER_SEC, in portions; what is late is made up for. */
static void *make_events(void *userdata)
{
	char frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);
	int fd = bpf_program__fd(maker.bpf->progs.events);
	/* What heartbeats are measured by. */
	__u64 *dropped =
		&maker.cpu->counts[EVENTS_VERDICT * WEIR_REASON_MAX + EVENTS_REASON].packets;
	uint64_t began_ns = clock_monotonic_ns(), runs = 0;

	(void)userdata;
	while (!atomic_load(&maker.stop)) {
		uint64_t due_ns = began_ns + runs * EVENTS_PER_RUN * NSEC_PER_SEC / EVENTS_PER_SEC;
		uint64_t now_ns = clock_monotonic_ns();

		if (now_ns < due_ns) {
			struct timespec pause = {.tv_nsec = (long)(due_ns - now_ns)};

			nanosleep(&pause, NULL);
			continue;
		}
		runs++;
		__atomic_store_n(dropped, runs * EVENTS_PER_RUN * EVENTS_PACKETS, __ATOMIC_RELEASE);
		if (bpf_prog_test_run_opts(fd, &run) < 0)
			die("the maker of events", strerror(errno));
	}
	return NULL;
}

static const char *open_maker(void)
{
	if (geteuid() != 0)
		return "needs root";
	maker.bpf = events_bpf__open_and_load();
	maker.cpu = calloc(1, sizeof(*maker.cpu));
	return maker.bpf && maker.cpu ? NULL : "the maker of events does not load";
}

static void drain_for(unsigned int seconds)
{
	struct recorder_options options = {
		.events = {.live = &maker.live,
			   .meta = &maker.meta,
			   .cpu = maker.cpu,
			   .cpus = 1,
			   .ring_fd = bpf_map__fd(maker.bpf->maps.ring)},
		.chain_dir = log_path,
		.event_counts = event_counts,
		.limit_name = limit_name,
		.wake = wake,
	};
	struct recorder *r;
	struct fault f = {0};
	uint64_t began_ns;
	pthread_t thread;

	if (recorder_start(&options, &r, &f) < 0)
		die("recorder_start", f.text);
	began_ns = clock_monotonic_ns();
	if (pthread_create(&thread, NULL, make_events, NULL) != 0)
		die("pthread_create", "no thread");
	while (seconds_since(began_ns) < seconds)
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	atomic_store(&maker.stop, true);
	pthread_join(thread, NULL);
	if (recorder_stop(r) < 0)
		die("recorder_stop", "the chain cannot be written");
}

static void bench_drain(void)
{
	const char *obstacle = open_maker(), *text = getenv("SECONDS");
	uint32_t seconds = 60;
	const struct events_made *made;
	struct audit_verdict v = {0};
	struct fault f = {0};

	if (text && parse_u32(text, 1, 3600, &seconds) < 0)
		die("SECONDS", "no number from 1 to 3600");
	if (obstacle) {
		printf("{\"bench\":\"audit/drain_events\",\"skipped\":\"%s\"}\n", obstacle);
		return;
	}
	drain_for(seconds);
	made = &maker.bpf->bss->made;
	if (audit_verify(log_path, &v, &f) < 0 || v.status != AUDIT_OK)
		die("audit_verify", *v.words ? v.words : f.text);
	printf("{\"bench\":\"audit/drain_events\",\"value\":%.0f,\"unit\":\"1/s\",\"seconds\":%u,"
	       "\"offered\":%llu,\"delivered\":%llu,\"lost\":%llu,\"unaccounted_packets\":%lld,"
	       "\"records\":%llu,\"records_per_second\":%.0f}\n",
	       (double)maker.meta.events_delivered / seconds, seconds,
	       (unsigned long long)made->offered, (unsigned long long)maker.meta.events_delivered,
	       (unsigned long long)made->lost,
	       (long long)(made->offered * EVENTS_PACKETS - maker.meta.recorded_packets -
			   maker.meta.unseen_packets),
	       (unsigned long long)v.records, (double)v.records / seconds);
}

static bool wanted(int count, char **names, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return count == 0;
}

/* audit [NAME...]: of drain_events and the rest, which is measured together. */
int main(int argc, char **argv)
{
	bool drain = wanted(argc - 1, argv + 1, "drain_events");
	bool chain = argc == 1 || !drain || argc > 2;

	if (!mkdtemp(directory))
		die("mkdtemp", strerror(errno));
	atexit(clean_up);
	snprintf(log_path, sizeof(log_path), "%s/log", directory);
	if (chain)
		bench_chain();
	if (drain)
		bench_drain();
	return 0;
}
