/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Verification walks the segments in order and checks what must hold between them: each header
 * names its predecessor, the bytes of it that count, the hash of those that don't, and the last
 * record and seal in it. What the state file acknowledged before we began has to be there; at the
 * end it has to agree again, give or take the one batch that a writer may not have acknowledged
 * yet. What a writer adds meanwhile is left out, so that verification ends however fast it writes.
 */
#include "audit/verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/account.h"
#include "audit/directory.h"
#include "audit/evidence.h"
#include "audit/scan.h"
#include "audit/stubs.h"
#include "base/cleanup.h"

struct verification {
	int dir;
	struct hasher hasher;
	struct scan scan;
	struct audit_problem problem;
	struct account account;
	struct audit_problem unaccounted; /* the first thing that does not add up */
	struct stub_list stubs;
	struct audit_verdict verdict;
	struct state acknowledged; /* when we began */
	bool met;		   /* the chain passes through that very tip */
	uint64_t *segments;
	size_t count;
};

static void verification_done(struct verification *v)
{
	scan_done(&v->scan);
	hasher_done(&v->hasher);
	close_fdp(&v->dir);
	stub_list_done(&v->stubs);
	free(v->segments);
}

/* The first segment after the current one; the first of all before there is a current one. */
static uint64_t successor(const struct verification *v)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->scan.fd < 0 || v->segments[i] > v->scan.header.first_index)
			return v->segments[i];
	return SEGMENT_NONE;
}

static int missing_segment(struct verification *v, uint64_t segment)
{
	uint64_t index = v->scan.tip.next_index;

	v->problem.segment = segment;
	return audit_problem(
		&v->problem, AUDIT_FINDING_SEGMENT_MISSING, index, 0,
		"records from %llu on are missing: the segment that holds them is gone",
		(unsigned long long)index);
}

/* The current segment should go on: records up to @end were committed. */
static int missing_end(struct verification *v, enum audit_finding finding, uint64_t end)
{
	uint64_t index = v->scan.tip.next_index;

	v->problem.segment = v->scan.fd < 0 ? SEGMENT_NONE : v->scan.header.first_index;
	return audit_problem(
		&v->problem, finding, index, v->scan.offset,
		"records %llu to %llu are missing, or damaged so that no commit covers "
		"them",
		(unsigned long long)index, (unsigned long long)end - 1);
}

/* The bytes behind those that count are as many as the next header says, and the same. */
static int check_tail(struct verification *v, const struct segment_header *next)
{
	const struct segment_link *link = &next->previous;
	uint64_t index = v->scan.tip.next_index, end = v->scan.offset;
	uint8_t hash[AUDIT_HASH_SIZE] = {0};
	struct stat st;
	int r = 0;

	v->problem.segment = v->scan.header.first_index;
	/* The link tells of the file as it was before records expired. */
	if (end + v->scan.saved < link->end)
		return missing_end(v, AUDIT_FINDING_SEGMENT_SHORT, next->first_index);
	if (fstat(v->scan.fd, &st) < 0)
		return -errno;
	if (link->tail && (uint64_t)st.st_size == end + link->tail)
		r = file_hash(v->scan.fd, end, (uint64_t)st.st_size, &v->hasher, hash);
	if (r < 0 && r != -ENODATA)
		return r;
	if ((uint64_t)st.st_size - end != link->tail ||
	    memcmp(hash, link->tail_hash, sizeof(hash)) != 0)
		return audit_problem(&v->problem, AUDIT_FINDING_SEGMENT_TAIL, index, end,
				     "what follows record %llu in its segment was added or changed",
				     (unsigned long long)index - 1);
	return 0;
}

static bool continues(const struct segment_header *h, const struct scan *before)
{
	return h->previous.segment == before->header.first_index &&
	       h->incarnation == before->tip.incarnation &&
	       h->first_index == before->tip.next_index &&
	       memcmp(h->chain_id, before->tip.chain_id, AUDIT_ID_SIZE) == 0 &&
	       memcmp(h->previous_hash, before->tip.last_hash, AUDIT_HASH_SIZE) == 0 &&
	       memcmp(h->previous.seal, before->seal, AUDIT_HASH_SIZE) == 0;
}

