/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of cells under threads: include/weir/cells.h as the datapath uses it on many CPUs. The clock is
 * one for all and stands still while they run, so what each key admits between two of its steps is
 * known exactly, whoever was faster: as much as its bucket has room for, if it has a cell. In between,
 * with all threads waiting, the table is looked at: no key has two cells, and none is left marked.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/cells.h>

#ifdef __SANITIZE_ADDRESS__
#define STEPS 2000
#else
#define STEPS 8000
#endif

#define THREADS_MAX 4
#define OFFERS	    40 /* by each thread, between two steps of the clock */
#define KEYS_MAX    48
#define SETS_MAX    16
#define COST	    1000ULL
#define BURST	    (6 * COST)
#define ATTEMPTS    64

/* Of one key, by all threads since the last step. */
struct account {
	unsigned int offered, admitted, full;
};

struct table {
	struct weir_cell_set sets[SETS_MAX];
	uint32_t mask;
};

struct arena {
	unsigned int threads, keys, steps;
	bool moves;
	bool all_rest; /* the clock's steps are so long that each begins without any state */
	unsigned int running;
	uint64_t time;
	struct table tables[2];
	struct table *now, *was; /* was: NULL, or what is being left */
	bool just_replaced;	 /* the second thread has not noticed yet */
	uint64_t tags[KEYS_MAX];
	struct account accounts[THREADS_MAX][KEYS_MAX];
	uint64_t level[KEYS_MAX]; /* of the bucket, by the model */
	pthread_barrier_t barrier;
	const char *complaint;
	uint64_t admitted, refused, full, contended, moved;
	/* Charges that hit a key which had just taken the cell: since the last step, and all. */
	unsigned int strays, strays_met;
};

struct worker {
	struct arena *arena;
	pthread_t thread;
	unsigned int number;
	uint64_t random, contended, moved;
};

static const struct weir_limit limit = {.interval = COST, .burst = BURST};

static uint64_t next_random(uint64_t *random, uint64_t below)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return (*random * 0x2545f4914f6cdd1dULL >> 32) % below;
}

static struct weir_cell_set *set_of(struct table *t, uint64_t tag)
{
	return &t->sets[(tag >> 32) & t->mask];
}

enum outcome { ADMITTED, REFUSED, FULL, AGAIN };

/* A packet that was under way when the table was replaced: it knows of no other than the old one. What is
 * busy there stays one; a key that rests may be begun in both, with one such packet. */
static enum outcome attempt_in_old(struct arena *a, uint64_t tag)
{
	struct weir_cell_set *set = set_of(a->was, tag);
	uint32_t way = cells_find(set, tag);
	__u64 word, next;

	word = way < CELLS_NONE ? cells_read(&set->cells[way].word) : 0;
	if (algorithm_is_idle(word, a->time))
		return FULL;
	if (cells_is_marked(word, a->time))
		return AGAIN;
	if (!algorithm_next(&limit, word, a->time, 1, &next))
		return REFUSED;
	return cells_swap(&set->cells[way].word, word, next) ? ADMITTED : AGAIN;
}

/* One attempt, step by step as bpf/lib/state.h takes them. */
static enum outcome attempt(struct worker *w, uint64_t tag)
{
	struct arena *a = w->arena;
	struct weir_cell_set *set = set_of(a->now, tag);
	uint32_t way = cells_find(set, tag);
	__u64 word = 0, next;
	int r;

	if (way < CELLS_NONE) {
		word = cells_read(&set->cells[way].word);
	} else if (a->was) {
		r = cells_move(set_of(a->was, tag), set, tag, a->time, w->number, &word);
		if (r < 0)
			return r == CELLS_LOST ? AGAIN : FULL;
		w->moved += r < (int)CELLS_NONE;
		way = (uint32_t)r;
	}
	if (cells_is_marked(word, a->time))
		return AGAIN;
	if (!algorithm_next(&limit, word, a->time, 1, &next))
		return REFUSED;
	if (way < CELLS_NONE) {
		if (!cells_swap(&set->cells[way].word, word, next))
			return AGAIN;
		if (cells_read(&set->cells[way].tag) == tag)
			return ADMITTED;
		__atomic_fetch_add(&a->strays, 1, __ATOMIC_SEQ_CST);
		return AGAIN;
	}
	r = cells_claim(set, tag, next, a->time, w->number);
	if (r == CELLS_FULL)
		return FULL;
	return r == CELLS_LOST ? AGAIN : ADMITTED;
}

static void offer(struct worker *w, uint32_t key)
{
	struct arena *a = w->arena;
	struct account *account = &a->accounts[w->number][key];

	for (unsigned int i = 0; i < ATTEMPTS; i++) {
		uint64_t tag = a->tags[key];
		enum outcome outcome = a->just_replaced && w->number == 1 ? attempt_in_old(a, tag)
									  : attempt(w, tag);

		if (outcome == AGAIN)
			continue;
		account->offered++;
		account->admitted += outcome == ADMITTED;
		account->full += outcome == FULL;
		return;
	}
	w->contended++;
}

