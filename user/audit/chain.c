/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The batch in memory and the records that the chain writes about itself. Records are framed and
 * hashed when they are appended, so a batch that is written a second time has the same bytes.
 */
#include "audit/chain.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/reserve.h"
#include "audit/writer.h"
#include "base/clock.h"

struct chain {
	int dir, lock;
	struct hasher hasher;
	struct writer writer;
	const struct personal_keeper *keeper;
	enum chain_origin origin;
	char origin_words[256];

	uint8_t *batch; /* frames, and room for the COMMIT frame */
	size_t used, count, size;
	uint64_t bytes;			    /* of batches, made durable */
	uint8_t last_hash[AUDIT_HASH_SIZE]; /* of the last record appended */

	uint64_t lost, lost_told; /* told: an audit.loss record says so */
	uint64_t lost_since_ns;

	int error; /* of the last commit; 0 = not degraded */
	uint64_t failed_commits, failing_since_ns;
	bool full; /* the reserve is used up or cannot be made */
	uint64_t full_since_ns;
};

/* Append without counting a loss. */
static int append(struct chain *c, const struct audit_record *record)
{
	uint8_t *frame = c->batch + c->used, id[AUDIT_ID_SIZE];
	const struct tip *durable = &c->writer.state.tip;
	struct audit_position at = {
		.index = durable->next_index + c->count,
		.event_id = id,
		.previous_hash = c->last_hash,
		.keeper = c->keeper,
	};
	struct text text;

	if (c->count == BATCH_RECORDS || c->used + frame_size(AUDIT_RECORD_MAX) > c->size)
		return -ENOBUFS;
	hash_event_id(&c->hasher, durable->chain_id, at.index, id);
	text_init(&text, (char *)frame + FRAME_HEADER_SIZE, AUDIT_RECORD_MAX + 1);
	record_write(record, &at, &text);
	if (text.truncated)
		return -EMSGSIZE;
	frame_encode(frame, FRAME_RECORD, at.index, text.length);
	hash_leaf(&c->hasher, text.data, text.length, c->last_hash);
	c->used += frame_size(text.length);
	c->count++;
	return 0;
}

int chain_append(struct chain *c, const struct audit_record *record)
{
	int r = append(c, record);

	if (r < 0 && c->lost++ == c->lost_told)
		c->lost_since_ns = clock_real_ns();
	return r;
}

/* The chain's own records come first in an empty batch, where there is always room. */
static void append_own(struct chain *c, enum audit_event event, const struct audit_details *details)
{
	const struct audit_record record = {
		.event = event,
		.resource = {"chain", "audit"},
		.details = details,
	};
	int r = append(c, &record);

	assert(r == 0);
}

