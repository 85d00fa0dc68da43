/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Proof of exactness in the kernel. The limits stage of the datapath, on clocks that the test brings
 * (tests/lib/steps.bpf.c), against the model of what limits promise (tests/lib/oracle.h): every
 * decision, every word and every count, for several sources at once, under one limit or many, with other
 * CPUs taking the last units between asking and charging.
 *
 * The coarse clock lags by up to a policy's tick, twice its own: a CPU may see a new jiffy just before
 * the clock follows. What that may cost is compared with a limiter whose clock is exact: it admits
 * whatever the datapath does, and of what the datapath refuses, a bucket or a fixed window would have refused all
 * a tick earlier. So nothing ever passes beyond burst + rate * t, and below that, no more is lost
 * than a tick's worth; a precise limit loses nothing.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../lib/oracle.h"
#include "../lib/runner.h"
#include "../lib/steps.h"
#include "../unit/test_algorithm.h"
#include "base/text.h"
#include "tests/lib/steps.skel.h"

#include <weir/key.h>
#include <weir/settings.h>

#define SEEDS	50
#define STEPS	100000
#define BATCH	1000 /* between two changes of an adaptive limit */
#define SOURCES 5
#define KEYS	4 /* the last two sources are of one /64 */
#define HASHING 0x243f6a8885a308d3ULL
#define NOBODY	STEPS_NO_RIVAL

_Static_assert(BATCH + 3 + KEYS <= STEPS_MAX, "a batch must fit");
_Static_assert(KEYS <= ORACLE_KEYS, "each key needs a state in the model");

static struct kernel {
	struct steps_bpf *skeleton;
	struct steps_step *steps;
	struct weir_policy *policy;
	struct weir_cell_set *cells;
	struct weir_cpu *cpu; /* the one that all runs are on */
} with_everything, with_buckets_only;

/* Some traffic, what it is limited by, and what the kernel is to answer. */
struct trial {
	const char *name;
	uint64_t seed, random;
	struct kernel *kernel;
	struct policy_image *image;
	struct weir_policy policy; /* as it is now: adaptive limits change */
	bool adaptive[WEIR_LIMITS_PER_PACKET];
	bool rivals; /* other CPUs interfere, and clocks run back */
	__u64 sources[SOURCES][2];

	struct oracle oracle;
	struct oracle ideal; /* its clock is exact, and it follows what was admitted */
	model_time now;
	struct steps_step want[STEPS_MAX];
	unsigned int count, done;
	uint64_t admitted, refused, raced;
};

static const uint32_t keys_of[SOURCES] = {0, 1, 2, 3, 3};

static void *share(int fd, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, (bytes + page - 1) / page * page, PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static int load(struct kernel *k, uint32_t features, unsigned int cpu)
{
	unsigned int cpus = (unsigned int)libbpf_num_possible_cpus();
	struct weir_cpu *all;

	k->skeleton = steps_bpf__open();
	if (!k->skeleton)
		return -errno;
	k->skeleton->rodata->weir_test_clock = 1;
	weir_features_unpack(features, (__u8 *)(uintptr_t)k->skeleton->rodata->weir_features);
	k->skeleton->rodata->weir_seed = HASHING;
	bpf_map__set_max_entries(k->skeleton->maps.weir_cpu, cpus);
	if (steps_bpf__load(k->skeleton) < 0)
		return -errno;
	k->steps = share(bpf_map__fd(k->skeleton->maps.steps), STEPS_MAX * sizeof(*k->steps));
	k->policy = k->skeleton->bss->weir_config.policies;
	k->cells = share(bpf_map__fd(k->skeleton->maps.weir_cells),
			 (WEIR_CELL_FIXED + WEIR_CELL_SETS_MIN) * sizeof(*k->cells));
	all = share(bpf_map__fd(k->skeleton->maps.weir_cpu), cpus * sizeof(*all));
	k->cpu = all ? &all[cpu] : NULL;
	return k->steps && k->policy && k->cells && k->cpu ? 0 : -ENOMEM;
}

static int set_up(void **state)
{
	unsigned int cpu = (unsigned int)sched_getcpu();
	cpu_set_t set;
	int r;

	(void)state;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	r = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	r = r ?: load(&with_everything, WEIR_FEATURE_ALL, cpu);
	return r ?: load(&with_buckets_only, 0, cpu);
}

static int tear_down(void **state)
{
	(void)state;
	steps_bpf__destroy(with_everything.skeleton);
	steps_bpf__destroy(with_buckets_only.skeleton);
	return 0;
}

static bool needs_everything(const struct weir_policy *p)
{
	for (uint32_t i = 0; i < p->limit_count; i++) {
		const struct weir_limit *l = &p->limits[i];

		if (l->algorithm != WEIR_ALGORITHM_BUCKET || l->size_step)
			return true;
		for (unsigned int class = 0; class < WEIR_CLASS_MAX; class ++)
			if (l->unit != WEIR_UNIT_BYTES && l->costs[class] != 1)
				return true;
	}
	return false;
}

static uint32_t set_of(const struct trial *t, uint32_t limit, const __u64 source[2], bool is_ip6)
{
	struct weir_key_parts parts = {.source = source, .is_ip6 = is_ip6};
	const struct weir_limit *l = &t->policy.limits[limit];

	return weir_key_set(l, 0, weir_key_tag(l, &parts, HASHING), WEIR_CELL_SETS_MIN - 1);
}

/* Nobody else's cells are where @source's would be: what is forgotten, and when, is for the trial to
 * say. */
static bool is_alone(const struct trial *t, const __u64 source[2], bool is_ip6,
		     bool taken[static WEIR_CELL_SETS_MIN])
{
	uint32_t sets[WEIR_LIMITS_PER_PACKET], count = 0;

	for (uint32_t i = 0; i < t->policy.limit_count; i++)
		if (t->policy.limits[i].key_parts & WEIR_KEY_SOURCE)
			sets[count++] = set_of(t, i, source, is_ip6) - WEIR_CELL_FIXED;
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j <= i; j++)
			if (taken[sets[i]] || (i != j && sets[i] == sets[j]))
				return false;
	for (uint32_t i = 0; i < count; i++)
		taken[sets[i]] = true;
	return true;
}

