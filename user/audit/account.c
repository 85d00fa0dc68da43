/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/account.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/cleanup.h"

void account_init(struct account *a)
{
	*a = (struct account){.event = -1};
}

/* memmem() of a key, '"', what is its name and "\":", for which it prepares longer than it then searches. */
static const char *find_key(const char *data, size_t length, const char *key, size_t key_length)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), letter = _mm_set1_epi8(key[1]),
		      colon = _mm_set1_epi8(':');

	for (; length >= key_length + 15; data += 16, length -= 16) {
		const __m128i *first = (const __m128i *)(const void *)data,
			      *second = (const __m128i *)(const void *)(data + 1),
			      *last = (const __m128i *)(const void *)(data + key_length - 1);
		__m128i found = _mm_and_si128(_mm_cmpeq_epi8(_mm_loadu_si128(first), quote),
					      _mm_cmpeq_epi8(_mm_loadu_si128(second), letter));

		found = _mm_and_si128(found, _mm_cmpeq_epi8(_mm_loadu_si128(last), colon));
		for (unsigned int bits = (unsigned int)_mm_movemask_epi8(found); bits;
		     bits &= bits - 1)
			if (memcmp(data + __builtin_ctz(bits), key, key_length) == 0)
				return data + __builtin_ctz(bits);
	}
#endif
	return memmem(data, length, key, key_length);
}

/* The value of a member of `details`, up to the end of them: canonical JSON, in which no string can hold
 * an unescaped quote. NULL: there is none. */
static const char *member(const struct record_slice *details, const char *name,
			  const char **ret_end)
{
	char key[40] = "\"";
	size_t length = strlen(name);
	const char *at;

	memcpy(key + 1, name, length);
	memcpy(key + 1 + length, "\":", 2);
	at = find_key(details->data, details->length, key, length + 3);
	if (!at)
		return NULL;
	*ret_end = details->data + details->length;
	return at + length + 3;
}

static uint64_t read_u64(const char *at, const char *end)
{
	uint64_t value = 0;

	while (at < end && *at >= '0' && *at <= '9')
		value = value * 10 + (uint64_t)(*at++ - '0');
	return value;
}

uint64_t account_u64(const struct record_slice *details, const char *name)
{
	const char *end = NULL, *at = member(details, name, &end);

	if (!at)
		return 0;
	return read_u64(at + (*at == '"'), end);
}

struct record_slice account_string(const struct record_slice *details, const char *name)
{
	const char *end = NULL, *at = member(details, name, &end), *quote;

	if (!at || *at != '"')
		return (struct record_slice){"", 0};
	at++;
	quote = memchr(at, '"', (size_t)(end - at));
	return (struct record_slice){at, quote ? (size_t)(quote - at) : 0};
}

static bool is_text(const struct record_slice *s, const char *text)
{
	return s->length == strlen(text) && memcmp(s->data, text, s->length) == 0;
}

/* The entry of that name, made if need be; more names than there is room for share the last. */
static uint64_t *reason(struct account_reasons *r, const char *name, size_t length)
{
	unsigned int i;

	if (length >= ACCOUNT_REASON_SIZE)
		length = ACCOUNT_REASON_SIZE - 1;
	for (i = 0; i < r->count; i++)
		if (strncmp(r->of[i].name, name, length) == 0 && !r->of[i].name[length])
			return &r->of[i].packets;
	if (i == ACCOUNT_REASONS_MAX)
		return &r->of[i - 1].packets;
	memcpy(r->of[i].name, name, length);
	r->of[i].name[length] = '\0';
	r->of[i].packets = 0;
	r->count++;
	return &r->of[i].packets;
}

static uint64_t reason_packets(const struct account_reasons *r, const char *name)
{
	for (unsigned int i = 0; i < r->count; i++)
		if (strcmp(r->of[i].name, name) == 0)
			return r->of[i].packets;
	return 0;
}

