/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A log without a key can be written anew from any record on, by anybody who may write to its directory: this does
 * it, to see that checkpoints and heartbeats tell. Frames of records keep their text but for what the chain puts in.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/hash.h"
#include "audit/record.h"
#include "audit/segment.h"
#include "base/clock.h"
#include "log_files.h"

#define SLACK 4096 /* a file grows by a record at most, and by longer numbers */

struct forger {
	struct hasher hasher;
	uint64_t victim; /* as the log was */
	enum log_forgery how;

	struct tip tip;		       /* so far, of what is written */
	uint8_t last[AUDIT_HASH_SIZE]; /* hash of the last record, committed or not */
	uint64_t next;		       /* index of the next record */
	uint64_t first;		       /* of the batch */
	uint8_t seal[AUDIT_HASH_SIZE];
	uint64_t before; /* the segment before; SEGMENT_NONE */
	uint64_t before_end;

	uint8_t *out; /* the segment */
	size_t at, saved;
	size_t batch_at, batch_saved; /* likewise, where the batch began */
};

/* Overwrite what follows `"key":` behind @from in @text. */
static bool overwrite(char *from, char *end, const char *key, const char *value)
{
	char *at = memmem(from, (size_t)(end - from), key, strlen(key));

	if (at)
		memcpy(at + strlen(key), value, strlen(value));
	return at != NULL;
}

/* One of them, by @number. */
static bool change_a_digit(char *from, char *end, uint64_t number)
{
	uint64_t digits = 0;

	for (char *at = from; at < end; at++)
		digits += isdigit((unsigned char)*at) != 0;
	number = digits ? number % digits : 0;
	for (char *at = from; at < end; at++)
		if (isdigit((unsigned char)*at) && !number--) {
			*at = *at == '1' ? '2' : '1';
			return true;
		}
	return false;
}

/* The record with the index, id and hash that belong here. Returns its length; 0: it is none. */
static size_t write_record(struct forger *f, const struct frame *frame, bool change, char *ret)
{
	uint8_t id[AUDIT_ID_SIZE];
	char text[40], hash[AUDIT_HASH_TEXT], index[40], *tail, *end, *details;
	struct record_view view;
	size_t head, length;

	if (record_parse((const char *)frame->payload, frame->length, &view) < 0)
		return 0;
	snprintf(text, sizeof(text), ",\"index\":%llu,", (unsigned long long)view.index);
	snprintf(index, sizeof(index), ",\"index\":%llu,", (unsigned long long)f->next);
	head = (size_t)(view.details.data + view.details.length - (const char *)frame->payload);
	tail = memmem(frame->payload + head, frame->length - head, text, strlen(text));
	if (!tail)
		return 0;
	head = (size_t)(tail - (const char *)frame->payload);
	memcpy(ret, frame->payload, head);
	memcpy(ret + head, index, strlen(index));
	length = head + strlen(index);
	memcpy(ret + length, tail + strlen(text), frame->length - head - strlen(text));
	length += frame->length - head - strlen(text);
	end = ret + length;
	details = ret + (view.details.data - (const char *)frame->payload);
	if (change && !change_a_digit(details, details + view.details.length, f->next))
		change_a_digit(end - 12, end, 0);
	hash_event_id(&f->hasher, f->tip.chain_id, f->next, id);
	hex_format(id, sizeof(id), hash);
	snprintf(text, sizeof(text), "%.8s-%.4s-%.4s-%.4s-%.12s", hash, hash + 8, hash + 12,
		 hash + 16, hash + 20);
	hex_format(f->last, sizeof(f->last), hash);
	if (!overwrite(details, end, ",\"event_id\":\"", text) ||
	    !overwrite(ret + head, end, ",\"previous_hash\":\"", hash))
		return 0;
	return length;
}

static bool add_record(struct forger *f, const struct frame *frame)
{
	bool victim = frame->index == f->victim;
	unsigned int times = victim && f->how == LOG_FORGE_REPEAT ? 2
			     : victim && f->how == LOG_FORGE_DROP ? 0
								  : 1;

	for (; times; times--) {
		uint8_t *at = f->out + f->at;
		size_t length = write_record(f, frame, victim && f->how == LOG_FORGE_CHANGE,
					     (char *)at + FRAME_HEADER_SIZE);

		if (!length)
			return false;
		hash_leaf(&f->hasher, at + FRAME_HEADER_SIZE, length, f->last);
		frame_encode(at, FRAME_RECORD, f->next, length);
		f->at += frame_size(length);
		if (victim && f->how == LOG_FORGE_STUB) {
			frame_stub_encode(at, f->next, f->last, length);
			f->at -= frame_size(length) - FRAME_STUB_SIZE;
			f->saved += frame_size(length) - FRAME_STUB_SIZE;
		}
		f->next++;
	}
	return true;
}