static bool begins(const struct segment_header *h)
{
	static const struct segment_link none = {.segment = SEGMENT_NONE};
	static const uint8_t zeros[AUDIT_HASH_SIZE];

	return h->incarnation == 0 && memcmp(h->previous_hash, zeros, sizeof(zeros)) == 0 &&
	       memcmp(&h->previous, &none, sizeof(none)) == 0;
}

static int bad_header(struct verification *v, uint64_t segment, const char *words)
{
	uint64_t index = v->scan.tip.next_index;

	if (segment < index)
		index = segment;
	v->problem.segment = segment;
	return audit_problem(&v->problem, AUDIT_FINDING_HEADER, index, 0,
			     "the header of the segment from record %llu on %s",
			     (unsigned long long)segment, words);
}

/*
 * The current segment is read: is @next its true successor? Compares before scan_open() forgets it.
 */
static int check_link(struct verification *v, const struct segment_header *next)
{
	const struct scan *s = &v->scan;

	if (s->fd < 0) {
		if (next->first_index != 0)
			return missing_segment(v, 0);
		return begins(next) ? 0 : bad_header(v, 0, "is not that of a first segment");
	}
	if (next->incarnation > s->tip.incarnation) {
		v->problem.segment = next->first_index;
		return audit_problem(&v->problem, AUDIT_FINDING_VIOLATION, s->tip.next_index, 0,
				     "weir found acknowledged records from %llu on damaged or "
				     "missing and began a new chain at record %llu, which says why",
				     (unsigned long long)s->tip.next_index,
				     (unsigned long long)next->first_index);
	}
	if (next->previous.segment != s->header.first_index &&
	    next->first_index > s->tip.next_index)
		return missing_segment(v, next->previous.segment);
	if (next->previous.segment == s->header.first_index) {
		int r = check_tail(v, next);

		if (r < 0)
			return r;
	}
	return continues(next, s) ? 0
				  : bad_header(v, next->first_index, "does not continue the chain");
}

/* Go on to @next. 1; 0: its header is still being written; -errno or -EBADMSG. */
static int enter(struct verification *v, uint64_t next)
{
	struct segment_header header;
	int r = scan_peek(&v->scan, v->dir, next, &header);

	if (r == -ENODATA && next == v->segments[v->count - 1])
		return 0;
	if (r == -EBADMSG || r == -ENODATA)
		return bad_header(v, next, "is damaged");
	if (r == 0)
		r = check_link(v, &header);
	if (r == 0)
		r = scan_open(&v->scan, v->dir, next);
	if (r < 0)
		return r == -ENOENT ? missing_segment(v, next) : r;
	scan_trust_header(&v->scan);
	v->verdict.segments++;
	return 1;
}

/*
 * Something is wrong at the very end. If that was never acknowledged, no record is concerned: a
 * power cut leaves such bytes, too.
 */
static int judge_tail(struct verification *v)
{
	const struct tip *tip = &v->scan.tip;

	if (!tip_equal(&v->acknowledged.tip, tip))
		return -EBADMSG;
	return audit_problem(&v->problem, AUDIT_FINDING_SEGMENT_TAIL, tip->next_index,
			     v->scan.offset,
			     "all %llu acknowledged records are in order, but what follows is not "
			     "the beginning of a batch: added, or left by a power cut and set "
			     "aside when weir starts",
			     (unsigned long long)tip->next_index);
}

/* How far the current segment is to be read: as far as it counts, or as long as it is now. */
static int limit_segment(struct verification *v, uint64_t next)
{
	struct stat st;

	if (next != SEGMENT_NONE)
		return scan_limit(&v->scan, v->dir, next);
	if (fstat(v->scan.fd, &st) < 0)
		return -errno;
	v->scan.file_limit = (uint64_t)st.st_size;
	return 0;
}

/* If the record that was accounted for last is about events, those. */
static int check_evidence(struct verification *v, uint64_t index,
			  const struct record_slice *details)
{
	int r;

	if (v->account.event != AUDIT_EVENT_TRAFFIC_EVIDENCE)
		return 0;
	r = evidence_check(v->dir, &v->hasher, index, details, &v->unaccounted);
	v->verdict.evidence += r == 1;
	v->verdict.evidence_gone += r == 0;
	return r == -EBADMSG ? 0 : r;
}