static void add_reasons(struct account_reasons *to, const struct account_reasons *from)
{
	for (unsigned int i = 0; i < from->count; i++)
		*reason(to, from->of[i].name, strlen(from->of[i].name)) += from->of[i].packets;
}

/* "over_packets=12 blocked=3" */
static void read_reasons(const struct record_slice *text, struct account_reasons *ret)
{
	const char *at = text->data, *end = text->data + text->length;

	ret->count = 0;
	while (at < end) {
		const char *equals = memchr(at, '=', (size_t)(end - at)), *space;

		if (!equals)
			return;
		*reason(ret, at, (size_t)(equals - at)) += read_u64(equals + 1, end);
		space = memchr(equals, ' ', (size_t)(end - equals));
		at = space ? space + 1 : end;
	}
}

static void read_beat(const struct record_slice *details, uint64_t index, struct account_beat *ret)
{
	struct record_slice reasons = account_string(details, "recorded_by_reason");

	*ret = (struct account_beat){
		.index = index,
		.beat = account_u64(details, "beat"),
		.run = account_u64(details, "run"),
		.epoch = account_u64(details, "epoch"),
		.monotonic_ns = account_u64(details, "monotonic_ns"),
		.dropped = account_u64(details, "dropped"),
		.settled = account_u64(details, "settled"),
		.recorded = account_u64(details, "recorded"),
		.unseen = account_u64(details, "unseen"),
		.late = account_u64(details, "late_ms") > 0,
	};
	read_reasons(&reasons, &ret->reasons);
}

/* The counters of both, against the records between. */
static int check_counters(const struct account_beat *was, const struct account_sums *s,
			  const struct account_beat *b, struct audit_problem *p)
{
	static const struct account_beat zero;

	if (b->epoch != was->epoch && !s->reset)
		return audit_problem(p, AUDIT_FINDING_HEARTBEAT_COUNTERS, b->index, 0,
				     "the counters of heartbeat %" PRIu64
				     " are others than those of %" PRIu64
				     ", and no record says why",
				     b->index, was->index);
	if (s->reset)
		was = &zero;
	if (b->recorded < was->recorded || b->unseen < was->unseen || b->dropped < was->dropped)
		return audit_problem(p, AUDIT_FINDING_HEARTBEAT_COUNTERS, b->index, 0,
				     "the counters of heartbeat %" PRIu64
				     " are below those before it, and no record says why",
				     b->index);
	if (b->recorded - was->recorded != s->recorded || b->unseen - was->unseen != s->unseen)
		return audit_problem(
			p, AUDIT_FINDING_HEARTBEAT_SUMS, b->index, 0,
			"up to heartbeat %" PRIu64 " %" PRIu64 " packets were recorded and %" PRIu64
			" lost by its counters, %" PRIu64 " and %" PRIu64 " by the records",
			b->index, b->recorded - was->recorded, b->unseen - was->unseen, s->recorded,
			s->unseen);
	return 0;
}

static int check_reasons(const struct account_beat *was, const struct account_sums *s,
			 const struct account_beat *b, struct audit_problem *p)
{
	for (unsigned int i = 0; i < b->reasons.count; i++) {
		const char *name = b->reasons.of[i].name;
		uint64_t counted = b->reasons.of[i].packets - reason_packets(&was->reasons, name);

		if (counted != reason_packets(&s->reasons, name))
			return audit_problem(p, AUDIT_FINDING_HEARTBEAT_SUMS, b->index, 0,
					     "up to heartbeat %" PRIu64 " %" PRIu64
					     " packets were recorded as %.31s by its counters, "
					     "%" PRIu64 " by the records",
					     b->index, counted, name,
					     reason_packets(&s->reasons, name));
	}
	return 0;
}

