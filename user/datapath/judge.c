/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the twin is asked. It has two runs on each packet: one where no limit has any state, which tells the limits
 * that apply, and where each keeps its own, and then one with that state.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include <weir/algorithm.h>
#include <weir/cells.h>
#include <weir/key.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "bpf/limiter.skel.h"
#include "datapath/twin_internal.h"

#define CELL_SETS_FEW 4096 /* are enough, unless two that are needed would lie in one place */
#define NO_CPU	      UINT32_MAX
#define NOT_CHARGED   UINT32_MAX

/* Where a limit has its state of the packet, in the live table. */
struct seat {
	uint64_t tag;
	uint32_t set;	 /* NOT_CHARGED: nowhere */
	uint64_t coarse; /* tag of the shared one; 0 = there is none */
};

/* One question on its way. */
struct judging {
	struct datapath *d;
	struct twin *twin;
	const struct twin_question *question;
	const struct weir_policy *policy;
	unsigned int cpu; /* that ran it last */
	struct seat seats[WEIR_LIMITS_MAX];
};

const char *twin_finding_to_str(enum twin_finding finding)
{
	static const char *const words[] = {
		[TWIN_NOT_MEANT] = "not_meant",	  [TWIN_NOT_ASKED] = "not_asked",
		[TWIN_ROLLED_OUT] = "rolled_out", [TWIN_HAD_ROOM] = "had_room",
		[TWIN_REFUSED] = "refused",	  [TWIN_WOULD_REFUSE] = "would_refuse",
	};

	_Static_assert(ARRAY_SIZE(words) == TWIN_FINDING_MAX, "a finding has no word");
	return words[finding];
}

static uint64_t now(void)
{
	return clock_monotonic_ns() << WEIR_TIME_SHIFT;
}

/* As its CPU would find it, but that there is nothing to be added to an entry, and a sample is due. */
static void prepare_cpu(const struct twin *t, unsigned int number, const struct weir_cpu *live)
{
	struct weir_cpu *cpu = &t->cpu[number];
	struct weir_limit_count *before = &t->before[(size_t)number * WEIR_LIMIT_SLOTS];

	memset(cpu->hits, 0, sizeof(cpu->hits));
	memset(cpu->counts, 0, sizeof(cpu->counts));
	memset(cpu->destinations, 0, sizeof(cpu->destinations));
	cpu->sampling = (struct weir_sampling){.left = 1};
	cpu->reason = WEIR_REASON_MAX;
	cpu->clock = live->clock;
	memcpy(cpu->limits, live->limits, sizeof(cpu->limits));
	memcpy(before, cpu->limits, sizeof(cpu->limits));
}

static unsigned int find_cpu(const struct twin *t)
{
	for (unsigned int i = 0; i < t->cpus; i++)
		for (unsigned int n = 0; n < WEIR_COUNTS; n++)
			if (t->cpu[i].counts[n].packets)
				return i;
	return NO_CPU;
}

/* Run it, on cells as they are. */
static int run(struct judging *j)
{
	const struct program *p = &j->d->program;
	struct twin *t = j->twin;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = j->question->frame,
		    .data_size_in = (uint32_t)j->question->length, .repeat = 1);
	int r;

	for (unsigned int i = 0; i < t->cpus; i++)
		prepare_cpu(t, i, &p->cpu[i]);
	t->skeleton->data->weir_twin_asked = 0;
	t->skeleton->data->weir_test_coarse_ns = p->skeleton->data->weir_test_coarse_ns;
	t->skeleton->data->weir_test_exact_ns = p->skeleton->data->weir_test_exact_ns;
	r = fault_point(NULL, "twin.run");
	if (r < 0)
		return r;
	if (bpf_prog_test_run_opts(bpf_program__fd(t->skeleton->progs.weir_ingress), &options) < 0)
		return -errno;
	j->cpu = find_cpu(t);
	return j->cpu == NO_CPU ? -ENXIO : 0;
}