static void choose_sources(struct trial *t)
{
	bool taken[WEIR_CELL_SETS_MIN] = {false};
	uint32_t number = 0;

	for (uint32_t i = 0; i < SOURCES; i++) {
		bool is_ip6 = keys_of[i] == KEYS - 1;
		__u64 *s = t->sources[i];

		if (i && keys_of[i] == keys_of[i - 1]) {
			s[0] = t->sources[i - 1][0];
			s[1] = t->sources[i - 1][1] + 1;
			continue;
		}
		do {
			if (++number == 100000)
				fail_msg("%s: no sources with cells of their own", t->name);
			s[0] = is_ip6 ? 0xb80d0120ULL | (__u64)number << 32 : 0;
			s[1] = is_ip6 ? 1 : 0xffff0000ULL | (__u64)number << 32;
		} while (!is_alone(t, s, is_ip6, taken));
	}
}

static struct steps_step *add_step(struct trial *t, enum steps_kind kind, uint32_t source)
{
	struct steps_step *s = &t->want[t->count++];

	*s = (struct steps_step){
		.kind = kind,
		.rival = NOBODY,
		.exact_ns = (uint64_t)(t->now >> WEIR_TIME_SHIFT),
		.is_ip6 = keys_of[source] == KEYS - 1,
		.limit = 0xff,
	};
	s->coarse_ns = s->exact_ns;
	memcpy(s->source, t->sources[source], sizeof(s->source));
	return s;
}

static void expect_words(struct trial *t, struct steps_step *s, uint32_t key)
{
	for (uint32_t i = 0; i < t->policy.limit_count; i++) {
		const struct model *m = oracle_state(&t->oracle, i, key);

		s->words[i] = m->used ? model_word(m) : 0;
	}
}

static void add_forgetting(struct trial *t, uint32_t source)
{
	struct steps_step *s = add_step(t, STEPS_FORGET, source);

	oracle_forget(&t->oracle, keys_of[source], t->now);
	expect_words(t, s, keys_of[source]);
}

/* From here on another CPU gets the packets: it has never had any. */
static void add_beginning(struct trial *t)
{
	add_step(t, STEPS_BEGIN, 0);
	expect_words(t, &t->want[t->count - 1], keys_of[0]);
	t->oracle.has_latest = false;
}

/* After a long time somebody has to forget: before a word comes round. */
static void forget_the_stale(struct trial *t)
{
	for (uint32_t source = 0; source < KEYS; source++)
		for (uint32_t i = 0; i < t->policy.limit_count; i++) {
			const struct model *m = oracle_state(&t->oracle, i, keys_of[source]);

			if (m->used && t->now - model_rests_at(m) > (model_time)1 << 60) {
				add_forgetting(t, source);
				break;
			}
		}
}

/* How far the coarse clock is behind, at most a tick: that of the kernel steps twice as often, and may
 * be remembered for one more step. */
