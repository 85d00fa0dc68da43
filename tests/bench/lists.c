/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a feed of a million lines takes, from its file to the entries in the kernel, and a new version of it in
 * which 5,000 lines went and 5,000 came. Without root no kernel is asked, and the figures that need one are
 * missing. The file is made from a fixed seed: addresses and prefixes of IPv4, in no order, which is the
 * worst. Prints one JSON object per line, the median of the rounds.
 */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "../lib/runner.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "lists/feed.h"
#include "lists/image.h"
#include "lists/set.h"

#define LINES  1000000
#define DELTA  5000 /* lines that go, and as many that come */
#define ROUNDS 5

enum figure {
	PARSE,	   /* text to content, in order: on a thread of its own once the daemon runs */
	SET,	   /* content into the set */
	IMAGE,	   /* steps for the kernel */
	KERNEL,	   /* these carried out */
	SET_1M,	   /* all of these but the last */
	LIST_1M,   /* all of these */
	RESCAN,	   /* the changed text to content, and what differs: again on its own thread */
	SET_DELTA, /* the difference into the set, and the steps for the kernel */
	DELTA_10K, /* the same, and the steps carried out */
	RESTART,   /* adopt an image of a million entries and find that nothing is to be done */
	PAGE,	   /* a page of 1,000 entries from the middle of the list */
	BYTES,	   /* memory of the set per entry */
	FIGURES,
};

static const struct {
	const char *name, *unit;
	double scale;
} figures[FIGURES] = {
	[PARSE] = {"load/parse_1m", "s", 1e9},	    [SET] = {"load/insert_1m", "s", 1e9},
	[IMAGE] = {"load/image_1m", "s", 1e9},	    [KERNEL] = {"load/kernel_1m", "s", 1e9},
	[SET_1M] = {"load/set_1m", "s", 1e9},	    [LIST_1M] = {"load/list_1m", "s", 1e9},
	[RESCAN] = {"load/rescan_1m", "s", 1e9},    [SET_DELTA] = {"load/set_delta_10k", "s", 1e9},
	[DELTA_10K] = {"load/delta_10k", "s", 1e9}, [RESTART] = {"load/adopt_1m", "s", 1e9},
	[PAGE] = {"load/page_1k", "us", 1e3},	    [BYTES] = {"load/entry_bytes", "B", 1},
};

static bool has_kernel;
static struct runner kernel;
static char directory[] = "/tmp/weir-bench-XXXXXX";
static char path[sizeof(directory) + 8];

static void clean_up(void)
{
	if (has_kernel)
		runner_close(&kernel);
	if (path[0]) {
		unlink(path);
		rmdir(directory);
	}
}