/* What the run did to the counters of limit @number. */
static struct weir_limit_count change_of(const struct judging *j, uint32_t number)
{
	uint16_t slot = j->policy->limits[number].slot & (WEIR_LIMIT_SLOTS - 1);
	const struct weir_limit_count *is = &j->twin->cpu[j->cpu].limits[slot];
	const struct weir_limit_count *was =
		&j->twin->before[(size_t)j->cpu * WEIR_LIMIT_SLOTS + slot];

	return (struct weir_limit_count){
		.passed = is->passed - was->passed,
		.dropped = is->dropped - was->dropped,
		.would_drop = is->would_drop - was->would_drop,
		.marked = is->marked - was->marked,
		.replied = is->replied - was->replied,
		.coarse = is->coarse - was->coarse,
		.full = is->full - was->full,
	};
}

static bool was_asked(const struct judging *j, uint32_t number)
{
	const struct weir_limit_count c = change_of(j, number);

	return c.passed || c.dropped || c.would_drop || c.marked || c.replied;
}

/* What is charged as @tag in @set of the twin's table is the packet's state under limit @number. */
static bool is_seat(const struct judging *j, uint32_t number, uint32_t set, uint64_t tag)
{
	const struct weir_limit *limit = &j->policy->limits[number];

	if (limit->fixed_set)
		return set >= limit->fixed_set &&
		       set < limit->fixed_set + (uint32_t)(limit->fixed_sets ?: 1);
	return set >= WEIR_CELL_FIXED && j->seats[number].tag == tag;
}

/* Where limits found by hash would have their state of the packet, if they apply to it. */
static void name_seats(struct judging *j)
{
	__u64 source[2], destination[2];
	const struct weir_key_parts parts = {
		.source = source,
		.destination = destination,
		.is_ip6 = j->question->is_ip6,
	};

	memcpy(source, j->question->source, sizeof(source));
	memcpy(destination, j->question->destination, sizeof(destination));
	for (uint32_t i = 0; i < j->policy->limit_count; i++) {
		const struct weir_limit *limit = &j->policy->limits[i];
		struct seat *seat = &j->seats[i];

		*seat = (struct seat){.set = NOT_CHARGED};
		if (limit->fixed_set || limit->algorithm == WEIR_ALGORITHM_OPEN)
			continue;
		seat->tag = weir_key_tag(limit, &parts, j->d->program.seed);
		if (limit->key_parts & WEIR_KEY_SOURCE)
			seat->coarse = weir_key_coarse_tag(limit, &parts, j->d->program.seed);
	}
}

/* A cell that was charged in the run on an empty table. -ENOKEY: we know nothing of it. */
static int take_seat(struct judging *j, uint32_t set, uint64_t tag, uint64_t *charged)
{
	uint64_t owners = 0;

	for (uint32_t i = 0; i < j->policy->limit_count; i++) {
		if (!is_seat(j, i, set, tag))
			continue;
		owners |= 1ULL << i;
		if (set < WEIR_CELL_FIXED)
			j->seats[i] = (struct seat){.tag = tag, .set = set};
		else
			j->seats[i].set =
				weir_cell_set_index(tag, j->d->program.shape.cell_sets - 1);
	}
	*charged |= owners;
	return owners ? 0 : -ENOKEY;
}

static int find_seats(struct judging *j)
{
	const struct twin *t = j->twin;
	uint64_t charged = 0;
	int r = 0;

	for (uint32_t set = 0; set < WEIR_CELL_FIXED + t->cell_sets && r == 0; set++)
		for (unsigned int way = 0; way < WEIR_CELL_WAYS && r == 0; way++)
			if (t->cells[set].cells[way].tag)
				r = take_seat(j, set, t->cells[set].cells[way].tag, &charged);
	for (uint32_t i = 0; i < j->policy->limit_count; i++)
		if (!(charged & 1ULL << i))
			j->seats[i].set = NOT_CHARGED;
	return r;
}