static model_time random_lag(struct trial *t)
{
	switch (next_random(&t->random, 4)) {
	case 0:
		return 0;
	case 1:
		return t->now % (TICK / 2);
	case 2:
		return t->now % (TICK / 2) + TICK / 2;
	default:
		return TICK;
	}
}

static void random_packet(struct trial *t, uint32_t source, struct oracle_packet *ret)
{
	static const uint32_t lengths[] = {60, 64, 511, 512, 513, 1500, 1514, 9018, 9216};
	model_time lag = random_lag(t);

	*ret = (struct oracle_packet){
		.exact = t->now,
		.coarse = t->now - lag - (t->now - lag) % (1 << WEIR_TIME_SHIFT),
		.key = keys_of[source],
		.class = next_random(&t->random, 3) == 0
				 ? WEIR_CLASS_SYN
				 : (uint32_t)next_random(&t->random, WEIR_CLASS_MAX),
		.length = next_random(&t->random, 64)
				  ? lengths[next_random(&t->random, ARRAY_SIZE(lengths))]
				  : (uint32_t)next_random(&t->random, 65536),
		.rival = NOBODY,
	};
	if (!t->rivals || next_random(&t->random, 4))
		return;
	ret->rival = (uint32_t)next_random(&t->random, t->policy.limit_count);
	ret->rival_units = random_units(&t->random, &t->policy.limits[ret->rival]);
}

/* What an exact clock would have said. */
static void judge(struct trial *t, const struct oracle_packet *p, const struct oracle_answer *a)
{
	for (uint32_t i = 0; i < t->policy.limit_count; i++) {
		const struct weir_limit *l = &t->policy.limits[i];
		struct model *m = oracle_state(&t->ideal, i, p->key);
		uint64_t units = oracle_units(l, p->class, p->length);

		if (!oracle_applies(&t->policy, i, p->class))
			continue;
		if (a->limit == NOBODY && !model_offer(m, p->exact, units))
			fail_msg("%s, seed %llu, step %u: an exact clock refuses what passed",
				 t->name, (unsigned long long)t->seed, t->done + t->count);
		if (a->limit == i && l->algorithm != WEIR_ALGORITHM_SLIDING &&
		    model_conforms(m, p->exact - (l->precise ? 0 : TICK), units))
			fail_msg("%s, seed %llu, step %u: refused, but had room a tick ago",
				 t->name, (unsigned long long)t->seed, t->done + t->count);
	}
}

static void add_packet(struct trial *t, uint32_t source)
{
	struct oracle_packet p;
	struct oracle_answer answer;
	struct steps_step *s;

	random_packet(t, source, &p);
	oracle_decide(&t->oracle, &p, &answer);
	s = add_step(t, STEPS_PACKET, source);
	s->coarse_ns = (uint64_t)(p.coarse >> WEIR_TIME_SHIFT);
	s->class = (uint8_t)p.class;
	s->length = p.length;
	s->rival = (uint8_t)p.rival;
	s->rival_units = p.rival_units;
	s->reason = answer.reason;
	s->limit = answer.limit;
	expect_words(t, s, p.key);
	t->admitted += answer.reason == WEIR_REASON_WITHIN_LIMIT;
	t->refused += answer.limit != NOBODY;
	t->raced += answer.raced;
	if (!t->rivals)
		judge(t, &p, &answer);
}

static void pass_time(struct trial *t)
{
	const struct weir_limit *l =
		&t->policy.limits[next_random(&t->random, t->policy.limit_count)];
	uint64_t units = random_units(&t->random, l);
	model_time step = random_step(&t->random, l, units) / (model_time)(t->seed % KEYS + 1);

	t->now += step >= 0 ? step : -step;
	t->now -= t->now % (1 << WEIR_TIME_SHIFT);
	forget_the_stale(t);
}

static void scale_limits(struct trial *t)
{
	for (uint32_t i = 0; i < t->policy.limit_count; i++) {
		const struct weir_limit *compiled = &t->image->policy.limits[i];
		unsigned int factor = 200 + (unsigned int)next_random(&t->random, 2801);
		struct weir_limit *l = &t->policy.limits[i];
		uint64_t word;

		if (!t->adaptive[i])
			continue;
		assert_int_equal(policy_scale(compiled, factor, &word), 0);
		*(compiled->algorithm == WEIR_ALGORITHM_BUCKET ? &l->interval : &l->burst) = word;
	}
}