/* xorshift64 (Marsaglia 2003) */
static uint64_t random_u64(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* One line in ten is a prefix of 16 to 28 bits. */
static void put_line(struct text *t, uint64_t r)
{
	uint32_t address = (uint32_t)r;
	unsigned int bits = r >> 32 & 7 ? 32 : 16 + (r >> 36) % 13;

	if (bits < 32)
		address &= ~0U << (32 - bits);
	text_printf(t, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
		    address & 255);
	text_printf(t, bits < 32 ? "/%u\n" : "\n", bits);
}

/* The lines from @first on; two texts share those whose numbers both have. */
static char *make_text(size_t first, size_t *ret_length)
{
	struct text t;

	text_init_growing(&t);
	for (size_t i = first; i < first + LINES; i++) {
		uint64_t state = (i + 1) * 0x9e3779b97f4a7c15ULL;

		random_u64(&state);
		put_line(&t, random_u64(&state));
	}
	*ret_length = t.length;
	return text_take(&t);
}

static void fail_if(bool failed, const char *what)
{
	if (!failed)
		return;
	fprintf(stderr, "lists: %s failed\n", what);
	exit(1);
}

static void write_feed(const char *text, size_t length)
{
	struct fault f = {0};

	if (fs_replace_file(path, text, length, 0600, &f) == 0)
		return;
	fprintf(stderr, "lists: %s\n", f.text);
	exit(1);
}

static struct list_content *read_feed(void)
{
	struct feed_source source = {.path = path, .format = FEED_PLAIN};
	struct feed_report report = {0};
	struct list_content *c = NULL;
	struct fault f;

	if (feed_read(&source, &c, &report, &f) == 0)
		return c;
	fprintf(stderr, "lists: %s\n", f.text);
	exit(1);
}

static void update(struct list_set *s, unsigned int feed, struct list_content *c,
		   const struct list_delta *delta)
{
	const struct list_now now = {clock_real_ns(), clock_monotonic_ns()};
	int r = list_set_update_feed(s, feed, &c, delta, WEIR_FOREVER, &now, NULL);

	list_content_free(c);

	fail_if(r < 0, "the update of the set");
}

/* The steps to the image; @least of them. */
static void image(struct list_set *s, struct list_diff *ret, size_t least)
{
	fail_if(list_image_update(s, clock_monotonic_ns(), ret) < 0 ||
			ret->upsert_count + ret->delete_count < least,
		"the update of the image");
}

static void carry_out(const struct list_diff *diff)
{
	struct fault f = {0};

	if (!has_kernel || datapath_apply_lists(kernel.datapath, diff, &f) == 0)
		return;
	fprintf(stderr, "lists: %s\n", f.text);
	exit(1);
}

static void measure_load(struct list_set *s, unsigned int feed, double *ret)
{
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	uint64_t t[5] = {clock_monotonic_ns()};
	struct list_diff diff = {0};
	struct list_content *c = read_feed();
	struct list_delta delta;

	fail_if(list_content_diff(NULL, c, &delta) < 0, "the difference");
	t[1] = clock_monotonic_ns();
	update(s, feed, c, &delta);
	t[2] = clock_monotonic_ns();
	image(s, &diff, LINES / 2);
	t[3] = clock_monotonic_ns();
	carry_out(&diff);
	t[4] = clock_monotonic_ns();
	list_delta_done(&delta);
	list_diff_done(&diff);
	ret[PARSE] = (double)(t[1] - t[0]);
	ret[SET] = (double)(t[2] - t[1]);
	ret[IMAGE] = (double)(t[3] - t[2]);
	ret[KERNEL] = (double)(t[4] - t[3]);
	ret[SET_1M] = (double)(t[3] - t[0]);
	ret[LIST_1M] = (double)(t[4] - t[0]);
	ret[BYTES] = (double)(mallinfo2().uordblks + mallinfo2().hblkhd - before) /
		     (double)list_set_feed_content(s, feed)->count;
}

static void measure_delta(struct list_set *s, unsigned int feed, double *ret)
{
	uint64_t t[4] = {clock_monotonic_ns()};
	struct list_diff diff = {0};
	struct list_content *c = read_feed();
	struct list_delta delta;

	fail_if(list_content_diff(list_set_feed_content(s, feed), c, &delta) < 0, "the difference");
	t[1] = clock_monotonic_ns();
	update(s, feed, c, &delta);
	image(s, &diff, DELTA);
	t[2] = clock_monotonic_ns();
	carry_out(&diff);
	t[3] = clock_monotonic_ns();
	list_delta_done(&delta);
	list_diff_done(&diff);
	ret[RESCAN] = (double)(t[1] - t[0]);
	ret[SET_DELTA] = (double)(t[2] - t[1]);
	ret[DELTA_10K] = (double)(t[3] - t[1]);
}

static void measure_rest(struct list_set *s, double *ret)
{
	struct list_key after = {.kind = LIST_BLOCK};
	struct list_diff diff = {0};
	struct list_image held;
	struct list_entry e;
	uint64_t start_ns;

	fail_if(list_image_copy(s, &held) < 0, "the copy");
	start_ns = clock_monotonic_ns();
	fail_if(list_image_adopt(s, &held) < 0, "the adoption");
	image(s, &diff, 0);
	ret[RESTART] = (double)(clock_monotonic_ns() - start_ns);
	fail_if(diff.upsert_count || diff.delete_count, "the adoption");
	list_diff_done(&diff);
	list_image_done(&held);

	prefix_parse("128.0.0.0", &after.prefix);
	start_ns = clock_monotonic_ns();
	for (int i = 0; i < 1000; i++, after = e.key)
		fail_if(!list_set_next(s, LIST_BLOCK, &after, &e), "the page");
	ret[PAGE] = (double)(clock_monotonic_ns() - start_ns);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void measure(const char *text, size_t length, const char *changed, size_t changed_length,
		    double *ret)
{
	const struct list_feed feed = {LIST_BLOCK, "bench", "bench", NULL};
	_cleanup_(list_set_freep) struct list_set *s = NULL;
	unsigned int id;

	fail_if(list_set_new(&s) < 0 || list_set_add_feed(s, &feed, &id, NULL) < 0, "set");
	if (has_kernel)
		runner_open(&kernel);
	write_feed(text, length);
	measure_load(s, id, ret);
	write_feed(changed, changed_length);
	measure_delta(s, id, ret);
	measure_rest(s, ret);
	if (has_kernel)
		runner_close(&kernel);
}

int main(void)
{
	double rounds[FIGURES][ROUNDS], round[FIGURES];
	size_t length, changed_length;
	_cleanup_free_ char *text = make_text(0, &length);
	_cleanup_free_ char *changed = make_text(DELTA, &changed_length);

	fail_if(!text || !changed, "memory");
	fail_if(!mkdtemp(directory), "a directory");
	snprintf(path, sizeof(path), "%s/feed", directory);
	has_kernel = !runner_obstacle();
	atexit(clean_up);
	for (int i = 0; i < ROUNDS; i++) {
		measure(text, length, changed, changed_length, round);
		for (int f = 0; f < FIGURES; f++)
			rounds[f][i] = round[f];
	}
	for (int f = 0; f < FIGURES; f++) {
		if (!has_kernel && (f == KERNEL || f == LIST_1M || f == DELTA_10K))
			continue;
		qsort(rounds[f], ROUNDS, sizeof(rounds[f][0]), compare);
		printf("{\"bench\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", figures[f].name,
		       rounds[f][ROUNDS / 2] / figures[f].scale, figures[f].unit);
	}
	return 0;
}