/* Not while somebody takes over one of its cells: the twin would wait for him for ever. */
static void copy_set(struct weir_cell_set *to, const struct weir_cell_set *from, uint64_t time)
{
	for (int attempt = 0; attempt < 1000; attempt++) {
		bool marked = false;

		for (unsigned int way = 0; way < WEIR_CELL_WAYS; way++) {
			to->cells[way].tag = cells_read(&from->cells[way].tag);
			to->cells[way].word = cells_read(&from->cells[way].word);
			marked |= cells_is_marked(to->cells[way].word, time);
		}
		if (!marked)
			break;
	}
}

/* Copy the set where the live table has @tag. -EEXIST: another one is there. */
static int copy_hashed(const struct judging *j, uint64_t tag, uint32_t taken[], size_t *count)
{
	const struct program *p = &j->d->program;
	uint32_t to = weir_cell_set_index(tag, j->twin->cell_sets - 1);
	uint32_t from = weir_cell_set_index(tag, p->shape.cell_sets - 1);

	for (size_t i = 0; i < *count; i++)
		if (weir_cell_set_index((uint64_t)taken[i] << 32, j->twin->cell_sets - 1) == to &&
		    weir_cell_set_index((uint64_t)taken[i] << 32, p->shape.cell_sets - 1) != from)
			return -EEXIST;
	taken[(*count)++] = (uint32_t)(tag >> 32);
	copy_set(&j->twin->cells[to], &p->cells[from], now());
	return 0;
}

/* Cells as they are for the packet. */
static int copy_cells(const struct judging *j)
{
	uint32_t taken[2 * WEIR_LIMITS_MAX];
	uint64_t time = now();
	size_t count = 0;
	int r = 0;

	memset(&j->twin->cells[WEIR_CELL_FIXED], 0, j->twin->cell_sets * sizeof(*j->twin->cells));
	for (uint32_t i = 0; i < WEIR_CELL_FIXED; i++)
		copy_set(&j->twin->cells[i], &j->d->program.cells[i], time);
	for (uint32_t i = 0; i < j->policy->limit_count && r == 0; i++) {
		const struct seat *seat = &j->seats[i];

		if (seat->set == NOT_CHARGED || seat->set < WEIR_CELL_FIXED)
			continue;
		r = copy_hashed(j, seat->tag, taken, &count);
		if (r == 0 && seat->coarse)
			r = copy_hashed(j, seat->coarse, taken, &count);
	}
	return r;
}

/* The limit that refused the packet: the only one that was asked and counted, but for cookies, of which the last
 * one says. */
static uint32_t find_refused(const struct judging *j, unsigned int reason)
{
	uint32_t found = TWIN_NO_LIMIT;

	if (reason < WEIR_REASON_OVER_PACKETS || reason >= WEIR_REASON_VLAN_TRUNCATED)
		return TWIN_NO_LIMIT;
	for (uint32_t i = 0; i < j->policy->limit_count; i++) {
		const struct weir_limit *limit = &j->policy->limits[i];

		if (was_asked(j, i) &&
		    (reason != WEIR_REASON_SYN_COOKIE || limit->action == WEIR_ACTION_COOKIE))
			found = i;
	}
	return found;
}

static void find_entry(const struct judging *j, struct twin_verdict *ret)
{
	const struct program *p = &j->d->program;
	const struct weir_hits *hits = &j->twin->cpu[j->cpu].hits[p->shape.hits_slot & 1];
	const struct weir_entry *entry;
	uint32_t set = hits->entry / WEIR_ENTRY_WAYS;

	if (!hits->packets || set >= p->shape.entry_sets)
		return;
	entry = &p->entries[set].entries[hits->entry % WEIR_ENTRY_WAYS];
	ret->listed = entry->state >> WEIR_ENTRY_LENGTH_SHIFT;
	memcpy(ret->entry.address, entry->address, sizeof(ret->entry.address));
	ret->entry.bits = (uint8_t)(entry->state >> WEIR_ENTRY_LENGTH_SHIFT) - 1;
}