/* What does not add up is told if nothing else is wrong: changed records do not, either. */
static int account_batch(struct verification *v)
{
	const struct scan *s = &v->scan;
	struct audit_problem *p = &v->unaccounted;
	int r;

	p->segment = s->header.first_index;
	for (size_t i = 0; i < s->count && p->finding == AUDIT_FINDING_NONE; i++) {
		const struct scan_record *record = &s->records[i];
		const char *data = (const char *)s->batch + record->at;
		struct record_slice type = {data + record->type_at, record->type_length};
		struct record_slice details = {data + record->details_at, record->details_length};

		if (record->stub) {
			account_stub(&v->account);
			continue;
		}
		account_record(&v->account, s->before.next_index + i, &type, &details, p);
		r = check_evidence(v, s->before.next_index + i, &details);
		if (r < 0)
			return r;
	}
	if (p->finding == AUDIT_FINDING_NONE)
		account_commit(&v->account, s->before.next_index, s->last_commit_ns,
			       s->last_commit_boot_ns, p);
	return 0;
}

/* Note where records expired in a batch, and what explains that they did. */
static void look_for_stubs(struct verification *v, uint64_t *first)
{
	const struct scan *s = &v->scan;

	for (size_t i = 0; i < s->count; i++) {
		const struct scan_record *record = &s->records[i];

		if (!record->stub)
			stub_list_record(&v->stubs, (const char *)s->batch + record->at,
					 record->length);
		else if (*first == SEGMENT_NONE)
			*first = s->before.next_index + i;
	}
}

static int note_stubs(struct verification *v, uint64_t first)
{
	struct stub_segment segment = {.segment = v->scan.header.first_index, .first = first};
	struct stat st;
	int r;

	if (!v->scan.stubs)
		return 0;
	v->verdict.expired += v->scan.stubs;
	if (fstat(v->scan.fd, &st) < 0)
		return -errno;
	r = file_hash(v->scan.fd, 0, (uint64_t)st.st_size, &v->hasher, segment.file_hash);
	return r < 0 ? r : stub_list_add(&v->stubs, &segment);
}

static int verify_segment(struct verification *v, uint64_t next)
{
	struct scan *s = &v->scan;
	uint64_t first = SEGMENT_NONE;
	int r = limit_segment(v, next);

	if (r < 0)
		return r;
	while ((r = scan_batch(s, &v->problem)) == 1) {
		v->verdict.records += s->count;
		v->verdict.batches++;
		r = account_batch(v);
		if (r < 0)
			return r;
		if (s->stubs || v->stubs.count)
			look_for_stubs(v, &first);
		if (s->tip.next_index == v->acknowledged.tip.next_index)
			v->met = tip_equal(&s->tip, &v->acknowledged.tip);
	}
	v->verdict.tail_bytes = s->tail;
	if (r == 0)
		r = note_stubs(v, first);
	return r == -EBADMSG && next == SEGMENT_NONE ? judge_tail(v) : r;
}