static bool add_stub(struct forger *f, const struct frame *frame)
{
	size_t length;

	if (frame_stub_decode(frame, f->last, &length) < 0)
		return false;
	if (frame->index == f->victim && f->how == LOG_FORGE_DROP)
		return true;
	frame_stub_encode(f->out + f->at, f->next++, f->last, length);
	f->at += FRAME_STUB_SIZE;
	f->saved += frame_size(length) - FRAME_STUB_SIZE;
	return true;
}

/* A batch, or what stands for some, is complete. */
static void stand_behind(struct forger *f)
{
	f->first = f->next;
	f->batch_at = f->at;
	f->batch_saved = f->saved;
	f->tip.segment = f->before;
	f->tip.offset = f->at + f->saved;
	f->tip.next_index = f->next;
	memcpy(f->tip.last_hash, f->last, sizeof(f->last));
	memcpy(f->tip.seal, f->seal, sizeof(f->seal));
}

static bool has_victim(const struct forger *f)
{
	return f->victim >= f->first && f->victim < f->next;
}

/* What is left of batches that expired. Its seal is one that nobody can compute: it stays. */
static bool add_gone(struct forger *f, const struct frame *frame)
{
	uint8_t *hashes = f->out + f->at + FRAME_HEADER_SIZE + FRAME_GONE_FIXED, *to = hashes;
	uint64_t first = f->next;
	struct frame_gone g;
	size_t size;

	if (f->next != f->first || frame_gone_decode(frame, &g) < 0)
		return false;
	for (size_t i = 0; i < g.count; i++) {
		bool victim = frame->index + i == f->victim;
		unsigned int times = !victim			  ? 1
				     : f->how == LOG_FORGE_REPEAT ? 2
								  : f->how != LOG_FORGE_DROP;

		for (; times; times--, to += AUDIT_HASH_SIZE) {
			memcpy(to, g.hashes + i * AUDIT_HASH_SIZE, AUDIT_HASH_SIZE);
			*to ^= victim && f->how == LOG_FORGE_CHANGE;
			f->next++;
		}
	}
	if (f->next == first)
		return true; /* nothing is left of it */
	if (f->how == LOG_FORGE_CLOCK && has_victim(f))
		g.real_ns += 3600 * NSEC_PER_SEC;
	g.count = (size_t)(f->next - first);
	frame_gone_encode(f->out + f->at, first, &g);
	size = frame_size(FRAME_GONE_FIXED + g.count * AUDIT_HASH_SIZE);
	f->at += size;
	f->saved += g.bytes - size;
	memcpy(f->last, to - AUDIT_HASH_SIZE, AUDIT_HASH_SIZE);
	memcpy(f->seal, g.seal, AUDIT_HASH_SIZE);
	stand_behind(f);
	return true;
}

/* The batch that ends here looks as if it had expired. */
static void take_batch_out(struct forger *f)
{
	size_t length = f->at - f->batch_at, taken = length + f->saved - f->batch_saved, size;
	uint8_t *gone = malloc(length);

	size = gone ? log_frames_expire(f->out + f->batch_at, length, &f->hasher, gone) : 0;
	if (size) {
		memcpy(f->out + f->batch_at, gone, size);
		f->at = f->batch_at + size;
		f->saved = f->batch_saved + taken - size;
	}
	free(gone);
}