static bool looks_sound(struct arena *a)
{
	for (uint32_t i = 0; i <= a->now->mask; i++) {
		const struct weir_cell *cells = a->now->sets[i].cells;

		for (unsigned int way = 0; way < WEIR_CELL_WAYS; way++) {
			for (unsigned int other = 0; other < way; other++)
				if (cells[way].tag && cells[way].tag == cells[other].tag)
					a->complaint = "a key has two cells";
			if (cells_is_marked(cells[way].word, a->time))
				a->complaint = "a cell is left marked";
		}
	}
	return !a->complaint;
}

/* How full the bucket is that the key's cell speaks of; 0: there is none. */
static uint64_t level_in_cells(struct arena *a, uint32_t key)
{
	struct table *t = a->now;
	uint32_t way = cells_find(set_of(t, a->tags[key]), a->tags[key]);
	uint64_t word;

	if (way >= CELLS_NONE && a->was) {
		t = a->was;
		way = cells_find(set_of(t, a->tags[key]), a->tags[key]);
	}
	if (way >= CELLS_NONE)
		return 0;
	word = set_of(t, a->tags[key])->cells[way].word;
	/* Marked: it was moved, and there it was forgotten. */
	return algorithm_is_idle(word, a->time) || cells_is_marked(word, a->time) ? 0
										  : word - a->time;
}

static struct account sum_up(const struct arena *a, uint32_t key)
{
	struct account sum = {0};

	for (unsigned int i = 0; i < a->threads; i++) {
		sum.offered += a->accounts[i][key].offered;
		sum.admitted += a->accounts[i][key].admitted;
		sum.full += a->accounts[i][key].full;
	}
	return sum;
}

/*
 * What the threads did since the last step, against what one bucket per key would have done. A stray is
 * the one thing that may differ, and only by its own cost: a packet of one key was charged to another
 * that took the cell over at that moment, and then once more to its own.
 */
static void settle(struct arena *a)
{
	uint64_t strayed = 0, missing = 0;

	for (uint32_t key = 0; key < a->keys; key++) {
		uint64_t room = (BURST - a->level[key]) / COST, level = level_in_cells(a, key);
		struct account sum = sum_up(a, key);
		uint64_t due = sum.offered - sum.full < room ? sum.offered - sum.full : room;

		if (sum.full && a->level[key] && !a->was)
			a->complaint = "there was no cell for a key that had one";
		a->level[key] += sum.admitted * COST;
		if (sum.admitted > due)
			a->complaint = "a key was admitted more than its bucket had room for";
		else if (level < a->level[key])
			a->complaint = "a busy key's cell is gone, or has lost a charge";
		missing += due - sum.admitted;
		strayed += level - a->level[key];
		a->level[key] = level;
		a->admitted += sum.admitted;
		a->refused += sum.offered - sum.full - sum.admitted;
		a->full += sum.full;
	}
	if (!a->complaint && (strayed > a->strays * COST || missing > a->strays))
		a->complaint = "a key was charged for what it was not admitted";
	a->strays_met += a->strays;
	a->strays = 0;
	memset(a->accounts, 0, sizeof(a->accounts));
}

static void begin_moving(struct arena *a)
{
	uint32_t mask = a->now->mask == SETS_MAX - 1 ? SETS_MAX / 4 - 1 : SETS_MAX - 1;

	a->was = a->now;
	a->now = &a->tables[a->was == a->tables];
	memset(a->now, 0, sizeof(*a->now));
	a->now->mask = mask;
}

/* What nobody brought along, as the daemon does it. */
static void finish_moving(struct arena *a)
{
	for (uint32_t i = 0; i <= a->was->mask; i++)
		for (unsigned int way = 0; way < WEIR_CELL_WAYS; way++) {
			uint64_t tag = a->was->sets[i].cells[way].tag;
			__u64 word;
			int r;

			if (!tag || cells_find(set_of(a->now, tag), tag) < CELLS_NONE)
				continue;
			r = cells_move(&a->was->sets[i], set_of(a->now, tag), tag, a->time,
				       CELLS_MARK_CPUS - 1, &word);
			if (r == CELLS_FULL)
				a->complaint = "a cell could not be moved where there is room";
			a->moved += r >= 0 && r < (int)CELLS_NONE;
		}
	a->was = NULL;
}

/* With all others waiting. */
static void step(struct arena *a, uint64_t *random)
{
	uint64_t passed = next_random(random, 4) && !a->all_rest ? next_random(random, 3 * COST)
								 : next_random(random, 2 * BURST);

	if (a->all_rest)
		passed += BURST;
	a->running = 0;
	settle(a);
	looks_sound(a);
	a->just_replaced = a->moves && a->steps % 8 == 0;
	if (a->just_replaced)
		begin_moving(a);
	else if (a->moves && a->steps % 8 == 4)
		finish_moving(a);
	a->time += passed;
	for (uint32_t key = 0; key < a->keys; key++)
		a->level[key] = a->level[key] > passed ? a->level[key] - passed : 0;
	a->steps--;
}

