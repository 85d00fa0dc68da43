/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "events/events.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "events/crowd.h"

/* Open addressing at half load: a lookup is one or two cache lines. */
#define TABLE_SIZE (2 * EVENTS_WINDOWS_MAX)
#define OTHERS_MAX 256 /* {limit, reason, verdict} combinations: more than a policy has */

struct events {
	struct events_source from;
	struct ring_buffer *ring;
	const volatile unsigned long *consumer_pos; /* the kernel's own words on how full it is */
	const volatile unsigned long *producer_pos;
	struct events_window *table; /* TABLE_SIZE; free = last_ns 0 */
	struct crowds *crowds;
	struct events_window others[OTHERS_MAX];
	size_t count, others_count;
	uint64_t pending_packets;
	void (*watch)(const struct weir_tally *event, void *userdata);
	void *watch_userdata;
};

static bool same_window(const struct events_window *w, const struct weir_tally *t)
{
	return w->limit == t->limit && w->reason == t->reason && w->verdict == t->verdict &&
	       memcmp(w->source, t->source, sizeof(w->source)) == 0;
}

static size_t hash_tally(const uint8_t source[static 16])
{
	uint64_t words[2], mix;

	memcpy(words, source, sizeof(words));
	/* A product's low bits know nothing of its factors' high ones, and there an IPv4 address has
	 * its last bytes: fold, and take high bits. */
	mix = words[0] * 0x9e3779b97f4a7c15ULL ^ words[1];
	mix = (mix ^ mix >> 32) * 0xbf58476d1ce4e5b9ULL;
	return (size_t)(mix >> 48) % TABLE_SIZE;
}

static struct events_window *others_window(struct events *e, const struct weir_tally *t)
{
	struct events_window *w;

	for (size_t i = 0; i < e->others_count; i++) {
		w = &e->others[i];
		if (w->limit == t->limit && w->reason == t->reason && w->verdict == t->verdict)
			return w;
	}
	/* Cannot run out while limits * reasons is bounded; if it did, the last one takes it. */
	w = &e->others[e->others_count < OTHERS_MAX ? e->others_count++ : OTHERS_MAX - 1];
	*w = (struct events_window){.others = true};
	return w;
}

static struct events_window *window_of(struct events *e, const struct weir_tally *t)
{
	size_t i = hash_tally(t->source);

	for (; e->table[i].last_ns; i = (i + 1) % TABLE_SIZE)
		if (same_window(&e->table[i], t))
			return &e->table[i];
	if (e->count == EVENTS_WINDOWS_MAX)
		return crowds_window(e->crowds, t) ?: others_window(e, t);
	e->count++;
	memcpy(e->table[i].source, t->source, sizeof(t->source));
	return &e->table[i];
}

static void add(struct events *e, const struct weir_tally *t)
{
	struct events_window *w = window_of(e, t);

	if (e->watch)
		e->watch(t, e->watch_userdata);
	w->limit = t->limit;
	w->reason = t->reason;
	w->verdict = t->verdict;
	w->generation = t->generation;
	w->packets += t->packets;
	w->bytes += t->bytes;
	if (!w->first_ns || t->first_ns < w->first_ns)
		w->first_ns = t->first_ns;
	if (t->last_ns > w->last_ns)
		w->last_ns = t->last_ns;
	if (!w->last_ns)
		w->last_ns = 1; /* the clock of a machine that has just booted */
	e->pending_packets += t->packets;
	e->from.meta->taken_packets += t->packets;
}

static int on_record(void *userdata, void *data, size_t size)
{
	struct events *e = userdata;

	/* Consumed whatever is returned, so count it first. */
	__atomic_fetch_add(&e->from.meta->events_delivered, 1, __ATOMIC_RELAXED);
	if (size == sizeof(struct weir_tally))
		add(e, data);
	return 0;
}

void events_close(struct events *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!e)
		return;
	ring_buffer__free(e->ring);
	if (e->consumer_pos)
		munmap((void *)(uintptr_t)e->consumer_pos, page);
	if (e->producer_pos)
		munmap((void *)(uintptr_t)e->producer_pos, page);
	free(e->table);
	crowds_free(e->crowds);
	free(e);
}

