/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Decides between "continue", "a crash tore the last batch" and "this was tampered with". Nothing
 * that may hold a record is ever repaired or removed: a torn segment stays as it is, the header of
 * the next one says how much of it counts and what the hash of the rest is.
 */
#include "audit/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "audit/scan.h"
#include "base/cleanup.h"

/* Leaves room for more records than a machine can write. */
#define FIRST_INDEX_MAX (AUDIT_INDEX_MAX / 2)

struct examination {
	int dir;
	const char *missing;
	struct hasher *hasher;
	struct scan scan;
	uint64_t *segments;
	size_t count;
	size_t kept;	/* of the segments; those after it hold no commit */
	size_t batches; /* in the last segment kept */
	bool damaged;	/* something follows the last good batch that is not the start of another */
};

static int new_chain_id(uint8_t ret[static AUDIT_ID_SIZE])
{
	return getrandom(ret, AUDIT_ID_SIZE, 0) == AUDIT_ID_SIZE ? 0 : -EIO;
}

static int start_new_chain(struct recovery *r)
{
	r->origin = CHAIN_CREATED;
	r->state_lost = true;
	r->state.tip.segment = SEGMENT_NONE;
	r->previous.segment = SEGMENT_NONE;
	return new_chain_id(r->state.tip.chain_id);
}

/* Read all batches of a segment. Sets x->batches; a segment without a header has none. */
static int read_segment(struct examination *x, uint64_t segment)
{
	struct audit_problem problem;
	int r = scan_open(&x->scan, x->dir, segment);

	x->batches = 0;
	if (r < 0)
		return r == -EBADMSG || r == -ENODATA ? 0 : r;
	scan_trust_header(&x->scan);
	while ((r = scan_batch(&x->scan, &problem)) == 1)
		x->batches++;
	x->damaged = r == -EBADMSG;
	return r == -EBADMSG ? 0 : r;
}

/* Go back from the end to the last segment in which something was committed. */
static int find_end(struct examination *x)
{
	int r = 0;

	for (x->kept = x->count; x->kept > 0; x->kept--) {
		r = read_segment(x, x->segments[x->kept - 1]);
		if (r < 0 || x->batches)
			return r;
	}
	return 0;
}

/* The log goes on one batch beyond @acknowledged: the crash came between batch and state file. */
static bool one_batch_more(const struct examination *x, const struct tip *acknowledged)
{
	const struct tip *before = &x->scan.before;

	if (before->incarnation == acknowledged->incarnation + 1)
		return x->batches == 1 && before->next_index >= acknowledged->next_index;
	return before->incarnation == acknowledged->incarnation &&
	       before->next_index == acknowledged->next_index &&
	       memcmp(before->chain_id, acknowledged->chain_id, AUDIT_ID_SIZE) == 0 &&
	       memcmp(before->last_hash, acknowledged->last_hash, AUDIT_HASH_SIZE) == 0;
}

/* What is wrong beyond what a crash can do, in words; NULL: nothing. */
static int judge(struct examination *x, const struct tip *acknowledged, const char **ret_reason)
{
	bool later = false;
	int r = 0;

	*ret_reason = NULL;
	if (!x->kept) {
		if (acknowledged->segment != SEGMENT_NONE || acknowledged->next_index)
			*ret_reason = "the segments with the acknowledged records are missing or "
				      "damaged";
		return 0;
	}
	if (x->scan.tip.next_index < acknowledged->next_index)
		*ret_reason = "acknowledged records at the end are missing or damaged";
	else if (!tip_equal(&x->scan.tip, acknowledged) && !one_batch_more(x, acknowledged))
		*ret_reason = "the state file contradicts the log";
	else if (x->damaged || x->scan.tail)
		r = scan_later_commit(&x->scan, &later);
	if (later)
		*ret_reason = "a damaged batch is followed by a later commit";
	return r;
}

/* Describe @segment as predecessor: @end bytes of its file count, the rest is tail. It has @saved less than were written. */
static int link_segment(struct examination *x, uint64_t segment, uint64_t end, uint64_t saved,
			struct segment_link *ret)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r = directory_open_segment(x->dir, segment, O_RDONLY, &fd);

	*ret = (struct segment_link){.segment = segment, .end = end + saved};
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size <= end)
		return 0;
	ret->tail = (uint64_t)st.st_size - end;
	return file_hash(fd, end, (uint64_t)st.st_size, x->hasher, ret->tail_hash);
}

