/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sealer: a thread that reads back what the writer acknowledged, hashes it a second time, grows the Merkle tree and
 * its tiles, and signs a checkpoint of it, at most once a second. So nothing is signed that is not on disk and was
 * not hashed twice, and neither a slow signature nor a full disk delays the writer.
 *
 * Each incarnation of the log is a tree of its own. That of incarnation 0 lives in the log's directory under the
 * log's name, that of incarnation N in N/ under name/N:
 *
 *   checkpoint   what was signed last
 *   tile/...     see tile.h
 *   first        incarnation 1 and up: the index of its first record, which is leaf 0
 *
 * When it starts it goes on from the checkpoint. Tiles that are missing or wrong are computed again from the records.
 * If the records contradict what was signed, that is an audit.violation and nothing is signed any more until somebody
 * acknowledges it; what is signed then has another name, so that one name never stands for two histories.
 */
#ifndef AUDIT_SEALER_H
#define AUDIT_SEALER_H

#include <stdint.h>

#include "audit/keyring.h"
#include "audit/record.h"

struct sealer;

struct sealer_options {
	const char *audit_dir, *key_dir;
	/* Called on the sealer's thread; has to copy. */
	void (*record)(const struct audit_record *record, void *userdata);
	void *userdata;
	uint64_t interval_ns; /* between checkpoints; 0 = a second */
};

enum sealer_state {
	SEALER_STARTING, /* reading back what is there */
	SEALER_SEALING,
	SEALER_FAILING, /* tries again: disk, keys */
	SEALER_HALTED,	/* the log contradicts what was signed */
	SEALER_STATE_MAX,
};

const char *sealer_state_to_str(enum sealer_state state);

struct sealer_stats {
	enum sealer_state state;
	char because[256];		/* failing or halted: why */
	char origin[NOTE_NAME_MAX + 1]; /* "" before the first checkpoint */
	uint64_t first,
		size; /* of the last checkpoint: its tree holds records first to first + size - 1 */
	uint64_t signed_ns;	/* CLOCK_REALTIME; 0 = by an earlier process */
	uint64_t checkpoints;	/* signed by this process */
	uint64_t tiles_rebuilt; /* how often tiles had to be computed again */
	uint64_t behind_ns;	/* for how long records have waited to be covered; 0 = none do */
};

/** Start the thread. -ENOMEM, -EAGAIN "audit.sealer". What is wrong with keys and files shows in the stats. */
int sealer_start(const struct sealer_options *options, struct sealer **ret, struct fault *reterr);
/* End the thread; no record comes any more. Accepts NULL. */
void sealer_stop(struct sealer *s);
/* Seal what was acknowledged since, within two seconds, and free. After sealer_stop(). Accepts NULL. */
void sealer_close(struct sealer *s);

void sealer_get_stats(struct sealer *s, struct sealer_stats *ret);

/**
 * Rotate the key, in two steps: prepare, make the record of it durable, finish. @ret is the note of
 * keyring_prepare(), @ret_keys old and new verifier key. -EBUSY "audit.rotation": the keys are not open yet.
 */
int sealer_rotate_prepare(struct sealer *s, char **ret, char ret_keys[static 2][NOTE_VERIFIER_SIZE],
			  struct fault *reterr);
int sealer_rotate_finish(struct sealer *s, struct fault *reterr);
/* The record could not be made durable: the key stays as it is. */
void sealer_rotate_abandon(struct sealer *s);
/**
 * Sign again, under another name (@ret_name), though the log contradicts what was signed. The checkpoint is kept as
 * checkpoint.contradicted-<number>. -EPERM "audit.acknowledge": it does not.
 */
int sealer_acknowledge(struct sealer *s, char ret_name[static NOTE_NAME_MAX + 1],
		       struct fault *reterr);

#endif