/* Whose the packet is: what the program has looked up, if anything. */
static uint32_t find_tenant(const struct judging *j)
{
	const struct limiter_bpf *s = j->d->program.skeleton;
	struct weir_prefix_key key = {.prefix_bits = 32 + 128, .copy = j->policy->generation & 1};
	struct weir_prefix_value destination = {0};
	struct weir_source_value source = {0};

	memcpy(key.address, j->question->destination, sizeof(key.address));
	if (j->policy->flags & WEIR_POLICY_BY_DESTINATION)
		bpf_map_lookup_elem(bpf_map__fd(s->maps.weir_dests), &key, &destination);
	memcpy(key.address, j->question->source, sizeof(key.address));
	if (!destination.tenant && j->policy->flags & WEIR_POLICY_BY_SOURCE)
		bpf_map_lookup_elem(bpf_map__fd(s->maps.weir_sources), &key, &source);
	return destination.tenant ?: source.value.tenant;
}

static void read_run(const struct judging *j, struct twin_verdict *ret)
{
	const struct weir_cpu *cpu = &j->twin->cpu[j->cpu];

	for (unsigned int i = 0; i < WEIR_COUNTS; i++)
		if (cpu->counts[i].packets) {
			ret->verdict = i / WEIR_REASON_MAX;
			ret->reason = i % WEIR_REASON_MAX;
		}
	ret->sampled = cpu->sampling.taken;
	ret->sample = cpu->samples[0];
	ret->refused = find_refused(j, ret->reason);
	find_entry(j, ret);
}

static void read_bucket(const struct judging *j, uint32_t number, unsigned int class,
			struct twin_limit *ret)
{
	const struct weir_limit *limit = &j->policy->limits[number];
	const struct seat *seat = &j->seats[number];
	uint32_t mask = j->d->program.shape.cell_sets - 1;
	uint64_t tag = ret->shares_cell ? seat->coarse : seat->tag;

	if (seat->set == NOT_CHARGED)
		return;
	ret->has_bucket = true;
	cells_read_bucket(
		j->d, limit, ret->shares_cell ? weir_cell_set_index(tag, mask) : seat->set, tag,
		algorithm_units(limit, class, (uint32_t)j->question->length), &ret->bucket);
}

/* What the run with the true state made of limit @number, which applies. */
static enum twin_finding read_finding(const struct judging *j, uint32_t number, uint32_t refused)
{
	const struct weir_limit *limit = &j->policy->limits[number];

	if (number == refused)
		return TWIN_REFUSED;
	if (limit->algorithm != WEIR_ALGORITHM_OPEN && j->seats[number].set == NOT_CHARGED)
		return TWIN_ROLLED_OUT;
	if (!was_asked(j, number))
		return TWIN_NOT_ASKED;
	return change_of(j, number).would_drop ? TWIN_WOULD_REFUSE : TWIN_HAD_ROOM;
}

static void read_limits(const struct judging *j, uint64_t applies, struct twin_verdict *ret)
{
	for (uint32_t i = 0; i < j->policy->limit_count; i++) {
		struct twin_limit *limit = &ret->limits[i];
		const struct weir_limit_count change = change_of(j, i);

		if (!(applies & 1ULL << i) && i != ret->refused)
			continue;
		limit->finding = read_finding(j, i, ret->refused);
		limit->shares_cell = change.coarse;
		limit->no_room = change.full;
		read_bucket(j, i, ret->sampled ? ret->sample.class : j->question->class, limit);
	}
	ret->limit_count = j->policy->limit_count;
}