static void compare(const struct trial *t, const struct steps_step *want,
		    const struct steps_step *got, unsigned int step)
{
	uint32_t limits = t->policy.limit_count;

	if (want->reason == got->reason && want->limit == got->limit &&
	    memcmp(want->words, got->words, limits * sizeof(want->words[0])) == 0)
		return;
	for (uint32_t i = 0; i < limits; i++)
		print_message("limit %u: word %llx, should be %llx\n", i,
			      (unsigned long long)got->words[i],
			      (unsigned long long)want->words[i]);
	fail_msg(
		"%s, seed %llu, step %u of kind %u at %llu ns (coarse %llu): reason %d of limit %u, should "
		"be %d of %u",
		t->name, (unsigned long long)t->seed, step, want->kind,
		(unsigned long long)want->exact_ns, (unsigned long long)want->coarse_ns,
		got->reason, got->limit, want->reason, want->limit);
}

/* Have the kernel do what was prepared, and compare. */
static void run_batch(struct trial *t)
{
	struct kernel *k = t->kernel;
	uint8_t frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = (int)t->count);

	for (unsigned int i = 0; i < t->count; i++) {
		k->steps[i] = t->want[i];
		k->steps[i].reason = 0;
		k->steps[i].limit = 0;
		memset(k->steps[i].words, 0xff, sizeof(k->steps[i].words));
	}
	memcpy(k->policy, &t->policy, sizeof(t->policy));
	k->skeleton->bss->steps_next = 0;
	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(k->skeleton->progs.steps_run), &options), 0);
	assert_int_equal(k->skeleton->bss->steps_next, t->count);
	for (unsigned int i = 0; i < t->count; i++)
		compare(t, &t->want[i], &k->steps[i], t->done + i);
	t->done += t->count;
	t->count = 0;
}

static void begin(struct trial *t)
{
	t->kernel = needs_everything(&t->policy) ? &with_everything : &with_buckets_only;
	memset(t->kernel->cells, 0,
	       (WEIR_CELL_FIXED + WEIR_CELL_SETS_MIN) * sizeof(*t->kernel->cells));
	memset(t->kernel->cpu->limits, 0, sizeof(t->kernel->cpu->limits));
	choose_sources(t);
	oracle_init(&t->oracle, &t->policy);
	oracle_init(&t->ideal, &t->policy);
	t->now = random_start(&t->random, &t->policy.limits[0]) + 2 * TICK;
	t->now -= t->now % (1 << WEIR_TIME_SHIFT);
	add_beginning(t);
}

static void run_trial(struct trial *t)
{
	begin(t);
	while (t->done < STEPS) {
		scale_limits(t);
		while (t->count < BATCH) {
			uint32_t source = (uint32_t)next_random(&t->random, t->seed % SOURCES + 1);

			if (next_random(&t->random, 16) == 0)
				add_forgetting(t, source);
			if (next_random(&t->random, 128) == 0)
				add_beginning(t);
			add_packet(t, source);
			pass_time(t);
		}
		run_batch(t);
	}
	assert_true(t->admitted > 0);
	for (uint32_t i = 0; i < t->policy.limit_count; i++)
		assert_int_equal(t->kernel->cpu->limits[i].passed, t->oracle.passed[i]);
}

/* Make @limits, each the settings of one, into a trial's policy. */
static int compile(struct trial *t, const struct subject *limits, unsigned int count)
{
	static const char *const scopes[] = {"source", "source", "source", "global"};
	_cleanup_(policy_freep) struct policy *p = NULL;
	char yaml[4096] = RUNNER_UNLIMITED "limits:\n";
	int r;

	for (unsigned int i = 0; i < count; i++)
		snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
			 "  - {name: l%u, scope: %s, %s}\n", i, scopes[i % ARRAY_SIZE(scopes)],
			 limits[i].text);
	r = policy_parse("p", yaml, strlen(yaml), &p, NULL);
	r = r ?: policy_compile(p, TICK_NS, &t->image, NULL);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < t->image->policy.limit_count; i++) {
		struct weir_limit *l = &t->image->policy.limits[i];

		l->slot = (uint16_t)i;
		l->fixed_set = l->key_parts ? 0 : (uint16_t)(i + 1);
		t->adaptive[i] = t->image->limits[i].adaptive;
	}
	t->policy = t->image->policy;
	/* The packets here have no ports, where limits on connections are otherwise found. */
	t->policy.protocol_limits[IPPROTO_TCP] |= t->policy.connection_limits;
	return 0;
}

