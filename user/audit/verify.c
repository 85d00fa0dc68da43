/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Verification joins segments, which are checked one by one and at the same time (stretch.h), in their order, and
 * checks what must hold between them: each header names its predecessor, the bytes of it that count, the hash of those
 * that don't, and the last record and seal in it. What the state file acknowledged before we began has to be there; at
 * the end it has to agree again, give or take the one batch that a writer may not have acknowledged yet. What a writer
 * adds meanwhile is left out, so that verification ends however fast it writes.
 */
#include "audit/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/index.h"
#include "audit/sealing.h"
#include "audit/sidecar.h"
#include "audit/verify_internal.h"
#include "base/cleanup.h"

void verification_done(struct verification *v)
{
	stretch_free(v->last);
	cover_done(v);
	stub_list_done(&v->stubs);
	hasher_done(&v->hasher);
	if (v->tree_dir != v->dir)
		close_fdp(&v->tree_dir);
	close_fdp(&v->dir);
	incarnation_done(&v->own_segments);
}

/* What does not add up is told if nothing else is wrong. */
static void join_account(struct verification *v, const struct stretch *s)
{
	struct audit_problem *p = &v->unaccounted;
	bool fits;

	if (p->finding != AUDIT_FINDING_NONE)
		return;
	p->segment = s->scan.header.first_index;
	fits = account_join(&v->account, &s->account, p) == 0;
	if (s->unaccounted.finding != AUDIT_FINDING_NONE &&
	    (fits || s->unaccounted.index < p->index))
		*p = s->unaccounted;
}

static int join_rotations(struct verification *v, const struct stretch *s)
{
	const char *at = s->rotated.data;
	int r = s->rotated.truncated ? -ENOMEM : 0;

	for (size_t left = s->rotated.length; r == 0 && left;) {
		size_t length = strlen(at);

		r = rotation_list_record(v->rotations, at, length);
		at += length + 1;
		left -= length + 1;
	}
	return r;
}

/* Records that expired, and what explains those of the segments before. */
static int join_stubs(struct verification *v, const struct stretch *s)
{
	const char *at = s->archived.data;

	if (s->archived.truncated)
		return -ENOMEM;
	for (size_t left = s->archived.length; left;) {
		size_t length = strlen(at);

		stub_list_record(&v->stubs, at, length);
		at += length + 1;
		left -= length + 1;
	}
	v->verdict.expired += s->scan.stubs;
	return s->scan.stubs && s->result == 0 ? stub_list_add(&v->stubs, &s->stubs) : 0;
}

/* Takes @s. */
static int join(struct verification *v, size_t at, struct stretch *s)
{
	struct audit_verdict *verdict = &v->verdict;
	int r;

	stretch_free(v->last);
	v->last = s;
	verdict->segments++;
	verdict->records += s->records;
	verdict->batches += s->batches;
	verdict->evidence += s->evidence;
	verdict->evidence_gone += s->evidence_gone;
	verdict->tail_bytes = s->scan.tail;
	if (s->passed)
		v->met = s->met;
	/* A segment may have no batch yet, or its first one: what comes before is in another. */
	if (s->batches) {
		v->before = s->batches > 1 ? s->scan.before : v->tip;
		v->tip = s->scan.tip;
	}
	if (s->anchor.there) {
		verdict->anchored = true;
		verdict->anchor_index = s->anchor.index;
		verdict->anchor_size = s->anchor.size;
		verdict->anchor_ns = s->anchor.real_ns;
	}
	join_account(v, s);
	cover_add(v, s);
	r = join_stubs(v, s) ?: join_rotations(v, s);
	if (s->result != -EBADMSG)
		return s->result ?: r;
	v->problem = s->problem;
	return at == v->count - 1 ? link_judge_tail(v) : -EBADMSG;
}

static void tick(void *userdata)
{
	struct verification *v = userdata;

	if (v->options->progress)
		v->options->progress(atomic_load_explicit(&v->job.bytes, memory_order_relaxed),
				     v->total, v->options->userdata);
}