/* Both are of one run of the daemon. */
static int check_run(const struct account_beat *was, const struct account_sums *s,
		     const struct account_beat *b, struct audit_problem *p)
{
	if (b->beat != was->beat + 1 && !s->hole)
		return audit_problem(p, AUDIT_FINDING_HEARTBEAT_MISSING, b->index, 0,
				     "heartbeat %" PRIu64 " of this run is missing: record %" PRIu64
				     " has number %" PRIu64,
				     was->beat + 1, b->index, b->beat);
	if (b->monotonic_ns - was->monotonic_ns > ACCOUNT_SILENCE_MAX_NS && !b->late && !s->hole)
		return audit_problem(p, AUDIT_FINDING_HEARTBEAT_MISSING, b->index, 0,
				     "no heartbeat for %" PRIu64 " s before record %" PRIu64
				     ", and no record says why",
				     (b->monotonic_ns - was->monotonic_ns) / 1000000000, b->index);
	if (b->settled < was->dropped)
		return audit_problem(p, AUDIT_FINDING_HEARTBEAT_SUMS, b->index, 0,
				     "heartbeat %" PRIu64 " leaves %" PRIu64
				     " packets open that were dropped before the one before it",
				     b->index, was->dropped - b->settled);
	return check_reasons(was, s, b, p);
}

static int check_beat(const struct account_beat *b, struct audit_problem *p)
{
	uint64_t told = b->recorded + b->unseen;

	if (told < b->settled)
		return audit_problem(p, AUDIT_FINDING_HEARTBEAT_SUMS, b->index, 0,
				     "%" PRIu64
				     " dropped packets are in no record before heartbeat "
				     "%" PRIu64 ", though they should be",
				     b->settled - told, b->index);
	if (told > b->dropped + ACCOUNT_RACE_PACKETS)
		return audit_problem(p, AUDIT_FINDING_HEARTBEAT_SUMS, b->index, 0,
				     "%" PRIu64 " packets more are recorded before heartbeat "
				     "%" PRIu64 " than were dropped",
				     told - b->dropped, b->index);
	return 0;
}

static int take_beat(struct account *a, const struct account_beat *b, struct audit_problem *p)
{
	bool first = a->beats++ == 0;
	struct account_beat was = a->last;
	struct account_sums sums = a->after;
	int r = check_beat(b, p);

	a->last = *b;
	a->after = (struct account_sums){0};
	if (first) {
		a->first = *b;
		return r;
	}
	if (r == 0 && !sums.replaced)
		r = check_counters(&was, &sums, b, p);
	if (r == 0 && !sums.replaced && b->run == was.run)
		r = check_run(&was, &sums, b, p);
	return r;
}

/* The sums that the next record belongs to. */
static struct account_sums *open_sums(struct account *a)
{
	return a->beats ? &a->after : &a->before;
}

static void add_packets(struct account_sums *s, const struct record_slice *details)
{
	uint64_t packets = account_u64(details, "packets");
	struct record_slice name = account_string(details, "reason");

	s->recorded += packets;
	*reason(&s->reasons, name.data, name.length) += packets;
}

static void add_loss(struct account_sums *s, const struct record_slice *details)
{
	struct record_slice cause = account_string(details, "cause");
	uint64_t packets = account_u64(details, "packets");

	if (is_text(&cause, ACCOUNT_CAUSE_UNSEEN))
		s->unseen += packets;
	else
		s->recorded += packets;
	s->hole |= account_u64(details, "records") || account_u64(details, "records_lost");
}

static int event_of(struct account *a, const struct record_slice *name)
{
	if (a->event < 0 || !audit_event_is((enum audit_event)a->event, name->data, name->length))
		a->event = audit_event_from_str(name->data, name->length);
	return a->event;
}

void account_stub(struct account *a)
{
	open_sums(a)->replaced = a->excused = true;
}