/* libbpf 1.1 does not tell how full a ring is; its first two pages do (kernel/bpf/ringbuf.c). */
static int map_positions(struct events *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *consumer = mmap(NULL, page, PROT_READ, MAP_SHARED, e->from.ring_fd, 0);
	void *producer;

	if (consumer == MAP_FAILED)
		return -errno;
	e->consumer_pos = consumer;
	producer = mmap(NULL, page, PROT_READ, MAP_SHARED, e->from.ring_fd, (off_t)page);
	if (producer == MAP_FAILED)
		return -errno;
	e->producer_pos = producer;
	return 0;
}

int events_open(const struct events_source *source, struct events **ret, struct fault *reterr)
{
	_cleanup_(events_closep) struct events *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return fault(reterr, -ENOMEM, "events.open", "out of memory");
	e->from = *source;
	e->table = calloc(TABLE_SIZE, sizeof(*e->table));
	e->crowds = crowds_new();
	if (!e->table || !e->crowds)
		return fault(reterr, -ENOMEM, "events.open", "out of memory");
	e->ring = ring_buffer__new(source->ring_fd, on_record, e, NULL);
	if (!e->ring)
		return fault(reterr, -errno, "events.open", "cannot open the event ring: %s",
			     strerror(errno));
	r = map_positions(e);
	if (r < 0)
		return fault(reterr, r, "events.open", "cannot map the event ring: %s",
			     strerror(-r));
	*ret = take_ptr(e);
	return 0;
}

void events_watch(struct events *e, void (*fn)(const struct weir_tally *event, void *userdata),
		  void *userdata)
{
	e->watch = fn;
	e->watch_userdata = userdata;
}

int events_drain(struct events *e)
{
	return ring_buffer__consume(e->ring);
}

static void take_half(struct events *e, unsigned int half)
{
	for (unsigned int cpu = 0; cpu < e->from.cpus; cpu++) {
		struct weir_tally *t = e->from.cpu[cpu].tallies[half];

		for (size_t i = 0; i < WEIR_TALLIES; i++) {
			if (!t[i].packets)
				continue;
			add(e, &t[i]);
			__atomic_store_n(&t[i].packets, 0, __ATOMIC_RELEASE);
		}
	}
}

void events_harvest(struct events *e)
{
	unsigned int busy = e->from.live->tally_half & 1;

	take_half(e, !busy);
	__atomic_store_n(&e->from.live->tally_half, !busy, __ATOMIC_RELEASE);
}

void events_harvest_all(struct events *e)
{
	struct timespec pause = {.tv_nsec = 5000000};

	events_harvest(e);
	nanosleep(&pause, NULL); /* packets under way end within microseconds */
	events_harvest(e);
}

void events_close_windows(struct events *e,
			  void (*fn)(const struct events_window *window, void *userdata),
			  void *userdata)
{
	for (size_t i = 0; i < TABLE_SIZE; i++)
		if (e->table[i].packets)
			fn(&e->table[i], userdata);
	crowds_close(e->crowds, fn, userdata);
	for (size_t i = 0; i < e->others_count; i++)
		if (e->others[i].packets)
			fn(&e->others[i], userdata);
	memset(e->table, 0, TABLE_SIZE * sizeof(*e->table));
	e->count = e->others_count = 0;
	e->pending_packets = 0;
}

size_t events_window_count(const struct events *e)
{
	return e->count;
}

size_t events_windows(const struct events *e, struct events_window *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < TABLE_SIZE && n < size; i++)
		if (e->table[i].last_ns)
			ret[n++] = e->table[i];
	return n;
}

uint64_t events_pending_packets(const struct events *e)
{
	return e->pending_packets;
}

size_t events_of_source(const struct events *e, const uint8_t source[static 16],
			struct events_window *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = hash_tally(source); e->table[i].last_ns && n < size;
	     i = (i + 1) % TABLE_SIZE)
		if (memcmp(e->table[i].source, source, sizeof(e->table[i].source)) == 0)
			ret[n++] = e->table[i];
	return n;
}

void events_ring_use(const struct events *e, uint64_t *ret_used, uint64_t *ret_size)
{
	*ret_used = *e->producer_pos - *e->consumer_pos;
	*ret_size = WEIR_RING_BYTES;
}