static void add_seal(struct forger *f, const struct frame *frame)
{
	uint8_t before[AUDIT_HASH_SIZE];
	struct frame_seal s;

	if (frame->type == FRAME_COMMIT && f->next == f->first)
		return; /* nothing is left of the batch */
	memcpy(before, f->seal, sizeof(before));
	frame_seal_decode(frame, before, &f->hasher, &s); /* for the times */
	if (f->how == LOG_FORGE_CLOCK && has_victim(f))
		s.real_ns += 3600 * NSEC_PER_SEC;
	s.first = f->first;
	s.count = f->next - f->first;
	memcpy(s.last_hash, f->last, sizeof(s.last_hash));
	frame_seal_encode(f->out + f->at, frame->type, &s, before, &f->hasher);
	f->at += FRAME_SEAL_SIZE;
	memcpy(f->seal, s.seal, sizeof(f->seal));
	if (frame->type != FRAME_COMMIT)
		return;
	if (f->how == LOG_FORGE_GONE && has_victim(f))
		take_batch_out(f);
	stand_behind(f);
}

static bool add_frames(struct forger *f, const struct log_file *file)
{
	size_t at = SEGMENT_HEADER_SIZE, size;
	struct frame frame;

	while (at + FRAME_HEADER_SIZE <= file->length &&
	       frame_measure(file->data + at, &size) == 0 && at + size <= file->length &&
	       frame_decode(file->data + at, &frame) == 0) {
		bool ok = true;

		if (frame.type == FRAME_RECORD)
			ok = add_record(f, &frame);
		else if (frame.type == FRAME_STUB)
			ok = add_stub(f, &frame);
		else if (frame.type == FRAME_GONE)
			ok = add_gone(f, &frame);
		else
			add_seal(f, &frame);
		if (!ok)
			return false;
		at += size;
	}
	if (f->next != f->first)
		return false;
	f->before_end = f->at + f->saved;
	memcpy(f->out + f->at, file->data + at, file->length - at);
	f->at += file->length - at;
	return true;
}

static bool add_segment(struct forger *f, const struct log_file *file)
{
	struct segment_header h;
	uint8_t seal[AUDIT_HASH_SIZE];

	if (file->length < SEGMENT_HEADER_SIZE ||
	    segment_header_decode(file->data, &f->hasher, &h, seal) < 0 || h.incarnation)
		return false;
	if (f->before == SEGMENT_NONE)
		memcpy(f->tip.chain_id, h.chain_id, AUDIT_ID_SIZE);
	if ((f->before == SEGMENT_NONE) != (h.previous.segment == SEGMENT_NONE) ||
	    f->before == f->next) /* nothing is left of the segment before */
		return false;
	h.first_index = f->next;
	memcpy(h.previous_hash, f->last, AUDIT_HASH_SIZE);
	if (f->before != SEGMENT_NONE) {
		h.previous.segment = f->before;
		h.previous.end = f->before_end;
		memcpy(h.previous.seal, f->seal, AUDIT_HASH_SIZE);
	}
	f->before = f->next;
	segment_header_encode(&h, &f->hasher, f->out, f->seal);
	f->at = f->batch_at = SEGMENT_HEADER_SIZE;
	f->saved = f->batch_saved = 0;
	return add_frames(f, file);
}

static bool write_state(struct forger *f, struct log_file *file)
{
	struct tip old;
	uint64_t sequence;

	if (file->length != STATE_SLOTS * STATE_SLOT_SIZE)
		return false;
	for (size_t i = 0; i < STATE_SLOTS; i++) {
		uint8_t *slot = file->data + i * STATE_SLOT_SIZE;

		if (state_decode(slot, &f->hasher, &sequence, &old) < 0)
			return false;
		state_encode(sequence, &f->tip, &f->hasher, slot);
	}
	return true;
}

bool log_files_rechain(struct log_files *files, uint64_t victim, enum log_forgery how)
{
	struct forger f = {.victim = victim, .how = how, .before = SEGMENT_NONE};
	struct log_files now = {0};
	bool ok = hasher_init(&f.hasher) == 0;

	log_files_copy(&now, files);
	for (size_t i = 0; ok && i < now.count; i++) {
		struct log_file *file = &now.list[i];

		if (strcmp(file->name, "state") == 0)
			ok = write_state(&f, file);
		if (!log_file_is_segment(file))
			continue;
		f.out = calloc(2, file->length + SLACK);
		ok = f.out && add_segment(&f, file);
		free(file->data);
		file->data = f.out;
		file->length = f.at;
		segment_name(f.before, file->name);
	}
	hasher_done(&f.hasher);
	if (ok) {
		struct log_files swap = *files;

		*files = now;
		now = swap;
	}
	log_files_done(&now);
	return ok && log_files_find(files, "state");
}