int account_record(struct account *a, uint64_t index, const struct record_slice *event_type,
		   const struct record_slice *details, struct audit_problem *ret_problem)
{
	struct account_sums *s = open_sums(a);
	struct account_beat beat;

	switch (event_of(a, event_type)) {
	case AUDIT_EVENT_LIST_BLOCKED:
	case AUDIT_EVENT_LIST_WOULD_BLOCK:
	case AUDIT_EVENT_RATELIMIT_DROPPED:
	case AUDIT_EVENT_RATELIMIT_WOULD_DROP:
	case AUDIT_EVENT_RATELIMIT_MARKED:
	case AUDIT_EVENT_RATELIMIT_CHALLENGED:
	case AUDIT_EVENT_PACKET_MALFORMED:
	case AUDIT_EVENT_PACKET_FRAGMENT:
		add_packets(s, details);
		break;
	case AUDIT_EVENT_AUDIT_LOSS:
		add_loss(s, details);
		break;
	case AUDIT_EVENT_AUDIT_STORAGE_ERROR:
		s->hole = true;
		break;
	case AUDIT_EVENT_AUDIT_COUNTERS_RESET:
		*s = (struct account_sums){.reset = true};
		break;
	case AUDIT_EVENT_SYSTEM_RESTORE:
	case AUDIT_EVENT_AUDIT_VIOLATION:
	case AUDIT_EVENT_SYSTEM_UPGRADE:
		s->replaced = a->excused = true;
		break;
	case AUDIT_EVENT_SYSTEM_CLOCK_STEP:
	case AUDIT_EVENT_SYSTEM_START:
		a->excused = true;
		break;
	case AUDIT_EVENT_AUDIT_HEARTBEAT:
		read_beat(details, index, &beat);
		a->excused |= beat.beat == 0;
		return take_beat(a, &beat, ret_problem);
	}
	return 0;
}

static uint64_t distance(int64_t a, int64_t b)
{
	return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/*
 * A step is told in the batch whose commit shows it, or in the next: it may happen while a batch is being
 * committed. So the commit before the last is judged once the last one is known.
 */
static int take_commit(struct account *a, const struct account_commit *c, struct audit_problem *p)
{
	struct account_commit last = a->tail[0], before = a->tail[1];

	if (a->commits < ARRAY_SIZE(a->head))
		a->head[a->commits] = *c;
	a->tail[1] = last;
	a->tail[0] = *c;
	if (++a->commits < 3 || last.excused || c->excused ||
	    distance(last.offset_ns, before.offset_ns) <= ACCOUNT_CLOCK_SLACK_NS)
		return 0;
	return audit_problem(p, AUDIT_FINDING_CLOCK, last.index, 0,
			     "the clock on the wall was set by %" PRId64
			     " ms before the commit of record %" PRIu64 ", and no record says so",
			     (last.offset_ns - before.offset_ns) / 1000000, last.index);
}

int account_commit(struct account *a, uint64_t first, uint64_t real_ns, uint64_t boot_ns,
		   struct audit_problem *ret_problem)
{
	struct account_commit c = {
		.offset_ns = (int64_t)(real_ns - boot_ns),
		.index = first,
		.excused = a->excused,
	};

	a->excused = false;
	return take_commit(a, &c, ret_problem);
}

static void add_sums(struct account_sums *to, const struct account_sums *from)
{
	if (from->reset)
		*to = (struct account_sums){.reset = true};
	to->recorded += from->recorded;
	to->unseen += from->unseen;
	add_reasons(&to->reasons, &from->reasons);
	to->replaced |= from->replaced;
	to->hole |= from->hole;
}

static int join_beats(struct account *left, const struct account *right, struct audit_problem *p)
{
	uint64_t beats = left->beats + right->beats;
	int r = 0;

	add_sums(open_sums(left), &right->before);
	if (right->beats) {
		r = take_beat(left, &right->first, p);
		left->last = right->last;
		left->after = right->after;
	}
	left->beats = beats;
	return r;
}

int account_join(struct account *left, const struct account *right,
		 struct audit_problem *ret_problem)
{
	uint64_t commits = left->commits + right->commits;
	int beats = join_beats(left, right, ret_problem), r = 0;

	for (uint64_t i = 0; r == 0 && beats == 0 && i < right->commits && i < 2; i++)
		r = take_commit(left, &right->head[i], ret_problem);
	if (right->commits >= 2)
		memcpy(left->tail, right->tail, sizeof(left->tail));
	left->commits = commits;
	left->excused = right->excused;
	return beats ?: r;
}