static struct trial *trial_new(const char *name, uint64_t seed)
{
	struct trial *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->name = name;
	t->seed = seed;
	t->random = seed * 0x9e3779b97f4a7c15ULL ^ (uint64_t)(unsigned char)name[0] << 32;
	t->rivals = seed & 1;
	return t;
}

static void trial_free(struct trial *t)
{
	policy_image_free(t->image);
	free(t);
}

/* A sum over all seeds of what happened in the trials: they must have met everything. */
struct met {
	uint64_t admitted, refused, raced;
};

static void run_and_add(struct trial *t, struct met *met)
{
	run_trial(t);
	met->admitted += t->admitted;
	met->refused += t->refused;
	met->raced += t->raced;
	trial_free(t);
}

static void assert_met_all(const struct met *met)
{
	print_message("%llu admitted, %llu refused, %llu races\n",
		      (unsigned long long)met->admitted, (unsigned long long)met->refused,
		      (unsigned long long)met->raced);
	assert_true(met->admitted && met->refused && met->raced);
}

/* As many seeds as were promised; an emulated machine, where a step takes ten times as long, is told to take
 * fewer. */
static uint64_t seeds(void)
{
	const char *fewer = getenv("WEIR_TEST_SEEDS");
	uint64_t number;

	return fewer && parse_u64(fewer, 1, SEEDS, &number) == 0 ? number : SEEDS;
}

/* The same of one kind of limit. */
static void compare_kind(enum kind kind)
{
	struct met met = {0};

	for (uint64_t seed = 1; seed <= seeds(); seed++) {
		struct trial *t = trial_new(algorithms[kind], seed);
		struct subject s = {0};

		random_subject(&s, kind, &t->random);
		assert_int_equal(compile(t, &s, 1), 0);
		run_and_add(t, &met);
	}
	assert_met_all(&met);
}

static void a_token_bucket_decides_as_the_model(void **state)
{
	(void)state;
	compare_kind(BUCKET);
}

static void a_leaky_bucket_decides_as_the_model(void **state)
{
	(void)state;
	compare_kind(LEAKY);
}

static void a_fixed_window_decides_as_the_model(void **state)
{
	(void)state;
	compare_kind(FIXED);
}

static void a_sliding_window_decides_as_the_model(void **state)
{
	(void)state;
	compare_kind(SLIDING);
}

static void an_adaptive_limit_decides_as_the_model(void **state)
{
	struct met met = {0};

	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++) {
		struct trial *t = trial_new("adaptive", seed);
		struct subject s = {0};

		do
			random_subject(&s, (enum kind)next_random(&t->random, SLIDING + 1),
				       &t->random);
		while (!s.adaptive);
		assert_int_equal(compile(t, &s, 1), 0);
		run_and_add(t, &met);
	}
	assert_met_all(&met);
}

static void many_limits_on_one_packet_decide_as_the_model(void **state)
{
	struct met met = {0};

	(void)state;
	for (uint64_t seed = 1; seed <= seeds(); seed++) {
		struct trial *t = trial_new("many limits", seed);
		struct subject s[WEIR_LIMITS_PER_PACKET];
		unsigned int count = 2 + (unsigned int)(seed % (WEIR_LIMITS_PER_PACKET - 1));

		for (unsigned int i = 0; i < count; i++) {
			s[i] = (struct subject){0};
			random_subject(&s[i], (enum kind)next_random(&t->random, SLIDING + 1),
				       &t->random);
		}
		assert_int_equal(compile(t, s, count), 0);
		run_and_add(t, &met);
	}
	assert_met_all(&met);
}

/* The ends of what the language can say. */
static void limits_at_the_edge_decide_as_the_model(void **state)
{
	struct met met = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
		for (uint64_t seed = 1; seed <= 2; seed++) {
			struct trial *t = trial_new(edges[i], seed);
			struct subject s = {0};

			snprintf(s.text, sizeof(s.text), "%s", edges[i]);
			assert_int_equal(compile(t, &s, 1), 0);
			run_and_add(t, &met);
		}
	}
	assert_met_all(&met);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_bucket_decides_as_the_model),
		cmocka_unit_test(a_leaky_bucket_decides_as_the_model),
		cmocka_unit_test(a_fixed_window_decides_as_the_model),
		cmocka_unit_test(a_sliding_window_decides_as_the_model),
		cmocka_unit_test(an_adaptive_limit_decides_as_the_model),
		cmocka_unit_test(many_limits_on_one_packet_decide_as_the_model),
		cmocka_unit_test(limits_at_the_edge_decide_as_the_model),
	};

	return runner_run_group("exact", tests, set_up, tear_down);
}