static int verify_segments(struct verification *v)
{
	int r = directory_segments(v->dir, &v->segments, &v->count);

	if (r < 0)
		return r;
	for (uint64_t next = successor(v); next != SEGMENT_NONE;) {
		r = enter(v, next);
		if (r <= 0)
			return r;
		next = successor(v);
		r = verify_segment(v, next);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Load the state file; what is wrong with it is a finding at the end of what was verified so far.
 */
static int load_state(struct verification *v, struct state *ret)
{
	uint64_t index = v->scan.tip.next_index;
	int r = state_load(v->dir, &v->hasher, ret);

	if (r < 0 && r != -ENOENT && r != -EBADMSG)
		return r;
	v->problem.segment = SEGMENT_NONE;
	if (r == -ENOENT)
		return audit_problem(&v->problem, AUDIT_FINDING_STATE_MISSING, index, 0,
				     "the state file is missing: whether records from %llu on were "
				     "cut off cannot be told",
				     (unsigned long long)index);
	if (r == -EBADMSG || ret->damaged)
		return audit_problem(&v->problem, AUDIT_FINDING_STATE, index, 0,
				     "the state file is damaged: whether records from %llu on were "
				     "cut off cannot be told",
				     (unsigned long long)index);
	return 0;
}

/* The log reaches what was acknowledged, in the same way, and at most one batch further. */
static int check_state(struct verification *v)
{
	const struct tip *tip = &v->scan.tip, *first = &v->acknowledged.tip;
	struct state now;
	int r = load_state(v, &now);

	if (r < 0)
		return r;
	if (first->next_index > tip->next_index)
		return missing_end(v, AUDIT_FINDING_TRUNCATED, first->next_index);
	if (v->scan.fd < 0) /* nothing was ever committed */
		return 0;
	if (v->met && (now.tip.next_index > tip->next_index || tip_equal(&now.tip, tip) ||
		       tip_equal(&now.tip, &v->scan.before)))
		return 0;
	return audit_problem(&v->problem, AUDIT_FINDING_STATE, now.tip.next_index, 0,
			     "the state file contradicts the log: it acknowledges %llu records",
			     (unsigned long long)now.tip.next_index);
}

/* Something took records out: it has to be on record. */
static int check_stubs(struct verification *v)
{
	const struct stub_segment *s = stub_list_unexplained(&v->stubs);

	if (!s)
		return 0;
	v->problem.segment = s->segment;
	return audit_problem(
		&v->problem, AUDIT_FINDING_RECORD_STUBBED, s->first, 0,
		"record %llu, and perhaps others of its segment, were taken out, and no "
		"retention.archived record explains what is left",
		(unsigned long long)s->first);
}

static int verify(struct verification *v)
{
	int known = load_state(v, &v->acknowledged), r;

	if (known < 0 && known != -EBADMSG)
		return known;
	if (known < 0) /* no tip of a log is like this one */
		v->acknowledged = (struct state){.tip.next_index = AUDIT_INDEX_MAX};
	v->met = v->acknowledged.tip.next_index == 0;
	r = verify_segments(v);
	if (r == 0)
		r = check_state(v);
	if (r == 0 && v->unaccounted.finding != AUDIT_FINDING_NONE) {
		v->problem = v->unaccounted;
		r = -EBADMSG;
	}
	return r < 0 ? r : check_stubs(v);
}

static void judge(const struct verification *v, struct audit_verdict *ret)
{
	const struct audit_problem *p = &v->problem;

	ret->finding = p->finding;
	ret->status = audit_finding_status(p->finding);
	ret->index = p->index;
	ret->offset = p->offset;
	memcpy(ret->words, p->words, sizeof(ret->words));
	if (p->finding == AUDIT_FINDING_STATE)
		memcpy(ret->segment, "state", sizeof("state"));
	else if (p->segment != SEGMENT_NONE)
		segment_name(p->segment, ret->segment);
}

/* Segments were begun meanwhile: what explains a stub may stand there, and was not looked at. */
static bool went_on(const struct verification *v)
{
	_cleanup_free_ uint64_t *list = NULL;
	size_t count;

	return directory_segments(v->dir, &list, &count) == 0 && count > v->count;
}

static int verify_once(const char *path, struct audit_verdict *ret, bool *ret_again,
		       struct fault *reterr)
{
	_cleanup_(verification_done) struct verification v = {.dir = -1, .scan.fd = -1};
	int r = directory_open_readonly(path, &v.dir, reterr);

	if (r < 0)
		return r;
	account_init(&v.account);
	r = hasher_init(&v.hasher);
	if (r == 0)
		r = scan_init(&v.scan, &v.hasher, false);
	if (r == 0)
		r = verify(&v);
	if (r < 0 && r != -EBADMSG)
		return fault(reterr, r, "audit.read", "cannot read the audit log in '%s': %s", path,
			     strerror(-r));
	if (r == -EBADMSG)
		judge(&v, &v.verdict);
	v.verdict.heartbeats = v.account.beats;
	v.verdict.last_commit_ns = v.scan.last_commit_ns;
	memcpy(v.verdict.chain_id, v.scan.tip.chain_id, AUDIT_ID_SIZE);
	memcpy(v.verdict.last_hash, v.scan.tip.last_hash, AUDIT_HASH_SIZE);
	*ret_again = v.problem.finding == AUDIT_FINDING_RECORD_STUBBED && went_on(&v);
	*ret = v.verdict;
	return 0;
}

int audit_verify(const char *path, struct audit_verdict *ret, struct fault *reterr)
{
	bool again = false;
	int r = verify_once(path, ret, &again, reterr);

	return r == 0 && again ? verify_once(path, ret, &again, reterr) : r;
}