static void tell_failure(struct chain *c)
{
	struct audit_details d = {0};
	char since[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(c->failing_since_ns, since);
	audit_details_string(&d, "error", strerror(-c->error));
	audit_details_u64(&d, "failed_commits", c->failed_commits);
	audit_details_string(&d, "since", since);
	append_own(c, AUDIT_EVENT_AUDIT_STORAGE_ERROR, &d);
	reserve_make(c->dir);
	c->error = 0;
	c->failed_commits = 0;
}

static void tell_loss(struct chain *c)
{
	struct audit_details d = {0};
	char since[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(c->lost_since_ns, since);
	audit_details_u64(&d, "records_lost", c->lost - c->lost_told);
	audit_details_string(&d, "since", since);
	audit_details_string(&d, "stage", "batch");
	append_own(c, AUDIT_EVENT_AUDIT_LOSS, &d);
	c->lost_told = c->lost;
}

/* Behind what is in the batch already, if there is room for it. */
static void tell_full(struct chain *c, int error)
{
	struct audit_details d = {0};
	const struct audit_record record = {
		.event = AUDIT_EVENT_AUDIT_STORAGE_FULL,
		.resource = {"chain", "audit"},
		.details = &d,
	};

	audit_details_string(&d, "error", strerror(-error));
	audit_details_u64(&d, "reserve_bytes", RESERVE_BYTES);
	append(c, &record);
	c->full = true;
	c->full_since_ns = clock_real_ns();
}

static void tell_restored(struct chain *c)
{
	struct audit_details d = {0};
	char since[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(c->full_since_ns, since);
	audit_details_string(&d, "since", since);
	append_own(c, AUDIT_EVENT_AUDIT_STORAGE_RESTORED, &d);
	c->full = false;
}

static void tell_recovery(struct chain *c, const struct recovery *found)
{
	char torn[AUDIT_HASH_TEXT], moved[AUDIT_HASH_TEXT], segment[SEGMENT_NAME_SIZE];
	struct audit_details d = {0};

	hex_format(found->previous.tail_hash, AUDIT_HASH_SIZE, torn);
	hex_format(found->set_aside_hash, AUDIT_HASH_SIZE, moved);
	if (found->previous.tail) {
		segment_name(found->previous.segment, segment);
		audit_details_string(&d, "segment", segment);
		audit_details_u64(&d, "offset", found->previous.end);
		audit_details_string(&d, "sha256", torn);
	}
	audit_details_u64(&d, "torn_bytes", found->previous.tail);
	if (found->set_aside_files) {
		audit_details_u64(&d, "quarantined_files", found->set_aside_files);
		audit_details_u64(&d, "quarantined_bytes", found->set_aside_bytes);
		audit_details_string(&d, "quarantined_sha256", moved);
	}
	audit_details_bool(&d, "state_slot_damaged", found->state.damaged);
	append_own(c, AUDIT_EVENT_AUDIT_RECOVERY, &d);
}

static void tell_violation(struct chain *c, const struct recovery *found)
{
	char id[2 * AUDIT_ID_SIZE + 1], hash[AUDIT_HASH_TEXT];
	struct audit_details d = {0};

	hex_format(found->old_chain_id, AUDIT_ID_SIZE, id);
	hex_format(found->state.tip.last_hash, AUDIT_HASH_SIZE, hash);
	audit_details_string(&d, "reason", found->words);
	audit_details_string(&d, "old_chain_id", id);
	audit_details_u64(&d, "acknowledged_records", found->acknowledged);
	audit_details_u64(&d, "good_records", found->old_next_index);
	audit_details_string(&d, "last_good_hash", hash);
	audit_details_u64(&d, "incarnation", found->state.tip.incarnation);
	append_own(c, AUDIT_EVENT_AUDIT_VIOLATION, &d);
}

/* Take over what was found and write down what is odd about it. */
static void begin(struct chain *c, const struct chain_options *options, struct recovery *found)
{
	writer_init(&c->writer, c->dir, &c->hasher, found);
	if (options && options->segment_bytes)
		c->writer.segment_bytes = options->segment_bytes;
	c->size = BATCH_BYTES;
	if (options && options->batch_bytes)
		c->size = options->batch_bytes;
	assert(c->size >= CHAIN_BATCH_BYTES_MIN && c->size <= BATCH_BYTES);
	c->keeper = options ? options->keeper : NULL;
	if (options && options->datasync)
		c->writer.datasync = options->datasync;
	assert(c->writer.segment_bytes >= CHAIN_SEGMENT_BYTES_MIN);
	memcpy(c->last_hash, found->state.tip.last_hash, AUDIT_HASH_SIZE);
	memcpy(c->origin_words, found->words, sizeof(c->origin_words));
	c->origin = found->origin;
	reserve_make(c->dir);
	if (c->origin == CHAIN_RECOVERED)
		tell_recovery(c, found);
	if (c->origin == CHAIN_VIOLATED)
		tell_violation(c, found);
}

int chain_open(const char *path, const struct chain_options *options, struct chain **ret,
	       struct fault *reterr)
{
	_cleanup_(chain_closep) struct chain *c = calloc(1, sizeof(*c));
	_cleanup_(recovery_done) struct recovery found = {.fd = -1};
	int r;

	if (!c)
		return fault(reterr, -ENOMEM, "audit.open", "no memory for the audit log");
	c->dir = c->lock = c->writer.fd = -1;
	c->batch = malloc(BATCH_BYTES + FRAME_SEAL_SIZE);
	if (!c->batch || hasher_init(&c->hasher) < 0)
		return fault(reterr, -ENOMEM, "audit.open", "no memory for the audit log");
	r = directory_open(path, &c->dir, &c->lock, reterr);
	if (r < 0)
		return r;
	r = recover(c->dir, options ? options->missing : NULL, &c->hasher, &found, reterr);
	if (r < 0)
		return r;
	begin(c, options, &found);
	*ret = take_ptr(c);
	return 0;
}

void chain_close(struct chain *c)
{
	if (!c)
		return;
	writer_done(&c->writer);
	hasher_done(&c->hasher);
	close_fdp(&c->dir);
	close_fdp(&c->lock);
	free(c->batch);
	free(c);
}

/* Make the batch durable and acknowledge it, and before that what is still unacknowledged. */
static int flush(struct chain *c, struct fault *reterr)
{
	int r = writer_acknowledge(&c->writer);

	if (r < 0 || !c->count)
		return r;
	if (c->keeper) {
		r = c->keeper->sync(reterr, c->keeper->userdata);
		if (r < 0)
			return r;
	}
	r = writer_commit(&c->writer, c->batch, c->used, c->count, c->last_hash);
	if (r < 0)
		return r;
	c->bytes += c->used;
	c->used = c->count = 0;
	return writer_acknowledge(&c->writer);
}

/* The same, and once more in the room of the reserve if there is no other. */
static int flush_somehow(struct chain *c, struct fault *reterr)
{
	int r = flush(c, reterr);

	if ((r != -ENOSPC && r != -EDQUOT) || !reserve_free(c->dir))
		return r;
	tell_full(c, r);
	*reterr = (struct fault){0};
	return flush(c, reterr);
}

int chain_commit(struct chain *c, struct fault *reterr)
{
	for (;;) {
		struct fault why = {0};
		bool restored;
		int r = flush_somehow(c, &why);

		if (r < 0) {
			if (!c->error)
				c->failing_since_ns = clock_real_ns();
			c->error = r;
			c->failed_commits++;
			return fault(reterr, r, "audit.write", "cannot write the audit log: %s",
				     why.err ? why.text : strerror(-r));
		}
		restored = c->full && reserve_make(c->dir);
		if (!c->error && c->lost == c->lost_told && !restored)
			return 0;
		if (c->error)
			tell_failure(c);
		if (c->lost != c->lost_told)
			tell_loss(c);
		if (restored)
			tell_restored(c);
	}
}

void chain_rotate(struct chain *c)
{
	c->writer.rotate = true;
}

enum chain_origin chain_origin(const struct chain *c)
{
	return c->origin;
}

const char *chain_origin_words(const struct chain *c)
{
	return c->origin_words;
}

bool chain_is_degraded(const struct chain *c)
{
	return c->error != 0;
}

bool chain_is_full(const struct chain *c)
{
	return c->full;
}

uint64_t chain_lost(const struct chain *c)
{
	return c->lost;
}

size_t chain_pending(const struct chain *c)
{
	return c->count;
}

uint64_t chain_bytes(const struct chain *c)
{
	return c->bytes;
}

uint64_t chain_length(const struct chain *c)
{
	return c->writer.state.tip.next_index;
}

void chain_last_hash(const struct chain *c, uint8_t ret[static AUDIT_HASH_SIZE])
{
	memcpy(ret, c->writer.state.tip.last_hash, AUDIT_HASH_SIZE);
}