/* Leave everything as it is and begin a new incarnation behind it. */
static int violate(struct examination *x, const char *reason, struct recovery *ret)
{
	const struct tip *good = &x->scan.tip;
	struct tip *tip = &ret->state.tip;
	uint64_t next = tip->next_index;
	int r = 0;

	ret->origin = CHAIN_VIOLATED;
	ret->acknowledged = next;
	memcpy(ret->old_chain_id, x->kept ? good->chain_id : tip->chain_id, AUDIT_ID_SIZE);
	ret->old_next_index = x->kept ? good->next_index : 0;
	snprintf(ret->words, sizeof(ret->words),
		 "%s: %llu acknowledged, %llu in order; a new incarnation of the chain begins",
		 reason, (unsigned long long)next, (unsigned long long)ret->old_next_index);
	ret->previous.segment = SEGMENT_NONE;
	if (x->count) {
		uint64_t last = x->segments[x->count - 1];
		bool known = x->kept == x->count;

		r = link_segment(x, last, known ? x->scan.offset : 0, known ? x->scan.saved : 0,
				 &ret->previous);
		if (known)
			memcpy(ret->previous.seal, x->scan.seal, AUDIT_HASH_SIZE);
		if (next <= last)
			next = last + 1;
	}
	if (next < ret->old_next_index)
		next = ret->old_next_index;
	if (tip->incarnation < good->incarnation)
		tip->incarnation = good->incarnation;
	*tip = (struct tip){.incarnation = tip->incarnation + 1, .segment = SEGMENT_NONE};
	tip->next_index = next;
	if (x->kept)
		memcpy(tip->last_hash, good->last_hash, AUDIT_HASH_SIZE);
	return r < 0 ? r : new_chain_id(tip->chain_id);
}

static int set_aside(struct examination *x, struct recovery *ret)
{
	for (size_t i = x->kept; i < x->count; i++) {
		uint64_t size;
		int r = directory_set_aside(x->dir, x->segments[i], x->hasher, &size,
					    ret->set_aside_hash);

		if (r < 0)
			return r;
		ret->set_aside_files++;
		ret->set_aside_bytes += size;
	}
	return 0;
}

/* The log is in order, up to what a crash can leave: continue it. */
static int resume(struct examination *x, struct recovery *ret)
{
	int r = set_aside(x, ret);

	if (r < 0)
		return r;
	ret->previous.segment = SEGMENT_NONE;
	if (x->kept) {
		r = link_segment(x, x->scan.header.first_index, x->scan.offset, x->scan.saved,
				 &ret->previous);
		if (r < 0)
			return r;
		memcpy(ret->previous.seal, x->scan.seal, AUDIT_HASH_SIZE);
		ret->state_stale = !tip_equal(&x->scan.tip, &ret->state.tip);
		ret->state.tip = x->scan.tip;
	}
	if (x->kept && !x->scan.ended && !ret->previous.tail) {
		memcpy(ret->seal, x->scan.seal, AUDIT_HASH_SIZE);
		r = directory_open_segment(x->dir, ret->previous.segment, O_RDWR, &ret->fd);
		if (r < 0)
			return r;
	}
	ret->origin = CHAIN_CONTINUED;
	if (!ret->previous.tail && !ret->set_aside_files && !ret->state.damaged)
		return 0;
	ret->origin = CHAIN_RECOVERED;
	snprintf(ret->words, sizeof(ret->words),
		 "%llu bytes of a batch that was never acknowledged were set aside%s",
		 (unsigned long long)(ret->previous.tail + ret->set_aside_bytes),
		 ret->state.damaged ? "; one of the two slots of the state file was damaged" : "");
	return 0;
}

static int examine(struct examination *x, struct recovery *ret)
{
	const char *reason;
	int r = directory_segments(x->dir, &x->segments, &x->count);
	int known = state_load(x->dir, x->hasher, &ret->state);

	if (r < 0)
		return r;
	if (known == -ENOENT && !x->count)
		return start_new_chain(ret);
	r = find_end(x);
	if (r < 0)
		return r;
	if (known == -ENOENT || known == -EBADMSG) {
		ret->state_lost = true;
		return violate(x, "the state file is missing or damaged", ret);
	}
	if (known < 0)
		return known;
	r = judge(x, &ret->state.tip, &reason);
	if (r < 0)
		return r;
	if (!reason)
		reason = x->missing;
	return reason ? violate(x, reason, ret) : resume(x, ret);
}

int recover(int dir, const char *missing, struct hasher *hasher, struct recovery *ret,
	    struct fault *reterr)
{
	struct examination x = {.dir = dir, .missing = missing, .hasher = hasher};
	int r = scan_init(&x.scan, hasher, false);

	*ret = (struct recovery){.fd = -1};
	if (r == 0)
		r = examine(&x, ret);
	if (r == 0 && ret->state.tip.next_index > FIRST_INDEX_MAX)
		r = -EOVERFLOW;
	scan_done(&x.scan);
	free(x.segments);
	if (r < 0)
		return fault(reterr, r, "audit.open", "cannot recover the audit log: %s",
			     strerror(-r));
	return 0;
}

void recovery_done(struct recovery *r)
{
	close_fdp(&r->fd);
	r->fd = -1;
}