static int join_all(struct verification *v)
{
	_cleanup_(crew_stopp) struct crew *crew = NULL;
	unsigned int threads = v->options->threads ?: (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	int r = crew_start(&v->job, threads, &crew);

	for (size_t at = v->from; r == 0 && at < v->to; at++) {
		_cleanup_(stretch_freep) struct stretch *s = NULL;

		if (v->options->is_cancelled && v->options->is_cancelled(v->options->userdata))
			return -ECANCELED;
		r = crew_next(crew, tick, v, &s);
		if (r < 0)
			break;
		r = link_enter(v, at, s);
		if (r == 0)
			break;
		r = r < 0 ? r : join(v, at, take_ptr(s));
		tick(v);
	}
	return r;
}

/* When the segment begins; 0: its header does not say. */
static uint64_t segment_ns(struct verification *v, size_t at)
{
	struct scan scan = {.hasher = &v->hasher, .fd = -1};
	struct segment_header header;

	return scan_peek(&scan, v->dir, v->segments[at], &header) == 0 ? header.real_ns : 0;
}

/*
 * The segments with records of the time that was asked for. A part begins where its tree can be known: with a tile
 * that is on disk.
 */
static int choose(struct verification *v)
{
	const struct audit_verify_options *o = v->options;
	struct tile tile;

	v->to = v->count;
	for (size_t at = 0; at < v->count && (o->since_ns || o->until_ns); at++) {
		uint64_t began_ns = segment_ns(v, at);

		if (began_ns && began_ns <= o->since_ns)
			v->from = at;
		if (began_ns && o->until_ns && began_ns >= o->until_ns && at && v->to == v->count)
			v->to = at;
	}
	if (v->to <= v->from)
		v->to = v->from + (v->count > 0);
	while (v->from && v->own.note &&
	       tile_read(v->tree_dir, 0, (v->segments[v->from] - v->verdict.base) / TILE_WIDTH,
			 &tile) < 0)
		v->from--;
	for (size_t at = v->from; at < v->to; at++) {
		_cleanup_close_ int fd = -1;
		struct stat st;

		if (directory_open_segment(v->dir, v->segments[at], O_RDONLY, &fd) == 0 &&
		    fstat(fd, &st) == 0)
			v->total += (uint64_t)st.st_size;
	}
	v->verdict.first = v->from ? v->segments[v->from] : v->verdict.base;
	return 0;
}

/* The segments of this incarnation, and where it begins: it may say so, as it may have lost its first segment. */
static int find_segments(struct verification *v)
{
	int r = incarnation_load(v->dir, &v->hasher, v->incarnation, &v->own_segments);

	if (r < 0)
		return r;
	v->segments = v->own_segments.segments;
	v->count = v->own_segments.count;
	if (v->incarnation && v->count && (!v->verdict.base || v->verdict.base > v->segments[0]))
		v->verdict.base = v->segments[0];
	return 0;
}

static int verify_segments(struct verification *v)
{
	int r = find_segments(v);

	r = r ?: choose(v);
	if (r < 0 || !v->count)
		return r;
	v->job.dir = v->dir;
	v->job.tree_dir = v->tree_dir;
	v->job.base = v->verdict.base;
	v->job.segments = v->segments + v->from;
	v->job.count = v->to - v->from;
	v->job.acknowledged = v->acknowledged.tip;
	v->job.last_is_open = v->to == v->count && verification_is_last(v);
	v->job.after = v->to < v->count ? v->segments[v->to] : v->own_segments.next;
	r = cover_begin(v, v->verdict.first);
	return r < 0 ? r : join_all(v);
}

/*
 * Load the state file; what is wrong with it is a finding at the end of what was verified so far.
 */
static int load_state(struct verification *v, struct state *ret)
{
	uint64_t index = link_due(v);
	int r = state_load(v->dir, &v->hasher, ret);

	if (r < 0 && r != -ENOENT && r != -EBADMSG)
		return r;
	v->problem.segment = SEGMENT_NONE;
	if (r == -ENOENT)
		return audit_problem(&v->problem, AUDIT_FINDING_STATE_MISSING, index, 0,
				     "the state file is missing: whether records from %" PRIu64
				     " on were cut off cannot be told",
				     index);
	if (r == -EBADMSG || ret->damaged)
		return audit_problem(&v->problem, AUDIT_FINDING_STATE, index, 0,
				     "the state file is damaged: whether records from %" PRIu64
				     " on were cut off cannot be told",
				     index);
	return 0;
}

/* The log reaches what was acknowledged, in the same way, and at most one batch further. */
static int check_state(struct verification *v)
{
	const struct tip *first = &v->acknowledged.tip;
	struct state now;
	int r = load_state(v, &now);

	if (r < 0 || v->to < v->count)
		return r;
	if (first->next_index > link_due(v))
		return link_missing_end(v, AUDIT_FINDING_TRUNCATED, first->next_index);
	if (!v->last) /* nothing was ever committed */
		return 0;
	if (v->met && (now.tip.next_index > link_due(v) || tip_equal(&now.tip, &v->tip) ||
		       tip_equal(&now.tip, &v->before)))
		return 0;
	/* A crash before the first batch of all, or of an incarnation, was acknowledged. */
	if (!v->from && v->verdict.batches <= 1 &&
	    (!now.tip.next_index || now.tip.incarnation + 1 == v->incarnation))
		return 0;
	return audit_problem(&v->problem, AUDIT_FINDING_STATE, now.tip.next_index, 0,
			     "the state file contradicts the log: it acknowledges %" PRIu64
			     " records",
			     now.tip.next_index);
}

/* Something took records out: it has to be on record. What was not looked at may explain it. */
static int check_stubs(struct verification *v)
{
	const struct stub_segment *s = stub_list_unexplained(&v->stubs);

	if (!s || v->to < v->count)
		return 0;
	v->problem.segment = s->segment;
	return audit_problem(&v->problem, AUDIT_FINDING_RECORD_STUBBED, s->first, 0,
			     "record %" PRIu64 ", and perhaps others of its segment, were taken "
			     "out, and no retention.archived record explains what is left",
			     s->first);
}

/*
 * All of an incarnation that another one follows was read: it ends where weir found it damaged. What a checkpoint covers of it
 * is told, too.
 */
static int judge_end(struct verification *v)
{
	uint64_t end = link_due(v), next = v->own_segments.next;
	int r = v->forged.finding == AUDIT_FINDING_NONE ? cover_judge(v) : 0;

	if (r < 0 && r != -EBADMSG)
		return r;
	v->problem = (struct audit_problem){.segment = next};
	return audit_problem(&v->problem, AUDIT_FINDING_VIOLATION, end, 0,
			     "weir found acknowledged records from %" PRIu64
			     " on damaged or missing and began a new chain at record "
			     "%" PRIu64 ", which says why",
			     end, next);
}

/* The first one by which searches would go. */
static void on_index(const struct index_finding *finding, void *userdata)
{
	struct verification *v = userdata;
	char name[SIDECAR_NAME_SIZE];

	if (!finding->used || v->problem.finding != AUDIT_FINDING_NONE)
		return;
	audit_problem(&v->problem, AUDIT_FINDING_INDEX, finding->record, 0,
		      "the index of the segment from record %" PRIu64 " on: %s; make it anew by "
		      "'weir audit index rebuild'",
		      finding->segment, finding->words);
	v->problem.segment = SEGMENT_NONE;
	sidecar_name(finding->segment, name);
	snprintf(v->verdict.segment, sizeof(v->verdict.segment), SIDECAR_DIR "/%s", name);
}

/* All is in order: are the indexes of what was read? */
static int check_indexes(struct verification *v, struct fault *reterr)
{
	struct index_report report;
	int r;

	if (!v->options->indexes || v->to <= v->from)
		return 0;
	r = audit_index_check_part(v->path, v->segments[v->from], v->segments[v->to - 1], on_index,
				   v, &report, reterr);
	v->verdict.indexed = report.covered;
	return r < 0 ? r : v->problem.finding == AUDIT_FINDING_NONE ? 0 : -EBADMSG;
}

static int report(struct verification *v, const struct audit_problem *p)
{
	if (p->finding == AUDIT_FINDING_NONE)
		return 0;
	v->problem = *p;
	return -EBADMSG;
}

static int verify(struct verification *v, struct fault *reterr)
{
	struct audit_problem found;
	int known, r = cover_load(v, reterr);

	if (r < 0 && r != -EBADMSG)
		return r;
	v->forged = v->problem;
	known = load_state(v, &v->acknowledged);
	if (known < 0 && known != -EBADMSG)
		return known;
	/* No tip of a log is like this one. */
	if (known < 0)
		v->acknowledged = (struct state){.tip.next_index = AUDIT_INDEX_MAX};
	v->problem = (struct audit_problem){0};
	v->met = v->acknowledged.tip.next_index == 0;
	r = verify_segments(v);
	found = v->problem;
	if (v->forged.finding == AUDIT_FINDING_NONE && cover_follow(v) < 0)
		v->forged = v->problem;
	v->problem = found;
	if (r == 0 && !verification_is_last(v) && v->to == v->count)
		return judge_end(v);
	r = r ?: check_state(v);
	r = r ?: report(v, &v->forged);
	r = r ?: cover_judge(v);
	r = r ?: report(v, &v->unaccounted);
	r = r ?: check_stubs(v);
	return r ?: check_indexes(v, reterr);
}

static void judge(struct verification *v)
{
	const struct audit_problem *p = &v->problem;
	struct audit_verdict *verdict = &v->verdict;

	verdict->finding = p->finding;
	verdict->status = audit_finding_status(p->finding);
	verdict->index = p->index;
	verdict->offset = p->offset;
	memcpy(verdict->words, p->words, sizeof(verdict->words));
	if (p->finding == AUDIT_FINDING_STATE)
		memcpy(verdict->segment, "state", sizeof("state"));
	else if (p->segment != SEGMENT_NONE)
		segment_name(p->segment, verdict->segment);
}

static void conclude(struct verification *v)
{
	const struct scan *s = v->last ? &v->last->scan : NULL;
	struct audit_verdict *verdict = &v->verdict;

	verdict->heartbeats = v->account.beats;
	verdict->tiles_equal = v->coverage.tiles.equal;
	verdict->tiles_missing = v->coverage.tiles.missing;
	verdict->length = link_due(v);
	if (v->to < v->count && !verification_is_last(v))
		verdict->length = v->own_segments.next;
	else if (v->to < v->count && v->acknowledged.tip.next_index < AUDIT_INDEX_MAX)
		verdict->length = v->acknowledged.tip.next_index;
	if (!s)
		return;
	verdict->last_commit_ns = s->last_commit_ns;
	memcpy(verdict->chain_id, s->tip.chain_id, AUDIT_ID_SIZE);
	memcpy(verdict->last_hash, s->tip.last_hash, AUDIT_HASH_SIZE);
}

/* Segments were begun meanwhile: what explains a stub may stand there, and was not looked at. */
static bool went_on(struct verification *v)
{
	struct incarnation now;
	bool more = incarnation_load(v->dir, &v->hasher, v->incarnation, &now) == 0 &&
		    now.count > v->count;

	incarnation_done(&now);
	return more;
}

static int open_directories(struct verification *v, struct fault *reterr)
{
	int r = directory_open_readonly(v->path, &v->dir, reterr);

	if (r < 0)
		return r;
	if (sealing_path(v->path, v->incarnation, v->tree_path) < 0)
		return fault(reterr, -ENAMETOOLONG, "audit.read", "%s is too long a path", v->path);
	v->tree_dir = v->dir;
	if (incarnation_first(v->tree_path, v->incarnation, &v->verdict.base) < 0)
		v->verdict.base = 0; /* its first segment says where it begins */
	if (v->incarnation)
		v->tree_dir = open(v->tree_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return 0;
}

int verify_once(struct verification *v, bool *ret_again, uint32_t *ret_next, struct fault *reterr)
{
	struct fault f = {0};
	int r = open_directories(v, reterr);

	if (r < 0)
		return r;
	v->verdict.incarnation = v->incarnation;
	account_init(&v->account);
	r = hasher_init(&v->hasher);
	r = r ?: verify(v, &f);
	if (r < 0 && r != -EBADMSG && f.err)
		return fault(reterr, r, f.code, "%s", f.text);
	if (r < 0 && r != -EBADMSG)
		return fault(reterr, r, "audit.read", "cannot read the audit log in '%s': %s",
			     v->path, strerror(-r));
	conclude(v);
	if (r == -EBADMSG)
		judge(v);
	*ret_again = v->problem.finding == AUDIT_FINDING_RECORD_STUBBED && went_on(v);
	*ret_next = verification_is_last(v) ? 0 : v->own_segments.next_number;
	return 0;
}