/* Threads wake up one after the other: wait for the others on the way, if they run at all. */
static void meet(struct arena *a)
{
	__atomic_fetch_add(&a->running, 1, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < 10000; i++)
		if (__atomic_load_n(&a->running, __ATOMIC_SEQ_CST) == a->threads)
			break;
}

static void *work(void *argument)
{
	struct worker *w = argument;
	struct arena *a = w->arena;

	for (;;) {
		/* First all the same, so that they meet; then each its own way. */
		uint64_t common = a->steps * 0x9e3779b97f4a7c15ULL;

		meet(a);
		for (unsigned int i = 0; i < OFFERS; i++)
			offer(w, (uint32_t)next_random(i < OFFERS / 2 ? &common : &w->random,
						       a->keys));
		pthread_barrier_wait(&a->barrier);
		if (w->number == 0)
			step(a, &w->random);
		pthread_barrier_wait(&a->barrier);
		if (!a->steps || a->complaint)
			return NULL;
	}
}

static void run(struct arena *a)
{
	struct worker workers[THREADS_MAX];

	assert_int_equal(pthread_barrier_init(&a->barrier, NULL, a->threads), 0);
	for (unsigned int i = 0; i < a->threads; i++) {
		workers[i] = (struct worker){
			.arena = a, .number = i, .random = 0x9e3779b97f4a7c15ULL * (i + 1)};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < a->threads; i++) {
		pthread_join(workers[i].thread, NULL);
		a->contended += workers[i].contended;
		a->moved += workers[i].moved;
	}
	pthread_barrier_destroy(&a->barrier);
	print_message("%u threads: admitted %llu, refused %llu, no cell %llu, contended %llu, "
		      "moved %llu, strays %u\n",
		      a->threads, (unsigned long long)a->admitted, (unsigned long long)a->refused,
		      (unsigned long long)a->full, (unsigned long long)a->contended,
		      (unsigned long long)a->moved, a->strays_met);
	if (a->complaint)
		fail_msg("%s, %u steps before the end", a->complaint, a->steps);
	assert_true(a->admitted && a->refused);
}

/* Begin shortly before the clock's circle closes, and see it do so. */
static struct arena *arena_new(unsigned int threads, unsigned int keys, uint32_t sets)
{
	struct arena *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	a->threads = threads;
	a->keys = keys;
	a->steps = STEPS;
	a->now = a->tables;
	a->now->mask = sets - 1;
	a->time = -(STEPS * COST);
	for (uint32_t key = 0; key < keys; key++)
		a->tags[key] = (uint64_t)key << 32 | (weir_hash_word(key + 1) & 0xffffffff) | 1;
	return a;
}

static void many_keys_in_few_cells(unsigned int threads)
{
	struct arena *a = arena_new(threads, KEYS_MAX, 2);

	run(a);
	assert_true(a->full);
	free(a);
}

static void two_threads_share_a_few_cells_exactly(void **state)
{
	(void)state;
	many_keys_in_few_cells(2);
}

static void four_threads_share_a_few_cells_exactly(void **state)
{
	(void)state;
	many_keys_in_few_cells(4);
}

/* Keys that come and go where there is room: whoever is first makes the cell, and the others find it. */
static void keys_that_come_together_get_one_cell_each(void **state)
{
	struct arena *a = arena_new(2, 2 * WEIR_CELL_WAYS - 2, 2);

	(void)state;
	a->all_rest = true;
	run(a);
	free(a);
}

/* As many keys as the smaller of two tables has cells, each set with its fair share of them. */
static void moving(unsigned int threads)
{
	struct arena *a = arena_new(threads, SETS_MAX / 4 * WEIR_CELL_WAYS, SETS_MAX / 4);

	a->moves = true;
	run(a);
	assert_true(a->moved);
	free(a);
}

static void a_table_that_is_replaced_loses_nothing_to_two_threads(void **state)
{
	(void)state;
	moving(2);
}

static void a_table_that_is_replaced_loses_nothing_to_four_threads(void **state)
{
	(void)state;
	moving(4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_threads_share_a_few_cells_exactly),
		cmocka_unit_test(four_threads_share_a_few_cells_exactly),
		cmocka_unit_test(keys_that_come_together_get_one_cell_each),
		cmocka_unit_test(a_table_that_is_replaced_loses_nothing_to_two_threads),
		cmocka_unit_test(a_table_that_is_replaced_loses_nothing_to_four_threads),
	};

	return cmocka_run_group_tests_name("cells", tests, NULL, NULL);
}
