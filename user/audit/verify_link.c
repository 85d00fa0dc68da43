/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Segments against each other: each header names its predecessor, and how much of that counts. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/verify_internal.h"

/* Index of the record that is due. */
uint64_t link_due(const struct verification *v)
{
	return v->last ? v->last->scan.tip.next_index : v->verdict.first;
}

static int missing_segment(struct verification *v, uint64_t segment)
{
	uint64_t index = link_due(v);

	v->problem.segment = segment;
	return audit_problem(
		&v->problem, AUDIT_FINDING_SEGMENT_MISSING, index, 0,
		"records from %llu on are missing: the segment that holds them is gone",
		(unsigned long long)index);
}

/* The current segment should go on: records up to @end were committed. */
int link_missing_end(struct verification *v, enum audit_finding finding, uint64_t end)
{
	uint64_t index = link_due(v);

	v->problem.segment = v->last ? v->last->scan.header.first_index : SEGMENT_NONE;
	return audit_problem(
		&v->problem, finding, index, v->last ? v->last->scan.offset : 0,
		"records %llu to %llu are missing, or damaged so that no commit covers "
		"them",
		(unsigned long long)index, (unsigned long long)end - 1);
}

/* The bytes behind those that count are as many as the next header says, and the same. */
static int check_tail(struct verification *v, const struct segment_header *next)
{
	const struct segment_link *link = &next->previous;
	const struct scan *s = &v->last->scan;
	uint8_t hash[AUDIT_HASH_SIZE] = {0};
	uint64_t index = link_due(v), end = s->offset;
	struct stat st;
	int r = 0;

	v->problem.segment = s->header.first_index;
	/* The link tells of the file as it was before records expired. */
	if (end + s->saved < link->end)
		return link_missing_end(v, AUDIT_FINDING_SEGMENT_SHORT, next->first_index);
	if (fstat(s->fd, &st) < 0)
		return -errno;
	if (link->tail && (uint64_t)st.st_size == end + link->tail)
		r = file_hash(s->fd, end, (uint64_t)st.st_size, &v->hasher, hash);
	if (r < 0 && r != -ENODATA)
		return r;
	if ((uint64_t)st.st_size - end != link->tail ||
	    memcmp(hash, link->tail_hash, sizeof(hash)) != 0)
		return audit_problem(&v->problem, AUDIT_FINDING_SEGMENT_TAIL, index, end,
				     "what follows record %" PRIu64
				     " in its segment was added or changed",
				     index - 1);
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
	uint64_t index = link_due(v);

	if (segment < index)
		index = segment;
	v->problem.segment = segment;
	return audit_problem(&v->problem, AUDIT_FINDING_HEADER, index, 0,
			     "the header of the segment from record %llu on %s",
			     (unsigned long long)segment, words);
}

/* Is @next the true successor of what was joined? The first one of a part is believed. */
static int check_link(struct verification *v, const struct segment_header *next)
{
	const struct scan *s;

	if (!v->last && v->from)
		return 0;
	if (!v->last && next->first_index != v->verdict.base)
		return missing_segment(v, v->verdict.base);
	if (!v->last &&
	    v->incarnation) /* it says what it follows: damage, which is a finding there */
		return 0;
	if (!v->last)
		return begins(next) ? 0 : bad_header(v, 0, "is not that of a first segment");
	s = &v->last->scan;
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

/* The header of segment @at. 1; 0: it is still being written; -errno or -EBADMSG. */
int link_enter(struct verification *v, size_t at, const struct stretch *s)
{
	uint64_t segment = v->segments[at];
	int r = s->entered;

	if (r == -ENODATA && at == v->count - 1 && verification_is_last(v))
		return 0;
	if (r == -EBADMSG || r == -ENODATA)
		return bad_header(v, segment, "is damaged");
	if (r == -ENOENT)
		return missing_segment(v, segment);
	if (r == 0)
		r = check_link(v, &s->scan.header);
	return r < 0 ? r : 1;
}

/*
 * Something is wrong at the very end. If that was never acknowledged, no record is concerned: a
 * power cut leaves such bytes, too.
 */
int link_judge_tail(struct verification *v)
{
	const struct tip *tip = &v->tip;

	if (!tip_equal(&v->acknowledged.tip, tip))
		return -EBADMSG;
	return audit_problem(&v->problem, AUDIT_FINDING_SEGMENT_TAIL, tip->next_index,
			     v->last->scan.offset,
			     "all %" PRIu64 " acknowledged records are in order, but what follows "
			     "is not the beginning of a batch: added, or left by a power cut and "
			     "set aside when weir starts",
			     tip->next_index);
}