/* The run where no limit has any state: a bit for each that applies, and where they have theirs. */
static int find_limits(struct judging *j, uint64_t *ret_applies)
{
	int r;

	memset(j->twin->cells, 0,
	       (WEIR_CELL_FIXED + (size_t)j->twin->cell_sets) * sizeof(*j->twin->cells));
	name_seats(j);
	r = run(j);
	r = r ?: find_seats(j);
	*ret_applies = 0;
	for (uint32_t i = 0; i < j->policy->limit_count && r == 0; i++)
		*ret_applies |= was_asked(j, i) ? 1ULL << i : 0;
	return r;
}

/* The run ended where the kernel would have been asked for a cookie: if it would have given one, once more with that. */
static int go_on(struct judging *j, struct twin_verdict *ret)
{
	struct limiter_bpf__data *data = j->twin->skeleton->data;
	int64_t refusal = data->weir_twin_told;
	int r;

	if (!data->weir_twin_asked)
		return 0;
	ret->asks_cookie = true;
	if (j->d->listener || listener_open(&j->d->listener) == 0)
		ret->cookie =
			listener_ask(j->d->listener, data->weir_twin_tuple, data->weir_twin_asked);
	if (ret->cookie != LISTENER_WANTS)
		return 0;
	r = copy_cells(j);
	if (r < 0)
		return r;
	data->weir_twin_told = 0; /* any cookie */
	r = run(j);
	data->weir_twin_told = refusal;
	if (r == 0)
		read_run(j, ret);
	return r;
}

static int judge(struct judging *j, struct twin_verdict *ret)
{
	uint64_t applies;
	int r = find_limits(j, &applies);

	r = r ?: copy_cells(j);
	r = r ?: run(j);
	if (r < 0)
		return r;
	read_run(j, ret);
	r = go_on(j, ret);
	if (r < 0)
		return r;
	read_limits(j, applies, ret);
	ret->generation = j->d->program.config->live.generation;
	ret->tenant = find_tenant(j);
	return 0;
}

static int check_question(const struct datapath *d, const struct twin_question *question,
			  struct fault *reterr)
{
	if (question->length < TWIN_FRAME_MIN || question->length > TWIN_FRAME_MAX)
		return fault(reterr, -EINVAL, "datapath.twin",
			     "a frame has %d to %d bytes, not %zu", TWIN_FRAME_MIN, TWIN_FRAME_MAX,
			     question->length);
	if (d->program.shape.cell_sets_was)
		return fault(reterr, -EBUSY, "datapath.twin",
			     "limits' state is being moved to another table: ask again");
	return 0;
}

int datapath_judge(struct datapath *d, const struct twin_question *question,
		   struct twin_verdict *ret, struct fault *reterr)
{
	struct twin_verdict verdict = {.refused = TWIN_NO_LIMIT};
	struct judging j = {.d = d, .question = question};
	uint32_t sets = CELL_SETS_FEW;
	int r = check_question(d, question, reterr);

	r = r ?: datapath_need_program(d, reterr);
	if (r < 0)
		return r;
	for (;; sets *= 16) {
		r = d->twin ? 0 : twin_make(d, sets, reterr);
		if (r < 0)
			return r;
		j.twin = d->twin;
		j.policy = &d->program.config->policies[d->program.config->live.generation & 1];
		r = judge(&j, &verdict);
		if (r != -EEXIST)
			break;
		/* Two sets of the live table fall on one of ours: as many as it has are surely enough. */
		sets = j.twin->cell_sets;
		twin_free(take_ptr(d->twin));
		verdict = (struct twin_verdict){.refused = TWIN_NO_LIMIT};
	}
	if (r == -ENOKEY)
		return fault(reterr, -EINVAL, "datapath.twin",
			     "the frame's addresses are not those that were named");
	if (r < 0)
		return fault(reterr, r, "datapath.twin", "cannot run the program: %s",
			     strerror(-r));
	*ret = verdict;
	return 0;
}
