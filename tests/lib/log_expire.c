/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "audit/segment.h"
#include "log_files.h"

struct gathered {
	struct frame_gone gone;
	uint8_t *hashes;
	bool complete; /* the last frame was the end of a batch */
};

/* 0; -1: no batch has such a frame, or it is damaged. */
static int gather(struct gathered *g, const struct frame *f, struct hasher *hasher)
{
	static const uint8_t any_seal[AUDIT_HASH_SIZE];
	uint8_t *hash = g->hashes + g->gone.count * AUDIT_HASH_SIZE;
	struct frame_seal commit;
	struct frame_gone gone;
	size_t length;

	g->complete = f->type == FRAME_COMMIT || f->type == FRAME_GONE;
	g->gone.bytes += f->size;
	switch (f->type) {
	case FRAME_RECORD:
		hash_leaf(hasher, f->payload, f->length, hash);
		g->gone.count++;
		return 0;
	case FRAME_STUB:
		if (frame_stub_decode(f, hash, &length) < 0)
			return -1;
		g->gone.bytes += frame_size(length) - f->size;
		g->gone.count++;
		return 0;
	case FRAME_COMMIT:
		frame_seal_decode(f, any_seal, hasher, &commit); /* for the times */
		g->gone.real_ns = commit.real_ns;
		g->gone.boot_ns = commit.boot_ns;
		g->gone.seal = f->payload + f->length - AUDIT_HASH_SIZE;
		return 0;
	case FRAME_GONE:
		if (frame_gone_decode(f, &gone) < 0)
			return -1;
		memcpy(hash, gone.hashes, gone.count * AUDIT_HASH_SIZE);
		gone.bytes += g->gone.bytes - f->size;
		gone.count += g->gone.count;
		g->gone = gone;
		return 0;
	default:
		return -1;
	}
}

size_t log_frames_expire(const uint8_t *frames, size_t length, struct hasher *hasher, uint8_t *ret)
{
	struct gathered g = {.hashes = ret + FRAME_HEADER_SIZE + FRAME_GONE_FIXED};
	uint64_t first = 0;
	struct frame frame;
	size_t size;

	for (size_t at = 0; at < length; at += size) {
		if (length - at < FRAME_HEADER_SIZE || frame_measure(frames + at, &size) < 0 ||
		    size > length - at || frame_decode(frames + at, &frame) < 0 ||
		    gather(&g, &frame, hasher) < 0)
			return 0;
		if (at == 0)
			first = frame.index;
	}
	if (!g.complete || !g.gone.count)
		return 0;
	frame_gone_encode(ret, first, &g.gone);
	return frame_size(FRAME_GONE_FIXED + g.gone.count * AUDIT_HASH_SIZE);
}
